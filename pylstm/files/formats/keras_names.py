"""Which weights belong together, and to which layer, as the paths of named weights tell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ...weights.kinds import BY_GATES, GRU, KINDS, LSTM, RNN, Kind, with_article
from ..base.tensor import Tensor
from .keras_config import Layer, is_bidirectional

Weight = Tensor | str  # a str says why it cannot be read
Roles = dict[str, Weight]

# Keras's classes of layers and of cells, and the names of those that get none.
CLASSES = {LSTM: "LSTM", GRU: "GRU", RNN: "SimpleRNN"}
CELL_CLASSES = {kind: f"{name}Cell" for kind, name in CLASSES.items()}
_NAMES = {LSTM: "lstm", GRU: "gru", RNN: "simple_rnn"}
_CELL_NAMES = {kind: f"{name}_cell" for kind, name in _NAMES.items()}

_CELL = re.compile(r"(?s).*cell(?:_[0-9]+)?")
_NUMBER = re.compile(r"_[0-9]+\Z")
_SIDE = re.compile(r"(?s)(forward|backward)_.*")
_MOST_SHOWN = 6
_MOST_NAMES = 3
_MOST_PARTS = 16  # of a path: real ones have fewer


@dataclass(eq=False)
class Unit:
    """The weights of one layer.

    Attributes
    ----------
    owner : str
        What the paths of the layer's weights begin with.
    cells : dict of str to dict of str to Tensor or str
        Weights by path of the cell, and role.
    weights : dict of str to dict of str to Tensor or str
        The same by direction.
    bidirectional : bool
    problem : str
        Why it is not clear which weights are which.
    others : list of str
        What else is in the layer's part of the file.
    """

    owner: str
    cells: dict[str, Roles]
    weights: dict[str, Roles] = field(default_factory=dict)
    bidirectional: bool = False
    problem: str = ""
    others: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.weights or not self.cells:
            return
        first, *others = self.cells
        self.weights = {"forward": self.cells[first]}
        if self.bidirectional and len(others) == 1:
            self._take_sides(first, others[0])
        elif self.bidirectional or others:
            told = listed(list(self.cells))
            self.problem = f"it has {len(self.cells)} cells: {told}"

    def _take_sides(self, first: str, second: str) -> None:
        """Tell the two directions apart: Keras begins the name of each with its own."""
        sides = []
        for path in (first, second):
            matched = _SIDE.fullmatch(owner_of(path).rpartition("/")[2])
            sides.append(matched[1] if matched else "")
        # A backward layer that a program made itself may have any name.
        if sides[0] == sides[1] or sides in (["", "backward"], ["backward", ""]):
            self.problem = f"{first[:100]!r} and {second[:100]!r} do not tell which is backward"
        elif sides[1] == "forward":
            first, second = second, first
        self.weights = {"forward": self.cells[first], "backward": self.cells[second]}


def listed(names: list[str]) -> str:
    """Return the first names of a list for a message."""
    told = ", ".join(name[:100] for name in names[:_MOST_SHOWN])
    return told + (f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else "")


def owner_of(path: str) -> str:
    """Return the path to the layer whose cell is at ``path``: the same where none is named."""
    above, _, last = path.rpartition("/")
    return above if _CELL.fullmatch(last) else path


def cell_name(path: str) -> str:
    """Return the name of the cell in a path, empty where none is named."""
    above, _, last = path.rpartition("/")
    # Before Keras 2.3 cells had no names, and paths the layer's twice.
    return last if _CELL.fullmatch(last) and last != above.rpartition("/")[2] else ""


def wrapper_name(path: str, group: str | None, roles: Roles) -> str:
    """Return the name in the place of a cell's that is no cell's, as those of its wrappers.

    Parameters
    ----------
    path : str
        Of the weights, in which :func:`cell_name` finds none.
    group : str or None
        What the file calls the layer that they are in.
    roles : dict of str to Tensor or str
        CuDNNLSTM and CuDNNGRU have no cell.
    """
    above, _, last = path.rpartition("/")
    if is_of_cudnn(roles):
        return ""
    if _CELL.fullmatch(last) or not above or _SIDE.fullmatch(last):
        return ""
    # Before Keras 2.3 the name of the layer itself is the last one.
    own = (above.rpartition("/")[2], (group or "").rpartition("/")[2])
    return "" if last in own or is_recurrent_layer(last) else last


def kind_by_weights(roles: Roles) -> Kind | None:
    """Return the kind that a recurrent kernel tells: its columns for each of its rows."""
    recurrent = roles.get("recurrent_kernel")
    if not isinstance(recurrent, Tensor) or recurrent.ndim != 2 or 0 in recurrent.shape:
        return None
    units, columns = recurrent.shape
    mode = None if columns % units else BY_GATES.get(columns // units)
    return None if mode is None else KINDS[mode]


def class_by_weights(weights: Mapping[str, Roles]) -> str:
    """Return the class that the weights of cells tell, with its article; an LSTM in doubt."""
    kinds = filter(None, map(kind_by_weights, weights.values()))
    return with_article(CLASSES[next(kinds, LSTM)])


def is_of_cudnn(roles: Roles) -> bool:
    """Tell whether weights are those of CuDNNLSTM or CuDNNGRU, which have two biases in one."""
    bias, kind = roles.get("bias"), kind_by_weights(roles)
    if kind in (None, RNN) or not isinstance(bias, Tensor):
        return False
    recurrent = roles["recurrent_kernel"]
    return isinstance(recurrent, Tensor) and bias.shape == (2 * recurrent.shape[1],)


def is_recurrent_layer(name: str) -> bool:
    """Tell whether a layer is called as Keras calls a recurrent one that gets no name."""
    return _NUMBER.sub("", name) in _NAMES.values()


def wrong_cell(name: str, roles: Roles) -> str:
    """Say what speaks against weights whose cell has a name; empty where nothing does."""
    kind = kind_by_weights(roles) or LSTM
    if not name or _NUMBER.sub("", name) == _CELL_NAMES[kind]:
        return ""
    own = f"{with_article(CLASSES[kind])}'s {_CELL_NAMES[kind]!r}"
    return f"its cell is called {name[:100]!r}, {own}"


def units_of(cells: dict[str, Roles], whole: bool = True) -> Iterator[Unit]:
    """Yield the layers that some cells belong to, as far as their paths tell.

    Parameters
    ----------
    cells : dict
    whole : bool
        Whether the paths are whole ones, which start with a layer of the outermost model.
    """
    by_owner: dict[str, dict[str, Roles]] = {}
    for path, roles in cells.items():
        by_owner.setdefault(owner_of(path), {})[path] = roles
    by_parent: dict[str, list[str]] = {}
    for owner in by_owner:
        by_parent.setdefault(owner.rpartition("/")[0], []).append(owner)
    for parent, owners in by_parent.items():
        sides = [matched[1] if matched else "" for matched in map(_side, owners)]
        apart = len(owners) < 2 or not any(sides) or (not parent and whole)
        if sides in (["forward", "backward"], ["backward", "forward"]) and parent:
            both = by_owner[owners[0]] | by_owner[owners[1]]
            yield Unit(parent, both, bidirectional=True)
            continue
        for owner in owners:
            unit = Unit(owner, by_owner[owner])
            if not apart:
                unit.problem = f"it may be one direction of {listed(owners)}"
            yield unit


def _side(owner: str) -> re.Match[str] | None:
    return _SIDE.fullmatch(owner.rpartition("/")[2])


def match(
    cells: dict[str, Roles], model: Layer, layers: list[Layer], ordered: bool
) -> tuple[dict[Layer, Unit], str]:
    """Return which of a model's layers the cells in its group belong to, by their names.

    Parameters
    ----------
    cells : dict
        Weights by path of the cell, and role, in the order of the file.
    model : Layer
    layers : list of Layer
        Those in it that show no others, in its order.
    ordered : bool
        Whether the order of the file is that of the weights.

    Returns
    -------
    units : dict of Layer to Unit
    problem : str
        Why none of them is certain: every recurrent layer needs weights, and all weights a layer.
    """
    candidates = [layer for layer in layers if layer.is_recurrent or layer.may_be_custom]
    spelled = _Spellings(candidates, model)
    owned: dict[Layer, dict[str, Roles]] = {}
    uncertain = False
    for path, roles in cells.items():
        fitting = spelled.fitting(path)
        if len(fitting) == 1:
            owned.setdefault(fitting.pop(), {})[path] = roles
        else:
            uncertain = True
    recurrent = [layer for layer in candidates if layer.is_recurrent]
    uncertain |= any(layer not in owned for layer in recurrent)
    if ordered and not any(map(_is_frozen, recurrent)):
        found = [layer for layer in owned if layer.is_recurrent]
        uncertain |= found != [layer for layer in recurrent if layer in owned]
    units = {
        layer: Unit(_common(layer, list(mine)), mine, bidirectional=is_bidirectional(layer))
        for layer, mine in owned.items()
    }
    if not uncertain:
        return units, ""
    known = listed([".".join(layer.names) for layer in recurrent]) or "no recurrent layer"
    return units, f"the weights are those of {listed(list(cells))}, the configuration has {known}"


def _is_frozen(layer: Layer) -> bool:
    """Tell whether some weights of a layer are not trainable: a file has those at its end."""
    inner = layer.settings.get("layer")
    inner = inner.get("config") if isinstance(inner, dict) else None
    settings = (layer.settings, inner if isinstance(inner, dict) else {})
    return any(each.get("trainable") is False for each in settings)


class _Spellings:
    """How paths may name the layers of a model: by some last names of a layer and its models."""

    def __init__(self, layers: list[Layer], model: Layer) -> None:
        # By what follows the name in a path: nothing, the name of a direction, or anything.
        self._kinds: tuple[dict[str, list[tuple[int, bool, Layer]]], ...] = ({}, {}, {})
        for layer in layers:
            kind = self._kinds[0]
            if is_bidirectional(layer):
                kind = self._kinds[1]
            elif layer.class_name == "RNN" or not layer.is_recurrent:
                # Cells that are stacked, or in a layer of a program's own, are deeper in it.
                kind = self._kinds[2]
            names = layer.names[len(model.names) :]
            for count in range(1, min(len(names), _MOST_NAMES) + 1):
                spelled = ["/".join(names[-count:])]
                if layer.group.endswith("/layer") and len(names) > count:
                    # Older releases call it by the name of the wrapper that it is in.
                    spelled.append("/".join(names[-count - 1 : -1]))
                for each in spelled:
                    kind.setdefault(each, []).append((count, count == len(names), layer))

    def fitting(self, path: str) -> set[Layer]:
        """Return the layers that most names in the path of a cell speak for."""
        found: list[tuple[int, bool, Layer]] = []
        for owner in {path, owner_of(path)}:
            parts = owner.split("/")
            if len(parts) > _MOST_PARTS:
                return set()
            for start in range(len(parts)):
                found += self._kinds[0].get("/".join(parts[start:]), ())
                found += self._kinds[1].get("/".join(parts[start:-1]), ())
                for end in range(start + 1, len(parts) + 1) if self._kinds[2] else ():
                    found += self._kinds[2].get("/".join(parts[start:end]), ())
        best = max(((count, whole) for count, whole, _ in found), default=(0, False))
        return {layer for count, whole, layer in found if (count, whole) == best}


def _common(layer: Layer, paths: list[str]) -> str:
    """Return the path to a layer from those of its cells."""
    owner = owner_of(paths[0])
    return owner.rpartition("/")[0] if is_bidirectional(layer) else owner
