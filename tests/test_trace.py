"""The trace: every gate and state of every step, and the bits of the plain call beside them."""

import numpy as np
import pytest
import reference_within
from reference import KINDS
from support import as_hx, assert_same_bits, largest_error, layer_of, states_of, with_parameters
from test_within import of_each_kind, random_calls
from within_cases import choose, time_major, trace_names

import pylstm

BATCHES = 5


def result_of(kind, trace):
    """What the plain call returns, out of a trace."""
    states = [trace.h_n, trace.c_n] if KINDS[kind].states > 1 else [trace.h_n]
    return trace.output, as_hx(states)


def arrays_of(kind, trace):
    return [getattr(trace, name) for name in KINDS[kind].traced]


def ways_of(call):
    """What a trace may be given beside hx."""
    ways = [{}, {"reset": call.reset}]
    return ways if call.unbatched else [*ways, {"lengths": call.lengths}]


@pytest.mark.parametrize("batch", range(BATCHES))
@of_each_kind
def test_values_are_those_of_the_reference(kind, batch):
    limits = {"rows": 5, "steps": 9, "dtype": "float64"}
    for _, call in random_calls(kind, batch, 181, **limits):
        options = {"batch_first": call.module.batch_first, "reverse": call.reverse}
        for way in ways_of(call):
            out, hx, values = reference_within.layer(
                call.reference_kind, call.module.state_dict(), call.x, call.hx, **options, **way
            )
            trace = call.module.trace(call.x, call.hx, **way)
            assert largest_error(result_of(kind, trace), (out, hx)) < 1e-12
            for name in trace_names(call):
                array = getattr(trace, name)
                assert array.dtype == np.float64 and array.shape == values[name].shape
                assert largest_error(array, values[name]) < 1e-12, name


@pytest.mark.parametrize("batch", range(BATCHES))
@of_each_kind
def test_output_and_states_are_the_bytes_of_the_plain_call(kind, batch):
    for rng, call in random_calls(kind, batch, 182):
        for way in ways_of(call):
            expected = call.module(call.x, call.hx, **way)
            whole = call.module.trace(call.x, call.hx, **way)
            assert_same_bits(result_of(kind, whole), expected)
            names = [name for name in trace_names(call) if rng.random() < 0.5]
            names = names or [choose(rng, *trace_names(call))]
            some = call.module.trace(call.x, call.hx, **way, names=names)
            assert_same_bits(result_of(kind, some), expected)
            for name in names:
                assert_same_bits(getattr(some, name), getattr(whole, name))


@pytest.mark.parametrize("batch", range(BATCHES))
@of_each_kind
def test_what_is_traced_agrees_with_the_result(kind, batch):
    """h of the last layer is the output, c at each end is c_n, and beyond an end all is +0."""
    for _, call in random_calls(kind, batch, 183, unbatched=False):
        module, sides = call.module, 1 + call.module.bidirectional
        steps, rows = time_major(call, call.reset).shape
        for way in ways_of(call):
            trace = module.trace(call.x, call.hx, **way)
            arrays = arrays_of(kind, trace)
            shape = (module.num_layers, sides, steps, rows, module.hidden_size)
            for array in arrays:
                assert array.shape == shape and array.dtype == call.x.dtype
                assert array.flags.c_contiguous and array.flags.owndata and array.flags.writeable
            if not getattr(module, "proj_size", 0):
                out = time_major(call, trace.output).reshape(steps, rows, sides, -1)
                assert_same_bits(trace.h[-1], np.moveaxis(out, 2, 0))
            lengths = way.get("lengths", np.full(rows, steps))
            if kind == "LSTM":
                for index, c_n in enumerate(trace.c_n):
                    layer, side = divmod(index, sides)
                    last = np.zeros(rows, int) if side or call.reverse else lengths - 1
                    assert_same_bits(trace.c[layer, side, last, np.arange(rows)], c_n)
            beyond = np.arange(steps)[:, None] >= lengths
            for array in arrays:
                padding = array[:, :, beyond]
                assert padding.tobytes() == bytes(padding.nbytes)


@of_each_kind
def test_the_equations_hold_between_what_is_traced(kind):
    """The last line of each cell, from the traced values alone, in float64."""
    for _, call in random_calls(kind, 0, 184, rows=5, steps=9, dtype="float64", unbatched=False):
        if call.variant.get("activation", "tanh") != "tanh" or call.variant.get("cell_clip"):
            continue
        trace = call.module.trace(call.x, None, reset=call.reset)
        mask = time_major(call, call.reset)
        if kind == "LSTM":
            assert largest_error(trace.h, trace.o * np.tanh(trace.c)) < 1e-14
        if kind not in ("LSTM", "GRU") or getattr(call.module, "proj_size", 0):
            continue
        state = trace.c if kind == "LSTM" else trace.h
        before = np.zeros_like(state)
        for side in range(state.shape[1]):
            if side or call.reverse:
                before[:, side, :-1] = np.where(mask[1:, :, None], 0, state[:, side, 1:])
            else:
                before[:, side, 1:] = np.where(mask[1:, :, None], 0, state[:, side, :-1])
        if kind == "LSTM":
            expected = trace.f * before + trace.i * trace.g
        else:
            expected = (1 - trace.z) * trace.n + trace.z * before
        assert largest_error(state, expected) < 1e-14


@of_each_kind
def test_a_row_and_a_piece_are_traced_as_alone(kind):
    for rng, call in random_calls(kind, 0, 185, unbatched=False, bidirectional=False):
        if call.reverse:
            continue
        x = time_major(call, call.x)
        row, cut = int(rng.integers(x.shape[1])), int(rng.integers(1, len(x) + 1))
        whole = arrays_of(kind, call.module.trace(call.x, call.hx))
        hx = None if call.hx is None else as_hx([s[:, row] for s in states_of(call.hx)])
        pieces = []
        for piece in (x[:cut, row], x[cut:, row]):
            if len(piece):
                trace = call.module.trace(piece, hx)
                _, hx = result_of(kind, trace)
                pieces.append(arrays_of(kind, trace))
        alone = [np.concatenate(parts, axis=2) for parts in zip(*pieces, strict=True)]
        assert_same_bits([array[:, :, :, row] for array in whole], alone)


@of_each_kind
def test_dropout_is_that_of_the_plain_call(kind):
    for number in range(6):
        module = with_parameters(layer_of(kind, 4, 6, 3, dropout=0.5), number).train()
        x = np.random.default_rng(number).standard_normal((5, 3, 4))
        ways = ({}, {"lengths": [2, 5, 1]}, {"reset": np.eye(5, 3, dtype=bool)})
        for way in ways:
            pylstm.manual_seed(number)
            expected = module(x, **way)
            after = pylstm.get_rng_state()
            pylstm.manual_seed(number)
            trace = module.trace(x, **way)
            assert_same_bits(result_of(kind, trace), expected)
            assert np.array_equal(pylstm.get_rng_state(), after)
            if kind != "RNN_RELU" and "lengths" not in way:
                assert (trace.h != 0).all(), "h is what the layer computed, before a mask"


@of_each_kind
def test_names_choose(kind):
    module = with_parameters(layer_of(kind, 4, 6), 1)
    x = np.ones((5, 3, 4))
    whole, letters = module.trace(x), KINDS[kind].traced
    for names in (tuple(letters), list(letters[::-1]), letters[:1], list(letters[-1:])):
        trace = module.trace(x, names=names)
        for name in names:
            assert_same_bits(getattr(trace, name), getattr(whole, name))
        for name in set(letters) - set(names):
            assert getattr(trace, name, None) is None
    with pytest.raises(ValueError, match="names"):
        module.trace(x, names=())
    if kind != "LSTM":
        assert getattr(whole, "c_n", None) is None


@of_each_kind
def test_nothing_that_a_trace_gives_shares_memory(kind):
    module = with_parameters(layer_of(kind, 4, 6, 2, bidirectional=True), 1)
    x = np.ones((5, 3, 4), "f4")
    trace = module.trace(x)
    arrays = [x, trace.output, *states_of(result_of(kind, trace)[1]), *arrays_of(kind, trace)]
    for index, array in enumerate(arrays):
        assert not any(np.shares_memory(array, other) for other in arrays[:index])
    other = module.trace(x)
    assert not any(
        np.shares_memory(a, b) for a in arrays_of(kind, trace) for b in arrays_of(kind, other)
    )


@pytest.mark.parametrize("rows", [1, 2, 5, 8, 33])
@pytest.mark.parametrize("hidden", [1, 7, 16, 31, 64, 100, 129])
@of_each_kind
def test_every_width_and_number_of_rows(kind, hidden, rows, dtype):
    """Every tail of a panel and of a tile: what is traced is what each row alone has."""
    rng = np.random.default_rng(hidden)
    module = with_parameters(layer_of(kind, 5, hidden, dtype=dtype), 2)
    x = rng.standard_normal((6, rows, 5)).astype(dtype)
    whole, row = module.trace(x), choose(rng, *range(rows))
    alone = module.trace(x[:, row])
    for name in KINDS[kind].traced:
        assert_same_bits(getattr(whole, name)[:, :, :, row], getattr(alone, name))
    assert_same_bits(result_of(kind, whole), module(x))
    steps = [module.trace(x[:1, row]), module.trace(x[:2, row])]
    assert_same_bits(steps[1].h[:, :, :1], steps[0].h)
