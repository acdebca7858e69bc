#!/usr/bin/env bash
# A layer of dtype bfloat16: model.save("x.h5") writes it without an error, and load_model of that
# file fails. The values are in the file as opaque pairs of bytes, and only .keras and .weights.h5
# add the attribute that says what they are.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'keras==3.15.1' 'torch==2.13.0' 'h5py==3.16.0' 'numpy>=2,<2.5'

cd "$folder"
cat > show.py <<'PYTHON'
import os

os.environ["KERAS_BACKEND"] = "torch"
import h5py
import keras
from keras import layers

print("keras", keras.__version__)
dense = layers.Dense(4, dtype="bfloat16", kernel_initializer="random_uniform", name="dense")
model = keras.Sequential([keras.Input((3,)), dense])
told = {}
for name in ("model.keras", "model.h5"):
    model.save(name)
    try:
        keras.models.load_model(name)
        told[name] = "loads"
    except Exception as error:
        told[name] = f"{type(error).__name__}: {error}"
    print(name, told[name])
with h5py.File("model.h5") as file:
    [kernel] = [file[f"model_weights/dense/{path}"] for path in file["model_weights/dense"].attrs["weight_names"] if "kernel" in path]
    print("the kernel in model.h5:", kernel.dtype, dict(kernel.attrs))
    assert kernel.dtype.kind == "V" and not kernel.attrs

assert told["model.keras"] == "loads" and "void" in told["model.h5"], told
PYTHON
"$folder/venv/bin/python" show.py 2> errors || { cat errors; exit 1; }
