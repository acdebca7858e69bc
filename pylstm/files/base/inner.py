"""A weight file inside another one: an entry of an archive, or a run of bytes."""

from __future__ import annotations

from .source import Source
from .tensor import Bytes


class InnerSource(Source):
    """A file whose bytes are those of an entry, read when they are wanted.

    Parameters
    ----------
    outer : Source
        The file that holds it.
    content : Bytes
    shares : int
        How many such files share what the reader of one file may spend beyond its size.
    """

    def __init__(self, outer: Source, content: Bytes, shares: int) -> None:
        super().__init__(f"{outer.name}, {content.record}", memoryview(b""))
        self._content = content
        self.size = content.size
        self.shares = shares * outer.shares

    def read(self, offset: int, count: int, record: str = "") -> bytes:
        """Return ``count`` bytes at ``offset``."""
        self.check(offset, count, record)
        buffer = bytearray(count)
        self._content.readinto(offset, memoryview(buffer))
        return bytes(buffer)

    def readinto(self, offset: int, buffer: memoryview, record: str = "") -> None:
        """Fill ``buffer``, which is one run of bytes, from ``offset`` on."""
        self.check(offset, buffer.nbytes, record)
        self._content.readinto(offset, buffer)

    def view(self, offset: int, count: int, record: str = "") -> memoryview:
        """Return bytes: read-only, and mapped into memory where the outer file can be."""
        self.check(offset, count, record)
        return self._content.view()[offset : offset + count].toreadonly()
