"""Pictures of what a module returned."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import as_array
from ..arguments.naming import type_name
from .drawing import COLORS, Panel, color_map, draw_all, given_axes, library

if TYPE_CHECKING:
    from .drawing import Array

_RESULT = "states must be an output, (h, c), (output, h) or (output, (h, c))"
_KINDS = ("output", "h", "c")
# A first axis up to this long may be that of layers, which are then drawn one by one.
_MANY = 12


def _array(value: Any, name: str, dimensions: tuple[int, ...], shapes: str) -> Array:
    array = as_array(value, name, None)
    if array.ndim not in dimensions:
        raise ValueError(f"{name} must be {shapes}, got an array of shape {array.shape}")
    if 0 in array.shape:
        raise ValueError(f"{name} of shape {array.shape} holds nothing to draw")
    return array


def chosen_row(batch: Any, count: int | None, name: str) -> int:
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
    """Return one sequence (L, D*Hout) of an output, how many the batch has, and its index."""
    from ..utils.rnn import PackedSequence, unpack_sequence

    if isinstance(value, PackedSequence):
        count = int(value.batch_sizes[0])
        row = chosen_row(batch, count, f"the packed {name}")
        sequence = unpack_sequence(value)[row]
        shapes = "packed rows (total, D*H)"
        return _array(sequence, f"the data of {name}", (2,), shapes), count, f", sequence {row}"
    shapes = "(L, N, D*H), or (L, D*H) if it is unbatched"
    output = _array(value, name, (2, 3), shapes)
    if output.ndim == 2:
        chosen_row(batch, None, f"{name} {output.shape}")
        return output, None, ""
    if batch_first:
        output = output.swapaxes(0, 1)
    row = chosen_row(batch, output.shape[1], name)
    return output[:, row], output.shape[1], f"[{row}]" if batch_first else f"[:, {row}]"


def _state(value: Any, name: str, batch: Any) -> tuple[Array, int | None]:
    """Return the states (rows, H) of one sequence, and how many the batch has.

    What is no batch of layers is shown whole: the layers of one sequence, or a cell's batch.
    """
    shapes = "(D*num_layers, N, H), or (D*num_layers, H), (N, H) or (H,)"
    state = _array(value, name, (1, 2, 3), shapes)
    if state.ndim < 3:
        chosen_row(batch, None, f"{name} {state.shape}")
        return state.reshape(-1, state.shape[-1]), None
    return state[:, chosen_row(batch, state.shape[1], name)], state.shape[1]


def _directions(output: Array, h: Array) -> int:
    """Return the number of directions that an output and its last states have."""
    for directions in (1, 2):
        if output.shape[1] == directions * h.shape[1] and len(h) % directions == 0:
            return directions
    raise ValueError(
        f"output and h in states do not belong together: {output.shape[1]} features, "
        f"which are neither once nor twice the {h.shape[1]} of h"
    )


def _name_layers(panels: Sequence[Panel], both: bool | None) -> None:
    """Name the columns of states; a line stands between layers, a thin one between directions."""
    count = panels[0].values.shape[1]
    if both and count % 2:
        raise ValueError(f"bidirectional must be False for an odd number of states, got {count}")
    for panel in panels:
        panel.xlabel = "layer"
        if both:
            panel.dividers, panel.thin = 2, 1
            panel.columns = [f"{k // 2} {'→←'[k % 2]}" for k in range(count)]
        elif both is None and count % 2 == 0:
            panel.xlabel = "layer (and direction)"


def _pair(
    pair: Sequence[Any], batch: Any, both: bool | None
) -> tuple[Array, int | None, list[Panel]]:
    """Return h of one sequence, how many the batch has, and the panels of h and c."""
    h, count = _state(pair[0], "h in states", batch)
    c, other = _state(pair[1], "c in states", batch)
    if (len(h), count) != (len(c), other):
        raise ValueError(
            "h and c in states do not belong together: "
            f"their shapes are {np.shape(pair[0])} and {np.shape(pair[1])}"
        )
    return h, count, [_state_panel(h, "h", count, batch), _state_panel(c, "c", count, batch)]


def _state_panel(state: Array, name: str, count: int | None, batch: Any) -> Panel:
    which = "" if count is None else f"[:, {chosen_row(batch, count, name)}]"
    names = [str(k) for k in range(len(state))]
    return Panel(state.T, name + which, "row", "hidden unit", columns=names, scale=name)


def _split(panel: Panel, both: bool | None) -> None:
    """Divide the rows of an output into those of the two directions, if it has them."""
    if both:
        if len(panel.values) % 2:
            raise ValueError(
                "bidirectional must be False for an output with an odd number of features, "
                f"got {len(panel.values)}"
            )
        panel.blocks, panel.ylabel = ("forward", "backward"), ""


def _lone(
    value: Any, batch: Any, batch_first: bool, kind: str | None, both: bool | None
) -> list[Panel]:
    """Describe one array: an output, or h or c alone."""
    from ..utils.rnn import PackedSequence

    if isinstance(value, PackedSequence) and kind in ("h", "c"):
        raise ValueError(f"kind must be 'output' for a packed sequence, got {kind!r}")
    if kind in ("h", "c"):
        state, count = _state(value, f"states, a {kind},", batch)
        panels = [_state_panel(state, kind, count, batch)]
        if count is not None or both is not None:
            _name_layers(panels, both)
        return panels
    output, count, which = _output(value, "states", batch, batch_first)
    known = kind is not None or batch_first or isinstance(value, PackedSequence)
    if known or len(output) > _MANY:
        panel = Panel(output.T, f"output{which}", "step", "hidden unit", scale="h")
        _split(panel, both)
    elif both:
        raise ValueError(
            "kind must be 'output', 'h' or 'c' where bidirectional is True: an array of shape "
            f"{np.shape(value)} may be one of the other"
        )
    else:
        # An output of few steps looks like the states of as many layers, or of a cell's rows.
        words = "step or layer" if count is not None else "step, layer or row"
        panel = Panel(output.T, f"states{which}", words, "hidden unit", scale="h")
    return [panel]


def _has_output(first: Any, second: Any, batch_first: bool) -> bool:
    """Return whether two arrays are an output and its h, not h and c: an output ends in its h."""
    from ..utils.rnn import PackedSequence

    if isinstance(first, PackedSequence):
        return True
    output, h = as_array(first, "h in states", None), as_array(second, "c in states", None)
    if output.ndim != h.ndim or output.ndim not in (2, 3) or 0 in output.shape + h.shape:
        return False
    if batch_first and output.ndim == 3:
        output = output.swapaxes(0, 1)
    size = h.shape[-1]
    if output.shape[1:-1] != h.shape[1:-1] or output.shape[-1] not in (size, 2 * size):
        return False
    # Of two directions, the first one ends at the last step.
    top = h[-1] if output.shape[-1] == size else h[len(h) - 2]
    return bool(top.any() and np.array_equal(output[-1][..., :size], top, equal_nan=True))


def _result(states: Sequence[Any], batch: Any, batch_first: bool, both: bool | None) -> list[Panel]:
    """Describe all that a layer returned: an output, and h or (h, c)."""
    output, count, which = _output(states[0], "states[0]", batch, batch_first)
    if isinstance(states[1], (tuple, list)):
        if len(states[1]) != 2:
            raise ValueError(f"{_RESULT}, got {len(states[1])} states beside the output")
        h, of_states, panels = _pair(states[1], batch, both)
    else:
        h, of_states = _state(states[1], "h in states", batch)
        panels = [_state_panel(h, "h", of_states, batch)]
    if count != of_states:
        raise ValueError(
            "output and h in states do not belong together: "
            f"{_batch_text(count)} and {_batch_text(of_states)}"
        )
    directions = _directions(output, h)
    if both is not None and directions != 1 + both:
        raise ValueError(
            f"bidirectional must be {directions == 2} or left out for an output of "
            f"{output.shape[1]} features and h of {h.shape[1]}, got {both}"
        )
    panel = Panel(output.T, f"output{which}", "step", "hidden unit", scale="h")
    _split(panel, directions == 2)
    _name_layers(panels, directions == 2)
    return [panel, *panels]


def _panels(
    states: Any, batch: Any, batch_first: bool, kind: str | None, both: bool | None
) -> list[Panel]:
    """Take apart what a module returned."""
    from ..utils.rnn import PackedSequence

    if hasattr(states, "output") and hasattr(states, "h_n"):
        if kind is not None:
            raise ValueError(f"kind must be left out for a {type_name(states)}, got {kind!r}")
        c_n = getattr(states, "c_n", None)
        last = states.h_n if c_n is None else (states.h_n, c_n)
        return _result((states.output, last), batch, batch_first, both)
    if not isinstance(states, (tuple, list)) or isinstance(states, PackedSequence):
        return _lone(states, batch, batch_first, kind, both)
    if len(states) != 2:
        raise ValueError(f"{_RESULT}, got a {type_name(states)} of {len(states)}")
    nested = isinstance(states[1], (tuple, list))
    if kind is not None and (nested or kind != "output"):
        raise ValueError(f"kind must be left out for a {type_name(states)} of two, got {kind!r}")
    if nested or kind == "output" or _has_output(states[0], states[1], batch_first):
        return _result(states, batch, batch_first, both)
    _, count, panels = _pair(states, batch, both)
    if count is not None or both is not None:
        _name_layers(panels, both)
    return panels


def _state_width(panel: Panel) -> float:
    """Return how wide to draw states, in inches: as their number and their names ask for."""
    each = 0.36 if panel.dividers else 0.3
    return max(1.0 + each * min(len(panel.columns), _MANY), len(panel.xlabel) / 12)


def _batch_text(count: int | None) -> str:
    return "no batch" if count is None else f"a batch of {count}"


def plot_states(
    states: Any,
    *,
    batch: int | None = None,
    batch_first: bool = False,
    kind: str | None = None,
    bidirectional: bool | None = None,
    ax: Any = None,
    cmap: Any = COLORS,
    colorbar: bool = True,
) -> Any:
    """Draw what a module returned: hidden units downwards, steps or layers to the right.

    Parameters
    ----------
    states : ndarray, PackedSequence, tuple or Trace
        The output (L, N, D*Hout), or (L, D*Hout) of one sequence, or packed; or ``(h, c)``, of
        an LSTM or an LSTMCell; or all that a layer returns, ``(output, (h_n, c_n))`` or, of a GRU
        or an RNN, ``(output, h_n)``; or a `Trace`, of which the same is drawn; or ``h_n`` or
        ``c_n`` alone. The h of every step, stacked, is an output. Two-dimensional h and c are drawn
        whole.
    batch : int, optional
        Which sequence of the batch to draw. Default: the first.
    batch_first : bool
        The output is (N, L, D*Hout).
    kind : "output", "h" or "c", optional
        What one array alone is: its first axis are steps in an output, layers in h and c. Left
        out, an array is an output if its first axis is longer than 12; where it is shorter, the
        picture names both. Of two arrays, ``"output"`` says that they are an output and its h; left
        out, they are if the output ends in h.
    bidirectional : bool, optional
        Whether there are two directions, which are then told apart: the halves of an output, and
        every two states. Left out, this is known where an output and h are given, or nothing is
        told apart.
    ax : Axes or sequence of Axes, optional
        Where to draw: one for each picture. Default: a new figure.
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
    >>> h_n = lstm(np.ones((30, 5, 4)))[1][0]
    >>> nn.plot.plot_states(h_n, kind="h").get_xlabel()
    'layer (and direction)'
    """
    if not isinstance(batch_first, (bool, np.bool_)):
        raise TypeError(f"batch_first must be a bool, got {type_name(batch_first)}")
    if not isinstance(bidirectional, (bool, np.bool_, type(None))):
        raise TypeError(f"bidirectional must be a bool or None, got {type_name(bidirectional)}")
    if kind is not None and kind not in _KINDS:
        raise ValueError(f"kind must be 'output', 'h' or 'c', got {kind!r}")
    both = None if bidirectional is None else bool(bidirectional)
    panels = _panels(states, batch, bool(batch_first), kind, both)
    colors = color_map(cmap)
    if ax is None:
        # The output wide, states as narrow as their number asks for.
        widths = [6.0 if p.xlabel.startswith("step") else _state_width(p) for p in panels]
        plt = library("matplotlib.pyplot")
        size = (sum(widths) + 1.0, 3.6)
        figure = plt.figure(figsize=size, layout="constrained")
        axes = list(figure.subplots(1, len(panels), squeeze=False, width_ratios=widths)[0])
    else:
        axes = given_axes(ax, len(panels))
    drawn = draw_all(panels, axes, colors, colorbar)
    return drawn if len(panels) > 1 else drawn[0]
