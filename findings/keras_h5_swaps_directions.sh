#!/usr/bin/env bash
# A Bidirectional layer whose forward half is frozen: weights that model.save("x.h5") wrote, loaded
# into the same model without the freeze, change places without a word. load_weights takes them in
# the order of the file, which has trainable weights first, though the file names each one
# ("both/forward_lstm/..."). The format .weights.h5 puts them where they belong.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'keras==3.15.1' 'torch==2.13.0' 'h5py==3.16.0' 'numpy>=2,<2.5'

cd "$folder"
cat > show.py <<'PYTHON'
import os

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
from keras import layers


def make():
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both")
    return keras.Sequential([keras.Input((None, 2)), both])


def numbers(value):
    return keras.ops.convert_to_numpy(value)


print("keras", keras.__version__)
x = np.linspace(-1, 1, 10, dtype="f4").reshape(1, 5, 2)
saved = make()
saved.layers[0].forward_layer.trainable = False
expected = numbers(saved(x))
results = {}
for name in ("model.weights.h5", "model.h5"):
    saved.save_weights(name) if name.endswith("weights.h5") else saved.save(name)
    loaded = make()
    loaded.load_weights(name)
    forward = numbers(loaded.layers[0].forward_layer.cell.kernel)
    backward = numbers(saved.layers[0].backward_layer.cell.kernel)
    results[name] = float(abs(numbers(loaded(x)) - expected).max()), bool((forward == backward).all())
    print(name, "largest difference of the outputs, and whether the forward kernel is the backward one:", *results[name])

assert results["model.weights.h5"][0] < 1e-6 and not results["model.weights.h5"][1]
assert results["model.h5"][0] > 1e-3 and results["model.h5"][1]
PYTHON
"$folder/venv/bin/python" show.py 2> errors || { cat errors; exit 1; }
