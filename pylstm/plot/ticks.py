"""Ticks at rows and columns that have names of their own: as many as there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from matplotlib.ticker import Formatter, Locator

# What a letter takes, the space between two labels, and the height of a label with the space
# above it, in units of the font's size.
_LETTER, _SPACE, _HEIGHT = 0.65, 0.5, 1.6


class ColumnTicks(Locator):
    """Every column, or every second, third, ... where their names would run into each other."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def _needed(self) -> float:
        """Return the room of one name along the axis, in units of the font's size."""
        return _LETTER * max(map(len, self.names)) + _SPACE

    def _room(self, axis: Any) -> float:
        return float(axis.axes.bbox.width)

    def __call__(self) -> Any:
        axis: Any = self.axis
        size = axis.get_major_ticks(1)[0].label1.get_size()
        inches = self._room(axis) / axis.axes.figure.dpi
        fits = max(1, int(inches / (size * self._needed() / 72)))
        return np.arange(0, len(self.names), ceil(len(self.names) / fits))

    def tick_values(self, vmin: float, vmax: float) -> Any:
        return self()


class RowTicks(ColumnTicks):
    """Like ColumnTicks, but along the vertical axis."""

    def _needed(self) -> float:
        return _HEIGHT

    def _room(self, axis: Any) -> float:
        return float(axis.axes.bbox.height)


class Names(Formatter):
    """The name of the row or column at which a tick stands."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def __call__(self, x: float, pos: int | None = None) -> str:
        index = round(x)
        return self.names[index] if 0 <= index < len(self.names) else ""
