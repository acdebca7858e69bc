#!/usr/bin/env bash
# torch documents the end of a GRU's step as h' = (1 - z) * n + z * h, so an update gate z of 1 should
# keep h. On the CPU torch computes (h - n) * z + n: a state that is small beside n is lost in the first
# step, h = 1e-10 becomes 0, and 0.1 becomes 0.10000002. onnxruntime keeps both exactly.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 torch==2.13.0 onnx==1.23.2 onnxruntime==1.32.0
cat > "$folder/check.py" <<'PYTHON'
import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper

states = [1e-10, 1e-5, 0.1]
bias = np.array([0, 200, np.arctanh(0.9)], np.float32)  # r, z, n: z is exactly 1, n is 0.9

with torch.no_grad():
    cell = torch.nn.GRUCell(1, 1)
    for parameter in cell.parameters():
        parameter.zero_()
    cell.bias_ih.copy_(torch.from_numpy(bias))
    h = torch.tensor(states).reshape(-1, 1)
    torch_h = cell(torch.zeros(len(states), 1), h).numpy().ravel()

names = ["X", "W", "R", "B", "", "h"]
shapes = {"X": (1, 3, 1), "W": (1, 3, 1), "R": (1, 3, 1)}
feed = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
feed["B"] = np.zeros((1, 6), np.float32)
feed["B"][0, :3] = bias[[1, 0, 2]]  # z, r, n in ONNX
feed["h"] = h.numpy()[None]
node = helper.make_node("GRU", names, ["", "Y_h"], hidden_size=1, linear_before_reset=1)
infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in feed]
result = helper.make_tensor_value_info("Y_h", TensorProto.FLOAT, None)
graph = helper.make_graph([node], "graph", infos, [result])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
session = onnxruntime.InferenceSession(
    model.SerializeToString(), providers=["CPUExecutionProvider"]
)
[runtime_h] = session.run(None, feed)

print("torch", torch.__version__, "onnxruntime", onnxruntime.__version__)
for before, after, other in zip(h.numpy().ravel(), torch_h, runtime_h.ravel()):
    print(f"h = {before:.9g}: torch {after:.9g}, onnxruntime {other:.9g}")
checks = {
    "torch returns 0 for h = 1e-10": torch_h[0] == 0,
    "torch changes 1e-5 by more than 0.05 %": abs(torch_h[1] / 1e-5 - 1) > 5e-4,
    "torch changes 0.1": torch_h[2] != np.float32(0.1),
    "onnxruntime returns every h": np.array_equal(runtime_h.ravel(), h.numpy().ravel()),
}
for text, holds in checks.items():
    print("yes" if holds else "NO ", text)
raise SystemExit(0 if all(checks.values()) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/check.py"
