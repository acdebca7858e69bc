"""Nakdimon: the points of Hebrew text, by two BiLSTM layers whose directions are added."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import pylstm as nn
from gallery.entries import Array, Entry, Run

ENTRY = Entry(
    "nakdimon==0.2.1",
    "points of Hebrew text",
    "MIT",
    "nakdimon/data/Nakdimon.onnx",
    "ONNX of Keras",
    "onnxruntime",
)
TEXTS = ("הילד הלך לבית הספר בבוקר", "קראתי ספר על תולדות המדע", "שלום לכולם")
HEADS = {"N": 16, "D": 3, "S": 4}  # vowels; a point in the letter; right or left
# Keras's LSTMs have become loops, which know their kernels by numbers alone: the first of three.
LOOPS = {
    "first.{}_l0": 3,
    "first.{}_l0_reverse": 15,
    "second.{}_l0": 27,
    "second.{}_l0_reverse": 39,
}


class Points(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(43, 400)
        self.first = nn.LSTM(400, 400, batch_first=True, bidirectional=True)
        self.second = nn.LSTM(400, 400, batch_first=True, bidirectional=True)
        self.dense = nn.Linear(400, 400)
        self.N, self.D, self.S = (nn.Linear(400, classes) for classes in HEADS.values())

    def forward(self, letters: Array) -> Array:
        x = self.embedding(letters)
        for lstm in (self.first, self.second):
            output, _ = lstm(x)
            x = output[..., :400] + output[..., 400:]
        x = self.dense(x)
        return np.concatenate([self.N(x), self.D(x), self.S(x)], -1)


def load(folder: Path) -> Points:
    arrays = nn.load(folder / ENTRY.weights, flat=True)
    found = lambda end: next(arrays[key] for key in arrays if key.endswith(end))  # noqa: E731
    state = {"embedding.weight": found("embedding_lookup.7339:0")}
    for name in ("dense", *HEADS):
        state[f"{name}.weight"] = found(f"model.{name}.Tensordot.ReadVariableOp:0").T
        state[f"{name}.bias"] = found(f"model.{name}.BiasAdd.ReadVariableOp:0")
    for name, number in LOOPS.items():
        for part, word in enumerate(("weight_ih", "weight_hh", "bias_ih")):
            state[name.format(word)] = found(f".input._{number + part}:0").T
        state[name.format("bias_hh")] = np.zeros(1600, np.float32)
    model = Points()
    model.load_state_dict(state)
    return model


def letters(text: str) -> Array:
    """Return the package's indices of letters: 4 is a space, 16 to 42 are the alphabet."""
    return np.array(
        [[4 if letter == " " else ord(letter) - 0x5D0 + 16 for letter in text]], np.int32
    )


def points(scores: Array) -> Array:
    """Return the class of each of the three kinds of points."""
    kinds = np.split(scores, np.cumsum(list(HEADS.values()))[:-1], axis=-1)
    return np.array([kind.argmax(-1) for kind in kinds])


def runs(folder: Path) -> dict[str, Run]:
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = InferenceSession(folder / ENTRY.weights, options)

    def official(text: Array) -> Array:
        return np.concatenate(session.run(list(HEADS), {"input": text}), -1)

    texts = [letters(text) for text in TEXTS]
    return {"": Run(load(folder), official, texts, points, "a sentence")}
