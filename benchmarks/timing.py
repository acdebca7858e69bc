"""Interleaved timing: every round times every runner once, in a random order.

A shared machine drifts by 10 % within minutes, and the drift affects the runner of that moment.
Within one round all runners meet the same machine, so ratios are formed round by round and the
median over rounds is reported with the quartiles.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from time import perf_counter, process_time, sleep
from timeit import Timer

import numpy as np

MAX_REPEATS = 1_000_000
# A run of so many seconds does not notice that it had to refill the caches first.
LONG = 0.1
# Share of a figure's time that the process may have waited, and how often to try again.
DISTURBED, ATTEMPTS = 0.05, 4


@dataclass
class Runner:
    """A statement to time, and the names it uses.

    The statement is compiled into the timing loop itself: a Python function around it would
    add as much as a whole call of ``LSTMCell(1, 1)`` is allowed to cost.
    """

    statement: str
    names: dict[str, object]
    setup: str = "pass"
    context: Callable[[], AbstractContextManager[object]] = nullcontext
    repeats: int = field(default=1, init=False)
    each: float = field(default=0.0, init=False)
    disturbed: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._timer = Timer(self.statement, self.setup, globals=self.names)

    def seconds(self, repeats: int) -> float:
        """Seconds per run of the statement, averaged over ``repeats`` runs in a row."""
        with self.context():
            return self._timer.timeit(repeats) / repeats

    def calibrate(self, target: float) -> None:
        """Choose the repeats that take about ``target`` seconds, and warm the code up."""
        repeats = 1
        while True:
            each = max(self.seconds(repeats), 1e-9)
            if each * repeats >= target / 4 or repeats >= MAX_REPEATS:
                break
            repeats = min(MAX_REPEATS, max(repeats * 2, int(target / 2 / each)))
        self.each = each
        self.repeats = max(1, min(MAX_REPEATS, round(target / each)))

    def sample(self, settle: float = 0.0) -> float:
        """One figure of one round. The first run refills the caches that others have taken.

        Before the figure come ``settle`` seconds in which the threads of the runner before may
        fall asleep: some libraries let their threads spin for a while.

        A figure during which another process held the core is thrown away, a few times at
        most: what is left is counted in ``disturbed``.
        """
        if settle:
            sleep(settle)
        if settle or self.each < LONG:
            self.seconds(1)
        for _ in range(ATTEMPTS):
            wall, cpu = perf_counter(), process_time()
            figure = self.seconds(self.repeats)
            waited = 1 - (process_time() - cpu) / (perf_counter() - wall)
            if waited < DISTURBED:
                return figure
        self.disturbed += 1
        return figure


def interleave(
    runners: Mapping[str, Runner],
    rounds: int,
    target: float,
    seed: int = 0,
    settle: float = 0.0,
) -> dict[str, list[float]]:
    """Seconds per call of each runner in each round.

    Parameters
    ----------
    runners : mapping of str to Runner
    rounds : int
        Rounds; each runner gives one figure per round.
    target : float
        Seconds that a runner's figure should take; a single call may take longer.
    seed : int, optional
        Of the random order.
    settle : float, optional
        Seconds of rest before each figure.
    """
    order = list(runners)
    shuffle = random.Random(seed).shuffle
    gc.collect()
    for runner in runners.values():
        runner.calibrate(target)
    samples: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            samples[name].append(runners[name].sample(settle))
    return samples


@dataclass(frozen=True)
class Spread:
    """A median and the quartiles around it."""

    median: float
    q1: float
    q3: float


def spread(values: Iterable[float]) -> Spread:
    """Median and quartiles of some figures."""
    q1, median, q3 = np.percentile(list(values), (25, 50, 75))
    return Spread(float(median), float(q1), float(q3))


def ratios(numerator: Sequence[float], denominator: Sequence[float]) -> Spread:
    """Median and quartiles of the quotients formed within each round."""
    return spread(top / bottom for top, bottom in zip(numerator, denominator, strict=True))


def geometric_mean(values: Iterable[float]) -> float:
    """Geometric mean; NaN of nothing."""
    logs = [float(np.log(value)) for value in values]
    return float(np.exp(np.mean(logs))) if logs else float("nan")
