"""Pickles and copies carry parameters, options and attributes, and draw no random numbers."""

import copy
import gc
import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest
from support import flatten

import pylstm
from pylstm import LSTM, LSTMCell, Module

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
X = np.random.default_rng(1).standard_normal((5, 2, 4))

OPTIONS = [
    {},
    {"num_layers": 3},
    {"bias": False},
    {"batch_first": True},
    {"num_layers": 2, "dropout": 0.25},
    {"bidirectional": True},
    {"bidirectional": 1},
    {"proj_size": 2},
    {"dtype": np.float64},
    {
        "num_layers": 2,
        "bias": False,
        "batch_first": True,
        "dropout": 0.5,
        "bidirectional": True,
        "proj_size": 2,
        "dtype": np.float64,
    },
]


class Extra(LSTM):
    """At module level, since a pickle names its class."""

    def __init__(self, size, note):
        super().__init__(4, size)
        self.note = note
        self.head = LSTMCell(1, 1)
        self.register_parameter("scale", np.ones(2))
        self.me = [self]  # a cycle that is no child

    def forward(self, input, hx=None):
        return "extra", super().forward(input, hx)


class Picky(LSTM):
    """Leaves out of its pickle what cannot be pickled."""

    def __init__(self):
        super().__init__(4, 3)
        self.log = lambda: None

    def __getstate__(self):
        state = super().__getstate__()
        del state["log"]
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        self.log = None


class Forgetful(LSTM):
    """Does not call super() in either method, and torch lets it."""

    def __init__(self):
        super().__init__(4, 3)
        self.forward_calls = 0

    def __getstate__(self):
        return self.__dict__.copy()

    def __setstate__(self, state):
        self.__dict__.update(state)


class Box(Module):
    def __init__(self):
        super().__init__()
        self.lstm = LSTM(4, 3)
        self.again = self.lstm
        self.register_buffer("count", np.zeros(2, int), persistent=False)
        self.plain = np.ones(3)

    def forward(self, x):
        return self.lstm(x)


def hook(module, args, output):
    return "hooked"


def same_state(a, b):
    first, second = a.state_dict(), b.state_dict()
    return list(first) == list(second) and all(
        first[name].tobytes() == second[name].tobytes()
        and first[name].dtype == second[name].dtype
        and first[name].shape == second[name].shape
        for name in first
    )


def round_trips():
    for protocol in PROTOCOLS:
        yield lambda module, p=protocol: pickle.loads(pickle.dumps(module, p))
    yield copy.deepcopy


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_round_trips_of_an_lstm_are_equal_as_bytes(options):
    lstm = LSTM(4, 3, **options)
    lstm.eval()
    expected = lstm(X)
    state = pylstm.get_rng_state()
    for trip in round_trips():
        copied = trip(lstm)
        assert type(copied) is LSTM and repr(copied) == repr(lstm)
        assert same_state(copied, lstm)
        assert copied.training is False and copied._native_direct
        assert copied(X)[0].tobytes() == expected[0].tobytes()
        copied.weight_ih_l0[...] = 0
        assert lstm(X)[0].tobytes() == expected[0].tobytes()
    assert np.array_equal(pylstm.get_rng_state(), state)


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"bias": 0}, {"dtype": "f8"}], ids=str)
def test_round_trips_of_a_cell_are_equal_as_bytes(options):
    cell = LSTMCell(4, 3, **options)
    state = pylstm.get_rng_state()
    for trip in round_trips():
        copied = trip(cell)
        assert type(copied) is LSTMCell and repr(copied) == repr(cell)
        assert same_state(copied, cell)
        assert [name for name, _ in copied.named_parameters()] == list(cell.state_dict())
        assert (copied.bias_ih is None) == (cell.bias_ih is None)
        assert copied(X[0])[0].tobytes() == cell(X[0])[0].tobytes()
    assert np.array_equal(pylstm.get_rng_state(), state)


OTHER_OPTIONS = [
    ("GRU", {}),
    ("GRU", {"num_layers": 2, "bidirectional": True, "dropout": 0.5, "bias": False}),
    ("GRU", {"batch_first": True, "dtype": "f8"}),
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu"}),
    ("RNN", {"nonlinearity": "relu", "num_layers": 3, "bidirectional": True, "dtype": "f8"}),
    ("GRUCell", {}),
    ("GRUCell", {"bias": False, "dtype": "f8"}),
    ("RNNCell", {}),
    ("RNNCell", {"nonlinearity": "relu"}),
    ("RNNCell", {"bias": "relu"}),
    ("RNNCell", {"nonlinearity": "relu", "bias": False, "dtype": "f8"}),
]


@pytest.mark.parametrize(("name", "options"), OTHER_OPTIONS, ids=str)
def test_round_trips_of_other_kinds_are_equal_as_bytes(name, options):
    module = getattr(pylstm, name)(4, 3, **options).eval()
    x = X[0] if name.endswith("Cell") else X
    expected = [array.tobytes() for array in flatten(module(x))]
    state = pylstm.get_rng_state()
    for trip in round_trips():
        copied = trip(module)
        assert type(copied) is type(module) and repr(copied) == repr(module)
        assert same_state(copied, module)
        assert copied.training is False and copied._native_direct
        for attribute in ("mode", "nonlinearity", "batch_first", "dropout", "bias"):
            assert getattr(copied, attribute, None) == getattr(module, attribute, None)
        assert [array.tobytes() for array in flatten(copied(x))] == expected
        next(iter(copied.parameters()))[...] = 0
        assert [array.tobytes() for array in flatten(module(x))] == expected
    assert np.array_equal(pylstm.get_rng_state(), state)


def test_a_changed_activation_of_a_cell_is_copied():
    cell = pylstm.RNNCell(4, 3)
    cell.nonlinearity = "relu"
    expected = cell(X[0]).tobytes()
    for trip in (*round_trips(), copy.copy):
        assert trip(cell).nonlinearity == "relu"
        assert trip(cell)(X[0]).tobytes() == expected


def test_copying_leaves_no_lease_behind():
    lstm = LSTM(4, 3)
    for trip in (*round_trips(), copy.copy):
        assert trip(lstm)._native_leases == 0
    gc.collect()
    assert lstm._native_leases == 0


def test_a_subclass_keeps_its_attributes_children_and_forward():
    extra = Extra(3, {"a": [1]})
    for trip in round_trips():
        copied = trip(extra)
        assert type(copied) is Extra and copied.note == {"a": [1]} and copied.note is not extra.note
        assert copied.me[0] is copied
        assert copied.head is not extra.head and same_state(copied, extra)
        assert list(copied.state_dict()) == list(extra.state_dict())
        assert copied(X)[0] == "extra"


def test_getstate_and_setstate_of_a_subclass_are_honoured():
    picky = Picky()
    for trip in round_trips():
        copied = trip(picky)
        assert copied.log is None and same_state(copied, picky)
    forgetful = Forgetful()
    for trip in round_trips():
        copied = trip(forgetful)
        assert copied.forward_calls == 0 and same_state(copied, forgetful)
        assert copied(X)[0].tobytes() == forgetful(X)[0].tobytes()


def test_hooks_travel_with_the_module():
    lstm = LSTM(4, 3)
    lstm.register_forward_hook(hook)
    for trip in round_trips():
        copied = trip(lstm)
        assert copied(X) == "hooked"
        later = copied.register_forward_hook(hook)
        assert len(copied._forward_hooks) == 2
        later.remove()
        copied._forward_hooks.clear()
        assert copied(X)[0].shape == (5, 2, 3)
    lstm.register_forward_hook(lambda *args: None)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(lstm)
    assert copy.deepcopy(lstm)(X) == "hooked"


def test_a_new_hook_never_takes_the_number_of_one_that_a_pickle_brought():
    lstm = LSTM(4, 3)
    number = lstm.register_forward_hook(hook).id
    lstm._forward_hooks[number + 1000] = hook  # as a pickle of another process may hold it
    copied = pickle.loads(pickle.dumps(lstm))
    assert copied.register_forward_hook(hook).id == number + 1001
    assert len(copied._forward_hooks) == 3


def test_an_instance_with_a_forward_of_its_own_keeps_it():
    lstm = LSTM(4, 3)
    lstm.forward = abs
    for trip in (*round_trips(), copy.copy):
        assert trip(lstm).forward is abs
        assert trip(lstm)(-5) == 5


def test_containers():
    box = Box()
    box.register_forward_hook(hook)
    for trip in round_trips():
        copied = trip(box)
        assert (
            same_state(copied, box) and copied.again is copied.lstm and copied.lstm is not box.lstm
        )
        assert np.array_equal(copied.plain, box.plain) and copied.plain is not box.plain
        assert "count" not in copied.state_dict() and copied.count.dtype == box.count.dtype
        assert copied(X) == "hooked"


# ---------------------------------------------------------------------------- copy.copy


def test_a_shallow_copy_shares_the_parameters():
    lstm = LSTM(4, 3, 2, batch_first=True, dropout=0.5).eval()
    copied = copy.copy(lstm)
    assert type(copied) is LSTM and repr(copied) == repr(lstm) and copied.training is False
    lstm.weight_ih_l0[...] = 0
    assert not np.any(copied.weight_ih_l0)
    assert copied(X)[0].tobytes() == lstm(X)[0].tobytes()
    copied.load_state_dict({name: np.ones(a.shape) for name, a in copied.state_dict().items()})
    assert np.all(lstm.weight_hh_l1 == 1)
    assert copied(X)[0].tobytes() == lstm(X)[0].tobytes()
    copied.batch_first = False
    assert lstm.batch_first is True


def test_a_shallow_copy_shares_attributes_and_children():
    extra = Extra(3, [1])
    copied = copy.copy(extra)
    assert copied.note is extra.note and copied.head is extra.head and copied.me is extra.me
    assert copied.scale is extra.scale
    copied.register_forward_hook(hook)
    assert copied(X) == "hooked" and extra(X)[0] == "extra"


def test_a_shared_block_counts_once_among_parameters():
    pair = Module()
    pair.a = LSTM(4, 3)
    pair.b = copy.copy(pair.a)
    assert len(list(pair.parameters())) == 4
    assert len(list(pair.named_parameters(remove_duplicate=False))) == 8
    assert len(pair.state_dict()) == 8


# ---------------------------------------------------------------------------- format


def test_the_pickled_values_are_plain_and_carry_a_version():
    _, (cls, saved), state = LSTM(4, 3, 2, dropout=0.5).__reduce_ex__(2)
    assert cls is LSTM and isinstance(state, dict)
    assert saved["version"] == 1 and saved["dtype"] == "float32"
    assert saved["structure"] == {
        "mode": "LSTM",
        "input_size": 4,
        "hidden_size": 3,
        "num_layers": 2,
        "bias": True,
        "bidirectional": False,
        "proj_size": 0,
    }
    assert saved["options"] == {"training": True, "batch_first": False, "dropout": 0.5}
    assert all(type(array) is np.ndarray for array in saved["parameters"].values())


def test_a_pickle_of_a_later_version_says_so():
    rebuild, (cls, saved), _ = LSTM(4, 3).__reduce_ex__(2)
    with pytest.raises(ValueError, match="a newer pylstm wrote it"):
        rebuild(cls, {**saved, "version": 4})


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("kind", [LSTM, LSTMCell])
def test_an_object_without_init_cannot_be_copied(kind, copied):
    text = rf"{kind.__name__}\.__init__\(\) has not been called"
    with pytest.raises(RuntimeError, match=text):
        copied(kind.__new__(kind))


def test_buffers_out_of_band():
    lstm = LSTM(4, 3)
    buffers = []
    data = pickle.dumps(lstm, 5, buffer_callback=buffers.append)
    assert len(buffers) == 4
    assert same_state(pickle.loads(data, buffers=buffers), lstm)


def test_what_version_0_1_0_pickled_stays_readable():
    data = Path(__file__).parent / "data"
    pickles = pickle.loads((data / "modules_pickled_by_0.1.0.pkl").read_bytes())
    expected = runpy.run_path(str(data / "record_pickle.py"))["modules"]()
    assert list(pickles) == [0, 2, 5]
    for pickled in pickles.values():
        for module, same in zip(pickle.loads(pickled), expected, strict=True):
            assert type(module) is type(same) and repr(module) == repr(same)
            assert module.training is same.training
            assert same_state(module, same)


def recorded_objects():
    """{name: (the object out of its pickle, one that is made now)}"""
    data = Path(__file__).parent / "data"
    pickles = pickle.loads((data / "objects_pickled_by_0.1.0.pkl").read_bytes())
    made = runpy.run_path(str(data / "record_pickled_objects.py"))["objects"]()
    assert list(pickles) == list(made)
    return {name: (pickle.loads(pickles[name]), made[name]) for name in made}


def test_what_else_version_0_1_0_pickled_stays_readable():
    objects = recorded_objects()
    for name, (old, new) in objects.items():
        assert type(old) is type(new), name
        assert repr(old) == repr(new), name
    box, same = objects["container"]
    assert same_state(box, same)
    assert list(box._forward_hooks.values()) == [sorted]
    box.handle.remove()
    assert not box._forward_hooks
    assert objects["found"][0] == objects["found"][1]
    assert objects["error"][0].args == objects["error"][1].args
    old, new = objects["record"]
    assert (old.args, old.state, old.items) == (new.args, new.state, new.items)
    packed, same = objects["packed"]
    assert packed.data.tobytes() == same.data.tobytes()
