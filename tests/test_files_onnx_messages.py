"""ONNX's messages as pylstm parses them, beside ONNX's own package: the same, or refused by name."""

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest

from pylstm import WeightFileError
from pylstm.files.base.protobuf import Numbers, Parser
from pylstm.files.base.source import Segment, Source, open_source
from pylstm.files.formats import onnx_messages

onnx = pytest.importorskip("onnx")
from google.protobuf.message import DecodeError  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent / "hostile"))
from mutate_onnx import BYTES, FIXED32, FIXED64, VARINT, edited, fields, message, varint  # noqa: E402
from numbers_of_note import scramble  # noqa: E402
from onnx_models import simple_model  # noqa: E402
from seeds import of_kinds, onnx_models  # noqa: E402
from test_files_onnx_cases import CASES  # noqa: E402

COUNT = int(os.environ.get("PYLSTM_FUZZ", "5000"))
RECORDED = list(of_kinds("onnx"))
CASE_MODELS = [case.model.SerializeToString() for case in CASES.values()]
MADE = list(onnx_models())


def parsed(content, kind=onnx_messages.ModelProto):
    return Parser(open_source(content)).parse(kind)


def differences(ours, theirs, path="model"):
    """Yield where two messages are not the same, as far as pylstm reads them."""
    for field in type(ours).fields.values():
        if not field.name or field.kind == "clear":
            continue
        told, mine, other = (
            f"{path}.{field.name}",
            getattr(ours, field.name),
            getattr(theirs, field.name),
        )
        if field.kind == "message" and not field.repeated:
            if theirs.HasField(field.name) != (mine is not None):
                yield told
            elif mine is not None:
                yield from differences(mine, other, told)
        elif field.kind == "message":
            if len(mine) != len(other):
                yield told
            for index, pair in enumerate(zip(mine, other, strict=False)):
                yield from differences(*pair, f"{told}[{index}]")
        elif field.kind == "numbers":
            dtype = np.dtype(field.of).newbyteorder("=")
            array = mine.array() if isinstance(mine, Numbers) else np.zeros(0, dtype)
            if list(mine) != array.tolist() and not np.isnan(array).any():
                yield told
            if not np.array_equal(array, np.array(other, dtype), equal_nan=dtype.kind == "f"):
                yield told
        elif field.kind == "segment":
            if (mine is not None) != theirs.HasField(field.name) or (
                mine.read() if mine else b""
            ) != other:
                yield told
        elif field.repeated:
            if list(mine) != list(other):
                yield told
        elif mine != other and not (mine != mine and other != other):  # NaN is not itself
            yield told


def without_unread(content, kind=onnx_messages.ModelProto):
    """A message without the fields that pylstm does not declare, which it skips unseen."""
    made = []
    for number, wire, value in fields(content):
        field = kind.fields.get(number)
        if field is not None:
            inner = field.kind == "message" and wire == BYTES
            made.append((number, wire, without_unread(value, field.of) if inner else value))
    return message(made)


def onnx_parsed(content):
    try:
        return onnx.ModelProto.FromString(content)
    except DecodeError:
        return onnx.ModelProto.FromString(without_unread(content))


def assert_same(content):
    assert list(differences(parsed(content), onnx.ModelProto.FromString(content))) == []


def test_there_are_models_of_every_writer():
    producers = {parsed(content).producer_name for content in RECORDED}
    assert (
        "pytorch" in producers and len(RECORDED) >= 3 and len(CASE_MODELS) >= 18 and len(MADE) >= 4
    )


@pytest.mark.parametrize(
    "content", [*RECORDED, *CASE_MODELS, *MADE], ids=lambda content: f"{len(content)} bytes"
)
def test_models(content):
    assert_same(content)


def test_mutations():
    """Refused, or what ONNX's package makes of them."""
    honest = [*RECORDED, *CASE_MODELS, *MADE]
    read = 0
    for index in range(COUNT):
        rng = random.Random(index)
        content = rng.choice(honest)
        content = scramble(rng, content) if rng.random() < 0.3 else edited(rng, content)
        try:
            ours = parsed(content)
            found = list(differences(ours, onnx_parsed(content)))
        except WeightFileError:
            continue
        assert found == [], index
        read += 1
    assert COUNT < 100 or 0.1 * COUNT < read < 0.95 * COUNT


def test_one_field_several_times():
    """The last number counts, messages are merged, repeated fields grow."""
    one, other = simple_model(), simple_model()
    other.producer_name = "another"
    content = one.SerializeToString() + other.SerializeToString()
    assert_same(content)
    model = parsed(content)
    assert model.producer_name == "another" and len(model.graph.node) == 2


NUMBERS = {
    "float_data": ("<f4", FIXED32, [0.5, -3.0, np.inf, 1e-45]),
    "double_data": ("<f8", FIXED64, [0.5, -3.0, 1e300]),
    "int32_data": ("<i4", VARINT, [0, 1, -1, 2**31 - 1, -(2**31), 300]),
    "int64_data": ("<i8", VARINT, [0, 127, 128, -1, 2**63 - 1, -(2**63)]),
    "uint64_data": ("<u8", VARINT, [0, 2**64 - 1, 2**63]),
}


@pytest.mark.parametrize("times", [1, 5000], ids=["short", "long"])
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_packed_and_one_by_one(name, times):
    dtype, wire, values = NUMBERS[name]
    values = values * times
    number = TensorProto.DESCRIPTOR.fields_by_name[name].number
    if wire == VARINT:
        codes = [varint(value % 2**64) for value in values]
        single = [(number, VARINT, value % 2**64) for value in values]
    else:
        codes = [np.array(value, dtype).tobytes() for value in values]
        single = [(number, wire, code) for code in codes]
    packed = [(number, BYTES, b"".join(codes))]
    for made in (single, packed, [*single, *packed, *single[:2], (number, BYTES, b"")]):
        content = message(made)
        theirs = TensorProto.FromString(content)
        assert len(getattr(theirs, name)) >= len(values)
        assert list(differences(parsed(content, onnx_messages.TensorProto), theirs)) == []


def test_long_tensors_stay_in_the_file():
    model = simple_model()
    model.graph.initializer.add(name="big", dims=[1 << 18], data_type=1, raw_data=bytes(1 << 20))
    content = model.SerializeToString()
    tensor = parsed(content).graph.initializer[-1]
    assert isinstance(tensor.raw_data, Segment) and tensor.raw_data.size == 1 << 20

    class Counting(Source):
        bytes_read = 0

        def read(self, offset, count, record=""):
            self.bytes_read += count
            return super().read(offset, count, record)

    source = Counting("counted", memoryview(content))
    Parser(source).parse(onnx_messages.ModelProto)
    assert source.bytes_read < 1 << 17


def test_a_type_that_is_no_tensor_has_no_shape():
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    content = value.SerializeToString() + message([(2, BYTES, message([(4, BYTES, b"")]))])
    theirs = onnx.ValueInfoProto.FromString(content)
    assert theirs.type.WhichOneof("value") == "sequence_type"
    ours = parsed(content, onnx_messages.ValueInfoProto)
    assert ours.type.tensor_type is None and list(differences(ours, theirs)) == []


DAMAGED = {
    "a group": (b"\x0b\x0c", "type 3"),
    "the end of a group": (b"\x0c", "type 4"),
    "wire type 6": (b"\x0e", "type 6"),
    "wire type 7": (b"\x0f", "type 7"),
    "field 0": (b"\x00\x00", "no field of a message"),
    "a tag of 6 bytes": (b"\x88\x80\x80\x80\x80\x00\x00", "no number"),
    "a tag of 33 bits": (b"\xff\xff\xff\xff\x1f\x00", "no field of a message"),
    "a number of 11 bytes": (b"\x08" + b"\x80" * 10 + b"\x00", "no number"),
    "a number of 65 bits": (b"\x08" + b"\xff" * 9 + b"\x02", "no number"),
    "a number without an end": (b"\x08\x80", "no number"),
    "a length without bytes": (b"\x12\x05abc", "needs 7 bytes of 5"),
    "a length of 2**63": (b"\x12" + varint(2**63), "needs"),
    "bytes beyond a message": (b"\x3a\x04\x0a\x05ab" + bytes(9), "needs 7 bytes of 4"),
    "a tag alone": (b"\x08", "no number"),
    "half of a fixed number": (b"\x0d\x00\x00", "needs 5 bytes of 3"),
    "a text that is none": (b"\x12\x01\xff", "is not UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged(name):
    content, text = DAMAGED[name]
    for start in (b"", b"\x08\x08"):
        with pytest.raises(WeightFileError, match="its protocol buffer is damaged") as caught:
            parsed(start + content)
        assert text in str(caught.value)


@pytest.mark.parametrize("size", [3, 5, 1203])
def test_packed_numbers_that_are_cut(size):
    for number in (4, 5):
        content = message([(number, BYTES, bytes(size - 1) + b"\x80")])
        with pytest.raises(WeightFileError, match="damaged"):
            parsed(content, onnx_messages.TensorProto)


def test_packed_numbers_of_more_than_10_bytes():
    content = message([(7, BYTES, b"\x80" * 10 + b"\0")])
    tensor = parsed(content, onnx_messages.TensorProto)
    with pytest.raises(WeightFileError, match="more than 10 bytes"):
        tensor.int64_data.array()
    tensor = parsed(message([(7, BYTES, b"\xff" * 9 + b"\2")]), onnx_messages.TensorProto)
    with pytest.raises(WeightFileError, match="more than 64 bits"):
        list(tensor.int64_data)
    content = message([(7, BYTES, b"\x80" * (1 << 19) + b"\0")])
    tensor = parsed(content, onnx_messages.TensorProto)
    for use in (len, list, Numbers.array):
        with pytest.raises(WeightFileError, match="damaged"):
            use(tensor.int64_data)


def test_messages_that_nest():
    content = b""
    for _ in range(60):
        graph = message([(1, BYTES, message([(5, BYTES, message([(6, BYTES, content)]))]))])
        content = graph
    with pytest.raises(WeightFileError, match="messages nest more than 100 deep"):
        parsed(message([(7, BYTES, content)]))


@pytest.mark.parametrize("what", ["nodes", "texts", "attributes"])
def test_small_messages_without_number(what):
    """Objects of a hundred bytes that two bytes of the file become."""
    node = {"nodes": b"", "texts": b"\x0a\0" * 1_500_000, "attributes": b"\x2a\0" * 500_000}[what]
    graph = b"\x0a\0" * 800_000 if what == "nodes" else message([(1, BYTES, node)])
    with pytest.raises(WeightFileError, match="its messages need far more memory than the file"):
        parsed(message([(7, BYTES, graph)]))
