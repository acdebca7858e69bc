"""Record small models by Keras 2, with what their layers make of an input.

    pip install tensorflow-cpu==2.15.1 && python record_keras_2.py keras_2
    pip install tensorflow-cpu==2.13.1 && python record_keras_2.py keras_2_13

Recorded with Keras 2.15.0, the last one that keeps named weights by their layers' scopes. Keras 2
lets a program rename a layer, and use "/" in its name; paths to weights keep what the layer was
called when it was built. Keras 2.13.1 counts each layer twice that has weights.
"""

import io
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

keras = tf.keras
layers = keras.layers
FOLDER = Path(__file__).parent / "files"


@keras.saving.register_keras_serializable("recorded")
class Reversed(layers.LSTM):
    """An LSTM that reads its input from the end."""

    def call(self, inputs, **options):
        return super().call(tf.reverse(inputs, [1]), **options)


@keras.saving.register_keras_serializable("recorded")
class Encoder(layers.Layer):
    """A layer with a recurrent one, of which its configuration says nothing."""

    def __init__(self, **options):
        super().__init__(**options)
        self.rnn = layers.LSTM(3, return_sequences=True, name="hidden")

    def call(self, x):
        return self.rnn(x)


def renamed():
    """Two layers whose weights have the same paths in their groups."""
    keras.backend.clear_session()
    first = keras.Input((None, 3))
    one = layers.LSTM(4, return_sequences=True)
    x = one(first)
    one._name = "aux_lstm"
    keras.backend.clear_session()
    return keras.Model(first, layers.LSTM(4, return_sequences=True)(x))


def slashes():
    keras.backend.clear_session()
    first = keras.Input((None, 3))
    x = layers.LSTM(4, return_sequences=True, name="a/plain")(first)
    x = layers.LSTM(4, return_sequences=True, name="a/relu", activation="relu")(x)
    x = layers.LSTM(
        4, return_sequences=True, name="a/relu/hard", recurrent_activation="hard_sigmoid"
    )(x)
    x = layers.LSTM(4, return_sequences=True, name="b/back", go_backwards=True)(x)
    x = layers.Bidirectional(layers.LSTM(2, return_sequences=True), "sum", name="b/sum")(x)
    x = layers.Bidirectional(layers.LSTM(2, return_sequences=True), name="b/both")(x)
    return keras.Model(first, x)


def nested():
    """Models in a model: one called like its first layer, one whose layers changed their names."""
    keras.backend.clear_session()
    one = keras.Sequential(
        [keras.Input((None, 3)), layers.LSTM(4, return_sequences=True, name="lstm")], name="lstm"
    )
    p, q = (layers.LSTM(4, return_sequences=True, name=name) for name in "pq")
    two = keras.Sequential([keras.Input((None, 4)), p, q], name="two")
    p._name, q._name = "q", "p"
    last = layers.LSTM(2, return_sequences=True, name="last")
    model = keras.Sequential([keras.Input((None, 3)), one, two, last])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    model.fit(np.ones((2, 3, 3)), np.ones((2, 3, 2)), verbose=0)  # momenta are saved as well
    return model


def custom():
    keras.backend.clear_session()
    first = keras.Input((None, 3))
    x = Reversed(4, return_sequences=True, name="reversed")(first)
    x = Encoder(name="encoder")(x)
    x = layers.LSTM(
        2, return_sequences=True, dtype="bfloat16", recurrent_initializer="zeros", name="half"
    )(x)
    return keras.Model(first, x)


def counted():
    """Several layers of one class, at the top and in models of one class."""
    keras.backend.clear_session()

    def inner(name, units):
        parts = [layers.LSTM(units, return_sequences=True, name=f"{name}_{part}") for part in "xy"]
        return keras.Sequential(parts, name=name)

    several = [layers.LSTM(4, return_sequences=True, name=f"top_{part}") for part in "xyz"]
    both = [layers.Bidirectional(layers.LSTM(2, return_sequences=True), name=name) for name in "pq"]
    made = [several[0], both[0], inner("one", 4), several[1], layers.Dropout(0.1), both[1]]
    model = keras.Sequential([keras.Input((None, 4)), *made, several[2], inner("two", 4)])
    model.build((None, None, 4))
    return model


def record_outputs(arrays, prefix, model, rng):
    """Give recurrent layers other weights, and record what they make of an input."""
    for layer in model._flatten_layers():
        is_part = layer.name.startswith(("half", "forward_", "backward_"))
        if isinstance(layer, (layers.LSTM, layers.Bidirectional)) and not is_part:
            layer.set_weights([rng.normal(0, 0.5, each.shape) for each in layer.get_weights()])
            x = rng.normal(size=(2, 5, layer.get_weights()[0].shape[0])).astype("f4")
            arrays[f"{prefix}:{layer.name}:input"] = x
            arrays[f"{prefix}:{layer.name}:output"] = layer(x).numpy()


def main(name):
    keras.utils.set_random_seed(8)
    rng = np.random.default_rng(8)
    arrays = {}
    with (
        tarfile.open(FOLDER / f"{name}.tar.xz", "w:xz") as archive,
        tempfile.TemporaryDirectory() as folder,
    ):
        for make in ARCHIVES[name]:
            model = make()
            record_outputs(arrays, make.__name__, model, rng)
            if make is custom:
                half = model.get_layer("half")
                for number, weight in enumerate(half.weights):
                    arrays[f"custom:half:{number}"] = tf.cast(weight, "float32").numpy()
            for suffix, save in (
                (".h5", model.save),
                ("_weights.h5", model.save_weights),
                (".keras", model.save),
            ):
                path = Path(folder, make.__name__ + suffix)
                save(path)
                add(archive, path.name, path.read_bytes())
        outputs = io.BytesIO()
        np.savez(outputs, **arrays)
        add(archive, "outputs.npz", outputs.getvalue())


def add(archive, name, content):
    """Add bytes without the user, the time and the modes of a file."""
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


ARCHIVES = {"keras_2": (renamed, slashes, nested, custom), "keras_2_13": (counted,)}

if __name__ == "__main__":
    main(sys.argv[1])
