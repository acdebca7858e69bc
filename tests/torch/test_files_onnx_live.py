"""LSTMs that torch exports to ONNX: weights bit for bit, outputs as onnxruntime computes them."""

import warnings

import numpy as np
import pytest
from reference import lstm

import pylstm

pytest.importorskip("torch.nn")  # "torch" alone would find a folder of that name
import torch

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

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


def export(model, x, path, how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if how == "dynamo":
            torch.onnx.export(model, (x,), path, dynamo=True, verbose=False)
        else:
            folding = how == "folded"
            torch.onnx.export(model, (x,), path, dynamo=False, do_constant_folding=folding)


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
    twin, twin_states = lstm(parameters, x, batch_first=options.get("batch_first", False))
    for ours, their, exact in zip(results, theirs, (twin, *twin_states), strict=False):
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
