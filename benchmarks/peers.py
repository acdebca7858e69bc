"""pylstm and its peers side by side: ``python -m benchmarks.peers [--grid NAME ...]``."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import environment, grids
from benchmarks.kinds import KINDS

if TYPE_CHECKING:
    from benchmarks.report import Report

ROUNDS, TARGET_MS = 15, 5.0
QUICK_ROUNDS, QUICK_TARGET_MS = 5, 1.0
COLD_ROUNDS, QUICK_COLD_ROUNDS = 7, 2
SETTLE = 0.05  # seconds, where libraries have threads that spin when their work is done


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    add = parser.add_argument
    names = [*grids.GRIDS, *grids.SPECIAL]
    add("--grid", nargs="+", choices=[*names, "all"], default=["head"], help="what to measure")
    add("--cell", choices=list(KINDS), default="lstm", help="the kind (default lstm)")
    add("--weights", type=_storages, metavar="LIST", help="smaller weights: int8,int16 ..., or all")
    add("--filter", action="append", default=[], metavar="WORDS", help='only cases like "b1 h64"')
    add("--rounds", type=int, help=f"rounds per case (default {ROUNDS})")
    add("--target", type=float, metavar="MS", help=f"of one figure (default {TARGET_MS} ms)")
    add("--engines", nargs="+", metavar="NAME", help="only these, for example pylstm openvino")
    add("--compile", choices=["all", "some", "none"], help="cases for torch.compile (default all)")
    add("--compile-timeout", type=int, default=120, metavar="S", help="of one compilation")
    add("--core", type=int, help="core to pin to, or the last of them (default: the last one)")
    add("--threads", type=int, default=1, metavar="N", help="of each library (default 1)")
    add("--quick", action="store_true", help="a fast look: few rounds, nothing compiled")
    add("--json", type=Path, metavar="FILE")
    add("--markdown", type=Path, metavar="FILE")
    add("--svg", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    if "all" in options.grid:
        options.grid = names
    if options.weights and (options.svg or not set(options.grid) <= set(grids.GRIDS)):
        parser.error("--weights takes grids of cases, and draws no --svg")
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    options.target = options.target or (QUICK_TARGET_MS if options.quick else TARGET_MS)
    options.compile = options.compile or ("none" if options.quick else "all")
    return options


def _storages(text: str) -> list[str]:
    names = list(grids.STORAGES) if text == "all" else text.split(",")
    wrong = [name for name in names if name not in grids.STORAGES]
    if wrong:
        known = ", ".join(grids.STORAGES)
        raise argparse.ArgumentTypeError(f"{', '.join(wrong)}: not one of {known}")
    return names


def _engines(options: argparse.Namespace) -> list[str]:
    """Names of the engines to run."""
    from benchmarks.measure import ENGINES
    from benchmarks.weights_engines import engine_names

    known = engine_names(options.weights) if options.weights else list(ENGINES)
    words = options.engines
    return [name for name in known if not words or any(word in name for word in words)]


def run(options: argparse.Namespace, cores: list[int] | None) -> Report:
    """Measure everything that was asked for, telling standard error how far it is."""
    # Only now may NumPy and the peers be imported: environment.prepare() has run.
    from benchmarks import measure
    from benchmarks.cold import measure_cold
    from benchmarks.memory import measure_memory
    from benchmarks.overhead import measure_overhead
    from benchmarks.packed import measure_packed
    from benchmarks.report import Report
    from benchmarks.round_trip import measure_round_trips
    from benchmarks.torch_engines import TorchCompiled

    TorchCompiled.which = options.compile
    TorchCompiled.time_box = options.compile_timeout
    chosen = _engines(options)
    roof, roof_text = None, f"{options.threads} threads"
    # The loops run on one core, in float32: shares of them say nothing else.
    if options.weights:
        roof_text = "smaller weights"
    elif options.threads == 1:
        roof, roof_text = measure.open_roof()
    report = Report(
        command="python -m benchmarks.peers " + shlex.join(options.arguments),
        machine=environment.describe(cores),
        options={"rounds": options.rounds, "target_ms": options.target, "roof": roof_text},
        cell=options.cell,
        weights=options.weights or [],
        notes=_notes(options, cores, None if roof else roof_text),
    )
    seconds = options.target / 1e3
    settle = SETTLE if options.threads > 1 else 0.0
    settings = measure.Options(options.rounds, seconds, chosen, settle)
    for grid in options.grid:
        started = time.monotonic()
        if grid in grids.GRIDS:
            # Smaller weights: with states, so that no call leaves out half of its products.
            states = bool(options.weights)
            cases = grids.select(grids.GRIDS[grid], options.filter, options.cell, states)
            report.grids[grid] = []
            for number, case in enumerate(cases, 1):
                row = measure.measure_case(grid, case, settings, roof)
                report.grids[grid].append(row)
                _tell(f"{grid} {number}/{len(cases)} {case.label}: {_progress(row)}")
        elif grid == "cold":
            count = QUICK_COLD_ROUNDS if options.quick else COLD_ROUNDS
            names = [name for name in chosen if options.compile != "none" or "compile" not in name]
            report.cold, report.import_seconds = measure_cold(count, names)
        elif grid == "overhead":
            report.overhead = measure_overhead(options.rounds, seconds, options.cell)
        elif grid == "packed":
            report.packed = measure_packed(options.rounds, seconds, options.cell)
            report.round_trips = measure_round_trips(options.rounds, seconds, options.cell)
        elif grid == "memory":
            report.memory = measure_memory(options.cell)
        _tell(f"{grid}: {time.monotonic() - started:.0f} s")
    return report


def _notes(options: argparse.Namespace, cores: list[int] | None, no_roof: str | None) -> list[str]:
    """List what a reader has to know before believing the figures."""
    notes = []
    if options.rounds < ROUNDS or options.quick:
        notes.append("A quick run: good for a look, not as evidence.")
    if options.filter or options.engines or (options.compile != "all" and not options.weights):
        notes.append("Not every case or not every peer was asked for.")
    if cores is None:
        notes.append("This system cannot pin a process to a core.")
    if no_roof and not options.weights:
        notes.append(f"No multiply-add and load loops: {no_roof}.")
    return notes


def _progress(row: object) -> str:
    from benchmarks.measure import Row
    from benchmarks.report import seconds_text

    assert isinstance(row, Row)
    peer = row.fastest_peer()
    found = [
        f"{name} {seconds_text(outcome.seconds.median) if outcome.seconds else outcome.status}"
        for name, outcome in row.outcomes.items()
    ]
    ratio = row.ratio()
    best = f"{ratio:.2f}x against {peer}; " if ratio else ""
    return best + ", ".join(found)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Command line. Returns 1 where a budget fails, so that a script can tell."""
    options = parse_arguments(arguments)
    options.arguments = sys.argv[1:] if arguments is None else arguments
    cores = environment.prepare(options.core, options.threads)
    report = run(options, cores)
    from benchmarks import report as reports

    text = reports.markdown(report)
    outputs = {options.json: reports.as_json, options.svg: reports.svg}
    for path, render in outputs.items():
        if path:
            path.write_text(render(report), encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")
        text = "\n".join(reports.budget_lines(report.budgets()))
    print(text)
    return 1 if any(budget.holds is False for budget in report.budgets()) else 0


if __name__ == "__main__":
    sys.exit(main())
