"""The name in pickles of earlier versions; see :mod:`pylstm.modules.rnn`."""

from .modules.rnn import LSTM, LSTMCell

__all__ = ["LSTM", "LSTMCell"]
