"""torch's dynamically quantised modules: packed parameters, as the tensors that they stand for.

A packed matrix is an inert record of ``LinearPackedParamsBase``: the matrix, of qint8 or of float16
kept in float32, and the bias. A layer has a record of ``CellParamsBase`` for each direction of each
layer, which lists both biases once more; torch computes with those of the matrices, and so do
these. A cell has its two matrices alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..files.base.errors import WeightFileError
from ..files.base.record import Record
from ..files.base.tensor import Tensor, row_major
from .found import NearMiss
from .values import MAX_ZERO_POINT, Widened

# The forms of a group, and the names of a layer's and of a cell's packed parameters.
PACKED = {"packed": "quantised LSTM or GRU", "packed_cell": "quantised cell"}
_SIDES = ("ih", "hh")
_REMEDY = "save the module before it is quantised"
_CELL_TYPE = "__torch__.torch.classes.rnn.CellParamsBase"
_LINEAR_TYPE = "__torch__.torch.classes.quantized.LinearPackedParamsBase"
_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
_MOST_PARTS = 1 << 12  # directions of layers


class _Unknown(Exception):
    """Packed parameters of another form; the text says of which."""


def unpacked(
    prefix: str, packed: Mapping[tuple[str, str], Any], facts: Mapping[str, Any]
) -> dict[str, Any] | NearMiss:
    """Return the parameters of a quantised module by torch's names; nothing is read.

    Parameters
    ----------
    prefix : str
        Where they were found.
    packed : mapping of (str, str) to object
        What stands there, by name and form: forms of ``PACKED`` alone.
    facts : mapping
        The attributes of the module, where the file has the whole module.
    """
    [form, *others] = {form for _, form in packed}
    name = min(packed)[0]
    try:
        if others:
            raise _Unknown("it has the parameters of a layer and of a cell")
        values = {each: value for (each, _), value in packed.items()}
        if form == "packed":
            return _of_layers(_in_order(values), facts)
        missing = [side for side in _SIDES if f"_packed_weight_{side}" not in values]
        if missing:
            raise _Unknown(f"_packed_weight_{missing[0]} is missing")
        return _of_matrices([values[f"_packed_weight_{side}"] for side in _SIDES], "")
    except _Unknown as problem:
        return NearMiss(prefix, PACKED[form], f"it keeps {name}: {problem}; {_REMEDY}")


def _in_order(values: Mapping[str, Any]) -> list[Any]:
    """Return the packed parameters of all directions of all layers."""
    if len(values) > _MOST_PARTS:
        raise _Unknown(f"there are more than {_MOST_PARTS} of them")
    by_index: dict[int, Any] = {}
    for name, value in values.items():
        index = name.split(".")[1]
        if not (index.isdecimal() and len(index) < 7):
            raise _Unknown(f"its number is {index[:20]!r}")
        by_index[int(index)] = value
    if sorted(by_index) != list(range(len(values))):
        raise _Unknown("the numbers have a gap")
    return [by_index[index] for index in range(len(values))]


def _of_layers(values: list[Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    parts = [_of_matrices(_matrices_of(value), "") for value in values]
    ends = ("", "_reverse") if _is_bidirectional(parts, facts) else ("",)
    parameters = {}
    for index, part in enumerate(parts):
        layer, direction = divmod(index, len(ends))
        for name, leaf in part.items():
            parameters[f"{name}_l{layer}{ends[direction]}"] = leaf
    return parameters


def _is_bidirectional(parts: list[dict[str, Any]], facts: Mapping[str, Any]) -> bool:
    """Tell whether the parts are directions too: the module says it, else the columns do."""
    told = facts.get("bidirectional")
    if isinstance(told, bool):
        if told and len(parts) % 2:
            raise _Unknown(f"it is bidirectional, and has {len(parts)} parts")
        return told
    columns = [part["weight_ih"].shape[1] for part in parts]
    hidden = parts[0]["weight_hh"].shape[1]
    one = all(each == hidden for each in columns[1:])
    two = len(parts) % 2 == 0 and columns[:1] == columns[1:2]
    two = two and all(each == 2 * hidden for each in columns[2:])
    if one and two:
        raise _Unknown(
            "its two parts are two layers or two directions, as the whole module alone says"
        )
    return two


def _state(value: Any, kind: str) -> Any:
    """Return the state of an object of TorchScript of this type."""
    if isinstance(value, Record) and value.class_name == "torch.ScriptObject":
        match value.state:
            case (state, str() as name) if name == kind:
                return state
    if isinstance(value, Record) and value.class_name == kind:
        return value.state
    raise _Unknown(f"it is {_told(value)}, no {kind.rpartition('.')[2]}")


def _matrices_of(value: Any) -> list[Any]:
    """Return both packed matrices of a direction of a layer."""
    match _state(value, _CELL_TYPE):
        case ("quantized_dynamic" | "quantized_fp16", _, _, _, [ih, hh]):
            return [ih, hh]
        case (str() as how, *_):
            raise _Unknown(f"it is of the form {how[:40]!r}")
    raise _Unknown("its state is another one")


def _of_matrices(values: list[Any], end: str) -> dict[str, Any]:
    """Return weights and biases of a cell, in torch's order."""
    weights, biases = {}, {}
    for side, value in zip(_SIDES, values, strict=True):
        match _state(value, _LINEAR_TYPE):
            case (weight, bias):
                pass
            case _:
                raise _Unknown("its state is another one")
        weights[f"weight_{side}{end}"] = _matrix(weight)
        if bias is not None:
            if not _is_floats(bias, 1):
                raise _Unknown(f"its bias is {_told(bias)}")
            biases[f"bias_{side}{end}"] = bias
    if len(biases) == 1:
        raise _Unknown("it has one bias of two")
    return weights | biases


def _is_floats(leaf: Any, ndim: int) -> bool:
    is_array = isinstance(leaf, (Tensor, np.ndarray))
    return is_array and leaf.ndim == ndim and leaf.dtype in _FLOATS


def _matrix(value: Any) -> Any:
    """Return a matrix: its floats, or its integers with their scales and zero points."""
    if _is_floats(value, 2):
        return value
    if not isinstance(value, Record) or value.class_name != "torch._utils._rebuild_qtensor":
        raise _Unknown(f"its matrix is {_told(value)}")
    match value.args:
        case (
            elements,
            int() as offset,
            (int(), int()) as size,
            (int(), int()) as strides,
            how,
            *_,
        ):
            pass
        case _:
            raise _Unknown("its quantised tensor is of another form")
    stored = _integers(elements, offset, tuple(size), tuple(strides))
    how = how if isinstance(how, tuple) else ()
    scheme = getattr(how[0], "class_name", None) if how else None
    match (scheme, how):
        case ("torch.per_tensor_affine", (_, float() as scale, int() as zero)):
            scales, zeros = np.array([scale]), _as_int64(zero)
        case ("torch.per_channel_affine", (_, scales, zeros, int() as axis)):
            if axis != 0:
                raise _Unknown("its scales are not those of the rows")
            if not (_is_floats(scales, 1) and scales.shape == size[:1]):
                raise _Unknown(f"its scales are {_told(scales)}")
            is_array = isinstance(zeros, (Tensor, np.ndarray))
            if not (is_array and zeros.dtype == np.int64 and zeros.shape == size[:1]):
                raise _Unknown(f"its zero points are {_told(zeros)}")
        case _:
            raise _Unknown(f"it is quantised by {_told(how[0] if how else None)}")
    return Widened(stored, scales, zeros)


def _as_int64(zero: int) -> np.ndarray[Any, Any]:
    if abs(zero) > MAX_ZERO_POINT:
        raise _Unknown(f"its zero point is not within {MAX_ZERO_POINT}")
    return np.array([zero], np.int64)


def _integers(elements: Any, offset: int, size: Any, strides: Any) -> Any:
    """Return a matrix of int8, by rows or by columns, as a view of the elements of its storage."""
    is_known = isinstance(elements, (Tensor, np.ndarray)) and elements.ndim == 1
    if not is_known or elements.dtype != np.int8:
        raise _Unknown(f"its integers are {_told(elements)}")
    by_columns = strides[::-1] == row_major(size[::-1])
    if not by_columns and strides != row_major(size):
        raise _Unknown("its strides are those of neither rows nor columns")
    if isinstance(elements, Tensor):
        try:
            return Tensor(elements.storage, size, strides, elements.offset + offset)
        except WeightFileError as problem:
            raise _Unknown(f"its matrix: {problem.reason}") from None
    count = size[0] * size[1]
    if min(*size, offset) < 0 or offset + count > elements.size:
        raise _Unknown(f"its shape reaches beyond the {elements.size} elements of its storage")
    own = elements[offset : offset + count]
    return own.reshape(size[::-1]).T if by_columns else own.reshape(size)


def _told(value: Any) -> str:
    """Return what stands in a place of another; a file's own values may be too long to print."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} {value.shape}"
    return f"{value!r:.80}" if isinstance(value, (Record, Tensor)) else type(value).__name__
