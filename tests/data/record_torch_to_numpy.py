"""Record what torch gives for each row of docs/torch-to-numpy.md, in torch_to_numpy.json.

    python tests/data/record_torch_to_numpy.py

It needs torch 2.13.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from torch_to_numpy import RECORDED, by_torch, page_names, rows

names = page_names()
lines = [f"{json.dumps(row.torch)}: {json.dumps(by_torch(row, names))}" for row in rows()]
RECORDED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
