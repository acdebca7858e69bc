"""The oracle of smaller weights: against float64, by hand, and what no result may depend on."""

import exact_float32 as exact
import numpy as np
import pytest
import reference
import reference_variants
import reference_weights as oracle
from support import assert_same_bits
from test_exact_float32 import as_hx, inputs, made_layer, run_both

import pylstm

KINDS = list(exact.STEPS)


def parameters_of(module, scale=1):
    return {name: np.array(each) * np.float32(scale) for name, each in module.state_dict().items()}


# Quantising -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", oracle.INTEGERS)
def test_weights_are_rounded_to_the_nearest_integer(name):
    w = reference.fractions(1, (20, 700), 0.5).astype("f4") ** 3
    w[3] = 0
    w[4] *= np.float32(1e-30)
    integers, scales = oracle.quantise_weights(w, name)
    limit = oracle.INTEGERS[name].limit
    assert (integers[3] == 0).all() and scales[3] == 0
    assert np.abs(integers).max() <= limit and (integers == np.rint(integers)).all()
    error = np.abs(integers * scales[:, None].astype("f8") - w)
    assert (error <= scales[:, None].astype("f8") * (0.5 + 1e-3)).all()
    if name != "int16":
        rows = scales > 0
        assert (np.abs(integers[rows]).max(axis=1) == limit).all()
    else:
        assert np.abs(integers).max() > 2000


@pytest.mark.parametrize("columns", [1, 255, 256, 257, 600])
def test_no_sum_of_int16_can_overflow(columns):
    """Weights of one size are the worst: their sums are the largest for their maximum."""
    signs = np.where(np.arange(3 * columns).reshape(3, columns) % 3, 1, -1)
    w = (signs * np.array([[1.0], [0.7], [1e-20]])).astype("f4")
    integers, _ = oracle.quantise_weights(w, "int16")
    for start in range(0, columns, 256):
        most = np.abs(integers[:, start : start + 256]).sum(axis=1).max() * oracle.INT14
        assert most < 2**31
        assert columns < 256 or most > 0.99 * 2**31 or start


@pytest.mark.parametrize("name", ["int8", "int8-fast"])
def test_ties_go_to_even(name):
    w = np.float32([[127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5]])
    integers, scales = oracle.quantise_weights(w, name)
    assert scales[0] == 1
    assert integers[0].tolist() == [127, 0, 2, 2, 0, -2, -2, 126]


def test_values_by_hand():
    nan, inf = np.nan, np.inf
    v = np.float32([
        [0, 0, 0],
        [1, -0.5, 0.25],
        [2, -1, 0.5],
        [nan, 1, 0],
        [1, -inf, 0],
        [2.0**-149, 0, -(2.0**-149)],
        [2.0**-100, 2.0**-101, 0],
        [3e38, -3e38, 1e38],
    ])  # fmt: skip
    integers, scales = oracle.quantise_values(v, oracle.INT14, is_bounded=False)
    ends = [[8191, -4096, 2048]] * 2  # 4095.5 and 2047.75: ties go to even
    assert integers.tolist() == [
        [0, 0, 0], *ends, [0, 0, 0], [0, 0, 0], [8191, 0, -8191], [8191, 4096, 0], [8191, -8191, 2730]
    ]  # fmt: skip
    assert np.isnan(scales[3:5]).all()
    expected = np.abs(v).max(axis=1) / np.float32(8191)
    np.testing.assert_array_equal(scales[[0, 1, 2, 5, 6, 7]], expected[[0, 1, 2, 5, 6, 7]])


def test_values_that_may_not_pass_1_have_a_fixed_scale():
    v = np.float32([[1, -0.5], [0.5, 0.25], [0, 0], [1.0000001, 0.5], [np.nan, 0]])
    integers, scales = oracle.quantise_values(v, oracle.INT8, is_bounded=True)
    assert integers[:3].tolist() == [[127, -64], [64, 32], [0, 0]]
    assert (scales[:3] == np.float32(1) / np.float32(127)).all()
    assert scales[3] == np.float32(1.0000001) / np.float32(127)
    assert integers[3].tolist() == [127, 63]  # 63.49999
    assert np.isnan(scales[4])


def test_a_step_by_hand():
    """h' = relu(x w + h u + b) of one unit, each operation written out."""
    parameters = {
        "weight_ih_l0": np.float32([[0.5, -0.25]]),
        "weight_hh_l0": np.float32([[0.75]]),
        "bias_ih_l0": np.float32([0.125]),
        "bias_hh_l0": np.float32([0.25]),
    }
    x, h = np.float32([[[3.0, 1.0]]]), np.float32([[[2.0]]])
    output, _ = oracle.layer("RNN_RELU", parameters, x, (h,), weights="int8-fast")
    f = np.float32
    x_sum = (
        127 * 127 + 42 * -64
    )  # rint(1 * (127 / 3)) = 42, rint(-0.25 / (0.5 / 127)) = -64 (-63.5)
    total = f(0.375)
    total = exact.fma(f(x_sum), (f(3) / f(127)) * (f(0.5) / f(127)), total)
    total = exact.fma(f(127 * 127), (f(2) / f(127)) * (f(0.75) / f(127)), total)
    assert_same_bits((output[0, 0],), (total.reshape(1),))


# Layers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", oracle.FLOATS)
@pytest.mark.parametrize("kind", KINDS)
def test_float_storages_are_the_module_of_the_widened_weights(kind, weights):
    more = {"proj_size": 3} if kind == "LSTM" else {}
    module = made_layer(kind, 35, 6, num_layers=2, bidirectional=True, **more)
    before = parameters_of(module)
    module.load_state_dict(oracle.widened(before, weights))
    x = inputs(4, 3, 2, 35, 2.0)
    ours, _ = run_both(module, kind, x)
    output, states = oracle.layer(kind, before, x, weights=weights)
    assert_same_bits(ours, (output, as_hx(states)))


CASES = [
    *((kind, {}, {}) for kind in KINDS),
    ("LSTM", {"num_layers": 2, "bidirectional": True, "proj_size": 5}, {}),
    ("GRU", {"num_layers": 2, "bidirectional": True, "bias": False}, {}),
    ("RNN_TANH", {"num_layers": 3}, {}),
    ("LSTM", {"peepholes": True}, {"gate_activation": "hard_sigmoid", "activation": "softsign"}),
    ("LSTM", {"proj_size": 4}, {"activation": "relu", "cell_clip": 2.0}),
    ("LSTM", {}, {"activation": "linear", "reverse": True}),
    ("GRU", {}, {"reset_after": False}),
    ("GRU", {}, {"reset_after": False, "activation": "relu"}),
]
ERRORS = {"int8": 1e-2, "int8-fast": 4e-2, "int16": 4e-4}


@pytest.mark.parametrize("weights", ERRORS)
@pytest.mark.parametrize("kind, structure, variant", CASES)
def test_integers_are_near_the_widened_module(kind, structure, variant, weights):
    """What is left is the rounding of x and h alone; a wrong scale or order would be far off."""
    module = made_layer(kind, 40, 12, **structure, **variant)
    parameters = parameters_of(module)
    x = reference.fractions(5, (6, 3, 40), 1.0).astype("f4")
    output, states = oracle.layer(kind, parameters, x, weights=weights, **variant)
    near = exact.layer(kind, oracle.widened(parameters, weights), x, **variant)
    assert output.dtype == np.float32
    for ours, theirs in zip((output, *states), (near[0], *near[1]), strict=True):
        assert ours.shape == theirs.shape
        error = np.abs(ours - theirs).max()
        assert 0 < error < ERRORS[weights] * max(1, np.abs(theirs).max())


@pytest.mark.parametrize("weights", oracle.INTEGERS)
@pytest.mark.parametrize("kind", KINDS)
def test_long_rows_are_summed_in_parts(kind, weights):
    """More than 2048 terms, and no multiple of 256."""
    module = made_layer(kind, 2100, 3)
    parameters = parameters_of(module, 0.125)
    x = reference.fractions(6, (2, 2, 2100), 1.0).astype("f4")
    output, _ = oracle.layer(kind, parameters, x, weights=weights)
    exactly, _ = reference.layer(kind, oracle.widened(parameters, weights), x)
    assert np.abs(output - exactly).max() < ERRORS[weights] * max(1, np.abs(exactly).max())


# What no bit depends on -----------------------------------------------------------------------


@pytest.mark.parametrize("weights", oracle.STORAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_alone_is_the_row_in_a_batch(kind, weights):
    parameters = parameters_of(made_layer(kind, 7, 5, num_layers=2, bidirectional=True))
    x = inputs(7, 4, 5, 7, 8.0)
    x[:, 3] *= np.float32(100)  # a loud neighbour
    with np.errstate(all="ignore"):
        output, states = oracle.layer(kind, parameters, x, weights=weights)
        for row in range(5):
            alone, own = oracle.layer(kind, parameters, x[:, row : row + 1], weights=weights)
            assert_same_bits((alone[:, 0],), (output[:, row],))
            for ours, theirs in zip(own, states, strict=True):
                assert_same_bits((ours[:, 0],), (theirs[:, row],))


@pytest.mark.parametrize("weights", oracle.STORAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_sequence_is_the_whole(kind, weights):
    parameters = parameters_of(made_layer(kind, 7, 5, num_layers=2))
    x = inputs(8, 7, 2, 7, 2.0)
    x[-1] *= np.float32(1000)  # a loud end
    sizes = 2 if kind == "LSTM" else 1
    states = tuple(reference.fractions(s, (2, 2, 5), 3.0).astype("f4") for s in range(sizes))
    whole, last = oracle.layer(kind, parameters, x, states, weights=weights)
    parts = []
    for start, stop in ((0, 3), (3, 4), (4, 7)):
        part, states = oracle.layer(kind, parameters, x[start:stop], states, weights=weights)
        parts.append(part)
    assert_same_bits((np.concatenate(parts), *states), (whole, *last))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("weights", oracle.INTEGERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_is_not_finite_poisons_itself_alone(kind, weights, bad):
    parameters = parameters_of(made_layer(kind, 7, 5))
    x = inputs(9, 4, 3, 7, 1.0)
    clean, _ = oracle.layer(kind, parameters, x, weights=weights)
    x[1, 1, 6] = bad
    output, _ = oracle.layer(kind, parameters, x, weights=weights)
    assert_same_bits((output[:, ::2], output[0, 1]), (clean[:, ::2], clean[0, 1]))
    assert np.isnan(output[1:, 1]).all()


@pytest.mark.parametrize("weights", oracle.INTEGERS)
@pytest.mark.parametrize("kind", KINDS)
def test_states_beyond_1(kind, weights):
    """They have a scale of their own until they are within 1 again, and lose no more than others."""
    parameters = parameters_of(made_layer(kind, 7, 5))
    x = inputs(10, 6, 2, 7, 1.0)
    sizes = 2 if kind == "LSTM" else 1
    states = tuple(reference.fractions(s, (1, 2, 5), 4.0).astype("f4") for s in range(sizes))
    output, _ = oracle.layer(kind, parameters, x, states, weights=weights)
    near, _ = exact.layer(kind, oracle.widened(parameters, weights), x, states)
    assert np.abs(output - near).max() < ERRORS[weights] * max(1, np.abs(near).max())


def test_a_layer_above_takes_h_with_its_fixed_scale():
    """A small h below loses what a scale of its own would keep: the rule is told apart by bits."""
    parameters = parameters_of(made_layer("RNN_TANH", 3, 4, num_layers=2))
    x = np.zeros((1, 1, 3), "f4")
    below = np.float32(1e-3)
    for name in ("bias_ih_l0", "bias_hh_l0", "bias_ih_l1", "bias_hh_l1"):
        parameters[name] = np.full(4, below / 2 if name.endswith("l0") else 0, "f4")
    output, _ = oracle.layer("RNN_TANH", parameters, x, weights="int8-fast")
    assert (output == 0).all()  # rint(127 * 1e-3) = 0
    parameters["bias_ih_l0"][:] = 0.5
    assert (oracle.layer("RNN_TANH", parameters, x, weights="int8-fast")[0] != 0).all()


# Accuracy -------------------------------------------------------------------------------------

# Root mean square of the error of h over 100 steps, uniform weights of an LSTM(256, 256), times 1, 2
# and 4, batch 4: measured with trial kernels before any kernel of these was here.
RMS = {
    "float16": (2.8e-5, 5.4e-5, 1.1e-4),
    "int16": (4.1e-5, 7.9e-5, 1.6e-4),
    "bfloat16": (2.3e-4, 4.4e-4, 8.7e-4),
    "int8": (6.9e-4, 1.3e-3, 2.6e-3),
    "int8-fast": (1.3e-3, 2.4e-3, 4.8e-3),
}


@pytest.mark.parametrize("times", [1, 2, 4])
@pytest.mark.parametrize("weights", RMS)
def test_accuracy_against_float64(weights, times):
    hidden, steps = 128, 40
    parameters = parameters_of(made_layer("LSTM", hidden, hidden), times)
    x = np.random.default_rng(1).normal(size=(steps, 4, hidden)).astype("f4")
    exactly, _ = reference.lstm(parameters, x)
    if weights in oracle.FLOATS:  # bit for bit the oracle's, and faster
        module = pylstm.LSTM(hidden, hidden)
        module.load_state_dict(oracle.widened(parameters, weights))
        output, _ = module(x)
    else:
        output, _ = oracle.layer("LSTM", parameters, x, weights=weights)
    rms = np.sqrt(np.mean((output - exactly) ** 2))
    recorded = RMS[weights][(1, 2, 4).index(times)]
    # Of int16 the scale grows with the terms of a row, up to 256.
    assert (0.5 if weights == "int16" else 0.8) * recorded < rms < 1.3 * recorded


def test_accuracy_of_a_gru_and_of_variants():
    for kind, options in (("GRU", {}), ("GRU", {"reset_after": False})):
        module = made_layer(kind, 64, 64, **options)
        parameters = parameters_of(module)
        x = np.random.default_rng(2).normal(size=(30, 2, 64)).astype("f4")
        step = reference_variants.gru_step(**options)
        h = np.zeros((2, 64))
        own = {name.removesuffix("_l0"): each.astype("f8") for name, each in parameters.items()}
        exactly = []
        for each in x:
            (h,) = step(each.astype("f8"), (h,), own)
            exactly.append(h)
        errors = {}
        for weights in oracle.INTEGERS:
            output, _ = oracle.layer(kind, parameters, x, weights=weights, **options)
            errors[weights] = np.sqrt(np.mean((output - np.stack(exactly)) ** 2))
        assert errors["int16"] < errors["int8"] / 4 and errors["int8"] < errors["int8-fast"]
        assert errors["int8-fast"] < 6e-3
