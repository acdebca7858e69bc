"""BeatNet: beats and downbeats of music, by a convolution, two LSTM layers and a classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import pylstm as nn
import pylstm.functional as F
from gallery.entries import Array, Entry, Run, argmax

ENTRY = Entry(
    "BeatNet==1.1.3",
    "beats and downbeats of music",
    "CC-BY-4.0",
    "BeatNet/models/model_1_weights.pt",
    "torch zip",
    "torch",
)
BANDS, STEPS = 272, 500  # of a spectrum and its rise; ten seconds at 50 frames a second


class Beats(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(1, 2, 10)
        self.linear0 = nn.Linear(262, 150)
        self.lstm = nn.LSTM(150, 150, num_layers=2, batch_first=True)
        self.linear = nn.Linear(150, 3)

    def forward(self, x: Array) -> Any:
        batch, steps, bands = x.shape
        x = F.max_pool1d(F.relu(self.conv1(x.reshape(-1, 1, bands))), 2)
        output, _ = self.lstm(self.linear0(x.reshape(batch, steps, -1)))
        return self.linear(output)


def load(folder: Path) -> Beats:
    model = Beats()
    model.load_state_dict(nn.load(folder / ENTRY.weights, flat=True))
    return model


def spectrum() -> Array:
    """Ten seconds of a beat, 120 a minute: logarithmic powers of bands and how much they rise."""
    rng = np.random.default_rng(0)
    since = np.arange(STEPS) % 25
    accent = np.where(np.arange(STEPS) // 25 % 4 == 0, 1.5, 1.0)
    loudness = (accent * np.exp(-since / 4))[:, None] * np.linspace(2, 0.5, BANDS // 2)
    powers = np.log1p(loudness + rng.exponential(0.05, (STEPS, BANDS // 2)))
    rise = np.maximum(np.diff(powers, axis=0, prepend=powers[:1]), 0)
    return np.hstack([powers, rise])[None].astype(np.float32)


def runs(folder: Path) -> dict[str, Run]:
    import torch
    from BeatNet.model import BDA

    torch.set_num_threads(1)
    package = BDA(BANDS, 150, 2, "cpu")
    package.load_state_dict(torch.load(folder / ENTRY.weights, weights_only=True), strict=False)
    package.eval()

    @torch.inference_mode()
    def official(x: Array) -> Any:
        package.hidden, package.cell = torch.zeros(2, 2, 1, 150)  # it goes on from call to call
        return package(torch.from_numpy(x)).transpose(1, 2).numpy()

    return {"": Run(load(folder), official, [spectrum()], argmax, f"{STEPS} frames")}
