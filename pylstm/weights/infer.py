"""What the names and shapes of a module's parameters say it is."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from ..files.base.tensor import Tensor
from .found import FoundLSTM, FoundRecurrent, NearMiss
from .kinds import BY_GATES, CELL, LSTM, PEEPHOLE_GATES, kind_of
from .values import Widened, dtype_of, dtype_problem, memory_problem

__all__ = ["NAME", "FoundLSTM", "FoundRecurrent", "NearMiss", "gates_of", "infer", "name_of"]

# weight_ih_l0_reverse of a layer, weight_ih of a cell; behind it what torch's utilities add where
# they keep a parameter in another form, and what quantised integers need: weight_hh_l0_g.
NAME = re.compile(
    rf"((?:weight_(?:ih|hh|hr|p[{PEEPHOLE_GATES}])|bias_(?:ih|hh))(?:_l(0|[1-9][0-9]{{0,5}})(_reverse)?)?)"
    r"(?:_(raw|u|mask|orig|g|v|scale|zero_point))?"
)


def infer(
    prefix: str, parameters: Mapping[str, Any], *, one_bias: bool = False
) -> FoundRecurrent | NearMiss:
    """Return the module that has exactly these parameters, or say what has them.

    Parameters
    ----------
    prefix : str
        Where they were found.
    parameters : mapping of str to Tensor, Widened or ndarray
        All names have layer numbers, or none has. A value of another type is a near miss.
    one_bias : bool, optional
        Whether ``bias_hh`` may be missing everywhere, which makes it zero; not of a GRU, whose two
        biases are no sum.
    """
    found = _part(prefix, parameters) or _from_recurrent_weight(prefix, parameters)
    if isinstance(found, NearMiss):
        return found
    one_bias = one_bias and not any(name.startswith("bias_hh") for name in parameters)
    for name, shape in found._shapes():
        if name not in parameters:
            reason = f"{name} is missing"
            if one_bias and name.startswith("bias_hh"):
                if not kind_of(found.kind).separate_bias:
                    continue
                reason += (
                    ": a GRU with one bias may be one whose reset gate acts before the product"
                )
            return NearMiss(prefix, f"incomplete {found.kind}", reason)
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
    kind = _mode(parameters)
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


def name_of(parameters: Mapping[str, Any]) -> str:
    """Return the class that parameters by these names seem to be of; an LSTM in doubt."""
    return _mode(parameters) + ("" if any("_l" in name for name in parameters) else CELL)


def _mode(parameters: Mapping[str, Any]) -> str:
    """Return the mode that the recurrent weights tell; LSTM where there is none that tells it."""
    leaves = (leaf for name, leaf in parameters.items() if name.startswith("weight_hh"))
    return next(filter(None, map(gates_of, leaves)), LSTM.mode)


def _misfit(
    found: FoundRecurrent, name: str, shape: tuple[int, ...], fitting: tuple[int, ...]
) -> NearMiss:
    """Say what a parameter of another shape than the others have room for tells."""
    rows, columns = fitting if len(fitting) == 2 else (0, 0)
    if not found.bidirectional and name.startswith("weight_ih") and shape == (rows, 2 * columns):
        reads = f"{name} has {2 * columns} inputs, those of two directions with {columns} each"
        return NearMiss(found.prefix, f"part of a bidirectional {found.kind}", reads)
    problem = f"{name} has shape {shape}, the others fit {fitting}"
    return NearMiss(found.prefix, f"inconsistent {found.kind}", problem)


def _from_recurrent_weight(prefix: str, parameters: Mapping[str, Any]) -> FoundRecurrent | NearMiss:
    """Read the structure off the names, weight_hh of the first layer and weight_ih beside it."""
    layers, reverse = _layers(parameters)
    suffix, ending = ("", CELL) if layers is None else ("_l0", "")
    projected = any(name.startswith("weight_hr") for name in parameters)
    peepholes = any(name.startswith("weight_p") for name in parameters)
    # An LSTM's weight_hh with a projection is of any shape.
    kind = (LSTM.mode if projected else _mode(parameters)) + ending
    for name, leaf in parameters.items():
        if not isinstance(leaf, (Tensor, Widened, np.ndarray)):
            return NearMiss(prefix, f"{kind} of foreign tensors", f"{name} is {leaf!r}")
    for name in ("weight_hh" + suffix, "weight_ih" + suffix):
        if name not in parameters:
            return NearMiss(prefix, f"incomplete {kind}", f"{name} is missing")
        if parameters[name].ndim != 2 or 0 in parameters["weight_hh" + suffix].shape:
            problem = f"{name} has shape {parameters[name].shape}"
            return NearMiss(prefix, f"inconsistent {kind}", problem)
    recurrent = parameters["weight_hh" + suffix]
    rows, columns = recurrent.shape
    hidden_size, left = divmod(rows, len(LSTM.gates)) if projected else (columns, 0)
    if projected and (ending or left or columns >= hidden_size):
        problem = f"weight_hh{suffix} has shape {(rows, columns)}, which fits no LSTM"
        return NearMiss(prefix, f"inconsistent {kind}", problem)
    mode = LSTM.mode if projected else gates_of(recurrent)
    if mode is None:
        problem = f"weight_hh{suffix} has shape {(rows, columns)}, which fits no LSTM, GRU or RNN"
        return NearMiss(prefix, f"inconsistent {kind}", problem)
    kind = mode + ending
    input_size = parameters["weight_ih" + suffix].shape[1]
    if not ending and input_size == 0:
        return NearMiss(prefix, f"inconsistent {kind}", "it has no inputs")
    if peepholes and mode != LSTM.mode:
        return NearMiss(prefix, f"inconsistent {kind}", "it has peepholes, as only an LSTM has")
    made = FoundLSTM if mode == LSTM.mode else FoundRecurrent
    return made(
        prefix,
        kind,
        input_size,
        hidden_size=hidden_size,
        num_layers=layers or 1,
        bias=any(name.startswith("bias") for name in parameters),
        bidirectional=reverse,
        proj_size=columns if projected else 0,
        dtype=recurrent.dtype.newbyteorder("="),
        num_parameters=sum(leaf.size for leaf in parameters.values()),
        options={"peepholes": True} if peepholes else {},
    )


def _layers(names: Iterable[str]) -> tuple[int | None, bool]:
    """Return one more than the highest layer number, and whether there is a second direction."""
    matches = [match for match in map(NAME.fullmatch, names) if match and match[2]]
    if not matches:
        return None, False
    return 1 + max(int(match[2]) for match in matches), any(match[3] for match in matches)
