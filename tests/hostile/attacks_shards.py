"""Folders that were made by hand to break the reader of shards, and archives of skops."""

import json
import zipfile

import folders
import numpy as np
from attacks import EITHER, LOADED, REFUSED, attacks
from containers import program, torch_zip
from folders import FOLDER, LINK, PIPE, index_of, pack, shards
from hostile_pickles import heavy
from seeds import npy
from weight_files import SkopsWriter, skops_archive

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
INDEX = "model.safetensors.index.json"
OUTSIDE = "/etc/passwd"


def changed(**members):
    """An honest folder with other members: INDEX and so on by their names here, None for none."""
    made = shards()
    for name, value in members.items():
        name = {"index": INDEX, "first": FIRST, "second": SECOND}.get(name, name)
        made.pop(name, None)
        if value is not None:
            made[name] = value
    return made


def where():
    return json.loads(shards()[INDEX])["weight_map"]


@attacks("shards", REFUSED, pack)
def refused_folders():
    names = {
        f"a shard called {name!r:.40}": changed(index=index_of(where() | {"x": name}))
        for name in (
            OUTSIDE, "../file", "..", ".", "", "a/b", "a\\b", "C:\\a", "\0", "n" * 300, None, 1, [], {},
            f"./{FIRST}", f"{FIRST}/", f"//{FIRST}", "\ud800", f"{FIRST}\0", "%2e%2e/file", "~",
        )
    }  # fmt: skip
    return names | {
        "no index": changed(index=None),
        "no first shard": changed(first=None),
        "a pipe for a shard": changed(second=(PIPE, "")),
        "a pipe for the index": changed(index=(PIPE, "")),
        "a folder for a shard": changed(second=(FOLDER, "")),
        "a folder for the index": changed(index=(FOLDER, "")),
        "a device for a shard": changed(second=(LINK, "/dev/zero")),
        "a device for the index": changed(index=(LINK, "/dev/zero")),
        "a terminal for the index": changed(index=(LINK, "/dev/tty")),
        "a file of the system for a shard": changed(second=(LINK, OUTSIDE)),
        "a link to itself": changed(second=(LINK, SECOND)),
        "links in a circle": changed(second=(LINK, "a"), a=(LINK, SECOND)),
        "a link to nothing": changed(second=(LINK, "nowhere")),
        "the index as a shard": changed(index=index_of(where() | {"x": INDEX})),
        "an index of indexes": {f"{i}.json": index_of({"x": f"{i + 1}.json"}) for i in range(50)}
        | {INDEX: index_of({"x": "0.json"})},
        "one shard twice": changed(second=(LINK, FIRST)),
        "a tensor too many": changed(index=index_of({k: v for k, v in where().items() if "l0" in k})),
        "a tensor too few": changed(index=index_of(where() | {"x": FIRST})),
        "shards that changed places": changed(
            index=index_of({k: FIRST if v == SECOND else SECOND for k, v in where().items()})
        ),
        "two indexes": changed(**{"other.index.json": shards()[INDEX]}),
        "a whole beside them": changed(**{"model.safetensors": folders.safetensors(folders.lstm())}),
        "an empty shard": changed(second=b""),
        "a pickle that runs something": changed(second=b"cos\nsystem\n(S'touch canary'\ntR."),
        "names twice": changed(index=b'{"weight_map":{"a":"b","a":"c"}}'),
        "100,000 lists": changed(index=b'{"weight_map":' + b"[" * 100_000),
        "a million braces": changed(index=b'{"a":' * 1_000_000),
        "a number of a million digits": changed(index=b'{"weight_map":' + b"9" * 1_000_000 + b"}"),
        "an index of empty lists": lambda: changed(index=b'{"weight_map":[' + b"[]," * 2_000_000 + b"0]}"),
        "an index of a million names": lambda: changed(
            index=b'{"weight_map":{' + b",".join(b'"%x":"a"' % i for i in range(1_000_000)) + b"}}"
        ),
        "10,000 shards": changed(index=index_of({str(i): f"{i}.bin" for i in range(10_001)})),
        "names that steer a terminal": changed(index=index_of({"\x1b[2J\n": "\x1b]0;x\x07"})),
    }  # fmt: skip


def many_shards(count, content):
    names = [f"pytorch_model-{i:05}-of-{count:05}.bin" for i in range(1, count + 1)]
    where = {f"x{index}": name for index, name in enumerate(names)}
    return dict.fromkeys(names, content) | {"pytorch_model.bin.index.json": index_of(where)}


@attacks("shards", EITHER, pack)
def other_folders():
    return {
        "links out of the folder": changed(config=(LINK, "/etc")),
        # Alone, each of them may need as much as one file may.
        "100 shards of slow keys": lambda: many_shards(100, torch_zip(heavy(20_000)["integers of one hash"][0])),
        "100 shards of many lists": lambda: many_shards(100, torch_zip(program(b"(" + b"]" * 100_000 + b"l"))),
        "500 shards of one tensor": lambda: shards(count=500, arrays={str(i): np.ones(1, np.float32) for i in range(500)}),
        "10,000 tensors in 20 shards": lambda: shards(count=20, arrays={f"layer{i}.weight": np.ones(1, np.float32) for i in range(10_000)}),
    }  # fmt: skip


@attacks("shards", LOADED, pack)
def loaded_folders():
    return {
        "an index of nothing": changed(index=b'{"weight_map": {}}'),
        "a tie to a tensor": changed(index=index_of(where(), {"a": "rnn.bias_hh_l0"})),
        "ties of other kinds": changed(
            index=index_of(where(), {"a": 1, "b": None, "c": [], "d": {}})
        ),
        "metadata that is a list": changed(
            index=json.dumps({"metadata": [], "weight_map": where()}).encode()
        ),
    }


def skops(schema, entries=(), method=zipfile.ZIP_STORED):
    writer = SkopsWriter()
    writer.entries.update(entries)
    return writer.archive(schema, method)


def node(loader, content, **more):
    return {"__class__": "list", "__module__": "builtins", "__loader__": loader} | {
        "content": content,
        "protocol": 2,
        **more,
    }


@attacks("skops", EITHER)
def skops_archives():
    array = ("a.npy", npy(np.ones(4, np.float32)))
    reference = {"__loader__": "NdArrayNode", "type": "numpy", "file": "a.npy"}
    deep = b'{"__loader__":"ListNode","protocol":2,"content":['
    text = {"__loader__": "JsonNode", "content": "[" + "[]," * 50_000 + "0]"}
    numbers = {str(i * (2**61 - 1)): None for i in range(5000)}
    types = [{"__class__": "int", "__module__": "builtins"}] * 5000
    return {
        "100,000 nodes in each other": skops(deep * 100_000),
        "as deep as JSON may be": skops(deep * 49 + b"1" + b"]}" * 49),
        "100,000 names of one array": lambda: skops(node("ListNode", [reference] * 100_000), [array]),
        "an array that is the schema": skops(node("NdArrayNode", None, type="numpy", file="schema.json")),
        "an array that is not there": skops(node("NdArrayNode", None, type="numpy", file="../x.npy")),
        "texts in texts": lambda: skops(node("ListNode", [text] * 50), method=zipfile.ZIP_DEFLATED),
        "texts in texts, not packed": lambda: skops(node("ListNode", [text] * 50)),
        "keys of one hash": skops(node("DictNode", numbers, key_types={"content": types})),
        "keys without types": skops(node("DictNode", {"a": 1})),
        "a schema that inflates": lambda: skops(b" " * 2**26 + b"{}", method=zipfile.ZIP_DEFLATED),
        "a class that steers a terminal": skops(node("ObjectNode", 1, __class__="\x1b[2J\n")),
        "a class of no name": skops({"protocol": 2, "__loader__": "ObjectNode", "__class__": [], "__module__": {}}),
        "no content": skops({"protocol": 2, "__loader__": "DictNode"}),
        "an honest one": skops_archive({"a": np.ones(2)}),
    }  # fmt: skip


# What has one name only in a flat view ----------------------------------------------------------


@attacks("flat", LOADED)
def flat_names():
    """They load; flat loading refuses them, or gives them names within bounds."""
    from containers import mapping, tensor
    from hostile_pickles import text as opcode_text

    one = tensor((1,), (1,))
    store = [bytes(256)]

    def many(count, name):
        items = b"".join(opcode_text(name(index)) + b"h\1" for index in range(count))
        return torch_zip(program(one + b"q\x010}(" + items + b"u"), store)

    return {
        "names that become one": torch_zip(program(mapping([("a/b", one), ("a.b", one)])), store),
        "names of wrappers that become one": torch_zip(
            program(mapping([("_orig_mod.a", one), ("a", one)])), store
        ),
        "100,000 names of one array": lambda: many(100_000, lambda index: f"layer{index}.weight"),
        "100,000 names of wrappers": lambda: many(100_000, lambda i: "module._orig_mod." * 3 + str(i)),
        "100,000 names of dots": lambda: many(100_000, lambda i: "." * 20 + str(i)),
        "a name of a megabyte": many(1, lambda index: "a/" * 500_000),
        "100 names of 100,000 characters": lambda: many(100, lambda i: f"{i}" + "a." * 50_000),
        "names that steer a terminal": many(2, lambda index: f"\x1b[2J\n{index}"),
        "an array in lists with 2**40 paths": torch_zip(
            program(one + b"q\1" + b"](h\1h\1eq\1" * 1 + b"](h\1h\1eq\1" * 40), store
        ),
        "arrays at each of 20,000 levels": lambda: torch_zip(
            program(one + b"q\x010" + b"]q\2(" * 0 + b"](h\1" * 20_000 + b"e" * 20_000), store
        ),
        "arrays under numbers of many digits": torch_zip(
            program(one + b"q\x010}(" + b"\x8a\xff" + b"\x7f" * 255 + b"h\1u"), store
        ),
        "an optimiser of 50,000 arrays": lambda: torch_zip(
            program(
                one + b"q\x010}(" + opcode_text("param_groups") + b"]" + opcode_text("state") + b"}("
                + b"".join(b"M" + index.to_bytes(2, "little") + b"h\1" for index in range(50_000))
                + b"uu"
            ),
            store,
        ),
    }  # fmt: skip
