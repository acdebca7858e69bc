#!/usr/bin/env bash
# Whether safetensors.numpy 0.8.0 reads bfloat16 depends on what else the program has imported. A file
# with BF16 raises TypeError in load_file and safe_open until some module imports ml_dtypes (jax and
# keras do), and is read from then on; safetensors.numpy.load of the same bytes raises KeyError in both
# cases, so that it cannot read what safetensors.numpy.save has just written.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6 ml_dtypes==0.5.4
cd "$folder"
cat > write.py <<'PYTHON'
import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

save_file({"weight": np.array([1, 2.5], ml_dtypes.bfloat16)}, "model.safetensors")
PYTHON
cat > check.py <<'PYTHON'
import importlib
from pathlib import Path

import safetensors
import safetensors.numpy

CALLS = {
    "load_file": lambda: safetensors.numpy.load_file("model.safetensors")["weight"],
    "safe_open": lambda: safetensors.safe_open("model.safetensors", "numpy").get_tensor("weight"),
    "load": lambda: safetensors.numpy.load(Path("model.safetensors").read_bytes())["weight"],
}


def told():
    """Return for each call its values, or the name of its error."""
    results = {}
    for name, call in CALLS.items():
        try:
            results[name] = call().astype("f4").tolist()
        except (TypeError, KeyError) as error:
            results[name] = type(error).__name__
    return results


print("safetensors", safetensors.__version__)
before = told()
importlib.import_module("ml_dtypes")
after = told()
print("before ml_dtypes is imported:", before)
print("afterwards:", after)
assert before == {"load_file": "TypeError", "safe_open": "TypeError", "load": "KeyError"}
assert after == {"load_file": [1.0, 2.5], "safe_open": [1.0, 2.5], "load": "KeyError"}
PYTHON
"$folder/venv/bin/python" write.py
"$folder/venv/bin/python" check.py
