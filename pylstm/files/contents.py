"""The arrays of a weight file one after the other, each with the names on the way to it.

What wrappers of a model put into names is known as such: ``_orig_mod`` of ``torch.compile``, and
the ``module`` of ``DataParallel`` where all keys of a mapping begin so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .base.errors import WeightFileError
from .base.record import Record, RecurrentLayer
from .base.tensor import Tensor
from .base.walk import Place, dotted, entries_of, is_container, name_text, walk

if TYPE_CHECKING:
    from .base.tensor import Array
    from .open import WeightFile

# Entries of containers that are looked at, those of one in several places again for each; as many
# more as the file has bytes.
_MOST_STEPS = 300_000
_MAX_DEPTH = 1 << 16

# Behind the name of integers that have scales: these.
SCALE = "_scale"

COMPILED, _WRAPPED = "_orig_mod", "module"
_DATA_PARALLEL = ("DataParallel", "DistributedDataParallel")


class TooMany(WeightFileError):
    """The containers of a file stand in more places than can be looked at."""


class Path:
    """The names on the way to the present array, as a walk goes down and up again.

    Attributes
    ----------
    names : list of str
        All of them.
    is_wrappers : list of bool
        Of each, whether a wrapper has put it there.
    kept : list of str
        Those that no wrapper has put there.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.is_wrappers: list[bool] = []
        self.kept: list[str] = []

    def push(self, names: list[str], wrapper: int | None, *, is_last: bool = False) -> None:
        """Go on by the names in a key, of which one may be that of a wrapper."""
        self.names += names
        if wrapper is None and COMPILED not in names:
            self.is_wrappers += [False] * len(names)
            self.kept += names
            return
        flags = [name == COMPILED or index == wrapper for index, name in enumerate(names)]
        flags[-1] = flags[-1] and not is_last
        self.is_wrappers += flags
        self.kept += [name for name, flag in zip(names, flags, strict=True) if not flag]

    def pop(self, names: list[str]) -> None:
        """Go back by the names of the latest key."""
        if names:
            kept = self.is_wrappers[-len(names) :].count(False)
            del self.names[-len(names) :], self.is_wrappers[-len(names) :]
            del self.kept[len(self.kept) - kept :]

    def below(self, root: list[str]) -> int:
        """Return how many of the kept names lead to ``root``; -1 if this path does not."""
        count = len(root)
        if len(self.kept) > count and self.kept[:count] == root:
            return count
        if self.names[:count] == root:
            start = self.is_wrappers[:count].count(False)
            return start if len(self.kept) > start else -1
        return -1


@dataclass(frozen=True, eq=False, slots=True)
class Entry:
    """One array, and where it stands.

    Parameters
    ----------
    place : Place or None
        None for what the file has in a layout of its own.
    key : object
        Its name there.
    value : Tensor, ndarray or str
        Why it cannot be had, for one that cannot.
    path : Path
        As it is until the next entry.
    """

    place: Place | None
    key: Any
    value: Tensor | Array | str
    path: Path

    @property
    def is_layers(self) -> bool:
        """Whether it is a parameter of a layer that one of pylstm's readers has put together."""
        return self.place is not None and isinstance(self.place.container, RecurrentLayer)

    def spelled(self) -> str:
        """Return the path with its keys as they are in the file."""
        keys = [self.key]
        place = self.place
        while place is not None and place.above is not None:
            keys.append(place.name)
            place = place.above
        if place is not None and self.place is place:
            keys = []  # the file is this array
        elif place is not None:
            keys.pop()  # the root has no name
        texts = (f"{key!r:.200}" if isinstance(key, str) else name_text(key) for key in keys[::-1])
        return "".join(f"[{text}]" for text in texts)


def _of_pair(entry: Entry) -> Entry:
    """Return an entry by the name that a state_dict has for it, if it is of a pickled parameter.

    The pickle of a module with compressed weights has a pair of each: what is stored, and scales.
    """
    place = entry.place
    if place is None or not isinstance(place.container, tuple) or place.above is None:
        return entry
    is_pair = len(place.container) == 2 and entry.key in (0, 1)
    if place.above.pickled() is None or not is_pair or names_in(place.name) != [place.name]:
        return entry
    path, value, name = Path(), entry.value, place.name + (SCALE if entry.key else "")
    path.names = [*entry.path.names[:-2], name]
    path.is_wrappers = entry.path.is_wrappers[:-1]
    path.kept = [*entry.path.kept[:-2], name]
    is_bits = isinstance(value, Tensor) and value.storage.dtype == "uint16"
    if is_bits and isinstance(value, Tensor) and place.container[1] is None:
        storage = replace(value.storage, dtype="bfloat16")
        value = Tensor(storage, value.shape, value.strides, value.offset)
    return Entry(place.above, name, value, path)


class Contents:
    """The arrays of a weight file, in its order; iterating over it yields each :class:`Entry`.

    A container that stands in several places counts at each of them, as in torch.

    Parameters
    ----------
    file : WeightFile
    strict : bool, default True
        Whether it is an error if containers stand in too many places. Otherwise each of them
        counts once then, at its first place.

    Attributes
    ----------
    count : int
        How many arrays there are.
    """

    def __init__(self, file: WeightFile, *, strict: bool = True) -> None:
        self._file = file
        self._once = False
        # The mappings with arrays in them, by identity: whether each key begins with "module.".
        self._wrapped: dict[int, bool] = {}
        try:
            self.count = sum(1 for _ in self)
        except TooMany:
            if strict:
                raise
            self._once = True
            self._wrapped.clear()
            self.count = sum(1 for _ in self)

    def __iter__(self) -> Iterator[Entry]:
        yield from map(_of_pair, self._first_places() if self._once else self._all_places())
        arrays = self._file.arrays
        for name, value in (*arrays.items(), *self._file.unreadable.items()):
            self._note(arrays, name)
            path = Path()
            path.push(names_in(name), self._wrapper(arrays, names_in(name)), is_last=True)
            yield Entry(None, name, value, path)

    def _first_places(self) -> Iterator[Entry]:
        for place, key, value in walk(self._file.tree, self._file.name):
            if _is_array(place, value):
                path, keys, above = Path(), [key], place
                while above.above is not None:
                    keys.append(above.name)
                    above = above.above
                for each in keys[:0:-1]:
                    path.push(names_in(each), None)
                path.push(names_in(key), None, is_last=True)
                yield Entry(place, key, value, path)

    def _all_places(self) -> Iterator[Entry]:
        """Yield every array at every place of the containers around it, cycles left out."""
        steps = self._file.size + _MOST_STEPS
        place: Place | None = Place(None, "", None, iter([("", self._file.tree)]))
        # Containers not to go into: those around the present place, and those without an array.
        closed: set[int] = set()
        path = Path()
        count, counts = 0, [0]
        while place is not None:
            for key, value in place.entries:
                steps -= 1
                if steps < 0:
                    raise TooMany(self._file.name, "", "its containers stand in too many places")
                is_array = _is_array(place, value)
                if is_array or (is_container(value) and id(value) not in closed):
                    names = names_in(key)
                    path.push(names, self._wrapper(place.container, names), is_last=is_array)
                    if not is_array:
                        closed.add(id(value))
                        counts.append(count)
                        place = Place(place, key, value, entries_of(value))
                        break
                    count += 1
                    self._note(place.container, key)
                    yield Entry(place, key, value, path)
                    path.pop(names)
            else:
                if counts.pop() < count:
                    closed.discard(id(place.container))
                    if place.above is not None:
                        self._note(place.above.container, place.name)
                path.pop(names_in(place.name))
                place = place.above
            if len(counts) > _MAX_DEPTH:
                reason = f"containers are nested more than {_MAX_DEPTH} deep"
                raise WeightFileError(self._file.name, "", reason)

    def _note(self, container: Any, key: Any) -> None:
        """Note that an array is below this key of a container."""
        if isinstance(container, Mapping) and self._wrapped.get(id(container), True):
            self._wrapped[id(container)] = _after_compiled(names_in(key)) is not None

    def _wrapper(self, container: Any, names: list[str]) -> int | None:
        """Return which of the names in a key is that of DataParallel; None if none is."""
        if self._wrapped.get(id(container)):
            return _after_compiled(names)
        if names == [_WRAPPED] and isinstance(container, Record):
            return 0 if container.class_name.rpartition(".")[2] in _DATA_PARALLEL else None
        return None


def _is_array(place: Place, value: Any) -> bool:
    # torch's recurrent modules list their parameters in this attribute once more.
    return isinstance(value, (Tensor, np.ndarray)) and place.name != "_flat_weights"


def names_in(key: Any) -> list[str]:
    """Return the names in a key; none if it is empty. Absolute paths begin with a slash."""
    text = dotted(name_text(key))
    return text.split(".") if text else []


def _after_compiled(names: list[str]) -> int | None:
    """Return where in a key ``module`` stands, if it is first, or behind ``_orig_mod`` only."""
    for index, name in enumerate(names[:-1]):
        if name != COMPILED:
            return index if name == _WRAPPED else None
    return None
