"""Records what torch 2.13.0 computes: writes the .npz files beside this script.

Run with torch installed: python tests/data/record_torch.py [KIND ...]
Without a kind (LSTM, GRU, RNN_TANH, RNN_RELU) all are recorded. The cases and the layout of the
files are in tests/recorded.py. The tests that read the files need no torch.
"""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
import recorded
from reference import KINDS

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def tensors(value, dtype):
    """A tensor of an array, or tensors of a tuple of arrays (None stays None)."""
    if value is None:
        return None
    if isinstance(value, tuple):
        return tuple(torch.tensor(array, dtype=dtype) for array in value)
    return torch.tensor(value, dtype=dtype)


def flatten(result):
    """The tensors of a result, nested tuples opened."""
    if isinstance(result, torch.Tensor):
        return [result]
    return [tensor for part in result for tensor in flatten(part)]


def layer_of(kind, *sizes, **options):
    """torch's layer of a kind."""
    name, of_kind = recorded.class_of(kind)
    return getattr(torch.nn, name)(*sizes, **options, **of_kind)


def cell_of(kind, *sizes, **options):
    """torch's cell of a kind."""
    name, of_kind = recorded.class_of(kind)
    return getattr(torch.nn, name + "Cell")(*sizes, **options, **of_kind)


def save(name, **arrays):
    """Writes {name}.npz with the torch version beside the arrays."""
    path = recorded.DATA / f"{name}.npz"
    np.savez_compressed(path, torch_version=np.array(torch.__version__), **arrays)
    print(f"{path.name}: {path.stat().st_size} bytes")


def flat(results, dtype):
    """All results one behind the other, row-major."""
    return np.concatenate([np.asarray(r, dtype).ravel() for r in results])


def record_options(kind):
    """Every option combination in float64 and float32, with the same exact weights and inputs."""
    columns = {}
    for name, dtype in DTYPES.items():
        results = []
        for case in recorded.option_cases(kind):
            parameters, x, hx, shapes = recorded.option_arrays(*case, kind)
            layer = layer_of(kind, **recorded.OPTION_SIZES, **case[0], dtype=dtype)
            layer.load_state_dict({k: torch.tensor(v) for k, v in parameters.items()})
            arrays = flatten(layer(torch.tensor(x, dtype=dtype), tensors(hx, dtype)))
            assert [tuple(a.shape) for a in arrays] == list(shapes)
            results += [a.numpy() for a in arrays]
        columns[name] = flat(results, name)
    save(recorded.file_of("options", kind), **columns)


def record_tutorial():
    """The tutorial's examples: float64, float32, and float64 with the float32 weights."""
    columns = {}
    for name, shapes in recorded.TUTORIAL_SHAPES.items():
        for kind in recorded.TUTORIAL_DTYPES:
            dtype = torch.float64 if kind != "float32" else torch.float32
            torch.manual_seed(recorded.TUTORIAL_SEED)

            def make(module, *sizes, kind=kind):
                drawn = torch.float64 if kind == "float64" else torch.float32
                made = getattr(torch.nn, module)(*sizes, dtype=drawn)
                return made.double() if kind == "truth" else made

            x = torch.tensor(recorded.tutorial_input(), dtype=dtype)
            states = tensors(recorded.tutorial_states(), dtype)
            results = recorded.run_tutorial(
                name,
                make,
                x,
                states,
                lambda shape, d=dtype: torch.zeros(shape, dtype=d),
                torch.stack,
            )
            assert [tuple(r.shape) for r in results] == shapes
            columns[f"{name}_{kind}"] = flat([r.numpy() for r in results], dtype_name(dtype))
    save("tutorial", **columns)


def record_other_tutorial(kind):
    """The examples of a kind with one state, like record_tutorial()."""
    columns = {}
    for name, shapes in recorded.OTHER_TUTORIAL_SHAPES.items():
        for column in recorded.TUTORIAL_DTYPES:
            dtype = torch.float64 if column != "float32" else torch.float32
            torch.manual_seed(recorded.TUTORIAL_SEED)

            def make(is_cell, *sizes, column=column):
                drawn = torch.float64 if column == "float64" else torch.float32
                made = (cell_of if is_cell else layer_of)(kind, *sizes, dtype=drawn)
                return made.double() if column == "truth" else made

            results = recorded.run_other_tutorial(
                name,
                make,
                torch.tensor(recorded.tutorial_input(), dtype=dtype),
                tensors(recorded.tutorial_states(), dtype),
                torch.stack,
            )
            assert [tuple(r.shape) for r in results] == shapes
            columns[f"{name}_{column}"] = flat([r.numpy() for r in results], dtype_name(dtype))
    save(recorded.file_of("tutorial", kind), **columns)


def dtype_name(dtype):
    """The NumPy name of a torch dtype."""
    return str(dtype).removeprefix("torch.")


def record_initial(name, cases):
    """Digests of freshly drawn parameters, and of the generator's state after the draw."""
    columns = {}
    for column, dtype in DTYPES.items():
        digests, states = [], []
        for kind, seed, options in cases:
            torch.manual_seed(seed)
            module = getattr(torch.nn, kind)(**options, dtype=dtype)
            values = [(key, value.numpy()) for key, value in module.state_dict().items()]
            digests.append(recorded.digest(values))
            states.append(recorded.digest([("state", torch.get_rng_state().numpy())]))
        columns[column] = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 16)
        columns[f"{column}_state"] = np.frombuffer(b"".join(states), np.uint8).reshape(-1, 16)
    save(name, **columns)


def record_accuracy(kind):
    """Mean square errors of torch's float32 layer and cell of a kind, [sizes, rows, seeds]."""
    shape = (
        len(recorded.ACCURACY_SIZES),
        len(recorded.ACCURACY_ROWS),
        len(recorded.ACCURACY_SEEDS),
    )
    names = ("lstm" if kind == "LSTM" else "layer"), "cell"
    errors = {name: np.empty(shape) for name in names}
    for index in np.ndindex(shape):
        input_size, hidden_size = recorded.ACCURACY_SIZES[index[0]]
        rows, seed = recorded.ACCURACY_ROWS[index[1]], recorded.ACCURACY_SEEDS[index[2]]
        torch.manual_seed(seed)
        layer, cell = (
            layer_of(kind, input_size, hidden_size),
            cell_of(kind, input_size, hidden_size),
        )
        cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
        x = torch.tensor(recorded.accuracy_input(seed, input_size, rows))
        results = layer(x), recorded.cell_loop(cell, x, torch.stack)
        truth = layer.double()(x.double())
        for name, result in zip(names, results, strict=True):
            errors[name][index] = recorded.mean_square(
                zip(recorded.judged(result), recorded.judged(truth), strict=True)
            )
    save(recorded.file_of("accuracy", kind), **{n: e.astype(np.float32) for n, e in errors.items()})


def record(kinds):
    """Everything of these kinds; initial parameters of all others are in one file."""
    for kind in kinds:
        record_options(kind)
        record_tutorial() if kind == "LSTM" else record_other_tutorial(kind)
        record_accuracy(kind)
    if "LSTM" in kinds:
        record_initial("initial", recorded.initial_cases())
    if {*kinds} - {"LSTM"}:
        record_initial("initial_others", recorded.other_initial_cases())


if __name__ == "__main__":
    if not torch.__version__.startswith("2.13.0"):
        sys.exit(f"torch 2.13.0 is the judge, this is {torch.__version__}")
    torch.set_num_threads(1)
    with torch.inference_mode():
        record(sys.argv[1:] or list(KINDS))
