"""What a call may have inside its sequences, in plain float64 NumPy: lengths, resets, traces.

Beside `reference`, and like it without pylstm and torch. Each row is run alone, each of its segments
after the other, step by step; nothing is shared between rows, so that nothing can be mixed up.
"""

import numpy as np
import reference


def segments_of(steps, length=None, reset=None):
    """[(first step, end)] of the sequences that a row of so many steps consists of."""
    if length is not None:
        return [(0, int(length))]
    starts = [t for t in range(steps) if t == 0 or (reset is not None and reset[t])]
    return list(zip(starts, [*starts[1:], steps], strict=True))


def layer(
    kind,
    parameters,
    x,
    hx=None,
    *,
    batch_first=False,
    reverse=False,
    lengths=None,
    reset=None,
):
    """A layer as `reference.layer`, with lengths [N] or reset (a mask in the layout of x).

    Returns
    -------
    (output, states as in hx, {name: [Y, D, T, N, H]}) ; unbatched: without N
    """
    parameters = reference._float64(parameters)
    x = np.asarray(x, np.float64)
    unbatched = x.ndim == 2
    swapped = batch_first and not unbatched
    if unbatched:
        x = x[:, None]
        hx = None if hx is None else _unsqueezed(kind, hx)
    elif swapped:
        x = x.swapaxes(0, 1)
    if reset is not None:
        reset = np.asarray(reset, bool)
        reset = reset[:, None] if unbatched else reset.T if swapped else reset
    output, states, trace = _layers(kind, parameters, x, hx, reverse, lengths, reset)
    if unbatched:
        output, states = output[:, 0], [state[:, 0] for state in states]
        trace = {name: values[:, :, :, 0] for name, values in trace.items()}
    return output.swapaxes(0, 1) if swapped else output, reference._hx(kind, states), trace


def _unsqueezed(kind, hx):
    return reference._hx(kind, [state[:, None] for state in reference._states(kind, hx)])


def _layers(kind, parameters, x, hx, reverse, lengths, reset):
    """The whole stack: x [T, N, I] -> (output [T, N, D*Hout], states, trace)."""
    suffixes = ("", "_reverse") if "weight_ih_l0_reverse" in parameters else ("",)
    num_layers = sum(name.startswith("weight_ih") for name in parameters) // len(suffixes)
    hidden_size = len(parameters["weight_ih_l0"]) // reference.KINDS[kind].gates
    names = reference.KINDS[kind].traced
    (steps, rows), (depth, sides) = x.shape[:2], (num_layers, len(suffixes))
    trace = {name: np.zeros((depth, sides, steps, rows, hidden_size)) for name in names}
    final, below = [], x
    for index in range(num_layers):
        outputs = []
        for side, suffix in enumerate(suffixes):
            weights = reference._of_layer(parameters, f"_l{index}{suffix}")
            states = reference._initial(
                kind, None if hx is None else reference._states(kind, hx), len(final), rows, weights
            )
            descending = side == 1 or reverse
            y = np.zeros((steps, rows, weights["weight_hh"].shape[1]))
            for row in range(rows):
                segments = segments_of(
                    steps,
                    None if lengths is None else lengths[row],
                    None if reset is None else reset[:, row],
                )
                own = [state[row].copy() for state in states]
                if reset is not None and reset[0, row] and not descending:
                    own = [np.zeros_like(state) for state in own]
                for number, (first, end) in enumerate(segments[:: -1 if descending else 1]):
                    if number:
                        own = [np.zeros_like(state) for state in own]
                    for t in reversed(range(first, end)) if descending else range(first, end):
                        seen = {}
                        own = reference.KINDS[kind].step(below[t, row], own, weights, seen)
                        y[t, row] = own[0]
                        for name in names:
                            trace[name][index, side, t, row] = seen[name]
                for state, value in zip(states, own, strict=True):
                    state[row] = value
            outputs.append(y)
            final.append(states)
        below = np.concatenate(outputs, axis=-1)
    return below, [np.stack(each) for each in zip(*final, strict=True)], trace
