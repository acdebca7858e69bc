"""What torch and the safetensors package write is read as they read it, and the other way round."""

import io
import json
import sys
import types
from collections import OrderedDict

import numpy as np
import pytest
from weight_files import torch_entries, zip_archive

import pylstm
from pylstm.files import Record
from pylstm.files.open import open_weights

pytest.importorskip("torch.nn")  # "torch" alone would find a folder of that name
import torch

PLAIN = [
    "float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool",
    "complex64", "complex128", "uint16", "uint32", "uint64",
]  # fmt: skip
WIDENED = [
    "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz",
    "float8_e8m0fnu",
]  # fmt: skip


def tensor(dtype):
    values = torch.tensor([[0, 1, 2.5], [-3, 0.125, 40]])
    return values.abs().to(getattr(torch, dtype))


def array_of(value):
    """Return a tensor as NumPy has it, by torch's own conversion."""
    value = value.detach().resolve_conj().resolve_neg()
    return (value.float() if str(value.dtype).removeprefix("torch.") in WIDENED else value).numpy()


def written(value, **options):
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


FORMS = {
    "zip": lambda value: written(value),
    "zip, protocol 4": lambda value: written(value, pickle_protocol=4),
    "legacy": lambda value: written(value, _use_new_zipfile_serialization=False),
}


def assert_equal(loaded, value):
    """Compare containers and their tensors."""
    if isinstance(value, torch.Tensor):
        expected = array_of(value)
        assert loaded.dtype == expected.dtype and loaded.shape == expected.shape
        assert loaded.tobytes() == expected.tobytes()
        if value.numel() and not value.is_conj():
            assert loaded.strides == tuple(loaded.itemsize * step for step in value.stride())
    elif isinstance(value, dict):
        assert list(loaded) == list(value)
        for key in value:
            assert_equal(loaded[key], value[key])
    elif isinstance(value, (list, tuple)):
        assert len(loaded) == len(value)
        for one, other in zip(loaded, value, strict=True):
            assert_equal(one, other)
    else:
        assert loaded == value and type(loaded) is type(value)


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", PLAIN + WIDENED)
def test_dtypes(dtype, form, mmap):
    value = {"a": tensor(dtype), "empty": tensor(dtype)[:0], "scalar": tensor(dtype)[0, 1]}
    assert_equal(pylstm.load(FORMS[form](value), mmap=mmap), value)


@pytest.mark.parametrize("form", FORMS)
def test_views(form):
    flat = torch.arange(24.0)
    value = {
        "flat": flat,
        "slice": flat[3:7],
        "stepped": flat[1::5],
        "transposed": flat.view(4, 6).T,
        "expanded": flat[2].expand(3, 5),
        "permuted": flat.view(2, 3, 4).permute(2, 0, 1),
        "parameter": torch.nn.Parameter(flat[:2]),
        "conjugate": torch.tensor([1 + 2j]).conj(),
    }
    loaded = pylstm.load(FORMS[form](value))
    assert_equal(loaded, value)
    loaded["flat"][3] = 100
    assert loaded["slice"][0] == 100, "shared memory stays shared"


@pytest.mark.parametrize("form", FORMS)
def test_a_training_checkpoint(form):
    model = torch.nn.Sequential(torch.nn.LSTM(3, 4), torch.nn.Linear(4, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model[1](model[0](torch.ones(2, 1, 3))[0]).sum().backward()
    optimizer.step()
    value = {
        "epoch": 7,
        "best": 0.5,
        "name": "é",
        "model_state_dict": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "history": [1.0, (2, None, True)],
    }
    assert_equal(pylstm.load(FORMS[form](value)), value)


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
def test_a_whole_module_of_a_class_that_is_gone():
    module = types.ModuleType("gone")

    class Tagger(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = torch.nn.LSTM(3, 4, batch_first=True)

    Tagger.__module__, Tagger.__qualname__ = "gone", "Tagger"
    module.Tagger = Tagger
    sys.modules["gone"] = module
    try:
        model = Tagger()
        contents = [form(model) for form in FORMS.values()]
    finally:
        del sys.modules["gone"]
    for content in contents:
        record = pylstm.load(content)
        assert isinstance(record, Record) and record.class_name == "gone.Tagger"
        rnn = record.state["_modules"]["rnn"]
        assert rnn.class_name == "torch.nn.modules.rnn.LSTM"
        assert rnn.state["batch_first"] is True
        assert_equal(dict(rnn.state["_parameters"]), dict(model.rnn.named_parameters()))
    assert "gone" not in sys.modules


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.LSTM(2, 3, batch_first=True)
        self.second = torch.nn.LSTM(3, 2, 2, dropout=0.5, bidirectional=True)
        self.cell = torch.nn.LSTMCell(2, 2)

    def forward(self, x):
        return self.second(self.first(x)[0])[0]


@pytest.mark.filterwarnings("ignore")  # torch.jit is deprecated, and the tracer warns
@pytest.mark.parametrize("how", ["script", "trace", "trace and script"])
def test_torchscript(how):
    model = Model().eval()
    compiled = torch.jit.trace(model, torch.ones(1, 2, 2)) if "trace" in how else model
    if "script" in how:
        compiled = torch.jit.script(compiled)
    file = io.BytesIO()
    torch.jit.save(compiled, file)
    with open_weights(file.getvalue()) as weights:
        assert weights.format == "TorchScript"
    tree = pylstm.load(file.getvalue())
    for name in ("first", "second", "cell"):
        state = tree.state[name].state
        for parameter, value in getattr(model, name).named_parameters():
            assert_equal(state[parameter], value)
    assert tree.state["first"].state["batch_first"] is True
    assert tree.state["second"].state["batch_first"] is False
    if how == "script":
        assert tree.state["second"].state["dropout"] == 0.5


@pytest.mark.filterwarnings("ignore")
def test_frozen_torchscript_keeps_its_weights_as_constants():
    model = torch.nn.Linear(2, 3).eval()
    file = io.BytesIO()
    torch.jit.save(torch.jit.freeze(torch.jit.script(model)), file)
    constants = pylstm.load(file.getvalue()).state.get("CONSTANTS", {})
    arrays = [array_of(value) for value in model.parameters()]
    assert sorted(a.tobytes() for a in constants.values()) == sorted(a.tobytes() for a in arrays)


def test_archives_with_wrong_checksums():
    value = {"a": torch.arange(1000.0)}
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        content = written(value)
    finally:
        torch.serialization.set_crc32_options(before)
    assert_equal(pylstm.load(content), value)


@pytest.mark.parametrize("byteorder", [b"big", b"little", None])
def test_archives_made_by_hand_are_read_as_torch_reads_them(byteorder):
    order = ">" if byteorder == b"big" else "<"
    values = {name: np.arange(6).reshape(2, 3).astype(name) for name in ("f8", "f4", "f2", "i8")}
    values = {name: value.astype(order + name) for name, value in values.items()}
    content = zip_archive(torch_entries(values, top="model", byteorder=byteorder))
    theirs = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    assert_equal(pylstm.load(content), dict(theirs))
    for name, value in values.items():
        np.testing.assert_array_equal(theirs[name].numpy(), value)


# ---------------------------------------------------------------------------- what pylstm writes


def arrays():
    values = {name: array_of(tensor(name)) for name in PLAIN}
    return values | {
        "scalar": np.array(3.5, "f4"),
        "empty": np.zeros((2, 0), "f4"),
        "transposed": np.arange(6.0).reshape(2, 3).T,
        "é.0": np.ones(3, "f4"),
    }


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_torch_reads_what_save_writes(suffix, mmap, tmp_path):
    path = tmp_path / f"weights{suffix}"
    expected = arrays()
    pylstm.save(expected | {"nested": {"a": np.ones(1)}}, path)
    loaded = torch.load(path, weights_only=True, mmap=mmap)
    assert loaded.pop("nested")["a"] == 1
    assert list(loaded) == list(expected)
    for name, array in expected.items():
        assert loaded[name].shape == array.shape
        assert str(loaded[name].dtype) == f"torch.{array.dtype.name}"
        assert loaded[name].numpy().tobytes() == array.tobytes()


@pytest.mark.parametrize("suffix", [".pt", ".npz", ".safetensors"])
def test_tensors_are_saved(suffix, tmp_path):
    lstm = torch.nn.LSTM(2, 3)
    pylstm.save(dict(lstm.named_parameters()), tmp_path / f"weights{suffix}")
    loaded = pylstm.load(tmp_path / f"weights{suffix}")
    assert_equal({name: loaded[name] for name in lstm.state_dict()}, dict(lstm.state_dict()))
    with pytest.raises(TypeError, match="bfloat16"):
        pylstm.save({"a": torch.ones(1).bfloat16()}, tmp_path / f"weights{suffix}")


def test_torch_loads_the_state_of_a_pylstm_module(tmp_path):
    path = tmp_path / "lstm.pt"
    ours = pylstm.LSTM(3, 4, num_layers=2, bidirectional=True)
    pylstm.save(ours.state_dict(), path)
    theirs = torch.nn.LSTM(3, 4, num_layers=2, bidirectional=True)
    theirs.load_state_dict(torch.load(path, weights_only=True))
    assert_equal(ours.state_dict(), dict(theirs.state_dict()))


def test_safetensors_reads_and_writes_the_same_bytes(tmp_path):
    package = pytest.importorskip("safetensors.numpy")
    ours, theirs = tmp_path / "ours.safetensors", tmp_path / "theirs.safetensors"
    expected = {name: array for name, array in arrays().items() if name != "complex128"}
    expected = {name: np.ascontiguousarray(a).reshape(a.shape) for name, a in expected.items()}
    pylstm.save(expected, ours)
    package.save_file(expected, theirs)
    assert ours.read_bytes() == theirs.read_bytes()
    loaded = package.load_file(ours)
    assert set(loaded) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(loaded[name], array, strict=True)


@pytest.mark.parametrize("mmap", [False, True])
def test_safetensors_of_torch(mmap, tmp_path):
    package = pytest.importorskip("safetensors.torch")
    path = tmp_path / "weights.safetensors"
    names = [name for name in PLAIN + WIDENED if name != "complex128"]
    value = {name: tensor(name) for name in names if "fnuz" not in name}
    package.save_file(value, path, metadata={"format": "pt"})
    loaded = pylstm.load(path, mmap=mmap)
    assert_equal({name: loaded[name] for name in value}, value)
    with open_weights(path) as weights:
        assert weights.metadata == {"format": "pt"}
    pylstm.save(loaded, path)
    for name, read in package.load_file(path).items():
        assert read.numpy().tobytes() == loaded[name].tobytes()


def test_bfloat16_as_torch_and_safetensors_have_it(tmp_path):
    """The dtype is torch.bfloat16 and the values the same; safetensors writes the same bytes."""
    package = pytest.importorskip("safetensors.torch")
    tensors = {
        name: value.bfloat16() if name.startswith("weight") else value
        for name, value in torch.nn.LSTM(3, 4, 2).state_dict().items()
    }
    state = OrderedDict((name, value.float().numpy()) for name, value in tensors.items())
    state._metadata = {"": {"version": 1, "weights": "bfloat16"}}
    for suffix, load in ((".safetensors", package.load_file), (".pt", torch.load)):
        path = tmp_path / f"ours{suffix}"
        pylstm.save(state, path)
        for name, value in load(path).items():
            assert value.dtype == tensors[name].dtype
            assert torch.equal(value, tensors[name])
    metadata = {"format": "pt", "pylstm.options": '{"": {"weights": "bfloat16"}}'}
    package.save_file(tensors, tmp_path / "theirs.safetensors", metadata)
    theirs = (tmp_path / "theirs.safetensors").read_bytes()
    ours = (tmp_path / "ours.safetensors").read_bytes()
    length = int.from_bytes(ours[:8], "little")
    assert json.loads(ours[8 : 8 + length]) == json.loads(theirs[8 : 8 + length])
    assert ours[8 + length :] == theirs[8 + length :]
