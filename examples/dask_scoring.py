"""Score a large array in a file on Dask, across processes, with the bytes of one process.

    pip install 'pylstm[dask]'
    python examples/dask_scoring.py [--rows 20000] [--steps 40]

An LSTM, projected to four scores, reads every sequence of an .npy file. Each task gets the file's
name and which rows are its own, not the rows: a worker maps the file and reads only those. Only
the scores travel back. The cut of the rows and the process that computes them change no bit, so
any two runs can be compared by a hash. (A matrix product of NumPy after the LSTM could change bits:
BLAS may add in another order when there are more rows.)
"""

import argparse
import hashlib
import tempfile
import time
from functools import cache
from itertools import pairwise
from pathlib import Path

import dask.array as da
import numpy as np
from dask import delayed

import pylstm as nn

FEATURES, HIDDEN, SCORES = 16, 48, 4


@cache
def model(path):
    """Return the LSTM of a weight file; a process reads it once."""
    return nn.LSTM.from_weights(path, batch_first=True)


def score(weights, data, start, stop):
    """Return the scores (stop - start, 4) of some rows of the file."""
    _, (h, _) = model(weights)(np.load(data, mmap_mode="r")[start:stop])
    return h[0]


def scores(weights, data, partitions):
    """Describe all scores as a Dask array with so many partitions; nothing is computed yet."""
    rows = len(np.load(data, mmap_mode="r"))
    edges = np.linspace(0, rows, partitions + 1).astype(int).tolist()
    blocks = [
        da.from_delayed(
            delayed(score)(weights, data, start, stop), (stop - start, SCORES), np.float32
        )
        for start, stop in pairwise(edges)
    ]
    return da.concatenate(blocks)


def write_files(folder, rows, steps):
    """Write weights and data, the same on every machine; return both names."""
    nn.manual_seed(2026)
    lstm = nn.LSTM(FEATURES, HIDDEN, proj_size=SCORES)
    rng = np.random.default_rng(2026)
    nn.save(lstm.state_dict(), folder / "model.safetensors")
    shape = (rows, steps, FEATURES)
    data = np.lib.format.open_memmap(folder / "data.npy", "w+", np.float32, shape)
    for start in range(0, rows, 1000):
        block = data[start : start + 1000]
        block[...] = rng.standard_normal(block.shape, np.float32)
    data.flush()
    return str(folder / "model.safetensors"), str(folder / "data.npy")


def main():
    """Score in this process, then on Dask in every way; compare the bytes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        weights, data = write_files(Path(name), options.rows, options.steps)
        start = time.perf_counter()
        alone = score(weights, data, 0, options.rows)
        seconds = time.perf_counter() - start
        size = Path(data).stat().st_size
        print(f"{options.rows} sequences of {options.steps} steps, {size:,} bytes")
        print("partitions  workers  seconds  SHA-256 of the scores")
        print(f"       one process {seconds:9.2f}  {hashlib.sha256(alone).hexdigest()[:16]}")
        same = True
        for partitions in (1, 2, 4):
            for workers in (1, 2):
                start = time.perf_counter()
                result = scores(weights, data, partitions).compute(
                    scheduler="processes", num_workers=workers
                )
                seconds = time.perf_counter() - start
                digest = hashlib.sha256(result).hexdigest()[:16]
                print(f"{partitions:10}  {workers:7}  {seconds:7.2f}  {digest}")
                same &= result.tobytes() == alone.tobytes()
    print("the same bytes every time" if same else "OTHER BYTES")
    return 0 if same else 1


# Workers import this file too; only the first process may start more.
if __name__ == "__main__":
    raise SystemExit(main())
