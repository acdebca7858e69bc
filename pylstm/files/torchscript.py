"""Options of LSTMs that TorchScript writes as constants into the source of their classes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .modules import walk
from .record import Record

# A module's class, and the two constants that from_weights wants. The source is never run.
_LINES = re.compile(
    rb"^(?:class (\w+)\(Module\):|  (batch_first|dropout) : Final\[\w+\] = (\S{1,40}))$",
    re.MULTILINE,
)


def add_constants(tree: Any, source: Callable[[str], bytes], file: str) -> None:
    """Put the constants of scripted LSTMs among their attributes, where torch shows them too.

    Parameters
    ----------
    tree : object
        What the archive's ``data.pkl`` holds.
    source : callable
        Takes the name of a source file and returns its content, empty if there is none.
    file : str
        The archive, for messages.
    """
    sources: dict[str, dict[str, dict[str, Any]]] = {}
    for _, _, value in walk(tree, file):
        if not isinstance(value, Record) or not isinstance(value.state, dict):
            continue
        if "weight_ih_l0" in value.state:
            folders, _, name = value.class_name.rpartition(".")
            path = f"code/{folders.replace('.', '/')}.py"
            if path not in sources:
                sources[path] = _constants(source(path))
            for constant, meant in sources[path].get(name, {}).items():
                value.state.setdefault(constant, meant)


def _constants(text: bytes) -> dict[str, dict[str, Any]]:
    """Return the constants of every class in a source file."""
    classes: dict[str, dict[str, Any]] = {}
    constants: dict[str, Any] = {}
    for match in _LINES.finditer(text):
        name, constant, value = (part.decode("ascii", "replace") for part in match.groups(b""))
        if name:
            constants = classes.setdefault(name, {})
        elif value in ("True", "False"):
            constants[constant] = value == "True"
        else:
            try:
                constants[constant] = float(value)
            except ValueError:
                continue  # no number, so nothing that dropout can be
    return classes
