"""List the recurrent modules and all tensors of a weight file, of which nothing is read."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files.base.errors import printable
from ..files.flat import NoSuchPrefix
from ..files.open import open_weights
from ..weights.kinds import LSTM, kind_of
from ..weights.survey import survey
from ..weights.values import stored_in
from .listing import Listing, Row, stored_dtype, without_wrappers
from .output import MAX_COLUMN, Failure, counted, print_table
from .words import common_name

if TYPE_CHECKING:
    from ..files.open import WeightFile
    from ..weights.found import FoundRecurrent
    from ..weights.survey import Candidate, Survey


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add FILE, --prefix, --optimizer, --no-optimizer and --json."""
    parser.add_argument("file", metavar="FILE", help="a weight file of any supported format")
    parser.add_argument("--prefix", metavar="P", default="", help="list only what is below P")
    parser.add_argument(
        "--optimizer",
        action=argparse.BooleanOptionalAction,
        help="list the tensors of an optimiser's state as well, or leave them out; without "
        "either, text counts them in one line and JSON lists them",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, each tensor on a line")


def run(arguments: argparse.Namespace) -> int:
    """Print the layers and cells, what only looks like one, and the tensors."""
    with open_weights(arguments.file) as file:
        report = survey(file.tree, file.name)
        print_report = print_json if arguments.json else print_text
        print_report(file, report, arguments.prefix, arguments.optimizer)
    return 0


class Shown:
    """What is printed of a file.

    Parameters
    ----------
    file : WeightFile
    report : Survey
    prefix : str
        Only what is below it.

    Attributes
    ----------
    candidates : list of Candidate
    near_misses : list of NearMiss
    listing : Listing
    """

    def __init__(self, file: WeightFile, report: Survey, prefix: str) -> None:
        self.candidates = report.candidates
        self.near_misses = report.near_misses
        try:
            self.listing = Listing(file, prefix)
        except NoSuchPrefix as error:
            # What pylstm cannot run may have no arrays here: a layer of Keras, a node of ONNX.
            self.listing = Listing(file, prefix, empty=True)
            self._keep(set())
            if not self.near_misses:
                raise Failure(str(error), code=1) from None
        else:
            if prefix:
                self._keep({id(row.value) for row in self.listing})

    def _keep(self, values: set[int]) -> None:
        """Keep the modules that have a parameter among ``values``, and those below the prefix."""
        self.candidates = [
            candidate
            for candidate in self.candidates
            if not values.isdisjoint(map(id, map(stored_in, candidate.parameters.values())))
        ]
        root = without_wrappers(".".join(self.listing.root))
        self.near_misses = [
            miss for miss in self.near_misses if without_wrappers(miss.prefix)[: len(root)] == root
        ]


def print_text(
    file: WeightFile, report: Survey, prefix: str = "", optimizer: bool | None = None
) -> None:
    """Print tables for people."""
    shown = Shown(file, report, prefix)
    print(f"{printable(file.name)}: {file.format}, {counted(file.size, 'byte')}")
    for name, value in file.metadata.items():
        print(f"  {printable(name)[:MAX_COLUMN]}: {printable(value)[:MAX_COLUMN]}")
    print()
    kind = common_name(shown.candidates, shown.near_misses)
    _print_modules(shown.candidates, kind)
    if shown.near_misses:
        print(f"\nNot {kind}s that pylstm can run")
        print_table(
            ("prefix", "kind", "reason"),
            lambda: (
                (_shown(miss.prefix), printable(miss.kind), printable(miss.reason))
                for miss in shown.near_misses
            ),
        )
    if shown.listing.unreadable:
        print("\nArrays that cannot be read")
        print_table(
            ("name", "reason"),
            lambda: (
                (_shown(name), printable(reason)) for name, reason in shown.listing.unreadable
            ),
        )
    _print_tensors(shown.listing, optimizer)


def _print_modules(candidates: list[Candidate], kind: str) -> None:
    if not candidates:
        print(f"No {kind} that pylstm can run.")
        return
    print(f"{kind[0].upper()}{kind[1:]}s")
    headers = ["prefix", "kind", "input", "hidden", "layers", "directions"]
    headers += ["projection", "bias", "dtype", "parameters"]
    # What files of torch's LSTMs have not.
    has_options = any(_options(candidate.found) for candidate in candidates)
    headers += ["options"] if has_options else []
    print_table(
        tuple(headers),
        lambda: (_row(candidate)[: len(headers)] for candidate in candidates),
        numbers="input hidden layers directions projection parameters",
    )
    assumed = [candidate.found for candidate in candidates if candidate.found.assumed]
    if assumed:
        print("\nAssumed, since the file leaves it open: arguments of from_weights")
        print_table(
            ("prefix", "assumed"),
            lambda: (
                (_shown(found.prefix), ", ".join(f"{n}={v!r}" for n, v in found.assumed.items()))
                for found in assumed
            ),
        )
    changed = [candidate.found for candidate in candidates if candidate.found.computed]
    if changed:
        print("\nComputed from several arrays, or read under another name")
        print_table(
            ("prefix", "parameter", "of"),
            lambda: (
                (_shown(found.prefix), name, text)
                for found in changed
                for name, text in found.computed.items()
            ),
        )
    started = [
        (candidate.found.prefix, candidate.found.initial_states)
        for candidate in candidates
        if candidate.found.initial_states is not None
    ]
    if started:
        has_c = any(isinstance(states, tuple) for _, states in started)
        finder = "find_lstms" if kind == "LSTM" else "find_recurrent"
        print(f"\nInitial states in the file that are not zero: {finder} has them")
        print_table(
            ("prefix", "h_0", "c_0") if has_c else ("prefix", "h_0"),
            lambda: (
                (_shown(prefix), *(map(str, _shapes(states))), "-")[: 2 + has_c]
                for prefix, states in started
            ),
        )


def _print_tensors(listing: Listing, optimizer: bool | None) -> None:
    counts, sizes = [0, 0], [0, 0]  # of the others, of optimisers
    for row in listing:
        counts[row.is_optimizers] += 1
        sizes[row.is_optimizers] += row.nbytes
    if optimizer is None and counts[0] and counts[1]:
        print(
            f"\n{counted(counts[1], 'tensor')} of an optimiser, {counted(sizes[1], 'byte')}: "
            "--optimizer lists them"
        )
    # Where there is nothing else, an optimiser is what was asked for.
    listed = optimizer or (optimizer is None and not counts[0])
    count, size = (sum(counts), sum(sizes)) if listed else (counts[0], sizes[0])
    print(f"\n{counted(count, 'tensor')}, {counted(size, 'byte')}")
    if count:
        print_table(
            ("name", "dtype", "shape", "bytes"),
            lambda: (_tensor_row(row) for row in listing if listed or not row.is_optimizers),
            numbers="bytes",
        )


def _shown(path: str) -> str:
    return printable(path) or "(root)"


def _dtype(candidate: Candidate) -> str:
    """Return the dtypes that the parameters have in the file."""
    return "/".join(sorted({stored_dtype(value) for value in candidate.parameters.values()}))


def _shapes(states: Any) -> list[tuple[int, ...]]:
    """Return the shapes of initial states: of h_0, or of h_0 and c_0."""
    return [np.shape(state) for state in (states if isinstance(states, tuple) else (states,))]


def _options(found: FoundRecurrent) -> str:
    """Return what a module is made with beside its sizes, as arguments of from_weights."""
    told = dict(found.options)
    for name in ("nonlinearity", "merge_mode", "weights"):
        if getattr(found, name) is not None:
            told[name] = getattr(found, name)
    return ", ".join(f"{name}={value!r}" for name, value in told.items())


def _row(candidate: Candidate) -> tuple[str, ...]:
    found = candidate.found
    return (
        _shown(found.prefix),
        found.kind,
        str(found.input_size),
        str(found.hidden_size),
        str(found.num_layers),
        str(1 + found.bidirectional),
        str(found.proj_size or "-"),
        "yes" if found.bias else "no",
        _dtype(candidate),
        f"{found.num_parameters:,}",
        printable(_options(found)) or "-",
    )


def _tensor_row(row: Row) -> tuple[str, ...]:
    return _shown(row.name), row.dtype, str(row.shape), f"{row.nbytes:,}"


def print_json(
    file: WeightFile, report: Survey, prefix: str = "", optimizer: bool | None = None
) -> None:
    """Print one JSON object, piece by piece: there may be millions of tensors."""
    shown = Shown(file, report, prefix)
    fields: dict[str, Any] = {"file": file.name, "format": file.format, "size": file.size}
    fields["metadata"] = file.metadata
    rows = (row for row in shown.listing if optimizer is not False or not row.is_optimizers)
    lists: dict[str, Iterator[Any]] = {
        "lstms": map(_json, (each for each in shown.candidates if _is_lstm(each))),
        "recurrent": map(_json, shown.candidates),
        "near_misses": map(vars, shown.near_misses),
        "unreadable": (
            {"name": name, "reason": reason} for name, reason in shown.listing.unreadable
        ),
        "tensors": map(_json_tensor, rows),
    }
    print("{", end="")
    for name, value in fields.items():
        print(f"\n {json.dumps(name)}: {json.dumps(value)},", end="")
    for number, (name, values) in enumerate(lists.items()):
        print("," * bool(number) + f"\n {json.dumps(name)}: [", end="")
        for index, value in enumerate(values):
            print("," * bool(index) + f"\n  {json.dumps(value)}", end="")
        print("\n ]", end="")
    print("\n}")


def _is_lstm(candidate: Candidate) -> bool:
    return kind_of(candidate.found.kind) is LSTM


def _json(candidate: Candidate) -> dict[str, Any]:
    """Return the fields of a found module that say something; of its initial states the shapes."""
    found = candidate.found
    states = None if found.initial_states is None else _shapes(found.initial_states)
    return found._told() | {"dtype": _dtype(candidate), "initial_states": states}


def _json_tensor(row: Row) -> dict[str, Any]:
    told = {"name": row.name, "dtype": row.dtype, "shape": row.shape, "bytes": row.nbytes}
    return told | ({"optimizer": True} if row.is_optimizers else {})
