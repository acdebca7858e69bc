"""In which storage a file keeps the weights of a module: what it records, and what is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arguments.variants import STORAGE_NAMES, WEIGHTS_KEY
from ..files.base.tensor import Tensor
from .values import Widened

# Of each storage, what its matrices may be in a file. bfloat16 is the float32 of the same value in
# a state_dict.
_FORMS = {
    "int8": ("int8",),
    "int8-fast": ("int8",),
    "int16": ("int16",),
    "bfloat16": ("bfloat16", "float32"),
    "float16": ("float16",),
}


def storage_in(parameters: Mapping[str, Any], facts: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return the storage of a module's weights in a file, and what contradicts that it records.

    Parameters
    ----------
    parameters : mapping of str to Tensor, Widened or ndarray
    facts : mapping
        What the file says of the module.

    Returns
    -------
    (str or None, str)
        None for a module whose weights are floats. Integers in the stored form of pylstm are those
        of ``"int8"`` or ``"int16"`` where the file records nothing; shorter floats are floats then.
    """
    told = facts.get(WEIGHTS_KEY)
    forms = {name: _form(leaf) for name, leaf in parameters.items()}
    if told is None:
        matrices = {forms[name] for name, leaf in parameters.items() if leaf.ndim == 2}
        vectors = {forms[name] for name, leaf in parameters.items() if leaf.ndim != 2}
        is_ours = matrices in ({"int8"}, {"int16"}) and vectors <= {"float32"}
        return (matrices.pop() if is_ours else None), ""
    if told not in STORAGE_NAMES:
        # Of floats it is another library's word, and they are what they are.
        if any(isinstance(leaf, Widened) for leaf in parameters.values()):
            return None, f"it records weights={told!r:.100}, which is no storage of weights"
        return None, ""
    for name, leaf in parameters.items():
        if forms[name] not in (_FORMS[told] if leaf.ndim == 2 else ("float32",)):
            return None, f"it records weights={told!r}, and {name} is of {forms[name]}"
    return told, ""


def _form(leaf: Any) -> str:
    """Return the dtype of a parameter in its file, with the scale where pylstm writes no such."""
    if isinstance(leaf, Tensor):
        return leaf.storage.dtype
    if not isinstance(leaf, Widened):
        return str(leaf.dtype.newbyteorder("=").name)
    if leaf.scale is None:
        is_bits = leaf.stored.dtype.newbyteorder("=") == np.uint16
        return "bfloat16" if is_bits else str(leaf.dtype.name)
    stored = _form(leaf.stored)
    rows = leaf.shape[0] if leaf.ndim else 0
    if leaf.zero_point is None and leaf.scale.shape == (rows, 1) and _form(leaf.scale) == "float32":
        return stored
    return f"{stored} with scales of {np.dtype(leaf.scale.dtype).name} {leaf.scale.shape}"
