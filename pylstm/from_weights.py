"""Making modules with the parameters of a weight file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np

from . import _core
from ._core import as_array
from .files.errors import WeightFileError
from .files.tensor import Tensor
from .find import Candidate, Survey, opened, survey
from .naming import type_name

if TYPE_CHECKING:
    import numpy.typing as npt

    from .native import NativeModule

    AnyModule = TypeVar("AnyModule", bound=NativeModule)

# The constructors' arguments: what shapes tell, and what they do not.
_STRUCTURE = {
    "LSTM": ("input_size", "hidden_size", "num_layers", "bias", "bidirectional", "proj_size"),
    "LSTMCell": ("input_size", "hidden_size", "bias"),
}
_OPTIONS = {
    "LSTM": ("batch_first", "dropout", "device", "dtype"),
    "LSTMCell": ("device", "dtype"),
}

# An error lists so many modules; checkpoints may hold hundreds.
_MAX_LISTED = 20


def from_weights(
    cls: type[AnyModule], source: Any, prefix: str | None, options: dict[str, Any]
) -> AnyModule:
    """Do what :meth:`pylstm.LSTM.from_weights` says."""
    kind = "LSTM" if issubclass(cls, _core.LSTM) else "LSTMCell"
    _check_arguments(cls, kind, prefix, options)
    with opened(source) as (tree, name):
        candidate = _choose(survey(tree, name), kind, prefix)
        try:
            return build(cls, candidate, options)
        except MemoryError:
            reason = f"no memory for its {candidate.found.num_parameters} parameters"
            raise WeightFileError(name, candidate.found.prefix, reason) from None


def _check_arguments(cls: type, kind: str, prefix: Any, options: dict[str, Any]) -> None:
    if prefix is not None and not isinstance(prefix, str):
        raise TypeError(f"prefix must be a str or None, not {type_name(prefix)}")
    for name in options:
        if name not in _OPTIONS[kind]:
            told = name in _STRUCTURE[kind]
            why = "the shapes in the file tell it" if told else "there is no such option"
            raise TypeError(
                f"{cls.__name__}.from_weights() takes no {name}: {why}; "
                f"it takes {', '.join(_OPTIONS[kind])}"
            )


def _choose(report: Survey, kind: str, prefix: str | None) -> Candidate:
    """Return the only module of a kind that ``prefix`` fits."""
    chosen = fitting([each for each in report.candidates if each.found.kind == kind], prefix)
    if len(chosen) != 1:
        _refuse(report, kind, prefix, chosen)
    return chosen[0]


def fitting(candidates: list[Candidate], prefix: str | None) -> list[Candidate]:
    """Return those that a prefix fits: a whole path before the end of one, all without a prefix."""
    if prefix is None:
        return candidates
    whole = [each for each in candidates if each.found.prefix == prefix]
    return whole or [each for each in candidates if each.found.prefix.endswith(f".{prefix}")]


def _refuse(report: Survey, kind: str, prefix: str | None, fitting: list[Candidate]) -> NoReturn:
    """Raise the error that lists what there is, the modules in question first."""
    which = "" if prefix is None else f" with prefix {prefix!r}"
    others = [each for each in report.candidates if each not in fitting]
    held = [str(each.found) for each in (*fitting, *others)]
    held += [str(miss) for miss in report.near_misses]
    if fitting:
        reason = f"it holds {len(fitting)} {kind}s{which}; choose one by its whole prefix:"
    else:
        reason = f"it holds no {kind}{which}" + ("; there are:" if held else ", nor the like of it")
    lines = held[:_MAX_LISTED]
    if len(held) > len(lines):
        lines.append(f"and {len(held) - len(lines)} more")
    raise WeightFileError(report.name, "", "\n  ".join([reason, *lines]))


def build(cls: type[AnyModule], candidate: Candidate, options: dict[str, Any]) -> AnyModule:
    """Make the module that was found, while its file is open."""
    found = candidate.found
    arguments = {name: getattr(found, name) for name in _STRUCTURE[found.kind]}
    arguments["dtype"] = "float64" if found.dtype == np.float64 else "float32"
    module: Any = cls.__new__(cls)
    # The constructor ends with reset_parameters, which would draw numbers for nothing.
    vars(module)["_awaits_parameters"] = True
    module.__init__(**{**arguments, **options})
    vars(module).pop("_awaits_parameters", None)
    # One by one, so that only one array is in memory beside the module.
    for name, leaf in candidate.parameters.items():
        module._assign({name: _read(leaf, name, module._dtype.name)})
    for name, value in _recorded_options(candidate.facts).items():
        if name == "training" or (name in _OPTIONS[found.kind] and name not in options):
            setattr(module, name, value)
    return module  # type: ignore[no-any-return]


def _read(leaf: Any, name: str, dtype: str) -> npt.NDArray[Any]:
    array = leaf.read() if isinstance(leaf, Tensor) else leaf
    if array.dtype.kind == "b":
        array = array.view(np.uint8)
    return np.ascontiguousarray(as_array(array, name, dtype))


def _recorded_options(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options among a module's attributes; a file may hold anything by these names."""
    recorded = {
        name: facts[name]
        for name in ("batch_first", "training")
        if isinstance(facts.get(name), bool)
    }
    dropout: Any = facts.get("dropout")
    if type(dropout) in (int, float) and 0 <= dropout <= 1:
        recorded["dropout"] = float(dropout)
    return recorded
