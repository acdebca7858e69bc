"""RiboDetector: does a read of a sequencer come from ribosomal RNA? A BiLSTM over its bases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import pylstm as nn
from gallery.entries import Array, Entry, Run, argmax

ENTRY = Entry(
    "ribodetector==0.3.3",
    "ribosomal RNA among sequenced reads",
    "GPL-3.0",
    "ribodetector/data/model_len70_101.pth",
    "torch checkpoint",
    "onnxruntime",
)
# The first bases of the 16S ribosomal RNA of Escherichia coli.
RIBOSOMAL = (
    "AAATTGAAGAGTTTGATCATGGCTCAGATTGAACGCTGGCGGCAGGCCTAACACATGCAAGTCGAACGGTAACAGGAAGAAGCTTGC"
    "TTCTTTGCTGACGAGTGGCGGACGGGTGAGTAATGTCTGGGAAACTGCCTGATGGAGGGGGATAACTACTGGAAACGGTAGCTAATA"
)
LONGEST, READS = 100, 64


class Ribosomal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(4, 128, batch_first=True, bidirectional=True)
        self.out = nn.Linear(256, 2)

    def forward(self, reads: Array) -> Any:
        last = reads.shape[1] - 1 - reads.any(2)[:, ::-1].argmax(1)
        output, _ = self.rnn(reads)
        return self.out(output[np.arange(len(reads)), last])


def load(folder: Path) -> Ribosomal:
    model = Ribosomal()
    model.load_state_dict(nn.load(folder / ENTRY.weights, flat=True, prefix="state_dict"))
    return model


def reads() -> Array:
    """Make reads of 70 to 100 bases, half of them ribosomal: (reads, 100, 4) ones and zeros."""
    rng = np.random.default_rng(0)
    ribosomal = np.array(["ACGT".index(base) for base in RIBOSOMAL])
    made = np.zeros((READS, LONGEST, 4), np.float32)
    for row, read in enumerate(made):
        length = int(rng.integers(70, LONGEST + 1))
        start = int(rng.integers(len(ribosomal) - length))
        bases = ribosomal[start : start + length] if row % 2 else rng.integers(4, size=length)
        read[np.arange(length), bases] = 1
    return made


def runs(folder: Path) -> dict[str, Run]:
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    path = folder / "ribodetector/data/model_len70_101.onnx"
    session = InferenceSession(path, options)

    def official(batch: Array) -> Any:
        return session.run(None, {"input": batch})[0]

    model = load(folder)
    batch = reads()
    single = [batch[row : row + 1] for row in range(8)]
    return {
        "a batch": Run(model, official, [batch], argmax, f"{READS} reads"),
        "one by one": Run(model, official, single, argmax, "a read"),
    }
