"""Recurrent layers of ONNX models that are spelled out: as a loop, or as many steps in a row.

Which numbers are whose gates cannot be sure then, so that none is read as a module; what to do
instead is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..base.record import Unsupported
from .onnx_scopes import Scope, is_standard

_LOOPS = ("Loop", "Scan")
_PRODUCTS = ("MatMul", "Gemm")
_ACTIVATIONS = ("Sigmoid", "Tanh", "HardSigmoid", "Relu")
# Uses of a weight from which a row of steps is one.
_FEWEST_STEPS = 3
# Nodes that are looked at between two steps.
_MOST_BETWEEN = 64
_MOST_INPUTS = 8

_REMEDY = (
    "pass from_weights a mapping of its arrays, which pylstm.load(file, flat=True) gives by name, "
    "as torch names and lays them out: weight_ih_l0 (gates * hidden, input), weight_hh_l0, "
    "bias_ih_l0, bias_hh_l0; what MatMul multiplies by stands transposed"
)


def spelled_out(scope: Scope) -> Iterator[tuple[int, Unsupported]]:
    """Yield what looks like a recurrent layer, and the position of the node to name it by.

    Parameters
    ----------
    scope : Scope
    """
    kinds = {node.op_type for node in scope.nodes if is_standard(node)}
    if not kinds.intersection(_PRODUCTS) or not kinds.intersection(_ACTIVATIONS):
        return
    outer = scope.outer
    if outer is not None and scope.arguments is None and outer.nodes[scope.at].op_type in _LOOPS:
        told = f"ONNX {outer.nodes[scope.at].op_type} node"
        found = ", ".join(sorted(kinds.intersection(_PRODUCTS + _ACTIVATIONS)))
        yield (
            -1,
            Unsupported(told, f"its body is a recurrent layer spelled out ({found}): {_REMEDY}"),
        )
        return
    for weight, steps in _repeated(scope).items():
        if len(steps) >= _FEWEST_STEPS and _feeds(scope, steps[0], steps[1]):
            told = f"{len(steps)} {scope.nodes[steps[0]].op_type} nodes of ONNX"
            reason = f"steps of an unrolled recurrent layer, by {weight[:100]}: {_REMEDY}"
            yield steps[0], Unsupported(told, reason)


def _repeated(scope: Scope) -> dict[str, list[int]]:
    """Return the products by the array that they share, which may be transposed in between."""
    uses: dict[str, list[int]] = {}
    for index, node in enumerate(scope.nodes):
        if node.op_type in _PRODUCTS and is_standard(node):
            for name in node.input[1:2]:
                weight = _behind(scope, name)
                if weight in scope.tensors:
                    uses.setdefault(weight, []).append(index)
    return uses


def _behind(scope: Scope, name: str) -> str:
    at, _ = scope.makers.get(name, (-1, 0))
    node: Any = scope.nodes[at] if at >= 0 else None
    arranged = node is not None and node.op_type in ("Transpose", "Identity", "Squeeze")
    return str(node.input[0]) if arranged and node.input else name


def _feeds(scope: Scope, first: int, second: int) -> bool:
    """Tell whether the result of one node is what another begins with, through an activation."""
    waiting = list(scope.nodes[second].input[:1])
    seen: set[int] = set()
    activated = False
    while waiting and len(seen) < _MOST_BETWEEN:
        at, _ = scope.makers.get(waiting.pop(), (-1, 0))
        if at == first:
            return activated
        if first < at < second and at not in seen:
            seen.add(at)
            activated |= scope.nodes[at].op_type in _ACTIVATIONS
            waiting += scope.nodes[at].input[:_MOST_INPUTS]
    return False
