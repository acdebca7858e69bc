"""The promises about speed and memory, and whether a run keeps them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.grids import GRIDS
from benchmarks.measure import Row
from benchmarks.memory import MEGABYTE, MemoryRow
from benchmarks.onnx_engines import OnnxRuntime
from benchmarks.overhead import OverheadRow
from benchmarks.packed import ALLOWED, PackedRow
from benchmarks.round_trip import RoundTripRow
from benchmarks.timing import geometric_mean
from benchmarks.torch_engines import TorchEager

# 3 % is what repeated runs of the same thing differ by on a quiet machine.
NEVER_SLOWER = 0.97

# Share of the multiply-add loop by hidden size, batch >= 8, T = 100.
FMA_SHARES = {
    "avx512": {64: 0.80, 128: 0.86, 256: 0.90, 512: 0.90},
    "avx2": {64: 0.70, 128: 0.78, 256: 0.82, 512: 0.82},
}
LOAD_SHARE = 0.90
# Geometric means of the head grid against the fastest peer, over all cells (None) and by steps.
HEAD_MEANS: dict[str, dict[int | None, float]] = {
    "lstm": {None: 1.6, 1: 2.2, 10: 1.5, 100: 1.25},
    "gru": {None: 1.8, 1: 2.4, 10: 1.7, 100: 1.3},
    "rnn": {None: 1.8},
    "rnn-relu": {None: 1.8},
}
# Most of our LSTM's time at the same size: from a hidden size on, the later one counts.
OF_LSTM: dict[str, dict[int, float]] = {
    "gru": {0: 1.0, 64: 0.88},
    "rnn": {128: 0.45},
    "rnn-relu": {128: 0.45},
}
IMPORT_SECONDS = 5e-3


FASTEST = "geometric mean against the fastest peer"


@dataclass
class Budget:
    """One promise. ``holds`` is None where the figures at hand cannot tell."""

    what: str
    figure: str
    holds: bool | None

    @property
    def verdict(self) -> str:
        return {True: "holds", False: "FAILS", None: "not decided"}[self.holds]


def _mean_budget(
    what: str, rows: Sequence[Row], cells: int, least: float, peer: str | None = None
) -> Budget:
    """Judge a geometric mean over ``cells`` cells; over fewer of them it decides nothing."""
    values = [ratio for row in rows if (ratio := row.ratio(peer)) is not None]
    what = f"{what} >= {least}"
    if len(values) == cells:
        mean = geometric_mean(values)
        return Budget(what, f"{mean:.2f}", mean >= least)
    figure = f"{geometric_mean(values):.2f} over " if values else ""
    return Budget(what, f"{figure}{len(values)} of {cells} cells", None)


def _worst_budget(grid: str, rows: Sequence[Row]) -> Budget:
    what = f"{grid}: no cell more than 3 % slower than its fastest peer"
    cells = len(GRIDS[grid])
    measured = [(ratio, row) for row in rows if (ratio := row.ratio()) is not None]
    if not measured:
        return Budget(what, f"0 of {cells} cells", None)
    worst, row = min(measured, key=lambda pair: pair[0])
    losses = sum(ratio < NEVER_SLOWER for ratio, _ in measured)
    figure = f"worst {worst:.2f} at {row.case.label} ({row.fastest_peer()}), {losses} below 0.97"
    figure += _missing(rows)
    if len(measured) < cells:
        figure += f"; {len(measured)} of {cells} cells"
        return Budget(what, figure, None if worst >= NEVER_SLOWER else False)
    return Budget(what, figure, worst >= NEVER_SLOWER)


def _missing(rows: Sequence[Row]) -> str:
    """Say which peers have no time in how many cells: the claim does not cover them."""
    counts = Counter(
        name for row in rows for name, outcome in row.outcomes.items() if outcome.seconds is None
    )
    return "".join(f"; no {name} in {number} cells" for name, number in counts.items())


def grid_budgets(grid: str, rows: Sequence[Row], level: str | None) -> list[Budget]:
    """Judge what a grid of cases promises."""
    if grid == "stream":
        return [_load_budget(row) for row in rows]
    budgets = [_worst_budget(grid, rows)]
    kind = rows[0].case.kind
    if grid == "head":
        budgets += _head_means(kind, rows)
        budgets += _of_lstm_budgets(kind, rows)
    if kind != "lstm" or grid not in ("head", "people"):
        return budgets
    eager = TorchEager.name
    cells = len(GRIDS[grid])
    if grid == "people":
        budgets.append(_mean_budget(f"people: {FASTEST}", rows, cells, 1.4))
    least = 4.0 if grid == "head" else 3.5
    against_eager = f"{grid}: geometric mean against {eager}"
    budgets.append(_mean_budget(against_eager, rows, cells, least, eager))
    return budgets + (_fma_budgets(rows, level) if grid == "head" else [])


def _head_means(kind: str, rows: Sequence[Row]) -> list[Budget]:
    budgets = []
    for steps, least in HEAD_MEANS[kind].items():
        some = [row for row in rows if steps in (None, row.case.steps)]
        cells = sum(steps in (None, case.steps) for case in GRIDS["head"])
        what = "head" if steps is None else f"head, T {steps}"
        if some:
            budgets.append(_mean_budget(f"{what}: {FASTEST}", some, cells, least))
    return budgets


def _of_lstm_budgets(kind: str, rows: Sequence[Row]) -> list[Budget]:
    """Judge the time against our LSTM's of the same size, by bands of hidden sizes."""
    bands = OF_LSTM.get(kind, {})
    ends: list[int | None] = [*list(bands)[1:], *([None] if bands else [])]
    budgets = []
    for (first, allowed), end in zip(bands.items(), ends, strict=True):
        measured = [
            (row.of_lstm.median, row.case.label)
            for row in rows
            if row.of_lstm is not None
            and row.case.hidden_size >= first
            and (end is None or row.case.hidden_size < end)
        ]
        band = f"from hidden {first} on" if end is None else f"below hidden {end}"
        what = f"head, {band}: at most {allowed:.2f} of our LSTM's time"
        if measured:
            worst, label = max(measured)
            over = sum(share > allowed for share, _ in measured)
            figure = f"worst {worst:.2f} at {label}, {over} of {len(measured)} above"
            budgets.append(Budget(what, figure, worst <= allowed))
    return budgets


def threads_budgets(grid: str, rows: Sequence[Row]) -> list[Budget]:
    """Judge what is promised where every library has several threads."""
    peers = (TorchEager.name, OnnxRuntime.name)
    measured = [
        (min(ratios), row)
        for row in rows
        if len(ratios := [ratio for peer in peers if (ratio := row.ratio(peer)) is not None]) == 2
    ]
    if grid not in ("head", "people") or not measured:
        return []
    worst, row = min(measured, key=lambda pair: pair[0])
    mean = geometric_mean(ratio for ratio, _ in measured)
    against = f"{grid}, several threads, against {' and '.join(peers)}"
    whole = len(measured) == len(GRIDS[grid])
    return [
        Budget(
            f"{against}: never slower (within 3 %)",
            f"worst {worst:.2f} at {row.case.label}",
            (worst >= NEVER_SLOWER) if whole or worst < NEVER_SLOWER else None,
        ),
        Budget(f"{against}: geometric mean >= 1.6", f"{mean:.2f}", mean >= 1.6 if whole else None),
    ]


def _fma_budgets(rows: Sequence[Row], level: str | None) -> list[Budget]:
    budgets = []
    for hidden, least in FMA_SHARES.get(level or "", {}).items():
        for row in rows:
            case = row.case
            if case.hidden_size != hidden or case.batch < 8 or case.steps != 100:
                continue
            what = f"{case.label}: share of the {level} multiply-add loop >= {least:.2f}"
            share = row.fma_fraction
            if share is None:
                budgets.append(Budget(what, "", None))
            else:
                budgets.append(Budget(what, f"{share.median:.2f}", share.median >= least))
    return budgets


def _load_budget(row: Row) -> Budget:
    what = f"{row.case.label}: share of the load-only loop >= {LOAD_SHARE:.2f}"
    share = row.load_fraction
    if share is None:
        return Budget(what, "", None)
    return Budget(what, f"{share.median:.2f}", share.median >= LOAD_SHARE)


def overhead_budgets(rows: Sequence[OverheadRow] | str) -> list[Budget]:
    """Judge the call overhead against one NumPy addition."""
    if isinstance(rows, str):
        return [Budget("call overhead", rows, None)]
    return [
        Budget(f"{row.call} <= {row.allowed} x {row.against}", f"{row.ratio.median:.2f}", row.holds)
        for row in rows
        if row.allowed is not None and row.ratio is not None
    ]


def packed_budgets(rows: Sequence[PackedRow] | str) -> list[Budget]:
    """Judge packed input: half the tokens in at most 0.6 of the time."""
    if isinstance(rows, str):
        return [Budget("packed input", rows, None)]
    return [
        Budget(
            f"packed {row.case.label}: half the tokens <= {ALLOWED} of the time",
            f"{row.ratio.median:.2f}",
            row.holds,
        )
        for row in rows
    ]


def round_trip_budgets(rows: Sequence[RoundTripRow] | str) -> list[Budget]:
    """Judge pack, packed call and pad together against the plain call."""
    if isinstance(rows, str):
        return [Budget("pack, call and pad", rows, None)]
    return [
        Budget(
            f"pack, call and pad {row.label} <= {row.allowed} x the plain call",
            f"{row.ratio.median:.2f}",
            row.holds,
        )
        for row in rows
        if row.allowed is not None
    ]


def memory_budgets(rows: Sequence[MemoryRow] | str) -> list[Budget]:
    """Judge the peak memory beyond inputs, outputs and weights."""
    if isinstance(rows, str):
        return [Budget("memory of a call", rows, None)]
    return [
        Budget(
            f"memory {row.label}: beyond the outputs <= {row.allowed / MEGABYTE:.1f} MB",
            f"{row.beyond / MEGABYTE:.2f} MB",
            row.holds,
        )
        for row in rows
    ]


def cold_budgets(import_seconds: float | None) -> list[Budget]:
    """Judge the import time above NumPy's."""
    what = "import pylstm after NumPy <= 5 ms"
    if import_seconds is None:
        return [Budget(what, "", None)]
    return [Budget(what, f"{import_seconds * 1e3:.1f} ms", import_seconds <= IMPORT_SECONDS)]
