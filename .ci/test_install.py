"""Install a clone in the ways that a user may, and import it from the folders where a user may be.

``python .ci/test_install.py CLONE`` makes fresh environments of this Python beside the clone, which
should be a folder called pylstm, as git names it: its name is then that of the package. What the
clone holds afterwards is the extension, built in place.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# The oldest setuptools that pyproject.toml allows; it knows the Pythons of its time.
OLD_SETUPTOOLS = "65.0.0"
NEWEST_FOR_OLD_SETUPTOOLS = (3, 11)

INFO = "import pylstm, numpy; print(pylstm.__file__); pylstm.LSTM(2, 3)(numpy.ones((2, 2, 2)))"


def run(*command, cwd, safe=False):
    """Run a command without what the environment says of Python's path; return what it has done."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    if safe:
        clean["PYTHONSAFEPATH"] = "1"
    return subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True)


def need(*command, cwd, safe=False):
    """Like run(), but it has to succeed; return what it printed."""
    done = run(*command, cwd=cwd, safe=safe)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} in {cwd}:\n{done.stdout}{done.stderr}")
    return done.stdout


def environment(folder, clone, *arguments, before=()):
    """Return the Python of a fresh environment, after ``pip install ARGUMENTS`` in the clone."""
    need(sys.executable, "-m", "venv", folder, cwd=clone)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if before:
        need(python, "-m", "pip", "install", "--quiet", *before, cwd=clone)
    need(python, "-m", "pip", "install", "--quiet", *arguments, cwd=clone)
    return python


def remove_build(clone):
    """Let the clone be as git made it."""
    for path in [*clone.glob("build"), *clone.glob("*.egg-info"), *clone.glob("pylstm/_core.*.*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def places(clone):
    """Return the folders where a program may be started: around the clone, in it, elsewhere."""
    return [
        clone.parent,
        clone,
        clone / "pylstm",
        clone / "tests",
        clone / "docs",
        Path(clone.anchor),
    ]


def check_works(python, folder, package):
    """Import and run the package in a folder in each way: it has to be the one in ``package``."""
    script = folder / "a_script_of_a_user.py"
    commands = [("-c", INFO), ("-m", "pylstm", "info")]
    if os.access(folder, os.W_OK) and folder != Path(folder.anchor):
        script.write_text(INFO)
        commands.append((script,))
    for safe in (False, True):
        for command in commands:
            told = need(python, "-W", "error", *command, cwd=folder, safe=safe)
            if command[0] != "-m" and Path(told.strip()).parent != package:
                raise SystemExit(f"in {folder} the package is {told.strip()}, not {package}")
    script.unlink(missing_ok=True)


def editable(python, clone, what):
    """Check that an editable installation is the clone, from everywhere."""
    for folder in places(clone):
        check_works(python, folder, clone / "pylstm")
    print(f"{what}: pip install -e . is imported from {len(places(clone))} folders")


def normal(python, clone):
    """Check that a normal installation is found, and that in the clone the cause is named."""
    told = need(python, "-c", INFO, cwd=clone.anchor)
    package = Path(told.strip()).parent
    if package.is_relative_to(clone):
        raise SystemExit(f"the installed package is {package}")
    for folder in places(clone):
        if folder != clone:
            check_works(python, folder, package)
    need(python, "-m", "pylstm", "demo", cwd=clone, safe=True)
    cause = (
        f"{clone / 'pylstm'} is the source folder of pylstm, without the compiled part: run from "
        f"another folder to use a pylstm that is installed, or run 'pip install -e .' in {clone}"
    )
    for command in (
        ("-c", "import pylstm"),
        ("-c", "from pylstm import LSTM"),
        ("-m", "pylstm", "demo"),
    ):
        done = run(python, *command, cwd=clone)
        if not done.returncode or done.stderr.splitlines()[-1] != f"ImportError: {cause}":
            raise SystemExit(f"{' '.join(command)} in {clone} says:\n{done.stdout}{done.stderr}")
    print(f"pip install . is imported from {len(places(clone)) - 1} folders; in the clone: {cause}")


def main(clone):
    """Try the installations one after the other."""
    made = clone.parent / "environments"
    version = ".".join(map(str, sys.version_info[:3]))
    remove_build(clone)
    normal(environment(made / "normal", clone, "."), clone)
    remove_build(clone)
    editable(environment(made / "editable", clone, "-e", "."), clone, f"Python {version}")
    if sys.version_info[:2] <= NEWEST_FOR_OLD_SETUPTOOLS:
        remove_build(clone)
        tools = (f"setuptools=={OLD_SETUPTOOLS}", "wheel", "numpy>=2")
        python = environment(made / "old", clone, "--no-build-isolation", "-e", ".", before=tools)
        editable(python, clone, f"Python {version}, setuptools {OLD_SETUPTOOLS}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
