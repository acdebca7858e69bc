"""Keras files made by hand to break the readers: archives, configurations, attributes of HDF5."""

import io
import json
import struct
import zlib

import numpy as np
from mutate_zip import DEFLATED, Entry, write
from seeds import seeds

ROLES = ("kernel:0", "recurrent_kernel:0", "bias:0")
WEIGHTS = [np.ones(shape, np.float32) for shape in ((2, 12), (3, 12), 12)]


def keras_archive(config, weights=None, version=b"3.15.1"):
    """A ``.keras`` archive of an honest HDF5 file, or another."""
    if weights is None:
        weights = next(each for each in seeds("keras") if not each.startswith(b"PK"))
    metadata = Entry(b"metadata.json", b'{"keras_version": "%s"}' % version)
    return write([metadata, Entry(b"config.json", config), Entry(b"model.weights.h5", weights)])


def hdf5(change=lambda file: None, layers=("lstm",), path="{}/lstm_cell", **options):
    """An HDF5 file with named weights and the lists of them, changed by a function."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **options) as file:
        file.attrs["layer_names"] = np.asarray([each.encode() for each in layers])
        for layer in layers:
            group = file.require_group(layer)
            paths = [f"{path.format(layer)}/{role}" for role in ROLES]
            group.attrs["weight_names"] = np.asarray([each.encode() for each in paths])
            for each, array in zip(paths, WEIGHTS, strict=True):
                group[each] = array
        change(file)
    return buffer.getvalue()


def numbered(groups, labels, **options):
    """An HDF5 file by Keras 3 with weights in some groups, and names of these and of others."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **options) as file:
        for group in groups:
            for number, array in enumerate(WEIGHTS):
                file[f"{group}/cell/vars/{number}"] = array
        for group, name in labels.items():
            file.require_group(f"{group}/vars").attrs["name"] = name
    return buffer.getvalue()


def replaced(name, values):
    """An honest file in which the list of an attribute is another."""

    def change(file):
        del file.attrs[name]
        file.attrs[name] = values

    return hdf5(change)


def patched(content, after, offset, value):
    """A file with other bytes at a distance behind the first place of a text."""
    where = content.index(after) + offset
    return content[:where] + value + content[where + len(value) :]


def list_attacks():
    """Lists of names: counts, sizes and references that are not true, cycles, huge ones."""
    honest = hdf5()
    # Of version 1: name, datatype and dataspace follow the sizes of the three, each padded.
    name = b"layer_names\0"
    dimension = 16 + 8 + 8  # behind the name and the datatype, in the dataspace
    heap = replaced("layer_names", ["lstm"] * 64)
    place = heap.index(b"GCOL")
    first = heap.index(struct.pack("<LQ", 4, place))  # a length, the heap, and an index
    header = honest.index(name) - 16  # of the message with the attribute
    return {
        "a list of 2**60 names": patched(honest, name, dimension, struct.pack("<Q", 2**60)),
        "a list of 65,536 names": patched(honest, name, dimension, struct.pack("<Q", 65_536)),
        "names of no bytes": patched(honest, name, 16 + 4, struct.pack("<L", 0)),
        "names of 4 GB": patched(honest, name, 16 + 4, struct.pack("<L", 2**32 - 1)),
        "a list of many dimensions": patched(honest, name, 16 + 8 + 1, b"\xff"),
        "names of another type": patched(honest, name, 16, b"\x11"),
        "an attribute of version 3 of a shared type": patched(honest, name, -8, b"\3\3"),
        "an attribute whose name is 64 KB": patched(honest, name, -6, b"\xff\xff"),
        "a text of 4 GB": heap[:first] + b"\xff" * 4 + heap[first + 4 :],
        "a text in a heap beyond the file": heap[: first + 4] + b"\xff" * 8 + heap[first + 12 :],
        "a text in a heap that is none": heap[: first + 4] + bytes(8) + heap[first + 12 :],
        "a heap of 2**62 bytes": patched(heap, b"GCOL", 8, struct.pack("<Q", 2**62)),
        "a heap whose objects are longer": patched(heap, b"GCOL", 24, struct.pack("<Q", 2**63)),
        "a heap of objects without length": patched(heap, b"GCOL", 16, struct.pack("<HHLQ", 1, 1, 0, 0)),
        "a header that goes on in itself": patched(honest, name, -16, struct.pack("<HHLQQ", 0x10, 16, 0, header, 4096)),
        "a header that goes on beyond the file": patched(honest, name, -16, struct.pack("<HHLQQ", 0x10, 16, 0, 2**63, 64)),
        "3,000 references to one text of a megabyte": repeated,
        "100,000 names of layers that are not there": lambda: hdf5(many_names),
        "3,000 layers": lambda: hdf5(layers=[f"l{index}" for index in range(3000)], libver="latest"),
        "3,000 layers in one group": lambda: hdf5(crowded),
        "layers in each other": hdf5(layers=["/".join("a" * depth) for depth in range(1, 40)]),
        "weights of a layer of everything": hdf5(layers=["lstm", "lstm/lstm_cell", "lstm/lstm"], path="{}"),
        "names of other types": replaced("layer_names", np.zeros((4, 4), "S5")),
        "names that are numbers": replaced("layer_names", np.arange(9)),
        "names that steer a terminal": hdf5(layers=["\x1b[2J", "a\nb", "\u202eb"]),
        "empty names": replaced("layer_names", ["", ".", "..", "/", "lstm/", "//lstm"]),
        "names that are not UTF-8": replaced("layer_names", np.asarray([b"\xff\xfe", b"lstm"])),
        "names in an index": hdf5(indexed, libver="latest"),
    }  # fmt: skip


def repeated():
    """A list of texts that are all one long text of a heap."""
    content = replaced("layer_names", ["x" * 2**20] + ["y"] * 3000)
    heap = where = 0
    while content[heap : heap + 4] != b"GCOL":
        where = content.index(struct.pack("<L", 2**20), where + 1)
        heap = int.from_bytes(content[where + 4 : where + 12], "little")
    reference = content[where : where + 16]
    return content[:where] + reference * 3001 + content[where + 16 * 3001 :]


def many_names(file):
    del file.attrs["layer_names"]
    names = np.asarray([b"%05d" % index for index in range(100_000)])
    for index, part in enumerate(np.array_split(names, 10)):
        file.attrs[f"layer_names{index}"] = part


def crowded(file):
    """Thousands of cells beside each other and in each other."""
    for index in range(3000):
        path = "/".join(f"a{index % 7}" for _ in range(index % 11 + 1))
        for role, array in zip(ROLES, WEIGHTS, strict=True):
            file[f"lstm/{path}/x{index}/lstm_cell/{role}"] = array


def indexed(file):
    for index in range(20):
        file["lstm"].attrs[f"other {index}"] = index


def label_attacks():
    """Names of layers in the file: long, nested, of no text."""
    deep = ["/".join(f"g{depth}" for depth in range(1, count)) for count in range(2, 50)]
    return {
        "a name of 60 KB": numbered(["lstm"], {"lstm": "x" * 60_000}),
        "names of 60 KB around 500 layers": lambda: numbered(
            [f"{deep[20]}/l{index}" for index in range(500)],
            {each: chr(0x1F600) * 15_000 for each in deep[:20]},
        ),
        "names in each other": numbered([deep[-1]], dict.fromkeys(deep, "same")),
        "one name for 2,000 layers": lambda: numbered(
            [f"l{index}" for index in range(2000)], {f"l{index}": "same" for index in range(2000)}
        ),
        "a name that is a number": numbered(["lstm"], {"lstm": 3}),
        "a name that is a list": numbered(["lstm"], {"lstm": ["a", "b"]}),
        "a name that is empty": numbered(["lstm"], {"lstm": ""}),
        "a name that steers a terminal": numbered(["lstm"], {"lstm": "\x1b[2J\u202e"}),
        "cells in cells": numbered(["cell/cell", "cell/cell/cell", "a/cell/cells/b"], {}),
        "cells in 60 groups of cells": numbered(
            ["/".join(["a"] * depth) for depth in range(1, 55)], {}
        ),
    }


def custom_attacks():
    """Configurations with layers of other classes, whose settings are searched."""

    def block(name, settings, layers=()):
        config = {"name": name, "layers": list(layers), **settings}
        return {"class_name": "Block", "module": "mine", "config": config}

    lists = [[]] * 1000
    nested = block("b60", {"a": lists})
    for depth in reversed(range(60)):
        nested = block(f"b{depth}", {"a": lists}, [nested])
    groups = ["/".join(["layers/block"] * depth) + "/rnn" for depth in range(1, 25)]
    plain = {"class_name": "LSTM", "config": {"name": "x"}}
    shown = [b'{"class_name":"%s","config":{"name":"%s"}}' % (b"C" * 200, b"n" * 200)] * 8000
    return {
        "settings in 60 blocks": lambda: keras_archive(
            json.dumps(nested).encode(), numbered(groups, {})
        ),
        "2,000 layers in one block of many settings": lambda: keras_archive(
            json.dumps(block("b", {"a": [plain] * 19_000 + lists})).encode(),
            numbered([f"r{index}" for index in range(2000)], {}),
        ),
        "8,000 layers with long names in 60 models": lambda: keras_archive(
            b'{"config":{"layers":[{"class_name":"%s","config":{"layers":[' % (b"M" * 250) * 30
            + b",".join(shown)
            + b"]}}]}}" * 30
        ),
        "a class of a megabyte": keras_archive(
            b'{"config":{"layers":[{"class_name":"%s","config":{"layers":[%s]}}]}}'
            % (b"M" * 2**20, b",".join([b"{}"] * 100_000))
        ),
        "older names in each other": keras_archive(
            json.dumps(nested).encode(),
            numbered(
                ["/".join(["_layer_checkpoint_dependencies"] * depth) for depth in range(1, 50)], {}
            ),
            b"2.13.1",
        ),
        "older names with 2,000 numbers": lambda: keras_archive(
            b'{"config":{"layers":[%s]}}' % b",".join([b'{"class_name":"LSTM"}'] * 900),
            numbered(
                [f"_layer_checkpoint_dependencies/lstm_{2 * index}" for index in range(2000)], {}
            ),
            b"2.12",
        ),
        "no class and no name": keras_archive(b'{"config":{"layers":[{},{"config":{}}]}}'),
        "a model of itself": keras_archive(b'{"config":{"layer":{"config":{"layer":{}}}}}'),
    }


def kind_attacks():
    """Weights and configurations of GRUs and SimpleRNNs."""

    def weights(units, *shapes, layers=1, path="l{}/cell/vars", release="latest"):
        import h5py

        buffer = io.BytesIO()
        with h5py.File(buffer, "w", libver=release) as file:
            for index in range(layers):
                for number, shape in enumerate(shapes):
                    if index == 0:
                        file[f"{path.format(0)}/{number}"] = np.ones(shape, np.float32)
                    else:
                        file[f"{path.format(index)}/{number}"] = file[f"{path.format(0)}/{number}"]
        return buffer.getvalue()

    def configured(text, data):
        return keras_archive(b'{"config":{"layers":[%s]}}' % text, data)

    gru = weights(3, (2, 9), (3, 9), (2, 9), path="layers/gru/cell/vars")
    entry = b'{"class_name":"GRU","config":{"name":"g",%s}}'
    return {
        "2,000 GRUs of one weight": lambda: weights(100, (2, 300), (100, 300), (2, 300), layers=2000),
        "2,000 SimpleRNNs of one weight": lambda: weights(100, (2, 100), (100, 100), layers=2000),
        "2,000 CuDNNGRUs of one weight": lambda: weights(100, (2, 300), (100, 300), (600,), layers=2000),
        "a GRU of no units": weights(0, (2, 0), (0, 0), (2, 0)),
        "a GRU of no inputs": weights(3, (0, 9), (3, 9), (2, 9)),
        "a bias of many axes": weights(3, (2, 9), (3, 9), (1,) * 30),
        "a bias of three rows": weights(3, (2, 9), (3, 9), (3, 9)),
        "a recurrent kernel of one axis": weights(3, (2, 9), (9,), (2, 9)),
        "settings of other types": configured(entry % b'"reset_after":[],"activation":{},"recurrent_activation":[1],"units":1e999,"use_bias":"a"', gru),
        "an activation of a megabyte": configured(entry % (b'"activation":"%s"' % (b"a" * 2**20)), gru),
        "directions of two kinds": configured(b'{"class_name":"Bidirectional","config":{"name":"b","merge_mode":["sum"],"layer":%s,"backward_layer":{"class_name":"LSTM","config":{}}}}' % (entry % b'"a":1'), gru),
        "a cell of a cell": configured(b'{"class_name":"RNN","config":{"name":"r","cell":{"class_name":"GRUCell","config":{"cell":{"class_name":{}}}}}}', gru),
        "a cell of no class": configured(b'{"class_name":"RNN","config":{"name":"r","cell":{"class_name":[],"config":3}}}', gru),
    }  # fmt: skip


def keras_attacks():
    layer = b'{"class_name":"LSTM","config":{"name":"lstm"}}'
    layers = b'{"config":{"layers":[%s]}}'
    return {
        "100,000 lists in each other": keras_archive(b"[" * 100_000),
        "100,000 models in each other": keras_archive(b'{"config":' * 100_000 + b"1" + b"}" * 100_000),
        "450 wrappers in each other": keras_archive(b'{"config":{"layer":' * 450 + b"1" + b"}}" * 450),
        "a number of a million digits": keras_archive(layers % (b"9" * 1_000_000)),
        "50,000 layers": lambda: keras_archive(layers % b",".join([layer] * 50_000)),
        "a name twice": keras_archive(layers % b",".join([layer] * 2)),
        "a name that steers a terminal": keras_archive(layers % layer.replace(b'"lstm"', b'"\\u001b[2J\\ud800"')),
        "not UTF-8": keras_archive(b'{"\xff":1}'),
        "an archive in an archive": write([Entry(b"model.weights.h5", keras_archive(b"{}"))]),
        "weights that inflate to 1 GB": inflating,
        "nothing behind the magic number": b"\x89HDF\r\n\x1a\n" + bytes(2**20),
        "ones behind the magic number": b"\x89HDF\r\n\x1a\n" + b"\xff" * 2**20,
        **list_attacks(),
        **{f"kinds, {name}": content for name, content in kind_attacks().items()},
        **{f"labels, {name}": content for name, content in label_attacks().items()},
        **{f"classes, {name}": content for name, content in custom_attacks().items()},
    }  # fmt: skip


def inflating():
    """An archive whose weights are a gigabyte of zeros in a megabyte."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = piece * 1024 + packer.flush()
    central = {"size": 2**30, "packed": len(packed)}
    return write([Entry(b"model.weights.h5", b"", DEFLATED, packed=packed, central=central)])
