"""The tables of docs/torch-to-numpy.md: a torch expression and a NumPy one in each row.

Every row is evaluated with the arrays of the page's first block. What counts is its value and which
arrays it has changed.
"""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pages import DOCS, blocks_of

PAGE = DOCS / "torch-to-numpy.md"
RECORDED = Path(__file__).resolve().parent / "data" / "torch_to_numpy.json"
RANDOM = "## Random numbers"


class Row(NamedTuple):
    """A row of a table: both expressions, and whether their values are drawn at random."""

    torch: str
    numpy: str
    is_random: bool


def rows():
    """Return every row of the page's tables."""
    found = []
    heading = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        heading = line if line.startswith("## ") else heading
        if line.startswith("| `"):
            cells = re.fullmatch(r"\| `([^`]*)` \| `([^`]*)` \|.*\|", line)
            assert cells, f"not two expressions: {line}"
            found.append(Row(*cells.groups(), is_random=heading == RANDOM))
    return found


def page_names():
    """Return the names of the first block, and the functions that the page defines after it."""
    first, *others = [block.source for block in blocks_of(PAGE) if block.language == "python"]
    names = {}
    exec(first, names)
    for source in others:
        for statement in ast.parse(source).body:
            if isinstance(statement, ast.FunctionDef):
                exec(ast.unparse(statement), names)
    return names


def arrays(names):
    """Return copies of the arrays among some names."""
    return {name: value.copy() for name, value in names.items() if isinstance(value, np.ndarray)}


def value_of(code, names):
    """Run an expression or a statement, whose value is None."""
    if isinstance(ast.parse(code).body[0], ast.Expr):
        return eval(code, names)
    exec(code, names)
    return None


def described(value):
    """Return containers that JSON can hold: dtype, shape and values of each array."""
    if isinstance(value, tuple | list):
        return [described(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        values = value.ravel().tolist()
        return {"dtype": str(value.dtype), "shape": list(value.shape), "values": values}
    return value


def summarised(value):
    """Return dtype and shape of random numbers, and their mean and deviation for values."""
    moments = [float(value.mean()), float(value.std())]
    return {"dtype": str(value.dtype), "shape": list(value.shape), "values": moments}


def outcome(row, value, before, after):
    """Return the description of a row's value and of the arrays that it has changed."""
    changed = {
        name: described(after[name])
        for name in sorted(before)
        if before[name].tobytes() != after[name].tobytes()
    }
    describe = summarised if row.is_random else described
    return {"value": describe(value), "changed": changed}


def by_numpy(row, names):
    """Return the outcome of a row's NumPy expression."""
    scope = {**names, **arrays(names), "rng": np.random.default_rng(1)}
    value = value_of(row.numpy, scope)
    return outcome(row, value, arrays(names), arrays(scope))


def by_torch(row, names):
    """Return the outcome of a row's torch expression."""
    import torch

    before = arrays(names)
    tensors = {name: torch.from_numpy(value.copy()) for name, value in before.items()}
    torch.manual_seed(1)
    names = {"torch": torch, "F": torch.nn.functional, **tensors}
    value = in_numpy(value_of(row.torch, names))
    after = {name: tensor.numpy() for name, tensor in tensors.items()}
    return outcome(row, value, before, after)


def in_numpy(value):
    """Return torch's results as NumPy's: arrays for tensors, tuples for its classes of tuples."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.numpy()
    return tuple(in_numpy(item) for item in value) if isinstance(value, tuple) else value


def alike(one, other, tolerance):
    """Tell whether two descriptions have the same structure, dtypes and shapes, and near values."""
    if isinstance(one, dict) and isinstance(other, dict):
        return (one["dtype"], one["shape"]) == (other["dtype"], other["shape"]) and np.allclose(
            one["values"], other["values"], rtol=tolerance, atol=tolerance
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other, [tolerance] * len(one)))
    return type(one) is type(other) and one == other


def agree(row, numpy, torch):
    """Tell whether the outcomes of a row's two expressions are the same.

    NumPy's value may be None where torch returns the array that it has changed.
    """
    tolerance = 0.05 if row.is_random else 1e-5
    if numpy["value"] is None and numpy["changed"]:
        torch = {**torch, "value": None}
    names = sorted(numpy["changed"])
    return (
        alike(numpy["value"], torch["value"], tolerance)
        and names == sorted(torch["changed"])
        and all(alike(numpy["changed"][n], torch["changed"][n], tolerance) for n in names)
    )
