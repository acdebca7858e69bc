"""Weight files that torch writes now: found, loaded and run as torch runs them."""

import io
import random
import warnings

import numpy as np
import pytest

pytest.importorskip("torch.nn")
pytest.importorskip("safetensors.torch")

import saved_by_torch
import torch
from file_trees import Counted, arrays_by_path
from recorded_files import assert_as_accurate, run, truth
from saved_by_torch import DTYPES, FORMATS, cell, flatten, lstm, save_zip
from support import assert_same_bits
from torch import nn
from torch.nn.utils import prune

import pylstm
from pylstm.weights.find import survey

ROWS = 50  # so that no largest error is small by luck

SAVED = {saved.name: saved for saved in saved_by_torch.cases()}


def check(saved):
    """Everything that a file promises."""
    loaded = arrays_by_path(pylstm.load(saved.content))
    for path, expected in saved.arrays.items():
        assert_same_bits(loaded[path], expected)
    found = {one.prefix: one for one in pylstm.find_lstms(saved.content)}
    assert set(found) == set(saved.modules)
    for prefix, module in saved.modules.items():
        check_module(saved, prefix, module)


def check_module(saved, prefix, module):
    kind = type(module).__name__
    made = getattr(pylstm, kind).from_weights(saved.content, prefix)
    batch_first = getattr(module, "batch_first", False)
    for name in saved_by_torch.OPTIONS:
        if name not in saved.recorded and hasattr(module, name):
            setattr(made, name, getattr(module, name))
    assert repr(made) == repr(module).replace("DynamicQuantized", "")
    assert made.training == module.training
    state = flatten(module)
    exact = truth(state, kind, batch_first, ROWS)
    assert_as_accurate(run(made, ROWS), saved_by_torch.run(module, ROWS), exact)
    wide = {np.dtype("f8"): "float64"}.get(state[next(iter(state))].dtype, "float32")
    own = {name: value.astype(wide) for name, value in state.items()}
    assert_same_bits(tuple(made.state_dict().values()), tuple(own.values()))


@pytest.mark.parametrize("name", SAVED)
def test_every_kind_of_file(name):
    check(SAVED[name])


@pytest.mark.parametrize("name", ["zip", "legacy", "safetensors"])
def test_only_the_bytes_of_the_prefix_are_read(name):
    module = lstm(1, hidden_size=100)
    flat = torch.cat([torch.ones(10**6), *(v.reshape(-1) for v in module.state_dict().values())])
    state, start = {"large": flat}, 10**6
    for path, value in module.state_dict().items():
        state[f"small.{path}"] = flat[start : start + value.numel()].view(value.shape)
        start += value.numel()
    if name == "safetensors":  # its package refuses what shares memory
        state = {path: value.clone() for path, value in state.items()}
    counted = Counted(io.BytesIO(FORMATS[name](state)))
    made = pylstm.LSTM.from_weights(counted, "small")
    own = sum(value.nbytes for value in made.state_dict().values())
    assert own <= counted.total < own + 500_000  # of more than 4,000,000
    assert_same_bits(tuple(made.state_dict().values()), tuple(flatten(module).values()))


def any_lstm(rng, seed, dtype):
    hidden_size = rng.randint(1, 9)
    options = {
        "input_size": rng.randint(1, 9),
        "hidden_size": hidden_size,
        "num_layers": rng.randint(1, 4),
        "bias": rng.random() < 0.7,
        "bidirectional": rng.random() < 0.5,
        "proj_size": rng.choice([0, 0, rng.randrange(hidden_size)]),
        "batch_first": rng.random() < 0.5,
        "dropout": rng.choice([0.0, 0.25]),
    }
    return lstm(seed, dtype, **options).train(rng.random() < 0.5)


@pytest.mark.parametrize("seed", range(100))
def test_any_options_under_any_prefix_beside_another(seed):
    rng = random.Random(seed)
    name = rng.choice(list(FORMATS))
    narrow = name.startswith(("np", "pickle"))
    dtype = rng.choice([name for name in DTYPES if not (narrow and name == "bfloat16")])
    first, second = any_lstm(rng, seed, dtype), any_lstm(rng, seed + 1000, dtype)
    third = cell(seed + 2000, dtype, hidden_size=rng.randint(1, 9), bias=rng.random() < 0.5)
    words = ["module", "_orig_mod", "encoder", "rnn", "0", "lstm"]
    prefix = ".".join(rng.sample(words, rng.randint(1, 4)))
    modules = {prefix: first, f"{prefix}.below": second, "cell": third}
    state = {"other.weight": torch.ones(3, 2)}
    for path, module in modules.items():
        state |= module.state_dict(prefix=path + ".")
    check(saved_by_torch.saved(name, FORMATS[name], state, modules))


@pytest.mark.parametrize("seed", range(30))
def test_any_whole_module(seed):
    rng = random.Random(seed)
    write = rng.choice([saved_by_torch.save_zip, saved_by_torch.save_legacy])
    first, second = (any_lstm(rng, 10 * seed + k, rng.choice(list(DTYPES))) for k in (0, 1))
    tree = nn.Sequential(nn.ModuleDict({"a": first}), nn.ModuleList([nn.Linear(2, 2), second]))
    modules = {"0.a": first, "1.1": second}
    check(saved_by_torch.saved("module", write, tree, modules, recorded=saved_by_torch.OPTIONS))


def test_mappings_of_torch_tensors():
    module = lstm(1, "float64", bidirectional=True)
    for state in (module.state_dict(), dict(module.named_parameters())):
        [found] = pylstm.find_lstms(state)
        assert (found.dtype, found.bidirectional) == (np.float64, True)
        made = pylstm.LSTM.from_weights({"model": state})
        assert_same_bits(tuple(made.state_dict().values()), tuple(flatten(module).values()))
    with pytest.raises(TypeError, match=r"weight_ih_l0.*\.float\(\)"):
        pylstm.LSTM.from_weights(module.bfloat16().state_dict())


def normed(module, name):
    return nn.utils.weight_norm(module, name)


def spectral(module, name):
    return nn.utils.spectral_norm(module, name)


def pruned(module, name):
    return prune.l1_unstructured(module, name, 0.5)


def parametrised(module, name):
    return nn.utils.parametrizations.weight_norm(module, name)


def orthogonal(module, name):
    return nn.utils.parametrizations.orthogonal(module, name)


def respectral(module, name):
    return nn.utils.parametrizations.spectral_norm(module, name)


def check_computed(module, content, kind):
    """The weight is what torch computes in evaluation mode, and so is what the module gives."""
    [found] = pylstm.find_recurrent(content)
    assert len(found.computed) == 1
    made = getattr(pylstm, kind).from_weights(content)
    module.eval()
    x = torch.randn(6, 3, 2)
    with torch.no_grad():
        x = x[0] if kind.endswith("Cell") else x
        result = flatten_results(module(x))
        for name in found.computed:
            expected = getattr(module, name).numpy()
            np.testing.assert_allclose(getattr(made, name), expected, rtol=1e-6, atol=1e-9)
    for ours, theirs in zip(flatten_results(made(x.numpy())), result, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=2e-6)


def flatten_results(result):
    """The arrays of a result in their order."""
    if isinstance(result, tuple):
        return [leaf for each in result for leaf in flatten_results(each)]
    return [result]


@pytest.mark.parametrize(
    ("change", "adjective"),
    [
        (respectral, "parametrised"),
        (normed, "weight-normed"),
        (spectral, "spectrally normed"),
        (pruned, "pruned"),
        (parametrised, "parametrised"),
        (orthogonal, "parametrised"),
    ],
)
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "LSTMCell"])
@pytest.mark.parametrize("whole", [False, True])
def test_changed_parameters(change, adjective, kind, whole):
    module = getattr(nn, kind)(2, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and what to use instead
        module = change(module, "weight_hh" if kind.endswith("Cell") else "weight_hh_l0")
    if whole and adjective == "parametrised":
        with pytest.raises(RuntimeError):  # torch itself refuses
            save_zip(module)
        return
    content = save_zip({"a": module if whole else module.state_dict()})
    if not whole and change is not orthogonal:
        check_computed(module, content, kind)
        return
    with pylstm.files.open.open_weights(content) as file:
        report = survey(file.tree, file.name)
    assert report.candidates == []
    assert [(miss.prefix, miss.kind) for miss in report.near_misses] == [
        ("a", f"{adjective} {kind}")
    ]
    with pytest.raises(pylstm.WeightFileError, match=f"{adjective} {kind}"):
        pylstm.LSTM.from_weights(content)


@pytest.mark.parametrize("kind", ["GRU", "RNN", "GRUCell", "RNNCell"])
@pytest.mark.parametrize("hidden_size", [1, 4, 8, 12])
def test_other_networks(kind, hidden_size):
    content = save_zip(getattr(nn, kind)(3, hidden_size))
    with pytest.raises(
        pylstm.WeightFileError,
        match=rf"holds no LSTM; there are:\n  '': {kind}\(3, {hidden_size}\)",
    ):
        pylstm.LSTM.from_weights(content)


def test_quantised_modules():
    tree = nn.ModuleDict({"a": nn.LSTM(2, 4, 2), "b": nn.LSTMCell(2, 4)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated
        kinds = {nn.LSTM, nn.LSTMCell}
        packed = torch.ao.quantization.quantize_dynamic(tree, kinds, dtype=torch.qint8)
        plain = torch.ao.nn.quantizable.LSTM(2, 4, bidirectional=True)
        contents = [save_zip(packed.state_dict()), save_zip(packed)]
    for content in contents:
        for name, kind in (("a", pylstm.LSTM), ("b", pylstm.LSTMCell)):
            state = kind.from_weights(content, name).state_dict()
            for key, value in packed[name].get_weight().items():
                assert_same_bits((state[key],), (value.dequantize().numpy(),))
            for key, value in packed[name].get_bias().items():
                assert_same_bits((state[key],), (value.detach().numpy(),))
    with pytest.raises(pylstm.WeightFileError, match="'': quantizable LSTM"):
        pylstm.LSTM.from_weights(save_zip(plain.state_dict()))
