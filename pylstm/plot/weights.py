"""Pictures of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._core import Layer
from ..arguments.naming import type_name
from ..modules.recurrent import RecurrentModule
from ..modules.rnn_base import RNNBase
from ..weights.kinds import kind_of
from .drawing import COLORS, Panel, color_map, draw_all, given_axes, library

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .drawing import Array


def _weight_panel(module: RecurrentModule, name: str) -> Panel:
    """Describe one parameter; biases become a column."""
    values: Array = module._parameter_view(name)
    gates = kind_of(module._native_kind).gates
    panel = Panel(values.reshape(len(values), -1), name, blocks=gates if len(gates) > 1 else ())
    if name.startswith("weight_ih"):
        panel.xlabel = "input feature"
        if getattr(module, "bidirectional", False) and "_l0" not in name:
            # The layer below gives the outputs of its two directions, one behind the other.
            panel.xlabel += ": forward | backward"
            panel.dividers = panel.values.shape[1] // 2
    elif name.startswith("weight_hh"):
        panel.xlabel = "hidden feature"
    elif name.startswith("weight_hr"):
        panel.xlabel, panel.ylabel, panel.blocks = "hidden unit", "projected feature", ()
    return panel


def _label_rows(rows: Sequence[Sequence[Panel]]) -> None:
    """Say what stands in every row and column once: biases are narrower than their names."""
    for number, row in enumerate(rows):
        suffix = row[0].title.partition("_l")[2]
        if suffix:
            row[0].ylabel = f"l{suffix}"
        for panel in row:
            panel.title = panel.title.partition("_l")[0] if number == 0 else ""
            if number < len(rows) - 1:
                panel.xlabel = ""


def _names(module: RecurrentModule, names: Any) -> list[list[str]]:
    """Return the names of the parameters to draw, row by row."""
    if names is None:
        return module._all_weights if isinstance(module, RNNBase) else [list(module._native_names)]
    wanted = [names] if isinstance(names, str) else names
    if not isinstance(wanted, (list, tuple)) or not wanted:
        raise TypeError(f"names must be a parameter's name or a list of them, got {names!r}")
    for name in wanted:
        if name not in module._native_names:
            known = ", ".join(module._native_names)
            raise ValueError(f"names must be of {known}; got {name!r}")
    return [list(wanted)]


def _weight_axes(rows: Sequence[Sequence[Panel]]) -> list[Axes]:
    """Make a figure whose columns are as wide as their matrices ask for, within reason."""
    columns = list(zip(*rows, strict=True))
    counts = [max(panel.values.shape[1] for panel in column) for column in columns]
    widths = [0.6 if count == 1 else 1.2 + 2.3 * count / max(counts) for count in counts]
    for k, column in enumerate(columns):
        # At least as wide as the words above and below it, at a twelfth of an inch for a letter.
        letters = max(len(words) for panel in column for words in (panel.title, panel.xlabel))
        widths[k] = max(widths[k], letters / 12)
    # Four hundredths of an inch for a row of the matrix, as far as that is reasonable.
    height = min(max(0.04 * len(rows[0][0].values), 2.2), 5.0)
    plt = library("matplotlib.pyplot")
    size = (sum(widths) + 1.8, 0.6 + height * len(rows))
    figure = plt.figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(rows), len(columns), squeeze=False, width_ratios=widths)
    return list(grid.reshape(-1))


def plot_weights(
    module: RecurrentModule,
    names: str | Sequence[str] | None = None,
    *,
    ax: Any = None,
    cmap: Any = COLORS,
    colorbar: bool = True,
) -> Any:
    """Draw the parameters of a layer or a cell, the gates one below the other.

    The gates are i, f, g and o of an LSTM, r, z and n of a GRU. All pictures share one colour
    scale. No lease is taken: calls stay as fast as they were. A line divides the features that a
    layer gets from the two directions of the layer below.

    Parameters
    ----------
    module : LSTM, GRU, RNN, LSTMCell, GRUCell or RNNCell
    names : str or sequence of str, optional
        Only these parameters. Default: all.
    ax : Axes or array of Axes, optional
        Where to draw, one for each parameter. Default: a new figure.
    cmap : str or Colormap
        Its middle means zero.
    colorbar : bool
        Whether to show which colour means what.

    Returns
    -------
    Axes or ndarray of Axes
        Of all parameters, (D*num_layers, parameters of each); of a list of names, as many; of
        one name, the Axes itself.

    Raises
    ------
    ImportError
        Without matplotlib, which the extra ``plot`` brings.
    TypeError, ValueError
        If an argument is of the wrong kind, or the module has no such parameter.

    Examples
    --------
    >>> import pylstm as nn
    >>> axes = nn.plot.plot_weights(nn.LSTM(4, 8, num_layers=2))
    >>> axes.shape
    (2, 4)
    >>> [label.get_text() for label in axes[0, 0].get_yticklabels()]
    ['i', 'f', 'g', 'o']
    """
    if not isinstance(module, Layer):
        raise TypeError(
            f"module must be a recurrent layer or a cell, got {type_name(module)}: "
            "of a container, pass the module that is meant, such as model.lstm"
        )
    chosen = _names(module, names)
    rows = [[_weight_panel(module, name) for name in row] for row in chosen]
    if names is None:
        _label_rows(rows)
    colors = color_map(cmap)
    panels = [panel for row in rows for panel in row]
    axes = _weight_axes(rows) if ax is None else given_axes(ax, len(panels))
    drawn = draw_all(panels, axes, colors, colorbar, len(rows))
    if isinstance(names, str):
        return drawn[0]
    return drawn.reshape(len(rows), -1) if names is None else drawn
