"""What the names and shapes of a module's parameters say it is."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from ..files.base.tensor import Tensor
from .kinds import BY_GATES, LSTM
from .values import Widened, dtype_of, dtype_problem, memory_problem

# weight_ih_l0_reverse of an LSTM, weight_ih of a cell; behind it what torch's utilities add where
# they keep a parameter in another form, and what quantised integers need: weight_hh_l0_g.
NAME = re.compile(
    r"((?:weight_(?:ih|hh|hr)|bias_(?:ih|hh))(?:_l(0|[1-9][0-9]{0,5})(_reverse)?)?)"
    r"(?:_(raw|u|mask|orig|g|v|scale|zero_point))?"
)


@dataclass(frozen=True)
class FoundLSTM:
    """An LSTM or LSTMCell in a weight file.

    Attributes
    ----------
    prefix : str
        The dotted path to it: ``from_weights`` takes it.
    kind : str
        ``"LSTM"`` or ``"LSTMCell"``.
    input_size, hidden_size, num_layers, bias, bidirectional, proj_size
        As the constructor takes them; a cell has one layer.
    dtype : dtype
        Of the parameters, as ``load`` gives them; the one that holds them all if they differ.
    num_parameters : int
        How many numbers they are.
    assumed : dict of str to object
        What the file leaves open, as the arguments of ``from_weights`` that say what was assumed;
        given as such, they confirm it. A ``state_dict``: ``{"batch_first": False}``, torch's own
        default; one of PaddlePaddle: ``{"batch_first": True}``, which is the default there. A Keras
        file without configuration also assumes ``gate_activation``, ``activation`` and
        ``reverse``, of two directions ``merge_mode``, on which the numbers depend.
    initial_states : tuple of ndarray or None
        ``(h_0, c_0)``, each (num_layers * num_directions, 1 or batch, size), where the file has
        constants for them that are not zero: pass them with each call that begins a sequence.

    Examples
    --------
    >>> import pylstm
    >>> [found] = pylstm.find_lstms(pylstm.LSTM(4, 8, 2).state_dict(prefix="encoder."))
    >>> found.prefix, found.kind, found.num_layers, found.num_parameters
    ('encoder', 'LSTM', 2, 1024)
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
    initial_states: tuple[Any, Any] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        plain = {"num_layers": 1, "bias": True, "bidirectional": False, "proj_size": 0}
        for name, default in plain.items():
            value = getattr(self, name)
            if value != default:
                parts.append(f"{name}={value}")
        return f"{self.prefix!r}: {self.kind}({', '.join(parts)}) of {self.dtype}"

    def __setstate__(self, state: dict[str, Any]) -> None:
        # The first version pickled none of what was assumed; no class attribute stands in for it.
        vars(self).update({"assumed": {}, **state})

    def _mapping_hint(self) -> str:
        """Say what reads the module, where this is passed for its parameters."""
        return f"it says where an LSTM is: LSTM.from_weights(file, prefix={self.prefix!r}) reads it"

    def _shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield names and shapes of the parameters in torch's order."""
        yield from LSTM.shapes(
            self.input_size,
            self.hidden_size,
            num_layers=self.num_layers,
            bias=self.bias,
            bidirectional=self.bidirectional,
            proj_size=self.proj_size,
            is_cell=self.kind != LSTM.mode,
        )


# Where users find it: pickles name that place, and earlier versions read it.
FoundLSTM.__module__ = "pylstm"


@dataclass(frozen=True)
class NearMiss:
    """What looks like an LSTM and is none that pylstm can run.

    Attributes
    ----------
    prefix : str
        The dotted path to it.
    kind : str
        ``"GRU"``, ``"weight-normed LSTM"``, ``"incomplete LSTM"``.
    reason : str
        What tells it from an LSTM, or what is wrong with it.
    """

    prefix: str
    kind: str
    reason: str

    def __str__(self) -> str:
        return f"{self.prefix!r}: {self.kind} ({self.reason})"


def infer(
    prefix: str, parameters: Mapping[str, Any], *, one_bias: bool = False
) -> FoundLSTM | NearMiss:
    """Return the LSTM that has exactly these parameters, or say what has them.

    Parameters
    ----------
    prefix : str
        Where they were found.
    parameters : mapping of str to Tensor, Widened or ndarray
        All names have layer numbers, or none has. A value of another type is a near miss.
    one_bias : bool, optional
        Whether ``bias_hh`` may be missing everywhere, which makes it zero.
    """
    found = _part(prefix, parameters) or _from_recurrent_weight(prefix, parameters)
    if isinstance(found, NearMiss):
        return found
    one_bias = one_bias and not any(name.startswith("bias_hh") for name in parameters)
    for name, shape in found._shapes():
        if name not in parameters:
            if one_bias and name.startswith("bias_hh"):
                continue
            return NearMiss(prefix, f"incomplete {found.kind}", f"{name} is missing")
        if parameters[name].shape != shape:
            return _misfit(found, name, parameters[name].shape, shape)
    adjective, problem = dtype_problem(parameters)
    if problem:
        words = (found.kind, adjective) if adjective.startswith("of") else (adjective, found.kind)
        return NearMiss(prefix, " ".join(words), problem)
    problem = memory_problem(parameters)
    if problem:
        return NearMiss(prefix, f"inconsistent {found.kind}", problem)
    return replace(found, dtype=dtype_of(parameters))


def gates_of(leaf: Any) -> str | None:
    """Return the kind of network that has such a ``weight_hh``."""
    if not isinstance(leaf, (Tensor, Widened, np.ndarray)) or leaf.ndim != 2 or 0 in leaf.shape:
        return None
    rows, columns = leaf.shape
    return None if rows % columns else BY_GATES.get(rows // columns)


def _part(prefix: str, parameters: Mapping[str, Any]) -> NearMiss | None:
    """Say whose part the parameters are, where the names of whole layers or directions are missing.

    The last layers, or the reverse direction of one layer, may be missing without a trace.
    """
    directions: dict[int, set[str]] = {}
    for match in filter(None, map(NAME.fullmatch, parameters)):
        if match[2]:
            directions.setdefault(int(match[2]), set()).add(match[3] or "")
    if not directions:
        return None
    leaves = (leaf for name, leaf in parameters.items() if "weight_hh" in name)
    kind = next(filter(None, map(gates_of, leaves)), "LSTM")
    layers = sorted(directions)
    for below, above in pairwise([-1, *layers]):
        if above - below > 1:
            missing = f"layer {below + 1} of at least {layers[-1] + 1} is missing"
            if above - below > 2:
                missing = (
                    f"layers {below + 1} to {above - 1} of at least {layers[-1] + 1} are missing"
                )
            return NearMiss(prefix, f"incomplete {kind}", missing)
    part = f"part of a bidirectional {kind}"
    if all(each == {"_reverse"} for each in directions.values()):
        return NearMiss(prefix, part, "it has the reverse direction alone")
    if any("_reverse" in each for each in directions.values()):
        for layer in layers:
            if len(directions[layer]) == 1:
                there = "reverse" if "_reverse" in directions[layer] else "forward"
                return NearMiss(prefix, part, f"layer {layer} has the {there} direction alone")
    return None


def _misfit(
    found: FoundLSTM, name: str, shape: tuple[int, ...], fitting: tuple[int, ...]
) -> NearMiss:
    """Say what a parameter of another shape than the others have room for tells."""
    rows, columns = fitting if len(fitting) == 2 else (0, 0)
    if not found.bidirectional and name.startswith("weight_ih") and shape == (rows, 2 * columns):
        reads = f"{name} has {2 * columns} inputs, those of two directions with {columns} each"
        return NearMiss(found.prefix, "part of a bidirectional LSTM", reads)
    problem = f"{name} has shape {shape}, the others fit {fitting}"
    return NearMiss(found.prefix, f"inconsistent {found.kind}", problem)


def _from_recurrent_weight(prefix: str, parameters: Mapping[str, Any]) -> FoundLSTM | NearMiss:
    """Read the structure off the names, weight_hh of the first layer and weight_ih beside it."""
    layers, reverse = _layers(parameters)
    suffix = "" if layers is None else "_l0"
    kind = "LSTMCell" if layers is None else "LSTM"
    for name, leaf in parameters.items():
        if not isinstance(leaf, (Tensor, Widened, np.ndarray)):
            return NearMiss(prefix, f"{kind} of foreign tensors", f"{name} is {leaf!r}")
    for name in ("weight_hh" + suffix, "weight_ih" + suffix):
        if name not in parameters:
            return NearMiss(prefix, f"incomplete {kind}", f"{name} is missing")
        if parameters[name].ndim != 2 or 0 in parameters["weight_hh" + suffix].shape:
            problem = f"{name} has shape {parameters[name].shape}"
            return NearMiss(prefix, f"inconsistent {kind}", problem)
    rows, columns = parameters["weight_hh" + suffix].shape
    projected = any(name.startswith("weight_hr") for name in parameters)
    hidden_size, left = divmod(rows, len(LSTM.gates))
    if projected:
        fits = kind == "LSTM" and not left and columns < hidden_size
    else:
        fits = rows == LSTM.rows(columns)
    if not fits:
        other = None if projected else gates_of(parameters["weight_hh" + suffix])
        shape = f"weight_hh{suffix} has shape {(rows, columns)}"
        if other is None:
            return NearMiss(prefix, f"inconsistent {kind}", f"{shape}, which fits no LSTM")
        gates = "three gates" if other == "GRU" else "no gates"
        return NearMiss(prefix, kind.replace("LSTM", other), f"{shape}: {gates}")
    input_size = parameters["weight_ih" + suffix].shape[1]
    if kind == "LSTM" and input_size == 0:
        return NearMiss(prefix, f"inconsistent {kind}", "it has no inputs")
    return FoundLSTM(
        prefix,
        kind,
        input_size,
        hidden_size=hidden_size,
        num_layers=layers or 1,
        bias=any(name.startswith("bias") for name in parameters),
        bidirectional=reverse,
        proj_size=columns if projected else 0,
        dtype=parameters["weight_hh" + suffix].dtype.newbyteorder("="),
        num_parameters=sum(leaf.size for leaf in parameters.values()),
    )


def _layers(names: Iterable[str]) -> tuple[int | None, bool]:
    """Return one more than the highest layer number, and whether there is a second direction."""
    matches = [match for match in map(NAME.fullmatch, names) if match and match[2]]
    if not matches:
        return None, False
    return 1 + max(int(match[2]) for match in matches), any(match[3] for match in matches)
