"""torch's zip archives: those of ``torch.save`` and of ``torch.jit.save``.

Both hold a pickle ``data.pkl`` whose tensors refer to raw bytes in entries of their own. All
entries lie in one folder of any name. TorchScript adds ``constants.pkl`` and the source of its
classes, of which only the values of constants are read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from ..base.record import Record
from ..base.tensor import Storage
from ..unpickle import Budget, storage_id, unpickle
from .torchscript import add_constants, name_frozen

if TYPE_CHECKING:
    from ..base.tensor import Bytes, Make
    from ..base.zip_archive import ZipArchive

# What all entries that hold no tensors may inflate to beyond the size of the archive. torch
# stores its pickles; they are deflated only where another program has packed the archive again.
_SPARE_BYTES = 8 << 20


def read_archive(archive: ZipArchive, top: str, make: Make) -> tuple[str, Any]:
    """Return the format and the tree of an archive whose entries lie in the folder ``top``."""
    folder = _Folder(archive, top, make)
    tree = folder.unpickled("data.pkl", "data")
    if "constants.pkl" not in folder:
        return "torch", tree
    constants = folder.unpickled("constants.pkl", "constants")
    if type(constants) is not tuple:
        raise archive.source.error(f"{top}/constants.pkl", "holds no tuple")
    if constants and isinstance(tree, Record) and isinstance(tree.state, dict):
        # As the code of the classes calls them.
        named = {f"c{index}": value for index, value in enumerate(constants)}
        tree.state.setdefault("CONSTANTS", named)
    add_constants(tree, folder.text, archive.source.name)
    if any(hasattr(constant, "shape") for constant in constants):
        name_frozen(tree, folder.text, archive.source.name)
    return "TorchScript", tree


class _Folder:
    """The entries of an archive below its one folder, and the tensors in them."""

    def __init__(self, archive: ZipArchive, top: str, make: Make) -> None:
        self._archive = archive
        self._source = archive.source
        self._top = top
        self._make = make
        self._left = self._source.size + _SPARE_BYTES // self._source.shares
        self._byteorder = self._read_byteorder()
        self._budget = Budget(self._source.size, self._source.shares)
        self._contents: dict[str, Bytes] = {}
        self._storages: dict[tuple[str, str], Storage] = {}

    def __contains__(self, name: str) -> bool:
        return f"{self._top}/{name}" in self._archive.entries

    def unpickled(self, name: str, folder: str) -> Any:
        """Return the tree of a pickle whose tensors lie in ``folder``."""
        tree, _ = unpickle(
            self.small(name),
            file=self._source.name,
            make=self._make,
            budget=self._budget,
            persistent=self._persistent(name, folder),
        )
        return tree

    def small(self, name: str) -> Bytes:
        """Return the content of an entry that holds no tensor."""
        content = self._archive.open(f"{self._top}/{name}")
        self._left -= content.size
        if self._left < 0:
            raise self._source.error(content.record, "is too large for an archive of this size")
        return content

    def text(self, name: str) -> bytes:
        """Return what an entry without tensors holds, nothing if there is no such entry."""
        if name not in self:
            return b""
        content = self.small(name)
        text = bytearray(content.size)
        content.readinto(0, memoryview(text))
        return bytes(text)

    def _read_byteorder(self) -> Literal["<", ">"]:
        if "byteorder" not in self:
            return "<"  # torch wrote none before its release 2.1
        content = self.small("byteorder")
        text = bytearray(min(content.size, 16))
        content.readinto(0, memoryview(text))
        if bytes(text) not in (b"little", b"big"):
            raise self._source.error(content.record, f"is {bytes(text)!r}, not little or big")
        self._source.metadata["byteorder"] = text.decode()
        return "<" if text == b"little" else ">"

    def _persistent(self, pickle: str, folder: str) -> Callable[[Any], Storage]:
        """Return what turns the persistent ids of a pickle into storages."""

        def storage(persistent_id: Any) -> Storage:
            described = storage_id(persistent_id)
            if described is None or described.view is not None:
                raise self._source.error(
                    f"{self._top}/{pickle}", "a persistent id that is not one of a storage"
                )
            return self._storage(
                f"{self._top}/{folder}/{described.key}", described.dtype, described.numel
            )

        return storage

    def _storage(self, name: str, dtype: str, numel: int) -> Storage:
        """Return the storage in an entry: the same one, however often it is asked for."""
        storage = self._storages.get((name, dtype))
        if storage is None:
            content = self._contents.get(name)
            if content is None:
                content = self._contents[name] = self._archive.open(name)
            storage = Storage(self._source.name, content, dtype, self._byteorder)
            self._storages[name, dtype] = storage
        if storage.numel != numel:
            raise self._source.error(
                name,
                f"has {storage.content.size} bytes, not those of {numel} elements of {dtype}",
            )
        return storage
