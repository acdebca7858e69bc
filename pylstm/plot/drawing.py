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

    ``blocks`` are names of equal parts of the rows, ``columns`` those of the single columns.
    ``dividers`` says how many columns stand between two lines, 0 for none, and ``thin`` the same of
    thinner lines. ``scale`` names the panels that share limits and a colour bar.
    """

    values: Array
    title: str
    xlabel: str = ""
    ylabel: str = ""
    blocks: Sequence[str] = ()
    columns: Sequence[str] = ()
    dividers: int = 0
    thin: int = 0
    scale: str = ""


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


def _limit(panels: Sequence[Panel]) -> float:
    """Return the largest finite value of all, or 1 where every one is zero."""
    largest = 0.0
    for panel in panels:
        finite = panel.values[np.isfinite(panel.values)]
        largest = max(largest, float(np.abs(finite).max(initial=0)))
    return largest or 1.0


def _draw(panel: Panel, ax: Axes, limit: float, cmap: Any) -> Any:
    """Draw one panel and return its image."""
    # float64: the range of a wide float32 one, from -limit to limit, would overflow.
    values = np.ma.masked_invalid(np.asarray(panel.values, np.float64))
    image = ax.imshow(
        values,
        cmap=cmap,
        vmin=-limit,
        vmax=limit,
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
        ax.xaxis.set_major_formatter(ticks.ColumnNames(panel.columns))
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
        limit = _limit([panels[k] for k in members])
        images = [_draw(panels[k], axes[k], limit, cmap) for k in members]
        if colorbar:
            # Of several rows of pictures, as high as the first.
            beside = [axes[k] for k in members]
            beside[0].figure.colorbar(
                images[0], ax=beside, shrink=1 / rows, anchor=(0, 1), pad=0.02, aspect=25
            )
    drawn = np.empty(len(axes), dtype=object)
    drawn[:] = axes
    return drawn
