"""The forms in which a module may keep its weights, and how float32 weights become such and back.

Of int8 and int16 each row of a matrix has a scale; an integer stands for ``integer * scale``,
rounded to float32. bfloat16 and float16 are shorter floats. The C half and the oracle of the tests
compute the same by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

_PIECE = 1 << 20  # elements


@dataclass(frozen=True)
class Storage:
    """How weights are kept.

    Attributes
    ----------
    name : str
        As ``module.weights`` says it.
    dtype : dtype
        Of the stored arrays; bfloat16 is kept as its bits.
    limit : int
        The largest magnitude of an integer; 0 of floats.
    sum_terms : int
        So many terms of a row are summed as integers, before the sum becomes a float; 0 of floats.
    most : float
        The largest magnitude of a float; 0 of integers.
    """

    name: str
    dtype: np.dtype[Any]
    limit: int = 0
    sum_terms: int = 0
    most: float = 0.0

    @property
    def is_integer(self) -> bool:
        """Whether each row has a scale."""
        return self.limit > 0


STORAGES = {
    storage.name: storage
    for storage in (
        Storage("int8", np.dtype(np.int8), limit=127, sum_terms=2048),
        Storage("int8-fast", np.dtype(np.int8), limit=127, sum_terms=2048),
        Storage("int16", np.dtype(np.int16), limit=32767, sum_terms=256),
        Storage("bfloat16", np.dtype(np.uint16), most=float.fromhex("0x1.fep+127")),
        Storage("float16", np.dtype(np.float16), most=65504.0),
    )
}

# Inputs and states are integers up to this beside weights of int16: no sum of products over
# sum_terms may pass 2**31.
_REACH = 8191
_MOST_SUM = (2**31 - 1) // _REACH
# Of sum |w| / scale: rounding adds at most 1/2 to each term.
_MOST_QUOTIENTS = (2**31 - 1) / _REACH - 256


def storage_of(name: Any) -> Storage:
    """Return a storage by its name; raise if there is none of it."""
    storage = STORAGES.get(name) if isinstance(name, str) else None
    if storage is None:
        known = ", ".join(map(repr, STORAGES))
        raise ValueError(f"weights must be one of {known}, got {name!r:.100}")
    return storage


def quantize_rows(weights: Array, storage: Storage, name: str = "weights") -> tuple[Array, Any]:
    """Return weights in the form of a storage, and their scales.

    Parameters
    ----------
    weights : ndarray
        float32, (rows, columns).
    storage : Storage
    name : str, optional
        Of the parameter, for messages.

    Returns
    -------
    (ndarray, ndarray or None)
        What is stored, (rows, columns); and of integers the scales, float32 (rows, 1). A row of
        zeros has the scale 0.

    Raises
    ------
    ValueError
        If the storage cannot hold a weight; it is named with its place.
    """
    rows, columns = weights.shape
    stored = np.empty(weights.shape, storage.dtype)
    scales = np.empty((rows, 1), np.float32) if storage.is_integer else None
    step = max(1, _PIECE // max(1, columns))
    for start in range(0, rows, step):
        part = weights[start : start + step]
        _check_held(part, storage, name, start)
        if scales is None:
            stored[start : start + step] = _shortened(part, storage)
        else:
            with np.errstate(under="ignore"):
                scale = _scales_of(part, storage)
                quotients = np.divide(part, scale, out=np.zeros_like(part), where=scale > 0)
            # A quotient passes the limit only where a scale is subnormal and has lost digits.
            np.clip(quotients, -storage.limit, storage.limit, out=quotients)
            stored[start : start + step] = np.rint(quotients, out=quotients)
            scales[start : start + step] = scale
    return stored, scales


def widen(stored: Array, scale: Array | None, storage: Storage) -> Array:
    """Return stored weights as float32: exactly, of integers their product with the scale.

    Parameters
    ----------
    stored : ndarray
        (rows, columns), of the storage's dtype.
    scale : ndarray or None
        (rows, 1), of integers.
    storage : Storage
    """
    if scale is not None:
        wide = stored.astype(np.float32)
        with np.errstate(under="ignore"):
            return np.multiply(wide, scale, out=wide)
    if storage.name == "bfloat16":
        bits = stored.astype(np.uint32)
        bits <<= 16
        return bits.view(np.float32)
    return stored.astype(np.float32)


def soundness_problem(stored: Array, scale: Array | None, storage: Storage) -> str:
    """Say why stored weights from elsewhere are none of the storage; nothing if they are sound.

    The kernels rely on it: integers within the limit, sums of int16 within their bound, scales that
    are finite and not negative.
    """
    if scale is None:
        return ""
    bad = scale[~(np.isfinite(scale) & (scale >= 0))]
    if bad.size:
        return f"has a scale of {bad[0]:g}, which is not finite or is negative"
    step = max(1, _PIECE // max(1, stored.shape[1]))
    for start in range(0, len(stored), step):
        sizes = np.abs(stored[start : start + step].astype(np.int32))
        if sizes.size and sizes.max() > storage.limit:
            return f"has an integer of magnitude {sizes.max()}, beyond {storage.limit}"
        for first in range(0, sizes.shape[1] if storage.name == "int16" else 0, storage.sum_terms):
            most = sizes[:, first : first + storage.sum_terms].sum(axis=1).max(initial=0)
            if most > _MOST_SUM:
                terms = f"{storage.sum_terms} integers"
                return f"has {terms} whose magnitudes sum to {most}, beyond {_MOST_SUM}"
    return ""


def _scales_of(part: Array, storage: Storage) -> Array:
    """Return the scales of rows of finite weights."""
    sizes = np.abs(part)
    scale = np.asarray(sizes.max(axis=1, initial=0, keepdims=True) / np.float32(storage.limit))
    if storage.name != "int16":
        return scale
    for first in range(0, part.shape[1], storage.sum_terms):
        block = sizes[:, first : first + storage.sum_terms]
        # One term after the other: NumPy's own sum has another order on each machine.
        total = np.zeros(len(part))
        for column in block.T:
            total += column
        bound = (total / _MOST_QUOTIENTS).astype(np.float32)
        np.maximum(scale[:, 0], bound, out=scale[:, 0])
    return scale


def _shortened(part: Array, storage: Storage) -> Array:
    """Return float32 rounded to a shorter float, ties to even; a NaN stays one."""
    if storage.name == "float16":
        with np.errstate(under="ignore"):
            return part.astype(np.float16)
    bits = np.ascontiguousarray(part).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + (bits >> 16 & np.uint32(1)) >> 16
    # Rounding would carry a NaN of few digits into the infinities.
    return np.where(np.isnan(part), bits >> 16 | np.uint32(0x40), rounded).astype(np.uint16)


def _check_held(part: Array, storage: Storage, name: str, first_row: int) -> None:
    """Raise where a storage cannot hold a weight."""
    if storage.is_integer:
        is_bad = ~np.isfinite(part)
        told = "its rows have one scale each, for finite weights"
    else:
        is_bad = np.isfinite(part) & (np.abs(part) > storage.most)
        told = f"its largest number is {storage.most:g}"
    if is_bad.any():
        row, column = (int(each) for each in np.argwhere(is_bad)[0])
        at = f"[{first_row + row}, {column}]"
        raise ValueError(
            f"{name}{at} is {part[row, column]:g}, which {storage.name} cannot hold: {told}"
        )
