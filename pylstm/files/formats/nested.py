"""Zip archives with weight files inside: stable-baselines3's, and one that was packed again.

Of several files the names, without their suffixes, are the keys of the tree. Archives inside those
files are not looked into.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..base.inner import InnerSource
from ..base.zip_archive import DEFLATED

if TYPE_CHECKING:
    from ..base.source import Source
    from ..base.tensor import Make
    from ..base.zip_archive import ZipArchive

    Read = Callable[[Source, Make], tuple[str, Any]]

_READ = (".pt", ".pth", ".ckpt", ".safetensors")
_NOT_READ = (".onnx", ".h5", ".keras", ".npz", ".npy", ".tflite", ".pb")
_FORMATS = ("torch", "TorchScript", "torch legacy", "safetensors")
# Of torch.export, in layouts that are not read.
_EXPORTED = ("serialized_exported_program.json", "/archive_format")
# Resource forks that macOS packs beside the files.
_FORKS = "__MACOSX/"
_MOST_FILES = 16
# Deflated weights hardly become shorter; what inflates to more is held in memory while it is read.
_MOST_EXPANSION, _SPARE_BYTES = 2, 16 << 20


def files_in(archive: ZipArchive) -> list[str]:
    """Return the weight files in an archive; none where it may be of another kind."""
    names = [name for name in archive.entries if not name.startswith(_FORKS)]
    if any(name.endswith(_NOT_READ) or ".index." in name for name in names):
        return []
    if any(name.endswith(_EXPORTED) for name in names):
        return []
    found = [name for name in names if name.endswith(_READ)]
    return found if len(found) <= _MOST_FILES else []


def read(archive: ZipArchive, names: list[str], make: Make, read_one: Read) -> tuple[str, Any]:
    """Return the formats and the tree of the weight files in an archive.

    Parameters
    ----------
    archive : ZipArchive
    names : list of str
        Those of :func:`files_in`.
    make : Make
    read_one : callable
        Takes the source of a file, and ``make``; returns its format and tree.
    """
    source = archive.source
    packed = [archive.entries[name] for name in names]
    inflated = sum(entry.size for entry in packed if entry.method == DEFLATED)
    if inflated > _MOST_EXPANSION * source.size + _SPARE_BYTES:
        reason = f"the weight files in it inflate to {inflated} bytes: extract it and pass one"
        raise source.error("", reason)
    formats: dict[str, None] = {}
    tree: dict[str, Any] = {}
    for name in names:
        inner = InnerSource(source, archive.open(name), len(names))
        format, value = read_one(inner, make)
        if format not in _FORMATS:
            raise source.error(name, f"is a file of format {format}: extract it and pass that file")
        key = name.rpartition(".")[0]
        if key in tree:
            raise source.error(name, "another file in the archive has its name but for the suffix")
        formats[format], tree[key] = None, value
        source.metadata |= {} if len(names) > 1 else inner.metadata
        for lost, reason in inner.unreadable.items():
            source.unreadable[f"{key}.{lost}" if len(names) > 1 else lost] = reason
    told = f"zip of {', '.join(formats)}"
    return told, tree if len(names) > 1 else next(iter(tree.values()))
