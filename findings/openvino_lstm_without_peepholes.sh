#!/usr/bin/env bash
# OpenVINO 2026.4.1 reads an ONNX LSTM with peepholes (input P) or with input_forget=1 without an error
# or a warning, and computes the LSTM without them: the numbers are those of the node from which they
# were deleted, bit by bit. onnxruntime follows both. Activations that it lacks, it refuses.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
cat > "$folder/check.py" <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

INPUT, HIDDEN, STEPS, BATCH = 3, 4, 5, 2
SHAPES = {
    "W": (1, 4 * HIDDEN, INPUT),
    "R": (1, 4 * HIDDEN, HIDDEN),
    "P": (1, 3 * HIDDEN),
}
GENERATOR = np.random.default_rng(0)
WEIGHTS = {name: GENERATOR.normal(size=shape).astype("f4") for name, shape in SHAPES.items()}
X = GENERATOR.normal(size=(STEPS, BATCH, INPUT)).astype("f4")


def run(peepholes=False, **attributes):
    """Return Y of one LSTM as onnxruntime and as OpenVINO compute it."""
    names = ["X", "W", "R", *(["", "", "", "", "P"] if peepholes else [])]
    node = helper.make_node("LSTM", names, ["Y"], hidden_size=HIDDEN, **attributes)
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, X.shape)],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, (STEPS, 1, BATCH, HIDDEN))],
        [numpy_helper.from_array(WEIGHTS[name], name) for name in names[1:] if name],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(model)
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    core = openvino.Core()
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(content), "CPU", options)
    return session.run(None, {"X": X})[0], compiled({"X": X})[compiled.outputs[0]]


print("onnxruntime", onnxruntime.__version__, "OpenVINO", openvino.__version__)
plain = run()
np.testing.assert_allclose(plain[1], plain[0], atol=1e-6)
for name, pair in {"P": run(peepholes=True), "input_forget": run(input_forget=1)}.items():
    moved = [float(np.abs(y - without).max()) for y, without in zip(pair, plain)]
    print(f"{name} changes Y by {moved[0]:.3f} in onnxruntime and by {moved[1]} in OpenVINO")
    assert moved[0] > 0.05 and moved[1] == 0.0
PYTHON
"$folder/venv/bin/python" "$folder/check.py" 2>&1
