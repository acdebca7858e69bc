"""A plain float64 evaluation of recurrent modules in NumPy: what `verify` takes as the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arguments.variants import DEFAULTS
from ..weights.kinds import GRU, LSTM, PEEPHOLE_GATES, Kind, kind_of

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]
    # The output, and the last states: h_n, and c_n of an LSTM.
    Results = tuple[Array, ...]
    Module = Any  # a layer or a cell


def layers_of(module: Module) -> int:
    """Return the number of layers; a cell counts as one."""
    return int(getattr(module, "num_layers", 1))


def directions_of(module: Module) -> int:
    """Return the number of directions."""
    return 1 + bool(getattr(module, "bidirectional", False))


def kind_of_module(module: Module) -> Kind:
    """Return the row of a module's kind."""
    return kind_of(module._native_kind)


def groups_of(module: Module) -> list[list[Array]]:
    """Return the parameters of every layer and direction, in torch's order.

    That is weight_ih (G*H, I), weight_hh (G*H, Hout), the biases (G*H,) if there are any, weight_hr
    (P, H) of a projection, and three peepholes (H,), where G is the number of gates.
    """
    arrays = list(module.state_dict().values())
    each = len(arrays) // (layers_of(module) * directions_of(module))
    return [arrays[start : start + each] for start in range(0, len(arrays), each)]


class _Variant(NamedTuple):
    """What a module computes that torch's does not, and its activations."""

    gate: Any
    activation: Any
    reset_after: bool
    has_peepholes: bool
    cell_clip: float | None


def variant_of(module: Module, name: str) -> Any:
    """Return an attribute of a variant: torch's value where the class has no such."""
    return getattr(module, name, DEFAULTS[name])


def is_reverse(module: Module, index: int) -> bool:
    """Return whether the direction of this index, counted over all layers, runs from the end."""
    return bool(variant_of(module, "reverse")) or index % directions_of(module) == 1


def _variant(module: Module) -> _Variant:
    activation = getattr(module, "nonlinearity", variant_of(module, "activation"))
    return _Variant(
        _GATES[variant_of(module, "gate_activation")],
        _ACTIVATIONS[activation],
        variant_of(module, "reset_after"),
        variant_of(module, "peepholes"),
        variant_of(module, "cell_clip"),
    )


def run_reference(module: Module, x: Array, *states: Array) -> Results:
    """Run a module's parameters in float64.

    Parameters
    ----------
    module : Module
        Its option ``batch_first`` plays no role here. A cell counts as one layer.
    x : ndarray
        (T, N, I).
    *states : ndarray
        h_0 (Y*D, N, Hout), and c_0 (Y*D, N, H) of an LSTM.

    Returns
    -------
    tuple of ndarray
        Output (T, N, D*Hout), and the last states, all float64.
    """
    directions = directions_of(module)
    step = _STEPS[kind_of_module(module).mode]
    variant = _variant(module)
    sequence = np.asarray(x, np.float64)
    outputs, last = [], []
    for index, parameters in enumerate(groups_of(module)):
        backward = is_reverse(module, index)
        weights = [array.astype(np.float64) for array in parameters]
        if not module.bias:
            zeros = np.zeros(len(weights[0]))
            weights[2:2] = [zeros, zeros]
        present = tuple(state[index].astype(np.float64) for state in states)
        steps = []
        for row in sequence[::-1] if backward else sequence:
            present = step(row, present, weights, variant)
            steps.append(present[0])
        outputs.append(np.stack(steps[::-1] if backward else steps))
        last.append(present)
        if len(outputs) == directions:
            sequence, outputs = np.concatenate(outputs, axis=2), []
    return (sequence, *(np.stack(each) for each in zip(*last, strict=True)))


def _lstm_step(
    x: Array, states: tuple[Array, ...], weights: list[Array], variant: _Variant
) -> tuple[Array, ...]:
    """Return h (N, Hout) and c (N, H) after one step."""
    h, c = states
    weight_ih, weight_hh, bias_ih, bias_hh, *others = weights
    totals = x @ weight_ih.T + h @ weight_hh.T + bias_ih + bias_hh
    i, f, g, o = np.split(totals, len(LSTM.gates), axis=1)
    p_i = p_f = p_o = np.zeros(c.shape[1])
    if variant.has_peepholes:
        p_i, p_f, p_o = others[-len(PEEPHOLE_GATES) :]
        others = others[: -len(PEEPHOLE_GATES)]
    i, f = variant.gate(i + p_i * c), variant.gate(f + p_f * c)
    c = f * c + i * variant.activation(g)
    if variant.cell_clip is not None:
        c = np.clip(c, -variant.cell_clip, variant.cell_clip)
    h = variant.gate(o + p_o * c) * variant.activation(c)
    return (h @ others[0].T if others else h), c


def _gru_step(
    x: Array, states: tuple[Array, ...], weights: list[Array], variant: _Variant
) -> tuple[Array, ...]:
    """Return h (N, H) after one step."""
    [h] = states
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    r_x, z_x, n_x = np.split(x @ weight_ih.T + bias_ih, len(GRU.gates), axis=1)
    r_h, z_h, n_h = np.split(h @ weight_hh.T + bias_hh, len(GRU.gates), axis=1)
    r, z = variant.gate(r_x + r_h), variant.gate(z_x + z_h)
    if variant.reset_after:
        n = variant.activation(n_x + r * n_h)
    else:
        rows = len(weight_hh) // len(GRU.gates)
        n = variant.activation(n_x + (r * h) @ weight_hh[-rows:].T + bias_hh[-rows:])
    return ((1 - z) * n + z * h,)


def _rnn_step(
    x: Array, states: tuple[Array, ...], weights: list[Array], variant: _Variant
) -> tuple[Array, ...]:
    """Return h (N, H) after one step."""
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    return (variant.activation(x @ weight_ih.T + bias_ih + states[0] @ weight_hh.T + bias_hh),)


_STEPS: dict[str, Any] = {"LSTM": _lstm_step, "GRU": _gru_step, "RNN": _rnn_step}


def _relu(x: Array) -> Array:
    # Keeps NaN, unlike a maximum.
    return np.where(x < 0, 0.0, x)


def _sigmoid(x: Array) -> Array:
    # Of -|x|, since that overflows at neither end and keeps the digits of small results.
    power = np.exp(-np.abs(x))
    return np.where(x < 0, power, 1.0) / (1.0 + power)


_GATES: dict[str, Any] = {
    "sigmoid": _sigmoid,
    "hard_sigmoid": lambda x: np.clip(x / 5 + 0.5, 0.0, 1.0),
    "hard_sigmoid3": lambda x: np.clip(x / 6 + 0.5, 0.0, 1.0),
}
_ACTIVATIONS: dict[str, Any] = {
    "tanh": np.tanh,
    "relu": _relu,
    "softsign": lambda x: x / (1.0 + np.abs(x)),
    "linear": lambda x: x,
}
