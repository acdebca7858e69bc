"""A bar chart of ratios as SVG: one bar per case, losses on the other side of the line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil, floor, log2
from xml.sax.saxutils import escape

from benchmarks.measure import Row

BAR, GAP, LEFT, WIDTH, TOP = 14, 6, 190, 520, 74
RIGHT = 150
WIN, LOSS, EVEN, INK, FAINT = "#2b7bba", "#c9302c", "#8a8a8a", "#222222", "#dddddd"
FONT = 'font-family="system-ui, sans-serif"'


def draw(title: str, subtitle: str, grids: Mapping[str, Sequence[Row]]) -> str:
    """Draw for each case the time of its fastest peer over pylstm's, on a log scale.

    The whisker spans the quartiles over rounds, the hollow dot is torch eager. A case
    without a ratio keeps its line and says so. Several grids get a heading each.
    """
    rows = [row for group in grids.values() for row in group]
    ratios = [ratio for row in rows if (ratio := row.ratio()) is not None]
    ratios += [ratio for row in rows if (ratio := row.ratio("torch eager")) is not None]
    low = min(-1, floor(log2(min(ratios, default=1.0))))
    high = max(1, ceil(log2(max(ratios, default=2.0))))
    headings = len(grids) if len(grids) > 1 else 0
    height = TOP + (len(rows) + headings) * (BAR + GAP) + 24

    def place(ratio: float) -> float:
        return LEFT + (log2(ratio) - low) / (high - low) * WIDTH

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" '
        f'height="{height}" {FONT} font-size="12" role="img">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        _text(16, 24, title, size=16, weight="bold"),
        _text(16, 44, subtitle, fill="#555555"),
    ]
    for power in range(low, high + 1):
        x = place(2.0**power)
        color, width = (INK, 1.5) if power == 0 else (FAINT, 1)
        parts.append(_line(x, TOP - 6, x, height - 18, color, width))
        parts.append(_text(x, TOP - 10, f"{2.0**power:g}×", anchor="middle", fill="#555555"))
    y = TOP
    for grid, group in grids.items():
        if headings:
            parts.append(_text(16, y + BAR - 2, f"grid {grid}", weight="bold"))
            y += BAR + GAP
        for row in group:
            parts += _bar(row, y, place)
            y += BAR + GAP
    parts.append(_text(16, height - 6, "hollow dot: torch eager", fill="#555555"))
    return "\n".join([*parts, "</svg>", ""])


def _bar(row: Row, y: float, place: Callable[[float], float]) -> list[str]:
    middle = y + BAR / 2
    parts = [_text(LEFT - 8, middle + 4, row.case.label, anchor="end")]
    peer = row.fastest_peer()
    outcome = row.outcomes.get(peer) if peer else None
    if outcome is None or outcome.ratio is None:
        parts.append(_text(place(1.0) + 6, middle + 4, "not measured", fill=LOSS))
        return parts
    spread = outcome.ratio
    start, end = sorted((place(1.0), place(spread.median)))
    color = WIN if spread.median > 1.03 else LOSS if spread.median < 0.97 else EVEN
    parts.append(
        f'<rect x="{start:.1f}" y="{y}" width="{max(end - start, 1):.1f}" height="{BAR}" '
        f'fill="{color}"/>'
    )
    parts.append(_line(place(spread.q1), middle, place(spread.q3), middle, INK, 1.5))
    eager = row.ratio("torch eager")
    if eager is not None:
        parts.append(
            f'<circle cx="{place(eager):.1f}" cy="{middle}" r="3.5" fill="#ffffff" stroke="{INK}"/>'
        )
    label = f"{spread.median:.2f}× {peer}"
    parts.append(_text(LEFT + WIDTH + 8, middle + 4, label, fill=color if color == LOSS else INK))
    return parts


def _text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 12,
    anchor: str = "start",
    fill: str = INK,
    weight: str = "normal",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{fill}">{escape(words)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, color: str, width: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" '
        f'stroke-width="{width}"/>'
    )
