"""Rows of a table by their numbers, and dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _core
from .reading import Array, float_dtype, numbers, overwritten


def _renormalize(table: Array, index: Array, max_norm: float, norm_type: float) -> None:
    """Scale down rows that are longer than ``max_norm``, in the table itself as torch does."""
    for row in np.unique(index).tolist():
        length = float(np.linalg.norm(table[row], ord=norm_type))
        if length > max_norm:
            table[row] *= max_norm / (length + 1e-7)


def embedding(
    input: ArrayLike,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Array:
    """Return the rows of a table: ``weight[input]``, where negative numbers are errors.

    Parameters
    ----------
    input : array_like of int
        Any shape, also (); from 0 to V - 1.
    weight : array_like
        (V, E), of any dtype; it may be memory-mapped. Only the rows that are asked for are read.
    padding_idx : int, optional
        As torch takes it; it changes gradients alone.
    max_norm, norm_type : float, optional
        Rows that are asked for and longer are scaled down in ``weight`` itself, as torch does.
    scale_grad_by_freq, sparse : bool
        As torch takes them; they change gradients alone.

    Returns
    -------
    ndarray
        The shape of ``input`` and one more axis (E), of the dtype of ``weight``.

    Examples
    --------
    >>> import pylstm.functional as F
    >>> F.embedding([1, 0, 1], [[0.0, 1.0], [2.0, 3.0]]).tolist()
    [[2.0, 3.0], [0.0, 1.0], [2.0, 3.0]]
    """
    table = weight if type(weight) is np.ndarray else _core.as_array(weight, "weight", "any")
    if table.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    if padding_idx is not None and not -len(table) <= padding_idx < len(table):
        raise AssertionError("Padding_idx must be within num_embeddings")
    index = numbers(input)
    if index.dtype.kind not in "iu":
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got dtype {index.dtype} instead (while checking arguments for "
            "embedding)"
        )
    if index.size and (index.min() < 0 or index.max() >= len(table)):
        raise IndexError(
            "index out of range in self: a row of the table is from 0 to "
            f"{len(table) - 1}, got {index.min()} to {index.max()}"
        )
    if max_norm is not None:
        _renormalize(table, index, max_norm, norm_type)
    return np.asarray(table.take(index.astype(np.intp, copy=False), axis=0))


def dropout(
    input: ArrayLike, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Array:
    """Return ``input`` with numbers zeroed at random and the others scaled by ``1 / (1 - p)``.

    Parameters
    ----------
    input : array_like
    p : float
        The probability that a number is zeroed.
    training : bool
        False returns ``input`` itself.
    inplace : bool
        Write to ``input``.

    Notes
    -----
    The numbers come from the generator that :func:`pylstm.manual_seed` seeds, in the order of
    memory, as those of the dropout of an LSTM do.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> import pylstm.functional as F
    >>> pylstm.manual_seed(0)
    >>> sorted(set(F.dropout(np.ones(100), 0.5).tolist()))
    [0.0, 2.0]
    """
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    given = numbers(input)
    if not training or p == 0 or given.size == 0:
        return given
    if given.dtype.kind != "f" and p < 1:
        raise RuntimeError(
            f"result type Float can't be cast to the desired output type {given.dtype}: dropout "
            "takes float32 or float64"
        )
    with np.errstate(all="ignore"):
        if p == 1:
            out = np.asarray(given * given.dtype.type(0), order="C")
        else:
            out = np.array(given, float_dtype(given), order="K")
            _core.drop_out(out.ravel(order="K"), p)
            out = np.asarray(out, order="C")
    return overwritten(input, out) if inplace else out
