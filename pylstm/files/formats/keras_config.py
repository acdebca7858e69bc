"""What the configuration of a Keras model says about its layers."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..base.source import Source

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
_CONTAINERS = {"Functional", "Model", "Sequential", "TimeDistributed"}
# First names of the modules that Keras's own classes are in.
_PACKAGES = ("keras", "keras_core", "tensorflow", "tf_keras")

# Parsed JSON takes many times the memory of its text. The configurations of models with thousands
# of layers are smaller.
MOST_TEXT = 1 << 22
_MOST_CONTAINERS = 1 << 19
_MOST_RECURRENT = 1000
_MOST_LAYERS = 20_000
_MOST_NESTED = 64
_LONGEST_NAME = 255  # of a layer or a class: each is part of the paths to all that is below


@dataclass(frozen=True, eq=False, slots=True)
class Layer:
    """A layer or model as it was configured.

    Attributes
    ----------
    names : tuple of str
        Its own, behind those of the models that it is in; none of the outermost model.
    group : str
        Where Keras 3 puts its variables.
    class_name : str
    settings : dict
        What its constructor took.
    origin : str
        ``"keras"``; ``"elsewhere"`` for a registered class or another package's; ``""`` where the
        file does not tell.
    children : list of Layer
        Those that a model or wrapper shows, in its order.
    """

    names: tuple[str, ...]
    group: str
    class_name: str
    settings: dict[str, Any]
    origin: str = ""
    children: list[Layer] = field(default_factory=list)

    @property
    def is_recurrent(self) -> bool:
        """Whether it is a recurrent layer of Keras's own."""
        return self.origin != "elsewhere" and self.class_name in _RECURRENT

    @property
    def is_container(self) -> bool:
        """Whether it is of a class that only runs the layers that it shows."""
        return self.origin != "elsewhere" and self.class_name in _CONTAINERS

    @property
    def may_be_custom(self) -> bool:
        """Whether it may keep layers that its configuration does not show."""
        return self.origin != "keras" and not (self.is_recurrent or self.is_container)


@dataclass(frozen=True, eq=False, slots=True)
class Described:
    """What the settings of a layer describe of layers that are not among its children.

    Attributes
    ----------
    by_name : dict of str to list of Layer
    by_key : dict of str to Layer
        Those that are settings themselves.
    recurrent : bool
        Whether one of them is recurrent.
    """

    by_name: dict[str, list[Layer]]
    by_key: dict[str, Layer]
    recurrent: bool


class Configuration:
    """The layers of a model.

    Attributes
    ----------
    root : Layer
        The model.
    by_group : dict of str to Layer
    recurrent : list of Layer
        Keras's own recurrent layers in the model's order, those of models in it behind its own.
    """

    def __init__(self, source: Source, root: Layer) -> None:
        self.root = root
        self.by_group: dict[str, Layer] = {}
        self.recurrent: list[Layer] = []
        self._source = source
        self._described: dict[Layer, Described] = {}
        self._left = _MOST_CONTAINERS
        self._layers_left = _MOST_LAYERS
        stack = [root]
        while stack:
            model = stack.pop()
            self.by_group[model.group] = model
            if model.is_recurrent:
                continue
            if len(model.names) > _MOST_NESTED:
                raise source.error("config", f"layers in more than {_MOST_NESTED} models")
            model.children.extend(map(self._counted, _children(source, model)))
            self.recurrent.extend(layer for layer in model.children if layer.is_recurrent)
            if len(self.recurrent) > _MOST_RECURRENT:
                raise source.error("config", f"more than {_MOST_RECURRENT} recurrent layers")
            stack.extend(reversed(model.children))

    def _counted(self, layer: Layer) -> Layer:
        self._layers_left -= 1
        if self._layers_left < 0:
            raise self._source.error("config", f"more than {_MOST_LAYERS} layers")
        return layer

    def above(self, group: str) -> Layer:
        """Return the layer of a group, or else the innermost one around it."""
        while group not in self.by_group:
            group = group.rpartition("/")[0]
        return self.by_group[group]

    def described(self, above: Layer) -> Described:
        """Return what a layer's settings describe of layers that are not among its children."""
        if above not in self._described:
            by_name: dict[str, list[Layer]] = {}
            by_key: dict[str, Layer] = {}
            for key, layer in self._in_settings(above):
                by_name.setdefault(layer.names[-1], []).append(layer)
                by_key.setdefault(key, layer)
            recurrent = any(layer.is_recurrent for layers in by_name.values() for layer in layers)
            self._described[above] = Described(by_name, by_key, recurrent)
        return self._described[above]

    def _in_settings(self, above: Layer) -> Iterator[tuple[str, Layer]]:
        """Yield the layers in a layer's settings, each with the setting that it is, if any."""
        skipped = {"layer", "layers"} if above.children else set()
        stack = [each for each in above.settings.items() if each[0] not in skipped]
        while stack:
            key, value = stack.pop()
            if not isinstance(value, (dict, list)):
                continue
            self._left -= 1
            if self._left < 0:
                raise self._source.error("config", "the settings of its layers are too many")
            if isinstance(value, dict):
                settings = value.get("config")
                if isinstance(settings, dict) and isinstance(settings.get("name"), str):
                    yield key, self._counted(_layer(self._source, value, above, ""))
                    continue
                value = list(value.values())
            stack += [("", each) for each in value]


def configuration(source: Source, text: str | None) -> Configuration | None:
    """Return what a configuration says; None if it is none of a model's."""
    if text is None:
        return None
    if len(text) > MOST_TEXT or text.count("[") + text.count("{") > _MOST_CONTAINERS:
        raise source.error("config", "the configuration of the model is too long")
    entry = json.loads(text)
    if not isinstance(settings_in(entry), dict):
        return None
    model = _layer(source, entry, Layer((), "", "", {}), "")
    return Configuration(source, Layer((), "", model.class_name, model.settings, model.origin))


def settings_in(entry: Any) -> Any:
    """Return what a class's entry says it was configured with."""
    settings = entry.get("config") if isinstance(entry, dict) else None
    # The first Sequential models had nothing but their layers.
    return {"layers": settings} if isinstance(settings, list) else settings


def _children(source: Source, layer: Layer) -> Iterator[Layer]:
    """Yield the layers directly in a model, or the one in a wrapper."""
    below = f"{layer.group}/" if layer.group else ""
    if isinstance(layer.settings.get("layer"), dict):
        yield _layer(source, layer.settings["layer"], layer, f"{below}layer")
        return
    # Keras counts classes, since the names of layers may differ from run to run.
    counts: Counter[str] = Counter()
    for entry in _list(layer.settings.get("layers")):
        if isinstance(entry, dict):
            kind = _snake_case(_text(source, entry.get("class_name")))
            group = f"{below}layers/{kind}_{counts[kind]}".removesuffix("_0")
            counts[kind] += 1
            yield _layer(source, entry, layer, group)


def _layer(source: Source, entry: dict[str, Any], above: Layer, group: str) -> Layer:
    settings = settings_in(entry)
    settings = settings if isinstance(settings, dict) else {}
    name = _text(source, settings.get("name")) or _text(source, entry.get("name"))
    class_name = _text(source, entry.get("class_name"))
    name = name or group.rpartition("/")[2]
    return Layer((*above.names, name), group, class_name, settings, origin_of(entry))


def _text(source: Source, value: Any) -> str:
    if not isinstance(value, str):
        return ""
    if len(value) > _LONGEST_NAME:
        raise source.error("config", f"a name of {len(value)} characters")
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def origin_of(entry: dict[str, Any]) -> str:
    """Tell whose class a layer is of, as far as its entry says."""
    if ">" in str(entry.get("registered_name")) or ">" in str(entry.get("class_name")):
        return "elsewhere"
    if "module" not in entry:  # of older files
        return ""
    # None stands for a program's own module.
    return "keras" if str(entry["module"]).partition(".")[0] in _PACKAGES else "elsewhere"


def _snake_case(name: str) -> str:
    """Turn a class's name into that of its group, as Keras does."""
    name = re.sub(r"\W+", "", name.rpartition(">")[2])
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def is_bidirectional(layer: Layer | None) -> bool:
    """Tell whether a layer is configured with two directions."""
    return layer is not None and layer.is_recurrent and layer.class_name == "Bidirectional"


def batch_first(layer: Layer) -> bool:
    """Tell whether the first axis of the input is the batch."""
    settings: Any = layer.settings
    if is_bidirectional(layer):
        settings = settings_in(settings.get("layer"))
    return not isinstance(settings, dict) or settings.get("time_major") is not True


def is_stateful(layer: Layer) -> bool:
    """Tell whether a layer keeps its states as variables."""
    inner = settings_in(layer.settings.get("layer"))
    inner = inner if isinstance(inner, dict) else {}
    return layer.settings.get("stateful") is True or inner.get("stateful") is True
