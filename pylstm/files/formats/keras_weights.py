"""The weights of Keras's recurrent layers as torch's tensors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...weights.kinds import GRU, Kind
from ..base.source import Segment, Source
from ..base.tensor import Made, Storage, Tensor
from .keras_names import Roles, is_of_cudnn

if TYPE_CHECKING:
    from ..base.tensor import Array

# Takes the columns of one gate, returns the rows of torch's tensor.
Arrange = Callable[["Array"], "Array"]

_NATIVE: Any = "<" if sys.byteorder == "little" else ">"


class _Blocks(Made):
    """The bytes of one torch tensor: the gates of a weight in torch's order, made when read."""

    def __init__(
        self, tensor: Tensor, kind: Kind, shape: tuple[int, ...], arrange: Arrange
    ) -> None:
        self._tensor = tensor
        self._kind = kind
        self._arrange = arrange
        self.shape = shape
        self.dtype = tensor.dtype.newbyteorder("=")
        self.record = tensor.storage.content.record
        self.size = int(np.prod(shape, dtype=object)) * self.dtype.itemsize

    def _fill(self, buffer: memoryview) -> None:
        gates = self._kind.gates
        array = self._tensor.read()
        units = array.shape[-1] // len(gates)
        whole = np.frombuffer(buffer, self.dtype).reshape(len(gates), units, *self.shape[1:])
        for block, gate in zip(whole, gates, strict=True):
            start = self._kind.keras_gates.index(gate) * units
            block[...] = self._arrange(array[..., start : start + units])


class Weights:
    """Makes torch's tensors of the weights of a file; layers may share them.

    Parameters
    ----------
    source : Source
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        # So that each is in memory once, however many layers share it.
        self._rearranged: dict[Any, Tensor] = {}
        self._zeros: dict[tuple[int, str], Tensor] = {}

    def torch_tensors(self, roles: Roles, kind: Kind) -> dict[str, Tensor]:
        """Return what torch makes of the weights of one direction, by name."""
        kernel: Any = roles["kernel"]
        recurrent: Any = roles["recurrent_kernel"]
        bias: Any = roles.get("bias")
        cudnn = is_of_cudnn(roles)
        if cudnn:
            matrices = self._from_cudnn(kernel, kind), self._from_cudnn(recurrent, kind)
        elif kind.gates == kind.keras_gates:
            matrices = _transposed(kernel), _transposed(recurrent)
        else:
            matrices = self._columns(kernel, kind), self._columns(recurrent, kind)
        tensors = dict(zip(("weight_ih", "weight_hh"), matrices, strict=True))
        if bias is None:
            return tensors
        if cudnn:
            rows = bias.shape[0] // 2
            biases = [self._part(bias, kind, at * rows, rows) for at in (0, 1)]
        elif bias.ndim == 2:
            biases = [self._part(bias, kind, at * bias.strides[0], bias.shape[1]) for at in (0, 1)]
        else:
            # Keras adds one bias, torch two.
            first = self._part(bias, kind, 0, bias.shape[0])
            biases = [first, self._zeros_like(first)]
        return tensors | dict(zip(("bias_ih", "bias_hh"), biases, strict=True))

    def _from_cudnn(self, kernel: Tensor, kind: Kind) -> Tensor:
        """Return a kernel for cuDNN: each gate's block holds torch's matrix, row after row."""
        columns, rows = kernel.shape

        def arrange(gate: Array) -> Array:
            return np.ascontiguousarray(gate).reshape(-1, columns)

        return self._made(kernel, kind, (rows, columns), arrange)

    def _columns(self, kernel: Tensor, kind: Kind) -> Tensor:
        """Return a kernel with its gates in torch's order, transposed."""
        return self._made(kernel, kind, kernel.shape[::-1], np.transpose)

    def _part(self, bias: Tensor, kind: Kind, start: int, rows: int) -> Tensor:
        """Return a part of a bias with its gates in torch's order."""
        part = bias
        if rows != bias.size:
            part = Tensor(bias.storage, (rows,), bias.strides[-1:], bias.offset + start)
        if kind.gates == kind.keras_gates:
            return part
        return self._made(part, kind, (rows,), _unchanged)

    def _made(
        self,
        tensor: Tensor,
        kind: Kind,
        shape: tuple[int, ...],
        arrange: Arrange,
    ) -> Tensor:
        # A dataset is not the kernel of a layer for cuDNN and of another one as well.
        key = (id(tensor.storage), tensor.offset, kind.mode, shape)
        if key not in self._rearranged:
            content = _Blocks(tensor, kind, shape, arrange)
            storage = Storage(self._source.name, content, content.dtype.name, _NATIVE)
            self._rearranged[key] = Tensor(storage, shape)
        return self._rearranged[key]

    def _zeros_like(self, bias: Tensor) -> Tensor:
        key = (bias.size, bias.storage.dtype)
        if key not in self._zeros:
            raw = bytes(bias.size * bias.storage.raw_dtype.itemsize)
            content = Segment(Source(self._source.name, memoryview(raw)), 0, len(raw), "bias_hh")
            self._zeros[key] = Tensor(Storage(self._source.name, content, key[1]), bias.shape)
        return self._zeros[key]


def _unchanged(part: Array) -> Array:
    return part


def _transposed(kernel: Tensor) -> Tensor:
    columns, rows = kernel.shape
    return Tensor(kernel.storage, (rows, columns), (1, rows))


def has_two_biases(roles: Roles, kind: Kind) -> bool:
    """Tell whether the weights of a GRU are those whose reset gate acts after the product."""
    bias = roles.get("bias")
    return kind is GRU and isinstance(bias, Tensor) and (bias.ndim == 2 or is_of_cudnn(roles))
