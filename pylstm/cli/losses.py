"""What `convert` would lose: content of a file that is replaced, and what numbers depend on."""

from __future__ import annotations

import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files.flat import Contents
from ..files.save import Known
from ..files.tensor import Tensor
from ..find import survey
from .listing import stored_dtype
from .output import Failure

if TYPE_CHECKING:
    from ..files.formats import WeightFile
    from ..files.named import NamedArrays


def refuse_losses(file: WeightFile, arrays: Mapping[str, Any], output: str) -> None:
    """Raise if ``output`` is the file that is read, and has more than will be written.

    Parameters
    ----------
    file : WeightFile
    arrays : mapping
        What will be written.
    output : str
        Under any name: a link, another spelling of the path.
    """
    if any(_are_same(path, Path(output)) for path in file.paths):
        losses = list(_losses(file, arrays))
        if losses:
            raise Failure(
                f"{output} is the file that is read, and writing to it would lose "
                f"{', and '.join(losses)}: write to another file",
                code=1,
            )


def _are_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:  # there is no such file yet
        return False


def _losses(file: WeightFile, arrays: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a file has and the arrays alone do not."""
    if len(file.paths) > 1:
        yield "the other files that belong to it"
        return
    kept = {id(getattr(value, "value", value)) for value in arrays.values()}
    tree, is_part = file.tree, False
    if any(id(entry.value) not in kept for entry in Contents(file)):
        is_part = True
        yield "the arrays that are left out"
    if not isinstance(tree, dict) or not all(map(_is_array, tree.values())):
        yield "everything in it but arrays with names"
    elif not is_part and any(key not in arrays for key in tree):
        yield "the names of its arrays"
    if any(_changes(value) for value in arrays.values()):
        yield "the dtype of its numbers"
    if type(tree) is OrderedDict and vars(tree):
        yield "the versions of its modules"
    if file.format == "safetensors" and file.metadata != Known(arrays).metadata():
        yield "its metadata"
    if file.format == "npz" and _has_other_entries(file.paths[0], len(tree)):
        yield "entries that are no arrays"


def _is_array(value: Any) -> bool:
    return isinstance(value, (Tensor, np.ndarray))


def _changes(value: Any) -> bool:
    """Tell whether an array will have another dtype than in the file."""
    return str(np.dtype(value.dtype).name) != stored_dtype(getattr(value, "value", value))


def _has_other_entries(path: Path, count: int) -> bool:
    with zipfile.ZipFile(path) as archive:
        return len(archive.namelist()) > count


def differences(arrays: NamedArrays, output: str) -> list[str]:
    """Return a line for each LSTM that is another thing in the new file than in the old one.

    Parameters
    ----------
    arrays : NamedArrays
        What will be written, described.
    output : str
    """
    known = survey(arrays, output)
    # The new file has names and arrays, and no classes.
    plain = survey(dict(arrays), output)
    before = {(each.found.prefix, each.found.kind): each.found for each in known.candidates}
    after = {(each.found.prefix, each.found.kind) for each in plain.candidates}
    reasons = {
        miss.prefix: f"{miss.kind}, {miss.reason}"
        for miss in (*plain.near_misses, *known.near_misses)
    }
    lines = []
    for (prefix, kind), found in before.items():
        if found.assumed not in ({}, {"batch_first": False}):
            told = ", ".join(f"{name}={value!r}" for name, value in found.assumed.items())
            lines.append(
                f"what was read leaves open what {_named(prefix)} computes; assumed: {told}"
            )
        if (prefix, kind) not in after:
            why = reasons.get(prefix, "its arrays do not say what it is")
            lines.append(
                f"from_weights will not read {_named(prefix)} from {output}: {why}; "
                f"--prefix {prefix} writes its parameters alone"
            )
    for prefix, kind in sorted(after - set(before)):
        why = reasons.get(prefix, "it is none that pylstm can run")
        lines.append(f"{_named(prefix)} looks like an {kind} in {output}, but it is not: {why}")
    return lines


def _named(prefix: str) -> str:
    return repr(prefix) if prefix else "the module"
