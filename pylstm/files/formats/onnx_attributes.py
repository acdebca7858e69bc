"""What the attributes of ONNX's recurrent nodes say."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from ...arguments.variants import DEFAULTS, NONLINEARITIES
from ...weights.kinds import GRU, LSTM, RNN, Kind
from ...weights.variants import Said

# The activations of one direction where a node names none.
_DEFAULTS = {
    LSTM.mode: ("Sigmoid", "Tanh", "Tanh"),
    GRU.mode: ("Sigmoid", "Tanh"),
    RNN.mode: ("Tanh",),
}
# Slope and offset of ONNX's HardSigmoid that have a name.
_HARD = {(0.2, 0.5): "hard_sigmoid", (1 / 6, 0.5): "hard_sigmoid3"}
_HARD_DEFAULT = (0.2, 0.5)
# By their names in ONNX in small letters. Whether ONNX's names are case-sensitive depends on the
# library that runs them.
_GATES = {"sigmoid": "sigmoid"}
_OTHERS = {"tanh": "tanh", "relu": "relu", "softsign": "softsign"}
# Activations that take an alpha, and those that take a beta: the lists have values for these alone
# in some exporters, for all in others, so their values are known only if all have the same number.
_TAKE_ALPHA = ("affine", "leakyrelu", "thresholdedrelu", "scaledtanh", "hardsigmoid", "elu")
_TAKE_BETA = ("affine", "scaledtanh", "hardsigmoid")
_EXACT = 1e-6  # of a slope that is written in float32


class _Activation(NamedTuple):
    name: str  # in small letters
    alpha: float | None
    beta: float | None


def integer(node: Any, name: str) -> int:
    """Return an attribute of a node, 0 where it has none."""
    return next((int(each.i) for each in node.attribute if each.name == name), 0)


def direction_of(node: Any) -> int:
    """Return the number of directions."""
    return 1 + any(
        each.name == "direction" and each.s == b"bidirectional" for each in node.attribute
    )


def attributes_of(node: Any, kind: Kind) -> tuple[list[str], list[Said]]:
    """Return what keeps a node from being torch's layer or a variant, and what variant it is."""
    reasons: list[str] = []
    variants: list[Said] = []
    for attribute in node.attribute:
        name = attribute.name
        if attribute.ref_attr_name:
            reasons.append(f"its {name} is left to the caller of its function")
        elif name == "direction" and attribute.s == b"reverse":
            told = f"its direction is 'reverse': torch has no {kind.mode} that only runs so"
            variants.append(Said("reverse", True, told))
        elif name == "direction" and attribute.s not in (b"forward", b"bidirectional"):
            text = attribute.s[:20].decode("utf-8", "replace")
            reasons.append(f"its direction is {text!r}: torch has no {kind.mode} that only runs so")
        elif name == "clip":
            reasons.append(f"it clips the sums of its gates (clip={attribute.f:g})")
        elif name == "input_forget" and attribute.i:
            reasons.append("its input and forget gates are coupled (input_forget=1)")
    if kind is GRU:
        variants += _reset(node)
    others, more = _activations(node, kind)
    return reasons + others, variants + more


def _reset(node: Any) -> Iterator[Said]:
    """Yield that the reset gate acts before the product, as it does by default."""
    if not integer(node, "linear_before_reset"):
        told = "its reset gate acts before the product (linear_before_reset=0)"
        yield Said("reset_after", False, told)


def _activations(node: Any, kind: Kind) -> tuple[list[str], list[Said]]:
    """Return why the activations of a node are none that a module has, or which they are."""
    default = _DEFAULTS[kind.mode]
    each = len(default)
    attributes = {each.name: each for each in node.attribute}
    names = [text[:40].decode("utf-8", "replace") for text in _strings(attributes)]
    if not names:
        names = list(default)
    shown = ", ".join(names[: 2 * each + 1])
    wrong = f"its activations are {shown}, not {', '.join(default)}"
    if len(names) not in (each, 2 * each):
        return [wrong], []
    used = _with_parameters(names, attributes)
    if isinstance(used, str):
        return [f"{wrong}; {used}"], []
    if used[:each] != used[-each:]:
        return [wrong], []
    first = 0 if kind is RNN else 1
    by_name = {"activation": {_activation(other) for other in used[first:each]}}
    if first:
        by_name["gate_activation"] = {_gate(used[0])}
    if any(len(found) != 1 or None in found for found in by_name.values()):
        return [wrong], []
    said = {name: found.pop() for name, found in by_name.items()}
    if kind is RNN:
        told = said["activation"]
        return ([], [Said("nonlinearity", told, "")]) if told in NONLINEARITIES else ([wrong], [])
    return [], [Said(name, value, wrong) for name, value in said.items() if value != DEFAULTS[name]]


def _strings(attributes: dict[str, Any]) -> list[bytes]:
    return list(attributes["activations"].strings[:7]) if "activations" in attributes else []


def _with_parameters(names: list[str], attributes: dict[str, Any]) -> list[_Activation] | str:
    """Return the activations with their alpha and beta, or why these are not known.

    Exporters list a value for each activation, or for each that takes one.
    """
    small = [name.lower() for name in names]
    values: dict[str, list[float | None]] = {}
    for key, takers in (("activation_alpha", _TAKE_ALPHA), ("activation_beta", _TAKE_BETA)):
        takes = [name in takers for name in small]
        given = list(islice(attributes[key].floats, 8)) if key in attributes else []
        if not any(takes) or not given:
            values[key] = [None] * len(small)
        elif len(given) == len(small):
            values[key] = [
                value if take else None for value, take in zip(given, takes, strict=True)
            ]
            # Libraries take them in turn, each for the next activation that takes one.
            if given[: sum(takes)] != [value for value in values[key] if value is not None]:
                return f"its {key} may belong to others of them"
        elif len(given) == sum(takes):
            left = iter(given)
            values[key] = [next(left) if take else None for take in takes]
        else:
            return f"its {key} has {len(given)} values for them"
    return [
        _Activation(*each)
        for each in zip(small, values["activation_alpha"], values["activation_beta"], strict=True)
    ]


def _gate(activation: _Activation) -> str | None:
    """Return the argument for the activation of gates, None where there is none for it."""
    if activation.name != "hardsigmoid":
        return _GATES.get(activation.name)
    given = (
        _HARD_DEFAULT[0] if activation.alpha is None else activation.alpha,
        _HARD_DEFAULT[1] if activation.beta is None else activation.beta,
    )
    for (slope, offset), name in _HARD.items():
        if abs(given[0] - slope) < _EXACT and abs(given[1] - offset) < _EXACT:
            return name
    return None


def _activation(activation: _Activation) -> str | None:
    """Return the argument for the other activations, None where there is none for one."""
    if activation.name == "affine":
        # A slope of 1 and an offset of 0 are the identity; the defaults are not given for it.
        is_linear = activation.alpha == 1 and activation.beta == 0
        return "linear" if is_linear else None
    return _OTHERS.get(activation.name)
