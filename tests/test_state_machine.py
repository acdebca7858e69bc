"""Any sequence of constructing, assigning, loading, calling, copying, pickling, forking, threading.

A model keeps every module's parameters as plain NumPy arrays. After each step the modules' own
parameters have the model's bits. A call agrees with the float64 reference, and has the bits of a fresh
module with the model's parameters.
"""

import copy
import gc
import os
import pickle
import threading
import warnings

import reference
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from reference import fractions
from support import as_hx, assert_same_bits, flatten, kind_of, largest_error

import pylstm

SEEDS = st.integers(0, 999)
PICK = st.integers(0, 10**6)
DTYPES = st.sampled_from(["float32", "float64"])
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}
MOST_MODULES = 5


class Model:
    """What is known of one module; shallow copies share `parameters`."""

    def __init__(self, module, arguments, parameters=None):
        self.module = module
        self.arguments = arguments  # of the constructor, but for the dtype
        self.parameters = parameters or snapshot(module)

    @property
    def dtype(self):
        return next(iter(self.parameters.values())).dtype.name

    def fresh(self):
        """Another module with the same parameters."""
        module = type(self.module)(**self.arguments, dtype=self.dtype)
        module.load_state_dict(self.parameters)
        return module

    def expected(self, x, hx):
        """What the reference says."""
        if is_cell(self.module):
            return reference.cell(kind_of(self.module), self.parameters, x, hx)
        batch_first = self.arguments.get("batch_first", False)
        return reference.layer(
            kind_of(self.module), self.parameters, x, hx, batch_first=batch_first
        )


def largest(result):
    """The largest absolute value: a relu network is not bounded by 1."""
    return max(float(abs(array).max(initial=0.0)) for array in flatten(result))


def is_cell(module):
    return type(module).__name__.endswith("Cell")


def snapshot(module):
    return {name: value.copy() for name, value in module.state_dict().items()}


def values_for(parameters, seed, dtype):
    return {
        name: fractions(seed + index, value.shape, 0.5).astype(dtype)
        for index, (name, value) in enumerate(parameters.items())
    }


@st.composite
def lstm_arguments(draw):
    hidden = draw(st.sampled_from([1, 3, 8, 17, 64]))
    return {
        "input_size": draw(st.sampled_from([1, 4, 33])),
        "hidden_size": hidden,
        "num_layers": draw(st.integers(1, 3)),
        "bias": draw(st.booleans()),
        "batch_first": draw(st.booleans()),
        "bidirectional": draw(st.booleans()),
        "proj_size": draw(st.integers(0, min(hidden - 1, 4))),
    }


def arguments_of(cls, arguments):
    """Those of `arguments`, of an LSTM, that a class takes."""
    absent = set() if cls is pylstm.LSTM else {"proj_size"}
    if cls.__name__.endswith("Cell"):
        absent |= arguments.keys() - {"input_size", "hidden_size", "bias", "nonlinearity"}
    if not cls.__name__.startswith("RNN"):
        absent |= {"nonlinearity"}
    return {name: value for name, value in arguments.items() if name not in absent}


OTHERS = st.sampled_from([pylstm.GRU, pylstm.GRUCell, pylstm.RNN, pylstm.RNNCell])
ACTIVATIONS = st.sampled_from(["tanh", "relu"])
CELL_ARGUMENTS = st.fixed_dictionaries(
    {
        "input_size": st.sampled_from([1, 4, 33]),
        "hidden_size": st.sampled_from([1, 3, 8, 17, 64]),
        "bias": st.booleans(),
    }
)


CALL = {
    "number": PICK,
    "seed": SEEDS,
    "steps": st.sampled_from([1, 2, 5, 30]),
    "batch": st.sampled_from([1, 2, 7, 32]),
    "given": st.booleans(),
    "dtype": DTYPES,
}


class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.models = []
        self.leases = []  # (model.parameters, name, array)

    def pick(self, number):
        return self.models[number % len(self.models)]

    def add(self, model):
        self.models.append(model)
        del self.models[:-MOST_MODULES]

    # ---- making modules

    @rule(arguments=lstm_arguments(), dtype=DTYPES, seed=SEEDS)
    def construct(self, arguments, dtype, seed):
        pylstm.manual_seed(seed)
        self.add(Model(pylstm.LSTM(**arguments, dtype=dtype), arguments))

    @rule(arguments=CELL_ARGUMENTS, dtype=DTYPES, seed=SEEDS)
    def construct_cell(self, arguments, dtype, seed):
        pylstm.manual_seed(seed)
        self.add(Model(pylstm.LSTMCell(**arguments, dtype=dtype), arguments))

    @rule(cls=OTHERS, arguments=lstm_arguments(), activation=ACTIVATIONS, dtype=DTYPES, seed=SEEDS)
    def construct_another_kind(self, cls, arguments, activation, dtype, seed):
        pylstm.manual_seed(seed)
        arguments = arguments_of(cls, arguments | {"nonlinearity": activation})
        self.add(Model(cls(**arguments, dtype=dtype), arguments))

    @precondition(lambda self: any(isinstance(m.module, pylstm.RNNCell) for m in self.models))
    @rule(number=PICK, activation=ACTIVATIONS)
    def change_the_activation(self, number, activation):
        cells = [m for m in self.models if isinstance(m.module, pylstm.RNNCell)]
        model = cells[number % len(cells)]
        model.module.nonlinearity = activation
        model.arguments = model.arguments | {"nonlinearity": activation}

    @precondition(lambda self: self.models)
    @rule(number=PICK, arguments=lstm_arguments(), activation=ACTIVATIONS, dtype=DTYPES)
    def construct_again(self, number, arguments, activation, dtype):
        model = self.pick(number)
        arguments = arguments_of(type(model.module), arguments | {"nonlinearity": activation})
        model.module.__init__(**arguments, dtype=dtype)
        model.arguments, model.parameters = arguments, snapshot(model.module)

    @precondition(lambda self: self.models)
    @rule(number=PICK, protocol=st.integers(2, pickle.HIGHEST_PROTOCOL))
    def pickle(self, number, protocol):
        model = self.pick(number)
        module = pickle.loads(pickle.dumps(model.module, protocol))
        self.add(Model(module, model.arguments, copy.deepcopy(model.parameters)))

    @precondition(lambda self: self.models)
    @rule(number=PICK)
    def deepcopy(self, number):
        model = self.pick(number)
        module = copy.deepcopy(model.module)
        self.add(Model(module, model.arguments, copy.deepcopy(model.parameters)))

    @precondition(lambda self: self.models)
    @rule(number=PICK)
    def copy(self, number):
        model = self.pick(number)
        self.add(Model(copy.copy(model.module), model.arguments, model.parameters))

    @precondition(lambda self: self.models)
    @rule(number=PICK)
    def forget(self, number):
        del self.models[number % len(self.models)]
        gc.collect()

    # ---- changing parameters

    @precondition(lambda self: self.models)
    @rule(number=PICK, which=PICK, seed=SEEDS)
    def assign(self, number, which, seed):
        model = self.pick(number)
        name = [*model.parameters][which % len(model.parameters)]
        value = values_for(model.parameters, seed, "float64")[name]
        setattr(model.module, name, value)
        model.parameters[name][...] = value

    @precondition(lambda self: self.models)
    @rule(number=PICK, which=PICK, seed=SEEDS, keep=st.booleans())
    def write(self, number, which, seed, keep):
        model = self.pick(number)
        name = [*model.parameters][which % len(model.parameters)]
        array = getattr(model.module, name)
        value = values_for(model.parameters, seed, model.dtype)[name]
        array[...] = value
        model.parameters[name][...] = value
        if keep:
            self.leases.append((model.parameters, name, array))

    @precondition(lambda self: self.leases)
    @rule(number=PICK, seed=SEEDS)
    def write_through_a_kept_array(self, number, seed):
        """It may belong to a block that no module has any more."""
        parameters, name, array = self.leases[number % len(self.leases)]
        array[...] = values_for(parameters, seed, array.dtype)[name]
        parameters[name][...] = array

    @precondition(lambda self: self.leases)
    @rule(number=PICK, where=PICK, value=st.sampled_from([0.5, -0.25, 0.0, -0.0]))
    def write_one_value_through_a_kept_array(self, number, where, value):
        parameters, name, array = self.leases[number % len(self.leases)]
        array.reshape(-1)[where % array.size] = value
        parameters[name].reshape(-1)[where % array.size] = value

    @precondition(lambda self: self.models)
    @rule(number=PICK, keep=st.booleans())
    def loop_over_parameters(self, number, keep):
        model = self.pick(number)
        held = dict(model.module.named_parameters())
        if keep:
            self.leases += [(model.parameters, name, array) for name, array in held.items()]

    @rule()
    def let_arrays_go(self):
        self.leases.clear()

    @precondition(lambda self: self.leases)
    @rule(number=PICK)
    def let_one_array_go(self, number):
        self.leases.pop(number % len(self.leases))

    @precondition(lambda self: self.models)
    @rule(number=PICK, seed=SEEDS, dtype=DTYPES, assign=st.booleans())
    def load(self, number, seed, dtype, assign):
        model = self.pick(number)
        values = values_for(model.parameters, seed, dtype)
        model.module.load_state_dict(values, assign=assign)
        if assign and dtype != model.dtype:
            model.parameters = values  # a block of its own from now on
        else:
            for name, value in values.items():
                model.parameters[name][...] = value

    @precondition(lambda self: self.models)
    @rule(number=PICK, dtype=DTYPES)
    def convert(self, number, dtype):
        model = self.pick(number)
        model.module.to(dtype)
        if dtype != model.dtype:
            model.parameters = {
                name: value.astype(dtype) for name, value in model.parameters.items()
            }

    @precondition(lambda self: self.models)
    @rule(number=PICK, seed=SEEDS)
    def reset(self, number, seed):
        model = self.pick(number)
        pylstm.manual_seed(seed)
        model.module.reset_parameters()
        pylstm.manual_seed(seed)
        again = type(model.module)(**model.arguments, dtype=model.dtype)
        for name, value in again.state_dict().items():
            model.parameters[name][...] = value

    # ---- calls

    def operands(self, model, seed, steps, batch, given, dtype):
        """An input for the model, and states or None."""
        arguments = model.arguments
        size = arguments["input_size"]
        if is_cell(model.module):
            shape, states = (batch, size), [(batch, arguments["hidden_size"])] * 2
        else:
            shape = (batch, steps, size) if arguments["batch_first"] else (steps, batch, size)
            layers = arguments["num_layers"] * (2 if arguments["bidirectional"] else 1)
            out = arguments.get("proj_size") or arguments["hidden_size"]
            states = [(layers, batch, out), (layers, batch, arguments["hidden_size"])]
        x = fractions(seed, shape).astype(dtype)
        states = states[: reference.KINDS[kind_of(model.module)].states]
        hx = [fractions(seed + 1 + i, state).astype(dtype) for i, state in enumerate(states)]
        return x, (as_hx(hx) if given else None)

    def check(self, model, x, hx, *results):
        """Compare results of a call with the reference, and their bits with a fresh module's."""
        for result in results:
            expected = model.expected(x, hx)
            bound = TOLERANCE[model.dtype] * max(1.0, largest(expected))
            assert largest_error(result, expected) < bound
            assert_same_bits(result, model.fresh()(x, hx))

    @precondition(lambda self: self.models)
    @rule(**CALL)
    def call(self, number, **operands):
        model = self.pick(number)
        x, hx = self.operands(model, **operands)
        self.check(model, x, hx, model.module(x, hx))

    @precondition(lambda self: self.models)
    @rule(calls=st.integers(2, 9), **CALL)
    def call_again(self, number, calls, **operands):
        """Calls with nothing between them: what later ones prepare for themselves is used."""
        model = self.pick(number)
        x, hx = self.operands(model, **operands)
        self.check(model, x, hx, *[model.module(x, hx) for _ in range(calls)])

    @precondition(lambda self: self.models)
    @rule(**CALL)
    def call_in_threads(self, number, **operands):
        model = self.pick(number)
        x, hx = self.operands(model, **operands)
        results = []
        threads = [
            threading.Thread(target=lambda: results.append(model.module(x, hx))) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(results) == 3
        self.check(model, x, hx, *results)

    @precondition(lambda self: self.models and hasattr(os, "fork"))
    @rule(**CALL)
    def call_in_a_fork(self, number, **operands):
        model = self.pick(number)
        x, hx = self.operands(model, **operands)
        received = in_a_fork(lambda: b"".join(a.tobytes() for a in flatten(model.module(x, hx))))
        result = model.module(x, hx)
        assert received == b"".join(array.tobytes() for array in flatten(result))
        self.check(model, x, hx, result)

    @rule(threads=st.integers(1, 3))
    def set_threads(self, threads):
        pylstm.set_num_threads(threads)

    # ---- what always holds

    @invariant()
    def parameters_are_those_of_the_model(self):
        for model in self.models:
            state = model.module.state_dict()
            assert [*state] == [*model.parameters]
            assert_same_bits([*state.values()], [*model.parameters.values()])
            kept = sum(parameters is model.parameters for parameters, _, _ in self.leases)
            assert model.module._native_leases == kept


def in_a_fork(work):
    """The bytes that `work` returns in a child process."""
    source, sink = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads, and that they are not copied
        child = os.fork()
    if child == 0:
        status = 1
        try:
            with os.fdopen(sink, "wb") as stream:
                stream.write(work())
            status = 0
        finally:
            os._exit(status)
    os.close(sink)
    with os.fdopen(source, "rb") as stream:
        received = stream.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return received


TestSequences = Machine.TestCase
TestSequences.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,  # a change is judged by what it breaks, not by luck
    suppress_health_check=[HealthCheck.too_slow],
)
