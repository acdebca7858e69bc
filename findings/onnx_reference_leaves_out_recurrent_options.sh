#!/usr/bin/env bash
# The reference evaluator of the onnx package is no oracle for recurrent nodes: of RNN, GRU and LSTM it
# leaves out sequence_lens and clip, and of GRU and LSTM the activations, without an error or a warning.
# It returns the numbers of the node without these options; onnxruntime follows them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
cat > "$folder/check.py" <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
INPUTS = ["X", "W", "R", "B", "lengths"]


def run(op, lengths=(4, 4), **attributes):
    """Return Y of one node as the reference evaluator and as onnxruntime compute it."""
    rows, generator = 2 * GATES[op], np.random.default_rng(0)
    shapes = {"X": (4, 2, 3), "W": (1, rows, 3), "R": (1, rows, 2), "B": (1, 2 * rows)}
    feed = {name: generator.normal(size=s).astype("f4") for name, s in shapes.items()}
    feed["lengths"] = np.array(lengths, np.int32)
    kinds = dict.fromkeys(INPUTS, TensorProto.FLOAT) | {"lengths": TensorProto.INT32}
    graph = helper.make_graph(
        [helper.make_node(op, INPUTS, ["Y"], hidden_size=2, **attributes)],
        "graph",
        [helper.make_tensor_value_info(name, kinds[name], feed[name].shape) for name in INPUTS],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, (4, 1, 2, 2))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    onnx.checker.check_model(model)
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=providers)
    return ReferenceEvaluator(model).run(None, feed)[0], session.run(None, feed)[0]


print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
options = {
    "lengths 2 and 4": {op: {"lengths": (2, 4)} for op in GATES},
    "clip=0.1": {op: {"clip": 0.1} for op in GATES},
    "other activations": {
        "GRU": {"activations": ["HardSigmoid", "Relu"]},
        "LSTM": {"activations": ["HardSigmoid", "Relu", "Relu"]},
    },
}
checks = {}
for op in GATES:
    plain, runtime = run(op)
    checks[f"{op}: both agree without options"] = bool(abs(plain - runtime).max() < 1e-5)
    for words, given in options.items():
        if op in given:
            reference, runtime = run(op, **given[op])
            print(f"{op:4} {words:18} largest difference {abs(reference - runtime).max():.3f}")
            checks[f"{op}, {words}: the reference leaves it out"] = np.array_equal(reference, plain)
            checks[f"{op}, {words}: onnxruntime does not"] = bool(abs(runtime - plain).max() > 0.05)
for text, holds in checks.items():
    print("yes" if holds else "NO ", text)
raise SystemExit(0 if all(checks.values()) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/check.py"
