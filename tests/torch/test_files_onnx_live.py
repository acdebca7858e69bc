"""LSTMs that torch exports to ONNX: weights bit for bit, outputs as onnxruntime computes them.

Also weights that nodes make, and states that a model begins with, against onnxruntime.
"""

import warnings

import numpy as np
import pytest
from reference import lstm

import pylstm

pytest.importorskip("torch.nn")  # "torch" alone would find a folder of that name
import torch

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
from onnx_models import content, quietly, torch_parameters  # noqa: E402
from test_files_onnx_dynamic import model as dynamic_model  # noqa: E402
from test_files_onnx_dynamic import quantised as quantised_node  # noqa: E402
from test_files_onnx_folding import CASES, SCALES, TYPES, dequantise, model_of  # noqa: E402
from test_files_onnx_folding import quantised as quantised_weights  # noqa: E402
from test_files_onnx_states import model as model_with_states  # noqa: E402

STEPS, ROWS, INPUTS, HIDDEN = 6, 3, 5, 4

OPTIONS = [
    {},
    {"bias": False},
    {"batch_first": True},
    {"bidirectional": True},
    {"bidirectional": True, "num_layers": 2},
    {"num_layers": 3, "batch_first": True},
]


class Tagger(torch.nn.Module):
    """An LSTM inside a module, called with its initial state left out."""

    def __init__(self, **options):
        super().__init__()
        self.lstm = torch.nn.LSTM(INPUTS, HIDDEN, **options)
        self.head = torch.nn.Linear(HIDDEN * (2 if options.get("bidirectional") else 1), 2)

    def forward(self, x):
        output, (h, c) = self.lstm(x)
        return output, h, c, self.head(output)


def export(model, x, path, how, is_open=False):
    """Export for one batch and length, or for any if ``is_open``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if how == "dynamo":
            any_size = torch.export.Dim.AUTO
            sizes = ({0: any_size, 1: any_size},) if is_open else None
            torch.onnx.export(model, (x,), path, dynamo=True, verbose=False, dynamic_shapes=sizes)
        else:
            folding = how == "folded"
            options = {"input_names": ["x"], "dynamic_axes": {"x": {0: "a", 1: "b"}}}
            torch.onnx.export(
                model,
                (x,),
                path,
                dynamo=False,
                do_constant_folding=folding,
                **(options if is_open else {}),
            )


def exported(tmp_path, options, how):
    torch.manual_seed(0)
    model = Tagger(**options).eval()
    shape = (ROWS, STEPS, INPUTS) if options.get("batch_first") else (STEPS, ROWS, INPUTS)
    x = torch.randn(shape)
    path = tmp_path / "model.onnx"
    export(model, x, path, how)
    return model, x.numpy(), path


@pytest.mark.parametrize("how", ["folded", "unfolded", "dynamo"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_exported(tmp_path, options, how):
    if how == "dynamo":
        pytest.importorskip("onnxscript")
    model, x, path = exported(tmp_path, options, how)
    # One node for each layer; the exporters transpose around them, so none is batch_first.
    found = pylstm.find_lstms(path)
    assert len(found) == options.get("num_layers", 1)
    modules = [pylstm.LSTM.from_weights(path, each.prefix) for each in found]
    assert not any(module.batch_first for module in modules)
    expected = model.lstm.state_dict()
    for layer, module in enumerate(modules):
        for name, value in module.state_dict().items():
            name = name.replace("_l0", f"_l{layer}")
            np.testing.assert_array_equal(value, expected.pop(name).numpy(), err_msg=name)
    assert not expected

    output = x.swapaxes(0, 1) if options.get("batch_first") else x
    states = []
    for module in modules:
        output, state = module(output)
        states.append(state)
    results = [output, *(np.concatenate(each) for each in zip(*states, strict=True))]
    if options.get("batch_first"):
        results[0] = results[0].swapaxes(0, 1)
    theirs = onnxruntime.InferenceSession(path).run(None, {input_name(path): x})
    parameters = {name: value.numpy() for name, value in model.lstm.state_dict().items()}
    expected, expected_states = lstm(parameters, x, batch_first=options.get("batch_first", False))
    for ours, their, exact in zip(results, theirs, (expected, *expected_states), strict=False):
        np.testing.assert_allclose(ours, their, rtol=0, atol=1e-6)
        np.testing.assert_allclose(ours, exact, rtol=0, atol=1e-6)


def input_name(path):
    return onnxruntime.InferenceSession(path).get_inputs()[0].name


def test_weights_beside_the_model(tmp_path):
    """The newer exporter's default is a second file; the module needs it no more."""
    pytest.importorskip("onnxscript")
    model, x, path = exported(tmp_path, {"bidirectional": True}, "dynamo")
    assert (tmp_path / "model.onnx.data").exists()
    module = pylstm.LSTM.from_weights(path)
    (tmp_path / "model.onnx.data").unlink()
    with torch.no_grad():
        expected = model(torch.from_numpy(x))[0].numpy()
    np.testing.assert_allclose(module(x)[0], expected, rtol=0, atol=1e-6)
    with pytest.raises(pylstm.WeightFileError, match="cannot be opened"):
        pylstm.LSTM.from_weights(path)


def test_half_precision(tmp_path):
    torch.manual_seed(0)
    model = Tagger().half().eval()
    path = tmp_path / "model.onnx"
    export(model, torch.randn(STEPS, ROWS, INPUTS).half(), path, "folded")
    module = pylstm.LSTM.from_weights(path)
    assert pylstm.find_lstms(path)[0].dtype == "float16"
    for name, value in module.state_dict().items():
        np.testing.assert_array_equal(value, model.lstm.state_dict()[name].float().numpy())


# ---------------------------------------------------------------------------- initial states


class Learner(torch.nn.Module):
    """An LSTM that begins with states that it has learned, or that it makes."""

    def __init__(self, how, **options):
        super().__init__()
        self.how = how
        self.lstm = torch.nn.LSTM(INPUTS, HIDDEN, **options)
        count = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
        self.h = torch.nn.Parameter(torch.randn(count, 1, HIDDEN))
        self.c = torch.nn.Parameter(torch.randn(count, 1, HIDDEN))
        self.vector = torch.nn.Parameter(torch.randn(HIDDEN))
        self.register_buffer("rows", torch.randn(count, ROWS, HIDDEN))

    def states(self, x):
        batch = x.size(0 if self.lstm.batch_first else 1)
        count = self.h.size(0)
        if self.how == "expand":
            return self.h.expand(-1, batch, -1).contiguous(), self.c.expand(
                -1, batch, -1
            ).contiguous()
        if self.how == "repeat":
            return self.h.repeat(1, batch, 1), self.c.repeat(1, batch, 1)
        if self.how == "vector":
            h = self.vector.expand(count, batch, HIDDEN).contiguous()
            return h, torch.zeros_like(h)
        if self.how == "only c":
            return torch.zeros(count, batch, HIDDEN), self.c.expand(-1, batch, -1).contiguous()
        if self.how == "numbers":
            return torch.full((count, batch, HIDDEN), 0.25), torch.ones(count, batch, HIDDEN)
        if self.how == "zeros":
            return torch.zeros(count, batch, HIDDEN), x.new_zeros(count, batch, HIDDEN)
        assert self.how == "rows"
        return self.rows, self.rows * 2

    def forward(self, x):
        output, _ = self.lstm(x, self.states(x))
        return output


STATES = ["expand", "repeat", "vector", "only c", "numbers", "zeros", "rows"]
LAYERS = [
    {},
    {"batch_first": True, "bidirectional": True},
    {"num_layers": 2, "bidirectional": True},
    {"num_layers": 3, "batch_first": True},
]


@pytest.mark.parametrize("how", ["folded", "unfolded", "dynamo"])
@pytest.mark.parametrize("options", LAYERS, ids=str)
@pytest.mark.parametrize("states", STATES)
def test_initial_states(tmp_path, states, options, how):
    if how == "dynamo":
        pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    batch_first = options.get("batch_first", False)
    model = Learner(states, **options).eval()
    path = tmp_path / "model.onnx"
    shape = (ROWS, STEPS, INPUTS) if batch_first else (STEPS, ROWS, INPUTS)
    export(model, torch.randn(shape), path, how, is_open=True)
    found = pylstm.find_lstms(path)
    assert len(found) == options.get("num_layers", 1)
    assert [each.initial_states is None for each in found] == [states == "zeros"] * len(found)

    # What onnxruntime makes of another batch, where the model takes one.
    rows = ROWS if states == "rows" else ROWS + 2
    x = torch.randn((rows, STEPS, INPUTS) if batch_first else (STEPS, rows, INPUTS))
    theirs = onnxruntime.InferenceSession(path).run(None, {input_name(path): x.numpy()})[0]
    output = x.numpy().swapaxes(0, 1) if batch_first else x.numpy()
    for each in found:
        module = quietly(pylstm.LSTM.from_weights, path, each.prefix)
        hx = each.initial_states
        if hx is not None:
            assert all(state.shape[1] == (ROWS if states == "rows" else 1) for state in hx)
            hx = tuple(np.broadcast_to(state, (len(state), rows, HIDDEN)) for state in hx)
        output, _ = module(output, hx)
    output = output.swapaxes(0, 1) if batch_first else output
    np.testing.assert_allclose(output, theirs, rtol=0, atol=1e-6)
    with torch.no_grad():
        np.testing.assert_allclose(output, model(x).numpy(), rtol=0, atol=1e-6)
    if states in ("expand", "repeat", "only c", "rows"):
        # The states are the model's own, layer by layer.
        directions = 2 if options.get("bidirectional") else 1
        for layer, each in enumerate(found):
            at = slice(layer * directions, (layer + 1) * directions)
            c = (model.rows * 2 if states == "rows" else model.c)[at].detach().numpy()
            np.testing.assert_array_equal(each.initial_states[1], c)


def run(model, **feeds):
    """What onnxruntime makes of a model that was built by hand."""
    model.ir_version = 10
    for kind in list(model.opset_import):
        if kind.domain == "local":
            model.opset_import.remove(kind)
    session = onnxruntime.InferenceSession(content(model))
    return session.run(["Y"], feeds)[0]  # [steps, directions, rows, hidden]


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("given", ["h", "c", "hc"])
def test_constant_states(given, directions):
    rng = np.random.default_rng(0)
    rows = 2
    tensors = {name: rng.random((directions, rows, 4), "f4") for name in given}
    inputs = ("", *(name if name in given else "" for name in "hc"))
    model = model_with_states(tensors, directions=directions, inputs=inputs)
    x = rng.random((STEPS, rows, 3), "f4")
    theirs = run(model, X=x)
    [found] = pylstm.find_lstms(content(model))
    output, _ = quietly(pylstm.LSTM.from_weights, content(model))(x, found.initial_states)
    ours = output.reshape(STEPS, rows, directions, 4).swapaxes(1, 2)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


# ---------------------------------------------------------------------------- weights made by nodes


def assert_runs_alike(model):
    x = np.random.default_rng(1).random((STEPS, 2, 3), "f4")
    theirs = run(model, X=x)
    output, _ = pylstm.LSTM.from_weights(content(model))(x)
    np.testing.assert_allclose(output, theirs[:, 0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_folded_weights(name):
    nodes, tensors, _ = CASES[name]
    assert_runs_alike(model_of(nodes, tensors))


@pytest.mark.parametrize("how", SCALES)
@pytest.mark.parametrize("kind", TYPES)
def test_quantised_weights(kind, how):
    x, scale, zero, axis, block, _ = quantised_weights(kind, how, 3)
    model = model_of([dequantise(axis, block)], {"x": x, "s": scale, "z": zero}, 21)
    assert_runs_alike(model)


def test_weights_that_onnxruntimes_quantiser_makes(tmp_path):
    """MatMuls become integers; an LSTM keeps its floats, or becomes a node of onnxruntime's own."""
    quantization = pytest.importorskip("onnxruntime.quantization")
    model = model_with_states({}, inputs=())
    model.ir_version = 10
    del model.opset_import[1:]
    onnx.save(model, tmp_path / "model.onnx")
    quantization.quantize_dynamic(tmp_path / "model.onnx", tmp_path / "quantised.onnx")
    kinds = {node.op_type for node in onnx.load(tmp_path / "quantised.onnx").graph.node}
    state = pylstm.LSTM.from_weights(tmp_path / "quantised.onnx").state_dict()
    for name, value in torch_parameters().items():
        if "DynamicQuantizeLSTM" in kinds and name.startswith("weight"):
            assert 0 < np.abs(state[name] - value).max() < 0.51 / 127 * np.abs(value).max()
        else:
            np.testing.assert_array_equal(state[name], value)


@pytest.mark.parametrize("each_row", [True, False])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("directions", [1, 2])
def test_integers_mean_what_onnxruntime_takes_them_for(directions, dtype, each_row):
    """Inputs of few values, which onnxruntime's 8 bits hold, in one step: the error is rounding."""
    tensors, _ = quantised_node(directions, dtype, each_row)
    zeros = {name: each for name, each in tensors.items() if name.endswith("_zero")}
    # onnxruntime takes one zero point for all rows.
    tensors |= {name: np.full_like(each, each.flat[0]) for name, each in zeros.items()}
    if dtype == "int8" and each_row:
        tensors |= {name: np.zeros_like(each) for name, each in zeros.items()}
    model = dynamic_model(tensors)
    model.opset_import[1].domain = "com.microsoft"
    model.ir_version = 10
    columns = tensors["W"].shape[1]
    x = (np.arange(ROWS * columns).reshape(1, ROWS, columns) % 2 * 255).astype("f4") / 256
    session = onnxruntime.InferenceSession(model.SerializeToString())
    expected = session.run(["Y"], {"X": x})[0]
    output, _ = pylstm.LSTM.from_weights(content(model))(x)
    theirs = np.concatenate(list(expected.swapaxes(0, 1)), axis=-1)
    np.testing.assert_allclose(output, theirs, rtol=0, atol=1e-6)
