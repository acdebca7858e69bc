"""Weights of ONNX LSTMs that nodes make of constants: right numbers, and what is refused."""

import numpy as np
import pytest

import pylstm
from pylstm.files.formats import onnx_constants
from pylstm.files.open import open_weights

onnx = pytest.importorskip("onnx")
import ml_dtypes  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx_models import (  # noqa: E402
    HIDDEN,
    assert_loads,
    constant,
    content,
    lstm_node,
    make_model,
    node_weights,
    reason,
    torch_parameters,
    tree,
)

PARAMETERS = torch_parameters()
WEIGHTS = node_weights(PARAMETERS)
W, R, B = WEIGHTS["W"], WEIGHTS["R"], WEIGHTS["B"]


def of_w(w):
    """The parameters if W were ``w``."""
    blocks = dict(
        zip("ifgo", (w[0, i * HIDDEN : (i + 1) * HIDDEN] for i in (0, 2, 3, 1)), strict=True)
    )
    rows = np.concatenate([blocks[gate] for gate in "ifgo"])
    return {**PARAMETERS, "weight_ih_l0": rows}


def model_of(nodes, tensors, opset=22, domains=()):
    """A model whose nodes make W."""
    tensors = {"R": R, "B": B, **tensors}
    made = make_model([*nodes, lstm_node(WEIGHTS)], tensors, opset=opset)
    made.opset_import.extend(helper.make_opsetid(domain, 1) for domain in domains)
    return made


def node(kind, inputs, output="W", **attributes):
    return helper.make_node(kind, list(inputs), [output], **attributes)


def filled(name, array):
    return helper.make_node(
        "ConstantOfShape", ["shape"], [name], value=numpy_helper.from_array(array)
    )


SHAPE = np.array(W.shape)
HALF = np.float32(0.5)

CASES = {
    "Add": ([node("Add", "ab")], {"a": W - HALF, "b": np.full((1, 1, 3), HALF)}, (W - HALF) + HALF),
    "Sub": ([node("Sub", "ab")], {"a": W, "b": W[0]}, W - W[0]),
    "Mul": ([node("Mul", "ab")], {"a": W[0], "b": np.full((1, 16, 1), 3, "f4")}, W * np.float32(3)),
    "Div": ([node("Div", "ab")], {"a": W, "b": np.float32(3)}, W / np.float32(3)),
    "Neg": ([node("Neg", "a")], {"a": W}, -W),
    "Abs": ([node("Abs", "a")], {"a": W}, abs(W)),
    "Max": ([node("Max", "aba")], {"a": W, "b": -W}, abs(W)),
    "Where": ([node("Where", "abc")], {"a": W > 0, "b": W, "c": HALF}, np.where(W > 0, W, HALF)),
    "ConstantOfShape": ([filled("W", np.array([0.5], "f4"))], {"shape": SHAPE}, np.full_like(W, 0.5)),
    "ConstantOfShape of a double": (
        [filled("a", np.array([0.1])), node("Cast", "a", to=TensorProto.FLOAT)],
        {"shape": SHAPE},
        np.full_like(W, 0.1),
    ),
    "ConstantOfShape and Add": (
        [filled("a", np.array([0.0], "f4")), node("Add", "ab")],
        {"shape": SHAPE, "b": W},
        W,
    ),
    "Expand": ([node("Expand", ["a", "shape"])], {"a": W[:, :, :1], "shape": SHAPE}, W[:, :, [0] * 3]),
    "Expand of a vector": ([node("Expand", ["a", "shape"])], {"a": W[0, 0], "shape": SHAPE}, W[:, [0] * 16]),
    "Expand that keeps": (
        [node("Expand", ["a", "ones"])],
        {"a": W, "ones": np.array([1, 1])},
        W,
    ),
    "Tile": ([node("Tile", "ab")], {"a": W[:, :4], "b": np.array([1, 4, 1])}, np.tile(W[:, :4], (1, 4, 1))),
    "Gather": (
        [node("Gather", "ab", axis=1)],
        {"a": W[:, ::-1].copy(), "b": np.arange(16)[::-1].copy()},
        W,
    ),
    "Gather by negative indices": (
        [node("Gather", "ab", axis=-2)],
        {"a": W, "b": np.arange(-16, 0).astype("i4")},
        W,
    ),
    "Gather of a layer": (
        [node("Gather", "ab", "c"), node("Unsqueeze", ["c", "zero"])],
        {"a": np.concatenate([W * 2, W, W * 3]), "b": np.array(1), "zero": np.array([0])},
        W,
    ),
    "Split": (
        [
            helper.make_node("Split", ["a", "sizes"], ["c", "W", "d"], axis=1),
        ],
        {"a": np.concatenate([W[:, :2], W, W], 1), "sizes": np.array([2, 16, 16])},
        W,
    ),
    "Split in equal parts": ([helper.make_node("Split", ["a"], ["b", "W"], num_outputs=2)], {"a": np.concatenate([-W, W])}, W),
    "Split in parts that are not equal": (
        [helper.make_node("Split", ["a"], ["b", "c", "d"], axis=1, num_outputs=3), node("Concat", "dcb", axis=1)],
        {"a": W},
        np.concatenate([W[:, 12:], W[:, 6:12], W[:, :6]], 1),
    ),
    "Concat": ([node("Concat", "ab", axis=2)], {"a": W[:, :, :1], "b": W[:, :, 1:]}, W),
    "Flatten": (
        [node("Flatten", "a", "b", axis=2), node("Unsqueeze", ["b", "zero"])],
        {"a": W, "zero": np.array([0])},
        W,
    ),
    "Shape of a constant": (
        [node("Shape", "a", "shape"), node("Reshape", ["flat", "shape"])],
        {"a": W, "flat": W.reshape(-1)},
        W,
    ),
    "Shape from the second axis on": (
        [
            node("Shape", "a", "shape", start=1, end=-1),
            node("Concat", ["one", "shape", "three"], "sizes", axis=0),
            node("Reshape", ["flat", "sizes"]),
        ],
        {"a": W, "flat": W.reshape(-1), "one": np.array([1]), "three": np.array([3])},
        W,
    ),
    "value_floats": (
        [
            helper.make_node("Constant", [], ["flat"], value_floats=W.reshape(-1).tolist()),
            node("Reshape", ["flat", "shape"]),
        ],
        {"shape": SHAPE},
        W,
    ),
    "value_float": (
        [helper.make_node("Constant", [], ["b"], value_float=0.5), node("Mul", "ab")],
        {"a": W},
        W * HALF,
    ),
    "weight normalisation that is done": (
        [node("Div", "gn", "s"), node("Mul", "vs")],
        {"g": W[:, :, :1], "n": abs(W[:, :, :1]) + 1, "v": W},
        W * (W[:, :, :1] / (abs(W[:, :, :1]) + 1)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_weights_that_nodes_make(name, kept, monkeypatch):
    nodes, tensors, expected = CASES[name]
    if not kept:  # as it is where weights are large: computed once more when they are read
        monkeypatch.setattr(onnx_constants, "_MOST_KEPT", 0)
    assert expected.dtype == np.float32 and expected.shape == W.shape
    made = model_of(nodes, tensors)
    assert_loads(content(made), of_w(expected))
    mapped = pylstm.load(content(made), mmap=True)["rnn"].state["_parameters"]
    np.testing.assert_array_equal(mapped["weight_ih_l0"], of_w(expected)["weight_ih_l0"])
    np.testing.assert_array_equal(mapped["bias_hh_l0"], PARAMETERS["bias_hh_l0"])


@pytest.mark.parametrize("opset", [7, 11, 12, 13, 17, 18, 22])
def test_splits_of_every_operator_set(opset):
    inputs, sizes, more = ["flat"], {}, {"sizes": np.array([W.size, R.size, B.size])}
    if opset >= 13:
        inputs = ["flat", "sizes"]
    else:
        sizes, more = {"split": more["sizes"].tolist()}, {}
    nodes = [helper.make_node("Split", inputs, ["w", "r", "b"], **sizes)]
    for name, array in (("w", W), ("r", R), ("b", B)):
        more[f"shape of {name}"] = np.array(array.shape)
        nodes.append(node("Reshape", [name, f"shape of {name}"], name.upper()))
    flat = np.concatenate([W.reshape(-1), R.reshape(-1), B.reshape(-1)])
    made = make_model([*nodes, lstm_node(WEIGHTS)], {"flat": flat, **more}, opset=opset)
    assert_loads(content(made), PARAMETERS)
    made = model_of([helper.make_node("Split", ["a"], ["b", "W"], axis=0)], {"a": np.concatenate([-W, W])}, opset)  # fmt: skip
    assert_loads(content(made), PARAMETERS)
    made = model_of([helper.make_node("Split", ["a"], ["W", "b", "c"], axis=1)], {"a": W}, opset)
    assert ("cannot be computed by Split" in reason(made)) == (opset < 18)


def test_in_graphs_and_functions():
    branch = helper.make_graph(
        [node("Mul", ["outer", "own"]), lstm_node(WEIGHTS)],
        "branch",
        [],
        [],
        [numpy_helper.from_array(HALF, "own")],
    )
    empty = helper.make_graph([], "empty", [], [])
    choice = helper.make_node("If", ["yes"], [], "choice", then_branch=branch, else_branch=empty)
    body = [
        constant("half", HALF),
        node("Div", ["w", "half"], "W"),
        helper.make_node("LSTM", ["X", "W", "r", "b"], ["Y"], "rnn", hidden_size=HIDDEN),
    ]
    opsets = [helper.make_opsetid("", 22)]
    layer = helper.make_function("local", "Layer", ["X", "w", "r", "b"], ["Y"], body, opsets)
    calls = [
        helper.make_node("Layer", ["X", name, "R", "B"], [f"Y{name}"], f"of_{name}", domain="local")
        for name in ("outer", "other")
    ]
    tensors = {"outer": W, "other": W * 3, "R": R, "B": B}
    made = content(make_model([choice, *calls], tensors, [layer]))
    assert_loads(made, of_w(W * HALF), "choice.then_branch.rnn")
    assert_loads(made, of_w(W / HALF), "of_outer.rnn")
    assert_loads(made, of_w(W * 3 / HALF), "of_other.rnn")


def test_weights_that_functions_return():
    """Made in one function, handed through another that calls it."""
    opsets = [helper.make_opsetid("", 22), helper.make_opsetid("local", 1)]
    half = helper.make_function(
        "local", "Half", ["w"], ["v"], [constant("by", HALF), node("Mul", ["w", "by"], "v")], opsets
    )
    nothing = helper.make_function(
        "local", "Same", ["w"], ["w"], [node("Identity", ["w"], "unused")], opsets
    )
    both = helper.make_function(
        "local",
        "Both",
        ["a"],
        ["c"],
        [
            helper.make_node("Same", ["a"], ["b"], domain="local"),
            helper.make_node("Half", ["b"], ["c"], domain="local"),
        ],
        opsets,
    )
    call = helper.make_node("Both", ["w"], ["W"], "call", domain="local")
    tensors = {"w": W, "R": R, "B": B}
    made = make_model([call, lstm_node(WEIGHTS)], tensors, [half, nothing, both])
    assert_loads(content(made), of_w(W * HALF))
    del made.graph.initializer[0]
    assert reason(made) == "its input W is computed when the model runs"


def test_attributes_that_a_function_leaves_to_its_caller():
    body = [
        helper.make_node("Concat", ["w", "w"], ["W"]),
        helper.make_node("LSTM", ["X", "W", "r", "b"], ["Y"], "rnn", hidden_size=HIDDEN),
    ]
    body[0].attribute.add(name="axis", ref_attr_name="axis", type=onnx.AttributeProto.INT)
    layer = helper.make_function("local", "Layer", ["X", "w", "r", "b"], ["Y"], body, [helper.make_opsetid("", 22)], ["axis"])  # fmt: skip
    call = helper.make_node("Layer", ["X", "W", "R", "B"], ["Y"], "call", domain="local", axis=1)
    leaf = tree(make_model([call], {"W": W[:, :8], "R": R, "B": B}, [layer]))["call.rnn"]
    assert leaf.reason == "its input W is computed when the model runs"


# ---------------------------------------------------------------------------- quantised weights

TYPES = {
    "int8": (np.int8, -128, 128),
    "uint8": (np.uint8, 0, 256),
    "int16": (np.int16, -32768, 32768),
    "uint16": (np.uint16, 0, 65536),
    "int4": (ml_dtypes.int4, -8, 8),
    "uint4": (ml_dtypes.uint4, 0, 16),
}
# How scales stand to a weight of (1, 16, 3): shape, axis, block, and the same for each element.
SCALES = {
    "one": ((), 1, 0, lambda s: s),
    "one in a vector": ((1,), 1, 0, lambda s: s[0]),
    "a row": ((16,), 1, 0, lambda s: s[None, :, None]),
    "a column": ((3,), -1, 0, lambda s: s),
    "a block": ((1, 4, 3), 1, 4, lambda s: s.repeat(4, 1)),
    "a block, the last short": ((1, 4, 3), 1, 5, lambda s: s.repeat(5, 1)[:, :16]),
    "a block of everything": ((1, 1, 3), -2, 99, lambda s: s.repeat(16, 1)),
}


def quantised(kind, how, seed=0):
    """Integers, scales, zero points, axis, block; and the floats that they stand for."""
    dtype, low, high = TYPES[kind]
    rng = np.random.default_rng(seed)
    x = rng.integers(low, high, W.shape).astype(dtype)
    shape, axis, block, spread = SCALES[how]
    scale = np.asarray(rng.random(shape, np.float32) / high)
    zero = np.asarray(rng.integers(low, high, shape)).astype(dtype)
    exact = x.astype("f4") - spread(zero.astype("f4"))
    return x, scale, zero, axis, block, exact * spread(scale)


def dequantise(axis, block, inputs=("x", "s", "z"), **attributes):
    more = {"block_size": block} if block else {}
    return helper.make_node(
        "DequantizeLinear", list(inputs), ["W"], axis=axis, **more, **attributes
    )


@pytest.mark.parametrize("how", SCALES)
@pytest.mark.parametrize("kind", TYPES)
def test_dequantised(kind, how):
    x, scale, zero, axis, block, expected = quantised(kind, how)
    tensors = {"x": x, "s": scale, "z": zero}
    assert_loads(content(model_of([dequantise(axis, block)], tensors)), of_w(expected))
    if kind in ("int8", "int4"):
        del tensors["z"]
        expected = quantised(kind, how)[0].astype("f4") * SCALES[how][3](scale)
        made = model_of([dequantise(axis, block, ("x", "s"))], tensors)
        assert_loads(content(made), of_w(expected))


def test_dequantised_as_onnx_does_it():
    """ONNX's own implementation gives the same."""
    evaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator
    compared = 0
    for kind in TYPES:
        for how in SCALES:
            x, scale, zero, axis, block, _ = quantised(kind, how, 1)
            made = model_of([dequantise(axis, block)], {"x": x, "s": scale, "z": zero}, 21)
            del made.graph.node[1:]
            del made.graph.output[:]
            made.graph.output.add(name="W")
            try:
                theirs = evaluator(made).run(None, {})[0]
            except (ValueError, TypeError, NotImplementedError):
                continue  # older releases know less
            made = model_of([dequantise(axis, block)], {"x": x, "s": scale, "z": zero}, 21)
            assert_loads(content(made), of_w(theirs))
            compared += 1
    assert compared >= 12  # of 42


def test_dequantised_floats_and_long_integers():
    x = np.arange(W.size).reshape(W.shape)
    for dtype in (ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, np.int32):
        tensors = {"x": x.astype(dtype), "s": np.float32(0.3)}
        made = model_of([dequantise(1, 0, ("x", "s"))], tensors)
        assert_loads(content(made), of_w(x.astype(dtype).astype("f4") * np.float32(0.3)))
        made = model_of([dequantise(1, 0)], {**tensors, "z": np.zeros((), dtype)})
        assert_loads(content(made), of_w(x.astype(dtype).astype("f4") * np.float32(0.3)))
        made = model_of([dequantise(1, 0)], {**tensors, "z": np.ones((), dtype)})
        assert "cannot be computed by DequantizeLinear" in reason(made)


@pytest.mark.parametrize("scale", [np.float16(0.3), ml_dtypes.bfloat16(0.3)])
def test_dequantised_to_half_precision(scale):
    x = np.arange(W.size).astype("i1").reshape(W.shape)
    half = (x.astype("f4") * np.float32(scale)).astype(scale.dtype)
    tensors = {"x": x, "s": np.array(scale)}
    floats = {"R": R.astype(scale.dtype), "B": B.astype(scale.dtype)}
    made = model_of([dequantise(1, 0, ("x", "s"))], {**tensors, **floats})
    expected = of_w(half.astype("f4"))
    for name in PARAMETERS:
        if name != "weight_ih_l0":
            expected[name] = PARAMETERS[name].astype(scale.dtype).astype("f4")
    assert_loads(content(made), expected)
    made = model_of([dequantise(1, 0, ("x", "s"), output_dtype=TensorProto.FLOAT)], tensors, 23)
    assert_loads(content(made), of_w(x.astype("f4") * np.float32(scale)))


@pytest.mark.parametrize("how", SCALES)
@pytest.mark.parametrize("kind", TYPES)
def test_weights_that_are_quantised_and_back(kind, how):
    """What quantisers insert: the weights are what the integers stand for, not the floats."""
    _, scale, zero, axis, block, _ = quantised(kind, how, 2)
    low, high = TYPES[kind][1:]
    spread = SCALES[how][3]
    # Some halves, which are rounded to even.
    w = W * np.float32(2)
    w[0, 0] = np.broadcast_to(spread(scale), W.shape)[0, 0] * np.array([0.5, 1.5, -2.5], "f4")
    steps = np.rint(w / spread(scale)) + spread(zero.astype("f4"))
    integers = np.clip(steps, low, high - 1)
    expected = (integers - spread(zero.astype("f4"))) * spread(scale)
    more = {"block_size": block} if block else {}
    quantise = helper.make_node("QuantizeLinear", ["w", "s", "z"], ["x"], axis=axis, **more)
    tensors = {"w": w, "s": scale, "z": zero}
    made = model_of([quantise, dequantise(axis, block)], tensors)
    assert_loads(content(made), of_w(expected.astype("f4")))


def test_a_quantiser_of_another_domain():
    x = np.arange(W.size).astype("u1").reshape(W.shape)
    made = dequantise(1, 0, ("x", "s"))
    made.domain = "com.microsoft"
    assert_loads(
        content(model_of([made], {"x": x, "s": HALF}, domains=["com.microsoft"])),
        of_w(x.astype("f4") * HALF),
    )
    made.domain = "com.example"
    made = model_of([made], {"x": x, "s": HALF}, domains=["com.example"])
    assert reason(made) == "its input W is computed when the model runs"


INTEGERS = np.arange(W.size).astype("i1").reshape(W.shape)


@pytest.mark.parametrize(
    "tensors, options, text",
    [
        ({"s": np.full(5, HALF)}, {}, "ValueError: (5,) numbers along an axis of 16"),
        ({"s": np.full(16, HALF)}, {"axis": 2}, "ValueError: (16,) numbers along an axis of 3"),
        ({"s": np.full(16, HALF)}, {"axis": 3}, "ValueError: axis 3 of 3"),
        ({"s": np.full(16, HALF)}, {"axis": -4}, "ValueError: axis -4 of 3"),
        ({"s": np.full((1, 4, 3), HALF)}, {}, "ValueError: (1, 4, 3) numbers along an axis of 16"),
        ({"s": np.full((1, 4, 3), HALF)}, {"block": 6}, "numbers for (1, 16, 3) in blocks of 6"),
        ({"s": np.full((1, 4, 3), HALF)}, {"block": -4}, "numbers for (1, 16, 3) in blocks of -4"),
        ({"s": HALF, "z": np.zeros(16, "i1")}, {}, "ValueError: a zero point of int8 (16,)"),
        ({"s": HALF, "z": np.zeros((), "u1")}, {}, "ValueError: a zero point of uint8 ()"),
        ({"s": np.float64(0.5)}, {}, "ValueError: int8 with a scale of float64"),
        ({"s": np.int8(2)}, {}, "ValueError: int8 with a scale of int8"),
        ({"s": HALF, "x": W}, {}, "ValueError: float32 with a scale of float32"),
        ({"s": HALF, "x": INTEGERS.astype("i8")}, {}, "ValueError: int64 with a scale of float32"),
    ],
)  # fmt: skip
def test_quantisation_that_no_specification_allows(tensors, options, text):
    inputs = ("x", "s", "z") if "z" in tensors else ("x", "s")
    made = dequantise(options.get("axis", 1), options.get("block", 0), inputs)
    told = reason(model_of([made], {"x": INTEGERS, **tensors}))
    assert told.startswith("its input W cannot be computed by DequantizeLinear: ")
    assert told.endswith(text)


def test_weights_that_are_no_numbers_have_no_integers():
    quantise = helper.make_node("QuantizeLinear", ["w", "s"], ["x"])
    tensors = {"w": np.where(W.max() == W, np.float32(np.nan), W), "s": HALF}
    made = model_of([quantise, dequantise(1, 0, ("x", "s"))], tensors)
    assert reason(made).endswith("QuantizeLinear: ValueError: NaN has no integer")


# ---------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "nodes, tensors, text",
    [
        ([node("Gather", "ab")], {"a": W, "b": np.array([1])}, "cannot be computed by Gather: IndexError"),
        ([node("Gather", "ab", axis=7)], {"a": W, "b": np.array([0])}, "cannot be computed by Gather: IndexError"),
        ([node("Reshape", "ab")], {"a": W, "b": np.array([7, 7])}, "cannot be computed by Reshape: ValueError"),
        ([node("Add", "ab")], {"a": W, "b": W[:, :5]}, "cannot be computed by Add: ValueError"),
        ([node("Expand", "ab")], {"a": W, "b": np.array([1, 17, 3])}, "cannot be computed by Expand: ValueError"),
        ([node("Expand", "ab")], {"a": W, "b": np.array([-1])}, "cannot be computed by Expand: ValueError"),
        ([node("Expand", "ab")], {"a": W, "b": np.ones(99, "i8")}, "cannot be computed by Expand: ValueError"),
        ([node("Expand", "a")], {"a": W}, "cannot be computed by Expand: IndexError"),
        ([node("ConstantOfShape", "a")], {"a": np.array([-1, 2])}, "cannot be computed by ConstantOfShape: ValueError"),
        ([node("ConstantOfShape", "a")], {"a": np.array([2**40] * 3)}, "cannot be computed by ConstantOfShape: ValueError"),
        ([helper.make_node("Split", ["a", "b"], ["W", "c"], axis=1)], {"a": W, "b": np.array([3, 3])}, "cannot be computed by Split: ValueError: (3, 3) of 16, for 2 outputs"),
        ([helper.make_node("Split", ["a", "b"], ["W", "c"], axis=1)], {"a": W, "b": np.array([32, -16])}, "cannot be computed by Split: ValueError"),
        ([helper.make_node("Split", ["a"], ["W"], axis=3)], {"a": W}, "cannot be computed by Split: IndexError: axis 3 of 3"),
        ([node("Cast", "a", to=TensorProto.STRING)], {"a": W}, "is cast to a type that LSTMs do not have"),
        ([node("Cast", "a", to=99)], {"a": W}, "is cast to a type that LSTMs do not have"),
        ([node("Tanh", "a")], {"a": W}, "is computed when the model runs"),
        ([node("Mul", "aX")], {"a": W}, "is computed when the model runs"),
        ([node("Identity", "a"), node("Neg", "a")], {"a": W}, "is computed when the model runs"),
        ([node("Neg", "b"), node("Identity", "a", "b")], {"a": W}, "is computed when the model runs"),
        ([node("Cast", "a", to=TensorProto.INT8)], {"a": W}, "is of dtype int8"),
        ([node("Cast", "a", to=TensorProto.COMPLEX64)], {"a": W}, "is of dtype complex64"),
    ],
)  # fmt: skip
def test_what_cannot_be_computed_is_named(nodes, tensors, text):
    told = reason(model_of(nodes, tensors))
    assert told.startswith(f"its input W {text}"), told


def test_one_weight_that_cannot_be_computed_leaves_the_others():
    made = model_of([node("Gather", "ab")], {"a": W, "b": np.array([9])})
    made.graph.node.append(lstm_node(WEIGHTS, {"W": "a", "R": "R", "B": "B"}, "other"))
    assert [each.prefix for each in pylstm.find_lstms(content(made))] == ["other"]
    assert_loads(content(made), PARAMETERS, "other")


@pytest.mark.parametrize(
    "nodes, tensors",
    [
        ([node("Expand", "ab")], {"a": np.ones((1, 1, 1), "f4"), "b": np.array([1, 16, 2**40])}),
        ([node("Expand", "ab")], {"a": np.ones((1, 1, 1), "f4"), "b": np.array([1, 16, 2**22])}),
        ([node("ConstantOfShape", "a")], {"a": np.array([2**36])}),
        ([node("Tile", "ab")], {"a": W, "b": np.array([1, 1, 2**30])}),
        ([node("Gather", "ab", axis=0), node("Gather", "Wb", "c")], {"a": W, "b": np.zeros(2**18, "u1").astype("i4")}),
        ([node("Add", "ab")], {"a": np.ones((2**12, 1), "f4"), "b": np.ones((1, 2**12), "f4")}),
        ([node("Neg", "a", "a0"), *[node("Add", [f"a{i}"] * 2, f"a{i + 1}") for i in range(9)]], {"a": np.ones(2**20, "f4"), "b": np.ones(1)}),
    ],
)  # fmt: skip
def test_nodes_that_want_far_more_than_the_file(nodes, tensors):
    made = model_of(nodes, tensors)
    if nodes[-1].output[0] != "W":
        made.graph.node[-1].input[1] = nodes[-1].output[0]
    try:
        found = pylstm.find_lstms(content(made))
    except pylstm.WeightFileError as error:
        assert "far more memory than the file" in str(error)
    else:
        assert found == []


def test_computed_weights_are_as_many_as_integers_of_four_bits_give():
    """Many nodes that each expand a number: what load would return has a bound."""
    shape = np.array([1, 4 * 64, 64])
    nodes = [constant("one", np.float32(1)), constant("shape", shape)]
    for index in range(300):
        nodes.append(node("Add", ["one", "one"], f"n{index}"))
        nodes.append(node("Expand", [f"n{index}", "shape"], f"w{index}"))
        nodes.append(
            helper.make_node("LSTM", ["X", f"w{index}", f"w{index}"], ["Y"], hidden_size=64)
        )
    with pytest.raises(pylstm.WeightFileError, match="far more memory than the file"):
        pylstm.find_lstms(content(make_model(nodes, {})))
    assert len(pylstm.find_lstms(content(make_model(nodes[:302], {})))) == 100


def test_finding_reads_no_weights(tmp_path):
    """Weights beside the model are read when they are asked for, one by one."""
    made = make_model([lstm_node(WEIGHTS)], WEIGHTS)
    path = tmp_path / "model.onnx"
    onnx.save(made, path, save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    with open_weights(path) as file:
        leaf = file.tree["rnn"].state["_parameters"]["weight_ih_l0"]
        (tmp_path / "model.onnx.data").write_bytes(bytes(4 * (W.size + R.size + B.size)))
        assert not leaf.read().any()
    with open_weights(path) as file:
        leaf = file.tree["rnn"].state["_parameters"]["weight_ih_l0"]
    with pytest.raises(ValueError, match="closed"):
        leaf.read()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.0, -0.0, -0.1])
@pytest.mark.parametrize("how", ["one", "one of a vector", "one row", "one block"])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_scales_that_no_quantiser_makes(bad, how, dtype):
    """The weights would be NaN, infinite, zeros or of the other sign, and nothing would say so."""
    scale = {
        "one": np.array(bad),
        "one of a vector": np.array([bad]),
        "one row": np.where(np.arange(16) == 3, bad, 0.1),
        "one block": np.where(np.arange(16) == 3, bad, 0.1).reshape(1, 16, 1),
    }[how].astype("f4")
    block = 3 if how == "one block" else 0
    axis = 2 if block else 1
    tensors = {"x": np.ones(W.shape, dtype), "s": scale}
    told = f"a scale of {np.float32(bad):g}, which is not positive and finite"
    made = model_of([dequantise(axis, block, ("x", "s"))], tensors)
    assert told in reason(made)
    more = {"block_size": block} if block else {}
    zero = np.zeros(scale.shape, dtype)
    tensors = {"w": W, "s": scale, "z": zero, "t": np.full_like(scale, 0.1)}
    quantise = helper.make_node("QuantizeLinear", ["w", "s", "z"], ["x"], axis=axis, **more)
    made = model_of([quantise, dequantise(axis, block, ("x", "t", "z"))], tensors)
    assert told in reason(made)
    good = np.where(np.isfinite(scale) & (scale > 0), scale, np.float32(0.5))
    tensors = {"x": np.ones(W.shape, dtype), "s": good}
    made = model_of([dequantise(axis, block, ("x", "s"))], tensors)
    expected = np.ones(W.shape, "f4") * good.reshape(-1, 1) if good.size > 1 else good
    assert_loads(content(made), of_w(np.broadcast_to(expected, W.shape)))
