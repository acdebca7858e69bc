"""How messages name what callers handed over."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable
from typing import Any

import numpy as np

# Buffers of characters: NumPy would make string arrays of them.
_TEXT = (str, bytes, bytearray)


def type_name(value: Any) -> str:
    """Return the type of ``value`` as torch's messages spell it: with its module unless builtin.

    A class is called by its own name.
    """
    kind = value if isinstance(value, type) else type(value)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def is_array_like(value: Any) -> bool:
    """Tell whether ``value`` claims to be an array: torch would call it tensor-like.

    Python's bare numbers are not: where torch wants a tensor, a number is a mistake.
    """
    if isinstance(value, (np.ndarray, np.generic, list, tuple)):
        return True
    if isinstance(value, _TEXT):
        return False
    if any(hasattr(value, name) for name in ("__array__", "__dlpack__", "__array_interface__")):
        return True
    try:
        memoryview(value)
    except TypeError:
        return False
    return True


def torch_size(shape: tuple[int, ...]) -> str:
    """Return ``shape`` as torch prints it."""
    return f"torch.Size({list(shape)})"


def mapping_hint(value: Any) -> str:
    """Say how ``value`` leads to a mapping from names to arrays; empty where it does not.

    Classes of pylstm that are mistaken for one have a method ``_mapping_hint`` that says it.
    """
    kind = type(value)
    if hasattr(kind, "state_dict"):
        return "of a module, pass its state_dict()"
    if hasattr(kind, "_mapping_hint"):
        return str(value._mapping_hint())
    if isinstance(value, (str, bytes, bytearray, memoryview)) or any(
        hasattr(kind, name) for name in ("__fspath__", "read")
    ):
        return (
            "a weight file is read by pylstm.load(file), and by LSTM.from_weights(file), which "
            "makes the module as well"
        )
    if isinstance(value, ItemsView) or hasattr(kind, "__next__") or _holds_pairs(value):
        return "of pairs of names and arrays, such as named_parameters() gives, pass dict(pairs)"
    return ""


def _holds_pairs(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) > 0
        and all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in value)
        and all(isinstance(pair[0], str) for pair in value)
    )


def letters_hint(names: Any, known: Iterable[str]) -> str:
    """Return how to give names of one letter, where one string has several; else nothing."""
    letters = dict.fromkeys(names.replace(",", "").replace(" ", "")) if type(names) is str else {}
    if not letters or not set(letters) <= set(known):
        return ""
    return f": pass a tuple of names, {tuple(letters)}"
