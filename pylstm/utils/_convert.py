"""What the sequence utilities make of their arguments: arrays, lengths, padding values, dtypes.

Every text that begins like one of torch's does so on purpose: callers match on it.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from .._core import as_array
from ..arguments.dtypes import check_device
from ..arguments.naming import type_name

# What numpy.typing has as NDArray, so that the import of pylstm does not have to load that module.
Array: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[Any]]
IntArray: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[np.int64]]

# Kinds that a packed sequence may hold: labels and masks are packed as well as features.
DATA_KINDS = "biufc"

# torch's names for element types, in the two spellings that its messages use.
_SCALAR_TYPES = {
    "float16": "c10::Half",
    "float32": "float",
    "float64": "double",
    "int32": "int",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}
_TENSOR_TYPES = {
    "bool": "Bool",
    "uint8": "Byte",
    "int8": "Char",
    "int16": "Short",
    "int32": "Int",
    "int64": "Long",
    "float16": "Half",
    "float32": "Float",
    "float64": "Double",
    "complex64": "ComplexFloat",
    "complex128": "ComplexDouble",
}


def argument_error(
    function: str, name: str, position: int, expected: str, got: object
) -> TypeError:
    """Build the error for an argument of the wrong type."""
    return TypeError(
        f"{function}(): argument '{name}' (position {position}) must be {expected}, "
        f"not {type_name(got)}"
    )


def to_array(value: Any, name: str, refusal: str | None = None) -> Array:
    """Turn data of any numeric or bool dtype into an array, without a copy where possible.

    ``refusal`` is put in front of the text when ``value`` holds no numbers.
    """
    try:
        array = value if type(value) is np.ndarray else as_array(value, name, "any")
        if array.dtype.kind not in DATA_KINDS:
            raise TypeError(f"{name} must hold numbers or bools, got dtype {array.dtype}")
    except TypeError as error:
        if refusal is None:
            raise
        raise TypeError(f"{refusal}: {error}") from None
    return array


def native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return ``dtype`` in this machine's byte order; results are never byte-swapped."""
    return dtype.newbyteorder("=")


def require_int64_vector(array: Array, hint: str) -> None:
    """Insist on what the lengths of a batch must be: one int64 per sequence."""
    if array.ndim != 1 or array.dtype != np.int64:
        kind = _TENSOR_TYPES.get(array.dtype.name, array.dtype.name)
        raise RuntimeError(
            "'lengths' argument should be a 1D CPU int64 tensor, "
            f"but got {array.ndim}D cpu {kind} tensor: {hint}"
        )


def to_lengths(lengths: Any, round_up: bool = False) -> IntArray:
    """Turn ``lengths`` into int64; what has no int64 value is an error.

    Fractions are cut off, or rounded up if ``round_up``.
    """
    refusal = f"'{type_name(lengths)}' object cannot be interpreted as an integer"
    if isinstance(lengths, (str, bytes)):
        refusal = f"new(): invalid data type '{type_name(lengths)}'"
    if isinstance(lengths, (list, tuple)):
        huge = next((n for n in lengths if isinstance(n, int) and not -(2**63) <= n < 2**63), None)
        if huge is not None:
            raise ValueError(
                f"Overflow when unpacking long long: {huge} is not the length of a sequence"
            )
    array = to_array(lengths, "lengths", refusal)
    if array.dtype.kind == "c":
        raise TypeError(
            "'complex' object cannot be interpreted as an integer: lengths are whole numbers"
        )
    if array.dtype.kind in "uf":
        wide = array.astype(np.float64)
        outside = ~((wide >= -(2.0**63)) & (wide < 2.0**63))  # True for nan as well
        if outside.any():
            raise RuntimeError(
                "value cannot be converted to type int64 without overflow: "
                f"lengths hold {wide[outside][0]}"
            )
        if round_up and array.dtype.kind == "f":
            array = np.ceil(wide)
    return array.astype(np.int64)


def _refuse_padding(value: object, dtype: np.dtype[Any]) -> RuntimeError:
    scalar_type = _SCALAR_TYPES.get(dtype.name, f"{dtype.name}_t")
    return RuntimeError(
        f"value cannot be converted to type {scalar_type} without overflow: "
        f"padding_value={value} does not fit the sequences' dtype {dtype.name}"
    )


def padding_scalar(value: Any, dtype: np.dtype[Any]) -> Any:
    """Check that the number ``value`` fits ``dtype`` and return what to fill with.

    Infinities and nan fit every floating dtype; a fraction is cut off for an integer dtype; a
    negative integer wraps around in an unsigned one.
    """
    if dtype.kind == "b":
        return bool(value)
    if isinstance(value, complex):
        if dtype.kind != "c" and value.imag != 0:
            raise _refuse_padding(value, dtype)
        parts: tuple[int | float, ...] = (value.real, value.imag)
    else:
        parts = (value,)
    for part in parts:
        if not _fits(part, dtype):
            raise _refuse_padding(value, dtype)
    if dtype.kind == "c":
        return value
    if dtype.kind == "f":
        return float(parts[0])
    return int(parts[0]) % 2 ** (8 * dtype.itemsize) if dtype.kind == "u" else int(parts[0])


def _fits(value: int | float, dtype: np.dtype[Any]) -> bool:
    """Tell whether the real number ``value`` fits ``dtype``, or the parts of a complex one."""
    if dtype.kind in "fc":
        return bool(not np.isfinite(float(value)) or abs(value) <= float(np.finfo(dtype).max))
    limits = np.iinfo(dtype)
    wraps = dtype.kind == "u" and isinstance(value, int)
    lowest = -int(limits.max) if wraps else int(limits.min)
    return lowest <= value <= int(limits.max)  # False for nan


def to_number(value: Any) -> int | float | complex | None:
    """Return ``value`` as a Python number, or None if it is not one number."""
    if isinstance(value, np.generic) or (
        getattr(value, "shape", None) == () and hasattr(value, "item")
    ):
        value = value.item()  # a NumPy scalar, a 0-D array or a 0-D tensor
    return value if isinstance(value, (int, float, complex)) else None


def to_dtype(spec: Any) -> np.dtype[Any]:
    """Return the dtype that ``spec`` spells: NumPy's spellings, Python types, torch's dtypes."""
    name = str(spec)
    if name == "torch.bfloat16":
        raise TypeError("NumPy has no bfloat16; take float32")
    dtype = np.dtype(name.removeprefix("torch.")) if name.startswith("torch.") else np.dtype(spec)
    if dtype.kind not in DATA_KINDS:
        raise TypeError(f"a packed sequence holds numbers or bools, not dtype {dtype}")
    return dtype


def _is_device(value: Any) -> bool:
    """Tell whether ``value`` names a device: a number, a device, a string that is no dtype."""
    if isinstance(value, str):
        try:
            np.dtype(value)
        except TypeError:
            return True
        return False
    kind = type(value)
    return isinstance(value, int) or (kind.__module__, kind.__name__) == ("torch", "device")


def parse_to(
    *args: Any,
    device: Any = None,
    dtype: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    **unknown: Any,
) -> tuple[np.dtype[Any] | None, bool]:
    """Read the arguments of ``to``: ``(device, dtype)``, ``(dtype)`` or ``(other)``, then flags.

    Returns the dtype, None if it stays, and whether a copy is wanted in any case.
    """
    other = unknown.pop("other", None)
    unknown.pop("memory_format", None)
    tail = list(args)
    if tail and (tail[0] is None or _is_device(tail[0])):
        device = tail.pop(0)
    if tail and not isinstance(tail[0], bool):
        first = tail.pop(0)
        if hasattr(first, "dtype") and not isinstance(first, type):
            other = first
        else:
            dtype = first
    if unknown or len(tail) > 2 or not all(isinstance(flag, bool) for flag in tail):
        words = [type_name(value) for value in args]
        words += [f"{name}={type_name(value)}, " for name, value in unknown.items()]
        raise TypeError(
            f"to() received an invalid combination of arguments - got ({', '.join(words)})"
        )
    check_device(device)
    copy = bool(tail[1]) if len(tail) == 2 else copy
    if dtype is None and other is not None:
        dtype = other.dtype
    return (None if dtype is None else to_dtype(dtype)), copy
