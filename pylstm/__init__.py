"""torch.nn's LSTM and LSTMCell for NumPy arrays.

>>> import numpy as np
>>> import pylstm as nn
>>> lstm = nn.LSTM(input_size=100, hidden_size=20, num_layers=4)
>>> output, (h_n, c_n) = lstm(np.random.rand(10, 3, 100))
>>> output.shape
(10, 3, 20)
"""

from typing import TYPE_CHECKING

from . import _core
from ._core import get_num_threads, set_num_threads
from ._version import __version__
from .config import show_config
from .generator import get_rng_state, initial_seed, manual_seed, set_rng_state
from .lstm import LSTM, LSTMCell
from .module import Module
from .threadpools import announce as _announce

if TYPE_CHECKING:
    from . import utils

__all__ = [
    "LSTM",
    "LSTMCell",
    "Module",
    "__version__",
    "get_num_threads",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "set_num_threads",
    "set_rng_state",
    "show_config",
    "utils",
]

_announce(_core)


def __getattr__(name: str) -> object:
    """Import ``pylstm.utils`` when it is first asked for: many programs never do."""
    if name == "utils":
        from importlib import import_module

        return import_module(".utils", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), "utils"})
