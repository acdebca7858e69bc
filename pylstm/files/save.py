"""``save``: arrays by name into a weight file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..naming import type_name
from .atomic import replacing
from .leaves import Leaf, leaves_of
from .write_torch import write_torch
from .writers import Progress, write_npz, write_safetensors

_WRITERS = {
    ".safetensors": write_safetensors,
    ".npz": write_npz,
    ".pt": write_torch,
    ".pth": write_torch,
}


def save(mapping: Mapping[str, Any], path: str | os.PathLike[Any]) -> None:
    """Write arrays by name to a file in the format that its suffix names.

    The file is complete or it is not there: it is written under another name beside ``path`` and
    takes its place at the end. Equal arrays make equal files.

    Parameters
    ----------
    mapping : mapping of str to array_like
        A ``state_dict``, for instance. Arrays of any shape in float16, float32, float64, complex,
        whole-number and bool dtypes, and whatever ``numpy.asarray`` makes one of. Mappings may be
        nested: torch's format keeps them so, the others join the names with dots. Views are
        written as arrays of their own.
    path : str or os.PathLike
        Ends in ``.safetensors``, ``.npz``, ``.pt`` or ``.pth``. torch reads the last two with
        ``torch.load(path, weights_only=True)``.

    Raises
    ------
    TypeError
        If something in the mapping is no array of such a dtype.
    ValueError
        For another suffix, or a name that the format cannot hold.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import pylstm
    >>> lstm = pylstm.LSTM(3, 4)
    >>> pylstm.save(lstm.state_dict(), "lstm.safetensors")
    >>> lstm.load_state_dict(pylstm.load("lstm.safetensors"))
    <All keys matched successfully>
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        hint = ""
        if isinstance(mapping, (str, bytes, os.PathLike)):
            hint = ": the mapping comes first, save(mapping, path)"
        raise TypeError(f"path must be a str or os.PathLike, got {type_name(path)}{hint}")
    write(mapping, path)


def write(mapping: Any, path: Any, progress: Progress = lambda count: None) -> None:
    """Like :func:`save`, but values may also be read when their turn comes, one after another.

    Parameters
    ----------
    mapping : mapping
        Its values may be :class:`~pylstm.files.tensor.Tensor` or have ``dtype``, ``shape`` and
        ``read()`` like one.
    path : str or os.PathLike
    progress : callable, optional
        Called with the number of bytes of each array once it is written.
    """
    suffix = Path(os.fsdecode(path)).suffix.lower()
    writer = _WRITERS.get(suffix)
    if writer is None:
        raise ValueError(
            f"cannot tell the format from the suffix {suffix!r}: use {', '.join(_WRITERS)}"
        )
    leaves = leaves_of(mapping)
    _check_names(leaves)
    with replacing(path) as file:
        writer(file, leaves, progress)


def _check_names(leaves: Sequence[Leaf]) -> None:
    """Refuse names that are the same once they are joined by dots."""
    for name, count in Counter(leaf.name for leaf in leaves).items():
        if count > 1:
            raise ValueError(f"two arrays have the name {name!r} once their keys are joined")
