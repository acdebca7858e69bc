"""Convolution over the last axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _core
from .._core import as_array
from .linear import given_parameters
from .padding import MOST
from .reading import Array, whole

DTYPES = {np.dtype(np.float32): "float32", np.dtype(np.float64): "float64"}


def _one(name: str, value: Any) -> int:
    """Return the number of an argument that is an int, or a tuple or list of one."""
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    if len(values) != 1:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of 1 values to match the "
            f"convolution dimensions, but got {name}={values}"
        )
    if isinstance(values[0], bool) or not hasattr(values[0], "__index__"):
        raise TypeError(f"conv1d(): argument '{name}' must be tuple of ints, got {value!r}")
    return int(values[0].__index__())


def ends_of(padding: Any, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return how many zeros stand before and behind the input; torch's errors on ``padding``."""
    if not isinstance(padding, str):
        amount = _one("padding", padding)
        return amount, amount
    if padding not in ("same", "valid"):
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    if padding == "valid":
        return 0, 0
    if stride != 1:
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    total = dilation * (kernel - 1)
    return total // 2, total - total // 2


def _check_numbers(stride: int, ends: tuple[int, int], dilation: int) -> None:
    if ends[0] < 0 or ends[1] < 0:
        raise RuntimeError("negative padding is not supported")
    if stride <= 0:
        raise RuntimeError("non-positive stride is not supported")
    if dilation <= 0:
        raise RuntimeError("non-positive dilation is not supported")


def _check_shapes(x: Array, shape: list[int], groups: int) -> None:
    if shape[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but "
            f"got weight of size {shape} instead"
        )
    if shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size [{shape}] instead"
        )
    if x.shape[1] != shape[1] * groups:
        raise RuntimeError(
            f"Given groups={groups}, weight of size {shape}, expected input{list(x.shape)} to have "
            f"{shape[1] * groups} channels, but got {x.shape[1]} channels instead"
        )


def convolve(
    layer: Any,
    x: Array,
    shape: list[int],
    stride: int,
    ends: tuple[int, int],
    dilation: int,
    groups: int,
) -> Array:
    """Convolve an array of the dtype of the layer in C, behind torch's checks.

    Parameters
    ----------
    layer : _core.Conv1d
        The parameters.
    x : ndarray
        (N, C, L) or (C, L).
    shape : list of int
        That of the weight.
    stride, dilation, groups : int
    ends : tuple of int
        How many zeros stand before and behind x.
    """
    if x.ndim not in (2, 3):
        raise RuntimeError(
            "Expected 2D (unbatched) or 3D (batched) input to conv1d, but got input of size: "
            f"{list(x.shape)}"
        )
    batched = x if x.ndim == 3 else x[None]
    _check_numbers(stride, ends, dilation)
    _check_shapes(batched, shape, groups)
    padded, span = batched.shape[2] + ends[0] + ends[1], dilation * (shape[2] - 1) + 1
    if max(padded, span) > MOST:
        raise MemoryError(
            f"the places of the padded input cannot be counted: padding {ends}, dilation {dilation}"
        )
    if padded < span:
        raise RuntimeError(
            f"Calculated padded input size per channel: ({padded}). Kernel size: ({span}). Kernel "
            "size can't be greater than actual input size"
        )
    if batched.shape[2] == 0 and 0 not in batched.shape[:2]:
        raise RuntimeError(
            "Only zero batch or zero channel inputs are supported, but got input shape: "
            f"{[*batched.shape[:2], 1, 0]}"
        )
    frames = (padded - span) // stride + 1
    y: Array = layer._native_convolve(batched, frames, stride, ends[0], dilation, groups, False)
    return y if x.ndim == 3 else y[0]


def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """Return the convolution along the last axis, with the bits of a Conv1d.

    Parameters
    ----------
    input : array_like
        ``(N, C, L)`` or ``(C, L)``.
    weight : array_like
        ``(O, C / groups, kernel_size)``; its dtype is that of the result.
    bias : array_like, optional
        ``(O,)``.
    stride : int or tuple of one int
        From frame to frame.
    padding : int, tuple of one int, "same" or "valid"
        How many zeros stand on both sides of the input.
    dilation : int or tuple of one int
        From position to position of the kernel.
    groups : int
        Into how many parts the channels are cut; each part of the outputs sees its part alone.

    Returns
    -------
    ndarray
        ``(N, O, frames)`` or ``(O, frames)``.

    Notes
    -----
    Packs the weight in every call: a :class:`pylstm.Conv1d` does that once.

    Examples
    --------
    >>> import pylstm.functional as F
    >>> F.conv1d([[[1.0, 2.0, 4.0]]], [[[1.0, 10.0]]]).tolist()
    [[[21.0, 42.0]]]
    """
    values = given_parameters(weight, bias)
    array = values["weight"]
    x = as_array(input, "input", array.dtype.name)
    if array.ndim < 3:
        raise RuntimeError("weight should have at least three dimensions")
    shape = list(array.shape)
    if array.ndim > 3:
        raise RuntimeError(
            f"Expected {array.ndim}-dimensional input for {array.ndim}-dimensional weight {shape}, "
            f"but got {x.ndim}-dimensional input of size {list(x.shape)} instead"
        )
    parts = whole(groups, "conv1d", "groups", 7)
    if parts <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if shape[2] == 0:
        raise RuntimeError(f"weight must have a kernel of one position or more, got {shape}")
    if bias is not None and values["bias"].shape != (shape[0],):
        raise RuntimeError(
            f"Given weight of size {shape}, expected bias to be 1-dimensional with {shape[0]} "
            f"elements, but got bias of size {list(values['bias'].shape)} instead"
        )
    steps, apart = _one("stride", stride), _one("dilation", dilation)
    layer: Any = _core.Conv1d()
    layer._native_build(shape[1], shape[0], shape[2], bias=bias is not None, dtype=array.dtype.name)
    layer._native_assign(values)
    return convolve(layer, x, shape, steps, ends_of(padding, shape[2], steps, apart), apart, parts)
