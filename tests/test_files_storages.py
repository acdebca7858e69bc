"""Storages that are saved as such are arrays of one axis, wherever they are in a tree."""

import io
import pickle
import struct
from collections import OrderedDict

import numpy as np
import pytest
from hostile_pickles import number, text
from weight_files import Entry, zip_archive

import pylstm
from pylstm.files import Record, WeightFileError
from pylstm.files.base.tensor import Tensor
from pylstm.files.open import open_weights

MAGIC = 0x1950A86A20F9469CFC6C
VALUES = np.arange(6, dtype="<f4")
BYTES = VALUES.view("u1")

VIEW = b"(" + text("part") + number(2) + number(3) + b"t"  # elements 2 to 4, in legacy files


def storage(kind="FloatStorage", numel=6, key="0", view=b""):
    """Opcodes of a storage by its persistent id."""
    module = "torch.storage" if kind == "UntypedStorage" else "torch"
    start = b"(" + text("storage") + f"c{module}\n{kind}\n".encode() + text(key) + text("cpu")
    return start + number(numel) + view + b"tQ"


def tensor(view=b""):
    """Opcodes of a (2,) tensor: the elements from the second on."""
    head = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage(view=view) + number(1)
    return head + number(2) + b"\x85" + number(1) + b"\x85\x89}tR"


def torch_zip(opcodes):
    entries = [Entry("archive/data.pkl", b"\x80\2" + opcodes + b".")]
    entries += [Entry("archive/data/0", VALUES.tobytes())]
    return zip_archive([*entries, Entry("archive/version", b"3\n")])


def torchscript(opcodes):
    entries = [Entry("archive/data.pkl", b"\x80\2" + opcodes + b".")]
    entries += [Entry("archive/data/0", VALUES.tobytes())]
    return zip_archive([*entries, Entry("archive/constants.pkl", b"\x80\2).")])


def legacy(opcodes):
    made = b"".join(pickle.dumps(each, 2) for each in (MAGIC, 1001, {})) + b"\x80\2" + opcodes
    return made + b"." + pickle.dumps(["0"], 2) + struct.pack("<q", 6) + VALUES.tobytes()


def in_bytes(opcodes):
    """A plain pickle with a legacy file in its bytes, as ``pickle.dump`` writes a storage."""
    inner = legacy(storage())
    call = b"ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(inner)) + inner + b"\x85R"
    return b"\x80\3" + opcodes.replace(storage(), call) + b"."


FORMS = {"zip": torch_zip, "TorchScript": torchscript, "legacy": legacy, "pickle": in_bytes}
every_form = pytest.mark.parametrize("form", FORMS)


def is_values(array, expected=VALUES):
    assert type(array) is np.ndarray
    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array, expected)
    return True


PLACES = {
    "root": (storage(), lambda tree: tree),
    "dict": (b"}" + text("a") + storage() + b"s", lambda tree: tree["a"]),
    "list": (b"]" + storage() + b"a", lambda tree: tree[0]),
    "tuple": (storage() + b"\x85", lambda tree: tree[0]),
    "tuple in tuples": (number(1) + storage() + b"\x86\x85\x85", lambda tree: tree[0][0][1]),
    "tuple in a list in a tuple": (
        b"]" + storage() + b"\x85a\x85",
        lambda tree: tree[0][0][0],
    ),
    "OrderedDict": (
        b"ccollections\nOrderedDict\n)R" + text("a") + storage() + b"s",
        lambda tree: tree["a"],
    ),
    "metadata of an OrderedDict": (
        b"ccollections\nOrderedDict\n)R}" + text("_metadata") + b"}" + text("a") + storage() + b"ssb",
        lambda tree: tree._metadata["a"],
    ),
    "arguments": (b"ca\nB\n" + storage() + b"\x85R", lambda tree: tree.args[0]),
    "state": (b"ca\nB\n)R" + storage() + b"b", lambda tree: tree.state),
    "state of slots": (b"ca\nB\n)RN}" + text("a") + storage() + b"s\x86b", lambda tree: tree.state["a"]),
    "items": (b"ca\nB\n)R" + storage() + b"a", lambda tree: tree.items[0]),
    "key": (b"}" + storage() + number(1) + b"s", lambda tree: next(iter(tree)).args[0]),
    "tuple as a key": (
        b"}" + storage() + b"\x85" + number(1) + b"s",
        lambda tree: next(iter(tree)).args[0][0],
    ),
    "member of a set": (b"(" + storage() + b"\x91", lambda tree: next(iter(tree)).args[0]),
    "a call of what was called": (
        b"ca\nB\n)R" + storage() + b"\x85R",
        lambda tree: tree.args[1],
    ),
    "a tensor of an unknown class": (
        b"ctorch._utils\n_rebuild_other\n(" + storage() + number(0) + b"tR",
        lambda tree: tree.args[0],
    ),
}  # fmt: skip


@every_form
@pytest.mark.parametrize("place", PLACES)
def test_a_storage_is_an_array(form, place):
    opcodes, find = PLACES[place]
    content = FORMS[form](opcodes)
    for mmap in (False, True):
        tree = pylstm.load(content, mmap=mmap)
        assert is_values(find(tree))
        assert pylstm.find_lstms({"tree": tree}) == []
    assert pylstm.find_lstms(content) == []
    with open_weights(content) as file:
        described = find(file.tree)
        assert isinstance(described, Tensor)
        assert is_values(described.read())


@pytest.mark.parametrize("form", ["zip", "legacy"])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("FloatStorage", VALUES),
        ("IntStorage", VALUES.view("<i4")),
        ("UntypedStorage", BYTES),
        ("BFloat16Storage", (VALUES.view("<u2").astype("<u4") << 16).view("<f4")),
        ("BoolStorage", BYTES != 0),
    ],
)
def test_the_kind_is_the_dtype(form, kind, expected):
    numel = 6 if form == "legacy" and expected.size == 6 else expected.size
    content = FORMS[form](b"}" + text("a") + storage(kind, numel) + b"s")
    if form == "legacy":
        content = content.replace(struct.pack("<q", 6), struct.pack("<q", numel))
    assert is_values(pylstm.load(content)["a"], expected)


def test_a_part_of_a_storage():
    tree = pylstm.load(legacy(b"]" + storage(view=VIEW) + b"a" + tensor(VIEW) + b"a"))
    assert is_values(tree[0], VALUES[2:5])
    assert is_values(tree[1], VALUES[3:5])
    assert np.shares_memory(*tree)


@every_form
def test_tensors_share_it(form):
    tree = pylstm.load(FORMS[form](b"](" + tensor() + storage() + storage() + b"e"))
    assert is_values(tree[0], VALUES[1:3])
    if form == "pickle":
        return  # each is a file of its own there
    assert np.shares_memory(tree[0], tree[1])
    assert tree[1] is tree[2]


def test_what_shares_a_tuple_still_does():
    opcodes = b"](" + storage() + b"\x85q\1" + b"h\1h\1\x85]h\1ae"
    one, two, (three,), (four,) = pylstm.load(torch_zip(opcodes))
    assert one is two is three is four
    assert is_values(one[0])


def test_cycles():
    # A list in a tuple, with that tuple and a storage in it.
    made = pylstm.load(torch_zip(b"]q\0" + storage() + b"\x86q\1h\0h\1a0"))
    inner, array = made
    assert inner[0] is made
    assert is_values(array)
    record = pylstm.load(torch_zip(b"ca\nB\n)Rq\0(h\0" + storage() + b"tb"))
    assert record.state[0] is record
    assert is_values(record.state[1])


@pytest.mark.parametrize("depth", [1000, 100_000])
def test_deep_tuples(depth):
    tree = pylstm.load(torch_zip(storage() + b"\x85" * depth))
    for _ in range(depth):
        (tree,) = tree
    assert is_values(tree)


def test_what_has_no_storage_is_what_it_was():
    tree = pylstm.load(torch_zip(tensor() + b"\x85q\0h\0\x86"))
    assert tree[0] is tree[1]
    other = pylstm.load(torch_zip(b"](" + storage() + b")q\0(K\1K\2tq\1h\0h\1e"))
    assert other[2] is other[4]


def test_containers_beside_a_storage_are_paid_for():
    """Looking for storages takes memory for each container; without one it is not done."""
    lists = b"]" * 300_000 + b"e"
    assert len(pylstm.load(torch_zip(b"](" + lists))) == 300_000
    with pytest.raises(WeightFileError, match="too much memory"):
        pylstm.load(torch_zip(b"](" + storage() + lists))


def test_an_object_with_a_storage_is_a_container_of_it():
    """The record of a sparse tensor, say: its parts are found by their names."""
    opcodes = b"}" + text("a") + b"ca\nB\n" + storage() + b"\x85Rs"
    with open_weights(torch_zip(opcodes)) as file:
        assert isinstance(file.tree["a"], Record)
        assert isinstance(file.tree["a"].args[0], Tensor)


def test_an_ordered_dict_without_storages_keeps_its_metadata():
    saved = io.BytesIO()
    pickle.dump(OrderedDict(a=1), saved)
    assert pylstm.load(saved.getvalue()) == OrderedDict(a=1)
