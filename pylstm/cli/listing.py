"""The arrays of a weight file as `inspect` lists them, none of them read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files.base.record import Record
from ..files.base.tensor import Tensor
from ..files.base.walk import Place, name_text
from ..files.contents import Contents, Entry, names_in
from ..files.flat import below, find_root
from ..weights.values import stored_in

if TYPE_CHECKING:
    import numpy.typing as npt

    from ..files.open import WeightFile

# Names above this many characters are shown by their end. A file of nested lists could
# otherwise ask for pages of text with every few bytes.
MAX_NAME = 1000

# Where Keras puts the variables of an optimiser: .h5 files of Keras 2, and those of Keras 3.
_OPTIMIZERS_OF_KERAS = ("optimizer_weights/", "optimizer/")


@dataclass(frozen=True, eq=False, slots=True)
class Row:
    """One array of the list.

    Attributes
    ----------
    name : str
        As ``load(source, flat=True)`` has it; the end of one that is too long. Empty for an array
        that has none.
    value : Tensor or ndarray
    is_optimizers : bool
        Whether it belongs to an optimiser's state.
    """

    name: str
    value: Tensor | npt.NDArray[Any]
    is_optimizers: bool

    @property
    def dtype(self) -> str:
        """The dtype in the file."""
        return stored_dtype(self.value)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of its axes."""
        return self.value.shape

    @property
    def nbytes(self) -> int:
        """Bytes of its elements in the file's dtype, repeated ones counted again."""
        if isinstance(self.value, Tensor):
            return self.value.size * self.value.storage.raw_dtype.itemsize
        return self.value.nbytes


def stored_dtype(value: Any) -> str:
    """Return the dtype that an array, or what is made of one, has in its file."""
    value = stored_in(value)
    if isinstance(value, Tensor):
        return value.storage.dtype
    return str(np.dtype(value.dtype).name)


def without_wrappers(path: str) -> tuple[str, ...]:
    """Return the names of a path but those that wrappers of a model put there."""
    return tuple(name for name in names_in(path) if name not in ("module", "_orig_mod"))


class Listing:
    """What of a file is listed; iterating over it yields each :class:`Row`, as often as wanted.

    Parameters
    ----------
    file : WeightFile
    prefix : str, optional
        Only what is below it.
    empty : bool, optional
        Whether nothing is listed at all.

    Attributes
    ----------
    root : list of str
        The names of the path that ``prefix`` means.
    unreadable : list of (str, str)
        Names of arrays that cannot be had, and why.

    Raises
    ------
    NoSuchPrefix
        If there is no array below ``prefix``.
    """

    def __init__(self, file: WeightFile, prefix: str = "", *, empty: bool = False) -> None:
        self._contents = Contents(file, strict=False)
        self._empty = empty
        self.root = names_in(prefix) if empty else find_root(self._contents, file, prefix)
        self._of_keras = file.format == "Keras"
        self._optimizers: dict[Place, bool] = {}
        self.unreadable = [
            (self._name(entry), entry.value)
            for entry in self._entries()
            if isinstance(entry.value, str)
        ]

    def __iter__(self) -> Iterator[Row]:
        self._optimizers.clear()
        for entry in self._entries():
            if not isinstance(entry.value, str):
                yield Row(self._name(entry), entry.value, self._is_optimizers(entry))

    def _entries(self) -> Iterator[Entry]:
        if self._empty:
            return iter(())
        if not self.root:
            return iter(self._contents)
        return (entry for _, entry in below(self._contents, self.root))

    def _name(self, entry: Entry) -> str:
        key = name_text(entry.key)
        if entry.place is not None and entry.place.length + len(key) > MAX_NAME:
            return "..." + f"{name_text(entry.place.name)[-MAX_NAME:]}.{key}"[-MAX_NAME:]
        return ".".join(entry.path.kept)

    def _is_optimizers(self, entry: Entry) -> bool:
        """Tell whether an array is below ``state`` or ``param_groups`` of an optimiser."""
        place = entry.place
        if place is None:
            return self._of_keras and name_text(entry.key).startswith(_OPTIMIZERS_OF_KERAS)
        above = []
        while place is not None and place not in self._optimizers:
            above.append(place)
            place = place.above
        known = place is not None and self._optimizers[place]
        for place in reversed(above):
            known = known or _begins_an_optimizer(place)
            self._optimizers[place] = known
        return known


def _begins_an_optimizer(place: Place) -> bool:
    """Tell whether the container here is one of the two parts of an optimiser's ``state_dict``."""
    if place.above is None or place.name not in ("state", "param_groups"):
        return False
    around: Any = place.above.container
    # Where the file has the whole object, its attributes are the same two.
    parts = place.above.facts() if isinstance(around, Record) else around
    return (
        isinstance(parts, Mapping)
        and isinstance(parts.get("state"), Mapping)
        and isinstance(parts.get("param_groups"), (list, tuple))
    )
