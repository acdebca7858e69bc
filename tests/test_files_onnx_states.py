"""ONNX LSTMs that begin with constants: initial states, lengths of sequences, peepholes."""

import numpy as np
import pytest
from reference import fractions, lstm

import pylstm
from pylstm.files.base.record import Record

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx_models import (  # noqa: E402
    HIDDEN,
    INPUTS,
    STEPS,
    constant,
    content,
    lstm_node,
    make_model,
    node_weights,
    quietly,
    reason,
    torch_parameters,
    tree,
)

BOTH = ("", "h", "c")  # the inputs behind B: no lengths, and both states


def model(
    states, nodes=(), *, directions=1, inputs=BOTH, dtype="f4", more=(), x=None, **attributes
):
    """A model of one LSTM that begins with ``states``, which ``nodes`` may make of others."""
    parameters = torch_parameters(directions == 2, dtype=dtype)
    weights = node_weights(parameters)
    node = lstm_node(weights, inputs=inputs, **attributes)
    shape = x or (None, None, INPUTS)
    return make_model([*nodes, node], {**weights, **states}, inputs=more, x=shape)


def values(seed, *shape, dtype="f4"):
    return fractions(seed, shape).astype(dtype)


def found(made):
    """The states of the only LSTM, which is the same whichever way it is looked at."""
    [lstm_found] = pylstm.find_lstms(content(made))
    [again] = pylstm.find_lstms(pylstm.load(content(made)))
    if lstm_found.initial_states is None:
        assert again.initial_states is None
        return None
    for one, other in zip(lstm_found.initial_states, again.initial_states, strict=True):
        assert one.dtype == other.dtype and one.tobytes() == other.tobytes()
    return lstm_found.initial_states


def assert_found(made, h, c):
    h_0, c_0 = found(made)
    for ours, theirs in ((h_0, h), (c_0, c)):
        assert ours.dtype == "float32"
        assert ours.shape == theirs.shape
        np.testing.assert_array_equal(ours, theirs)


# ---------------------------------------------------------------------------- constants


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("directions, batch", [(1, 1), (1, 3), (2, 1), (2, 3)])
def test_initial_states(directions, batch, layout):
    h, c = values(1, directions, batch, HIDDEN), values(2, directions, batch, HIDDEN)
    stored = {"h": h, "c": c}
    if layout:
        stored = {name: each.swapaxes(0, 1).copy() for name, each in stored.items()}
    made = model(stored, directions=directions, layout=layout)
    assert_found(made, h, c)
    # Outputs as the model has them.
    module = quietly(pylstm.LSTM.from_weights, content(made))
    x = fractions(3, (STEPS, batch, INPUTS)).astype("f4")
    output, _ = module(x.swapaxes(0, 1).copy() if layout else x, found(made))
    expected, _ = lstm(torch_parameters(directions == 2), x, (h, c))
    np.testing.assert_allclose(output.swapaxes(0, 1) if layout else output, expected, atol=1e-6)
    without, _ = lstm(torch_parameters(directions == 2), x)
    assert abs(without - expected).max() > 0.01


@pytest.mark.parametrize("given", ["h", "c"])
def test_one_state_alone(given):
    state, zero = values(1, 1, 1, HIDDEN), np.zeros((1, 1, HIDDEN), "f4")
    inputs = ("", "h") if given == "h" else ("", "", "c")
    both = (state, zero) if given == "h" else (zero, state)
    assert_found(model({given: state}, inputs=inputs), *both)
    # A state of zeros beside it is the same, and one row of zeros goes with any batch.
    assert_found(model({"h": both[0], "c": both[1]}), *both)
    rows, zeros = values(3, 1, 3, HIDDEN), np.zeros((1, 3, HIDDEN), "f4")
    stored = {"h": zero, "c": zero, given: rows}
    assert_found(model(stored), *((rows, zeros) if given == "h" else (zeros, rows)))


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_zeros_are_the_default(zero):
    state = np.full((1, 3, HIDDEN), zero, "f4")
    assert found(model({"h": state, "c": state})) is None
    assert found(model({"h": state, "c": np.full_like(state, 1e-45)})) is not None
    assert found(model({"h": state, "c": np.full_like(state, np.nan)})) is not None


def test_constants_that_nodes_make():
    h, c = values(1, 2, 3, HIDDEN), values(2, 2, 3, HIDDEN)
    nodes = [
        constant("h0", h[:1]),
        helper.make_node("Concat", ["h0", "h1"], ["h"], axis=0),
        helper.make_node("Sub", ["c_", "one"], ["half"]),
        helper.make_node("Add", ["half", "one"], ["c2"]),
        helper.make_node("Squeeze", ["c2", "axes"], ["c3"]),
        helper.make_node("Identity", ["c3"], ["c"]),
    ]
    given = {"h1": h[1:], "c_": c[None], "one": np.float32(1), "axes": np.array([0])}
    assert_found(model(given, nodes, directions=2), h, (c - np.float32(1)) + np.float32(1))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "bfloat16"])
def test_dtypes(dtype):
    stored = {"h": values(1, 1, 1, HIDDEN), "c": values(2, 1, 1, HIDDEN)}
    if dtype == "bfloat16":
        stored = {name: (each.view("u4") & 0xFFFF0000).view("f4") for name, each in stored.items()}
        h, c = (
            TensorProto(
                name=name,
                dims=each.shape,
                data_type=TensorProto.BFLOAT16,
                raw_data=(each.view("u4") >> 16).astype("<u2").tobytes(),
            )
            for name, each in stored.items()
        )
        assert_found(model({"h": h, "c": c}), stored["h"], stored["c"])
        return
    stored = {name: each.astype(dtype) for name, each in stored.items()}
    h_0, c_0 = found(model(stored, dtype=dtype))
    assert h_0.dtype == c_0.dtype == ("float64" if dtype == "f8" else "float32")
    np.testing.assert_array_equal(h_0, stored["h"])
    np.testing.assert_array_equal(c_0, stored["c"])


def test_in_graphs_and_functions():
    h, c = values(1, 1, 1, HIDDEN), values(2, 1, 1, HIDDEN)
    weights = node_weights(torch_parameters())
    branch = helper.make_graph([lstm_node(weights, inputs=BOTH)], "branch", [], [])
    empty = helper.make_graph([], "empty", [], [])
    choice = helper.make_node("If", ["yes"], [], "choice", then_branch=branch, else_branch=empty)
    opsets = [helper.make_opsetid("", 22)]
    body = [
        helper.make_node("Neg", ["h_"], ["hn"]),
        helper.make_node(
            "LSTM", ["X", "w", "r", "b", "", "hn", "c_"], ["Y"], "rnn", hidden_size=HIDDEN
        ),
    ]
    layer = helper.make_function("local", "Layer", ["X", "w", "r", "b", "h_", "c_"], ["Y"], body, opsets)  # fmt: skip
    call = helper.make_node("Layer", ["X", "W", "R", "B", "h", "c"], ["Y1"], "call", domain="local")
    made = make_model([choice, call], {**weights, "h": h, "c": c}, [layer])
    states = {each.prefix: each.initial_states for each in pylstm.find_lstms(content(made))}
    assert list(states) == ["choice.then_branch.rnn", "call.rnn"]
    np.testing.assert_array_equal(states["choice.then_branch.rnn"][0], h)
    np.testing.assert_array_equal(states["call.rnn"][0], -h)
    np.testing.assert_array_equal(states["call.rnn"][1], c)


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_states_that_a_function_makes(value):
    """Of its own constants and of the sizes of what it is given."""
    weights = node_weights(torch_parameters())
    make = helper.make_function(
        "local",
        "Begin",
        ["x", "row"],
        ["state", "same"],
        [
            *sizes(source="x"),
            helper.make_node("Expand", ["row", "sizes"], ["rows"]),
            helper.make_node("Identity", ["rows"], ["state"]),
            helper.make_node("Identity", ["row"], ["same"]),
        ],
        [helper.make_opsetid("", 22)],
    )
    row = np.full((1, 1, HIDDEN), value, "f4")
    calls = [
        helper.make_node("Begin", ["X", "row"], ["h", "row2"], "begin", domain="local"),
        helper.make_node("Begin", ["X", "row2"], ["c", ""], "again", domain="local"),
    ]
    made = make_model([*calls, lstm_node(weights, inputs=BOTH)], {**weights, "row": row}, [make])
    if value:
        assert_found(made, row, row)
    else:
        assert found(made) is None


def test_nodes_of_both_layouts_may_share_a_state():
    """The same array, read with the batch first and second."""
    weights = node_weights(torch_parameters(bidirectional=True))
    h = values(1, 2, 2, HIDDEN)
    nodes = [
        lstm_node(weights, name="first", inputs=("", "h"), layout=0),
        lstm_node(weights, name="second", inputs=("", "h"), layout=1),
    ]
    one, two = pylstm.find_lstms(content(make_model(nodes, {**weights, "h": h})))
    np.testing.assert_array_equal(one.initial_states[0], h)
    np.testing.assert_array_equal(two.initial_states[0], h.swapaxes(0, 1))


def test_nodes_share_what_they_begin_with():
    """A node of some bytes does not become arrays of its own."""
    weights = node_weights(torch_parameters())
    state = values(1, 1, 100, HIDDEN)
    nodes = [lstm_node(weights, name=f"n{index}", inputs=("", "h")) for index in range(500)]
    every = pylstm.find_lstms(content(make_model(nodes, {**weights, "h": state})))
    assert len(every) == 500
    assert len({id(array) for each in every for array in each.initial_states}) == 2


# ---------------------------------------------------------------------------- an open batch


def sizes(batch_axis=1, source="X", *, parts=(1, None, HIDDEN)):
    """The nodes by which exporters make the sizes of a state; None is the batch."""
    nodes = [
        helper.make_node("Shape", [source], ["shape"]),
        constant("axis", np.array(batch_axis)),
        helper.make_node("Gather", ["shape", "axis"], ["n"], axis=0),
        constant("zeroth", np.array([0])),
        helper.make_node("Unsqueeze", ["n", "zeroth"], ["n1"]),
    ]
    names = []
    for index, part in enumerate(parts):
        names.append("n1" if part is None else f"part{index}")
        if part is not None:
            nodes.append(constant(names[-1], np.array([part])))
    return [*nodes, helper.make_node("Concat", names, ["sizes"], axis=0)]


def filled(name, value):
    number = numpy_helper.from_array(np.array([value], "f4"))
    return helper.make_node("ConstantOfShape", ["sizes"], [name], value=number)


def expanded_zeros():
    return [*sizes(), helper.make_node("Expand", ["zero", "sizes"], ["h"])]


ZEROS = {
    "ConstantFill of ONNX before 1.4": (
        [*sizes(), helper.make_node("ConstantFill", ["sizes"], ["h"], input_as_shape=1, value=0.0)],
        {},
    ),
    "cast like the model's input": (
        [*sizes(), filled("z", 0.0), helper.make_node("CastLike", ["z", "X"], ["h"])],
        {},
    ),
    "ConstantOfShape": ([*sizes(), filled("h", 0.0)], {}),
    "ConstantOfShape without a value": (
        [*sizes(), helper.make_node("ConstantOfShape", ["sizes"], ["h"])],
        {},
    ),
    "Expand": (expanded_zeros(), {"zero": np.zeros(1, "f4")}),
    "Expand of -0.0": (expanded_zeros(), {"zero": np.full(1, -0.0, "f4")}),
    "of what has no shape": (
        [
            helper.make_node("Foo", ["X"], ["features"], domain="com.example"),
            *sizes(3, "features"),
            filled("h", 0.0),
        ],
        {},
    ),
    "sliced": (
        [
            *sizes(parts=(4, None, HIDDEN)),
            filled("all", 0.0),
            helper.make_node("Slice", ["all", "two", "three"], ["h"]),
        ],
        {"two": np.array([2]), "three": np.array([3])},
    ),
    "of sizes that the model does not say": (
        [
            helper.make_node("Foo", ["X"], ["sizes"], domain="com.example"),
            filled("all", 0.0),
            helper.make_node("Transpose", ["all"], ["h"], perm=[1, 0, 2]),
        ],
        {},
    ),
    "times a number": (
        [*sizes(), filled("z", 0.0), helper.make_node("Mul", ["z", "minus"], ["h"])],
        {"minus": np.zeros(1, "f4")},
    ),
}


@pytest.mark.parametrize("how", ZEROS)
def test_zeros_of_an_open_batch_are_the_default(how):
    nodes, tensors = ZEROS[how]
    made = model(tensors, nodes, inputs=("", "h", "h"))
    assert found(made) is None
    quietly(pylstm.LSTM.from_weights, content(made))


def learned(kind):
    """Nodes that make h of the constant ``learned``, that constant, and what h is."""
    one = values(1, 1, 1, HIDDEN)
    layers = values(2, 3, 1, HIDDEN)
    if kind == "Expand":
        return [*sizes(), helper.make_node("Expand", ["learned", "sizes"], ["h"])], one, one
    if kind == "Tile":
        nodes = [*sizes(parts=(1, None, 1)), helper.make_node("Tile", ["learned", "sizes"], ["h"])]
        return nodes, one, one
    if kind == "a vector":
        nodes = [*sizes(), helper.make_node("Expand", ["learned", "sizes"], ["h"])]
        return nodes, one[0, 0], one
    if kind == "a number":
        return [*sizes(), filled("h", 0.25)], one, np.full_like(one, 0.25)
    if kind == "the second layer of three":
        nodes = [
            *sizes(parts=(3, None, HIDDEN)),
            helper.make_node("Expand", ["learned", "sizes"], ["all"]),
            constant("from", np.array([1])),
            constant("to", np.array([2])),
            helper.make_node("Slice", ["all", "from", "to"], ["h"]),
        ]
        return nodes, layers, layers[1:2]
    if kind == "the last layer by Gather":
        nodes = [
            *sizes(parts=(3, None, HIDDEN)),
            helper.make_node("Expand", ["learned", "sizes"], ["all"]),
            constant("which", np.array([-1])),
            helper.make_node("Gather", ["all", "which"], ["h"], axis=0),
        ]
        return nodes, layers, layers[2:]
    if kind == "the first layer by Split":
        nodes = [
            *sizes(parts=(3, None, HIDDEN)),
            helper.make_node("Expand", ["learned", "sizes"], ["all"]),
            helper.make_node("Split", ["all"], ["h", "h2", "h3"], axis=0, num_outputs=3),
        ]
        return nodes, layers, layers[:1]
    if kind == "sizes of -1, as torch writes them":
        nodes = [
            *sizes(parts=(-1, None, -1)),
            helper.make_node("Shape", ["sizes"], ["rank"]),
            helper.make_node(
                "ConstantOfShape", ["rank"], ["ones"], value=numpy_helper.from_array(np.array([1]))
            ),
            constant("minus", np.array(-1)),
            helper.make_node("Mul", ["ones", "minus"], ["minuses"]),
            helper.make_node("Equal", ["sizes", "minuses"], ["kept"]),
            helper.make_node("Where", ["kept", "ones", "sizes"], ["chosen"]),
            helper.make_node("Expand", ["learned", "chosen"], ["h"]),
        ]
        return nodes, one, one
    assert kind == "transposed"
    nodes = [
        *sizes(parts=(None, 1, HIDDEN)),
        helper.make_node("Expand", ["learned", "sizes"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["h"], perm=[1, 0, 2]),
    ]
    return nodes, one, one


@pytest.mark.parametrize(
    "kind",
    [
        "Expand",
        "Tile",
        "a vector",
        "a number",
        "the second layer of three",
        "the last layer by Gather",
        "the first layer by Split",
        "sizes of -1, as torch writes them",
        "transposed",
    ],
)
def test_a_learned_state_for_any_batch(kind):
    nodes, tensor, h = learned(kind)
    made = model({"learned": tensor}, nodes, inputs=("", "h"))
    assert_found(made, h, np.zeros_like(h))
    # ONNX's own implementation gives the same rows for a batch of 3.
    made.graph.output.add(name="h")
    evaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator(made)
    x = fractions(3, (STEPS, 3, INPUTS)).astype("f4")
    y, theirs = evaluator.run(["Y", "h"], {"X": x})
    np.testing.assert_array_equal(theirs, h[:, [0] * 3])
    module = quietly(pylstm.LSTM.from_weights, content(made))
    ours, _ = module(x, tuple(state.repeat(3, 1) for state in found(made)))
    np.testing.assert_allclose(ours, y[:, 0], atol=1e-6)


def test_both_directions_of_one_learned_row():
    h = values(1, 1, 1, HIDDEN)
    nodes = [
        *sizes(parts=(2, None, HIDDEN)),
        helper.make_node("Expand", ["learned", "sizes"], ["h"]),
    ]
    made = model({"learned": h}, nodes, directions=2, inputs=("", "h", "h"))
    assert_found(made, h[[0, 0]], h[[0, 0]])


def test_a_batch_that_is_declared():
    """The sizes of the model's input are known: so is the state, row by row."""
    h = values(1, 1, 1, HIDDEN)
    nodes = [*sizes(), helper.make_node("Expand", ["learned", "sizes"], ["h"])]
    made = model({"learned": h}, nodes, inputs=("", "h"), x=(None, 3, INPUTS))
    assert_found(made, h[:, [0] * 3], np.zeros((1, 3, HIDDEN)))


# ---------------------------------------------------------------------------- when the model runs


def test_states_that_the_model_is_given():
    floats = TensorProto.FLOAT
    infos = [helper.make_tensor_value_info(name, floats, [1, None, HIDDEN]) for name in "hc"]
    assert found(model({}, more=infos)) is None
    computed = [helper.make_node("Foo", ["X"], ["h", "c"], domain="com.example")]
    assert found(model({}, computed)) is None
    # An encoder's last state, or rows that were learned, chosen by what the model is given.
    table = [
        helper.make_node("Gather", ["table", "who"], ["rows"], axis=0),
        helper.make_node("Unsqueeze", ["rows", "axes"], ["h"]),
    ]
    info = helper.make_tensor_value_info("who", TensorProto.INT64, [None])
    tensors = {"table": values(1, 9, HIDDEN), "axes": np.array([0])}
    assert found(model(tensors, table, inputs=("", "h"), more=[info])) is None
    random = [helper.make_node("RandomNormal", [], ["h"], shape=[1, 1, HIDDEN])]
    assert found(model({}, random, inputs=("", "h"))) is None


def test_one_state_constant_and_the_other_given():
    info = helper.make_tensor_value_info("c", TensorProto.FLOAT, [1, None, HIDDEN])
    text = reason(model({"h": values(1, 1, 1, HIDDEN)}, more=[info]))
    assert text == "its initial_h is constant, its initial_c is computed when the model runs"
    assert found(model({"h": np.zeros((1, 1, HIDDEN), "f4")}, more=[info])) is None


# ---------------------------------------------------------------------------- what is not sure


def sliced_by_batch():
    """A row for every place in the batch."""
    nodes = [*sizes(), helper.make_node("Slice", ["table", "zeroth", "n1", "one"], ["h"])]
    return nodes, {"table": values(1, 1, 64, HIDDEN), "one": np.array([1])}


@pytest.mark.parametrize(
    "nodes, tensors, text",
    [
        (*sliced_by_batch(), "its initial_h is computed from constants by Slice"),
        (
            [
                *sizes(),
                helper.make_node("Expand", ["learned", "sizes"], ["rows"]),
                helper.make_node("Tanh", ["rows"], ["h"]),
            ],
            {"learned": values(1, 1, 1, HIDDEN)},
            "its initial_h is computed from constants by Tanh",
        ),
        (
            [*sizes(parts=(1, None, 1)), helper.make_node("Tile", ["table", "sizes"], ["h"])],
            {"table": values(1, 1, 2, HIDDEN)},
            "its initial_h is computed from constants and from sizes that are open until the model runs",
        ),
        (
            [
                *sizes(),
                helper.make_node("Cast", ["n"], ["f"], to=TensorProto.FLOAT),
                helper.make_node("Expand", ["f", "sizes"], ["h"]),
            ],
            {},
            "its initial_h is computed from constants and from sizes that are open until the model runs",
        ),
        (
            [
                helper.make_node("Foo", ["X"], ["sizes"], domain="com.example"),
                helper.make_node("Expand", ["learned", "sizes"], ["h"]),
            ],
            {"learned": values(1, 1, 1, HIDDEN)},
            "its initial_h is computed from constants and from sizes that are open until the model runs",
        ),
        (
            [
                *sizes(),
                helper.make_node("Expand", ["learned", "sizes"], ["rows"]),
                helper.make_node("CastLike", ["rows", "X"], ["h"]),
            ],
            {"learned": values(1, 1, 1, HIDDEN)},
            "its initial_h is computed from constants by CastLike",
        ),
        (
            [*sizes(), helper.make_node("ConstantFill", ["sizes"], ["h"], input_as_shape=1, value=0.5)],
            {},
            "its initial_h is computed from constants by ConstantFill",
        ),
        ([], {"h": values(1, 2, 1, HIDDEN)}, "its initial_h has shape (2, 1, 4), not (1, batch, 4)"),
        ([], {"h": values(1, 1, 1, 5)}, "its initial_h has shape (1, 1, 5), not (1, batch, 4)"),
        ([], {"h": values(1, 1, HIDDEN)}, "its initial_h has shape (1, 4), not (1, batch, 4)"),
        ([], {"h": values(1, 1, 0, HIDDEN)}, "its initial_h has shape (1, 0, 4), not (1, batch, 4)"),
        ([], {"h": np.ones((1, 1, HIDDEN), "i8")}, "its initial_h is of dtype int64"),
        ([], {"h": np.ones((1, 1, HIDDEN), "?")}, "its initial_h is of dtype bool"),
        (
            [],
            {"h": helper.make_tensor("h", TensorProto.STRING, [1, 1, HIDDEN], [b"a"] * HIDDEN)},
            "its initial_h is of type STRING",
        ),
        (
            [helper.make_node("Gather", ["table", "nine"], ["h"], axis=0)],
            {"table": values(1, 3, 1, HIDDEN), "nine": np.array([9])},
            "its initial_h cannot be computed by Gather: IndexError: index 9 is out of bounds for axis 0 with size 3",
        ),
    ],
)  # fmt: skip
def test_what_may_be_a_state_is_named(nodes, tensors, text):
    assert reason(model(tensors, nodes, inputs=("", "h"))) == text


def test_layout_1_tells_shapes_in_its_own_order():
    state = {"h": values(1, 1, 3, HIDDEN)}
    text = "its initial_h has shape (1, 3, 4), not (batch, 1, 4)"
    assert reason(model(state, inputs=("", "h"), layout=1)) == text


def test_states_of_different_batches():
    states = {"h": values(1, 1, 2, HIDDEN), "c": values(2, 1, 3, HIDDEN)}
    assert reason(model(states)) == "its initial_h and initial_c are of different batches"


# ---------------------------------------------------------------------------- lengths


@pytest.mark.parametrize("lengths", [[3, 5], [3, 3], [4, 4], [0, 0]])
def test_constant_lengths(lengths):
    given = {"lengths": np.array(lengths, "i4")}
    text = f"its sequence_lens is constant: {lengths[0]}, {lengths[1]}"
    assert reason(model(given, inputs=("lengths",))) == text
    assert reason(model(given, inputs=("lengths",), x=(STEPS, 2, INPUTS))) == text
    assert reason(model(given, inputs=("lengths",), x=(2, STEPS, INPUTS), layout=1)) == text


def test_lengths_that_are_those_of_the_whole_sequences():
    given = {"lengths": np.array([STEPS] * 2, "i4")}
    assert found(model(given, inputs=("lengths",), x=(STEPS, 2, INPUTS))) is None
    assert found(model(given, inputs=("lengths",), x=(2, STEPS, INPUTS), layout=1)) is None
    # The model's input is transposed before.
    weights = node_weights(torch_parameters())
    node = lstm_node(weights, inputs=("lengths",))
    node.input[0] = "turned"
    turn = helper.make_node("Transpose", ["X"], ["turned"], perm=[1, 0, 2])
    for shape, right in (((2, STEPS, INPUTS), True), ((STEPS, 2, INPUTS), False)):
        made = make_model([turn, node], {**weights, **given}, x=shape)
        assert (pylstm.find_lstms(content(made)) != []) == right


def test_lengths_that_follow_the_model():
    info = helper.make_tensor_value_info("lengths", TensorProto.INT32, [None])
    assert found(model({}, inputs=("lengths",), more=[info])) is None
    # As other exporters write the whole length, once for each row of the batch.
    nodes = [
        *sizes(parts=(None,)),
        constant("zero", np.array(0)),
        helper.make_node("Gather", ["shape", "zero"], ["steps"], axis=0),
        helper.make_node("Cast", ["steps"], ["steps32"], to=TensorProto.INT32),
        helper.make_node("Expand", ["steps32", "sizes"], ["lengths"]),
    ]
    assert found(model({}, nodes, inputs=("lengths",))) is None
    # A constant for each row of the batch.
    nodes = [*sizes(parts=(None,)), helper.make_node("Expand", ["three", "sizes"], ["lengths"])]
    made = model({"three": np.array([3], "i4")}, nodes, inputs=("lengths",))
    assert reason(made) == "its sequence_lens is constant: 3, 3"


# ---------------------------------------------------------------------------- peepholes, activations


@pytest.mark.parametrize("directions", [1, 2])
def test_peepholes_of_zeros_are_none(directions):
    zeros = np.zeros((directions, 3 * HIDDEN), "f4")
    inputs = ("", "", "", "P")
    assert found(model({"P": zeros}, directions=directions, inputs=inputs)) is None
    zeros[-1, -1] = 1e-45
    made = content(model({"P": zeros}, directions=directions, inputs=inputs))
    [lstm] = pylstm.find_lstms(made)
    assert lstm.options == {"peepholes": True}
    # ONNX's last gate with a peephole is f.
    name = "weight_pf_l0_reverse" if directions == 2 else "weight_pf_l0"
    state = pylstm.LSTM.from_weights(made).state_dict()
    assert [each for each, value in state.items() if "weight_p" in each and value.any()] == [name]
    np.testing.assert_array_equal(state[name], zeros[-1, -HIDDEN:])
    info = helper.make_tensor_value_info("P", TensorProto.FLOAT, zeros.shape)
    made = model({}, directions=directions, inputs=inputs, more=[info])
    assert reason(made) == "its input P is computed when the model runs"


@pytest.mark.parametrize(
    "attributes",
    [
        {"activations": ["SIGMOID", "tanh", "TANH"]},
        {"activations": ["Sigmoid", "Tanh", "Tanh"], "activation_alpha": [9.0], "activation_beta": [9.0]},
        {"activation_alpha": [0.5, 0.5, 0.5]},
        {"input_forget": 0, "layout": 0, "direction": "forward"},
    ],
)  # fmt: skip
def test_attributes_that_change_nothing(attributes):
    h = values(1, 1, 1, HIDDEN)
    assert_found(model({"h": h}, inputs=("", "h"), **attributes), h, np.zeros_like(h))


@pytest.mark.parametrize(
    "names",
    [["Sigmoid"], ["Sigmoid", "Tanh"], ["Tanh", "Tanh", "Tanh"], ["Sigmoid", "Tanh", "Tanh"] * 2 + ["Relu"], ["ScaledTanh", "Tanh", "Tanh"]],
)  # fmt: skip
def test_other_activations(names):
    assert "not Sigmoid, Tanh, Tanh" in reason(model({}, inputs=(), activations=names))


def test_the_record_keeps_them():
    h, c = values(1, 1, 1, HIDDEN), values(2, 1, 1, HIDDEN)
    leaf = tree(model({"h": h, "c": c}))["rnn"]
    assert isinstance(leaf, Record)
    np.testing.assert_array_equal(leaf.initial_states[0], h)
    np.testing.assert_array_equal(leaf.initial_states[1], c)
