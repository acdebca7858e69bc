"""Lists of sequences to padded batches and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..arguments.naming import type_name
from ._convert import (
    DATA_KINDS,
    Array,
    argument_error,
    native,
    padding_scalar,
    require_int64_vector,
    to_array,
    to_lengths,
    to_number,
)


def _require_fit(target: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Insist that an array of ``shape`` can be broadcast into the space ``target``."""
    rank = max(len(target), len(shape))
    wide, given = (1,) * (rank - len(target)) + target, (1,) * (rank - len(shape)) + shape
    hint = "all sequences need the same trailing sizes"
    for axis in reversed(range(rank)):
        if wide[axis] != given[axis] and 1 not in (wide[axis], given[axis]):
            raise RuntimeError(
                f"The size of tensor a ({wide[axis]}) must match "
                f"the size of tensor b ({given[axis]}) at non-singleton dimension {axis}: {hint}"
            )
    both = [b if a == 1 else a for a, b in zip(wide, given, strict=True)]
    if both != list(target):
        raise RuntimeError(
            f"output with shape {list(target)} doesn't match the broadcast shape {both}: {hint}"
        )


def to_sequences(sequences: Iterable[Any]) -> list[Array]:
    """Turn each sequence into an array."""
    arrays = []
    for index, sequence in enumerate(sequences):
        if type(sequence) is np.ndarray and sequence.dtype.kind in DATA_KINDS:
            arrays.append(sequence)
            continue
        refusal = f"expected Tensor as element {index} in argument 0, but got {type_name(sequence)}"
        array = to_array(sequence, f"sequences[{index}]", refusal)
        if isinstance(sequence, (int, float, complex)) and not isinstance(sequence, np.generic):
            raise TypeError(f"{refusal}: each sequence is an array of its own")
        arrays.append(array)
    if not arrays:
        raise RuntimeError("received an empty list of sequences")
    return arrays


def fit_to_first(arrays: Sequence[Array]) -> list[Array]:
    """Insist that the trailing sizes are those of the first array; sizes of 1 stretch."""
    fitted = []
    trailing = arrays[0].shape[1:]
    for index, array in enumerate(arrays):
        if array.ndim == 0:
            raise IndexError(
                "Dimension specified as 0 but tensor has no dimensions: "
                f"sequences[{index}] is one number"
            )
        if array.shape[1:] != trailing:
            target = array.shape[:1] + trailing
            _require_fit(target, array.shape)
            array = np.broadcast_to(array, target)
        fitted.append(array)
    return fitted


def pad_sequence(
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Array:
    """Stack sequences of different lengths along a new batch axis, padded to equal length.

    Parameters
    ----------
    sequences : iterable of array_like, each of shape (L, ...)
        The trailing sizes are those of the first sequence, as is the dtype of the result.
    batch_first : bool, default False
        Put the batch axis first.
    padding_value : float, default 0.0
        What fills the space beside each sequence; converted to the dtype of the result.
    padding_side : {'right', 'left'}
        Where the padding goes: after or before each sequence.

    Returns
    -------
    ndarray, shape (T, B, ...), or (B, T, ...) with ``batch_first``
        T is the length of the longest sequence, B the number of sequences.

    Raises
    ------
    RuntimeError
        ``sequences`` is not iterable or is empty, the trailing sizes differ, ``padding_side`` is
        neither of the two, or ``padding_value`` does not fit the dtype.
    TypeError
        A sequence is not an array of numbers.

    References
    ----------
    https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.rnn.pad_sequence.html

    Examples
    --------
    >>> from pylstm.utils.rnn import pad_sequence
    >>> pad_sequence([[1, 2, 3], [4]], batch_first=True)
    array([[1, 2, 3],
           [4, 0, 0]])
    >>> pad_sequence([[1, 2, 3], [4]], batch_first=True, padding_value=9, padding_side="left")
    array([[1, 2, 3],
           [9, 9, 4]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, "
            f"but got arg of type: {type(sequences)}"
        )
    if not isinstance(batch_first, bool):
        raise argument_error("pad_sequence", "batch_first", 2, "bool", batch_first)
    number = to_number(padding_value)
    if number is None or isinstance(number, complex):
        raise argument_error("pad_sequence", "padding_value", 3, "float", padding_value)
    if not isinstance(padding_side, str):
        raise argument_error("pad_sequence", "padding_side", 4, "str", padding_side)
    arrays = to_sequences(sequences)
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}."
        )
    if arrays[0].ndim == 0:
        raise RuntimeError(
            "ArrayRef: invalid slice, N = 1; size = 0: sequences[0] is one number, not a sequence"
        )
    arrays = fit_to_first(arrays)
    steps = max(array.shape[0] for array in arrays)
    dtype = native(arrays[0].dtype)
    shape = (len(arrays), steps) if batch_first else (steps, len(arrays))
    padded = np.full(shape + arrays[0].shape[1:], padding_scalar(float(number), dtype), dtype)
    by_sequence = padded if batch_first else padded.swapaxes(0, 1)
    for row, array in zip(by_sequence, arrays, strict=True):
        start = steps - array.shape[0] if padding_side == "left" else 0
        row[start : start + array.shape[0]] = array
    return padded


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Array]:
    """Cut a padded batch into its sequences: the inverse of :func:`pad_sequence`.

    Parameters
    ----------
    padded_sequences : array_like, shape (T, B, ...), or (B, T, ...) with ``batch_first``
        The padded batch. Unlike torch, which transposes it in place, this function leaves it alone.
    lengths : array_like, shape (B,)
        The length of each sequence, from 0 to T.
    batch_first : bool, default False
        The batch axis comes first.

    Returns
    -------
    list of ndarray, each of shape (length, ...)
        Copies of the sequences.

    Raises
    ------
    ValueError
        There are more or fewer lengths than sequences.
    RuntimeError
        A length is below 0 or above T, which torch lets pass.
    IndexError
        ``padded_sequences`` has fewer than two axes.

    References
    ----------
    https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.rnn.unpad_sequence.html

    Examples
    --------
    >>> from pylstm.utils.rnn import unpad_sequence
    >>> unpad_sequence([[1, 2, 3], [4, 0, 0]], [3, 1], batch_first=True)
    [array([1, 2, 3]), array([4])]
    """
    padded = to_array(padded_sequences, "padded_sequences")
    if padded.ndim < 2:
        torch_text = "tuple index out of range"
        if not batch_first:
            torch_text = "Dimension out of range (expected to be in range of [-1, 0], but got 1)"
        raise IndexError(
            f"{torch_text}: padded_sequences needs a time and a batch axis, "
            f"got shape {padded.shape}"
        )
    by_sequence = padded if batch_first else padded.swapaxes(0, 1)
    counts = to_lengths(lengths, round_up=True)
    if counts.ndim == 0:
        raise TypeError("iteration over a 0-d tensor: lengths needs one number per sequence")
    require_int64_vector(counts, "one length per sequence")
    batch, steps = by_sequence.shape[:2]
    if counts.size != batch:
        word = "shorter" if counts.size < batch else "longer"
        raise ValueError(
            f"zip() argument 2 is {word} than argument 1: {counts.size} lengths, {batch} sequences"
        )
    wrong = counts[(counts < 0) | (counts > steps)]
    if wrong.size:
        raise RuntimeError(
            f"Expected every length to be from 0 to {steps}, the padded length, but got {wrong[0]}"
        )
    dtype = native(padded.dtype)
    return [
        np.array(row[:count], dtype, order="C")
        for row, count in zip(by_sequence, counts, strict=True)
    ]
