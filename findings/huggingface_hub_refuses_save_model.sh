#!/usr/bin/env bash
# safetensors.torch.save_model of a model with tied weights writes the second name into the
# metadata. huggingface_hub takes files without metadata, or with the entry "format", so it loads
# the file of an untied model and refuses that of a tied one. Nor does its own file of the tied model
# pass with strict=True: the second name counts as missing.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'huggingface_hub==2.4.0' 'safetensors==0.8.0' 'torch==2.13.0' 'numpy>=2,<2.5'

cd "$folder"
cat > show.py <<'PYTHON'
import os

import huggingface_hub
import safetensors
import safetensors.torch
import torch

print("safetensors", safetensors.__version__, "huggingface_hub", huggingface_hub.__version__)


class Model(torch.nn.Module):
    def __init__(self, tied):
        super().__init__()
        self.a, self.b = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
        if tied:
            self.b.weight = self.a.weight


def outcome(model, path, strict):
    try:
        huggingface_hub.load_torch_model(model, path, strict=strict)
        return "loads"
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


told = {}
for tied in (False, True):
    model = Model(tied)
    safetensors.torch.save_model(model, f"{tied}.safetensors")
    told["save_model", tied] = outcome(model, f"{tied}.safetensors", False)
    os.mkdir(str(tied))
    huggingface_hub.save_torch_model(model, str(tied))
    told["save_torch_model", tied] = outcome(model, str(tied), True)
for (writer, tied), text in told.items():
    print(f"{writer}, {'tied' if tied else 'untied'}: {text}")
assert told["save_model", False] == told["save_torch_model", False] == "loads"
assert "valid metadata" in told["save_model", True]
assert "Missing key" in told["save_torch_model", True]
PYTHON
"$folder/venv/bin/python" show.py
