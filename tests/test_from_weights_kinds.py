"""from_weights of GRU, RNN and their cells: its own kind first, then the one-layer counterpart."""

import warnings

import numpy as np
import pytest
from file_trees import lazy_all, whole_module
from support import assert_same_bits, with_parameters

import pylstm
from pylstm.files.base.record import RecurrentLayer

KINDS = ["LSTM", "GRU", "RNN"]
CELLS = [f"{kind}Cell" for kind in KINDS]
OPTIONS = {
    "plain": {},
    "deep": {"num_layers": 3, "bidirectional": True},
    "no bias": {"num_layers": 2, "bias": False},
    "double": {"dtype": "float64"},
}


def make(kind, seed=1, **options):
    return with_parameters(getattr(pylstm, kind)(4, 3, **options), seed)


def read(kind, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pylstm.WeightFileWarning)
        return getattr(pylstm, kind).from_weights(*arguments, **options)


def assert_same(one, other):
    assert list(one.state_dict()) == list(other.state_dict())
    for name, value in one.state_dict().items():
        assert_same_bits(value, other.state_dict()[name])


@pytest.mark.parametrize("suffix", [".pt", ".npz", ".safetensors"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_layers_come_back(kind, options, suffix, tmp_path):
    module, path = make(kind, **options), tmp_path / f"file{suffix}"
    pylstm.save({"net": module.state_dict()}, path)
    again = read(kind, path, "net")
    assert type(again) is type(module)
    assert repr(again) == repr(module)
    assert_same(again, module)
    assert_same(read(kind, module.state_dict()), module)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", CELLS)
def test_cells_come_back(kind, bias):
    module = make(kind, bias=bias)
    again = read(kind, lazy_all(module.state_dict()))
    assert repr(again) == repr(module)
    assert_same(again, module)
    assert_same(read(kind, module.state_dict(), dtype="float64").float(), module)


@pytest.mark.parametrize("kind", KINDS)
def test_one_layer_and_its_cell_read_each_other(kind):
    layer, cell = make(kind), make(f"{kind}Cell")
    as_cell, as_layer = read(f"{kind}Cell", layer.state_dict()), read(kind, cell.state_dict())
    x = np.linspace(-1, 1, 20, dtype=np.float32).reshape(5, 4)
    for one, other in ((layer, as_cell), (as_layer, cell)):
        hx, output = None, None
        output, _ = one(x[:, None])
        for step in range(5):
            hx = other(x[step, None], hx)
            assert_same_bits(hx[0] if kind == "LSTM" else hx, output[step])
    for wrong, reason in (
        (make(kind, num_layers=2), "2 layers"),
        (make(kind, bidirectional=True), "two directions"),
    ):
        with pytest.raises(pylstm.WeightFileError, match=f"its {kind} is none: it has {reason}"):
            read(f"{kind}Cell", wrong.state_dict())
    none = getattr(pylstm, f"{kind}Cell")(0, 3).state_dict()
    article = "a" if kind == "GRU" else "an"
    with pytest.raises(pylstm.WeightFileError, match=f"is none: {article} {kind} has inputs"):
        read(kind, none)


def test_each_class_chooses_its_own_kind():
    tree = {name: make(name).state_dict() for name in (*KINDS, *CELLS)}
    for name in (*KINDS, *CELLS):
        assert_same(read(name, tree), make(name))
        assert_same(read(name, tree, name), make(name))


@pytest.mark.parametrize("kind", KINDS)
def test_errors_list_the_other_kinds(kind):
    others = [each for each in KINDS if each != kind]
    tree = {each: make(each).state_dict() for each in others}
    for name in (kind, f"{kind}Cell"):
        with pytest.raises(pylstm.WeightFileError, match=f"holds no {name}; there are:") as caught:
            read(name, tree)
        for each in others:
            assert f"\n  '{each}': {each}(4, 3) of float32" in str(caught.value)
        with pytest.raises(pylstm.WeightFileError, match=f"holds no {name} with prefix"):
            read(name, tree, others[0])
    twice = {"a": make(kind).state_dict(), "b": make(kind).state_dict(), **tree}
    with pytest.raises(pylstm.WeightFileError, match=f"it holds 2 {kind}s; choose one") as caught:
        read(kind, twice)
    assert f"\n  '{others[0]}': {others[0]}(4, 3) of float32" in str(caught.value)


def test_another_kind_with_the_end_of_a_prefix_plays_no_role():
    tree = {"a": {"rnn": make("GRU").state_dict()}, "b": {"rnn": make("LSTM").state_dict()}}
    assert_same(read("GRU", tree, "rnn"), make("GRU"))
    assert_same(read("LSTM", tree, "rnn"), make("LSTM"))
    with pytest.raises(pylstm.WeightFileError, match="holds no RNN with prefix 'rnn'; there are:"):
        read("RNN", tree, "rnn")


def test_subclasses():
    class Mine(pylstm.GRU):
        pass

    class LSTM(pylstm.RNNCell):
        """Of another name than its kind."""

    assert type(Mine.from_weights(make("GRU").state_dict())) is Mine
    assert type(read_with(LSTM, make("RNNCell").state_dict())) is LSTM


def read_with(cls, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pylstm.WeightFileWarning)
        return cls.from_weights(*arguments, **options)


# Options --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["GRU", "RNN"])
def test_options_of_whole_modules(kind):
    own = make(kind, num_layers=2).state_dict()
    facts = {"mode": {"GRU": "GRU", "RNN": "RNN_RELU"}[kind], "batch_first": True, "dropout": 0.25}
    module = whole_module(f"torch.nn.modules.rnn.{kind}", own, **facts)
    module.state["training"] = False
    again = getattr(pylstm, kind).from_weights(module)
    assert (again.batch_first, again.dropout, again.training) == (True, 0.25, False)
    assert getattr(again, "nonlinearity", "relu") == "relu"
    assert getattr(pylstm, kind).from_weights(module, batch_first=False).batch_first is False


@pytest.mark.parametrize("kind", ["GRU", "RNN", "GRUCell", "RNNCell"])
def test_options_that_there_are_not(kind):
    own = make(kind).state_dict()
    for name, text in (
        ("proj_size", "there is no such option"),
        ("hidden_size", "the shapes in the file tell it"),
        ("nonlinearity" if "GRU" in kind else "gate_activation", "there is no such option"),
        ("batch_first" if "Cell" in kind else "mode", "there is no such option"),
    ):
        with pytest.raises(TypeError, match=f"takes no {name}: {text}"):
            read(kind, own, **{name: 1})
    with pytest.raises(RuntimeError, match="Only Tensors of floating point"):
        read(kind, own, dtype="int8")


# Nonlinearity ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["RNN", "RNNCell"])
def test_a_state_dict_leaves_the_nonlinearity_open(kind):
    cls, own = getattr(pylstm, kind), make(kind).state_dict()
    with pytest.warns(pylstm.WeightFileWarning, match="assumed: nonlinearity='tanh'; pass"):
        assert cls.from_weights(own).nonlinearity == "tanh"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for nonlinearity in ("tanh", "relu"):
            assert cls.from_weights(own, nonlinearity=nonlinearity).nonlinearity == nonlinearity
        [found] = pylstm.find_recurrent(own)
        assert cls.from_weights(own, **found.assumed).nonlinearity == "tanh"
    with pytest.raises(ValueError, match="nonlinearity must be 'tanh' or 'relu', not 'elu'"):
        cls.from_weights(own, nonlinearity="elu")
    with pytest.raises(TypeError, match="nonlinearity must be a str, not NoneType"):
        cls.from_weights(own, nonlinearity=None)


@pytest.mark.parametrize("said", ["tanh", "relu"])
@pytest.mark.parametrize("kind", ["RNN", "RNNCell"])
def test_what_a_file_says_of_the_nonlinearity_holds(kind, said):
    own = make(kind).state_dict()
    facts = {"mode": f"RNN_{said.upper()}"} if kind == "RNN" else {"nonlinearity": said}
    whole = whole_module(f"torch.nn.modules.rnn.{kind}", own, **facts, batch_first=False)
    cls, other = getattr(pylstm, kind), {"tanh": "relu", "relu": "tanh"}[said]
    sources = [whole]
    if kind == "RNN":
        state = {"batch_first": False, "nonlinearity": said, "_parameters": own}
        sources.append(RecurrentLayer("onnx.RNN", state))
    for source in sources:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            module = cls.from_weights({"m": source})
            assert module.nonlinearity == cls.from_weights(source, nonlinearity=said).nonlinearity
        assert module.nonlinearity == said
        with pytest.raises(pylstm.WeightFileError, match=f"file says nonlinearity='{said}'"):
            cls.from_weights(source, nonlinearity=other)
        # The counterpart has it, too.
        [found] = pylstm.find_recurrent(source)
        assert found.nonlinearity == said
        assert read(kind.removesuffix("Cell"), source).nonlinearity == said


def test_relu_is_what_is_computed():
    module = with_parameters(pylstm.RNN(4, 3, 2, "relu"), 5)
    x = np.linspace(-1, 1, 24, dtype=np.float32).reshape(3, 2, 4)
    again = pylstm.RNN.from_weights(module.state_dict(), nonlinearity="relu")
    assert_same_bits(again(x)[0], module(x)[0])
    assert_same_bits(read("RNN", module.state_dict())(x)[0], module(x)[0])  # which records it
    assert not np.array_equal(read("RNN", dict(module.state_dict()))(x)[0], module(x)[0])


# Answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "answer", "default"),
    [
        ("GRU", {"gate_activation": "elu"}, "sigmoid"),
        ("GRU", {"activation": "elu"}, "tanh"),
        ("LSTM", {"merge_mode": "sum"}, "concat"),
        ("GRU", {"merge_mode": "sum"}, "concat"),
    ],
)
def test_answers_that_are_not_computed(kind, answer, default):
    own = make(kind).state_dict()
    [(name, value)] = answer.items()
    with pytest.raises(ValueError, match=f"no {kind} with {name}='{value}' yet") as caught:
        read(kind, own, **answer)
    assert f"{name}={default!r}" in str(caught.value)
    read(kind, own, **{name: default})


@pytest.mark.parametrize(
    ("kind", "answers"),
    [
        ("LSTM", {"gate_activation": "hard_sigmoid", "activation": "softsign"}),
        ("LSTM", {"reverse": True}),
        ("GRU", {"reset_after": False, "gate_activation": "hard_sigmoid3"}),
        ("RNN", {"reverse": True, "nonlinearity": "relu"}),
        ("LSTMCell", {"activation": "relu"}),
        ("GRUCell", {"reset_after": False}),
    ],
)
def test_answers_for_files_that_do_not_say(kind, answers):
    own = make(kind).state_dict()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module = getattr(pylstm, kind).from_weights(own, **answers)
    assert_same(module, make(kind))
    assert {name: getattr(module, name) for name in answers} == answers
    if "reverse" in answers:
        both = make(kind, bidirectional=True).state_dict()
        with pytest.raises(ValueError, match="reverse=True is a layer of one direction"):
            read(kind, both, **answers)


@pytest.mark.parametrize(
    "options", [{}, {"bidirectional": True, "num_layers": 2}, {"proj_size": 2}]
)
@pytest.mark.parametrize("suffix", [".pt", ".npz", ".safetensors"])
def test_peepholes_are_told_by_their_names(options, suffix, tmp_path):
    module, path = make("LSTM", peepholes=True, **options), tmp_path / f"file{suffix}"
    pylstm.save(module.state_dict(), path)
    again = read("LSTM", path)
    assert repr(again) == repr(module)
    assert_same(again, module)
    [found] = pylstm.find_lstms(path)
    assert found.options == {"peepholes": True}
    assert found.num_parameters == sum(v.size for v in module.state_dict().values())
    if not options:
        cell = read("LSTMCell", path)
        assert cell.peepholes
        assert_same(read("LSTM", cell.state_dict()), module)


def test_peepholes_that_are_not_whole():
    whole = make("LSTM", peepholes=True, num_layers=2).state_dict()
    for missing in [name for name in whole if "weight_p" in name]:
        part = {name: value for name, value in whole.items() if name != missing}
        with pytest.raises(pylstm.WeightFileError, match=f"incomplete LSTM .{missing} is missing"):
            read("LSTM", part)
    wrong = {**whole, "weight_pi_l0": np.zeros((3, 3), np.float32)}
    with pytest.raises(pylstm.WeightFileError, match=r"inconsistent LSTM .weight_pi_l0 has shape"):
        read("LSTM", wrong)
    gru = {**make("GRU").state_dict(), "weight_pi_l0": np.zeros(3, np.float32)}
    with pytest.raises(pylstm.WeightFileError, match=r"inconsistent GRU .it has peepholes"):
        read("GRU", gru)
    # torch's own LSTM computes without them, whatever it holds.
    module = whole_module("torch.nn.modules.rnn.LSTM", whole, batch_first=False)
    assert not read("LSTM", module).peepholes


def test_variants_that_are_not_computed_are_near_misses():
    state = {"batch_first": True, "_parameters": make("GRU").state_dict(), "activation": "elu"}
    with pytest.raises(pylstm.WeightFileError, match=r"variant of a GRU \(it has activation='elu'"):
        read("GRU", RecurrentLayer("keras.GRU", state))


@pytest.mark.parametrize("kind", KINDS)
def test_directions_that_are_joined_in_another_way(kind):
    own = make(kind, bidirectional=True).state_dict()
    state = {"batch_first": True, "_parameters": own, "merge_mode": "sum"}
    state |= {"nonlinearity": "tanh"} if kind == "RNN" else {}
    layer = RecurrentLayer(f"keras.{kind}", state)
    [found] = pylstm.find_recurrent(layer)
    assert found.merge_mode == "sum"
    assert str(found).endswith("of float32, merged by 'sum'")
    with pytest.raises(pylstm.WeightFileError, match="pass merge_mode='sum' for a module that"):
        read(kind, layer)
    for wrong in ("concat", "ave"):
        with pytest.raises(pylstm.WeightFileError, match="the file says merge_mode='sum'"):
            read(kind, layer, merge_mode=wrong)
    assert_same(read(kind, layer, merge_mode="sum"), make(kind, bidirectional=True))
