"""What the names and shapes of a module's parameters say it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from .files.tensor import Tensor

if TYPE_CHECKING:
    import numpy.typing as npt

    Leaf = Tensor | npt.NDArray[Any]

# weight_ih_l0_reverse of an LSTM, weight_ih of a cell; behind it what torch's utilities add where
# they keep a parameter in another form: weight_hh_l0_g.
NAME = re.compile(
    r"((?:weight_(?:ih|hh|hr)|bias_(?:ih|hh))(?:_l(0|[1-9][0-9]{0,5})(_reverse)?)?)"
    r"(?:_(raw|u|mask|orig|g|v))?"
)

# Rows of weight_hh for each of its columns.
_KINDS = {4: "LSTM", 3: "GRU", 1: "RNN"}

_PARAMETRISED = (
    "parametrised",
    "torch.nn.utils.parametrize.remove_parametrizations gives plain weights",
)
_WEIGHT_NORMED = ("weight-normed", "torch.nn.utils.remove_weight_norm gives plain weights")
_PRUNED = ("pruned", "torch.nn.utils.prune.remove gives plain weights")

# Modules that keep their weights in another way altogether, and what helps.
_OTHERS = {
    "packed": ("quantised LSTM or GRU", "save the module before it is quantised"),
    "packed_cell": ("quantised cell", "save the module before it is quantised"),
    "quantizable": ("quantizable LSTM", "save the torch.nn.LSTM that it was made from"),
}
# Forms in which a file keeps parameters instead of plainly: how such a module is called, and
# what helps. Where it has several, the first in this order says what it is.
_FORMS = {
    "twice": ("ambiguous", "a state_dict would have it once"),
    "raw": ("weight-dropped", "what dropout leaves of the raw weight is not the weight"),
    "u": ("spectrally normed", "torch.nn.utils.remove_spectral_norm gives plain weights"),
    "mask": _PRUNED,
    "orig": _PRUNED,
    "g": _WEIGHT_NORMED,
    "v": _WEIGHT_NORMED,
    "original": _PARAMETRISED,
    "original0": _PARAMETRISED,
    "original1": _PARAMETRISED,
}
# Those that have the shape of the parameter itself.
_SHAPED = ("raw", "orig", "v", "original", "original1")

# How much more the parameters may be than the memory that they are views of. Weights that are
# tied are honest; a file of some bytes that asks for terabytes is not.
_MAX_SHARING, _MAX_SHARED_BYTES = 4, 1 << 22


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
        Of the parameters, as ``load`` gives them.
    num_parameters : int
        How many numbers they are.
    assumed : dict of str to object
        What the file leaves open, as the arguments of ``from_weights`` that say what was assumed:
        ``{"batch_first": False}``.
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

    def _shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield names and shapes of the parameters in torch's order."""
        rows, hidden_out = 4 * self.hidden_size, self.proj_size or self.hidden_size
        directions = ("", "_reverse") if self.bidirectional else ("",)
        columns = self.input_size
        for layer in range(self.num_layers):
            for direction in directions:
                suffix = f"_l{layer}{direction}" if self.kind == "LSTM" else ""
                yield "weight_ih" + suffix, (rows, columns)
                yield "weight_hh" + suffix, (rows, hidden_out)
                if self.bias:
                    yield "bias_ih" + suffix, (rows,)
                    yield "bias_hh" + suffix, (rows,)
                if self.proj_size:
                    yield "weight_hr" + suffix, (self.proj_size, self.hidden_size)
            columns = hidden_out * len(directions)


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


def infer(prefix: str, parameters: Mapping[str, Any]) -> FoundLSTM | NearMiss:
    """Return the LSTM that has exactly these parameters, or say what has them.

    Parameters
    ----------
    prefix : str
        Where they were found.
    parameters : mapping of str to Tensor or ndarray
        All names have layer numbers, or none has. A value of another type is a near miss.
    """
    found = _from_recurrent_weight(prefix, parameters)
    if isinstance(found, NearMiss):
        return found
    for name, shape in found._shapes():
        if name not in parameters:
            return NearMiss(prefix, f"incomplete {found.kind}", f"{name} is missing")
        if parameters[name].shape != shape:
            problem = f"{name} has shape {parameters[name].shape}, the others fit {shape}"
            return NearMiss(prefix, f"inconsistent {found.kind}", problem)
    problem = _dtype_problem(parameters) or _memory_problem(parameters)
    return NearMiss(prefix, f"inconsistent {found.kind}", problem) if problem else found


def _from_recurrent_weight(prefix: str, parameters: Mapping[str, Any]) -> FoundLSTM | NearMiss:
    """Read the structure off the names, weight_hh of the first layer and weight_ih beside it."""
    layers, reverse = _layers(parameters)
    suffix = "" if layers is None else "_l0"
    kind = "LSTMCell" if layers is None else "LSTM"
    for name, leaf in parameters.items():
        if not isinstance(leaf, (Tensor, np.ndarray)):
            return NearMiss(prefix, f"{kind} of foreign tensors", f"{name} is {leaf!r}")
    for name in ("weight_hh" + suffix, "weight_ih" + suffix):
        if name not in parameters:
            return NearMiss(prefix, f"incomplete {kind}", f"{name} is missing")
        if parameters[name].ndim != 2 or 0 in parameters["weight_hh" + suffix].shape:
            problem = f"{name} has shape {parameters[name].shape}"
            return NearMiss(prefix, f"inconsistent {kind}", problem)
    rows, columns = parameters["weight_hh" + suffix].shape
    projected = any(name.startswith("weight_hr") for name in parameters)
    if projected:
        fits = kind == "LSTM" and rows % 4 == 0 and columns < rows // 4
    else:
        fits = rows == 4 * columns
    if not fits:
        other = None if projected or rows % columns else _KINDS.get(rows // columns)
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
        hidden_size=rows // 4,
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


def _dtype_problem(parameters: Mapping[str, Leaf]) -> str:
    names = {
        leaf.storage.dtype if isinstance(leaf, Tensor) else leaf.dtype.name
        for leaf in parameters.values()
    }
    if len(names) > 1:
        return f"its parameters are of several dtypes: {', '.join(sorted(names))}"
    if any(leaf.dtype.kind not in "biuf" for leaf in parameters.values()):
        return f"its parameters are of dtype {names.pop()}"
    return ""


def _memory_problem(parameters: Mapping[str, Leaf]) -> str:
    """Say where parameters are far more than the memory that they are views of."""
    extents = []
    total = 0
    for name, leaf in parameters.items():
        owner, low, high, itemsize = _extent(leaf)
        if leaf.size * itemsize > high - low:
            return f"{name} is an expanded view: its shape {leaf.shape} repeats elements"
        extents.append((owner, low, high))
        total += high - low
    covered, last, end = 0, -1, 0
    for owner, low, high in sorted(extents):
        if owner != last:
            last, end = owner, low
        covered += max(0, high - max(low, end))
        end = max(end, high)
    if total > _MAX_SHARING * covered + _MAX_SHARED_BYTES:
        return f"its parameters share their memory: {total} bytes of {covered}"
    return ""


def _extent(leaf: Leaf) -> tuple[int, int, int, int]:
    """Return whose bytes an array is a view of, the first, the one after the last, the itemsize."""
    if isinstance(leaf, Tensor):
        itemsize = leaf.storage.raw_dtype.itemsize
        return (
            id(leaf.storage),
            leaf.offset * itemsize,
            (leaf.offset + leaf.span) * itemsize,
            itemsize,
        )
    low, high = byte_bounds(leaf)
    return 0, low, high, leaf.itemsize


def describe_forms(
    prefix: str, parameters: Mapping[str, Any], forms: Mapping[tuple[str, str], Any]
) -> NearMiss:
    """Say what a module is that keeps some of its parameters in other forms.

    Parameters
    ----------
    prefix : str
        Where it was found.
    parameters : mapping of str to object
        Those that it has plainly.
    forms : mapping of (str, str) to object
        The others, by plain name and form.
    """
    order = [*_OTHERS, *_FORMS]
    name, form = min(forms, key=lambda both: order.index(both[1]))
    if form in _OTHERS:
        kind, remedy = _OTHERS[form]
        return NearMiss(prefix, kind, f"it keeps {name}; {remedy}")
    adjective, remedy = _FORMS[form]
    shaped = [leaf for (other, how), leaf in forms.items() if how in _SHAPED and "_hh" in other]
    plain = [leaf for other, leaf in parameters.items() if "_hh" in other]
    kind = next(filter(None, map(_gates, [*shaped, *plain])), "LSTM")
    cell = "" if "_l" in name else "Cell"
    if form == "twice":
        spelt = f"{name} twice"
    else:
        spelt = f"parametrizations.{name}.{form}" if "original" in form else f"{name}_{form}"
    return NearMiss(prefix, f"{adjective} {kind}{cell}", f"it keeps {spelt}; {remedy}")


def _gates(leaf: Any) -> str | None:
    """Return the kind that has such a weight_hh."""
    if not isinstance(leaf, (Tensor, np.ndarray)) or leaf.ndim != 2 or 0 in leaf.shape:
        return None
    rows, columns = leaf.shape
    return None if rows % columns else _KINDS.get(rows // columns)
