"""Random numbers of modules in Python, from the generator that manual_seed seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

# torch makes fewer numbers than this one by one.
_GROUP = 16


def _one_by_one(count: int) -> Iterator[float]:
    """Yield normal numbers in pairs, of which the second waits in the generator for the next."""
    uniform = np.empty(2)
    for _ in range(count):
        value = _core.swap_normal(None)
        if value is None:
            _core.draw_uniform(uniform)
            angle, unit = uniform.tolist()
            radius = math.sqrt(-2.0 * math.log1p(-unit))
            angle *= 2.0 * math.pi
            _core.swap_normal(radius * math.sin(angle))
            value = radius * math.cos(angle)
        yield value


def _transform(uniform: list[float]) -> list[float]:
    """Return the normal numbers that torch makes of a group of uniform ones, in float64."""
    half = _GROUP // 2
    cosines, sines = [], []
    for unit, fraction in zip(uniform[:half], uniform[half:], strict=True):
        radius = math.sqrt(-2.0 * math.log(1.0 - unit))
        angle = 2.0 * math.pi * fraction
        cosines.append(radius * math.cos(angle))
        sines.append(radius * math.sin(angle))
    return cosines + sines


def _float64(count: int) -> Array:
    out = np.empty(count)
    _core.draw_uniform(out)
    whole = count - count % _GROUP
    for first in range(0, whole, _GROUP):
        out[first : first + _GROUP] = _transform(out[first : first + _GROUP].tolist())
    if whole != count:
        last = np.empty(_GROUP)
        _core.draw_uniform(last)
        out[-_GROUP:] = _transform(last.tolist())
    return out


def standard_normal(shape: tuple[int, ...], dtype: str) -> Array:
    """Return standard normal numbers: those that torch gives for the same seed.

    float32 from 16 numbers on is computed in C and has torch's bits everywhere. The others use the
    logarithm, sine and cosine of the C library, as torch does: they have its bits where the two
    C libraries agree.
    """
    count = math.prod(shape)
    if count < _GROUP:
        return np.fromiter(_one_by_one(count), dtype, count).reshape(shape)
    if dtype == "float64":
        return _float64(count).reshape(shape)
    out = np.empty(shape, np.float32)
    _core.draw_normal(out)
    return out
