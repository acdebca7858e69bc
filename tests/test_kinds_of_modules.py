"""What a class says of its kind is what it computes: parameters, gates, names, modes."""

import itertools

import numpy as np
import pytest
from test_project_rules import ROOT

import pylstm
from pylstm.weights import kinds

NAMES = ("LSTM", "GRU", "RNN")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("num_layers", "bias", "bidirectional"),
    [*itertools.product((1, 3), (True, False), (True, False))],
)
def test_parameters_are_those_of_the_table(name, num_layers, bias, bidirectional):
    options = {"num_layers": num_layers, "bias": bias, "bidirectional": bidirectional}
    layer = getattr(pylstm, name)(5, 3, **options)
    expected = list(getattr(kinds, name).shapes(5, 3, **options))
    assert expected == [(name, array.shape) for name, array in layer.state_dict().items()]
    assert [n for n, _ in expected] == [n for names in layer._all_weights for n in names]
    assert [n for n, _ in expected] == layer._flat_weights_names
    assert [a.shape for part in layer.all_weights for a in part] == [s for _, s in expected]
    if num_layers == 1 and not bidirectional:
        cell = getattr(pylstm, name + "Cell")(5, 3, bias=bias)
        expected = list(getattr(kinds, name).shapes(5, 3, bias=bias, is_cell=True))
        assert expected == [(name, array.shape) for name, array in cell.state_dict().items()]


def test_the_gates_of_a_gru_stand_in_the_order_of_the_table():
    """All weights are 0: each gate is that of its two biases, of which b_hn is apart."""
    b_i = {"r": 0.25, "z": -0.5, "n": 0.75}
    b_h = {"r": -1.0, "z": 0.125, "n": 2.0}
    cell = pylstm.GRUCell(1, 1, dtype="f8")
    zeros = {name: np.zeros(a.shape) for name, a in cell.state_dict().items()}
    zeros["bias_ih"] = np.array([b_i[gate] for gate in kinds.GRU.gates])
    zeros["bias_hh"] = np.array([b_h[gate] for gate in kinds.GRU.gates])
    cell.load_state_dict(zeros)
    h = cell(np.zeros((1, 1)), np.full((1, 1), 3.0)).item()
    r, z = sigmoid(b_i["r"] + b_h["r"]), sigmoid(b_i["z"] + b_h["z"])
    n = np.tanh(b_i["n"] + r * b_h["n"])
    np.testing.assert_allclose(h, (1 - z) * n + z * 3.0, rtol=1e-14)


@pytest.mark.parametrize(("bias", "expected"), [("hh", np.tanh(1.0) / 2), ("ih", np.tanh(2.0) / 2)])
def test_the_reset_gate_acts_on_the_recurrent_bias_alone(bias, expected):
    layer = pylstm.GRU(1, 1, dtype="f8")
    layer.load_state_dict({name: np.zeros(a.shape) for name, a in layer.state_dict().items()})
    getattr(layer, f"bias_{bias}_l0")[kinds.GRU.gates.index("n")] = 2.0
    np.testing.assert_allclose(layer(np.zeros((1, 1)))[1].item(), expected, rtol=1e-15)


def test_classes_have_the_names_of_the_table_in_c():
    text = (ROOT / "csrc" / "core" / "cells.c").read_text(encoding="utf-8")
    for name in NAMES:
        layer, cell = getattr(pylstm, name), getattr(pylstm, name + "Cell")
        assert (layer._native_kind, cell._native_kind) == (name, name + "Cell")
        assert layer.__mro__[2] is pylstm._core.RNN and cell.__mro__[2] is pylstm._core.Cell
        assert cell._layer_mode.partition("_")[0] == layer(1, 1).mode.partition("_")[0] == name
        assert f'"{layer(1, 1).mode}", "{name}", "{getattr(kinds, name).gates}"' in text
        # Errors of the C half name the class.
        for cls in (layer, cell):
            with pytest.raises(
                TypeError, match=rf"^{cls.__name__}\.forward\(\) missing 1 required"
            ):
                cls(1, 1)()


def test_modes_are_those_of_torch():
    assert pylstm.LSTM(1, 2, proj_size=1).mode == "LSTM"
    assert pylstm.GRU(1, 1).mode == "GRU"
    assert {pylstm.RNN(1, 1, 1, name).mode for name in ("tanh", "relu")} == {"RNN_TANH", "RNN_RELU"}
    for name in NAMES:
        assert not hasattr(getattr(pylstm, name + "Cell")(1, 1), "mode")
        assert getattr(pylstm, name)(1, 1).proj_size == 0
    assert next(iter(vars(pylstm.RNN(1, 1)))) == "nonlinearity"


@pytest.mark.parametrize("name", [*NAMES, *(name + "Cell" for name in NAMES)])
def test_from_weights_is_there(name):
    cls = getattr(pylstm, name)

    class Derived(cls):
        pass

    assert Derived._native_kind == name
    assert cls.from_weights.__func__ is pylstm.LSTM.from_weights.__func__


def test_a_subclass_with_its_own_forward_is_called_through_it():
    for name in NAMES:
        for cls, x in (
            (getattr(pylstm, name), np.ones((5, 2, 3))),
            (getattr(pylstm, name + "Cell"), np.ones((2, 3))),
        ):

            class Mine(cls):
                def forward(self, input, hx=None):
                    return "mine", super().forward(input, hx)

            class Plain(cls):
                pass

            mine, plain = Mine(3, 4), Plain(3, 4)
            assert mine(x)[0] == "mine" and not mine._native_direct
            assert plain._native_direct and repr(plain) == "Plain(3, 4)"
            plain.load_state_dict(mine.state_dict())
            first, second = mine(x)[1], plain(x)
            first, second = (r[0] if isinstance(r, tuple) else r for r in (first, second))
            assert first.tobytes() == second.tobytes()
