"""Pickles are read as Python reads them, except that nothing which they name is run."""

import collections
import contextlib
import copy
import datetime
import enum
import functools
import io
import json
import pathlib
import pickle
import pickletools
import random
import struct
import subprocess
import sys

import numpy as np
import pytest
from hostile_pickles import canary_opcodes, number, outside_opcodes, text

from pylstm.files import Record, WeightFileError
from pylstm.files.base.source import Segment, open_source
from pylstm.files.base.tensor import Arrays, Storage, Tensor
from pylstm.files.formats import torch_legacy
from pylstm.files.formats.pickled import read
from pylstm.files.unpickle import Budget, StorageId, StorageType, StorageView, storage_id, unpickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
DUMPS = {"C": pickle.dumps, "Python": pickle._dumps}


def load(data, make=None):
    return read(open_source(data), make or Arrays())


def refusal(data):
    with pytest.raises(WeightFileError) as caught:
        load(data)
    assert caught.value.file == "<bytes>"
    return caught.value.reason


def same(a, b):
    """Equal in values, types and identities; cycles are fine."""
    pairs, met = [(a, b)], {}
    while pairs:
        a, b = pairs.pop()
        if type(a) is not type(b):
            return False
        if isinstance(a, (list, tuple, dict, set, frozenset)) and a not in ((), frozenset()):
            if id(a) in met:
                if met[id(a)] is not b:
                    return False
                continue
            met[id(a)] = b
        if isinstance(a, (list, tuple)):
            pairs += zip(a, b, strict=True) if len(a) == len(b) else [(0, 1)]
        elif isinstance(a, dict):
            if list(a) != list(b):
                return False
            pairs += zip(a.values(), b.values(), strict=True)
        elif a != b and (a == a or b == b):  # NaN
            return False
    return True


# ------------------------------------------------------------------------------------ plain data


def plain_value(rng, depth):
    kind = rng.randrange(22 if depth else 14)
    simple = [
        lambda: None,
        lambda: rng.random() < 0.5,
        lambda: rng.randrange(-(2**8), 2**8),
        lambda: rng.randrange(-(2**33), 2**33),
        lambda: rng.getrandbits(rng.randrange(1, 3000)) - 2**70,
        lambda: rng.uniform(-1e9, 1e9),
        lambda: rng.choice([0.0, -0.0, 1e300, 5e-324, float("inf"), float("nan")]),
        lambda: "".join(rng.choices("ab \n\\'\"\tä€\U0001f600\ud800\0", k=rng.randrange(9))),
        lambda: "x" * rng.randrange(1000),
        lambda: rng.randbytes(rng.randrange(9)),
        lambda: rng.randbytes(rng.choice([255, 256, 5000])),
        lambda: bytearray(rng.randbytes(rng.randrange(9))),
        lambda: complex(rng.random(), rng.random()),
        lambda: range(rng.randrange(9), 100, 3),
    ]
    if kind < len(simple):
        return simple[kind]()
    items = [plain_value(rng, depth - 1) for _ in range(rng.randrange(6))]
    keys = [plain_key(rng) for _ in items]
    return [
        lambda: items,
        lambda: tuple(items),
        lambda: dict(zip(keys, items, strict=True)),
        lambda: collections.OrderedDict(zip(keys, items, strict=True)),
        lambda: set(keys),
        lambda: frozenset(keys),
        lambda: [items, items, tuple(items)],
        lambda: [*items, items],
    ][kind - len(simple)]()


def plain_key(rng):
    return rng.choice(
        [
            rng.random(),
            rng.randrange(-9, 9),
            "k" * rng.randrange(400),
            b"k",
            None,
            True,
            (1, ("a",)),
            2**70,
        ]
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dumps", DUMPS.values(), ids=list(DUMPS))
def test_plain_data_are_what_pickle_makes_of_them(protocol, dumps):
    rng = random.Random(protocol)
    for _ in range(300):
        value = plain_value(rng, 4)
        data = dumps(value, protocol)
        assert same(pickle.loads(data), load(data)), data
        assert same(pickle.loads(data), load(pickletools.optimize(data)))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_long_containers_come_in_batches(protocol):
    value = [
        list(range(-5, 5000)),
        {str(i): i for i in range(5000)},
        dict.fromkeys(range(3000)),
    ]
    if protocol >= 4:
        value += [set(range(3000)), frozenset(map(str, range(3000)))]
    assert load(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_cycles_and_shared_parts_stay(protocol):
    inner = {}
    value = [inner, inner, (inner,)]
    inner["outer"] = value
    read_back = load(pickle.dumps(value, protocol))
    assert read_back[0] is read_back[1] is read_back[2][0]
    assert read_back[0]["outer"] is read_back


def test_strings_of_python_2_are_text_if_they_can_be():
    assert load(b"S'abc\\n\\x41\\\\'\n.") == "abc\nA\\"
    assert load(b'S"it\'s"\n.') == "it's"
    assert load(b"U\x02\xc3\xa9.") == "é"
    assert load(b"U\x02\xff\xfe.") == b"\xff\xfe"
    assert load(b"T\x03\0\0\0abc.") == "abc"
    assert load(b"T\x88\x13\0\0" + b"a" * 5000 + b".") == "a" * 5000
    assert load(b"T\x88\x13\0\0" + b"\xff" * 5000 + b".") == b"\xff" * 5000
    assert "escape" in refusal(b"S'\\q'\n.")
    assert "quotes" in refusal(b"S'abc\n.")


def test_old_integers_and_booleans():
    assert load(b"(I01\nI00\nI1\nL12L\nL-3\nF1.5\nl.") == [True, False, 1, 12, -3, 1.5]
    for line in (b"I0x10\n", b"I1_0\n", b"L\n", b"I \n", b"Fabc\n", b"F1_0\n"[:0] + b"I1e3\n"):
        assert "number" in refusal(line + b".")


def test_the_end_of_each_pickle_is_found():
    data = pickle.dumps([1, "a" * 70000]) + pickle.dumps({"b": 2}, 0) + b"rest"
    content = Segment(open_source(data), 0, len(data), "two")
    first, end = unpickle(content, file="f", make=Arrays())
    second, end = unpickle(content, file="f", make=Arrays(), start=end)
    assert first == [1, "a" * 70000] and second == {"b": 2} and data[end:] == b"rest"


def test_every_truncation_is_refused():
    for protocol in PROTOCOLS:
        data = pickle.dumps(
            [1, 2.5, "text", b"bytes", (1,), {"a": None}, 2**70, np.ones(2)], protocol
        )
        for length in range(len(data)):
            refusal(data[:length])


# --------------------------------------------------------------------------------------- classes


class Plain:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class Slots:
    __slots__ = ("a", "b")


class SlotsAndMore(Slots):
    pass


class WithArguments:
    def __new__(cls, *args, **keywords):
        return super().__new__(cls)

    def __getnewargs_ex__(self):
        return (1, 2), {"key": 3}


class Reduced:
    def __init__(self, listed, keyed):
        self.listed, self.keyed = listed, keyed

    def __reduce__(self):
        listed = iter(self.listed) if self.listed else None
        keyed = iter(self.keyed.items()) if self.keyed else None
        return Plain, (1, "two"), {"state": 3}, listed, keyed


class MyList(list):
    pass


class MyDict(dict):
    pass


class MySet(set):
    pass


class Colour(enum.Enum):
    RED = 1


Point = collections.namedtuple("Point", "x y")


def records(value, protocol):
    """The record of an object; its class must not be asked for anything."""
    record = load(pickle.dumps(value, protocol))
    assert type(record) is Record
    return record


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_objects_become_records(protocol):
    record = records(Plain(a=1, nested=[Plain()]), protocol)
    assert record.class_name == f"{__name__}.Plain"
    assert record.state["a"] == 1 and record.state["nested"][0].class_name == record.class_name
    assert repr(record) == f"<Record of {__name__}.Plain>"


@pytest.mark.parametrize("protocol", PROTOCOLS[2:])
def test_slots_are_state(protocol):
    value = Slots()
    value.a = 1
    assert records(value, protocol).state == {"a": 1}
    value = SlotsAndMore()
    value.a = 1
    assert records(value, protocol).state == {"a": 1}
    value.more = 2
    assert records(value, protocol).state == ({"more": 2}, {"a": 1})


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_subclasses_of_containers_keep_their_items(protocol):
    for value, items in (
        (MyList([1, 2]), [1, 2]),
        (MyDict(a=1), {"a": 1}),
        (collections.deque([1, 2]), [1, 2]),
    ):
        record = records(value, protocol)
        assert record.class_name.endswith(type(value).__name__) and record.items == items
    members = records(MySet([1]), protocol)
    assert members.items == [1] or members.args == ([1],)


def test_arguments_and_state_are_kept():
    record = records(WithArguments(), 4)
    assert record.args == (1, 2, {"key": 3})
    record = load(pickle.dumps(WithArguments(), 2))  # a partial that is called
    assert record.class_name == "operator.call"
    assert record.args[0].class_name == "functools.partial"
    record = records(functools.partial(int, "7", base=8), 4)
    assert record.class_name == "functools.partial" and record.args[0].class_name == "builtins.int"
    assert records(Point(1, 2), 2).args == (1, 2)
    assert records(datetime.date(2020, 1, 2), 4).class_name == "datetime.date"
    path = pathlib.PurePosixPath("a/b")  # from Python 3.14 on its argument is one text
    assert records(path, 4).args == path.__reduce__()[1]
    assert load(pickle.dumps(Colour.RED, 4)).class_name in (
        f"{__name__}.Colour",
        "builtins.getattr",
    )


def test_reduce_with_all_parts():
    record = records(Reduced([4, 5], None), 4)
    assert record.class_name == f"{__name__}.Plain" and record.args == (1, "two")
    assert record.state == {"state": 3} and record.items == [4, 5]
    assert records(Reduced(None, {"six": 6}), 4).items == {"six": 6}
    # No class of Python's library has items of both kinds.
    assert "sets items of a list" in refusal(pickle.dumps(Reduced([4], {"six": 6})))


def test_unknown_names_are_themselves():
    first, second, other = load(pickle.dumps([Plain, Plain, len], 4))
    assert first is second and isinstance(first, Record)
    assert first.class_name == f"{__name__}.Plain" and other.class_name == "builtins.len"
    assert repr(first) == f"<{__name__}.Plain>"
    assert "state of the name" in refusal(b"ca\nb\n}b.")
    assert "appends" in refusal(b"ca\nb\nNa.")


def test_records_serve_as_keys():
    value = load(pickle.dumps({Plain(): 1, Colour.RED: 2, len: 3}, 4))
    assert all(isinstance(key, Record) for key in value) and list(value.values()) == [1, 2, 3]


def test_state_dicts_keep_their_versions_and_nothing_else():
    value = collections.OrderedDict(a=1)
    value._metadata = collections.OrderedDict({"": {"version": 1}})
    for protocol in PROTOCOLS:
        assert vars(load(pickle.dumps(value, protocol))) == {"_metadata": value._metadata}
    hidden = text("items") + b"K\1" + text("_metadata") + b"}"
    value = load(b"ccollections\nOrderedDict\n)R}(" + hidden + b"ub.")
    assert vars(value) == {"_metadata": {}} and list(value.items()) == []
    assert "state of a dict" in refusal(b"}}b.")


def test_containers_of_the_library():
    for protocol in PROTOCOLS:
        default = collections.defaultdict(list, {"a": [1]})
        value = [
            default,
            collections.Counter("aab"),
            collections.Counter(),
            bytearray(b"\xff"),
            b"",
        ]
        read_back = load(pickle.dumps(value, protocol))
        assert read_back == [{"a": [1]}, {"a": 2, "b": 1}, {}, bytearray(b"\xff"), b""]
        assert [type(part) for part in read_back] == [dict, dict, dict, bytearray, bytes]
    # As Python 2 wrote it.
    value = load(b"ccollections\nOrderedDict\n((lp1\n(lp2\nS'a'\naI1\naatR.")
    assert value == collections.OrderedDict(a=1) and type(value) is collections.OrderedDict


@pytest.mark.parametrize(
    "call",
    [
        b"ccollections\nOrderedDict\nK\1\x85R",
        b"ccollections\nOrderedDict\n](K\1K\2e\x85R",
        b"ccollections\nCounter\nK\1\x85R",
        b"cbuiltins\nset\nK\1\x85R",
        b"cbuiltins\nset\n](]e\x85R",
        b"cbuiltins\nfrozenset\nK\1\x85R",
        b"cbuiltins\nbytes\nK\1\x85R",
        b"cbuiltins\nbytearray\nK\1\x85R",
        b"cbuiltins\ncomplex\nK\1K\1\x86R",
        b"cbuiltins\nrange\nK\1K\2K\0\x87R",
        b"cbuiltins\nrange\n)R",
        b"cbuiltins\nslice\n)R",
        b"c_codecs\nencode\nX\3\0\0\0\xe2\x82\xacX\6\0\0\0latin1\x86R",
        b"ccopyreg\n_reconstructor\n)R",
        b"ccopyreg\n__newobj__\n)R",
        b"ctorch\nSize\nK\1\x85R",
        b"ctorch\ndevice\nK\1\x85R",
        b"ctorch.serialization\n_get_layout\nK\1\x85R",
        b"ctorch._utils\n_rebuild_tensor_v2\nNK\0))\x89}tR",
        b"ctorch._utils\n_rebuild_tensor_v3\n)R",
        b"ctorch._utils\n_rebuild_parameter\n)R",
        b"cnumpy.core.multiarray\n_reconstruct\n)R",
        b"ca\nb\n]R",
        b"N)R",
    ],
)
def test_calls_with_wrong_arguments_are_refused(call):
    refusal((b"(" + call if b"tR" in call else call) + b".")


# ------------------------------------------------------------------------------- running nothing


@pytest.mark.parametrize("name", canary_opcodes(""))
def test_no_opcode_runs_anything(name, tmp_path):
    canary = tmp_path / "canary"
    data = canary_opcodes(str(canary))[name]
    with contextlib.suppress(WeightFileError):
        load(data)
    assert not canary.exists()


AUDITED = """
import sys
sys.path[:0] = sys.argv[2:]
from hostile_pickles import canary_opcodes
from pylstm.files import WeightFileError
from pylstm.files.formats import pickled, torch_legacy
from pylstm.files.base.source import open_source
from pylstm.files.base.tensor import Arrays

def read_all():
    for data in canary_opcodes(sys.argv[1]).values():
        try:
            pickled.read(open_source(data), Arrays())
        except WeightFileError as error:
            str(error)

read_all()
events = []
sys.addaudithook(lambda event, arguments: events.append((event, arguments)))
read_all()
print(events)
"""


def test_reading_raises_no_audit_event(tmp_path):
    # Import, open, exec, a subprocess, pickle.find_class: Python announces all of them.
    command = [sys.executable, "-c", AUDITED, str(tmp_path / "canary"), *sys.path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", outside_opcodes())
def test_opcodes_that_reach_outside_are_refused(name):
    refusal(outside_opcodes()[name])


@pytest.mark.parametrize(
    "data",
    [b"", b".", b"0.", b"1.", b"2.", b"a.", b"Na.", b"(a.", b"]Ne.", b"N(u.", b"t.", b"R.", b"NR.",
     b"b.", b"Nb.", b"\x85.", b"N\x86.", b"NN\x87.", b"\x94.", b"h\0.", b"Nq\0h\1.", b"Ng-1\n.", b"Np-1\n.",
     b"o.", b"(o.", b"ia\nb\n.", b"\x93.", b"NN\x93.", b"(K\1d.", b"](K\1K\2u.", b"}(K\1e.", b"](K\1\x90.",
     b"X\1\0\0\0\xff.", b"V\\ud8\n.", b"c\xff\na\n.", b"}]Ns.", b"}}Ns.", b"\x8f(]\x90.", b"([\x91."],
    ids=repr,
)  # fmt: skip
def test_damaged_pickles_are_refused(data):
    refusal(data)


def test_arrays_in_the_place_of_a_text_are_compared_with_none():
    array = pickle.dumps(np.arange(3.0), 2)[2:-1]
    refusal(b"c_codecs\nencode\n" + text("x") + array + b"\x86R.")
    assert load(array_pickle(order=array)).class_name == "numpy.ndarray"
    assert load(array_pickle(fortran=array)).class_name == "numpy.ndarray"
    with pytest.raises(WeightFileError):
        torch_legacy.read(
            open_source(pickle.dumps(0x1950A86A20F9469CFC6C) + array + b"."), Arrays()
        )


def test_a_program_may_allow_few_digits():
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        for data in (
            b"L" + b"9" * 700 + b"L\n.",
            b"Np" + b"9" * 600 + b"\n.",
            b"Ng" + b"9" * 600 + b"\n.",
        ):
            refusal(data)
    finally:
        sys.set_int_max_str_digits(before)


def test_messages_say_where_and_never_fail_to_print():
    assert refusal(b"NNN\xff.") == "the pickle, at byte 4: opcode b'\\xff' is none that is read"
    for data in (b"c\xed\xa0\x80\nb\n}b.", b"L" + b"9" * 4000 + b"\n}b.", b"r" + b"\xff" * 4):
        str(refusal(data)).encode("ascii", "backslashreplace")


# ------------------------------------------------------------------------------------------ keys


def test_keys_that_cannot_be_hashed_are_kept_in_a_record():
    # Optimizers use parameters as keys; torch hashes those by identity, NumPy not at all.
    array = pickle.dumps(np.arange(3.0), 2)[2:-1]
    for data in (b"}" + array + b"K\7s.", b"}" + array + b"K\1\x86K\7s."):
        ((key, value),) = load(data).items()
        assert type(key) is Record and key.class_name == "key" and value == 7
        (kept,) = key.args
        kept = kept[0] if type(kept) is tuple else kept
        assert np.array_equal(kept, np.arange(3.0))
    described = load(b"}" + array + b"K\7s.", make=lambda tensor: tensor)
    assert [type(key) for key in described] == [Tensor]
    (member,) = load(b"\x8f(" + array + b"\x90.")
    assert member.class_name == "key"


@pytest.mark.parametrize("protocol", (2, 4))
def test_many_honest_keys(protocol):
    rng = random.Random(protocol)
    shuffled = list(range(20_000))
    rng.shuffle(shuffled)
    for keys in (
        range(60_000),
        range(1, 60_000),
        range(-1, 60_000),
        shuffled,
        [rng.random() for _ in range(10_000)],
        [f"word {index}" for index in range(50_000)],
        [(f"word {index}", "b") for index in range(30_000)],
        [(row, column) for row in range(64) for column in range(64)],
        [np.int64(index) for index in range(5000)],
    ):
        value = dict.fromkeys(keys, True)
        assert load(pickle.dumps(value, protocol)) == value


# ---------------------------------------------------------------------------------------- arrays

DTYPES = ["f8", "f4", "f2", "c16", "c8", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "b1"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("order", "<>")
def test_arrays_of_every_dtype_and_layout(protocol, order):
    rng = np.random.default_rng(0)
    value = {}
    for code in DTYPES:
        array = (rng.standard_normal((3, 4, 5)) * 50).astype(order + code)
        value[code] = [
            array,
            np.asfortranarray(array),
            array[::2, 1:, ::-1],
            array[0, 0, 0, ...],
            array[:0],
            np.ascontiguousarray(array).ravel(),
            array[1, 2, 3],
            np.resize(array, (40, 50)),
        ]
    read_back = load(pickle.dumps(value, protocol))
    assert list(read_back) == list(value)
    for code, arrays in value.items():
        for array, again in zip(arrays, read_back[code], strict=True):
            assert type(again) is type(array) and again.dtype == np.dtype(code)
            assert np.array_equal(again, array) and again.shape == array.shape
            if isinstance(again, np.ndarray):
                assert again.flags.writeable
                assert again.flags.f_contiguous == array.flags.f_contiguous


def test_shared_arrays_stay_one():
    array = np.arange(4)
    for protocol in PROTOCOLS:
        first, (second,) = load(pickle.dumps([array, (array,)], protocol))
        assert first is second


def test_other_arrays_are_records():
    others = [
        np.array([{}, None]),
        np.array(["a", "bc"]),
        np.array([b"a"]),
        np.zeros(2, "i4,f4"),
        np.array(["2020-01-01"], "datetime64[D]"),
        np.zeros(1, np.longdouble),
    ]
    for protocol in PROTOCOLS:
        for record in load(pickle.dumps(others, protocol)):
            assert type(record).__mro__[-2] is Record and record.class_name == "numpy.ndarray"
        scalar = load(pickle.dumps(np.datetime64("2020"), protocol))
        assert scalar.class_name == "numpy._core.multiarray.scalar"
    assert load(pickle.dumps(np.random.RandomState(1))).args
    assert load(pickle.dumps(np.dtype(">f4"))) == np.dtype(">f4")
    assert load(pickle.dumps(np.dtype("O"))).class_name == "numpy.dtype"


def array_pickle(
    shape=b"K\2\x85", dtype=b"S'f4'\n", order=b"S'<'\n", fortran=b"\x89", data=b"C\x08" + bytes(8)
):
    """A one-array pickle put together by hand."""
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\1b\x87R(K\1"
        + shape
        + b"cnumpy\ndtype\n"
        + dtype
        + b"\x89\x88\x87R(K\3"
        + order
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
        + fortran
        + data
        + b"tb."
    )


def test_arrays_of_python_2():
    values = np.array([1.5, -2e30], "f4")
    raw = values.tobytes()
    assert np.array_equal(load(array_pickle(data=b"U\x08" + raw)), values)
    assert load(array_pickle(data=b"U\x08abcdefgh")).tobytes() == b"abcdefgh"
    raw = np.arange(2000, dtype="f4").tobytes()
    shape = b"M" + struct.pack("<H", 2000) + b"\x85"
    read_back = load(array_pickle(shape, data=b"T" + struct.pack("<i", 8000) + raw))
    assert np.array_equal(read_back, np.arange(2000))


@pytest.mark.parametrize(
    "parts",
    [
        {"shape": b"K\3\x85"},
        {"shape": b"K\1\x85"},
        {"shape": b"J\xff\xff\xff\xff\x85"},
        {"shape": number(2**61) + number(2**61) + b"\x86"},
        {"shape": number(2**62) + b"\x85", "data": b"C\0"},
        {"shape": number(2**62) + b"K\0\x86", "data": b"C\0"},
        {"shape": b"N\x85"},
        {"shape": b"\x88\x85", "data": b"C\x04abcd"},
        {"shape": b"G" + bytes(8) + b"\x85"},
        {"shape": b"(" + b"K\1" * 65 + b"t", "data": b"C\x04abcd"},
        {"data": b"N"},
        {"data": b"]"},
        {"data": b"C\x07" + bytes(7)},
        {"dtype": b"S'c16'\n"},
    ],
    ids=repr,
)
def test_arrays_that_do_not_fit_their_data_are_refused(parts):
    assert load(array_pickle()).shape == (2,)
    refusal(array_pickle(**parts))


@pytest.mark.parametrize(
    "parts",
    [
        {"dtype": b"S'O'\n"},
        {"dtype": b"S'O8'\n"},
        {"dtype": b"S'V999999999999'\n"},
        {"dtype": b"S'f4,f4'\n"},
        {"dtype": b"S'(2147483647,2147483647)f8'\n"},
        {"dtype": b"K\1"},
        {"order": b"S'?'\n"},
        {"order": b"N"},
        {"shape": b"N"},
        {"shape": b"]"},
    ],
    ids=repr,
)
def test_arrays_of_other_kinds_are_records(parts):
    assert load(array_pickle(**parts)).class_name == "numpy.ndarray"


# ------------------------------------------------------------------------- bytes left in the file


class Counted(io.BytesIO):
    """A file that counts what is read of it."""

    count = 0

    def readinto(self, buffer):
        got = super().readinto(buffer)
        self.count += got
        return got


@pytest.mark.parametrize("protocol", (3, 4, 5))
def test_arrays_are_read_when_they_are_needed(protocol):
    value = {"skipped": np.zeros(1_000_000), "weight": np.arange(1000.0)}
    file = Counted(pickle.dumps(value, protocol))
    tree = read(open_source(file), lambda tensor: tensor)
    assert np.array_equal(tree["weight"].read(), value["weight"])
    assert file.count < 250_000


def test_arrays_can_be_mapped(tmp_path):
    path = tmp_path / "weights"
    value = {"weight": np.arange(10_000.0), "small": np.arange(3)}
    path.write_bytes(pickle.dumps(value))
    with open_source(path) as source:
        tree = read(source, Arrays(mapped=True))
    assert np.array_equal(tree["weight"], value["weight"]) and not tree["weight"].flags.writeable
    assert np.array_equal(tree["small"], value["small"])


def test_long_bytes_that_are_no_array_are_read_after_all():
    for protocol in PROTOCOLS:
        array = np.arange(5000)
        value = [b"a" * 5000, bytearray(b"b" * 5000), array, b"c" * 5000, array]
        read_back = load(pickle.dumps(value, protocol))
        assert same(value[:2], read_back[:2]) and same(value[3], read_back[3])
        assert np.array_equal(read_back[2], array) and read_back[2] is read_back[4]
    assert load(pickle.dumps({b"k" * 5000: 1})) == {b"k" * 5000: 1}


def test_many_arrays_of_the_same_bytes_share_them():
    # Of 100 KB, a thousand arrays would be 100 MB: more than a file of this size may become.
    size = struct.pack("<I", 100_000)
    one = array_pickle(
        b"J" + size + b"\x85", b"S'u1'\n", b"S'|'\n", data=b"B" + size + bytes(100_000)
    )
    head, tail = one[: one.index(b"R(") + 1], one[one.index(b"R(") + 1 :]
    data = b"(" + head + b"q\1" + tail[:-2] + b"q\2b" + (head + b"h\2b") * 1000 + b"l."
    arrays = load(data)
    assert len(arrays) == 1001 and len({array.ctypes.data for array in arrays}) == 1
    small = array_pickle(data=b"C\x08" + bytes(8))
    assert load(small).nbytes == 8


# ------------------------------------------------------------------------------- torch's storages

FLOATS = np.arange(10, dtype="<f4").tobytes()
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def load_tensors(data, content=FLOATS):
    """Read a pickle whose persistent ids all mean one storage."""
    storages = {}

    def persistent(identity):
        described = storage_id(identity)
        assert described is not None, identity
        source = open_source(content)
        storage = Storage("f", Segment(source, 0, source.size, "storage"), described.dtype)
        storage = storages.setdefault(described.key, storage)
        return StorageView(storage, *described.view) if described.view else storage

    segment = Segment(open_source(data), 0, len(data), "data.pkl")
    return unpickle(segment, file="f", make=Arrays(), persistent=persistent)[0]


def identity(kind="FloatStorage", view=b"", size=b"K\x0a", key="0"):
    location = text("cpu")
    return (
        b"("
        + text("storage")
        + f"ctorch\n{kind}\n".encode()
        + text(key)
        + location
        + size
        + view
        + b"tQ"
    )


def test_tensors_are_views_of_their_storage():
    shape = b"K\2K\3\x86K\3K\1\x86"
    data = b"(" + (REBUILD + b"(" + identity() + b"K\1" + shape + b"\x89}tR") * 2 + b"t."
    first, second = load_tensors(data)
    assert np.array_equal(first, np.arange(1.0, 7.0).reshape(2, 3)) and first.dtype == np.float32
    assert np.shares_memory(first, second)
    with pytest.raises(WeightFileError, match="reaches beyond"):
        load_tensors(REBUILD + b"(" + identity() + b"K\5" + shape + b"\x89}tR.")
    with pytest.raises(WeightFileError, match="offset -1"):
        load_tensors(REBUILD + b"(" + identity() + b"J\xff\xff\xff\xff" + shape + b"\x89}tR.")


def test_what_wraps_a_tensor_is_taken_off():
    tensor = REBUILD + b"(" + identity() + b"K\0K\2\x85K\1\x85\x89}tR"
    for data in (
        b"ctorch._utils\n_rebuild_parameter\n" + tensor + b"\x88}\x87R.",
        b"ctorch._utils\n_rebuild_parameter_with_state\n(" + tensor + b"\x88}}tR.",
        b"ctorch.nn.parameter\nParameter\n" + tensor + b"\x88\x86\x81.",
        b"ctorch.nn.parameter\nParameter\n" + tensor + b"\x85R\x88\x89}\x87b.",
        b"ctorch._tensor\n_rebuild_from_type_v2\n("
        + REBUILD
        + b"ca\nSub\n"
        + tensor[len(REBUILD) : -1]
        + b"}tR.",
        b"(ctorch.nn.parameter\nParameter\n" + tensor + b"o.",
    ):
        value = load_tensors(data)
        assert np.array_equal(value, [0, 1]), data
    record = load(b"ctorch.nn.parameter\nParameter\n)\x81.")
    assert record.class_name == "torch.nn.parameter.Parameter"


def test_other_dtypes_of_an_untyped_storage():
    def data(dtype, count, metadata=b""):
        tensor = (
            identity("UntypedStorage", size=b"K\x28")
            + b"K\0K"
            + bytes([count])
            + b"\x85K\1\x85\x89}"
        )
        return (
            b"ctorch._utils\n_rebuild_tensor_v3\n("
            + tensor
            + f"ctorch\n{dtype}\n".encode()
            + metadata
            + b"tR"
        )

    assert np.array_equal(load_tensors(data("float32", 10) + b"."), np.arange(10))
    both = load_tensors(b"(" + data("uint16", 20) * 2 + b"t.")
    assert both[0].dtype == np.uint16 and np.shares_memory(*both)
    with pytest.raises(WeightFileError, match="reaches beyond"):
        load_tensors(data("float32", 11) + b".")
    assert load_tensors(data("quint4x2", 2) + b".").class_name == "torch._utils._rebuild_tensor_v3"
    conjugate = load_tensors(data("complex64", 5, b"}" + text("conj") + b"\x88s") + b".")
    assert np.array_equal(conjugate, np.arange(10, dtype="f4").view("c8").conj())
    negative = load_tensors(data("float32", 10, b"}" + text("neg") + b"\x88s") + b".")
    assert np.array_equal(negative, -np.arange(10.0))
    unsigned = load_tensors(
        data("bool", 10, b"}" + text("neg") + b"\x88s" + text("conj") + b"\x88s") + b"."
    )
    assert unsigned.dtype == bool


def test_small_types_are_tuples_and_strings():
    for data, value in (
        (b"ctorch\nfloat32\n.", "torch.float32"),
        (b"ctorch\nSize\n(K\1K\2t\x85R.", (1, 2)),
        (b"ctorch\nSize\n](K\1K\2e\x85R.", (1, 2)),
        (b"ctorch\nSize\n)R.", ()),
        (b"ctorch\ndevice\n" + text("cpu") + b"\x85R.", "cpu"),
        (b"ctorch\ndevice\n" + text("cuda") + b"K\1\x86R.", "cuda:1"),
        (
            b"ctorch.serialization\n_get_layout\n" + text("torch.strided") + b"\x85R.",
            "torch.strided",
        ),
        (b"ctorch.jit._pickle\nbuild_intlist\n](K\1K\2e\x85R.", [1, 2]),
        (b"ctorch.jit._pickle\nrestore_type_tag\n]" + text("List[int]") + b"\x86R.", []),
    ):
        assert load(data) == value


def test_persistent_ids():
    kind = StorageType("torch.FloatStorage", "float32")
    assert storage_id(("storage", kind, "0", "cpu", 3)) == StorageId("float32", "0", 3)
    assert storage_id(("storage", kind, "0", "cpu", 3, None)) == StorageId("float32", "0", 3)
    viewed = storage_id(("storage", kind, "0", "cpu", 3, ("1", 1, 2)))
    assert viewed == StorageId("float32", "0", 3, (1, 2))
    for wrong in (
        None,
        ("storage",),
        ("module", kind, "0", "cpu", 3),
        ("storage", "torch.FloatStorage", "0", "cpu", 3),
        ("storage", Record("torch.FloatStorage"), "0", "cpu", 3),
        ("storage", kind, 0, "cpu", 3),
        ("storage", kind, "0", "cpu", -1),
        ("storage", kind, "0", "cpu", 2**62),
        ("storage", kind, "0", "cpu", "3"),
        ("storage", kind, "0", "cpu", 3, ("1", 2, 2)),
        ("storage", kind, "0", "cpu", 3, ("1", -1, 2)),
        ("storage", kind, "0", "cpu", 3, "1"),
        ("storage", kind, "0", "cpu", 3, None, None),
    ):
        assert storage_id(wrong) is None


# ------------------------------------------------------------------------------- memory and time

HEAVY = """
import gc, json, os, resource, sys, time
sys.path[:0] = sys.argv[2:]
from hostile_pickles import heavy
from timing import cpu_seconds, unit
from pylstm.files import WeightFileError
from pylstm.files.formats import pickled
from pylstm.files.base.source import open_source
from pylstm.files.base.tensor import Arrays

def in_use():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


outcomes = {}
pickled.read(open_source(b"N."), Arrays())
# AddressSanitizer keeps freed memory back.
limited = "asan" not in os.environ.get("LD_PRELOAD", "")
cases = heavy(int(sys.argv[1]))
gc.collect()
for name, (data, expected) in cases.items():
    limit = in_use() + 4 * len(data) + (64 << 20) if limited else resource.RLIM_INFINITY
    units = []
    while not units or (units[-1] >= 50 and len(units) < 3):  # as assert_units does
        one, started = cpu_seconds(unit), time.process_time()
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        try:
            tree = pickled.read(open_source(data), Arrays())
            outcome = "loaded"
        except WeightFileError as error:
            outcome = "refused"
        tree = None
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        units.append((time.process_time() - started) / one)
    outcomes[name] = expected, outcome, units[-1]
json.dump(outcomes, sys.stdout)
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="limits its memory by Linux's means"
)
def test_heavy_pickles_cost_no_more_than_their_size():
    size = 200_000
    command = [sys.executable, "-c", HEAVY, str(size), *sys.path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    for name, (expected, outcome, units) in json.loads(done.stdout).items():
        assert expected in (None, outcome), name
        assert units < 50, name


DEEP = """
import sys
sys.path[:0] = sys.argv[1:]
from pylstm.files.base.source import Segment, open_source
from pylstm.files.base.tensor import Arrays
from pylstm.files.unpickle import Budget, unpickle

depth = 100_000
for data in (
    b"N" + b"\\x85" * 10 * depth + b".",
    b"](" * depth + b"N" + b"e" * depth + b".",
    b"(N" * depth + b"N" + b"d" * depth + b".",
    b"ca\\nb\\nq\\0" + b"h\\0" * depth + b"N" + b"\\x85R" * depth + b".",
    b"ca\\nb\\n)R" + b"ca\\nb\\n)R" * depth + b"Nb" + b"b" * depth + b".",
    b"ca\\nb\\n)R" + b"ca\\nb\\n)R" * depth + b"Na" + b"a" * depth + b".",
):
    content = Segment(open_source(data), 0, len(data), "")
    tree, end = unpickle(content, file="f", make=Arrays(), budget=Budget(10**9))
    del tree
    print(end == len(data))
"""


def test_deep_nesting_is_built_and_freed():
    command = [sys.executable, "-c", DEEP, *sys.path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.split() == ["True"] * 6, done.stderr[-2000:]


def test_one_budget_serves_all_pickles_of_a_file():
    data = b"(" + b"N" * 100_000 + b"l."
    content = Segment(open_source(data), 0, len(data), "")
    budget = Budget(len(data))
    budget.memory = 10_000_000
    with pytest.raises(WeightFileError, match="too much memory"):
        for _ in range(100):
            unpickle(content, file="f", make=Arrays(), budget=budget)


def test_trees_can_be_copied_and_pickled():
    value = [Plain(a=1), len, np.dtype("O"), np.array(["a"]), {np.float32(1): Colour.RED}]
    tree = load(pickle.dumps(value, 4))
    for again in (copy.deepcopy(tree), pickle.loads(pickle.dumps(tree))):
        assert [record.class_name for record in again[:4]] == [
            record.class_name for record in tree[:4]
        ]
        assert again[0].state == {"a": 1} and again[3].state[1] == (1,)
