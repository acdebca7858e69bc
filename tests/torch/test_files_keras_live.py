"""LSTMs that Keras saves in its three formats: outputs as Keras computes them, on torch."""

import os
import warnings

import numpy as np
import pytest
from keras_files import ASSUMED, ASSUMED_BOTH
from reference import lstm

import pylstm
from pylstm.files.base.record import Unsupported
from pylstm.files.open import open_weights

pytest.importorskip("torch.nn")  # "torch" alone would find a folder of that name
os.environ.setdefault("KERAS_BACKEND", "torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    keras = pytest.importorskip("keras")
    layers = pytest.importorskip("keras.layers")

pytestmark = pytest.mark.filterwarnings("ignore")

FORMATS = ["keras", "h5", "weights.h5"]


def of_torch():
    if keras.backend.backend() != "torch":
        pytest.skip(f"Keras runs on {keras.backend.backend()}")


@pytest.fixture(autouse=True)
def on_torch():
    of_torch()
    keras.utils.clear_session()
    keras.utils.set_random_seed(3)


def save(model, folder, suffix):
    """Give a model weights of its own, and save it."""
    rng = np.random.default_rng(4)
    model.set_weights([rng.normal(0, 0.5, each.shape).astype("f4") for each in model.weights])
    path = folder / f"model.{suffix}"
    (model.save_weights if suffix == "weights.h5" else model.save)(path)
    return path


def assert_outputs(path, prefix, layer, assumed=False):
    """Compare a layer of a file with Keras's own."""
    found = {each.prefix: each for each in pylstm.find_lstms(path)}
    told = ASSUMED_BOTH if found[prefix].bidirectional else ASSUMED
    nothing = told if found[prefix].bias else told | {"bias": False}
    assert found[prefix].assumed == (nothing if assumed else {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pylstm.WeightFileWarning)
        module = pylstm.LSTM.from_weights(path, prefix)
    x = np.random.default_rng(5).normal(size=(2, 5, module.input_size)).astype("f4")
    expected = keras.ops.convert_to_numpy(layer(x))
    np.testing.assert_allclose(module(x)[0], expected, atol=1e-6)
    np.testing.assert_allclose(
        lstm(module.state_dict(), x, batch_first=True)[0], expected, atol=1e-6
    )


def near_misses(path):
    with open_weights(path) as file:
        leaves = file.tree
    return {name: leaf.reason for name, leaf in leaves.items() if isinstance(leaf, Unsupported)}


def sequence(units, name, kind=layers.LSTM, **options):
    return kind(units, return_sequences=True, name=name, **options)


@pytest.mark.parametrize("suffix", FORMATS)
def test_options_that_change_no_numbers(suffix, tmp_path):
    first = keras.Input(batch_shape=(2, 5, 3))
    made = [
        sequence(4, "bare", use_bias=False),
        sequence(3, "dropped", dropout=0.3, recurrent_dropout=0.2, seed=1),
        sequence(2, "stateful", stateful=True),
        sequence(5, "unrolled", unroll=True, unit_forget_bias=False),
        sequence(3, "masked", zero_output_for_mask=True, kernel_regularizer="l2"),
        layers.RNN(layers.LSTMCell(2), return_sequences=True, name="cell"),
        layers.Bidirectional(sequence(2, "half", use_bias=False), name="both"),
    ]
    x = first
    for layer in made:
        x = layer(x)
    path = save(keras.Model(first, x), tmp_path, suffix)
    for layer in made:
        layer.stateful = False
        assert_outputs(path, layer.name, layer, suffix == "weights.h5")
    assert near_misses(path) == {}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("kind", ["sequential", "functional"])
def test_models_in_models(suffix, kind, tmp_path):
    """All of one name, in models of the names of layers."""
    deep = keras.Sequential([keras.Input((None, 4)), sequence(3, "lstm")], name="deep")
    inner_layers = [sequence(4, "lstm"), deep, layers.Bidirectional(sequence(2, "x"), name="both")]
    if kind == "sequential":
        inner = keras.Sequential([keras.Input((None, 3)), *inner_layers], name="lstm")
    else:
        start = keras.Input((None, 3))
        x = start
        for layer in inner_layers:
            x = layer(x)
        inner = keras.Model(start, x, name="lstm")
    last = sequence(2, "last")
    path = save(
        keras.Sequential([keras.Input((None, 3)), inner, last], name="last"), tmp_path, suffix
    )
    weights_alone = suffix == "weights.h5"
    assert_outputs(path, "last", last, weights_alone)
    assert_outputs(path, "lstm.lstm", inner_layers[0], weights_alone)
    assert_outputs(path, "lstm.deep.lstm", deep.layers[-1], weights_alone)
    assert_outputs(path, "lstm.both", inner_layers[2], weights_alone)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_model_called_like_its_first_layer(suffix, tmp_path):
    made = [sequence(4, "lstm"), sequence(4, "other"), sequence(4, "lstm_1")]
    path = save(keras.Sequential([keras.Input((None, 4)), *made], name="lstm"), tmp_path, suffix)
    for layer in made:
        assert_outputs(path, layer.name, layer, suffix == "weights.h5")


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize(
    "options, text",
    [
        ({"activation": "selu"}, "its activation is 'selu'"),
        ({"activation": "hard_sigmoid"}, "its activation is 'hard_sigmoid'"),
        ({"recurrent_activation": "relu"}, "its recurrent_activation is 'relu'"),
        ({"recurrent_activation": None}, "its recurrent_activation is 'linear'"),
    ],
)
def test_options_that_change_numbers(suffix, options, text, tmp_path):
    first = keras.Input((None, 3))
    x = sequence(4, "same")(first)
    model = keras.Model(first, sequence(4, "other", **options)(x))
    reasons = near_misses(save(model, tmp_path, suffix))
    assert list(reasons) == ["other"] and text in reasons["other"]


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("mode", ["sum", "mul", "ave", None])
def test_directions_that_are_merged(suffix, mode, tmp_path):
    first = keras.Input((None, 3))
    model = keras.Model(first, layers.Bidirectional(sequence(4, "x"), mode, name="both")(first))
    path = save(model, tmp_path, suffix)
    if mode is None:
        [text] = near_misses(path).values()
        assert "it merges its directions" in text
        return
    with pytest.raises(pylstm.WeightFileError, match=f"pass merge_mode='{mode}'"):
        pylstm.LSTM.from_weights(path)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 5, 3)).astype(np.float32)
    output = pylstm.LSTM.from_weights(path, merge_mode=mode)(x)[0]
    forward, backward = np.split(output, 2, axis=2)
    joined = {
        "sum": forward + backward,
        "mul": forward * backward,
        "ave": (forward + backward) / 2,
    }[mode]
    np.testing.assert_allclose(joined, np.asarray(model(x).detach()), atol=1e-6)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_backward_layer_of_its_own(suffix, tmp_path):
    first = keras.Input((None, 3))
    both = layers.Bidirectional(
        sequence(4, "x"), backward_layer=sequence(4, "y", go_backwards=True), name="both"
    )
    path = save(keras.Model(first, both(first)), tmp_path, suffix)
    assert_outputs(path, "both", both, suffix == "weights.h5")
    selu = sequence(4, "z", go_backwards=True, activation="selu")
    other = layers.Bidirectional(sequence(4, "x"), backward_layer=selu, name="both")
    path = save(keras.Model(first, other(first)), tmp_path, suffix)
    if suffix != "weights.h5":
        assert near_misses(path) == {"both": "its activation is 'selu', not 'tanh'"}


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_frozen_directions_and_layers(suffix, tmp_path):
    """What is not trained comes last among the weights of a layer and of a model."""
    both = layers.Bidirectional(sequence(4, "x"), name="both")
    first, second = sequence(4, "first", trainable=False), sequence(4, "second")
    inner = keras.Sequential([keras.Input((None, 3)), first, second], name="inner")
    model = keras.Sequential([keras.Input((None, 3)), inner, both])
    both.forward_layer.trainable = False
    path = save(model, tmp_path, suffix)
    for name, layer in (("both", both), ("inner.first", first), ("inner.second", second)):
        assert_outputs(path, name, layer)


@pytest.mark.parametrize("suffix", FORMATS)
def test_stacked_cells(suffix, tmp_path):
    first = keras.Input((None, 3))
    cells = layers.RNN([layers.LSTMCell(4), layers.LSTMCell(4)], return_sequences=True, name="deep")
    reasons = near_misses(save(keras.Model(first, cells(first)), tmp_path, suffix))
    assert list(reasons) == ["deep"] and "cells" in reasons["deep"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_timed_layers(suffix, tmp_path):
    first = keras.Input((2, 5, 3))
    inner = sequence(4, "inner")
    path = save(
        keras.Model(first, layers.TimeDistributed(inner, name="timed")(first)), tmp_path, suffix
    )
    assert_outputs(path, "timed.inner", inner, suffix == "weights.h5")


@pytest.mark.parametrize("suffix", FORMATS)
def test_shared_layers(suffix, tmp_path):
    shared = sequence(3, "shared")
    one = keras.Sequential([keras.Input((None, 3)), shared], name="one")
    two = keras.Sequential([keras.Input((None, 3)), shared, sequence(2, "own")], name="two")
    first = keras.Input((None, 3))
    path = save(keras.Model(first, [one(first), two(first)]), tmp_path, suffix)
    names = {each.prefix for each in pylstm.find_lstms(path)}
    assert {"one.shared", "two.own"} <= names
    assert_outputs(path, "one.shared", shared, suffix == "weights.h5")
    assert_outputs(path, "two.own", two.layers[-1], suffix == "weights.h5")


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    "dtype", ["mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64"]
)
def test_dtypes(suffix, dtype, tmp_path):
    first = keras.Input((None, 3))
    layer = sequence(4, "rnn", dtype=dtype, recurrent_initializer="zeros")
    path = save(keras.Model(first, layer(first)), tmp_path, suffix)
    [found] = pylstm.find_lstms(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pylstm.WeightFileWarning)
        state = pylstm.LSTM.from_weights(path).state_dict()
    for name, weight in zip(
        ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0"), layer.weights, strict=True
    ):
        expected = keras.ops.convert_to_numpy(keras.ops.cast(weight, "float64"))
        np.testing.assert_array_equal(state[name], expected.T)
    assert str(found.dtype) == {"float64": "float64", "float16": "float16"}.get(dtype, "float32")


def test_weights_in_several_files(tmp_path):
    """Some file has an LSTM's matrices and not its bias: no LSTM without a bias comes of that."""
    first = keras.Input((None, 30))
    x = sequence(30, "one")(first)
    model = keras.Model(first, sequence(30, "two")(x))
    # Room for both matrices of the first layer, and not for its bias.
    model.save_weights(tmp_path / "model.weights.json", max_shard_size=29e3 / 2**30)
    shards = sorted(tmp_path.glob("*.weights.h5"))
    assert [each.prefix for shard in shards for each in pylstm.find_lstms(shard)] == []
    [text] = near_misses(shards[0]).values()
    assert text == f"it has no bias here, and {shards[0].name!r} is one file of several"


class Peephole(layers.LSTMCell):
    """A cell with weights beside those of an LSTM."""

    def build(self, input_shape):
        super().build(input_shape)
        self.peephole = self.add_weight(shape=(3 * self.units,), name="peephole")


class Normed(layers.LSTMCell):
    """A cell with a layer in it."""

    def build(self, input_shape):
        super().build(input_shape)
        self.norm = layers.LayerNormalization(name="norm")
        self.norm.build((None, self.units))


class Plain(layers.LSTMCell):
    """A cell that may compute anything."""


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("cell", [Peephole, Normed, Plain])
def test_cells_of_a_program(suffix, cell, tmp_path):
    first = keras.Input((None, 3))
    model = keras.Model(first, layers.RNN(cell(4), return_sequences=True, name="rnn")(first))
    path = save(model, tmp_path, suffix)
    assert pylstm.find_lstms(path) == []
    assert list(near_misses(path)) == ["rnn"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_compiled_models(suffix, tmp_path):
    """Momenta look like the weights that they are for."""
    made = [sequence(4, "lstm"), layers.Bidirectional(sequence(2, "x"), name="both")]
    model = keras.Sequential([keras.Input((None, 3)), *made])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    model.fit(np.ones((2, 4, 3)), np.ones((2, 4, 4)), verbose=0)
    path = save(model, tmp_path, suffix)
    assert [each.prefix for each in pylstm.find_lstms(path)] != []
    assert {each.prefix for each in pylstm.find_lstms(path)} == {"lstm", "both"}
    for layer in made:
        assert_outputs(path, layer.name, layer, suffix == "weights.h5")
    with open_weights(path) as file:
        assert len(file._source.arrays) >= len(model.weights) and not file._source.unreadable
