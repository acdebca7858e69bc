"""What tests/data holds of torch 2.13.0, shared by the recording script and the tests.

Both sides walk through the same lists of cases here, so that the files hold numbers only:
flat arrays, cut up again by the shapes that a case implies. Values come from
reference.fractions, which are exact in float32 and float64, or from a seed where the
initialisation itself is the promise.
"""

import hashlib
import itertools
from pathlib import Path

import numpy as np
from reference import KINDS, fractions, make_parameters, parameter_shapes

DATA = Path(__file__).parent / "data"


def file_of(name, kind):
    """The name of what is recorded of a kind of cells: `options`, `options_gru`, ..."""
    return name if kind == "LSTM" else f"{name}_{kind.lower()}"


def class_of(kind):
    """(name of the layer's class, constructor arguments that choose the kind)."""
    name, _, nonlinearity = kind.partition("_")
    return name, {"nonlinearity": nonlinearity.lower()} if nonlinearity else {}


def load(name):
    """The arrays of tests/data/{name}.npz."""
    with np.load(DATA / f"{name}.npz", allow_pickle=False) as archive:
        return dict(archive)


def split(flat, shapes):
    """Yields arrays of the given shapes, one after the other; they use up `flat` exactly."""
    start = 0
    for shape in shapes:
        size = int(np.prod(shape, dtype=np.int64))
        yield flat[start : start + size].reshape(shape)
        start += size
    assert start == len(flat), f"{len(flat)} recorded values, {start} expected"


# Every option ---------------------------------------------------------------------------------

OPTION_SIZES = {"input_size": 3, "hidden_size": 3}
OPTION_STEPS, OPTION_ROWS = 3, 2


def option_cases(kind="LSTM"):
    """All combinations of the options, as (constructor arguments, unbatched, states given, seed)."""
    flags = (False, True)
    projections = (0, 2) if kind == "LSTM" else (0,)
    grid = itertools.product((1, 2, 3), flags[::-1], flags, flags, projections, flags, flags)
    cases = []
    for seed, case in enumerate(grid):
        num_layers, bias, batch_first, bidirectional, proj_size, unbatched, states = case
        options = {
            "num_layers": num_layers,
            "bias": bias,
            "batch_first": batch_first,
            "bidirectional": bidirectional,
        }
        if kind == "LSTM":
            options["proj_size"] = proj_size
        cases.append((options, unbatched, states, seed))
    return cases


def option_arrays(options, unbatched, states, seed, kind="LSTM"):
    """(parameters, x, hx, result shapes) of an option case, in float64 and exact in float32."""
    sizes = OPTION_SIZES | {k: v for k, v in options.items() if k != "batch_first"}
    parameters = make_parameters(seed, parameter_shapes(**sizes, kind=kind), scale=1.0)
    directions = 2 if options["bidirectional"] else 1
    hidden_out = options.get("proj_size") or OPTION_SIZES["hidden_size"]
    rows = () if unbatched else (OPTION_ROWS,)
    swapped = options["batch_first"] and not unbatched

    def sequence(features):
        shape = (OPTION_STEPS, *rows, features)
        return (shape[1], shape[0], shape[2]) if swapped else shape

    depth = options["num_layers"] * directions
    widths = (hidden_out, OPTION_SIZES["hidden_size"])[: KINDS[kind].states]
    state_shapes = [(depth, *rows, width) for width in widths]
    x = fractions(50_000 + seed, sequence(OPTION_SIZES["input_size"]), 2.0)
    hx = None
    if states:
        # Values of h up to 1, of c up to 2.
        hx = tuple(
            fractions(60_000 + 10_000 * index + seed, shape, 1.0 + index)
            for index, shape in enumerate(state_shapes)
        )
        hx = hx if len(hx) > 1 else hx[0]
    return parameters, x, hx, (sequence(directions * hidden_out), *state_shapes)


# The tutorial's three examples ----------------------------------------------------------------

TUTORIAL_SEED = 20
TUTORIAL_DTYPES = ("float64", "float32", "truth")  # truth: float64 with the float32 weights


def tutorial_input():
    """x (10, 3, 100): fractions in [0, 1), as torch.rand makes them."""
    return (fractions(1, (10, 3, 100)) + 1.0) / 2.0


def tutorial_states():
    """The states that are given to the four-layer LSTM: h and c (4, 3, 20)."""
    return fractions(2, (4, 3, 20)), fractions(3, (4, 3, 20))


TUTORIAL_SHAPES = {
    "lstm": [(10, 3, 20), (4, 3, 20), (4, 3, 20)],
    "lstm_states": [(10, 3, 20), (4, 3, 20), (4, 3, 20)],
    "cell_from_zeros": [(10, 3, 20), (3, 20)],
    "cell_c_carried": [(10, 3, 20), (3, 20)],
    "cell_carried": [(10, 3, 20), (3, 20)],
    "two_cells": [(3, 30), (3, 30), (3, 20), (3, 20)],
}

# The same of the kinds that have one state: the layer, a cell, a stack of two cells.
OTHER_TUTORIAL_SHAPES = {
    "layer": [(10, 3, 20), (4, 3, 20)],
    "layer_states": [(10, 3, 20), (4, 3, 20)],
    "cell_carried": [(10, 3, 20), (3, 20)],
    "two_cells": [(3, 30), (3, 20)],
}


def run_tutorial(name, make, x, states, zeros, stack):
    """Runs one example with `make`'s LSTM and LSTMCell, whichever library they are of.

    `make(kind, *sizes)` builds a module; `zeros` and `stack` are that library's array functions.
    Returns the arrays that TUTORIAL_SHAPES lists.
    """
    if name.startswith("lstm"):
        lstm = make("LSTM", 100, 20, 4)
        out, (h, c) = lstm(x) if name == "lstm" else lstm(x, states)
        return [out, h, c]
    if name.startswith("cell"):
        cell = make("LSTMCell", 100, 20)
        carry_h, carry_c = name == "cell_carried", name != "cell_from_zeros"
        zero = zeros((3, 20))
        h, c, outputs = zero, zero, []
        for xt in x:
            h, c = cell(xt, (h if carry_h else zero, c if carry_c else zero))
            outputs.append(h)
        return [stack(outputs), c]
    first, second = make("LSTMCell", 100, 30), make("LSTMCell", 30, 20)
    h1, c1, h2, c2 = zeros((3, 30)), zeros((3, 30)), zeros((3, 20)), zeros((3, 20))
    for xt in x:
        h1, c1 = first(xt, (h1, c1))
        h2, c2 = second(h1, (h2, c2))
    return [h1, c1, h2, c2]


def run_other_tutorial(name, make, x, states, stack):
    """Like run_tutorial(), but with a kind that has one state: `make(is_cell, *sizes)`."""
    if name.startswith("layer"):
        layer = make(False, 100, 20, 4)
        return list(layer(x) if name == "layer" else layer(x, states[0]))
    if name == "cell_carried":
        cell, h, outputs = make(True, 100, 20), None, []
        for xt in x:
            h = cell(xt, h)
            outputs.append(h)
        return [stack(outputs), h]
    first, second = make(True, 100, 30), make(True, 30, 20)
    h1 = h2 = None
    for xt in x:
        h1 = first(xt, h1)
        h2 = second(h1, h2)
    return [h1, h2]


# Initial parameters ---------------------------------------------------------------------------


def initial_cases():
    """300 (kind, seed, constructor arguments): random ones and the corners."""
    rng = np.random.RandomState(613)  # the legacy generator: its stream is frozen
    sizes = (1, 2, 3, 4, 5, 7, 8, 16, 17, 20, 31, 33, 64, 100, 128)
    seeds = (0, 1, 123, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40 + 7, 2**63, 2**64 - 1)
    cases = []
    for index in range(300):
        seed = seeds[index % 20] if index % 20 < len(seeds) else int(rng.randint(2**31))
        options = {
            "input_size": int(rng.choice(sizes)),
            "hidden_size": int(rng.choice(sizes)),
            "bias": bool(rng.randint(4)),
        }
        kind = "LSTMCell" if index % 4 == 3 else "LSTM"
        if kind == "LSTM":
            options["num_layers"] = int(rng.randint(1, 4))
            options["batch_first"] = bool(rng.randint(2))
            options["bidirectional"] = bool(rng.randint(2))
            hidden_size = options["hidden_size"]
            options["proj_size"] = int(rng.randint(hidden_size)) * int(rng.randint(2))
        cases.append((kind, seed, options))
    return cases


def other_initial_cases():
    """300 (kind, seed, constructor arguments) of the other classes; kinds are names of classes."""
    rng = np.random.RandomState(614)
    kinds = ("GRU", "RNN", "GRUCell", "GRU", "RNN", "RNNCell")
    cases = []
    for index, (_, seed, options) in enumerate(initial_cases()):
        kind = kinds[index % len(kinds)]
        options = {name: options[name] for name in ("input_size", "hidden_size", "bias")}
        if not kind.endswith("Cell"):
            options["num_layers"] = int(rng.randint(1, 4))
            options["batch_first"] = bool(rng.randint(2))
            options["bidirectional"] = bool(rng.randint(2))
        if kind.startswith("RNN"):
            options["nonlinearity"] = ("tanh", "relu")[rng.randint(2)]
        cases.append((kind, seed, options))
    return cases


def digest(named_arrays):
    """16 bytes of SHA-256 over names, shapes and little-endian bytes, NaNs made equal."""
    sha = hashlib.sha256()
    for name, array in named_arrays:
        array = np.asarray(array)
        if array.dtype.kind == "f":
            array = np.where(np.isnan(array), np.array(np.nan, array.dtype), array)
        sha.update(f"{name} {array.shape} {array.dtype.name}\n".encode())
        sha.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return sha.digest()[:16]


# Accuracy -------------------------------------------------------------------------------------

# Times the error of torch's cell.
CELL_BUDGETS = {"LSTM": 1.25, "GRU": 1.25, "RNN_TANH": 1.3, "RNN_RELU": 1.4}


def torch_errors(kind):
    """Mean square errors of torch's layer and of its cell, each [sizes, rows, seeds], as recorded."""
    data = load(file_of("accuracy", kind))
    return data["lstm" if kind == "LSTM" else "layer"], data["cell"]


def layer_budget(hidden_size):
    """The RMS error that a float32 module may have, as a multiple of that of torch's layer."""
    return 0.8 if hidden_size >= 128 else 1.1


ACCURACY_SIZES = (  # (input_size, hidden_size)
    (100, 20),
    (32, 32),
    (64, 64),
    (40, 100),
    (128, 128),
    (100, 200),
    (256, 256),
    (512, 512),
)
ACCURACY_ROWS = (1, 8)
ACCURACY_STEPS = 40
ACCURACY_SEEDS = tuple(range(20))


def accuracy_input(seed, input_size, rows):
    """x [T, rows, input_size] of one accuracy run: as float32 as its weights."""
    shape = (ACCURACY_STEPS, rows, input_size)
    return fractions(80_000 + seed, shape, 2.0).astype(np.float32)


def mean_square(pairs):
    """Mean of the squared differences of (result, truth) pairs of arrays, in float64."""
    squares = [np.square(np.asarray(a, np.float64) - b) for a, b in pairs]
    return sum(s.sum() for s in squares) / sum(s.size for s in squares)


def cell_loop(cell, x, stack):
    """What the layer returns, from a cell that walks through x, in either library."""
    hx, outputs = None, []
    for xt in x:
        hx = cell(xt, hx)
        outputs.append(hx[0] if isinstance(hx, tuple) else hx)
    if isinstance(hx, tuple):
        return stack(outputs), tuple(state[None] for state in hx)
    return stack(outputs), hx[None]


def judged(result):
    """The arrays of a layer's result that errors are taken of: the output and c_n, if there is one."""
    output, states = result
    arrays = [output, states[1]] if isinstance(states, tuple) else [output]
    return [np.asarray(array) for array in arrays]
