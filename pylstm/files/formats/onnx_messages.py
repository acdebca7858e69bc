"""The messages of ONNX, as far as they are read.

They are described in https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Fields that are only
checked have no name. Texts for people are skipped.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ..base.protobuf import Field, Message

# Values of AttributeProto.type that are asked for.
INT, INTS = 2, 7
_LAST_TYPE = 14
EXTERNAL = 1  # TensorProto.data_location

_TEXT = "text"


def _texts(name: str) -> Field:
    return Field(name, "text", repeated=True)


def _messages(name: str, kind: type[Message]) -> Field:
    return Field(name, "message", repeated=True, of=kind)


def _message(name: str, kind: type[Message]) -> Field:
    return Field(name, "message", of=kind)


def _numbers(name: str, dtype: str) -> Field:
    return Field(name, "numbers", repeated=True, of=dtype)


class Entry(Message):
    """StringStringEntryProto: a key and its value."""

    __slots__ = ("key", "value")
    key: str
    value: str
    fields: ClassVar = {1: Field("key", _TEXT), 2: Field("value", _TEXT)}


_ENTRY = _messages("", Entry)


class Segmented(Message):
    """TensorProto.Segment, of which no more is asked than whether there is one."""

    __slots__ = ()


class TensorProto(Message):
    """An array."""

    __slots__ = (
        *("dims", "data_type", "segment", "float_data", "int32_data", "int64_data", "name"),
        *("raw_data", "double_data", "uint64_data", "external_data", "data_location"),
    )
    dims: Any
    data_type: int
    name: str
    fields: ClassVar = {
        1: _numbers("dims", "i8"),
        2: Field("data_type", "int32"),
        3: _message("segment", Segmented),
        4: _numbers("float_data", "<f4"),
        5: _numbers("int32_data", "i4"),
        7: _numbers("int64_data", "i8"),
        8: Field("name", _TEXT),
        9: Field("raw_data", "segment"),
        10: _numbers("double_data", "<f8"),
        11: _numbers("uint64_data", "u8"),
        13: _messages("external_data", Entry),
        14: Field("data_location", "enum", of=EXTERNAL),
        16: _ENTRY,
    }


class SparseTensorProto(Message):
    """An array of which most elements are 0."""

    __slots__ = ("values",)
    fields: ClassVar = {1: _message("values", TensorProto), 2: _message("", TensorProto)}


class Dimension(Message):
    """TensorShapeProto.Dimension: a size, or the name of one that is open."""

    __slots__ = ("dim_value",)
    fields: ClassVar = {1: Field("dim_value", "int64"), 2: Field("dim_value", "clear", of=(2,))}


class TensorShapeProto(Message):
    """The sizes of a value."""

    __slots__ = ("dim",)
    fields: ClassVar = {1: _messages("dim", Dimension)}


class TensorType(Message):
    """TypeProto.Tensor: that a value is an array."""

    __slots__ = ("shape",)
    fields: ClassVar = {2: _message("shape", TensorShapeProto)}


class TypeProto(Message):
    """What a value is; it is only one of these."""

    __slots__ = ("tensor_type",)
    fields: ClassVar = {
        1: _message("tensor_type", TensorType),
        **{number: Field("tensor_type", "clear", of=(2,)) for number in (4, 5, 7, 8, 9)},
    }


class ValueInfoProto(Message):
    """The name of a value, and what it is."""

    __slots__ = ("name", "type")
    fields: ClassVar = {1: Field("name", _TEXT), 2: _message("type", TypeProto), 4: _ENTRY}


class OperatorSetIdProto(Message):
    """A version of a domain's operators."""

    __slots__ = ("domain", "version")
    fields: ClassVar = {1: Field("domain", _TEXT), 2: Field("version", "int64")}


class AttributeProto(Message):
    """A named argument of a node."""

    __slots__ = (
        *("name", "f", "i", "s", "t", "g", "floats", "ints", "strings", "graphs", "type"),
        "ref_attr_name",
    )
    name: str
    g: Any
    graphs: Any
    # The rest stands below, since graphs are made of nodes and nodes of attributes.


class NodeProto(Message):
    """An operator, and the names of what it takes and makes."""

    __slots__ = ("attribute", "domain", "input", "name", "op_type", "output")
    fields: ClassVar = {
        1: _texts("input"),
        2: _texts("output"),
        3: Field("name", _TEXT),
        4: Field("op_type", _TEXT),
        5: _messages("attribute", AttributeProto),
        7: Field("domain", _TEXT),
        9: _ENTRY,
    }


class GraphProto(Message):
    """Nodes, and the arrays that they begin with."""

    __slots__ = ("initializer", "input", "node", "output", "sparse_initializer", "value_info")
    fields: ClassVar = {
        1: _messages("node", NodeProto),
        5: _messages("initializer", TensorProto),
        11: _messages("input", ValueInfoProto),
        12: _messages("output", ValueInfoProto),
        13: _messages("value_info", ValueInfoProto),
        15: _messages("sparse_initializer", SparseTensorProto),
        16: _ENTRY,
    }


AttributeProto.fields = {
    1: Field("name", _TEXT),
    2: Field("f", "float"),
    3: Field("i", "int64"),
    4: Field("s", "bytes"),
    5: _message("t", TensorProto),
    6: _message("g", GraphProto),
    7: _numbers("floats", "<f4"),
    8: _numbers("ints", "i8"),
    9: Field("strings", "bytes", repeated=True),
    10: _messages("", TensorProto),
    11: _messages("graphs", GraphProto),
    14: _message("", TypeProto),
    15: _messages("", TypeProto),
    20: Field("type", "enum", of=_LAST_TYPE),
    21: Field("ref_attr_name", _TEXT),
    22: _message("", SparseTensorProto),
    23: _messages("", SparseTensorProto),
}


class FunctionProto(Message):
    """Nodes that other nodes call by the name of the function."""

    __slots__ = ("domain", "input", "name", "node", "opset_import", "output", "value_info")
    fields: ClassVar = {
        1: Field("name", _TEXT),
        4: _texts("input"),
        5: _texts("output"),
        7: _messages("node", NodeProto),
        9: _messages("opset_import", OperatorSetIdProto),
        10: Field("domain", _TEXT),
        11: _messages("", AttributeProto),
        12: _messages("value_info", ValueInfoProto),
        14: _ENTRY,
    }


class TrainingInfoProto(Message):
    """How a model is trained, which is only checked."""

    __slots__ = ()
    fields: ClassVar = {
        1: _message("", GraphProto),
        2: _message("", GraphProto),
        3: _ENTRY,
        4: _ENTRY,
    }


class ModelProto(Message):
    """A file."""

    __slots__ = ("functions", "graph", "opset_import", "producer_name", "producer_version")
    fields: ClassVar = {
        2: Field("producer_name", _TEXT),
        3: Field("producer_version", _TEXT),
        7: _message("graph", GraphProto),
        8: _messages("opset_import", OperatorSetIdProto),
        14: _ENTRY,
        20: _messages("", TrainingInfoProto),
        25: _messages("functions", FunctionProto),
    }
