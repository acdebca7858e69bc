#!/usr/bin/env bash
# torch.nn.RNN keeps its activation in `mode`; the attribute `nonlinearity` is read by nothing after the
# constructor. Setting it changes no result, where on RNNCell the same assignment takes effect at the next
# call. Neither repr nor the state_dict of an RNN tells tanh from relu: weights trained with relu load into
# a tanh RNN with "All keys matched successfully". And RNNCell(2, 3, "relu"), which reads as RNN's order of
# arguments, is a tanh cell: the third argument is its bias.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 torch==2.13.0
cat > "$folder/check.py" <<'PYTHON'
import torch

torch.manual_seed(0)
x = torch.randn(5, 4, 2)
rnn = torch.nn.RNN(2, 3)
relu = torch.nn.RNN(2, 3, nonlinearity="relu")
relu.load_state_dict(rnn.state_dict())
cell = torch.nn.RNNCell(2, 3)
slip = torch.nn.RNNCell(2, 3, "relu")
with torch.no_grad():
    before, before_cell = rnn(x)[0], cell(x[0])
    rnn.nonlinearity = "relu"
    cell.nonlinearity = "relu"
    after, after_cell = rnn(x)[0], cell(x[0])
    report = torch.nn.RNN(2, 3).load_state_dict(relu.state_dict())
    seen = {
        "RNN, set to relu: same results": torch.equal(before, after),
        "RNN made with relu: same results": torch.equal(before, relu(x)[0]),
        "RNNCell, set to relu: same results": torch.equal(before_cell, after_cell),
        "repr of a relu RNN": repr(relu),
        "relu's weights into a tanh RNN": str(report),
        'RNNCell(2, 3, "relu")': repr(slip),
        "its nonlinearity": slip.nonlinearity,
    }
print("torch", torch.__version__)
for name, value in seen.items():
    print(f"{name}: {value}")
assert list(seen.values()) == [
    True,
    False,
    False,
    "RNN(2, 3)",
    "<All keys matched successfully>",
    "RNNCell(2, 3, bias=relu)",
    "tanh",
]
PYTHON
"$folder/venv/bin/python" "$folder/check.py"
