"""Size of a wheel and cost of the import: ``python -m benchmarks.footprint [WHEEL]``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

WHEEL_BYTES = 915_000
IMPORT_SECONDS, IMPORT_BYTES = 5e-3, 3 << 20
STARTS = 9

# Runs in fresh processes: what importing a module adds to what a process has already. Processor
# time, because other processes cannot stretch it.
CHILD = """
import importlib, json, sys, time
from benchmarks.memory import resident
for name in sys.argv[2:]:
    importlib.import_module(name)
before, start = resident("VmRSS"), time.process_time()
importlib.import_module(sys.argv[1])
print(json.dumps([time.process_time() - start, resident("VmRSS") - before]))
"""


class ImportFailedError(Exception):
    """A module cannot be imported; the last line of what Python said."""


def import_once(module: str, *before: str) -> tuple[float, int]:
    """Seconds and bytes that importing a module takes in one fresh process, after others."""
    # Without compiled modules every start would measure Python's compiler.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, module, *before],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
        env=environment,
    )
    if done.returncode:
        raise ImportFailedError((done.stderr.strip().splitlines() or ["no message"])[-1][:120])
    seconds, resident_bytes = json.loads(done.stdout.splitlines()[-1])
    return seconds, resident_bytes


def import_cost() -> tuple[float, float]:
    """Median seconds and bytes that ``import pylstm`` adds to ``import numpy``."""
    # One more than is counted: the first start may still compile the modules.
    figures = [import_once("pylstm", "numpy") for _ in range(STARTS + 1)]
    return median(f[0] for f in figures[1:]), median(f[1] for f in figures[1:])


def main(arguments: list[str]) -> int:
    """Print every figure beside its budget; returns 1 where one is above it."""
    seconds, resident_bytes = import_cost()
    lines = [
        ("import after NumPy", seconds * 1e3, IMPORT_SECONDS * 1e3, "ms"),
        ("memory of the import", resident_bytes / (1 << 20), IMPORT_BYTES / (1 << 20), "MB"),
    ]
    for name in arguments:
        path = Path(name)
        lines.append((path.name, path.stat().st_size / 1e3, WHEEL_BYTES / 1e3, "KB"))
    for what, figure, allowed, unit in lines:
        verdict = "holds" if figure <= allowed else "FAILS"
        print(f"{what}: {figure:.2f} {unit}, allowed {allowed:.0f} {unit}: {verdict}")
    return 0 if all(figure <= allowed for _, figure, allowed, _ in lines) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
