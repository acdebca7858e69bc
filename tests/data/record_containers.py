"""Record what torch's containers do in the cases of container_cases.py, in containers.json.

    python tests/data/record_containers.py

It needs torch 2.13.
"""

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import container_cases

found = [[*case, container_cases.outcome(torch.nn, *case)] for case in container_cases.cases()]
lines = ",\n".join(json.dumps(row) for row in found)
Path(__file__).with_name("containers.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
