"""RMS errors of float32 modules against float64, side by side with torch's.

Run with torch installed: python tests/accuracy.py
Every figure is pooled over the outputs and final cell states of 20 seeds; the truth is torch's
float64 run of the same float32 weights and inputs. Exits with 1 where a budget is broken.
"""

import sys

import numpy as np
import recorded
import torch

import pylstm


def cell_loop(cell, x, stack):
    """(output, c_n) of a cell that walks through x, in either library."""
    hx, outputs = None, []
    for xt in x:
        hx = cell(xt, hx)
        outputs.append(hx[0])
    return stack(outputs), hx[1]


def errors(input_size, hidden_size, rows, seed):
    """Mean square errors of one seed: ours, torch's LSTM, torch's LSTMCell."""
    torch.manual_seed(seed)
    lstm = torch.nn.LSTM(input_size, hidden_size)
    cell = torch.nn.LSTMCell(input_size, hidden_size)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in lstm.state_dict().items()})
    ours = pylstm.LSTM(input_size, hidden_size)
    ours.load_state_dict(lstm.state_dict())
    array = recorded.accuracy_input(seed, input_size, rows)
    x = torch.from_numpy(array)

    out, (_, c) = ours(array)
    results = [(out, c[0])]
    out, (_, c) = lstm(x)
    results += [(out, c[0]), cell_loop(cell, x, torch.stack)]
    truth, (_, truth_c) = lstm.double()(x.double())
    exact = truth.numpy(), truth_c[0].numpy()
    return [recorded.mean_square(zip(map(np.asarray, r), exact, strict=True)) for r in results]


def measure(input_size, hidden_size, rows):
    """Root mean square errors over all seeds: ours, torch's LSTM, torch's LSTMCell."""
    squares = [errors(input_size, hidden_size, rows, seed) for seed in recorded.ACCURACY_SEEDS]
    return np.sqrt(np.mean(squares, axis=0))


def main():
    """Print the table; return whether every budget holds."""
    print(f"RMS error of float32 against float64, T {recorded.ACCURACY_STEPS}, "
          f"{len(recorded.ACCURACY_SEEDS)} seeds, torch {torch.__version__}, "
          f"pylstm {pylstm.__version__} ({pylstm._core.simd_level()})")  # fmt: skip
    print(f"{'input':>5} {'hidden':>6} {'batch':>5} {'pylstm':>10} {'LSTM':>10} {'LSTMCell':>10} "
          f"{'/ LSTM':>7} {'/ Cell':>7}")  # fmt: skip
    broken = 0
    for rows in recorded.ACCURACY_ROWS:
        for input_size, hidden_size in recorded.ACCURACY_SIZES:
            ours, lstm, cell = measure(input_size, hidden_size, rows)
            limits = recorded.lstm_budget(hidden_size), recorded.CELL_BUDGET
            fails = [
                text
                for text, error, limit in zip(
                    ("LSTM", "LSTMCell"), (lstm, cell), limits, strict=True
                )
                if ours > limit * error
            ]
            broken += len(fails)
            print(f"{input_size:5} {hidden_size:6} {rows:5} {ours:10.3e} {lstm:10.3e} {cell:10.3e} "
                  f"{ours / lstm:7.3f} {ours / cell:7.3f}"
                  + "".join(f"  over budget: {text}" for text in fails))  # fmt: skip
    print(f"{broken} broken budgets (recorded.py states them)")
    return not broken


if __name__ == "__main__":
    torch.set_num_threads(1)
    with torch.inference_mode():
        sys.exit(0 if main() else 1)
