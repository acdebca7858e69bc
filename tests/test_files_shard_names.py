"""Shards by other names than Hugging Face's: what an index beside them says, and what names say."""

import json

import numpy as np
import pytest
from support import with_parameters

import pylstm
from pylstm import WeightFileError
from pylstm.files.formats.shards import shard_of

PARTS = {"layer_0.safetensors": "_l0", "layer_1.safetensors": "_l1"}


@pytest.fixture
def state():
    """Two layers: each shard by itself looks like an LSTM of one."""
    lstm = with_parameters(pylstm.LSTM(4, 4, 2), 1)
    return {f"rnn.{name}": np.array(value) for name, value in lstm.state_dict().items()}


@pytest.fixture
def folder(tmp_path, state):
    where = {}
    for file, ending in PARTS.items():
        part = {name: value for name, value in state.items() if name.endswith(ending)}
        pylstm.save(part, tmp_path / file)
        where |= dict.fromkeys(part, file)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    return tmp_path


@pytest.mark.parametrize("file", PARTS)
def test_a_file_that_an_index_names_is_a_shard(folder, file, state):
    [found] = pylstm.find_lstms(folder / file)
    assert (found.prefix, found.num_layers) == ("rnn", 2)
    loaded = pylstm.load(folder / file)
    assert loaded.keys() == state.keys()
    assert all(loaded[name].tobytes() == value.tobytes() for name, value in state.items())
    link = folder.parent / f"link to {file}"
    link.symlink_to(folder / file)
    [found] = pylstm.find_lstms(link)
    assert found.num_layers == 2
    with (
        (folder / file).open("rb") as opened,
        pytest.raises(WeightFileError, match="as an index beside it says: pass its path"),
    ):
        pylstm.load(opened)
    assert len(pylstm.load((folder / file).read_bytes())) == 4


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"weight_map": {}}', '{"weight_map": {"a": "../layer_0.safetensors"}}']
)
def test_an_index_of_something_else_plays_no_role(folder, text):
    (folder / "model.safetensors.index.json").write_text(text)
    assert len(pylstm.load(folder / "layer_0.safetensors")) == 4


def test_an_index_of_one_file_or_of_others_plays_no_role(folder, state):
    pylstm.save(state, folder / "whole.safetensors")
    assert len(pylstm.load(folder / "whole.safetensors")) == 8
    alone = {"weight_map": {"rnn.weight_ih_l0": "layer_0.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(alone))
    assert len(pylstm.load(folder / "layer_0.safetensors")) == 4


def test_several_indexes_that_name_a_file(folder):
    text = (folder / "model.safetensors.index.json").read_text()
    (folder / "other.index.json").write_text(text)
    with pytest.raises(WeightFileError, match="several index files name it"):
        pylstm.load(folder / "layer_0.safetensors")


def test_a_folder_of_many_files(folder, monkeypatch):
    monkeypatch.setattr("pylstm.files.formats.shards._MOST_FILES", 1)
    (folder / "model.safetensors.index.json").unlink()
    assert len(pylstm.load(folder / "layer_0.safetensors")) == 4


@pytest.mark.parametrize(
    ("name", "shard"),
    [
        ("model_00001-of-00002.safetensors", (1, 2)),
        ("model.00001-of-00002.safetensors", (1, 2)),
        ("model-00001_of_00002.safetensors", (1, 2)),
        ("00001-of-00002.safetensors", (1, 2)),
        ("pytorch_model-00001-of-00002", (1, 2)),
        ("model-fold-1-of-5.pt", None),
        ("model_epoch_3_of_10.pt", None),
        ("Run1-of-2.pt", None),
        ("seed-1-of-3.pt", None),
        ("v1-of-2.pt", None),
        ("model-1-of-2nd.pt", None),
    ],
)
def test_names_of_shards(name, shard):
    assert shard_of(name) == shard
