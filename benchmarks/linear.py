"""Linear beside NumPy's ``@`` and torch, one thread: ``python -m benchmarks.linear``.

Each figure is a ratio within one round, their time over ours. It exits with 1 where one of ours is
more than 3 % slower than the fastest.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from typing import Any

from benchmarks.environment import prepare

SIZES = [(128, 10), (64, 876), (256, 256), (512, 8210)]
BATCHES = (1, 8, 32, 256)
HEAVY = (512, 8210)  # bound by memory


def runners_of(sizes: tuple[int, int], batch: int) -> dict[str, Any]:
    """Return what is timed: the same product of the same numbers by each library that is there."""
    import numpy as np

    import pylstm as nn
    from benchmarks.timing import Runner

    module, x = nn.Linear(*sizes), np.random.rand(batch, sizes[0]).astype(np.float32)
    weight, bias = module.weight.copy(), np.array(module.bias)
    found = {
        "pylstm": Runner("module(x)", {"module": module, "x": x}),
        "numpy": Runner("x @ weight + bias", {"x": x, "weight": weight.T, "bias": bias}),
    }
    with suppress(ImportError):
        import torch

        torch.set_num_threads(1)
        theirs = torch.nn.Linear(*sizes)
        state = {"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)}
        theirs.load_state_dict(state)
        names = {"module": theirs, "x": torch.from_numpy(x)}
        found["torch"] = Runner("module(x)", names, context=torch.inference_mode)
    return found


def parsed(description: str | None) -> argparse.Namespace:
    """Return the options of the command line, with this process on the core that they name."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=40, help="figures of each call (default 40)")
    parser.add_argument("--target", type=float, default=1e-3, help="seconds of a figure")
    parser.add_argument("--core", type=int, help="the processor to run on")
    options = parser.parse_args()
    prepare(options.core)
    return options


def main() -> int:
    """Print a table of medians, and the geometric means."""
    options = parsed(__doc__)

    import pylstm as nn
    from benchmarks.timing import geometric_mean, interleave, ratios, spread

    nn.set_num_threads(1)
    others = ["numpy", "torch"] if "torch" in runners_of(SIZES[0], 1) else ["numpy"]
    print("| layer | batch | µs |", " | ".join(f"{name} / ours" for name in others), "|")
    print("|---|---|---|" + "---|" * len(others))
    light, every = [], []
    for sizes in SIZES:
        for batch in BATCHES:
            samples = interleave(runners_of(sizes, batch), options.rounds, options.target)
            theirs = [ratios(samples[name], samples["pylstm"]).median for name in others]
            every.append(min(theirs))
            if batch != max(BATCHES) and sizes != HEAVY:
                light.append(min(theirs))
            cells = [
                f"{sizes[0]} → {sizes[1]}",
                str(batch),
                f"{spread(samples['pylstm']).median * 1e6:.2f}",
                *(f"{ratio:.2f}" for ratio in theirs),
            ]
            print("|", " | ".join(cells), "|", flush=True)
    print(
        f"\nOver the fastest, geometric mean: {geometric_mean(light):.2f} without batch "
        f"{max(BATCHES)} and {HEAVY[0]} → {HEAVY[1]}, {geometric_mean(every):.2f} of all"
    )
    return int(min(every) < 0.97)


if __name__ == "__main__":
    sys.exit(main())
