"""Normalization of features over themselves, and of channels over a batch or its running mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .reading import Array, floats, numbers, real, wrong_type


def _dtype_of(*arrays: Any) -> Any:
    """Return the dtype of the first parameter that is given: the input is converted to it."""
    for array in arrays:
        if array is not None:
            return floats(array).dtype
    return None


def _affine(out: Array, weight: Any, bias: Any) -> Array:
    if weight is not None:
        out *= floats(weight, "weight", out.dtype)
    if bias is not None:
        out += floats(bias, "bias", out.dtype)
    return out


def layer_norm(
    input: ArrayLike,
    normalized_shape: Sequence[int],
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    eps: float = 1e-5,
) -> Array:
    """Return ``input`` with mean 0 and variance 1 over its last axes, scaled and shifted.

    Parameters
    ----------
    input : array_like
        Any axes in front of ``normalized_shape``. Converted to the dtype of the weight.
    normalized_shape : sequence of int
        The last axes.
    weight, bias : array_like, optional
        Of that shape.
    eps : float
        Added to the variance.

    Examples
    --------
    >>> import pylstm.functional as F
    >>> F.layer_norm([[1.0, 3.0]], (2,)).round(3).tolist()
    [[-1.0, 1.0]]
    """
    if not isinstance(normalized_shape, (tuple, list)):
        wrong_type("layer_norm", "normalized_shape", 2, "tuple of ints", normalized_shape)
    shape = list(normalized_shape)
    epsilon = real(eps, "layer_norm", "eps", 5, "float")
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least "
            "one element, but got normalized_shape = []"
        )
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is not None and list(np.shape(parameter)) != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of "
                f"shape {list(np.shape(parameter))} and normalized_shape = {shape}"
            )
    x = floats(input, dtype=_dtype_of(weight, bias))
    if x.ndim < len(shape) or list(x.shape[x.ndim - len(shape) :]) != shape:
        raise RuntimeError(
            f"Given normalized_shape={shape}, expected input with shape "
            f"[*, {', '.join(map(str, shape))}], but got input of size{list(x.shape)}"
        )
    if x.size == 0:
        return x.copy()
    count = math.prod(shape)
    rows = x.reshape(-1, count).astype(np.float64, copy=False)
    with np.errstate(all="ignore"):
        mean = rows.sum(axis=-1, keepdims=True)
        mean /= count
        out = rows - mean
        scale = np.square(out).sum(axis=-1, keepdims=True)
        scale /= count
        scale += epsilon
        np.sqrt(scale, out=scale)
        out /= scale
        out = _affine(out.reshape(x.shape), weight, bias)
        return out.astype(x.dtype, copy=False)


def _check_channels(channels: int, **parameters: Any) -> None:
    for name, parameter in parameters.items():
        if parameter is not None and np.size(parameter) != channels:
            raise RuntimeError(
                f"{name} should contain {channels} elements not {np.size(parameter)}"
            )


def _batch_statistics(x: Array) -> tuple[Array, Array, int]:
    """Return mean and variance (biased) of each channel in float64, and of how many numbers."""
    channels = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1).astype(np.float64)
    count = channels.shape[1]
    mean = channels.sum(axis=1) / max(count, 1)
    channels -= mean[:, None]
    np.square(channels, out=channels)
    return mean, channels.sum(axis=1) / max(count, 1), count


def _update(running: Any, value: Array, momentum: float) -> None:
    """Move a running mean or variance, an array that is written to."""
    if running is not None:
        np.copyto(running, (1 - momentum) * running + momentum * value, casting="same_kind")


def batch_norm(
    input: ArrayLike,
    running_mean: Any,
    running_var: Any,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """Return ``input`` with each channel normalized, scaled and shifted.

    Parameters
    ----------
    input : array_like
        (N, C) or (N, C, ...). Converted to the dtype of the running mean or the weight.
    running_mean, running_var : array_like or None
        (C,): what is taken off, and the variance by which it is divided. With ``training`` the
        statistics of the batch are used, and these are moved towards them, in place.
    weight, bias : array_like, optional
        (C,).
    training : bool
        Use the statistics of the batch: then a row depends on the others.
    momentum, eps : float
        How far the running statistics move; what is added to the variance.

    Examples
    --------
    >>> import pylstm.functional as F
    >>> F.batch_norm([[1.0, 3.0]], [1.0, 1.0], [1.0, 4.0], eps=0.0).tolist()
    [[0.0, 1.0]]
    """
    x = floats(input, dtype=_dtype_of(running_mean, weight, bias))
    channels = x.shape[1] if x.ndim > 1 else 0
    if training and x.ndim > 1 and x.size == channels != 0:
        raise ValueError(
            "Expected more than 1 value per channel when training, got input size "
            f"torch.Size({list(x.shape)})"
        )
    if not training and (running_mean is None or running_var is None):
        name = "running_mean" if running_mean is None else "running_var"
        raise RuntimeError(f"{name} must be defined in evaluation mode")
    _check_channels(
        channels, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    with np.errstate(all="ignore"):
        if training:
            mean, variance, count = _batch_statistics(x)
            if count:
                _update(running_mean, mean, momentum)
                _update(running_var, variance * (count / max(count - 1, 1)), momentum)
        else:
            mean = np.asarray(numbers(running_mean, "running_mean"), np.float64).reshape(-1)
            variance = np.asarray(numbers(running_var, "running_var"), np.float64).reshape(-1)
        scale = 1.0 / np.sqrt(variance + real(eps, "batch_norm", "eps", 8, "float"))
        if weight is not None:
            scale *= floats(weight, "weight", np.float64)
        shift = -mean * scale
        if bias is not None:
            shift += floats(bias, "bias", np.float64)
        shape = (channels,) + (1,) * (x.ndim - 2)
        out: Array = x * scale.reshape(shape)  # in float64: what is taken off may be far from 0
        out += shift.reshape(shape)
    return out.astype(x.dtype, copy=False)
