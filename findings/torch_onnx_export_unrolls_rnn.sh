#!/usr/bin/env bash
# torch.onnx.export writes an nn.GRU or nn.LSTM as one node of ONNX, but unrolls an nn.RNN into the steps
# of the example input. With a time axis of Dim.AUTO each file says that the axis is dynamic. A longer
# sequence then is an error of onnxruntime for GRU and LSTM, whose result is reshaped to the example's
# length; for the RNN it runs, and only the steps of the example come back. The older exporter,
# dynamo=False, writes an RNN node that takes any length.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet \
    numpy==2.4.6 torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0
cat > "$folder/check.py" <<'PYTHON'
import collections
import logging
import warnings

import numpy as np
import onnx
import onnxruntime
import torch

warnings.filterwarnings("ignore")
logging.disable()


def export(layer, **options):
    """Export a layer with an example of 5 steps; return the file's graph and a session."""
    example = torch.zeros(5, 2, 3)
    torch.onnx.export(layer.eval(), (example,), "model.onnx", verbose=False, **options)
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 4
    session = onnxruntime.InferenceSession("model.onnx", quiet, ["CPUExecutionProvider"])
    return onnx.load("model.onnx").graph, session


def nodes(graph):
    return dict(collections.Counter(node.op_type for node in graph.node))


print("torch", torch.__version__, "onnxscript", __import__("onnxscript").__version__)
long = np.random.default_rng(0).normal(size=(7, 2, 3)).astype("f4")
automatic = {"dynamic_shapes": ({0: torch.export.Dim.AUTO},)}
checks = {}
for name in ("RNN", "GRU", "LSTM"):
    graph, session = export(getattr(torch.nn, name)(3, 4), **automatic)
    axis = graph.input[0].type.tensor_type.shape.dim[0]
    try:
        outcome = f"{len(session.run(None, {graph.input[0].name: long})[0])} steps out"
    except Exception as error:
        outcome = type(error).__name__
    print(f"{name}: nodes {nodes(graph)}")
    print(f"{name}: the time axis is {axis.dim_param!r}; 7 steps in, {outcome}")
    checks[f"{name}: the file says that the time axis is dynamic"] = bool(axis.dim_param)
    if name == "RNN":
        unrolled = "RNN" not in nodes(graph) and nodes(graph)["Tanh"] == 5
        checks["RNN: no RNN node, one Tanh for each of 5 steps"] = unrolled
        checks["RNN: 7 steps give 5, without an error"] = outcome == "5 steps out"
    else:
        checks[f"{name}: one node"] = nodes(graph)[name] == 1
        checks[f"{name}: 7 steps are an error"] = outcome == "Fail"
graph, session = export(
    torch.nn.RNN(3, 4), dynamo=False, dynamic_axes={"x": {0: "T"}}, input_names=["x"]
)
steps = len(session.run(None, {"x": long})[0])
print(f"RNN, dynamo=False: nodes {nodes(graph)}; 7 steps in, {steps} steps out")
checks["RNN, dynamo=False: an RNN node, 7 steps give 7"] = "RNN" in nodes(graph) and steps == 7
for text, holds in checks.items():
    print("yes" if holds else "NO ", text)
raise SystemExit(0 if all(checks.values()) else 1)
PYTHON
cd "$folder" && "$folder/venv/bin/python" "$folder/check.py"
