"""HDF5 files: h5py tells where the arrays are, and their bytes are read here.

HDF5's library does not survive every damaged file, so as little as possible is asked of it: the
names of groups and datasets, where and what these are. It reads no dataset and no attribute, and
follows no link but hard ones.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from .extras import library
from .hdf5_text import AttributeReader, Attributes
from .source import Segment
from .tensor import Storage, Tensor

_MOST_NESTED = 64
_MOST_TEXT = 1 << 24  # characters of all paths
_MOST_KEPT = 16  # groups whose attributes are asked for again


class Hdf5File:
    """An HDF5 file, open for reading. Use it as a context manager.

    Parameters
    ----------
    content : Segment
        Its bytes. The tensors that it describes are parts of this and need the HDF5 file no more.

    Attributes
    ----------
    elsewhere : list of str
        Paths that ``tensors`` came to and that lead to other files.
    """

    def __init__(self, content: Segment) -> None:
        self._h5py = library("h5py", "keras", "Keras")
        self._content = content
        self._source = content.source
        self._file = self._h5py.File(_Reader(content), "r")
        self._types = _exact_types(self._h5py.h5t)
        self._storages: dict[tuple[Any, ...], Storage] = {}
        self._bytes_left = content.size
        self._reader = AttributeReader(content)
        self._headers: dict[str, int] = {}
        self.elsewhere: list[str] = []
        self._kept: dict[str, Attributes | None] = {}

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
            self._headers[path] = address
            if depth > _MOST_NESTED:
                raise self._source.error(path[:100], "its groups are nested too deeply")
            for name, is_hard in self._links(group):
                below = f"{path}/{name}" if path else name
                self._source.count(1, "groups and datasets")
                text_left -= len(below)
                if text_left < 0:
                    raise self._source.error(path[:100], "the names of its groups are too long")
                if not is_hard:
                    self.elsewhere.append(below)
                    continue
                member = self._h5py.h5o.open(group, name.encode())
                if isinstance(member, self._h5py.h5g.GroupID):
                    stack.append((below, member, depth + 1))
                elif isinstance(member, self._h5py.h5d.DatasetID):
                    yield below, self._described(below, member)

    def _links(self, group: Any) -> Iterator[tuple[str, bool]]:
        """Yield names in a group, by HDF5's order, and whether they lead to something in this file.

        What a soft link leads to has a hard link as well, or is not there.
        """
        types = self._h5py.h5l
        for name in group:
            kind = group.links.get_info(name).type
            if kind != types.TYPE_SOFT:
                yield name.decode("utf-8"), kind == types.TYPE_HARD

    def _described(self, path: str, dataset: Any) -> Tensor | str:
        kind = dataset.get_type()
        known = self._dtype(kind, dataset)
        if known is None:
            return "is not of floating-point numbers, integers or bools"
        dtype, byteorder = known
        plan = dataset.get_create_plist()
        if plan.get_layout() != self._h5py.h5d.CONTIGUOUS or plan.get_external_count():
            return "is stored in chunks, compressed or elsewhere; h5repack -l CONTI -f NONE helps"
        if dataset.shape is None:
            return "has no elements and no shape"
        shape = tuple(int(size) for size in dataset.shape)
        count = kind.get_size()
        for size in shape:
            count *= size
        # None if nothing was ever written, which reads as zeros; Keras leaves only empty ones so.
        offset = dataset.get_offset()
        if offset is None and count:
            return "was never written"
        return Tensor(self._storage(path, offset or 0, count, dtype, byteorder), shape, record=path)

    def _dtype(self, kind: Any, dataset: Any) -> tuple[str, str] | None:
        """Return the name of a dataset's dtype and its byte order; None for one of no numbers."""
        types = self._h5py.h5t
        for exact, name, byteorder in self._types:
            if kind.equal(exact):
                return name, byteorder
        size = kind.get_size()
        if isinstance(kind, types.TypeEnumID):
            # h5py's bool.
            names = [kind.get_member_name(index) for index in range(min(kind.get_nmembers(), 3))]
            is_bool = size == 1 and names == [b"FALSE", b"TRUE"]
            values = [kind.get_member_value(index) for index in range(2)] if is_bool else []
            return ("bool", "<") if values == [0, 1] else None
        if isinstance(kind, types.TypeFloatID) and size == 2:
            # Sign, start and length of the exponent, then of the fraction: bfloat16 of HDF5 2.
            if kind.get_fields() == (15, 7, 8, 0, 7) and kind.get_ebias() == 127:
                return "bfloat16", "<" if kind.get_order() == types.ORDER_LE else ">"
        elif isinstance(kind, types.TypeOpaqueID) and size == 2:
            # How Keras stores bfloat16, of which neither NumPy nor HDF5 knew. Keras 3 says so.
            header = self._h5py.h5o.get_info(dataset).addr
            if self._reader.of(header).text("dtype") in ("bfloat16", None):
                return "bfloat16", "<"
        return None

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

    def attributes(self, path: str) -> Attributes | None:
        """Return the attributes of a group that ``tensors`` came to; None if there is no such."""
        if path in self._kept:
            return self._kept[path]
        header = self._headers.get(path)
        attributes = None if header is None else self._reader.of(header)
        if path.count("/") == 0 and len(self._kept) < _MOST_KEPT:
            self._kept[path] = attributes
        return attributes


def _exact_types(types: Any) -> list[tuple[Any, str, str]]:
    """Return HDF5's number types, each with the name of its dtype and its byte order.

    Exactly these: h5py finds the nearest NumPy dtype for others, whose bytes differ.
    """
    kinds = {"IEEE_F": ("float", (32, 64, 16)), "STD_I": ("int", (8, 16, 32, 64))}
    kinds["STD_U"] = ("uint", (8, 16, 32, 64))
    return [
        (getattr(types, f"{start}{bits}{end}"), f"{name}{bits}", byteorder)
        for start, (name, sizes) in kinds.items()
        for bits in sizes
        for end, byteorder in (("LE", "<"), ("BE", ">"))
    ]


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
