"""The name in pickles of earlier versions; see :mod:`pylstm.files.base.named`."""

from .base.named import NamedArrays

__all__ = ["NamedArrays"]
