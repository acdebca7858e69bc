"""ONNX models: their LSTM nodes, with weights as torch lays them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .extras import Leaves, answering_for, in_memory, library
from .onnx_constants import Constants, Scope, is_standard
from .record import Record, RecurrentLayer, Unsupported
from .source import Source
from .tensor import Make, Tensor

if TYPE_CHECKING:
    from .tensor import Array

# ONNX orders the gates i, o, f, c and torch i, f, c, o.
_GATES = [0, 2, 3, 1]

# Other nodes that a reader may look for.
_NEAR_MISSES = {
    "GRU": "it has the gates of a GRU",
    "RNN": "it has no gates",
    "DynamicQuantizeLSTM": "its weights are quantised; take the model from before that",
}

_W, _R, _B, _P = 1, 2, 3, 7  # positions among the inputs
_ROLES = {_W: "W", _R: "R", _B: "B"}


def read(source: Source, make: Make) -> dict[str, Any]:
    """Return the LSTM nodes of a model by name.

    Parameters
    ----------
    source : Source
    make : callable
        Called with each weight.

    Returns
    -------
    dict of str to Record or Unsupported
        Each a module of one layer: exporters write one node for every layer of a torch LSTM.
        Nodes in the graphs of other nodes and in functions have the names of those in front.

    Raises
    ------
    ImportError
        Without the package ``onnx``.
    """
    onnx = library("onnx", "onnx", "ONNX")
    with answering_for("onnx", source):
        # Not onnx.load, which would open whatever other files the model names.
        model = onnx.ModelProto.FromString(source.read(0, source.size))
        if not model.HasField("graph"):
            raise source.error("", "an ONNX file without a graph")
        producer = f"{model.producer_name} {model.producer_version}".strip()
        source.metadata.update({"producer": producer} if producer else {})
        constants = Constants(source, model)
        try:
            return _Nodes(source, constants, make).read()
        finally:
            constants.close()


class _Nodes:
    """The LSTM nodes of a model."""

    def __init__(self, source: Source, constants: Constants, make: Make) -> None:
        self._source = source
        self._constants = constants
        self._make = make
        # By the identity of the array: many nodes may share their weights.
        self._tensors: dict[tuple[int, int], list[dict[str, Tensor]]] = {}

    def read(self) -> dict[str, Any]:
        found = []
        for scope in self._constants.scopes:
            for index, node in enumerate(scope.nodes):
                if node.op_type in _NEAR_MISSES or (node.op_type == "LSTM" and is_standard(node)):
                    found.append((self._constants.path(scope, index), scope, node))
                    scope.needed.update(_inputs(node).values())
        self._constants.evaluate()
        leaves = Leaves()
        for path, scope, node in found:
            leaves.add(path, self._leaf(path, scope, node))
        return leaves.tree

    def _leaf(self, path: str, scope: Scope, node: Any) -> Record | Unsupported:
        kind = f"ONNX {node.op_type} node"
        if node.op_type != "LSTM":
            return Unsupported(kind, _NEAR_MISSES[node.op_type])
        reasons = _unsupported(node)
        weights: dict[int, Array] = {}
        for position, name in _inputs(node).items():
            value = scope.values.get(name, "is computed when the model runs")
            if isinstance(value, str):
                reasons.append(f"its input {_ROLES[position]} {value}")
            else:
                weights[position] = value
        reasons = reasons or _misshapen(node, weights)
        if reasons:
            return Unsupported(kind, "; ".join(reasons))
        # A node of some bytes becomes a record and tensors, though nodes may share their weights.
        self._source.count(2 + 2 * len(weights) * len(weights[_W]), "LSTM nodes")
        parameters: dict[str, Any] = {}
        for direction, suffix in enumerate(("_l0", "_l0_reverse")[: len(weights[_W])]):
            for position, array in weights.items():
                for name, tensor in self._torch_tensors(path, position, array)[direction].items():
                    parameters[name + suffix] = self._make(tensor)
        state = {"batch_first": _integer(node, "layout") == 1, "_parameters": parameters}
        return RecurrentLayer("onnx.LSTM", state)

    def _torch_tensors(self, path: str, position: int, array: Array) -> list[dict[str, Tensor]]:
        """Return for every direction what torch makes of one input."""
        key = (id(array), position)
        if key not in self._tensors:
            names = {_W: ["weight_ih"], _R: ["weight_hh"], _B: ["bias_ih", "bias_hh"]}[position]
            self._tensors[key] = [
                {
                    name: in_memory(self._source, f"{path}: {name}", _reordered(part))
                    for name, part in zip(names, np.split(rows, len(names)), strict=True)
                }
                for rows in array
            ]
        return self._tensors[key]


def _inputs(node: Any) -> dict[int, str]:
    """Return the names of the weights that a node has, by position."""
    return {
        position: node.input[position]
        for position in _ROLES
        if position < len(node.input) and node.input[position]
    }


def _reordered(rows: Array) -> Array:
    """Put the gates, which are blocks of the first axis, into torch's order."""
    return np.concatenate([np.split(rows, 4)[gate] for gate in _GATES])


def _integer(node: Any, name: str) -> int:
    return next((int(each.i) for each in node.attribute if each.name == name), 0)


def _unsupported(node: Any) -> list[str]:
    """Say what a node does that torch's LSTM does not."""
    reasons = []
    if len(node.input) > _P and node.input[_P]:
        reasons.append("it has peepholes (input P)")
    for attribute in node.attribute:
        name = attribute.name
        if attribute.ref_attr_name:
            reasons.append(f"its {name} is left to the caller of its function")
        elif name == "direction" and attribute.s not in (b"forward", b"bidirectional"):
            text = attribute.s[:20].decode("utf-8", "replace")
            reasons.append(f"its direction is {text!r}: torch has no LSTM that only runs so")
        elif name == "clip":
            reasons.append(f"it clips the sums of its gates (clip={attribute.f:g})")
        elif name == "input_forget" and attribute.i:
            reasons.append("its input and forget gates are coupled (input_forget=1)")
        elif name == "activations":
            names = [each[:40].decode("utf-8", "replace") for each in attribute.strings[:6]]
            if [each.lower() for each in names] != ["sigmoid", "tanh", "tanh"] * (len(names) // 3):
                reasons.append(f"its activations are {', '.join(names)}, not Sigmoid, Tanh, Tanh")
    return reasons


def _misshapen(node: Any, weights: dict[int, Array]) -> list[str]:
    """Say what is wrong with the shapes and dtypes of a node's weights."""
    for position in (_W, _R):
        if position not in weights:
            return [f"it has no input {_ROLES[position]}"]
    dtypes = {array.dtype.name for array in weights.values()}
    if len(dtypes) > 1 or dtypes & {"int32", "int64"}:
        return [f"its weights are of dtype {', '.join(sorted(dtypes))}"]
    attributes = {each.name: each.s for each in node.attribute}
    directions = 2 if attributes.get("direction") == b"bidirectional" else 1
    shapes = {_ROLES[position]: array.shape for position, array in weights.items()}
    hidden = shapes["R"][-1] if shapes["R"] else 0
    columns = shapes["W"][-1] if shapes["W"] else 0
    fitting = {
        "W": (directions, 4 * hidden, columns),
        "R": (directions, 4 * hidden, hidden),
        "B": (directions, 8 * hidden),
    }
    if any(shape != fitting[role] for role, shape in shapes.items()):
        told = ", ".join(f"{role} {shape}" for role, shape in shapes.items())
        return [f"the shapes of its weights do not fit: {told}"]
    if _integer(node, "hidden_size") not in (0, hidden):
        return [f"its hidden_size is not {hidden}, as its weights say"]
    return []
