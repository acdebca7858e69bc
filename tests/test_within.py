"""Lengths and resets inside a sequence: the bits of the packed run, and of segments run alone."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import reference_within
from contract_cases import within_cases
from reference import KINDS
from support import (
    as_hx,
    assert_same_bits,
    available_levels,
    largest_error,
    layer_of,
    states_of,
    with_parameters,
)
from within_cases import Call, choose, random_call, segments_alone, time_major

import pylstm
from pylstm.utils.rnn import pack_padded_sequence, pad_packed_sequence

BATCHES, PER_BATCH = 10, 12
of_each_kind = pytest.mark.parametrize("kind", KINDS)


def random_calls(kind, batch, purpose, count=PER_BATCH, **limits):
    """Yields a generator and a call, again and again."""
    for number in range(count):
        rng = np.random.default_rng([purpose, list(KINDS).index(kind), batch, number])
        call = random_call(rng, kind, **limits)
        print(f"{kind}, batch {batch}, number {number}: {call}")  # shown where a test fails
        yield rng, call


def packed_run(module, x, hx, lengths):
    """The padded output and the states of a packed call, in the order of the caller."""
    steps = x.shape[1 if module.batch_first else 0]
    packed = pack_padded_sequence(
        x, np.asarray(lengths), batch_first=module.batch_first, enforce_sorted=False
    )
    out, states = module(packed, hx)
    padded, _ = pad_packed_sequence(out, batch_first=module.batch_first, total_length=steps)
    return padded, states


@pytest.mark.parametrize("batch", range(BATCHES))
@of_each_kind
def test_lengths_have_the_bits_of_the_packed_run(kind, batch):
    for _, call in random_calls(kind, batch, 171, unbatched=False):
        expected = packed_run(call.module, call.x, call.hx, call.lengths)
        result = call.module(call.x, call.hx, lengths=call.lengths)
        assert_same_bits(result, expected)
        beyond = np.arange(len(time_major(call, call.x)))[:, None] >= call.lengths
        padding = time_major(call, result[0])[beyond]
        assert padding.tobytes() == bytes(padding.nbytes), "not +0 beyond the end"
        assert result[0].flags.c_contiguous and result[0].flags.owndata


@pytest.mark.parametrize("batch", range(BATCHES))
@of_each_kind
def test_resets_have_the_bits_of_segments_alone(kind, batch):
    for _, call in random_calls(kind, batch, 172):
        result = call.module(call.x, call.hx, reset=call.reset)
        assert_same_bits(result, segments_alone(call))
        assert result[0].flags.c_contiguous and result[0].flags.owndata


@pytest.mark.parametrize("way", ["lengths", "reset"])
@of_each_kind
def test_values_are_those_of_the_reference(kind, way):
    unbatched = False if way == "lengths" else None
    limits = {"rows": 4, "steps": 9, "dtype": "float64", "unbatched": unbatched}
    for _, call in random_calls(kind, 0, 173, count=20, **limits):
        given = {way: getattr(call, way)}
        options = {"batch_first": call.module.batch_first, "reverse": call.reverse} | given
        out, hx, _ = reference_within.layer(
            call.reference_kind, call.module.state_dict(), call.x, call.hx, **options
        )
        assert largest_error(call.module(call.x, call.hx, **given), (out, hx)) < 1e-12


@of_each_kind
def test_full_lengths_and_no_reset_are_the_plain_call(kind):
    for _, call in random_calls(kind, 0, 174, count=20):
        plain = call.module(call.x, call.hx)
        nothing = np.zeros(call.reset.shape, bool)
        assert_same_bits(call.module(call.x, call.hx, reset=nothing), plain)
        assert_same_bits(call.module(call.x, call.hx, lengths=None, reset=None), plain)
        if not call.unbatched:
            steps, rows = time_major(call, call.reset).shape
            assert_same_bits(call.module(call.x, call.hx, lengths=[steps] * rows), plain)


@of_each_kind
def test_each_row_is_as_alone(kind):
    for rng, call in random_calls(kind, 0, 175, count=15, unbatched=False):
        rows = len(call.lengths)
        chosen = rng.permutation(rows)[: int(rng.integers(1, rows + 1))]
        axis = 0 if call.module.batch_first else 1
        x = call.x.take(chosen, axis)
        hx = None
        if call.hx is not None:
            hx = as_hx([state[:, chosen] for state in states_of(call.hx)])
        for way in (
            {"lengths": (call.lengths, call.lengths[chosen])},
            {"reset": (call.reset, call.reset.take(chosen, axis))},
        ):
            [(name, (whole, part))] = way.items()
            out, states = call.module(call.x, call.hx, **{name: whole})
            expected = out.take(chosen, axis), [s[:, chosen] for s in states_of(states)]
            own, own_states = call.module(x, hx, **{name: part})
            assert_same_bits((own, states_of(own_states)), expected)


@pytest.mark.parametrize("layer", KINDS)
def test_recorded_cases_are_the_packed_run_and_segments_alone(layer):
    """What the contract's new hashes are made of, with all its values and infinite weights."""
    for case in within_cases(layer):
        module = case.module()
        x, *states = case.arrays(5)
        found = case.results(module, x, as_hx(states))
        hx, lengths, mask = as_hx(states), case.lengths(5), case.mask(5)
        if case.within == "lengths":
            expected = packed_run(module, x, hx, lengths)
        elif case.within == "reset":
            expected = segments_alone(Call(layer, module, x, hx, lengths, mask))
        else:
            expected = module(x, hx)
        expected = [expected[0], *states_of(expected[1])]
        assert_same_bits(found[: len(expected)], expected)


# Training mode ------------------------------------------------------------------------------------


@of_each_kind
def test_dropout_masks_are_those_of_the_packed_and_of_the_plain_call(kind):
    dropping = {"num_layers": 3, "dropout": 0.5}
    for number in range(12):
        rng = np.random.default_rng([176, list(KINDS).index(kind), number])
        call = random_call(rng, kind, rows=9, steps=9, unbatched=False, **dropping)

        def seeded(function, seed=number):
            pylstm.manual_seed(seed)
            result = function()
            return result, pylstm.get_rng_state()

        module, x, hx = call.module.train(), call.x, call.hx
        lengths, reset = call.lengths, np.zeros_like(call.reset)
        expected, after = seeded(lambda c=call: packed_run(c.module, c.x, c.hx, c.lengths))
        result, state = seeded(lambda m=module, x=x, hx=hx, n=lengths: m(x, hx, lengths=n))
        assert_same_bits(result, expected)
        assert np.array_equal(after, state), "the generator went on differently"
        expected, after = seeded(lambda m=module, x=x, hx=hx: m(x, hx))
        result, state = seeded(lambda m=module, x=x, hx=hx, r=reset: m(x, hx, reset=r))
        assert_same_bits(result, expected)
        assert np.array_equal(after, state)
        _, state = seeded(lambda m=module, x=x, hx=hx, r=call.reset: m(x, hx, reset=r))
        assert np.array_equal(after, state), "masks with resets are drawn as without"


@of_each_kind
def test_dropped_elements_with_resets_are_those_of_the_plain_call(kind):
    """With one mask of a layer's whole output: the second layer alone, over what was kept."""
    module = with_parameters(layer_of(kind, 5, 6, 2, dropout=0.5, dtype="float64"), 3).train()
    values = module.state_dict()
    parts = [layer_of(kind, size, 6, dtype="float64") for size in (5, 6)]
    for index, part in enumerate(parts):
        end = f"_l{index}"
        part.load_state_dict(
            {k.replace(end, "_l0"): v for k, v in values.items() if k.endswith(end)}
        )
    rng = np.random.default_rng(1)
    x, reset = rng.standard_normal((7, 3, 5)), rng.random((7, 3)) < 0.3
    pylstm.manual_seed(8)
    result, _ = module(x, reset=reset)
    below, _ = parts[0](x, reset=reset)
    factors = dropped_ones(below.shape, 8)
    expected, _ = parts[1](below * factors, reset=reset)
    assert_same_bits(result, expected)
    assert (factors == 0).any() and (factors == 2).any()


def dropped_ones(shape, seed):
    """What dropout with probability 0.5 makes of an array of ones: 0 or 2 in each element.

    A relu layer of identity weights and ones as inputs hands on ones, and so shows its masks.
    """
    size = shape[-1]
    layer = pylstm.RNN(size, size, 2, "relu", bias=False, dropout=0.5, dtype="float64").train()
    eye, nothing = np.eye(size), np.zeros((size, size))
    layer.load_state_dict(
        {"weight_ih_l0": eye, "weight_hh_l0": nothing, "weight_ih_l1": eye, "weight_hh_l1": nothing}
    )
    pylstm.manual_seed(seed)
    return layer(np.ones(shape))[0]


# Threads, levels ----------------------------------------------------------------------------------

# Shapes that two threads share by rows, by direction and by hidden units.
SHARED = [
    (64, 24, 32, {}),
    (128, 16, 2, {"num_layers": 2}),
    (128, 16, 1, {}),
    (64, 24, 3, {"bidirectional": True}),
    (96, 12, 17, {"num_layers": 2, "bidirectional": True, "batch_first": True}),
]


@pytest.mark.parametrize("shape", SHARED, ids=str)
@of_each_kind
def test_one_and_two_threads(kind, shape, dtype):
    hidden, steps, rows, options = shape
    module = with_parameters(layer_of(kind, 64, hidden, **options, dtype=dtype), 5)
    rng = np.random.default_rng(3)
    x = rng.standard_normal((steps, rows, 64)).astype(dtype)
    reset, lengths = rng.random((steps, rows)) < 0.1, rng.integers(1, steps + 1, rows)
    if options.get("batch_first"):
        x, reset = x.swapaxes(0, 1), reset.T

    def all_ways():
        results = [module(x, lengths=lengths), module(x, reset=reset)]
        for way in ({}, {"lengths": lengths}, {"reset": reset}):
            trace = module.trace(x, **way)
            results.append(tuple(getattr(trace, name) for name in KINDS[kind].traced))
            results.append((trace.output, *states_of(trace.h_n)))
        return tuple(results)

    pylstm.set_num_threads(1)
    expected = all_ways()
    pylstm.set_num_threads(2)
    for _ in range(5):
        assert_same_bits(all_ways(), expected)


@pytest.mark.parametrize("bidirectional", [False, True])
@of_each_kind
def test_rows_of_a_thread_begin_and_end_at_any_step(kind, bidirectional):
    """The second thread's longest sequence is of every length: its first step has either parity."""
    module = with_parameters(layer_of(kind, 48, 64, bidirectional=bidirectional), 5)
    rng = np.random.default_rng(7)
    x = rng.standard_normal((12, 20, 48)).astype("f4")
    for longest in range(1, 13):
        lengths = np.r_[np.full(10, 12), rng.integers(1, longest + 1, 10)]
        lengths[10] = longest
        for order in (np.arange(20), rng.permutation(20)):
            pylstm.set_num_threads(1)
            expected = module(x, lengths=lengths[order])
            pylstm.set_num_threads(2)
            assert_same_bits(module(x, lengths=lengths[order]), expected)
            assert_same_bits(expected, packed_run(module, x, None, lengths[order]))


@pytest.fixture(scope="module")
def printed():
    """What within_cases.py prints at each level."""
    script, found = Path(__file__).parent / "within_cases.py", {}
    root = str(Path(pylstm.__file__).parents[1])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    for level in available_levels():
        done = subprocess.run(
            [sys.executable, script, "12"],
            env=os.environ | {"PYLSTM_SIMD": level, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found[level] = done.stdout
    return found


@pytest.mark.parametrize("level", available_levels())
def test_other_levels_give_the_same_bits(printed, level):
    assert len({line.rpartition(" ")[0] for line in printed[level].splitlines()}) == 12 * 4
    assert printed[level] == printed["portable"]


# Values that are no numbers -----------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@of_each_kind
def test_what_is_not_finite_stays_in_its_row_and_segment(kind, value):
    for rng, call in random_calls(kind, 0, 177, count=12, steps=12, rows=9, unbatched=False):
        mask = time_major(call, call.reset)
        steps, rows = mask.shape
        row = int(rng.integers(rows))
        # In the padding of one row: no result may know of it.
        beyond = call.x.copy()
        time_major(call, beyond)[call.lengths[row] :, row] = value
        given = {"lengths": call.lengths}
        expected = call.module(call.x, call.hx, **given)
        assert_same_bits(call.module(beyond, call.hx, **given), expected)
        # In one segment of one row: the others keep their bits.
        t = int(rng.integers(steps))
        bad = call.x.copy()
        time_major(call, bad)[t, row] = value
        expected = call.module(call.x, call.hx, reset=call.reset)
        result = call.module(bad, call.hx, reset=call.reset)
        ends = [*np.flatnonzero(mask[:, row]), steps]
        first = max([0, *(e for e in ends if e <= t)])
        end = min(e for e in ends if e > t)
        other = np.ones((steps, rows), bool)
        other[first:end, row] = False
        assert_same_bits(time_major(call, result[0])[other], time_major(call, expected[0])[other])


@of_each_kind
def test_a_state_that_is_not_finite_ends_where_its_segment_ends(kind):
    module = with_parameters(layer_of(kind, 3, 5, bidirectional=True), 1)
    x = np.random.default_rng(5).standard_normal((6, 2, 3)).astype("f4")
    shape = 2, 2, 5
    bad = as_hx([np.full(shape, np.nan, "f4")] * KINDS[kind].states)
    good = as_hx([np.zeros(shape, "f4")] * KINDS[kind].states)
    reset = np.zeros((6, 2), bool)
    reset[[2, 4]] = True
    result, expected = module(x, bad, reset=reset), module(x, good, reset=reset)
    assert_same_bits(result[0][2:4], expected[0][2:4])
    for state, own in zip(states_of(result[1]), states_of(expected[1]), strict=True):
        assert_same_bits(state, own)  # both come from segments that began from zeros
    assert np.isnan(result[0][:2, :, :5]).all() and np.isnan(result[0][4:, :, 5:]).all()


@pytest.mark.parametrize("weight", [np.inf, np.nan])
@of_each_kind
def test_weights_that_are_not_finite(kind, weight):
    """Zeros times such a weight are NaN: no shortcut may leave them out."""
    rng = np.random.default_rng(2)
    for rows in (1, 2, 7):
        call = random_call(rng, kind, rows=rows, steps=7, unbatched=False, bidirectional=True)
        call.module.weight_hh_l0[0, 0] = weight
        for hx in (call.hx, None):
            call.hx = hx
            result = call.module(call.x, hx, reset=call.reset)
            assert_same_bits(result, segments_alone(call))
            expected = packed_run(call.module, call.x, hx, call.lengths)
            assert_same_bits(call.module(call.x, hx, lengths=call.lengths), expected)


# How lengths and resets may be given --------------------------------------------------------------


@of_each_kind
def test_lengths_in_every_form(kind):
    module = with_parameters(layer_of(kind, 3, 5), 1)
    x = np.random.default_rng(5).standard_normal((6, 4, 3)).astype("f4")
    numbers = [2, 6, 1, 4]
    expected = packed_run(module, x, None, numbers)
    wide = np.zeros((4, 3), np.int64)
    wide[:, 1] = numbers
    forms = [numbers, tuple(numbers), wide[:, 1], np.array(numbers[::-1])[::-1]]
    forms += [np.array(numbers, d) for d in ("i1", "u1", "i2", ">i4", "u4", "i8", ">i8", "u8")]
    frozen = np.array(numbers)
    frozen.flags.writeable = False
    for lengths in [*forms, frozen]:
        assert_same_bits(module(x, lengths=lengths), expected)
        assert_same_bits(module.forward(x, None, lengths=lengths), expected)
    assert wide[:, 1].tolist() == numbers


@of_each_kind
def test_resets_in_every_form(kind):
    rng = np.random.default_rng(5)
    x, mask = rng.standard_normal((6, 4, 3)).astype("f4"), rng.random((6, 4)) < 0.4
    module = with_parameters(layer_of(kind, 3, 5, 2, bidirectional=True), 1)
    expected = module(x, reset=mask)
    wide = np.ones((12, 4, 3), bool)
    wide[::2, :, 1] = mask
    frozen = mask.copy()
    frozen.flags.writeable = False
    column = np.repeat(mask[:, :1], 4, axis=1)
    forms = [np.asfortranarray(mask), mask[::-1].copy()[::-1], mask[:, ::-1].copy()[:, ::-1]]
    forms += [wide[::2, :, 1], frozen, mask.tolist(), tuple(map(tuple, mask.tolist()))]
    for reset in forms:
        assert_same_bits(module(x, reset=reset), expected)
    spread = np.broadcast_to(mask[:, :1], (6, 4))
    assert_same_bits(module(x, reset=spread), module(x, reset=column))
    # Memory that holds other bytes than 0 and 1 is true where it is not 0.
    odd = np.where(mask, 2, 0).astype(np.uint8).view(bool)
    assert_same_bits(module(x, reset=odd), expected)


@of_each_kind
def test_inputs_that_are_converted_or_strided(kind):
    for _, call in random_calls(kind, 0, 178, count=10, rows=9, steps=9, unbatched=False):
        other = "float64" if str(call.module._native_dtype) == "float32" else "longdouble"
        reversed_x = np.ascontiguousarray(call.x[::-1, ::-1, ::-1])[::-1, ::-1, ::-1]
        for name in ("lengths", "reset"):
            given = {name: getattr(call, name)}
            expected = call.module(call.x, call.hx, **given)
            for x in (call.x.astype(other), np.asfortranarray(call.x), reversed_x):
                assert_same_bits(call.module(x, call.hx, **given), expected)


@of_each_kind
def test_no_rows_and_one_step(kind):
    module = with_parameters(layer_of(kind, 3, 5, 2), 1)
    out, states = module(np.zeros((4, 0, 3)), lengths=np.zeros(0, int))
    assert out.shape == (4, 0, 5) and states_of(states)[0].shape == (2, 0, 5)
    out, _ = module(np.zeros((4, 0, 3)), reset=np.zeros((4, 0), bool))
    assert out.shape == (4, 0, 5)
    x = np.ones((1, 3, 3), "f4")
    assert_same_bits(module(x, lengths=[1, 1, 1]), module(x))
    hx = as_hx([np.ones((2, 3, 5), "f4")] * KINDS[kind].states)
    assert_same_bits(module(x, hx, reset=[[True] * 3]), module(x))


@of_each_kind
def test_long_sequences(kind):
    """Longer than any group of precomputed steps, with resets at every kind of place."""
    module = with_parameters(layer_of(kind, 9, 18, 2, bidirectional=True), 1)
    for rows in (1, 2, 3, 7):
        rng = np.random.default_rng(rows)
        x = rng.standard_normal((203, rows, 9)).astype("f4")
        lengths = np.sort(rng.integers(1, 204, rows))
        assert_same_bits(module(x, lengths=lengths), packed_run(module, x, None, lengths))
        mask = rng.random((203, rows)) < choose(rng, 0.01, 0.1)
        pieces = []
        for row in range(rows):
            ends = [0, *(t for t in np.flatnonzero(mask[:, row]) if t), 203]
            parts = [module(x[a:b, row])[0] for a, b in itertools.pairwise(ends)]
            pieces.append(np.concatenate(parts))
        assert_same_bits(module(x, reset=mask)[0], np.stack(pieces, axis=1))
