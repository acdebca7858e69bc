#!/usr/bin/env bash
# A cell that torch quantised dynamically has its biases twice: in its packed weights, which compute,
# and in the attributes bias_ih and bias_hh. The operator is given both, but assigning an attribute
# changes no result. The state_dict has the packed ones alone: after load_state_dict the attributes
# are still those of before, and are not the biases that the results have.
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
print("torch", torch.__version__)


def quantised():
    tree = torch.nn.Sequential(torch.nn.LSTMCell(2, 3))
    return torch.ao.quantization.quantize_dynamic(tree, {torch.nn.LSTMCell}, dtype=torch.qint8)[0]


torch.manual_seed(0)
x, first, second = torch.ones(1, 2), quantised(), quantised()
before = first(x)[0]
with torch.no_grad():
    first.bias_ih = first.bias_ih + 100
unchanged = torch.equal(first(x)[0], before)
print("the result is the same with bias_ih + 100:", unchanged)
print("state_dict:", list(first.state_dict()))
second.load_state_dict(first.state_dict())
loaded = torch.equal(second(x)[0], before)
packed = second.get_bias()["bias_ih"]
stale = not torch.equal(second.bias_ih, packed)
print("after load_state_dict the results are those of the other cell:", loaded)
print("and bias_ih is another array than get_bias()['bias_ih']:", stale)
assert unchanged and loaded and stale
assert list(first.state_dict()) == ["_packed_weight_ih", "_packed_weight_hh"]
PYTHON
"$folder/venv/bin/python" show.py
