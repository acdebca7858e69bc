"""inspect, convert and verify of layers and cells that are no LSTMs."""

import json

import numpy as np
import pytest
from file_trees import lazy, whole_module
from support import with_parameters

import pylstm
from pylstm.__main__ import main
from pylstm.cli import reference, verify
from pylstm.files.base.record import RecurrentLayer

MODULES = {
    "gru": lambda: pylstm.GRU(3, 5, 2, bidirectional=True),
    "gru64": lambda: pylstm.GRU(4, 2, bias=False, dtype="float64"),
    "rnn": lambda: pylstm.RNN(5, 7, 3),
    "gru_cell": lambda: pylstm.GRUCell(3, 2),
    "rnn_cell": lambda: pylstm.RNNCell(3, 2, bias=False),
}


@pytest.fixture
def modules():
    return {name: with_parameters(make(), k) for k, (name, make) in enumerate(MODULES.items())}


@pytest.fixture
def file(modules, tmp_path):
    path = tmp_path / "model.pt"
    pylstm.save({name: module.state_dict() for name, module in modules.items()}, path)
    return path


def run(capsys, *words):
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


def test_inspect(file, capsys):
    code, text, errors = run(capsys, "inspect", file)
    assert (code, errors) == (0, "")
    table = text.split("\nRecurrent modules\n")[1].splitlines()
    assert table[0].split()[-1] == "options"
    assert [line.split()[:4] for line in table[1:6]] == [
        ["gru", "GRU", "3", "5"],
        ["gru64", "GRU", "4", "2"],
        ["rnn", "RNN", "5", "7"],
        ["gru_cell", "GRUCell", "3", "2"],
        ["rnn_cell", "RNNCell", "3", "2"],
    ]
    assert [line.split()[-1] for line in table[1:6]] == [
        "-", "-", "nonlinearity='tanh'", "-", "nonlinearity='tanh'"
    ]  # fmt: skip
    assert "rnn_cell  nonlinearity='tanh'" in text.split("\nAssumed, since")[1]


def test_inspect_prints_json(file, capsys):
    report = json.loads(run(capsys, "inspect", "--json", file)[1])
    assert report["lstms"] == report["near_misses"] == []
    found = pylstm.find_recurrent(file)
    assert [each["kind"] for each in report["recurrent"]] == [each.kind for each in found]
    assert report["recurrent"][2]["nonlinearity"] == "tanh"
    assert "nonlinearity" not in report["recurrent"][0]


def test_lstms_beside_others(tmp_path, capsys, no_peers):
    path = tmp_path / "both.npz"
    both = pylstm.LSTM(3, 4).state_dict(prefix="lstm.")
    both |= pylstm.GRU(3, 4).state_dict(prefix="gru.")
    np.savez(path, **both)
    report = json.loads(run(capsys, "inspect", "--json", path)[1])
    assert [each["prefix"] for each in report["lstms"]] == ["lstm"]
    assert [each["prefix"] for each in report["recurrent"]] == ["lstm", "gru"]
    assert "\nRecurrent modules\n" in run(capsys, "inspect", path)[1]
    _, text, _ = run(capsys, "verify", path)
    assert text.startswith("Run: the layers and cells of ")
    assert text.count("Within the tolerance") == 2
    _, text, _ = run(capsys, "verify", path, "--prefix", "lstm")
    assert text.startswith("Run: the LSTMs and cells of ")


def test_a_file_of_near_misses(tmp_path, capsys):
    path = tmp_path / "part.npz"
    np.savez(path, weight_hh_l1=np.zeros((9, 3)), weight_ih_l1=np.zeros((9, 3)))
    _, text, _ = run(capsys, "inspect", path)
    assert "No recurrent module that pylstm can run." in text
    assert "Not recurrent modules that pylstm can run" in text
    code, _, errors = run(capsys, "verify", path)
    assert (code, "holds no recurrent module; see" in errors) == (1, True)
    code, _, errors = run(capsys, "convert", path, tmp_path / "out.npz")
    assert "holds no recurrent module that pylstm can run; it is incomplete GRU" in errors
    code, _, errors = run(capsys, "convert", path, tmp_path / "out.npz", "--prefix", "x")
    assert "\npylstm convert: not a recurrent module: (root): incomplete GRU" in errors


def test_verify_without_peers(file, no_peers, capsys):
    code, text, errors = run(capsys, "verify", file)
    assert (code, errors) == (0, "")
    assert text.count("\n  Within the tolerance of 1.2e-04.\n") == 4
    assert text.count("\n  Within the tolerance of 2.2e-13.\n") == 1
    table = text.split("\ngru64: GRU(4, 2, bias=False), float64\n")[1].splitlines()[1:3]
    assert [line.split()[3] for line in table] == ["output", "h_n"]
    assert 0 < float(table[0].split()[4]) < 1e-15


@pytest.mark.parametrize("name", MODULES)
def test_the_reference_is_no_other_kind(modules, name):
    """Gates in another order, or the other nonlinearity, are far outside of the tolerance."""
    module = modules[name]
    inputs = verify.make_inputs(module)
    exact = reference.run_reference(module, *inputs)
    ours = verify.run_pylstm(module, *inputs)
    for one, other in zip(ours, exact, strict=True):
        assert verify.compare(one, other, module._native_dtype)[2]
    names = [n for n in module._native_structure if n not in ("mode", "proj_size")]
    other = type(module)(**{n: getattr(module, n) for n in names})
    names = list(module.state_dict())
    rolled = {n: np.roll(v, module.hidden_size, axis=0) for n, v in module.state_dict().items()}
    if "rnn" in name:
        rolled = {n: -v if "weight_hh" in n else v for n, v in module.state_dict().items()}
    other.load_state_dict({n: rolled[n] for n in names})
    wrong = verify.run_pylstm(other, *inputs)
    assert not verify.compare(wrong[0], exact[0], module._native_dtype)[2]


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("kind", ["RNN", "RNNCell"])
def test_nonlinearities(kind, nonlinearity):
    module = getattr(pylstm, kind)(3, 4, nonlinearity=nonlinearity)
    inputs = verify.make_inputs(module)
    exact = reference.run_reference(module, *inputs)
    assert verify.compare(verify.run_pylstm(module, *inputs)[0], exact[0], module._native_dtype)[2]
    assert (exact[0].min() >= 0) == (nonlinearity == "relu")


def test_verify_states_of_a_file(tmp_path, monkeypatch, no_peers, capsys):
    """The one state of a GRU, which is no tuple."""
    begin = np.full((1, 1, 2), 0.5, np.float32)

    def read(source, make):
        parameters = {k: make(lazy(v)) for k, v in pylstm.GRU(3, 2).state_dict().items()}
        state = {"batch_first": True, "_parameters": parameters}
        return {"a": RecurrentLayer("onnx.GRU", state, initial_states=begin)}

    monkeypatch.setattr("pylstm.files.formats.pickled.read", read)
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x04K\x01.")
    code, text, _ = run(capsys, "verify", path)
    assert (code, "initial states: the first sequences begin" in text) == (0, True)
    _, text, _ = run(capsys, "inspect", path)
    assert (
        "that are not zero: find_recurrent has them\n  prefix  h_0\n  a       (1, 1, 2)\n" in text
    )
    assert json.loads(run(capsys, "inspect", "--json", path)[1])["recurrent"][0][
        "initial_states"
    ] == [[1, 1, 2]]
    with pytest.warns(pylstm.WeightFileWarning, match="initial_states that find_recurrent gives"):
        pylstm.GRU.from_weights(path)


# What a format cannot say ---------------------------------------------------------------------


@pytest.fixture
def relu_file(monkeypatch, tmp_path):
    """A whole module, whose nonlinearity is relu."""

    def read(source, make):
        own = {k: make(lazy(v)) for k, v in pylstm.RNN(3, 2).state_dict().items()}
        name = "torch.nn.modules.rnn.RNN"
        return {"a": whole_module(name, own, mode="RNN_RELU", batch_first=False)}

    monkeypatch.setattr("pylstm.files.formats.pickled.read", read)
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x04K\x01.")
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_convert_keeps_the_nonlinearity_where_it_can(relu_file, tmp_path, capsys, suffix):
    path = tmp_path / f"a{suffix}"
    code, _, errors = run(capsys, "convert", relu_file, path)
    assert (code, errors) == (0, "")
    [found] = pylstm.find_recurrent(path)
    told = {} if suffix == ".safetensors" else {"batch_first": False}
    assert (found.nonlinearity, found.assumed) == ("relu", told)
    assert pylstm.RNN.from_weights(path).nonlinearity == "relu"
    # And from there on.
    other = tmp_path / f"b{suffix}"
    assert run(capsys, "convert", path, other, "--prefix", "a")[::2] == (0, "")
    assert pylstm.RNN.from_weights(other).nonlinearity == "relu"


def test_convert_says_what_is_lost(relu_file, tmp_path, capsys):
    path = tmp_path / "a.npz"
    code, _, errors = run(capsys, "convert", relu_file, path)
    assert code == 0
    assert errors == (
        f"pylstm convert: {path} cannot say that 'a' has nonlinearity='relu': pass it to "
        "from_weights\n"
    )
    [found] = pylstm.find_recurrent(path)
    assert (found.nonlinearity, found.assumed["nonlinearity"]) == ("tanh", "tanh")
    with pytest.warns(pylstm.WeightFileWarning, match="nonlinearity='relu': pass it"):
        pylstm.save(pylstm.load(relu_file, flat=True), path)
