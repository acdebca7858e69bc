"""Record files of modules that torch and onnxruntime quantised.

    pip install torch onnx onnxruntime && python tests/data/record_quantised.py

Recorded with torch 2.13.0, onnx 1.23.2 and onnxruntime 1.32.0: files/quantised.tar.xz, in which
values.npz has the weights that torch makes of the integers, and what each module makes of an input.
The debugging entries of TorchScript, which have paths, are left out.
"""

import io
import tarfile
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession
from onnxruntime.quantization import quantize_dynamic

TARGET = Path(__file__).parent / "files" / "quantised.tar.xz"
INPUTS, HIDDEN, STEPS, ROWS = 3, 4, 5, 2
LAYERS = {
    "lstm": lambda: torch.nn.LSTM(INPUTS, HIDDEN, 2, bidirectional=True, batch_first=True),
    "lstm_deep": lambda: torch.nn.LSTM(INPUTS, HIDDEN, 3),
    "gru": lambda: torch.nn.GRU(INPUTS, HIDDEN, 2),
    "lstm_cell": lambda: torch.nn.LSTMCell(INPUTS, HIDDEN),
    "gru_cell": lambda: torch.nn.GRUCell(INPUTS, HIDDEN),
    "rnn_cell": lambda: torch.nn.RNNCell(INPUTS, HIDDEN, nonlinearity="relu"),
}
HOW = {
    "tensor": torch.ao.quantization.default_dynamic_qconfig,
    "channel": torch.ao.quantization.per_channel_dynamic_qconfig,
    "float16": torch.ao.quantization.float16_dynamic_qconfig,
}


def record_torch(archive, arrays):
    torch.manual_seed(0)
    tree = torch.nn.ModuleDict({name: make() for name, make in LAYERS.items()}).eval()
    for how, config in HOW.items():
        quantised = torch.ao.quantization.quantize_dynamic(
            tree, {type(each): config for each in tree.values()}
        )
        scripted = torch.nn.ModuleDict({"lstm": quantised["lstm"], "gru": quantised["gru"]})
        for suffix, content in {"state_dict": quantised.state_dict(), "module": quantised}.items():
            file = io.BytesIO()
            torch.save(content, file)
            add(archive, f"torch_{how}_{suffix}.pt", file.getvalue())
        for name, module in scripted.items():
            file = io.BytesIO()
            torch.jit.save(torch.jit.script(module), file)
            add(archive, f"torch_{how}_{name}_script.pt", without_paths(file.getvalue()))
        for name, module in quantised.items():
            for key, value in [*module.get_weight().items(), *module.get_bias().items()]:
                plain = value.dequantize() if value.is_quantized else value
                arrays[f"torch/{how}/{name}/{key}"] = plain.detach().numpy()
            x = torch.randn((STEPS, INPUTS) if "cell" in name else (ROWS, STEPS, INPUTS))
            output = module(x) if "cell" in name else module(x)[0]
            output = output[0] if isinstance(output, tuple) else output
            arrays[f"torch/{how}/{name}/input"] = x.numpy()
            arrays[f"torch/{how}/{name}/output"] = output.detach().numpy()


def without_paths(content):
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(made, "w") as kept:
        for entry in archive.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                kept.writestr(entry, archive.read(entry))
    return made.getvalue()


def record_onnx(archive, arrays):
    rng = np.random.default_rng(0)
    for direction in ("forward", "reverse", "bidirectional"):
        count = 2 if direction == "bidirectional" else 1
        weights = {
            "W": rng.normal(0, 0.5, (count, 4 * HIDDEN, INPUTS)).astype("f4"),
            "R": rng.normal(0, 0.5, (count, 4 * HIDDEN, HIDDEN)).astype("f4"),
            "B": rng.normal(0, 0.5, (count, 8 * HIDDEN)).astype("f4"),
        }
        node = helper.make_node(
            "LSTM", ["X", *weights], ["Y"], "rnn", hidden_size=HIDDEN, direction=direction
        )
        graph = helper.make_graph(
            [node],
            "model",
            [helper.make_tensor_value_info("X", TensorProto.FLOAT, (STEPS, ROWS, INPUTS))],
            [helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(each, name) for name, each in weights.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        x = rng.normal(size=(STEPS, ROWS, INPUTS)).astype("f4")
        arrays[f"onnx/{direction}/input"] = x
        for role, array in weights.items():
            arrays[f"onnx/{direction}/{role}"] = array
        for how in ("tensor", "channel"):
            with tempfile.TemporaryDirectory() as folder:
                plain, quantised = Path(folder, "plain.onnx"), Path(folder, "quantised.onnx")
                onnx.save(model, plain)
                quantize_dynamic(plain, quantised, per_channel=how == "channel")
                content = quantised.read_bytes()
            add(archive, f"onnx_{how}_{direction}.onnx", content)
            arrays[f"onnx/{direction}/{how}"] = InferenceSession(content).run(None, {"X": x})[0]


def add(archive, name, content):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # torch.ao is deprecated
    made = {}
    with tarfile.open(TARGET, "w:xz", preset=9) as target:
        record_torch(target, made)
        record_onnx(target, made)
        values = io.BytesIO()
        np.savez(values, **made)
        add(target, "values.npz", values.getvalue())
