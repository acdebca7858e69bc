#!/usr/bin/env bash
# An LSTM that torch quantised dynamically takes one scale for its input over all steps and all rows of
# a call. So a loud last step changes the first output, and a loud row changes the outputs of the other
# rows of its batch, by far more than quantising itself costs. In the float LSTM neither is possible:
# step t depends on steps up to t of its own row. A sequence that is cut into calls, as a stream does,
# gives other results than the whole one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'torch==2.13.0' 'numpy>=2,<2.5'

cd "$folder"
cat > show.py <<'PYTHON'
import warnings

import torch

warnings.simplefilter("ignore")  # torch.ao is deprecated
torch.manual_seed(0)
lstm = torch.nn.LSTM(16, 32).eval()
tree = torch.nn.Sequential(lstm)
small = torch.ao.quantization.quantize_dynamic(tree, {torch.nn.LSTM}, dtype=torch.qint8)[0]
print("torch", torch.__version__, torch.backends.quantized.engine)

x = torch.randn(10, 4, 16)
loud_step, loud_row = x.clone(), x.clone()
loud_step[9] *= 50
loud_row[:, 3] *= 50


def moved(module, changed, where):
    """How far outputs move that do not depend on what was changed."""
    with torch.no_grad():
        return (module(changed)[0][where] - module(x)[0][where]).abs().max().item()


with torch.no_grad():
    own = (small(x)[0] - lstm(x)[0]).abs().max().item()
    halves = torch.cat([small(x[:1])[0], small(x[1:], small(x[:1])[1])[0]])
    cut = (halves - small(x)[0]).abs().max().item()
first, others = slice(0, 1), (slice(None), slice(0, 3))
step, row = moved(small, loud_step, first), moved(small, loud_row, others)
print(f"largest error of quantising:                            {own:.1e}")
print(f"the first output moves with the tenth step by           {step:.1e}")
print(f"the outputs of rows 0 to 2 move with row 3 by           {row:.1e}")
print(f"the sequence in two calls and whole differ by           {cut:.1e}")
print("the same two of the float LSTM:", moved(lstm, loud_step, first), moved(lstm, loud_row, others))
assert step > 3 * own and row > 3 * own and cut > own / 10
assert moved(lstm, loud_step, first) == 0 and moved(lstm, loud_row, others) < 1e-6
PYTHON
"$folder/venv/bin/python" show.py
