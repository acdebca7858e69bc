"""Tensors as files describe them, and the arrays that are read from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .errors import WeightFileError
from .float8 import FLOAT8, widen

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

MAX_DIMENSIONS = 64  # NumPy's own limit
MAX_BYTES = 2**62  # of the shape alone: a view may repeat its elements
# An 8-bit float and its plain bytes share a storage in honest files; each dtype is an array.
MAX_DTYPES = 2  # of the same bytes
_PIECE = 1 << 20  # elements


class Bytes(Protocol):
    """Where a storage's bytes come from: :class:`~pylstm.files.base.source.Segment` or its like."""

    @property
    def size(self) -> int: ...
    @property
    def record(self) -> str: ...
    def readinto(self, offset: int, buffer: memoryview) -> None: ...
    def view(self) -> memoryview: ...


class Made:
    """Bytes that are made when they are read; a subclass sets ``size`` and has ``_fill``."""

    size: int

    def _fill(self, buffer: memoryview) -> None:
        """Write all of it."""
        raise NotImplementedError

    def view(self) -> memoryview:
        """Return all of it."""
        made = bytearray(self.size)
        self._fill(memoryview(made))
        return memoryview(made)

    def readinto(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset``."""
        if buffer.nbytes == self.size:
            self._fill(buffer)
        else:
            buffer[:] = self.view()[offset : offset + buffer.nbytes]


def _widen_bfloat16(raw: Array) -> Array:
    """bfloat16 is the upper half of a float32."""
    wide = raw.astype(np.uint32)
    wide <<= 16
    return wide.view(np.float32)


_PLAIN = "float64 float32 float16 complex128 complex64 bool"
_INTEGERS = "int64 int32 int16 int8 uint64 uint32 uint16 uint8"
# Name of a dtype in pylstm's messages -> the dtype of its bytes, and how to widen them where
# NumPy has no such dtype.
PLAIN_DTYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(name) for names in (_PLAIN, _INTEGERS) for name in names.split()
}
WIDENED_DTYPES: dict[str, tuple[np.dtype[Any], np.dtype[Any], Callable[[Array], Array]]] = {
    "bfloat16": (np.dtype(np.uint16), np.dtype(np.float32), _widen_bfloat16),
    **{name: (np.dtype(np.uint8), np.dtype(np.float32), partial(widen, name)) for name in FLOAT8},
}


def raw_dtype(name: str) -> np.dtype[Any]:
    """Return the dtype of a storage's bytes, in native byte order."""
    return PLAIN_DTYPES[name] if name in PLAIN_DTYPES else WIDENED_DTYPES[name][0]


@dataclass(frozen=True, eq=False, slots=True)
class Storage:
    """Elements of one dtype in a row, shared by the tensors that are views of it.

    Parameters
    ----------
    file : str
        Name of the file, for messages.
    content : Bytes
    dtype : str
        A key of ``PLAIN_DTYPES`` or ``WIDENED_DTYPES``.
    byteorder : str
        ``"<"`` or ``">"``, as NumPy writes it.
    """

    file: str
    content: Bytes
    dtype: str
    byteorder: Literal["<", ">"] = "<"

    @property
    def raw_dtype(self) -> np.dtype[Any]:
        """The dtype of the bytes in the file."""
        return raw_dtype(self.dtype).newbyteorder(self.byteorder)

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The dtype of the arrays that come of it, in native byte order."""
        if self.dtype in PLAIN_DTYPES:
            return PLAIN_DTYPES[self.dtype]
        return WIDENED_DTYPES[self.dtype][1]

    @property
    def numel(self) -> int:
        """Number of elements; bytes beyond the last whole one do not count."""
        return self.content.size // self.raw_dtype.itemsize

    def read(self, start: int, count: int) -> Array:
        """Return ``count`` elements from ``start`` on: a fresh, writable array."""
        raw = self.raw_dtype
        try:
            elements = np.empty(count, raw)
            self.content.readinto(start * raw.itemsize, elements.view(np.uint8).data)
            return self._decoded(elements)
        except MemoryError:
            raise WeightFileError(
                self.file,
                self.content.record,
                f"no memory for {count} elements of {self.dtype}",
            ) from None

    def map(self, start: int = 0, stop: int | None = None) -> Array:
        """Return elements, read-only and not read yet where the bytes can be mapped."""
        raw = self.raw_dtype
        end = self.numel if stop is None else stop
        view = self.content.view()[start * raw.itemsize : end * raw.itemsize]
        elements = np.frombuffer(view, raw)
        if self.dtype in PLAIN_DTYPES and raw.isnative and self._is_clean(elements):
            return elements
        decoded = self._decoded(elements.copy())
        decoded.flags.writeable = False
        return decoded

    def _is_clean(self, elements: Array) -> bool:
        """Return whether NumPy understands the elements as they are: not every byte is a bool."""
        return self.dtype != "bool" or bool(elements.view(np.uint8).max(initial=0) <= 1)

    def _decoded(self, elements: Array) -> Array:
        if not elements.dtype.isnative:
            elements = elements.byteswap(inplace=True).view(elements.dtype.newbyteorder("="))
        if self.dtype in WIDENED_DTYPES:
            return WIDENED_DTYPES[self.dtype][2](elements)
        if self.dtype == "bool":
            # Any byte but 0 is true; NumPy expects nothing but 0 and 1.
            np.not_equal(elements.view(np.uint8), 0, out=elements)
        return elements


class Tensor:
    """A view of a storage, described and not read.

    Parameters
    ----------
    storage : Storage
    shape : tuple of int
    strides : tuple of int or None
        In elements; None for row-major.
    offset : int
        Of the first element, in elements.
    record : str, optional
        For messages; the storage's own if empty.
    conjugate, negate : bool, optional
        What torch puts off until the values are used.

    Raises
    ------
    WeightFileError
        If the view reaches outside its storage.
    """

    __slots__ = ("conjugate", "negate", "offset", "shape", "span", "storage", "strides")

    def __init__(
        self,
        storage: Storage,
        shape: tuple[int, ...],
        strides: tuple[int, ...] | None = None,
        offset: int = 0,
        record: str = "",
        *,
        conjugate: bool = False,
        negate: bool = False,
    ) -> None:
        self.conjugate = conjugate
        self.negate = negate
        self.storage = storage
        self.shape = shape
        self.strides = strides = row_major(shape) if strides is None else strides
        self.offset = offset
        problem = self._problem(shape, strides, offset)
        if not problem:
            # Elements from the first to the last, both counted; none in an empty tensor.
            steps = zip(shape, strides, strict=True)
            self.span = 0 if 0 in shape else 1 + sum((size - 1) * step for size, step in steps)
            if offset + self.span > storage.numel:
                problem = (
                    f"shape {shape} with strides {strides} at offset {offset} reaches beyond "
                    f"the {storage.numel} elements of its storage"
                )
        if problem:
            raise WeightFileError(storage.file, record or storage.content.record, problem)

    def _problem(self, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> str:
        numbers = (*shape, *strides, offset)
        if any(type(number) is not int for number in numbers):
            return "sizes, strides and offset of a tensor must be integers"
        if len(shape) != len(strides) or len(shape) > MAX_DIMENSIONS:
            return f"a tensor has {len(shape)} sizes and {len(strides)} strides"
        # Sizes of 0 do not save a shape that NumPy would refuse. This comes before anything is
        # printed: Python refuses to print an integer of many digits.
        filled = tuple(max(size, 1) for size in shape)
        if max(map(abs, numbers)) >= MAX_BYTES or _bytes(filled, self.dtype.itemsize) >= MAX_BYTES:
            return "a tensor is larger than any memory"
        if min(numbers) < 0:
            return f"a tensor has shape {shape}, strides {strides} and offset {offset}"
        return ""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the array that :meth:`read` returns."""
        return self.storage.numpy_dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements of the shape."""
        return _bytes(self.shape, 1)

    @property
    def nbytes(self) -> int:
        """Bytes of a contiguous array of this shape."""
        return self.size * self.dtype.itemsize

    def read_in_pieces(self, dtype: npt.DTypeLike) -> Array:
        """Return the array in another dtype, without holding all its elements in its own."""
        elements = np.empty(self.span, dtype)
        for start in range(0, self.span, _PIECE):
            stop = min(start + _PIECE, self.span)
            elements[start:stop] = self.storage.read(self.offset + start, stop - start)
        return self._view(elements)

    @property
    def is_dense(self) -> bool:
        """Whether no two elements share memory: by strides of rows or of columns one by one."""
        return self.strides in (row_major(self.shape), row_major(self.shape[::-1])[::-1])

    def __repr__(self) -> str:
        return f"<Tensor {self.storage.dtype} {self.shape}>"

    def read(self) -> Array:
        """Return the array, reading only the elements from its first to its last."""
        return self._view(self.storage.read(self.offset, self.span))

    def read_rows(self, first: int, stop: int) -> Array:
        """Return the rows from ``first`` to before ``stop``, of one axis or more."""
        start = self.offset + first * self.strides[0]
        rows = Tensor(
            self.storage,
            (stop - first, *self.shape[1:]),
            self.strides,
            start,
            conjugate=self.conjugate,
            negate=self.negate,
        )
        return rows.read()

    def of(self, elements: Array, start: int = 0) -> Array:
        """Return the view of ``elements``, which are those of the storage from ``start`` on."""
        first = self.offset - start
        return self._view(elements[first : first + self.span])

    def _view(self, elements: Array) -> Array:
        if self.span == 0:
            return elements[:0].reshape(self.shape)
        # Before the strides repeat elements.
        elements = np.conjugate(elements) if self.conjugate else elements
        elements = np.negative(elements) if self.negate else elements
        itemsize = elements.itemsize
        strides = tuple(step * itemsize for step in self.strides)
        return as_strided(elements, self.shape, strides, writeable=elements.flags.writeable)


# What a reader calls with every tensor it meets; what this returns goes into the tree.
Make = Callable[[Tensor], Any]


class Arrays:
    """A ``Make`` that reads: tensors of one storage become views of one array.

    Parameters
    ----------
    mapped : bool
        Map the file instead of reading it where its bytes allow that.
    spans : dict of Storage to (int, int), optional
        The elements that are wanted of a storage, from one to before another; all by default.
    """

    def __init__(
        self, mapped: bool = False, spans: dict[Storage, tuple[int, int]] | None = None
    ) -> None:
        self._mapped = mapped
        self._spans = spans or {}
        self._elements: dict[Storage, Array] = {}
        self._dtypes: dict[Bytes, int] = {}

    def __call__(self, tensor: Tensor) -> Array:
        storage = tensor.storage
        start, stop = self._spans.get(storage, (0, storage.numel))
        elements = self._elements.get(storage)
        if elements is None:
            self._check_dtypes(storage)
            if self._mapped:
                elements = storage.map(start, stop)
            else:
                elements = storage.read(start, stop - start)
            self._elements[storage] = elements
        return tensor.of(elements, start)

    def _check_dtypes(self, storage: Storage) -> None:
        """Keep a file from having the same bytes read over and over, each time as another dtype."""
        dtypes = self._dtypes[storage.content] = self._dtypes.get(storage.content, 0) + 1
        if dtypes > MAX_DTYPES:
            raise WeightFileError(
                storage.file,
                storage.content.record,
                f"the same bytes are read as more than {MAX_DTYPES} dtypes",
            )


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides in elements of a contiguous array."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def _bytes(shape: tuple[int, ...], itemsize: int) -> int:
    total = itemsize
    for size in shape:
        total *= size
    return total
