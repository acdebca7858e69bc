#!/usr/bin/env bash
# silero-vad 6.2.3 ships its 16 kHz model as TorchScript, as ONNX and as safetensors. The shapes are
# equal and the spectrum's basis too, but every trained weight of the safetensors file is another: it
# is not the model that the package runs. Set into the package's own ONNX graph, these weights give
# the same sound other probabilities.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 safetensors==0.6.2
"$folder/venv/bin/pip" install --quiet --no-deps --target "$folder/package" silero-vad==6.2.3
cat > "$folder/check.py" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from safetensors.numpy import load_file

data = Path(sys.argv[1]) / "silero_vad/data"
stored = load_file(data / "silero_vad_16k.safetensors")
graph = onnx.load(data / "silero_vad_16k_sequence.onnx")
weights = {each.name: numpy_helper.to_array(each) for each in graph.graph.initializer}
print("silero-vad 6.2.3", "onnxruntime", onnxruntime.__version__)


def in_onnx_order(gates):  # i, f, g, o of torch to i, o, f, c
    i, f, g, o = np.split(gates, 4)
    return np.concatenate([i, o, f, g])


[lstm] = [node for node in graph.graph.node if node.op_type == "LSTM"]
biases = [in_onnx_order(stored[f"lstm_cell.bias_{part}"]) for part in ("ih", "hh")]
other = {
    "stft.forward_basis_buffer": stored["stft_conv.weight"],
    lstm.input[1]: in_onnx_order(stored["lstm_cell.weight_ih"])[None],
    lstm.input[2]: in_onnx_order(stored["lstm_cell.weight_hh"])[None],
    lstm.input[3]: np.concatenate(biases)[None],
    "output.weight": stored["final_conv.weight"],
    "output.bias": stored["final_conv.bias"],
}
for layer in range(4):
    for part in ("weight", "bias"):
        other[f"encoder.{layer}.{part}"] = stored[f"conv{layer + 1}.{part}"]
for name, array in other.items():
    print(f"{name:28} {str(array.shape):16} {np.abs(array - weights[name]).max():10.3g}")
same = [name for name, array in other.items() if np.array_equal(array, weights[name])]
checks = {"of all arrays the basis of the spectrum alone is equal": same == ["stft.forward_basis_buffer"]}

time = np.arange(100 * 512) / 16000
tone = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 12)) * 0.1
tone *= np.sin(2 * np.pi * 2 * time) > 0
frames = np.pad(tone, (64, 0)).astype(np.float32)
frames = np.lib.stride_tricks.sliding_window_view(frames, 576)[::512]


def probabilities(model):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    zeros = np.zeros((1, 1, 128), np.float32)
    return session.run(["speech_probs"], {"input": frames, "h": zeros, "c": zeros})[0]


mine = probabilities(graph)
for each in graph.graph.initializer:
    if each.name in other:
        each.CopyFrom(numpy_helper.from_array(other[each.name], each.name))
theirs = probabilities(graph)
print("largest difference of a probability:", np.abs(mine - theirs).max())
checks["probabilities differ by more than 0.1"] = np.abs(mine - theirs).max() > 0.1
for text, holds in checks.items():
    print("yes" if holds else "NO ", text)
raise SystemExit(0 if all(checks.values()) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/check.py" "$folder/package"
