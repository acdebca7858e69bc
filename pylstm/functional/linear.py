"""The function of a linear layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _core
from .._core import as_array
from .reading import Array


def given_parameters(weight: Any, bias: Any) -> dict[str, Array]:
    """Return the parameters of a function as C takes them, of the dtype of the weight."""
    array = as_array(weight, "weight", None)
    dtype = "float64" if array.dtype.kind == "f" and array.dtype.itemsize == 8 else "float32"
    values = {"weight": array} if bias is None else {"weight": array, "bias": bias}
    return {
        name: np.ascontiguousarray(as_array(value, name, dtype)) for name, value in values.items()
    }


def linear(input: Any, weight: Any, bias: Any = None) -> Array:
    """Return ``input @ weight.T + bias`` in the dtype of the weight, with the bits of a Linear.

    Parameters
    ----------
    input : array_like
        ``(*, in_features)``.
    weight : array_like
        ``(out_features, in_features)`` or ``(in_features,)``.
    bias : array_like, optional
        ``(out_features,)`` or ``()``.

    Returns
    -------
    ndarray
        ``(*, out_features)``; of a weight of one axis ``(*,)``.

    Notes
    -----
    Packs the weight in every call: a :class:`pylstm.Linear` does that once.

    Examples
    --------
    >>> import pylstm.functional as F
    >>> F.linear([1.0, 2.0], [[3.0, 4.0], [5.0, 6.0]], [0.5, 0.5]).tolist()
    [11.5, 17.5]
    """
    values = given_parameters(weight, bias)
    array = values["weight"]
    if array.ndim not in (1, 2):
        raise RuntimeError(f"weight must have one or two axes, got shape {array.shape}")
    rows = array[None] if array.ndim == 1 else array
    values["weight"] = rows
    if bias is not None:
        given = values["bias"]
        if given.shape not in (array.shape[:-1], (1,)) and given.ndim:
            raise RuntimeError(
                f"bias must have the shape of the outputs, {array.shape[:-1]}, got {given.shape}"
            )
        values["bias"] = np.array(np.broadcast_to(given, (len(rows),)), order="C")
    layer: Any = _core.Linear()
    layer._native_build(rows.shape[1], len(rows), bias=bias is not None, dtype=rows.dtype.name)
    layer._native_assign(values)
    result: Array = layer(input)
    return result if array.ndim == 2 else result.reshape(result.shape[:-1])
