"""Records files of modules that only look like an LSTM: writes files/foreign.tar.xz.

Run with torch 2.13 and safetensors installed: python tests/data/record_foreign.py
The cases are those of tests/foreign_by_torch.py; index.json says what must be said of each.
"""

import io
import json
import sys
import tarfile
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
import foreign_by_torch

ARCHIVE = Path(__file__).parent / "files" / "foreign.tar.xz"

if __name__ == "__main__":
    assert torch.__version__.startswith("2.13.0")
    entries, index = {}, {}
    for case in foreign_by_torch.cases():
        assert case.name not in entries
        entries[case.name] = case.content
        index[case.name] = {"misses": case.misses, "found": case.found}
    entries["index.json"] = json.dumps(index).encode()
    with tarfile.open(ARCHIVE, "w:xz", preset=9) as archive:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    print(f"{len(index)} files, {ARCHIVE.stat().st_size} bytes")
