"""Random access to the bytes of a weight file, every read checked against the file's length."""

from __future__ import annotations

import errno
import io
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from .errors import WeightFileError

MOST_PARTS = 100_000
BYTES_PER_PART = 1024
SIZES_PER_PART = 16  # of a tensor: as many cost as much as another tensor


class Source:
    """A weight file, open for reading.

    Use :func:`open_source` to make one, and use it as a context manager.

    Attributes
    ----------
    name : str
        For messages: the path, or what kind of object it is.
    size : int
        Bytes. A file object counts from the position it was given at.
    path : Path or None
        Where the file is, if it was opened by its path.
    metadata : dict of str to str
        What the reader of a format found in the file for people to read.
    arrays : dict of str to Tensor
        Every array of the file under its own name and in its own layout, none of them read, where
        the reader returns something else: recurrent layers as torch lays them out.
    unreadable : dict of str to str
        The names of arrays that cannot be had, and why.
    beside : list of Source
        Other files that belong to this one; they are closed with it.
    shares : int
        How many files share what the reader of one file may spend beyond its size.
    """

    def __init__(self, name: str, content: memoryview | BinaryIO, *, owned: bool = False) -> None:
        self.name = name
        self.path: Path | None = None
        self.metadata: dict[str, str] = {}
        self.arrays: dict[str, Any] = {}
        self.unreadable: dict[str, str] = {}
        self.beside: list[Source] = []
        self.shares = 1
        self._parts = 0
        self._owned = owned
        self._map: memoryview | None = None
        self._file: BinaryIO | None = None
        self._start = 0
        if isinstance(content, memoryview):
            self._map = content
            self.size = content.nbytes
        else:
            self._file = content
            self._start = content.tell()
            self.size = max(0, content.seek(0, os.SEEK_END) - self._start)

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file if it was opened here; views of a mapping stay valid."""
        for beside in self.beside:
            beside.close()
        if self._owned and self._file is not None:
            self._file.close()
        self._file = None

    def error(self, record: str, reason: str) -> WeightFileError:
        """Return, not raise, the error about one record of this file."""
        return WeightFileError(self.name, record, reason)

    def check(self, offset: int, count: int, record: str) -> None:
        """Raise unless the file has ``count`` bytes at ``offset``."""
        if offset < 0 or count < 0 or offset + count > self.size:
            raise self.error(
                record, f"needs {count} bytes at offset {offset}, the file has {self.size}"
            )

    def count(self, parts: int, record: str, shape: tuple[int, ...] = ()) -> None:
        """Count parts of the file, each perhaps of that shape; raise if they become too many.

        A part of a few bytes in the file becomes objects of some hundred bytes in memory, and
        takes some 30 us: few enough of them stay within bounds whatever they are.
        """
        self._parts += parts + len(shape) // SIZES_PER_PART
        if self._parts > MOST_PARTS // self.shares + self.size // BYTES_PER_PART:
            raise self.error(record, f"more than {self._parts - 1} parts in {self.size} bytes")

    def read(self, offset: int, count: int, record: str = "") -> bytes:
        """Return ``count`` bytes at ``offset``."""
        self.check(offset, count, record)
        if self._map is not None:
            return bytes(self._map[offset : offset + count])
        buffer = bytearray(count)
        self.readinto(offset, memoryview(buffer), record)
        return bytes(buffer)

    def readinto(self, offset: int, buffer: memoryview, record: str = "") -> None:
        """Fill ``buffer``, which is one run of bytes, from ``offset`` on."""
        self.check(offset, buffer.nbytes, record)
        if self._map is not None:
            buffer[:] = self._map[offset : offset + buffer.nbytes]
            return
        if self._file is None:
            raise ValueError(f"{self.name} is closed")
        self._file.seek(self._start + offset)
        done = 0
        while done < buffer.nbytes:
            got = self._file.readinto(buffer[done:])  # type: ignore[attr-defined]
            if not got:
                raise self.error(record, "the file became shorter while it was read")
            done += got

    def view(self, offset: int, count: int, record: str = "") -> memoryview:
        """Return bytes without reading them: read-only, mapped into memory, valid after close."""
        self.check(offset, count, record)
        if self._map is None:
            self._map = self._mapped()
        return self._map[offset : offset + count].toreadonly()

    def _mapped(self) -> memoryview:
        assert self._file is not None
        try:
            descriptor = self._file.fileno()
        except (AttributeError, io.UnsupportedOperation):
            raise ValueError(
                f"mmap=True needs a path, bytes or a file of the operating system, not {self.name}"
            ) from None
        if self.size == 0:
            return memoryview(b"")
        try:
            whole = mmap.mmap(descriptor, self._start + self.size, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as problem:  # too large for the machine, or shorter by now
            raise self.error("", f"cannot be mapped: {problem}") from None
        return memoryview(whole)[self._start :]


@dataclass(frozen=True, eq=False, slots=True)
class Segment:
    """Some bytes of a file that stand there as they are.

    A reader whose bytes have to be unpacked first offers the same names.
    """

    source: Source
    offset: int
    size: int
    record: str

    def __post_init__(self) -> None:
        self.source.check(self.offset, self.size, self.record)

    def part(self, offset: int, size: int, record: str = "") -> Segment:
        """Return some of it, under another name if one is given."""
        if offset < 0 or size < 0 or offset + size > self.size:
            raise self.source.error(
                record or self.record, f"needs {size} bytes at {offset} of {self.size}"
            )
        return Segment(self.source, self.offset + offset, size, record or self.record)

    def read(self) -> bytes:
        """Return all of it."""
        return self.source.read(self.offset, self.size, self.record)

    def readinto(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset``, which counts from the start of the segment."""
        if offset < 0 or offset + buffer.nbytes > self.size:
            raise self.source.error(self.record, f"has {self.size} bytes, not {offset} and more")
        self.source.readinto(self.offset + offset, buffer, self.record)

    def view(self) -> memoryview:
        """Return all of it without reading."""
        return self.source.view(self.offset, self.size, self.record)


def open_source(source: Any) -> Source:
    """Open a path, bytes or a binary file object for reading.

    Parameters
    ----------
    source : str, os.PathLike, bytes, bytearray, memoryview or binary file object
        A file object is read from its present position and left open. One that cannot seek is
        read to its end at once.

    Raises
    ------
    TypeError
        For another kind of object, a text file among them.
    OSError
        Python's own, for what cannot be opened; also for what is not a regular file.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(os.fsdecode(source))
        # Before it is opened: opening a pipe would wait for its other end.
        if not (path.is_file() or path.is_dir()) and path.exists():
            raise OSError(errno.EINVAL, "not a regular file; pass an open binary file", str(path))
        opened = Source(str(path), path.open("rb"), owned=True)
        opened.path = path
        return opened
    if isinstance(source, (bytes, bytearray, memoryview)):
        return Source("<bytes>", memoryview(source).cast("B"))
    if isinstance(source, io.TextIOBase):
        raise TypeError("source must be opened in binary mode, not as text")
    if not callable(getattr(source, "read", None)):
        raise TypeError(
            f"source must be a path, bytes or a binary file object, not {type(source).__name__}"
        )
    name = f"<{type(source).__name__}>"
    if isinstance(getattr(source, "name", None), str):
        name = source.name
    if all(callable(getattr(source, need, None)) for need in ("seek", "tell", "readinto")) and (
        not callable(getattr(source, "seekable", None)) or source.seekable()
    ):
        return Source(name, source)
    content = source.read()
    if not isinstance(content, bytes):
        raise TypeError(f"source.read() must return bytes, not {type(content).__name__}")
    return Source(name, memoryview(content))
