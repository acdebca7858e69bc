"""The stored form of a compressed module's parameters, as its state_dict and its files have it.

Matrices of integers have their scales beside them, ``weight_ih_l0_scale`` (rows, 1); float16 is
float16; bfloat16 is the float32 of the same value, since NumPy has no such dtype. Biases and
peepholes are float32. Which storage it is stands in ``_metadata``, and in the metadata of a
safetensors file: integers of 8 bits are those of ``int8`` where nothing does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .storages import STORAGES, soundness_problem, widen

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]


def native(array: Array) -> Array:
    """Return an array that is C-contiguous, and has the order of bytes of the machine."""
    return np.require(array, array.dtype.newbyteorder("="), ("C_CONTIGUOUS", "ALIGNED"))


def float32_of(name: str, value: Array, weights: str, first: int = 0) -> Array:
    """Return rows of a matrix as C compresses them, in float32.

    Parameters
    ----------
    name : str
        Of the parameter, for messages.
    value : ndarray
        Numbers of any dtype.
    weights : str
        The storage, for messages.
    first : int
        The number of the first row.

    Raises
    ------
    ValueError
        If a finite number is beyond float32: as an infinity it would pass for one that is meant.
    """
    # Where no number can be lost there is no errstate of NumPy, in which CPython 3.11 crashes if
    # memory runs out.
    if value.dtype.itemsize <= 4:
        return np.require(value, np.float32, ("C_CONTIGUOUS", "ALIGNED"))
    with np.errstate(over="ignore", under="ignore"):
        numbers = np.require(value, np.float32, ("C_CONTIGUOUS", "ALIGNED"))
    is_lost = np.isinf(numbers) & np.isfinite(value)
    if value.ndim == 2 and is_lost.any():
        row, column = np.unravel_index(is_lost.argmax(), is_lost.shape)
        raise ValueError(
            f"{name}[{first + row}, {column}] is {value[row, column]:g}, which {weights} cannot "
            "hold: it is beyond float32"
        )
    return numbers


def readable(
    name: str, value: Array, scale: Array | None, weights: str
) -> Array | tuple[Array, Array | None]:
    """Return a value of a state_dict as C takes it for a module with compressed weights.

    Parameters
    ----------
    name : str
        Of the parameter, for messages.
    value : ndarray
        What is stored in whatever storage, or numbers, which C compresses.
    scale : ndarray or None
        What stands beside it.
    weights : str
        The storage of the module.

    Returns
    -------
    ndarray or (ndarray, ndarray or None)
        Numbers in float32; or what is stored, and its scales, where the storage is the module's.

    Raises
    ------
    ValueError
        If it is not clear what the value stands for, or what is stored is not sound.
    """
    storage, value = STORAGES[weights], native(value)
    if scale is None:
        if value.dtype.kind in "iu" and value.dtype.itemsize <= 2 and value.ndim == 2:
            raise ValueError(f"{name} is of {value.dtype}, and {name}_scale is missing")
        if value.dtype == np.float16 == storage.dtype and value.ndim == 2:
            return value, None
        return float32_of(name, value, weights)
    if value.dtype.kind not in "iu":
        raise ValueError(f"{name} is of {value.dtype}, and {name}_scale stands beside it")
    # No generator: where its memory runs out, CPython 3.11 writes that out and goes on.
    integers = [each for each in STORAGES.values() if each.is_integer and each.dtype == value.dtype]
    if not integers:
        raise ValueError(f"{name} is of {value.dtype}, which no storage of weights has")
    scale = native(scale)
    if scale.dtype != np.float32:
        raise ValueError(f"{name}_scale is {scale.dtype}, expected float32")
    known = integers[0]
    problem = soundness_problem(value, scale, known)
    if problem:
        raise ValueError(f"{name} {problem}")
    if storage.dtype != value.dtype:
        return widen(value, scale, known)
    return value, scale
