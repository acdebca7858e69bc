"""torch.nn's Linear, and what modules with one weight and a bias share."""

from __future__ import annotations

import warnings
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .. import _core
from ..arguments.dtypes import check_device, construction_dtype
from .native import NativeModule
from .sizes import checked_sizes

if TYPE_CHECKING:
    from typing import Self

    import numpy.typing as npt

    Array = npt.NDArray[Any]


class WeightedModule(NativeModule):
    """A module with one weight, and a bias or None."""

    _hints = MappingProxyType(
        {
            "from_weights": ": it is a method of recurrent layers; construct the module, and "
            "load_state_dict(pylstm.load(path)) fills it",
        }
    )

    def _construct(self, structure: dict[str, Any], bias: Any, device: Any, dtype: Any) -> None:
        """Do what a constructor does after it has checked its sizes."""
        has_bias = bool(bias)
        check_device(device)
        self._build_structure({**structure, "bias": has_bias}, construction_dtype(dtype))
        super().__init__()
        if not has_bias:
            self.register_parameter("bias", None)
        self._hooks_changed()
        self.reset_parameters()

    def _build_structure(
        self, structure: dict[str, Any], dtype: str, weights: str | None = None
    ) -> None:
        super()._build_structure(structure, dtype, weights)
        del vars(self)["bias"]  # the attribute is the parameter

    def _present_structure(self) -> dict[str, Any]:
        return {**super()._present_structure(), "bias": "bias" in self._native_names}

    def __copy__(self) -> Self:
        other = super().__copy__()
        vars(other).pop("bias", None)  # of the structure
        return other

    def reset_parameters(self) -> None:
        """Draw the weight, then the bias, anew: from U(-s, s) with s = 1 / sqrt(fan in).

        The fan in is how many products a result adds. The numbers come from the generator that
        :func:`pylstm.manual_seed` seeds, in torch's order: the same seed gives the same bits as
        torch.
        """
        if 0 in self._parameter_view("weight").shape:
            warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        super().reset_parameters()


class Linear(_core.Linear, WeightedModule):
    """A linear layer, ``y = x @ weight.T + bias``.

    Parameters
    ----------
    in_features : int
        Length of the last axis of the input.
    out_features : int
        Length of the last axis of the output.
    bias : bool
        Whether there is a ``bias``; without it the attribute is None.
    device : None or "cpu"
        There is no other.
    dtype : dtype, optional
        float32 (the default) or float64, in any spelling of NumPy's or torch's.

    Attributes
    ----------
    weight, bias : ndarray
        (out_features, in_features) and (out_features,). Writable: changes count from the next
        call. What is assigned to such an attribute is copied into the parameter.

    Notes
    -----
    Mirrors ``torch.nn.Linear``. Sums begin at the bias and are added as those of the recurrent
    layers are: each row of the result has the same bits whatever other rows are computed with it,
    on every machine.

    Examples
    --------
    >>> import numpy as np
    >>> import pylstm as nn
    >>> head = nn.Linear(20, 30)
    >>> head(np.random.rand(128, 20)).shape
    (128, 30)
    >>> head
    Linear(in_features=20, out_features=30, bias=True)
    """

    if TYPE_CHECKING:
        in_features: int
        out_features: int
        weight: Array
        bias: Array | None

        def forward(self, input: Any, *, out: Any = None) -> Array: ...

    _native_kind = "Linear"
    _native_structure = ("in_features", "out_features")
    _native_forward = _core.Linear.forward
    _native_class = _core.Linear

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        rows, columns = checked_sizes(
            [("out_features", out_features), ("in_features", in_features)]
        )
        structure = {"in_features": columns, "out_features": rows}
        self._construct(structure, bias, device, dtype)

    def _build_arguments(self, structure: dict[str, Any]) -> dict[str, Any]:
        return {
            "in_features": int(structure["in_features"]),
            "out_features": int(structure["out_features"]),
            "bias": bool(structure["bias"]),
        }

    def extra_repr(self) -> str:
        """Return the sizes, and whether there is a bias."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


# As in module.py.
Linear.__module__ = "pylstm"
