"""What makes a module another one than torch's, through state_dicts, pickles and files."""

import copy
import json
import pickle
import warnings
from collections import OrderedDict

import numpy as np
import pytest
import reference
from reference_variants import kind_with
from support import assert_same_bits, with_parameters

import pylstm

KEY = "pylstm.options"
VARIANTS = [
    ("GRU", {"reset_after": False}),
    ("GRU", {"activation": "relu", "gate_activation": "hard_sigmoid", "bidirectional": True}),
    ("LSTM", {"peepholes": True, "cell_clip": 0.5, "reverse": True}),
    ("LSTM", {"gate_activation": "hard_sigmoid3", "num_layers": 2}),
    ("RNN", {"reverse": True}),
    ("RNN", {"nonlinearity": "relu"}),
    ("GRUCell", {"reset_after": False, "activation": "softsign"}),
    ("LSTMCell", {"cell_clip": 0.25}),
    ("RNNCell", {"nonlinearity": "relu"}),
]
PLAIN = [("LSTM", {}), ("GRU", {}), ("RNN", {}), ("LSTMCell", {}), ("GRUCell", {}), ("RNNCell", {})]
OF_TORCH = ("bidirectional", "num_layers")


def make(kind, options):
    return with_parameters(getattr(pylstm, kind)(2, 3, **options), 1)


def recorded(options):
    told = {name: value for name, value in options.items() if name not in OF_TORCH}
    return {**told, "nonlinearity": "tanh"} if told == {"reverse": True} else told


def assert_is(source, kind, module, prefix=None):
    """The one module of a source is this one, and that is said: no warning, no default."""
    [found] = pylstm.find_recurrent(source)
    assert found.kind == kind
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = getattr(pylstm, kind).from_weights(source, prefix)
    assert repr(again) == repr(module)
    x = np.linspace(-2, 2, 8, dtype=np.float32).reshape((4, 2) if "Cell" in kind else (4, 1, 2))
    assert_same_bits(again(x), module(x))


@pytest.mark.parametrize(("kind", "options"), VARIANTS)
def test_state_dicts_record_variants(kind, options):
    module = make(kind, options)
    state = module.state_dict(prefix="a.b.")
    assert state._metadata["a.b"] == {"version": 1, KEY: recorded(options)}
    for source in (state, {"model": state}, copy.deepcopy(state), pickle.dumps(state)):
        assert_is(source, kind, module)
    assert_is(pickle.dumps(module), kind, module)
    holder = pylstm.Module()
    holder.inner = module
    assert_is(holder.state_dict(), kind, module, "inner")
    for name, value in recorded(options).items():
        if name == "peepholes":
            continue
        other = {"cell_clip": 9.0, "reset_after": True, "reverse": False}
        other["nonlinearity"] = "tanh" if value == "relu" else "relu"
        asked = other.get(name, {"activation": "tanh"}.get(name, "sigmoid"))
        with pytest.raises(pylstm.WeightFileError, match=f"the file says {name}={value!r}"):
            getattr(pylstm, kind).from_weights(state, **{name: asked})


def test_the_numbers_are_those_of_the_variant():
    x = np.linspace(-2, 2, 16).reshape(4, 2, 2)
    for kind, options in (("GRU", {"reset_after": False}), ("LSTM", {"cell_clip": 0.25})):
        module = with_parameters(getattr(pylstm, kind)(2, 3, dtype="float64", **options), 2, 1.0)
        state = module.state_dict()
        again = getattr(pylstm, kind).from_weights(pickle.dumps(state))
        expected = reference.layer(kind_with(kind, options), state, x)[0]
        np.testing.assert_allclose(again(x)[0], expected, atol=1e-12)
        plain = reference.layer(kind, state, x)[0]
        assert abs(plain - expected).max() > 1e-3


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize(("kind", "options"), VARIANTS)
def test_files_keep_what_is_recorded(kind, options, suffix, tmp_path):
    module, path, again = make(kind, options), tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pylstm.save({"net": module.state_dict(prefix="rnn.")}, path)
        assert_is(path, kind, module, "net.rnn")
        flat = pylstm.load(path, flat=True)
        assert_is(flat, kind, module)
        for other in (".pt", ".safetensors"):
            pylstm.save(flat, again.with_suffix(other))
            assert_is(again.with_suffix(other), kind, module)
        part = pylstm.load(path, flat=True, prefix="net.rnn")
        module.load_state_dict(part)
    if suffix == ".pt":
        assert_is(pylstm.load(path), kind, module)


@pytest.mark.parametrize(("kind", "options"), VARIANTS)
def test_npz_cannot_say_it(kind, options, tmp_path):
    path = tmp_path / "a.npz"
    module = make(kind, options)
    told = {name: each for name, each in recorded(options).items() if name != "peepholes"}
    with pytest.warns(pylstm.WeightFileWarning) as caught:
        pylstm.save(module.state_dict(), path)
    assert {str(each.message) for each in caught} == {
        f"{path} cannot say that its module has {name}={value!r}: pass it to from_weights"
        for name, value in told.items()
        if value != "tanh"
    }
    again = getattr(pylstm, kind).from_weights(path, **told)
    assert repr(again) == repr(module)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".npz"])
@pytest.mark.parametrize(("kind", "options"), PLAIN)
def test_plain_modules_record_nothing(kind, options, suffix, tmp_path):
    state = make(kind, options).state_dict()
    assert state._metadata == OrderedDict({"": {"version": 1}})
    one, other = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pylstm.save(state, one)
    pylstm.save(dict(state), other)
    assert one.read_bytes() == other.read_bytes()
    assert b"pylstm" not in one.read_bytes()


def test_loading_another_variant_is_an_error():
    plain, variant = make("GRU", {}), with_parameters(pylstm.GRU(2, 3, reset_after=False), 2)
    before = copy.deepcopy(plain.state_dict())
    text = (
        "variant mismatch: the checkpoint is of a module with reset_after=False, the current model "
        "has reset_after=True"
    )
    for state in (variant.state_dict(), {**variant.state_dict()}):
        if hasattr(state, "_metadata"):
            for strict in (True, False):
                with pytest.raises(RuntimeError, match=text):
                    plain.load_state_dict(state, strict=strict)
            assert_same_bits(tuple(plain.state_dict().values()), tuple(before.values()))
        else:  # a new dict of the same items records nothing
            plain.load_state_dict(state)
            assert_same_bits(plain.weight_ih_l0, variant.weight_ih_l0)
    variant.load_state_dict(before)  # what records nothing fits every variant
    variant.load_state_dict(variant.state_dict())
    both, holder = pylstm.Module(), pylstm.Module()
    both.first, both.second = make("LSTM", {}), make("LSTM", {"cell_clip": 1.5})
    holder.first, holder.second = make("LSTM", {}), make("LSTM", {"cell_clip": 2})
    with pytest.raises(
        RuntimeError, match=r"mismatch for second: .*cell_clip=1\.5.*cell_clip=2\.0"
    ):
        holder.load_state_dict(both.state_dict())
    # As in torch, the nonlinearity of an RNN is no part of it.
    make("RNN", {}).load_state_dict(make("RNN", {"nonlinearity": "relu"}).state_dict())


WRONG = [
    3,
    [],
    {"reset_after": 0},
    {"reset_after": None},
    {"activation": 3},
    {"nonlinearity": "elu"},
    {"cell_clip": -1.0},
    {"cell_clip": float("nan")},
    {"cell_clip": 1},
    {"new": True},
    {3: True},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_records_that_pylstm_does_not_write(wrong, tmp_path):
    state = make("LSTM", {}).state_dict()
    state._metadata[""][KEY] = wrong
    content = pickle.dumps(state)
    assert pylstm.find_recurrent(content) == []
    with pytest.raises(
        pylstm.WeightFileError, match=r"variant of an LSTM \(it has pylstm\.options="
    ):
        pylstm.LSTM.from_weights(content)
    with pytest.raises(pylstm.WeightFileError, match="its state_dict records"):
        pylstm.load(content, flat=True)
    with pytest.raises(ValueError, match="the _metadata of the state_dict says"):
        pylstm.save(state, tmp_path / "a.pt")
    with pytest.raises(RuntimeError, match="variant mismatch") if wrong != {"new": True} and wrong not in ({"nonlinearity": "elu"}, {3: True}) else pytest.raises(ValueError, match="x"):  # fmt: skip
        make("LSTM", {}).load_state_dict(state)
        raise ValueError("x")
    if isinstance(wrong, dict) and 3 not in wrong:
        header = {"__metadata__": {KEY: json.dumps({"": wrong})}}
        text = json.dumps(header).encode()
        with pytest.raises(pylstm.WeightFileError, match=r"metadata pylstm\.options"):
            pylstm.load(len(text).to_bytes(8, "little") + text, flat=True)


@pytest.mark.parametrize(
    ("kind", "options", "record", "text"),
    [
        ("GRU", {}, {"peepholes": True}, "variant of a GRU"),
        ("GRU", {}, {"cell_clip": 2.0}, "variant of a GRU"),
        ("GRU", {}, {"activation": "elu"}, "variant of a GRU"),
        ("RNN", {}, {"reset_after": False}, "variant of an RNN"),
        ("LSTM", {}, {"peepholes": True}, "incomplete LSTM"),
        ("LSTM", {"bidirectional": True}, {"reverse": True}, "variant of an LSTM"),
        ("LSTMCell", {}, {"reverse": True}, "variant of an LSTMCell"),
    ],
)
def test_records_that_do_not_fit(kind, options, record, text):
    state = make(kind, options).state_dict()
    state._metadata[""][KEY] = record
    assert pylstm.find_recurrent(state) == []
    with pytest.raises(pylstm.WeightFileError, match=text):
        getattr(pylstm, kind).from_weights(state)
