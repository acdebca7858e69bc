"""Initial parameters: no bit differs from torch 2.13.0 (recorded in tests/data/initial.npz)."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import recorded
from reference import KINDS
from support import DTYPES, assert_same_bits, cell_of, layer_of

import pylstm

# The cases of each file.
CASES = {"initial": recorded.initial_cases(), "initial_others": recorded.other_initial_cases()}


@pytest.fixture(scope="module")
def digests():
    return {name: recorded.load(name) for name in CASES}


def parameters(module):
    return list(module.state_dict().items())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("index", range(300))
@pytest.mark.parametrize("file", CASES)
def test_same_bits_as_torch(digests, file, index, dtype):
    kind, seed, options = CASES[file][index]
    pylstm.manual_seed(seed)
    module = getattr(pylstm, kind)(**options, dtype=dtype)
    assert recorded.digest(parameters(module)) == digests[file][dtype][index].tobytes()
    state = recorded.digest([("state", pylstm.get_rng_state())])
    assert state == digests[file][f"{dtype}_state"][index].tobytes(), (
        "the generator's state afterwards"
    )


@pytest.mark.parametrize("file", CASES)
def test_the_record_covers_the_promise(file):
    cases = CASES[file]
    assert len(cases) == 300
    for field, values in {
        "bias": {True, False},
        "bidirectional": {True, False},
        "batch_first": {True, False},
        "num_layers": {1, 2, 3},
    }.items():
        assert {case[2][field] for case in cases if field in case[2]} == values
    classes = {kind: sum(case[0] == kind for case in cases) for kind, _, _ in cases}
    if file == "initial":
        assert set(classes) == {"LSTM", "LSTMCell"}
        assert sum(bool(case[2].get("proj_size")) for case in cases) >= 20
    else:
        assert classes == {"GRU": 100, "RNN": 100, "GRUCell": 50, "RNNCell": 50}
        activations = [case[2]["nonlinearity"] for case in cases if "nonlinearity" in case[2]]
        assert min(activations.count("tanh"), activations.count("relu")) >= 50


def test_all_kinds_draw_one_stream(dtype):
    # After one seed a GRU's values are the first of an LSTM's; nonlinearity plays no part.
    def drawn(module):
        return np.concatenate([value.ravel() for value in module.state_dict().values()])

    streams = []
    for make in (layer_of, cell_of):
        for kind in KINDS:
            pylstm.manual_seed(3)
            streams.append(drawn(make(kind, 2, 3, dtype=dtype)))
    longest = max(streams, key=len)
    for values in streams:
        assert_same_bits(values, longest[: len(values)])


def test_modules_draw_one_after_the_other(dtype):
    # torch draws a network's parameters in one stream; a second module goes on where the first ended.
    pylstm.manual_seed(5)
    first, second = pylstm.LSTM(3, 4, dtype=dtype), pylstm.LSTMCell(4, 2, dtype=dtype)
    pylstm.manual_seed(5)
    again = pylstm.LSTM(3, 4, dtype=dtype)
    state = pylstm.get_rng_state()
    for (_, a), (_, b) in zip(parameters(first), parameters(again), strict=True):
        assert_same_bits(a, b)
    pylstm.set_rng_state(state)
    for (_, a), (_, b) in zip(
        parameters(second), parameters(pylstm.LSTMCell(4, 2, dtype=dtype)), strict=True
    ):
        assert_same_bits(a, b)


def test_reset_parameters_draws_as_the_constructor_does(dtype):
    pylstm.manual_seed(9)
    fresh = pylstm.LSTM(3, 5, 2, bidirectional=True, proj_size=2, dtype=dtype)
    used = pylstm.LSTM(3, 5, 2, bidirectional=True, proj_size=2, dtype=dtype)
    pylstm.manual_seed(9)
    used.reset_parameters()
    for (_, a), (_, b) in zip(parameters(fresh), parameters(used), strict=True):
        assert_same_bits(a, b)


def test_without_a_seed_every_process_differs():
    # Seeded from the operating system's entropy at import: two imports must not agree.
    code = (
        f"import sys; sys.path.insert(0, {str(Path(pylstm.__file__).parents[1])!r});"
        "import pylstm; print(pylstm.LSTMCell(1, 1).weight_ih[0, 0])"
    )
    drawn = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(3)
    }
    assert len(drawn) == 3


def test_values_stay_inside_their_interval(dtype):
    lstm = pylstm.LSTM(7, 5, 3, dtype=dtype)
    bound = np.array(1 / np.sqrt(5.0), dtype)
    for name, value in parameters(lstm):
        assert (value >= -bound).all(), name
        assert (value < bound).all(), name
