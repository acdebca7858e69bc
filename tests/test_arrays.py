"""What calls take and refuse: every kind of array, every error with its type, text and hint."""

import contextlib
import itertools
import random

import numpy as np
import pytest
from reference import fractions
from support import assert_same_bits, reshape_in_place

import pylstm
from pylstm import _core


def z(*shape, dtype=np.float64):
    return np.zeros(shape, dtype)


def make_modules():
    return {
        "lstm": pylstm.LSTM(4, 3),
        "first": pylstm.LSTM(4, 3, batch_first=True, bidirectional=True),
        "proj": pylstm.LSTM(4, 3, proj_size=2),
        "cell": pylstm.LSTMCell(4, 3),
    }


@pytest.fixture(scope="module")
def modules():
    return make_modules()


# ---------------------------------------------------------------------------- wrong calls

# module, positional arguments, keyword arguments, exception, torch's text, what follows it
WRONG_CALLS = [
    # ranks of the input
    ("lstm", [z(4)], {}, ValueError, "LSTM: Expected input to be 2D or 3D, got 1D instead", "(4,)"),
    ("lstm", [z()], {}, ValueError, "LSTM: Expected input to be 2D or 3D, got 0D instead", "()"),
    ("lstm", [z(2, 2, 4, 1)], {}, ValueError, "got 4D instead", "(sequence, batch, input_size)"),
    ("first", [z(4)], {}, ValueError, "got 1D instead", "(batch, sequence, input_size)"),
    # ranks of the states
    *[
        ("lstm", [x, hx], {}, RuntimeError, f"{text} but got ({a}-D, {b}-D) tensors", "features")
        for x, hx, a, b, text in [
            (z(5, 2, 4), (z(1, 3), z(1, 3)), 2, 2, "batched 3-D input, hx and cx should also be 3-D"),
            (z(5, 2, 4), (z(1, 2, 3), z(3)), 3, 1, "batched 3-D input, hx and cx should also be 3-D"),
            (z(5, 4), (z(1, 1, 3), z(1, 3)), 3, 2, "unbatched 2-D input, hx and cx should also be 2-D"),
            (z(5, 2, 4), z(2, 1, 3), 2, 2, "batched 3-D input, hx and cx should also be 3-D"),
        ]
    ],
    # the feature axis
    ("lstm", [z(5, 2, 5)], {}, RuntimeError, "input.size(-1) must be equal to input_size. Expected 4, got 5", "(5, 2, 5)"),
    ("lstm", [z(4, 2, 5)], {}, RuntimeError, "Expected 4, got 5", "the features come last"),
    ("lstm", [z(5, 3)], {}, RuntimeError, "Expected 4, got 3", "(sequence, input_size)"),
    # sizes of the states
    ("lstm", [z(5, 2, 4), (z(2, 2, 3), z(1, 2, 3))], {}, RuntimeError, "Expected hidden[0] size (1, 2, 3), got [2, 2, 3]", "num_layers is 1"),
    ("lstm", [z(5, 2, 4), (z(1, 2, 3), z(1, 2, 4))], {}, RuntimeError, "Expected hidden[1] size (1, 2, 3), got [1, 2, 4]", "hidden_size is 3"),
    ("lstm", [z(5, 2, 4), (z(1, 5, 3), z(1, 2, 3))], {}, RuntimeError, "Expected hidden[0] size (1, 2, 3), got [1, 5, 3]", "with batch_first=False the batch is axis 1"),
    ("first", [z(2, 5, 4), (z(2, 2, 3), z(2, 5, 3))], {}, RuntimeError, "Expected hidden[1] size (2, 2, 3), got [2, 5, 3]", "with batch_first=True the batch is axis 0"),
    ("first", [z(8, 5, 4), (z(8, 2, 3), z(8, 2, 3))], {}, RuntimeError, "Expected hidden[0] size (2, 8, 3), got [8, 2, 3]", "h_0 is (num_layers*num_directions, batch, hidden_size) and is never batch-first; try h_0.swapaxes(0, 1)"),
    ("lstm", [z(5, 4), (z(2, 3), z(1, 3))], {}, RuntimeError, "Expected hidden[0] size (1, 1, 3), got [2, 1, 3]", "(num_layers*num_directions, hidden_size)"),
    ("proj", [z(5, 2, 4), (z(1, 2, 3), z(1, 2, 3))], {}, RuntimeError, "Expected hidden[0] size (1, 2, 2), got [1, 2, 3]", "h_0 has 2 features and c_0 has 3"),
    ("proj", [z(5, 2, 4), (z(1, 2, 2), z(1, 2, 2))], {}, RuntimeError, "Expected hidden[1] size (1, 2, 3), got [1, 2, 2]", "h_0 has 2 features and c_0 has 3"),
    # the sequence axis
    ("lstm", [z(0, 2, 4)], {}, RuntimeError, "Expected sequence length to be larger than 0 in RNN", "axis 0"),
    ("lstm", [z(0, 0, 4)], {}, RuntimeError, "Expected sequence length to be larger than 0 in RNN", "(0, 0, 4)"),
    ("lstm", [z(0, 4)], {}, RuntimeError, "Expected sequence length to be larger than 0 in RNN", "axis 0"),
    ("first", [z(2, 0, 4)], {}, RuntimeError, "Expected sequence length to be larger than 0 in RNN", "axis 1"),
    # forms of hx
    ("lstm", [z(5, 2, 4), (z(1, 2, 3),)], {}, IndexError, "tuple index out of range", "(h_0, c_0)"),
    ("lstm", [z(5, 2, 4), []], {}, IndexError, "list index out of range", "got 0"),
    ("lstm", [z(5, 2, 4), (z(1, 2, 3),) * 3], {}, RuntimeError, "lstm expects two hidden states", "got 3"),
    ("lstm", [z(5, 2, 4), z(1, 2, 3)], {}, IndexError, "index 1 is out of bounds for dimension 0 with size 1", "pair"),
    ("lstm", [z(5, 2, 4), z(2, 1, 2, 3)], {}, TypeError, "lstm() received an invalid combination of arguments", "(hx[0], hx[1])"),
    ("lstm", [z(5, 2, 4), (None, z(1, 2, 3))], {}, TypeError, "hx[0] is None", "leave hx out"),
    ("lstm", [z(5, 2, 4), [z(1, 2, 3), None]], {}, TypeError, "hx[1] is None", "leave hx out"),
    ("lstm", [z(5, 2, 4), 3], {}, TypeError, "hx must be a tuple or list", "got int"),
    ("lstm", [z(5, 2, 4), "ab"], {}, TypeError, "hx must be a tuple or list", "got str"),
    ("lstm", [z(5, 2, 4), {"h": 1}], {}, TypeError, "hx must be a tuple or list", "got dict"),
    # arguments, in Python's words
    ("lstm", [], {}, TypeError, "LSTM.forward() missing 1 required positional argument: 'input'", ""),
    ("lstm", [], {"hx": None}, TypeError, "missing 1 required positional argument: 'input'", ""),
    ("lstm", [z(5, 4), None, 3], {}, TypeError, "LSTM.forward() takes from 2 to 3 positional arguments but 4 were given", ""),
    ("lstm", [z(5, 4)], {"h0": 1}, TypeError, "LSTM.forward() got an unexpected keyword argument 'h0'", "(h_0, c_0)"),
    ("lstm", [z(5, 4)], {"input": z(5, 4)}, TypeError, "LSTM.forward() got multiple values for argument 'input'", ""),
    ("lstm", [z(5, 4), None], {"hx": None}, TypeError, "LSTM.forward() got multiple values for argument 'hx'", ""),
    ("cell", [], {}, TypeError, "LSTMCell.forward() missing 1 required positional argument: 'input'", ""),
    ("cell", [z(4)], {"h": 1}, TypeError, "LSTMCell.forward() got an unexpected keyword argument 'h'", ""),
    # the cell
    ("cell", [z(2, 2, 4)], {}, ValueError, "LSTMCell: Expected input to be 1D or 2D, got 3D instead", "(2, 2, 4)"),
    ("cell", [z()], {}, ValueError, "LSTMCell: Expected input to be 1D or 2D, got 0D instead", "one step at a time"),
    ("cell", [z(2, 4), (z(2, 2, 2), z(2, 3))], {}, ValueError, "LSTMCell: Expected hx[0] to be 1D or 2D, got 3D instead", "(2, 2, 2)"),
    ("cell", [z(2, 4), (z(2, 3), z())], {}, ValueError, "LSTMCell: Expected hx[1] to be 1D or 2D, got 0D instead", "c_0 is"),
    ("cell", [z(2, 4), (z(2, 3),)], {}, RuntimeError, "lstm_cell expects two hidden states", "one array was given"),
    ("cell", [z(2, 4), ()], {}, RuntimeError, "lstm_cell expects two hidden states", "got 0"),
    ("cell", [z(2, 4), [z(2, 3)] * 3], {}, RuntimeError, "lstm_cell expects two hidden states", "got 3"),
    ("cell", [z(2, 5), (z(2, 3), z(2, 3))], {}, RuntimeError, "input has inconsistent input_size: got 5 expected 4", "(batch, input_size)"),
    ("cell", [z(5)], {}, RuntimeError, "input has inconsistent input_size: got 5 expected 4", "(input_size,)"),
    ("cell", [z(2, 4), (z(3, 3), z(2, 3))], {}, RuntimeError, "Input batch size 2 doesn't match hidden0 batch size 3", "not broadcast"),
    ("cell", [z(3, 4), (z(1, 3), z(1, 3))], {}, RuntimeError, "Input batch size 3 doesn't match hidden0 batch size 1", "not broadcast"),
    ("cell", [z(2, 4), (z(2, 3), z(3, 3))], {}, RuntimeError, "Input batch size 2 doesn't match hidden1 batch size 3", ""),
    ("cell", [z(0, 4), (z(1, 3), z(1, 3))], {}, RuntimeError, "Input batch size 0 doesn't match hidden0 batch size 1", ""),
    ("cell", [z(2, 4), (z(2, 2), z(3, 3))], {}, RuntimeError, "hidden0 has inconsistent hidden_size: got 2, expected 3", "h_0"),
    ("cell", [z(2, 4), (z(2, 3), z(2, 4))], {}, RuntimeError, "hidden1 has inconsistent hidden_size: got 4, expected 3", "c_0"),
    ("cell", [z(4), (z(2), z(3))], {}, RuntimeError, "hidden0 has inconsistent hidden_size: got 2, expected 3", "(hidden_size,)"),
    ("cell", [z(2, 4), (z(3), z(3))], {}, RuntimeError, "input is 2-D but hx[0] is 1-D", "here (2, 3)"),
    ("cell", [z(4), (z(3), z(1, 3))], {}, RuntimeError, "input is 1-D but hx[1] is 2-D", "input[None, :]"),
    ("cell", [z(2, 4), z(2, 2, 3)], {}, TypeError, "lstm_cell(): argument 'hx' (position 2) must be tuple of Tensors, not Tensor", "(hx[0], hx[1])"),
    ("cell", [z(2, 4), (z(2, 3), None)], {}, TypeError, "hx[1] is None", ""),
    ("cell", [z(2, 4), 5], {}, TypeError, "hx must be a tuple or list", "got int"),
]  # fmt: skip


@pytest.mark.parametrize("call", range(len(WRONG_CALLS)))
@pytest.mark.parametrize("way", ["call", "forward"])
def test_wrong_calls(modules, call, way):
    name, args, kwargs, error, text, teaching = WRONG_CALLS[call]
    module = modules[name] if way == "call" else modules[name].forward
    with pytest.raises(error) as caught:
        module(*args, **kwargs)
    assert type(caught.value) is error
    message = str(caught.value)
    assert text in message and teaching in message


def test_the_first_of_two_mistakes_is_reported_as_torch_does(modules):
    with pytest.raises(ValueError, match="got 4D instead"):  # rank before dtype
        modules["lstm"](z(1, 1, 1, 1, dtype=complex))
    with pytest.raises(RuntimeError, match="hx and cx should also be 3-D"):  # ranks before sizes
        modules["lstm"](z(5, 2, 9), (z(3), z(3)))
    with pytest.raises(TypeError, match="complex"):  # dtype before sizes
        modules["lstm"](z(5, 2, 9, dtype=complex))
    with pytest.raises(RuntimeError, match=r"input\.size"):  # features before states
        modules["lstm"](z(5, 2, 9), (z(1, 1, 1), z(1, 1, 1)))
    with pytest.raises(RuntimeError, match=r"hidden\[0\]"):  # h_0 before c_0, states before length
        modules["lstm"](z(0, 2, 4), (z(1, 1, 1), z(1, 1, 1)))
    with pytest.raises(RuntimeError, match="hidden0 has"):  # all of h_0 before c_0
        modules["cell"](z(2, 4), (z(2, 1), z(9, 9)))
    with pytest.raises(RuntimeError, match="two hidden states"):  # count before features
        modules["cell"](z(2, 9), (z(2, 3),))


def test_unbatched_states_may_be_stacked_as_torch_allows(modules):
    h, c = fractions(1, (1, 3)), fractions(2, (1, 3))
    x = fractions(3, (5, 4))
    assert_same_bits(modules["lstm"](x, np.stack([h, c])), modules["lstm"](x, (h, c)))
    assert_same_bits(
        modules["cell"](x[0], np.stack([h[0], c[0]])), modules["cell"](x[0], (h[0], c[0]))
    )


# ---------------------------------------------------------------------------- refused values

REFUSED = {
    "complex64": z(5, 2, 4, dtype=np.complex64),
    "complex128": z(5, 2, 4, dtype=np.complex128),
    "bool": z(5, 2, 4, dtype=bool),
    "object": z(5, 2, 4, dtype=object),
    "<U3": z(5, 2, 4, dtype="<U3"),
    "|S3": z(5, 2, 4, dtype="S3"),
    "datetime64[s]": z(5, 2, 4, dtype="M8[s]"),
    "timedelta64[s]": z(5, 2, 4, dtype="m8[s]"),
    "[('a', '<f4')]": z(5, 2, 4, dtype=[("a", "<f4")]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_dtypes_are_named_with_their_argument(modules, name):
    bad = REFUSED[name]
    lstm, cell = modules["lstm"], modules["cell"]
    state, cell_state = bad[:1, :, :3], bad[0, :, :3]
    good, cell_good = z(1, 2, 3), z(2, 3)
    for call, argument in [
        (lambda: lstm(bad), "input"),
        (lambda: lstm(z(5, 2, 4), (state, good)), r"hx\[0\]"),
        (lambda: lstm(z(5, 2, 4), (good, state)), r"hx\[1\]"),
        (lambda: cell(bad[0]), "input"),
        (lambda: cell(z(2, 4), (cell_good, cell_state)), r"hx\[1\]"),
    ]:
        with pytest.raises(
            TypeError, match=f"^{argument} must hold real numbers, got dtype"
        ) as caught:
            call()
        assert name.lstrip("|<") in str(caught.value)


def test_masked_arrays_are_refused(modules):
    masked = np.ma.masked_greater(fractions(1, (5, 2, 4)), 0)
    for bad in (masked, list(masked), tuple(masked), np.ma.masked):
        with pytest.raises(TypeError, match=r"input is a masked array.*input\.filled"):
            modules["lstm"](bad)
    with pytest.raises(TypeError, match=r"hx\[1\] is a masked array"):
        modules["lstm"](z(5, 2, 4), (z(1, 2, 3), masked[:1, :, :3]))
    modules["lstm"](masked.filled(0.0))


@pytest.mark.parametrize("bad", [None, "text", b"bytes", {}, {1, 2}, object(), int, iter([1.0])])
def test_what_is_no_array(modules, bad):
    for module in modules.values():
        with pytest.raises(
            TypeError, match=r"input must be an array or something that np.asarray takes"
        ):
            module(bad)


def test_ragged_lists_and_broken_objects_raise_their_own_errors(modules):
    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise ZeroDivisionError("from __array__")

    with pytest.raises(ValueError, match="inhomogeneous"):
        modules["lstm"]([[1.0, 2.0], [3.0]])
    with pytest.raises(ZeroDivisionError, match="from __array__"):
        modules["lstm"](Broken())
    with pytest.raises(ZeroDivisionError, match="from __array__"):
        modules["lstm"](z(5, 2, 4), [z(1, 2, 3), Broken()])


class FakeTensor:
    """What pylstm asks of a torch tensor, without torch."""

    is_quantized = False
    layout = "torch.strided"
    device = "cpu"
    dtype = "torch.float32"

    def __init__(self, values, **attributes):
        self.values = values
        self.requires_grad = True
        self.__dict__.update(attributes)

    def detach(self):
        return FakeTensor(**{**vars(self), "requires_grad": False})

    def __array__(self, dtype=None, copy=None):
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return self.values


def test_tensors_are_taken_through_detach(modules):
    x, h, c = fractions(1, (5, 2, 4)), fractions(2, (1, 2, 3)), fractions(3, (1, 2, 3))
    result = modules["lstm"](FakeTensor(x), (FakeTensor(h), FakeTensor(c)))
    assert_same_bits(result, modules["lstm"](x, (h, c)))


@pytest.mark.parametrize(
    ("attributes", "method"),
    [
        ({"dtype": "torch.bfloat16"}, "float"),
        ({"dtype": "torch.float8_e4m3fn"}, "float"),
        ({"device": "cuda:0"}, "cpu"),
        ({"layout": "torch.sparse_coo"}, "to_dense"),
        ({"is_quantized": True, "dtype": "torch.quint8"}, "dequantize"),
    ],
)
def test_tensors_that_numpy_cannot_hold(modules, attributes, method):
    bad = FakeTensor(z(5, 2, 4), **attributes)
    with pytest.raises(TypeError, match=rf"input is a.* tensor.*pass input\.{method}\(\)"):
        modules["lstm"](bad)


# ---------------------------------------------------------------------------- memory


def test_results_never_share_memory_with_inputs_that_overlap(modules):
    memory = fractions(4, (200,)).astype(np.float32)
    x, h, c = (
        memory[:24].reshape(3, 2, 4),
        memory[4:10].reshape(1, 2, 3),
        memory[2:8].reshape(1, 2, 3),
    )
    expected = modules["lstm"](x.copy(), (h.copy(), c.copy()))
    before = memory.tobytes()
    result = modules["lstm"](x, (h, c))
    assert_same_bits(result, expected)
    assert memory.tobytes() == before
    for array in (result[0], *result[1]):
        assert not np.shares_memory(array, memory)


def test_own_results_and_parameters_are_good_inputs():
    lstm = pylstm.LSTM(4, 4)
    x = lstm.weight_hh_l0[:4].reshape(2, 2, 4)
    out, (h, c) = lstm(x, (x[:1], x[1:]))
    again, _ = lstm(out, (h, c))
    assert np.isfinite(again).all()
    del x
    assert lstm._native_leases == 0


def test_the_list_of_states_may_change_during_the_call(modules):
    class Clears:
        """Empties the list that holds it when it is converted."""

        def __array__(self, dtype=None, copy=None):
            states.clear()
            return z(1, 2, 3)

    states = [Clears(), z(1, 2, 3)]
    with pytest.raises(IndexError):
        modules["lstm"](z(5, 2, 4), states)


def test_a_conversion_that_rebuilds_the_module_pulls_no_memory_away():
    class Rebuilds:
        def __array__(self, dtype=None, copy=None):
            lstm.__init__(7, 5, 2)
            return z(5, 2, 4)

    lstm = pylstm.LSTM(4, 3)
    before = lstm(z(5, 2, 4))
    assert_same_bits(lstm(Rebuilds()), before)  # the call had begun with the old parameters
    assert lstm(z(5, 2, 7))[0].shape == (5, 2, 5)


# ---------------------------------------------------------------------------- as_array, fuzzing


def test_as_array():
    x = fractions(1, (3, 4))
    assert _core.as_array(x, "x") is x
    assert _core.as_array(x, "x", "float64") is x
    converted = _core.as_array(x.T, "x", "float32")
    assert converted.dtype == np.float32 and converted.flags.c_contiguous
    assert _core.as_array([1, 2], "x").dtype == np.int64
    assert _core.as_array(x.astype(">f8"), "x", "float64").dtype.isnative
    with pytest.raises(TypeError, match=r"^thing must hold real numbers, got dtype bool"):
        _core.as_array([True], "thing")
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64', got 'int32'"):
        _core.as_array(x, "x", "int32")


WILD = [
    None, True, -1, 0, 3, 2**31, 2**62, 2**63, -(2**63), 2**200, 1.5, float("nan"), "", "weight_ih_l0",
    "float32", "\0", "\ud800", b"", (), [], {}, (None, None), z(), z(0), z(3), z(2, 2), z(0, 4), z(5, 2, 4),
    z(1, 2, 3), np.zeros((2, 2), complex), {"weight_ih_l0": z(12, 4, dtype=np.float32)}, {1: 2},
    {"bias_ih_l0": None}, [2**62, 2**62], np.array([1, -1]), object(), int, np.broadcast_to(np.float32(1), (2**58, 1, 4)),
]  # fmt: skip


READ_AFTER_BUILD = {
    *("_native_leases", "_native_dtype", "_native_weights", "_native_names"),
    *("_native_parameter", "_parameter_view"),
}


@pytest.mark.parametrize("seed", range(6))
def test_wild_arguments_raise_and_nothing_else(seed):
    """Every entry of _core under random arguments: a result or an exception, never a crash."""
    choose = random.Random(seed)
    expected = (
        TypeError,
        ValueError,
        RuntimeError,
        MemoryError,
        KeyError,
        IndexError,
        OverflowError,
        UnicodeError,
    )
    saved = pylstm.get_rng_state()
    for _ in range(400):
        layer = choose.choice([_core.RNN, _core.Cell])()
        if choose.random() < 0.7:
            layer._native_build(choose.choice(["LSTM", "GRU", "RNN_TANH"]), 4, 3)
        names = [name for name in dir(layer) if name not in dir(object)]
        entry = getattr(layer, choose.choice([n for n in names if n not in READ_AFTER_BUILD]))
        if not callable(entry):
            continue
        args = [choose.choice(WILD) for _ in range(choose.choice([0, 1, 1, 2, 4, 4, 7]))]
        with contextlib.suppress(*expected):
            entry(*args)
        with contextlib.suppress(*expected):
            layer(choose.choice(WILD), choose.choice(WILD))
    for function, arg in itertools.product(
        (
            _core.manual_seed,
            _core.set_rng_state,
            _core.as_array,
            _core.RNN,
            _core.Cell,
            _core.Layer,
            _core.Lease,
        ),
        WILD,
    ):
        with contextlib.suppress(*expected):
            function(arg)
    _core.set_rng_state(saved)


@pytest.mark.parametrize(
    "batch_sizes",
    [
        [2, 3],
        [3, 0, 2],
        [3, -2, 4],
        [6],
        [3],
        [1 << 62, 1 << 62, 1 << 62, 1 << 62],
        [[5]],
        [5.0],
        "x",
    ],
)
def test_batch_sizes_are_believed_only_after_checks(modules, batch_sizes):
    with pytest.raises((ValueError, TypeError)):
        modules["lstm"]._run_packed(z(5, 4), batch_sizes, None)


def test_batch_sizes_may_be_any_integers(modules):
    expected = modules["lstm"]._run_packed(z(5, 4), np.array([3, 2]), None)
    for sizes in ([3, 2], np.array([3, 2], np.uint8), np.array([3, 9, 2])[::2]):
        assert_same_bits(modules["lstm"]._run_packed(z(5, 4), sizes, None), expected)


# ---------------------------------------------------------------------------- code run by a call


def test_batch_sizes_that_reshape_the_data_are_read_before_the_checks():
    module = pylstm.LSTM(6, 3, dtype=np.float64)
    data = z(6, 3)

    class Reshaping:
        def __array__(self, *args, **kwargs):
            reshape_in_place(data, (18,))
            return np.array([6])

    with pytest.raises(RuntimeError, match="input must have 2 dimensions, got 1"):
        module._run_packed(data, Reshaping(), None)


def test_an_error_handler_that_reshapes_the_input_changes_nothing(modules):
    x = np.ones((5, 2, 4), np.float32)
    states = np.full((1, 2, 3), 1e300), z(1, 2, 3)
    with np.errstate(over="ignore"):
        expected, _ = modules["lstm"](x, states)
    calls = []

    def reshape(*args):
        calls.append(args)
        reshape_in_place(x, (40,))

    with np.errstate(over="call", call=reshape):
        output, _ = modules["lstm"](x, states)
    assert calls
    assert_same_bits(output, expected)


def test_a_cell_does_not_run_on_the_parameters_of_a_deeper_network():
    class Both(_core.RNN, _core.Cell):
        pass

    both = Both()
    both._native_build("LSTM", 3, 64, num_layers=3, bidirectional=True)
    with pytest.raises(
        TypeError, match=r"LSTMCell\.forward\(\) needs the parameters of an LSTMCell"
    ):
        _core.Cell.forward(both, z(2, 3))
    both._native_build("LSTM", 3, 4)
    assert _core.Cell.forward(both, z(2, 3))[0].shape == (2, 4)
