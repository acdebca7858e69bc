"""Weight files made by hand, byte by byte, so that tests can make each of them wrong."""

import io
import json
import struct
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np

STORAGE_CLASSES = {
    "<f8": "Double",
    "<f4": "Float",
    "<f2": "Half",
    "<i8": "Long",
    "<i4": "Int",
    "<u1": "Byte",
    "<c8": "ComplexFloat",
    "bfloat16": "BFloat16",
    "|b1": "Bool",
}


class CountingFile(io.RawIOBase):
    """A file that remembers which bytes of it were asked for."""

    def __init__(self, file):
        self._file = file
        self.ranges = []

    @property
    def count(self):
        return sum(stop - start for start, stop in self.ranges)

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        return self._file.seek(offset, whence)

    def tell(self):
        return self._file.tell()

    def readinto(self, buffer):
        start = self._file.tell()
        count = self._file.readinto(buffer)
        self.ranges.append((start, start + count))
        return count


# ---------------------------------------------------------------------------- zip archives


@dataclass
class Entry:
    """One entry; whatever is None gets its right value."""

    name: str
    data: bytes = b""
    hole: int = 0  # bytes that are only left out, behind the data
    deflated: bool = False
    method: int | None = None
    crc: int | None = None
    flags: int = 0
    size: int | None = None
    compressed: int | None = None
    start: int | None = None
    local_name: bytes | None = None
    padding: bytes = b""
    zip64: bool = False
    raw_name: bytes | None = None


def zip_pieces(entries, *, zip64=False, comment=b"", **wrong):
    """Yield (offset, bytes) of an archive. ``wrong`` replaces fields of the end records."""
    at, parts = 0, []
    for entry in entries:
        stored = entry.data
        if entry.deflated:
            packer = zlib.compressobj(9, zlib.DEFLATED, -15)
            stored = packer.compress(entry.data) + packer.flush()
        name = entry.name.encode() if entry.raw_name is None else entry.raw_name
        method = (8 if entry.deflated else 0) if entry.method is None else entry.method
        crc = zlib.crc32(entry.data) if entry.crc is None else entry.crc
        size = len(entry.data) + entry.hole if entry.size is None else entry.size
        compressed = len(stored) + entry.hole if entry.compressed is None else entry.compressed
        start = at if entry.start is None else entry.start
        local_name = name if entry.local_name is None else entry.local_name
        # As torch writes it: sizes and checksum in the central directory only.
        local = struct.pack(
            "<4s5H3L2H",
            *(b"PK\3\4", 20, entry.flags | 0x0808, method, 0, 0, 0, 0, 0),
            *(len(local_name), len(entry.padding)),
        )
        yield at, local + local_name + entry.padding + stored
        at += len(local) + len(local_name) + len(entry.padding) + len(stored) + entry.hole
        extra, small = b"", (compressed, size, start)
        if entry.zip64:
            extra = struct.pack("<2H3Q", 1, 24, size, compressed, start)
            small = (0xFFFFFFFF,) * 3
        central = struct.pack(
            "<4s6H3L5H2L",
            *(b"PK\1\2", 20, 20, entry.flags | 0x0808, method, 0, 0, crc, *small[:2]),
            *(len(name), len(extra), 0, 0, 0, 0, small[2]),
        )
        parts.append(central + name + extra)
    directory = b"".join(parts)
    count = len(entries)
    end = {"here": count, "count": count, "size": len(directory), "offset": at} | wrong
    fields = (end["here"], end["count"], end["size"], end["offset"])
    tail = directory
    if zip64:
        tail += struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, *fields)
        tail += struct.pack("<4sLQL", b"PK\6\7", 0, at + len(directory), 1)
        fields = (0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    yield at, tail + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *fields, len(comment)) + comment


def zip_archive(entries, **options):
    archive = io.BytesIO()
    for offset, piece in zip_pieces(entries, **options):
        archive.seek(offset)
        archive.write(piece)
    return archive.getvalue()


def write_sparse_zip(path, entries, **options):
    with path.open("wb") as file:
        for offset, piece in zip_pieces(entries, **options):
            file.seek(offset)
            file.write(piece)


# ---------------------------------------------------------------------------- torch


def tensor_pickle(key, kind, numel, shape, strides, offset=0):
    """Return the opcodes of one tensor, which is a view of storage ``key``."""

    def numbers(values):
        return b"(" + b"".join(map(_integer, values)) + b"t"

    storage = b"(" + _text("storage") + f"ctorch\n{kind}Storage\n".encode() + _text(key)
    storage += _text("cuda:0") + _integer(numel) + b"tQ"
    arguments = storage + _integer(offset) + numbers(shape) + numbers(strides) + b"\x89"
    arguments += b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR"


def state_dict_pickle(tensors):
    """Return the pickle of a dict from names to what :func:`tensor_pickle` returned."""
    items = b"".join(_text(name) + tensor for name, tensor in tensors.items())
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + items + b"u."


def torch_entries(arrays, *, top="archive", byteorder=b"little", kinds=None):
    """Return the entries of a ``torch.save`` archive of arrays by name, each in a storage."""
    tensors, storages = {}, []
    for key, (name, array) in enumerate(arrays.items()):
        kind = (kinds or {}).get(name) or STORAGE_CLASSES[array.dtype.newbyteorder("<").str]
        strides = tuple(step // array.itemsize for step in array.strides)
        tensors[name] = tensor_pickle(str(key), kind, array.size, array.shape, strides)
        raw = bytes(memoryview(array.reshape(-1, order="A")).cast("B")) if array.size else b""
        storages.append(Entry(f"{top}/data/{key}", raw))
    entries = [Entry(f"{top}/data.pkl", state_dict_pickle(tensors))]
    if byteorder is not None:
        entries.append(Entry(f"{top}/byteorder", byteorder))
    return [*entries, *storages, Entry(f"{top}/version", b"3\n")]


def _text(text):
    raw = text.encode()
    return b"X" + struct.pack("<L", len(raw)) + raw


def _integer(value):
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<l", value)
    return b"\x8a\x08" + struct.pack("<q", value)


# ---------------------------------------------------------------------------- safetensors, npy


def safetensors_file(header, data=b""):
    """Return a safetensors file; ``header`` is JSON text."""
    raw = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(raw)) + raw + data


def npy_file(header, data=b"", version=(1, 0)):
    """Return a .npy file; ``header`` is the text of its dictionary."""
    raw = header.encode("utf-8" if version == (3, 0) else "latin-1")
    length = struct.pack("<H" if version == (1, 0) else "<L", len(raw))
    return b"\x93NUMPY" + bytes(version) + length + raw + data


# ---------------------------------------------------------------------------- skops

_SKOPS_NODES = {dict: "DictNode", list: "ListNode", tuple: "TupleNode", set: "SetNode"}


class SkopsWriter:
    """Writes what skops.io.dump writes of containers, arrays and plain values."""

    def __init__(self):
        self.entries = {}
        self._numbers = {}

    def _number(self, value):
        """What stands for the address of an object, the same in every run."""
        # The object as well, so that no other one gets its identity.
        return self._numbers.setdefault(id(value), (140_000_000 + len(self._numbers), value))[0]

    def node(self, value):
        """Return the node of a value, and keep the arrays in it."""
        made = {
            "__class__": type(value).__name__,
            "__module__": type(value).__module__,
            "__loader__": _SKOPS_NODES.get(type(value), "JsonNode"),
        }
        if isinstance(value, np.ndarray):
            file = f"{self._number(value)}.npy"
            content = io.BytesIO()
            np.save(content, value)
            self.entries[file] = content.getvalue()
            made["__module__"] = "numpy"
            made |= {"__loader__": "NdArrayNode", "type": "numpy", "file": file}
        elif isinstance(value, dict):
            kind = {"__module__": "builtins", "__loader__": "TypeNode"}
            types = [{"__class__": type(key).__name__} | kind for key in value]
            made |= {
                "__loader__": "DictNode",
                "content": {key: self.node(each) for key, each in value.items()},
                "key_types": {"__loader__": "ListNode", "content": types},
            }
        elif isinstance(value, (list, tuple, set)):
            made["content"] = [self.node(each) for each in value]
        else:
            made |= {"content": json.dumps(value), "is_json": True}
        return made | {"__id__": self._number(value)}

    def archive(self, schema, compression=zipfile.ZIP_STORED):
        """Return the archive of the arrays and of a schema: a node, or text."""
        text = schema if isinstance(schema, (str, bytes)) else json.dumps(schema, indent=2)
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in (*self.entries.items(), ("schema.json", text)):
                archive.writestr(zipfile.ZipInfo(name), content, compression)
        return file.getvalue()


def skops_archive(value, edit=lambda node: None, **options):
    """Return what skops.io.dumps returns; ``edit`` may change the schema."""
    writer = SkopsWriter()
    schema = writer.node(value) | {"protocol": 2, "_skops_version": "0.16.0"}
    edit(schema)
    return writer.archive(schema, **options)
