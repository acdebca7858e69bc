#!/usr/bin/env bash
# g2p-fa 1.1.0 never calls eval() on its net, so the dropout of training stays on when it reads a
# word: the same object gives the same word several pronunciations, call after call. With eval() each
# word has one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 torch==2.13.0 g2p-fa==1.1.0
cat > "$folder/check.py" <<'PYTHON'
from collections import Counter
from importlib.metadata import version

import torch
from g2p_fa import G2P_Fa

print("g2p-fa", version("g2p-fa"), "torch", torch.__version__)
torch.manual_seed(0)
reader = G2P_Fa()
checks = {"the net of a new object is in training mode": reader.model.training}
words = {"kitab": "کتاب", "zamestan": "زمستان"}
published = {}
for name, word in words.items():
    published[name] = Counter(reader(word) for _ in range(100))
    print(f"{name}: 100 calls gave {len(published[name])} answers: {published[name].most_common(3)}")
checks["the same word is read in several ways"] = all(len(each) > 1 for each in published.values())
reader.model.eval()
settled = {name: Counter(reader(word) for _ in range(100)) for name, word in words.items()}
print("after eval():", {name: list(each) for name, each in settled.items()})
checks["after eval() it is read in one"] = all(len(each) == 1 for each in settled.values())
for text, holds in checks.items():
    print("yes" if holds else "NO ", text)
raise SystemExit(0 if all(checks.values()) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/check.py"
