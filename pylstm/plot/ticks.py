"""Ticks at columns that have names of their own: as many as there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from matplotlib.ticker import Formatter, Locator

# What a letter takes, and the space between two labels, in units of the font's size.
_LETTER, _SPACE = 0.65, 0.5


class ColumnTicks(Locator):
    """Every column, or every second, third, ... where their names would run into each other."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def __call__(self) -> Any:
        axis: Any = self.axis
        size = axis.get_major_ticks(1)[0].label1.get_size()
        inches = axis.axes.bbox.width / axis.axes.figure.dpi
        needed = size * (_LETTER * max(map(len, self.names)) + _SPACE) / 72
        fits = max(1, int(inches / needed))
        return np.arange(0, len(self.names), ceil(len(self.names) / fits))

    def tick_values(self, vmin: float, vmax: float) -> Any:
        return self()


class ColumnNames(Formatter):
    """The name of the column at which a tick stands."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def __call__(self, x: float, pos: int | None = None) -> str:
        index = round(x)
        return self.names[index] if 0 <= index < len(self.names) else ""
