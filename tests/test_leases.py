"""Writable parameter arrays: what they see, how long they count, and that no result is ever stale."""

import copy
import gc
import pickle
import threading
import tracemalloc
import weakref

import numpy as np
import pytest
from reference import KINDS as CELL_KINDS
from reference import fractions
from support import HANG, as_hx, assert_same_bits, kind_of

import pylstm

X = fractions(1, (5, 2, 4))


@pytest.fixture
def lstm():
    return pylstm.LSTM(4, 3, 2)


def fresh(module):
    """The result of a module that was just made with the same parameters: it has packed nothing."""
    other = pickle.loads(pickle.dumps(module))
    return other(X)


# ---------------------------------------------------------------------------- no stale results


def test_writes_take_effect_at_the_next_call(lstm):
    held = lstm.weight_hh_l0
    for value in (0.5, -0.25, 0.0):
        held[...] = value
        assert_same_bits(lstm(X), fresh(lstm))
    del held
    assert_same_bits(lstm(X), fresh(lstm))


def test_a_write_between_two_calls_and_the_end_of_the_lease(lstm):
    lstm(X)
    held = lstm.weight_ih_l1
    lstm(X)
    held += 1
    del held
    assert lstm._native_leases == 0
    assert_same_bits(lstm(X), fresh(lstm))


@pytest.mark.parametrize(
    "derive",
    [
        lambda a: a[2:5],
        lambda a: a.T,
        lambda a: a.reshape(-1),
        lambda a: a.view(np.uint8),
        lambda a: memoryview(a),
        lambda a: np.asarray(memoryview(a)),
        lambda a: np.lib.stride_tricks.as_strided(a, (2,), (4,)),
        lambda a: a.base,
        lambda a: memoryview(a.base),
        lambda a: np.frombuffer(a.base, np.float32),
        lambda a: np.from_dlpack(a),
        lambda a: a.view(type("Sub", (np.ndarray,), {})),
        lambda a: iter(a),
    ],
)
def test_everything_derived_from_the_array_keeps_the_lease(lstm, derive):
    derived = derive(lstm.weight_ih_l0)
    gc.collect()
    assert lstm._native_leases == 1
    del derived
    gc.collect()
    assert lstm._native_leases == 0


def test_copies_and_reductions_keep_no_lease(lstm):
    kept = [
        lstm.weight_ih_l0.copy(),
        lstm.weight_ih_l0 + 1,
        lstm.weight_ih_l0.tolist(),
        lstm.weight_ih_l0.sum(),
    ]
    assert lstm._native_leases == 0
    assert len(kept) == 4


def test_the_writeable_flag_can_be_toggled(lstm):
    held = lstm.weight_ih_l0
    held.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        held[...] = 0
    held.flags.writeable = True
    held[...] = 0
    assert_same_bits(lstm(X), fresh(lstm))


# ---------------------------------------------------------------------------- held for many calls


def positive(module):
    """`module` with no negative weight: with an input like that, every weight of a relu counts."""
    module.load_state_dict({name: abs(value) for name, value in module.state_dict().items()})
    return module


KINDS = {
    "hidden 64": lambda **options: pylstm.LSTM(40, 64, **options),
    "hidden 256": lambda **options: pylstm.LSTM(40, 256, **options),
    "deep, both directions": lambda **options: pylstm.LSTM(5, 20, 3, bidirectional=True, **options),
    "projection": lambda **options: pylstm.LSTM(7, 33, 2, proj_size=9, **options),
    "no bias": lambda **options: pylstm.LSTM(3, 16, bias=False, **options),
    "hidden 1": lambda **options: pylstm.LSTM(1, 1, **options),
    "cell": lambda **options: pylstm.LSTMCell(40, 64, **options),
    "cell, no bias": lambda **options: pylstm.LSTMCell(6, 13, bias=False, **options),
    "GRU": lambda **options: pylstm.GRU(40, 64, **options),
    "GRU, deep, both directions": lambda **options: pylstm.GRU(
        5, 20, 2, bidirectional=True, **options
    ),
    "GRUCell": lambda **options: pylstm.GRUCell(6, 13, **options),
    "RNN": lambda **options: pylstm.RNN(40, 64, **options),
    "relu, no bias": lambda **options: positive(
        pylstm.RNN(3, 16, 2, "relu", bias=False, **options)
    ),
    "RNNCell": lambda **options: pylstm.RNNCell(6, 13, **options),
    "relu cell": lambda **options: positive(pylstm.RNNCell(6, 13, nonlinearity="relu", **options)),
}


@pytest.fixture(params=KINDS)
def module(request, dtype):
    return KINDS[request.param](dtype=dtype)


def operands(module):
    """An input and states, so that every parameter has a part in the result."""
    values = module.state_dict()
    dtype = next(iter(values.values())).dtype
    kind = CELL_KINDS[kind_of(module)]
    if "weight_ih" in values:
        rows, size = values["weight_ih"].shape
        shapes = [(2, size), *[(2, rows // kind.gates)] * 2]
    else:
        size = values["weight_ih_l0"].shape[1]
        rows, out = values["weight_hh_l0"].shape
        count = sum(name.startswith("weight_hh") for name in values)
        shapes = [(2, 2, size), (count, 2, out), (count, 2, rows // kind.gates)]
    shapes = shapes[: 1 + kind.states]
    x, *states = (fractions(seed, shape).astype(dtype) for seed, shape in enumerate(shapes))
    if kind_of(module) == "RNN_RELU":
        x, states = np.abs(x), [np.abs(state) for state in states]
    return x, as_hx(states)


def hold_all(module, calls=12):
    """Every parameter by name, held for some calls: what repeated calls prepare is prepared."""
    held = dict(module.named_parameters())
    x, hx = operands(module)
    for _ in range(calls):
        module(x, hx)
    return held


def check_next_call(module, before):
    """The next call has the bits of a new module, and other bits than `before`."""
    x, hx = operands(module)
    after = module(x, hx)
    assert_same_bits(after, pickle.loads(pickle.dumps(module))(x, hx))
    with pytest.raises(AssertionError):
        assert_same_bits(after, before)
    return after


def test_one_element_of_a_held_parameter_counts_at_the_next_call(module):
    held = hold_all(module)
    result = module(*operands(module))
    for parameter in held.values():
        for index in (0, parameter.size // 2, parameter.size - 1):
            parameter.reshape(-1)[index] += 0.5
            result = check_next_call(module, result)


def test_one_element_counts_after_any_number_of_calls(dtype):
    lstm = pylstm.LSTM(40, 64, dtype=dtype)
    x, hx = operands(lstm)
    result = lstm(x, hx)
    for calls in range(8):
        held = hold_all(lstm, calls)
        held["weight_hh_l0"][-1, -1] += 0.5
        result = check_next_call(lstm, result)
        held["weight_ih_l0"][0, 0] -= 0.5
        del held
        result = check_next_call(lstm, result)


def test_what_is_written_and_written_back_changes_nothing(module):
    held = hold_all(module)
    expected = module(*operands(module))
    for parameter in held.values():
        old = parameter.copy()
        parameter[...] = 7
        parameter[...] = old
        assert_same_bits(module(*operands(module)), expected)
        parameter[...] = 7
        check_next_call(module, expected)
        parameter[...] = old
        assert_same_bits(module(*operands(module)), expected)


def through_dlpack(array):
    shared = np.from_dlpack(array)
    return shared if shared.flags.writeable else array


@pytest.mark.parametrize(
    "derive",
    [
        lambda a: a[-1:],
        lambda a: a.T,
        lambda a: a.reshape(-1)[::-1],
        lambda a: a.view(type("Sub", (np.ndarray,), {})),
        lambda a: np.asarray(memoryview(a)),
        lambda a: memoryview(a).cast("B").cast("f"),
        lambda a: np.frombuffer(a.base, np.float32),
        lambda a: memoryview(a.base).cast("f"),
        lambda a: np.lib.stride_tricks.as_strided(a, (2,), (4,)),
        lambda a: a.data.cast("B").cast("f"),
        through_dlpack,
    ],
)
def test_a_write_through_anything_derived_counts_at_the_next_call(derive):
    lstm = pylstm.LSTM(40, 64)
    derived = derive(lstm.weight_hh_l0)
    result = lstm(*operands(lstm))
    for number in range(4):
        derived[1 if len(derived) > 1 else 0] = 0.25 * number + 0.5
        result = check_next_call(lstm, result)
        assert_same_bits(lstm(*operands(lstm)), result)
    del derived
    assert_same_bits(lstm(*operands(lstm)), result)
    assert lstm._native_leases == 0


def test_an_infinite_weight_counts_where_states_are_omitted(dtype):
    """Zero states are left out of the sums while every weight_hh is finite."""
    lstm = pylstm.LSTM(40, 64, dtype=dtype)
    x = operands(lstm)[0]
    held = hold_all(lstm)["weight_hh_l0"]
    expected = lstm(x)
    for value in (np.inf, np.nan, -np.inf):
        old = held[63, 63]
        held[63, 63] = value
        result = lstm(x)
        assert np.isnan(result[0]).any()
        assert_same_bits(result, pickle.loads(pickle.dumps(lstm))(x))
        held[63, 63] = old
        assert_same_bits(lstm(x), expected)


def test_changes_by_the_library_count_while_parameters_are_held(module):
    held = hold_all(module)
    names = list(held)
    result = module(*operands(module))
    state = {name: np.full(value.shape, 0.125) for name, value in held.items()}
    for change in (
        lambda: module.load_state_dict(state),
        module.reset_parameters,
        lambda: setattr(module, names[-1], np.full(held[names[-1]].shape, 0.25)),
        lambda: module._native_assign({names[0]: np.full_like(held[names[0]], 0.75)}),
    ):
        change()
        result = check_next_call(module, result)
        for name, value in module.state_dict().items():
            assert (held[name] == value).all()
        held[names[0]][-1, -1] += 1
        result = check_next_call(module, result)


def test_modules_that_share_parameters_see_each_others_writes():
    lstm = pylstm.LSTM(40, 64)
    copies = [copy.copy(lstm) for _ in range(3)]
    held = hold_all(copies[0])
    result = lstm(*operands(lstm))
    for number, copied in enumerate(copies):
        held["weight_ih_l0"][number, number] += 0.5
        result = check_next_call(copied, result)
        copied.weight_hh_l0[number, number] += 0.5
        result = check_next_call(lstm, result)
        for other in copies:
            assert_same_bits(other(*operands(lstm)), result)


def test_several_arrays_on_one_parameter(dtype):
    lstm = pylstm.LSTM(40, 64, dtype=dtype)
    arrays = [lstm.weight_hh_l0 for _ in range(3)]
    hold_all(lstm)
    result = lstm(*operands(lstm))
    while arrays:
        arrays[0][0, 0] += 0.5
        result = check_next_call(lstm, result)
        arrays[-1][-1, -1] += 0.5
        arrays.pop()
        result = check_next_call(lstm, result)
    assert lstm._native_leases == 0


def test_any_sequence_of_holding_writing_and_calling(module):
    choose = np.random.default_rng(1)
    names = [*module.state_dict()]
    x, hx = operands(module)
    held = []
    for _ in range(300):
        action = choose.integers(6)
        if action == 0:
            held.append(getattr(module, choose.choice(names)))
        elif action == 1 and held:
            held.pop(choose.integers(len(held)))
        elif action == 2 and held:
            array = held[choose.integers(len(held))].reshape(-1)
            array[choose.integers(array.size)] = choose.choice([0.5, -0.25, 0.0, -0.0])
        elif action == 3 and choose.integers(4) == 0:
            module.reset_parameters()
        else:
            assert_same_bits(module(x, hx), pickle.loads(pickle.dumps(module))(x, hx))


# ---------------------------------------------------------------------------- what is packed, and when


def most_traced(call):
    """Bytes by which the memory that Python traces grows at most during a call."""
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def nbytes(module):
    return sum(value.nbytes for value in module.state_dict().values())


def packs(module, call=None):
    """Whether a call packs: that allocates what the parameters take, but for one of two biases."""
    x, hx = operands(module)
    least = 0.9 * nbytes(module)
    return most_traced(call or (lambda: module(x, hx))) >= least


PACKED = ("hidden 64", "hidden 256", "deep, both directions", "projection", "cell", "GRU", "RNN")


@pytest.fixture(params=PACKED)
def packed(request, dtype):
    """A module that has packed its parameters, in a build whose memory Python traces."""
    module = KINDS[request.param](dtype=dtype)
    if not packs(module):
        pytest.skip("the limited API of 3.11 has no memory that tracemalloc sees")
    assert not packs(module)
    return module


def test_a_loop_over_the_parameters_packs_nothing(packed):
    total = 0.0
    for _, parameter in packed.named_parameters():
        total += np.abs(parameter).sum()
    assert total > 0
    assert packed._native_leases == 1
    assert not packs(packed)  # the loop variable is still bound
    assert not packs(packed)
    del parameter
    assert not packs(packed)
    for parameter in packed.parameters():
        assert parameter.size
        assert not packs(packed)


def test_held_parameters_pack_nothing_until_they_are_written(packed):
    held = dict(packed.named_parameters())
    for _ in range(10):
        assert not packs(packed)
    for parameter in held.values():
        parameter.reshape(-1)[-1] += 0.5
        assert packs(packed)
        assert not packs(packed)
    held.clear()
    assert not packs(packed)


def test_a_lease_that_ends_after_a_write_packs_once(packed):
    for name in packed.state_dict():
        getattr(packed, name).reshape(-1)[0] += 0.5
        assert packed._native_leases == 0
        assert packs(packed)
        assert not packs(packed)


def test_bytes_are_compared_not_values(packed):
    """A zero's sign and a NaN's payload are values that == does not tell apart, or does wrongly."""
    bits = {4: np.uint32, 8: np.uint64}
    for held in dict(packed.named_parameters()).values():
        if held.ndim == 1:
            continue  # of biases the sum is packed
        view = held.reshape(-1).view(bits[held.itemsize])
        old = view[-1]
        held.reshape(-1)[-1] = 0.0
        assert packs(packed)
        held.reshape(-1)[-1] = -0.0
        assert packs(packed)
        held.reshape(-1)[-1] = np.nan
        assert packs(packed)
        assert not packs(packed)
        view[-1] ^= 1
        assert packs(packed)
        view[-1] = old
        assert packs(packed)


def test_flatten_parameters_packs_while_parameters_are_held(packed):
    held = dict(packed.named_parameters())
    for parameter in held.values():
        parameter[...] = 0.5
    assert packs(packed, packed.flatten_parameters)
    assert not packs(packed)
    assert not packs(packed, packed.flatten_parameters)


def test_memory_of_held_parameters_is_bounded_and_returns(packed):
    x, hx = operands(packed)
    weights = nbytes(packed)
    tracemalloc.start()
    try:
        packed(x, hx)
        before = tracemalloc.get_traced_memory()[0]
        held = dict(packed.named_parameters())
        for _ in range(200):
            packed(x, hx)
        grown = tracemalloc.get_traced_memory()[0] - before
        assert 0 < grown < weights + 20_000
        held.clear()
        assert tracemalloc.get_traced_memory()[0] - before < 4000
        packed(x, hx)
        assert tracemalloc.get_traced_memory()[0] - before < 4000
    finally:
        tracemalloc.stop()


# ---------------------------------------------------------------------------- read-only views


def test_state_dict_values_stay_read_only(lstm):
    for value in lstm.state_dict().values():
        for array in (value, value[1:], value.view(np.uint8), value.reshape(-1)):
            assert not array.flags.writeable
            with pytest.raises(ValueError, match="cannot set WRITEABLE flag"):
                array.flags.writeable = True
        with pytest.raises(ValueError, match="cannot set WRITEABLE flag"):
            np.frombuffer(value.base, np.uint8).flags.writeable = True
        assert memoryview(value.base).readonly
    assert lstm._native_leases == 0


def test_views_show_what_is_written(lstm):
    view = lstm.state_dict()["bias_ih_l0"]
    lstm.bias_ih_l0[...] = 0.25
    assert (view == 0.25).all()
    lstm.bias_ih_l0 = np.arange(12)
    assert (view == np.arange(12)).all()


# ---------------------------------------------------------------------------- lifetime


def test_arrays_outlive_the_module():
    lstm = pylstm.LSTM(4, 3, 2)
    held, view = lstm.weight_ih_l0, lstm.state_dict()["weight_ih_l0"]
    expected = held.copy()
    gone = weakref.ref(lstm)
    del lstm
    gc.collect()
    assert gone() is None
    assert (held == expected).all() and (view == expected).all()
    held[...] = 1
    assert (view == 1).all()


def test_a_second_init_leaves_exported_arrays_alone(lstm):
    held, view = lstm.weight_ih_l0, lstm.state_dict()["weight_ih_l0"]
    expected = held.copy()
    lstm.__init__(4, 6)
    assert lstm._native_leases == 0
    assert lstm(X)[0].shape == (5, 2, 6)
    assert (held == expected).all() and (view == expected).all()
    before = lstm(X)
    held[...] = 9
    assert_same_bits(lstm(X), before)


def test_conversion_leaves_exported_arrays_alone(lstm):
    held = lstm.weight_ih_l0
    lstm.double()
    assert lstm._native_leases == 0 and held.dtype == np.float32
    before = lstm(X)
    held[...] = 9
    assert_same_bits(lstm(X), before)


def test_copy_shares_parameters_and_leases(lstm):
    copied = copy.copy(lstm)
    held = copied.weight_hh_l1
    assert lstm._native_leases == copied._native_leases == 1
    held[...] = 0.5
    assert_same_bits(lstm(X), copied(X))
    assert_same_bits(lstm(X), fresh(lstm))
    del held
    assert_same_bits(lstm(X), copied(X))
    lstm.weight_ih_l0 = np.ones((12, 4))
    assert_same_bits(copied(X), fresh(lstm))
    assert np.shares_memory(lstm.weight_ih_l0, copied.weight_ih_l0)


def test_copies_part_when_one_is_built_anew(lstm):
    copied = copy.copy(lstm)
    expected = copied(X)
    lstm.__init__(4, 3, 2)
    assert not np.shares_memory(lstm.weight_ih_l0, copied.weight_ih_l0)
    assert_same_bits(copied(X), expected)


def test_deepcopy_shares_nothing(lstm):
    copied = copy.deepcopy(lstm)
    held = lstm.weight_ih_l0
    assert copied._native_leases == 0
    expected = copied(X)
    held[...] = 1
    assert_same_bits(copied(X), expected)


def test_share_refuses_other_kinds(lstm):
    cell = pylstm.LSTMCell(4, 3)
    for target, other in ((lstm, cell), (cell, lstm), (lstm, 3), (lstm, None)):
        with pytest.raises(TypeError, match="a layer of the same kind"):
            target._native_share(other)
    with pytest.raises(RuntimeError, match=r"LSTM\.__init__\(\) has not been called"):
        lstm._native_share(pylstm.LSTM.__new__(pylstm.LSTM))
    lstm._native_share(lstm)
    assert_same_bits(lstm(X), fresh(lstm))


# ---------------------------------------------------------------------------- changes without a lease


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.reset_parameters(),
        lambda m: m.load_state_dict({k: np.ones(v.shape) for k, v in m.state_dict().items()}),
        lambda m: setattr(m, "bias_hh_l0", np.full(12, 2.0)),
        lambda m: m.double(),
        lambda m: m.double().float(),
        lambda m: m._native_assign({"weight_ih_l0": np.ones((12, 4), np.float32)}),
    ],
)
def test_every_change_is_seen(lstm, change):
    lstm.flatten_parameters()
    before = lstm(X)
    change(lstm)
    after = lstm(X)
    assert_same_bits(after, fresh(lstm))
    changed = any((a != b).any() for a, b in zip(before[1], after[1], strict=True))
    assert changed or lstm.state_dict()["weight_ih_l0"].dtype == np.float32


def test_assign_is_all_or_nothing(lstm):
    before = lstm.state_dict()
    before = {name: value.copy() for name, value in before.items()}
    good = np.ones((12, 4), np.float32)
    for bad, error in [
        ({"weight_ih_l0": good, "weight_hh_l0": good}, ValueError),
        ({"weight_ih_l0": good, "bias_ih_l0": np.ones(12)}, ValueError),
        ({"weight_ih_l0": good, "weight_ih_l9": good}, KeyError),
        ({"weight_ih_l0": np.asfortranarray(good)}, ValueError),
        ({"weight_ih_l0": good.astype(">f4")}, ValueError),
        ({"weight_ih_l0": good, "bias_ih_l0": None}, ValueError),
        ({"weight_ih_l0": good, 3: good}, TypeError),
    ]:
        with pytest.raises(error):
            lstm._native_assign(bad)
        for name, value in lstm.state_dict().items():
            assert (value == before[name]).all()


@pytest.mark.parametrize(
    "name",
    ["", "weight", "weight_ih", "weight_ih_l", "weight_ih_l2", "weight_ih_l00", "weight_ih_l0_reverse", "weight_ih_l-1",
     "weight_ih_l0 ", "weight_ih_l0\0", "weight_hr_l0", "bias_ih_l0x", "weight_ih_l99999999999999999999"],
)  # fmt: skip
def test_names_that_are_no_parameter(lstm, name):
    for get in (lstm._native_parameter, lstm._parameter_view):
        with pytest.raises(KeyError):
            get(name)


# ---------------------------------------------------------------------------- before __init__


@pytest.mark.parametrize("kind", [pylstm.LSTM, pylstm.LSTMCell])
def test_an_object_without_init_is_safe_to_touch(kind):
    empty = kind.__new__(kind, 1, 2, anything=3)
    assert empty.training is True
    text = rf"{kind.__name__}\.__init__\(\) has not been called"
    for touch in (
        lambda: empty.forward(X),
        lambda: empty._native_parameter("weight_ih"),
        lambda: empty._parameter_view("weight_ih"),
        lambda: empty._native_assign({}),
        lambda: empty._native_convert("float64"),
        lambda: empty._native_reset_parameters(),
        lambda: empty.flatten_parameters(),
        lambda: empty._native_leases,
        lambda: empty._native_dtype,
        lambda: empty._native_names,
    ):
        with pytest.raises(RuntimeError, match=text):
            touch()


def test_the_name_in_that_error_is_the_subclass():
    class Mine(pylstm.LSTM):
        pass

    with pytest.raises(RuntimeError, match=r"Mine\.__init__\(\) has not been called"):
        Mine.__new__(Mine).forward(X)


# ---------------------------------------------------------------------------- threads


def run_threads(*targets):
    """Run the functions at once; an exception in one fails the test."""
    errors = []

    def guard(target):
        try:
            target()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guard, args=(target,)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors


def test_one_module_serves_many_threads():
    lstm = pylstm.LSTM(32, 64, 2)
    inputs = [fractions(seed, (40, 3, 32)) for seed in range(4)]
    expected = [lstm(x) for x in inputs]

    def call(index):
        for _ in range(10):
            assert_same_bits(lstm(inputs[index]), expected[index])

    run_threads(*[lambda index=index: call(index) for index in range(4)])


def test_changes_in_other_threads_pull_no_memory_away():
    """Calls long enough to let go of the GIL, beside every way to replace what they use."""
    lstm = pylstm.LSTM(32, 64)
    x = np.zeros((200, 1, 32))
    state = {name: np.zeros_like(value) for name, value in lstm.state_dict().items()}
    stop = threading.Event()

    def call():
        try:
            for _ in range(60):
                out, _ = lstm(x)
                assert np.isfinite(out).all()
        finally:
            stop.set()

    def replace():
        while not stop.is_set():
            lstm.__init__(32, 64)
            lstm.double()
            lstm.load_state_dict(state)
            lstm.float()
            lstm.reset_parameters()

    def lease():
        while not stop.is_set():
            held = lstm.weight_hh_l0
            held[...] = 0.5
            del held
            lstm.flatten_parameters()

    run_threads(call, call, replace, lease)
    gc.collect()
    assert lstm._native_leases == 0
    assert_same_bits(lstm(x), pickle.loads(pickle.dumps(lstm))(x))


def test_leases_are_counted_exactly_across_threads():
    lstm = pylstm.LSTM(2, 2)

    def take():
        for _ in range(2000):
            held = [lstm.weight_ih_l0, lstm.bias_ih_l0[1:]]
            held.pop()

    run_threads(*[take] * 4)
    assert lstm._native_leases == 0


@pytest.mark.parametrize("ends", [True, False], ids=["thread ended", "thread waits"])
def test_a_write_in_another_thread_counts_at_the_next_call(module, ends):
    result = module(*operands(module))
    for name in hold_all(module):
        written, go_on = threading.Event(), threading.Event()

        def write(name=name, written=written, go_on=go_on):
            array = getattr(module, name).reshape(-1)
            array[-1] += 0.5
            if ends:
                del array
            written.set()
            assert go_on.wait(HANG)

        thread = threading.Thread(target=write)
        thread.start()
        assert written.wait(HANG)
        if ends:
            go_on.set()
            thread.join()
        result = check_next_call(module, result)
        go_on.set()
        thread.join()


@pytest.mark.parametrize("sizes", [(40, 64), (64, 400), (512, 1100)])
def test_calls_beside_a_writer_are_right_once_it_has_ended(sizes):
    """Sizes at which comparing and packing keep the GIL, and let go of it."""
    lstm = pylstm.LSTM(*sizes)
    x, hx = operands(lstm)
    ended = threading.Event()

    def write():
        held = lstm.weight_hh_l0
        try:
            for number in range(6):
                held[...] = number / 64 - 0.5
                held[-1, -1] = number
        finally:
            del held
            ended.set()

    def call():
        while not ended.is_set():
            assert np.isfinite(lstm(x, hx)[0]).all()

    for _ in range(3):
        ended.clear()
        held = lstm.weight_ih_l0
        run_threads(call, write, call)
        assert_same_bits(lstm(x, hx), pickle.loads(pickle.dumps(lstm))(x, hx))
        held[0, 0] += 0.5
        assert_same_bits(lstm(x, hx), pickle.loads(pickle.dumps(lstm))(x, hx))
        del held
    assert lstm._native_leases == 0


def test_what_is_written_while_a_call_packs_counts_at_the_next():
    """A lease that begins and ends, with a write, within the packing of a call in another thread."""
    lstm = pylstm.LSTM(512, 1100)
    x, hx = operands(lstm)
    expected = pylstm.LSTM(512, 1100)
    for number in range(20):
        lstm.weight_ih_l0 = np.zeros((4400, 512))
        called = threading.Event()

        def write(number=number, called=called):
            called.wait(HANG)
            for row in (0, 2200, 4399):
                lstm.weight_ih_l0[row] = number + 1
                lstm.weight_hh_l0[row] = number + 1

        def call(called=called):
            called.set()
            lstm(x, hx)

        run_threads(call, write)
        assert lstm._native_leases == 0
        expected.load_state_dict(lstm.state_dict())
        assert_same_bits(lstm(x, hx), expected(x, hx))


def test_leases_come_and_go_beside_calls():
    lstm = pylstm.LSTM(40, 64, 2)
    x, hx = operands(lstm)
    expected = lstm(x, hx)

    def call():
        for _ in range(300):
            assert_same_bits(lstm(x, hx), expected)

    def hold():
        for _ in range(300):
            held = dict(lstm.named_parameters())
            lstm(x, hx)
            held.pop("weight_hh_l1")
            lstm(x, hx)

    run_threads(call, hold, hold, call)
    assert lstm._native_leases == 0
    assert_same_bits(lstm(x, hx), expected)
