"""Files made by hand to break the readers, each with what shall come of it.

``ATTACKS`` holds them by name: how the file is made, and whether it is refused or loaded; None
where both are right.
"""

import functools
import json
import pickle
import struct
import zlib
from dataclasses import replace

import hostile_pickles
import numpy as np
from attacks_compressed import compressed_attacks
from attacks_keras import keras_attacks
from containers import (
    entries,
    legacy,
    mapping,
    program,
    sequence,
    state_dict,
    storage,
    tensor,
    torch_zip,
)
from hostile_pickles import number, text
from mutate_onnx import BYTES, VARINT, message
from mutate_zip import DEFLATED, STORED, Entry, deflated, write
from seeds import EXTRAS, FORMATS, npy

REFUSED, LOADED, EITHER = "refused", "loaded", None
ATTACKS = {}

CANARY = "canary"  # in the folder that the process runs in
FLOATS = bytes(64 * 4)


def attack(name, expected, make, *args, **options):
    assert name not in ATTACKS, name
    ATTACKS[name] = expected, functools.partial(make, *args, **options)


def attacks(group, expected, make=lambda content: content, **options):
    """Register what a function returns: files, or arguments of ``make``, by name.

    What takes long is a function that returns it.
    """

    def register(function):
        for name, value in function().items():
            attack(f"{group}: {name}", expected, _made, value, make, options)
        return function

    return register


def _made(value, make, options):
    return make(value() if callable(value) else value, **options)


def content(name):
    """Return the bytes of an attack."""
    return ATTACKS[name][1]()


def format(name):
    """Return which package reads an attack, or "shards" if it is a folder, as ``judge`` takes it."""
    group = name.partition(":")[0].lower()
    return group if group in EXTRAS or group == "shards" else ""


# Pickles, in every place that a pickle can have ------------------------------------------------

NPY_OBJECTS = {"descr": "|O", "fortran_order": False, "shape": (1,)}


def in_npy(opcodes):
    """The pickle of an array of objects."""
    header = repr(NPY_OBJECTS).encode().ljust(117) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + opcodes


PLACES = {
    "plain": lambda opcodes: opcodes,
    "torch": torch_zip,
    "torch, deflated": functools.partial(torch_zip, method=DEFLATED),
    "legacy": legacy,
    "TorchScript": lambda opcodes: write(
        entries(program(b"}"), more=[Entry(b"archive/constants.pkl", opcodes)])
    ),
    "npy": in_npy,
    "npz": lambda opcodes: write([Entry(b"weight.npy", in_npy(opcodes))]),
    "storages of legacy": lambda opcodes: legacy(program(b"}"))[:-4] + opcodes,
    "inside of bytes": lambda opcodes: program(
        b"ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(legacy(opcodes))) + legacy(opcodes) + b"\x85R"
    ),
}  # fmt: skip

for _place, _put in PLACES.items():
    attacks(f"code in {_place}", EITHER, _put)(lambda: hostile_pickles.canary_opcodes(CANARY))
    attacks(f"outside in {_place}", REFUSED, _put)(hostile_pickles.outside_opcodes)

HEAVY = 20_000


@functools.cache
def heavy():
    return hostile_pickles.heavy(HEAVY)


for _place in ("torch, deflated", "legacy"):
    for _name, (_, _expected) in hostile_pickles.heavy(1000).items():
        # Packed, the file is small, and so is what it may ask for.
        attack(
            f"heavy in {_place}: {_name}",
            EITHER if "deflated" in _place else _expected,
            lambda name, put: put(heavy()[name][0]),
            _name,
            PLACES[_place],
        )

# Trees that are hard to walk through -----------------------------------------------------------

DEEP = 1_000_000


@attacks("tree", LOADED)
def trees():
    lstm = mapping(state_dict())
    return {
        "a list in itself": program(b"]q\0h\0a"),
        "a dict in itself": program(b"}q\0K\1h\0s"),
        "a dict in its own list": program(b"}q\0K\1]h\0as"),
        "a tuple in its own list": program(b"]q\0h\0\x85q\1a0h\1"),
        "a record in its own state": program(b"ca\nB\n)Rq\0}" + text("a") + b"h\0sb"),
        "a record that is its own state": program(b"ca\nB\n)Rq\0h\0b"),
        "a record in its own items": program(b"ca\nB\n)Rq\0h\0a"),
        "lists with 2**60 paths": program(b"]" + b"q\0]h\0ah\0a" * 60),
        "tuples with 2**60 paths": program(b"N" + b"2\x86" * 60),
        "dicts with 2**60 paths": program(b"}" + b"q\0}" + b"".join([(text("a") + b"h\0s" + text("b") + b"h\0sq\0}") for _ in range(60)])),
        "records with 2**60 paths": program(b"N" + b"2\x86q\0ca\nB\nh\0R" * 60),
        "a weight under 2**60 paths": torch_zip(program(lstm + b"2\x86" * 60), [FLOATS]),
    }  # fmt: skip


DEEP_NESTS = {
    "tuples": lambda: b"N" + b"\x85" * DEEP,
    "lists": lambda: b"](" * DEEP + b"N" + b"e" * DEEP,
    "dicts": lambda: b"(N" * DEEP + b"N" + b"d" * DEEP,
    "records": lambda: b"ca\nb\nq\0" + b"h\0" * DEEP + b"N" + b"\x85R" * DEEP,
    "states": lambda: b"ca\nb\nq\0" + b"h\0)R" * DEEP + b"N" + b"b" * DEEP,
    "items": lambda: b"ca\nb\nq\0" + b"h\0)R" * DEEP + b"N" + b"a" * DEEP,
    "modules": lambda: b"ca\nb\nq\0" + text("_modules") + b"q\x010" + b"h\0)R}h\1}K\0" * (DEEP // 10) + b"N" + b"ssb" * (DEEP // 10),
    "frozensets": lambda: b"(" * DEEP + b"N" + b"\x91" * DEEP,
}  # fmt: skip

for _name, _opcodes in DEEP_NESTS.items():
    attack(f"deep {_name}", EITHER, lambda opcodes: program(opcodes()), _opcodes)

# Tensors that reach out of their storages ------------------------------------------------------

REFUSED_VIEWS = {
    "one beyond": ((8, 8), (8, 1), 1),
    "the last row beyond": ((9, 8), (8, 1)),
    "a step too wide": ((8, 8), (9, 1), 0),
    "offset -1": ((4,), (1,), -1),
    "offset 2**31": ((4,), (1,), 2**31),
    "offset 2**62": ((4,), (1,), 2**62),
    "offset 2**63": ((4,), (1,), 2**63),
    "offset 2**64": ((4,), (1,), 2**64),
    "offset 2**2000": ((4,), (1,), 2**2000),
    "offset beyond, empty": ((0,), (1,), 65),
    "size -1": ((-1,), (1,)),
    "sizes whose product is 64": ((-8, -8), (8, 1)),
    "size 2**61": ((2**61,), (1,)),
    "size 2**64": ((2**64,), (0,)),
    "sizes whose product wraps around": ((2**32, 2**32), (0, 0)),
    "sizes whose product wraps to 64": ((2**58, 64), (0, 1)),
    "an empty tensor of huge sizes": ((2**62, 0, 2**62), (0, 0, 0)),
    "stride -1": ((64,), (-1,), 63),
    "stride -2**63": ((2,), (-(2**63),)),
    "stride 2**62": ((2,), (2**62,)),
    "stride 2**64": ((2,), (2**64,)),
    "strides that cancel": ((2, 2), (2**63, -(2**63))),
    "more strides than sizes": ((8,), (8, 1)),
    "more sizes than strides": ((8, 8), (1,)),
    "65 axes": ((1,) * 65, (1,) * 65),
    "100,000 axes": ((1,) * 100_000, (1,) * 100_000),
    "sizes of 100,000 digits": ((2**2000,) * 20, (0,) * 20),
    "True as a size": (b"\x88\x85", (1,)),
    "a float as a size": (b"G" + struct.pack(">d", 4.0) + b"\x85", (1,)),
    "a string as a size": (text("4") + b"\x85", (1,)),
    "None as sizes": (b"N", (1,)),
    "a dict as strides": ((8,), b"}"),
    "a float as offset": ((8,), (1,), b"G" + struct.pack(">d", 0.0)),
    "more elements than there are": ((8,), (1,), 0, 65),
    "fewer elements than there are": ((8,), (1,), 0, 63),
    "-1 elements": ((8,), (1,), 0, -1),
    "2**62 elements": ((8,), (1,), 0, 2**62),
    "2**64 elements": ((8,), (1,), 0, 2**64),
}
LOADED_VIEWS = {
    "exactly fitting": ((8, 8), (8, 1)),
    "transposed": ((8, 8), (1, 8)),
    "backwards overlapping": ((57, 8), (1, 1)),
    "a size of 1 with any stride": ((1, 8), (2**40, 1), 0),
    "an empty tensor at the end": ((0,), (1,), 64),
    "expanded": ((2**40,), (0,)),
    "expanded to exabytes": ((2**20, 2**20, 2**17), (0, 0, 1), 0),
}
for _views, _expected in ((REFUSED_VIEWS, REFUSED), (LOADED_VIEWS, LOADED)):
    for _name, _view in _views.items():
        if _name == "expanded to exabytes":
            _expected = EITHER
        for _place in (torch_zip, legacy):
            attack(
                f"view in {_place.__name__}: {_name}",
                _expected,
                lambda place, view: place(program(tensor(*view)), [FLOATS]),
                _place,
                _view,
            )


def storage_view(offset, size):
    """The persistent id of a part of a storage, in legacy files."""
    view = b"(" + text("1") + number(offset) + number(size) + b"t"
    return legacy(program(tensor((8,), (1,), view=view)), [FLOATS])


for _offset, _size in ((0, 65), (64, 1), (-1, 8), (2**63, 2**63), (0, -1), (2**62, -(2**62))):
    attack(f"a part of a storage: {_offset}, {_size}", REFUSED, storage_view, _offset, _size)


@attacks("many tensors", None)
def many_tensors():
    view = tensor((8, 8), (8, 1)).removesuffix(b"}tR")
    conjugate = view + mapping([("conj", b"\x88")]) + b"tR"
    large = tensor((2**18,), (1,), numel=2**18).removesuffix(b"}tR")
    kinds = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
    sizes = (4, 8, 2, 2, 8, 4, 2, 1, 1, 1)
    return {
        "of one storage": torch_zip(program(b"(" + (view + b"}tR") * 3000 + b"l"), [FLOATS]),
        "of one storage from the memo": torch_zip(
            program(storage(64) + b"q\x000ctorch._utils\n_rebuild_tensor_v2\nq\x010" + sequence((8,)) + b"q\2" + number(0) + sequence((1,)) + b"q\x03000(" + b"h\1(h\0K\0h\2h\3\x89NtR" * 40_000 + b"l"),
            [FLOATS],
        ),
        "conjugated": torch_zip(program(b"(" + conjugate * 1000 + b"l"), [FLOATS]),
        "conjugated, of one large storage": torch_zip(
            program(b"(" + (large + mapping([("neg", b"\x88")]) + b"tR") * 200 + b"l"), [bytes(2**20)]
        ),
        "the same bytes in every dtype": torch_zip(
            program(b"(" + b"".join(tensor((8,), (1,), numel=2**20 // size, kind=f"{kind}Storage") for kind, size in zip(kinds, sizes, strict=True)) + b"l"),
            [bytes(2**20)],
        ),
        "10,000 storages": lambda: torch_zip(
            program(b"(" + b"".join(tensor((1,), (1,), numel=1, key=str(key)) for key in range(10_000)) + b"l"),
            [bytes(4)] * 10_000,
        ),
    }  # fmt: skip


@attacks("storage", REFUSED)
def storages():
    def named(key, **options):
        return torch_zip(program(tensor((8,), (1,), key=key, **options)), [FLOATS])

    return {
        "that is not there": named("1"),
        "above the folder": named("../../data/0"),
        "of the folder itself": named(""),
        "absolute": named("/etc/passwd"),
        "that is the pickle": named("../data.pkl"),
        "with a NUL": named("0\0"),
        "with half a character": named("\ud800"),
        "with a name of 100,000 characters": named("0" * 100_000),
        "of another kind": named("0", kind="DoubleStorage"),
        "of no kind": named("0", kind="Nonsense"),
        "with no id": torch_zip(program(text("0") + b"Q"), [FLOATS]),
        "with an id of an opcode's line": torch_zip(program(b"P0\n"), [FLOATS]),
        "with an array as its id": program(b"cnumpy\narray\n)RQ"),
    }


@attacks("legacy", REFUSED)
def legacies():
    tree = program(tensor((8,), (1,)))
    return {
        "no keys": legacy(tree),
        "a key too many": legacy(tree, [FLOATS, FLOATS]),
        "a key twice": legacy(tree, [FLOATS, FLOATS], keys=["0", "0"]),
        "keys that are a dict": legacy(tree, [FLOATS], keys={"0": 0}),
        "a key that is a list": legacy(tree, [FLOATS], keys=[[]]),
        "a key that is a number": legacy(tree, [FLOATS], keys=[0]),
        "a count of 2**63 - 1": legacy(tree, [FLOATS], counts=[2**63 - 1]),
        "a count of -1": legacy(tree, [FLOATS], counts=[-1]),
        "a count of 63": legacy(tree, [FLOATS], counts=[63]),
        "cut off in a count": legacy(tree, [FLOATS])[:-260],
        "cut off in a storage": legacy(tree, [FLOATS])[:-1],
        "another version": legacy(tree, [FLOATS]).replace(b"M\xe9\x03", b"M\xea\x03", 1),
        "one storage of two kinds": legacy(
            program(b"(" + tensor((8,), (1,)) + tensor((8,), (1,), kind="IntStorage") + b"l"),
            [FLOATS],
        ),
    }


# Zip archives ----------------------------------------------------------------------------------


def one(entry, **around):
    """An archive of a state_dict, and one more entry."""
    return write([*entries(program(mapping(state_dict())), [FLOATS]), entry], **around)


def changed(index, **fields):
    """An archive of a state_dict, one of whose entries is described otherwise."""
    made = entries(program(mapping(state_dict())), [FLOATS])
    made[index] = replace(made[index], **fields)
    return write(made)


ARRAY = npy(np.arange(6, dtype=np.float32))
PICKLE, STORAGE = 0, 2  # of ``entries``


def zeros():
    """An array of 32 MB; 32 KB deflated."""
    return npy(np.zeros(2**23, np.float32))


def overlapping(count):
    """An archive of many names for one entry that inflates to 32 MB."""
    first = Entry(b"a.npy", zeros(), DEFLATED)
    size = {"packed": len(deflated(first.content)), "size": len(first.content), "method": DEFLATED}
    return write([first, *(Entry(b"%d.npy" % i, b"", at=0, central=size) for i in range(count))])


@functools.cache
def _bomb():
    """Deflated data of 1 GB of zeros, in 1 MB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return piece * 1024 + packer.flush()


def _lying(content, size):
    """An archive of a deflated array that says it has another size."""
    fields = {"size": size}
    return write([Entry(b"a.npy", content, DEFLATED, central=fields, local=fields)])


@attacks("zip", REFUSED)
def archives():
    tree = program(mapping(state_dict()))
    size = len(tree)
    honest = torch_zip(tree, [FLOATS])
    end = honest.rindex(b"PK\5\6")
    forged = write(entries(program(b"N")))
    return {
        "two entries at one place": one(Entry(b"archive/data/1", FLOATS, at=0)),
        "many entries at one place": lambda: overlapping(50),
        "an entry within another": changed(STORAGE, at=40),
        "an entry behind the file": changed(STORAGE, at=2**31),
        "an entry in the directory": changed(STORAGE, at=end - 60),
        "a size into the next entry": changed(PICKLE, central={"packed": size + 9, "size": size + 9}),
        "a size into the next entry, both headers": changed(
            PICKLE, central={"packed": size + 9, "size": size + 9}, local={"packed": size + 9, "size": size + 9}
        ),
        "a size of 4 GB": changed(PICKLE, central={"packed": 2**32 - 2, "size": 2**32 - 2}),
        "a stored size that is not the packed one": changed(STORAGE, central={"size": 2**31}),
        "a name twice": one(Entry(b"archive/data/0", FLOATS)),
        "the pickle twice": one(Entry(b"archive/data.pkl", program(b"N"))),
        "another name in the local header": changed(PICKLE, local={"name": 3}),
        "a long local name": changed(PICKLE, local={"name": 65535}),
        "long local padding": changed(PICKLE, local={"extra": 65535}),
        "an encrypted entry": changed(PICKLE, central={"flags": 1}, local={"flags": 1}),
        "a strongly encrypted entry": changed(PICKLE, central={"flags": 0x41}),
        "method 14": changed(PICKLE, method=14),
        "method 65535": changed(PICKLE, central={"method": 65535}),
        "bytes in front": torch_zip(tree, [FLOATS], prefix=b"\x7fELF" + bytes(60)),
        "an archive in front": forged + honest,
        "an archive behind": honest + forged,
        "bytes behind": honest + b"\0",
        "a comment with an end record": torch_zip(tree, [FLOATS], comment=b"PK\5\6" + bytes(18)),
        "a comment with an archive": torch_zip(tree, [FLOATS], comment=forged),
        "a comment longer than it says": torch_zip(tree, [FLOATS], comment=b"abc", end={"comment": 1}),
        "a comment beyond the file": torch_zip(tree, [FLOATS], end={"comment": 9}),
        "65,535 entries": torch_zip(tree, [FLOATS], end={"here": 65535, "count": 65535}),
        "65,535 entries of ZIP64": torch_zip(tree, [FLOATS], zip64={"count": 65535}, end={"here": 65535, "count": 65535}),
        "2**63 entries of ZIP64": torch_zip(tree, [FLOATS], zip64={"count": 2**63}, end={"here": 65535, "count": 65535}),
        "2**40 entries in a directory of that size": torch_zip(tree, [FLOATS], zip64={"count": 2**40, "size": 46 * 2**40}),
        "one entry too few": torch_zip(tree, [FLOATS], end={"here": 3, "count": 3}),
        "one entry too many": torch_zip(tree, [FLOATS], end={"here": 5, "count": 5}),
        "several parts": torch_zip(tree, [FLOATS], end={"disk": 1}),
        "a directory of 4 GB": torch_zip(tree, [FLOATS], end={"size": 2**32 - 1}),
        "a directory at 4 GB": torch_zip(tree, [FLOATS], end={"start": 2**32 - 1}),
        "a directory of ZIP64 at 2**63": torch_zip(tree, [FLOATS], zip64={"start": 2**63}, end={"start": 2**32 - 1}),
        "two end records that disagree": torch_zip(tree, [FLOATS], zip64={"count": 3}),
        "a ZIP64 end at 2**63": torch_zip(tree, [FLOATS], zip64={"end": 2**63}),
        "a ZIP64 end of 2**64 - 1 bytes": torch_zip(tree, [FLOATS], zip64={"length": 2**64 - 1}),
        "a size of ZIP64 without its field": changed(PICKLE, central={"size": 2**32 - 1}),
        "a size of ZIP64 that is 2**63": changed(
            PICKLE, central={"size": 2**32 - 1, "packed": 2**32 - 1}, extra=struct.pack("<2H2Q", 1, 16, 2**63, 2**63)
        ),
        "a field of ZIP64 cut short": changed(PICKLE, central={"size": 2**32 - 1}, extra=struct.pack("<2HL", 1, 8, 1)),
        "extra fields beyond the directory": changed(PICKLE, central={"extra": 65535}),
        "a name beyond the directory": changed(PICKLE, central={"name": 65535}),
        "a name that is not UTF-8": changed(PICKLE, name=b"archive/\xff.pkl", central={"flags": 0x800}),
        "no entries but a count": b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 1, 1, 0, 0, 0),
        "only a beginning": b"PK\3\4",
        "only an end": b"PK\5\6",
        "itself in itself": write([Entry(b"archive/data.pkl", honest)]),
        "a pickle inflating to 1 GB": lambda: write(
            [Entry(b"archive/data.pkl", b"", DEFLATED, packed=_bomb(), central={"size": 2**30, "packed": len(_bomb())})]
        ),
        "a pickle of nothing but 64 MB of lists": lambda: write(entries(b"]" * 2**26 + b".", method=DEFLATED)),
        "a byte order of 16 MB": lambda: changed(1, content=bytes(2**24), method=DEFLATED),
        "an array that says 1 GB and inflates to less": _lying(npy(np.zeros(99)), 2**20),
        "an array that inflates to more": lambda: _lying(zeros(), 1000),
        "a header that inflates forever": lambda: write([Entry(b"a.npy", b"\x93NUMPY\2\0\xff\xff\xff\x7f" + b" " * 2**24, DEFLATED)]),
        "deflated data cut off": write([Entry(b"a.npy", ARRAY, DEFLATED, packed=deflated(ARRAY)[:-9])]),
        "deflated data damaged": write([Entry(b"a.npy", ARRAY, DEFLATED, packed=b"\xff" * 60)]),
        "bytes behind deflated data": write([Entry(b"a.npy", ARRAY, DEFLATED, packed=deflated(ARRAY) + b"x")]),
        "a wrong checksum": write([Entry(b"a.npy", ARRAY, DEFLATED, central={"crc": 1})]),
        "an archive of something else": write([Entry(b"META-INF/MANIFEST.MF", b"Manifest-Version: 1.0")]),
        "150,000 empty entries": lambda: write([Entry(b"%d" % i, b"") for i in range(150_000)], zip64={}),
    }  # fmt: skip


@attacks("zip names", LOADED)
def names():
    names = [
        b"../../canary.npy", b"/canary.npy", b"C:\\canary.npy", b"..\\..\\canary.npy", b".npy",
        b"a\0b.npy", b"a\n\x1b[2J.npy", b"a//b/./c.npy", b"\xff\xfe.npy", b"a" * 60_000 + b".npy",
    ]  # fmt: skip
    return {ascii(name[:20]): write([Entry(name, ARRAY)]) for name in names}


@attacks("zip, harmless", LOADED)
def harmless():
    tree = program(mapping(state_dict()))
    return {
        "bytes before the directory": torch_zip(tree, [FLOATS], gap=bytes(9)),
        "a comment": torch_zip(tree, [FLOATS], comment=b"made by hand"),
        "records of ZIP64": torch_zip(tree, [FLOATS], zip64={}),
        "all entries deflated": torch_zip(tree, [FLOATS], DEFLATED),
        "no entries": write([]),
        "folders": write([Entry(b"a/", b""), Entry(b"a/b.npy", ARRAY)]),
        "32 MB of zeros in 32 KB": lambda: write([Entry(b"a.npy", zeros(), DEFLATED)]),
        "names that differ in case": write([Entry(b"a.npy", ARRAY), Entry(b"A.npy", ARRAY)]),
    }


# safetensors -----------------------------------------------------------------------------------


def safetensors(header, data=b"", length=None):
    """A file of a header, which may be any object or text."""
    if not isinstance(header, bytes):
        header = json.dumps(header).encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def tensors(**offsets):
    """The header of tensors of bytes."""
    return {
        name: {"dtype": "U8", "shape": [max(0, end - start)], "data_offsets": [start, end]}
        for name, (start, end) in offsets.items()
    }


def described(text):
    """A header whose one tensor has ``text`` as its fields."""
    return safetensors(b'{"a":{' + text + b"}}", bytes(8))


@attacks("safetensors", REFUSED)
def headers():
    good = json.dumps(tensors(a=(0, 8))).encode()
    fields = b'"dtype":"U8","shape":[8],"data_offsets":[0,8]'
    digits = b"9" * 1_000_000
    return {
        "overlapping tensors": safetensors(tensors(a=(0, 8), b=(4, 12)), bytes(12)),
        "one tensor within another": safetensors(tensors(a=(0, 8), b=(2, 4)), bytes(8)),
        "two tensors of the same bytes": safetensors(tensors(a=(0, 8), b=(0, 8)), bytes(8)),
        "a hole": safetensors(tensors(a=(0, 4), b=(8, 12)), bytes(12)),
        "a hole at the start": safetensors(tensors(a=(4, 8)), bytes(8)),
        "bytes behind the last": safetensors(tensors(a=(0, 8)), bytes(9)),
        "beyond the file": safetensors(tensors(a=(0, 9)), bytes(8)),
        "beyond any file": safetensors(tensors(a=(0, 2**62)), bytes(8)),
        "backwards": described(b'"dtype":"U8","shape":[8],"data_offsets":[8,0]'),
        "a header of no bytes": struct.pack("<Q", 0) + b"{}",
        "a header longer than the file": safetensors(good, bytes(8), length=2**20),
        "a header of 2**40 bytes": safetensors(good, bytes(8), length=2**40),
        "a header of 2**64 - 1 bytes": safetensors(good, bytes(8), length=2**64 - 1),
        "a header shorter than it is": safetensors(good, bytes(8), length=9),
        "a header that takes in data": safetensors(good, bytes(8), length=len(good) + 4),
        "cut off in the length": b"\x40\0\0",
        "a negative offset": described(b'"dtype":"U8","shape":[8],"data_offsets":[-8,0]'),
        "a negative shape": described(b'"dtype":"U8","shape":[-8],"data_offsets":[0,8]'),
        "a shape of floats": described(b'"dtype":"U8","shape":[8.0],"data_offsets":[0,8]'),
        "a shape of 1e999": described(b'"dtype":"U8","shape":[1e999],"data_offsets":[0,8]'),
        "a shape of text": described(b'"dtype":"U8","shape":["8"],"data_offsets":[0,8]'),
        "a shape that wraps around": described(b'"dtype":"U8","shape":[8,2305843009213693952,8],"data_offsets":[0,8]'),
        "an empty shape of huge sizes": described(b'"dtype":"U8","shape":[0,9223372036854775807],"data_offsets":[0,0]'),
        "a shape of 100,000 axes": described(b'"dtype":"U8","shape":[8' + b",1" * 100_000 + b'],"data_offsets":[0,8]'),
        "a shape of 100,000 huge axes": described(b'"dtype":"U8","shape":[8' + b",9223372036854775807" * 100_000 + b'],"data_offsets":[0,8]'),
        "a size of a million digits": described(b'"dtype":"U8","shape":[' + digits + b'],"data_offsets":[0,8]'),
        "an offset of a million digits": described(b'"dtype":"U8","shape":[8],"data_offsets":[0,' + digits + b"]"),
        "leading zeros": described(b'"dtype":"U8","shape":[08],"data_offsets":[0,8]'),
        "three offsets": described(b'"dtype":"U8","shape":[8],"data_offsets":[0,8,8]'),
        "no offsets": described(b'"dtype":"U8","shape":[8]'),
        "a field twice": described(fields + b',"shape":[8]'),
        "a field too many": described(fields + b',"device":"cpu"'),
        "an unknown dtype": described(b'"dtype":"U9","shape":[8],"data_offsets":[0,8]'),
        "a dtype that is a list": described(b'"dtype":[1],"shape":[8],"data_offsets":[0,8]'),
        "the name of a tensor twice": safetensors(good[:-1] + b"," + good[1:], bytes(8)),
        "the name of a tensor twice, once escaped": safetensors(good[:-1] + b"," + good[1:].replace(b'"a"', b'"\\u0061"'), bytes(8)),
        "metadata twice": safetensors(b'{"__metadata__":{},"__metadata__":{}}'),
        "a key of the metadata twice": safetensors(b'{"__metadata__":{"a":"b","a":"c"}}'),
        "metadata that is a number": safetensors(b'{"__metadata__":{"a":1}}'),
        "metadata that is false": safetensors(b'{"__metadata__":false}'),
        "metadata that is a list": safetensors(b'{"__metadata__":[]}'),
        "metadata that is cut off": safetensors(b'{"__metadata__":nul}'),
        "a list": safetensors(b"[]"),
        "100,000 lists in each other": safetensors(b'{"a":' + b"[" * 100_000),
        "100,000 dicts in each other": safetensors(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        "100,000 lists in the metadata": safetensors(b'{"__metadata__":{"a":' + b"[" * 100_000),
        "half a character": safetensors(good.replace(b'"a"', b'"\\ud800"'), bytes(8)),
        "half a character as bytes": safetensors(good.replace(b'"a"', b'"\xed\xa0\x80"'), bytes(8)),
        "a name that is not UTF-8": safetensors(good.replace(b'"a"', b'"\xff"'), bytes(8)),
        "a control character as it is": safetensors(good.replace(b'"a"', b'"\x1b[2J"'), bytes(8)),
        "a byte order mark": safetensors(b"\xef\xbb\xbf" + good, bytes(8)),
        "a comment": safetensors(b"{/**/" + good[1:], bytes(8)),
        "a comma at the end": safetensors(good[:-1] + b",}", bytes(8)),
        "something behind the end": safetensors(good + b"{}", bytes(8)),
        "a NUL behind the end": safetensors(good + b"\0", bytes(8)),
        "quotes without an end": safetensors(b'{"' + b"\\" * 1_000_000),
        "a million quotes escaped": safetensors(b'{"' + b'\\"' * 500_000),
    }  # fmt: skip


# The safetensors package takes it for none.
attack("safetensors: metadata that is null", LOADED, safetensors, b'{"__metadata__":null}')


@attacks("safetensors, harmless", EITHER)
def harmless_headers():
    return {
        "nothing": safetensors({}),
        "tensors in another order": safetensors(tensors(b=(4, 8), a=(0, 4)), bytes(8)),
        "30,000 empty tensors": lambda: safetensors(tensors(**{f"a{i}": (0, 0) for i in range(30_000)})),
        "a megabyte of space": safetensors(json.dumps(tensors(a=(0, 8))).encode() + b" " * 2**20, bytes(8)),
        "a name of a megabyte": safetensors(tensors(**{"a" * 2**20: (0, 8)}), bytes(8)),
        "a megabyte of escapes": safetensors(b'{"' + b"\\u0061" * 170_000 + b'":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}', bytes(8)),
        "metadata of a megabyte": safetensors({"__metadata__": {"a": "\u20ac" * 2**18}}),
        "100,000 keys of metadata": safetensors({"__metadata__": {str(i): "" for i in range(100_000)}}),
        "names that steer a terminal": safetensors(tensors(**{"\x1b[2J\n.weight_ih_l0": (0, 8)}), bytes(8)),
    }  # fmt: skip


# NumPy -----------------------------------------------------------------------------------------


def array(header, data=bytes(32), version=1, length=None):
    """A ``.npy`` file with any text as its header."""
    if isinstance(header, str):
        header = header.encode("latin-1")
    width = 2 if version == 1 else 4
    size = len(header) if length is None else length
    return b"\x93NUMPY" + bytes([version, 0]) + size.to_bytes(width, "little") + header + data


def fields(descr="'<f4'", order="False", shape="(8,)"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


REFUSED_ARRAYS = {
    "code as the dtype": fields("__import__('os').system('touch canary')"),
    "code as the order": fields(order="open('canary', 'x')"),
    "code as the shape": fields(shape="(open('canary', 'x'),)"),
    "code around": "[" + fields().strip() + "for x in [open('canary', 'x')]][0]",
    "a call around": "dict(descr='<f4', fortran_order=False, shape=(8,))",
    "a format string": fields(shape='f\'{open("canary", "x")}\''),
    "objects": fields("'|O'"),
    "objects of 8 bytes": fields("'O8'"),
    "objects in a structure": fields("[('a', '|O')]"),
    "a structure": fields("[('a', '<f4'), ('b', '<f4')]", shape="(4,)"),
    "a structure 10,000 deep": fields("[('a'," * 800 + "'<f4'" + ")]" * 800),
    "a dtype of arrays": fields("'(4,)f4'", shape="(2,)"),
    "a dtype with commas": fields("'f4,f4'", shape="(4,)"),
    "a dtype of a gigabyte": fields("'<f1000000000'"),
    "an empty dtype": fields("''"),
    "a dtype of bytes": fields("b'<f4'"),
    "a size too many": fields(shape="(9,)"),
    "a size too few": fields(shape="(7,)"),
    "a negative size": fields(shape="(-8,)"),
    "sizes whose product is 8": fields(shape="(-2, -4)"),
    "sizes that wrap around": fields(shape="(4294967296, 4294967296, 8)"),
    "an empty array of huge sizes": fields(shape="(0, 4611686018427387904, 4)"),
    "a size of 9,000 digits": fields(shape="(" + "9" * 9000 + ",)"),
    "a float as a size": fields(shape="(8.0,)"),
    "True as a size": fields(shape="(True,)"),
    "a hexadecimal size": fields(shape="(0x8,)"),
    "65 axes": fields(shape="(8," + "1," * 64 + ")"),
    "4,000 axes": fields(shape="(8," + "1," * 4000 + ")"),
    "a list as the shape": fields(shape="[8]"),
    "a number as the shape": fields(shape="8"),
    "1 as the order": fields(order="1"),
    "a field twice": fields().replace("}", "'shape': (8,), }"),
    "a field too many": fields().replace("}", "'x': 1, }"),
    "no shape": "{'descr': '<f4', 'fortran_order': False}",
    "9,000 parentheses": "(" * 9000,
    "9,000 braces": "{" * 9000,
    "a NUL": fields().replace("}", "\0}"),
    "nothing": "",
}
for _name, _header in REFUSED_ARRAYS.items():
    attack(f"npy: {_name}", REFUSED, array, _header)
    attack(
        f"npz: {_name}", REFUSED, lambda header: write([Entry(b"a.npy", array(header))]), _header
    )


@attacks("npy file", REFUSED)
def npy_files():
    return {
        "a header longer than the file": array(fields(), length=65535),
        "a header of 4 GB": array(fields(), version=2, length=2**32 - 1),
        "a header of a megabyte": array(fields().strip() + " " * 2**20, version=2),
        "version 0": array(fields(), version=0),
        "version 4": array(fields(), version=4),
        "a header that is not UTF-8": array(b"\xff" + fields().encode(), version=3),
        "an array of objects": in_npy(pickle.dumps(["a"])),
        "cut off": array(fields())[:-1],
        "a byte too many": array(fields()) + b"\0",
        "only its magic": b"\x93NUMPY",
    }


# What find_lstms and from_weights are asked to believe -----------------------------------------


def lstm(items, floats=FLOATS):
    """A torch file with these items."""
    return torch_zip(program(mapping(items)), [floats])


@attacks("LSTM", LOADED)
def lstms():
    def expanded(shape):
        return tensor(shape, (0,) * len(shape))

    huge = state_dict(hidden=2**20, inputs=2**20, weight=expanded)
    base = state_dict()
    deep = [(f"{'a.' * 2000}{name}", value) for name, value in base]
    vast = text("a" * 2**20) + b"q\0"
    half = [(name, value) for name, value in base if not name.startswith("bias_hh")]
    shared = tensor((1,), (1,)) + b"q\x050"
    module = b"ctorch.nn.modules.rnn\nLSTM\n)R}(" + text("_parameters") + mapping(base)
    return {
        "of 16 terabytes": lstm(huge),
        "of 2**19 units": lstm(state_dict(hidden=2**19, inputs=1, weight=expanded)),
        "of 2**40 inputs": lstm(state_dict(hidden=1, inputs=2**40, weight=expanded)),
        "in layer 999999999999": lstm(state_dict(layer="_l999999999999")),
        "in layer 999999": lstm([*base, *state_dict(layer="_l999999")]),
        "in layer 01": lstm([*base, *state_dict(layer="_l01")]),
        "in layer -1": lstm([*base, *state_dict(layer="_l-1")]),
        "in layer of a million digits": lstm(state_dict(layer="_l" + "9" * 1_000_000)),
        "in layer of Arabic digits": lstm([*base, *state_dict(layer="_l\u0661")]),
        "with a line feed": lstm(state_dict(layer="_l0\n")),
        "with control characters": lstm([(f"\x1b[2J\r{name}", value) for name, value in base]),
        "with control characters, incomplete": lstm([(f"\x1b[2J\n.{name}", value) for name, value in half]),
        "with half a character": lstm([(f"\ud800.{name}", value) for name, value in base]),
        "with right-to-left text": lstm([(f"\u202e.{name}", value) for name, value in base]),
        "under 2,000 dots": lstm(deep),
        "under a long name": torch_zip(program(b"}" + vast + mapping(base) + b"s"), [FLOATS]),
        "of 60,000 layers": lambda: torch_zip(
            program(shared + b"}(" + b"".join(text(f"weight_ih_l{i}") + b"h\5" for i in range(60_000)) + b"u"),
            [FLOATS],
        ),
        "of no units": lstm(state_dict(hidden=0)),
        "of no inputs": lstm(state_dict(inputs=0)),
        "of scalars": lstm([(name, tensor((), ())) for name, _ in base]),
        "of complex numbers": lstm(state_dict(weight=lambda shape: tensor(shape, (0,) * len(shape), numel=32, kind="ComplexFloatStorage"))),
        "of booleans": lstm(state_dict(weight=lambda shape: tensor(shape, (0,) * len(shape), numel=256, kind="BoolStorage"))),
        "of numbers": lstm([(name, b"K\1") for name, _ in base]),
        "of texts": lstm([(name, text("a")) for name, _ in base]),
        "of records": lstm([(name, b"ca\nb\n)R") for name, _ in base]),
        "of lists of itself": lstm([(name, b"]q\7h\7a") for name, _ in base]),
        "with a projection to nothing": lstm([*base, ("weight_hr_l0", tensor((0, 2), (2, 1)))]),
        "with a projection wider than it": lstm([*base, ("weight_hr_l0", tensor((4, 2), (2, 1)))]),
        "with a dropout that is no number": torch_zip(
            program(module + text("dropout") + b"F" + b"nan\n" + text("batch_first") + text("yes") + text("training") + b"N" + b"ub"),
            [FLOATS],
        ),
        "with a dropout of 600 digits": torch_zip(program(module + text("dropout") + number(2**2000) + b"ub"), [FLOATS]),
        "that is its own module": torch_zip(
            program(b"ctorch.nn.modules.rnn\nLSTM\n)Rq\x09}(" + text("_parameters") + mapping(base) + text("_modules") + mapping([("a", b"h\x09")]) + b"ub"),
            [FLOATS],
        ),
        "with parametrizations of itself": lstm([("parametrizations", b"}q\x09" + text("parametrizations") + b"h\x09s" + text("weight_ih_l0") + b"h\x09s" + text("original0") + b"h\x09s")]),
    }  # fmt: skip


def packed_matrix(size=(8, 2), strides=(2, 1), offset=b"K\0", scheme=None):
    """A matrix of qint8 with its bias, packed as torch does; 64 integers and 64 floats in all."""
    integers = storage(64, "1", "QInt8Storage")
    scheme = (
        scheme or b"ctorch\nper_tensor_affine\nG" + struct.pack(">d", 0.5) + number(0) + b"\x87"
    )
    sizes = sequence(size) + sequence(strides)
    tensor_ = (
        b"ctorch._utils\n_rebuild_qtensor\n(" + integers + offset + sizes + scheme + b"\x89}tR"
    )
    kind = text("__torch__.torch.classes.quantized.LinearPackedParamsBase")
    return b"ctorch\nScriptObject\n)\x81" + tensor_ + tensor((8,), (1,)) + b"\x86" + kind + b"\x86b"


def packed_layer(one=None, other=None, how=None):
    """A direction of a layer that torch quantised."""
    how = text("quantized_dynamic") if how is None else how
    matrices = b"](" + (one or packed_matrix()) + (other or packed_matrix()) + b"e"
    kind = text("__torch__.torch.classes.rnn.CellParamsBase")
    return b"ctorch\nScriptObject\n)\x81(" + how + b"]]](K\1e" + matrices + b"t" + kind + b"\x86b"


def packed_lstm(*parts):
    items = [(f"a._all_weight_values.{at}.param", part) for at, part in enumerate(parts)]
    return torch_zip(program(mapping(items)), [FLOATS, bytes(64)])


@attacks("quantised LSTM", EITHER)
def quantised_lstms():
    huge = pickle.encode_long(2**20_000)
    huge, script = b"\x8b" + struct.pack("<i", len(huge)) + huge, b"ctorch\nScriptObject\n)\x81"
    nan, deep = b"G" + struct.pack(">d", float("nan")), b"](" * 20_000 + b"e" * 20_000
    scales = tensor((8,), (0,), numel=32, kind="DoubleStorage")
    zeros = tensor((8,), (0,), numel=32, kind="LongStorage")
    made = {
        f"with a matrix of {told}": packed_lstm(packed_layer(packed_matrix(**changes)))
        for told, changes in {
            "2**62 rows": {"size": (2**62, 2)},
            "2**20 rows that are one": {"size": (2**20, 2), "strides": (0, 0)},
            "an offset of 6,000 digits": {"offset": huge},
            "no rows": {"size": (0, 2)},
            "one axis": {"size": (8,), "strides": (1,)},
            "negative strides": {"strides": (-2, -1)},
            "no scheme": {"scheme": b"N"},
            "a scheme of nothing": {"scheme": b")"},
            "a scheme that is deep": {"scheme": deep},
            "a scale that is NaN": {
                "scheme": b"ctorch\nper_tensor_affine\n" + nan + number(0) + b"\x87"
            },
            "a zero point of 6,000 digits": {
                "scheme": b"ctorch\nper_tensor_affine\nG" + struct.pack(">d", 0.5) + huge + b"\x87"
            },
            "scales that are one": {
                "scheme": b"(ctorch\nper_channel_affine\n" + scales + zeros + b"K\0t"
            },
            "an axis of 6,000 digits": {
                "scheme": b"(ctorch\nper_channel_affine\n" + scales + zeros + huge + b"t"
            },
        }.items()
    }
    one = packed_layer() + b"q\x09"
    return made | {
        "of itself": packed_lstm(script + b"q\x09h\x09N\x86b"),
        "of an object without a state": packed_lstm(script),
        "of an object in objects": packed_lstm(script * 2_000 + b"Nb" * 2_000),
        "of another form of a megabyte": packed_lstm(packed_layer(how=text("a" * 2**20))),
        "in 10,000 directions that are one": lambda: torch_zip(
            program(one + b"0}(" + b"".join(text(f"_all_weight_values.{i}.param") + b"h\x09" for i in range(10_000)) + b"u"),
            [FLOATS, bytes(64)],
        ),
        "in 4,000 directions that are one": lambda: packed_lstm(one, *[b"h\x09"] * 3_999),
        "in a direction of 5,000 digits": torch_zip(
            program(mapping([(f"_all_weight_values.{'9' * 5000}.param", packed_layer())])), [FLOATS, bytes(64)]
        ),
    }  # fmt: skip


@attacks("many LSTMs", EITHER)
def many_lstms():
    one = mapping(state_dict())
    name = text("a" * 1000) + b"q\x08" + b"0"
    return {
        "10,000 of one state_dict": torch_zip(
            program(one + b"q\x090}(" + b"".join(number(i) + b"h\x09" for i in range(10_000)) + b"u"), [FLOATS]
        ),
        "10,000 prefixes of a key": lstm(
            [(f"{i}.{name}", tensor((8, 2), (2, 1))) for i in range(3000) for name in ("weight_ih_l0", "weight_hh_l0")]
        ),
        "under long names in each other": torch_zip(
            program(name + one + b"q\x090" + b"}h\x08" * 20_000 + b"h\x09" + b"s" * 20_000), [FLOATS]
        ),
        "in each container of a deep nest": torch_zip(
            program(tensor((8, 2), (2, 1)) + b"q\x090" + name + text("weight_hh_l0") + b"q\x070" + b"}(h\7h\x09h\x08" * 20_000 + b"N" + b"u" * 20_000),
            [FLOATS],
        ),
    }  # fmt: skip


@attacks("adapters and separators", EITHER)
def adapters():
    base, small = state_dict(), tensor((1,), (1,))
    inner = [(f"a.base_layer.{name}", value) for name, value in base]
    one = small + b"q\x09" + b"0"
    dots, lines = "." * 1_000_000, "_" * 1_000_000

    def many(name, count, more=inner):
        keys = b"".join(text(name.format(i)) + b"h\x09" for i in range(count))
        return torch_zip(program(one + mapping(more) + b"(" + keys + b"u"), [FLOATS])

    return {
        "100,000 adapters": lambda: many("a.lora_A.{}", 100_000),
        "50,000 adapters of others": lambda: many("{}.lora_A.x.y.z.u.v.w", 50_000),
        "50,000 scales": lambda: many("scales.{}.weight_hh_l0", 50_000),
        "an adapter of a million dots": lambda: lstm([*inner, (f"lora_A{dots}", small), (f"a{dots}lora_A", small)]),
        "an adapter of a million lines": lambda: lstm([*inner, (f"lora{lines}", small), (f"a{lines}lora{lines}a", small)]),
        "adapters of a million names": lambda: lstm([*inner, ("lora_A." * 140_000, small), ("lora_A" * 160_000, small)]),
        "base layers in base layers": lambda: lstm(
            [(f"{'base_layer.' * i}{name}", tensor((8, 2), (2, 1))) for i in range(300) for name in ("weight_ih_l0", "weight_hh_l0")]
            + [(f"{'base_layer.' * i}a", small) for i in range(300)]
        ),
        "an adapter in each container of a deep nest": torch_zip(
            program(one + b"}(" + text("lora") + b"q\x07" + b"h\x09" + text("lora_A") + b"q\x08" + b"}(h\7h\x09h\x08" * 20_000 + mapping(inner) + b"u" * 20_001),
            [FLOATS],
        ),
        "a million slashes": lambda: lstm([*base, ("/" * 1_000_000, small), ("a/" * 500_000 + "weight_hh_l0", small)]),
        "a million other separators": lambda: lstm([(f"{lines}weight_hh_l0", base[1][1]), (":" * 1_000_000 + "weight_hh", base[1][1])]),
        "50,000 names with other separators": lambda: torch_zip(
            program(base[1][1] + b"q\x090}(" + b"".join(text(f"{i}:weight_hh_l0") + b"h\x09" for i in range(50_000)) + b"u"), [FLOATS]
        ),
        "a name that steers a terminal": lambda: lstm([("\x1b[2J\n:weight_hh_l0", base[1][1])]),
        "slashes and dots that fall together": lstm([*((f"a/{n}", v) for n, v in base), *((f"a.{n}", v) for n, v in base)]),
    }  # fmt: skip


@attacks("beside an LSTM", EITHER)
def beside():
    base, small = state_dict(), tensor((1,), (1,))
    one = small + b"q\x09" + b"0"
    dots = "a." * 400
    scaled = [(name, tensor((8, 2), (2, 1), numel=256, kind="CharStorage")) for name, _ in base[:2]]
    scales = [(f"{name}_scale", tensor((8,), (0,))) for name, _ in base[:2]]
    return {
        "a name of a million dots": lstm([*base, ("a.a.weight_hh", small), ("." * 1_000_000, small)]),
        "a million dots in each of its names": lstm([("." * 1_000_000 + name, value) for name, value in base]),
        "100,000 tensors": lambda: torch_zip(
            program(one + mapping(base) + b"(" + b"".join(text(f"a.{i}") + b"h\x09" for i in range(100_000)) + b"u"),
            [FLOATS],
        ),
        "300,000 tensors in a list": lambda: torch_zip(
            program(one + mapping(base) + text("a") + b"](" + b"h\x09" * 300_000 + b"es"), [FLOATS]
        ),
        "prefixes of each other and long names": lambda: lstm(
            [(f"{'a.' * i}{name}", tensor((8, 2), (2, 1))) for i in range(400) for name in ("weight_ih_l0", "weight_hh_l0")]
            + [(f"{dots}{i}", small) for i in range(3000)]
        ),
        "a tensor in each container of a deep nest": torch_zip(
            program(one + b"}(" + text("x") + b"q\x07" + b"h\x09" + text("y") + b"q\x08" + b"}(h\7h\x09h\x08" * 20_000 + mapping(base) + b"u" * 20_001),
            [FLOATS],
        ),
        "itself": torch_zip(program(mapping(base) + b"q\x09" + text("a") + b"h\x09s"), [FLOATS]),
        "a class of a long name": torch_zip(
            program(b"c" + b"a" * 900 + b"\nB\n)R}(" + text("_parameters") + mapping(base) + b"ub"), [FLOATS]
        ),
        "a class that steers a terminal": torch_zip(
            program(b"c\x1b[2J\nB\x1b[2J\n)R}(" + text("_parameters") + mapping(base) + b"ub"), [FLOATS]
        ),
        "names that steer a terminal": lstm([*base, ("\x1b[2J\n\u202e", small)]),
        "scales that are views of nothing": lstm([*scaled, *scales]),
        "scales of a petabyte": lstm([*scaled, *((name, tensor((2**50,), (0,))) for name, _ in scales)]),
        "int8 of terabytes and a scale": lstm(
            [
                *((name, tensor((2**22, 2**20), (0, 0), numel=256, kind="CharStorage")) for name, _ in base[:2]),
                *scales,
            ]
        ),
        "a zero point that is no tensor": lstm([*scaled, *scales, ("weight_hh_l0_zero_point", b"]")]),
        "scales that are records": lstm([*scaled, *((name, b"ca\nb\n)R") for name, _ in scales)]),
        "an optimiser's table with an LSTM in it": lstm([("state", mapping(base)), ("param_groups", b"]")]),
        "two dtypes": lstm(
                [
                    (name, tensor(shape, (1,) * len(shape), numel=256 // size, kind=f"{kind}Storage"))
                    for (name, _), shape, kind, size in zip(
                        base, ((8, 2), (8, 2), (8,), (8,)), ("Half", "Float", "Half", "Float"), (2, 4, 2, 4), strict=True
                    )
                ]
            ),
    }  # fmt: skip


attacks("compressed weights", EITHER)(compressed_attacks)


def paddle(more):
    """A plain pickle as PaddlePaddle writes it."""
    return pickle.dumps({"StructuredToParameterName@@": {}, **more}, 4)


@attacks("PaddlePaddle", EITHER)
def paddles():
    bits = np.arange(24, dtype=np.uint16)
    cycle = {"a": bits}
    cycle["again"] = cycle
    view = b"X\x1b\0\0\0StructuredToParameterName@@}s"
    return {
        "one array under many names": lambda: paddle(dict.fromkeys(map(str, range(50_000)), bits)),
        "many arrays": lambda: paddle({str(i): bits[i % 24 :].copy() for i in range(5000)}),
        "a cycle": paddle(cycle),
        "an array of 16 MB": lambda: paddle({"a": np.zeros(2**23, np.uint16)}),
        "arrays of other bytes": paddle({"a": bits.astype(">u2"), "b": bits.astype("u4"), "c": bits[0]}),
        "LSTMs that fit nothing": paddle({"weight_ih_l0": bits, "weight_hh_l0": bits[:0]}),
        "a table that is itself": program(b"}q\0" + view.replace(b"}s", b"h\0s")),
        "a table that is a list": program(b"}" + view.replace(b"}s", b"]s")),
        "nothing else": program(b"}" + view),
        "and bytes behind": program(b"}" + view) + b"x",
    }  # fmt: skip


# Files that are nothing, or two things at once --------------------------------------------------


@attacks("file", REFUSED)
def files():
    return {
        "empty": b"",
        "a zero": b"\0",
        "zeros": bytes(100_000),
        "text": b"weights\n" * 100,
        "a line of JSON": b'{"a": 1}',
        "PROTO alone": b"\x80",
        "PROTO 2 alone": b"\x80\2",
        "HDF5 alone": b"\x89HDF\r\n\x1a\n",
        "ONNX alone": b"\x08",
        "ONNX of nothing": b"\x08\x08",
        "GZIP": zlib.compress(b"a", wbits=31),
        "a tar archive": bytes(257) + b"ustar\x0000" + bytes(300),
        "a length and a brace": struct.pack("<Q", 1) + b"{",
        "torch's old number alone": pickle.dumps(0x1950A86A20F9469CFC6C, 2),
        "a script": b"#!/bin/sh\ntouch canary\n",
        "an executable": b"\x7fELF\2\1\1" + bytes(100),
    }


@attacks("two files in one", EITHER)
def polyglots():
    return {
        "a pickle that ends with an archive": program(b"N") + torch_zip(program(b"N")),
        "an archive that starts with a pickle": torch_zip(program(b"N"), prefix=program(b"N")),
        "safetensors that end with an archive": safetensors(tensors(a=(0, 8)), bytes(8)) + write([Entry(b"a.npy", ARRAY)]),
        "an array that ends with an archive": ARRAY + write([Entry(b"a.npy", ARRAY)]),
        "torch and NumPy": write([*entries(program(b"N")), Entry(b"a.npy", ARRAY)]),
        "NumPy and torch": write([Entry(b"a.npy", ARRAY), *entries(program(b"N"))]),
        "Keras and NumPy": write([Entry(b"model.weights.h5", b"\x89HDF\r\n\x1a\n"), Entry(b"a.npy", ARRAY)]),
        "two folders": write([*entries(program(b"N")), Entry(b"other/data.pkl", program(b"]"))]),
        "no folder": write([Entry(b"data.pkl", program(b"N"))]),
        "an empty folder": write([Entry(b"/data.pkl", program(b"N"))]),
    }  # fmt: skip


# TorchScript, ONNX, Keras ----------------------------------------------------------------------


def script(code, method=STORED, class_name="__torch__.a.M"):
    """An archive of TorchScript with one module and the source of its class."""
    module, _, name = class_name.rpartition(".")
    tree = f"c{module}\n{name}\n".encode() + b")\x81" + mapping([*state_dict(), ("a", b"N")]) + b"b"
    more = [
        Entry(b"archive/constants.pkl", program(b")")),
        Entry(f"archive/code/{module.replace('.', '/')}.py".encode(), code, method),
    ]
    return write(entries(program(tree), [FLOATS], more=more))


@attacks("TorchScript", EITHER)
def scripts():
    head = b"class M(Module):\n"
    call = b"    " + b"a, " * 60 + b" = torch.lstm("
    return {
        "code that would run": script(head + b"open('canary', 'x')\n"),
        "code that inflates to 64 MB": lambda: script(head + b" " * 2**26, DEFLATED),
        "code of a megabyte of spaces": script(head + b" " * 2**20),
        "code of nearly a call": script(head + call * 20_000),
        "code of lines that are nearly a call": script(head + (call + b"a, True, " * 40 + b"\n") * 2000),
        "100,000 classes": script(b"".join(b"class M%d(Module):\n" % i for i in range(100_000))),
        "a constant of no number": script(head + b"  dropout : Final[float] = nan\n"),
        "a constant of 40 digits": script(head + b"  batch_first : Final[bool] = " + b"9" * 40 + b"\n"),
        "100,000 classes of torch's": lambda: script(
            b"class LSTM(Module):\n    torch.a(\n" * 100_000, class_name="__torch__.torch.nn.modules.rnn.LSTM"
        ),
        "code of torch's that inflates to 64 MB": lambda: script(
            b"class LSTM(Module):\n" + b"torch." * (10 << 20), DEFLATED, class_name="__torch__.torch.nn.modules.rnn.LSTM"
        ),
        "a name without an end": lambda: script(
            b"class LSTM(Module):\n torch." + b"a" * 4_000_000 + b"(", class_name="__torch__.torch.nn.modules.rnn.LSTM"
        ),
        "100,000 classes of torch's RNN": lambda: script(
            b"class RNN(Module):\n  mode : Final[str] = \"RNN_TANH\"\n    torch.rnn_tanh(\n" * 60_000, class_name="__torch__.torch.nn.modules.rnn.RNN"
        ),
        "100,000 traced cells": lambda: script(
            b"class RNNCell(Module):\n    torch.relu(\n" * 100_000, class_name="__torch__.torch.nn.modules.rnn.RNNCell"
        ),
        "a nonlinearity of 4 MB": lambda: script(
            b"class RNNCell(Module):\n  nonlinearity : Final[str] = \"" + b"a" * 4_000_000, class_name="__torch__.torch.nn.modules.rnn.RNNCell"
        ),
        "a nonlinearity that steers a terminal": script(
            b"class RNNCell(Module):\n  nonlinearity : Final[str] = \"\x1b[2J\"\n", class_name="__torch__.torch.nn.modules.rnn.RNNCell"
        ),
        "a class above the archive": script(head, class_name="..os.path.M"),
        "a class in a loop of names": script(head, class_name="a" * 900 + ".M"),
    }  # fmt: skip


@attacks("frozen TorchScript", EITHER)
def frozen():
    def frozen_script(code, method=STORED):
        tree = b"c__torch__\nM\n)\x81}" + text("training") + b"\x89sb"
        constants = program(tensor((8,), (1,), key="0") + b"\x85")
        more = [
            Entry(b"archive/constants.pkl", constants),
            Entry(b"archive/constants/0", FLOATS),
            Entry(b"archive/code/__torch__.py", code, method),
        ]
        return write(entries(program(tree), more=more))

    call = b"    a = torch.lstm(CONSTANTS.c0)\n"
    return {
        "once": frozen_script(b"class M(Module):\n" + call),
        "200,000 calls": lambda: frozen_script(call * 200_000, DEFLATED),
        "calls of every kind": lambda: frozen_script(b"".join(call.replace(b"lstm", kind) for kind in (b"lstm", b"gru", b"rnn_tanh", b"rnn_relu", b"gru_cell")) * 40_000, DEFLATED),
        "200,000 lists": lambda: frozen_script(b"".join(b"  a%d = [CONSTANTS.c0]\n" % i for i in range(200_000)) + b"torch.lstm(" + b"a," * 4000 + b")"),
        "a call without an end": lambda: frozen_script(b"torch.lstm(" * 400_000),
        "words without an end": lambda: frozen_script(b"torch.lstm(" + b"a" * 4_000_000),
        "a list without an end": lambda: frozen_script(b"  a = [CONSTANTS.c0" * 200_000),
        "code that inflates to 64 MB": lambda: frozen_script(b" " * 2**26, DEFLATED),
    }  # fmt: skip


FLOAT_DTYPE = b"cnumpy\ndtype\n" + text("f4") + b"\x89\x88\x87R(K\3" + text("<") + b"NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\0tb"  # fmt: skip


def wrapped(shape=(8,), order="C", dtype=FLOAT_DTYPE, alignment=None, data=bytes(32)):
    """An array of joblib: what describes it, and its bytes."""
    fields = [
        ("shape", shape if isinstance(shape, bytes) else sequence(shape)),
        ("order", text(order)),
        ("dtype", dtype),
        ("numpy_array_alignment_bytes", b"N" if alignment is None else b"K\x10"),
    ]
    padding = b"" if alignment is None else alignment
    return (
        b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81" + mapping(fields) + b"b" + padding + data
    )


@attacks("joblib", EITHER)
def joblibs():
    one = wrapped()
    return {
        "one array": program(one),
        "padded": program(wrapped(alignment=b"\3abc")),
        "padded to the end": program(wrapped(alignment=b"\xff")),
        "padded beyond the end": program(wrapped(data=b"", alignment=b"\xff")),
        "of no bytes": program(wrapped(shape=(0, 2**40), data=b"")),
        **{
            f"of shape {str(shape)[:40]}": program(wrapped(shape=shape))
            for shape in ((2**62,), (2**32, 2**32), (-8,), (9,), (2**2000,), (8,) * 65, (1,) * 100_000)
        },
        "of a shape that is a list": program(wrapped(shape=b"]")),
        "of a shape of floats": program(wrapped(shape=b"G" + bytes(8) + b"\x85")),
        "of order K": program(wrapped(order="K")),
        "of no dtype": program(wrapped(dtype=b"N")),
        "of an unfinished dtype": program(wrapped(dtype=b"cnumpy\ndtype\n" + text("O8") + b"\x85R")),
        "without a state": program(b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81Nb"),
        "never built": program(b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81"),
        "built twice": program(one + b"}b"),
        "called": program(b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)R"),
        "of protocol 0": program(b"ccopy_reg\n_reconstructor\n(cjoblib.numpy_pickle\nNumpyArrayWrapper\nc__builtin__\nobject\nNtRNb"),
        "in torch's archive": torch_zip(program(one)),
        "in a deflated archive": torch_zip(program(one), method=DEFLATED),
        "16 MB in a deflated archive": lambda: torch_zip(program(wrapped(shape=(2**22,), data=bytes(2**24))), method=DEFLATED),
        "100 arrays of 1 MB in a deflated archive": lambda: torch_zip(program(b"(" + wrapped(shape=(2**18,), data=bytes(2**20)) * 100 + b"l"), method=DEFLATED),
        "50,000 arrays": lambda: program(b"(" + one * 50_000 + b"l"),
        "an array in its own shape": program(b"(" + one + b"q\1" + wrapped(shape=b"h\1") + b"l"),
    }  # fmt: skip


def distributed(kind, state, size=(8,)):
    """A tensor of torch.distributed that is rebuilt with a state."""
    name = b"ctorch.distributed." + kind.encode() + b"\n"
    args = b"(" + name + text("torch.float32") + sequence(size) + b"t"
    return b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_wrapper_subclass\n" + name + args + state + b"tR"  # fmt: skip


@attacks("torch.distributed", EITHER)
def distributed_tensors():
    local = tensor((8,), (1,))
    shard = b"ctorch.distributed.tensor.placement_types\nShard\n)\x81}b"
    spec = b"ctorch.distributed.tensor._dtensor_spec\nDTensorSpec\n)\x81"
    dtensor = "tensor\nDTensor"

    def state(local=local, placements=shard + b"\x85"):
        return mapping(
            [
                ("_local_tensor", local),
                ("_spec", spec + mapping([("placements", placements)]) + b"b"),
            ]
        )

    def one(*args, **options):
        return torch_zip(program(distributed(*args, **options)), [FLOATS])

    return {
        "a whole one": one(dtensor, b"N" + state() + b"\x86"),
        "a shard": one(dtensor, b"N" + state() + b"\x86", size=(16,)),
        "of no placements": one(dtensor, state(placements=b")")),
        "of a million placements": lambda: one(dtensor, state(placements=b"(" + b"N" * 1_000_000 + b"t")),
        "of a local tensor that is text": one(dtensor, state(local=text("a"))),
        "of a size that is no tuple": torch_zip(program(distributed(dtensor, state()).replace(sequence((8,)), b"N", 1)), [FLOATS]),
        "of a size of 100,000 axes": one(dtensor, state(), size=(8,) * 100_000),
        "of a size of a million digits": one(dtensor, state(), size=(2**2000,) * 8),
        "without a state": one(dtensor, b"N"),
        "that is its own local tensor": one(dtensor, b"]q\1h\1a"),
        "shards without metadata": one("_shard.sharded_tensor.api\nShardedTensor", b"]\x85"),
        "10,000 shards": lambda: torch_zip(program(b"(" + distributed(dtensor, b"N") * 10_000 + b"l"), [FLOATS]),
        "flat parameters of many names": torch_zip(program(mapping([(f"a.flat_param_{i}", local) for i in range(1000)])), [FLOATS]),
        "a flat parameter of a long name": torch_zip(program(mapping([("a." * 100_000 + "flat_param", local)])), [FLOATS]),
    }  # fmt: skip


@attacks("named", REFUSED)
def foreign_files():
    many = message([(1, VARINT, 1), *((2, BYTES, b"\x0a\0\x12\0") for _ in range(100_000))])
    return {
        "zlib that inflates to 1 GB": zlib.compress(bytes(2**20)) + bytes(100),
        "gzip that inflates to 1 GB": zlib.compress(bytes(2**26), wbits=31),
        "gzip damaged": b"\x1f\x8b\x08\xff" + b"\xff" * 600,
        "100,000 graphs of TensorFlow": many,
        "a field of 2**63 bytes": b"\x08\1\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        "a field without an end": b"\x08\1\x12" + b"\xff" * 600,
        "a graph of a node of 2**40 bytes": b"\x0a\x80\x80\x80\x80\x80\x20\x0a\1a\x12\1B",
        "mappings of MessagePack without an end": b"\x81\xa1a" * 1000,
        "a text of MessagePack beyond the file": b"\x81\xd9\xff",
        "HTML that steers a terminal": b"<html>\x1b[2J",
        "an archive whose first name steers a terminal": write([Entry(b"\x1b[2J.pt", b"")]),
        "an archive of 100,000 weight files": lambda: write([Entry(b"%d.pt" % i, b"") for i in range(60_000)]),
        "an archive and 64 MB behind it": lambda: write([Entry(b"archive/data.pkl", b"")]) + bytes(2**26),
        "ends of archives for 16 MB": lambda: write([Entry(b"archive/data.pkl", b"")]) + b"PK\5\6" * 2**22,
    }  # fmt: skip


def onnx_model(nodes=(), tensors=()):
    """A model of ONNX; nodes and tensors are fields of their messages."""
    graph = [(1, BYTES, message(node)) for node in nodes]
    graph += [(5, BYTES, message(tensor)) for tensor in tensors]
    opset = message([(2, VARINT, 22)])
    return message([(1, VARINT, 10), (7, BYTES, message(graph)), (8, BYTES, opset)])


def onnx_node(kind, inputs, output, *attributes, more=()):
    """A node; ``attributes`` are names and integers or lists of them, ``more`` other outputs."""
    made = [(1, BYTES, name) for name in inputs]
    made += [(2, BYTES, name) for name in (output, *more)]
    made += [(3, BYTES, output), (4, BYTES, kind)]
    for name, value in attributes:
        numbers = [(8, VARINT, each % 2**64) for each in value] if isinstance(value, list) else []
        one = [] if isinstance(value, list) else [(3, VARINT, value % 2**64)]
        kind = (20, VARINT, 7 if isinstance(value, list) else 2)
        made.append((5, BYTES, message([(1, BYTES, name), *one, *numbers, kind])))
    return made


def onnx_tensor(name, dims, data=b"", external=None, kind=1):
    """A tensor, of floats; ``external`` is the file that it is in."""
    made = [(1, VARINT, size) for size in dims] + [(2, VARINT, kind), (8, BYTES, name)]
    if external is None:
        return [*made, (9, BYTES, data)]
    entry = message([(1, BYTES, b"location"), (2, BYTES, external)])
    return [*made, (13, BYTES, entry), (14, VARINT, 1)]


def onnx_lstm(*tensors, before=()):
    return onnx_model([*before, onnx_node(b"LSTM", (b"X", b"W", b"R"), b"Y")], tensors)


def nested_graphs(depth):
    """A graph in an attribute of a node of a graph, and so on."""
    graph = b""
    for _ in range(depth):
        attribute = message([(1, BYTES, b"g"), (6, BYTES, graph), (20, VARINT, 5)])
        graph = message([(1, BYTES, message([(4, BYTES, b"If"), (5, BYTES, attribute)]))])
    return message([(1, VARINT, 10), (7, BYTES, graph)])


def onnx_attacks():
    w, r = onnx_tensor(b"W", (1, 4, 1), bytes(16)), onnx_tensor(b"R", (1, 4, 1), bytes(16))
    doubled = [onnx_node(b"Concat", (b"R%d" % i,) * 2, b"R%d" % (i + 1)) for i in range(60)]
    doubled.append(onnx_node(b"Identity", (b"R60",), b"R"))
    return {
        "a tensor of 2**62 elements": onnx_lstm(w, onnx_tensor(b"R", (2**62,))),
        "a tensor of 2**64 - 1 elements": onnx_lstm(w, onnx_tensor(b"R", (2**64 - 1,))),
        "a tensor of sizes that wrap around": onnx_lstm(w, onnx_tensor(b"R", (2**32, 2**32, 4), bytes(16))),
        "an empty tensor of huge sizes": onnx_lstm(w, onnx_tensor(b"R", (0, 2**62, 2**62))),
        "a tensor of 10,000 axes": onnx_lstm(w, onnx_tensor(b"R", (1,) * 10_000, bytes(4))),
        **{
            f"a tensor in {path!r}": onnx_lstm(w, onnx_tensor(b"R", (1, 4, 1), external=path.encode()))
            for path in ("/etc/passwd", "../../../../etc/passwd", "file", ".", "", "/dev/zero", "a\0b")
        },
        "60 doublings": onnx_lstm(w, onnx_tensor(b"R0", (1, 4, 1), bytes(16)), before=doubled),
        "nodes of each other": onnx_lstm(w, before=[onnx_node(b"Identity", (b"R",), b"Q"), onnx_node(b"Identity", (b"Q",), b"R")]),
        "a node of itself": onnx_lstm(w, before=[onnx_node(b"Identity", (b"R",), b"R")]),
        "50,000 nodes of one weight": lambda: onnx_model([onnx_node(b"LSTM", (b"X", b"W", b"R"), b"%d" % i) for i in range(50_000)], [w, r]),
        **{
            f"50,000 nodes of a {kind.decode()}": lambda kind=kind, rows=rows: onnx_model([onnx_node(kind, (b"X", b"W", b"R"), b"%d" % i, (b"linear_before_reset", 1)) for i in range(50_000)], [onnx_tensor(b"W", (1, rows, 1), bytes(4 * rows)), onnx_tensor(b"R", (1, rows, 1), bytes(4 * rows))])
            for kind, rows in ((b"GRU", 3), (b"RNN", 1))
        },
        **{
            f"a {kind.decode()} with a tensor of {size} elements": onnx_model([onnx_node(kind, (b"X", b"W", b"R"), b"Y", (b"linear_before_reset", 1))], [onnx_tensor(b"W", (1, size, 1)), onnx_tensor(b"R", (1, size, 1))])
            for kind in (b"GRU", b"RNN") for size in (2**62, 3 * 2**60, 0)
        },
        "a GRU of 100,000 activations": onnx_model([[*onnx_node(b"GRU", (b"X", b"W", b"R"), b"Y"), (5, BYTES, message([(1, BYTES, b"activations"), *[(9, BYTES, b"\x1b[2J")] * 100_000]))]], [w, r]),
        "a GRU of 100,000 alphas": onnx_model([[*onnx_node(b"GRU", (b"X", b"W", b"R"), b"Y"), (5, BYTES, message([(1, BYTES, b"activations"), (9, BYTES, b"HardSigmoid"), (9, BYTES, b"Tanh")])), (5, BYTES, message([(1, BYTES, b"activation_alpha"), (7, BYTES, bytes(400_000))]))]], [w, r]),
        "50,000 nodes of one name": lambda: onnx_model([onnx_node(b"LSTM", (b"X", b"W", b"R"), b"Y")] * 50_000, [w, r]),
        # Not a million: protobuf, which answers for itself, takes 90 bytes for two of the file.
        "300,000 empty nodes": lambda: onnx_model([[]] * 300_000),
        "names that steer a terminal": onnx_model([onnx_node(b"LSTM", (b"X", b"W", b"Q"), b"\x1b[2J\n")], [w]),
        "40 graphs in each other": nested_graphs(40),
        "1,000 graphs in each other": nested_graphs(1000),
        "10,000 fields of a megabyte that is not there": (b"\x0a" + b"\x80\x80\x40") * 10_000,
    }  # fmt: skip


def dynamic_attacks():
    """Nodes of quantised weights, and of what is none."""
    names = (b"X", b"W", b"R", b"", b"", b"", b"", b"", b"s", b"z", b"s", b"z")
    ones = struct.pack("<4f", *(1.0,) * 4)

    def made(count=1, shape=(1, 1, 4), scale=(1, 4), data=ones, kind=3, nodes=()):
        size = min(64, int(np.prod(shape, dtype=object)))
        tensors = [onnx_tensor(name, shape, bytes(size), kind=kind) for name in (b"W", b"R")]
        tensors += [onnx_tensor(b"s", scale, data), onnx_tensor(b"z", scale, bytes(4), kind=kind)]
        domain = (7, BYTES, b"com.microsoft")
        each = [
            [*onnx_node(b"DynamicQuantizeLSTM", names, b"%d" % i), domain] for i in range(count)
        ]
        return onnx_model([*nodes, *each], tensors)

    def of_many_scales(count, columns):
        tensors = [
            onnx_tensor(name, (1, columns, 4), bytes(4 * columns), kind=3) for name in (b"W", b"R")
        ]
        tensors += [onnx_tensor(b"z", (1,), b"\0", kind=3)]
        tensors += [onnx_tensor(b"s%d" % i, (1,), ones[:4]) for i in range(count)]
        domain = (7, BYTES, b"com.microsoft")
        nodes = []
        for i in range(count):
            own = tuple(b"s%d" % i if name == b"s" else name for name in names)
            nodes.append([*onnx_node(b"DynamicQuantizeLSTM", own, b"%d" % i), domain])
        return onnx_model(nodes, tensors)

    nan = struct.pack("<4f", float("nan"), float("inf"), -0.0, 1e-45)
    return {
        "a quantised node": made(),
        "50,000 quantised nodes of one weight": lambda: made(50_000),
        "500 quantised nodes of one weight of a megabyte": lambda: of_many_scales(500, 2**18),
        "a quantised node with NaN scales": made(data=nan),
        "a quantised node of unsigned integers": made(kind=2),
        "a quantised node of floats": made(kind=1),
        "a quantised node of integers of 4 bits": made(kind=22),
        "a quantised node without units": made(shape=(1, 1, 0), scale=(1, 0), data=b""),
        "a quantised node without directions": made(shape=(0, 1, 4), scale=(0,), data=b""),
        "a quantised node of 2**62 columns": made(shape=(1, 2**62, 4)),
        "a quantised node with a scale of 2**62 rows": made(scale=(1, 2**62)),
        "a quantised node of a scale of itself": made(nodes=[onnx_node(b"Identity", (b"s",), b"s")]),
    }  # fmt: skip


def onnx_integers(name, *numbers, dims=None, kind=7):
    """A tensor of integers: of 64 bits, or others by ONNX's number of their type."""
    width = {7: 8, 6: 4, 3: 1, 2: 1}[kind]
    data = b"".join(number.to_bytes(width, "little", signed=number < 0) for number in numbers)
    return onnx_tensor(name, (len(numbers),) if dims is None else dims, data, kind=kind)


def folded(nodes, *tensors):
    """A model whose recurrent weight, and whose initial state h, nodes may make."""
    lstm = onnx_node(b"LSTM", (b"X", b"W", b"R", b"", b"", b"h"), b"Y")
    given = [onnx_tensor(name, (1, 4, 1), bytes(16)) for name in (b"W", b"a")]
    return onnx_model([*nodes, lstm], [*given, *tensors])


def folding_attacks():
    """Nodes that are run on constants, and ask for more than there is."""
    huge = (2**40, 2**31 - 1, 2**24, 2**62, -1, -(2**63))
    one = onnx_tensor(b"one", (1, 1, 1), struct.pack("<f", 1.0))
    bytes_ = onnx_tensor(b"x", (1, 4, 1), bytes(4), kind=3)
    scale = onnx_tensor(b"s", (), struct.pack("<f", 0.5))
    nan = onnx_tensor(b"s", (4,), struct.pack("<4f", float("nan"), float("inf"), -0.0, 1e-45))
    steps = [onnx_node(b"Shape", (b"X",), b"n"), onnx_node(b"Gather", (b"n", b"i"), b"b")]
    many = [b"o%d" % index for index in range(200_000)]
    chain = [onnx_node(b"Expand", (b"one", b"sizes"), b"e0")]
    chain += [onnx_node(b"Add", (b"e%d" % i, b"e%d" % i), b"e%d" % (i + 1)) for i in range(500)]
    back = [onnx_node(b"Gather", (b"g%d" % i, b"g%d" % i), b"g%d" % (i + 1)) for i in range(60)]
    foreign = [onnx_node(b"Foo", (b"f%d" % i,) * 2, b"f%d" % (i + 1)) for i in range(20_000)]
    made = {}
    for size in huge:
        sizes = onnx_integers(b"sizes", 1, 4, size)
        for kind in (b"Expand", b"Tile"):
            node = onnx_node(kind, (b"one", b"sizes"), b"R")
            made[f"{kind.decode()} to {size}"] = folded([node], one, sizes)
            node = onnx_node(kind, (b"one", b"sizes"), b"h")
            made[f"a state by {kind.decode()} to {size}"] = folded([node], one, sizes)
        node = onnx_node(b"ConstantOfShape", (b"sizes",), b"R")
        made[f"ConstantOfShape of {size}"] = folded([node], sizes)
        node = onnx_node(b"Gather", (b"a", b"sizes"), b"R", (b"axis", 1))
        made[f"Gather of index {size}"] = folded([node], sizes)
        node = onnx_node(b"Gather", (b"a", b"zero"), b"R", (b"axis", size))
        made[f"Gather along axis {size}"] = folded([node], onnx_integers(b"zero", 0))
        node = onnx_node(b"DequantizeLinear", (b"x", b"s"), b"R", (b"axis", size))
        made[f"DequantizeLinear along axis {size}"] = folded([node], bytes_, nan)
        node = onnx_node(b"DequantizeLinear", (b"x", b"s"), b"R", (b"block_size", size))
        made[f"DequantizeLinear in blocks of {size}"] = folded([node], bytes_, nan)
        node = onnx_node(b"DequantizeLinear", (b"x", b"s"), b"R", (b"output_dtype", size))
        made[f"DequantizeLinear to type {size}"] = folded([node], bytes_, scale)
        node = onnx_node(b"Split", (b"a",), b"R", (b"axis", size))
        made[f"Split along axis {size}"] = folded([node])
        node = onnx_node(b"Split", (b"a", b"sizes"), b"R", (b"axis", 1), more=(b"r", b"q"))
        made[f"Split in parts of {size}"] = folded([node], sizes)
        node = onnx_node(b"Cast", (b"a",), b"R", (b"to", size))
        made[f"Cast to type {size}"] = folded([node])
        nodes = [*steps, onnx_node(b"Expand", (b"one", b"b"), b"h")]
        made[f"a state of the open size {size}"] = folded(nodes, one, onnx_integers(b"i", size))
        nodes = [
            *steps,
            onnx_node(b"Mul", (b"b", b"sizes"), b"m"),
            onnx_node(b"Expand", (b"one", b"m"), b"h"),
        ]
        made[f"a state of an open size times {size}"] = folded(
            nodes, one, sizes, onnx_integers(b"i", 0)
        )
    return made | {
        "DequantizeLinear with NaN scales": folded([onnx_node(b"DequantizeLinear", (b"x", b"s"), b"R")], bytes_, nan),
        "DequantizeLinear without a scale": folded([onnx_node(b"DequantizeLinear", (b"x",), b"R")], bytes_),
        "DequantizeLinear of 16 MB in blocks of 1": folded(
            [
                onnx_node(b"Expand", (b"x1", b"sizes"), b"x"),
                onnx_node(b"Expand", (b"one", b"sizes"), b"s"),
                onnx_node(b"DequantizeLinear", (b"x", b"s"), b"R", (b"block_size", 1)),
            ],
            one, onnx_tensor(b"x1", (1, 1, 1), b"\1", kind=3), onnx_integers(b"sizes", 1, 2**21, 1),
        ),
        "QuantizeLinear with NaN scales": folded(
            [onnx_node(b"QuantizeLinear", (b"a", b"s"), b"x"), onnx_node(b"DequantizeLinear", (b"x", b"s"), b"R")], nan
        ),
        "Split in 200,000 parts": lambda: folded([onnx_node(b"Split", (b"a",), b"R", more=many)]),
        "Split in 50,000 parts that are added": lambda: folded(
            [onnx_node(b"Split", (b"wide",), b"o0", more=many[1:50_000]), onnx_node(b"Concat", many[:50_000], b"R", (b"axis", 0))],
            onnx_tensor(b"wide", (50_000,), bytes(200_000)),
        ),
        "500 sums of 16 MB": folded([*chain, onnx_node(b"Identity", (b"e500",), b"R")], one, onnx_integers(b"sizes", 1, 2**20, 1)),
        "LSTMs of 500 weights of 4 MB": lambda: onnx_model(
            [*chain, *(onnx_node(b"LSTM", (b"X", b"e%d" % i, b"e%d" % i), b"%d" % i) for i in range(500))],
            [one, onnx_integers(b"sizes", 1, 2**20, 1)],
        ),
        "states of 60 doublings of indices": folded(
            [*back, onnx_node(b"Foo", (b"X",), b"g"), onnx_node(b"Cast", (b"g60",), b"h", (b"to", 1))],
            onnx_tensor(b"R", (1, 4, 1), bytes(16)), onnx_integers(b"g0", 0, 0),
        ),
        "2,000 states behind 20,000 nodes": lambda: onnx_model(
            [
                *foreign,
                *(onnx_node(b"Identity", (b"f20000",), b"h%d" % i) for i in range(2000)),
                *(onnx_node(b"LSTM", (b"X", b"a", b"a", b"", b"", b"h%d" % i), b"%d" % i) for i in range(2000)),
            ],
            [onnx_tensor(b"a", (1, 4, 1), bytes(16)), onnx_tensor(b"f0", (1,), bytes(4))],
        ),
        "a state of 100,000 axes": folded(
            [onnx_node(b"Shape", (b"X",), b"n"), onnx_node(b"Expand", (b"n", b"sizes"), b"sz"), onnx_node(b"Reshape", (b"one", b"sz"), b"h")],
            one, onnx_integers(b"sizes", 100_000, 1), onnx_tensor(b"R", (1, 4, 1), bytes(16)),
        ),
        "lengths of 2**40 sequences": folded(
            [onnx_node(b"Expand", (b"three", b"many"), b"h")], onnx_integers(b"three", 3, kind=6), onnx_integers(b"many", 2**40)
        ),
        "100,000 declared shapes": lambda: message([
            (1, VARINT, 10),
            (7, BYTES, message([
                *((1, BYTES, message(node)) for node in [*steps * 500, onnx_node(b"LSTM", (b"X", b"a", b"a", b"", b"", b"b"), b"Y")]),
                (5, BYTES, message(onnx_tensor(b"a", (1, 4, 1), bytes(16)))),
                *((13, BYTES, message([(1, BYTES, b"v%d" % i)])) for i in range(100_000)),
            ])),
            (8, BYTES, message([(2, VARINT, 22)])),
        ]),
    }  # fmt: skip


if "onnx" in FORMATS:
    attacks("ONNX", EITHER)(onnx_attacks)
    attacks("ONNX", EITHER)(dynamic_attacks)
    attacks("ONNX", EITHER)(folding_attacks)
if "keras" in FORMATS:
    attacks("Keras", EITHER)(keras_attacks)

import attacks_shards  # noqa: E402, F401  (which registers its own)
