"""The nonlinearity: fixed in an RNN, read by every call of an RNNCell, and never another than shown."""

import copy
import itertools
import pickle
import sys
import threading

import numpy as np
import pytest
from reference import fractions
from support import assert_same_bits, with_parameters

import pylstm
from pylstm import RNN, Module, RNNCell

NAMES = ("tanh", "relu")
X, H = fractions(1, (3, 4)), fractions(2, (3, 6))
COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {n}": lambda module, n=n: pickle.loads(pickle.dumps(module, n))
        for n in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
}
of_each_copy = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)


def cell_with(nonlinearity, dtype="float32"):
    cell = RNNCell(4, 6, dtype=dtype)
    with_parameters(cell, 3)
    cell.nonlinearity = nonlinearity
    return cell


def expected_of(dtype="float32"):
    """{name: what a cell computes that has had it from the start}"""
    cells = {name: RNNCell(4, 6, nonlinearity=name, dtype=dtype) for name in NAMES}
    for cell in cells.values():
        cell.load_state_dict(cell_with("tanh", dtype).state_dict())
    return {name: cell(X, H) for name, cell in cells.items()}


def test_the_two_differ_and_are_what_they_say():
    results = expected_of("float64")
    assert (results["relu"] >= 0).all() and (results["tanh"] < 0).any()
    positive = results["relu"] > 0
    np.testing.assert_allclose(
        results["tanh"][positive], np.tanh(results["relu"])[positive], rtol=1e-14
    )


def test_a_cell_computes_what_it_is_set_to(dtype):
    expected = expected_of(dtype)
    cell = cell_with("tanh", dtype)
    for name in (*NAMES, *NAMES, *reversed(NAMES)):
        cell.nonlinearity = name
        assert cell.nonlinearity == name
        assert repr(cell) == (
            "RNNCell(4, 6)" if name == "tanh" else "RNNCell(4, 6, nonlinearity=relu)"
        )
        assert_same_bits(cell(X, H), expected[name])
        assert_same_bits(cell.forward(X, H), expected[name])


def test_it_follows_what_else_changes(dtype):
    """Written parameters, another dtype, a new state, a second __init__."""
    cell = cell_with("relu", dtype)
    held = cell.weight_ih
    held *= 2
    double = RNNCell(4, 6, nonlinearity="relu", dtype=dtype)
    double.load_state_dict(cell.state_dict())
    assert_same_bits(cell(X, H), double(X, H))
    other = "float64" if dtype == "float32" else "float32"
    assert_same_bits(cell.to(other)(X, H), double.to(other)(X, H))
    cell.load_state_dict(cell_with("tanh").state_dict())
    assert_same_bits(cell.to("float32")(X, H), expected_of()["relu"])
    cell.__init__(4, 6)
    with_parameters(cell, 3)
    assert cell.nonlinearity == "tanh"
    assert_same_bits(cell(X, H), expected_of()["tanh"])


@of_each_copy
@pytest.mark.parametrize(("first", "second"), [*itertools.product(NAMES, NAMES)])
def test_copies_have_it_and_part(copied, first, second):
    expected = expected_of()
    cell = cell_with(first)
    other = copied(cell)
    assert (repr(other), other.nonlinearity) == (repr(cell), first)
    other.nonlinearity = second
    assert_same_bits((cell(X, H), other(X, H)), (expected[first], expected[second]))
    assert cell.nonlinearity == first


class Odd:
    def __init__(self, error):
        self.error = error

    def __eq__(self, other):
        raise self.error

    __hash__ = None

    def __str__(self):
        return "odd"


ODD = ["RELU", "", None, True, 3, b"tanh", ["tanh"], np.array(NAMES), Odd(KeyError), Module()]


@pytest.mark.parametrize("value", ODD, ids=str)
def test_what_is_none_is_refused_by_the_call(value):
    cell = cell_with("relu")
    cell.nonlinearity = value
    assert cell.nonlinearity is value
    assert list(cell.children()) == []
    assert repr(cell).startswith("RNNCell(4, 6")
    for call in (cell, cell.forward):
        with pytest.raises(RuntimeError) as caught:
            call(X)
        assert str(caught.value).startswith(f"Unknown nonlinearity: {value}: set ")
    cell.nonlinearity = "relu"
    assert_same_bits(cell(X, H), expected_of()["relu"])


def test_its_place_in_the_order_of_checks():
    cell = cell_with("bad")
    with pytest.raises(ValueError, match="Expected input to be 1D or 2D"):
        cell(np.ones((1, 1, 4)))
    with pytest.raises(ValueError, match="Expected hidden to be 1D or 2D"):
        cell(X, np.ones((1, 3, 6)))
    for wrong in ((X[:, :2],), (X, H[:1]), (X, H[:, :2]), (X, H[0]), (X > 0,)):
        with pytest.raises(RuntimeError, match="Unknown nonlinearity: bad"):
            cell(*wrong)
    with pytest.raises(TypeError, match="hx is a tuple of arrays"):
        cell(X, (H, H))


@of_each_copy
def test_a_deleted_one_is_missed_by_the_call(copied):
    cell = cell_with("relu")
    del cell.nonlinearity
    for module in (cell, copied(cell)):
        assert not hasattr(module, "nonlinearity")
        assert repr(module) == "RNNCell(4, 6)"
        text = "^'RNNCell' object has no attribute 'nonlinearity'$"
        with pytest.raises(AttributeError, match=text):
            module(X)
        with pytest.raises(AttributeError):
            del module.nonlinearity
        module.nonlinearity = "relu"
        assert_same_bits(module(X, H), expected_of()["relu"])


def test_interrupts_while_it_is_compared_come_through():
    cell = cell_with("relu")
    for error in (KeyboardInterrupt, SystemExit, MemoryError):
        with pytest.raises(error):
            cell.nonlinearity = Odd(error)
        assert_same_bits(cell(X, H), expected_of()["relu"])


def test_an_rnn_keeps_its_own():
    rnns = {name: RNN(4, 6, nonlinearity=name) for name in NAMES}
    for name, rnn in rnns.items():
        with_parameters(rnn, 3)
        for attribute in ("nonlinearity", "mode"):
            with pytest.raises(AttributeError, match=f"'{attribute}' cannot be changed"):
                setattr(rnn, attribute, "relu")
            with pytest.raises(AttributeError, match=f"'{attribute}' cannot be deleted"):
                delattr(rnn, attribute)
        assert (rnn.nonlinearity, rnn.mode) == (name, f"RNN_{name.upper()}")
    # Nothing in a state_dict tells the two apart.
    rnns["relu"].load_state_dict(rnns["tanh"].state_dict())
    expected = expected_of()
    for name, rnn in rnns.items():
        for module in (rnn, *(copied(rnn) for copied in COPIES.values())):
            assert_same_bits(module(X[None], H[None])[1][0], expected[name])
            assert (module.nonlinearity, module.mode) == (rnn.nonlinearity, rnn.mode)
            assert repr(module) == "RNN(4, 6)"


def test_no_weights_pass_from_one_kind_to_another():
    kinds = [
        *(RNN(4, 6, nonlinearity=name) for name in NAMES),
        *(pylstm.GRU(4, 6), pylstm.LSTM(4, 6)),
        *(pylstm.RNNCell(4, 6), pylstm.GRUCell(4, 6), pylstm.LSTMCell(4, 6)),
    ]
    for one, other in itertools.permutations(kinds, 2):
        with pytest.raises(TypeError, match="a layer of the same kind"):
            one._native_share(other)
    for one in kinds:
        one._native_share(copy.deepcopy(one))
    relu = RNNCell(4, 6, nonlinearity="relu")
    relu._native_share(cell_with("tanh"))  # the nonlinearity is the object's, not its weights'
    assert_same_bits(relu(X, H), expected_of()["relu"])


@pytest.fixture
def many_switches():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_threads_see_one_or_the_other(many_switches):
    expected = {name: value.tobytes() for name, value in expected_of().items()}
    cell = cell_with("tanh")
    seen, stop = set(), threading.Event()

    def call():
        while not stop.is_set():
            seen.add(cell(X, H).tobytes())

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for name in NAMES * 300:
            cell.nonlinearity = name
            assert cell(X, H).tobytes() == expected[name]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert seen <= set(expected.values())


def test_a_large_call_of_a_cell_has_its_nonlinearity_in_every_thread():
    cell = with_parameters(RNNCell(100, 128), 1)
    x = fractions(3, (400, 100)).astype(np.float32)
    expected = {}
    for name in NAMES:
        pylstm.set_num_threads(1)
        cell.nonlinearity = name
        expected[name] = cell(x)
        pylstm.set_num_threads(3)
        for _ in range(5):
            assert_same_bits(cell(x), expected[name])
    assert (expected["relu"] >= 0).all() and (expected["tanh"] < 0).any()
