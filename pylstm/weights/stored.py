"""The stored form of a compressed module's parameters, as its state_dict and its files have it.

Matrices of integers have their scales beside them, ``weight_ih_l0_scale`` (rows, 1); float16 is
float16; bfloat16 is the float32 of the same value, since NumPy has no such dtype. Biases and
peepholes are float32. Which storage it is stands in ``_metadata``, and in the metadata of a
safetensors file: integers of 8 bits are those of ``int8`` where nothing does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .storages import STORAGES, Storage, quantize_rows, soundness_problem, widen

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

_SCALE = "_scale"


class Matrix(NamedTuple):
    """A matrix in the form of a storage.

    Attributes
    ----------
    stored : ndarray
        (rows, columns), of the storage's dtype.
    scale : ndarray or None
        (rows, 1), of integers.
    """

    stored: Array
    scale: Array | None


def compressed(values: Array, storage: Storage, name: str) -> Matrix | Array:
    """Return a parameter as a module of a storage keeps it; vectors stay what they are.

    Raises
    ------
    ValueError
        If the storage cannot hold one of its numbers.
    """
    return Matrix(*quantize_rows(values, storage, name)) if values.ndim == 2 else values


def stored_form(
    parameters: Mapping[str, Matrix | Array], storage: Storage, prefix: str = ""
) -> dict[str, Array]:
    """Return the entries of a state_dict, scales behind what they belong to."""
    entries: dict[str, Array] = {}
    for name, value in parameters.items():
        if not isinstance(value, Matrix):
            entries[prefix + name] = value
        elif storage.name == "bfloat16":
            entries[prefix + name] = widen(*value, storage)
        else:
            entries[prefix + name] = value.stored
            if value.scale is not None:
                entries[prefix + name + _SCALE] = value.scale
    return entries


def read_stored(
    entries: Mapping[str, Array],
    shapes: Mapping[str, tuple[int, ...]],
    storage: Storage,
) -> dict[str, Matrix | Array]:
    """Return parameters from the entries of a state_dict: stored ones, or floats to be compressed.

    Parameters
    ----------
    entries : mapping of str to ndarray
        Without a prefix; scales of integers by their names.
    shapes : mapping of str to tuple of int
        Of the parameters that a module of the storage has.
    storage : Storage
        That of the module.

    Raises
    ------
    ValueError
        If something is missing, or is none of the storage: it is named.
    """
    read: dict[str, Matrix | Array] = {}
    for name, shape in shapes.items():
        if name not in entries:
            raise ValueError(f"{name} is missing")
        value = entries[name]
        if value.shape != shape:
            raise ValueError(f"{name} has shape {value.shape}, expected {shape}")
        if value.dtype.kind == "f":
            if name + _SCALE in entries:
                raise ValueError(f"{name} is of {value.dtype}, and {name}{_SCALE} stands beside it")
            read[name] = compressed(value.astype(np.float32, copy=False), storage, name)
        else:
            read[name] = _of_integers(name, value, entries.get(name + _SCALE), storage)
    return read


def _of_integers(name: str, stored: Array, scale: Array | None, storage: Storage) -> Matrix:
    """Return a matrix of integers and scales, whatever the storage of a module is."""
    own = storage if stored.dtype == storage.dtype and storage.is_integer else None
    known = next((each for each in STORAGES.values() if _is_of(stored, each)), None)
    if known is None or stored.ndim != 2:
        raise ValueError(f"{name} is of {stored.dtype}, which no storage of weights has")
    rows = len(stored)
    if scale is None or scale.dtype != np.float32 or scale.shape != (rows, 1):
        told = "is missing" if scale is None else f"is {scale.dtype} {scale.shape}"
        raise ValueError(f"{name}{_SCALE} {told}, expected float32 {(rows, 1)}")
    problem = soundness_problem(stored, scale, known)
    if problem:
        raise ValueError(f"{name} {problem}")
    if own is None:  # of another storage
        return Matrix(*quantize_rows(widen(stored, scale, known), storage, name))
    return Matrix(stored, scale)


def _is_of(stored: Array, storage: Storage) -> bool:
    return storage.is_integer and stored.dtype == storage.dtype
