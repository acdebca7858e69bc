"""Weights in several files: read by their index, and never one of them as if it were all."""

import errno
import io
import json
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from support import with_parameters
from weight_files import torch_entries, zip_archive

import pylstm
from pylstm import WeightFileError
from pylstm.cli import main
from pylstm.files.formats.shards import shard_of
from pylstm.files.open import open_weights

FORMATS = ("safetensors", "torch")
STEM = {"safetensors": ("model", "safetensors"), "torch": ("pytorch_model", "bin")}


@pytest.fixture
def state():
    """Two layers: each shard by itself looks like an LSTM of one."""
    lstm = with_parameters(pylstm.LSTM(4, 4, 2), 1)
    values = {f"rnn.{name}": np.array(value) for name, value in lstm.state_dict().items()}
    return values | {"head.weight": np.ones((2, 4), np.float32)}


def content_of(format, arrays, **metadata):
    if format == "torch":
        return zip_archive(torch_entries(arrays))
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, array in arrays.items():
        dtype = {"float32": "F32", "float16": "F16"}[array.dtype.name]
        header[name] = {
            "dtype": dtype,
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + array.nbytes],
        }
        data += array.tobytes()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def shard_name(format, number, count):
    stem, suffix = STEM[format]
    return f"{stem}-{number:05}-of-{count:05}.{suffix}"


def index_name(format):
    return f"{'.'.join(STEM[format])}.index.json"


def is_of_layer_0(name):
    return name.endswith("_l0")


def write(folder, format, arrays, count=2, metadata=None):
    """Write shards, the first of them with layer 0 alone; return the weight_map."""
    folder.mkdir(exist_ok=True)
    parts = [{} for _ in range(count)]
    for index, (name, array) in enumerate(arrays.items()):
        parts[0 if is_of_layer_0(name) else 1 + index % (count - 1)][name] = array
    where = {}
    for number, part in enumerate(parts, start=1):
        file = shard_name(format, number, count)
        (folder / file).write_bytes(content_of(format, part))
        where |= dict.fromkeys(part, file)
    where = {name: where[name] for name in arrays}
    write_index(folder, format, where, metadata)
    return where


def write_index(folder, format, where, metadata=None):
    index = {"metadata": {"total_size": 123, **(metadata or {})}, "weight_map": where}
    (folder / index_name(format)).write_text(json.dumps(index, indent=2))


@pytest.fixture(params=FORMATS)
def format(request):
    return request.param


@pytest.fixture
def folder(tmp_path, format, state):
    write(tmp_path / "model", format, state)
    return tmp_path / "model"


def sources(folder, format):
    yield folder
    yield str(folder) + "/"
    yield folder / index_name(format)
    yield folder / shard_name(format, 1, 2)
    yield folder / shard_name(format, 2, 2)


def refused(source):
    with pytest.raises(WeightFileError) as caught:
        pylstm.load(source)
    for action in (pylstm.find_lstms, pylstm.LSTM.from_weights):
        with pytest.raises(WeightFileError):
            action(source)
    return str(caught.value)


# As a whole -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mmap", [False, True])
def test_a_folder_an_index_and_each_shard_are_the_whole(folder, format, state, mmap):
    for source in sources(folder, format):
        loaded = pylstm.load(source, mmap=mmap)
        assert list(loaded) == list(state)
        for name, value in state.items():
            np.testing.assert_array_equal(loaded[name], value, strict=True)
        assert list(pylstm.load(source, mmap=mmap, flat=True, prefix="head")) == ["weight"]
        [found] = pylstm.find_lstms(source)
        assert (found.prefix, found.num_layers) == ("rnn", 2)
        lstm = pylstm.LSTM.from_weights(source)
        assert lstm.weight_hh_l1.tobytes() == state["rnn.weight_hh_l1"].tobytes()
        lstm.load_state_dict(pylstm.load(source, flat=True, prefix="rnn"))


def test_what_an_open_file_says(folder, format):
    for source in sources(folder, format):
        with open_weights(source) as file:
            assert file.name == str(Path(source))
            assert file.format == format
            assert file.metadata == {"index": index_name(format), "shards": "2"}
            assert file.size == sum(path.stat().st_size for path in folder.iterdir())
            assert {path.name for path in file.paths} == {path.name for path in folder.iterdir()}


def test_files_are_closed(folder, format, recwarn):
    pylstm.load(folder)
    with open_weights(folder) as file:
        tensor = file.tree["head.weight"]
    with pytest.raises(ValueError, match="closed"):
        tensor.read()
    (folder / shard_name(format, 2, 2)).write_bytes(b"junk")
    refused(folder)
    assert not recwarn.list


def test_many_shards(tmp_path, format, state):
    where = write(tmp_path / "model", format, state, count=7)
    assert len(set(where.values())) > 3
    np.testing.assert_array_equal(pylstm.load(tmp_path / "model")["head.weight"], np.ones((2, 4)))


def test_the_order_is_that_of_the_index(folder, format, state):
    index = json.loads((folder / index_name(format)).read_text())
    write_index(folder, format, dict(reversed(index["weight_map"].items())))
    assert list(pylstm.load(folder)) == list(state)[::-1]


def test_links_out_of_the_folder(tmp_path, folder, format, state):
    """In its cache Hugging Face keeps files by the hash of their content, and links to them."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "0123abcd"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    for number, path in enumerate(sorted(folder.iterdir())):
        shutil.move(path, blobs / f"{number:040x}")
        (snapshot / path.name).symlink_to(Path("../../blobs") / f"{number:040x}")
    for source in sources(snapshot, format):
        assert list(pylstm.load(source)) == list(state)
        assert pylstm.LSTM.from_weights(source).num_layers == 2


def test_a_link_of_another_name_to_a_shard(tmp_path, folder, format, state):
    link = tmp_path / "weights.safetensors"
    link.symlink_to(folder / shard_name(format, 1, 2))
    assert list(pylstm.load(link)) == list(state)
    (folder / index_name(format)).unlink()
    assert "one shard of 2" in refused(link)


def test_ties_of_the_index(tmp_path, state):
    kept = {name: value for name, value in state.items() if name != "rnn.weight_hh_l1"}
    ties = {"rnn.weight_hh_l1": "rnn.weight_hh_l0", "x": "missing", "format": "head.weight"}
    write(tmp_path / "model", "safetensors", kept, metadata=ties)
    loaded = pylstm.load(tmp_path / "model")
    assert loaded["rnn.weight_hh_l1"] is loaded["rnn.weight_hh_l0"]
    assert set(loaded) == set(state)
    assert pylstm.LSTM.from_weights(tmp_path / "model").num_layers == 2
    flat = pylstm.load(tmp_path / "model", flat=True, prefix="rnn")
    assert set(flat) == {name.removeprefix("rnn.") for name in state if name.startswith("rnn.")}


def test_ties_in_a_shard(tmp_path, state):
    """Other names of a tensor that the index names are not in the index."""
    write(tmp_path / "model", "safetensors", state)
    shard = tmp_path / "model" / shard_name("safetensors", 2, 2)
    content = shard.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = {"head.again": "head.weight"}
    text = json.dumps(header).encode()
    shard.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    loaded = pylstm.load(tmp_path / "model")
    assert loaded["head.again"] is loaded["head.weight"]


def test_what_is_recorded_of_modules(tmp_path, state):
    write(tmp_path / "model", "safetensors", state)
    shard = tmp_path / "model" / shard_name("safetensors", 1, 2)
    content = shard.read_bytes()
    text = content[8 : 8 + struct.unpack("<Q", content[:8])[0]]
    more = text.replace(b'"format": "pt"', b'"pylstm.batch_first": "{\\"rnn\\": true}"')
    shard.write_bytes(struct.pack("<Q", len(more)) + more + content[8 + len(text) :])
    assert pylstm.LSTM.from_weights(tmp_path / "model").batch_first
    assert pylstm.LSTM.from_weights(pylstm.load(tmp_path / "model")).batch_first


@pytest.mark.parametrize("variant", ["model.safetensors.index.fp16.json", "other.index.json"])
def test_indexes_of_other_names(tmp_path, state, variant):
    """Variants of a model have theirs in the middle of the name."""
    write(tmp_path / "model", "safetensors", state)
    (tmp_path / "model" / index_name("safetensors")).rename(tmp_path / "model" / variant)
    for source in ("", variant, shard_name("safetensors", 1, 2)):
        assert list(pylstm.load(tmp_path / "model" / source)) == list(state)


def test_one_shard_of_one(tmp_path, format, state):
    stem, suffix = STEM[format]
    path = tmp_path / f"{stem}-00001-of-00001.{suffix}"
    path.write_bytes(content_of(format, state))
    assert set(pylstm.load(path)) == set(state)
    with path.open("rb") as file:
        assert set(pylstm.load(file)) == set(state)


# Never a part -----------------------------------------------------------------------------------


def test_a_shard_without_an_index(folder, format):
    (folder / index_name(format)).unlink()
    text = refused(folder / shard_name(format, 1, 2))
    assert "one shard of 2 (number 1, by its name), and there is no index beside it" in text
    assert index_name(format) in text
    text = refused(folder)
    assert "has shards and no index of them" in text
    assert "one shard of 2" in text
    # Of its own content alone nothing tells that there is more.
    content = (folder / shard_name(format, 1, 2)).read_bytes()
    assert pylstm.LSTM.from_weights(content).num_layers == 1


def test_an_index_that_does_not_name_the_shard(folder, format):
    extra = folder / shard_name(format, 3, 3)
    shutil.copy(folder / shard_name(format, 1, 2), extra)
    assert f"{index_name(format)} does not name it" in refused(extra)


def test_several_indexes_that_name_a_shard(folder, format):
    shutil.copy(folder / index_name(format), folder / "a.index.json")
    (folder / index_name(format)).rename(folder / "b.index.json")
    text = refused(folder / shard_name(format, 1, 2))
    assert "several index files name it: a.index.json, b.index.json" in text
    assert "pass one of a.index.json, b.index.json" in refused(folder)
    assert len(pylstm.load(folder / "a.index.json")) == 9


def test_file_objects_and_bytes_have_no_others_beside_them(folder, format):
    for number in (1, 2):
        with (folder / shard_name(format, number, 2)).open("rb") as file:
            assert "one shard of 2" in refused(file)
    named = io.BytesIO((folder / shard_name(format, 1, 2)).read_bytes())
    named.name = shard_name(format, 1, 2)
    assert "pass its path" in refused(named)
    content = (folder / index_name(format)).read_bytes()
    for source in (content, io.BytesIO(content)):
        assert "an index of shards, which has no folder here" in refused(source)


@pytest.mark.parametrize(
    ("name", "shard"),
    [
        ("model-00001-of-00002.safetensors", (1, 2)),
        ("model.fp16-00003-of-00012.safetensors", (3, 12)),
        ("diffusion_pytorch_model-00001-of-00002.fp16.safetensors", (1, 2)),
        ("a-b-1-of-2.pt", (1, 2)),
        ("model-000001-of-000163.safetensors", (1, 163)),
        ("model-00001-of-00001.safetensors", None),
        ("model-00001-of-00000.safetensors", None),
        ("model.safetensors", None),
        ("best-of-3.pt", None),
        ("model-1-of-2", (1, 2)),
        ("1-of-2.pt", (1, 2)),
    ],
)
def test_names_of_shards(name, shard):
    assert shard_of(name) == shard


# Folders ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "pytorch_model.bin", "diffusion_pytorch_model.safetensors"],
)
def test_a_folder_with_one_model(tmp_path, state, name):
    format = "safetensors" if name.endswith("s") else "torch"
    (tmp_path / name).write_bytes(content_of(format, state))
    # As a trainer leaves them beside it.
    (tmp_path / "optimizer.pt").write_bytes(content_of("torch", {"x": np.ones(1, np.float32)}))
    (tmp_path / "config.json").write_text('{"a": 1}')
    assert set(pylstm.load(tmp_path)) == set(state)
    assert pylstm.LSTM.from_weights(tmp_path).num_layers == 2
    assert [found.num_layers for found in pylstm.find_lstms(str(tmp_path))] == [2]


def test_folders_without_a_model(tmp_path):
    for names in ((), ("optimizer.pt", "weights.npz", "a.safetensors", "config.json")):
        for name in names:
            (tmp_path / name).write_bytes(b"")
        with pytest.raises(IsADirectoryError, match="without an index of shards") as caught:
            pylstm.load(tmp_path)
        assert caught.value.filename == str(tmp_path)
        assert caught.value.errno == errno.EISDIR
    with pytest.raises(FileNotFoundError):
        pylstm.load(tmp_path / "missing")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("model.safetensors", "pytorch_model.bin"), "pass one of model.safetensors, pytorch_mod"),
        (("model.safetensors.index.json", "pytorch_model.bin.index.json"), "pass one of"),
        (("model.safetensors.index.json", "model.safetensors"), "pass one of"),
        (("model.safetensors", "model-00001-of-00002.safetensors"), "pass one of"),
        (("model-00001-of-00002.safetensors",), "has shards and no index of them"),
        (("__0_0.distcp", ".metadata"), "the file is empty"),
        (("saved_model.pb",), "a TensorFlow SavedModel"),
    ],
)
def test_folders_that_are_not_sure(tmp_path, names, words):
    for name in names:
        (tmp_path / name).write_bytes(b"")
    text = refused(tmp_path)
    assert words in text
    assert text.startswith(f"{tmp_path}: ")


def test_convert_reads_folders_and_never_writes_into_them(tmp_path, folder, format, state, capsys):
    for source in sources(folder, format):
        assert main(["convert", str(source), str(tmp_path / "whole.npz")]) == 0
        assert set(pylstm.load(tmp_path / "whole.npz")) == set(state)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    link = tmp_path / "link.pt"
    link.symlink_to(folder / shard_name(format, 2, 2))
    shard = folder / shard_name(format, 1, 2)
    for output in (link, *([shard] if shard.suffix == ".safetensors" else [])):
        assert main(["convert", str(folder), str(output)]) == 1
        assert "the other files that belong to it" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in folder.iterdir()}


# What an index may not say ----------------------------------------------------------------------


def change(folder, format, edit):
    path = folder / index_name(format)
    index = json.loads(path.read_text())
    edit(index["weight_map"])
    path.write_text(json.dumps(index))


def test_a_tensor_that_is_missing_in_its_shard(folder, format):
    change(folder, format, lambda where: where.update(x=shard_name(format, 1, 2)))
    text = refused(folder)
    assert f"{shard_name(format, 1, 2)}: x: is not in this shard, where the index has it" in text


def test_a_tensor_that_is_not_in_the_index(folder, format):
    change(folder, format, lambda where: where.pop("head.weight"))
    assert "head.weight: is in this shard and not in the index" in refused(folder)


def test_a_tensor_that_is_in_another_shard(folder, format):
    name = "rnn.weight_hh_l0"
    change(folder, format, lambda where: where.update({name: shard_name(format, 2, 2)}))
    assert "rnn.weight_hh_l0: is in this shard, and the index has it in" in refused(folder)


def test_a_tensor_in_two_shards(folder, format, state):
    part = {name: value for name, value in state.items() if not is_of_layer_0(name)}
    part["rnn.weight_hh_l0"] = state["rnn.weight_hh_l0"]
    (folder / shard_name(format, 2, 2)).write_bytes(content_of(format, part))
    text = refused(folder)
    assert f"is in this shard, and the index has it in {shard_name(format, 1, 2)}" in text


def test_a_shard_that_is_missing(folder, format):
    (folder / shard_name(format, 2, 2)).unlink()
    for source in (folder, folder / index_name(format), folder / shard_name(format, 1, 2)):
        with pytest.raises(FileNotFoundError) as caught:
            pylstm.load(source)
        assert caught.value.filename == str(folder / shard_name(format, 2, 2))
    with pytest.raises(FileNotFoundError):
        pylstm.load(folder / shard_name(format, 2, 2))
    (folder / shard_name(format, 2, 2)).symlink_to("nowhere")
    with pytest.raises(FileNotFoundError):
        pylstm.load(folder)


@pytest.mark.parametrize(
    "name",
    ["../secret.safetensors", "/etc/passwd", "a/b.safetensors", "..", ".", "", "a\\b", "C:x", "a\0b",
     "n" * 256, 3, None, ["model.safetensors"], {"a": 1}],
    ids=repr,
)  # fmt: skip
def test_names_that_are_no_files_beside_the_index(folder, format, name):
    (folder.parent / "secret.safetensors").write_bytes(
        content_of("safetensors", {"x": np.ones(1, "f4")})
    )
    change(folder, format, lambda where: where.update(x=name))
    for source in (folder, folder / index_name(format), folder / shard_name(format, 1, 2)):
        assert "which is no file beside the index" in refused(source)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "nor an index of shards: it has no weight_map"),
        ('{"weight_map": []}', "nor an index of shards: it has no weight_map"),
        ('{"weight_map": "x"}', "nor an index of shards: it has no weight_map"),
        ('{"weight_map": {"a": "x", "a": "y"}}', "has the name 'a' twice"),
        ('{"weight_map": {}, "weight_map": {"a": "x"}}', "has the name 'weight_map' twice"),
        ('{"weight_map": {"a": "x"}', "damaged or cut off"),
        ('{"weight_map": {"a": "x"}} x', "goes on after its end"),
        ('{"weight_map": ' * 100_000, "nested more than 100 deep"),
        ('{"metadata": ' + "[" * 100_000, "nested more than 100 deep"),
        ('{"weight_map": {"\\ud800": "x"}}', "a string that is damaged"),
        ('{"weight_map": 1' + "0" * 100_000 + "}", "a number of more than 400"),
    ],
)
def test_damaged_indexes(folder, format, text, words):
    (folder / index_name(format)).write_text(text)
    for source in (folder, folder / index_name(format), folder / shard_name(format, 1, 2)):
        assert words in refused(source)


def test_an_index_of_nothing(folder, format):
    (folder / index_name(format)).write_text('{"weight_map": {}}')
    assert pylstm.load(folder) == {}


def test_an_index_in_an_index(folder, format):
    own = index_name(format)
    change(folder, format, lambda where: where.update(x=own))
    assert f"{own}: is JSON, as an index of shards is, and no shard" in refused(folder)
    shutil.copy(folder / own, folder / "other.json")
    change(folder, format, lambda where: where.update(x="other.json"))
    assert "other.json: is JSON" in refused(folder)


def test_files_that_are_no_shards(folder, format, state):
    target = folder / shard_name(format, 2, 2)
    for content, words in (
        (b"", "the file is empty"),
        (b"junk", "not a weight file"),
        (pickled_list(), "holds a list, not tensors by name"),
        (npz(), "a file of format npz, of which there are no shards"),
    ):
        target.write_bytes(content)
        text = refused(folder)
        assert words in text
        assert str(target) in text


def pickled_list():
    import pickle

    return pickle.dumps([np.ones(1)])


def npz():
    file = io.BytesIO()
    np.savez(file, a=np.ones(1))
    return file.getvalue()


def test_shards_of_two_formats(tmp_path, state):
    write(tmp_path / "model", "safetensors", state)
    part = {name: value for name, value in state.items() if not is_of_layer_0(name)}
    path = tmp_path / "model" / shard_name("safetensors", 2, 2)
    path.write_bytes(content_of("torch", part))
    assert "an index of files of several formats" in refused(tmp_path / "model")


def test_what_is_no_regular_file(folder, format):
    target = folder / shard_name(format, 2, 2)
    target.unlink()
    os.mkfifo(target)
    with pytest.raises(OSError, match="not a regular file"):
        pylstm.load(folder)
    with pytest.raises(OSError, match="not a regular file"):
        pylstm.load(target)
    target.unlink()
    target.symlink_to("/dev/zero")
    with pytest.raises(OSError, match="not a regular file"):
        pylstm.load(folder)
    target.unlink()
    target.mkdir()
    with pytest.raises(IsADirectoryError):
        pylstm.load(folder)
    (folder / index_name(format)).unlink()
    os.mkfifo(folder / index_name(format))
    with pytest.raises(OSError, match="not a regular file"):
        pylstm.load(folder)


def test_a_file_in_the_place_of_two(folder, format):
    """The second shard is the first one once more."""
    target = folder / shard_name(format, 2, 2)
    target.unlink()
    target.symlink_to(shard_name(format, 1, 2))
    assert "is not in this shard, where the index has it" in refused(folder)


def test_folders_of_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr("pylstm.files.formats.shards._MOST_FILES", 10)
    for number in range(11):
        (tmp_path / str(number)).write_bytes(b"")
    assert "more than 10 files" in refused(tmp_path)


def test_an_index_that_is_too_long(folder, format, monkeypatch):
    monkeypatch.setattr("pylstm.files.formats.shards._LONGEST_INDEX", 100)
    assert "an index of" in refused(folder)


def test_shards_share_what_one_file_may_spend(folder, format, monkeypatch):
    """So many files may not need so many times the memory of one."""
    monkeypatch.setattr("pylstm.files.base.source.MOST_PARTS", 6)
    assert "parts in" in refused(folder)
