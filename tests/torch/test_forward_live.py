"""Random modules and inputs beside a live torch, over the whole space of options.

float64: at most 1e-12 apart. float32: the error against torch's float64 run of the same float32
weights is at most twice torch's own, or 1e-6 of the values' size where both are tiny (1.5e-6 of GRU and
RNN, whose output has the error of a total whole: the gates of an LSTM leave at most a quarter of it).
"""

import warnings

import numpy as np
import pytest
from recorded import class_of
from reference import KINDS
from support import as_hx, cell_of, flatten, layer_of, states_of

import pylstm
from pylstm.utils import rnn

pytest.importorskip("torch.nn")  # "torch" alone would find a folder of that name
import torch

packing = torch.nn.utils.rnn

BATCHES, PER_BATCH = 45, 50  # 2250 configurations of each kind
of_each_kind = pytest.mark.parametrize("kind", KINDS)


def choose(rng, *values):
    return values[int(rng.integers(len(values)))]


def layer_arguments(rng, kind):
    """Positional and keyword arguments of a random layer."""
    hidden_size = choose(rng, 1, 2, 3, 5, 8, 16, 17, 24, 33)
    options = {
        "num_layers": choose(rng, 1, 1, 2, 3),
        "bias": choose(rng, True, True, False),
        "batch_first": choose(rng, True, False),
        "bidirectional": choose(rng, True, False),
    }
    if kind == "LSTM":
        options["proj_size"] = (
            int(rng.integers(1, hidden_size)) if hidden_size > 1 and rng.random() < 0.3 else 0
        )
    options["dropout"] = choose(rng, 0.0, 0.0, 0.5, 1.0)
    return (choose(rng, 1, 2, 3, 7, 16, 63, 64, 65), hidden_size), options


def both(make, kind, seed, sizes, options, dtype):
    """(pylstm's module, torch's module), seeded alike; `make` is layer_of or cell_of."""
    torch.manual_seed(seed)
    pylstm.manual_seed(seed)
    name, of_kind = class_of(kind)
    cls = getattr(torch.nn, name + "Cell" * (make is cell_of))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dropout with one layer
        theirs = cls(*sizes, **options, **of_kind, dtype=getattr(torch, dtype))
        ours = make(kind, *sizes, **options, dtype=dtype)
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


def tensors(hx, double=False):
    """Torch's copies of states (None stays None)."""
    if hx is None:
        return None
    copies = [torch.from_numpy(a.copy()) for a in states_of(hx)]
    return as_hx([t.double() for t in copies] if double else copies)


def run_torch(module, x, hx):
    """torch's result as arrays; x is an array or a PackedSequence of torch's."""
    with torch.inference_mode():
        result = module(x if isinstance(x, tuple) else torch.from_numpy(x.copy()), hx)

    def arrays(value):
        value = value.data if isinstance(value, packing.PackedSequence) else value
        return tuple(map(arrays, value)) if isinstance(value, tuple) else value.numpy()

    return flatten(arrays(result))


def compare(kind, ours, theirs, truth, dtype):
    """Shapes and dtypes equal, values within the promise of this file."""
    assert [a.shape for a in ours] == [a.shape for a in theirs]
    assert {a.dtype for a in ours} == {np.dtype(dtype)}
    for a, b, exact in zip(ours, theirs, truth, strict=True):
        error = np.abs(a - exact).max(initial=0.0)
        size = max(1.0, np.abs(exact).max(initial=0.0))
        if dtype == "float64":
            assert error <= 1e-12 * size
        else:
            own = np.abs(b - exact).max(initial=0.0)
            assert error <= max(2 * own, (1e-6 if kind == "LSTM" else 1.5e-6) * size)


def states_for(rng, kind, module, rows, dtype):
    """Random hx, or None in one of three cases; `rows` is () where unbatched."""
    if rng.random() < 1 / 3:
        return None
    depth = module.num_layers * (1 + module.bidirectional)
    widths = (module.proj_size or module.hidden_size, module.hidden_size)
    return as_hx(
        [values(rng, (depth, *rows, size), dtype) for size in widths[: KINDS[kind].states]]
    )


def check_dense(rng, kind, dtype):
    sizes, options = layer_arguments(rng, kind)
    ours, theirs = both(layer_of, kind, int(rng.integers(2**32)), sizes, options, dtype)
    steps, batch = choose(rng, 1, 2, 3, 5, 9, 20), choose(rng, 0, 1, 1, 2, 3, 4, 5, 8, 13)
    unbatched = rng.random() < 0.2
    shape = (batch, steps) if ours.batch_first else (steps, batch)
    x = values(rng, ((steps,) if unbatched else shape) + sizes[:1], dtype)
    hx = states_for(rng, kind, ours, () if unbatched else (batch,), dtype)
    result = flatten(ours(x, hx))
    expected = run_torch(theirs, x, tensors(hx))
    truth = run_torch(theirs.double(), x.astype(float), tensors(hx, True))
    compare(kind, result, expected, truth, dtype)


def check_cell(rng, kind, dtype):
    sizes = (choose(rng, 1, 2, 7, 63, 64, 65), choose(rng, 1, 2, 5, 16, 17, 33))
    options = {"bias": choose(rng, True, False)}
    ours, theirs = both(cell_of, kind, int(rng.integers(2**32)), sizes, options, dtype)
    rows = choose(rng, (), (0,), (1,), (2,), (5,), (9,))
    x = values(rng, rows + sizes[:1], dtype)
    hx = None
    if rng.random() < 0.7:
        hx = as_hx([values(rng, rows + sizes[1:], dtype) for _ in range(KINDS[kind].states)])
    result = flatten(ours(x, hx))
    expected = run_torch(theirs, x, tensors(hx))
    truth = run_torch(theirs.double(), x.astype(float), tensors(hx, True))
    compare(kind, result, expected, truth, dtype)


def check_packed(rng, kind, dtype):
    sizes, options = layer_arguments(rng, kind)
    ours, theirs = both(layer_of, kind, int(rng.integers(2**32)), sizes, options, dtype)
    lengths = rng.integers(1, 10, size=int(rng.integers(1, 7)))
    x = values(rng, (int(lengths.max()), len(lengths), *sizes[:1]), dtype)
    hx = states_for(rng, kind, ours, (len(lengths),), dtype)
    out, states = ours(rnn.pack_padded_sequence(x, lengths, enforce_sorted=False), hx)

    def pack(array):
        return packing.pack_padded_sequence(
            torch.from_numpy(array.copy()), torch.from_numpy(lengths), enforce_sorted=False
        )

    expected = run_torch(theirs, pack(x), tensors(hx))
    truth = run_torch(theirs.double(), pack(x.astype(float)), tensors(hx, True))
    compare(kind, [out.data, *states_of(states)], expected, truth, dtype)
    assert (out.batch_sizes == pack(x).batch_sizes.numpy()).all()


@pytest.mark.parametrize("batch", range(BATCHES))
@of_each_kind
def test_random_configurations(kind, batch):
    rng = np.random.default_rng([22, batch] + [list(KINDS).index(kind)] * (kind != "LSTM"))
    for number in range(PER_BATCH):
        check = (check_dense, check_dense, check_cell, check_packed)[number % 4]
        state = rng.bit_generator.state
        dtype = choose(rng, "float32", "float64")
        try:
            check(rng, kind, dtype)
        except AssertionError as error:
            error.add_note(
                f"{check.__name__}, {kind}, {dtype}, batch {batch}, number {number}, {state}"
            )
            raise


@of_each_kind
def test_torch_accepts_what_comes_out(kind):
    out, _ = layer_of(kind, 3, 4)(torch.ones(5, 2, 3))
    assert torch.from_numpy(out).shape == (5, 2, 4)


@of_each_kind
def test_tensors_of_torch_as_input(kind, dtype):
    ours, theirs = both(layer_of, kind, 1, (3, 4), {"num_layers": 2}, dtype)
    x = torch.randn(5, 2, 3, dtype=getattr(torch, dtype))
    hx = as_hx(
        [torch.randn(2, 2, 4, dtype=getattr(torch, dtype)) for _ in range(KINDS[kind].states)]
    )
    expected = flatten(ours(x.numpy(), as_hx([t.numpy() for t in states_of(hx)])))
    for given in (x, x.clone().requires_grad_(), x.transpose(0, 1).contiguous().transpose(0, 1)):
        result = flatten(ours(given, hx))
        assert all((a == b).all() for a, b in zip(result, expected, strict=True))
    ours.load_state_dict(theirs.state_dict())
    result = flatten(ours(x, hx))
    assert all((a == b).all() for a, b in zip(result, expected, strict=True))


@of_each_kind
def test_packed_sequence_of_torch_as_input(kind, dtype):
    layer = layer_of(kind, 3, 4, dtype=dtype)
    x = torch.randn(5, 3, 3, dtype=getattr(torch, dtype))
    lengths = [2, 5, 3]
    theirs = packing.pack_padded_sequence(x, lengths, enforce_sorted=False)
    ours = rnn.pack_padded_sequence(x.numpy(), lengths, enforce_sorted=False)
    (out, states), (expected, expected_states) = layer(theirs), layer(ours)
    assert (np.asarray(out.data) == expected.data).all()
    for a, b in zip(states_of(states), states_of(expected_states), strict=True):
        assert (a == b).all()
