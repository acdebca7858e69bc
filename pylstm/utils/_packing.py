"""Padded batches and lists of sequences to packed batches, and back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._core import pack_padded, pad_packed
from ._convert import (
    Array,
    IntArray,
    argument_error,
    native,
    padding_scalar,
    require_int64_vector,
    to_array,
    to_lengths,
    to_number,
)
from ._packed import (
    PackedSequence,
    checked_fields,
    conjugate,
    first_rows,
    invert_permutation,
    row_places,
)
from ._padding import fit_to_first, to_sequences


def _packing_order(lengths: IntArray, enforce_sorted: bool) -> tuple[IntArray, IntArray | None]:
    """Return the lengths in decreasing order, and the indices that sort them if any are needed."""
    # ~ reverses the order of the numbers, so that a stable sort keeps ties as they come.
    order = None if enforce_sorted else np.argsort(~lengths, kind="stable")
    descending = lengths if order is None else lengths[order]
    if descending[-1] <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, "
            "but found an element in 'lengths' that is <= 0"
        )
    if (descending[1:] > descending[:-1]).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. "
            "You can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence "
            "to sidestep this requirement if you do not need ONNX exportability."
        )
    return descending, order


class _Layout(NamedTuple):
    """Where the rows of a packed batch come from: step and original sequence of each."""

    step: IntArray
    sequence: IntArray
    batch_sizes: IntArray
    order: IntArray | None


def _lay_out(lengths: IntArray, steps: int, enforce_sorted: bool) -> _Layout:
    """Lay out a packed batch of sequences of these ``lengths``, at most ``steps`` each."""
    descending, order = _packing_order(lengths, enforce_sorted)
    longest = int(descending[0])
    if longest > steps:
        raise RuntimeError(
            f"Expected every length to be at most {steps}, the padded length, but got {longest}"
        )
    batch_sizes = conjugate(descending, longest)
    step, place = row_places(batch_sizes)
    return _Layout(step, place if order is None else order[place], batch_sizes, order)


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a padded batch of sequences of different lengths.

    Parameters
    ----------
    input : array_like, shape (T, B, ...), or (B, T, ...) with ``batch_first``
        The padded batch; any number of trailing axes, none included.
    lengths : array_like, shape (B,)
        The length of each sequence, from 1 to T. Fractions are cut off.
    batch_first : bool, default False
        The batch axis of ``input`` comes first.
    enforce_sorted : bool, default True
        The sequences must come in the order of decreasing length. With False they are sorted
        here, and the result remembers how; sequences of equal length keep their order.

    Returns
    -------
    PackedSequence
        ``data`` has shape (sum of the lengths, ...) and the dtype of ``input``.

    Raises
    ------
    RuntimeError
        ``input`` is empty; ``lengths`` is not one number per sequence; a length is below 1 or
        above T; the lengths are not sorted although they must be.
    IndexError
        ``input`` has fewer than two axes.

    References
    ----------
    https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.rnn.pack_padded_sequence.html

    Examples
    --------
    >>> from pylstm.utils.rnn import pack_padded_sequence
    >>> padded = [[1, 2, 0], [3, 0, 0], [4, 5, 6]]
    >>> packed = pack_padded_sequence(padded, [2, 1, 3], batch_first=True, enforce_sorted=False)
    >>> packed.data
    array([4, 1, 3, 5, 2, 6])
    >>> packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices
    (array([3, 2, 1]), array([2, 0, 1]), array([1, 2, 0]))
    """
    fields = pack_padded(input, lengths, batch_first, enforce_sorted)
    if fields is None:
        fields = _pack_anything(input, lengths, batch_first, enforce_sorted)
    return PackedSequence._make(fields)


def _pack_anything(
    input: Any, lengths: Any, batch_first: bool, enforce_sorted: bool
) -> tuple[Array, IntArray, IntArray | None, IntArray | None]:
    """Do what pack_padded does, for any arguments: those that C leaves alone, and wrong ones."""
    padded = to_array(
        input, "input", str(argument_error("_pack_padded_sequence", "input", 1, "Tensor", input))
    )
    counts = to_lengths(lengths)
    if not isinstance(batch_first, bool):
        raise argument_error("_pack_padded_sequence", "batch_first", 3, "bool", batch_first)
    if padded.size == 0:
        raise RuntimeError(f"Cannot pack empty tensors. input has shape {padded.shape}")
    require_int64_vector(counts, "one length per sequence")
    if padded.ndim < 2:
        raise IndexError(
            "Dimension out of range (expected to be in range of [-1, 0], but got 1): "
            f"input needs a time and a batch axis, got shape {padded.shape}"
        )
    steps, batch = padded.shape[1::-1] if batch_first else padded.shape[:2]
    if counts.size != batch:
        raise RuntimeError(
            "Expected `len(lengths)` to be equal to batch_size, "
            f"but got {counts.size} (batch_size={batch})"
        )
    layout = _lay_out(counts, steps, enforce_sorted)
    if batch_first:
        data = padded[layout.sequence, layout.step]
    else:
        data = padded[layout.step, layout.sequence]
    # NumPy does not promise the memory order of what indexing makes.
    data = np.array(data, native(data.dtype), order="C")
    return data, layout.batch_sizes, layout.order, invert_permutation(layout.order)


def _packed_padding(value: Any, dtype: np.dtype[Any]) -> Any:
    number = to_number(value)
    if number is None:
        raise argument_error("_pad_packed_sequence", "padding_value", 4, "Number", value)
    if isinstance(number, int) and not -(2**63) <= number < 2**64:
        raise OverflowError(f"int too big to convert: padding_value={number}")
    return padding_scalar(number, dtype)


def _padded_length(total_length: Any, longest: int) -> int:
    """Return the length to pad to; ``total_length`` is None or an integer that is long enough."""
    if total_length is None:
        return longest
    if total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, "
            f"but got total_length={total_length} and max sequence length being {longest}"
        )
    if isinstance(total_length, bool) or not hasattr(total_length, "__index__"):
        raise argument_error("_pad_packed_sequence", "total_length", 5, "int", total_length)
    if total_length >= 2**63:
        raise ValueError(f"Overflow when unpacking long long: total_length={total_length}")
    return int(total_length)


def pad_packed_sequence(
    sequence: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Array, IntArray]:
    """Pad a packed batch: the inverse of :func:`pack_padded_sequence`.

    Parameters
    ----------
    sequence : PackedSequence
        The batch; a PackedSequence of torch will do.
    batch_first : bool, default False
        Put the batch axis first.
    padding_value : number, default 0.0
        What fills the space after each sequence; converted to the dtype of the data.
    total_length : int, optional
        Pad to this length instead of that of the longest sequence.

    Returns
    -------
    padded : ndarray, shape (T, B, ...), or (B, T, ...) with ``batch_first``
        The sequences in their original order.
    lengths : ndarray, shape (B,), int64
        Their lengths.

    Raises
    ------
    ValueError
        ``total_length`` is smaller than the longest sequence.
    RuntimeError
        The fields of ``sequence`` do not fit one another, or ``padding_value`` does not fit the
        dtype.

    References
    ----------
    https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.rnn.pad_packed_sequence.html

    Examples
    --------
    >>> from pylstm.utils.rnn import pack_sequence, pad_packed_sequence
    >>> packed = pack_sequence([[1, 2, 3], [4, 5], [6]])
    >>> padded, lengths = pad_packed_sequence(packed, batch_first=True)
    >>> padded
    array([[1, 2, 3],
           [4, 5, 0],
           [6, 0, 0]])
    >>> lengths
    array([3, 2, 1])
    """
    if type(sequence) is PackedSequence:
        data, batch_sizes, _, indices = sequence
        found = pad_packed(data, batch_sizes, indices, batch_first, padding_value, total_length)
        if found is not None:
            return found
    return _pad_anything(sequence, batch_first, padding_value, total_length)


def _pad_anything(
    sequence: Any, batch_first: bool, padding_value: Any, total_length: int | None
) -> tuple[Array, IntArray]:
    """Do what pad_packed does, for any arguments: those that C leaves alone, and wrong ones."""
    longest = len(sequence.batch_sizes) if np.ndim(sequence.batch_sizes) else 0
    length = _padded_length(total_length, longest)
    data, batch_sizes, places = checked_fields(sequence)
    if not isinstance(batch_first, bool):
        raise argument_error("_pad_packed_sequence", "batch_first", 3, "bool", batch_first)
    fill = _packed_padding(padding_value, data.dtype)
    batch = int(batch_sizes[0])
    lengths = conjugate(batch_sizes, batch)
    step, column = row_places(batch_sizes)
    if places is not None:
        lengths = lengths[places]
        column = invert_permutation(places)[column]
    shape = (batch, length) if batch_first else (length, batch)
    padded = np.full(shape + data.shape[1:], fill, native(data.dtype))
    padded[(column, step) if batch_first else (step, column)] = data
    return padded, lengths


def pack_sequence(sequences: Any, enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences of different lengths, without padding them first.

    Parameters
    ----------
    sequences : iterable of array_like, each of shape (L, ...) with L at least 1
        The trailing sizes are those of the first sequence, as is the dtype of the result.
    enforce_sorted : bool, default True
        The sequences must come in the order of decreasing length. With False they are sorted
        here, and the result remembers how; sequences of equal length keep their order.

    Returns
    -------
    PackedSequence
        ``data`` has shape (sum of the lengths, ...).

    Raises
    ------
    RuntimeError
        There is no sequence, one is empty, the trailing sizes differ, or the sequences are not
        sorted although they must be.

    References
    ----------
    https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.rnn.pack_sequence.html

    Examples
    --------
    >>> from pylstm.utils.rnn import pack_sequence
    >>> packed = pack_sequence([[1, 2, 3], [4, 5], [6]])
    >>> packed.data, packed.batch_sizes, packed.sorted_indices
    (array([1, 4, 6, 2, 5, 3]), array([3, 2, 1]), None)
    """
    arrays = fit_to_first(to_sequences(tuple(sequences)))
    lengths = np.array([array.shape[0] for array in arrays], np.int64)
    if not lengths.any() or 0 in arrays[0].shape[1:]:
        raise RuntimeError("Cannot pack empty tensors. All sequences are empty")
    layout = _lay_out(lengths, int(lengths.max()), enforce_sorted)
    rows = np.concatenate(arrays, dtype=native(arrays[0].dtype), casting="unsafe")
    data = rows[first_rows(lengths)[layout.sequence] + layout.step]
    return PackedSequence(data, layout.batch_sizes, layout.order)


def unpack_sequence(packed_sequences: Any) -> list[Array]:
    """Take a packed batch apart: the inverse of :func:`pack_sequence`.

    Parameters
    ----------
    packed_sequences : PackedSequence
        The batch; a PackedSequence of torch will do.

    Returns
    -------
    list of ndarray, each of shape (length, ...)
        Copies of the sequences, in their original order.

    Raises
    ------
    RuntimeError
        The fields of ``packed_sequences`` do not fit one another.

    References
    ----------
    https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.rnn.unpack_sequence.html

    Examples
    --------
    >>> from pylstm.utils.rnn import pack_sequence, unpack_sequence
    >>> unpack_sequence(pack_sequence([[6], [1, 2, 3], [4, 5]], enforce_sorted=False))
    [array([6]), array([1, 2, 3]), array([4, 5])]
    """
    data, batch_sizes, places = checked_fields(packed_sequences)
    data = np.ascontiguousarray(data, native(data.dtype))
    lengths = conjugate(batch_sizes, int(batch_sizes[0]))
    starts = first_rows(batch_sizes)
    order = range(lengths.size) if places is None else places
    return [data[starts[: lengths[place]] + place] for place in order]
