"""Size, start and speed of pylstm and its peers in one table: ``python -m benchmarks.compare``.

Markdown on standard output. What is not installed, or fails, stands there as such.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import environment, sizes
from benchmarks.footprint import ImportFailedError, import_once
from benchmarks.grids import Case

ROUNDS, QUICK_ROUNDS = 15, 3
STARTS, QUICK_STARTS = 7, 2
TARGET, QUICK_TARGET = 5e-3, 1e-3

# By the name of its engine in measure.ENGINES: the distribution, and the module that is imported.
PEERS = {
    "pylstm": ("pylstm", "pylstm"),
    "torch eager": ("torch", "torch"),
    "onnxruntime": ("onnxruntime", "onnxruntime"),
    "openvino": ("openvino", "openvino"),
}

# The tutorial's sizes: a loop of ten LSTMCell steps, and four layers over the same ten steps.
STEPS = 10
CELL = Case(100, 20, STEPS, 3, states=True, cell=True)
TUTORIAL = Case(100, 20, STEPS, 3, num_layers=4)
MISSING = "missing"


@dataclass
class Line:
    """One line of the table: a figure or a reason for each library, and how to write a figure.

    ``ratios`` are to pylstm; where there are none, they are the quotients of the figures.
    """

    what: str
    text: Callable[[float], str]
    figures: dict[str, float | str] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)

    def cell(self, name: str) -> str:
        """Write one cell."""
        figure, own = self.figures[name], self.figures["pylstm"]
        if isinstance(figure, str):
            return figure
        ratio = self.ratios.get(name)
        if ratio is None and not isinstance(own, str) and own > 0:
            ratio = figure / own
        if name == "pylstm" or ratio is None:
            return self.text(figure)
        return f"{self.text(figure)} ({ratio:.3g}×)"


def bytes_text(size: float) -> str:
    """Format a size with three digits and a unit."""
    for unit, factor in (("KB", 1e3), ("MB", 1e6)):
        if size < 999.5 * factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size / 1e9:.3g} GB"


def figure_or_reason(measure: Callable[[], float]) -> float | str:
    """Return a figure, or why there is none."""
    try:
        return measure()
    except sizes.NoFigureError as error:
        return str(error)


def size_lines(wheel: Path | None, fetch: bool) -> list[Line]:
    """Wheels and installed files. pylstm's own are those of a wheel that is built now."""
    lines = [
        Line(what, bytes_text) for what in ("wheel", "installed", "installed, with all it needs")
    ]
    with tempfile.TemporaryDirectory() as name:
        for engine, (distribution, _) in PEERS.items():
            if sizes.installed_version(distribution) is None:
                figures: list[float | str] = [MISSING] * 3
            elif engine == "pylstm":
                figures = _own_sizes(wheel, Path(name))
            else:
                figures = _sizes(distribution, fetch)
            for line, figure in zip(lines, figures, strict=True):
                line.figures[engine] = figure
            _tell(f"sizes of {engine}: {', '.join(map(str, figures))}")
    return lines


def _sizes(distribution: str, fetch: bool) -> list[float | str]:
    own = figure_or_reason(lambda: sizes.installed_bytes(distribution))
    wheel: float | str = "not fetched"
    if fetch:
        wheel = figure_or_reason(lambda: sizes.published_wheel_bytes(distribution))
    return [wheel, own, _with_needs(distribution, own)]


def _own_sizes(wheel: Path | None, folder: Path) -> list[float | str]:
    try:
        path = wheel or sizes.build_wheel(folder)
        own = sizes.unpacked_bytes(path)
    except sizes.NoFigureError as error:
        return [str(error)] * 3
    return [path.stat().st_size, own, _with_needs("pylstm", own)]


def _with_needs(distribution: str, own: float | str) -> float | str:
    """Add to a distribution's own bytes those of all that it needs."""
    if isinstance(own, str):
        return own
    return figure_or_reason(
        lambda: own + sum(map(sizes.installed_bytes, sizes.needed(distribution)))
    )


def import_lines(starts: int) -> list[Line]:
    """Measure the import in fresh processes, in a random order each round."""
    from benchmarks.report import seconds_text

    missing = {
        name: MISSING
        for name, (distribution, _) in PEERS.items()
        if sizes.installed_version(distribution) is None
    }
    lines = []
    for where, before in (("", ()), (" after NumPy", ("numpy",))):
        figures, failed = _imports(starts, before, [n for n in PEERS if n not in missing])
        reasons = {**missing, **failed}
        pair = (
            Line(f"import{where}", seconds_text),
            Line(f"memory of the import{where}", bytes_text),
        )
        for index, line in enumerate(pair):
            for name in PEERS:
                line.figures[name] = reasons.get(name) or median(f[index] for f in figures[name])
        lines += pair
    _tell("imports: done")
    return lines


def _imports(
    starts: int, before: tuple[str, ...], names: list[str]
) -> tuple[dict[str, list[tuple[float, int]]], dict[str, str]]:
    """Return seconds and bytes of every start, and why there are none."""
    figures: dict[str, list[tuple[float, int]]] = {name: [] for name in names}
    failed: dict[str, str] = {}
    shuffle = random.Random(0).shuffle
    for turn in range(starts + 1):  # the first round fills the caches
        order = [name for name in names if name not in failed]
        shuffle(order)
        for name in order:
            try:
                figure = import_once(PEERS[name][1], *before)
            except ImportFailedError as error:
                failed[name] = f"failed: {error}"
                continue
            if turn:
                figures[name].append(figure)
    return figures, failed


def speed_lines(rounds: int, target: float) -> list[Line]:
    """Time the cell and the tutorial's example; every result is checked first."""
    from benchmarks.measure import Options, measure_case
    from benchmarks.report import seconds_text

    lines = []
    for what, case, calls in (
        (f"a step of LSTMCell, {CELL.label.rpartition(' ')[0]}", CELL, STEPS),
        (f"the tutorial's LSTM, {TUTORIAL.label}", TUTORIAL, 1),
    ):
        line = Line(what, seconds_text)
        row = measure_case("compare", case, Options(rounds, target, tuple(PEERS)), None)
        for name, outcome in row.outcomes.items():
            if outcome.ok and outcome.seconds is not None:
                line.figures[name] = outcome.seconds.median / calls
                if outcome.ratio is not None:
                    line.ratios[name] = outcome.ratio.median
            else:
                absent = sizes.installed_version(PEERS[name][0]) is None
                line.figures[name] = MISSING if absent else outcome.status
        if row.disturbed > 0.01:
            line.what += f" ({row.disturbed:.0%} of the figures disturbed)"
        lines.append(line)
        _tell(f"{what}: done")
    return lines


def markdown(lines: list[Line], cores: list[int] | None, rounds: int) -> str:
    """Write the table and what it was measured on."""
    from benchmarks.report import table

    machine = environment.describe(cores)
    versions = machine["versions"]
    assert isinstance(versions, dict)
    head = ["", *(f"{name} {versions.get(PEERS[name][0], '')}".strip() for name in PEERS)]
    body = [[line.what, *(line.cell(name) for name in PEERS)] for line in lines]
    where = f"core {cores[0]}" if cores else "no core in particular"
    return "\n".join(
        [
            *table(head, body),
            f"In parentheses, multiples of pylstm's figure. {machine['cpu']}, one thread on "
            f"{where}, {machine['simd_level']} kernels, Python {versions['python']}, "
            f"NumPy {versions['numpy']}; medians of {rounds} rounds, ratios formed within each. "
            "Sizes are without compiled .pyc files; imports are processor time. In labels, b is "
            "the batch, i input_size, h hidden_size, t the steps, x the layers.",
        ]
    )


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("--core", type=int, help="core to pin to (default: the last one)")
    parser.add_argument("--quick", action="store_true", help="a fast look: few rounds")
    parser.add_argument("--wheel", type=Path, help="pylstm's wheel (default: one is built)")
    parser.add_argument("--no-fetch", action="store_true", help="do not fetch the peers' wheels")
    parser.add_argument("--no-sizes", action="store_true", help="times and memory only")
    options = parser.parse_args(arguments)
    cores = environment.prepare(options.core)
    rounds, target, starts = ROUNDS, TARGET, STARTS
    if options.quick:
        rounds, target, starts = QUICK_ROUNDS, QUICK_TARGET, QUICK_STARTS
    lines = [] if options.no_sizes else size_lines(options.wheel, not options.no_fetch)
    lines += import_lines(starts)
    lines += speed_lines(rounds, target)
    print(markdown(lines, cores, rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
