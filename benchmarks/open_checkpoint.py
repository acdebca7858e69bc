"""One LSTM out of a checkpoint of 1 GB: ``python -m benchmarks.open_checkpoint``.

Writes sparse files, which take no space on the disk, into a temporary folder; makes the module
of one prefix in a process of its own; prints how many bytes were read, the peak of the memory,
and the time: of the first call, which imports the readers, and of the best of ten more. torch
writes its own formats, where it is installed.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .memory import MEGABYTE, resident

PREFIX, INPUT, HIDDEN, LAYERS = "encoder.lstm", 64, 128, 2
NUMBERS = 1 << 28  # float32: 1 GB

# Beyond the parameters: the names of what there is, read in pieces of 64 KB and twice in files
# from before torch 1.6; the readers' code.
ALLOWED_READ, ALLOWED_PEAK = MEGABYTE // 2, 8 * MEGABYTE
ALLOWED_SECONDS = 0.01


class SparseFile(io.RawIOBase):
    """A file in which long runs of zeros become holes."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        for start in range(0, view.nbytes, MEGABYTE):
            piece = view[start : start + MEGABYTE]
            if piece.nbytes == MEGABYTE and not np.frombuffer(piece, np.uint8).any():
                self._file.seek(MEGABYTE, 1)
            else:
                self._file.write(piece)
        return view.nbytes

    def close(self) -> None:
        if not self.closed:
            self._file.truncate()
            self._file.close()
        super().close()


class CountingFile:
    """A binary file that counts what is read from it."""

    def __init__(self, file: io.FileIO) -> None:
        self.total = 0
        self.name = str(file.name)
        self.seek, self.tell = file.seek, file.tell
        self._file = file

    def read(self, size: int = -1) -> bytes | None:
        data = self._file.read(size)
        self.total += len(data or b"")
        return data

    def readinto(self, buffer: Any) -> int | None:
        count = self._file.readinto(buffer)
        self.total += count or 0
        return count


def shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the LSTM's parameters in the checkpoint."""
    import pylstm

    state = pylstm.LSTM(INPUT, HIDDEN, LAYERS).state_dict(prefix=f"{PREFIX}.")
    return {name: array.shape for name, array in state.items()}


def write_safetensors(path: Path) -> None:
    """Write the LSTM's tensors, and a large one before them."""
    header, position = {}, 0
    large = NUMBERS - sum(int(np.prod(shape)) for shape in shapes().values())
    for name, shape in {"large": (large,), **shapes()}.items():
        end = position + 4 * int(np.prod(shape))
        offsets = [position, end]
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": offsets}
        position = end
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + position)


def write_torch(path: Path, *, flat: bool, **options: Any) -> None:
    """Have torch save a checkpoint: tensors in one storage, as real ones mostly are, or apart."""
    import torch

    memory = torch.zeros(NUMBERS)
    state, position = {"large": memory}, NUMBERS // 2
    for name, shape in shapes().items():
        end = position + int(np.prod(shape))
        view = memory[position:end].view(shape)
        state[name] = view if flat else view.clone()
        position = end
    with SparseFile(path) as file:
        torch.save({"state_dict": state, "epoch": 7}, file, **options)


CASES: dict[str, Callable[[Path], None]] = {
    "safetensors": write_safetensors,
    "torch, one storage": lambda path: write_torch(path, flat=True),
    "torch, many storages": lambda path: write_torch(path, flat=False),
    "torch before 1.6": lambda path: write_torch(
        path, flat=True, _use_new_zipfile_serialization=False
    ),
}


def child(path: Path) -> dict[str, float]:
    """Make the module in this process; return what that took."""
    import pylstm

    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = resident("VmRSS")
    seconds: list[float] = []
    peak = 0
    while len(seconds) < 11:
        with path.open("rb", buffering=0) as file:
            counting = CountingFile(file)
            start = time.perf_counter()
            lstm = pylstm.LSTM.from_weights(counting, PREFIX)
            seconds.append(time.perf_counter() - start)
        peak = peak or resident("VmHWM") - before
    return {
        "read": counting.total,
        "own": sum(array.nbytes for array in lstm.state_dict().values()),
        "first": seconds[0],
        "next": min(seconds[1:]),
        "peak": peak,
    }


def measure(path: Path) -> dict[str, float]:
    """Run ``child`` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.open_checkpoint", "--child", str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main(arguments: list[str]) -> int:
    """Print the figures of every format; returns 1 where one is above its budget."""
    if arguments[:1] == ["--child"]:
        print(json.dumps(child(Path(arguments[1]))))
        return 0
    failed = False
    for name, write in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "checkpoint"
            try:
                write(path)
            except ImportError as error:
                print(f"{name}: not measured ({error})")
                continue
            size = path.stat().st_size
            got = measure(path)
        holds = (
            got["read"] - got["own"] <= ALLOWED_READ
            and got["peak"] - got["own"] <= ALLOWED_PEAK
            and got["next"] <= ALLOWED_SECONDS
        )
        failed |= not holds
        print(
            f"{name}: file {size / MEGABYTE:.0f} MB, parameters {got['own'] / MEGABYTE:.2f} MB, "
            f"read {got['read'] / MEGABYTE:.2f} MB, peak memory {got['peak'] / MEGABYTE:.2f} MB, "
            f"{got['first'] * 1e3:.1f} ms, then {got['next'] * 1e3:.2f} ms: "
            f"{'holds' if holds else 'FAILS'}"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
