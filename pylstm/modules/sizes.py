"""Sizes of the arrays that constructors make."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..arguments.naming import type_name


def checked_sizes(sizes: Iterable[tuple[str, Any]]) -> tuple[int, ...]:
    """Return sizes as whole numbers, or raise torch's errors, followed by the argument's name."""
    shape = []
    for place, (name, size) in enumerate(sizes):
        if isinstance(size, bool) or not hasattr(size, "__index__"):
            kind = type_name(size)
            told = (
                f"failed to unpack the object at pos {place + 1} with error "
                f'"type must be tuple of ints,but got {kind}"'
                if place
                else "(position 1) must be tuple of ints, but found element of type "
                f"{kind} at pos 0"
            )
            raise TypeError(
                f"empty(): argument 'size' {told}: {name} is a whole number, got {size!r}"
            )
        shape.append((name, int(size.__index__())))
    counts = tuple(size for _, size in shape)
    for name, size in shape:
        if size < 0:
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {size}: {list(counts)}: "
                f"{name} cannot be negative"
            )
    return counts


def checked_size(name: str, size: Any) -> tuple[int]:
    """Return the shape of a vector, or raise torch's errors on its size."""
    if isinstance(size, bool) or not hasattr(size, "__index__"):
        raise TypeError(
            "empty(): argument 'size' (position 1) must be tuple of ints, not "
            f"{type_name(size)}: {name} is a whole number, got {size!r}"
        )
    (count,) = checked_sizes([(name, size)])
    return (count,)
