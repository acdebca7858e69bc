"""Compressed modules: parameters, state_dicts, copies, pickles, conversions, calls, threads."""

import copy
import pickle
import threading

import numpy as np
import pytest
import reference_weights as oracle
from support import assert_same_bits, flatten
from test_compress import CASES, EVERY, STORAGES, input_of, made, wide

import pylstm
from pylstm.native import _rebuild
from pylstm.utils.rnn import pack_padded_sequence


def small_of(case, name, seed=1):
    return pylstm.compress(made(case, seed).eval(), name)


def stored_of(module):
    pairs = [module._native_stored(name) for name in module._native_names]
    return tuple(each for pair in pairs for each in pair if each is not None)


# Parameters --------------------------------------------------------------------------------------


@EVERY
@STORAGES
def test_parameters_are_read_only_and_stay_what_they_are(case, name):
    module = small_of(case, name)
    names = list(module._native_names)
    assert [key for key, _ in module.named_parameters()] == names
    expected = wide(module)
    held = {key: getattr(module, key) for key in names}
    ways = [list(module.parameters()), [module.get_parameter(key) for key in names]]
    if hasattr(module, "all_weights"):
        ways += [module._flat_weights, [a for part in module.all_weights for a in part]]
    for way in (list(held.values()), *ways):
        assert_same_bits(tuple(way), tuple(expected.values()))
        for array in way:
            assert array.dtype == np.float32 and not array.flags.writeable
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0
            with pytest.raises(ValueError, match="WRITEABLE"):
                array.flags.writeable = True
    assert module._native_leases == 0
    module.reset_parameters()
    assert_same_bits(tuple(held.values()), tuple(expected.values()))


def test_parameters_of_one_shape_are_all_listed():
    """A widened array may lie where the one before it lay; modules that share weights are one."""
    tree = pylstm.Module()
    tree.a = pylstm.compress(pylstm.RNN(64, 64, 6), "int8")
    tree.b = copy.copy(tree.a)
    tree.c = copy.deepcopy(tree.a)
    names = [f"{path}.{name}" for path in "ac" for name in tree.a._native_names]
    assert [name for name, _ in tree.named_parameters()] == names
    assert sum(1 for _ in tree.parameters()) == len(names)
    assert len(list(tree.named_parameters(remove_duplicate=False))) == 3 * len(names) // 2


@EVERY
@STORAGES
def test_what_is_assigned_is_compressed(case, name):
    module, other = small_of(case, name), made(case, 2)
    for key, value in wide(other).items():
        setattr(module, key, value.astype("f8") if value.ndim == 2 else value)
    expected = oracle.widened(wide(other), name)
    assert_same_bits(tuple(wide(module).values()), tuple(expected.values()))
    same = pylstm.compress(other.eval(), name)
    assert_same_bits(module(input_of(module)), same(input_of(module)))
    key = module._native_names[0]
    before = pickle.dumps(module)
    with pytest.raises(ValueError, match=f"cannot assign an array of shape .* parameter '{key}'"):
        setattr(module, key, np.ones((2, 2)))
    with pytest.raises(TypeError, match=f"as parameter '{key}'"):
        setattr(module, key, "nonsense")
    if name in oracle.INTEGERS:
        bad = np.full(getattr(module, key).shape, np.nan)
        with pytest.raises(ValueError, match=rf"{key}\[0, 0\] is nan, which {name} cannot hold"):
            setattr(module, key, bad)
    with pytest.raises(AttributeError, match="cannot be deleted"):
        delattr(module, key)
    assert pickle.dumps(module) == before


@EVERY
@STORAGES
def test_new_parameters_are_drawn_and_compressed(case, name):
    module = small_of(case, name)
    pylstm.manual_seed(7)
    module.reset_parameters()
    pylstm.manual_seed(7)
    floats = CASES[case]()
    assert_same_bits(
        tuple(wide(module).values()), tuple(oracle.widened(wide(floats), name).values())
    )


# state_dict --------------------------------------------------------------------------------------


@EVERY
@STORAGES
@pytest.mark.parametrize("keep_vars", [False, True])
def test_a_state_dict_is_what_is_stored(case, name, keep_vars):
    module = small_of(case, name)
    state = module.state_dict(keep_vars=keep_vars, prefix="a.")
    expected = {}
    for key in module._native_names:
        stored, scale = module._native_stored(key)
        expected[f"a.{key}"] = getattr(module, key) if name == "bfloat16" else stored
        if scale is not None:
            expected[f"a.{key}_scale"] = scale
    assert list(state) == list(expected)
    assert_same_bits(tuple(state.values()), tuple(expected.values()))
    for array in state.values():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    assert state._metadata["a"]["weights"] == name
    assert "weights" not in made(case).state_dict()._metadata[""]


@EVERY
@STORAGES
def test_a_state_dict_is_loaded_as_it_is(case, name):
    """By a new module, and by the one that it shows: also through lists and other orders of bytes."""
    module, other = small_of(case, name), small_of(case, name, 2)
    state = module.state_dict()
    assert str(other.load_state_dict(state)) == "<All keys matched successfully>"
    assert pickle.dumps(other) == pickle.dumps(module)
    module.load_state_dict(state)
    assert pickle.dumps(other) == pickle.dumps(module)
    swapped = {key: value.astype(value.dtype.newbyteorder(">")) for key, value in state.items()}
    for values in (swapped, {key: np.asfortranarray(value) for key, value in state.items()}):
        other = small_of(case, name, 2)
        other.load_state_dict(values, assign=True)
        assert other.weights == name
        assert pickle.dumps(other) == pickle.dumps(module)


@STORAGES
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2"])
@pytest.mark.parametrize("assign", [False, True])
def test_floats_are_compressed_whatever_assign_is(name, dtype, assign):
    module = small_of("LSTM", name)
    floats = {key: value.astype(dtype) for key, value in wide(made("LSTM", 2)).items()}
    module.load_state_dict(floats, assign=assign)
    assert module.weights == name and module._native_dtype == np.float32
    rounded = {key: value.astype("f4") for key, value in floats.items()}
    assert_same_bits(tuple(wide(module).values()), tuple(oracle.widened(rounded, name).values()))


def test_a_part_is_loaded_without_strict():
    module = small_of("LSTM", "int8")
    before = wide(module)
    other = small_of("LSTM", "int8", 2).state_dict()
    given = {key: other[key] for key in ("weight_hh_l0", "weight_hh_l0_scale", "bias_ih_l1")}
    result = module.load_state_dict(given | {"nonsense_scale": np.ones(3)}, strict=False)
    assert result.unexpected_keys == ["nonsense_scale"]
    missing = [key for key in module._native_names if key not in given]
    assert result.missing_keys == missing
    after = wide(module)
    assert_same_bits(tuple(after[key] for key in missing), tuple(before[key] for key in missing))
    assert (after["weight_hh_l0"] != before["weight_hh_l0"]).any()
    with pytest.raises(RuntimeError, match="Missing key") as caught:
        module.load_state_dict(given)
    assert "scale" not in str(caught.value)


class Tensor:
    """An array of another library, as torch.load gives them."""

    def __init__(self, array):
        self.array = array
        self.shape = array.shape

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype)


@STORAGES
def test_arrays_of_other_libraries(name):
    module, other = small_of("GRU", name), small_of("GRU", name, 2)
    tensors = {key: Tensor(value) for key, value in module.state_dict().items()}
    other.load_state_dict(tensors)
    assert pickle.dumps(other) == pickle.dumps(module)
    floats = CASES["GRU"]()
    before = pickle.dumps(floats)
    if name in oracle.INTEGERS:
        for values in (tensors, {k: v.array.tolist() for k, v in tensors.items()}):
            with pytest.raises(RuntimeError, match="is stored as integers, with weight_ih_l0_sca"):
                floats.load_state_dict(values, strict=False)
        assert pickle.dumps(floats) == before
    else:
        floats.load_state_dict(tensors)
        assert_same_bits(tuple(wide(floats).values()), tuple(wide(module).values()))


def test_scales_that_are_arrays_of_a_container_are_its_own():
    """A name that ends like that of a scale makes no integers of another array."""
    module = pylstm.Module()
    module.register_buffer("count", np.arange(3))
    module.register_buffer("count_scale", np.ones(3))
    module.load_state_dict(module.state_dict())
    head = pylstm.Module()
    head.register_parameter("weight", np.ones((2, 2), np.float32))
    with pytest.raises(RuntimeError, match="weight is stored as integers, with weight_scale"):
        head.load_state_dict(
            {"weight": np.ones((2, 2), "i1"), "weight_scale": np.ones((2, 1), "f4")}, strict=False
        )


# Copies and pickles ------------------------------------------------------------------------------


@EVERY
@STORAGES
def test_copies_and_pickles(case, name):
    module = small_of(case, name)
    module.note = [1]
    x = input_of(module)
    expected = module(x)
    copies = [pickle.loads(pickle.dumps(module, protocol)) for protocol in range(6)]
    buffers = []
    content = pickle.dumps(module, 5, buffer_callback=buffers.append)
    copies.append(pickle.loads(content, buffers=[bytes(each) for each in buffers]))
    for same in (*copies, copy.deepcopy(module), copy.copy(module)):
        assert type(same) is type(module) and same.weights == name and same.note == [1]
        assert repr(same) == repr(module) and same.training is False
        assert_same_bits(same(x), expected)
        assert_same_bits(stored_of(same), stored_of(module))
    shared = copy.copy(module)
    apart = copy.deepcopy(module)
    module.bias_free = 3
    key = module._native_names[0]
    setattr(module, key, np.zeros(getattr(module, key).shape))
    assert not getattr(shared, key).any() and getattr(apart, key).any()


def test_a_pickle_is_small_and_has_a_version_of_its_own():
    floats = pylstm.LSTM(128, 128)
    size = len(pickle.dumps(floats))
    for name, ratio in {"int8": 0.29, "int16": 0.53, "bfloat16": 0.52, "float16": 0.52}.items():
        assert len(pickle.dumps(pylstm.compress(floats, name))) < ratio * size
    (_, (_, saved), _) = floats.__reduce_ex__(2)
    assert saved["version"] == 1
    assert list(saved) == ["version", "structure", "options", "dtype", "parameters"]
    (_, (_, saved), _) = pylstm.compress(floats, "int8").__reduce_ex__(2)
    assert (saved["version"], saved["weights"], saved["dtype"]) == (3, "int8", "float32")
    stored, scale = saved["parameters"]["weight_ih_l0"]
    assert stored.dtype == np.int8 and scale.shape == (512, 1)
    assert saved["parameters"]["bias_ih_l0"][1] is None


def test_a_pickle_of_the_first_version_with_storages_stays_readable():
    saved = {
        "version": 3,
        "structure": {"input_size": 1, "hidden_size": 2, "bias": True},
        "options": {"training": False, "nonlinearity": "relu"},
        "dtype": "float32",
        "weights": "int16",
        "parameters": {
            "weight_ih": (np.int16([[3], [-32767]]), np.float32([[0.5], [0.25]])),
            "weight_hh": (np.int16([[0, 1], [2, 0]]), np.float32([[1], [0]])),
            "bias_ih": (np.float32([1, 2]), None),
            "bias_hh": (np.float32([0, 0]), None),
        },
    }
    cell = _rebuild(pylstm.RNNCell, saved)
    cell.__setstate__({})
    assert repr(cell) == "RNNCell(1, 2, nonlinearity=relu, weights='int16')"
    assert cell.training is False
    assert cell.weight_ih.tolist() == [[1.5], [-32767 / 4]]
    assert cell.weight_hh.tolist() == [[0, 1], [0, 0]]
    assert cell([[0.0]]).tolist() == [[1, 2]]


@STORAGES
def test_pickles_of_machines_with_another_order_of_bytes(name):
    module = small_of("LSTM", name)
    rebuild, (cls, saved), state = module.__reduce_ex__(2)
    swapped = {
        key: tuple(
            each if each is None else each.astype(each.dtype.newbyteorder()) for each in pair
        )
        for key, pair in saved["parameters"].items()
    }
    same = rebuild(cls, {**saved, "parameters": swapped})
    same.__setstate__(state)
    assert_same_bits(stored_of(same), stored_of(module))
    stored, scale = saved["parameters"]["weight_ih_l0"]
    for wrong in ((stored[:-1], scale), (stored, np.ones(3, "f4")), (stored.astype("i8"), scale)):
        with pytest.raises(ValueError, match="'weight_ih_l0' takes stored weights of"):
            rebuild(cls, {**saved, "parameters": {**swapped, "weight_ih_l0": wrong}})


def test_unsound_pickles():
    rebuild, (cls, saved), _ = small_of("LSTM", "int8").__reduce_ex__(2)
    stored, scale = saved["parameters"]["weight_ih_l0"]
    for wrong in ((np.full_like(stored, -128), scale), (stored, scale * np.float32("nan"))):
        with pytest.raises(ValueError, match="weight_ih_l0 has integers or scales that int8"):
            rebuild(cls, {**saved, "parameters": {**saved["parameters"], "weight_ih_l0": wrong}})
    for wrong in ((), (stored,), (stored, scale, scale), stored, None):
        with pytest.raises(ValueError, match=r"weight_ih_l0 is .*, expected stored weights and"):
            rebuild(cls, {**saved, "parameters": {**saved["parameters"], "weight_ih_l0": wrong}})
    with pytest.raises(ValueError, match="int4"):
        rebuild(cls, {**saved, "weights": "int4"})


@pytest.mark.parametrize("name", [None, *oracle.STORAGES])
def test_a_pickle_without_a_parameter_makes_no_zeros_of_it(name):
    module = made("LSTM") if name is None else small_of("LSTM", name)
    rebuild, (cls, saved), _ = module.__reduce_ex__(2)
    for key in saved["parameters"]:
        rest = {other: value for other, value in saved["parameters"].items() if other != key}
        with pytest.raises(ValueError, match=f"this pickle of LSTM has no {key}"):
            rebuild(cls, {**saved, "parameters": rest})


# Conversions -------------------------------------------------------------------------------------

TO_FLOAT32 = {
    "float": lambda module: module.float(),
    "to": lambda module: module.to(np.float32),
    "to array": lambda module: module.to(np.ones(1, "f4")),
    "type": lambda module: module.type(np.float32),
}
TO_FLOAT64 = {
    "double": lambda module: module.double(),
    "to": lambda module: module.to("float64"),
    "type": lambda module: module.type("torch.DoubleTensor"),
}


@EVERY
@STORAGES
def test_conversions_widen_for_good(case, name):
    for ways, dtype in ((TO_FLOAT32, np.float32), (TO_FLOAT64, np.float64)):
        for way in ways.values():
            module = small_of(case, name)
            expected = {key: value.astype(dtype) for key, value in wide(module).items()}
            stored = module.state_dict()
            held = {key: np.array(value) for key, value in stored.items()}
            assert way(module) is module
            assert module.weights is None and "weights=" not in repr(module)
            assert_same_bits(tuple(module.parameters()), tuple(expected.values()))
            assert all(value.flags.writeable for value in module.parameters())
            assert "weights" not in module.state_dict()._metadata[""]
            # What was handed out stays what it was.
            assert_same_bits(tuple(stored.values()), tuple(held.values()))
            floats = CASES[case]().eval().to(dtype)
            floats.load_state_dict(expected)
            assert_same_bits(module(input_of(module)), floats(input_of(module)))


def test_what_converts_nothing():
    module = small_of("LSTM", "int8")
    for way in (module.cpu, lambda: module.to("cpu"), lambda: module.to(device="cpu")):
        assert way() is module and module.weights == "int8"
    for name in ("half", "bfloat16"):
        with pytest.raises(TypeError, match=rf"{name}\(\) is not offered.*compress\(module, \""):
            getattr(module, name)()


def test_a_tree_is_converted_as_a_whole():
    tree = pylstm.Module()
    tree.small, tree.other = small_of("LSTM", "int16"), pylstm.GRU(2, 3)
    tree.register_parameter("head", np.ones(3, "f4"))
    tree.double()
    assert tree.small._native_dtype == tree.other._native_dtype == tree.head.dtype == np.float64
    assert tree.small.weights is None
    with pytest.raises(ValueError, match=r"call \.float\(\) first"):
        pylstm.compress(tree, "int16")


# Calls -------------------------------------------------------------------------------------------


@STORAGES
@pytest.mark.parametrize("case", ["LSTM", "GRU", "RNN"])
def test_packed_calls_traces_lengths_and_hooks(case, name):
    module = small_of(case, name)
    batch_first = module.batch_first
    x = input_of(module)
    n, t = (x.shape[:2]) if batch_first else (x.shape[1], x.shape[0])
    lengths = [t - k % 2 for k in range(n)]
    whole = module(x)
    packed = module(pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False))
    assert_same_bits(packed[1], module(x, lengths=lengths)[1])
    trace = module.trace(x)
    assert_same_bits((trace.output, trace.h_n), (whole[0], flatten(whole[1])[0]))
    seen = []
    module.register_forward_pre_hook(lambda m, args: seen.append(m))
    assert_same_bits(module(x), whole)
    assert seen == [module]


@STORAGES
@pytest.mark.parametrize("change", ["assign", "load", "float", "double", "reset"])
def test_a_stream_reads_the_weights_that_its_module_has(name, change):
    module = pylstm.compress(pylstm.LSTM(5, 6, 2), name)
    x = np.random.default_rng(3).uniform(-1, 1, (6, 2, 5)).astype("f4")
    stream = module.stream(2)
    stream(x[:3])
    h, c = stream.state
    if change == "assign":
        module.weight_hh_l0 = np.zeros((24, 6))
    elif change == "load":
        module.load_state_dict(pylstm.LSTM(5, 6, 2).state_dict())
    elif change == "reset":
        module.reset_parameters()
    else:
        getattr(module, change)()
    expected = module(x[3:], (h, c))
    assert_same_bits((stream(x[3:]), *stream.state), (expected[0], *expected[1]))


@STORAGES
def test_streams_and_their_copies_keep_the_storage(name):
    module = pylstm.compress(pylstm.GRU(5, 6), name)
    tree = pylstm.Module()
    tree.layer = pylstm.GRU(5, 6)
    tree.stream = tree.layer.stream(2)
    x = np.random.default_rng(3).uniform(-1, 1, (4, 2, 5)).astype("f4")
    stream = module.stream(2)
    for same in (copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))):
        assert same.module.weights == name
        assert_same_bits((same(x),), (module(x)[0],))
    small = pylstm.compress(tree, name)
    assert small.stream.module is small.layer and small.layer.weights == name
    assert tree.stream.module.weights is None
    assert_same_bits((small.stream(x),), (small.layer(x)[0],))


@STORAGES
def test_the_nonlinearity_of_a_cell_may_change(name):
    cell = pylstm.compress(pylstm.RNNCell(5, 6), name)
    x = np.random.default_rng(3).uniform(-1, 1, (4, 5)).astype("f4")
    layer = pylstm.compress(pylstm.RNN(5, 6, nonlinearity="relu"), name)
    layer.load_state_dict({f"{key}_l0": value for key, value in wide(cell).items()})
    first = cell(x)
    cell.nonlinearity = "relu"
    assert repr(cell) == f"RNNCell(5, 6, nonlinearity=relu, weights={name!r})"
    assert (cell(x) >= 0).all()
    if name in oracle.FLOATS:
        assert_same_bits((cell(x),), (layer(x[None])[0][0],))
    for same in (copy.copy(cell), copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        assert_same_bits((same(x),), (cell(x),))
        same.nonlinearity = "tanh"
        assert_same_bits((same(x),), (first,))


def test_a_subclass_with_its_own_setstate():
    small = pylstm.compress(WithState(5, 6), "int8")
    assert small.weights == "int8" and small.restored == 1
    same = pickle.loads(pickle.dumps(small))
    assert same.weights == "int8" and same.restored == 2
    x = np.ones((3, 2, 5))
    assert_same_bits(same(x), small(x))


class WithState(pylstm.LSTM):
    restored = 0

    def __getstate__(self):
        return {"mine": super().__getstate__(), "restored": self.restored}

    def __setstate__(self, state):
        super().__setstate__(state["mine"])
        self.restored = state["restored"] + 1


# What is shown -----------------------------------------------------------------------------------


@STORAGES
def test_what_is_shown(name, capsys):
    module = small_of("LSTM", name)
    dtype = {"int8-fast": "int8"}.get(name, name)
    html = module._repr_html_()
    assert f"weights='{name}'" in html
    assert f">{dtype}</td>" in html and ">float32</td>" in html and "leases: 0" in html
    pylstm.show_config(module)
    out = capsys.readouterr().out
    assert f"weights='{name}'" in out and f"{', '.join(sorted(['float32', dtype]))}\n" in out
    assert "weights=" not in repr(made("LSTM"))


# Threads -----------------------------------------------------------------------------------------


@STORAGES
def test_calls_while_another_thread_changes_the_weights(name):
    """Each call gives the result of weights that the module had: of conversions never a mixture."""
    floats = pylstm.LSTM(40, 64)
    module = pylstm.compress(floats, name)
    x = np.random.default_rng(4).uniform(-1, 1, (5, 2, 40)).astype("f4")
    wider = copy.deepcopy(module).float()
    allowed = [flatten(module(x)), flatten(wider(x))]
    bare, other = pylstm.compress(floats, name), pylstm.compress(floats, name)
    stop, problems = threading.Event(), []

    def calls():
        while not stop.is_set():
            result = flatten(module(x))
            if not any(
                all(np.array_equal(a, b) for a, b in zip(result, each, strict=True))
                for each in allowed
            ):
                problems.append(result)
                return

    def reads():
        while not stop.is_set():
            try:
                other.load_state_dict(module.state_dict())
                same = pickle.loads(pickle.dumps(module))
                assert same.weights in (None, name)
                assert_same_bits(tuple(wide(same).values()), tuple(wide(wider).values()))
            except Exception as error:
                problems.append(error)
                return

    threads = [threading.Thread(target=each) for each in (calls, calls, reads)]
    for each in threads:
        each.start()
    try:
        for _ in range(60):
            module._native_share(copy.copy(bare))
            module.float()
    finally:
        stop.set()
        for each in threads:
            each.join()
    assert not problems


@STORAGES
def test_calls_while_another_thread_assigns(name):
    """The same values again and again, which no result may show."""
    module = pylstm.compress(pylstm.LSTM(40, 64), name)
    x = np.random.default_rng(4).uniform(-1, 1, (5, 2, 40)).astype("f4")
    expected = flatten(module(x))
    values, stored = wide(module), module.state_dict()
    stored = {key: np.array(value) for key, value in stored.items()}
    if name == "int16":  # numbers of its own are no fixed point: see test_storages
        values = {"bias_ih_l0": values["bias_ih_l0"]}
    again = copy.deepcopy(module)
    again.load_state_dict(values, strict=False)
    allowed = [expected, flatten(again(x))]
    stop, problems = threading.Event(), []

    def calls():
        while not stop.is_set():
            result = flatten(module(x))
            if not all(
                np.isfinite(a).all() and np.abs(a - b).max() < 1e-5
                for a, b in zip(result, allowed[0], strict=True)
            ):
                problems.append(result)

    threads = [threading.Thread(target=calls) for _ in range(2)]
    for each in threads:
        each.start()
    try:
        for _ in range(60):
            module.load_state_dict(stored)
            for key, value in values.items():
                setattr(module, key, value)
    finally:
        stop.set()
        for each in threads:
            each.join()
    assert not problems
    assert_same_bits(tuple(flatten(module(x))), tuple(allowed[1]))
