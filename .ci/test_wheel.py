"""Run on the installed package, in a fresh environment, what a wheel could break.

``python .ci/test_wheel.py [NAME ...]`` needs pytest, hypothesis and threadpoolctl; the names are of
more tests. The files' other formats need packages that not every platform has wheels of, and are
Python alone.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = ["demo", "contract", "golden", "forward", "arrays", "init", "packed", "pickle", "leases"]
TESTS += ["state_dict", "signatures"]


def main(more: list[str]) -> int:
    """Return the tests' exit status: of an installed pylstm, not of the folder beside them."""
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    where = [sys.executable, "-c", "import pylstm; print(pylstm.__file__)"]
    found = Path(subprocess.check_output(where, cwd=ROOT, env=environment, text=True).strip())
    if found.is_relative_to(ROOT) and "site-packages" not in found.parts:
        print(f"the package under test is {found}: install the wheel first")
        return 2
    files = [f"tests/test_{name}.py" for name in TESTS + more]
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", *files]
    return subprocess.run(command, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
