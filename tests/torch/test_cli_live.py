"""The command line on files of torch, beside torch itself and onnxruntime."""

import itertools
import json

import pytest

pytest.importorskip("torch.nn")

import torch

import pylstm
from pylstm.cli import main, peers, verify


class Tagger(torch.nn.Module):
    """Two LSTMs and a cell among other things; pylstm cannot import this class's file."""

    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(10, 6)
        self.words = torch.nn.LSTM(6, 5, num_layers=2, batch_first=True, bidirectional=True)
        self.tags = torch.nn.LSTM(10, 4, bias=False, dtype=torch.float64)
        self.step = torch.nn.LSTMCell(4, 3)
        self.gru = torch.nn.GRU(3, 3)


@pytest.fixture
def tagger():
    torch.manual_seed(5)
    return Tagger()


def save_state(model, path):
    torch.save(model.state_dict(), path)


def save_legacy(model, path):
    torch.save({"model": model.state_dict()}, path, _use_new_zipfile_serialization=False)


def save_whole(model, path):
    torch.save(model, path)


@pytest.mark.parametrize("write", [save_state, save_legacy, save_whole])
def test_verify_agrees_with_torch(tagger, tmp_path, capsys, write):
    path = tmp_path / "tagger.pt"
    write(tagger, path)
    assert main(["verify", str(path), "--against", "torch"]) == 0
    text = capsys.readouterr().out
    assert text.count("  Within the tolerance of ") == 4
    assert f"\nCompared with: torch {torch.__version__}, its own module" in text
    assert text.count(f"torch {torch.__version__} ") == 3 * 6 + 4  # a GRU has no c_n
    assert ("batch_first=True" in text) == (write is save_whole)


@pytest.mark.parametrize(
    ("bias", "proj_size", "bidirectional"),
    list(itertools.product((True, False), (0, 3), (False, True))),
)
def test_verify_every_option(tmp_path, capsys, bias, proj_size, bidirectional):
    module = torch.nn.LSTM(7, 6, 2, bias, bidirectional=bidirectional, proj_size=proj_size)
    torch.save(module.state_dict(), tmp_path / "lstm.pt")
    assert main(["verify", str(tmp_path / "lstm.pt")]) == 0
    text = capsys.readouterr().out
    assert "(root): LSTM(7, 6" in text
    assert f"torch {torch.__version__}" in text


def test_verify_agrees_with_onnxruntime(tagger, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    path = tmp_path / "tagger.pt"
    save_whole(tagger, path)
    for prefix in ("words", "step"):
        assert main(["verify", str(path), "--prefix", prefix, "--against", "onnxruntime"]) == 0
        text = capsys.readouterr().out
        assert text.count("\nCompared with: onnxruntime ") == 1
        assert text.count("onnxruntime") == 2 + 6
        assert "  Within the tolerance of 1.2e-04." in text
    assert main(["verify", str(path), "--prefix", "tags", "--against", "onnxruntime"]) == 1
    assert "cannot run it: it has LSTMs in float32 only" in capsys.readouterr().out


VARIANTS = [
    pylstm.LSTM(5, 6, peepholes=True),
    pylstm.LSTM(5, 6, 2, bidirectional=True, peepholes=True, gate_activation="hard_sigmoid"),
    pylstm.LSTM(5, 6, activation="relu", gate_activation="hard_sigmoid3"),
    pylstm.LSTM(5, 6, activation="softsign", reverse=True),
    pylstm.LSTM(5, 6, activation="linear", gate_activation="hard_sigmoid"),
    pylstm.GRU(5, 6, 2, bidirectional=True, reset_after=False),
    pylstm.GRU(5, 6, gate_activation="hard_sigmoid3", activation="linear"),
    pylstm.GRU(5, 6, reset_after=False, reverse=True, activation="softsign"),
    pylstm.RNN(5, 6, nonlinearity="relu", reverse=True),
]


@pytest.mark.parametrize("module", VARIANTS, ids=str)
def test_verify_compares_variants_with_onnxruntime(tmp_path, capsys, module):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    path = tmp_path / "variant.safetensors"
    pylstm.save(module.state_dict(), path)
    assert main(["verify", str(path), "--against", "onnxruntime"]) == 0
    text = capsys.readouterr().out
    assert "\nCompared with: onnxruntime " in text
    assert "cannot run it" not in text
    assert main(["verify", str(path), "--against", "torch"]) == 1
    assert "cannot run it: torch has no " in capsys.readouterr().out


def test_onnxruntime_loses_the_digits_of_gates_that_are_shut(tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    torch.manual_seed(1)
    lstm = torch.nn.LSTM(5, 6)
    with torch.no_grad():
        lstm.bias_ih_l0[18:] -= 15  # the output gate
    torch.save(lstm.state_dict(), tmp_path / "shut.pt")
    for peer in ("torch", "onnxruntime"):
        assert main(["verify", str(tmp_path / "shut.pt"), "--against", peer]) == 0
        text = capsys.readouterr().out
        assert ("whose sigmoid has an absolute error" in text) == (peer == "onnxruntime")
    module = pylstm.LSTM.from_weights(tmp_path / "shut.pt")
    inputs = verify.make_inputs(module)
    for name, at_least, at_most in (("torch", 0, 1e-4), ("onnxruntime", 0.01, 1)):
        theirs = peers.PEERS[name]().run(module, *inputs)[0]
        exact = verify.run_reference(module, *inputs)[0]
        assert at_least <= abs(theirs - exact).max() / abs(exact).max() <= at_most


def test_inspect_sees_what_torch_wrote(tagger, tmp_path, capsys):
    for write in (save_state, save_legacy, save_whole):
        path = tmp_path / "tagger.pt"
        write(tagger, path)
        assert main(["inspect", "--json", str(path)]) == 0
        report = json.loads(capsys.readouterr().out)
        prefix = "model." if write is save_legacy else ""
        assert [(found["prefix"], found["kind"]) for found in report["lstms"]] == [
            (f"{prefix}words", "LSTM"),
            (f"{prefix}tags", "LSTM"),
            (f"{prefix}step", "LSTMCell"),
        ]
        assert [found["kind"] for found in report["recurrent"]][3:] == ["GRU"]
        assert report["near_misses"] == []
        assert [tensor["name"] for tensor in report["tensors"]] == [
            prefix + name for name in tagger.state_dict()
        ]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_convert_for_torch(tagger, tmp_path, capsys, dtype):
    source, target = tmp_path / "in.pt", tmp_path / "out.pt"
    save_whole(tagger, source)
    words = ["convert", str(source), str(target), "--prefix", "words", "--dtype", dtype]
    assert main(words) == 0
    loaded = torch.load(target, weights_only=True)
    expected = tagger.words.to(getattr(torch, dtype)).state_dict()
    assert list(loaded) == list(expected)
    assert all(torch.equal(loaded[name], value) for name, value in expected.items())
