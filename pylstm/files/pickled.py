"""Plain pickles: NumPy arrays in any containers, and torch's tensors without ``torch.save``."""

from __future__ import annotations

from typing import Any

from . import torch_legacy
from .source import Segment, Source
from .tensor import Make, Storage
from .unpickle import Budget, unpickle

# Protocols 2 to 5 say so in their first two bytes; what the older ones begin with is also the
# beginning of many a text, but that does not end with their last opcode.
_PROTO = 0x80
_HIGHEST_PROTOCOL = 5
_OLD_BEGINNINGS = b"(])}cGIJKLMNSTUVX"
_STOP = b"."


def recognises(source: Source) -> bool:
    """Return whether the content looks like a pickle."""
    head = source.read(0, min(source.size, 2))
    if len(head) < 2:
        return False
    if head[0] == _PROTO:
        return head[1] <= _HIGHEST_PROTOCOL
    return head[0] in _OLD_BEGINNINGS and source.read(source.size - 1, 1) == _STOP


def read(source: Source, make: Make) -> Any:
    """Return the tree of the file: the first pickle in it, as Python's own reader does."""

    def load_storage(content: Segment) -> Any:
        storage = torch_legacy.read_content(content, make)
        if not isinstance(storage, Storage):
            raise source.error("", "a file within the pickle holds something else than a storage")
        return storage

    tree, _ = unpickle(
        Segment(source, 0, source.size, ""),
        file=source.name,
        make=make,
        budget=Budget(source.size),
        load_storage=load_storage,
    )
    return tree
