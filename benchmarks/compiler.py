"""The system's C compiler, for the two small C programs of the benchmarks."""

from __future__ import annotations

import os
import shlex
import shutil


class NoCompilerError(Exception):
    """There is no C compiler."""


def find_compiler() -> list[str]:
    """Command of the system's C compiler: ``$CC``, else the first of cc, gcc and clang.

    Raises
    ------
    NoCompilerError
        If there is none.
    """
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    for name in ("cc", "gcc", "clang"):
        path = shutil.which(name)
        if path:
            return [path]
    raise NoCompilerError("no C compiler found")
