"""Speed beside an earlier commit: ``python -m benchmarks.before REVISION [--grid NAME ...]``.

The commit is built in a temporary folder and imported under another name, as one more engine in the
same process: the two take turns, round by round. Printed is the time of the earlier commit over the
time of this tree, so that 1.02 says that this tree is 2 % faster. Exit code 1 where a cell is more
than 2 % slower, or the median of all cells is below 0.995; on a busy machine, believe what three
runs agree on.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from benchmarks import environment, grids

ROOT = Path(__file__).parents[1]
NAME = "pylstm_before"
LEAST, LEAST_MEDIAN = 0.98, 0.995


def build(revision: str, folder: Path) -> Path:
    """Build a commit of this repository in ``folder``; return the folder of its package."""
    archive = folder / "commit.tar"
    subprocess.run(["git", "archive", "-o", archive, revision], cwd=ROOT, check=True)
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder / "pylstm"


def import_as(name: str, package: Path) -> None:
    """Import the package in a folder under another name; all of its own imports are relative."""
    path = package / "__init__.py"
    spec = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=[str(package)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def measure(
    names: list[str], words: list[str], rounds: int, seconds: float
) -> list[tuple[str, float]]:
    """Return each cell's label and the median ratio of its rounds."""
    from benchmarks.engines import Pylstm
    from benchmarks.measure import TOLERANCE
    from benchmarks.problem import Problem, errors
    from benchmarks.timing import interleave, ratios

    class Before(Pylstm):
        name = "before"
        package = NAME

    found = []
    for grid in names:
        for case in grids.select(grids.GRIDS[grid], words):
            problem = Problem(case)
            runners = {}
            for engine_type in (Pylstm, Before):
                engine = engine_type(problem)
                _, worst = errors(engine.outputs(), problem.truth())
                assert worst <= TOLERANCE[case.dtype], f"{engine.name} is wrong at {case.label}"
                runners[engine.name] = engine.runner
            samples = interleave(runners, rounds, seconds)
            ratio = ratios(samples["before"], samples["pylstm"])
            found.append((f"{grid} {case.label}", ratio.median))
            print(f"{found[-1][0]:40} {ratio.median:.3f}  {ratio.q1:.3f} to {ratio.q3:.3f}")
    return found


def measure_calls(rounds: int, seconds: float) -> list[tuple[str, float]]:
    """Return the same for the smallest calls that there are."""
    from benchmarks.overhead import CALLS, names_of
    from benchmarks.timing import Runner, interleave, ratios

    now, before = names_of("pylstm"), names_of(NAME)
    found = []
    for statement in dict.fromkeys(call.statement for call in CALLS):
        runners = {"now": Runner(statement, now), "before": Runner(statement, before)}
        samples = interleave(runners, rounds, seconds)
        ratio = ratios(samples["before"], samples["now"])
        found.append((f"overhead {statement}", ratio.median))
        print(f"{found[-1][0]:40} {ratio.median:.3f}  {ratio.q1:.3f} to {ratio.q3:.3f}")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.before", description=__doc__)
    add = parser.add_argument
    add("revision", help="the earlier commit")
    choices = [*grids.GRIDS, "overhead"]
    add("--grid", nargs="+", choices=choices, default=["head", "people", "overhead"])
    add("--filter", action="append", default=[], metavar="WORDS", help='only cases like "b1 h64"')
    add("--rounds", type=int, default=15)
    add("--target", type=float, default=3.0, metavar="MS", help="of one figure (default 3 ms)")
    add("--core", type=int, help="core to pin to (default: the last one)")
    options = parser.parse_args(arguments)
    environment.prepare(options.core)
    with tempfile.TemporaryDirectory() as folder:
        import_as(NAME, build(options.revision, Path(folder)))
        names = [name for name in options.grid if name != "overhead"]
        found = measure(names, options.filter, options.rounds, options.target / 1e3)
        if "overhead" in options.grid:
            found += measure_calls(options.rounds, options.target / 1e3)
    values = sorted(ratio for _, ratio in found)
    median = values[len(values) // 2]
    slow = [(label, ratio) for label, ratio in found if ratio < LEAST]
    print(f"{len(found)} cells: median {median:.3f}, worst {values[0]:.3f}, best {values[-1]:.3f}")
    for label, ratio in slow:
        print(f"slower: {label} {ratio:.3f}")
    return 1 if slow or median < LEAST_MEDIAN else 0


if __name__ == "__main__":
    sys.exit(main())
