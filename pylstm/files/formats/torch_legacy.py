"""Files of ``torch.save`` before torch 1.6: pickles one after the other, then the storages.

Since then torch writes them if asked for: ``_use_new_zipfile_serialization=False``. It also uses
the format for a storage that goes through Python's own ``pickle``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..base.errors import WeightFileError
from ..base.source import Segment, Source
from ..base.tensor import Make, Storage, raw_dtype
from ..unpickle import Budget, StorageId, StorageView, storage_id, unpickle

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_COUNT_BYTES = 8


def read(source: Source, make: Make) -> Any:
    """Return the tree of the file."""
    return read_content(Segment(source, 0, source.size, ""), make)


def read_content(content: Segment, make: Make, *, keep_storages: bool = False) -> Any:
    """Return the tree of a file of this format that is the whole of ``content``."""
    file = content.source.name

    def budget() -> Budget:
        return Budget(content.size, content.source.shares)

    def plain(start: int) -> tuple[Any, int]:
        return unpickle(content, file=file, make=_as_is, budget=budget(), start=start)

    end = 0
    for expected in (_MAGIC, _VERSION):
        value, end = plain(end)
        if type(value) is not int or value != expected:
            raise content.source.error(content.record, "not a legacy file of torch.save")
    # Types and byte order of the machine that wrote it. They say nothing about this file: torch
    # swaps the bytes of storages on big-endian machines, when it writes and when it reads.
    _, start = plain(end)

    # The storages stand behind the pickle that says how long they are; so it is read twice.
    storages = _Storages(content)
    _, end = unpickle(
        content,
        file=file,
        make=_as_is,
        budget=budget(),
        persistent=storages.describe,
        start=start,
        keep_storages=True,
    )
    keys, end = plain(end)
    storages.place(keys, end)
    tree, _ = unpickle(
        content,
        file=file,
        make=make,
        budget=budget(),
        persistent=storages.find,
        start=start,
        keep_storages=keep_storages,
    )
    return tree


def _as_is(tensor: Any) -> Any:
    return tensor


class _Storages:
    """The storages of one file, by key."""

    def __init__(self, content: Segment) -> None:
        self._content = content
        self._described: dict[str, StorageId] = {}
        self._placed: dict[str, Storage] = {}

    def describe(self, persistent_id: Any) -> Any:
        """Return a storage of the right size, which stands anywhere."""
        return self._object(persistent_id, self._described_storage)

    def find(self, persistent_id: Any) -> Any:
        """Return a storage, once they have their places."""
        return self._object(persistent_id, lambda described: self._placed[described.key])

    def place(self, keys: Any, start: int) -> None:
        """Find the storages, which stand one after the other in the order of ``keys``."""
        if type(keys) is not list:
            raise self._error("no list of storages behind the pickle")
        for key in keys:
            if type(key) is not str or key not in self._described or key in self._placed:
                raise self._error(f"{_record(key)} is listed twice or has no tensor")
            described = self._described[key]
            count = self._content.part(start, _COUNT_BYTES, _record(key)).read()
            start += _COUNT_BYTES
            if count != described.numel.to_bytes(_COUNT_BYTES, "little"):
                raise self._error(f"{_record(key)} has not the {described.numel} elements it shall")
            self._placed[key] = self._storage(described, start)
            start += self._placed[key].content.size
        if len(self._placed) < len(self._described):
            raise self._error("the list of storages lacks one")

    def _object(self, persistent_id: Any, storage_of: Callable[[StorageId], Storage]) -> Any:
        match persistent_id:
            case (str("module"), cls, *_):
                return cls  # its source code follows
        described = storage_id(persistent_id)
        if described is None:
            raise self._error("refers to something else than a storage")
        storage = storage_of(described)
        return storage if described.view is None else StorageView(storage, *described.view)

    def _described_storage(self, described: StorageId) -> Storage:
        known = self._described.setdefault(described.key, described)
        if (known.dtype, known.numel) != (described.dtype, described.numel):
            raise self._error(f"{_record(described.key)} is described in two ways")
        return self._storage(described, 0)

    def _storage(self, described: StorageId, start: int) -> Storage:
        size = described.numel * raw_dtype(described.dtype).itemsize
        content = self._content.part(start, size, _record(described.key))
        return Storage(self._content.source.name, content, described.dtype)

    def _error(self, reason: str) -> WeightFileError:
        return self._content.source.error(self._content.record, reason)


def _record(key: object) -> str:
    """Return how messages name a storage."""
    return f"storage {key!r:.60}" if type(key) is str and len(key) < 1000 else "storage"
