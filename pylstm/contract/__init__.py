"""The numeric contract, ready to be checked on any machine: ``python -m pylstm selftest``.

``hashes.txt`` holds a line for each case: its name, which says all there is to know about the
case, and the hash of its results. They are the same at every SIMD level and on every machine.
``tests/data/record_contract.py`` recorded them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from types import TracebackType

from .. import _core

# The level is chosen when the extension is loaded, hence the process of its own; it shall find
# the same pylstm as this one, however this one found it.
_CHILD = """\
import runpy, sys
sys.path[:] = {path!r}
runpy.run_module("pylstm.contract", run_name="__main__")
"""


def recorded_hashes() -> dict[str, str]:
    """Return name -> hash in hexadecimal of every case, in the order of the file."""
    text = files(__name__).joinpath("hashes.txt").read_text(encoding="ascii")
    return dict(line.split() for line in text.splitlines())


def runs_here() -> list[str]:
    """Return what this machine can run: its SIMD levels, and the other flavours of each.

    Within a level, compressed weights are multiplied in one or several ways, its flavours. A level
    that is the name of a flavour is run with that one, any other level with its best.
    """
    levels = [name for name, (_, runs) in _core.simd_levels().items() if runs]
    flavours = [name for name, runs in _core.simd_flavours().items() if runs]
    more = [name for name in flavours if level_of(name) in flavours and name not in levels]
    return levels + [name for name in more if level_of(name) in levels]


def level_of(name: str) -> str:
    """Return the SIMD level of a level or a flavour."""
    return name.partition("-")[0]


class LevelRun:
    """All recorded cases, run at one SIMD level in a process of its own.

    Use it as a context manager, which ends the process; iterate over it for pairs (name, hash)
    in the order of ``hashes.txt``, each as soon as it is there.

    Parameters
    ----------
    level : str
        A level or a flavour that this machine can run: see `runs_here`.
    """

    def __init__(self, level: str) -> None:
        self.level = level
        flavour = level if level in _core.simd_flavours() else ""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD.format(path=sys.path)],
            env=os.environ | {"PYLSTM_SIMD": level_of(level), "PYLSTM_SIMD_FLAVOUR": flavour},
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> LevelRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            name, _, value = line.strip().partition(" ")
            yield name, value
