"""The exact float32 arithmetic of the tests against rationals, and against pylstm bit for bit."""

from fractions import Fraction

import exact_float32 as exact
import numpy as np
import pytest
import reference
from support import assert_same_bits

import pylstm


def rounded(value):
    """The float32 nearest to a rational, ties to even, by comparing rationals."""
    near = np.float32(float(value))
    around = [np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))]
    finite = [each for each in around if np.isfinite(each)]
    distances = [abs(Fraction(float(each)) - value) for each in finite]
    best = [each for each, d in zip(finite, distances, strict=True) if d == min(distances)]
    return next((each for each in best if each.view(np.uint32) % 2 == 0), best[0])


def wild_floats(rng, count):
    """Floats of all exponents, with few digits and many."""
    bits = rng.integers(0, 2**32, count, np.uint32)
    bits[::3] &= np.uint32(0xFFFFF000)
    bits[1::5] &= np.uint32(0x807FFFFF)  # subnormal
    return bits.view(np.float32)


def test_fma_is_rounded_once():
    rng = np.random.default_rng(1)
    a, b, c = (wild_floats(rng, 5_000) for _ in range(3))
    # Sums that cancel, and sums that lie near the middle between two floats.
    exponents = rng.integers(-85, 35, (2, 5_000))
    a2, b2 = (np.ldexp(rng.integers(2**23, 2**24, 5_000).astype("f8"), e) for e in exponents)
    c2 = (-a2 * b2 * (1 + rng.integers(-3, 4, 5_000) * 2.0**-24)).astype("f4")
    a, b, c = np.r_[a, a2.astype("f4")], np.r_[b, b2.astype("f4")], np.r_[c, c2]
    made = exact.fma(a, b, c)
    checked = 0
    for x, y, z, result in zip(a, b, c, made, strict=True):
        if np.isfinite([x, y, z]).all() and np.isfinite(result) and result != 0:
            value = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
            assert rounded(value) == result
            checked += 1
    assert checked > 5_000


@pytest.mark.parametrize(
    "a, b, c, expected",
    [
        (1 + 2**-12, 1 + 2**-12, 2.0**-80, 1 + 2**-11 + 2**-23),  # twice rounded, it is a tie
        (1 + 2**-12, 1 + 2**-12, -(2.0**-80), 1 + 2**-11),
        (2.0**-100, 2.0**-50, 2.0**-149, 2.0**-149 * 2),  # a tie of subnormals
        (2.0**-100, 2.0**-51, 2.0**-149, 2.0**-149),
        (2.0**127, 2.0, -(2.0**127), 2.0**127),
        (-0.0, 1.0, -0.0, -0.0),
        (-0.0, 1.0, 0.0, 0.0),
        (np.inf, 0.0, 1.0, np.nan),
        (np.inf, 1.0, -np.inf, np.nan),
        (3e38, 2.0, 0.0, np.inf),
        (3e38, 2.0, -np.inf, -np.inf),
    ],
)
def test_fma_by_hand(a, b, c, expected):
    made = exact.fma(np.float32(a), np.float32(b), np.float32(c))
    assert_same_bits((made,), (np.asarray(expected, np.float32),))


SHAPES = [(1, 1), (3, 5), (33, 7), (70, 20)]
WILD = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-42, 3e38, -88.4, 18.0, 0.55, 10.0]


def inputs(seed, steps, rows, columns, scale):
    x = reference.fractions(seed, (steps, rows, columns), scale).astype("f4")
    if scale > 4:
        x.reshape(-1)[: len(WILD)] = WILD[: x.size]
    return x


def as_hx(states):
    return states if len(states) > 1 else states[0]


def run_both(module, kind, x, states=None, **options):
    """pylstm's results and the oracle's."""
    parameters = {name: np.array(value) for name, value in module.state_dict().items()}
    ours = module(x, None if states is None else as_hx(states))
    output, finals = exact.layer(kind, parameters, x, states, **options)
    return ours, (output, as_hx(finals))


@pytest.mark.parametrize("scale", [1.0, 8.0])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", SHAPES)
@pytest.mark.parametrize("kind", exact.STEPS)
def test_layers_bit_for_bit(kind, sizes, bias, scale):
    module = made_layer(kind, *sizes, bias=bias)
    with np.errstate(all="ignore"):
        ours, oracle = run_both(module, kind, inputs(1, 4, 3, sizes[0], scale))
    assert_same_bits(ours, oracle)


def made_layer(kind, *sizes, **options):
    pylstm.manual_seed(5)
    if kind.startswith("RNN"):
        return pylstm.RNN(*sizes, nonlinearity=kind.removeprefix("RNN_").lower(), **options)
    return getattr(pylstm, kind)(*sizes, **options)


@pytest.mark.parametrize("kind", exact.STEPS)
def test_layers_directions_and_states(kind):
    more = {"proj_size": 3} if kind == "LSTM" else {}
    module = made_layer(kind, 6, 9, num_layers=2, bidirectional=True, **more)
    sizes = (3, 9) if kind == "LSTM" else (9,)
    states = tuple(reference.fractions(9, (4, 2, size), 2.0).astype("f4") for size in sizes)
    ours, oracle = run_both(module, kind, inputs(2, 3, 2, 6, 2.0), states)
    assert_same_bits(ours, oracle)


VARIANTS = [
    ("LSTM", {"gate_activation": "hard_sigmoid"}),
    ("LSTM", {"gate_activation": "hard_sigmoid3", "activation": "softsign", "cell_clip": 0.25}),
    ("LSTM", {"activation": "relu", "peepholes": True}),
    ("LSTM", {"activation": "linear", "peepholes": True, "reverse": True}),
    ("GRU", {"reset_after": False}),
    ("GRU", {"reset_after": False, "gate_activation": "hard_sigmoid", "activation": "relu"}),
    ("GRU", {"activation": "softsign", "reverse": True}),
]


@pytest.mark.parametrize("kind, options", VARIANTS)
def test_variants_bit_for_bit(kind, options):
    module = made_layer(kind, 37, 10, **options)
    told = {name: value for name, value in options.items() if name != "peepholes"}
    ours, oracle = run_both(module, kind, inputs(3, 5, 2, 37, 2.0), **told)
    assert_same_bits(ours, oracle)


def test_activations_bit_for_bit():
    """h of an RNN without weights is tanh of its biases; i of an LSTM's trace its sigmoid."""
    rng = np.random.default_rng(3)
    some = rng.uniform(-20, 20, 4000).astype("f4")
    values = np.concatenate([some, wild_floats(rng, 4000), np.float32(WILD)])
    rnn = pylstm.RNN(1, len(values))
    rnn.load_state_dict({k: np.zeros_like(v) for k, v in rnn.state_dict().items()})
    rnn.bias_ih_l0 = values
    with np.errstate(all="ignore"):
        output, _ = rnn(np.zeros((1, 1, 1)))
        assert_same_bits((output[0, 0],), (exact.tanh(values + np.float32(0)),))
    lstm = pylstm.LSTM(1, 500)
    lstm.load_state_dict({k: np.zeros_like(v) for k, v in lstm.state_dict().items()})
    for start in range(0, len(values), 2000):
        part = np.resize(values[start : start + 2000], 2000)
        lstm.bias_ih_l0 = part
        with np.errstate(all="ignore"):
            trace = lstm.trace(np.zeros((1, 1, 1)), names=["i"])
            assert_same_bits((trace.i.ravel(),), (exact.sigmoid(part[:500] + np.float32(0)),))
