"""The accuracy budgets against torch's recorded errors; accuracy.py measures them live.

The truth is the NumPy reference in float64 on the same float32 weights and inputs.
"""

import numpy as np
import pytest
import recorded
import reference
from support import layer_of

import pylstm


@pytest.fixture(scope="module")
def torch_errors():
    """Mean square errors of torch's (layer, cell) by kind, each [sizes, rows, seeds]."""
    return {kind: recorded.torch_errors(kind) for kind in reference.KINDS}


# The largest sizes and batches are left to accuracy.py: they would take half of the suite's time
# where the fused multiply-add is made by software.
MEASURED = [
    (sizes, rows)
    for sizes in recorded.ACCURACY_SIZES
    for rows in recorded.ACCURACY_ROWS
    if sizes[1] <= (200 if rows == 1 else 64)
]


@pytest.mark.parametrize(("sizes", "rows"), MEASURED)
@pytest.mark.parametrize("kind", reference.KINDS)
def test_budget(torch_errors, kind, sizes, rows):
    squares = []
    for seed in recorded.ACCURACY_SEEDS:
        pylstm.manual_seed(seed)  # draws torch's weights
        layer = layer_of(kind, *sizes)
        x = recorded.accuracy_input(seed, sizes[0], rows)
        truth = reference.layer(kind, layer.state_dict(), x)
        pairs = zip(recorded.judged(layer(x)), recorded.judged(truth), strict=True)
        squares.append(recorded.mean_square(pairs))
    index = recorded.ACCURACY_SIZES.index(sizes), recorded.ACCURACY_ROWS.index(rows)
    of_layer, of_cell = (np.sqrt(errors[index].mean()) for errors in torch_errors[kind])
    ours = np.sqrt(np.mean(squares))
    assert ours <= recorded.layer_budget(sizes[1]) * of_layer
    assert ours <= recorded.CELL_BUDGETS[kind] * of_cell
