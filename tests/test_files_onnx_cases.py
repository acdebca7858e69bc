"""The cases that ONNX tests LSTM, GRU and RNN nodes with, computed from the model's own weights."""

import warnings

import numpy as np
import pytest

import pylstm

onnx = pytest.importorskip("onnx")
from onnx import numpy_helper  # noqa: E402

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    node_cases = pytest.importorskip("onnx.backend.test.case.node")
    for name in ("lstm", "gru", "rnn"):  # whose classes add their cases when they are made
        pytest.importorskip(f"onnx.backend.test.case.node.{name}")

CASES = {
    case.name: case
    for case in node_cases._NodeTestCases
    if case.model is not None and case.model.graph.node[0].op_type in ("LSTM", "GRU", "RNN")
}


def test_there_are_cases_of_every_kind():
    kinds = [case.model.graph.node[0].op_type for case in CASES.values()]
    assert {kind: kinds.count(kind) >= 6 for kind in kinds} == dict.fromkeys(kinds, True)
    assert len(set(kinds)) == 3


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    case = CASES[name]
    model, (inputs, outputs) = case.model, case.data_sets[0]
    [node] = model.graph.node
    given = dict(zip([each.name for each in model.graph.input], inputs, strict=True))
    constants = [each for at, each in enumerate(node.input) if each and at in (1, 2, 3, 7)]
    for each in constants:
        model.graph.initializer.append(numpy_helper.from_array(given[each], each))
    kept = [each for each in model.graph.input if each.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    module = getattr(pylstm, node.op_type).from_weights(model.SerializeToString())
    x, states = given[node.input[0]], [given[each] for each in node.input[5:7] if each]
    if module.batch_first:
        states = [state.swapaxes(0, 1) for state in states]
    hx = None
    if states:
        hx = tuple(states) if node.op_type == "LSTM" else states[0]
    output, last = module(x, hx)
    last = list(last) if node.op_type == "LSTM" else [last]
    y = output.reshape(*output.shape[:2], 1 + module.bidirectional, -1)
    if module.batch_first:
        last = [state.swapaxes(0, 1) for state in last]
    else:
        y = y.transpose(0, 2, 1, 3)
    results = [each for each, told in zip([y, *last], node.output, strict=False) if told]
    for result, expected in zip(results, outputs, strict=True):
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-6)
