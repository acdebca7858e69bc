"""ONNX's QuantizeLinear and DequantizeLinear on constants, computed as its specification says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .onnx_numbers import name_of, narrowed, widened

if TYPE_CHECKING:
    from ..base.tensor import Array

# Smallest and largest value of the integers that numbers are quantised to.
_RANGES = {
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-32768, 32767),
    "uint16": (0, 65535),
    "int4": (-8, 7),
    "uint4": (0, 15),
    "int2": (-2, 1),
    "uint2": (0, 3),
}
_FLOATS = ("float32", "float16", "bfloat16")


def dequantised(
    x: Array, scale: Array, zero_point: Array | None, axis: int, block: int, target: Any
) -> Array:
    """Return ``(x - zero_point) * scale``.

    Parameters
    ----------
    x : ndarray
        Integers, or floats of 8 bits.
    scale : ndarray
        One number, one for each index along ``axis``, or one for each block along it.
    zero_point : ndarray or None
        Of the shape of ``scale`` and the dtype of ``x``.
    axis, block : int
        ``block`` is how many elements along ``axis`` share a scale; 0 where all or none do.
    target : dtype or None
        Of the result; that of ``scale`` if None.

    Raises
    ------
    ValueError
        For what the specification does not allow.
    """
    name = name_of(x.dtype)
    known = name in (*_RANGES, "int32") or name.startswith("float8")
    if not known or name_of(scale.dtype) not in _FLOATS:
        raise ValueError(f"{name} with a scale of {name_of(scale.dtype)}")
    check_scale(scale)
    result = widened(x).astype(np.float32)
    if zero_point is not None:
        _check_zero_point(zero_point, scale, x.dtype)
        # Of both up to 16 bits: their difference is exact in float32.
        _along(np.subtract, result, widened(zero_point).astype(np.float32), axis, block)
    _along(np.multiply, result, widened(scale).astype(np.float32), axis, block)
    return narrowed(result, scale.dtype if target is None else target)


def quantised(
    x: Array, scale: Array, zero_point: Array | None, axis: int, block: int, target: Any
) -> Array:
    """Return ``x / scale + zero_point`` as integers: rounded half to even, and saturated.

    Like :func:`dequantised`, but ``target`` is the dtype of the integers where there is no zero
    point, uint8 if None. Only of float32, since for shorter floats the specification leaves open
    in which precision they are divided.
    """
    if x.dtype != np.float32 or scale.dtype != np.float32:
        raise ValueError(f"{name_of(x.dtype)} with a scale of {name_of(scale.dtype)}")
    check_scale(scale)
    dtype = np.dtype(np.uint8 if target is None else target)
    if zero_point is not None:
        dtype = zero_point.dtype
        _check_zero_point(zero_point, scale, dtype)
    name = name_of(dtype)
    if name not in _RANGES:
        raise ValueError(f"to {name}")
    result = x.copy()
    _along(np.divide, result, scale, axis, block)
    np.rint(result, out=result)
    if zero_point is not None:
        _along(np.add, result, widened(zero_point).astype(np.float32), axis, block)
    if np.isnan(result).any():
        raise ValueError("NaN has no integer")
    np.clip(result, *_RANGES[name], out=result)
    return result.astype(dtype[0]).view(dtype) if dtype.names else result.astype(dtype)


def check_scale(scale: Array) -> None:
    """Refuse scales that no quantiser makes: what is multiplied by them is no weight."""
    wide = widened(scale).astype(np.float32)
    bad = wide[~(np.isfinite(wide) & (wide > 0))]
    if bad.size:
        raise ValueError(f"a scale of {bad[0]:g}, which is not positive and finite")


def _check_zero_point(zero_point: Array, scale: Array, dtype: np.dtype[Any]) -> None:
    if zero_point.dtype != dtype or zero_point.shape != scale.shape:
        raise ValueError(f"a zero point of {name_of(zero_point.dtype)} {zero_point.shape}")
    # Longer integers, and floats, have none but 0.
    if name_of(dtype) not in _RANGES and widened(zero_point).astype(np.float32).any():
        raise ValueError(f"a zero point of {name_of(dtype)} that is not 0")


def _along(operation: Any, result: Array, other: Array, axis: int, block: int) -> None:
    """Change ``result`` in place by what is one number, or one along an axis, or one a block."""
    if other.size == 1 and other.ndim <= 1:
        operation(result, other.reshape(()), out=result)
        return
    if not -result.ndim <= axis < result.ndim:
        raise ValueError(f"axis {axis} of {result.ndim}")
    axis %= result.ndim
    length = result.shape[axis]
    if not block:
        if other.shape != (length,):
            raise ValueError(f"{other.shape} numbers along an axis of {length}")
        shape = [1] * result.ndim
        shape[axis] = length
        operation(result, other.reshape(shape), out=result)
        return
    expected = list(result.shape)
    expected[axis] = -(-length // block) if block > 0 else -1
    if list(other.shape) != expected:
        raise ValueError(f"{other.shape} numbers for {result.shape} in blocks of {block}")
    whole = length // block * block
    for start, stop, width in ((0, whole, block), (whole, length, length - whole)):
        if start < stop:
            part = result[(slice(None),) * axis + (slice(start, stop),)]
            # An axis that is split in two needs no copy, whatever the strides.
            blocks = part.reshape(*part.shape[:axis], -1, width, *part.shape[axis + 1 :])
            scales = other[(slice(None),) * axis + (slice(start // block, -(-stop // block)),)]
            operation(blocks, np.expand_dims(scales, axis + 1), out=blocks)
