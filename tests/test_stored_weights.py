"""The stored form of compressed modules: state_dicts, and files of every format, equal as bytes."""

import io
import json
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import reference
import reference_weights as oracle
from support import assert_same_bits

import pylstm
from pylstm.arguments.variants import STORAGE_NAMES
from pylstm.weights.storages import STORAGES, storage_of, widen
from pylstm.weights.stored import Matrix, compressed, read_stored, stored_form

SUFFIXES = [".safetensors", ".npz", ".pt"]
SHAPES = {**reference.parameter_shapes(5, 6, 2, proj_size=3), "weight_pi_l0": (6,)}


def parameters(seed=1):
    return reference.make_parameters(seed, SHAPES, np.float32)


def in_storage(name, prefix="", seed=1):
    """Parameters of a compressed module, and its state_dict with what it says of itself."""
    storage = storage_of(name)
    own = {key: compressed(value, storage, key) for key, value in parameters(seed).items()}
    state = OrderedDict(stored_form(own, storage, prefix))
    state._metadata = OrderedDict({prefix[:-1]: {"version": 1, "weights": name}})
    return own, state


def test_names_stand_in_two_places():
    assert tuple(STORAGES) == STORAGE_NAMES


@pytest.mark.parametrize("name", STORAGES)
def test_state_dict(name):
    _, state = in_storage(name, "a.b.")
    expected = []
    for key, shape in SHAPES.items():
        dtype = storage_of(name).dtype if len(shape) == 2 and name != "bfloat16" else np.float32
        expected.append((f"a.b.{key}", shape, np.dtype(dtype)))
        if name.startswith("int") and len(shape) == 2:
            expected.append((f"a.b.{key}_scale", (shape[0], 1), np.dtype(np.float32)))
    assert [(key, value.shape, value.dtype) for key, value in state.items()] == expected


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", STORAGES)
def test_files_are_equal_as_bytes(name, suffix, tmp_path):
    own, state = in_storage(name, "net.lstm.")
    path, again = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    if suffix == ".npz" and name == "int8-fast":
        with pytest.warns(pylstm.WeightFileWarning, match="'net.lstm' has weights='int8-fast'"):
            pylstm.save(state, path)
    else:
        pylstm.save(state, path)
    loaded = pylstm.load(path)
    assert list(loaded) == list(state) or suffix == ".safetensors"
    for key, value in state.items():
        assert_same_bits((loaded[key],), (value,))
    entries = {key.removeprefix("net.lstm."): value for key, value in loaded.items()}
    for key, value in read_stored(entries, SHAPES, storage_of(name)).items():
        assert_same_bits(tuple(each for each in as_tuple(value) if each is not None),
                         tuple(each for each in as_tuple(own[key]) if each is not None))  # fmt: skip
    if suffix != ".npz":
        assert loaded._metadata["net.lstm"]["weights"] == name
        pylstm.save(loaded, again)
        assert again.read_bytes() == path.read_bytes()


def as_tuple(value):
    return tuple(value) if isinstance(value, Matrix) else (value,)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", STORAGES)
def test_a_float_module_reads_the_floats_meant(name, suffix, tmp_path):
    """Of a row of zeros too, whose scale is 0."""
    values = parameters()
    del values["weight_pi_l0"]
    values["weight_hh_l0"][5] = 0
    storage = storage_of(name)
    own = {key: compressed(value, storage, key) for key, value in values.items()}
    state = OrderedDict(stored_form(own, storage))
    pylstm.save(state, tmp_path / f"a{suffix}")
    module = pylstm.LSTM.from_weights(tmp_path / f"a{suffix}", batch_first=False)
    for key, expected in oracle.widened(values, name).items():
        assert_same_bits((module.state_dict()[key],), (expected,))


def test_a_compressed_file_is_a_quarter():
    values = {"weight_ih_l0": np.ones((1024, 256), "f4")}
    for name, ratio in (("int8", 0.26), ("int16", 0.51), ("bfloat16", 0.51), ("float16", 0.51)):
        own = {key: compressed(each, storage_of(name), key) for key, each in values.items()}
        size = sum(each.nbytes for value in own.values() for each in value if each is not None)
        assert size < ratio * values["weight_ih_l0"].nbytes


def test_how_bfloat16_lies_in_files(tmp_path):
    own, state = in_storage("bfloat16")
    bits = own["weight_ih_l0"].stored
    paths = [tmp_path / f"a{suffix}" for suffix in SUFFIXES]
    for path in paths:
        pylstm.save(state, path)
    content = paths[0].read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    assert header["weight_ih_l0"]["dtype"] == "BF16" and header["bias_ih_l0"]["dtype"] == "F32"
    begin, end = header["weight_ih_l0"]["data_offsets"]
    assert content[8 + length :][begin:end] == bits.astype("<u2").tobytes()
    assert json.loads(header["__metadata__"]["pylstm.options"]) == {"": {"weights": "bfloat16"}}
    with np.load(paths[1]) as arrays:
        assert_same_bits((arrays["weight_ih_l0"],), (bits,))
        assert arrays["weight_ih_l0_dtype"] == "bfloat16"
        assert "bias_ih_l0_dtype" not in arrays
    with zipfile.ZipFile(paths[2]) as archive:
        assert b"BFloat16Storage" in archive.read("archive/data.pkl")
        assert archive.read("archive/data/0") == bits.astype("<u2").tobytes()


def test_numbers_that_bfloat16_has_not_are_not_cut(tmp_path):
    _, state = in_storage("bfloat16")
    state["weight_hh_l1"] = state["weight_hh_l1"] + np.float32(1e-7)
    for suffix in SUFFIXES:
        path = tmp_path / f"a{suffix}"
        with pytest.raises(ValueError, match="'weight_hh_l1' is to be written as bfloat16"):
            pylstm.save(state, path)
        assert not path.exists()


def test_what_other_modules_say_is_not_taken(tmp_path):
    """An entry by the same name in a foreign _metadata; a bfloat16 module beside float ones."""
    _, state = in_storage("bfloat16", "a.")
    other = reference.fractions(1, (4, 4)).astype("f4")
    state |= {"b.weight_ih_l0": other, "a.head.weight": other, "weight_hh": other}
    for told in ("float32", 8, None, ["int8"], {"int8": 1}):
        state._metadata["b"] = {"version": 1, "weights": told}
        pylstm.save(state, tmp_path / "a.safetensors")
        loaded = pylstm.load(tmp_path / "a.safetensors")
        for key in ("b.weight_ih_l0", "a.head.weight", "weight_hh"):
            assert_same_bits((loaded[key],), (other,))
        assert list(loaded._metadata) == ["a"]


@pytest.mark.parametrize(
    "marker",
    [
        np.array("bfloat17"),
        np.array(["bfloat16"]),
        np.array("bfloat1"),
        np.array(b"bfloat16"),
        np.array(3),
        np.array("bfloat16", ">U8"),
    ],
)
def test_other_markers_are_none(marker):
    file = io.BytesIO()
    np.savez(file, w=np.arange(4, dtype="u2"), w_dtype=marker)
    loaded = pylstm.load(file.getvalue())
    assert loaded["w"].dtype == np.uint16 and "w_dtype" in loaded


def test_markers_of_other_arrays_are_none():
    file = io.BytesIO()
    arrays = {"w": np.arange(4, dtype="u4"), "w_dtype": np.array("bfloat16")}
    np.savez(file, **arrays, v_dtype=np.array("bfloat16"), _dtype=np.array("bfloat16"))
    loaded = pylstm.load(file.getvalue())
    assert loaded["w"].dtype == np.uint32
    assert set(loaded) == {"w", "w_dtype", "v_dtype", "_dtype"}


# Reading a state_dict ---------------------------------------------------------------------------


@pytest.mark.parametrize("other", STORAGES)
@pytest.mark.parametrize("name", STORAGES)
def test_other_storages_and_floats_are_compressed_again(name, other):
    _, state = in_storage(other)
    read = read_stored(state, SHAPES, storage_of(name))
    wide = oracle.widened(parameters(), other)
    same = storage_of(name).dtype == storage_of(other).dtype
    for key, value in read.items():
        if isinstance(value, Matrix):
            again = compressed(wide[key], storage_of(name), key)
            if not same or name not in oracle.INTEGERS:
                assert_same_bits((value.stored,), (again.stored,))
            error = np.abs(widen(*value, storage_of(name)) - wide[key]).max()
            assert error <= 0.02 * np.abs(wide[key]).max()
        else:
            assert_same_bits((value,), (wide[key],))


def without(state, *names):
    return {key: value for key, value in state.items() if key not in names}


WRONG = {
    "missing": (lambda s: without(s, "weight_hh_l0"), "weight_hh_l0 is missing"),
    "no scale": (lambda s: without(s, "weight_hh_l0_scale"), "weight_hh_l0_scale is missing"),
    "a scale of float64": (lambda s: s | {"weight_hh_l0_scale": np.ones((24, 1))}, "is float64"),
    "a flat scale": (
        lambda s: s | {"weight_hh_l0_scale": np.ones(24, "f4")}, r"float32 \(24,\), expected float32 \(24, 1\)"
    ),
    "a negative scale": (
        lambda s: s | {"weight_hh_l0_scale": np.full((24, 1), -1, "f4")}, "weight_hh_l0 has a scale of -1"
    ),
    "-128": (lambda s: s | {"weight_hh_l0": np.full((24, 3), -128, "i1")}, "magnitude 128, beyond 127"),
    "a shape": (lambda s: s | {"weight_hh_l0": np.ones((24, 4), "i1")}, r"shape \(24, 4\), expected"),
    "whole numbers": (lambda s: s | {"weight_hh_l0": np.ones((24, 3), "i4")}, "of int32, which no"),
    "whole biases": (lambda s: s | {"bias_hh_l0": np.ones(24, "i1")}, "bias_hh_l0 is of int8, which no"),
    "a scale beside floats": (
        lambda s: s | {"weight_hh_l0": np.ones((24, 3), "f4")}, "and weight_hh_l0_scale stands beside"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case):
    change, text = WRONG[case]
    _, state = in_storage("int8")
    with pytest.raises(ValueError, match=text):
        read_stored(change(dict(state)), SHAPES, storage_of("int8"))


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("name", oracle.INTEGERS)
def test_integers_do_not_go_into_a_float_module(name, strict):
    values = {key: value for key, value in parameters().items() if "weight_p" not in key}
    storage = storage_of(name)
    own = {key: compressed(value, storage, key) for key, value in values.items()}
    tree = pylstm.Module()
    tree.add_module("a", pylstm.LSTM(5, 6, 2, proj_size=3))
    before = {key: np.array(value) for key, value in tree.state_dict().items()}
    with pytest.raises(
        RuntimeError, match=r"a.weight_hr_l1 is stored as integers, with a.weight_hr_l1_scale"
    ):
        tree.load_state_dict(stored_form(own, storage, "a."), strict=strict)
    assert_same_bits(tuple(tree.state_dict().values()), tuple(before.values()))
    # Integers that stand for themselves are numbers, as before.
    tree.load_state_dict({key: np.ones(value.shape, "i1") for key, value in before.items()})
    assert (tree.a.weight_hh_l0 == 1).all()


def test_floats_that_a_storage_cannot_hold_are_named():
    values = parameters()
    values["weight_hr_l1"][1, 2] = 7e4
    with pytest.raises(ValueError, match=r"weight_hr_l1\[1, 2\] is 70000, which float16 cannot"):
        read_stored(values, SHAPES, storage_of("float16"))
