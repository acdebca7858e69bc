"""Lines and branches of csrc/ that ran: ``python tests/c_coverage.py FOLDER...``.

The folders hold what builds with gcc's ``--coverage`` leave behind. A line counts as run where
any build, instruction set or dtype ran it. So does a branch, which is what gcov counts as one: each
way out of a condition. That of a template is the same one in every instance in which its line has
as many. Prints a table with the lines and the lines of the branches that never ran, and fails below
the floors. ``make coverage`` does it all.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {"lines": 95.0, "branches": 85.0}


def records(folder):
    """Yield the (file, line record) pairs that gcov reads from the counts below a folder."""
    for counts in sorted(Path(folder).resolve().rglob("*.gcda")):
        done = subprocess.run(
            ["gcov", "--json-format", "--stdout", "--branch-probabilities", counts],
            cwd=counts.parent,
            capture_output=True,
            text=True,
            check=True,
        )
        for document in done.stdout.splitlines():
            data = json.loads(document)
            for file in data["files"]:
                path = os.path.normpath(Path(data["current_working_directory"]) / file["file"])
                _, ours, name = path.rpartition("/csrc/")
                if ours:
                    yield from ((name, line) for line in file["lines"])


def collect(folders):
    """Return how often lines and branches ran: {"lines": {(file, line): n}, "branches": ...}."""
    lines, branches = Counter(), Counter()
    for folder in folders:
        for name, record in records(folder):
            place = name, record["line_number"]
            lines[place] += record["count"]
            of_line = record["branches"]
            for index, branch in enumerate(of_line):
                branches[*place, len(of_line), index] += branch["count"]
    return {"lines": lines, "branches": branches}


def spans(numbers):
    """Write line numbers as ranges: [1, 2, 3, 7] -> '1-3 7'."""
    groups = []
    for number in sorted(numbers):
        if groups and number == groups[-1][1] + 1:
            groups[-1][1] = number
        else:
            groups.append([number, number])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in groups)


def percent(counts):
    return 100.0 * sum(n > 0 for n in counts) / len(counts) if counts else 100.0


def report(collected):
    """Print the table; return whether the floors hold."""
    files = sorted({place[0] for place in collected["lines"]})
    print(f"{'csrc/':28}{'lines':>16}{'branches':>18}   never ran: lines; lines of branches")
    for name in [*files, "all"]:
        row, missing = f"{name:28}", []
        for kind in FLOORS:
            counts = {place: n for place, n in collected[kind].items() if name in (place[0], "all")}
            ran = sum(n > 0 for n in counts.values())
            row += f"{ran:6}/{len(counts):<5}{percent(counts.values()):5.1f}"
            missing.append(spans({place[1] for place, n in counts.items() if n == 0}))
        print(row if name == "all" else f"{row}   {missing[0]}; {missing[1]}")
    absent = sorted({str(p.relative_to(ROOT / "csrc")) for p in ROOT.glob("csrc/*/*.c")} - {*files})
    if absent:
        print("no code of their own here, but for that of templates:", *absent)
    below = [kind for kind in FLOORS if percent(collected[kind].values()) < FLOORS[kind]]
    for kind in below:
        print(f"FAILED: {kind} below {FLOORS[kind]} %")
    return not below


if __name__ == "__main__":
    sys.exit(not report(collect(sys.argv[1:])))
