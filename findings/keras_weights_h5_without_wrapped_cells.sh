#!/usr/bin/env bash
# An RNN whose cell is in tf.nn.RNNCellResidualWrapper, in Keras 2.15: save_weights to a .weights.h5
# file leaves out all weights of the cell, and load_weights restores none of them; neither says a
# word. The older .h5 format keeps them.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'tensorflow-cpu==2.15.1' 'keras==2.15.0' 'h5py==3.16.0' 'numpy==1.26.4'

cd "$folder"
cat > show.py <<'PYTHON'
import warnings

import h5py
import keras
import numpy as np
import tensorflow as tf

print("tensorflow", tf.__version__, "keras", keras.__version__)


def model():
    cell = tf.nn.RNNCellResidualWrapper(tf.keras.layers.LSTMCell(4))
    layers = [tf.keras.Input((5, 4)), tf.keras.layers.RNN(cell), tf.keras.layers.Dense(1)]
    return tf.keras.Sequential(layers)


def restored(path):
    one, other = model(), model()
    one.set_weights([np.full(each.shape, 0.5, "f4") for each in one.get_weights()])
    one.save_weights(path)
    names = []
    with h5py.File(path) as file:
        file.visititems(lambda name, it: names.append(name) if isinstance(it, h5py.Dataset) else None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        other.load_weights(path)
    print("warnings of load_weights:", len(caught))
    assert not caught
    same = [np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights())]
    print(f"{path}: {len(one.weights)} weights, in the file {names}, restored {same}")
    return same


assert restored("model.weights.h5") == [False, False, False, True, True]
assert restored("model.h5") == [True] * 5
PYTHON
"$folder/venv/bin/python" show.py
