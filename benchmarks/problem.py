"""Weights, inputs and the float64 truth of a case: the same for every peer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.grids import Case

Array = NDArray[np.floating]
Outputs = tuple[Array, ...]  # output and h_n, and an LSTM's c_n


@dataclass
class Problem:
    """Everything that a peer needs to run a case.

    Attributes
    ----------
    weights : dict of str to ndarray
        A state_dict in torch's names and order, uniform in +-1/sqrt(hidden_size).
    x : ndarray, shape (T, N, input_size)
    states : tuple of ndarray, shape (num_layers * num_directions, N, hidden_size)
        h_0, and an LSTM's c_0. Zeros where the case passes no states.
    """

    case: Case
    seed: int = 0
    weights: dict[str, Array] = field(init=False)
    x: Array = field(init=False)
    states: tuple[Array, ...] = field(init=False)

    def __post_init__(self) -> None:
        case = self.case
        rng = np.random.default_rng(self.seed)
        bound = case.hidden_size**-0.5

        def draw(*shape: int) -> Array:
            return rng.uniform(-bound, bound, shape).astype(case.dtype)

        self.weights = {}
        for suffix, depth in layer_suffixes(case):
            rows = case.kind_of_cell.gates * case.hidden_size
            self.weights[f"weight_ih{suffix}"] = draw(rows, depth)
            self.weights[f"weight_hh{suffix}"] = draw(rows, case.hidden_size)
            self.weights[f"bias_ih{suffix}"] = draw(rows)
            self.weights[f"bias_hh{suffix}"] = draw(rows)
        shape = (case.steps, case.batch, case.input_size)
        self.x = rng.standard_normal(shape).astype(case.dtype)
        state = (case.num_layers * case.num_directions, case.batch, case.hidden_size)
        scale = 0.5 if case.states else 0.0
        self.states = tuple(
            (scale * rng.uniform(-1, 1, state)).astype(case.dtype)
            for _ in range(case.kind_of_cell.states)
        )

    def state(self, index: int, rows: slice = slice(None)) -> Any:
        """Return h_0, or (h_0, c_0), of one layer and direction: what a cell takes."""
        return joined([each[index, rows] for each in self.states])

    def truth(self) -> Outputs:
        """Output, h_n and c_n in float64 arithmetic from the very same weights and inputs."""
        case = self.case
        layer_input = self.x.astype(np.float64)
        finals: list[list[Array]] = []
        suffixes = iter(layer_suffixes(case))
        for _ in range(case.num_layers):
            outputs = []
            for direction in range(case.num_directions):
                suffix, _ = next(suffixes)
                steps = layer_input[::-1] if direction else layer_input
                y, final = self._run_direction(steps, suffix, len(finals))
                finals.append(final)
                outputs.append(y[::-1] if direction else y)
            layer_input = np.concatenate(outputs, axis=-1)
        return layer_input, *(np.stack(each) for each in zip(*finals, strict=True))

    def _run_direction(self, x: Array, suffix: str, index: int) -> tuple[Array, list[Array]]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        w_ih, w_hh, b_ih, b_hh = (self.weights[name + suffix].astype(float) for name in names)
        step = STEPS[self.case.kind]
        states = [state[index].astype(np.float64) for state in self.states]
        y = np.empty((len(x), *states[0].shape))
        for t, from_input in enumerate(x @ w_ih.T + b_ih):
            states = step(from_input, states[0] @ w_hh.T + b_hh, *states)
            y[t] = states[0]
        return y, states


def joined(states: Sequence[Any]) -> Any:
    """Return states as layers take them: h alone, or the pair (h, c)."""
    return states[0] if len(states) == 1 else tuple(states)


def parted(hx: Any) -> tuple[Any, ...]:
    """Return states as a tuple, whether they are h alone or the pair (h, c)."""
    return hx if isinstance(hx, tuple) else (hx,)


def _sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


def _lstm(x_part: Array, h_part: Array, h: Array, c: Array) -> list[Array]:
    i, f, g, o = np.split(x_part + h_part, 4, axis=-1)
    c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
    return [_sigmoid(o) * np.tanh(c), c]


def _gru(x_part: Array, h_part: Array, h: Array) -> list[Array]:
    (x_r, x_z, x_n), (h_r, h_z, h_n) = (np.split(part, 3, axis=-1) for part in (x_part, h_part))
    z = _sigmoid(x_z + h_z)
    return [(1 - z) * np.tanh(x_n + _sigmoid(x_r + h_r) * h_n) + z * h]


def _rnn(x_part: Array, h_part: Array, h: Array) -> list[Array]:
    return [np.tanh(x_part + h_part)]


def _rnn_relu(x_part: Array, h_part: Array, h: Array) -> list[Array]:
    return [np.maximum(x_part + h_part, 0)]


# From the input part and the recurrent part of all gates, and the states, to the new states.
STEPS: dict[str, Callable[..., list[Array]]] = {
    "lstm": _lstm,
    "gru": _gru,
    "rnn": _rnn,
    "rnn-relu": _rnn_relu,
}


def layer_suffixes(case: Case) -> list[tuple[str, int]]:
    """Suffix of the parameter names and input size of every layer and direction, torch's order.

    A cell has one pair with no suffix.
    """
    if case.cell:
        return [("", case.input_size)]
    return [
        (f"_l{layer}{ending}", depth)
        for layer, depth in enumerate(case.layer_inputs())
        for ending in ("", "_reverse")[: case.num_directions]
    ]


def errors(outputs: Outputs, truth: Outputs) -> tuple[float, float]:
    """Root-mean-square error of the output, and the greatest absolute error of any result.

    Raises
    ------
    ValueError
        If a result has another shape than the truth or is not finite.
    """
    worst = 0.0
    names = ("output", "h_n", "c_n")[: len(truth)]
    for name, result, right in zip(names, outputs, truth, strict=True):
        if result.shape != right.shape:
            raise ValueError(f"{name} has shape {result.shape}, not {right.shape}")
        if not np.isfinite(result).all():
            raise ValueError(f"{name} is not finite")
        worst = max(worst, float(np.abs(result - right).max()))
    rms = float(np.sqrt(np.mean(np.square(outputs[0] - truth[0]))))
    return rms, worst
