"""Folders of shards, as one run of bytes: what the fuzzers change and the judge unpacks.

A member of a folder is a file, or what stands in the place of one: a link, a pipe, a folder.
"""

import base64
import json
import os
import shutil

import numpy as np
from numbers_of_note import scramble
from weight_files import safetensors_file, torch_entries, zip_archive

FILE, LINK, PIPE, FOLDER = "file", "link", "pipe", "folder"

# Formats whose files are packed folders.
FORMATS = ("shards", "distributed")


def pack(members):
    """Return a folder as bytes: its members by name, each bytes or (kind, text)."""
    return json.dumps(
        {
            name: [FILE, base64.b64encode(value).decode()] if isinstance(value, bytes) else value
            for name, value in members.items()
        }
    ).encode()


def members_of(content):
    """Return the members of a folder by name, as ``pack`` takes them."""
    return {
        name: base64.b64decode(text) if kind == FILE else (kind, text)
        for name, (kind, text) in json.loads(content).items()
    }


def is_packed(content):
    """Whether ``content`` is a folder, of names that a folder can have."""
    try:
        members = members_of(content)
    except (ValueError, AttributeError, TypeError):
        return False
    return bool(members) and all(
        0 < len(name.encode()) < 256 and name not in (".", "..") and not set(name) & {"/", "\0"}
        for name in members
    )


def unpack(content, folder):
    """Make a folder, in the place of the one that may be there; return the bytes of its files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    size = 0
    for name, value in members_of(content).items():
        path = folder / name
        if isinstance(value, bytes):
            path.write_bytes(value)
            size += len(value)
        elif value[0] == LINK:
            path.symlink_to(value[1])
        elif value[0] == PIPE:
            os.mkfifo(path)
        else:
            path.mkdir()
    return size


# Honest ones ------------------------------------------------------------------------------------


def lstm(layers=2):
    shapes = {"weight_ih": (12, 3), "weight_hh": (12, 3), "bias_ih": (12,), "bias_hh": (12,)}
    return {
        f"rnn.{name}_l{layer}": np.full(shape, layer + 1, np.float32)
        for layer in range(layers)
        for name, shape in shapes.items()
    }


PT = {"format": "pt"}


def safetensors(arrays, metadata=PT):
    header, data = {"__metadata__": metadata}, b""
    for name, array in arrays.items():
        end = len(data) + array.nbytes
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [len(data), end]}
        data += array.tobytes()
    return safetensors_file(json.dumps(header), data)


def torch(arrays):
    return zip_archive(torch_entries(arrays))


def shards(write=safetensors, count=2, stem="model", suffix="safetensors", ties=None, arrays=None):
    """The members of a folder of shards and their index."""
    parts = [{} for _ in range(count)]
    for index, (name, array) in enumerate((arrays or lstm()).items()):
        parts[index % count][name] = array
    where, members = {}, {}
    for number, part in enumerate(parts, start=1):
        name = f"{stem}-{number:05}-of-{count:05}.{suffix}"
        members[name] = write(part)
        where |= dict.fromkeys(part, name)
    members[f"{stem}.{suffix}.index.json"] = index_of(where, ties)
    return members


def index_of(where, ties=None):
    return json.dumps({"metadata": {"total_size": 1} | (ties or {}), "weight_map": where}).encode()


def seeds():
    """Honest folders, packed."""
    yield pack(shards())
    yield pack(shards(count=3, ties={"rnn.again": "rnn.weight_hh_l0"}))
    yield pack(shards(torch, stem="pytorch_model", suffix="bin"))
    yield pack({"model.safetensors": safetensors(lstm()), "config.json": b"{}"})


# Changes ----------------------------------------------------------------------------------------

TEXTS = (
    "", ".", "..", "../file", "/etc/passwd", "a/b", "a\\b", "C:a", "\0", "\ud800", "x" * 300, None, 1,
    [], {}, True, "model.safetensors.index.json", "model-00001-of-00002.safetensors",
)  # fmt: skip
TARGETS = ("/dev/zero", "/etc/passwd", ".", "..", "nowhere", "model-00001-of-00002.safetensors")


def edited(rng, content, edits):
    """Return a folder with one change or some; ``edits`` changes the content of a file by name."""
    members = members_of(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        name = rng.choice(list(members))
        value = members[name]
        kind = rng.randrange(10)
        if kind < 5 and isinstance(value, bytes):
            try:
                if name.endswith(".json") and rng.random() < 0.8:
                    members[name] = edited_index(rng, value, list(members))
                else:
                    members[name] = edits(rng, name, value)
            except Exception:  # what was changed before may have no structure left
                members[name] = scramble(rng, value)
        elif kind == 5:
            del members[name]
        elif kind == 6:
            members[name] = (rng.choice((LINK, LINK, PIPE, FOLDER)), rng.choice(TARGETS))
        elif kind == 7:
            other = rng.choice(("model.safetensors", "a.index.json", "x.bin", name + ".json"))
            members[other] = members.pop(name)
        elif kind == 8:
            members[rng.choice(("model-00009-of-00009.safetensors", "b.index.json"))] = value
        else:
            members[name] = rng.choice(list(members.values()))
        if not members:
            break
    return pack(members)


def edited_index(rng, content, names):
    """Return an index that says something else about one tensor or some."""
    index = json.loads(content)
    where = index.get("weight_map", {})
    key = rng.choice(list(where) or [""])
    kind = rng.randrange(6)
    if kind == 0:
        where[key] = rng.choice((*TEXTS, *names))
    elif kind == 1:
        where.pop(key, None)
    elif kind == 2:
        where[rng.choice(("x", "", "rnn", "\ud800", "__metadata__"))] = rng.choice(names)
    elif kind == 3:
        index[rng.choice(("weight_map", "metadata"))] = rng.choice(TEXTS)
    elif kind == 4:
        index["metadata"] = {rng.choice(("a", "rnn.x", key)): rng.choice((*TEXTS, key))}
    else:
        text = json.dumps(index)
        return text.replace('": "', f'": "", "{key}": "', 1).encode()
    return json.dumps(index).encode()
