"""The loop that a careful NumPy user writes, as a peer."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from benchmarks.engines import CELL_LOOP, Engine
from benchmarks.problem import Array, Outputs, Problem, joined, layer_suffixes, parted
from benchmarks.timing import Runner


class NumpyLoop(Engine):
    """The loop that a careful NumPy user writes.

    The input part of a whole sequence is one matrix product, weights are transposed before, so
    that BLAS reads them in order, scratch arrays are reused, and one call of ``tanh`` serves
    all gates that come together: sigmoid(x) = tanh(x / 2) / 2 + 1/2, with the halves folded into
    the weights.
    """

    name = "numpy loop"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        direction = DIRECTIONS[self.case.kind]
        self._layers = [direction(problem, suffix) for suffix, _ in layer_suffixes(self.case)]
        if self.case.cell:
            names = {"cell": self._layers[0].step_alone, "steps": list(problem.x)}
            self.runner = Runner(CELL_LOOP, names | {"hx": problem.state(0)})
        else:
            names = {"forward": self._forward, "x": problem.x, "states": problem.states}
            self.runner = Runner("forward(x, *states)", names)

    def _forward(self, x: Array, *states: Array) -> Outputs:
        directions = self.case.num_directions
        hidden = self.case.hidden_size
        finals = [np.empty_like(state) for state in states]
        for layer in range(self.case.num_layers):
            y = np.empty((*x.shape[:2], directions * hidden), x.dtype)
            for direction in range(directions):
                index = layer * directions + direction
                out = y[..., direction * hidden : (direction + 1) * hidden]
                steps, out = (x[::-1], out[::-1]) if direction else (x, out)
                ends = self._layers[index](steps, [state[index] for state in states], out)
                for final, end in zip(finals, ends, strict=True):
                    final[index] = end
            x = y
        return x, *finals

    def outputs(self) -> Outputs:
        problem = self.problem
        if not self.case.cell:
            return self._forward(problem.x, *problem.states)
        hx = problem.state(0)
        steps = []
        for x in problem.x:
            hx = self._layers[0].step_alone(x, hx)
            steps.append(parted(hx)[0])
        return np.stack(steps), *(state[None] for state in parted(hx))


class _Direction:
    """One layer and direction.

    ``order`` is torch's gates in the order that suits the loop, ``scale`` the factor of each, and
    the recurrent bias of the last ``apart`` gates is not added to the other one.
    """

    order: ClassVar[tuple[int, ...]] = (0,)
    scale: ClassVar[tuple[float, ...]] = (1.0,)
    apart: ClassVar[int] = 0

    def __init__(self, problem: Problem, suffix: str) -> None:
        case = problem.case
        self.hidden = case.hidden_size
        rows = len(self.order) * self.hidden
        order = np.arange(rows).reshape(len(self.order), -1)[list(self.order)].ravel()
        scale = np.repeat(np.array(self.scale, case.dtype), self.hidden)

        def parameter(name: str) -> Array:
            return np.ascontiguousarray(problem.weights[name + suffix][order].T * scale)

        self.w_ih, self.w_hh = parameter("weight_ih"), parameter("weight_hh")
        self.bias, recurrent = parameter("bias_ih"), parameter("bias_hh")
        together = rows - self.apart * self.hidden
        self.bias[:together] += recurrent[:together]
        self.bias_apart = recurrent[together:]
        self.gates = np.empty((case.batch, rows), case.dtype)
        self.scratch = np.empty((case.batch, self.hidden), case.dtype)

    def update(self, x_part: Array, h: Array, rest: list[Array], out: Array) -> None:
        """Write the new h to ``out``, from ``x_part`` and the recurrent part in ``self.gates``.

        Both parts are overwritten, and so is c, which ``rest`` holds for an LSTM.
        """
        raise NotImplementedError

    def __call__(self, x: Array, states: list[Array], out: Array) -> list[Array]:
        steps, batch, depth = x.shape
        from_input = np.dot(x.reshape(steps * batch, depth), self.w_ih)
        from_input += self.bias
        from_input = from_input.reshape(steps, batch, -1)
        h, rest = states[0], [state.copy() for state in states[1:]]
        for t in range(steps):
            np.dot(h, self.w_hh, out=self.gates)
            self.update(from_input[t], h, rest, out[t])
            h = out[t]
        return [h, *rest]

    def step_alone(self, x: Array, hx: Array | tuple[Array, ...]) -> Array | tuple[Array, ...]:
        """Return what a cell returns."""
        h, *states = parted(hx)
        rest = [state.copy() for state in states]
        x_part = np.dot(x, self.w_ih)
        x_part += self.bias
        np.dot(h, self.w_hh, out=self.gates)
        out = np.empty_like(h)
        self.update(x_part, h, rest, out)
        return joined([out, *rest])  # type: ignore[no-any-return]


class _Lstm(_Direction):
    """Gates in the order i, f, o, g: the sigmoids side by side."""

    order, scale = (0, 1, 3, 2), (0.5, 0.5, 0.5, 1.0)

    def update(self, x_part: Array, h: Array, rest: list[Array], out: Array) -> None:
        hidden, gates, (c,) = self.hidden, x_part, rest
        gates += self.gates
        np.tanh(gates, out=gates)
        sigmoids = gates[:, : 3 * hidden]
        sigmoids *= 0.5
        sigmoids += 0.5
        c *= gates[:, hidden : 2 * hidden]
        np.multiply(gates[:, :hidden], gates[:, 3 * hidden :], out=self.scratch)
        c += self.scratch
        np.tanh(c, out=self.scratch)
        np.multiply(self.scratch, gates[:, 2 * hidden : 3 * hidden], out=out)


class _Gru(_Direction):
    order, scale, apart = (0, 1, 2), (0.5, 0.5, 1.0), 1

    def update(self, x_part: Array, h: Array, rest: list[Array], out: Array) -> None:
        hidden = self.hidden
        r_and_z, n = x_part[:, : 2 * hidden], self.gates[:, 2 * hidden :]
        r_and_z += self.gates[:, : 2 * hidden]
        np.tanh(r_and_z, out=r_and_z)
        r_and_z *= 0.5
        r_and_z += 0.5
        n += self.bias_apart
        n *= r_and_z[:, :hidden]
        n += x_part[:, 2 * hidden :]
        np.tanh(n, out=n)
        np.subtract(h, n, out=out)
        out *= r_and_z[:, hidden:]
        out += n


class _Rnn(_Direction):
    def update(self, x_part: Array, h: Array, rest: list[Array], out: Array) -> None:
        x_part += self.gates
        np.tanh(x_part, out=out)


class _RnnRelu(_Direction):
    def update(self, x_part: Array, h: Array, rest: list[Array], out: Array) -> None:
        x_part += self.gates
        np.maximum(x_part, 0, out=out)


DIRECTIONS = {"lstm": _Lstm, "gru": _Gru, "rnn": _Rnn, "rnn-relu": _RnnRelu}
