"""Call overhead: the smallest modules there are against one NumPy addition."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.engines import AbsentError, require
from benchmarks.timing import Runner, Spread, interleave, ratios, spread


@dataclass(frozen=True)
class Call:
    """A statement, what it is compared with, and the greatest ratio allowed (None: shown only)."""

    statement: str
    against: str
    allowed: float | None


ADDITION = "add(a, b)"

CALLS = [
    Call("cell(x, (h, c))", ADDITION, 1.5),
    Call("cell(x)", "cell(x, (h, c))", 1.2),
    Call("cell(input=x, hx=(h, c))", "cell(x, (h, c))", 1.2),
    Call("lstm(sequence)", ADDITION, 2.0),
    Call("lstm(sequence, (h0, c0))", "lstm(sequence)", None),
    Call("lstm(input=sequence)", "lstm(sequence)", 1.2),
    Call("lstm(input=sequence, hx=(h0, c0))", "lstm(sequence, (h0, c0))", 1.2),
]

TORCH_CALLS = ["torch_cell(tx, (th, tc))", "torch_lstm(tsequence)"]


def names_of(package: str) -> dict[str, Any]:
    """Return what the statements use, with modules of the package of that name."""
    nn = require(package)
    one = np.full(1, 0.5, np.float32)
    return {
        "add": np.add,
        "a": one,
        "b": one.copy(),
        "cell": nn.LSTMCell(1, 1),
        "lstm": nn.LSTM(1, 1),
        "x": one.reshape(1, 1),
        "h": np.zeros((1, 1), np.float32),
        "c": np.zeros((1, 1), np.float32),
        "sequence": one.reshape(1, 1, 1),
        "h0": np.zeros((1, 1, 1), np.float32),
        "c0": np.zeros((1, 1, 1), np.float32),
    }


def _torch_runners() -> dict[str, Runner]:
    torch = require("torch")
    names = {
        "torch_cell": torch.nn.LSTMCell(1, 1).eval(),
        "torch_lstm": torch.nn.LSTM(1, 1).eval(),
        "tx": torch.full((1, 1), 0.5),
        "th": torch.zeros(1, 1),
        "tc": torch.zeros(1, 1),
        "tsequence": torch.full((1, 1, 1), 0.5),
    }
    return {call: Runner(call, names, context=torch.inference_mode) for call in TORCH_CALLS}


@dataclass
class OverheadRow:
    """One call: seconds (None: its library is absent), and the ratio to its comparison."""

    call: str
    seconds: Spread | None
    against: str | None
    ratio: Spread | None
    allowed: float | None

    @property
    def holds(self) -> bool | None:
        """Whether the ratio is allowed, None where nothing is promised."""
        if self.ratio is None or self.allowed is None:
            return None
        return self.ratio.median <= self.allowed


def measure_overhead(rounds: int, target: float) -> list[OverheadRow] | str:
    """Time the calls, interleaved.

    Returns
    -------
    list of OverheadRow or str
        A text where pylstm is absent.
    """
    try:
        names = names_of("pylstm")
    except AbsentError as error:
        return f"pylstm absent: {error}"
    runners = {ADDITION: Runner(ADDITION, names)}
    runners |= {call.statement: Runner(call.statement, names) for call in CALLS}
    with suppress(AbsentError):
        runners |= _torch_runners()
    samples = interleave(runners, rounds, target)
    rows = [OverheadRow(ADDITION, spread(samples[ADDITION]), None, None, None)]
    for call in CALLS:
        ratio = ratios(samples[call.statement], samples[call.against])
        seconds = spread(samples[call.statement])
        rows.append(OverheadRow(call.statement, seconds, call.against, ratio, call.allowed))
    for statement in TORCH_CALLS:
        if statement not in samples:
            rows.append(OverheadRow(statement, None, ADDITION, None, None))
            continue
        ratio = ratios(samples[statement], samples[ADDITION])
        rows.append(OverheadRow(statement, spread(samples[statement]), ADDITION, ratio, None))
    return rows
