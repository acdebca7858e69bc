"""How messages name what callers handed over."""

from __future__ import annotations

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
