#!/usr/bin/env bash
# Before opset 7 the arithmetic of ONNX did not broadcast as NumPy does: with broadcast=1, `axis` says at
# which axis of A the axes of B begin. The reference evaluator of the onnx package reads neither and
# broadcasts from the last axis. Of a square A the result has the right shape and wrong numbers, without an
# error or a warning. The version converter of the same package follows `axis`: the model that it makes
# for opset 13 gives the right numbers in the same evaluator. Who folds constants of an old model by the
# evaluator adds a bias along the wrong axis.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 onnx==1.23.2
cat > "$folder/check.py" <<'PYTHON'
import operator

import numpy as np
import onnx
from onnx import TensorProto, helper, version_converter
from onnx.reference import ReferenceEvaluator

OPERATORS = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Div": operator.truediv,
}


def model_of(op):
    """A model of opset 6 that computes A op B, with B along the rows of A."""
    graph = helper.make_graph(
        [helper.make_node(op, ["A", "B"], ["Y"], broadcast=1, axis=0)],
        "graph",
        [
            helper.make_tensor_value_info("A", TensorProto.FLOAT, [3, 3]),
            helper.make_tensor_value_info("B", TensorProto.FLOAT, [3]),
        ],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [3, 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 6)], ir_version=3)
    onnx.checker.check_model(model)
    return model


print("onnx", onnx.__version__)
a, b = np.arange(9, dtype="f4").reshape(3, 3), np.array([1, 2, 4], "f4")
checks = {}
for op, function in OPERATORS.items():
    model = model_of(op)
    old = ReferenceEvaluator(model).run(None, {"A": a, "B": b})[0]
    converted = version_converter.convert_version(model, 13)
    new = ReferenceEvaluator(converted).run(None, {"A": a, "B": b})[0]
    print(op, "opset 6:", old[0].tolist(), "as opset 13:", new[0].tolist())
    checks[f"{op}: opset 6 is computed along the last axis"] = np.array_equal(old, function(a, b))
    checks[f"{op}: converted to opset 13, along axis 0"] = np.array_equal(new, function(a, b[:, None]))
for text, holds in checks.items():
    print("yes" if holds else "NO ", text)
raise SystemExit(0 if all(checks.values()) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/check.py"
