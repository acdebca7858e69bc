"""Resemblyzer: whose voice is this? Three LSTM layers over a mel spectrum, and a unit vector."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import pylstm as nn
import pylstm.functional as F
from gallery.entries import Array, Entry, Run

ENTRY = Entry(
    "Resemblyzer==0.1.4",
    "whose voice this is",
    "Apache-2.0",
    "resemblyzer/pretrained.pt",
    "torch checkpoint",
    "torch",
)


class Speaker(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(40, 256, num_layers=3, batch_first=True)
        self.linear = nn.Linear(256, 256)

    def forward(self, mels: Array) -> Any:
        _, (h_n, _) = self.lstm(mels)
        x = F.relu(self.linear(h_n[-1]))
        return x / np.linalg.norm(x, axis=1, keepdims=True)


def load(folder: Path) -> Speaker:
    model = Speaker()
    model.load_state_dict(
        nn.load(folder / ENTRY.weights, flat=True, prefix="model_state"), strict=False
    )
    return model


def mels() -> Array:
    """Eight pieces of 1.6 s, two of each of four speakers: powers of 40 bands, (8, 160, 40)."""
    rng = np.random.default_rng(0)
    tilt = np.repeat(rng.normal(0, 2, (4, 1, 40)), 2, axis=0)
    return np.exp(rng.normal(-7, 1.5, (8, 160, 40)) + tilt).astype(np.float32)


def most_alike(voices: Array) -> Array:
    """Which other piece each piece is most like."""
    return np.asarray(np.argmax(voices @ voices.T - 2 * np.eye(len(voices)), axis=1))


def runs(folder: Path) -> dict[str, Run]:
    import torch

    # The package's recordings are read by libraries that its net does without.
    audio: Any = ModuleType("resemblyzer.audio")
    audio.preprocess_wav = audio.trim_long_silences = audio.normalize_volume = None
    audio.wav_to_mel_spectrogram = None
    sys.modules["resemblyzer.audio"] = audio
    from resemblyzer.voice_encoder import VoiceEncoder

    torch.set_num_threads(1)
    package = VoiceEncoder("cpu", verbose=False).eval()

    @torch.inference_mode()
    def official(batch: Array) -> Any:
        return package(torch.from_numpy(batch)).numpy()

    return {"": Run(load(folder), official, [mels()], most_alike, "8 pieces of 1.6 s")}
