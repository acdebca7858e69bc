"""A run's figures as Markdown, JSON and SVG."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.budgets import (
    NEVER_SLOWER,
    Budget,
    cold_budgets,
    grid_budgets,
    memory_budgets,
    overhead_budgets,
    packed_budgets,
    round_trip_budgets,
    threads_budgets,
)
from benchmarks.chart import draw
from benchmarks.cold import STAGES, ColdRow
from benchmarks.engines import BASELINE
from benchmarks.measure import Outcome, Row
from benchmarks.memory import MEGABYTE, MemoryRow
from benchmarks.overhead import OverheadRow
from benchmarks.packed import PackedRow
from benchmarks.round_trip import RoundTripRow
from benchmarks.text import seconds_text, table
from benchmarks.timing import Spread, geometric_mean
from benchmarks.weights_report import LEGEND as LEGEND_OF_WEIGHTS
from benchmarks.weights_report import weights_budgets, weights_lines

# Share of disturbed figures from which on a report says so.
QUIET = 0.01

LEGEND = (
    "Each peer's cell: its time over pylstm's (median of the rounds' ratios, quartiles), its "
    "median time, its RMS error against float64. Above 1, pylstm is faster."
)


@dataclass
class Report:
    """Everything a run has measured; a special grid that was not asked for stays None."""

    command: str
    machine: dict[str, Any]
    options: dict[str, Any]
    cell: str = "lstm"
    weights: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    grids: dict[str, list[Row]] = field(default_factory=dict)
    cold: list[ColdRow] | None = None
    import_seconds: float | None = None
    overhead: list[OverheadRow] | str | None = None
    packed: list[PackedRow] | str | None = None
    round_trips: list[RoundTripRow] | str | None = None
    memory: list[MemoryRow] | str | None = None

    def budgets(self) -> list[Budget]:
        """Every promise about what was measured."""
        level = self.machine.get("simd_level")
        found: list[Budget] = []
        for grid, rows in self.grids.items():
            if self.weights:
                found += weights_budgets(grid, rows, self.machine.get("simd_flavour"))
            elif len(self.machine.get("pinned_to") or [0]) > 1:
                found += threads_budgets(grid, rows)
            else:
                found += grid_budgets(grid, rows, level)
        if self.cold is not None:
            found += cold_budgets(self.import_seconds)
        if self.overhead is not None:
            found += overhead_budgets(self.overhead)
        if self.packed is not None:
            found += packed_budgets(self.packed)
        if self.round_trips is not None:
            found += round_trip_budgets(self.round_trips)
        if self.memory is not None:
            found += memory_budgets(self.memory)
        return found


def _threads(machine: Mapping[str, Any]) -> str:
    """Say which cores the libraries had, each with a thread for every one of them."""
    pinned = machine["pinned_to"]
    if not pinned:
        return "not pinned"
    cores = f"cores {pinned}" if len(pinned) > 1 else f"core {pinned[0]}"
    return f"{cores} of {machine['cores']}, {_number_of_threads(machine)}"


def _number_of_threads(machine: Mapping[str, Any]) -> str:
    """Return how many threads each library had, in words for a title."""
    pinned = machine["pinned_to"]
    if not pinned:
        return "threads that are not pinned"
    return "one thread" if len(pinned) == 1 else f"{len(pinned)} threads"


def _cell_name(cell: str) -> str:
    """Return the kind's name for a title."""
    name, _, activation = cell.partition("-")
    return f"{name.upper()} ({activation})" if activation else name.upper()


def _share(spread: Spread | None) -> str:
    return f"{spread.median:.0%}" if spread else ""


def _peer_cell(outcome: Outcome) -> str:
    """Ratio with its quartiles, then the time and the RMS error; or why there are none."""
    if not outcome.ok or outcome.seconds is None:
        return outcome.status
    tail = f"{seconds_text(outcome.seconds.median)}, {outcome.rms_error:.1e}"
    if outcome.ratio is None:
        return tail
    ratio = outcome.ratio
    text = f"{ratio.median:.2f}× [{ratio.q1:.2f}–{ratio.q3:.2f}]"
    return f"**{text} SLOWER** {tail}" if ratio.median < NEVER_SLOWER else f"{text} {tail}"


def _grid_lines(grid: str, rows: Sequence[Row]) -> list[str]:
    peers = [name for name in rows[0].outcomes if name != BASELINE]
    head = ["case", "pylstm", "GFLOP/s", "of FMA loop", "of load loop", *peers, "fastest peer"]
    of_lstm = any(row.of_lstm for row in rows)
    if of_lstm:
        head.insert(5, "of our LSTM's time")
    lines = []
    for row in rows:
        own = row.outcomes.get(BASELINE)
        ratio = row.ratio()
        best = f"{ratio:.2f}× {row.fastest_peer()}" if ratio else row.fastest_peer() or ""
        lines.append(
            [
                row.case.label,
                _peer_cell(Outcome(own.status, own.seconds, None, own.rms_error)) if own else "",
                f"{row.gflops:.1f}" if row.gflops else "",
                _share(row.fma_fraction),
                _share(row.load_fraction),
                *([_share(row.of_lstm)] if of_lstm else []),
                *(_peer_cell(row.outcomes[peer]) for peer in peers),
                best,
            ]
        )
    return [f"## Grid {grid}", "", *table(head, lines), *_means(rows, peers)]


def _means(rows: Sequence[Row], peers: Sequence[str]) -> list[str]:
    """Geometric means over the cells where there is a ratio; how many those are is said."""
    lines = []
    for peer in (None, *peers):
        ratios = [ratio for row in rows if (ratio := row.ratio(peer)) is not None]
        if ratios:
            lines.append(
                [
                    peer or "fastest of each cell",
                    f"{geometric_mean(ratios):.2f}×",
                    f"{min(ratios):.2f}×",
                    f"{max(ratios):.2f}×",
                    f"{sum(ratio < NEVER_SLOWER for ratio in ratios)}",
                    f"{len(ratios)} of {len(rows)}",
                ]
            )
    if not lines:
        return []
    head = ["peer", "geometric mean", "worst", "best", "cells lost (< 0.97)", "cells measured"]
    return table(head, lines)


def _cold_lines(rows: Sequence[ColdRow]) -> list[str]:
    lines = []
    for row in rows:
        if not row.ok:
            lines.append([row.name, row.status, *[""] * (len(STAGES) + 1)])
            continue
        stages = [seconds_text(row.stages[stage]) for stage in STAGES]
        ratio = f"{row.ratio:.2f}×" if row.ratio else ""
        lines.append([row.name, *stages, seconds_text(row.total), ratio])
    head = ["library", *STAGES, "total", "over pylstm"]
    return ["## Cold start (median over fresh processes)", "", *table(head, lines)]


def _overhead_lines(rows: list[OverheadRow] | str) -> list[str]:
    title = ["## Call overhead", ""]
    if isinstance(rows, str):
        return [*title, rows, ""]
    lines = [
        [
            f"`{row.call}`",
            seconds_text(row.seconds.median) if row.seconds else "absent",
            f"{row.ratio.median:.2f} [{row.ratio.q1:.2f}–{row.ratio.q3:.2f}]" if row.ratio else "",
            f"`{row.against}`" if row.against else "",
            f"{row.allowed}" if row.allowed else "",
        ]
        for row in rows
    ]
    return [*title, *table(["call", "time", "ratio", "over", "allowed"], lines)]


def _packed_lines(rows: list[PackedRow] | str) -> list[str]:
    title = ["## Packed input", ""]
    if isinstance(rows, str):
        return [*title, rows, ""]
    lines = [
        [
            row.case.label,
            f"{row.share:.2f}",
            seconds_text(row.seconds.median),
            f"{row.ratio.median:.2f} [{row.ratio.q1:.2f}–{row.ratio.q3:.2f}]",
            f"{row.torch_ratio.median:.2f}" if row.torch_ratio else "",
            f"{row.versus_torch.median:.2f}×" if row.versus_torch else "",
            f"{row.max_error:.1e}",
        ]
        for row in rows
    ]
    head = ["case", "tokens", "pylstm packed", "packed / padded", "the same in torch"]
    head += ["torch packed / pylstm packed", "greatest error"]
    return [*title, *table(head, lines)]


def _round_trip_lines(rows: list[RoundTripRow] | str) -> list[str]:
    title = ["## Pack, packed call and pad", ""]
    if isinstance(rows, str):
        return [*title, rows, ""]
    lines = [
        [
            row.label,
            seconds_text(row.seconds.median),
            seconds_text(row.plain.median),
            f"{row.ratio.median:.2f} [{row.ratio.q1:.2f}–{row.ratio.q3:.2f}]",
            "" if row.allowed is None else f"{row.allowed}",
        ]
        for row in rows
    ]
    return [*title, *table(["case", "all three", "plain call", "ratio", "allowed"], lines)]


def _memory_lines(rows: list[MemoryRow] | str) -> list[str]:
    title = ["## Memory of a call", ""]
    if isinstance(rows, str):
        return [*title, rows, ""]
    lines = [
        [
            row.label,
            *(f"{size / MEGABYTE:.2f} MB" for size in (row.outputs, row.beyond, row.allowed)),
        ]
        for row in rows
    ]
    return [*title, *table(["case", "outputs", "peak beyond them", "allowed"], lines)]


def budget_lines(budgets: Sequence[Budget]) -> list[str]:
    """Write the summary: every promise, its figure and whether it holds."""
    lines = [[budget.what, budget.figure, budget.verdict] for budget in budgets]
    return ["## Budgets", "", *table(["promise", "measured", "verdict"], lines)]


def markdown(report: Report) -> str:
    """Write the whole run as Markdown."""
    machine = report.machine
    versions = ", ".join(f"{name} {text}" for name, text in machine["versions"].items())
    what = "" if report.cell == "lstm" else f" of {_cell_name(report.cell)}"
    smaller = " and smaller weights" if report.weights else ""
    level = machine["simd_level"]
    if report.weights:
        level += f", with smaller weights {machine['simd_flavour']}"
    lines = [
        f"# Results{what} with {_number_of_threads(machine)}{smaller}",
        "",
        f"`{report.command}`",
        "",
        f"{machine['cpu']}, {_threads(machine)}; "
        f"{machine['system']}; pylstm's SIMD level: {level}. {versions}.",
        "",
        LEGEND_OF_WEIGHTS if report.weights else LEGEND,
        "",
        *(f"> {note}\n" for note in report.notes),
    ]
    disturbed = [row.disturbed for rows in report.grids.values() for row in rows]
    if max(disturbed, default=0) > QUIET:
        mean = sum(disturbed) / len(disturbed)
        lines += [
            f"> Not a quiet machine: other processes disturbed {mean:.0%} of the figures.",
            "",
        ]
    budgets = report.budgets()
    if budgets:
        lines += budget_lines(budgets)
    for grid, rows in report.grids.items():
        if rows:
            lines += weights_lines(grid, rows) if report.weights else _grid_lines(grid, rows)
    if report.cold is not None:
        lines += _cold_lines(report.cold)
    if report.overhead is not None:
        lines += _overhead_lines(report.overhead)
    if report.packed is not None:
        lines += _packed_lines(report.packed)
    if report.round_trips is not None:
        lines += _round_trip_lines(report.round_trips)
    if report.memory is not None:
        lines += _memory_lines(report.memory)
    return "\n".join(lines)


def as_json(report: Report) -> str:
    """Write the whole run as JSON."""

    def plain(rows: Any) -> Any:
        return [asdict(row) for row in rows] if isinstance(rows, list) else rows

    content = {
        "command": report.command,
        "machine": report.machine,
        "options": report.options,
        "cell": report.cell,
        "weights": report.weights,
        "notes": report.notes,
        "budgets": [{**asdict(budget), "verdict": budget.verdict} for budget in report.budgets()],
        "grids": {grid: [row.as_json() for row in rows] for grid, rows in report.grids.items()},
        "cold": plain(report.cold),
        "import_seconds": report.import_seconds,
        "overhead": plain(report.overhead),
        "packed": plain(report.packed),
        "round_trips": plain(report.round_trips),
        "memory": plain(report.memory),
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def svg(report: Report) -> str:
    """Draw a chart of all cases of the run."""
    machine = report.machine
    versions = machine["versions"]
    compared = {
        grid: rows
        for grid, rows in report.grids.items()
        if rows and any(name != BASELINE for name in rows[0].outcomes)
    }
    title = f"Time of the fastest peer over pylstm's, {_threads(report.machine)}"
    if report.cell != "lstm":
        title += f", {_cell_name(report.cell)}"
    if len(compared) == 1:
        title += f", grid {next(iter(compared))}"
    subtitle = f"{machine['cpu']}, {machine['simd_level']}; torch {versions['torch']}, "
    subtitle += f"onnxruntime {versions['onnxruntime']}, OpenVINO {versions['openvino']}"
    return draw(title, subtitle, compared)
