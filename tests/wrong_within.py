"""Calls that must be refused, with all that they may not change: for tests of lengths, reset, out."""

import numpy as np
import pytest
from reference import KINDS
from support import as_hx, layer_of, with_parameters

import pylstm

STEPS, ROWS, INPUT, HIDDEN = 5, 3, 4, 6
X = np.random.default_rng(1).standard_normal((STEPS, ROWS, INPUT)).astype("f4")
MASK = np.random.default_rng(2).random((STEPS, ROWS)) < 0.3


def snapshot(*things):
    """Bytes of all arrays in the arguments, and of modules."""
    found = []
    for thing in things:
        if isinstance(thing, np.ndarray):
            found.append((thing.dtype, thing.shape, thing.tobytes()))
        elif isinstance(thing, tuple | list):
            found += snapshot(*thing)
        elif isinstance(thing, dict):
            found += snapshot(*thing.values())
        elif isinstance(thing, pylstm.Module):
            found += [(name, value.tobytes()) for name, value in thing.state_dict().items()]
    return found


def refused(call, module, error, word, *arguments, **keywords):
    """The text of the error of a call, which changes nothing."""
    before = snapshot(module, arguments, keywords), pylstm.get_rng_state().tobytes()
    with pytest.raises(error) as caught:
        call(*arguments, **keywords)
    after = snapshot(module, arguments, keywords), pylstm.get_rng_state().tobytes()
    assert after == before
    assert word in str(caught.value), f"{caught.value} does not name {word}"
    assert type(caught.value) in (TypeError, ValueError)
    return str(caught.value)


def make(kind, **options):
    return with_parameters(layer_of(kind, INPUT, HIDDEN, **options), 1)


def hx_of(kind, depth=1, rows=ROWS):
    shape = (depth, rows, HIDDEN) if rows else (depth, HIDDEN)
    return as_hx([np.full(shape, 0.25, "f4")] * KINDS[kind].states)
