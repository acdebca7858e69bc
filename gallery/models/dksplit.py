"""dksplit: where words begin in text without spaces, by three BiLSTM layers and a CRF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import pylstm as nn
from gallery.entries import Array, Entry, Run

ENTRY = Entry(
    "dksplit==1.0.2",
    "words of text without spaces",
    "CC-BY-4.0",
    "dksplit/models/dksplit-int8.onnx",
    "quantised ONNX",
    "onnxruntime",
)
TEXTS = (
    "thequickbrownfox",
    "weatherforecasttoday",
    "openthewindow",
    "fast3dprinter",
    "newyorkpizza",
)


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(38, 384)
        self.lstm = nn.LSTM(384, 384, num_layers=3, batch_first=True, bidirectional=True)
        self.hidden2tag = nn.Linear(768, 2)

    def forward(self, letters: Array) -> Any:
        output, _ = self.lstm(self.embedding(letters))
        return self.hidden2tag(output)


def load(folder: Path) -> Words:
    arrays = nn.load(folder / ENTRY.weights, flat=True)

    def widened(name: str) -> Array:
        integers = arrays[f"{name}_quantized"].astype(np.float32)
        return (integers - arrays[f"{name}_zero_point"]) * arrays[f"{name}_scale"]

    state = {"embedding.weight": widened("embedding.weight")}
    state["hidden2tag.weight"] = widened("onnx::MatMul_584").T
    state["hidden2tag.bias"] = arrays["hidden2tag.bias"]
    for layer, name in enumerate(("LSTM_quant", "LSTM_1_quant", "LSTM_2_quant")):
        for key, array in nn.load(folder / ENTRY.weights, flat=True, prefix=name).items():
            state["lstm." + key.replace("_l0", f"_l{layer}")] = array
    model = Words()
    model.load_state_dict(state)
    return model


def letters(text: str) -> Array:
    """Return the indices of letters and digits, from 2 on."""
    return np.array([["abcdefghijklmnopqrstuvwxyz0123456789".index(each) + 2 for each in text]])


def runs(folder: Path) -> dict[str, Run]:
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = InferenceSession(folder / ENTRY.weights, options)
    crf = nn.load(folder / "dksplit/models/dksplit.npz")

    def official(text: Array) -> Any:
        return session.run(None, {"chars": text})[0]

    def beginnings(emissions: Array) -> Array:
        """Find the best path through the CRF: which letters begin a word."""
        first, *rest = emissions[0]
        score, steps = crf["start_transitions"] + first, []
        for emission in rest:
            paths = score[:, None] + crf["transitions"] + emission
            steps.append(paths.argmax(0))
            score = paths.max(0)
        path = [int((score + crf["end_transitions"]).argmax())]
        for step in reversed(steps):
            path.append(int(step[path[-1]]))
        return np.array(path[::-1])

    texts = [letters(text) for text in TEXTS]
    model = load(folder)
    small = nn.compress(model, "int8-fast")
    return {
        "float32": Run(model, official, texts, beginnings, "a domain name", False),
        "int8-fast": Run(small, official, texts, beginnings, "a domain name"),
    }
