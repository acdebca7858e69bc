"""Files that pylstm does not read, known by their first bytes: what each is, and what helps.

Nothing is named that the bytes leave open: a wrong name would mislead more than none.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..base.source import Source

_PEEK = 512


def _compressed(how: str, remedy: str) -> str:
    return f"data compressed by {how}: pass {remedy}, which decompresses them, instead of the path"


# What a file starts with, from which byte on.
_STARTS: tuple[tuple[int, bytes, str], ...] = (
    (
        0,
        b"version https://git-lfs.github.c",  # and more
        "a Git LFS pointer, which stands for the weights and does not hold them: fetch them with "
        "git lfs pull, or download the file itself",
    ),
    (
        0,
        b"GGUF",
        "a GGUF file, as llama.cpp reads it: pass the safetensors or torch file that it was made "
        "from",
    ),
    *(
        (0, magic, "a GGML file: pass the torch file that it was made from")
        for magic in (b"lmgg", b"fmgg", b"tjgg")
    ),
    (
        4,
        b"TFL3",
        "a TensorFlow Lite model: pass the Keras model that it was made from "
        "(model.save('model.keras'))",
    ),
    (
        4,
        b"ORTM",
        "a model in onnxruntime's own format (.ort): pass the .onnx file that it was made from",
    ),
    *(
        (
            4,
            magic,
            "an ExecuTorch program (.pte): save the state_dict of the module that it was made from",
        )
        for magic in (b"ET11", b"ET12")
    ),
    (
        0,
        b"7767517\n",
        "an ncnn model description (.param): pass the torch or ONNX file that it was made from",
    ),
    (
        0,
        b"\x12\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        "MXNet parameters (.params): load them with mxnet.nd.load and save them with numpy.savez",
    ),
    (
        0,
        b"\4\0\0\0\1\0\0\0\3\0\0\0V 1",
        "a file of Lua Torch (.t7): load it with the package torchfile and save its arrays with "
        "numpy.savez",
    ),
    (
        0,
        b"MATLAB 5.0 MAT-file",
        "a MATLAB file: load it with scipy.io.loadmat and save its arrays with numpy.savez",
    ),
    (
        0,
        b"MATLAB 7.3 MAT-file",
        "a MATLAB file of version 7.3: load it with h5py and save its arrays with numpy.savez",
    ),
    (
        0,
        b"\0\5\x16\7\0\2\0\0",
        "an AppleDouble file, which macOS puts beside another one: pass the file whose name lacks "
        "the '._'",
    ),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive: extract it and pass the weight file in it"),
    (0, b"Rar!\x1a\7", "a RAR archive: extract it and pass the weight file in it"),
    (0, b"BZh", _compressed("bzip2", "bz2.open(path)")),
    (0, b"\xfd7zXZ\0", _compressed("xz", "lzma.open(path)")),
    (0, b"\x5d\0\0", _compressed("LZMA", "lzma.open(path)")),
    (0, b"\4\x22\x4d\x18", _compressed("LZ4", "lz4.frame.open(path)")),
    (0, b"\x28\xb5\x2f\xfd", _compressed("Zstandard", "zstandard.open(path)")),
)

_TENSORFLOW = (
    "save the Keras model that it was made from (model.save('model.keras')), or the arrays of its "
    "checkpoint (tf.train.load_checkpoint) with numpy.savez"
)
_SAVED_MODEL = f"a TensorFlow SavedModel: {_TENSORFLOW}"
_CHECKPOINT = (
    "a file of a TensorFlow checkpoint: tf.train.load_checkpoint(prefix) gives its arrays, which "
    "numpy.savez saves"
)
_DISTRIBUTED = "torch.distributed.checkpoint: pass its folder, which has the index .metadata"
_SHARD = f"several torch archives in one file: a shard (.distcp) of {_DISTRIBUTED}"
_CORE_ML = "a Core ML model: save the state_dict of the torch module that it was made from"
_EXPORTED = (
    "an archive of torch.export (.pt2): save its state_dict with "
    "torch.save(torch.export.load(path).state_dict, 'model.pt')"
)
_ORBAX = (
    "a checkpoint of Orbax (JAX): restore it with orbax.checkpoint and save its arrays with "
    "numpy.savez"
)

# A pickle whose root is what torch.distributed.checkpoint says of its shards.
_METADATA = re.compile(
    rb"\x80[\x02-\x05](?:\x95.{8})?(?:c|\x8c.)torch\.distributed\.checkpoint\.metadata\b", re.DOTALL
)
# The end of LevelDB's tables, in which TensorFlow keeps the index of a checkpoint.
_TABLE_END = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"
# One of these numbers is that of the model in Core ML's protocol buffer.
_CORE_ML_MODELS = range(200, 3001)
_WEIGHT_FILES = (".pt", ".pth", ".ckpt", ".safetensors", ".onnx", ".h5", ".keras", ".npz")
_MOST_FIELDS = 64
_PIECE = 1 << 20


def named(source: Source, head: bytes) -> str:
    """Return what a file is that pylstm does not read, and what helps; empty if it may be any.

    Parameters
    ----------
    source : Source
    head : bytes
        The first 32 bytes, or all if there are fewer.
    """
    for at, magic, told in _STARTS:
        if head.startswith(magic, at):
            return told
    start = source.read(0, min(source.size, _PEEK))
    if start[257:262] == b"ustar":
        return _tar(start)
    return (
        _deflated(head, start)
        or _text(start)
        or _message(source, head)
        or _flax(start)
        or _checkpoint(source)
    )


def is_distributed(source: Source) -> bool:
    """Tell whether a file is the index of a folder of torch.distributed.checkpoint."""
    return _METADATA.match(source.read(0, min(source.size, _PEEK))) is not None


def archive(names: list[str]) -> str:
    """Return what a zip archive of entries with these names is; empty if it may be any."""
    below = {name.partition("/")[2] for name in names}
    if "archive_format" in below or "serialized_exported_program.json" in names:
        return _EXPORTED
    if any(name.endswith(("/saved_model.pb", "saved_model.pb")) for name in names):
        return f"a zip archive of {_SAVED_MODEL}"
    if any(name.endswith("com.apple.CoreML/model.mlmodel") for name in names):
        return f"a zip archive of {_CORE_ML}"
    inside = [name for name in names if name.endswith(_WEIGHT_FILES)]
    if inside:
        return f"a zip archive: extract it and pass the weight file in it, as {inside[0][:100]!r}"
    return ""


def torch_archives(source: Source) -> str:
    """Return what a file of several torch archives one after the other is; empty if it is none."""
    head = source.read(0, min(source.size, 44))
    if head[30:44] != b"archive/data.p":  # the name that torch gives where there is no path
        return ""
    offset, tail = 0, b""
    while offset < source.size:
        piece = tail + source.read(offset, min(_PIECE, source.size - offset))
        end = piece.find(b"PK\5\6")
        if 0 <= end <= len(piece) - 26:
            return _SHARD if piece[end + 22 : end + 26] == b"PK\3\4" else ""
        offset += len(piece) - len(tail)
        tail = piece[-25:]
    return ""


def folder(path: Path) -> str:
    """Return what a folder is that a framework saved as one model; empty if it may be any."""
    if (path / "saved_model.pb").is_file():
        return f"a folder of {_SAVED_MODEL}"
    steps = (each for each in itertools.islice(path.iterdir(), 100) if each.name.isdecimal())
    for place in (path, *steps):
        if any((place / name).is_file() for name in ("_CHECKPOINT_METADATA", "manifest.ocdbt")):
            return _ORBAX
    if (path / "Manifest.json").is_file() and (path / "Data" / "com.apple.CoreML").is_dir():
        return _CORE_ML
    return ""


def _tar(start: bytes) -> str:
    name = start[:100].partition(b"\0")[0]
    if name in (b"sys_info", b"pickle", b"tensors", b"storages"):
        return "a tar archive, as torch wrote before its release 0.1.10"
    return "a tar archive: extract it and pass the weight file in it"


def _checkpoint(source: Source) -> str:
    """Tell the two kinds of files of a TensorFlow checkpoint; the name of one is all it has."""
    if source.size > 48 and source.read(source.size - 8, 8) == _TABLE_END:
        return _CHECKPOINT
    path = source.path
    name = None if path is None else re.fullmatch(r"(.+)\.data-\d{5}-of-\d{5}", path.name)
    if path is not None and name and path.with_name(f"{name[1]}.index").is_file():
        return _CHECKPOINT
    return ""


def _deflated(head: bytes, start: bytes) -> str:
    """Tell data of zlib and gzip, and look at how they begin."""
    if head.startswith(b"\x1f\x8b\x08"):
        kind, remedy = "gzip", "gzip.open(path)"
    elif len(head) > 2 and head[0] == 0x78 and not (head[0] << 8 | head[1]) % 31:
        kind, remedy = "zlib", "zlib.decompress(data)"
    else:
        return ""
    try:
        inside = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(start, _PEEK)
    except zlib.error:
        return "" if kind == "zlib" else _compressed(kind, remedy)
    if inside[257:262] == b"ustar":
        return f"a tar archive, compressed by {kind}: extract it and pass the weight file in it"
    if b"joblib.numpy_pickle" in inside:
        return _compressed(f"{kind} with joblib.dump", remedy)
    return _compressed(kind, remedy)


def _text(start: bytes) -> str:
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    lower = text.lower()
    if lower.startswith((b"<!doctype html", b"<html")):
        return "an HTML page, not a weight file: perhaps what a server sent instead of the download"
    if lower.startswith((b"<?xml", b"<net ")):
        if b"<net " in text:
            return (
                "a model description of OpenVINO (.xml): pass the torch, ONNX or Keras file that "
                "it was made from"
            )
        return "an XML document, not a weight file"
    if re.match(rb'\{\s*("[^"\\]*"\s*:|\})|\[\s*[\[{"\]]', text) and text.isascii():
        return "JSON text, not a weight file: a configuration, or an index of files beside it"
    return ""


# Protocol buffers and MessagePack ---------------------------------------------------------------


class _Field(NamedTuple):
    """A field of a message of protocol buffers."""

    number: int
    kind: int
    start: int
    stop: int


def _message(source: Source, head: bytes) -> str:
    """Tell the models of TensorFlow and Core ML."""
    if not head.startswith((b"\x08", b"\x0a")):
        return ""
    fields = list(_fields(source, 0, source.size))
    numbers = [field.number for field in fields]
    if head.startswith(b"\x0a"):
        return f"a TensorFlow graph (GraphDef): {_TENSORFLOW}" if _is_graph(source, fields) else ""
    if 7 in numbers:  # ONNX's graph
        return ""
    if any(number in _CORE_ML_MODELS for number in numbers[1:]) and set(numbers) & {2}:
        return _CORE_ML
    # A SavedModel is its version and its graphs, each with facts about itself in front.
    if len(numbers) > 1 and numbers[0] == 1 and set(numbers[1:]) == {2}:
        inner = [field.number for field in _fields(source, fields[1].start, fields[1].stop)]
        if inner[:2] == [1, 2]:
            return _SAVED_MODEL
    return ""


def _is_graph(source: Source, fields: list[_Field]) -> bool:
    """Tell whether a message is a graph of nodes that have a name and an operator."""
    if not fields or (fields[0].number, fields[0].kind) != (1, 2):
        return False
    inner = list(_fields(source, fields[0].start, fields[0].stop))
    texts = [source.read(field.start, min(100, field.stop - field.start)) for field in inner[:2]]
    return (
        [(field.number, field.kind) for field in inner[:2]] == [(1, 2), (2, 2)]
        and re.fullmatch(rb"[A-Za-z0-9.][\w.\\/>-]*", texts[0]) is not None
        and re.fullmatch(rb"_?[A-Z]\w*", texts[1]) is not None
    )


def _fields(source: Source, start: int, stop: int) -> Iterator[_Field]:
    """Yield the first fields of a message, as long as they are well-formed."""
    for _ in range(_MOST_FIELDS):
        if start >= stop:
            return
        piece = source.read(start, min(20, stop - start))
        tag, at = _varint(piece, 0)
        number, kind = tag >> 3, tag & 7
        if at == 0 or number == 0 or kind not in (0, 1, 2, 5):
            return
        value, after = _varint(piece, at)
        size = {0: 0, 1: 8, 2: value, 5: 4}[kind]
        start += at if kind in (1, 5) else after
        if (kind in (0, 2) and after == 0) or start + size > stop:
            return
        yield _Field(number, kind, start, start + size)
        start += size


def _varint(piece: bytes, at: int) -> tuple[int, int]:
    """Return the number at some byte, and where the next begins; 0 if it does not end."""
    number = 0
    for index, byte in enumerate(piece[at : at + 10]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, at + index + 1
    return 0, 0


def _flax(start: bytes) -> str:
    """Tell Flax's MessagePack: mappings of names in each other, down to the first array."""
    # A mapping, then a text whose length is in the same byte or in the next.
    entry = re.compile(rb"(?:[\x81-\x8f]|\xde..)(?:([\xa1-\xbf])|\xd9(.))", re.DOTALL)
    array = re.compile(rb"(?:\xc7.|\xc8..|\xc9....)\x01", re.DOTALL)  # an extension of kind 1
    at = 0
    while match := entry.match(start, at):
        at = match.end() + (match[2][0] if match[1] is None else match[1][0] & 0x1F)
    if at and array.match(start, at):
        return (
            "a file of flax.serialization: flax.serialization.msgpack_restore(data) gives its "
            "arrays, which numpy.savez saves"
        )
    return ""
