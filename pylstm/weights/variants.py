"""Variants of recurrent modules that files hold, and which of them pylstm computes.

A reader gathers what a file says as :class:`Said`: a constructor's argument, its value, and how
the file puts it. Which of these a class does not compute is decided in :func:`refused` alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ..arguments.variants import ACTIVATIONS, NONLINEARITIES
from .kinds import LSTM

_TWO = (False, True)
# Those that each class takes, by the mode of its kind, with the values that it computes; a cell has
# no direction.
_GATED = {**ACTIVATIONS, "reverse": _TWO}
COMPUTED: dict[str, dict[str, tuple[Any, ...]]] = {
    "LSTM": {**_GATED, "peepholes": _TWO},
    "GRU": {**_GATED, "reset_after": _TWO},
    "RNN": {"nonlinearity": NONLINEARITIES, "reverse": _TWO},
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


def is_computed(mode: str, name: str, value: Any) -> bool:
    """Tell whether the class of a kind computes a variant."""
    if name == "cell_clip":  # the constructor checks the bound
        return mode == LSTM.mode
    return value in COMPUTED[mode].get(name, ())


def refused(mode: str, what: Iterable[Said]) -> list[str]:
    """Return the texts of all that the class of a kind does not compute."""
    return [said.text for said in what if not is_computed(mode, said.name, said.value)]


def as_options(what: Iterable[Said]) -> dict[str, Any]:
    """Return what a file says, as arguments of the constructor."""
    return {said.name: said.value for said in what if said.name}
