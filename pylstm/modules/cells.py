"""The cells, which are one step: what all of them share, and LSTMCell, GRUCell and RNNCell."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .. import _core
from ..arguments.constructors import check_cell, check_nonlinearity
from ..arguments.dtypes import check_device, construction_dtype
from ..arguments.variants import VARIANTS, check_variants, own_variants
from .recurrent import RecurrentModule

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]


class RNNCellBase(_core.Cell, RecurrentModule):
    """What the cells share: the base of LSTMCell, GRUCell and RNNCell."""

    _native_structure = ("input_size", "hidden_size", "bias")
    _native_forward = _core.Cell.forward
    _native_class = _core.Cell
    _hints = MappingProxyType(
        {
            "stream": ": call the cell, step by step, or stream the layer of its parameters, "
            "which from_weights(cell.state_dict()) of the layer's class makes",
            "trace": ": a call returns the states after its step; a layer of this kind has a trace",
        }
    )
    # As torch has it on the layer of the same kind; an RNNCell may change to relu.
    _layer_mode = ""

    input_size: int
    hidden_size: int
    bias: bool

    def _construct(
        self,
        input_size: Any,
        hidden_size: Any,
        bias: Any,
        device: Any,
        dtype: Any,
        **variants: Any,
    ) -> None:
        """Do what a constructor does."""
        structure = check_cell(self._layer_mode, input_size, hidden_size, bias)
        has_bias = bool(bias)
        check_device(device)
        structure.update(check_variants(self._variants, variants))
        self._build_structure(structure, construction_dtype(dtype))
        super().__init__()
        if not has_bias:
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self._hooks_changed()
        self.reset_parameters()

    def _build_arguments(self, structure: dict[str, Any]) -> dict[str, Any]:
        return {
            "mode": self._layer_mode,
            "input_size": int(structure["input_size"]),
            "hidden_size": int(structure["hidden_size"]),
            "bias": bool(structure["bias"]),
            **{name: structure[name] for name in self._variants if name in structure},
        }

    def extra_repr(self) -> str:
        """Return the sizes, and what differs from its default."""
        parts = [f"{self.input_size}, {self.hidden_size}"]
        if self.bias is not True:
            parts.append(f"bias={self.bias}")
        parts += [f"{name}={value!r}" for name, value in own_variants(self).items()]
        return ", ".join(parts + self._shown_nonlinearity() + self._shown_weights())

    def _shown_nonlinearity(self) -> list[str]:
        return []


class LSTMCell(RNNCellBase):
    """One step of an LSTM.

    Parameters
    ----------
    input_size : int
        Number of features of the input, I.
    hidden_size : int
        Number of features of the state, H.
    bias : bool
        Whether there are ``bias_ih`` and ``bias_hh``; without them both attributes are None.
    device : None or "cpu"
        There is no other.
    dtype : dtype, optional
        float32 (the default) or float64, in any spelling of NumPy's or torch's.
    peepholes : bool
        Add ``weight_pi * c`` and ``weight_pf * c`` to the sums of i and f, and ``weight_po * c``,
        of the new c, to that of o.
    gate_activation : str
        ``"sigmoid"``, ``"hard_sigmoid"``: clip(0.2 x + 0.5, 0, 1), or ``"hard_sigmoid3"``:
        clip(x / 6 + 0.5, 0, 1).
    activation : str
        That of g and of c in h: ``"tanh"``, ``"relu"``, ``"linear"``, or ``"softsign"``, which is
        ``x / (1 + abs(x))``.
    cell_clip : float, optional
        Bounds the new c to [-cell_clip, cell_clip], before o and h are computed from it.

    Attributes
    ----------
    weight_ih, weight_hh, bias_ih, bias_hh : ndarray
        (4H, I), (4H, H), (4H,) and (4H,), rows in the order i, f, g, o. Writable: changes count
        from the next call. What is assigned to such an attribute is copied into the parameter.
    weight_pi, weight_pf, weight_po : ndarray
        With ``peepholes`` alone, (H,) each.
    weights : str or None
        The storage of compressed weights, which read as read-only arrays; see :func:`compress`.
        None of floats.

    Notes
    -----
    Mirrors ``torch.nn.LSTMCell``; what follows ``dtype`` torch has not. Its bits are those of an
    :class:`LSTM` of one layer.

    Examples
    --------
    >>> import numpy as np
    >>> import pylstm as nn
    >>> cell = nn.LSTMCell(100, 20)
    >>> h, c = np.zeros((3, 20)), np.zeros((3, 20))
    >>> for step in np.random.rand(10, 3, 100):
    ...     h, c = cell(step, (h, c))
    >>> h.shape, c.shape
    ((3, 20), (3, 20))
    """

    if TYPE_CHECKING:

        def forward(
            self, input: Any, hx: Any = None, *, out: Any = None
        ) -> tuple[Array, Array]: ...

    _native_kind = "LSTMCell"
    _layer_mode = "LSTM"
    _variants = VARIANTS["LSTMCell"]

    peepholes: bool = False
    gate_activation: str = "sigmoid"
    activation: str = "tanh"
    cell_clip: float | None = None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        peepholes: bool = False,
        gate_activation: str = "sigmoid",
        activation: str = "tanh",
        cell_clip: float | None = None,
    ) -> None:
        self._construct(
            input_size,
            hidden_size,
            bias,
            device,
            dtype,
            peepholes=peepholes,
            gate_activation=gate_activation,
            activation=activation,
            cell_clip=cell_clip,
        )


class GRUCell(RNNCellBase):
    """One step of a gated recurrent unit network.

    Parameters
    ----------
    input_size : int
        Number of features of the input, I.
    hidden_size : int
        Number of features of the state, H.
    bias : bool
        Whether there are ``bias_ih`` and ``bias_hh``; without them both attributes are None.
    device : None or "cpu"
        There is no other.
    dtype : dtype, optional
        float32 (the default) or float64, in any spelling of NumPy's or torch's.
    reset_after : bool
        False: r acts on h before the product,
        ``n = tanh(W_in @ x + b_in + W_hn @ (r * h) + b_hn)``.
    gate_activation : str
        ``"sigmoid"``, ``"hard_sigmoid"``: clip(0.2 x + 0.5, 0, 1), or ``"hard_sigmoid3"``:
        clip(x / 6 + 0.5, 0, 1).
    activation : str
        That of n: ``"tanh"``, ``"relu"``, ``"linear"``, or ``"softsign"``, which is
        ``x / (1 + abs(x))``.

    Attributes
    ----------
    weight_ih, weight_hh, bias_ih, bias_hh : ndarray
        (3H, I), (3H, H), (3H,) and (3H,), rows in the order r, z, n. Writable: changes
        count from the next call. What is assigned to such an attribute is copied into the
        parameter.
    weights : str or None
        The storage of compressed weights, which read as read-only arrays; see :func:`compress`.
        None of floats.

    Notes
    -----
    Mirrors ``torch.nn.GRUCell``; what follows ``dtype`` torch has not. Its equations are those of
    :class:`GRU`, and its bits those of a GRU of one layer.

    Examples
    --------
    >>> import numpy as np
    >>> import pylstm as nn
    >>> cell = nn.GRUCell(100, 20)
    >>> h = np.zeros((3, 20))
    >>> for step in np.random.rand(10, 3, 100):
    ...     h = cell(step, h)
    >>> h.shape
    (3, 20)
    """

    if TYPE_CHECKING:

        def forward(self, input: Any, hx: Any = None, *, out: Any = None) -> Array: ...

    _native_kind = "GRUCell"
    _layer_mode = "GRU"
    _variants = VARIANTS["GRUCell"]

    reset_after: bool = True
    gate_activation: str = "sigmoid"
    activation: str = "tanh"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        reset_after: bool = True,
        gate_activation: str = "sigmoid",
        activation: str = "tanh",
    ) -> None:
        self._construct(
            input_size,
            hidden_size,
            bias,
            device,
            dtype,
            reset_after=reset_after,
            gate_activation=gate_activation,
            activation=activation,
        )


class RNNCell(RNNCellBase):
    """One step of an Elman network.

    Parameters
    ----------
    input_size : int
        Number of features of the input, I.
    hidden_size : int
        Number of features of the state, H.
    bias : bool
        Whether there are ``bias_ih`` and ``bias_hh``; without them both attributes are None.
    nonlinearity : str
        ``"tanh"`` or ``"relu"``. As in torch, any other is refused by the first call only.
    device : None or "cpu"
        There is no other.
    dtype : dtype, optional
        float32 (the default) or float64, in any spelling of NumPy's or torch's.

    Attributes
    ----------
    weight_ih, weight_hh, bias_ih, bias_hh : ndarray
        (H, I), (H, H), (H,) and (H,). Writable: changes
        count from the next call. What is assigned to such an attribute is copied into the
        parameter.
    weights : str or None
        The storage of compressed weights, which read as read-only arrays; see :func:`compress`.
        None of floats.
    nonlinearity, training
        May be changed between calls.

    Notes
    -----
    Mirrors ``torch.nn.RNNCell``. Its equation is that of :class:`RNN`, and its bits those of an
    RNN of one layer. As in torch, the third positional argument is ``bias``; that of :class:`RNN`
    is ``num_layers``.

    Examples
    --------
    >>> import numpy as np
    >>> import pylstm as nn
    >>> cell = nn.RNNCell(100, 20, nonlinearity="relu")
    >>> h = np.zeros((3, 20))
    >>> for step in np.random.rand(10, 3, 100):
    ...     h = cell(step, h)
    >>> h.shape
    (3, 20)
    >>> cell.nonlinearity = "tanh"
    >>> cell
    RNNCell(100, 20)
    """

    if TYPE_CHECKING:

        def forward(self, input: Any, hx: Any = None, *, out: Any = None) -> Array: ...

    _native_kind = "RNNCell"
    _layer_mode = "RNN_TANH"
    _native_options = ("training", "nonlinearity")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self._construct(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    @property
    def nonlinearity(self) -> Any:
        """The activation of the next call; anything may be set, and a call takes tanh or relu."""
        try:
            return vars(self)["nonlinearity"]
        except KeyError:
            raise AttributeError(
                f"'{self._get_name()}' object has no attribute 'nonlinearity'"
            ) from None

    @nonlinearity.setter
    def nonlinearity(self, value: Any) -> None:
        try:
            mode = f"RNN_{check_nonlinearity(value).upper()}"
        except MemoryError:
            raise
        except Exception:  # of whatever the value's comparison raises
            mode = None
        # In one call, so that neither an interrupt nor another thread finds a cell that computes
        # another thing than it says.
        self._native_set_nonlinearity(value, mode)

    @nonlinearity.deleter
    def nonlinearity(self) -> None:
        if vars(self).pop("nonlinearity", self) is self:
            raise AttributeError("nonlinearity")
        self._native_mode = None

    def __setstate__(self, values: dict[str, Any]) -> None:
        super().__setstate__(values)
        if "nonlinearity" in vars(self):
            self.nonlinearity = vars(self)["nonlinearity"]
        else:  # as the first call says
            self._native_mode = None

    def _shown_nonlinearity(self) -> list[str]:
        if self._native_mode == self._layer_mode or not hasattr(self, "nonlinearity"):
            return []
        return [f"nonlinearity={self.nonlinearity}"]


# As in module.py.
LSTMCell.__module__ = GRUCell.__module__ = RNNCell.__module__ = "pylstm"
