"""Activations as modules: they have no parameters and keep float32 and float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import functional as F
from .module import Module

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]


class _InPlace(Module):
    """The base of activations that may write to their input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        """Return what ``repr()`` shows."""
        return "inplace=True" if self.inplace else ""


class ReLU(_InPlace):
    """``max(input, 0)``.

    Parameters
    ----------
    inplace : bool
        Write to the input.

    Notes
    -----
    Mirrors ``torch.nn.ReLU``.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> pylstm.ReLU()(np.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def forward(self, input: npt.ArrayLike) -> Array:
        """Return :func:`pylstm.functional.relu` of ``input``."""
        return F.relu(input, self.inplace)


class SiLU(_InPlace):
    """``input * sigmoid(input)``.

    Parameters
    ----------
    inplace : bool
        Write to the input.

    Notes
    -----
    Mirrors ``torch.nn.SiLU``.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> pylstm.SiLU()(np.array([-1.0, 2.0])).round(3).tolist()
    [-0.269, 1.762]
    """

    def forward(self, input: npt.ArrayLike) -> Array:
        """Return :func:`pylstm.functional.silu` of ``input``."""
        return F.silu(input, self.inplace)


class Hardsigmoid(_InPlace):
    """``input / 6 + 0.5``, clipped to [0, 1].

    Parameters
    ----------
    inplace : bool
        Write to the input.

    Notes
    -----
    Mirrors ``torch.nn.Hardsigmoid``.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> pylstm.Hardsigmoid()(np.array([-4.0, 1.5])).tolist()
    [0.0, 0.75]
    """

    def extra_repr(self) -> str:
        """Return what ``repr()`` shows: nothing, as torch does."""
        return ""

    def forward(self, input: npt.ArrayLike) -> Array:
        """Return :func:`pylstm.functional.hardsigmoid` of ``input``."""
        return F.hardsigmoid(input, self.inplace)


class LeakyReLU(_InPlace):
    """``input`` where it is positive, else ``negative_slope * input``.

    Parameters
    ----------
    negative_slope : float
    inplace : bool
        Write to the input.

    Notes
    -----
    Mirrors ``torch.nn.LeakyReLU``.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> pylstm.LeakyReLU(0.5)(np.array([-1.0, 2.0])).tolist()
    [-0.5, 2.0]
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, input: npt.ArrayLike) -> Array:
        """Return :func:`pylstm.functional.leaky_relu` of ``input``."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """Return what ``repr()`` shows."""
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class ELU(_InPlace):
    """``input`` where it is positive, else ``alpha * (exp(input) - 1)``.

    Parameters
    ----------
    alpha : float
    inplace : bool
        Write to the input.

    Notes
    -----
    Mirrors ``torch.nn.ELU``.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> pylstm.ELU()(np.array([-1.0, 2.0])).round(3).tolist()
    [-0.632, 2.0]
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: npt.ArrayLike) -> Array:
        """Return :func:`pylstm.functional.elu` of ``input``."""
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        """Return what ``repr()`` shows."""
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class GELU(Module):
    """``input`` times the normal distribution function of it.

    Parameters
    ----------
    approximate : str
        ``"none"``, or ``"tanh"`` for the approximation by that function.

    Notes
    -----
    Mirrors ``torch.nn.GELU``.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> pylstm.GELU()(np.array([-1.0, 2.0])).round(3).tolist()
    [-0.159, 1.954]
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: npt.ArrayLike) -> Array:
        """Return :func:`pylstm.functional.gelu` of ``input``."""
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """Return what ``repr()`` shows."""
        return f"approximate={self.approximate!r}"


class Sigmoid(Module):
    """``1 / (1 + exp(-input))``, by the sigmoid of the LSTM.

    Notes
    -----
    Mirrors ``torch.nn.Sigmoid``.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> pylstm.Sigmoid()(np.zeros(2)).tolist()
    [0.5, 0.5]
    """

    def forward(self, input: npt.ArrayLike) -> Array:
        """Return :func:`pylstm.functional.sigmoid` of ``input``."""
        return F.sigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent, by that of the LSTM.

    Notes
    -----
    Mirrors ``torch.nn.Tanh``.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> pylstm.Tanh()(np.zeros(2)).tolist()
    [0.0, 0.0]
    """

    def forward(self, input: npt.ArrayLike) -> Array:
        """Return :func:`pylstm.functional.tanh` of ``input``."""
        return F.tanh(input)


class _Along(Module):
    """The base of functions of rows along an axis."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        """Return what ``repr()`` shows."""
        return f"dim={self.dim}"


class Softmax(_Along):
    """``exp(input)`` divided by its sum along an axis.

    Parameters
    ----------
    dim : int
        The axis; None is torch's implicit choice, with its warning.

    Notes
    -----
    Mirrors ``torch.nn.Softmax``.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> pylstm.Softmax(dim=-1)(np.zeros((1, 4))).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """

    def forward(self, input: npt.ArrayLike) -> Array:
        """Return :func:`pylstm.functional.softmax` of ``input``."""
        return F.softmax(input, self.dim, 5)


class LogSoftmax(_Along):
    """The logarithm of :class:`Softmax`.

    Parameters
    ----------
    dim : int
        The axis; None is torch's implicit choice, with its warning.

    Notes
    -----
    Mirrors ``torch.nn.LogSoftmax``.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> pylstm.LogSoftmax(dim=-1)(np.zeros(2)).round(3).tolist()
    [-0.693, -0.693]
    """

    def forward(self, input: npt.ArrayLike) -> Array:
        """Return :func:`pylstm.functional.log_softmax` of ``input``."""
        return F.log_softmax(input, self.dim, 5)


for _class in (
    *(ReLU, SiLU, Hardsigmoid, LeakyReLU, ELU, GELU),
    *(Sigmoid, Tanh, Softmax, LogSoftmax),
):
    _class.__module__ = "pylstm"
