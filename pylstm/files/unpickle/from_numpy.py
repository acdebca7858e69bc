"""NumPy's arrays, scalars and dtypes, as a pickle rebuilds them.

What has a dtype that a weight can have is described as a tensor; the others (objects, strings,
structures, dates) stay records.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from ..base.record import Record
from ..base.tensor import PLAIN_DTYPES, Storage, row_major
from .context import Context, FileBytes, Handler, Name, Unbuilt, segment_of

_DTYPES = {dtype.str[1:]: dtype for dtype in PLAIN_DTYPES.values()}
_LARGEST_SCALAR = 16


def _dtype(context: Context, args: tuple[Any, ...]) -> Any:
    """Return ``numpy.dtype(code, ...)``, whose byte order follows with BUILD."""
    return Unbuilt("numpy.dtype", args, _finished_dtype)


def _finished_dtype(context: Context, args: tuple[Any, ...], state: Any) -> Any:
    match args, state:
        case (str() as code, *_), (int(), str("<" | ">" | "|" | "=" as order), *_):
            if code in _DTYPES:
                return _DTYPES[code].newbyteorder("<" if order in "|=" else order)
    return None


def _reconstruct(context: Context, args: tuple[Any, ...]) -> Any:
    """Return an array without its shape, dtype and data, which follow with BUILD."""
    if not args or not isinstance(args[0], Name):
        context.fail("an array of no class")
    return Unbuilt(args[0].class_name, args[1:], _finished_array)


def _finished_array(context: Context, args: tuple[Any, ...], state: Any) -> Any:
    match state:
        case (int(), tuple() as shape, np.dtype() as dtype, int() as fortran, data):
            return array_of(context, data, dtype, shape, bool(fortran))
    return None


def _from_buffer(context: Context, args: tuple[Any, ...]) -> Any:
    """Return an array of protocol 5: data, dtype, shape and order at once."""
    match args:
        case (data, np.dtype() as dtype, tuple() as shape, str("C" | "F" as order)):
            return array_of(context, data, dtype, shape, order == "F")
    return Record("numpy.ndarray", args)


def array_of(
    context: Context, data: Any, dtype: np.dtype[Any], shape: tuple[Any, ...], fortran: bool
) -> Any:
    """Return what the caller makes of an array with these bytes."""
    if not isinstance(data, (bytes, bytearray, str, FileBytes)):
        context.fail(f"the data of an array are a {type(data).__name__}")
    storage = _storage(context, data, dtype)
    if len(shape) > 64 or not all(type(size) is int and 0 <= size < 2**63 for size in shape):
        context.fail("an array of impossible shape")
    if math.prod(shape) * dtype.itemsize != storage.content.size:
        context.fail(f"an array of shape {shape} and {storage.content.size} bytes of {dtype}")
    return context.tensor(storage, shape, row_major(shape[::-1])[::-1] if fortran else None)


def _storage(
    context: Context, data: bytes | bytearray | str | FileBytes, dtype: np.dtype[Any]
) -> Storage:
    order: Literal["<", ">"] = ">" if dtype.newbyteorder("<") != dtype else "<"
    # Arrays of the same bytes share them: a short pickle shall not become many long arrays.
    known = data.storages if isinstance(data, FileBytes) else {}
    storage = known.get((dtype.name, order))
    if storage is None:
        storage = Storage(context.file, segment_of(context, data), dtype.name, order)
        known[dtype.name, order] = storage
    return storage


def _scalar(context: Context, args: tuple[Any, ...]) -> Any:
    match args:
        case (np.dtype() as dtype, bytes() | str() as data) if len(data) <= _LARGEST_SCALAR:
            raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
            if len(raw) == dtype.itemsize:
                # Through the same reader as arrays, which knows what NumPy expects of a bool.
                return _storage(context, raw, dtype).read(0, 1)[0]
    return Record("numpy._core.multiarray.scalar", args)


_CORE: dict[str, Handler] = {
    "multiarray._reconstruct": _reconstruct,
    "multiarray.scalar": _scalar,
    "numeric._frombuffer": _from_buffer,
}
HANDLERS: dict[str, Handler] = {"numpy.dtype": _dtype}
for _module in ("numpy.core.", "numpy._core."):
    HANDLERS.update({_module + name: handler for name, handler in _CORE.items()})
