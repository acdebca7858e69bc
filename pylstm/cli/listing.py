"""The tensors of a weight file, one after the other, none of them read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files.modules import Place, name_text, walk
from ..files.tensor import Tensor

if TYPE_CHECKING:
    import numpy.typing as npt

    from ..files.formats import WeightFile

# Names above this many characters are shown by their end. A file of nested lists could
# otherwise ask for pages of text with every few bytes.
MAX_NAME = 1000


@dataclass(frozen=True, eq=False)
class Entry:
    """One tensor, and where it stands."""

    place: Place
    key: Any
    value: Tensor | npt.NDArray[Any]

    @property
    def is_deep(self) -> bool:
        """Whether the dotted path to it is longer than any model has."""
        return self.place.length + len(name_text(self.key)) > MAX_NAME

    def name(self) -> str:
        """Return the dotted path to it, or the end of one that is too long."""
        key = name_text(self.key)
        if self.is_deep:
            return "..." + f"{name_text(self.place.name)[-MAX_NAME:]}.{key}"[-MAX_NAME:]
        return self.place.path(key)

    @property
    def dtype(self) -> str:
        """The dtype in the file."""
        if isinstance(self.value, Tensor):
            return self.value.storage.dtype
        return self.value.dtype.name

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


def tensors(file: WeightFile) -> Iterator[Entry]:
    """Yield every tensor of a file; a container that stands in several places counts once."""
    for place, key, value in walk(file.tree, file.name):
        # torch's recurrent modules list their parameters in this attribute once more.
        if isinstance(value, (Tensor, np.ndarray)) and place.name != "_flat_weights":
            yield Entry(place, key, value)
