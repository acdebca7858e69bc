"""What a compiler's static analyzer finds in csrc/: ``python tests/c_analyze.py gcc|clang``.

Any finding is a failure. Followed are all paths through a file that the analyzer can follow:
leaks, uses after free, NULL that is dereferenced, values that were never set. The kernels are
left to clang: their unrolled tiles, which neither allocate nor branch on pointers, keep gcc's
analyzer busy for minutes and teach it nothing.
"""

import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parent.parent
COMMON = [
    "-std=c11",
    f"-I{sysconfig.get_paths()['include']}",
    f"-isystem{numpy.get_include()}",
    "-DNPY_TARGET_VERSION=NPY_2_0_API_VERSION",
    "-DNPY_NO_DEPRECATED_API=NPY_2_0_API_VERSION",
]
# By the first word of the compiler's name: how it analyses, and the layers that it does.
ANALYZERS = {
    "gcc": (["-O1", "-fanalyzer", "-Werror", "-c", "-o", "/dev/null"], ("python", "core")),
    "clang": (
        ["--analyze", "--analyzer-output", "text", "-Xclang", "-analyzer-werror"],
        ("python", "core", "simd"),
    ),
}

# In clang 18 and newer. It cannot know that a significand is never shifted out of its word in
# fma_software.h; UndefinedBehaviorSanitizer watches those shifts while tests/c/test_fma.c makes them.
BLIND = "core.BitwiseShift"


def run(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def main(compiler):
    options, layers = ANALYZERS[Path(compiler).name.split("-")[0]]
    if "--analyze" in options and BLIND in run(compiler, "-cc1", "-analyzer-checker-help").stdout:
        options = [*options, "-Xclang", f"-analyzer-disable-checker={BLIND}"]
    files = [path for layer in layers for path in sorted(ROOT.glob(f"csrc/{layer}/*.c"))]
    found = 0
    for path in files:
        done = run(compiler, *options, *COMMON, path.relative_to(ROOT))
        found += done.returncode != 0
        sys.stdout.write(done.stdout + done.stderr)
    print(f"{compiler}: {len(files)} files, findings in {found}")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
