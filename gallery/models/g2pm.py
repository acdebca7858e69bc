"""g2pM: the readings of Chinese characters that have several, by a BiLSTM in plain NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import pylstm as nn
from gallery.entries import Array, Entry, Run, argmax

ENTRY = Entry(
    "g2pM==0.1.2.5",
    "readings of Chinese characters",
    "Apache-2.0",
    "g2pM/np_ckpt.pkl",
    "pickle of NumPy arrays",
    "numpy",
)
TEXTS = ("银行的行长觉得快乐", "他长大了还要还书", "我们重新数一数种子的重量", "音乐课都得去")


class Readings(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5398, 64)
        self.lstm = nn.LSTM(64, 32, batch_first=True, bidirectional=True)
        self.logit_layer = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 876))

    def forward(self, characters: Array, several: Array) -> Any:
        output, _ = self.lstm(self.embedding(characters))
        return self.logit_layer(output[0, several])


def load(folder: Path) -> Readings:
    model = Readings()
    model.load_state_dict(nn.load(folder / ENTRY.weights, flat=True))
    return model


def inputs(folder: Path) -> list[tuple[Array, Array]]:
    """Return sentences between marks, and the places of characters with several readings."""
    index = nn.load(folder / "g2pM/char2idx.pkl")
    readings = nn.load(folder / "g2pM/digest_cedict.pkl")
    made = []
    for text in TEXTS:
        several = [place for place, character in enumerate(text, 1) if len(readings[character]) > 1]
        ids = [index[character] for character in f"시{text}끝"]
        made.append((np.array([ids], np.int32), np.array(several)))
    return made


def runs(folder: Path) -> dict[str, Run]:
    from g2pM import G2pM

    class Logits(G2pM):
        """The package's own class, which keeps what its argmax takes."""

        def fc_layer(self, hidden: Array) -> Array:
            self.logits = super().fc_layer(hidden)
            return self.logits

    package = Logits()

    def official(case: tuple[Array, Array]) -> Array:
        package.predict(*case)
        return package.logits

    model = load(folder)
    cases = inputs(folder)
    return {"": Run(lambda case: model(*case), official, cases, argmax, "a sentence")}
