"""The libraries that `verify` compares with: torch, or onnxruntime with one node per layer."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..arguments.variants import own_variants
from ..weights.answers import STRUCTURE
from ..weights.kinds import GRU, PEEPHOLE_GATES, RNN, Kind
from .output import Failure
from .reference import directions_of, groups_of, is_reverse, kind_of_module, variant_of

if TYPE_CHECKING:
    from .reference import Array, Module, Results

_OPSET, _IR_VERSION = 17, 8


class CannotRun(Exception):
    """A peer has no such module; the text says why."""


class Peer(Protocol):
    """Another implementation; :meth:`run` takes and returns what ``reference.run_reference`` does.

    Sizes below ``coarsest`` count as ``coarsest`` beside it, since its errors do not shrink below.
    """

    name: str
    coarsest: float

    def run(self, module: Module, x: Array, *states: Array) -> Results: ...


class Torch:
    """torch's own modules, given the same parameters."""

    needs = ("torch",)
    coarsest = 0.0

    def __init__(self) -> None:
        self._torch: Any = import_module("torch")
        self.name = f"torch {self._torch.__version__}"

    def run(self, module: Module, x: Array, *states: Array) -> Results:
        """Run in the module's dtype."""
        torch = self._torch
        others = own_variants(module)
        if others:
            raise CannotRun(f"torch has no {', '.join(others)}")
        names = (
            *STRUCTURE[module._native_kind],
            *(("nonlinearity",) * hasattr(module, "nonlinearity")),
        )
        options = {name: getattr(module, name) for name in names}
        peer = getattr(torch.nn, type(module).__name__)(**options).to(getattr(torch, str(x.dtype)))
        values = {name: torch.tensor(value) for name, value in module.state_dict().items()}
        peer.load_state_dict(values)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about its own speed
            given, *begin = (torch.tensor(array) for array in (x, *states))
            if hasattr(module, "num_layers"):
                output, *last = run_layer(peer, given, begin)
            else:
                steps, *last = run_cell(peer, given, begin)
                output = torch.stack(steps)
        return (output.numpy(), *(state.numpy() for state in last))


def run_layer(layer: Any, x: Any, states: Sequence[Any]) -> tuple[Any, ...]:
    """Run a layer of either library; return its output and its last states."""
    output, last = layer(x, tuple(states) if len(states) > 1 else states[0])
    return (output, *last) if len(states) > 1 else (output, last)


def run_cell(cell: Any, x: Any, states: Sequence[Any]) -> tuple[Any, ...]:
    """Walk a cell of either library through x; states with a leading axis of 1."""
    present: Any = tuple(state[0] for state in states)
    outputs = []
    for step in x:
        made = cell(step, present if len(states) > 1 else present[0])
        present = made if len(states) > 1 else (made,)
        outputs.append(present[0])
    return (outputs, *(state[None] for state in present))


class OnnxRuntime:
    """onnxruntime, float32, a session for each layer."""

    needs = ("onnxruntime", "onnx")
    # Its sigmoid has an absolute error near 1e-7, so that sigmoid(-18) is 0: a gate that is shut
    # has no right digit (tests/torch/test_cli_live.py).
    coarsest = 1.0

    def __init__(self) -> None:
        self._runtime: Any = import_module("onnxruntime")
        self._onnx: Any = import_module("onnx")
        self.name = f"onnxruntime {self._runtime.__version__}"

    def run(self, module: Module, x: Array, *states: Array) -> Results:
        """Run a float32 module without projections; refuse others."""
        if getattr(module, "proj_size", 0):
            raise CannotRun("ONNX has no projections")
        kind = kind_of_module(module)
        if x.dtype != np.float32:
            raise CannotRun(f"it has {kind.mode}s in float32 only")
        if variant_of(module, "cell_clip") is not None:
            raise CannotRun("ONNX has no cell_clip")
        directions = directions_of(module)
        groups = groups_of(module)
        results = []
        for start in range(0, len(groups), directions):
            rows = slice(start, start + directions)
            inputs = {"X": x} | {
                f"initial_{letter}": state[rows]
                for letter, state in zip(kind.states, states, strict=True)
            }
            inputs |= _onnx_parameters(module, groups[rows])
            y, *last = self._session(module, inputs).run(None, inputs)
            results.append(last)
            # (T, D, N, H) becomes (T, N, D*H).
            x = y.swapaxes(1, 2).reshape(*x.shape[:2], -1)
        return (x, *(np.concatenate(parts) for parts in zip(*results, strict=True)))

    def _session(self, module: Module, inputs: dict[str, Array]) -> Any:
        """Return a session of one node whose parameters are inputs as well."""
        helper = self._onnx.helper
        float32 = self._onnx.TensorProto.FLOAT
        kind = kind_of_module(module)
        states = [f"initial_{letter}" for letter in kind.states]
        names = ["X", "W", "R", "B" if "B" in inputs else "", "", *states]
        names += ["P"] * ("P" in inputs)
        results = ["Y", *(f"Y_{letter}" for letter in kind.states)]
        node = helper.make_node(
            kind.mode,
            names,
            results,
            hidden_size=inputs["initial_h"].shape[2],
            **_onnx_attributes(module, kind),
        )
        graph = helper.make_graph(
            [node],
            "layer",
            [helper.make_tensor_value_info(name, float32, a.shape) for name, a in inputs.items()],
            [helper.make_tensor_value_info(name, float32, None) for name in results],
        )
        opsets = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        options = self._runtime.SessionOptions()
        options.log_severity_level = 3  # errors
        providers = ["CPUExecutionProvider"]
        return self._runtime.InferenceSession(model.SerializeToString(), options, providers)


def _onnx_attributes(module: Module, kind: Kind) -> dict[str, Any]:
    """Return what a node says of its module beside hidden_size."""
    directions = directions_of(module)
    one_way = "reverse" if is_reverse(module, 0) else "forward"
    found: dict[str, Any] = {"direction": "bidirectional" if directions == 2 else one_way}
    if kind is RNN:
        return found | {"activations": [module.nonlinearity.capitalize()] * directions}
    if kind is GRU:
        found["linear_before_reset"] = int(variant_of(module, "reset_after"))
    gate, slope = _ONNX_GATES[variant_of(module, "gate_activation")]
    other = _ONNX_ACTIVATIONS[variant_of(module, "activation")]
    names = [gate, *[other] * len(kind.states)]
    if names == ["Sigmoid", *["Tanh"] * len(kind.states)]:
        return found
    # HardSigmoid takes an alpha and a beta, and so does Affine: x itself with 1 and 0.
    alpha = [slope] * (gate == "HardSigmoid") + [1.0] * names.count("Affine")
    beta = [0.5] * (gate == "HardSigmoid") + [0.0] * names.count("Affine")
    found["activations"] = names * directions
    if alpha:  # an attribute is no empty list
        found |= {"activation_alpha": alpha * directions, "activation_beta": beta * directions}
    return found


_ONNX_GATES = {
    "sigmoid": ("Sigmoid", 0.0),
    "hard_sigmoid": ("HardSigmoid", 0.2),
    "hard_sigmoid3": ("HardSigmoid", 1 / 6),
}
_ONNX_ACTIVATIONS = {"tanh": "Tanh", "relu": "Relu", "softsign": "Softsign", "linear": "Affine"}


def _onnx_parameters(module: Module, groups: list[list[Array]]) -> dict[str, Array]:
    """Return W (D, G*H, I), R (D, G*H, H), B (D, 2*G*H) and P (D, 3*H) in ONNX's order of gates."""
    kind = kind_of_module(module)
    from_torch = list(map(kind.gates.index, kind.onnx_gates))

    def stacked(index: int) -> Array:
        arrays = [parameters[index] for parameters in groups]
        blocks = [array.reshape(len(kind.gates), -1, array[0].size)[from_torch] for array in arrays]
        return np.stack([b.reshape(a.shape) for a, b in zip(arrays, blocks, strict=True)])

    result = {"W": stacked(0), "R": stacked(1)}
    if module.bias:
        result["B"] = np.concatenate([stacked(2), stacked(3)], axis=1)
    if variant_of(module, "peepholes"):
        first = -len(PEEPHOLE_GATES)
        result["P"] = np.stack(
            [np.concatenate([group[first], group[-1], group[first + 1]]) for group in groups]
        )
    return result


PEERS: dict[str, type[Torch] | type[OnnxRuntime]] = {"torch": Torch, "onnxruntime": OnnxRuntime}


def find_peer(name: str | None) -> Peer | None:
    """Return the named peer, or the first that is installed, if any is.

    Raises
    ------
    Failure
        If the named one is not installed.
    """
    for candidate in [name] if name else PEERS:
        missing = [module for module in PEERS[candidate].needs if not _is_installed(module)]
        if not missing:
            return PEERS[candidate]()
        if name:
            raise Failure(f"--against {name} needs what is not installed: {', '.join(missing)}")
    return None


def _is_installed(module: str) -> bool:
    spec = find_spec(module)
    # Any folder of this name on the path would do for a namespace package, which has no origin.
    return spec is not None and spec.origin is not None
