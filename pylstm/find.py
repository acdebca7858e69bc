"""The name in pickles of earlier versions; see :mod:`pylstm.weights.find`."""

from .weights.find import find_lstms

__all__ = ["find_lstms"]
