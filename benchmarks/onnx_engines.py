"""onnxruntime and OpenVINO on one ONNX model with a recurrent node per layer."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import numpy as np

from benchmarks.engines import Engine, require, unsupported_float64
from benchmarks.environment import threads
from benchmarks.grids import Case
from benchmarks.problem import Array, Outputs, Problem
from benchmarks.timing import Runner

OPSET, IR_VERSION = 17, 8


def build_model(problem: Problem) -> bytes:
    """Build the case as an ONNX model.

    Inputs are ``x`` and, where the case passes states, ``h0_l0``, ``c0_l0``, ``h0_l1`` ...;
    outputs are ``y``, ``hn_l0``, ``cn_l0``, ``hn_l1`` ... (c is an LSTM's alone). States stay
    apart by layer so that nothing has to be joined or cut at run time. A cell is a sequence of one
    step.
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
    layer_input, letters = "x", state_letters(case)
    for layer in range(case.num_layers):
        names = [f"{state}0_l{layer}" for state in letters] if case.states else []
        inputs += [helper.make_tensor_value_info(name, float32, state) for name in names]
        layer_output = "y" if layer == case.num_layers - 1 else f"y_l{layer}"
        nodes += _layer_nodes(helper, case, layer, layer_input, layer_output, names)
        constants += _layer_constants(onnx, problem, layer)
        outputs += [
            helper.make_tensor_value_info(f"{letter}n_l{layer}", float32, state)
            for letter in letters
        ]
        layer_input = layer_output
    # Where the direction axis goes: the axis to squeeze, or the shape that joins it.
    target = [steps, case.batch, -1] if case.bidirectional else [1]
    constants.append(onnx.numpy_helper.from_array(np.array(target, np.int64), "target"))
    graph = helper.make_graph(nodes, case.kind, inputs, outputs, constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()  # type: ignore[no-any-return]


def _layer_nodes(
    helper: Any, case: Case, layer: int, source: str, target: str, states: list[str]
) -> list[Any]:
    """Make the recurrent node and what turns its (T, D, N, H) into torch's (T, N, D*H)."""
    raw = f"raw_l{layer}"
    weights = [f"{name}_l{layer}" for name in ("W", "R", "B")]
    kind = case.kind_of_cell
    attributes = dict(kind.attributes)
    if "activations" in attributes:
        attributes["activations"] = attributes["activations"] * case.num_directions
    node = helper.make_node(
        kind.operator,
        [source, *weights, *(["", *states] if states else [])],
        [raw, *(f"{letter}n_l{layer}" for letter in state_letters(case))],
        hidden_size=case.hidden_size,
        direction="bidirectional" if case.bidirectional else "forward",
        **attributes,
    )
    if not case.bidirectional:
        return [node, helper.make_node("Squeeze", [raw, "target"], [target])]
    turned = f"turned_l{layer}"
    return [
        node,
        helper.make_node("Transpose", [raw], [turned], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", [turned, "target"], [target]),
    ]


def _layer_constants(onnx: Any, problem: Problem, layer: int) -> list[Any]:
    case = problem.case
    count = case.kind_of_cell.gates
    suffixes = [""] if case.cell else [f"_l{layer}", f"_l{layer}_reverse"][: case.num_directions]

    def gates(name: str) -> Array:
        """Return parameter ``name`` of both directions in ONNX's gate order."""
        blocks = [
            problem.weights[name + suffix].reshape(count, case.hidden_size, -1)
            for suffix in suffixes
        ]
        stacked = np.stack([block[list(case.kind_of_cell.order)] for block in blocks])
        return stacked.reshape(len(suffixes), count * case.hidden_size, -1)

    biases = np.concatenate([gates("bias_ih")[..., 0], gates("bias_hh")[..., 0]], axis=1)
    arrays = {"W": gates("weight_ih"), "R": gates("weight_hh"), "B": biases}
    return [
        onnx.numpy_helper.from_array(np.ascontiguousarray(array), f"{name}_l{layer}")
        for name, array in arrays.items()
    ]


def state_letters(case: Case) -> str:
    """Return the names of the states, a letter each."""
    return "hc"[: case.kind_of_cell.states]


def feeds(problem: Problem) -> dict[str, Array]:
    """Return the arrays of the model's inputs."""
    case = problem.case
    arrays = {"x": problem.x[:1] if case.cell else problem.x}
    if case.states:
        directions = case.num_directions
        for layer in range(case.num_layers):
            rows = slice(layer * directions, (layer + 1) * directions)
            for letter, state in zip(state_letters(case), problem.states, strict=True):
                arrays[f"{letter}0_l{layer}"] = state[rows]
    return arrays


def collect(results: list[Array], states: int) -> Outputs:
    """Join the model's outputs ``y, hn_l0, cn_l0, ...`` as torch returns them."""
    y, *finals = (np.array(result) for result in results)
    return y, *(np.concatenate(finals[index::states]) for index in range(states))


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
            self.model(), options, providers=["CPUExecutionProvider"]
        )
        self.feeds = feeds(problem)
        self.runner = self._runner()

    def model(self) -> bytes:
        """Return the model that is run."""
        return build_model(self.problem)

    def _runner(self) -> Runner:
        letters = state_letters(self.case)
        if self.case.cell:
            fed = ", ".join(f"'{letter}0_l0': {letter}" for letter in letters)
            names: dict[str, object] = {"steps": list(self.problem.x[:, None])}
            names |= {"run": self.session.run}
            names |= {f"{letter}0": self.feeds[f"{letter}0_l0"] for letter in letters}
            states = ", ".join(letters)
            statement = (
                f"{states} = {', '.join(letter + '0' for letter in letters)}\n"
                "for step in steps:\n"
                f"    _, {states} = run(None, {{'x': step, {fed}}})"
            )
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
            results = names["copy"]()  # type: ignore[operator]
            return collect(results, self.case.kind_of_cell.states)
        letters = state_letters(self.case)
        states = [self.feeds[f"{letter}0_l0"] for letter in letters]
        steps = []
        for x in self.problem.x[:, None]:
            fed = {f"{letter}0_l0": each for letter, each in zip(letters, states, strict=True)}
            y, *states = self.session.run(None, {"x": x, **fed})
            steps.append(y[0])
        return np.stack(steps), *states


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
        config = {**self.config, "INFERENCE_NUM_THREADS": threads()}
        self.compiled = core.compile_model(model, "CPU", config)
        self.request = self.compiled.create_infer_request()
        self.inputs = {name: array.copy() for name, array in feeds(problem).items()}
        for name, array in self.inputs.items():
            self.request.set_tensor(name, openvino.Tensor(array, shared_memory=True))
        self.runner = self._runner()

    def _runner(self) -> Runner:
        names: dict[str, object] = {"infer": self.request.infer}
        if not self.case.cell:
            return Runner("infer(share_outputs=True)", names)
        letters = state_letters(self.case)
        statement = (
            "; ".join(f"copy({each}, {each}0)" for each in letters) + "\n"
            "for step in steps:\n"
            "    copy(x, step)\n"
            "    infer(share_outputs=True)\n"
            "    " + "; ".join(f"copy({each}, {each}_n)" for each in letters)
        )
        names |= {"copy": np.copyto, "steps": list(self.problem.x), "x": self.inputs["x"]}
        for letter, state in zip(letters, self.problem.states, strict=True):
            names |= {letter: self.inputs[f"{letter}0_l0"], f"{letter}0": state}
            names |= {f"{letter}_n": self.request.get_tensor(f"{letter}n_l0").data}
        return Runner(statement, names)

    def outputs(self) -> Outputs:
        if not self.case.cell:
            results = self.request.infer(share_outputs=True)
            arrays = [results[index] for index in range(len(results))]
            return collect(arrays, self.case.kind_of_cell.states)
        # As the statement that is timed, a step at a time.
        x, *states = self.inputs.values()
        finals = [self.request.get_tensor(f"{each}n_l0").data for each in state_letters(self.case)]
        for state, first in zip(states, self.problem.states, strict=True):
            state[...] = first
        steps = []
        for step in self.problem.x:
            x[...] = step
            self.request.infer(share_outputs=True)
            for state, final in zip(states, finals, strict=True):
                state[...] = final
            steps.append(states[0][0].copy())
        return np.stack(steps), *(state.copy() for state in states)
