"""Three examples as PyTorch tutorials have them, on NumPy arrays."""

import numpy as np

import pylstm as nn

# What an example returns: names, arrays, and the shapes that the tutorial shows.
Results = list[tuple[str, np.ndarray, tuple[int, ...]]]


def four_layers() -> Results:
    """Let four layers read 10 steps of 3 sequences with 100 features each."""
    lstm = nn.LSTM(input_size=100, hidden_size=20, num_layers=4)
    x = np.random.rand(10, 3, 100)
    out, (h, c) = lstm(x)
    out, (h, c) = lstm(x, [h, c])  # continues from the last states; a tuple works as well
    return [("out", out, (10, 3, 20)), ("h", h, (4, 3, 20)), ("c", c, (4, 3, 20))]


def one_cell() -> Results:
    """Walk a single cell through the sequence in a Python loop."""
    x = np.random.rand(10, 3, 100)
    cell = nn.LSTMCell(input_size=100, hidden_size=20)
    h = c = np.zeros((3, 20))
    for xt in x:
        h, c = cell(xt, (h, c))

    # A variant of some tutorials: the new h gets another name and is not passed on.
    h0 = c_only = np.zeros((3, 20))
    for xt in x:
        yt, c_only = cell(xt, (h0, c_only))
    return [("h", h, (3, 20)), ("c", c, (3, 20)), ("yt", yt, (3, 20))]


def two_cells() -> Results:
    """Put one cell above another: the second reads the first one's output."""
    x = np.random.rand(10, 3, 100)
    lower = nn.LSTMCell(100, 30)
    upper = nn.LSTMCell(30, 20)
    h1 = c1 = np.zeros((3, 30))
    h2 = c2 = np.zeros((3, 20))
    for xt in x:
        h1, c1 = lower(xt, (h1, c1))
        h2, c2 = upper(h1, (h2, c2))
    return [("h1", h1, (3, 30)), ("h2", h2, (3, 20))]


EXAMPLES = {
    "LSTM(input_size=100, hidden_size=20, num_layers=4)": four_layers,
    "LSTMCell(100, 20), step by step": one_cell,
    "LSTMCell(100, 30) below LSTMCell(30, 20)": two_cells,
}


def run() -> bool:
    """Run every example and print the shapes.

    Returns
    -------
    bool
        Whether all shapes are the tutorial's.
    """
    print("The tutorial's examples")
    fine = True
    for title, example in EXAMPLES.items():
        results = example()
        shapes = "  ".join(f"{name} {value.shape}" for name, value, _ in results)
        print(f"  {title}\n    {shapes}")
        for name, value, expected in results:
            if value.shape != expected:
                print(f"    wrong: {name} should be {expected}")
                fine = False
    return fine
