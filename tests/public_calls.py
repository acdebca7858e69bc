"""Every public call as a case that can be run again and again: for tests that make calls fail."""

import copy
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from reference import fractions
from support import cell_of, layer_of

import pylstm
from pylstm import _core
from pylstm.utils import rnn

X = fractions(1, (5, 3, 4)).astype(np.float32)
STATES = tuple(fractions(seed, (1, 3, 6)).astype(np.float32) for seed in (2, 3))
# Made before the calls: NumPy's own functions leak, or raise no error, where memory runs out.
MASK = X[..., 0] > 0
MASK_OF_INTEGERS = MASK.astype(int)
LENGTHS = np.array([2, 5, 4], ">i2")
TOO_LARGE = np.array([2, 2**64 - 1, 4], "u8")
MASKED = np.ma.array([2, 5, 4], mask=[0, 1, 0])
MANY_LENGTHS = np.arange(1, 33)
STATES_OF_FOUR = tuple(np.repeat(state, 4, 0) for state in STATES)
FROZEN = STATES[0].copy()
FROZEN.flags.writeable = False  # which leaks in NumPy
# Large enough for another thread, see plan_make() in csrc/threads/plan.c.
LONG = fractions(4, (40, 32, 64)).astype(np.float32)


@dataclass
class Case:
    """A call, and the modules whose bits it uses."""

    call: Callable[[], Any]
    modules: list[Any] = field(default_factory=list)
    changes: bool = False  # the modules, where that is its purpose
    native: bool = False  # nothing but C runs


X4 = fractions(5, (2, 3, 5, 4)).astype(np.float32)
LINEAR = partial(pylstm.Linear, 4, 6)
CONV = partial(pylstm.Conv1d, 4, 6, 3)
CONV_WEIGHT = fractions(6, (6, 4, 3)).astype(np.float32)
CONV_INPUT = fractions(7, (8, 4, 300)).astype(np.float32)


def raised(call, *args, **options):
    """The text of the error of a call."""
    try:
        call(*args, **options)
    except (RuntimeError, ValueError) as error:
        return str(error)
    raise AssertionError("no error")


def held_linear():
    """A call while an array on a parameter lives."""
    module = LINEAR()
    weight = module.weight
    for _ in range(4):
        module(X)
    return Case(lambda: (weight[:0], module(X))[1], [module])


def lstm(*args, **kwargs):
    return pylstm.LSTM(4, 6, *args, **kwargs)


def on(module, call, changes=False, native=False):
    """The case of `call(module)`."""
    return Case(lambda: call(module), [module], changes, native)


def native(module, call):
    return on(module, call, native=True)


def shared(batch=32, cls=pylstm.LSTM, **kwargs):
    """A call that two threads share."""
    pylstm.set_num_threads(2)
    return native(cls(64, 64, **kwargs), lambda m: m(LONG[:, :batch]))


def shared_extras(trace=False, **keywords):
    """A call that two threads share, with lengths or a reset, or traced."""
    pylstm.set_num_threads(2)
    call = (lambda m: traced(m, LONG)) if trace else (lambda m: m(LONG, **keywords))
    return on(pylstm.GRU(64, 64), call, native=not trace)


def traced(module, x=X, **keywords):
    """What a trace holds."""
    trace = module.trace(x, **keywords)
    return [trace.output, trace.h_n, *(getattr(trace, name) for name in trace.names)]


def refusing(module, calls, native=False):
    """The case of calls that must fail, which are made before: NumPy's functions leak without memory."""

    def refuse(module):
        for call in calls:
            try:
                call()
            except MemoryError:
                raise
            except Exception:
                continue
            raise AssertionError("a wrong call came through")

    return on(module, refuse, native=native)


def refused_extras(module):
    """The case of what wrong lengths, resets and names make of errors."""
    packed = packed_batch()
    calls = [
        partial(module, X, lengths=[2, 0, 4]),
        partial(module, X, lengths=[2, 6, 4]),
        partial(module, X, lengths=TOO_LARGE),
        partial(module, X, lengths=[2, 5]),
        partial(module, X, lengths=[2, 5, 4, 3, 1]),
        partial(module, X, lengths=[2.0, 5.0, 4.0]),
        partial(module, X, lengths=MASKED),
        partial(module, X[:, 0], lengths=[2]),
        partial(module, X, lengths=LENGTHS, reset=MASK),
        partial(module, packed, lengths=LENGTHS),
        partial(module, packed, reset=MASK),
        partial(module, X, lengths=packed),
        partial(module, X, reset=MASK.T),
        partial(module, X, reset=MASK_OF_INTEGERS),
        partial(module, X[:, 0], reset=MASK),
        partial(module, X, resets=MASK),
        partial(module.trace, X, names="q"),
        partial(module.trace, X, names="fc"),
        partial(module.trace, X, names=[]),
        partial(module.trace, packed),
        partial(module._run_trace, X, None, None, None, ("q",)),
    ]
    return refusing(module, calls)


def construct(cls, *args, **kwargs):
    """The case of a constructor.

    From Python 3.13 on the end of an instance of a Python class needs memory for its dict, and where
    there is none the exception that is on its way is lost: there the instance outlives the call.
    """
    kept = []

    def make():
        pylstm.manual_seed(3)
        kept[:] = [cls.__new__(cls)]
        kept[0].__init__(*args, **kwargs)
        return pylstm_arrays(kept[0])

    def make_at_once():
        pylstm.manual_seed(3)
        return pylstm_arrays(cls(*args, **kwargs))

    return Case(make if sys.version_info >= (3, 13) else make_at_once)


def pylstm_arrays(module):
    """The parameters of a module, as a result to compare."""
    return [value.copy() for value in module.state_dict().values()]


def pickled(module):
    return pylstm_arrays(pickle.loads(pickle.dumps(module)))


def tagger():
    tree = pylstm.Module()
    tree.encoder, tree.decoder = lstm(), pylstm.LSTMCell(4, 6)
    return tree


def loading(module, **kwargs):
    """Load other values, float64 with assign=True, into `module`."""
    dtype = np.float64 if kwargs else np.float32
    state = {name: np.full(value.shape, 0.25, dtype) for name, value in module.state_dict().items()}
    return on(module, lambda m: m.load_state_dict(state, **kwargs) and None, changes=True)


def of_kind(kind, *args, **kwargs):
    """A layer of one of reference.KINDS; its state is STATES[0]."""
    return layer_of(kind, 4, 6, *args, **kwargs)


def streamed(module, **options):
    """The case of calls of a stream and what else changes its rows."""

    def call(module):
        stream = module.stream(3, **options)
        first = stream(X), stream(X[0, :2].tolist(), rows=[2, 0])
        other = copy.copy(stream)
        other.select([2, 2, 1, 0, 0, 0, 1])
        other.leave(other.join(3))
        other.state = other.state
        return (
            *first,
            other(np.ones((7, 4))),
            stream.fork().state,
            repr(other),
            rebuilt_stream(stream),
        )

    return on(module, call)


def rebuilt_stream(stream):
    """What pickle does, without pickle: that of CPython 3.15 loses an error where memory runs out."""
    function, arguments = stream.__reduce__()
    return function(*arguments).state


def refused_by_stream(module):
    """The case of wrong calls of a stream and its methods."""
    stream, packed = module.stream(3), packed_batch()
    calls = [
        partial(stream, X[..., :3]),
        partial(stream, packed),
        partial(stream, X, rows=TOO_LARGE),
        partial(stream, X, rows=MASKED),
        partial(stream, X, rows=(LENGTHS,)),
        partial(stream, X, rows=MASK.nonzero()),
        partial(stream, X, out=FROZEN),
        partial(stream, X, steps=1),
        partial(stream.select, [3]),
        partial(stream.leave, rows=[0, 0]),
        partial(stream.join, X),
        partial(stream.join, n=2.5),
        partial(stream.join),
        partial(module.stream, X),
        partial(module.stream, 3, STATES[0]),
        partial(setattr, stream, "state", STATES[0]),
    ]
    return refusing(module, calls)


def refused_by_gru():
    """The case of wrong calls of layers and cells with one state, packed ones among them."""
    module, cell = of_kind("GRU"), pylstm.RNNCell(4, 6, nonlinearity="x")
    packed = packed_batch()
    calls = [
        partial(module, X[..., :3]),
        partial(module, X, STATES),
        partial(module, X, [STATES[0]]),
        partial(module, X, STATES[0][:, :1]),
        partial(module, X, STATES[0][0]),
        partial(module, packed, STATES),
        partial(module, packed, STATES[0][:, :1]),
        partial(module, X, 3),
        partial(cell, X[0]),
        partial(cell, X[0], STATES[0]),
        partial(cell, X[0], (STATES[0][0],)),
        partial(cell, packed),
    ]
    return refusing(module, calls)


def assigning():
    def assign(module):
        module.bias_ih_l0 = [0.5] * 24

    return on(lstm(), assign, changes=True)


def leased():
    """A call that compares the parameters that are held, and finds no difference."""
    module = lstm()
    held = module.weight_hh_l0
    for _ in range(4):
        module(X)
    return Case(lambda: (held[:0], module(X))[1], [module])


def held_again():
    """Calls with parameters held from one to the next: the second copies them, the third compares."""
    module = lstm(2)
    module(X)
    names = module._native_names

    def call():
        held = [module._native_parameter(name) for name in names]
        results = [module(X) for _ in range(6)]
        del held
        return results

    return Case(call, [module])


def written():
    """A call that finds a difference, and packs."""
    module = lstm()
    held = module.weight_hh_l0
    module(X)

    def call():
        old = held[-1, -1]
        try:
            held[-1, -1] = 0.25
            first = module(X)
        finally:
            held[-1, -1] = old
        return first, module(X)

    return Case(call, [module])


def hooked():
    module = lstm()
    module.register_forward_pre_hook(lambda module, args: None)
    module.register_forward_hook(lambda module, args, output: output)
    return on(module, lambda m: m(X))


def initialised_again(module):
    pylstm.manual_seed(5)
    module.__init__(4, 6)


def reset(module):
    pylstm.manual_seed(5)
    module.reset_parameters()


def packed_batch():
    return rnn.pack_sequence([X[:, 0], X[:3, 1], X[:4, 2]], enforce_sorted=False)


PACKED, IN_ORDER = packed_batch(), rnn.pack_padded_sequence(X, [5, 3, 1])


def packed_result(module, hx=None):
    output, states = module(packed_batch(), hx)
    return output.data, states


def refused(module):
    """The case of what every kind of wrong call makes of errors.c."""
    calls = [
        partial(module, X[..., :3]),
        partial(module, X, (STATES[0][:, :1], STATES[1])),
        partial(module, X, [X]),
        partial(module, X, STATES[0]),
        partial(module, X, np.concatenate([STATES[0]] * 2)),
        partial(module, X, (STATES[0], STATES)),
        partial(module, X, (STATES[0], (X, STATES[0]))),
        partial(module._native_assign, {"bias_hh_l0": X}),
        partial(module._native_parameter, "bias"),
        partial(module._native_share, None),
        partial(_core.as_array, None, "x"),
    ]
    return refusing(module, calls, native=True)


def out_of(rows=3, width=6):
    """(output, (h_n, c_n)) for five steps of an LSTM."""
    output, *states = (np.zeros((steps, rows, width), np.float32) for steps in (5, 1, 1))
    return output, tuple(states)


def into(module, x, out, **given):
    """The case of a call with out, whose arrays are compared as well."""
    return native(module, lambda m: (m(x, out=out, **given), out))


def in_place(module, x, *states):
    """The case of a call whose states are hx and out at once, from zeros each time."""

    def call(module):
        for state in states:
            state[...] = 0
        hx = tuple(states) if len(states) > 1 else states[0]
        return module(x, hx, out=hx)

    return native(module, call)


def refused_out(module):
    """The case of what wrong results to write to make of errors."""
    output, (h_n, c_n) = out_of()
    wrong = [
        output,
        (output,),
        (output, h_n),
        (output, (h_n, h_n)),
        (output, (h_n, FROZEN)),
        (output, (h_n, c_n[:, :2])),
        (output, (h_n, output[:1])),
        (output[..., ::-1], (h_n, c_n)),
        (output, (h_n, None)),
        3,
    ]
    return refusing(module, [partial(module, X, out=out) for out in wrong], native=True)


def refused_by_one_state(module, x, h):
    """The case of what the kinds whose state is one array make of errors beside those."""
    wide = np.concatenate([h, h], axis=-1)
    wrong = ((h, h), [h], 5, True, wide, h[..., 0], [*h.tolist(), 0.5])
    return refusing(module, [partial(module, x, hx) for hx in wrong], native=True)


def changed_nonlinearity(cell):
    """Calls of an RNNCell with one nonlinearity, and with the one that it had."""
    try:
        cell.nonlinearity = "relu"
        h = cell(X[0])
    finally:
        cell.nonlinearity = "tanh"
    return [h, cell(X[0], h)]


def written_out(module, x=X, hx=STATES, in_place=False, **options):
    """The case of a call into arrays of the caller's; the first has left its workspace."""
    results = module(x, hx, **options)
    arrays = [part.copy() for part in (results[0], *hx)]

    def call():
        for array, given in zip(arrays[1:], hx, strict=True):
            array[...] = given
        given = tuple(arrays[1:]) if in_place else hx
        return module(x, given, out=[arrays[0], arrays[1:]], **options)

    call()
    return Case(call, [module])


def refused_dtype_of_out(module):
    """The case of an error that shows a dtype, where NumPy leaks."""
    output, (h_n, c_n) = out_of()
    out = output, (h_n, c_n.astype("f8"))

    def refuse(module):
        try:
            module(X, out=out)
        except (TypeError, ValueError):
            return

    return on(module, refuse)


def small(weights="int8", cls=pylstm.LSTM, *args, **kwargs):
    """A module with compressed weights."""
    return pylstm.compress(cls(4, 6, *args, **kwargs), weights)


def stored_again(module):
    """The case of what a module stores, assigned and read again."""
    stored = {name: module._native_stored(name) for name in module._native_names}

    def call(module):
        return (
            module._native_assign(stored),
            module._native_stored("weight_ih_l0"),
            module._native_stored("bias_hh_l0"),
            module._native_parameter("weight_hh_l0"),
        )

    return native(module, call)


def refused_by_compressed(module):
    """The case of what compressed weights make of errors."""
    infinite, wide = np.full((24, 6), np.inf, "f4"), np.zeros((24, 6), "f4")
    integers, scale = np.full((24, 6), -128, "i1"), np.ones((24, 1), "f4")
    calls = [
        partial(module._native_assign, {"bias_hh_l0": X}),
        partial(module._native_assign, {"weight_hh_l0": infinite}),
        partial(module._native_assign, {"weight_ih_l0": X[0], "weight_hh_l0": wide}),
        partial(module._native_assign, {"weight_hh_l0": (integers, scale)}),
        partial(module._native_assign, {"weight_hh_l0": (integers, None)}),
        partial(module._native_assign, {"weight_hh_l0": (wide, scale)}),
        partial(module._native_assign, {"weight_hh_l0": (integers,)}),
        partial(module._assign_rows, "weight_hh_l0", 20, infinite),
        partial(module._native_stored, "bias"),
        partial(module._native_convert, "int9"),
        partial(_core.RNN()._native_build, "LSTM", 4, 6, weights="int9"),
    ]
    return refusing(module, calls, native=True)


def refused_dtype(module):
    try:
        module(X > 0)
    except TypeError:
        return


def seeds():
    pylstm.manual_seed(4)
    pylstm.set_rng_state(pylstm.get_rng_state())
    pylstm.manual_seed(pylstm.initial_seed())
    return [pylstm.get_rng_state()]


CASES: dict[str, Callable[[], Case]] = {
    "construct LSTM": lambda: construct(pylstm.LSTM, 4, 6, 2, bidirectional=True, proj_size=3),
    "construct LSTMCell": lambda: construct(pylstm.LSTMCell, 4, 6, bias=False),
    "construct GRU": lambda: construct(pylstm.GRU, 4, 6, 2, bidirectional=True),
    "construct RNN": lambda: construct(pylstm.RNN, 4, 6, 2, "relu", bias=False),
    "construct GRUCell": lambda: construct(pylstm.GRUCell, 4, 6),
    "construct RNNCell": lambda: construct(pylstm.RNNCell, 4, 6, nonlinearity="relu"),
    "construct float64": lambda: construct(pylstm.LSTM, 4, 6, dtype=np.float64),
    "dense": lambda: native(lstm(), lambda m: m(X)),
    "dense with states": lambda: native(lstm(), lambda m: m(X, STATES)),
    "dense converted": lambda: native(lstm(), lambda m: m(X.tolist(), [s.tolist() for s in STATES])),
    "dense strided": lambda: native(lstm(), lambda m: m(X[::-1, :, ::-1])),
    "dense overlapping states": lambda: native(lstm(), lambda m: m(X.astype(">f4"), STATES)),
    "unbatched, stacked states": lambda: native(lstm(), lambda m: m(X[:, 0], np.zeros((2, 1, 6)))),
    "deep": lambda: native(lstm(3, bidirectional=True, batch_first=True), lambda m: m(X)),
    "large workspace": lambda: native(pylstm.LSTM(4, 64, 2), lambda m: m(np.ones((90, 8, 4)))),
    "dropout": lambda: on(lstm(2, dropout=0.5), lambda m: (pylstm.manual_seed(1), m(X))[1]),
    "lengths": lambda: native(lstm(2, bidirectional=True), lambda m: m(X, STATES_OF_FOUR, lengths=[2, 5, 4])),
    "lengths converted": lambda: native(lstm(batch_first=True), lambda m: m(X.swapaxes(0, 1).tolist(), lengths=LENGTHS)),
    "lengths of many": lambda: native(lstm(), lambda m: m(LONG[:, :, :4], lengths=MANY_LENGTHS)),
    "resets": lambda: native(of_kind("GRU", 2, bidirectional=True), lambda m: m(X, reset=MASK)),
    "resets converted": lambda: native(of_kind("RNN_TANH"), lambda m: m(X.tolist(), reset=MASK.tolist())),
    "trace": lambda: on(lstm(2, bidirectional=True), traced),
    "trace of a GRU": lambda: on(of_kind("GRU"), lambda m: traced(m, lengths=[2, 5, 4])),
    "trace in C": lambda: native(lstm(2), lambda m: m._run_trace(X, None, None, MASK, ("c", "i"))),
    "shared trace": lambda: shared_extras(trace=True),
    "shared lengths": lambda: shared_extras(lengths=MANY_LENGTHS + 7),
    "shared reset": lambda: shared_extras(reset=LONG[..., 0] > 0.5),
    "refused extras": lambda: refused_extras(lstm()),
    "refused by a stream": lambda: refused_by_stream(lstm()),
    "packed": lambda: on(lstm(), packed_result),
    "packed with states": lambda: on(lstm(), lambda m: packed_result(m, STATES)),
    "packed before": lambda: native(lstm(), lambda m: m(PACKED)),
    "packed before, in order": lambda: native(lstm(), lambda m: m(IN_ORDER, STATES)),
    "packed before, GRU": lambda: native(of_kind("GRU", 2), lambda m: m(PACKED)),
    "cell": lambda: native(pylstm.LSTMCell(4, 6), lambda m: m(X[0])),
    "cell with states": lambda: native(pylstm.LSTMCell(4, 6), lambda m: m(X[0], [s[0] for s in STATES])),
    "cell unbatched": lambda: native(pylstm.LSTMCell(4, 6), lambda m: m(X[0, 0].astype(np.float64))),
    "cell stacked states": lambda: native(pylstm.LSTMCell(4, 6), lambda m: m(X[0, 0], np.ones((2, 6)))),
    "GRU": lambda: native(pylstm.GRU(4, 6), lambda m: m(X)),
    "GRU with a state": lambda: native(pylstm.GRU(4, 6), lambda m: m(X, STATES[0])),
    "GRU converted": lambda: native(pylstm.GRU(4, 6), lambda m: m(X.tolist(), STATES[0].tolist())),
    "RNN": lambda: native(pylstm.RNN(4, 6, 2, "relu", bidirectional=True), lambda m: m(X)),
    "packed GRU": lambda: on(pylstm.GRU(4, 6, 2), lambda m: packed_result(m, np.ones((2, 3, 6)))),
    "GRU cell": lambda: native(pylstm.GRUCell(4, 6), lambda m: m(X[0], STATES[0][0])),
    "RNN cell": lambda: native(pylstm.RNNCell(4, 6), lambda m: m(X[0, 0])),
    "RNN cell of a new kind": lambda: on(pylstm.RNNCell(4, 6), changed_nonlinearity, changes=True),
    "refused by a GRU": lambda: refused_by_one_state(pylstm.GRU(4, 6), X, STATES[0]),
    "refused by a cell": lambda: refused_by_one_state(pylstm.GRUCell(4, 6), X[0], STATES[0][0]),
    "copies of a cell": lambda: on(pylstm.RNNCell(4, 6, nonlinearity="relu"), lambda m: [copy.copy(m)(X[0]), pickled(m)]),
    "double an RNN": lambda: on(pylstm.RNN(4, 6), lambda m: m.double() and None, changes=True),
    "leased": leased,
    "held again": held_again,
    "written": written,
    "hooks": hooked,
    "out": lambda: written_out(lstm()),
    "out in place": lambda: written_out(lstm(), in_place=True),
    "out, converted": lambda: written_out(lstm(), X.tolist()),
    "out, reset": lambda: written_out(lstm(), in_place=True, reset=X[..., 0] > 0),
    "forward": lambda: native(lstm(), lambda m: m.forward(X)),
    "shared rows": lambda: shared(),
    "shared rows of a GRU": lambda: shared(cls=pylstm.GRU),
    "shared units of an RNN": lambda: shared(2, cls=pylstm.RNN, num_layers=2),
    "shared directions": lambda: shared(2, bidirectional=True),
    "shared units": lambda: shared(2, num_layers=2),
    "state_dict": lambda: on(lstm(), lambda m: list(m.state_dict().values())),
    "parameters": lambda: on(lstm(), lambda m: [p.copy() for p in m.parameters()]),
    "repr": lambda: on(lstm(2), lambda m: (repr(m), m._repr_html_(), m._native_names)),
    "load_state_dict": lambda: loading(lstm(2)),
    "load into a tree": lambda: loading(tagger()),
    "load and take the dtype": lambda: loading(tagger(), assign=True),
    "assign a parameter": assigning,
    "double": lambda: on(lstm(), lambda m: m.double() and None, changes=True),
    "double a tree": lambda: on(tagger(), lambda m: m.double() and None, changes=True),
    "to": lambda: on(pylstm.LSTMCell(4, 6), lambda m: m.to("float64") and None, changes=True),
    "reset": lambda: on(lstm(), reset, changes=True),
    "__init__ again": lambda: on(lstm(2, bidirectional=True), initialised_again, changes=True),
    "flatten_parameters": lambda: native(lstm(), lambda m: (m._native_assign({}), m.flatten_parameters())[1]),
    "pickle": lambda: on(lstm(), pickled),
    "copy": lambda: on(lstm(), lambda m: copy.copy(m)(X)),
    "deepcopy": lambda: on(tagger(), lambda m: pylstm_arrays(copy.deepcopy(m))),
    "build": lambda: Case(lambda: _core.RNN()._native_build("LSTM", 4, 6, num_layers=2, bidirectional=True, proj_size=3), native=True),
    "build a cell": lambda: Case(lambda: _core.Cell()._native_build("GRU", 4, 6, dtype="float64"), native=True),
    "names": lambda: native(lstm(), lambda m: (m._native_names, m._native_dtype, m._native_leases)),
    "lease": lambda: native(lstm(), lambda m: [m._native_parameter("weight_hh_l0"), m._parameter_view("bias_ih_l0")]),
    "run packed": lambda: native(lstm(), lambda m: m._run_packed(X[:, 0], [3, 2], None)),
    "copy in": lambda: native(lstm(), lambda m: m._native_assign({"bias_hh_l0": m._parameter_view("bias_hh_l0")})),
    "refused": lambda: refused(lstm()),
    "refused dtype": lambda: on(lstm(), refused_dtype),
    **{
        f"{what} {kind}": case
        for kind in ("RNN_TANH", "RNN_RELU")
        for what, case in (
            ("dense with a state", lambda kind=kind: native(of_kind(kind), lambda m: m(X, STATES[0]))),
            ("packed", lambda kind=kind: on(of_kind(kind), lambda m: packed_result(m, STATES[0]))),
            ("cell", lambda kind=kind: native(cell_of(kind, 4, 6), lambda m: m(X[0], STATES[0][0]))),
        )
    },
    "stream": lambda: streamed(lstm(2), hx=[np.ones((2, 3, 6))] * 2),
    "stream of a GRU": lambda: streamed(pylstm.GRU(4, 6)),
    "deep GRU": lambda: native(
        of_kind("GRU", 3, bidirectional=True, batch_first=True), lambda m: m(X, hx=None)
    ),
    "GRU unbatched": lambda: native(of_kind("GRU"), lambda m: m(X[:, 0], STATES[0][:, 0])),
    "dropout of a GRU": lambda: on(
        of_kind("GRU", 2, dropout=0.5), lambda m: (pylstm.manual_seed(1), m(X))[1]
    ),
    "refused, packed": refused_by_gru,
    "pickle RNN": lambda: on(of_kind("RNN_RELU"), pickled),
    "load into a GRU": lambda: loading(of_kind("GRU", 2)),
    "repr of an RNN": lambda: on(of_kind("RNN_RELU", 2), lambda m: (repr(m), m._repr_html_())),
    "lengths with states": lambda: native(lstm(), lambda m: m(X, STATES, lengths=LENGTHS.tolist())),
    "lengths, deep": lambda: native(lstm(3, bidirectional=True, batch_first=True), lambda m: m(X, lengths=[3, 1, 2, 3, 1])),
    "lengths of a GRU": lambda: native(pylstm.GRU(4, 6, 2), lambda m: m(X, lengths=LENGTHS)),
    "lengths with dropout": lambda: on(lstm(2, dropout=0.5), lambda m: (pylstm.manual_seed(1), m(X, lengths=LENGTHS))[1]),
    "resets with states": lambda: native(lstm(), lambda m: m(X, STATES, reset=MASK.tolist())),
    "resets, unbatched": lambda: native(lstm(), lambda m: m(X[:, 0], reset=MASK[:, 0])),
    "resets, deep": lambda: native(lstm(3, bidirectional=True), lambda m: m(X, reset=MASK[::-1])),
    "resets of a GRU": lambda: native(pylstm.GRU(4, 6, 2), lambda m: m(X, reset=MASK)),
    "trace, deep": lambda: on(lstm(2, bidirectional=True, proj_size=3), lambda m: traced(m, lengths=LENGTHS)),
    "trace of some": lambda: on(lstm(), lambda m: traced(m, reset=MASK, names=["c", "i"])),
    "trace of an RNN": lambda: on(pylstm.RNN(4, 6, 2), traced),
    "out, fresh": lambda: into(lstm(), X, out_of()),
    "out, converted input": lambda: into(lstm(), X.tolist(), out_of()),
    "out with lengths": lambda: into(lstm(), X, out_of(), lengths=LENGTHS),
    "out with reset": lambda: into(lstm(), X, out_of(), reset=MASK),
    "out of a GRU": lambda: into(pylstm.GRU(4, 6), X, (out_of()[0], out_of()[1][0])),
    "out of a cell": lambda: in_place(pylstm.LSTMCell(4, 6), X[0], *(s[0].copy() for s in STATES)),
    "out of a GRU cell": lambda: in_place(pylstm.GRUCell(4, 6), X[0], STATES[0][0].copy()),
    "refused out": lambda: refused_out(lstm()),
    "refused dtype of out": lambda: refused_dtype_of_out(lstm()),
    "compressed": lambda: native(small(), lambda m: m(X, STATES)),
    "compressed, deep": lambda: native(small("int16", pylstm.LSTM, 3, bidirectional=True, proj_size=3), lambda m: m(X, lengths=LENGTHS)),
    "compressed GRU": lambda: native(small("int8-fast", pylstm.GRU, 2), lambda m: m(X, reset=MASK)),
    "compressed, packed": lambda: native(small("bfloat16", pylstm.RNN), lambda m: m(PACKED)),
    "compressed cell": lambda: native(small("float16", pylstm.LSTMCell), lambda m: m(X[0])),
    "compressed, shared": lambda: shared(cls=lambda *sizes: pylstm.compress(pylstm.LSTM(*sizes), "int8")),
    "compressed stream": lambda: streamed(small("int16", pylstm.GRU)),
    "compressed trace": lambda: on(small(), traced),
    "compress": lambda: on(lstm(2), lambda m: pylstm_arrays(pylstm.compress(m, "int8"))),
    "compress a tree": lambda: on(tagger(), lambda m: pylstm_arrays(pylstm.compress(m, "float16"))),
    "convert to int8": lambda: on(lstm(2), lambda m: m._native_convert("int8"), changes=True),
    "convert to float16": lambda: on(pylstm.GRUCell(4, 6), lambda m: m._native_convert("float16"), changes=True),
    "widen": lambda: on(small(), lambda m: m.float() and None, changes=True),
    "build a linear layer": lambda: Case(lambda: _core.Linear()._native_build(4, 6, dtype="float64"), native=True),
    "linear": lambda: native(LINEAR(), lambda module: module(X)),
    "linear out": lambda: native(LINEAR(), lambda module: module(X, out=np.empty((5, 3, 6), np.float32))),
    "linear strided": lambda: on(LINEAR(), lambda module: module(X4.transpose(2, 1, 0, 3))),
    "linear converted": lambda: on(LINEAR(), lambda module: module(X.astype(int))),
    "linear held": lambda: held_linear(),
    "linear wrong": lambda: on(LINEAR(), lambda module: raised(module, X[..., :3])),
    "linear wrong out": lambda: on(LINEAR(), lambda module: raised(module, X, out=X)),
    "build a convolution": lambda: Case(lambda: _core.Conv1d()._native_build(4, 6, 3), native=True),
    "conv": lambda: on(CONV(), lambda module: module(CONV_INPUT[0, :, :9])),
    "conv, long": lambda: on(CONV(padding=1), lambda module: module(CONV_INPUT)),
    "conv in groups": lambda: on(CONV(groups=2, bias=False), lambda module: module(CONV_INPUT)),
    "conv frames": lambda: native(CONV(), lambda m: m._native_convolve(X, 3, 1, 0, 1, 1, True)),
    "conv padded": lambda: native(CONV(), lambda m: m._native_padded(CONV_INPUT, 1, 0, 1, 1)),
    "conv wrong": lambda: on(CONV(), lambda module: raised(module, X[:3, 0])),
    "conv1d": lambda: Case(lambda: pylstm.functional.conv1d(CONV_INPUT, CONV_WEIGHT)),
    "build compressed": lambda: Case(lambda: _core.RNN()._native_build("LSTM", 4, 6, num_layers=2, proj_size=3, weights="int16"), native=True),
    "stored": lambda: stored_again(small()),
    "stored floats": lambda: stored_again(small("bfloat16", pylstm.GRU)),
    "load compressed": lambda: on(small("int16"), lambda m: m.load_state_dict(m.state_dict()) and None),
    "pickle compressed": lambda: on(small(), pickled),
    "refused by compressed": lambda: refused_by_compressed(small()),
    "generator": lambda: Case(seeds),
    "show_config": lambda: on(lstm(), lambda m: pylstm.show_config(m)),
    "pad": lambda: Case(lambda: rnn.pad_packed_sequence(packed_batch(), batch_first=True)[0]),
    "pack_padded": lambda: Case(lambda: rnn.pack_padded_sequence(X, [5, 3, 1])),
    "pack_padded unsorted": lambda: Case(
        lambda: rnn.pack_padded_sequence(X, np.array([2, 5, 1]), enforce_sorted=False)
    ),
    "pad in order": lambda: Case(lambda: rnn.pad_packed_sequence(IN_ORDER)),
    "pad longer": lambda: Case(lambda: rnn.pad_packed_sequence(PACKED, total_length=9)),
    "pad_sequence": lambda: Case(lambda: rnn.pad_sequence([X[:, 0], X[:2, 1]])),
    "unpack": lambda: Case(lambda: rnn.unpack_sequence(packed_batch())),
}  # fmt: skip


def prepare(name):
    """A fresh case, with the same bits every time."""
    pylstm.manual_seed(0)
    return CASES[name]()


def bits(value):
    """What a result is made of, as something that can be compared: dtypes, shapes and bytes."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, tuple | list):
        return tuple(map(bits, value))
    return None


def shape_for(part):
    """The shape of an input that a module takes."""
    if isinstance(part, pylstm.Conv1d):
        return part.in_channels, 9
    if isinstance(part, pylstm.Linear):
        return 2, part.in_features
    return (2, 2, part.input_size) if isinstance(part, _core.RNN) else (2, part.input_size)


def state_bits(modules):
    """Parameters of modules and what calls make of them."""
    results = []
    pylstm.manual_seed(2)  # masks
    for module in modules:
        for part in module.modules():
            if isinstance(part, _core.Layer):
                results.append(part(np.full(shape_for(part), 0.5)))
                results.append(list(part.state_dict().values()))
    return bits(results)
