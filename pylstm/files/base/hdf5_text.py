"""Texts among the attributes of HDF5 objects, read by the format's own specification.

HDF5's library believes lengths that damaged files give: it loops forever, or takes gigabytes,
before it finds them wrong. The layout of object headers and global heaps is short enough.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from .source import Segment

_CONTINUATION, _ATTRIBUTE, _ATTRIBUTE_INFO = 0x10, 0x0C, 0x15
_FIXED_STRING, _VARIABLE = 3, 9  # classes of datatypes
_NULL = 2  # kind of a dataspace without elements
_NOWHERE = 2**64 - 1

_LONGEST = 1 << 24  # bytes of one text
_MOST_BYTES = 1 << 22  # of all texts in lists, which may repeat one text of a heap
_MOST_OBJECTS = 1 << 17  # in global heaps

# Datatype, dataspace and value as they stand in the file.
_Raw = tuple[bytes, bytes, bytes]


class AttributeReader:
    """Reads object headers and global heaps of one HDF5 file.

    All of them together may be no longer than the file, since honest ones do not overlap.

    Parameters
    ----------
    content : Segment
        The HDF5 file.
    """

    def __init__(self, content: Segment) -> None:
        self._content = content
        self._left = content.size
        self._objects_left = _MOST_OBJECTS
        self._bytes_left = _MOST_BYTES
        # Address of a global heap -> number of an object in it -> where that starts, its length.
        self._heaps: dict[int, dict[int, tuple[int, int]]] = {}
        self.error = content.source.error
        version = self._bytes(8, 1)[0]
        if self._bytes(13 if version < 2 else 9, 2) != b"\x08\x08":
            raise self.error(content.record, "its HDF5 file does not have addresses of 8 bytes")

    def of(self, header: int) -> Attributes:
        """Return the attributes of the object whose header starts there."""
        found: dict[bytes, _Raw] = {}
        elsewhere = False
        for kind, body in self._messages(header):
            if kind == _ATTRIBUTE:
                label, *raw = self._attribute(body)
                found.setdefault(label, (raw[0], raw[1], raw[2]))
            elif kind == _ATTRIBUTE_INFO:
                # With an index of the order of creation, two bytes are before the address.
                heap = body[4:12] if body[1] & 1 else body[2:10]
                elsewhere |= int.from_bytes(heap, "little") != _NOWHERE
        return Attributes(self, found, elsewhere)

    def texts(self, name: str, raw: _Raw, count: int) -> Iterator[str]:
        """Yield the texts in the value of an attribute."""
        datatype, _, value = raw
        kind, variety = datatype[0] & 15, datatype[1] & 15
        size = int.from_bytes(datatype[4:8], "little") if kind == _FIXED_STRING else 16
        if kind != _FIXED_STRING and not (kind == _VARIABLE and variety == 1):
            raise self.error(name, "is not a text")
        if size * count > len(value):
            raise self.error(name, f"has {len(value)} bytes for {count} texts of {size}")
        for at in range(0, size * count, size or 1):
            if kind == _FIXED_STRING:
                text = value[at : at + size].rstrip(b"\0")
            else:
                length, heap, index = struct.unpack_from("<LQL", value, at)
                if length > _LONGEST:
                    raise self.error(name, f"is too long: {length} bytes")
                text = self._heap_object(heap, index, length)
            yield text.decode("utf-8")

    def spend(self, name: str, count: int) -> None:
        """Count bytes of texts in lists; raise if they become too many."""
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise self.error(name, f"more than {_MOST_BYTES} bytes of names")

    def _bytes(self, offset: int, count: int) -> bytes:
        content = self._content
        if offset < 0 or count > content.size - offset:
            raise self.error(content.record, "an object of the HDF5 file reaches beyond it")
        buffer = bytearray(count)
        content.readinto(offset, memoryview(buffer))
        return bytes(buffer)

    def _once(self, offset: int, count: int, what: str) -> bytes:
        """Return bytes of a header or heap, of which the file has only so many."""
        self._left -= count + 1
        if self._left < 0:
            raise self.error(self._content.record, f"{what} in the file has no end")
        return self._bytes(offset, count)

    def _messages(self, header: int) -> Iterator[tuple[int, bytes]]:
        """Yield kind and body of each message in an object's header."""
        fixed = self._bytes(header, 12)
        if fixed[:4] == b"OHDR":
            flags = fixed[5]
            start = header + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
            width = 1 << (flags & 3)
            size = int.from_bytes(self._bytes(start, width), "little")
            chunks = [(start + width, size)]
            head, skipped = struct.Struct("<BHB2x" if flags & 4 else "<BHB"), 4
        else:
            chunks = [(header + 16, int.from_bytes(fixed[8:12], "little"))]
            head, skipped = struct.Struct("<HHB3x"), 0
        for offset, size in chunks:  # which grows meanwhile
            chunk = self._once(offset, size, "an object header")
            at = 0
            while at + head.size <= size:
                kind, length, _ = head.unpack_from(chunk, at)
                body = chunk[at + head.size : at + head.size + length]
                at += head.size + length
                if kind == _CONTINUATION and length >= 16:
                    # In newer headers between a signature and a checksum.
                    place, extent = struct.unpack_from("<QQ", body)
                    chunks.append((place + skipped, max(0, extent - 2 * skipped)))
                yield kind, body

    def _attribute(self, body: bytes) -> tuple[bytes, bytes, bytes, bytes]:
        """Return name, datatype, dataspace and value of an attribute."""
        version, flags, *sizes = struct.unpack_from("<BBHHH", body)
        if version != 1 and flags & 3:
            reason = "the type of an attribute in the HDF5 file is stored elsewhere"
            raise self.error(self._content.record, reason)
        at = 9 if version == 3 else 8
        parts = []
        for size in sizes:
            parts.append(body[at : at + size])
            at += (size + 7) // 8 * 8 if version == 1 else size
        name, datatype, dataspace = parts
        return name.rstrip(b"\0"), datatype, dataspace, body[at:]

    def _heap_object(self, heap: int, index: int, length: int) -> bytes:
        """Return the first bytes of an object in a global heap."""
        if not length:
            return b""
        if heap not in self._heaps:
            self._heaps[heap] = dict(self._heap_objects(heap))
        start, extent = self._heaps[heap].get(index, (0, 0))
        if length > extent:
            raise self.error(self._content.record, "a text is missing from a heap of the HDF5 file")
        return self._bytes(start, length)

    def _heap_objects(self, heap: int) -> Iterator[tuple[int, tuple[int, int]]]:
        """Yield number, start and length of each object in a global heap."""
        signature, size = struct.unpack("<8sQ", self._bytes(heap, 16))
        if signature != b"GCOL\1\0\0\0":
            return
        objects = self._once(heap, size, "a heap of texts")
        at = 16
        while at + 16 <= size:
            number, extent = struct.unpack_from("<H6xQ", objects, at)
            if number == 0:  # free space, to the end
                break
            self._objects_left -= 1
            if self._objects_left < 0:
                raise self.error(self._content.record, f"more than {_MOST_OBJECTS} texts in heaps")
            if extent <= size - at - 16:
                yield number, (heap + at + 16, extent)
            at += 16 + (extent + 7) // 8 * 8


class Attributes:
    """The attributes of one object; their texts are decoded when they are asked for."""

    def __init__(self, reader: AttributeReader, found: dict[bytes, _Raw], elsewhere: bool) -> None:
        self._reader = reader
        self._found = found
        self._elsewhere = elsewhere

    def text(self, name: str) -> str | None:
        """Return the text of an attribute, None if there is no such attribute.

        Raises
        ------
        WeightFileError
            If the attribute is no single text, or the file is damaged.
        """
        raw = self._raw(name)
        if raw is None:
            return None
        if raw[1][1:2] != b"\0":
            raise self._reader.error(name, "is not a single text")
        [text] = self._reader.texts(name, raw, 1)
        return text

    def texts(self, name: str) -> list[str] | None:
        """Return the texts of an attribute, None if there is no such attribute.

        Keras numbers the parts of a list that is too long for one attribute: ``layer_names0``.

        Raises
        ------
        WeightFileError
            If the attribute is no list of texts, or the file is damaged.
        """
        whole = self._raw(name)
        if whole is not None:
            return self._listed(name, whole)
        parts = 0
        found = []
        while (part := self._raw(f"{name}{parts}")) is not None:
            found += self._listed(f"{name}{parts}", part)
            parts += 1
        return found if parts else None

    def _raw(self, name: str) -> _Raw | None:
        raw = self._found.get(name.encode())
        if raw is None and self._elsewhere:
            reason = "its HDF5 file keeps so many attributes that they have an index"
            raise self._reader.error(name, reason)
        return raw

    def _listed(self, name: str, raw: _Raw) -> list[str]:
        dataspace = raw[1]
        version, rank = dataspace[:2]
        if version == 2 and dataspace[3] == _NULL:
            return []
        if rank != 1:
            raise self._reader.error(name, "is not a list of texts")
        [count] = struct.unpack_from("<Q", dataspace, 8 if version == 1 else 4)
        if count == 0:  # of which Keras also makes a list of numbers
            return []
        found = []
        for text in self._reader.texts(name, raw, count):
            self._reader.spend(name, len(text) + 16)
            found.append(text)
        return found
