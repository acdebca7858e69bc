"""torch's own tests of these classes, in our words, with torch 2.13 beside pylstm as the judge.

What needs gradients or a GPU is left out; error texts are in the file on wrong calls, the random
comparison in the one on forward. Each test names the one it rebuilds.
"""

import copy
import inspect
import io
import itertools
import pickle
import warnings

import numpy as np
import pytest
from recorded import class_of
from reference import KINDS as ALL
from support import as_hx, assert_same_bits, flatten, states_of

import pylstm
from pylstm.utils import rnn

# By its submodule, since this folder itself would do for a module of the name "torch".
pytest.importorskip("torch.nn")
import torch

packing = torch.nn.utils.rnn

# torch's own bar between its two ways to compute float32 is 1e-5.
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}
KINDS = ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell")  # names of classes
LAYERS = ("LSTM", "GRU", "RNN")
# With the activation of an RNN; (kind, proj_size) of every layer.
of_each_kind = pytest.mark.parametrize("kind", ALL)
of_other_kinds = pytest.mark.parametrize("kind", [kind for kind in ALL if kind != "LSTM"])
LSTM_OPTIONS = ("batch_first", "dropout", "bidirectional", "proj_size", "num_layers")
FLAGS = [False, True]


def grid(*values):
    """All combinations, for parametrize."""
    return list(itertools.product(*values))


def projected(proj_size):
    """(kind, proj_size) of the LSTM with and without this projection, and of all other kinds."""
    return pytest.mark.parametrize(
        ("kind", "proj_size"), [("LSTM", 0), ("LSTM", proj_size), *((k, 0) for k in [*ALL][1:])]
    )


def pair(kind, *sizes, dtype="float64", proj_size=0, **options):
    """(pylstm's module, torch's module) with the same parameters; RNN_RELU is one of the kinds."""
    is_cell = kind.endswith("Cell")
    kind, of_kind = class_of(kind.removesuffix("Cell"))
    kind, options = kind + "Cell" * is_cell, options | of_kind
    if proj_size:
        options["proj_size"] = proj_size
    pylstm.manual_seed(7)
    torch.manual_seed(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dropout with one layer
        theirs = getattr(torch.nn, kind)(*sizes, dtype=getattr(torch, dtype), **options)
        ours = getattr(pylstm, kind)(*sizes, dtype=dtype, **options)
    return ours, theirs


def draw(*shape, dtype="float64", seed=3):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def tensors(value):
    """`value` with its arrays as tensors."""
    if isinstance(value, tuple):
        return tuple(tensors(item) for item in value)
    return torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value


def arrays(value):
    """The arrays of torch's result; of a packed sequence, its data."""
    if isinstance(value, packing.PackedSequence):
        value = value.data
    if isinstance(value, torch.Tensor):
        return [value.detach().numpy()]
    return [array for item in value for array in arrays(item)]


def assert_agree(ours, theirs, *arguments):
    """The same shapes from both modules, and numbers within the bar; returns pylstm's result."""
    result = ours(*arguments)
    with torch.no_grad():
        expected = arrays(theirs(*tensors(arguments)))
    for actual, wanted in zip(flatten(result), expected, strict=True):
        assert actual.shape == wanted.shape
        np.testing.assert_allclose(actual, wanted, rtol=0, atol=TOLERANCE[actual.dtype.name])
    return result


def assert_both_raise(ours, theirs, *arguments, kind=RuntimeError):
    """Both modules refuse the call in the same words."""
    with pytest.raises(kind) as expected:
        theirs(*tensors(arguments))
    with pytest.raises(kind) as actual:
        ours(*arguments)
    assert str(expected.value).split("\n")[0] in str(actual.value)


def zeros(*shape):
    return np.zeros(shape)


def states_like(kind, depth, rows, width, hidden_size=None):
    """Zeros as hx of `depth` layers and directions; rows is a tuple, () without a batch."""
    widths = (width, hidden_size or width)[: ALL[kind].states]
    return as_hx([zeros(depth, *rows, size) for size in widths])


def halves(kind, state):
    """The hx in which `state` is h_0, and c_0 is as wide, where there is one."""
    return as_hx([state] * ALL[kind].states)


# ---------------------------------------------------------------------------- signatures


def parameters(function, skip=0):
    shown = list(inspect.signature(function).parameters.values())[skip:]
    return [(p.name, p.default) for p in shown]


def torch_parameters(cls):
    """Those of a class or function that torch's has, in torch's order: what only pylstm has is keyword-only."""
    shown = inspect.signature(cls).parameters.values()
    return [(p.name, p.default) for p in shown if p.kind is not p.KEYWORD_ONLY]


def test_signatures():
    # torch.nn.LSTM itself shows *args; its base class names them, with the mode in front.
    base = parameters(torch.nn.RNNBase, skip=1)
    assert torch_parameters(pylstm.LSTM) == base
    # RNN and GRU have no proj_size; the documentation shows RNN's nonlinearity in fourth place.
    without = [parameter for parameter in base if parameter[0] != "proj_size"]
    assert torch_parameters(pylstm.GRU) == without
    assert torch_parameters(pylstm.RNN) == [*without[:3], ("nonlinearity", "tanh"), *without[3:]]
    for kind in KINDS:
        ours, theirs = getattr(pylstm, kind), getattr(torch.nn, kind)
        if kind.endswith("Cell"):
            assert torch_parameters(ours) == parameters(theirs)
        assert torch_parameters(ours.forward)[1:] == parameters(theirs.forward, skip=1)
    for name in rnn.__all__:
        assert parameters(getattr(rnn, name)) == parameters(getattr(packing, name))
    for name, method in inspect.getmembers(pylstm.Module, inspect.isfunction):
        if not name.startswith("_") and name != "forward":
            assert parameters(method) == parameters(getattr(torch.nn.Module, name)), name


# ---------------------------------------------------------------------------- cells


@pytest.mark.parametrize("bias", [True, False])
@of_each_kind
def test_cell_over_six_steps(kind, bias):  # test_LSTM_cell, test_RNN_cell
    ours, theirs = pair(kind + "Cell", 10, 20, bias=bias)
    states = as_hx([draw(3, 20), draw(3, 20, seed=4)][: ALL[kind].states])
    for step in draw(6, 3, 10):
        states = assert_agree(ours, theirs, step, states)


@of_each_kind
def test_cell_refuses_wrong_sizes(kind):  # test_LSTM_cell_forward_input_size, _hidden_size
    ours, theirs = pair(kind + "Cell", 10, 20)
    right, wrong = zeros(3, 20), zeros(3, 21)
    assert_both_raise(ours, theirs, zeros(3, 11), halves(kind, right))
    for place in range(ALL[kind].states):
        states = [right] * ALL[kind].states
        states[place] = wrong
        assert_both_raise(ours, theirs, zeros(3, 10), as_hx(states))


@of_each_kind
def test_cell_does_not_broadcast(kind):  # test_RNN_cell_no_broadcasting
    ours, theirs = pair(kind + "Cell", 10, 20)
    full, one_row, one_column = zeros(3, 20), zeros(1, 20), zeros(3, 1)
    for narrow in (one_row, one_column):
        for place in range(ALL[kind].states):
            states = [full] * ALL[kind].states
            states[place] = narrow
            assert_both_raise(ours, theirs, zeros(3, 10), as_hx(states))
    assert_both_raise(ours, theirs, zeros(3, 1), halves(kind, full))
    assert_both_raise(ours, theirs, zeros(1, 10), halves(kind, full))


@of_each_kind
def test_cell_without_features(kind):  # test_RNN_cell_forward_zero_hidden_size
    ours, theirs = pair(kind + "Cell", 10, 0)
    result = assert_agree(ours, theirs, draw(3, 10), halves(kind, zeros(3, 0)))
    assert {state.shape for state in states_of(result)} == {(3, 0)}


@of_each_kind
def test_cell_without_a_batch_axis(kind):  # the samples of the cells
    ours, theirs = pair(kind + "Cell", 10, 20)
    x, states = draw(10), [draw(20), draw(20, seed=5)][: ALL[kind].states]
    single = assert_agree(ours, theirs, x, as_hx(states))
    row = ours(x[None], as_hx([state[None] for state in states]))
    assert_same_bits(single, as_hx([state[0] for state in states_of(row)]))
    assert_agree(ours, theirs, x)
    assert_agree(ours, theirs, draw(5, 10))


def test_activation_of_an_rnn():  # test_RNN_nonlinearity, _passed_as_arg
    for module in (pylstm, torch.nn):
        assert module.RNN(2, 3).nonlinearity == "tanh"
        assert module.RNN(2, 3, nonlinearity="relu").nonlinearity == "relu"
        assert module.RNN(2, 3, 1, "relu").nonlinearity == "relu"
        assert module.RNN(2, 3, 1, "relu").mode == "RNN_RELU"
        assert module.RNN(2, 3).mode == "RNN_TANH"
        assert module.GRU(2, 3).mode == "GRU"
        assert module.RNNCell(2, 3, nonlinearity="relu").nonlinearity == "relu"
        with pytest.raises(ValueError, match="Unknown nonlinearity 'garbage'"):
            module.RNN(2, 3, nonlinearity="garbage")
    assert repr(pylstm.RNN(2, 3, 1, np.str_("relu"))) == "RNN(2, 3)"


def test_the_activation_of_a_cell_is_live():
    ours, theirs = pair("RNNCell", 3, 4)
    x = draw(2, 3)
    for activation in ("relu", "tanh", "relu"):
        ours.nonlinearity = theirs.nonlinearity = activation
        assert_agree(ours, theirs, x)
        assert repr(ours) == repr(theirs)
    ours.nonlinearity = theirs.nonlinearity = "x"
    assert repr(ours) == repr(theirs) == "RNNCell(3, 4, nonlinearity=x)"
    assert_both_raise(ours, theirs, x)


@pytest.mark.parametrize("kind", ["GRU", "RNN"])
def test_no_projection_of_other_kinds(kind):  # test_projections_errors_on_gru_and_rnn
    for module in (pylstm, torch.nn):
        for value in (0, 2):
            with pytest.raises(ValueError, match="proj_size argument is only supported for LSTM"):
                getattr(module, kind)(5, 6, proj_size=value)


# ---------------------------------------------------------------------------- arguments of layers


@projected(2)
def test_layers_refuse_wrong_shapes(kind, proj_size):
    # test_rnn_args_check, test_projections_lstm_args_check
    ours, theirs = pair(kind, 3, 5, 2, proj_size=proj_size)
    width = proj_size or 5
    x, h, c = zeros(4, 6, 3), zeros(2, 6, width), zeros(2, 6, 5)

    def given(h, c=c):
        return (h, c) if kind == "LSTM" else h

    assert_agree(ours, theirs, x, given(h))
    assert_both_raise(ours, theirs, zeros(4, 7, 3), given(h))
    assert_both_raise(ours, theirs, zeros(4, 6, 4), given(h))
    for wrong in (zeros(2, 7, width), zeros(2, 6, width + 1), zeros(3, 6, width), zeros(2, 6, 1)):
        assert_both_raise(ours, theirs, x, given(wrong))
    if kind == "LSTM":
        for wrong in (zeros(2, 7, 5), zeros(2, 6, 6), zeros(1, 6, 5), zeros(2, 6, 1)):
            assert_both_raise(ours, theirs, x, (h, wrong))
    if proj_size:
        assert_both_raise(ours, theirs, x, (zeros(2, 6, 5), c))
        assert_both_raise(ours, theirs, x, (h, zeros(2, 6, 2)))


@projected(2)
def test_layers_refuse_wrong_features(kind, proj_size):  # test_cudnn_forward_exception
    ours, theirs = pair(kind, 3, 5, batch_first=True, proj_size=proj_size)
    right = states_like(kind, 1, (2,), proj_size or 5, 5)
    wrong = states_like(kind, 1, (2,), 9)
    with pytest.raises(RuntimeError, match=r"Expected hidden.*size.*got"):
        ours(zeros(2, 4, 3), wrong)
    assert_both_raise(ours, theirs, zeros(2, 4, 3), wrong)
    for hx in (right, None):
        with pytest.raises(RuntimeError, match=r"input.size\(-1\) must be equal to input_size"):
            ours(zeros(2, 4, 7), hx)
        assert_both_raise(ours, theirs, zeros(2, 4, 7), hx)


@pytest.mark.parametrize("bidirectional", [False, True])
@of_each_kind
def test_layers_refuse_no_steps(kind, bidirectional):  # test_error_RNN_seq_len_zero
    ours, theirs = pair(kind, 5, 6, bidirectional=bidirectional)
    for shape in ((0, 10, 5), (0, 0, 5), (0, 5)):
        assert_both_raise(ours, theirs, zeros(*shape))


@of_each_kind
def test_layers_take_an_empty_batch(kind):  # test_RNN_input_size_zero
    ours, theirs = pair(kind, 3, 4)
    output, _ = assert_agree(ours, theirs, zeros(5, 0, 3))
    assert output.shape == (5, 0, 4)
    assert_agree(ours, theirs, zeros(5, 0, 3), states_like(kind, 1, (0,), 4))


@pytest.mark.parametrize("bidirectional", FLAGS)
@projected(10)
def test_no_states_are_zeros(kind, proj_size, bidirectional):
    # test_rnn_initial_hidden_state, test_projections_lstm_initial_hidden_state
    ours, theirs = pair(kind, 30, 20, 2, proj_size=proj_size, bidirectional=bidirectional)
    x, depth = draw(10, 32, 30), 4 if bidirectional else 2
    states = states_like(kind, depth, (32,), proj_size or 20, 20)
    assert_same_bits(assert_agree(ours, theirs, x), assert_agree(ours, theirs, x, states))


# ---------------------------------------------------------------------------- values of layers


@pytest.mark.parametrize(("bias", "bidirectional", "batch_first"), grid(FLAGS, FLAGS, FLAGS))
@projected(3)
def test_two_implementations_agree(dtype, kind, bias, bidirectional, batch_first, proj_size):
    # test_RNN_cpu_vs_cudnn_no_dropout: dense and packed, contiguous or not, lengths in any form
    options = {"bias": bias, "bidirectional": bidirectional, "batch_first": batch_first}
    ours, theirs = pair(kind, 10, 6, 2, proj_size=proj_size, dtype=dtype, **options)
    shape = (6, 7, 10) if batch_first else (7, 6, 10)
    depth = 4 if bidirectional else 2
    h_0 = draw(depth, 6, proj_size or 6, dtype=dtype)
    c_0 = draw(depth, 6, 6, dtype=dtype) + np.asarray(1, dtype)
    states = [h_0, c_0][: ALL[kind].states]
    x = draw(*shape, dtype=dtype)
    scattered = np.asfortranarray(x)
    dense = assert_agree(ours, theirs, x, as_hx(states))
    reversed_in_memory = [state[::-1].copy()[::-1] for state in states[1:]]
    assert_same_bits(ours(scattered, as_hx([np.asfortranarray(h_0), *reversed_in_memory])), dense)
    lengths = [7, 5, 5, 2, 1, 1]
    for hx in (as_hx(states), None):
        packed = packing.pack_padded_sequence(torch.from_numpy(x), lengths, batch_first)
        with torch.no_grad():
            expected = arrays(theirs(packed, tensors(hx)))
        for form in (lengths, np.array(lengths), torch.tensor(lengths)):
            output, final = ours(rnn.pack_padded_sequence(scattered, form, batch_first), hx)
            for actual, wanted in zip([output.data, *states_of(final)], expected, strict=True):
                np.testing.assert_allclose(actual, wanted, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # what switching oneDNN off says
@pytest.mark.parametrize(("input_size", "hidden_size", "num_layers"), grid([1, 5], [5, 16], [1, 3]))
@of_each_kind
def test_a_grid_of_options(dtype, kind, input_size, hidden_size, num_layers):
    # test_lstm of test_mkldnn. Where masks are random, test_dropout_* below look at them.
    modes = [(0.4, False), (0, True), (1, True), *([(0.7, True)] if num_layers == 1 else [])]
    for bidirectional, bias, batch_first, (dropout, training) in itertools.product(
        FLAGS, FLAGS, FLAGS, modes
    ):
        options = {"bidirectional": bidirectional, "bias": bias, "batch_first": batch_first}
        ours, theirs = pair(
            kind, input_size, hidden_size, num_layers, dropout=dropout, dtype=dtype, **options
        )
        ours.train(training)
        theirs.train(training)
        depth = num_layers * (2 if bidirectional else 1)
        for batch, steps in ((1, 3), (2, 1), (2, 3)):
            shape = (batch, steps) if batch_first else (steps, batch)
            hx = [draw(depth, batch, hidden_size, dtype=dtype, seed=seed) for seed in (1, 2)]
            # oneDNN compiles kernels for every new shape; the other tests go through it.
            with torch.backends.mkldnn.flags(enabled=False):
                x = draw(*shape, input_size, dtype=dtype)
                assert_agree(ours, theirs, x, as_hx(hx[: ALL[kind].states]))


@pytest.mark.parametrize(("bias", "batch_first", "bidirectional"), grid(FLAGS, FLAGS, FLAGS))
@projected(2)
def test_without_a_batch_axis(kind, bias, batch_first, bidirectional, proj_size):
    # the samples of LSTM, RNN and GRU
    options = {"bias": bias, "batch_first": batch_first, "bidirectional": bidirectional}
    ours, theirs = pair(kind, 2, 3, 2, proj_size=proj_size, **options)
    depth = 4 if bidirectional else 2
    x = draw(4, 2)
    states = [draw(depth, proj_size or 3), draw(depth, 3, seed=5)][: ALL[kind].states]
    for hx in (None, as_hx(states)):
        output, final = assert_agree(ours, theirs, x, hx)
        axis = 0 if batch_first else 1
        batched = None if hx is None else as_hx([state[:, None] for state in states])
        one, final_1 = assert_agree(ours, theirs, np.expand_dims(x, axis), batched)
        row = as_hx([state[:, 0] for state in states_of(final_1)])
        assert_same_bits((output, final), (one.squeeze(axis), row))


@of_each_kind
def test_a_packed_batch_is_each_sequence_alone(kind):  # test_variable_sequence
    ours, theirs = pair(kind, 3, 4, 2, bidirectional=True)
    lengths = [10, 10, 6, 2, 2, 1, 1]
    x = draw(10, 7, 3)
    states = [draw(4, 7, 4), draw(4, 7, 4, seed=8)][: ALL[kind].states]
    output, final = ours(rnn.pack_padded_sequence(x, lengths), as_hx(states))
    padded, returned = rnn.pad_packed_sequence(output)
    assert returned.tolist() == lengths
    for row, length in enumerate(lengths):
        part = slice(row, row + 1)
        hx = as_hx([state[:, part].copy() for state in states])
        alone, own = assert_agree(ours, theirs, x[:length, part].copy(), hx)
        of_row = as_hx([state[:, part] for state in states_of(final)])
        assert_same_bits((padded[:length, part], of_row), (alone, own))
        assert (padded[length:, row] == 0).all()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("LSTM", {"proj_size": 2}),
        *((kind, {}) for kind in ALL),
        *((kind, {"bidirectional": True, "num_layers": 2}) for kind in ALL),
    ],
)
def test_output_sizes(kind, options):  # test/cpp/api/rnn.cpp, and the documented examples
    ours, theirs = pair(kind, 10, 20, **options)
    assert_agree(ours, theirs, draw(5, 3, 10))
    output, states = ours(draw(5, 3, 10))
    h_n = states_of(states)[0]
    half = output.shape[-1] // 2
    if "bidirectional" in options:  # h_n is not the last output, but these two parts
        assert_same_bits(output[-1, :, :half], h_n[-2])
        assert_same_bits(output[0, :, half:], h_n[-1])
    else:
        assert_same_bits(output[-1], h_n[-1])


# ---------------------------------------------------------------------------- dropout


def revealing(p, hidden_size=200):
    """Two layers; the second is nearly linear, so its output shows the mask of the first."""
    lstm = pylstm.LSTM(3, hidden_size, 2, dropout=p, dtype="float64")
    scale = 1e-3
    for name, value in lstm.named_parameters():
        if name.endswith("l1"):
            value[...] = 0
    i, f, g, o = (slice(k * hidden_size, (k + 1) * hidden_size) for k in range(4))
    lstm.weight_ih_l1[g] = scale * np.eye(hidden_size)
    lstm.bias_ih_l1[i] = lstm.bias_ih_l1[o] = 50
    lstm.bias_ih_l1[f] = -50
    return lstm, scale


@pytest.mark.parametrize("p", [0, 0.25, 0.5, 0.75, 1])
def test_dropout_scales_what_it_keeps(p):  # test_RNN_dropout
    lstm, scale = revealing(p)
    x = draw(10, 4, 3)
    plain, (h_plain, _) = lstm.eval()(x)
    dropped, (h_dropped, _) = lstm.train()(x)
    assert_same_bits(h_dropped[0], h_plain[0])  # the state of the first layer is never dropped
    if p == 0:
        assert_same_bits(dropped, plain)
        return
    factors = dropped / plain
    kept = np.abs(factors) > 1e-9
    if p < 1:
        np.testing.assert_allclose(factors[kept], 1 / (1 - p), rtol=1e-4)
    # Six standard deviations of a mean of 8000 independent draws.
    assert abs(kept.mean() - (1 - p)) <= 6 * np.sqrt(p * (1 - p) / kept.size)
    assert np.abs(plain).max() < scale


@pytest.mark.parametrize("p", [0, 0.276, 0.731, 1])
@pytest.mark.parametrize("training", FLAGS)
def test_dropout_of_a_relu_network_is_exact(p, training):  # test_RNN_dropout
    relu = pylstm.RNN(10, 1000, 2, "relu", bias=False, dropout=p)
    for value in relu.parameters():
        value[...] = 1
    relu.train(training)
    output, h_n = relu(np.ones((1, 1, 10)), np.zeros((2, 1, 1000)))
    assert (h_n[0] == 10).all()  # never dropped
    assert_same_bits(output[0], h_n[1])
    if p == 0 or not training:
        assert (output == 10_000).all()
    elif p == 1:
        assert (output == 0).all()
    else:
        np.testing.assert_allclose(output, output.flat[0], rtol=1e-5)  # one mask for all units
        kept = output.flat[0] * (1 - p) / 10
        assert abs(kept - round(kept)) < 1e-2
        # Six standard deviations.
        assert abs(kept - 1000 * (1 - p)) <= 6 * np.sqrt(1000 * p * (1 - p))


@pytest.mark.parametrize(("before", "after"), grid([0, 0.5, 1], [0, 0.25, 1]))
@pytest.mark.parametrize("training", FLAGS)
@of_each_kind
def test_dropout_may_change_between_calls(kind, before, after, training):
    # test_RNN_change_dropout, test_RNN_dropout_state
    ours, theirs = pair(kind, 5, 40, 3, dropout=before)
    ours.train(training)
    theirs.train(training)
    x = draw(6, 2, 5)
    for p in (before, after):
        ours.dropout = theirs.dropout = p
        ours = pickle.loads(pickle.dumps(ours))
        assert (ours.dropout, ours.training) == (p, training)
        first, second = ours(x)[0], ours(x)[0]
        random = training and 0 < p < 1
        assert np.array_equal(first, second) is not random
        if not random:  # the masks of a build with MKL are its own
            assert_agree(ours, theirs, x)


# ---------------------------------------------------------------------------- weights


@of_each_kind
def test_replaced_weights_count(kind):  # test_partial_flat_weights, test_RNN_cudnn_weight_norm
    ours, theirs = pair(kind, 5, 6, 2, bidirectional=True)
    x = draw(4, 2, 5)
    before = assert_agree(ours, theirs, x)
    for index, name in enumerate(list(ours.state_dict())):
        new = draw(*getattr(ours, name).shape, seed=index)
        if index % 2:
            setattr(ours, name, new)
        else:
            getattr(ours, name)[...] = new
        setattr(theirs, name, torch.nn.Parameter(torch.from_numpy(new)))
        after = assert_agree(ours, theirs, x)
        assert not np.array_equal(after[0], before[0])
        before = after


@of_each_kind
def test_weights_are_not_tied(kind):  # test_cudnn_weight_tying: a deliberate difference
    ours, _ = pair(kind, 6, 6, 2)
    ours.weight_ih_l1 = ours.weight_ih_l0
    assert not np.shares_memory(ours.weight_ih_l1, ours.weight_ih_l0)
    assert len(list(ours.parameters())) == len(ours.state_dict()) == 8


# ---------------------------------------------------------------------------- any module


@pytest.mark.parametrize("kind", KINDS)
def test_dtypes_by_conversion(kind):  # test_forward of TestModule
    ours, theirs = pair(kind, 3, 4)
    for method, dtype in (("float", "float32"), ("double", "float64"), ("float", "float32")):
        assert getattr(ours, method)() is ours
        getattr(theirs, method)()
        assert_agree(ours, theirs, draw(2, 3, dtype=dtype))


@pytest.mark.parametrize("kind", KINDS)
def test_device_and_dtype_reach_every_parameter(kind, dtype):  # test_factory_kwargs
    for spelling in (dtype, getattr(np, dtype), getattr(torch, dtype)):
        module = getattr(pylstm, kind)(3, 4, device="cpu", dtype=spelling)
        assert {array.dtype for array in module.parameters()} == {np.dtype(dtype)}
    assert repr(getattr(pylstm, kind)(3, 4, device=torch.device("cpu"))) == f"{kind}(3, 4)"


@pytest.mark.parametrize("bias", FLAGS)
def test_repr(bias):  # test_repr
    ours, theirs = pair("LSTMCell", 3, 4, bias=bias)
    assert repr(ours) == str(ours) == repr(theirs)
    for options in itertools.product(FLAGS, [0, 0.5], FLAGS, [0, 2], [1, 3]):
        options = dict(zip(LSTM_OPTIONS, options, strict=True))
        ours, theirs = pair("LSTM", 3, 4, bias=bias, **options)
        assert repr(ours) == str(ours) == repr(theirs)


@pytest.mark.parametrize("bias", FLAGS)
@of_other_kinds
def test_repr_of_other_kinds(kind, bias):
    ours, theirs = pair(kind + "Cell", 3, 4, bias=bias)
    assert repr(ours) == str(ours) == repr(theirs)
    names = [name for name in LSTM_OPTIONS if name != "proj_size"]
    for options in itertools.product(FLAGS, [0, 0.5], FLAGS, [1, 3]):
        options = dict(zip(names, options, strict=True))
        ours, theirs = pair(kind, 3, 4, bias=bias, **options)
        assert repr(ours) == str(ours) == repr(theirs)


def test_repr_of_what_torch_takes():
    for bias in (0, 1, "relu", "tanh", None, [], 2.5):
        for kind in ("GRUCell", "RNNCell"):
            assert repr(getattr(pylstm, kind)(2, 3, bias)) == repr(
                getattr(torch.nn, kind)(2, 3, bias)
            )
    for activation in ("tanh", "relu", "bad", None, 3, ["tanh"], b"relu"):
        ours, theirs = (m.RNNCell(2, 3, nonlinearity=activation) for m in (pylstm, torch.nn))
        assert repr(ours) == repr(theirs)
    for kind in ("GRU", "RNN"):
        for value in ([], 2, "yes", None, 0):
            ours, theirs = (getattr(m, kind)(2, 3, bidirectional=value) for m in (pylstm, torch.nn))
            assert repr(ours) == repr(theirs)
            assert list(ours.state_dict()) == list(theirs.state_dict())


@pytest.mark.parametrize("kind", [*KINDS, "RNN_RELU", "RNN_RELUCell"])
def test_save_and_load(kind, dtype):  # test_save_load
    ours, theirs = pair(kind, 3, 4, dtype=dtype)
    x = draw(2, 3, dtype=dtype)
    expected = ours(x)
    assert_same_bits(pickle.loads(pickle.dumps(ours))(x), expected)
    file = io.BytesIO()
    np.savez(file, **{name: tensor.numpy() for name, tensor in theirs.state_dict().items()})
    file.seek(0)
    fresh, other = pair(kind, 3, 4, dtype=dtype)
    for module in (fresh, other):
        module.reset_parameters()
    fresh.load_state_dict(np.load(file))
    assert_same_bits(fresh(x), expected)
    # And the other way round: what pylstm gives out loads in torch.
    copies = {name: torch.from_numpy(array.copy()) for name, array in ours.state_dict().items()}
    assert str(other.load_state_dict(copies)) == "<All keys matched successfully>"
    assert_agree(ours, other, x)


@pytest.mark.parametrize("kind", KINDS)
def test_strided_inputs(kind):  # test_non_contiguous_tensors
    ours, _ = pair(kind, 3, 4)
    x = draw(6, 3)
    wide = np.zeros((12, 6))
    wide[::2, ::2] = x
    mirrored = x[:, ::-1].copy()[:, ::-1]
    for view in (wide[::2, ::2], np.asfortranarray(x), mirrored, x.astype(">f8")):
        assert_same_bits(ours(view), ours(x))


# ---------------------------------------------------------------------------- state_dict


def both_containers(name="LSTM"):
    """A container with a layer and a cell of a class below it, of pylstm and of torch."""

    def container(nn):
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.rnn = getattr(nn, name)(2, 3, 2)
                self.cell = getattr(nn, name + "Cell")(3, 3, bias=False)

        return Net()

    return container(pylstm), container(torch.nn)


@pytest.mark.parametrize("name", LAYERS)
def test_state_dict_of_a_tree(name):  # test_state_dict
    ours, theirs = both_containers(name)
    state, expected = ours.state_dict(), theirs.state_dict()
    assert type(state) is type(expected)
    assert [*state] == [*expected]
    assert state._metadata == expected._metadata
    assert [*ours.state_dict(prefix="a.")] == [*theirs.state_dict(prefix="a.")]
    assert copy.deepcopy(state)._metadata == expected._metadata
    assert repr(ours) == repr(theirs)
    ours.rnn.weight_ih_l0[...] = 5  # the dict shares the memory
    assert (state["rnn.weight_ih_l0"] == 5).all()
    own = ours.state_dict(keep_vars=True)["rnn.weight_ih_l0"]
    assert own.ctypes.data == ours.rnn.weight_ih_l0.ctypes.data


def load(module, state, strict):
    """What load_state_dict returns or raises, as text."""
    try:
        return str(module.load_state_dict(state, strict=strict))
    except RuntimeError as error:
        return str(error)


@pytest.mark.parametrize("strict", FLAGS)
@pytest.mark.parametrize("name", LAYERS)
def test_loading_what_does_not_match(name, strict):  # test_load_state_dict
    for missing, extra, wrong in itertools.product(FLAGS, FLAGS, FLAGS):
        texts = []
        for module, ones in zip(both_containers(name), (np.ones, torch.ones), strict=True):
            state = dict(module.state_dict())
            if missing:
                del state["rnn.bias_ih_l0"], state["cell.weight_hh"]
            if extra:
                state |= {"rnn.other": ones(1), "extra": ones(1), "rnn.weight_ih_l0.x": ones(1)}
            if wrong:
                state |= {"cell.weight_ih": ones((2, 2)), "rnn.weight_hh_l1": ones(5)}
            texts.append(load(module, state, strict))
        assert texts[0] == texts[1]


@pytest.mark.parametrize("strict", FLAGS)
@pytest.mark.parametrize(("of", "into"), list(itertools.permutations(LAYERS, 2)))
def test_loading_another_kind(of, into, strict):
    # A size mismatch for each parameter, or where the rows happen to agree, of some.
    for sizes in ((2, 3), (2, 9), (2, 12)):
        texts = []
        for module in (pylstm, torch.nn):
            source = getattr(module, of)(*sizes, 2, bidirectional=True)
            for target in (getattr(module, into)(2, 3, 2, bidirectional=True),
                           getattr(module, into)(2, 9, 2)):  # fmt: skip
                texts.append(load(target, source.state_dict(), strict))
        assert texts[:2] == texts[2:]


@pytest.mark.parametrize("activations", [("relu", "tanh"), ("tanh", "relu")])
def test_a_state_dict_does_not_tell_the_activation(activations):
    source, target = (pylstm.RNN(2, 3, nonlinearity=name) for name in activations)
    report = target.load_state_dict(source.state_dict())
    assert str(report) == "<All keys matched successfully>"
    assert target.nonlinearity == activations[1]
    # What pylstm records beside torch's version is for from_weights alone.
    recorded = source.state_dict()._metadata[""]
    assert recorded.pop("pylstm.options", None) == (
        {"nonlinearity": "relu"} if activations[0] == "relu" else None
    )
    assert {"": recorded} == torch.nn.RNN(2, 3).state_dict()._metadata


@pytest.mark.parametrize("kind", LAYERS)
def test_a_prefix_can_be_taken_off(kind):  # the prefix part of test_load_state_dict
    ours, theirs = pair(kind, 2, 3, dtype="float32")
    state = {f"module.{name}": tensor for name, tensor in theirs.state_dict().items()}
    torch.nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
    fresh = getattr(pylstm, kind)(2, 3)
    assert str(fresh.load_state_dict(state)) == "<All keys matched successfully>"
    assert_same_bits(fresh(draw(4, 2)), ours(draw(4, 2)))


@pytest.mark.parametrize("name", LAYERS)
def test_a_deep_copy_is_independent(name):  # test_container_copy
    ours, _ = both_containers(name)
    other = copy.deepcopy(ours)
    x = draw(4, 2)
    expected = ours.rnn(x)
    for value in other.parameters():
        value[...] = 0
    assert_same_bits(ours.rnn(x), expected)
    assert not np.array_equal(other.rnn(x)[0], expected[0])


# ---------------------------------------------------------------------------- packed sequences

SQUARES = [i * i for i in range(1, 10)]  # as torch's tests have them


def sequences(lengths, trailing):
    return [draw(length, *trailing, seed=length) for length in lengths]


@pytest.mark.parametrize("trailing", [(), (4,), (4, 5), (4, 5, 6)])
@pytest.mark.parametrize("batch_first", FLAGS)
def test_padding_and_packing(trailing, batch_first):
    # test_pad_sequence, test_unpad_sequence, test_pack_sequence, test_unpack_sequence,
    # test_pack_padded_sequence
    shuffled = [4, 81, 1, 25, 9, 64, 16, 49, 36]
    for lengths, enforce_sorted in ((SQUARES[::-1], True), (shuffled, False)):
        parts = sequences(lengths, trailing)
        theirs = [torch.from_numpy(part) for part in parts]
        for side, value in itertools.product(("left", "right"), (0.0, 1.5)):
            expected = packing.pad_sequence(theirs, batch_first, value, side)
            assert_same_bits(rnn.pad_sequence(parts, batch_first, value, side), expected.numpy())
        padded = rnn.pad_sequence(parts, batch_first)
        assert_same_bits(tuple(rnn.unpad_sequence(padded, lengths, batch_first)), tuple(parts))
        packed = rnn.pack_padded_sequence(padded, lengths, batch_first, enforce_sorted)
        expected = packing.pack_sequence(theirs, enforce_sorted)
        for actual, wanted in zip(packed, expected, strict=True):
            assert (actual is None) == (wanted is None)
            if actual is not None:
                assert_same_bits(actual, wanted.numpy())
        assert_same_bits(rnn.pack_sequence(parts, enforce_sorted).data, packed.data)
        assert_same_bits(tuple(rnn.unpack_sequence(packed)), tuple(parts))
        again, returned = rnn.pad_packed_sequence(packed, batch_first)
        assert_same_bits(again, padded)
        assert returned.tolist() == lengths


def test_total_length():  # test_total_length
    parts = sequences([3, 2, 1], (2,))
    packed = rnn.pack_sequence(parts)
    theirs = packing.pack_sequence([torch.from_numpy(part) for part in parts])
    for batch_first, total in itertools.product(FLAGS, (None, 3, 4, 10)):
        expected, _ = packing.pad_packed_sequence(theirs, batch_first, -1.0, total)
        actual, _ = rnn.pad_packed_sequence(packed, batch_first, -1.0, total)
        assert_same_bits(actual, expected.numpy())
    for total in (-1, 0, 2):
        with pytest.raises(ValueError, match="Expected total_length to be at least the length"):
            rnn.pad_packed_sequence(packed, total_length=total)


def test_packed_sequences_convert():  # test_type_casts, test_to
    packed = rnn.pack_sequence(sequences([3, 1, 2], (2,)), enforce_sorted=False)
    assert packed.to("cpu") is packed.cpu() is packed.double() is packed
    half = packed.to(np.float32)
    assert half.data.dtype == np.float32
    for actual, wanted in zip(half[1:], packed[1:], strict=True):
        assert actual is wanted


@pytest.mark.parametrize("batch_first", FLAGS)
@of_each_kind
def test_a_sequence_goes_through_both(dtype, kind, batch_first):  # test_variable_sequence, unsorted
    ours, theirs = pair(kind, 3, 4, bidirectional=True, batch_first=batch_first, dtype=dtype)
    parts = [part.astype(dtype) for part in sequences([4, 9, 1, 9], (3,))]
    output, states = ours(rnn.pack_sequence(parts, enforce_sorted=False))
    with torch.no_grad():
        packed = packing.pack_sequence([torch.from_numpy(p) for p in parts], enforce_sorted=False)
        expected, expected_states = theirs(packed)
    for actual, wanted in zip(
        [*rnn.unpack_sequence(output), *states_of(states)],
        [*packing.unpack_sequence(expected), *states_of(expected_states)],
        strict=True,
    ):
        np.testing.assert_allclose(actual, wanted.numpy(), rtol=0, atol=TOLERANCE[dtype])
