#!/usr/bin/env bash
# onnxruntime's DynamicQuantizeLSTM, which onnxruntime.quantization.quantize_dynamic makes of an LSTM,
# takes one scale for its input over all steps and rows of a call, also with weights that are quantised
# per channel. So the outputs of a row change with the other rows of the batch, and the first output
# changes with the last step, by more than quantising itself costs. In the float LSTM both are equal to
# the bit.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0

cd "$folder"
cat > show.py <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

print("onnxruntime", onnxruntime.__version__)
random = np.random.default_rng(0)
steps, rows, inputs, hidden = 10, 4, 16, 32
shapes = {"W": (1, 4 * hidden, inputs), "R": (1, 4 * hidden, hidden), "B": (1, 8 * hidden)}
weights = [
    numpy_helper.from_array(random.uniform(-0.2, 0.2, shape).astype(np.float32), name)
    for name, shape in shapes.items()
]
node = helper.make_node("LSTM", ["X", *shapes], ["Y"], hidden_size=hidden)
info = helper.make_tensor_value_info
graph = helper.make_graph(
    [node],
    "graph",
    [info("X", TensorProto.FLOAT, ["T", "N", inputs])],
    [info("Y", TensorProto.FLOAT, ["T", 1, "N", hidden])],
    weights,
)
opsets = [helper.make_opsetid("", 17)]
onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), "float.onnx")
x = random.standard_normal((steps, rows, inputs), dtype=np.float32)
loud_step, loud_row = x.copy(), x.copy()
loud_step[9] *= 50
loud_row[:, 3] *= 50


def run(path, value):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"X": value})[0][:, 0]


def moved(path, changed, where):
    """How far outputs move that do not depend on what was changed."""
    return float(np.abs(run(path, changed)[where] - run(path, x)[where]).max())


first, others = slice(0, 1), (slice(None), slice(0, 3))
for per_channel in (False, True):
    quantize_dynamic("float.onnx", "small.onnx", per_channel=per_channel, weight_type=QuantType.QInt8)
    kinds = [each.op_type for each in onnx.load("small.onnx").graph.node]
    own = float(np.abs(run("small.onnx", x) - run("float.onnx", x)).max())
    step, row = moved("small.onnx", loud_step, first), moved("small.onnx", loud_row, others)
    print(f"{kinds}, per_channel={per_channel}")
    print(f"  largest error of quantising:                   {own:.1e}")
    print(f"  the first output moves with the tenth step by  {step:.1e}")
    print(f"  the outputs of rows 0 to 2 move with row 3 by  {row:.1e}")
    assert "DynamicQuantizeLSTM" in kinds
    assert step > own and row > own
floats = moved("float.onnx", loud_step, first), moved("float.onnx", loud_row, others)
print("the same two of the float LSTM:", *floats)
assert floats == (0, 0)
PYTHON
"$folder/venv/bin/python" show.py
