"""What a weight file holds as one dictionary: dotted names, and an array for each.

The names are those of a ``state_dict``: the path to an array through containers and modules,
without what wrappers of the model put into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from sys import getsizeof
from typing import TYPE_CHECKING, Any

from .base.errors import WeightFileError
from .base.named import NamedArrays, described
from .base.record import Record
from .base.tensor import Arrays, Storage, Tensor
from .contents import Contents, Entry, names_in

if TYPE_CHECKING:
    from .open import WeightFile

# The name of the one array of a file that gives it none: .npy, or a tensor that was saved alone.
ALONE = "array"

# Bytes of the names of arrays, and characters of paths that are searched for the end of one; as
# many more as the file has bytes.
_MOST_NAMES = 1 << 22
_MOST_SEARCHED = 1 << 26

# So many names or prefixes are listed in an error.
_MAX_LISTED = 5
_MOST_ROOTS = 20


class NoSuchPrefix(WeightFileError):
    """Nothing is below a prefix, or several paths end with it."""


class SameName(WeightFileError):
    """Two arrays have the same name."""


def find_root(contents: Contents, file: WeightFile, prefix: str) -> list[str]:
    """Return the names of the path that a prefix means; they may be those of wrappers as well.

    It is a path from the root, or the end of one if nothing else ends so.

    Raises
    ------
    NoSuchPrefix
    """
    wanted = names_in(prefix)
    text = ".".join(wanted)
    if not wanted or any(entry.path.below(wanted) >= 0 for entry in contents):
        return wanted
    roots: set[str] = set()
    left = file.size + _MOST_SEARCHED
    for entry in contents:
        path = "." + ".".join(entry.path.kept[:-1]) + "."
        left -= len(path)
        if left < 0:
            raise WeightFileError(file.name, "", "the paths to its arrays are too long")
        at = path.find(f".{text}.")
        while at >= 0 and len(roots) <= _MOST_ROOTS:
            roots.add(path[1 : at + 1 + len(text)])
            at = path.find(f".{text}.", at + 1)
    if len(roots) == 1:
        return roots.pop().split(".")
    if roots:
        told = ", ".join(f"{root!r:.200}" for root in sorted(roots)[:_MOST_ROOTS])
        problem = f"ends several paths: {told}"
    else:
        problem = f"is not in the file; {_told(contents)}"
    raise NoSuchPrefix(file.name, "", f"prefix {prefix!r:.200} {problem}")


def _told(contents: Contents) -> str:
    """Return the first names, for a message."""
    if not contents.count:
        return "it holds no array"
    names: list[str] = []
    for entry in contents:
        if len(names) == _MAX_LISTED:
            break
        # Some names of a path would do, which may be long.
        names.append(".".join(entry.path.kept[:100]) or ALONE)
    more = contents.count - len(names)
    listed = ", ".join(f"{name!r:.100}" for name in names)
    return f"there are {listed}" + (f" and {more} more" if more else "")


def below(contents: Contents, root: list[str]) -> Iterator[tuple[int, Entry]]:
    """Yield the arrays below a path, each with where among the names of its own that one ends."""
    for entry in contents:
        start = entry.path.below(root) if root else 0
        if start >= 0:
            yield start, entry


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
    root = find_root(contents, file, prefix)
    of_layer = bool(root and file.arrays) and any(
        entry.is_layers and len(entry.path.kept) == start + 1
        for start, entry in below(contents, root)
    )
    left = file.size + _MOST_NAMES
    for start, entry in below(contents, root):
        if of_layer and entry.place is None:
            continue
        name = ".".join(entry.path.kept[start:]) or ALONE
        if name in arrays:
            other = next(
                each.spelled()
                for at, each in below(contents, root)
                if (".".join(each.path.kept[at:]) or ALONE) == name
            )
            reason = f"two tensors have this name: {other} and {entry.spelled()}"
            raise SameName(file.name, name, reason)
        if isinstance(entry.value, str):
            raise WeightFileError(file.name, name, f"cannot be read as an array: {entry.value}")
        left -= getsizeof(name)
        if left < 0:
            raise WeightFileError(file.name, "", "the names of its arrays are too long")
        arrays[name] = entry.value
        wrong = _note_module(arrays, name.rpartition(".")[0], entry)
        if wrong:
            raise WeightFileError(file.name, name, f"its state_dict records {wrong}")
    return arrays


def _note_module(arrays: NamedArrays, prefix: str, entry: Entry) -> str:
    """Keep what the file says about the module of a parameter; return what is wrong with that."""
    if not isinstance(entry.key, str) or entry.place is None:
        return ""
    above, _, name = entry.key.rpartition(".")
    container = entry.place.container
    if not name.startswith(("weight_ih", "weight_hh")) or prefix in arrays.modules:
        return ""
    if isinstance(container, NamedArrays):
        if above in container.modules:
            arrays.modules[prefix] = container.modules[above]
        elif above in container.options:
            arrays.options[prefix] = container.options[above]
            if above in container.assumed:
                arrays.assumed[prefix] = container.assumed[above]
    elif isinstance(container, Record) and not above:
        arrays.modules[prefix] = described(container)
    elif "_l" in name and (assumed := entry.place.assumed(above)):
        arrays.options[prefix] = arrays.assumed[prefix] = dict(assumed)
    else:
        options, wrong = entry.place.recorded(above)
        if options:
            arrays.options[prefix] = options
        return wrong
    return ""


def read(arrays: NamedArrays, mapped: bool) -> dict[str, Any]:
    """Return the arrays, read: of each storage only what lies between the first and the last."""
    spans: dict[Storage, tuple[int, int]] = {}
    tensors: Iterable[Tensor] = (each for each in arrays.values() if isinstance(each, Tensor))
    for tensor in tensors:
        start, stop = spans.get(tensor.storage, (tensor.offset, tensor.offset))
        end = tensor.offset + tensor.span
        spans[tensor.storage] = min(start, tensor.offset), max(stop, end)
    make = Arrays(mapped, spans)
    made: dict[int, Any] = {}  # what has two names is one array
    for name, value in arrays.items():
        if isinstance(value, Tensor):
            if id(value) not in made:
                made[id(value)] = make(value), value
            arrays[name] = made[id(value)][0]
    return arrays if arrays.modules or arrays.options else dict(arrays)
