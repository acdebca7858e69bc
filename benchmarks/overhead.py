"""Call overhead: the smallest modules there are against one NumPy addition."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.engines import AbsentError, require
from benchmarks.kinds import KINDS, Kind
from benchmarks.timing import Runner, Spread, interleave, ratios, spread


@dataclass(frozen=True)
class Call:
    """A statement, what it is compared with, and the greatest ratio allowed (None: shown only)."""

    statement: str
    against: str
    allowed: float | None


ADDITION = "add(a, b)"

# In braces: the name of the layer, and the states of cell and layer.
CALLS = [
    Call("cell(x, {states})", ADDITION, 1.5),
    Call("cell(x)", "cell(x, {states})", 1.2),
    Call("cell(input=x, hx={states})", "cell(x, {states})", 1.2),
    Call("{layer}(sequence)", ADDITION, 2.0),
    Call("{layer}(sequence, {layer_states})", "{layer}(sequence)", None),
    Call("{layer}(input=sequence)", "{layer}(sequence)", 1.2),
    Call("{layer}(input=sequence, hx={layer_states})", "{layer}(sequence, {layer_states})", 1.2),
]

TORCH_CALLS = ["torch_cell(tx, {torch_states})", "torch_{layer}(tsequence)"]


def written(text: str, kind: Kind) -> str:
    """Write a statement for a kind of cell."""
    return text.format(
        layer=kind.layer.lower(),
        states=("h", "(h, c)")[kind.states - 1],
        layer_states=("h0", "(h0, c0)")[kind.states - 1],
        torch_states=("th", "(th, tc)")[kind.states - 1],
    )


def calls_of(kind: Kind) -> list[Call]:
    """Return the calls that are timed of a kind of cell."""
    return [
        replace(call, statement=written(call.statement, kind), against=written(call.against, kind))
        for call in CALLS
    ]


def names_of(package: str, kind: Kind) -> dict[str, Any]:
    """Return what the statements use, with modules of the package of that name."""
    nn = require(package)
    one = np.full(1, 0.5, np.float32)
    return {
        "add": np.add,
        "a": one,
        "b": one.copy(),
        "cell": getattr(nn, kind.cell)(1, 1, **kind.options),
        kind.layer.lower(): getattr(nn, kind.layer)(1, 1, **kind.options),
        "x": one.reshape(1, 1),
        "h": np.zeros((1, 1), np.float32),
        "c": np.zeros((1, 1), np.float32),
        "sequence": one.reshape(1, 1, 1),
        "h0": np.zeros((1, 1, 1), np.float32),
        "c0": np.zeros((1, 1, 1), np.float32),
    }


def _torch_runners(kind: Kind) -> dict[str, Runner]:
    torch = require("torch")
    names = {
        "torch_cell": getattr(torch.nn, kind.cell)(1, 1, **kind.options).eval(),
        f"torch_{kind.layer.lower()}": getattr(torch.nn, kind.layer)(1, 1, **kind.options).eval(),
        "tx": torch.full((1, 1), 0.5),
        "th": torch.zeros(1, 1),
        "tc": torch.zeros(1, 1),
        "tsequence": torch.full((1, 1, 1), 0.5),
    }
    calls = [written(call, kind) for call in TORCH_CALLS]
    return {call: Runner(call, names, context=torch.inference_mode) for call in calls}


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


def measure_overhead(rounds: int, target: float, name: str) -> list[OverheadRow] | str:
    """Time the calls of the kind of that name, interleaved.

    Returns
    -------
    list of OverheadRow or str
        A text where pylstm is absent.
    """
    kind = KINDS[name]
    calls = calls_of(kind)
    try:
        names = names_of("pylstm", kind)
    except AbsentError as error:
        return f"pylstm absent: {error}"
    runners = {ADDITION: Runner(ADDITION, names)}
    runners |= {call.statement: Runner(call.statement, names) for call in calls}
    with suppress(AbsentError):
        runners |= _torch_runners(kind)
    samples = interleave(runners, rounds, target)
    rows = [OverheadRow(ADDITION, spread(samples[ADDITION]), None, None, None)]
    for call in calls:
        ratio = ratios(samples[call.statement], samples[call.against])
        seconds = spread(samples[call.statement])
        rows.append(OverheadRow(call.statement, seconds, call.against, ratio, call.allowed))
    for statement in [written(call, kind) for call in TORCH_CALLS]:
        if statement not in samples:
            rows.append(OverheadRow(statement, None, ADDITION, None, None))
            continue
        ratio = ratios(samples[statement], samples[ADDITION])
        rows.append(OverheadRow(statement, spread(samples[statement]), ADDITION, ratio, None))
    return rows
