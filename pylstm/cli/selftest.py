"""Check the recorded bits at every SIMD level that this machine can run."""

from __future__ import annotations

import argparse
from contextlib import ExitStack

import pylstm
from pylstm import _core
from pylstm.contract import LevelRun, recorded_hashes, runs_here


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(arguments: argparse.Namespace) -> int:
    """Print the hash of every case of the numeric contract, and which levels give it."""
    levels = runs_here()
    print(f"pylstm {pylstm.__version__}, compiled by {_core.compiler()}")
    wrong = compare(recorded_hashes(), levels)
    if wrong:
        print(f"\n{wrong} results are NOT the recorded ones.")
        return 1
    print(f"\nEvery result is the recorded one at every level: {', '.join(levels)}.")
    return 0


def compare(recorded: dict[str, str], levels: list[str]) -> int:
    """Run all levels beside each other, print a line per case, count what is not as recorded."""
    widths = [max(len(level), len("same")) for level in levels]

    def line(name: str, value: str, cells: list[str]) -> str:
        columns = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"{name:{max(map(len, recorded))}}  {value:32}  {'  '.join(columns)}".rstrip()

    wrong = 0
    print(line("case", "recorded hash", levels))
    with ExitStack() as stack:
        runs = [iter(stack.enter_context(LevelRun(level))) for level in levels]
        for name, value in recorded.items():
            # A process that died early has no results left.
            results = [next(run, (name, "nothing")) for run in runs]
            verdicts = ["same" if result == (name, value) else "OTHER" for result in results]
            print(line(name, value, verdicts), flush=True)
            for level, (_, result), verdict in zip(levels, results, verdicts, strict=True):
                if verdict != "same":
                    wrong += 1
                    print(f"    {level}: {result}")
    return wrong
