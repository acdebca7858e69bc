"""trace() as a call: names, what a Trace is, packed sequences, hooks, memory and references."""

import copy
import gc
import inspect
import pickle
import sys
import typing

import numpy as np
import pytest
from reference import KINDS, fractions
from support import assert_same_bits, layer_of, with_parameters
from test_lengths import Acting

import pylstm
from pylstm.modules.rnn_base import RNNBase
from pylstm.utils.rnn import pack_sequence

X = fractions(1, (5, 3, 4)).astype(np.float32)
NAMES = {"LSTM": "ifgoch", "GRU": "rznh", "RNN": "h"}
of_each_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind="LSTM", *args, **options):
    return with_parameters(layer_of(kind, 4, 6, *args, **options), 1)


def names_of(kind):
    return NAMES[kind.partition("_")[0]]


def result_of(trace):
    return [getattr(trace, name) for name in ("output", "h_n", "c_n") if hasattr(trace, name)]


# ---------------------------------------------------------------------------- names


@of_each_kind
def test_the_names_of_each_kind(kind):
    trace = make(kind).trace(X)
    assert trace.names == tuple(names_of(kind))
    assert trace.kind == kind.partition("_")[0]
    assert hasattr(trace, "c_n") == (kind == "LSTM")
    assert {name for name in vars(trace) if len(name) == 1} == set(names_of(kind))


def some_names():
    yield "c", ("c",)
    yield ["h", "i"], ("h", "i")
    yield ("o", "c", "f"), ("o", "c", "f")
    yield iter("hc"), ("h", "c")
    yield {"g": 1}, ("g",)
    yield np.array(["c", "h"]), ("c", "h")
    yield [type("Text", (str,), {})("c")], ("c",)
    yield None, tuple("ifgoch")


@pytest.mark.parametrize(("names", "expected"), [*some_names()], ids=lambda value: str(value)[:30])
def test_names_in_every_form(names, expected):
    module = make("LSTM")
    whole, some = module.trace(X), module.trace(X, names=names)
    assert some.names == expected and all(type(name) is str for name in some.names)
    for name in expected:
        assert_same_bits(getattr(some, name), getattr(whole, name))
    assert_same_bits(result_of(some), result_of(whole))


OF_LSTM = "names must be among i, f, g, o, c, h for this LSTM, each once"


@pytest.mark.parametrize(
    ("names", "error", "text"),
    [
        ("x", ValueError, f"{OF_LSTM}, got 'x'"),
        ("ifgo", ValueError, f"{OF_LSTM}, got 'ifgo': pass a tuple of names, ('i', 'f', 'g', 'o')"),
        ("f, c", ValueError, f"{OF_LSTM}, got 'f, c': pass a tuple of names, ('f', 'c')"),
        ("f c", ValueError, f"{OF_LSTM}, got 'f c': pass a tuple of names, ('f', 'c')"),
        ("fz", ValueError, f"{OF_LSTM}, got 'fz'"),
        (" ", ValueError, f"{OF_LSTM}, got ' '"),
        (["fc"], ValueError, f"{OF_LSTM}, got 'fc'"),
        ("", ValueError, f"{OF_LSTM}, got ''"),
        (["i", "r"], ValueError, f"{OF_LSTM}, got 'r'"),
        (["i", "f", "i"], ValueError, f"{OF_LSTM}, got 'i' twice"),
        ([], ValueError, f"{OF_LSTM}, got none; leave names out for all of them"),
        ([1], TypeError, f"{OF_LSTM}: strings, got int"),
        (["c", None], TypeError, f"{OF_LSTM}: strings, got NoneType"),
        (3, TypeError, f"{OF_LSTM}: a string or an iterable of strings, got int"),
        (["output"], ValueError, f"{OF_LSTM}, got 'output'"),
    ],
)
def test_wrong_names(names, error, text):
    with pytest.raises(error) as caught:
        make("LSTM").trace(X, names=names)
    assert str(caught.value) == text


def test_names_of_other_kinds_are_refused_in_c_too():
    for kind, absent in (("GRU", "c"), ("RNN_TANH", "i"), ("LSTM", "z")):
        for name in (absent, "hh", "", 1):
            with pytest.raises(ValueError, match="a trace of this layer has no"):
                make(kind)._run_trace(X, None, None, None, (name,))
    with pytest.raises(TypeError):
        make("GRU")._run_trace(X, None, None, None, ["h"])


# ---------------------------------------------------------------------------- a Trace


def test_what_was_not_asked_for():
    trace = make("LSTM").trace(X, names=("f", "c"))
    for name, text in (
        ("o", "this trace has no o: trace() was asked for ('f', 'c')"),
        ("z", "a trace of this LSTM has no 'z': it has output, h_n, c_n, and i, f, g, o, c, h"),
        ("__array__", "'Trace' object has no attribute '__array__'"),
    ):
        with pytest.raises(AttributeError) as caught:
            getattr(trace, name)
        assert str(caught.value) == text
    with pytest.raises(
        AttributeError, match="a trace of this RNN has no 'c_n': it has output, h_n, and h"
    ):
        make("RNN_TANH").trace(X).c_n  # noqa: B018
    with pytest.raises(AttributeError, match="'Trace' object has no attribute 'h'"):
        pylstm.Trace.__new__(pylstm.Trace).h  # noqa: B018


def test_a_trace_is_not_unpacked():
    for kind, results in (
        ("LSTM", "trace.output, trace.h_n, trace.c_n"),
        ("GRU", "trace.output, trace.h_n"),
        ("RNN_TANH", "trace.output, trace.h_n"),
    ):
        trace = make(kind).trace(X)
        for use in (lambda t: (lambda a, b: 0)(*t), list, iter, tuple):
            with pytest.raises(TypeError) as caught:
                use(trace)
            assert str(caught.value) == f"a Trace is not a tuple: its results are {results}"
        with pytest.raises(TypeError, match="is not a tuple"):
            _output, _h_n = trace


class Derived(pylstm.GRU):
    pass


def test_python_names_the_class_of_the_user():
    for cls, owner in (
        *((c, c) for c in (pylstm.LSTM, pylstm.GRU, pylstm.RNN)),
        (Derived, pylstm.GRU),
    ):
        for name in ("trace", "stream"):
            method = getattr(cls(4, 6), name)
            with pytest.raises(
                TypeError, match=rf"^{owner.__name__}\.{name}\(\) got an unexp.*'out'"
            ):
                method(out=3)
            with pytest.raises(TypeError, match=rf"^{owner.__name__}\.{name}\(\) takes "):
                method(1, 2, 3, 4)
            base = getattr(RNNBase, name)
            assert inspect.signature(getattr(cls, name)) == inspect.signature(base)
            assert method.__doc__ == base.__doc__
            assert typing.get_type_hints(getattr(owner, name)) == typing.get_type_hints(base)


def test_repr():
    module = make("LSTM", 2, bidirectional=True, proj_size=2)
    assert repr(module.trace(X, names="f")) == (
        "<Trace of LSTM: f (2, 2, 5, 3, 6), output (5, 3, 4), h_n (4, 3, 2), c_n (4, 3, 6)>"
    )
    assert repr(make("GRU").trace(X[:, 0])) == (
        "<Trace of GRU: r, z, n, h (1, 1, 5, 6), output (5, 6), h_n (1, 6)>"
    )


@pytest.mark.parametrize(
    "copied",
    [
        copy.copy,
        copy.deepcopy,
        *(
            lambda trace, protocol=protocol: pickle.loads(pickle.dumps(trace, protocol))
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
        ),
    ],
)
def test_copies_and_pickles(copied):
    trace = make("LSTM").trace(X, names=["c", "i"])
    other = copied(trace)
    assert type(other) is pylstm.Trace and repr(other) == repr(trace)
    assert other.names == ("c", "i")
    assert_same_bits([*result_of(other), other.c, other.i], [*result_of(trace), trace.c, trace.i])


def test_the_class_is_public():
    assert pylstm.Trace.__module__ == "pylstm" and "Trace" in pylstm.__all__
    assert pickle.loads(pickle.dumps(pylstm.Trace)) is pylstm.Trace


# ---------------------------------------------------------------------------- the arrays


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_first", [False, True])
@of_each_kind
def test_shapes(kind, batch_first, dtype):
    module = make(kind, 2, batch_first=batch_first, bidirectional=True, dtype=dtype)
    x = X.swapaxes(0, 1) if batch_first else X
    given = [{}, {"lengths": [5, 2, 4]}, {"reset": x[..., 0] > 0}]
    for trace in [module.trace(x, **keywords) for keywords in given]:
        for name in trace.names:
            array = getattr(trace, name)
            assert array.shape == (2, 2, 5, 3, 6) and array.dtype == dtype
            assert array.flags.owndata and array.flags.c_contiguous and array.flags.writeable
    for trace in (module.trace(X[:, 0]), module.trace(X[:, 0], reset=X[:, 0, 0] > 0)):
        assert all(getattr(trace, name).shape == (2, 2, 5, 6) for name in trace.names)
    empty = module.trace(x[:0] if batch_first else x[:, :0])
    assert all(getattr(empty, name).shape == (2, 2, 5, 0, 6) for name in empty.names)
    assert_same_bits(result_of(empty)[0], module(x[:0] if batch_first else x[:, :0])[0])


@of_each_kind
def test_h_and_c_are_the_states_of_each_step(kind):
    module = make(kind, bidirectional=True)
    lengths = [5, 2, 4]
    trace = module.trace(X, lengths=lengths)
    output = module(X, lengths=lengths)[0].reshape(5, 3, 2, 6)
    assert_same_bits(trace.h[0], np.ascontiguousarray(output.transpose(2, 0, 1, 3)))
    for row, length in enumerate(lengths):
        for name in trace.names:
            array = getattr(trace, name)[:, :, :, row]
            assert not array[:, :, length:].any() and not np.signbit(array[:, :, length:]).any()
        for name in set(trace.names) & {"c", "h"}:
            last = getattr(trace, f"{name}_n")
            array = getattr(trace, name)
            assert_same_bits(array[0, 0, length - 1, row], last[0, row])
            assert_same_bits(array[0, 1, 0, row], last[1, row])


def test_dropout_in_training_mode_is_that_of_a_call():
    module = make("LSTM", 3, dropout=0.5)
    pylstm.manual_seed(4)
    expected = module(X)
    pylstm.manual_seed(4)
    assert_same_bits(result_of(module.trace(X)), [expected[0], *expected[1]])
    module.eval()
    assert_same_bits(result_of(module.trace(X)), [module(X)[0], *module(X)[1]])


# ---------------------------------------------------------------------------- calls


def test_hooks_and_other_forwards_do_not_run():
    class Other(pylstm.GRU):
        def forward(self, *args, **kwargs):
            raise AssertionError

    module, plain = Other(4, 6), pylstm.GRU(4, 6)
    plain.load_state_dict(module.state_dict())
    expected = plain(X)
    module.register_forward_pre_hook(lambda module, args: (0 * args[0],))
    module.register_forward_hook(lambda module, args, output: 0)
    trace = module.trace(X)
    assert trace.kind == "GRU"
    assert_same_bits(result_of(trace), expected)


def test_packed_sequences_are_refused():
    packed = pack_sequence([X[:, 0], X[:3, 1]])
    for keywords in ({}, {"lengths": [5, 3]}, {"reset": X[:, :2, 0] > 0}, {"names": "h"}):
        with pytest.raises(ValueError) as caught:
            make("LSTM").trace(packed, **keywords)
        assert str(caught.value) == (
            "trace() takes no packed sequence: pass the padded input with lengths="
        )


def test_errors_are_those_of_a_call():
    module = make("LSTM")
    for arguments in (
        (X[..., :3],),
        (X, X),
        (X, (X[:1, ..., :1],) * 2),
        (X > 0,),
        (X[:0],),
        ("a",),
    ):
        with pytest.raises((RuntimeError, ValueError, TypeError)) as called:
            module(*arguments)
        with pytest.raises(type(called.value)) as traced:
            module.trace(*arguments)
        assert str(traced.value) == str(called.value)
    with pytest.raises(TypeError):
        module.trace()
    with pytest.raises(TypeError):
        module.trace(X, out=X)
    with pytest.raises(RuntimeError, match="__init__"):
        pylstm.LSTM.__new__(pylstm.LSTM).trace(X)


def test_forms_of_input_and_states_are_those_of_a_call():
    module = make("LSTM", 2)
    h, c = (fractions(seed, (2, 3, 6)) for seed in (5, 6))
    for x, hx in ((X.tolist(), (h, c)), (X.astype(">f8"), [h.tolist(), c]), (X[::-1], None),
                  (Acting(X, gc.collect), (h[:, ::-1], c))):  # fmt: skip
        output, (h_n, c_n) = module(x, hx)
        trace = module.trace(input=x, hx=hx)
        assert_same_bits(result_of(trace), [output, h_n, c_n])


@of_each_kind
def test_references(kind):
    module, x = make(kind), X.copy()
    before = sys.getrefcount(x)
    for _ in range(50):
        trace = module.trace(x)
        assert sys.getrefcount(trace.h) == sys.getrefcount(np.ones(1)) + 1  # in its trace alone
        with pytest.raises(ValueError, match="no 'q'"):
            module._run_trace(x, None, None, None, ("h", "q"))
    held = sys.getrefcount(x)
    assert held == before
