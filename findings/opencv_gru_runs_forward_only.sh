#!/usr/bin/env bash
# OpenCV 5.0.0 (cv2.dnn) reads ONNX GRU and LSTM nodes without an error and computes others. A GRU with
# direction="reverse" gives the numbers of the forward GRU; where Y is the only output of a GRU, what
# comes back is the last step alone, in the shape of Y_h; the clip of an LSTM is left out. The LSTM's
# direction is followed, and so is all of this in onnxruntime.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 \
    opencv-python-headless==5.0.0.93
cat > "$folder/check.py" <<'PYTHON'
import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

INPUT, HIDDEN, STEPS, BATCH = 3, 4, 5, 2
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(STEPS, BATCH, INPUT)).astype("f4")
WEIGHTS = {
    (op, name): GENERATOR.normal(size=(1, gates * HIDDEN, columns)).astype("f4")
    for op, gates in (("GRU", 3), ("LSTM", 4))
    for name, columns in (("W", INPUT), ("R", HIDDEN))
}


def run(op, **attributes):
    """Return Y, the only output of one node, as onnxruntime and as OpenCV compute it."""
    node = helper.make_node(op, ["X", "W", "R"], ["Y"], hidden_size=HIDDEN, **attributes)
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, X.shape)],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, (STEPS, 1, BATCH, HIDDEN))],
        [numpy_helper.from_array(WEIGHTS[op, name], name) for name in ("W", "R")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(model)
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    net = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
    net.setInput(X, "X")
    return session.run(None, {"X": X})[0], net.forward()


print("onnxruntime", onnxruntime.__version__, "OpenCV", cv2.__version__)

for direction in ("forward", "reverse"):
    expected, found = run("LSTM", direction=direction)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1e-6)
print("LSTM forward and reverse: as onnxruntime")

forward, reverse = run("GRU"), run("GRU", direction="reverse")
print("GRU: Y of onnxruntime", forward[0].shape, "and of OpenCV", forward[1].shape)
assert forward[1].shape == (1, BATCH, HIDDEN)
np.testing.assert_allclose(forward[1], forward[0][-1], atol=1e-6)
changed = [float(np.abs(one - other).max()) for one, other in zip(forward, reverse)]
print(f"reverse changes Y by {changed[0]:.3f} in onnxruntime and by {changed[1]} in OpenCV")
assert changed[0] > 0.05 and changed[1] == 0.0

changed = [float(np.abs(a - b).max()) for a, b in zip(run("LSTM"), run("LSTM", clip=0.1))]
print(f"clip changes Y by {changed[0]:.3f} in onnxruntime and by {changed[1]} in OpenCV")
assert changed[0] > 0.05 and changed[1] == 0.0
PYTHON
"$folder/venv/bin/python" "$folder/check.py"
