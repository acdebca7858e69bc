"""What calls have inside their sequences: ``python -m benchmarks.sequences``.

``lengths`` beside the packed call, ``reset`` beside none, ``trace`` beside the plain call, ``out``
beside none, and, where torch is installed, beside the loops in Python that its users write instead.
All results are compared first. Then what is compared takes turns, round by round, and the median
of the rounds' ratios counts. The exit status is 1 where a budget is missed; on a busy machine,
believe what three runs agree on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmarks import environment

if TYPE_CHECKING:
    from benchmarks.sequence_calls import Budget


def budgets(groups: list[str], cell: str) -> Iterator[Budget | str]:
    """Yield the checked budgets of some groups; a text where one cannot be measured."""
    from benchmarks import sequence_calls

    for group in groups:
        yield from sequence_calls.GROUPS[group](cell)


def measure(budget: Budget, rounds: int, target: float, slack: float) -> bool:
    """Time one budget, print its line; return whether the budget is kept."""
    from benchmarks.timing import interleave, ratios

    first, second = interleave(budget.runners, rounds, target).values()
    first = [max(each - budget.spare, 1e-12) for each in first]
    ratio = ratios(first, second)
    good = budget.holds(ratio.median, slack)
    bound = budget.bound / slack if budget.at_least else budget.bound * slack
    print(
        f"{budget.label:58} {ratio.median:7.3f} ({ratio.q1:.3f} to {ratio.q3:.3f}; "
        f"minima {min(first) / min(second):.3f})  "
        f"at {'least' if budget.at_least else 'most'} {bound:.4g}: {'holds' if good else 'FAILS'}",
        flush=True,
    )
    return good


GROUPS = ("lengths", "reset", "trace", "out", "stream", "torch")


def main(arguments: list[str] | None = None) -> int:
    """Command line: 0 where every budget is kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sequences", description=__doc__)
    add = parser.add_argument
    add("--group", nargs="+", choices=GROUPS, default=list(GROUPS), help="default: all")
    add("--cell", choices=["lstm", "gru", "rnn", "rnn-relu"], default="lstm")
    add("--rounds", type=int, default=40, help="figures of each call (default 40)")
    add("--target", type=float, default=5.0, metavar="MS", help="of one figure (default 5 ms)")
    add("--quick", action="store_true", help="a look: 7 rounds of 2 ms")
    add("--check", action="store_true", help="compare results, time nothing")
    add("--slack", type=float, default=1.0, help="factor of what is allowed")
    add("--core", type=int, help="core to pin to (default: the last one)")
    options = parser.parse_args(arguments)
    environment.prepare(options.core)
    rounds, target = (7, 2.0) if options.quick else (options.rounds, options.target)
    good = True
    for budget in budgets(options.group, options.cell):
        if isinstance(budget, str) or options.check:
            print(budget if isinstance(budget, str) else f"{budget.label}: the results agree")
        else:
            good &= measure(budget, rounds, target / 1e3, options.slack)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
