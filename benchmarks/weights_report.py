"""What a run with smaller weights shows and promises."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.budgets import NEVER_SLOWER, Budget
from benchmarks.engines import BASELINE
from benchmarks.grids import GRIDS
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
SMALL, SMALL_LEAST, SMALL_LEAST_VNNI = 32, 0.8, 0.91

# Against the fastest peer: the least of every cell, the geometric means by steps.
LEADS: dict[str, tuple[float, dict[int, float]]] = {
    "int8-fast": (1.2, {STEP: 2.5, LONG: 1.6}),
    "int16": (1.0, {}),
}


def _speed(outcome: Outcome) -> float | None:
    """Return float32's time over the engine's."""
    return 1 / outcome.ratio.median if outcome.ratio else None


def _cell(outcome: Outcome) -> str:
    if not outcome.ok or outcome.seconds is None:
        return outcome.status
    text = f"{seconds_text(outcome.seconds.median)}, {outcome.rms_error:.1e}"
    if outcome.ratio is not None:
        low, middle, high = (
            1 / value for value in (outcome.ratio.q3, outcome.ratio.median, outcome.ratio.q1)
        )
        text = f"{middle:.2f}× [{low:.2f}–{high:.2f}] {text}"
    if outcome.detail:
        text += f" ({outcome.detail})"
    if outcome.lead is not None:
        text += f"; {outcome.lead.median:.2f}× {outcome.rival}"
    return text


def _outcomes(rows: Sequence[Row], weights: str) -> list[tuple[Row, Outcome]]:
    """Return the rows where a storage was timed."""
    name = STORED[weights].name
    pairs = [(row, row.outcomes[name]) for row in rows if name in row.outcomes]
    return [(row, outcome) for row, outcome in pairs if outcome.ratio is not None]


def weights_lines(grid: str, rows: Sequence[Row]) -> list[str]:
    """Write a grid: geometric means of every storage, then all cells."""
    names = list(rows[0].outcomes)
    own = Outcome("")
    lines = []
    for row in rows:
        own = row.outcomes.get(BASELINE, Outcome("not asked for"))
        plain = Outcome(own.status, own.seconds, None, own.rms_error)
        others = [_cell(row.outcomes[name]) for name in names if name != BASELINE]
        lines.append([row.case.label, _cell(plain), *others])
    head = ["case", f"{BASELINE} float32", *(name for name in names if name != BASELINE)]
    return [*_means(grid, rows), f"## Grid {grid}", "", *table(head, lines)]


def _means(grid: str, rows: Sequence[Row]) -> list[str]:
    """Geometric means and worst cells over float32 and over the fastest peer, by steps."""
    lines = []
    for weights in STORED:
        for steps in sorted({row.case.steps for row in rows}):
            pairs = [pair for pair in _outcomes(rows, weights) if pair[0].case.steps == steps]
            speeds = [(_speed(outcome) or 0.0, row.case.label) for row, outcome in pairs]
            leads = [
                (outcome.lead.median, f"{row.case.label} ({outcome.rival})")
                for row, outcome in pairs
                if outcome.lead is not None
            ]
            if pairs:
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
    """Judge what is promised of smaller weights: over float32, and against the peers."""
    if grid != "head":
        return []
    budgets = []
    for weights in STORED:
        pairs = _outcomes(rows, weights)
        if pairs:
            budgets += _target_budgets(weights, pairs, flavour)
            budgets += _lead_budgets(weights, pairs)
    return budgets


def _target_budgets(
    weights: str, pairs: Sequence[tuple[Row, Outcome]], flavour: str | None
) -> list[Budget]:
    kind = pairs[0][0].case.kind
    targets, share = TARGETS.get(flavour or "", ({}, 1.0))
    if kind not in KIND_SHARES or not targets:
        return []
    share *= KIND_SHARES[kind]
    budgets = []
    for (steps, batches), goals in targets.get(weights, {}).items():
        for batch in batches:
            least = {hidden: share * goal for hidden, goal in zip(HIDDEN, goals, strict=True)}
            speeds = {
                row.case.hidden_size: _speed(outcome) or 0.0
                for row, outcome in pairs
                if (row.case.steps, row.case.batch) == (steps, batch)
            }
            found = {hidden: speeds[hidden] for hidden in HIDDEN if hidden in speeds}
            what = f"{weights}, T {steps}, batch {batch}: hidden {_slashes(HIDDEN)} over float32"
            holds = all(speed >= NEVER_SLOWER * least[hidden] for hidden, speed in found.items())
            budgets.append(
                Budget(
                    f"{what} >= {_slashes(f'{value:.2f}' for value in least.values())} (within 3 %)",
                    _slashes(f"{speeds[h]:.2f}" if h in speeds else "?" for h in HIDDEN),
                    None if holds and len(found) < len(HIDDEN) else holds,
                )
            )
    is_fast = weights == "int8-fast" or (weights == "int16" and "vnni" in str(flavour))
    least_small = SMALL_LEAST_VNNI if is_fast else SMALL_LEAST
    small = [
        (_speed(o) or 0.0, row.case.label) for row, o in pairs if row.case.hidden_size <= SMALL
    ]
    if small:
        worst, label = min(small)
        what = f"{weights}, hidden <= {SMALL}: over float32 >= {least_small}"
        budgets.append(Budget(what, f"worst {worst:.2f} at {label}", worst >= least_small))
    return budgets


def _lead_budgets(weights: str, pairs: Sequence[tuple[Row, Outcome]]) -> list[Budget]:
    if weights not in LEADS:
        return []
    least, means = LEADS[weights]
    cells = GRIDS["head"]
    leads = [(o.lead.median, row, o.rival) for row, o in pairs if o.lead is not None]
    if not leads:
        return []
    worst, row, rival = min(leads, key=lambda lead: lead[0])
    whole = len(leads) == len(cells)
    below = sum(lead < least for lead, _, _ in leads)
    figure = f"worst {worst:.2f} at {row.case.label} ({rival}), {below} of {len(leads)} below"
    holds = worst >= least
    what = f"{weights}: every cell over its fastest peer >= {least}"
    budgets = [Budget(what, figure, holds if whole or not holds else None)]
    for steps, mean_least in means.items():
        some = [lead for lead, row, _ in leads if row.case.steps == steps]
        whole = len(some) == sum(case.steps == steps for case in cells)
        mean = geometric_mean(some)
        what = f"{weights}, T {steps}: geometric mean over its fastest peer >= {mean_least}"
        budgets.append(
            Budget(what, f"{mean:.2f} of {len(some)} cells", mean >= mean_least if whole else None)
        )
    return budgets


def _slashes(values: Iterable[object]) -> str:
    return " / ".join(map(str, values))
