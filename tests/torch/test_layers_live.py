"""The layers around the recurrent ones against torch's, in random configurations."""

import layer_cases
import numpy as np
import pytest

import pylstm

pytest.importorskip("torch.nn")  # "torch" alone would find a folder of that name
import torch

CASES = 300


ROUNDED = ("BatchNorm1d", "ELU", "GELU", "LeakyReLU", "SiLU")


def tensor(array):
    return torch.from_numpy(np.array(array, order="K"))


def by_torch(case, dtype, x):
    module = layer_cases.built(torch.nn, case, dtype, tensor)
    with torch.no_grad():
        found = layer_cases.results(module(torch.from_numpy(x)))
    state = {name: value.numpy() for name, value in module.state_dict().items()}
    return module, [value.numpy() for value in found], state


def compared(layer, seed):
    case = layer_cases.make(layer, seed)
    exact = None
    for dtype in ("float64", "float32"):
        x = layer_cases.input_of(case, dtype)
        if layer == "GELU":
            np.clip(x, -1e30, 1e30, out=x)  # torch makes NaN of infinity, in float32 alone
        pylstm.manual_seed(seed)
        torch.manual_seed(seed)
        mine = layer_cases.built(pylstm, case, dtype)
        found = layer_cases.results(mine(x.copy(order="K")))
        module, theirs, state = by_torch(case, dtype, x)
        assert repr(mine) == repr(module)
        assert list(mine.state_dict()) == list(state)
        pairs = [*zip(found, theirs, strict=True)]
        pairs += [(mine.state_dict()[name], value) for name, value in state.items()]
        if dtype == "float32" and layer != "Embedding":
            _, exact, exact_state = by_torch(case, "float64", x.astype(np.float64))
            exact = [*exact, *exact_state.values()]
        for place, (a, b) in enumerate(pairs):
            assert a.dtype == b.dtype and a.shape == b.shape
            if layer == "Embedding" and "max_norm" in case.kwargs:
                assert np.allclose(a, b, rtol=1e-6, atol=1e-7)  # lengths are added in another order
            elif layer in ("Embedding", "Flatten", "Identity", "ReLU", "MaxPool1d"):
                assert np.array_equal(a, b, equal_nan=True)
            elif dtype == "float64":
                scale = max(1.0, np.abs(b[np.isfinite(b)]).max(initial=0.0))
                assert layer_cases.differences(a, b) <= 1e-12 * scale
            else:
                truth = exact[place]
                # Of a function of each number alone, and of rounded statistics, 1e-7 is that of
                # results up to 1: a rounding of 9 is 5e-7, and torch may happen to have none in an
                # array of a few numbers.
                largest = np.abs(truth[np.isfinite(truth)]).max(initial=0.0)
                scale = max(1.0, largest) if layer in ROUNDED else 1.0
                limit = 2 * layer_cases.differences(b, truth) + 1e-7 * scale
                assert layer_cases.differences(a, truth) <= limit
    assert all(value.flags.c_contiguous for value in found) or layer in (
        "Identity",
        "Dropout",
        "Flatten",
    )


@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize("layer", layer_cases.MAKERS)
def test_random_configurations(layer, part):
    for seed in range(part * CASES // 3, (part + 1) * CASES // 3):
        try:
            compared(layer, seed)
        except Exception as error:
            case = layer_cases.make(layer, seed)
            told = f"{layer}(*{case.args}, **{case.kwargs}), seed {seed}, input {case.x.shape}"
            raise AssertionError(told) from error
