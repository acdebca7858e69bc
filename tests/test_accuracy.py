"""The accuracy budgets against torch's recorded errors; accuracy.py measures them live.

The truth is the NumPy reference in float64 on the same float32 weights and inputs.
"""

import numpy as np
import pytest
import recorded
import reference

import pylstm


@pytest.fixture(scope="module")
def torch_errors():
    return recorded.load("accuracy")


@pytest.mark.parametrize("rows", recorded.ACCURACY_ROWS)
@pytest.mark.parametrize(
    "sizes", [s for s in recorded.ACCURACY_SIZES if s[1] <= 256], ids="input{0[0]} hidden{0[1]}".format
)
def test_budget(torch_errors, sizes, rows):
    squares = []
    for seed in recorded.ACCURACY_SEEDS:
        pylstm.manual_seed(seed)  # draws torch's weights
        lstm = pylstm.LSTM(*sizes)
        x = recorded.accuracy_input(seed, sizes[0], rows)
        out, (_, c) = lstm(x)
        truth, (_, truth_c) = reference.lstm(lstm.state_dict(), x)
        squares.append(recorded.mean_square([(out, truth), (c, truth_c)]))
    index = recorded.ACCURACY_SIZES.index(sizes), recorded.ACCURACY_ROWS.index(rows)
    ours = np.sqrt(np.mean(squares))
    assert ours <= recorded.lstm_budget(sizes[1]) * np.sqrt(torch_errors["lstm"][index].mean())
    assert ours <= recorded.CELL_BUDGET * np.sqrt(torch_errors["cell"][index].mean())
