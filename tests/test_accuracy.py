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


# The largest sizes and batches are left to accuracy.py: they would take half of the suite's time
# where the fused multiply-add is made by software.
MEASURED = [
    (sizes, rows)
    for sizes in recorded.ACCURACY_SIZES
    for rows in recorded.ACCURACY_ROWS
    if sizes[1] <= (200 if rows == 1 else 64)
]


@pytest.mark.parametrize(("sizes", "rows"), MEASURED)
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
