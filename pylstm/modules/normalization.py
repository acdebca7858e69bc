"""Normalization as modules: LayerNorm and BatchNorm1d."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import functional as F
from .._core import as_array
from ..arguments.dtypes import check_device, construction_dtype
from .module import Module
from .sizes import checked_size, checked_sizes

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]


class LayerNorm(Module):
    """Give the features of each row mean 0 and variance 1, then scale and shift them.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The last axes of the input.
    eps : float
        Added to the variance.
    elementwise_affine, bias : bool
        Whether there are parameters ``weight``, and ``bias``, of that shape.
    device : None or "cpu"
        There is no other.
    dtype : dtype, optional
        float32 (the default) or float64, in any spelling of NumPy's or torch's.

    Notes
    -----
    Mirrors ``torch.nn.LayerNorm``. The input is converted to the dtype of the parameters.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> pylstm.LayerNorm(2)(np.array([[1, 3]])).round(3).tolist()
    [[-1.0, 1.0]]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        check_device(device)
        name = construction_dtype(dtype)
        super().__init__()
        is_one = hasattr(normalized_shape, "__index__")
        sizes: Any = (normalized_shape,) if is_one else normalized_shape
        self.normalized_shape = tuple(sizes)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        named = [("normalized_shape", size) for size in self.normalized_shape]
        shape = checked_sizes(named) if elementwise_affine else ()
        weight = np.ones(shape, name) if elementwise_affine else None
        self.register_parameter("weight", weight)
        has_bias = elementwise_affine and bias
        self.register_parameter("bias", np.zeros(shape, name) if has_bias else None)

    def reset_parameters(self) -> None:
        """Set ``weight`` to 1 and ``bias`` to 0."""
        _reset(self)

    def forward(self, input: npt.ArrayLike) -> Array:
        """Return :func:`pylstm.functional.layer_norm` of ``input``."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return what ``repr()`` shows."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class BatchNorm1d(Module):
    """Normalize each channel by the running statistics, then scale and shift it.

    Parameters
    ----------
    num_features : int
        C, the channels.
    eps : float
        Added to the variance.
    momentum : float or None
        How far the running statistics move in training mode; None makes them means of all batches.
    affine : bool
        Whether there are parameters ``weight``, and ``bias``, (C,).
    track_running_stats : bool
        Whether there are running statistics; without, each batch is normalized by its own.
    device : None or "cpu"
        There is no other.
    dtype : dtype, optional
        float32 (the default) or float64, in any spelling of NumPy's or torch's.
    bias : bool
        Whether there is a ``bias`` beside the ``weight``.

    Notes
    -----
    Mirrors ``torch.nn.BatchNorm1d``. Call ``eval()`` before inference: in training mode the
    statistics of the batch are used, as torch does, the running ones move, and a row depends on the
    other rows. The input is converted to the dtype of the parameters.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> norm = pylstm.BatchNorm1d(3).eval()
    >>> norm(np.ones((2, 3, 5))).shape
    (2, 3, 5)
    """

    _version = 2

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        check_device(device)
        name = construction_dtype(dtype)
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        is_sized = affine or track_running_stats
        shape: tuple[int, ...] = checked_size("num_features", num_features) if is_sized else ()
        self.register_parameter("weight", np.ones(shape, name) if affine else None)
        self.register_parameter("bias", np.zeros(shape, name) if affine and bias else None)
        has = bool(track_running_stats)
        self.register_buffer("running_mean", np.zeros(shape, name) if has else None)
        self.register_buffer("running_var", np.ones(shape, name) if has else None)
        self.register_buffer("num_batches_tracked", np.array(0, np.int64) if has else None)

    def reset_running_stats(self) -> None:
        """Set the running mean to 0, the variance to 1 and the count to 0."""
        if self.track_running_stats:
            self.running_mean[...] = 0
            self.running_var[...] = 1
            self.num_batches_tracked[...] = 0

    def reset_parameters(self) -> None:
        """Reset the running statistics; set ``weight`` to 1 and ``bias`` to 0."""
        self.reset_running_stats()
        _reset(self)

    def forward(self, input: npt.ArrayLike) -> Array:
        """Return :func:`pylstm.functional.batch_norm` of ``input``, (N, C) or (N, C, L)."""
        x = as_array(input, "input", None)
        if x.ndim not in (2, 3):
            raise ValueError(f"expected 2D or 3D input (got {x.ndim}D input)")
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
            if self.momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)
        is_by_batch = self.training or (self.running_mean is None and self.running_var is None)
        is_kept = not self.training or self.track_running_stats
        return F.batch_norm(
            x,
            self.running_mean if is_kept else None,
            self.running_var if is_kept else None,
            self.weight,
            self.bias,
            is_by_batch,
            momentum,
            self.eps,
        )

    def extra_repr(self) -> str:
        """Return what ``repr()`` shows."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )

    def _complete_state_dict(
        self, state_dict: dict[str, Any], prefix: str, version: int | None
    ) -> None:
        """Add the count of batches, which torch writes since version 2, where none is told."""
        key = f"{prefix}num_batches_tracked"
        if (version is None or version < 2) and self.track_running_stats and key not in state_dict:
            count = self.num_batches_tracked
            state_dict[key] = np.array(0, np.int64) if count is None else count


def _reset(module: Any) -> None:
    if module.weight is not None:
        module.weight[...] = 1
    if module.bias is not None:
        module.bias[...] = 0


for _class in (LayerNorm, BatchNorm1d):
    _class.__module__ = "pylstm"
