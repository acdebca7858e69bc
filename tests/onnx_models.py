"""ONNX models of LSTM nodes, made by hand, and what pylstm makes of them."""

import os
import warnings

import numpy as np
import pytest
from reference import make_parameters, parameter_shapes

import pylstm
from pylstm.files.base.record import Unsupported
from pylstm.files.open import open_weights

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

STEPS, ROWS, INPUTS, HIDDEN = 5, 2, 3, 4
TO_ONNX = [0, 3, 1, 2]  # torch's blocks i, f, g, o in the order i, o, f, c


def blocks(array):
    return np.concatenate([np.split(array, 4)[index] for index in TO_ONNX])


def torch_parameters(bidirectional=False, bias=True, dtype=np.float32, seed=1):
    shapes = parameter_shapes(INPUTS, HIDDEN, bias=bias, bidirectional=bidirectional)
    return make_parameters(seed, shapes, dtype)


def node_weights(parameters):
    """Role -> array, as an LSTM node takes it."""
    ends = ["_l0", "_l0_reverse"] if "weight_ih_l0_reverse" in parameters else ["_l0"]
    weights = {
        "W": np.stack([blocks(parameters["weight_ih" + end]) for end in ends]),
        "R": np.stack([blocks(parameters["weight_hh" + end]) for end in ends]),
    }
    if "bias_ih_l0" in parameters:
        both = [[blocks(parameters[f"bias_{side}{end}"]) for side in ("ih", "hh")] for end in ends]
        weights["B"] = np.stack([np.concatenate(pair) for pair in both])
    return weights


def lstm_node(weights, names=None, name="rnn", inputs=(), **attributes):
    """An LSTM node; ``inputs`` come after B."""
    if len(weights["W"]) == 2:
        attributes.setdefault("direction", "bidirectional")
    roles = [names[role] if names else role for role in ("W", "R", "B") if role in weights]
    attributes.setdefault("hidden_size", weights["R"].shape[-1])
    return helper.make_node("LSTM", ["X", *roles, *inputs], ["Y", "Y_h", "Y_c"], name, **attributes)


def make_model(nodes, tensors, functions=(), opset=22, inputs=(), x=(None, None, INPUTS)):
    """A model; ``inputs`` are more value infos beside that of X, of shape ``x``."""
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("X", floats, x), *inputs],
        [helper.make_tensor_value_info(name, floats, None) for name in ("Y", "Y_h", "Y_c")],
        [
            each if isinstance(each, TensorProto) else numpy_helper.from_array(each, name)
            for name, each in tensors.items()
        ],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("local", 1)]
    return helper.make_model(graph, opset_imports=opsets, functions=functions)


def simple_model(parameters=None, **attributes):
    weights = node_weights(parameters or torch_parameters())
    return make_model([lstm_node(weights, **attributes)], weights)


def content(model):
    return model.SerializeToString()


def tree(model):
    source = model if isinstance(model, (bytes, str, os.PathLike)) else content(model)
    with open_weights(source) as file:
        assert file.format == "ONNX"
        return file.tree


def reason(model, name="rnn"):
    """Why the only node cannot be run; from_weights gives the same reason."""
    leaf = tree(model)[name]
    assert isinstance(leaf, Unsupported)
    with pytest.raises(pylstm.WeightFileError) as caught:
        pylstm.LSTM.from_weights(content(model))
    assert leaf.kind in str(caught.value) and leaf.reason in str(caught.value)
    assert pylstm.find_lstms(content(model)) == []
    return leaf.reason


def assert_loads(source, parameters, prefix="rnn", **options):
    """The module has exactly these parameters."""
    module = pylstm.LSTM.from_weights(source, prefix, **options)
    state = module.state_dict()
    assert list(state) == list(parameters)
    for name, value in parameters.items():
        np.testing.assert_array_equal(state[name], value, err_msg=name)
    return module


def constant(name, values):
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(values))


def quietly(function, *arguments, **options):
    """Call what may warn of what a file leaves open."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pylstm.WeightFileWarning)
        return function(*arguments, **options)
