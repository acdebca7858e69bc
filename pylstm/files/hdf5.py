"""HDF5 files: h5py tells where the arrays are, and their bytes are read here.

HDF5's library does not survive every damaged file, so as little as possible is asked of it: the
names of groups and datasets, where and what these are. It reads no dataset and no attribute, and
follows no link that leads elsewhere.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from .extras import library
from .hdf5_text import attribute_text
from .source import Segment
from .tensor import Storage, Tensor

_MOST_NESTED = 64
_MOST_TEXT = 1 << 24  # characters of all paths


class Hdf5File:
    """An HDF5 file, open for reading. Use it as a context manager.

    Parameters
    ----------
    content : Segment
        Its bytes. The tensors that it describes are parts of this and need the HDF5 file no more.
    """

    def __init__(self, content: Segment) -> None:
        self._h5py = library("h5py", "keras", "Keras")
        self._content = content
        self._source = content.source
        self._file = self._h5py.File(_Reader(content), "r")
        types = self._h5py.h5t
        # Exactly these: h5py finds the nearest NumPy dtype for others, whose bytes differ.
        self._types = [
            (types.IEEE_F32LE, "float32", "<"),
            (types.IEEE_F64LE, "float64", "<"),
            (types.IEEE_F16LE, "float16", "<"),
            (types.IEEE_F32BE, "float32", ">"),
            (types.IEEE_F64BE, "float64", ">"),
            (types.IEEE_F16BE, "float16", ">"),
        ]
        self._storages: dict[tuple[Any, ...], Storage] = {}
        self._bytes_left = content.size

    def __enter__(self) -> Hdf5File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def tensors(self) -> Iterator[tuple[str, Tensor | str]]:
        """Yield path and description of each dataset; a str says why it cannot be read.

        Every group is entered once, by the first of the hard links to it.
        """
        stack = [("", self._file["/"].id, 0)]
        entered = set()
        text_left = _MOST_TEXT
        while stack:
            path, group, depth = stack.pop()
            address = self._h5py.h5o.get_info(group).addr
            if address in entered:
                continue
            entered.add(address)
            if depth > _MOST_NESTED:
                raise self._source.error(path[:100], "its groups are nested too deeply")
            for name in self._hard_links(group):
                below = f"{path}/{name}" if path else name
                self._source.count(1, "groups and datasets")
                text_left -= len(below)
                if text_left < 0:
                    raise self._source.error(path[:100], "the names of its groups are too long")
                member = self._h5py.h5o.open(group, name.encode())
                if isinstance(member, self._h5py.h5g.GroupID):
                    stack.append((below, member, depth + 1))
                elif isinstance(member, self._h5py.h5d.DatasetID):
                    yield below, self._described(below, member)

    def _hard_links(self, group: Any) -> list[str]:
        """Return the names of a group that lead to something in this file, by HDF5's order."""
        names = []
        for name in group:
            if group.links.get_info(name).type == self._h5py.h5l.TYPE_HARD:
                names.append(name.decode("utf-8"))
        return names

    def _described(self, path: str, dataset: Any) -> Tensor | str:
        kind = dataset.get_type()
        known = [names for exact, *names in self._types if kind.equal(exact)]
        # How Keras stores bfloat16, of which neither NumPy nor HDF5 knew.
        if isinstance(kind, self._h5py.h5t.TypeOpaqueID) and kind.get_size() == 2:
            known.append(["bfloat16", "<"])
        if not known:
            return "is not of floating-point numbers"
        dtype, byteorder = known[0]
        plan = dataset.get_create_plist()
        if plan.get_layout() != self._h5py.h5d.CONTIGUOUS or plan.get_external_count():
            return "is stored in chunks, compressed or elsewhere; h5repack -l CONTI -f NONE helps"
        shape = tuple(int(size) for size in dataset.shape)
        count = kind.get_size()
        for size in shape:
            count *= size
        # None if nothing was ever written, which reads as zeros; Keras leaves only empty ones so.
        offset = dataset.get_offset()
        if offset is None and count:
            return "was never written"
        return Tensor(self._storage(path, offset or 0, count, dtype, byteorder), shape, record=path)

    def _storage(self, path: str, offset: int, count: int, dtype: str, byteorder: Any) -> Storage:
        """Return the storage at an offset: the same one again for another link to the dataset."""
        key = (offset, count, dtype, byteorder)
        if key not in self._storages:
            whole = self._content
            whole.source.check(whole.offset + offset, count, path)
            self._bytes_left -= count
            if self._bytes_left < 0:
                raise self._source.error(path, "overlaps other datasets")
            content = Segment(whole.source, whole.offset + offset, count, path)
            self._storages[key] = Storage(self._source.name, content, dtype, byteorder)
        return self._storages[key]

    def text(self, name: str) -> str | None:
        """Return a text among the attributes of the root group, None if there is none."""
        root = self._h5py.h5o.get_info(self._file.id).addr
        return attribute_text(self._content, root, name)


class _Reader(io.RawIOBase):
    """A segment as the file object that HDF5 reads from."""

    def __init__(self, content: Segment) -> None:
        super().__init__()
        self._content = content
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._content.size}
        self._position = start[whence] + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        room = memoryview(buffer).cast("B")
        room = room[: max(0, min(room.nbytes, self._content.size - self._position))]
        self._content.readinto(self._position, room)
        self._position += room.nbytes
        return room.nbytes
