"""The generator that draws initial parameters and dropout masks."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _core
from ..arguments.naming import is_array_like, type_name


def manual_seed(seed: Any) -> None:
    """Seed the generator: the next modules get the parameters that torch gives for this seed.

    Parameters
    ----------
    seed : int
        From -2**63 to 2**64 - 1; what ``int()`` takes is taken. Only the low 32 bits count.

    Raises
    ------
    ValueError
        Where the seed is out of range.

    Notes
    -----
    Mirrors ``torch.manual_seed``: ``manual_seed(s); LSTM(...)`` has the bits of
    ``torch.manual_seed(s); torch.nn.LSTM(...)`` of the official wheels for Linux on x86-64.

    Examples
    --------
    >>> import pylstm
    >>> pylstm.manual_seed(0)
    >>> pylstm.LSTM(2, 3).weight_ih_l0[0]
    array([-0.00432252,  0.30971584], dtype=float32)
    """
    number = int(seed)
    if not -(2**63) <= number < 2**64:
        raise ValueError(
            f"Overflow when unpacking long long: a seed lies in [-2**63, 2**64), got {number}"
        )
    _core.manual_seed(number % 2**64)


def initial_seed() -> int:
    """Return the seed that the generator started from: the last one set, or a random one.

    Examples
    --------
    >>> import pylstm
    >>> pylstm.manual_seed(7)
    >>> pylstm.initial_seed()
    7
    """
    return _core.initial_seed()


def get_rng_state() -> np.ndarray[tuple[Any, ...], np.dtype[np.uint8]]:
    """Return the state of the generator, 5056 bytes in torch's layout.

    Examples
    --------
    >>> import pylstm
    >>> state = pylstm.get_rng_state()
    >>> first = pylstm.LSTM(2, 3)
    >>> pylstm.set_rng_state(state)
    >>> bool((pylstm.LSTM(2, 3).weight_hh_l0 == first.weight_hh_l0).all())
    True
    """
    return _core.get_rng_state()


def set_rng_state(new_state: Any) -> None:
    """Set the state of the generator to what :func:`get_rng_state` returned, here or in torch.

    Parameters
    ----------
    new_state : array_like of uint8
        (5056,).

    Raises
    ------
    TypeError
        Where it is not an array of uint8.
    RuntimeError
        Where it is not the state of a generator.

    Examples
    --------
    >>> import pylstm
    >>> pylstm.manual_seed(3)
    >>> state = pylstm.get_rng_state()
    >>> pylstm.manual_seed(4)
    >>> pylstm.set_rng_state(state)
    >>> pylstm.initial_seed()
    3
    """
    if not is_array_like(new_state):
        raise TypeError(
            f"expected a torch.ByteTensor, but got {type_name(new_state)}: in pylstm, "
            "the uint8 array that get_rng_state returned"
        )
    rng_state = _core.as_array(new_state, "new_state", None)
    if rng_state.dtype != np.uint8:
        raise TypeError(
            f"RNG state must be a torch.ByteTensor: a uint8 array, got {rng_state.dtype}"
        )
    _core.set_rng_state(rng_state)


# Where users find them: pickles name that place, wherever the file lies.
for _function in (get_rng_state, initial_seed, manual_seed, set_rng_state):
    _function.__module__ = "pylstm"
