"""Compressed modules for the tests of their files, and what is stored of them."""

import copy
from collections import OrderedDict

import numpy as np
import reference
from support import assert_same_bits

import pylstm

STORAGES = ("int8", "int8-fast", "int16", "bfloat16", "float16")
SUFFIXES = (".safetensors", ".npz", ".pt")


def made(kind="LSTM", *sizes, seed=1, **options):
    """A float32 module with a row of zeros, and values that repeat on every machine."""
    module = getattr(pylstm, kind)(*(sizes or (5, 6)), **options)
    for number, name in enumerate(module._native_names):
        shape = module._parameter_view(name).shape
        value = reference.fractions(seed + number, shape).astype(np.float32)
        if len(shape) == 2:
            value[1] = 0
        module._native_assign({name: value})
    return module


def compressed(module, weights):
    if weights == "float32":
        return copy.deepcopy(module).float()
    return pylstm.compress(module, weights)


def state_of(module, prefix=""):
    return module.state_dict(prefix=prefix)


def assert_same_weights(module, expected):
    """The same storage, and the same bytes in it."""
    assert module._native_weights == expected._native_weights
    assert module._native_names == expected._native_names
    for name in expected._native_names:
        if expected._native_weights is None:
            assert_same_bits((module._native_parameter(name),), (expected._native_parameter(name),))
            continue
        stored, scale = module._native_stored(name)
        other, factor = expected._native_stored(name)
        assert_same_bits((stored,), (other,))
        assert (scale is None) == (factor is None)
        if scale is not None:
            assert_same_bits((scale,), (factor,))


def with_metadata(entries, weights, prefix=""):
    """A state_dict that records a storage, or whatever else is given as one."""
    state = OrderedDict(entries)
    state._metadata = OrderedDict({prefix: {"version": 1, "weights": weights}})
    return state
