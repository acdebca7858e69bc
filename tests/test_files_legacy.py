"""Files of torch before 1.6, and torch's tensors that went through Python's own pickle."""

import contextlib
import io
import pickle
import struct
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hostile_pickles import canary_opcodes, text

from pylstm.files import Record, WeightFileError
from pylstm.files.base.source import open_source
from pylstm.files.base.tensor import Arrays, Tensor
from pylstm.files.formats import pickled, torch_legacy

FILES = Path(__file__).parent / "data" / "files"
MAGIC = 0x1950A86A20F9469CFC6C


def read(data, make=None):
    with open_source(data) as source:
        return torch_legacy.read(source, make or Arrays())


def refusal(data):
    with pytest.raises(WeightFileError) as caught:
        read(data)
    return str(caught.value)


def counted(*shape, start=0, dtype=np.float32):
    """As in record_legacy.py."""
    return ((np.arange(np.prod(shape)) + start) / 8).reshape(shape).astype(dtype)


def equal(array, expected):
    return array.dtype == expected.dtype and np.array_equal(array, expected)


LSTM_SHAPES = {
    name + suffix: shape
    for suffix in ("_l0", "_l0_reverse")
    for name, shape in (
        ("weight_ih", (12, 2)),
        ("weight_hh", (12, 3)),
        ("bias_ih", (12,)),
        ("bias_hh", (12,)),
    )
}


def is_counted_lstm(state):
    return list(state) == list(LSTM_SHAPES) and all(
        equal(state[name], counted(*shape, start=100 * index))
        for index, (name, shape) in enumerate(LSTM_SHAPES.items())
    )


# ---------------------------------------------------------------------------------- written by torch


def test_a_state_dict():
    state = read(FILES / "legacy_state_dict.pt")
    assert type(state) is OrderedDict and is_counted_lstm(state)
    assert state._metadata == {"": {"version": 1}}


@pytest.mark.parametrize("name", ["legacy_checkpoint.pt", "legacy_checkpoint_4.pt"])
@pytest.mark.parametrize("mapped", [False, True])
def test_a_checkpoint(name, mapped):
    tree = read(FILES / name, Arrays(mapped))
    assert tree["epoch"] == 3 and tree["loss"] == 0.125
    assert (
        tree["size"] == (2, 3) and tree["dtype"] == "torch.float16" and tree["device"] == "cuda:1"
    )
    assert is_counted_lstm(tree["state_dict"])
    assert tree["optimizer"]["param_groups"][0]["lr"] == 0.5
    assert tree["optimizer"]["state"][0]["exp_avg"].shape == (12, 2)
    flat = counted(40)
    views = [
        flat[8:],
        flat[2:32].reshape(5, 6),
        flat[2:32].reshape(5, 6).T,
        flat[::3],
        flat[7:8][0],
    ]
    for view, expected in zip(tree["views"], views, strict=True):
        assert equal(view, expected) and np.shares_memory(view, tree["flat"])
        assert view.flags.writeable is not mapped
    assert equal(tree["expanded"], np.array([flat[:3]] * 2)) and tree["expanded"].strides[0] == 0
    assert tree["empty"].shape == (0, 3)
    assert len(tree["dtypes"]) == 11
    for dtype, array in tree["dtypes"].items():
        name = dtype.removeprefix("torch.")
        expected = counted(2, 3, dtype="float32" if name == "bfloat16" else name)
        assert equal(array, expected)
    assert equal(tree["bool"], np.array([True, False, True]))
    assert equal(tree["conjugate"], np.array([1 - 2j, 3 + 4j], "complex64"))
    assert equal(tree["parameter"], counted(2))


def test_a_model_of_a_class_that_does_not_exist():
    model = read(FILES / "legacy_model.pt")
    assert type(model) is Record and model.class_name == "lost_project.models.Tagger"
    assert model.state["labels"] == ["a", "b"] and model.state["training"] is True
    assert model.state["_buffers"]["steps"] == 7
    modules = model.state["_modules"]
    assert equal(modules["embedding"].state["_parameters"]["weight"], counted(4, 2))
    assert modules["rnn"].class_name == "torch.nn.modules.rnn.LSTM"
    assert modules["rnn"].state["bidirectional"] is True
    assert is_counted_lstm(modules["rnn"].state["_parameters"])


@pytest.mark.parametrize("protocol", (2, 5))
def test_tensors_in_a_plain_pickle(protocol):
    data = (FILES / f"pickled_tensors_{protocol}.pkl").read_bytes()
    for make in (Arrays(), Arrays(mapped=True)):
        tree = pickled.read(open_source(data), make)
        assert equal(tree.pop("big"), counted(60, 20)) and is_counted_lstm(tree)
    described = pickled.read(open_source(data), lambda tensor: tensor)
    assert equal(described["big"].read(), counted(60, 20))


def test_only_what_is_needed_is_read(tmp_path):
    class Counted(io.BytesIO):
        count = 0

        def readinto(self, buffer):
            got = super().readinto(buffer)
            self.count += got
            return got

    raw = bytes(4_000_000)
    file = Counted(
        legacy(
            b"(" + tensor("a", 1_000_000) + tensor("b", 3) + b"t.",
            [("a", raw), ("b", np.arange(3, dtype="f4").tobytes())],
        )
    )
    first, second = torch_legacy.read(open_source(file), lambda tensor: tensor)
    assert type(first) is Tensor and first.shape == (1_000_000,)
    assert equal(second.read(), np.arange(3, dtype="f4"))
    assert file.count < 500_000


# -------------------------------------------------------------------------------- put together here

SYSTEM = {
    "protocol_version": 1001,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}


def legacy(tree, storages, *, protocol=2, system=SYSTEM, keys=None, itemsize=4):
    """A legacy file: the pickle of its tree, then (key, bytes) of each storage."""
    parts = [
        pickle.dumps(MAGIC, protocol),
        pickle.dumps(1001, protocol),
        pickle.dumps(system, protocol),
        tree,
    ]
    parts.append(pickle.dumps([key for key, _ in storages] if keys is None else keys, protocol))
    for _, raw in storages:
        parts += [struct.pack("<q", len(raw) // itemsize), raw]
    return b"".join(parts)


def storage(key, numel, view=b"N", kind="FloatStorage"):
    count = b"J" + struct.pack("<i", numel)
    return (
        b"("
        + text("storage")
        + f"ctorch\n{kind}\n".encode()
        + text(key)
        + text("cuda:0")
        + count
        + view
        + b"tQ"
    )


def tensor(key, numel, view=b"N", kind="FloatStorage", offset=0, size=None):
    """The opcodes of a flat tensor."""
    shape = b"J" + struct.pack("<i", numel if size is None else size) + b"\x85K\1\x85"
    start = b"J" + struct.pack("<i", offset)
    return (
        b"ctorch._utils\n_rebuild_tensor\n("
        + storage(key, numel, view, kind)
        + start
        + shape
        + b"tR"
    )


FLOATS = np.arange(8, dtype="<f4")


def test_views_of_old_files_are_parts_of_one_storage():
    def view(name, offset, size):
        return b"(" + text(name) + b"K" + bytes([offset]) + b"K" + bytes([size]) + b"t"

    data = b"(" + tensor("a", 8) + tensor("a", 8, view("v", 2, 5), offset=1, size=3)
    data += tensor("a", 8, view("v", 2, 5), size=5) + b"t."
    whole, part, rest = read(legacy(data, [("a", FLOATS.tobytes())]))
    assert equal(whole, FLOATS) and equal(part, FLOATS[3:6]) and equal(rest, FLOATS[2:7])
    assert np.shares_memory(whole, part) and np.shares_memory(part, rest)
    beyond = tensor("a", 8, view("v", 4, 5), size=1) + b"."
    assert "something else" in refusal(legacy(beyond, [("a", FLOATS.tobytes())]))


def test_bytes_are_little_endian_whatever_the_writer_was():
    # torch swaps the storages when it writes on a big-endian machine, and marks the machine.
    system = SYSTEM | {"little_endian": False}
    data = legacy(tensor("a", 8) + b".", [("a", FLOATS.tobytes())], system=system)
    assert equal(read(data), FLOATS)


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_of_the_frame(protocol):
    data = legacy(tensor("a", 8) + b".", [("a", FLOATS.tobytes())], protocol=protocol)
    assert equal(read(data), FLOATS)


def test_text_of_python_2():
    one = tensor("a", 8).replace(text("storage"), b"U\x07storage").replace(text("a"), b"U\1a")
    assert equal(read(legacy(one + b".", [("a", FLOATS.tobytes())])), FLOATS)


def test_modules_stand_for_their_class():
    source = text("model.py") + text("class Model: ...")
    data = (
        b"("
        + text("module")
        + b"cmodels\nModel\n"
        + source
        + b"tQ)\x81}"
        + text("w")
        + tensor("a", 8)
        + b"sb."
    )
    model = read(legacy(data, [("a", FLOATS.tobytes())]))
    assert model.class_name == "models.Model" and equal(model.state["w"], FLOATS)


def test_keys_stand_in_the_order_of_their_list():
    data = b"(" + tensor("b", 2) + tensor("a", 3) + tensor("c", 0) + b"t."
    raw = [("a", FLOATS[:3].tobytes()), ("b", FLOATS[4:6].tobytes()), ("c", b"")]
    first, second, third = read(legacy(data, raw))
    assert equal(first, FLOATS[4:6]) and equal(second, FLOATS[:3]) and third.shape == (0,)


A = ("a", FLOATS.tobytes())
B = ("b", FLOATS.tobytes())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (legacy(tensor("a", 8) + b".", [A])[:-1], "needs 32 bytes"),
        (legacy(tensor("a", 8) + b".", [A])[:-33], "needs 8 bytes"),
        (legacy(tensor("a", 8) + b".", []), "lacks one"),
        (legacy(tensor("a", 8) + b".", [A, B]), "no tensor"),
        (legacy(tensor("a", 8) + b".", [A, A]), "listed twice"),
        (legacy(tensor("a", 8) + b".", [A], keys=["b"]), "no tensor"),
        (legacy(tensor("a", 8) + b".", [A], keys=[["a"]]), "no tensor"),
        (legacy(tensor("a", 8) + b".", [A], keys={"a": 1}), "no list"),
        (legacy(tensor("a", 7) + b".", [A]), "not the 7 elements"),
        (legacy(tensor("a", 8) + b".", [A], itemsize=8), "not the 8 elements"),
        (legacy(tensor("a", 8, size=9) + b".", [A]), "reaches beyond"),
        (legacy(tensor("a", 8, offset=1) + b".", [A]), "reaches beyond"),
        (legacy(tensor("a", 8, offset=-1) + b".", [A]), "offset -1"),
        (legacy(tensor("a", 2**31 - 1) + b".", [A]), "needs 8589934588 bytes"),
        (
            legacy(b"(" + tensor("a", 8) + tensor("a", 8, kind="IntStorage") + b"t.", [A]),
            "two ways",
        ),
        (legacy(tensor("a", 8, kind="NoStorage") + b".", [A]), "something else"),
        (legacy(text("storage") + b"Q.", [A]), "something else"),
        (legacy(b"Pstorage\n.", [A]), "something else"),
        (legacy(b"ctorch._utils\n_rebuild_tensor\n(NK\0))tR.", []), "instead of a storage"),
        (pickle.dumps(MAGIC, 2) + pickle.dumps(1000, 2), "not a legacy file"),
        (pickle.dumps(MAGIC, 2) + pickle.dumps([1001], 2), "not a legacy file"),
        (pickle.dumps(MAGIC + 1, 2), "not a legacy file"),
        (pickle.dumps(MAGIC, 2), "ends before its STOP"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_damaged_files_are_refused(data, reason):
    assert reason in refusal(data)


def test_every_truncation_is_refused():
    data = (FILES / "legacy_state_dict.pt").read_bytes()
    for length in [*range(0, len(data), 7), len(data) - 1]:
        refusal(data[:length])


def test_nothing_is_run(tmp_path):
    canary = tmp_path / "canary"
    for data in canary_opcodes(str(canary)).values():
        for whole in (legacy(data, []), data, legacy(b"N.", []) + data):
            with contextlib.suppress(WeightFileError):
                read(whole)
    assert not canary.exists()


# --------------------------------------------------------------------------------- within a pickle


def load_bytes(data):
    return b"ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(data)) + data + b"\x85R"


def rebuild(storage_opcodes, size):
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage_opcodes
        + b"K\0"
        + size
        + b"\x85K\1\x85\x89}tR"
    )


def test_storages_within_a_pickle():
    inner = legacy(storage("a", 8) + b".", [A])
    value = pickled.read(open_source(rebuild(load_bytes(inner), b"K\x08") + b"."), Arrays())
    assert equal(value, FLOATS)


def test_long_storages_within_a_pickle_are_shared():
    floats = np.arange(25_000, dtype="<f4")
    inner = legacy(storage("a", 25_000) + b".", [("a", floats.tobytes())])
    # The bytes are one object of the memo: a thousand storages would be 100 MB.
    one = load_bytes(inner)
    data = b"(" + rebuild(one[:-2] + b"q\0\x85R", b"M\xa8\x61")
    data += rebuild(b"ctorch.storage\n_load_from_bytes\nh\0\x85R", b"M\xa8\x61") * 1000 + b"t."
    tensors = pickled.read(open_source(data), Arrays())
    assert all(np.shares_memory(tensors[0], other) for other in tensors[1:])
    assert equal(tensors[0], floats)


def test_what_else_may_be_within_a_pickle_is_refused():
    whole = legacy(tensor("a", 8) + b".", [A])
    nested = (
        pickle.dumps(MAGIC, 2)
        + pickle.dumps(1001, 2)
        + pickle.dumps({}, 2)
        + load_bytes(whole)
        + b"."
    )
    for inner in (b"", b"N.", whole, legacy(b"N.", []), nested):
        with pytest.raises(WeightFileError):
            pickled.read(open_source(rebuild(load_bytes(inner), b"K\x08") + b"."), Arrays())
    # Only a plain pickle holds files; in a file of torch the call is a record.
    assert read(legacy(load_bytes(whole) + b".", [])).class_name == "torch.storage._load_from_bytes"
