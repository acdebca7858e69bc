"""The constants of an ONNX model, computed where nodes make them from others.

torch's exporter may leave weights as slices of the module's parameters, put together again by
other nodes. Such nodes are run by ONNX's own reference implementation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .extras import library
from .source import Segment, Source, open_source
from .tensor import Storage, Tensor

if TYPE_CHECKING:
    from .tensor import Array

# What exporters and simplifiers leave between an initialiser and the node that uses it.
_FOLDED = {
    "Cast",
    "Concat",
    "Constant",
    "Identity",
    "Reshape",
    "Slice",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
}

_MOST_NESTED = 32
_MOST_FOLDED_NODES = 10_000
_MOST_TEXT = 1 << 24  # characters of the paths
# Bytes of all constants: so many times the file, and some more.
_MOST_COPIES, _SPARE_BYTES = 4, 1 << 24

# Endings of the one other file that is read: its name is the model's own with one of these.
_BESIDE = (".data", "_data")


@dataclass(eq=False)
class Scope:
    """The nodes of a graph, or of one call of a function, and what their names mean.

    Attributes
    ----------
    path : str
        What comes before the names of its nodes: empty, or ends with a dot.
    nodes : sequence of NodeProto
    opsets : iterable of OperatorSetIdProto
    tensors : dict of str to TensorProto
        Its initialisers.
    outer : Scope or None
        What it stands in.
    arguments : dict of str to str or None
        Of a function: its names of what it is called with. None if it sees all names outside.
    depth : int
        Number of scopes around it.
    needed : set of str
    values : dict of str to ndarray or str
        What the needed names are; a str says why that is no usable constant.
    """

    path: str
    nodes: Sequence[Any]
    opsets: Iterable[Any]
    tensors: dict[str, Any]
    outer: Scope | None = None
    arguments: dict[str, str] | None = None
    needed: set[str] = field(default_factory=set)
    values: dict[str, Array | str] = field(default_factory=dict)
    depth: int = 0

    def __post_init__(self) -> None:
        if self.outer is not None:
            self.depth = self.outer.depth + 1

    def outside(self, name: str) -> str:
        """Return what ``name`` is called in the outer scope; empty if it means nothing there."""
        if self.outer is None:
            return ""
        return name if self.arguments is None else self.arguments.get(name, "")


class Constants:
    """Everything that is constant in a model, as far as it is asked for.

    Parameters
    ----------
    source : Source
    model : ModelProto

    Attributes
    ----------
    scopes : list of Scope
        The main graph and whatever is in it, outer scopes first.
    """

    def __init__(self, source: Source, model: Any) -> None:
        self._source = source
        self._onnx = library("onnx", "onnx", "ONNX")
        self._bytes_left = _MOST_COPIES * source.size + _SPARE_BYTES
        self._nodes_left = _MOST_FOLDED_NODES
        self._text_left = _MOST_TEXT
        self._beside: dict[str, Source | str] = {}
        types = self._onnx.TensorProto
        self._dtypes = {
            types.FLOAT: "float32",
            types.DOUBLE: "float64",
            types.FLOAT16: "float16",
            types.BFLOAT16: "bfloat16",
            types.INT64: "int64",  # where to slice
            types.INT32: "int32",
        }
        self.scopes = self._scopes(model)

    def close(self) -> None:
        """Close the file beside the model, if one was opened."""
        for beside in self._beside.values():
            if isinstance(beside, Source):
                beside.close()

    def path(self, scope: Scope, index: int) -> str:
        """Return the path of a node; one without a name goes by kind and position."""
        node = scope.nodes[index]
        path = f"{scope.path}{node.name or f'{node.op_type}_{index}'}"
        self._text_left -= len(path)
        if self._text_left < 0:
            raise self._source.error(path[:100], "the names of the nodes are too long")
        return path

    def evaluate(self) -> None:
        """Find the values of all names that the scopes need."""
        for scope in reversed(self.scopes):
            self._mark(scope)
        for scope in self.scopes:
            self._fill(scope)

    def _scopes(self, model: Any) -> list[Scope]:
        functions = {(each.domain, each.name): each for each in model.functions}
        scopes = [Scope("", model.graph.node, model.opset_import, _named(model.graph))]
        for scope in scopes:  # which grows meanwhile
            self._source.count(len(scope.nodes) + 1, "nodes, with those of called functions")
            if scope.depth > _MOST_NESTED:
                raise self._source.error(scope.path[:100], "graphs or functions nest too deeply")
            for index, node in enumerate(scope.nodes):
                function = functions.get((node.domain, node.op_type))
                if function is not None:
                    path = f"{self.path(scope, index)}."
                    names = dict(zip(function.input, node.input, strict=False))
                    opsets = function.opset_import
                    scopes.append(Scope(path, function.node, opsets, {}, scope, names))
                for attribute in node.attribute:
                    for graph in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                        path = f"{self.path(scope, index)}.{attribute.name}."
                        scopes.append(Scope(path, graph.node, scope.opsets, _named(graph), scope))
        return scopes

    def _mark(self, scope: Scope) -> None:
        """Add to the needed names those that they are made from; nodes are sorted."""
        for node in reversed(scope.nodes):
            if _folds(node) and node.output[0] in scope.needed:
                scope.needed.update(filter(None, node.input))
        if scope.outer is not None:
            names = map(scope.outside, scope.needed - scope.tensors.keys())
            scope.outer.needed.update(filter(None, names))

    def _fill(self, scope: Scope) -> None:
        for name in scope.needed:
            if name in scope.tensors:
                scope.values[name] = self._array(scope.tensors[name])
            elif scope.outer is not None and scope.outside(name) in scope.outer.values:
                scope.values[name] = scope.outer.values[scope.outside(name)]
        for node in scope.nodes:
            if _folds(node) and node.output[0] in scope.needed:
                inputs = [scope.values.get(name) for name in node.input if name]
                if all(value is not None for value in inputs):
                    scope.values[node.output[0]] = self._folded(scope, node, inputs)

    def _spend(self, count: int, record: str) -> None:
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise self._source.error(record, "the constants need far more memory than the file")

    # ------------------------------------------------------------------ tensors of the file

    def _array(self, tensor: Any) -> Array | str:
        dtype = self._dtypes.get(tensor.data_type)
        if dtype is None:
            names = {number: name for name, number in self._onnx.TensorProto.DataType.items()}
            return f"is of type {names.get(tensor.data_type, 'UNKNOWN')}"
        if tensor.data_location == self._onnx.TensorProto.EXTERNAL:
            return self._external(tensor, dtype)
        if min(tensor.dims, default=0) < 0:  # which NumPy would take for a question
            raise self._source.error(tensor.name, f"has shape {tuple(tensor.dims)}")
        array: Array = self._onnx.numpy_helper.to_array(tensor)
        self._spend(array.nbytes, tensor.name)
        return _widened(array)

    def _external(self, tensor: Any, dtype: str) -> Array | str:
        """Read a tensor from the file beside the model, if the model was opened by its path.

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
        content = Segment(beside, offset, length, tensor.name)
        described = Tensor(Storage(beside.name, content, dtype), tuple(tensor.dims))
        self._spend(described.nbytes, tensor.name)
        return described.read()

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
        self._bytes_left += _MOST_COPIES * beside.size
        return beside

    # ------------------------------------------------------------------ nodes

    def _folded(self, scope: Scope, node: Any, inputs: list[Any]) -> Array | str:
        """Return the output of a node that :func:`_folds`, or why it is not usable."""
        for value in inputs:
            if isinstance(value, str):
                return value
        if node.op_type == "Constant":
            attribute = node.attribute[0]
            if attribute.name == "value":
                return self._array(attribute.t)
            return np.array(attribute.i if attribute.name == "value_int" else attribute.ints)
        count = sum(value.nbytes for value in inputs)
        if node.op_type == "Cast":
            target = {each.name: each.i for each in node.attribute}.get("to")
            if target not in self._dtypes:
                return "is cast to a type that LSTMs do not have"
            count = inputs[0].size * (8 if self._dtypes[target].endswith("64") else 4)
        # Before the memory is there; given back if none was needed.
        self._spend(count, node.name)
        self._nodes_left -= 1
        if self._nodes_left < 0:
            raise self._source.error(node.name, "too many nodes compute constants")
        result = self._run(scope, node, inputs)
        if any(np.may_share_memory(result, value) for value in inputs):
            self._bytes_left += count
        return result

    def _run(self, scope: Scope, node: Any, inputs: list[Array]) -> Array:
        reference = library("onnx.reference", "onnx", "ONNX")
        helper = self._onnx.helper
        feeds = dict(zip(filter(None, node.input), inputs, strict=True))
        of_any_type = helper.make_tensor_type_proto(0, None)
        graph = helper.make_graph(
            [node],
            "one node",
            [helper.make_value_info(name, of_any_type) for name in feeds],
            [helper.make_value_info(node.output[0], of_any_type)],
        )
        model = helper.make_model(graph, opset_imports=scope.opsets)
        return _widened(np.asarray(reference.ReferenceEvaluator(model).run(None, feeds)[0]))


def is_standard(node: Any) -> bool:
    """Tell whether a node is one of ONNX's own operators."""
    return node.domain in ("", "ai.onnx")


def _named(graph: Any) -> dict[str, Any]:
    return {tensor.name: tensor for tensor in graph.initializer}


def _widened(array: Array) -> Array:
    """NumPy has no bfloat16; that of the package that lends it one must not show."""
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def _folds(node: Any) -> bool:
    """Tell whether a node is one to run: harmless, whatever its attributes say.

    A tensor among the attributes could send ONNX's own code to another file.
    """
    if not is_standard(node) or node.op_type not in _FOLDED or len(node.output) != 1:
        return False
    if any(attribute.ref_attr_name for attribute in node.attribute):
        return False
    if node.op_type == "Constant":
        names = ("value", "value_int", "value_ints")
        return len(node.attribute) == 1 and node.attribute[0].name in names
    return all(each.type in (each.INT, each.INTS) for each in node.attribute)
