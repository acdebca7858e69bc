"""load(source, flat=True): all arrays of a file by dotted name, those below a prefix, one by one."""

import io
import pickle
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from file_trees import Counted, lazy, whole_module
from recorded_files import recorded_files
from support import with_parameters
from timing import assert_units

import pylstm
from pylstm import WeightFileError
from pylstm.files import Record, flat
from pylstm.files.base.named import NamedArrays
from pylstm.files.base.record import RecurrentLayer, Unsupported

FILES = Path(__file__).parent / "data" / "files"
ONE = np.arange(3, dtype=np.float32)


def opened(tree, size=1000, **beside):
    """What stands for an open file with this tree."""
    beside = {"arrays": {}, "unreadable": {}} | beside
    return SimpleNamespace(tree=tree, name="file", size=size, **beside)


def view(tree, prefix="", **beside):
    return flat.flat_view(opened(tree, **beside), prefix)


def names(tree, prefix="", **beside):
    return list(view(tree, prefix, **beside))


def refused(tree, prefix="", **beside):
    with pytest.raises(WeightFileError) as caught:
        view(tree, prefix, **beside)
    return str(caught.value)


# Every format ----------------------------------------------------------------------------------


def without_wrappers(path):
    return path.removeprefix("module.").removeprefix("_orig_mod.")


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("name", recorded_files())
def test_recorded_files(name, mmap, tmp_path):
    """State_dicts, checkpoints, whole modules, TorchScript: what the recorder says is in them."""
    file = recorded_files()[name]
    path = tmp_path / "file"
    path.write_bytes(file.content)
    loaded = pylstm.load(path, mmap=mmap, flat=True)
    extra = {"model.attention.mask"} if name.startswith("vanished") else set()
    assert set(loaded) - extra == {without_wrappers(path) for path in file.arrays}
    for path, array in file.arrays.items():
        assert loaded[without_wrappers(path)].tobytes() == array.tobytes()
        assert loaded[without_wrappers(path)].dtype == array.dtype


@pytest.mark.parametrize(
    "name", [n for n, f in recorded_files().items() if f.modules and n != "torch.bool"]
)
def test_each_module_of_a_recorded_file(name):
    """load_state_dict takes what is below the module's prefix; find_lstms finds the same."""
    content = recorded_files()[name].content
    everything = pylstm.load(content, flat=True)
    found = pylstm.find_lstms(content)
    again = pylstm.find_lstms(everything)
    assert [without_wrappers(each.prefix) for each in found] == [each.prefix for each in again]
    for each, same in zip(found, again, strict=True):
        kind = getattr(pylstm, each.kind)
        expected = kind.from_weights(content, each.prefix)
        module = kind.from_weights(everything, same.prefix)
        assert repr(module) == repr(expected)  # batch_first and dropout included
        assert same.assumed == each.assumed
        fresh = kind.from_weights(content, each.prefix)
        for parameter in fresh.parameters():
            parameter[...] = np.nan
        if each.prefix:
            state = pylstm.load(content, flat=True, prefix=each.prefix)
        else:
            state = pylstm.load(content, flat=True)
        # Some of the files have a module within the mapping of another one.
        alone = not any(
            other.prefix.startswith(f"{each.prefix}.") for other in found if each.prefix
        )
        fresh.load_state_dict(state, strict=alone and bool(each.prefix))
        for one in (module, fresh):
            for parameter, truth in zip(one.parameters(), expected.parameters(), strict=True):
                assert parameter.tobytes() == truth.tobytes()


@pytest.fixture
def states():
    encoder = with_parameters(pylstm.LSTM(3, 4, 2, bidirectional=True), 1)
    decoder = with_parameters(pylstm.LSTMCell(2, 3), 2)
    return {"encoder.rnn": encoder.state_dict(), "decoder": decoder.state_dict()}


def joined(states, separator="."):
    return {
        f"{prefix.replace('.', separator)}{separator}{name}": np.array(value)
        for prefix, state in states.items()
        for name, value in state.items()
    }


def nested(states):
    tree = {}
    for path, value in joined(states).items():
        *above, last = path.split(".")
        table = tree
        for name in above:
            table = table.setdefault(name, OrderedDict())
        table[last] = value
    return tree


def npz(mapping, savez=np.savez):
    file = io.BytesIO()
    savez(file, **mapping)
    return file.getvalue()


def saved(mapping, suffix, folder):
    pylstm.save(mapping, folder / f"saved{suffix}")
    return (folder / f"saved{suffix}").read_bytes()


WRITERS = {
    "torch": lambda states, folder: saved(joined(states), ".pt", folder),
    "torch, nested": lambda states, folder: saved(nested(states), ".pt", folder),
    "safetensors": lambda states, folder: saved(joined(states), ".safetensors", folder),
    "npz": lambda states, folder: npz(joined(states)),
    "npz, deflated": lambda states, folder: npz(joined(states), np.savez_compressed),
    "npz, slashes": lambda states, folder: npz(joined(states, "/")),
    "pickle": lambda states, folder: pickle.dumps(joined(states)),
    "pickle, nested": lambda states, folder: pickle.dumps(nested(states), 2),
}


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("format", WRITERS)
def test_formats(format, mmap, states, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(WRITERS[format](states, tmp_path))
    loaded = pylstm.load(path, mmap=mmap, flat=True)
    expected = joined(states)
    assert set(loaded) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(loaded[name], value, strict=True)
    for prefix, state in states.items():
        for spelled in (prefix, f"{prefix}."):
            part = pylstm.load(path, mmap=mmap, flat=True, prefix=spelled)
            assert sorted(part) == sorted(state)
            for name, value in state.items():
                np.testing.assert_array_equal(part[name], value, strict=True)
    encoder = pylstm.LSTM(3, 4, 2, bidirectional=True)
    encoder.load_state_dict(pylstm.load(path, mmap=mmap, flat=True, prefix="encoder.rnn"))
    assert (
        encoder.state_dict()["bias_hh_l1"].tobytes() == expected["encoder.rnn.bias_hh_l1"].tobytes()
    )
    # And into whatever takes a mapping.
    assert {found.prefix for found in pylstm.find_lstms(loaded)} == set(states)
    pylstm.save(loaded, tmp_path / "again.npz")
    assert set(pylstm.load(tmp_path / "again.npz")) == set(expected)


def test_a_file_of_one_array():
    file = io.BytesIO()
    np.save(file, ONE)
    for content in (file.getvalue(), pickle.dumps(ONE)):
        loaded = pylstm.load(content, flat=True)
        assert list(loaded) == ["array"]
        np.testing.assert_array_equal(loaded["array"], ONE)
        assert pylstm.load(content, mmap=True, flat=True)["array"].tolist() == [0, 1, 2]
        with pytest.raises(WeightFileError, match="there are 'array'"):
            pylstm.load(content, flat=True, prefix="array")


@pytest.mark.parametrize("name", ["legacy_checkpoint.pt", "legacy_model.pt"])
def test_files_of_torch_before_1_6(name):
    loaded = pylstm.load(FILES / name, flat=True)
    assert loaded
    assert all(type(each) is str for each in loaded)
    [first, *_] = pylstm.find_lstms(FILES / name)
    part = pylstm.load(FILES / name, flat=True, prefix=first.prefix)
    kind = getattr(pylstm, first.kind)
    module = kind.from_weights(FILES / name, first.prefix)
    assert module.load_state_dict(part).missing_keys == []


# Names ----------------------------------------------------------------------------------------


def test_names_of_containers():
    tree = {"a": [ONE, (ONE, {"b": ONE})], 3: ONE, "c": OrderedDict(d=ONE), "e": 1, "f": "text"}
    assert names(tree) == ["a.0", "a.1.0", "a.1.1.b", "3", "c.d"]


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"a/b": ONE}, ["a.b"]),
        ({"/a/b": ONE}, ["a.b"]),
        ({"a": {"/b/c": ONE}}, ["a.b.c"]),
        ({"a.b/c.d": ONE}, ["a.b.c.d"]),
        ({"a": {"": ONE}}, ["a"]),
        ({"": ONE}, ["array"]),
        ({".": ONE, "a..b": ONE, "c.": ONE}, [".", "a..b", "c."]),
        ({"é/中": ONE, "a b": ONE, "\n": ONE}, ["é.中", "a b", "\n"]),
        ({-1: ONE, 2**40: ONE}, ["-1", str(2**40)]),
    ],
)
def test_names_of_keys(tree, expected):
    assert names(tree) == expected


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"a": {"b": ONE}, "a.b": ONE}, "a.b: two tensors have this name: ['a']['b'] and ['a.b']"),
        ({"a/b": ONE, "a.b": ONE}, "a.b: two tensors have this name: ['a/b'] and ['a.b']"),
        ({"/a": ONE, "a": ONE}, "a: two tensors have this name: ['/a'] and ['a']"),
        ({1: ONE, "1": ONE}, "1: two tensors have this name: [1] and ['1']"),
        ([ONE, {"x": ONE}, {0: ONE}, {"x": ONE}], None),
        ({"a": [ONE], "a.0": ONE}, "a.0: two tensors have this name: ['a'][0] and ['a.0']"),
        ({(1,): ONE, (2,): ONE}, "two tensors have this name: [<tuple>] and [<tuple>]"),
        ({"_orig_mod.a": ONE, "a": ONE}, "a: two tensors have this name: ['_orig_mod.a'] and"),
        ({"a": {"": ONE}, "": {"a": ONE}}, "a: two tensors have this name: ['a'][''] and"),
    ],
)
def test_two_keys_that_become_one(tree, words):
    if words is None:
        assert names(tree) == ["0", "1.x", "2.0", "3.x"]
    else:
        assert words in refused(tree)
    with pytest.raises(WeightFileError, match="two tensors"):
        pylstm.load(pickle.dumps({"a": {"b": ONE}, "a.b": ONE}), flat=True)


def test_keys_that_become_one_elsewhere_do_not_matter():
    tree = {"model": {"a": ONE}, "other": {"x": {"y": ONE}, "x.y": ONE}}
    assert "two tensors" in refused(tree)
    assert names(tree, "model") == ["a"]


WRAPPED = {
    "DataParallel": {"module.a": ONE, "module.b.c": ONE},
    "compile": {"_orig_mod.a": ONE, "_orig_mod.b.c": ONE},
    "compile of a part": {"a": ONE, "b._orig_mod.c": ONE},
    "compile of DataParallel": {"_orig_mod.module.a": ONE, "_orig_mod.module.b.c": ONE},
    "DataParallel of compile": {"module._orig_mod.a": ONE, "module.b._orig_mod.c": ONE},
    "slashes": {"module/a": ONE, "module/b/c": ONE},
}


@pytest.mark.parametrize("name", WRAPPED)
def test_what_wrappers_put_into_names_goes(name):
    state = WRAPPED[name]
    assert names(state) == ["a", "b.c"]
    assert names({"epoch": 3, "state_dict": state}) == ["state_dict.a", "state_dict.b.c"]
    assert names([state]) == ["0.a", "0.b.c"]
    assert names({"state_dict": state}, "state_dict.b") == ["c"]
    for key in state:
        # As it stands in the file, too.
        above, _, last = key.replace("/", ".").rpartition(".")
        if above:
            assert last in names(state, above)


def test_module_goes_only_where_all_keys_begin_so():
    assert names({"module.a": ONE, "b": ONE}) == ["module.a", "b"]
    assert names({"module.a": ONE, "modules.b": ONE}) == ["module.a", "modules.b"]
    assert names({"module": {"a": ONE}, "b": ONE}) == ["module.a", "b"]
    assert names({"module": ONE}) == ["module"]
    # What is no array has no say: a version, an epoch.
    assert names({"module.a": ONE, "version": 3}) == ["a"]
    # Each mapping by itself.
    assert names({"x": {"module.a": ONE}, "y": {"a": ONE}}) == ["x.a", "y.a"]
    assert names({"module.a": {"module.b": ONE}}) == ["a.b"]
    assert names({"module.module.a": ONE}) == ["module.a"]


def test_the_last_name_is_never_one_of_a_wrapper():
    assert names({"_orig_mod": ONE}) == ["_orig_mod"]
    assert names({"a": {"_orig_mod": ONE}}) == ["a._orig_mod"]


# Modules --------------------------------------------------------------------------------------


def lstm_module(class_name="torch.nn.modules.rnn.LSTM", **attributes):
    state = pylstm.LSTM(3, 2).state_dict()
    return whole_module(class_name, state, _flat_weights=list(state.values()), **attributes)


def test_whole_modules():
    model = whole_module("models.Net", {"scale": ONE}, {"rnn": lstm_module(batch_first=True)})
    parameters = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    assert names(model) == ["scale", *(f"rnn.{name}" for name in parameters)]
    assert names(model, "rnn") == parameters
    parallel = whole_module(
        "torch.nn.parallel.data_parallel.DataParallel", modules={"module": model}
    )
    assert names(parallel) == names(model)
    assert names(parallel, "module.rnn") == parameters
    # Another class with a module of this name is none of torch's wrappers.
    assert names(whole_module("Net", modules={"module": model}), "module.rnn") == parameters
    assert names(whole_module("Net", modules={"module": model}))[0] == "module.scale"
    assert names({"model": parallel, "epoch": 3}, "model.rnn") == parameters
    compiled = whole_module("OptimizedModule", modules={"_orig_mod": model})
    assert names(compiled) == names(model)


def test_what_a_file_says_of_modules_stays_with_the_names():
    model = whole_module("models.Net", modules={"rnn": lstm_module(batch_first=True, hooks=[1])})
    for tree, prefix, inner in (
        (model, "", "rnn"),
        (model, "rnn", ""),
        ({"a": [model]}, "a", "0.rnn"),
    ):
        arrays = view(tree, prefix)
        assert isinstance(arrays, NamedArrays)
        assert list(arrays.modules) == [inner]
        assert arrays.modules[inner].class_name == "torch.nn.modules.rnn.LSTM"
        assert arrays.modules[inner].state == {"training": True, "batch_first": True}
        [found] = pylstm.find_lstms(arrays)
        assert (found.prefix, found.assumed) == (inner, {})
        assert pylstm.LSTM.from_weights(arrays).batch_first
        assert not pylstm.LSTM.from_weights(dict(arrays)).batch_first
    assert type(pylstm.load(pickle.dumps({"a": ONE}), flat=True)) is dict


def test_a_module_in_two_places_has_the_names_of_both():
    shared = lstm_module()
    model = whole_module("Net", modules={"one": shared, "two": shared})
    assert [name.partition(".")[0] for name in names(model)] == ["one"] * 4 + ["two"] * 4
    assert len(names(model, "two")) == 4
    state = {"x": ONE}
    assert names({"a": state, "b": [state, state]}) == ["a.x", "b.0.x", "b.1.x"]


def test_cycles_end():
    tree = {"x": ONE}
    tree["again"] = tree
    tree["list"] = [tree, {"up": tree, "y": ONE}]
    assert names(tree) == ["x", "list.1.y"]
    record = Record("a.B", state={"x": ONE})
    record.state["me"] = record
    record.items = [record]
    assert names(record) == ["x"]


# Layers of other formats ----------------------------------------------------------------------


def layer(batch_first=True, **said):
    parameters = {name: lazy(value) for name, value in pylstm.LSTM(3, 2).state_dict().items()}
    state = {"batch_first": batch_first, "_parameters": parameters}
    return RecurrentLayer("keras.LSTM", state, **said)


PARAMETERS = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
OWN = {"lstm/cell/kernel:0": lazy(np.ones((3, 8))), "dense/kernel:0": lazy(np.ones(2))}


def test_files_with_arrays_in_a_layout_of_their_own():
    tree = {"lstm": layer(), "gru": Unsupported("Keras GRU layer", "it has the gates of a GRU")}
    own = ["lstm.cell.kernel:0", "dense.kernel:0"]
    assert names(tree, arrays=OWN) == [f"lstm.{name}" for name in PARAMETERS] + own
    assert names({}, arrays=OWN) == own
    assert names(tree, "dense", arrays=OWN) == ["kernel:0"]
    assert names(tree, "lstm/cell", arrays=OWN) == ["kernel:0"]
    # Of a layer alone, so that load_state_dict takes it.
    assert names(tree, "lstm", arrays=OWN) == PARAMETERS
    assert names({"net/lstm": layer()}, "net", arrays={"net/lstm/k": lazy(ONE)}) == [
        *(f"lstm.{name}" for name in PARAMETERS),
        "lstm.k",
    ]


def test_a_layer_keeps_what_was_assumed_and_its_states():
    states = np.ones((1, 1, 2), np.float32), np.zeros((1, 1, 2), np.float32)
    assumed = {"batch_first": True}
    arrays = view({"lstm": layer(assumed=assumed, initial_states=states)}, arrays=OWN)
    [found] = pylstm.find_lstms(arrays)
    assert found.assumed == assumed
    assert found.initial_states is states
    with pytest.warns(pylstm.WeightFileWarning) as warned:
        assert pylstm.LSTM.from_weights(arrays).batch_first
    told = [str(warning.message) for warning in warned]
    assert any("initial_states" in text for text in told)


def test_names_that_two_layouts_share():
    arrays = {"lstm/weight_ih_l0": lazy(ONE)}
    words = "lstm.weight_ih_l0: two tensors have this name: ['lstm']['weight_ih_l0'] and ['lstm/wei"
    assert words in refused({"lstm": layer()}, arrays=arrays)


def test_arrays_that_cannot_be_had():
    unreadable = {"head/kernel": "its dtype is none of numbers"}
    words = "file: head.kernel: cannot be read as an array: its dtype is none of numbers"
    assert refused({"lstm": layer()}, arrays=OWN, unreadable=unreadable) == words
    assert "head.kernel" not in refused({}, "nothing.here", arrays=OWN)
    words = "file: kernel: cannot be read as an array: its dtype is none of numbers"
    assert refused({}, "head", unreadable=unreadable) == words
    assert names({}, "dense", arrays=OWN, unreadable=unreadable) == ["kernel:0"]


def test_load_reads_them(monkeypatch):
    def read(source, make):
        source.arrays.update(OWN)
        source.unreadable["odd"] = "it is odd"
        return {"lstm": layer()}

    monkeypatch.setattr("pylstm.files.formats.pickled.read", read)
    content = pickle.dumps(1)
    loaded = pylstm.load(content, flat=True, prefix="lstm")
    pylstm.LSTM(3, 2).load_state_dict(loaded)
    assert pylstm.load(content, flat=True, prefix="dense")["kernel:0"].tolist() == [1, 1]
    with pytest.raises(WeightFileError, match="odd: cannot be read as an array: it is odd"):
        pylstm.load(content, flat=True)


# Prefixes -------------------------------------------------------------------------------------

CHECKPOINT = {
    "state_dict": {"encoder.rnn.w": ONE, "decoder.rnn.w": ONE, "head.w": ONE},
    "optimizer": {"state": {0: {"w": ONE}}},
}


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("state_dict", ["encoder.rnn.w", "decoder.rnn.w", "head.w"]),
        ("state_dict.encoder", ["rnn.w"]),
        ("state_dict.encoder.rnn", ["w"]),
        ("state_dict/encoder", ["rnn.w"]),
        ("optimizer.state.0", ["w"]),
        # The end of a path, of which there is one.
        ("encoder", ["rnn.w"]),
        ("encoder.rnn", ["w"]),
        ("head", ["w"]),
        ("state", ["0.w"]),
    ],
)
def test_prefixes(prefix, expected):
    assert names(CHECKPOINT, prefix) == expected
    content = pickle.dumps(CHECKPOINT)
    assert list(pylstm.load(content, flat=True, prefix=prefix)) == expected
    assert list(pylstm.load(content, flat=True, prefix=f"{prefix}.")) == expected


@pytest.mark.parametrize(
    "prefix",
    ["enc", "state_dict.enc", "coder", "encoder.rnn.w", "state_dict.head.w", "x", "..", "state_dict..",
     "optimizer.state.1", "rnn.encoder", "state_dict.encoder.rnn.w.x", "\n", "é"],
)  # fmt: skip
def test_prefixes_with_nothing_below(prefix):
    with pytest.raises(WeightFileError) as caught:
        pylstm.load(pickle.dumps(CHECKPOINT), flat=True, prefix=prefix)
    text = str(caught.value)
    assert "is not in the file; there are 'state_dict.encoder.rnn.w', 'state_dict.decoder" in text
    assert text.isprintable()


def test_a_prefix_that_ends_several_paths():
    text = refused(CHECKPOINT, "rnn")
    assert "'rnn' ends several paths: 'state_dict.decoder.rnn', 'state_dict.encoder.rnn'" in text
    # A whole path comes before the end of one.
    assert names({"rnn": {"w": ONE}, "encoder": {"rnn": {"v": ONE}}}, "rnn") == ["w"]
    many = {f"layer{index}": {"rnn": {"w": ONE}} for index in range(1000)}
    assert len(refused(many, "rnn")) < 1000


def test_errors_list_a_few_names():
    many = {f"layer{index}.weight": ONE for index in range(100)}
    assert refused(many, "x").endswith("'layer4.weight' and 95 more")
    assert refused({}, "x") == "file: prefix 'x' is not in the file; it holds no array"
    assert len(refused({"n" * 100_000: ONE}, "y" * 100_000)) < 1500


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"prefix": "a"}, ValueError),
        ({"prefix": "a", "flat": False}, ValueError),
        ({"prefix": None, "flat": True}, TypeError),
        ({"prefix": b"a", "flat": True}, TypeError),
        ({"prefix": ["a"]}, TypeError),
    ],
)
def test_wrong_arguments(options, error):
    with pytest.raises(error, match="prefix"):
        pylstm.load(pickle.dumps(CHECKPOINT), **options)


def owner(array):
    """The array whose memory an array is a view of."""
    while isinstance(array.base, np.ndarray) or hasattr(array.base, "__array_interface__"):
        array = array.base if isinstance(array.base, np.ndarray) else array.base.base
    return array


# Only what is wanted is read ------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".npz"])
def test_only_the_wanted_arrays_are_read(tmp_path, suffix):
    large = np.zeros(4_000_000, np.uint8)
    pylstm.save({"large": large, "small.a": ONE, "small.b": ONE}, tmp_path / f"file{suffix}")
    with (tmp_path / f"file{suffix}").open("rb") as file:
        counted = Counted(file)
        part = pylstm.load(counted, flat=True, prefix="small")
        assert sorted(part) == ["a", "b"]
        assert counted.total < 100_000


def test_of_a_shared_storage_only_a_part_is_read():
    """FSDP and flattened recurrent layers keep all their weights in one storage."""
    whole = lazy(np.arange(1000, dtype=np.float32))

    def part(start, stop):
        return type(whole)(whole.storage, (stop - start,), (1,), start)

    tree = {"a": part(10, 20), "b": part(15, 30), "far": part(900, 901), "empty": part(40, 40)}
    for mapped in (False, True):
        arrays = flat.read(view(tree), mapped)
        assert {name: array.tolist() for name, array in arrays.items()} == {
            "a": list(range(10, 20)),
            "b": list(range(15, 30)),
            "far": [900],
            "empty": [],
        }
        assert np.shares_memory(arrays["a"], arrays["b"])
    few = flat.read(
        view({"x": {"a": part(10, 20), "b": part(15, 30)}, "y": part(0, 1000)}, "x"), False
    )
    assert owner(few["a"]) is owner(few["b"])
    assert owner(few["a"]).nbytes == 20 * 4


def test_mapped_arrays_are_mapped(tmp_path):
    pylstm.save({"model": {"a": ONE, "half": ONE.astype(np.float16)}}, tmp_path / "file.pt")
    mapped = pylstm.load(tmp_path / "file.pt", mmap=True, flat=True)
    for array in mapped.values():
        assert not array.flags.writeable
        assert not array.flags.owndata
    loaded = pylstm.load(tmp_path / "file.pt", flat=True)
    assert all(array.flags.writeable for array in loaded.values())
    assert loaded["model.half"].dtype == np.float16


# Bounds ---------------------------------------------------------------------------------------


def test_many_paths_to_one_array():
    tree = {"x": ONE}
    for _ in range(60):
        tree = {"left": tree, "right": tree}
    assert_units(lambda: view(tree), 50)
    assert "stand in too many places" in refused(tree, "left.left")


def test_one_state_of_many_records():
    state = {f"a{index}": ONE for index in range(2000)}
    tree = [Record("a.B", state=state) for _ in range(2000)]
    assert_units(lambda: view(tree), 50)
    assert "stand in too many places" in refused(tree)


def test_many_paths_to_nothing():
    tree = {"x": 1}
    for _ in range(60):
        tree = {"left": tree, "right": [tree, tree]}
    assert names({"tree": tree, "a": ONE}) == ["a"]


@pytest.mark.parametrize("depth", [5000, 30_000])
def test_deep_nests(depth):
    tree = [ONE]
    for _ in range(depth):
        tree = [tree, ONE]
    assert "names of its arrays are too long" in refused(tree)
    assert_units(lambda: view(tree, "x"), 50)
    alone = [ONE]
    for _ in range(depth):
        alone = [alone]
    assert names(alone, size=10**7) == [".".join("0" * (depth + 1))]


def test_deeper_nests_are_refused():
    tree = [ONE]
    for _ in range(70_000):
        tree = [tree]
    assert "nested more than 65536 deep" in refused(tree)


def test_a_million_entries():
    tree = {f"epoch {index}": index for index in range(1_000_000)} | {"a": ONE}
    assert_units(lambda: view(tree, size=10_000_000), 150)
    assert names(tree, size=10_000_000) == ["a"]
    assert "too many places" in refused(tree)  # more than a file of 1000 bytes can hold
