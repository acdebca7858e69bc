"""The table of cell kinds in Python: equal to that of the C half, and to what modules have."""

import re
from itertools import product

import numpy as np
import pytest
from test_project_rules import ROOT

import pylstm
from pylstm.weights.kinds import BY_GATES, KINDS, LSTM, NAMES, counterpart, kind_of

ROW = re.compile(
    r"\[CELL_\w+\] = \{\s*\"(?P<mode>\w+)\",\s*\"\w+\",\s*\"(?P<names>\w+)\",\s*(?P<gates>\d+),\s*"
    r"(?P<states>\d+)(?P<flags>(?:,\s*\.\w+ = \w+)*),?\s*\}"
)
FLAGS = ("separate_bias", "may_project")


def rows_of_c(text):
    """{mode: (gate names, gates, states, flags that are true)} of the table in cells.c"""
    found = {}
    for row in ROW.finditer(text):
        flags = dict(re.findall(r"\.(\w+) = (true|false)", row["flags"]))
        assert flags.keys() <= set(FLAGS) and len(flags) == row["flags"].count("=")
        true = {name for name, value in flags.items() if value == "true"}
        found[row["mode"]] = row["names"], int(row["gates"]), int(row["states"]), true
    assert len(found) == len(re.findall(r"^\s*\[CELL_\w+\] =", text, re.M)), "a row was not read"
    return found


def test_rows_of_c_are_read():
    text = """const struct cell cells[CELL_KINDS] = {
    [CELL_A] = {"A", "A", "xy", 2, 1, .separate_bias = true, .may_project = false},
    [CELL_B] = {"B", "B", "h", 1, 1},
};"""
    assert rows_of_c(text) == {"A": ("xy", 2, 1, {"separate_bias"}), "B": ("h", 1, 1, set())}
    with pytest.raises(AssertionError, match="not read"):
        rows_of_c(text.replace('"h", 1', "h, 1"))


def test_both_halves_have_the_same_kinds():
    rows = rows_of_c((ROOT / "csrc" / "core" / "cells.c").read_text(encoding="utf-8"))
    seen = set()
    for mode, row in rows.items():
        # C has a row for each nonlinearity of an RNN: RNN_TANH, RNN_RELU.
        kind = KINDS[mode.partition("_")[0]]
        true = {name for name in FLAGS if getattr(kind, name)}
        assert row == (kind.gates, len(kind.gates), len(kind.states), true)
        seen.add(kind.mode)
    assert seen == KINDS.keys()
    assert all(kind.mode == mode for mode, kind in KINDS.items())


def test_every_kind_has_all_its_gates_in_all_orders():
    for mode, kind in KINDS.items():
        assert sorted(kind.gates) == sorted(kind.onnx_gates) == sorted(kind.keras_gates)
        assert BY_GATES[len(kind.gates)] == mode
    assert len(BY_GATES) == len(KINDS)


def test_names_of_classes_are_those_of_torch():
    assert set(NAMES) == {"LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"}
    for name in NAMES:
        assert counterpart(counterpart(name)) == name
        assert kind_of(name) is kind_of(counterpart(name)) is KINDS[name.removesuffix("Cell")]


@pytest.mark.parametrize(
    ("num_layers", "bias", "bidirectional", "proj_size"),
    list(product((1, 3), (True, False), (True, False), (0, 2))),
)
def test_parameters_are_those_of_the_c_half(num_layers, bias, bidirectional, proj_size):
    options = {
        "num_layers": num_layers,
        "bias": bias,
        "bidirectional": bidirectional,
        "proj_size": proj_size,
    }
    state = pylstm.LSTM(5, 3, **options).state_dict()
    assert list(LSTM.shapes(5, 3, **options)) == [(name, a.shape) for name, a in state.items()]


@pytest.mark.parametrize("bias", [True, False])
def test_parameters_of_a_cell_are_those_of_the_c_half(bias):
    state = pylstm.LSTMCell(5, 3, bias=bias).state_dict()
    expected = [(name, a.shape) for name, a in state.items()]
    assert list(LSTM.shapes(5, 3, bias=bias, is_cell=True)) == expected


def test_gates_stand_in_the_order_that_the_c_half_computes():
    values = {"i": 0.25, "f": -0.5, "g": 0.75, "o": -1.0}
    cell = pylstm.LSTMCell(1, 1, dtype="f8")
    for name, array in cell.named_parameters():
        array[...] = 0
        if name == "bias_ih":
            array[...] = [values[gate] for gate in LSTM.gates]
    h, c = cell(np.zeros((1, 1)), (np.zeros((1, 1)), np.full((1, 1), 2.0)))

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    expected = sigmoid(values["f"]) * 2 + sigmoid(values["i"]) * np.tanh(values["g"])
    np.testing.assert_allclose(c.item(), expected, rtol=1e-14)
    np.testing.assert_allclose(h.item(), sigmoid(values["o"]) * np.tanh(expected), rtol=1e-14)


def test_gate_orders_and_counts_stand_in_the_table_only():
    again = re.compile(
        r"[\"'](?:i(?:fgo|fco|ofg|ofc)|r?z[rhn]{2}|rzn)[\"']|\b[48] \* \w*(?:hidden|units)|gates, 4\b"
    )
    for path in (ROOT / "pylstm").rglob("*.py"):
        found = again.findall(path.read_text(encoding="utf-8"))
        assert not found or path.name == "kinds.py", path
    assert len(again.findall((ROOT / "pylstm" / "weights" / "kinds.py").read_text())) == 6
