"""Calls while parameter arrays are held: ``python -m benchmarks.held``.

A step of batch 1, with states, of modules that have the same parameters: one without a lease, the
others with arrays that somebody holds and does not write to. Every module's result is compared
with the first one's, also right after an element of a held array was written. Then all of them are
timed in the same rounds. Exits with 1 where a ratio is greater than allowed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
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
FREE = "no array held"


def _biggest(module: Any) -> list[Any]:
    return [max(module.parameters(), key=lambda parameter: parameter.size)]


def _one_bias(module: Any) -> list[Any]:
    return [next(value for name, value in module.named_parameters() if name.startswith("bias"))]


HELD: dict[str, Callable[[Any], list[Any]]] = {
    FREE: lambda module: [],
    "one bias held": _one_bias,
    "biggest parameter held": _biggest,
    "all parameters held": lambda module: list(module.parameters()),
}
CALL = "module(x, hx)"
# Shown beside the ratios, not limited: what a write costs, and a lease that ends without one.
CHANGES = {
    "held, one element written": "held[0][-1, -1] += 1; module(x, hx)",
    "a loop over parameters()": "for p in module.parameters(): pass\ndel p; module(x, hx)",
}


@dataclass
class HeldRow:
    """One way to hold parameters of one module: seconds, the ratio to none, what is allowed."""

    label: str
    held: str
    seconds: Spread
    ratio: Spread
    allowed: float | None

    @property
    def holds(self) -> bool:
        return self.allowed is None or self.ratio.median <= self.allowed


def _names(size: Size, state: dict[str, Any], hold: Callable[[Any], list[Any]]) -> dict[str, Any]:
    """Return what a runner's statement uses: a module with ``state``, an input, held arrays."""
    module = getattr(nn, size.kind)(size.input_size, size.hidden_size)
    module.load_state_dict(state)
    shape = (1, 1) if size.kind == "LSTM" else (1,)
    draw = np.random.default_rng(1)
    x, h, c = (
        draw.standard_normal((*shape, width)).astype(np.float32)
        for width in (size.input_size, size.hidden_size, size.hidden_size)
    )
    return {"module": module, "x": x, "hx": (h, c), "held": hold(module)}


def _bytes(names: dict[str, Any]) -> bytes:
    first, second = names["module"](names["x"], names["hx"])
    arrays = [first, second] if isinstance(second, np.ndarray) else [first, *second]
    return b"".join(array.tobytes() for array in arrays)


def check(free: dict[str, Any], other: dict[str, Any]) -> None:
    """Raise an AssertionError unless both give the same bytes, also after each of some writes."""
    expected = _bytes(free)
    for _ in range(8):
        assert _bytes(other) == expected
    for parameter in other["held"]:
        for index in (0, parameter.size // 2, parameter.size - 1):
            flat = parameter.reshape(-1)
            old = flat[index]
            flat[index] = old + 1
            assert _bytes(other) != expected
            flat[index] = old
            assert _bytes(other) == expected


def measure(size: Size, rounds: int, target: float) -> list[HeldRow]:
    """Check and time every way to hold the parameters of a module."""
    state = {
        name: value.copy()
        for name, value in getattr(nn, size.kind)(size.input_size, size.hidden_size)
        .state_dict()
        .items()
    }
    every = {held: _names(size, state, hold) for held, hold in HELD.items()}
    for names in every.values():
        check(every[FREE], names)
    runners = {held: Runner(CALL, names) for held, names in every.items()}
    for held, statement in CHANGES.items():
        hold = _biggest if "held" in statement else HELD[FREE]
        runners[held] = Runner(statement, _names(size, state, hold))
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
    options = parser.parse_args(arguments)
    nn.set_num_threads(1)
    good = True
    for size in SIZES:
        for row in measure(size, options.rounds, options.target):
            verdict = f"at most {row.allowed:.0f}: {'holds' if row.holds else 'FAILS'}"
            print(
                f"{row.label:18} {row.held:26} {row.seconds.median * 1e6:8.2f} us  "
                f"{row.ratio.median:5.2f} ({row.ratio.q1:.2f} to {row.ratio.q3:.2f})  "
                f"{verdict if row.allowed else ''}".rstrip()
            )
            good &= row.holds
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
