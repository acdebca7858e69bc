"""The forward pass: values against torch's records and the NumPy reference, and every form of input."""

import numpy as np
import pytest
import recorded
import reference
from reference import KINDS, fractions
from support import (
    DTYPES,
    as_hx,
    assert_same_bits,
    cell_of,
    flatten,
    largest_error,
    layer_of,
    states_of,
    with_parameters,
)

import pylstm
from pylstm.utils.rnn import PackedSequence, pack_padded_sequence

OTHER_KINDS = [kind for kind in KINDS if kind != "LSTM"]
of_each_kind = pytest.mark.parametrize("kind", KINDS)
of_other_kinds = pytest.mark.parametrize("kind", OTHER_KINDS)


def options_of(kind, **options):
    """Constructor arguments, without a projection where the kind has none."""
    if kind != "LSTM":
        options.pop("proj_size", None)
    return options


def tolerance(dtype, expected=()):
    """The largest error that sums of this size may have; relu is not bounded by 1."""
    scale = max([1.0, *(np.abs(array).max(initial=0.0) for array in flatten(tuple(expected)))])
    return {"float64": 1e-13, "float32": 2e-6}[dtype] * scale


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


@pytest.fixture(scope="module")
def other_tutorials():
    found = {}
    for kind in OTHER_KINDS:
        data = recorded.load(recorded.file_of("tutorial", kind))
        for name, shapes in recorded.OTHER_TUTORIAL_SHAPES.items():
            for column in recorded.TUTORIAL_DTYPES:
                arrays = recorded.split(data[f"{name}_{column}"], shapes)
                found[kind, name, column] = list(arrays)
    return found


@pytest.mark.parametrize("name", recorded.OTHER_TUTORIAL_SHAPES)
@of_other_kinds
def test_tutorial_of_other_kinds(other_tutorials, kind, name, dtype):
    pylstm.manual_seed(recorded.TUTORIAL_SEED)
    results = recorded.run_other_tutorial(
        name,
        lambda is_cell, *sizes: (cell_of if is_cell else layer_of)(kind, *sizes, dtype=dtype),
        recorded.tutorial_input(),
        recorded.tutorial_states(),
        np.stack,
    )
    assert [r.shape for r in results] == recorded.OTHER_TUTORIAL_SHAPES[name]
    assert {r.dtype for r in results} == {np.dtype(dtype)}
    if dtype == "float64":
        assert largest_error(results, other_tutorials[kind, name, "float64"]) <= 1e-12
    else:
        truth = other_tutorials[kind, name, "truth"]
        torch_error = largest_error(other_tutorials[kind, name, "float32"], truth)
        assert largest_error(results, truth) <= 2 * torch_error + 1e-7


OPTION_CASES = {kind: recorded.option_cases(kind) for kind in KINDS}
ALL_OPTION_CASES = [(kind, index) for kind in KINDS for index in range(len(OPTION_CASES[kind]))]


def describe(kind, case):
    options, unbatched, states, _ = case
    words = [kind] * (kind != "LSTM") + [f"{k}={v}" for k, v in options.items()]
    return " ".join(words + ["unbatched"] * unbatched + ["states"] * states)


@pytest.fixture(scope="module")
def option_results():
    results = {}
    for kind, cases in OPTION_CASES.items():
        data = recorded.load(recorded.file_of("options", kind))
        shapes = [shape for case in cases for shape in recorded.option_arrays(*case, kind)[3]]
        each = 1 + KINDS[kind].states
        for name in DTYPES:
            arrays = list(recorded.split(data[name], shapes))
            results[kind, name] = [arrays[i : i + each] for i in range(0, len(arrays), each)]
    return results


def test_all_options_are_recorded():
    for kind, cases in OPTION_CASES.items():
        assert len({describe(kind, case) for case in cases}) == (192 if kind == "LSTM" else 96)


def run_options(kind, case, dtype):
    """(results, shapes) of an option case."""
    parameters, x, hx, shapes = recorded.option_arrays(*case, kind)
    layer = layer_of(kind, **recorded.OPTION_SIZES, **case[0], dtype=dtype)
    assert list(layer.state_dict()) == list(parameters)
    layer.load_state_dict(parameters)
    return flatten(layer(x, hx)), shapes


@pytest.mark.parametrize(
    ("kind", "index"),
    ALL_OPTION_CASES,
    ids=[describe(kind, OPTION_CASES[kind][index]) for kind, index in ALL_OPTION_CASES],
)
def test_options(option_results, kind, index, dtype):
    results, shapes = run_options(kind, OPTION_CASES[kind][index], dtype)
    assert [r.shape for r in results] == list(shapes)
    assert {r.dtype for r in results} == {np.dtype(dtype)}
    truth = option_results[kind, "float64"][index]
    if dtype == "float64":
        assert largest_error(results, truth) <= 1e-14 * max(1.0, largest(truth))
    else:
        # One case is a few hundred roundings, which may all go well for torch: its own largest
        # error over all cases bounds them too, and the next test bounds their sum. Of the other
        # kinds there are half as many cases, whose largest error is less certain.
        errors = torch_errors(option_results, kind)
        most = (1.1 if kind == "LSTM" else 1.4) * max(errors)
        assert largest_error(results, truth) <= max(2 * errors[index], most)


def largest(arrays):
    return max(float(np.abs(array).max(initial=0.0)) for array in arrays)


def torch_errors(option_results, kind):
    """torch's largest float32 error in each case."""
    pairs = zip(option_results[kind, "float32"], option_results[kind, "float64"], strict=True)
    return [largest_error(single, double) for single, double in pairs]


@of_each_kind
def test_options_together(option_results, kind):
    """Root mean square error over every number of every case, beside torch's."""

    def squares(results, index):
        truth = option_results[kind, "float64"][index]
        return sum(((a - b) ** 2).sum() for a, b in zip(results, truth, strict=True))

    ours = torchs = 0.0
    for index, case in enumerate(OPTION_CASES[kind]):
        ours += squares(run_options(kind, case, "float32")[0], index)
        torchs += squares(option_results[kind, "float32"][index], index)
    assert ours**0.5 <= 1.1 * torchs**0.5


@of_each_kind
def test_the_reference_agrees_with_torch(option_results, kind):
    for index, case in enumerate(OPTION_CASES[kind]):
        parameters, x, hx, _ = recorded.option_arrays(*case, kind)
        result = reference.layer(kind, parameters, x, hx, batch_first=case[0]["batch_first"])
        truth = option_results[kind, "float64"][index]
        assert largest_error(result, truth) <= 1e-14 * max(1.0, largest(truth))


# Against the reference --------------------------------------------------------------------------


@pytest.mark.parametrize("hidden_size", [1, 2, 15, 16, 17, 33, 70, 129])
@pytest.mark.parametrize("input_size", [1, 5, 64, 65])
@of_each_kind
def test_sizes(kind, input_size, hidden_size, dtype):
    layer = with_parameters(layer_of(kind, input_size, hidden_size, 2, dtype=dtype), hidden_size)
    x = fractions(7, (4, 3, input_size), 2.0)
    expected = reference.layer(kind, layer.state_dict(), x)
    assert largest_error(layer(x), expected) <= tolerance(dtype, expected)


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 8, 9, 31, 100, 257])
@pytest.mark.parametrize("rows", [1, 3, 4, 5, 16])
@of_each_kind
def test_lengths(kind, steps, rows, dtype):
    layer = with_parameters(layer_of(kind, 3, 6, bidirectional=True, dtype=dtype), 1)
    x = fractions(steps, (steps, rows, 3), 2.0)
    expected = reference.layer(kind, layer.state_dict(), x)
    assert largest_error(layer(x), expected) <= tolerance(dtype, expected)


@pytest.mark.parametrize("num_layers", [4, 11])
@of_each_kind
def test_deep(kind, num_layers, dtype):
    options = options_of(kind, num_layers=num_layers, bidirectional=True, proj_size=3)
    layer = with_parameters(layer_of(kind, 5, 7, **options, dtype=dtype), 2)
    x = fractions(9, (6, 2, 5), 2.0)
    expected = reference.layer(kind, layer.state_dict(), x)
    assert largest_error(layer(x), expected) <= tolerance(dtype, expected)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("lengths", [[1], [5, 3, 3, 1], [2, 7, 7, 4, 1, 1]])
@of_each_kind
def test_packed(kind, lengths, bias, dtype):
    options = options_of(kind, num_layers=2, bidirectional=True, proj_size=3, bias=bias)
    layer = with_parameters(layer_of(kind, 4, 6, **options, dtype=dtype), 3)
    x = fractions(3, (max(lengths), len(lengths), 4), 2.0)
    widths = (options.get("proj_size", 6), 6)[: KINDS[kind].states]
    states = [fractions(4 + i, (4, len(lengths), width)) for i, width in enumerate(widths)]
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    out, hx = layer(packed, as_hx(states))
    assert isinstance(out, PackedSequence)
    assert {array.dtype for array in flatten((out.data, hx))} == {np.dtype(dtype)}
    order = np.asarray(packed.sorted_indices)
    data, final = reference.layer(
        kind,
        layer.state_dict(),
        packed.data,
        as_hx([state[:, order] for state in states]),
        batch_sizes=packed.batch_sizes,
    )
    expected = [data, *(state[:, np.argsort(order)] for state in flatten((final,)))]
    assert largest_error((out.data, hx), expected) <= tolerance(dtype, expected)


@pytest.mark.parametrize("probability", [0.25, 0.5, 1.0])
@of_each_kind
def test_training_dropout(kind, probability, dtype):
    # Masks as torch builds without MKL draw them, so the reference can repeat them.
    layer = layer_of(kind, 3, 8, 3, bidirectional=True, dropout=probability, dtype=dtype)
    with_parameters(layer, 4)
    x = fractions(6, (5, 2, 3), 2.0)
    pylstm.manual_seed(77)
    result = layer(x)
    words = np.random.RandomState(77)._bit_generator.random_raw
    expected = reference.layer(kind, layer.state_dict(), x, dropout=probability, words=words)
    assert largest_error(result, expected) <= tolerance(dtype, expected)

    undropped = with_parameters(layer_of(kind, 3, 8, 3, bidirectional=True, dtype=dtype), 4)
    assert_same_bits(layer.eval()(x), undropped(x))
    layer.train().dropout = 0.0  # the attribute is live
    assert_same_bits(layer(x), undropped(x))


@of_each_kind
def test_packed_training_dropout(kind, dtype):
    layer = with_parameters(layer_of(kind, 3, 8, 2, dropout=0.5, dtype=dtype), 4)
    packed = pack_padded_sequence(fractions(6, (5, 3, 3), 2.0), [5, 2, 1])
    pylstm.manual_seed(78)
    out, hx = layer(packed)
    expected = reference.layer(
        kind,
        layer.state_dict(),
        packed.data,
        batch_sizes=packed.batch_sizes,
        dropout=0.5,
        words=np.random.RandomState(78)._bit_generator.random_raw,
    )
    assert largest_error((out.data, hx), expected) <= tolerance(dtype, expected)


# Shapes and forms -------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("kind", "proj_size"), [*((kind, 0) for kind in KINDS), ("LSTM", 2)])
def test_empty_batch(kind, batch_first, bidirectional, proj_size, dtype):
    options = options_of(
        kind, batch_first=batch_first, bidirectional=bidirectional, proj_size=proj_size
    )
    layer = layer_of(kind, 3, 4, 2, **options, dtype=dtype)
    directions, widths = 1 + bidirectional, (proj_size or 4, 4)[: KINDS[kind].states]
    zeros = [np.zeros((2 * directions, 0, width)) for width in widths]
    for hx in (None, as_hx(zeros)):
        out, states = layer(np.zeros((0, 5, 3) if batch_first else (5, 0, 3)), hx)
        assert out.shape == ((0, 5) if batch_first else (5, 0)) + (directions * widths[0],)
        assert [state.shape for state in states_of(states)] == [state.shape for state in zeros]
        assert {array.dtype for array in flatten((out, states))} == {np.dtype(dtype)}


@of_each_kind
def test_empty_batch_of_a_cell(kind, dtype):
    cell = cell_of(kind, 3, 4, dtype=dtype)
    for hx in (None, as_hx([np.zeros((0, 4))] * KINDS[kind].states)):
        for state in states_of(cell(np.zeros((0, 3)), hx)):
            assert state.shape == (0, 4)
            assert state.dtype == np.dtype(dtype)


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
@of_each_kind
def test_forms_of_input(kind, form, of_dtype, dtype):
    layer, cell = layer_of(kind, 3, 4, 2, dtype=dtype), cell_of(kind, 3, 4, dtype=dtype)
    x = fractions(1, (5, 2, 3)).astype(of_dtype)
    states = [fractions(2 + i, (2, 2, 4)).astype(of_dtype) for i in range(KINDS[kind].states)]
    change = change_state = FORMS[form]
    if kind != "LSTM" and "tuple" in form:
        change_state = np.copy  # tuples are refused, see test_states_in_a_tuple_are_refused
    plain = [np.array(change(a) if form == "broadcast" else a) for a in (x, *states)]
    given = [change(x), *(change_state(a) for a in states)]
    expected = layer(plain[0], as_hx(plain[1:]))
    assert_same_bits(layer(given[0], as_hx(given[1:])), expected)
    given = [change(plain[0][0]), *(change_state(a[0]) for a in plain[1:])]
    plain = [np.array(change(a[0]) if form == "broadcast" else a[0]) for a in plain]
    assert_same_bits(cell(given[0], as_hx(given[1:])), cell(plain[0], as_hx(plain[1:])))


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
@of_each_kind
def test_inputs_are_never_written(kind, form, dtype):
    layer = layer_of(kind, 3, 4, 2, bidirectional=True, dtype=dtype)
    x = fractions(1, (5, 2, 3)).astype(dtype)
    states = [fractions(2 + i, (4, 2, 4)).astype(dtype) for i in range(KINDS[kind].states)]
    given = [FORMS[form](a) for a in (x, *states)]
    before = [np.array(a).tobytes() for a in given]
    layer(given[0], as_hx(given[1:]))
    assert [np.array(a).tobytes() for a in given] == before


@pytest.mark.parametrize("batch_first", [False, True])
@of_each_kind
def test_results_are_fresh(kind, batch_first, dtype):
    layer = layer_of(kind, 3, 4, batch_first=batch_first, dtype=dtype)
    x = fractions(1, (5, 2, 3)).astype(dtype)
    result = layer(x)
    assert type(result) is tuple and len(result) == 2
    assert type(result[1]) is (tuple if kind == "LSTM" else np.ndarray)
    arrays, again = flatten(result), flatten(layer(x))
    for array in arrays:
        assert type(array) is np.ndarray
        assert array.flags.c_contiguous and array.flags.writeable and array.flags.owndata
        assert not any(np.shares_memory(array, other) for other in (x, *again))
    assert not np.shares_memory(arrays[1], arrays[0])


@of_each_kind
def test_results_of_a_cell_are_fresh(kind, dtype):
    cell = cell_of(kind, 3, 4, dtype=dtype)
    result = cell(np.ones(3))
    assert type(result) is (tuple if kind == "LSTM" else np.ndarray)
    assert len(states_of(result)) == KINDS[kind].states
    for array in states_of(result):
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


@of_other_kinds
def test_forms_of_the_one_state(kind, dtype):
    for module, x, h in (
        (layer_of(kind, 3, 4, 2, dtype=dtype), fractions(1, (5, 2, 3)), fractions(2, (2, 2, 4))),
        (cell_of(kind, 3, 4, dtype=dtype), fractions(1, (2, 3)), fractions(2, (2, 4))),
    ):
        expected = module(x, h)
        assert_same_bits(module(x, hx=h), expected)
        assert_same_bits(module(x, h.tolist()), expected)
        assert_same_bits(module(input=x, hx=h.astype(np.float32)), expected)
        assert_same_bits(module(x, np.asfortranarray(h)), expected)
        assert_same_bits(module.forward(x, h), expected)
        assert_same_bits(module(x, None), module(x))


@of_other_kinds
def test_states_in_a_tuple_are_refused(kind, dtype):
    """np.asarray would make two rows of a batch of a pair (h, c) of 1-D states."""
    layer, cell = layer_of(kind, 3, 4, dtype=dtype), cell_of(kind, 3, 4, dtype=dtype)
    packed = pack_padded_sequence(np.ones((5, 2, 3)), [5, 3])
    h = np.zeros((1, 2, 4), dtype)
    for module, x, states in (
        (layer, np.ones((5, 2, 3)), ((h, h), [h, h], (h,), [h], (h, h, h))),
        (layer, np.ones((5, 3)), ((h[:, 0], h[:, 0]), [h[:, 0]], (h[0, 0],))),
        (layer, packed, ((h, h), [h], (h,))),
        (cell, np.ones((2, 3)), ((h[0], h[0]), (h[0],), [h[0, 0], h[0, 1]], (h[0, 0], h[0, 1]))),
        (cell, np.ones(3), ((h[0, 0], h[0, 0]), [h[0, 0]])),
    ):
        for hx in states:
            with pytest.raises(TypeError, match="hx"):
                module(x, hx)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("unbatched", [True, False])
@of_each_kind
def test_cell(kind, bias, unbatched, dtype):
    cell = with_parameters(cell_of(kind, 5, 7, bias=bias, dtype=dtype), 5)
    rows = () if unbatched else (3,)
    x = fractions(1, (*rows, 5), 2.0)
    states = [fractions(2 + i, (*rows, 7), 2.0) for i in range(KINDS[kind].states)]
    for hx in (None, as_hx(states)):
        expected = states_of(reference.cell(kind, cell.state_dict(), x, hx))
        result = states_of(cell(x, hx))
        assert [r.shape for r in result] == [(*rows, 7)] * len(states)
        bound = {"float64": 1e-14, "float32": 2e-6}[dtype] * max(1.0, largest(expected))
        assert largest_error(result, expected) <= bound


@pytest.mark.parametrize("make", [layer_of, cell_of])
@of_each_kind
def test_keywords_that_are_not_interned(kind, make):
    module, x = make(kind, 3, 4), np.ones((2, 3), np.float32)
    names = ["".join(letters) for letters in (("in", "put"), ("h", "x"))]
    expected = module(x)
    for call in (module, module.forward, lambda **given: type(module).__call__(module, **given)):
        given = dict(zip(names, (x, None), strict=True))
        assert_same_bits(flatten(call(**given)), flatten(expected))
        with pytest.raises(TypeError, match="unexpected keyword argument 'hx_'"):
            call(**given, **{names[1] + "_": None})


@of_each_kind
def test_batch_first_is_live(kind, dtype):
    layer = layer_of(kind, 3, 4, dtype=dtype)
    x = fractions(1, (5, 2, 3))
    out, states = layer(x)
    layer.batch_first = True
    swapped, swapped_states = layer(x.swapaxes(0, 1))
    assert_same_bits(np.ascontiguousarray(swapped.swapaxes(0, 1)), out)
    assert_same_bits(swapped_states, states)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", [1, 3, 16, 20, 33, 64])
@pytest.mark.parametrize("kind", [pylstm.LSTMCell, pylstm.GRUCell, pylstm.RNNCell])
def test_cells_without_inputs(kind, hidden, dtype):
    """torch allows input_size 0 for cells: the bits are those of an input of zero weights."""
    cell, other = kind(0, hidden, dtype=dtype), kind(1, hidden, dtype=dtype)
    other.load_state_dict(cell.state_dict() | {"weight_ih": np.zeros_like(other.weight_ih)})
    for rows in (1, 2, 5, 9, 40):
        x, zeros = np.empty((rows, 0), dtype), np.zeros((rows, 1), dtype)
        hx = cell(x)
        assert_same_bits(hx, other(zeros))
        assert_same_bits(cell(x, hx), other(zeros, hx))
