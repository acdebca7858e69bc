"""The numeric contract: how a computation is arranged never changes a bit of its result.

Bytes are compared, not tolerances; of a NaN only that it is one. The cases cover every pair of
hidden and input size, all options, and ordinary, huge, tiny, subnormal and special values.
"""

import functools
from dataclasses import replace

import numpy as np
import pytest
from contract_cases import (
    OTHERS,
    POOL,
    cases_of,
    contract_cases,
    plain_cases,
    plain_cases_of,
)
from float_environment import MODES, changed, control_word, why_not
from reference import KINDS
from support import (
    as_hx,
    assert_same_bits,
    cell_of,
    flatten,
    layer_of,
    states_of,
    with_parameters,
)

import pylstm
from pylstm.contract.cases import values
from pylstm.utils.rnn import pack_sequence

OF_OTHERS = [case for layer in OTHERS for case in cases_of(layer)]
CASES = contract_cases() + OF_OTHERS
# The recorded plain cases of LSTM are all float32.
PLAIN = plain_cases() + [replace(case, dtype="float64") for case in plain_cases()[::3]]
PLAIN += [case for layer in OTHERS for case in plain_cases_of(layer)]
ONE_WAY = [case for case in CASES if not case.bidirectional]
SOME = contract_cases()[::3] + [case for layer in OTHERS for case in cases_of(layer)[::3]]

all_cases = pytest.mark.parametrize("case", CASES, ids=str)


@functools.cache
def whole(case):
    """(module, x, states, results) of the whole pool of rows at once."""
    layer = case.module()
    x, *states = case.arrays(POOL)
    return layer, x, states, layer(x, as_hx(states))


def of(states, rows):
    """Some rows of the batch of states, as hx."""
    return as_hx([state[:, rows] for state in states])


def rows_of(result, rows):
    """The part of a result that belongs to some rows of the batch."""
    out, hx = result
    return out[:, rows], of(states_of(hx), rows)


def test_the_cases_cover_the_promise():
    for layer in ("LSTM", *OTHERS):
        cases = [case for case in CASES if case.layer == layer]
        assert {c.hidden_size for c in cases} == {1, 3, 16, 17, 20, 33, 64, 100, 128, 200}
        assert {c.input_size for c in cases} == {1, 4, 63, 64, 65, 100, 257}
        options = {(c.dtype, c.num_layers, c.bidirectional, bool(c.proj_size)) for c in cases}
        assert len(options) == 2 * 3 * 2 * (2 if layer == "LSTM" else 1)
        assert len({(c.dtype, c.inputs) for c in cases}) == 10
        assert {c.bias for c in cases} == {False, True}
        assert sum(c.infinite_weight for c in cases) >= (8 if layer == "LSTM" else 5)
        plain = [case for case in PLAIN if case.layer == layer]
        assert {c.dtype for c in plain} == {"float32", "float64"} and len(plain) >= 10


@all_cases
def test_row_alone_and_in_batches(case):
    layer, x, states, expected = whole(case)
    for rows in ([0], [1], [POOL - 1], [4, 1], [2, 30, 7], list(range(9, 14)), list(range(20, 28))):
        assert_same_bits(layer(x[:, rows], of(states, rows)), rows_of(expected, rows))


@all_cases
def test_without_states_as_with_zeros(case):
    layer, x, states, _ = whole(case)
    expected = layer(x[:, :5], as_hx([np.zeros_like(state[:, :5]) for state in states]))
    assert_same_bits(layer(x[:, :5]), expected)
    assert_same_bits(layer(x[:, 1:2]), rows_of(expected, [1]))


@pytest.mark.parametrize("case", ONE_WAY, ids=str)
def test_sequence_in_pieces(case):
    layer, x, states, _ = whole(case)
    for rows in ([1], [0, 1, 2, 3, 5]):
        expected = layer(x[:, rows], of(states, rows))
        for cuts in (range(1, case.steps), [1], [2, 3], [case.steps - 1]):
            hx, outputs = of(states, rows), []
            for piece in np.split(x[:, rows], list(cuts)):
                out, hx = layer(piece, hx)
                outputs.append(out)
            assert_same_bits((np.concatenate(outputs), hx), expected)


@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_cell_loop(case):
    layer, x, states, _ = whole(case)
    cell = cell_of(case.layer, case.input_size, case.hidden_size, case.bias, dtype=case.dtype)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    for rows in (slice(1, 2), slice(0, 6)):
        hx, outputs = as_hx([state[0, rows] for state in states]), []
        for xt in x[:, rows]:
            hx = cell(xt, hx)
            outputs.append(states_of(hx)[0])
        result = np.stack(outputs), as_hx([state[None] for state in states_of(hx)])
        assert_same_bits(result, layer(x[:, rows], of(states, rows)))
    row = cell(x[0, 1], as_hx([state[0, 1] for state in states]))
    batch = cell(x[0, :3], as_hx([state[0, :3] for state in states]))
    assert_same_bits(row, as_hx([state[1] for state in states_of(batch)]))
    assert_same_bits(cell(x[0, 1]), as_hx([state[1] for state in states_of(cell(x[0, :3]))]))


@all_cases
def test_batch_first(case):
    _, x, states, expected = whole(case)
    swapped = case.module(batch_first=True)
    for rows in (slice(1), slice(9)):
        out, hx = swapped(x[:, rows].swapaxes(0, 1), of(states, rows))
        assert_same_bits((out.swapaxes(0, 1), hx), rows_of(expected, rows))


@all_cases
def test_unbatched(case):
    layer, x, states, expected = whole(case)
    for row in (0, 1):
        assert_same_bits(layer(x[:, row], of(states, row)), rows_of(expected, row))


def strided(array, pattern):
    """The values of `array` in other places of memory."""
    if pattern == "reversed":
        return np.ascontiguousarray(array[::-1, ::-1, ::-1])[::-1, ::-1, ::-1]
    if pattern == "Fortran":
        return np.asfortranarray(array)
    if pattern == "rows apart":
        wide = np.full((array.shape[0], 2 * array.shape[1], array.shape[2] + 3), 7, array.dtype)
        wide[:, ::2, 1:-2] = array
        return wide[:, ::2, 1:-2]
    raw = np.empty(array.nbytes + 1, np.uint8)[1:]
    odd = raw.view(array.dtype).reshape(array.shape)
    odd[...] = array
    return odd


@pytest.mark.parametrize("pattern", ["reversed", "Fortran", "rows apart", "misaligned"])
@pytest.mark.parametrize("case", SOME, ids=str)
def test_strides(case, pattern):
    layer, x, states, expected = whole(case)
    for rows in (slice(1), slice(5)):
        arrays = [strided(array[:, rows], pattern) for array in (x, *states)]
        assert_same_bits(layer(arrays[0], as_hx(arrays[1:])), rows_of(expected, rows))


@pytest.mark.parametrize("case", SOME, ids=str)
def test_packed(case):
    layer, x, states, _ = whole(case)
    lengths = [3, case.steps, 1, case.steps, 2]
    packed = pack_sequence([x[:n, i] for i, n in enumerate(lengths)], enforce_sorted=False)
    out, hx = layer(packed, of(states, slice(5)))
    offsets = np.concatenate([[0], np.cumsum(out.batch_sizes)])
    for row, length in enumerate(lengths):
        alone, own = layer(x[:length, row], of(states, row))
        places = offsets[:length] + int(np.flatnonzero(out.sorted_indices == row)[0])
        assert_same_bits(out.data[places], alone)
        assert_same_bits(of(states_of(hx), row), own)


@pytest.mark.parametrize("case", [c for c in SOME if c.num_layers > 1 or c.bidirectional], ids=str)
def test_layers_and_directions_apart(case):
    """A stack of bidirectional layers is one-directional, one-layer modules, one after the other."""
    module, x, states, _ = whole(case)
    rows, values = slice(0, 3), module.state_dict()
    out, hx = module(x[:, rows], of(states, rows))
    projection = {"proj_size": case.proj_size} if case.proj_size else {}
    below, index = np.ascontiguousarray(x[:, rows]), 0
    for layer in range(case.num_layers):
        halves = []
        for suffix in ("", "_reverse")[: 1 + case.bidirectional]:
            end = f"_l{layer}{suffix}"
            part = layer_of(
                case.layer, below.shape[2], case.hidden_size, 1, bias=case.bias, **projection,
                dtype=case.dtype,
            )  # fmt: skip
            part.load_state_dict(
                {k.removesuffix(end) + "_l0": v for k, v in values.items() if k.endswith(end)}
            )
            order, own = slice(None, None, -1 if suffix else 1), slice(index, index + 1)
            half, final = part(below[order], as_hx([state[own, rows] for state in states]))
            assert_same_bits(final, as_hx([state[own] for state in states_of(hx)]))
            halves.append(half[order])
            index += 1
        below = np.concatenate(halves, axis=2)
    assert_same_bits(below, out)


@pytest.mark.parametrize("case", SOME, ids=str)
def test_input_in_another_dtype(case):
    # The conversion is one rounding; then the arithmetic is the module's own.
    layer, x, states, expected = whole(case)
    other = "float64" if case.dtype == "float32" else "longdouble"
    hx = as_hx([state[:, :5].astype(other) for state in states])
    assert_same_bits(layer(x[:, :5].astype(other), hx), rows_of(expected, slice(5)))


@pytest.mark.parametrize("case", OF_OTHERS[::2], ids=str)
def test_one_and_two_threads(case):
    # The shapes that threads share are those of test_threads.py; here is that none changes.
    layer, x, states, expected = whole(case)
    for threads in (1, 2):
        pylstm.set_num_threads(threads)
        assert_same_bits(layer(x, as_hx(states)), expected)
        assert_same_bits(layer(x[:, 1], of(states, 1)), rows_of(expected, 1))


@pytest.mark.parametrize("kind", KINDS)
def test_long_sequences_in_pieces(kind, dtype):
    # Longer than any group of precomputed steps, cut at every kind of place.
    for options in ({}, {"num_layers": 2, **({"proj_size": 5} if kind == "LSTM" else {})}):
        layer = with_parameters(layer_of(kind, 9, 18, **options, dtype=dtype), 1)
        for rows in (1, 2, 7):
            x = values("ordinary", rows, (203, rows, 9), dtype)
            expected = layer(x)
            for length in (1, 7, 16, 50, 101):
                hx, outputs = None, []
                for start in range(0, len(x), length):
                    out, hx = layer(x[start : start + length], hx)
                    outputs.append(out)
                assert_same_bits((np.concatenate(outputs), hx), expected)


# The caller's floating-point environment ----------------------------------------------------------

reason = why_not()
needs_environment = pytest.mark.skipif(reason is not None, reason=str(reason))


@needs_environment
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", SOME, ids=str)
def test_environment_of_the_caller(case, mode):
    layer, x, states, expected = whole(case)
    with changed(mode) as before:
        several = layer(x[:, :5], of(states, slice(5)))
        single = layer(x[:, :1], of(states, slice(1)))
        after = control_word()
    assert after == before, "the call changed the caller's environment"
    assert_same_bits(several, rows_of(expected, slice(5)))
    assert_same_bits(single, rows_of(expected, slice(1)))


@needs_environment
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_makes_numbers_is_shielded(kind, mode, dtype):
    """Drawing, bias sums, conversions of inputs, weights and modules, cells, dropout, packed data."""
    projection = {"proj_size": 3} if kind == "LSTM" else {}

    def make_layer(**options):
        return layer_of(kind, 5, 7, 2, bidirectional=True, **projection, **options)

    def make():
        pylstm.manual_seed(3)
        layer = make_layer(dropout=0.3, dtype=dtype)
        cell = cell_of(kind, 5, 7, dtype=dtype)
        results = [layer(x, hx), cell(x[0]), layer(x_of_other)]
        packed = layer(pack_sequence([x[:, 0], x[:2, 1]]))
        results += [packed[0].data, packed[1]]
        layer.load_state_dict(doubles)
        cell.weight_hh = thirds
        results += [*layer.state_dict().values(), layer(x, hx), cell(x[0])]
        for change in ("double", "float"):
            getattr(layer, change)()
            results += [*layer.state_dict().values(), layer.eval()(x, hx)]
        return tuple(array.copy() for array in flatten(tuple(results)))

    x = values("ordinary", 1, (6, 2, 5)) / 3
    x[2] *= 1e-310  # subnormal in float64, zero in float32
    x[3] *= 1e-40  # subnormal in float32
    x_of_other = x.astype("float64" if dtype == "float32" else "float32")
    widths = (3 if kind == "LSTM" else 7, 7)[: KINDS[kind].states]
    hx = as_hx([values("ordinary", 2, (4, 2, widths[0])) / 7] +
               [values("subnormal", 3, (4, 2, width)) for width in widths[1:]])  # fmt: skip
    thirds = values("ordinary", 4, (KINDS[kind].gates * 7, 7)) / 3
    doubles = {
        name: values("ordinary", index, value.shape) * (1e-40 if index % 4 == 1 else 1) / 3
        for index, (name, value) in enumerate(make_layer().state_dict().items())
    }
    expected = make()
    with changed(mode) as before:
        result = make()
        after = control_word()
    assert after == before
    assert_same_bits(result, expected)
