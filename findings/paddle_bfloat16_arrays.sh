#!/usr/bin/env bash
# PaddlePaddle hands out bfloat16 as uint16: a weight of 0.46 comes as 16108, from .numpy(), from
# paddle.load(return_numpy=True) and from the pickle that paddle.save writes. No dtype, attribute or
# key of the array says so, and in a nested checkpoint no key of the file either. The other way
# round, an array of the whole numbers 0, 1, 2 in uint16 becomes a tensor of bfloat16 near zero.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'paddlepaddle==3.3.1' 'numpy>=2,<2.5'

cd "$folder"
cat > show.py <<'PYTHON'
import pickle

import numpy as np
import paddle

print("paddlepaddle", paddle.__version__, "numpy", np.__version__)
values = [0.4609375, -0.2578125, 3.0]
tensor = paddle.to_tensor(values, dtype="bfloat16")
paddle.save({"weight": tensor}, "flat.pdparams")
paddle.save({"model": {"weight": tensor}, "epoch": 1}, "nested.pdparams")

from_numpy = tensor.numpy()
from_load = paddle.load("flat.pdparams", return_numpy=True)["weight"]
with open("flat.pdparams", "rb") as file:
    flat = pickle.load(file)
with open("nested.pdparams", "rb") as file:
    nested = pickle.load(file)
print(".numpy():", from_numpy.dtype, from_numpy)
print("paddle.load(return_numpy=True):", from_load.dtype, from_load)
print("pickle of a state_dict:", flat)
print("pickle of a nested checkpoint:", nested)
whole = paddle.to_tensor(np.arange(3, dtype=np.uint16))
print("to_tensor of uint16 0, 1, 2:", whole.dtype, whole.astype("float32").numpy())

bits = (np.float32(values).view(np.uint32) >> 16).astype(np.uint16)
for array in (from_numpy, from_load, flat["weight"], nested["model"]["weight"][1]):
    assert array.dtype == np.uint16 and (array == bits).all(), array
assert "bfloat16" not in repr(flat) + repr(nested)
assert whole.dtype == paddle.bfloat16
assert (whole.astype("float32").numpy() < 1e-30).all()
PYTHON
"$folder/venv/bin/python" show.py 2> errors || { cat errors; exit 1; }
