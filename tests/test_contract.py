"""The numeric contract: how a computation is arranged never changes a bit of its result.

Bytes are compared, not tolerances; of a NaN only that it is one. The cases cover every pair of
hidden and input size, all options, and ordinary, huge, tiny, subnormal and special values.
"""

import functools

import numpy as np
import pytest
from contract_cases import POOL, contract_cases, plain_cases
from float_environment import MODES, changed, control_word, why_not
from support import assert_same_bits, with_parameters

import pylstm
from pylstm.contract.cases import values
from pylstm.utils.rnn import pack_sequence

CASES = contract_cases()
PLAIN = plain_cases()
ONE_WAY = [case for case in CASES if not case.bidirectional]
SOME = CASES[::3]

all_cases = pytest.mark.parametrize("case", CASES, ids=str)


@functools.cache
def whole(case):
    """(module, x, h, c, results) of the whole pool of rows at once."""
    lstm = case.module()
    x, h, c = case.arrays(POOL)
    return lstm, x, h, c, lstm(x, (h, c))


def rows_of(result, rows):
    """The part of an LSTM's result that belongs to some rows of the batch."""
    out, (h, c) = result
    return out[:, rows], (h[:, rows], c[:, rows])


def test_the_cases_cover_the_promise():
    assert {c.hidden_size for c in CASES} == {1, 3, 16, 17, 20, 33, 64, 100, 128, 200}
    assert {c.input_size for c in CASES} == {1, 4, 63, 64, 65, 100, 257}
    options = {(c.dtype, c.num_layers, c.bidirectional, bool(c.proj_size)) for c in CASES}
    assert len(options) == 2 * 3 * 2 * 2
    assert len({(c.dtype, c.inputs) for c in CASES}) == 10
    assert sum(c.infinite_weight for c in CASES) >= 8


@all_cases
def test_row_alone_and_in_batches(case):
    lstm, x, h, c, expected = whole(case)
    for rows in ([0], [1], [POOL - 1], [4, 1], [2, 30, 7], list(range(9, 14)), list(range(20, 28))):
        result = lstm(x[:, rows], (h[:, rows], c[:, rows]))
        assert_same_bits(result, rows_of(expected, rows))


@all_cases
def test_without_states_as_with_zeros(case):
    lstm, x, h, c, _ = whole(case)
    zeros = np.zeros_like(h[:, :5]), np.zeros_like(c[:, :5])
    expected = lstm(x[:, :5], zeros)
    assert_same_bits(lstm(x[:, :5]), expected)
    assert_same_bits(lstm(x[:, 1:2]), rows_of(expected, [1]))


@pytest.mark.parametrize("case", ONE_WAY, ids=str)
def test_sequence_in_pieces(case):
    lstm, x, h, c, _ = whole(case)
    for rows in ([1], [0, 1, 2, 3, 5]):
        start = h[:, rows], c[:, rows]
        expected = lstm(x[:, rows], start)
        for cuts in (range(1, case.steps), [1], [2, 3], [case.steps - 1]):
            states, outputs = start, []
            for piece in np.split(x[:, rows], list(cuts)):
                out, states = lstm(piece, states)
                outputs.append(out)
            assert_same_bits((np.concatenate(outputs), states), expected)


@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_cell_loop(case):
    lstm, x, h, c, _ = whole(case)
    cell = pylstm.LSTMCell(case.input_size, case.hidden_size, case.bias, dtype=case.dtype)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in lstm.state_dict().items()})
    for rows in (slice(1, 2), slice(0, 6)):
        hx, outputs = (h[0, rows], c[0, rows]), []
        for xt in x[:, rows]:
            hx = cell(xt, hx)
            outputs.append(hx[0])
        result = np.stack(outputs), (hx[0][None], hx[1][None])
        assert_same_bits(result, lstm(x[:, rows], (h[:, rows], c[:, rows])))
    row = cell(x[0, 1], (h[0, 1], c[0, 1]))
    assert_same_bits(row, [a[1] for a in cell(x[0, :3], (h[0, :3], c[0, :3]))])
    assert_same_bits(cell(x[0, 1]), [a[1] for a in cell(x[0, :3])])


@all_cases
def test_batch_first(case):
    _, x, h, c, expected = whole(case)
    swapped = case.module(batch_first=True)
    for rows in (slice(1), slice(9)):
        out, states = swapped(x[:, rows].swapaxes(0, 1), (h[:, rows], c[:, rows]))
        assert_same_bits((out.swapaxes(0, 1), states), rows_of(expected, rows))


@all_cases
def test_unbatched(case):
    lstm, x, h, c, expected = whole(case)
    for row in (0, 1):
        out, (h_n, c_n) = lstm(x[:, row], (h[:, row], c[:, row]))
        assert_same_bits((out, (h_n, c_n)), rows_of(expected, row))


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
    lstm, x, h, c, expected = whole(case)
    for rows in (slice(1), slice(5)):
        arrays = [strided(array[:, rows], pattern) for array in (x, h, c)]
        assert_same_bits(lstm(arrays[0], tuple(arrays[1:])), rows_of(expected, rows))


@pytest.mark.parametrize("case", SOME, ids=str)
def test_packed(case):
    lstm, x, h, c, _ = whole(case)
    lengths = [3, case.steps, 1, case.steps, 2]
    packed = pack_sequence([x[:n, i] for i, n in enumerate(lengths)], enforce_sorted=False)
    out, (h_n, c_n) = lstm(packed, (h[:, :5], c[:, :5]))
    offsets = np.concatenate([[0], np.cumsum(out.batch_sizes)])
    for row, length in enumerate(lengths):
        alone, states = lstm(x[:length, row], (h[:, row], c[:, row]))
        places = offsets[:length] + int(np.flatnonzero(out.sorted_indices == row)[0])
        assert_same_bits(out.data[places], alone)
        assert_same_bits((h_n[:, row], c_n[:, row]), states)


@pytest.mark.parametrize("case", [c for c in SOME if c.num_layers > 1 or c.bidirectional], ids=str)
def test_layers_and_directions_apart(case):
    """A stack of bidirectional layers is one-directional, one-layer modules, one after the other."""
    lstm, x, h, c, _ = whole(case)
    rows, values = slice(0, 3), lstm.state_dict()
    out, (h_n, c_n) = lstm(x[:, rows], (h[:, rows], c[:, rows]))
    below, index = np.ascontiguousarray(x[:, rows]), 0
    for layer in range(case.num_layers):
        halves = []
        for suffix in ("", "_reverse")[: 1 + case.bidirectional]:
            end = f"_l{layer}{suffix}"
            part = pylstm.LSTM(
                below.shape[2], case.hidden_size, 1, case.bias, proj_size=case.proj_size,
                dtype=case.dtype,
            )  # fmt: skip
            part.load_state_dict(
                {k.removesuffix(end) + "_l0": v for k, v in values.items() if k.endswith(end)}
            )
            order = slice(None, None, -1 if suffix else 1)
            half, states = part(
                below[order], (h[index : index + 1, rows], c[index : index + 1, rows])
            )
            assert_same_bits(states, (h_n[index : index + 1], c_n[index : index + 1]))
            halves.append(half[order])
            index += 1
        below = np.concatenate(halves, axis=2)
    assert_same_bits(below, out)


@pytest.mark.parametrize("case", SOME, ids=str)
def test_input_in_another_dtype(case):
    # The conversion is one rounding; then the arithmetic is the module's own.
    lstm, x, h, c, expected = whole(case)
    other = "float64" if case.dtype == "float32" else "longdouble"
    result = lstm(*(x[:, :5].astype(other), (h[:, :5].astype(other), c[:, :5].astype(other))))
    assert_same_bits(result, rows_of(expected, slice(5)))


def test_long_sequences_in_pieces(dtype):
    # Longer than any group of precomputed steps, cut at every kind of place.
    for options in ({}, {"num_layers": 2, "proj_size": 5}):
        lstm = with_parameters(pylstm.LSTM(9, 18, **options, dtype=dtype), 1)
        for rows in (1, 2, 7):
            x = values("ordinary", rows, (203, rows, 9), dtype)
            expected = lstm(x)
            for length in (1, 7, 16, 50, 101):
                states, outputs = None, []
                for start in range(0, len(x), length):
                    out, states = lstm(x[start : start + length], states)
                    outputs.append(out)
                assert_same_bits((np.concatenate(outputs), states), expected)


# The caller's floating-point environment ----------------------------------------------------------

reason = why_not()
needs_environment = pytest.mark.skipif(reason is not None, reason=str(reason))


@needs_environment
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", SOME, ids=str)
def test_environment_of_the_caller(case, mode):
    lstm, x, h, c, expected = whole(case)
    with changed(mode) as before:
        several = lstm(x[:, :5], (h[:, :5], c[:, :5]))
        single = lstm(x[:, :1], (h[:, :1], c[:, :1]))
        after = control_word()
    assert after == before, "the call changed the caller's environment"
    assert_same_bits(several, rows_of(expected, slice(5)))
    assert_same_bits(single, rows_of(expected, slice(1)))


@needs_environment
@pytest.mark.parametrize("mode", MODES)
def test_everything_that_makes_numbers_is_shielded(mode, dtype):
    """Drawing, bias sums, conversions of inputs, weights and modules, cells, dropout, packed data."""

    def make():
        pylstm.manual_seed(3)
        lstm = pylstm.LSTM(5, 7, 2, bidirectional=True, proj_size=3, dropout=0.3, dtype=dtype)
        cell = pylstm.LSTMCell(5, 7, dtype=dtype)
        results = [lstm(x, hx), cell(x[0]), lstm(x_of_other)]
        packed = lstm(pack_sequence([x[:, 0], x[:2, 1]]))
        results += [packed[0].data, packed[1]]
        lstm.load_state_dict(doubles)
        cell.weight_hh = thirds
        results += [*lstm.state_dict().values(), lstm(x, hx), cell(x[0])]
        for change in ("double", "float"):
            getattr(lstm, change)()
            results += [*lstm.state_dict().values(), lstm.eval()(x, hx)]
        return tuple(results)

    x = values("ordinary", 1, (6, 2, 5)) / 3
    x[2] *= 1e-310  # subnormal in float64, zero in float32
    x[3] *= 1e-40  # subnormal in float32
    x_of_other = x.astype("float64" if dtype == "float32" else "float32")
    hx = values("ordinary", 2, (4, 2, 3)) / 7, values("subnormal", 3, (4, 2, 7))
    thirds = values("ordinary", 4, (28, 7)) / 3
    doubles = {
        name: values("ordinary", index, value.shape) * (1e-40 if index % 4 == 1 else 1) / 3
        for index, (name, value) in enumerate(
            pylstm.LSTM(5, 7, 2, bidirectional=True, proj_size=3).state_dict().items()
        )
    }
    expected = make()
    with changed(mode) as before:
        result = make()
        after = control_word()
    assert after == before
    assert_same_bits(result, expected)
