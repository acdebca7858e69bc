"""What callers of ``from_weights`` answer that a weight file leaves open."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..arguments.dtypes import construction_dtype
from ..arguments.naming import type_name
from ..arguments.variants import DEFAULTS, NONLINEARITIES, STORAGE_NAMES, WEIGHTS_KEY
from ..files.base.errors import WeightFileError
from .kinds import CELL, NAMES, finder_of, kind_of
from .variants import COMPUTED, is_computed

if TYPE_CHECKING:
    from .found import FoundRecurrent
    from .survey import Candidate

# What weights are where they have no storage.
FLOATS = "float32"

# How the outputs of two directions are joined where nothing else is said.
_JOINED = "concat"
_LAYER = ("input_size", "hidden_size", "num_layers", "bias", "bidirectional")
# The constructors' arguments: what the file's shapes tell, and what they do not.
STRUCTURE: dict[str, tuple[str, ...]] = {
    name: ("input_size", "hidden_size", "bias") if name.endswith(CELL) else _LAYER for name in NAMES
}
STRUCTURE["LSTM"] = (*_LAYER, "proj_size")
OPTIONS = {
    name: ("device", "dtype")
    if name.endswith(CELL)
    else ("batch_first", "dropout", "device", "dtype")
    for name in NAMES
}
# What numbers depend on and no state_dict says: the type of an answer.
_TYPES: dict[str, type] = {
    "bias": bool,
    "gate_activation": str,
    "activation": str,
    "nonlinearity": str,
    "reset_after": bool,
    "reverse": bool,
    "merge_mode": str,
}
# Each of them is asked for by itself; of the others one answer is taken for all.
_ALONE = ("merge_mode",)
_OF_LAYERS = ("reverse", "merge_mode")
# pylstm computes all of their values.
_OPEN = ("nonlinearity",)
_BY_MODE = {
    "LSTM": ("gate_activation", "activation", "cell_clip"),
    "GRU": ("gate_activation", "activation", "reset_after"),
    "RNN": ("nonlinearity",),
}
_ANSWERS = {
    name: ("bias", *_BY_MODE[kind_of(name).mode], *(() if name.endswith(CELL) else _OF_LAYERS))
    for name in NAMES
}


def check_options(caller: str, kind: str, options: dict[str, Any]) -> None:
    """Check names and types of the options, before the file is opened."""
    taken = (*OPTIONS[kind], WEIGHTS_KEY, *_ANSWERS[kind])
    for name, value in options.items():
        if name not in taken:
            told = name in STRUCTURE[kind]
            why = "the shapes in the file tell it" if told else "there is no such option"
            raise TypeError(f"{caller} takes no {name}: {why}; it takes {', '.join(taken)}")
        wanted = _TYPES.get(name, object)
        if not isinstance(value, wanted):
            raise TypeError(f"{name} must be a {wanted.__name__}, not {type_name(value)}")
        if name == "nonlinearity" and value not in NONLINEARITIES:
            raise ValueError(f"nonlinearity must be 'tanh' or 'relu', not {value!r}")
    _check_weights(options.get(WEIGHTS_KEY), options.get("dtype"))


def _check_weights(weights: Any, dtype: Any) -> None:
    """Check the storage that is asked for, and that the dtype beside it can have one."""
    if weights is None:
        return
    if not isinstance(weights, str):
        raise TypeError(f"weights must be a str or None, not {type_name(weights)}")
    if weights != FLOATS and weights not in STORAGE_NAMES:
        known = ", ".join(map(repr, STORAGE_NAMES))
        raise ValueError(f"weights must be one of {known}, or {FLOATS!r}, got {weights!r:.100}")
    if weights != FLOATS and dtype is not None and construction_dtype(dtype) != FLOATS:
        raise ValueError(
            f"weights={weights!r} makes a module of float32, and dtype={dtype!r:.100} was asked "
            "for: leave out one of the two"
        )


def storage_of(found: FoundRecurrent, options: dict[str, Any]) -> str | None:
    """Return the storage of the module that is asked for; None of one with floats."""
    weights: str | None = options.get(WEIGHTS_KEY)
    if weights is None and options.get("dtype") is not None:
        # Compressed weights are those of float32 modules.
        weights = found.weights if construction_dtype(options["dtype"]) == FLOATS else FLOATS
    weights = found.weights if weights is None else weights
    return None if weights == FLOATS else weights


def structure_of(candidate: Candidate, file: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return what the answers change of the structure; refuse those that the file contradicts.

    Raises
    ------
    WeightFileError
        If the file says something else than an answer.
    ValueError
        If the file leaves it open, and pylstm does not compute what the caller says.
    """
    found = candidate.found
    made: dict[str, Any] = {}
    for name in _ANSWERS[found.kind][1:]:
        known = _said_of(found, name)
        answer = options.get(name, known)
        if answer != known:
            asked = f"{name}={answer!r}"
            is_said = candidate.is_described or name == "nonlinearity" or name in found.options
            if name not in found.assumed and is_said:
                reason = f"{asked} was asked for, and the file says {name}={known!r}"
                raise WeightFileError(file, found.prefix, reason)
            if name not in _OPEN and not is_computed(kind_of(found.kind).mode, name, answer):
                choices = COMPUTED[kind_of(found.kind).mode].get(name, (known,))
                computed = " or ".join(map(repr, choices))
                raise ValueError(
                    f"pylstm has no {found.kind} with {asked} yet: what it computes is "
                    f"{name}={computed}"
                )
            if name != "merge_mode":
                made[name] = answer
    if found.merge_mode is not None and "merge_mode" not in options:
        raise WeightFileError(
            file,
            found.prefix,
            f"the outputs of its directions are joined by {found.merge_mode!r}, which its caller "
            f"does: pass merge_mode={found.merge_mode!r} for a module that returns both directions",
        )
    bias = options.get("bias", found.bias)
    if found.bias and not bias:
        names = [name for name in candidate.parameters if name.startswith("bias")]
        listed = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
        reason = f"bias=False was asked for, and the file has {listed}"
        raise WeightFileError(file, found.prefix, reason)
    return {**made, "bias": bias}


def _said_of(found: FoundRecurrent, name: str) -> Any:
    """Return what a file says, or what was assumed, of what numbers depend on."""
    if name == "nonlinearity":
        return found.nonlinearity
    if name == "merge_mode":
        return found.merge_mode or _JOINED
    return found.options.get(name, found.assumed.get(name, DEFAULTS[name]))


def unanswered(candidate: Candidate, options: dict[str, Any]) -> Iterator[str]:
    """Yield what a module's numbers depend on that neither its file nor the caller said."""
    found = candidate.found
    where = f"{found.prefix!r}: " if found.prefix else ""
    names = [name for name in found.assumed if name in _ANSWERS[found.kind][1:]]
    if any(name in options for name in names if name not in _ALONE):
        names = [name for name in names if name in _ALONE]
    open_ones = {name: found.assumed[name] for name in names if name not in options}
    if open_ones:
        told = ", ".join(f"{name}={value!r}" for name, value in open_ones.items())
        yield (
            f"{where}the file does not say how this {found.kind} was configured; assumed: "
            f"{told}; pass these arguments to confirm them"
        )
    # Of layers that a reader put together the other answers tell that they were looked at.
    default = found.assumed.get("batch_first") and not candidate.is_described
    if default and not found._is_cell and "batch_first" not in options:
        yield (
            f"{where}PaddlePaddle wrote the file, in which batch_first=True is assumed: the "
            "default there, unless the program says time_major=True; pass batch_first to "
            "confirm or change it"
        )
    if found.initial_states is not None:
        yield (
            f"{where}the file starts from constant states that are not zero: pass the "
            f"initial_states that {finder_of(found.kind)} gives for it as hx"
        )
