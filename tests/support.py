"""Small helpers that several test files use."""

import sys
import threading

import numpy as np
from recorded import class_of
from reference import make_parameters

import pylstm

DTYPES = ("float32", "float64")
# Seconds that only a hang reaches: not a busy machine, nor a sanitizer.
HANG = 600


def flatten(result):
    """The arrays of a result, nested tuples opened: (out, (h, c)) -> [out, h, c]."""
    if isinstance(result, np.ndarray):
        return [result]
    return [array for part in result for array in flatten(part)]


def assert_same_bits(actual, expected):
    """Equal dtype, shape and bytes; where a value is NaN, only that it is NaN.

    Takes arrays or nested tuples of arrays, such as an LSTM returns.
    """
    actual, expected = flatten(actual), flatten(expected)
    assert len(actual) == len(expected)
    for index, (a, b) in enumerate(zip(actual, expected, strict=True)):
        assert (a.dtype, a.shape) == (b.dtype, b.shape), f"array {index}"
        a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
        if a.dtype.kind == "c":
            a, b = a.view(a.real.dtype), b.view(b.real.dtype)
        bits = np.dtype(f"u{a.dtype.itemsize}")
        differ = (a.view(bits) != b.view(bits)) & ~(np.isnan(a) & np.isnan(b))
        if differ.any():
            first = tuple(int(i) for i in np.argwhere(differ)[0])
            raise AssertionError(
                f"array {index}: {differ.sum()} of {a.size} values differ, first at {first}: "
                f"{describe(a[first])} and {describe(b[first])}"
            )


def assert_threads_share(module, x):
    """The bits of a call while eight threads make it at once, over and over."""
    expected, results = module(x), [None] * 8

    def run(index):
        for _ in range(20):
            results[index] = module(x)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        assert_same_bits(result, expected)


def describe(value):
    """One number of an array, exactly."""
    return value.item().hex() if value.dtype.kind == "f" else repr(value.item())


def largest_error(actual, expected):
    """The largest absolute difference over all arrays of two results, in float64."""
    pairs = zip(flatten(actual), flatten(expected), strict=True)
    return max(float(np.abs(np.asarray(a, np.float64) - b).max(initial=0.0)) for a, b in pairs)


def reshape_in_place(array, shape):
    """Give the array object itself another shape, as code that a call runs can do to its arguments."""
    if hasattr(array, "_set_shape"):  # NumPy 2.5, which deprecates the assignment
        array._set_shape(shape)
    else:
        array.shape = shape


def with_parameters(module, seed, scale=None):
    """`module` with exact, machine-independent parameters (reference.make_parameters)."""
    shapes = {name: value.shape for name, value in module.state_dict().items()}
    module.load_state_dict(make_parameters(seed, shapes, scale=scale, kind=kind_of(module)))
    return module


def layer_of(kind, *sizes, **options):
    """pylstm's layer of one of reference.KINDS."""
    name, of_kind = class_of(kind)
    return getattr(pylstm, sys.intern(name))(*sizes, **options, **of_kind)


def cell_of(kind, *sizes, **options):
    """pylstm's cell of one of reference.KINDS."""
    name, of_kind = class_of(kind)
    return getattr(pylstm, sys.intern(name + "Cell"))(*sizes, **options, **of_kind)


def kind_of(module):
    """The one of reference.KINDS that a layer or a cell is of."""
    name = type(module).__name__.removesuffix("Cell")
    return f"RNN_{module.nonlinearity.upper()}" if name == "RNN" else name


def as_hx(states):
    """States, one or two arrays in a sequence, as a module takes and returns them."""
    return tuple(states) if len(states) > 1 else states[0]


def states_of(hx):
    """The arrays of what a module takes or returns as its states."""
    return list(hx) if isinstance(hx, tuple | list) else [hx]


def available_levels():
    """The instruction sets that this build has and this machine can run."""
    return [name for name, (_, runs) in pylstm._core.simd_levels().items() if runs]
