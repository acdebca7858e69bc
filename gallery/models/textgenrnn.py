"""textgenrnn: the next letter of a text, by two LSTM layers and an average by attention."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import pylstm as nn
import pylstm.functional as F
from gallery.entries import Array, Entry, Run

ENTRY = Entry(
    "textgenrnn==2.0.0",
    "the next letter of a text",
    "MIT",
    "textgenrnn/textgenrnn_weights.hdf5",
    "Keras HDF5",
    "keras",
)
LONGEST, STEPS = 40, 20


class Writer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(465, 100)
        self.rnn_1 = nn.LSTM(100, 128, batch_first=True)
        self.rnn_2 = nn.LSTM(128, 128, batch_first=True)
        self.attention = nn.Linear(356, 1, bias=False)
        self.output = nn.Linear(356, 465)

    def forward(self, letters: Array) -> Any:
        x = self.embedding(letters)
        first, _ = self.rnn_1(x)
        second, _ = self.rnn_2(first)
        x = np.concatenate([x, first, second], -1)
        x = (x * F.softmax(self.attention(x), 1)).sum(1)
        return F.softmax(self.output(x), -1)


def load(folder: Path) -> Writer:
    arrays = nn.load(folder / ENTRY.weights, flat=True)
    state = {key: array for key, array in arrays.items() if key.endswith("_l0")}
    state["embedding.weight"] = arrays["embedding.embedding.embeddings:0"]
    state["attention.weight"] = arrays["attention.attention.attention_W:0"].T
    state["output.weight"] = arrays["output.output.kernel:0"].T
    state["output.bias"] = arrays["output.output.bias:0"]
    model = Writer()
    model.load_state_dict(state)
    return model


def beginnings(folder: Path) -> list[Array]:
    """Return the first letters of a sentence, one more in each, zeros before them."""
    index = json.loads((folder / "textgenrnn/textgenrnn_vocab.json").read_text("utf-8"))
    text = [index["<s>"], *(index[letter] for letter in "What a small model can do")]
    made = []
    for length in range(1, STEPS + 1):
        padded = np.zeros((1, LONGEST), np.int64)
        padded[0, LONGEST - length :] = text[:length]
        made.append(padded)
    return made


def likeliest(probabilities: Array) -> Array:
    """Return the three likeliest letters."""
    return np.asarray(np.argsort(-probabilities, axis=-1)[:, :3])


def runs(folder: Path) -> dict[str, Run]:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    # The package itself asks for parts of Keras that are gone; its model does not.
    package: Any = ModuleType("textgenrnn")
    package.__path__ = [str(folder / "textgenrnn")]
    sys.modules["textgenrnn"] = package
    from textgenrnn.model import textgenrnn_model

    options = {"max_length": LONGEST, "dim_embeddings": 100, "rnn_layers": 2, "rnn_size": 128}
    options["rnn_bidirectional"] = False
    keras = textgenrnn_model(465, options, weights_path=str(folder / ENTRY.weights))
    graph = tf.function(keras)

    def compiled(letters: Array) -> Any:
        return graph(tf.constant(letters)).numpy()

    def as_published(letters: Array) -> Any:
        return keras.predict(letters, batch_size=1, verbose=0)

    model = load(folder)
    texts = beginnings(folder)
    return {
        "compiled": Run(model, compiled, texts, likeliest, "a letter"),
        "predict": Run(model, as_published, texts, likeliest, "a letter", False),
    }
