"""Packed sequences: half the tokens must cost about half the time of the padded batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.engines import AbsentError, Pylstm, require
from benchmarks.grids import Case
from benchmarks.problem import Problem
from benchmarks.timing import Runner, Spread, interleave, ratios, spread
from benchmarks.torch_engines import TorchEager

CASES = [
    Case(64, 64, 100, 32),
    Case(128, 128, 100, 8),
    Case(128, 128, 100, 32),
    Case(64, 64, 100, 8, bidirectional=True),
]

ALLOWED = 0.6


@dataclass
class PackedRow:
    """Time of packed over padded input, for pylstm and (shown only) for torch."""

    case: Case
    share: float  # tokens of the packed input over tokens of the padded one
    seconds: Spread
    ratio: Spread
    torch_ratio: Spread | None
    versus_torch: Spread | None
    max_error: float

    @property
    def holds(self) -> bool:
        return self.ratio.median <= ALLOWED


def lengths_of(case: Case) -> list[int]:
    """Lengths from long to short, evenly spread, that sum to half of the padded tokens."""
    spread_out = (np.arange(case.batch)[::-1] + 0.5) / case.batch * case.steps
    lengths = np.maximum(1, np.rint(spread_out).astype(int))
    lengths[0] += case.steps * case.batch // 2 - lengths.sum()
    return [int(length) for length in lengths]


def measure_packed(rounds: int, target: float, kind: str) -> list[PackedRow] | str:
    """Time packed against padded input, interleaved; a text where pylstm is absent."""
    try:
        nn = require("pylstm")
        require("pylstm.utils.rnn")
    except AbsentError as error:
        return f"pylstm absent: {error}"
    return [_measure(nn, replace(case, kind=kind), rounds, target) for case in CASES]


def _measure(nn: Any, case: Case, rounds: int, target: float) -> PackedRow:
    problem = Problem(case)
    lengths = lengths_of(case)
    module = Pylstm(problem).module
    packed = nn.utils.rnn.pack_padded_sequence(problem.x, lengths)
    names = {"rnn": module, "x": problem.x, "packed": packed}
    runners = {"padded": Runner("rnn(x)", names), "packed": Runner("rnn(packed)", names)}
    output, _ = nn.utils.rnn.pad_packed_sequence(module(packed)[0], total_length=case.steps)
    runners |= _torch_runners(problem, lengths)
    samples = interleave(runners, rounds, target)
    has_torch = "torch packed" in samples
    return PackedRow(
        case=case,
        share=sum(lengths) / (case.steps * case.batch),
        seconds=spread(samples["packed"]),
        ratio=ratios(samples["packed"], samples["padded"]),
        torch_ratio=ratios(samples["torch packed"], samples["torch padded"]) if has_torch else None,
        versus_torch=ratios(samples["torch packed"], samples["packed"]) if has_torch else None,
        max_error=_error(problem, np.asarray(output), lengths),
    )


def _error(problem: Problem, output: Any, lengths: list[int]) -> float:
    """Greatest error over the valid steps, from the truth of each sequence run alone."""
    worst = 0.0
    x = problem.x
    for row, length in enumerate(lengths):
        problem.x = x[:length, row : row + 1]
        states = problem.states
        problem.states = tuple(state[:, row : row + 1] for state in states)
        truth = problem.truth()[0][:, 0]
        problem.states = states
        worst = max(worst, float(np.abs(output[:length, row] - truth).max()))
    problem.x = x
    if worst > 1e-4:
        raise ValueError(f"packed output is wrong by {worst:.1e} at {problem.case.label}")
    return worst


def _torch_runners(problem: Problem, lengths: list[int]) -> dict[str, Runner]:
    try:
        engine = TorchEager(problem)
        rnn = require("torch.nn.utils.rnn")
    except AbsentError:
        return {}
    names = {
        "rnn": engine.module,
        "x": engine.x,
        "packed": rnn.pack_padded_sequence(engine.x, lengths),
    }
    context = engine.torch.inference_mode
    return {
        "torch padded": Runner("rnn(x)", names, context=context),
        "torch packed": Runner("rnn(packed)", names, context=context),
    }
