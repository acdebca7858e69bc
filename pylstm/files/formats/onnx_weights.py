"""The weights of ONNX's recurrent nodes as torch's tensors, which are made when they are read."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.tensor import Made, Storage, Tensor
from .onnx_numbers import name_of, type_name, widened

if TYPE_CHECKING:
    from ...weights.kinds import Kind
    from ..base.source import Source
    from ..base.tensor import Array
    from .onnx_constants import Constants
    from .onnx_scopes import Place
    from .onnx_tensors import Tensors

_NATIVE: Any = "<" if sys.byteorder == "little" else ">"

_RUN_TIME = "is computed when the model runs"
# Dtypes of weights, some with a text of their own where they are no floats; of quantised nodes.
_QUANTISED = ("int8", "uint8")
_NUMBERS = ("float16", "float32", "float64", "int32", "int64")


@dataclass(frozen=True, eq=False)
class Weight:
    """An input of a node that is an array, which is made when it is asked for.

    Attributes
    ----------
    shape : tuple of int
    dtype : str
    read : callable
        Returns the array.
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], Array]

    def fill(self, block: Array, direction: int, rows: slice) -> None:
        """Write some rows of one direction into an array of their shape."""
        block[...] = self.read()[direction, rows].reshape(block.shape)


class _Blocks(Made):
    """The bytes of one torch tensor: a part of a weight, its gates in torch's order."""

    def __init__(
        self, weight: Weight, kind: Kind | None, direction: int, half: slice, record: str
    ) -> None:
        self._weight = weight
        # Where each gate of torch's order stands in ONNX's; of one gate alone there is no order.
        self._gates = (0,) if kind is None else tuple(map(kind.onnx_gates.index, kind.gates))
        self._direction = direction
        self._half = half
        self.shape = (half.stop - half.start, *weight.shape[2:])
        self.dtype = weight.dtype
        self.record = record
        self.size = int(np.prod(self.shape, dtype=object)) * np.dtype(weight.dtype).itemsize

    def _fill(self, buffer: memoryview) -> None:
        units = self.shape[0] // len(self._gates)
        blocks = np.frombuffer(buffer, self._weight.dtype).reshape(
            len(self._gates), units, *self.shape[1:]
        )
        for block, gate in zip(blocks, self._gates, strict=True):
            start = self._half.start + gate * units
            self._weight.fill(block, self._direction, slice(start, start + units))


class Weights:
    """Describes the weights of nodes; nodes may share them.

    Parameters
    ----------
    source : Source
    tensors : Tensors
    constants : Constants
    """

    def __init__(self, source: Source, tensors: Tensors, constants: Constants) -> None:
        self._source = source
        self._tensors = tensors
        self._constants = constants
        self._known: dict[Any, Weight | str] = {}
        self._made: dict[Any, list[dict[str, Tensor]]] = {}
        self._latest: tuple[Any, Any] = None, None

    def weight(self, place: Place | None) -> Weight | str:
        """Return an input of a node, or what keeps it from being one."""
        return self._one(place, (*_NUMBERS, "bfloat16"))

    def integers(self, place: Place | None) -> Weight | str:
        """Return an input of a quantised node, or what keeps it from being one."""
        return self._one(place, _QUANTISED)

    def _one(self, place: Place | None, dtypes: tuple[str, ...]) -> Weight | str:
        if place is None:
            return _RUN_TIME
        key = (*place.key, place.output, dtypes is _QUANTISED)
        if key not in self._known:
            self._known[key] = self._described(place, dtypes)
        return self._known[key]

    def torch_tensors(
        self, weight: Weight, kind: Kind, names: list[str], path: str
    ) -> list[dict[str, Tensor]]:
        """Return for every direction the tensors that torch makes of a weight.

        Parameters
        ----------
        weight : Weight
            (directions, rows, ...)
        kind : Kind
            That of the node.
        names : list of str
            The tensors that the rows are divided into.
        path : str
            Of the node, for messages.
        """
        return self._in_parts(weight, kind, names, path)

    def parts(self, weight: Weight, names: list[str], path: str) -> list[dict[str, Tensor]]:
        """Like :meth:`torch_tensors`, for a weight whose parts belong to one gate each."""
        return self._in_parts(weight, None, names, path)

    def _in_parts(
        self, weight: Weight, kind: Kind | None, names: list[str], path: str
    ) -> list[dict[str, Tensor]]:
        key = id(weight), kind and kind.mode, names[0]
        if key not in self._made:
            rows = weight.shape[1] // len(names)
            halves = [slice(at * rows, (at + 1) * rows) for at in range(len(names))]
            self._made[key] = [
                {
                    name: self._tensor(_Blocks(weight, kind, direction, half, f"{path}: {name}"))
                    for name, half in zip(names, halves, strict=True)
                }
                for direction in range(weight.shape[0])
            ]
        return self._made[key]

    def _tensor(self, content: _Blocks) -> Tensor:
        storage = Storage(self._source.name, content, content.dtype, _NATIVE)
        return Tensor(storage, content.shape)

    def _described(self, place: Place, dtypes: tuple[str, ...]) -> Weight | str:
        if place.is_tensor:
            message = place.scope.tensors[place.name]
            described = self._tensors.described(message)
            if isinstance(described, str):
                return described
            dtype = described.storage.dtype
            if dtype not in dtypes:
                return f"is of type {type_name(message.data_type)}"
            return self._weight(place, described.shape, described.dtype.name, described.read)
        value = self._constants.value(place)
        if value is None or isinstance(value, str):
            return value or _RUN_TIME
        name = name_of(value.dtype)
        dtype = "float32" if name == "bfloat16" else name
        if dtype not in dtypes:
            return f"is of dtype {dtype}"
        self._constants.claim(value.size, place.name)
        return self._weight(place, value.shape, dtype, lambda: self._computed(place))

    def _weight(self, place: Place, shape: Any, dtype: str, read: Callable[[], Array]) -> Weight:
        key = (*place.key, place.output)

        def latest() -> Array:
            # Both directions and both halves of a bias are read one after the other.
            if self._latest[0] != key:
                self._latest = None, None  # before the next one needs memory
                self._latest = key, read()
            array: Array = self._latest[1]
            if array.shape != shape or array.dtype.name != dtype:
                raise self._source.error(place.name, f"has become {array.dtype} {array.shape}")
            return array

        return Weight(tuple(shape), dtype, latest)

    def _computed(self, place: Place) -> Array:
        value = self._constants.value(place)
        if not isinstance(value, np.ndarray):
            raise self._source.error(place.name, f"{value}, and could be read before")
        return widened(value)
