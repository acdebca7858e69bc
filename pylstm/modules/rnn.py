"""The layers LSTM, GRU and RNN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arguments.constructors import check_layer, check_nonlinearity, torch_order
from ..arguments.variants import VARIANTS
from .rnn_base import RNNBase

if TYPE_CHECKING:
    import numpy.typing as npt

    from .rnn_base import forward_with_one, forward_with_pair

    Array = npt.NDArray[Any]


class LSTM(RNNBase):
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
    reverse : bool
        Read the sequence from its end; the output stays in the order of the input. h_n is the state
        after the first element.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_hr_l0 : ndarray
        Parameters of the first layer, (4H, I), (4H, Hout), (4H,), (4H,) and (P, H), where Hout
        is P or else H; rows in the order i, f, g, o. The layers above count on, ``_l1`` and so
        on; the second direction adds ``_reverse``. Writable: changes count from the next call.
        What is assigned to such an attribute is copied into the parameter.
    weight_pi_l0, weight_pf_l0, weight_po_l0 : ndarray
        With ``peepholes`` alone, (H,) each; behind the others, ``_l1`` and ``_reverse`` as they.
    weights : str or None
        The storage of compressed weights, which read as read-only arrays; see :func:`compress`.
        None of floats.
    batch_first, dropout, training
        May be changed between calls; what else the constructor took may not.

    Notes
    -----
    Mirrors ``torch.nn.LSTM``; what follows ``dtype`` torch has not: weight files of other
    libraries hold such layers. Real numbers of any dtype are taken and converted to the module's
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

    if TYPE_CHECKING:
        forward = forward_with_pair

    _native_kind = "LSTM"
    _variants = VARIANTS["LSTM"]

    peepholes: bool = False
    gate_activation: str = "sigmoid"
    activation: str = "tanh"
    cell_clip: float | None = None

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
        *,
        peepholes: bool = False,
        gate_activation: str = "sigmoid",
        activation: str = "tanh",
        cell_clip: float | None = None,
        reverse: bool = False,
    ) -> None:
        structure, options = check_layer(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            stacklevel=3,
        )
        self._construct(
            structure,
            options,
            device,
            dtype,
            peepholes=peepholes,
            gate_activation=gate_activation,
            activation=activation,
            cell_clip=cell_clip,
            reverse=reverse,
        )


class GRU(RNNBase):
    """Multi-layer gated recurrent unit network over sequences.

    For each element x of the sequence, each layer computes from its last state h, with ``*``
    element by element::

        r = sigmoid(W_ir @ x + b_ir + W_hr @ h + b_hr)    # reset gate
        z = sigmoid(W_iz @ x + b_iz + W_hz @ h + b_hz)    # update gate
        n = tanh(W_in @ x + b_in + r * (W_hn @ h + b_hn))  # new gate
        h = (1 - z) * n + z * h

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
        That of n: ``"tanh"``, ``"relu"``, ``"linear"`` or ``"softsign"``: ``x / (1 + abs(x))``.
    reverse : bool
        Read the sequence from its end; the output stays in the order of the input. h_n is the state
        after the first element.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 : ndarray
        Parameters of the first layer, (3H, I), (3H, H), (3H,) and (3H,); rows in the order r, z, n.
        The layers above count on, ``_l1`` and so on; the second direction adds ``_reverse``.
        Writable: changes count from the next call. What is assigned to such an attribute is
        copied into the parameter.
    weights : str or None
        The storage of compressed weights, which read as read-only arrays; see :func:`compress`.
        None of floats.
    batch_first, dropout, training
        May be changed between calls; what else the constructor took may not.

    Notes
    -----
    Mirrors ``torch.nn.GRU``; what follows ``dtype`` torch has not. ``bias_hh`` of the new gate acts
    inside the product with r, so the two biases are not interchangeable. Where z is 1 the state is
    held exactly. Real numbers of any dtype are taken and converted to the module's dtype, where
    torch raises. The initial parameters are torch's for the same seed, see
    :func:`pylstm.manual_seed`. Paper: Cho et al., "Learning phrase representations using RNN
    encoder-decoder for statistical machine translation", arXiv:1406.1078 (2014), in which the
    reset gate acts before the product.

    Examples
    --------
    >>> import numpy as np
    >>> import pylstm as nn
    >>> gru = nn.GRU(input_size=100, hidden_size=20, num_layers=2)
    >>> output, h_n = gru(np.random.rand(10, 3, 100))
    >>> output.shape, h_n.shape
    ((10, 3, 20), (2, 3, 20))
    >>> output, h_n = gru(np.random.rand(10, 3, 100), h_n)  # goes on from there
    """

    if TYPE_CHECKING:
        forward = forward_with_one

    _native_kind = "GRU"
    _variants = VARIANTS["GRU"]

    reset_after: bool = True
    gate_activation: str = "sigmoid"
    activation: str = "tanh"

    @torch_order
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        reset_after: bool = True,
        gate_activation: str = "sigmoid",
        activation: str = "tanh",
        reverse: bool = False,
    ) -> None:
        structure, options = check_layer(
            "GRU",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            stacklevel=4,
        )
        self._construct(
            structure,
            options,
            device,
            dtype,
            reset_after=reset_after,
            gate_activation=gate_activation,
            activation=activation,
            reverse=reverse,
        )


class RNN(RNNBase):
    """Multi-layer Elman network over sequences.

    For each element x of the sequence, each layer computes from its last state h::

        h = tanh(W_ih @ x + b_ih + W_hh @ h + b_hh)

    With ``nonlinearity="relu"``, ``max(0, ...)`` takes the place of tanh.

    Parameters
    ----------
    input_size : int
        Number of features of the input, I.
    hidden_size : int
        Number of features of the state, H.
    num_layers : int
        Number of layers, Y, each reading the output of the one below.
    nonlinearity : str
        ``"tanh"`` or ``"relu"``.
    bias : bool
        Whether there are ``bias_ih`` and ``bias_hh``.
    batch_first : bool
        Input and output are (N, L, ...) instead of (L, N, ...); states are not affected.
    dropout : float
        In training mode, the probability that an element of a layer's output is zeroed before
        the next layer reads it.
    bidirectional : bool
        Add a second direction (D = 2) that reads the sequence from its end.
    device : None or "cpu"
        There is no other.
    dtype : dtype, optional
        float32 (the default) or float64, in any spelling of NumPy's or torch's.
    reverse : bool
        Read the sequence from its end; the output stays in the order of the input. h_n is the state
        after the first element.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 : ndarray
        Parameters of the first layer, (H, I), (H, H), (H,) and (H,).
        The layers above count on, ``_l1`` and so on; the second direction adds ``_reverse``.
        Writable: changes count from the next call. What is assigned to such an attribute is
        copied into the parameter.
    weights : str or None
        The storage of compressed weights, which read as read-only arrays; see :func:`compress`.
        None of floats.
    batch_first, dropout, training
        May be changed between calls; what else the constructor took may not.

    Notes
    -----
    Mirrors ``torch.nn.RNN``; ``reverse`` torch has not. relu keeps NaN, as torch's does. The
    parameters do not tell which nonlinearity they were trained with: a ``state_dict`` of either
    loads into the other. Real numbers of any dtype are taken and converted to the module's dtype,
    where torch raises. The initial parameters are torch's for the same seed, see
    :func:`pylstm.manual_seed`. Paper: Elman, "Finding structure in time", Cognitive Science 14
    (1990).

    Examples
    --------
    >>> import numpy as np
    >>> import pylstm as nn
    >>> rnn = nn.RNN(input_size=100, hidden_size=20, nonlinearity="relu")
    >>> output, h_n = rnn(np.random.rand(10, 3, 100))
    >>> output.shape, h_n.shape, rnn.nonlinearity
    ((10, 3, 20), (1, 3, 20), 'relu')
    """

    if TYPE_CHECKING:
        forward = forward_with_one

    _native_kind = "RNN"
    _native_structure = ("nonlinearity", *RNNBase._native_structure)

    nonlinearity: str

    @torch_order
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        reverse: bool = False,
    ) -> None:
        structure, options = check_layer(
            f"RNN_{check_nonlinearity(nonlinearity).upper()}",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            stacklevel=4,
        )
        structure = {"nonlinearity": nonlinearity, **structure}
        self._construct(structure, options, device, dtype, reverse=reverse)


# As in module.py.
LSTM.__module__ = GRU.__module__ = RNN.__module__ = "pylstm"
