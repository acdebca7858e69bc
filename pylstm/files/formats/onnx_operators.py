"""ONNX's operators that arrange arrays anew or compute with them element by element, on constants.

As https://onnx.ai/onnx/operators says. What a later version of an operator takes as an input, an
earlier one had as an attribute; either is read, whatever version a model names. Where versions
mean different things by the same node, the older meaning is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.tensor import MAX_DIMENSIONS
from .onnx_messages import INTS
from .onnx_numbers import name_of, narrowed, widened

if TYPE_CHECKING:
    from ..base.tensor import Array

# The version from which arrays of different shapes go together as NumPy's do.
_BROADCASTS = 7
# That from which Concat has no axis of its own.
_NAMES_AXIS = 4


class Node:
    """What an operator is told beside its inputs.

    Parameters
    ----------
    node : NodeProto
    opset : int
        The version of ONNX's operators; 0 if none is named.
    """

    def __init__(self, node: Any, opset: int) -> None:
        self._attributes = {each.name: each for each in node.attribute}
        self.opset = opset

    def has(self, name: str) -> bool:
        """Tell whether an attribute is given."""
        return name in self._attributes

    def integer(self, name: str, default: int) -> int:
        """Return an attribute, or its default."""
        return self._attributes[name].i if name in self._attributes else default

    def integers(self, name: str, given: Array | None = None) -> list[int] | None:
        """Return a list that is an input or an attribute; None where it is neither."""
        if given is not None:
            if given.dtype.kind not in "iu" or given.ndim > 1 or given.size > MAX_DIMENSIONS:
                raise ValueError(f"{name} of {name_of(given.dtype)} {given.shape}")
            return [int(each) for each in given.reshape(-1)]
        attribute = self._attributes.get(name)
        if attribute is None:
            return None
        if attribute.type != INTS:
            return [attribute.i]
        if len(attribute.ints) > MAX_DIMENSIONS:
            raise ValueError(f"{name} are {len(attribute.ints)}")
        return list(attribute.ints)


def operate(node: Any, opset: int, inputs: Sequence[Array | None]) -> Array:
    """Return what a node makes of its inputs, None for one that is left out.

    Raises
    ------
    ValueError, IndexError, TypeError
        If the inputs are none that the operator takes.
    """
    told = Node(node, opset)
    kind = node.op_type
    if kind in _ARRANGING:
        return _ARRANGING[kind](told, *inputs)
    given = [each for each in inputs if each is not None]
    if len(given) != len(inputs):
        raise ValueError("an input is left out")
    return _elementwise(kind, told, given)


def _elementwise(kind: str, told: Node, given: list[Array]) -> Array:
    if 0 < told.opset < _BROADCASTS and told.has("axis"):
        raise ValueError("arrays that go together along an axis, as before version 7")
    count, function, dtypes = _ELEMENTWISE[kind]
    if len(given) != count and (count or not given):
        raise ValueError(f"{len(given)} inputs")
    alike = given[1:] if kind == "Where" else given
    names = [name_of(each.dtype) for each in alike]
    if len(set(names)) > 1:
        raise TypeError(f"arrays of {', '.join(names[:8])}")
    wide = [widened(each) for each in given]
    if any(each.dtype.kind not in dtypes for each in wide[-len(alike) :]):
        raise TypeError(f"arrays of {names[0]}")
    made = np.asarray(function(told, *wide))
    if kind in _TO_BOOL or not alike[0].dtype.names:
        return made
    return narrowed(made, alike[0].dtype)


def _divide(_: Node, a: Array, b: Array) -> Array:
    """Integers are divided towards 0."""
    if a.dtype.kind not in "iu":
        return np.asarray(np.divide(a, b))
    if not b.all():
        raise ValueError("integers are divided by 0")
    quotient, remainder = np.divmod(a, b)
    return np.asarray(quotient + ((remainder != 0) & ((a < 0) != (b < 0))), a.dtype)


def _modulo(told: Node, a: Array, b: Array) -> Array:
    if a.dtype.kind in "iu" and not b.all():
        raise ValueError("integers are divided by 0")
    if told.integer("fmod", 0):
        return np.fmod(a, b)
    if a.dtype.kind == "f":
        raise TypeError(f"Mod of {a.dtype} without fmod=1")
    return np.mod(a, b)


def _where(_: Node, condition: Array, a: Array, b: Array) -> Array:
    if condition.dtype != np.bool_:
        raise TypeError(f"a condition of {condition.dtype}")
    return np.asarray(np.where(condition, a, b))


def _all_of(function: Any) -> Callable[..., Array]:
    def reduced(_: Node, first: Array, *others: Array) -> Array:
        for other in others:
            first = function(first, other)
        return first

    return reduced


def _plain(function: Any) -> Callable[..., Array]:
    def called(_: Node, *given: Array) -> Array:
        made: Array = function(*given)
        return made

    return called


# By operator: the number of inputs, 0 for any, what it does, and NumPy's kinds of what it takes.
_ELEMENTWISE: dict[str, tuple[int, Callable[..., Array], str]] = {
    "Add": (2, _plain(np.add), "iufc"),
    "Sub": (2, _plain(np.subtract), "iufc"),
    "Mul": (2, _plain(np.multiply), "iufc"),
    "Div": (2, _divide, "iufc"),
    "Neg": (1, _plain(np.negative), "ifc"),
    "Abs": (1, _plain(np.abs), "iuf"),
    "Floor": (1, _plain(np.floor), "f"),
    "Ceil": (1, _plain(np.ceil), "f"),
    "Min": (0, _all_of(np.minimum), "iuf"),
    "Max": (0, _all_of(np.maximum), "iuf"),
    "Mod": (2, _modulo, "iuf"),
    "Where": (3, _where, "iufcb"),
    "Equal": (2, _plain(np.equal), "iufb"),
    "Greater": (2, _plain(np.greater), "iuf"),
    "Less": (2, _plain(np.less), "iuf"),
    "And": (2, _plain(np.logical_and), "b"),
    "Or": (2, _plain(np.logical_or), "b"),
    "Not": (1, _plain(np.logical_not), "b"),
}
_TO_BOOL = {"Equal", "Greater", "Less", "And", "Or", "Not"}
ELEMENTWISE = frozenset(_ELEMENTWISE)


def _concat(told: Node, *arrays: Array) -> Array:
    if not told.has("axis") and not 0 < told.opset < _NAMES_AXIS:
        raise ValueError("no axis")
    if len({each.dtype for each in arrays}) > 1:
        raise TypeError(f"arrays of {', '.join(name_of(each.dtype) for each in arrays[:8])}")
    return np.concatenate(arrays, told.integer("axis", 1))


def _flatten(told: Node, array: Array) -> Array:
    axis = told.integer("axis", 1)
    if not -array.ndim <= axis <= array.ndim:
        raise ValueError(f"axis {axis} of {array.ndim}")
    axis += array.ndim if axis < 0 else 0
    return array.reshape(math.prod(array.shape[:axis]), math.prod(array.shape[axis:]))


def _gather(told: Node, array: Array, indices: Array) -> Array:
    if indices.dtype.kind not in "iu":
        raise TypeError(f"indices of {name_of(indices.dtype)}")
    return np.asarray(np.take(array, indices, told.integer("axis", 0)))


def _identity(_: Node, array: Array) -> Array:
    return array


def _reshape(told: Node, array: Array, given: Array | None = None) -> Array:
    sizes = told.integers("shape", given)
    if sizes is None:
        raise ValueError("no shape")
    if not told.integer("allowzero", 0):
        sizes = [array.shape[at] if size == 0 else size for at, size in enumerate(sizes)]
    if min(sizes, default=0) < -1:
        raise ValueError(f"sizes {str(sizes)[:100]}")
    return array.reshape(sizes)


def _slice(
    told: Node,
    array: Array,
    starts: Array | None = None,
    ends: Array | None = None,
    axes: Array | None = None,
    steps: Array | None = None,
) -> Array:
    first, last = told.integers("starts", starts), told.integers("ends", ends)
    if first is None or last is None:
        raise ValueError("no starts or no ends")
    along = told.integers("axes", axes)
    along = list(range(len(first))) if along is None else along
    step = told.integers("steps", steps)
    step = [1] * len(first) if step is None else step
    index = [slice(None)] * array.ndim
    seen = set()
    for axis, *each in zip(along, first, last, step, strict=True):
        if not -array.ndim <= axis < array.ndim or axis % array.ndim in seen:
            raise ValueError(f"axes {str(along)[:100]} of {array.ndim}")
        seen.add(axis % array.ndim)
        index[axis] = slice(*each)
    return array[tuple(index)]


def _squeeze(told: Node, array: Array, given: Array | None = None) -> Array:
    axes = told.integers("axes", given)
    return np.squeeze(array, None if axes is None else tuple(axes))


def _unsqueeze(told: Node, array: Array, given: Array | None = None) -> Array:
    axes = told.integers("axes", given)
    if axes is None:
        raise ValueError("no axes")
    return np.expand_dims(array, tuple(axes))


def _tile(told: Node, array: Array, given: Array) -> Array:
    repeats = told.integers("repeats", given)
    if repeats is None or len(repeats) != array.ndim or min(repeats, default=0) < 0:
        raise ValueError(f"repeats {str(repeats)[:100]} of {array.ndim} axes")
    return np.tile(array, repeats)


def _transpose(told: Node, array: Array) -> Array:
    return array.transpose(told.integers("perm"))


_ARRANGING: dict[str, Callable[..., Array]] = {
    "Concat": _concat,
    "Flatten": _flatten,
    "Gather": _gather,
    "Identity": _identity,
    "Reshape": _reshape,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
ARRANGING = frozenset(_ARRANGING)
