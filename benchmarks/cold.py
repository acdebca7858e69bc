"""Cold start: import, construct, load and first call, each in a fresh process.

Only the standard library is imported at the top: what a child process imports is measured.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

ROOT = Path(__file__).parents[1]
HIDDEN, STEPS = 128, 10
WEIGHTS_NPZ, WEIGHTS_PT, MODEL_ONNX = "weights.npz", "weights.pt", "model.onnx"
STAGES = ("import", "construct and load", "first call")
TIMEOUT = 300


@dataclass
class ColdRow:
    """Median seconds of each stage over fresh processes; ``status`` says why there are none."""

    name: str
    status: str
    stages: dict[str, float]
    total: float
    ratio: float | None = None  # to pylstm's total

    @property
    def ok(self) -> bool:
        return self.status == "ok"


def _run_numpy(folder: Path, x_shape: tuple[int, ...]) -> list[float]:
    start = perf_counter()
    import numpy as np

    imported = perf_counter()
    from benchmarks.grids import Case
    from benchmarks.numpy_engine import NumpyLoop
    from benchmarks.problem import Problem

    # The loop itself has nothing to load but its arrays.
    problem = Problem(Case(HIDDEN, HIDDEN, STEPS, 1))
    begin = perf_counter()
    with np.load(folder / WEIGHTS_NPZ) as weights:
        problem.weights = dict(weights)
    runner = NumpyLoop(problem).runner
    loaded = perf_counter()
    runner.seconds(1)
    return [imported - start, loaded - begin, perf_counter() - loaded]


def _run_pylstm(folder: Path, x_shape: tuple[int, ...]) -> list[float]:
    start = perf_counter()
    import numpy as np

    busy = process_time()
    import pylstm as nn

    imported, busy = perf_counter(), process_time() - busy
    lstm = nn.LSTM(HIDDEN, HIDDEN)
    with np.load(folder / WEIGHTS_NPZ) as weights:
        lstm.load_state_dict(dict(weights))
    loaded = perf_counter()
    lstm(np.ones(x_shape, np.float32))
    called = perf_counter()
    return [imported - start, loaded - imported, called - loaded, busy]


def _run_torch(folder: Path, x_shape: tuple[int, ...], compiled: bool = False) -> list[float]:
    start = perf_counter()
    import torch

    imported = perf_counter()
    lstm: Any = torch.nn.LSTM(HIDDEN, HIDDEN).eval()
    lstm.load_state_dict(torch.load(folder / WEIGHTS_PT, weights_only=True))
    if compiled:
        import torch._dynamo

        torch._dynamo.config.allow_rnn = True
        lstm = torch.compile(lstm, dynamic=False)
    loaded = perf_counter()
    with torch.inference_mode():
        lstm(torch.ones(x_shape))
    return [imported - start, loaded - imported, perf_counter() - loaded]


def _run_compiled(folder: Path, x_shape: tuple[int, ...]) -> list[float]:
    return _run_torch(folder, x_shape, compiled=True)


def _run_onnxruntime(folder: Path, x_shape: tuple[int, ...]) -> list[float]:
    start = perf_counter()
    import numpy as np
    import onnxruntime

    imported = perf_counter()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(folder / MODEL_ONNX), options, providers=["CPUExecutionProvider"]
    )
    loaded = perf_counter()
    session.run(None, {"x": np.ones(x_shape, np.float32)})
    return [imported - start, loaded - imported, perf_counter() - loaded]


def _run_openvino(folder: Path, x_shape: tuple[int, ...]) -> list[float]:
    start = perf_counter()
    import numpy as np
    import openvino

    imported = perf_counter()
    core = openvino.Core()
    options = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
    model = core.compile_model(str(folder / MODEL_ONNX), "CPU", options)
    request = model.create_infer_request()
    loaded = perf_counter()
    request.infer({"x": np.ones(x_shape, np.float32)})
    return [imported - start, loaded - imported, perf_counter() - loaded]


CHILDREN: dict[str, Callable[[Path, tuple[int, ...]], list[float]]] = {
    "pylstm": _run_pylstm,
    "torch eager": _run_torch,
    "torch.compile": _run_compiled,
    "onnxruntime": _run_onnxruntime,
    "openvino": _run_openvino,
    "numpy loop": _run_numpy,
}


def _write_files(folder: Path) -> None:
    """Write the weights in every format; one whose library is absent is left out."""
    import numpy as np

    from benchmarks.engines import AbsentError, require
    from benchmarks.grids import Case
    from benchmarks.onnx_engines import build_model
    from benchmarks.problem import Problem

    problem = Problem(Case(HIDDEN, HIDDEN, STEPS, 1))
    arrays: dict[str, Any] = dict(problem.weights)
    np.savez(folder / WEIGHTS_NPZ, **arrays)
    with suppress(AbsentError):
        torch = require("torch")
        tensors = {name: torch.from_numpy(array) for name, array in problem.weights.items()}
        torch.save(tensors, folder / WEIGHTS_PT)
    with suppress(AbsentError):
        (folder / MODEL_ONNX).write_bytes(build_model(problem))


def measure_cold(rounds: int, names: list[str]) -> tuple[list[ColdRow], float | None]:
    """Start every engine ``rounds`` times in fresh processes, in a random order.

    A first start, not counted, brings the files into the system's cache. torch.compile starts
    once, with an empty cache of its own: its first call compiles.

    Returns
    -------
    list of ColdRow
        In the order of ``names``.
    float or None
        Processor seconds that ``import pylstm`` takes after ``import numpy``.
    """
    figures: dict[str, list[list[float]]] = {name: [] for name in names}
    failures: dict[str, str] = {}
    shuffle = random.Random(0).shuffle
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        _write_files(folder)
        for turn in range(rounds + 1):
            order = list(names)
            shuffle(order)
            for name in order:
                compiled = name == "torch.compile"
                if name in failures or (compiled and turn):
                    continue
                result = _start(name, folder)
                if isinstance(result, str):
                    failures[name] = result
                elif turn or compiled:
                    figures[name].append(result)
    rows = [_row(name, figures[name], failures.get(name)) for name in names]
    own = next((row for row in rows if row.name == "pylstm" and row.ok), None)
    for row in rows:
        if own and row.ok:
            row.ratio = row.total / own.total
    return rows, median(f[3] for f in figures["pylstm"]) if own else None


def _start(name: str, folder: Path) -> list[float] | str:
    """Stage times of one fresh process, or what went wrong."""
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor")}
    # Users import from compiled files.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "benchmarks.cold", name, str(folder)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env=environment,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        return f"did not finish in {TIMEOUT} s"
    if done.returncode:
        return "failed: " + (done.stderr.strip().splitlines() or ["no message"])[-1][:120]
    times: list[float] = json.loads(done.stdout.splitlines()[-1])
    return times


def _row(name: str, figures: list[list[float]], failure: str | None) -> ColdRow:
    if failure or not figures:
        return ColdRow(name, failure or "not run", {}, 0.0)
    stages = {
        stage: median(times[index] for times in figures) for index, stage in enumerate(STAGES)
    }
    return ColdRow(name, "ok", stages, median(sum(times[:3]) for times in figures))


if __name__ == "__main__":
    print(json.dumps(CHILDREN[sys.argv[1]](Path(sys.argv[2]), (STEPS, 1, HIDDEN))))
