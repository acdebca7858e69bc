"""Streams of Conv1d and Sequential: the bits of the whole for any cut, and calls that change all or nothing."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest
from reference import fractions
from support import HANG, assert_same_bits

import pylstm as nn

FRAMES, ROWS, CHANNELS = 24, 3, 4
X = fractions(3, (FRAMES, ROWS, CHANNELS)).astype(np.float32)


def whole_conv(conv, x):
    """One call with all frames (T, N, C) behind zeros: the frames (T', N, C_out)."""
    zeros = (conv.kernel_size[0] - 1) * conv.dilation[0]
    padded = np.pad(x, [(zeros, 0), (0, 0), (0, 0)])
    plain = nn.Conv1d(
        conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, 0, conv.dilation,
        conv.groups, conv.bias is not None, dtype=conv.weight.dtype,
    )  # fmt: skip
    plain.load_state_dict(conv.state_dict())
    return np.ascontiguousarray(plain(padded.transpose(1, 2, 0)).transpose(2, 0, 1))


def whole(module, x):
    """What a stack gives for all frames (T, N, C), layer by layer."""
    for member in module:
        if isinstance(member, nn.Sequential):
            x = whole(member, x)
        elif isinstance(member, nn.Conv1d):
            x = whole_conv(member, x)
        elif isinstance(member, (nn.LSTM, nn.GRU, nn.RNN)):
            y = member(x.swapaxes(0, 1) if member.batch_first else x)[0]
            x = y.swapaxes(0, 1) if member.batch_first else y
        elif isinstance(member, nn.BatchNorm1d):
            x = member(x.transpose(1, 2, 0)).transpose(2, 0, 1)
        else:
            x = member(np.ascontiguousarray(x))
    return np.ascontiguousarray(x)


def stack(dtype="float32", seed=5):
    """A causal stack with two strides, and its stride."""
    nn.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv1d(CHANNELS, 6, 3, dtype=dtype),
        nn.ReLU(),
        nn.Sequential(nn.Conv1d(6, 5, 4, 2, padding=1, dtype=dtype), nn.Dropout()),
        nn.GRU(5, 7, dtype=dtype),
        nn.Linear(7, 2, dtype=dtype),
        nn.Sigmoid(),
    )
    return model.eval()


def bits(stream):
    """All that can be seen of a stream."""
    state = stream.state
    flat = state.items() if isinstance(state, dict) else [("", state)]
    arrays = [(n, a) for n, s in flat for a in (s if isinstance(s, tuple) else (s,))]
    return len(stream), [(n, a.dtype, a.shape, a.tobytes()) for n, a in arrays]


def advanced(**options):
    stream = stack(**options).stream(ROWS)
    stream(X[:4])
    return stream


def cuts(rng, total, step):
    """Random pieces of ``total`` frames, each a multiple of ``step``."""
    while total:
        length = min(total, step * int(rng.integers(1, 5)))
        yield length
        total -= length


def in_pieces(stream, x, rng, step):
    outputs, at = [], 0
    for length in cuts(rng, len(x), step):
        piece = x[at : at + length]
        y = stream(piece[0] if length == 1 and rng.random() < 0.7 else piece)
        outputs.append(y[None] if y.ndim == 2 else y)
        at += length
    return np.concatenate(outputs)


# ---------------------------------------------------------------------------- the bits of the whole


@pytest.mark.parametrize("seed", range(60))
def test_any_cut_of_any_convolution_is_the_whole(seed):
    rng = np.random.default_rng(seed)
    groups = int(rng.choice([1, 1, 2, 4]))
    kernel, stride, dilation = (int(rng.integers(1, most)) for most in (6, 4, 4))
    dtype = rng.choice(["float32", "float64"])
    conv = nn.Conv1d(
        4, 8, kernel, stride, int(rng.integers(0, 3)), dilation, groups,
        bool(rng.integers(2)), dtype=dtype,
    )  # fmt: skip
    rows = int(rng.integers(1, 5))
    x = rng.standard_normal((stride * 17, rows, 4)).astype(dtype)
    stream = conv.stream(rows)
    expected = whole_conv(conv, x)
    assert_same_bits(in_pieces(stream, x, rng, stride), expected)
    stream.reset()
    assert_same_bits(stream(x), expected)
    assert stream.state.shape == (dilation * (kernel - 1), rows, 4)


POINTWISE = [
    *("ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Sigmoid", "Tanh", "Hardsigmoid", "Identity"),
    *("Dropout",),
]


def random_member(rng, features, dtype):
    """A member that takes frames of some features, and how many it gives."""
    gives, kind = int(rng.integers(1, 7)), rng.integers(7)
    if kind == 0:
        options = {"stride": int(rng.integers(1, 3)), "dilation": int(rng.integers(1, 3))}
        return nn.Conv1d(features, gives, int(rng.integers(1, 4)), dtype=dtype, **options), gives
    if kind == 1:
        cls = (nn.LSTM, nn.GRU, nn.RNN)[rng.integers(3)]
        first = bool(rng.integers(2))
        layers = int(rng.integers(1, 3))
        return cls(
            features, gives, layers, batch_first=first, dropout=0.3 * (layers > 1), dtype=dtype
        ), gives
    if kind == 2:
        return nn.Linear(features, gives, dtype=dtype), gives
    if kind == 3:
        return nn.LayerNorm(features, dtype=dtype), features
    if kind == 4:
        norm = nn.BatchNorm1d(features, dtype=dtype)
        norm.running_mean[...] = rng.standard_normal(features)
        norm.running_var[...] = rng.random(features) + 0.5
        return norm, features
    if kind == 5:
        return (nn.Softmax, nn.LogSoftmax)[rng.integers(2)](dim=int(rng.choice([-1, 2]))), features
    cls = getattr(nn, POINTWISE[rng.integers(len(POINTWISE))])
    return (cls(inplace=True) if cls in (nn.ReLU, nn.SiLU) else cls()), features


@pytest.mark.parametrize("seed", range(80))
def test_any_cut_of_any_stack_is_the_whole(seed):
    rng = np.random.default_rng(seed)
    dtype = str(rng.choice(["float32", "float64"]))
    features, members, step = CHANNELS, [], 1
    for _ in range(int(rng.integers(0, 7))):
        member, features = random_member(rng, features, dtype)
        step *= getattr(member, "stride", (1,))[0] if isinstance(member, nn.Conv1d) else 1
        members.append(nn.Sequential(member) if rng.random() < 0.2 else member)
    model = nn.Sequential(*members).eval()
    x = rng.standard_normal((step * 11, 2, CHANNELS)).astype(dtype)
    before = x.copy()
    expected = whole(copy.deepcopy(model), x.copy())
    stream = model.stream(2)
    assert_same_bits(in_pieces(stream, x, rng, step), expected)
    assert_same_bits(x, before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_causal_stack(dtype):
    model, rng = stack(dtype), np.random.default_rng(1)
    x = X.astype(dtype)
    expected = whole(model, x)
    assert expected.shape == (FRAMES // 2, ROWS, 2)
    for _ in range(20):
        assert_same_bits(in_pieces(model.stream(ROWS), x, rng, 2), expected)


def test_a_long_whole_and_single_frames():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((500, 2, 70)).astype(np.float32)
    for kernel, dilation in ((3, 1), (5, 3)):
        conv = nn.Conv1d(70, 67, kernel, dilation=dilation)
        stream, expected = conv.stream(2), whole_conv(conv, x)
        assert_same_bits(np.stack([stream(frame) for frame in x]), expected)
        stream.reset()
        assert_same_bits(stream(x), expected)


def test_rows_may_go_at_their_own_pace():
    model, rng = stack(), np.random.default_rng(7)
    expected, stream = whole(model, X), model.stream(ROWS)
    at, seen = [0] * ROWS, [[] for _ in range(ROWS)]
    while min(at) < FRAMES:
        ready = [row for row in rng.permutation(ROWS) if at[row] < FRAMES and rng.random() < 0.6]
        x = [[X[at[row] + step, row] for row in ready] for step in range(2)]
        y = stream(np.array(x, np.float32).reshape(2, len(ready), CHANNELS), rows=ready)
        for place, row in enumerate(ready):
            seen[row].append(y[:, place])
            at[row] += 2
    for row in range(ROWS):
        assert_same_bits(np.concatenate(seen[row]), np.ascontiguousarray(expected[:, row]))


def test_rows_select_join_leave_reset():
    stream, other = advanced(), advanced()
    stream.select([2, 0, 0, 1])
    assert len(stream) == 4
    y, z = stream(X[4:8][:, [2, 0, 0, 1]]), other(X[4:8])
    assert_same_bits(y, np.ascontiguousarray(z[:, [2, 0, 0, 1]]))
    stream.leave([1, 2])
    other.select([2, 1])
    assert bits(stream) == bits(other)
    assert stream.join(2).tolist() == [2, 3] and len(stream) == 4
    stream.reset([0])
    y = stream(np.repeat(X[:4, :1], 4, axis=1))
    fresh = stack().stream(1)(X[:4, :1])
    for row in (0, 2, 3):
        assert_same_bits(np.ascontiguousarray(y[:, row : row + 1]), fresh)
    assert not np.array_equal(y[:, 1], fresh[:, 0])
    empty = stack().stream(0)
    assert empty(X[:2, :0]).shape == (1, 0, 2) and empty.join(1).tolist() == [0]
    assert_same_bits(empty(X[:4, :1]), fresh)


def test_results_own_their_data_and_inputs_stay():
    for model in (nn.Sequential(), nn.Sequential(nn.Identity(), nn.ReLU(inplace=True)), stack()):
        x = X[:2].copy()
        for given in (x, x[:1] if model is not None and len(model) < 3 else x):
            y = model.stream(ROWS)(given)
            assert y.flags.owndata and y.flags.writeable and y.flags.c_contiguous
            assert not np.shares_memory(y, x)
        assert_same_bits(x, X[:2])
    y = nn.Conv1d(CHANNELS, 2, 2).stream(ROWS)(X[0])
    assert y.shape == (ROWS, 2) and y.flags.owndata


@pytest.mark.parametrize("cls", [nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SiLU, nn.Hardsigmoid])
def test_members_in_place_leave_the_input(cls):
    x, model = X[:2].copy(), nn.Sequential(cls(inplace=True))
    assert_same_bits(model.stream(ROWS)(x), nn.Sequential(cls())(X[:2]))
    assert_same_bits(x, X[:2])


def test_inputs_are_what_arrays_are():
    expected = advanced()(X[4:6])
    wide = np.zeros((2, ROWS, 2 * CHANNELS), np.float32)
    wide[..., ::2] = X[4:6]
    for given in (
        X[4:6].tolist(), X[4:6].astype(">f8"), np.asfortranarray(X[4:6]), wide[..., ::2],
        X[4:6][::-1][::-1],
    ):  # fmt: skip
        assert_same_bits(advanced()(given), expected)


def test_whole_numbers_before_the_first_parameters():
    numbers = np.arange(-6, 6).reshape(1, 3, 4)
    for members in ([nn.ReLU()], [nn.Tanh(), nn.Linear(4, 2)], [nn.SiLU()], [nn.GELU()]):
        model = nn.Sequential(*members)
        for given in (numbers, numbers.astype(">f4"), numbers.astype("f2"), numbers.tolist()):
            assert_same_bits(model.stream(3)(given), np.ascontiguousarray(model(given)))


def test_out():
    stream, other = advanced(), advanced()
    out = np.empty((1, ROWS, 2), np.float32)
    assert stream(X[4:6], out=out) is out
    assert_same_bits(out, other(X[4:6]))


# ---------------------------------------------------------------------------- wrong calls

READ_ONLY = np.zeros((1, ROWS, 2), np.float32)
READ_ONLY.flags.writeable = False


def assign(stream, value):
    stream.state = value


def changed(stream, name, value):
    return {**stream.state, name: value}


WRONG = [
    (lambda s: s(X[4]), ValueError, r"'2\.0', Conv1d, has stride 2.*got 1"),
    (lambda s: s(X[:3]), ValueError, r"has stride 2.*got 3"),
    (lambda s: s(X[0, 0]), ValueError, "2D or 3D, got 1D"),
    (lambda s: s(X[None]), ValueError, "2D or 3D, got 4D"),
    (lambda s: s(X[:2, :2]), ValueError, "3 rows, all of the stream, got 2"),
    (lambda s: s(X[:2, :, :3]), ValueError, "frames of 4 features, got 3"),
    (lambda s: s(X[:0]), ValueError, "frames to be larger than 0"),
    (lambda s: s(X > 0), TypeError, "input.*bool"),
    (lambda s: s(X + 1j), TypeError, "input.*complex"),
    (lambda s: s("x"), TypeError, "input"),
    (lambda s: s(None), TypeError, "input"),
    (lambda s: s(np.ma.masked_array(X[:2])), TypeError, "masked"),
    (lambda s: s(X[:2], rows=[0, 1]), ValueError, "2 rows, as rows says, got 3"),
    (lambda s: s(X[:2, :2], rows=[1, 1]), ValueError, r"rows\[1\] is 1, which is there twice"),
    (lambda s: s(X[:2, :2], rows=[0, -1]), IndexError, r"rows\[1\] is -1, which is negative"),
    (lambda s: s(X[:2, :2], rows=[5, 0]), IndexError, r"rows\[0\] is 5, which is absent.*3 rows"),
    (lambda s: s(X[:2, :2], rows=np.array([0, 2**63], "u8")), IndexError, "absent"),
    (lambda s: s(X[:2, :2], rows=[True, False]), TypeError, "bool.*flatnonzero"),
    (lambda s: s(X[:2, :2], rows=[0.0, 1.0]), TypeError, "rows.*float64"),
    (lambda s: s(X[:2, :1], rows=0), ValueError, "1-D"),
    (lambda s: s(X[:2], out=[0]), TypeError, "out must be a numpy.ndarray"),
    (lambda s: s(X[:2], out=np.zeros((1, ROWS, 2))), TypeError, "float32, got float64"),
    (lambda s: s(X[:2], out=np.zeros((ROWS, 2), np.float32)), ValueError, "shape"),
    (lambda s: s(X[:2], out=READ_ONLY), ValueError, "read-only"),
    (
        lambda s: s(X[:2], out=np.zeros((1, 2, ROWS), np.float32).swapaxes(1, 2)),
        ValueError,
        "contiguous",
    ),
    (lambda s: s(X[:2], out=np.ma.zeros((1, ROWS, 2), np.float32)), TypeError, "masked"),
    (lambda s: s(X[:2], hx=None), TypeError, "hx"),
    (lambda s: s.reset([0, 0]), ValueError, "twice"),
    (lambda s: s.reset([3]), IndexError, "absent"),
    (lambda s: s.select([3]), IndexError, "absent"),
    (lambda s: s.select(None), TypeError, "rows"),
    (lambda s: s.leave([-1]), IndexError, "negative"),
    (lambda s: s.leave([1, 1]), ValueError, "twice"),
    (lambda s: s.join(0), ValueError, "n must be at least 1"),
    (lambda s: s.join(True), TypeError, "n must be an integer"),
    (lambda s: s.join(2.0), TypeError, "n must be an integer"),
    (lambda s: s.join(10**30), MemoryError, "do not fit into memory"),
    (lambda s: s.module.stream(-1), ValueError, "batch must be at least 0"),
    (lambda s: s.module.stream(X), TypeError, "batch must be an integer"),
    (lambda s: s.module.stream(2**62), MemoryError, "do not fit into memory"),
    (lambda s: delattr(s, "state"), AttributeError, "cannot be deleted"),
    (lambda s: setattr(s, "module", None), AttributeError, "module"),
    (lambda s: assign(s, 3), TypeError, "state must be a dict.*'2.0', '3'"),
    (lambda s: assign(s, {}), ValueError, "state must have the keys"),
    (
        lambda s: assign(s, changed(s, "0", X[:3])),
        ValueError,
        r"state\['0'\] must have shape \(2, 3, 4\)",
    ),
    (lambda s: assign(s, changed(s, "3", X > 0)), TypeError, r"state\['3'\].*bool"),
    (lambda s: assign(s, changed(s, "3", None)), TypeError, r"state\['3'\]"),
]


@pytest.mark.parametrize(("call", "error", "text"), WRONG)
def test_a_wrong_call_changes_nothing(call, error, text):
    stream = advanced()
    before = bits(stream)
    with pytest.raises(error, match=f"(?s){text}"):
        call(stream)
    assert bits(stream) == before
    assert_same_bits(stream(X[4:6]), advanced()(X[4:6]))


def test_an_error_in_the_last_member_changes_none():
    stream = nn.Sequential(nn.Conv1d(CHANNELS, 2, 3), nn.GRU(2, 3), nn.Linear(3, 1)).stream(ROWS)
    stream(X[:3])
    before = bits(stream)
    linear = stream.module[2]
    linear.__init__(5, 1)
    with pytest.raises(Exception, match="5"):
        stream(X[3])
    assert bits(stream) == before


class Own(nn.ReLU):
    def forward(self, input):
        return super().forward(input) + 1


class OwnChain(nn.Sequential):
    def forward(self, input):
        return super().forward(input)


class Plain(nn.Sequential):
    pass


UNFIT = [
    (nn.Flatten(), "Flatten"),
    (nn.MaxPool1d(2), "MaxPool1d"),
    (nn.AvgPool1d(2), "AvgPool1d"),
    (nn.LSTM(4, 4, bidirectional=True), "LSTM.*bidirectional=True"),
    (nn.GRU(4, 4, reverse=True), "GRU.*reverse=True"),
    (nn.GRUCell(4, 4), "GRUCell"),
    (nn.Softmax(dim=1), "Softmax.*dim 1"),
    (nn.Softmax(), "Softmax.*dim None"),
    (nn.LogSoftmax(dim=0), "LogSoftmax.*dim 0"),
    (nn.LayerNorm((3, 4)), "LayerNorm.*more than the last axis"),
    (nn.BatchNorm1d(4), "BatchNorm1d.*call eval"),
    (nn.BatchNorm1d(4, track_running_stats=False).eval(), "BatchNorm1d.*running statistics"),
    (nn.Dropout(), "Dropout.*training mode"),
    (nn.LSTM(4, 4, 2, dropout=0.5), "LSTM.*dropout"),
    (nn.Embedding(4, 4), "Embedding"),
    (nn.ModuleList(), "ModuleList"),
    (nn.Module(), "Module"),
    (Own(), "Own"),
    (OwnChain(), "OwnChain"),
    (nn.Linear(5, 4), "Linear, takes frames of 5 features.*gives 4"),
]


@pytest.mark.parametrize(("member", "text"), UNFIT, ids=lambda value: type(value).__name__)
def test_members_that_are_not_of_frames_are_named(member, text):
    model = nn.Sequential(nn.Conv1d(4, 4, 2), nn.Sequential(nn.ReLU(), member))
    with pytest.raises(ValueError, match=rf"(?s)member '1\.1', {text}"):
        model.stream()
    if text.startswith("OwnChain"):
        with pytest.raises(ValueError, match="this OwnChain"):
            member.stream()
    assert Plain(nn.ReLU()).stream()(X[0, :1]).shape == (1, CHANNELS)


def test_what_changes_of_a_member_is_seen_in_each_call():
    changes = [
        (lambda m: m.train(), lambda m: m.eval(), ValueError, "'2.1', Dropout"),
        (lambda m: m[0].register_forward_hook(print), lambda m: m[0]._forward_hooks.clear(), ValueError, "'0', Conv1d, has forward hooks"),
        (lambda m: m[5].register_forward_pre_hook(print), lambda m: m[5]._forward_pre_hooks.clear(), ValueError, "'5', Sigmoid, has forward hooks"),
        (lambda m: m[2].register_forward_hook(print), lambda m: m[2]._forward_hooks.clear(), ValueError, "'2', Sequential, has"),
        (lambda m: setattr(m[1], "forward", abs), lambda m: vars(m[1]).pop("forward"), ValueError, "'1', ReLU, has a forward"),
        (lambda m: m.append(nn.ReLU()), lambda m: m.pop(6), RuntimeError, "make another stream"),
        (lambda m: m[2].append(nn.ReLU()), lambda m: m[2].pop(2), RuntimeError, "make another stream"),
    ]  # fmt: skip
    for change, undo, error, text in changes:
        stream = advanced()
        before = bits(stream)
        change(stream.module)
        with pytest.raises(error, match=text):
            stream(X[4:6])
        assert bits(stream) == before
        undo(stream.module)
        assert_same_bits(stream(X[4:6]), advanced()(X[4:6]))


def test_a_module_that_was_constructed_anew():
    stream = nn.Conv1d(CHANNELS, 2, 3).stream(ROWS)
    stream(X[0])
    before = bits(stream)
    for sizes in ((CHANNELS, 2, 2), (CHANNELS, 2, 3, 2), (3, 2, 3), (CHANNELS, 2, 3, 1, 0, 2)):
        stream.module.__init__(*sizes)
        with pytest.raises(RuntimeError, match="constructed anew"):
            stream(X[1])
        assert bits(stream) == before


# ---------------------------------------------------------------------------- weights, states, copies


def test_weights_are_live_and_forks_share_them():
    stream = advanced()
    fork = stream.fork()
    assert fork.module is stream.module and bits(fork) == bits(stream)
    before = stream(X[4:6])
    stream.module[0].weight[...] *= 0.5
    stream.module[3].weight_hh_l0 = stream.module[3].weight_hh_l0 * 2
    assert not np.array_equal(fork(X[4:6]), before)
    held = bits(stream)
    for change in (
        lambda s: s(X[6:8, :1], rows=[1]),
        lambda s: s.reset([0]),
        lambda s: s(X[6:8]),
        lambda s: s.leave([0]),
    ):
        other = stream.fork()
        change(other)
        assert bits(stream) == held != bits(other)


def test_dtypes_that_change():
    stream = advanced()
    stream.module.double()
    y = stream(X[4:6])
    assert y.dtype == np.float64 and stream.state["0"].dtype == np.float64
    before = bits(stream)
    stream.module.float()
    for call in (lambda: stream(X[6:8]), lambda: stream(X[6:8, :1], rows=[2])):
        with pytest.raises(TypeError, match=r"(?s)'0', Conv1d, is float32 now.*stream\.state = "):
            call()
        assert bits(stream) == before
    stream.state = stream.state
    assert stream(X[6:8]).dtype == np.float32
    part = advanced()
    part.module.double()
    assert part(X[4:6, :1], rows=[1]).dtype == np.float64
    part.reset()
    gru = nn.Sequential(nn.GRU(CHANNELS, 2, dtype="float64")).stream(ROWS)
    gru(X[0])
    gru.module.float()
    with pytest.raises(TypeError, match="'0', GRU, is float32 now"):
        gru(X[1])


def test_states_are_copies_and_can_be_assigned():
    stream, other = advanced(), stack().stream(ROWS)
    state = stream.state
    assert list(state) == ["0", "2.0", "3"] and state["3"].shape == (1, ROWS, 7)
    other.state = {name: array.tolist() for name, array in state.items()}
    assert bits(other) == bits(stream)
    for array in state.values():
        array[...] = 7
    assert bits(other) == bits(stream)
    assert_same_bits(other(X[4:6]), stream(X[4:6]))
    for reset in (
        lambda: stream.reset(),
        lambda: assign(stream, None),
        lambda: stream.reset([0, 1, 2]),
    ):
        reset()
        assert not any(array.any() for array in stream.state.values())
        stream(X[:2])
    conv = nn.Conv1d(CHANNELS, 2, 3).stream(ROWS)
    conv(X[:5])
    assert_same_bits(conv.state, X[3:5])
    conv.state = X[:2]
    assert_same_bits(conv.state, X[:2])
    lstm = nn.Sequential(nn.LSTM(CHANNELS, 2, proj_size=1)).stream(ROWS)
    lstm(X[0])
    h, c = lstm.state["0"]
    assert h.shape == (1, ROWS, 1) and c.shape == (1, ROWS, 2)
    for wrong, error in ((h, TypeError), ((h,), ValueError), ((c, h), ValueError)):
        with pytest.raises(error, match=r"state\['0'\]"):
            lstm.state = {"0": wrong}


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles(protocol):
    stream = advanced()
    other = pickle.loads(pickle.dumps(stream, protocol))
    assert type(other) is nn.FrameStream and other.module is not stream.module
    assert bits(other) == bits(stream)
    assert_same_bits(other(X[4:8]), stream(X[4:8]))


def test_copies():
    stream = advanced()
    shallow, deep = copy.copy(stream), copy.deepcopy(stream)
    assert shallow.module is stream.module and deep.module is not stream.module
    expected = stream.fork()(X[4:6])
    stream.module[0].weight[...] = 0
    assert_same_bits(deep(X[4:6]), expected)
    assert_same_bits(shallow(X[4:6]), stream(X[4:6]))
    assert "batch=3" in repr(stream) and "Conv1d" in repr(stream)


def test_a_module_may_hold_its_stream():
    stream = advanced()
    stream.module.mine = stream
    for other in (pickle.loads(pickle.dumps(stream)), copy.deepcopy(stream)):
        assert other.module.mine.module is other.module
        assert bits(other.module.mine) == bits(stream)
    seen = weakref.ref(stream)
    del stream, other
    gc.collect()
    assert seen() is None


def test_a_pickle_of_a_module_that_was_changed():
    stream = advanced()
    stream.module.pop(0)
    other = pickle.loads(pickle.dumps(stream))
    with pytest.raises(RuntimeError, match="make another stream"):
        other(X[:2])
    stream = advanced()
    stream.module.train()
    other = pickle.loads(pickle.dumps(stream))
    assert bits(other) == bits(stream)
    with pytest.raises(ValueError, match="Dropout"):
        other(X[:2])


# ---------------------------------------------------------------------------- one thread at a time


class Runs:
    """An input whose conversion runs code."""

    def __init__(self, array, code):
        self.array, self.code = array, code

    def __array__(self, dtype=None, copy=None):
        self.code()
        return self.array


def refused_all(stream):
    for call in (
        lambda: stream(X[:2]), lambda: stream.state, lambda: assign(stream, None), lambda: stream.reset(),
        lambda: stream.reset([0]), lambda: stream.fork(), lambda: stream.select([0]), lambda: stream.join(1),
        lambda: stream.leave([0]), lambda: pickle.dumps(stream), lambda: copy.copy(stream),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=r"(?s)in use.*one thread at a time.*fork"):
            call()
    assert len(stream) == ROWS and "batch=3" in repr(stream)


def test_code_that_a_call_runs_cannot_use_the_stream():
    stream, ran = advanced(), []
    y = stream(Runs(X[4:6], lambda: ran.append(refused_all(stream))))
    assert ran == [None]
    assert_same_bits(y, advanced()(X[4:6]))


def test_another_thread_is_told():
    stream, results = advanced(), []
    inside, done = threading.Event(), threading.Event()

    def code():
        inside.set()
        assert done.wait(HANG)

    thread = threading.Thread(target=lambda: results.append(stream(Runs(X[4:6], code))))
    thread.start()
    assert inside.wait(HANG)
    try:
        refused_all(stream)
    finally:
        done.set()
        thread.join()
    assert_same_bits(results[0], advanced()(X[4:6]))


def test_many_threads():
    model = stack()
    shared, expected = model.stream(ROWS), whole(model, X)
    wrong, errors, counts = [], [], [0]

    def work():
        mine = model.stream(ROWS)
        for _ in range(30):
            mine.reset()
            if mine(X).tobytes() != expected.tobytes():
                wrong.append(1)
            try:
                shared(X)
                counts[0] += 1
            except RuntimeError as error:
                errors.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and counts[0] and all("in use" in error for error in errors)
    shared.reset()
    assert_same_bits(shared(X), expected)


def test_ctrl_c_changes_nothing():
    stream = advanced()
    before = bits(stream)

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream(Runs(X[4:6], interrupt))
    assert bits(stream) == before
    assert_same_bits(stream(X[4:6]), advanced()(X[4:6]))
