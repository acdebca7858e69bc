"""The survey of a weight file: its recurrent modules, and what only looks like one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .._core import as_array
from ..files.base.errors import WeightFileError
from ..files.base.paddle import is_state_dict
from ..files.base.pieces import in_pieces
from ..files.base.record import Record, RecurrentLayer, Unsupported
from ..files.base.tensor import Tensor
from ..files.base.walk import Place, dotted, name_text, walk
from .adapters import adapted, is_hint
from .changed import changed, take_dropped
from .foreign import Group, look_beside, refusal
from .forms import describe_forms, scaled
from .found import FoundRecurrent, NearMiss
from .infer import NAME, gates_of, infer
from .kinds import LSTM, kind_of, with_article
from .packed import PACKED, unpacked
from .recorded import storage_in
from .said import said
from .values import Widened, of_bfloat16, of_pair, stored_in
from .variants import is_computed

# What one report may hold. Files with thousands of LSTMs stay far below; one of many small
# containers in each other could otherwise ask for more text than memory.
_MAX_PARAMETERS = 1 << 16
_MAX_TEXT = 1 << 24

# What is before a parameter's name where it is nothing that parts the names in a path.
_OTHER_SEPARATOR = re.compile(r"(?:[^\w./]|_){1,20}\Z")


@dataclass(frozen=True, eq=False)
class Candidate:
    """A module that was found.

    Attributes
    ----------
    found : FoundRecurrent
    parameters : dict of str to Tensor, Widened or ndarray
        In torch's order; nothing has been read. ``bias_hh`` may be missing: it is zero.
    facts : mapping
        The attributes of the module, where the file has the whole module.
    is_described : bool
        Whether the file says what the module is: it has its class, or a node of a graph.
    """

    found: FoundRecurrent
    parameters: dict[str, Any]
    facts: Mapping[str, Any]
    is_described: bool = False


@dataclass(frozen=True, eq=False)
class Survey:
    """What a weight file holds: layers, cells, and what only looks like one.

    Attributes
    ----------
    name : str
        The file, for messages.
    candidates : list of Candidate
    near_misses : list of NearMiss
    refused : list of FoundRecurrent
        What near misses would be by their own parameters, but for their class or for what is
        foreign beside them.
    """

    name: str
    candidates: list[Candidate] = field(default_factory=list)
    near_misses: list[NearMiss] = field(default_factory=list)
    refused: list[FoundRecurrent] = field(default_factory=list)


def survey(tree: Any, name: str) -> Survey:
    """Find the recurrent modules in a tree, and what looks like one.

    Parameters
    ----------
    tree : object
        Containers, with tensors that have not been read or with arrays.
    name : str
        For messages.
    """
    groups: dict[tuple[Place, str], Group] = {}
    kept: dict[int, list[tuple[Any, Any]]] = {}
    report = Survey(name)
    count, left, hinted = 0, _MAX_TEXT, False
    misspelled: dict[tuple[Place, str], tuple[str, str]] = {}

    def path_to(place: Place, below: str) -> str:
        nonlocal left
        left -= place.length + len(below)
        if left < 0:
            raise WeightFileError(name, "", "the paths to its modules are too long")
        return place.path(below)

    for place, key, value in walk(tree, name, kept):
        owner = _owner(place, key) if isinstance(key, str) else None
        hinted = hinted or (isinstance(key, str) and is_hint(key))
        value = in_pieces(key, value)
        if owner is None and not isinstance(value, Unsupported):
            start, separator = _other_separator(key, value)
            if start:
                kind = gates_of(value) or LSTM.mode
                misspelled.setdefault((place, start), (separator, kind))
            continue
        count += 1
        if count > _MAX_PARAMETERS:
            raise WeightFileError(name, "", f"it holds more than {_MAX_PARAMETERS} parameters")
        if isinstance(value, Unsupported):
            path = path_to(place, name_text(key))
            report.near_misses.append(NearMiss(path, value.kind, value.reason))
        elif owner is not None:
            _collect(groups, owner, value)
    for group in groups.values():
        group.settle()
    take_dropped(groups, _up)
    judged = {group: _judged(path_to(*at), group) for at, group in groups.items()}
    if any(_is_open(group, ones) for group, ones in judged.items()):
        look_beside(tree, name, groups, _owner, path_to, kept)
    _report(report, judged)
    _refuse_dropped(report)
    if hinted and report.candidates:
        _refuse_adapted(report, tree, path_to, kept)
    around = {place for place, _ in groups}
    for (place, start), (separator, kind) in misspelled.items():
        if place not in around:
            reason = f"{separator!r:.40} is before its weight_hh; a dot or a slash parts names"
            report.near_misses.append(
                NearMiss(
                    path_to(place, start), f"{kind} with other names", f"{reason}: rename them"
                )
            )
    return report


def _owner(place: Place, key: str) -> tuple[Place, str, str, str] | None:
    """Return whose parameter stands under ``key``, which one, and in which form.

    The module is given by a container and a prefix of the keys in it, since files nest their
    modules, or write the path into the keys, or both.
    """
    prefix, _, last = dotted(key).rpartition(".")
    match = NAME.fullmatch(last)
    if match:
        return place, prefix, match[1], match[4] or ""
    if last in ("_packed_weight_ih", "_packed_weight_hh"):
        return place, prefix, last, "packed_cell"
    if last in ("original", "original0", "original1"):
        place, prefix, name = _up(place, prefix)
        place, prefix, table = _up(place, prefix)
        if table == "parametrizations" and NAME.fullmatch(name):
            return place, prefix, name, last
    elif last in ("_u", "_v"):
        place, prefix, index = _up(place, prefix)
        place, prefix, name = _up(place, prefix)
        place, prefix, table = _up(place, prefix)
        if index == "0" and table == "parametrizations" and NAME.fullmatch(name):
            return place, prefix, name, f"0.{last}"
    elif last == "param":
        place, prefix, index = _up(place, prefix)
        place, prefix, table = _up(place, prefix)
        if table == "_all_weight_values":
            return place, prefix, f"{table}.{index}.{last}", "packed"
    elif last == "weight":
        names = [last]
        for _ in range(5):
            place, prefix, name = _up(place, prefix)
            names.append(name)
        if names[1] in ("igates", "hgates") and names[2] == "cell" and names[5] == "layers":
            return place, prefix, ".".join(reversed(names)), "quantizable"
    return None


def _other_separator(key: Any, value: Any) -> tuple[str, str]:
    """Return what is before the name of a weight_hh, and what parts both if paths have no such."""
    if not isinstance(key, str) or not key.endswith(("weight_hh", "weight_hh_l0")):
        return "", ""
    start = key.removesuffix("_l0").removesuffix("weight_hh")
    match = _OTHER_SEPARATOR.search(start[-20:])
    if match is None or len(getattr(value, "shape", ())) != 2:
        return "", ""
    return start.removesuffix(match[0]), match[0]


def _up(place: Place, prefix: str) -> tuple[Place, str, str]:
    """Split the last name off the path of ``prefix`` in ``place``."""
    if not prefix:
        if place.above is None:
            return place, "", ""
        place, prefix = place.above, name_text(place.name)
    prefix, _, last = prefix.rpartition(".")
    return place, prefix, last


def _collect(
    groups: dict[tuple[Place, str], Group], owner: tuple[Place, str, str, str], value: Any
) -> None:
    """Put a value into the group that it belongs to, if it can be a parameter."""
    place, prefix, name, form = owner
    if isinstance(value, tuple) and place.pickled() is not None:
        value = of_pair(value)
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        value = value if isinstance(value, (Tensor, Widened)) else as_array(value, name, "any")
        if is_state_dict(place.container):
            value = of_bfloat16(value)
    elif not isinstance(value, Record) or _up(place, prefix)[2] == "parametrizations":
        return  # None stands for a bias that is not there; dicts are an optimiser's
    group = groups.setdefault((place, prefix), Group(place, prefix))
    group.put(name, form, value)


def _judged(prefix: str, group: Group) -> list[Candidate | NearMiss]:
    """Return what the parameters of one group are by themselves: a layer, a cell, or both."""
    judged: list[Candidate | NearMiss] = []
    for layered in (True, False):
        plain = {name: leaf for name, leaf in group.plain.items() if ("_l" in name) == layered}
        forms, companions = (
            {both: leaf for both, leaf in some.items() if ("_l" in both[0]) == layered}
            for some in (group.forms, group.companions)
        )
        if forms and all(form in PACKED for _, form in forms):
            values = unpacked(prefix, forms, group.place.facts(group.prefix))
            if isinstance(values, NearMiss):
                judged.append(values)
            else:
                judged.append(_judged_plain(prefix, group, values, {}))
        elif forms:
            judged.append(_judged_changed(prefix, group, plain, forms, companions))
        elif plain:
            judged.append(_judged_plain(prefix, group, plain, companions))
    return judged


def _judged_changed(
    prefix: str,
    group: Group,
    plain: Mapping[str, Any],
    forms: Mapping[tuple[str, str], Any],
    companions: Mapping[tuple[str, str], Any],
) -> Candidate | NearMiss:
    made = changed(prefix, group, plain, forms)
    if isinstance(made, NearMiss):
        return made
    values, told = made
    judged = _judged_plain(prefix, group, values, companions)
    if isinstance(judged, NearMiss):
        return replace(judged, kind=describe_forms(prefix, plain, forms).kind)
    return replace(judged, found=replace(judged.found, computed=told))


def _judged_plain(
    prefix: str,
    group: Group,
    plain: Mapping[str, Any],
    companions: Mapping[tuple[str, str], Any],
) -> Candidate | NearMiss:
    owner = group.owner
    if owner is not None and not isinstance(owner, RecurrentLayer):
        # torch's modules are what they are, whatever else they hold.
        plain = {name: leaf for name, leaf in plain.items() if not name.startswith("weight_p")}
    values = scaled(prefix, plain, companions) if owner is None else plain
    if isinstance(values, NearMiss):
        return values
    found = infer(prefix, values, one_bias=owner is None)
    if isinstance(found, NearMiss):
        return found
    for name, form in companions:
        if owner is None and values.get(name) is plain.get(name):
            group.add(f"{name}_{form}")
    facts = group.place.facts(group.prefix)
    if facts.get("peepholes") is True and not found.options and kind_of(found.kind) is LSTM:
        reason = "it is one with peepholes, and has none"
        return NearMiss(prefix, f"incomplete {found.kind}", reason)
    parameters = {name: values[name] for name, _ in found._shapes() if name in values}
    weights, problem = storage_in(parameters, facts) if owner is None else (None, "")
    if problem:
        return NearMiss(prefix, f"inconsistent {found.kind}", problem)
    found = replace(
        found, weights=weights, **said(found, owner, facts, group.place.assumed(group.prefix))
    )
    has_direction = not (found._is_cell or found.bidirectional)
    others = [
        f"{name}={value!r}"
        for name, value in found.options.items()
        if not is_computed(kind_of(found.kind).mode, name, value)
        or (name == "reverse" and not has_direction)
    ]
    if others:
        reason = f"it has {', '.join(others)}, which pylstm does not compute"
        return NearMiss(prefix, f"variant of {with_article(found.kind)}", reason)
    return Candidate(found, parameters, facts, owner is not None)


def _is_open(group: Group, judged: Collection[Candidate | NearMiss]) -> bool:
    """Tell whether what stands beside a group decides what it is."""
    return group.owner is None and any(isinstance(one, Candidate) for one in judged)


def _report(report: Survey, judged: Mapping[Group, Collection[Candidate | NearMiss]]) -> None:
    """Report what every group is, now that all that stands beside it is known."""
    for group, ones in judged.items():
        kinds = [kind_of(one.found.kind) for one in ones if isinstance(one, Candidate)]
        if group.count or len(kinds) < len(ones) or len(set(kinds)) != 1:
            group.mark()
        else:
            group.mark_below(kinds[0].mode)
    for group, ones in judged.items():
        for one in ones:
            if isinstance(one, NearMiss):
                report.near_misses.append(one)
                continue
            problem = refusal(group, one.found)
            if problem is None:
                report.candidates.append(one)
            else:
                report.near_misses.append(problem)
                report.refused.append(one.found)


def _refuse_dropped(report: Survey) -> None:
    """Turn LSTMs inside weight-dropped ones into near misses.

    fastai keeps ``weight_hh_l0_raw`` in a wrapper; the weight in the LSTM itself is what is left
    of it after the last dropout.
    """
    kind = "weight-dropped LSTM"
    inside = {f"{miss.prefix}.module" for miss in report.near_misses if miss.kind == kind}
    kept = []
    for candidate in report.candidates:
        prefix = candidate.found.prefix
        if prefix in inside:
            wrapper = prefix.rpartition(".")[0]
            reason = f"the weight before dropout is in {wrapper!r}"
            report.near_misses.append(NearMiss(prefix, kind, reason))
        else:
            kept.append(candidate)
    report.candidates[:] = kept


def _refuse_adapted(
    report: Survey, tree: Any, path_to: Any, kept: dict[int, list[tuple[Any, Any]]]
) -> None:
    """Turn modules into near misses whose weights adapters in the file change."""
    found: dict[str, list[FoundRecurrent]] = {}
    own: set[int] = set()
    small: set[str] = set()
    for each in report.candidates:
        stored = (
            leaf.storage.dtype for leaf in each.parameters.values() if isinstance(leaf, Tensor)
        )
        if any(dtype.startswith("float8") for dtype in stored):
            small.add(each.found.prefix)
        found.setdefault(each.found.prefix, []).append(each.found)
        own.update(id(stored_in(leaf)) for leaf in each.parameters.values())
    misses = adapted(tree, report.name, found, small, own, path_to, kept)
    report.near_misses.extend(misses.values())
    report.refused.extend(each.found for each in report.candidates if each.found.prefix in misses)
    report.candidates[:] = [each for each in report.candidates if each.found.prefix not in misses]
