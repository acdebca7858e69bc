"""A plain float64 evaluation of an LSTM or LSTMCell in NumPy: what `verify` takes as the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import pylstm

from ..weights.kinds import LSTM

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Results = tuple[Array, Array, Array]
    Module = pylstm.LSTM | pylstm.LSTMCell


def groups_of(module: Module) -> list[list[Array]]:
    """Return the parameters of every layer and direction, in torch's order.

    That is weight_ih (4H, I), weight_hh (4H, Hout), the biases (4H,) if there are any, and
    weight_hr (P, H) of a projection.
    """
    arrays = list(module.state_dict().values())
    each = len(arrays)
    if isinstance(module, pylstm.LSTM):
        each //= module.num_layers * (1 + bool(module.bidirectional))
    return [arrays[start : start + each] for start in range(0, len(arrays), each)]


def run_reference(module: Module, x: Array, h_0: Array, c_0: Array) -> Results:
    """Run a module's parameters in float64.

    Parameters
    ----------
    module : LSTM or LSTMCell
        Its option ``batch_first`` plays no role here. A cell counts as one layer.
    x : ndarray
        (T, N, I).
    h_0, c_0 : ndarray
        (Y*D, N, Hout) and (Y*D, N, H).

    Returns
    -------
    (ndarray, ndarray, ndarray)
        Output (T, N, D*Hout), h_n and c_n, all float64.
    """
    directions = 1 + bool(getattr(module, "bidirectional", False))
    sequence = np.asarray(x, np.float64)
    outputs, h_n, c_n = [], [], []
    for index, parameters in enumerate(groups_of(module)):
        is_reverse = index % directions == 1
        weights = [array.astype(np.float64) for array in parameters]
        h, c = h_0[index].astype(np.float64), c_0[index].astype(np.float64)
        steps = []
        for step in sequence[::-1] if is_reverse else sequence:
            h, c = _step(step, h, c, weights, bool(module.bias))
            steps.append(h)
        outputs.append(np.stack(steps[::-1] if is_reverse else steps))
        h_n.append(h)
        c_n.append(c)
        if len(outputs) == directions:
            sequence, outputs = np.concatenate(outputs, axis=2), []
    return sequence, np.stack(h_n), np.stack(c_n)


def _step(
    x: Array, h: Array, c: Array, weights: list[Array], has_bias: bool
) -> tuple[Array, Array]:
    """Return h (N, Hout) and c (N, H) after one step."""
    weight_ih, weight_hh, *others = weights
    gates = x @ weight_ih.T + h @ weight_hh.T
    if has_bias:
        gates = gates + others.pop(0) + others.pop(0)
    i, f, g, o = np.split(gates, len(LSTM.gates), axis=1)
    c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
    h = _sigmoid(o) * np.tanh(c)
    return (h @ others[0].T if others else h), c


def _sigmoid(x: Array) -> Array:
    # Of -|x|, since that overflows at neither end and keeps the digits of small results.
    power = np.exp(-np.abs(x))
    return np.where(x < 0, power, 1.0) / (1.0 + power)
