"""The values of parameters: which dtypes can be weights, and what stands for weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from ..files.base.errors import WeightFileError
from ..files.base.record import Record
from ..files.base.tensor import Made, Tensor, row_major
from .storages import product_problem

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

# How much more the parameters may be than the memory that they are views of. Weights that are
# tied are honest; a file of some bytes that asks for terabytes is not.
_MAX_SHARING, _MAX_SHARED_BYTES = 4, 1 << 22

_BAD_SCALE = "is multiplied by a scale of {:g}, not positive and finite"

# Of integers of 8 bits. The values of torch's own are smaller.
MAX_ZERO_POINT = 255


# Elements of a matrix that are read at once.
_PIECE = 1 << 20


class BadValue(WeightFileError):
    """A number that a parameter cannot have; the reason begins with the parameter's name."""


class BadScale(BadValue):
    """A scale that no quantiser makes; the reason continues the name of a parameter."""


@dataclass(frozen=True, eq=False, slots=True)
class Widened:
    """A parameter in float32 that the file or the caller has in another form; read when it is used.

    Parameters
    ----------
    stored : Tensor or ndarray
        int8 or int16 with a scale, or the bits of bfloat16 as uint16.
    scale : Tensor or ndarray or None
        What the integers are multiplied by; None for bfloat16.
    zero_point : Tensor or ndarray or None
        What is subtracted from the integers before, one number or one for each row.
    """

    stored: Tensor | Array
    scale: Tensor | Array | None = None
    zero_point: Tensor | Array | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the stored array."""
        return self.stored.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.stored.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the array that :meth:`read` returns."""
        return np.dtype(np.float32)

    def read(self) -> Array:
        """Return the array."""
        if self.scale is None:
            wide = read(self.stored).astype(np.uint32)
            wide <<= 16
            return wide.view(np.float32)
        scale, zero = self.factors()
        if isinstance(self.stored, Tensor) and self.stored.is_dense:
            # In place: only the float32 are in memory, not the integers beside them.
            numbers = self.stored.read_in_pieces(np.float32)
        else:
            numbers = read(self.stored).astype(np.float32)
        return self._multiplied(numbers, scale, zero, scale.size == 1)

    def factors(self) -> tuple[Array, Array | None]:
        """Return the checked scales of integers, and their zero points, each to be broadcast."""
        ones = (1,) * (self.ndim - 1)
        given = read(self.scale).reshape(-1, *ones)
        if given.dtype == np.float32:
            scale = given.astype(np.float32)
        else:  # only here: see float32_of
            with np.errstate(over="ignore", under="ignore"):
                scale = given.astype(np.float32)
        bad = given[~(np.isfinite(scale) & (scale >= 0))]
        if bad.size:
            raise BadScale("", "", _BAD_SCALE.format(bad[0]))
        zero = None if self.zero_point is None else read(self.zero_point).reshape(-1, *ones)
        if zero is not None and np.abs(zero).max(initial=0) > MAX_ZERO_POINT:
            raise BadScale("", "", f"has a zero point of {zero.flat[np.abs(zero).argmax()]}")
        return scale, zero

    def pieces(self) -> Iterator[tuple[int, Array]]:
        """Yield the rows of a matrix, some at a time, each time with the number of the first."""
        if self.scale is None:
            for first, bits in stored_pieces(self.stored):
                yield first, Widened(bits).read()
            return
        scale, zero = self.factors()
        for first, stored in stored_pieces(self.stored):
            last = first + len(stored)
            own = scale if len(scale) == 1 else scale[first:last]
            shift = zero if zero is None or len(zero) == 1 else zero[first:last]
            numbers = stored.astype(np.float32)
            yield first, self._multiplied(numbers, own, shift, scale.size == 1)

    def sound_pieces(self) -> Iterator[tuple[int, Array, Array]]:
        """Yield some integers at a time, with their scales, of a matrix with one in each row."""
        scale, _ = self.factors()
        for first, stored in stored_pieces(self.stored):
            part = scale[first : first + len(stored)]
            self._check_products(stored, part, is_one=False)
            stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
            yield first, np.require(stored, None, ("C", "A")), np.require(part, None, ("C", "A"))

    def _multiplied(self, numbers: Array, scale: Array, zero: Array | None, is_one: bool) -> Array:
        """Return what integers in float32 stand for, in their place."""
        if zero is not None and zero.any():
            np.subtract(numbers, zero.astype(np.float32), out=numbers)  # of integers: exact
        self._check_products(numbers, scale, is_one)
        with np.errstate(under="ignore"):
            return np.multiply(numbers, scale, out=numbers)

    def _check_products(self, numbers: Array, scale: Array, is_one: bool) -> None:
        """Raise where a scale of 0 is that of other integers than zeros, or a product infinite."""
        at = np.flatnonzero(scale == 0)
        if at.size and (is_one or self.ndim < 2 or numbers[at].any()):
            raise BadScale("", "", _BAD_SCALE.format(scale.reshape(-1)[at[0]]))
        problem = product_problem(numbers, scale)
        if problem:
            raise BadScale("", "", problem)


Leaf = Tensor | Widened | np.ndarray
_ARRAYS = (Tensor, np.ndarray)


def stored_in(leaf: Any) -> Any:
    """Return the array of the file that a parameter is read of."""
    return leaf.stored if isinstance(leaf, Widened) else leaf


def read(leaf: Any) -> Array:
    """Return the array of a parameter."""
    return leaf if isinstance(leaf, np.ndarray) else leaf.read()


def pieces(leaf: Any) -> Iterator[tuple[int, Array]]:
    """Yield the rows of a matrix, some at a time, each time with the number of the first.

    What is not stored row by row, or is made when it is read, is in memory as a whole meanwhile.
    """
    return leaf.pieces() if isinstance(leaf, Widened) else stored_pieces(leaf)


def stored_pieces(leaf: Any) -> Iterator[tuple[int, Array]]:
    """Like :func:`pieces`, of what needs no scale."""
    rows, columns = leaf.shape
    step = max(1, _PIECE // max(1, columns))
    is_read_by_rows = (
        isinstance(leaf, Tensor)
        and leaf.strides == row_major(leaf.shape)
        and not isinstance(leaf.storage.content, Made)
    )
    whole = None if is_read_by_rows else read(leaf)
    for first in range(0, rows, step):
        stop = min(first + step, rows)
        yield first, leaf.read_rows(first, stop) if whole is None else whole[first:stop]


def of_bfloat16(leaf: Any) -> Any:
    """Return what the bits of bfloat16 stand for; ``leaf`` itself where it has another dtype."""
    if leaf.dtype.newbyteorder("=") != np.uint16:
        return leaf
    return Widened(leaf)


def of_pair(pair: tuple[Any, ...]) -> Any:
    """Return the parameter that a pickle has as stored weights and scales; else a record."""
    if len(pair) == 2 and isinstance(pair[0], _ARRAYS):
        if isinstance(pair[1], _ARRAYS):
            return Widened(*pair)
        if pair[1] is None:
            return of_bfloat16(pair[0])
    return Record("builtins.tuple")


def scale_problem(name: str, stored: Any, scale: Any) -> str:
    """Say why ``scale`` does not tell what the integers of a parameter stand for."""
    if not isinstance(scale, (Tensor, np.ndarray)):
        return f"{name}_scale is {scale!r:.100}, not floating point"
    if scale.dtype.kind != "f":
        return f"{name}_scale is of {scale.dtype}, not floating point"
    rows = stored.shape[0] if stored.ndim else 0
    shapes: list[tuple[int, ...]] = [(), (1,), (rows,)]
    if stored.ndim == 2:
        shapes += [(rows, 1), (1, 1)]
        if stored.shape[1] == rows > 1 and scale.shape == (rows,):
            return f"{name}_scale may be that of its {rows} rows or of its {rows} columns"
    if scale.shape not in shapes:
        return (
            f"{name}_scale has shape {scale.shape}, which is neither one scale nor one for each "
            f"of {rows} rows"
        )
    return ""


def is_scaled(stored: Any, scale: Any) -> bool:
    """Tell whether a scale tells what integers stand for: of int16 only one as pylstm writes it."""
    dtype = stored.dtype.newbyteorder("=") if hasattr(stored, "dtype") else None
    shape: tuple[int, ...] = getattr(stored, "shape", ())
    if dtype == np.int16:
        return len(shape) == 2 and getattr(scale, "shape", None) == (shape[0], 1)
    return bool(dtype == np.int8)


def dtype_of(parameters: Mapping[str, Any]) -> np.dtype[Any]:
    """Return the dtype that holds the values of all parameters."""
    dtypes = {leaf.dtype.newbyteorder("=") for leaf in parameters.values()}
    return np.result_type(*dtypes)


def dtype_problem(parameters: Mapping[str, Any]) -> tuple[str, str]:
    """Say which parameter cannot be a weight by its dtype: in the words of a kind, and why."""
    for name, leaf in parameters.items():
        dtype = leaf.dtype.newbyteorder("=")
        if dtype == np.uint16:
            return "of whole numbers", (
                f"{name} is of dtype uint16, perhaps the bits of bfloat16: if so, pass "
                '(w.astype("u4") << 16).view("f4")'
            )
        if dtype.kind in "biu":
            only = f"weights only with {name}_scale beside them" if dtype == "i1" else "no weights"
            return "of whole numbers", f"{name} is of dtype {dtype}: whole numbers are {only}"
        if dtype.kind != "f":
            return "inconsistent", f"{name} is of dtype {dtype}"
    return "", ""


def memory_problem(parameters: Mapping[str, Any]) -> str:
    """Say where parameters are far more than the memory that they are views of."""
    extents = []
    total = 0
    for name, leaf in parameters.items():
        owner, low, high, itemsize = _extent(leaf)
        if leaf.size * itemsize > high - low:
            return f"{name} is an expanded view: its shape {leaf.shape} repeats elements"
        extents.append((owner, low, high))
        total += high - low
    covered, last, end = 0, -1, 0
    for owner, low, high in sorted(extents):
        if owner != last:
            last, end = owner, low
        covered += max(0, high - max(low, end))
        end = max(end, high)
    if total > _MAX_SHARING * covered + _MAX_SHARED_BYTES:
        return f"its parameters share their memory: {total} bytes of {covered}"
    return ""


def _extent(leaf: Any) -> tuple[int, int, int, int]:
    """Return whose bytes an array is a view of, the first, the one after the last, the itemsize."""
    leaf = stored_in(leaf)
    if isinstance(leaf, Tensor):
        itemsize = leaf.storage.raw_dtype.itemsize
        return (
            id(leaf.storage),
            leaf.offset * itemsize,
            (leaf.offset + leaf.span) * itemsize,
            itemsize,
        )
    low, high = byte_bounds(leaf)
    return 0, low, high, leaf.itemsize
