"""What a weight file holds as one dictionary: dotted names, and an array for each.

The names are those of a ``state_dict``: the path to an array through containers and modules,
without what wrappers of the model put into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from sys import getsizeof
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import WeightFileError
from .modules import Place, entries_of, is_container, name_text, walk
from .named import NamedArrays, described
from .record import Record, RecurrentLayer
from .tensor import Arrays, Storage, Tensor

if TYPE_CHECKING:
    from .formats import WeightFile
    from .tensor import Array

# The name of the one array of a file that gives it none: .npy, or a tensor that was saved alone.
ALONE = "array"

# How many entries of containers are looked at, one in several places again for each, and how many
# characters the paths to arrays have; as many more as the file has bytes.
_MOST_STEPS = 500_000
_MOST_TEXT = 1 << 22
_MAX_DEPTH = 1 << 16

# So many names or prefixes are listed in an error.
_MAX_LISTED = 5
_MOST_ROOTS = 100

COMPILED = "_orig_mod"  # torch.compile puts it into names
_WRAPPED = "module"  # and so do these
_DATA_PARALLEL = ("DataParallel", "DistributedDataParallel")

# A path to an array: the names on the way, and whether a wrapper has put them there.
Parts = list[tuple[str, bool]]


class NoSuchPrefix(WeightFileError):
    """Nothing is below a prefix, or several paths end with it."""


class SameName(WeightFileError):
    """Two arrays have the same name."""


class TooMany(WeightFileError):
    """The containers of a file stand in more places than can be looked at."""


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
    """

    place: Place | None
    key: Any
    value: Tensor | Array | str

    @property
    def is_layers(self) -> bool:
        """Whether it is a parameter of a layer that one of pylstm's readers has put together."""
        return self.place is not None and isinstance(self.place.container, RecurrentLayer)

    def path(self) -> list[tuple[Any, Any]]:
        """Return the containers from the root on, each with the key that leads on."""
        if self.place is None:
            return [(None, self.key)]
        found = [(self.place.container, self.key)]
        place = self.place
        while place.above is not None:
            found.append((place.above.container, place.name))
            place = place.above
        return found[::-1]

    def spelled(self) -> str:
        """Return the path with its keys as they are in the file."""
        keys = [key for container, key in self.path() if container is not None or key != ""]
        texts = (f"{key!r:.200}" if isinstance(key, str) else name_text(key) for key in keys)
        return "".join(f"[{text}]" for text in texts)


class Contents:
    """The arrays of a weight file, in its order; iterating over it yields each :class:`Entry`.

    Parameters
    ----------
    file : WeightFile
    strict : bool, default True
        Whether it is an error if containers stand in too many places. Otherwise each of them is
        looked at once then, at its first place.
    """

    def __init__(self, file: WeightFile, *, strict: bool = True) -> None:
        self._file = file
        self._left = 0
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
        self._left = self._file.size + _MOST_TEXT
        yield from self._first_places() if self._once else self._all_places()
        for name, value in (*self._file.arrays.items(), *self._file.unreadable.items()):
            self._note(self._file.arrays, name)
            yield Entry(None, name, value)

    def _first_places(self) -> Iterator[Entry]:
        for place, key, value in walk(self._file.tree, self._file.name):
            if _is_array(place, value):
                yield Entry(place, key, value)

    def _all_places(self) -> Iterator[Entry]:
        """Yield every array at every place of the containers around it, cycles left out."""
        steps = self._file.size + _MOST_STEPS
        place: Place | None = Place(None, "", None, iter([("", self._file.tree)]))
        # Containers not to go into: those around the present place, and those without an array.
        closed: set[int] = set()
        count, counts = 0, [0]
        while place is not None:
            for key, value in place.entries:
                steps -= 1
                if steps < 0:
                    raise TooMany(self._file.name, "", "its containers stand in too many places")
                if _is_array(place, value):
                    count += 1
                    self._note(place.container, key)
                    yield Entry(place, key, value)
                elif is_container(value) and id(value) not in closed:
                    closed.add(id(value))
                    counts.append(count)
                    place = Place(place, key, value, entries_of(value))
                    break
            else:
                if counts.pop() < count:
                    closed.discard(id(place.container))
                    if place.above is not None:
                        self._note(place.above.container, place.name)
                place = place.above
            if len(counts) > _MAX_DEPTH:
                raise self._error(f"containers are nested more than {_MAX_DEPTH} deep")

    def _error(self, reason: str) -> WeightFileError:
        return WeightFileError(self._file.name, "", reason)

    def _note(self, container: Any, key: Any) -> None:
        """Note that an array is below this key of a container."""
        if isinstance(container, Mapping) and self._wrapped.get(id(container), True):
            self._wrapped[id(container)] = _wrapper(_pieces(key)) is not None

    def parts(self, entry: Entry) -> Parts:
        """Return the path to an array; the last name is never one of a wrapper."""
        self._left -= len(name_text(entry.key)) + (entry.place.length if entry.place else 0)
        if self._left < 0:
            raise self._error("the paths to its arrays are too long")
        parts: Parts = []
        for container, key in entry.path():
            pieces = _pieces(key)
            wrapper = None
            if container is None or isinstance(container, Mapping):
                owner = self._file.arrays if entry.place is None else container
                wrapper = _wrapper(pieces) if self._wrapped.get(id(owner)) else None
            elif pieces == [_WRAPPED] and isinstance(container, Record):
                is_parallel = container.class_name.rpartition(".")[2] in _DATA_PARALLEL
                wrapper = 0 if is_parallel else None
            for index, piece in enumerate(pieces):
                parts.append((piece, piece == COMPILED or index == wrapper))
        if parts:
            parts[-1] = parts[-1][0], False
        return parts

    def root(self, prefix: str) -> list[str]:
        """Return the names of the path that a prefix means; they may be those of wrappers as well.

        It is a path from the root, or the end of one if nothing else ends so.

        Raises
        ------
        NoSuchPrefix
        """
        wanted = _pieces(prefix)
        if not wanted or any(_tail(self.parts(entry), wanted) for entry in self):
            return wanted
        return self._only_root(prefix, wanted)

    def below(self, root: list[str]) -> Iterator[tuple[list[str], Entry]]:
        """Yield the arrays below the path with these names, each with what is left of its own."""
        for entry in self:
            parts = self.parts(entry)
            tail = _tail(parts, root) if root else [name for name, wrapper in parts if not wrapper]
            if tail or not root:
                yield tail, entry

    def _only_root(self, prefix: str, wanted: list[str]) -> list[str]:
        """Return the only path that ends with a prefix."""
        roots: set[tuple[str, ...]] = set()
        for entry in self:
            names = [name for name, wrapper in self.parts(entry) if not wrapper]
            if len(roots) < _MOST_ROOTS:
                roots.update(
                    tuple(names[:end])
                    for end in range(len(wanted) + 1, len(names))
                    if names[end - len(wanted) : end] == wanted
                )
        if len(roots) == 1:
            return list(roots.pop())
        if roots:
            told = sorted(".".join(root) for root in roots)[:20]
            problem = f"ends several paths: {', '.join(map(repr, told))}"
        else:
            problem = f"is not in the file; {self._told()}"
        raise NoSuchPrefix(self._file.name, "", f"prefix {prefix!r:.200} {problem}")

    def _told(self) -> str:
        """Return the first names, for a message."""
        if not self.count:
            return "it holds no array"
        names: list[str] = []
        for entry in self:
            if len(names) == _MAX_LISTED:
                break
            names.append(".".join(name for name, wrapper in self.parts(entry) if not wrapper))
        more = f" and {self.count - len(names)} more" if self.count > len(names) else ""
        return f"there are {', '.join(f'{name or ALONE!r:.100}' for name in names)}{more}"


def _is_array(place: Place, value: Any) -> bool:
    # torch's recurrent modules list their parameters in this attribute once more.
    return isinstance(value, (Tensor, np.ndarray)) and place.name != "_flat_weights"


def _pieces(key: Any) -> list[str]:
    """Return the names in a key; none if it is empty. Absolute paths begin with a slash."""
    text = name_text(key).removeprefix("/").replace("/", ".")
    return text.split(".") if text else []


def _wrapper(pieces: list[str]) -> int | None:
    """Return which of the names in a key is that of DataParallel; None if none is."""
    for index, piece in enumerate(pieces[:-1]):
        if piece != COMPILED:
            return index if piece == _WRAPPED else None
    return None


def _tail(parts: Parts, root: list[str]) -> list[str]:
    """Return what is left of a path below ``root``, nothing if it is not below."""
    plain = [name for name, wrapper in parts if not wrapper]
    count = len(root)
    if plain[:count] == root:
        return plain[count:]
    if [name for name, _ in parts[:count]] == root:
        return [name for name, wrapper in parts[count:] if not wrapper]
    return []


def flat_view(file: WeightFile, prefix: str = "") -> NamedArrays:
    """Return the arrays of a file that are below a prefix, described, by their names from there.

    Parameters
    ----------
    file : WeightFile
    prefix : str, optional
        Without a dot at its end.

    Raises
    ------
    WeightFileError
        If two of them have the same name, one cannot be had, or there is nothing below the prefix.

    Notes
    -----
    Below the path of a layer that a reader has put together are its parameters alone: not what
    the file has there in its own layout.
    """
    contents = Contents(file)
    arrays = NamedArrays()
    root = contents.root(prefix)
    of_layer = bool(root and file.arrays) and any(
        len(tail) == 1 and entry.is_layers for tail, entry in contents.below(root)
    )
    left = file.size + _MOST_TEXT
    for tail, entry in contents.below(root):
        if of_layer and entry.place is None:
            continue
        name = ".".join(tail) or ALONE
        if name in arrays:
            other = next(
                each for names, each in contents.below(root) if (".".join(names) or ALONE) == name
            )
            reason = f"two tensors have this name: {other.spelled()} and {entry.spelled()}"
            raise SameName(file.name, name, reason)
        if isinstance(entry.value, str):
            raise WeightFileError(file.name, name, f"cannot be read as an array: {entry.value}")
        left -= getsizeof(name)
        if left < 0:
            raise WeightFileError(file.name, "", "the names of its arrays are too long")
        arrays[name] = entry.value
        _note_module(arrays, name.rpartition(".")[0], entry)
    return arrays


def _note_module(arrays: NamedArrays, prefix: str, entry: Entry) -> None:
    """Keep what the file says about the recurrent module that an array is a parameter of."""
    if not isinstance(entry.key, str) or entry.place is None:
        return
    above, _, name = entry.key.rpartition(".")
    container = entry.place.container
    if not name.startswith(("weight_ih", "weight_hh")) or prefix in arrays.modules:
        return
    if isinstance(container, NamedArrays):
        if above in container.modules:
            arrays.modules[prefix] = container.modules[above]
        elif above in container.options:
            arrays.options[prefix] = container.options[above]
    elif isinstance(container, Record) and not above:
        arrays.modules[prefix] = described(container)


def read(arrays: NamedArrays, mapped: bool) -> dict[str, Any]:
    """Return the arrays, read: of each storage only what lies between the first and the last."""
    spans: dict[Storage, tuple[int, int]] = {}
    tensors: Iterable[Tensor] = (each for each in arrays.values() if isinstance(each, Tensor))
    for tensor in tensors:
        start, stop = spans.get(tensor.storage, (tensor.offset, tensor.offset))
        end = tensor.offset + tensor.span
        spans[tensor.storage] = min(start, tensor.offset), max(stop, end)
    make = Arrays(mapped, spans)
    for name, value in arrays.items():
        if isinstance(value, Tensor):
            arrays[name] = make(value)
    return arrays if arrays.modules or arrays.options else dict(arrays)
