"""Conv1d beside a live torch: 400 random configurations, wrong calls, initial bits."""

import warnings

import numpy as np
import pytest
from conv_cases import conv_input, random_conv
from support import assert_same_bits

import pylstm as nn
from pylstm.functional import conv1d

pytest.importorskip("torch.nn")  # "torch" alone would find a folder of that name
import torch


@pytest.mark.parametrize("seed", range(400))
def test_random_configurations(seed):
    args, options, shape = random_conv(seed)
    nn.manual_seed(seed)
    torch.manual_seed(seed)
    ours = nn.Conv1d(*args, **options)
    theirs = torch.nn.Conv1d(*args, **options | {"dtype": getattr(torch, options["dtype"])})
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == list(theirs.state_dict())
    for name, value in theirs.named_parameters():
        assert_same_bits(ours.get_parameter(name), value.detach().numpy())
    # The generators have moved on by as much.
    assert_same_bits(nn.Linear(3, 2).weight, torch.nn.Linear(3, 2).weight.detach().numpy())
    for name in ("kernel_size", "stride", "padding", "dilation", "groups", "padding_mode",
                 "in_channels", "out_channels", "transposed", "output_padding"):  # fmt: skip
        assert getattr(ours, name) == getattr(theirs, name)
    x = conv_input(seed, shape).astype(options["dtype"])
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # on even kernels with "same"
        expected = theirs(torch.from_numpy(x)).numpy()
        exact = theirs.double()(torch.from_numpy(x.astype(np.float64))).numpy()
    result = ours(x)
    assert (result.dtype, result.shape) == (expected.dtype, expected.shape)
    error = np.abs(result - exact).max(initial=0)
    if options["dtype"] == "float64":
        assert error <= 1e-12
    else:
        assert error <= 2 * np.abs(expected - exact).max(initial=0) + 1e-7


CONSTRUCTORS = [
    ((4, 6, 3), {"groups": 0}), ((4, 6, 3), {"groups": -1}), ((4, 6, 3), {"groups": 3}),
    ((6, 4, 3), {"groups": 3}), ((4, 6, 3), {"padding": "same", "stride": 2}),
    ((4, 6, -1), {}), ((-4, 6, 3), {}), ((4, -6, 3), {}), ((4.0, 6, 3), {}), ((4, 6, 2.5), {}),
    ((4, 6), {}), ((), {}), ((4, 6, 3), {"padding": "x"}), ((4, 6, 3), {"padding_mode": "x"}),
]  # fmt: skip


@pytest.mark.parametrize(("args", "options"), CONSTRUCTORS, ids=str)
def test_wrong_constructors(args, options):
    with pytest.raises(Exception) as theirs:
        torch.nn.Conv1d(*args, **options)
    with pytest.raises(type(theirs.value)) as ours:
        nn.Conv1d(*args, **options)
    # Sets print in any order, and what is no number at all is said in words of pylstm's.
    whole = len(args) == 3 and all(isinstance(size, int) for size in args) and args[2] > 0
    if whole and not {"padding", "padding_mode"} & {*options}:
        assert str(ours.value).startswith(str(theirs.value).split(":")[0])


CALLS = [
    ({}, (10,)), ({}, ()), ({}, (2, 2, 4, 10)), ({}, (2, 3, 10)), ({}, (3, 10)), ({}, (2, 4, 2)),
    ({}, (4, 2)), ({}, (2, 4, 0)), ({"stride": 0}, (2, 4, 10)), ({"stride": -1}, (2, 4, 10)),
    ({"padding": -1}, (2, 4, 10)), ({"dilation": 0}, (2, 4, 10)), ({"dilation": 6}, (2, 4, 10)),
    ({"groups": 2}, (2, 3, 10)), ({"padding": 12, "padding_mode": "reflect"}, (2, 4, 10)),
    ({"padding": 12, "padding_mode": "circular"}, (2, 4, 10)), ({"padding": 2}, (2, 4, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("options", "shape"), CALLS, ids=str)
def test_wrong_calls(options, shape):
    x = np.zeros(shape, np.float32)
    with pytest.raises(Exception) as theirs:
        torch.nn.Conv1d(4, 6, 3, **options)(torch.from_numpy(x))
    with pytest.raises(type(theirs.value)) as ours:
        nn.Conv1d(4, 6, 3, **options)(x)
    assert str(ours.value).startswith(str(theirs.value))


FUNCTIONS = [
    ((6, 4, 3), (5,), {}), ((6, 3, 3), None, {}), ((6, 4, 3), (6,), {"groups": 2}),
    ((4, 3), (6,), {}), ((6, 4, 3), (6,), {"stride": 0}), ((6, 4, 3), (6,), {"padding": "foo"}),
    ((6, 4, 3), (6,), {"padding": -1}), ((6, 4, 3), (6,), {"stride": (1, 1)}),
    ((6, 4, 3), (6,), {"dilation": 0}), ((6, 4, 3), (6,), {"groups": 0}),
    ((6, 4, 3), (6,), {"groups": 4}), ((6, 4, 3), (6, 4, 3), {}), ((0, 4, 3), (0,), {}),
    ((6, 4, 3), (6,), {"padding": "same", "stride": 2}), ((6, 4, 3, 3), (6,), {}),
]  # fmt: skip


@pytest.mark.parametrize(("weight", "bias", "options"), FUNCTIONS, ids=str)
def test_wrong_calls_of_the_function(weight, bias, options):
    arrays = [np.zeros((2, 4, 10), np.float32), np.zeros(weight, np.float32)]
    arrays.append(None if bias is None else np.zeros(bias, np.float32))
    tensors = [None if array is None else torch.from_numpy(array) for array in arrays]
    with pytest.raises(Exception) as theirs:
        torch.nn.functional.conv1d(*tensors, **options)
    with pytest.raises(type(theirs.value)) as ours:
        conv1d(*arrays, **options)
    assert str(ours.value).startswith(str(theirs.value))
