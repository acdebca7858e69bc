"""Every tensor of an ONNX model under its own name, in its own layout, read when it is asked for."""

import ml_dtypes
import numpy as np
import pytest

import pylstm
from pylstm.files.base.tensor import Tensor
from pylstm.files.open import open_weights

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx_models import (  # noqa: E402
    HIDDEN,
    constant,
    content,
    lstm_node,
    make_model,
    node_weights,
    torch_parameters,
)

WEIGHTS = node_weights(torch_parameters())
VALUES = np.arange(6).reshape(2, 3)


def arrays(source):
    """The arrays of a model, read, and what cannot be read."""
    with open_weights(source if isinstance(source, bytes) or hasattr(source, "open") else content(source)) as file:  # fmt: skip
        found = file._source.arrays
        assert all(isinstance(each, Tensor) for each in found.values())
        read = {name: each.read() for name, each in found.items()}
        for name, each in found.items():
            mapped = each.of(each.storage.map())
            assert mapped.dtype == each.dtype == read[name].dtype
            assert mapped.tobytes() == read[name].tobytes()
        return read, file._source.unreadable


def assert_equal(read, expected):
    assert list(read) == list(expected)
    for name, array in expected.items():
        assert read[name].dtype == array.dtype and read[name].shape == array.shape, name
        assert read[name].tobytes() == array.tobytes(), name


def test_initialisers_of_the_main_graph():
    others = {"table": VALUES.astype("i8"), "one": np.float32(3), "none": np.zeros((0, 4), "f4")}
    read, unreadable = arrays(make_model([lstm_node(WEIGHTS)], {**WEIGHTS, **others}))
    assert_equal(read, {**WEIGHTS, **{name: np.asarray(each) for name, each in others.items()}})
    assert not unreadable


TYPES = {
    "FLOAT": "f4", "DOUBLE": "f8", "FLOAT16": "f2", "INT64": "i8", "INT32": "i4", "INT16": "i2", "INT8": "i1",
    "UINT64": "u8", "UINT32": "u4", "UINT16": "u2", "UINT8": "u1", "BOOL": "?", "COMPLEX64": "c8", "COMPLEX128": "c16",
}  # fmt: skip
WIDENED = {
    "BFLOAT16": ml_dtypes.bfloat16,
    "FLOAT8E4M3FN": ml_dtypes.float8_e4m3fn,
    "FLOAT8E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
    "FLOAT8E5M2": ml_dtypes.float8_e5m2,
    "FLOAT8E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
    "FLOAT8E8M0": ml_dtypes.float8_e8m0fnu,
}


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "numbers"])
@pytest.mark.parametrize("name", [*TYPES, *WIDENED])
def test_every_dtype(name, raw):
    values = (VALUES + 1).astype(WIDENED.get(name) or TYPES[name])
    kind = getattr(TensorProto, name)
    given = values.tobytes() if raw else values.reshape(-1).tolist()
    if not raw and name in WIDENED:  # as numbers of the bits
        given = values.view(f"u{values.itemsize}").reshape(-1).tolist()
        field = TensorProto(name="a", dims=values.shape, data_type=kind, int32_data=given)
    elif not raw and name == "FLOAT16":
        field = TensorProto(name="a", dims=values.shape, data_type=kind)
        field.int32_data.extend(values.view("u2").reshape(-1).tolist())
    else:
        field = helper.make_tensor("a", kind, values.shape, given, raw=raw)
    read, unreadable = arrays(make_model([], {"a": field}))
    assert_equal(read, {"a": values.astype("f4") if name in WIDENED else values})
    assert not unreadable


@pytest.mark.parametrize("name", ["INT4", "UINT4", "FLOAT4E2M1", "STRING"])
def test_dtypes_that_are_refused(name):
    given = [b"a"] * 6 if name == "STRING" else [0, 1, 2, 3, 4, 6]
    field = helper.make_tensor("a", getattr(TensorProto, name), (2, 3), given)
    read, unreadable = arrays(make_model([], {"a": field, "b": VALUES}))
    assert_equal(read, {"b": VALUES})
    assert unreadable == {"a": f"is of type {name}"}


def test_sparse_tensors_are_refused_by_name():
    values = numpy_helper.from_array(np.ones(2, "f4"), "sparse")
    places = numpy_helper.from_array(np.array([1, 4]), "places")
    model = make_model([], {"b": VALUES})
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [6]))
    node = helper.make_node("Constant", [], ["c"])
    node.attribute.add(name="sparse_value", type=onnx.AttributeProto.SPARSE_TENSOR)
    model.graph.node.append(node)
    read, unreadable = arrays(model)
    assert_equal(read, {"b": VALUES})
    assert unreadable == {"sparse": "is a sparse tensor", "c": "is a sparse tensor"}


def test_constants_of_nodes():
    nodes = [
        constant("c", VALUES),
        constant("one", np.array([7])),
        helper.make_node("Constant", [], ["floats"], value_floats=[0.5, 1.5]),
        helper.make_node("Constant", [], ["ints"], value_ints=[4, 5, 6]),
        helper.make_node("Constant", [], ["int"], value_int=4),
        helper.make_node("Constant", [], ["text"], value_string="a"),
    ]
    expected = {"c": VALUES, "floats": np.array([0.5, 1.5], "f4"), "ints": np.array([4, 5, 6])}
    read, unreadable = arrays(make_model(nodes, {"b": VALUES}))
    assert_equal(read, {"b": VALUES, **expected})
    assert not unreadable


def test_graphs_and_functions():
    """Names of their own: the path of the node stands before."""

    def branch(name, tensor):
        return helper.make_graph([], name, [], [], [numpy_helper.from_array(tensor, "a")])

    choice = helper.make_node(
        "If",
        ["yes"],
        [],
        "choice",
        then_branch=branch("t", VALUES),
        else_branch=branch("e", -VALUES),
    )
    layer = helper.make_function("local", "Layer", ["X"], ["Y"], [constant("a", VALUES * 2), helper.make_node("Neg", ["X"], ["Y"])], [helper.make_opsetid("", 22)])  # fmt: skip
    calls = [
        helper.make_node("Layer", ["X"], [f"Y{i}"], f"call{i}", domain="local") for i in (1, 2)
    ]
    read, _ = arrays(make_model([choice, *calls], {"a": VALUES * 3}, [layer]))
    assert_equal(
        read,
        {
            "a": VALUES * 3,
            "choice.else_branch.a": -VALUES,
            "choice.then_branch.a": VALUES,
            "call1.a": VALUES * 2,
        },
    )


def test_two_of_one_name_are_refused():
    model = make_model([], {"a": VALUES})
    model.graph.initializer.append(numpy_helper.from_array(-VALUES, "a"))
    with pytest.raises(pylstm.WeightFileError, match="a: two tensors of the model have this name"):
        pylstm.load(content(model))
    with pytest.raises(pylstm.WeightFileError, match="a: two tensors of the model have this name"):
        pylstm.load(content(make_model([constant("a", VALUES)], {"a": VALUES})))


def test_beside_the_model(tmp_path):
    path = tmp_path / "model.onnx"
    made = make_model([lstm_node(WEIGHTS)], {**WEIGHTS, "a": VALUES.astype(ml_dtypes.bfloat16)})
    onnx.save(made, path, save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    read, unreadable = arrays(path)
    assert_equal(read, {**WEIGHTS, "a": VALUES.astype("f4")})
    assert not unreadable
    read, unreadable = arrays(path.read_bytes())
    assert not read
    text = "is in another file, 'model.onnx.data': open the model by its path"
    assert unreadable == dict.fromkeys([*WEIGHTS, "a"], text)


def external(count, offset=0, length=None):
    """A model of tensors that are all in one file beside it."""
    fields = {}
    for index in range(count):
        field = TensorProto(name=f"t{index}", data_type=TensorProto.FLOAT, dims=[100])
        field.data_location = TensorProto.EXTERNAL
        entries = {"location": "model.onnx.data", "offset": index * offset, "length": length or 400}
        for key, value in entries.items():
            field.external_data.add(key=key, value=str(value))
        fields[field.name] = field
    return make_model([], fields)


def test_tied_tensors_beside_the_model_are_one_array(tmp_path):
    path = tmp_path / "model.onnx"
    (tmp_path / "model.onnx.data").write_bytes(np.arange(200, dtype="<f4").tobytes())
    path.write_bytes(content(external(1000)))
    read, _ = arrays(path)
    assert len(read) == 1000
    with open_weights(path) as file:
        assert len({id(each.storage) for each in file._source.arrays.values()}) == 1
    # Bytes that overlap otherwise would be read over and over.
    path.write_bytes(content(external(100, offset=4)))
    with pytest.raises(pylstm.WeightFileError, match=r"its tensors overlap in .*model\.onnx\.data"):
        pylstm.load(path)


@pytest.mark.parametrize("dims, kind", [([2, 4], "FLOAT"), ([5], "FLOAT"), ([2**62, 9], "FLOAT"), ([-2, -3], "FLOAT"), ([12], "DOUBLE"), ([0, 2**63 - 1], "FLOAT")])  # fmt: skip
def test_shapes_that_the_data_do_not_have(dims, kind):
    """Whether or not the tensor is a weight."""
    data = bytes(24)
    for field in (
        TensorProto(name="a", dims=dims, data_type=getattr(TensorProto, kind), raw_data=data),
        TensorProto(name="a", dims=dims, data_type=getattr(TensorProto, kind), float_data=[0] * 6),
    ):
        with pytest.raises(pylstm.WeightFileError, match="a: "):
            pylstm.load(content(make_model([lstm_node(WEIGHTS)], {**WEIGHTS, "a": field})))


def test_weights_are_still_those_of_the_layers():
    model = content(make_model([lstm_node(WEIGHTS)], WEIGHTS))
    with open_weights(model) as file:
        assert list(file.tree) == ["rnn"]
        stored = file._source.arrays["W"].read()
        rows = file.tree["rnn"].state["_parameters"]["weight_ih_l0"].read()
    np.testing.assert_array_equal(
        stored[0, :HIDDEN], rows[:HIDDEN]
    )  # the input gate is first in both
    np.testing.assert_array_equal(stored[0, HIDDEN : 2 * HIDDEN], rows[3 * HIDDEN :])
