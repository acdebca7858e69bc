"""The tensors that stand in an ONNX model, or in files beside it."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.extras import in_memory
from ..base.protobuf import Numbers
from ..base.source import Segment, Source, open_source
from ..base.tensor import MAX_DIMENSIONS, Made, Storage, Tensor, raw_dtype
from .onnx_messages import EXTERNAL, TensorProto
from .onnx_numbers import bits_of, dtype_of, field_of, stored_name, type_name, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..base.tensor import Array
    from .onnx_scopes import Scope

# How often a file beside the model may be read, in all: tensors that are tied share their bytes.
_MOST_READ = 4
_MOST_BESIDE = 256  # files, which stay open
_MOST_DIGITS = 19  # of an offset or a length

# A name in the model's folder. A colon could be that of a drive or of a stream of another file.
_NAME = re.compile(r"[^/\\:\0]+")


class _Numbers(Made):
    """The bytes of a tensor whose elements are numbers of a message."""

    def __init__(self, tensor: Any, numbers: Numbers, dtype: str) -> None:
        self._numbers = numbers
        self._dtype = dtype
        self.record: str = tensor.name
        # A complex number is two floats.
        self._raw = raw_dtype(dtype)
        self.size = len(numbers) * self._raw.itemsize // (2 if self._raw.kind == "c" else 1)

    def _fill(self, buffer: memoryview) -> None:
        if self._raw.kind == "c":
            array = self._numbers.array()
        elif self._dtype == "float16":  # its bits are the numbers
            array = self._numbers.astype(np.dtype(np.uint16))
        else:
            array = self._numbers.astype(self._raw)
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        buffer[: array.nbytes] = array.view(np.uint8).data


def _bytes(content: Any) -> Any:
    """Return all bytes of a content, in memory: a mapped file might become shorter."""
    return content.read() if isinstance(content, Segment) else content.view()


class Tensors:
    """Reads TensorProto messages.

    Parameters
    ----------
    source : Source
        The model; files beside it are closed with it.

    Attributes
    ----------
    size : int
        Bytes of the model, and of the files beside it once these were opened.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._beside: dict[str, Source | str] = {}
        self._storages: dict[tuple[Any, ...], Storage] = {}
        self._read_left: dict[Source, int] = {}
        self.size = source.size

    # ------------------------------------------------------------------ as the file has them

    def described(self, tensor: Any) -> Tensor | str:
        """Describe a tensor without reading it, or say why it cannot be read."""
        dtype = stored_name(tensor.data_type)
        if dtype is None:
            return f"is of type {type_name(tensor.data_type)}"
        storage = self._storage(tensor, dtype)
        if isinstance(storage, str):
            return storage
        shape = self.shape(tensor)
        described = Tensor(storage, shape, record=tensor.name)
        if described.size * storage.raw_dtype.itemsize != storage.content.size:
            size = storage.content.size
            raise self._source.error(
                tensor.name, f"{size} bytes do not hold shape {shape} of {dtype}"
            )
        return described

    def shape(self, tensor: Any) -> tuple[int, ...]:
        """Return the sizes of a tensor."""
        if len(tensor.dims) > MAX_DIMENSIONS:
            raise self._source.error(tensor.name, f"a tensor has {len(tensor.dims)} sizes")
        return tuple(tensor.dims)

    def array(self, tensor: Any) -> Array | str:
        """Return the elements in a dtype of :mod:`onnx_numbers`.

        Like :meth:`described`, but also types of less than a byte; nothing is widened.
        """
        if stored_name(tensor.data_type) is None:
            return self._unpacked(tensor)
        described = self.described(tensor)
        if isinstance(described, str):
            return described
        dtype = dtype_of(tensor.data_type) or described.dtype
        raw = described.storage.raw_dtype
        elements = np.frombuffer(_bytes(described.storage.content), raw)
        elements = elements.astype(raw.newbyteorder("="), copy=False)
        if dtype == np.bool_:  # any byte but 0 is true
            elements = elements.view(np.uint8) != 0
        return elements.view(dtype).reshape(described.shape)

    def _unpacked(self, tensor: Any) -> Array | str:
        """Return the elements of a type of less than a byte."""
        bits = bits_of(tensor.data_type)
        name = type_name(tensor.data_type)
        if not bits or tensor.data_location == EXTERNAL:
            return f"is of type {name}"
        shape = self.shape(tensor)
        raw = tensor.raw_data
        held = len(tensor.int32_data) if raw is None else raw.size
        needed = -(-math.prod(shape) * bits // 8)
        if min(shape, default=0) < 0 or held != needed:
            told = f"{held} bytes do not hold shape {shape} of {name}"
            raise self._source.error(tensor.name, told)
        if raw is not None:
            packed = np.frombuffer(raw.read(), np.uint8)
        elif held:
            packed = tensor.int32_data.astype(np.dtype(np.uint8))
        else:
            packed = np.zeros(0, np.uint8)
        return unpacked(packed, tensor.data_type, math.prod(shape)).reshape(shape)

    def count(self, tensor: Any) -> int:
        """Return the bytes that :meth:`array` needs, as far as the message tells."""
        dtype = stored_name(tensor.data_type)
        # Integers of less than a byte get one each, beside the bytes that they are packed in.
        itemsize = 2 if dtype is None else raw_dtype(dtype).itemsize
        return int(itemsize * math.prod(max(0, size) for size in self.shape(tensor)))

    def _storage(self, tensor: Any, dtype: str) -> Storage | str:
        if tensor.data_location == EXTERNAL:
            return self._external(tensor, dtype)
        if tensor.segment is not None:
            return "is a segment of a tensor"
        name = self._source.name
        if tensor.raw_data is not None:
            content = tensor.raw_data.part(0, tensor.raw_data.size, tensor.name)
            return Storage(name, content, dtype)
        numbers = getattr(tensor, field_of(tensor.data_type))
        if not isinstance(numbers, Numbers):
            return Storage(name, Segment(self._source, 0, 0, tensor.name), dtype)
        return Storage(name, _Numbers(tensor, numbers, dtype), dtype)

    def _external(self, tensor: Any, dtype: str) -> Storage | str:
        """Describe what lies in a file beside the model, if the model was opened by its path."""
        info = {entry.key: entry.value for entry in tensor.external_data}
        location = info.get("location", "")
        if location not in self._beside:
            self._beside[location] = self._open_beside(location)
        beside = self._beside[location]
        if isinstance(beside, str):
            return beside
        offset = self._integer(tensor, info, "offset", 0)
        length = self._integer(tensor, info, "length", max(0, beside.size - offset))
        key = (beside, offset, length, dtype)
        if key not in self._storages:
            self._storages[key] = Storage(
                beside.name, Segment(beside, offset, length, tensor.name), dtype
            )
            self._read_left[beside] -= length
            if self._read_left[beside] < 0:
                raise self._source.error(tensor.name, f"its tensors overlap in {beside.name}")
        return self._storages[key]

    def _integer(self, tensor: Any, info: dict[str, str], key: str, default: int) -> int:
        text = info.get(key, str(default))
        if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
            raise self._source.error(tensor.name, f"its {key} is {text[:40]!r}, which is no number")
        return int(text)

    def _open_beside(self, location: str) -> Source | str:
        """Open a file of the model's folder; the model names it, and no path is followed."""
        path = self._source.path
        where = f"is in another file, {location[:200]!r}"
        if path is None:
            return f"{where}: open the model by its path"
        if not _NAME.fullmatch(location) or location in (".", ".."):
            told = "only a file beside the model would be read"
            return f"{where}: {told}; onnx.save writes it all into one file"
        if len(self._read_left) >= _MOST_BESIDE:
            return f"{where}: only {_MOST_BESIDE} files beside a model would be read"
        if location == path.name:
            return f"{where}, which is the model"
        path = path.with_name(location)
        if path.is_symlink():
            return f"{where}, which is a symbolic link"
        try:
            beside = open_source(path)
        except OSError as error:
            return f"{where}, which cannot be opened: {error.strerror}"
        except ValueError as error:  # a name that no file can have
            return f"{where}, which cannot be opened: {error}"
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
                yield sparse.values.name if sparse.values else "", "is a sparse tensor"
        for node in scope.nodes:
            if node.op_type == "Constant" and len(node.output) == len(node.attribute) == 1:
                attribute = node.attribute[0]
                if (
                    attribute.name == "value"
                    and math.prod(self.shape(attribute.t or TensorProto())) > 1
                ):
                    yield node.output[0], attribute.t
                elif attribute.name == "value_floats" and len(attribute.floats) > 1:
                    yield node.output[0], attribute.floats.array()
                elif attribute.name == "value_ints" and len(attribute.ints) > 1:
                    yield node.output[0], attribute.ints.array()
                elif attribute.name == "sparse_value":
                    yield node.output[0], "is a sparse tensor"

    def _add(self, name: str, tensor: Any) -> None:
        source = self._source
        if name in source.arrays or name in source.unreadable:
            raise source.error(name, "two tensors of the model have this name")
        shape: tuple[int, ...] = ()
        if not isinstance(tensor, str):
            shape = tensor.shape if isinstance(tensor, np.ndarray) else self.shape(tensor)
        source.count(1, name, shape)
        if isinstance(tensor, np.ndarray):
            source.arrays[name] = in_memory(source, name, tensor)
            return
        described = tensor if isinstance(tensor, str) else self.described(tensor)
        if isinstance(described, str):
            source.unreadable[name] = described
        else:
            source.arrays[name] = described
