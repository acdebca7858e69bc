"""Record a small Keras model in two formats, with what some of its layers make of an input.

    pip install keras torch h5py && python record_keras.py

Recorded with Keras 3.15.1 on torch. The third format, ``.weights.h5``, is what is inside the
``.keras`` archive. HDF5 files are mostly zeros, hence the compressed archive around all.
"""

import io
import os
import tarfile
import tempfile
from pathlib import Path

import numpy as np

os.environ["KERAS_BACKEND"] = "torch"
import keras
from keras import layers

ARCHIVE = Path(__file__).parent / "files" / "keras.tar.xz"


def build():
    inner = keras.Sequential(
        [
            keras.Input((None, 6)),
            layers.LSTM(2, return_sequences=True, use_bias=False, name="same"),
        ],
        name="inner",
    )
    first = keras.Input((None, 3))
    x = layers.LSTM(4, return_sequences=True, name="encoder")(first)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both")(x)
    x = inner(x)
    x = layers.RNN(layers.LSTMCell(2), return_sequences=True, name="rnn")(x)
    x = layers.GRU(2, return_sequences=True, name="gru")(x)
    x = layers.LSTM(2, activation="relu", return_sequences=True, name="relu")(x)
    x = layers.LSTM(2, name="same")(x)
    return keras.Model(first, x)


def main():
    keras.utils.set_random_seed(6)
    model = build()
    rng = np.random.default_rng(6)
    # Biases as well, which Keras would leave at 0 and 1.
    model.set_weights([rng.normal(0, 0.5, w.shape).astype("f4") for w in model.get_weights()])
    inner = model.get_layer("inner")
    arrays = {}
    for name, layer, width in (
        ("encoder", model.get_layer("encoder"), 3),
        ("both", model.get_layer("both"), 4),
        ("inner.same", inner.get_layer("same"), 6),
        ("rnn", model.get_layer("rnn"), 2),
    ):
        x = rng.normal(size=(2, 5, width)).astype("f4")
        arrays[f"{name}/input"] = x
        arrays[f"{name}/output"] = keras.ops.convert_to_numpy(layer(x))
    outputs = io.BytesIO()
    np.savez(outputs, **arrays)
    with tempfile.TemporaryDirectory() as folder, tarfile.open(ARCHIVE, "w:xz") as archive:
        for name in ("keras.keras", "keras.h5"):
            path = Path(folder, name)
            model.save(path)
            add(archive, name, path.read_bytes())
        add(archive, "outputs.npz", outputs.getvalue())


def add(archive, name, content):
    """Add bytes without the user, the time and the modes of a file."""
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


if __name__ == "__main__":
    main()
