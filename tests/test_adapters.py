"""LSTMs whose weights an adapter in the same file changes are refused by name."""

import json

import numpy as np
import pytest
from file_trees import whole_module
from reference import cell_parameter_shapes, make_parameters, parameter_shapes
from timing import assert_units

import pylstm
from pylstm.cli import main
from pylstm.files.base.record import Record
from pylstm.weights.find import survey


def lstm(prefix="", seed=1):
    made = make_parameters(seed, parameter_shapes(2, 3), np.float32)
    return {prefix + name: value for name, value in made.items()}


def cell(prefix=""):
    made = make_parameters(1, cell_parameter_shapes(2, 3), np.float32)
    return {prefix + name: value for name, value in made.items()}


def ones(*names):
    return {name: np.ones((2, 3), np.float32) for name in names}


def misses(tree):
    return {miss.prefix: miss for miss in survey(tree, "<test>").near_misses}


BESIDE = {
    "LoRA": ["lstm.lora_A.default.weight", "lstm.lora_B.default.weight"],
    "LoRA of another name": ["lstm.lora_A.mine.weight"],
    "LoRA of embeddings": ["lstm.lora_embedding_A.default"],
    "DoRA": ["lstm.lora_magnitude_vector.default.weight"],
    "AdaLoRA": ["lstm.lora_E.default"],
    "IA3": ["lstm.ia3_l.default"],
    "LoHa": ["lstm.hada_w1_a.default"],
    "LoKr": ["lstm.lokr_w1.default"],
    "OFT": ["lstm.oft_R.default.weight"],
    "VeRA": ["lstm.vera_lambda_b.default"],
    "of no known name": ["lstm.new_adapter.default.weight"],
}


@pytest.mark.parametrize("names", BESIDE.values(), ids=BESIDE)
@pytest.mark.parametrize("depth", [1, 2])
def test_beside_a_base_layer(names, depth):
    path = "lstm" + ".base_layer" * depth
    for kind, own in (("LSTM", lstm), ("LSTMCell", cell)):
        tree = own(f"{path}.") | ones(*names)
        assert pylstm.find_lstms(tree) == []
        miss = misses(tree)[path]
        assert miss.kind == f"{kind} with an adapter"
        assert miss.reason.startswith(", ".join(names) + ": an adapter changes its weights; ")
        with pytest.raises(pylstm.WeightFileError, match=r"with an adapter .*merge_and_unload"):
            getattr(pylstm, kind).from_weights(tree)


# What the adapter's tensors are in, beside the model: all are for the LSTM encoder.lstm.
ELSEWHERE = {
    "a mapping": {"lora": ones("encoder.lstm.lora_A.weight", "encoder.lstm.lora_B.weight")},
    "of peft": {"adapter": ones("base_model.model.encoder.lstm.lora_A.weight")},
    "nested": {"adapter": {"encoder": {"lstm": {"lora_A": ones("weight")}}}},
    "slashes": {"adapter": ones("encoder/lstm/lora_A/kernel")},
    "the end of the path": {"lora": ones("lstm.lora_A")},
    "names in one": ones("lora_unet_lstm.lora_down.weight", "lora_unet_lstm.lora_up.weight"),
    "a name with an end": ones("encoder.lstm_lora_A"),
    "after the name": {"lora_A": ones("encoder.lstm.weight_hh_l0")},
    "of no module": {"lora": ones("lora_A", "lora_B")},
    "of a parameter": {"lora": ones("lora_A.weight_hh_l0")},
    "compiled": {"adapter": ones("_orig_mod.encoder.lstm.lora_A.default.weight")},
    "of a scale": {"dora": ones("encoder.lstm.lora_magnitude_vector.default.weight")},
    "in a list": {"adapters": [ones("x.lora_A"), ones("encoder.lstm.lora_A")]},
}


@pytest.mark.parametrize("beside", ELSEWHERE.values(), ids=ELSEWHERE)
def test_in_another_mapping(beside):
    for tree in (
        {"model": lstm("encoder.lstm."), **beside},
        {**beside, "state_dict": {"model": {"encoder": {"lstm": lstm()}}}},
        {"m": whole_module("torch.nn.modules.rnn.LSTM", lstm()), **beside}
        if "of no module" in beside
        else {"encoder": {"lstm": whole_module("torch.nn.modules.rnn.LSTM", lstm())}, **beside},
    ):
        [miss] = [each for each in misses(tree).values() if each.kind == "LSTM with an adapter"]
        assert miss.prefix.endswith("encoder.lstm")
        assert "lora" in miss.reason.partition(":")[0]
        assert pylstm.find_lstms(tree) == []


@pytest.mark.parametrize(
    "beside",
    [
        {"lora": ones("attention.q.lora_A.weight", "attention.q.lora_B.weight")},
        ones("decoder.lora_A.default.weight"),
        ones("decoder.base_layer.weight", "decoder.ia3_l.default"),
        {"lora": {"rank": 4, "alpha": 0.5, "modules": ["encoder.lstm"]}},
        {"lora_state": {"lora_A": 3, "step": np.array(7)}},
        ones("encoder.exploration.weight", "encoder.floral.bias", "lstm.dora.weight"),
        ones("lora_model.fc.weight"),
    ],
)
def test_adapters_of_other_modules(beside):
    tree = {"model": lstm("encoder.lstm."), **beside}
    [found] = pylstm.find_lstms(tree)
    assert found.prefix == "model.encoder.lstm"


@pytest.mark.parametrize("name", ["lora", "lora_model", "my_lora", "lora.net", "magnitude"])
def test_models_that_are_called_so(name):
    """The name of a model is not an adapter of what is in the model."""
    tree = lstm(f"{name}.lstm.") | ones(f"{name}.fc.weight", f"{name}.lstm_norm.weight")
    assert [each.prefix for each in pylstm.find_lstms(tree)] == [f"{name}.lstm"]
    tree = {name: {"a": lstm("lstm."), "b": cell()}}
    assert len(pylstm.find_lstms(tree)) == 2


def test_a_base_layer_without_anything_beside_it():
    [found] = pylstm.find_lstms(lstm("lstm.base_layer."))
    assert found.prefix == "lstm.base_layer"


def test_only_those_that_an_adapter_is_for():
    tree = {
        **lstm("a.base_layer."),
        **ones("a.lora_A.default.weight"),
        **lstm("b.", 2),
        **lstm("c.base_layer.", 3),
        **ones("decoder.c.lora_A.default.weight"),
    }
    assert [each.prefix for each in pylstm.find_lstms(tree)] == ["b"]
    assert set(misses(tree)) == {"a.base_layer", "c.base_layer"}


def test_modules_of_peft():
    """A whole module, whose wrapper is of another class."""
    inner = whole_module("torch.nn.modules.rnn.LSTM", lstm())
    wrapper = Record(
        "peft.tuners.lora.layer.ParamWrapper",
        state={"_modules": {"base_layer": inner, "lora_A": {"default": ones("weight")}}},
    )
    assert set(misses({"lstm": wrapper})) == {"lstm.base_layer"}


@pytest.mark.parametrize("name", ["lstm.parametrizations.weight_hh_l0.0.lora_A", "lstm.parametrizations.weight_hh_l0.0.base", "lstm.weight_hh_l0.lora_A", "lstm.lora_A.weight_hh_l0"])  # fmt: skip
def test_below_the_lstm(name):
    assert pylstm.find_lstms(lstm("lstm.") | ones(name)) == []
    assert misses(lstm("lstm.") | ones(name))["lstm"].kind == "LSTM with foreign parameters"


def test_commands_tell_it(tmp_path, capsys):
    path = tmp_path / "adapted.safetensors"
    pylstm.save(lstm("lstm.base_layer.") | ones("lstm.lora_A.default.weight"), path)
    assert main(["inspect", str(path)]) == 0
    assert "LSTM with an adapter" in capsys.readouterr().out
    # The way out that the error tells.
    with pytest.raises(pylstm.WeightFileError, match="pass its own parameters alone:") as caught:
        pylstm.LSTM.from_weights(path)
    code = str(caught.value).rpartition("alone:\n  ")[2]
    made = pylstm.LSTM.from_weights(eval(code, {"pylstm": pylstm}))
    np.testing.assert_array_equal(made.weight_ih_l0, lstm()["weight_ih_l0"])


def test_many_of_both_take_time_in_proportion():
    tree = {}
    small = {name: value[:4, :1] for name, value in cell().items() if "weight" in name}
    for index in range(3000):
        tree |= {f"m{index}.base_layer.{name}": value for name, value in small.items()}
        tree |= {f"m{index}.{'a.' * 20}lora_A": np.ones((1, 1), np.float32)}
    assert_units(lambda: survey(tree, "<test>"), 30)
    report = survey(tree, "<test>")
    assert (len(report.candidates), len(report.near_misses)) == (0, 3000)


# Companions, and floats of 8 bits ---------------------------------------------------------------

COMPANIONS = {
    "masks": {"masks": dict.fromkeys(lstm("lstm."), np.ones((2, 3), np.float32))},
    "a mask": ones("mask.lstm.weight_hh_l0"),
    "pruning masks": {"pruning_masks": {"lstm": ones("weight_ih_l0")}},
    "bools": {"masks": {"lstm.weight_hh_l0": np.ones((12, 3), bool)}},
    "whole masks": {"masks": {"lstm": lstm()}},
    "scales": {"scales": ones("model.lstm.weight_ih_l0")},
    "scales behind slashes": ones("weight_scales/lstm/weight_ih_l0"),
    "zero points": {"zero_points": ones("lstm.weight_ih_l0", "lstm.weight_hh_l0")},
    "largest values": {"amax": {"lstm": ones("weight_hh_l0")}},
}


@pytest.mark.parametrize("beside", COMPANIONS.values(), ids=COMPANIONS)
def test_companions_in_another_mapping(beside):
    tree = {"model": lstm("lstm."), **beside}
    assert "model.lstm" not in [each.prefix for each in pylstm.find_lstms(tree)]
    miss = misses(tree)["model.lstm"]
    assert miss.kind == "LSTM with companions elsewhere"
    assert ": what belongs to its parameters; if it plays no role, " in miss.reason


@pytest.mark.parametrize(
    "beside",
    [
        ones("mask", "attention.mask", "lstm_mask", "scale", "norm.scale"),
        {"masks": ones("attention.weight", "other.weight_hh_l0")},
        ones("masked.lstm.weight", "multiscale.lstm.weight"),
        {"masks": {"lstm": {"weight_hh_l0": "none"}}},
    ],
)
def test_masks_and_scales_of_something_else(beside):
    tree = {"model": lstm("lstm."), **beside}
    assert [each.prefix for each in pylstm.find_lstms(tree)] == ["model.lstm"]


def float8(tree, more):
    """A safetensors file of floats of 8 bits, and of others."""
    header, data = {}, b""
    for name, value in {**tree, **more}.items():
        raw = bytes(value.size) if name in tree else value.astype("<f4").tobytes()
        kind = "F8_E4M3" if name in tree else "F32"
        span = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": kind, "shape": value.shape, "data_offsets": span}
        data += raw
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize("name", ["scale", "lstm_scale", "scales.lstm", "weight_scale_inv", "fc.input_amax"])  # fmt: skip
def test_floats_of_8_bits_beside_scales(name):
    content = float8(lstm("lstm."), ones(name))
    with pytest.raises(pylstm.WeightFileError, match=f"scaled floats .*whose scale may be {name}"):
        pylstm.LSTM.from_weights(content)
    assert pylstm.find_lstms(content) == []
    # Without anything that may be a scale they are what they are; so are wide ones beside it.
    for other in ({}, ones("fc.weight")):
        assert len(pylstm.find_lstms(float8(lstm("lstm."), other))) == 1
    assert len(pylstm.find_lstms(float8({}, {**lstm("lstm."), **ones(name)}))) == 1
