"""What the configuration of a Keras model says about its recurrent layers."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from .source import Source

_RECURRENT = {
    "Bidirectional",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "CuDNNGRU",
    "CuDNNLSTM",
    "GRU",
    "LSTM",
    "RNN",
    "SimpleRNN",
}

# Parsed JSON takes many times the memory of its text. The configurations of models with thousands
# of layers are smaller.
MOST_TEXT = 1 << 22
_MOST_CONTAINERS = 1 << 19
_MOST_LAYERS = 1000
_MOST_NESTED = 64


@dataclass(frozen=True, eq=False)
class Layer:
    """A recurrent layer as it was configured.

    Attributes
    ----------
    names : tuple of str
        Its own, behind those of the models that it is in.
    group : str
        Where Keras 3 puts its variables.
    class_name : str
    settings : dict
        What its constructor took.
    foreign : bool
        Whether another package defines the class.
    """

    names: tuple[str, ...]
    group: str
    class_name: str
    settings: dict[str, Any]
    foreign: bool = False


def recurrent_layers(source: Source, text: str | None) -> list[Layer]:
    """Return the recurrent layers of a configuration in its order; none if there is no text."""
    if text is None:
        return []
    if len(text) > MOST_TEXT or text.count("[") + text.count("{") > _MOST_CONTAINERS:
        raise source.error("config", "the configuration of the model is too long")
    found: list[Layer] = []
    model = json.loads(text)
    stack: list[tuple[Any, tuple[str, ...], str]] = [(_settings(model), (), "")]
    while stack:
        settings, names, group = stack.pop()
        below = []
        for layer in _layers_in(settings, names, group):
            if layer.class_name in _RECURRENT:
                found.append(layer)
            elif layer.settings:
                below.append((layer.settings, layer.names, f"{layer.group}/"))
        stack.extend(reversed(below))
        if len(found) > _MOST_LAYERS or len(names) > _MOST_NESTED:
            raise source.error("config", f"more than {_MOST_LAYERS} recurrent layers")
    return found


def _settings(entry: Any) -> Any:
    settings = entry.get("config") if isinstance(entry, dict) else None
    # The first Sequential models had nothing but their layers.
    return {"layers": settings} if isinstance(settings, list) else settings


def _layers_in(settings: Any, names: tuple[str, ...], group: str) -> list[Layer]:
    """Return the layers directly in a model, or the one in a wrapper."""
    if not isinstance(settings, dict):
        return []
    if isinstance(settings.get("layer"), dict):
        entries, groups = [settings["layer"]], [f"{group}layer"]
    else:
        entries = [each for each in _list(settings.get("layers")) if isinstance(each, dict)]
        # Keras counts classes, since the names of layers may differ from run to run.
        counts: Counter[str] = Counter()
        groups = []
        for entry in entries:
            kind = _snake_case(str(entry.get("class_name")))
            groups.append(f"{group}layers/{kind}_{counts[kind]}".removesuffix("_0"))
            counts[kind] += 1
    found = []
    for entry, own_group in zip(entries, groups, strict=True):
        inner = _settings(entry)
        inner = inner if isinstance(inner, dict) else {}
        name = str(inner.get("name") or entry.get("name") or own_group.rpartition("/")[2])
        module = str(entry.get("module") or "keras").partition(".")[0]
        foreign = module not in ("keras", "tensorflow", "tf_keras")
        foreign |= ">" in str(entry.get("registered_name"))
        class_name = str(entry.get("class_name"))
        found.append(Layer((*names, name), own_group, class_name, inner, foreign))
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _snake_case(name: str) -> str:
    """Turn a class's name into that of its group, as Keras does."""
    name = re.sub(r"\W+", "", name.rpartition(">")[2])
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def is_bidirectional(layer: Layer | None) -> bool:
    """Tell whether a layer is configured with two directions."""
    return layer is not None and layer.class_name == "Bidirectional"


def batch_first(layer: Layer) -> bool:
    """Tell whether the first axis of the input is the batch."""
    settings = layer.settings
    if is_bidirectional(layer):
        settings = _settings(settings.get("layer")) or {}
    return settings.get("time_major") is not True


def problems(layer: Layer, version: str) -> list[str]:
    """Say what a configured layer does that torch's LSTM does not."""
    if layer.foreign:
        return [f"its class {layer.class_name} is another one than Keras's"]
    if not is_bidirectional(layer):
        return _problems_of(layer.class_name, layer.settings, version, backwards=False)
    found = []
    settings = layer.settings
    if settings.get("merge_mode", "concat") != "concat":
        found.append(f"it merges its directions by {_shown(settings['merge_mode'])}, not 'concat'")
    for key, backwards in (("layer", False), ("backward_layer", True)):
        inner = settings.get(key)
        if isinstance(inner, dict):
            class_name, inner = str(inner.get("class_name")), _settings(inner) or {}
            found += _problems_of(class_name, inner, version, backwards)
    return list(dict.fromkeys(found))


def _problems_of(
    class_name: str, settings: dict[str, Any], version: str, backwards: bool
) -> list[str]:
    found = []
    if bool(settings.get("go_backwards")) != backwards:
        found.append("it runs backwards (go_backwards)" if not backwards else "go_backwards is off")
    if class_name == "RNN":
        cell = settings.get("cell")
        cell = cell if isinstance(cell, dict) else {}
        if cell.get("class_name") != "LSTMCell":
            return [*found, f"its cell is {_shown(cell.get('class_name'))}, not 'LSTMCell'"]
        settings = _settings(cell) or {}
    elif class_name == "CuDNNLSTM":  # has no other activations
        return found
    elif class_name != "LSTM":
        return [*found, f"it is a {class_name[:40]}"]
    gate = settings.get("recurrent_activation", settings.get("inner_activation"))
    for key, value, needed in (
        ("activation", settings.get("activation", "tanh"), "tanh"),
        ("recurrent_activation", gate or default_gate(version), "sigmoid"),
    ):
        if value != needed:
            found.append(f"its {key} is {_shown(value)}, not {needed!r}")
    return found


def default_gate(version: str) -> str:
    """Return what a Keras release uses where nothing else was asked for."""
    numbers = [int(number) for number in re.findall(r"\d{1,6}", version)[:2]]
    return "hard_sigmoid" if numbers and numbers < [2, 3] else "sigmoid"


def _shown(value: Any) -> str:
    return (
        repr(value) if isinstance(value, str) and len(value) < 40 else f"a {type(value).__name__}"
    )
