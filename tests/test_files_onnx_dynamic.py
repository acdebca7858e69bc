"""onnxruntime's DynamicQuantizeLSTM: integers, scales and zero points become the floats meant."""

import numpy as np
import pytest
from reference import fractions

onnx = pytest.importorskip("onnx")
from onnx import helper  # noqa: E402
from onnx_models import (  # noqa: E402
    HIDDEN,
    INPUTS,
    TO_ONNX,
    assert_loads,
    constant,
    content,
    make_model,
    node_weights,
    quietly,
    reason,
    torch_parameters,
    tree,
)

ROWS = 4 * HIDDEN
COMPANIONS = ["W_scale", "W_zero", "R_scale", "R_zero"]
DOMAIN = "com.microsoft"
TYPES = {"int8": (-128, 127), "uint8": (0, 255)}


def quantised(directions=1, dtype="int8", each_row=True, bias=True, seed=1):
    """Return the tensors of a node, and the parameters of torch that they stand for."""
    rng = np.random.default_rng(seed)
    low, high = TYPES[dtype]
    tensors = {}
    parameters = dict(torch_parameters(directions == 2, bias))
    weights = node_weights(parameters)
    if bias:
        tensors["B"] = weights["B"]
    for role, columns, side in (("W", INPUTS, "ih"), ("R", HIDDEN, "hh")):
        shape = (directions, ROWS) if each_row else (directions,)
        integers = rng.integers(low, high + 1, (directions, columns, ROWS)).astype(dtype)
        scale = np.ldexp(rng.integers(1, 2**20, shape), -26).astype("f4")
        zero = rng.integers(low, high + 1, shape).astype(dtype)
        tensors |= {role: integers, f"{role}_scale": scale, f"{role}_zero": zero}
        wide = (each.reshape(directions, 1, -1) for each in (zero.astype("f8"), scale.astype("f8")))
        zero, scale = wide
        floats = ((integers.astype("f8") - zero) * scale).astype("f4").swapaxes(1, 2)
        for at, end in enumerate(["_l0", "_l0_reverse"][:directions]):
            blocks = np.split(floats[at], 4)  # in ONNX's order
            in_order = [blocks[TO_ONNX.index(gate)] for gate in range(4)]
            parameters[f"weight_{side}{end}"] = np.concatenate(in_order)
    return tensors, parameters


def model(tensors, domain=DOMAIN, nodes=(), more=(), **attributes):
    if len(tensors["W"]) == 2:
        attributes.setdefault("direction", "bidirectional")
    inputs = ["X", "W", "R", "B" if "B" in tensors else "", "", "", "", "", *COMPANIONS]
    for at, name in more:
        inputs[at] = name
    attributes |= {"domain": domain, "hidden_size": HIDDEN}
    node = helper.make_node("DynamicQuantizeLSTM", inputs, ["Y", "Y_h", "Y_c"], "rnn", **attributes)
    return make_model([*nodes, node], tensors)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("each_row", [True, False])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("directions", [1, 2])
def test_weights(directions, dtype, each_row, bias):
    tensors, parameters = quantised(directions, dtype, each_row, bias)
    module = assert_loads(content(model(tensors)), parameters)
    assert not module.batch_first


def test_each_weight_has_a_form_of_its_own():
    one, first = quantised(each_row=True)
    two, second = quantised(dtype="uint8", each_row=False)
    names = ["R", "R_scale", "R_zero"]
    tensors = one | {name: two[name] for name in names}
    assert_loads(content(model(tensors)), first | {"weight_hh_l0": second["weight_hh_l0"]})


def test_integers_in_int32_data():
    tensors, parameters = quantised()
    for name in ("W", "R_zero"):
        made = onnx.TensorProto(
            name=name, dims=tensors[name].shape, data_type=onnx.TensorProto.INT8
        )
        made.int32_data.extend(tensors[name].ravel().tolist())
        tensors[name] = made
    tensors["W"], shape = tensors["W"], (1, INPUTS, ROWS)
    assert tuple(tensors["W"].dims) == shape
    inputs = ["X", "W", "R", "B", "", "", "", "", *COMPANIONS]
    node = helper.make_node("DynamicQuantizeLSTM", inputs, ["Y"], "rnn", domain=DOMAIN)
    assert_loads(content(make_model([node], tensors)), parameters)


def test_computed_integers_and_scales():
    tensors, parameters = quantised()
    nodes = [
        constant("half", tensors.pop("W_scale")),
        helper.make_node("Identity", ["half"], ["W_scale"]),
        helper.make_node("Transpose", ["R_turned"], ["R"], perm=[0, 2, 1]),
    ]
    tensors["R_turned"] = np.ascontiguousarray(tensors.pop("R").swapaxes(1, 2))
    inputs = ["X", "W", "R", "B", "", "", "", "", *COMPANIONS]
    node = helper.make_node("DynamicQuantizeLSTM", inputs, ["Y"], "rnn", domain=DOMAIN)
    assert_loads(content(make_model([*nodes, node], tensors)), parameters)


def test_nodes_that_share_integers():
    tensors, parameters = quantised()
    others = dict(zip(COMPANIONS, (f"other_{name}" for name in COMPANIONS), strict=True))
    tensors |= {
        others[name]: tensors[name] * tensors[name].dtype.type(2) for name in COMPANIONS[::2]
    }
    inputs = ["X", "W", "R", "B", "", "", "", ""]
    again = [others[name] if name.endswith("scale") else name for name in COMPANIONS]
    nodes = [
        helper.make_node("DynamicQuantizeLSTM", inputs + end, ["Y"], name, domain=DOMAIN)
        for name, end in (("one", COMPANIONS), ("two", again), ("three", COMPANIONS))
    ]
    made = content(make_model(nodes, tensors))
    twice = {
        name: value * np.float32(1 + name.startswith("weight"))
        for name, value in parameters.items()
    }
    for name, expected in (("one", parameters), ("two", twice), ("three", parameters)):
        assert_loads(made, expected, name)


def test_attributes_and_states():
    tensors, parameters = quantised()
    states = {"h": fractions(1, (1, 1, HIDDEN)).astype("f4"), "c": np.zeros((1, 1, HIDDEN), "f4")}
    made = model(tensors | states, more=[(5, "h"), (6, "c")], direction="reverse")
    module = quietly(assert_loads, content(made), parameters)
    assert module.reverse
    record = tree(made)["rnn"]
    np.testing.assert_array_equal(record.initial_states[0], states["h"])


def changed(name, value):
    tensors, _ = quantised()
    return model({**tensors, name: value})


def left_out(at):
    return model(quantised()[0], more=[(at, "")])


REFUSED = {
    "a scale of float64": (changed, ("W_scale", np.ones((1, ROWS))), "input W has a scale of float64"),
    "no direction": (changed, ("R_scale", np.float32(1)), "input R has a scale of float32 ()"),
    "too few scales": (changed, ("W_scale", np.ones((1, ROWS - 1), "f4")), "a scale of float32 (1, 15)"),
    "scales of the columns": (changed, ("W_scale", np.ones((1, INPUTS), "f4")), "a scale of float32"),
    "one zero point": (changed, ("W_zero", np.zeros(1, "i1")), "is of int8 with a zero point of int8 (1,)"),
    "unsigned zero points": (changed, ("W_zero", np.zeros((1, ROWS), "u1")), "a zero point of uint8"),
    "a scale of zero": (changed, ("R_scale", np.zeros((1, ROWS), "f4")), "R has a scale of 0, which is not"),
    "a negative scale": (changed, ("R_scale", np.full((1, ROWS), -1, "f4")), "R has a scale of -1"),
    "a scale of NaN": (changed, ("W_scale", np.full((1, ROWS), np.nan, "f4")), "W has a scale of nan"),
    "floats": (changed, ("W", np.ones((1, INPUTS, ROWS), "f4")), "input W is of type FLOAT"),
    "int16": (changed, ("W", np.ones((1, INPUTS, ROWS), "i2")), "input W is of type INT16"),
    "two axes": (changed, ("W", np.ones((INPUTS, ROWS), "i1")), "input W has shape (3, 16)"),
    "no columns": (changed, ("W", np.ones((1, 0, ROWS), "i1")), "input W has shape (1, 0, 16)"),
    "not transposed": (
        changed, ("R", np.ones((1, ROWS, HIDDEN), "i1")), "input R has a scale of float32 (1, 16)"
    ),
    "other columns": (changed, ("R", np.ones((1, 5, ROWS), "i1")), "W (1, 16, 3), R (1, 16, 5)"),
    "no W": (left_out, (1,), "it has no input W"),
    "no scale": (left_out, (8,), "input W has a scale that is no constant"),
    "no zero point": (left_out, (11,), "input R has a zero point that is no constant"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    make, arguments, told = REFUSED[case]
    assert told in reason(make(*arguments))


def test_other_attributes():
    tensors, _ = quantised()
    assert "it clips" in reason(model(tensors, clip=1.0))
    assert "input_forget=1" in reason(model(tensors, input_forget=1))
    assert "it has a layout" in reason(model(tensors, layout=1))
    assert "its weights are quantised" in reason(model(tensors, domain="mine"))


def test_few_inputs():
    tensors, _ = quantised()
    node = helper.make_node("DynamicQuantizeLSTM", ["X", "W", "R"], ["Y"], "rnn", domain=DOMAIN)
    assert "input W has a scale that is no constant" in reason(make_model([node], tensors))
