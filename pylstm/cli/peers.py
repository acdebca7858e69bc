"""The libraries that `verify` compares with: torch, or onnxruntime with one node per layer."""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

import pylstm

from ..weights.kinds import LSTM
from .output import Failure
from .reference import groups_of

if TYPE_CHECKING:
    from .reference import Array, Module, Results

# Where each gate of ONNX's order stands in torch's.
_FROM_TORCH = list(map(LSTM.gates.index, LSTM.onnx_gates))
_OPSET, _IR_VERSION = 17, 8


class CannotRun(Exception):
    """A peer has no such module; the text says why."""


class Peer(Protocol):
    """Another implementation; :meth:`run` takes and returns what ``reference.run_reference`` does.

    Sizes below ``coarsest`` count as ``coarsest`` beside it, since its errors do not shrink below.
    """

    name: str
    coarsest: float

    def run(self, module: Module, x: Array, h_0: Array, c_0: Array) -> Results: ...


class Torch:
    """torch's own modules, given the same parameters."""

    needs = ("torch",)
    coarsest = 0.0

    def __init__(self) -> None:
        self._torch: Any = import_module("torch")
        self.name = f"torch {self._torch.__version__}"

    def run(self, module: Module, x: Array, h_0: Array, c_0: Array) -> Results:
        """Run in the module's dtype."""
        torch = self._torch
        options = {name: getattr(module, name) for name in module._structure if name != "mode"}
        peer = getattr(torch.nn, type(module).__name__)(**options).to(getattr(torch, str(x.dtype)))
        values = {name: torch.tensor(value) for name, value in module.state_dict().items()}
        peer.load_state_dict(values)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about its own speed
            tensors = [torch.tensor(array) for array in (x, h_0, c_0)]
            if isinstance(module, pylstm.LSTM):
                output, (h_n, c_n) = peer(tensors[0], tuple(tensors[1:]))
            else:
                output, h_n, c_n = run_cell(peer, *tensors)
                output = torch.stack(output)
        return output.numpy(), h_n.numpy(), c_n.numpy()


def run_cell(cell: Any, x: Any, h_0: Any, c_0: Any) -> tuple[list[Any], Any, Any]:
    """Walk a cell of either library through x; states with a leading axis of 1."""
    h, c, outputs = h_0[0], c_0[0], []
    for step in x:
        h, c = cell(step, (h, c))
        outputs.append(h)
    return outputs, h[None], c[None]


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

    def run(self, module: Module, x: Array, h_0: Array, c_0: Array) -> Results:
        """Run a float32 module without projections; refuse others."""
        if getattr(module, "proj_size", 0):
            raise CannotRun("ONNX has no projections")
        if x.dtype != np.float32:
            raise CannotRun("it has LSTMs in float32 only")
        directions = 1 + bool(getattr(module, "bidirectional", False))
        groups = groups_of(module)
        states = []
        for start in range(0, len(groups), directions):
            rows = slice(start, start + directions)
            inputs = {"X": x, "initial_h": h_0[rows], "initial_c": c_0[rows]}
            inputs |= _onnx_parameters(groups[rows], bool(module.bias))
            y, h_n, c_n = self._session(inputs, directions).run(None, inputs)
            states.append((h_n, c_n))
            # (T, D, N, H) becomes (T, N, D*H).
            x = y.swapaxes(1, 2).reshape(*x.shape[:2], -1)
        h_n, c_n = (np.concatenate(parts) for parts in zip(*states, strict=True))
        return x, h_n, c_n

    def _session(self, inputs: dict[str, Array], directions: int) -> Any:
        """Return a session of one LSTM node whose parameters are inputs as well."""
        helper = self._onnx.helper
        float32 = self._onnx.TensorProto.FLOAT
        names = ["X", "W", "R", "B" if "B" in inputs else "", "", "initial_h", "initial_c"]
        results = ["Y", "Y_h", "Y_c"]
        node = helper.make_node(
            "LSTM",
            names,
            results,
            hidden_size=inputs["initial_c"].shape[2],
            direction="bidirectional" if directions == 2 else "forward",
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


def _onnx_parameters(groups: list[list[Array]], has_bias: bool) -> dict[str, Array]:
    """Return W (D, 4H, I), R (D, 4H, H) and B (D, 8H) in ONNX's order of the gates."""

    def stacked(index: int) -> Array:
        arrays = [parameters[index] for parameters in groups]
        blocks = [
            array.reshape(len(LSTM.gates), -1, array[0].size)[_FROM_TORCH] for array in arrays
        ]
        return np.stack([b.reshape(a.shape) for a, b in zip(arrays, blocks, strict=True)])

    result = {"W": stacked(0), "R": stacked(1)}
    if has_bias:
        result["B"] = np.concatenate([stacked(2), stacked(3)], axis=1)
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
