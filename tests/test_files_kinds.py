"""Files that torch, its exporter to ONNX and Keras wrote of GRUs, RNNs and cells: same outputs."""

import io
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from support import assert_same_bits

import pylstm
from pylstm.__main__ import main

ARCHIVE = Path(__file__).parent / "data" / "files" / "kinds.tar.xz"

# What is in them: the class, its options, and whether a state_dict leaves its nonlinearity open.
MODULES = {
    "gru": ("GRU", {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    "gru_plain": ("GRU", {"bias": False}),
    "rnn_relu": ("RNN", {"bidirectional": True, "nonlinearity": "relu"}),
    "rnn_tanh": ("RNN", {"num_layers": 2}),
    "gru_cell": ("GRUCell", {}),
    "rnn_cell_relu": ("RNNCell", {"nonlinearity": "relu"}),
    "rnn_cell_tanh": ("RNNCell", {"bias": False}),
}
KNOWING = ("module.pt", "script.pt", "trace.pt")
OPEN = ("state_dict.pt", "legacy.pt")


@pytest.fixture(scope="session")
def files():
    with tarfile.open(ARCHIVE) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


@pytest.fixture(scope="session")
def arrays(files):
    with np.load(io.BytesIO(files["outputs.npz"])) as archive:
        return dict(archive)


def read(kind, source, prefix=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pylstm.WeightFileWarning)
        return getattr(pylstm, kind).from_weights(source, prefix, **options)


def assert_outputs(module, arrays, name):
    output = module(arrays[f"{name}/input"])
    output = output[0] if isinstance(output, tuple) else output
    np.testing.assert_allclose(output, arrays[f"{name}/output"], rtol=0, atol=1e-6)


def test_the_archive_is_small():
    assert ARCHIVE.stat().st_size < 50_000


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("suffix", KNOWING)
def test_modules_of_torch(files, arrays, name, suffix):
    kind, options = MODULES[name]
    content = files[f"{name}.{suffix}"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module = getattr(pylstm, kind).from_weights(content)
        for key, value in options.items():
            assert getattr(module, key) == value
        assert_outputs(module, arrays, f"torch/{name}")
        [found] = pylstm.find_recurrent(content)
        assert (found.kind, found.assumed) == (kind, {})
        # The same from what load returns.
        for loaded in (pylstm.load(content), pylstm.load(content, flat=True)):
            again = getattr(pylstm, kind).from_weights(loaded)
            assert_outputs(again, arrays, f"torch/{name}")
    assert pylstm.find_lstms(content) == []


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("suffix", OPEN)
def test_state_dicts_of_torch(files, arrays, name, suffix):
    kind, options = MODULES[name]
    [found] = pylstm.find_recurrent(files[f"{name}.{suffix}"])
    assert found.kind == kind
    assert ("nonlinearity" in found.assumed) == kind.startswith("RNN")
    told = {n: v for n, v in options.items() if n in ("nonlinearity", "batch_first")}
    module = read(kind, files[f"{name}.{suffix}"], **told)
    assert_outputs(module, arrays, f"torch/{name}")


@pytest.mark.parametrize("name", [name for name in MODULES if "cell" not in name])
def test_models_of_onnx(files, arrays, name):
    pytest.importorskip("onnx")
    kind, options = MODULES[name]
    content = files[f"{name}.onnx"]
    found = pylstm.find_recurrent(content)
    assert len(found) == options.get("num_layers", 1)
    x = arrays[f"torch/{name}/input"]
    x = x.swapaxes(0, 1) if options.get("batch_first") else x
    for each in found:
        assert (each.kind, each.assumed, each.initial_states) == (kind, {}, None)
        module = getattr(pylstm, kind).from_weights(content, each.prefix)
        x, _ = module(x)
    x = x.swapaxes(0, 1) if options.get("batch_first") else x
    np.testing.assert_allclose(x, arrays[f"torch/{name}/output"], rtol=0, atol=1e-6)


LAYERS = {
    "gru": ("GRU", {}),
    "gru_both": ("GRU", {}),
    "gru_cell": ("GRU", {}),
    "rnn_relu": ("RNN", {}),
    "rnn_both": ("RNN", {"merge_mode": "sum"}),
}
VARIANTS = {
    "gru_before": ("GRU", {"reset_after": False}),
    "gru_hard": ("GRU", {"gate_activation": "hard_sigmoid3"}),
    "rnn_back": ("RNN", {"reverse": True}),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_layers_of_keras(files, arrays, name, suffix):
    pytest.importorskip("h5py")
    kind, options = LAYERS[name]
    module = getattr(pylstm, kind).from_weights(files[f"{name}.{suffix}"], **options)
    output, _ = module(arrays[f"keras/{name}/input"])
    if "merge_mode" in options:
        output = output[..., : module.hidden_size] + output[..., module.hidden_size :]
    np.testing.assert_allclose(output, arrays[f"keras/{name}/output"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_variants_of_keras(files, arrays, name, suffix):
    """What is not torch's layer is computed as the file says."""
    pytest.importorskip("h5py")
    kind, options = VARIANTS[name]
    module = getattr(pylstm, kind).from_weights(files[f"{name}.{suffix}"])
    assert {key: getattr(module, key) for key in options} == options
    output, _ = module(arrays[f"keras/{name}/input"])
    # Keras returns the steps in the order in which it took them.
    output = output[:, ::-1] if options.get("reverse") else output
    np.testing.assert_allclose(output, arrays[f"keras/{name}/output"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_in_other_formats(files, arrays, name, tmp_path, capsys):
    pytest.importorskip("h5py")
    kind, options = VARIANTS[name]
    path = tmp_path / "in.keras"
    path.write_bytes(files[f"{name}.keras"])
    [(key, value)] = options.items()
    assert main(["inspect", str(path)]) == 0
    assert f"{key}={value!r}" in capsys.readouterr().out
    assert main(["verify", str(path)]) == 0
    text = capsys.readouterr().out
    assert f"{key}={value!r}" in text
    assert "\n  Within the tolerance of 1.2e-04.\n" in text
    for target in (".safetensors", ".npz"):
        new = tmp_path / f"out{target}"
        assert main(["convert", str(path), str(new)]) == 0
        notes = capsys.readouterr().err
        keeps = target == ".safetensors"
        assert (f"has {key}={value!r}: pass it to from_weights" in notes) == (not keeps)
        told = {} if keeps else {"batch_first": True, **options}
        module = read(kind, new, **told)
        assert repr(module) == repr(read(kind, path))


@pytest.mark.parametrize("target", [".npz", ".safetensors", ".pt"])
@pytest.mark.parametrize("name", MODULES)
def test_convert(files, arrays, name, target, tmp_path, capsys):
    kind, options = MODULES[name]
    path, new = tmp_path / "in.pt", tmp_path / f"out{target}"
    path.write_bytes(files[f"{name}.module.pt"])
    assert main(["convert", str(path), str(new)]) == 0
    notes = capsys.readouterr().err
    lost = {".npz": ("batch_first", "nonlinearity"), ".pt": ("batch_first",)}.get(target, ())
    for key in ("batch_first", "nonlinearity"):
        assert (key in notes) == (key in options and key in lost)
    told = {name: value for name, value in options.items() if name in lost}
    # Of tanh the file says nothing but in safetensors.
    module = read(kind, new, **told)
    assert_outputs(module, arrays, f"torch/{name}")
    assert_same_bits(
        next(iter(module.state_dict().values())),
        next(iter(read(kind, path).state_dict().values())),
    )


@pytest.mark.parametrize("name", MODULES)
def test_verify(files, name, tmp_path, capsys):
    path = tmp_path / "in.pt"
    path.write_bytes(files[f"{name}.script.pt"])
    assert main(["verify", str(path)]) == 0
    assert "\n  Within the tolerance of 1.2e-04.\n" in capsys.readouterr().out
