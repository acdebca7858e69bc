"""Making modules with the parameters of a weight file."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .._core import as_array
from ..arguments.naming import type_name
from ..arguments.variants import STORAGE_NAMES
from ..files.base.errors import WeightFileError, WeightFileWarning
from ..files.base.walk import dotted
from . import values
from .answers import OPTIONS, STRUCTURE, check_options, storage_of, structure_of, unanswered
from .find import opened
from .kinds import CELL, counterpart, with_article
from .stored import float32_of
from .survey import Candidate, Survey, survey

if TYPE_CHECKING:
    from typing import Protocol, Self, TypeVar

    import numpy.typing as npt

    from .found import FoundRecurrent

    class Fillable(Protocol):
        """What a module offers that is made here; see ``pylstm.modules.native``."""

        _native_kind: str

        @classmethod
        def _made_to_be_filled(
            cls, arguments: dict[str, Any], weights: str | None = None
        ) -> Self: ...

    AnyModule = TypeVar("AnyModule", bound=Fillable)

# torch.compile puts it into names.
_COMPILED = "_orig_mod"

# An error lists so many modules; checkpoints may hold hundreds.
_MAX_LISTED = 20

# The storages whose stored arrays are the same, by storage.
_SAME_INTEGERS = {
    name: {"int8", "int8-fast"} if name.startswith("int8") else {name} for name in STORAGE_NAMES
}
_WIDENED = "; weights='float32' reads them as the floats that they stand for"

# Frames from a warning to the caller of from_weights: warn, from_weights here, the method.
_CALLER = 3


def from_weights(
    cls: type[AnyModule], source: Any, prefix: str | None, options: dict[str, Any]
) -> AnyModule:
    """Do what :meth:`pylstm.LSTM.from_weights` says."""
    kind = cls._native_kind
    if prefix is not None and not isinstance(prefix, str):
        raise TypeError(f"prefix must be a str or None, not {type_name(prefix)}")
    check_options(f"{cls.__name__}.from_weights()", kind, options)
    with opened(source) as (tree, name):
        candidate = _choose(survey(tree, name), kind, prefix)
        structure = structure_of(candidate, name, options)
        for text in unanswered(candidate, options):
            warnings.warn(f"{name}: {text}", WeightFileWarning, stacklevel=_CALLER)
        made = {**structure, **_constructors(kind, options)}
        return built(cls, candidate, name, made, storage_of(candidate.found, options))


def built(
    cls: type[AnyModule],
    candidate: Candidate,
    file: str,
    options: dict[str, Any],
    weights: str | None,
) -> AnyModule:
    """Do what :func:`build` does; errors name the file and the module."""
    try:
        return build(cls, candidate, options, weights)
    except values.BadValue as problem:
        raise WeightFileError(file, candidate.found.prefix, str(problem)) from None
    except MemoryError:
        reason = f"no memory for its {candidate.found.num_parameters} parameters"
        raise WeightFileError(file, candidate.found.prefix, reason) from None


def _choose(report: Survey, kind: str, prefix: str | None) -> Candidate:
    """Return the only module that ``prefix`` fits: of a kind, or else its one-layer counterpart."""
    fit = fitting(report, prefix)
    chosen = [each for each in fit if each.found.kind == kind]
    others = [each for each in fit if each.found.kind == counterpart(kind)]
    # Where something looks like one of the kind that was asked for, the other kind is not meant.
    alike = any(
        re.search(rf"\b{kind}\b", miss.kind) and (prefix is None or ends_with(miss.prefix, prefix))
        for miss in report.near_misses
    )
    if not chosen and len(others) == 1 and not alike and not _obstacle(others[0].found):
        return _counterpart(others[0])
    if len(chosen) != 1:
        _refuse(report, kind, prefix, chosen, others)
    return chosen[0]


def fitting(report: Survey, prefix: str | None, *, one: bool = True) -> list[Candidate]:
    """Return those that a prefix fits: a whole path before the end of one, all without a prefix.

    A path may be given without the ``_orig_mod`` of torch.compile in it, as the flat view has it.
    What is a near miss by its whole path is meant, and no module elsewhere replaces it: then
    nothing is returned. If ``one`` is wanted, that holds for the end of its path as well.
    """
    if prefix is None:
        return report.candidates
    whole = [each for each in report.candidates if each.found.prefix == prefix]
    if whole or any(miss.prefix == prefix for miss in report.near_misses):
        return whole
    rivals = report.near_misses if one else []
    for path_of in (str, _uncompiled):
        fits = [each for each in report.candidates if ends_with(path_of(each.found.prefix), prefix)]
        wanted = dotted(prefix)
        exact = [each for each in fits if dotted(path_of(each.found.prefix)) == wanted]
        if exact:
            return exact
        if any(dotted(path_of(miss.prefix)) == wanted for miss in report.near_misses):
            return []
        if fits:
            return [] if any(ends_with(path_of(miss.prefix), prefix) for miss in rivals) else fits
    return []


def ends_with(path: str, prefix: str) -> bool:
    """Tell whether a prefix is a path or its end; slashes are dots, as in the flat view."""
    path, prefix = dotted(path), dotted(prefix)
    return path == prefix or (bool(prefix) and path.endswith(f".{prefix}"))


def _uncompiled(path: str) -> str:
    return ".".join(name for name in path.split(".") if name != _COMPILED)


def _obstacle(found: FoundRecurrent) -> str:
    """Say why a layer is no cell, or a cell no layer; nothing if it is one with other names."""
    if found._is_cell:
        layer = counterpart(found.kind)
        return "" if found.input_size else f"{with_article(layer)} has inputs"
    problems = []
    if found.options.get("reverse"):
        problems.append("its only direction in reverse")
    if found.num_layers != 1:
        problems.append(f"{found.num_layers} layers")
    if found.bidirectional:
        problems.append("two directions")
    if found.proj_size:
        problems.append("a projection")
    return f"it has {' and '.join(problems)}" if problems else ""


def _counterpart(candidate: Candidate) -> Candidate:
    """Return the cell that a layer of one direction is, or that layer of a cell."""
    old = candidate.found.kind
    parameters = {
        name.removesuffix("_l0") + ("_l0" if old.endswith(CELL) else ""): leaf
        for name, leaf in candidate.parameters.items()
    }
    found = replace(candidate.found, kind=counterpart(old))
    return replace(candidate, found=found, parameters=parameters)


def _refuse(
    report: Survey,
    kind: str,
    prefix: str | None,
    chosen: list[Candidate],
    others: list[Candidate],
) -> NoReturn:
    """Raise the error that lists what there is, the modules in question first."""
    which = "" if prefix is None else f" with prefix {prefix!r}"
    first = [*chosen, *others]
    held = [str(each.found) for each in first]
    held += [str(each.found) for each in report.candidates if each not in first]
    held += [str(miss) for miss in report.near_misses]
    fit = fitting(report, prefix)
    if chosen:
        reason = f"it holds {len(chosen)} {kind}s{which}; choose one by its whole prefix:"
    elif len(others) == 1 and _obstacle(others[0].found):
        other = counterpart(kind)
        reason = (
            f"it holds no {kind}{which}, and its {other} is none: "
            f"{_obstacle(others[0].found)}; {other}.from_weights reads it:"
        )
    elif prefix and not fit and fitting(report, prefix, one=False):
        told = "fits several paths, one of them that of a near miss"
        reason = f"prefix {prefix!r} {told}; choose by a whole prefix:"
    else:
        reason = f"it holds no {kind}{which}" + ("; there are:" if held else ", nor the like of it")
    lines = held[:_MAX_LISTED]
    if len(held) > len(lines):
        lines.append(f"and {len(held) - len(lines)} more")
    if not first:
        lines += _ways_out(report, prefix)
    raise WeightFileError(report.name, "", "\n  ".join([reason, *lines]))


def _ways_out(report: Survey, prefix: str | None) -> list[str]:
    """Say how to read what was refused for what is foreign to it, where that is one module."""
    refused = [
        found for found in report.refused if prefix is None or ends_with(found.prefix, prefix)
    ]
    if len(refused) != 1:
        return []
    [found] = refused
    plain = {"num_layers": 1, "bias": True, "bidirectional": False}
    told = [
        f", {name}={getattr(found, name)}"
        for name, default in plain.items()
        if getattr(found, name) != default
    ]
    told += [", proj_size=1"] * bool(found.proj_size)
    names = f"{found.kind}(1, 2{''.join(told)})"
    file = "FILE" if report.name.startswith("<") else repr(report.name)
    where = f", prefix={found.prefix!r}" if found.prefix else ""
    return [
        "if its class and the foreign parameters play no role, pass its own parameters alone:",
        f"{{k: v for k, v in pylstm.load({file}, flat=True{where}).items() "
        f"if k in pylstm.{names}.state_dict()}}",
    ]


def _constructors(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that the constructor takes and the file's structure does not tell."""
    return {name: value for name, value in options.items() if name in OPTIONS[kind]}


def build(
    cls: type[AnyModule],
    candidate: Candidate,
    options: dict[str, Any],
    weights: str | None = None,
) -> AnyModule:
    """Make the module that was found, while its file is open; in a storage if one is given."""
    found = candidate.found
    arguments = {name: getattr(found, name) for name in STRUCTURE[found.kind]}
    arguments |= found.options
    if found.nonlinearity is not None:
        arguments["nonlinearity"] = found.nonlinearity
    is_wide = found.dtype == np.float64 and weights is None
    arguments["dtype"] = "float64" if is_wide else "float32"
    module: Any = cls._made_to_be_filled({**arguments, **options}, weights)
    # One by one, so that only one array is in memory beside the module.
    for name, leaf in candidate.parameters.items():
        try:
            _fill(module, name, leaf, found.weights)
        except values.BadScale as problem:
            raise values.BadValue("", "", f"{name} {problem}") from None
    for name in module._native_names:
        if name not in candidate.parameters and name.startswith("bias"):
            module._native_assign({name: np.zeros_like(module._parameter_view(name))})
    for name, value in _recorded_options(candidate.facts).items():
        if name == "training" or (name in OPTIONS[found.kind] and name not in options):
            setattr(module, name, value)
    return module  # type: ignore[no-any-return]


def _fill(module: Any, name: str, leaf: Any, stored: str | None) -> None:
    """Read one parameter of a file, in which it has the form of a storage, into a module."""
    weights, dtype = module._native_weights, module._native_dtype.name
    if weights is None or leaf.ndim != 2:
        value = np.ascontiguousarray(as_array(values.read(leaf), name, dtype))
        if stored == "bfloat16" and leaf.ndim == 2:
            _check_bfloat16(name, value)
        module._native_assign({name: value})
        return
    # A scale is of a row: integers that are compressed again get another one.
    has_scale = isinstance(leaf, values.Widened) and leaf.scale is not None
    is_kept = has_scale and {stored, weights} <= _SAME_INTEGERS[weights]
    pieces = _stored_pieces(leaf) if is_kept else values.pieces(leaf)
    for first, piece in pieces:
        try:
            if not is_kept:
                piece = float32_of(name, as_array(piece, name, None), weights, first)
                if stored == "bfloat16":
                    _check_bfloat16(name, piece)
            module._assign_rows(name, first, piece)
        except values.BadValue:
            raise
        except ValueError as problem:
            hint = _WIDENED if is_kept else ""
            raise values.BadValue("", "", f"{problem}{hint}") from None


def _stored_pieces(leaf: values.Widened) -> Iterator[tuple[int, Any]]:
    for first, stored, scale in leaf.sound_pieces():
        yield first, (stored, scale)


def _check_bfloat16(name: str, value: npt.NDArray[Any]) -> None:
    """Raise if float32 are recorded as bfloat16 and are none."""
    if (value.astype(np.float32, copy=False).view(np.uint32) & np.uint32(0xFFFF)).any():
        reason = f"{name} has numbers that bfloat16 has not, and weights='bfloat16' is recorded"
        raise values.BadValue("", "", reason)


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
