"""The first minute: an import that fails names its cause in one sentence.

Each program runs in a process of its own, on a copy of the package in which something is missing
or wrong. .ci/run, step install, does the same with real installations.
"""

import importlib.machinery
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support import HANG

import pylstm
from pylstm import _core

PACKAGE = Path(pylstm.__file__).parent
CORE = Path(_core.__file__)
SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]
PYTHON = f"CPython {sys.version_info.major}.{sys.version_info.minor}"

IMPORTS = {
    "import": ("-c", "import pylstm"),
    "from": ("-c", "from pylstm import LSTM"),
    "a module": ("-c", "import pylstm.utils.rnn"),
    "demo": ("-m", "pylstm", "demo"),
    "info": ("-m", "pylstm", "info"),
}


def copy(folder, compiled=False, source=False):
    """Copy the package below `folder`; with its compiled part, or as the source folder is."""
    folder.mkdir(exist_ok=True)
    shutil.copytree(
        PACKAGE,
        folder / "pylstm",
        ignore=shutil.ignore_patterns("__pycache__", "_core.*.so", "_core.*.pyd", "demo", "files"),
    )
    if compiled:
        shutil.copy(CORE, folder / "pylstm")
    if source:
        (folder / "csrc").mkdir()
        (folder / "setup.py").touch()
    return folder


def run(*arguments, cwd, numpy=True, paths=(), **environment):
    """Run this Python with NumPy's folder as its only packages, and without their .pth files."""
    if numpy:
        paths = [*paths, Path(np.__file__).parents[1]]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PY")}
    return subprocess.run(
        [sys.executable, "-S", *arguments],
        cwd=cwd,
        env={**clean, "PYTHONPATH": os.pathsep.join(map(str, paths)), **environment},
        capture_output=True,
        text=True,
        timeout=HANG,
    )


def sentence(*arguments, **kwargs):
    """The last line that a failing program prints."""
    done = run(*arguments, **kwargs)
    assert done.returncode == 1, done.stdout
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("way", IMPORTS)
def test_a_source_folder_says_what_it_is(way, tmp_path):
    clone = copy(tmp_path / "pylstm", source=True)
    assert sentence(*IMPORTS[way], cwd=clone) == (
        f"ImportError: {clone / 'pylstm'} is the source folder of pylstm, without the compiled "
        "part: run from another folder to use a pylstm that is installed, or run "
        f"'pip install -e .' in {clone}"
    )


def test_the_same_from_pytest(tmp_path):
    clone = copy(tmp_path / "pylstm", source=True)
    (clone / "test_it.py").write_text("import pylstm\n")
    done = run("-m", "pytest", "-p", "no:cacheprovider", cwd=clone)
    assert done.returncode == 2
    assert "is the source folder of pylstm, without the compiled part" in done.stdout
    assert "circular" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "names",
    [
        ["_core.cpython-39-x86_64-linux-gnu.so"],
        ["_core.cpython-310-darwin.so", "_core.cp311-win_amd64x.pyd"],
        ["_core.cpython-399t-aarch64-linux-gnu.so"],
    ],
    ids=len,
)
@pytest.mark.parametrize("source", [True, False])
def test_a_compiled_part_for_another_python_is_named(names, source, tmp_path):
    clone = copy(tmp_path / "pylstm", source=source)
    for name in names:
        (clone / "pylstm" / name).touch()
    remedy = (
        f"run 'pip install -e .' in {clone}" if source else "install pylstm again with this Python"
    )
    assert sentence("-m", "pylstm", "demo", cwd=clone) == (
        f"ImportError: the compiled part of pylstm in {clone / 'pylstm'} is for another Python or "
        f"system ({', '.join(sorted(names))}), and {PYTHON} looks for _core{SUFFIX}: {remedy}"
    )


def test_an_installation_without_it(tmp_path):
    site = copy(tmp_path / "site-packages")
    assert sentence("-c", "import pylstm", cwd=tmp_path, paths=[site]) == (
        f"ImportError: pylstm in {site / 'pylstm'} is without its compiled part, _core{SUFFIX}: "
        "install pylstm again with this Python"
    )


@pytest.mark.parametrize("compiled", [True, False])
def test_an_archive_cannot_hold_it(compiled, tmp_path):
    site = copy(tmp_path / "site", compiled=compiled)
    archive = tmp_path / "app.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in site.rglob("*"):
            file.write(path, path.relative_to(site))
    shutil.rmtree(site)
    assert sentence("-c", "import pylstm", cwd=tmp_path, paths=[archive]) == (
        f"ImportError: pylstm in {archive / 'pylstm'} is inside an archive, and Python loads no "
        "compiled modules from archives: install or unpack pylstm as files"
    )


def test_a_second_try_says_the_same(tmp_path):
    clone = copy(tmp_path / "pylstm", source=True)
    program = """
for _ in range(2):
    try:
        import pylstm
    except ImportError as error:
        print(error.name, error.path, error.__cause__, error)
"""
    first, second = run("-c", program, cwd=clone).stdout.splitlines()
    assert first == second
    assert first.startswith(
        f"pylstm._core {clone / 'pylstm'} None {clone / 'pylstm'} is the source"
    )


def test_another_version_of_it(tmp_path):
    clone = copy(tmp_path / "pylstm", compiled=True, source=True)
    with (clone / "pylstm" / "modules" / "native.py").open("a") as file:
        file.write("from .._core import added_tomorrow\n")
    done = run("-c", "import pylstm", cwd=clone)
    told = done.stderr.splitlines()[-1]
    assert told.startswith(
        f"ImportError: the compiled part of pylstm ({clone / 'pylstm' / CORE.name}) is of another "
        "version than the Python files beside it (cannot import name 'added_tomorrow' from"
    )
    assert told.endswith(f"run 'pip install -e .' in {clone}")
    where = "in <module>\n    from .._core import added_tomorrow"
    assert where in done.stderr


# ---------------------------------------------------------------------------- other causes


def test_a_file_that_is_no_library_stays_the_cause(tmp_path):
    clone = copy(tmp_path / "pylstm", source=True)
    library = clone / "pylstm" / f"_core{SUFFIX}"
    library.write_bytes(b"no library")
    told = sentence("-c", "import pylstm", cwd=clone)
    assert str(library) in told and "source folder" not in told


@pytest.mark.parametrize("missing", ["symbol", "library"])
def test_a_missing_symbol_or_library_stays_the_cause(missing, tmp_path):
    compiler = shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0])
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler on Linux")
    clone = copy(tmp_path / "pylstm", source=True)
    code = tmp_path / "core.c"
    code.write_text("void not_there(void);\nvoid *PyInit__core(void) { not_there(); return 0; }\n")
    build = [compiler, "-shared", "-fPIC", "-o", clone / "pylstm" / f"_core{SUFFIX}", code]
    if missing == "library":
        other = tmp_path / "other.c"
        other.write_text("void not_there(void) { }\n")
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-o", tmp_path / "libnot_there.so", other], check=True
        )
        build += ["-L", tmp_path, "-lnot_there"]
    else:
        build += ["-Wl,-z,now"]
    subprocess.run(build, check=True)
    assert "not_there" in sentence("-c", "import pylstm", cwd=clone)


@pytest.mark.parametrize("level", ["sse", "AVX2", " "])
def test_a_wrong_pylstm_simd_stays_the_cause(level, tmp_path):
    clone = copy(tmp_path / "pylstm", compiled=True, source=True)
    told = sentence("-m", "pylstm", "info", cwd=clone, PYLSTM_SIMD=level)
    assert f"PYLSTM_SIMD={level}" in told and "portable" in told


NUMPYS = {
    "missing": (None, "importing it failed: ModuleNotFoundError: No module named 'numpy'"),
    "broken": (
        "raise OSError('libblas is missing')\n",
        "importing it failed: OSError: libblas is missing",
    ),
    "old": ("__version__ = '1.26.4'\n", "{folder} is NumPy 1.26.4: run \"pip install 'numpy>=2'\""),
    "another": ("", "<module 'numpy' from '{folder}/__init__.py'> is something else of that name"),
}


@pytest.mark.parametrize("case", NUMPYS)
def test_what_is_wrong_with_numpy_is_said(case, tmp_path):
    clone = copy(tmp_path / "pylstm", compiled=True, source=True)
    text, expected = NUMPYS[case]
    folder = tmp_path / "numpy"
    if text is not None:
        folder.mkdir()
        (folder / "__init__.py").write_text(text)
    done = run("-c", "import pylstm", cwd=clone, numpy=False, paths=[tmp_path])
    assert done.stderr.splitlines()[-1] == (
        "ImportError: pylstm needs NumPy 2.0 or newer, and " + expected.format(folder=folder)
    )
    assert "failed to import" in done.stderr  # what the compiled part raised


def test_an_import_that_works_reads_nothing_of_it(tmp_path):
    clone = copy(tmp_path / "pylstm", compiled=True, source=True)
    program = (
        "import pylstm, sys; print(pylstm.__file__, 'pylstm.runtime.uncompiled' in sys.modules)"
    )
    done = run("-c", program, cwd=clone)
    assert done.stdout == f"{clone / 'pylstm' / '__init__.py'} False\n"
