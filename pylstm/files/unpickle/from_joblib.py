"""Arrays as ``joblib.dump`` writes them: their bytes stand in the pickle, between its opcodes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..base.source import Segment
from .context import Context, FileBytes, Handler, Unbuilt
from .from_numpy import array_of

WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"


def _wrapper(context: Context, args: tuple[Any, ...]) -> Any:
    """Return what describes an array, whose bytes follow when it has been built."""
    return Unbuilt(WRAPPER, args, _finished)


def _finished(context: Context, args: tuple[Any, ...], state: Any) -> Any:
    match state:
        case {"shape": tuple() as shape, "order": str("C" | "F") as order, "dtype": dtype}:
            pass
        case _:
            context.fail("an array of joblib that is described otherwise than joblib does it")
    if not isinstance(dtype, np.dtype):
        context.fail(
            "an array that is not one of numbers, as joblib writes it: save arrays of numbers alone"
        )
    if len(shape) > 64 or not all(type(size) is int and 0 <= size < 2**63 for size in shape):
        context.fail("an array of impossible shape")
    stream = context.stream
    # Since joblib 1.2: a byte that counts those by which the array is moved to an even place.
    if state.get("numpy_array_alignment_bytes") is not None:
        stream.skip(stream.byte())
    count = math.prod(shape) * dtype.itemsize
    stream.need(count)
    content, start = stream.content, stream.position
    if isinstance(content, Segment):
        stream.skip(count)
        return array_of(context, FileBytes(content.part(start, count)), dtype, shape, order == "F")
    context.spend(2 * count)
    return array_of(context, bytes(stream.take(count)), dtype, shape, order == "F")


HANDLERS: dict[str, Handler] = {WRAPPER: _wrapper}
