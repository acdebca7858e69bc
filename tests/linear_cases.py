"""Cases of Linear that are recorded from torch, and random ones that are compared with a live one."""

import numpy as np
from reference import fractions

# (in_features, out_features, bias, dtype, shape in front)
LINEAR = [
    (1, 1, True, "float32", (3,)),
    (4, 3, False, "float32", ()),
    (5, 33, True, "float64", (2, 3)),
    (31, 64, True, "float32", (7,)),
    (32, 65, False, "float64", (2, 1, 4)),
    (33, 17, True, "float32", (0,)),
    (64, 10, True, "float64", (9,)),
    (100, 130, True, "float32", (6,)),
    (20, 16, False, "float32", (2, 2, 2, 2)),
]


def linear_input(seed, shape):
    """Numbers between -1 and 1, float64."""
    return fractions(seed + 500, shape)


def random_linear(seed):
    """(in_features, out_features, bias, dtype, shape in front), all from the seed."""
    rng = np.random.default_rng(seed)
    sizes = [int(rng.choice((0, 1, 2, 3, 8, 16, 31, 32, 33, 64, 65, 100, 128, 200, 257)))] * 2
    sizes[1] = int(rng.choice((0, 1, 2, 3, 10, 16, 17, 63, 64, 65, 100, 130, 257)))
    shape = tuple(int(rng.choice((0, 1, 1, 2, 3, 5, 9, 24))) for _ in range(rng.integers(0, 4)))
    return sizes[0], sizes[1], bool(rng.integers(2)), str(rng.choice(["float32", "float64"])), shape
