"""The operators that constants are computed by, beside ONNX's own reference implementation."""

import ml_dtypes
import numpy as np
import pytest

from pylstm.files.base.protobuf import Parser
from pylstm.files.base.source import open_source
from pylstm.files.formats import onnx_messages
from pylstm.files.formats.onnx_fold import Folder, folds
from pylstm.files.formats.onnx_numbers import dtype_of, name_of, narrowed, unpacked, widened
from pylstm.files.formats.onnx_scopes import Scopes
from pylstm.files.formats.onnx_tensors import Tensors

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

reference = pytest.importorskip("onnx.reference")

RANDOM = np.random.default_rng(20)
A = RANDOM.normal(0, 3, (2, 3, 4)).astype("f4")
ROW, ONE = A[0, :1], A[:, :1, :1]
INTEGERS = RANDOM.integers(-9, 9, (2, 3, 4))
DIVISORS = np.where(INTEGERS == 0, 5, INTEGERS)[:, :, ::-1].copy()
BOOLS = INTEGERS > 0


def ints(*values):
    return np.array(values, np.int64)


def both(kind, inputs, opset=22, outputs=1, **attributes):
    """What pylstm makes of a node, and what ONNX's reference does."""
    names = [f"i{at}" if array is not None else "" for at, array in enumerate(inputs)]
    made = [f"o{at}" for at in range(outputs)]
    node = helper.make_node(kind, names, made, **attributes)
    tensors = [
        numpy_helper.from_array(a, name) for name, a in zip(names, inputs, strict=True) if name
    ]
    of_any_type = helper.make_tensor_type_proto(0, None)
    values = [helper.make_value_info(name, of_any_type) for name in made]
    graph = helper.make_graph([node], "one node", [], values, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    source = open_source(model.SerializeToString())
    parsed = Parser(source).parse(onnx_messages.ModelProto)
    [scope] = Scopes(source, parsed).all
    tensors = Tensors(source)
    folder = Folder(tensors)
    [found] = scope.nodes
    assert folds(found)
    arrays = [tensors.array(scope.tensors[name]) if name else None for name in names]
    needed = folder.bytes_needed(found, arrays)
    ours = folder.run(scope, found, arrays)
    if outputs == 1 and kind not in ("Identity", "Expand"):
        assert ours[0].nbytes <= max(needed, 64)
    with np.errstate(all="ignore"):
        theirs = reference.ReferenceEvaluator(model).run(None, {})
    return ours, theirs


CASES = [
    *[(kind, (A, A[:, ::-1].copy()), {}) for kind in ("Add", "Sub", "Mul", "Div", "Min", "Max", "Greater", "Less", "Equal")],
    *[(kind, (A, ROW), {}) for kind in ("Add", "Sub", "Mul", "Div")],
    *[(kind, (ROW, ONE), {}) for kind in ("Add", "Sub", "Mul", "Div", "Greater")],
    *[(kind, (INTEGERS, DIVISORS), {}) for kind in ("Add", "Sub", "Mul", "Div", "Mod", "Min", "Max", "Greater", "Less", "Equal")],
    *[(kind, (INTEGERS.astype("i4"), DIVISORS.astype("i4")), {}) for kind in ("Div", "Mod", "Add")],
    *[(kind, (A.astype(dtype), A[:, ::-1].astype(dtype)), {}) for kind in ("Add", "Mul", "Sub") for dtype in ("f2", "f8", ml_dtypes.bfloat16)],
    *[(kind, (A,), {}) for kind in ("Neg", "Abs", "Floor", "Ceil", "Identity", "Min", "Max")],
    *[(kind, (INTEGERS,), {}) for kind in ("Neg", "Abs")],
    *[(kind, (A, A + 1, A[::-1].copy()), {}) for kind in ("Min", "Max")],
    *[(kind, (BOOLS, ~BOOLS[::-1]), {}) for kind in ("And", "Or", "Equal")],
    ("Mod", (A, A + 7), {"fmod": 1}), ("Mod", (INTEGERS, DIVISORS), {"fmod": 1}), ("Not", (BOOLS,), {}),
    ("Where", (BOOLS, A, ROW), {}), ("Where", (BOOLS, INTEGERS, DIVISORS), {}),
    *[("Cast", (A,), {"to": to}) for to in (1, 6, 7, 9, 10, 11, 16)],
    *[("Cast", (A.astype(dtype),), {"to": to}) for to in (1, 10, 11) for dtype in (ml_dtypes.bfloat16, ml_dtypes.float8_e5m2, "f2", "f8")],
    *[("Cast", (INTEGERS,), {"to": to}) for to in (1, 3, 6, 9, 16)],
    *[("Concat", (A, A + 1), {"axis": axis}) for axis in (0, 1, 2, -1)],
    ("Concat", (A.astype(ml_dtypes.bfloat16), A[:1].astype(ml_dtypes.bfloat16)), {"axis": 0}),
    *[("Flatten", (A,), {"axis": axis}) for axis in (1, 2, 3, -1)], ("Flatten", (A,), {}),
    *[("Gather", (A, indices), {"axis": axis}) for axis, indices in ((0, ints(1, 0, -1)), (2, ints(3)), (-1, np.array([[0, 1], [-4, 2]])), (1, np.array(2)))],
    ("Gather", (A, np.array([1, 0], "i4")), {}),
    *[("Reshape", (A, ints(*sizes)), {}) for sizes in ((24,), (0, -1), (4, 3, 2), (-1, 2), (0, 0, 4, 1))],
    ("Reshape", (A[:0], ints(0, 5)), {"allowzero": 1}),
    *[("Slice", (A, *given), {}) for given in (
        (ints(1), ints(2)), (ints(0, 1), ints(1, 9)), (ints(1), ints(-1), ints(2)), (ints(-1), ints(-99), ints(1), ints(-1)),
        (ints(3), ints(0), ints(-1), ints(-2)), (ints(0), ints(2**63 - 1), None, ints(2)), (ints(5), ints(9), ints(0)),
    )],
    *[("Squeeze", (A[:, :1], *given), {}) for given in ((), (ints(1),), (ints(-2),))],
    *[("Unsqueeze", (A, given), {}) for given in (ints(0), ints(-1), ints(0, 2), ints(-1, 0))],
    *[("Tile", (A, ints(*repeats)), {}) for repeats in ((1, 2, 1), (2, 1, 3), (0, 1, 1))],
    *[("Transpose", (A,), {"perm": perm}) for perm in ([0, 2, 1], [2, 0, 1])], ("Transpose", (A,), {}),
    ("Transpose", (RANDOM.integers(-8, 8, (3, 5)).astype(ml_dtypes.int4),), {}),
    *[("Expand", (ROW, ints(*sizes)), {}) for sizes in ((2, 3, 4), (1, 1), (5, 1, 4))],
    ("Shape", (A,), {}), ("Shape", (A,), {"start": 1}), ("Shape", (A,), {"start": -2, "end": -1}),
    ("ConstantOfShape", (ints(2, 3),), {}),
    ("ConstantOfShape", (ints(2, 3),), {"value": numpy_helper.from_array(np.array([7], "i8"))}),
]  # fmt: skip
OLDER = [
    ("Squeeze", (A[:, :1],), 11, {"axes": [1]}),
    ("Squeeze", (A[:, :1],), 1, {}),
    ("Unsqueeze", (A,), 11, {"axes": [0, 2]}),
    ("Slice", (A,), 9, {"starts": [1, 0], "ends": [9, 2], "axes": [2, 1]}),
    ("Slice", (A,), 1, {"starts": [1], "ends": [2]}),
    ("Concat", (A, A), 4, {"axis": 1}),
    ("Add", (A, ROW), 7, {}),
    ("Mul", (A, ROW), 13, {}),
]


def assert_equal(ours, theirs):
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert name_of(mine.dtype) == other.dtype.name and mine.shape == other.shape
        if name_of(mine.dtype) == "int4":  # its bits beyond the fourth are anyone's
            mine, other = widened(mine), other.astype("i1")
        assert mine.tobytes() == other.tobytes()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_as_onnx_does_it(case):
    kind, inputs, attributes = case
    assert_equal(*both(kind, inputs, **attributes))


@pytest.mark.parametrize("case", OLDER, ids=lambda case: f"{case[0]}-{case[2]}")
def test_as_older_versions_did_it(case):
    kind, inputs, opset, attributes = case
    assert_equal(*both(kind, inputs, opset, **attributes))


@pytest.mark.parametrize("sizes", [None, ints(1, 3)], ids=["equal", "given"])
def test_split(sizes):
    inputs = (A,) if sizes is None else (A, sizes)
    options = {"num_outputs": 2} if sizes is None else {}
    assert_equal(*both("Split", inputs, outputs=2, axis=2, **options))


REFUSED = [
    ("Add", (A, INTEGERS), 22, {}, "arrays of float32, int64"),
    ("Add", (A, ROW), 6, {"axis": 1, "broadcast": 1}, "before version 7"),
    ("Add", (BOOLS, BOOLS), 22, {}, "arrays of bool"),
    ("Add", (A,), 22, {}, "1 inputs"),
    ("Add", (A, None), 22, {}, "an input is left out"),
    ("Div", (INTEGERS, INTEGERS * 0), 22, {}, "divided by 0"),
    ("Mod", (INTEGERS, INTEGERS * 0), 22, {}, "divided by 0"),
    ("Mod", (A, A), 22, {}, "without fmod=1"),
    ("And", (A, A), 22, {}, "arrays of float32"),
    ("Where", (INTEGERS, A, A), 22, {}, "a condition of int64"),
    ("Concat", (A, A), 22, {}, "no axis"),
    ("Concat", (A, A.astype("f8")), 22, {"axis": 0}, "arrays of float32, float64"),
    ("Flatten", (A,), 22, {"axis": 4}, "axis 4 of 3"),
    ("Gather", (A, ROW), 22, {}, "indices of float32"),
    ("Gather", (A, ints(9)), 22, {}, "out of bounds"),
    ("Reshape", (A,), 22, {}, "no shape"),
    ("Reshape", (A, ints(-2, -12)), 22, {}, "sizes"),
    ("Reshape", (A, ints(*[1] * 65)), 22, {}, "shape of int64"),
    ("Slice", (A,), 22, {}, "no starts"),
    ("Slice", (A, ints(0, 0), ints(1, 1), ints(1, 1)), 22, {}, "axes"),
    ("Slice", (A, ints(0, 0), ints(1)), 22, {}, "shorter"),
    ("Slice", (A, ints(0), ints(1), ints(0), ints(0)), 22, {}, "zero"),
    ("Squeeze", (A, ints(0)), 22, {}, "size not equal to one"),
    ("Unsqueeze", (A,), 22, {}, "no axes"),
    ("Unsqueeze", (A, ints(0, 0)), 22, {}, "repeated axis"),
    ("Tile", (A, ints(1, -1, 1)), 22, {}, "sizes"),
    ("Transpose", (A,), 22, {"perm": [0, 0, 1]}, "repeated axis"),
    ("Transpose", (A,), 22, {"perm": [0] * 65}, "perm are 65"),
    ("Add", (RANDOM.integers(-8, 8, 4).astype(ml_dtypes.int4),) * 2, 22, {}, "nothing is rounded to int4"),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case[0]}: {case[-1]}")
def test_what_no_operator_takes(case):
    kind, inputs, opset, attributes, text = case
    with pytest.raises((ValueError, IndexError, TypeError), match=text):
        both(kind, inputs, opset, **attributes)


def test_element_types_are_those_of_onnx():
    for name, number in TensorProto.DataType.items():
        dtype = dtype_of(number)
        if name in ("UNDEFINED", "STRING") or name.startswith(("FLOAT4", "FLOAT6")):
            assert dtype is None
        else:
            theirs = helper.tensor_dtype_to_np_dtype(number)
            assert name_of(dtype) == theirs.name and dtype.itemsize == theirs.itemsize
    assert dtype_of(-1) is dtype_of(99) is None


def test_bfloat16_is_rounded_as_others_round_it():
    bits = np.concatenate(
        [RANDOM.integers(0, 2**32, 1 << 20, np.uint32), np.arange(0, 2**32, 2**15 + 1, np.uint32)]
    )
    numbers = bits.view("f4")
    ours = narrowed(numbers, dtype_of(TensorProto.BFLOAT16))
    with np.errstate(invalid="ignore"):
        theirs = numbers.astype(ml_dtypes.bfloat16)
    same = ours.view("u2") == theirs.view("u2")
    assert same[~np.isnan(numbers)].all()
    assert np.isnan(widened(ours)[np.isnan(numbers)]).all()


@pytest.mark.parametrize("name", ["INT4", "UINT4", "INT2", "UINT2"])
@pytest.mark.parametrize("count", [0, 1, 4, 7, 16])
def test_integers_of_less_than_a_byte(name, count):
    number = getattr(TensorProto, name)
    packed = RANDOM.integers(0, 256, -(-count * (4 if "4" in name else 2) // 8)).astype("u1")
    tensor = TensorProto(dims=[count], data_type=number, raw_data=packed.tobytes())
    expected = numpy_helper.to_array(tensor)
    assert widened(unpacked(packed, number, count)).tolist() == expected.astype("i4").tolist()
