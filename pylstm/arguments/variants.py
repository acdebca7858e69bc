"""The constructors' arguments that torch has not: what weight files hold beside torch's cells."""

from __future__ import annotations

import math
import numbers
from typing import Any

from .naming import type_name

# By argument, the names that may be chosen; the first is what torch computes.
ACTIVATIONS = {
    "gate_activation": ("sigmoid", "hard_sigmoid", "hard_sigmoid3"),
    "activation": ("tanh", "relu", "softsign", "linear"),
}


# What the kinds have, and what torch computes.
LSTM_VARIANTS: dict[str, Any] = {
    "peepholes": False,
    "gate_activation": "sigmoid",
    "activation": "tanh",
    "cell_clip": None,
}
GRU_VARIANTS: dict[str, Any] = {
    "reset_after": True,
    "gate_activation": "sigmoid",
    "activation": "tanh",
}
# The same by class; layers have a direction too.
VARIANTS: dict[str, dict[str, Any]] = {
    "": {},
    "LSTM": {**LSTM_VARIANTS, "reverse": False},
    "LSTMCell": LSTM_VARIANTS,
    "GRU": {**GRU_VARIANTS, "reverse": False},
    "GRUCell": GRU_VARIANTS,
    "RNN": {"reverse": False},
}


def _check_bool(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} should be of type bool, got: {type_name(value)}")
    return value


def _check_name(name: str, value: Any) -> str:
    *first, last = (repr(choice) for choice in ACTIVATIONS[name])
    expected = f"{name} should be {', '.join(first)} or {last}, got"
    if not isinstance(value, str):
        raise TypeError(f"{expected}: {type_name(value)}")
    for choice in ACTIVATIONS[name]:
        if value == choice:
            return choice
    raise ValueError(f"{expected}: {value!r}")


def _check_cell_clip(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"cell_clip should be None or a number, got: {type_name(value)}")
    try:
        clip = float(value)
    except OverflowError:
        clip = math.inf
    if not 0 < clip < math.inf:
        raise ValueError(f"cell_clip should be None or a finite number above 0, got: {value!r}")
    return clip


def check_variants(defaults: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return those of the arguments that are not what torch computes.

    Parameters
    ----------
    defaults : dict
        The arguments that the class has, and what torch computes.
    given : dict
        The same arguments, as the caller gave them.
    """
    checked = {}
    for name, default in defaults.items():
        if name in ACTIVATIONS:
            value: Any = _check_name(name, given[name])
        elif name == "cell_clip":
            value = _check_cell_clip(given[name])
        else:
            value = _check_bool(name, given[name])
        if value != default:
            checked[name] = value
    return checked


def check_reverse(variants: dict[str, Any], bidirectional: Any) -> None:
    """Refuse a reverse layer that has both directions."""
    if variants.get("reverse") and bidirectional:
        raise ValueError(
            "reverse=True is a layer of one direction, from the end: bidirectional=True has that "
            "direction as its second one; leave out one of the two"
        )


def own_variants(module: Any) -> dict[str, Any]:
    """Return the attributes in which a module is not one of torch's; its class has the others."""
    return {name: vars(module)[name] for name in module._variants if name in vars(module)}
