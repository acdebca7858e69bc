"""onnxruntime and OpenVINO on one ONNX model with an LSTM node per layer."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import numpy as np

from benchmarks.engines import Engine, require, unsupported_float64
from benchmarks.environment import threads
from benchmarks.grids import Case
from benchmarks.problem import Array, Outputs, Problem
from benchmarks.timing import Runner

# ONNX's gate order is i, o, f, c; torch's is i, f, g, o.
FROM_TORCH = (0, 3, 1, 2)
OPSET, IR_VERSION = 17, 8


def build_model(problem: Problem) -> bytes:
    """Build the case as an ONNX model.

    Inputs are ``x`` and, where the case passes states, ``h0_l0``, ``c0_l0``, ``h0_l1`` ...;
    outputs are ``y``, ``hn_l0``, ``cn_l0``, ``hn_l1`` ... States stay apart by layer so that
    nothing has to be joined or cut at run time. A cell is a sequence of one step.
    """
    onnx = require("onnx")
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    case = problem.case
    steps = 1 if case.cell else case.steps
    directions = case.num_directions
    state = [directions, case.batch, case.hidden_size]
    inputs = [helper.make_tensor_value_info("x", float32, [steps, case.batch, case.input_size])]
    outputs = [
        helper.make_tensor_value_info(
            "y", float32, [steps, case.batch, directions * case.hidden_size]
        )
    ]
    nodes: list[Any] = []
    constants: list[Any] = []
    layer_input = "x"
    for layer in range(case.num_layers):
        names = [f"h0_l{layer}", f"c0_l{layer}"] if case.states else []
        inputs += [helper.make_tensor_value_info(name, float32, state) for name in names]
        layer_output = "y" if layer == case.num_layers - 1 else f"y_l{layer}"
        nodes += _layer_nodes(helper, case, layer, layer_input, layer_output, names)
        constants += _layer_constants(onnx, problem, layer)
        outputs += [
            helper.make_tensor_value_info(f"{name}_l{layer}", float32, state)
            for name in ("hn", "cn")
        ]
        layer_input = layer_output
    # Where the direction axis goes: the axis to squeeze, or the shape that joins it.
    target = [steps, case.batch, -1] if case.bidirectional else [1]
    constants.append(onnx.numpy_helper.from_array(np.array(target, np.int64), "target"))
    graph = helper.make_graph(nodes, "lstm", inputs, outputs, constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()  # type: ignore[no-any-return]


def _layer_nodes(
    helper: Any, case: Case, layer: int, source: str, target: str, states: list[str]
) -> list[Any]:
    """Make the LSTM node and what turns its (T, D, N, H) into torch's (T, N, D*H)."""
    raw = f"raw_l{layer}"
    weights = [f"{name}_l{layer}" for name in ("W", "R", "B")]
    lstm = helper.make_node(
        "LSTM",
        [source, *weights, *(["", *states] if states else [])],
        [raw, f"hn_l{layer}", f"cn_l{layer}"],
        hidden_size=case.hidden_size,
        direction="bidirectional" if case.bidirectional else "forward",
    )
    if not case.bidirectional:
        return [lstm, helper.make_node("Squeeze", [raw, "target"], [target])]
    turned = f"turned_l{layer}"
    return [
        lstm,
        helper.make_node("Transpose", [raw], [turned], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", [turned, "target"], [target]),
    ]


def _layer_constants(onnx: Any, problem: Problem, layer: int) -> list[Any]:
    case = problem.case
    suffixes = [""] if case.cell else [f"_l{layer}", f"_l{layer}_reverse"][: case.num_directions]

    def gates(name: str) -> Array:
        """Return parameter ``name`` of both directions in ONNX's gate order."""
        blocks = [
            problem.weights[name + suffix].reshape(4, case.hidden_size, -1) for suffix in suffixes
        ]
        stacked = np.stack([block[list(FROM_TORCH)] for block in blocks])
        return stacked.reshape(len(suffixes), 4 * case.hidden_size, -1)

    biases = np.concatenate([gates("bias_ih")[..., 0], gates("bias_hh")[..., 0]], axis=1)
    arrays = {"W": gates("weight_ih"), "R": gates("weight_hh"), "B": biases}
    return [
        onnx.numpy_helper.from_array(np.ascontiguousarray(array), f"{name}_l{layer}")
        for name, array in arrays.items()
    ]


def feeds(problem: Problem) -> dict[str, Array]:
    """Return the arrays of the model's inputs."""
    case = problem.case
    arrays = {"x": problem.x[:1] if case.cell else problem.x}
    if case.states:
        directions = case.num_directions
        for layer in range(case.num_layers):
            rows = slice(layer * directions, (layer + 1) * directions)
            arrays[f"h0_l{layer}"] = problem.h0[rows]
            arrays[f"c0_l{layer}"] = problem.c0[rows]
    return arrays


def collect(results: list[Array]) -> Outputs:
    """Join the model's outputs ``y, hn_l0, cn_l0, ...`` as torch returns them."""
    arrays = [np.array(result) for result in results]
    return arrays[0], np.concatenate(arrays[1::2]), np.concatenate(arrays[2::2])


class OnnxRuntime(Engine):
    """``InferenceSession`` on the CPU; a single thread does not spin, several do, as by default.

    Of ``run`` and ``run_with_iobinding`` with inputs bound before, the latter is timed: it is
    the faster one. Its results are copied to new NumPy arrays, as every caller needs.
    """

    name = "onnxruntime"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        unsupported_float64(self.case, self.name)
        runtime = require("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads(), 1
        if threads() == 1:
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        self.session = runtime.InferenceSession(
            build_model(problem), options, providers=["CPUExecutionProvider"]
        )
        self.feeds = feeds(problem)
        self.runner = self._runner()

    def _runner(self) -> Runner:
        if self.case.cell:
            statement = (
                "h, c = h0, c0\n"
                "for step in steps:\n"
                "    _, h, c = run(None, {'x': step, 'h0_l0': h, 'c0_l0': c})"
            )
            names = {"run": self.session.run, "steps": list(self.problem.x[:, None])}
            names |= {"h0": self.feeds["h0_l0"], "c0": self.feeds["c0_l0"]}
            return Runner(statement, names)
        binding = self.session.io_binding()
        for name, array in self.feeds.items():
            binding.bind_cpu_input(name, array)
        for output in self.session.get_outputs():
            binding.bind_output(output.name)
        names = {
            "run": self.session.run_with_iobinding,
            "binding": binding,
            "copy": binding.copy_outputs_to_cpu,
        }
        return Runner("run(binding); copy()", names)

    def outputs(self) -> Outputs:
        if not self.case.cell:
            names = self.runner.names
            names["run"](names["binding"])  # type: ignore[operator]
            return collect(names["copy"]())  # type: ignore[operator]
        h, c = self.feeds["h0_l0"], self.feeds["c0_l0"]
        steps = []
        for x in self.problem.x[:, None]:
            y, h, c = self.session.run(None, {"x": x, "h0_l0": h, "c0_l0": c})
            steps.append(y[0])
        return np.stack(steps), h, c


class OpenVino(Engine):
    """A reused infer request with its inputs bound before, float32 arithmetic.

    Inputs and outputs share memory with NumPy arrays: passing arrays to ``infer`` instead
    costs 30 microseconds and more per call.
    """

    name = "openvino"
    config: ClassVar[dict[str, Any]] = {
        "NUM_STREAMS": "1",
        "PERFORMANCE_HINT": "LATENCY",
        # Without this hint OpenVINO computes in bfloat16 on processors that have it.
        "INFERENCE_PRECISION_HINT": "f32",
    }

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        unsupported_float64(self.case, self.name)
        os.environ.setdefault("OPENVINO_TELEMETRY_DISABLE", "1")
        openvino = require("openvino")
        core = openvino.Core()
        model = core.read_model(build_model(problem))
        self.request = core.compile_model(
            model, "CPU", {**self.config, "INFERENCE_NUM_THREADS": threads()}
        ).create_infer_request()
        self.inputs = {name: array.copy() for name, array in feeds(problem).items()}
        for name, array in self.inputs.items():
            self.request.set_tensor(name, openvino.Tensor(array, shared_memory=True))
        self.runner = self._runner()

    def _runner(self) -> Runner:
        names: dict[str, object] = {"infer": self.request.infer}
        if not self.case.cell:
            return Runner("infer(share_outputs=True)", names)
        statement = (
            "copy(h, h0); copy(c, c0)\n"
            "for step in steps:\n"
            "    copy(x, step)\n"
            "    infer(share_outputs=True)\n"
            "    copy(h, h_n); copy(c, c_n)"
        )
        names |= {"copy": np.copyto, "steps": list(self.problem.x)}
        names |= {"h0": self.problem.h0, "c0": self.problem.c0}
        names |= dict(zip("xhc", self.inputs.values(), strict=True))
        names |= {"h_n": self.request.get_tensor("hn_l0").data}
        names |= {"c_n": self.request.get_tensor("cn_l0").data}
        return Runner(statement, names)

    def outputs(self) -> Outputs:
        if not self.case.cell:
            results = self.request.infer(share_outputs=True)
            return collect([results[index] for index in range(len(results))])
        # As the statement that is timed, a step at a time.
        x, h, c = self.inputs.values()
        h_n, c_n = (self.request.get_tensor(name).data for name in ("hn_l0", "cn_l0"))
        h[...], c[...] = self.problem.h0, self.problem.c0
        steps = []
        for step in self.problem.x:
            x[...] = step
            self.request.infer(share_outputs=True)
            h[...], c[...] = h_n, c_n
            steps.append(h[0].copy())
        return np.stack(steps), h.copy(), c.copy()
