"""Layers on packed input: each sequence's result is that of a run of its own, bit for bit."""

import numpy as np
import pytest
from reference import KINDS
from support import (
    as_hx,
    assert_same_bits,
    flatten,
    kind_of,
    layer_of,
    states_of,
    with_parameters,
)

from pylstm import LSTM
from pylstm.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    unpack_sequence,
)

# Unsorted, with ties, from 1 to the longest.
LENGTHS = (3, 7, 1, 7, 4, 3, 1, 6, 7, 2, 3)

OPTIONS = {
    "plain": {},
    "no bias": {"bias": False},
    "bidirectional": {"bidirectional": True},
    "layers": {"num_layers": 3},
    "projection": {"proj_size": 3},
    "all": {"num_layers": 2, "bidirectional": True, "proj_size": 4},
    **{
        f"{kind}{' of layers' * bool(options)}": {"kind": kind, **options}
        for kind in KINDS
        if kind != "LSTM"
        for options in ({}, {"num_layers": 2, "bidirectional": True, "bias": False})
    },
}


@pytest.fixture(params=OPTIONS.values(), ids=OPTIONS)
def options(request):
    return request.param


def make_layer(input_size=5, hidden_size=6, seed=1, kind="LSTM", **options):
    return with_parameters(layer_of(kind, input_size, hidden_size, **options), seed)


def make_sequences(dtype, lengths=LENGTHS, input_size=5):
    draw = np.random.default_rng(0)
    return [draw.normal(size=(n, input_size)).astype(dtype) for n in lengths]


def make_states(layer, batch, dtype):
    """hx for a batch."""
    draw = np.random.default_rng(1)
    layers = layer.num_layers * (2 if layer.bidirectional else 1)
    widths = (layer.proj_size or layer.hidden_size, layer.hidden_size)
    widths = widths[: KINDS[kind_of(layer)].states]
    return as_hx([draw.normal(size=(layers, batch, width)).astype(dtype) for width in widths])


def assert_equals_single_runs(layer, sequences, packed, hx):
    """Run `packed` and every one of `sequences`, with its own columns of `hx`."""
    output, final = layer(packed, hx)
    assert {state.shape[1] for state in states_of(final)} == {len(sequences)}
    for index, (sequence, result) in enumerate(
        zip(sequences, unpack_sequence(output), strict=True)
    ):
        own = None if hx is None else as_hx([state[:, index] for state in states_of(hx)])
        of_row = as_hx([state[:, index] for state in states_of(final)])
        assert_same_bits((result, of_row), layer(sequence, own))


@pytest.mark.parametrize("given", [False, True], ids=["zero states", "states"])
def test_equals_single_runs(options, dtype, given):
    layer = make_layer(dtype=dtype, **options)
    sequences = make_sequences(dtype)
    hx = make_states(layer, len(sequences), dtype) if given else None
    packed = pack_sequence(sequences, enforce_sorted=False)
    assert_equals_single_runs(layer, sequences, packed, hx)


@pytest.mark.parametrize("given", [False, True], ids=["zero states", "states"])
def test_sorted_sequences(options, dtype, given):
    """Without indices nothing is permuted."""
    layer = make_layer(dtype=dtype, **options)
    sequences = make_sequences(dtype, sorted(LENGTHS, reverse=True))
    hx = make_states(layer, len(sequences), dtype) if given else None
    packed = pack_sequence(sequences)
    assert packed.sorted_indices is None
    assert_equals_single_runs(layer, sequences, packed, hx)


@pytest.mark.parametrize(
    "lengths", [(1,), (9,), (1, 1, 1), (4, 4, 4, 4), (1, 33), (2, 1, 3, 1, 2), tuple(range(1, 40))]
)
def test_length_patterns(lengths, dtype):
    layer = make_layer(3, 17, num_layers=2, bidirectional=True, dtype=dtype)
    sequences = make_sequences(dtype, lengths, 3)
    hx = make_states(layer, len(lengths), dtype)
    packed = pack_sequence(sequences, enforce_sorted=False)
    assert_equals_single_runs(layer, sequences, packed, hx)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kind", KINDS)
def test_random_batches(kind, seed):
    draw = np.random.default_rng(seed)
    dtype = ("float32", "float64")[seed % 2]
    input_size, hidden_size = (int(n) for n in draw.integers(2, 40, 2))
    layer = make_layer(
        input_size,
        hidden_size,
        num_layers=int(draw.integers(1, 4)),
        bias=bool(draw.integers(2)),
        bidirectional=bool(draw.integers(2)),
        **({"proj_size": int(draw.integers(0, hidden_size))} if kind == "LSTM" else {}),
        batch_first=bool(draw.integers(2)),
        kind=kind,
        dtype=dtype,
    )
    lengths = draw.integers(1, 12, int(draw.integers(1, 40)))
    sequences = make_sequences(dtype, lengths, input_size)
    hx = make_states(layer, len(lengths), dtype) if draw.integers(2) else None
    packed = pack_sequence(sequences, enforce_sorted=False)
    assert_equals_single_runs(make_copy_without_batch_first(layer), sequences, packed, hx)
    assert_same_bits(run_fields(layer, packed, hx), run_fields(layer, packed, hx))


def make_copy_without_batch_first(layer):
    layer.batch_first = False
    return layer


def run_fields(layer, packed, hx=None):
    output, states = layer(packed, hx)
    return output.data, states


def test_equal_lengths_are_a_dense_batch(options, dtype):
    layer = make_layer(dtype=dtype, **options)
    batch = np.random.default_rng(2).normal(size=(5, 4, 5)).astype(dtype)
    output, states = layer(pack_padded_sequence(batch, [5, 5, 5, 5]))
    assert_same_bits((pad_packed_sequence(output)[0], states), layer(batch))


@pytest.mark.parametrize("kind", KINDS)
def test_batch_first_is_ignored(kind, dtype):
    layer = make_layer(num_layers=2, bidirectional=True, kind=kind, dtype=dtype)
    packed = pack_sequence(make_sequences(dtype), enforce_sorted=False)
    hx = make_states(layer, len(LENGTHS), dtype)
    expected = run_fields(layer, packed, hx)
    layer.batch_first = True
    assert_same_bits(run_fields(layer, packed, hx), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_fields_of_the_output(kind, dtype):
    layer = make_layer(bidirectional=True, kind=kind, dtype=dtype)
    for enforce_sorted in (True, False):
        lengths = sorted(LENGTHS, reverse=True) if enforce_sorted else LENGTHS
        packed = pack_sequence(make_sequences(dtype, lengths), enforce_sorted)
        output, final = layer(packed)
        assert type(output) is PackedSequence
        assert output.data.shape == (sum(LENGTHS), 12)
        assert output.batch_sizes is packed.batch_sizes
        assert output.sorted_indices is packed.sorted_indices
        assert output.unsorted_indices is packed.unsorted_indices
        for result in (output.data, *states_of(final)):
            assert result.dtype == dtype
            assert result.flags.owndata and result.flags.c_contiguous and result.flags.writeable


def test_golden_values():
    """Values that torch computed from parameters and inputs given by formulas."""
    lstm = LSTM(2, 2, dtype="float64")
    for parameter in lstm.parameters():
        parameter[...] = (0.5 * np.cos(np.arange(parameter.size))).reshape(parameter.shape)
    x = np.sin(np.arange(12.0)).reshape(3, 2, 2)
    packed = pack_padded_sequence(x, [2, 3], enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [2, 2, 1]
    assert packed.sorted_indices.tolist() == packed.unsorted_indices.tolist() == [1, 0]
    output, (h_n, c_n) = lstm(packed)
    expected = [
        [-0.39293417780512313, -0.037731173480553215],
        [-0.4261508419031318, 0.0889308416551494],
        [-0.4578343149580349, 0.17378088939559208],
        [-0.18265557133671131, 0.35077426275058016],
        [-0.22803917804808718, 0.33929725755309664],
    ]
    np.testing.assert_allclose(output.data, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(h_n, [expected[3:]], rtol=0, atol=1e-12)
    expected_c = [
        [
            [-0.3695424221646514, 0.5221630030786507],
            [-0.4499509822379728, 0.5026681980668302],
        ]
    ]
    np.testing.assert_allclose(c_n, expected_c, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_variable_sequences_come_back(kind):
    """torch's own test: lengths 10, 10, 6, 2, 2, 1, 1, two bidirectional layers."""
    lengths = [10, 10, 6, 2, 2, 1, 1]
    layer = make_layer(3, 4, num_layers=2, bidirectional=True, kind=kind)
    sequences = make_sequences("float32", lengths, 3)
    packed = pack_sequence(sequences)
    assert_equals_single_runs(layer, sequences, packed, None)
    _, back = pad_packed_sequence(layer(packed)[0])
    assert back.tolist() == lengths


@pytest.mark.parametrize("kind", KINDS)
def test_foreign_dtypes_are_converted(kind, dtype):
    layer = make_layer(kind=kind, dtype=dtype)
    packed = pack_sequence([np.round(10 * s) for s in make_sequences(dtype)], enforce_sorted=False)
    expected = run_fields(layer, packed)
    for same in (packed.int(), packed.double(), packed._replace(data=packed.data.tolist())):
        assert_same_bits(run_fields(layer, same), expected)
    states = [np.ones_like(state) for state in states_of(expected[1])]
    whole = as_hx([state.astype(int).tolist() for state in states])
    assert_same_bits(run_fields(layer, packed, whole), run_fields(layer, packed, as_hx(states)))


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_are_left_alone(kind, dtype):
    layer = make_layer(num_layers=2, kind=kind, dtype=dtype)
    packed = pack_sequence(make_sequences(dtype), enforce_sorted=False)
    hx = make_states(layer, len(LENGTHS), dtype)
    arguments = [*packed, *states_of(hx)]
    before = [a.tobytes() for a in arguments]
    for a in arguments:
        a.flags.writeable = False
    output, states = layer(packed, hx)
    assert [a.tobytes() for a in arguments] == before
    for result in (output.data, *states_of(states)):
        assert not any(np.shares_memory(result, a) for a in arguments)


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_nan_stays_in_its_sequence(kind):
    """One poisoned sequence leaves the others as they were."""
    layer = make_layer(num_layers=2, bidirectional=True, kind=kind)
    sequences = make_sequences("float32")
    clean = layer(pack_sequence(sequences, enforce_sorted=False))
    sequences[1][2] = np.nan
    output, states = layer(pack_sequence(sequences, enforce_sorted=False))
    others = [index for index in range(len(LENGTHS)) if index != 1]
    for index in others:
        assert_same_bits(unpack_sequence(output)[index], unpack_sequence(clean[0])[index])
    for state, clean_state in zip(flatten((states,)), flatten((clean[1],)), strict=True):
        assert_same_bits(state[:, others].copy(), clean_state[:, others].copy())


# --------------------------------------------------------------------------------- wrong calls


def wrong_states(h_shape, c_shape):
    return np.zeros(h_shape), np.zeros(c_shape)


@pytest.mark.parametrize(
    ("hx", "text"),
    [
        (wrong_states((4, 2, 3), (4, 3, 6)), "Expected hidden[0] size (4, 3, 3), got [4, 2, 3]"),
        (wrong_states((4, 3, 6), (4, 3, 6)), "Expected hidden[0] size (4, 3, 3), got [4, 3, 6]"),
        (wrong_states((2, 3, 3), (2, 3, 6)), "Expected hidden[0] size (4, 3, 3), got [2, 3, 3]"),
        (wrong_states((4, 3, 3), (4, 3, 5)), "Expected hidden[1] size (4, 3, 6), got [4, 3, 5]"),
        (wrong_states((4, 3, 3), (4, 1, 6)), "Expected hidden[1] size (4, 3, 6), got [4, 1, 6]"),
        (
            wrong_states((4, 3), (4, 6)),
            "hx and cx should also be 3-D but got (2-D, 2-D) tensors",
        ),
        ((np.zeros((4, 3, 3)),) * 3, "lstm expects two hidden states"),
    ],
)
@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_wrong_states(hx, text, enforce_sorted):
    lstm = LSTM(5, 6, num_layers=2, bidirectional=True, proj_size=3)
    packed = pack_sequence(make_sequences("float32", (3, 2, 1)), enforce_sorted)
    with pytest.raises(RuntimeError) as error:
        lstm(packed, hx)
    assert text in str(error.value)


def packed_of(data, batch_sizes=(2, 1)):
    return PackedSequence(np.asarray(data), np.array(batch_sizes))


@pytest.mark.parametrize(
    ("packed", "kind", "text"),
    [
        (
            packed_of(np.ones((3, 4))),
            RuntimeError,
            "input.size(-1) must be equal to input_size. Expected 5, got 4",
        ),
        (packed_of(np.ones((3, 1, 5))), RuntimeError, "input must have 2 dimensions, got 3"),
        (packed_of(np.ones(3)), RuntimeError, "input must have 2 dimensions, got 1"),
        (packed_of(np.ones((3, 5), complex)), TypeError, "complex128"),
        (packed_of(np.ones((3, 5), bool)), TypeError, "bool"),
        (packed_of(np.ones((3, 5)), (2, 2)), ValueError, "batch_sizes"),
        (packed_of(np.ones((3, 5)), (3, 0)), ValueError, "batch_sizes"),
        (packed_of(np.ones((3, 5)), (3, -1)), ValueError, "batch_sizes"),
        (packed_of(np.ones((3, 5)), (4, -1)), ValueError, "batch_sizes"),
        (packed_of(np.ones((3, 5)), (1, 2)), ValueError, "batch_sizes"),
        (packed_of(np.ones((3, 5)), (2.0, 1.0)), ValueError, "batch_sizes"),
        (packed_of(np.ones((3, 5)), ((2, 1),)), ValueError, "batch_sizes"),
        (packed_of(np.ones((3, 5)), (2**62, 2**62)), ValueError, "batch_sizes"),
        (packed_of(np.ones((3, 5)), (2**63 - 1, 2**63 - 1)), ValueError, "batch_sizes"),
        (packed_of(np.ones((0, 5)), ()), (RuntimeError, ValueError), ""),
    ],
)
def test_wrong_packed_input(packed, kind, text):
    with pytest.raises(kind) as error:
        LSTM(5, 6)(packed)
    assert text in str(error.value)


@pytest.mark.parametrize("indices", [[0, 5], [0, -3], [0], [[0, 1]], [0.5, 1.0]])
def test_wrong_indices(indices):
    packed = packed_of(np.ones((3, 5)))._replace(
        sorted_indices=np.array(indices), unsorted_indices=np.array(indices)
    )
    states = (np.zeros((1, 2, 6)), np.zeros((1, 2, 6)))
    for hx in (None, states):
        with pytest.raises((RuntimeError, ValueError, IndexError, TypeError)):
            LSTM(5, 6)(packed, hx)
