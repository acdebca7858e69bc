"""Stored forms that are none: WeightFileError by name, or the floats that they stand for."""

import json
import pickle
import re
import warnings

import numpy as np
import pytest
from compressed_files import STORAGES, SUFFIXES, compressed, made, state_of, with_metadata
from support import assert_same_bits

import pylstm
from pylstm.weights.survey import survey

WIDE = "; weights='float32' reads them as the floats that they stand for"
UNSOUND = "weight_hh_l0 has integers or scales that {} does not have"


def entries(weights):
    """The arrays of a state_dict in a storage: writable, in a plain dict."""
    module = made("LSTM", 9, 6) if weights == "float32" else compressed(made("LSTM", 9, 6), weights)
    return {name: np.array(value) for name, value in state_of(module).items()}


def changed(weights, **arrays):
    """The same with other arrays; None leaves one out."""
    state = entries(weights)
    state |= arrays
    return {name: value for name, value in state.items() if value is not None}


def with_element(weights, name, index, value):
    state = entries(weights)
    state[name][index] = value
    return state


def scale(*shape, dtype="f4"):
    return {"weight_hh_l0_scale": np.full(shape, 0.25, dtype)}


def sums(most):
    """Rows of int16 whose magnitudes sum to a number, over 256 terms."""
    stored = np.zeros((24, 9), "i2")
    stored[7] = most // 9
    stored[7, 8] = -(most - 8 * (most // 9))
    return {"weight_ih_l0": stored}


FLOATS = {f"weight_{side}_l0": np.ones((24, size), "f4") for side, size in (("ih", 9), ("hh", 6))}
LIMIT = (2**31 - 1) // 8191  # of such sums
# What is recorded, what is there, and what is said of it.
CONTRADICTIONS = {
    "a flat scale": ("int8", changed("int8", **scale(24)), r"int8 with scales of float32 \(24,\)"),
    "one scale": ("int8", changed("int8", **scale(1)), r"int8 with scales of float32 \(1,\)"),
    "one scale of two axes": ("int8", changed("int8", **scale(1, 1)), r"int8 with scales of .* \(1, 1\)"),
    "a scale in no axis": ("int8-fast", changed("int8", **scale()), r"int8 with scales of float32 \(\)"),
    "float64 scales": ("int8", changed("int8", **scale(24, 1, dtype="f8")), "int8 with scales of float64"),
    "float16 scales": ("int16", changed("int16", **scale(24, 1, dtype="f2")), "int16 with scales of float16"),
    "floats": ("int8", changed("float32"), "weight_ih_l0 is of float32"),
    "one float matrix": (
        "int8", changed("int8", weight_hh_l0=FLOATS["weight_hh_l0"], weight_hh_l0_scale=None),
        "weight_hh_l0 is of float32",
    ),
    "int8 for int16": ("int16", changed("int8"), "weight_ih_l0 is of int8"),
    "int16 for int8": ("int8", changed("int16"), "weight_ih_l0 is of int16"),
    "int8 for bfloat16": ("bfloat16", changed("int8"), "weight_ih_l0 is of int8"),
    "int8 for float16": ("float16", changed("int8"), "weight_ih_l0 is of int8"),
    "float16 for int8": ("int8", changed("float16"), "weight_ih_l0 is of float16"),
    "float16 for bfloat16": ("bfloat16", changed("float16"), "weight_ih_l0 is of float16"),
    "float32 for float16": ("float16", changed("float32"), "weight_ih_l0 is of float32"),
    "float64 for bfloat16": (
        "bfloat16", {n: v.astype("f8") for n, v in entries("bfloat16").items()}, "weight_ih_l0 is of float64",
    ),
    "short biases": ("int8", changed("int8", bias_ih_l0=np.zeros(24, "f2")), "bias_ih_l0 is of float16"),
    "long biases": ("float16", changed("float16", bias_hh_l0=np.zeros(24)), "bias_hh_l0 is of float64"),
    "scaled biases": (
        "int8", changed("int8", bias_ih_l0=np.zeros(24, "i1"), bias_ih_l0_scale=np.ones(1, "f4")),
        r"bias_ih_l0 is of int8 with scales of float32 \(1,\)",
    ),
}  # fmt: skip
# What no module has, whatever is recorded.
NO_WEIGHTS = {
    "no scale": (changed("int8", weight_hh_l0_scale=None), "weight_hh_l0 is of dtype int8"),
    "no scale of int16": (changed("int16", weight_hh_l0_scale=None), "weight_hh_l0 is of dtype int16"),
    "a scale for each column": (changed("int8", **scale(6, 1)), r"weight_hh_l0_scale has shape \(6, 1\)"),
    "a row of scales": (changed("int8", **scale(1, 24)), r"weight_hh_l0_scale has shape \(1, 24\)"),
    "two scales for a row": (changed("int8", **scale(24, 2)), r"weight_hh_l0_scale has shape \(24, 2\)"),
    "two scales for a row of int16": (changed("int16", **scale(24, 2)), "weight_hh_l0 is of dtype int16"),
    "whole scales": (changed("int8", **scale(24, 1, dtype="i4")), "not floating point"),
    "uint8": (changed("int8", weight_hh_l0=np.ones((24, 6), "u1")), "weight_hh_l0 is of dtype uint8"),
    "int32": (changed("int8", weight_hh_l0=np.ones((24, 6), "i4")), "weight_hh_l0 is of dtype int32"),
    "a zero point": (changed("int8", weight_hh_l0_zero_point=np.zeros(1, "i1")), "weight_hh_l0_zero_point"),
    "another shape": (changed("int8", weight_hh_l0=np.ones((24, 7), "i1")), "weight_hh_l0 has shape"),
}  # fmt: skip
# Found as modules, and refused when their numbers are read.
UNREAD = {
    "-128": (with_element("int8", "weight_hh_l0", (3, 2), -128), "int8", UNSOUND.format("int8"), True),
    "-32768": (with_element("int16", "weight_hh_l0", (3, 2), -32768), "int16", UNSOUND.format("int16"), True),
    "a sum": (changed("int16", **sums(LIMIT + 1)), "int16", UNSOUND.format("int16").replace("hh", "ih"), True),
    "NaN": (
        with_element("int8", "weight_hh_l0_scale", 4, np.nan), "int8",
        "weight_hh_l0 is multiplied by a scale of nan", False,
    ),
    "an infinity": (
        with_element("int16", "weight_ih_l0_scale", 23, np.inf), "int16",
        "weight_ih_l0 is multiplied by a scale of inf", False,
    ),
    "a negative scale": (
        with_element("int8", "weight_hh_l0_scale", 0, -0.5), "int8",
        "weight_hh_l0 is multiplied by a scale of -0.5", False,
    ),
    "a scale of 0": (
        with_element("int8", "weight_hh_l0_scale", 5, 0), "int8",
        "weight_hh_l0 is multiplied by a scale of 0", False,
    ),
}  # fmt: skip


def sources(state, folder, recorded=None):
    """The same arrays in every format, as a mapping and in a pickle; most record a storage."""
    if recorded is not None:
        state = with_metadata(state, recorded)
    yield "mapping", state
    yield "pickle", pickle.dumps(state)
    for suffix in SUFFIXES:
        if suffix == ".npz" and recorded is not None:
            continue
        path = folder / f"a{suffix}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pylstm.WeightFileWarning)
            try:
                pylstm.save(state, path)
            except TypeError:  # torch and safetensors have not every dtype
                continue
        yield suffix, path


def near_miss(source):
    tree = source if isinstance(source, dict) else pylstm.load(source)
    report = survey(tree, "<test>")
    assert not report.candidates
    [miss] = report.near_misses
    return str(miss)


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_what_is_recorded_and_is_not_there(name, tmp_path):
    weights, state, told = CONTRADICTIONS[name]
    told = f"it records weights='{weights}', and .*{told}"
    for _, source in sources(state, tmp_path, weights):
        assert pylstm.find_recurrent(source) == []
        assert re.search(told, near_miss(source))
        for options in ({}, {"weights": weights}, {"weights": "float32"}):
            with pytest.raises(pylstm.WeightFileError, match=told):
                pylstm.LSTM.from_weights(source, **options)


@pytest.mark.parametrize("recorded", [None, "int8", "int16"])
@pytest.mark.parametrize("name", NO_WEIGHTS)
def test_what_no_module_has(name, recorded, tmp_path):
    state, told = NO_WEIGHTS[name]
    for _, source in sources(state, tmp_path, recorded):
        assert pylstm.find_recurrent(source) == []
        for options in ({}, {"weights": "int8"}):
            with pytest.raises(pylstm.WeightFileError, match=told):
                pylstm.LSTM.from_weights(source, **options)


@pytest.mark.parametrize("is_recorded", [False, True])
@pytest.mark.parametrize("name", UNREAD)
def test_numbers_that_a_storage_has_not(name, is_recorded, tmp_path, monkeypatch):
    state, weights, told, is_wide = UNREAD[name]
    for _, source in sources(state, tmp_path, weights if is_recorded else None):
        [found] = pylstm.find_recurrent(source)
        assert found.weights == weights
        for piece in (1 << 20, 1):
            monkeypatch.setattr("pylstm.weights.values._PIECE", piece)
            with pytest.raises(pylstm.WeightFileError, match=told) as caught:
                pylstm.LSTM.from_weights(source)
            assert (WIDE in str(caught.value)) == is_wide
            if not is_wide:
                with pytest.raises(pylstm.WeightFileError, match=told):
                    pylstm.LSTM.from_weights(source, weights="float32")
                continue
            module = pylstm.LSTM.from_weights(source, weights="float32")
            for key in ("weight_ih_l0", "weight_hh_l0"):
                expected = state[key].astype("f4") * state[f"{key}_scale"]
                assert_same_bits((module.state_dict()[key],), (expected,))
            other = {"int8": "int16", "int16": "int8"}[weights]
            again = pylstm.LSTM.from_weights(source, weights=other)
            for key in module._native_names:
                assert_same_bits(
                    (again._native_parameter(key),),
                    (compressed(module, other)._native_parameter(key),),
                )


def test_the_largest_sum_is_read():
    state = changed("int16", **sums(LIMIT))
    module = pylstm.LSTM.from_weights(state)
    assert module.weights == "int16"
    assert_same_bits((module._native_stored("weight_ih_l0")[0],), (state["weight_ih_l0"],))


@pytest.mark.parametrize("value", [1e-7, np.float32(2) ** -140])
def test_bfloat16_that_is_none(value, tmp_path):
    """float32 in a state_dict that says it is bfloat16 is looked at; no digit is cut."""
    state = entries("bfloat16")
    state["weight_hh_l0"][7, 3] += value
    if value < 1e-30:
        state["weight_hh_l0"][7, 3] = value
    state = with_metadata(state, "bfloat16")
    for source in (state, pickle.dumps(state)):
        for options in ({}, {"weights": "bfloat16"}, {"weights": "int8"}, {"weights": "float32"}):
            with pytest.raises(
                pylstm.WeightFileError, match="weight_hh_l0 has numbers that bfloat16 has not"
            ):
                pylstm.LSTM.from_weights(source, **options)
    with pytest.raises(ValueError, match="'weight_hh_l0' is to be written as bfloat16"):
        pylstm.save(state, tmp_path / "a.pt")


@pytest.mark.parametrize(
    "told", ["int4", "INT8", "", 8, True, ["int8"], {"int8": 1}, "x" * 5000, b"int8"]
)
def test_other_words_for_integers_are_refused(told):
    """Of the integers it is not known what they are; floats are what they are."""
    for weights in ("int8", "int16"):
        state = with_metadata(entries(weights), told)
        for source in (state, pickle.dumps(state)):
            with pytest.raises(
                pylstm.WeightFileError, match=r"it records weights=.* no storage of weights"
            ):
                pylstm.LSTM.from_weights(source)
            flat = source if source is state else pylstm.load(source, flat=True)
            assert pylstm.find_recurrent(flat) == []
    for weights in ("float32", "float16"):
        [found] = pylstm.find_recurrent(with_metadata(entries(weights), told))
        assert found.weights is None


METADATA = [
    '{"": {"weights": "int4"}}', '{"": {"weights": 8}}', '{"": {"weights": null}}', '{"": {"weights": ["int8"]}}',
    '{"": {"weights": {"int8": 1}}}', '{"": "int8"}', '["int8"]', '"int8"', "int8", '{"": {"Weights": "int8"}}',
    '{"": {"weights": "int8", "weights": 8}}',
]  # fmt: skip


@pytest.mark.parametrize("text", METADATA)
def test_metadata_of_safetensors(text, tmp_path):
    path = tmp_path / "a.safetensors"
    pylstm.save(with_metadata(entries("int8"), "int8"), path)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"]["pylstm.options"] = text
    raw = json.dumps(header).encode()
    other = len(raw).to_bytes(8, "little") + raw + content[8 + length :]
    for read in (pylstm.load, pylstm.find_recurrent, pylstm.LSTM.from_weights):
        with pytest.raises(pylstm.WeightFileError, match=r"pylstm\.options"):
            read(other)


def edited(module, change):
    """A pickle of a module with other parts."""
    rebuild, (cls, saved), state = module.__reduce_ex__(2)
    change(saved)

    class Edited:
        def __reduce__(self):
            return rebuild, (cls, saved), state

    return pickle.dumps([Edited()])


PICKLES = {
    "another storage": (lambda s: s.update(weights="int4"), "weights='int4'"),
    "a number for the storage": (lambda s: s.update(weights=8), "weights=8"),
    "a list for the storage": (lambda s: s.update(weights=["int8"]), "weights=a list"),
    "int16 for int8": (lambda s: s.update(weights="int16"), "it records weights='int16', and weight_ih_l0 is of int8"),
    "bfloat16 for int8": (lambda s: s.update(weights="bfloat16"), "it records weights='bfloat16'"),
    "no scale": (
        lambda s: s["parameters"].update(weight_hh_l0=(s["parameters"]["weight_hh_l0"][0], None)),
        "weight_hh_l0 is of dtype int8",
    ),
    "three parts": (
        lambda s: s["parameters"].update(weight_hh_l0=(*s["parameters"]["weight_hh_l0"], None)),
        "weight_hh_l0 is <Record of builtins.tuple>",
    ),
    "no parts": (lambda s: s["parameters"].update(weight_hh_l0=()), "weight_hh_l0 is <Record of builtins.tuple>"),
    "texts": (lambda s: s["parameters"].update(weight_hh_l0=("a", "b")), "weight_hh_l0 is <Record of builtins.tuple>"),
    "a bias of no parts": (
        lambda s: s["parameters"].update(bias_hh_l0=()),
        "bias_hh_l0 is <Record of builtins.tuple>",
    ),
    "a scale of a list": (
        lambda s: s["parameters"].update(weight_hh_l0=(s["parameters"]["weight_hh_l0"][0], [1.0])),
        "weight_hh_l0 is <Record of builtins.tuple>",
    ),
    "a flat scale": (
        lambda s: s["parameters"].update(
            weight_hh_l0=(s["parameters"]["weight_hh_l0"][0], np.ones(24, "f4"))
        ),
        r"int8 with scales of float32 \(24,\)",
    ),
    "whole scales": (
        lambda s: s["parameters"].update(
            weight_hh_l0=(s["parameters"]["weight_hh_l0"][0], np.ones((24, 1), "i4"))
        ),
        "int8 with scales of int32",
    ),
    "two scales for a row": (
        lambda s: s["parameters"].update(
            weight_hh_l0=(s["parameters"]["weight_hh_l0"][0], np.ones((24, 2), "f4"))
        ),
        r"int8 with scales of float32 \(24, 2\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PICKLES)
def test_pickles_of_modules(name):
    change, told = PICKLES[name]
    content = edited(compressed(made("LSTM", 9, 6), "int8"), change)
    assert pylstm.find_recurrent(content) == []
    with pytest.raises(pylstm.WeightFileError, match=told):
        pylstm.LSTM.from_weights(content)


@pytest.mark.parametrize("weights", STORAGES)
def test_weights_that_a_storage_cannot_hold(weights, tmp_path):
    """Compressed when they are read: named with the row and column in the file."""
    values = {"bfloat16": 3.4e38, "float16": 7e4}
    state = entries("float32")
    state["weight_hh_l0"][21, 4] = values.get(weights, np.nan)
    for _, source in sources(state, tmp_path):
        with pytest.raises(pylstm.WeightFileError) as caught:
            pylstm.LSTM.from_weights(source, weights=weights)
        assert re.search(
            rf"weight_hh_l0\[21, 4\] is .*, which {weights} cannot hold", str(caught.value)
        )
