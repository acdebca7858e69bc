"""Which datasets of a file by Keras 3 are the weights of which recurrent layer.

Keras 3 numbers the variables of a layer, and makes paths of attributes and of classes that it
counts: ``layers/lstm_1/cell/vars/0``. Since release 3.6 the attribute ``name`` of ``vars`` says
what the layer is called.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from . import keras_config
from .keras_config import Configuration, Layer, is_bidirectional
from .keras_names import Roles, Weight, class_by_weights, is_recurrent_layer, listed, wrong_cell

ROLES = ("kernel", "recurrent_kernel", "bias")

# layers/bidirectional/forward_layer/cell/vars/0, with cells/NAME/ in it where cells are stacked.
_NUMBERED = re.compile(r"(.+?)/(?:(forward|backward)_layer/)?cell/(cells/[^/]+/)?vars/([0-9]{1,6})")
_NUMBER = re.compile(r"[1-9][0-9]{0,5}")
_OLDER = "_layer_checkpoint_dependencies"  # what layers are in, before Keras 2.15
# What Keras makes of the names of its own classes.
_CLASS = re.compile(r"(?:bidirectional|cu_dnngru|cu_dnnlstm|gru|lstm|rnn|simple_rnn)(?:_[0-9]+)?")
# Variables beside the weights that change no number of a sequence that starts at zero.
_SEEDS = re.compile(r"(?:(?:forward|backward)_layer/)?(?:cell/)?seed_generator/vars/[0-9]")
_STATES = re.compile(r"(?:(?:forward|backward)_layer/)?vars/[01]")

_MOST_SHOWN = 4  # of a list in a message
_LONGEST_NAME = 1000
_MOST_TEXT = 1 << 22  # characters of all names


# What the file calls the layer of a group: None if the group is none of a layer's.
Label = Callable[[str], str | None]


@dataclass(eq=False)
class Found:
    """A recurrent layer with weights.

    Attributes
    ----------
    name : str
        The dotted path to it.
    layer : Layer or None
        How it is configured, where the file tells.
    place : str
        Where its weights are in the file.
    weights : dict of str to dict of str to Tensor or str
        By direction, ``"forward"`` or ``"backward"``, and role.
    bidirectional : bool
        Whether there should be two directions.
    problem : str
        What is wrong with the layout itself.
    assumed : bool
        Whether nothing in the file says how it is configured.
    doubt : str
        What speaks against a layer of Keras's if nothing else does.
    """

    name: str
    layer: Layer | None
    place: str
    weights: dict[str, Roles] = field(default_factory=dict)
    bidirectional: bool = False
    problem: str = ""
    assumed: bool = False
    doubt: str = ""


@dataclass(eq=False)
class _Group:
    """What is in the group of a layer: weights by direction, ``""`` for the only one."""

    weights: dict[str, Roles] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    problem: str = ""


def numbered(
    weights: Mapping[str, Weight],
    configuration: Configuration | None,
    label: Label,
    error: Callable[[str, str], Exception],
    doubled: bool = False,
) -> list[Found]:
    """Return the layers of a file by Keras 3, or a late Keras 2 in the same layout.

    Parameters
    ----------
    weights : mapping of str to Tensor or str
        Every dataset by its path.
    configuration : Configuration or None
    label : callable
        Returns the name that the file gives the layer of a group: empty if it gives none, None if
        the group is none of a layer's.
    error : callable
        Makes the exception for a record and a reason.
    doubled : bool
        Whether the release counts each layer twice that has weights.
    """
    groups = _groups(weights, _by_one_name(weights, configuration, doubled))
    names = _Names(configuration, cache(label), error)
    owners = {path.rpartition("/vars/")[0] for path in weights}
    found = []
    for path, group in groups.items():
        each = _found(path, group, configuration, names.label)
        each.problem = each.problem or _beside(each, group)
        wrapper, _, own = path.rpartition("/")
        if own == "layer" and wrapper in owners:
            called = repr((names.label(wrapper) or wrapper)[:100])
            kind = shown_owner(configuration.above(wrapper)) if configuration else called
            each.problem = each.problem or f"its wrapper, {kind}, has variables of its own"
        found.append(each)
    names.give(found)
    return found


def _by_one_name(
    weights: Mapping[str, Weight], configuration: Configuration | None, doubled: bool
) -> dict[str, str]:
    """Return the paths of all datasets as they would be without the older name of ``layers``.

    Keras 2.12 and 2.13 list a layer a second time under that name if it has weights: they number
    two LSTMs 0 and 2. Where other numbers than these are in the file the older name stays, under
    which the configuration knows no layer.
    """
    older = [path for path in weights if _OLDER in path.split("/")]
    if not older or not doubled or configuration is None:
        return {path: path.replace(_OLDER, "layers") for path in weights}
    numbers: dict[tuple[str, str], set[int]] = {}
    for path in older:
        parts = path.split("/")
        for at, part in enumerate(parts[:-1]):
            if part == _OLDER:
                kind, number = _counted(parts[at + 1])
                numbers.setdefault(("/".join(parts[: at + 1]), kind), set()).add(number)
    places: dict[tuple[str, str], dict[int, int]] = {}
    for key, found in numbers.items():
        in_order = sorted(found)
        if in_order == list(range(0, 2 * len(in_order), 2)):
            places[key] = {number: number // 2 for number in in_order}
    paths = dict(zip(weights, weights, strict=True))
    for path in older:
        parts = path.split("/")
        made: list[str] = []
        for at, part in enumerate(parts):
            above = "/".join(parts[:at])
            kind, number = _counted(part)
            counted = places.get((above, kind)) if at and parts[at - 1] == _OLDER else None
            if counted is None:
                made.append(part)
                continue
            all_of_kind = "/".join([*made[:-1], "layers", f"{kind}_{len(counted)}"])
            if all_of_kind not in configuration.by_group:  # else some layer has none here
                made[-1] = "layers"
                part = f"{kind}_{counted[number]}".removesuffix("_0")
            made.append(part)
        paths[path] = "/".join(made)
    return paths


def _counted(name: str) -> tuple[str, int]:
    """Return class and number of a group's name."""
    kind, _, number = name.rpartition("_")
    return (kind, int(number)) if kind and _NUMBER.fullmatch(number) else (name, 0)


def _groups(weights: Mapping[str, Weight], paths: Mapping[str, str]) -> dict[str, _Group]:
    """Return the groups that have a cell, with all that is in them."""
    groups: dict[str, _Group] = {}
    for path in weights:
        match = _NUMBERED.fullmatch(paths[path])
        if match:
            group = groups.setdefault(match[1], _Group())
            roles = group.weights.setdefault(match[2] or "", {})
            if match[3]:
                group.problem = "it stacks cells"
            elif int(match[4]) < len(ROLES):
                role = ROLES[int(match[4])]
                if role in roles:
                    group.problem = f"two groups of the file claim to be {match[1]!r}"
                roles[role] = weights[path]
    for path in paths.values() if groups else ():
        at = path.find("/")
        while at > 0:
            inside = groups.get(path[:at])
            if inside is not None and not _is_weight(path, at):
                inside.others.append(path[at + 1 :])
            at = path.find("/", at + 1)
    return groups


def _is_weight(path: str, at: int) -> bool:
    match = _NUMBERED.fullmatch(path)
    return match is not None and match.end(1) == at and (bool(match[3]) or int(match[4]) < 3)


def _found(path: str, group: _Group, configuration: Configuration | None, label: Label) -> Found:
    """Return a layer by its group, and how it is configured."""
    found = Found("", None, path, problem=group.problem, assumed=True)
    found.weights = {side or "forward": roles for side, roles in group.weights.items()}
    found.bidirectional = "" not in group.weights
    if "" in group.weights and len(group.weights) > 1:
        found.problem = found.problem or "it has a cell beside two directions"
    if configuration is not None:
        problem = _configure(found, configuration, label(path) or "")
        found.problem = found.problem or problem
    layer = found.layer
    if layer is not None and layer.is_recurrent and not found.problem:
        if is_bidirectional(layer) != found.bidirectional:
            sides = "two directions" if found.bidirectional else "one direction"
            found.problem = f"the configuration says {layer.class_name}, its weights {sides}"
    elif layer is None:
        found.doubt = _doubt(path, group, label)
    return found


def _doubt(path: str, group: _Group, label: Label) -> str:
    """Say what the names in a file without a configuration tell against a layer of Keras's."""
    for side, roles in group.weights.items():
        cell = label(f"{path}/{side}_layer/cell" if side else f"{path}/cell")
        problem = wrong_cell(cell or "", roles)
        if problem:
            return problem
    container, _, own = path.rpartition("/")
    if own == "cell" and not is_recurrent_layer(label(path) or ""):
        return f"its cell is in another one, {(label(path) or path)[:100]!r}"
    # In containers, which are no layers themselves, Keras names groups by their classes.
    in_container = container.rpartition("/")[2] == "layers"
    in_container |= bool(container) and label(container) is None
    if label(path) is not None and in_container and not _CLASS.fullmatch(own):
        return f"its group {own[:100]!r} is named after a class that is none of Keras's"
    return ""


def _configure(found: Found, configuration: Configuration, label: str) -> str:
    """Find how a layer is configured; return what speaks against that."""
    layer = configuration.by_group.get(found.place)
    if layer is not None:
        found.layer, found.assumed = layer, False
        if label and layer.names and label != layer.names[-1]:
            return f"the file calls it {label[:100]!r}, the configuration {layer.names[-1]!r}"
        return ""
    above = configuration.above(found.place)
    if not above.may_be_custom:
        return f"the configuration shows no such layer in {shown_owner(above)}"
    inside = found.place.removeprefix(above.group).lstrip("/")
    return describe(found, configuration, above, label, inside)


def describe(
    found: Found, configuration: Configuration, above: Layer, label: str, inside: str
) -> str:
    """Find what the settings of a layer say about one in it; return what speaks against that.

    Parameters
    ----------
    found : Found
        Gets the layer that the settings describe.
    configuration : Configuration
    above : Layer
    label : str
        What the file calls the layer in it; empty where it does not tell.
    inside : str
        The attribute that the layer is, where that is known.
    """
    described = configuration.described(above)
    if label:
        matching = described.by_name.get(label, [])
    else:
        matching = [described.by_key[inside]] if inside and inside in described.by_key else []
    if len(matching) == 1:
        found.layer, found.assumed = matching[0], not label
    elif described.recurrent:
        return f"the configuration of {shown_owner(above)} describes other layers"
    return ""


def shown_owner(layer: Layer) -> str:
    """Return a layer as messages name it."""
    kind = layer.class_name or "model"
    return f"{kind} {layer.names[-1]!r}" if layer.names else f"the {kind}"


def _beside(found: Found, group: _Group) -> str:
    """Say what else is in the group of a layer than its weights."""
    layer = found.layer
    others = [path for path in group.others if not _SEEDS.fullmatch(path)]
    if layer is not None:
        if keras_config.is_stateful(layer):
            others = [path for path in others if not _STATES.fullmatch(path)]
        if is_bidirectional(layer):  # which keeps the layer that it made its own of
            others = [path for path in others if not path.startswith("layer/")]
    return foreign_variables(others, group.weights)


def foreign_variables(names: list[str], weights: Mapping[str, Roles]) -> str:
    """Say which variables beside the weights are not known; empty if there are none."""
    if not names:
        return ""
    return f"it has variables that {class_by_weights(weights)} has not: {listed(names)}"


class _Names:
    """Names of layers: those of the configuration, those in the file, or parts of the path."""

    def __init__(
        self,
        configuration: Configuration | None,
        label: Label,
        error: Callable[[str, str], Exception],
    ) -> None:
        self._configuration = configuration
        self.label = label
        self._error = error
        self._left = _MOST_TEXT

    def give(self, found: list[Found]) -> None:
        """Give each layer its name; where two would have the same, with more of the path."""
        for each in found:
            each.name = self._checked(self._name(each, whole=False))
        for whole in (self._whole, self._path):
            counts = Counter(each.name for each in found)
            for each in found:
                if counts[each.name] > 1 and each.layer is None:
                    each.name = self._checked(whole(each))

    def _whole(self, found: Found) -> str:
        return self._name(found, whole=True)

    @staticmethod
    def _path(found: Found) -> str:
        return ".".join(part for part in found.place.split("/") if part != "layers")

    def _checked(self, name: str) -> str:
        self._left -= len(name)
        if self._left < 0:
            raise self._error("", "the names of its layers are too long")
        return name

    def _name(self, found: Found, whole: bool) -> str:
        if found.layer is not None:
            return ".".join(found.layer.names)
        at, parts = "", []
        if self._configuration is not None:
            above = self._configuration.above(found.place)
            at, parts = above.group, list(above.names)
        unnamed: list[str] = []  # attributes of a layer, and containers in them
        for part in found.place.removeprefix(at).lstrip("/").split("/"):
            at = f"{at}/{part}" if at else part
            label = self.label(at)
            if label:
                parts += [*(unnamed if whole else ()), label[:_LONGEST_NAME]]
                unnamed = []
            elif part != "layers":
                unnamed.append(part)
        return ".".join([*parts, *unnamed])


def claimed_once(found: list[Found]) -> list[Found]:
    """Return the layers, with one near miss for all that claim to be one configured layer."""
    by_layer: dict[Layer, list[Found]] = {}
    for each in found:
        if each.layer is not None and each.layer.is_recurrent:
            by_layer.setdefault(each.layer, []).append(each)
    for layer, claims in by_layer.items():
        if len(claims) > 1:
            places = " and ".join(repr(each.place[:100]) for each in claims[:_MOST_SHOWN])
            for each in claims:
                each.problem = f"{places} claim to be the layer {layer.names[-1]!r}"
    return found


def in_order(found: list[Found], configuration: Configuration | None) -> Iterator[Found]:
    """Yield the layers in the order of the model, where that is known."""
    order: dict[Layer, int] = {}
    if configuration is not None:
        order = {layer: index for index, layer in enumerate(configuration.recurrent)}
    last = len(order)
    yield from sorted(
        found, key=lambda each: order.get(each.layer, last) if each.layer is not None else last
    )
