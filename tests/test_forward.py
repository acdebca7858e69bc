"""The forward pass: values against torch's records and the NumPy reference, and every form of input."""

import numpy as np
import pytest
import recorded
import reference
from reference import fractions
from support import DTYPES, assert_same_bits, flatten, largest_error, with_parameters

import pylstm
from pylstm.utils.rnn import PackedSequence, pack_padded_sequence

# Against torch's records ------------------------------------------------------------------------


def tutorial_maker(dtype):
    """Builds the tutorial's modules, seeded as the record was."""
    pylstm.manual_seed(recorded.TUTORIAL_SEED)
    return lambda kind, *sizes: getattr(pylstm, kind)(*sizes, dtype=dtype)


@pytest.fixture(scope="module")
def tutorial():
    data = recorded.load("tutorial")
    return {
        (name, kind): list(recorded.split(data[f"{name}_{kind}"], shapes))
        for name, shapes in recorded.TUTORIAL_SHAPES.items()
        for kind in recorded.TUTORIAL_DTYPES
    }


@pytest.mark.parametrize("container", [tuple, list])
@pytest.mark.parametrize("name", recorded.TUTORIAL_SHAPES)
def test_tutorial(tutorial, name, container, dtype):
    results = recorded.run_tutorial(
        name,
        tutorial_maker(dtype),
        recorded.tutorial_input(),
        container(recorded.tutorial_states()),
        np.zeros,
        np.stack,
    )
    assert [r.shape for r in results] == recorded.TUTORIAL_SHAPES[name]
    assert {r.dtype for r in results} == {np.dtype(dtype)}
    if dtype == "float64":
        assert largest_error(results, tutorial[name, "float64"]) <= 1e-12
    else:
        truth = tutorial[name, "truth"]
        torch_error = largest_error(tutorial[name, "float32"], truth)
        assert largest_error(results, truth) <= 2 * torch_error + 1e-7


OPTION_CASES = recorded.option_cases()


def describe(case):
    options, unbatched, states, _ = case
    words = [f"{k}={v}" for k, v in options.items()]
    return " ".join(words + ["unbatched"] * unbatched + ["states"] * states)


@pytest.fixture(scope="module")
def option_results():
    data = recorded.load("options")
    shapes = [shape for case in OPTION_CASES for shape in recorded.option_arrays(*case)[3]]
    results = {}
    for name in DTYPES:
        arrays = list(recorded.split(data[name], shapes))
        results[name] = [arrays[start : start + 3] for start in range(0, len(arrays), 3)]
    return results


def test_all_options_are_recorded():
    assert len({describe(case) for case in OPTION_CASES}) == 192


@pytest.mark.parametrize("index", range(len(OPTION_CASES)), ids=lambda i: describe(OPTION_CASES[i]))
def test_options(option_results, index, dtype):
    case = OPTION_CASES[index]
    parameters, x, hx, shapes = recorded.option_arrays(*case)
    lstm = pylstm.LSTM(**recorded.OPTION_SIZES, **case[0], dtype=dtype)
    assert list(lstm.state_dict()) == list(parameters)
    lstm.load_state_dict(parameters)
    results = flatten(lstm(x, hx))
    assert [r.shape for r in results] == list(shapes)
    assert {r.dtype for r in results} == {np.dtype(dtype)}
    truth = option_results["float64"][index]
    if dtype == "float64":
        assert largest_error(results, truth) <= 1e-14
    else:
        # One case is a few hundred roundings, which may all go well for torch: its own largest
        # error over all cases bounds them too, and the next test bounds their sum.
        errors = torch_errors(option_results)
        assert largest_error(results, truth) <= max(2 * errors[index], 1.1 * max(errors))


def torch_errors(option_results):
    """torch's largest float32 error in each case."""
    pairs = zip(option_results["float32"], option_results["float64"], strict=True)
    return [largest_error(single, double) for single, double in pairs]


def test_options_together(option_results):
    """Root mean square error over every number of every case, beside torch's."""

    def squares(results, index):
        truth = option_results["float64"][index]
        return sum(((a - b) ** 2).sum() for a, b in zip(results, truth, strict=True))

    ours = torchs = 0.0
    for index, case in enumerate(OPTION_CASES):
        parameters, x, hx, _ = recorded.option_arrays(*case)
        lstm = pylstm.LSTM(**recorded.OPTION_SIZES, **case[0])
        lstm.load_state_dict(parameters)
        ours += squares(flatten(lstm(x, hx)), index)
        torchs += squares(option_results["float32"][index], index)
    assert ours**0.5 <= 1.1 * torchs**0.5


# Against the reference --------------------------------------------------------------------------


@pytest.mark.parametrize("hidden_size", [1, 2, 15, 16, 17, 33, 70, 129])
@pytest.mark.parametrize("input_size", [1, 5, 64, 65])
def test_sizes(input_size, hidden_size, dtype):
    lstm = with_parameters(pylstm.LSTM(input_size, hidden_size, 2, dtype=dtype), hidden_size)
    x = fractions(7, (4, 3, input_size), 2.0)
    expected = reference.lstm(lstm.state_dict(), x)
    assert largest_error(lstm(x), expected) <= {"float64": 1e-13, "float32": 2e-6}[dtype]


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 8, 9, 31, 100, 257])
@pytest.mark.parametrize("rows", [1, 3, 4, 5, 16])
def test_lengths(steps, rows, dtype):
    lstm = with_parameters(pylstm.LSTM(3, 6, bidirectional=True, dtype=dtype), 1)
    x = fractions(steps, (steps, rows, 3), 2.0)
    expected = reference.lstm(lstm.state_dict(), x)
    assert largest_error(lstm(x), expected) <= {"float64": 1e-13, "float32": 2e-6}[dtype]


@pytest.mark.parametrize("num_layers", [4, 11])
def test_deep(num_layers, dtype):
    options = {"num_layers": num_layers, "bidirectional": True, "proj_size": 3}
    lstm = with_parameters(pylstm.LSTM(5, 7, **options, dtype=dtype), 2)
    x = fractions(9, (6, 2, 5), 2.0)
    expected = reference.lstm(lstm.state_dict(), x)
    assert largest_error(lstm(x), expected) <= {"float64": 1e-13, "float32": 2e-6}[dtype]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("lengths", [[1], [5, 3, 3, 1], [2, 7, 7, 4, 1, 1]])
def test_packed(lengths, bias, dtype):
    options = {"num_layers": 2, "bidirectional": True, "proj_size": 3, "bias": bias}
    lstm = with_parameters(pylstm.LSTM(4, 6, **options, dtype=dtype), 3)
    x = fractions(3, (max(lengths), len(lengths), 4), 2.0)
    hx = fractions(4, (4, len(lengths), 3)), fractions(5, (4, len(lengths), 6))
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    out, (h, c) = lstm(packed, hx)
    assert isinstance(out, PackedSequence)
    assert out.data.dtype == h.dtype == c.dtype == np.dtype(dtype)
    order = np.asarray(packed.sorted_indices)
    data, (h_n, c_n) = reference.lstm(
        lstm.state_dict(),
        packed.data,
        [state[:, order] for state in hx],
        batch_sizes=packed.batch_sizes,
    )
    expected = [data, h_n[:, np.argsort(order)], c_n[:, np.argsort(order)]]
    assert largest_error([out.data, h, c], expected) <= {"float64": 1e-13, "float32": 2e-6}[dtype]


@pytest.mark.parametrize("probability", [0.25, 0.5, 1.0])
def test_training_dropout(probability, dtype):
    # Masks as torch builds without MKL draw them, so the reference can repeat them.
    lstm = pylstm.LSTM(3, 8, 3, bidirectional=True, dropout=probability, dtype=dtype)
    with_parameters(lstm, 4)
    x = fractions(6, (5, 2, 3), 2.0)
    pylstm.manual_seed(77)
    result = lstm(x)
    words = np.random.RandomState(77)._bit_generator.random_raw
    expected = reference.lstm(lstm.state_dict(), x, dropout=probability, words=words)
    assert largest_error(result, expected) <= {"float64": 1e-13, "float32": 2e-6}[dtype]

    assert_same_bits(lstm.eval()(x), with_parameters(_without_dropout(dtype), 4)(x))
    lstm.train().dropout = 0.0  # the attribute is live
    assert_same_bits(lstm(x), with_parameters(_without_dropout(dtype), 4)(x))


def _without_dropout(dtype):
    return pylstm.LSTM(3, 8, 3, bidirectional=True, dtype=dtype)


def test_packed_training_dropout(dtype):
    lstm = with_parameters(pylstm.LSTM(3, 8, 2, dropout=0.5, dtype=dtype), 4)
    packed = pack_padded_sequence(fractions(6, (5, 3, 3), 2.0), [5, 2, 1])
    pylstm.manual_seed(78)
    out, (h, c) = lstm(packed)
    data, states = reference.lstm(
        lstm.state_dict(),
        packed.data,
        batch_sizes=packed.batch_sizes,
        dropout=0.5,
        words=np.random.RandomState(78)._bit_generator.random_raw,
    )
    error = largest_error([out.data, h, c], [data, *states])
    assert error <= {"float64": 1e-13, "float32": 2e-6}[dtype]


# Shapes and forms -------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("proj_size", [0, 2])
def test_empty_batch(batch_first, bidirectional, proj_size, dtype):
    options = {"batch_first": batch_first, "bidirectional": bidirectional, "proj_size": proj_size}
    lstm = pylstm.LSTM(3, 4, 2, **options, dtype=dtype)
    directions, hidden_out = 1 + bidirectional, proj_size or 4
    hx = np.zeros((2 * directions, 0, hidden_out)), np.zeros((2 * directions, 0, 4))
    for states in (None, hx):
        out, (h, c) = lstm(np.zeros((0, 5, 3) if batch_first else (5, 0, 3)), states)
        assert out.shape == ((0, 5) if batch_first else (5, 0)) + (directions * hidden_out,)
        assert h.shape == (2 * directions, 0, hidden_out)
        assert c.shape == (2 * directions, 0, 4)
        assert {out.dtype, h.dtype, c.dtype} == {np.dtype(dtype)}


def test_empty_batch_of_a_cell(dtype):
    cell = pylstm.LSTMCell(3, 4, dtype=dtype)
    for states in (None, (np.zeros((0, 4)), np.zeros((0, 4)))):
        h, c = cell(np.zeros((0, 3)), states)
        assert h.shape == c.shape == (0, 4)
        assert h.dtype == c.dtype == np.dtype(dtype)


def read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def every_second(array):
    wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), np.nan)
    wide[..., ::2] = array
    return wide[..., ::2]


def misaligned(array):
    raw = np.empty(array.nbytes + 1, np.uint8)[1:]
    odd = raw.view(array.dtype).reshape(array.shape)
    odd[...] = array
    assert not odd.flags.aligned
    return odd


class OnlyArray:
    """Offers its values through __array__ only."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array if dtype is None else self.array.astype(dtype)


class OnlyDlpack:
    """Offers its values through __dlpack__ only."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class TupleDlpack(tuple):
    """Offers through __dlpack__ other values than it has as a tuple."""

    def __new__(cls, array):
        self = super().__new__(cls, (np.zeros(2),))
        self.array = array
        return self

    __dlpack__ = OnlyDlpack.__dlpack__
    __dlpack_device__ = OnlyDlpack.__dlpack_device__


FORMS = {
    "Fortran order": np.asfortranarray,
    "transposed view": lambda a: np.ascontiguousarray(a.T).T,
    "negative strides": lambda a: np.ascontiguousarray(a[::-1, ..., ::-1])[::-1, ..., ::-1],
    "every second element": every_second,
    "part of a wider array": lambda a: np.pad(a, [(1, 1)] * a.ndim)[(slice(1, -1),) * a.ndim],
    "broadcast": lambda a: np.broadcast_to(a[:1], a.shape),
    "misaligned": misaligned,
    "read-only": read_only,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "list": lambda a: a.tolist(),
    "tuple of arrays": tuple,
    "__array__": OnlyArray,
    "__dlpack__": OnlyDlpack,
    "__dlpack__ of a tuple": TupleDlpack,
    "subclass": lambda a: a.view(type("Sub", (np.ndarray,), {})),
    "memory view": lambda a: memoryview(a),
}


@pytest.mark.parametrize("of_dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_input(form, of_dtype, dtype):
    lstm = pylstm.LSTM(3, 4, 2, dtype=dtype)
    cell = pylstm.LSTMCell(3, 4, dtype=dtype)
    x = fractions(1, (5, 2, 3)).astype(of_dtype)
    hx = [fractions(seed, (2, 2, 4)).astype(of_dtype) for seed in (2, 3)]
    change = FORMS[form]
    plain = [np.array(change(a) if form == "broadcast" else a) for a in (x, *hx)]
    given = [change(a) for a in (x, *hx)]
    assert_same_bits(lstm(given[0], given[1:]), lstm(plain[0], plain[1:]))
    given = [change(a[0]) for a in plain]
    plain = [np.array(change(a[0]) if form == "broadcast" else a[0]) for a in plain]
    assert_same_bits(cell(given[0], tuple(given[1:])), cell(plain[0], tuple(plain[1:])))


# What is read of an object that is no array, and which others it must have for that.
ATTRIBUTES = {
    "detach": (),
    "__dlpack__": (),
    "__array__": ("__dlpack__",),
    "__array_interface__": ("__dlpack__",),
    "__array_struct__": ("__dlpack__",),
    "is_quantized": ("detach",),
    "layout": ("detach",),
    "device": ("detach",),
    "dtype": ("detach",),
}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_an_interrupt_by_an_attribute_of_the_input_is_not_lost(attribute, error):
    class Object:
        def __getattr__(self, name):
            if name == attribute:
                raise error
            if name in ATTRIBUTES[attribute]:
                return lambda *args, **kwargs: np.ones((5, 2, 3))
            raise AttributeError(name)

    with pytest.raises(error):
        pylstm.LSTM(3, 4)(Object())


@pytest.mark.parametrize(
    "integer", ["int8", "uint8", "int16", "int32", "int64", "uint64", "float16"]
)
def test_other_number_types(integer, dtype):
    lstm = pylstm.LSTM(3, 4, dtype=dtype)
    x = np.arange(30).reshape(5, 2, 3).astype(integer)
    assert_same_bits(lstm(x), lstm(x.astype(dtype)))


@pytest.mark.parametrize(
    "form", ["read-only", "every second element", "Fortran order", "misaligned"]
)
def test_inputs_are_never_written(form, dtype):
    lstm = pylstm.LSTM(3, 4, 2, bidirectional=True, dtype=dtype)
    x = fractions(1, (5, 2, 3)).astype(dtype)
    hx = [fractions(seed, (4, 2, 4)).astype(dtype) for seed in (2, 3)]
    given = [FORMS[form](a) for a in (x, *hx)]
    before = [np.array(a).tobytes() for a in given]
    lstm(given[0], given[1:])
    assert [np.array(a).tobytes() for a in given] == before


@pytest.mark.parametrize("batch_first", [False, True])
def test_results_are_fresh(batch_first, dtype):
    lstm = pylstm.LSTM(3, 4, batch_first=batch_first, dtype=dtype)
    x = fractions(1, (5, 2, 3)).astype(dtype)
    out, (h, c) = lstm(x)
    again, (h2, c2) = lstm(x)
    for array in (out, h, c):
        assert type(array) is np.ndarray
        assert array.flags.c_contiguous and array.flags.writeable and array.flags.owndata
    for a in (out, h, c):
        assert not any(np.shares_memory(a, b) for b in (x, again, h2, c2))
    assert not np.shares_memory(h, out)


def test_results_of_a_cell_are_fresh(dtype):
    cell = pylstm.LSTMCell(3, 4, dtype=dtype)
    result = cell(np.ones(3))
    assert type(result) is tuple and len(result) == 2
    for array in result:
        assert type(array) is np.ndarray
        assert array.flags.c_contiguous and array.flags.writeable and array.flags.owndata


def test_forms_of_states(dtype):
    lstm = pylstm.LSTM(3, 4, 2, dtype=dtype)
    x = fractions(1, (5, 2, 3))
    h, c = fractions(2, (2, 2, 4)), fractions(3, (2, 2, 4))
    expected = lstm(x, (h, c))
    assert_same_bits(lstm(x, [h, c]), expected)
    assert_same_bits(lstm(x, hx=(h, c)), expected)
    assert_same_bits(lstm(input=x, hx=[h.tolist(), c.astype(np.float32)]), expected)
    assert_same_bits(lstm.forward(x, (h, c)), expected)
    assert_same_bits(lstm(x, None), lstm(x))


def test_forms_of_cell_states(dtype):
    cell = pylstm.LSTMCell(3, 4, dtype=dtype)
    x, h, c = fractions(1, (2, 3)), fractions(2, (2, 4)), fractions(3, (2, 4))
    expected = cell(x, (h, c))
    assert_same_bits(cell(x, [h, c]), expected)
    assert_same_bits(cell(input=x, hx=(h, c)), expected)
    assert_same_bits(cell.forward(x, (h, c)), expected)
    assert_same_bits(cell(x, None), cell(x))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("unbatched", [True, False])
def test_cell(bias, unbatched, dtype):
    cell = with_parameters(pylstm.LSTMCell(5, 7, bias=bias, dtype=dtype), 5)
    rows = () if unbatched else (3,)
    x, hx = fractions(1, (*rows, 5), 2.0), [fractions(s, (*rows, 7), 2.0) for s in (2, 3)]
    for states in (None, hx):
        expected = reference.lstm_cell(cell.state_dict(), x, states)
        result = cell(x, states)
        assert [r.shape for r in result] == [(*rows, 7)] * 2
        assert largest_error(result, expected) <= {"float64": 1e-14, "float32": 2e-6}[dtype]


@pytest.mark.parametrize("cls", [pylstm.LSTM, pylstm.LSTMCell])
def test_keywords_that_are_not_interned(cls):
    module, x = cls(3, 4), np.ones((2, 3), np.float32)
    names = ["".join(letters) for letters in (("in", "put"), ("h", "x"))]
    expected = module(x)
    for call in (module, module.forward, lambda **given: cls.__call__(module, **given)):
        given = dict(zip(names, (x, None), strict=True))
        assert_same_bits(flatten(call(**given)), flatten(expected))
        with pytest.raises(TypeError, match="unexpected keyword argument 'hx_'"):
            call(**given, **{names[1] + "_": None})


def test_batch_first_is_live(dtype):
    lstm = pylstm.LSTM(3, 4, dtype=dtype)
    x = fractions(1, (5, 2, 3))
    out, states = lstm(x)
    lstm.batch_first = True
    swapped, swapped_states = lstm(x.swapaxes(0, 1))
    assert_same_bits(np.ascontiguousarray(swapped.swapaxes(0, 1)), out)
    assert_same_bits(swapped_states, states)
