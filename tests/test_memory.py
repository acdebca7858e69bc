"""No leaks: what is repeated a thousand times leaves no block and no reference behind."""

import contextlib
import copy
import gc
import pickle
import sys
import tracemalloc

import growth as footprints
import numpy as np
import pytest
from reference import fractions

import pylstm
from pylstm import _core
from pylstm.contract.cases import STORAGES
from pylstm.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

X = fractions(1, (5, 2, 4)).astype(np.float32)
PACKED = pack_sequence([X[:3, 0], X[:, 1]], enforce_sorted=False)
STATES = np.zeros((1, 2, 3), np.float32), np.zeros((1, 2, 3), np.float32)


def ignore_errors(call):
    """`call` with its exception, if any, swallowed."""

    def run():
        with contextlib.suppress(
            TypeError, ValueError, RuntimeError, IndexError, KeyError, MemoryError
        ):
            call()

    return run


def held_for(lstm, calls, write=False):
    """Calls while every parameter is held, which makes copies of them."""
    held = list(lstm.parameters())
    for number in range(calls):
        if write:
            held[number % len(held)].reshape(-1)[-1] += 1
        lstm(X)


CLEAR_CACHES = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache
RUNS = 200
# The smallest leak is one object of 16 bytes per run.
LEAST_LEAK = 16 * RUNS


def growth(action):
    """The least number of bytes and of objects that RUNS runs leave behind, of four windows.

    Caches and free lists grow too, but not for ever: a leak shows in every window.
    """
    for _ in range(50):
        action()
    sizes, counts = [], []
    gc.collect()
    tracemalloc.start()
    try:
        for _window in range(5):
            for _ in range(RUNS):
                action()
            gc.collect()
            CLEAR_CACHES()  # of attributes: they keep the names that were looked up
            sizes.append(tracemalloc.get_traced_memory()[0])
            counts.append(len(gc.get_objects()))
    finally:
        tracemalloc.stop()
    return min(np.diff(sizes)), min(np.diff(counts))


def make_actions():
    lstm, cell = pylstm.LSTM(4, 3), pylstm.LSTMCell(4, 3)
    deep = pylstm.LSTM(4, 3, 2, bidirectional=True, proj_size=2, dropout=0.5)
    hooked = pylstm.LSTM(4, 3)
    hooked.register_forward_hook(lambda module, args, output: None)
    packed = pack_sequence([X[:, 0], X[:3, 1]])
    big = pylstm.LSTM(4, 64)
    long = np.zeros((300, 4, 4), np.float32)
    calls = {
        "lstm": lambda: lstm(X),
        "lstm with states": lambda: lstm(X, STATES),
        "lstm with keywords": lambda: lstm(input=X, hx=list(STATES)),
        "lstm converted": lambda: lstm(X.astype(np.float64), [s.tolist() for s in STATES]),
        "lstm strided": lambda: lstm(X[:, ::-1, ::-1]),
        "lstm unbatched, stacked states": lambda: lstm(X[:, 0], np.zeros((2, 1, 3))),
        "lstm with dropout": lambda: deep(X),
        "lstm large": lambda: big(long),
        "lstm packed": lambda: lstm(packed, STATES),
        "lstm packed, unsorted": lambda: lstm(PACKED),
        "pack, run and pad": lambda: pad_packed_sequence(lstm(pack_padded_sequence(X, [5, 3]))[0]),
        "pack unsorted": lambda: pack_padded_sequence(X, np.array([3, 5]), enforce_sorted=False),
        "pack what is unusual": lambda: pack_padded_sequence(X[..., ::-1], [5.0, 3.0]),
        "pad": lambda: pad_packed_sequence(PACKED, batch_first=True, total_length=9),
        "pad what is unusual": lambda: pad_packed_sequence(PACKED, padding_value=1.0),
        "lstm with hooks": lambda: hooked(X),
        "cell": lambda: cell(X[0], (STATES[0][0], STATES[1][0])),
        "cell unbatched": lambda: cell(X[0, 0]),
        "empty batch": lambda: lstm(X[:, :0]),
        "build": lambda: pylstm.LSTM(4, 3, 2),
        "build again": lambda: lstm.__init__(4, 3),
        "build and call": lambda: pylstm.LSTM(4, 3)(X),
        "cycle": lambda: setattr(module := pylstm.LSTMCell(2, 2), "me", module),
        "subclass": lambda: type("Mine", (pylstm.LSTM,), {})(4, 3)(X),
        "without init": lambda: pylstm.LSTM.__new__(pylstm.LSTM),
        "lease": lambda: (lstm.weight_ih_l0[1:], lstm(X)),
        "held": lambda: held_for(lstm, 5),
        "held and written": lambda: held_for(lstm, 3, write=True),
        "lease that outlives": lambda: pylstm.LSTM(4, 3).weight_ih_l0.sum(),
        "buffer": lambda: memoryview(lstm.weight_ih_l0.base).release(),
        "state_dict": lambda: lstm.load_state_dict(lstm.state_dict()),
        "assign": lambda: lstm._native_assign({"bias_ih_l0": np.zeros(12, np.float32)}),
        "convert": lambda: lstm.double().float(),
        "copy": lambda: copy.copy(lstm)(X),
        "deepcopy": lambda: copy.deepcopy(deep),
        "pickle": lambda: pickle.loads(pickle.dumps(lstm))(X),
        "pack": lambda: (lstm.reset_parameters(), lstm.flatten_parameters()),
        "names": lambda: (lstm._native_names, lstm._native_dtype, lstm._native_leases, repr(deep)),
        "generator": lambda: pylstm.set_rng_state(pylstm.get_rng_state()),
        "seed": lambda: pylstm.manual_seed(pylstm.initial_seed()),
        "as_array": lambda: (_core.as_array([[1, 2]], "x", "float32"), _core.as_array(X, "x")),
        "levels": lambda: (_core.simd_level(), _core.simd_levels(), _core.compiler()),
    }
    linear, wide = pylstm.Linear(4, 3), pylstm.Linear(64, 64)
    rows, result = np.zeros((200, 64), np.float32), np.empty((*X.shape[:-1], 3), np.float32)
    calls |= {
        "linear": lambda: linear(X),
        "linear large": lambda: wide(rows),
        "linear copied": lambda: linear(np.zeros((2, 3, 5, 4)).transpose(2, 1, 0, 3)),
        "linear converted": lambda: linear(X.tolist()),
        "linear out": lambda: linear(input=X, out=result),
        "linear held": lambda: held_for(linear, 5),
        "linear pickled": lambda: pickle.loads(pickle.dumps(copy.copy(linear)))(X),
        "build a linear layer": lambda: pylstm.Linear(4, 3, bias=False)(X),
        "linear wrong": ignore_errors(lambda: linear(X[..., :2])),
        "linear wrong out": ignore_errors(lambda: linear(X, out=X)),
    }
    gru, relu = pylstm.GRU(4, 3), pylstm.RNN(4, 3, 2, "relu", bidirectional=True, dropout=0.5)
    gru_cell, rnn_cell = pylstm.GRUCell(4, 3), pylstm.RNNCell(4, 3)
    calls |= {
        "gru": lambda: gru(X),
        "gru with a state": lambda: gru(X, STATES[0]),
        "gru converted": lambda: gru(X.astype(np.float64), hx=STATES[0].tolist()),
        "gru packed": lambda: gru(packed, STATES[0]),
        "gru held": lambda: held_for(gru, 5),
        "relu with dropout": lambda: relu(X),
        "gru cell": lambda: gru_cell(X[0], STATES[0][0]),
        "rnn cell unbatched": lambda: rnn_cell(X[0, 0]),
        "rnn cell changed": lambda: (setattr(rnn_cell, "nonlinearity", "relu"), rnn_cell(X[0])),
        "build a gru": lambda: pylstm.GRU(4, 3, 2)(X),
        "build an rnn again": lambda: relu.__init__(4, 3, 2, "relu"),
        "pickle a gru": lambda: pickle.loads(pickle.dumps(gru))(X),
        "copy an rnn": lambda: (copy.copy(relu)(X), copy.deepcopy(rnn_cell)(X[0])),
    }
    lengths, mask = np.array([2, 5]), fractions(5, (5, 2)) < -0.4
    output, place = np.zeros((5, 2, 3), np.float32), [s.copy() for s in STATES]
    row = [s[0].copy() for s in STATES]
    calls |= {
        "lengths": lambda: lstm(X, lengths=lengths),
        "lengths in a list": lambda: deep(X, lengths=[4, 1]),
        "lengths of many": lambda: big(np.zeros((9, 40, 4)), lengths=np.arange(40) % 9 + 1),
        "reset": lambda: lstm(X, STATES, reset=mask),
        "reset in lists": lambda: deep(X, reset=mask.tolist()),
        "reset of a gru": lambda: gru(X, reset=mask),
        "trace": lambda: lstm.trace(X),
        "trace, deep": lambda: deep.trace(X, lengths=lengths),
        "trace of some": lambda: gru.trace(X, reset=mask, names=["z"]),
        "out": lambda: lstm(X, out=(output, place)),
        "out in place": lambda: lstm(X, place, out=(output, place), reset=mask),
        "out in lists": lambda: lstm(X.tolist(), STATES, out=[output, list(place)]),
        "out of another module": lambda: pylstm.LSTM(4, 3)(X, out=(output, place)),
        "out of a gru": lambda: gru(X, out=(output, place[0])),
        "out of a cell": lambda: cell(X[0], row, out=row),
        "out of a gru cell": lambda: gru_cell(X[0], row[0], out=row[0]),
    }
    mixed = pylstm.compress(pylstm.GRU(4, 3, 2, bidirectional=True), "int8")
    hollow = pylstm.LSTM(4, 3)
    held = {name: pylstm.compress(big, name) for name in STORAGES}
    eye = np.ones((256, 64), np.float32)
    calls |= {
        **{
            f"{name} stored again": lambda m=m: m._native_assign(
                {name: m._native_stored(name) for name in m._native_names}
            )
            for name, m in held.items()
        },
        "compressed, packed": lambda: mixed(packed),
        "compressed, lengths": lambda: mixed(X, lengths=lengths),
        "compressed stream": lambda: held["int16"].stream(2)(X),
        "compressed, converted": lambda: (
            mixed._native_convert("float32"),
            mixed._native_convert("int8"),
        ),
        "compressed, outlived": lambda: pylstm.compress(lstm, "int8")._native_stored(
            "weight_ih_l0"
        ),
        "compressed, assigned": lambda: held["int8"]._native_assign({"weight_hh_l0": eye}),
        "compressed, built": lambda: hollow._native_build("LSTM", 4, 3, weights="int16"),
    }
    whole, scale = np.full((256, 64), -128, "i1"), np.ones((256, 1), "f4")
    errors_of_compressed = {
        "compressed, unsound": lambda: held["int8"]._native_assign(
            {"weight_hh_l0": (whole, scale)}
        ),
        "compressed, no scale": lambda: held["int8"]._native_assign(
            {"weight_hh_l0": (whole, None)}
        ),
        "compressed, not held": lambda: held["float16"]._native_assign({"weight_hh_l0": eye * 1e6}),
        "compressed, second one": lambda: held["int16"]._native_assign(
            {"bias_hh_l0": eye[:, 0].copy(), "weight_hh_l0": eye * np.inf}
        ),
        "compressed, wrong form": lambda: held["int8"]._native_convert("int9"),
        "compressed, unknown": lambda: hollow._native_build("LSTM", 4, 3, weights="int9"),
        "compressed, too large": lambda: hollow._native_build("LSTM", 2**40, 2**40, weights="int8"),
    }
    small = {name: pylstm.compress(lstm, name) for name in ("int8", "int16", "bfloat16")}
    other, state = pylstm.compress(lstm, "int8-fast"), small["int8"].state_dict()
    calls |= {
        "small, calls": lambda: [module(X, STATES) for module in small.values()],
        "small, made": lambda: [pylstm.compress(deep, name) for name in small],
        "small, made of small": lambda: pylstm.compress(small["int8"], "int16")(X),
        "small, stored the same": lambda: pylstm.compress(small["int8"], "int8-fast"),
        "small, parameters": lambda: [[*module.parameters()] for module in small.values()],
        "small, state_dict": lambda: [
            each.load_state_dict(each.state_dict()) for each in small.values()
        ],
        "small, loaded": lambda: (other.load_state_dict(lstm.state_dict()), other(X)),
        "small, loaded from another": lambda: small["int16"].load_state_dict(state),
        "small, pickled": lambda: [pickle.loads(pickle.dumps(each)) for each in small.values()],
        "small, copied": lambda: [copy.deepcopy(copy.copy(each)) for each in small.values()],
        "small, drawn": lambda: [each.reset_parameters() for each in small.values()],
        "small, widened": lambda: [copy.copy(each).double() for each in small.values()],
        "small, shown": lambda: [(repr(each), each._repr_html_()) for each in small.values()],
        "small, assigned": lambda: setattr(other, "weight_ih_l0", np.ones((12, 4))),
    }
    wrong = {**state, "weight_hh_l0_scale": -state["weight_hh_l0_scale"]}
    errors = errors_of_compressed | {
        "small, assigned": lambda: setattr(other, "weight_ih_l0", np.full((12, 4), np.nan)),
        "small, scales": lambda: other.load_state_dict(wrong),
        "small, unknown": lambda: pylstm.compress(lstm, "int4"),
        "small, float64": lambda: pylstm.compress(copy.deepcopy(lstm).double(), "int8"),
        "small, into floats": lambda: lstm.load_state_dict(state),
        "lengths, dtype": lambda: lstm(X, lengths=[2.0, 5.0]),
        "lengths, shape": lambda: lstm(X, lengths=[2]),
        "lengths, value": lambda: lstm(X, lengths=[2, 6]),
        "lengths, object": lambda: lstm(X, lengths=[2, None]),
        "lengths, unbatched": lambda: lstm(X[:, 0], lengths=[2]),
        "lengths, packed": lambda: lstm(packed, lengths=[5, 3]),
        "lengths and reset": lambda: lstm(X, lengths=lengths, reset=mask),
        "reset, dtype": lambda: lstm(X, reset=mask.astype(int)),
        "reset, shape": lambda: lstm(X, reset=mask.T),
        "trace, names": lambda: lstm.trace(X, names=["q"]),
        "trace, lengths": lambda: lstm.trace(X, lengths=[0, 1]),
        "trace, packed": lambda: lstm.trace(packed),
        "out, structure": lambda: lstm(X, out=output),
        "out, dtype": lambda: lstm(X, out=(output.astype(float), place)),
        "out, shape": lambda: lstm(X, out=(output[1:], place)),
        "out, overlap": lambda: lstm(X, place, out=(output, place[::-1])),
        "out, one item": lambda: lstm(X, out=[output]),
        "out, three states": lambda: lstm(X, out=[output, (*place, X)]),
        "out, no array": lambda: lstm(X, out=(output, [place[0], 3])),
        "out, masked": lambda: lstm(X, out=(np.ma.array(output), place)),
        "out, strides": lambda: lstm(X, out=(output[..., ::-1], place)),
        "out, packed": lambda: lstm(packed, out=(output, place)),
        "out of a cell, structure": lambda: cell(X[0], out=row[0]),
        "gru, two states": lambda: gru(X, STATES),
        "gru, state size": lambda: gru(X, STATES[0][:, :1]),
        "gru, state rank": lambda: gru(X, STATES[0][0]),
        "gru, input size": lambda: gru(X[..., :3]),
        "gru, packed, two states": lambda: gru(packed, list(STATES)),
        "gru cell, two states": lambda: gru_cell(X[0], (STATES[0][0], STATES[1][0])),
        "gru cell, batch": lambda: gru_cell(X[0], STATES[0][0, :1]),
        "rnn cell, unknown activation": lambda: pylstm.RNNCell(4, 3, nonlinearity="x")(X[0]),
        "rnn, unknown activation": lambda: pylstm.RNN(4, 3, 1, "x"),
        "input rank": lambda: lstm(np.zeros(4)),
        "input size": lambda: lstm(np.zeros((5, 2, 9))),
        "input dtype": lambda: lstm(np.zeros((5, 2, 4), complex)),
        "no array": lambda: lstm(object()),
        "masked": lambda: lstm(np.ma.zeros((5, 2, 4))),
        "no steps": lambda: lstm(X[:0]),
        "state rank": lambda: lstm(X, (STATES[0][0], STATES[1])),
        "state size": lambda: lstm(X, (STATES[0][:, :1], STATES[1])),
        "state dtype": lambda: lstm(X, (STATES[0], STATES[1].astype(complex))),
        "state None": lambda: lstm(X, (STATES[0], None)),
        "one state": lambda: lstm(X, STATES[:1]),
        "three states": lambda: lstm(X, [*STATES, STATES[0]]),
        "stacked": lambda: lstm(X, np.stack([*STATES])),
        "one array": lambda: lstm(X, STATES[0]),
        "one row": lambda: lstm(X, STATES[0][:1]),
        "one array of a cell": lambda: cell(X[0], STATES[0][0]),
        "nested": lambda: lstm(X, (STATES[0], STATES)),
        "nested, ragged": lambda: lstm(X, ((STATES[0], X), STATES[0])),
        "nested in one": lambda: lstm(X, [list(STATES)]),
        "hx type": lambda: lstm(X, 3),
        "keyword": lambda: lstm(X, h0=1),
        "no argument": lambda: lstm(),
        "cell ranks": lambda: cell(X[0], (STATES[0][0, 0], STATES[1][0])),
        "cell batch": lambda: cell(X[0], (STATES[0][0, :1], STATES[1][0])),
        "batch sizes": lambda: lstm._run_packed(X[:, 0], [2, 3], None),
        "packed class": lambda: _core.packed_type(int),
        "lengths": lambda: pack_padded_sequence(X, [6, 2**80]),
        "lengths that are too large": lambda: pack_padded_sequence(X, np.array([5, 6])),
        "packed sizes": lambda: lstm(PACKED._replace(batch_sizes=np.array([2, 2, 2, 2, 1]))),
        "packed indices": lambda: lstm(PACKED._replace(PACKED_indices=np.array([1, 1]))),
        "packed rows": lambda: lstm(PACKED._replace(data=np.ones((8, 5)))),
        "pad sizes": lambda: pad_packed_sequence(PACKED._replace(batch_sizes=np.array([3, 3, 2]))),
        "pad indices": lambda: pad_packed_sequence(
            PACKED._replace(PACKED_indices=np.array([2, 0]))
        ),
        "pad length": lambda: pad_packed_sequence(PACKED, total_length=2**80),
        "too large": lambda: lstm._native_build("LSTM", 2**40, 2**40),
        "bad dtype": lambda: lstm._native_convert("int4"),
        "bad name": lambda: lstm._native_parameter("nothing"),
        "bad assign": lambda: lstm._native_assign({"bias_ih_l0": np.zeros(12, np.float32), "x": X}),
        "bad share": lambda: lstm._native_share(cell),
        "bad state": lambda: pylstm.set_rng_state(np.zeros(5056, np.uint8)),
        "not built": lambda: pylstm.LSTM.__new__(pylstm.LSTM).forward(X),
        "bad dropout": lambda: setattr(lstm, "dropout", 2),
    }
    return calls | {f"error: {name}": ignore_errors(call) for name, call in errors.items()}


ACTIONS = make_actions()


@pytest.mark.parametrize("name", ACTIONS)
def test_nothing_is_left_behind(name):
    nbytes, objects = growth(ACTIONS[name])
    assert nbytes < LEAST_LEAK
    assert objects < RUNS


def test_a_leak_would_be_found():
    kept = []
    nbytes, objects = growth(lambda: kept.append(bytearray(1)))
    assert nbytes >= LEAST_LEAK
    nbytes, objects = growth(lambda: kept.append([]))
    assert objects >= RUNS


def test_references_to_arguments_are_given_back():
    lstm, cell = pylstm.LSTM(4, 3), pylstm.LSTMCell(4, 3)
    x, h, c = X.copy(), STATES[0].copy(), STATES[1].copy()
    hx, keywords = [h, c], {"input": x, "hx": (h, c)}
    watched = [x, h, c, hx, keywords, lstm, cell, None, np.dtype("float32"), np.dtype("float64")]
    calls = [
        lambda: lstm(x, hx),
        lambda: lstm(**keywords),
        lambda: lstm(x, (h, None)),
        lambda: lstm(x[:, :1], hx),
        lambda: cell(x[0], (h[0], c[0])),
        lambda: cell(x[0], hx),
    ]
    for call in calls:
        ignore_errors(call)()
        before = [sys.getrefcount(item) for item in watched]
        for _ in range(100):
            ignore_errors(call)()
        after = [sys.getrefcount(item) for item in watched]
        # Other code holds None and the dtypes too: only a leak per call counts.
        assert all(b - a < 50 for a, b in zip(before, after, strict=True))


def test_results_own_their_references():
    lstm = pylstm.LSTM(4, 3)
    result = lstm(X)
    alike = object(), (object(), object())
    assert sys.getrefcount(result) == sys.getrefcount(alike)
    assert sys.getrefcount(result[0]) == sys.getrefcount(alike[0])
    assert sys.getrefcount(result[1]) == sys.getrefcount(alike[1])
    assert sys.getrefcount(result[1][0]) == sys.getrefcount(alike[1][0])
    assert sys.getrefcount(result[1][1]) == sys.getrefcount(alike[1][1])


def test_calls_do_not_hold_on_to_their_inputs():
    lstm = pylstm.LSTM(4, 3)
    x = X.copy()
    before = sys.getrefcount(x)
    lstm(x)
    lstm(x[:, ::-1], STATES)
    assert sys.getrefcount(x) == before


def test_modules_are_collected():
    def count():
        gc.collect()
        return sum(issubclass(type(item), _core.Layer) for item in gc.get_objects())

    before = count()
    modules = [pylstm.LSTM(2, 2) for _ in range(10)]
    for module in modules:
        module.others = modules  # a cycle through the instance's dict
    assert count() == before + 10
    del modules, module
    assert count() == before


@pytest.mark.parametrize("case", footprints.cases(20_000, 400), ids=lambda case: case[0])
def test_many_calls_leave_nothing_behind(case):
    """`python tests/growth.py` in short; the resident memory is the sanitizers' too."""
    _, action, count, touched = case
    grown = footprints.growth(action, count, touched)
    for name in ("blocks", "objects", "references"):
        assert getattr(grown, name) <= getattr(footprints.LIMITS, name)
