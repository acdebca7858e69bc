"""What PaddlePaddle's files hold and do not say.

bfloat16 are bit patterns in arrays of uint16. An LSTM is batch first unless its program says
``time_major=True``, of which there is no trace in a ``.pdparams`` file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .tensor import Make, Storage, Tensor

# paddle.save puts this table into every state_dict: the name that each value has in the program.
_NAMES = "StructuredToParameterName@@"

# What is assumed of its LSTMs: the default of PaddlePaddle, which is not that of torch.
ASSUMED = {"batch_first": True}


def is_state_dict(tree: Any) -> bool:
    """Tell whether PaddlePaddle wrote a mapping: arrays of uint16, which it lacks, are bfloat16."""
    return isinstance(tree, Mapping) and isinstance(tree.get(_NAMES), Mapping)


class Bits:
    """A ``Make`` that has another one make tensors of bfloat16 of those of uint16.

    Parameters
    ----------
    make : Make
    """

    def __init__(self, make: Make) -> None:
        self._make = make
        # One for each storage, so that tensors that share memory go on sharing it.
        self._storages: dict[Storage, Storage] = {}

    def __call__(self, tensor: Tensor) -> Any:
        old = tensor.storage
        if old.dtype != "uint16":
            return self._make(tensor)
        if old not in self._storages:
            self._storages[old] = Storage(old.file, old.content, "bfloat16", old.byteorder)
        return self._make(Tensor(self._storages[old], tensor.shape, tensor.strides, tensor.offset))
