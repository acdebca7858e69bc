"""Keras files made by hand, and what the tests of them share."""

import io
import json
import warnings
import zipfile

import numpy as np
import pytest
from reference import make_parameters, parameter_shapes

import pylstm
from pylstm.files.base.record import Unsupported
from pylstm.files.open import open_weights

h5py = pytest.importorskip("h5py")

INPUTS, UNITS = 3, 4

# What a file without a configuration leaves open.
ASSUMED = {
    "gate_activation": "sigmoid",
    "activation": "tanh",
    "reverse": False,
    "batch_first": True,
}
ASSUMED_BOTH = ASSUMED | {"merge_mode": "concat"}  # of two directions


def tree(source):
    with open_weights(source) as file:
        assert file.format == "Keras"
        return file.tree


def torch_parameters(
    bidirectional=False, bias=True, dtype=np.float32, seed=1, inputs=INPUTS, units=UNITS
):
    """As Keras has them: torch's second bias is zero."""
    shapes = parameter_shapes(inputs, units, bias=bias, bidirectional=bidirectional)
    parameters = make_parameters(seed, shapes, dtype)
    return {name: 0 * p if "bias_hh" in name else p for name, p in parameters.items()}


def keras_weights(parameters, end="_l0"):
    """kernel, recurrent kernel and bias of one direction."""
    names = ("weight_ih" + end, "weight_hh" + end, "bias_ih" + end)
    return [parameters[name].T for name in names if name in parameters]


def h5_file(datasets, config=None, attributes=(), **options):
    """An HDF5 file with datasets by path; an array by itself, or the arguments that make one."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **options) as file:
        for path, value in datasets.items():
            if isinstance(value, dict):
                file.create_dataset(path, **value)
            else:
                file[path] = value
        file.attrs.update(dict(attributes))
        if config is not None:
            file.attrs["model_config"] = config if isinstance(config, bytes) else json.dumps(config)
    return buffer.getvalue()


def numbered(path, parameters):
    """The datasets of Keras 3 for a layer."""
    datasets = {}
    ends = {"": "_l0"}
    if "weight_ih_l0_reverse" in parameters:
        ends = {"/forward_layer": "_l0", "/backward_layer": "_l0_reverse"}
    for side, end in ends.items():
        for number, array in enumerate(keras_weights(parameters, end)):
            datasets[f"{path}{side}/cell/vars/{number}"] = array
    return datasets


def named(path, parameters, end="_l0", suffix=":0"):
    """The datasets of older releases for a layer, or for one direction of it."""
    names = ("kernel", "recurrent_kernel", "bias")
    weights = keras_weights(parameters, end)
    return {f"{path}/{name}{suffix}": array for name, array in zip(names, weights, strict=False)}


def layer_config(class_name="LSTM", name="rnn", **settings):
    defaults = {"activation": "tanh", "recurrent_activation": "sigmoid"}
    return {"class_name": class_name, "config": {"name": name, **defaults, **settings}}


def model_config(*layers, **others):
    return {
        "class_name": "Sequential",
        "config": {"name": "model", "layers": list(layers)},
        **others,
    }


def bidirectional_config(merge_mode="concat", backward=None, **settings):
    config = {
        "name": "rnn",
        "merge_mode": merge_mode,
        "layer": layer_config(name="lstm", **settings),
    }
    if backward:
        config["backward_layer"] = backward
    return {"class_name": "Bidirectional", "config": config}


def keras_archive(datasets, config, compression=zipfile.ZIP_STORED, version="3.15.1"):
    return archive_of(h5_file(datasets), config, compression, version)


def from_weights(source, prefix=None):
    """The module, also where the file leaves open what its numbers depend on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pylstm.WeightFileWarning)
        return pylstm.LSTM.from_weights(source, prefix)


def assert_loads(source, parameters, prefix=None):
    module = from_weights(source, prefix)
    state = module.state_dict()
    assert list(state) == list(parameters)
    for name, value in parameters.items():
        np.testing.assert_array_equal(state[name], value, err_msg=name)
    assert module.batch_first
    return module


def reason(source, name="rnn"):
    leaf = tree(source)[name]
    assert isinstance(leaf, Unsupported)
    with pytest.raises(pylstm.WeightFileError) as caught:
        pylstm.LSTM.from_weights(source)
    assert leaf.kind in str(caught.value) and leaf.reason in str(caught.value)
    return leaf.reason


def legacy_file(groups, config=None, base="model_weights", attributes=(), listed=True, **options):
    """A file with named weights as Keras writes it: ``groups`` has each layer's, by name."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **options) as file:
        top = file.create_group(base) if base else file
        if listed:
            save_names(top, "layer_names", list(groups))
        for name, weights in groups.items():
            group = top.require_group(name)
            if listed:
                save_names(group, "weight_names", list(weights))
            for path, array in weights.items():
                group[path] = array
        file.attrs.update(dict(attributes))
        if config is not None:
            file.attrs["model_config"] = json.dumps(config).encode()
    return buffer.getvalue()


def save_names(group, name, names, most=64512):
    """Keep a list of names in parts of at most so many bytes, as Keras does."""
    array = np.asarray([each.encode() for each in names])
    parts = 1
    while any(part.nbytes > most for part in np.array_split(array, parts)):
        parts += 1
    if parts == 1:
        group.attrs[name] = array
    for index, part in enumerate(np.array_split(array, parts) if parts > 1 else ()):
        group.attrs[f"{name}{index}"] = part


def labelled(datasets, labels):
    """A file by Keras 3 of datasets, with what it calls the layers of some groups."""
    buffer = io.BytesIO(h5_file(datasets))
    with h5py.File(buffer, "r+") as file:
        for group, name in labels.items():
            made = file.require_group(f"{group}/vars" if group else "vars")
            if name is not None:
                made.attrs["name"] = name
    return buffer.getvalue()


def archive_of(weights, config, compression=zipfile.ZIP_STORED, version="3.15.1"):
    """A ``.keras`` archive around an HDF5 file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights)
    return buffer.getvalue()
