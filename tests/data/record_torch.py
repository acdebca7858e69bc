"""Records what torch 2.13.0 computes: writes the .npz files beside this script.

Run with torch installed: python tests/data/record_torch.py
The cases and the layout of the files are in tests/recorded.py. The tests that read the files
need no torch.
"""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
import recorded

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def tensors(arrays, dtype):
    """Tensors of a tuple of arrays (None stays None)."""
    return arrays if arrays is None else tuple(torch.tensor(a, dtype=dtype) for a in arrays)


def save(name, **arrays):
    """Writes {name}.npz with the torch version beside the arrays."""
    path = recorded.DATA / f"{name}.npz"
    np.savez_compressed(path, torch_version=np.array(torch.__version__), **arrays)
    print(f"{path.name}: {path.stat().st_size} bytes")


def flat(results, dtype):
    """All results one behind the other, row-major."""
    return np.concatenate([np.asarray(r, dtype).ravel() for r in results])


def record_options():
    """Every option combination in float64 and float32, with the same exact weights and inputs."""
    columns = {}
    for name, dtype in DTYPES.items():
        results = []
        for case in recorded.option_cases():
            parameters, x, hx, shapes = recorded.option_arrays(*case)
            lstm = torch.nn.LSTM(**recorded.OPTION_SIZES, **case[0], dtype=dtype)
            lstm.load_state_dict({k: torch.tensor(v) for k, v in parameters.items()})
            out, (h, c) = lstm(torch.tensor(x, dtype=dtype), tensors(hx, dtype))
            assert [tuple(a.shape) for a in (out, h, c)] == list(shapes)
            results += [out.numpy(), h.numpy(), c.numpy()]
        columns[name] = flat(results, name)
    save("options", **columns)


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


def dtype_name(dtype):
    """The NumPy name of a torch dtype."""
    return str(dtype).removeprefix("torch.")


def record_initial():
    """Digests of freshly drawn parameters, and of the generator's state after the draw."""
    columns = {}
    for name, dtype in DTYPES.items():
        digests, states = [], []
        for kind, seed, options in recorded.initial_cases():
            torch.manual_seed(seed)
            module = getattr(torch.nn, kind)(**options, dtype=dtype)
            values = [(key, value.numpy()) for key, value in module.state_dict().items()]
            digests.append(recorded.digest(values))
            states.append(recorded.digest([("state", torch.get_rng_state().numpy())]))
        columns[name] = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 16)
        columns[f"{name}_state"] = np.frombuffer(b"".join(states), np.uint8).reshape(-1, 16)
    save("initial", **columns)


def record_accuracy():
    """Mean square errors of torch's float32 LSTM and LSTMCell, [sizes, rows, seeds]."""
    shape = (
        len(recorded.ACCURACY_SIZES),
        len(recorded.ACCURACY_ROWS),
        len(recorded.ACCURACY_SEEDS),
    )
    errors = {"lstm": np.empty(shape), "cell": np.empty(shape)}
    for index in np.ndindex(shape):
        input_size, hidden_size = recorded.ACCURACY_SIZES[index[0]]
        rows, seed = recorded.ACCURACY_ROWS[index[1]], recorded.ACCURACY_SEEDS[index[2]]
        torch.manual_seed(seed)
        lstm = torch.nn.LSTM(input_size, hidden_size)
        cell = torch.nn.LSTMCell(input_size, hidden_size)
        cell.load_state_dict({k.removesuffix("_l0"): v for k, v in lstm.state_dict().items()})
        x = torch.tensor(recorded.accuracy_input(seed, input_size, rows))
        out, (_, c) = lstm(x)
        hx, cell_outputs = None, []
        for xt in x:
            hx = cell(xt, hx)
            cell_outputs.append(hx[0])
        truth, (_, truth_c) = lstm.double()(x.double())
        truth, truth_c = truth.numpy(), truth_c[0].numpy()
        errors["lstm"][index] = recorded.mean_square([(out, truth), (c[0], truth_c)])
        errors["cell"][index] = recorded.mean_square(
            [(torch.stack(cell_outputs), truth), (hx[1], truth_c)]
        )
    save("accuracy", **{name: e.astype(np.float32) for name, e in errors.items()})


if __name__ == "__main__":
    if not torch.__version__.startswith("2.13.0"):
        sys.exit(f"torch 2.13.0 is the judge, this is {torch.__version__}")
    torch.set_num_threads(1)
    with torch.inference_mode():
        record_options()
        record_tutorial()
        record_initial()
        record_accuracy()
