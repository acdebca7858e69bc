"""The command line on weight files, and the self-test; test_demo.py has the demo and info."""

import io
import itertools
import json
import os
import pickle
import re
import signal
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from file_trees import lazy
from reference import lstm as reference_lstm
from support import with_parameters

import pylstm
from pylstm.cli import COMMANDS, convert, inspect, listing, main, peers, selftest, verify
from pylstm.contract import recorded_hashes
from pylstm.files.base.errors import printable
from pylstm.files.base.record import RecurrentLayer, Unsupported
from pylstm.files.base.source import Source
from pylstm.files.base.tensor import Storage

HERE = Path(__file__).parent

SOMETHING = np.arange(3, dtype=np.float32)


class Optimizer:
    def __init__(self, parts):
        vars(self).update(parts)


def run(capsys, *arguments):
    """Run a command in this process: exit code, stdout, stderr."""
    code = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def rows(text, title):
    """The rows of the table below a title line, as lists of words, without its headers."""
    lines = text.split(title, 1)[1].splitlines()[1:]
    return [line.split() for line in itertools.takewhile(str.strip, lines)]


def write_safetensors(path, entries, data=b""):
    """A safetensors file: name -> (dtype, shape, begin, end), and its bytes."""
    header = {
        name: {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
        for name, (dtype, shape, begin, end) in entries.items()
    }
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@pytest.fixture
def modules():
    return {
        "encoder.rnn": with_parameters(pylstm.LSTM(5, 7, 2, bidirectional=True), 1),
        "decoder.rnn": with_parameters(pylstm.LSTM(4, 6, proj_size=2, bias=False), 2),
        "cell": with_parameters(pylstm.LSTMCell(3, 2, dtype="float64"), 3),
    }


@pytest.fixture
def weights(modules):
    """A state_dict with two LSTMs, a cell, a weight-normed LSTM and other tensors."""
    values = {}
    for prefix, module in modules.items():
        values |= module.state_dict(prefix=f"{prefix}.")
    values["normed.weight_hh_l0_g"] = np.zeros((16, 1), np.float32)
    values["normed.weight_hh_l0_v"] = np.zeros((16, 4), np.float32)
    values["steps"] = np.arange(3)
    values["head.weight"] = np.linspace(-2, 2, 6, dtype=np.float64).reshape(2, 3)
    return values


@pytest.fixture
def checkpoint(weights, tmp_path):
    path = tmp_path / "model.npz"
    np.savez(path, **weights)
    return path


# inspect --------------------------------------------------------------------------------------


def test_inspect_prints_what_it_finds(checkpoint, weights, capsys):
    code, text, errors = run(capsys, "inspect", checkpoint)
    assert (code, errors) == (0, "")
    assert text.startswith(f"{checkpoint}: npz, {checkpoint.stat().st_size:,} bytes\n")
    assert rows(text, "\nLSTMs\n") == [
        ["encoder.rnn", "LSTM", "5", "7", "2", "2", "-", "yes", "float32", "2,072"],
        ["decoder.rnn", "LSTM", "4", "6", "1", "1", "2", "no", "float32", "156"],
        ["cell", "LSTMCell", "3", "2", "1", "1", "-", "yes", "float64", "56"],
    ]
    near = rows(text, "\nNot LSTMs that pylstm can run\n")
    assert near[0][:3] == ["normed", "weight-normed", "LSTM"]
    total = sum(value.nbytes for value in weights.values())
    table = text.split(f"{len(weights)} tensors, {total:,} bytes\n")[1].splitlines()
    assert [line.split()[0] for line in table[1:]] == list(weights)
    assert table[-1].split() == ["head.weight", "float64", "(2,", "3)", "48"]
    assert len({len(line) for line in table}) == 1, "the columns are aligned"


def test_inspect_prints_json(checkpoint, weights, capsys):
    code, text, errors = run(capsys, "inspect", "--json", checkpoint)
    assert (code, errors) == (0, "")
    report = json.loads(text)
    assert report["file"] == str(checkpoint)
    assert report["format"] == "npz"
    assert report["size"] == checkpoint.stat().st_size
    silent = ("nonlinearity", "merge_mode", "options", "weights", "computed")
    found = [
        {n: v for n, v in vars(found).items() if n not in silent} | {"dtype": str(found.dtype)}
        for found in pylstm.find_lstms(checkpoint)
    ]
    assert report["lstms"] == report["recurrent"] == found
    assert [miss["kind"] for miss in report["near_misses"]] == ["weight-normed LSTM"]
    assert report["tensors"] == [
        {
            "name": name,
            "dtype": value.dtype.name,
            "shape": list(value.shape),
            "bytes": value.nbytes,
        }
        for name, value in weights.items()
    ]


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_inspect_without_lstms(tmp_path, capsys, option):
    np.save(tmp_path / "one.npy", np.zeros((2, 3), np.float16))
    code, text, errors = run(capsys, "inspect", tmp_path / "one.npy", *option)
    assert (code, errors) == (0, "")
    if option:
        [tensor] = json.loads(text)["tensors"]
        assert tensor == {"name": "", "dtype": "float16", "shape": [2, 3], "bytes": 12}
    else:
        assert "No LSTM" in text
        assert text.splitlines()[-1].split() == ["(root)", "float16", "(2,", "3)", "12"]


def test_inspect_reads_no_tensor(tmp_path, monkeypatch, capsys):
    """A gigabyte of nothing: only its header is read."""
    size, path = 1 << 30, tmp_path / "large.safetensors"
    rows = size // 4 // 1024
    small = {
        "weight_ih_l0": ("F32", [8, 3], size, size + 96),
        "weight_hh_l0": ("F32", [8, 2], size + 96, size + 160),
    }
    write_safetensors(path, {"embedding": ("F32", [rows, 1024], 0, size)} | small)
    os.truncate(path, path.stat().st_size + size + 160)
    count, readinto = 0, Source.readinto

    def counted(self, offset, buffer, record=""):
        nonlocal count
        count += buffer.nbytes
        readinto(self, offset, buffer, record)

    monkeypatch.setattr(Source, "readinto", counted)
    monkeypatch.setattr(Storage, "read", lambda *_: pytest.fail("a tensor was read"))
    monkeypatch.setattr(Storage, "map", lambda *_: pytest.fail("a tensor was mapped"))
    code, text, _ = run(capsys, "inspect", path)
    assert code == 0
    assert f"3 tensors, {size + 160:,} bytes" in text
    assert count < 4096


NASTY = "\x1b]0;owned\x07\x1b[2J\n\r\u202e\u2028\x9b31m"


def test_names_in_files_cannot_steer_a_terminal(tmp_path, no_peers, capsys):
    path = tmp_path / "nasty.npz"
    entries = {
        f"{NASTY}.weight_ih_l0": ("F32", [8, 3], 0, 96),
        f"{NASTY}.weight_hh_l0": ("F32", [8, 2], 96, 160),
        f"{NASTY}gru.weight_hh": ("F32", [6, 2], 160, 208),
        f"{NASTY}gru.weight_ih": ("F32", [6, 2], 208, 256),
    }
    write_safetensors(path, entries, bytes(256))
    for arguments in (["inspect"], ["inspect", "--json"], ["verify"]):
        code, text, errors = run(capsys, *arguments, path)
        assert (code, errors) == (0, "")
        assert all(line.isprintable() for line in text.split("\n")), arguments
        assert r"\u202e" in text
    code, text, errors = run(capsys, "verify", path, "--prefix", NASTY + "x")
    assert (code, text) == (1, "")
    assert errors.endswith("\n")
    assert errors[:-1].isprintable()


def test_printable():
    assert printable("größe.λ 中") == "größe.λ 中"
    assert printable("a\tb\x00\x7f\xa0\ud800\U000e0001") == (r"a\tb\x00\x7f\xa0\ud800\U000e0001")


def inspected(capsys, tree):
    """The table and the JSON of a tree that no small file can hold."""
    described = {"metadata": {}, "arrays": {}, "unreadable": {}}
    file = SimpleNamespace(name="x", format="pickle", size=1, tree=tree, **described)
    report = inspect.survey(tree, "x")
    inspect.print_text(file, report)
    text = capsys.readouterr().out
    inspect.print_json(file, report)
    return text, json.loads(capsys.readouterr().out)


def test_inspect_survives_deep_trees(capsys):
    leaf = np.zeros(2, np.float32)
    tree = [leaf]
    for _ in range(5_000):
        tree = [tree, leaf]
    text, report = inspected(capsys, {"a": tree})
    assert len(report["tensors"]) == 5_001
    assert max(len(tensor["name"]) for tensor in report["tensors"]) <= listing.MAX_NAME + 3
    assert {tensor["name"] for tensor in report["tensors"]} >= {"a.1", "a.0.1", "...0.1"}
    assert len(text) < 5_000 * (listing.MAX_NAME + 100)


def test_inspect_survives_cycles_and_many_paths(capsys):
    tree = leaf = {"x": np.zeros(2)}
    for _ in range(60):
        tree = {"left": tree, "right": tree}
    leaf["again"] = tree
    _, report = inspected(capsys, tree)
    assert [tensor["name"] for tensor in report["tensors"]] == [".".join(["left"] * 60 + ["x"])]


def test_long_names_do_not_widen_the_table(capsys):
    text, _ = inspected(capsys, {"n" * 900: np.zeros(2), "short": np.zeros(1)})
    assert len(text.splitlines()[-1]) < 150


# Optimisers, prefixes, what was assumed ---------------------------------------------------------


def optimizer(count=3):
    """The state_dict of a torch optimiser."""
    state = {
        index: {"step": np.array(1.0, np.float32), "exp_avg": np.zeros(4), "exp_avg_sq": np.ones(4)}
        for index in range(count)
    }
    return {"state": state, "param_groups": [{"lr": 0.1, "params": list(range(count))}]}


def pickled(tmp_path, tree):
    path = tmp_path / "file.pkl"
    path.write_bytes(pickle.dumps(tree))
    return path


def listed(text):
    """The names in the last table."""
    return [line.split()[0] for line in text.rsplit("  name ", 1)[1].splitlines()[1:]]


TRAINING = {
    "epoch": 3,
    "model": dict(pylstm.LSTM(3, 2).state_dict()),
    "optimizer": optimizer(),
    "lightning": {"optimizer_states": [optimizer(1)]},
    "state": {"x": SOMETHING},
}
PARAMETERS = [f"model.{name}" for name in TRAINING["model"]]
OPTIMIZERS = [f"{place}.state.{index}.{name}"
    for place, count in (("optimizer", 3), ("lightning.optimizer_states.0", 1))
    for index in range(count)
    for name in ("step", "exp_avg", "exp_avg_sq")
]  # fmt: skip


def test_inspect_counts_an_optimisers_tensors(tmp_path, capsys):
    path = pickled(tmp_path, TRAINING)
    code, text, errors = run(capsys, "inspect", path)
    assert (code, errors) == (0, "")
    assert listed(text) == [*PARAMETERS, "state.x"]
    assert "\n12 tensors of an optimiser, 272 bytes: --optimizer lists them\n" in text
    assert "\n5 tensors, 236 bytes\n" in text
    code, text, errors = run(capsys, "inspect", path, "--no-optimizer")
    assert (code, errors) == (0, "")
    assert "optimiser" not in text
    assert listed(text) == [*PARAMETERS, "state.x"]
    code, text, errors = run(capsys, "inspect", path, "--optimizer")
    assert (code, errors) == (0, "")
    assert listed(text) == [*PARAMETERS, *OPTIMIZERS, "state.x"]
    assert "\n17 tensors, 508 bytes\n" in text


def test_inspect_lists_an_optimiser_that_is_asked_for(tmp_path, capsys):
    path = pickled(tmp_path, TRAINING)
    _, text, _ = run(capsys, "inspect", path, "--prefix", "optimizer.state.0")
    assert listed(text) == OPTIMIZERS[:3]
    _, text, _ = run(capsys, "inspect", pickled(tmp_path, optimizer(1)))
    assert len(listed(text)) == 3
    code, text, _ = run(capsys, "inspect", pickled(tmp_path, optimizer(1)), "--no-optimizer")
    assert code == 0
    assert "\n0 tensors, 0 bytes\n" in text


@pytest.mark.parametrize(
    ("tree", "is_optimizers"),
    [
        (optimizer(1), True),
        ([[optimizer(1)]], True),
        (Optimizer(optimizer(1)), True),  # the object itself
        ({"state": {"a": SOMETHING}}, False),
        ({"state": {"a": SOMETHING}, "param_groups": None}, False),
        ({"state": [SOMETHING], "param_groups": []}, False),
        ({"state": {0: {"a": SOMETHING}}, "param_groups": []}, True),
        ({"state": {}, "param_groups": [{"params": [SOMETHING]}]}, True),
        ({"state": {}, "param_groups": [], "other": {"a": SOMETHING}}, False),
    ],
)
def test_what_an_optimiser_is(tmp_path, capsys, tree, is_optimizers):
    _, text, _ = run(capsys, "inspect", "--json", pickled(tmp_path, {"x": tree}))
    tensors = json.loads(text)["tensors"]
    assert tensors
    assert all(("optimizer" in tensor) == is_optimizers for tensor in tensors)
    _, text, _ = run(capsys, "inspect", "--json", "--no-optimizer", tmp_path / "file.pkl")
    assert json.loads(text)["tensors"] == ([] if is_optimizers else tensors)


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_inspect_shows_what_is_below_a_prefix(checkpoint, capsys, option):
    for prefix, wanted in {
        "encoder": ["encoder.rnn"],
        "encoder.rnn": ["encoder.rnn"],
        "rnn.weight": None,
        "cell": ["cell"],
        "head": [],
    }.items():
        code, text, errors = run(capsys, "inspect", checkpoint, "--prefix", prefix, *option)
        if wanted is None:
            assert (code, text) == (1, "")
            assert f"prefix '{prefix}' is not in the file" in errors
            continue
        assert (code, errors) == (0, "")
        if option:
            report = json.loads(text)
            assert [found["prefix"] for found in report["lstms"]] == wanted
            assert report["near_misses"] == []
            shown = [tensor["name"] for tensor in report["tensors"]]
        else:
            assert ("No LSTM" in text) == (not wanted)
            assert "normed" not in text
            shown = listed(text)
        assert shown
        assert all(name.startswith(f"{prefix}.") for name in shown)


def test_inspect_shows_near_misses_below_a_prefix(checkpoint, capsys):
    code, text, _ = run(capsys, "inspect", checkpoint, "--prefix", "normed")
    assert code == 0
    near = rows(text, "\nNot LSTMs that pylstm can run\n")
    assert near[0][:3] == ["normed", "weight-normed", "LSTM"]
    assert listed(text) == ["normed.weight_hh_l0_g", "normed.weight_hh_l0_v"]


@pytest.fixture
def layers_file(tmp_path, monkeypatch):
    """What stands for a file of Keras or ONNX: layers, and arrays in a layout of their own."""
    states = np.ones((1, 1, 2), np.float32), np.zeros((1, 1, 2), np.float32)
    assumed = {"gate_activation": "sigmoid", "reverse": False, "batch_first": True}

    def read(source, make):
        def layer(**said):
            parameters = {k: make(lazy(v)) for k, v in pylstm.LSTM(3, 2).state_dict().items()}
            state = {"batch_first": True, "_parameters": parameters}
            return RecurrentLayer("keras.LSTM", state, **said)

        source.arrays.update({"other/kernel:0": lazy(np.ones((3, 8), np.float32))})
        return {
            "net/rnn": layer(assumed=assumed),
            "started": layer(initial_states=states),
            "net/gru": Unsupported("Keras GRU layer", "it has the gates of a GRU"),
        }

    monkeypatch.setattr("pylstm.files.formats.pickled.read", read)
    return pickled(tmp_path, 1)


def test_inspect_shows_what_was_assumed(layers_file, capsys):
    code, text, errors = run(capsys, "inspect", layers_file)
    assert (code, errors) == (0, "")
    assert (
        "\n  net/rnn  gate_activation='sigmoid', reverse=False, batch_first=True\n"
        in (text.split("\nAssumed, since the file leaves it open: arguments of from_weights\n")[1])
    )
    started = text.split("\nInitial states in the file that are not zero")[1].splitlines()[2]
    assert started.split("  ")[1:] == ["started", "(1, 1, 2)", "(1, 1, 2)"]
    parameters = list(TRAINING["model"])
    names = [f"{layer}.{name}" for layer in ("net.rnn", "started") for name in parameters]
    assert listed(text) == [*names, "other.kernel:0"]
    report = json.loads(run(capsys, "inspect", "--json", layers_file)[1])
    assert report["lstms"][0]["assumed"] == {
        "gate_activation": "sigmoid",
        "reverse": False,
        "batch_first": True,
    }
    assert [found["initial_states"] for found in report["lstms"]] == [None, [[1, 1, 2], [1, 1, 2]]]


def test_inspect_shows_layers_without_arrays_below_a_prefix(layers_file, capsys):
    for prefix in ("net.gru", "net/gru"):
        code, text, _ = run(capsys, "inspect", layers_file, "--prefix", prefix)
        assert code == 0
        near = rows(text, "\nNot recurrent modules that pylstm can run\n")
        assert near[0][:2] == ["net/gru", "Keras"]
        assert "\n0 tensors, 0 bytes\n" in text
    code, text, _ = run(capsys, "inspect", layers_file, "--prefix", "net")
    assert "net/rnn" in text and "net/gru" in text and "started" not in text
    assert run(capsys, "inspect", layers_file, "--prefix", "nets")[0] == 1


def test_convert_keeps_every_array_of_layers(layers_file, tmp_path, capsys):
    target = tmp_path / "new.safetensors"
    code, _, errors = run(capsys, "convert", layers_file, target)
    assert code == 0
    loaded = pylstm.load(target)
    assert len(loaded) == 9
    assert loaded["other.kernel:0"].shape == (3, 8)
    assert pylstm.LSTM.from_weights(target, "net.rnn").batch_first
    lines = errors.splitlines()
    assert all(line.startswith("pylstm convert: ") for line in lines)
    assert any("'started' is run from initial states that are not zero" in line for line in lines)
    assert any("leaves open what 'net/rnn' computes; assumed: gate_act" in line for line in lines)
    assert len(lines) == 2
    errors = run(capsys, "convert", layers_file, tmp_path / "new.npz")[2]
    assert "cannot say that 'net.rnn', 'started' are batch_first: pass batch_first=True" in errors
    code = run(capsys, "convert", layers_file, target, "--prefix", "started")[0]
    assert code == 0
    assert set(pylstm.load(target)) == set(TRAINING["model"])


def test_convert_says_what_will_be_taken_for_an_lstm(tmp_path, capsys):
    """Of an LSTM with an adapter the plain one, without the adapter."""
    inner = pylstm.LSTM(3, 2).state_dict(prefix="rnn.base_layer.")
    adapter = {"rnn.lora_A.weight": np.zeros((8, 2), np.float32)}
    path = pickled(tmp_path, {"net": dict(inner) | adapter})
    assert pylstm.find_lstms(path) == []
    errors = run(capsys, "convert", path, tmp_path / "all.npz")[2]
    assert "can run; 'net.rnn.base_layer' is LSTM with an adapter (" in errors
    assert pylstm.find_lstms(tmp_path / "all.npz") == []
    part = tmp_path / "part.npz"
    code, _, errors = run(capsys, "convert", path, part, "--prefix", "rnn.base_layer")
    assert code == 0
    assert f"looks like an LSTM; in {path} it is LSTM with an adapter" in errors
    assert errors.count("\n") == 1
    # Where it is one in both there is nothing to say.
    path = pickled(tmp_path, {"net": dict(inner)})
    assert run(capsys, "convert", path, part, "--prefix", "rnn.base_layer")[2] == ""


def test_convert_says_that_a_part_has_other_weights(tmp_path, capsys):
    """Of a weight-dropped LSTM the inner one, without the wrapper that has the raw weight."""
    inner = pylstm.LSTM(3, 2).state_dict(prefix="rnn.module.")
    raw = {"rnn.weight_hh_l0_raw": np.zeros((8, 2), np.float32)}
    path = pickled(tmp_path, {"net": dict(inner) | raw})
    assert run(capsys, "convert", path, tmp_path / "all.npz")[2] == ""
    [found] = pylstm.find_lstms(tmp_path / "all.npz")
    assert found.computed == {"weight_hh_l0": "weight_hh_l0_raw"}
    code, _, errors = run(capsys, "convert", path, tmp_path / "part.npz", "--prefix", "rnn.module")
    assert code == 0
    assert "has other weights than in" in errors
    assert "computed of weight_hh_l0_raw" in errors
    assert errors.count("\n") == 1


def test_convert_says_what_will_not_be_found(tmp_path, monkeypatch, capsys):
    """Beside a layer's parameters are arrays that make them another thing where it is no layer."""

    def read(source, make):
        gates = np.zeros((6, 2), np.float32)
        source.arrays.update({"rnn/weight_hh_l0_raw": lazy(gates)})
        parameters = {k: make(lazy(v)) for k, v in pylstm.LSTM(3, 2).state_dict().items()}
        return {"rnn": RecurrentLayer("keras.LSTM", {"_parameters": parameters})}

    monkeypatch.setattr("pylstm.files.formats.pickled.read", read)
    path, target = pickled(tmp_path, 1), tmp_path / "new.npz"
    code, _, errors = run(capsys, "convert", path, target)
    assert code == 0
    assert f"from_weights will not read 'rnn' from {target}, where it is weight-dropped" in errors
    assert "--prefix rnn writes its parameters alone" in errors
    assert pylstm.find_lstms(target) == []
    assert run(capsys, "convert", path, target, "--prefix", "rnn")[2] == ""
    assert len(pylstm.find_lstms(target)) == 1


def bfloat16_lstm(path, *names):
    entries, end = {}, 0
    for name, shape in {"weight_ih_l0": [8, 3], "weight_hh_l0": [8, 2]}.items():
        size = (2 if name in names else 4) * shape[0] * shape[1]
        entries[name] = ("BF16" if name in names else "F32", shape, end, end + size)
        end += size
    write_safetensors(path, entries, bytes(end))


def test_inspect_shows_the_dtype_in_the_file(tmp_path, capsys):
    path = tmp_path / "file.safetensors"
    bfloat16_lstm(path, "weight_ih_l0", "weight_hh_l0")
    _, text, _ = run(capsys, "inspect", path)
    assert rows(text, "\nLSTMs\n")[0][8] == "bfloat16"
    report = json.loads(run(capsys, "inspect", "--json", path)[1])
    assert report["lstms"][0]["dtype"] == "bfloat16"
    assert pylstm.find_lstms(path)[0].dtype == np.float32


def test_inspect_shows_arrays_that_cannot_be_read(tmp_path, capsys):
    path = tmp_path / "file.safetensors"
    write_safetensors(path, {"four": ("F4", [6], 0, 3), "eight": ("U8", [1], 3, 4)}, bytes(4))
    code, text, errors = run(capsys, "inspect", path)
    assert (code, errors) == (0, "")
    assert rows(text, "\nArrays that cannot be read\n")[0][:3] == ["four", "its", "elements"]
    assert listed(text) == ["eight"]
    report = json.loads(run(capsys, "inspect", "--json", path)[1])
    assert [each["name"] for each in report["unreadable"]] == ["four"]
    code, text, errors = run(capsys, "convert", path, tmp_path / "new.npz")
    assert (code, text) == (2, "")
    assert "four: cannot be read as an array" in errors


# convert --------------------------------------------------------------------------------------

SUFFIXES = (".npz", ".safetensors", ".pt", ".pth")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_convert_keeps_every_byte(checkpoint, weights, tmp_path, capsys, suffix):
    target = tmp_path / f"new{suffix}"
    code, text, errors = run(capsys, "convert", checkpoint, target)
    assert (code, errors) == (0, "")
    total = sum(value.nbytes for value in weights.values())
    assert text == f"{target}: {len(weights)} tensors, {total:,} bytes\n"
    loaded = pylstm.load(target)
    assert sorted(loaded) == sorted(weights)
    for name, value in weights.items():
        assert (loaded[name].dtype, loaded[name].shape) == (value.dtype, value.shape)
        assert loaded[name].tobytes() == value.tobytes()


@pytest.mark.parametrize("prefix", ["encoder.rnn", "encoder"])
def test_convert_takes_one_part(checkpoint, modules, tmp_path, capsys, prefix):
    target = tmp_path / "part.npz"
    assert run(capsys, "convert", checkpoint, target, "--prefix", prefix)[0] == 0
    state = modules["encoder.rnn"].state_dict(prefix="rnn." if prefix == "encoder" else "")
    assert list(pylstm.load(target)) == list(state)
    np.testing.assert_array_equal(
        pylstm.LSTM.from_weights(target).weight_hh_l1, modules["encoder.rnn"].weight_hh_l1
    )


def test_convert_takes_the_end_of_a_path(weights, tmp_path, capsys):
    source, target = tmp_path / "in.pkl", tmp_path / "out.npz"
    source.write_bytes(pickle.dumps({"epoch": 3, "model": {"net": dict(weights)}}))
    for prefix in ("model.net.cell", "net.cell", "cell"):
        assert run(capsys, "convert", source, target, "--prefix", prefix)[0] == 0
        assert list(pylstm.load(target)) == ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    assert run(capsys, "convert", source, target)[0] == 0
    assert list(pylstm.load(target)) == [f"model.net.{name}" for name in weights]


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("rnn", "prefix 'rnn' ends several paths: 'decoder.rnn', 'encoder.rnn'"),
        ("coder", "prefix 'coder' is not in the file"),
        ("encoder.rnn.", "is not in the file"),
        (".*", "is not in the file"),
    ],
)
def test_convert_refuses_other_prefixes(checkpoint, tmp_path, capsys, prefix, words):
    code, text, errors = run(capsys, "convert", checkpoint, tmp_path / "x.npz", "--prefix", prefix)
    assert (code, text) == (1, "")
    assert words in errors
    assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == [checkpoint]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_convert_changes_the_dtype_of_floats_only(checkpoint, weights, tmp_path, capsys, dtype):
    target = tmp_path / "new.safetensors"
    assert run(capsys, "convert", checkpoint, target, "--dtype", dtype)[0] == 0
    for name, value in pylstm.load(target).items():
        expected = weights[name] if name == "steps" else weights[name].astype(dtype)
        assert value.dtype == expected.dtype
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_convert_leaves_the_old_file_if_it_fails(tmp_path, capsys, suffix):
    source, target = tmp_path / "in.npz", tmp_path / f"out{suffix}"
    target.write_bytes(b"before")
    np.savez(source, good=np.ones(3), bad=np.array([1.0, 70_000.0, np.inf, np.nan]))
    code, text, errors = run(capsys, "convert", source, target, "--dtype", "float16")
    assert (code, text) == (1, "")
    assert errors == "pylstm convert: bad: its values do not fit float16\n"
    assert target.read_bytes() == b"before"
    assert sorted(tmp_path.iterdir()) == [source, target]


def test_convert_keeps_infinities(tmp_path, capsys):
    source, target = tmp_path / "in.npz", tmp_path / "out.npz"
    np.savez(source, x=np.array([1.0, np.inf, -np.inf, np.nan]))
    assert run(capsys, "convert", source, target, "--dtype", "float16")[0] == 0
    np.testing.assert_array_equal(pylstm.load(target)["x"], [1, np.inf, -np.inf, np.nan])


def test_convert_onto_itself(checkpoint, weights, capsys):
    assert run(capsys, "convert", checkpoint, checkpoint)[0] == 0
    loaded = pylstm.load(checkpoint)
    assert list(loaded) == list(weights)
    for name, value in weights.items():
        np.testing.assert_array_equal(loaded[name], value, strict=True)


def spellings(path):
    """Other names of a file: through folders, links to it and to its folder, a hard link."""
    yield path
    yield f"{path.parent}/../{path.parent.name}/./{path.name}"
    for name, link in (("soft", os.symlink), ("hard", os.link)):
        other = path.with_name(f"{name}{path.suffix}")
        link(path, other)
        yield other
    folder = path.with_name("folder")
    folder.symlink_to(path.parent)
    yield folder / path.name


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--prefix", "encoder.rnn"], "the arrays that are left out"),
        (["--prefix", "rnn.weight_hh_l0"], "is not in the file"),
        (["--dtype", "float16"], "the dtype of its numbers"),
        (
            ["--prefix", "encoder", "--dtype", "float16"],
            "the arrays that are left out, and the dtype",
        ),
    ],
)
def test_convert_onto_itself_where_something_would_be_lost(checkpoint, capsys, options, words):
    before = checkpoint.read_bytes()
    for output in spellings(checkpoint):
        code, text, errors = run(capsys, "convert", checkpoint, output, *options)
        assert (code, text) == (1, "")
        assert words in errors
        assert errors.count("\n") == 1
        assert checkpoint.read_bytes() == before


def written_safetensors(header, size=12):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(size)


def written_npz(*others):
    file = io.BytesIO()
    np.savez(file, a=SOMETHING)
    with zipfile.ZipFile(file, "a") as archive:
        for name in others:
            archive.writestr(name, b"")
    return file.getvalue()


def versions():
    tree = OrderedDict(a=SOMETHING)
    tree._metadata = OrderedDict({"": {"version": 1}})
    return tree


F32 = {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}
LOSSES = {
    "an epoch": (pickle.dumps({"a": SOMETHING, "epoch": 3}), "everything in it but arrays with names"),
    "an optimiser": (pickle.dumps({"a": SOMETHING, "o": {"state": {}}}), "everything in it but arrays with names"),
    "None": (pickle.dumps({"a": SOMETHING, "b": None}), "everything in it but arrays with names"),
    "an empty dict": (pickle.dumps({"a": SOMETHING, "b": {}}), "everything in it but arrays with names"),
    "nested dicts": (pickle.dumps({"a": {"b": SOMETHING}}), "everything in it but arrays with names"),
    "a list": (pickle.dumps([SOMETHING]), "everything in it but arrays with names"),
    "a number as a key": (pickle.dumps({0: SOMETHING}), "the names of its arrays"),
    "a slash in a name": (pickle.dumps({"a/b": SOMETHING}), "the names of its arrays"),
    "module. in a name": (pickle.dumps({"module.a": SOMETHING}), "the names of its arrays"),
    "versions": (pickle.dumps(versions()), "the versions of its modules"),
    "metadata": (written_safetensors({"__metadata__": {"x": "y"}, "a": F32}), "its metadata"),
    "a tie": (written_safetensors({"__metadata__": {"b": "a"}, "a": F32}), "its metadata"),
    "bfloat16": (written_safetensors({"a": F32 | {"dtype": "BF16"}} | {"a": F32 | {"dtype": "BF16", "shape": [6]}}), "the dtype of its numbers"),
    "another entry": (written_npz("README"), "entries that are no arrays"),
}  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", LOSSES)
def test_convert_onto_itself_loses_nothing(tmp_path, capsys, name, suffix):
    content, words = LOSSES[name]
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    code, text, errors = run(capsys, "convert", path, path)
    assert (code, text) == (1, "")
    assert words in errors
    assert path.read_bytes() == content
    assert run(capsys, "convert", path, tmp_path / f"other{suffix}")[0] == 0


KNOWN = {
    "__metadata__": {"format": "pt", "pylstm.batch_first": '{"rnn": true}'},
    "rnn.weight_hh_l0": {"dtype": "F32", "shape": [8, 2], "data_offsets": [0, 64]},
    "rnn.weight_ih_l0": {"dtype": "F32", "shape": [8, 1], "data_offsets": [64, 96]},
}
KEPT = {
    "a dict": pickle.dumps({"a": SOMETHING, "b.c": np.array(1)}),
    "an OrderedDict": pickle.dumps(OrderedDict(a=SOMETHING)),
    "safetensors": written_safetensors({"a": F32}),
    "known options": written_safetensors(KNOWN, 96),
    "npz": written_npz(),
}


@pytest.mark.parametrize("name", KEPT)
def test_convert_onto_itself_where_nothing_is_lost(tmp_path, capsys, name):
    path = tmp_path / "file.safetensors"
    path.write_bytes(KEPT[name])
    before = pylstm.load(KEPT[name])
    assert run(capsys, "convert", path, path)[0] == 0
    loaded = pylstm.load(path)
    assert set(loaded) == set(before)
    for key, value in before.items():
        np.testing.assert_array_equal(loaded[key], value, strict=True)
    assert [found.assumed for found in pylstm.find_lstms(path)] == [
        found.assumed for found in pylstm.find_lstms(KEPT[name])
    ]


def test_convert_has_nothing_to_write(tmp_path, capsys):
    source, target = tmp_path / "in.pkl", tmp_path / "out.npz"
    for tree in ({}, {"epoch": 3, "state": {}}, [], "text"):
        source.write_bytes(pickle.dumps(tree))
        code, text, errors = run(capsys, "convert", source, target)
        assert (code, text) == (1, "")
        assert errors == f"pylstm convert: {source}: holds no array\n"
    assert list(tmp_path.iterdir()) == [source]


def test_convert_refuses_names_that_collide(tmp_path, capsys):
    source = tmp_path / "in.pkl"
    source.write_bytes(pickle.dumps({"a": {"b": np.zeros(1)}, "a.b": np.ones(1)}))
    code, _, errors = run(capsys, "convert", source, tmp_path / "out.npz")
    assert code == 1
    assert "a.b: two tensors have this name" in errors


def test_convert_knows_the_format_by_its_suffix(checkpoint, tmp_path, capsys):
    code, text, errors = run(capsys, "convert", checkpoint, tmp_path / "x.onnx")
    assert (code, text) == (2, "")
    assert ".safetensors" in errors
    assert list(tmp_path.iterdir()) == [checkpoint]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("patience", [0.0, 1000.0])
def test_convert_shows_its_progress(checkpoint, tmp_path, monkeypatch, capsys, terminal, patience):
    stderr = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(convert, "PATIENCE", patience)
    monkeypatch.setattr(convert, "INTERVAL", 0.0)
    assert main(["convert", str(checkpoint), str(tmp_path / "out.safetensors")]) == 0
    if terminal and patience == 0:
        lines = stderr.getvalue().split("\r")
        assert lines[-1].startswith("100%")
        assert lines[-1].endswith(" of 0 MB\n")
        shares = [int(line.split("%")[0]) for line in lines[1:]]
        assert shares == sorted(shares)
        assert len(shares) > 10
    else:
        assert stderr.getvalue() == ""


# verify ---------------------------------------------------------------------------------------


def test_verify_without_peers(checkpoint, no_peers, capsys):
    code, text, errors = run(capsys, "verify", checkpoint)
    assert (code, errors) == (0, "")
    assert "Neither torch nor onnxruntime is installed" in text
    assert text.count("\n  Within the tolerance of 1.2e-04.\n") == 2
    assert text.count("\n  Within the tolerance of 2.2e-13.\n") == 1
    assert "\nencoder.rnn: LSTM(5, 7, num_layers=2, bidirectional=True), float32\n" in text
    table = rows(text, "\ncell: LSTMCell(3, 2), float64\n")
    assert [row[:4] for row in table[:3]] == [
        ["pylstm", "float64", "NumPy", name] for name in ("output", "h_n", "c_n")
    ]
    assert 0 < float(table[0][4]) < 1e-15
    assert 0 < float(table[0][5]) < 1000


def test_verify_one(checkpoint, no_peers, capsys):
    for prefix in ("decoder.rnn", "cell"):
        code, text, _ = run(capsys, "verify", checkpoint, "--prefix", prefix)
        assert code == 0
        assert text.count("Within") == 1
        assert f"\n{prefix}: " in text
    assert run(capsys, "verify", checkpoint, "--prefix", "rnn")[1].count("Within") == 2


@pytest.mark.parametrize("words", [["--prefix", "normed"], ["--prefix", ""]])
def test_verify_finds_none(checkpoint, no_peers, capsys, words):
    code, text, errors = run(capsys, "verify", checkpoint, *words)
    assert code == 1
    told = "\nnot run: normed: weight-normed LSTM (weight_ih_l0 is missing)\n"
    assert text == (told if words[1] else "")
    assert errors == (
        f"pylstm verify: {checkpoint} holds no LSTM with prefix {words[1]!r}; see `inspect`\n"
    )


# Files that hold near misses and nothing else.
ONLY_NEAR_MISSES = {
    "part": ({"weight_ih_l1": (8, 2), "weight_hh_l1": (8, 2)}, "(root)", "layer 0 of at least 2"),
    "normed": ({"a.weight_hh_l0_g": (8, 1), "a.weight_hh_l0_v": (8, 2)}, "a", "weight-normed LSTM"),
    "cell with a norm": (
        {"c.weight_ih": (8, 2), "c.weight_hh": (8, 2), "c.ln.weight": (8,)},
        "c",
        "LSTMCell with foreign parameters (ln.weight",
    ),
    "other names": ({"lstm:weight_hh_l0": (8, 2)}, "lstm", "LSTM with other names"),
}


@pytest.mark.parametrize("words", [[], ["--prefix", "elsewhere"]])
@pytest.mark.parametrize("arrays, prefix, reason", ONLY_NEAR_MISSES.values(), ids=ONLY_NEAR_MISSES)
def test_every_command_names_near_misses_alone(arrays, prefix, reason, words, tmp_path, capsys):
    path = tmp_path / "model.npz"
    np.savez(path, **{name: np.zeros(shape, np.float32) for name, shape in arrays.items()})
    code, text, errors = run(capsys, "verify", path, *words)
    assert code == 1
    assert re.search(rf"^not run: {re.escape(prefix)}: .*{re.escape(reason)}", text, re.MULTILINE)
    assert "holds no LSTM" in errors
    code, text, errors = run(capsys, "convert", path, tmp_path / "new.npz", *words)
    assert code == bool(words)
    assert reason in errors
    if not words:
        code, text, _ = run(capsys, "inspect", path)
        assert code == 0
        told = re.escape(reason.partition(" (")[0])
        assert re.search(rf"^ *{re.escape(prefix)} .*{told}", text, re.MULTILINE)
        assert "No LSTM that pylstm can run." in text
        _, text, _ = run(capsys, "inspect", path, "--json")
        assert json.loads(text)["near_misses"]
    with pytest.raises(pylstm.WeightFileError, match=re.escape(reason)):
        pylstm.LSTM.from_weights(path)


@pytest.mark.parametrize("name", list(peers.PEERS))
def test_verify_against_what_is_not_there(checkpoint, no_peers, capsys, name):
    code, text, errors = run(capsys, "verify", checkpoint, "--against", name)
    assert (code, text) == (2, "")
    assert (
        f"--against {name} needs what is not installed: {', '.join(peers.PEERS[name].needs)}"
        in (errors)
    )


def test_verify_sees_a_difference(checkpoint, no_peers, monkeypatch, capsys):
    def wrong(module, x, h_0, c_0):
        output, h_n, c_n = run_reference(module, x, h_0, c_0)
        c_n[0, 0, 0] += 2e-4
        return output, h_n, c_n

    run_reference = verify.run_reference
    monkeypatch.setattr(verify, "run_reference", wrong)
    code, text, _ = run(capsys, "verify", checkpoint, "--prefix", "decoder.rnn")
    assert code == 1
    assert "NOT within the tolerance" in text
    assert float(rows(text, "float32\n")[2][4]) == pytest.approx(2e-4, rel=1e-2)


class FakePeer:
    name = "other 1.0"
    coarsest = 0.0

    def __init__(self, error=0.0):
        self.error = error

    def run(self, module, x, *states):
        if getattr(module, "proj_size", 0):
            raise peers.CannotRun("no projections")
        return tuple(array + self.error for array in verify.run_pylstm(module, x, *states))


@pytest.mark.parametrize(("error", "expected"), [(0.0, 0), (1e-2, 1)])
def test_verify_against_a_peer(checkpoint, monkeypatch, capsys, error, expected):
    monkeypatch.setattr(verify, "find_peer", lambda name: FakePeer(error))
    code, text, _ = run(capsys, "verify", checkpoint, "--prefix", "cell")
    assert code == expected
    table = rows(text, "float64\n")
    assert [row[:3] for row in table[3:9:3]] == [
        ["pylstm", "other", "1.0"],
        ["other", "1.0", "float64"],
    ]
    assert ("NOT within" in text) == bool(expected)


def test_verify_where_the_peer_cannot(checkpoint, monkeypatch, capsys):
    monkeypatch.setattr(verify, "find_peer", lambda name: FakePeer())
    code, text, _ = run(capsys, "verify", checkpoint)
    assert code == 0
    assert text.count("other 1.0 cannot run it: no projections") == 1
    assert text.count("Within") == 3
    assert run(capsys, "verify", checkpoint, "--against", "torch")[0] == 1


def test_verify_compares_as_it_says():
    eps = np.finfo(np.float32).eps
    one, dtype = np.ones(3, np.float32), np.dtype("float32")
    assert verify.compare(one, one, dtype) == (0.0, 0.0, True)
    assert verify.compare(one + eps, one, dtype) == (eps, 1.0, True)
    assert verify.compare(100 * one, 100 * one + 0.01, dtype)[2]
    assert not verify.compare(one, one + 0.001, dtype)[2]
    special = np.array([np.nan, np.inf, -np.inf], np.float32)
    assert verify.compare(special, special, dtype) == (0.0, 0.0, True)
    for other in (one, special[::-1], -special):
        difference, _, fine = verify.compare(special, other, dtype)
        assert np.isinf(difference)
        assert not fine


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("proj_size", [0, 3])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_the_reference_is_right(bias, proj_size, bidirectional):
    module = with_parameters(
        pylstm.LSTM(4, 5, 3, bias, True, bidirectional=bidirectional, proj_size=proj_size), 1
    )
    x, h_0, c_0 = verify.make_inputs(module)
    expected, (h_n, c_n) = reference_lstm(module.state_dict(), x, (h_0, c_0))
    for result in (
        verify.run_reference(module, x, h_0, c_0),
        verify.run_pylstm(module, x, h_0, c_0),
    ):
        for array, truth in zip(result, (expected, h_n, c_n), strict=True):
            np.testing.assert_allclose(array, truth, rtol=0, atol=1e-6)


# selftest -------------------------------------------------------------------------------------


def test_selftest_at_this_level(monkeypatch, capsys):
    level = pylstm._core.simd_level()
    monkeypatch.setattr(
        pylstm._core, "simd_levels", lambda: {level: (True, True), "x": (True, False)}
    )
    monkeypatch.setattr(pylstm._core, "simd_flavours", lambda: {"portable": True, "x-y": True})
    code, text, errors = run(capsys, "selftest")
    assert (code, errors) == (0, "")
    lines = [line.split() for line in text.splitlines()]
    recorded = [[name, value, "same"] for name, value in recorded_hashes().items()]
    assert [line for line in lines if len(line) == 3 and line[2] == "same"] == recorded
    assert text.endswith(f"Every result is the recorded one at every level: {level}.\n")


def test_selftest_shows_what_differs(monkeypatch, capsys):
    class Run:
        def __init__(self, level):
            self.level = level

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def __iter__(self):
            yield "first", "1" * 32
            if self.level == "good":
                yield "second", "2" * 32
            elif self.level == "other":
                yield "second", "3" * 32

    monkeypatch.setattr(selftest, "LevelRun", Run)
    wrong = selftest.compare({"first": "1" * 32, "second": "2" * 32}, ["good", "other", "dead"])
    assert wrong == 2
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [
        ["first", "1" * 32, "same", "same", "same"],
        ["second", "2" * 32, "same", "OTHER", "OTHER"],
        ["other:", "3" * 32],
        ["dead:", "nothing"],
    ]
    monkeypatch.setattr(selftest, "compare", lambda *_: 2)
    code, text, _ = run(capsys, "selftest")
    assert code == 1
    assert "2 results are NOT the recorded ones" in text


# All commands ---------------------------------------------------------------------------------

FILE_COMMANDS = (["inspect"], ["inspect", "--json"], ["verify"], ["convert"])


def arguments_for(command, path):
    return [*command, str(path), *(["out.npz"] if command == ["convert"] else [])]


@pytest.mark.parametrize("command", FILE_COMMANDS, ids=" ".join)
def test_files_that_cannot_be_read(tmp_path, capsys, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad").write_bytes(b"no weights, only \x1b[1m text")
    (tmp_path / "cut.npz").write_bytes(b"PK\3\4 and then nothing")
    for name, words in {
        "missing": "missing: No such file or directory",
        "bad": "bad: ",
        "cut.npz": "cut.npz: ",
        ".": ".: Is a directory",
        "": "",
    }.items():
        code, text, errors = run(capsys, *arguments_for(command, name))
        assert (code, text) == (2, "")
        assert errors.startswith(f"pylstm {command[0]}: {words}")
        assert errors.count("\n") == 1
        assert errors[:-1].isprintable()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "cut.npz"]


@pytest.mark.parametrize(
    "arguments",
    [["inspect"], ["convert", "x"], ["verify", "x", "--against", "keras"], ["convert", "x", "y", "--dtype", "int8"]],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: python -m pylstm" in capsys.readouterr().err


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(f"\n    {name} " in text for name in COMMANDS)
    for name in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main([name, "--help"])
        assert ended.value.code == 0
        assert COMMANDS[name].__doc__.splitlines()[0].split()[0] in capsys.readouterr().out


def test_interruption_is_quiet(monkeypatch, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(COMMANDS["info"], "run", interrupted)
    assert run(capsys, "info") == (128 + signal.SIGINT, "", "")


def process(*arguments, **options):
    # Not from the root: there `-m` would find the source folder before an installed package.
    command = [sys.executable, "-m", "pylstm", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


def test_a_reader_may_leave(tmp_path):
    path = tmp_path / "many.npz"
    np.savez(path, **{f"tensor{number:05}": np.zeros(1) for number in range(3000)})
    # Unbuffered: the rest of 111 KB is then more than the pipe of 64 KB holds when the reader leaves.
    with process("inspect", path, bufsize=0) as running:
        assert running.stdout.readline().startswith(bytes(path))
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 141


def test_any_alphabet_may_be_printed(tmp_path):
    path = tmp_path / "file.safetensors"
    write_safetensors(path, {"größe中": ("F32", [], 0, 4)}, bytes(4))
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    with process("inspect", path, env=environment) as running:
        text, errors = running.communicate()
    assert (running.returncode, errors) == (0, b"")
    assert rb"gr\xf6\xdfe\u4e2d" in text


def test_commands_start_without_the_packages_of_others():
    """Neither torch nor an extra is imported to parse a command line."""
    script = (
        "import sys, pylstm.cli; pylstm.cli.make_parser();"
        "print(sorted({'torch', 'onnx', 'onnxruntime', 'h5py'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=HERE, capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"
