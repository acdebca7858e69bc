"""The element types of ONNX as dtypes of NumPy.

NumPy has no bfloat16, no float of 8 bits and no integer of 4 or 2 bits. An array of them has a
structured dtype of one field that has the type's name and the bits: it can be arranged anew like
any other, and is never taken for numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.float8 import FLOAT8, widen
from ..base.tensor import PLAIN_DTYPES, WIDENED_DTYPES

if TYPE_CHECKING:
    from ..base.tensor import Array

# TensorProto.DataType
_TYPES = (
    *("UNDEFINED", "FLOAT", "UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64", "STRING"),
    *("BOOL", "FLOAT16", "DOUBLE", "UINT32", "UINT64", "COMPLEX64", "COMPLEX128", "BFLOAT16"),
    *("FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "UINT4", "INT4"),
    *("FLOAT4E2M1", "FLOAT8E8M0", "UINT2", "INT2", "FLOAT6E2M3", "FLOAT6E3M2"),
)
_NAMES = {
    "FLOAT": "float32",
    "DOUBLE": "float64",
    "FLOAT8E4M3FN": "float8_e4m3fn",
    "FLOAT8E4M3FNUZ": "float8_e4m3fnuz",
    "FLOAT8E5M2": "float8_e5m2",
    "FLOAT8E5M2FNUZ": "float8_e5m2fnuz",
    "FLOAT8E8M0": "float8_e8m0fnu",
}
# Bits of the integers of less than a byte, and what one becomes in an array.
_BITS = {"int4": (4, "i1"), "uint4": (4, "u1"), "int2": (2, "i1"), "uint2": (2, "u1")}
_FOREIGN = {
    "bfloat16": np.dtype([("bfloat16", np.uint16)]),
    **{name: np.dtype([(name, np.uint8)]) for name in FLOAT8},
    **{name: np.dtype([(name, stored)]) for name, (_, stored) in _BITS.items()},
}


def type_name(number: int) -> str:
    """Return the name of an element type as ONNX has it."""
    return _TYPES[number] if 0 <= number < len(_TYPES) else "UNKNOWN"


def stored_name(number: int) -> str | None:
    """Return an element type's name as :class:`~pylstm.files.base.tensor.Storage` has it."""
    name = _small(number)
    return name if name in PLAIN_DTYPES or name in WIDENED_DTYPES else None


def bits_of(number: int) -> int:
    """Return the bits of an integer of less than a byte, 0 for any other type."""
    return _BITS.get(_small(number), (0, ""))[0]


def dtype_of(number: int) -> np.dtype[Any] | None:
    """Return the dtype of arrays of a type, None where there are none."""
    name = _small(number)
    return PLAIN_DTYPES.get(name) or _FOREIGN.get(name)


def name_of(dtype: np.dtype[Any]) -> str:
    """Return the name of a dtype, that of ONNX's type where NumPy has none."""
    return dtype.names[0] if dtype.names else dtype.name


def field_of(number: int) -> str:
    """Return the field that numbers of a type stand in, one by one."""
    name = _small(number)
    if name in ("float32", "complex64"):
        return "float_data"
    if name in ("float64", "complex128"):
        return "double_data"
    if name in ("uint32", "uint64"):
        return "uint64_data"
    return "int64_data" if name == "int64" else "int32_data"


def widened(array: Array) -> Array:
    """Return numbers that NumPy has: float32 for short floats, a byte for shorter integers."""
    name = array.dtype.names and array.dtype.names[0]
    if not name:
        return array
    bits = np.ascontiguousarray(array[name])
    if name == "bfloat16":
        return WIDENED_DTYPES[name][2](bits)
    return bits if name in _BITS else widen(name, bits)


def narrowed(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return numbers in a dtype: rounded half to even, if that is bfloat16.

    Raises
    ------
    TypeError
        For the other types that NumPy has not.
    """
    if not dtype.names:
        return array.astype(dtype, copy=False)
    if dtype.names[0] != "bfloat16":
        raise TypeError(f"nothing is rounded to {dtype.names[0]}")
    wide = np.ascontiguousarray(array, np.float32)
    bits = wide.view(np.uint32)
    rounded = bits + (0x7FFF + (bits >> np.uint32(16) & np.uint32(1)))
    # The bits of a NaN could overflow to a zero.
    upper = np.where(np.isnan(wide), bits | np.uint32(0x400000), rounded) >> np.uint32(16)
    return upper.astype(np.uint16).view(dtype)


def unpacked(packed: Array, number: int, count: int) -> Array:
    """Return integers of less than a byte from bytes, the lowest bits first."""
    name = _small(number)
    bits, stored = _BITS[name]
    codes = np.empty((packed.size, 8 // bits), np.uint8)
    for at in range(8 // bits):
        codes[:, at] = packed >> (bits * at) & (2**bits - 1)
    values = codes.reshape(-1)[:count]
    if stored == "i1":  # the sign is the upper bit
        values = ((values ^ 2 ** (bits - 1)).view(np.int8) - 2 ** (bits - 1)).astype(np.int8)
    return np.ascontiguousarray(values).view(_FOREIGN[name])


def _small(number: int) -> str:
    name = type_name(number)
    return _NAMES.get(name, name.lower())
