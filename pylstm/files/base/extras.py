"""What the formats share that other packages read."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import WeightFileError
from .source import Segment, Source
from .tensor import Storage, Tensor

if TYPE_CHECKING:
    from .tensor import Array

_NATIVE: Any = "<" if sys.byteorder == "little" else ">"


def library(package: str, extra: str, format: str) -> Any:
    """Import the package that reads a format; what is missing is named in the ImportError."""
    try:
        return import_module(package)
    except ImportError as error:
        reason = f"reading {format} files needs {package}: pip install 'pylstm[{extra}]' ({error})"
        raise ImportError(reason, name=package) from error


@contextmanager
def answering_for(package: str, source: Source) -> Iterator[None]:
    """Turn whatever a package raises about a file into a WeightFileError.

    Which exceptions these are is documented nowhere, and changes from release to release.
    """
    try:
        yield
    except (WeightFileError, ImportError):
        raise
    except Exception as error:
        reason = f"{package} cannot read it: {type(error).__name__}: {str(error)[:200]}"
        raise source.error("", reason) from error


class Leaves:
    """The tree of a file that names its layers: no name is lost to a namesake.

    Attributes
    ----------
    tree : dict of str to object
    """

    def __init__(self) -> None:
        self.tree: dict[str, Any] = {}
        self._namesakes: Counter[str] = Counter()

    def add(self, name: str, leaf: Any) -> None:
        """Put a leaf under its name, with a number behind that if it is taken."""
        label = name
        while label in self.tree:
            self._namesakes[name] += 1
            label = f"{name}#{self._namesakes[name] + 1}"
        self.tree[label] = leaf


def in_memory(source: Source, record: str, array: Array) -> Tensor:
    """Describe an array as if it were read from a file."""
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    content = Segment(Source(source.name, raw), 0, raw.nbytes, record)
    return Tensor(Storage(source.name, content, array.dtype.name, _NATIVE), array.shape)
