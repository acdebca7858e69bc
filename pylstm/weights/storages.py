"""The forms in which a module may keep its weights, and the float32 weights that they stand for.

Of int8 and int16 each row of a matrix has a scale; an integer stands for ``integer * scale``,
rounded to float32. bfloat16 and float16 are shorter floats. The C half compresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

_PIECE = 1 << 20  # elements
# From here on a scale and an integer of 16 bits may pass the largest float32.
_OVERFLOWING = np.float32(2.0**112)


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
    """

    name: str
    dtype: np.dtype[Any]
    limit: int = 0
    sum_terms: int = 0

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
        Storage("bfloat16", np.dtype(np.uint16)),
        Storage("float16", np.dtype(np.float16)),
    )
}

# Inputs and states are integers up to this beside weights of int16: no sum of products over
# sum_terms may pass 2**31.
_REACH = 8191
_MOST_SUM = (2**31 - 1) // _REACH


def storage_of(name: Any) -> Storage:
    """Return a storage by its name; raise if there is none of it."""
    storage = STORAGES.get(name) if isinstance(name, str) else None
    if storage is None:
        known = ", ".join(map(repr, STORAGES))
        raise ValueError(f"weights must be one of {known}, got {name!r:.100}")
    return storage


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


def product_problem(stored: Array, scale: Array) -> str:
    """Say which product of integers and finite scales, which broadcast, is infinite, if any is."""
    if scale.max(initial=0) < _OVERFLOWING:
        return ""
    with np.errstate(over="ignore"):
        is_lost = np.isinf(stored.astype(np.float32) * scale)
    if not is_lost.any():
        return ""
    at = np.unravel_index(is_lost.argmax(), is_lost.shape)
    factor = np.broadcast_to(scale, is_lost.shape)[at]
    return f"is multiplied by a scale of {factor:g}: {stored[at]:g} times that is infinite"


def soundness_problem(stored: Array, scale: Array | None, storage: Storage) -> str:
    """Say why stored weights from elsewhere are none of the storage; nothing if they are sound.

    The kernels rely on it: integers within the limit, sums of int16 within their bound, scales that
    are finite and not negative, and make a number of each integer: 0 is the scale of zeros.
    """
    if scale is None:
        return ""
    bad = scale[~(np.isfinite(scale) & (scale >= 0))]
    if bad.size:
        return f"has a scale of {bad[0]:g}, which is not finite or is negative"
    step = max(1, _PIECE // max(1, stored.shape[1]))
    for start in range(0, len(stored), step):
        sizes = np.abs(stored[start : start + step].astype(np.int32))
        own = scale[start : start + step]
        if sizes[own[:, 0] == 0].any():
            return "is multiplied by a scale of 0"
        problem = product_problem(sizes, own)
        if problem:
            return problem
        if sizes.size and sizes.max() > storage.limit:
            return f"has an integer of magnitude {sizes.max()}, beyond {storage.limit}"
        for first in range(0, sizes.shape[1] if storage.name == "int16" else 0, storage.sum_terms):
            most = sizes[:, first : first + storage.sum_terms].sum(axis=1).max(initial=0)
            if most > _MOST_SUM:
                terms = f"{storage.sum_terms} integers"
                return f"has {terms} whose magnitudes sum to {most}, beyond {_MOST_SUM}"
    return ""
