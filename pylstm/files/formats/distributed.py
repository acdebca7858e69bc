"""Folders of torch.distributed.checkpoint: ``.metadata``, and the shards that it names.

``.metadata`` is a pickle that says of each tensor its size, the chunks that it is cut into, and
where in which shard (``.distcp``) each chunk stands, as a file of ``torch.save`` of its own. A
tensor of several chunks is put together when it is read.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.inner import InnerSource
from ..base.record import Record
from ..base.source import Segment, Source, open_source
from ..base.tensor import MAX_BYTES, MAX_DIMENSIONS, Made, Storage, Tensor, row_major
from ..base.walk import name_text
from ..base.zip_archive import ZipArchive
from ..unpickle import Budget, unpickle
from . import shards, torch_zip

if TYPE_CHECKING:
    from ..base.errors import WeightFileError
    from ..base.tensor import Make

_METADATA = "torch.distributed.checkpoint.metadata"
_MOST_SHARDS = 10_000
_MOST_CHUNKS = 1000  # of one tensor
_NO_OFFSET: tuple[int, ...] = (-1,)


class _Chunks(Made):
    """The elements of a tensor that is cut into chunks."""

    def __init__(self, record: str, shape: tuple[int, ...], parts: list[Any]) -> None:
        self.record = record
        self._shape = shape
        self._parts = parts  # of each its tensor, and where it begins
        self._dtype = parts[0][0].dtype.newbyteorder("<")
        self.size = prod(shape) * self._dtype.itemsize

    def _fill(self, buffer: memoryview) -> None:
        whole = np.frombuffer(buffer, self._dtype).reshape(self._shape)
        for tensor, offsets in self._parts:
            ends = zip(offsets, tensor.shape, strict=True)
            whole[tuple(slice(first, first + size) for first, size in ends)] = tensor.read()


def read(source: Source, make: Make) -> dict[str, Any]:
    """Return the values of a folder by name, in the order of its ``.metadata``."""
    if source.path is None:
        reason = (
            "the index of torch.distributed.checkpoint, which has no folder here: pass its path"
        )
        raise source.error("", reason)
    return _Folder(source, source.path.parent, make).tree()


def _as_is(tensor: Any) -> Any:
    return tensor


class _Folder:
    def __init__(self, source: Source, path: Path, make: Make) -> None:
        self._source = source
        self._path = path
        self._make = make
        content = Segment(source, 0, source.size, "")
        budget = Budget(source.size, source.shares)
        root, _ = unpickle(content, file=source.name, make=_as_is, budget=budget)
        self._entries = self._table(root, "Metadata", "state_dict_metadata")
        self._places = self._stored(self._table(root, "Metadata", "storage_data"))
        self._shards: dict[str, Source] = {}
        for name in dict.fromkeys(name for name, _, _ in self._places.values()):
            shard = open_source(path / name)
            source.beside.append(shard)
            self._shards[name] = shard
        self._check_places()

    def tree(self) -> dict[str, Any]:
        """Return all tensors, made, and what else stands in the shards."""
        tree = {}
        for name, entry in self._entries.items():
            if type(name) is not str:
                raise self._error(name_text(name), "a name that is no text")
            kind = getattr(entry, "class_name", "")
            if kind == f"{_METADATA}.TensorStorageMetadata":
                tree[name] = self._make(self._tensor(name, entry))
            elif kind == f"{_METADATA}.BytesStorageMetadata":
                tree[name] = self._piece(name, _NO_OFFSET, self._make)
            else:
                raise self._error(name, "is neither a tensor nor pickled")
        return tree

    def _tensor(self, name: str, entry: Record) -> Tensor:
        size = self._sizes(name, _attribute(entry, "size"))
        cuts = _attribute(entry, "chunks")
        if type(cuts) is not list or not 0 < len(cuts) <= _MOST_CHUNKS:
            raise self._error(name, "is not cut into chunks as a tensor is")
        parts = []
        for cut in cuts:
            offsets = self._sizes(name, _attribute(cut, "offsets"))
            sizes = self._sizes(name, _attribute(cut, "sizes"))
            if len(offsets) != len(size) or len(sizes) != len(size):
                raise self._error(name, "has chunks of another number of axes")
            self._source.count(1, name, size)
            if 0 in sizes and len(cuts) > 1:
                continue  # of a process for which nothing was left
            tensor = self._piece(name, offsets, _as_is)
            if not isinstance(tensor, Tensor) or tensor.shape != sizes:
                raise self._error(name, f"has a chunk {tensor!r:.100} instead of one of {sizes}")
            parts.append((tensor, offsets))
        if len(parts) == 1 and parts[0][0].shape == size:
            return parts[0][0]
        self._check_chunks(name, size, parts)
        content = _Chunks(f"{name!r:.200}", size, parts)
        storage = Storage(self._source.name, content, str(parts[0][0].dtype.name))
        return Tensor(storage, size, record=name)

    def _check_chunks(self, name: str, size: tuple[int, ...], parts: list[Any]) -> None:
        """Raise unless chunks fill a tensor, and no two of them have an element in common."""
        for tensor, _ in parts:
            # Only what has its bytes in the file may become memory.
            is_plain = tensor.strides == row_major(tensor.shape)
            if not is_plain or not isinstance(tensor.storage.content, Segment):
                raise self._error(name, "has a chunk that is not stored row by row")
            if tensor.dtype != parts[0][0].dtype:
                raise self._error(name, "has chunks of several dtypes")
        # As floats, since sums of hostile sizes are beyond 64 bits.
        starts = np.array([offsets for _, offsets in parts], float).reshape(len(parts), -1)
        ends = starts + np.array([tensor.shape for tensor, _ in parts], float).reshape(starts.shape)
        is_whole = sum(tensor.size for tensor, _ in parts) == prod(size)
        if not is_whole or (ends > np.array(size, float)).any():
            raise self._error(name, f"has chunks that do not fill its size {size}")
        for index in range(1, len(parts)):
            apart = (ends[:index] <= starts[index]) | (starts[:index] >= ends[index])
            if not apart.any(axis=1).all():
                raise self._error(name, "has chunks that overlap")

    def _piece(self, name: str, offsets: tuple[int, ...], make: Make) -> Any:
        """Return what one file of torch.save in a shard holds."""
        place = self._places.get((name, offsets))
        if place is None:
            raise self._error(name, "has a chunk of which no shard is named")
        file, start, length = place
        content = Segment(self._shards[file], start, length, f"{name!r:.200}")
        archive = ZipArchive(InnerSource(self._shards[file], content, len(self._places)))
        top = next(iter(archive.entries), "").partition("/")[0]
        return torch_zip.read_archive(archive, top, make)[1]

    def _stored(self, table: dict[Any, Any]) -> dict[tuple[str, tuple[int, ...]], Any]:
        """Return where each chunk stands: shard, first byte and number of bytes."""
        places = {}
        for key, info in table.items():
            name, offsets = _attribute(key, "fqn"), _attribute(key, "offset")
            file, start, length = (
                _attribute(info, each) for each in ("relative_path", "offset", "length")
            )
            if type(name) is not str or type(file) is not str:
                raise self._error("", "an entry of storage_data without a name")
            if not shards.is_plain(file):
                raise self._error(name, f"is in {file!r:.300}, which is no file of the folder")
            if type(start) is not int or type(length) is not int:
                raise self._error(name, "its place in the shard is no number")
            if _attribute(info, "transform_descriptors"):
                raise self._error(name, "is compressed or encrypted in its shard")
            at = _NO_OFFSET if offsets is None else self._sizes(name, offsets)
            if (name, at) in places:
                raise self._error(name, "has two places in the shards")
            places[name, at] = file, start, length
        if len({file for file, _, _ in places.values()}) > _MOST_SHARDS:
            raise self._error("", f"more than {_MOST_SHARDS} shards")
        return places

    def _check_places(self) -> None:
        """Raise where two chunks have bytes in common: a small file would become much memory."""
        last, end = "", 0
        for file, start, length in sorted(self._places.values()):
            self._shards[file].check(start, length, "")
            if file == last and start < end:
                raise self._error(file, "has chunks that overlap")
            last, end = file, start + length

    def _table(self, record: Any, kind: str, name: str) -> dict[Any, Any]:
        table = _attribute(record, name)
        if getattr(record, "class_name", "") != f"{_METADATA}.{kind}" or type(table) is not dict:
            raise self._error("", f"no index of torch.distributed.checkpoint: it has no {name}")
        return table

    def _sizes(self, name: str, values: Any) -> tuple[int, ...]:
        is_shape = isinstance(values, tuple) and len(values) <= MAX_DIMENSIONS
        if not is_shape or not all(_is_size(each) for each in values):
            raise self._error(name, "has a size or an offset that is none")
        return tuple(values)

    def _error(self, record: str, reason: str) -> WeightFileError:
        return self._source.error(f"{record:.200}", reason)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < MAX_BYTES


def _attribute(record: Any, name: str) -> Any:
    state = getattr(record, "state", None)
    return state.get(name) if isinstance(state, dict) else None
