"""safetensors files: a JSON header, then the tensors side by side.

The header is read by a grammar of its own: Python's ``json`` makes twenty bytes of objects from a
byte of brackets before a reader could check the structure.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from ..base.errors import WeightFileError
from ..base.named import NamedArrays, recorded_options
from ..base.record import Record
from ..base.source import Segment, Source
from ..base.tensor import MAX_BYTES, MAX_DIMENSIONS, Storage, Tensor, raw_dtype

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..base.tensor import Make

# The limit of the reference reader.
LONGEST_HEADER = 100_000_000

# Bytes of names and metadata, together and each: decoded, a character may take four bytes instead
# of one, and several times that while it is being decoded.
_LONGEST_TEXT = 1 << 25
_LONGEST_STRING = 1 << 22

DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
    "C64": "complex64",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}

# Elements of less than a byte: their sizes in bits. They are described and not read.
_PACKED = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}

_SPACE = re.compile(rb"[ \t\r\n]*")
_STRING = re.compile(rb'"([^"\\\x00-\x1f]*)"')  # without escapes
_FIELD = re.compile(
    rb'[ \t\r\n]*"(dtype|shape|data_offsets)"[ \t\r\n]*:[ \t\r\n]*'
    rb'(?:"([A-Z0-9_]{1,20})"|\[([0-9, \t\r\n]*)\])[ \t\r\n]*([,}])'
)
# At most 19 digits: whatever is longer is larger than any file.
_NUMBERS = re.compile(
    rb"[ \t\r\n]*(?:(?:0|[1-9][0-9]{0,18})[ \t\r\n]*"
    rb"(?:,[ \t\r\n]*(?:0|[1-9][0-9]{0,18})[ \t\r\n]*)*)?"
)


@dataclass(slots=True)
class _Item:
    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read(source: Source, make: Make) -> dict[str, Any]:
    """Return the tensors by name, in the order of the header, then the other names of tied ones."""
    if source.size < 8:
        raise source.error("header", "the file is cut off")
    length = int.from_bytes(source.read(0, 8), "little")
    if length > LONGEST_HEADER:
        raise source.error("header", f"has {length} bytes, more than {LONGEST_HEADER}")
    if 8 + length > source.size:
        raise source.error("header", f"has {length} bytes, and the file {source.size}")
    header = _Header(source, source.read(8, length, "header"))
    _check_layout(source, header.items, source.size - 8 - length)
    tree = NamedArrays()
    for item in header.items:
        tree[item.name] = _tensor(source, item, 8 + length, make)
    tree.options = recorded_options(source)
    add_tied(tree, source.metadata)
    return tree if tree.options else dict(tree)


def add_tied(tree: dict[str, Any], metadata: Mapping[str, Any]) -> None:
    """Give tied tensors their other names, which Hugging Face's libraries write as metadata.

    Of tensors that are one, a file has the first name only; behind each of the others the metadata
    has that one.
    """
    tied = {
        name: tree[kept]
        for name, kept in metadata.items()
        # "format" names the framework: "pt", which a tensor may be called as well.
        if isinstance(kept, str) and kept in tree and name not in tree and name != "format"
    }
    tree.update(tied)


def _check_layout(source: Source, items: list[_Item], size: int) -> None:
    """Check that the tensors fill the ``size`` bytes behind the header side by side."""
    end = 0
    for item in sorted(items, key=lambda item: (item.begin, item.end)):
        if item.begin != end or item.end < item.begin:
            raise source.error(
                item.name, f"has bytes {item.begin} to {item.end}, but the one before ends at {end}"
            )
        end = item.end
        bits = _PACKED.get(item.dtype) or 8 * raw_dtype(DTYPES[item.dtype]).itemsize
        # Sizes of more than 19 digits each could take long to multiply.
        if len(item.shape) > MAX_DIMENSIONS or max(item.shape, default=0) >= MAX_BYTES:
            raise source.error(item.name, "its shape is larger than any memory")
        if prod(item.shape) * bits != 8 * (item.end - item.begin):
            raise source.error(
                item.name,
                f"{item.end - item.begin} bytes do not hold shape {item.shape} of {item.dtype}",
            )
    if end != size:
        raise source.error("", f"the last tensor ends at byte {end} of the {size} after the header")


def _tensor(source: Source, item: _Item, start: int, make: Make) -> Any:
    if item.dtype in _PACKED:
        bits = _PACKED[item.dtype]
        source.unreadable[item.name] = f"its elements are of {bits} bits ({item.dtype})"
        return Record(f"safetensors.{item.dtype}", (item.shape,))
    content = Segment(source, start + item.begin, item.end - item.begin, item.name)
    return make(Tensor(Storage(source.name, content, DTYPES[item.dtype]), item.shape))


class _Header:
    """The header's content: tensors into ``items``, ``__metadata__`` into the source's."""

    def __init__(self, source: Source, text: bytes) -> None:
        self._source = source
        self._text = text
        self._at = 0
        self._decoded = 0
        self.items: list[_Item] = []
        names: set[str] = set()
        for name in self._members(first=True):
            if name in names:
                raise self._error("has a name twice")
            names.add(name)
            if name == "__metadata__":
                self._metadata()
            else:
                item = self._item(name)
                source.count(1, "header", item.shape)
                self.items.append(item)
        self._skip_space()
        if self._at != len(text):
            raise self._error("goes on after its end")

    def _error(self, reason: str) -> WeightFileError:
        return self._source.error("header", f"{reason} (at byte {self._at} of {len(self._text)})")

    def _skip_space(self) -> None:
        self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]

    def _take(self, expected: bytes) -> bool:
        """Step over a character if it comes next; space before it counts for nothing."""
        self._skip_space()
        if self._text[self._at : self._at + 1] != expected:
            return False
        self._at += 1
        return True

    def _members(self, first: bool = False) -> Any:
        """Yield the names of an object, each when what it names is next in the text."""
        opened = self._text.startswith(b"{") if first else self._take(b"{")
        if not opened:
            raise self._error("is no JSON object")
        self._at += first
        if self._take(b"}"):
            return
        while True:
            name = self._string()
            if not self._take(b":"):
                raise self._error("is not JSON: a colon was expected")
            yield name
            if self._take(b"}"):
                return
            if not self._take(b","):
                raise self._error("is not JSON: a comma or brace was expected")

    def _string(self) -> str:
        self._skip_space()
        plain = _STRING.match(self._text, self._at)
        end = plain.end() if plain else self._end_of_string(self._at)
        length = end - self._at
        self._decoded += length
        if length > _LONGEST_STRING or self._decoded > _LONGEST_TEXT:
            raise self._error(
                f"has names and metadata of more than {_LONGEST_TEXT} bytes, or one of more "
                f"than {_LONGEST_STRING}"
            )
        try:
            if plain:
                text = plain[1].decode("utf-8")
            else:
                text = json.loads(self._text[self._at : end].decode("utf-8"))
                text.encode()  # JSON can escape half a character
        except ValueError:
            raise self._error("has a string that is neither JSON nor UTF-8") from None
        self._at = end
        return text

    def _end_of_string(self, start: int) -> int:
        """Return where a string with escapes ends."""
        at = start + 1
        quote = self._text.find(b'"', at) if self._text[start:at] == b'"' else -1
        while quote >= 0:
            before = self._text[at:quote]
            if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:
                return quote + 1
            at = quote + 1
            quote = self._text.find(b'"', at)
        raise self._error("is not JSON: a string was expected")

    def _metadata(self) -> None:
        metadata: dict[str, str] = {}
        self._skip_space()
        if self._text.startswith(b"null", self._at):
            self._at += len(b"null")
            return
        for key in self._members():
            if key in metadata:
                raise self._error("has a key of __metadata__ twice")
            metadata[key] = self._string()
            self._source.count(1, "header")
        self._source.metadata.update(metadata)

    def _item(self, name: str) -> _Item:
        """Return one tensor: three fields in any order, each of them once."""
        fields: dict[bytes, re.Match[bytes]] = {}
        more = self._take(b"{")
        while more:
            field = _FIELD.match(self._text, self._at)
            if field is None or field[1] in fields:
                break
            fields[field[1]] = field
            self._at = field.end()
            more = field[4] == b","
        else:
            if len(fields) == 3:
                dtype = (fields[b"dtype"][2] or b"").decode()
                shape = _numbers(fields[b"shape"][3])
                offsets = _numbers(fields[b"data_offsets"][3])
                if dtype and shape is not None and offsets is not None and len(offsets) == 2:
                    if dtype not in DTYPES and dtype not in _PACKED:
                        raise self._source.error(name, f"pylstm does not know its dtype {dtype}")
                    return _Item(name, dtype, shape, *offsets)
        raise self._source.error(name, "needs a dtype, a shape and two data_offsets, each once")


def _numbers(text: bytes | None) -> tuple[int, ...] | None:
    if text is None or not _NUMBERS.fullmatch(text):
        return None
    return tuple(map(int, text.split(b","))) if text.strip() else ()
