"""Pictures of what a module returned."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import as_array
from ..naming import type_name
from .drawing import COLORS, Panel, color_map, draw_all, given_axes, library

if TYPE_CHECKING:
    from .drawing import Array

_RESULT = "states must be an output, (h, c), or (output, (h, c))"


def _array(value: Any, name: str, dimensions: tuple[int, ...], shapes: str) -> Array:
    array = as_array(value, name, None)
    if array.ndim not in dimensions:
        raise ValueError(f"{name} must be {shapes}, got an array of shape {array.shape}")
    if 0 in array.shape:
        raise ValueError(f"{name} of shape {array.shape} holds nothing to draw")
    return array


def _row(batch: Any, count: int | None, name: str) -> int:
    """Return which row of a batch to draw; of unbatched arrays, there is none to choose."""
    if batch is None:
        return 0
    if isinstance(batch, (bool, np.bool_)) or not hasattr(batch, "__index__"):
        raise TypeError(f"batch must be an int, got {type_name(batch)}")
    if count is None:
        raise ValueError(f"batch must be left out: {name} has no batch to choose from")
    row = index(batch)
    if not -count <= row < count:
        raise ValueError(f"batch must be from {-count} to {count - 1} for {name}, got {row}")
    return row % count


def _output(value: Any, name: str, batch: Any, batch_first: bool) -> tuple[Array, int | None, str]:
    """Return one sequence (L, D*Hout) of an output, how many the batch has, and its title."""
    from ..utils.rnn import PackedSequence, unpack_sequence

    if isinstance(value, PackedSequence):
        count = int(value.batch_sizes[0])
        row = _row(batch, count, f"the packed {name}")
        sequence = unpack_sequence(value)[row]
        shapes = "packed rows (total, D*H)"
        return (
            _array(sequence, f"the data of {name}", (2,), shapes),
            count,
            f"output, sequence {row}",
        )
    shapes = "(L, N, D*H), or (L, D*H) if it is unbatched"
    output = _array(value, name, (2, 3), shapes)
    if output.ndim == 2:
        _row(batch, None, f"{name} {output.shape}")
        return output, None, "output"
    if batch_first:
        output = output.swapaxes(0, 1)
    row = _row(batch, output.shape[1], name)
    title = f"output[{row}]" if batch_first else f"output[:, {row}]"
    return output[:, row], output.shape[1], title


def _state(value: Any, name: str, batch: Any) -> tuple[Array, int | None]:
    """Return the states (rows, H) of one sequence, and how many the batch has.

    What is no batch of layers is shown whole: the layers of one sequence, or a cell's batch.
    """
    shapes = "(D*num_layers, N, H), or (D*num_layers, H), (N, H) or (H,)"
    state = _array(value, name, (1, 2, 3), shapes)
    if state.ndim < 3:
        _row(batch, None, f"{name} {state.shape}")
        return state.reshape(-1, state.shape[-1]), None
    return state[:, _row(batch, state.shape[1], name)], state.shape[1]


def _directions(output: Array, h: Array) -> int:
    """Return the number of directions that an output and its last states have."""
    for directions in (1, 2):
        if output.shape[1] == directions * h.shape[1] and len(h) % directions == 0:
            return directions
    raise ValueError(
        f"output and h in states do not belong together: {output.shape[1]} features, "
        f"which are neither once nor twice the {h.shape[1]} of h"
    )


def _states(pair: Sequence[Any], batch: Any) -> tuple[Array, Array, int | None, list[Panel]]:
    """Return h and c of one sequence, how many the batch has, and their panels."""
    h, count = _state(pair[0], "h in states", batch)
    c, other = _state(pair[1], "c in states", batch)
    if (len(h), count) != (len(c), other):
        raise ValueError(
            "h and c in states do not belong together: "
            f"their shapes are {np.shape(pair[0])} and {np.shape(pair[1])}"
        )
    which = "" if count is None else f"[:, {_row(batch, count, 'h')}]"
    columns = [str(k) for k in range(len(h))] if len(h) <= 12 else ()
    panels = [
        Panel(state.T, name + which, "row" if count is None else "layer", "hidden unit")
        for name, state in (("h", h), ("c", c))
    ]
    for panel in panels:
        panel.columns, panel.scale = columns, panel.title[0]
    return h, c, count, panels


def _panels(states: Any, batch: Any, batch_first: bool) -> list[Panel]:
    """Take apart what a module returned."""
    from ..utils.rnn import PackedSequence

    pair = isinstance(states, (tuple, list)) and not isinstance(states, PackedSequence)
    if pair and len(states) != 2:
        raise ValueError(f"{_RESULT}, got a {type_name(states)} of {len(states)}")
    has_output = pair and isinstance(states[1], (tuple, list))
    if pair and not has_output:
        return _states(states, batch)[-1]
    value, name = (states[0], "states[0]") if pair else (states, "states")
    output, count, title = _output(value, name, batch, batch_first)
    panel = Panel(output.T, title, "step", "hidden unit", scale="h")
    if not has_output:
        return [panel]
    if len(states[1]) != 2:
        raise ValueError(f"{_RESULT}, got {len(states[1])} states beside the output")
    h, _, of_states, panels = _states(states[1], batch)
    if count != of_states:
        raise ValueError(
            "output and h in states do not belong together: "
            f"{_batch_text(count)} and {_batch_text(of_states)}"
        )
    both = _directions(output, h) == 2
    if both:
        panel.blocks, panel.ylabel = ("forward", "backward"), ""
    for state in panels:
        state.xlabel = "layer"
        if both and len(h) <= 12:
            state.columns = [f"{k // 2} {'→←'[k % 2]}" for k in range(len(h))]
    return [panel, *panels]


def _batch_text(count: int | None) -> str:
    return "no batch" if count is None else f"a batch of {count}"


def plot_states(
    states: Any,
    *,
    batch: int | None = None,
    batch_first: bool = False,
    ax: Any = None,
    cmap: Any = COLORS,
    colorbar: bool = True,
) -> Any:
    """Draw what a module returned: hidden units downwards, steps or layers to the right.

    Parameters
    ----------
    states : ndarray, PackedSequence or tuple
        The output (L, N, D*Hout), or (L, D*Hout) of one sequence, or packed; or ``(h, c)``, of
        an LSTM or an LSTMCell; or all that an LSTM returns, ``(output, (h_n, c_n))``. The h of
        every step, stacked, is an output. Two-dimensional h and c are drawn whole.
    batch : int, optional
        Which sequence of the batch to draw. Default: the first.
    batch_first : bool
        The output is (N, L, D*Hout).
    ax : Axes or sequence of Axes, optional
        Where to draw: one for an output, two for ``(h, c)``, three for all. Default: a new
        figure.
    cmap : str or Colormap
        Its middle means zero.
    colorbar : bool
        Whether to show which colour means what.

    Returns
    -------
    Axes or ndarray of Axes
        One for each picture: the output, h, c. Output and h share a colour scale, which reaches
        as far as the largest of their values; c has its own. NaN and infinity are grey.

    Raises
    ------
    ImportError
        Without matplotlib, which the extra ``plot`` brings.
    TypeError, ValueError
        If an argument is of the wrong kind, or arrays do not belong together.

    Examples
    --------
    >>> import numpy as np
    >>> import pylstm as nn
    >>> lstm = nn.LSTM(4, 8, num_layers=2)
    >>> output, h, c = nn.plot.plot_states(lstm(np.ones((30, 5, 4))), batch=2)
    >>> h.get_title()
    'h[:, 2]'
    """
    if not isinstance(batch_first, (bool, np.bool_)):
        raise TypeError(f"batch_first must be a bool, got {type_name(batch_first)}")
    panels = _panels(states, batch, bool(batch_first))
    colors = color_map(cmap)
    if ax is None:
        # The output wide, states as narrow as their number asks for.
        widths = [6.0 if p.xlabel == "step" else 1.0 + 0.3 * min(len(p.columns), 8) for p in panels]
        plt = library("matplotlib.pyplot")
        size = (sum(widths) + 1.0, 3.6)
        figure = plt.figure(figsize=size, layout="constrained")
        axes = list(figure.subplots(1, len(panels), squeeze=False, width_ratios=widths)[0])
    else:
        axes = given_axes(ax, len(panels))
    drawn = draw_all(panels, axes, colors, colorbar)
    return drawn if len(panels) > 1 else drawn[0]
