"""Plain pickles: NumPy arrays in any containers, and torch's tensors without ``torch.save``."""

from __future__ import annotations

from typing import Any

from . import torch_legacy
from .source import Segment, Source
from .tensor import Make, Storage
from .unpickle import Budget, unpickle


def read(source: Source, make: Make) -> Any:
    """Return the tree of the file: the first pickle in it, as Python's own reader does."""

    def load_storage(content: Segment) -> Any:
        storage = torch_legacy.read_content(content, make, keep_storages=True)
        if not isinstance(storage, Storage):
            raise source.error("", "a file within the pickle holds something else than a storage")
        return storage

    tree, _ = unpickle(
        Segment(source, 0, source.size, ""),
        file=source.name,
        make=make,
        budget=Budget(source.size, source.shares),
        load_storage=load_storage,
    )
    return tree
