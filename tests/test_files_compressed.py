"""Files of compressed modules: from_weights, save, load and the command line keep what is stored."""

import itertools
import json
import os
import pickle
import re
import warnings
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import reference
from compressed_files import (
    STORAGES,
    SUFFIXES,
    assert_same_weights,
    compressed,
    made,
    state_of,
)
from support import assert_same_bits
from test_files_quantised import recorded

import pylstm
from pylstm.cli import main

MODULES = {
    "LSTM": lambda: made("LSTM", 5, 6, 2, bidirectional=True),
    "a projection": lambda: made("LSTM", 5, 6, proj_size=3),
    "peepholes": lambda: made("LSTM", 5, 6, peepholes=True, cell_clip=3.0),
    "no bias": lambda: made("LSTM", 5, 6, bias=False),
    "GRU": lambda: made("GRU", 7, 3, 2),
    "GRU, reset before": lambda: made("GRU", 7, 3, reset_after=False),
    "RNN": lambda: made("RNN", 4, 9, nonlinearity="relu"),
    "LSTMCell": lambda: made("LSTMCell", 3, 5),
    "GRUCell": lambda: made("GRUCell", 3, 5),
    "RNNCell": lambda: made("RNNCell", 3, 5, bias=False),
    "no input": lambda: made("LSTMCell", 0, 5),
}
# What .npz cannot say.
ANSWERS = {"peepholes": {"cell_clip": 3.0}, "RNN": {"nonlinearity": "relu"}}
ANSWERS |= {"GRU, reset before": {"reset_after": False}}
each_storage = pytest.mark.parametrize("weights", STORAGES)
each_suffix = pytest.mark.parametrize("suffix", SUFFIXES)


def saved(state, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pylstm.WeightFileWarning)
        pylstm.save(state, path)
    return path


def read(cls, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pylstm.WeightFileWarning)
        return cls.from_weights(*args, **options)


def outputs(module):
    x = reference.fractions(9, (4, 2, module.input_size)).astype(np.float32)
    results = module(x if hasattr(module, "num_layers") else x[0])
    flat = results if isinstance(results, tuple) else (results,)
    return [a for each in flat for a in (each if isinstance(each, tuple) else (each,))]


@each_suffix
@each_storage
@pytest.mark.parametrize("name", MODULES)
def test_files_make_the_same_module(name, weights, suffix, tmp_path):
    module = compressed(MODULES[name](), weights)
    path = saved(state_of(module, "net.rnn."), tmp_path / f"a{suffix}")
    is_said = suffix != ".npz" or weights not in ("int8-fast", "float16")
    options = {} if suffix != ".npz" else ANSWERS.get(name, {})
    options = options if is_said else {**options, "weights": weights}
    again = read(type(module), path, **options)
    assert_same_weights(again, module)
    assert_same_bits(outputs(again), outputs(module))
    for source in (path, pylstm.load(path), pylstm.load(path, flat=True), path.read_bytes()):
        [found] = pylstm.find_recurrent(source)
        expected = weights if is_said else {"int8-fast": "int8"}.get(weights)
        assert found.weights == expected
        assert_same_weights(read(type(module), source, **options), module)
    assert pylstm.find_recurrent(pylstm.load(path)) == pylstm.find_recurrent(path)
    [found] = pylstm.find_recurrent(state_of(module))
    assert (found.prefix, found.weights) == ("", weights)


@each_suffix
@each_storage
def test_from_weights_compresses_as_compress_does(weights, suffix, tmp_path):
    """Of floats of every size, whose rows are read in pieces."""
    for dtype in ("float32", "float64", "float16"):
        state = {name: value.astype(dtype) for name, value in state_of(MODULES["LSTM"]()).items()}
        path = saved(state, tmp_path / f"{dtype}{suffix}")
        module = pylstm.LSTM.from_weights(path, dtype="float32")
        made = pylstm.LSTM.from_weights(path, weights=weights)
        assert_same_weights(made, compressed(module, weights))
        assert made._native_dtype == np.float32


@each_storage
def test_pieces_of_rows_are_the_whole(weights, monkeypatch, tmp_path):
    module = made("LSTM", 130, 40)
    whole = compressed(module, weights)
    monkeypatch.setattr("pylstm.weights.values._PIECE", 300)  # two rows, or seven
    for suffix in SUFFIXES:
        path = saved(state_of(module), tmp_path / f"a{suffix}")
        assert_same_weights(pylstm.LSTM.from_weights(path, weights=weights), whole)
        path = saved(state_of(whole), tmp_path / f"b{suffix}")
        assert_same_weights(pylstm.LSTM.from_weights(path, weights=weights), whole)


def foreign(rows=24, scale_shape=(1,), dtype="f4"):
    """Integers with scales beside them that are not laid out as pylstm's."""
    for number, (name, columns) in enumerate({"weight_ih_l0": 5, "weight_hh_l0": 6}.items()):
        integers = reference.fractions(number, (rows, columns), 250.0).astype("i1")
        integers[3, 1], integers[0] = -128, 0
        yield name, integers
        yield (
            f"{name}_scale",
            np.linspace(0.01, 0.02, int(np.prod(scale_shape))).astype(dtype).reshape(scale_shape),
        )
    yield "bias_ih_l0", reference.fractions(5, rows).astype("f4")


@each_storage
@pytest.mark.parametrize(
    ("shape", "dtype"), [((), "f4"), ((1,), "f8"), ((24,), "f4"), ((24, 1), "f2"), ((24, 1), "f8")]
)
def test_other_scales_are_multiplied(shape, dtype, weights, monkeypatch):
    """As before; and compressed as the floats that they stand for where that is asked for."""
    state = dict(foreign(scale_shape=shape, dtype=dtype))
    [found] = pylstm.find_recurrent(state)
    assert found.weights is None and found.dtype == np.float32
    module = pylstm.LSTM.from_weights(state)
    assert module._native_weights is None
    for name in ("weight_ih_l0", "weight_hh_l0"):
        scale = state[f"{name}_scale"].astype("f4").reshape(-1, 1)
        assert_same_bits((module._native_parameter(name),), (state[name].astype("f4") * scale,))
    whole = compressed(module, weights)
    for piece in (1 << 20, 7):
        monkeypatch.setattr("pylstm.weights.values._PIECE", piece)
        assert_same_weights(pylstm.LSTM.from_weights(state, weights=weights), whole)


@each_storage
def test_fortran_order_and_strides(weights, tmp_path):
    module = made("LSTM", 7, 3)
    state = {name: np.asfortranarray(value) for name, value in state_of(module).items()}
    np.savez(tmp_path / "a.npz", **state)
    np.savez_compressed(tmp_path / "b.npz", **{name: v.astype(">f8") for name, v in state.items()})
    for source in (tmp_path / "a.npz", tmp_path / "b.npz", state):
        again = pylstm.LSTM.from_weights(source, weights=weights)
        assert_same_weights(again, compressed(module, weights))


@each_storage
@pytest.mark.parametrize("offset", [0, 1])
def test_arrays_that_lie_anywhere(weights, offset):
    """As those of an archive that is mapped; big-endian ones too."""
    module = compressed(MODULES["LSTM"](), weights)
    for order in "<>":
        state = state_of(module)
        for name, value in state.items():
            memory = np.zeros(value.nbytes + 16, "u1")
            start = -memory.ctypes.data % 8 + offset
            dtype = value.dtype.newbyteorder(order)
            other = memory[start : start + value.nbytes].view(dtype).reshape(value.shape)
            other[...] = value
            state[name] = other
        assert_same_weights(pylstm.LSTM.from_weights(state), module)
        loaded = compressed(made("LSTM", 5, 6, 2, bidirectional=True, seed=50), weights)
        loaded.load_state_dict(state)
        assert_same_weights(loaded, module)
        wide = pylstm.LSTM.from_weights(state, weights="float32")
        assert_same_weights(wide, compressed(module, "float32"))


# What is asked for -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "weights"), [*itertools.product(STORAGES, (*STORAGES, "float32"))]
)
def test_weights_decide(stored, weights, tmp_path):
    module = compressed(MODULES["LSTM"](), stored)
    path = saved(state_of(module), tmp_path / "a.safetensors")
    again = pylstm.LSTM.from_weights(path, weights=weights)
    wide = compressed(module, "float32")
    if weights == "float32":
        assert_same_weights(again, wide)
    elif {weights, stored} == {"int8", "int8-fast"}:  # the same integers and scales
        assert again._native_weights == weights
        for name in module._native_names:
            one, other = again._native_stored(name), module._native_stored(name)
            assert_same_bits(tuple(one[:1]), tuple(other[:1]))
            assert one[1] is None or one[1].tobytes() == other[1].tobytes()
    else:
        assert_same_weights(again, module if weights == stored else compressed(wide, weights))
    assert again._native_weights == (None if weights == "float32" else weights)


@each_storage
def test_dtypes_decide_too(weights, tmp_path):
    module = compressed(MODULES["LSTM"](), weights)
    path = saved(state_of(module), tmp_path / "a.pt")
    assert_same_weights(pylstm.LSTM.from_weights(path, dtype="float32"), module)
    assert_same_weights(pylstm.LSTM.from_weights(path, weights=None), module)
    wide = pylstm.LSTM.from_weights(path, dtype=np.float64)
    assert wide._native_dtype == np.float64 and wide._native_weights is None
    for name in module._native_names:
        assert_same_bits(
            (wide._native_parameter(name),), (module._native_parameter(name).astype("f8"),)
        )
    double = pylstm.LSTM.from_weights(path, dtype="float64", weights="float32")
    assert_same_weights(double, wide)
    for dtype in ("float64", np.float64, np.dtype("f8")):
        with pytest.raises(
            ValueError, match=rf"weights='{weights}'.*dtype=.*float64.*leave out one"
        ):
            pylstm.LSTM.from_weights(path, dtype=dtype, weights=weights)


@pytest.mark.parametrize("wrong", ["int4", "INT8", "float64", "", "int8 ", "x" * 1000])
def test_other_storages_are_refused(wrong):
    with pytest.raises(ValueError, match="weights must be one of 'int8', 'int8-fast', ") as caught:
        pylstm.GRU.from_weights("there is no such file", weights=wrong)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("wrong", [8, np.int8, b"int8", ["int8"], True])
def test_weights_are_named_by_a_text(wrong):
    with pytest.raises(TypeError, match="weights must be a str or None, not "):
        pylstm.RNNCell.from_weights("there is no such file", weights=wrong)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_short_floats_of_others_stay_floats(suffix, tmp_path):
    """A file of float16 or bfloat16 that no compressed module was written to."""
    module = made("GRU", 5, 4)
    half = {name: value.astype("f2") for name, value in state_of(module).items()}
    [found] = pylstm.find_recurrent(saved(half, tmp_path / f"a{suffix}"))
    assert found.weights is None
    assert pylstm.GRU.from_weights(tmp_path / f"a{suffix}")._native_weights is None
    again = pylstm.GRU.from_weights(tmp_path / f"a{suffix}", weights="float16")
    assert_same_weights(again, compressed(pylstm.GRU.from_weights(half), "float16"))


def test_bfloat16_of_others_stays_float():
    header = {}
    data = b""
    for name, value in state_of(made("LSTM", 4, 2)).items():
        raw = (value.view("u4") >> 16).astype("<u2").tobytes()
        header[name] = {"dtype": "BF16", "shape": value.shape}
        header[name]["data_offsets"] = [len(data), len(data) + len(raw)]
        data += raw
    text = json.dumps(header).encode()
    content = len(text).to_bytes(8, "little") + text + data
    [found] = pylstm.find_recurrent(content)
    assert found.weights is None and pylstm.LSTM.from_weights(content)._native_weights is None
    assert pylstm.LSTM.from_weights(content, weights="bfloat16")._native_weights == "bfloat16"


@each_storage
def test_a_cell_of_a_layer(weights, tmp_path):
    module = compressed(made("LSTM", 4, 3), weights)
    path = saved(state_of(module), tmp_path / "a.safetensors")
    cell = pylstm.LSTMCell.from_weights(path)
    assert cell._native_weights == weights
    assert_same_weights(pylstm.LSTM.from_weights(saved(state_of(cell), tmp_path / "b.pt")), module)


def test_subclasses_are_made_so_too():
    class Tagger(pylstm.LSTM):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.head = pylstm.LSTM(self.hidden_size, 2)

    module = Tagger.from_weights(state_of(made("LSTM", 4, 3)), weights="int8")
    assert module._native_weights == "int8" and module.head._native_weights is None


def test_several_modules_in_one_file(tmp_path):
    modules = {f"m.{weights}": compressed(made("LSTM", 4, 3), weights) for weights in STORAGES}
    modules["m.plain"] = made("GRU", 4, 3)
    state, metadata = OrderedDict(), {}
    for prefix, module in modules.items():
        part = state_of(module, f"{prefix}.")
        state.update(part)
        metadata.update(part._metadata)
    state._metadata = OrderedDict(metadata)
    for suffix in (".safetensors", ".pt"):
        path = saved(state, tmp_path / f"a{suffix}")
        found = {each.prefix: each.weights for each in pylstm.find_recurrent(path)}
        assert found == {prefix: module._native_weights for prefix, module in modules.items()}
        for prefix, module in modules.items():
            assert_same_weights(type(module).from_weights(path, prefix), module)


@each_storage
def test_pickles_of_modules_are_read_too(weights):
    """Nothing in them is run: the integers and scales are those in the file."""
    for name in ("LSTM", "GRU, reset before", "LSTMCell", "no bias"):
        module = compressed(MODULES[name](), weights)
        content = pickle.dumps({"model": [module, 3]})
        for source in (content, pylstm.load(content)):
            [found] = pylstm.find_recurrent(source)
            assert found.weights == weights
            assert_same_weights(type(module).from_weights(source), module)
            wide = type(module).from_weights(source, weights="float32")
            assert_same_weights(wide, compressed(module, "float32"))


@each_storage
def test_quantised_onnx_and_torch(weights):
    """They are the floats that their integers stand for, or compressed as these are."""
    files, _ = recorded()
    for name in (
        "torch_tensor_state_dict.pt",
        "torch_channel_module.pt",
        "torch_float16_module.pt",
    ):
        for found in pylstm.find_recurrent(files[name]):
            assert found.weights is None
            cls = getattr(pylstm, found.kind)
            module = read(cls, files[name], found.prefix)
            again = read(cls, files[name], found.prefix, weights=weights)
            assert module.weights is None
            assert_same_weights(again, compressed(module, weights))
    if find_spec("onnx"):
        for name in [name for name in files if name.endswith(".onnx")][:6]:
            for found in pylstm.find_recurrent(files[name]):
                assert found.weights is None
                cls = getattr(pylstm, found.kind)
                module = read(cls, files[name], found.prefix)
                again = read(cls, files[name], found.prefix, weights=weights)
                assert_same_weights(again, compressed(module, weights))


# Modules that are there -----------------------------------------------------------------------


@each_suffix
@pytest.mark.parametrize(("stored", "weights"), [*itertools.product(STORAGES, STORAGES)])
def test_load_state_dict_takes_what_is_loaded(stored, weights, suffix, tmp_path):
    module = compressed(MODULES["LSTM"](), stored)
    path = saved(state_of(module), tmp_path / f"a{suffix}")
    other = compressed(made("LSTM", 5, 6, 2, bidirectional=True, seed=50), weights)
    for state in (pylstm.load(path), pylstm.load(path, flat=True), pylstm.load(path, mmap=True)):
        assert not any(other.load_state_dict(state))
        assert other.weights == weights
        if weights == stored:
            assert_same_weights(other, module)
        elif {weights, stored} != {"int8", "int8-fast"}:
            assert_same_weights(other, compressed(compressed(module, "float32"), weights))


@each_suffix
@each_storage
def test_a_float_module_refuses_integers(weights, suffix, tmp_path):
    module = compressed(made(), weights)
    state = pylstm.load(saved(state_of(module), tmp_path / f"a{suffix}"))
    other = made(seed=50)
    before = {name: np.array(value) for name, value in other.state_dict().items()}
    if weights.startswith("int"):
        for strict in (True, False):
            with pytest.raises(RuntimeError, match="from_weights"):
                other.load_state_dict(state, strict=strict)
        for name, value in before.items():
            assert_same_bits((other.state_dict()[name],), (value,))
    elif suffix == ".npz" and weights == "float16":
        other.load_state_dict(state)  # floats like any
        assert_same_weights(other, compressed(module, "float32"))


@each_storage
def test_pickles_are_flattened_and_converted(weights, tmp_path, capsys):
    """To the names of a state_dict."""
    module = compressed(MODULES["GRU, reset before"](), weights)
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"model": [module, 3]}))
    flat = pylstm.load(path, flat=True)
    expected = state_of(module, "model.0.1.parameters.")
    assert list(flat) == list(expected)
    for name, value in expected.items():
        assert_same_bits((flat[name],), (value,))
    assert_same_weights(pylstm.GRU.from_weights(flat), module)
    assert main(["inspect", str(path)]) == 0
    assert f"weights={weights!r}" in capsys.readouterr().out
    for suffix in (".safetensors", ".pt"):
        other = tmp_path / f"b{suffix}"
        prefix = ["--prefix", "model.0.1.parameters"]
        assert main(["convert", str(path), str(other), *prefix]) == 0
        again = pylstm.GRU.from_weights(other)
        assert_same_weights(again, module)
        assert not again.reset_after
    capsys.readouterr()


# Sizes -------------------------------------------------------------------------------------------


@each_suffix
@pytest.mark.parametrize(("weights", "ratio"), [("int8", 0.27), ("int8-fast", 0.27), ("int16", 0.52),
                                                ("bfloat16", 0.52), ("float16", 0.52)])  # fmt: skip
def test_compressed_files_are_small(weights, ratio, suffix, tmp_path):
    for number, module in enumerate([made("LSTM", 128, 128), made("GRU", 64, 256, 2)]):
        full = saved(state_of(module), tmp_path / f"full{number}{suffix}").stat().st_size
        small = saved(state_of(compressed(module, weights)), tmp_path / f"small{number}{suffix}")
        assert small.stat().st_size <= ratio * full


ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="the sanitizer takes memory")
@pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(), reason="the benchmarks are not installed")
@pytest.mark.parametrize("weights", ["int8", "float16"])
def test_no_float_copy_is_made(weights, monkeypatch):
    """Of a file of 60 MB, whose matrices are 30 MB each; 16 MB are what pieces of them may take."""
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.memory_files import MEGABYTE, measure_files

    rows = measure_files(60, weights)
    if isinstance(rows, str):
        pytest.skip(rows)
    assert len(rows) == 6
    for row in rows:
        assert row.result > (14 if weights == "int8" else 29) * MEGABYTE
        assert row.holds and row.peak < row.result + 16 * MEGABYTE, row


# What is found -----------------------------------------------------------------------------------


def test_what_is_found_says_it():
    [found] = pylstm.find_recurrent(state_of(compressed(made("GRU", 5, 6, 2), "int8-fast")))
    assert found.weights == "int8-fast"
    assert str(found).startswith("'': GRU(5, 6, num_layers=2, weights='int8-fast') of float32")
    assert "weights='int8-fast'" in repr(found)
    assert found.num_parameters == sum(v.size for v in made("GRU", 5, 6, 2).state_dict().values())
    assert pickle.loads(pickle.dumps(found)) == found
    [plain] = pylstm.find_recurrent(state_of(made("GRU", 5, 6)))
    assert plain.weights is None and "weights=" not in f"{plain}{plain!r}"
    state = dict(vars(plain))
    del state["weights"]  # a pickle of an earlier version
    old = type(plain).__new__(type(plain))
    old.__setstate__(state)
    assert old == plain


@each_storage
def test_inspect_names_the_storage(weights, tmp_path, capsys):
    module = compressed(made("LSTM", 5, 6, bias=False), weights)
    path = saved(state_of(module, "a.b."), tmp_path / "a.safetensors")
    for prefix in ([], ["--prefix", "a.b"]):
        assert main(["inspect", str(path), *prefix]) == 0
        text = capsys.readouterr().out
        assert f"weights={weights!r}" in text
        assert main(["inspect", "--json", str(path), *prefix]) == 0
        [told] = json.loads(capsys.readouterr().out)["recurrent"]
        assert told["weights"] == weights
        stored = weights.removesuffix("-fast")
        assert told["dtype"] == stored
        assert re.search(rf"a\.b\.weight_hh_l0 +{stored} ", text)
    assert ("a.b.weight_hh_l0_scale" in text) == weights.startswith("int")


# The command line --------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [*itertools.permutations(SUFFIXES, 2)])
@each_storage
def test_convert_keeps_what_is_stored(weights, first, second, tmp_path, capsys):
    module = compressed(MODULES["LSTM"](), weights)
    path = saved(state_of(module, "a."), tmp_path / f"a{first}")
    other, back = tmp_path / f"b{second}", tmp_path / f"c{first}"
    assert main(["convert", str(path), str(other)]) == 0
    assert main(["convert", str(other), str(back)]) == 0
    is_said = ".npz" not in (first, second) or weights not in ("int8-fast", "float16")
    options = {} if is_said else {"weights": weights}
    for each in (other, back):
        assert_same_weights(pylstm.LSTM.from_weights(each, **options), module)
    direct = saved(state_of(module, "a."), tmp_path / f"d{second}")
    if (first, second) in ((".pt", ".npz"), (".pt", ".safetensors")):  # the order is the same
        assert other.read_bytes() == direct.read_bytes()
    for key, value in pylstm.load(direct).items():
        assert_same_bits((pylstm.load(other)[key],), (value,))
    capsys.readouterr()


@each_suffix
@each_storage
def test_convert_compresses(weights, suffix, tmp_path, capsys):
    modules = {"x.a": MODULES["LSTM"](), "x.b": MODULES["RNN"](), "x.c": MODULES["no bias"]()}
    state = {f"{at}.{n}": v for at, each in modules.items() for n, v in each.state_dict().items()}
    del state["x.c.weight_ih_l0"], modules["x.c"]  # no module any more
    state |= {"x.head.weight": np.ones((3, 4), "f4"), "x.head.bias": np.ones(3, "f8")}
    path = saved(state, tmp_path / "a.pt")
    other = tmp_path / f"b{suffix}"
    assert main(["convert", str(path), str(other), "--weights", weights]) == 0
    loaded = pylstm.load(other)
    for name in ("x.head.weight", "x.head.bias", "x.c.weight_hh_l0"):
        assert_same_bits((loaded[name],), (state[name],))
    is_said = suffix != ".npz" or weights not in ("int8-fast", "float16")
    for prefix, module in modules.items():
        options = {} if is_said else {"weights": weights}
        again = read(type(module), other, prefix, **options)
        assert_same_weights(again, compressed(module, weights))
    told = capsys.readouterr()
    assert is_said == ("has weights=" not in told.err and "have weights=" not in told.err)


@each_storage
def test_convert_widens(weights, tmp_path, capsys):
    """With --dtype; what is recorded of a storage does not stay."""
    module = compressed(MODULES["LSTM"](), weights)
    for suffix in SUFFIXES:
        path = saved(state_of(module, "a."), tmp_path / f"a{suffix}")
        other = tmp_path / f"b{suffix}"
        for dtype in ("float32", "float16"):
            assert main(["convert", str(path), str(other), "--dtype", dtype]) == 0
            loaded = pylstm.load(other)
            assert set(loaded) == {f"a.{name}" for name in module._native_names}
            for name in module._native_names:
                expected = module._native_parameter(name).astype(dtype)
                assert_same_bits((loaded[f"a.{name}"],), (expected,))
            [found] = pylstm.find_recurrent(other)
            assert found.weights is None
    capsys.readouterr()


def test_convert_compresses_again(tmp_path, capsys):
    module = compressed(MODULES["LSTM"](), "int16")
    path = saved(state_of(module), tmp_path / "a.safetensors")
    for weights in STORAGES:
        other = tmp_path / f"{weights}.safetensors"
        assert main(["convert", str(path), str(other), "--weights", weights]) == 0
        wide = compressed(module, "float32")
        expected = module if weights == "int16" else compressed(wide, weights)
        assert_same_weights(pylstm.LSTM.from_weights(other), expected)
        scales = [name for name in pylstm.load(other) if name.endswith("_scale")]
        assert bool(scales) == weights.startswith("int")
    capsys.readouterr()


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_convert_writes_over_its_file(suffix, tmp_path, capsys):
    """Nothing of a compressed file is lost where the same is written."""
    path = saved(state_of(compressed(made(), "bfloat16")), tmp_path / f"a{suffix}")
    before = path.read_bytes()
    assert main(["convert", str(path), str(path)]) == 0
    assert path.read_bytes() == before
    assert main(["convert", str(path), str(path), "--dtype", "float32"]) == 1
    assert "lose" in capsys.readouterr().err
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["channel_module", "tensor_state_dict", "float16_module"])
def test_convert_unpacks_what_torch_quantised(name, tmp_path, capsys):
    """Into the module that from_weights makes of the same file; without an option it says so."""
    path, target = tmp_path / "a.pt", tmp_path / "b.safetensors"
    path.write_bytes(recorded()[0][f"torch_{name}.pt"])
    modules = pylstm.find_recurrent(path)
    assert modules
    for weights in ("float32", *STORAGES):
        form = ["--dtype", weights] if weights == "float32" else ["--weights", weights]
        assert main(["convert", str(path), str(target), *form]) == 0
        assert "will not read" not in capsys.readouterr().err
        assert not [key for key in pylstm.load(target) if "_packed" in key or "_values" in key]
        assert len(pylstm.find_recurrent(target)) == len(modules)
        for found in modules:
            cls = getattr(pylstm, found.kind)
            module = read(cls, path, found.prefix, weights=weights)
            again = read(cls, target, found.prefix)
            assert_same_weights(again, module)
            assert getattr(again, "batch_first", None) == getattr(module, "batch_first", None)
    found = modules[0]
    part = tmp_path / "c.pt"
    assert (
        main(["convert", str(path), str(part), "--prefix", found.prefix, "--weights", "int8"]) == 0
    )
    module = read(getattr(pylstm, found.kind), path, found.prefix, weights="int8")
    assert_same_weights(read(type(module), part), module)
    capsys.readouterr()
    assert main(["convert", str(path), str(target)]) == 0
    told = capsys.readouterr().err
    assert pylstm.find_recurrent(target) == []
    for found in modules:
        assert f"from_weights will not read {found.prefix!r}" in told
    assert "--prefix" not in told


def test_convert_refuses_what_it_cannot_do(tmp_path, capsys):
    path = saved({"weight": np.ones((2, 3), "f4")}, tmp_path / "a.npz")
    assert main(["convert", str(path), str(tmp_path / "b.npz"), "--weights", "int8"]) == 1
    assert "holds no module whose weights could be compressed" in capsys.readouterr().err
    state = {name: np.array(value) for name, value in state_of(made()).items()}
    state["weight_hh_l0"][3, 2] = np.nan
    path = saved(state, tmp_path / "c.npz")
    assert main(["convert", str(path), str(tmp_path / "b.npz"), "--weights", "int8"]) == 2
    assert "weight_hh_l0[3, 2] is nan, which int8 cannot hold" in capsys.readouterr().err
    assert not (tmp_path / "b.npz").exists()
    with pytest.raises(SystemExit):
        main(["convert", str(path), "b.npz", "--weights", "int8", "--dtype", "float32"])
    capsys.readouterr()


# Rows in C ---------------------------------------------------------------------------------------


@each_storage
def test_rows_of_what_is_stored(weights):
    module, other = compressed(made("LSTM", 5, 6), weights), compressed(made(seed=50), weights)
    for name in module._native_names:
        stored, scale = module._native_stored(name)
        for first in range(0, len(stored), 5):
            part = None if scale is None else scale[first : first + 5]
            other._assign_rows(name, first, (stored[first : first + 5], part))
    assert_same_weights(other, module)
    assert_same_bits(outputs(other), outputs(module))


@each_storage
def test_wrong_rows_are_refused(weights):
    module = compressed(made("LSTM", 5, 6), weights)
    whole = compressed(made("LSTM", 5, 6), weights)
    stored, scale = (
        None if each is None else np.array(each) for each in module._native_stored("weight_ih_l0")
    )
    wrong = [(), (stored,), (stored, scale, None), (None, scale), (stored[:, :4], scale)]
    wrong += [(stored.astype("i4"), scale), (stored.astype("f4"), scale), (stored[0], scale)]
    wrong += [(stored[:, ::-1], scale), ([1], scale), "rows", None, stored.astype("f8")]
    if scale is None:
        wrong += [(stored, np.ones((24, 1), "f4"))]
    else:
        wrong += [
            (stored, None),
            (stored, scale[:, 0]),
            (stored, scale[:3]),
            (stored, scale.astype("f8")),
        ]
    for rows in wrong:
        with pytest.raises(ValueError, match="takes"):
            module._assign_rows("weight_ih_l0", 0, rows)
    for first in (-1, 1, 24, 2**62):
        with pytest.raises(ValueError, match="takes rows of 'weight_ih_l0'"):
            module._assign_rows("weight_ih_l0", first, (stored, scale))
    with pytest.raises(KeyError):
        module._assign_rows("weight", 0, (stored, scale))
    assert_same_weights(module, whole)
    with pytest.raises(ValueError, match="takes rows of 'weight_ih_l0'"):
        made("LSTM", 5, 6)._assign_rows("weight_ih_l0", 0, (stored, scale))


@pytest.mark.parametrize("weights", ["int8", "int16"])
def test_rows_that_the_kernels_cannot_rely_on(weights):
    """They are refused, and leave zeros."""
    module = compressed(made("LSTM", 5, 6), weights)
    stored, scale = (np.array(each) for each in module._native_stored("weight_ih_l0"))
    stored[3, 1] = np.iinfo(stored.dtype).min
    with pytest.raises(ValueError, match=f"weight_ih_l0 has integers or scales that {weights}"):
        module._assign_rows("weight_ih_l0", 2, (stored[2:5], scale[2:5]))
    after, factors = module._native_stored("weight_ih_l0")
    assert not after[2:5].any() and not factors[2:5].any()
    assert after[5:].any() and (after[5:] == stored[5:]).all()
