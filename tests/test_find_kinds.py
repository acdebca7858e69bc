"""find_recurrent knows layers and cells of every kind, and what a file says of each."""

import itertools
import pickle

import numpy as np
import pytest
from file_trees import lazy_all, near_miss, whole_module

import pylstm
from pylstm.files.base.record import Record, RecurrentLayer
from pylstm.weights.find import survey

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
OTHERS = ["GRU", "RNN"]
STRUCTURES = [
    {"num_layers": layers, "bias": bias, "bidirectional": both}
    for layers, bias, both in itertools.product((1, 2, 3), (True, False), (True, False))
]


def layer(kind, inputs=3, hidden=5, num_layers=1, bias=True, bidirectional=False):
    """The parameters of a layer."""
    rows, directions = GATES[kind] * hidden, 1 + bidirectional
    found = {}
    for number in range(num_layers):
        columns = hidden * directions if number else inputs
        for end in ("", "_reverse")[:directions]:
            suffix = f"_l{number}{end}"
            found["weight_ih" + suffix] = np.zeros((rows, columns), np.float32)
            found["weight_hh" + suffix] = np.zeros((rows, hidden), np.float32)
            if bias:
                found["bias_ih" + suffix] = np.zeros(rows, np.float32)
                found["bias_hh" + suffix] = np.zeros(rows, np.float32)
    return found


def cell(kind, inputs=3, hidden=5, bias=True):
    """The parameters of a cell."""
    return {name[:-3]: value for name, value in layer(kind, inputs, hidden, bias=bias).items()}


def prefixed(prefix, mapping):
    return {f"{prefix}.{name}": value for name, value in mapping.items()}


@pytest.mark.parametrize("options", STRUCTURES, ids=str)
@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("prefix", ["", "module.encoder.rnns.0"])
def test_every_structure_is_read_off_the_shapes(kind, options, prefix):
    parameters = layer(kind, **options)
    tree = prefixed(prefix, parameters) if prefix else parameters
    [found] = pylstm.find_recurrent(lazy_all(tree))
    assert pylstm.find_recurrent(tree) == [found]
    sizes = {"input_size": 3, "hidden_size": 5, "proj_size": 0}
    assert {name: getattr(found, name) for name in (*sizes, *options)} == sizes | options
    assert (found.prefix, found.kind, found.dtype) == (prefix, kind, np.float32)
    assert found.num_parameters == sum(value.size for value in parameters.values())
    assert type(found) is (pylstm.FoundLSTM if kind == "LSTM" else pylstm.FoundRecurrent)
    assert pylstm.find_lstms(tree) == ([found] if kind == "LSTM" else [])


# 3 * 8 rows could be those of 6 units of an LSTM, 12 of an RNN those of a GRU's 4 or an LSTM's 3.
@pytest.mark.parametrize("hidden", [1, 2, 3, 4, 8, 12])
@pytest.mark.parametrize("kind", GATES)
def test_the_recurrent_weight_alone_tells_the_kind(kind, hidden):
    for inputs in (1, hidden, 4 * hidden):
        tree = {"a": layer(kind, inputs, hidden), "b": cell(kind, inputs, hidden)}
        found = pylstm.find_recurrent(tree)
        assert [(one.kind, one.hidden_size) for one in found] == [
            (kind, hidden),
            (f"{kind}Cell", hidden),
        ]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", [(1, 1), (3, 5), (0, 2)])
@pytest.mark.parametrize("kind", GATES)
def test_cells(kind, sizes, bias):
    [found] = pylstm.find_recurrent(prefixed("decoder", cell(kind, *sizes, bias=bias)))
    assert (found.prefix, found.kind, found.bias) == ("decoder", f"{kind}Cell", bias)
    assert (found.input_size, found.hidden_size, found.num_layers) == (*sizes, 1)


def test_all_kinds_in_one_file():
    tree = {
        f"{kind}.{place}": made
        for kind in GATES
        for place, made in (("layer", layer(kind)), ("cell", cell(kind)))
    }
    found = pylstm.find_recurrent(tree)
    kinds = ["LSTM", "LSTMCell", "GRU", "GRUCell", "RNN", "RNNCell"]
    assert [one.kind for one in found] == kinds
    assert [one.kind for one in pylstm.find_lstms(tree)] == ["LSTM", "LSTMCell"]
    assert pylstm.find_lstms(tree) == found[:2]


@pytest.mark.parametrize("kind", GATES)
def test_a_layer_and_a_cell_with_the_same_prefix(kind):
    found = pylstm.find_recurrent({**layer(kind), **cell(kind)})
    assert [one.kind for one in found] == [kind, f"{kind}Cell"]


def test_two_kinds_with_the_same_prefix_are_refused():
    report = survey({**layer("LSTM"), **cell("GRU")}, "<test>")
    assert report.candidates == []
    kinds = [miss.kind for miss in report.near_misses]
    assert kinds == ["LSTM with foreign parameters", "GRUCell with foreign parameters"]


@pytest.mark.parametrize("kind", GATES)
def test_a_layer_may_be_repeated_below_itself(kind):
    """PaddlePaddle keeps each layer as a cell, too."""
    tree = {**layer(kind), **prefixed("0.cell", cell(kind)), **prefixed("0.cell.x", layer(kind))}
    assert [one.kind for one in pylstm.find_recurrent(tree)] == [kind, f"{kind}Cell", kind]


def test_a_chain_of_modules_in_each_other_costs_what_it_holds():
    names = [f"{'x.' * depth}weight_{which}" for depth in range(1000) for which in ("ih", "hh")]
    tree = dict.fromkeys(names, np.zeros((2, 2), np.float32))
    assert len(pylstm.find_recurrent(tree)) == 1000
    inner = prefixed("x" + ".x" * 1000, cell("GRU"))
    assert [one.kind for one in pylstm.find_recurrent({**tree, **inner})] == ["GRUCell"]


# What a file says -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["RNN", "RNNCell"])
def test_a_state_dict_does_not_tell_the_nonlinearity(kind):
    is_cell = kind == "RNNCell"
    [found] = pylstm.find_recurrent({"a": (cell if is_cell else layer)("RNN")})
    layers = {} if is_cell else {"batch_first": False}
    assert found.assumed == layers | {"nonlinearity": "tanh"}
    assert found.nonlinearity == "tanh"
    for other in ("GRU", "LSTM"):
        [found] = pylstm.find_recurrent({"a": (cell if is_cell else layer)(other)})
        assert (found.assumed, found.nonlinearity) == (layers, None)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("script", [True, False])
def test_a_whole_rnn_tells_its_nonlinearity_by_its_mode(nonlinearity, script):
    facts = {"mode": f"RNN_{nonlinearity.upper()}", "batch_first": True}
    for more in ({}, {"nonlinearity": "tanh"}, {"nonlinearity": "relu"}, {"nonlinearity": 3}):
        name = "torch.nn.modules.rnn.RNN"
        module = whole_module(name, layer("RNN"), **facts, **more)
        if script:
            module = Record(f"__torch__.{name}", state={**layer("RNN"), **facts, **more})
        [found] = pylstm.find_recurrent({"m": module})
        assert (found.nonlinearity, found.assumed) == (nonlinearity, {})


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu", None])
def test_a_whole_cell_tells_its_nonlinearity(nonlinearity):
    facts = {} if nonlinearity is None else {"nonlinearity": nonlinearity}
    [found] = pylstm.find_recurrent(
        whole_module("torch.nn.modules.rnn.RNNCell", cell("RNN"), **facts, mode="RNN_RELU")
    )
    assert found.nonlinearity == (nonlinearity or "tanh")
    assert found.assumed == ({} if nonlinearity else {"nonlinearity": "tanh"})


@pytest.mark.parametrize(
    ("kind", "facts", "reason"),
    [
        ("RNN", {"mode": "GRU"}, "its mode is 'GRU', not that of tanh or relu"),
        ("RNN", {"mode": "RNN_ELU", "nonlinearity": "tanh"}, "its mode is 'RNN_ELU'"),
        ("RNN", {"mode": 3}, "its mode is 3"),
        ("RNN", {"nonlinearity": "Relu"}, "its nonlinearity is 'Relu'"),
        ("RNNCell", {"nonlinearity": "sigmoid"}, "its nonlinearity is 'sigmoid'"),
        ("RNNCell", {"nonlinearity": np.zeros(2)}, "its nonlinearity is array"),
        ("RNNCell", {"nonlinearity": ["relu"]}, "its nonlinearity is ['relu']"),
    ],
)
def test_another_nonlinearity_is_refused(kind, facts, reason):
    own = layer("RNN") if kind == "RNN" else cell("RNN")
    told = near_miss(whole_module(f"torch.nn.modules.rnn.{kind}", own, **facts))
    assert told[0] == f"inconsistent {kind}"
    assert told[1].startswith(reason)


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("ending", ["", "Cell"])
def test_whole_modules_of_torch_by_kind(kind, ending):
    own = cell(kind) if ending else layer(kind, num_layers=2)
    mode = {"GRU": "GRU", "RNN": "RNN_TANH"}[kind]
    facts = {"mode": mode, "nonlinearity": "tanh", "hidden_size": 5}
    facts |= {} if ending else {"batch_first": True, "dropout": 0.25}
    name = f"torch.nn.modules.rnn.{kind}{ending}"
    for class_name in (
        name,
        f"__torch__.{name}",
        f"__torch__.{name[: -len(kind + ending)]}___torch_mangle_7.{kind}{ending}",
    ):
        [found] = pylstm.find_recurrent({"a": whole_module(class_name, own, **facts)})
        assert (found.kind, found.assumed) == (kind + ending, {})
    told = near_miss(whole_module(name, own, **{**facts, "hidden_size": 6}))
    assert told[0] == f"inconsistent {kind}{ending}"
    for wrong in ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell", "DynamicGRU"):
        if wrong != kind + ending:
            told = near_miss(whole_module(f"torch.nn.modules.rnn.{wrong}", own, **facts))
            assert told[0] == f"{kind}{ending} of another class"
    hooked = whole_module(name, own, **facts, _forward_hooks={1: Record("mine.hook")})
    assert near_miss(hooked)[0] == f"{kind}{ending} with hooks"


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu", None])
def test_layers_of_readers_tell_it_as_well(nonlinearity):
    state = {"batch_first": True, "_parameters": layer("RNN")}
    state |= {"nonlinearity": nonlinearity} if nonlinearity else {}
    assumed = {} if nonlinearity else {"nonlinearity": "tanh", "reverse": False}
    [found] = pylstm.find_recurrent(RecurrentLayer("onnx.RNN", state, assumed=assumed))
    assert (found.nonlinearity, found.assumed) == (nonlinearity or "tanh", assumed)


@pytest.mark.parametrize("kind", GATES)
def test_paddle_layers_are_batch_first(kind):
    tree = {**layer(kind), "StructuredToParameterName@@": {"weight_ih_l0": "x"}}
    [found] = pylstm.find_recurrent(tree)
    more = {"nonlinearity": "tanh"} if kind == "RNN" else {}
    assert found.assumed == {"batch_first": True} | more


# Near misses ----------------------------------------------------------------------------------


def without(parameters, *names):
    return {name: value for name, value in parameters.items() if name not in names}


@pytest.mark.parametrize("kind", OTHERS)
def test_each_parameter_is_needed(kind):
    whole = layer(kind, num_layers=2, bidirectional=True)
    for missing in whole:
        told, reason = near_miss(without(whole, missing))
        assert missing in reason
        assert told == f"incomplete {kind}"
    for missing in ("weight_ih", "bias_ih"):
        told, reason = near_miss(without(cell(kind), missing))
        assert (told, reason) == (f"incomplete {kind}Cell", f"{missing} is missing")


@pytest.mark.parametrize("kind", OTHERS)
def test_each_shape_must_fit(kind):
    whole = layer(kind, num_layers=2, bidirectional=True)
    for name, value in whole.items():
        if name != "weight_hh_l0":  # which tells the kind
            told, reason = near_miss({**whole, name: np.repeat(value, 2, axis=0)})
            assert told == f"inconsistent {kind}"
            assert "has shape" in reason


def test_the_second_bias_may_be_missing_of_an_rnn_and_not_of_a_gru():
    for own, end in ((layer, "_l0"), (cell, "")):
        name = f"bias_hh{end}"
        [found] = pylstm.find_recurrent(without(own("RNN"), name))
        assert found.bias
        told, reason = near_miss(without(own("GRU"), name))
        assert told == f"incomplete GRU{'' if end else 'Cell'}"
        assert reason.startswith(f"{name} is missing: a GRU with one bias")


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("number", ["int8", "uint16", "int64", "bool", "complex64"])
def test_whole_numbers_are_no_weights(kind, number):
    tree = {name: value.astype(number) for name, value in layer(kind).items()}
    told, reason = near_miss(tree)
    assert kind in told
    assert number in reason


@pytest.mark.parametrize("kind", OTHERS)
def test_parts_of_a_bidirectional_layer(kind):
    whole = layer(kind, num_layers=2, bidirectional=True)
    told, reason = near_miss({n: v for n, v in whole.items() if not n.endswith("_reverse")})
    assert (told, "two directions" in reason) == (f"part of a bidirectional {kind}", True)
    assert near_miss({n: v for n, v in whole.items() if n.endswith("_reverse")}) == (
        f"part of a bidirectional {kind}",
        "it has the reverse direction alone",
    )


@pytest.mark.parametrize("kind", GATES)
def test_another_separator_before_the_names(kind):
    tree = {f"a_{name}": value for name, value in layer(kind).items()}
    assert near_miss(tree)[0] == f"{kind} with other names"


# Records --------------------------------------------------------------------------------------


def test_text_of_a_find():
    [found] = pylstm.find_recurrent({"a": layer("RNN", num_layers=2, bias=False)})
    assert str(found) == "'a': RNN(3, 5, num_layers=2, bias=False) of float32"
    assert repr(found) == (
        "FoundRecurrent(prefix='a', kind='RNN', input_size=3, hidden_size=5, num_layers=2, "
        "bias=False, bidirectional=False, proj_size=0, dtype=dtype('float32'), num_parameters=90, "
        "assumed={'batch_first': False, 'nonlinearity': 'tanh'}, nonlinearity='tanh')"
    )
    [found] = pylstm.find_recurrent(
        whole_module("torch.nn.modules.rnn.RNNCell", cell("RNN"), nonlinearity="relu")
    )
    assert str(found) == "'': RNNCell(3, 5, nonlinearity='relu') of float32"


@pytest.mark.parametrize("kind", GATES)
def test_records_are_values(kind):
    [found] = pylstm.find_recurrent({"a": layer(kind)})
    [other] = pylstm.find_recurrent({"a": layer(kind)})
    assert found == other
    assert hash(found) == hash(other)
    assert pickle.loads(pickle.dumps(found)) == found
    # The first versions knew no more than this.
    old = {
        name: value
        for name, value in vars(found).items()
        if name not in ("assumed", "options", "initial_states", "nonlinearity", "merge_mode")
    }
    made = type(found).__new__(type(found))
    made.__setstate__(old)
    assert (made.assumed, made.options, made.merge_mode) == ({}, {}, None)
