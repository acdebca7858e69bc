"""What a package weighs: its wheel, its files once installed, and those of all that it needs."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TIMEOUT = 900  # seconds that one command of pip may take; some wheels are large


class NoFigureError(Exception):
    """Why there is no figure."""


def _pip(*arguments: str) -> None:
    """Run pip, quietly."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise NoFigureError(f"pip did not finish in {TIMEOUT} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise NoFigureError((lines or ["ERROR: no message"])[-1][:120])


def installed_version(distribution: str) -> str | None:
    """Return the version that is installed, None where none is."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def build_wheel(folder: Path) -> Path:
    """Build pylstm's wheel from this tree."""
    _pip("wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("*.whl")
    return wheel


def published_wheel_bytes(distribution: str) -> int:
    """Bytes of the wheel that the installed version comes in, fetched again to look at it."""
    with tempfile.TemporaryDirectory() as name:
        wanted = f"{distribution}=={installed_version(distribution)}"
        return fetch_wheel(wanted, Path(name)).stat().st_size


def fetch_wheel(requirement: str, folder: Path) -> Path:
    """Fetch the wheel of ``name==version`` into an empty folder; nothing of it is run."""
    options = ("--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder))
    _pip("download", *options, requirement)
    (wheel,) = folder.iterdir()
    return wheel


def unpacked_bytes(wheel: Path) -> int:
    """Bytes of the files that a wheel installs."""
    with tempfile.TemporaryDirectory() as name:
        target = ("--quiet", "--no-deps", "--no-compile", "--target", name)
        _pip("install", *target, str(wheel))
        return sum(path.stat().st_size for path in Path(name).rglob("*") if path.is_file())


def installed_bytes(distribution: str) -> int:
    """Bytes of a distribution's files, without the modules that Python compiled from them."""
    files = importlib.metadata.files(distribution)
    if files is None:
        raise NoFigureError(f"{distribution} has no list of its files")
    paths = [Path(str(file.locate())) for file in files if file.suffix != ".pyc"]
    return sum(path.stat().st_size for path in paths if path.is_file())


def needed(distribution: str) -> set[str]:
    """Names of the installed distributions that one needs, directly and through others."""
    try:
        from packaging.requirements import Requirement
        from packaging.utils import canonicalize_name
    except ImportError as error:
        raise NoFigureError(f"{error}: pip install packaging") from None
    found: set[str] = set()
    waiting = [distribution]
    while waiting:
        for text in importlib.metadata.requires(waiting.pop()) or []:
            requirement = Requirement(text)
            name = canonicalize_name(requirement.name)
            applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if applies and name not in found and installed_version(name):
                found.add(name)
                waiting.append(name)
    return found - {canonicalize_name(distribution)}
