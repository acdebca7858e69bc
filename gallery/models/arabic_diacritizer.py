"""arabic-diacritizer: the vowels of Arabic, by a BiLSTM of three layers and additive attention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import pylstm as nn
import pylstm.functional as F
from gallery.entries import Array, Entry, Run, argmax

ENTRY = Entry(
    "arabic-diacritizer==1.0.0",
    "vowels of Arabic text",
    "MIT",
    "diacritize/assets/bilstm_best.pt",
    "torch zip",
    "torch",
)
TEXTS = ("ذهب الولد الى المدرسة في الصباح", "قرأت كتابا عن تاريخ العلوم", "البيت قريب من البحر")


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.W = nn.Linear(512, 512, bias=False)
        self.U = nn.Linear(512, 512, bias=False)
        self.v = nn.Linear(512, 1, bias=False)

    def forward(self, x: Array) -> Any:
        scores = self.v(np.tanh(self.W(x)[:, :, None] + self.U(x)[:, None]))
        return F.softmax(scores[..., 0], -1) @ x


class Vowels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(54, 128, padding_idx=0)
        self.lstm = nn.LSTM(128, 256, num_layers=3, batch_first=True, bidirectional=True)
        self.attention = Attention()
        self.classifier = nn.Linear(512, 15)

    def forward(self, letters: Array) -> Any:
        output, _ = self.lstm(self.embedding(letters))
        return self.classifier(self.attention(output))


def load(folder: Path) -> Vowels:
    model = Vowels()
    model.load_state_dict(nn.load(folder / ENTRY.weights, flat=True))
    return model


def runs(folder: Path) -> dict[str, Run]:
    import torch
    from diacritize.baseline.model import BiLSTMDiacritizer
    from diacritize.tokenizer import CharTokenizer

    torch.set_num_threads(1)
    encode = CharTokenizer().encode
    texts = [np.array([encode(text, add_special=False)]) for text in TEXTS]
    package = BiLSTMDiacritizer.from_pretrained(str(folder / ENTRY.weights))

    @torch.inference_mode()
    def official(letters: Array) -> Any:
        return package(torch.from_numpy(letters)).numpy()

    return {"": Run(load(folder), official, texts, argmax, "a sentence")}
