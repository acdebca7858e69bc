"""GRU and RNN nodes of ONNX, models made by hand: with torch's gates, or refused by name."""

import numpy as np
import pytest
from onnx_models import HIDDEN, INPUTS, constant, content, make_model, onnx, tree
from support import assert_same_bits, with_parameters

import pylstm
from pylstm.files.base.record import Unsupported

# torch's blocks in the order of ONNX: i o f c, z r h.
TO_ONNX = {"LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2], "RNN": [0]}
OTHERS = ["GRU", "RNN"]
EXPECTED = {"GRU": "Sigmoid, Tanh", "RNN": "Tanh", "LSTM": "Sigmoid, Tanh, Tanh"}


def module_of(kind, seed=1, **options):
    return with_parameters(getattr(pylstm, kind)(INPUTS, HIDDEN, **options), seed)


def node_weights(kind, module):
    """W, R and B of a node, from the parameters of a layer."""
    state = module.state_dict()
    ends = ["_l0", "_l0_reverse"] if "weight_ih_l0_reverse" in state else ["_l0"]

    def blocks(name):
        parts = np.split(state[name], len(TO_ONNX[kind]))
        return np.concatenate([parts[at] for at in TO_ONNX[kind]])

    weights = {
        "W": np.stack([blocks(f"weight_ih{end}") for end in ends]),
        "R": np.stack([blocks(f"weight_hh{end}") for end in ends]),
    }
    if "bias_ih_l0" in state:
        weights["B"] = np.stack(
            [np.concatenate([blocks(f"bias_ih{end}"), blocks(f"bias_hh{end}")]) for end in ends]
        )
    return weights


def model_of(kind, weights=None, inputs=(), more=(), before=(), opset=22, **attributes):
    """A model of one node; ``inputs`` come after B, ``more`` are further initialisers."""
    weights = weights or node_weights(kind, module_of(kind))
    if len(weights["W"]) == 2:
        attributes.setdefault("direction", "bidirectional")
    attributes.setdefault("hidden_size", HIDDEN)
    if kind == "GRU":
        attributes.setdefault("linear_before_reset", 1)
    names = ["X", "W", "R", "B" if "B" in weights else "", *inputs]
    while not names[-1]:
        names.pop()
    attributes = {name: value for name, value in attributes.items() if value is not None}
    node = onnx.helper.make_node(kind, names, ["Y", "Y_h"], "rnn", **attributes)
    return make_model([*before, node], {**weights, **dict(more)}, opset=opset)


def loaded(kind, model, **options):
    return getattr(pylstm, kind).from_weights(content(model), **options)


def reason(kind, model):
    leaf = tree(model)["rnn"]
    assert isinstance(leaf, Unsupported)
    assert leaf.kind == f"ONNX {kind} node"
    with pytest.raises(pylstm.WeightFileError) as caught:
        loaded(kind, model)
    assert leaf.reason in str(caught.value)
    assert pylstm.find_recurrent(content(model)) == []
    return leaf.reason


def assert_is(again, module):
    assert list(again.state_dict()) == list(module.state_dict())
    for name, value in module.state_dict().items():
        assert_same_bits(again.state_dict()[name], value)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("kind", TO_ONNX)
def test_parameters(kind, bidirectional, bias, dtype):
    module = module_of(kind, bidirectional=bidirectional, bias=bias, dtype=dtype)
    model = model_of(kind, node_weights(kind, module))
    again = loaded(kind, model)
    assert_is(again, module)
    assert repr(again) == repr(module)
    [found] = pylstm.find_recurrent(content(model))
    assert (found.kind, found.prefix, found.assumed) == (kind, "rnn", {})
    assert found.nonlinearity == ("tanh" if kind == "RNN" else None)
    flat = pylstm.load(content(model), flat=True)
    assert_is(getattr(pylstm, kind).from_weights(flat), module)


@pytest.mark.parametrize("kind", TO_ONNX)
def test_layout(kind):
    assert not loaded(kind, model_of(kind, layout=0)).batch_first
    assert loaded(kind, model_of(kind, layout=1)).batch_first
    assert not loaded(kind, model_of(kind, layout=1), batch_first=False).batch_first


@pytest.mark.parametrize("opset", [1, 3, 7, 14, 22])
@pytest.mark.parametrize("kind", OTHERS)
def test_versions(kind, opset):
    assert_is(loaded(kind, model_of(kind, opset=opset)), module_of(kind))


@pytest.mark.parametrize("kind", OTHERS)
def test_a_cell_of_a_node(kind):
    module = module_of(kind)
    cell = getattr(pylstm, f"{kind}Cell").from_weights(content(model_of(kind)))
    x = np.ones((1, 1, INPUTS), np.float32)
    assert_same_bits(cell(x[0]), module(x)[0][0])
    assert getattr(cell, "nonlinearity", "tanh") == "tanh"


@pytest.mark.parametrize("value", [1, 2, -1])
def test_linear_before_reset(value):
    assert_is(loaded("GRU", model_of("GRU", linear_before_reset=value)), module_of("GRU"))


@pytest.mark.parametrize("value", [0, None])
def test_the_reset_gate_before_the_product(value):
    module = module_of("GRU", reset_after=False)
    again = loaded("GRU", model_of("GRU", linear_before_reset=value))
    assert_is(again, module)
    assert repr(again) == repr(module)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("GRU", ["Sigmoid", "Tanh"]),
        ("GRU", ["SIGMOID", "tanh"]),
        ("GRU", ["Sigmoid", "Tanh"] * 2),
        ("RNN", ["Tanh"]),
        ("RNN", ["tAnH", "Tanh"]),
        ("LSTM", ["sigmoid", "TANH", "Tanh"]),
    ],
)
def test_activations(kind, names):
    assert_is(loaded(kind, model_of(kind, activations=names)), module_of(kind))
    both = module_of(kind, bidirectional=True)
    model = model_of(kind, node_weights(kind, both), activations=names, activation_alpha=[0.3])
    assert_is(loaded(kind, model), both)


@pytest.mark.parametrize("names", [["Relu"], ["relu"], ["Relu", "Relu"]])
def test_relu(names):
    model = model_of("RNN", activations=names)
    again = loaded("RNN", model)
    assert again.nonlinearity == "relu"
    assert_is(again, module_of("RNN"))
    with pytest.raises(pylstm.WeightFileError, match="the file says nonlinearity='relu'"):
        loaded("RNN", model, nonlinearity="tanh")
    [found] = pylstm.find_recurrent(content(model))
    assert (found.nonlinearity, found.assumed) == ("relu", {})
    assert pylstm.RNN.from_weights(pylstm.load(content(model), flat=True)).nonlinearity == "relu"


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("GRU", ["Sigmoid", "Elu"]),
        ("GRU", ["LeakyRelu", "Tanh"]),
        ("GRU", ["Tanh", "Sigmoid"]),
        ("GRU", ["Tanh", "Tanh"]),
        ("GRU", ["Sigmoid"]),
        ("GRU", ["Sigmoid", "Tanh", "Sigmoid"]),
        ("GRU", ["Sigmoid", "Tanh", "Sigmoid", "Relu"]),
        ("GRU", ["Sigmoid", "Tanh", "Tanh"]),
        ("RNN", ["Sigmoid"]),
        ("RNN", ["Softsign"]),
        ("RNN", ["Affine"]),
        ("RNN", ["Tanh", "Relu"]),
        ("RNN", ["Relu", "Tanh"]),
        ("RNN", ["Tanh"] * 3),
        ("RNN", ["Tanh "]),
        ("LSTM", ["Sigmoid", "Tanh", "Relu"]),
        ("LSTM", ["Sigmoid", "Softplus", "Softplus"]),
    ],
)
def test_other_activations_are_named(kind, names):
    told = reason(kind, model_of(kind, activations=names))
    assert told == f"its activations are {', '.join(names)}, not {EXPECTED[kind]}"


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "hard_sigmoid"),
        ({"activation_alpha": [0.2]}, "hard_sigmoid"),
        ({"activation_alpha": [0.2, 0.0], "activation_beta": [0.5]}, "hard_sigmoid"),
        ({"activation_alpha": [1 / 6]}, "hard_sigmoid3"),
        ({"activation_alpha": [1 / 6], "activation_beta": [0.5, 0.0]}, "hard_sigmoid3"),
        ({"activation_alpha": [0.25]}, None),
        ({"activation_beta": [0.25]}, None),
        ({"activation_alpha": [0.2, 0.3, 0.4]}, None),
    ],
)
def test_hard_sigmoids(parameters, expected):
    model = model_of("GRU", activations=["hardsigmoid", "Tanh"], **parameters)
    if expected:
        assert loaded("GRU", model).gate_activation == expected
    else:
        told = reason("GRU", model)
        assert told.startswith("its activations are hardsigmoid, Tanh, not Sigmoid, Tanh")


def test_parameters_of_activations_in_doubt():
    both = node_weights("GRU", module_of("GRU", bidirectional=True))
    names = ["HardSigmoid", "Tanh"] * 2
    model = model_of("GRU", both, activations=names, activation_alpha=[0.2, 0.0, 0.2, 0.0])
    assert reason("GRU", model).endswith("its activation_alpha may belong to others of them")


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({"clip": 3.0}, "it clips the sums of its gates (clip=3)"),
        ({"direction": "both"}, "its direction is 'both': torch has no {} that only runs so"),
        ({"hidden_size": 5}, "its hidden_size is not 4, as its weights say"),
    ],
)
@pytest.mark.parametrize("kind", TO_ONNX)
def test_other_attributes_are_named(kind, attributes, text):
    assert reason(kind, model_of(kind, **attributes)) == text.format(kind)


def test_all_reasons_are_told():
    model = model_of("GRU", clip=1.0, direction="both", activations=["Elu", "Elu"])
    assert reason("GRU", model).count("; ") == 2


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("role", ["W", "R", "B"])
def test_shapes_must_fit(kind, role):
    weights = node_weights(kind, module_of(kind))
    for axis in range(weights[role].ndim):
        wrong = {**weights, role: np.repeat(weights[role], 2, axis=axis)}
        model = model_of(kind, wrong, direction="forward")
        if (role, axis) == ("W", 2):
            assert loaded(kind, model).input_size == 2 * INPUTS
            continue
        told = reason(kind, model)
        assert "the shapes of its weights do not fit" in told
    for other in TO_ONNX:
        if other != kind:
            told = reason(kind, model_of(kind, node_weights(other, module_of(other))))
            assert "the shapes of its weights do not fit" in told


@pytest.mark.parametrize("kind", OTHERS)
def test_weights_that_are_computed_from_constants(kind):
    module = module_of(kind)
    weights = node_weights(kind, module)
    helper = onnx.helper
    before = [
        constant("w", weights["W"].swapaxes(1, 2)),
        helper.make_node("Transpose", ["w"], ["W"], perm=[0, 2, 1]),
        constant("r", weights["R"][0]),
        constant("axes", np.array([0])),
        helper.make_node("Unsqueeze", ["r", "axes"], ["R"]),
    ]
    model = model_of(kind, weights, before=before)
    for name in ("W", "R"):
        [at] = [k for k, each in enumerate(model.graph.initializer) if each.name == name]
        del model.graph.initializer[at]
    assert_is(loaded(kind, model), module)


@pytest.mark.parametrize("kind", OTHERS)
def test_weights_that_are_quantised(kind):
    module = module_of(kind)
    weights = node_weights(kind, module)
    integers = np.rint(weights["R"] * 100).astype(np.int8)
    helper = onnx.helper
    before = [
        constant("q", integers),
        constant("scale", np.array(0.01, np.float32)),
        helper.make_node("DequantizeLinear", ["q", "scale"], ["R"]),
    ]
    model = model_of(kind, weights, before=before)
    [at] = [k for k, each in enumerate(model.graph.initializer) if each.name == "R"]
    del model.graph.initializer[at]
    again = node_weights(kind, loaded(kind, model))
    np.testing.assert_array_equal(again["R"], integers * np.float32(0.01))
    np.testing.assert_array_equal(again["W"], weights["W"])


@pytest.mark.parametrize("kind", TO_ONNX)
def test_quantised_nodes_are_named(kind):
    # That of an LSTM is read: tests/test_files_onnx_dynamic.py.
    domain = "mine" if kind == "LSTM" else "com.microsoft"
    node = onnx.helper.make_node(
        f"DynamicQuantize{kind}", ["X", "W", "R"], ["Y"], "rnn", domain=domain
    )
    leaf = tree(make_model([node], {}))["rnn"]
    assert leaf == Unsupported(
        f"ONNX DynamicQuantize{kind} node",
        "its weights are quantised; take the model from before that",
    )


@pytest.mark.parametrize("kind", OTHERS)
def test_nodes_of_another_domain_are_none(kind):
    node = onnx.helper.make_node(kind, ["X", "W", "R"], ["Y"], "rnn", domain="mine")
    assert tree(make_model([node], {})) == {}


# What a node begins with ----------------------------------------------------------------------


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("kind", OTHERS)
def test_constant_states(kind, batch, layout):
    h_0 = np.linspace(-1, 1, batch * HIDDEN, dtype=np.float32).reshape(1, batch, HIDDEN)
    stored = np.ascontiguousarray(h_0.swapaxes(0, 1)) if layout else h_0
    model = model_of(kind, inputs=["", "h"], more={"h": stored}, layout=layout)
    [found] = pylstm.find_recurrent(content(model))
    assert_same_bits(found.initial_states, h_0)
    with pytest.warns(pylstm.WeightFileWarning, match="initial_states that find_recurrent gives"):
        module = loaded(kind, model)
    x = np.ones((batch, 1, INPUTS) if layout else (1, batch, INPUTS))
    output, h_n = module(x, found.initial_states)
    assert h_n.shape == h_0.shape
    assert not np.array_equal(output, module(x)[0])


@pytest.mark.parametrize("kind", OTHERS)
def test_states_that_are_zero_or_given(kind):
    zeros = np.zeros((1, 2, HIDDEN), np.float32)
    for more, inputs in (({"h": zeros}, ["", "h"]), ({}, ["", "X"]), ({}, [])):
        [found] = pylstm.find_recurrent(content(model_of(kind, inputs=inputs, more=more)))
        assert found.initial_states is None
    wrong = np.ones((1, 2, HIDDEN + 1), np.float32)
    told = reason(kind, model_of(kind, inputs=["", "h"], more={"h": wrong}))
    assert told.startswith("its initial_h has shape (1, 2, 5)")


@pytest.mark.parametrize("kind", OTHERS)
def test_constant_lengths(kind):
    lengths = np.array([2, 1], np.int32)
    told = reason(kind, model_of(kind, inputs=["n"], more={"n": lengths}))
    assert told == "its sequence_lens is constant: 2, 1"


@pytest.mark.parametrize("kind", OTHERS)
def test_inputs_that_only_an_lstm_has_are_named(kind):
    model = model_of(kind, inputs=["", "", "c"], more={"c": np.ones((1, 1, HIDDEN), np.float32)})
    article = "a" if kind == "GRU" else "an"
    assert reason(kind, model) == f"it has more inputs than {article} {kind} has"


def test_several_kinds_in_one_model():
    nodes, tensors = [], {}
    for kind in TO_ONNX:
        model = model_of(kind)
        [node] = model.graph.node
        node.name = kind
        node.input[1:4] = [f"{kind}{role}" for role in "WRB"]
        node.output[:] = [f"{kind}Y"]
        weights = node_weights(kind, module_of(kind))
        tensors |= {f"{kind}{role}": array for role, array in weights.items()}
        nodes.append(node)
    source = content(make_model(nodes, tensors))
    assert [found.kind for found in pylstm.find_recurrent(source)] == ["LSTM", "GRU", "RNN"]
    assert [found.kind for found in pylstm.find_lstms(source)] == ["LSTM"]
    for kind in TO_ONNX:
        assert_is(getattr(pylstm, kind).from_weights(source), module_of(kind))
