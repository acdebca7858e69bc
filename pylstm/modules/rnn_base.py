"""What the layers share; rnn.py has the layers themselves."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._core import as_array
from ..arguments.dtypes import check_device, construction_dtype
from ..arguments.naming import type_name
from ..arguments.variants import VARIANTS, check_reverse, check_variants, own_variants
from .recurrent import RecurrentModule
from .trace import Trace, wanted_names

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

    # What checkers take for the methods of the layers, whose code is in C.
    def forward_with_pair(
        self: Any,
        input: Any,
        hx: Any = None,
        *,
        lengths: Any = None,
        reset: Any = None,
        out: Any = None,
    ) -> tuple[Any, tuple[Array, Array]]: ...

    def forward_with_one(
        self: Any,
        input: Any,
        hx: Any = None,
        *,
        lengths: Any = None,
        reset: Any = None,
        out: Any = None,
    ) -> tuple[Any, Array]: ...


def split_hx(hx: Any) -> tuple[Any, Any]:
    """Split the states of an LSTM that came with a packed sequence."""
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


def _method_of(cls: type, function: Any) -> FunctionType:
    """Return a copy of a method that has the name of another class, for the errors of Python."""
    parts = (function.__code__, function.__globals__, function.__name__, function.__defaults__)
    copy = FunctionType(*parts, function.__closure__)
    copy.__kwdefaults__, copy.__annotations__ = function.__kwdefaults__, function.__annotations__
    copy.__qualname__ = f"{cls.__qualname__}.{function.__name__}"
    return copy


class RNNBase(_core.RNN, RecurrentModule):
    """What the layers share: the base of LSTM, GRU and RNN, which differ in their constructors."""

    _native_structure: tuple[str, ...] = (
        "mode",
        "input_size",
        "hidden_size",
        "num_layers",
        "bias",
        "bidirectional",
        "proj_size",
    )
    _variants = VARIANTS["RNN"]
    _native_options = ("training", "batch_first", "dropout")
    _native_forward = _core.RNN.forward
    _native_class = _core.RNN

    mode: str
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    bidirectional: bool
    proj_size: int
    reverse: bool = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("stream", "trace"):
            if RNNBase in cls.__bases__ and name not in vars(cls):
                setattr(cls, name, _method_of(cls, vars(RNNBase)[name]))

    def _construct(
        self,
        structure: dict[str, Any],
        options: dict[str, Any],
        device: Any,
        dtype: Any,
        **variants: Any,
    ) -> None:
        """Do what a constructor does after it has checked torch's arguments."""
        check_device(device)
        variants = check_variants(self._variants, variants)
        check_reverse(variants, structure["bidirectional"])
        structure = {**structure, **variants}
        self._build_structure(structure, construction_dtype(dtype))
        super().__init__()
        for name, value in options.items():
            setattr(self, name, value)
        self._hooks_changed()
        self.reset_parameters()

    def _build_arguments(self, structure: dict[str, Any]) -> dict[str, Any]:
        return {
            "mode": structure["mode"],
            "input_size": int(structure["input_size"]),
            "hidden_size": int(structure["hidden_size"]),
            "num_layers": int(structure["num_layers"]),
            "bias": structure["bias"],
            "bidirectional": bool(structure["bidirectional"]),
            "proj_size": int(structure["proj_size"]),
            **{name: structure[name] for name in self._variants if name in structure},
        }

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
        parts += [f"{name}={value!r}" for name, value in own_variants(self).items()]
        return ", ".join(parts + self._shown_weights())

    @property
    def _all_weights(self) -> list[list[str]]:
        """The names of the parameters, a list for every layer and direction."""
        names = self._native_names
        directions = self.num_layers * (2 if self.bidirectional else 1)
        each = len(names) // directions
        return [list(names[k * each : (k + 1) * each]) for k in range(directions)]

    @property
    def all_weights(self) -> list[list[Array]]:
        """The parameters, writable unless compressed: a list for every layer and direction."""
        return [[self._native_parameter(name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights_names(self) -> list[str]:
        """The names of the parameters in one list."""
        return list(self._native_names)

    @property
    def _flat_weights(self) -> list[Array]:
        """The parameters, writable unless compressed, in one list."""
        return [self._native_parameter(name) for name in self._native_names]

    def stream(self, batch: int = 1, hx: Any = None) -> _core.Stream:
        """Return a :class:`Stream`, which keeps the states of ``batch`` sequences between calls.

        Parameters
        ----------
        batch : int
            Number of rows, N; each row is a sequence of its own. 0 is allowed: rows can join later.
        hx : array_like, or of an LSTM a tuple or list of two, optional
            ``h_0``, of an LSTM ``(h_0, c_0)``, with the shapes that a call takes; zeros if omitted.

        Returns
        -------
        Stream
            ``stream(x)`` takes x of one step, (N, I), or of several, (L, N, I), whatever
            ``batch_first`` is, and returns the output of the last layer alone, not the states.

        Raises
        ------
        ValueError
            If the layer reads from the end of a sequence (``bidirectional``, ``reverse``), has
            hooks or a ``forward`` of its own, or if its dropout acts.

        Notes
        -----
        torch has no such method. The outputs equal those of one call of the layer with each whole
        sequence, in every bit.

        Examples
        --------
        >>> import numpy as np
        >>> import pylstm as nn
        >>> lstm = nn.LSTM(3, 4)
        >>> stream = lstm.stream()
        >>> x = np.random.rand(5, 1, 3)
        >>> steps = [stream(x[t]) for t in range(5)]
        >>> bool((np.stack(steps) == lstm(x)[0]).all())
        True
        """
        return _core.Stream(self, batch, hx)

    def trace(
        self,
        input: Any,
        hx: Any = None,
        *,
        lengths: Any = None,
        reset: Any = None,
        names: Any = None,
    ) -> Trace:
        """Run the network, and keep the gates and states of every step of every layer.

        Hooks and a ``forward`` of a subclass do not run.

        Parameters
        ----------
        input, hx, lengths, reset : array_like
            As in a call, but ``input`` must not be a packed sequence: pass ``lengths``.
        names : str or iterable of str, optional
            Which gates and states to keep, of an LSTM ``i f g o c h``, of a GRU ``r z n h``, of
            an RNN ``h``; all of them if omitted. Each takes as much memory as the outputs of
            all layers together.

        Returns
        -------
        Trace
            With ``output``, ``h_n`` and, of an LSTM, ``c_n``, which equal those of the call in
            every bit, and the arrays, ``(num_layers, D, L, N, hidden_size)`` each, without N for
            unbatched input. It is not a tuple.

        Raises
        ------
        ValueError, RuntimeError, TypeError
            As a call does. Also ValueError for a packed sequence, and for names that the kind
            does not have, that are repeated, or that are empty.

        Notes
        -----
        torch has no such method. In training mode dropout acts as in a call.

        Examples
        --------
        >>> import numpy as np
        >>> import pylstm as nn
        >>> gru = nn.GRU(3, 4, bidirectional=True)
        >>> trace = gru.trace(np.ones((5, 2, 3)), lengths=[5, 3], names=["z", "h"])
        >>> trace.z.shape
        (1, 2, 5, 2, 4)
        >>> bool((trace.h[0, 0, :, 1] == trace.output[:, 1, :4]).all())
        True
        """
        wanted = wanted_names(self._native_kind, names)
        *results, arrays = self._run_trace(input, hx, lengths, reset, wanted)
        return Trace(
            self._native_kind, (results[0], results[1]), dict(zip(wanted, arrays, strict=True))
        )

    def _forward_packed(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Run over a packed sequence, pylstm's or torch's; C calls this where it meets one.

        Parameters
        ----------
        input : PackedSequence
            ``data`` (rows, I) and ``batch_sizes`` (L,).
        hx : ndarray, or of an LSTM (ndarray, ndarray), optional
            States (Y*D, batch, Hout) and (Y*D, batch, H) in the caller's order.

        Returns
        -------
        (PackedSequence, hx)
            With the batch sizes and indices of ``input``, the same objects; of its type, or
            pylstm's where ``input`` is torch's. The states are in the caller's order again.
        """
        # Here, because most programs never pack and import in half the time without it.
        from ..utils._packed import PackedSequence, checked_permutation

        hx = self._checked_hx(hx)
        batch_sizes = as_array(input.batch_sizes, "batch_sizes", None)
        batch = int(batch_sizes.flat[0]) if batch_sizes.size else 0
        if input.sorted_indices is not None and hx is not None:
            hx = self._permuted(
                hx, checked_permutation(input.sorted_indices, "sorted_indices", batch)
            )
        data, hx_n = self._run_packed(input.data, batch_sizes, hx)
        if input.unsorted_indices is not None:
            order = checked_permutation(input.unsorted_indices, "unsorted_indices", batch)
            hx_n = self._permuted(hx_n, order)
        if isinstance(input, PackedSequence):
            return input._replace(data=data), hx_n
        # torch's class would hold an array that its methods cannot use.
        fields = input.batch_sizes, input.sorted_indices, input.unsorted_indices
        return PackedSequence(data, *fields), hx_n

    def _checked_hx(self, hx: Any) -> Any:
        """Return the states that came with a packed sequence, in the form that a call takes."""
        return hx if hx is None or self.mode != "LSTM" else split_hx(hx)

    def _permuted(self, hx: Any, order: Array) -> Any:
        """Put the states into the order of the packed rows; what is wrong is left to the run."""
        if self.mode == "LSTM":
            pairs = zip(hx, ("h_0", "c_0"), strict=True)
            return tuple(self._permuted_one(given, name, order) for given, name in pairs)
        if _core.arrays_are_in(hx) or isinstance(hx, (int, float, complex)):
            return hx
        return self._permuted_one(hx, "hx", order)

    def _permuted_one(self, given: Any, name: str, order: Array) -> Array | None:
        if given is None:
            return None
        array = as_array(given, name, self._native_dtype.name)
        if array.ndim != 3 or array.shape[1] != order.size:
            return array
        return np.take(array, order, axis=1)
