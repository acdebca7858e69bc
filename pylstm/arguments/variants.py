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
# Those of an RNN, as torch's argument names them, and as the attribute ``mode`` does.
NONLINEARITIES = ("tanh", "relu")
RNN_MODES = {f"RNN_{name.upper()}": name for name in NONLINEARITIES}

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


# What they all have, by argument.
DEFAULTS: dict[str, Any] = {**GRU_VARIANTS, **LSTM_VARIANTS, "reverse": False}

# The key behind which the ``_metadata`` of a state_dict, and the metadata of a safetensors file,
# keep what the numbers of a module depend on beside its parameters.
OPTIONS_KEY = "pylstm.options"
# Where one says in which of these forms a module's weights are kept, beside the options.
WEIGHTS_KEY = "weights"
STORAGE_NAMES = ("int8", "int8-fast", "int16", "bfloat16", "float16")


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


def recorded(state_dict: Any, prefix: str) -> Any:
    """Return what a state_dict records of a module beside its parameters; None if nothing.

    Parameters
    ----------
    state_dict : object
        A mapping; that of a module has an attribute ``_metadata``, as in torch.
    prefix : str
        Of the module in it, without a dot at its end.

    Returns
    -------
    object
        A dict of options where it is as pylstm wrote it.
    """
    metadata = getattr(state_dict, "_metadata", None)
    entry = metadata.get(prefix) if isinstance(metadata, dict) else None
    return entry.get(OPTIONS_KEY) if isinstance(entry, dict) else None


def recorded_weights(state_dict: Any, prefix: str) -> str | None:
    """Return the form in which a state_dict has the weights of a module; None if it is no other.

    Of other libraries' entries by this name nothing is known, and nothing taken.
    """
    metadata = getattr(state_dict, "_metadata", None)
    entry = metadata.get(prefix) if isinstance(metadata, dict) else None
    told = entry.get(WEIGHTS_KEY) if isinstance(entry, dict) else None
    return told if isinstance(told, str) and told in STORAGE_NAMES else None


def mismatch(own: dict[str, Any], options: Any, prefix: str) -> list[str]:
    """Say in what a module is not what a state_dict records of it; nothing if it is.

    The nonlinearity of an RNN is not compared: torch loads both into both.

    Parameters
    ----------
    own : dict
        The arguments that the class has, and those of the module.
    options : object
        What :func:`recorded` returned.
    prefix : str
        Of the module in the state_dict.
    """
    where = f" for {prefix}" if prefix else ""
    if not isinstance(options, dict):
        told = f"the checkpoint records {type_name(options)} of it, not a dict"
        return [f"variant mismatch{where}: {told}."]
    there, here = [], []
    for name, default in DEFAULTS.items():
        its, mine = options.get(name, default), own.get(name, default)
        if type(its) is not type(mine) or its != mine:
            there.append(f"{name}={its!r}")
            here.append(f"{name}={mine!r}")
    if not there:
        return []
    return [
        f"variant mismatch{where}: the checkpoint is of a module with {', '.join(there)}, "
        f"the current model has {', '.join(here)}."
    ]


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
