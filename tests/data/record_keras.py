"""Record small Keras models, with what some of their layers make of an input.

    pip install keras torch h5py && python record_keras.py [NAME ...]

A name is that of an archive in ``files``, all of them by default. Recorded with Keras 3.15.1 on
torch. The third format, ``.weights.h5``, is what is inside a ``.keras`` archive. HDF5 files are
mostly zeros, hence the compressed archives around all.
"""

import io
import os
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

os.environ["KERAS_BACKEND"] = "torch"
import keras
from keras import layers
from keras.saving import register_keras_serializable

FOLDER = Path(__file__).parent / "files"


# keras.tar.xz: layers that the configuration shows ----------------------------------------------


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


def record_keras(archive):
    keras.utils.set_random_seed(6)
    model = build()
    rng = np.random.default_rng(6)
    set_weights(model, rng)
    inner = model.get_layer("inner")
    arrays = {}
    for name, layer, width in (
        ("encoder", model.get_layer("encoder"), 3),
        ("both", model.get_layer("both"), 4),
        ("inner.same", inner.get_layer("same"), 6),
        ("rnn", model.get_layer("rnn"), 2),
    ):
        record_output(arrays, name, layer, width, rng)
    add_model(archive, "keras", model)
    add_arrays(archive, arrays)


# keras_custom.tar.xz: classes of a program's own, layers that no configuration shows ------------


@register_keras_serializable("recorded")
class Reversed(layers.LSTM):
    """An LSTM that reads its input from the end."""

    def call(self, sequences, initial_state=None, mask=None, training=False):
        return super().call(keras.ops.flip(sequences, 1), initial_state, mask, training)


@register_keras_serializable("recorded", name="LSTM")
class Doubled(layers.LSTM):
    """An LSTM that is registered by the name of Keras's."""

    def call(self, sequences, initial_state=None, mask=None, training=False):
        return super().call(2 * sequences, initial_state, mask, training)


@register_keras_serializable("recorded")
class Swapped(layers.Bidirectional):
    """A Bidirectional whose directions change places."""

    def call(self, sequences, initial_state=None, mask=None, training=None):
        return super().call(keras.ops.flip(sequences, 1), initial_state, mask, training)


@register_keras_serializable("recorded")
class Encoder(layers.Layer):
    """A layer with two recurrent ones, of which its configuration says nothing."""

    def __init__(self, units=3, **options):
        super().__init__(**options)
        self.units = units
        self.rnn = layers.LSTM(units, return_sequences=True, name="hidden")
        self.both = layers.Bidirectional(layers.LSTM(2, return_sequences=True), name="sides")

    def build(self, shape):
        self.rnn.build(shape)
        self.both.build((*shape[:2], self.units))

    def call(self, x):
        return self.both(self.rnn(x))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@register_keras_serializable("recorded")
class Holder(layers.Layer):
    """A layer whose configuration describes the one in it."""

    def __init__(self, rnn, **options):
        super().__init__(**options)
        self.rnn = rnn

    def build(self, shape):
        self.rnn.build(shape)

    def call(self, x):
        return self.rnn(x)

    def get_config(self):
        return {**super().get_config(), "rnn": keras.saving.serialize_keras_object(self.rnn)}

    @classmethod
    def from_config(cls, config):
        config["rnn"] = keras.saving.deserialize_keras_object(config["rnn"])
        return cls(**config)


class Subclassed(keras.Model):
    """A model whose layers are attributes, one of them called like an attribute of another."""

    def __init__(self):
        super().__init__(name="subclassed")
        self.a = layers.LSTM(3, return_sequences=True, name="first")
        self.stack = [
            layers.LSTM(2, return_sequences=True, name="a"),
            layers.LSTM(2, return_sequences=True, name="last"),
        ]

    def call(self, x):
        x = self.a(x)
        for layer in self.stack:
            x = layer(x)
        return x

    def get_config(self):
        return {}


def build_custom():
    inner = keras.Sequential(
        [keras.Input((None, 4)), layers.LSTM(4, return_sequences=True, name="lstm")], name="lstm"
    )
    first = keras.Input((None, 3))
    x = layers.LSTM(4, return_sequences=True, name="plain", dropout=0.2, seed=1)(first)
    x = inner(x)
    x = Reversed(4, return_sequences=True, name="reversed")(x)
    x = Doubled(4, return_sequences=True, name="doubled")(x)
    x = Swapped(layers.LSTM(2, return_sequences=True), name="swapped")(x)
    x = Encoder(name="encoder")(x)
    x = Holder(layers.LSTM(3, return_sequences=True, name="held"), name="holder")(x)
    relu = layers.LSTM(3, activation="relu", return_sequences=True, name="held")
    x = Holder(relu, name="holder_of_relu")(x)
    backward = layers.LSTM(2, return_sequences=True, go_backwards=True, name="own")
    both = layers.Bidirectional(
        layers.LSTM(2, return_sequences=True), backward_layer=backward, name="both"
    )
    x = both(x)
    x = layers.RNN([layers.LSTMCell(3), layers.LSTMCell(2)], return_sequences=True, name="deep")(x)
    zeros = keras.initializers.Zeros()  # torch has no others of this dtype
    x = layers.LSTM(4, dtype="bfloat16", recurrent_initializer=zeros, name="half")(x)
    return keras.Model(first, x)


def record_custom(archive):
    keras.utils.set_random_seed(7)
    rng = np.random.default_rng(7)
    model, subclassed = build_custom(), Subclassed()
    subclassed(np.zeros((1, 2, 3), "f4"))
    for each in (model, subclassed):
        set_weights(each, rng)
    layer, encoder = model.get_layer, model.get_layer("encoder")
    arrays = {}
    for name, each, width in (
        ("plain", layer("plain"), 3),
        ("lstm.lstm", layer("lstm").get_layer("lstm"), 4),
        ("encoder.hidden", encoder.rnn, 4),
        ("encoder.sides", encoder.both, 3),
        ("holder.held", layer("holder").rnn, 4),
        ("both", layer("both"), 3),
        ("first", subclassed.a, 3),
        ("a", subclassed.stack[0], 3),
        ("last", subclassed.stack[1], 2),
    ):
        record_output(arrays, name, each, width, rng)
    for number, weight in enumerate(layer("half").weights):
        arrays[f"half/{number}"] = keras.ops.convert_to_numpy(keras.ops.cast(weight, "float32"))
    add_model(archive, "custom", model)
    add_model(archive, "subclassed", subclassed)
    add_arrays(archive, arrays)


# ------------------------------------------------------------------------------------------------


def set_weights(model, rng):
    """Give a model other biases than the 0 and 1 of Keras."""
    model.set_weights([rng.normal(0, 0.5, each.shape).astype("f4") for each in model.weights])


def record_output(arrays, name, layer, width, rng):
    x = rng.normal(size=(2, 5, width)).astype("f4")
    arrays[f"{name}/input"] = x
    arrays[f"{name}/output"] = keras.ops.convert_to_numpy(layer(x))


def add_model(archive, name, model):
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".keras", ".h5"):
            path = Path(folder, name + suffix)
            model.save(path)
            add(archive, path.name, path.read_bytes())


def add_arrays(archive, arrays):
    outputs = io.BytesIO()
    np.savez(outputs, **arrays)
    add(archive, "outputs.npz", outputs.getvalue())


def add(archive, name, content):
    """Add bytes without the user, the time and the modes of a file."""
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


ARCHIVES = {"keras": record_keras, "keras_custom": record_custom}

if __name__ == "__main__":
    for each in sys.argv[1:] or ARCHIVES:
        with tarfile.open(FOLDER / f"{each}.tar.xz", "w:xz") as written:
            ARCHIVES[each](written)
