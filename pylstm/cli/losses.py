"""What `convert` would lose: content of a file that is replaced, and what numbers depend on."""

from __future__ import annotations

import zipfile
from collections import OrderedDict
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files.base.tensor import Tensor
from ..files.contents import Contents
from ..files.write.save import described
from ..weights.kinds import with_article
from ..weights.survey import survey
from ..weights.values import stored_in
from .listing import stored_dtype, without_wrappers
from .output import Failure
from .words import common_name

if TYPE_CHECKING:
    from ..files.open import WeightFile
    from ..weights.infer import NearMiss


_MAX_LISTED = 20  # near misses; a file may hold thousands


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
    kept = {id(original(value)) for value in arrays.values()}
    tree, is_part = file.tree, False
    if any(id(entry.value) not in kept for entry in Contents(file)):
        is_part = True
        yield "the arrays that are left out"
    if not isinstance(tree, dict) or not all(map(_is_array, tree.values())):
        yield "everything in it but arrays with names"
    elif not is_part and any(key not in arrays for key in tree):
        yield "the names of its arrays"
    leaves, known = described(arrays)
    if any(leaf.dtype != stored_dtype(original(leaf.value)) for leaf in leaves):
        yield "the dtype of its numbers"
    if type(tree) is OrderedDict and vars(tree):
        yield "the versions of its modules"
    if file.format == "safetensors" and file.metadata != known.metadata():
        yield "its metadata"
    marked = sum(stored_dtype(value) == "bfloat16" for value in arrays.values())
    if file.format == "npz" and _has_other_entries(file.paths[0], len(tree) + marked):
        yield "entries that are no arrays"


def _is_array(value: Any) -> bool:
    return isinstance(value, (Tensor, np.ndarray))


def original(value: Any) -> Any:
    """Return the array of the file that a value is converted from."""
    return stored_in(getattr(value, "value", value))


def _has_other_entries(path: Path, count: int) -> bool:
    with zipfile.ZipFile(path) as archive:
        return len(archive.namelist()) > count


def differences(
    file: WeightFile,
    arrays: Mapping[str, Any],
    root: Sequence[str],
    output: str,
    packed: Container[str] = (),
) -> list[str]:
    """Return a line for each module that is another thing in the new file than in the old one.

    Parameters
    ----------
    file : WeightFile
    arrays : mapping
        What will be written, described.
    root : sequence of str
        The names of the path in the file below which the arrays are.
    output : str
    packed : container of str
        The prefixes, among the arrays, of modules whose parameters stay as torch quantised them.
    """
    report = survey(file.tree, file.name)
    before = {
        without_wrappers(candidate.found.prefix): candidate.found for candidate in report.candidates
    }
    misses = {without_wrappers(miss.prefix): miss for miss in report.near_misses}
    above = without_wrappers(".".join(root))
    # The new file has names and arrays, and nothing else that tells what they are.
    report = survey(dict(arrays), output)
    after = {
        (*above, *without_wrappers(candidate.found.prefix)): candidate.found
        for candidate in report.candidates
    }
    reasons = {(*above, *without_wrappers(miss.prefix)): miss for miss in report.near_misses}
    lines = []
    for path, miss in [] if before else list(misses.items())[:_MAX_LISTED]:
        if path[: len(above)] == above and path not in after:
            where = repr(miss.prefix) if miss.prefix else "it"
            kind = common_name((), misses.values())
            lines.append(
                f"{file.name} holds no {kind} that pylstm can run; {where} is {_told(miss)}"
            )
    for path, found in before.items():
        if path[: len(above)] != above:
            continue
        open_ones = {name: value for name, value in found.assumed.items() if name != "nonlinearity"}
        if open_ones not in ({}, {"batch_first": False}):
            told = ", ".join(f"{name}={value!r}" for name, value in found.assumed.items())
            lines.append(f"{file.name} leaves open what {found.prefix!r} computes; assumed: {told}")
        if ".".join(path[len(above) :]) in packed:
            lines.append(
                f"from_weights will not read {found.prefix!r} from {output}, which has its "
                "quantised parameters by other names; --dtype float32 and --weights write them "
                "by torch's"
            )
        elif path not in after and path in reasons:
            lines.append(
                f"from_weights will not read {found.prefix!r} from {output}, where it is "
                f"{_told(reasons[path])}; --prefix {found.prefix} writes its parameters alone"
            )
    for path, found in after.items():
        if path not in before and path in misses:
            lines.append(
                f"{found.prefix!r} of {output} looks like {with_article(found.kind)}; "
                f"in {file.name} it is {_told(misses[path])}"
            )
        elif path in before and found.computed != before[path].computed:
            lost = ", ".join(sorted(set(before[path].computed.values())))[:200]
            lines.append(
                f"{found.prefix!r} of {output} has other weights than in {file.name}, where they "
                f"are computed of {lost}"
            )
    return lines


def _told(miss: NearMiss) -> str:
    return f"{miss.kind} ({miss.reason})"
