"""silero-vad: is this speech? A spectrum, four convolutions, an LSTM; frame by frame, and whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import pylstm as nn
import pylstm.functional as F
from gallery.entries import Array, Entry, Run
from gallery.signals import voice

ENTRY = Entry(
    "silero-vad==6.2.3",
    "is this speech",
    "MIT",
    "silero_vad/data/silero_vad.jit",
    "TorchScript",
    "onnxruntime",
)
FRAME, CONTEXT = (
    512,
    64,
)  # samples of a frame at 16 kHz, and of the frame before that it begins with


class SpeechGate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stft = nn.Conv1d(1, 258, 256, stride=128, bias=False)
        self.conv1 = nn.Conv1d(129, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.lstm = nn.LSTM(128, 128)
        self.final = nn.Linear(128, 1)

    def forward(self, frames: Array, stream: Any) -> Any:
        mirrored = frames[:, -2:-66:-1]
        parts = self.stft(np.concatenate([frames, mirrored], 1)[:, None])
        parts *= parts
        x = np.sqrt(parts[:, :129] + parts[:, 129:])
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = F.relu(conv(x))
        h = stream(x.transpose(0, 2, 1))
        return F.sigmoid(self.final(F.relu(h)))[:, 0, 0]


def load(folder: Path) -> SpeechGate:
    model = SpeechGate()
    arrays = nn.load(folder / ENTRY.weights, flat=True, prefix="_model")
    # The same arrays in the same order, under names of its own; the last has a kernel of one frame.
    own = model.state_dict().items()
    pairs = zip(own, arrays.values(), strict=True)
    model.load_state_dict({key: array.reshape(mine.shape) for (key, mine), array in pairs})
    return model


def frames() -> Array:
    """Cut twelve seconds into frames, each with the end of the one before it: (375, 576)."""
    samples = np.concatenate([np.zeros(CONTEXT, np.float32), voice(12, 16000)])
    windows = np.lib.stride_tricks.sliding_window_view(samples, CONTEXT + FRAME)
    return np.ascontiguousarray(windows[::FRAME])


def runs(folder: Path) -> dict[str, Run]:
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    data = folder / "silero_vad/data"
    stepwise = InferenceSession(data / "silero_vad.onnx", options)
    whole = InferenceSession(data / "silero_vad_16k_sequence.onnx", options)
    rate = np.array(16000, np.int64)
    model = load(folder)

    def ours_frame_by_frame(audio: Array) -> Array:
        stream = model.lstm.stream(1)
        return np.array([model(frame[None], stream)[0] for frame in audio])

    def frame_by_frame(audio: Array) -> Array:
        state = np.zeros((2, 1, 128), np.float32)
        made = []
        for frame in audio:
            feed = {"input": frame[None], "state": state, "sr": rate}
            probability, state = stepwise.run(None, feed)
            made.append(probability[0, 0])
        return np.array(made)

    def at_once(audio: Array) -> Array:
        zeros = np.zeros((1, 1, 128), np.float32)
        result: Array = whole.run(["speech_probs"], {"input": audio, "h": zeros, "c": zeros})[0]
        return result

    def ours_at_once(audio: Array) -> Any:
        return model(audio, model.lstm.stream(1))

    def speech(probabilities: Array) -> Array:
        return probabilities > 0.5

    cases = [frames()]
    shape = f"{len(cases[0])} frames"
    return {
        "frame by frame": Run(ours_frame_by_frame, frame_by_frame, cases, speech, shape),
        "whole": Run(ours_at_once, at_once, cases, speech, shape),
    }
