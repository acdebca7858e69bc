"""The kinds of cells that are measured: what is not the same for each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Kind:
    """One kind of recurrent layer, in the names of torch and of ONNX.

    Attributes
    ----------
    layer : str
        Class of the layer, in torch and in pylstm. The cell's is that and ``Cell``.
    gates : int
        Blocks of rows of ``weight_ih``.
    states : int
        1 for h, 2 for h and c.
    options : dict
        Further arguments of layer and cell.
    operator : str
        ONNX's node.
    order : tuple of int
        torch's gates in the order of that node.
    attributes : dict
        Further attributes of that node; ``activations`` are those of one direction.
    """

    layer: str
    gates: int
    states: int
    operator: str
    order: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cell(self) -> str:
        return self.layer + "Cell"


RELU = {"nonlinearity": "relu"}

KINDS = {
    "lstm": Kind("LSTM", 4, 2, "LSTM", (0, 3, 1, 2)),
    "gru": Kind("GRU", 3, 1, "GRU", (1, 0, 2), attributes={"linear_before_reset": 1}),
    "rnn": Kind("RNN", 1, 1, "RNN", (0,), attributes={"activations": ["Tanh"]}),
    "rnn-relu": Kind("RNN", 1, 1, "RNN", (0,), RELU, {"activations": ["Relu"]}),
}
