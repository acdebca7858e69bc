"""The tensors that stand in an ONNX model, or in the one file beside it that may be read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.extras import in_memory, library
from ..base.source import Segment, Source, open_source
from ..base.tensor import PLAIN_DTYPES, WIDENED_DTYPES, Storage, Tensor, raw_dtype

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..base.tensor import Array
    from .onnx_scopes import Scope

# Endings of the one other file that is read: its name is the model's own with one of these.
_BESIDE = (".data", "_data")

# How often the file beside the model may be read, in all: tensors that are tied share their bytes.
_MOST_READ = 4

_NAMES = {
    "FLOAT": "float32",
    "DOUBLE": "float64",
    "FLOAT8E4M3FN": "float8_e4m3fn",
    "FLOAT8E4M3FNUZ": "float8_e4m3fnuz",
    "FLOAT8E5M2": "float8_e5m2",
    "FLOAT8E5M2FNUZ": "float8_e5m2fnuz",
    "FLOAT8E8M0": "float8_e8m0fnu",
}


class _Raw:
    """The bytes of a tensor, as a message has them."""

    def __init__(self, tensor: Any) -> None:
        self._tensor = tensor
        self.record: str = tensor.name
        self.size = len(tensor.raw_data)

    def readinto(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset``."""
        buffer[:] = memoryview(self._tensor.raw_data)[offset : offset + buffer.nbytes]

    def view(self) -> memoryview:
        """Return a copy; protocol buffers share their memory with no array."""
        return memoryview(self._tensor.raw_data)


class _Numbers:
    """The bytes of a tensor whose elements are numbers of a message."""

    def __init__(self, tensor: Any, size: int, to_array: Any) -> None:
        self._tensor = tensor
        self._to_array = to_array
        self.record: str = tensor.name
        self.size = size

    def view(self) -> memoryview:
        """Return the elements, little-endian."""
        array = np.ascontiguousarray(self._to_array(self._tensor)).reshape(-1)
        if array.dtype.kind != "V" and array.dtype.name in PLAIN_DTYPES:
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        return array.view(np.uint8).data

    def readinto(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset``."""
        buffer[:] = self.view()[offset : offset + buffer.nbytes]


def _bytes(content: Any) -> Any:
    """Return all bytes of a content, in memory: a mapped file might become shorter."""
    return content.read() if isinstance(content, Segment) else content.view()


class Tensors:
    """Reads TensorProto messages.

    Parameters
    ----------
    source : Source
        The model; a file beside it is closed with it.

    Attributes
    ----------
    size : int
        Bytes of the model, and of the file beside it once that was opened.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._onnx = library("onnx", "onnx", "ONNX")
        types = self._onnx.TensorProto.DataType.items()
        self._types: dict[int, str] = {number: name for name, number in types}
        self._beside: dict[str, Source | str] = {}
        self._storages: dict[tuple[int, int, str], Storage] = {}
        self._read_left: dict[Source, int] = {}
        self.size = source.size

    def dtype_name(self, number: int) -> str | None:
        """Return an element type's name as :class:`~pylstm.files.base.tensor.Storage` has it."""
        name = self._types.get(number, "")
        name = _NAMES.get(name, name.lower())
        return name if name in PLAIN_DTYPES or name in WIDENED_DTYPES else None

    def type_name(self, number: int) -> str:
        """Return the name of an element type as ONNX has it."""
        return self._types.get(number, "UNKNOWN")

    # ------------------------------------------------------------------ as the file has them

    def described(self, tensor: Any) -> Tensor | str:
        """Describe a tensor without reading it, or say why it cannot be read."""
        dtype = self.dtype_name(tensor.data_type)
        if dtype is None:
            return f"is of type {self.type_name(tensor.data_type)}"
        storage = self._storage(tensor, dtype)
        if isinstance(storage, str):
            return storage
        shape = tuple(tensor.dims)
        described = Tensor(storage, shape, record=tensor.name)
        if described.size * storage.raw_dtype.itemsize != storage.content.size:
            size = storage.content.size
            raise self._source.error(
                tensor.name, f"{size} bytes do not hold shape {shape} of {dtype}"
            )
        return described

    def array(self, tensor: Any) -> Array | str:
        """Return the elements in the type that ONNX's own package has for them.

        Like :meth:`described`, but also types of less than a byte; nothing is widened.
        """
        dtype = self.dtype_name(tensor.data_type)
        if dtype is not None:
            described = self.described(tensor)
            if isinstance(described, str):
                return described
            helper = self._onnx.helper
            native = helper.tensor_dtype_to_np_dtype(tensor.data_type)
            content = _bytes(described.storage.content)
            if dtype in PLAIN_DTYPES:
                array = np.frombuffer(content, native.newbyteorder("<")).astype(native, copy=False)
            else:
                array = np.frombuffer(content, native)
            return array.reshape(described.shape)
        return self._unpacked(tensor)

    def _unpacked(self, tensor: Any) -> Array | str:
        """Return the elements of a type of less than a byte."""
        name = self.type_name(tensor.data_type)
        bits = {"INT4": 4, "UINT4": 4, "INT2": 2, "UINT2": 2}.get(name)
        if bits is None or tensor.data_location == self._onnx.TensorProto.EXTERNAL:
            return f"is of type {name}"
        held = len(tensor.raw_data) if tensor.HasField("raw_data") else len(tensor.int32_data)
        needed = -(-math.prod(tensor.dims) * bits // 8)
        if min(tensor.dims, default=0) < 0 or held != needed:
            told = f"{held} bytes do not hold shape {tuple(tensor.dims)} of {name}"
            raise self._source.error(tensor.name, told)
        array: Array = self._onnx.numpy_helper.to_array(tensor)
        return array

    def count(self, tensor: Any) -> int:
        """Return the bytes that :meth:`array` needs, as far as the message tells."""
        dtype = self.dtype_name(tensor.data_type)
        # Integers of less than a byte get one each, beside the bytes that they are packed in.
        itemsize = 2 if dtype is None else raw_dtype(dtype).itemsize
        return int(itemsize * math.prod(max(0, size) for size in tensor.dims))

    def _storage(self, tensor: Any, dtype: str) -> Storage | str:
        if tensor.data_location == self._onnx.TensorProto.EXTERNAL:
            return self._external(tensor, dtype)
        if tensor.HasField("segment"):
            return "is a segment of a tensor"
        if tensor.HasField("raw_data"):
            return Storage(self._source.name, _Raw(tensor), dtype)
        helper = self._onnx.helper
        numbers = len(getattr(tensor, helper.tensor_dtype_to_field(tensor.data_type)))
        native = helper.tensor_dtype_to_np_dtype(tensor.data_type)
        size = numbers * native.itemsize // (2 if native.kind == "c" else 1)
        content = _Numbers(tensor, size, self._onnx.numpy_helper.to_array)
        return Storage(self._source.name, content, dtype)

    def _external(self, tensor: Any, dtype: str) -> Storage | str:
        """Describe what lies in the file beside the model, if the model was opened by its path.

        The model names a path, which is not followed: it must be what the name of the model
        says, as torch and others write it.
        """
        info = {entry.key: entry.value for entry in tensor.external_data}
        location = info.get("location", "")
        if location not in self._beside:
            self._beside[location] = self._open_beside(location)
        beside = self._beside[location]
        if isinstance(beside, str):
            return beside
        offset = int(info.get("offset", "0"))
        length = int(info.get("length", str(beside.size - offset)))
        key = (offset, length, dtype)
        if key not in self._storages:
            self._storages[key] = Storage(
                beside.name, Segment(beside, offset, length, tensor.name), dtype
            )
            self._read_left[beside] -= length
            if self._read_left[beside] < 0:
                raise self._source.error(tensor.name, f"its tensors overlap in {beside.name}")
        return self._storages[key]

    def _open_beside(self, location: str) -> Source | str:
        path = self._source.path
        where = f"is in another file, {location[:200]!r}"
        if path is None:
            return f"{where}: open the model by its path"
        if location not in [path.name + ending for ending in _BESIDE]:
            names = " or ".join(repr(path.name + ending) for ending in _BESIDE)
            return f"{where}: only {names} would be read; onnx.save writes it all into one file"
        path = path.with_name(location)
        if path.is_symlink():
            return f"{where}, which is a symbolic link"
        try:
            beside = open_source(path)
        except OSError as error:
            return f"{where}, which cannot be opened: {error.strerror}"
        self._source.beside.append(beside)
        self._read_left[beside] = _MOST_READ * beside.size
        self.size += beside.size
        return beside

    # ------------------------------------------------------------------ all of them, by name

    def fill(self, scopes: list[Scope]) -> None:
        """Leave every tensor of the model in ``source.arrays``, or say why in ``unreadable``.

        Those of the main graph have their own names; in graphs of nodes and in functions the path
        of the node stands before, that of the first call.
        """
        seen: dict[int, Any] = {}
        for scope in scopes:
            if id(scope.graph) not in seen:
                seen[id(scope.graph)] = scope.graph
                for name, tensor in self._named(scope):
                    self._add(scope.path + name, tensor)

    def _named(self, scope: Scope) -> Iterator[tuple[str, Any]]:
        """Yield the tensors of a graph or function: messages, arrays, or what to say of them."""
        if scope.arguments is None:
            for tensor in scope.graph.initializer:
                yield tensor.name, tensor
            for sparse in scope.graph.sparse_initializer:
                yield sparse.values.name, "is a sparse tensor"
        for node in scope.nodes:
            if node.op_type == "Constant" and len(node.output) == len(node.attribute) == 1:
                attribute = node.attribute[0]
                if attribute.name == "value" and math.prod(attribute.t.dims) > 1:
                    yield node.output[0], attribute.t
                elif attribute.name == "value_floats" and len(attribute.floats) > 1:
                    yield node.output[0], np.array(attribute.floats, np.float32)
                elif attribute.name == "value_ints" and len(attribute.ints) > 1:
                    yield node.output[0], np.array(attribute.ints, np.int64)
                elif attribute.name == "sparse_value":
                    yield node.output[0], "is a sparse tensor"

    def _add(self, name: str, tensor: Any) -> None:
        source = self._source
        if name in source.arrays or name in source.unreadable:
            raise source.error(name, "two tensors of the model have this name")
        shape: tuple[int, ...] = ()
        if not isinstance(tensor, str):
            shape = tensor.shape if isinstance(tensor, np.ndarray) else tuple(tensor.dims)
        source.count(1, name, shape)
        if isinstance(tensor, np.ndarray):
            source.arrays[name] = in_memory(source, name, tensor)
            return
        described = tensor if isinstance(tensor, str) else self.described(tensor)
        if isinstance(described, str):
            source.unreadable[name] = described
        else:
            source.arrays[name] = described
