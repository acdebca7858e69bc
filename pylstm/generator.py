"""The name in pickles of earlier versions; see :mod:`pylstm.runtime.generator`."""

from .runtime.generator import get_rng_state, initial_seed, manual_seed, set_rng_state

__all__ = ["get_rng_state", "initial_seed", "manual_seed", "set_rng_state"]
