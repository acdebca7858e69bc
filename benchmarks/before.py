"""Speed beside an earlier commit: ``python -m benchmarks.before REVISION [--grid NAME ...]``.

The commit is built in a temporary folder, and both packages are imported under names of their own,
as two engines in the same process that take turns, round by round. Printed is the time of the
earlier commit over the time of this tree, so that 1.02 says that this tree is 2 % faster.

The pages of memory that a file is in when it is written move small calls by up to 8 %, whatever the
code. So both packages are copied several times, and the median over the copies counts. Exit code 1
where a cell is more than 2 % slower, or the median of all cells is below 0.995; on a busy machine,
believe what three runs agree on.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from benchmarks import environment, grids
from benchmarks.kinds import KINDS

ROOT = Path(__file__).parents[1]
NOW, BEFORE = "pylstm_now", "pylstm_before"
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


def import_copies(built: Path, folder: Path) -> None:
    """Copy this tree's package and an earlier one into ``folder``, and import both copies."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name, package in ((NOW, ROOT / "pylstm"), (BEFORE, built)):
        forget(name)
        import_as(name, Path(shutil.copytree(package, folder / name, ignore=ignore)))


def forget(name: str) -> None:
    """Take a package out of what is imported, so that another copy can be."""
    for module in [m for m in sys.modules if m == name or m.startswith(name + ".")]:
        del sys.modules[module]


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
    names: list[str], words: list[str], kind: str, weights: str, rounds: int, seconds: float
) -> list[tuple[str, float]]:
    """Return each cell's label and the median ratio of its rounds."""
    from benchmarks.engines import Pylstm
    from benchmarks.measure import TOLERANCE
    from benchmarks.problem import Problem, errors
    from benchmarks.timing import interleave, ratios
    from benchmarks.weights_engines import STORED

    base = STORED[weights] if weights else Pylstm
    now = type("Now", (base,), {"name": "now", "package": NOW})
    before = type("Before", (base,), {"name": "before", "package": BEFORE})
    found = []
    for grid in names:
        for case in grids.select(grids.GRIDS[grid], words, kind, bool(weights)):
            problem = Problem(case)
            runners = {}
            for engine_type in (now, before):
                engine = engine_type(problem)
                _, worst = errors(engine.outputs(), problem.truth())
                tolerance = engine.tolerance or TOLERANCE[case.dtype]
                assert worst <= tolerance, f"{engine.name} is wrong at {case.label}"
                runners[engine.name] = engine.runner
            samples = interleave(runners, rounds, seconds)
            ratio = ratios(samples["before"], samples["now"])
            found.append((f"{grid} {case.label}", ratio.median))
    return found


def measure_calls(name: str, rounds: int, seconds: float) -> list[tuple[str, float]]:
    """Return the same for the smallest calls that there are."""
    from benchmarks.overhead import calls_of, names_of
    from benchmarks.timing import Runner, interleave, ratios

    kind = KINDS[name]
    now, before = names_of(NOW, kind), names_of(BEFORE, kind)
    found = []
    for statement in dict.fromkeys(call.statement for call in calls_of(kind)):
        runners = {"now": Runner(statement, now), "before": Runner(statement, before)}
        samples = interleave(runners, rounds, seconds)
        ratio = ratios(samples["before"], samples["now"])
        found.append((f"overhead {statement}", ratio.median))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.before", description=__doc__)
    add = parser.add_argument
    add("revision", help="the earlier commit")
    choices = [*grids.GRIDS, "overhead"]
    add("--grid", nargs="+", choices=choices, default=["head", "people", "overhead"])
    add("--cell", choices=list(KINDS), default="lstm", help="the kind (default lstm)")
    add("--weights", choices=grids.STORAGES, default="", help="of both (default: float32)")
    add("--filter", action="append", default=[], metavar="WORDS", help='only cases like "b1 h64"')
    add("--rounds", type=int, default=15)
    add("--target", type=float, default=3.0, metavar="MS", help="of one figure (default 3 ms)")
    add("--core", type=int, help="core to pin to (default: the last one)")
    add("--copies", type=int, default=5, help="of both packages (default 5)")
    options = parser.parse_args(arguments)
    environment.prepare(options.core)
    ratios: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "commit").mkdir()
        built = build(options.revision, Path(folder) / "commit")
        for number in range(options.copies):
            (place := Path(folder) / str(number)).mkdir()
            import_copies(built, place)
            names = [name for name in options.grid if name != "overhead"]
            seconds = options.target / 1e3
            found = measure(
                names, options.filter, options.cell, options.weights, options.rounds, seconds
            )
            if "overhead" in options.grid:
                found += measure_calls(options.cell, options.rounds, seconds)
            for label, ratio in found:
                ratios.setdefault(label, []).append(ratio)
    return report({label: sorted(each) for label, each in ratios.items()})


def report(ratios: dict[str, list[float]]) -> int:
    """Print each cell's median, least and most of the copies; return 1 where one is too slow."""
    found = [(label, each[len(each) // 2]) for label, each in ratios.items()]
    for label, ratio in found:
        print(f"{label:40} {ratio:.3f}  {ratios[label][0]:.3f} to {ratios[label][-1]:.3f}")
    values = sorted(ratio for _, ratio in found)
    median = values[len(values) // 2]
    slow = [(label, ratio) for label, ratio in found if ratio < LEAST]
    print(f"{len(found)} cells: median {median:.3f}, worst {values[0]:.3f}, best {values[-1]:.3f}")
    for label, ratio in slow:
        print(f"slower: {label} {ratio:.3f}")
    return 1 if slow or median < LEAST_MEDIAN else 0


if __name__ == "__main__":
    sys.exit(main())
