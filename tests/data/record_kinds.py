"""Record files of GRUs, RNNs and their cells as torch, its exporter to ONNX and Keras write them.

    pip install torch onnx keras h5py && python tests/data/record_kinds.py

Recorded with torch 2.13.0, Keras 3.15.1 on torch and onnx 1.22.0: files/kinds.tar.xz, in which
outputs.npz has what each module makes of an input. The debugging entries of TorchScript, which
have paths, are left out.
"""

import io
import os
import tarfile
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np

os.environ["KERAS_BACKEND"] = "torch"
import keras
import torch
from keras import layers

FOLDER = Path(__file__).parent / "files"
INPUTS, HIDDEN, STEPS, ROWS = 3, 4, 5, 2

MODULES = {
    "gru": lambda: torch.nn.GRU(INPUTS, HIDDEN, 2, bidirectional=True, batch_first=True),
    "gru_plain": lambda: torch.nn.GRU(INPUTS, HIDDEN, bias=False),
    "rnn_relu": lambda: torch.nn.RNN(INPUTS, HIDDEN, nonlinearity="relu", bidirectional=True),
    "rnn_tanh": lambda: torch.nn.RNN(INPUTS, HIDDEN, 2),
    "gru_cell": lambda: torch.nn.GRUCell(INPUTS, HIDDEN),
    "rnn_cell_relu": lambda: torch.nn.RNNCell(INPUTS, HIDDEN, nonlinearity="relu"),
    "rnn_cell_tanh": lambda: torch.nn.RNNCell(INPUTS, HIDDEN, bias=False),
}
LAYERS = {
    "gru": lambda: layers.GRU(HIDDEN, return_sequences=True),
    "gru_both": lambda: layers.Bidirectional(layers.GRU(HIDDEN, return_sequences=True)),
    "gru_cell": lambda: layers.RNN(layers.GRUCell(HIDDEN, use_bias=False), return_sequences=True),
    "rnn_relu": lambda: layers.SimpleRNN(HIDDEN, activation="relu", return_sequences=True),
    "rnn_both": lambda: layers.Bidirectional(
        layers.SimpleRNN(HIDDEN, return_sequences=True), merge_mode="sum"
    ),
    "gru_before": lambda: layers.GRU(HIDDEN, reset_after=False, return_sequences=True),
    "gru_hard": lambda: layers.GRU(
        HIDDEN, recurrent_activation="hard_sigmoid", return_sequences=True
    ),
    "rnn_back": lambda: layers.SimpleRNN(HIDDEN, go_backwards=True, return_sequences=True),
}


def record(archive):
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    arrays = {}
    for name, make in MODULES.items():
        module = make().eval()
        x = torch.randn((STEPS, INPUTS) if "cell" in name else (ROWS, STEPS, INPUTS))
        output = module(x) if "cell" in name else module(x)[0]
        arrays[f"torch/{name}/input"] = x.numpy()
        arrays[f"torch/{name}/output"] = output.detach().numpy()
        for suffix, content in torch_files(module, x):
            add(archive, f"{name}.{suffix}", content)
    for name, make in LAYERS.items():
        layer = make()
        layer.name = name
        model = keras.Sequential([keras.Input((STEPS, INPUTS)), layer])
        model.set_weights([rng.normal(0, 0.5, each.shape).astype("f4") for each in model.weights])
        x = rng.normal(size=(ROWS, STEPS, INPUTS)).astype("f4")
        arrays[f"keras/{name}/input"] = x
        arrays[f"keras/{name}/output"] = keras.ops.convert_to_numpy(layer(x))
        with tempfile.TemporaryDirectory() as folder:
            for suffix in (".keras", ".h5"):
                path = Path(folder, f"{name}{suffix}")
                model.save(path)
                add(archive, path.name, path.read_bytes())
    outputs = io.BytesIO()
    np.savez(outputs, **arrays)
    add(archive, "outputs.npz", outputs.getvalue())


def torch_files(module, x):
    """Yield a suffix and the content of each kind of file that torch writes of a module."""
    for suffix, what, new in (
        ("state_dict.pt", module.state_dict(), True),
        ("module.pt", module, True),
        ("legacy.pt", module.state_dict(), False),
    ):
        buffer = io.BytesIO()
        torch.save(what, buffer, _use_new_zipfile_serialization=new)
        yield suffix, buffer.getvalue()
    for suffix, made in (
        ("script.pt", torch.jit.script(module)),
        ("trace.pt", torch.jit.trace(module, x)),
    ):
        buffer = io.BytesIO()
        torch.jit.save(made, buffer)
        yield suffix, without_debugging(buffer)
    if not type(module).__name__.endswith("Cell"):
        buffer = io.BytesIO()
        torch.onnx.export(module, (x,), buffer, dynamo=False, opset_version=17)
        yield "onnx", buffer.getvalue()


def without_debugging(buffer):
    made = io.BytesIO()
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            if not name.endswith(".debug_pkl"):
                new.writestr(zipfile.ZipInfo(name), old.read(name))
    return made.getvalue()


def add(archive, name, content):
    """Add bytes without the user, the time and the modes of a file."""
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with tarfile.open(FOLDER / "kinds.tar.xz", "w:xz") as written:
        record(written)
