"""Zip archives: what the central directory says, checked, and the bytes of an entry.

Names are keys and never paths. Where two readers could see two different archives in one file
(bytes before or after it, entries that overlap or share a name, headers that disagree), it is
refused.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import WeightFileError
from .source import Segment, Source

if TYPE_CHECKING:
    from .tensor import Bytes

STORED, DEFLATED = 0, 8

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_EXTRA = struct.Struct("<2H")

_LONG_COMMENT = 0xFFFF
_ENCRYPTED = 0x2041  # flag bits: traditional, strong, and of the central directory
_UTF8 = 0x0800
_IN_ZIP64 = 0xFFFFFFFF
_MOST_EXPANSION = 1032  # of deflate: two bits for 258 bytes
_PIECE = 1 << 16


@dataclass(slots=True)
class Entry:
    """One entry as the central directory describes it."""

    name: str
    flags: int
    method: int
    crc: int
    compressed: int
    size: int
    start: int
    limit: int = 0  # where the next entry or the directory starts


class ZipArchive:
    """The entries of a zip archive that fills its whole source.

    Attributes
    ----------
    source : Source
    entries : dict of str to Entry
        In the order of the central directory.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        offset, size, count = self._directory()
        source.count(count, "zip directory")
        entries = list(self._parsed(source.read(offset, size, "zip directory"), count))
        self._check_overlaps(entries, offset)
        self.entries = {entry.name: entry for entry in entries}
        if len(self.entries) < count:
            raise self._error("two entries have the same name")

    def open(self, name: str) -> Bytes:
        """Return the content of an entry; a deflated one is inflated as it is read."""
        entry = self.entries.get(name)
        if entry is None:
            raise self.source.error(name, "there is no such entry in the archive")
        if entry.flags & _ENCRYPTED:
            raise self.source.error(name, "is encrypted")
        packed = Segment(self.source, self._data_offset(entry), entry.compressed, name)
        if entry.method == STORED and entry.compressed == entry.size:
            return packed
        if entry.method != DEFLATED:
            problem = f"is compressed by method {entry.method}; only stored and deflated are read"
            if entry.method == STORED:
                problem = f"is stored, {entry.size} bytes long and takes {entry.compressed}"
            raise self.source.error(name, problem)
        return InflatedSegment(packed, entry.size, entry.crc)

    def _error(self, reason: str) -> WeightFileError:
        return self.source.error("zip directory", reason)

    def _directory(self) -> tuple[int, int, int]:
        """Return offset and size of the central directory and the number of its entries."""
        end = self._end()
        _, disk, first_disk, here, count, size, offset, _ = _END.unpack(
            self.source.read(end, _END.size)
        )
        locator = end - _END64_LOCATOR.size
        if locator >= 0 and self.source.read(locator, 4) == b"PK\6\7":
            end, here, count, size, offset = self._directory64(locator, (here, count, size, offset))
        if disk or first_disk or here != count:
            raise self._error("the archive is one of several parts")
        if offset + size != end or count * _CENTRAL.size > size:
            raise self._error(
                f"{count} entries in {size} bytes at offset {offset}, to end at offset {end}"
            )
        return offset, size, count

    def _end(self) -> int:
        """Return the offset of the end record: the last one whose comment ends with the file."""
        if self.source.size < _END.size:
            raise self._error("the archive has no end: the file is cut off or damaged")
        longest = min(self.source.size, _END.size + _LONG_COMMENT)
        # An archive without a comment needs no search.
        for length in (_END.size, longest):
            start = self.source.size - length
            tail = self.source.read(start, length)
            found = tail.rfind(b"PK\5\6")
            while found >= 0:
                if len(tail) - found >= _END.size:
                    comment = int.from_bytes(tail[found + 20 : found + 22], "little")
                    if found + _END.size + comment == len(tail):
                        return start + found
                found = tail.rfind(b"PK\5\6", 0, found + 3)
        raise self._error("the archive has no end: the file is cut off or damaged")

    def _directory64(self, locator: int, short: tuple[int, ...]) -> tuple[int, int, int, int, int]:
        """Like :meth:`_directory`, but from the ZIP64 records; where the directory ends first."""
        _, disk, end, _ = _END64_LOCATOR.unpack(self.source.read(locator, _END64_LOCATOR.size))
        if disk or end + _END64.size != locator:
            raise self._error("the ZIP64 records are not where they belong")
        signature, length, _, _, disk, first_disk, *long = _END64.unpack(
            self.source.read(end, _END64.size)
        )
        if signature != b"PK\6\6" or length != _END64.size - 12 or disk or first_disk:
            raise self._error("the ZIP64 end record is damaged")
        for brief, full, absent in zip(
            short, long, (0xFFFF, 0xFFFF, _IN_ZIP64, _IN_ZIP64), strict=True
        ):
            if brief not in (full, absent):
                raise self._error(f"the two end records disagree: {brief} and {full}")
        here, count, size, offset = long
        return end, here, count, size, offset

    def _parsed(self, directory: bytes, count: int) -> Iterator[Entry]:
        at = 0
        for _ in range(count):
            if len(directory) - at < _CENTRAL.size:
                raise self._error("ends within an entry")
            signature, _, _, flags, method, _, _, crc, compressed, size, *tail = (
                _CENTRAL.unpack_from(directory, at)
            )
            name_length, extra_length, comment_length, disk, _, _, start = tail
            name_end = at + _CENTRAL.size + name_length
            extra_end = name_end + extra_length
            if signature != b"PK\1\2" or extra_end + comment_length > len(directory):
                raise self._error("an entry is damaged")
            name = self._name(directory[at + _CENTRAL.size : name_end], flags)
            if disk:
                raise self.source.error(name, "is in another part of the archive")
            if _IN_ZIP64 in (size, compressed, start):
                extra = directory[name_end:extra_end]
                size, compressed, start = self._from_zip64(name, extra, size, compressed, start)
            yield Entry(name, flags, method, crc, compressed, size, start)
            at = extra_end + comment_length
        if at != len(directory):
            raise self._error(f"has {len(directory) - at} bytes after its last entry")

    def _name(self, raw: bytes, flags: int) -> str:
        try:
            return raw.decode("utf-8" if flags & _UTF8 else "cp437")
        except UnicodeDecodeError:
            raise self._error("the name of an entry is not UTF-8") from None

    def _from_zip64(self, name: str, extra: bytes, *values: int) -> tuple[int, int, int]:
        """Return size, compressed size and offset, those from the extra field that are there."""
        at = 0
        while at + _EXTRA.size <= len(extra):
            kind, length = _EXTRA.unpack_from(extra, at)
            at += _EXTRA.size
            if kind == 1:
                field = extra[at : at + length]
                long = iter(int.from_bytes(field[i : i + 8], "little") for i in (0, 8, 16))
                needed = 8 * values.count(_IN_ZIP64)
                if needed <= length and needed <= len(field):
                    size, compressed, start = (
                        next(long) if value == _IN_ZIP64 else value for value in values
                    )
                    return size, compressed, start
            at += length
        raise self.source.error(name, "its ZIP64 sizes are missing")

    def _check_overlaps(self, entries: list[Entry], directory: int) -> None:
        limit = directory
        for entry in sorted(entries, key=lambda entry: entry.start, reverse=True):
            if entry.start + _LOCAL.size + entry.compressed > limit:
                raise self.source.error(entry.name, "overlaps what follows it in the archive")
            entry.limit = limit
            limit = entry.start
        if limit:
            raise self._error(f"the archive starts with {limit} bytes that belong to no entry")

    def _data_offset(self, entry: Entry) -> int:
        """Return where the bytes start: only the local header knows how long its padding is."""
        fixed = self.source.read(entry.start, _LOCAL.size, entry.name)
        signature, *_, name_length, extra_length = _LOCAL.unpack(fixed)
        start: int = entry.start + _LOCAL.size
        raw = self.source.read(start, name_length, entry.name) if signature == b"PK\3\4" else b""
        if self._name(raw, entry.flags) != entry.name:
            raise self.source.error(entry.name, "its local header is damaged or of another entry")
        start += name_length + extra_length
        if start + entry.compressed > entry.limit:
            raise self.source.error(entry.name, "overlaps what follows it in the archive")
        return start


class InflatedSegment:
    """The content of a deflated entry, with the names of ``Segment``.

    Reading onwards inflates each byte once. The first step back inflates all of it again and keeps
    it, so that no order of reading costs more than twice the entry.
    """

    def __init__(self, packed: Segment, size: int, crc: int) -> None:
        self.record = packed.record
        self.size = size
        self._packed = packed
        self._crc = crc
        self._content: bytearray | None = None
        self._stream: _Inflater | None = None
        self._position = 0
        if size > packed.size * _MOST_EXPANSION:
            raise self._packed.source.error(
                self.record, f"{packed.size} bytes cannot inflate to {size}"
            )

    def read(self) -> bytes:
        """Return all of it."""
        return bytes(self._inflated())

    def readinto(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset``, which counts from the start of the content."""
        if offset < 0 or offset + buffer.nbytes > self.size:
            raise self._packed.source.error(
                self.record, f"has {self.size} bytes, not {offset} and more"
            )
        if self._content is not None or offset < self._position:
            buffer[:] = memoryview(self._inflated())[offset : offset + buffer.nbytes]
            return
        if self._stream is None:
            self._stream = _Inflater(self._packed, self.size, self._crc)
        self._stream.skip(offset - self._position)
        self._stream.fill(buffer)
        self._position = offset + buffer.nbytes
        if self._position == self.size:
            self._stream = None

    def view(self) -> memoryview:
        """Return all of it; inflated, since a mapping cannot."""
        return memoryview(self._inflated()).toreadonly()

    def _inflated(self) -> bytearray:
        if self._content is None:
            self._stream = None
            content = bytearray(self.size)
            _Inflater(self._packed, self.size, self._crc).fill(memoryview(content))
            self._content = content
        return self._content


class _Inflater:
    """Inflates a segment from its start on, in pieces; checks length and checksum at the end."""

    def __init__(self, packed: Segment, size: int, crc: int) -> None:
        self._packed = packed
        self._left = size
        self._crc = crc
        self._sum = 0
        self._read = 0
        self._pending = b""
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)

    def skip(self, count: int) -> None:
        while count:
            count -= len(self._piece(min(count, _PIECE)))

    def fill(self, buffer: memoryview) -> None:
        done = 0
        while done < buffer.nbytes:
            piece = self._piece(min(buffer.nbytes - done, _PIECE))
            buffer[done : done + len(piece)] = piece
            done += len(piece)
        if not self._left:
            self._finish()

    def _piece(self, most: int) -> bytes:
        """Return from one to ``most`` bytes more."""
        piece = self._step(most)
        while not piece:
            if self._inflate.eof:
                raise self._error(f"inflates to {self._left} bytes less than it says")
            self._more()
            piece = self._step(most)
        self._left -= len(piece)
        self._sum = zlib.crc32(piece, self._sum)
        return piece

    def _more(self) -> None:
        count = min(_PIECE, self._packed.size - self._read)
        if not count:
            raise self._error("its deflated data is cut off")
        piece = bytearray(count)
        self._packed.readinto(self._read, memoryview(piece))
        self._read += count
        self._pending = bytes(piece)

    def _step(self, most: int) -> bytes:
        try:
            piece = self._inflate.decompress(self._pending, most)
        except zlib.error as error:
            raise self._error(f"its deflated data is damaged: {error}") from None
        self._pending = self._inflate.unconsumed_tail
        return piece

    def _finish(self) -> None:
        """Check what follows the last byte: the end of the deflated data, and nothing else."""
        while True:
            if self._step(1):
                raise self._error("inflates to more than it says")
            if self._inflate.eof:
                break
            self._more()
        if self._inflate.unused_data or self._read < self._packed.size:
            raise self._error("has bytes after its deflated data")
        if self._sum != self._crc:
            raise self._error("its checksum is wrong")

    def _error(self, reason: str) -> WeightFileError:
        return self._packed.source.error(self._packed.record, reason)
