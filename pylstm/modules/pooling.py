"""Pooling as modules: MaxPool1d and AvgPool1d."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import functional as F
from .module import Module

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]


class _Pooling(Module):
    """The base of poolings: what ``repr()`` shows of them."""

    _shown: tuple[str, ...] = ("kernel_size", "stride", "padding")

    def extra_repr(self) -> str:
        """Return what ``repr()`` shows."""
        return ", ".join(f"{name}={getattr(self, name)}" for name in self._shown)


class MaxPool1d(_Pooling):
    """The largest number of each window along the last axis.

    Parameters
    ----------
    kernel_size : int or tuple of one int
        The length of a window.
    stride : int or tuple of one int, optional
        From window to window; ``kernel_size`` unless it is given.
    padding : int
        What is added on both sides; it is never the largest.
    dilation : int
        From number to number of a window.
    return_indices : bool
        Return the places of the numbers too.
    ceil_mode : bool
        Have a window that ends behind the input.

    Notes
    -----
    Mirrors ``torch.nn.MaxPool1d``.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> pylstm.MaxPool1d(2)(np.array([[1.0, 3.0, 2.0, 5.0]])).tolist()
    [[3.0, 5.0]]
    """

    _shown = (*_Pooling._shown, "dilation", "ceil_mode")

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: npt.ArrayLike) -> Any:
        """Return :func:`pylstm.functional.max_pool1d` of ``input``, (N, C, L) or (C, L)."""
        return F.max_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class AvgPool1d(_Pooling):
    """The mean of each window along the last axis.

    Parameters
    ----------
    kernel_size : int or tuple of one int
        The length of a window.
    stride : int or tuple of one int, optional
        From window to window; ``kernel_size`` unless it is given.
    padding : int
        Zeros that are added on both sides.
    ceil_mode : bool
        Have a window that ends behind the input.
    count_include_pad : bool
        Whether the zeros count as numbers of a window.

    Notes
    -----
    Mirrors ``torch.nn.AvgPool1d``.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> pylstm.AvgPool1d(2)(np.array([[1.0, 3.0, 2.0, 5.0]])).tolist()
    [[2.0, 3.5]]
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = _in_tuple(kernel_size)
        self.stride = _in_tuple(kernel_size if stride is None else stride)
        self.padding = _in_tuple(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: npt.ArrayLike) -> Array:
        """Return :func:`pylstm.functional.avg_pool1d` of ``input``, (N, C, L) or (C, L)."""
        return F.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )


def _in_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


for _class in (MaxPool1d, AvgPool1d):
    _class.__module__ = "pylstm"
