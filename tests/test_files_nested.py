"""Zip archives with weight files inside."""

import io
import zipfile

import numpy as np
import pytest

import pylstm
from pylstm.files.open import open_weights

METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]


def zipped(files, method=zipfile.ZIP_STORED):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


@pytest.fixture
def lstm():
    return pylstm.LSTM(3, 4)


@pytest.fixture
def saved(lstm, tmp_path):
    """The content of files of one LSTM, by suffix."""
    contents = {}
    for suffix in (".pt", ".safetensors", ".npz"):
        path = tmp_path / f"saved{suffix}"
        pylstm.save(lstm.state_dict(prefix="lstm_actor."), path)
        contents[suffix] = path.read_bytes()
    return contents


def assert_same(module, lstm):
    for name, value in lstm.state_dict().items():
        assert module.state_dict()[name].tobytes() == value.tobytes()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mmap", [False, True])
def test_stable_baselines3(saved, lstm, method, mmap, tmp_path):
    files = {"data": b"{}", "pytorch_variables.pth": saved[".pt"], "policy.pth": saved[".pt"]}
    path = tmp_path / "agent.zip"
    path.write_bytes(zipped({**files, "system_info.txt": b"a"}, method))
    assert [found.prefix for found in pylstm.find_lstms(path)] == [
        "pytorch_variables.lstm_actor",
        "policy.lstm_actor",
    ]
    assert_same(pylstm.LSTM.from_weights(path, "policy.lstm_actor"), lstm)
    loaded = pylstm.load(path, mmap)
    assert list(loaded) == ["pytorch_variables", "policy"]
    np.testing.assert_array_equal(loaded["policy"]["lstm_actor.weight_ih_l0"], lstm.weight_ih_l0)
    with open_weights(path) as file:
        assert file.format == "zip of torch"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_one_file_is_its_own_tree(saved, lstm, suffix, method):
    content = zipped({f"a/model{suffix}": saved[suffix], "__MACOSX/a/._model.pt": b"\0"}, method)
    [found] = pylstm.find_lstms(content)
    assert found.prefix == "lstm_actor"
    assert_same(pylstm.LSTM.from_weights(io.BytesIO(content)), lstm)


def test_an_archive_in_an_archive_is_not_looked_into(saved):
    with pytest.raises(pylstm.WeightFileError, match="extract it and pass"):
        pylstm.load(zipped({"a.pth": zipped({"b.pth": saved[".pt"]})}))


def test_what_inflates_to_too_much():
    content = zipped({"a.pth": bytes(40 << 20)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(pylstm.WeightFileError, match="inflate to 41943040 bytes"):
        pylstm.load(content)


def test_a_shard_in_an_archive(saved):
    content = zipped({"model-00001-of-00002.safetensors": saved[".safetensors"]})
    with pytest.raises(pylstm.WeightFileError, match="one shard of several"):
        pylstm.load(content)


def test_two_files_of_one_name(saved):
    with pytest.raises(pylstm.WeightFileError, match="but for the suffix"):
        pylstm.load(zipped({"a.pt": saved[".pt"], "a.safetensors": saved[".safetensors"]}))


@pytest.mark.parametrize("content", [b"", b"{}", b"\x93NUMPY"])
def test_files_that_are_none(content):
    with pytest.raises(pylstm.WeightFileError, match=r"a\.pth"):
        pylstm.load(zipped({"a.pth": content}))


def test_other_formats_inside(saved):
    with pytest.raises(pylstm.WeightFileError, match="of format npz"):
        pylstm.load(zipped({"a.pth": saved[".npz"]}))
    for other in ("b.onnx", "b.h5", "model.safetensors.index.json"):
        with pytest.raises(pylstm.WeightFileError, match="a zip archive: extract it"):
            pylstm.load(zipped({"a.pth": saved[".pt"], other: b""}))
