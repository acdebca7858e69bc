"""What callers of ``from_weights`` answer that a weight file leaves open."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..arguments.naming import type_name
from ..files.base.errors import WeightFileError

if TYPE_CHECKING:
    from .find import Candidate

# The constructors' arguments: what the file's shapes tell, and what they do not.
STRUCTURE = {
    "LSTM": ("input_size", "hidden_size", "num_layers", "bias", "bidirectional", "proj_size"),
    "LSTMCell": ("input_size", "hidden_size", "bias"),
}
OPTIONS = {
    "LSTM": ("batch_first", "dropout", "device", "dtype"),
    "LSTMCell": ("device", "dtype"),
}
# What numbers depend on and no state_dict says: the type of an answer, and what pylstm computes.
_VARIANTS: dict[str, tuple[type, Any]] = {
    "gate_activation": (str, "sigmoid"),
    "activation": (str, "tanh"),
    "reverse": (bool, False),
    "merge_mode": (str, "concat"),
}
# Each of them is asked for by itself; of the others one answer is taken for all.
_ALONE = ("merge_mode",)
_ANSWERS = {
    "LSTM": ("bias", *_VARIANTS),
    "LSTMCell": ("bias", "gate_activation", "activation"),
}


def check_options(caller: str, kind: str, options: dict[str, Any]) -> None:
    """Check names and types of the options, before the file is opened."""
    taken = (*OPTIONS[kind], *_ANSWERS[kind])
    for name, value in options.items():
        if name not in taken:
            told = name in STRUCTURE[kind]
            why = "the shapes in the file tell it" if told else "there is no such option"
            raise TypeError(f"{caller} takes no {name}: {why}; it takes {', '.join(taken)}")
        wanted = bool if name == "bias" else _VARIANTS.get(name, (object,))[0]
        if not isinstance(value, wanted):
            raise TypeError(f"{name} must be a {wanted.__name__}, not {type_name(value)}")


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
    for name, (_, computed) in _VARIANTS.items():
        if options.get(name, computed) == computed:
            continue
        asked = f"{name}={options[name]!r}"
        if candidate.is_described and name not in found.assumed:
            reason = f"{asked} was asked for, and the file says {name}={computed!r}"
            raise WeightFileError(file, found.prefix, reason)
        raise ValueError(
            f"pylstm has no {found.kind} with {asked} yet: what it computes is {name}={computed!r}"
        )
    bias = options.get("bias", found.bias)
    if found.bias and not bias:
        names = [name for name in candidate.parameters if name.startswith("bias")]
        listed = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
        reason = f"bias=False was asked for, and the file has {listed}"
        raise WeightFileError(file, found.prefix, reason)
    return {"bias": bias}


def unanswered(candidate: Candidate, options: dict[str, Any]) -> Iterator[str]:
    """Yield what a module's numbers depend on that neither its file nor the caller said."""
    found = candidate.found
    where = f"{found.prefix!r}: " if found.prefix else ""
    names = [name for name in found.assumed if name in _VARIANTS and name in _ANSWERS[found.kind]]
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
    if default and found.kind == "LSTM" and "batch_first" not in options:
        yield (
            f"{where}PaddlePaddle wrote the file, in which batch_first=True is assumed: the "
            "default there, unless the program says time_major=True; pass batch_first to "
            "confirm or change it"
        )
    if found.initial_states is not None:
        yield (
            f"{where}the file starts from constant states that are not zero: pass the "
            "initial_states that find_lstms gives for it as hx"
        )
