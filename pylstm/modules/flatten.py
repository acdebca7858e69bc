"""Modules that change no number: Identity and Flatten."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .._core import as_array
from ..functional.reading import axis
from .module import Module

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]


class Identity(Module):
    """Return the input itself; arguments are taken and ignored.

    Notes
    -----
    Mirrors ``torch.nn.Identity``.

    Examples
    --------
    >>> import pylstm
    >>> pylstm.Identity(54, unused=0.1)("anything")
    'anything'
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        """Return ``input``."""
        return input


class Flatten(Module):
    """Make one axis of several.

    Parameters
    ----------
    start_dim, end_dim : int
        The first and the last of the axes.

    Notes
    -----
    Mirrors ``torch.nn.Flatten``: a view of the input where that is possible, else a copy.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> pylstm.Flatten()(np.ones((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: npt.ArrayLike) -> Array:
        """Return ``input`` with fewer axes."""
        array = as_array(input, "input", "any")
        first = axis(self.start_dim, array.ndim, "flatten", 1, "start_dim")
        last = axis(self.end_dim, array.ndim, "flatten", 2, "end_dim")
        if first > last:
            raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
        shape = array.shape or (1,)
        joined = math.prod(shape[first : last + 1])
        return array.reshape(*shape[:first], joined, *shape[last + 1 :])

    def extra_repr(self) -> str:
        """Return what ``repr()`` shows."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


for _class in (Identity, Flatten):
    _class.__module__ = "pylstm"
