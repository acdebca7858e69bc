"""What a mapping that shall be saved holds: arrays by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arguments.naming import mapping_hint, type_name
from ..base.record import Record, Unsupported
from ..base.tensor import PLAIN_DTYPES, Tensor, raw_dtype

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

_DEEPEST = 100
_NAMES = {dtype: name for name, dtype in PLAIN_DTYPES.items()}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One array, perhaps not read yet.

    Attributes
    ----------
    path : tuple of str
        The keys that lead to it.
    dtype : str
        A key of ``PLAIN_DTYPES``, or ``"bfloat16"``.
    shape : tuple of int
    value : object
        The array, or what returns it from its method ``read``; of bfloat16 its exact float32.
    """

    path: tuple[str, ...]
    dtype: str
    shape: tuple[int, ...]
    value: Any

    @property
    def name(self) -> str:
        """The keys joined by dots."""
        return ".".join(self.path)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        count = raw_dtype(self.dtype).itemsize
        for size in self.shape:
            count *= size
        return count

    def array(self) -> Array:
        """Return the elements, C-contiguous and little-endian; of bfloat16 their bits."""
        array = self.value if isinstance(self.value, np.ndarray) else self.value.read()
        if self.dtype == "bfloat16":
            array = self._upper_halves(np.asarray(array, np.float32, order="C"))
        return np.asarray(array, raw_dtype(self.dtype).newbyteorder("<"), order="C")

    def _upper_halves(self, array: Array) -> Array:
        bits = array.view(np.uint32)
        if (bits & np.uint32(0xFFFF)).any():
            raise ValueError(
                f"{self.name!r} is to be written as bfloat16, which cannot hold its numbers"
            )
        return np.right_shift(bits, 16)


def leaves_of(mapping: Any) -> list[Leaf]:
    """Return the arrays of a mapping and of the mappings in it, in their order."""
    if not isinstance(mapping, Mapping):
        hint = mapping_hint(mapping) or 'try {"weight": array}'
        raise TypeError(
            f"save needs a mapping from names to arrays, not {type_name(mapping)}: {hint}"
        )
    return list(_walk(mapping, ()))


def _walk(mapping: Mapping[Any, Any], above: tuple[str, ...]) -> Iterator[Leaf]:
    if len(above) > _DEEPEST:
        raise ValueError(f"the mapping is nested more than {_DEEPEST} deep, or holds itself")
    for key, value in mapping.items():
        if not isinstance(key, str):
            raise TypeError(f"names must be strings, not {type_name(key)}{_where(above)}")
        path = (*above, key)
        try:
            key.encode()
        except UnicodeEncodeError:
            raise ValueError(f"the name {key!r} is not valid Unicode") from None
        if isinstance(value, Mapping):
            yield from _walk(value, path)
        else:
            yield _leaf(path, value)


def _where(path: tuple[str, ...]) -> str:
    return f" (in {'.'.join(path)!r})" if path else ""


def _leaf(path: tuple[str, ...], value: Any) -> Leaf:
    if not _is_lazy(value):
        value = _array(path, value)
    dtype = np.dtype(value.dtype)
    name = _NAMES.get(dtype.newbyteorder("="))
    if name is None:
        raise TypeError(
            f"{'.'.join(path)!r} has dtype {dtype}, which no weight file holds: "
            f"convert it to one of {', '.join(PLAIN_DTYPES)}"
        )
    return Leaf(path, name, tuple(value.shape), value)


def _is_lazy(value: Any) -> bool:
    """Tell what describes an array and reads it later: a Tensor, or its like."""
    return isinstance(value, Tensor) or all(
        hasattr(type(value), name) for name in ("dtype", "shape", "read")
    )


def _array(path: tuple[str, ...], value: Any) -> Array:
    name = ".".join(path)
    if isinstance(value, (Record, Unsupported, str, bytes, type(None))):
        hint = mapping_hint(value) if isinstance(value, Record) else ""
        raise TypeError(f"{name!r} is {type_name(value)}, not an array{hint and ': '}{hint}")
    if hasattr(type(value), "state_dict"):
        raise TypeError(f"{name!r} is {type_name(value)}, not an array: pass its state_dict()")
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name!r} is a masked array, whose mask would be lost: fill it first")
    if str(getattr(value, "dtype", "")) == "torch.bfloat16":
        raise TypeError(f"{name!r} is bfloat16, which NumPy has not: call .float() first")
    if callable(getattr(value, "detach", None)):
        value = value.detach()  # torch's parameters, which NumPy would refuse
    try:
        if not hasattr(value, "__array__") and hasattr(value, "__dlpack__"):
            return np.from_dlpack(value)
        return np.asarray(value)
    except (BufferError, TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name!r} cannot be made an array: {error}") from error
