"""Files of compressed modules are valid files to torch, safetensors and NumPy, and back."""

import io
import warnings

import numpy as np
import pytest
from compressed_files import (
    STORAGES,
    assert_same_weights,
    compressed,
    made,
    state_of,
)

import pylstm

pytest.importorskip("torch.nn")  # "torch" alone would find a folder of that name
import torch

MODULES = {
    "LSTM": lambda: made("LSTM", 5, 6, 2, bidirectional=True, proj_size=2),
    "GRU": lambda: made("GRU", 7, 3),
    "RNNCell": lambda: made("RNNCell", 3, 4, bias=False),
}
DTYPES = {"int8": "int8", "int8-fast": "int8", "int16": "int16"}
each_module = pytest.mark.parametrize("name", MODULES)
each_storage = pytest.mark.parametrize("weights", STORAGES)


def saved(module, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pylstm.WeightFileWarning)
        pylstm.save(module.state_dict(), path)
    return path


def read(module, source, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pylstm.WeightFileWarning)
        return type(module).from_weights(source, **options)


def assert_meant(module, tensors):
    """The tensors of a file stand for the numbers that the module computes with."""
    assert set(tensors) == set(state_of(module))
    for name in module._native_names:
        value = tensors[name]
        is_matrix = value.ndim == 2
        expected = DTYPES.get(module.weights, module.weights) if is_matrix else "float32"
        assert value.dtype == getattr(torch, expected)
        value = value.float()
        if f"{name}_scale" in tensors:
            value = value * tensors[f"{name}_scale"]
        assert value.numpy().tobytes() == module._native_parameter(name).tobytes()


@each_module
@each_storage
@pytest.mark.parametrize("mmap", [False, True])
def test_torch_loads_them(weights, name, mmap, tmp_path):
    module = compressed(MODULES[name](), weights)
    path = saved(module, tmp_path / "a.pt")
    tensors = torch.load(path, weights_only=True, mmap=mmap)
    assert_meant(module, tensors)
    assert list(tensors) == list(state_of(module))
    assert tensors._metadata[""]["weights"] == weights


@each_module
@each_storage
def test_what_torch_saves_again(weights, name, tmp_path):
    """``_metadata`` goes through torch, and with it the storage."""
    module = compressed(MODULES[name](), weights)
    tensors = torch.load(saved(module, tmp_path / "a.pt"), weights_only=True)
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        file = io.BytesIO()
        torch.save({"model": tensors}, file, **options)
        assert_same_weights(read(module, file.getvalue()), module)
    plain = io.BytesIO()
    torch.save(dict(tensors), plain)  # without _metadata
    again = read(module, plain.getvalue())
    expected = {"int8-fast": "int8", "int8": "int8", "int16": "int16"}.get(weights)
    assert again.weights == expected
    assert_same_weights(read(module, plain.getvalue(), weights=weights), module)


@each_module
@each_storage
def test_safetensors_loads_them(weights, name, tmp_path):
    library = pytest.importorskip("safetensors.torch")
    from safetensors import safe_open

    module = compressed(MODULES[name](), weights)
    path = saved(module, tmp_path / "a.safetensors")
    tensors = library.load_file(path)
    assert_meant(module, tensors)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    again = tmp_path / "again.safetensors"
    library.save_file(tensors, again, metadata=metadata)
    assert_same_weights(read(module, again), module)
    assert pylstm.find_recurrent(again) == pylstm.find_recurrent(path)
    library.save_file(tensors, again)  # nothing is recorded
    expected = {"int8-fast": "int8", "int8": "int8", "int16": "int16"}.get(weights)
    assert read(module, again).weights == expected


@each_module
@each_storage
def test_numpy_loads_them(weights, name, tmp_path):
    module = compressed(MODULES[name](), weights)
    with np.load(saved(module, tmp_path / "a.npz"), allow_pickle=False) as arrays:
        for parameter in module._native_names:
            stored, scale = module._native_stored(parameter)
            assert arrays[parameter].dtype == stored.dtype
            assert arrays[parameter].tobytes() == stored.tobytes()
            if scale is not None:
                assert arrays[f"{parameter}_scale"].tobytes() == scale.tobytes()
            if weights == "bfloat16" and stored.ndim == 2:
                assert arrays[f"{parameter}_dtype"] == "bfloat16"
        again = tmp_path / "again.npz"
        np.savez_compressed(again, **arrays)
    assert_same_weights(read(module, again, weights=weights), module)


@each_storage
def test_a_module_of_torch_in_a_storage(weights):
    """from_weights compresses what torch saved, whichever way it was saved."""
    torch.manual_seed(1)
    lstm = torch.nn.LSTM(6, 5, 2, bidirectional=True)
    whole = pylstm.LSTM.from_weights(lstm.state_dict())
    for value in (lstm, lstm.state_dict(), {"a": [lstm.double().state_dict()]}):
        file = io.BytesIO()
        torch.save(value, file)
        made = pylstm.LSTM.from_weights(file.getvalue(), weights=weights)
        assert_same_weights(made, pylstm.compress(whole, weights))


@each_storage
def test_quantised_modules_of_torch(weights):
    """They stay floats unless a storage is asked for."""
    if not torch.backends.quantized.supported_engines:
        pytest.skip("torch has no engine that quantises")
    torch.backends.quantized.engine = next(
        each for each in torch.backends.quantized.supported_engines if each != "none"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lstm = torch.ao.quantization.quantize_dynamic(
            torch.nn.Sequential(torch.nn.LSTM(6, 5)), {torch.nn.LSTM}, torch.qint8
        )
        file = io.BytesIO()
        torch.save(lstm.state_dict(), file)
    whole = pylstm.LSTM.from_weights(file.getvalue())
    assert whole.weights is None
    again = pylstm.LSTM.from_weights(file.getvalue(), weights=weights)
    assert_same_weights(again, pylstm.compress(whole, weights))
