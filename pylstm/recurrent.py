"""The name in pickles of earlier versions; see :mod:`pylstm.weights.infer`."""

from .weights.infer import FoundLSTM

__all__ = ["FoundLSTM"]
