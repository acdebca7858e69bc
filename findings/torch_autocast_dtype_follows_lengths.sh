#!/usr/bin/env bash
# Under torch.autocast("cpu", torch.bfloat16) the dtype of a packed LSTM's output and states depends on
# the lengths in the batch: bfloat16 if all sequences are equally long, float32 if one is shorter by a
# step. A padded batch gives bfloat16. So the dtype behind the LSTM changes from batch to batch. A GRU
# returns float32 and an RNN bfloat16, whatever the lengths.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'numpy>=2,<2.5' torch==2.13.0
cat > "$folder/check.py" <<'PYTHON'
import torch
from torch.nn.utils.rnn import pack_padded_sequence

torch.manual_seed(0)
x = torch.randn(10, 4, 8)
batches = {"10 10 10 10": [10, 10, 10, 10], "10 10 10 9": [10, 10, 10, 9], "10 7 5 2": [10, 7, 5, 2]}
found = {}
for kind in ("LSTM", "GRU", "RNN"):
    layer = getattr(torch.nn, kind)(8, 16).eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = [layer(x)]
        outputs += [layer(pack_padded_sequence(x, torch.tensor(l))) for l in batches.values()]
    found[kind] = []
    for output, states in outputs:
        states = states if isinstance(states, tuple) else (states,)
        arrays = [output.data, *states]
        (dtype,) = {str(array.dtype).removeprefix("torch.") for array in arrays}
        found[kind].append(dtype)

print("torch", torch.__version__)
print("dtype of output and states:", *(f"{name:12}" for name in ("padded", *batches)), sep="  ")
for kind, dtypes in found.items():
    print(f"{kind:26} ", *(f"{dtype:12}" for dtype in dtypes), sep="  ")
expected = {
    "LSTM": ["bfloat16", "bfloat16", "float32", "float32"],
    "GRU": ["float32"] * 4,
    "RNN": ["bfloat16"] * 4,
}
raise SystemExit(0 if found == expected else 1)
PYTHON
"$folder/venv/bin/python" "$folder/check.py"
