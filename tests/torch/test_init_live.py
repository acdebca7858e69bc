"""Initial parameters beside a live torch: no bit differs, and the generators stay in step."""

import numpy as np
import pytest
from support import assert_same_bits

import pylstm

pytest.importorskip("torch.nn")  # "torch" alone would find a folder of that name
import torch

PER_BATCH = 25
CORNERS = (0, 1, 2**32 - 1, 2**32, 2**64 - 1, -1, -(2**63))


def random_case(rng):
    """(kind, seed, positional and keyword arguments)."""
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


@pytest.mark.parametrize("batch", range(16))
def test_same_bits(batch, dtype):
    rng = np.random.default_rng([21, batch])
    for _ in range(PER_BATCH):
        kind, seed, sizes, options = random_case(rng)
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


def test_state_moves_between_the_libraries(dtype):
    torch.manual_seed(99)
    torch.rand(1001)
    pylstm.set_rng_state(torch.get_rng_state())
    theirs = torch.nn.LSTM(3, 4, dtype=getattr(torch, dtype))
    ours = pylstm.LSTM(3, 4, dtype=dtype)
    for name, value in theirs.state_dict().items():
        assert_same_bits(ours.state_dict()[name], value.numpy())
    torch.set_rng_state(torch.from_numpy(pylstm.get_rng_state()))
    theirs = torch.nn.LSTMCell(7, 5, dtype=getattr(torch, dtype))
    ours = pylstm.LSTMCell(7, 5, dtype=dtype)
    for name, value in theirs.state_dict().items():
        assert_same_bits(ours.state_dict()[name], value.numpy())


def test_reset_parameters(dtype):
    theirs = torch.nn.LSTM(3, 4, 2, proj_size=3, dtype=getattr(torch, dtype))
    ours = pylstm.LSTM(3, 4, 2, proj_size=3, dtype=dtype)
    torch.manual_seed(4)
    pylstm.manual_seed(4)
    theirs.reset_parameters()
    ours.reset_parameters()
    for name, value in theirs.state_dict().items():
        assert_same_bits(ours.state_dict()[name], value.numpy())
