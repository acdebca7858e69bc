"""Sizes of the arrays that constructors make."""

from __future__ import annotations

from typing import Any

from ..arguments.naming import type_name


def checked_sizes(*sizes: Any) -> tuple[int, ...]:
    """Return sizes as whole numbers, or raise torch's errors on them."""
    for place, size in enumerate(sizes):
        if isinstance(size, bool) or not hasattr(size, "__index__"):
            raise TypeError(
                "empty(): argument 'size' (position 1) must be tuple of ints, but found element "
                f"of type {type_name(size)} at pos {place}"
            )
    shape = tuple(int(size.__index__()) for size in sizes)
    for size in shape:
        if size < 0:
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {size}: {list(shape)}"
            )
    return shape


def checked_size(size: Any) -> tuple[int]:
    """Return the shape of a vector, or raise torch's errors on its size."""
    if isinstance(size, bool) or not hasattr(size, "__index__"):
        raise TypeError(
            "empty(): argument 'size' (position 1) must be tuple of ints, not " + type_name(size)
        )
    (count,) = checked_sizes(size)
    return (count,)
