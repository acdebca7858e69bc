"""The constants of an ONNX model, computed where nodes make them from others.

torch's exporter may leave weights as slices of the module's parameters, put together again by
other nodes; quantisers leave them as integers with a scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.errors import WeightFileError
from .onnx_fold import Folder, Unusable, folds, shape_of
from .onnx_scopes import Place, declared_shapes
from .onnx_tensors import Tensors

if TYPE_CHECKING:
    from ..base.source import Source
    from ..base.tensor import Array

    # What a node or tensor gives: its outputs, or why there are none. None if that is only known
    # when the model runs.
    Outputs = list[Array] | str | None

_MOST_FOLDED_NODES = 10_000
# Bytes of all that is in memory while one value is computed: so many times the files, and more.
_MOST_COPIES, _SPARE_BYTES = 3, 1 << 24
# Bytes that are computed in all, some of them again when a weight is read.
_MOST_WORK, _SPARE_WORK = 32, 1 << 29
# Elements of the arrays that are made of computed values. A byte can hold two integers of 4 bits.
_MOST_ELEMENTS, _SPARE_ELEMENTS = 2, 1 << 22
# Bytes of what is kept between the computations: shapes, indices, small weights.
_MOST_KEPT = 1 << 23

# Axes of a tensor of which a model does not even declare how many it has.
_UNKNOWN_AXES = 8


class Constants:
    """What is constant in a model, as far as it is asked for.

    Parameters
    ----------
    source : Source
    tensors : Tensors
    """

    def __init__(self, source: Source, tensors: Tensors) -> None:
        self._source = source
        self._tensors = tensors
        self._folder = Folder(tensors)
        self._kept: dict[int, dict[Any, Outputs]] = {}  # by size
        self._kept_left = _MOST_KEPT
        self._nodes_left = _MOST_FOLDED_NODES
        self._work = 0
        self._elements = 0
        self._live = 0
        self._shapes: dict[int, dict[str, list[int] | None]] = {}

    def value(self, place: Place | None, size: int = 0) -> Array | str | None:
        """Return a constant, or why it cannot be had as an array.

        Parameters
        ----------
        place : Place or None
        size : int
            If it is not 0, sizes that are open until the model runs count as this one.

        Returns
        -------
        ndarray, str or None
            None if the value is only known when the model runs.
        """
        if place is None:
            return None
        found: dict[Any, Outputs] = {}
        self._live = 0
        waiting = [place]
        while waiting:
            at = waiting[-1]
            inputs = [] if self._knows(at, found, size) else _inputs(at)
            missing = [each for each in inputs if each and not self._knows(each, found, size)]
            if missing:
                waiting += missing
                continue
            if at.key not in found:
                values = [each and _output(found[each.key], each) for each in inputs]
                found[at.key] = self._outputs(at, values, size)
            waiting.pop()
        self._keep(found, size)
        return _output(found[place.key], place)

    def filling(self, node: Any) -> Array:
        """Return the one number that a ConstantOfShape node repeats."""
        return self._folder.filling(node)

    def claim(self, elements: int, record: str) -> None:
        """Count the elements of an array that is made of a computed value; raise if too many."""
        self._elements += elements
        if self._elements > _MOST_ELEMENTS * self._tensors.size + _SPARE_ELEMENTS:
            raise self._source.error(record, "the constants need far more memory than the file")

    def shape(self, place: Place) -> list[int] | None:
        """Return the shape that is declared for a value: 0 for an open size, None if nothing is."""
        key = id(place.scope.graph)
        if key not in self._shapes:
            self._shapes[key] = declared_shapes(place.scope)
        return self._shapes[key].get(place.name)

    # ------------------------------------------------------------------ one node

    def _knows(self, at: Place, found: dict[Any, Outputs], size: int) -> bool:
        """Tell whether a place has been computed; what was kept of earlier values is found too."""
        for kept in (self._kept.get(size, {}), self._kept.get(0, {})):
            # What is known without open sizes does not depend on them.
            if at.key not in found and at.key in kept and (not size or kept[at.key] is not None):
                found[at.key] = kept[at.key]
        return at.key in found

    def _outputs(self, at: Place, inputs: list[Array | str | None], size: int) -> Outputs:
        if at.is_tensor:
            return self._array(at)
        if at.is_input or not folds(at.scope.nodes[at.node]):
            return None
        node = at.scope.nodes[at.node]
        if size and node.op_type == "Shape" and inputs and inputs[0] is None:
            return [self._open_shape(at, size)]
        for name, value in zip(node.input, inputs, strict=True):
            if isinstance(value, str):
                return value
            if name and value is None:
                return None
        return self._folded(at, [each for each in inputs if not isinstance(each, str)])

    def _array(self, at: Place) -> Outputs:
        tensor = at.scope.tensors[at.name]
        self._spend(self._tensors.count(tensor), at.name)
        array = self._tensors.array(tensor)
        return array if isinstance(array, str) else [array]

    def _folded(self, at: Place, inputs: list[Array | None]) -> Outputs:
        node = at.scope.nodes[at.node]
        try:
            count = self._folder.bytes_needed(node, inputs)
            # Before the memory is there; given back if none was needed.
            self._spend(count, node.name or at.name)
            self._nodes_left -= 1
            if self._nodes_left < 0:
                raise self._source.error(node.name, "too many nodes compute constants")
            outputs = self._folder.run(at.scope, node, inputs)
        except (WeightFileError, MemoryError):
            raise
        except Unusable as problem:
            return str(problem)
        except (ArithmeticError, IndexError, TypeError, ValueError) as problem:  # of NumPy's, too
            told = f"{type(problem).__name__}: {problem}"
            return f"cannot be computed by {node.op_type[:40]}: {told[:200]}"
        given = [each for each in inputs if each is not None]
        if all(any(np.may_share_memory(made, each) for each in given) for made in outputs):
            self._live -= count
        return outputs

    def _spend(self, count: int, record: str) -> None:
        self._live += count
        self._work += count
        size = self._tensors.size
        if (
            self._live > _MOST_COPIES * size + _SPARE_BYTES
            or self._work > _MOST_WORK * size + _SPARE_WORK
        ):
            raise self._source.error(record, "the constants need far more memory than the file")

    def _keep(self, found: dict[Any, Outputs], size: int) -> None:
        """Keep what is small for the next value."""
        kept = self._kept.setdefault(size, {})
        for key, outputs in found.items():
            if key not in kept:
                arrays = outputs if isinstance(outputs, list) else []
                owners = [each if each.base is None else each.base for each in arrays]
                count = sum(getattr(owner, "nbytes", 0) for owner in owners)
                if count <= self._kept_left:
                    self._kept_left -= count
                    kept[key] = outputs

    # ------------------------------------------------------------------ sizes that are open

    def _open_shape(self, at: Place, size: int) -> Array:
        node = at.scope.nodes[at.node]
        [place] = at.inputs()
        declared = None if place is None else self.shape(place)
        shape = [0] * _UNKNOWN_AXES if declared is None else declared
        return shape_of(node, [each or size for each in shape])


def _inputs(at: Place) -> list[Place | None]:
    """Return the places that a place is made from; none if it is not made of constants."""
    return at.inputs() if at.node >= 0 and folds(at.scope.nodes[at.node]) else []


def _output(outputs: Outputs, place: Place) -> Array | str | None:
    if not isinstance(outputs, list):
        return outputs
    return outputs[place.output] if place.output < len(outputs) else None
