"""LSTM layers of Keras files: genuine ones, the layouts of all releases, and clear refusals."""

import contextlib
import io
import json
import struct
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from keras_files import (
    ASSUMED,
    ASSUMED_BOTH,
    INPUTS,
    UNITS,
    assert_loads,
    bidirectional_config,
    from_weights,
    h5_file,
    keras_archive,
    layer_config,
    model_config,
    named,
    numbered,
    reason,
    torch_parameters,
    tree,
)
from reference import fractions, lstm, make_parameters, parameter_shapes

import pylstm
from pylstm.files.base.record import Record
from pylstm.files.open import open_weights

h5py = pytest.importorskip("h5py")

RECORDED = Path(__file__).parent / "data" / "files" / "keras.tar.xz"


@pytest.fixture(scope="module")
def recorded():
    """Name -> bytes of what Keras wrote."""
    with tarfile.open(RECORDED) as archive:
        files = {each.name: archive.extractfile(each).read() for each in archive}
    with zipfile.ZipFile(io.BytesIO(files["keras.keras"])) as archive:
        files["keras.weights.h5"] = archive.read("model.weights.h5")
    return files


# ---------------------------------------------------------------------------- written by Keras


@pytest.mark.parametrize("name", ["keras.keras", "keras.h5"])
def test_recorded_outputs(recorded, name):
    outputs = np.load(io.BytesIO(recorded["outputs.npz"]))
    for prefix in ("encoder", "both", "inner.same", "rnn"):
        module = pylstm.LSTM.from_weights(recorded[name], prefix)
        x, expected = outputs[f"{prefix}/input"], outputs[f"{prefix}/output"]
        np.testing.assert_allclose(module(x)[0], expected, atol=1e-6)
        expected = lstm(module.state_dict(), x, batch_first=True)[0]
        np.testing.assert_allclose(module(x)[0], expected, atol=1e-6)


@pytest.mark.parametrize("name", ["keras.keras", "keras.h5"])
def test_recorded_models(recorded, name, tmp_path):
    path = tmp_path / "any.bin"
    path.write_bytes(recorded[name])
    assert [str(found) for found in pylstm.find_lstms(path)] == [
        "'encoder': LSTM(3, 4) of float32",
        "'both': LSTM(4, 3, bidirectional=True) of float32",
        "'rnn': LSTM(2, 2) of float32",
        "'relu': LSTM(2, 2, activation='relu') of float32",
        "'same': LSTM(2, 2) of float32",
        "'inner.same': LSTM(6, 2, bias=False) of float32",
    ]
    leaves = tree(recorded[name])
    assert leaves["gru"].class_name == "keras.GRU"
    others = [found for found in pylstm.find_recurrent(path) if found.kind != "LSTM"]
    assert [str(found) for found in others] == ["'gru': GRU(2, 2) of float32"]
    with open_weights(path) as file:
        assert file.metadata == {"keras_version": "3.15.1"}


def test_recorded_weights_alone(recorded):
    """They tell no activations: what is assumed is said."""
    outputs = np.load(io.BytesIO(recorded["outputs.npz"]))
    found = {each.prefix: each for each in pylstm.find_lstms(recorded["keras.weights.h5"])}
    assert set(found) == {"both", "encoder", "rnn", "same", "relu", "inner.same"}
    for each in found.values():
        told = ASSUMED_BOTH if each.bidirectional else ASSUMED
        assert each.assumed == (told if each.bias else told | {"bias": False})
    for name in ("encoder", "both", "inner.same"):
        module = from_weights(recorded["keras.weights.h5"], name)
        expected = outputs[f"{name}/output"]
        np.testing.assert_allclose(module(outputs[f"{name}/input"])[0], expected, atol=1e-6)
    [gru] = [f for f in pylstm.find_recurrent(recorded["keras.weights.h5"]) if f.kind == "GRU"]
    assert (gru.prefix, gru.assumed) == ("gru", ASSUMED)


def test_load_maps_the_file(recorded, tmp_path):
    path = tmp_path / "weights.h5"
    path.write_bytes(recorded["keras.weights.h5"])
    plain, mapped = pylstm.load(path), pylstm.load(path, mmap=True)
    for name, record in plain.items():
        if isinstance(record, Record):
            others = mapped[name].state["_parameters"]
            for key, array in record.state["_parameters"].items():
                np.testing.assert_array_equal(array, others[key])
                # What is arranged anew is no view of the file.
                made = key.startswith("bias_hh") or record.class_name == "keras.GRU"
                assert not others[key].flags.writeable or made


# ---------------------------------------------------------------------------- layouts


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layout", ["archive", "deflated", "weights", "named"])
def test_outputs(layout, bidirectional, bias):
    parameters = torch_parameters(bidirectional, bias)
    layer = layer_config()
    if bidirectional:
        layer = {
            "class_name": "Bidirectional",
            "config": {"name": "rnn", "merge_mode": "concat", "layer": layer},
        }
    if layout == "named":
        datasets = {}
        for side, end in (
            (("forward", "_l0"), ("backward", "_l0_reverse")) if bidirectional else (("", "_l0"),)
        ):
            middle = f"/{side}_lstm" if side else ""
            datasets |= named(f"model_weights/rnn/rnn{middle}/lstm_cell", parameters, end)
        data = h5_file(datasets, model_config(layer), {"keras_version": "2.15.0"})
    else:
        group = "layers/bidirectional" if bidirectional else "layers/lstm"
        datasets = numbered(group, parameters)
        compression = zipfile.ZIP_DEFLATED if layout == "deflated" else zipfile.ZIP_STORED
        data = (
            h5_file(datasets)
            if layout == "weights"
            else keras_archive(datasets, model_config(layer), compression)
        )
    module = assert_loads(data, parameters)
    x = fractions(3, (2, 5, INPUTS), 2.0).astype("f4")
    output, states = module(x)
    expected, expected_states = lstm(parameters, x, batch_first=True)
    np.testing.assert_allclose(output, expected, atol=1e-6)
    for ours, theirs in zip(states, expected_states, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize(
    "path",
    [
        "rnn/lstm_cell",  # TensorFlow 2.0
        "rnn/rnn",  # Keras 2.2, TensorFlow 1
        "rnn/rnn/lstm_cell",  # TensorFlow 2
        "rnn/rnn/lstm_cell_3",
        "rnn/model/rnn/lstm_cell",  # Keras 3
    ],
)
@pytest.mark.parametrize("suffix", [":0", ""])
@pytest.mark.parametrize("version", ["2.3.1", "2.15.0", "3.15.1", None])
def test_named_layouts(path, suffix, version):
    parameters = torch_parameters()
    versions = {"keras_version": version} if version else {}
    config = model_config(layer_config("Dense", "dense"), layer_config())
    datasets = named(f"model_weights/{path}", parameters, suffix=suffix)
    datasets |= {
        "model_weights/dense/dense/kernel:0": np.zeros((3, 4)),
        "optimizer_weights/a/rnn/m:0": 1.0,
    }
    assert_loads(h5_file(datasets, config, versions), parameters, "rnn")
    alone = h5_file(named(path, parameters, suffix=suffix), attributes=versions)
    [found] = pylstm.find_lstms(alone)
    assert_loads(alone, parameters)
    assert found.prefix in ("rnn", "rnn.model.rnn")


def test_bidirectional_by_names_alone():
    parameters = torch_parameters(bidirectional=True)
    datasets = named("both/forward_lstm/lstm_cell", parameters)
    datasets |= named("both/backward_lstm/lstm_cell", parameters, "_l0_reverse")
    assert_loads(h5_file(datasets), parameters, "both")
    # A name that only looks like a direction.
    single = torch_parameters()
    assert_loads(h5_file(named("forward_lstm/lstm_cell", single)), single, "forward_lstm")
    assert_loads(h5_file(named("a/forward_lstm", single)), single, "a.forward_lstm")


def test_layers_called_like_directions():
    first, second = torch_parameters(seed=1), torch_parameters(seed=2)
    config = model_config(layer_config(name="forward_a"), layer_config(name="backward_a"))
    datasets = named("model_weights/forward_a/m/forward_a/lstm_cell", first)
    datasets |= named("model_weights/backward_a/m/backward_a/lstm_cell", second)
    data = h5_file(datasets, config)
    assert_loads(data, first, "forward_a")
    assert_loads(data, second, "backward_a")


def cudnn_weights(parameters):
    """As CuDNNLSTM keeps them: the inverse of how Keras converts them for an LSTM."""
    kernel, recurrent = parameters["weight_ih_l0"], parameters["weight_hh_l0"]
    gates = [np.ascontiguousarray(gate).reshape(INPUTS, UNITS) for gate in np.split(kernel, 4)]
    for gate, lstm_gate in zip(gates, np.split(kernel.T, 4, axis=1), strict=True):
        converted = gate.T.reshape(gate.shape, order="F")  # Keras's own formula
        np.testing.assert_array_equal(converted, lstm_gate)
    recurrent_gates = [gate.T for gate in np.split(recurrent.T, 4, axis=1)]
    bias = np.concatenate([parameters["bias_ih_l0"], parameters["bias_hh_l0"]])
    return [np.hstack(gates), np.hstack(recurrent_gates), bias]


@pytest.mark.parametrize("config", [True, False])
def test_cudnn(config):
    parameters = make_parameters(1, parameter_shapes(INPUTS, UNITS), np.float32)
    names = ("kernel:0", "recurrent_kernel:0", "bias:0")
    weights = dict(
        zip((f"rnn/cu_dnnlstm/{name}" for name in names), cudnn_weights(parameters), strict=True)
    )
    # Of a release whose plain LSTM would use hard_sigmoid.
    layer = {"class_name": "CuDNNLSTM", "config": {"name": "rnn", "go_backwards": False}}
    data = h5_file(weights, model_config(layer) if config else None, {"keras_version": "2.1.6"})
    [found] = pylstm.find_lstms(data)
    assert_loads(data, parameters, found.prefix)


def test_nested_models_and_groups_that_count():
    first, second, third = (torch_parameters(seed=seed) for seed in (1, 2, 3))
    inner = {
        "class_name": "Functional",
        "config": {"name": "encoder", "layers": [layer_config(name="a")]},
    }
    timed = {
        "class_name": "TimeDistributed",
        "config": {"name": "timed", "layer": layer_config(name="a")},
    }
    config = model_config(
        layer_config(name="a"), inner, layer_config(name="b", activation="selu"), timed
    )
    datasets = numbered("layers/lstm", first) | numbered("layers/functional/layers/lstm", second)
    datasets |= numbered("layers/lstm_1", third) | numbered("layers/time_distributed/layer", third)
    data = keras_archive(datasets, config)
    assert_loads(data, first, "a")
    assert_loads(data, second, "encoder.a")
    assert_loads(data, third, "timed.a")
    assert tree(data)["b"].reason == "its activation is 'selu', not 'tanh'"
    old = named("model_weights/a/a", first) | named("model_weights/encoder/a/lstm_cell", second)
    old |= named("model_weights/b/b", third)
    data = h5_file(old, config)
    assert_loads(data, first, "a")
    assert_loads(data, second, "encoder.a")
    assert tree(data)["b"].reason == "its activation is 'selu', not 'tanh'"


def test_layers_of_tensorflow_2_13():
    parameters = torch_parameters()
    data = keras_archive(
        numbered("_layer_checkpoint_dependencies/lstm", parameters), model_config(layer_config())
    )
    assert_loads(data, parameters, "rnn")


def test_the_first_sequential_models_are_lists():
    parameters = torch_parameters()
    config = {"class_name": "Sequential", "config": [layer_config()]}
    assert_loads(h5_file(named("model_weights/rnn/rnn", parameters), config), parameters, "rnn")


def test_time_major():
    data = h5_file(
        named("rnn/rnn", torch_parameters()), model_config(layer_config(time_major=True))
    )
    assert not pylstm.LSTM.from_weights(data).batch_first


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", ">f8"])
def test_dtypes(dtype):
    parameters = torch_parameters(dtype=np.dtype(dtype).newbyteorder("="))
    datasets = {
        name: value.astype(dtype) for name, value in numbered("layers/lstm", parameters).items()
    }
    module = assert_loads(h5_file(datasets), parameters)
    assert module.weight_ih_l0.dtype == ("float64" if "8" in dtype else "float32")


def test_bfloat16_is_widened():
    parameters = torch_parameters()
    for name, value in parameters.items():
        parameters[name] = (value.view("u4") & 0xFFFF0000).view("f4")
    datasets = {
        name: (np.ascontiguousarray(value).view("u4") >> 16).astype("<u2").view("V2")
        for name, value in numbered("layers/lstm", parameters).items()
    }
    assert_loads(h5_file(datasets), parameters)


@pytest.mark.parametrize("libver", ["earliest", "v108", "v110", "latest"])
@pytest.mark.parametrize("kind", ["text", "bytes", "fixed"])
def test_configurations_in_all_versions_of_hdf5(libver, kind):
    text = json.dumps(model_config(layer_config(activation="selu"), comment="é" * 50))
    config = text.encode()
    config = {"text": text, "bytes": config, "fixed": np.bytes_(config)}[kind]
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=libver) as file:
        for path, value in named("model_weights/rnn/rnn", torch_parameters()).items():
            file[path] = value
        for name in ("backend", "keras_version", "training_config"):
            file.attrs[name] = "2.15"
        file.attrs["model_config"] = config
    assert reason(buffer.getvalue()) == "its activation is 'selu', not 'tanh'"


def test_many_attributes():
    """Version 1 of object headers puts them into further blocks; later ones into another tree."""
    many = {f"attribute {i}": "x" * 200 for i in range(100)}
    config = model_config(layer_config(activation="selu"))
    datasets = named("model_weights/rnn/rnn", torch_parameters())
    assert reason(h5_file(datasets, config, many)) == "its activation is 'selu', not 'tanh'"
    with pytest.raises(pylstm.WeightFileError, match="so many attributes"):
        tree(h5_file(datasets, config, many, libver="latest"))


# ---------------------------------------------------------------------------- what cannot run


@pytest.mark.parametrize(
    "layer, text",
    [
        (layer_config(activation="selu"), "its activation is 'selu', not 'tanh'"),
        (layer_config(recurrent_activation="softmax"), "its recurrent_activation is 'softmax', not 'sigmoid'"),
        (layer_config(activation=None, recurrent_activation={"class_name": "function"}),
         "its activation is a NoneType, not 'tanh'; its recurrent_activation is a dict, not 'sigmoid'"),
        (bidirectional_config("median"), "it merges its directions by 'median', not 'concat'"),
        (bidirectional_config(None), "it merges its directions by a NoneType, not 'concat'"),
        (bidirectional_config(recurrent_activation="softmax"), "its recurrent_activation is 'softmax', not 'sigmoid'"),
        (bidirectional_config(backward=layer_config(activation="selu", go_backwards=True)), "its activation is 'selu', not 'tanh'"),
        (bidirectional_config(backward=layer_config()), "go_backwards is off"),
        ({"class_name": "LSTM", "registered_name": "mine>LSTM", "config": {"name": "rnn"}}, "its class LSTM is another one than Keras's"),
        ({"class_name": "LSTM", "module": "mine", "config": {"name": "rnn"}}, "its class LSTM is another one than Keras's"),
        (layer_config("RNN", cell=layer_config("PeepholeLSTMCell")), "its cell is 'PeepholeLSTMCell', not 'LSTMCell', 'GRUCell' or 'SimpleRNNCell'"),
        (layer_config("RNN", cell=layer_config("LSTMCell", activation="selu")), "its activation is 'selu', not 'tanh'"),
        (layer_config("GRU"), "the shapes of its weights are not those of a GRU: bias (16,), kernel (3, 16), recurrent_kernel (4, 16)"),
        (layer_config("ConvLSTM2D"), "it is a ConvLSTM2D"),
    ],
)  # fmt: skip
def test_unsupported_features_are_named(layer, text):
    parameters = torch_parameters(bidirectional=layer["class_name"] == "Bidirectional")
    class_name = layer["class_name"]
    group = {"ConvLSTM2D": "conv_lstm2d"}.get(class_name, class_name.lower())
    data = keras_archive(numbered(f"layers/{group}", parameters), model_config(layer))
    assert reason(data) == text
    assert tree(data)["rnn"].kind == f"Keras {class_name} layer"


def test_old_defaults():
    """Gates were hard_sigmoid by default before Keras 2.3."""
    parameters = torch_parameters()
    datasets = named("model_weights/rnn/rnn", parameters)
    silent = {"class_name": "LSTM", "config": {"name": "rnn"}}
    for version in ("1.2.2", "2.2.4", "2.2.4-tf"):
        attributes = {"keras_version": version}
        module = assert_loads(h5_file(datasets, model_config(silent), attributes), parameters)
        assert module.gate_activation == "hard_sigmoid"
        assert "or, by default before 2.3" in reason(
            h5_file(named("rnn/rnn", parameters), None, attributes)
        )
        assert_loads(h5_file(datasets, model_config(layer_config()), attributes), parameters)
    old = {"class_name": "LSTM", "config": {"name": "rnn", "inner_activation": "hard_sigmoid"}}
    later = {"keras_version": "2.15"}
    module = assert_loads(h5_file(datasets, model_config(old), later), parameters)
    assert module.gate_activation == "hard_sigmoid"
    # Of which release it is decides which function is called so.
    assert "'hard_sigmoid', not 'sigmoid'" in reason(h5_file(datasets, model_config(old)))


def test_weights_of_other_layers():
    def roles(path, *shapes):
        return {f"{path}/cell/vars/{i}": np.zeros(shape, "f4") for i, shape in enumerate(shapes)}

    datasets = {
        **roles("layers/gru", (3, 12), (4, 12), (12,)),
        **roles("layers/gru_1", (3, 12), (4, 12), (2, 13)),
        **roles("layers/simple_rnn", (3, 4), (4, 4), (8,)),
        **roles("layers/conv", (3, 3, 2, 16), (3, 3, 4, 16), (16,)),
        **roles("layers/half", (3, 16)),
        **roles("layers/odd", (3, 16), (4, 16), (5,)),
        **roles("layers/both/forward_layer", (3, 16), (4, 16)),
        "layers/rnn/cell/cells/lstm_cell/vars/0": np.zeros((3, 16)),
    }
    leaves = tree(h5_file(datasets))
    assert {leaf.kind for name, leaf in leaves.items() if name != "gru"} == {
        "Keras GRU layer", "Keras SimpleRNN layer", "Keras recurrent layer", "Keras LSTM layer"
    }  # fmt: skip
    assert leaves["rnn"].reason == "it stacks cells"
    assert leaves["both"].reason == "the weights of one direction are missing"
    assert "kernel (3, 16)" in leaves["half"].reason
    assert "bias (5,)" in leaves["odd"].reason
    assert leaves["gru"].state["reset_after"] is False  # as its one bias tells
    assert "not those of a GRU: bias (2, 13)" in leaves["gru_1"].reason
    assert "not those of a SimpleRNN: bias (8,)" in leaves["simple_rnn"].reason
    assert [found.prefix for found in pylstm.find_recurrent(h5_file(datasets))] == ["gru"]


def test_keras_1():
    datasets = {f"rnn/rnn_{kind}_{gate}": np.zeros((3, 4)) for kind in "WUb" for gate in "icfo"}
    assert "Keras 1 wrote it" in reason(h5_file(datasets))


# ---------------------------------------------------------------------------- hostile files

KERNEL = "layers/lstm/cell/vars/0"


def rnn_file(**changes):
    return numbered("layers/lstm", torch_parameters()) | changes


@pytest.mark.parametrize(
    "dataset, text",
    [
        ({"shape": (3, 16), "dtype": "f4", "chunks": (3, 16)}, "is stored in chunks"),
        ({"data": np.zeros((3, 16), "f4"), "compression": "gzip"}, "is stored in chunks"),
        ({"shape": (2**40, 2**20), "dtype": "f4", "chunks": (1, 1024), "compression": "gzip"}, "is stored in chunks"),
        ({"shape": (3, 16), "dtype": "f4", "external": [("secret", 0, 192)]}, "is stored in chunks"),
        ({"shape": (2**40, 16), "dtype": "f4"}, "was never written"),
        ({"data": np.zeros((3, 16), "i4")}, "is not of floating-point numbers"),
        ({"data": [[b"x"] * 16] * 3, "dtype": "O"}, "is not of floating-point numbers"),
        ({"data": np.zeros((3, 16), "c8")}, "is not of floating-point numbers"),
    ],
)  # fmt: skip
def test_datasets_that_are_not_read(dataset, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_bytes(bytes(192))
    if dataset.get("dtype") == "O":
        dataset = dataset | {"dtype": h5py.string_dtype()}
    assert reason(h5_file(rnn_file(**{KERNEL: dataset})), "lstm").startswith(f"its kernel {text}")


def test_virtual_datasets_are_not_read():
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver="latest") as file:
        for path, value in rnn_file().items():
            file[path] = value
        del file[KERNEL]
        layout = h5py.VirtualLayout((3, 16), "f4")
        layout[:] = h5py.VirtualSource("other.h5", "x", (3, 16), "f4")
        file.create_virtual_dataset(KERNEL, layout)
    assert "is stored in chunks" in reason(buffer.getvalue(), "lstm")


def test_links_elsewhere_are_not_followed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with h5py.File("other.h5", "w") as file:
        file["x"] = np.zeros((3, 16), "f4")
    links = {KERNEL: h5py.ExternalLink("other.h5", "x"), "layers/a": h5py.SoftLink("/layers")}
    leaf = tree(h5_file(rnn_file(**links)))["lstm"]
    assert "kernel" not in leaf.reason.replace("recurrent_kernel", "")


def test_two_readings_of_the_same_bytes():
    parameters = torch_parameters(dtype="f8")
    datasets = numbered("layers/a", parameters) | numbered("layers/b", parameters)
    data = bytearray(
        h5_file(
            {
                name: value.astype("<f8" if "/a/" in name else ">f8")
                for name, value in datasets.items()
            }
        )
    )
    with h5py.File(io.BytesIO(bytes(data)), "r") as file:
        places = [file[f"layers/{layer}/cell/vars/0"].id.get_offset() for layer in "ab"]
    size = datasets["layers/a/cell/vars/0"].nbytes
    where = data.index(struct.pack("<QQ", places[1], size))
    data[where : where + 8] = struct.pack("<Q", places[0])
    kernels = [
        record.state["_parameters"]["weight_ih_l0"] for record in pylstm.load(bytes(data)).values()
    ]
    np.testing.assert_array_equal(kernels[0].byteswap(), kernels[1])


def test_groups_that_hold_themselves():
    buffer = io.BytesIO(h5_file(rnn_file()))
    with h5py.File(buffer, "r+") as file:
        file["layers/lstm/again"] = file["layers"]
        file["layers/other"] = file["layers/lstm"]
    [found] = pylstm.find_lstms(buffer.getvalue())
    assert found.prefix in ("lstm", "other")


def test_nesting_is_bounded():
    with pytest.raises(pylstm.WeightFileError, match="nested too deeply"):
        tree(h5_file({"/".join(["group"] * 80): 1.0}))


def test_layers_that_share_their_weights_share_memory():
    buffer = io.BytesIO(h5_file(rnn_file()))
    with h5py.File(buffer, "r+") as file:
        for index in range(200):
            for number in range(3):
                file[f"layers/l{index}/cell/vars/{number}"] = file[
                    f"layers/lstm/cell/vars/{number}"
                ]
    records = pylstm.load(buffer.getvalue())
    assert len(records) == 201
    for name in ("weight_ih_l0", "bias_ih_l0", "bias_hh_l0"):
        arrays = [record.state["_parameters"][name] for record in records.values()]
        assert len({array.__array_interface__["data"][0] for array in arrays}) == 1


def test_datasets_that_overlap():
    """Every other dataset is made to start eight bytes after the one before, in the first."""
    values = np.zeros((100, 100), "f8")
    names = [f"d{i}" for i in range(8)]
    data = bytearray(h5_file(dict.fromkeys(names, values)))
    with h5py.File(io.BytesIO(bytes(data)), "r") as file:
        places = [file[name].id.get_offset() for name in names]
    for index, place in enumerate(places[1:], 1):
        where = data.index(struct.pack("<QQ", place, values.nbytes))
        data[where : where + 8] = struct.pack("<Q", places[0] + 8 * index)
    assert tree(bytes(data)) == {}  # no more bytes than the file has
    # Without the last datasets the file ends earlier, which HDF5 notices only if it is told.
    end = places[1] + 64
    short = data[:end].replace(struct.pack("<Q", len(data)), struct.pack("<Q", end))
    with pytest.raises(pylstm.WeightFileError, match="overlaps other datasets"):
        tree(bytes(short))


def test_damaged_files(recorded):
    """Cut off anywhere, and with single bytes changed where HDF5 keeps its own data."""
    rng = np.random.default_rng(0)
    for name in ("keras.keras", "keras.h5"):
        data = recorded[name]
        cases = [data[:length] for length in range(8, len(data), 1511)]
        for _ in range(150):
            case = bytearray(data)
            case[rng.integers(8, len(case) if rng.random() < 0.5 else 6000)] = rng.integers(256)
            cases.append(bytes(case))
        for case in cases:
            with contextlib.suppress(pylstm.WeightFileError):
                pylstm.load(case)


def heap(data):
    """Where the global heap with the texts starts."""
    return data.index(b"GCOL\1\0\0\0")


def test_a_damaged_heap_of_texts():
    """HDF5's own library would loop forever over the first, and take the length of the second."""
    config = model_config(layer_config())
    data = h5_file(named("model_weights/rnn/rnn", torch_parameters()), config)
    text = json.dumps(config).encode()
    attribute = data.index(struct.pack("<L", len(text)) + struct.pack("<Q", heap(data)))
    for place, value in (
        (heap(data) + 16, bytes(16)),
        (attribute, b"\xff\xff\xff\x7f"),
        (attribute + 4, b"\xff" * 8),
        (heap(data) + 8, b"\xff" * 8),
        (heap(data), b"GCOX"),
        (heap(data) + 24, b"\xff" * 8),
    ):
        case = bytearray(data)
        case[place : place + len(value)] = value
        with pytest.raises(pylstm.WeightFileError):
            tree(bytes(case))


@pytest.mark.parametrize(
    "config",
    [b"{", b"[" * 100_000, b'{"config":{"layers":' + b"[" * 50_000, b"1" * 5000, b"\xff",
     b"[" + b"[]," * 600_000 + b"[]]", b'"' + b"x" * (1 << 22) + b'"'],
)  # fmt: skip
def test_hostile_configurations(config):
    with pytest.raises(pylstm.WeightFileError):
        tree(h5_file(named("model_weights/rnn/rnn", torch_parameters()), config))


@pytest.mark.parametrize(
    "config",
    [None, [], 3, "text", {"config": None}, {"config": {"layers": 3}}, {"config": {"layers": [3, None, {}, {"config": []}]}},
     {"config": {"layers": [{"class_name": ["LSTM"], "config": {"name": {}}}]}}],
)  # fmt: skip
def test_configurations_of_other_types(config):
    parameters = torch_parameters()
    datasets = named("model_weights/rnn/rnn", parameters)
    assert_loads(h5_file(datasets, json.dumps(config).encode()), parameters)


def test_configurations_that_nest():
    layer = layer_config()
    for _ in range(200):
        layer = {"class_name": "Functional", "config": {"name": "m", "layers": [layer]}}
    with pytest.raises(pylstm.WeightFileError):
        tree(keras_archive(rnn_file(), model_config(layer)))
    with pytest.raises(pylstm.WeightFileError, match="recurrent layers"):
        tree(keras_archive(rnn_file(), model_config(*[layer_config()] * 1001)))


def test_archives_that_inflate():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(1 << 27))
    with pytest.raises(pylstm.WeightFileError, match="more than weights would"):
        tree(buffer.getvalue())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", h5_file(rnn_file()))
        archive.writestr("config.json", bytes(1 << 23))
    with pytest.raises(pylstm.WeightFileError, match=r"config\.json: is too long"):
        tree(buffer.getvalue())


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    data = h5_file(rnn_file())
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"pip install 'pylstm\[keras\]'"):
        pylstm.load(data)
