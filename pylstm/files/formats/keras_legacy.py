"""Which datasets of a Keras file with named weights are those of which recurrent layer.

Such a file has a group for each layer of the outermost model. ``layer_names`` lists the groups and
``weight_names`` what is in one; the paths in a group need not have the layer's name in them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ..base.hdf5_text import Attributes
from .keras_config import Configuration, Layer, is_bidirectional
from .keras_layouts import ROLES, Found, describe, foreign_variables, shown_owner
from .keras_names import (
    Roles,
    Unit,
    Weight,
    cell_name,
    listed,
    match,
    units_of,
    wrapper_name,
    wrong_cell,
)
from .keras_settings import foreign

_ROLE = re.compile(r"(?s)(?:(.*)/)?(kernel|recurrent_kernel|bias)(?::0)?")
# Keras 1 had an array for each gate.
_BY_GATE = re.compile(r"(?s)(.+)/[^/]+_U_i(?::0)?")
# Variables beside the weights that change no number of a sequence that starts at zero.
_KNOWN = re.compile(r"(?s)(?:.*/)?(?:seed_generator(?:_[0-9]+)?/.*|rnn_state(?:_[0-9]+)?(?::0)?)")
_OPTIMIZER = "optimizer_weights"


@dataclass(eq=False, slots=True)
class Group:
    """The group of a layer of the outermost model.

    Attributes
    ----------
    name : str or None
        What the file calls the layer; None for what no layer is known to have.
    path : str
    weights : dict of str to Tensor or str
        By path in the group, in the order of the layer's weights if ``ordered``.
    ordered : bool
    problem : str
    """

    name: str | None
    path: str
    weights: dict[str, Weight] = field(default_factory=dict)
    ordered: bool = False
    problem: str = ""

    def cells(self) -> dict[str, Roles]:
        """Return the weights of each cell by role, and by what their paths share."""
        found: dict[str, Roles] = {}
        for path, weight in self.weights.items():
            matched = _ROLE.fullmatch(path)
            if matched:
                found.setdefault(matched[1] or "", {})[matched[2]] = weight
        return {path: roles for path, roles in found.items() if ROLES[1] in roles}

    def holds_only(self, unit: Unit) -> bool:
        """Tell whether all weights of the group are those of one layer."""
        return sum(map(len, unit.cells.values())) == len(self.weights)

    def beside(self, units: list[Unit]) -> None:
        """Say in each unit what is in its part of the group besides its own weights."""
        owners: dict[str, list[Unit]] = {}
        for unit in units:
            owners.setdefault(unit.owner, []).append(unit)
        for path in self.weights:
            if _KNOWN.fullmatch(path):
                continue
            matched = _ROLE.fullmatch(path)
            cell = (matched[1] or "") if matched else None
            above = path
            while above:
                above = above.rpartition("/")[0]
                for unit in owners.get(above, ()):
                    if cell not in unit.cells:
                        unit.others.append(path)


def named(
    weights: Mapping[str, Weight],
    configuration: Configuration | None,
    attributes: Callable[[str], Attributes | None],
) -> Iterator[Found]:
    """Yield the layers of a file with named weights.

    Parameters
    ----------
    weights : mapping of str to Tensor or str
        Every dataset by its path.
    configuration : Configuration or None
    attributes : callable
        Returns those of a group.
    """
    by_gate = dict.fromkeys(
        matched[1].removeprefix("model_weights/")
        for path in weights
        if (matched := _BY_GATE.fullmatch(path))
    )
    for path in by_gate:
        problem = "Keras 1 wrote it, with an array for each gate; load and save it with Keras 2"
        yield Found(path.replace("/", "."), None, path, problem=problem)
    judge = _Judge(configuration)
    for group in _groups(weights, configuration, attributes):
        if group.path not in by_gate:
            yield from judge.layers(group)


def _groups(
    weights: Mapping[str, Weight],
    configuration: Configuration | None,
    attributes: Callable[[str], Attributes | None],
) -> Iterator[Group]:
    """Yield the groups of layers, and at the end what is in none of them."""
    base = "" if attributes("model_weights") is None else "model_weights"
    start = f"{base}/" if base else ""
    inside = {path[len(start) :]: each for path, each in weights.items() if path.startswith(start)}
    if base:
        beside = {path: each for path, each in weights.items() if not path.startswith(start)}
        yield _stray(beside, "it is beside the group 'model_weights'")
    about = attributes(base)
    listed = about.texts("layer_names") if about is not None else None
    if listed is not None:
        yield from _listed(inside, listed, lambda path: attributes(f"{start}{path}"))
        return
    known = {} if configuration is None else configuration.root.children
    names = {_clean(layer.names[-1]): layer.names[-1] for layer in known}
    groups: dict[str, Group] = {}
    others = Group(None, "")
    for path, weight in inside.items():
        owner = _owner(path, names)
        if owner is None:
            others.weights[path] = weight
        else:
            group = groups.setdefault(owner, Group(names[owner], owner))
            group.weights[path[len(owner) + 1 :]] = weight
    yield from groups.values()
    yield others


def _stray(weights: Mapping[str, Weight], problem: str) -> Group:
    kept = {path: each for path, each in weights.items() if not path.startswith(f"{_OPTIMIZER}/")}
    return Group(None, "", kept, problem=problem)


def _clean(name: str) -> str:
    """Return a name as HDF5 takes it for a path."""
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _owner(path: str, names: Mapping[str, object]) -> str | None:
    """Return the longest of some groups that a dataset is in."""
    at = path.rfind("/")
    while at > 0:
        if path[:at] in names:
            return path[:at]
        at = path.rfind("/", 0, at)
    return None


def _listed(
    weights: Mapping[str, Weight],
    layer_names: list[str],
    attributes: Callable[[str], Attributes | None],
) -> Iterator[Group]:
    """Yield the groups that ``layer_names`` lists, with the datasets that each lists."""
    groups: dict[str, Group] = {}
    claims: dict[str, Group] = {}
    for name in layer_names:
        path = _clean(name)
        if path in groups:
            groups[path].problem = f"layer_names has {name[:100]!r} twice"
            continue
        about = attributes(path)
        if about is None:  # a layer without a group, and without weights
            continue
        group = groups[path] = Group(name, path)
        names = about.texts("weight_names")
        group.ordered = names is not None
        for each in names or ():
            inner = _clean(each)
            whole = f"{path}/{inner}"
            if inner in group.weights:
                group.problem = group.problem or f"weight_names has {each[:100]!r} twice"
            elif whole in claims:
                other = claims[whole]
                told = f"the layers {other.name!r:.100} and {name!r:.100} claim the same weights"
                other.problem = group.problem = told
            claims[whole] = group
            group.weights[inner] = weights.get(whole, "is not in the file")
    others = {}
    for path, weight in weights.items():
        if path not in claims:
            owner = _owner(path, groups)
            if owner is None:
                others[path] = weight
            else:
                group = groups[owner]
                inner = path[len(owner) + 1 :]
                if group.ordered and _KNOWN.fullmatch(inner) is None:
                    group.problem = group.problem or f"weight_names has no {inner[:100]!r}"
                group.weights.setdefault(inner, weight)
    yield from groups.values()
    yield _stray(others, "layer_names has no such layer")


class _Judge:
    """Tells which recurrent layers are in the groups of a file."""

    def __init__(self, configuration: Configuration | None) -> None:
        self._configuration = configuration
        self._root = None if configuration is None else configuration.root
        self._by_name: dict[str, list[Layer]] = {}
        for layer in self._root.children if self._root is not None else ():
            self._by_name.setdefault(layer.names[-1], []).append(layer)

    def layers(self, group: Group) -> Iterator[Found]:
        """Yield the recurrent layers in a group."""
        cells, root, problem = group.cells(), self._root, group.problem
        same = [] if group.name is None else self._by_name.get(group.name, [])
        if len(same) > 1:
            problem = problem or f"the configuration has {len(same)} layers {group.name!r:.100}"
        if not problem and same:
            yield from self._configured(group, cells, same[0])
            return
        if not problem and root is not None and not root.may_be_custom:
            problem = f"the configuration shows no such layer in {shown_owner(root)}"
        units = list(units_of(cells, whole=group.name is None))
        group.beside(units)
        for unit in units:
            if problem:
                yield _found(group, unit, None, problem)
            else:
                yield self._assumed(group, unit, root)

    def _assumed(self, group: Group, unit: Unit, above: Layer | None) -> Found:
        """Return a layer that the file shows by its weights, in one that may be of any class."""
        problem = unit.problem or foreign_variables(unit.others, unit.cells)
        for path, roles in unit.cells.items():
            name = cell_name(path) or wrapper_name(path, group.name, roles)
            problem = problem or wrong_cell(name, roles)
        found = _found(group, unit, None, problem)
        found.assumed = True
        # The group is the layer, whatever its weights are called, but for a layer in another.
        is_inner = unit.owner.startswith(f"{group.name}/")
        if above is self._root and group.name and group.holds_only(unit) and not is_inner:
            found.name = group.name
        if above is not None and self._configuration is not None:
            name = found.name if above is self._root else found.place.rpartition("/")[2]
            problem = describe(found, self._configuration, above, name, "")
            found.problem = found.problem or problem
        return found

    def _configured(self, group: Group, cells: dict[str, Roles], layer: Layer) -> Iterator[Found]:
        """Yield the recurrent layers in the group of a layer that the configuration shows."""
        while layer.class_name == "TimeDistributed" and len(layer.children) == 1:
            layer = layer.children[0]
        if layer.is_recurrent:
            yield from _whole(group, cells, layer)
        elif layer.is_container or any(each.is_recurrent for each in _below(layer)):
            yield from self._nested(group, cells, layer)
        else:
            units = list(units_of(cells, whole=False))
            group.beside(units)
            for unit in units:
                yield self._custom(group, unit, layer)

    def _nested(self, group: Group, cells: dict[str, Roles], model: Layer) -> Iterator[Found]:
        """Yield the recurrent layers of a model that is a layer of another."""
        owned, problem = match(cells, model, list(_below(model)), group.ordered)
        if not model.is_container:
            if "layer" in model.settings and not problem:
                whole = Unit("", cells)
                group.beside([whole])
                problem = foreign_variables(whole.others, cells)
            if problem:
                for unit in units_of(cells, whole=False):
                    yield _found(group, unit, model, foreign(model.class_name))
                return
        group.beside(list(owned.values()))
        for layer, unit in owned.items():
            if layer.is_recurrent:
                others = foreign_variables(unit.others, unit.cells) if unit.owner else ""
                yield _found(group, unit, layer, problem or unit.problem or others)
            else:
                inner = list(units_of(unit.cells, whole=False))
                group.beside(inner)
                for each in inner:
                    yield self._custom(group, each, layer, problem)
        known = {path for unit in owned.values() for path in unit.cells}
        left = {path: roles for path, roles in cells.items() if path not in known}
        for unit in units_of(left, whole=False):
            yield _found(group, unit, None, problem)

    def _custom(self, group: Group, unit: Unit, layer: Layer, problem: str = "") -> Found:
        """Return a layer in one that may be of a program's own class."""
        if not layer.may_be_custom:
            told = f"the configuration says that it is a {layer.class_name}"
            return _found(group, unit, layer, problem or told)
        _, inside, inner = f"/{unit.owner}/".rpartition(f"/{layer.names[-1]}/")
        inner = inner.strip("/")
        # Without a cell in the path the weights may be the layer's own.
        if not inside or not inner or not all(map(cell_name, unit.cells)):
            return _found(group, unit, layer, problem or foreign(layer.class_name))
        found = self._assumed(group, unit, layer)
        if found.layer is None:
            found.name = ".".join([*layer.names, *inner.split("/")])
        found.problem = problem or found.problem
        return found


def _found(group: Group, unit: Unit, layer: Layer | None, problem: str = "") -> Found:
    """Return one layer with its weights under the name that the file gives it."""
    if layer is not None:
        name = ".".join(layer.names)
    elif group.name is None:
        parts = (unit.owner or next(iter(unit.cells), "") or "model").split("/")
        name = parts[0] if parts[0] == parts[-1] else ".".join(parts)
    else:
        inner = f"{unit.owner}/".removeprefix(f"{group.name}/")
        name = ".".join(part for part in (group.name, *inner.split("/")) if part)
    place = "/".join(part for part in (group.path, unit.owner) if part)
    return Found(name, layer, place, unit.weights, unit.bidirectional, problem)


def _whole(group: Group, cells: dict[str, Roles], layer: Layer) -> Iterator[Found]:
    """Yield the recurrent layer that a group is, whatever the paths in it say."""
    if not group.weights:
        return
    unit = Unit("", cells, bidirectional=is_bidirectional(layer))
    group.beside([unit])
    problem = unit.problem or foreign_variables(unit.others, unit.cells)
    if not cells:
        problem = f"its group has no recurrent_kernel: {listed(list(group.weights))}"
    yield _found(group, unit, layer, problem)


def _below(layer: Layer) -> Iterator[Layer]:
    """Yield the layers in a model at any depth that show no others, in its order."""
    stack = list(reversed(layer.children))
    while stack:
        each = stack.pop()
        if each.children:
            stack.extend(reversed(each.children))
        else:
            yield each
