"""Walking through what a weight file holds: every named value, at any depth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...arguments.variants import OPTIONS_KEY
from . import paddle
from .errors import WeightFileError
from .named import NamedArrays, options_of_pickle, options_of_state_dict, other_weights
from .record import Record

# Real files nest some tens deep. Every level costs a few hundred bytes of memory while the walk
# is in it, and a file can open one with two.
_MAX_DEPTH = 1 << 16

# Tables of a torch module whose names belong to the module itself.
_TABLES = ("_parameters", "_buffers", "_modules")

# What is in the table of a pickle of one of pylstm's modules.
_PICKLED = {"version", "structure", "options", "dtype", "parameters"}


class Place:
    """Where a container stands: the container above it, and the name there.

    The links spare the path's text, which would be long where a file nests deeply; it is made
    for what is reported only.

    Attributes
    ----------
    above : Place or None
    name : object
        The key or index in the container above; a key may hold dots itself.
    length : int
        At least that of the path's text, and at least the number of places above.
    container : object
    """

    __slots__ = ("above", "container", "entries", "length", "name")

    def __init__(
        self, above: Place | None, name: Any, container: Any, entries: Iterator[tuple[Any, Any]]
    ) -> None:
        self.above = above
        self.name = name
        self.length: int = len(name_text(name)) + (0 if above is None else above.length + 1)
        self.container = container
        self.entries = entries  # that the walk has not come to yet

    def path(self, below: str = "") -> str:
        """Return the dotted path from the root to ``below``, which is in this container."""
        names = [below]
        place: Place | None = self
        while place is not None:
            names.append(name_text(place.name))
            place = place.above
        return ".".join(name for name in reversed(names) if name)

    def owner(self, prefix: str = "") -> Record | None:
        """Return the module whose parameters begin with a prefix of the keys here, if it is known.

        Without a prefix that is the module that stands here. Arrays by name may come with what
        their file said about modules.
        """
        if isinstance(self.container, NamedArrays):
            return self.container.modules.get(prefix)
        return self.container if isinstance(self.container, Record) and not prefix else None

    def facts(self, prefix: str = "") -> Mapping[str, Any]:
        """Return the attributes of that module; nothing if none is known."""
        if isinstance(self.container, NamedArrays):
            return self.container.facts(prefix)
        owner = self.owner(prefix)
        for state in () if owner is None else _states(owner):
            if isinstance(state, Mapping):
                return state
        options, wrong = self.recorded(prefix)
        told = {OPTIONS_KEY: wrong} if wrong else options
        return {**self.assumed(prefix), **told} if told else self.assumed(prefix)

    def pickled(self) -> Mapping[str, Any] | None:
        """Return the table in a pickle of one of pylstm's modules whose parameters stand here."""
        module = None if self.above is None else self.above.container
        if self.name == "parameters" and isinstance(module, Mapping) and set(module) >= _PICKLED:
            return module
        return None

    def recorded(self, prefix: str = "") -> tuple[dict[str, Any], str]:
        """Return what a module of pylstm's records beside its parameters, and what is wrong."""
        module = None if prefix else self.pickled()
        if module is not None:
            return options_of_pickle(module)
        options, wrong = options_of_state_dict(self.container, prefix)
        return options | other_weights(self.container, prefix), wrong

    def assumed(self, prefix: str = "") -> Mapping[str, Any]:
        """Return what is assumed of an LSTM there instead of torch's defaults."""
        if isinstance(self.container, NamedArrays):
            return self.container.assumed.get(prefix, {})
        return paddle.ASSUMED if paddle.is_state_dict(self.container) else {}


def name_text(name: Any) -> str:
    """Return a key or index as paths show it."""
    if isinstance(name, str):
        return name
    # Python refuses to print integers of many digits, and other keys may be anything.
    if type(name) is int and abs(name) < 2**63:
        return str(name)
    return f"<{type(name).__name__}>"


def dotted(name: str) -> str:
    """Return a key whose names are parted by slashes as one with dots, as the flat view has it."""
    return name.removeprefix("/").replace("/", ".") if "/" in name else name


def is_container(value: Any) -> bool:
    """Tell whether :func:`walk` goes into ``value``."""
    return isinstance(value, (dict, list, tuple, Record, set, frozenset, Mapping))


def walk(
    tree: Any, file: str = "", kept: dict[int, list[tuple[Any, Any]]] | None = None
) -> Iterator[tuple[Place, Any, Any]]:
    """Yield every named value in ``tree``: its place, its name there, and itself.

    Every container is entered once, at the first place where it stands, so cycles end and the
    time is proportional to what there is. A module that a file describes counts as one container
    with its parameters, buffers, children and plain attributes. The first value is ``tree``
    itself, under the empty name.

    Parameters
    ----------
    tree : object
    file : str, optional
        For messages.
    kept : dict, optional
        Filled with the entries of mappings that are no dictionaries. A second walk that is given
        it meets the same objects, although such a mapping may make new ones each time.

    Raises
    ------
    WeightFileError
        If containers are nested too deep.
    """
    entered: dict[int, Any] = {}
    place: Place | None = Place(None, "", None, iter([("", tree)]))
    depth = 0
    while place is not None:
        for name, value in place.entries:
            yield place, name, value
            if is_container(value) and id(value) not in entered:
                # By identity; the reference keeps the identity from being used again.
                entered[id(value)] = value
                entries = _entries(value, entered) if kept is None else _keep(value, entered, kept)
                place = Place(place, name, value, entries)
                depth += 1
                break
        else:
            place = place.above
            depth -= 1
        if depth > _MAX_DEPTH:
            raise WeightFileError(file, "", f"containers are nested more than {_MAX_DEPTH} deep")


def entries_of(container: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the named values that are directly in ``container``, as :func:`walk` does."""
    return _entries(container, {})


def _entries(container: Any, entered: dict[int, Any]) -> Iterator[tuple[Any, Any]]:
    if isinstance(container, Mapping):
        return iter(container.items())
    if isinstance(container, Record):
        return _parts(container, entered)
    return enumerate(container)


def _parts(record: Record, entered: dict[int, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield what a record holds as if it were one mapping."""
    yield from _once(record.args, entered)
    for state in _states(record):
        if not isinstance(state, Mapping):
            yield "state", state
        elif id(state) not in entered:  # a file may give one state to many records
            entered[id(state)] = state
            for name, value in state.items():
                if name in _TABLES and isinstance(value, Mapping):
                    yield from _once(value, entered)
                else:
                    yield name, value
    yield from _once(record.items, entered)


def _once(container: Any, entered: dict[int, Any]) -> Iterable[tuple[Any, Any]]:
    """Return the entries of a part of a record, unless they were walked through already."""
    if not isinstance(container, (tuple, list, dict, Mapping)) or id(container) in entered:
        return ()
    entered[id(container)] = container
    return _entries(container, entered)


def _states(record: Record) -> tuple[Any, ...]:
    """Return what holds a record's attributes: one mapping, or two where its class has slots."""
    state = record.state
    return state if isinstance(state, tuple) and len(state) == 2 else (state,)


def _keep(
    container: Any, entered: dict[int, Any], kept: dict[int, list[tuple[Any, Any]]]
) -> Iterator[tuple[Any, Any]]:
    """Return the entries of a container, the same objects in every walk."""
    if isinstance(container, dict) or not isinstance(container, Mapping):
        return _entries(container, entered)
    if id(container) not in kept:
        kept[id(container)] = list(container.items())
    return iter(kept[id(container)])
