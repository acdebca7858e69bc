"""Writing torch's zip archives, with no pickler: the few opcodes that a state_dict needs."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from ..base.named import entry_of
from ..base.tensor import row_major
from .leaves import Leaf
from .writers import Progress, write_elements

if TYPE_CHECKING:
    Tree = dict[str, Any]
    Recorded = dict[tuple[str, ...], dict[str, dict[str, Any]]]

_FOLDER = "archive"
_ALIGNMENT = 64
_LOCAL_HEADER = 30 + 20 + 4  # bytes: the header, its ZIP64 sizes, the head of the padding

_STORAGES = {
    "float64": "Double",
    "float32": "Float",
    "float16": "Half",
    "bfloat16": "BFloat16",
    "int64": "Long",
    "int32": "Int",
    "int16": "Short",
    "int8": "Char",
    "uint8": "Byte",
    "bool": "Bool",
    "complex64": "ComplexFloat",
    "complex128": "ComplexDouble",
}

_PROTOCOL, _STOP = b"\x80\x02", b"."
_MARK, _TUPLE, _REDUCE, _PERSISTENT = b"(", b"t", b"R", b"Q"
_EMPTY_TUPLE, _FALSE, _TRUE, _SET_ITEMS = b")", b"\x89", b"\x88", b"u"
_EMPTY_DICT, _BUILD = b"}", b"b"


def write_torch(
    file: BinaryIO, leaves: Sequence[Leaf], progress: Progress, options: Recorded | None = None
) -> None:
    """Write what ``torch.load(..., weights_only=True)`` reads, with or without ``mmap``.

    Parameters
    ----------
    file : binary file object
    leaves : sequence of Leaf
    progress : callable
    options : dict of tuple of str to dict, optional
        By the path of each mapping, what its ``_metadata`` records of modules, by prefix.
    """
    with zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        _write_entry(archive, "data.pkl", _pickle(leaves, options or {}))
        _write_entry(archive, "byteorder", b"little")
        for key, leaf in enumerate(leaves):
            entry = _aligned(file, f"data/{key}")
            with archive.open(entry, "w", force_zip64=True) as content:
                write_elements(content, leaf.array())  # type: ignore[arg-type]
            progress(leaf.nbytes)
        _write_entry(archive, "version", b"3\n")


def _write_entry(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    # Without a date, so that equal arrays make equal files.
    archive.writestr(zipfile.ZipInfo(f"{_FOLDER}/{name}"), content)


def _aligned(file: BinaryIO, name: str) -> zipfile.ZipInfo:
    """Return an entry whose content starts at a multiple of 64 bytes, padded as torch does it."""
    entry = zipfile.ZipInfo(f"{_FOLDER}/{name}")
    start = file.tell() + _LOCAL_HEADER + len(entry.filename)
    padding = -start % _ALIGNMENT
    entry.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
    return entry


def _pickle(leaves: Sequence[Leaf], options: Recorded) -> bytes:
    tree: Tree = {}
    for key, leaf in enumerate(leaves):
        table = tree
        for name in leaf.path[:-1]:
            table = table.setdefault(name, {})
        table[leaf.path[-1]] = _tensor(str(key), leaf)
    return b"".join([_PROTOCOL, *_mapping(tree, options, ()), _STOP])


def _mapping(tree: Tree, options: Recorded, path: tuple[str, ...]) -> Iterable[bytes]:
    yield _ordered_dict()
    yield _MARK
    for name, value in tree.items():
        yield _text(name)
        if isinstance(value, bytes):
            yield value
        else:
            yield from _mapping(value, options, (*path, name))
    yield _SET_ITEMS
    if path in options:
        entries = {
            prefix: _plain_dict({"version": _integer(1), **_entry(each)})
            for prefix, each in options[path].items()
        }
        yield _plain_dict({"_metadata": _items(_ordered_dict(), entries)}) + _BUILD


def _entry(options: dict[str, Any]) -> dict[str, bytes]:
    """Return the pickles of what ``_metadata`` records of a module."""
    return {
        key: _plain_dict({name: _plain(each) for name, each in value.items()})
        if isinstance(value, dict)
        else _plain(value)
        for key, value in entry_of(options).items()
    }


def _plain_dict(items: dict[str, bytes]) -> bytes:
    return _items(_EMPTY_DICT, items)


def _items(made: bytes, items: dict[str, bytes]) -> bytes:
    pairs = (_text(name) + value for name, value in items.items())
    return b"".join([made, _MARK, *pairs, _SET_ITEMS])


def _plain(value: str | float) -> bytes:
    """Return the pickle of a bool, a float or a text."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    return b"G" + struct.pack(">d", value)


def _tensor(key: str, leaf: Leaf) -> bytes:
    """Return the pickle of ``_rebuild_tensor_v2(storage, offset, size, stride, ...)``."""
    storage = _STORAGES.get(leaf.dtype)
    numel = 1
    for size in leaf.shape:
        numel *= size
    if storage:
        function, kind, tail = "_rebuild_tensor_v2", _name("torch", f"{storage}Storage"), b""
    else:
        # torch has no storage class for its newer dtypes: bytes, and the dtype beside them.
        function, kind = "_rebuild_tensor_v3", _name("torch.storage", "UntypedStorage")
        tail, numel = _name("torch", leaf.dtype), leaf.nbytes
    persistent_id = [_text("storage"), kind, _text(key), _text("cpu"), _integer(numel)]
    arguments = [
        _tuple(persistent_id) + _PERSISTENT,
        _integer(0),
        _tuple(map(_integer, leaf.shape)),
        _tuple(map(_integer, row_major(leaf.shape))),
        _FALSE,  # requires_grad
        _ordered_dict(),  # hooks
        tail,
    ]
    return _name("torch._utils", function) + _tuple(arguments) + _REDUCE


def _ordered_dict() -> bytes:
    return _name("collections", "OrderedDict") + _EMPTY_TUPLE + _REDUCE


def _name(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _tuple(items: Iterable[bytes]) -> bytes:
    return b"".join([_MARK, *items, _TUPLE])


def _text(text: str) -> bytes:
    raw = text.encode()
    return b"X" + len(raw).to_bytes(4, "little") + raw


def _integer(value: int) -> bytes:
    if value < 2**31:
        return b"J" + value.to_bytes(4, "little", signed=True)
    return b"\x8a\x08" + value.to_bytes(8, "little", signed=True)
