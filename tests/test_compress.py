"""pylstm.compress: a copy of a module or a tree with smaller weights, and what it refuses."""

import copy
import pickle
import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pytest
import reference_weights as oracle
from support import assert_same_bits, with_parameters

import pylstm

CASES = {
    "LSTM": lambda: pylstm.LSTM(5, 6, 2, bidirectional=True, proj_size=3, batch_first=True),
    "LSTM with peepholes": lambda: pylstm.LSTM(5, 6, peepholes=True, cell_clip=3.0, bias=False),
    "GRU": lambda: pylstm.GRU(5, 6, 2, dropout=0.25),
    "GRU before": lambda: pylstm.GRU(5, 6, reset_after=False, reverse=True),
    "RNN": lambda: pylstm.RNN(5, 6, nonlinearity="relu"),
    "LSTMCell": lambda: pylstm.LSTMCell(5, 6, peepholes=True),
    "GRUCell": lambda: pylstm.GRUCell(5, 6, bias=False, activation="softsign"),
    "RNNCell": lambda: pylstm.RNNCell(5, 6, nonlinearity="relu"),
}
EVERY = pytest.mark.parametrize("case", CASES)
STORAGES = pytest.mark.parametrize("name", oracle.STORAGES)


def made(case, seed=1):
    return with_parameters(CASES[case](), seed)


def input_of(module, seed=1):
    shape = (4, 5) if type(module).__name__.endswith("Cell") else (3, 4, 5)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("f4")


def wide(module):
    """The numbers that the parameters of a module stand for, in memory of their own."""
    return {key: np.array(value) for key, value in module.named_parameters()}


@EVERY
@STORAGES
def test_a_module_of_the_same_class_with_the_numbers_of_the_oracle(case, name):
    module = made(case).eval()
    before = pickle.dumps(module)
    small = pylstm.compress(module, name)
    assert type(small) is type(module) and small is not module
    assert small.weights == name and module.weights is None
    assert pickle.dumps(module) == before
    expected = oracle.widened(wide(module), name)
    assert list(wide(small)) == list(expected)
    assert_same_bits(tuple(wide(small).values()), tuple(expected.values()))
    assert repr(small) == repr(module)[:-1] + f", weights={name!r})"
    floats = CASES[case]().eval()
    floats.load_state_dict(expected)
    x = input_of(module)
    result, near = small(x), floats(x)
    if name in oracle.FLOATS:
        assert_same_bits(result, near)
    else:
        for one, other in zip(flat(result), flat(near), strict=True):
            np.testing.assert_allclose(one, other, atol=0.1)
            assert not (one == other).all()


def flat(result):
    return (
        [result] if isinstance(result, np.ndarray) else [a for part in result for a in flat(part)]
    )


@EVERY
def test_options_attributes_hooks_and_modes_are_those_of_a_deepcopy(case):
    module = made(case).eval()
    calls = []
    module.register_forward_hook(lambda *args: calls.append(args[0]))
    module.note = {"a": [1]}
    module.register_buffer("mean", np.ones(3))
    small = pylstm.compress(module, "int8")
    assert small.training is False
    assert small.note == {"a": [1]} and small.note["a"] is not module.note["a"]
    assert small.mean is not module.mean and (small.mean == 1).all()
    for option in ("batch_first", "dropout", "nonlinearity", *module._native_structure):
        assert getattr(small, option, None) == getattr(module, option, None)
    small(input_of(module))
    module(input_of(module))
    assert calls == [small, module]


class Tagger(pylstm.Module):
    def __init__(self, layer=None):
        super().__init__()
        self.encoder = pylstm.Module()
        self.encoder.lstm = pylstm.LSTM(5, 6)
        self.again = self.encoder.lstm
        self.cell = pylstm.GRUCell(6, 6)
        self.register_parameter("head", np.ones((2, 6), np.float32))
        self.register_buffer("count", np.zeros((), np.int64))
        self.aside = [pylstm.RNN(2, 3)]

    def forward(self, x):
        _, (h, _) = self.encoder.lstm(x)
        return self.cell(h[0]) @ self.head.T


@STORAGES
def test_a_tree(name):
    tree = Tagger()
    before = pickle.dumps(tree)
    small = pylstm.compress(tree, name)
    assert pickle.dumps(tree) == before
    assert type(small) is Tagger and small.again is small.encoder.lstm
    assert small.encoder.lstm.weights == small.cell.weights == name
    assert not hasattr(small, "weights") and not hasattr(pylstm.Module, "weights")
    # What belongs to no tree stays as it is, as for float() and to().
    assert small.aside[0].weights is None and small.aside[0] is not tree.aside[0]
    assert small.head is not tree.head and small.head.flags.writeable
    assert_same_bits((small.head, small.count), (tree.head, tree.count))
    metadata = small.state_dict()._metadata
    assert metadata["encoder.lstm"] == metadata["cell"] == {"version": 1, "weights": name}
    assert metadata[""] == metadata["encoder"] == {"version": 1}
    assert small(np.ones((3, 4, 5))).shape == (4, 2)
    again = Tagger()
    again = pylstm.compress(again, name)
    again.load_state_dict(small.state_dict())
    assert_same_bits((again(np.ones((3, 4, 5))),), (small(np.ones((3, 4, 5))),))


@STORAGES
@pytest.mark.parametrize("other", oracle.STORAGES)
def test_what_is_compressed_already(name, other):
    module = pylstm.compress(made("LSTM"), other)
    small = pylstm.compress(module, name)
    assert small.weights == name and module.weights == other and small is not module
    if name == other or {name, other} == {"int8", "int8-fast"}:
        pairs = zip(module.state_dict().values(), small.state_dict().values(), strict=True)
        for one, two in pairs:
            assert_same_bits((one,), (two,))
            assert not np.shares_memory(one, two)
    else:
        floats = pylstm.compress(copy.deepcopy(module).float(), name)
        for one, two in zip(wide(floats).values(), wide(small).values(), strict=True):
            assert_same_bits((one,), (two,))
    small.weight_ih_l0 = np.zeros((24, 5))
    assert module.weight_ih_l0.any()


def test_a_subclass_keeps_its_class():
    class Mine(pylstm.LSTM):
        def __init__(self, size):
            super().__init__(size, size)
            self.extra = size

        def forward(self, x):
            return super().forward(x)[0] + self.extra

    module = Mine(4)
    small = pylstm.compress(module, "int16")
    assert type(small) is Mine and small.extra == 4 and small.weights == "int16"
    x = np.ones((3, 2, 4))
    np.testing.assert_allclose(small(x), module(x), atol=1e-3)


def copy_by_pickle(self, memo):
    return pickle.loads(pickle.dumps(self))


def copy_by_hand(self, memo):
    other = type(self)(4, 4)
    other.load_state_dict(self.state_dict())
    return other


def reduce_by_hand(self, protocol):
    return type(self), (4, 4), {"note": 3}


class CopiedByPickle(pylstm.LSTM):
    __deepcopy__ = copy_by_pickle


class CopiedByHand(pylstm.LSTM):
    __deepcopy__ = copy_by_hand


class ReducedByHand(pylstm.LSTM):
    __reduce_ex__ = reduce_by_hand


@STORAGES
@pytest.mark.parametrize("cls", [CopiedByPickle, CopiedByHand, ReducedByHand])
def test_a_class_that_says_how_it_is_copied(cls, name):
    tree = pylstm.Module()
    tree.lstm = cls(4, 4)
    small = pylstm.compress(tree, name)
    assert type(small.lstm) is cls and small.lstm.weights == name
    assert tree.lstm.weights is None
    expected = small.lstm if cls is ReducedByHand else pylstm.compress(tree.lstm, name)
    assert_same_bits(tuple(wide(small.lstm).values()), tuple(wide(expected).values()))


def test_a_class_whose_copy_is_itself_is_refused():
    class Same(pylstm.LSTM):
        def __deepcopy__(self, memo):
            return self

    tree = pylstm.Module()
    tree.lstm = Same(4, 4)
    for module in (tree, tree.lstm):
        with pytest.raises(TypeError, match="has the very module"):
            pylstm.compress(module, "int8")
    assert tree.lstm.weights is None


# Refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["int4", "INT8", "", "float32", "x" * 10**6])
def test_unknown_storages(wrong):
    text = "weights must be one of 'int8', 'int8-fast', 'int16', 'bfloat16', 'float16', got"
    with pytest.raises(ValueError, match=text) as caught:
        pylstm.compress(pylstm.LSTM(2, 3), wrong)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("wrong", [None, 8, np.int8, ["int8"], b"int8", np.dtype("i1")])
def test_what_is_no_string(wrong):
    text = "weights must be one of 'int8', 'int8-fast', 'int16', 'bfloat16', 'float16', got"
    with pytest.raises(TypeError, match=text):
        pylstm.compress(pylstm.LSTM(2, 3), wrong)


@pytest.mark.parametrize(
    "wrong", [None, {}, pylstm.LSTM, pylstm.LSTM(2, 3).state_dict(), np.ones(3)]
)
def test_what_is_no_module(wrong):
    with pytest.raises(TypeError, match=r"compress\(\) takes a Module of pylstm, got"):
        pylstm.compress(wrong, "int8")


def test_nothing_to_compress():
    tree = pylstm.Module()
    tree.register_parameter("weight", np.ones((3, 3), np.float32))
    tree.child = pylstm.Module()
    tree.aside = [pylstm.LSTM(2, 3)]
    with pytest.raises(ValueError, match="there is nothing to compress: no module of this Module"):
        pylstm.compress(tree, "int8")


def test_float64_modules():
    tree = Tagger()
    tree.cell.double()
    with pytest.raises(ValueError, match=r"cell is of float64, .* call \.float\(\) first"):
        pylstm.compress(tree, "int8")
    with pytest.raises(ValueError, match=r"GRUCell is of float64, .* call \.float\(\) first"):
        pylstm.compress(tree.cell, "bfloat16")
    assert pylstm.compress(tree.float(), "int8").cell.weights == "int8"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("int8", np.nan, "nan, which int8 cannot hold"),
        ("int8-fast", np.inf, "inf, which int8-fast cannot hold"),
        ("int16", -np.inf, "-inf, which int16 cannot hold"),
        ("float16", 7e4, "70000.0, which float16 cannot hold: its largest number is 65504"),
        ("bfloat16", 3.4e38, r"3.39\d+e\+38, which bfloat16 cannot hold"),
    ],
)
def test_weights_that_cannot_be_held_are_named(name, value, text):
    tree = Tagger()
    tree.encoder.lstm.weight_hh_l0[7, 2] = value
    before = pickle.dumps(tree)
    with pytest.raises(ValueError, match=rf"^encoder.lstm.weight_hh_l0\[7, 2\] is {text}"):
        pylstm.compress(tree, name)
    with pytest.raises(ValueError, match=rf"^weight_hh_l0\[7, 2\] is {text}"):
        pylstm.compress(tree.again, name)
    assert pickle.dumps(tree) == before
    tree.encoder.lstm.weight_hh_l0[7, 2] = 0
    tree.cell.bias_ih[2] = value  # float32 in every storage
    assert str(pylstm.compress(tree, name).cell.bias_ih[2]) == str(np.float32(value))


def test_names_that_scales_need():
    module = pylstm.LSTM(2, 3)
    module.register_buffer("weight_ih_l0_scale", np.ones(3))
    for name in oracle.INTEGERS:
        with pytest.raises(ValueError, match="weight_ih_l0_scale is an array of the module's own"):
            pylstm.compress(module, name)
    assert list(pylstm.compress(module, "float16").state_dict())[-1] == "weight_ih_l0_scale"
    small = pylstm.compress(pylstm.LSTM(2, 3), "int8")
    for register in (small.register_buffer, small.register_parameter):
        with pytest.raises(KeyError, match="'weight_hh_l0_scale' already exists"):
            register("weight_hh_l0_scale", np.ones(3))
    small.register_buffer("bias_hh_l0_scale", np.ones(3))
    module.register_buffer("weight_hh_l0_scale", np.ones(3))


def test_an_object_without_init():
    with pytest.raises(RuntimeError, match="__init__"):
        pylstm.compress(pylstm.LSTM.__new__(pylstm.LSTM), "int8")


# The attribute weights ---------------------------------------------------------------------------


@EVERY
def test_weights_cannot_be_set(case):
    module = CASES[case]()
    for value in ("int8", None, "nonsense", np.ones(3), pylstm.LSTM(2, 3)):
        with pytest.raises(AttributeError, match=r"cannot be set: pylstm.compress\(module"):
            module.weights = value
    with pytest.raises(AttributeError, match="cannot be deleted"):
        del module.weights
    assert module.weights is None and "weights" in dir(module)
    assert pylstm.compress(module, "int8").weights == "int8"


def test_the_docstrings_of_the_classes_list_it():
    for cls in {type(make()) for make in CASES.values()}:
        attributes = cls.__doc__.split("Attributes\n")[1].split("Notes\n")[0]
        assert "weights : str or None" in attributes


class WithAttribute(pylstm.LSTM):
    def __init__(self, early=False):
        if early:
            self.weights = [1]
        super().__init__(2, 3)
        assert not hasattr(self, "weights") or early or self.weights is None
        self.weights = [1]
        self.weights.append(2)


class WithNone(WithAttribute):
    def __init__(self):
        super().__init__()
        self.weights = None
        self.weights = [1, 2]


class WithClassAttribute(pylstm.GRU):
    weights = [1, 2]  # noqa: RUF012

    def __init__(self):
        super().__init__(2, 3)


class WithProperty(pylstm.LSTMCell):
    def __init__(self):
        super().__init__(2, 3)

    @property
    def weights(self):
        return [1, 2]


class WithMethod(pylstm.LSTMCell):
    def __init__(self):
        super().__init__(2, 3)

    def weights(self):
        return [1, 2]


OWN = {
    "attribute": WithAttribute,
    "early": lambda: WithAttribute(early=True),
    "None first": WithNone,
    "class attribute": WithClassAttribute,
    "property": WithProperty,
    "method": WithMethod,
}


@pytest.mark.parametrize("case", OWN)
def test_weights_of_a_subclass_are_its_own(case):
    def own(module):
        return list(module.weights() if case == "method" else module.weights)

    module = OWN[case]()
    assert own(module) == [1, 2]
    small = pylstm.compress(module, "int8")
    assert own(small) == [1, 2] and "weights='int8'" in repr(small)
    for same in (copy.copy(small), copy.deepcopy(small), pickle.loads(pickle.dumps(small))):
        assert own(same) == [1, 2] and "weights='int8'" in repr(same)


@pytest.mark.parametrize("kind", ["buffer", "parameter", "child"])
@pytest.mark.parametrize("cls", [pylstm.LSTM, pylstm.LSTMCell, Tagger])
def test_weights_that_are_registered_are_its_own(kind, cls):
    class Mine(cls):
        pass

    module = Mine() if cls is Tagger else Mine(2, 3)
    value = pylstm.LSTM(2, 3) if kind == "child" else np.arange(3.0)
    other = pylstm.LSTM(2, 3) if kind == "child" else np.arange(4.0)
    register = {
        "buffer": module.register_buffer,
        "parameter": module.register_parameter,
        "child": module.add_module,
    }[kind]
    register("weights", value)
    assert module.weights is value
    key = "weights.weight_ih_l0" if kind == "child" else "weights"
    assert key in module.state_dict() and key in pylstm.compress(module, "int8").state_dict()
    module.weights = other
    assert module.weights is other
    small = pylstm.compress(module, "float16")
    assert type(small.weights) is type(other)
    small.load_state_dict(small.state_dict())
    module.child = 3
    with pytest.raises(KeyError, match="attribute 'child' already exists"):
        module.register_buffer("child", np.ones(3))
    del module.weights
    if cls is not Tagger:
        assert module.weights is None
        register("weights", value)
        with pytest.raises(KeyError, match="attribute 'weights' already exists"):
            (module.register_buffer if kind != "buffer" else module.register_parameter)(
                "weights", np.ones(3)
            )


def test_a_child_that_is_assigned_to_weights_of_a_subclass():
    class Mine(pylstm.LSTM):
        def __init__(self):
            super().__init__(2, 3)
            self.weights = pylstm.Module()

    module = Mine()
    assert list(dict(module.named_children())) == ["weights"]
    with pytest.raises(TypeError, match="as child module 'weights'"):
        module.weights = 3


def test_a_storage_is_no_attribute_of_a_subclass():
    """It would say that the module is compressed, which it is not."""

    class Mine(pylstm.LSTM):
        pass

    module = Mine(2, 3)
    for name in oracle.STORAGES:
        with pytest.raises(AttributeError, match=r"cannot be set: pylstm.compress\(module"):
            module.weights = name
    module.weights = "mine"
    assert module.weights == "mine"
    module.weights = "int8"
    assert module.weights == "int8" and repr(module) == "Mine(2, 3)"


# Memory ------------------------------------------------------------------------------------------

PEAK = """
import pylstm

def peak():  # not ru_maxrss, which begins with that of the process that started this one
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

tree = pylstm.Module()
for name in "abcd":
    tree.add_module(name, pylstm.LSTM(800, 800))
size = sum(array.nbytes for array in tree.parameters())
before = peak()
small = pylstm.compress(tree, "int8")
print((peak() - before) / size)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
def test_no_float32_copy_is_made():
    run = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    assert 0.2 < float(run.stdout) < 0.35


def test_the_name_is_public():
    assert "compress" in dir(pylstm) and "compress" in pylstm.__all__
    assert pylstm.compress.__module__ == "pylstm"
    assert pickle.loads(pickle.dumps(pylstm.compress)) is pylstm.compress
    assert isinstance(pylstm.compress(pylstm.LSTM(2, 3), "int8").state_dict(), OrderedDict)
