"""Which dtypes can be weights: floats of all kinds, mixed; whole numbers only where a scale tells."""

import io
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from file_trees import lazy, lazy_all, near_miss, storage, whole_module
from reference import cell_parameter_shapes, make_parameters, parameter_shapes
from support import assert_same_bits

import pylstm
from pylstm.cli import main
from pylstm.files.base.tensor import Storage, Tensor

FILES = Path(__file__).parent / "data" / "files"
NAMES = "StructuredToParameterName@@"


def lstm(seed=1, dtype=np.float32, **options):
    """The parameters of an LSTM(2, 3)."""
    return make_parameters(seed, parameter_shapes(2, 3, **options), dtype, scale=1.0)


def cell(seed=1, dtype=np.float32):
    return make_parameters(seed, cell_parameter_shapes(2, 3), dtype, scale=1.0)


def bits(array):
    """The bits of an array as bfloat16, as uint16."""
    return (array.view(np.uint32) >> 16).astype(np.uint16)


def truncated(array):
    """What those bits stand for."""
    return (bits(array).astype(np.uint32) << 16).view(np.float32)


def written(tree, suffix, folder):
    path = folder / f"file{suffix}"
    pylstm.save(tree, path)
    return path.read_bytes()


# Several float dtypes -------------------------------------------------------------------------

MIXES = {
    "float16 matrices": ({"weight": "f2", "bias": "f4"}, "float32"),
    "float16 biases": ({"weight": "f4", "bias": "f2"}, "float32"),
    "float64 biases": ({"weight": "f4", "bias": "f8"}, "float64"),
    "float64 matrices": ({"weight": "f8", "bias": "f4"}, "float64"),
    "float16 and float64": ({"weight": "f2", "bias": "f8"}, "float64"),
    "one recurrent matrix": ({"weight_hh": "f2", "weight_ih": "f4", "bias": "f4"}, "float32"),
    "all three": ({"weight_hh": "f2", "weight_ih": "f4", "bias": "f8"}, "float64"),
    "byte orders": ({"weight": ">f4", "bias": "<f4"}, "float32"),
}


def mixed(parameters, dtypes):
    return {
        name: value.astype(next(d for start, d in dtypes.items() if name.startswith(start)))
        for name, value in parameters.items()
    }


@pytest.mark.parametrize("suffix", [None, ".safetensors", ".npz", ".pt"])
@pytest.mark.parametrize("own", [lstm(), lstm(num_layers=2, bidirectional=True), cell()], ids=len)
@pytest.mark.parametrize(("dtypes", "expected"), MIXES.values(), ids=MIXES)
def test_float_dtypes_may_be_mixed(dtypes, expected, own, suffix, tmp_path):
    tree = mixed(own, dtypes)
    source = written(tree, suffix, tmp_path) if suffix else tree
    [found] = pylstm.find_lstms(source)
    assert found.dtype == expected
    made = getattr(pylstm, found.kind).from_weights(source)
    for name, value in made.state_dict().items():
        # Every value is exactly that of the file.
        assert_same_bits(value, tree[name].astype(expected))


def test_bfloat16_and_others():
    own = lstm()
    for other, expected in (("float32", "float32"), ("float16", "float32"), ("float64", "float64")):
        tree = {name: lazy(bits(value), "bfloat16") for name, value in own.items()}
        tree["bias_ih_l0"] = lazy(own["bias_ih_l0"].astype(other))
        [found] = pylstm.find_lstms(tree)
        assert found.dtype == expected
        made = pylstm.LSTM.from_weights(tree)
        assert_same_bits(made.weight_hh_l0, truncated(own["weight_hh_l0"]).astype(expected))
        rounded = own["bias_ih_l0"].astype(other).astype(expected)
        assert_same_bits(made.bias_ih_l0, rounded)


def test_the_argument_wins_over_a_mix():
    tree = mixed(lstm(), {"weight": "f2", "bias": "f8"})
    assert pylstm.LSTM.from_weights(tree, dtype="float32")._native_dtype == np.float32


# Whole numbers --------------------------------------------------------------------------------

WHOLE = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool"]


@pytest.mark.parametrize("dtype", WHOLE)
@pytest.mark.parametrize("own", [lstm(), lstm(bidirectional=True), cell()], ids=len)
@pytest.mark.parametrize("some", ["", "weight_hh", "bias"])
def test_whole_numbers_are_no_weights(own, dtype, some, tmp_path):
    kind = "LSTM" if "weight_ih_l0" in own else "LSTMCell"
    tree = {
        name: (4 * value).astype(dtype if name.startswith(some) else "float32")
        for name, value in own.items()
    }
    contents = [written(tree, suffix, tmp_path) for suffix in (".safetensors", ".npz", ".pt")]
    for source in (tree, lazy_all(tree), pickle.dumps(tree), *contents):
        assert pylstm.find_lstms(source) == []
        with pytest.raises(pylstm.WeightFileError, match=f"{kind} of whole numbers") as caught:
            getattr(pylstm, kind).from_weights(source)
        assert f"is of dtype {dtype}" in str(caught.value)
        assert ("bfloat16" in str(caught.value)) == (dtype == "uint16")
        assert ("_scale beside them" in str(caught.value)) == (dtype == "int8")
    module = whole_module(f"torch.nn.modules.rnn.{kind}", tree)
    assert near_miss(module)[0] == f"{kind} of whole numbers"


# int8 with a scale ----------------------------------------------------------------------------


def quantised(parameters, shape_of, dtype=np.float32):
    """int8 parameters and their scales, with what they stand for."""
    tree, meant = {}, {}
    for name, value in parameters.items():
        shape = shape_of(value.shape)
        rng = np.random.default_rng(len(name))
        scale = (rng.random(shape) / 64 + 1 / 128).astype(dtype)
        tree[name] = np.clip(np.rint(value * 60), -127, 127).astype(np.int8)
        tree[f"{name}_scale"] = scale
        factor = scale.astype(np.float32).reshape(-1, *(1,) * (value.ndim - 1))
        meant[name] = tree[name].astype(np.float32) * factor
    return tree, meant


SCALES = {
    "one": lambda shape: (),
    "one in a vector": lambda shape: (1,),
    "each row": lambda shape: shape[:1],
    "each row, as a column": lambda shape: (*shape[:1], *(1,) * (len(shape) - 1)),
}


@pytest.mark.parametrize("suffix", [None, "lazy", ".safetensors", ".npz", ".pt"])
@pytest.mark.parametrize("own", [lstm(), lstm(num_layers=2, bidirectional=True), cell()], ids=len)
@pytest.mark.parametrize("shape_of", SCALES.values(), ids=SCALES)
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_int8_is_scaled(own, shape_of, dtype, suffix, tmp_path):
    tree, meant = quantised(own, shape_of, dtype)
    source = tree
    if suffix:
        source = lazy_all(tree) if suffix == "lazy" else written(tree, suffix, tmp_path)
    [found] = pylstm.find_lstms(source)
    assert found.dtype == np.float32
    assert found.num_parameters == sum(value.size for value in own.values())
    made = getattr(pylstm, found.kind).from_weights(source)
    assert_same_bits(tuple(made.state_dict().values()), tuple(meant.values()))


def test_int8_matrices_and_float_biases():
    tree, meant = quantised(lstm(), SCALES["each row"])
    for name in ("bias_ih_l0", "bias_hh_l0"):
        del tree[f"{name}_scale"]
        tree[name] = lstm()[name]
    made = pylstm.LSTM.from_weights({"encoder": tree})
    assert_same_bits(made.weight_hh_l0, meant["weight_hh_l0"])
    assert_same_bits(made.bias_hh_l0, lstm()["bias_hh_l0"])


def test_int8_in_any_layout():
    tree, meant = quantised(lstm(), SCALES["each row"])
    stored = tree["weight_ih_l0"]
    raw = stored.tobytes()
    layouts = [
        stored,
        np.asfortranarray(stored),
        np.repeat(stored, 2, axis=1)[:, ::2],
        Tensor(storage(raw, "int8"), (12, 2)),
        Tensor(storage(stored.T.tobytes(), "int8"), (12, 2), (1, 12)),
        Tensor(storage(np.repeat(stored, 2, axis=1).tobytes(), "int8"), (12, 2), (4, 2)),
        Tensor(storage(b"xx" + raw, "int8"), (12, 2), offset=2),
    ]
    for layout in layouts:
        made = pylstm.LSTM.from_weights({**tree, "weight_ih_l0": layout})
        assert_same_bits(made.weight_ih_l0, meant["weight_ih_l0"])


def test_overlapping_int8_is_scaled_once():
    tree, _ = quantised(lstm(), SCALES["each row"])
    # Rows that share elements: 37 bytes for 12 x 3.
    tree["weight_hh_l0"] = Tensor(storage(bytes(range(40)), "int8"), (12, 3), (3, 2))
    tree["weight_ih_l0"] = Tensor(storage(bytes(range(40)), "int8"), (12, 2), (2, 3))
    made = pylstm.LSTM.from_weights(tree)
    for name in ("weight_hh_l0", "weight_ih_l0"):
        expected = tree[name].read().astype(np.float32) * tree[f"{name}_scale"][:, None]
        assert_same_bits(getattr(made, name), expected)


def test_large_int8_is_read_in_pieces(monkeypatch):
    monkeypatch.setattr("pylstm.files.base.tensor._PIECE", 7)
    counts = []
    read = Storage.read
    monkeypatch.setattr(
        Storage, "read", lambda self, start, count: counts.append(count) or read(self, start, count)
    )
    tree, meant = quantised(lstm(), SCALES["one"])
    made = pylstm.LSTM.from_weights(lazy_all(tree))
    assert_same_bits(tuple(made.state_dict().values()), tuple(meant.values()))
    assert max(counts) == 7


@pytest.mark.parametrize(
    ("scale", "words"),
    [
        (np.ones(2, np.float32), "neither one scale nor one for each of 12 rows"),
        (np.ones(3, np.float32), "weight_hh_l0_scale has shape (3,)"),
        (np.ones(4, np.float32), "weight_hh_l0_scale has shape (4,)"),
        (np.ones((1, 3), np.float32), "weight_hh_l0_scale has shape (1, 3)"),
        (np.ones((12, 3), np.float32), "weight_hh_l0_scale has shape (12, 3)"),
        (np.ones((1, 12), np.float32), "weight_hh_l0_scale has shape (1, 12)"),
        (np.ones((12, 1, 1), np.float32), "weight_hh_l0_scale has shape (12, 1, 1)"),
        (np.ones(0, np.float32), "weight_hh_l0_scale has shape (0,)"),
        (np.ones((), np.int32), "not floating point"),
        (np.ones(12, np.complex64), "not floating point"),
    ],
    ids=lambda value: str(getattr(value, "shape", "")),
)
def test_scales_that_do_not_fit(scale, words):
    tree, _ = quantised(lstm(), SCALES["one"])
    kind, reason = near_miss({**tree, "weight_hh_l0_scale": scale})
    assert kind == "quantised LSTM"
    assert words in reason


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.0, -0.0, -0.1])
@pytest.mark.parametrize("shape_of", [SCALES["one"], SCALES["each row"]])
@pytest.mark.parametrize("suffix", [None, ".safetensors", ".npz", ".pt"])
def test_scales_that_no_quantiser_makes(bad, shape_of, suffix, tmp_path, capsys):
    for kind, own in (("LSTM", lstm), ("LSTMCell", cell)):
        tree, _ = quantised(own(), shape_of)
        name = next(name for name in tree if name.startswith("weight_hh"))
        tree[f"{name}_scale"] = np.array(tree[f"{name}_scale"])
        tree[f"{name}_scale"].reshape(-1)[-1] = bad
        source = tree if suffix is None else tmp_path / f"{kind}{suffix}"
        if suffix is not None:
            pylstm.save(tree, source)
        with pytest.raises(pylstm.WeightFileError) as caught:
            getattr(pylstm, kind).from_weights(source)
        told = f"{name} is multiplied by a scale of {np.float32(bad):g}, not positive and finite"
        assert caught.value.reason == told
        assert caught.value.file == (f"<{type(tree).__name__}>" if suffix is None else str(source))
        if suffix is not None:
            assert main(["verify", str(source)]) == 2
            assert told in capsys.readouterr().err


def test_scales_of_rows_or_of_columns():
    own = make_parameters(1, parameter_shapes(12, 3), np.float32, scale=1.0)
    tree, _ = quantised(own, SCALES["each row"])
    assert near_miss(tree) == (
        "quantised LSTM",
        "weight_ih_l0_scale may be that of its 12 rows or of its 12 columns",
    )
    tree, meant = quantised(own, SCALES["each row, as a column"])
    assert_same_bits(pylstm.LSTM.from_weights(tree).weight_ih_l0, meant["weight_ih_l0"])


def test_zero_points_and_missing_scales():
    tree, _ = quantised(cell(), SCALES["one"])
    for zero in (np.zeros((), np.int8), np.zeros(12, np.int32), np.zeros((), np.float32)):
        kind, reason = near_miss({**tree, "weight_hh_zero_point": zero})
        assert kind == "quantised LSTMCell"
        assert reason.startswith("weight_hh_zero_point")
    del tree["weight_hh_scale"]
    assert near_miss(tree)[0] == "LSTMCell of whole numbers"
    assert "weights only with weight_hh_scale beside them" in near_miss(tree)[1]


def test_scales_of_other_dtypes_do_not_help():
    for dtype in ("uint8", "int16", "int32", "bool"):
        tree, _ = quantised(lstm(), SCALES["one"])
        tree["weight_hh_l0"] = tree["weight_hh_l0"].astype(dtype)
        assert near_miss(tree)[0] == "LSTM of whole numbers"
    # A scale beside floats is a companion, whose meaning is not known.
    tree, _ = quantised(lstm(), SCALES["one"])
    tree["weight_hh_l0"] = lstm()["weight_hh_l0"]
    assert near_miss(tree)[0] == "LSTM with foreign parameters"
    # An orphan among scaled ones.
    tree, _ = quantised(lstm(), SCALES["one"])
    tree["weight_hr_l0_scale"] = np.float32([1])
    assert near_miss(tree)[0] == "LSTM with foreign parameters"


def test_modules_of_torch_have_no_scales():
    tree, _ = quantised(lstm(), SCALES["one"])
    module = whole_module("torch.nn.modules.rnn.LSTM", tree)
    assert near_miss(module)[0] == "LSTM of whole numbers"


# PaddlePaddle ---------------------------------------------------------------------------------

PADDLE = {
    "paddle_lstm": ("LSTM", ""),
    "paddle_lstm_2": ("LSTM", ""),
    "paddle_bidirectional": ("LSTM", ""),
    "paddle_model": ("LSTM", "rnn"),
    "paddle_cell": ("LSTMCell", ""),
}


@pytest.mark.parametrize("name", PADDLE)
def test_bfloat16_of_paddlepaddle(name):
    kind, prefix = PADDLE[name]
    content = (FILES / f"{name}.bfloat16.pdparams").read_bytes()
    # The same values, as PaddlePaddle converts them.
    wide = pylstm.load((FILES / f"{name}.float32.pdparams").read_bytes())
    for mapped in (False, True):
        loaded = pylstm.load(content, mmap=mapped)
        assert loaded.keys() == wide.keys()
        for key, value in wide.items():
            if key != NAMES:
                assert_same_bits(loaded[key], value)
    cls = getattr(pylstm, kind)
    options = {"batch_first": True} if kind == "LSTM" else {}
    expected = cls.from_weights(wide, prefix, **options).state_dict()
    # As Python's own reader has it, nested or not, the bits are still those of bfloat16.
    unpickled = pickle.loads(content)
    assert unpickled[prefix + "." * bool(prefix) + next(iter(expected))].dtype == np.uint16
    for source in (content, loaded, unpickled, {"model": unpickled}):
        found = [each for each in pylstm.find_lstms(source) if each.kind == kind]
        assert [each.dtype for each in found] == [np.float32]
        made = cls.from_weights(source, found[0].prefix, **options)
        assert_same_bits(tuple(made.state_dict().values()), tuple(expected.values()))


@pytest.mark.parametrize("form", ["file", "tree", "flat", "nested", "unpickled", "flat again"])
@pytest.mark.parametrize("name", [name for name, (kind, _) in PADDLE.items() if kind == "LSTM"])
def test_lstms_of_paddlepaddle_are_batch_first(name, form):
    """Its default is not torch's, and no file of it tells: assumed, said, and answered."""
    content = (FILES / f"{name}.float32.pdparams").read_bytes()
    source = {
        "file": lambda: content,
        "tree": lambda: pylstm.load(content),
        "flat": lambda: pylstm.load(content, flat=True),
        "nested": lambda: {"model": pylstm.load(content)},
        "unpickled": lambda: pickle.loads(content),
        "flat again": lambda: pylstm.load(content, flat=True, prefix=PADDLE[name][1]),
    }[form]()
    [found] = [each for each in pylstm.find_lstms(source) if each.kind == "LSTM"]
    assert found.assumed == {"batch_first": True}
    with pytest.warns(pylstm.WeightFileWarning, match="PaddlePaddle wrote .* says time_major=True"):
        assert pylstm.LSTM.from_weights(source, found.prefix).batch_first
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pylstm.LSTM.from_weights(source, found.prefix, **found.assumed).batch_first
        for batch_first in (False, True):
            made = pylstm.LSTM.from_weights(source, found.prefix, batch_first=batch_first)
            assert made.batch_first == batch_first
    for cell in [each for each in pylstm.find_lstms(source) if each.kind == "LSTMCell"]:
        assert cell.assumed == {}


@pytest.mark.parametrize("suffix", ["safetensors", "npz", "pt"])
def test_what_is_assumed_of_paddlepaddle_stays_when_it_is_written_again(suffix, tmp_path, capsys):
    path, other = tmp_path / "model.pdparams", tmp_path / f"model.{suffix}"
    path.write_bytes((FILES / "paddle_model.float32.pdparams").read_bytes())
    assert main(["convert", str(path), str(other)]) == 0
    told = capsys.readouterr().err
    assert "leaves open what 'rnn' computes; assumed: batch_first=True" in told
    assert ("pass batch_first=True to from_weights" in told) == (suffix != "safetensors")
    if suffix == "safetensors":
        assert pylstm.LSTM.from_weights(other, "rnn").batch_first
    for command in ("inspect", "verify"):
        assert main([command, str(path)]) == 0
        assert "batch_first=True" in capsys.readouterr().out


def test_uint16_without_paddlepaddles_table():
    tree = {name: bits(value) for name, value in lstm().items()}
    for more in ({}, {NAMES: None}, {NAMES: "no table"}, {NAMES.lower(): {}}):
        for source in ({**tree, **more}, pickle.dumps({**tree, **more})):
            with pytest.raises(
                pylstm.WeightFileError, match="uint16, perhaps the bits of bfloat16"
            ):
                pylstm.LSTM.from_weights(source)
    made = pylstm.LSTM.from_weights({**tree, NAMES: {}}, batch_first=False)
    assert_same_bits(made.weight_ih_l0, truncated(lstm()["weight_ih_l0"]))
    # What the error advises is right.
    widened = {name: (value.astype("u4") << 16).view("f4") for name, value in tree.items()}
    made = pylstm.LSTM.from_weights(widened)
    assert_same_bits(made.weight_ih_l0, truncated(lstm()["weight_ih_l0"]))


def test_other_arrays_of_paddlepaddle_stay_as_they_are():
    tree = {**lstm(), "step": np.arange(3), "same": np.arange(4, dtype=np.uint16), NAMES: {}}
    tree["again"] = tree["same"]
    loaded = pylstm.load(pickle.dumps(tree))
    assert_same_bits(loaded["step"], tree["step"])
    assert loaded["same"].dtype == np.float32
    assert np.shares_memory(loaded["same"], loaded["again"])


# Nothing is read ------------------------------------------------------------------------------


def test_finding_reads_no_numbers(monkeypatch):
    trees = [
        lazy_all(quantised(lstm(), SCALES["each row"])[0]),
        lazy_all(mixed(lstm(), {"weight": "f2", "bias": "f8"})),
        {**{name: lazy(bits(value)) for name, value in cell().items()}, NAMES: {}},
    ]
    monkeypatch.setattr(Storage, "read", lambda *_: pytest.fail("a tensor was read"))
    monkeypatch.setattr(Storage, "map", lambda *_: pytest.fail("a tensor was mapped"))
    for tree in trees:
        assert len(pylstm.find_lstms(tree)) == 1


def test_expanded_and_shared_integers_are_refused():
    one = storage(bytes(100), "int8")
    tree = {
        "weight_ih_l0": Tensor(one, (4 << 20, 1 << 20), (0, 0)),
        "weight_hh_l0": Tensor(one, (4 << 20, 1 << 20), (0, 0)),
    }
    for name in list(tree):
        tree[f"{name}_scale"] = Tensor(storage(bytes(4)), ())
    assert "expanded view" in near_miss(tree)[1]


def test_a_paddle_file_is_no_way_around_the_budget():
    pickled = io.BytesIO()
    one = np.arange(1000, dtype=np.uint16)
    pickle.dump({**{str(k): one for k in range(2000)}, NAMES: {}}, pickled)
    loaded = pylstm.load(pickled.getvalue())
    assert np.shares_memory(loaded["0"], loaded["1999"])
