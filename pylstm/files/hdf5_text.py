"""Texts among the attributes of an HDF5 object, read by the format's own specification.

HDF5's library believes lengths that damaged files give: it loops forever, or takes gigabytes,
before it finds them wrong. The layout of object headers and global heaps is short enough.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from .source import Segment

_CONTINUATION, _ATTRIBUTE, _ATTRIBUTE_INFO = 0x10, 0x0C, 0x15
_FIXED_STRING, _VARIABLE = 3, 9  # classes of datatypes
_NOWHERE = 2**64 - 1


def attribute_text(content: Segment, header: int, name: str) -> str | None:
    """Return the text of an attribute, None if there is no such attribute.

    Parameters
    ----------
    content : Segment
        The HDF5 file.
    header : int
        Where the header of the object starts.
    name : str

    Raises
    ------
    WeightFileError
        If the attribute is no single text, or the file is damaged.
    """
    error = content.source.error
    version = _bytes(content, 8, 1)[0]
    if _bytes(content, 13 if version < 2 else 9, 2) != b"\x08\x08":
        raise error(name, "its HDF5 file does not have addresses of 8 bytes")
    elsewhere = False
    for kind, body in _messages(content, header):
        if kind == _ATTRIBUTE:
            label, datatype, dataspace, value = _attribute(body)
            if label == name.encode():
                if dataspace[1:2] != b"\0":
                    raise error(name, "is not a single text")
                return _text(content, name, datatype, value)
        elif kind == _ATTRIBUTE_INFO:
            # With an index of the order of creation, two bytes are before the address.
            heap = body[4:12] if body[1] & 1 else body[2:10]
            elsewhere |= int.from_bytes(heap, "little") != _NOWHERE
    if elsewhere:
        raise error(name, "its HDF5 file keeps so many attributes that they have an index")
    return None


def _bytes(content: Segment, offset: int, count: int) -> bytes:
    if offset < 0 or count > content.size - offset:
        raise content.source.error(content.record, "an object of the HDF5 file reaches beyond it")
    buffer = bytearray(count)
    content.readinto(offset, memoryview(buffer))
    return bytes(buffer)


def _messages(content: Segment, header: int) -> Iterator[tuple[int, bytes]]:
    """Yield kind and body of each message in an object's header."""
    fixed = _bytes(content, header, 12)
    if fixed[:4] == b"OHDR":
        flags = fixed[5]
        start = header + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        size = int.from_bytes(_bytes(content, start, width), "little")
        chunks = [(start + width, size)]
        head, skipped = struct.Struct("<BHB2x" if flags & 4 else "<BHB"), 4
    else:
        chunks = [(header + 16, int.from_bytes(fixed[8:12], "little"))]
        head, skipped = struct.Struct("<HHB3x"), 0
    left = content.size
    for offset, size in chunks:  # which grows meanwhile
        left -= size + 1
        if left < 0:
            raise content.source.error(content.record, "an object header in the file has no end")
        chunk = _bytes(content, offset, size)
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


def _attribute(body: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Return name, datatype, dataspace and value of an attribute."""
    version, _, *sizes = struct.unpack_from("<BBHHH", body)
    at = 9 if version == 3 else 8
    parts = []
    for size in sizes:
        parts.append(body[at : at + size])
        at += (size + 7) // 8 * 8 if version == 1 else size
    name, datatype, dataspace = parts
    return name.rstrip(b"\0"), datatype, dataspace, body[at:]


def _text(content: Segment, name: str, datatype: bytes, value: bytes) -> str:
    kind, variety = datatype[0] & 15, datatype[1] & 15
    if kind == _FIXED_STRING:
        raw = value[: int.from_bytes(datatype[4:8], "little")].rstrip(b"\0")
    elif kind == _VARIABLE and variety == 1:
        length, heap, index = struct.unpack_from("<LQL", value)
        raw = _heap_object(content, heap, index, length)
    else:
        raise content.source.error(name, "is not a text")
    return raw.decode("utf-8")


def _heap_object(content: Segment, heap: int, index: int, length: int) -> bytes:
    """Return the first bytes of an object in a global heap."""
    if not length:
        return b""
    signature, size = struct.unpack("<8sQ", _bytes(content, heap, 16))
    if signature == b"GCOL\1\0\0\0":
        objects = _bytes(content, heap, size)
        at = 16
        while at + 16 <= size:
            number, extent = struct.unpack_from("<H6xQ", objects, at)
            if number == 0:  # free space, to the end
                break
            if number == index and length <= extent <= size - at - 16:
                return objects[at + 16 : at + 16 + length]
            at += 16 + (extent + 7) // 8 * 8
    raise content.source.error(content.record, "a text is missing from a heap of the HDF5 file")
