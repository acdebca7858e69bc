"""Run the LSTMs of a file beside torch or onnxruntime and in float64, and compare."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np

import pylstm

from ..files.errors import printable
from ..files.formats import open_weights
from ..find import survey
from ..from_weights import build, fitting
from .output import Failure, print_table
from .peers import PEERS, CannotRun, Peer, find_peer, run_cell
from .twin import run_twin

if TYPE_CHECKING:
    from ..find import Candidate
    from .twin import Array, Module, Results

SEED = 0
STEPS, ROWS = 20, 3

# How far two correct libraries may be apart, in roundings of 1, or of the value if that is larger:
# 1e-4 in float32. Trained weights carry an early rounding through all steps; a wrong gate, layout
# or layer is off by a hundred times that.
ROUNDINGS = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add FILE, --prefix and --against."""
    parser.add_argument("file", metavar="FILE", help="a weight file of any supported format")
    parser.add_argument("--prefix", metavar="P", help="which LSTM; all of them without it")
    parser.add_argument(
        "--against",
        choices=PEERS,
        help="the library to compare with; without it, the first that is installed",
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare every LSTM and cell that was asked for."""
    fine = True
    with open_weights(arguments.file) as file:
        candidates = fitting(survey(file.tree, file.name).candidates, arguments.prefix)
        if not candidates:
            which = "" if arguments.prefix is None else f" with prefix {arguments.prefix!r}"
            raise Failure(f"{file.name} holds no LSTM{which}; see `inspect`", code=1)
        peer = find_peer(arguments.against)
        if peer is None:
            print(f"Neither {' nor '.join(PEERS)} is installed: float64 NumPy alone must do.")
        print(f"Inputs and states are random, from seed {SEED}: {STEPS} steps of {ROWS} sequences.")
        print("Of all elements the largest difference is given, and the largest in units of the")
        print("last place (ulp) of the element, which are small where the element is.")
        for candidate in candidates:
            fine &= verify(candidate, peer, insist=arguments.against is not None)
    return 0 if fine else 1


def verify(candidate: Candidate, peer: Peer | None, insist: bool) -> bool:
    """Print how one module of the file does; return whether it is within tolerance.

    Parameters
    ----------
    candidate : Candidate
    peer : Peer or None
    insist : bool
        Whether a module that the peer cannot run counts as a failure.
    """
    module: Module = build(getattr(pylstm, candidate.found.kind), candidate, {})
    module.eval()
    print(f"\n{printable(candidate.found.prefix) or '(root)'}: {module!r}, {module._dtype}")
    x, h_0, c_0 = make_inputs(module)
    ours = run_pylstm(module, x, h_0, c_0)
    exact = run_twin(module, x, h_0, c_0)
    comparisons = [("pylstm", ours, "float64 NumPy", exact)]
    ran = peer is None
    if peer is not None:
        try:
            theirs = peer.run(module, x, h_0, c_0)
        except CannotRun as error:
            print(f"  {peer.name} cannot run it: {error}")
        else:
            ran = True
            comparisons.append(("pylstm", ours, peer.name, theirs))
            comparisons.append((peer.name, theirs, "float64 NumPy", exact))
    return print_comparisons(comparisons, module._dtype) and (ran or not insist)


def print_comparisons(
    comparisons: list[tuple[str, Results, str, Results]], dtype: np.dtype[Any]
) -> bool:
    """Print a line per comparison and array; return whether those of pylstm are tolerable."""
    rows, fine = [], True
    for one, results, other, references in comparisons:
        for array, result, reference in zip(
            ("output", "h_n", "c_n"), results, references, strict=True
        ):
            difference, ulp, tolerable = compare(result, reference, dtype)
            rows.append((one, other, array, f"{difference:.2e}", f"{ulp:.1f}"))
            fine &= tolerable or one != "pylstm"
    headers = ("results of", "against", "array", "difference", "ulp")
    print_table(headers, lambda: rows, numbers="difference ulp")
    tolerance = f"{ROUNDINGS * np.finfo(dtype).eps:.1e}"
    print(f"  {'Within' if fine else 'NOT within'} the tolerance of {tolerance}.")
    return fine


def make_inputs(module: Module) -> tuple[Array, Array, Array]:
    """Return x (T, N, I), h_0 and c_0 in the module's dtype, between -1 and 1."""
    depth = getattr(module, "num_layers", 1) * (1 + bool(getattr(module, "bidirectional", False)))
    hidden_out = getattr(module, "proj_size", 0) or module.hidden_size
    random = np.random.default_rng(SEED)
    shapes = (
        (STEPS, ROWS, module.input_size),
        (depth, ROWS, hidden_out),
        (depth, ROWS, module.hidden_size),
    )
    x, h_0, c_0 = (random.uniform(-1, 1, shape).astype(module._dtype) for shape in shapes)
    return x, h_0, c_0


def run_pylstm(module: Module, x: Array, h_0: Array, c_0: Array) -> Results:
    """Run the module itself, as its options say; see ``twin.run_twin`` for the shapes."""
    if isinstance(module, pylstm.LSTMCell):
        outputs, h_n, c_n = run_cell(module, x, h_0, c_0)
        return np.stack(outputs), h_n, c_n
    if not module.batch_first:
        output, (h_n, c_n) = module(x, (h_0, c_0))
        return output, h_n, c_n
    output, (h_n, c_n) = module(x.swapaxes(0, 1), (h_0, c_0))
    return output.swapaxes(0, 1), h_n, c_n


def compare(result: Array, reference: Array, dtype: np.dtype[Any]) -> tuple[float, float, bool]:
    """Return the largest difference, the same in ulp of each value, and whether all are tolerable.

    Two NaNs count as equal.
    """
    a, b = result.astype(np.float64), reference.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        equal = (a == b) | (np.isnan(a) & np.isnan(b))
        difference = np.where(equal, 0.0, np.abs(a - b))
        difference[np.isnan(difference)] = np.inf
        units = np.spacing(np.abs(b).astype(dtype)).astype(np.float64)
        ulp = np.where(equal, 0.0, difference / np.where(np.isnan(units), 1.0, units))
        allowed = ROUNDINGS * np.finfo(dtype).eps * np.maximum(np.abs(b), 1.0)
    within = equal | (np.isfinite(difference) & (difference <= allowed))
    return float(difference.max()), float(ulp.max()), bool(within.all())
