"""List the LSTMs and all tensors of a weight file; nothing but its description is read."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from ..files.errors import printable
from ..files.formats import open_weights
from ..find import survey
from .listing import Entry, tensors
from .output import MAX_COLUMN, counted, print_table

if TYPE_CHECKING:
    from ..files.formats import WeightFile
    from ..find import FoundLSTM, Survey


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add FILE and --json."""
    parser.add_argument("file", metavar="FILE", help="a weight file of any supported format")
    parser.add_argument("--json", action="store_true", help="print JSON, each tensor on a line")


def run(arguments: argparse.Namespace) -> int:
    """Print the LSTMs, what only looks like one, and the tensors."""
    with open_weights(arguments.file) as file:
        report = survey(file.tree, file.name)
        (print_json if arguments.json else print_text)(file, report)
    return 0


def print_text(file: WeightFile, report: Survey) -> None:
    """Print tables for people."""
    print(f"{printable(file.name)}: {file.format}, {counted(file.size, 'byte')}")
    for name, value in file.metadata.items():
        print(f"  {printable(name)[:MAX_COLUMN]}: {printable(value)[:MAX_COLUMN]}")
    print()
    if report.candidates:
        print("LSTMs")
        headers = ("prefix", "kind", "input", "hidden", "layers", "directions")
        print_table(
            (*headers, "projection", "bias", "dtype", "parameters"),
            lambda: (_lstm_row(candidate.found) for candidate in report.candidates),
            numbers="input hidden layers directions projection parameters",
        )
    else:
        print("No LSTM that pylstm can run.")
    if report.near_misses:
        print("\nNot LSTMs that pylstm can run")
        print_table(
            ("prefix", "kind", "reason"),
            lambda: (
                (_shown(miss.prefix), printable(miss.kind), printable(miss.reason))
                for miss in report.near_misses
            ),
        )
    count = total = 0
    for entry in tensors(file):
        count, total = count + 1, total + entry.nbytes
    print(f"\n{counted(count, 'tensor')}, {counted(total, 'byte')}")
    if count:
        print_table(
            ("name", "dtype", "shape", "bytes"),
            lambda: (_tensor_row(entry) for entry in tensors(file)),
            numbers="bytes",
        )


def _shown(path: str) -> str:
    return printable(path) or "(root)"


def _lstm_row(found: FoundLSTM) -> tuple[str, ...]:
    return (
        _shown(found.prefix),
        found.kind,
        str(found.input_size),
        str(found.hidden_size),
        str(found.num_layers),
        str(1 + found.bidirectional),
        str(found.proj_size or "-"),
        "yes" if found.bias else "no",
        str(found.dtype),
        f"{found.num_parameters:,}",
    )


def _tensor_row(entry: Entry) -> tuple[str, ...]:
    return _shown(entry.name()), entry.dtype, str(entry.shape), f"{entry.nbytes:,}"


def print_json(file: WeightFile, report: Survey) -> None:
    """Print one JSON object, piece by piece: there may be millions of tensors."""
    fields: dict[str, Any] = {"file": file.name, "format": file.format, "size": file.size}
    fields["metadata"] = file.metadata
    lists = {
        "lstms": (_json_lstm(candidate.found) for candidate in report.candidates),
        "near_misses": (vars(miss) for miss in report.near_misses),
        "tensors": map(_json_tensor, tensors(file)),
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


def _json_lstm(found: FoundLSTM) -> dict[str, Any]:
    return vars(found) | {"dtype": str(found.dtype)}


def _json_tensor(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name(),
        "dtype": entry.dtype,
        "shape": entry.shape,
        "bytes": entry.nbytes,
    }
