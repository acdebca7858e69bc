"""The recurrent layers and cells in plain float64 NumPy: the oracle of the tests.

Written for reading, not for speed: the equations of the torch page, one step after the other.
Nothing here imports pylstm or torch. Shapes use T steps, N rows, I input_size, H hidden_size,
G gates, P proj_size (0: none), Hout = P or H, Y layers, D directions. What differs between kinds
of cells is one row of KINDS; the functions take the kind's name, and `lstm` is `layer` of "LSTM".
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


def sigmoid(x):
    """The logistic function, without overflow at either end."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def note(seen, **values):
    """Keep what a step has computed, by name, where `seen` is a dict."""
    if seen is not None:
        seen.update(values)


def lstm_step(x, states, weights, seen=None):
    """One step of an LSTM: x [n, I], states (h [n, Hout], c [n, H]) -> the new (h, c).

    `seen` gets the activated gates, c and h [n, H], which is h before a projection.
    """
    h, c = states
    gates = x @ weights["weight_ih"].T + h @ weights["weight_hh"].T
    if weights.get("bias_ih") is not None:
        gates = gates + weights["bias_ih"] + weights["bias_hh"]
    i, f, g, o = np.split(gates, 4, axis=-1)
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    c = f * c + i * g
    h = o * np.tanh(c)
    note(seen, i=i, f=f, g=g, o=o, c=c, h=h)
    if "weight_hr" in weights:
        h = h @ weights["weight_hr"].T
    return h, c


def gru_step(x, states, weights, seen=None):
    """One step of a GRU: x [n, I], states (h [n, H],) -> (the new h,); `seen` gets r, z, n, h."""
    (h,) = states
    of_input, of_state = x @ weights["weight_ih"].T, h @ weights["weight_hh"].T
    if weights.get("bias_ih") is not None:
        of_input, of_state = of_input + weights["bias_ih"], of_state + weights["bias_hh"]
    r_input, z_input, n_input = np.split(of_input, 3, axis=-1)
    r_state, z_state, n_state = np.split(of_state, 3, axis=-1)
    r, z = sigmoid(r_input + r_state), sigmoid(z_input + z_state)
    n = np.tanh(n_input + r * n_state)
    h = (1.0 - z) * n + z * h
    note(seen, r=r, z=z, n=n, h=h)
    return (h,)


def relu(x):
    """The rectifier; NaN stays NaN."""
    return np.where(x < 0.0, 0.0, x)


def rnn_step(activation):
    """One step of an RNN with this activation: x [n, I], states (h [n, H],) -> (the new h,)."""

    def step(x, states, weights, seen=None):
        (h,) = states
        total = x @ weights["weight_ih"].T + h @ weights["weight_hh"].T
        if weights.get("bias_ih") is not None:
            total = total + weights["bias_ih"] + weights["bias_hh"]
        h = activation(total)
        note(seen, h=h)
        return (h,)

    return step


@dataclass(frozen=True)
class Kind:
    """What differs between kinds of cells.

    gates : gates of a unit, G
    states : arrays in hx; where it is 1, hx and h_n are no tuples
    step : (x [n, I], states, weights of one layer and direction, dict or None) -> new states;
        the dict gets what `traced` names
    traced : a letter for each value of a step that a trace has
    """

    gates: int
    states: int
    step: Callable
    traced: str


# By torch's modes.
KINDS = {
    "LSTM": Kind(gates=4, states=2, step=lstm_step, traced="ifgoch"),
    "GRU": Kind(gates=3, states=1, step=gru_step, traced="rznh"),
    "RNN_TANH": Kind(gates=1, states=1, step=rnn_step(np.tanh), traced="h"),
    "RNN_RELU": Kind(gates=1, states=1, step=rnn_step(relu), traced="h"),
}


def parameter_shapes(
    input_size,
    hidden_size,
    num_layers=1,
    bias=True,
    bidirectional=False,
    proj_size=0,
    kind="LSTM",
):
    """Name -> shape of every parameter of a layer, in torch's order."""
    rows = KINDS[kind].gates * hidden_size
    directions = ("", "_reverse") if bidirectional else ("",)
    hidden_out = proj_size or hidden_size
    shapes = {}
    for layer in range(num_layers):
        columns = input_size if layer == 0 else hidden_out * len(directions)
        for suffix in directions:
            end = f"_l{layer}{suffix}"
            shapes["weight_ih" + end] = (rows, columns)
            shapes["weight_hh" + end] = (rows, hidden_out)
            if bias:
                shapes["bias_ih" + end] = (rows,)
                shapes["bias_hh" + end] = (rows,)
            if proj_size:
                shapes["weight_hr" + end] = (proj_size, hidden_size)
    return shapes


def cell_parameter_shapes(input_size, hidden_size, bias=True, kind="LSTM"):
    """Name -> shape of every parameter of a cell, in torch's order."""
    shapes = parameter_shapes(input_size, hidden_size, bias=bias, kind=kind)
    return {name.removesuffix("_l0"): shape for name, shape in shapes.items()}


def lstm_cell(parameters, x, hx=None):
    """LSTMCell: x [N, I] or [I] -> (h, c), each [N, H] or [H]."""
    return cell("LSTM", parameters, x, hx)


def cell(kind, parameters, x, hx=None):
    """A cell: x [N, I] or [I] -> the states, each [N, H] or [H]; a tuple where there are two."""
    weights = _float64(parameters)
    x = np.asarray(x, np.float64)
    hidden_size = len(weights["weight_ih"]) // KINDS[kind].gates
    if hx is None:
        states = KINDS[kind].states * (np.zeros((*x.shape[:-1], hidden_size)),)
    else:
        states = _states(kind, hx)
    return _hx(kind, KINDS[kind].step(x, states, weights))


def lstm(parameters, x, hx=None, **options):
    """LSTM: x -> (output, (h_n, c_n)), like `layer`."""
    return layer("LSTM", parameters, x, hx, **options)


def layer(
    kind,
    parameters,
    x,
    hx=None,
    *,
    batch_first=False,
    batch_sizes=None,
    dropout=0.0,
    words=None,
    reverse=False,
):
    """A layer with the structure that the names and shapes in `parameters` (a state_dict) imply.

    Parameters
    ----------
    kind : one of KINDS
    x : [T, N, I], with batch_first [N, T, I], unbatched [T, I], with `batch_sizes` packed [sum, I]
    hx : None or h_0 [Y*D, N, Hout], without N where unbatched; of an LSTM (h_0, c_0 [Y*D, N, H])
    batch_sizes : rows of every step of a packed sequence (states in its sorted order)
    dropout, words : probability of training-mode dropout; words(n) draws n 32-bit words of MT19937
    reverse : the one direction goes from the end

    Returns
    -------
    (output, h_n), of an LSTM (output, (h_n, c_n)), in float64, laid out as torch does
    """
    parameters = _float64(parameters)
    x = np.asarray(x, np.float64)
    num_layers = sum(name.startswith("weight_ih") and "reverse" not in name for name in parameters)
    suffixes = ("", "_reverse") if "weight_ih_l0_reverse" in parameters else ("",)
    unbatched = batch_sizes is None and x.ndim == 2
    if hx is not None:
        hx = _states(kind, hx)
        hx = [state[:, None] for state in hx] if unbatched else hx

    # From here on a sequence is a list with one [rows of this step, features] array per step.
    if batch_sizes is not None:
        steps = np.split(x, np.cumsum(batch_sizes)[:-1])
    else:
        steps = list(x[:, None] if unbatched else x.swapaxes(0, 1) if batch_first else x)

    final = []
    for index in range(num_layers):
        if index and dropout:
            steps = _drop(steps, dropout, words)
        outputs = []
        for direction, suffix in enumerate(suffixes):
            weights = _of_layer(parameters, f"_l{index}{suffix}")
            states = _initial(kind, hx, len(final), len(steps[0]), weights)
            descending = direction == 1 or reverse
            outputs.append(_run(kind, steps, states, weights, descending))
            final.append(states)
        steps = [np.concatenate(both, axis=-1) for both in zip(*outputs, strict=True)]

    final = [np.stack(states) for states in zip(*final, strict=True)]
    if batch_sizes is not None:
        return np.concatenate(steps), _hx(kind, final)
    output = np.stack(steps)
    if unbatched:
        return output[:, 0], _hx(kind, [states[:, 0] for states in final])
    return output.swapaxes(0, 1) if batch_first else output, _hx(kind, final)


def _states(kind, hx):
    """The states in hx, as a list."""
    states = hx if KINDS[kind].states > 1 else (hx,)
    return [np.asarray(state, np.float64) for state in states]


def _hx(kind, states):
    """States as torch's layers and cells take and return them."""
    return tuple(states) if KINDS[kind].states > 1 else states[0]


def _float64(parameters):
    return {
        name: np.asarray(value, np.float64)
        for name, value in parameters.items()
        if value is not None
    }


def _of_layer(parameters, end):
    return {
        name.removesuffix(end): value for name, value in parameters.items() if name.endswith(end)
    }


def _initial(kind, hx, index, rows, weights):
    if hx is not None:
        return [state[index].copy() for state in hx]
    hidden_out = weights["weight_hh"].shape[1]
    hidden_size = len(weights["weight_hh"]) // KINDS[kind].gates
    return [np.zeros((rows, size)) for size in (hidden_out, hidden_size)[: KINDS[kind].states]]


def _run(kind, steps, states, weights, descending):
    """Runs one direction and leaves the final states in `states`.

    A step touches its own rows only, so a sequence that has ended keeps its state, and one
    that a backward pass has not reached keeps its initial state.
    """
    outputs = [None] * len(steps)
    for t in reversed(range(len(steps))) if descending else range(len(steps)):
        rows = len(steps[t])
        new = KINDS[kind].step(steps[t], [state[:rows] for state in states], weights)
        for state, values in zip(states, new, strict=True):
            state[:rows] = values
        outputs[t] = states[0][:rows].copy()
    return outputs


def _drop(steps, probability, words):
    """torch's dropout (builds without MKL) of a layer's whole output, in element order.

    Every element takes one 64-bit draw, high word first, of which the low 53 bits count.
    """
    dropped = []
    for values in steps:
        pairs = words(2 * values.size).astype(np.uint64).reshape(-1, 2)
        draws = (pairs[:, 0] << np.uint64(32) | pairs[:, 1]) & np.uint64(2**53 - 1)
        keep = (draws.astype(np.float64) * 2.0**-53 < 1.0 - probability).reshape(values.shape)
        scale = 1.0 / (1.0 - probability) if probability < 1.0 else 0.0
        dropped.append(values * (keep * scale))
    return dropped


# Inputs -------------------------------------------------------------------------------------


def fractions(seed, shape, scale=1.0):
    """Pseudo-random values in [-scale, scale), the same on every machine and NumPy version.

    Each is a multiple of scale * 2**-23: with a power of two as scale it is exact in float32
    and float64. The bits are those of the splitmix64 sequence.
    """
    count = int(np.prod(shape, dtype=np.int64))
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) + (np.uint64(seed) << np.uint64(32))
        z *= np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    signed = (z >> np.uint64(40)).astype(np.float64) - 2.0**23
    return (signed * (2.0**-23 * scale)).reshape(shape)


def make_parameters(seed, shapes, dtype=np.float64, scale=None, kind="LSTM"):
    """Parameters with values from `fractions`; the default scale is a power of two near 1/sqrt(H)."""
    if scale is None:
        hidden_size = max(1, next(iter(shapes.values()))[0] // KINDS[kind].gates)
        scale = 2.0 ** -round(0.5 * np.log2(hidden_size))
    return {
        name: fractions(1000 * seed + index, shape, scale).astype(dtype)
        for index, (name, shape) in enumerate(shapes.items())
    }
