"""A pickle's bytes in order, read in pieces, every length checked before anything is allocated."""

from __future__ import annotations

from typing import NoReturn

from ..base.errors import WeightFileError
from ..base.tensor import Bytes

_PIECE = 1 << 16


class Stream:
    """Reads ``content`` from ``start`` on.

    Parameters
    ----------
    content : Bytes
        Asked for runs of bytes in ascending order.
    file : str
        For messages.
    start : int
    """

    def __init__(self, content: Bytes, file: str, start: int = 0) -> None:
        self.content = content
        self.file = file
        self._piece = b""
        self._at = 0  # within the piece
        self._end = start  # of the piece, within the content

    @property
    def position(self) -> int:
        """Where the next byte stands in the content."""
        return self._end - len(self._piece) + self._at

    @property
    def left(self) -> int:
        """Number of bytes up to the end of the content."""
        return self.content.size - self.position

    def byte(self) -> int:
        """Return the next byte."""
        if self._at == len(self._piece):
            self._next_piece()
        self._at += 1
        return self._piece[self._at - 1]

    def take(self, count: int) -> bytes | bytearray:
        """Return the next ``count`` bytes."""
        at = self._at
        if at + count <= len(self._piece):
            self._at = at + count
            return self._piece[at : at + count]
        self.need(count)
        taken = bytearray(count)
        ready = len(self._piece) - at
        taken[:ready] = self._piece[at:]
        self.content.readinto(self._end, memoryview(taken)[ready:])
        self._jump(self._end + count - ready)
        return taken

    def number(self, count: int, *, signed: bool = False) -> int:
        """Return a little-endian integer of ``count`` bytes."""
        return int.from_bytes(self.take(count), "little", signed=signed)

    def skip(self, count: int) -> int:
        """Pass over ``count`` bytes without reading them and return where they start."""
        self.need(count)
        start = self.position
        if self._at + count <= len(self._piece):
            self._at += count
        else:
            self._jump(start + count)
        return start

    def line(self, limit: int | None = None) -> bytes | bytearray:
        """Return the bytes up to the next line feed, which is passed over.

        ``limit`` is the largest length; without it a line may be as long as the file.
        """
        line = bytearray()
        while True:
            if self._at == len(self._piece):
                self._next_piece()
            found = self._piece.find(b"\n", self._at)
            stop = len(self._piece) if found < 0 else found
            line += self._piece[self._at : stop]
            self._at = stop
            if limit is not None and len(line) > limit:
                self.fail(f"a name or number of more than {limit} characters")
            if found >= 0:
                self._at += 1
                return line

    def need(self, count: int) -> None:
        """Raise unless ``count`` bytes follow."""
        if not 0 <= count <= self.left:
            self.fail(f"needs {count} bytes, {self.left} are left")

    def fail(self, reason: str) -> NoReturn:
        """Raise the error about this place."""
        where = f"the pickle, at byte {self.position}: "
        raise WeightFileError(self.file, self.content.record, where + reason)

    def _jump(self, position: int) -> None:
        self._piece, self._at, self._end = b"", 0, position

    def _next_piece(self) -> None:
        count = min(_PIECE, self.content.size - self._end)
        if count <= 0:
            raise WeightFileError(self.file, self.content.record, "the pickle ends before its STOP")
        piece = bytearray(count)
        self.content.readinto(self._end, memoryview(piece))
        self._piece, self._at, self._end = bytes(piece), 0, self._end + count
