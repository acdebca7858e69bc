"""Compare the modules of a file with torch, onnxruntime and float64, or with smaller weights.

With ``--weights`` they run beside their copies with smaller weights instead: ``smaller``.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np

import pylstm

from ..files.base.errors import printable
from ..files.open import open_weights
from ..weights.build import build, ends_with, fitting
from ..weights.survey import survey
from . import smaller
from .output import Failure, print_table
from .peers import PEERS, CannotRun, Peer, find_peer, run_cell, run_layer
from .reference import directions_of, kind_of_module, layers_of, run_reference
from .words import common_name

if TYPE_CHECKING:
    from ..weights.found import FoundRecurrent, NearMiss
    from ..weights.survey import Candidate
    from .reference import Array, Module, Results

    Inputs = tuple[Array, ...]
    Comparison = tuple[str, Results, str, Results, float]

SEED = 0
STEPS, ROWS = 20, 3

# How far two correct libraries may be apart, in roundings of an element, or of the root mean square
# of its array if that is larger: 1.2e-4 of it in float32. Rounding alone makes 1 to 25, more where
# weights carry an early one through all steps; gates in another order make more than 1,000 with
# weights near 1e-4, and more than 50,000 with weights from 0.01 on (tests/test_verify.py).
ROUNDINGS = 1000

# A rounding of the inputs that grows so much in exact arithmetic leaves no library a chance.
_TELLING = ROUNDINGS / 10

_MAX_LISTED = 20  # near misses; a file may hold thousands


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add FILE, --prefix, --against, and --weights with its options."""
    parser.add_argument("file", metavar="FILE", help="a weight file of any supported format")
    parser.add_argument("--prefix", metavar="P", help="which module; all of them without it")
    parser.add_argument(
        "--against",
        choices=PEERS,
        help="the library to compare with; without it, the first that is installed",
    )
    smaller.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare every layer and cell that was asked for."""
    smaller.refuse_without_weights(arguments)
    fine = True
    with open_weights(arguments.file) as file:
        report = survey(file.tree, file.name)
        candidates = fitting(report, arguments.prefix, one=False)
        kind = common_name(report.candidates, report.near_misses)
        if not candidates:
            which = "" if arguments.prefix is None else f" with prefix {arguments.prefix!r}"
            alone = not report.candidates
            print_near_misses(report.near_misses, None if alone else arguments.prefix)
            raise Failure(f"{file.name} holds no {kind}{which}; see `inspect`", code=1)
        label = f"{printable(file.name)} ({file.format})"
        if arguments.weights is not None:
            fine = smaller.run(arguments, file, candidates, label)
        else:
            peer = find_peer(arguments.against)
            explain(label, peer, common_name(candidates))
            for candidate in candidates:
                fine &= verify(candidate, peer, insist=arguments.against is not None)
        print_near_misses(report.near_misses, arguments.prefix)
    return 0 if fine else 1


def explain(file: str, peer: Peer | None, kind: str) -> None:
    """Say what is compared, and what the numbers mean."""
    which, own, equations = "LSTMs and cells", "LSTM", "an LSTM"
    if kind != "LSTM":
        which, own, equations = "layers and cells", "module", "each kind"
    names = f"Neither {' nor '.join(PEERS)} is installed: float64 NumPy alone must do."
    if peer is not None:
        names = (
            f"Compared with: {peer.name}, its own {own} with the same weights, inputs and dtype."
        )
    single, double = (f"{ROUNDINGS * np.finfo(d).eps:.1e}" for d in ("float32", "float64"))
    print(f"Run: the {which} of {file}, with the weights of the file.")
    print(
        f"Reference: float64 NumPy, which is the equations of {equations}, step by step in double"
    )
    print("  precision, with the same weights and inputs.")
    print(names)
    print(f"Inputs and states: random numbers between -1 and 1 from seed {SEED},", end=" ")
    print(f"{STEPS} steps of {ROWS} sequences.")
    print("difference: the largest in an array.")
    print("ulp: the largest difference in units of the last place of the element, or of the root")
    print("  mean square of the array where the element is smaller, so that elements near zero")
    print("  count like all others.")
    if peer is not None and peer.coarsest:
        print(f"  Beside {peer.name}, whose sigmoid has an absolute error near 1e-7, sizes below")
        print(f"  {peer.coarsest:g} count as {peer.coarsest:g}.")
    print(f"Tolerance: {ROUNDINGS} roundings of that size,", end=" ")
    print(f"{single} of it in float32 and {double} in float64.")
    print("  Rounding makes some ten; a wrong order of gates, layers or directions makes thousands")
    print("  to millions.")


def print_near_misses(
    near_misses: list[NearMiss], prefix: str | None, *, told: str = "not run", file: Any = None
) -> None:
    """Name what looks like an LSTM below a prefix, and was not run."""
    chosen = [miss for miss in near_misses if prefix is None or ends_with(miss.prefix, prefix)]
    if chosen:
        print(file=file)
    for miss in chosen[:_MAX_LISTED]:
        name = printable(miss.prefix) or "(root)"
        print(f"{told}: {name}: {printable(miss.kind)} ({printable(miss.reason)})", file=file)
    if len(chosen) > _MAX_LISTED:
        print(f"{told}: {len(chosen) - _MAX_LISTED} more; see `inspect`", file=file)


def verify(candidate: Candidate, peer: Peer | None, insist: bool) -> bool:
    """Print how one module of the file does; return whether it is within tolerance.

    Parameters
    ----------
    candidate : Candidate
    peer : Peer or None
    insist : bool
        Whether a module that the peer cannot run counts as a failure.
    """
    found = candidate.found
    module: Module = build(getattr(pylstm, found.kind), candidate, {})
    module.eval()
    print(f"\n{printable(found.prefix) or '(root)'}: {module!r}, {module._native_dtype}")
    inputs = make_inputs(module, found.initial_states)
    ours = run_pylstm(module, *inputs)
    exact = run_reference(module, *inputs)
    comparisons: list[Comparison] = [("pylstm", ours, "float64 NumPy", exact, 0.0)]
    ran = peer is None
    if peer is not None:
        try:
            theirs = peer.run(module, *inputs)
        except CannotRun as error:
            print(f"  {peer.name} cannot run it: {error}")
        else:
            ran = True
            comparisons.append(("pylstm", ours, peer.name, theirs, peer.coarsest))
            comparisons.append((peer.name, theirs, "float64 NumPy", exact, peer.coarsest))
    fine = print_comparisons(comparisons, module._native_dtype)
    print_assumptions(found)
    print_verdict(fine, module, inputs, exact)
    return fine and (ran or not insist)


def print_comparisons(comparisons: list[Comparison], dtype: np.dtype[Any]) -> bool:
    """Print a line per comparison and array; return whether those of pylstm are tolerable."""
    rows, fine = [], True
    for one, results, other, references, coarsest in comparisons:
        names = ("output", "h_n", "c_n")[: len(results)]
        for array, result, reference in zip(names, results, references, strict=True):
            difference, ulp, tolerable = compare(result, reference, dtype, coarsest)
            rows.append((one, other, array, f"{difference:.2e}", f"{ulp:.1f}"))
            fine &= tolerable or one != "pylstm"
    headers = ("results of", "against", "array", "difference", "ulp")
    print_table(headers, lambda: rows, numbers="difference ulp")
    return fine


def print_assumptions(found: FoundRecurrent) -> None:
    """Say what the file leaves open, and what of it is not run as it stands there."""
    if found.assumed:
        assumed = ", ".join(f"{name}={value}" for name, value in found.assumed.items())
        print(f"  assumed: {printable(assumed)}")
    if found.initial_states is not None:
        print("  initial states: the first sequences begin with those of the file")
    if found.weights is not None:
        print(f"  {found.weights} in the file: run with the float32 weights that these stand for")


def print_verdict(fine: bool, module: Module, inputs: Inputs, exact: Results) -> None:
    """Print whether all is within the tolerance; if not, whether rounding may be the cause."""
    dtype = module._native_dtype
    tolerance = f"{ROUNDINGS * np.finfo(dtype).eps:.1e}"
    print(f"  {'Within' if fine else 'NOT within'} the tolerance of {tolerance}.")
    if fine:
        return
    nudged = run_reference(module, *(np.nextafter(array, 2).astype(dtype) for array in inputs))
    growth = max(compare(one, other, dtype)[1] for one, other in zip(nudged, exact, strict=True))
    if growth > _TELLING:
        print(
            f"  These weights let one rounding of the inputs grow to {growth:.0f} ulp in exact "
            "arithmetic:\n  no two libraries can agree on them."
        )


def make_inputs(module: Module, initial_states: Any = None) -> Inputs:
    """Return x (T, N, I) and the states h_0, c_0 in the module's dtype, between -1 and 1.

    The first sequences begin with ``initial_states``, if there are any.
    """
    depth = layers_of(module) * directions_of(module)
    hidden_out = getattr(module, "proj_size", 0) or module.hidden_size
    random = np.random.default_rng(SEED)
    shapes = [(STEPS, ROWS, module.input_size), (depth, ROWS, hidden_out)]
    if len(kind_of_module(module).states) > 1:
        shapes.append((depth, ROWS, module.hidden_size))
    x, *states = (random.uniform(-1, 1, shape).astype(module._native_dtype) for shape in shapes)
    begin = initial_states if isinstance(initial_states, tuple) else (initial_states,)
    for state, given in zip(states, begin, strict=False):
        if given is not None:
            count = min(ROWS, given.shape[1])
            state[:, :count] = given[:, :count]
    return x, *states


def run_pylstm(module: Module, x: Array, *states: Array) -> Results:
    """Run the module itself, as its options say; see ``reference.run_reference`` for the shapes."""
    if not hasattr(module, "num_layers"):
        outputs, *last = run_cell(module, x, states)
        return np.stack(outputs), *last
    if not module.batch_first:
        return run_layer(module, x, states)
    output, *last = run_layer(module, x.swapaxes(0, 1), states)
    return output.swapaxes(0, 1), *last


def compare(
    result: Array, reference: Array, dtype: np.dtype[Any], coarsest: float = 0.0
) -> tuple[float, float, bool]:
    """Return the largest difference, the largest in ulp, and whether all are tolerable.

    A difference is measured by the value it belongs to, or by the root mean square of the array, or
    by ``coarsest``, whichever is largest. Two NaNs count as equal.
    """
    a, b = result.astype(np.float64), reference.astype(np.float64)
    limits = np.finfo(dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        equal = (a == b) | (np.isnan(a) & np.isnan(b))
        difference = np.where(equal, 0.0, np.abs(a - b))
        difference[np.isnan(difference)] = np.inf
        least = max(root_mean_square(b), coarsest, float(limits.tiny))
        size = np.maximum(np.abs(b), least)
        units = np.spacing(size.astype(dtype)).astype(np.float64)
        ulp = np.where(equal, 0.0, difference / np.where(np.isfinite(units), units, 1.0))
        allowed = ROUNDINGS * float(limits.eps) * size
    within = equal | (np.isfinite(difference) & (difference <= allowed))
    return float(difference.max()), float(ulp.max()), bool(within.all())


def root_mean_square(array: Array) -> float:
    """Return that of the finite elements, without overflow; 0 of none."""
    finite = np.abs(array[np.isfinite(array)])
    largest = float(finite.max(initial=0.0))
    if largest == 0.0:
        return 0.0
    return largest * float(np.sqrt(np.mean((finite / largest) ** 2)))
