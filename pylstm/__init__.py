"""torch.nn's LSTM, GRU, RNN and their cells for NumPy arrays.

>>> import numpy as np
>>> import pylstm as nn
>>> lstm = nn.LSTM(input_size=100, hidden_size=20, num_layers=4)
>>> output, (h_n, c_n) = lstm(np.random.rand(10, 3, 100))
>>> output.shape
(10, 3, 20)
"""

from typing import TYPE_CHECKING

try:
    from . import _core
    from ._core import Stream, get_num_threads, set_num_threads
    from ._version import __version__
    from .modules.cells import GRUCell, LSTMCell, RNNCell
    from .modules.module import Module
    from .modules.rnn import GRU, LSTM, RNN
    from .modules.trace import Trace
    from .runtime.generator import get_rng_state, initial_seed, manual_seed, set_rng_state
    from .runtime.threadpools import announce as _announce
except ImportError as _error:
    from .runtime.uncompiled import explain as _explain

    _explain(_error)
    raise

if TYPE_CHECKING:
    from . import functional, plot, utils
    from .files.base.errors import WeightFileError, WeightFileWarning
    from .files.load import load
    from .files.write.save import save
    from .modules.activation import (
        ELU,
        GELU,
        Hardsigmoid,
        LeakyReLU,
        LogSoftmax,
        ReLU,
        Sigmoid,
        SiLU,
        Softmax,
        Tanh,
    )
    from .modules.compress import compress
    from .modules.container import ModuleDict, ModuleList, Sequential
    from .modules.conv import Conv1d
    from .modules.dropout import Dropout
    from .modules.flatten import Flatten, Identity
    from .modules.linear import Linear
    from .modules.normalization import BatchNorm1d, LayerNorm
    from .modules.parameter import Parameter
    from .modules.pooling import AvgPool1d, MaxPool1d
    from .modules.sparse import Embedding
    from .modules.streams import FrameStream
    from .runtime.config import show_config
    from .weights.find import FoundLSTM, FoundRecurrent, find_lstms, find_recurrent

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "AvgPool1d",
    "BatchNorm1d",
    "Conv1d",
    "Dropout",
    "Embedding",
    "Flatten",
    "FoundLSTM",
    "FoundRecurrent",
    "FrameStream",
    "GRUCell",
    "Hardsigmoid",
    "Identity",
    "LSTMCell",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MaxPool1d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "RNNCell",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Stream",
    "Tanh",
    "Trace",
    "WeightFileError",
    "WeightFileWarning",
    "__version__",
    "compress",
    "find_lstms",
    "find_recurrent",
    "functional",
    "get_num_threads",
    "get_rng_state",
    "initial_seed",
    "load",
    "manual_seed",
    "plot",
    "save",
    "set_num_threads",
    "set_rng_state",
    "show_config",
    "utils",
]

_announce(_core)

# Public names that many programs never use, and the modules that are imported when they do.
_LAZY = {
    "AvgPool1d": ".modules.pooling",
    "BatchNorm1d": ".modules.normalization",
    "Conv1d": ".modules.conv",
    "Dropout": ".modules.dropout",
    "ELU": ".modules.activation",
    "Embedding": ".modules.sparse",
    "Flatten": ".modules.flatten",
    "FoundLSTM": ".weights.find",
    "FoundRecurrent": ".weights.find",
    "FrameStream": ".modules.streams",
    "GELU": ".modules.activation",
    "Hardsigmoid": ".modules.activation",
    "Identity": ".modules.flatten",
    "LayerNorm": ".modules.normalization",
    "LeakyReLU": ".modules.activation",
    "Linear": ".modules.linear",
    "LogSoftmax": ".modules.activation",
    "MaxPool1d": ".modules.pooling",
    "ModuleDict": ".modules.container",
    "ModuleList": ".modules.container",
    "Parameter": ".modules.parameter",
    "ReLU": ".modules.activation",
    "Sequential": ".modules.container",
    "SiLU": ".modules.activation",
    "Sigmoid": ".modules.activation",
    "Softmax": ".modules.activation",
    "Tanh": ".modules.activation",
    "WeightFileError": ".files.base.errors",
    "WeightFileWarning": ".files.base.errors",
    "compress": ".modules.compress",
    "find_lstms": ".weights.find",
    "find_recurrent": ".weights.find",
    "functional": ".functional",
    "load": ".files.load",
    "plot": ".plot",
    "save": ".files.write.save",
    "show_config": ".runtime.config",
    "utils": ".utils",
}


def _public_name(name: str) -> object:
    """Import what ``_LAZY`` names when it is first asked for."""
    from importlib import import_module

    if name not in _LAZY:
        if name.startswith("_"):  # what tools look for, which no user mistypes
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from .arguments.absent import no_attribute  # only mistakes need it

        no_attribute(__name__, name, __all__, import_module(".functional", __name__).__all__)
    module = import_module(_LAZY[name], __name__)
    value = module if _LAZY[name] == f".{name}" else getattr(module, name)
    globals()[name] = value
    return value


if not TYPE_CHECKING:  # a checker would take it for a promise that there is every name
    __getattr__ = _public_name


def __dir__() -> list[str]:
    return sorted(__all__)
