#!/usr/bin/env bash
# A state_dict with a tensor and its last row as a tensor of its own: save_torch_state_dict writes
# the whole one only, without a warning, and says in the metadata that the row is the whole; what
# the row was cannot be had from the file any more. It also takes the row out of the caller's own
# dictionary. safetensors' save_file refuses such a dictionary.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'huggingface_hub==2.4.0' 'safetensors==0.8.0' 'torch==2.13.0' 'numpy>=2,<2.5'

cd "$folder"
cat > show.py <<'PYTHON'
import huggingface_hub
import safetensors.torch
import torch

print("huggingface_hub", huggingface_hub.__version__)
whole = torch.arange(8.0).view(4, 2)
state = {"whole": whole, "last_row": whole[3:]}
before = dict(state)
huggingface_hub.save_torch_state_dict(state, ".")
loaded = safetensors.torch.load_file("model.safetensors")
with safetensors.torch.safe_open("model.safetensors", "pt") as file:
    metadata = file.metadata()
print("given:", {name: tuple(tensor.shape) for name, tensor in before.items()})
print("left in the dictionary that was given:", list(state))
print("loaded:", {name: tuple(tensor.shape) for name, tensor in loaded.items()})
print("metadata:", metadata)
try:
    safetensors.torch.save_file(before, "other.safetensors")
    refused = False
except RuntimeError as error:
    refused = "share memory" in str(error)
print("safetensors.torch.save_file refuses:", refused)
assert list(loaded) == list(state) == ["whole"] and metadata["last_row"] == "whole" and refused
PYTHON
"$folder/venv/bin/python" show.py
