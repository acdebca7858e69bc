"""Draw the pictures of the tutorial: ``python docs/pictures/draw.py [FOLDER]``.

Plain SVG on a white sheet, so that they look the same in a repository, on a dark site and in
print. The same script always writes the same bytes; a test compares them with the files here.
"""

from __future__ import annotations

import sys
from pathlib import Path

INK, GREY = "#1f2933", "#7b8794"
BLUE, BLUE_EDGE = "#d6e8fb", "#2f6fb3"  # inputs
SAND, SAND_EDGE = "#f3efe6", "#9a8f78"  # what computes
GREEN, GREEN_EDGE = "#d7f0dc", "#2c8a46"  # output
RED, RED_EDGE = "#fbe3d3", "#c2601c"  # states
FONT = "font-family='Helvetica, Arial, Noto Sans, sans-serif'"
MONO = "font-family='DejaVu Sans Mono, Menlo, Consolas, monospace'"


class Sheet:
    """A sheet of paper: shapes are added in the order in which they cover each other."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self.parts: list[str] = []

    def text(
        self, x: float, y: float, words: str, size: int = 14, anchor: str = "middle",
        colour: str = INK, font: str = FONT,
    ) -> None:  # fmt: skip
        """Write ``words``, their middle line at height ``y``."""
        self.parts.append(
            f"<text x='{x:g}' y='{y + size * 0.35:g}' font-size='{size}' {font} "
            f"text-anchor='{anchor}' fill='{colour}'>{words}</text>"
        )

    def code(self, x: float, y: float, words: str, size: int = 13, anchor: str = "middle",
             colour: str = INK) -> None:  # fmt: skip
        """Write a name or a shape."""
        self.text(x, y, words, size, anchor, colour, MONO)

    def box(self, x: float, y: float, w: float, h: float, fill: str, edge: str,
            round_: int = 6) -> None:  # fmt: skip
        """Draw a rectangle from its upper left corner."""
        self.parts.append(
            f"<rect x='{x:g}' y='{y:g}' width='{w:g}' height='{h:g}' rx='{round_}' "
            f"fill='{fill}' stroke='{edge}' stroke-width='1.5'/>"
        )

    def polygon(self, points: list[tuple[float, float]], fill: str, edge: str) -> None:
        """Draw a closed outline."""
        corners = " ".join(f"{x:g},{y:g}" for x, y in points)
        self.parts.append(
            f"<polygon points='{corners}' fill='{fill}' stroke='{edge}' stroke-width='1.5' "
            "stroke-linejoin='round'/>"
        )

    def arrow(self, x1: float, y1: float, x2: float, y2: float, colour: str = GREY) -> None:
        """Draw a horizontal or vertical arrow."""
        dx, dy = (x2 > x1) - (x2 < x1), (y2 > y1) - (y2 < y1)
        self.parts.append(
            f"<line x1='{x1:g}' y1='{y1:g}' x2='{x2 - 6 * dx:g}' y2='{y2 - 6 * dy:g}' "
            f"stroke='{colour}' stroke-width='1.8'/>"
        )
        back_x, back_y = x2 - 8 * dx, y2 - 8 * dy
        tip = [(x2, y2), (back_x - 4 * dy, back_y - 4 * dx), (back_x + 4 * dy, back_y + 4 * dx)]
        self.polygon(tip, colour, colour)

    def svg(self) -> str:
        """Return the file."""
        size = f"width='{self.width}' height='{self.height}'"
        opening = (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {self.width} {self.height}' "
            f"{size} role='img'>\n<title>{self.title}</title>\n"
            f"<rect {size} rx='8' fill='white'/>\n"
        )
        return opening + "\n".join(self.parts) + "\n</svg>\n"


WIDTH, HEIGHT, STEP, RISE = 112, 46, 168, 84  # a box; from one box to the next


def unrolled(
    sheet: Sheet, rows: list[str], steps: list[str], left: int, bottom: int, out: str
) -> None:
    """Draw layers, the lowest first, unrolled over steps; ``"..."`` is a gap.

    The x coordinate of the first box is ``left``, the y coordinate of the lowest ``bottom``.
    """
    for column, step in enumerate(steps):
        x = left + column * STEP
        gap = step == "..."
        for row, name in enumerate(rows):
            y = bottom - row * RISE
            if gap:
                sheet.text(x + WIDTH / 2, y + HEIGHT / 2, "· · ·", 20, colour=GREY)
            else:
                sheet.box(x, y, WIDTH, HEIGHT, SAND, SAND_EDGE)
                sheet.code(x + WIDTH / 2, y + HEIGHT / 2, name, 12)
                sheet.arrow(x + WIDTH / 2, y + RISE, x + WIDTH / 2, y + HEIGHT)
            if column + 1 < len(steps):
                sheet.arrow(x + WIDTH, y + HEIGHT / 2, x + STEP, y + HEIGHT / 2, RED_EDGE)
        if not gap:
            below, above = bottom + RISE, bottom - len(rows) * RISE + HEIGHT
            sheet.box(x + 16, below, WIDTH - 32, 30, BLUE, BLUE_EDGE)
            sheet.code(x + WIDTH / 2, below + 15, f"x[{step}]")
            sheet.arrow(x + WIDTH / 2, bottom - (len(rows) - 1) * RISE, x + WIDTH / 2, above)
            sheet.box(x + 8, above - 30, WIDTH - 16, 30, GREEN, GREEN_EDGE)
            sheet.code(x + WIDTH / 2, above - 15, f"{out}[{step}]")


def state(sheet: Sheet, x: float, y: float, words: str) -> None:
    """Draw a pair of states, beside the row of boxes at height ``y``."""
    sheet.box(x, y + HEIGHT / 2 - 15, 112, 30, RED, RED_EDGE)
    sheet.code(x + 56, y + HEIGHT / 2, words, 12)


def lstm() -> Sheet:
    """Show LSTM(100, 20, num_layers=4) over ten steps: what output is, what h_n and c_n are."""
    sheet = Sheet(990, 560, "LSTM(100, 20, num_layers=4) over 10 steps of a batch of 3")
    left, bottom = 190, 402
    unrolled(
        sheet, [f"layer {k}" for k in range(4)], ["0", "1", "...", "9"], left, bottom, "output"
    )
    for row in range(4):
        y = bottom - row * RISE
        state(sheet, 30, y, f"h_0, c_0 [{row}]")
        sheet.arrow(142, y + HEIGHT / 2, left, y + HEIGHT / 2, RED_EDGE)
        sheet.arrow(left + 3 * STEP + WIDTH, y + HEIGHT / 2, 848, y + HEIGHT / 2, RED_EDGE)
        state(sheet, 848, y, f"h_n, c_n [{row}]")
    sheet.text(left, 30, "output: the top layer after every step", 15, "start", GREEN_EDGE)
    sheet.code(left + 3 * STEP + WIDTH, 30, "(10, 3, 20)", 14, "end", GREEN_EDGE)
    sheet.text(left, 538, "x: 10 steps of 3 sequences with 100 features", 15, "start", BLUE_EDGE)
    sheet.code(left + 3 * STEP + WIDTH, 538, "(10, 3, 100)", 14, "end", BLUE_EDGE)
    for x, first, last in ((86, "every layer,", "before"), (904, "every layer,", "after")):
        sheet.text(x, bottom + 76, first, 14, colour=RED_EDGE)
        sheet.text(x, bottom + 95, last, 14, colour=RED_EDGE)
        sheet.code(x, bottom + 117, "(4, 3, 20)", 14, colour=RED_EDGE)
    return sheet


def cell() -> Sheet:
    """Show LSTMCell(100, 20), one call a step."""
    sheet = Sheet(990, 270, "LSTMCell(100, 20): one call for every step")
    left, bottom = 190, 128
    unrolled(sheet, ["cell"], ["0", "1", "...", "9"], left, bottom, "h")
    state(sheet, 30, bottom, "h, c = zeros")
    sheet.arrow(142, bottom + HEIGHT / 2, left, bottom + HEIGHT / 2, RED_EDGE)
    sheet.arrow(left + 3 * STEP + WIDTH, bottom + HEIGHT / 2, 848, bottom + HEIGHT / 2, RED_EDGE)
    state(sheet, 848, bottom, "h, c")
    sheet.code(left + STEP - 28, bottom + 2, "h, c", 12, colour=RED_EDGE)
    sheet.text(left, 30, "the new h, after every step", 15, "start", GREEN_EDGE)
    sheet.code(left + 3 * STEP + WIDTH, 30, "(3, 20)", 14, "end", GREEN_EDGE)
    sheet.code(86, bottom + 62, "(3, 20)", 14, colour=RED_EDGE)
    sheet.code(904, bottom + 62, "(3, 20)", 14, colour=RED_EDGE)
    sheet.code(left + 3 * STEP + WIDTH + 12, bottom + RISE + 15, "(3, 100)", 14, "start", BLUE_EDGE)
    return sheet


def stacked() -> Sheet:
    """Show LSTMCell(100, 30) below LSTMCell(30, 20)."""
    sheet = Sheet(990, 354, "A cell with 30 units below a cell with 20")
    left, bottom = 190, 212
    unrolled(sheet, ["lower", "upper"], ["0", "1", "...", "9"], left, bottom, "h2")
    for row, words, shape in ((0, "h1, c1", "(3, 30)"), (1, "h2, c2", "(3, 20)")):
        y = bottom - row * RISE
        state(sheet, 30, y, f"{words} = 0")
        sheet.arrow(142, y + HEIGHT / 2, left, y + HEIGHT / 2, RED_EDGE)
        sheet.arrow(left + 3 * STEP + WIDTH, y + HEIGHT / 2, 848, y + HEIGHT / 2, RED_EDGE)
        state(sheet, 848, y, words)
        for x in (86, 904):
            sheet.code(x, y + 54, shape, 14, colour=RED_EDGE)
    sheet.code(left + WIDTH / 2 + 8, bottom - 19, "h1 (3, 30)", 12, "start", GREY)
    sheet.text(left, 30, "the upper cell's h, after every step", 15, "start", GREEN_EDGE)
    sheet.code(left + 3 * STEP + WIDTH, 30, "(3, 20)", 14, "end", GREEN_EDGE)
    sheet.code(left + 3 * STEP + WIDTH + 12, bottom + RISE + 15, "(3, 100)", 14, "start", BLUE_EDGE)
    return sheet


def block(
    sheet: Sheet, x: float, y: float, sizes: tuple[float, float, float], colours: tuple[str, str],
    edges: tuple[str, str, str],
) -> None:  # fmt: skip
    """Draw a box in space, its front's upper left corner at (x, y), its three edges named."""
    width, height, depth = sizes
    fill, edge = colours
    rise = depth * 0.6
    sheet.polygon(
        [(x, y), (x + depth, y - rise), (x + depth + width, y - rise), (x + width, y)], fill, edge
    )
    sheet.polygon(
        [(x + width, y), (x + width + depth, y - rise), (x + width + depth, y - rise + height),
         (x + width, y + height)], fill, edge,
    )  # fmt: skip
    sheet.polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], fill, edge)
    along, down, back = edges
    sheet.text(x + width / 2, y + height + 16, along, 13)
    sheet.text(x - 8, y + height / 2, down, 13, "end")
    sheet.text(x + depth / 2 - 14, y - rise / 2 - 8, back, 13, "end")


def arrays() -> Sheet:
    """Show the axes of input, output and states."""
    sheet = Sheet(990, 268, "The axes of input, output and states")
    block(
        sheet, 92, 92, (180, 120, 60), (BLUE, BLUE_EDGE), ("100 features", "10 steps", "batch of 3")
    )
    sheet.code(182, 248, "x (10, 3, 100)", 15, colour=BLUE_EDGE)
    block(
        sheet, 482, 92, (56, 120, 60), (GREEN, GREEN_EDGE), ("20 units", "10 steps", "batch of 3")
    )
    sheet.code(530, 248, "output (10, 3, 20)", 15, colour=GREEN_EDGE)
    block(sheet, 792, 92, (56, 60, 60), (RED, RED_EDGE), ("20 units", "4 layers", "batch of 3"))
    sheet.code(836, 248, "h_n, c_n (4, 3, 20)", 15, colour=RED_EDGE)
    return sheet


def gates() -> Sheet:
    """Show the rows of the weights: four gates of H rows each."""
    sheet = Sheet(990, 300, "The parameters of a layer: four gates of 20 rows each")
    top, rise = 44, 48
    columns = (
        (150, 300, "weight_ih_l0", "(80, 100)", "x 100 features"),
        (520, 90, "weight_hh_l0", "(80, 20)", "x 20 units"),
        (720, 26, "bias_ih_l0", "(80,)", ""),
        (870, 26, "bias_hh_l0", "(80,)", ""),
    )
    for x, width, name, shape, across in columns:
        for row, fill in enumerate((BLUE, GREEN, SAND, RED)):
            sheet.box(x, top + row * rise, width, rise, fill, SAND_EDGE, 0)
        middle = x + width / 2
        sheet.code(middle, top + 4 * rise + 22, name)
        sheet.code(middle, top + 4 * rise + 44, shape, 14)
        if across:
            sheet.text(middle, 24, across.removeprefix("x "), 13, colour=GREY)
    for row, gate in enumerate(("i  input", "f  forget", "g  candidate", "o  output")):
        sheet.text(138, top + row * rise + rise / 2 - 9, gate, 14, "end")
        sheet.text(138, top + row * rise + rise / 2 + 10, "20 rows", 12, "end", GREY)
    return sheet


def bidirectional() -> Sheet:
    """Show two directions: what lies where in output and h_n."""
    sheet = Sheet(990, 330, "bidirectional=True: two directions over the same steps")
    left, forward, reverse, wide, shift = 190, 176, 104, 80, 44
    for column, step in enumerate(("0", "1", "...", "9")):
        x = left + column * STEP
        middle = x + (wide + shift) / 2
        if column < 3:
            sheet.arrow(x + wide, forward + 23, x + STEP, forward + 23, RED_EDGE)
            sheet.arrow(x + STEP + shift, reverse + 23, x + wide + shift, reverse + 23, RED_EDGE)
        if step == "...":
            sheet.text(x + wide / 2, forward + HEIGHT / 2, "· · ·", 20, colour=GREY)
            sheet.text(x + wide / 2 + shift, reverse + HEIGHT / 2, "· · ·", 20, colour=GREY)
            continue
        sheet.box(x + 4, 258, wide + shift - 8, 30, BLUE, BLUE_EDGE)
        sheet.code(middle, 273, f"x[{step}]")
        sheet.box(x - 4, 48, wide + shift + 8, 30, GREEN, GREEN_EDGE)
        sheet.code(middle, 63, f"[{step}] fwd | rev", 12)
        for begin, up, y, name in ((x, x + 22, forward, "forward"),
                                   (x + shift, x + wide + 22, reverse, "reverse")):  # fmt: skip
            sheet.arrow(up, 258, up, y + HEIGHT)
            sheet.arrow(up, y, up, 78)
            sheet.box(begin, y, wide, HEIGHT, SAND, SAND_EDGE)
            sheet.code(begin + wide / 2, y + HEIGHT / 2, name, 12)
    right = left + 3 * STEP + wide + shift
    sheet.arrow(right - shift, forward + 23, 848, forward + 23, RED_EDGE)
    state(sheet, 848, forward, "h_n, c_n [0]")
    sheet.arrow(left + shift, reverse + 23, 142, reverse + 23, RED_EDGE)
    state(sheet, 30, reverse, "h_n, c_n [1]")
    sheet.text(left, 24, "output: both directions side by side", 15, "start", GREEN_EDGE)
    sheet.code(right, 24, "(10, 3, 2*20)", 14, "end", GREEN_EDGE)
    sheet.code(904, forward + 64, "(2, 3, 20)", 14, colour=RED_EDGE)
    sheet.code(86, reverse + 64, "(2, 3, 20)", 14, colour=RED_EDGE)
    sheet.text(left, 310, "x: read from both ends", 15, "start", BLUE_EDGE)
    sheet.code(right, 310, "(10, 3, 100)", 14, "end", BLUE_EDGE)
    return sheet


PICTURES = (lstm, cell, stacked, arrays, gates, bidirectional)


def draw(folder: Path) -> None:
    """Write all pictures."""
    for picture in PICTURES:
        (folder / f"{picture.__name__}.svg").write_text(picture().svg(), encoding="utf-8")


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
