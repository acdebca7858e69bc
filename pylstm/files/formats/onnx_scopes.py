"""The graphs and called functions of an ONNX model, and what a name means in each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..base.source import Source

_MOST_NESTED = 32
_MOST_TEXT = 1 << 24  # characters of the paths

END = 1 << 62  # after every node
_TENSOR, _INPUT, _SEVERAL = -1, -2, -3


@dataclass(eq=False)
class Scope:
    """The nodes of a graph, or of one call of a function, and what their names mean.

    Attributes
    ----------
    path : str
        What comes before the names of its nodes: empty, or ends with a dot.
    nodes : sequence of NodeProto
    opset : int
        The version of ONNX's own operators; 0 if none is named.
    tensors : dict of str to TensorProto
        Its initialisers.
    graph : GraphProto or FunctionProto
    inputs : frozenset of str
        What a graph is given when it runs; empty for a function.
    outer : Scope or None
        What it stands in.
    at : int
        The position in the outer scope of the node that it belongs to.
    arguments : dict of str to str or None
        Of a function: its names of what it is called with. None if it sees all names outside.
    depth : int
        Number of scopes around it.
    makers : dict of str to (int, int)
        The node and the output that a name stands for, by position.
    calls : dict of int to Scope
        The functions that its nodes call, by position of the node.
    """

    path: str
    nodes: Sequence[Any]
    opset: int
    tensors: dict[str, Any]
    graph: Any
    inputs: frozenset[str] = frozenset()
    outer: Scope | None = None
    at: int = 0
    arguments: dict[str, str] | None = None
    depth: int = 0
    makers: dict[str, tuple[int, int]] = field(default_factory=dict)
    calls: dict[int, Scope] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.outer is not None:
            self.depth = self.outer.depth + 1
        for index, node in enumerate(self.nodes):
            for output, name in enumerate(node.output):
                # A name that several nodes make has no meaning that one could rely on.
                several = name in self.makers
                self.makers[name] = (_SEVERAL, 0) if several else (index, output)

    def outside(self, name: str) -> str:
        """Return what ``name`` is called in the outer scope; empty if it means nothing there."""
        if self.outer is None:
            return ""
        return name if self.arguments is None else self.arguments.get(name, "")


class Place(NamedTuple):
    """Where a value comes from: an initialiser, an output of a node, or an input of a graph.

    Attributes
    ----------
    scope : Scope
    name : str
    node : int
        The position of the node; negative for an initialiser or an input.
    output : int
    """

    scope: Scope
    name: str
    node: int
    output: int = 0

    @property
    def key(self) -> tuple[int, int, str]:
        """What distinguishes it; the outputs of a node share one."""
        return id(self.scope), self.node, "" if self.node >= 0 else self.name

    @property
    def is_tensor(self) -> bool:
        """True for an initialiser."""
        return self.node == _TENSOR

    @property
    def is_input(self) -> bool:
        """True for what a graph is given when it runs."""
        return self.node == _INPUT

    def inputs(self) -> list[Place | None]:
        """Return where the inputs of the node come from; None for one that is left out."""
        return [locate(self.scope, name, self.node) for name in self.scope.nodes[self.node].input]


def locate(scope: Scope, name: str, before: int = END) -> Place | None:
    """Return where a name comes from, as the node at position ``before`` sees it.

    None if the name is empty, unknown, or made by a later node or by several.
    """
    at: Scope | None = scope
    while at is not None and name:
        if name in at.tensors:
            return Place(at, name, _TENSOR)
        if name in at.makers:
            node, output = at.makers[name]
            if not 0 <= node < before:
                return None
            if node not in at.calls:
                return Place(at, name, node, output)
            # What a function returns is made in its own scope, or handed through it.
            at, before = at.calls[node], END
            name = at.graph.output[output] if output < len(at.graph.output) else ""
            continue
        if name in at.inputs:
            return Place(at, name, _INPUT)
        name, before, at = at.outside(name), at.at, at.outer
    return None


def declared_shapes(scope: Scope) -> dict[str, list[int] | None]:
    """Return the sizes that a graph or function declares for its values by name, 0 for an open one.

    None for a value of an unknown number of axes.
    """
    graph = scope.graph
    lists = [graph.value_info]
    if scope.arguments is None:
        lists += [graph.input, graph.output]
    shapes: dict[str, list[int] | None] = {}
    for info in (info for each in lists for info in each):
        kind = info.type and info.type.tensor_type
        shape = kind and kind.shape
        shapes[info.name] = shape and [max(0, size.dim_value) for size in shape.dim]
    return shapes


class Scopes:
    """All scopes of a model.

    Parameters
    ----------
    source : Source
        The file, which answers for their number.
    model : ModelProto

    Attributes
    ----------
    all : list of Scope
        The main graph and whatever is in it, outer scopes first.
    """

    def __init__(self, source: Source, model: Any) -> None:
        self._source = source
        self._text_left = _MOST_TEXT
        functions = {
            (each.domain, each.name): (each, _opset(each.opset_import)) for each in model.functions
        }
        self.all = [self._graph("", model.graph, _opset(model.opset_import))]
        for scope in self.all:  # which grows meanwhile
            if scope.depth > _MOST_NESTED:
                raise source.error(scope.path[:100], "graphs or functions nest too deeply")
            for index, node in enumerate(scope.nodes):
                function = functions.get((node.domain, node.op_type))
                if function is not None:
                    scope.calls[index] = self._function(scope, index, *function)
                    self.all.append(scope.calls[index])
                for name, graph in _graphs(node):
                    path = f"{self.path(scope, index)}.{name}."
                    self.all.append(self._graph(path, graph, scope.opset, scope, index))

    def path(self, scope: Scope, index: int) -> str:
        """Return the path of a node; one without a name goes by kind and position."""
        node = scope.nodes[index]
        path = f"{scope.path}{node.name or f'{node.op_type}_{index}'}"
        self._text_left -= len(path)
        if self._text_left < 0:
            raise self._source.error(path[:100], "the names of the nodes are too long")
        return path

    def _graph(
        self, path: str, graph: Any, opset: int, outer: Scope | None = None, at: int = 0
    ) -> Scope:
        self._count(graph)
        tensors = {tensor.name: tensor for tensor in graph.initializer}
        inputs = frozenset(each.name for each in graph.input)
        return Scope(path, graph.node, opset, tensors, graph, inputs, outer, at)

    def _function(self, outer: Scope, at: int, function: Any, opset: int) -> Scope:
        self._count(function)
        path = f"{self.path(outer, at)}."
        names = dict(zip(function.input, outer.nodes[at].input, strict=False))
        nodes = function.node
        return Scope(path, nodes, opset, {}, function, outer=outer, at=at, arguments=names)

    def _count(self, graph: Any) -> None:
        more = sum(max(0, len(node.output) - 1) for node in graph.node)
        self._source.count(len(graph.node) + 1 + more, "nodes, with those of called functions")


def is_standard(node: Any) -> bool:
    """Tell whether a node is one of ONNX's own operators."""
    return node.domain in ("", "ai.onnx")


def _opset(imports: Any) -> int:
    return max((each.version for each in imports if is_standard(each)), default=0)


def _graphs(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield the graphs among the attributes of a node."""
    for attribute in node.attribute:
        for graph in attribute.graphs if attribute.g is None else [attribute.g]:
            yield attribute.name, graph
