"""Measures one model in the environment of its runtime: ``python -m gallery.measure NAME FOLDER``.

Both sides run in this one process, on one core and in one thread, in turns. Prints JSON.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks import environment

ROUNDS, TARGET = 15, 0.05  # rounds, and the seconds that one figure should take


def _sizes(runtime: str) -> dict[str, Any]:
    """Bytes of the installed files of the runtime and of all that it needs but NumPy."""
    from benchmarks.sizes import NoFigureError, installed_bytes, needed
    from gallery.entries import DROPPED

    name = DROPPED.get(runtime)
    if name is None:
        return {}
    try:
        rest = needed(name) - {"numpy"}
        total = sum(installed_bytes(each) for each in {name, *rest})
    except (NoFigureError, importlib.metadata.PackageNotFoundError) as error:
        return {"runtime": name, "size_error": str(error)}
    return {"runtime": f"{name} {importlib.metadata.version(name)}", "bytes": total}


def _line(run: Any) -> dict[str, Any]:
    """Compare the two sides on each input, then time them over all inputs."""
    import numpy as np

    from benchmarks.timing import Runner, interleave, ratios, spread

    largest, magnitude, equal, count = 0.0, 0.0, 0, 0
    for case in run.inputs:
        mine, theirs = np.asarray(run.ours(case)), np.asarray(run.official(case))
        if mine.shape != theirs.shape:
            raise ValueError(f"pylstm gives {mine.shape}, the official runtime {theirs.shape}")
        largest = max(largest, float(np.abs(mine - theirs).max()))
        magnitude = max(magnitude, float(np.abs(theirs).max()))
        left, right = np.asarray(run.decide(mine)), np.asarray(run.decide(theirs))
        equal += int((left == right).sum())
        count += right.size
    statement = "for case in cases: call(case)"
    runners = {
        name: Runner(statement, {"cases": run.inputs, "call": call})
        for name, call in (("ours", run.ours), ("official", run.official))
    }
    samples = interleave(runners, ROUNDS, TARGET)
    ratio = ratios(samples["official"], samples["ours"])
    return {
        "difference": largest,
        "magnitude": magnitude,
        "equal": equal,
        "decisions": count,
        "ours": spread(samples["ours"]).median / len(run.inputs),
        "official": spread(samples["official"]).median / len(run.inputs),
        "ratio": ratio.median,
        "quartiles": [ratio.q1, ratio.q3],
        "shape": run.shape,
        "counts": run.counts,
        "inputs": len(run.inputs),
    }


def main(name: str, folder: str) -> dict[str, Any]:
    """Measure the lines of one model; the package lies unpacked in ``folder``."""
    environment.prepare()
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.path.append(folder)
    from gallery.entries import model

    module = model(name)
    lines = {title: _line(run) for title, run in module.runs(Path(folder)).items()}
    return {
        "lines": lines,
        **_sizes(module.ENTRY.runtime),
        "numpy": importlib.metadata.version("numpy"),
        "machine": f"{environment.cpu_name()}, {environment.simd_level()}",
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
