"""Nodes of ONNX models that are run on constants, because exporters make weights by them.

What a node needs is known before it is run.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.protobuf import Numbers
from ..base.tensor import MAX_DIMENSIONS
from .onnx_messages import INT, INTS, TensorProto
from .onnx_numbers import dtype_of, name_of, narrowed, widened
from .onnx_operators import ARRANGING, ELEMENTWISE, operate
from .onnx_quantised import dequantised, quantised
from .onnx_scopes import is_standard

if TYPE_CHECKING:
    from ..base.tensor import Array
    from .onnx_scopes import Scope
    from .onnx_tensors import Tensors

_QUANTISED = {"QuantizeLinear": quantised, "DequantizeLinear": dequantised}
# Exact on whatever numbers they get, so that no rounding of another program is guessed at.
_FOLDED = {
    *("Cast", "Constant", "ConstantOfShape", "Expand", "Shape", "Split"),
    *_QUANTISED,
    *ARRANGING,
    *ELEMENTWISE,
}
# The attributes of a Constant that are read.
_VALUES = {"value", "value_float", "value_floats", "value_int", "value_ints"}

_LARGEST = 1 << 62


def folds(node: Any) -> bool:
    """Tell whether a node is one to run: no operator takes attributes but integers."""
    known = is_standard(node) or (node.domain == "com.microsoft" and node.op_type in _QUANTISED)
    if not known or node.op_type not in _FOLDED or not node.output:
        return False
    if any(attribute.ref_attr_name for attribute in node.attribute):
        return False
    if node.op_type == "Constant":
        return len(node.attribute) == 1 and node.attribute[0].name in _VALUES
    if node.op_type == "ConstantOfShape":
        return all(each.name == "value" for each in node.attribute)
    return all(each.type in (INT, INTS) for each in node.attribute)


class Folder:
    """Runs nodes that :func:`folds` is true for.

    Parameters
    ----------
    tensors : Tensors
        Reads the tensors among their attributes.
    """

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors

    def bytes_needed(self, node: Any, inputs: Sequence[Array | None]) -> int:
        """Return the bytes that running a node takes, at most.

        Parameters
        ----------
        node : NodeProto
        inputs : sequence of ndarray or None
            One for each of its inputs; None for one that is left out.

        Raises
        ------
        ValueError, IndexError
            If the inputs are none that the operator takes.
        """
        if node.op_type == "Constant":
            attribute = node.attribute[0]
            held = (
                self._tensors.count(attribute.t or TensorProto())
                if attribute.name == "value"
                else 0
            )
            return held + 8 * (len(attribute.floats) + len(attribute.ints))
        given = [each for each in inputs if each is not None]
        width = max((each.itemsize for each in given), default=8)
        if node.op_type == "Cast":
            width = max(4, _dtype(_integer(node, "to", 0)).itemsize)
        elif node.op_type == "ConstantOfShape":
            width = self.filling(node).itemsize
        elif node.op_type in _QUANTISED:
            width = 4 + (0 if given[1].itemsize == 4 else given[1].itemsize)
        return width * _elements(node, given)

    def run(self, scope: Scope, node: Any, inputs: Sequence[Array | None]) -> list[Array]:
        """Return the outputs of a node.

        Raises
        ------
        ValueError, IndexError, TypeError
            If the inputs are none that the operator takes.
        """
        given = [each for each in inputs if each is not None]
        with np.errstate(all="ignore"):  # an overflow is as much of the model as any number
            if node.op_type in _QUANTISED:
                return [self._quantised(node, *given)]
            if node.op_type == "Split":
                return _split(scope, node, given)
            if node.op_type == "Constant":
                return [self._constant(node.attribute[0])]
            if node.op_type == "ConstantOfShape":
                return [np.full(_sizes(given[0]), self.filling(node))]
            if node.op_type == "Expand":
                shape = _broadcast(given[0].shape, _sizes(given[1]))
                return [np.broadcast_to(given[0], shape)]
            if node.op_type == "Shape":
                return [shape_of(node, given[0].shape)]
            if node.op_type == "Cast":
                [array] = given
                return [narrowed(widened(array), _dtype(_integer(node, "to", 0)))]
            return [operate(node, scope.opset, inputs)]

    def filling(self, node: Any) -> Array:
        """Return the one number that a ConstantOfShape repeats."""
        if not node.attribute:
            return np.zeros((), np.float32)
        array = self._tensors.array(node.attribute[0].t or TensorProto())
        if isinstance(array, str):
            raise Unusable(array)
        return array.reshape(())

    def _constant(self, attribute: Any) -> Array:
        if attribute.name == "value":
            array = self._tensors.array(attribute.t or TensorProto())
            if isinstance(array, str):
                raise Unusable(array)
            return array
        if attribute.name == "value_float":
            return np.array(attribute.f, np.float32)
        if attribute.name == "value_floats":
            return _array(attribute.floats, np.float32)
        if attribute.name == "value_int":
            return np.array(attribute.i, np.int64)
        return _array(attribute.ints, np.int64)

    def _quantised(
        self, node: Any, x: Array, scale: Array, zero_point: Array | None = None
    ) -> Array:
        target = _integer(node, "output_dtype", 0)
        return _QUANTISED[node.op_type](
            x,
            scale,
            zero_point,
            _integer(node, "axis", 1),
            _integer(node, "block_size", 0),
            _target(target),
        )


class Unusable(ValueError):
    """A constant of a kind that arrays cannot be made of; the text continues "its input W"."""


def _dtype(number: int) -> np.dtype[Any]:
    """Return the dtype of what numbers are cast to."""
    dtype = dtype_of(number)
    if dtype is None or (dtype.names and name_of(dtype) != "bfloat16"):
        raise Unusable("is cast to a type that LSTMs do not have")
    return dtype


def _target(number: int) -> np.dtype[Any] | None:
    """Return the dtype of what numbers are quantised to, or become again."""
    dtype = dtype_of(number) if number else None
    if number and dtype is None:
        raise Unusable("is cast to a type that LSTMs do not have")
    return dtype


def shape_of(node: Any, shape: Sequence[int]) -> Array:
    """Return what a Shape node gives for a tensor of a shape."""
    start, end = _integer(node, "start", 0), _integer(node, "end", len(shape))
    return np.array(shape[start:end], np.int64).reshape(-1)


def _integer(node: Any, name: str, default: int) -> int:
    return next((int(each.i) for each in node.attribute if each.name == name), default)


def _array(numbers: Any, dtype: Any) -> Array:
    return numbers.array() if isinstance(numbers, Numbers) else np.zeros(0, dtype)


def _sizes(array: Array, most: int = MAX_DIMENSIONS) -> tuple[int, ...]:
    """Return the sizes that a vector of integers holds."""
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"sizes of {array.dtype} {array.shape}")
    sizes = tuple(map(int, array))
    if len(sizes) > most or min(sizes, default=0) < 0:
        raise ValueError(f"sizes {str(sizes)[:100]}")
    return sizes


def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    made = []
    for sizes in itertools.zip_longest(*(shape[::-1] for shape in shapes), fillvalue=1):
        others = {size for size in sizes if size != 1}
        if len(others) > 1:
            raise ValueError(f"shapes {shapes} do not go together")
        made.append(others.pop() if others else 1)
    return tuple(made[::-1])


def _elements(node: Any, given: Sequence[Array]) -> int:
    """Return how many elements a node makes, or moves: at least as many."""
    kind = node.op_type
    if kind in ELEMENTWISE:
        count = math.prod(_broadcast(*(each.shape for each in given)))
    elif kind == "Expand":
        count = math.prod(_broadcast(given[0].shape, _sizes(given[1])))
    elif kind == "ConstantOfShape":
        count = math.prod(_sizes(given[0]))
    elif kind == "Tile":
        count = given[0].size * math.prod(_sizes(given[1]))
    elif kind == "Gather":
        # All of the data may be copied first, to have them contiguous.
        axis = _integer(node, "axis", 0)
        count = given[0].size // max(1, given[0].shape[axis]) * given[1].size + given[0].size
    elif kind == "Concat":
        count = sum(each.size for each in given)
    else:
        count = given[0].size
    if count >= _LARGEST:
        raise ValueError(f"{kind} makes more than any memory holds")
    return count


def _split(scope: Scope, node: Any, given: list[Array]) -> list[Array]:
    array, axis, count = given[0], _integer(node, "axis", 0), len(node.output)
    if not -array.ndim <= axis < array.ndim:
        raise IndexError(f"axis {axis} of {array.ndim}")
    axis %= array.ndim
    sizes = _sizes(given[1], count) if len(given) > 1 else ()
    sizes = sizes or next(
        (tuple(itertools.islice(a.ints, count + 1)) for a in node.attribute if a.name == "split"),
        (),
    )
    length = array.shape[axis]
    if not sizes:
        if scope.opset < 18 and length % count:
            raise ValueError(f"{length} does not divide by {count}")
        width = -(-length // count)
        sizes = tuple(max(0, min(width, length - width * index)) for index in range(count))
    if len(sizes) != count or min(sizes) < 0 or sum(sizes) != length:
        raise ValueError(f"{str(sizes)[:100]} of {length}, for {count} outputs")
    ends = np.cumsum(sizes)
    index = (slice(None),) * axis
    return [array[(*index, slice(end - size, end))] for size, end in zip(sizes, ends, strict=True)]
