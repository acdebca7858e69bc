"""Figures and tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def seconds_text(seconds: float) -> str:
    """Format a time with three digits and a unit."""
    for unit, factor in (("ns", 1e9), ("µs", 1e6), ("ms", 1e3)):
        if seconds * factor < 1000:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """Lay out a Markdown table and an empty line behind it."""
    rule = ["---"] * len(head)
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *lines)] + [""]
