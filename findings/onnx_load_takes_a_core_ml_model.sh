#!/bin/bash
# onnx.load returns a model, without an error or a warning, for a valid file of another format: a
# Core ML model (.mlmodel), which is a protocol buffer too. Its fields are taken for ONNX's: the
# specification version for ir_version, the description of the inputs for producer_name, which then
# is bytes although the field is declared as a string. A program that knows ONNX files by onnx.load
# takes this file for an ONNX model without a graph.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 coremltools==9.0
cd "$folder"
"$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
import sys

import coremltools
import numpy
import onnx
from coremltools.models import datatypes, neural_network

sides = [("x", datatypes.Array(3))], [("y", datatypes.Array(4))]
network = neural_network.NeuralNetworkBuilder(*sides)
network.add_inner_product("fc", numpy.ones((4, 3)), numpy.zeros(4), 3, 4, True, "x", "y")
coremltools.utils.save_spec(network.spec, "network.mlmodel")
print("onnx", onnx.__version__, "coremltools", coremltools.__version__)
print("Core ML reads it:", coremltools.utils.load_spec("network.mlmodel").WhichOneof("Type"))
try:
    model = onnx.load("network.mlmodel")
except Exception as error:
    print("onnx.load refuses it:", type(error).__name__, error)
    sys.exit(1)
print("onnx.load returns:", type(model).__name__)
print("  ir_version", model.ir_version)
print("  producer_name", type(model.producer_name).__name__, repr(model.producer_name)[:60])
print("  has a graph:", model.HasField("graph"), "- nodes:", len(model.graph.node))
as_seen = (
    model.ir_version == 1
    and isinstance(model.producer_name, bytes)
    and not model.HasField("graph")
)
print("as described" if as_seen else "differs from what was seen")
sys.exit(0 if as_seen else 1)
PYTHON
