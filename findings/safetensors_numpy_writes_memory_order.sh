#!/usr/bin/env bash
# safetensors 0.8.0: safetensors.numpy.save and save_file write the bytes of an array in the order in
# which they lie in memory, with the shape of the array beside them. A transposed view, such as a Keras
# kernel turned into torch's layout by .T, comes back with its values in other places, without an error
# or a warning. 0.7.0 writes the values where they belong. The file does not show which it was.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/check.py" <<'PYTHON'
import numpy as np
import safetensors
from safetensors.numpy import load, save

kernel = np.arange(6.0, dtype=np.float32).reshape(2, 3)  # (input, units), as Keras has it
back = load(save({"weight": kernel.T}))["weight"]
print("safetensors", safetensors.__version__, "wrote", kernel.T.tolist(), "read", back.tolist())
assert back.shape == (3, 2)
if safetensors.__version__ == "0.7.0":
    assert np.array_equal(back, kernel.T)
else:
    assert np.array_equal(back, kernel.reshape(3, 2)) and not np.array_equal(back, kernel.T)
    copied = load(save({"weight": np.ascontiguousarray(kernel.T)}))["weight"]
    assert np.array_equal(copied, kernel.T)
PYTHON
for version in 0.7.0 0.8.0; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet "safetensors==$version" numpy==2.4.6
    "$folder/$version/bin/python" "$folder/check.py"
done
