"""Honest files of every format: what the fuzzers start from."""

import io
import pickle
import re
import tarfile
import tempfile
import warnings
import zipfile
from collections import OrderedDict
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import folders
import numpy as np
from recorded_files import recorded_files
from weight_files import skops_archive

import pylstm

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
    {"pylstm.options": '{"rnn": {"nonlinearity": "relu", "merge_mode": "sum"}, "x": {}}'},
    None,
)
# Files of GRUs, RNNs and their cells, by the pattern of their names.
KINDS = {
    "torch": r".*\.state_dict\.pt",
    "module": r".*\.module\.pt",
    "torchscript": r".*\.(script|trace)\.pt",
    "legacy": r".*\.legacy\.pt",
    "onnx": r".*\.onnx",
    "keras": r"(gru_both|rnn_both|gru_before)\.(keras|h5)",
}
# Files of quantised modules.
QUANTISED = {
    "torch": r"torch_.*_state_dict\.pt",
    "module": r"torch_.*_module\.pt",
    "torchscript": r"torch_.*_script\.pt",
    "onnx": r".*\.onnx",
}
# Models of torch's two exporters, one of them of an unrolled layer.
EXPORTED = {"onnx": r".*\.onnx"}
PROTOCOLS = range(6)
OWN_FORMATS = (
    *RECORDED,
    "npy",
    "skops",
    "shards",
    "distributed",
    "exported",
    "nested",
    *(f"pickle_{protocol}" for protocol in PROTOCOLS),
)

# Formats that other packages read, and the package.
EXTRAS = {"onnx": "onnx", "keras": "h5py"}
ABSENT = {name for name in EXTRAS.values() if not find_spec(name)}
FORMATS = (*OWN_FORMATS, *(format for format, name in EXTRAS.items() if name not in ABSENT))


@cache
def seeds(format):
    """The files of one format: short ones first."""
    if format in RECORDED:
        found = [
            file.content
            for name, file in recorded_files().items()
            if re.fullmatch(RECORDED[format], name)
        ] + list(distributed(format))
        if format == "safetensors":
            found += [folders.safetensors(folders.lstm(1), metadata) for metadata in METADATA]
        if format.startswith("npz"):
            found += [archive_of_bits(deflated) for deflated in (False, format != "npz")]
    elif format == "npy":
        found = [npy(array, version) for array in some_arrays() for version in ((1, 0), (3, 0))]
    elif format == "skops":
        found = list(skops())
    elif format == "shards":
        found = list(folders.seeds())
    elif format == "distributed":
        found = list(of_distributed())
    elif format == "exported":
        found = [recorded_by_torch("exported.pt2")]
    elif format == "nested":
        found = list(nested())
    elif format == "onnx":
        found = list(onnx_models())
    elif format == "keras":
        found = list(keras_files())
    else:
        found = list(pickles(int(format.removeprefix("pickle_"))))
    found += [*of_kinds(format), *compressed(format)]
    return sorted(found, key=len)


def compressed(format):
    """Files of modules with compressed weights, one of each storage."""
    modules = {
        "int8": pylstm.LSTM(2, 3),
        "int8-fast": pylstm.RNN(3, 2, bidirectional=True),
        "int16": pylstm.GRUCell(2, 3, bias=False),
        "bfloat16": pylstm.LSTM(3, 4, proj_size=1),
        "float16": pylstm.GRU(2, 2),
    }
    suffix = {"torch": ".pt", "safetensors": ".safetensors", "npz": ".npz", "npz_deflated": ".npz"}
    for number, (weights, module) in enumerate(modules.items()):
        for index, name in enumerate(module._native_names):
            shape = module._parameter_view(name).shape
            value = np.random.default_rng(100 * number + index).random(shape, np.float32)
            module._native_assign({name: value})
        module = pylstm.compress(module, weights)
        if format.startswith("pickle"):
            yield pickle.dumps({"a": module}, int(format.removeprefix("pickle_")))
        elif format in suffix:
            with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
                warnings.simplefilter("ignore", pylstm.WeightFileWarning)
                path = Path(folder) / f"a{suffix[format]}"
                pylstm.save(module.state_dict(prefix="a."), path)
                content = path.read_bytes()
            if format == "npz_deflated":
                made = io.BytesIO()
                with np.load(io.BytesIO(content)) as arrays:
                    np.savez_compressed(made, **arrays)
                content = made.getvalue()
            yield content


def archive_of_bits(deflated):
    """An archive of an LSTM in bfloat16, as pylstm writes it."""
    made = io.BytesIO()
    shapes = {"weight_ih_l0": (8, 3), "weight_hh_l0": (8, 2)}
    arrays = {name: np.full(shape, 0x3F80, "u2") for name, shape in shapes.items()}
    marks = {f"{name}_dtype": np.array("bfloat16") for name in shapes}
    (np.savez_compressed if deflated else np.savez)(made, **arrays, **marks)
    return made.getvalue()


def of_kinds(format):
    """Files of GRUs, RNNs and their cells that torch, ONNX's exporter and Keras wrote.

    And of quantised modules.
    """
    for name, patterns in (("kinds", KINDS), ("quantised", QUANTISED), ("exporters", EXPORTED)):
        if format not in patterns:
            continue
        recorded = Path(__file__).parents[1] / "data" / "files" / f"{name}.tar.xz"
        with tarfile.open(recorded) as archive:
            for member in archive:
                if re.fullmatch(patterns[format], member.name):
                    yield archive.extractfile(member).read()


def distributed(format):
    """Files of tensors that torch.distributed splits, and of modules that are frozen."""
    names = {"torch": "dtensor_rows|sharded|fsdp_local", "torchscript": "frozen"}.get(format)
    if names is None:
        return
    recorded = Path(__file__).parents[1] / "data" / "files" / "other_formats_torch.tar.xz"
    with tarfile.open(recorded) as archive:
        for member in archive:
            if re.match(names, member.name):
                yield archive.extractfile(member).read()


def recorded_by_torch(name):
    """The content of a file of another format that torch wrote."""
    recorded = Path(__file__).parents[1] / "data" / "files" / "other_formats_torch.tar.xz"
    with tarfile.open(recorded) as archive:
        return archive.extractfile(name).read()


def of_distributed():
    """Folders of torch.distributed.checkpoint, packed: of one process and of two."""
    folder = Path(__file__).parents[1] / "data" / "files"
    for name, inside in (("other_formats_torch", "dcp/"), ("distributed", "two/")):
        with tarfile.open(folder / f"{name}.tar.xz") as archive:
            members = [each for each in archive if each.name.startswith(inside)]
            yield folders.pack(
                {
                    each.name.removeprefix(inside): archive.extractfile(each).read()
                    for each in members
                }
            )


def nested():
    """Archives with weight files in them: stored and deflated, one and several."""
    torch, tensors = folders.torch(folders.lstm(1)), folders.safetensors(folders.lstm(1))
    for files in (
        {"policy.pth": torch},
        {"data": b"{}", "policy.pth": torch, "policy.optimizer.pth": torch},
        {"a/model.safetensors": tensors, "__MACOSX/a/._model.safetensors": b""},
    ):
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            made = io.BytesIO()
            with zipfile.ZipFile(made, "w", method) as archive:
                for name, content in files.items():
                    archive.writestr(name, content)
            yield made.getvalue()


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
    """Plain pickles: the weights of an LSTM, also as PaddlePaddle and in int8; many containers."""
    rng = np.random.default_rng(protocol)
    shapes = {"weight_ih_l0": (12, 2), "weight_hh_l0": (12, 3), "bias_ih_l0": 12, "bias_hh_l0": 12}
    weights = {name: rng.random(shape, np.float32) for name, shape in shapes.items()}
    yield pickle.dumps(weights, protocol)
    bits = {name: (value.view(np.uint32) >> 16).astype("u2") for name, value in weights.items()}
    yield pickle.dumps({**bits, "StructuredToParameterName@@": dict.fromkeys(bits, "w")}, protocol)
    scaled = {name: (9 * value).astype(np.int8) for name, value in weights.items()}
    scaled |= {f"{name}_scale": np.ones(12, np.float16) for name in weights}
    yield pickle.dumps({"rnn": scaled, "rnn.norm": weights["bias_ih_l0"]}, protocol)
    gated = {f"{name}_l0": rng.random((9, 3), np.float32) for name in ("weight_ih", "weight_hh")}
    cell = {name: rng.random((3, 3), np.float32) for name in ("weight_ih", "weight_hh")}
    yield pickle.dumps({"gru": gated, "cell": {**cell, "nonlinearity": "relu"}}, protocol)
    yield pickle.dumps(changed(weights), protocol)
    first, *_ = weights.values()
    several = [first.T, first[::2], first.astype(">f8"), first > 0.5, np.float64(3), first.dtype]
    plain = [None, True, 1, -(2**70), 2.5, "\u20ac", b"\xff", (), {1, 2}, frozenset({"a"}), 1j]
    again = {"lstm": weights, "several": several, "plain": plain, ("a", 1): bytearray(b"b")}
    again["again"] = again
    yield pickle.dumps(again, protocol)
    if find_spec("joblib"):
        import joblib

        file = io.BytesIO()
        joblib.dump({"lstm": weights, "fortran": np.asfortranarray(first)}, file, protocol=protocol)
        yield file.getvalue()


def changed(weights):
    """LSTMs with a matrix in parts: normed, spectrally normed, pruned, dropped."""
    weight, others = weights["weight_ih_l0"], dict(weights)
    del others["weight_ih_l0"]
    rows, columns = (np.full(size, size**-0.5, np.float32) for size in weight.shape)
    new = "parametrizations.weight_ih_l0."
    forms = (
        {"weight_ih_l0_g": weight[:, :1], "weight_ih_l0_v": weight},
        {f"{new}original0": weight[:1], f"{new}original1": weight},
        {"weight_ih_l0_orig": weight, "weight_ih_l0_u": rows, "weight_ih_l0_v": columns},
        {f"{new}original": weight, f"{new}0._u": rows, f"{new}0._v": columns},
        {"weight_ih_l0_orig": weight, "weight_ih_l0_mask": weight > 0.5},
        {"weight_ih_l0_raw": weight},
    )
    return {str(index): {**others, **parts} for index, parts in enumerate(forms)}


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
    """Models of one node: weights as initializers; as constants that nodes put together."""
    yield from _folded_models()
    yield from _models_of_kinds()
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


def _models_of_kinds():
    """Models of a GRU and of an RNN, with a constant state and activations by name."""
    from onnx import helper, numpy_helper

    for kind, gates, options in (
        ("GRU", 3, {"linear_before_reset": 1, "activations": ["Sigmoid", "Tanh"]}),
        ("RNN", 1, {"activations": ["Relu"], "layout": 1}),
    ):
        tensors = {
            "W": np.ones((1, 3 * gates, 2), "f4"),
            "R": np.ones((1, 3 * gates, 3), "f4"),
            "B": np.ones((1, 6 * gates), "f4"),
            "h": np.ones((1, 1, 3), "f4"),
        }
        node = helper.make_node(
            kind, ["X", *"WRB", "", "h"], ["Y"], "rnn", hidden_size=3, **options
        )
        inputs = [helper.make_tensor_value_info("X", 1, [None, None, 2])]
        outputs = [helper.make_tensor_value_info("Y", 1, None)]
        held = [numpy_helper.from_array(array, name) for name, array in tensors.items()]
        yield model(helper.make_graph([node], "model", inputs, outputs, held))


def _folded_models():
    """Models whose weights are quantised or split, and whose states are expanded to the batch."""
    from onnx import helper, numpy_helper

    def node(kind, inputs, outputs, **attributes):
        return helper.make_node(kind, inputs.split(), outputs.split(), **attributes)

    one = numpy_helper.from_array(np.array([1]), "one")
    nodes = [
        node("DequantizeLinear", "w scale zero", "W", axis=1, block_size=4),
        node("ConstantOfShape", "rows", "Z", value=numpy_helper.from_array(np.ones(1, "f4"))),
        node("Expand", "r shape", "E"),
        node("Add", "E Z", "R"),
        node("Split", "flat parts", "b1 b2", axis=1),
        node("Tile", "b1 times", "t"),
        node("Gather", "t index", "B", axis=0),
        node("Shape", "X", "s", start=1, end=2),
        node("Concat", "one s three", "sizes", axis=0),
        node("Expand", "h0 sizes", "h"),
        helper.make_node("LSTM", ["X", *"WRB", "", "h", "h"], ["Y"], "rnn", hidden_size=3),
    ]
    tensors = {
        "w": np.ones((1, 12, 2), "i1"),
        "scale": np.full((1, 3, 2), 0.5, "f4"),
        "zero": np.zeros((1, 3, 2), "i1"),
        "rows": np.array([1, 12, 3]),
        "r": np.ones((1, 12, 1), "f4"),
        "shape": np.array([1, 12, 3]),
        "flat": np.ones((1, 2), "f4"),
        "parts": np.array([1, 1]),
        "times": np.array([1, 24]),
        "index": np.array([0]),
        "three": np.array([3]),
        "h0": np.ones((1, 1, 3), "f4"),
    }
    inputs = [helper.make_tensor_value_info("X", 1, [None, None, 2])]
    outputs = [helper.make_tensor_value_info("Y", 1, None)]
    held = [one, *(numpy_helper.from_array(array, name) for name, array in tensors.items())]
    yield model(helper.make_graph(nodes, "model", inputs, outputs, held))


def model(graph):
    from onnx import helper

    return helper.make_model(graph).SerializeToString()


def keras_files():
    """What Keras wrote, and small HDF5 files of two layouts."""
    import h5py

    folder = Path(__file__).parents[1] / "data" / "files"
    for archive_name, names in (
        ("keras", ("keras.keras", "keras.h5")),
        ("keras_custom", ("subclassed.keras", "custom.h5")),
        ("keras_2", ("renamed.h5", "slashes_weights.h5", "nested.h5")),
    ):
        with tarfile.open(folder / f"{archive_name}.tar.xz") as archive:
            for name in names:
                yield archive.extractfile(name).read()
    for paths, shapes in (
        ("lstm/cell/vars/{}", ((2, 12), (3, 12), 12)),
        ("lstm/lstm/lstm_cell/{}:0", ((2, 12), (3, 12), 12)),
        ("gru/cell/vars/{}", ((2, 9), (3, 9), (2, 9))),
        ("gru/gru/{}:0", ((2, 9), (3, 9), 18)),
        ("simple_rnn/simple_rnn/simple_rnn_cell/{}:0", ((2, 3), (3, 3), 3)),
    ):
        weights = [np.ones(shape, np.float32) for shape in shapes]
        for release in ("earliest", "latest"):
            file = io.BytesIO()
            with h5py.File(file, "w", libver=release) as written:
                names = ("kernel", "recurrent_kernel", "bias") if ":0" in paths else range(3)
                for name, array in zip(names, weights, strict=True):
                    written[paths.format(name)] = array
            yield file.getvalue()
