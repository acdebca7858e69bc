"""The roofs that the figures are compared with: a multiply-add loop and a load loop in C."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.compiler import NoCompilerError, find_compiler
from benchmarks.environment import simd_level
from benchmarks.timing import Runner

SOURCE = Path(__file__).with_name("roof.c")
FLAGS = ("-O3", "-std=gnu11", "-shared", "-fPIC")
LEVELS = ("none", "avx2", "avx512", "neon")

# About 20 microseconds per call, so that the call itself does not show.
FMA_ROUNDS = 10_000
LOAD_BYTES_PER_CALL = 4 << 20


class NoRoofError(Exception):
    """No compiler, or no loop for this instruction set."""


class Roof:
    """The compiled loops, at the instruction set that pylstm uses or else the machine's best.

    Raises
    ------
    NoRoofError
        If the loops cannot be built or have no version for that instruction set.
    """

    def __init__(self) -> None:
        self._library = _build()
        best = int(self._library.roof_best_level())
        name = simd_level() or LEVELS[best]
        if name not in LEVELS[1:]:
            raise NoRoofError(f"no roof loops for the level {name}")
        self.level = name
        self._level = LEVELS.index(name)

    def fma_runner(self, dtype: str) -> tuple[Runner, float]:
        """Return a runner of the multiply-add loop, and the operations of one run."""
        arguments = (self._level, int(dtype == "float64"), FMA_ROUNDS)
        flops = self._library.roof_fma(*arguments)
        names = {"fma": self._library.roof_fma, "arguments": arguments}
        return Runner("fma(*arguments)", names), float(flops)

    def load_runner(self, footprint: int) -> tuple[Runner, float]:
        """Return a runner of the load loop over ``footprint`` bytes, and the bytes of one run."""
        buffer = np.ones(footprint + 64, np.uint8)
        base = buffer.ctypes.data + -buffer.ctypes.data % 64
        passes = max(1, LOAD_BYTES_PER_CALL // footprint)
        arguments = (self._level, base, footprint, passes)
        loaded = self._library.roof_load(*arguments)
        names = {"load": self._library.roof_load, "arguments": arguments, "buffer": buffer}
        return Runner("load(*arguments)", names), float(loaded)


def _build() -> ctypes.CDLL:
    try:
        compiler = find_compiler()
    except NoCompilerError as error:
        raise NoRoofError(str(error)) from error
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "roof.so"
        command = [*compiler, *FLAGS, "-o", str(target), str(SOURCE)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoRoofError(f"{command[0]} failed: {done.stderr.strip()[:200]}")
        # A loaded library stays mapped after its file is gone.
        library = ctypes.CDLL(str(target))
    library.roof_fma.restype = ctypes.c_double
    library.roof_fma.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64]
    library.roof_load.restype = ctypes.c_double
    library.roof_load.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
    return library
