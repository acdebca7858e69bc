"""save: three formats, equal bytes back, and never half a file."""

import io
import json
import os
import re
import stat
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

import pylstm
from pylstm import WeightFileError
from pylstm.files.base.named import NamedArrays
from pylstm.files.base.record import Record, RecurrentLayer
from pylstm.files.open import open_weights
from pylstm.files.write.save import write

SUFFIXES = [".safetensors", ".npz", ".pt", ".pth"]
DTYPES = ["f8", "f4", "f2", "c8", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "b1"]
ARRAYS = {
    **{f"of.{dtype}": (np.arange(6).reshape(2, 3) % 4).astype(dtype) for dtype in DTYPES},
    "nan": np.array([np.nan, -0.0, np.inf, 5e-324]),
    "scalar": np.array(2.5, "f4"),
    "empty": np.zeros((3, 0, 2), "f4"),
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "reversed": np.arange(5)[::-2],
    "big-endian": np.arange(3, dtype=">f8"),
    "read-only": np.broadcast_to(np.float32(3), (2, 2)),
    "é \n \" \\ ' / 😀": np.ones(1),
    "": np.ones(1),
    ".": np.ones(1),
}


class DLPackOnly:
    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


def saved(mapping, path):
    pylstm.save(mapping, path)
    return pylstm.load(path)


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trips_are_equal_as_bytes(suffix, mmap, tmp_path):
    path = tmp_path / f"weights{suffix}"
    pylstm.save(ARRAYS, path)
    loaded = pylstm.load(path, mmap=mmap)
    assert set(loaded) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert loaded[name].dtype == array.dtype.newbyteorder("=")
        assert loaded[name].shape == array.shape
        assert loaded[name].tobytes() == array.astype(array.dtype.newbyteorder("=")).tobytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_equal_arrays_make_equal_files(suffix, tmp_path):
    first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix}"
    pylstm.save(ARRAYS, first)
    pylstm.save(dict(ARRAYS), second)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_module_and_back(suffix, tmp_path):
    lstm = pylstm.LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2)
    other = pylstm.LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2)
    other.load_state_dict(saved(lstm.state_dict(), tmp_path / f"lstm{suffix}"))
    for name, array in lstm.state_dict().items():
        assert array.tobytes() == other.state_dict()[name].tobytes()


def test_names_are_case_blind_to_the_suffix(tmp_path):
    assert list(saved({"a": 1}, tmp_path / "weights.NPZ")) == ["a"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_asarray_takes(suffix, tmp_path):
    values = {"list": [[1.0, 2.0]], "number": 3, "flag": True, "dlpack": DLPackOnly(np.ones(2))}
    loaded = saved(values, tmp_path / f"weights{suffix}")
    for name, expected in {**values, "dlpack": np.ones(2)}.items():
        np.testing.assert_array_equal(loaded[name], np.asarray(expected), strict=True)


def test_nested_mappings(tmp_path):
    nested = OrderedDict(model={"lstm": {"a": np.ones(2)}, "b": np.zeros(1)}, step=np.array(7))
    loaded = saved(nested, tmp_path / "weights.pt")
    assert list(loaded) == ["model", "step"] and list(loaded["model"]) == ["lstm", "b"]
    np.testing.assert_array_equal(loaded["model"]["lstm"]["a"], [1, 1])
    for suffix in (".npz", ".safetensors"):
        loaded = saved(nested, tmp_path / f"weights{suffix}")
        assert set(loaded) == {"model.lstm.a", "model.b", "step"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_to_save(suffix, tmp_path):
    assert saved({}, tmp_path / f"weights{suffix}") == {}


def test_complex128_is_not_for_safetensors(tmp_path):
    array = np.array([1 + 2j])
    for suffix in (".npz", ".pt"):
        np.testing.assert_array_equal(saved({"a": array}, tmp_path / f"a{suffix}")["a"], array)
    with pytest.raises(TypeError, match=r"'a' has dtype complex128.*save it as .npz or .pt"):
        pylstm.save({"a": array}, tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "mapping, error, message",
    [
        ([1], TypeError, "save needs a mapping"),
        (np.ones(2), TypeError, "save needs a mapping"),
        ({1: np.ones(2)}, TypeError, "names must be strings, not int"),
        ({"a": {1: 2}}, TypeError, r"names must be strings, not int \(in 'a'\)"),
        ({"a": None}, TypeError, "'a' is"),
        ({"a": "text"}, TypeError, "'a' is"),
        ({"a": {"b": b"text"}}, TypeError, "'a.b' is"),
        ({"a": pylstm.files.Record("x.Y")}, TypeError, "'a' is"),
        ({"a": object()}, TypeError, "'a' has dtype object"),
        ({"a": 2**70}, TypeError, "'a' has dtype object"),
        ({"a": [[1], [1, 2]]}, TypeError, "'a' cannot be made an array"),
        ({"a": np.array(["text"])}, TypeError, "'a' has dtype <U4"),
        ({"a": np.zeros(2, [("x", "f4")])}, TypeError, "'a' has dtype"),
        ({"a": np.ma.masked_array([1.0])}, TypeError, "'a' is a masked array"),
        ({"a": {"b": 1}, "a.b": 2}, ValueError, "two arrays have the name 'a.b'"),
        ({"\ud800": 1}, ValueError, "not valid Unicode"),
    ],
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_refused(mapping, error, message, suffix, tmp_path):
    path = tmp_path / f"weights{suffix}"
    with pytest.raises(error, match=message):
        pylstm.save(mapping, path)
    assert list(tmp_path.iterdir()) == []


def test_names_that_a_format_cannot_hold(tmp_path):
    with pytest.raises(ValueError, match="__metadata__"):
        pylstm.save({"__metadata__": 1}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="zip archive"):
        pylstm.save({"a\0b": 1}, tmp_path / "a.npz")
    for name in ("file", "args", "kwds", "allow_pickle"):
        assert list(saved({name: 1}, tmp_path / "a.npz")) == [name]


def test_a_mapping_that_holds_itself(tmp_path):
    mapping = {}
    mapping["a"] = mapping
    with pytest.raises(ValueError, match="nested more than 100 deep, or holds itself"):
        pylstm.save(mapping, tmp_path / "a.pt")


@pytest.mark.parametrize("name", ["weights", "weights.txt", "weights.pt.gz", ".pt"])
def test_unknown_suffixes(name, tmp_path):
    with pytest.raises(ValueError, match="suffix"):
        pylstm.save({}, tmp_path / name)


# ---------------------------------------------------------------------------- whole files only


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failure_leaves_the_old_file(suffix, tmp_path):
    path = tmp_path / f"weights{suffix}"
    pylstm.save({"a": np.ones(3)}, path)
    before = path.read_bytes()

    class Failing:
        dtype = np.dtype("f4")
        shape = (10,)

        def read(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write({"a": np.ones(10_000), "b": Failing()}, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "weights.pt"
    pylstm.save({"a": np.ones(3)}, path)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        pylstm.save({"a": np.zeros(3)}, path)
    monkeypatch.undo()
    np.testing.assert_array_equal(pylstm.load(path)["a"], np.ones(3))
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_may_be_saved_over_itself(tmp_path):
    path = tmp_path / "weights.safetensors"
    pylstm.save({"a": np.arange(10_000.0)}, path)
    mapped = pylstm.load(path, mmap=True)
    pylstm.save({"b": mapped["a"][::-1]}, path)
    np.testing.assert_array_equal(pylstm.load(path)["b"], np.arange(10_000.0)[::-1])
    np.testing.assert_array_equal(mapped["a"], np.arange(10_000.0))


def test_permissions(tmp_path):
    path = tmp_path / "weights.npz"
    before = os.umask(0o027)
    try:
        pylstm.save({"a": 1}, path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    pylstm.save({"a": 2}, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_links_stay_links(tmp_path):
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "weights.pt", tmp_path / "latest.pt"
    link.symlink_to(target)
    for value in (1, 2):
        pylstm.save({"a": value}, link)
        assert link.is_symlink() and not target.is_symlink()
        assert pylstm.load(target)["a"] == value
    assert list(target.parent.iterdir()) == [target]


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError):
        pylstm.save({}, tmp_path / "missing" / "a.pt")
    (tmp_path / "folder.pt").mkdir()
    with pytest.raises(IsADirectoryError):
        pylstm.save({}, tmp_path / "folder.pt")
    os.mkfifo(tmp_path / "pipe.pt")
    with pytest.raises(OSError, match="not a regular file"):
        pylstm.save({}, tmp_path / "pipe.pt")


# ---------------------------------------------------------------------------- the formats


def test_npz_is_what_numpy_reads(tmp_path):
    path = tmp_path / "weights.npz"
    pylstm.save(ARRAYS, path)
    with np.load(path, allow_pickle=False) as loaded:
        assert set(loaded) == set(ARRAYS)
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(loaded[name], array)


def test_tensors_in_a_torch_file_are_aligned(tmp_path):
    path = tmp_path / "weights.pt"
    pylstm.save(ARRAYS, path)
    content = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == "archive/data.pkl"
        storages = [entry for entry in archive.infolist() if "/data/" in entry.filename]
        assert len(storages) == len(ARRAYS)
        for entry in storages:
            name, extra = struct.unpack_from("<2H", content, entry.header_offset + 26)
            assert (entry.header_offset + 30 + name + extra) % 64 == 0
            assert entry.compress_type == zipfile.ZIP_STORED


def test_a_safetensors_header_is_aligned_and_its_tensors_too(tmp_path):
    path = tmp_path / "weights.safetensors"
    pylstm.save(ARRAYS, path)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    header = json.loads(content[8 : 8 + length])
    for name, entry in header.items():
        assert entry["data_offsets"][0] % ARRAYS[name].itemsize == 0


def test_arrays_are_read_one_after_another_and_reported(tmp_path):
    source, target = tmp_path / "a.safetensors", tmp_path / "b.pt"
    arrays = {"a": np.arange(6, dtype="f2"), "b": np.ones((2, 2)), "c": np.zeros(0, "i4")}
    pylstm.save(arrays, source)
    counts = []
    with open_weights(source) as weights:
        write(weights.tree, target, counts.append)
    assert sorted(counts) == [0, 12, 32]
    for name, array in pylstm.load(target).items():
        np.testing.assert_array_equal(array, arrays[name], strict=True)


def test_a_damaged_source_leaves_no_file(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, a=np.arange(1000.0))
    content = bytearray(path.read_bytes())
    content[600] ^= 1
    with open_weights(bytes(content)) as weights, pytest.raises(WeightFileError):
        write(weights.tree, tmp_path / "b.pt")
    assert list(tmp_path.iterdir()) == [path]


# What a file says of modules --------------------------------------------------------------------


def named(batch_first=True, prefix="encoder.rnn", **said):
    """What load(source, flat=True) returns of a file that has a whole module."""
    arrays = NamedArrays()
    arrays.update(pylstm.LSTM(3, 4).state_dict(prefix=f"{prefix}." if prefix else ""))
    state = {} if batch_first is None else {"batch_first": batch_first}
    record = RecurrentLayer("onnx.LSTM", state, **said) if said else Record(LSTM, state=state)
    arrays.modules[prefix] = record
    return arrays


LSTM = "torch.nn.modules.rnn.LSTM"


@pytest.mark.parametrize("batch_first", [True, False, None])
@pytest.mark.parametrize("prefix", ["encoder.rnn", ""])
def test_safetensors_keep_which_modules_are_batch_first(tmp_path, batch_first, prefix):
    path = tmp_path / "a.safetensors"
    pylstm.save(named(batch_first, prefix), path)
    [found] = pylstm.find_lstms(path)
    assert found.assumed == ({"batch_first": False} if batch_first is None else {})
    assert pylstm.LSTM.from_weights(path).batch_first is bool(batch_first)
    # And from there on.
    pylstm.save(pylstm.load(path), tmp_path / "b.safetensors")
    pylstm.save({"x": pylstm.load(path, flat=True)}, tmp_path / "c.safetensors")
    pylstm.save(
        pylstm.load(tmp_path / "c.safetensors", flat=True, prefix="x"), tmp_path / "d.safetensors"
    )
    assert path.read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert path.read_bytes() == (tmp_path / "d.safetensors").read_bytes()
    again = tmp_path / "c.safetensors"
    assert pylstm.LSTM.from_weights(again).batch_first is bool(batch_first)
    assert pylstm.find_lstms(again)[0].assumed == found.assumed


def test_the_metadata_is_one_that_others_read(tmp_path):
    """Hugging Face's libraries take no metadata, or metadata with a format that they know."""
    pylstm.save(named(), tmp_path / "a.safetensors")
    content = (tmp_path / "a.safetensors").read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    assert next(iter(header)) == "__metadata__"
    assert header["__metadata__"] == {
        "format": "pt",
        "pylstm.batch_first": '{"encoder.rnn": true}',
    }
    pylstm.save(dict(named()), tmp_path / "b.safetensors")
    assert b"__metadata__" not in (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize("suffix", [".npz", ".pt", ".pth"])
def test_other_formats_cannot_say_it(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    words = f"{path} cannot say that 'encoder.rnn' is batch_first: pass batch_first=True"
    with pytest.warns(pylstm.WeightFileWarning, match=re.escape(words)) as warned:
        pylstm.save(named(), path)
    assert [each.filename for each in warned] == [__file__]
    assert not pylstm.LSTM.from_weights(path).batch_first
    pylstm.save(named(False), path)  # which is what a file without a word is taken for
    pylstm.save(named(None), path)
    pylstm.save(dict(named()), path)


def test_several_modules_that_a_format_cannot_tell(tmp_path):
    arrays = NamedArrays()
    for index in range(8):
        one = named(index != 3, f"layer{index}")
        arrays.update(one)
        arrays.modules.update(one.modules)
    with pytest.warns(pylstm.WeightFileWarning) as warned:
        pylstm.save(arrays, tmp_path / "a.npz")
    [text] = [str(each.message) for each in warned]
    assert "'layer0', 'layer1', 'layer2', 'layer4', 'layer5' and 2 more are batch_first" in text


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_format_has_initial_states(tmp_path, suffix):
    states = np.ones((1, 1, 4), np.float32), np.zeros((1, 1, 4), np.float32)
    with pytest.warns(pylstm.WeightFileWarning, match="'encoder.rnn' is run from initial states"):
        pylstm.save(named(False, initial_states=states), tmp_path / f"a{suffix}")
