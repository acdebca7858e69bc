"""Build of the C extension; everything else is in pyproject.toml.

Environment variables: PYLSTM_ABI3=1 builds one binary for Python 3.11 and newer,
PYLSTM_WERROR=1 makes warnings errors, PYLSTM_SANITIZE=1 adds AddressSanitizer and
UndefinedBehaviorSanitizer, PYLSTM_COVERAGE=1 counts lines and branches for gcov, and
PYLSTM_TEST_HOOKS=1 adds functions that make allocations fail. CC chooses the compiler; on Windows
it is clang-cl, since MSVC cannot compile single functions for another instruction set.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

import numpy
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
# Free-threaded Python has no limited API.
ABI3 = os.environ.get("PYLSTM_ABI3") == "1" and not sysconfig.get_config_var("Py_GIL_DISABLED")
WERROR = os.environ.get("PYLSTM_WERROR") == "1"
SANITIZE = os.environ.get("PYLSTM_SANITIZE") == "1"
COVERAGE = os.environ.get("PYLSTM_COVERAGE") == "1"
TEST_HOOKS = os.environ.get("PYLSTM_TEST_HOOKS") == "1"

# The oldest NumPy that the binary runs on: keep it equal to the pin in pyproject.toml.
NUMPY_TARGET = "NPY_2_0_API_VERSION"

COMPILE_FLAGS = [
    "-O3",
    "-std=c11",
    # The numeric contract: what is fused is written as fma, nothing else is.
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
    "-g0",  # Python's own flags ask for -g, which would make the wheel four times as large
    # NumPy's headers warn as -I directories do not: as a system's they are silent.
    f"-isystem{numpy.get_include()}",
    *["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wvla"],
    *["-Wstrict-prototypes", "-Wmissing-prototypes", "-Wwrite-strings", "-Wundef"],
]
LINK_FLAGS = []
if sys.platform == "linux":
    COMPILE_FLAGS.append("-fno-plt")  # the smallest calls, of two dozen functions, gain 4 %
    COMPILE_FLAGS.append("-fno-asynchronous-unwind-tables")  # 24 KB of a wheel; C raises nothing
MACROS = [
    ("NPY_TARGET_VERSION", NUMPY_TARGET),
    ("NPY_NO_DEPRECATED_API", NUMPY_TARGET),
]
if WERROR:
    COMPILE_FLAGS.append("-Werror")
if SANITIZE:
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    COMPILE_FLAGS += ["-O1", "-g", "-fno-omit-frame-pointer", *sanitizers]
    LINK_FLAGS += sanitizers
if COVERAGE:
    COMPILE_FLAGS += ["-Og", "-fno-inline", "--coverage", "-fprofile-update=atomic"]
    LINK_FLAGS.append("--coverage")
    MACROS.append(("PYLSTM_COVERAGE", "1"))
if TEST_HOOKS:
    MACROS.append(("PYLSTM_TEST_HOOKS", "1"))
if ABI3:
    MACROS.append(("Py_LIMITED_API", "0x030b0000"))
    if sys.platform == "linux" and not SANITIZE:
        LINK_FLAGS.append("-s")  # names of local functions: 8 KB of a wheel, for profilers alone


def paths(pattern):
    """Return the files below csrc that match, relative to this folder."""
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(f"csrc/**/{pattern}"))


class BuildExtension(build_ext):
    """Tells clang-cl what gcc and clang are told."""

    def build_extensions(self):
        """Replace MSVC's compiler, keep its linker."""
        if self.compiler.compiler_type == "msvc":
            if not self.compiler.initialized:
                self.compiler.initialize(self.plat_name)
            self.compiler.cc = clang_cl()
            self.compiler.compile_options.remove("/GL")  # MSVC's own format of object files
            for extension in self.extensions:
                extension.extra_compile_args = [f"/clang:{flag}" for flag in COMPILE_FLAGS]
        super().build_extensions()


def clang_cl():
    """Return the path of the compiler for Windows."""
    name = os.environ.get("CC", "clang-cl")
    found = shutil.which(name)
    if found is None:
        raise SystemExit(
            f"pylstm needs clang-cl on Windows, and {name} is not on the PATH: "
            "install LLVM, or let CC name its clang-cl"
        )
    return found


setup(
    # Not in pyproject.toml: there setuptools below 77 takes a table alone, and later ones announce
    # that they will take a text alone.
    license="BSD-3-Clause",
    cmdclass={"build_ext": BuildExtension},
    ext_modules=[
        Extension(
            "pylstm._core",
            sources=paths("*.c"),
            depends=[*paths("*.h"), "setup.py"],
            define_macros=MACROS,
            extra_compile_args=COMPILE_FLAGS,
            extra_link_args=LINK_FLAGS,
            py_limited_api=ABI3,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if ABI3 else {},
)
