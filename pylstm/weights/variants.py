"""Variants of recurrent modules that files hold, and which of them pylstm computes.

A reader gathers what a file says as :class:`Said`: a constructor's argument, its value, and how
the file puts it. Which of these a class does not compute is decided in :func:`refused` alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from ..arguments.variants import ACTIVATIONS, DEFAULTS, GRU_VARIANTS, LSTM_VARIANTS
from .kinds import NONLINEARITIES

_OF_LAYERS = {"reverse": False}
# Those that each class takes, by the mode of its kind.
_TAKEN = {
    "LSTM": {**LSTM_VARIANTS, **_OF_LAYERS},
    "GRU": {**GRU_VARIANTS, **_OF_LAYERS},
    "RNN": _OF_LAYERS,
}


class Said(NamedTuple):
    """What a file says that is not so in torch's module.

    Attributes
    ----------
    name : str
        The argument of the constructor; empty where there is none for it.
    value : object
    text : str
        The same in the words of the file's format.
    """

    name: str
    value: Any
    text: str


def choices(mode: str, name: str) -> tuple[str, ...]:
    """Return the names that the class of a kind computes for an argument; none of other values."""
    return ACTIVATIONS.get(name, ()) if name in _TAKEN[mode] else ()


def is_computed(mode: str, name: str, value: Any) -> bool:
    """Tell whether the class of a kind computes a variant."""
    if name == "nonlinearity":
        return value in NONLINEARITIES
    if name in DEFAULTS and value == DEFAULTS[name]:
        return True
    if name not in _TAKEN[mode]:
        return False
    if name in ACTIVATIONS:
        return value in ACTIVATIONS[name]
    if name == "cell_clip":
        return isinstance(value, (int, float)) and 0 < value < math.inf
    return isinstance(value, bool)


def refused(mode: str, what: Iterable[Said]) -> list[str]:
    """Return the texts of all that the class of a kind does not compute."""
    return [said.text for said in what if not is_computed(mode, said.name, said.value)]


def as_options(what: Iterable[Said]) -> dict[str, Any]:
    """Return what a file says, as arguments of the constructor."""
    return {said.name: said.value for said in what if said.name}
