"""Dropout as a module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import functional as F
from .module import Module

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]


class Dropout(Module):
    """Zero numbers at random in training mode; return the input itself in evaluation mode.

    Parameters
    ----------
    p : float
        The probability that a number is zeroed; the others are scaled by ``1 / (1 - p)``.
    inplace : bool
        Write to the input.

    Notes
    -----
    Mirrors ``torch.nn.Dropout``. The numbers are those of a torch build without MKL, as for the
    dropout of an LSTM.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> pylstm.manual_seed(0)
    >>> drop = pylstm.Dropout(0.5)
    >>> sorted(set(drop(np.ones(100)).tolist()))
    [0.0, 2.0]
    >>> set(drop.eval()(np.ones(100)).tolist())
    {1.0}
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        """Return what ``repr()`` shows."""
        return f"p={self.p}, inplace={self.inplace}"

    def forward(self, input: npt.ArrayLike) -> Array:
        """Return :func:`pylstm.functional.dropout` of ``input``."""
        return F.dropout(input, self.p, self.training, self.inplace)


Dropout.__module__ = "pylstm"
