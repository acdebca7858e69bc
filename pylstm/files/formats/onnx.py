"""ONNX models: their LSTM, GRU and RNN nodes, with weights as torch lays them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...weights.kinds import KINDS, LSTM, PEEPHOLE_GATES, Kind, kind_of, with_article
from ...weights.variants import Said, as_options, refused
from ..base.extras import Leaves
from ..base.protobuf import Parser
from ..base.record import Record, RecurrentLayer, Unsupported
from ..base.source import Source
from ..base.tensor import Make
from .onnx_attributes import attributes_of, direction_of, integer
from .onnx_constants import Constants
from .onnx_dynamic import Dynamic
from .onnx_messages import ModelProto
from .onnx_scopes import Place, Scope, Scopes, is_standard, locate
from .onnx_spelled import spelled_out
from .onnx_states import RUN_TIME, States
from .onnx_tensors import Tensors
from .onnx_weights import Weight, Weights

if TYPE_CHECKING:
    from ..base.tensor import Array

# The node that onnxruntime's quantiser makes of an LSTM, and others of such a name.
_DYNAMIC, _DYNAMIC_DOMAIN = f"DynamicQuantize{LSTM.mode}", "com.microsoft"
_QUANTISED = "its weights are quantised; take the model from before that"
_NEAR_MISSES = {f"DynamicQuantize{mode}": _QUANTISED for mode in KINDS}

# Positions among the inputs.
_X, _W, _R, _B, _LENGTHS, _H, _C, _P = range(8)
_ROLES = {_W: "W", _R: "R", _B: "B", _P: "P"}
_PARAMETERS = {_W: ["weight_ih"], _R: ["weight_hh"], _B: ["bias_ih", "bias_hh"]}
# ONNX has them in the order of its gates.
_PEEPHOLES = [f"weight_p{gate}" for gate in LSTM.onnx_gates if gate in PEEPHOLE_GATES]


def read(source: Source, make: Make) -> dict[str, Any]:
    """Return the recurrent nodes of a model by name.

    Parameters
    ----------
    source : Source
        Every tensor of the model is left in its ``arrays``.
    make : callable
        Called with each weight.

    Returns
    -------
    dict of str to Record or Unsupported
        Each a module of one layer: exporters write one node for every layer of a torch LSTM.
        Nodes in the graphs of other nodes and in functions have the names of those in front.
    """
    model = Parser(source).parse(ModelProto)
    if model.graph is None:
        raise source.error("", "an ONNX file without a graph")
    producer = f"{model.producer_name} {model.producer_version}".strip()
    source.metadata.update({"producer": producer} if producer else {})
    scopes = Scopes(source, model)
    tensors = Tensors(source)
    tensors.fill(scopes.all)
    return _Nodes(source, scopes, tensors, make).read()


class _Nodes:
    """The recurrent nodes of a model."""

    def __init__(self, source: Source, scopes: Scopes, tensors: Tensors, make: Make) -> None:
        self._source = source
        self._scopes = scopes
        self._constants = Constants(source, tensors)
        self._weights = Weights(source, tensors, self._constants)
        self._dynamic = Dynamic(self._weights, self._constants)
        self._states = States(source, self._constants)
        self._make = make
        # Nodes may share what they begin with.
        self._initial: dict[Any, Array] = {}

    def read(self) -> dict[str, Any]:
        leaves = Leaves()
        for scope in self._scopes.all:
            for index, node in enumerate(scope.nodes):
                if node.op_type in _NEAR_MISSES or (node.op_type in KINDS and is_standard(node)):
                    path = self._scopes.path(scope, index)
                    leaves.add(path, self._leaf(path, scope, node))
            for index, told in spelled_out(scope):
                at = self._scopes.path(scope, index) if index >= 0 else scope.path.rstrip(".")
                self._source.count(1, "recurrent layers")
                leaves.add(at, told)
        return leaves.tree

    def _leaf(self, path: str, scope: Scope, node: Any) -> Record | Unsupported:
        told = f"ONNX {node.op_type} node"
        is_dynamic = node.op_type == _DYNAMIC and node.domain == _DYNAMIC_DOMAIN
        if node.op_type in _NEAR_MISSES and not is_dynamic:
            return Unsupported(told, _NEAR_MISSES[node.op_type])
        kind = LSTM if is_dynamic else kind_of(node.op_type)
        places = [locate(scope, name) for name in node.input]
        given = {position for position, name in enumerate(node.input) if name}
        reasons, variants = attributes_of(node, kind)
        if kind is LSTM:
            if _P in given and self._states.is_zero(places[_P]):
                given.remove(_P)
            elif _P in given:
                variants.append(Said("peepholes", True, "it has peepholes (input P)"))
        elif max(given, default=0) > _H:
            reasons.append(f"it has more inputs than {with_article(kind.mode)} has")
        reasons += refused(kind.mode, variants)
        if is_dynamic and integer(node, "layout"):
            reasons.append("it has a layout, which this node has not")
        weights: dict[int, Weight] = {}
        for position in sorted(_ROLES.keys() & given):
            if is_dynamic and position in (_W, _R):
                weight = self._dynamic.weight(places, position)
            else:
                weight = self._weights.weight(places[position])
            if isinstance(weight, str):
                reasons.append(f"its input {_ROLES[position]} {weight}")
            else:
                weights[position] = weight
        reasons = reasons or _misshapen(node, kind, weights)
        states = None
        if not reasons:
            states, reasons = self._begins_with(node, kind, places, weights[_R])
        if reasons:
            return Unsupported(told, "; ".join(reasons))
        return self._layer(path, kind, node, weights, states, as_options(variants))

    def _layer(
        self,
        path: str,
        kind: Kind,
        node: Any,
        weights: dict[int, Weight],
        states: Any,
        options: dict[str, Any],
    ) -> Record:
        directions = weights[_W].shape[0]
        # A node of some bytes becomes a record and tensors, though nodes may share their weights.
        self._source.count(2 + 3 * len(weights) * directions, "recurrent nodes")
        parameters: dict[str, Any] = {}
        made = {
            position: self._weights.torch_tensors(weight, kind, _PARAMETERS[position], path)
            for position, weight in sorted(weights.items())
            if position in _PARAMETERS
        }
        if _P in weights:
            made[_P] = self._weights.parts(weights[_P], _PEEPHOLES, path)
        for direction, suffix in enumerate(("_l0", "_l0_reverse")[:directions]):
            for tensors in made.values():
                for name, tensor in tensors[direction].items():
                    parameters[name + suffix] = self._make(tensor)
        state = {"batch_first": integer(node, "layout") == 1, **options, "_parameters": parameters}
        return RecurrentLayer(f"onnx.{kind.mode}", state, initial_states=states)

    def _begins_with(
        self, node: Any, kind: Kind, places: list[Place | None], weight: Weight
    ) -> tuple[Any, list[str]]:
        """Return the constant initial states of a node, and why it cannot be run."""
        given = {position for position, name in enumerate(node.input) if name}
        batch_first = integer(node, "layout") == 1
        directions, _, hidden = weight.shape
        reasons = []
        if _LENGTHS in given:
            told = self._states.lengths(places[_LENGTHS], places[_X], batch_first)
            reasons += [told] if told else []
        inputs = {
            f"initial_{letter}": at for letter, at in zip(kind.states, (_H, _C), strict=False)
        }
        found: dict[str, Any] = dict.fromkeys(inputs)
        for name, position in inputs.items():
            if position in given:
                found[name] = self._states.initial(
                    places[position], name, (directions, hidden), batch_first
                )
        reasons += [each for each in found.values() if isinstance(each, str)]
        constant = {name: each for name, each in found.items() if isinstance(each, np.ndarray)}
        if reasons or not constant:
            return None, reasons
        for name, state in found.items():
            if state is RUN_TIME:
                [other] = constant
                return None, [
                    f"its {other} is constant, its {name} is computed when the model runs"
                ]
        batch = max(state.shape[1] for state in constant.values())
        if any(state.shape[1] not in (1, batch) for state in constant.values()):
            return None, ["its initial_h and initial_c are of different batches"]
        dtype = "float64" if weight.dtype == "float64" else "float32"
        shape = (directions, batch, hidden)
        states = []
        for name, state in found.items():
            place = places[inputs[name]] if name in constant else None
            key = place and (place.key, place.output), batch_first, shape, dtype
            if key not in self._initial:
                self._constants.claim(int(np.prod(shape)), name)
                self._initial[key] = np.zeros(shape, dtype)
                self._initial[key][...] = 0 if state is None else state.astype(dtype)
            states.append(self._initial[key])
        return tuple(states) if len(states) > 1 else states[0], []


def _misshapen(node: Any, kind: Kind, weights: dict[int, Weight]) -> list[str]:
    """Say what is wrong with the shapes and dtypes of a node's weights."""
    for position in (_W, _R):
        if position not in weights:
            return [f"it has no input {_ROLES[position]}"]
    dtypes = {weight.dtype for weight in weights.values()}
    if len(dtypes) > 1 or dtypes & {"int32", "int64"}:
        return [f"its weights are of dtype {', '.join(sorted(dtypes))}"]
    directions = direction_of(node)
    shapes = {_ROLES[position]: weight.shape for position, weight in sorted(weights.items())}
    hidden = shapes["R"][-1] if shapes["R"] else 0
    columns = shapes["W"][-1] if shapes["W"] else 0
    rows = kind.rows(hidden)
    fitting = {
        "W": (directions, rows, columns),
        "R": (directions, rows, hidden),
        "B": (directions, 2 * rows),
        "P": (directions, len(PEEPHOLE_GATES) * hidden),
    }
    if any(shape != fitting[role] for role, shape in shapes.items()):
        told = ", ".join(f"{role} {shape}" for role, shape in shapes.items())
        return [f"the shapes of its weights do not fit: {told}"]
    if integer(node, "hidden_size") not in (0, hidden):
        return [f"its hidden_size is not {hidden}, as its weights say"]
    return []
