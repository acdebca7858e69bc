"""What a Keras file says of its layers decides; what it leaves open is said, or refused."""

import io
import json
import re
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from keras_files import (
    ASSUMED,
    ASSUMED_BOTH,
    archive_of,
    assert_loads,
    bidirectional_config,
    from_weights,
    h5_file,
    keras_archive,
    labelled,
    layer_config,
    legacy_file,
    model_config,
    named,
    numbered,
    reason,
    torch_parameters,
    tree,
)
from reference import lstm

import pylstm
from pylstm.cli import main
from pylstm.files.base.record import Unsupported
from pylstm.files.open import open_weights

h5py = pytest.importorskip("h5py")

FOLDER = Path(__file__).parent / "data" / "files"
OTHER_CLASS = "is another one than Keras's"


def unpacked(name):
    """Name -> bytes of what a recorded archive holds; the weights of .keras archives as well."""
    with tarfile.open(FOLDER / f"{name}.tar.xz") as archive:
        files = {each.name: archive.extractfile(each).read() for each in archive}
    for name, content in list(files.items()):
        if name.endswith(".keras"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                weights = archive.read("model.weights.h5")
            files[name.replace(".keras", ".weights.h5")] = weights
    return files


@pytest.fixture(scope="module")
def recorded():
    return unpacked("keras_custom")


@pytest.fixture(scope="module")
def recorded_2():
    return unpacked("keras_2")


def arrays(files):
    return np.load(io.BytesIO(files["outputs.npz"]))


def found(source):
    """Name -> what is assumed of it."""
    return {each.prefix: each.assumed for each in pylstm.find_lstms(source)}


def near_misses(source):
    """Name -> why it is none."""
    leaves = tree(source)
    return {name: leaf.reason for name, leaf in leaves.items() if isinstance(leaf, Unsupported)}


def parts(sizes, bidirectional=False):
    """Parameters of several layers of other sizes each, so that none passes for another."""
    return [
        torch_parameters(bidirectional, seed=seed, inputs=inputs, units=units)
        for seed, (inputs, units) in enumerate(sizes, 1)
    ]


def one(path, parameters):
    """The weights of a layer by weight name, in Keras's order."""
    return named(path, parameters)


def two(path, parameters, forward="forward_lstm", backward="backward_lstm", cell="/lstm_cell"):
    weights = named(f"{path}/{forward}{cell}", parameters)
    return weights | named(f"{path}/{backward}{cell}", parameters, "_l0_reverse")


# ---------------------------------------------------------------------------- written by Keras 3


@pytest.mark.parametrize("suffix", ["keras", "h5", "weights.h5"])
def test_recorded_layers(recorded, suffix):
    """Those that the file describes are certain, those of which it says nothing assumed."""
    data = recorded[f"custom.{suffix}"]
    nothing = ASSUMED if suffix == "weights.h5" else {}
    expected = dict.fromkeys(("plain", "both", "half", "lstm.lstm", "holder.held"), nothing)
    expected |= {"encoder.hidden": ASSUMED, "encoder.sides": ASSUMED_BOTH}
    if suffix == "weights.h5":
        expected["both"] = ASSUMED_BOTH
    expected["holder_of_relu.held"] = nothing
    assert found(data) == expected
    # Only the configuration tells its activation.
    [relu] = [each for each in pylstm.find_lstms(data) if each.prefix == "holder_of_relu.held"]
    assert relu.options == ({} if suffix == "weights.h5" else {"activation": "relu"})
    outputs = arrays(recorded)
    for name in ("plain", "lstm.lstm", "encoder.hidden", "encoder.sides", "holder.held", "both"):
        module = from_weights(data, name)
        y, _ = module(outputs[f"{name}/input"])
        np.testing.assert_allclose(y, outputs[f"{name}/output"], atol=1e-6)
        expected = lstm(module.state_dict(), outputs[f"{name}/input"], batch_first=True)[0]
        np.testing.assert_allclose(y, expected, atol=1e-6)


@pytest.mark.parametrize("suffix", ["keras", "h5", "weights.h5"])
def test_recorded_subclasses(recorded, suffix):
    """A subclass of Keras's LSTM or Bidirectional may compute anything: one of these reverses."""
    reasons = near_misses(recorded[f"custom.{suffix}"])
    classes = {"reversed": "Reversed", "doubled": "Doubled", "swapped": "Swapped"}
    if suffix == "h5":  # which has the registered names
        classes = {"reversed": "recorded>Reversed", "doubled": "recorded>LSTM", "swapped": "recorded>Swapped"}  # fmt: skip
    for name, class_name in classes.items():
        if suffix == "weights.h5":
            assert f"its group {name!r} is named after a class" in reasons[name]
        else:
            assert reasons[name] == f"its class {class_name} {OTHER_CLASS}"
    assert "cells" in reasons["deep"]
    assert len(reasons) == 4


@pytest.mark.parametrize("suffix", ["keras", "h5", "weights.h5"])
def test_recorded_bfloat16(recorded, recorded_2, suffix):
    values = arrays(recorded)
    for files, data, key in (
        (recorded, recorded[f"custom.{suffix}"], "half/"),
        (recorded_2, recorded_2[f"custom.{suffix}"], "custom:half:"),
    ):
        values = arrays(files)
        name = "half" if files is recorded or suffix != "weights.h5" else "lstm"
        state = from_weights(data, name).state_dict()
        np.testing.assert_array_equal(state["weight_ih_l0"], values[key + "0"].T)
        np.testing.assert_array_equal(state["weight_hh_l0"], values[key + "1"].T)
        np.testing.assert_array_equal(state["bias_ih_l0"], values[key + "2"])
        assert state["weight_ih_l0"].dtype == np.float32


@pytest.mark.parametrize("suffix", ["keras", "h5", "weights.h5"])
def test_recorded_subclassed_model(recorded, suffix):
    data = recorded[f"subclassed.{suffix}"]
    assert found(data) == dict.fromkeys(("first", "a", "last"), ASSUMED)
    outputs = arrays(recorded)
    for name in ("first", "a", "last"):
        y, _ = from_weights(data, name)(outputs[f"{name}/input"])
        np.testing.assert_allclose(y, outputs[f"{name}/output"], atol=1e-6)


def test_what_is_assumed_of_directions_is_metadata(recorded):
    for name, told in (("custom.weights.h5", True), ("subclassed.weights.h5", False)):
        with open_weights(recorded[name]) as file:
            assert ("merge_mode" in file.metadata) == told


@pytest.mark.parametrize("layout", ["numbered", "named"])
def test_assumed_directions_are_said(layout, capsys, tmp_path):
    """Whether outputs of two directions are concatenated is a question of its own."""
    parameters = torch_parameters(True)
    path = tmp_path / "model.weights.h5"
    if layout == "numbered":
        path.write_bytes(h5_file(numbered("layers/bidirectional", parameters)))
    else:
        path.write_bytes(legacy_file({"both": two("both", parameters)}, base=""))
    [each] = pylstm.find_lstms(path)
    assert each.assumed == ASSUMED_BOTH
    gates = {name: ASSUMED[name] for name in ("gate_activation", "activation", "reverse")}
    for answers, open_ones in (
        ({}, "gate_activation='sigmoid', activation='tanh', reverse=False, merge_mode='concat'"),
        (gates, "merge_mode='concat'"),
        ({"reverse": False}, "merge_mode='concat'"),
        ({"merge_mode": "concat"}, "gate_activation='sigmoid', activation='tanh', reverse=False"),
    ):
        with pytest.warns(pylstm.WeightFileWarning, match=f"assumed: {open_ones}; pass"):
            pylstm.LSTM.from_weights(path, **answers)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pylstm.LSTM.from_weights(path, **each.assumed)
        pylstm.LSTM.from_weights(path, reverse=False, merge_mode="concat")
        for other in ("sum", "mul", "ave"):
            with pytest.raises(ValueError, match=f"no LSTM with merge_mode='{other}' yet"):
                pylstm.LSTM.from_weights(path, **each.assumed | {"merge_mode": other})
    for command in ("inspect", "verify"):
        assert main([command, str(path)]) == 0
        assert re.search("merge_mode='?concat'?", capsys.readouterr().out)


# ---------------------------------------------------------------------------- written by Keras 2


def assert_outputs(files, name, prefix, key):
    outputs = arrays(files)
    x, expected = outputs[f"{key}:input"], outputs[f"{key}:output"]
    np.testing.assert_allclose(from_weights(files[name], prefix)(x)[0], expected, atol=1e-6)


@pytest.mark.parametrize("name", ["renamed.h5", "renamed_weights.h5", "renamed.keras"])
def test_recorded_renamed_layers(recorded_2, name):
    """Both layers were called lstm when they were built, and so are their weights."""
    assert list(found(recorded_2[name])) == ["aux_lstm", "lstm"]
    for layer in ("aux_lstm", "lstm"):
        assert_outputs(recorded_2, name, layer, f"renamed:{layer}")


@pytest.mark.parametrize("name", ["slashes.h5", "slashes.keras"])
def test_recorded_names_with_slashes(recorded_2, name):
    options = {
        "a/plain": {},
        "a/relu": {"activation": "relu"},
        "a/relu/hard": {"gate_activation": "hard_sigmoid"},
        "b/both": {},
        "b/back": {"reverse": True},
        "b/sum": {},
    }
    everything = {each.prefix: each for each in pylstm.find_lstms(recorded_2[name])}
    assert {prefix: each.options for prefix, each in everything.items()} == options
    assert everything["b/sum"].merge_mode == "sum"
    for layer in ("a/plain", "b/both"):
        assert_outputs(recorded_2, name, layer, f"slashes:{layer}")
    assert near_misses(recorded_2[name]) == {}


def test_recorded_models_in_models(recorded_2):
    """The weights of a model in another are known by the names of its layers, if these match."""
    data = recorded_2["nested.h5"]
    assert found(data) == {"last": {}, "lstm.lstm": {}}
    for prefix, layer in (("last", "last"), ("lstm.lstm", "lstm")):
        assert_outputs(recorded_2, "nested.h5", prefix, f"nested:{layer}")
    for text in near_misses(data).values():
        assert text == (
            "the weights are those of p/lstm_cell, q/lstm_cell, the configuration has two.q, two.p"
        )
    # The archive counts classes instead.
    for prefix, layer in (("two.q", "q"), ("two.p", "p"), ("last", "last")):
        assert_outputs(recorded_2, "nested.keras", prefix, f"nested:{layer}")


@pytest.mark.parametrize("name", ["custom.h5", "custom_weights.h5"])
def test_recorded_layers_of_other_classes(recorded_2, name):
    if name == "custom.h5":
        assert found(recorded_2[name]) == {"half": {}, "encoder.hidden": ASSUMED}
        assert near_misses(recorded_2[name]) == {
            "reversed": f"its class recorded>Reversed {OTHER_CLASS}"
        }
    assert_outputs(recorded_2, name, "encoder.hidden", "custom:hidden")


def test_recorded_layers_that_are_counted_twice():
    """Keras 2.12 and 2.13 number layers with weights 0, 2, 4."""
    files = unpacked("keras_2_13")
    names = (
        "top_x",
        "top_y",
        "top_z",
        "p",
        "q",
        "one.one_x",
        "one.one_y",
        "two.two_x",
        "two.two_y",
    )
    for name in ("counted.keras", "counted.h5"):
        assert found(files[name]) == {each: {} for each in names}
        for each in names:
            assert_outputs(files, name, each, f"counted:{each.rpartition('.')[2]}")


def older(*groups):
    """Groups by class and number, with other weights in each, as Keras 2.13 names them."""
    layers = parts([(3, 4)] * len(groups))
    datasets = {}
    for group, parameters in zip(groups, layers, strict=True):
        datasets |= numbered("/".join(f"_layer_checkpoint_dependencies/{each}" for each in group.split("/")), parameters)  # fmt: skip
    return datasets, layers


@pytest.mark.parametrize(
    "version, groups, certain",
    [
        ("2.13.1", ["lstm", "lstm_2", "lstm_4"], True),
        ("2.12.0", ["lstm", "lstm_2", "lstm_4"], True),
        ("2.14.0", ["lstm", "lstm_1", "lstm_2"], True),
        ("2.13.1", ["lstm", "lstm_1", "lstm_2"], False),
        ("2.13.1", ["lstm", "lstm_2"], False),  # a layer has its weights elsewhere
        ("2.13.1", ["lstm", "lstm_4"], False),
        ("2.13.1", ["lstm_2", "lstm_4"], False),
    ],
)
def test_layers_that_are_counted_twice(version, groups, certain):
    datasets, layers = older(*groups)
    data = keras_archive(datasets, configured("xyz"), version=version)
    if certain:
        assert list(found(data)) == ["x", "y", "z"]
        for name, parameters in zip("xyz", layers, strict=True):
            assert_loads(data, parameters, name)
    else:
        assert found(data) == {}
        assert set(near_misses(data).values()) == {"the configuration shows no such layer in the Sequential"}  # fmt: skip


def test_models_that_are_counted_twice():
    """Models without weights are counted once, which makes the number of the others uncertain."""
    first, second = configured("ab"), configured("cd")
    first["config"]["name"], second["config"]["name"] = "one", "two"
    datasets, layers = older("sequential/lstm", "sequential/lstm_2", "sequential_2/lstm", "sequential_2/lstm_2")  # fmt: skip
    data = keras_archive(datasets, model_config(first, second, class_name="Sequential"), version="2.13.1")  # fmt: skip
    for name, parameters in zip(("one.a", "one.b", "two.c", "two.d"), layers, strict=True):
        assert_loads(data, parameters, name)
    empty = model_config()
    empty["config"]["name"] = "empty"
    data = keras_archive(datasets, model_config(empty, first, second), version="2.13.1")
    assert found(data) == {} and len(near_misses(data)) == 4


# ---------------------------------------------------------------------------- whose weights (W1)


def configured(names, **settings):
    return model_config(*(layer_config(name=name, **settings) for name in names))


@pytest.mark.parametrize(
    "paths",
    [
        {"lstm": "lstm/lstm_cell", "aux_lstm": "lstm/lstm_cell"},
        {"aux_lstm": "lstm/lstm_cell", "lstm": "lstm_1/lstm_cell"},
        {"lstm": "aux_lstm/lstm_cell", "aux_lstm": "lstm/lstm_cell"},  # swapped
        {"a": "b/a/lstm_cell", "b": "a/b/lstm_cell", "c": "a/b/c/lstm_cell_2"},
        {"model": "model/model/lstm_cell", "other": "model/other/lstm_cell"},  # Keras 3
        {"lstm_cell": "lstm/lstm_cell", "lstm": "lstm_cell/lstm_cell"},
        {"x": "x", "y": "x"},  # Keras 2.2
        {"x": "", "y": ""},  # Keras 3.0
    ],
)
@pytest.mark.parametrize("base", ["model_weights", ""])
@pytest.mark.parametrize("config", [True, False])
def test_groups_say_whose_weights_they_are(paths, config, base):
    layers = dict(zip(paths, parts([(3, 4), (4, 2), (2, 5)]), strict=False))
    groups = {
        name: {key.lstrip("/"): value for key, value in one(paths[name], each).items()}
        for name, each in layers.items()
    }
    data = legacy_file(groups, configured(paths) if config else None, base)
    # Without a configuration the group of a layer may also be that of a model.
    told = {name: "model.model" if name == "model" and not config else name for name in paths}
    assert found(data) == dict.fromkeys(told.values(), {} if config else ASSUMED)
    for name, parameters in zip(told.values(), layers.values(), strict=True):
        assert_loads(data, parameters, name)


@pytest.mark.parametrize("config", [True, False])
def test_groups_of_bidirectional_layers(config):
    """Renamed, with a backward layer of any name, and frozen, so that the order is another."""
    first, second, third = parts([(3, 4), (8, 2), (4, 3)], bidirectional=True)
    single = torch_parameters(inputs=6, units=2)
    frozen = two("c", third)
    frozen = dict([*frozen.items()][3:] + [*frozen.items()][:3])
    groups = {
        "lstm": two("bidirectional", first),
        "both": two("both", second, backward="own") if config else two("both", second),
        "c": frozen,
        "bidirectional": one("lstm/lstm_cell", single),
    }
    layers = [
        {**bidirectional_config(), "config": {**bidirectional_config()["config"], "name": name}}
        for name in ("lstm", "both", "c")
    ]
    config = model_config(*layers, layer_config(name="bidirectional")) if config else None
    data = legacy_file(groups, config)
    for name, parameters in zip(groups, (first, second, third, single), strict=True):
        assert_loads(data, parameters, name)


def test_models_in_models_by_names():
    """Paths in the group of a model may begin with any of the models around a layer."""
    one_, two_, three, four = parts([(3, 4), (4, 2), (2, 5), (5, 3)])
    deep = model_config(layer_config(name="lstm"))
    deep["config"]["name"] = "deep"
    both = {
        **bidirectional_config(),
        "config": {**bidirectional_config()["config"], "name": "both"},
    }
    inner = model_config(layer_config(name="lstm"), deep, both)
    inner["config"]["name"] = "lstm"
    sides = torch_parameters(True, inputs=5, units=2)
    weights = one("lstm/lstm/lstm_cell", one_) | one("deep/lstm/lstm_cell", two_)
    weights |= two("lstm/both", sides) | {"lstm/dense/kernel:0": np.zeros((3, 4))}
    groups = {"lstm": weights, "last": one("lstm/last/lstm_cell", four)}
    data = legacy_file(groups, model_config(inner, layer_config(name="last")))
    assert found(data) == {
        name: {} for name in ("last", "lstm.lstm", "lstm.both", "lstm.deep.lstm")
    }
    for name, parameters in (("lstm.lstm", one_), ("lstm.deep.lstm", two_), ("lstm.both", sides), ("last", four)):  # fmt: skip
        assert_loads(data, parameters, name)
    # One more than the configuration shows: none of the model's is certain.
    groups["lstm"] = weights | one("gone/lstm_cell", three)
    data = legacy_file(groups, model_config(inner, layer_config(name="last")))
    assert list(found(data)) == ["last"]
    assert "has lstm.lstm, lstm.deep.lstm, lstm.both" in near_misses(data)["lstm.lstm"]


def test_timed_layers():
    """Older releases call the layer in a wrapper by the wrapper's name."""
    timed = {"class_name": "TimeDistributed", "config": {"name": "timed", "layer": layer_config(name="a")}}  # fmt: skip
    inner = model_config(timed)
    inner["config"]["name"] = "inner"
    first, second = parts([(3, 4), (4, 2)])
    for path in ("timed/lstm_cell", "timed/a/lstm_cell", "inner/timed/a/lstm_cell"):
        data = legacy_file({"inner": one(path, first)}, model_config(inner))
        assert_loads(data, first, "inner.timed.a")
        data = legacy_file({"timed": one(path, second)}, model_config(timed))
        assert_loads(data, second, "timed.a")


@pytest.mark.parametrize(
    "groups, text",
    [
        ({"a": ["b/w/{}"], "a/b": ["w/{}"]}, "the layers 'a' and 'a/b' claim the same weights"),
        ({"a/b": ["w/{}"], "a": ["b/w/{}"]}, "the layers 'a/b' and 'a' claim the same weights"),
        ({"x/y/z": ["{}"], "x": ["y/z/{}"]}, "the layers 'x/y/z' and 'x' claim the same weights"),
    ],
)
def test_two_groups_that_claim_the_same_weights(groups, text):
    parameters = torch_parameters()
    roles = named("", parameters)
    buffer = io.BytesIO(legacy_file({name: {} for name in groups}, configured(groups)))
    with h5py.File(buffer, "r+") as file:
        base = file["model_weights"]
        for name, [path] in groups.items():
            names = [path.format(role.lstrip("/")) for role in roles]
            base[name].attrs["weight_names"] = np.asarray([each.encode() for each in names])
            for each, value in zip(names, roles.values(), strict=True):
                if f"{name}/{each}" not in base:
                    base[f"{name}/{each}"] = value
    assert set(near_misses(buffer.getvalue()).values()) == {text}
    assert found(buffer.getvalue()) == {}


def test_one_layer_of_two_places():
    """A file by Keras 3 that also has named weights: both claim to be the layer."""
    parameters = torch_parameters()
    config = configured(["rnn"])
    data = h5_file(numbered("layers/lstm", parameters) | named("model_weights/rnn/rnn", parameters), config)  # fmt: skip
    [text] = set(near_misses(data).values())
    assert text == "'layers/lstm' and 'rnn' claim to be the layer 'rnn'"


@pytest.mark.parametrize(
    "names, weights, text",
    [
        (["a", "a"], ["a/{}"], "layer_names has 'a' twice"),
        (["a"], ["a/{}", "a/{}"], "weight_names has 'a/kernel:0' twice"),
        (["a"], ["gone/{}"], "weight_names has no 'a/"),
        (["b"], [], "layer_names has no such layer"),
        ([], [], "layer_names has no such layer"),
    ],
)
def test_lists_that_do_not_fit_the_groups(names, weights, text):
    parameters = torch_parameters()
    buffer = io.BytesIO(legacy_file({"a": one("a", parameters)}, configured("ab")))
    with h5py.File(buffer, "r+") as file:
        top = file["model_weights"]
        top.attrs["layer_names"] = np.asarray([each.encode() for each in names])
        roles = ("kernel:0", "recurrent_kernel:0", "bias:0")
        listed = [path.format(role).encode() for path in weights for role in roles]
        top["a"].attrs["weight_names"] = np.asarray(listed)
    told = set(near_misses(buffer.getvalue()).values())
    assert len(told) == 1 and told.pop().startswith(text)


@pytest.mark.parametrize("path", ["../b/{}", "/model_weights/b/b/{}", "./../../x/{}", "b/{}"])
def test_weight_names_that_point_elsewhere(path):
    parameters = torch_parameters()
    data = legacy_file({"a": one("a", parameters), "b": one("b", parameters)}, configured("ab"))
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        names = [
            path.format(role).encode() for role in ("kernel:0", "recurrent_kernel:0", "bias:0")
        ]
        file["model_weights/a"].attrs["weight_names"] = np.asarray(names)
    assert list(found(buffer.getvalue())) == ["b"]
    assert "weight_names has no" in near_misses(buffer.getvalue())["a"]


@pytest.mark.parametrize("kind", ["fixed", "variable", "parts"])
@pytest.mark.parametrize("libver", ["earliest", "v110", "latest"])
def test_lists_of_names_in_all_forms(kind, libver):
    """Keras writes texts of one length, and numbers the parts of a list above 64 KB."""
    layers = dict(zip(["lstm", "aux"], parts([(3, 4), (4, 2)]), strict=True))
    groups = {name: one("lstm/lstm_cell", each) for name, each in layers.items()}
    groups |= {f"{index:0200}": {} for index in range(400 if kind == "parts" else 0)}
    buffer = io.BytesIO(legacy_file(groups, configured(layers), libver=libver))
    with h5py.File(buffer, "r+") as file:
        top = file["model_weights"]
        assert ("layer_names1" in top.attrs) == (kind == "parts")
        if kind == "variable":
            for group, name in ((top, "layer_names"), (top["lstm"], "weight_names"), (top["aux"], "weight_names")):  # fmt: skip
                texts = [each.decode() for each in group.attrs[name]]
                del group.attrs[name]
                group.attrs[name] = texts
    for name, parameters in layers.items():
        assert_loads(buffer.getvalue(), parameters, name)


def test_names_with_an_index():
    """More attributes than newer files keep in the group itself."""
    data = legacy_file({"a": one("a", torch_parameters())}, configured("a"), libver="latest")
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+", libver="latest") as file:
        for index in range(20):
            file["model_weights/a"].attrs[f"other {index}"] = index
    with pytest.raises(pylstm.WeightFileError, match="weight_names: its HDF5 file keeps so many attributes"):  # fmt: skip
        tree(buffer.getvalue())


def test_momenta_are_no_layers():
    parameters, momenta = parts([(3, 4), (3, 4)])
    data = h5_file(
        named("model_weights/rnn/rnn/lstm_cell", parameters)
        | named("optimizer_weights/SGD/m/rnn/lstm_cell", momenta),
        configured(["rnn"]),
    )
    assert found(data) == {"rnn": {}}
    assert_loads(data, parameters)
    data = h5_file(named("model_weights/rnn/rnn", parameters) | named("other/rnn", momenta))
    assert near_misses(data) == {"other.rnn": "it is beside the group 'model_weights'"}


# ---------------------------------------------------------------------------- names (W2, W16)


@pytest.mark.parametrize(
    "settings, text",
    [
        ({"activation": "selu"}, "its activation is 'selu', not 'tanh'"),
        ({"recurrent_activation": "softmax"}, "its recurrent_activation is 'softmax', not 'sigmoid'"),
        ({"recurrent_activation": None}, "its recurrent_activation is a NoneType, not 'sigmoid'"),
        ({"activation": {"class_name": "function", "config": "mine>swish"}}, "its activation is the function 'mine>swish', not 'tanh'"),
        ({"dtype": {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}}}, "its dtype policy is a 'QuantizedDTypePolicy': it is quantised"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a/b", "rnn/rnn", "x/y/z", "a//b"])
@pytest.mark.parametrize("listed", [True, False])
def test_names_with_slashes(settings, text, name, listed):
    parameters = torch_parameters()
    path = "/".join(part for part in name.split("/") if part)
    groups = {name: one(f"{path}/lstm_cell", parameters)}
    plain = legacy_file(groups, configured([name]), listed=listed)
    assert_loads(plain, parameters, name)
    assert found(plain) == {name: {}}
    assert near_misses(legacy_file(groups, configured([name], **settings), listed=listed)) == {name: text}  # fmt: skip


def test_directions_with_slashes():
    parameters = torch_parameters(True)
    for merge_mode in ("concat", "mul"):
        layer = bidirectional_config(merge_mode)
        layer["config"]["name"] = "a/both"
        data = legacy_file({"a/both": two("a/both", parameters)}, model_config(layer))
        if merge_mode == "concat":
            assert_loads(data, parameters, "a/both")
        else:
            with pytest.raises(pylstm.WeightFileError, match="pass merge_mode='mul' for a module"):
                pylstm.LSTM.from_weights(data)
            module = pylstm.LSTM.from_weights(data, merge_mode="mul")
            for name, value in parameters.items():
                np.testing.assert_array_equal(module.state_dict()[name], value)


def test_names_in_the_file():
    """Since Keras 3.6: those of a program, where the groups are called after classes."""
    first, second, third, fourth = parts([(3, 4), (4, 2), (2, 5), (5, 3)])
    datasets = numbered("layers/lstm", first) | numbered("layers/functional/layers/lstm", second)
    datasets |= numbered("layers/block/rnns/lstm_1", third) | numbered("layers/lstm_1", fourth)
    labels = {
        "": "model", "layers/lstm": "same", "layers/functional": "inner", "layers/block": "block",
        "layers/functional/layers/lstm": "same", "layers/block/rnns/lstm_1": "deep",
        "layers/lstm_1": "lstm",
    }  # fmt: skip
    data = labelled(datasets, labels)
    assert set(found(data)) == {"same", "inner.same", "block.deep", "lstm"}
    for name, parameters in (("same", first), ("inner.same", second), ("deep", third), ("lstm", fourth)):  # fmt: skip
        assert_loads(data, parameters, name)


@pytest.mark.parametrize(
    "paths, names",
    [
        # Attributes of one layer; containers in it; models of one name.
        ({"layers/a": "block", "layers/a/one": "rnn", "layers/a/two": "rnn"}, ["a.one", "a.two"]),
        ({"layers/a": "block", "layers/a/x/lstm": "rnn", "layers/a/y/lstm": "rnn"}, ["block.x.rnn", "block.y.rnn"]),
        ({"layers/m": "m", "layers/n": "m", "layers/m/layers/lstm": "rnn", "layers/n/layers/lstm": "rnn"}, ["m.lstm", "n.lstm"]),
        ({"layers/lstm": "rnn", "extra": "rnn"}, ["lstm", "extra"]),
    ],
)  # fmt: skip
def test_one_name_for_two_layers(paths, names):
    groups = [path for path, name in paths.items() if name == "rnn"]
    layers = parts([(3, 4), (4, 2)])
    datasets = {}
    for path, parameters in zip(groups, layers, strict=True):
        datasets |= numbered(path, parameters)
    data = labelled(datasets, paths)
    assert sorted(found(data)) == sorted(names)
    for name, parameters in zip(names, layers, strict=True):
        assert_loads(data, parameters, name)


def test_names_that_contradict_each_other():
    parameters = torch_parameters()
    weights = labelled(numbered("layers/lstm", parameters), {"layers/lstm": "other"})
    assert near_misses(archive_of(weights, configured(["rnn"]))) == {
        "rnn": "the file calls it 'other', the configuration 'rnn'"
    }
    assert_loads(archive_of(weights, configured(["other"])), parameters, "other")


# ---------------------------------------------------------------------------- classes (W3)


def entry(layer, module="keras.layers", registered=None, class_name=None):
    """A layer as newer configurations have it."""
    return {**layer, "class_name": class_name or layer["class_name"], "module": module, "registered_name": registered}  # fmt: skip


@pytest.mark.parametrize(
    "module, registered, class_name, group",
    [
        ("mine.layers", "mine>LSTM", "LSTM", "lstm"),
        (None, "LSTM", "LSTM", "lstm"),  # a class of the program itself, not registered
        (None, "Custom>Peephole", "Peephole", "peephole"),
        ("keras_nlp.layers", "keras_nlp>LSTM", "LSTM", "lstm"),
        ("tensorflow_addons.rnn", "Addons>LSTM", "LSTM", "lstm"),
        ("kerasx", None, "LSTM", "lstm"),
    ],
)
def test_classes_in_archives(module, registered, class_name, group):
    parameters = torch_parameters()
    layer = entry(layer_config(), module, registered, class_name)
    data = keras_archive(numbered(f"layers/{group}", parameters), model_config(layer))
    assert reason(data) == f"its class {class_name} {OTHER_CLASS}"
    for module in ("keras.layers", "tf_keras.layers", "tensorflow.keras.layers", "keras_core.layers"):  # fmt: skip
        plain = model_config(entry(layer_config(), module))
        assert_loads(keras_archive(numbered("layers/lstm", parameters), plain), parameters)


@pytest.mark.parametrize("class_name", ["pkg>LSTM", "pkg>Mine", "Mine", "Addons>ESN"])
@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("path", ["rnn/lstm_cell", "rnn", "model/rnn/lstm_cell", "other/lstm_cell"])
def test_classes_in_older_files(class_name, listed, path):
    config = model_config(layer_config(class_name))
    data = legacy_file({"rnn": one(path, torch_parameters())}, config, listed=listed)
    assert reason(data) == f"its class {class_name} {OTHER_CLASS}"


@pytest.mark.parametrize(
    "inner",
    [
        entry(layer_config(), "mine", "mine>LSTM"),
        layer_config("mine>LSTM"),
        entry(layer_config("RNN", cell=entry(layer_config("LSTMCell"), "mine", "mine>LSTMCell"))),
    ],
)
@pytest.mark.parametrize("place", ["layer", "backward_layer"])
def test_classes_in_bidirectional_layers(inner, place):
    parameters = torch_parameters(True)
    config = bidirectional_config()
    inner = {**inner, "config": {**inner["config"], "go_backwards": place == "backward_layer"}}
    config["config"][place] = inner
    for data in (
        keras_archive(numbered("layers/bidirectional", parameters), model_config(config)),
        legacy_file({"rnn": two("rnn", parameters)}, model_config(config)),
    ):
        assert OTHER_CLASS in reason(data)


def test_subclasses_of_bidirectional():
    parameters = torch_parameters(True)
    newer = entry(bidirectional_config(), "mine", "mine>Both", "Both")
    older = {**bidirectional_config(), "class_name": "mine>Both"}
    data = keras_archive(numbered("layers/both", parameters), model_config(newer))
    assert reason(data) == f"its class Both {OTHER_CLASS}"
    for listed in (True, False):
        data = legacy_file({"rnn": two("rnn", parameters)}, model_config(older), listed=listed)
        assert reason(data) == f"its class mine>Both {OTHER_CLASS}"


def test_wrappers_with_variables_of_their_own():
    """A weight-normalising wrapper computes the weights anew."""
    parameters = torch_parameters()
    wrapper = {"class_name": "Norm", "module": "mine", "registered_name": "mine>Norm", "config": {"name": "norm", "layer": entry(layer_config(name="rnn"))}}  # fmt: skip
    datasets = numbered("layers/norm/layer", parameters)
    assert_loads(keras_archive(datasets, model_config(wrapper)), parameters, "norm.rnn")
    own = {"layers/norm/vars/0": np.ones(16, "f4")}
    data = keras_archive(datasets | own, model_config(wrapper))
    assert reason(data, "norm.rnn") == "its wrapper, Norm 'norm', has variables of its own"
    older = {**wrapper, "class_name": "mine>Norm"}
    weights = one("norm/rnn/lstm_cell", parameters)
    assert_loads(legacy_file({"norm": weights}, model_config(older)), parameters, "norm.rnn")
    data = legacy_file({"norm": weights | {"norm/g:0": np.ones(16, "f4")}}, model_config(older))
    assert reason(data, "norm") == f"its class mine>Norm {OTHER_CLASS}"


# ---------------------------------------------------------------------------- nothing said (W4)


def custom(settings=(), name="block", class_name="Block"):
    config = {"name": name, **dict(settings)}
    return {"class_name": class_name, "module": "mine", "registered_name": f"mine>{class_name}", "config": config}  # fmt: skip


@pytest.mark.parametrize("group", ["layers/block/rnn", "layers/block/rnns/lstm_1", "layers/block/a/b/c"])  # fmt: skip
def test_layers_in_layers_of_a_program(group):
    parameters = torch_parameters()
    data = keras_archive(numbered(group, parameters), model_config(custom()))
    [name] = found(data)
    assert name.startswith("block.") and found(data)[name] == ASSUMED
    assert_loads(data, parameters, name)


@pytest.mark.parametrize("label", ["", "held"])
@pytest.mark.parametrize(
    "settings, text",
    [
        ({"rnn": layer_config(name="held")}, ""),
        ({"rnn": layer_config(name="held", activation="selu")}, "its activation is 'selu', not 'tanh'"),
        ({"rnn": layer_config("mine>LSTM", name="held")}, f"its class mine>LSTM {OTHER_CLASS}"),
        ({"rnn": layer_config("Dense", name="held")}, "the configuration says that it is a Dense"),
        ({"other": layer_config(name="gone", activation="relu")}, "the configuration of Block 'block' describes other layers"),
        ({"others": [{"deep": [layer_config(name="gone")]}]}, "the configuration of Block 'block' describes other layers"),
    ],
)  # fmt: skip
def test_layers_that_the_settings_of_another_describe(settings, text, label):
    parameters = torch_parameters()
    weights = h5_file(numbered("layers/block/rnn", parameters))
    if label:
        weights = labelled(numbered("layers/block/rnn", parameters), {"layers/block/rnn": label, "layers/block": "block"})  # fmt: skip
    data = archive_of(weights, model_config(custom(settings)))
    if text:
        assert text in near_misses(data).values()
    else:
        # Without the name in the file only the attribute's name speaks for it.
        assert found(data) == {"block.held": {} if label else ASSUMED}
        assert_loads(data, parameters)


def test_the_configuration_of_keras_own_classes_is_complete():
    """Where Keras's own classes show no such layer, what looks like one is none."""
    parameters = torch_parameters()
    config = model_config(entry(layer_config("Dense", "dense")), layer_config(), module="keras")
    for group in ("layers/lstm_1", "optimizer/x", "layers/dense/rnn"):
        data = keras_archive(numbered(group, parameters), config)
        [text] = near_misses(data).values()
        shown = "Dense 'dense'" if "dense" in group else "the Sequential"
        assert text == f"the configuration shows no such layer in {shown}"
    data = legacy_file({"other": one("other", parameters)}, config)
    assert near_misses(data) == {"other": "the configuration shows no such layer in the Sequential"}
    assert found(data) == {}


@pytest.mark.parametrize("config", [True, False])
def test_models_of_a_program(config):
    parameters = torch_parameters()
    model = {"class_name": "Mine", "module": None, "registered_name": "Mine", "config": {}}
    datasets = numbered("rnn", parameters)
    data = keras_archive(datasets, model) if config else h5_file(datasets)
    assert found(data) == {"rnn": ASSUMED}
    older = legacy_file({"rnn": one("mine/rnn/lstm_cell", parameters)}, {"class_name": "Mine", "config": {}} if config else None)  # fmt: skip
    assert found(older) == {"rnn": ASSUMED}
    assert_loads(older, parameters)


def test_a_subclass_of_sequential():
    """Its layers are shown; what else it keeps is not."""
    first, second = parts([(3, 4), (4, 2)])
    model = {**configured(["rnn"]), "class_name": "Mine", "module": "mine", "registered_name": "mine>Mine"}  # fmt: skip
    data = keras_archive(numbered("layers/lstm", first) | numbered("extra", second), model)
    assert found(data) == {"rnn": {}, "extra": ASSUMED}
    assert_loads(data, first, "rnn")
    assert_loads(data, second, "extra")


def test_cudnn_layers_have_no_other_gates():
    bias = np.zeros(32, "f4")
    weights = {"rnn/kernel:0": np.zeros((3, 16), "f4"), "rnn/recurrent_kernel:0": np.zeros((4, 16), "f4"), "rnn/bias:0": bias}  # fmt: skip
    assert found(legacy_file({"rnn": weights})) == {"rnn": {"reverse": False, "batch_first": True}}


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name", ["m_00000.weights.h5", "a_b_00012.weights.h5", "model.weights.h5"])
def test_a_bias_that_may_be_in_another_file(name, bidirectional, tmp_path):
    """Keras begins a new file wherever one is full, between the weights of a layer as well."""
    path = tmp_path / name
    whole, bare = (torch_parameters(bidirectional, bias) for bias in (True, False))
    path.write_bytes(h5_file(numbered("layers/lstm", whole)))
    assert_loads(path, whole)
    path.write_bytes(h5_file(numbered("layers/lstm", bare)))
    if name == "model.weights.h5":
        told = ASSUMED_BOTH if bidirectional else ASSUMED
        assert found(path) == {"lstm": told | {"bias": False}}
        assert_loads(path, bare)
    else:
        assert reason(path, "lstm") == f"it has no bias here, and {name!r} is one file of several"


@pytest.mark.parametrize("version", ["2.2.4", "2.1.6-tf", "1.2.2"])
def test_old_releases_without_a_configuration(version):
    data = legacy_file({"a": one("a", torch_parameters())}, base="", attributes={"keras_version": version})  # fmt: skip
    assert "or, by default before 2.3, hard_sigmoid" in reason(data, "a")
    # The same release in the group that Keras 2 also writes it to.
    buffer = io.BytesIO(legacy_file({"a": one("a", torch_parameters())}))
    with h5py.File(buffer, "r+") as file:
        file["model_weights"].attrs["keras_version"] = version.encode()
    assert "or, by default before 2.3, hard_sigmoid" in reason(buffer.getvalue(), "a")


@pytest.mark.parametrize(
    "paths, text",
    [
        (["both/forward_a/lstm_cell", "both/own/lstm_cell"], "it may be one direction of both/forward_a, both/own"),
        (["forward_a/lstm_cell", "backward_a/lstm_cell"], "it may be one direction of forward_a, backward_a"),
        (["both/forward_a/lstm_cell", "both/forward_b/lstm_cell"], "it may be one direction of both/forward_a, both/forward_b"),
        (["a/stacked_rnn_cells/lstm_cell", "a/stacked_rnn_cells/lstm_cell_1"], "it has 2 cells: a/stacked_rnn_cells/lstm_cell, a/stacked_rnn_cells/lstm_cell_1"),
        (["a/layer_norm_lstm_cell"], "its cell is called 'layer_norm_lstm_cell', an LSTM's 'lstm_cell'"),
        (["a/my_cell_3"], "its cell is called 'my_cell_3', an LSTM's 'lstm_cell'"),
    ],
)  # fmt: skip
def test_paths_that_speak_against_a_plain_layer(paths, text):
    weights = {}
    for path in paths:
        weights |= one(path, torch_parameters())
    data = legacy_file({"both": weights})
    assert set(near_misses(data).values()) == {text}
    assert found(data) == {}


@pytest.mark.parametrize(
    "path, group, name",
    [
        # As TensorFlow 2.15 calls the variables of cells in wrappers, and of cells of other classes.
        ("r/residual_wrapper", "r", "residual_wrapper"),
        ("r/dropout_wrapper_2", "r", "dropout_wrapper_2"),
        ("r/device_wrapper", "r", "device_wrapper"),
        ("r/zone", "r", "zone"),
        ("m/rnn/residual_wrapper_3", "rnn", "residual_wrapper_3"),
        ("r/stacked_rnn_cells_1/residual_wrapper", "r", "residual_wrapper"),
        ("r/my", "r", "my"),
    ],
)
def test_wrappers_of_cells(path, group, name):
    data = legacy_file({group: one(path, torch_parameters())}, base="")
    assert set(near_misses(data).values()) == {
        f"its cell is called {name!r}, an LSTM's 'lstm_cell'"
    }
    assert found(data) == {}
    # A configuration decides, whatever the cell is called.
    layer = layer_config("RNN", group, cell=layer_config("LSTMCell", name))
    data = legacy_file({group: one(path, torch_parameters())}, model_config(layer))
    assert found(data) == {group: {}}


@pytest.mark.parametrize(
    "path, group", [("a/a", "a"), ("model/a", "a"), ("b/lstm_1", "b"), ("a", "a"), ("b/a/a", "b")]
)
def test_paths_without_a_cell(path, group):
    """Before Keras 2.3 cells had no names; the default name of a layer is no cell's."""
    data = legacy_file({group: one(path, torch_parameters())}, base="")
    assert list(found(data).values()) == [ASSUMED]


@pytest.mark.parametrize("label, good", [("lstm_cell", True), ("lstm_cell_12", True), ("peephole_lstm_cell", False), ("cell", False)])  # fmt: skip
def test_names_of_cells(label, good):
    data = labelled(numbered("layers/lstm", torch_parameters()), {"layers/lstm": "a", "layers/lstm/cell": label})  # fmt: skip
    assert (list(found(data)) == ["a"]) == good
    if not good:
        assert near_misses(data) == {"a": f"its cell is called {label!r}, an LSTM's 'lstm_cell'"}
    # A configuration says what the cell is, whatever its name.
    layer = layer_config("RNN", "a", cell=layer_config("LSTMCell", label))
    weights = labelled(numbered("layers/rnn", torch_parameters()), {"layers/rnn": "a", "layers/rnn/cell": label})  # fmt: skip
    assert found(archive_of(weights, model_config(layer))) == {"a": {}}


@pytest.mark.parametrize("layers", ["layers/rnn", "layers/rnn_3", "rnn", "encoder/rnn"])
@pytest.mark.parametrize("label", ["wrap", "residual_wrapper", "cell", ""])
def test_cells_in_cells(layers, label):
    """Keras 3 puts the cell in a wrapper below the attribute of the wrapper itself."""
    weights = numbered(f"{layers}/cell", torch_parameters())
    data = labelled(weights, {f"{layers}/cell": label, layers: "r"} if label else {})
    [text] = near_misses(data).values()
    assert text == f"its cell is in another one, {label or f'{layers}/cell'!r}"
    assert found(data) == {}
    # The attribute of a layer of a program's own may be called so.
    data = labelled(weights, {f"{layers}/cell": "lstm_2", layers: "r"})
    assert list(found(data).values()) == [ASSUMED]


@pytest.mark.parametrize("labels", [{}, {"layers/wn": "mine"}])
def test_wrappers_with_variables_and_no_configuration(labels):
    weights = numbered("layers/wn/layer", torch_parameters()) | {"layers/wn/vars/0": np.ones(4)}
    data = labelled(weights, labels)
    [text] = near_misses(data).values()
    assert (
        text == f"its wrapper, {labels.get('layers/wn', 'layers/wn')!r}, has variables of its own"
    )
    weights = numbered("layers/wn/layer", torch_parameters()) | {"layers/dense/vars/0": np.ones(4)}
    assert list(found(labelled(weights, labels)).values()) == [ASSUMED]


# ---------------------------------------------------------------------------- beside the weights


@pytest.mark.parametrize(
    "beside",
    ["cell/vars/3", "cell/kernel_norm/vars/0", "vars/0", "cell/vars/17", "norm/vars/1", "cell/kernel_scale"],
)  # fmt: skip
@pytest.mark.parametrize("config", [True, False])
def test_other_variables_in_numbered_groups(beside, config):
    datasets = numbered("layers/lstm", torch_parameters())
    datasets[f"layers/lstm/{beside}"] = np.ones(4, "f4")
    data = keras_archive(datasets, configured(["rnn"])) if config else h5_file(datasets)
    [text] = near_misses(data).values()
    assert text == f"it has variables that an LSTM has not: {beside}"


@pytest.mark.parametrize("beside", ["lstm_cell/kernel_scale:0", "lstm_cell/norm/gamma:0", "peephole:0", "lstm_cell/alpha"])  # fmt: skip
@pytest.mark.parametrize("config", [True, False])
def test_other_variables_in_named_groups(beside, config):
    weights = one("rnn/lstm_cell", torch_parameters()) | {f"rnn/{beside}": np.ones(4, "f4")}
    data = legacy_file({"rnn": weights}, configured(["rnn"]) if config else None)
    [text] = near_misses(data).values()
    assert text == f"it has variables that an LSTM has not: rnn/{beside}"


def test_known_variables():
    """Seeds of dropout, and the states of a stateful layer, which a sequence replaces."""
    parameters = torch_parameters()
    seed = {"layers/lstm/cell/seed_generator/vars/0": np.zeros(2, "u4")}
    assert_loads(keras_archive(numbered("layers/lstm", parameters) | seed, configured(["rnn"])), parameters)  # fmt: skip
    assert_loads(h5_file(numbered("layers/lstm", parameters) | seed), parameters)
    states = {f"layers/lstm/vars/{number}": np.ones((2, 4), "f4") for number in range(2)}
    data = numbered("layers/lstm", parameters) | states
    assert_loads(keras_archive(data, configured(["rnn"], stateful=True)), parameters)
    assert reason(keras_archive(data, configured(["rnn"]))).startswith("it has variables")
    weights = one("rnn/lstm_cell", parameters)
    weights |= {"rnn/seed_generator/state:0": np.zeros(2, "u4"), "rnn/rnn_state_1": np.ones((2, 4))}
    assert_loads(legacy_file({"rnn": weights}, configured(["rnn"])), parameters)


# ---------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("dtype", ["i1", "u1", "i4", "i8", "u2", ">i4", "?"])
def test_whole_numbers_are_no_weights(dtype):
    datasets = {
        name: (10 * value).astype(dtype)
        for name, value in numbered("layers/lstm", torch_parameters()).items()
    }
    for data in (h5_file(datasets), keras_archive(datasets, configured(["rnn"]))):
        [text] = near_misses(data).values()
        name = np.dtype(dtype).newbyteorder("=").name
        assert text == f"its kernel is not of floating-point numbers, but of {name}"


@pytest.mark.parametrize("attribute", ["bfloat16", None, "float8_e4m3fn"])
@pytest.mark.parametrize("form", ["opaque", "float"])
def test_bfloat16(attribute, form):
    """Opaque pairs of bytes, or HDF5's own type of later releases."""
    parameters = torch_parameters()
    for name, value in parameters.items():
        parameters[name] = (value.view("u4") & 0xFFFF0000).view("f4")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for path, value in numbered("layers/lstm", parameters).items():
            raw = (np.ascontiguousarray(value).view("u4") >> 16).astype("<u2")
            made = h5py.h5t.IEEE_F16LE.copy()
            made.set_fields(15, 7, 8, 0, 7)
            made.set_ebias(127)
            opaque = h5py.h5t.create(h5py.h5t.OPAQUE, 2)
            kind = made if form == "float" else opaque
            space = h5py.h5s.create_simple(raw.shape)
            group = file.require_group(path.rpartition("/")[0])
            stored = h5py.h5d.create(group.id, path.rpartition("/")[2].encode(), kind, space)
            stored.write(h5py.h5s.ALL, h5py.h5s.ALL, raw.view("V2"), opaque if form == "opaque" else kind)  # fmt: skip
            if attribute:
                h5py.Dataset(stored).attrs["dtype"] = attribute
    if form == "opaque" and attribute == "float8_e4m3fn":
        assert "its kernel is not of floating-point numbers" in reason(buffer.getvalue(), "lstm")
    else:
        assert_loads(buffer.getvalue(), parameters)


@pytest.mark.parametrize(
    "settings, text",
    [
        ({"units": 5}, "its recurrent_kernel is (4, 16), the configuration says units=5"),
        ({"use_bias": False}, "it has a bias, the configuration says use_bias=False"),
        ({"units": 4, "use_bias": True}, ""),
        ({"units": None, "use_bias": 3, "unroll": True, "implementation": 1, "unit_forget_bias": False}, ""),
        ({"dtype": {"class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}}, "stateful": True}, ""),
        ({"dtype": "mixed_float16", "zero_output_for_mask": True, "return_state": True}, ""),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_their_configuration(settings, text):
    parameters = torch_parameters()
    for data in (
        keras_archive(numbered("layers/lstm", parameters), configured(["rnn"], **settings)),
        legacy_file({"rnn": one("x", parameters)}, configured(["rnn"], **settings)),
    ):
        if text:
            assert reason(data) == text
        else:
            assert_loads(data, parameters)
    both = torch_parameters(True)
    layer = bidirectional_config(**settings)
    data = keras_archive(numbered("layers/bidirectional", both), model_config(layer))
    assert text in reason(data) if text else assert_loads(data, both)


def test_weights_without_a_bias_that_should_have_one():
    data = keras_archive(numbered("layers/lstm", torch_parameters(bias=False)), configured(["rnn"], use_bias=True))  # fmt: skip
    assert reason(data) == "it has no bias, the configuration says use_bias=True"


def test_groups_without_all_weights():
    weights = one("rnn/lstm_cell", torch_parameters())
    del weights["rnn/lstm_cell/recurrent_kernel:0"]
    data = legacy_file({"rnn": weights}, configured(["rnn"]))
    assert "its group has no recurrent_kernel" in reason(data)


def test_directions_that_the_configuration_does_not_have():
    single, both = torch_parameters(), torch_parameters(True)
    data = keras_archive(numbered("layers/lstm", both), configured(["rnn"]))
    assert reason(data) == "the configuration says LSTM, its weights two directions"
    data = keras_archive(numbered("layers/bidirectional", single), model_config(bidirectional_config()))  # fmt: skip
    assert reason(data) == "the configuration says Bidirectional, its weights one direction"
    data = h5_file(numbered("layers/lstm", single) | numbered("layers/lstm", both))
    assert "it has a cell beside two directions" in reason(data, "lstm")
    data = legacy_file({"rnn": two("rnn", both)}, configured(["rnn"]))
    assert "2 cells" in reason(data)
    data = legacy_file({"rnn": one("rnn/forward_lstm/lstm_cell", single)}, model_config(bidirectional_config()))  # fmt: skip
    assert "1 cells" in reason(data)


@pytest.mark.parametrize("names", [("a", "b"), ("forward_a", "forward_b"), ("backward_a", "b")])
def test_directions_that_cannot_be_told_apart(names):
    weights = two("rnn", torch_parameters(True), *names)
    data = legacy_file({"rnn": weights}, model_config(bidirectional_config()))
    assert "do not tell which is backward" in reason(data)


# ---------------------------------------------------------------------------- all arrays


def test_arrays_of_the_file(recorded, tmp_path):
    """Every dataset is described under its own path and dtype, none of them read."""
    values = {
        "layers/lstm/cell/vars/0": np.ones((3, 16), "f4"),
        "layers/lstm/cell/vars/1": np.ones((4, 16), ">f8"),
        "layers/dense/vars/0": np.arange(6, dtype="f2").reshape(2, 3),
        "optimizer/vars/0": np.array(7),
        "counts": np.arange(3, dtype=">u2"),
        "flags": np.array([True, False]),
        "empty": np.zeros((0, 4), "i1"),
        "half": np.arange(4, dtype="u2").view("V2"),
    }
    weights = h5_file(values)
    for data in (weights, archive_of(weights, {}, zipfile.ZIP_DEFLATED), archive_of(weights, {})):
        path = tmp_path / "file"
        path.write_bytes(data)
        with open_weights(path) as file:
            held = file._source.arrays
            assert held.keys() == values.keys() and file._source.unreadable == {}
            for name, value in values.items():
                array = held[name].read()
                if name == "half":
                    value = (np.arange(4, dtype="u4") << 16).view("f4")
                np.testing.assert_array_equal(array, value, err_msg=name)
                assert array.dtype == value.dtype.newbyteorder("=")
                assert array.shape == value.shape
    with open_weights(recorded["custom.h5"]) as file:
        with h5py.File(io.BytesIO(recorded["custom.h5"])) as other:
            names = []
            other.visititems(lambda name, each: names.append(name) if isinstance(each, h5py.Dataset) else None)  # fmt: skip
        assert sorted(file._source.arrays) == sorted(names)


def test_arrays_that_cannot_be_read():
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset("chunked", (3,), "f4", chunks=(3,))
        file.create_dataset("packed", data=np.zeros(100), compression="gzip")
        file.create_dataset("unwritten", (3,), "f4")
        file["texts"] = ["a", "b"]
        file["complex"] = np.zeros(2, "c8")
        file["nothing"] = h5py.Empty("f4")
        file["compound"] = np.zeros(2, [("a", "f4")])
        file["plain"] = np.zeros(2)
        file["soft"] = h5py.SoftLink("/plain")
        file["elsewhere"] = h5py.ExternalLink("other.h5", "x")
    with open_weights(buffer.getvalue()) as file:
        assert set(file._source.arrays) == {"plain"}
        told = file._source.unreadable
    chunks = "is stored in chunks, compressed or elsewhere; h5repack -l CONTI -f NONE helps"
    numbers = "is not of floating-point numbers, integers or bools"
    assert told == {
        "chunked": chunks, "packed": chunks, "unwritten": "was never written", "texts": numbers,
        "complex": numbers, "compound": numbers, "nothing": "has no elements and no shape",
        "elsewhere": "is in another file",
    }  # fmt: skip


# ---------------------------------------------------------------------------- hostile lists


def patched(data, old, new):
    assert data.count(old) == 1, data.count(old)
    return data.replace(old, new)


def test_damaged_lists():
    """Counts beyond the list, other ranks and types of it."""
    names = [b"lstm-name"]
    parameters = torch_parameters()
    data = legacy_file({"lstm-name": one("x", parameters)}, configured(["lstm-name"]))
    where = data.index(b"layer_names\0")
    for offset in range(12, 60):
        for value in (0, 1, 2, 0x7F, 0xFF):
            case = bytearray(data)
            case[where + offset] = value
            try:
                leaves = tree(bytes(case))
            except pylstm.WeightFileError:
                continue
            for leaf in leaves.values():
                assert isinstance(leaf, Unsupported) or found(bytes(case))
    assert names


@pytest.mark.parametrize("value", [3, 2.5, "lstm", np.zeros((2, 2), "S3"), [1.0, 2.0]])
def test_lists_of_other_types(value):
    buffer = io.BytesIO(legacy_file({"a": one("a", torch_parameters())}, configured("a")))
    with h5py.File(buffer, "r+") as file:
        del file["model_weights"].attrs["layer_names"]
        file["model_weights"].attrs["layer_names"] = value
    with pytest.raises(pylstm.WeightFileError, match="layer_names: is not a"):
        tree(buffer.getvalue())


def test_long_names_in_configurations():
    parameters = torch_parameters()
    for key in ("class_name", "name"):
        layer = layer_config()
        owner = layer if key == "class_name" else layer["config"]
        owner[key] = "x" * 256
        with pytest.raises(pylstm.WeightFileError, match="a name of 256 characters"):
            tree(keras_archive(numbered("layers/lstm", parameters), model_config(layer)))


def test_many_layers_in_configurations():
    many = model_config(*[{"class_name": "Dense", "config": {}}] * 20_001)
    with pytest.raises(pylstm.WeightFileError, match="more than 20000 layers"):
        tree(keras_archive({}, many))
    deep = custom({"a": [json.loads(json.dumps(layer_config(name="x")))] * 20_001})
    with pytest.raises(pylstm.WeightFileError, match="more than 20000 layers"):
        tree(keras_archive(numbered("layers/block/rnn", torch_parameters()), model_config(deep)))
