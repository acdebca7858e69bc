"""What is found in weight files: recurrent modules, and what only looks like one."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from .kinds import CELL, kind_of, with_article

# Fields that say nothing where they have these values: representations leave them out.
_SILENT: dict[str, Any] = {
    "nonlinearity": None,
    "merge_mode": None,
    "options": {},
    "weights": None,
    "computed": {},
}


@dataclass(frozen=True, repr=False)
class FoundRecurrent:
    """A recurrent layer or cell in a weight file.

    Attributes
    ----------
    prefix : str
        The dotted path to it: ``from_weights`` takes it.
    kind : str
        The class that reads it: ``"LSTM"``, ``"GRU"``, ``"RNN"``, ``"LSTMCell"``, ``"GRUCell"`` or
        ``"RNNCell"``.
    input_size, hidden_size, num_layers, bias, bidirectional, proj_size
        As the constructor takes them; a cell has one layer, and only an LSTM a projection.
    dtype : dtype
        Of the parameters, as ``load`` gives them; the one that holds them all if they differ.
    num_parameters : int
        How many numbers they are.
    assumed : dict of str to object
        What the file leaves open, as the arguments of ``from_weights`` that say what was assumed;
        given as such, they confirm it. A ``state_dict``: ``{"batch_first": False}``, torch's own
        default, and of an RNN also ``nonlinearity``; one of PaddlePaddle:
        ``{"batch_first": True}``, which is the default there. A Keras file without configuration
        also assumes ``gate_activation``, ``activation`` or ``nonlinearity``, and ``reverse``, of
        two directions ``merge_mode``, on which the numbers depend.
    initial_states : tuple of ndarray, ndarray or None
        Of an LSTM ``(h_0, c_0)``, of others ``h_0``, each (num_layers * num_directions, 1 or batch,
        size), where the file has constants for them that are not zero: pass them as ``hx`` with
        each call that begins a sequence.
    nonlinearity : str or None
        ``"tanh"`` or ``"relu"``, of an RNN and an RNNCell alone.
    merge_mode : str or None
        How the file joins the outputs of two directions, where it does not concatenate them:
        ``from_weights`` then wants the same value, and the caller joins them.
    options : dict of str to object
        Further arguments of the constructor that the file says, where they are not the defaults.
    weights : str or None
        The storage of compressed weights, ``"int8"`` for instance, where the file has them in the
        form in which :func:`pylstm.save` writes a compressed module; None of floats.
        ``from_weights`` makes such a module.
    computed : dict of str to str
        The parameters that the file keeps in parts, and of what each is computed: of weight norm,
        spectral norm, pruning and dropped weights.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> weights = {"weight_ih": np.ones((12, 5)), "weight_hh": np.ones((12, 4))}
    >>> [found] = pylstm.find_recurrent({"decoder": weights})
    >>> found.prefix, found.kind, found.hidden_size, found.bias
    ('decoder', 'GRUCell', 4, False)
    """

    prefix: str
    kind: str
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    bidirectional: bool
    proj_size: int
    dtype: np.dtype[Any]
    num_parameters: int
    assumed: dict[str, Any] = field(default_factory=dict, hash=False)
    initial_states: Any = field(default=None, compare=False, repr=False)
    nonlinearity: str | None = None
    merge_mode: str | None = None
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    weights: str | None = None
    computed: dict[str, str] = field(default_factory=dict, hash=False)

    def __repr__(self) -> str:
        hidden = {each.name for each in fields(self) if not each.repr}
        told = [f"{name}={value!r}" for name, value in self._told().items() if name not in hidden]
        return f"{type(self).__name__}({', '.join(told)})"

    def _told(self) -> dict[str, Any]:
        """Return the fields without those that say nothing."""
        return {
            name: value
            for name, value in vars(self).items()
            if name not in _SILENT or value != _SILENT[name]
        }

    def __str__(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        plain = {"num_layers": 1, "bias": True, "bidirectional": False, "proj_size": 0}
        for name, default in plain.items():
            value = getattr(self, name)
            if value != default:
                parts.append(f"{name}={value}")
        if self.nonlinearity == "relu":
            parts.append("nonlinearity='relu'")
        parts += [f"{name}={value!r}" for name, value in self.options.items()]
        if self.weights is not None:
            parts.append(f"weights={self.weights!r}")
        merged = "" if self.merge_mode is None else f", merged by {self.merge_mode!r}"
        return f"{self.prefix!r}: {self.kind}({', '.join(parts)}) of {self.dtype}{merged}"

    def __setstate__(self, state: dict[str, Any]) -> None:
        # The first versions pickled less; of these fields no class attribute stands in.
        vars(self).update(state)
        for name in ("assumed", "options", "computed"):
            vars(self).setdefault(name, {})

    def _mapping_hint(self) -> str:
        """Say what reads the module, where this is passed for its parameters."""
        return (
            f"it says where {with_article(self.kind)} is: "
            f"{self.kind}.from_weights(file, prefix={self.prefix!r}) reads it"
        )

    @property
    def _is_cell(self) -> bool:
        return self.kind.endswith(CELL)

    def _shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield names and shapes of the parameters in torch's order."""
        yield from kind_of(self.kind).shapes(
            self.input_size,
            self.hidden_size,
            num_layers=self.num_layers,
            bias=self.bias,
            bidirectional=self.bidirectional,
            proj_size=self.proj_size,
            peepholes=bool(self.options.get("peepholes")),
            is_cell=self._is_cell,
        )


@dataclass(frozen=True, repr=False)
class FoundLSTM(FoundRecurrent):
    """An LSTM or LSTMCell in a weight file: :class:`FoundRecurrent` has the attributes.

    Examples
    --------
    >>> import pylstm
    >>> [found] = pylstm.find_lstms(pylstm.LSTM(4, 8, 2).state_dict(prefix="encoder."))
    >>> found.prefix, found.kind, found.num_layers, found.num_parameters
    ('encoder', 'LSTM', 2, 1024)
    """


# Where users find them: pickles name that place, and earlier versions read it.
FoundRecurrent.__module__ = FoundLSTM.__module__ = "pylstm"


@dataclass(frozen=True)
class NearMiss:
    """What looks like a recurrent module and is none that pylstm can run.

    Attributes
    ----------
    prefix : str
        The dotted path to it.
    kind : str
        ``"weight-normed LSTM"``, ``"incomplete GRU"``.
    reason : str
        What tells it from one, or what is wrong with it.
    """

    prefix: str
    kind: str
    reason: str

    def __str__(self) -> str:
        return f"{self.prefix!r}: {self.kind} ({self.reason})"
