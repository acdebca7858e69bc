"""How the functions read their arguments: arrays, axes, and what is written in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._core import as_array
from ..arguments.naming import type_name

# For the annotations of all functions; users may evaluate them.
Array: TypeAlias = NDArray[Any]

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


def numbers(value: Any, name: str = "input") -> Array:
    """Return real numbers as an array of their own dtype."""
    return as_array(value, name, None)


def float_dtype(array: Array) -> np.dtype[Any]:
    """Return the dtype to compute in: float64 of float64 and longer, else float32."""
    return _FLOAT64 if array.dtype.kind == "f" and array.dtype.itemsize >= 8 else _FLOAT32


def floats(value: Any, name: str = "input", dtype: Any = None) -> Array:
    """Return numbers as a C-contiguous array of a dtype; without one, see :func:`float_dtype`.

    Only on contiguous arrays do NumPy's functions compute each number in the same way wherever it
    stands.
    """
    array = as_array(value, name, None)
    return np.asarray(array, float_dtype(array) if dtype is None else dtype, order="C")


def overwritten(target: Any, values: Array) -> Array:
    """Write results over the input, as ``inplace=True`` asks for, and return the input."""
    if type(target) is not np.ndarray or not target.flags.writeable:
        raise TypeError(
            "inplace=True needs a writable NumPy array as input, got "
            + (type_name(target) if type(target) is not np.ndarray else "a read-only array")
        )
    if target.dtype != values.dtype:
        raise RuntimeError(
            f"result type {values.dtype} can't be cast to the desired output type "
            f"{target.dtype}: inplace=True needs an array of float32 or float64"
        )
    np.copyto(target, values)
    return target


def pointwise(input: Any, inplace: bool, compute: Callable[..., Array], *args: Any) -> Array:
    """Apply what computes with arrays of one axis or more to anything that holds numbers."""
    x = floats(input)
    with np.errstate(all="ignore"):
        out = compute(x if x.ndim else x.reshape(1), *args)
    out = out if x.ndim else out.reshape(())
    return overwritten(input, out) if inplace else out


def wrong_type(function: str, name: str, position: int, wanted: str, value: Any) -> NoReturn:
    """Raise torch's TypeError on an argument."""
    raise TypeError(
        f"{function}(): argument '{name}' (position {position}) must be {wanted}, "
        f"not {type_name(value)}"
    )


def real(value: Any, function: str, name: str, position: int, wanted: str = "Number") -> float:
    """Return a number that an argument is."""
    if isinstance(value, (int, float, np.number)) and not isinstance(value, np.complexfloating):
        return float(value)
    wrong_type(function, name, position, wanted, value)


def whole(value: Any, function: str, name: str, position: int) -> int:
    """Return a whole number that an argument is."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        wrong_type(function, name, position, "int", value)
    return int(value.__index__())


def axis(dim: Any, ndim: int, function: str, position: int = 1, name: str = "dim") -> int:
    """Return the axis that ``dim`` counts, from the front."""
    index = whole(dim, function, name, position)
    count = max(ndim, 1)
    if not -count <= index < count:
        raise IndexError(
            "Dimension out of range (expected to be in range of "
            f"[{-count}, {count - 1}], but got {index})"
        )
    return index % count
