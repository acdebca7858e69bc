"""Sizes up to 2**62 and beyond, everywhere a size can come from: an error, never a wrap-around."""

import itertools

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided
from support import assert_same_bits

import pylstm
from pylstm import LSTM, LSTMCell, _core
from pylstm.utils import rnn

HUGE = 2**58
SIZES = (1, 3, 2**31, 2**32, 2**61, 2**62, 2**63 - 1, 2**63, 2**64 + 1)


def spread(*shape, dtype=np.float32):
    """Ones of a huge shape in the memory of one row: the kernels could walk it as it is."""
    row = np.ones(min(shape[-1], 64), dtype)
    last = row.itemsize if shape[-1] <= 64 else 0
    return as_strided(row, shape, (*[0] * (len(shape) - 1), last), writeable=False)


# ---------------------------------------------------------------------------- modules


@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"bias": False}])
def test_sizes_of_an_lstm(options):
    for sizes in itertools.product(SIZES, repeat=3):
        if max(sizes) > 3:
            with pytest.raises(MemoryError, match="parameters do not fit into memory"):
                LSTM(*sizes, **options)


@pytest.mark.parametrize("hidden", SIZES[2:])
def test_projections(hidden):
    for proj in (1, hidden // 2, hidden - 1):
        with pytest.raises(MemoryError):
            LSTM(1, hidden, proj_size=proj)


def test_sizes_of_a_cell():
    for sizes in itertools.product((0, *SIZES), repeat=2):
        if max(sizes) > 3 and min(sizes) > 0:
            with pytest.raises(MemoryError):
                LSTMCell(*sizes)
    with pytest.raises(MemoryError):  # without a single weight, and yet too large to be counted
        LSTMCell(2**62, 0)


def test_a_module_stays_as_it_was():
    lstm = LSTM(4, 3)
    x = np.ones((2, 4))
    before = lstm(x)
    for sizes in ((2**62, 2**62), (1, 2**31), (2**63, 1)):
        with pytest.raises(MemoryError):
            lstm.__init__(*sizes)
        with pytest.raises(MemoryError):
            lstm._native_build("LSTM", *sizes)
    assert_same_bits(lstm(x), before)


# ---------------------------------------------------------------------------- calls


@pytest.mark.parametrize("shape", [(HUGE, 1, 4), (1, HUGE, 4), (2**29, 2**29, 4), (HUGE, 4)])
@pytest.mark.parametrize(
    "options", [{}, {"num_layers": 3, "bidirectional": True, "proj_size": 2}, {"batch_first": True}]
)
@pytest.mark.parametrize("hidden", [3, 64])
def test_results_that_no_memory_holds(shape, options, hidden):
    lstm = LSTM(4, hidden, **options)
    with pytest.raises(MemoryError):
        lstm(spread(*shape))
    with pytest.raises(MemoryError):  # a conversion would be needed before
        lstm(spread(*shape, dtype=np.float16))


def test_cells():
    with pytest.raises(MemoryError):
        LSTMCell(4, 3)(spread(HUGE, 4))
    with pytest.raises(MemoryError):
        LSTMCell(4, 3)(spread(HUGE, 4), (spread(HUGE, 3), spread(HUGE, 3)))
    nothing = np.empty((2**60, 0), np.float32)
    with pytest.raises(MemoryError):
        LSTMCell(0, 3)(nothing)
    h, c = LSTMCell(0, 0)(nothing)
    assert h.shape == c.shape == (2**60, 0)


@pytest.mark.parametrize("shape", [(HUGE, 2, 3), (1, HUGE, 3), (1, 2, HUGE)])
def test_states(shape):
    good = np.zeros((1, 2, 3))
    for hx in [(spread(*shape), good), (good, spread(*shape))]:
        with pytest.raises(RuntimeError, match=f"Expected hidden.*{HUGE}"):
            LSTM(4, 3)(np.ones((5, 2, 4)), hx)
    with pytest.raises(RuntimeError, match=rf"hx is a pair.*\({HUGE}, 1, 3\)"):
        LSTM(4, 3)(np.ones((5, 4)), spread(HUGE, 1, 3))


def test_packed_sequences():
    lstm = LSTM(4, 3, 2)
    for data, sizes, error in [
        (spread(HUGE, 4), [HUGE], MemoryError),
        (spread(HUGE, 4), [2**57, 2**57], MemoryError),
        (spread(HUGE, 4), [], ValueError),
        (spread(HUGE, 4), spread(HUGE, dtype=np.int64), MemoryError),
        (np.ones((5, 4)), spread(HUGE, dtype=np.int64), ValueError),
        (np.ones((5, 4)), [2**62, 2**62, 2**62, 2**62], ValueError),
        (np.ones((5, 4)), [2**63 - 1, 6], ValueError),
        (np.ones((5, 4)), np.uint64([2**64 - 1, 6]), ValueError),
    ]:
        with pytest.raises(error):
            lstm._run_packed(data, sizes, None)


@pytest.mark.parametrize("shape", [(HUGE, 1, 4), (1, HUGE, 4), (2**40, 2**18, 4)])
@pytest.mark.parametrize("options", [{}, {"num_layers": 3, "bidirectional": True, "proj_size": 2}])
def test_lengths_and_resets_of_huge_batches(shape, options):
    lstm = LSTM(4, 3, **options)
    steps, rows = shape[:2]
    lengths, mask = spread(rows, dtype=np.int64), spread(steps, rows, dtype=bool)
    for given in ({"lengths": lengths}, {"reset": mask}):
        for call in (lstm, lstm.trace):
            with pytest.raises(MemoryError):
                call(spread(*shape), **given)
            with pytest.raises(MemoryError):  # a conversion would be needed before
                call(spread(*shape, dtype=np.float16), **given)
    with pytest.raises(MemoryError):
        lstm.trace(spread(*shape))


@pytest.mark.parametrize("count", [2**31, 2**32 + 3, HUGE])
def test_lengths_and_resets_that_fit_no_input(count):
    lstm, x = LSTM(4, 3), np.ones((5, 3, 4))
    for value in (count, -count, 2**63 - 1, -(2**63)):
        with pytest.raises(ValueError, match=rf"lengths.*{value}"):
            lstm(x, lengths=[1, value, 2])
    with pytest.raises(ValueError, match="lengths"):
        lstm(x, lengths=spread(count, dtype=np.int64))
    for shape in ((count, 3), (5, count), (2**31, 2**31), (count,)):
        with pytest.raises(ValueError, match="reset"):
            lstm(x, reset=spread(*shape, dtype=bool))
    with pytest.raises(ValueError, match="reset"):
        lstm(x[:, 0], reset=spread(count, dtype=bool))


def test_out_of_huge_shapes():
    lstm, x = LSTM(4, 3), np.ones((5, 2, 4))
    good = np.zeros((5, 2, 3), "f4"), (np.zeros((1, 2, 3), "f4"), np.zeros((1, 2, 3), "f4"))
    for shape in ((2**56, 2, 3), (5, 2**56, 3), (5, 2, 2**56), (2**29, 2**29, 3)):
        with pytest.raises((ValueError, TypeError), match="out"):
            lstm(x, out=(spread(*shape), good[1]))
        with pytest.raises((ValueError, TypeError), match="out"):
            lstm(x, out=(good[0], (good[1][0], spread(*shape))))
    # Right shapes that are one row of memory again and again.
    for output in (spread(5, 2, 3), as_strided(good[0], (5, 2, 3), (0, 0, 4))):
        with pytest.raises((ValueError, TypeError), match="out"):
            lstm(x, out=(output, good[1]))
    assert not any(array.any() for array in (good[0], *good[1]))


def test_strides_beyond_what_is_there():
    """Strides of axes of length 1 say nothing: NumPy may have anything there."""
    lstm, far = LSTM(4, 3), 2**62
    x, mask = np.ones((1, 1, 4), "f4"), np.ones((1, 1), bool)
    wild = as_strided(x, (1, 1, 4), (far, -far, 4))
    expected = lstm(x)
    assert_same_bits(lstm(wild, reset=as_strided(mask, (1, 1), (-far, far))), expected)
    assert_same_bits(lstm(wild, lengths=as_strided(np.array([1]), (1,), (far,))), expected)
    output, states = (
        np.zeros((1, 1, 3), "f4"),
        (np.zeros((1, 1, 3), "f4"), np.zeros((1, 1, 3), "f4")),
    )
    odd = as_strided(output, (1, 1, 3), (far, -far, 4))
    assert_same_bits(lstm(wild, out=(odd, states)), expected)
    assert_same_bits((output, states), expected)
    assert_same_bits(
        lstm(x.repeat(2, 0), reset=as_strided(mask, (2, 1), (0, far)))[0][:1], expected[0]
    )


FAR = (2**62, -(2**62), 2**63 - 8, -(2**63))


def astray(array, far):
    """The array with a wild stride for each axis of length 1, but for the last axis."""
    strides = [far if n == 1 else s for n, s in zip(array.shape[:-1], array.strides, strict=False)]
    return as_strided(array, array.shape, (*strides, array.strides[-1]))


def nest(function, value):
    """Apply a function to an array, or to each array of nested tuples."""
    if isinstance(value, tuple):
        return tuple(nest(function, each) for each in value)
    return function(value)


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", [(1, 1, 4), (7, 1, 4), (1, 7, 4), (1, 4), (7, 4)])
@pytest.mark.parametrize(
    "options", [{}, {"batch_first": True}, {"num_layers": 2, "bidirectional": True, "proj_size": 2}]
)
def test_wild_strides_of_a_layer(shape, options, dtype, far):
    lstm = LSTM(4, 3, **options, dtype={"f4": "float32", "f8": "float64"}[dtype])
    x = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    output, hx = result = lstm(x)
    expected = lstm(x, hx)
    assert_same_bits(lstm(astray(x, far), nest(lambda state: astray(state, far), hx)), expected)
    assert_same_bits(lstm.trace(astray(x, far), hx).c, lstm.trace(x, hx).c)
    out = nest(np.zeros_like, result)
    lstm(astray(x, far), hx, out=nest(lambda array: astray(array, far), out))
    assert_same_bits(out, expected)
    if x.ndim == 3:
        steps, rows = output.shape[:2][:: -1 if "batch_first" in options else 1]
        lengths = [steps] * rows
        lstm(astray(x, far), hx, lengths=lengths, out=nest(lambda array: astray(array, far), out))
        assert_same_bits(out, expected)


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [(), (1,), (7,)])
@pytest.mark.parametrize("kind", [LSTMCell, pylstm.GRUCell])
def test_wild_strides_of_a_cell(kind, rows, dtype, far):
    cell = kind(4, 3, dtype=dtype)
    x = np.random.default_rng(1).standard_normal((*rows, 4)).astype(dtype)
    hx = cell(x)
    expected = cell(x, hx)
    states = nest(lambda state: astray(state, far), hx)
    assert_same_bits(cell(astray(x, far), states), expected)
    out = nest(np.zeros_like, hx)
    cell(astray(x, far), states, out=nest(lambda array: astray(array, far), out))
    assert_same_bits(out, expected)
    cell(astray(x, far), states, out=states)
    assert_same_bits(hx, expected)


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("shape", [(1, 4), (1, 1, 4), (7, 1, 4)])
def test_wild_strides_of_a_stream(shape, far):
    lstm = LSTM(4, 3)
    x = np.random.default_rng(1).standard_normal(shape).astype("f4")
    expected = lstm.stream(1)(x)
    hx = np.zeros((1, 1, 3), "f4")
    stream = lstm.stream(1, (astray(hx, far), astray(hx, far)))
    assert_same_bits(stream(astray(x, far)), expected)
    out = np.zeros_like(expected)
    lstm.stream(1)(astray(x, far), out=astray(out, far))
    assert_same_bits(out, expected)
    lstm.stream(1)(astray(x, far), rows=as_strided(np.array([0]), (1,), (far // 8 * 8,)))


@pytest.mark.parametrize("far", FAR)
def test_wild_strides_of_packed_rows(far):
    lstm = LSTM(4, 3)
    x = np.ones((1, 1, 4), "f4")
    packed = rnn.pack_padded_sequence(astray(x, far), [1])
    expected = lstm(rnn.pack_padded_sequence(x, [1]))
    data = astray(packed.data, far)
    output, states = lstm(rnn.PackedSequence(data, packed.batch_sizes))
    assert_same_bits((output.data, states), (expected[0].data, expected[1]))
    again, _ = rnn.pad_packed_sequence(rnn.PackedSequence(data, packed.batch_sizes))
    assert_same_bits(again, x)


@pytest.mark.parametrize("far", [2**59, -(2**59)])
@pytest.mark.parametrize("kind", [LSTMCell, pylstm.GRUCell, pylstm.RNNCell])
def test_wild_strides_of_an_input_without_features(kind, far):
    """Nothing is there, yet the kernels go from row to row."""
    for rows, dtype in itertools.product((1, 2, 9), ("float32", "float64")):
        cell, x = kind(0, 3, dtype=dtype), np.empty((rows, 0), dtype)
        for strides in ((far, far), (far, x.itemsize)):
            assert_same_bits(cell(as_strided(x, x.shape, strides)), cell(x))


# ---------------------------------------------------------------------------- the rest


def test_parameters_and_state():
    lstm = LSTM(4, 3)
    before = lstm(np.ones((2, 4)))
    for name in lstm.state_dict():
        with pytest.raises(ValueError, match="cannot assign an array of shape"):
            setattr(lstm, name, spread(HUGE, 4))
    with pytest.raises(RuntimeError, match="size mismatch for weight_ih_l0"):
        lstm.load_state_dict({name: spread(HUGE, 4) for name in lstm.state_dict()})
    for name in (
        "weight_ih_l4611686018427387904",
        "weight_ih_l99999999999999999999",
        "bias_ih_l10",
    ):
        with pytest.raises(KeyError):
            lstm._native_parameter(name)
        with pytest.raises(AttributeError):
            getattr(lstm, name)
    assert_same_bits(lstm(np.ones((2, 4))), before)


def test_the_generator():
    state = pylstm.get_rng_state()
    for size in (HUGE, 2**62):
        with pytest.raises(RuntimeError, match=f"size to be {size}"):
            pylstm.set_rng_state(spread(size, dtype=np.uint8))
    assert np.array_equal(pylstm.get_rng_state(), state)


@pytest.mark.parametrize("n", [2**31, 2**62, 2**63, 2**200, -(2**31), -(2**62), -(2**200)])
def test_thread_counts(n):
    before = pylstm.get_num_threads()
    with pytest.raises((ValueError, RuntimeError)):
        pylstm.set_num_threads(n)
    assert pylstm.get_num_threads() == before


def test_conversions():
    with pytest.raises(MemoryError):
        _core.as_array(spread(HUGE, 4), "x", "float64")
    with pytest.raises(MemoryError):
        rnn.pad_sequence([spread(2**40, 4), spread(1, 4)])
    with pytest.raises((RuntimeError, ValueError)):
        rnn.pack_padded_sequence(np.ones((5, 1, 4)), [2**62])
