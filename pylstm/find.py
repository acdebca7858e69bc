"""Finding the LSTMs among all that a weight file holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ._core import as_array
from .files.errors import WeightFileError
from .files.modules import Place, is_container, name_text, walk
from .files.pieces import in_pieces
from .files.record import Record, RecurrentLayer, Unsupported
from .files.tensor import Tensor
from .recurrent import NAME, FoundLSTM, NearMiss, describe_forms, infer

__all__ = ["FoundLSTM", "NearMiss", "find_lstms", "survey"]

# What one report may hold. Files with thousands of LSTMs stay far below; one of many small
# containers in each other could otherwise ask for more text than memory.
_MAX_PARAMETERS = 1 << 16
_MAX_TEXT = 1 << 24


@dataclass(frozen=True, eq=False)
class Candidate:
    """An LSTM that was found.

    Attributes
    ----------
    found : FoundLSTM
    parameters : dict of str to Tensor or ndarray
        In torch's order; nothing has been read.
    facts : mapping
        The attributes of the module, where the file has the whole module.
    """

    found: FoundLSTM
    parameters: dict[str, Any]
    facts: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Survey:
    """What a weight file holds: LSTMs, cells, and what only looks like one."""

    name: str
    candidates: list[Candidate] = field(default_factory=list)
    near_misses: list[NearMiss] = field(default_factory=list)


class _Group:
    """Parameters that belong to one module, by name."""

    def __init__(self) -> None:
        self.plain: dict[str, Any] = {}
        self.forms: dict[tuple[str, str], Any] = {}


def find_lstms(source: Any) -> list[FoundLSTM]:
    """List the LSTMs and LSTMCells in a weight file, reading none of their numbers.

    They are known by the names and shapes of their parameters, at any depth and under any
    prefix. What only looks like an LSTM (a GRU, quantised or weight-normed weights, an
    incomplete set) is left out; ``python -m pylstm inspect`` and the errors of ``from_weights``
    name it.

    Parameters
    ----------
    source : str, os.PathLike, bytes, binary file object or mapping
        A weight file of any supported format, or what :func:`pylstm.load` returned.

    Returns
    -------
    list of FoundLSTM
        In the order of the file. A container that stands in several places is reported at the
        first.

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


@contextmanager
def opened(source: Any) -> Iterator[tuple[Any, str]]:
    """Yield the tree of a file or a mapping, and its name for messages."""
    if is_container(source) or isinstance(source, (np.ndarray, Tensor)):
        yield source, f"<{type(source).__name__}>"
    else:
        from .files.formats import open_weights

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
    groups: dict[tuple[Place, str], _Group] = {}
    report = Survey(name)
    count, left = 0, _MAX_TEXT

    def path_to(place: Place, below: str) -> str:
        nonlocal left
        left -= place.length + len(below)
        if left < 0:
            raise WeightFileError(name, "", "the paths to its modules are too long")
        return place.path(below)

    for place, key, value in walk(tree, name):
        owner = _owner(place, key) if isinstance(key, str) else None
        value = in_pieces(key, value)
        if owner is None and not isinstance(value, Unsupported):
            continue
        count += 1
        if count > _MAX_PARAMETERS:
            raise WeightFileError(name, "", f"it holds more than {_MAX_PARAMETERS} parameters")
        if isinstance(value, Unsupported):
            path = path_to(place, name_text(key))
            report.near_misses.append(NearMiss(path, value.kind, value.reason))
        elif owner is not None:
            _collect(groups, owner, value)
    for (place, prefix), group in groups.items():
        owner = None if prefix else place.container
        _judge(report, path_to(place, prefix), group, owner, {} if prefix else place.facts())
    _refuse_dropped(report)
    return report


def _owner(place: Place, key: str) -> tuple[Place, str, str, str] | None:
    """Return whose parameter stands under ``key``, which one, and in which form.

    The module is given by a container and a prefix of the keys in it, since files nest their
    modules, or write the path into the keys, or both.
    """
    prefix, _, last = key.rpartition(".")
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


def _up(place: Place, prefix: str) -> tuple[Place, str, str]:
    """Split the last name off the path of ``prefix`` in ``place``."""
    if not prefix:
        if place.above is None:
            return place, "", ""
        place, prefix = place.above, name_text(place.name)
    prefix, _, last = prefix.rpartition(".")
    return place, prefix, last


def _collect(
    groups: dict[tuple[Place, str], _Group], owner: tuple[Place, str, str, str], value: Any
) -> None:
    """Put a value into the group that it belongs to, if it can be a parameter."""
    place, prefix, name, form = owner
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        value = value if isinstance(value, Tensor) else as_array(value, name, "any")
    elif not isinstance(value, Record) or _up(place, prefix)[2] == "parametrizations":
        return  # None stands for a bias that is not there; dicts are an optimiser's
    group = groups.setdefault((place, prefix), _Group())
    if form:
        group.forms[name, form] = value
    elif group.plain.setdefault(name, value) is not value:
        group.forms[name, "twice"] = value


def _judge(
    report: Survey, prefix: str, group: _Group, owner: Any, facts: Mapping[str, Any]
) -> None:
    """Report what the parameters of one group are: an LSTM, a cell, or both."""
    for layered in (True, False):
        plain = {name: leaf for name, leaf in group.plain.items() if ("_l" in name) == layered}
        forms = {both: leaf for both, leaf in group.forms.items() if ("_l" in both[0]) == layered}
        if forms:
            report.near_misses.append(describe_forms(prefix, plain, forms))
        elif plain:
            found = infer(prefix, plain)
            if isinstance(found, NearMiss):
                report.near_misses.append(found)
            else:
                parameters = {name: plain[name] for name, _ in found._shapes()}
                found = replace(found, **_said(found, owner, facts))
                report.candidates.append(Candidate(found, parameters, facts))


def _said(found: FoundLSTM, owner: Any, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that tell what the file leaves open, and its initial states."""
    if isinstance(owner, RecurrentLayer):
        return {"assumed": dict(owner.assumed), "initial_states": owner.initial_states}
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
