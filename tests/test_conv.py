"""Conv1d: its numbers, its bits, its parameters and its errors."""

import copy
import pickle

import numpy as np
import pytest
from conv_cases import conv_input, random_conv, slow_conv
from exact_float32 import add_product
from float_environment import MODES, changed, control_word, why_not
from reference import fractions
from support import DTYPES, assert_same_bits, assert_threads_share

import pylstm as nn
from pylstm.contract.cases import INPUTS, values
from pylstm.functional import conv1d, pad

# Numbers of frames on both sides of what is a panel or half of one at some level.
FRAMES = (1, 2, 7, 8, 9, 15, 16, 17, 28, 31, 32, 33, 56, 57, 63, 64, 65, 96, 97, 130)


def made(channels, outputs, kernel, dtype="float32", **options):
    module = nn.Conv1d(channels, outputs, kernel, dtype=dtype, **options)
    for index, (_, value) in enumerate(module.named_parameters()):
        value[...] = fractions(7 + index, value.shape)
    return module


def frames_of(module, x):
    """The frames (T', N, out_channels) of whole windows of x, (T, N, in_channels)."""
    (kernel,), (stride,), (dilation,) = module.kernel_size, module.stride, module.dilation
    count = (len(x) - dilation * (kernel - 1) - 1) // stride + 1
    return module._native_convolve(x, count, stride, 0, dilation, module.groups, True)


def ends_of(module):
    if module.padding == "same":
        total = module.dilation[0] * (module.kernel_size[0] - 1)
        return total // 2, total - total // 2
    return (0, 0) if module.padding == "valid" else module.padding * 2


# ---- numbers


@pytest.mark.parametrize("seed", range(200))
def test_a_slow_convolution(seed):
    args, options, shape = random_conv(seed)
    module, x = nn.Conv1d(*args, **options), conv_input(seed, shape).astype(options["dtype"])
    ends, given = ends_of(module), x if x.ndim == 3 else x[None]
    if module.padding_mode != "zeros":
        given, ends = pad(given, ends, module.padding_mode), (0, 0)
    expected = slow_conv(
        module.weight, module.bias, given, module.stride[0], ends, module.dilation[0], module.groups
    )
    result = module(x)
    assert result.dtype == x.dtype and result.flags.c_contiguous
    assert result.shape == (expected.shape if x.ndim == 3 else expected.shape[1:])
    tolerance = 1e-12 if x.dtype == np.float64 else 1e-5
    assert np.abs(result.reshape(expected.shape) - expected).max(initial=0) <= tolerance


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 5, 4), (32, 17, 1), (11, 33, 3), (33, 66, 2)])
def test_float32_is_the_blocked_sum_in_exact_fma(sizes, inputs):
    channels, outputs, kernel = sizes
    for bias in (True, False):
        module = made(*sizes, bias=bias)
        x = values(inputs, 3, (channels, 70 + kernel - 1), "float32")
        rows = np.stack([x[:, t : t + kernel].reshape(-1) for t in range(70)])
        start = module.bias if bias else np.zeros(outputs, np.float32)
        weight = np.array(module.weight).reshape(outputs, -1)
        assert_same_bits(module(x), add_product(np.tile(start, (70, 1)), weight, rows).T)


# ---- bits


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("groups", [1, 3])
def test_a_frame_has_the_same_bits_wherever_it_is(dtype, inputs, groups):
    module = made(9, 66, 3, dtype, groups=groups, stride=2, dilation=2)
    x = values(inputs, 11, (3, 9, 2 * 130 + 3), dtype)
    whole = module(x)
    assert whole.shape[2] == 130
    for count in FRAMES:
        for first in (0, 1, 130 - count):
            begin = 2 * max(first, 0)
            part = module(x[..., begin : begin + 2 * (count - 1) + 5])
            assert_same_bits(part, whole[..., max(first, 0) : max(first, 0) + count])
    for index in range(3):
        assert_same_bits(module(x[index]), whole[index])
    assert_same_bits(module(x[::-1]), whole[::-1])
    frames = frames_of(module, np.ascontiguousarray(x.transpose(2, 0, 1)))
    assert_same_bits(frames.transpose(1, 2, 0), whole)
    for first in (0, 64, 129):
        one = np.ascontiguousarray(x.transpose(2, 0, 1)[2 * first : 2 * first + 5])
        assert_same_bits(frames_of(module, one)[0], whole[..., first])


@pytest.mark.parametrize("dtype", DTYPES)
def test_groups_are_convolutions_of_their_own(dtype):
    module = made(12, 20, 3, dtype, groups=4, padding=1)
    x = fractions(3, (2, 12, 90)).astype(dtype)
    whole = module(x)
    for group in range(4):
        alone = nn.Conv1d(3, 5, 3, padding=1, dtype=dtype)
        rows = slice(5 * group, 5 * group + 5)
        alone.load_state_dict({"weight": module.weight[rows], "bias": module.bias[rows]})
        assert_same_bits(alone(x[:, 3 * group : 3 * group + 3]), whole[:, rows])


@pytest.mark.parametrize("dtype", DTYPES)
def test_padding_is_zeros_in_the_input(dtype):
    x = fractions(3, (2, 6, 70)).astype(dtype)
    for padding, ends in ((4, (4, 4)), (1, (1, 1)), ("same", (4, 5)), ("valid", (0, 0))):
        module = made(6, 9, 4, dtype, padding=padding, dilation=3)
        plain = made(6, 9, 4, dtype, dilation=3)
        assert_same_bits(module(x), plain(np.pad(x, ((0, 0), (0, 0), ends))))
    for mode, numpy_mode in (("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")):
        module = made(6, 9, 4, dtype, padding=5, padding_mode=mode)
        plain = made(6, 9, 4, dtype)
        assert_same_bits(module(x), plain(np.pad(x, ((0, 0), (0, 0), (5, 5)), numpy_mode)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_bit_depends_on_strides_or_alignment(dtype):
    module = made(5, 7, 3, dtype, padding=2)
    x = fractions(2, (4, 5, 80)).astype(dtype)
    whole = module(x)
    memory = np.empty(x.nbytes + 1, np.uint8)
    odd = np.ndarray(x.shape, dtype, memory[1:])
    odd[...] = x
    assert not odd.flags.aligned
    wide = np.zeros((4, 10, 99), dtype)
    wide[:, ::2, 7:87] = x
    big_endian = x.astype(np.dtype(dtype).newbyteorder(">"))
    for other in (odd, wide[:, ::2, 7:87], big_endian, np.asfortranarray(x), x.tolist()):
        assert_same_bits(module(other), whole)
    turned = np.ascontiguousarray(x.transpose(2, 1, 0)).transpose(2, 1, 0)
    assert_same_bits(module(turned), whole)
    assert_same_bits(module(np.broadcast_to(x[:1], x.shape)), np.repeat(whole[:1], 4, 0))


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_no_bit_depends_on_the_floating_point_environment():
    module, x = made(5, 33, 3), fractions(1, (2, 5, 70))
    expected = module(x)
    for mode in MODES:
        with changed(mode):
            before = control_word()
            result = module(x)
            assert control_word() == before
        assert_same_bits(result, expected)


def test_threads_share_a_module():
    module, x = made(32, 65, 3), fractions(1, (3, 32, 200)).astype("float32")
    assert_threads_share(module, x)


# ---- parameters


@pytest.mark.parametrize("name", ["weight", "bias"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("steps", [5, 90])
def test_writes_to_a_parameter_count_from_the_next_call(name, dtype, steps):
    module, x = made(9, 70, 3, dtype), fractions(1, (2, 9, steps))
    module(x)
    held = getattr(module, name)
    for number in range(6):
        index = (number * 13 % 70, number * 7 % 9, number % 3)[: held.ndim]
        held[index] += 1
        fresh = nn.Conv1d(9, 70, 3, dtype=dtype)
        fresh.load_state_dict(module.state_dict())
        assert_same_bits(module(x), fresh(x))
    held[...] = 0
    del held
    setattr(fresh, name, np.zeros_like(getattr(fresh, name)))
    assert_same_bits(module(x), fresh(x))
    assert module._native_leases == 0


def test_state_dict_pickle_and_copies():
    for bias in (True, False):
        module = made(4, 6, 3, bias=bias, stride=2, padding=1, groups=2)
        x = fractions(1, (2, 4, 9))
        expected = module(x)
        names = ["weight", "bias"] if bias else ["weight"]
        assert list(module.state_dict()) == names
        assert module.state_dict()["weight"].shape == module.weight.shape == (6, 2, 3)
        others = [pickle.loads(pickle.dumps(module)), copy.deepcopy(module), copy.copy(module)]
        for other in others:
            assert repr(other) == repr(module)
            assert (other.bias is None) is not bias and other.padding == (1,)
            assert_same_bits(other(x), expected)
        module.weight[0, 0, 0] = 9  # a shallow copy shares the parameters
        assert others[2].weight[0, 0, 0] == 9 and others[1].weight[0, 0, 0] != 9


def test_conversions_and_assignments():
    module = made(4, 6, 3, "float64")
    module.weight[0, 0, 0] = 1 / 3
    assert module.float() is module and module.weight.dtype == np.float32
    assert module.weight[0, 0, 0] == np.float32(1 / 3)
    assert module.double()(np.ones((4, 5))).dtype == np.float64
    module.weight = np.ones((6, 4, 3))
    module.bias = np.zeros(6)
    assert module(np.ones((4, 3))).tolist() == [[12]] * 6
    for wrong in ((6, 12), (6, 3, 4), (6, 4, 3, 1), (12, 2, 3), (6, 4)):
        with pytest.raises(ValueError, match=r"its shape is \(6, 4, 3\) for good"):
            module.weight = np.ones(wrong)
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        module.load_state_dict({"weight": np.ones((6, 3, 4)), "bias": np.ones(6)})
    for name in ("in_channels", "kernel_size", "padding", "groups"):
        with pytest.raises(AttributeError, match="the constructor fixes it"):
            setattr(module, name, 1)


def test_in_a_tree_with_hooks():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv1d(3, 4, 3, padding=1), nn.BatchNorm1d(4)
            self.lstm = nn.LSTM(4, 5, 2, batch_first=True)

        def forward(self, x):
            return self.lstm(self.norm(self.conv(x)).swapaxes(1, 2))[0]

    model, x = Net().eval(), fractions(1, (2, 3, 20))
    expected = model(x)
    assert expected.shape == (2, 20, 5)
    assert "(conv): Conv1d(3, 4, kernel_size=(3,), stride=(1,), padding=(1,))" in repr(model)
    handle = model.conv.register_forward_hook(lambda module, args, out: out * 0)
    assert not np.array_equal(model(x), expected)
    handle.remove()
    assert_same_bits(model(x), expected)
    small = nn.compress(model, "int8")
    assert_same_bits(small.conv.weight, model.conv.weight)


# ---- errors


def test_wrong_constructors():
    for call, error, text in (
        (lambda: nn.Conv1d(4, 6, 3, groups=0), ValueError, "groups must be a positive integer"),
        (lambda: nn.Conv1d(4, 6, 3, groups=3), ValueError, "in_channels must be divisible"),
        (lambda: nn.Conv1d(6, 4, 3, groups=3), ValueError, "out_channels must be divisible"),
        (lambda: nn.Conv1d(4, 6, 3, padding="x"), ValueError, "Invalid padding string 'x'"),
        (lambda: nn.Conv1d(4, 6, 3, 2, "same"), ValueError, "not supported for strided"),
        (lambda: nn.Conv1d(4, 6, 3, padding_mode="x"), ValueError, "padding_mode must be one of"),
        (lambda: nn.Conv1d(4, 6, (3, 3)), ValueError, "kernel_size must be an int or a tuple"),
        (lambda: nn.Conv1d(4, 6, 3.0), TypeError, "kernel_size must be an int or a tuple"),
        (lambda: nn.Conv1d(4, 6, True), TypeError, "kernel_size must be an int or a tuple"),
        (lambda: nn.Conv1d(4, 6, 0), RuntimeError, "kernel_size must be one or more"),
        (lambda: nn.Conv1d(-4, 6, 3), RuntimeError, "negative dimension -4"),
        (lambda: nn.Conv1d(4.0, 6, 3), TypeError, "in_channels is a whole number"),
        (lambda: nn.Conv1d(2**40, 2**40, 3), MemoryError, "do not fit into memory"),
        (lambda: nn.Conv1d(4, 6, 2**62), MemoryError, "do not fit into memory"),
        (lambda: nn.Conv1d(4, 6, 3, device="cuda"), RuntimeError, "cuda"),
        (lambda: nn.Conv1d(4, 6, 3).from_weights, AttributeError, "load_state_dict"),
    ):
        with pytest.raises(error, match=text):
            call()


def test_wrong_calls():
    module = made(4, 6, 3)
    for call, error, text in (
        (lambda: module(np.ones(4)), RuntimeError, r"Expected 2D .* input of size: \[4\]"),
        (lambda: module(np.ones((1, 1, 4, 5))), RuntimeError, "Expected 2D"),
        (lambda: module(1.0), RuntimeError, r"input of size: \[\]"),
        (lambda: module(np.ones((2, 3, 5))), RuntimeError, r"input\[2, 3, 5\] to have 4 channels"),
        (lambda: module(np.ones((3, 5))), RuntimeError, r"input\[1, 3, 5\] to have 4 channels"),
        (lambda: module(np.ones((4, 2))), RuntimeError, r"channel: \(2\). Kernel size: \(3\)"),
        (lambda: module(np.ones((4, 0))), RuntimeError, r"channel: \(0\). Kernel size: \(3\)"),
        (lambda: module(None), TypeError, "input must be an array"),
        (lambda: module(np.ones((4, 5), complex)), TypeError, "dtype complex128"),
        (lambda: module(np.ma.ones((4, 5))), TypeError, "masked array"),
        (lambda: made(4, 6, 3, stride=0)(np.ones((4, 5))), RuntimeError, "non-positive stride"),
        (lambda: made(4, 6, 3, stride=-1)(np.ones((4, 5))), RuntimeError, "non-positive stride"),
        (lambda: made(4, 6, 3, padding=-1)(np.ones((4, 5))), RuntimeError, "negative padding"),
        (lambda: made(4, 6, 3, dilation=0)(np.ones((4, 5))), RuntimeError, "non-positive dilation"),
        (lambda: made(4, 6, 3, padding=2)(np.ones((2, 4, 0))), RuntimeError, r"\[2, 4, 1, 0\]"),
        (lambda: module(np.ones((4, 5)), 1), TypeError, "takes 2 positional arguments"),
    ):
        with pytest.raises(error, match=text):
            call()


def test_sizes_that_cannot_be_counted():
    x = np.ones((1, 1, 8), np.float32)
    for options, error, text in (
        ({"stride": 2, "padding": 2**54, "dilation": 2**55 + 8}, RuntimeError, "Calculated padded"),
        ({"padding": 2**60}, MemoryError, "padding"),
        ({"padding": 2**62}, MemoryError, "padding"),
        ({"padding": 2**59 - 8}, MemoryError, "fit into memory|Unable to allocate|padding"),
        ({"padding": "same", "dilation": 2**62}, MemoryError, "dilation 4611686018427387904"),
        ({"padding": 2**70}, MemoryError, "padding"),
        ({"padding": 2**62, "padding_mode": "replicate"}, MemoryError, "padding"),
        ({"padding": 2**63, "padding_mode": "replicate"}, MemoryError, "padding"),
        ({"padding": 2**70, "padding_mode": "replicate"}, MemoryError, "padding"),
        ({"padding": 2**62, "padding_mode": "reflect"}, MemoryError, "padding"),
        ({"padding": 2**62, "padding_mode": "circular"}, MemoryError, "padding"),
    ):
        with pytest.raises(error, match=text):
            made(1, 1, 2, **options)(x)
    assert_same_bits(made(1, 1, 2, stride=2**62)(x), made(1, 1, 2)(x)[..., :1])
    # A dilation that one position never takes, and a stride that one frame never takes.
    far = made(2, 3, 1, dilation=2**58)
    frames = fractions(3, (5, 1, 2)).astype(np.float32)
    assert_same_bits(frames_of(far, frames), frames_of(made(2, 3, 1), frames))
    far = made(2, 4, 2, stride=2**58, groups=2)
    assert_same_bits(frames_of(far, frames[:2]), frames_of(made(2, 4, 2, groups=2), frames[:2]))


def test_empty_inputs_and_layers():
    module = made(4, 6, 3)
    assert module(np.ones((0, 4, 9))).shape == (0, 6, 7)
    with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op"):
        empty = nn.Conv1d(0, 6, 3)
    assert_same_bits(empty(np.ones((2, 0, 9))), np.zeros((2, 6, 7), np.float32))
    with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op"):
        none = nn.Conv1d(4, 0, 3)
    with pytest.raises(RuntimeError, match="expected weight to be at least 1 at dimension 0"):
        none(np.ones((4, 9)))


def test_the_c_half_refuses_what_python_never_asks():
    module = made(4, 6, 3)
    x = np.ones((2, 4, 9), np.float32)
    good = (7, 1, 0, 1, 1, False)
    assert module._native_convolve(x, *good).shape == (2, 6, 7)
    for place, wrong in (
        (0, -1),
        (1, 0),
        (1, -1),
        (2, -1),
        (3, 0),
        (4, 0),
        (4, 4),
        (4, 2),
        (1, 2**62),
    ):
        call = [*good]
        call[place] = wrong
        with pytest.raises(ValueError, match="takes a call that fits"):
            module._native_convolve(x, *call)
    for other in (x[0], x.astype(float), x.tolist(), x[:, :3], x[..., ::2]):
        with pytest.raises(ValueError, match="_native_convolve"):
            module._native_convolve(other, *good)
    with pytest.raises(ValueError, match="_native_build"):
        nn._core.Conv1d()._native_build(4, 6, 0)
    with pytest.raises(TypeError, match="of the same kind"):
        nn.Conv1d(3, 4, 1)._native_share(nn.Linear(3, 4))
    with pytest.raises(TypeError, match="of the same kind"):
        nn.Conv1d(4, 4, 3)._native_share(nn.Conv1d(6, 4, 2))
    with pytest.raises(RuntimeError, match="has not been called"):
        nn._core.Conv1d()._native_convolve(x, *good)


def test_the_padded_call_leaves_what_is_unusual_to_the_checks():
    module = made(4, 6, 3, padding=2)
    x = np.random.default_rng(3).normal(size=(2, 4, 9)).astype(np.float32)
    good = (1, 2, 1, 1)
    assert_same_bits(module._native_padded(x, *good), module._native_convolve(x, 11, *good, False))
    for place, wrong in ((0, 0), (1, -1), (1, 2**61), (2, 0), (2, 7), (2, 2**62), (3, 0), (3, 2)):
        call = [*good]
        call[place] = wrong
        assert module._native_padded(x, *call) is None
    swapped = x.astype(x.dtype.newbyteorder())
    for other in (x[0], x.astype(float), x.tolist(), x[:, :3], x[..., ::2], x[..., :0], swapped):
        assert module._native_padded(other, *good) is None
    assert module._native_padded(np.ma.array(x), *good) is None
    with pytest.raises(TypeError, match="5 arguments"):
        module._native_padded(x, 1)
    with pytest.raises(TypeError):
        module._native_padded(x, 1.5, 0, 1, 1)


# ---- the function


@pytest.mark.parametrize("seed", range(60))
def test_the_function_has_the_bits_of_the_layer(seed):
    args, options, shape = random_conv(seed)
    options["padding_mode"] = "zeros"
    module, x = nn.Conv1d(*args, **options), conv_input(seed, shape)
    given = [options[name] for name in ("stride", "padding", "dilation", "groups")]
    assert_same_bits(conv1d(x, module.weight, module.bias, *given), module(x))


def test_wrong_calls_of_the_function():
    x, weight, bias = np.ones((2, 4, 10)), np.ones((6, 4, 3)), np.ones(6)
    for call, text in (
        (lambda: conv1d(x, weight[0]), "weight should have at least three dimensions"),
        (lambda: conv1d(x, weight[None]), "Expected 4-dimensional input for 4-dimensional weight"),
        (lambda: conv1d(x, weight, bias[:5]), r"got bias of size \[5\] instead"),
        (lambda: conv1d(x, weight, bias, (1, 1)), "expected stride to be a single integer value"),
        (lambda: conv1d(x, weight, bias, 1, "foo"), "Invalid padding string: 'foo'"),
        (lambda: conv1d(x, weight, bias, 2, "same"), "not supported for strided"),
        (lambda: conv1d(x, weight, bias, groups=0), "non-positive groups is not supported"),
        (lambda: conv1d(x, weight, bias, groups=4), "divisible by 4 at dimension 0"),
        (lambda: conv1d(x, weight, bias, groups=2), "to have 8 channels, but got 4"),
    ):
        with pytest.raises(RuntimeError, match=text):
            call()
    with pytest.raises(TypeError, match="argument 'stride' must be tuple of ints"):
        conv1d(x, weight, bias, 1.5)
