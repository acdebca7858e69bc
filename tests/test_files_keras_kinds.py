"""Keras's GRU, SimpleRNN and CuDNNGRU: files made by hand, with torch's gates, or refused by name."""

import numpy as np
import pytest
from keras_files import (
    INPUTS,
    UNITS,
    bidirectional_config,
    h5_file,
    keras_archive,
    labelled,
    layer_config,
    legacy_file,
    model_config,
    tree,
)
from reference import make_parameters
from support import assert_same_bits

import pylstm
from pylstm.files.base.record import Unsupported
from pylstm.files.base.tensor import Tensor
from pylstm.weights.find import opened

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
CLASSES = {"LSTM": "LSTM", "GRU": "GRU", "RNN": "SimpleRNN"}
GROUPS = {"LSTM": "lstm", "GRU": "gru", "RNN": "simple_rnn"}
OTHERS = ["GRU", "RNN"]
# torch's blocks in the order of Keras: i f c o, z r h.
TO_KERAS = {"LSTM": [0, 1, 2, 3], "GRU": [1, 0, 2], "RNN": [0]}
NAMES = ("kernel", "recurrent_kernel", "bias")


def parameters_of(kind, ends=("_l0",), bias=True, seed=1, two_biases=None):
    """The parameters of a layer; what Keras has one bias for has zeros for the other."""
    rows = GATES[kind] * UNITS
    shapes = {"weight_ih": (rows, INPUTS), "weight_hh": (rows, UNITS)}
    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
    made = make_parameters(
        seed, {name + end: shape for end in ends for name, shape in shapes.items()}, np.float32
    )
    two_biases = kind == "GRU" if two_biases is None else two_biases
    return {n: 0 * p if "bias_hh" in n and not two_biases else p for n, p in made.items()}


def blocks(kind, array):
    parts = np.split(array, GATES[kind])
    return np.concatenate([parts[at] for at in TO_KERAS[kind]])


def keras_weights(kind, parameters, end="_l0"):
    """kernel, recurrent kernel and bias of one direction."""
    made = [blocks(kind, parameters[name + end]).T for name in ("weight_ih", "weight_hh")]
    if f"bias_ih{end}" in parameters:
        biases = [blocks(kind, parameters[f"bias_{which}{end}"]) for which in ("ih", "hh")]
        made.append(np.stack(biases) if kind == "GRU" else biases[0])
    return made


def cudnn_weights(parameters, end="_l0"):
    """The same of a CuDNNGRU: each gate's matrix as cuDNN has it, and two biases in one."""

    def kernel(name):
        parts = np.split(blocks("GRU", parameters[name + end]), 3)
        shape = parts[0].shape[::-1]
        return np.concatenate([np.ascontiguousarray(part).reshape(shape) for part in parts], 1)

    biases = [blocks("GRU", parameters[f"bias_{which}{end}"]) for which in ("ih", "hh")]
    return [kernel("weight_ih"), kernel("weight_hh"), np.concatenate(biases)]


def numbered(path, *directions):
    sides = ("/forward_layer", "/backward_layer") if len(directions) > 1 else ("",)
    return {
        f"{path}{side}/cell/vars/{number}": array
        for side, weights in zip(sides, directions, strict=True)
        for number, array in enumerate(weights)
    }


def named(path, weights, suffix=":0"):
    return {f"{path}/{name}{suffix}": array for name, array in zip(NAMES, weights, strict=False)}


def config(kind, name="rnn", **settings):
    settings = {"activation": "tanh", "reset_after": True, **settings}
    return layer_config(CLASSES[kind], name, **settings)


def read(kind, source, prefix=None, **options):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pylstm.WeightFileWarning)
        return getattr(pylstm, kind).from_weights(source, prefix, **options)


def assert_loads(kind, source, parameters, prefix=None, **options):
    module = read(kind, source, prefix, **options)
    assert module.batch_first
    assert list(module.state_dict()) == list(parameters)
    for name, value in parameters.items():
        np.testing.assert_array_equal(module.state_dict()[name], value, err_msg=name)
    return module


def reason(kind, source, name="rnn"):
    leaf = tree(source)[name]
    assert isinstance(leaf, Unsupported), leaf
    with pytest.raises(pylstm.WeightFileError) as caught:
        read(kind, source)
    assert leaf.kind in str(caught.value)
    assert leaf.reason in str(caught.value)
    assert pylstm.find_recurrent(source) == []
    return leaf.reason


BOTH = ("_l0", "_l0_reverse")


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("ends", [("_l0",), BOTH], ids=["one", "both"])
@pytest.mark.parametrize("kind", GATES)
def test_all_layouts(kind, ends, bias):
    parameters = parameters_of(kind, ends, bias)
    directions = [keras_weights(kind, parameters, end) for end in ends]
    inner = config(kind, use_bias=bias)
    layer = inner
    group, sides = GROUPS[kind], ["rnn"]
    if len(ends) > 1:
        layer = {"class_name": "Bidirectional", "config": {"name": "rnn", "layer": inner}}
        group, sides = "bidirectional", ["rnn/forward_x", "rnn/backward_x"]
    groups = {}
    for side, weights in zip(sides, directions, strict=True):
        groups |= named(f"{side}/{group}_cell" if group != "bidirectional" else side, weights)
    for source in (
        keras_archive(numbered(f"layers/{group}", *directions), model_config(layer)),
        legacy_file({"rnn": groups}, model_config(layer)),
    ):
        assert_loads(kind, source, parameters)
        [found] = pylstm.find_recurrent(source)
        assert (found.prefix, found.kind, found.assumed) == ("rnn", kind, {})
        assert found.nonlinearity == ("tanh" if kind == "RNN" else None)
    alone = h5_file(numbered(f"layers/{group}", *directions))
    assert_loads(kind, alone, parameters)
    gates = {"gate_activation": "sigmoid", "activation": "tanh"}
    expected = {"nonlinearity": "tanh"} if kind == "RNN" else gates
    expected |= {"reset_after": True} if kind == "GRU" and not bias else {}
    expected |= {"reverse": False, "batch_first": True}
    expected |= {"merge_mode": "concat"} if len(ends) > 1 else {}
    expected |= {} if bias else {"bias": False}
    [found] = pylstm.find_recurrent(alone)
    assert found.assumed == expected
    getattr(pylstm, kind).from_weights(alone, **found.assumed)


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_assumed_is_told(kind):
    parameters = parameters_of(kind, bias=False)
    source = h5_file(numbered(f"layers/{GROUPS[kind]}", keras_weights(kind, parameters)))
    told = {
        "GRU": "gate_activation='sigmoid', activation='tanh', reset_after=True, reverse=False",
        "RNN": "nonlinearity='tanh', reverse=False",
    }[kind]
    with pytest.warns(pylstm.WeightFileWarning, match=f"assumed: {told}; pass"):
        getattr(pylstm, kind).from_weights(source)
    if kind == "RNN":
        assert pylstm.RNN.from_weights(source, nonlinearity="relu").nonlinearity == "relu"
    else:
        assert pylstm.GRU.from_weights(source, reset_after=False).reset_after is False


@pytest.mark.parametrize("kind", GATES)
def test_cells_in_rnn(kind):
    parameters = parameters_of(kind)
    cell = layer_config(f"{CLASSES[kind]}Cell", "c", activation="tanh", reset_after=True)
    layer = {"class_name": "RNN", "config": {"name": "rnn", "cell": cell}}
    data = numbered("layers/rnn", keras_weights(kind, parameters))
    assert_loads(kind, keras_archive(data, model_config(layer)), parameters)
    foreign = {**cell, "registered_name": "mine>Cell"}
    layer = {"class_name": "RNN", "config": {"name": "rnn", "cell": foreign}}
    told = reason(kind, keras_archive(data, model_config(layer)))
    assert told == f"its cell {CLASSES[kind]}Cell is another one than Keras's"


@pytest.mark.parametrize("kind", GATES)
def test_one_layer_is_a_cell(kind):
    parameters = parameters_of(kind)
    source = keras_archive(
        numbered(f"layers/{GROUPS[kind]}", keras_weights(kind, parameters)),
        model_config(config(kind)),
    )
    cell = read(f"{kind}Cell", source)
    for name, value in parameters.items():
        np.testing.assert_array_equal(cell.state_dict()[name.removesuffix("_l0")], value)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_the_activation_of_a_simple_rnn(nonlinearity):
    parameters = parameters_of("RNN")
    data = numbered("layers/simple_rnn", keras_weights("RNN", parameters))
    source = keras_archive(data, model_config(config("RNN", activation=nonlinearity)))
    assert pylstm.RNN.from_weights(source).nonlinearity == nonlinearity
    flat = pylstm.load(source, flat=True, prefix="rnn")
    assert pylstm.RNN.from_weights(flat).nonlinearity == nonlinearity
    other = {"tanh": "relu", "relu": "tanh"}[nonlinearity]
    with pytest.raises(pylstm.WeightFileError, match=f"says nonlinearity='{nonlinearity}'"):
        pylstm.RNN.from_weights(source, nonlinearity=other)


# Keras 2 wrote it without reset_after; both generations of CuDNNGRU have one layout.
@pytest.mark.parametrize("bidirectional", [False, True])
def test_cudnn(bidirectional):
    ends = BOTH if bidirectional else ("_l0",)
    parameters = parameters_of("GRU", ends)
    layer = {"class_name": "CuDNNGRU", "config": {"name": "rnn"}}
    groups = {}
    for side, end in zip(("forward_a", "backward_a"), ends, strict=False):
        path = f"rnn/{side}" if bidirectional else "rnn"
        groups |= named(path, cudnn_weights(parameters, end))
    if bidirectional:
        layer = {"class_name": "Bidirectional", "config": {"name": "rnn", "layer": layer}}
    source = legacy_file(
        {"rnn": groups}, model_config(layer), attributes={"keras_version": "2.2.4"}
    )
    assert_loads("GRU", source, parameters)
    [found] = pylstm.find_recurrent(source)
    assert found.assumed == {}
    # Weights alone tell that they are for cuDNN, which has no other activations.
    alone = legacy_file({"rnn": groups}, base="", attributes={"keras_version": "2.2.4"})
    [found] = pylstm.find_recurrent(alone)
    merged = {"merge_mode": "concat"} if bidirectional else {}
    assert found.assumed == {"reverse": False, **merged, "batch_first": True}
    assert_loads("GRU", alone, parameters)


def test_weights_of_cudnn_in_other_classes():
    parameters = parameters_of("GRU")
    plain, cudnn = keras_weights("GRU", parameters), cudnn_weights(parameters)
    silent = {"class_name": "CuDNNGRU", "config": {"name": "rnn"}}
    for layer, weights, text in (
        (config("GRU"), cudnn, "its bias is (24,), the configuration says reset_after=True"),
        (silent, plain, "its bias is (2, 12), not that of a CuDNNGRU"),
        (silent, plain[:2], "it has no bias, as each CuDNNGRU has"),
    ):
        source = legacy_file({"rnn": named("rnn", weights)}, model_config(layer))
        assert reason("GRU", source) == text


# The reset gate -------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", [{"reset_after": False}, {"reset_after": None}, {}])
@pytest.mark.parametrize("bias", [True, False])
def test_the_reset_gate_before_the_product(setting, bias):
    parameters = parameters_of("GRU", bias=bias, two_biases=False)
    kernel, recurrent, *biases = keras_weights("GRU", parameters)
    weights = [kernel, recurrent, *(both[0] for both in biases)]
    layer = config("GRU", use_bias=bias)
    del layer["config"]["reset_after"]
    layer["config"].update(setting)
    source = keras_archive(numbered("layers/gru", weights), model_config(layer))
    module = assert_loads("GRU", source, parameters)
    assert module.reset_after is False
    with pytest.raises(pylstm.WeightFileError, match="the file says reset_after=False"):
        read("GRU", source, reset_after=True)
    alone = h5_file(numbered("layers/gru", weights))
    assert read("GRU", alone).reset_after is not bias
    with_two = numbered("layers/gru", keras_weights("GRU", parameters_of("GRU")))
    told = reason(
        "GRU",
        keras_archive(
            with_two, model_config({**layer, "config": {**layer["config"], "use_bias": True}})
        ),
    )
    assert told == "its bias is (2, 12), the configuration says reset_after=False"


VARIANTS = [
    ("GRU", {"activation": "relu"}, {"activation": "relu"}),
    ("GRU", {"recurrent_activation": "hard_sigmoid"}, {"gate_activation": "hard_sigmoid3"}),
    ("GRU", {"go_backwards": True}, {"reverse": True}),
    ("GRU", {"activation": "softsign", "go_backwards": True}, {"activation": "softsign", "reverse": True}),
    ("LSTM", {"activation": "linear"}, {"activation": "linear"}),
    ("LSTM", {"recurrent_activation": "hard_sigmoid", "activation": "relu"}, {"gate_activation": "hard_sigmoid3", "activation": "relu"}),
    ("RNN", {"go_backwards": True, "activation": "relu"}, {"reverse": True}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "settings", "options"), VARIANTS)
def test_variants(kind, settings, options):
    parameters = parameters_of(kind)
    data = numbered(f"layers/{GROUPS[kind]}", keras_weights(kind, parameters))
    source = keras_archive(data, model_config(config(kind, **settings)))
    module = assert_loads(kind, source, parameters)
    [found] = pylstm.find_recurrent(source)
    assert found.options == options
    assert found.nonlinearity == (settings.get("activation") if kind == "RNN" else None)
    for name, value in options.items():
        assert getattr(module, name) == value
        other = {"reverse": False, "activation": "tanh", "gate_activation": "sigmoid"}[name]
        with pytest.raises(pylstm.WeightFileError, match=f"the file says {name}="):
            read(kind, source, **{name: other})
    flat = pylstm.load(source, flat=True)
    assert pylstm.find_recurrent(flat)[0].options == options
    if "reverse" in options:
        with pytest.raises(pylstm.WeightFileError, match="its only direction in reverse"):
            read(f"{kind}Cell", source)
    else:
        cell = read(f"{kind}Cell", source)
        assert all(getattr(cell, name) == value for name, value in options.items())


@pytest.mark.parametrize("version", ["2.15.0", "2.2.4", "3.15.1", ""])
def test_which_hard_sigmoid_a_release_means(version):
    parameters = parameters_of("GRU")
    data = numbered("layers/gru", keras_weights("GRU", parameters))
    layer = config("GRU", recurrent_activation="hard_sigmoid")
    source = keras_archive(data, model_config(layer), version=version)
    if version:
        expected = "hard_sigmoid3" if version.startswith("3") else "hard_sigmoid"
        assert assert_loads("GRU", source, parameters).gate_activation == expected
    else:
        told = reason("GRU", source)
        assert told == "its recurrent_activation is 'hard_sigmoid', not 'sigmoid'"


def test_one_bias_and_a_configuration_of_two():
    kernel, recurrent, bias = keras_weights("GRU", parameters_of("GRU"))
    data = numbered("layers/gru", [kernel, recurrent, bias[0]])
    source = keras_archive(data, model_config(config("GRU")))
    assert reason("GRU", source) == "its bias is (12,), the configuration says reset_after=True"


# What cannot run ------------------------------------------------------------------------------


def two(forward, backward):
    layer = {"name": "rnn", "layer": forward, "backward_layer": backward}
    return {"class_name": "Bidirectional", "config": layer}


@pytest.mark.parametrize(
    ("kind", "layer", "text"),
    [
        ("GRU", config("GRU", activation="selu"), "its activation is 'selu', not 'tanh'"),
        ("GRU", config("GRU", recurrent_activation="relu"), "its recurrent_activation is 'relu', not 'sigmoid'"),
        ("GRU", config("GRU", recurrent_activation=None), "its recurrent_activation is a NoneType, not 'sigmoid'"),
        ("GRU", config("GRU", units=5), "its recurrent_kernel is (4, 12), the configuration says units=5"),
        ("GRU", config("GRU", use_bias=False), "it has a bias, the configuration says use_bias=False"),
        ("GRU", config("LSTM"), "the shapes of its weights are not those of an LSTM: bias (2, 12), kernel (3, 12), recurrent_kernel (4, 12)"),
        ("GRU", config("GRU", dtype={"class_name": "QuantizedDTypePolicy"}), "its dtype policy is a 'QuantizedDTypePolicy': it is quantised"),
        ("RNN", config("RNN", activation="sigmoid"), "its activation is 'sigmoid', not 'tanh' or 'relu'"),
        ("RNN", config("RNN", activation={"config": "relu"}), "its activation is the function 'relu', not 'tanh' or 'relu'"),
        ("RNN", config("RNN", activation=["relu"]), "its activation is a list, not 'tanh' or 'relu'"),
        ("RNN", config("GRU"), "the shapes of its weights are not those of a GRU: bias (4,), kernel (3, 4), recurrent_kernel (4, 4)"),
        ("RNN", {**config("RNN"), "registered_name": "mine>SimpleRNN"}, "its class SimpleRNN is another one than Keras's"),
    ],
)  # fmt: skip
def test_unsupported_features_are_named(kind, layer, text):
    group = {"SimpleRNN": "simple_rnn"}.get(layer["class_name"], layer["class_name"].lower())
    data = numbered(f"layers/{group}", keras_weights(kind, parameters_of(kind)))
    source = keras_archive(data, model_config(layer))
    assert reason(kind, source) == text
    assert tree(source)["rnn"].kind == f"Keras {layer['class_name']} layer"


@pytest.mark.parametrize(
    ("kind", "layer", "text"),
    [
        ("GRU", two(config("GRU"), config("GRU")), "go_backwards is off"),
        ("GRU", two(config("GRU"), config("LSTM", go_backwards=True)), "its directions are of different classes"),
        ("GRU", two(config("GRU"), config("GRU", go_backwards=True, reset_after=False)), "its directions are configured differently"),
        ("GRU", two(config("GRU", activation="selu"), config("GRU", go_backwards=True)), "its activation is 'selu', not 'tanh'"),
        ("RNN", two(config("RNN"), config("RNN", activation="relu", go_backwards=True)), "its directions are configured differently"),
        ("RNN", two(config("RNN", go_backwards=True), config("RNN", go_backwards=True)), "it runs backwards (go_backwards)"),
        ("RNN", bidirectional_config(None), "it merges its directions by a NoneType, not 'concat'"),
    ],
)  # fmt: skip
def test_directions_that_do_not_fit(kind, layer, text):
    if layer["config"].get("merge_mode", 0) is None:
        layer["config"]["layer"] = config("RNN")
    parameters = parameters_of(kind, BOTH)
    directions = [keras_weights(kind, parameters, end) for end in BOTH]
    data = numbered("layers/bidirectional", *directions)
    assert reason(kind, keras_archive(data, model_config(layer))) == text


@pytest.mark.parametrize("merge_mode", ["sum", "mul", "ave"])
@pytest.mark.parametrize("kind", OTHERS)
def test_merged_directions(kind, merge_mode):
    parameters = parameters_of(kind, BOTH)
    directions = [keras_weights(kind, parameters, end) for end in BOTH]
    layer = bidirectional_config(merge_mode)
    layer["config"]["layer"] = config(kind)
    source = keras_archive(numbered("layers/bidirectional", *directions), model_config(layer))
    [found] = pylstm.find_recurrent(source)
    assert found.merge_mode == merge_mode
    with pytest.raises(pylstm.WeightFileError, match=f"pass merge_mode='{merge_mode}'"):
        read(kind, source)
    assert_loads(kind, source, parameters, merge_mode=merge_mode)
    flat = pylstm.load(source, flat=True)
    [found] = pylstm.find_recurrent(flat)
    assert found.merge_mode == merge_mode


def test_old_defaults():
    """Gates were hard_sigmoid by default before Keras 2.3; a SimpleRNN has none."""
    for kind, source in (
        ("GRU", named("gru", keras_weights("GRU", parameters_of("GRU")))),
        ("RNN", named("rnn", keras_weights("RNN", parameters_of("RNN")))),
    ):
        name = GROUPS[kind]
        old = legacy_file({name: source}, base="", attributes={"keras_version": "2.2.4"})
        if kind == "GRU":
            assert "or, by default before 2.3" in reason(kind, old, name)
        else:
            assert_loads(kind, old, parameters_of("RNN"))


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("other", GATES)
def test_names_of_cells(kind, other):
    """Without a configuration the name of a cell must be that of the kind of its weights."""
    parameters = parameters_of(kind)
    weights = keras_weights(kind, parameters)
    named_file = legacy_file({"x": named(f"x/{GROUPS[other]}_cell", weights)}, base="")
    group = f"layers/{GROUPS[kind]}"
    labels = {group: "x", f"{group}/cell": f"{GROUPS[other]}_cell"}
    for source in (named_file, labelled(numbered(group, weights), labels)):
        if kind == other:
            assert_loads(kind, source, parameters)
        else:
            told = reason(kind, source, "x")
            assert told.startswith(f"its cell is called '{GROUPS[other]}_cell', a")
            assert told.endswith(f"'s '{GROUPS[kind]}_cell'")


@pytest.mark.parametrize("kind", OTHERS)
def test_variables_beside_the_weights(kind):
    weights = keras_weights(kind, parameters_of(kind))
    group = f"layers/{GROUPS[kind]}"
    data = numbered(group, weights) | {f"{group}/norm/vars/0": np.ones(3, np.float32)}
    told = reason(kind, h5_file(data), GROUPS[kind])
    article = "a GRU" if kind == "GRU" else "a SimpleRNN"
    assert told.startswith(f"it has variables that {article} has not: norm/vars/0")


# Values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f8", ">f4", "f2"])
def test_dtypes(dtype):
    parameters = {n: p.astype(dtype) for n, p in parameters_of("GRU").items()}
    weights = [each.astype(dtype) for each in keras_weights("GRU", parameters)]
    source = h5_file(numbered("layers/gru", weights))
    module = assert_loads("GRU", source, parameters)
    assert module._native_dtype == ("f8" if dtype == "f8" else "f4")
    [found] = pylstm.find_recurrent(source)
    assert found.dtype == np.dtype(dtype).newbyteorder("=")


def test_layers_that_share_their_weights_are_read_once():
    """A dataset has several hard links; the memory of the parameters counts once."""
    source = h5_file(numbered("layers/gru", keras_weights("GRU", parameters_of("GRU"))))
    with opened(source) as (found, _):
        leaves = found["gru"].state["_parameters"]
        assert all(isinstance(leaf, Tensor) for leaf in leaves.values())
        whole = leaves["weight_ih_l0"].storage.content
        part = bytearray(20)
        whole.readinto(8, memoryview(part))
        assert part == whole.view()[8:28]
        assert_same_bits(
            np.frombuffer(whole.view(), np.float32).reshape(12, 3),
            parameters_of("GRU")["weight_ih_l0"],
        )
