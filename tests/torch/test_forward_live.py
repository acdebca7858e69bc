"""Random modules and inputs beside a live torch, over the whole space of options.

float64: at most 1e-12 apart. float32: the error against torch's float64 run of the same float32
weights is at most twice torch's own, or 1e-6 of the values' size where both are tiny.
"""

import warnings

import numpy as np
import pytest
from support import flatten

import pylstm
from pylstm.utils import rnn

pytest.importorskip("torch.nn")  # "torch" alone would find a folder of that name
import torch

packing = torch.nn.utils.rnn

BATCHES, PER_BATCH = 45, 50  # 2250 configurations


def choose(rng, *values):
    return values[int(rng.integers(len(values)))]


def lstm_arguments(rng):
    """Positional and keyword arguments of a random LSTM."""
    hidden_size = choose(rng, 1, 2, 3, 5, 8, 16, 17, 24, 33)
    options = {
        "num_layers": choose(rng, 1, 1, 2, 3),
        "bias": choose(rng, True, True, False),
        "batch_first": choose(rng, True, False),
        "bidirectional": choose(rng, True, False),
        "proj_size": int(rng.integers(1, hidden_size))
        if hidden_size > 1 and rng.random() < 0.3
        else 0,
        "dropout": choose(rng, 0.0, 0.0, 0.5, 1.0),
    }
    return (choose(rng, 1, 2, 3, 7, 16, 63, 64, 65), hidden_size), options


def both(kind, seed, sizes, options, dtype):
    """(pylstm's module, torch's module), seeded alike."""
    torch.manual_seed(seed)
    pylstm.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dropout with one layer
        theirs = getattr(torch.nn, kind)(*sizes, **options, dtype=getattr(torch, dtype))
        ours = getattr(pylstm, kind)(*sizes, **options, dtype=dtype)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    if options.get("dropout") == 0.5:  # random masks differ: see test_forward.py for those
        ours.eval(), theirs.eval()
    return ours, theirs


def values(rng, shape, dtype):
    """Inputs of a random size, as an array of the module's dtype.

    Up to standard normal in float32: with inputs ten times as large the gates' totals come near
    100, one rounding of which (4e-6) is above this file's promise, in torch as well.
    """
    largest = 1 if dtype == "float32" else 2
    return (rng.standard_normal(shape) * 10.0 ** rng.integers(-3, largest)).astype(dtype)


def tensors(arrays, double=False):
    """Torch's copies of arrays (None stays None)."""
    if arrays is None:
        return None
    copies = tuple(torch.from_numpy(a.copy()) for a in arrays)
    return tuple(t.double() for t in copies) if double else copies


def run_torch(module, x, hx):
    """torch's result as arrays; x is an array or a PackedSequence of torch's."""
    with torch.inference_mode():
        result = module(x if isinstance(x, tuple) else torch.from_numpy(x.copy()), hx)
    first, rest = result[0], result[1]
    first = first.data if isinstance(first, packing.PackedSequence) else first
    return flatten((first.numpy(), tuple(r.numpy() for r in rest)) if isinstance(rest, tuple)
                   else tuple(r.numpy() for r in result))  # fmt: skip


def compare(ours, theirs, truth, dtype):
    """Shapes and dtypes equal, values within the promise of this file."""
    assert [a.shape for a in ours] == [a.shape for a in theirs]
    assert {a.dtype for a in ours} == {np.dtype(dtype)}
    for a, b, exact in zip(ours, theirs, truth, strict=True):
        error = np.abs(a - exact).max(initial=0.0)
        if dtype == "float64":
            assert error <= 1e-12
        else:
            own = np.abs(b - exact).max(initial=0.0)
            assert error <= max(2 * own, 1e-6 * max(1.0, np.abs(exact).max(initial=0.0)))


def states_for(rng, module, rows, dtype):
    """Random (h_0, c_0), or None in one of three cases; `rows` is () where unbatched."""
    if rng.random() < 1 / 3:
        return None
    depth = module.num_layers * (1 + module.bidirectional)
    return tuple(
        values(rng, (depth, *rows, size), dtype)
        for size in (module.proj_size or module.hidden_size, module.hidden_size)
    )


def check_dense(rng, dtype):
    sizes, options = lstm_arguments(rng)
    ours, theirs = both("LSTM", int(rng.integers(2**32)), sizes, options, dtype)
    steps, batch = choose(rng, 1, 2, 3, 5, 9, 20), choose(rng, 0, 1, 1, 2, 3, 4, 5, 8, 13)
    unbatched = rng.random() < 0.2
    shape = (batch, steps) if ours.batch_first else (steps, batch)
    x = values(rng, ((steps,) if unbatched else shape) + sizes[:1], dtype)
    hx = states_for(rng, ours, () if unbatched else (batch,), dtype)
    result = flatten(ours(x, hx))
    expected = run_torch(theirs, x, tensors(hx))
    compare(result, expected, run_torch(theirs.double(), x.astype(float), tensors(hx, True)), dtype)


def check_cell(rng, dtype):
    sizes = (choose(rng, 1, 2, 7, 63, 64, 65), choose(rng, 1, 2, 5, 16, 17, 33))
    ours, theirs = both(
        "LSTMCell", int(rng.integers(2**32)), sizes, {"bias": choose(rng, True, False)}, dtype
    )
    rows = choose(rng, (), (0,), (1,), (2,), (5,), (9,))
    x = values(rng, rows + sizes[:1], dtype)
    hx = None
    if rng.random() < 0.7:
        hx = tuple(values(rng, rows + sizes[1:], dtype) for _ in range(2))
    result = flatten(ours(x, hx))
    expected = run_torch(theirs, x, tensors(hx))
    compare(result, expected, run_torch(theirs.double(), x.astype(float), tensors(hx, True)), dtype)


def check_packed(rng, dtype):
    sizes, options = lstm_arguments(rng)
    ours, theirs = both("LSTM", int(rng.integers(2**32)), sizes, options, dtype)
    lengths = rng.integers(1, 10, size=int(rng.integers(1, 7)))
    x = values(rng, (int(lengths.max()), len(lengths), *sizes[:1]), dtype)
    hx = states_for(rng, ours, (len(lengths),), dtype)
    out, states = ours(rnn.pack_padded_sequence(x, lengths, enforce_sorted=False), hx)

    def pack(array):
        return packing.pack_padded_sequence(
            torch.from_numpy(array.copy()), torch.from_numpy(lengths), enforce_sorted=False
        )

    expected = run_torch(theirs, pack(x), tensors(hx))
    truth = run_torch(theirs.double(), pack(x.astype(float)), tensors(hx, True))
    compare([out.data, *states], expected, truth, dtype)
    assert (out.batch_sizes == pack(x).batch_sizes.numpy()).all()


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_configurations(batch):
    rng = np.random.default_rng([22, batch])
    for number in range(PER_BATCH):
        check = (check_dense, check_dense, check_cell, check_packed)[number % 4]
        state = rng.bit_generator.state
        dtype = choose(rng, "float32", "float64")
        try:
            check(rng, dtype)
        except AssertionError as error:
            error.add_note(f"{check.__name__}, {dtype}, batch {batch}, number {number}, {state}")
            raise


def test_torch_accepts_what_comes_out():
    lstm = pylstm.LSTM(3, 4)
    out, _ = lstm(torch.ones(5, 2, 3))
    assert torch.from_numpy(out).shape == (5, 2, 4)


def test_tensors_of_torch_as_input(dtype):
    ours, theirs = both("LSTM", 1, (3, 4), {"num_layers": 2}, dtype)
    x = torch.randn(5, 2, 3, dtype=getattr(torch, dtype))
    hx = tuple(torch.randn(2, 2, 4, dtype=getattr(torch, dtype)) for _ in range(2))
    expected = flatten(ours(x.numpy(), tuple(t.numpy() for t in hx)))
    for given in (x, x.clone().requires_grad_(), x.transpose(0, 1).contiguous().transpose(0, 1)):
        result = flatten(ours(given, hx))
        assert all((a == b).all() for a, b in zip(result, expected, strict=True))
    ours.load_state_dict(theirs.state_dict())
    result = flatten(ours(x, hx))
    assert all((a == b).all() for a, b in zip(result, expected, strict=True))


def test_packed_sequence_of_torch_as_input(dtype):
    lstm = pylstm.LSTM(3, 4, dtype=dtype)
    x = torch.randn(5, 3, 3, dtype=getattr(torch, dtype))
    lengths = [2, 5, 3]
    theirs = packing.pack_padded_sequence(x, lengths, enforce_sorted=False)
    ours = rnn.pack_padded_sequence(x.numpy(), lengths, enforce_sorted=False)
    (out, states), (expected, expected_states) = lstm(theirs), lstm(ours)
    assert (np.asarray(out.data) == expected.data).all()
    for a, b in zip(states, expected_states, strict=True):
        assert (a == b).all()
