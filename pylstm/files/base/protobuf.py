"""Messages of protocol buffers, parsed with checks; what is long is left in the file.

A message is a row of fields: a tag of a number and a wire type, then the value. Of the same field
twice the later one counts, two messages are merged, and fields that a message does not declare are
skipped. The format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from .errors import WeightFileError
from .source import Segment

if TYPE_CHECKING:
    from .source import Source
    from .tensor import Array

# Wire types. Those of groups, 3 and 4, are refused: nothing that is read here has any.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}

# A tag has 32 bits, a number 64.
_TAG_BYTES, _VARINT_BYTES = 5, 10
_HEADER = _TAG_BYTES + _VARINT_BYTES
_WINDOW = 1 << 14  # bytes that are read at once
_MOST_NESTED = 100  # as in the library of protocol buffers
# Bytes of the objects that a file becomes: so many times its size, and more. What one needs was
# counted with sys.getsizeof.
_MOST_OBJECTS, _SPARE_OBJECTS = 3, 40 << 20
_TEXT_BYTES, _SLOT_BYTES, _OBJECT_BYTES, _LIST_BYTES = 56, 8, 48, 88
_LONG = 1 << 10  # bytes of numbers that are left in the file
_PIECE = 1 << 18  # bytes of numbers that are decoded at once


def damaged(source: Source, reason: str) -> WeightFileError:
    """Return, not raise, the error about what is no message."""
    return source.error("", f"its protocol buffer is damaged: {reason}")


class Numbers:
    """Repeated numbers, packed or one by one: their bytes in a row, which is the same in both.

    Parameters
    ----------
    source : Source
    dtype : str
        ``"<f4"``, ``"<f8"``, or what the varints are: ``"i4"``, ``"i8"``, ``"u8"``.
    """

    __slots__ = ("_parts", "_source", "dtype")

    def __init__(self, source: Source, dtype: str) -> None:
        self._source = source
        self._parts: list[bytearray | Segment] = []
        self.dtype = np.dtype(dtype)

    def append(self, content: bytes) -> None:
        """Add the bytes of some numbers."""
        if not self._parts or not isinstance(self._parts[-1], bytearray):
            self._parts.append(bytearray())
        self._parts[-1] += content  # type: ignore[operator]

    def append_segment(self, segment: Segment) -> None:
        """Add numbers that are left in the file."""
        self._parts.append(segment)

    def __len__(self) -> int:
        if self.dtype.kind == "f":
            return sum(self._sizes()) // self.dtype.itemsize
        return sum(int(np.count_nonzero(each < 0x80)) for each in self._pieces())

    def __iter__(self) -> Iterator[int | float]:
        for piece in self._pieces():
            yield from self._decoded(piece).tolist()

    def array(self) -> Array:
        """Return all of them."""
        return self.astype(self.dtype.newbyteorder("="))

    def astype(self, dtype: np.dtype[Any]) -> Array:
        """Return all of them in another dtype; integers wrap around, as NumPy's do."""
        made = np.empty(len(self), dtype)
        at = 0
        for piece in self._pieces():
            numbers = self._decoded(piece)
            made[at : at + numbers.size] = numbers.astype(dtype)
            at += numbers.size
        return made

    def _sizes(self) -> Iterator[int]:
        for part in self._parts:
            yield part.size if isinstance(part, Segment) else len(part)

    def _pieces(self) -> Iterator[Array]:
        """Yield the bytes, cut between numbers."""
        for part in self._parts:
            size = part.size if isinstance(part, Segment) else len(part)
            start = 0
            while start < size:
                stop = min(start + _PIECE, size)
                if isinstance(part, Segment):
                    content = part.source.read(part.offset + start, stop - start, part.record)
                else:
                    content = bytes(part[start:stop])
                piece = np.frombuffer(content, np.uint8)
                if self.dtype.kind != "f":
                    last = _last_end(piece)
                    if last == 0:
                        raise damaged(self._source, "a packed number does not end")
                    piece = piece[:last]
                start += piece.size
                yield piece

    def _decoded(self, piece: Array) -> Array:
        if self.dtype.kind == "f":
            return piece.view(self.dtype)
        ends = np.flatnonzero(piece < 0x80)
        starts = np.empty_like(ends)
        starts[:1], starts[1:] = 0, ends[:-1] + 1
        lengths = ends - starts + 1
        longest = int(lengths.max())
        if longest > _VARINT_BYTES:
            raise damaged(self._source, "a number of more than 10 bytes")
        values = np.zeros(ends.size, np.uint64)
        for at in range(longest):
            longer = np.flatnonzero(lengths > at)
            bits = (piece[starts[longer] + at] & 0x7F).astype(np.uint64)
            if at == _VARINT_BYTES - 1 and bits.max() > 1:
                raise damaged(self._source, "a number of more than 64 bits")
            values[longer] |= bits << np.uint64(7 * at)
        return values.astype(self.dtype)


def _last_end(piece: Array) -> int:
    """Return how many bytes hold whole varints; 0 if none does."""
    for size in range(piece.size, max(0, piece.size - _VARINT_BYTES), -1):
        if piece[size - 1] < 0x80:
            return size
    return 0


class Field(NamedTuple):
    """What a message declares of a field.

    Attributes
    ----------
    name : str
        The attribute for it. Empty for what is only checked, and left out.
    kind : str
        ``"int64"``, ``"int32"``, ``"enum"``, ``"float"``, ``"text"``, ``"bytes"``, ``"segment"``
        (bytes that are left in the file), ``"message"``, ``"numbers"``, or ``"clear"``: a field
        that ``name`` shares its place with.
    repeated : bool
    of : type, str or int
        The class of messages, the dtype of numbers, the largest value of an enumeration.
    """

    name: str
    kind: str
    repeated: bool = False
    of: Any = None


class Message:
    """A message; a subclass has a slot for each field, and declares what these are.

    Attributes
    ----------
    fields : dict of int to Field
        By number.
        What the file has not is 0, an empty text or tuple, or None for a message or a segment.
    """

    __slots__ = ()
    fields: ClassVar[dict[int, Field]] = {}

    def __init__(self) -> None:
        for name, value in _defaults(type(self)):
            setattr(self, name, value)


_EMPTY = {"int64": 0, "int32": 0, "enum": 0, "float": 0.0, "text": "", "bytes": b""}
_KNOWN_DEFAULTS: dict[type[Message], list[tuple[str, Any]]] = {}
_KNOWN_TAGS: dict[type[Message], dict[int, Field]] = {}
_WIRE = {"int64": _VARINT, "int32": _VARINT, "enum": _VARINT, "float": _FIXED32}


def _defaults(kind: type[Message]) -> list[tuple[str, Any]]:
    if kind not in _KNOWN_DEFAULTS:
        _KNOWN_DEFAULTS[kind] = [
            (field.name, () if field.repeated else _EMPTY.get(field.kind))
            for field in kind.fields.values()
            if field.name and field.kind != "clear"
        ]
    return _KNOWN_DEFAULTS[kind]


def _tags(kind: type[Message]) -> dict[int, Field]:
    """Return the fields by their tags: numbers have two, those of other wire types are unknown."""
    if kind not in _KNOWN_TAGS:
        tags: dict[int, Field] = {}
        for number, field in kind.fields.items():
            if field.kind == "clear":
                tags.update({number << 3 | wire: field for wire in field.of})
                continue
            wire = _WIRE.get(field.kind, _BYTES)
            if field.kind == "numbers":
                single = {"<f4": _FIXED32, "<f8": _FIXED64}.get(field.of, _VARINT)
                tags[number << 3 | single] = field
            tags[number << 3 | wire] = field
        _KNOWN_TAGS[kind] = tags
    return _KNOWN_TAGS[kind]


class Parser:
    """Parses the messages of one file.

    Parameters
    ----------
    source : Source
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._window = b""
        self._low = 0
        self._objects_left = _MOST_OBJECTS * source.size + _SPARE_OBJECTS

    def parse(self, kind: type[Message]) -> Any:
        """Return the message that the file is.

        Raises
        ------
        WeightFileError
            If it is none, or needs far more memory than the file.
        """
        message = self._new(kind)
        self._fill(message, 0, self._source.size, 0)
        self._window = b""
        return message

    def _new(self, kind: type[Message]) -> Any:
        self._spend(_OBJECT_BYTES + _SLOT_BYTES * len(kind.__slots__))
        return kind()

    def _fill(self, message: Any, start: int, stop: int, depth: int) -> None:
        """Parse the fields between two offsets into a message, which may have some already."""
        if depth > _MOST_NESTED:
            raise damaged(self._source, f"messages nest more than {_MOST_NESTED} deep")
        tags = _tags(type(message))
        at = start
        while at < stop:
            offset = at - self._low
            if offset < 0 or offset + _HEADER > len(self._window):
                self._load(at)
                offset = 0
            tag, offset = self._varint(offset, _TAG_BYTES)
            wire = tag & 7
            if tag < 8 or tag >> 32:
                raise damaged(self._source, f"no field of a message at offset {at}")
            value = 0
            first = self._low + offset
            if wire in (_VARINT, _BYTES):
                value, offset = self._varint(offset, _VARINT_BYTES)
            elif wire not in _WIDTHS:
                raise damaged(self._source, f"no field of a message at offset {at}: type {wire}")
            begin = first if wire in _WIDTHS else self._low + offset
            end = begin + (value if wire == _BYTES else _WIDTHS.get(wire, 0))
            if end > stop:
                raise damaged(
                    self._source, f"a field at offset {at} needs {end - at} bytes of {stop - at}"
                )
            field = tags.get(tag)
            if field is not None:
                if wire != _BYTES:
                    begin = first
                self._take(message, field, wire, value, begin, end, depth)
            at = end

    def _take(
        self, message: Any, field: Field, wire: int, value: int, begin: int, end: int, depth: int
    ) -> None:
        """Store the value of a field: a number, or what stands between two offsets."""
        kind, name = field.kind, field.name
        if kind == "message":
            self._take_message(message, field, begin, end, depth)
        elif kind == "numbers":
            self._take_numbers(message, field, wire, begin, end)
        elif kind == "text":
            self._store(message, field, self._text(begin, end))
        elif kind == "bytes":
            self._store(message, field, self._bytes(begin, end))
        elif kind == "segment":
            setattr(message, name, Segment(self._source, begin, end - begin, ""))
        elif kind == "int64":
            setattr(message, name, _signed(value, 64))
        elif kind == "int32":
            setattr(message, name, _signed(value, 32))
        elif kind == "float":
            [number] = struct.unpack("<f", self._peek(begin, end))
            setattr(message, name, number)
        elif kind == "enum":
            # A value that is none of the enumeration is an unknown field.
            if value <= field.of:
                setattr(message, name, value)
        else:  # what shares its place goes
            setattr(message, name, dict(_defaults(type(message)))[name])

    def _take_message(self, message: Any, field: Field, begin: int, end: int, depth: int) -> None:
        inner = None
        if field.name and not field.repeated:
            inner = getattr(message, field.name)
        if inner is None:
            inner = self._new(field.of)
            if field.name:
                self._store(message, field, inner)
        self._fill(inner, begin, end, depth + 1)

    def _store(self, message: Any, field: Field, value: Any) -> None:
        if not field.repeated:
            setattr(message, field.name, value)
            return
        items = getattr(message, field.name)
        if not items:
            self._spend(_LIST_BYTES)
            items = []
            setattr(message, field.name, items)
        self._spend(_SLOT_BYTES)
        items.append(value)

    def _take_numbers(self, message: Any, field: Field, wire: int, begin: int, end: int) -> None:
        numbers = getattr(message, field.name)
        if not isinstance(numbers, Numbers):
            self._spend(4 * _OBJECT_BYTES)
            numbers = Numbers(self._source, field.of)
            setattr(message, field.name, numbers)
        size = end - begin
        width = numbers.dtype.itemsize
        if wire == _BYTES and numbers.dtype.kind == "f" and size % width:
            raise damaged(self._source, f"{size} bytes of numbers of {width}")
        if wire == _BYTES and size > _LONG:
            numbers.append_segment(Segment(self._source, begin, size, ""))
            if numbers.dtype.kind != "f" and self._source.read(end - 1, 1)[0] >= 0x80:
                raise damaged(self._source, f"a number at offset {end - 1} does not end")
        elif size:
            content = self._peek(begin, end)
            if numbers.dtype.kind != "f" and content[-1] >= 0x80:
                raise damaged(self._source, f"a number at offset {end - 1} does not end")
            numbers.append(content)

    def _text(self, begin: int, end: int) -> str:
        try:
            return self._bytes(begin, end).decode()
        except UnicodeDecodeError:
            raise damaged(self._source, f"a text at offset {begin} is not UTF-8") from None

    def _bytes(self, begin: int, end: int) -> bytes:
        self._spend(_TEXT_BYTES + end - begin)
        return self._peek(begin, end)

    def _peek(self, begin: int, end: int) -> bytes:
        """Return what stands between two offsets: of the window, if all of it is there."""
        offset = begin - self._low
        if offset >= 0 and end - self._low <= len(self._window):
            return self._window[offset : end - self._low]
        return self._source.read(begin, end - begin)

    def _load(self, at: int) -> None:
        self._window = self._source.read(at, min(_WINDOW, self._source.size - at))
        self._low = at

    def _varint(self, offset: int, most: int) -> tuple[int, int]:
        """Return the number at an offset of the window, and where the next begins."""
        window = self._window
        number = 0
        for index in range(most):
            if offset + index >= len(window):
                break
            byte = window[offset + index]
            number |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                if number >> 64:
                    break
                return number, offset + index + 1
        raise damaged(self._source, f"no number at offset {self._low + offset}")

    def _spend(self, count: int) -> None:
        self._objects_left -= count
        if self._objects_left < 0:
            raise self._source.error("", "its messages need far more memory than the file")


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value
