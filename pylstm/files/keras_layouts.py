"""Which datasets of a Keras file are the weights of which recurrent layer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .keras_config import Layer, is_bidirectional
from .tensor import Tensor

ROLES = ("kernel", "recurrent_kernel", "bias")

# layers/bidirectional/forward_layer/cell/vars/0, with cells/NAME/ in it where cells are stacked.
_NUMBERED = re.compile(r"(.+?)(?:/(forward|backward)_layer)?/cell/(cells/[^/]+/)?vars/([0-2])")
_NAMED = re.compile(r"(?:model_weights/)?(.+)/(kernel|recurrent_kernel|bias)(?::0)?")
# Keras 1 had an array for each gate.
_BY_GATE = re.compile(r"(?:model_weights/)?(.+)/[^/]+_U_i(?::0)?")
_SIDE = re.compile(r"(forward|backward)_.*")

Weight = Tensor | str  # a str says why it cannot be read


@dataclass(eq=False)
class Found:
    """A recurrent layer with weights.

    Attributes
    ----------
    name : str
        The dotted path to it.
    layer : Layer or None
        How it is configured, where the file tells.
    weights : dict of str to dict of str to Tensor or str
        By direction, ``"forward"`` or ``"backward"``, and role.
    bidirectional : bool
        Whether there should be two directions.
    problem : str
        What is wrong with the layout itself.
    """

    name: str
    layer: Layer | None
    bidirectional: bool = False
    weights: dict[str, dict[str, Weight]] = field(default_factory=dict)
    problem: str = ""


def numbered(weights: Mapping[str, Weight], layers: list[Layer]) -> Iterator[Found]:
    """Yield the layers of a file by Keras 3, whose groups follow from the classes of layers."""
    configured = {layer.group: layer for layer in layers}
    found: dict[str, Found] = {}
    for path, weight in weights.items():
        # TensorFlow 2.13 had another name for it.
        match = _NUMBERED.fullmatch(path.replace("_layer_checkpoint_dependencies", "layers"))
        if match:
            group, direction, stacked, number = match.groups()
            layer = configured.get(group)
            if group not in found:
                parts = layer.names if layer else group.split("/")
                name = ".".join(part for part in parts if layer or part != "layers")
                problem = "it stacks cells" if stacked else ""
                found[group] = Found(name, layer, direction is not None, problem=problem)
            roles = found[group].weights.setdefault(direction or "forward", {})
            roles[ROLES[int(number)]] = weight
    yield from found.values()


def named(weights: Mapping[str, Weight], layers: list[Layer]) -> Iterator[Found]:
    """Yield the layers of a file before Keras 3, whose groups have the layers' names."""
    clusters: dict[tuple[str, ...], dict[str, Weight]] = {}
    for path, weight in weights.items():
        match = _NAMED.fullmatch(path)
        if match:
            clusters.setdefault(tuple(match[1].split("/")), {})[match[2]] = weight
        match = _BY_GATE.fullmatch(path)
        if match:
            problem = "Keras 1 wrote it, with an array for each gate; load and save it with Keras 2"
            yield Found(match[1].replace("/", "."), None, problem=problem)
    clusters = {parts: roles for parts, roles in clusters.items() if "recurrent_kernel" in roles}
    sides = {_split_side(parts) for parts in clusters}
    found: dict[str, Found] = {}
    for parts, roles in clusters.items():
        layer, below = _configured(parts, layers)
        direction = "forward"
        if layer is None:
            above, side = _split_side(parts)
            if (above, "forward") in sides and (above, "backward") in sides:
                parts, direction = above, side or direction
            elif len(parts) > 1 and parts[-1].startswith("lstm_cell"):
                parts = parts[:-1]
            name = parts[0] if parts[0] == parts[-1] else ".".join(parts)
        else:
            name = ".".join(layer.names)
            if is_bidirectional(layer) and not below.startswith("forward_"):
                direction = "backward"
        both = is_bidirectional(layer) or direction == "backward"
        found.setdefault(name, Found(name, layer, both)).weights[direction] = roles
    yield from found.values()


def _split_side(parts: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Return what is above the layer of one direction, and which; nothing if it is not such."""
    for index in range(len(parts) - 1, 0, -1):
        match = _SIDE.fullmatch(parts[index])
        if match:
            return parts[:index], match[1]
    return parts, ""


def _configured(parts: tuple[str, ...], layers: list[Layer]) -> tuple[Layer | None, str]:
    """Return the layer whose names are in the path, the most of them, and what is below it."""
    best: Layer | None = None
    below = ""
    for layer in layers:
        if best is None or len(layer.names) > len(best.names):
            *above, own = layer.names
            if own in parts:
                end = len(parts) - 1 - parts[::-1].index(own)
                rest = iter(parts[:end])
                if all(name in rest for name in above):
                    best, below = layer, "".join(parts[end + 1 : end + 2])
    return best, below
