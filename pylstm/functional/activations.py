"""Activations: functions of each number alone, and softmax along an axis."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _core
from ..arguments.dtypes import construction_dtype
from .reading import (
    Array,
    axis,
    floats,
    numbers,
    overwritten,
    pointwise,
    real,
    wrong_type,
)


def relu(input: ArrayLike, inplace: bool = False) -> Array:
    """Return ``max(input, 0)``; whole numbers stay whole.

    Examples
    --------
    >>> import pylstm.functional as F
    >>> F.relu([-1.0, 0.0, 2.0]).tolist()
    [0.0, 0.0, 2.0]
    """
    if type(input) is np.ndarray and input.dtype.char in "fd" and not inplace:
        return _core.relu(input)
    given = numbers(input)
    if given.dtype.kind in "iu":
        out = np.asarray(np.maximum(given, 0))
        return overwritten(input, out) if inplace else out
    out = _core.relu(floats(given))
    return overwritten(input, out) if inplace else out


def _leaky_relu(x: Array, slope: float) -> Array:
    out = x * slope
    np.copyto(out, x, where=x > 0)
    return out


def leaky_relu(input: ArrayLike, negative_slope: float = 0.01, inplace: bool = False) -> Array:
    """Return ``input`` where it is positive, else ``input * negative_slope``.

    Examples
    --------
    >>> import pylstm.functional as F
    >>> F.leaky_relu([-1.0, 2.0], 0.5).tolist()
    [-0.5, 2.0]
    """
    slope = real(negative_slope, "leaky_relu", "negative_slope", 2)
    return pointwise(input, inplace, _leaky_relu, slope)


def _elu(x: Array, alpha: float) -> Array:
    out = np.minimum(x, 0)
    np.expm1(out, out=out)
    out *= alpha
    np.copyto(out, x, where=x > 0)
    return out


def elu(input: ArrayLike, alpha: float = 1.0, inplace: bool = False) -> Array:
    """Return ``input`` where it is positive, else ``alpha * (exp(input) - 1)``.

    Examples
    --------
    >>> import pylstm.functional as F
    >>> F.elu([-1.0, 2.0]).round(3).tolist()
    [-0.632, 2.0]
    """
    return pointwise(input, inplace, _elu, real(alpha, "elu", "alpha", 2))


def _gelu_tanh(x: Array) -> Array:
    out = x * x
    out *= x
    out *= 0.044715
    out += x
    out *= math.sqrt(2 / math.pi)
    out = _core.tanh(out)
    out += 1
    out *= x
    out *= 0.5
    return out


def gelu(input: ArrayLike, approximate: str = "none") -> Array:
    """Return ``input`` times the normal distribution function of it.

    Parameters
    ----------
    input : array_like
    approximate : str
        ``"none"``, or ``"tanh"`` for the approximation by that function.

    Examples
    --------
    >>> import pylstm.functional as F
    >>> F.gelu([-1.0, 2.0]).round(3).tolist()
    [-0.159, 1.954]
    """
    if not isinstance(approximate, str):
        wrong_type("gelu", "approximate", 2, "str", approximate)
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return pointwise(input, False, _core.gelu if approximate == "none" else _gelu_tanh)


def _silu(x: Array) -> Array:
    out = _core.sigmoid(x)
    out *= x
    return out


def silu(input: ArrayLike, inplace: bool = False) -> Array:
    """Return ``input * sigmoid(input)``.

    Examples
    --------
    >>> import pylstm.functional as F
    >>> F.silu([-1.0, 2.0]).round(3).tolist()
    [-0.269, 1.762]
    """
    return pointwise(input, inplace, _silu)


def sigmoid(input: ArrayLike) -> Array:
    """Return ``1 / (1 + exp(-input))``, by the sigmoid of the LSTM.

    Examples
    --------
    >>> import pylstm.functional as F
    >>> F.sigmoid([-1000.0, 0.0, 1.0]).round(3).tolist()
    [0.0, 0.5, 0.731]
    """
    return _core.sigmoid(floats(input))


def tanh(input: ArrayLike) -> Array:
    """Return the hyperbolic tangent, by that of the LSTM.

    Examples
    --------
    >>> import pylstm.functional as F
    >>> F.tanh([0.0, 1.0]).round(3).tolist()
    [0.0, 0.762]
    """
    return _core.tanh(floats(input))


def _hardsigmoid(x: Array) -> Array:
    out = x + 3
    np.maximum(out, 0, out=out)
    np.minimum(out, 6, out=out)
    out += 0
    out /= 6
    return out


def hardsigmoid(input: ArrayLike, inplace: bool = False) -> Array:
    """Return ``input / 6 + 0.5``, clipped to [0, 1].

    Examples
    --------
    >>> import pylstm.functional as F
    >>> F.hardsigmoid([-4.0, 0.0, 1.5]).tolist()
    [0.0, 0.5, 0.75]
    """
    return pointwise(input, inplace, _hardsigmoid)


# ---- softmax


def _total(x: Array) -> Array:
    """Return the sum of each row, added in float64: small terms count beside large ones."""
    total = x.astype(np.float64, copy=False).sum(axis=-1, keepdims=True)
    return np.asarray(total)


def _softmax(x: Array) -> Array:
    out: Array = x - x.max(axis=-1, keepdims=True)
    np.exp(out, out=out)
    out /= _total(out).astype(x.dtype, copy=False)
    return out


def _log_softmax(x: Array) -> Array:
    out: Array = x - x.max(axis=-1, keepdims=True)
    out -= np.log(_total(np.exp(out))).astype(x.dtype, copy=False)
    return out


def _along(
    name: str,
    compute: Callable[[Array], Array],
    input: Any,
    dim: Any,
    stacklevel: int,
    dtype: Any,
) -> Array:
    """Apply a function of rows along an axis.

    The axis becomes the last one of an array without gaps: along it NumPy adds the terms of each
    row in an order that depends on its length alone.
    """
    x = floats(input, dtype=None if dtype is None else construction_dtype(dtype))
    if dim is None:
        warnings.warn(
            f"Implicit dimension choice for {name} has been deprecated. Change the call to "
            "include dim=X as an argument.",
            stacklevel=stacklevel + 1,
        )
        dim = 0 if x.ndim in (0, 1, 3) else 1
    place = axis(dim, x.ndim, name)
    if x.size == 0:
        return x.copy()
    rows = x.reshape(1) if x.ndim == 0 else np.moveaxis(x, place, -1)
    with np.errstate(all="ignore"):
        out = compute(np.ascontiguousarray(rows))
    if x.ndim == 0:
        return out.reshape(())
    return np.ascontiguousarray(np.moveaxis(out, -1, place))


def softmax(
    input: ArrayLike, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Array:
    """Return ``exp(input)`` divided by its sum along an axis.

    Parameters
    ----------
    input : array_like
    dim : int
        The axis. None is torch's implicit choice, with its warning.
    dtype : dtype, optional
        float32 or float64, to which the input is converted first.

    Examples
    --------
    >>> import pylstm.functional as F
    >>> F.softmax([[1000.0, 1000.0], [-1000.0, 0.0]], dim=1).tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    return _along("softmax", _softmax, input, dim, _stacklevel, dtype)


def log_softmax(
    input: ArrayLike, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Array:
    """Return the logarithm of :func:`softmax`, whose arguments it takes.

    Examples
    --------
    >>> import pylstm.functional as F
    >>> F.log_softmax([0.0, 0.0], dim=0).round(3).tolist()
    [-0.693, -0.693]
    """
    return _along("log_softmax", _log_softmax, input, dim, _stacklevel, dtype)
