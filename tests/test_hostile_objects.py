"""Objects that raise, lie or change the module while a call reads them: no crash, no wrong bits.

Every place that reads an object of the caller's meets objects that do, in the middle of it,
everything that can be done to a module. The call gives the result that it was made for or an
exception; the module is whole afterwards.
"""

import contextlib
import copy
import gc
import itertools
import pickle
import sys
import weakref

import numpy as np
import pytest
from reference import fractions
from support import assert_same_bits, reshape_in_place

import pylstm
from pylstm import GRU, LSTM, LSTMCell, RNNCell
from pylstm.utils import rnn

X = fractions(1, (5, 2, 4))
H, C = fractions(2, (1, 2, 3)), fractions(3, (1, 2, 3))
WEIGHT = fractions(4, (12, 4))


class Boom(Exception):
    """What hostile objects raise."""


def boom(module):
    raise Boom


def interrupt(module):
    raise KeyboardInterrupt


def load_other_values(module):
    module.load_state_dict({k: np.zeros(v.shape) for k, v in module.state_dict().items()})


def write_through_a_lease(module):
    for _, parameter in module.named_parameters():
        parameter[...] = 0.25


def empty_the_instance(module):
    vars(module).clear()


def become_another_class(module):
    module.__class__ = type("Other", (type(module),), {"forward": lambda self, *args: args})


def call_again(module):
    result = module(input_of(type(module)))
    assert np.isfinite(result[0]).all()


def hook(module):
    module.register_forward_hook(lambda module, args, output: output)


# What happens to the module in the middle of a call.
ACTS = {
    "raise": boom,
    "interrupt": interrupt,
    "build again": lambda module: module.__init__(7, 5),
    "build the same again": lambda module: module.__init__(4, 3),
    "double": lambda module: module.double(),
    "load": load_other_values,
    "write": write_through_a_lease,
    "reset": lambda module: module.reset_parameters(),
    "flatten": lambda module: module.flatten_parameters(),
    "share": lambda module: module._native_share(type(module)(9, 8)),
    "call": call_again,
    "hook": hook,
    "options": lambda module: module.train(False),
    "empty": empty_the_instance,
    "class": become_another_class,
    "collect": lambda module: gc.collect(),
    "copy": lambda module: (copy.copy(module), copy.deepcopy(module)),
    "seed": lambda module: pylstm.manual_seed(3),
    "threads": lambda module: pylstm.set_num_threads(2),
}


class Hostile:
    """Acts whenever it is asked for anything, and then gives what is wanted."""

    def __init__(self, act, value):
        self.act, self.value = act, value

    def __array__(self, dtype=None, copy=None):
        self.act()
        return np.array(self.value)

    def __index__(self):
        self.act()
        return self.value

    def __float__(self):
        self.act()
        return float(self.value)

    def __bool__(self):
        self.act()
        return bool(self.value)

    def __le__(self, other):
        self.act()
        return self.value <= other

    def __ge__(self, other):
        self.act()
        return self.value >= other

    def __lt__(self, other):
        self.act()
        return self.value < other


class HostileList(list):
    """Acts whenever it is measured or indexed."""

    act = staticmethod(lambda: None)

    def __len__(self):
        self.act()
        return super().__len__()

    def __getitem__(self, index):
        self.act()
        return super().__getitem__(index)

    def __iter__(self):
        self.act()
        return super().__iter__()


class HostileAttributes:
    """Acts whenever it is asked for an attribute of arrays; a number by its own account."""

    def __init__(self, act):
        self.act = act

    @property
    def ndim(self):
        self.act()
        return 0

    def __array__(self, dtype=None, copy=None):
        self.act()
        return np.array(0.5)

    def __float__(self):
        self.act()
        return 0.5


class HostileText:
    """Acts whenever it is compared or shown."""

    def __init__(self, act):
        self.act = act

    def __eq__(self, other):
        self.act()
        return False

    __hash__ = None

    def __str__(self):
        self.act()
        return "hostile"


class HostileMapping(dict):
    """Acts whenever it is read."""

    act = staticmethod(lambda: None)

    def __getitem__(self, key):
        self.act()
        return super().__getitem__(key)

    def items(self):
        self.act()
        return super().items()

    def keys(self):
        self.act()
        return super().keys()


def acting(cls, act, *values):
    made = cls(*values)
    made.act = act
    return made


def packed(data, batch_sizes):
    made = rnn.pack_sequence([X[:, 0], X[:, 1]])
    # The constructor would read them: what may come from another library is not read yet.
    return tuple.__new__(Packed, (data, batch_sizes, made.sorted_indices, made.unsorted_indices))


class Packed(rnn.PackedSequence):
    """A packed sequence of arguments that have not been checked."""


def refused_nonlinearity(module, act):
    module.nonlinearity = HostileText(act)
    with contextlib.suppress(RuntimeError):
        module(X[0])


def input_of(cls):
    """What a layer or a cell takes."""
    return X if issubclass(cls, pylstm._core.RNN) else X[0]


def traced(module, **given):
    """Results and two arrays of a trace."""
    trace = module.trace(X, **given)
    return trace.output, trace.h_n, trace.c_n, trace.i, trace.c


def fresh_out():
    return np.zeros((5, 2, 3), "f4"), (np.zeros((1, 2, 3), "f4"), np.zeros((1, 2, 3), "f4"))


def hostile_out(module, act):
    """Lists that act stand where out and its states do."""
    output, states = fresh_out()
    return module(X, out=acting(HostileList, act, [output, acting(HostileList, act, list(states))]))


def refused_out(module, act):
    output, (h_n, c_n) = fresh_out()
    for out in (
        (Hostile(act, output), (h_n, c_n)),
        (output, (h_n, Hostile(act, c_n))),
        Hostile(act, 1),
    ):
        with contextlib.suppress(TypeError, ValueError):
            module(X, out=out)
            raise AssertionError("an out that is no array came through")
    assert not output.any() and not h_n.any() and not c_n.any()


def refused_names(module, act):
    with contextlib.suppress(TypeError, ValueError):
        module.trace(X, names=[HostileText(act)])
        raise AssertionError("a name that is none came through")


FLAT = X.reshape(10, 4)
SIZES = np.full(5, 2)
LENGTHS, MASK = np.array([3, 5]), X[..., 0] > 0

# Where the object stands.
PLACES = {
    "input": (LSTM, lambda m, act: m(Hostile(act, X))),
    "h_0": (LSTM, lambda m, act: m(X, (Hostile(act, H), C))),
    "c_0": (LSTM, lambda m, act: m(X, (H, Hostile(act, C)))),
    "list of states": (LSTM, lambda m, act: m(X, acting(HostileList, act, [H, C]))),
    "nested lists": (LSTM, lambda m, act: m([[[Hostile(act, 0.5)] * 4]])),
    "list as input": (LSTM, lambda m, act: m(acting(HostileList, act, X.tolist()))),
    "lengths": (LSTM, lambda m, act: m(X, (H, C), lengths=Hostile(act, [3, 5]))),
    "reset": (GRU, lambda m, act: m(X, H, reset=Hostile(act, MASK))),
    "lengths in a list": (GRU, lambda m, act: m(X, lengths=acting(HostileList, act, [3, 5]))),
    "lengths of a trace": (LSTM, lambda m, act: m.trace(X, lengths=Hostile(act, [3, 5])).output),
    "reset of a trace": (GRU, lambda m, act: m.trace(X, H, reset=Hostile(act, MASK), names="h").h),
    "packed data": (LSTM, lambda m, act: m._run_packed(Hostile(act, FLAT), SIZES, None)),
    "packed sizes": (LSTM, lambda m, act: m._run_packed(FLAT, Hostile(act, SIZES), None)),
    "packed states": (LSTM, lambda m, act: m._run_packed(FLAT, SIZES, (H, Hostile(act, C)))),
    "packed sequence": (LSTM, lambda m, act: m(packed(Hostile(act, FLAT), Hostile(act, SIZES)))),
    "cell input": (LSTMCell, lambda m, act: m(Hostile(act, X[0]))),
    "cell h_0": (LSTMCell, lambda m, act: m(X[0], (Hostile(act, H[0]), C[0]))),
    "cell list": (LSTMCell, lambda m, act: m(X[0], acting(HostileList, act, [H[0], C[0]]))),
    "state of a GRU": (GRU, lambda m, act: m(X, Hostile(act, H))),
    "list as state": (GRU, lambda m, act: m(X, acting(HostileList, act, H.tolist()))),
    "in a list as state": (GRU, lambda m, act: m(X, [[[Hostile(act, 0.5)] * 3] * 2])),
    "attributes of what is in a list": (GRU, lambda m, act: m(X, [[[HostileAttributes(act)] * 3] * 2])),
    "packed state of a GRU": (GRU, lambda m, act: m._run_packed(FLAT, SIZES, Hostile(act, H))),
    "state of a cell": (RNNCell, lambda m, act: m(X[0], Hostile(act, H[0]))),
    "nonlinearity": (RNNCell, lambda m, act: setattr(m, "nonlinearity", HostileText(act))),
    "text of a nonlinearity": (RNNCell, refused_nonlinearity),
    "list as lengths": (GRU, lambda m, act: m(X, lengths=acting(HostileList, act, LENGTHS.tolist()))),
    "in a list as lengths": (LSTM, lambda m, act: m(X, lengths=[Hostile(act, 3), Hostile(act, 5)])),
    "input beside lengths": (LSTM, lambda m, act: m(Hostile(act, X), lengths=LENGTHS)),
    "list as reset": (GRU, lambda m, act: m(X, reset=acting(HostileList, act, MASK.tolist()))),
    "in a list as reset": (LSTM, lambda m, act: m(X, reset=[[Hostile(act, bool(b)) for b in row] for row in MASK])),
    "h_0 beside reset": (LSTM, lambda m, act: m(X, (Hostile(act, H), C), reset=MASK)),
    "names of a trace": (LSTM, lambda m, act: traced(m, names=acting(HostileList, act, ["i", "c"]))),
    "a name of a trace": (LSTM, refused_names),
    "out": (LSTM, hostile_out),
    "arrays in out": (LSTM, refused_out),
    "input beside out": (LSTM, lambda m, act: m(Hostile(act, X), out=fresh_out())),
    "_build of a GRU": (GRU, lambda m, act: m._native_build("GRU", Hostile(act, 4), 3, num_layers=Hostile(act, 2))),
    "parameter": (LSTM, lambda m, act: setattr(m, "weight_ih_l0", Hostile(act, WEIGHT))),
    "state_dict value": (LSTM, lambda m, act: m.load_state_dict({**m.state_dict(), "weight_ih_l0": Hostile(act, WEIGHT)})),
    "state_dict": (LSTM, lambda m, act: m.load_state_dict(acting(HostileMapping, act, m.state_dict()))),
    "assign": (LSTM, lambda m, act: m.load_state_dict({k: Hostile(act, v.astype(float)) for k, v in m.state_dict().items()}, assign=True)),
    "native assign": (LSTM, lambda m, act: m._native_assign(acting(HostileMapping, act, m.state_dict()))),
    "input_size": (LSTM, lambda m, act: m.__init__(Hostile(act, 4), 3)),
    "hidden_size": (LSTM, lambda m, act: m.__init__(4, Hostile(act, 3))),
    "num_layers": (LSTM, lambda m, act: m.__init__(4, 3, Hostile(act, 2))),
    "bidirectional": (LSTM, lambda m, act: m.__init__(4, 3, bidirectional=Hostile(act, 1))),
    "proj_size": (LSTM, lambda m, act: m.__init__(4, 3, proj_size=Hostile(act, 2))),
    "cell sizes": (LSTMCell, lambda m, act: m.__init__(Hostile(act, 4), Hostile(act, 3), Hostile(act, 1))),
    "_build": (LSTM, lambda m, act: m._native_build("LSTM", Hostile(act, 4), 3, bias=Hostile(act, 1), bidirectional=Hostile(act, 0))),
    "dropout": (LSTM, lambda m, act: setattr(m, "dropout", Hostile(act, 0.5))),
    "batch_first": (LSTM, lambda m, act: setattr(m, "batch_first", Hostile(act, 0))),
    "training": (LSTM, lambda m, act: setattr(m, "training", Hostile(act, 1))),
    "seed": (LSTM, lambda m, act: pylstm._core.manual_seed(Hostile(act, 1))),
    "generator state": (LSTM, lambda m, act: pylstm.set_rng_state(Hostile(act, pylstm.get_rng_state()))),
    "thread count": (LSTM, lambda m, act: pylstm._core.set_num_threads(Hostile(act, 2))),
}  # fmt: skip

# Calls: what they compute with was settled before the object was asked.
CALLS = {
    "input", "h_0", "c_0", "list of states", "nested lists", "list as input", "packed data",
    "packed sizes", "packed states", "cell input", "cell h_0", "cell list", "state of a GRU",
    "list as state", "in a list as state", "attributes of what is in a list",
    "packed state of a GRU", "state of a cell", "lengths", "list as lengths", "in a list as lengths",
    "input beside lengths", "reset", "list as reset", "in a list as reset", "h_0 beside reset",
    "lengths in a list", "lengths of a trace", "reset of a trace", "out", "input beside out",
}  # fmt: skip
ALLOWED = (
    Boom, KeyboardInterrupt, TypeError, ValueError, RuntimeError, KeyError, IndexError,
    AttributeError, MemoryError,
)  # fmt: skip


def make(cls):
    pylstm.manual_seed(11)
    return cls(4, 3)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("place", PLACES)
def test_what_happens_in_the_middle(place, act):
    cls, call = PLACES[place]
    expected = call(make(cls), lambda: None)
    module, depth = make(cls), []

    def once():
        if not depth:  # what it does may ask it again
            depth.append(True)
            ACTS[act](module)

    try:
        result = call(module, once)
    except ALLOWED:
        result = None
    if result is not None and place in CALLS and act != "class":
        assert_same_bits(arrays(result), arrays(expected))
    module.__class__ = cls
    module.__init__(4, 3)  # whatever has become of it
    fresh = pickle.loads(pickle.dumps(module))
    x = input_of(cls)
    assert_same_bits(module(x), fresh(x))
    assert module._native_leases == 0


def arrays(result):
    """The arrays of a result; a packed output is its data."""
    if isinstance(result, rnn.PackedSequence):
        return result.data
    return [arrays(part) for part in result] if isinstance(result, tuple) else result


# ---------------------------------------------------------------------------- the collector


def shapes_of(array):
    """Other shapes and dtypes that the array can be given in place."""
    yield from ((array.size,), (1, array.size), (1,) * 5 + array.shape, array.shape[::-1])


@pytest.mark.parametrize("kind", ["fits", "converted", "strided"])
@pytest.mark.parametrize(
    "case",
    ["dense", "batch first", "unbatched", "packed", "cell", "lengths", "reset", "trace", "out"],
)
def test_arrays_that_the_collector_reshapes(case, kind):
    """The collector may run between the checks and the call, and with it code that reshapes."""
    module = make(LSTMCell if case == "cell" else LSTM)
    module.batch_first = case == "batch first"

    def operands():
        x, h, c = X.copy(), H.copy(), C.copy()
        if case == "cell":
            x, h, c = x[0].copy(), h[0].copy(), c[0].copy()
        elif case == "unbatched":
            x, h, c = x[:, 0].copy(), h[:, 0].copy(), c[:, 0].copy()
        elif case == "packed":
            x = x.reshape(10, 4)
        elif case == "batch first":
            x = x.swapaxes(0, 1).copy()
        made = [
            array.astype(np.float64 if kind == "converted" else np.float32) for array in (x, h, c)
        ]
        return [np.repeat(array, 2, 0)[::2] for array in made] if kind == "strided" else made

    def call(x, h, c):
        sizes = SIZES.copy()
        arrays.append(sizes)
        if case == "out":
            output, states = fresh_out()
            arrays.extend([output, *states])
            return module(x, (h, c), out=(output, states))
        if case in ("lengths", "trace"):
            lengths = np.array([3, 5], np.int64 if kind == "fits" else np.int16)
            arrays.append(lengths)
            if case == "trace":
                trace = module.trace(x, (h, c), lengths=lengths)
                return [trace.output, trace.h_n, trace.c_n, trace.c, trace.o]
            return module(x, (h, c), lengths=lengths)
        if case == "reset":
            mask = MASK.copy(order="F" if kind == "strided" else "C")
            arrays.append(mask)
            return module(x, (h, c), reset=mask)
        return module._run_packed(x, sizes, (h, c)) if case == "packed" else module(x, (h, c))

    def reshape(phase, info):
        collections.append(phase)
        if len(collections) != turn:
            return
        for array in arrays:
            for shape in shapes_of(array):
                try:
                    reshape_in_place(array, shape)
                    reshaped.append(shape)
                    break
                except (AttributeError, ValueError):  # not without a copy
                    continue

    arrays, reshaped = [], []
    expected = call(*operands())
    threshold, results, kept = gc.get_threshold(), 0, []
    for turn, spare in itertools.product(range(1, 8), range(3)):
        arrays[:] = operands()
        collections = []
        kept.clear()
        kept += [(i, -i) for i in range(5000)]  # no freed tuple is left to be used again
        gc.callbacks.append(reshape)
        gc.set_threshold(1)  # every other new object that it knows of
        kept += [[] for _ in range(spare)]
        try:
            result = call(*arrays)
        except (ValueError, RuntimeError, TypeError):  # it came before the checks
            continue
        finally:
            gc.callbacks.remove(reshape)
            gc.set_threshold(*threshold)
        assert_same_bits(result, expected)
        results += len(collections) >= turn
    # A cell makes one object that it knows of, and with out there is none; from Python 3.12 on it
    # never runs within a call.
    assert results or case in ("cell", "out") or sys.version_info >= (3, 12)
    assert reshaped or not results


# ---------------------------------------------------------------------------- lies


class Lies:
    """Claims a shape, and gives another array each time it is asked."""

    def __init__(self, claimed, *given):
        self.shape, self.given = claimed, list(given)

    def __array__(self, dtype=None, copy=None):
        return self.given.pop(0) if len(self.given) > 1 else self.given[0]


@pytest.mark.parametrize(
    "given", [np.zeros(5), np.zeros((12, 4), complex), np.zeros((12, 4), object), np.zeros(0)]
)
def test_a_shape_that_is_a_lie(given):
    lstm = make(LSTM)
    before = lstm(X)
    with pytest.raises(RuntimeError, match="weight_ih_l0"):
        lstm.load_state_dict({**lstm.state_dict(), "weight_ih_l0": Lies((12, 4), given)})
    with pytest.raises((ValueError, TypeError)):
        lstm.weight_ih_l0 = Lies((12, 4), given)
    with pytest.raises((ValueError, TypeError, RuntimeError)):
        lstm(Lies((5, 2, 4), given))
    assert_same_bits(lstm(X), before)


@pytest.mark.parametrize("given", [None, 3, "text", [1.0], X.tolist(), object()])
def test_an_array_that_is_none(given):
    lstm = make(LSTM)
    with pytest.raises((ValueError, TypeError)):
        lstm(Lies((5, 2, 4), given))
    with pytest.raises((ValueError, TypeError)):
        lstm(X, (H, Lies((1, 2, 3), given)))


class Length(list):
    """A list of two that says what it likes about its length."""

    def __init__(self, length):
        super().__init__([H, C])
        self.length = length

    def __len__(self):
        return self.length() if callable(self.length) else self.length


@pytest.mark.parametrize(
    ("length", "error"),
    [
        (2**62, RuntimeError),  # three states or more
        (3, RuntimeError),
        (1, IndexError),
        (0, IndexError),
        (-1, ValueError),
        (2**64, OverflowError),
        ("two", TypeError),
        (lambda: 1 / 0, ZeroDivisionError),
    ],
)
def test_a_length_that_is_a_lie(length, error):
    lstm = make(LSTM)
    with pytest.raises(error):
        lstm(X, Length(length))
    with pytest.raises((ValueError, TypeError)):  # as an input: NumPy looks at what is there
        lstm(Length(length))


@pytest.mark.parametrize("index", [-5, 0, 2**62, 2**70, 1.5, "three", None])
def test_an_index_that_is_a_lie(index):
    class Size(Hostile):
        def __index__(self):
            return index

    lstm = make(LSTM)
    before = lstm(X)
    for arguments in [(Size(boom, 4), 3), (4, Size(boom, 3)), (4, 3, Size(lambda: None, 2))]:
        with pytest.raises((ValueError, TypeError, MemoryError)):
            lstm.__init__(*arguments)
        with pytest.raises((ValueError, TypeError, MemoryError)):
            lstm._native_build("LSTM", *arguments[:2], num_layers=(*arguments, 1)[2])
    if index != 0:  # a cell without units is a cell
        with pytest.raises((RuntimeError, TypeError, MemoryError)):
            LSTMCell(Size(boom, 4), Size(boom, 3))
    assert_same_bits(lstm(X), before)


def test_a_device_that_is_no_cpu_and_a_tensor_that_is_none():
    class Tensor:
        """Raises for everything that is asked of a tensor, but has a detach()."""

        def __getattr__(self, name):
            if name == "detach":
                return lambda: X
            raise Boom(name)

    lstm = make(LSTM)
    assert_same_bits(lstm(Tensor()), lstm(X))

    class Detaches(Tensor):
        def detach(self):
            raise Boom

    with pytest.raises(Boom):
        lstm(Detaches())


# ---------------------------------------------------------------------------- subclasses


class Sub(np.ndarray):
    """A subclass that must not see its own arithmetic used, nor come back."""

    def __array_finalize__(self, other):
        self.seen = getattr(other, "seen", 0) + 1

    def __array_function__(self, *args):
        raise Boom

    def __array_ufunc__(self, *args, **kwargs):
        raise Boom

    def __getitem__(self, index):
        raise Boom

    def __len__(self):
        raise Boom


def test_subclasses_of_ndarray_are_arrays():
    lstm, cell = make(LSTM), make(LSTMCell)
    for dtype in (np.float32, np.float64, np.float16, ">f4"):
        x, h, c = (a.astype(dtype) for a in (X, H, C))
        sub = [a.view(Sub) for a in (x, h, c)]
        result = lstm(sub[0], sub[1:])
        assert_same_bits(result, lstm(x, (h, c)))
        assert all(type(a) is np.ndarray for a in (result[0], *result[1]))
        result = cell(x[0].view(Sub), (h[0].view(Sub), c[0].view(Sub)))
        assert_same_bits(result, cell(x[0], (h[0], c[0])))
        assert all(type(a) is np.ndarray for a in result)
    stacked = np.stack([H[:, 0], C[:, 0]])
    assert_same_bits(lstm(X[:, 0], stacked.view(Sub)), lstm(X[:, 0], stacked))


def test_matrices_and_memmaps(tmp_path):
    lstm = make(LSTM)
    matrix = X[:, 0].view(np.matrix)
    assert_same_bits(lstm(matrix), lstm(X[:, 0]))
    mapped = np.memmap(tmp_path / "x", np.float32, "w+", shape=X.shape)
    mapped[...] = X
    output, _ = lstm(mapped)
    assert type(output) is np.ndarray
    assert_same_bits(output, lstm(np.array(mapped))[0])


# ---------------------------------------------------------------------------- memory


def test_arrays_that_are_let_go_in_the_middle():
    lstm = make(LSTM)
    x = X.astype(np.float32)
    expected = lstm(x, (H, C))
    arguments = {"input": x, "hx": None}
    del x

    class LetsGo:
        """Drops the caller's last references to input and states."""

        def __array__(self, dtype=None, copy=None):
            arguments.clear()
            gc.collect()
            return H

    arguments["hx"] = (LetsGo(), C.copy())
    assert_same_bits(lstm(**arguments), expected)
    states = [LetsGo(), C.copy()]
    states[0].__class__.__array__ = lambda self, *args, **kwargs: (states.clear(), H)[1]
    with pytest.raises(IndexError):
        lstm(X, states)


def test_an_array_cannot_be_resized_under_a_call():
    lstm = make(LSTM)
    x = X.astype(np.float32)
    expected = lstm(x, (H, C))
    refused = []

    class Resizes:
        def __array__(self, dtype=None, copy=None):
            try:
                x.resize((1,))
            except ValueError as error:
                refused.append(error)
            return H

    assert_same_bits(lstm(x, (Resizes(), C)), expected)
    assert refused


def test_the_last_reference_to_a_module_may_go_in_the_middle():
    modules = [make(LSTM)]
    expected = modules[0](X)
    dead = []
    weakref.finalize(modules[0], dead.append, True)

    class Forgets:
        def __array__(self, dtype=None, copy=None):
            modules.clear()
            gc.collect()
            return X

    assert_same_bits(modules[0](Forgets()), expected)
    assert dead


@pytest.mark.parametrize("cls", [LSTM, LSTMCell, GRU, RNNCell])
def test_cycles_through_modules_hooks_and_leases_are_collected(cls):
    module = make(cls)
    module.others = [module]
    module.lease = next(iter(module.parameters()))
    module.child = pylstm.Module()
    module.child.parent = [module]
    module.register_forward_hook(lambda self, args, output, module=module: None)
    module.forward = lambda *args, module=module: cls.forward(module, *args)
    module(input_of(cls))
    alive = weakref.ref(module)
    lease = weakref.ref(module.lease)
    del module
    gc.collect()
    assert alive() is None
    assert lease() is None


def test_a_finalizer_may_use_and_save_its_module():
    saved, outputs = [], []

    class Saves(LSTM):
        def __del__(self):
            outputs.append(self(X))
            saved.append(self)

    module = Saves(4, 3)
    module.me = module
    expected = module(X)
    del module
    gc.collect()
    assert_same_bits(outputs[0], expected)
    assert_same_bits(saved[0](X), expected)
    Saves.__del__ = lambda self: None


class Rows(tuple):
    """A tuple of a class of its own, as packed sequences are."""


class Raising(tuple):
    @property
    def batch_sizes(self):
        raise Boom


def test_tuples_of_other_classes():
    lstm = make(LSTM)
    assert_same_bits(lstm(Rows(X.tolist())), lstm(X))
    with pytest.raises(Boom):
        lstm(Raising(X.tolist()))


def test_what_the_native_types_refuse():
    lstm = make(LSTM)
    for name in ("dropout", "batch_first", "training", "_native_direct"):
        with pytest.raises(AttributeError, match="cannot be deleted"):
            delattr(lstm, name)
    for dtype in (3, None, "half", "\ud800"):
        with pytest.raises((TypeError, ValueError)):
            lstm._native_convert(dtype)
    for sizes in ((0, 3, 1), (4, 0, 1), (4, 3, 0)):
        with pytest.raises(ValueError, match="at least 1"):
            lstm._native_build("LSTM", *sizes[:2], num_layers=sizes[2])
    with pytest.raises(ValueError, match="not negative"):
        make(LSTMCell)._native_build("LSTM", -1, 3)
    assert lstm._native_dtype == np.float32
