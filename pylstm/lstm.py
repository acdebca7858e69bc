"""The name in pickles of earlier versions; see :mod:`pylstm.modules.rnn` and ``cells``."""

from .modules.cells import LSTMCell
from .modules.rnn import LSTM

__all__ = ["LSTM", "LSTMCell"]
