"""What the configuration of one of Keras's recurrent layers says that it computes."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ...arguments.variants import DEFAULTS, NONLINEARITIES
from ...weights.kinds import GRU, LSTM, RNN, Kind
from ...weights.variants import Said, refused
from .keras_config import Layer, is_bidirectional, origin_of, settings_in
from .keras_names import CELL_CLASSES, CLASSES

# Layers that have no other activations than torch's, and add two biases as torch does.
CUDNN = {"CuDNNLSTM": LSTM, "CuDNNGRU": GRU}
_KINDS = {name: kind for kind, name in CLASSES.items()} | CUDNN
_CELLS = {name: kind for kind, name in CELL_CLASSES.items()}
_CONCAT = "concat"
# How a Bidirectional layer may join the outputs of its directions, which its caller can do.
_MERGED = ("sum", "mul", "ave")
_LONGEST_NAME = 255


class Settings(NamedTuple):
    """What a layer is by its configuration.

    Attributes
    ----------
    kind : Kind or None
        None where it is none that pylstm knows.
    problems : list of str
        What no class of pylstm has.
    said : list of Said
        What is not so in torch's layer.
    merge_mode : str or None
        How the outputs of its directions are joined, where they are not concatenated.
    """

    kind: Kind | None
    problems: list[str]
    said: list[Said]
    merge_mode: str | None = None


def cell_settings(layer: Layer, direction: str) -> dict[str, Any]:
    """Return what tells the sizes of one direction of a recurrent layer."""
    entry: Any = {"class_name": layer.class_name, "config": layer.settings}
    if is_bidirectional(layer):
        entry = layer.settings.get("layer")
        if direction == "backward" and isinstance(layer.settings.get("backward_layer"), dict):
            entry = layer.settings["backward_layer"]
    settings = settings_in(entry)
    if isinstance(entry, dict) and entry.get("class_name") == "RNN" and isinstance(settings, dict):
        settings = settings_in(settings.get("cell"))
    return settings if isinstance(settings, dict) else {}


def is_of_cudnn_class(layer: Layer) -> bool:
    """Tell whether a layer, or that in a Bidirectional one, is of a class for cuDNN alone."""
    entry: Any = layer.settings.get("layer") if is_bidirectional(layer) else None
    name: Any = entry.get("class_name") if isinstance(entry, dict) else layer.class_name
    return name in CUDNN


def settings_of(layer: Layer, version: str) -> Settings:
    """Return what a configured layer is, and what it does that torch's does not."""
    entry = {"class_name": layer.class_name, "config": layer.settings}
    if layer.origin == "elsewhere":
        return Settings(None, [foreign(layer.class_name)], [])
    if not layer.is_recurrent:
        told = f"the configuration says that it is a {layer.class_name}"
        return Settings(None, [told], [])
    if not is_bidirectional(layer):
        return _settings_of(entry, version, in_reverse=False)
    problems = []
    merge_mode = layer.settings.get("merge_mode", _CONCAT)
    if merge_mode != _CONCAT and merge_mode not in _MERGED:
        problems.append(f"it merges its directions by {_shown(merge_mode)}, not 'concat'")
    sides = []
    for key, in_reverse in (("layer", False), ("backward_layer", True)):
        if isinstance(layer.settings.get(key), dict):
            sides.append(_settings_of(layer.settings[key], version, in_reverse))
        elif key == "layer":
            problems.append("its configuration says nothing of its directions")
    for side in sides:
        problems += side.problems
        # In a direction that runs the wrong way there is nothing to be said for it.
        problems += [each.text for each in side.said if each.name == "reverse"]
    every = [each for side in sides for each in side.said if each.name != "reverse"]
    said = list(dict.fromkeys(every))
    kind = sides[0].kind if sides else None
    if not problems and any(side.kind is not kind for side in sides):
        problems.append("its directions are of different classes")
    elif not problems and kind is not None and not refused(kind.mode, said):
        settings = [{(each.name, each.value) for each in side.said} for side in sides]
        if any(each != settings[0] for each in settings):
            problems.append("its directions are configured differently")
    merged = merge_mode if merge_mode in _MERGED else None
    return Settings(kind, list(dict.fromkeys(problems)), said, merged)


def foreign(class_name: str) -> str:
    """Say that a class is none of Keras's."""
    return f"its class {class_name[:_LONGEST_NAME]} is another one than Keras's"


def _settings_of(entry: dict[str, Any], version: str, in_reverse: bool) -> Settings:
    """Return what one direction is: ``in_reverse`` is how it should run."""
    class_name, settings = str(entry.get("class_name")), settings_in(entry)
    if origin_of(entry) == "elsewhere":
        return Settings(None, [foreign(class_name)], [])
    settings = settings if isinstance(settings, dict) else {}
    problems: list[str] = []
    said: list[Said] = []
    if bool(settings.get("go_backwards")) and not in_reverse:
        said.append(Said("reverse", True, "it runs backwards (go_backwards)"))
    elif in_reverse and not settings.get("go_backwards"):
        problems.append("go_backwards is off")
    kind = _KINDS.get(class_name)
    if class_name == "RNN":
        cell = settings.get("cell")
        cell = cell if isinstance(cell, dict) else {}
        cell_name = cell.get("class_name")
        kind = _CELLS.get(cell_name) if isinstance(cell_name, str) else None
        if kind is None:
            told = f"its cell is {_shown(cell_name)}, not 'LSTMCell', 'GRUCell' or 'SimpleRNNCell'"
            return Settings(None, [*problems, told], said)
        if origin_of(cell) == "elsewhere":
            told = f"its cell {cell_name} is another one than Keras's"
            return Settings(None, [*problems, told], said)
        settings = settings_in(cell)
        settings = settings if isinstance(settings, dict) else {}
    elif class_name in CUDNN:
        return Settings(kind, problems, said)
    elif kind is None:
        return Settings(None, [*problems, f"it is a {class_name[:40]}"], said)
    others, more = _activations(kind, settings, version)
    problems += others
    if kind is GRU and settings.get("reset_after") is not True:
        # Releases without this setting had only this form.
        text = "its reset gate acts before the product (reset_after is off)"
        more.append(Said("reset_after", False, text))
    policy = settings.get("dtype")
    if isinstance(policy, dict) and str(policy.get("class_name")).startswith("Quantized"):
        problems.append(f"its dtype policy is a {_shown(policy['class_name'])}: it is quantised")
    return Settings(kind, problems, said + more)


def _activations(
    kind: Kind, settings: dict[str, Any], version: str
) -> tuple[list[str], list[Said]]:
    """Return what is no activation of pylstm's, and which ones are not torch's."""
    activation = settings.get("activation", DEFAULTS["activation"])
    if kind is RNN:
        if isinstance(activation, str) and activation in NONLINEARITIES:
            return [], [Said("nonlinearity", activation, "")]
        return [f"its activation is {_shown(activation)}, not 'tanh' or 'relu'"], []
    gate = settings.get("recurrent_activation", settings.get("inner_activation"))
    if "recurrent_activation" not in settings and "inner_activation" not in settings:
        gate = default_gate(version)
    problems: list[str] = []
    said: list[Said] = []
    for key, name, value in (
        ("activation", "activation", activation),
        ("recurrent_activation", "gate_activation", gate),
    ):
        if value == DEFAULTS[name]:
            continue
        text = f"its {key} is {_shown(value)}, not {DEFAULTS[name]!r}"
        meant = _hard_sigmoid(version) if value == "hard_sigmoid" else value
        if isinstance(meant, str):
            said.append(Said(name, meant, text))
        else:
            problems.append(text)
    return problems, said


def _hard_sigmoid(version: str) -> str | None:
    """Return which function a Keras release calls so, where the release is known."""
    if not re.match(r"\d", version):
        return None
    return "hard_sigmoid" if is_before(version, 3, 0) else "hard_sigmoid3"


def default_gate(version: str) -> str:
    """Return what a Keras release uses where nothing else was asked for."""
    return "hard_sigmoid" if is_before(version, 2, 3) else "sigmoid"


def is_before(version: str, *numbers: int) -> bool:
    """Tell whether a Keras release is older than one; not if it is not known."""
    own = [int(number) for number in re.findall(r"\d{1,6}", version)[:2]]
    return bool(own) and own < list(numbers)


def _shown(value: Any) -> str:
    # What Keras writes of a function.
    if isinstance(value, dict) and isinstance(value.get("config"), str):
        return f"the function {_shown(value['config'])}"
    return (
        repr(value) if isinstance(value, str) and len(value) < 40 else f"a {type(value).__name__}"
    )
