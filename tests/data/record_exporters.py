"""Record models that torch's two exporters to ONNX make of modules of two layers.

    pip install torch onnx onnxscript && python tests/data/record_exporters.py

Recorded with torch 2.13.0, onnx 1.23.2 and onnxscript 0.7.2: files/exporters.tar.xz, in which
parameters.npz has what each module holds. What the exporters note for people is left out, since it
has paths.
"""

import io
import tarfile
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch

FOLDER = Path(__file__).parent / "files"
INPUTS, HIDDEN, STEPS, ROWS = 3, 4, 5, 2

MODULES = {
    "lstm": lambda: torch.nn.LSTM(INPUTS, HIDDEN, 2, bidirectional=True, batch_first=True),
    "gru": lambda: torch.nn.GRU(INPUTS, HIDDEN, 2),
    "rnn": lambda: torch.nn.RNN(INPUTS, HIDDEN, 2, bidirectional=True),
}


class Tagger(torch.nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = layers
        self.out = torch.nn.Linear(HIDDEN * (1 + layers.bidirectional), 2)

    def forward(self, x):
        return self.out(self.layers(x)[0])


def exported(module, x, dynamo):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        options = {"external_data": False} if dynamo else {"opset_version": 17}
        torch.onnx.export(module, (x,), path, dynamo=dynamo, verbose=False, **options)
        model = onnx.load(path)
    for message in (model, model.graph, *model.graph.node, *model.graph.value_info):
        message.ClearField("metadata_props")
        message.ClearField("doc_string")
    for function in model.functions:
        for message in (function, *function.node):
            message.ClearField("metadata_props")
            message.ClearField("doc_string")
    return model.SerializeToString()


def main():
    torch.manual_seed(20)
    warnings.simplefilter("ignore")
    arrays = {}
    made = {}
    for name, make in MODULES.items():
        module = Tagger(make()).eval()
        arrays |= {
            f"{name}/{key}": value.numpy() for key, value in module.layers.state_dict().items()
        }
        x = torch.zeros(STEPS, ROWS, INPUTS)
        for dynamo in (False, True):
            made[f"{name}_{'dynamo' if dynamo else 'script'}.onnx"] = exported(module, x, dynamo)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    made["parameters.npz"] = buffer.getvalue()
    with tarfile.open(FOLDER / "exporters.tar.xz", "w:xz") as archive:
        for name, content in made.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


if __name__ == "__main__":
    main()
