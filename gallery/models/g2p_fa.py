"""g2p-fa: how a Persian word is spoken. One LSTM reads letters, another writes sounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import pylstm as nn
from gallery.entries import Array, Entry, Run, argmax

ENTRY = Entry(
    "g2p-fa==1.1.0", "sounds of Persian words", "MIT", "g2p_fa/data/weights", "torch zip", "torch"
)
WORDS = ("سلام", "کتاب", "دانشگاه", "زمستان", "پنجره")
LONGEST, START = 30, 1


class Sounds(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.embedding = nn.Embedding(41, 40)
        self.encoder.rnn = nn.LSTM(40, 256, num_layers=2)
        self.decoder = nn.Module()
        self.decoder.embedding = nn.Embedding(33, 40)
        self.decoder.rnn = nn.LSTM(40, 256, num_layers=2)
        self.decoder.fc_out = nn.Linear(256, 33)

    def forward(self, letters: Array) -> Array:
        _, state = self.encoder.rnn(self.encoder.embedding(letters))
        scores = np.zeros((LONGEST, 1, 33), np.float32)
        sound = np.array([START])
        for step in scores[1:]:
            output, state = self.decoder.rnn(self.decoder.embedding(sound)[None], state)
            step[...] = self.decoder.fc_out(output[0])
            sound = step.argmax(1)
        return scores


def load(folder: Path) -> Sounds:
    model = Sounds()
    model.load_state_dict(nn.load(folder / ENTRY.weights, flat=True))
    return model


def runs(folder: Path) -> dict[str, Run]:
    import torch
    from g2p_fa import G2P_Fa
    from g2p_fa.utils import IPA2tensor, word2tensor

    torch.set_num_threads(1)
    package = G2P_Fa().model.eval()  # without eval() its dropout draws at every call
    first = IPA2tensor("")[:, None]  # of which only the mark of the start is read

    @torch.inference_mode()
    def official(letters: Array) -> Any:
        return package(torch.from_numpy(letters), first, 0).numpy()

    words = [word2tensor(word).numpy()[:, None] for word in WORDS]
    return {"": Run(load(folder), official, words, argmax, "a word")}
