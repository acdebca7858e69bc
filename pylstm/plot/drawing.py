"""Heat maps: what one shows, and drawing several of them side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments.naming import type_name

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes

    Array = npt.NDArray[Any]

COLORS = "RdBu_r"
_MISSING = "0.6"  # NaN and infinity: a grey that the colours do not have
_SHARP = 256  # cells that a picture shows one by one; of more, neighbours are averaged


@dataclass
class Panel:
    """One heat map: ``values`` (rows, columns), and the words around it.

    ``blocks`` are names of equal parts of the rows, ``rows`` and ``columns`` those of the single
    rows and columns. ``dividers`` says how many columns stand between two lines, 0 for none, and
    ``thin`` the same of thinner lines. ``scale`` names the panels that share limits and a colour
    bar; their ``limits``, where the values do not give them, and ``cmap`` are equal.
    """

    values: Array
    title: str
    xlabel: str = ""
    ylabel: str = ""
    blocks: Sequence[str] = ()
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    dividers: int = 0
    thin: int = 0
    scale: str = ""
    limits: tuple[float, float] | None = None
    cmap: Any = None


def library(name: str) -> Any:
    """Import a part of matplotlib, or say which extra brings it."""
    try:
        return import_module(name)
    except ImportError as error:
        reason = f"pylstm.plot needs matplotlib: pip install 'pylstm[plot]' ({error})"
        raise ImportError(reason, name="matplotlib") from error


def color_map(cmap: Any) -> Any:
    """Return the colour map that is meant, with a colour for what is no number."""
    return library("matplotlib").colormaps.get_cmap(cmap).with_extremes(bad=_MISSING)


def given_axes(ax: Any, count: int) -> list[Axes]:
    """Return the axes that a caller wants drawn into: as many as there are panels."""
    kind = library("matplotlib.axes").Axes
    axes = list(np.asarray(ax, dtype=object).reshape(-1))
    for each in axes:
        if not isinstance(each, kind):
            raise TypeError(
                f"ax must be matplotlib Axes or an array of them, got {type_name(each)}"
            )
    if len(axes) != count:
        raise ValueError(f"ax must hold {count} Axes, one for each picture, got {len(axes)}")
    return axes


def largest_of(values: Array) -> float:
    """Return the largest magnitude of the finite values."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0))


def _limits(panels: Sequence[Panel]) -> tuple[float, float]:
    """Return the given limits, or as far from zero as the values of all reach, 1 if all are 0."""
    if panels[0].limits:
        return panels[0].limits
    largest = max(largest_of(panel.values) for panel in panels) or 1.0
    return -largest, largest


def _draw(panel: Panel, ax: Axes, limits: tuple[float, float], cmap: Any) -> Any:
    """Draw one panel and return its image."""
    # float64: the range of a wide float32 one, from -limit to limit, would overflow.
    values = np.ma.masked_invalid(np.asarray(panel.values, np.float64))
    image = ax.imshow(
        values,
        cmap=cmap,
        vmin=limits[0],
        vmax=limits[1],
        aspect="auto",
        interpolation="nearest" if max(values.shape) <= _SHARP else "antialiased",
    )
    ax.set_title(panel.title, fontsize="medium")
    ax.set_xlabel(panel.xlabel)
    ax.set_ylabel(panel.ylabel)
    for every, width in ((panel.thin, 0.5), (panel.dividers, 1.4)):
        for column in range(every, values.shape[1] if every else 0, every or 1):
            ax.axvline(column - 0.5, color="black", linewidth=width)
    if panel.columns:
        ticks = library("pylstm.plot.ticks")
        ax.xaxis.set_major_locator(ticks.ColumnTicks(panel.columns))
        ax.xaxis.set_major_formatter(ticks.Names(panel.columns))
    elif values.shape[1] > 1:
        ax.xaxis.set_major_locator(_whole_numbers())
    else:
        ax.set_xticks([])
    if panel.blocks:
        height = len(values) / len(panel.blocks)
        middles = [height * (k + 0.5) - 0.5 for k in range(len(panel.blocks))]
        ax.set_yticks(middles, panel.blocks)
        ax.tick_params(axis="y", length=0)
        for k in range(1, len(panel.blocks)):
            ax.axhline(height * k - 0.5, color="black", linewidth=1.4)
    elif panel.rows:
        ticks = library("pylstm.plot.ticks")
        ax.yaxis.set_major_locator(ticks.RowTicks(panel.rows))
        ax.yaxis.set_major_formatter(ticks.Names(panel.rows))
    else:
        ax.yaxis.set_major_locator(_whole_numbers())
    return image


def _whole_numbers() -> Any:
    """Place ticks at whole numbers, as many as there is room for."""
    ticker = library("matplotlib.ticker")
    return ticker.MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)


def draw_all(
    panels: Sequence[Panel], axes: Sequence[Axes], cmap: Any, colorbar: bool, rows: int = 1
) -> npt.NDArray[np.object_]:
    """Draw every panel; those of one scale share their limits and a colour bar."""
    groups: dict[str, list[int]] = {}
    for k, panel in enumerate(panels):
        groups.setdefault(panel.scale, []).append(k)
    for members in groups.values():
        limits = _limits([panels[k] for k in members])
        images = [_draw(panels[k], axes[k], limits, panels[k].cmap or cmap) for k in members]
        if colorbar:
            # Of several rows of pictures, as high as the first.
            beside = [axes[k] for k in members]
            beside[0].figure.colorbar(
                images[0], ax=beside, shrink=1 / rows, anchor=(0, 1), pad=0.02, aspect=25
            )
    drawn = np.empty(len(axes), dtype=object)
    drawn[:] = axes
    return drawn
