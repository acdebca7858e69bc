"""Why the compiled part could not be imported; read only after that has failed."""

from __future__ import annotations

import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

_PACKAGE = __package__.rpartition(".")[0]
_NEEDS_NUMPY = "pylstm needs NumPy 2.0 or newer"


def explain(error: ImportError) -> None:
    """Raise an ImportError whose one sentence names the cause, where the files of pylstm are it.

    Parameters
    ----------
    error : ImportError
        What the import of the package raised. Whatever else it is about (a symbol or a library
        that is missing, PYLSTM_SIMD, a subinterpreter) is left to its own words: then this
        returns, and the caller raises it again.
    """
    package = Path(__file__).parent.parent
    if error.name == _PACKAGE:  # "cannot import name '_core'": there was nothing to import
        cause = _absence(package)
        if cause:
            raise ImportError(cause, name=f"{_PACKAGE}._core", path=str(package)) from None
    elif error.name == f"{_PACKAGE}._core" and error.name in sys.modules:
        raise ImportError(
            f"the compiled part of pylstm ({error.path}) is of another version than the Python "
            f"files beside it ({error}): {_again(package)}",
            name=error.name,
            path=error.path,
        ) from error
    elif str(error).startswith("numpy."):  # NumPy's import_array() prints the cause and drops it
        cause = _trouble_with_numpy()
        if cause:
            raise ImportError(cause, name="numpy") from error


def _absence(package: Path) -> str | None:
    """Return why nothing in the package's folder is a ``_core`` that this Python would load."""
    wanted = [f"_core{suffix}" for suffix in EXTENSION_SUFFIXES]
    if not package.is_dir():
        return (
            f"pylstm in {package} is inside an archive, and Python loads no compiled modules from "
            "archives: install or unpack pylstm as files"
        )
    found = sorted(path.name for path in package.glob("_core.*") if path.suffix in (".so", ".pyd"))
    if set(found) & set(wanted):
        return None
    if found:
        return (
            f"the compiled part of pylstm in {package} is for another Python or system "
            f"({', '.join(found)}), and {_this_python()} looks for {wanted[0]}: {_again(package)}"
        )
    if _is_source(package):
        return (
            f"{package} is the source folder of pylstm, without the compiled part: run from "
            f"another folder to use a pylstm that is installed, or {_again(package)}"
        )
    return f"pylstm in {package} is without its compiled part, {wanted[0]}: {_again(package)}"


def _trouble_with_numpy() -> str | None:
    """Return why the compiled part could not use NumPy: it is missing, broken, too old, another."""
    try:
        import numpy
    except Exception as error:
        return f"{_NEEDS_NUMPY}, and importing it failed: {type(error).__name__}: {error}"
    version = getattr(numpy, "__version__", None)
    if version is None:
        return f"{_NEEDS_NUMPY}, and {numpy!r} is something else of that name"
    if version.split(".")[0] in ("0", "1"):
        where = Path(numpy.__file__).parent
        return f"{_NEEDS_NUMPY}, and {where} is NumPy {version}: run \"pip install 'numpy>=2'\""
    return None


def _is_source(package: Path) -> bool:
    return (package.parent / "setup.py").is_file() and (package.parent / "csrc").is_dir()


def _again(package: Path) -> str:
    if _is_source(package):
        return f"run 'pip install -e .' in {package.parent}"
    return "install pylstm again with this Python"


def _this_python() -> str:
    implementation = {"cpython": "CPython"}.get(sys.implementation.name, sys.implementation.name)
    return f"{implementation} {sys.version_info.major}.{sys.version_info.minor}"
