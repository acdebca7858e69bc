"""Functions of torch.nn.functional for NumPy arrays: arrays in, new arrays out.

They take what NumPy makes arrays of. float32 and float64 stay what they are; whole numbers are
computed in float32 where torch has no result for them. Only the names in ``__all__`` are there.

>>> import pylstm.functional as F
>>> F.softmax([0.0, 0.0], dim=0).tolist()
[0.5, 0.5]
"""

from typing import TYPE_CHECKING, NoReturn

from .activations import (
    elu,
    gelu,
    hardsigmoid,
    leaky_relu,
    log_softmax,
    relu,
    sigmoid,
    silu,
    softmax,
    tanh,
)
from .conv import conv1d
from .linear import linear
from .normalization import batch_norm, layer_norm
from .padding import one_hot, pad
from .pooling import avg_pool1d, max_pool1d
from .sparse import dropout, embedding

__all__ = [
    "avg_pool1d",
    "batch_norm",
    "conv1d",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "hardsigmoid",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool1d",
    "one_hot",
    "pad",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
]


# Where users find them: pickles name that place.
for _name in __all__:
    globals()[_name].__module__ = "pylstm.functional"


def _absent(name: str) -> NoReturn:
    from ..arguments.absent import no_attribute  # only mistakes need it

    no_attribute(__name__, name, __all__)


if not TYPE_CHECKING:  # a checker would take it for a promise that there is every name
    __getattr__ = _absent


def __dir__() -> list[str]:
    return sorted(__all__)
