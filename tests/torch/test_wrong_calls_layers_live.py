"""Wrong calls of the layers around the recurrent ones: torch's exceptions, in torch's words."""

import warnings

import numpy as np
import pytest

import pylstm

pytest.importorskip("torch.nn")  # "torch" alone would find a folder of that name
import torch


def floats(*shape):
    return np.zeros(shape, np.float32)


WHOLE, TRUTH = np.array([1, 2]), np.array([True])

# (class, arguments, options, arguments of the call or None for none)
BUILT = [
    ("Embedding", (-1, 2)), ("Embedding", (2, -1)), ("Embedding", (2.5, 2)), ("Embedding", ("a", 2)),
    ("Embedding", (3, 2, 5)), ("Embedding", (3, 2, -4)), ("Embedding", (3,)),
    ("Dropout", (-0.1,)), ("Dropout", (1.1,)), ("Dropout", ("a",)), ("Dropout", (None,)),
    ("LayerNorm", ()), ("LayerNorm", (-1,)), ("LayerNorm", ("a",)), ("LayerNorm", (2.5,)),
    ("BatchNorm1d", (-1,)), ("BatchNorm1d", ("a",)),
    ("Sequential", (1,)), ("Sequential", ("a",)), ("ModuleList", (5,)),
    ("ModuleList", ([1],)), ("ModuleDict", (5,)), ("ModuleDict", ([1],)), ("ModuleDict", ({"a": 1},)),
    ("ModuleDict", ([("a",)],)),
]  # fmt: skip
CALLED = [
    ("Embedding", (3, 2), [np.array([3])]), ("Embedding", (3, 2), [np.array([-1])]),
    ("Embedding", (3, 2), []), ("Dropout", (), []), ("LayerNorm", (3,), [floats(2, 4)]),
    ("LayerNorm", ((2, 3),), [floats(3)]), ("LayerNorm", ((2, 3),), [floats(3, 2)]),
    ("LayerNorm", ((),), [floats(2)]), ("LayerNorm", (3,), [floats()]), ("LayerNorm", (3,), []),
    ("LayerNorm", (3, "a"), [floats(2, 3)]), ("BatchNorm1d", (3,), [floats(3)]),
    ("BatchNorm1d", (3,), [floats(2, 3, 4, 5)]), ("BatchNorm1d", (3,), [floats(2, 4)]),
    ("BatchNorm1d", (3,), [floats(1, 3)]), ("BatchNorm1d", (3,), [floats(2, 4, 5)]),
    ("Flatten", (1, 5), [floats(2, 3)]),
    ("Flatten", (2, 1), [floats(2, 3, 4)]), ("Flatten", (-4, -1), [floats(2, 3)]),
    ("Flatten", ("a",), [floats(2, 3)]), ("Flatten", (1.5,), [floats(2, 3)]),
    ("Flatten", (), [floats(2)]), ("Softmax", (3,), [floats(2, 3)]),
    ("Softmax", (-3,), [floats(2, 3)]), ("Softmax", ("a",), [floats(2, 3)]),
    ("Softmax", (1.5,), [floats(2, 3)]), ("Softmax", (0,), []), ("LogSoftmax", (3,), [floats(2, 3)]),
    ("LogSoftmax", ("a",), [floats(2, 3)]), ("ReLU", (), []), ("LeakyReLU", ("a",), [floats(2)]),
    ("LeakyReLU", (None,), [floats(2)]), ("ELU", ("a",), [floats(2)]), ("GELU", ("x",), [floats(2)]),
    ("MaxPool1d", (0,), [floats(1, 2, 5)]), ("MaxPool1d", (-1,), [floats(1, 2, 5)]),
    ("MaxPool1d", (2, 0), [floats(1, 2, 5)]), ("MaxPool1d", (2, -1), [floats(1, 2, 5)]),
    ("MaxPool1d", (2, 1, 2), [floats(1, 2, 5)]), ("MaxPool1d", (2, 1, -1), [floats(1, 2, 5)]),
    ("MaxPool1d", (2, 1, 0, 0), [floats(1, 2, 5)]), ("MaxPool1d", (9,), [floats(1, 2, 5)]),
    ("MaxPool1d", (2,), [floats(5)]), ("MaxPool1d", (2,), [floats(1, 1, 1, 5)]),
    ("MaxPool1d", ("a",), [floats(1, 2, 5)]), ("MaxPool1d", (2.5,), [floats(1, 2, 5)]),
    ("MaxPool1d", ((2, 2),), [floats(1, 2, 5)]), ("MaxPool1d", (2,), [floats(1, 0, 5)]),
    ("MaxPool1d", (2,), [floats(1, 2, 0)]), ("MaxPool1d", (2,), []),
    ("AvgPool1d", (0,), [floats(1, 2, 5)]), ("AvgPool1d", (2, 0), [floats(1, 2, 5)]),
    ("AvgPool1d", (2, 1, 2), [floats(1, 2, 5)]), ("AvgPool1d", (2, 1, -1), [floats(1, 2, 5)]),
    ("AvgPool1d", (9,), [floats(1, 2, 5)]), ("AvgPool1d", (2,), [floats(5)]),
    ("AvgPool1d", (2,), [floats(1, 1, 1, 5)]), ("AvgPool1d", ((2, 2),), [floats(1, 2, 5)]),
    ("AvgPool1d", (2,), [floats(1, 2, 0)]), ("Identity", (), []),
]  # fmt: skip
# torch refuses these, and pylstm computes them as NumPy would: whole numbers in float32, and what is
# no array but makes one.
COMPUTED = [
    ("Embedding", (3, 2), 1), ("LayerNorm", (2,), WHOLE), ("BatchNorm1d", (2,), WHOLE[None].repeat(2, 0)),
    ("Softmax", (0,), WHOLE), ("LeakyReLU", (), WHOLE), ("ELU", (), WHOLE), ("GELU", (), WHOLE),
    ("SiLU", (), WHOLE), ("Sigmoid", (), 1.0), ("Hardsigmoid", (), WHOLE),
]  # fmt: skip
# Both refuse these, pylstm in words of its own about what an array is.
NO_NUMBERS = [
    (name, args, value)
    for name, args in (
        ("Embedding", (3, 2)), ("Dropout", ()), ("ReLU", ()), ("LeakyReLU", ()), ("ELU", ()),
        ("GELU", ()), ("SiLU", ()), ("Sigmoid", ()), ("Tanh", ()), ("Hardsigmoid", ()),
        ("Softmax", (0,)), ("LogSoftmax", (0,)), ("LayerNorm", (1,)), ("BatchNorm1d", (1,)),
        ("MaxPool1d", (1,)), ("AvgPool1d", (1,)),
    )
    for value in (None, "a", [None], object())
]  # fmt: skip


def run(package, as_input, name, args, call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        module = getattr(package, name)(*args)
        return module if call is None else module(*map(as_input, call))


def both_refuse(name, args, call):
    with pytest.raises(Exception) as theirs:
        run(torch.nn, torch.from_numpy, name, args, call)
    with pytest.raises(type(theirs.value)) as ours:
        run(pylstm, lambda value: value, name, args, call)
    assert type(ours.value) is type(theirs.value)
    assert str(ours.value).startswith(str(theirs.value).split("\n")[0])


@pytest.mark.parametrize(("name", "args"), BUILT, ids=str)
def test_constructors(name, args):
    both_refuse(name, args, None)


@pytest.mark.parametrize(("name", "args", "call"), CALLED, ids=str)
def test_calls(name, args, call):
    both_refuse(name, args, call)


@pytest.mark.parametrize(("name", "args", "value"), COMPUTED, ids=str)
def test_what_pylstm_computes_and_torch_does_not(name, args, value):
    given = torch.from_numpy(value) if isinstance(value, np.ndarray) else value
    with pytest.raises((TypeError, RuntimeError, NotImplementedError)):
        run(torch.nn, lambda item: item, name, args, [given])
    result = run(pylstm, lambda item: item, name, args, [value])
    assert result.dtype.kind == "f" and np.isfinite(result).all()


@pytest.mark.parametrize(("name", "args", "value"), NO_NUMBERS, ids=str)
def test_what_holds_no_numbers(name, args, value):
    for package in (torch.nn, pylstm):
        with pytest.raises((TypeError, AttributeError)):
            run(package, lambda item: item, name, args, [value])


@pytest.mark.parametrize("name", ["ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Hardsigmoid"])
def test_truth_values_are_no_numbers(name):
    with pytest.raises((RuntimeError, NotImplementedError)):
        run(torch.nn, torch.from_numpy, name, (), [TRUTH])
    with pytest.raises(TypeError, match="dtype bool"):
        run(pylstm, lambda item: item, name, (), [TRUTH])
