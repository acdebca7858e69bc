"""Peak memory of a call beyond inputs, outputs and weights: ``python -m benchmarks.memory [KIND]``.

Every figure comes from a process of its own. Linux keeps the highest resident size of a
process (VmHWM) and resets it on request, so the peak is the call's own and not the import's.
"""

from __future__ import annotations

import ctypes
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1 << 20

# (steps, batch, hidden_size, num_layers, bidirectional); the first two are promised.
CASES = [
    (100_000, 1, 64, 1, False),
    (1_000, 32, 256, 1, False),
    (1_000, 32, 64, 2, True),
]


@dataclass
class MemoryRow:
    """Bytes of one call. ``allowed`` is what is promised beyond the outputs."""

    label: str
    beyond: int
    allowed: int
    outputs: int

    @property
    def holds(self) -> bool:
        return self.beyond <= self.allowed


def resident(field: str) -> int:
    """Return a size of this process in bytes as /proc knows it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise OSError(f"/proc/self/status has no {field}")
    return int(found.group(1)) * 1024


def child(
    kind: str, steps: int, batch: int, hidden: int, layers: int, bidirectional: bool
) -> dict[str, int]:
    """Run one call in this process and return its peak beyond inputs, outputs and weights."""
    import numpy as np

    import pylstm as nn
    from benchmarks.engines import module_of
    from benchmarks.grids import Case
    from benchmarks.problem import parted

    case = Case(hidden, hidden, steps, batch, layers, bidirectional, kind=kind)
    rnn = module_of(nn, case)
    x = np.ones((steps, batch, hidden), np.float32)
    # Weights are packed and the library's pages are in before the counting starts. What this
    # call has freed must leave the process too, or the next one would use it unseen.
    rnn(x[:2])
    _trim()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = resident("VmRSS")
    y, states = rnn(x)
    peak = resident("VmHWM")
    outputs = y.nbytes + sum(state.nbytes for state in parted(states))
    layer_output = y.nbytes if layers > 1 else 0
    return {
        "beyond": peak - before - outputs,
        "allowed": layer_output + MEGABYTE,
        "outputs": outputs,
    }


def _trim() -> None:
    """Give freed memory back to the system, where the C library can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def run_child(module: str, *arguments: str) -> dict[str, int] | str:
    """Return what a process of its own measures, or the last line of its error."""
    done = subprocess.run(
        [sys.executable, "-m", module, "--child", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    figures: dict[str, int] = json.loads(done.stdout)
    return figures


def measure_memory(kind: str = "lstm") -> list[MemoryRow] | str:
    """Measure every case, or return a text where that cannot be done."""
    if not Path("/proc/self/clear_refs").exists():
        return "needs /proc/self/clear_refs (Linux)"
    rows = []
    for steps, batch, hidden, layers, bidirectional in CASES:
        label = f"t{steps} b{batch} h{hidden}"
        label += (f" x{layers}" if layers > 1 else "") + (" bi" if bidirectional else "")
        arguments = [str(int(number)) for number in (steps, batch, hidden, layers, bidirectional)]
        done = run_child("benchmarks.memory", kind, *arguments)
        if isinstance(done, str):
            return f"{label}: {done}"
        rows.append(MemoryRow(label, **done))
    return rows


def main(arguments: list[str]) -> int:
    """Command line: print the figures of a kind; ``--child`` is what a measuring process gets."""
    if arguments[:1] == ["--child"]:
        steps, batch, hidden, layers, bidirectional = (int(text) for text in arguments[2:])
        print(json.dumps(child(arguments[1], steps, batch, hidden, layers, bool(bidirectional))))
        return 0
    rows = measure_memory(*arguments[:1])
    if isinstance(rows, str):
        print(rows)
        return 1
    for row in rows:
        print(
            f"{row.label:28} {row.beyond / MEGABYTE:8.2f} MB beyond the outputs, "
            f"allowed {row.allowed / MEGABYTE:.2f} MB: {'holds' if row.holds else 'FAILS'}"
        )
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
