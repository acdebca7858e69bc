"""Opening a weight file of any kind: the format is told from the content, never the suffix."""

from __future__ import annotations

import os
import re
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

from .base.errors import WeightFileError
from .base.source import Source, open_source
from .base.tensor import Make
from .base.zip_archive import ZipArchive
from .formats import exported, nested, npy, shards, unsupported

# torch's files before release 1.6 begin with this number, pickled.
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C

# First opcodes that picklers of protocol 0 and 1 write; later ones start with PROTO.
_PICKLE_STARTS = b"\x80(])}clIJKMLFGNSTUVX"

# ONNX's protocol buffer: field 1, the version of its format, then the tag of field 2 to 8 or 14.
_ONNX = re.compile(rb"\x08[\x01-\x7f][\x12\x1a\x22\x28\x32\x3a\x42\x72]")

# What libraries cut into several files.
_SHARDED = ("safetensors", "torch", "torch legacy", "pickle")


# An object of JSON that is empty or whose first key is a text, as that of an index of shards.
_JSON_OBJECT = re.compile(rb"\s*\{\s*(?:[\"}]|\Z)")


class WeightFile:
    """An open weight file and what it holds. Use :func:`open_weights` to make one.

    Attributes
    ----------
    name : str
        The file, for messages.
    size : int
        Bytes, of all files that belong to it.
    format : str
        ``"torch"``, ``"TorchScript"``, ``"torch legacy"``, ``"safetensors"``, ``"npz"``,
        ``"npy"``, ``"pickle"``, ``"skops"``, ``"ONNX"``, ``"Keras"``, ``"torch.export"`` or
        ``"torch.distributed"``; of
        several files, theirs; of files in an archive ``"zip of torch"``.
    tree : object
        Plain containers; the leaves are what ``make`` returned for each tensor.
    metadata : dict of str to str
        What else the file says about itself, for people to read.
    paths : list of Path
        Where it is, and what belongs to it, if it was opened by its path.
    arrays, unreadable : dict
        What the tree has in another layout, or not at all: as in
        :class:`~pylstm.files.base.source.Source`.
    """

    def __init__(self, source: Source, format: str, tree: Any) -> None:
        self._source = source
        self.name = source.name
        files = (source, *source.beside)
        self.size = sum(each.size for each in files)
        self.format = format
        self.tree = tree
        self.metadata = source.metadata
        self.paths = [each.path for each in files if each.path is not None]
        self.arrays = source.arrays
        self.unreadable = source.unreadable

    def __enter__(self) -> WeightFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<WeightFile {self.name}: {self.format}>"

    def close(self) -> None:
        """Close the file; tensors that were not read yet can no longer be."""
        self._source.close()


def _described(tensor: Any) -> Any:
    return tensor


def open_weights(source: Any, make: Make = _described) -> WeightFile:
    """Open a weight file of any format and read everything but its tensors.

    Parameters
    ----------
    source : str, os.PathLike, bytes, bytearray, memoryview or binary file object
        A path may also be that of a folder with an index of shards or the one file of a model, of
        the index, or of a shard beside it.
    make : callable, optional
        Called with each :class:`~pylstm.files.base.tensor.Tensor`; what it returns stands in
        the tree. By default the tensor itself, which reads only its own bytes, while the file is
        open.

    Returns
    -------
    WeightFile

    Raises
    ------
    WeightFileError
        If the content is damaged or of no format that pylstm reads.
    OSError
        If the file cannot be opened.
    """
    opened = _open_one(source)
    try:
        format, tree = _read(opened, make)
        return WeightFile(opened, format, tree)
    except MemoryError:
        opened.close()
        raise opened.error("", "there is not enough memory to read it") from None
    except BaseException:
        opened.close()
        raise


def _open_one(source: Any) -> Source:
    """Open the file to begin with: of several the one that names the others."""
    if isinstance(source, (str, os.PathLike)):
        path = Path(os.fsdecode(source))
        located = shards.locate(path)
        if located != path:
            opened = open_source(located)
            opened.name = str(path)
            return opened
    elif isinstance(getattr(source, "name", None), str):
        shards.refuse_lone(source.name)
    return open_source(source)


def _read_shard(source: Source, make: Make) -> tuple[str, Any]:
    """Like :func:`_read`, of a file that an index names."""
    if _is_json(source.read(0, min(source.size, 32))):
        raise source.error("", "is JSON, as an index of shards is, and no shard")
    format, tree = _read(source, make)
    if format not in _SHARDED:
        raise source.error("", f"is a file of format {format}, of which there are no shards")
    return format, tree


def _read(source: Source, make: Make, *, is_inner: bool = False) -> tuple[str, Any]:
    """Return the format and the tree."""
    head = source.read(0, min(source.size, 32))
    if _is_json(head):
        return shards.read(source, make, _read_shard)
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return _read_zip(source, make, is_inner)
    format, module = _recognised(source, head)
    # A reader is imported when a file needs it.
    return format, import_module(f".formats.{module}", __package__).read(source, make)


def _is_json(head: bytes) -> bool:
    """Tell an object of JSON by its beginning; the length of a header may look like a brace."""
    return _JSON_OBJECT.match(head) is not None and b"\0" not in head


def _recognised(source: Source, head: bytes) -> tuple[str, str]:
    """Return the format of a file that is no zip archive, and the module that reads it."""
    if head.startswith(b"\x93NUMPY"):
        return "npy", "npy"
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "Keras", "keras"
    # The upper half of the header's length, and the header's first byte.
    if head[4:9] == b"\0\0\0\0{":
        return "safetensors", "safetensors"
    if _TORCH_MAGIC.to_bytes(10, "little") in head or str(_TORCH_MAGIC).encode() in head:
        return "torch legacy", "torch_legacy"
    if unsupported.is_distributed(source):
        return "torch.distributed", "distributed"
    told = unsupported.named(source, head)
    if told:
        raise source.error("", told)
    if _ONNX.match(head):
        return "ONNX", "onnx"
    if head and head[0] in _PICKLE_STARTS:
        return "pickle", "pickled"
    if not head:
        raise source.error("", "the file is empty")
    raise source.error("", f"not a weight file that pylstm reads; it starts with {head[:8]!r}")


def _read_inner(source: Source, make: Make) -> tuple[str, Any]:
    """Like :func:`_read`, of a file in an archive, which is no archive of others itself."""
    shard = shards.shard_of(source.name)
    if shard is not None:
        told = "is one shard of several: extract the archive and pass the folder"
        raise source.error("", told)
    if _is_json(source.read(0, min(source.size, 32))):
        raise source.error("", "is JSON, and no weight file")
    return _read(source, make, is_inner=True)


def _read_zip(source: Source, make: Make, is_inner: bool) -> tuple[str, Any]:
    try:
        archive = ZipArchive(source)
    except WeightFileError:
        told = unsupported.torch_archives(source)
        if told:
            raise source.error("", told) from None
        raise
    names = archive.entries
    top = next(iter(names), "").partition("/")[0]
    if f"{top}/data.pkl" in names:
        from .formats import torch_zip

        return torch_zip.read_archive(archive, top, make)
    if "model.weights.h5" in names:
        return "Keras", import_module(".formats.keras", __package__).read(source, make)
    if "schema.json" in names:
        return "skops", import_module(".formats.skops", __package__).read(archive, make)
    if tables := exported.tables_in(archive):
        return "torch.export", exported.read(archive, tables, make)
    if not names or any(name.endswith(npy.SUFFIX) for name in names):
        return "npz", npy.read_npz(archive, make)
    if not is_inner and (inside := nested.files_in(archive)):
        return nested.read(archive, inside, make, _read_inner)
    told = unsupported.archive(list(names)) or (
        "a zip archive, but neither of torch (it has no data.pkl) nor of NumPy (no .npy): its "
        f"first entry is {next(iter(names))[:100]!r}"
    )
    raise source.error("", told)
