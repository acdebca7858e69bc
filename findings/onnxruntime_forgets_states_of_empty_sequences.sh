#!/usr/bin/env bash
# A stream that sends nothing this time has sequence_lens 0, and its last state should be the one it came
# with: initial_h. onnxruntime and OpenVINO return 0 for Y_h and Y_c, for RNN, GRU and LSTM and in each
# direction, without an error, so that the stream begins anew. PaddlePaddle, whose layers have the same
# argument, returns the initial states.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'numpy>=2,<2.5' onnx==1.23.2 onnxruntime==1.32.0 \
    openvino==2026.4.1 paddlepaddle==3.3.1
cat > "$folder/check.py" <<'PYTHON'
import warnings

warnings.simplefilter("ignore")
import numpy as np
import onnx
import onnxruntime
import openvino
import paddle
from onnx import TensorProto, helper

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
STEPS, ROWS, HIDDEN = 4, 2, 3


def last_states(op, direction):
    """Return Y_h (and Y_c) of onnxruntime and of OpenVINO; the second row has no step."""
    d, g = 1 + (direction == "bidirectional"), GATES[op] * HIDDEN
    names = ["X", "W", "R", "B", "lengths", "h"] + ["c"] * (op == "LSTM")
    state = (d, ROWS, HIDDEN)
    shapes = {"X": (STEPS, ROWS, 2), "W": (d, g, 2), "R": (d, g, HIDDEN), "B": (d, 2 * g)}
    shapes |= {"h": state, "c": state}
    generator = np.random.default_rng(0)
    feed = {n: generator.normal(size=shapes[n]).astype("f4") for n in names if n != "lengths"}
    feed["h"][:] = 0.5
    if "c" in feed:
        feed["c"][:] = 0.25
    feed["lengths"] = np.array([STEPS, 0], np.int32)
    outputs = ["", "Y_h"] + ["Y_c"] * (op == "LSTM")
    kinds = {n: TensorProto.INT32 if n == "lengths" else TensorProto.FLOAT for n in names}
    node = helper.make_node(op, names, outputs, hidden_size=HIDDEN, direction=direction)
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info(n, kinds[n], feed[n].shape) for n in names],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, state) for n in outputs[1:]],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(data), "CPU")
    return session.run(None, feed), list(compiled(feed).values())


print("onnxruntime", onnxruntime.__version__, "OpenVINO", openvino.__version__)
checks = {}
for op in GATES:
    for direction in ("forward", "reverse", "bidirectional"):
        for name, states in zip(("onnxruntime", "OpenVINO"), last_states(op, direction)):
            empty = np.stack([state[:, 1] for state in states])
            full = np.stack([state[:, 0] for state in states])
            checks[f"{name}, {op}, {direction}: the state of the empty row is 0"] = (
                not empty.any() and bool(full.any())
            )

print("PaddlePaddle", paddle.__version__)
layer = paddle.nn.LSTM(2, HIDDEN)
h, c = paddle.full([1, ROWS, HIDDEN], 0.5), paddle.full([1, ROWS, HIDDEN], 0.25)
lengths = paddle.to_tensor([STEPS, 0])
_, (h_n, c_n) = layer(paddle.randn([ROWS, STEPS, 2]), (h, c), sequence_length=lengths)
checks["PaddlePaddle, LSTM: the states of the empty row are the initial ones"] = bool(
    (h_n[0, 1] == 0.5).all() and (c_n[0, 1] == 0.25).all()
)
for text, holds in checks.items():
    print("yes" if holds else "NO ", text)
raise SystemExit(0 if all(checks.values()) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/check.py"
