"""Records weight files as torch 2.13.0 writes them: writes files/torch.tar.xz beside this script.

Run with torch and safetensors installed: python tests/data/record_files.py
The cases are those of tests/saved_by_torch.py; tests/recorded_files.py describes the archive and
reads it for tests that need no torch.
"""

import io
import json
import sys
import tarfile
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
import recorded_files
import saved_by_torch

STRUCTURE = ("input_size", "hidden_size", "num_layers", "bias", "bidirectional", "proj_size")


def described(array, values):
    """Add an array to the values; return how the index describes it."""
    values.append(array.tobytes())
    return [array.dtype.str, list(array.shape)]


def described_module(module, recorded, values):
    """Return how the index describes a module."""
    return {
        "kind": type(module).__name__,
        "structure": {k: getattr(module, k) for k in STRUCTURE if hasattr(module, k)},
        "options": {k: getattr(module, k) for k in recorded if hasattr(module, k)},
        "batch_first": getattr(module, "batch_first", False),
        "results": described(saved_by_torch.run(module), values),
    }


def record():
    """Return the entries of the archive by name."""
    entries, index, values = {}, {}, []
    for saved in saved_by_torch.cases():
        assert saved.name not in entries
        entries[saved.name] = saved.content
        index[saved.name] = {
            "arrays": {path: described(array, values) for path, array in saved.arrays.items()},
            "modules": {
                prefix: described_module(module, saved.recorded, values)
                for prefix, module in saved.modules.items()
            },
        }
    entries[recorded_files.INDEX] = json.dumps(index).encode()
    entries[recorded_files.VALUES] = b"".join(values)
    return entries


if __name__ == "__main__":
    assert torch.__version__.startswith("2.13.0")
    entries = record()
    with tarfile.open(recorded_files.ARCHIVE, "w:xz", preset=9) as archive:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    print(f"{len(entries) - 2} files, {recorded_files.ARCHIVE.stat().st_size} bytes")
