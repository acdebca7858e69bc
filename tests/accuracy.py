"""RMS errors of float32 modules against float64, side by side with torch's.

Run with torch installed: python tests/accuracy.py [KIND ...]
Every figure is pooled over the outputs, and the final cell states of an LSTM, of 20 seeds; the truth
is torch's float64 run of the same float32 weights and inputs.

pylstm's errors are the same on every processor. Those of torch are not: the order of its sums depends
on the processor, and an error differed by a factor of up to 2.1 between two of them. So a budget is a
multiple of the larger of the two, the error measured here and the recorded one. Exits with 1 where a
budget is broken, or where an error measured here is far from the recorded one.
"""

import sys

import numpy as np
import recorded
import torch
from reference import KINDS
from support import layer_of

import pylstm


def errors(kind, input_size, hidden_size, rows, seed):
    """Mean square errors of one seed: ours, torch's layer, torch's cell."""
    torch.manual_seed(seed)
    name, options = recorded.class_of(kind)
    layer = getattr(torch.nn, name)(input_size, hidden_size, **options)
    cell = getattr(torch.nn, name + "Cell")(input_size, hidden_size, **options)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    ours = layer_of(kind, input_size, hidden_size)
    ours.load_state_dict(layer.state_dict())
    array = recorded.accuracy_input(seed, input_size, rows)
    x = torch.from_numpy(array)
    results = ours(array), layer(x), recorded.cell_loop(cell, x, torch.stack)
    exact = recorded.judged(layer.double()(x.double()))
    return [
        recorded.mean_square(zip(recorded.judged(result), exact, strict=True)) for result in results
    ]


def measure(kind, input_size, hidden_size, rows):
    """Root mean square errors over all seeds: ours, torch's layer, torch's cell."""
    squares = [errors(kind, input_size, hidden_size, rows, s) for s in recorded.ACCURACY_SEEDS]
    return np.sqrt(np.mean(squares, axis=0))


# Recorded errors of torch are found again within this factor, on any processor.
NEAR = 4.0


def complaints(ours, theirs, records, limits):
    """Name what is wrong with one line of the table: broken budgets, errors far from recorded ones."""
    for text, error, record, limit in zip(("layer", "cell"), theirs, records, limits, strict=True):
        if ours > limit * max(error, record):
            yield f"over budget: {text}"
        if not 1 / NEAR < error / record < NEAR:
            yield f"not near the recorded {record:.3e}: {text}"


def print_table(kind):
    """Print the table of a kind; return how many complaints there are."""
    print(f"\n{kind}\n{'input':>5} {'hidden':>6} {'batch':>5} {'pylstm':>10} {'layer':>10} "
          f"{'cell':>10} {'/ layer':>7} {'/ cell':>7}")  # fmt: skip
    count = 0
    for row, rows in enumerate(recorded.ACCURACY_ROWS):
        for size, (input_size, hidden_size) in enumerate(recorded.ACCURACY_SIZES):
            ours, *theirs = measure(kind, input_size, hidden_size, rows)
            limits = recorded.layer_budget(hidden_size), recorded.CELL_BUDGETS[kind]
            records = [np.sqrt(each[size, row].mean()) for each in recorded.torch_errors(kind)]
            fails = list(complaints(ours, theirs, records, limits))
            count += len(fails)
            layer, cell = theirs
            print(f"{input_size:5} {hidden_size:6} {rows:5} {ours:10.3e} {layer:10.3e} {cell:10.3e} "
                  f"{ours / layer:7.3f} {ours / cell:7.3f}"
                  + "".join(f"  {text}" for text in fails))  # fmt: skip
    return count


def main(kinds):
    """Print a table for each kind; return whether every budget holds."""
    print(f"RMS error of float32 against float64, T {recorded.ACCURACY_STEPS}, "
          f"{len(recorded.ACCURACY_SEEDS)} seeds, torch {torch.__version__}, "
          f"pylstm {pylstm.__version__} ({pylstm._core.simd_level()})")  # fmt: skip
    broken = sum(print_table(kind) for kind in kinds)
    print(f"\n{broken} complaints (recorded.py states the budgets)")
    return not broken


if __name__ == "__main__":
    torch.set_num_threads(1)
    with torch.inference_mode():
        sys.exit(0 if main(sys.argv[1:] or list(KINDS)) else 1)
