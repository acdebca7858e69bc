"""Linear beside a live torch: 400 random configurations, wrong calls, initial bits."""

import warnings

import numpy as np
import pytest
from linear_cases import linear_input, random_linear
from support import assert_same_bits

import pylstm as nn

pytest.importorskip("torch.nn")  # "torch" alone would find a folder of that name
import torch


def both(seed, in_features, out_features, bias, dtype):
    """A module of pylstm's and one of torch's, each drawn from the same seed."""
    nn.manual_seed(seed)
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        ours = nn.Linear(in_features, out_features, bias, dtype=dtype)
        theirs = torch.nn.Linear(in_features, out_features, bias, dtype=getattr(torch, dtype))
    return ours, theirs


@pytest.mark.parametrize("seed", range(400))
def test_random_configurations(seed):
    in_features, out_features, bias, dtype, shape = random_linear(seed)
    ours, theirs = both(seed, in_features, out_features, bias, dtype)
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == list(theirs.state_dict())
    for name, value in theirs.named_parameters():
        assert_same_bits(ours.get_parameter(name), value.detach().numpy())
    # The generators have moved on by as much.
    assert_same_bits(nn.Linear(3, 2).weight, torch.nn.Linear(3, 2).weight.detach().numpy())
    x = linear_input(seed, (*shape, in_features)).astype(dtype)
    with torch.inference_mode():
        expected = theirs(torch.from_numpy(x)).numpy()
        exact = theirs.double()(torch.from_numpy(x.astype(np.float64))).numpy()
    result = ours(x)
    assert (result.dtype, result.shape) == (expected.dtype, expected.shape)
    if dtype == "float64":
        assert np.abs(result - expected).max(initial=0) <= 1e-12
    else:
        error = np.abs(result - exact).max(initial=0)
        assert error <= 2 * np.abs(expected - exact).max(initial=0) + 1e-7


CONSTRUCTORS = [
    (-1, 2), (2, -1), (-3, -4), (2.5, 2), (2, 2.5), ("a", 2), (2, "a"), (None, 2), (2, None), (), (3,),
]  # fmt: skip
SHAPES = [(), (5,), (0,), (2, 5), (2, 3, 5), (0, 5), (2, 0, 5), (1, 1, 1, 5), (3, 0)]


@pytest.mark.parametrize("args", CONSTRUCTORS, ids=str)
def test_wrong_constructors(args):
    with pytest.raises(Exception) as theirs:
        torch.nn.Linear(*args)
    with pytest.raises(type(theirs.value)) as ours:
        nn.Linear(*args)
    assert str(ours.value).startswith(str(theirs.value))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_wrong_inputs(shape):
    ours, theirs = both(0, 4, 3, True, "float32")
    with pytest.raises(RuntimeError) as expected:
        theirs(torch.zeros(shape))
    with pytest.raises(RuntimeError) as got:
        ours(np.zeros(shape))
    assert str(got.value).startswith(str(expected.value))


@pytest.mark.parametrize("call", ["module()", "module(zeros(4), 1)", "module(x=1)"])
def test_wrong_arguments(call):
    ours, theirs = both(0, 4, 3, True, "float32")
    with pytest.raises(TypeError) as expected:
        eval(call, {"module": theirs, "zeros": torch.zeros})
    with pytest.raises(TypeError) as got:
        eval(call, {"module": ours, "zeros": np.zeros})
    assert str(got.value).startswith(str(expected.value))


def test_state_dicts_are_exchanged():
    ours, theirs = both(1, 7, 5, True, "float64")
    theirs.weight.data += 1
    ours.load_state_dict(theirs.state_dict())
    assert_same_bits(ours.weight, theirs.weight.detach().numpy())
    theirs.load_state_dict(
        {name: torch.from_numpy(v.copy()) for name, v in ours.state_dict().items()}
    )
