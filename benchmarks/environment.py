"""The process that measures: its cores, the threads of each library, what machine it ran on.

Only the standard library is imported here: :func:`prepare` must run before NumPy, torch or any
other numeric library is imported, because their thread pools read the environment once.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import sys
from pathlib import Path

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "PYLSTM_NUM_THREADS",
)

LIBRARIES = ("numpy", "torch", "onnxruntime", "openvino", "onnx")


def prepare(core: int | None = None, threads: int = 1) -> list[int] | None:
    """Pin this process to as many cores as each of its libraries gets threads.

    Parameters
    ----------
    core : int, optional
        The last of the cores. Default: the last one this process may use, because the first ones
        serve most interrupts.
    threads : int, optional

    Returns
    -------
    list of int or None
        The cores, or None where the system cannot pin a process.

    Raises
    ------
    RuntimeError
        If NumPy or torch is already imported: their threads can no longer be limited.
    """
    early = [name for name in ("numpy", "torch", "onnxruntime", "openvino") if name in sys.modules]
    if early:
        raise RuntimeError(f"imported before the threads were limited: {', '.join(early)}")
    for name in THREAD_VARIABLES:
        os.environ[name] = str(threads)
    # It would start a pool of compiler processes that outlives the compilation.
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
    if not hasattr(os, "sched_setaffinity"):
        return None
    usable = sorted(os.sched_getaffinity(0))
    end = len(usable) if core is None else usable.index(core) + 1
    chosen = usable[max(0, end - threads) : end]
    os.sched_setaffinity(0, chosen)
    return chosen


def threads() -> int:
    """Return how many threads each library gets in this process."""
    return int(os.environ["PYLSTM_NUM_THREADS"])


def cpu_name() -> str:
    """Name of the processor as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    pairs = (line.partition(":") for line in lines)
    facts = {key.strip(): value.strip() for key, _, value in pairs}
    name = facts.get("model name", platform.machine())
    family, model = facts.get("cpu family"), facts.get("model")
    return f"{name} (family {family}, model {model})" if family and model else name


def versions() -> dict[str, str]:
    """Version of every library that takes part; ``"absent"`` where it is not installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "absent"
    try:
        found["pylstm"] = str(importlib.import_module("pylstm").__version__)
    except ImportError:
        found["pylstm"] = "absent"
    return found


def simd_level() -> str | None:
    """Instruction set that pylstm uses in this process, None where pylstm is absent."""
    try:
        return str(importlib.import_module("pylstm._core").simd_level())
    except ImportError:
        return None


def simd_flavour() -> str | None:
    """Way of multiplying integers with smaller weights, None where pylstm is absent."""
    try:
        return str(importlib.import_module("pylstm._core").simd_flavour())
    except ImportError:
        return None


def describe(pinned: list[int] | None) -> dict[str, object]:
    """Everything a reader needs to judge the figures: machine, cores, versions, SIMD."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "pinned_to": pinned,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "simd_level": simd_level(),
        "simd_flavour": simd_flavour(),
        "versions": versions(),
    }
