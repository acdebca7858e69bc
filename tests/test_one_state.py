"""GRU, RNN and their cells: hx and the result are one array, and what hx must not be is said."""

import re

import numpy as np
import pytest
from reference import fractions
from support import assert_same_bits, with_parameters

import pylstm
from pylstm import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from pylstm.utils.rnn import pack_padded_sequence

LAYERS, CELLS = (GRU, RNN), (GRUCell, RNNCell)
X = fractions(1, (5, 2, 3))
H = fractions(2, (1, 2, 4)).astype(np.float32)


def z(*shape):
    return np.zeros(shape, np.float32)


def packed(enforce_sorted=True):
    lengths = [5, 3] if enforce_sorted else [3, 5]
    return pack_padded_sequence(X, lengths, enforce_sorted=enforce_sorted)


class Arraylike:
    """Not an ndarray, and no sequence."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return self.values if dtype is None else self.values.astype(dtype)


class Tensorlike(Arraylike):
    """With the attributes of a tensor."""

    def __init__(self, values):
        super().__init__(values)
        self.ndim, self.shape = values.ndim, values.shape

    def __len__(self):
        return len(self.values)

    def __float__(self):
        return float(self.values)


# ---------------------------------------------------------------------------- what comes and goes


@pytest.mark.parametrize("cls", LAYERS)
def test_a_layer_returns_its_state_as_one_array(cls, dtype):
    layer = with_parameters(cls(3, 4, 2, bidirectional=True, dtype=dtype), 1)
    output, h_n = layer(X)
    assert type(output) is type(h_n) is np.ndarray
    assert (output.shape, h_n.shape) == ((5, 2, 8), (4, 2, 4))
    assert output.dtype == h_n.dtype == dtype
    assert not np.shares_memory(output, h_n) and output.flags.c_contiguous
    assert_same_bits((output[-1, :, :4], output[0, :, 4:]), (h_n[2], h_n[3]))
    run, h_m = layer(X, h_n)
    assert type(h_m) is np.ndarray and not np.shares_memory(h_m, h_n)
    assert (run != output).any()
    data, h_p = layer(packed(), h_n)
    assert type(h_p) is np.ndarray and h_p.shape == (4, 2, 4) and data.data.shape == (8, 8)


@pytest.mark.parametrize("cls", CELLS)
def test_a_cell_returns_one_array(cls, dtype):
    cell = with_parameters(cls(3, 4, dtype=dtype), 1)
    for x in (X[0], X[0, 0]):
        h = cell(x)
        assert type(h) is np.ndarray and h.shape == (*x.shape[:-1], 4) and h.dtype == dtype
        again = cell(x, h)
        assert type(again) is np.ndarray and not np.shares_memory(again, h)


@pytest.mark.parametrize(("layer", "cell"), [*zip(LAYERS, CELLS, strict=True)])
def test_steps_of_a_cell_are_the_layer(layer, cell, dtype):
    layer = with_parameters(layer(3, 4, dtype=dtype), 1)
    cell = cell(3, 4, dtype=dtype)
    cell.load_state_dict({n.removesuffix("_l0"): a for n, a in layer.state_dict().items()})
    output, h_n = layer(X, H)
    h = H[0]
    for step, expected in zip(X, output, strict=True):
        h = cell(step, h)
        assert_same_bits(h, expected)
    assert_same_bits(h, h_n[0])


@pytest.mark.parametrize("cls", LAYERS)
def test_a_batch_of_nothing(cls):
    layer = cls(3, 4, 2, bidirectional=True)
    for hx in ((), (z(4, 0, 4),)):
        output, h_n = layer(z(5, 0, 3), *hx)
        assert (output.shape, h_n.shape) == ((5, 0, 8), (4, 0, 4))
    with pytest.raises(RuntimeError, match="sequence length to be larger than 0 in RNN"):
        layer(z(0, 2, 3))
    with pytest.raises(RuntimeError, match="sequence length to be larger than 0 in RNN"):
        layer(z(0, 3))


@pytest.mark.parametrize("cls", CELLS)
def test_a_cell_on_nothing(cls):
    assert cls(3, 4)(z(0, 3)).shape == cls(3, 4)(z(0, 3), z(0, 4)).shape == (0, 4)
    assert cls(3, 0)(z(2, 3)).shape == cls(3, 0)(z(2, 3), z(2, 0)).shape == (2, 0)
    assert cls(0, 4)(z(2, 0)).shape == (2, 4)
    assert cls(3, 0)(z(3), []).shape == (0,)


# ---------------------------------------------------------------------------- forms that are welcome

FORMS = {
    "array": np.array,
    "float64": lambda h: h.astype(np.float64),
    "whole numbers": lambda h: np.round(4 * h).astype(np.int64),
    "big-endian": lambda h: h.astype(">f4"),
    "Fortran order": np.asfortranarray,
    "backwards": lambda h: np.ascontiguousarray(h[..., ::-1])[..., ::-1],
    "read-only": lambda h: np.broadcast_to(h, h.shape),
    "nested lists": lambda h: h.tolist(),
    "nested tuples": lambda h: eval(repr(h.tolist()).replace("[", "(").replace("]", ",)")),
    "__array__": Arraylike,
    "tensor": Tensorlike,
}


def calls_with(h):
    """(module, arguments, state) of every way in, for a state of (1, 2, 4)."""
    for cls in LAYERS:
        layer = with_parameters(cls(3, 4), 1)
        yield layer, X, h
        yield layer, X[:, 0], h[:, 0]
        yield layer, packed(), h
        yield layer, packed(enforce_sorted=False), h
    for cls in CELLS:
        cell = with_parameters(cls(3, 4), 1)
        yield cell, X[0], h[0]
        yield cell, X[0, 0], h[0, 0]


def flat(result):
    output = result[0].data if hasattr(result[0], "batch_sizes") else result[0]
    return (np.array(output), result[1]) if isinstance(result, tuple) else result


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_the_state(form):
    for module, x, h in calls_with(H):
        given = FORMS[form](h)
        expected = flat(module(x, np.array(given, np.float32)))
        before = np.array(given)
        assert_same_bits(flat(module(x, given)), expected)
        assert_same_bits(flat(module(x, hx=given)), expected)
        assert (np.array(given) == before).all()


def test_numbers_of_any_library_make_a_list_of_numbers():
    cell = with_parameters(GRUCell(3, 4), 1)
    expected = cell(X[0, 0], H[0, 0])
    for number in (np.float32, float, np.array, lambda v: Tensorlike(np.array(v))):
        assert_same_bits(cell(X[0, 0], [number(value) for value in H[0, 0]]), expected)


# ---------------------------------------------------------------------------- forms that are refused

ONE = "{} of arrays, and {} takes one array, h_0: only an {} has a pair (h_0, c_0)"


@pytest.mark.parametrize(
    "wrap", [np.array, Arraylike, Tensorlike, memoryview], ids=lambda w: w.__name__
)
def test_tuples_and_lists_of_arrays_are_refused_before_they_are_converted(wrap):
    """np.asarray makes of two rows what a cell would take for a batch of two."""
    for module, x, h in calls_with(H):
        for state in (h, *([h[0]] if h.ndim > 1 else []), *([h[0, 0]] if h.ndim > 2 else [])):
            a = wrap(np.ascontiguousarray(state))
            for hx in (
                (a,),
                [a],
                (a, a),
                [a, a],
                (a, a, a),
                ((a,), (a,)),
                [[a], a],
                (None, a),
                (0.0, a),
            ):
                name = type(module).__name__
                form = "tuple" if isinstance(hx, tuple) else "list"
                pair = "LSTMCell" if name.endswith("Cell") else "LSTM"
                with pytest.raises(TypeError) as caught:
                    module(x, hx)
                assert str(caught.value) == "hx is a " + ONE.format(form, name, pair)
                with pytest.raises(TypeError, match="takes one array"):
                    module.forward(x, hx=hx)


def test_the_pair_of_an_lstm_and_a_packed_sequence_are_no_state():
    for module, x, _ in calls_with(H):
        lstm = (
            LSTM(3, 4)(X)[1] if not type(module).__name__.endswith("Cell") else LSTMCell(3, 4)(X[0])
        )
        for hx in (lstm, list(lstm), packed()):
            with pytest.raises(TypeError, match=r"of arrays, and \w+ takes one array"):
                module(x, hx)


def test_what_is_no_array_is_refused():
    for module, x, h in calls_with(H):
        for number in (5, 1.5, 1j, False):
            text = f"hx must be one array, h_0, got {type(number).__name__}"
            with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
                module(x, number)
        for value in ("ab", b"ab", {}, {1}, object(), ..., module):
            with pytest.raises(TypeError, match="hx must be an array"):
                module(x, value)
        for array in (
            h > 0,
            h.astype(complex),
            h.astype(object),
            h.astype("U8"),
            h.astype("M8[s]"),
        ):
            with pytest.raises(TypeError, match="hx must hold real numbers, got dtype"):
                module(x, array)
        with pytest.raises(TypeError, match="hx is a masked array"):
            module(x, np.ma.masked_array(h))
        with pytest.raises(ValueError, match=r"hx must be an array .* inhomogeneous"):
            module(x, [[0.5, 0.5], [0.5]])
        endless = []
        endless.append(endless)
        with pytest.raises((ValueError, TypeError)):
            module(x, endless)


@pytest.mark.parametrize("name", ["h_0", "hidden", "h0", "state"])
def test_names_of_the_argument(name):
    for module, x, h in calls_with(H):
        method = rf"{type(module).__name__}\.forward\(\)"
        with pytest.raises(
            TypeError, match=f"{method} got an unexpected keyword argument '{name}'"
        ):
            module(x, **{name: h})
        with pytest.raises(TypeError, match=f"{method} takes from 2 to 3 .* but 4 were given"):
            module(x, h, h)
        with pytest.raises(TypeError, match=f"{method} got multiple values for argument 'hx'"):
            module(x, h, hx=h)
        with pytest.raises(TypeError, match=f"{method} missing 1 required positional argument"):
            module(hx=h)


def test_the_name_is_that_of_the_class_of_pylstm():
    class Mine(GRU):
        pass

    with pytest.raises(TypeError, match=r"^GRU\.forward\(\) missing 1 required"):
        Mine(3, 4)()
    with pytest.raises(ValueError, match=r"^GRU: Expected input to be 2D or 3D, got 1D instead"):
        Mine(3, 4)(z(3))


# ---------------------------------------------------------------------------- sizes, in torch's order

TWO = {"num_layers": 2}
SHAPES = "(num_layers*num_directions, batch, hidden_size)"
# input, hx, error, the text without the class; of both layers, one of two layers of 4 units on 3 features
LAYER_CALLS = [
    (z(3), None, ValueError, "{}: Expected input to be 2D or 3D, got 1D{} instead: input is (seq"),
    (z(1, 5, 2, 3), z(4), ValueError, "{}: Expected input to be 2D or 3D, got 4D{} instead: "),
    (z(5, 2, 3), z(4), RuntimeError,
     f"For batched 3-D input, hx should also be 3-D but got 1-D tensor: hx is {SHAPES}; it has shape (4,)"),
    (z(5, 2, 9), z(2, 4), RuntimeError, "For batched 3-D input, hx should also be 3-D but got 2-D tensor: "),
    (z(5, 2, 3), np.float32(1), RuntimeError, "For batched 3-D input, hx should also be 3-D but got 0-D"),
    (z(5, 3), z(2, 1, 4), RuntimeError,
     "For unbatched 2-D input, hx should also be 2-D but got 3-D tensor: hx is "
     "(num_layers*num_directions, hidden_size); for a batch of one, give the input a batch axis too; "),
    (z(5, 2, 9) > 0, z(1, 1, 1), TypeError, "input must hold real numbers, got dtype bool"),
    (z(5, 2, 9), z(1, 1, 1), RuntimeError, "input.size(-1) must be equal to input_size. Expected 3, got 9: "),
    (z(0, 2, 3), z(2, 1, 4), RuntimeError, f"Expected hidden size (2, 2, 4), got [2, 1, 4]: hx is {SHAPES}"),
    (z(5, 2, 3), z(1, 2, 4), RuntimeError, "Expected hidden size (2, 2, 4), got [1, 2, 4]: "),
    (z(5, 2, 3), z(2, 2, 3), RuntimeError, "Expected hidden size (2, 2, 4), got [2, 2, 3]: "),
    (z(5, 3, 3), z(3, 2, 4), RuntimeError,
     f"Expected hidden size (2, 3, 4), got [3, 2, 4]: hx is {SHAPES} and is never batch-first; "
     "try hx.swapaxes(0, 1)"),
    (z(5, 3), z(1, 4), RuntimeError, "Expected hidden size (2, 1, 4), got [1, 1, 4]: "),
    (z(0, 2, 3), z(2, 2, 4), RuntimeError, "Expected sequence length to be larger than 0 in RNN: "),
    (z(0, 3), None, RuntimeError, "Expected sequence length to be larger than 0 in RNN: "),
    (packed(), z(2, 4), RuntimeError, "For batched 3-D input, hx should also be 3-D but got 2-D tensor: "),
    (packed(), z(2, 3, 4), RuntimeError,
     f"Expected hidden size (2, 2, 4), got [2, 3, 4]: hx is {SHAPES}; the packed input holds 2 sequences"),
    (packed(False), z(2, 3, 4), RuntimeError, "Expected hidden size (2, 2, 4), got [2, 3, 4]: "),
    (packed(False), z(2, 1, 4), RuntimeError, "Expected hidden size (2, 2, 4), got [2, 1, 4]: "),
    (packed(False), z(4), RuntimeError, "For batched 3-D input, hx should also be 3-D but got 1-D tensor: "),
]  # fmt: skip
# The same of both cells, with 4 units on 3 features.
CELL_CALLS = [
    (z(1, 2, 3), z(1), ValueError, "{}: Expected input to be 1D or 2D, got 3D instead: input is (batch, inp"),
    (np.float32(1), None, ValueError, "{}: Expected input to be 1D or 2D, got 0D instead: "),
    (z(2, 5), z(1, 2, 4), ValueError,
     "{}: Expected hidden to be 1D or 2D, got 3D instead: hx is (batch, hidden_size) or (hidden_size,), with "
     "hidden_size 4; hx has shape (1, 2, 4)"),
    (z(2, 3), np.float32(1), ValueError, "{}: Expected hidden to be 1D or 2D, got 0D instead: "),
    (z(2, 5), z(3, 9), RuntimeError, "input has inconsistent input_size: got 5 expected 3: input is (batch"),
    (z(5), z(9), RuntimeError, "input has inconsistent input_size: got 5 expected 3: input is (input_size,)"),
    (z(2, 3), z(3, 9), RuntimeError,
     "Input batch size 2 doesn't match hidden0 batch size 3: axis 0 of input and hx is the batch, and hx is "
     "not broadcast"),
    (z(2, 3), z(1, 4), RuntimeError, "Input batch size 2 doesn't match hidden0 batch size 1: "),
    (z(0, 3), z(1, 4), RuntimeError, "Input batch size 0 doesn't match hidden0 batch size 1: "),
    (z(2, 3), z(2, 9), RuntimeError,
     "hidden0 has inconsistent hidden_size: got 9, expected 4: hx is (batch, hidden_size)"),
    (z(3), z(9), RuntimeError, "hidden0 has inconsistent hidden_size: got 9, expected 4: hx is (hidden_size,)"),
    (z(2, 3), z(4), RuntimeError, "{}: input is 2-D but hx is 1-D: with input (batch, input_size), hx is "),
    (z(3), z(1, 4), RuntimeError,
     "{}: input is 1-D but hx is 2-D: with input (input_size,), hx is (hidden_size,), here (4,); for a batch "
     "of one try input[None, :]; hx has shape (1, 4)"),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(LAYER_CALLS)))
@pytest.mark.parametrize("cls", LAYERS)
def test_a_layer_reports_what_torch_reports_first(cls, case):
    x, hx, error, text = LAYER_CALLS[case]
    layer = cls(3, 4, 2)
    text = text.format(cls.__name__, " tensor" if cls is RNN else "")
    for call in (layer, layer.forward):
        with pytest.raises(error, match="^" + re.escape(text)):
            call(x, hx)


@pytest.mark.parametrize("case", range(len(CELL_CALLS)))
@pytest.mark.parametrize("cls", CELLS)
def test_a_cell_reports_what_torch_reports_first(cls, case):
    x, hx, error, text = CELL_CALLS[case]
    cell = cls(3, 4)
    for call in (cell, cell.forward):
        with pytest.raises(error, match="^" + re.escape(text.format(cls.__name__))):
            call(x, hx)


@pytest.mark.parametrize("cls", LAYERS)
def test_batch_first_is_not_the_states_business(cls):
    layer = cls(3, 4, batch_first=True)
    with pytest.raises(RuntimeError, match=r"Expected hidden size \(1, 2, 4\), got \[1, 5, 4\]"):
        layer(z(2, 5, 3), z(1, 5, 4))
    assert layer(z(2, 5, 3), z(1, 2, 4))[1].shape == (1, 2, 4)


def test_a_cell_does_not_run_on_the_parameters_of_a_deeper_network():
    class Both(pylstm._core.RNN, pylstm._core.Cell):
        pass

    both = Both()
    for mode, name in (("GRU", "a GRU"), ("RNN_RELU", "an RNN")):
        both._native_build(mode, 3, 4, num_layers=2)
        with pytest.raises(TypeError, match=rf"needs the parameters of {name}Cell, and these are"):
            pylstm._core.Cell.forward(both, z(2, 3))
        both._native_build(mode, 3, 4)
        assert pylstm._core.Cell.forward(both, z(2, 3)).shape == (2, 4)


def test_what_build_refuses():
    layer, cell = GRU(3, 4), GRUCell(3, 4)
    before = layer(X)
    for arguments in (("gru", 3, 4), ("", 3, 4), ("RNN", 3, 4), ("GRU", 0, 4), ("GRU", 3, 0)):
        with pytest.raises(ValueError):
            layer._native_build(*arguments)
    for mode in ("GRU", "RNN_TANH", "RNN_RELU"):
        with pytest.raises(ValueError, match="of an LSTM alone a proj_size"):
            layer._native_build(mode, 3, 4, proj_size=2)
    for arguments in (("RNN_RELU", 3, 4), ("GRU", -1, 4), ("GRU", 3, -1), ("x", 3, 4)):
        with pytest.raises(ValueError):
            cell._native_build(*arguments)
    for value, error in (
        ("GRU", ValueError),
        ("x", ValueError),
        (3, ValueError),
        ("\ud800", ValueError),
    ):
        with pytest.raises(error):
            cell._native_mode = value
    with pytest.raises(AttributeError):
        del cell._native_mode
    assert_same_bits(layer(X), before)
