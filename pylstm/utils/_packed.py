"""The container of a packed batch and the arithmetic of its layout.

A packed batch keeps the rows of step 0 of every sequence, longest sequence first, then those of
step 1, and so on. ``batch_sizes[t]`` is the number of sequences that still run at step t: it
never grows.
"""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

import numpy as np

from .._core import packed_type
from ._convert import Array, IntArray, native, parse_to, require_int64_vector, to_array

_MANUAL = "Instances of PackedSequence are made by pack_sequence and pack_padded_sequence"


def invert_permutation(permutation: Any) -> Any:
    """Return the inverse of a permutation.

    Parameters
    ----------
    permutation : array_like, shape (n,), int64 or int32, or None
        Every number from 0 to n - 1 once, for example the ``sorted_indices`` of a
        :class:`PackedSequence`.

    Returns
    -------
    inverse : ndarray, shape (n,), the permutation's dtype, or None
        ``inverse[permutation[i]] == i``; None for None.

    Raises
    ------
    RuntimeError
        The numbers are not int64 or int32, are out of range, or one occurs twice.
    IndexError
        More than one axis.

    References
    ----------
    https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.rnn.invert_permutation.html

    Examples
    --------
    >>> from pylstm.utils.rnn import invert_permutation
    >>> invert_permutation([2, 0, 1])
    array([1, 2, 0])
    """
    if permutation is None:
        return None
    array = to_array(permutation, "permutation")
    # NumPy makes float64 of an empty list.
    dtype = np.dtype(np.int64) if array.size == 0 else native(array.dtype)
    if dtype not in (np.int64, np.int32):
        raise RuntimeError(f"scatter(): Expected dtype int32/int64 for index, got {dtype}")
    if array.ndim > 1:
        raise IndexError(
            "Dimension out of range (expected to be in range of [-1, 0], but got 1): "
            f"a permutation has one axis, got shape {array.shape}"
        )
    flat = array.reshape(-1).astype(dtype, copy=False)
    outside = (flat < 0) | (flat >= flat.size)
    if outside.any():
        raise RuntimeError(
            f"index {flat[outside][0]} is out of bounds for dimension 0 with size {flat.size}"
        )
    inverse = np.full(flat.size, -1, dtype)
    inverse[flat] = np.arange(flat.size, dtype=dtype)
    if (inverse < 0).any():
        raise RuntimeError(
            f"not a permutation: {int(np.argmin(inverse))} is missing, another number occurs twice"
        )
    return inverse.reshape(()) if array.ndim == 0 else inverse


class _Fields(NamedTuple):
    data: Array
    batch_sizes: IntArray
    sorted_indices: IntArray | None
    unsorted_indices: IntArray | None


def _field(value: Any, name: str) -> Any:
    """Turn one field into an array; an array stays the object it is."""
    return None if value is None else to_array(value, name)


class PackedSequence(_Fields):
    """A batch of sequences of different lengths without padding; every LSTM takes it as input.

    Made by :func:`pack_sequence` and :func:`pack_padded_sequence` rather than by hand. It is a
    named tuple of the four attributes below. ``PackedSequence((data, batch_sizes))`` works too.

    Parameters
    ----------
    data : array_like, shape (sum of the lengths, ...)
        Time-major rows: step 0 of every sequence, longest sequence first, then step 1 and so on.
        Any numeric or bool dtype.
    batch_sizes : array_like, shape (longest length,), int64
        The number of sequences that have a row at each step; never increasing. These are not the
        lengths.
    sorted_indices : array_like, shape (batch,), int64, optional
        Original index of each sequence in the sorted batch. None if the batch came sorted.
    unsorted_indices : array_like, shape (batch,), int64, optional
        The inverse of ``sorted_indices``, computed if left out.

    Notes
    -----
    The fields are not compared with one another here but where they are used, since tuple methods
    such as ``_replace`` can put anything in place.

    References
    ----------
    https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.rnn.PackedSequence.html

    Examples
    --------
    >>> from pylstm.utils.rnn import pack_sequence
    >>> packed = pack_sequence([[1, 2, 3], [4, 5], [6]])
    >>> packed.data
    array([1, 4, 6, 2, 5, 3])
    >>> packed.batch_sizes
    array([3, 2, 1])
    >>> packed.double().data
    array([1., 4., 6., 2., 5., 3.])
    """

    def __new__(
        cls,
        data: Any,
        batch_sizes: Any = None,
        sorted_indices: Any = None,
        unsorted_indices: Any = None,
    ) -> PackedSequence:
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError(
                    f"Expected data to be a list or tuple of length 2 or batch_sizes. {_MANUAL}"
                )
            data, batch_sizes = data
        if str(getattr(batch_sizes, "device", "cpu")) != "cpu":
            raise ValueError(f"batch_sizes should always be on CPU. {_MANUAL}")
        sorted_indices = _field(sorted_indices, "sorted_indices")
        unsorted_indices = _field(unsorted_indices, "unsorted_indices")
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(
            cls,
            to_array(data, "data"),
            to_array(batch_sizes, "batch_sizes"),
            sorted_indices,
            unsorted_indices,
        )

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Convert ``data`` to another dtype: ``to(dtype)``, ``to("cpu", dtype)``, ``to(other)``.

        Returns
        -------
        PackedSequence
            This object itself if nothing changes and ``copy=True`` is not given, else a new one
            that shares the other three fields.

        Raises
        ------
        RuntimeError
            A device other than ``"cpu"`` is asked for.
        """
        dtype, copy = parse_to(*args, **kwargs)
        if dtype is None:
            dtype = self.data.dtype
        if dtype == self.data.dtype and not copy:
            return self
        return type(self)(
            self.data.astype(dtype), self.batch_sizes, self.sorted_indices, self.unsorted_indices
        )

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Return what ``to`` makes of the arguments: this object, if there are none."""
        return self.to(*args, **kwargs)

    def cuda(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise RuntimeError: there are no devices here."""
        raise RuntimeError(
            "cuda(): arrays of pylstm live in ordinary memory, the only device is 'cpu'"
        )

    def pin_memory(self) -> NoReturn:
        """Raise RuntimeError: memory is pinned for copies to a device only."""
        raise RuntimeError(
            "Cannot access accelerator device when none is available. "
            "pin_memory() serves copies to devices, and pylstm has none"
        )

    def is_pinned(self) -> bool:
        """Return False: NumPy arrays are never in pinned memory."""
        return False

    @property
    def is_cuda(self) -> bool:
        """False: NumPy arrays are never on a GPU."""
        return False

    def double(self) -> PackedSequence:
        """Convert ``data`` to float64."""
        return self.to(np.float64)

    def float(self) -> PackedSequence:
        """Convert ``data`` to float32."""
        return self.to(np.float32)

    def half(self) -> PackedSequence:
        """Convert ``data`` to float16."""
        return self.to(np.float16)

    def long(self) -> PackedSequence:
        """Convert ``data`` to int64."""
        return self.to(np.int64)

    def int(self) -> PackedSequence:
        """Convert ``data`` to int32."""
        return self.to(np.int32)

    def short(self) -> PackedSequence:
        """Convert ``data`` to int16."""
        return self.to(np.int16)

    def char(self) -> PackedSequence:
        """Convert ``data`` to int8."""
        return self.to(np.int8)

    def byte(self) -> PackedSequence:
        """Convert ``data`` to uint8."""
        return self.to(np.uint8)


packed_type(PackedSequence)


def conjugate(counts: IntArray, size: int) -> IntArray:
    """Count, for each j below ``size``, how many of the ``counts`` are larger than j.

    Lengths become batch sizes this way, and batch sizes become the lengths of the sorted
    sequences. All counts lie in 0 .. ``size``.
    """
    at_most = np.cumsum(np.bincount(counts, minlength=size + 1))[:size]
    return np.asarray(counts.size - at_most, np.int64)


def first_rows(batch_sizes: IntArray) -> IntArray:
    """Return the row of ``data`` at which each step begins."""
    return np.cumsum(batch_sizes) - batch_sizes


def row_places(batch_sizes: IntArray) -> tuple[IntArray, IntArray]:
    """Return for each row of ``data`` its step and its place in the sorted batch."""
    steps = np.repeat(np.arange(batch_sizes.size), batch_sizes)
    places = np.arange(steps.size) - np.repeat(first_rows(batch_sizes), batch_sizes)
    return steps, places


def checked_permutation(indices: Any, name: str, batch: int) -> IntArray:
    """Return ``indices`` as an array after checking that they are a permutation of a batch."""
    order = to_array(indices, name)
    if order.shape != (batch,):
        raise RuntimeError(f"{name} must hold {batch} indices, got shape {order.shape}")
    invert_permutation(order)
    return order


def checked_fields(sequence: Any) -> tuple[Array, IntArray, IntArray | None]:
    """Return data, batch sizes and unsorted indices after checking that they fit one another.

    ``sequence`` is a PackedSequence of this module or of torch.
    """
    batch_sizes = to_array(sequence.batch_sizes, "batch_sizes")
    batch_sizes = batch_sizes.astype(native(batch_sizes.dtype), copy=False)
    data = to_array(sequence.data, "data")
    require_int64_vector(batch_sizes, "batch_sizes is the number of sequences at each step")
    if batch_sizes.size == 0:
        raise RuntimeError("batch_sizes can not be empty")
    if data.ndim == 0:
        raise RuntimeError("ArrayRef: invalid slice, N = 1; size = 0: data needs an axis of rows")
    if batch_sizes[-1] < 1 or (batch_sizes[1:] > batch_sizes[:-1]).any():
        raise RuntimeError(f"batch_sizes must be positive and must not increase, got {batch_sizes}")
    rows = data.shape[0]
    # The first size bounds the others, so this sum cannot overflow once it is known to be small.
    if batch_sizes[0] > rows or batch_sizes.sum() != rows:
        raise RuntimeError(f"batch_sizes must add up to the {rows} rows of data, got {batch_sizes}")
    places = sequence.unsorted_indices
    if places is not None:
        places = checked_permutation(places, "unsorted_indices", int(batch_sizes[0]))
    return data, batch_sizes, places
