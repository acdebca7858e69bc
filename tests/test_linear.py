"""Linear: its numbers, its bits, its parameters and its errors."""

import copy
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from exact_float32 import add_product
from float_environment import MODES, changed, control_word, why_not
from linear_cases import LINEAR, linear_input, random_linear
from reference import fractions
from support import DTYPES, assert_same_bits, assert_threads_share

import pylstm as nn
from pylstm.contract.cases import INPUTS, values
from pylstm.functional import linear

RECORDED = np.load(Path(__file__).parent / "data" / "linear.npz")
SIZES = [(1, 1), (3, 5), (32, 16), (33, 17), (31, 32), (64, 64), (65, 65), (128, 10), (100, 200)]


def made(in_features, out_features, dtype="float32", bias=True):
    module = nn.Linear(in_features, out_features, bias, dtype=dtype)
    for index, (_, value) in enumerate(module.named_parameters()):
        value[...] = fractions(7 + index, value.shape)
    return module


# ---- numbers


@pytest.mark.parametrize("number", range(len(LINEAR)))
def test_recorded_results_of_torch(number):
    in_features, out_features, bias, dtype, shape = LINEAR[number]
    nn.manual_seed(number)
    module = nn.Linear(in_features, out_features, bias, dtype=dtype)
    for name, value in module.named_parameters():
        assert_same_bits(value, RECORDED[f"{number}.{name}"])
    result = module(linear_input(number, (*shape, in_features)))
    expected = RECORDED[f"{number}.result"]
    assert result.dtype == dtype and result.shape == expected.shape
    assert np.allclose(result, expected, rtol=0, atol=1e-12 if dtype == "float64" else 1e-5)


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_float32_is_the_blocked_sum_in_exact_fma(sizes, inputs):
    for bias in (True, False):
        module = made(*sizes, bias=bias)
        x = values(inputs, 3, (7, sizes[0]), "float32")
        start = module.bias if bias else np.zeros(sizes[1], np.float32)
        assert_same_bits(module(x), add_product(np.tile(start, (7, 1)), module.weight, x))


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_float64_is_close_to_a_product(sizes):
    module = made(*sizes, "float64")
    x = fractions(5, (9, sizes[0]))
    assert np.allclose(module(x), x @ module.weight.T + module.bias, rtol=1e-13, atol=1e-13)


# ---- bits


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_a_row_has_the_same_bits_wherever_it_is(sizes, inputs, dtype):
    module = made(*sizes, dtype)
    x = values(inputs, 11, (33, sizes[0]), dtype)
    whole = module(x)
    for rows in range(33):
        assert_same_bits(module(x[rows]), whole[rows])
    for count in (1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 24):
        for first in (0, 1, 33 - count):
            assert_same_bits(module(x[first : first + count]), whole[first : first + count])
    assert_same_bits(module(x[::-1]), whole[::-1])
    assert_same_bits(module(x.reshape(3, 11, -1)), whole.reshape(3, 11, -1))
    assert_same_bits(
        module(x.reshape(3, 11, -1).swapaxes(0, 1)), whole.reshape(3, 11, -1).swapaxes(0, 1)
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_bit_depends_on_strides_or_alignment(dtype):
    module = made(33, 70, dtype)
    x = fractions(2, (4, 3, 5, 33)).astype(dtype)
    whole = module(x)
    memory = np.empty(x.nbytes + 1, np.uint8)
    odd = np.ndarray(x.shape, dtype, memory[1:])
    odd[...] = x
    assert not odd.flags.aligned
    wide = np.zeros((4, 6, 5, 50), dtype)
    wide[:, ::2, :, 7:40] = x
    big_endian = x.astype(np.dtype(dtype).newbyteorder(">"))
    for other in (odd, wide[:, ::2, :, 7:40], big_endian, np.asfortranarray(x), x.tolist()):
        assert_same_bits(module(other), whole)
    for axes in ((1, 0, 2, 3), (2, 1, 0, 3), (0, 2, 1, 3), (1, 2, 0, 3)):
        assert_same_bits(module(x.transpose(axes)), whole.transpose(axes))
    assert_same_bits(
        module(np.broadcast_to(x[:1], x.shape)), np.broadcast_to(whole[:1], whole.shape)
    )
    assert_same_bits(module(x[:, :1, ::-2]), whole[:, :1, ::-2])


@pytest.mark.parametrize("dtype", DTYPES)
def test_many_rows_are_cut_into_blocks(dtype):
    module = made(130, 70, dtype)
    x = fractions(2, (5000, 130)).astype(dtype)
    whole = module(x)
    for first in (0, 95, 96, 503, 504, 1000, 1007, 1008, 2016, 4032, 4999):
        assert_same_bits(module(x[first]), whole[first])
    assert_same_bits(
        module(x.reshape(50, 100, 130).swapaxes(0, 1)), whole.reshape(50, 100, 70).swapaxes(0, 1)
    )


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_no_bit_depends_on_the_floating_point_environment():
    module, x = made(65, 33), fractions(1, (5, 65))
    expected = module(x)
    for mode in MODES:
        with changed(mode):
            before = control_word()
            result = module(x)
            assert control_word() == before
        assert_same_bits(result, expected)


def test_threads_share_a_module():
    module, x = made(64, 130), fractions(1, (300, 64)).astype("float32")
    assert_threads_share(module, x)


def test_the_number_of_threads_moves_no_bit():
    module, x = made(256, 300), fractions(1, (700, 256)).astype("float32")
    before, results = nn.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            nn.set_num_threads(count)
            results.append(module(x))
    finally:
        nn.set_num_threads(before)
    for result in results[1:]:
        assert_same_bits(result, results[0])


# ---- parameters


@pytest.mark.parametrize("name", ["weight", "bias"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_writes_to_a_parameter_count_from_the_next_call(name, dtype):
    module, x = made(33, 70, dtype), fractions(1, (5, 33))
    module(x)
    held = getattr(module, name)
    for number in range(6):
        index = (number * 13 % held.shape[0],) + (number * 7 % 33,) * (held.ndim - 1)
        held[index] += 1
        fresh = nn.Linear(33, 70, dtype=dtype)
        fresh.load_state_dict(module.state_dict())
        assert_same_bits(module(x), fresh(x))
    held[...] = 0
    del held
    setattr(fresh, name, np.zeros_like(getattr(fresh, name)))
    assert_same_bits(module(x), fresh(x))
    assert module._native_leases == 0


def test_state_dict_pickle_and_copies():
    for bias in (True, False):
        module, x = made(5, 7, bias=bias), fractions(1, (2, 5))
        expected = module(x)
        names = ["weight", "bias"] if bias else ["weight"]
        assert list(module.state_dict()) == names
        assert [name for name, _ in module.named_parameters()] == names
        others = [pickle.loads(pickle.dumps(module)), copy.deepcopy(module), copy.copy(module)]
        for other in others:
            assert (
                repr(other)
                == repr(module)
                == (f"Linear(in_features=5, out_features=7, bias={bias})")
            )
            assert (other.bias is None) is not bias
            assert_same_bits(other(x), expected)
        module.weight[0, 0] = 9  # a shallow copy shares the parameters
        assert others[2].weight[0, 0] == 9 and others[1].weight[0, 0] != 9


def test_conversions_round_parameters():
    module = made(5, 7, "float64")
    module.weight[0, 0] = 1 / 3
    assert module.float() is module and module.weight.dtype == np.float32
    assert module.weight[0, 0] == np.float32(1 / 3)
    assert module(np.ones(5)).dtype == np.float32
    assert module.double()(np.ones(5)).dtype == np.float64
    assert module.to(np.float32).bias.dtype == np.float32


def test_load_state_dict_is_checked():
    module = made(5, 7)
    before = {name: value.copy() for name, value in module.state_dict().items()}
    for wrong, text in (
        ({"weight": np.zeros((7, 5))}, 'Missing key\\(s\\) in state_dict: "bias"'),
        ({"weight": np.zeros((5, 7)), "bias": np.zeros(7)}, "size mismatch for weight"),
        ({"weight": np.zeros((7, 5)), "bias": np.zeros(7), "b": 1}, "Unexpected key"),
    ):
        with pytest.raises(RuntimeError, match=text):
            module.load_state_dict(wrong)
        for name, value in module.state_dict().items():
            assert_same_bits(value, before[name])


def test_in_a_tree_with_hooks():
    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = nn.LSTM(3, 4), nn.Linear(4, 5)

        def forward(self, x):
            return self.head(self.lstm(x)[0])

    model, x = Tagger().double(), fractions(1, (6, 2, 3))
    expected = model(x)
    assert expected.shape == (6, 2, 5) and expected.dtype == np.float64
    assert list(model.state_dict())[-2:] == ["head.weight", "head.bias"]
    assert "(head): Linear(in_features=4, out_features=5, bias=True)" in repr(model)
    seen = []
    handle = model.head.register_forward_hook(lambda module, args, out: seen.append(args) or -out)
    assert_same_bits(model(x), -expected)
    handle.remove()
    assert_same_bits(model(x), expected)
    assert len(seen) == 1 and len(seen[0]) == 1
    small = nn.compress(model.float(), "int8")
    assert small.head._native_weights is None and small.lstm.weights == "int8"
    assert_same_bits(small.head.weight, model.head.weight)


def test_a_subclass_may_override_forward():
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    module = Doubled(3, 4)
    plain = nn.Linear(3, 4)
    plain.load_state_dict(module.state_dict())
    assert_same_bits(module(np.ones(3)), 2 * plain(np.ones(3)))
    assert_same_bits(pickle.loads(pickle.dumps(plain))(np.ones(3)), plain(np.ones(3)))


def test_the_structure_is_fixed():
    module = made(3, 4)
    for name in ("in_features", "out_features"):
        with pytest.raises(AttributeError, match="the constructor fixes it"):
            setattr(module, name, 9)
    with pytest.raises(AttributeError, match="cannot be deleted"):
        del module.weight
    with pytest.raises(ValueError, match=r"its shape is \(4, 3\) for good"):
        module.weight = np.zeros((3, 4))
    module.weight = np.ones((4, 3))
    module.bias = np.zeros(4)
    assert module(np.ones(3)).tolist() == [3] * 4


# ---- out


@pytest.mark.parametrize("dtype", DTYPES)
def test_out_is_written_and_returned(dtype):
    module, x = made(33, 70, dtype), fractions(1, (5, 2, 33))
    out = np.full((5, 2, 70), np.nan, dtype)
    assert module(x, out=out) is out
    assert_same_bits(out, module(x))
    assert_same_bits(module(x, out=None), out)


def test_wrong_outs_are_refused_before_anything_is_written():
    module, x = made(4, 4), np.ones((4, 4), np.float32)
    read_only = np.zeros((4, 4), np.float32)
    read_only.flags.writeable = False
    before = [value.copy() for value in (module.weight, x)]
    masked = np.ma.masked_array(np.zeros((4, 4), np.float32))
    for out, error, text in (
        (np.zeros((4, 4)), ValueError, "float32 array of shape"),
        (np.zeros((4, 5), np.float32), ValueError, "float32 array of shape"),
        (np.zeros((16,), np.float32), ValueError, "float32 array of shape"),
        (np.zeros((4, 4), ">f4"), ValueError, "float32 array of shape"),
        (np.zeros((4, 8), np.float32)[:, ::2], ValueError, "C-contiguous"),
        (read_only, ValueError, "writable"),
        (masked, TypeError, "masked array"),
        ([[0.0] * 4] * 4, TypeError, "out must be a numpy.ndarray, got list"),
        (x, ValueError, "shares memory with input"),
        (module.weight, ValueError, "shares memory with the parameters"),
    ):
        with pytest.raises(error, match=text):
            module(x, out=out)
    for value, old in zip((module.weight, x), before, strict=True):
        assert_same_bits(value, old)


# ---- errors


def test_wrong_calls():
    module = made(4, 3)
    for call, error, text in (
        (lambda: module(), TypeError, "missing 1 required positional argument: 'input'"),
        (lambda: module(1, 2), TypeError, "takes 2 positional arguments but 3 were given"),
        (lambda: module(x=1), TypeError, "unexpected keyword argument 'x'"),
        (lambda: module(np.ones(4), input=1), TypeError, "multiple values for argument 'input'"),
        (lambda: module(1.0), RuntimeError, "both arguments to linear need to be at least 1D"),
        (lambda: module(np.ones((2, 3, 5))), RuntimeError, r"multiplied \(6x5 and 4x3\)"),
        (lambda: module(np.ones(5)), RuntimeError, r"multiplied \(1x5 and 4x3\)"),
        (lambda: module(None), TypeError, "input must be an array"),
        (lambda: module("text"), TypeError, "input must be an array"),
        (lambda: module(np.ones(4, complex)), TypeError, "dtype complex128"),
        (lambda: module(np.ones(4, bool)), TypeError, "dtype bool"),
        (lambda: module(np.ma.ones(4)), TypeError, "masked array"),
        (lambda: nn.Linear(-1, 2), RuntimeError, r"negative dimension -1: \[2, -1\]"),
        (lambda: nn.Linear(True, 2), TypeError, "in_features is a whole number, got True"),
        (lambda: nn.Linear(2.0, 2), TypeError, "at pos 2 with error"),
        (lambda: nn.Linear(2, "2"), TypeError, "found element of type str at pos 0"),
        (lambda: nn.Linear(2, 2, device="cuda"), RuntimeError, "cuda"),
        (lambda: nn.Linear(2, 2, dtype="int8"), (TypeError, ValueError, RuntimeError), "int8"),
        (lambda: nn.Linear(2**40, 2**40), MemoryError, "do not fit into memory"),
        (lambda: module.from_weights, AttributeError, "load_state_dict"),
    ):
        with pytest.raises(error, match=text):
            call()


def test_empty_layers_and_inputs():
    for sizes in ((0, 3), (3, 0), (0, 0)):
        with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op"):
            module = nn.Linear(*sizes)
        assert_same_bits(module(np.ones((2, sizes[0]))), np.zeros((2, sizes[1]), np.float32))
    module = made(3, 4)
    for shape in ((0, 3), (2, 0, 3), (0, 5, 3)):
        assert module(np.ones(shape)).shape == (*shape[:-1], 4)


def test_weights_of_other_layers_are_refused():
    class Both(nn._core.RNN, nn._core.Linear):
        pass

    both = Both()
    nn._core.Linear._native_build(both, 3, 4)
    with pytest.raises(TypeError, match="parameters of a recurrent layer"):
        nn._core.RNN.forward(both, np.ones((2, 3)))
    nn._core.RNN._native_build(both, "GRU", 3, 4)
    with pytest.raises(TypeError, match="needs the parameters of a Linear"):
        nn._core.Linear.forward(both, np.ones(3))
    with pytest.raises(TypeError, match="of the same kind"):
        nn.Linear(3, 4)._native_share(nn.RNN(3, 4))
    with pytest.raises(ValueError, match="not negative"):
        nn._core.Linear._native_build(nn._core.Linear(), -3, 4)
    with pytest.raises(RuntimeError, match="has not been called"):
        nn.Linear.__new__(nn.Linear)(np.ones(3))


# ---- the function


@pytest.mark.parametrize("seed", range(60))
def test_the_function_has_the_bits_of_the_layer(seed):
    in_features, out_features, bias, dtype, shape = random_linear(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        module = nn.Linear(in_features, out_features, bias, dtype=dtype)
    x = fractions(seed, (*shape, in_features))
    assert_same_bits(linear(x, module.weight, module.bias), module(x))


def test_the_function_takes_one_output():
    x, weight = fractions(1, (5, 2, 3)), fractions(2, (3,))
    assert np.allclose(linear(x, weight, 0.5), x @ weight + 0.5)
    assert linear(x, weight).shape == (5, 2)
    with pytest.raises(RuntimeError, match="one or two axes"):
        linear(x, np.ones((1, 1, 3)))
    with pytest.raises(RuntimeError, match="bias must have the shape"):
        linear(x, np.ones((2, 3)), np.ones(3))
