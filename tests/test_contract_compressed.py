"""Compressed weights: every kind, option and call against the oracle, in bytes, for each storage."""

import functools
import itertools
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import reference_weights as oracle
from reference import KINDS, fractions
from support import (
    as_hx,
    assert_same_bits,
    cell_of,
    flatten,
    layer_of,
    states_of,
    with_parameters,
)
from test_contract_levels import OTHER_RUNS
from test_variants import ALL as VARIANTS

import pylstm
from pylstm.contract import level_of
from pylstm.contract.cases import hash_arrays
from pylstm.utils.rnn import pack_sequence

every_storage = pytest.mark.parametrize("weights", oracle.STORAGES)
every_kind = pytest.mark.parametrize("kind", KINDS)


def compressed(module, weights):
    """A copy with compressed weights, and the parameters of the module."""
    parameters = {name: np.array(value) for name, value in module.state_dict().items()}
    return pylstm.compress(module, weights), parameters


def made(kind, *sizes, seed=3, scale=0.5, **options):
    return with_parameters(layer_of(kind, *sizes, **options), seed, scale)


def inputs(seed, shape, scale=1.0):
    return fractions(seed, shape, scale).astype("f4")


def states_for(module, rows, scale=1.0):
    """Initial states, as arrays."""
    depth = module.num_layers * (1 + module.bidirectional)
    widths = (getattr(module, "proj_size", 0) or module.hidden_size, module.hidden_size)
    count = 2 if isinstance(module, pylstm.LSTM) else 1
    return [inputs(50 + i, (depth, rows, widths[i]), scale) for i in range(count)]


def expected_of(kind, parameters, x, hx, weights, **options):
    """What the oracle makes of a dense call: (output, states)."""
    with np.errstate(all="ignore"):
        output, states = oracle.layer(kind, parameters, x, hx, weights=weights, **options)
    return output, as_hx(states)


# Drawn networks -------------------------------------------------------------------------------


def variant_of(draw, kind):
    """(constructor's options, the oracle's) of a variant that the kind has, or of none."""
    options = draw.choice([{}, {}, *(each for of, each in VARIANTS if of == kind)])
    known = {name: value for name, value in options.items() if name != "peepholes"}
    return options, known


def drawn(kind, seed):
    """(module, x, states or None, the oracle's options), of all that a layer may have."""
    draw = random.Random(f"{kind} {seed}")
    options, known = variant_of(draw, kind)
    options = dict(options, bias=draw.random() < 0.7, bidirectional=draw.random() < 0.4)
    hidden = draw.choice([draw.randint(1, 140), draw.randint(1, 33)])
    if kind == "LSTM" and hidden > 1 and draw.random() < 0.4:
        options["proj_size"] = draw.randint(1, hidden - 1)
    if not options["bidirectional"] and draw.random() < 0.2:
        options["reverse"] = known["reverse"] = True
    sizes = draw.randint(1, 140), hidden, draw.randint(1, 3)
    module = made(kind, *sizes, seed=seed, scale=draw.choice([0.1, 0.5, 2.0]), **options)
    rows = draw.choice([1, 1, 2, 3, 5, 9])
    x = inputs(seed, (draw.randint(1, 5), rows, sizes[0]), draw.choice([1, 1, 30, 1e-25]))
    states = states_for(module, rows, draw.choice([1, 3.0])) if draw.random() < 0.7 else None
    if draw.random() < 0.2:
        x.reshape(-1)[draw.randrange(x.size)] = draw.choice([np.nan, np.inf, -np.inf])
    return module, x, states, known


@pytest.mark.parametrize("seed", range(16))
@every_kind
@every_storage
def test_drawn_layers_are_the_oracle(weights, kind, seed):
    module, x, states, known = drawn(kind, 100 * oracle.STORAGES.index(weights) + seed)
    module, parameters = compressed(module, weights)
    hx = None if states is None else as_hx(states)
    with np.errstate(all="ignore"):
        ours = module(x, hx)
    if weights in oracle.FLOATS:  # of the same constructor, hence with the same options
        wide, *_ = drawn(kind, 100 * oracle.STORAGES.index(weights) + seed)
        wide.load_state_dict(oracle.widened(parameters, weights))
        assert_same_bits(ours, wide(x, hx))
    else:
        assert_same_bits(ours, expected_of(kind, parameters, x, states, weights, **known))


@functools.cache
def drawn_hash(count):
    """The hash of what drawn networks give at the level and flavour in use."""
    results = []
    for weights, kind, seed in itertools.product(oracle.STORAGES, KINDS, range(count)):
        module, x, states, _ = drawn(kind, 100 * oracle.STORAGES.index(weights) + seed)
        small = pylstm.compress(module, weights)
        with np.errstate(all="ignore"):
            results += flatten(small(x, None if states is None else as_hx(states)))
    return hash_arrays(results)


@pytest.mark.parametrize("level", OTHER_RUNS)
def test_drawn_layers_in_other_flavours(level):
    code = "import test_contract_compressed as tests; print(tests.drawn_hash(6))"
    paths = [str(Path(pylstm.__file__).parents[1]), str(Path(__file__).parent)]
    flavour = level if level in pylstm._core.simd_flavours() else ""
    choice = {"PYLSTM_SIMD": level_of(level), "PYLSTM_SIMD_FLAVOUR": flavour}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | choice | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == drawn_hash(6), done.stderr[-2000:]


@every_storage
@pytest.mark.parametrize(("kind", "variant"), VARIANTS, ids=str)
def test_every_variant_is_the_oracle(kind, variant, weights):
    """Two layers, the states of one row beyond 1."""
    module, parameters = compressed(made(kind, 35, 19, 2, scale=0.7, **variant), weights)
    x, states = inputs(4, (4, 3, 35), 2.0), states_for(module, 3)
    states[0][0, 1, 3] = 2.5
    known = {name: value for name, value in variant.items() if name != "peepholes"}
    assert_same_bits(
        module(x, as_hx(states)), expected_of(kind, parameters, x, states, weights, **known)
    )


@every_kind
@every_storage
def test_cells_are_the_oracle(weights, kind):
    for sizes, rows, scale in itertools.product([(1, 1), (37, 21), (130, 70)], (1, 6), (1.0, 2.0)):
        cell, parameters = compressed(with_parameters(cell_of(kind, *sizes), 5, 0.5), weights)
        named = {f"{name}_l0": value for name, value in parameters.items()}
        x = inputs(rows, (1, rows, sizes[0]))
        states = [inputs(7 + i, (1, rows, sizes[1]), scale) for i in range(1 + (kind == "LSTM"))]
        _, expected = expected_of(kind, named, x, states, weights)
        hx = as_hx([state[0] for state in states])
        assert_same_bits(cell(x[0], hx), as_hx([each[0] for each in states_of(expected)]))
        row = cell(x[0, -1], as_hx([state[0, -1] for state in states]))
        assert_same_bits(row, as_hx([each[0, -1] for each in states_of(expected)]))
        out = as_hx([np.empty((rows, sizes[1]), "f4") for _ in states])
        cell(x[0], hx, out=out)
        assert_same_bits(out, as_hx([each[0] for each in states_of(expected)]))


# Calls: the dense call is the oracle's, and all others are the dense call's ----------------------

STEPS, ROWS = 7, 6


def network(kind, weights, **options):
    """A deep network with compressed weights, an input with an odd row, and its states."""
    if kind == "LSTM":
        options.setdefault("proj_size", 11)
    module, parameters = compressed(made(kind, 29, 18, 2, **options), weights)
    x, states = inputs(8, (STEPS, ROWS, 29)), states_for(module, ROWS)
    x[3, 2, 5] = np.nan
    states[0][0, 4, 1] = 1.75
    return module, x, states, parameters


def rows_of(states, rows):
    return as_hx([np.ascontiguousarray(state[:, rows]) for state in states])


@every_kind
@every_storage
def test_ways_of_a_call(weights, kind):
    """Rows alone, lengths, packed, unbatched, batch_first, out and trace, of both directions."""
    module, x, states, parameters = network(kind, weights, bidirectional=True)
    hx = as_hx(states)
    whole = module(x, hx)
    assert_same_bits(whole, expected_of(kind, parameters, x, states, weights))
    lengths = [3, STEPS, 1, STEPS, 2, 5]
    alone = [module(x[:n, i : i + 1], rows_of(states, [i])) for i, n in enumerate(lengths)]
    short, last = module(x, hx, lengths=lengths)
    packed, packed_last = module(
        pack_sequence([x[:n, i] for i, n in enumerate(lengths)], enforce_sorted=False), hx
    )
    starts = np.concatenate([[0], np.cumsum(packed.batch_sizes)])
    for i, n in enumerate(lengths):
        assert_same_bits(short[:n, i], alone[i][0][:, 0])
        assert not short[n:, i].any()
        assert_same_bits(rows_of(states_of(last), [i]), alone[i][1])
        places = starts[:n] + int(np.flatnonzero(packed.sorted_indices == i)[0])
        assert_same_bits(packed.data[places], alone[i][0][:, 0])
        assert_same_bits(rows_of(states_of(packed_last), [i]), alone[i][1])
    single = module(x[:, 1], as_hx([state[:, 1] for state in states]))
    assert_same_bits(single, (whole[0][:, 1], as_hx([s[:, 1] for s in states_of(whole[1])])))
    out = np.empty_like(whole[0]), as_hx([np.empty_like(s) for s in states_of(whole[1])])
    module(x, hx, out=out)
    assert_same_bits(out, whole)
    trace = module.trace(x, hx)
    assert_same_bits(trace.output, whole[0])
    assert_same_bits([getattr(trace, f"{n}_n") for n in "hc"[: len(states)]], flatten(whole[1]))
    module.batch_first = True
    swapped, last = module(np.ascontiguousarray(x.swapaxes(0, 1)), hx)
    assert_same_bits((swapped.swapaxes(0, 1), last), whole)


@every_kind
@every_storage
def test_pieces_resets_and_streams(weights, kind):
    """What goes on from call to call, with a row whose state is beyond 1 and one that is poisoned."""
    module, x, states, _ = network(kind, weights)
    output, last = module(x, as_hx(states))
    poisoned = np.isnan(output).any(axis=2)
    assert poisoned[3:, 2].all() and not poisoned[:3].any() and poisoned.sum() == STEPS - 3
    for cut in range(1, STEPS):
        first, hx = module(x[:cut], as_hx(states))
        second, hx = module(x[cut:], hx)
        assert_same_bits((np.concatenate([first, second]), hx), (output, last))
    mask = np.zeros((STEPS, ROWS), bool)
    mask[[0, 2, 2, 5], [3, 0, 4, 4]] = True
    begun, _ = module(x, as_hx(states), reset=mask)
    for row, step in ((3, 0), (0, 2), (4, 5)):
        anew, _ = module(np.ascontiguousarray(x[step:, row : row + 1]))
        assert_same_bits(begun[step:, row], anew[:, 0])
        first = int(np.argmax(mask[:, row]))
        assert_same_bits(begun[:first, row], output[:first, row])
    stream = module.stream(ROWS, as_hx(states))
    assert_same_bits(stream(x[:2]), output[:2])
    fork = stream.fork()
    assert_same_bits(stream(x[2, [5, 1]], rows=[5, 1]), output[2, [5, 1]])
    stream.leave([0, 3])
    assert stream.join(1).tolist() == [4]
    new = stream(x[:3, :1], rows=[4])
    assert_same_bits(new, module(np.ascontiguousarray(x[:3, :1]))[0])
    assert_same_bits(stream(x[3:, [1, 5]], rows=[0, 3]), output[3:, [1, 5]])
    fork.select([4, 4, 1])
    assert_same_bits(fork(x[2:, [4, 4, 1]]), output[2:, [4, 4, 1]])


@every_kind
@every_storage
def test_dropout_in_training(weights, kind):
    """The layer above takes what dropout left as any input: with a scale of each row."""
    module, x, states, parameters = network(kind, weights, dropout=0.5, bidirectional=True)
    width = 2 * (11 if kind == "LSTM" else 18)
    # Of ones that dropout left: a relu whose first layer gives ones, and whose second passes them on.
    mask = pylstm.RNN(1, width, 2, nonlinearity="relu", dropout=0.5, bias=True)
    mask.load_state_dict({
        name: np.eye(*value.shape) * (name == "weight_ih_l1") if value.ndim == 2
        else np.full(value.shape, 1.0 * (name == "bias_ih_l0"))
        for name, value in mask.state_dict().items()
    })  # fmt: skip
    pylstm.manual_seed(9)
    kept = mask.train()(np.zeros((STEPS, ROWS, 1), "f4"))[0]
    assert set(np.unique(kept)) == {0, 2}
    options = {"proj_size": 11} if kind == "LSTM" else {}
    below, finals = x, []
    for index in range(2):
        part = made(kind, below.shape[2], 18, 1, bidirectional=True, **options)
        part.load_state_dict({
            name.replace(f"_l{index}", "_l0"): value
            for name, value in parameters.items() if f"_l{index}" in name
        })  # fmt: skip
        part, _ = compressed(part, weights)
        own = [state[2 * index : 2 * index + 2] for state in states]
        below, last = part(below if index == 0 else below * kept, as_hx(own))
        finals.append(states_of(last))
    pylstm.manual_seed(9)
    output, last = module.train()(x, as_hx(states))
    assert_same_bits(
        (output, states_of(last)), (below, [np.concatenate(s) for s in zip(*finals, strict=True)])
    )
    assert not np.array_equal(module.eval()(x, as_hx(states))[0], output)


@every_kind
@every_storage
def test_two_threads(weights, kind):
    """Calls that share rows, directions and units."""
    before = pylstm.get_num_threads()
    try:
        for sizes, steps, rows, options in (
            ((64, 64, 1), 40, 33, {}),
            ((64, 96, 2), 30, 3, {"bidirectional": True}),
            ((100, 200, 1), 12, 2, {}),
        ):
            module, _ = compressed(made(kind, *sizes, scale=0.25, **options), weights)
            x = inputs(11, (steps, rows, sizes[0]))
            pylstm.set_num_threads(1)
            expected = module(x)
            pylstm.set_num_threads(2)
            for _ in range(3):
                assert_same_bits(module(x), expected)
    finally:
        pylstm.set_num_threads(before)
