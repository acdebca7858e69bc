"""Initial parameters: no bit differs from torch 2.13.0 (recorded in tests/data/initial.npz)."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import recorded
from support import DTYPES, assert_same_bits

import pylstm

CASES = recorded.initial_cases()


@pytest.fixture(scope="module")
def digests():
    return recorded.load("initial")


def parameters(module):
    return list(module.state_dict().items())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("index", range(len(CASES)))
def test_same_bits_as_torch(digests, index, dtype):
    kind, seed, options = CASES[index]
    pylstm.manual_seed(seed)
    module = getattr(pylstm, kind)(**options, dtype=dtype)
    assert recorded.digest(parameters(module)) == digests[dtype][index].tobytes()
    state = recorded.digest([("state", pylstm.get_rng_state())])
    assert state == digests[f"{dtype}_state"][index].tobytes(), "the generator's state afterwards"


def test_the_record_covers_the_promise():
    assert len(CASES) >= 200
    for field, values in {
        "bias": {True, False},
        "bidirectional": {True, False},
        "batch_first": {True, False},
        "num_layers": {1, 2, 3},
    }.items():
        assert {case[2][field] for case in CASES if field in case[2]} == values
    assert {kind for kind, _, _ in CASES} == {"LSTM", "LSTMCell"}
    assert sum(bool(case[2].get("proj_size")) for case in CASES) >= 20


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
