#!/usr/bin/env bash
# onnxruntime's sigmoid on the CPU, and with it the gates of its LSTM, is not accurate relative to
# its result: sigmoid(-14) is off by 7 %, sigmoid(-17) is larger than sigmoid(-16), and from -18 on
# it is exactly 0, where float32 has digits down to -88 (NumPy has them). An LSTM whose output gate
# is shut by a bias of -18 returns zeros instead of small numbers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
cat > "$folder/check.py" <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper


def session(node, inputs, outputs):
    def infos(names):
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]

    graph = helper.make_graph([node], "graph", infos(inputs), infos(outputs))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


print("onnxruntime", onnxruntime.__version__)
x = np.array([-2, -5, -8, -10, -12, -14, -16, -17, -18, -30, -80], np.float32)
[y] = session(helper.make_node("Sigmoid", ["x"], ["y"]), ["x"], ["y"]).run(None, {"x": x})
exact = 1 / (1 + np.exp(-x.astype(np.float64)))
numpy32 = 1 / (1 + np.exp(-x))
print(f"{'x':>5} {'onnxruntime':>14} {'float64':>14} {'relative error':>15} {'NumPy float32':>14}")
for row in zip(x, y, exact, y / exact - 1, numpy32):
    print("{:5.0f} {:14.7g} {:14.7g} {:15.1e} {:14.7g}".format(*row))
at = dict(zip(x.tolist(), y.tolist()))
checks = {
    "sigmoid(-14) is off by more than 5 %": abs(at[-14] / 8.315280e-07 - 1) > 0.05,
    "sigmoid(-17) > sigmoid(-16): it does not even rise": at[-17] > at[-16],
    "sigmoid(-18) and below are exactly 0": at[-18] == at[-30] == at[-80] == 0,
    "NumPy's own float32 is right within 1e-5": bool(np.all(abs(numpy32 / exact - 1) < 1e-5)),
}

# One unit, one step: h = sigmoid(-18) * tanh(sigmoid(0) * tanh(1)), biases only (i, o, f, c).
names = ["X", "W", "R", "B"]
node = helper.make_node("LSTM", names, ["Y"], hidden_size=1)
bias = np.array([[0, -18, 0, 1, 0, 0, 0, 0]], np.float32)
inputs = [np.zeros(shape, np.float32) for shape in ((1, 1, 1), (1, 4, 1), (1, 4, 1))]
[h] = session(node, names, ["Y"]).run(None, dict(zip(names, [*inputs, bias])))
right = 1 / (1 + np.exp(18.0)) * np.tanh(0.5 * np.tanh(1.0))
print(f"LSTM with an output gate at -18: h = {h.item():.3e}, right is {right:.3e}")
checks["the LSTM returns exactly 0 there"] = h.item() == 0
for text, holds in checks.items():
    print("yes" if holds else "NO ", text)
raise SystemExit(0 if all(checks.values()) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/check.py"
