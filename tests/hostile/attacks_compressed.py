"""Files made by hand to break what reads compressed weights: integers, scales, what is recorded."""

import io
import json
import pickle
import struct

import numpy as np
from containers import program, state_dict, tensor, torch_zip
from hostile_pickles import number, text

NAMES = ("weight_ih_l0", "weight_hh_l0")
DTYPES = {"f4": "F32", "f2": "F16", "i1": "I8", "i2": "I16", "u2": "BF16"}


def stored(dtype="i1", shape=(8, 2), scale=(8, 1), kind="f4"):
    """The arrays of a module, its scales all 1."""
    for name in NAMES:
        yield name, np.ones(shape, dtype)
        if scale is not None:
            yield f"{name}_scale", np.ones(scale, kind)


def safetensors(arrays, **metadata):
    header, data = {"__metadata__": metadata}, b""
    for name, array in arrays:
        end = len(data) + array.nbytes
        dtype = DTYPES[array.dtype.str[1:]]
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [len(data), end]}
        data += array.tobytes()
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def recorded(arrays, weights):
    return safetensors(arrays, **{"pylstm.options": json.dumps({"": {"weights": weights}})})


def npz(arrays, compressed=False):
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **dict(arrays))
    return file.getvalue()


def marked(count, marker="bfloat16"):
    """Many modules of bfloat16 in an archive."""
    for index in range(count):
        for name in NAMES:
            yield f"{index}.{name}", np.ones((8, 2), "u2")
            yield f"{index}.{name}_dtype", np.array(marker)


def torch_file(metadata, kind="CharStorage"):
    """A state_dict of integers and scales with opcodes as its _metadata."""
    scale = tensor((8, 1), (1, 1))
    entries = [(name, tensor((8, 2), (2, 1), numel=256, kind=kind)) for name in NAMES]
    entries += [(f"{name}_scale", scale) for name in NAMES]
    items = b"".join(text(name) + value for name, value in entries)
    state = b"}" + text("_metadata") + metadata + b"s"
    made = b"ccollections\nOrderedDict\n)R(" + items + b"u" + state + b"b"
    return torch_zip(program(made), [bytes(256)])


def module_pickle(parameters, weights="int8"):
    """What the pickle of a module has, without its class."""
    saved = {"version": 3, "structure": {}, "options": {}, "dtype": "float32"}
    return pickle.dumps([{**saved, "weights": weights, "parameters": parameters}], 4)


def says(value):
    """A _metadata that records a storage, given as opcodes."""
    return b"}" + text("") + b"}" + text("weights") + value + b"ss"


def compressed_attacks():
    """Files by name."""
    nest = b"]" * 5000 + b"a" * 4999
    ones = np.ones((8, 2), "i1")
    wide = [(f"{index}.{name}", value) for index in range(2000) for name, value in stored()]
    pair = {name: (np.ones((8, 2), "i1"), np.ones((8, 1), "f4")) for name in NAMES}
    odd = [None, (), (ones,), (ones, None), (None, None), (ones, 1.5), (ones, ones), ("a", "b")]
    odd += [
        (ones, np.ones((8, 1), "f4"), None),
        (np.float32(1), None),
        (ones, {}),
        ((ones, ones), None),
    ]
    odd += [
        (np.array(["a"]), np.ones((8, 1), "f4")),
        (np.ones((8, 2), "c8"), np.ones((8, 1), "f4")),
    ]
    loop = []
    loop.append((loop, loop))
    made = {
        "scales of no rows": recorded(stored(scale=(0, 1)), "int8"),
        "matrices of no columns": recorded(stored(shape=(8, 0)), "int8"),
        "scales of 2**40 rows": safetensors(stored()).replace(b"[8, 1]", b"[1099511627776, 1]"),
        "a storage of bits": recorded(stored("u2", scale=None), "int8"),
        "bits and scales": recorded(stored("u2"), "bfloat16"),
        "half integers": recorded(stored("i2"), "int8"),
        "NaN scales": recorded(((n, v * np.nan if v.dtype == "f4" else v) for n, v in stored()), "int8"),
        "2,000 modules": lambda: safetensors(wide),
        "2,000 modules in an archive": lambda: npz(wide, compressed=True),
        "1,000 modules of bfloat16": lambda: npz(marked(1000)),
        "markers of markers": npz(
            (name + "_dtype" * at, np.array("bfloat16") if at else np.ones((8, 2), "u2"))
            for name in NAMES for at in range(50)
        ),
        "markers of a million characters": lambda: npz(marked(1, "bfloat16" * 125_000), compressed=True),
        "a megabyte of a storage's name": recorded(stored(), "int8" * 250_000),
        "a million storages": lambda: safetensors(
            stored(), **{"pylstm.options": json.dumps({str(i): {"weights": "int8"} for i in range(100_000)})}
        ),
        "a _metadata of itself": torch_file(b"}q\x07" + text("") + b"h\x07s"),
        "a storage of lists": torch_file(says(nest)),
        "a storage of itself": torch_file(says(b"]q\x08h\x08a")),
        "a storage of a record": torch_file(says(b"ca\nb\n)R")),
        "a storage of a million digits": torch_file(says(b"\x8b" + struct.pack("<i", 400_000) + b"\x7f" * 400_000)),
        "a storage that steers a terminal": torch_file(says(text("\x1b[2J\n\u202e"))),
        "a storage of another case": torch_file(says(text("INT8"))),
        "bytes for an honest storage": torch_file(says(text("int16"))),
        "a tensor for a storage": torch_file(says(tensor((1,), (1,)))),
        "an entry of a number": torch_file(b"}" + text("") + number(3) + b"s"),
        "shorts for an honest storage": torch_file(says(text("int8")), kind="ShortStorage"),
        "a module of pairs": module_pickle(pair),
        "a module of lists": module_pickle(pair, ["int8"]),
        "a module of another storage": module_pickle(pair, "int4"),
        "a module of itself": module_pickle({**pair, "bias_ih_l0": (loop, loop)}),
        "a module of a million pairs": lambda: module_pickle({**pair, **{f"a{i}": (ones, None) for i in range(30_000)}}),
        "a module of deep pairs": module_pickle({**pair, "weight_hh_l0": _deep(200)}),
        "100,000 entries that record": lambda: torch_zip(
            program(
                b"ccollections\nOrderedDict\n)R(" + b"".join(text(n) + v for n, v in state_dict()) + b"u}"
                + text("_metadata") + b"}(" + b"".join(text(str(i)) + b"}" + text("weights") + text("int8") + b"s" for i in range(100_000)) + b"usb"
            ),
            [bytes(256)],
        ),
    }  # fmt: skip
    for index, each in enumerate(odd):
        made[f"a module of odd pairs, {index}"] = module_pickle({**pair, "weight_hh_l0": each})
    return made


def _deep(count):
    value = np.ones((8, 2), "i1")
    for _ in range(count):
        value = (value, value)
    return value
