"""Record what torch's layers give in the first cases of layer_cases.py, in layers.npz.

    python tests/data/record_layers.py

It needs torch 2.13.
"""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import layer_cases

found = {}
for layer in layer_cases.MAKERS:
    for seed in range(8):
        case = layer_cases.make(layer, seed)
        torch.manual_seed(seed)
        module = layer_cases.built(torch.nn, case, "float64", lambda a: torch.from_numpy(a.copy()))
        x = torch.from_numpy(layer_cases.input_of(case, "float64"))
        with torch.no_grad():
            results = layer_cases.results(module(x))
        for place, result in enumerate(results):
            found[f"{layer}/{seed}/{place}"] = result.numpy()
for count in (1, 15, 16, 17, 100):
    for name in ("float32", "float64"):
        torch.manual_seed(count)
        table = torch.nn.Embedding(count, 1, dtype=getattr(torch, name)).weight
        found[f"table/{count}/{name}"] = table.detach().numpy()
np.savez_compressed(Path(__file__).with_name("layers.npz"), **found)
