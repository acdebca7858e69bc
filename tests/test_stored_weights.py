"""The stored form of compressed modules: state_dicts, and files of every format, equal as bytes."""

import io
import json
import pickle
import struct
import zipfile

import numpy as np
import pytest
import reference
import reference_weights as oracle
from support import assert_same_bits

import pylstm
from pylstm.arguments.variants import STORAGE_NAMES
from pylstm.weights.storages import STORAGES, storage_of

SUFFIXES = [".safetensors", ".npz", ".pt"]
SHAPES = reference.parameter_shapes(5, 6, 2, proj_size=3)


def parameters(seed=1):
    return reference.make_parameters(seed, SHAPES, np.float32)


def module_of(name, values):
    module = pylstm.LSTM(5, 6, 2, proj_size=3)
    module.load_state_dict(values)
    return pylstm.compress(module, name)


def in_storage(name, prefix="", seed=1):
    """A compressed module, and its state_dict with what it says of itself."""
    module = module_of(name, parameters(seed))
    return module, module.state_dict(prefix=prefix)


def stored_of(module):
    pairs = [module._native_stored(name) for name in module._native_names]
    return tuple(each for pair in pairs for each in pair if each is not None)


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
    if suffix == ".npz" and name in ("int8-fast", "float16"):
        with pytest.warns(pylstm.WeightFileWarning, match=f"'net.lstm' has weights='{name}'"):
            pylstm.save(state, path)
    else:
        pylstm.save(state, path)
    loaded = pylstm.load(path)
    assert list(loaded) == list(state) or suffix == ".safetensors"
    for key, value in state.items():
        assert_same_bits((loaded[key],), (value,))
    entries = {key.removeprefix("net.lstm."): value for key, value in loaded.items()}
    own.load_state_dict(entries)
    assert_same_bits(tuple(own.state_dict().values()), tuple(state.values()))
    other, _ = in_storage(name, seed=2)
    other.load_state_dict(entries)
    assert_same_bits(tuple(other.state_dict().values()), tuple(state.values()))
    if suffix != ".npz":
        assert loaded._metadata["net.lstm"]["weights"] == name
        pylstm.save(loaded, again)
        assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", STORAGES)
def test_a_float_module_reads_the_floats_meant(name, suffix, tmp_path):
    """Of a row of zeros too, whose scale is 0."""
    values = parameters()
    values["weight_hh_l0"][5] = 0
    state = module_of(name, values).state_dict()
    told = suffix != ".npz" or name == "bfloat16"  # what a .npz cannot say it warns of
    pylstm.save(state if told else dict(state), tmp_path / f"a{suffix}")
    module = pylstm.LSTM.from_weights(tmp_path / f"a{suffix}", batch_first=False, weights="float32")
    for key, expected in oracle.widened(values, name).items():
        assert_same_bits((module.state_dict()[key],), (expected,))


def test_a_compressed_file_is_a_quarter():
    module = pylstm.LSTM(256, 256, bias=False)
    size = sum(value.nbytes for value in module.state_dict().values())
    for name, ratio in (("int8", 0.26), ("int16", 0.51), ("float16", 0.5)):
        state = pylstm.compress(module, name).state_dict()
        assert sum(value.nbytes for value in state.values()) <= ratio * size


def test_how_bfloat16_lies_in_files(tmp_path):
    own, state = in_storage("bfloat16")
    bits, _ = own._native_stored("weight_ih_l0")
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
    module, _ = in_storage(name, seed=2)
    given, state = in_storage(other)
    module.load_state_dict(state)
    assert module.weights == name
    wide = oracle.widened(parameters(), other)
    if {name, other} == {"int8", "int8-fast"} or name == other:  # the same bytes
        assert_same_bits(stored_of(module), stored_of(given))
    else:
        assert_same_bits(stored_of(module), stored_of(module_of(name, wide)))
    from_floats, _ = in_storage(name, seed=2)
    from_floats.load_state_dict(wide)
    assert_same_bits(stored_of(from_floats), stored_of(module_of(name, wide)))


def without(state, *names):
    return {key: value for key, value in state.items() if key not in names}


HH, SCALE, BIAS = "weight_hh_l0", "weight_hh_l0_scale", "bias_hh_l0"


def changed(**values):
    return lambda state: state | {name: np.array(value) for name, value in values.items()}


WRONG = {
    "missing": (lambda s: without(s, HH), r'Missing key\(s\) in state_dict: "a.weight_hh_l0". $'),
    "no scale": (lambda s: without(s, SCALE), "a.weight_hh_l0 is of int8, and weight_hh_l0_scale"),
    "a scale of float64": (changed(**{SCALE: np.ones((24, 1))}), "a.weight_hh_l0_scale is float64"),
    "a flat scale": (
        changed(**{SCALE: np.ones(24, "f4")}),
        r"size mismatch for a.weight_hh_l0_scale: copying a param with shape torch.Size\(\[24\]\)",
    ),
    "a negative scale": (
        changed(**{SCALE: np.full((24, 1), -1, "f4")}),
        "a.weight_hh_l0 has a scale of -1",
    ),
    "a scale that is not finite": (
        changed(**{SCALE: np.full((24, 1), np.inf, "f4")}),
        "a.weight_hh_l0 has a scale of inf",
    ),
    "-128": (changed(**{HH: np.full((24, 3), -128, "i1")}), "magnitude 128, beyond 127"),
    "-128 of int16": (changed(**{HH: np.full((24, 3), -32768, "i2")}), "magnitude 32768, beyond"),
    "a shape": (changed(**{HH: np.ones((24, 4), "i1")}), "size mismatch for a.weight_hh_l0: "),
    "whole numbers": (changed(**{HH: np.ones((24, 3), "i4")}), "of int32, which no"),
    "bytes": (changed(**{HH: np.ones((24, 3), "u1")}), "of uint8, which no"),
    "scaled biases": (
        changed(**{f"{BIAS}_scale": np.ones((24, 1), "f4")}),
        "Unexpected.*a.bias_hh_l0_scale",
    ),
    "scaled whole biases": (
        changed(**{BIAS: np.ones(24, "i1"), f"{BIAS}_scale": np.ones((24, 1), "f4")}),
        "a.bias_hh_l0 is stored as integers, with a.bias_hh_l0_scale beside them",
    ),
    "a scale beside floats": (
        changed(**{HH: np.ones((24, 3), "f4")}),
        "a.weight_hh_l0 is of float32, and weight_hh_l0_scale stands beside",
    ),
    "a NaN": (
        lambda s: without(s, SCALE) | {HH: np.full((24, 3), np.nan, "f4")},
        r"a.weight_hh_l0\[0, 0\] is nan, which int8 cannot hold",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_and_nothing_is_written(case):
    change, text = WRONG[case]
    tree = pylstm.Module()
    tree.first, _ = in_storage("int16", seed=3)
    tree.a, state = in_storage("int8")
    before = pickle.dumps(tree)
    wrong = {f"a.{key}": value for key, value in change(dict(state)).items()}
    with pytest.raises(RuntimeError, match=text):
        tree.load_state_dict(in_storage("int16", "first.", seed=4)[1] | wrong)
    assert pickle.dumps(tree) == before


@pytest.mark.parametrize("name", STORAGES)
def test_without_strict_the_same_numbers_are_refused(name):
    module, state = in_storage(name)
    state = {key: np.array(value) for key, value in state.items()}
    for dtype in ("i1", "i2", "u1", "u2"):
        wrong = {HH: np.ones((24, 3), dtype)}
        with pytest.raises(RuntimeError, match="and weight_hh_l0_scale is missing"):
            module.load_state_dict(wrong, strict=False)
    assert_same_bits(tuple(module.state_dict().values()), tuple(state.values()))
    # Whole numbers that no storage has stand for themselves, as in a float module.
    module.load_state_dict({HH: np.ones((24, 3), "i8")}, strict=False)
    module.load_state_dict({"weight_hr_l1": [[1] * 6] * 3}, strict=False)
    assert np.allclose(module.weight_hh_l0, 1) and np.allclose(module.weight_hr_l1, 1)
    result = module.load_state_dict({SCALE: np.ones((24, 1), "f4")}, strict=False)
    assert set(result.missing_keys) == set(SHAPES) and result.unexpected_keys == []


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("assign", [True, False])
@pytest.mark.parametrize("name", oracle.INTEGERS)
def test_integers_do_not_go_into_a_float_module(name, assign, strict):
    tree = pylstm.Module()
    tree.add_module("a", pylstm.LSTM(5, 6, 2, proj_size=3))
    before = {key: np.array(value) for key, value in tree.state_dict().items()}
    with pytest.raises(
        RuntimeError, match=r"a.weight_hr_l1 is stored as integers, with a.weight_hr_l1_scale"
    ):
        tree.load_state_dict(in_storage(name, "a.")[1], strict=strict, assign=assign)
    assert_same_bits(tuple(tree.state_dict().values()), tuple(before.values()))
    # Integers that stand for themselves are numbers, as before.
    tree.load_state_dict({key: np.ones(value.shape, "i1") for key, value in before.items()})
    assert (tree.a.weight_hh_l0 == 1).all()


@pytest.mark.parametrize("name", [None, *STORAGES])
def test_bits_of_bfloat16_are_no_whole_numbers(name, tmp_path):
    """As NumPy reads them from a .npz that pylstm wrote."""
    pylstm.save(in_storage("bfloat16")[1], tmp_path / "a.npz")
    module = in_storage(name)[0] if name else pylstm.LSTM(5, 6, 2, proj_size=3)
    before = [np.array(value) for value in module.state_dict().values()]
    with np.load(tmp_path / "a.npz") as arrays:
        for strict in (False, True):
            text = r"weight_hh_l0_dtype beside them: pylstm\.load"
            with pytest.raises(RuntimeError, match=text):
                module.load_state_dict(arrays, strict=strict)
    assert_same_bits(tuple(module.state_dict().values()), tuple(before))
    module.load_state_dict(pylstm.load(tmp_path / "a.npz"))


@pytest.mark.parametrize("name", oracle.FLOATS)
def test_shorter_floats_go_into_a_float_module(name):
    module = pylstm.LSTM(5, 6, 2, proj_size=3)
    module.load_state_dict(in_storage(name)[1])
    wide = oracle.widened(parameters(), name)
    assert_same_bits(tuple(module.state_dict().values()), tuple(wide.values()))


def test_floats_that_a_storage_cannot_hold_are_named():
    values = parameters()
    values["weight_hr_l1"][1, 2] = 7e4
    module, _ = in_storage("float16")
    with pytest.raises(
        RuntimeError, match=r"weight_hr_l1\[1, 2\] is 70000.0, which float16 cannot"
    ):
        module.load_state_dict(values)
    values["weight_ih_l0"][0, 1] = -1e9
    with pytest.raises(RuntimeError, match=r"(?s)_ih_l0\[0, 1\] is -1.*weight_hr_l1\[1, 2\] is 7"):
        module.load_state_dict(values)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("weights", [None, "int8", "int16", "float32", "bfloat16"])
@pytest.mark.parametrize("scale, told", [(3e38, r"3e\+38: \d+ times that is infinite"), (0, "0")])
def test_products_that_are_no_numbers_are_refused(weights, scale, told):
    """By every reader: of what is kept, widened, or compressed again."""
    stored = dict(pylstm.compress(pylstm.LSTM(4, 3), "int8").state_dict())
    stored["weight_hh_l0_scale"] = np.array(stored["weight_hh_l0_scale"])
    stored["weight_hh_l0_scale"][5] = scale
    text = rf"weight_hh_l0 is multiplied by a scale of {told}"
    options = {} if weights is None else {"weights": weights}
    with pytest.raises(ValueError, match=text):
        pylstm.LSTM.from_weights(stored, **options)
    if weights in (None, "float32"):
        return
    module = pylstm.compress(pylstm.LSTM(4, 3), weights)
    before = pickle.dumps(module)
    with pytest.raises(RuntimeError, match=text):
        module.load_state_dict(stored)
    assert pickle.dumps(module) == before


@pytest.mark.filterwarnings("error")
def test_a_scale_beyond_float32_is_named():
    stored = dict(pylstm.compress(pylstm.LSTM(4, 3), "int8").state_dict())
    stored["weight_hh_l0_scale"] = stored["weight_hh_l0_scale"].astype("f8")
    stored["weight_hh_l0_scale"][5] = 1e300
    with pytest.raises(ValueError, match=r"weight_hh_l0 is multiplied by a scale of 1e\+300, not"):
        pylstm.LSTM.from_weights(stored)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", oracle.STORAGES)
def test_numbers_beyond_float32_do_not_become_infinite(name):
    """Nor do they in float16 and bfloat16, which hold the infinities that are given."""
    wide = pylstm.LSTM(4, 3, dtype="float64")
    wide.weight_hh_l0[5, 1] = -1e300
    module = pylstm.compress(pylstm.LSTM(4, 3), name)
    before = pickle.dumps(module)
    text = rf"weight_hh_l0\[5, 1\] is -1e\+300, which {name} cannot hold: it is beyond float32"
    with pytest.raises(ValueError, match=text):
        pylstm.LSTM.from_weights(wide.state_dict(), weights=name)
    with pytest.raises(RuntimeError, match=text):
        module.load_state_dict(wide.state_dict())
    with pytest.raises(ValueError, match=text):
        module.weight_hh_l0 = wide.weight_hh_l0
    assert pickle.dumps(module) == before
    if name in oracle.FLOATS:
        module.weight_hh_l0 = np.full((12, 3), -np.inf)
        assert np.isneginf(module.weight_hh_l0).all()
