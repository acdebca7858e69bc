"""Writable parameter arrays: what they see, how long they count, and that no result is ever stale."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest
from reference import fractions
from support import assert_same_bits

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
    assert lstm._leases == 0
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
    assert lstm._leases == 1
    del derived
    gc.collect()
    assert lstm._leases == 0


def test_copies_and_reductions_keep_no_lease(lstm):
    kept = [
        lstm.weight_ih_l0.copy(),
        lstm.weight_ih_l0 + 1,
        lstm.weight_ih_l0.tolist(),
        lstm.weight_ih_l0.sum(),
    ]
    assert lstm._leases == 0
    assert len(kept) == 4


def test_the_writeable_flag_can_be_toggled(lstm):
    held = lstm.weight_ih_l0
    held.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        held[...] = 0
    held.flags.writeable = True
    held[...] = 0
    assert_same_bits(lstm(X), fresh(lstm))


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
    assert lstm._leases == 0


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
    assert lstm._leases == 0
    assert lstm(X)[0].shape == (5, 2, 6)
    assert (held == expected).all() and (view == expected).all()
    before = lstm(X)
    held[...] = 9
    assert_same_bits(lstm(X), before)


def test_conversion_leaves_exported_arrays_alone(lstm):
    held = lstm.weight_ih_l0
    lstm.double()
    assert lstm._leases == 0 and held.dtype == np.float32
    before = lstm(X)
    held[...] = 9
    assert_same_bits(lstm(X), before)


def test_copy_shares_parameters_and_leases(lstm):
    twin = copy.copy(lstm)
    held = twin.weight_hh_l1
    assert lstm._leases == twin._leases == 1
    held[...] = 0.5
    assert_same_bits(lstm(X), twin(X))
    assert_same_bits(lstm(X), fresh(lstm))
    del held
    assert_same_bits(lstm(X), twin(X))
    lstm.weight_ih_l0 = np.ones((12, 4))
    assert_same_bits(twin(X), fresh(lstm))
    assert np.shares_memory(lstm.weight_ih_l0, twin.weight_ih_l0)


def test_copies_part_when_one_is_built_anew(lstm):
    twin = copy.copy(lstm)
    expected = twin(X)
    lstm.__init__(4, 3, 2)
    assert not np.shares_memory(lstm.weight_ih_l0, twin.weight_ih_l0)
    assert_same_bits(twin(X), expected)


def test_deepcopy_shares_nothing(lstm):
    twin = copy.deepcopy(lstm)
    held = lstm.weight_ih_l0
    assert twin._leases == 0
    expected = twin(X)
    held[...] = 1
    assert_same_bits(twin(X), expected)


def test_share_refuses_other_kinds(lstm):
    cell = pylstm.LSTMCell(4, 3)
    for target, other in ((lstm, cell), (cell, lstm), (lstm, 3), (lstm, None)):
        with pytest.raises(TypeError, match="a layer of the same kind"):
            target._share(other)
    with pytest.raises(RuntimeError, match=r"LSTM\.__init__\(\) has not been called"):
        lstm._share(pylstm.LSTM.__new__(pylstm.LSTM))
    lstm._share(lstm)
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
        lambda m: m._assign({"weight_ih_l0": np.ones((12, 4), np.float32)}),
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
            lstm._assign(bad)
        for name, value in lstm.state_dict().items():
            assert (value == before[name]).all()


@pytest.mark.parametrize(
    "name",
    ["", "weight", "weight_ih", "weight_ih_l", "weight_ih_l2", "weight_ih_l00", "weight_ih_l0_reverse", "weight_ih_l-1",
     "weight_ih_l0 ", "weight_ih_l0\0", "weight_hr_l0", "bias_ih_l0x", "weight_ih_l99999999999999999999"],
)  # fmt: skip
def test_names_that_are_no_parameter(lstm, name):
    for get in (lstm._parameter, lstm._parameter_view):
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
        lambda: empty._parameter("weight_ih"),
        lambda: empty._parameter_view("weight_ih"),
        lambda: empty._assign({}),
        lambda: empty._convert("float64"),
        lambda: empty._reset_parameters(),
        lambda: empty.flatten_parameters(),
        lambda: empty._leases,
        lambda: empty._dtype,
        lambda: empty._parameter_names,
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
    assert lstm._leases == 0
    assert_same_bits(lstm(x), pickle.loads(pickle.dumps(lstm))(x))


def test_leases_are_counted_exactly_across_threads():
    lstm = pylstm.LSTM(2, 2)

    def take():
        for _ in range(2000):
            held = [lstm.weight_ih_l0, lstm.bias_ih_l0[1:]]
            held.pop()

    run_threads(*[take] * 4)
    assert lstm._leases == 0
