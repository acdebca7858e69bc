"""uzmorph-nn: stem and endings of Uzbek words, by a BiLSTM of two layers over letters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import pylstm as nn
from gallery.entries import Array, Entry, Run, argmax

ENTRY = Entry(
    "uzmorph-nn==0.1.0",
    "stems and endings of Uzbek words",
    "MIT",
    "uzmorph_nn/data/morph_bilstm.pth",
    "torch zip",
    "torch",
)
WORDS = ("kitoblarim", "maktabga", "yozyapman", "bolalarning", "shahardan")
LONGEST = 30


class Endings(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.char_embeddings = nn.Embedding(49, 64)
        self.lstm = nn.LSTM(64, 64, num_layers=2, batch_first=True, bidirectional=True)
        self.hidden2tag = nn.Linear(128, 746)

    def forward(self, letters: Array) -> Any:
        output, _ = self.lstm(self.char_embeddings(letters))
        return self.hidden2tag(output)


def load(folder: Path) -> Endings:
    model = Endings()
    model.load_state_dict(nn.load(folder / ENTRY.weights, flat=True))
    return model


def inputs(folder: Path) -> list[Array]:
    """Words as (1, 30) indices of letters, zeros behind the end."""
    letters = json.loads((folder / "uzmorph_nn/data/char_vocab.json").read_text("utf-8"))
    made = []
    for word in WORDS:
        padded = np.zeros((1, LONGEST), np.int64)
        padded[0, : len(word)] = [letters[letter] for letter in word]
        made.append(padded)
    return made


def runs(folder: Path) -> dict[str, Run]:
    import torch
    from uzmorph_nn.uzmorph_nn import uzmorph_nn

    torch.set_num_threads(1)
    package = uzmorph_nn().model

    @torch.inference_mode()
    def official(letters: Array) -> Any:
        return package(torch.from_numpy(letters)).numpy()

    return {"": Run(load(folder), official, inputs(folder), argmax, "a word")}
