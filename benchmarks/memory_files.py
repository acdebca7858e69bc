"""Peak memory of reading files: ``python -m benchmarks.memory_files [MEGABYTES [WEIGHTS]]``.

One LSTM in a file of float32, and in one of its stored form, of every format that pylstm writes.
Each is read in a process of its own, as benchmarks/memory.py measures calls.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.memory import MEGABYTE, _trim, resident, run_child

SUFFIXES = (".safetensors", ".pt", ".npz")
# What is promised beyond the result: so much of it, and what readers take.
RATIO, SPARE = 0.4, 64 * MEGABYTE


@dataclass
class FileRow:
    """Bytes of one reading; ``result`` is the stored form of the module's parameters."""

    label: str
    peak: int
    result: int

    @property
    def allowed(self) -> int:
        """The peak that is promised."""
        return round((1 + RATIO) * self.result) + SPARE

    @property
    def holds(self) -> bool:
        """Whether the promise is kept."""
        return self.peak <= self.allowed


def parameters(megabytes: int) -> dict[str, Any]:
    """Return the float32 parameters of an LSTM with as many inputs as units."""
    import numpy as np

    hidden = math.isqrt(megabytes * MEGABYTE // 32)
    some = np.random.default_rng(0).uniform(-1, 1, 1 << 20).astype(np.float32)
    shapes = {"weight_ih_l0": (4 * hidden, hidden), "weight_hh_l0": (4 * hidden, hidden)}
    shapes |= {"bias_ih_l0": (4 * hidden,), "bias_hh_l0": (4 * hidden,)}
    return {name: np.resize(some, shape) for name, shape in shapes.items()}


def child(path: str, weights: str) -> dict[str, int]:
    """Read a file in this process and return its peak and the size of the result."""
    import pylstm

    # What a reader imports is in before the counting starts.
    small = f"{path}.small{Path(path).suffix}"
    pylstm.save(pylstm.LSTM(2, 3).state_dict(), small)
    pylstm.LSTM.from_weights(small, weights=weights)
    _trim()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = resident("VmRSS")
    module = pylstm.LSTM.from_weights(path, weights=weights)
    peak = resident("VmHWM") - before
    stored = [module._native_stored(name) for name in module._native_names]
    size = sum(each.nbytes for pair in stored for each in pair if each is not None)
    return {"peak": peak, "result": size}


def measure_files(megabytes: int = 400, weights: str = "int8") -> list[FileRow] | str:
    """Measure every case, or return a text where that cannot be done."""
    if not Path("/proc/self/clear_refs").exists():
        return "needs /proc/self/clear_refs (Linux)"
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for label, path in _files(Path(folder), megabytes, weights):
            done = run_child("benchmarks.memory_files", str(path), weights)
            if isinstance(done, str):
                return f"{label}: {done}"
            rows.append(FileRow(label, **done))
            path.unlink()
    return rows


def _files(folder: Path, megabytes: int, weights: str) -> Iterator[tuple[str, Path]]:
    """Write one file after the other."""
    import pylstm

    floats = parameters(megabytes)
    module = pylstm.LSTM.from_weights(floats, weights=weights, batch_first=False)
    for form, state in {"float32": floats, weights: module.state_dict()}.items():
        for suffix in SUFFIXES:
            path = folder / f"{form}{suffix}"
            with warnings.catch_warnings():  # of what .npz cannot say
                warnings.simplefilter("ignore", pylstm.WeightFileWarning)
                pylstm.save(state, path)
            yield f"{suffix} of {form}, {path.stat().st_size / MEGABYTE:.0f} MB", path


def main(arguments: list[str]) -> int:
    """Command line: print the figures; ``--child`` is what a measuring process gets."""
    if arguments[:1] == ["--child"]:
        print(json.dumps(child(*arguments[1:])))
        return 0
    rows = measure_files(*map(int, arguments[:1]), *arguments[1:2])
    if isinstance(rows, str):
        print(rows)
        return 1
    for row in rows:
        print(
            f"{row.label:32} peak {row.peak / MEGABYTE:7.1f} MB, result "
            f"{row.result / MEGABYTE:6.1f} MB, allowed {row.allowed / MEGABYTE:6.1f} MB: "
            f"{'holds' if row.holds else 'FAILS'}"
        )
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
