"""``verify --weights``: the modules of a file beside their copies with smaller weights."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import pylstm

from ..files.base.errors import printable
from ..files.base.tensor import Tensor
from ..files.flat import NoSuchPrefix, flat_view
from ..files.load import load
from ..weights.build import build
from ..weights.storages import STORAGES, storage_of
from .compare import BATCH, SEED, STEPS, WeightsComparison, compare_weights, linear_of, random_input
from .output import Failure, counted, print_table

if TYPE_CHECKING:
    from ..files.open import WeightFile
    from ..weights.found import FoundRecurrent
    from ..weights.survey import Candidate
    from .reference import Array, Module

    Head = tuple[Array, Array | None]

_MOST = 1_000_000  # steps or sequences of random numbers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --weights and what belongs to it."""
    group = parser.add_argument_group("smaller weights")
    group.add_argument(
        "--weights",
        metavar="W",
        help="compare the float32 module with smaller weights, not with another library: one or "
        f"several of {', '.join(STORAGES)}, separated by commas",
    )
    group.add_argument(
        "--input",
        metavar="X.npy",
        help="the input of the module, an array in the axes that the module takes; random numbers "
        "without it",
    )
    group.add_argument(
        "--head",
        metavar="NAME",
        help="a Linear of the file that takes the output: count the decisions (largest results) "
        "that change",
    )
    for name, default, what in (
        ("--seed", SEED, "seed of the random input"),
        ("--steps", STEPS, "steps of the random input"),
        ("--batch", BATCH, "sequences of the random input"),
    ):
        group.add_argument(name, type=int, metavar="N", help=f"{what}; {default} without it")


@dataclass(frozen=True)
class Given:
    """What the options of ``--weights`` say.

    Attributes
    ----------
    storages : list of str
    name : str or None
        The file of the input.
    x : ndarray or None
        The input; None where random numbers are wanted.
    numbers : tuple of int
        Seed, steps and sequences of these.
    head : tuple of ndarray or None
        Weight and bias.
    """

    storages: list[str]
    name: str | None
    x: Array | None
    numbers: tuple[int, int, int]
    head: Head | None


def refuse_without_weights(arguments: argparse.Namespace) -> None:
    """Raise if an option is given that belongs to ``--weights``, or ``--against`` beside it."""
    if arguments.weights is None:
        for name in ("input", "head", "seed", "steps", "batch"):
            if getattr(arguments, name) is not None:
                raise Failure(f"--{name} belongs to --weights, which is not given")
    elif arguments.against is not None:
        raise Failure(
            "--weights compares with the float32 module and --against with another library: "
            "give one of them"
        )


def run(
    arguments: argparse.Namespace, file: WeightFile, candidates: Sequence[Candidate], label: str
) -> bool:
    """Compare each module with each storage; return whether all of them could be had."""
    given = _read_options(arguments, file)
    _check_fit(candidates, given)
    _explain(label, given, arguments)
    fine = True
    for candidate in candidates:
        fine &= _judge(candidate, given)
    return fine


def _read_options(arguments: argparse.Namespace, file: WeightFile) -> Given:
    """Return what the options say; raise where one of them cannot be."""
    storages = list(dict.fromkeys(arguments.weights.split(",")))
    for name in storages:
        try:
            storage_of(name)
        except ValueError as error:
            raise Failure(f"--{error}") from None
    numbers = []
    for name, default, least in (("seed", SEED, 0), ("steps", STEPS, 1), ("batch", BATCH, 1)):
        number = getattr(arguments, name)
        if number is not None and arguments.input is not None:
            raise Failure(f"--{name} is of the random input, and --input gives another one")
        if number is not None and not least <= number <= _MOST:
            raise Failure(f"--{name} must be between {least} and {_MOST:,}, got {number}")
        numbers.append(default if number is None else number)
    x = None if arguments.input is None else _read_input(arguments.input)
    head = None if arguments.head is None else _read_head(arguments.head, file)
    return Given(storages, arguments.input, x, (numbers[0], numbers[1], numbers[2]), head)


def _read_input(path: str) -> Array:
    """Return the array of a file."""
    x = load(path)
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "fiu":
        raise Failure(f"{path} holds no single array of real numbers: numpy.save writes one")
    if x.ndim not in (2, 3) or not x.size:
        raise Failure(
            f"{path} has shape {x.shape}: expected steps, sequences, features, or steps, features"
        )
    return x


def _read_head(name: str, file: WeightFile) -> Head:
    """Return the weight and the bias of a Linear in a file, by its prefix or its weight's name."""
    try:
        arrays = flat_view(file, name.removesuffix("."))
        names = "weight", "bias"
    except NoSuchPrefix as error:
        arrays = flat_view(file)
        if name not in arrays:
            raise Failure(f"--head: {error}; see `inspect`", code=1) from None
        names = name, f"{name.removesuffix('weight')}bias" if name.endswith("weight") else ""
    weight, bias = (_values_of(arrays.get(each)) for each in names)
    if weight is None:
        held = ", ".join(f"{each!r:.100}" for each in list(arrays)[:5])
        raise Failure(f"--head {name} is no Linear: it has no weight, but {held}", code=1)
    if weight.ndim != 2 or weight.dtype.kind != "f":
        raise Failure(
            f"--head {name} is no Linear: its weight is {weight.dtype} {weight.shape}, "
            "expected floats (classes, features)",
            code=1,
        )
    return weight, bias


def _values_of(value: Any) -> Any:
    return value.read() if isinstance(value, Tensor) else value


def _explain(file: str, given: Given, arguments: argparse.Namespace) -> None:
    """Say what is compared, and what the columns mean."""
    seed, steps, batch = given.numbers
    print(f"Run: the layers and cells of {file}, with their float32 weights and with smaller ones.")
    if given.x is None:
        print(f"Input: standard normal random numbers from seed {seed},", end=" ")
        print(f"{counted(steps, 'step')} of {counted(batch, 'sequence')}.")
    else:
        print(f"Input: {printable(arguments.input)}, {given.x.dtype} {given.x.shape}.")
    print("Errors: of h of the last layer, at every step, against the float32 module.")
    print("rms: root mean square of the errors; relative: rms over that of the output itself;")
    print("  largest: the largest error of an element.")
    if given.head is not None:
        name = printable(arguments.head)
        print(f"changed: how many decisions differ; the largest result of {name} at a step of a")
        print("  sequence is one decision.")
    print("parameters: their bytes as stored; file: the bytes of a safetensors file of them.")
    print(
        "time: the least time of a call, over interleaved rounds, in microseconds; speed: that of"
    )
    print(f"  the float32 module over it, in the same rounds. Threads: {pylstm.get_num_threads()}.")


def _check_fit(candidates: Sequence[Candidate], given: Given) -> None:
    """Raise if the input or the head does not fit all modules."""
    for candidate in candidates:
        found = candidate.found
        name = printable(found.prefix) or "(root)"
        choice = "; choose with --prefix" if len(candidates) > 1 else ""
        if given.x is not None and given.x.shape[-1] != found.input_size:
            raise Failure(
                f"{given.name} has {given.x.shape[-1]} features, and {name} takes "
                f"{found.input_size}{choice}",
                code=1,
            )
        if given.head is not None:
            features = (found.proj_size or found.hidden_size) * (1 + found.bidirectional)
            try:
                linear_of(given.head, features)
            except ValueError as error:
                raise Failure(f"{name}: {error}{choice}", code=1) from None


def _judge(candidate: Candidate, given: Given) -> bool:
    """Print how one module does with each storage; return whether all of them could be had."""
    found = candidate.found
    cls = getattr(pylstm, found.kind)
    module: Module = build(cls, candidate, {"dtype": "float32"}).eval()
    print(f"\n{printable(found.prefix) or '(root)'}: {module!r}, {module._native_dtype}")
    if found.dtype == np.float64:
        print("  float64 in the file, rounded to float32: smaller weights are made of float32")
    if found.weights is not None:
        print(f"  {found.weights} in the file: the float32 weights are what these stand for")
    x = random_input(module, *given.numbers) if given.x is None else given.x
    hx = _initial_states(module, found, x)
    if hx is not None:
        print("  initial states: those of the file; zeros for the sequences that it has none for")
    if found.assumed:
        assumed = ", ".join(f"{name}={value}" for name, value in found.assumed.items())
        print(f"  assumed: {printable(assumed)}")
    comparisons, problems = [], []
    for name in given.storages:
        try:
            comparisons.append(compare_weights(module, name, x, hx, head=given.head))
        except ValueError as error:
            problems.append(f"  {name}: {printable(str(error))}")
    if comparisons:
        _print_comparisons(comparisons)
    for problem in problems:
        print(problem)
    return not problems


def _initial_states(module: Module, found: FoundRecurrent, x: Array) -> Any:
    """Return the states that the file has, for as many sequences as the input has."""
    given = found.initial_states
    if given is None:
        return None
    batch_axis = 0 if getattr(module, "batch_first", False) else 1
    count = x.shape[batch_axis] if x.ndim == 3 else 1
    made = []
    for state in given if isinstance(given, tuple) else (given,):
        whole = np.zeros((len(state), count, state.shape[2]), np.float32)
        # One state is that of all sequences.
        whole[:, : state.shape[1] if state.shape[1] > 1 else count] = state[:, :count]
        whole = whole if x.ndim == 3 else whole[:, 0]
        made.append(whole if hasattr(module, "num_layers") else whole[0])
    return tuple(made) if isinstance(given, tuple) else made[0]


def _print_comparisons(comparisons: Sequence[WeightsComparison]) -> None:
    """Print a line for the float32 module and one for each storage."""
    first = comparisons[0]
    columns = "rms relative largest changed parameters file time speed"
    if not first.decisions:
        columns = columns.replace("changed ", "")
    seconds = min(each.seconds[0] for each in comparisons)
    float32 = ["float32", *"-" * (4 if first.decisions else 3)]
    float32 += [f"{first.nbytes[0]:,}", f"{first.file_nbytes[0]:,}", _microseconds(seconds), "1.00"]
    rows = [float32]
    for each in comparisons:
        cells = [each.weights, f"{each.rms:.2e}", f"{each.relative:.2e}", f"{each.largest:.2e}"]
        cells += [f"{each.changed:,}"] if first.decisions else []
        cells += [f"{each.nbytes[1]:,}", f"{each.file_nbytes[1]:,}"]
        rows.append([*cells, _microseconds(each.seconds[1]), f"{each.speed:.2f}"])
    print(f"  root mean square of the output: {first.size:.2e}", end="")
    print(f"; decisions: {first.decisions:,}" if first.decisions else "")
    print_table(["weights", *columns.split()], lambda: rows, numbers=columns)
    for each in comparisons:
        if each.not_finite:
            elements = counted(each.not_finite, "element")
            print(f"  {each.weights}: {elements} not finite in one of the outputs, not counted")


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:,.1f}"
