"""Plain pickles: NumPy arrays in any containers, and torch's tensors without ``torch.save``."""

from __future__ import annotations

from typing import Any

from ..base import paddle
from ..base.source import Segment, Source
from ..base.tensor import Make, Storage
from ..unpickle import Budget, unpickle
from . import torch_legacy


def read(source: Source, make: Make) -> Any:
    """Return the tree of the file: the first pickle in it, as Python's own reader does."""
    # One budget for both readings.
    budget = Budget(source.size, source.shares)
    tree = _unpickled(source, make, budget)
    if paddle.is_state_dict(tree):
        del tree
        tree = _unpickled(source, paddle.Bits(make), budget)
    return tree


def _unpickled(source: Source, make: Make, budget: Budget) -> Any:
    def load_storage(content: Segment) -> Any:
        storage = torch_legacy.read_content(content, make, keep_storages=True)
        if not isinstance(storage, Storage):
            raise source.error("", "a file within the pickle holds something else than a storage")
        return storage

    tree, _ = unpickle(
        Segment(source, 0, source.size, ""),
        file=source.name,
        make=make,
        budget=budget,
        load_storage=load_storage,
    )
    return tree
