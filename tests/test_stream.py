"""Streams: the bits of sequences run whole, and calls that change a stream wholly or not at all."""

import copy
import gc
import inspect
import os
import pickle
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
import stream_simulation
from reference import fractions
from support import (
    HANG,
    as_hx,
    assert_same_bits,
    available_levels,
    cell_of,
    layer_of,
    reshape_in_place,
    states_of,
    with_parameters,
)
from test_threads import restore_threads, run_scenario  # noqa: F401

import pylstm
from pylstm import _core

HERE = Path(__file__).parent
KINDS = ("LSTM", "GRU", "RNN_TANH", "RNN_RELU")
X = fractions(1, (6, 5, 3)).astype(np.float32)  # steps, rows, features


def layer(kind="LSTM", layers=2, seed=7, **options):
    return with_parameters(layer_of(kind, 3, 4, layers, **options), seed)


def bits(stream):
    """All that can be seen of a stream."""
    return len(stream), [(a.dtype, a.shape, a.tobytes()) for a in states_of(stream.state)]


def advanced(kind="LSTM", **options):
    """A stream of five rows after two steps."""
    stream = layer(kind, **options).stream(5)
    stream(X[:2])
    return stream


# ---------------------------------------------------------------------------- the whole, by events


def test_ten_thousand_events():
    simulation = stream_simulation.main()
    assert simulation.seen.total() >= 10_000 and min(simulation.seen.values()) > 100
    assert simulation.checked > 5000


@pytest.mark.parametrize("level", available_levels())
def test_other_levels_give_the_same_bits(level):
    script, arguments = HERE / "stream_simulation.py", ["3", "1500"]
    done = subprocess.run(
        [sys.executable, script, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PYLSTM_SIMD": level},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    here = stream_simulation.main(3, 1500)
    assert level in done.stdout and done.stdout.split()[-1] == here.digest.hexdigest()


def test_the_simulation_sees_a_wrong_bit():
    simulation = stream_simulation.Simulation(1)
    simulation.begin(0)
    followed = stream_simulation.Followed(simulation.layer.stream(2), simulation.rows_of(None, 2))
    simulation.steps_of(followed, None)
    state = followed.stream.state
    states_of(state)[0][0, 1, 0] = np.nextafter(states_of(state)[0][0, 1, 0], 1)
    followed.stream.state = state
    with pytest.raises(AssertionError, match="seed 1"):
        simulation.check_all(followed)


# ---------------------------------------------------------------------------- calls


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_has_the_bits_of_the_whole(kind, dtype):
    module = layer(kind, dtype=dtype, batch_first=True)
    hx = as_hx([fractions(s, (2, 5, 4)).astype(dtype) for s in range(2 if kind == "LSTM" else 1)])
    stream = module.stream(5, hx)
    output, states = module(X.swapaxes(0, 1), hx)
    steps = [stream(X[0]), *stream(X[1:3]), stream(X[3]), *stream(X[4:].tolist())]
    assert_same_bits(np.stack(steps, axis=1), output)
    assert_same_bits(stream.state, states)


def test_a_cell_and_a_stream_agree():
    module = layer("GRU", 1)
    cell = cell_of("GRU", 3, 4)
    cell.load_state_dict({name[:-3]: value for name, value in module.state_dict().items()})
    stream, h = module.stream(5), None
    for x in X:
        h = cell(x, h)
        assert_same_bits(stream(x), h)


def test_out_is_written_and_returned():
    stream, other = advanced(), advanced()
    buffer = np.full((6, 5, 7), 3, np.float32)
    out = buffer[..., 2:6]
    assert stream(X, out=out) is out
    assert_same_bits(np.ascontiguousarray(out), other(X))
    assert (buffer[..., :2] == 3).all() and (buffer[..., 6:] == 3).all()
    rows = np.array([4, 0])
    assert stream(X[:, :2], rows=rows, out=out[::-1, ::2][:, :2]).base is buffer
    assert_same_bits(np.ascontiguousarray(out[::-1, ::2][:, :2]), other(X[:, :2], rows=rows))


def test_out_may_be_a_memory_map(tmp_path):
    out = np.memmap(tmp_path / "out", np.float32, "w+", shape=(5, 4))
    stream, other = advanced(), advanced()
    assert stream(X[0], out=out) is out
    assert_same_bits(np.array(out), other(X[0]))


class ReshapesInput(np.ndarray):
    """An array that reshapes the input when its class is asked for."""

    @property
    def __class__(self):
        if self.x.shape == (6, 1, 3):
            reshape_in_place(self.x, (1, 6, 3))
        return np.ndarray


def test_an_out_that_reshapes_the_input():
    stream, other = layer().stream(1), layer().stream(1)
    x = X[:, :1].copy()
    out = np.zeros((6, 1, 4), np.float32).view(ReshapesInput)
    out.x = x
    assert stream(x, out=out) is out and x.shape == (1, 6, 3)
    assert_same_bits(np.array(out), other(X[:, :1]))


def test_out_may_lie_beside_the_input():
    both = np.zeros((6, 5, 7), np.float32)
    both[..., :3] = X
    stream, other = advanced(), advanced()
    stream(both[..., :3], out=both[..., 3:])
    assert_same_bits(np.ascontiguousarray(both[..., 3:]), other(X))


ROWS = [
    [3, 0],
    (3, 0),
    range(3, -1, -3),
    *(np.array([3, 0], dtype) for dtype in ("i1", "u1", "<i4", ">i8", "u8")),
    np.array([0, 9, 3])[::-2],
    np.array([[3, 9], [0, 9]])[:, 0],
    np.frombuffer(b"\0" + np.array([3, 0]).tobytes(), np.uint8)[1:].view(np.int64),
    [np.int64(3), np.int64(0)],
]


@pytest.mark.parametrize("rows", ROWS, ids=repr)
def test_rows_are_anything_of_integers(rows):
    stream, other = advanced(), advanced()
    whole = other(X[0][[1, 2, 2, 0, 2]])
    assert_same_bits(stream(X[0, :2], rows=rows), whole[[3, 0]])


@pytest.mark.parametrize(
    "rows", [[], (), range(0), np.array([], int), np.zeros(0, np.uint8)], ids=repr
)
def test_no_rows_are_no_rows(rows):
    stream = advanced()
    before = bits(stream)
    assert stream(X[0, :0], rows=rows).shape == (0, 4)
    assert stream(X[:, :0], rows=rows, out=np.empty((6, 0, 4), np.float32)).shape == (6, 0, 4)
    stream.reset(rows)
    stream.leave(rows)
    assert bits(stream) == before
    stream.select(rows)
    assert len(stream) == 0


def test_a_stream_may_begin_with_nobody():
    stream = layer().stream(batch=0)
    assert stream(X[:, :0]).shape == (6, 0, 4) and stream.state[0].shape == (2, 0, 4)
    assert stream.join(2).tolist() == [0, 1]
    assert_same_bits(stream(X[:, :2]), layer()(X[:, :2])[0])


# ---------------------------------------------------------------------------- wrong calls

OUT = np.zeros((5, 4), np.float32)
READ_ONLY = np.zeros((5, 4), np.float32)
READ_ONLY.flags.writeable = False


def shared_out(stream):
    both = np.zeros((5, 4), np.float32)
    return stream(both[:, :3], out=both)


def assign(stream, hx):
    stream.state = hx


def delete(stream):
    del stream.state


STATE = tuple(np.zeros((2, 5, 4), np.float32) for _ in range(2))


def packed():
    return pylstm.utils.rnn.pack_sequence([X[:, 0], X[:3, 1]])


WRONG = [
    # a call on a stream of five rows, the exception, and what its text must say
    (lambda s: s(), TypeError, "'input' is missing"),
    (lambda s: s(X[0], X[0]), TypeError, "more positional"),
    (lambda s: s(X[0], input=X[0]), TypeError, "multiple values.*'input'"),
    (lambda s: s(X[0], hx=STATE), TypeError, "unexpected keyword argument 'hx'"),
    (lambda s: s(X[0], lengths=[1] * 5), TypeError, "'lengths'"),
    (lambda s: s(X[0, 0]), ValueError, "2D or 3D, got 1D.*N 5"),
    (lambda s: s(X[None]), ValueError, "2D or 3D, got 4D"),
    (lambda s: s(X[0, :4]), ValueError, "5 rows, all of the stream, got 4"),
    (lambda s: s(X[:5].swapaxes(0, 1)[:, :4]), ValueError, "never batch-first"),
    (lambda s: s(X[..., :2]), ValueError, "Expected 3, got 2"),
    (lambda s: s(X[:0]), ValueError, "larger than 0"),
    (lambda s: s(X > 0), TypeError, "input must hold real numbers.*bool"),
    (lambda s: s(X + 1j), TypeError, "input.*complex"),
    (lambda s: s("x"), TypeError, "input must be an array"),
    (lambda s: s(None), TypeError, "input"),
    (lambda s: s(np.ma.masked_array(X[0])), TypeError, r"input is a masked array.*input.filled\(0.0\)"),
    (lambda s: s(X[0, :2], rows=np.ma.array([0, 1])), TypeError, r"rows is a masked.*rows.compressed\(\)"),
    (lambda s: s.leave(np.ma.array([0, 1])), TypeError, r"rows is a masked.*rows.compressed\(\)"),
    (lambda s: assign(s, (STATE[0], np.ma.array(STATE[1]))), TypeError, r"state\[1\]\.filled\(0.0\)"),
    (lambda s: s(packed()), ValueError, "input.*got a packed sequence, PackedSequence.*LSTM.*steps of their rows"),
    (lambda s: s(packed(), rows=[0]), ValueError, "packed sequence"),
    (lambda s: s(X[0], rows=packed()), ValueError, "rows must be.*packed sequence"),
    (lambda s: s(X[0, :3], rows=np.where(np.arange(5) > 1)), ValueError, r"np\.where\(mask\).*item 0.*\(1, 3\)"),
    (lambda s: s.leave(np.nonzero(np.arange(5) > 1)), ValueError, r"np\.nonzero\(mask\).*item 0"),
    (lambda s: s.select(rows=np.where(np.arange(5) > 1)), ValueError, r"item 0.*\(1, 3\)"),
    (lambda s: s(X[0, :2], rows=[1, 1]), ValueError, r"rows\[1\] is 1, which is there twice"),
    (lambda s: s(X[0], rows=[0, 1, 2, 3, 4, 0]), ValueError, r"rows\[5\] is 0"),
    (lambda s: s(X[0, :2], rows=[0, -1]), IndexError, r"rows\[1\] is -1, which is negative"),
    (lambda s: s(X[0, :2], rows=[5, 0]), IndexError, r"rows\[0\] is 5, which is absent.*5 rows"),
    *(
        (lambda s, u=u, call=call: call(s, u), IndexError, rf"rows\[1\] is {u[1]}, which is absent.*5 rows")
        for u in (
            np.array([1, 2**63], "u8"),
            np.array([1, 2**64 - 1], ">u8"),
            np.array([9, 1, 9, 2**63 + 2], "u8")[1::2],
            np.array([1, 2**32 - 1], "u4"),
            np.array([1, 255], "u1"),
        )
        for call in (
            lambda s, u: s(X[0, :2], rows=u),
            lambda s, u: s.reset(rows=u),
            lambda s, u: s.select(u),
            lambda s, u: s.leave(u),
        )
    ),
    (lambda s: s(X[0, :2], rows=[True, False]), TypeError, "bool.*flatnonzero"),
    (lambda s: s(X[0, :2], rows=np.arange(5) > 2), TypeError, "bool.*flatnonzero"),
    (lambda s: s(X[0, :2], rows=[0.0, 1.0]), TypeError, "rows.*float64"),
    (lambda s: s(X[0, :0], rows=np.array([])), TypeError, "rows.*float64"),
    (lambda s: s(X[0, :1], rows=2), ValueError, r"1-D.*\[row\]"),
    (lambda s: s(X[0, :2], rows=[[0], [1]]), ValueError, r"1-D.*\(2, 1\)"),
    (lambda s: s(X[0, :2], rows="ab"), TypeError, "rows"),
    (lambda s: s(X[0, :2], rows=[0, None]), TypeError, "rows"),
    (lambda s: s(X[0], rows=[0, 1]), ValueError, "2 rows, as rows says, got 5"),
    (lambda s: s(X[0], out=OUT.tolist()), TypeError, "out must be a numpy.ndarray"),
    (lambda s: s(X[0], out=(OUT,)), TypeError, "out must be a numpy.ndarray"),
    (lambda s: s(X[0], out=np.ma.masked_array(OUT)), TypeError, "out is a masked array: pass out.data"),
    (lambda s: s(X[0], out=OUT.astype(float)), TypeError, "float32, got float64"),
    (lambda s: s(X[0], out=OUT.astype(">f4")), ValueError, "native byte order"),
    (lambda s: s(X[0], out=OUT[:4]), ValueError, r"shape \(5, 4\).*\(4, 4\)"),
    (lambda s: s(X[0], out=OUT[None]), ValueError, r"shape \(5, 4\)"),
    (lambda s: s(X, out=OUT), ValueError, r"shape \(6, 5, 4\)"),
    (lambda s: s(X[0, :1], rows=[1], out=OUT), ValueError, r"shape \(1, 4\)"),
    (lambda s: s(X[0], out=READ_ONLY), ValueError, "read-only"),
    (lambda s: s(X[0], out=np.zeros((4, 5), np.float32).T), ValueError, "contiguous"),
    (lambda s: s(X[0], out=np.zeros((5, 8), np.float32)[:, ::2]), ValueError, "contiguous"),
    (lambda s: s(X[0], out=np.lib.stride_tricks.as_strided(OUT, (5, 4), (4, 4))), ValueError, "overlaps itself"),
    (shared_out, ValueError, "out overlaps input"),
    (lambda s: s(X[0], out=s.module.weight_ih_l1[:5]), ValueError, "out overlaps the parameters"),
    (lambda s: s.reset([0, 0]), ValueError, "twice"),
    (lambda s: s.reset([5]), IndexError, "absent"),
    (lambda s: s.reset(rows=[-1]), IndexError, "negative"),
    (lambda s: s.reset(1), ValueError, "1-D"),
    (lambda s: s.leave([0, 0]), ValueError, "twice"),
    (lambda s: s.leave([0, 7]), IndexError, "absent"),
    (lambda s: s.leave(np.ones(5, bool)), TypeError, "flatnonzero"),
    (lambda s: s.leave(None), TypeError, "rows"),
    (lambda s: s.select([0, 5]), IndexError, "absent"),
    (lambda s: s.select([0, -1]), IndexError, "negative"),
    (lambda s: s.select([True] * 5), TypeError, "flatnonzero"),
    (lambda s: s.select(None), TypeError, "rows"),
    (lambda s: s.join(0), ValueError, "n must be at least 1.*0"),
    (lambda s: s.join(-3), ValueError, "n must be at least 1.*-3"),
    (lambda s: s.join(True), TypeError, "n must be an integer.*True"),
    (lambda s: s.join(2.0), TypeError, "n must be an integer.*2.0"),
    (lambda s: s.join("2"), TypeError, "n must be an integer"),
    (lambda s: s.join(10**30), MemoryError, "do not fit into memory"),
    (lambda s: s.join(X), TypeError, "n must be an integer, a number of rows, got ndarray$"),
    (lambda s: s.join(n=[1]), TypeError, "n must be an integer, a number of rows, got list$"),
    (lambda s: s.join(m=1), TypeError, "'n'|'m'"),
    (lambda s: s.join(), TypeError, "join.*'n'"),
    (lambda s: s.join(1, n=1), TypeError, "join"),
    (lambda s: s.select(), TypeError, "select.*'rows'"),
    (lambda s: s.select([0], [1]), TypeError, "select"),
    (lambda s: s.select([0], rows=[1]), TypeError, "select"),
    (lambda s: s.leave(), TypeError, "leave.*'rows'"),
    (lambda s: s.leave(row=[0]), TypeError, "leave"),
    (lambda s: s.leave(rows=[5]), IndexError, "absent"),
    (lambda s: s.select(rows=None), TypeError, "rows"),
    (lambda s: assign(s, STATE[0]), TypeError, r"a tuple or list of two arrays, \(h, c\), got one array of shape \(2, 5, 4\)$"),
    (lambda s: assign(s, np.stack(STATE)), TypeError, r"got one array of shape \(2, 2, 5, 4\)$"),
    (lambda s: assign(s, {"h": STATE[0]}), TypeError, r"\(h, c\), got dict$"),
    (lambda s: s.module.stream(5, STATE[0]), TypeError, r"hx must be .*got one array of shape \(2, 5, 4\)$"),
    (lambda s: s.module.stream(X), TypeError, r"batch must be an integer, a number of rows, got ndarray: .*called with the input$"),
    (lambda s: s.module.stream(2.5), TypeError, "batch must be an integer, a number of rows, got 2.5$"),
    (lambda s: s.module.stream(None), TypeError, "batch must be an integer, a number of rows, got NoneType$"),
    (lambda s: s.module.stream("5"), TypeError, "batch must be an integer, a number of rows, got str$"),
    (lambda s: assign(s, STATE[:1]), ValueError, "state must hold two arrays.*1"),
    (lambda s: assign(s, (*STATE, STATE[0])), ValueError, "state must hold two arrays.*3"),
    (lambda s: assign(s, (STATE[0], None)), TypeError, r"state\[1\] must be"),
    (lambda s: assign(s, (STATE[0], STATE[1][:, :4])), ValueError, r"state\[1\].*\(2, 5, 4\).*join"),
    (lambda s: assign(s, (STATE[0][:1], STATE[1])), ValueError, r"state\[0\].*\(2, 5, 4\)"),
    (lambda s: assign(s, (STATE[0][..., :3], STATE[1])), ValueError, r"state\[0\]"),
    (lambda s: assign(s, (STATE[0], STATE[1][:, 0])), ValueError, r"state\[1\].*\(2, 4\)"),
    (lambda s: assign(s, (STATE[0], STATE[1] > 0)), TypeError, r"state\[1\].*bool"),
    (lambda s: assign(s, pylstm.LSTM(3, 6, 2).stream(5).state), ValueError, r"state\[0\]"),
    (lambda s: assign(s, pylstm.GRU(3, 4, 2).stream(5).state), TypeError, "two arrays"),
    (delete, AttributeError, "reset"),
    (lambda s: setattr(s, "module", s.module), AttributeError, ""),
    (lambda s: setattr(s, "other", 1), AttributeError, ""),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(WRONG)))
def test_a_wrong_call_changes_nothing(case):
    call, error, text = WRONG[case]
    stream = advanced()
    before, parameters = bits(stream), copy.deepcopy(stream.module).state_dict()
    OUT[...] = 9
    with pytest.raises(error, match=f"(?s){text}"):
        call(stream)
    assert bits(stream) == before
    assert (OUT == 9).all()
    assert_same_bits(list(stream.module.state_dict().values()), list(parameters.values()))
    assert_same_bits(stream(X[0]), advanced()(X[0]))


ONE = [
    ((STATE[0], STATE[1]), TypeError, "one array"),
    ([STATE[0]], TypeError, "one array"),
    (STATE[0][0], ValueError, r"state must have shape \(2, 5, 4\)"),
    (5, ValueError, "state must have shape"),
    ("x", TypeError, "state must be"),
]


@pytest.mark.parametrize(("hx", "error", "text"), ONE)
def test_wrong_states_of_kinds_that_have_one(hx, error, text):
    stream = advanced("GRU")
    before = bits(stream)
    with pytest.raises(error, match=text):
        stream.state = hx
    assert bits(stream) == before
    with pytest.raises(error, match=text.replace("state", "hx")):
        stream.module.stream(5, hx)


CONSTRUCTED = [
    (lambda: layer(bidirectional=True).stream(), ValueError, "bidirectional=True"),
    (lambda: layer("GRU", 1, reverse=True).stream(), ValueError, "reverse=True"),
    (lambda: layer(dropout=0.5).stream(), ValueError, "dropout.*eval"),
    (lambda: layer().stream(-1), ValueError, "batch must be at least 0.*-1"),
    (lambda: layer().stream(True), TypeError, "batch must be an integer.*True"),
    (lambda: layer().stream(1.5), TypeError, "batch must be an integer"),
    (lambda: layer().stream(None), TypeError, "batch must be an integer"),
    (lambda: layer().stream(10**30), MemoryError, "do not fit"),
    (lambda: layer().stream(1 << 61), MemoryError, "do not fit"),
    (lambda: layer().stream(hx=STATE), ValueError, r"hx\[0\].*\(2, 1, 4\).*batch says"),
    (lambda: layer().stream(5, (STATE[0], STATE[1] + 1j)), TypeError, r"hx\[1\].*complex"),
    (lambda: pylstm.Stream(3), TypeError, "LSTM, a GRU or an RNN, got int"),
    (lambda: pylstm.Stream(pylstm.LSTMCell(3, 4)), TypeError, "got LSTMCell"),
    (lambda: pylstm.Stream(), TypeError, "module"),
    (lambda: pylstm.Stream(pylstm.LSTM.__new__(pylstm.LSTM)), RuntimeError, "__init__"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "text"), CONSTRUCTED)
def test_what_cannot_be_streamed(make, error, text):
    with pytest.raises(error, match=f"(?s){text}"):
        make()


# ---------------------------------------------------------------------------- rows and states


def test_leave_and_select_move_rows():
    stream = advanced()
    h, c = stream.state
    stream.leave([3, 0])
    assert_same_bits(stream.state, (h[:, [1, 2, 4]], c[:, [1, 2, 4]]))
    stream.select([2, 2, 0, 1, 2, 2, 0])  # more than there ever were
    order = [4, 4, 1, 2, 4, 4, 1]
    assert_same_bits(stream.state, (h[:, order], c[:, order]))
    assert stream.join(1).tolist() == [7]
    assert_same_bits(stream.state[1][:, :7], c[:, order])
    assert not stream.state[0][:, 7].any()


def test_state_is_copied_both_ways():
    stream = advanced()
    before = bits(stream)
    stream.state[0][...] = 3
    assert bits(stream) == before
    given = tuple(array.copy() for array in stream.state)
    stream.state = given
    given[0][...] = 3
    assert bits(stream) == before
    assert all(a.flags.c_contiguous and a.flags.owndata and a.flags.writeable for a in stream.state)


@pytest.mark.parametrize("form", ["list", "fortran", "float64", "strided"])
def test_what_a_call_takes_as_hx_may_be_assigned(form):
    stream, other = advanced(), advanced()
    hx = [fractions(s, (2, 5, 4)).astype(np.float32) for s in (1, 2)]
    stream.state = {
        "list": [array.tolist() for array in hx],
        "fortran": tuple(np.asfortranarray(array) for array in hx),
        "float64": tuple(array.astype(">f8") for array in hx),
        "strided": [np.repeat(array, 2, 1)[::-1, ::2][::-1] for array in hx],
    }[form]
    assert_same_bits(stream.state, tuple(hx))
    other.state = tuple(hx)
    assert_same_bits(stream(X[0]), other(X[0]))


def test_none_and_reset_are_zeros():
    for reset in (
        lambda s: setattr(s, "state", None),
        lambda s: s.reset(),
        lambda s: s.reset(None),
    ):
        stream = advanced()
        reset(stream)
        assert len(stream) == 5 and not any(array.any() for array in stream.state)
    stream = advanced()
    h = stream.state[0]
    stream.reset([4, 1])
    h[:, [4, 1]] = 0
    assert_same_bits(stream.state[0], h)


def test_a_fork_goes_its_own_way():
    stream = advanced()
    fork = stream.fork()
    assert fork.module is stream.module and bits(fork) == bits(stream)
    before = bits(stream)
    fork(X[0])
    fork.leave([0])
    assert bits(stream) == before
    assert_same_bits(stream(X[0]), advanced()(X[0]))


def test_nan_flows_and_stays_in_its_row():
    stream, other = advanced(), advanced()
    x = X.copy()
    x[0, 2, 1] = np.nan
    actual, expected = stream(x), other(X)
    assert np.isnan(actual[:, 2]).all()
    assert_same_bits(np.delete(actual, 2, 1), np.delete(expected, 2, 1))


# ---------------------------------------------------------------------------- the module


def change_assigned(module):
    module.weight_hh_l0 = module.weight_hh_l0 * 0.5


def change_leased(module):
    module.weight_hh_l0[1, 2] += 0.25


def change_loaded(module):
    module.load_state_dict({name: v * 0.5 for name, v in module.state_dict().items()})


def change_dtype(module):
    module.double()


CHANGES = [change_assigned, change_leased, change_loaded, change_dtype]


@pytest.mark.parametrize("change", CHANGES)
def test_weights_are_live(change):
    module = layer()
    stream, fork = module.stream(5), module.stream(5)
    stream(X[0])
    fork(X[0])
    _, hx = module(X[:1])
    change(module)
    output, hx = module(X[1:3], hx)
    assert_same_bits(stream(X[1:3]), output)
    assert_same_bits(stream.state, hx)
    assert_same_bits(fork(X[1:3, [3, 1]], rows=[3, 1]), output[:, [3, 1]])


def test_a_lease_is_seen_while_it_lasts():
    module = layer()
    stream, held = module.stream(5), module.weight_ih_l0
    for step in range(6):
        held[step, 0] += 0.5
        before = stream.state
        output, _ = module(X[step : step + 1], before)
        assert_same_bits(stream(X[step]), output[0])


def test_float64_states_are_not_rounded_in_silence():
    stream = advanced(dtype="float64")
    before = bits(stream)
    stream.module.float()
    for call in (lambda: stream(X[0]), lambda: stream(X[0, :1], rows=[1])):
        with pytest.raises(TypeError, match=r"(?s)float32 now.*float64.*stream\.state = "):
            call()
        assert bits(stream) == before
    stream.state = stream.state
    assert stream.state[0].dtype == np.float32
    output, _ = stream.module(X[:1], stream.state)
    assert_same_bits(stream(X[0]), output[0])
    other = advanced(dtype="float64")
    other.module.float()
    other.reset()
    assert other(X[0]).dtype == np.float32


def test_a_call_that_fails_does_not_widen_the_states():
    stream = advanced()
    before = bits(stream)
    stream.module.double()
    with pytest.raises(ValueError, match="rows"):
        stream(X[0, :1])
    assert bits(stream) == before
    stream.module.float()
    assert_same_bits(stream(X[0]), advanced()(X[0]))


def test_subnormal_states_widen_exactly():
    stream = layer("GRU").stream(5)
    h = np.full((2, 5, 4), np.float32(1e-40))
    stream.state = h
    stream.module.double()
    output, _ = stream.module(X[:1].astype(float), h.astype(float))
    assert_same_bits(stream(X[0]), output[0])


def test_a_module_that_was_constructed_anew():
    stream = advanced()
    before = bits(stream)
    stream.module.__init__(3, 6, 2)
    with pytest.raises(RuntimeError, match="constructed anew"):
        stream(X[0])
    with pytest.raises(RuntimeError, match="constructed anew"):
        stream.state = None
    assert bits(stream) == before
    stream.module.__init__(3, 4, 2, bidirectional=True)
    with pytest.raises(ValueError, match="bidirectional"):
        stream(X[0])
    stream.module.__init__(2, 4, 2)
    assert stream(X[0, :, :2]).shape == (5, 4)


def test_dropout_is_looked_for_in_every_call():
    module = layer(dropout=0.5).eval()
    stream = module.stream(5)
    expected = stream.fork()(X[0])
    module.train()
    with pytest.raises(ValueError, match="dropout"):
        stream(X[0])
    module.dropout = 0.0
    assert_same_bits(stream(X[0]), expected)
    with pytest.warns(UserWarning):
        one = pylstm.LSTM(3, 4, dropout=0.5)
    assert one.stream(5)(X[0]).shape == (5, 4)  # between no layers


class Louder(pylstm.LSTM):
    def forward(self, input, hx=None):
        output, hx = super().forward(input, hx)
        return output * 2, hx


class Called(pylstm.GRU):
    def __call__(self, *args, **kwargs):
        raise AssertionError


class Plain(pylstm.GRU):
    pass


def test_what_a_stream_would_leave_out_is_refused():
    for cls, what in ((Louder, "Louder.*forward"), (Called, "Called.*__call__")):
        with pytest.raises(ValueError, match=f"(?s){what}"):
            cls(3, 4).stream()
    assert Plain(3, 4).stream()(X[0, :1]).shape == (1, 4)
    for register in ("register_forward_hook", "register_forward_pre_hook"):
        stream = advanced()
        before = bits(stream)
        handle = getattr(stream.module, register)(lambda *args: None)
        with pytest.raises(ValueError, match="hooks"):
            stream(X[0])
        with pytest.raises(ValueError, match="hooks"):
            stream.module.stream()
        assert bits(stream) == before
        handle.remove()
        assert_same_bits(stream(X[0]), advanced()(X[0]))
    stream = advanced()
    stream.module.forward = lambda x: x
    with pytest.raises(ValueError, match="forward"):
        stream(X[0])


# ---------------------------------------------------------------------------- copies and pickles


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", KINDS)
def test_pickles(kind, protocol):
    stream = advanced(kind)
    other = pickle.loads(pickle.dumps(stream, protocol))
    assert type(other) is pylstm.Stream and other.module is not stream.module
    assert bits(other) == bits(stream)
    assert_same_bits(other(X[2:]), stream(X[2:]))


def test_copies():
    stream = advanced()
    shallow, deep = copy.copy(stream), copy.deepcopy(stream)
    assert shallow.module is stream.module and deep.module is not stream.module
    stream.module.weight_hh_l0 = stream.module.weight_hh_l0 * 0
    output = stream(X[2])
    assert_same_bits(shallow(X[2]), output)
    assert_same_bits(deep(X[2]), advanced()(X[2]))


def test_no_copy_rounds_the_states():
    stream = layer().double().stream(5)
    stream(X[:2])
    before = bits(stream)
    stream.module.float()
    for other in (copy.copy(stream), stream.fork()):
        assert bits(other) == before
    for carry in (copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=r"float64, which float32 would round"):
            carry(stream)
    assert bits(stream) == before
    stream.state = stream.state
    assert bits(copy.deepcopy(stream)) == bits(stream)


def test_a_module_may_hold_its_stream():
    stream = advanced()
    stream.module.mine = stream
    for other in (pickle.loads(pickle.dumps(stream)), copy.deepcopy(stream)):
        assert bits(other.module.mine) == bits(stream)
        assert other.module.mine.module is other.module
    other = pickle.loads(pickle.dumps(stream.module))
    assert_same_bits(other.mine(X[2]), stream(X[2]))


def test_a_stream_of_a_module_in_training_can_be_pickled():
    module = layer(dropout=0.5).eval()
    stream = module.stream(5)
    stream(X[0])
    module.train()
    other = pickle.loads(pickle.dumps(stream))
    assert bits(other) == bits(stream)
    with pytest.raises(ValueError, match="dropout"):
        other(X[0])
    other.module.eval(), module.eval()
    assert_same_bits(other(X[1]), stream(X[1]))


# ---------------------------------------------------------------------------- one thread at a time


class Runs:
    """An input whose conversion runs code."""

    def __init__(self, array, code):
        self.array, self.code = array, code

    def __array__(self, dtype=None, copy=None):
        self.code()
        return self.array


def everything(stream):
    return (
        lambda: stream(X[0]),
        lambda: stream.state,
        lambda: assign(stream, None),
        lambda: assign(stream, STATE),
        lambda: stream.reset(),
        lambda: stream.reset([0]),
        lambda: stream.fork(),
        lambda: stream.select([0]),
        lambda: stream.join(1),
        lambda: stream.leave([0]),
        lambda: pickle.dumps(stream),
        lambda: copy.copy(stream),
    )


def refused_all(stream):
    for call in everything(stream):
        with pytest.raises(RuntimeError, match=r"(?s)in use.*one thread at a time.*fork"):
            call()
    assert len(stream) == 5 and "batch=5" in repr(stream)


ENTRIES = [
    lambda s, code: s(Runs(X[2], code)),
    lambda s, code: s(X[2], rows=Runs(np.arange(5), code)),
    lambda s, code: s.reset(Runs(np.arange(0), code)) or s(X[2]),
    lambda s, code: s.select(Runs(np.arange(5), code)) or s(X[2]),
    lambda s, code: assign(s, (Runs(s.state[0], code), s.state[1])) or s(X[2]),
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_code_that_a_call_runs_cannot_use_the_stream(entry):
    stream = advanced()
    ran = []
    given = entry(stream, lambda: ran.append(refused_all(stream)))
    assert ran == [None]
    assert_same_bits(given, advanced()(X[2]))


def test_another_thread_is_told():
    stream = advanced()
    inside, done = threading.Event(), threading.Event()
    results = []

    def code():
        inside.set()
        assert done.wait(HANG)

    thread = threading.Thread(target=lambda: results.append(stream(Runs(X[2], code))))
    thread.start()
    assert inside.wait(HANG)
    try:
        refused_all(stream)
    finally:
        done.set()
        thread.join()
    assert_same_bits(results[0], advanced()(X[2]))


def test_many_threads_on_one_stream_break_nothing():
    module = with_parameters(pylstm.LSTM(16, 64), 1)
    stream = module.stream(8)
    x = fractions(1, (40, 8, 16)).astype(np.float32)  # long enough to let go of the GIL
    counts, errors = [0] * 4, []

    def work(number):
        for _ in range(50):
            try:
                stream(x) if number % 2 else stream(x[:, :4], rows=[1, 6, 3, 0])
                stream.select(range(8))
                counts[number] += 1
            except RuntimeError as error:
                errors.append(str(error))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("in use" in error for error in errors)
    assert sum(counts) > 0 and len(stream) == 8
    stream.reset()
    assert_same_bits(stream(x), module(x)[0])


def test_streams_of_one_module_in_many_threads():
    module = with_parameters(pylstm.GRU(16, 64, 2), 1)
    x = fractions(1, (64, 4, 16)).astype(np.float32)
    expected, wrong = module(x)[0], []

    def work():
        stream = module.stream(4)
        for _ in range(20):
            stream.reset()
            halves = stream(x[:32]), stream(x[32:])
            if not (np.concatenate(halves) == expected).all():
                wrong.append(halves)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("cls", [pylstm.LSTM, pylstm.GRU, pylstm.RNN])
def test_threads_that_share_a_call_change_no_bit(cls, restore_threads):  # noqa: F811
    module = with_parameters(cls(64, 64, 2), 3)
    x = fractions(4, (30, 32, 64)).astype(np.float32)
    rows = np.random.default_rng(1).permutation(40)[:32]
    results = []
    for threads in (1, 2, 3):
        pylstm.set_num_threads(threads)
        stream = module.stream(40)
        results.append([*(stream(x, rows=rows) for _ in range(3)), *states_of(stream.state)])
    assert_same_bits(results[1], results[0])
    assert_same_bits(results[2], results[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no such timers")
@pytest.mark.parametrize("count", [1, 2])
def test_ctrl_c_leaves_the_states(count):
    run_scenario("interrupted_stream", count)


# ---------------------------------------------------------------------------- objects


def test_code_that_reshapes_what_was_given():
    stream, other = advanced(), advanced()
    out = np.zeros((5, 4), np.float32)
    x = np.array(X[2])

    class Rows:
        def __array__(self, dtype=None, copy=None):
            reshape_in_place(x, (3, 5))
            return np.arange(5)

    before = bits(stream)
    with pytest.raises(ValueError, match="Expected 3, got 5"):
        stream(x, rows=Rows(), out=out)
    assert bits(stream) == before
    assert_same_bits(stream(X[2], out=out), other(X[2]))


def test_a_circle_through_the_module_is_collected():
    stream = advanced()
    stream.module.mine = stream
    seen = weakref.ref(stream), weakref.ref(stream.module)
    del stream
    gc.collect()
    assert [ref() for ref in seen] == [None, None]


def test_the_module_lives_as_long_as_its_streams():
    stream = advanced()
    seen = weakref.ref(stream.module)
    gc.collect()
    assert seen() is stream.module
    del stream
    assert seen() is None


def test_no_reference_is_lost_or_left():
    stream, x, rows, out = advanced(), X[0].copy(), np.array([1, 0]), np.zeros((5, 4), np.float32)
    touched = [stream, stream.module, x, rows, out, *STATE]

    def work():
        stream(x), stream(x, out=out), stream(x[:2], rows=rows), stream(x.tolist())
        stream.state = STATE
        stream.select([0, 1, 2, 3, 4])
        stream.reset(rows), stream.fork(), copy.copy(stream), stream.leave(stream.join(2))
        for call, _, _ in WRONG:
            try:
                call(stream)
            except Exception:
                continue

    work()
    gc.collect()
    before = [sys.getrefcount(item) for item in touched]
    for _ in range(20):
        work()
    gc.collect()
    assert [sys.getrefcount(item) for item in touched] == before


def test_a_step_into_out_makes_nothing():
    if not hasattr(_core, "_test_allocations"):
        pytest.skip("a build for tests counts allocations (PYLSTM_TEST_HOOKS=1)")
    stream = advanced()
    x, rows, out, some = (
        X[0],
        np.array([3, 1]),
        np.zeros((5, 4), np.float32),
        np.zeros((2, 4), np.float32),
    )
    stream(x, out=out)
    _core._test_fail_allocation(10**9)  # counts NumPy's as well
    try:
        for _ in range(100):
            stream(x, out=out)
            stream(x[:2], rows=rows, out=some)
        made = _core._test_allocations()[0]
    finally:
        _core._test_fail_allocation(0)
    assert made == 0


def test_many_steps_leave_nothing_behind():
    stream = layer().stream(5)
    x, rows, out = X[0], np.array([3, 1]), np.zeros((5, 4), np.float32)

    def work(count):
        for _ in range(count):
            stream(x, out=out)
            stream(x[:2], rows=rows)

    work(1000)
    before = sys.getallocatedblocks()
    work(20_000)
    assert sys.getallocatedblocks() - before < 50


if hasattr(_core, "_test_fail_allocation"):
    CALLS = [
        lambda s: s(X),
        lambda s: s(X.tolist(), rows=[4, 3, 2, 1, 0]),
        lambda s: s(np.ones((90, 5, 3), np.float32)),
        lambda s: s.select([0] * 40),
        lambda s: s.join(40),
        lambda s: s.leave([1]),
        lambda s: assign(s, [a.tolist() for a in STATE]),
        lambda s: s.reset(),
        lambda s: s.fork(),
        lambda s: s.state,
        lambda s: s.module.stream(3, None),
    ]

    @pytest.mark.parametrize("widen", [False, True])
    @pytest.mark.parametrize("number", range(len(CALLS)))
    def test_no_memory_leaves_the_stream_as_it_was(number, widen):
        stream = advanced()
        if widen:
            stream.module.double()(X)  # packs
        before = bits(stream)
        for n in range(1, 100):
            gc.collect()
            alive = _core._test_allocations()[1]
            _core._test_fail_allocation(n)
            try:
                CALLS[number](stream)
                failed = False
            except MemoryError:
                failed = True
            finally:
                made = _core._test_allocations()[0]
                _core._test_fail_allocation(0)
            if made < n:
                break
            if failed:
                assert bits(stream) == before
                assert _core._test_allocations()[1] <= alive
        assert made < n


def test_how_a_stream_looks():
    stream = layer().stream(batch=5)
    assert repr(stream) == "Stream(LSTM(3, 4, num_layers=2), batch=5)"
    assert type(stream) is pylstm.Stream is _core.Stream
    assert pylstm.Stream.__module__ == "pylstm"
    signatures = {
        pylstm.Stream: "(module, batch=1, hx=None)",
        stream: "(input, *, rows=None, out=None)",
        stream.reset: "(rows=None)",
        stream.fork: "()",
        stream.select: "(rows)",
        stream.join: "(n)",
        stream.leave: "(rows)",
    }
    for function, expected in signatures.items():
        assert str(inspect.signature(function)) == expected
    with pytest.raises(TypeError, match="acceptable base type"):
        type("Derived", (pylstm.Stream,), {})


def test_keywords_come_in_any_order_and_form():
    stream, other = advanced(), advanced()
    keywords = {"".join(["ro", "ws"]): [1, 0], "".join(["inp", "ut"]): X[0, :2], "out": None}
    assert_same_bits(stream(**keywords), other(X[0, :2], rows=[1, 0]))
    assert_same_bits(pylstm.Stream.__call__(stream, X[0]), other(X[0], rows=None))
    assert_same_bits(stream.__call__(*(X[1],)), other.__call__(input=X[1]))


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_the_rows_of_methods_may_be_keywords(kind):
    stream, other = advanced(kind), advanced(kind)
    assert_same_bits(stream.join(n=2), other.join(2))
    for name, rows in (("select", [6, 1, 1, 0, 3]), ("leave", np.array([4, 0])), ("reset", (1,))):
        assert getattr(stream, name)(rows=rows) is None and getattr(other, name)(rows) is None
        assert bits(stream) == bits(other)
    assert_same_bits(stream(X[2, :3]), other(X[2, :3]))


@pytest.mark.parametrize("dtype", ["u1", "u4", "u8", ">u8", "i2"])
def test_rows_of_every_integer_dtype(dtype):
    stream, other = advanced(), advanced()
    rows = np.array([3, 0, 4], dtype)
    assert_same_bits(stream(X[2, :3], rows=rows), other(X[2, :3], rows=[3, 0, 4]))
    stream.select(rows), other.select([3, 0, 4])
    assert bits(stream) == bits(other)


def test_what_to_use_in_the_place_of_a_stream():
    for name, option in (
        ("bidirectional", {"bidirectional": True}),
        ("reverse", {"reverse": True}),
    ):
        with pytest.raises(ValueError, match=f"{name}=True.*call the layer with whole sequences"):
            layer(**option).stream()
    for name in ("LSTMCell", "GRUCell", "RNNCell"):
        cell = getattr(pylstm, name)(3, 4)
        text = f"^'{name}' object has no attribute 'stream': call the cell.*from_weights"
        with pytest.raises(AttributeError, match=text):
            cell.stream()
        with pytest.raises(ValueError, match="packed sequence"):
            cell(packed())
        assert not hasattr(cell, "stream")
