"""Instructions of a fixed workload against recorded numbers: ``python -m benchmarks.instructions``.

A shared machine cannot time to 5 %, but it can count: callgrind runs the C core without Python
at one instruction set (valgrind has no AVX-512) and counts what rnn_forward() executes, and for one
workload what packing does.
``--record`` writes new numbers, after a change that was meant to change them.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.compiler import NoCompilerError, find_compiler

ROOT = Path(__file__).parents[1]
RECORD = Path(__file__).with_name("instructions.txt")
SOURCE = Path(__file__).with_name("workload.c")
# Those of setup.py and of tests/c/Makefile that change the code.
FLAGS = ("-O3", "-std=c11", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math")
# Functions of workload.c, and the workload whose packing is counted.
PASS, PACKING, PACKED_WORKLOAD = "counted_forward", "counted_pack", "step"
TOLERANCE = 0.05
# A counter that callgrind cannot reach would otherwise look like a great improvement.
LEAST = 1000


class CountError(Exception):
    """The workload could not be built, run or counted."""


def build(folder: Path, compiler: list[str]) -> Path:
    """Compile the core and the workload into ``folder``; returns the program."""
    program = folder / "workload"
    sources = [SOURCE, *sorted(ROOT.glob("csrc/core/*.c")), *sorted(ROOT.glob("csrc/simd/*.c"))]
    command = [*compiler, *FLAGS, "-o", str(program), *map(str, sources), "-lm"]
    _run(command)
    return program


def count(program: Path, level: str, name: str, folder: Path, function: str) -> int:
    """Count the instructions of one function, and of all it calls, on one workload."""
    output = folder / f"callgrind.{function}.{name}"
    _run(
        [
            "valgrind",
            "--tool=callgrind",
            f"--toggle-collect={function}",
            f"--callgrind-out-file={output}",
            str(program),
            level,
            name,
        ]
    )
    found = re.search(r"^(?:summary|totals): (\d+)$", output.read_text(), re.MULTILINE)
    if found is None or int(found.group(1)) < LEAST:
        raise CountError(f"{name}: callgrind counted nothing")
    return int(found.group(1))


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise CountError(f"{Path(command[0]).name}: {lines[-1]}")
    return done.stdout


def count_all(level: str) -> tuple[dict[str, int], str]:
    """Count the instructions of every workload; also return the compiler's version line.

    Raises
    ------
    CountError
        If something is missing or does not run.
    """
    if not shutil.which("valgrind"):
        raise CountError("valgrind is not installed")
    try:
        compiler = find_compiler()
    except NoCompilerError as error:
        raise CountError(str(error)) from error
    version = _run([*compiler, "--version"]).splitlines()[0]
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        program = build(folder, compiler)
        names = _run([str(program)]).split()
        counts = {name: count(program, level, name, folder, PASS) for name in names}
        counts["packing"] = count(program, level, PACKED_WORKLOAD, folder, PACKING)
        return counts, version


def read_record() -> dict[str, int]:
    """Read the recorded numbers."""
    if not RECORD.exists():
        return {}
    lines = RECORD.read_text(encoding="utf-8").splitlines()
    pairs = (line.split() for line in lines if line and not line.startswith("#"))
    return {name: int(number) for name, number in pairs}


def write_record(counts: dict[str, int], level: str, version: str) -> None:
    """Replace the recorded numbers."""
    lines = [
        "# Instructions of one forward pass per workload of workload.c, and of packing weights,",
        f"# level {level}, {version}.",
        "# Made by: python -m benchmarks.instructions --record",
        *(f"{name} {number}" for name, number in counts.items()),
    ]
    RECORD.write_text("\n".join(lines) + "\n", encoding="utf-8")


def compare(counts: dict[str, int], record: dict[str, int]) -> bool:
    """Print every count beside its record; returns whether all are within the tolerance."""
    good = counts.keys() == record.keys()
    if not good:
        print("the recorded workloads are not those of workload.c; run with --record")
    for name, number in counts.items():
        if name not in record:
            print(f"{name:12} {number:12,}  not recorded")
            continue
        change = number / record[name] - 1
        within = abs(change) <= TOLERANCE
        good = good and within
        verdict = "ok" if within else f"beyond {TOLERANCE:.0%}"
        print(f"{name:12} {number:12,}  recorded {record[name]:12,}  {change:+7.2%}  {verdict}")
    return good


def main(arguments: list[str] | None = None) -> int:
    """Command line: 0 within the tolerance, 1 beyond it, 2 where nothing could be counted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions")
    parser.add_argument("--record", action="store_true", help="write the numbers down")
    parser.add_argument("--level", default="avx2", help="instruction set (default avx2)")
    options = parser.parse_args(arguments)
    if options.record and options.level != "avx2":
        parser.error("only the level avx2 is recorded")
    try:
        counts, version = count_all(options.level)
    except CountError as error:
        print(f"not counted: {error}")
        return 2
    if options.record:
        write_record(counts, options.level, version)
    return 0 if compare(counts, read_record()) else 1


if __name__ == "__main__":
    sys.exit(main())
