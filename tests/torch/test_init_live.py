"""Initial parameters beside a live torch: no bit differs, and the generators stay in step."""

import numpy as np
import pytest
from support import assert_same_bits

import pylstm

pytest.importorskip("torch.nn")  # "torch" alone would find a folder of that name
import torch

PER_BATCH = 25
CORNERS = (0, 1, 2**32 - 1, 2**32, 2**64 - 1, -1, -(2**63))


CLASSES = ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell")


def random_case(rng):
    """(class, seed, positional and keyword arguments) of an LSTM or an LSTMCell."""
    input_size, hidden_size = (int(rng.integers(1, 70)) for _ in range(2))
    seed = CORNERS[int(rng.integers(len(CORNERS)))]
    if rng.random() < 0.7:
        seed = int(rng.integers(2**63))
    if rng.random() < 0.25:
        return "LSTMCell", seed, (input_size, hidden_size, bool(rng.random() < 0.7)), {}
    options = {
        "num_layers": int(rng.integers(1, 4)),
        "bias": bool(rng.random() < 0.7),
        "batch_first": bool(rng.random() < 0.5),
        "bidirectional": bool(rng.random() < 0.5),
        "proj_size": int(rng.integers(hidden_size)) if rng.random() < 0.4 else 0,
    }
    return "LSTM", seed, (input_size, hidden_size), options


def random_case_of(rng, name):
    """The same of any class."""
    seed = CORNERS[int(rng.integers(len(CORNERS)))]
    if rng.random() < 0.7:
        seed = int(rng.integers(2**63))
    options = {"bias": bool(rng.random() < 0.7)}
    if not name.endswith("Cell"):
        options["num_layers"] = int(rng.integers(1, 4))
        options["batch_first"] = bool(rng.random() < 0.5)
        options["bidirectional"] = bool(rng.random() < 0.5)
    if name.startswith("RNN"):
        options["nonlinearity"] = ("tanh", "relu")[int(rng.integers(2))]
    return name, seed, tuple(int(size) for size in rng.integers(1, 70, 2)), options


def assert_drawn_alike(kind, seed, sizes, options, dtype):
    """No bit of the parameters and of the generator's state differs between the libraries."""
    torch.manual_seed(seed)
    theirs = getattr(torch.nn, kind)(*sizes, **options, dtype=getattr(torch, dtype))
    pylstm.manual_seed(seed)
    ours = getattr(pylstm, kind)(*sizes, **options, dtype=dtype)
    expected = {name: value.numpy() for name, value in theirs.state_dict().items()}
    actual = ours.state_dict()
    assert list(actual) == list(expected)
    for name, value in expected.items():
        assert_same_bits(actual[name], value)
    assert (pylstm.get_rng_state() == torch.get_rng_state().numpy()).all()
    assert pylstm.initial_seed() == torch.initial_seed()


@pytest.mark.parametrize("batch", range(16))
def test_same_bits(batch, dtype):
    rng = np.random.default_rng([21, batch])
    for _ in range(PER_BATCH):
        assert_drawn_alike(*random_case(rng), dtype)


@pytest.mark.parametrize("batch", range(8))
@pytest.mark.parametrize("name", CLASSES)
def test_same_bits_of_each_class(name, batch, dtype):
    rng = np.random.default_rng([23, batch, CLASSES.index(name)])
    for _ in range(PER_BATCH):
        assert_drawn_alike(*random_case_of(rng, name), dtype)


@pytest.mark.parametrize("name", [name for name in CLASSES if name.endswith("Cell")])
def test_cells_without_units_draw_nothing(name, dtype):
    assert_drawn_alike(name, 5, (4, 0), {}, dtype)
    assert_drawn_alike(name, 5, (0, 4), {}, dtype)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_state_moves_between_the_libraries(kind, dtype):
    torch.manual_seed(99)
    torch.rand(1001)
    pylstm.set_rng_state(torch.get_rng_state())
    theirs = getattr(torch.nn, kind)(3, 4, dtype=getattr(torch, dtype))
    ours = getattr(pylstm, kind)(3, 4, dtype=dtype)
    for name, value in theirs.state_dict().items():
        assert_same_bits(ours.state_dict()[name], value.numpy())
    torch.set_rng_state(torch.from_numpy(pylstm.get_rng_state()))
    theirs = getattr(torch.nn, kind + "Cell")(7, 5, dtype=getattr(torch, dtype))
    ours = getattr(pylstm, kind + "Cell")(7, 5, dtype=dtype)
    for name, value in theirs.state_dict().items():
        assert_same_bits(ours.state_dict()[name], value.numpy())


@pytest.mark.parametrize(
    ("kind", "options"), [("LSTM", {"proj_size": 3}), ("GRU", {}), ("RNN", {})]
)
def test_reset_parameters(kind, options, dtype):
    theirs = getattr(torch.nn, kind)(3, 4, 2, **options, dtype=getattr(torch, dtype))
    ours = getattr(pylstm, kind)(3, 4, 2, **options, dtype=dtype)
    torch.manual_seed(4)
    pylstm.manual_seed(4)
    theirs.reset_parameters()
    ours.reset_parameters()
    for name, value in theirs.state_dict().items():
        assert_same_bits(ours.state_dict()[name], value.numpy())
