"""Runs one case: builds every engine, checks it, times all of them together, forms ratios."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from benchmarks.engines import BASELINE, AbsentError, Engine, Pylstm, UnsupportedError
from benchmarks.grids import Case
from benchmarks.numpy_engine import NumpyLoop
from benchmarks.onnx_engines import OnnxRuntime, OpenVino
from benchmarks.problem import Problem, errors
from benchmarks.roof import NoRoofError, Roof
from benchmarks.timing import Runner, Spread, interleave, ratios, spread
from benchmarks.torch_engines import DeadlineError, TorchCompiled, TorchEager
from benchmarks.weights_engines import PEERS, RIVALS, STORED

ENGINES: dict[str, type[Engine]] = {
    engine.name: engine
    for engine in (Pylstm, TorchEager, TorchCompiled, OnnxRuntime, OpenVino, NumpyLoop)
}
# With those of a run about smaller weights.
EVERY_ENGINE = ENGINES | {engine.name: engine for engine in (*STORED.values(), *PEERS)}

# Which peers a grid is about; the others run every engine.
GRID_ENGINES = {
    "float64": (BASELINE, TorchEager.name, NumpyLoop.name),
    "stream": (BASELINE,),
}

# A result further than this from the float64 truth is wrong, and is not timed. The bounds are
# wide: they catch swapped gates or reduced precision; the errors themselves are reported.
TOLERANCE = {"float32": 1e-4, "float64": 1e-10}

FMA, LOAD = "fma loop", "load loop"
OWN_LSTM = "pylstm's LSTM"


@dataclass
class Options:
    """How long and how often to measure."""

    rounds: int = 15
    target: float = 5e-3
    engines: Sequence[str] = tuple(ENGINES)
    settle: float = 0.0  # seconds of rest before each figure


@dataclass
class Outcome:
    """One engine on one case. ``status`` is "ok", or says why there is no time."""

    status: str
    seconds: Spread | None = None
    ratio: Spread | None = None  # to pylstm, formed round by round
    rms_error: float | None = None
    max_error: float | None = None
    detail: str = ""
    rival: str | None = None  # the fastest of the peers that a storage is compared with
    lead: Spread | None = None  # the rival's time over this one's, formed round by round

    @property
    def ok(self) -> bool:
        return self.status == "ok"


@dataclass
class Row:
    """All engines on one case.

    ``fma_fraction`` and ``load_fraction`` are pylstm's share of the two loops that were timed
    in the same rounds, None without them; ``of_lstm`` is its share of the time of its LSTM of the
    same size, where the case is of another kind. ``disturbed`` is the share of figures during which
    other processes held the core.
    """

    grid: str
    case: Case
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    gflops: float | None = None
    fma_fraction: Spread | None = None
    load_fraction: Spread | None = None
    of_lstm: Spread | None = None
    disturbed: float = 0.0

    def fastest_peer(self) -> str | None:
        """Return the peer with the smallest ratio, or the smallest time where pylstm is absent."""
        times = {
            name: outcome.ratio.median if outcome.ratio else outcome.seconds.median
            for name, outcome in self.outcomes.items()
            if not name.startswith(BASELINE) and outcome.seconds is not None
        }
        return min(times, key=times.__getitem__) if times else None

    def ratio(self, peer: str | None = None) -> float | None:
        """Return the time of a peer, by default the fastest one, over pylstm's time."""
        name = peer or self.fastest_peer()
        outcome = self.outcomes.get(name) if name else None
        return outcome.ratio.median if outcome and outcome.ratio else None

    def as_json(self) -> dict[str, Any]:
        """Plain containers for the JSON report."""
        return {**asdict(self), "label": self.case.label, "fastest_peer": self.fastest_peer()}


def measure_case(grid: str, case: Case, options: Options, roof: Roof | None) -> Row:
    """Build, check and time every engine on a case.

    An engine that is absent, unsupported, wrong or broken gets a status that says so and the
    others go on.
    """
    problem = Problem(case)
    truth = problem.truth()
    row = Row(grid, case)
    runners: dict[str, Runner] = {}
    allowed = GRID_ENGINES.get(grid, options.engines)
    for name in options.engines:
        if name not in allowed:
            continue
        outcome, runner = _prepare(EVERY_ENGINE[name], problem, truth)
        row.outcomes[name] = outcome
        if runner:
            runners[name] = runner
    work = _add_roofs(runners, case, roof) if BASELINE in runners else {}
    if BASELINE in runners and case.kind != "lstm":
        runners[OWN_LSTM] = Pylstm(Problem(replace(case, kind="lstm"))).runner
    samples = interleave(runners, options.rounds, options.target, settle=options.settle)
    for name, outcome in row.outcomes.items():
        if name in samples:
            outcome.seconds = spread(samples[name])
            if BASELINE in samples:
                outcome.ratio = ratios(samples[name], samples[BASELINE])
    _fill_leads(row, samples)
    if BASELINE in samples:
        _fill_roofs(row, samples, work)
    if OWN_LSTM in samples:
        row.of_lstm = ratios(samples[BASELINE], samples[OWN_LSTM])
    figures = options.rounds * len(runners)
    row.disturbed = sum(runner.disturbed for runner in runners.values()) / max(figures, 1)
    runners.clear()
    gc.collect()
    return row


def _prepare(
    engine_type: type[Engine], problem: Problem, truth: Any
) -> tuple[Outcome, Runner | None]:
    try:
        engine = engine_type(problem)
        rms, worst = errors(engine.outputs(), truth)
    except AbsentError as error:
        return Outcome(f"absent: {_first_line(error)}"), None
    except UnsupportedError as error:
        return Outcome(f"not run: {error}"), None
    except DeadlineError as error:
        return Outcome(str(error)), None
    except Exception as error:  # any failure of a peer is a result to show
        return Outcome(f"failed: {type(error).__name__}: {_first_line(error)}"), None
    if worst > (engine.tolerance or TOLERANCE[problem.case.dtype]):
        return Outcome(f"wrong: error {worst:.1e}", rms_error=rms, max_error=worst), None
    return Outcome("ok", rms_error=rms, max_error=worst, detail=engine.detail), engine.runner


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return lines[0][:120]


def _fill_leads(row: Row, samples: dict[str, list[float]]) -> None:
    """Compare every storage with the fastest of its peers."""
    for name, peers in RIVALS.items():
        times = {peer: spread(samples[peer]).median for peer in peers if peer in samples}
        if name in samples and times:
            outcome = row.outcomes[name]
            outcome.rival = min(times, key=times.__getitem__)
            outcome.lead = ratios(samples[outcome.rival], samples[name])


def _add_roofs(runners: dict[str, Runner], case: Case, roof: Roof | None) -> dict[str, float]:
    """Add the loops to the runners; return the work of one run of each."""
    work: dict[str, float] = {}
    if roof is None:
        return work
    runners[FMA], work[FMA] = roof.fma_runner(case.dtype)
    if case.batch == 1:
        footprint = case.weight_bytes if case.steps == 1 else case.recurrent_bytes
        if footprint >= 4096:
            runners[LOAD], work[LOAD] = roof.load_runner(footprint)
    return work


def _fill_roofs(row: Row, samples: dict[str, list[float]], work: dict[str, float]) -> None:
    """Rates of pylstm, alone and as shares of the loops of the same round.

    The load share counts what has to be streamed in every step: weight_hh, and for a single
    step weight_ih too. The time of everything else counts against it.
    """
    case, own = row.case, samples[BASELINE]
    row.gflops = case.flops / spread(own).median / 1e9
    if FMA in samples:
        shares = ratios(samples[FMA], own)
        row.fma_fraction = _scaled(shares, case.flops / work[FMA])
    if LOAD in samples:
        streamed = case.weight_bytes if case.steps == 1 else case.recurrent_bytes * case.steps
        row.load_fraction = _scaled(ratios(samples[LOAD], own), streamed / work[LOAD])


def _scaled(values: Spread, factor: float) -> Spread:
    return Spread(values.median * factor, values.q1 * factor, values.q3 * factor)


def open_roof() -> tuple[Roof | None, str]:
    """Build the loops, or return None and the reason why there are none."""
    try:
        roof = Roof()
    except NoRoofError as error:
        return None, str(error)
    return roof, roof.level
