"""What every engine has in common, pylstm itself, and the NumPy loop."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from types import ModuleType
from typing import ClassVar

import numpy as np

from benchmarks.grids import Case
from benchmarks.problem import Array, Outputs, Problem, layer_suffixes
from benchmarks.timing import Runner

BASELINE = "pylstm"


class AbsentError(Exception):
    """The library is not installed or cannot run here."""


class UnsupportedError(Exception):
    """The library does not offer this case."""


class Engine(ABC):
    """One way to run a case: built from the problem, checked once, then timed.

    Attributes
    ----------
    name : str
        As the reports show it.
    runner : Runner
        The statement that is timed. It uses the form that the library's users would choose
        for speed, with inputs that need no conversion.
    """

    name: ClassVar[str]
    runner: Runner

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.case = problem.case

    @abstractmethod
    def outputs(self) -> Outputs:
        """Run the case once and return output, h_n and c_n as NumPy arrays."""


def require(name: str) -> ModuleType:
    """Return the module of that name.

    Raises
    ------
    AbsentError
        If it cannot be imported.
    """
    try:
        return importlib.import_module(name)
    except Exception as error:  # a broken installation raises anything
        raise AbsentError(f"{type(error).__name__}: {error}") from error


CELL_LOOP = """\
h, c = h0, c0
for step in steps:
    h, c = cell(step, (h, c))
"""


class Pylstm(Engine):
    """The library that the others are compared with."""

    name = BASELINE
    package: ClassVar[str] = "pylstm"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        nn = require(self.package)
        case = self.case
        if case.cell:
            self.module = nn.LSTMCell(case.input_size, case.hidden_size, dtype=case.dtype)
        else:
            self.module = nn.LSTM(
                case.input_size,
                case.hidden_size,
                case.num_layers,
                bidirectional=case.bidirectional,
                dtype=case.dtype,
            )
        self.module.load_state_dict(problem.weights)
        self.module.eval()
        self.runner = self._runner()

    def _runner(self) -> Runner:
        problem = self.problem
        if self.case.cell:
            names = {
                "cell": self.module,
                "steps": list(problem.x),
                "h0": problem.h0[0],
                "c0": problem.c0[0],
            }
            return Runner(CELL_LOOP, names)
        names = {"lstm": self.module, "x": problem.x, "states": (problem.h0, problem.c0)}
        return Runner("lstm(x, states)" if self.case.states else "lstm(x)", names)

    def outputs(self) -> Outputs:
        problem = self.problem
        if self.case.cell:
            h, c = problem.h0[0], problem.c0[0]
            steps = []
            for x in problem.x:
                h, c = self.module(x, (h, c))
                steps.append(h)
            return np.stack(steps), h[None], c[None]
        states = (problem.h0, problem.c0) if self.case.states else None
        y, (h_n, c_n) = self.module(problem.x, states)
        return y, h_n, c_n


class NumpyLoop(Engine):
    """The loop that a careful NumPy user writes.

    The input part of a whole sequence is one matrix product, weights are transposed before, so
    that BLAS reads them in order, scratch arrays are reused, and one call of ``tanh`` serves
    all four gates: sigmoid(x) = tanh(x / 2) / 2 + 1/2, with the halves folded into the weights.
    """

    name = "numpy loop"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        case = self.case
        self._layers = [_NumpyDirection(problem, suffix) for suffix, _ in layer_suffixes(case)]
        if case.cell:
            names = {
                "cell": self._layers[0].step_alone,
                "steps": list(problem.x),
                "h0": problem.h0[0],
                "c0": problem.c0[0],
            }
            self.runner = Runner(CELL_LOOP, names)
        else:
            names = {"forward": self._forward, "x": problem.x}
            names |= {"h0": problem.h0, "c0": problem.c0}
            self.runner = Runner("forward(x, h0, c0)", names)

    def _forward(self, x: Array, h0: Array, c0: Array) -> Outputs:
        directions = self.case.num_directions
        hidden = self.case.hidden_size
        h_n, c_n = np.empty_like(h0), np.empty_like(c0)
        for layer in range(self.case.num_layers):
            y = np.empty((*x.shape[:2], directions * hidden), x.dtype)
            for direction in range(directions):
                state = layer * directions + direction
                out = y[..., direction * hidden : (direction + 1) * hidden]
                steps, out = (x[::-1], out[::-1]) if direction else (x, out)
                run = self._layers[state]
                h_n[state], c_n[state] = run(steps, h0[state], c0[state], out)
            x = y
        return x, h_n, c_n

    def outputs(self) -> Outputs:
        problem = self.problem
        if not self.case.cell:
            return self._forward(problem.x, problem.h0, problem.c0)
        h, c = problem.h0[0], problem.c0[0]
        steps = []
        for x in problem.x:
            h, c = self._layers[0].step_alone(x, (h, c))
            steps.append(h)
        return np.stack(steps), h[None], c[None]


class _NumpyDirection:
    """One layer and direction of the NumPy loop, gates in the order i, f, o, g."""

    def __init__(self, problem: Problem, suffix: str) -> None:
        case = problem.case
        self.hidden = case.hidden_size
        order = np.concatenate([np.arange(4 * self.hidden).reshape(4, -1)[k] for k in (0, 1, 3, 2)])
        scale = np.repeat(np.array([0.5, 0.5, 0.5, 1.0], case.dtype), self.hidden)
        weights = problem.weights
        w_ih = weights[f"weight_ih{suffix}"][order].T * scale
        w_hh = weights[f"weight_hh{suffix}"][order].T * scale
        bias = weights[f"bias_ih{suffix}"] + weights[f"bias_hh{suffix}"]
        self.w_ih, self.w_hh = np.ascontiguousarray(w_ih), np.ascontiguousarray(w_hh)
        self.bias = bias[order] * scale
        self.gates = np.empty((case.batch, 4 * self.hidden), case.dtype)
        self.scratch = np.empty((case.batch, self.hidden), case.dtype)

    def _cell(self, gates: Array, c: Array, h_out: Array) -> None:
        """Update ``c`` in place and write h; ``gates`` holds the totals and is overwritten."""
        hidden = self.hidden
        np.tanh(gates, out=gates)
        sigmoids = gates[:, : 3 * hidden]
        sigmoids *= 0.5
        sigmoids += 0.5
        c *= gates[:, hidden : 2 * hidden]
        np.multiply(gates[:, :hidden], gates[:, 3 * hidden :], out=self.scratch)
        c += self.scratch
        np.tanh(c, out=self.scratch)
        np.multiply(self.scratch, gates[:, 2 * hidden : 3 * hidden], out=h_out)

    def __call__(self, x: Array, h: Array, c: Array, out: Array) -> tuple[Array, Array]:
        steps, batch, depth = x.shape
        from_input = np.dot(x.reshape(steps * batch, depth), self.w_ih)
        from_input += self.bias
        from_input = from_input.reshape(steps, batch, 4 * self.hidden)
        c = c.copy()
        for t in range(steps):
            np.dot(h, self.w_hh, out=self.gates)
            gates = from_input[t]
            gates += self.gates
            h = out[t]
            self._cell(gates, c, h)
        return h, c

    def step_alone(self, x: Array, states: tuple[Array, Array]) -> tuple[Array, Array]:
        """Return what ``LSTMCell(x, (h, c))`` returns."""
        gates = np.dot(x, self.w_ih)
        gates += np.dot(states[0], self.w_hh, out=self.gates)
        gates += self.bias
        c = states[1].copy()
        h = np.empty_like(c)
        self._cell(gates, c, h)
        return h, c


def unsupported_float64(case: Case, library: str) -> None:
    """Raise UnsupportedError for a float64 case."""
    if case.dtype == "float64":
        raise UnsupportedError(f"{library} has no float64 LSTM")
