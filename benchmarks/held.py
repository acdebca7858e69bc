"""Calls while parameter arrays are held: ``python -m benchmarks.held``.

A step of batch 1, with states, of one module: without a lease, and while arrays of its parameters
stay bound and are not written to. First the results are compared as bytes, also right after one
element of a held array was written. Then all of them are timed in the same rounds. The exit status
is 1 if a ratio is greater than allowed.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

import pylstm as nn
from benchmarks.timing import Runner, Spread, interleave, ratios, spread


@dataclass(frozen=True)
class Size:
    """A module's class and sizes, and the greatest ratio allowed."""

    kind: str
    input_size: int
    hidden_size: int
    allowed: float

    @property
    def label(self) -> str:
        return f"{self.kind}({self.input_size}, {self.hidden_size})"


SIZES = [
    Size("LSTM", 40, 64, 3.0),
    Size("LSTM", 40, 256, 4.0),
    Size("LSTMCell", 40, 64, 3.0),
    Size("LSTMCell", 40, 256, 4.0),
]
# Calls before a figure, in which the module prepares for calls like these.
WARM = 8
SETUP = f"held = {{}}\nfor _ in range({WARM}): module(x, hx)"
FREE = "no array held"
CALL = "module(x, hx)"
WEIGHTS = "[max(module.parameters(), key=lambda p: p.size)]"
# What is held, as an expression.
HELD = {
    FREE: "[]",
    "one bias held": "[p for name, p in module.named_parameters() if name.startswith('bias')][:1]",
    "biggest parameter held": WEIGHTS,
    "all parameters held": "list(module.parameters())",
}
# Beside them, with no limit: what is held, and a statement.
CHANGES = {
    "one element written": (WEIGHTS, f"held[0][-1, -1] += 1; {CALL}"),
    "a loop over parameters()": ("[]", f"for p in module.parameters(): pass\ndel p; {CALL}"),
}


@dataclass
class HeldRow:
    """One way to hold parameters of one module: seconds, the ratio to none, what is allowed."""

    label: str
    held: str
    seconds: Spread
    ratio: Spread
    allowed: float | None

    def holds(self, slack: float) -> bool:
        """Whether the ratio is allowed."""
        return self.allowed is None or self.ratio.median <= self.allowed * slack


def _names(size: Size) -> dict[str, Any]:
    """Return what the statements use: a module, an input of one step, states."""
    draw = np.random.default_rng(1)
    shape = (1, 1) if size.kind == "LSTM" else (1,)
    x, h, c = (
        draw.standard_normal((*shape, width)).astype(np.float32)
        for width in (size.input_size, size.hidden_size, size.hidden_size)
    )
    module = getattr(nn, size.kind)(size.input_size, size.hidden_size)
    return {"module": module, "x": x, "hx": (h, c)}


def _bytes(names: dict[str, Any]) -> bytes:
    first, second = names["module"](names["x"], names["hx"])
    arrays = [first, second] if isinstance(second, np.ndarray) else [first, *second]
    return b"".join(array.tobytes() for array in arrays)


def check(names: dict[str, Any], expression: str) -> None:
    """Raise an AssertionError unless a call has the same bytes while arrays are held.

    And unless it has other bytes right after one element of one of them was written.
    """
    expected = _bytes(names)
    held = eval(expression, names)
    for _ in range(WARM):
        assert _bytes(names) == expected
    for parameter in held:
        flat = parameter.reshape(-1)
        for index in (0, flat.size // 2, flat.size - 1):
            old = flat[index]
            flat[index] = old + 1
            assert _bytes(names) != expected
            flat[index] = old
            assert _bytes(names) == expected


def measure(size: Size, rounds: int, target: float) -> list[HeldRow]:
    """Check and time every way to hold the parameters of one module."""
    names = _names(size)
    runners = {}
    for held, expression in HELD.items():
        check(names, expression)
        runners[held] = Runner(CALL, names, setup=SETUP.format(expression))
    for held, (expression, statement) in CHANGES.items():
        runners[held] = Runner(statement, names, setup=SETUP.format(expression))
    samples = interleave(runners, rounds, target)
    return [
        HeldRow(
            size.label,
            held,
            spread(samples[held]),
            ratios(samples[held], samples[FREE]),
            size.allowed if held in HELD else None,
        )
        for held in runners
    ]


def main(arguments: list[str] | None = None) -> int:
    """Command line: 0 where every ratio is allowed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.held", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="figures of each call (default 60)")
    parser.add_argument("--target", type=float, default=2e-3, help="seconds of a figure")
    parser.add_argument("--slack", type=float, default=1.0, help="factor of what is allowed")
    options = parser.parse_args(arguments)
    nn.set_num_threads(1)
    good = True
    for size in SIZES:
        for row in measure(size, options.rounds, options.target):
            verdict = ""
            if row.allowed is not None:
                word = "holds" if row.holds(options.slack) else "FAILS"
                verdict = f"at most {row.allowed * options.slack:g}: {word}"
            print(
                f"{row.label:18} {row.held:26} {row.seconds.median * 1e6:8.2f} us  "
                f"{row.ratio.median:5.2f} ({row.ratio.q1:.2f} to {row.ratio.q3:.2f})  {verdict}"
            )
            good &= row.holds(options.slack)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
