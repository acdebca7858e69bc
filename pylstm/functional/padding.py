"""Padding of the last axes, and one-hot codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import as_array
from .reading import Array, numbers, real, whole, wrong_type

# What is counted in 64 bits, with room for sums of a few such numbers.
MOST = 2**59
_SUPPORTED = (
    "Supported combinations for non-constant padding:\n"
    "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
    "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
    "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
)


def _pairs(amounts: Any) -> list[tuple[int, int]]:
    """Return what is added before and behind each axis, the last axis first."""
    if not isinstance(amounts, (tuple, list, np.ndarray)):
        wrong_type("pad", "pad", 2, "tuple of ints", amounts)
    for place, amount in enumerate(amounts):
        if isinstance(amount, bool) or not hasattr(amount, "__index__"):
            kind = type(amount).__name__
            raise TypeError(
                "pad(): argument 'pad' (position 2) must be tuple of ints, but found element of "
                f"type {kind} at pos {place}"
            )
    sizes = [int(amount.__index__()) for amount in amounts]
    if len(sizes) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    return list(zip(sizes[::2], sizes[1::2], strict=True))


def _constant(x: Array, pairs: list[tuple[int, int]], value: Any) -> Array:
    shape, source, target = list(x.shape), [slice(None)] * x.ndim, [slice(None)] * x.ndim
    for place, (before, behind) in enumerate(pairs, 1):
        size = x.shape[-place]
        if size + min(before, 0) + min(behind, 0) < 0:
            raise RuntimeError("narrow(): length must be non-negative.")
        shape[-place] = size + before + behind
        source[-place] = slice(max(-before, 0), size + min(behind, 0))
        target[-place] = slice(max(before, 0), shape[-place] - max(behind, 0))
    out = np.full(shape, np.asarray(value).astype(x.dtype))
    out[tuple(target)] = x[tuple(source)]
    return out


def _check_amounts(x: Array, mode: str, pairs: list[tuple[int, int]]) -> None:
    axes = len(pairs)
    if axes not in (1, 2, 3) or x.ndim not in (axes + 1, axes + 2):
        raise NotImplementedError(
            f"Padding size {2 * axes} is not supported for {x.ndim}D input tensor.\n{_SUPPORTED}"
        )
    if mode != "circular" and 0 in x.shape[x.ndim - axes - 1 :]:
        raise RuntimeError(
            f"Expected {axes + 1}D or {axes + 2}D (batch mode) tensor with possibly 0 batch size "
            f"and other non-zero dimensions for input, but got: {list(x.shape)}"
        )
    for place, (before, behind) in enumerate(pairs, 1):
        size = x.shape[-place]
        if mode == "reflect" and max(before, behind) >= size:
            raise RuntimeError(
                "Argument #4: Padding size should be less than the corresponding input dimension, "
                f"but got: padding ({before}, {behind}) at dimension {x.ndim - place} of input "
                f"{list(x.shape)}"
            )
        if mode == "circular" and max(before, behind) > size:
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if size + before + behind <= 0:
            if mode == "circular":
                raise RuntimeError("Negative padding value is resulting in an empty dimension")
            raise RuntimeError(
                f"input (size {size} along dimension {x.ndim - place}) is too small for the "
                f"padding ({before}, {behind})"
            )


def pad(input: ArrayLike, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Array:
    """Return ``input`` with more, or less, before and behind its last axes.

    Parameters
    ----------
    input : array_like
        Of any dtype.
    pad : sequence of int
        What is added before and behind the last axis, then before and behind the one in front of
        it, and so on. Negative amounts are cut off.
    mode : str
        ``"constant"``, ``"reflect"``, ``"replicate"`` or ``"circular"``; the last three pad the
        last 1 to 3 axes behind one or two others.
    value : number, optional
        What is added; 0 by default.

    Examples
    --------
    >>> import pylstm.functional as F
    >>> F.pad([[1, 2, 3]], (2, 1)).tolist()
    [[0, 0, 1, 2, 3, 0]]
    >>> F.pad([[1, 2, 3]], (2, 1), mode="reflect").tolist()
    [[3, 2, 1, 2, 3, 2]]
    """
    x = as_array(input, "input", "any")
    if x.dtype.kind not in "biufc":
        raise TypeError(f"input must hold numbers, got dtype {x.dtype}")
    pairs = _pairs(pad)
    if len(pairs) > x.ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got "
            f"padding length {2 * len(pairs)} and input of dimension {x.ndim}"
        )
    for place, (before, behind) in enumerate(pairs, 1):
        # NumPy's arange() returns nothing for a length that it cannot count.
        if x.shape[-place] + max(before, 0) + max(behind, 0) > MOST:
            raise MemoryError(f"the padded axis cannot be counted: padding ({before}, {behind})")
    if mode == "constant":
        filler = 0 if value is None else value
        return _constant(x, pairs, filler if x.dtype.kind == "c" else _filler(filler))
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    _check_amounts(x, mode, pairs)
    out = x
    for place, (before, behind) in enumerate(pairs, 1):
        size = x.shape[-place]
        index = np.arange(-before, size + behind)
        if mode == "reflect":
            index = np.abs(index)
            index = np.where(index >= size, 2 * (size - 1) - index, index)
        elif mode == "replicate":
            index = index.clip(0, size - 1)
        else:
            index %= size
        out = out.take(index, axis=-place)
    return np.ascontiguousarray(out)


def _filler(value: Any) -> float:
    return real(value, "pad", "value", 4, "float")


def one_hot(tensor: ArrayLike, num_classes: int = -1) -> Array:
    """Return codes of whole numbers: 1 at the place of the number, else 0.

    Parameters
    ----------
    tensor : array_like of int
        Any shape; not negative.
    num_classes : int
        The length of a code; -1 means one more than the largest number.

    Returns
    -------
    ndarray of int64
        One more axis than ``tensor``.

    Examples
    --------
    >>> import pylstm.functional as F
    >>> F.one_hot([2, 0], 4).tolist()
    [[0, 0, 1, 0], [1, 0, 0, 0]]
    """
    index = numbers(tensor, "tensor")
    classes = whole(num_classes, "one_hot", "num_classes", 2)
    if index.dtype.kind not in "iu":
        raise RuntimeError(
            "one_hot is only applicable to index tensor of type LongTensor.: "
            f"whole numbers, got dtype {index.dtype}"
        )
    if index.size == 0:
        if classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return np.zeros((*index.shape, classes), np.int64)
    if index.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    largest = int(index.max())
    if classes == -1:
        classes = largest + 1
    elif largest >= classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    out = np.zeros((index.size, classes), np.int64)
    out[np.arange(index.size), index.reshape(-1)] = 1
    return out.reshape(*index.shape, classes)
