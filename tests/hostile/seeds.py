"""Honest files of every format: what the fuzzers start from."""

import io
import pickle
import re
import tarfile
import zipfile
from collections import OrderedDict
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import folders
import numpy as np
from recorded_files import recorded_files
from weight_files import skops_archive

# Files that torch wrote, by the pattern of their names.
RECORDED = {
    "torch": r"format_zip_.*|(checkpoint|views|dtypes|parameters|sliced)\w*_zip|tied|big_endian"
    r"|as_1.13|without_crc|structure_(0|12|19)",
    "module": r"(module_|vanished|data_parallel)\w*_zip",
    "torchscript": r"scripted_.*|traced_.*",
    "legacy": r".*legacy.*",
    "safetensors": r"format_safetensors_.*",
    "npz": r"format_npz_float.*",
    "npz_deflated": r"format_npz_deflated_.*",
}
# Of safetensors: tied tensors, what pylstm keeps of modules, and no object at all.
METADATA = (
    {"format": "pt", "rnn.tied": "rnn.weight_hh_l0", "x": "rnn.bias_hh_l0"},
    {"format": "pt", "pylstm.batch_first": '{"rnn": true, "x": false}'},
    None,
)
PROTOCOLS = range(6)
OWN_FORMATS = (
    *RECORDED,
    "npy",
    "skops",
    "shards",
    *(f"pickle_{protocol}" for protocol in PROTOCOLS),
)

# Formats that other packages read, and the package.
EXTRAS = {"onnx": "onnx", "keras": "h5py"}
FORMATS = (*OWN_FORMATS, *(format for format, name in EXTRAS.items() if find_spec(name)))


@cache
def seeds(format):
    """The files of one format: short ones first."""
    if format in RECORDED:
        found = [
            file.content
            for name, file in recorded_files().items()
            if re.fullmatch(RECORDED[format], name)
        ]
        if format == "safetensors":
            found += [folders.safetensors(folders.lstm(1), metadata) for metadata in METADATA]
    elif format == "npy":
        found = [npy(array, version) for array in some_arrays() for version in ((1, 0), (3, 0))]
    elif format == "skops":
        found = list(skops())
    elif format == "shards":
        found = list(folders.seeds())
    elif format == "onnx":
        found = list(onnx_models())
    elif format == "keras":
        found = list(keras_files())
    else:
        found = list(pickles(int(format.removeprefix("pickle_"))))
    return sorted(found, key=len)


def some_arrays():
    """Arrays of several dtypes, orders and shapes."""
    numbers = np.arange(24, dtype=np.float32)
    yield numbers.reshape(2, 3, 4)
    yield np.asfortranarray(numbers.reshape(4, 6))
    yield numbers.astype(">f8")
    yield numbers[:5] > 2
    yield np.array(1 + 2j, np.complex64)
    yield np.zeros((0, 7), np.int16)


def npy(array, version=(1, 0)):
    """The content of a ``.npy`` file."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version, allow_pickle=False)
    return file.getvalue()


def pickles(protocol):
    """Plain pickles: the weights of an LSTM; containers of many kinds in each other."""
    rng = np.random.default_rng(protocol)
    shapes = {"weight_ih_l0": (12, 2), "weight_hh_l0": (12, 3), "bias_ih_l0": 12, "bias_hh_l0": 12}
    weights = {name: rng.random(shape, np.float32) for name, shape in shapes.items()}
    yield pickle.dumps(weights, protocol)
    first, *_ = weights.values()
    several = [first.T, first[::2], first.astype(">f8"), first > 0.5, np.float64(3), first.dtype]
    plain = [None, True, 1, -(2**70), 2.5, "\u20ac", b"\xff", (), {1, 2}, frozenset({"a"}), 1j]
    again = {"lstm": weights, "several": several, "plain": plain, ("a", 1): bytearray(b"b")}
    again["again"] = again
    yield pickle.dumps(again, protocol)


def skops():
    """Archives of skops: the weights of an LSTM; containers, and an object of a class."""
    rng = np.random.default_rng(7)
    shapes = {"weight_ih_l0": (12, 2), "weight_hh_l0": (12, 3), "bias_ih_l0": 12, "bias_hh_l0": 12}
    weights = {name: rng.random(shape, np.float32) for name, shape in shapes.items()}
    yield skops_archive(weights)
    tree = {"lstm": OrderedDict(weights), 3: [1, "é", None, (weights["bias_ih_l0"],)], "s": {"a"}}

    def edit(schema):
        schema["content"][3] |= {
            "__class__": "Model",
            "__module__": "m",
            "__loader__": "ObjectNode",
        }

    yield skops_archive(tree, edit, compression=zipfile.ZIP_DEFLATED)
    yield skops_archive(tree)


def onnx_models():
    """Models of one LSTM: weights as initializers; as constants that nodes put together."""
    from onnx import helper, numpy_helper

    names = ("W", "R", "B")
    for directions in (1, 2):
        shapes = ((directions, 12, 2), (directions, 12, 3), (directions, 24))
        weights = [np.ones(shape, np.float32) for shape in shapes]
        tensors = [
            numpy_helper.from_array(array, name) for array, name in zip(weights, names, strict=True)
        ]
        direction = "bidirectional" if directions == 2 else "forward"
        lstm = helper.make_node(
            "LSTM", ["X", *names], ["Y"], "rnn", hidden_size=3, direction=direction
        )
        inputs = [helper.make_tensor_value_info("X", 1, [None, None, 2])]
        outputs = [helper.make_tensor_value_info("Y", 1, None)]
        yield model(helper.make_graph([lstm], "model", inputs, outputs, tensors))
        constants = [
            helper.make_node("Constant", [], [f"{name}_"], value=tensor)
            for name, tensor in zip(names, tensors, strict=True)
        ]
        made = [helper.make_node("Transpose", ["W_"], ["T"], perm=[0, 2, 1])]
        made += [helper.make_node("Transpose", ["T"], ["W"], perm=[0, 2, 1])]
        made += [helper.make_node("Concat", ["R_"], ["R"], axis=0)]
        made += [helper.make_node("Identity", ["B_"], ["B"])]
        yield model(helper.make_graph([*constants, *made, lstm], "model", inputs, outputs))


def model(graph):
    from onnx import helper

    return helper.make_model(graph).SerializeToString()


def keras_files():
    """What Keras wrote, and small HDF5 files of two layouts."""
    import h5py

    recorded = Path(__file__).parents[1] / "data" / "files" / "keras.tar.xz"
    with tarfile.open(recorded) as archive:
        for name in ("keras.keras", "keras.h5"):
            yield archive.extractfile(name).read()
    weights = [np.ones(shape, np.float32) for shape in ((2, 12), (3, 12), 12)]
    for paths in ("lstm/cell/vars/{}", "lstm/lstm/lstm_cell/{}:0"):
        for release in ("earliest", "latest"):
            file = io.BytesIO()
            with h5py.File(file, "w", libver=release) as written:
                names = ("kernel", "recurrent_kernel", "bias") if ":0" in paths else range(3)
                for name, array in zip(names, weights, strict=True):
                    written[paths.format(name)] = array
            yield file.getvalue()
