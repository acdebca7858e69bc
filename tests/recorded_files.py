"""Weight files that torch 2.13.0 wrote, and what is in them: tests/data/files/torch.tar.xz.

tests/data/record_files.py makes the archive. It holds every file under its name; index.json,
which says what each one holds; and values.bin, the arrays and results one behind the other, in
the order of the index.
"""

import functools
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import reference
from support import flatten

ARCHIVE = Path(__file__).parent / "data" / "files" / "torch.tar.xz"
INDEX, VALUES = "index.json", "values.bin"

STEPS, ROWS = 3, 2


@dataclass
class RecordedModule:
    """An LSTM or LSTMCell in a file.

    Attributes
    ----------
    kind : str
    structure : dict
        input_size and so on.
    options : dict
        batch_first, dropout, training: where the file knows them.
    batch_first : bool
        Of the module that computed ``results``.
    results : ndarray
        What torch made of ``module_input``, flat, in the module's dtype.
    """

    kind: str
    structure: dict
    options: dict
    batch_first: bool
    results: np.ndarray


@dataclass
class RecordedFile:
    """A file: its bytes, its arrays by dotted path, its modules by prefix."""

    name: str
    content: bytes
    arrays: dict
    modules: dict


@functools.cache
def recorded_files():
    """All recorded files by name."""
    with tarfile.open(ARCHIVE) as archive:
        entries = {member.name: archive.extractfile(member).read() for member in archive}
    index, values = json.loads(entries.pop(INDEX)), entries.pop(VALUES)
    start = 0

    def take(dtype, shape):
        nonlocal start
        count = int(np.prod(shape, dtype=np.int64))
        array = np.frombuffer(values, dtype, count, start).reshape(shape)
        start += array.nbytes
        return array

    files = {}
    for name, told in index.items():
        arrays = {path: take(*description) for path, description in told["arrays"].items()}
        modules = {}
        for prefix, module in told["modules"].items():
            module["results"] = take(*module["results"])
            modules[prefix] = RecordedModule(**module)
        files[name] = RecordedFile(name, entries.pop(name), arrays, modules)
    assert start == len(values)
    assert not entries
    return files


def module_input(kind, input_size, batch_first, rows=ROWS):
    """What the modules compute on: a sequence, or one step for a cell; exact in float32."""
    shape = (rows, STEPS) if batch_first else (STEPS, rows)
    x = reference.fractions(90_000 + input_size, (*shape, input_size), 2.0)
    return x[0] if kind == "LSTMCell" else x


def run(module, rows=ROWS):
    """Results of a pylstm module, flat as RecordedModule has them."""
    kind = type(module).__name__
    x = module_input(kind, module.input_size, getattr(module, "batch_first", False), rows)
    return flat(module.eval()(x))


def truth(parameters, kind, batch_first, rows=ROWS):
    """The same in float64, from the parameters by name."""
    parameters = {name: np.asarray(value, np.float64) for name, value in parameters.items()}
    end = "" if kind == "LSTMCell" else "_l0"
    x = module_input(kind, parameters["weight_ih" + end].shape[1], batch_first, rows)
    if kind == "LSTMCell":
        return flat(reference.lstm_cell(parameters, x))
    return flat(reference.lstm(parameters, x, batch_first=batch_first))


def flat(made):
    """All arrays of an LSTM's or a cell's results, one behind the other."""
    return np.concatenate([array.ravel() for array in flatten(made)])


def assert_as_accurate(results, torchs, truth):
    """The error against float64 is at most twice that of torch."""
    assert results.dtype == torchs.dtype
    error, allowed = (np.abs(array - truth).max() for array in (results, torchs))
    assert error <= 2 * allowed + 1e-7
