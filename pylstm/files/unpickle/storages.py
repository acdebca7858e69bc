"""Storages that are saved as such: a tree holds them as arrays of one axis.

While a pickle is read, a storage has to stay a storage, because tensors are rebuilt of it. What is
left in the tree at the end was saved for its own sake, or is in the record of a tensor of a class
that is not known.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from ..base.record import Record
from ..base.tensor import Storage
from .context import Context

# The charge for each container that is looked into: its place in a dictionary.
_ENTRY_BYTES = 120

_CONTAINERS = (tuple, list, dict, set, frozenset, Record)


@dataclass(frozen=True, eq=False)
class StorageView:
    """A part of a storage that files before torch 1.6 treat as a storage of its own."""

    storage: Storage
    offset: int
    numel: int


_STORAGES = (Storage, StorageView)


def with_arrays(context: Context, tree: Any) -> Any:
    """Return ``tree`` with an array in the place of each storage; containers stay the same.

    Tuples with a storage in them are the exception: others stand in their place.

    Parameters
    ----------
    context : Context
        Charged for each container in the tree, and asked for the arrays.
    tree : object
        What a pickle holds.
    """
    entered: dict[int, Any] = {}
    found = isinstance(tree, _STORAGES)
    waiting = [tree]
    while waiting:
        value = waiting.pop()
        if isinstance(value, _STORAGES):
            found = True
        elif isinstance(value, _CONTAINERS) and id(value) not in entered:
            context.spend(_ENTRY_BYTES)
            entered[id(value)] = value
            waiting.extend(_parts(value))
    return _Replacing(context, entered).run(tree) if found else tree


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, Record):
        return (value.args, value.state, value.items)
    if isinstance(value, dict):
        return chain(value, value.values(), _attributes(value).values())
    return value  # type: ignore[no-any-return]


def _attributes(value: dict[Any, Any]) -> dict[str, Any]:
    """Return what ``Machine.build`` has set, which it does for an OrderedDict only."""
    return vars(value) if type(value) is OrderedDict else {}


class _Replacing:
    """Replaces the storages in a tree whose containers are known, by their identity."""

    def __init__(self, context: Context, containers: dict[int, Any]) -> None:
        self._context = context
        self._containers = containers
        self._arrays: dict[int, Any] = {}
        self._tuples: dict[int, tuple[Any, ...]] = {}

    def run(self, tree: Any) -> Any:
        self._remake_tuples()
        for value in self._containers.values():
            self._patch(value)
        return self._new(tree)

    def _new(self, value: Any) -> Any:
        """Return what stands in the place of a value, which in most cases is the value itself."""
        if not isinstance(value, _STORAGES):
            return self._tuples.get(id(value), value)
        if id(value) not in self._arrays:
            if isinstance(value, StorageView):
                array = self._context.tensor(value.storage, (value.numel,), None, value.offset)
            else:
                array = self._context.tensor(value, (value.numel,))
            # The storage as well, so that its identity is not used again meanwhile.
            self._arrays[id(value)] = array, value
        return self._arrays[id(value)][0]

    def _remake_tuples(self) -> None:
        """Make a tuple for each that has a storage in it, or a tuple that has: innermost first."""
        around: dict[int, list[Any]] = {}
        waiting = []
        for value in self._containers.values():
            if type(value) is tuple:
                for part in value:
                    if type(part) is tuple:
                        self._context.spend(_ENTRY_BYTES)
                        around.setdefault(id(part), []).append(value)
                if any(isinstance(part, _STORAGES) for part in value):
                    waiting.append(value)
        # How many places in a tuple wait for another tuple to be made.
        places: Counter[int] = Counter()
        affected = {id(value): value for value in waiting}
        while waiting:
            for outer in around.get(id(waiting.pop()), ()):
                places[id(outer)] += 1
                if id(outer) not in affected:
                    affected[id(outer)] = outer
                    waiting.append(outer)
        waiting = [value for value in affected.values() if not places[id(value)]]
        while waiting:
            value = waiting.pop()
            self._tuples[id(value)] = tuple(map(self._new, value))
            for outer in around.get(id(value), ()):
                places[id(outer)] -= 1
                if not places[id(outer)]:
                    waiting.append(outer)

    def _patch(self, value: Any) -> None:
        if isinstance(value, Record):
            value.args = self._new(value.args)
            value.state = self._new(value.state)
            value.items = self._new(value.items)
        elif type(value) is list:
            value[:] = map(self._new, value)
        elif isinstance(value, dict):
            for key, part in value.items():
                value[key] = self._new(part)
            attributes = _attributes(value)
            for name, part in attributes.items():
                attributes[name] = self._new(part)
