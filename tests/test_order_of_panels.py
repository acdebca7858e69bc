"""Calls of one step take the panels of packed weights in ascending and descending order in turn: no bit
depends on the order.

The weights here are as large as those that alternate (csrc/python/snapshot.c), those of other tests mostly
smaller.
"""

import threading

import numpy as np
import pytest
from reference_weights import STORAGES
from support import as_hx, assert_same_bits, cell_of, layer_of, states_of, with_parameters
from test_threads import restore_threads  # noqa: F401

import pylstm

INPUTS = 40
HIDDEN = {"LSTM": 360, "GRU": 440, "RNN_TANH": 720}  # the last panel is incomplete
STEPS = 5
every_kind = pytest.mark.parametrize("kind", HIDDEN)
every_storage = pytest.mark.parametrize("weights", ["float32", "float64", *STORAGES])


def module_of(make, kind, weights, **options):
    dtype = {"dtype": weights} if weights.startswith("float") and weights != "float16" else {}
    module = with_parameters(make(kind, INPUTS, HIDDEN[kind], **options, **dtype), 1).eval()
    return module if dtype else pylstm.compress(module, weights)


def draw(dtype, batch, steps=STEPS):
    return np.random.default_rng(batch).standard_normal((steps, batch, INPUTS)).astype(dtype)


def dtype_of(weights):
    return "f8" if weights == "float64" else "f4"


def one_by_one(advance, x, hx):
    """The outputs of one step after the other, and the last states."""
    outputs = []
    for step in x:
        output, hx = advance(step, hx)
        outputs.append(output)
    return np.concatenate(outputs), hx


def steps_of(module):
    return lambda step, hx: module(step[None], hx)


OPTIONS = {
    "plain": ({}, HIDDEN),
    "two layers": ({"num_layers": 2}, HIDDEN),
    "projected": ({"proj_size": 50}, ["LSTM"]),
    "peepholes": ({"peepholes": True}, ["LSTM"]),
    "reset before": ({"reset_after": False}, ["GRU"]),
}
CASES = [(kind, name) for name, (_, kinds) in OPTIONS.items() for kind in kinds]


@every_storage
@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize(("kind", "name"), CASES)
def test_each_step_in_both_orders(kind, name, batch, weights):
    """A run of five steps, twice: the second run takes each step in the other order."""
    module = module_of(layer_of, kind, weights, **OPTIONS[name][0])
    x = draw(dtype_of(weights), batch)
    whole = module(x)
    hx = as_hx([np.zeros_like(state) for state in states_of(whole[1])])
    for _ in range(2):
        assert_same_bits(one_by_one(steps_of(module), x, hx), whole)


@every_storage
@every_kind
def test_both_directions(kind, weights):
    module = module_of(layer_of, kind, weights, bidirectional=True)
    x = draw(dtype_of(weights), 2, 1)
    results = [module(x) for _ in range(4)]
    for result in results[1:]:
        assert_same_bits(result, results[0])
    both = np.concatenate([x, x])
    lengths = [1, 1]
    assert_same_bits(module(both, lengths=lengths)[1], results[0][1])


@every_storage
@every_kind
def test_cells_and_streams_as_layers(kind, weights):
    layer = module_of(layer_of, kind, weights)
    cell = module_of(cell_of, kind, weights)
    x = draw(dtype_of(weights), 3)
    output, states = layer(x)
    stream = layer.stream(3)
    for _ in range(2):
        hx = None
        stream.reset()
        for step, expected in zip(x, output, strict=True):
            hx = cell(step, hx)
            assert_same_bits(states_of(hx)[0], expected)
            assert_same_bits(stream(step), expected)
        assert_same_bits(states_of(stream.state), states_of(states))


@every_storage
@every_kind
def test_threads_that_use_one_module(kind, weights):
    """Three threads read and turn the order at once, with one and with two threads in a call."""
    module = module_of(layer_of, kind, weights)
    x = draw(dtype_of(weights), 2)
    whole = module(x)
    hx = as_hx([np.zeros_like(state) for state in states_of(whole[1])])
    errors = []
    barrier = threading.Barrier(3)

    def run():
        try:
            barrier.wait()
            for _ in range(5):
                assert_same_bits(one_by_one(steps_of(module), x, hx), whole)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.usefixtures("restore_threads")
@every_storage
@every_kind
def test_threads_that_share_a_step(kind, weights):
    module = module_of(layer_of, kind, weights)
    x = draw(dtype_of(weights), 1)
    pylstm.set_num_threads(1)
    whole = module(x)
    hx = as_hx([np.zeros_like(state) for state in states_of(whole[1])])
    pylstm.set_num_threads(2)
    for _ in range(3):
        assert_same_bits(one_by_one(steps_of(module), x, hx), whole)
