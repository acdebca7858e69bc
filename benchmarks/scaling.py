"""Two threads against one, idle and on a busy machine: ``python -m benchmarks.scaling``."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, sleep

import numpy as np

import pylstm
from benchmarks.engines import module_of
from benchmarks.grids import Case
from benchmarks.kinds import KINDS
from benchmarks.problem import parted
from benchmarks.timing import Spread, ratios, spread

THREADS = 2
LEAST_SECONDS = 0.02  # of one figure
# Calls between a change of the number of threads and the figures: helpers wake, caches fill.
WARM_CALLS = 3
BUSY_CALLS = 400
# A busy machine may stretch a call of two threads by this much more than a call of one.
BUSY_ALLOWED = 1.3
# Calls that come in bursts: a helper sleeps when one begins. Two threads shall not be slower.
BURST_CALLS, PAUSE_SECONDS, BURST_LEAST = 8, 0.05, 0.97


@dataclass(frozen=True)
class Shape:
    """A network and a call of it, and how much faster two threads shall be."""

    hidden_size: int
    batch: int
    steps: int
    least: float
    num_layers: int = 1
    bidirectional: bool = False

    @property
    def label(self) -> str:
        """Words as in the grids of benchmarks.peers."""
        words = f"b{self.batch} h{self.hidden_size} t{self.steps}"
        words += f" x{self.num_layers}" if self.num_layers > 1 else ""
        return words + (" bi" if self.bidirectional else "")


BURST_SHAPE = Shape(256, 8, 10, BURST_LEAST)
SHAPES = [
    Shape(256, 32, 50, 1.8),
    Shape(128, 1, 100, 1.75, bidirectional=True),
    Shape(256, 1, 100, 1.6),
    Shape(256, 1, 100, 1.7, num_layers=3),
    Shape(20, 1, 10, 0.97),
]


class Call:
    """One call, timed with any number of threads."""

    def __init__(self, shape: Shape, kind: str) -> None:
        hidden = shape.hidden_size
        self._module = module_of(
            pylstm,
            Case(
                hidden,
                hidden,
                shape.steps,
                shape.batch,
                shape.num_layers,
                shape.bidirectional,
                kind=kind,
            ),
        )
        size = (shape.steps, shape.batch, hidden)
        self._x = np.random.default_rng(0).standard_normal(size).astype(np.float32)

    def bytes(self, threads: int) -> bytes:
        """Return the result, to be compared."""
        pylstm.set_num_threads(threads)
        y, states = self._module(self._x)
        return b"".join(array.tobytes() for array in (y, *parted(states)))

    def seconds(self) -> float:
        """Time one call."""
        began = perf_counter()
        self._module(self._x)
        return perf_counter() - began

    def figure(self, threads: int) -> float:
        """Return the seconds of a call, from as many in a row as take a while."""
        pylstm.set_num_threads(threads)
        for _ in range(WARM_CALLS):
            self.seconds()
        count, total = 0, 0.0
        while total < LEAST_SECONDS:
            total += self.seconds()
            count += 1
        return total / count


def compared(faster: Spread, least: float) -> str:
    """Return the words for how much faster two threads are."""
    return f"two {faster.median:.2f} x [{faster.q1:.2f} to {faster.q3:.2f}]   asked {least:.2f}"


def idle(shape: Shape, kind: str, rounds: int) -> bool:
    """Print how much faster two threads are; return whether that is enough."""
    call = Call(shape, kind)
    same = call.bytes(1) == call.bytes(THREADS)
    alone, shared = [], []
    for _ in range(rounds):
        alone.append(call.figure(1))
        shared.append(call.figure(THREADS))
    faster = ratios(alone, shared)
    holds = same and faster.median >= shape.least
    print(
        f"{shape.label:18} one thread {spread(alone).median * 1e3:8.3f} ms   "
        f"{compared(faster, shape.least)}   "
        f"{'same bytes' if same else 'OTHER BYTES'}   {'holds' if holds else 'FAILS'}"
    )
    return holds


def bursts(shape: Shape, kind: str, rounds: int) -> bool:
    """Print how much faster two threads are in bursts of calls; return whether that is enough."""
    call = Call(shape, kind)
    times: dict[int, list[float]] = {1: [], THREADS: []}
    for _ in range(rounds):
        for threads, figures in times.items():
            pylstm.set_num_threads(threads)
            sleep(PAUSE_SECONDS)
            figures.append(sum(call.seconds() for _ in range(BURST_CALLS)))
    faster = ratios(times[1], times[THREADS])
    holds = faster.median >= shape.least
    print(
        f"{shape.label:18} {BURST_CALLS} calls after a pause of {PAUSE_SECONDS * 1e3:.0f} ms   "
        f"{compared(faster, shape.least)}   {'holds' if holds else 'FAILS'}"
    )
    return holds


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep the cores busy with other processes."""
    burn = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(burn) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def loaded(shape: Shape, kind: str) -> bool:
    """Print the 90th percentiles of calls beside busy processes; return whether they agree."""
    call = Call(shape, kind)
    times: dict[int, list[float]] = {1: [], THREADS: []}
    with busy(THREADS):
        for _ in range(BUSY_CALLS // 20):
            for threads, figures in times.items():
                pylstm.set_num_threads(threads)
                figures.extend(call.seconds() for _ in range(20))
    one, two = (float(np.percentile(figures, 90)) for figures in times.values())
    holds = two <= BUSY_ALLOWED * one
    print(
        f"{shape.label:18} 90th percentile, machine busy: one thread {one * 1e3:8.3f} ms   two "
        f"{two / one:.2f} x   allowed {BUSY_ALLOWED:.2f}   {'holds' if holds else 'FAILS'}"
    )
    return holds


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line. Returns 1 where something fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--cell", choices=list(KINDS), default="lstm", help="the kind")
    options = parser.parse_args(arguments)
    kind = options.cell
    results = [idle(shape, kind, options.rounds) for shape in SHAPES]
    results.append(bursts(BURST_SHAPE, kind, options.rounds))
    results += [loaded(shape, kind) for shape in SHAPES]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
