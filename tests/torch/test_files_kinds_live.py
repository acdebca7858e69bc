"""Random models of every kind and variant: outputs as onnxruntime and Keras compute them."""

import itertools
import os
import warnings

import numpy as np
import pytest

import pylstm

pytest.importorskip("torch.nn")  # "torch" alone would find a folder of that name
import torch

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
os.environ.setdefault("KERAS_BACKEND", "torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    keras = pytest.importorskip("keras")
    layers = pytest.importorskip("keras.layers")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

STEPS, ROWS, INPUTS, HIDDEN = 6, 3, 5, 4
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}

# ONNX ------------------------------------------------------------------------------------------

NODES = {
    "LSTM": [
        {},
        {"activations": ["HardSigmoid", "Tanh", "Tanh"]},
        {"activations": ["HardSigmoid", "Relu", "Relu"], "activation_alpha": [1 / 6]},
        {"activations": ["Sigmoid", "Softsign", "Softsign"]},
        {"peepholes": True},
    ],
    "GRU": [
        {"linear_before_reset": 1},
        {"linear_before_reset": 0},
        {"linear_before_reset": 1, "activations": ["HardSigmoid", "Tanh"]},
        {"linear_before_reset": 0, "activations": ["Sigmoid", "Relu"]},
    ],
    "RNN": [{}, {"activations": ["Relu"]}],
}
CASES = [
    (kind, options, direction, bias)
    for kind, each in NODES.items()
    for options, direction, bias in itertools.product(
        each, ("forward", "reverse", "bidirectional"), (True, False)
    )
]


def node_model(kind, options, direction, bias, rng):
    options = dict(options)
    directions = 2 if direction == "bidirectional" else 1
    rows = GATES[kind] * HIDDEN
    shapes = {"W": (directions, rows, INPUTS), "R": (directions, rows, HIDDEN)}
    shapes |= {"B": (directions, 2 * rows)} if bias else {}
    names = ["X", "W", "R", "B" if bias else ""]
    if options.pop("peepholes", False):
        shapes["P"] = (directions, 3 * HIDDEN)
        names += ["", "", "", "P"]
    for key in ("activations", "activation_alpha"):
        if key in options:
            options[key] = options[key] * directions
    tensors = {name: rng.uniform(-1, 1, shape).astype("f4") for name, shape in shapes.items()}
    while not names[-1]:
        names.pop()
    node = helper.make_node(
        kind, names, ["Y", "Y_h"], "rnn", hidden_size=HIDDEN, direction=direction, **options
    )
    graph = helper.make_graph(
        [node],
        "model",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, None, INPUTS])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("Y", "Y_h")],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


@pytest.mark.parametrize(("kind", "options", "direction", "bias"), CASES)
def test_nodes(kind, options, direction, bias):
    rng = np.random.default_rng(0)
    content = node_model(kind, options, direction, bias, rng)
    x = rng.uniform(-1, 1, (STEPS, ROWS, INPUTS)).astype("f4")
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    y, y_h = session.run(None, {"X": x})
    module = getattr(pylstm, kind).from_weights(content)
    output, last = module(x)
    np.testing.assert_allclose(output, y.swapaxes(1, 2).reshape(STEPS, ROWS, -1), rtol=0, atol=1e-6)
    np.testing.assert_allclose(last[0] if kind == "LSTM" else last, y_h, rtol=0, atol=1e-6)


# Keras -----------------------------------------------------------------------------------------

LAYERS = {
    "LSTM": [
        (layers.LSTM, {}),
        (layers.LSTM, {"activation": "relu"}),
        (layers.LSTM, {"activation": "softsign", "recurrent_activation": "hard_sigmoid"}),
        (layers.LSTM, {"go_backwards": True}),
        (layers.LSTM, {"activation": "linear", "use_bias": False}),
    ],
    "GRU": [
        (layers.GRU, {}),
        (layers.GRU, {"use_bias": False}),
        (layers.GRU, {"reset_after": False}),
        (layers.GRU, {"reset_after": False, "use_bias": False}),
        (layers.GRU, {"recurrent_activation": "hard_sigmoid", "activation": "relu"}),
        (layers.GRU, {"go_backwards": True}),
    ],
    "RNN": [
        (layers.SimpleRNN, {}),
        (layers.SimpleRNN, {"activation": "relu", "use_bias": False}),
        (layers.SimpleRNN, {"go_backwards": True}),
    ],
}
MODELS = [
    (kind, made, settings, both, suffix)
    for kind, each in LAYERS.items()
    for (made, settings), both, suffix in itertools.product(each, (None, "concat", "ave"), ("keras", "h5"))
    if not (both and "go_backwards" in settings)
]  # fmt: skip


@pytest.mark.parametrize(("kind", "made", "settings", "both", "suffix"), MODELS)
def test_layers(kind, made, settings, both, suffix, tmp_path):
    if keras.backend.backend() != "torch":
        pytest.skip(f"Keras runs on {keras.backend.backend()}")
    layer = made(HIDDEN, return_sequences=True, **settings)
    layer = layers.Bidirectional(layer, merge_mode=both) if both else layer
    model = keras.Sequential([keras.Input((STEPS, INPUTS)), layer])
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(-1, 1, each.shape).astype("f4") for each in model.weights])
    path = tmp_path / f"model.{suffix}"
    model.save(path)
    x = rng.uniform(-1, 1, (ROWS, STEPS, INPUTS)).astype("f4")
    expected = keras.ops.convert_to_numpy(layer(x))
    merged = {"merge_mode": both} if both == "ave" else {}
    output, _ = getattr(pylstm, kind).from_weights(path, **merged)(x)
    if both == "ave":
        output = (output[..., :HIDDEN] + output[..., HIDDEN:]) / 2
    # Keras returns the steps in the order in which it took them.
    output = output[:, ::-1] if settings.get("go_backwards") else output
    np.testing.assert_allclose(output, expected, rtol=1e-6, atol=1e-6)


# torch -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["GRU", "RNN"])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("how", ["module", "script", "state_dict"])
def test_modules_of_torch(kind, both, how, tmp_path):
    options = {"nonlinearity": "relu"} if kind == "RNN" else {}
    torch.manual_seed(0)
    module = getattr(torch.nn, kind)(INPUTS, HIDDEN, 2, bidirectional=both, **options).eval()
    path = tmp_path / "file.pt"
    if how == "script":
        torch.jit.save(torch.jit.script(module), path)
    else:
        torch.save(module if how == "module" else module.state_dict(), path)
    told = options if how == "state_dict" else {}
    x = torch.randn(STEPS, ROWS, INPUTS)
    with torch.no_grad():
        expected, h_n = module(x)
    output, ours = getattr(pylstm, kind).from_weights(path, **told)(x.numpy())
    np.testing.assert_allclose(output, expected.numpy(), rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours, h_n.numpy(), rtol=0, atol=1e-6)
