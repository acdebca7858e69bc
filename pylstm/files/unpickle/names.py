"""The closed table of names. Whatever is not in it stands for itself and does nothing."""

from __future__ import annotations

from typing import Any

from . import from_distributed, from_joblib, from_numpy, from_python, from_torch
from .context import Handler, Name, StorageType

HANDLERS: dict[str, Handler] = (
    from_python.HANDLERS
    | from_numpy.HANDLERS
    | from_torch.HANDLERS
    | from_distributed.HANDLERS
    | from_joblib.HANDLERS
)

# Modules that Python 2 knew by another name.
_RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg"}


def look_up(module: str, name: str) -> Any:
    """Return what ``module.name`` stands for: a string for torch's dtypes, else a :class:`Name`."""
    full = f"{_RENAMED.get(module, module)}.{name}"
    if full in from_torch.TEXTS:
        return full
    if full in from_torch.STORAGE_DTYPES:
        return StorageType(full, from_torch.STORAGE_DTYPES[full])
    return Name(full, HANDLERS.get(full))
