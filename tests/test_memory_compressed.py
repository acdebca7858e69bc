"""What compressed modules weigh: their memory beside that of float modules, and what threads do to it."""

import gc
import itertools
import os
import pickle
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from reference_weights import STORAGES
from support import assert_same_bits, layer_of, with_parameters

import pylstm

# Of the bytes of a float module that has been called: parameters, and their packed copy.
SHARES = {"int8": 0.3, "int8-fast": 0.3, "int16": 0.55, "bfloat16": 0.55, "float16": 0.55}
every_storage = pytest.mark.parametrize("weights", STORAGES)


def traced_bytes(make):
    """The module that `make` gives, and the bytes that it holds after a call."""
    make()  # what is imported and cached stays
    gc.collect()
    tracemalloc.start()
    try:
        module = make()
        module(np.zeros((2, 1, module.input_size), "f4"))
        gc.collect()
        return module, tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


SIZES = [
    ("LSTM", (64, 64), {}),
    ("LSTM", (65, 65), {}),
    ("LSTM", (100, 130, 2), {"bidirectional": True, "proj_size": 40}),
    ("LSTM", (300, 257), {"peepholes": True}),
    ("GRU", (64, 64), {}),
    ("GRU", (70, 70), {}),
    ("GRU", (71, 100, 2), {"bidirectional": True}),
    ("GRU", (128, 128), {"reset_after": False}),
    ("RNN_RELU", (128, 128, 3), {}),
]
# Rows of few inputs, whose scales and biases count, and modules of which Python's objects are a large part:
# what these take of a float module, with 8 and with 16 bits.
LARGER = [
    ("LSTM", (33, 65), 0.32, 0.55),
    ("LSTM", (1, 65), 0.35, 0.57),
    ("RNN_TANH", (64, 64), 0.32, 0.55),
    ("RNN_TANH", (64, 70), 0.32, 0.55),
]


def check_bytes(weights, make, share):
    floats, expected = traced_bytes(make)
    small, held = traced_bytes(lambda: pylstm.compress(floats, weights))
    count = sum(value.nbytes for value in floats.state_dict().values())
    # Two copies, padded to whole vectors of units, and 4 kB of Python's objects.
    assert 2 * count <= expected <= 2.6 * count + 4000
    assert held <= share * expected
    small._native_assign(
        {"weight_hh_l0": np.ones(small._native_parameter("weight_hh_l0").shape, "f4")}
    )
    _, again = traced_bytes(lambda: pickle.loads(pickle.dumps(small)))
    assert again <= held + 8000


@pytest.mark.parametrize(("kind", "sizes", "options"), SIZES, ids=str)
@every_storage
def test_bytes_of_a_module(weights, kind, sizes, options):
    check_bytes(weights, lambda: layer_of(kind, *sizes, **options), SHARES[weights])


@pytest.mark.parametrize(("kind", "sizes", "eight", "sixteen"), LARGER, ids=str)
@every_storage
def test_bytes_of_a_module_that_takes_more(weights, kind, sizes, eight, sixteen):
    share = eight if weights.startswith("int8") else sixteen
    check_bytes(weights, lambda: layer_of(kind, *sizes), share)


RESIDENT = """
import re, sys
import numpy as np
import pylstm

def resident():
    with open("/proc/self/status") as file:
        return int(re.search(r"VmRSS:\\s+(\\d+)", file.read())[1]) * 1024

weights = sys.argv[1]
pylstm.LSTM(8, 8)(np.zeros((2, 1, 8), "f4"))
before = resident()
holder = pylstm.LSTM.__new__(pylstm.LSTM)
holder.__init__(4, 4)
holder._native_build("LSTM", 1024, 1024, num_layers=2, **({} if weights == "float32" else {"weights": weights}))
x = np.zeros((2, 1, 1024), "f4")
ones = np.full((4096, 1024), 0.01, "f4")
for name in holder._native_names:
    if name.startswith("weight"):
        holder._native_assign({name: ones})
del ones
pylstm._core.RNN.forward(holder, x)
print(resident() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only /proc tells VmRSS")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="freed memory is kept")
def test_resident_memory_of_a_large_module():
    """Two layers of 1024 units: 67 MB of float32, twice."""
    grown, paths = {}, str(Path(pylstm.__file__).parents[1])
    for weights in ("float32", "int8", "bfloat16"):
        done = subprocess.run(
            [sys.executable, "-c", RESIDENT, weights],
            capture_output=True,
            text=True,
            # What is freed goes back to the system at once.
            env=os.environ | {"PYTHONPATH": paths, "MALLOC_MMAP_THRESHOLD_": "65536"},
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        grown[weights] = int(done.stdout)
    assert grown["float32"] > 130e6
    assert grown["int8"] < 0.3 * grown["float32"]
    assert grown["bfloat16"] < 0.55 * grown["float32"]


@every_storage
def test_stored_arrays_keep_their_memory_alive(weights):
    """And show no number of a module that was converted meanwhile."""
    module = pylstm.compress(with_parameters(pylstm.GRU(9, 7), 1), weights)
    arrays = [array for name in module._native_names for array in module._native_stored(name)]
    arrays = [array for array in arrays if array is not None]
    before = [array.tobytes() for array in arrays]
    assert not any(array.flags.writeable for array in arrays)
    module._native_convert("float32")
    module(np.zeros((2, 1, 9), "f4"))
    del module
    gc.collect()
    assert [array.tobytes() for array in arrays] == before


def run_together(*actions, turns=60):
    """Run actions many times, each in a thread of its own; raise the first error."""
    errors = []
    barrier = threading.Barrier(len(actions))

    def repeat(action):
        barrier.wait()
        try:
            for _ in range(turns):
                action()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=repeat, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@every_storage
def test_calls_pickles_and_writes_of_several_threads(weights):
    """Whatever is read beside writes is of one of the two values, in each row of the parameter."""
    module = pylstm.compress(with_parameters(pylstm.LSTM(30, 40), 2), weights)
    x = np.ones((3, 2, 30), "f4")
    values = [np.full((160, 30), value, "f4") for value in (0.25, -0.5)]
    outputs, numbers = [], []
    for value in values:
        module._native_assign({"weight_ih_l0": value})
        outputs.append(module(x)[0].tobytes())
        numbers += np.unique(module._native_parameter("weight_ih_l0")).tolist()

    def call():
        assert module(x)[0].tobytes() in outputs

    def write():
        for value in values:
            module._native_assign({"weight_ih_l0": value})

    def pickled():
        copied = pickle.loads(pickle.dumps(module))
        assert copied._native_weights == weights
        copied(x)

    def read():
        assert np.isin(module._native_parameter("weight_ih_l0"), numbers).all()
        assert not module._native_stored("weight_ih_l0")[0].flags.writeable

    run_together(call, call, write, pickled, read)
    module._native_assign({"weight_ih_l0": values[1]})
    assert module(x)[0].tobytes() == outputs[1]


@every_storage
def test_converting_beside_calls(weights):
    """A call has the weights that were there when it began, wholly."""
    module = with_parameters(pylstm.GRU(30, 40), 2)
    x = np.ones((3, 2, 30), "f4")
    alone, small = (pylstm.compress(module, weights) for _ in range(2))
    outputs = {alone(x)[0].tobytes()}
    for _, form in itertools.product(range(60), ("float32", weights)):  # of int16 each rounds anew
        alone._native_convert(form)
        outputs.add(alone(x)[0].tobytes())

    def call():
        assert small(x)[0].tobytes() in outputs

    run_together(
        lambda: (small._native_convert("float32"), small._native_convert(weights)), call, call
    )


def test_garbage_of_compressed_modules_is_collected():
    def count():
        gc.collect()
        return sum(isinstance(item, pylstm._core.Layer) for item in gc.get_objects())

    before = count()
    modules = [pylstm.compress(pylstm.LSTM(2, 2), weights) for weights in STORAGES]
    for module in modules:
        module.others = modules
        module.kept = module._native_stored("weight_hh_l0")
    assert_same_bits(modules[0](np.ones((1, 1, 2), "f4")), modules[0](np.ones((1, 1, 2), "f4")))
    del modules, module
    assert count() == before
