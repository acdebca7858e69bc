"""Records what torch.nn.Linear draws and computes: writes tests/data/linear.npz.

Run with torch 2.13.0: python tests/data/record_linear.py
"""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from linear_cases import LINEAR, linear_input

if __name__ == "__main__":
    arrays = {}
    for number, (in_features, out_features, bias, dtype, shape) in enumerate(LINEAR):
        torch.manual_seed(number)
        kind = getattr(torch, dtype)
        layer = torch.nn.Linear(in_features, out_features, bias, dtype=kind)
        x = torch.from_numpy(linear_input(number, (*shape, in_features)))
        for name, value in layer.named_parameters():
            arrays[f"{number}.{name}"] = value.detach().numpy()
        arrays[f"{number}.result"] = layer(x.to(kind)).detach().numpy()
    np.savez_compressed(Path(__file__).with_name("linear.npz"), **arrays)
    print(f"linear.npz: {len(arrays)} arrays")
