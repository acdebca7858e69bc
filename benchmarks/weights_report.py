"""What a run with smaller weights shows and promises."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.budgets import NEVER_SLOWER, Budget
from benchmarks.engines import BASELINE
from benchmarks.grids import GRIDS, Case
from benchmarks.measure import Outcome, Row
from benchmarks.text import seconds_text, table
from benchmarks.timing import geometric_mean
from benchmarks.weights_engines import STORED

LEGEND = (
    "Each cell: the time of pylstm's float32 over this engine's (median of the rounds' ratios, "
    "quartiles), its median time, its RMS error of the output against float64 arithmetic with the "
    "float32 weights. Above 1, it is faster than pylstm in float32. int8 and int8-fast are also "
    "compared with the fastest 8-bit peer of the cell, int16 and bfloat16 with the fastest "
    "bfloat16 peer: that peer's time over theirs comes last. Every call gets states."
)

HIDDEN = (64, 128, 256, 512)
LONG, STEP = 100, 1
# Least speed over float32 at these hidden sizes, by storage, steps and batches.
Targets = dict[str, dict[tuple[int, tuple[int, ...]], tuple[float, ...]]]
AVX512: Targets = {
    "int8": {
        (LONG, (1,)): (1.9, 2.5, 2.9, 3.8),
        (LONG, (8, 32)): (1.7, 2.05, 2.3, 2.5),
        (STEP, (1,)): (2.4, 2.3, 6.0, 4.6),
    },
    "int8-fast": {
        (LONG, (1,)): (2.1, 3.0, 3.6, 4.6),
        (LONG, (8, 32)): (2.05, 2.65, 3.2, 3.5),
        (STEP, (1,)): (2.6, 2.3, 6.0, 4.6),
    },
    "int16": {
        (LONG, (1,)): (1.6, 1.8, 2.2, 2.1),
        (LONG, (8, 32)): (1.45, 1.65, 1.8, 1.9),
        (STEP, (1,)): (1.5, 1.45, 2.4, 2.2),
    },
    **{
        weights: {
            (LONG, (1,)): (0.97, 1.1, 1.3, 1.5),
            (LONG, (8, 32)): (0.96, 0.96, 0.96, 0.96),
            (STEP, (1,)): (1.2, 1.1, 2.0, 2.0),
        }
        for weights in ("bfloat16", "float16")
    },
}
AVX2: Targets = {
    "int8-fast": {(LONG, (1, 8, 32)): (1.2, 1.4, 1.5, 1.6)},
    "int16": {(LONG, (1, 8, 32)): (1.15, 1.25, 1.3, 1.35)},
}
# By flavour: the targets, and what share of them is promised.
TARGETS: dict[str, tuple[Targets, float]] = {
    "avx512-vnni": (AVX512, 1.0),
    "avx2-vnni": ({weights: AVX512[weights] for weights in ("int8-fast", "int16")}, 0.9),
    "avx2": (AVX2, 1.0),
}
KIND_SHARES = {"lstm": 1.0, "gru": 0.9}
# Below the sizes of the targets the cell takes most of the time: a part of float32's speed.
SMALL, SMALL_LEAST, SMALL_LEAST_FAST = 32, 0.8, 0.91

# Against the fastest peer: the least of every cell, the geometric means by steps.
LEADS: dict[str, tuple[float, dict[int, float]]] = {
    "int8-fast": (1.2, {STEP: 2.5, LONG: 1.6}),
    "int16": (1.0, {}),
}


@dataclass(frozen=True)
class Cell:
    """One storage on one case: float32's time over its time, and its fastest peer's over its."""

    case: Case
    speed: float
    lead: float | None
    rival: str | None


def _cells(rows: Sequence[Row], weights: str) -> list[Cell]:
    """Return the cells where a storage was timed beside float32."""
    pairs = [(row.case, row.outcomes.get(STORED[weights].name)) for row in rows]
    return [
        Cell(case, 1 / each.ratio.median, each.lead.median if each.lead else None, each.rival)
        for case, each in pairs
        if each is not None and each.ratio is not None
    ]


def weights_lines(grid: str, rows: Sequence[Row]) -> list[str]:
    """Write a grid: geometric means of every storage, then all cells."""
    names = list(rows[0].outcomes)
    lines = [[row.case.label, *(_text(row.outcomes[name]) for name in names)] for row in rows]
    head = ["case", *("pylstm float32" if name == BASELINE else name for name in names)]
    return [*_means(grid, rows), f"## Grid {grid}", "", *table(head, lines)]


def _text(outcome: Outcome) -> str:
    """Write speed over float32, time, error, and the lead over the fastest peer."""
    if not outcome.ok or outcome.seconds is None:
        return outcome.status
    text = f"{seconds_text(outcome.seconds.median)}, {outcome.rms_error:.1e}"
    ratio, lead = outcome.ratio, outcome.lead
    if ratio is not None and ratio.median != 1:  # that of float32 itself
        text = f"{1 / ratio.median:.2f}× [{1 / ratio.q3:.2f}–{1 / ratio.q1:.2f}] {text}"
    if outcome.detail:
        text += f" ({outcome.detail})"
    return text if lead is None else f"{text}; {lead.median:.2f}× {outcome.rival}"


def _means(grid: str, rows: Sequence[Row]) -> list[str]:
    """Geometric means and worst cells over float32 and over the fastest peer, by steps."""
    lines = []
    for weights in STORED:
        for steps in sorted({row.case.steps for row in rows}):
            cells = [cell for cell in _cells(rows, weights) if cell.case.steps == steps]
            speeds = [(cell.speed, cell.case.label) for cell in cells]
            leads = [
                (cell.lead, f"{cell.case.label} ({cell.rival})")
                for cell in cells
                if cell.lead is not None
            ]
            if cells:
                lines.append([weights, f"{steps}", *_mean_cells(speeds), *_mean_cells(leads)])
    head = ["storage", "T", "over float32", "worst", "over its fastest peer", "worst"]
    return [f"## Geometric means, grid {grid}", "", *table(head, lines)]


def _mean_cells(values: Sequence[tuple[float, str]]) -> list[str]:
    if not values:
        return ["", ""]
    worst, label = min(values)
    mean = geometric_mean(value for value, _ in values)
    return [f"{mean:.2f}× of {len(values)} cells", f"{worst:.2f}× at {label}"]


def weights_budgets(grid: str, rows: Sequence[Row], flavour: str | None) -> list[Budget]:
    """Judge smaller weights: their results, and of the head grid what is promised of speed."""
    budgets = []
    for weights, engine in STORED.items():
        run = [row.outcomes[engine.name] for row in rows if engine.name in row.outcomes]
        if not run:
            continue
        wrong = sum(not outcome.ok for outcome in run)
        what = f"{grid}, {weights}: no result further than {engine.tolerance} from float64"
        budgets.append(Budget(what, f"{len(run) - wrong} of {len(run)} cells", not wrong))
        if grid == "head":
            cells = _cells(rows, weights)
            budgets += _target_budgets(weights, cells, flavour)
            budgets += _small_budgets(weights, cells, flavour)
            budgets += _lead_budgets(weights, cells)
    return budgets


def _target_budgets(weights: str, cells: Sequence[Cell], flavour: str | None) -> list[Budget]:
    """Judge the speed over float32 at the hidden sizes that have targets."""
    targets, share = TARGETS.get(flavour or "", ({}, 1.0))
    budgets = []
    for (steps, batches), goals in targets.get(weights, {}).items():
        for batch in batches:
            some = [c for c in cells if (c.case.steps, c.case.batch) == (steps, batch)]
            share_of_kind = KIND_SHARES.get(some[0].case.kind) if some else None
            if share_of_kind is None:
                continue
            least = [share * share_of_kind * goal for goal in goals]
            speeds = {cell.case.hidden_size: cell.speed for cell in some}
            goals_of = dict(zip(HIDDEN, least, strict=True))
            fails = any(speeds.get(h, goal) < NEVER_SLOWER * goal for h, goal in goals_of.items())
            what = f"{weights}, T {steps}, batch {batch}, hidden {_slashes(HIDDEN)}: over float32"
            what += f" >= {_slashes(f'{goal:.2f}' for goal in least)} (within 3 %)"
            figure = _slashes(f"{speeds[h]:.2f}" if h in speeds else "–" for h in HIDDEN)
            whole = speeds.keys() >= goals_of.keys()
            budgets.append(Budget(what, figure, not fails if whole or fails else None))
    return budgets


def _small_budgets(weights: str, cells: Sequence[Cell], flavour: str | None) -> list[Budget]:
    is_fast = weights == "int8-fast" or (weights == "int16" and "vnni" in str(flavour))
    least = SMALL_LEAST_FAST if is_fast else SMALL_LEAST
    small = [(cell.speed, cell.case.label) for cell in cells if cell.case.hidden_size <= SMALL]
    if not small:
        return []
    worst, label = min(small)
    what = f"{weights}, hidden <= {SMALL}: every cell over float32 >= {least}"
    return [Budget(what, f"worst {worst:.2f} at {label}", worst >= least)]


def _lead_budgets(weights: str, cells: Sequence[Cell]) -> list[Budget]:
    """Judge the speed over the fastest peer: every cell, and geometric means."""
    least, means = LEADS.get(weights, (0.0, {}))
    leads = [(cell.lead, cell) for cell in cells if cell.lead is not None]
    if weights not in LEADS or not leads:
        return []
    worst, cell = min(leads, key=lambda lead: lead[0])
    below = sum(lead < least for lead, _ in leads)
    figure = f"worst {worst:.2f} at {cell.case.label} ({cell.rival}), {below} of {len(leads)} below"
    what = f"{weights}: every cell over its fastest peer >= {least}"
    whole = len(leads) == len(GRIDS["head"])
    budgets = [Budget(what, figure, not below if whole or below else None)]
    for steps, goal in means.items():
        some = [lead for lead, cell in leads if cell.case.steps == steps]
        what = f"{weights}, T {steps}: geometric mean over its fastest peer >= {goal}"
        mean = geometric_mean(some)
        whole = len(some) == sum(case.steps == steps for case in GRIDS["head"])
        budgets.append(
            Budget(what, f"{mean:.2f} of {len(some)} cells", mean >= goal if whole else None)
        )
    return budgets


def _slashes(values: Iterable[object]) -> str:
    return " / ".join(map(str, values))
