"""torch's zip archives: those of ``torch.save`` and of ``torch.jit.save``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .tensor import Make
    from .zip_archive import ZipArchive


def read_archive(archive: ZipArchive, top: str, make: Make) -> tuple[str, Any]:
    """Return the format and the tree of an archive whose entries lie in the folder ``top``."""
    raise archive.source.error("", "torch's zip archives come next")
