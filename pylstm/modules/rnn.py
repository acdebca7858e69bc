"""LSTM and LSTMCell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._core import as_array
from ..arguments.constructors import check_cell, check_lstm
from ..arguments.dtypes import check_device, construction_dtype
from ..arguments.naming import type_name
from .native import NativeModule

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]


def _split(hx: Any) -> tuple[Any, Any]:
    """Split the states that came with a packed sequence."""
    if hx is None:
        return None, None
    pair = "hx is a pair (h_0, c_0)"
    if not isinstance(hx, (tuple, list)):
        shape = getattr(hx, "shape", ())
        if shape:
            raise TypeError(
                "lstm() received an invalid combination of arguments: one array was given; "
                f"{pair}, not an array of shape {tuple(shape)}"
            )
        raise TypeError(
            f"hx must be a tuple or a list (h_0, c_0), not {type_name(hx)}: "
            "h_0 is (num_layers*num_directions, batch, hidden_size), and c_0 likewise"
        )
    for index, given in enumerate(hx):
        if isinstance(given, tuple) and hasattr(given, "batch_sizes"):
            raise TypeError(f"hx[{index}] is a packed sequence; {pair} of arrays")
        if isinstance(given, (tuple, list)) and given and getattr(given[0], "ndim", 0) > 2:
            raise TypeError(
                f"hx[{index}] is a tuple or list of arrays; {pair} of arrays: try hx[{index}] alone"
            )
    if len(hx) != 2:
        text = f"one array was given; {pair}" if len(hx) == 1 else f"{pair}, got {len(hx)}"
        raise RuntimeError(f"lstm expects two hidden states: {text}")
    return hx[0], hx[1]


class LSTM(_core.LSTM, NativeModule):
    """Multi-layer long short-term memory network over sequences.

    For each element x of the sequence, each layer computes from its last states h and c, with
    ``*`` element by element::

        i = sigmoid(W_ii @ x + b_ii + W_hi @ h + b_hi)  # input gate
        f = sigmoid(W_if @ x + b_if + W_hf @ h + b_hf)  # forget gate
        g = tanh(W_ig @ x + b_ig + W_hg @ h + b_hg)     # candidate
        o = sigmoid(W_io @ x + b_io + W_ho @ h + b_ho)  # output gate
        c = f * c + i * g
        h = o * tanh(c)

    Parameters
    ----------
    input_size : int
        Number of features of the input, I.
    hidden_size : int
        Number of features of the state, H.
    num_layers : int
        Number of layers, Y, each reading the output of the one below.
    bias : bool
        Whether there are ``bias_ih`` and ``bias_hh``.
    batch_first : bool
        Input and output are (N, L, ...) instead of (L, N, ...); states are not affected.
    dropout : float
        In training mode, the probability that an element of a layer's output is zeroed before
        the next layer reads it.
    bidirectional : bool
        Add a second direction (D = 2) that reads the sequence from its end.
    proj_size : int
        If not 0, h is projected to this many features, P.
    device : None or "cpu"
        There is no other.
    dtype : dtype, optional
        float32 (the default) or float64, in any spelling of NumPy's or torch's.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_hr_l0 : ndarray
        Parameters of the first layer, (4H, I), (4H, Hout), (4H,), (4H,) and (P, H), where Hout
        is P or else H; rows in the order i, f, g, o. The layers above count on, ``_l1`` and so
        on; the second direction adds ``_reverse``. Writable: changes count from the next call.
        What is assigned to such an attribute is copied into the parameter.
    batch_first, dropout, training
        May be changed between calls; what else the constructor took may not.

    Notes
    -----
    Mirrors ``torch.nn.LSTM``. Real numbers of any dtype are taken and converted to the module's
    dtype, where torch raises: NumPy makes float64 by default. The initial parameters are torch's
    for the same seed, see :func:`pylstm.manual_seed`. Paper: Hochreiter and Schmidhuber, "Long
    short-term memory", Neural Computation 9 (1997); projections: Sak, Senior and Beaufays,
    arXiv:1402.1128 (2014).

    Examples
    --------
    >>> import numpy as np
    >>> import pylstm as nn
    >>> lstm = nn.LSTM(input_size=100, hidden_size=20, num_layers=4)
    >>> x = np.random.rand(10, 3, 100)
    >>> output, (h_n, c_n) = lstm(x)
    >>> output.shape, h_n.shape, c_n.shape
    ((10, 3, 20), (4, 3, 20), (4, 3, 20))
    """

    _structure = (
        "mode",
        "input_size",
        "hidden_size",
        "num_layers",
        "bias",
        "bidirectional",
        "proj_size",
    )
    _options = ("training", "batch_first", "dropout")
    _native_forward = _core.LSTM.forward

    mode: str
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    bidirectional: bool
    proj_size: int

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        structure, options = check_lstm(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
        )
        check_device(device)
        self._build_structure(structure, construction_dtype(dtype))
        super().__init__()
        self.batch_first = options["batch_first"]
        self.dropout = options["dropout"]
        self._hooks_changed()
        self.reset_parameters()

    def _build_weights(self, structure: dict[str, Any], dtype: str) -> None:
        self._build(
            int(structure["input_size"]),
            int(structure["hidden_size"]),
            int(structure["num_layers"]),
            structure["bias"],
            bool(structure["bidirectional"]),
            int(structure["proj_size"]),
            dtype,
        )

    def extra_repr(self) -> str:
        """Return the sizes, and what differs from its default."""
        parts = [f"{self.input_size}, {self.hidden_size}"]
        if self.proj_size != 0:
            parts.append(f"proj_size={self.proj_size}")
        if self.num_layers != 1:
            parts.append(f"num_layers={self.num_layers}")
        if self.bias is not True:
            parts.append(f"bias={self.bias}")
        if self.batch_first is not False:
            parts.append(f"batch_first={self.batch_first}")
        if self.dropout != 0:
            parts.append(f"dropout={self.dropout}")
        if self.bidirectional is not False:
            parts.append(f"bidirectional={self.bidirectional}")
        return ", ".join(parts)

    @property
    def _all_weights(self) -> list[list[str]]:
        """The names of the parameters, a list for every layer and direction."""
        names = self._parameter_names
        directions = self.num_layers * (2 if self.bidirectional else 1)
        each = len(names) // directions
        return [list(names[k * each : (k + 1) * each]) for k in range(directions)]

    @property
    def all_weights(self) -> list[list[Array]]:
        """The parameters, writable: a list for every layer and direction."""
        return [[self._parameter(name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights_names(self) -> list[str]:
        """The names of the parameters in one list."""
        return list(self._parameter_names)

    @property
    def _flat_weights(self) -> list[Array]:
        """The parameters, writable, in one list."""
        return [self._parameter(name) for name in self._parameter_names]

    def _forward_packed(self, input: Any, hx: Any = None) -> tuple[Any, tuple[Array, Array]]:
        """Run over a packed sequence, pylstm's or torch's; C calls this where it meets one.

        Parameters
        ----------
        input : PackedSequence
            ``data`` (rows, I) and ``batch_sizes`` (L,).
        hx : (ndarray, ndarray), optional
            States (Y*D, batch, Hout) and (Y*D, batch, H) in the caller's order.

        Returns
        -------
        (PackedSequence, (ndarray, ndarray))
            With the batch sizes and indices of ``input``, the same objects; of its type, or
            pylstm's where ``input`` is torch's. The states are in the caller's order again.
        """
        # Here, because most programs never pack and import in half the time without it.
        from ..utils._packed import PackedSequence, checked_permutation

        h_0, c_0 = _split(hx)
        batch_sizes = as_array(input.batch_sizes, "batch_sizes", None)
        batch = int(batch_sizes.flat[0]) if batch_sizes.size else 0
        if input.sorted_indices is not None and hx is not None:
            order = checked_permutation(input.sorted_indices, "sorted_indices", batch)
            h_0 = self._permute(h_0, "h_0", order)
            c_0 = self._permute(c_0, "c_0", order)
        data, h_n, c_n = self._run_packed(input.data, batch_sizes, h_0, c_0)
        if input.unsorted_indices is not None:
            order = checked_permutation(input.unsorted_indices, "unsorted_indices", batch)
            h_n = np.take(h_n, order, axis=1)
            c_n = np.take(c_n, order, axis=1)
        if isinstance(input, PackedSequence):
            return input._replace(data=data), (h_n, c_n)
        # torch's class would hold an array that its methods cannot use.
        fields = input.batch_sizes, input.sorted_indices, input.unsorted_indices
        return PackedSequence(data, *fields), (h_n, c_n)

    def _permute(self, given: Any, name: str, order: Array) -> Array | None:
        """Put a state into the order of the packed rows; what is wrong is left to the run."""
        if given is None:
            return None
        array = as_array(given, name, self._dtype.name)
        if array.ndim != 3 or array.shape[1] != order.size:
            return array
        return np.take(array, order, axis=1)


class LSTMCell(_core.LSTMCell, NativeModule):
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

    Attributes
    ----------
    weight_ih, weight_hh, bias_ih, bias_hh : ndarray
        (4H, I), (4H, H), (4H,) and (4H,), rows in the order i, f, g, o. Writable: changes count
        from the next call. What is assigned to such an attribute is copied into the parameter.

    Notes
    -----
    Mirrors ``torch.nn.LSTMCell``. Its bits are those of an :class:`LSTM` of one layer.

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

    _structure = ("input_size", "hidden_size", "bias")
    _native_forward = _core.LSTMCell.forward

    input_size: int
    hidden_size: int
    bias: bool

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        structure = check_cell(input_size, hidden_size, bias)
        has_bias = bool(bias)
        check_device(device)
        self._build_structure(structure, construction_dtype(dtype))
        super().__init__()
        if not has_bias:
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self._hooks_changed()
        self.reset_parameters()

    def _build_weights(self, structure: dict[str, Any], dtype: str) -> None:
        sizes = int(structure["input_size"]), int(structure["hidden_size"])
        self._build(*sizes, bool(structure["bias"]), dtype)

    def extra_repr(self) -> str:
        """Return the sizes, and the bias where it differs from its default."""
        sizes = f"{self.input_size}, {self.hidden_size}"
        return sizes if self.bias is True else f"{sizes}, bias={self.bias}"


# As in module.py.
LSTM.__module__ = LSTMCell.__module__ = "pylstm"
