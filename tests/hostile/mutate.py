"""Files that are nearly right: honest ones with changes, drawn from seeds.

Half of the changes are to bytes wherever they stand. The others know the format: they change an
opcode, a field, an entry, and leave the rest consistent, checksums included, so that they get
past what a reader looks at first.
"""

import json
import random
import re
from functools import lru_cache

import folders
import mutate_onnx
import mutate_pickle
import mutate_zip
from numbers_of_note import scramble, some_number
from seeds import seeds


def mutation(format, index):
    """Return the mutation of that number: the same on every machine."""
    rng = random.Random(f"{format}:{index}")
    return mutated(rng, format, rng.choice(seeds(format)))


def mutated(rng, format, content):
    """Return ``content``, which is of that format or nearly so, with changes."""
    if format in folders.FORMATS:
        return edit_shards(rng, content)
    if rng.random() < 0.35:
        other = rng.choice(seeds(format)) if rng.random() < 0.2 else content
        return scramble(rng, splice(rng, content, other))
    try:
        made = EDITS[format.partition("_")[0]](rng, content)
    except Exception:  # content that was changed before may have no structure left
        return scramble(rng, content)
    return scramble(rng, made) if rng.random() < 0.05 else made


def splice(rng, one, other):
    """The beginning of one file, and what comes after that place in another."""
    if one is other:
        return one
    cut = rng.randrange(min(len(one), len(other)))
    return one[:cut] + other[cut:]


# Formats --------------------------------------------------------------------------------------


def edit_torch(rng, content):
    return mutate_zip.edited(rng, content, edit_entry)


def edit_entry(rng, name, content):
    """Change the content of an entry of a zip archive."""
    if name.endswith(b".pkl"):
        return mutate_pickle.edited(rng, content)
    if name.endswith(b".npy"):
        return edit_npy(rng, content)
    if name.endswith(b".json"):
        return edit_json(rng, content)
    if name.endswith(b".h5"):
        return edit_hdf5(rng, content)
    if name.endswith(b".pth"):
        return edit_torch(rng, content)
    if name.endswith(b".safetensors") and content:
        return edit_safetensors(rng, content)
    return scramble(rng, content)


def edit_legacy(rng, content):
    """Change one of the five pickles, or the storages behind them."""
    parts = list(legacy_parts(content))
    part = rng.choice((0, 1, 2, 3, 3, 3, 3, 3, 4, 5))
    edit = scramble if part == 5 else mutate_pickle.edited
    parts[part] = edit(rng, parts[part])
    return b"".join(parts)


@lru_cache(1000)
def legacy_parts(content):
    parts = []
    for _ in range(5):
        size = sum(map(len, mutate_pickle.opcodes(content)))
        parts.append(content[:size])
        content = content[size:]
    return (*parts, content)


def edit_pickle(rng, content):
    return mutate_pickle.edited(rng, content)


def edit_safetensors(rng, content):
    """Change the header, and give the right length of it in most cases."""
    length = int.from_bytes(content[:8], "little")
    header, rest = content[8 : 8 + length], content[8 + length :]
    if rng.random() < 0.2:
        header = scramble(rng, header)
    else:
        fields = list(json.loads(header).items())
        for _ in range(rng.choice((1, 1, 2, 4))):
            edit_fields(rng, fields)
        header = b"{" + b",".join(map(member, fields)) + b"}"
    if rng.random() < 0.1:
        rest = scramble(rng, rest)
    length = len(header) if rng.random() < 0.9 else some_number(rng, len(header)) % 2**64
    return length.to_bytes(8, "little") + header + rest


def member(field):
    name, value = field
    return f"{json.dumps(name)}:{json.dumps(value)}".encode("utf-8", "surrogatepass")


def edit_fields(rng, fields):
    """Change one tensor of a header, or the tensors' order."""
    at = rng.randrange(len(fields))
    name, value = fields[at]
    kind = rng.randrange(8)
    if kind == 0:
        fields.append((name, value))
    elif kind == 1:
        fields.insert(rng.randrange(len(fields)), fields.pop(at))
    elif kind == 2:
        fields[at] = (rng.choice(("", "__metadata__", name + "\n\x1b", "\ud800")), value)
    elif kind == 3:
        del fields[at : at + len(fields) // 2]
        fields.append((name, value))
    elif isinstance(value, dict) and "data_offsets" in value:
        value = dict(value)
        if kind == 4:
            value["dtype"] = rng.choice(("F64", "F16", "BF16", "U8", "BOOL", "F4", "x", "C64", ""))
        elif kind == 5:
            value.pop(rng.choice(list(value)))
        else:
            numbers = list(value["shape" if kind == 6 else "data_offsets"]) or [1]
            numbers[rng.randrange(len(numbers))] = some_number(rng, numbers[0])
            numbers += [1] * rng.choice((0, 0, 0, 1, 70))
            value["shape" if kind == 6 else "data_offsets"] = numbers
        fields[at] = (name, value)
    elif isinstance(value, dict) and rng.random() < 0.6:
        names = [*dict(fields), "", "format", "\n"]
        text = rng.choice((*value.values(), *names, '{"rnn":true}', '{"a":1}', "{", "[]", "true"))
        fields[at] = (name, value | {rng.choice((*value, *names)): text})
    else:
        odd = (None, 1, [], "a", {}, *({"a": each} for each in ("\n", 1, None, {}, "b" * 9999)))
        fields[at] = (name, rng.choice(odd))


def edit_npy(rng, content):
    """Change the header's text, and give the right length of it in most cases."""
    width = 2 if content[6] == 1 else 4
    start = 8 + width
    length = int.from_bytes(content[8:start], "little")
    header, rest = content[start : start + length], content[start + length :]
    kind = rng.randrange(6)
    if kind == 0:
        header = scramble(rng, header)
    elif kind == 1:
        descr = rng.choice(
            (b"'|O'", b"'<f4'", b"'>c8'", b"'<U9'", b"[('a','<f4')]", b"'|V8'", b"'<f99'", b"'|b1'")
        )
        header = re.sub(rb"(?<='descr': )'[^']*'", lambda match: descr, header)
    elif kind == 2:
        header = re.sub(rb"True|False", rng.choice((b"True", b"False", b"1")), header)
    elif kind == 3:
        sizes = [some_number(rng, 3) for _ in range(rng.choice((0, 1, 2, 3, 64, 65, 300)))]
        text = ", ".join(map(str, sizes)).encode() + b","
        header = re.sub(rb"\([^)]*\)", lambda match: b"(" + text + b")", header)
    elif kind == 4:
        header = header.replace(b" ", rng.choice((b"", b"\n", b"\t " * 20, b"\0")))
    else:
        rest = scramble(rng, rest)
    length = len(header) if rng.random() < 0.9 else some_number(rng, len(header))
    return content[:8] + (length % 256**width).to_bytes(width, "little") + header + rest


def edit_onnx(rng, content):
    return mutate_onnx.edited(rng, content)


def edit_shards(rng, content):
    """Change a member of a folder; the JSON that it is packed in stays what it is."""
    return folders.edited(rng, content, edit_member)


def edit_member(rng, name, content):
    """Change the content of a shard, or of the index as any text of JSON."""
    if name.endswith(".json"):
        return edit_json(rng, content) if rng.random() < 0.5 else scramble(rng, content)
    if rng.random() < 0.3:
        return scramble(rng, content)
    if name == ".metadata":
        return mutate_pickle.edited(rng, content)
    if name.endswith(".distcp"):
        return edit_run(rng, content)
    return (edit_torch if content.startswith(b"PK") else edit_safetensors)(rng, content)


def edit_run(rng, content):
    """Change one of the archives that stand one after the other; its length may stay the same."""
    ends = [match.end() for match in re.finditer(rb"PK\5\6.{18}", content, re.DOTALL)]
    at = rng.randrange(len(ends))
    start, end = ends[at - 1] if at else 0, ends[at]
    made = edit_torch(rng, content[start:end])
    if rng.random() < 0.7:
        made = made[: end - start].ljust(end - start, b"\0")
    return content[:start] + made + content[end:]


def edit_keras(rng, content):
    """Change an entry of a ``.keras`` archive, or what HDF5 files say about their layers."""
    if content.startswith(b"PK"):
        return mutate_zip.edited(rng, content, edit_entry)
    return edit_hdf5(rng, content)


# Names of attributes and of layers; what is behind the first says how many and how long texts are.
ATTRIBUTES = rb"layer_names|weight_names|model_config|keras_version|name\0"
NAMES = rb"lstm_cell|recurrent_kernel|kernel|bias|forward|backward|lstm|rnn|a/|vars|cell"


def edit_hdf5(rng, content):
    """Change names, or the numbers around them, in an HDF5 file; mostly bytes anywhere."""
    kind = rng.randrange(4)
    places = [match.span() for match in re.finditer(NAMES if kind else ATTRIBUTES, content)]
    if kind == 3 or not places:
        return scramble(rng, content)
    made = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        start, end = rng.choice(places)
        if kind == 0:
            at = start + rng.randrange(-16, 64)
            width = rng.choice((1, 2, 4, 8))
            number = some_number(rng, int.from_bytes(made[at : at + width], "little"))
            made[at : at + width] = (number % 256**width).to_bytes(width, "little")
        else:
            other = content[slice(*rng.choice(places))]
            made[start:end] = other[: end - start].ljust(
                end - start, rng.choice((b"/", b"x", b"\0"))
            )
    return bytes(made)


def edit_json(rng, content):
    """Change one value somewhere in a text of JSON."""
    tree = json.loads(content)
    place = tree
    while isinstance(place, (dict, list)) and place:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        owner, key = place, rng.choice(keys)
        place = owner[key]
        if rng.random() < 0.2:
            break
    odd = (None, True, [], {}, "", "../a", 1e308, -1, 10**400, [[]] * 9, "LSTM", "layer", tree)
    value = rng.choice(odd)
    if value is tree:
        value = json.loads(content)
    owner[key] = value
    return json.dumps(tree).encode()


EDITS = {
    "onnx": edit_onnx,
    "keras": edit_keras,
    "torch": edit_torch,
    "module": edit_torch,
    "torchscript": edit_torch,
    "npz": edit_torch,
    "skops": edit_torch,
    "exported": edit_torch,
    "nested": edit_torch,
    "shards": edit_shards,
    "distributed": edit_shards,
    "legacy": edit_legacy,
    "pickle": edit_pickle,
    "safetensors": edit_safetensors,
    "npy": edit_npy,
}
