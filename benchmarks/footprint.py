"""Size of a wheel and cost of the import: ``python -m benchmarks.footprint [WHEEL]``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

WHEEL_BYTES = 500_000
IMPORT_SECONDS, IMPORT_BYTES = 5e-3, 3 << 20
STARTS = 9

# Runs in fresh processes: what pylstm adds to a process that has NumPy already. Processor time,
# because other processes cannot stretch it.
CHILD = """
import json, numpy, time
from benchmarks.memory import resident
before, start = resident("VmRSS"), time.process_time()
import pylstm
print(json.dumps([time.process_time() - start, resident("VmRSS") - before]))
"""


def import_cost() -> tuple[float, float]:
    """Median seconds and bytes that ``import pylstm`` adds to ``import numpy``."""
    figures = []
    # Without compiled modules every start would measure Python's compiler.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    # One more than is counted: the first start may still compile the modules.
    for _ in range(STARTS + 1):
        done = subprocess.run(
            [sys.executable, "-c", CHILD],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[1],
            env=environment,
        )
        figures.append(json.loads(done.stdout))
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
