"""The float32 arithmetic of the numeric contract, bit for bit, in NumPy.

Sums, fused multiply-adds, sigmoid, tanh and the updates of cells are those that ARCHITECTURE.md and
csrc/simd describe, each operation rounded once. Written for reading: nothing here imports pylstm.
All arrays are float32 unless a name says otherwise.
"""

import numpy as np

ZERO, ONE = np.float32(0), np.float32(1)


def fma(a, b, c):
    """a * b + c, rounded once.

    The product of two float32 is exact in float64. The sum is rounded to float64 to odd: where it is
    not exact and ends in an even bit, it becomes its neighbour on the side of what was lost. A number
    with at least two more bits than float32, rounded so, gives the float32 that the exact sum gives.
    """
    with np.errstate(all="ignore"):
        product = np.asarray(a, np.float64) * np.asarray(b, np.float64)
        addend = np.asarray(c, np.float64)
        total = np.atleast_1d(product + addend)
        part = total - product  # Knuth's two-sum: total + lost is exact
        lost = (product - (total - part)) + (addend - part)
        is_even = total.view(np.uint64) & np.uint64(1) == 0
        inexact = np.isfinite(total) & (lost != 0) & is_even
        towards = np.where(lost > 0, np.inf, -np.inf)
        odd = np.where(inexact, np.nextafter(total, towards), total)
        return odd.astype(np.float32).reshape(np.broadcast_shapes(product.shape, addend.shape))


# Activations ----------------------------------------------------------------------------------


def hexadecimal(*numbers):
    return [np.float32(float.fromhex(number)) for number in numbers]


EXP_TERMS = hexadecimal(
    "0x1.fffffcp-2", "0x1.555492p-3", "0x1.5558aep-5", "0x1.12397ap-7", "0x1.6a4d5cp-10"
)
TANH_TERMS = hexadecimal(
    "-0x1.55554ap-2", "0x1.110cfp-3", "-0x1.b91f38p-5", "0x1.58ee24p-6", "-0x1.996444p-8"
)
MAGIC, LOG2E, LN2_HIGH, LN2_LOW = hexadecimal(
    "0x1.8p+23", "0x1.715476p+0", "0x1.62e43p-1", "-0x1.05c61p-29"
)
SIGMOID_LIMIT, SIGMOID_ONE, TANH_ONE, TANH_SWITCH = map(np.float32, (88.37, -18.0, 10.0, 0.55))


def polynomial(terms, x):
    result = np.full_like(x, terms[-1])
    for term in terms[-2::-1]:
        result = fma(result, x, term)
    return result


def scaled(values, shifted):
    """values * 2**n by exponent, from the low bits of n + MAGIC; products wrap."""
    return (values.view(np.uint32) + (shifted.view(np.uint32) << np.uint32(23))).view(np.float32)


def exp_parts(y, both_parts):
    """s = 2**n, q and s q with e**y = s (1 + q)."""
    shifted = fma(y, LOG2E, MAGIC)
    n = shifted - MAGIC
    r = fma(-n, LN2_HIGH, y)
    if both_parts:
        r = fma(-n, LN2_LOW, r)
    q = fma(r * r, polynomial(EXP_TERMS, r), r)
    return scaled(np.full_like(y, 1), shifted), q, scaled(q, shifted)


def sigmoid(x):
    with np.errstate(all="ignore"):
        y = np.where(-x < SIGMOID_ONE, SIGMOID_ONE, -x)
        s, q, sq = exp_parts(y, both_parts=True)
        y = s + ONE
        d = fma(s, q, y)
        lost = ONE - (y - s)
        lost = lost + ((y - d) + sq)
        y = ONE / d
        y = fma(-(y * lost), y, y)
        return np.where(x < -SIGMOID_LIMIT, ZERO, y)


def tanh(x):
    with np.errstate(all="ignore"):
        a = np.abs(x)
        y = np.where(a > TANH_ONE, TANH_ONE, a)
        s, _, sq = exp_parts(y + y, both_parts=False)
        s = ONE / ((s + ONE) + sq)
        s = ONE - (s + s)
        y = a * a
        small = fma(a * y, polynomial(TANH_TERMS, y), a)
        return np.copysign(np.where(a >= TANH_SWITCH, s, small), x)


def relu(x):
    return np.where(x < 0, ZERO, x)


def hard_sigmoid(scale):
    def apply(x):
        y = fma(np.float32(scale), x, np.float32(0.5))
        y = np.where(y < 0, ZERO, y)
        return np.where(y > 1, ONE, y)

    return apply


def softsign(x):
    with np.errstate(all="ignore"):
        return x / (ONE + np.abs(x))


GATE_ACTIVATIONS = {
    "sigmoid": sigmoid,
    "hard_sigmoid": hard_sigmoid(0.2),
    "hard_sigmoid3": hard_sigmoid(np.float32(1) / np.float32(6)),
}
ACTIVATIONS = {"tanh": tanh, "relu": relu, "softsign": softsign, "linear": lambda x: x}


# Sums -----------------------------------------------------------------------------------------

BLOCK = 32  # terms


def add_product(total, w, v):
    """total [n, rows] + v [n, K] w.T [K, rows], in blocks of 32 terms, each summed from 0."""
    with np.errstate(all="ignore"):
        for start in range(0, w.shape[1], BLOCK):
            block = np.zeros_like(total)
            for k in range(start, min(start + BLOCK, w.shape[1])):
                block = fma(w[:, k], v[:, k, None], block)
            total = total + block
        return total


# Cells ----------------------------------------------------------------------------------------


class Options:
    """A variant: keyword arguments of pylstm's constructors."""

    def __init__(
        self, gate_activation="sigmoid", activation="tanh", cell_clip=None, reset_after=True
    ):
        self.gate = GATE_ACTIVATIONS[gate_activation]
        self.activation = ACTIVATIONS[activation]
        self.is_bounded = activation in ("tanh", "softsign")
        self.cell_clip = cell_clip
        self.reset_after = reset_after


def lstm_step(x, states, weights, multiply, options):
    """One step: x [n, I], states (h [n, Hout], c [n, H]) -> the new (h, c).

    `multiply` has `x`, `h` and `hidden`, which add the product of a part to totals.
    """
    h, c = states
    total = initial(weights, len(x), "bias_ih", "bias_hh")
    total = multiply.h(multiply.x(total, "weight_ih", x), "weight_hh", h)
    i, f, g, o = np.split(total, 4, axis=-1)
    if "weight_pi" in weights:
        i, f = fma(weights["weight_pi"], c, i), fma(weights["weight_pf"], c, f)
    i, f, g = options.gate(i), options.gate(f), options.activation(g)
    with np.errstate(all="ignore"):
        c = fma(f, c, i * g)
        if options.cell_clip:
            clip = np.float32(options.cell_clip)
            c = np.where(-clip > c, -clip, c)
            c = np.where(clip < c, clip, c)
        if "weight_po" in weights:
            o = fma(weights["weight_po"], c, o)
        h = options.gate(o) * options.activation(c)
    if "weight_hr" in weights:
        h = multiply.hidden(
            np.zeros((len(h), len(weights["weight_hr"])), np.float32), "weight_hr", h
        )
    return h, c


def gru_step(x, states, weights, multiply, options):
    (h,) = states
    names = ("bias_ih", "bias_hh")
    size = len(weights["weight_hh"]) // 3
    both, b_in, b_hn = (initial(weights, len(x), *each) for each in (names, names[:1], names[1:]))
    if options.reset_after:
        start = np.concatenate([both[:, : 2 * size], b_in[:, 2 * size :]], axis=-1)
        of_input = multiply.x(start, "weight_ih", x)
        start = np.concatenate([of_input[:, : 2 * size], b_hn[:, 2 * size :]], axis=-1)
        total = multiply.h(start, "weight_hh", h)
        r, z, q = np.split(total, 3, axis=-1)
        r, z = options.gate(r), options.gate(z)
        n = fma(r, q, of_input[:, 2 * size :])
    else:
        of_input = multiply.x(both, "weight_ih", x)
        total = multiply.h(of_input, "weight_hh", h)
        r, z = (options.gate(each) for each in np.split(total[:, : 2 * size], 2, axis=-1))
        with np.errstate(all="ignore"):
            n = multiply.h(of_input, "weight_hh", r * h)[:, 2 * size :]
    n = options.activation(n)
    return (fma(z, h, fma(-z, n, n)),)


def rnn_step(x, states, weights, multiply, options):
    (h,) = states
    total = initial(weights, len(x), "bias_ih", "bias_hh")
    return (options.activation(multiply.h(multiply.x(total, "weight_ih", x), "weight_hh", h)),)


def initial(weights, rows, *names):
    """What totals begin with: the sum of these biases, or zeros."""
    total = np.zeros(len(weights["weight_hh"]), np.float32)
    if "bias_ih" in weights:
        with np.errstate(all="ignore"):
            total = weights[names[0]] if len(names) == 1 else weights[names[0]] + weights[names[1]]
    return np.repeat(total[None], rows, axis=0)


STEPS = {
    "LSTM": (lstm_step, 2, {}),
    "GRU": (gru_step, 1, {}),
    "RNN_TANH": (rnn_step, 1, {}),
    "RNN_RELU": (rnn_step, 1, {"activation": "relu"}),
}


# Layers ---------------------------------------------------------------------------------------


class Floats:
    """Products of float weights, for one direction of one layer."""

    def __init__(self, weights, **_):
        self._weights = weights

    def _add(self, total, name, v):
        return add_product(total, self._weights[name], v)

    x = h = hidden = _add


def layer(kind, parameters, x, hx=None, *, reverse=False, products=Floats, **options):
    """A layer of these parameters: x [T, N, I] -> (output [T, N, D Hout], states [Y D, N, ...]).

    Parameters
    ----------
    kind : "LSTM", "GRU", "RNN_TANH" or "RNN_RELU"
    parameters : dict of str to array
        As a state_dict.
    hx : None or tuple of arrays
        One for each state, [Y D, N, Hout] and [Y D, N, H].
    reverse : bool
        The one direction goes from the end.
    products : callable
        Of the weights of one direction of one layer, is_bounded and is_first.
    options : of a variant
    """
    step, count, own = STEPS[kind]
    options = Options(**{**own, **options})
    parameters = {name: np.asarray(value, np.float32) for name, value in parameters.items()}
    sequence, finals = np.asarray(x, np.float32), []
    index = 0
    while f"weight_ih_l{index}" in parameters:
        ends = [f"_l{index}"] + [f"_l{index}_reverse"] * (
            f"weight_ih_l{index}_reverse" in parameters
        )
        outputs = []
        for end in ends:
            weights = {
                name.removesuffix(end): value
                for name, value in parameters.items()
                if name.endswith(end)
            }
            multiply = products(weights, is_bounded=options.is_bounded, is_first=index == 0)
            gates = {"LSTM": 4, "GRU": 3}.get(kind, 1)
            sizes = weights["weight_hh"].shape[1], len(weights["weight_hh"]) // gates
            at = len(finals)
            states = [
                np.zeros((x.shape[1], size), np.float32) if hx is None else np.float32(hx[s][at])
                for s, size in zip(range(count), sizes, strict=False)
            ]
            backwards = reverse or end.endswith("_reverse")
            made = [None] * len(sequence)
            for t in reversed(range(len(sequence))) if backwards else range(len(sequence)):
                states = step(sequence[t], states, weights, multiply, options)
                made[t] = states[0]
            outputs.append(np.stack(made))
            finals.append(states)
        sequence = np.concatenate(outputs, axis=-1)
        index += 1
    return sequence, tuple(np.stack(each) for each in zip(*finals, strict=True))
