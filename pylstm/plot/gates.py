"""Pictures of the gates and states of every step."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import as_array
from ..arguments.naming import letters_hint, type_name
from .drawing import COLORS, Panel, color_map, draw_all, given_axes, largest_of, library
from .states import chosen_row

if TYPE_CHECKING:
    from .drawing import Array

# What lies between 0 and 1; the other arrays lie on both sides of zero.
_SIGMOIDS = ("i", "f", "o", "r", "z")
_AXES = "(num_layers, num_directions, T, N, H), or without N if it is unbatched"
_ORDERS = ("mean", "peak")


def _drawn_names(trace: Any, names: Any) -> list[str]:
    """Return the names of the arrays to draw, all of which the trace has."""
    known = getattr(trace, "names", None)
    if not isinstance(known, (tuple, list)) or not hasattr(trace, "output"):
        raise TypeError(
            "trace must be a Trace, as the method trace of a recurrent layer returns it, "
            f"got {type_name(trace)}"
        )
    if not known:
        raise ValueError("trace holds no gates to draw: its names are empty")
    if names is None:
        return list(known)
    wanted = [names] if isinstance(names, str) else names
    if not isinstance(wanted, (list, tuple)) or not wanted:
        raise TypeError(f"names must be an array's name or a list of them, got {names!r}")
    for name in wanted:
        if not isinstance(name, str) or name not in known:
            hint = letters_hint(names, known)
            raise ValueError(f"names must be of {', '.join(known)}; got {name!r}{hint}")
    return list(wanted)


def _place(value: Any, count: int, name: str) -> int:
    """Return the layer or direction that is meant, counted from the first."""
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an int, got {type_name(value)}")
    place = index(value)
    if not -count <= place < count:
        raise ValueError(f"{name} must be from {-count} to {count - 1} for this trace, got {place}")
    return place % count


def _values(trace: Any, name: str, layer: Any, direction: Any, batch: Any) -> tuple[Array, str]:
    """Return (T, H) of one array of a trace, and the index that it has there."""
    array = as_array(getattr(trace, name), name, None)
    if array.ndim not in (4, 5):
        raise ValueError(f"{name} of a trace must be {_AXES}, got an array of shape {array.shape}")
    if 0 in array.shape:
        raise ValueError(f"{name} of shape {array.shape} holds nothing to draw")
    one = _place(layer, array.shape[0], "layer")
    way = _place(direction, array.shape[1], "direction")
    if array.ndim == 4:
        chosen_row(batch, None, f"an unbatched trace with {name} {array.shape}")
        return array[one, way], f"[{one}, {way}]"
    row = chosen_row(batch, array.shape[3], "this trace")
    return array[one, way, :, row], f"[{one}, {way}, :, {row}]"


def _sorted_units(values: Array, order: str) -> Array:
    """Return the units of values (T, H), the highest mean or the earliest peak first."""
    finite = np.isfinite(values)
    known = np.where(finite, np.asarray(values, np.float64), 0)
    means = known.sum(axis=0) / np.maximum(finite.sum(axis=0), 1)
    keys = -means if order == "mean" else np.abs(known).argmax(axis=0)
    return np.argsort(keys, kind="stable")


def _units(order: Any, values: Array) -> Array | None:
    """Return which unit each row of a picture shows, or None for all as they are."""
    if order is None:
        return None
    if isinstance(order, str):
        if order not in _ORDERS:
            raise ValueError(
                f"order must be 'mean', 'peak', the numbers of units or None, got {order!r}"
            )
        return _sorted_units(values, order)
    units = np.asarray(order)
    if units.ndim != 1 or units.dtype.kind not in "iu":
        raise TypeError(
            "order must be 'mean', 'peak', the numbers of units or None, "
            f"got {type_name(order)} of dtype {units.dtype} and shape {units.shape}"
        )
    count = values.shape[1]
    if not len(units) or units.min() < 0 or units.max() >= count:
        raise ValueError(f"order must hold numbers of units from 0 to {count - 1}, got {order!r}")
    return units


def _panel(name: str, values: Array, which: str, units: Array | None, sigmoids: Any) -> Panel:
    panel = Panel(values.T, name + which, "step", "hidden unit", scale=name)
    if units is not None:
        panel.values, panel.rows = panel.values[units], [str(unit) for unit in units.tolist()]
    if name in _SIGMOIDS:
        panel.limits, panel.cmap = (0.0, 1.0), sigmoids
    elif name != "c":
        # Activations other than tanh, and states that were given, may lie beyond 1.
        largest = max(1.0, largest_of(values))
        panel.limits = (-largest, largest)
    return panel


def plot_gates(
    trace: Any,
    names: str | Sequence[str] | None = None,
    *,
    layer: int = 0,
    direction: int = 0,
    batch: int | None = None,
    order: Any = None,
    ax: Any = None,
    cmap: Any = COLORS,
    gate_cmap: Any = "viridis",
    colorbar: bool = True,
) -> Any:
    """Draw the gates and states of every step, one picture below the other: units by steps.

    Parameters
    ----------
    trace : Trace
        What the method `trace` of a recurrent layer returned.
    names : str or sequence of str, optional
        Which arrays to draw, in this order. Default: all that the trace has.
    layer : int
        Which layer to draw, counted from the input.
    direction : int
        0 is forward, 1 backward. Both are in the order of the input.
    batch : int, optional
        Which sequence of the batch to draw. Default: the first.
    order : "mean", "peak" or sequence of int, optional
        In which order to draw the units, in all pictures the same: ``"mean"`` begins with the unit
        of the highest mean, ``"peak"`` with the unit whose largest magnitude comes first; both look
        at h, or at the last array that is drawn where the trace has no h. Numbers of units are
        drawn as they are listed, and units that are not listed are left out. Default: all units in
        their own order. The ticks always show the numbers that the units have in the module.
    ax : Axes or sequence of Axes, optional
        Where to draw: one for each picture. Default: a new figure.
    cmap : str or Colormap
        Of g, c, n and h; its middle means zero.
    gate_cmap : str or Colormap
        Of the sigmoid gates i, f, o, r and z.
    colorbar : bool
        Whether to show which colour means what.

    Returns
    -------
    Axes or ndarray of Axes
        One for each array; of one name, the Axes itself. Sigmoid gates reach from 0 to 1; g, n and
        h from -1 to 1, or to their largest magnitude where that is larger; c as far on both sides
        of zero as its values reach. So two pictures of one gate can be compared. NaN and infinity
        are grey.

    Raises
    ------
    ImportError
        Without matplotlib, which the extra ``plot`` installs.
    TypeError, ValueError
        If an argument is of the wrong kind, or the trace has no such array, layer or sequence.

    Examples
    --------
    >>> import numpy as np
    >>> import pylstm as nn
    >>> trace = nn.LSTM(4, 8, num_layers=2).trace(np.ones((30, 5, 4)))
    >>> axes = nn.plot.plot_gates(trace, layer=1, batch=2, order="peak")
    >>> [ax.get_title() for ax in axes][:2]
    ['i[1, 0, :, 2]', 'f[1, 0, :, 2]']
    """
    chosen = _drawn_names(trace, names)
    found = {name: _values(trace, name, layer, direction, batch) for name in chosen}
    by = "h" if "h" in trace.names else chosen[-1]
    units = _units(order, _values(trace, by, layer, direction, batch)[0])
    colors, sigmoids = color_map(cmap), color_map(gate_cmap)
    panels = [_panel(name, *found[name], units, sigmoids) for name in chosen]
    if ax is None:
        for panel in panels[:-1]:
            panel.xlabel = ""
        plt = library("matplotlib.pyplot")
        figure = plt.figure(figsize=(7.0, 0.6 + 1.5 * len(panels)), layout="constrained")
        axes = list(figure.subplots(len(panels), 1, squeeze=False)[:, 0])
    else:
        axes = given_axes(ax, len(panels))
    drawn = draw_all(panels, axes, colors, colorbar)
    return drawn[0] if isinstance(names, str) else drawn
