"""Weights, inputs and the float64 truth of a case: the same for every peer."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.grids import Case

Array = NDArray[np.floating]
Outputs = tuple[Array, Array, Array]


@dataclass
class Problem:
    """Everything that a peer needs to run a case.

    Attributes
    ----------
    weights : dict of str to ndarray
        A state_dict in torch's names and order, uniform in +-1/sqrt(hidden_size).
    x : ndarray, shape (T, N, input_size)
    h0, c0 : ndarray, shape (num_layers * num_directions, N, hidden_size)
        Zeros where the case passes no states.
    """

    case: Case
    seed: int = 0
    weights: dict[str, Array] = field(init=False)
    x: Array = field(init=False)
    h0: Array = field(init=False)
    c0: Array = field(init=False)

    def __post_init__(self) -> None:
        case = self.case
        rng = np.random.default_rng(self.seed)
        bound = case.hidden_size**-0.5

        def draw(*shape: int) -> Array:
            return rng.uniform(-bound, bound, shape).astype(case.dtype)

        self.weights = {}
        for suffix, depth in layer_suffixes(case):
            rows = 4 * case.hidden_size
            self.weights[f"weight_ih{suffix}"] = draw(rows, depth)
            self.weights[f"weight_hh{suffix}"] = draw(rows, case.hidden_size)
            self.weights[f"bias_ih{suffix}"] = draw(rows)
            self.weights[f"bias_hh{suffix}"] = draw(rows)
        shape = (case.steps, case.batch, case.input_size)
        self.x = rng.standard_normal(shape).astype(case.dtype)
        state = (case.num_layers * case.num_directions, case.batch, case.hidden_size)
        scale = 0.5 if case.states else 0.0
        self.h0 = (scale * rng.uniform(-1, 1, state)).astype(case.dtype)
        self.c0 = (scale * rng.uniform(-1, 1, state)).astype(case.dtype)

    def truth(self) -> Outputs:
        """Output, h_n and c_n in float64 arithmetic from the very same weights and inputs."""
        case = self.case
        layer_input = self.x.astype(np.float64)
        h_n: list[Array] = []
        c_n: list[Array] = []
        suffixes = iter(layer_suffixes(case))
        for _ in range(case.num_layers):
            outputs = []
            for direction in range(case.num_directions):
                suffix, _ = next(suffixes)
                state = len(h_n)
                steps = layer_input[::-1] if direction else layer_input
                y, c = self._run_direction(steps, suffix, state)
                h_n.append(y[-1])
                c_n.append(c)
                outputs.append(y[::-1] if direction else y)
            layer_input = np.concatenate(outputs, axis=-1)
        return layer_input, np.stack(h_n), np.stack(c_n)

    def _run_direction(self, x: Array, suffix: str, state: int) -> tuple[Array, Array]:
        wide = {name: value.astype(np.float64) for name, value in self.weights.items()}
        bias = wide[f"bias_ih{suffix}"] + wide[f"bias_hh{suffix}"]
        w_hh = wide[f"weight_hh{suffix}"].T
        from_input = x @ wide[f"weight_ih{suffix}"].T + bias
        h = self.h0[state].astype(np.float64)
        c = self.c0[state].astype(np.float64)
        y = np.empty((len(x), *h.shape))
        for t, gates in enumerate(from_input):
            i, f, g, o = np.split(gates + h @ w_hh, 4, axis=-1)
            c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
            h = _sigmoid(o) * np.tanh(c)
            y[t] = h
        return y, c


def _sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


def layer_suffixes(case: Case) -> list[tuple[str, int]]:
    """Suffix of the parameter names and input size of every layer and direction, torch's order.

    An LSTMCell has one pair with no suffix.
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
    for name, result, right in zip(("output", "h_n", "c_n"), outputs, truth, strict=True):
        if result.shape != right.shape:
            raise ValueError(f"{name} has shape {result.shape}, not {right.shape}")
        if not np.isfinite(result).all():
            raise ValueError(f"{name} is not finite")
        worst = max(worst, float(np.abs(result - right).max()))
    rms = float(np.sqrt(np.mean(np.square(outputs[0] - truth[0]))))
    return rms, worst
