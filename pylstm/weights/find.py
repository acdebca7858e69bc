"""Finding the LSTMs among all that a weight file holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .._core import as_array
from ..files.base.errors import WeightFileError
from ..files.base.paddle import is_state_dict
from ..files.base.pieces import in_pieces
from ..files.base.record import Record, RecurrentLayer, Unsupported
from ..files.base.tensor import Tensor
from ..files.base.walk import Place, dotted, is_container, name_text, walk
from .adapters import adapted, is_hint
from .foreign import Group, look_beside, refusal
from .forms import describe_forms, scaled
from .infer import NAME, FoundLSTM, NearMiss, infer
from .values import of_bfloat16

__all__ = ["FoundLSTM", "NearMiss", "find_lstms", "survey"]

# What one report may hold. Files with thousands of LSTMs stay far below; one of many small
# containers in each other could otherwise ask for more text than memory.
_MAX_PARAMETERS = 1 << 16
_MAX_TEXT = 1 << 24

# What is before a parameter's name where it is nothing that parts the names in a path.
_OTHER_SEPARATOR = re.compile(r"(?:[^\w./]|_){1,20}\Z")


@dataclass(frozen=True, eq=False)
class Candidate:
    """An LSTM that was found.

    Attributes
    ----------
    found : FoundLSTM
    parameters : dict of str to Tensor, Widened or ndarray
        In torch's order; nothing has been read. ``bias_hh`` may be missing: it is zero.
    facts : mapping
        The attributes of the module, where the file has the whole module.
    is_described : bool
        Whether the file says what the module is: it has its class, or a node of a graph.
    """

    found: FoundLSTM
    parameters: dict[str, Any]
    facts: Mapping[str, Any]
    is_described: bool = False


@dataclass(frozen=True, eq=False)
class Survey:
    """What a weight file holds: LSTMs, cells, and what only looks like one.

    Attributes
    ----------
    name : str
        The file, for messages.
    candidates : list of Candidate
    near_misses : list of NearMiss
    refused : list of FoundLSTM
        What near misses would be by their own parameters, but for their class or for what is
        foreign beside them.
    """

    name: str
    candidates: list[Candidate] = field(default_factory=list)
    near_misses: list[NearMiss] = field(default_factory=list)
    refused: list[FoundLSTM] = field(default_factory=list)


def find_lstms(source: Any) -> list[FoundLSTM]:
    """List the LSTMs and LSTMCells in a weight file, reading none of their numbers.

    They are known by the names and shapes of their parameters, at any depth and under any
    prefix, and where the file has whole modules also by their class. What only looks like an
    LSTM is left out: a GRU, quantised or weight-normed weights, an incomplete set, a part of a
    bidirectional one, whole numbers, a module of another class, parameters with foreign ones
    beside or below them, as a layer norm has them, or with an adapter of their own (LoRA).
    ``python -m pylstm inspect`` and the errors of ``from_weights`` name it.

    In a mapping or a ``state_dict``, ``bias_hh`` may be missing from all layers and directions
    where ``bias_ih`` is there: it is zero. int8 parameters are multiplied by the scale that
    stands beside each, ``weight_ih_l0_scale``: one number, or one for each row.

    Parameters
    ----------
    source : str, os.PathLike, bytes, binary file object or mapping
        A weight file of any supported format, or what :func:`pylstm.load` returned.

    Returns
    -------
    list of FoundLSTM
        In the order of the file. A container that stands in several places is reported at the
        first. ``assumed`` holds what the file leaves open, and ``initial_states`` the constant
        states that it starts from.

    Raises
    ------
    WeightFileError
        If the file cannot be read.

    Examples
    --------
    >>> import pylstm
    >>> checkpoint = {"epoch": 3, "state_dict": pylstm.LSTM(4, 8).state_dict(prefix="encoder.")}
    >>> [found] = pylstm.find_lstms(checkpoint)
    >>> found.prefix, found.input_size, found.hidden_size
    ('state_dict.encoder', 4, 8)
    """
    with opened(source) as (tree, name):
        return [candidate.found for candidate in survey(tree, name).candidates]


# Where users find it: pickles name that place, wherever the file lies.
find_lstms.__module__ = "pylstm"


@contextmanager
def opened(source: Any) -> Iterator[tuple[Any, str]]:
    """Yield the tree of a file or a mapping, and its name for messages."""
    if is_container(source) or isinstance(source, (np.ndarray, Tensor)):
        yield source, f"<{type(source).__name__}>"
    else:
        from ..files.open import open_weights

        with open_weights(source) as file:
            yield file.tree, file.name


def survey(tree: Any, name: str) -> Survey:
    """Find the LSTMs in a tree, and what looks like one.

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
    misspelled: dict[tuple[Place, str], str] = {}

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
                misspelled.setdefault((place, start), separator)
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
    judged = {group: _judged(path_to(*at), group) for at, group in groups.items()}
    if any(_is_open(group, ones) for group, ones in judged.items()):
        look_beside(tree, name, groups, _owner, path_to, kept)
    _report(report, judged)
    _refuse_dropped(report)
    if hinted and report.candidates:
        _refuse_adapted(report, tree, path_to, kept)
    around = {place for place, _ in groups}
    for (place, start), separator in misspelled.items():
        if place not in around:
            reason = f"{separator!r:.40} is before its weight_hh; a dot or a slash parts names"
            report.near_misses.append(
                NearMiss(path_to(place, start), "LSTM with other names", f"{reason}: rename them")
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
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        value = value if isinstance(value, Tensor) else as_array(value, name, "any")
        if is_state_dict(place.container):
            value = of_bfloat16(value)
    elif not isinstance(value, Record) or _up(place, prefix)[2] == "parametrizations":
        return  # None stands for a bias that is not there; dicts are an optimiser's
    group = groups.setdefault((place, prefix), Group(place, prefix))
    group.put(name, form, value)


def _judged(prefix: str, group: Group) -> list[Candidate | NearMiss]:
    """Return what the parameters of one group are by themselves: an LSTM, a cell, or both."""
    judged: list[Candidate | NearMiss] = []
    for kind in ("LSTM", "LSTMCell"):
        layered = kind == "LSTM"
        plain = {name: leaf for name, leaf in group.plain.items() if ("_l" in name) == layered}
        forms, companions = (
            {both: leaf for both, leaf in some.items() if ("_l" in both[0]) == layered}
            for some in (group.forms, group.companions)
        )
        if forms:
            judged.append(describe_forms(prefix, plain, forms))
        elif plain:
            judged.append(_judged_plain(prefix, kind, group, plain, companions))
    return judged


def _judged_plain(
    prefix: str,
    kind: str,
    group: Group,
    plain: Mapping[str, Any],
    companions: Mapping[tuple[str, str], Any],
) -> Candidate | NearMiss:
    owner = group.owner
    values = scaled(prefix, kind, plain, companions) if owner is None else plain
    if isinstance(values, NearMiss):
        return values
    found = infer(prefix, values, one_bias=owner is None)
    if isinstance(found, NearMiss):
        return found
    for name, form in companions:
        if owner is None and values.get(name) is plain.get(name):
            group.add(f"{name}_{form}")
    facts = group.place.facts(group.prefix)
    found = replace(found, **_said(found, owner, facts, group.place.assumed(group.prefix)))
    parameters = {name: values[name] for name, _ in found._shapes() if name in values}
    return Candidate(found, parameters, facts, owner is not None)


def _is_open(group: Group, judged: Iterable[Candidate | NearMiss]) -> bool:
    """Tell whether what stands beside a group decides whether it is an LSTM."""
    return group.owner is None and any(isinstance(one, Candidate) for one in judged)


def _report(report: Survey, judged: Mapping[Group, Iterable[Candidate | NearMiss]]) -> None:
    """Report what every group is, now that all that stands beside it is known."""
    for group, ones in judged.items():
        if group.count or not all(isinstance(one, Candidate) for one in ones) or not ones:
            group.mark()
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


def _said(
    found: FoundLSTM, owner: Any, facts: Mapping[str, Any], assumed: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fields that tell what the file leaves open, and its initial states."""
    if isinstance(owner, RecurrentLayer):
        return {"assumed": dict(owner.assumed), "initial_states": owner.initial_states}
    if assumed and found.kind == "LSTM":
        return {"assumed": dict(assumed)}
    known = found.kind == "LSTMCell" or isinstance(facts.get("batch_first"), bool)
    return {"assumed": {} if known else {"batch_first": False}}


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
    """Turn LSTMs into near misses whose weights adapters in the file change."""
    found: dict[str, list[FoundLSTM]] = {}
    own: set[int] = set()
    small: set[str] = set()
    for each in report.candidates:
        stored = (
            leaf.storage.dtype for leaf in each.parameters.values() if isinstance(leaf, Tensor)
        )
        if any(dtype.startswith("float8") for dtype in stored):
            small.add(each.found.prefix)
        found.setdefault(each.found.prefix, []).append(each.found)
        own.update(map(id, each.parameters.values()))
    misses = adapted(tree, report.name, found, small, own, path_to, kept)
    report.near_misses.extend(misses.values())
    report.refused.extend(each.found for each in report.candidates if each.found.prefix in misses)
    report.candidates[:] = [each for each in report.candidates if each.found.prefix not in misses]
