"""Steps of a stream against calls of its layer: ``python -m benchmarks.stream_rows``.

Three calls of each layer are timed in the same rounds: the dense call on K rows with their states,
a step of a stream on K of its N rows in random order, and a step of a stream of K rows. Before that
their results are compared as bytes. A step on some rows may take 1.15 times the dense call and
0.3 us; a step of all rows no longer than the dense call, within 2 %. The exit status is 1 if one
takes longer.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

import pylstm as nn
from benchmarks.timing import Runner, Spread, interleave, spread

DENSE, SOME, SOME_OUT, ALL = "dense call", "rows=", "rows=, out=", "all rows"
STATEMENTS = {
    DENSE: "layer(sequence, hx)",
    SOME: "some(x, rows=rows)",
    SOME_OUT: "some(x, rows=rows, out=out)",
    ALL: "all_rows(x)",
}
FACTOR, SECONDS = 1.15, 0.3e-6
EQUAL = 1.02


@dataclass(frozen=True)
class Size:
    """A layer, and K of N rows."""

    kind: str
    input_size: int
    hidden_size: int
    num_layers: int = 1
    some: int = 35
    rows: int = 50

    @property
    def label(self) -> str:
        sizes = f"{self.kind}({self.input_size}, {self.hidden_size}, {self.num_layers})"
        return f"{sizes}, {self.some} of {self.rows}"


SIZES = [
    Size("LSTM", 1, 1),
    Size("LSTM", 8, 8),
    Size("LSTM", 20, 20),
    Size("LSTM", 64, 64),
    Size("LSTM", 256, 256),
    Size("LSTM", 40, 64, 2),
    Size("GRU", 64, 64),
    Size("RNN", 64, 64),
    Size("LSTM", 64, 64, some=1, rows=64),
    Size("LSTM", 512, 512, some=35, rows=50),
]


@dataclass
class StreamRow:
    """One size: seconds of each call, and what a step takes beyond what is allowed, by rounds."""

    label: str
    seconds: dict[str, Spread]
    some: Spread  # the step on some rows, over 1.15 dense calls and 0.3 us
    all_rows: Spread  # the step on all rows, over the dense call

    def holds(self, slack: float) -> bool:
        """Whether both are allowed."""
        return self.some.median <= slack and self.all_rows.median <= EQUAL * slack


def names_of(size: Size) -> dict[str, Any]:
    """Return what the statements use."""
    draw = np.random.default_rng(1)
    layer = getattr(nn, size.kind)(size.input_size, size.hidden_size, size.num_layers)
    x = draw.standard_normal((size.some, size.input_size)).astype(np.float32)
    return {
        "layer": layer,
        "x": x,
        "sequence": x[None],
        "hx": layer(x[None])[1],
        "some": layer.stream(size.rows),
        "all_rows": layer.stream(size.some),
        "rows": draw.permutation(size.rows)[: size.some],
        "out": np.empty((size.some, size.hidden_size), np.float32),
    }


def check(names: dict[str, Any]) -> None:
    """Raise an AssertionError unless all calls give the same bytes, twice in a row."""
    hx = None
    for _ in range(2):
        expected, hx = names["layer"](names["sequence"], hx)
        given = names["some"].fork()(names["x"], rows=names["rows"])
        for statement in (STATEMENTS[SOME], STATEMENTS[ALL]):
            assert eval(statement, names).tobytes() == expected.tobytes(), statement
        assert given.tobytes() == expected.tobytes()


def measure(size: Size, rounds: int, target: float) -> StreamRow:
    """Check and time one size."""
    names = names_of(size)
    check(names)
    runners = {name: Runner(statement, names) for name, statement in STATEMENTS.items()}
    samples = interleave(runners, rounds, target)
    allowed = [FACTOR * dense + SECONDS for dense in samples[DENSE]]
    return StreamRow(
        size.label,
        {name: spread(values) for name, values in samples.items()},
        spread(some / most for some, most in zip(samples[SOME], allowed, strict=True)),
        spread(a / dense for a, dense in zip(samples[ALL], samples[DENSE], strict=True)),
    )


def main(arguments: list[str] | None = None) -> int:
    """Command line: 0 where every ratio is allowed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream_rows", description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="figures of each call (default 40)")
    parser.add_argument("--target", type=float, default=2e-3, help="seconds of a figure")
    parser.add_argument("--slack", type=float, default=1.0, help="factor of what is allowed")
    options = parser.parse_args(arguments)
    nn.set_num_threads(1)
    good = True
    for size in SIZES:
        row = measure(size, options.rounds, options.target)
        times = ", ".join(f"{n} {s.median * 1e6:.2f}" for n, s in row.seconds.items())
        print(
            f"{row.label:26} us: {times}; of what is allowed: rows= {row.some.median:.2f} "
            f"({row.some.q1:.2f} to {row.some.q3:.2f}), all rows {row.all_rows.median:.2f} "
            f"({row.all_rows.q1:.2f} to {row.all_rows.q3:.2f}): "
            f"{'holds' if row.holds(options.slack) else 'FAILS'}"
        )
        good &= row.holds(options.slack)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
