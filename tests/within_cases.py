"""Random modules and calls with lengths, resets and traces, and what such calls must be equal to.

``python tests/within_cases.py [COUNT]`` prints the hash of so many random calls of each kind at the
SIMD level in use: test_within.py compares the levels.
"""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, os.fspath(Path(__file__).resolve().parent))

from reference import KINDS
from reference_variants import kind_with
from reference_within import segments_of
from support import as_hx, layer_of, states_of, with_parameters

from pylstm.contract.cases import hash_arrays

GATES = ("sigmoid", "hard_sigmoid", "hard_sigmoid3")
ACTIVATIONS = ("tanh", "relu", "softsign", "linear")
HIDDEN = (1, 2, 3, 5, 8, 15, 16, 17, 20, 31, 32, 33, 48, 63, 64, 65, 70)


@dataclass
class Call:
    """A module, and a call of it; x, lengths and reset are those of the call, in its own layout.

    Attributes
    ----------
    kind : one of reference.KINDS
    variant : the options that torch has not, `reverse` not among them
    lengths : (N,) integers
    reset : a mask in the layout of x: bool (T, N), batch_first (N, T), unbatched (T,)
    """

    kind: str
    module: Any
    x: np.ndarray
    hx: Any
    lengths: np.ndarray
    reset: np.ndarray
    variant: dict = field(default_factory=dict)

    @property
    def unbatched(self):
        return self.x.ndim == 2

    @property
    def reverse(self):
        return bool(getattr(self.module, "reverse", False))

    @property
    def reference_kind(self):
        """The name in reference.KINDS of the kind and its variant."""
        return kind_with(self.kind, self.variant) if self.variant else self.kind

    def __str__(self):
        given = "" if self.hx is None else ", hx"
        return f"{self.module} {self.module._native_dtype}, x {self.x.shape}{given}, lengths {self.lengths.tolist()}"


def choose(rng, *values):
    return values[int(rng.integers(len(values)))]


def variant_of(rng, kind):
    """Options that torch has not; in two of three cases none."""
    if kind not in ("LSTM", "GRU") or rng.random() < 2 / 3:
        return {}
    options = {
        "gate_activation": choose(rng, *GATES),
        "activation": choose(rng, *ACTIVATIONS[: 3 if kind == "LSTM" else 4]),
    }
    if kind == "GRU":
        return options | {"reset_after": choose(rng, True, False)}
    return options | {"peepholes": choose(rng, True, False), "cell_clip": choose(rng, None, 0.25)}


def options_of(rng, kind, variant, hidden_size):
    """Constructor arguments that torch has too, and reverse."""
    options = {
        "num_layers": choose(rng, 1, 1, 2, 3),
        "bias": choose(rng, True, True, False),
        "batch_first": choose(rng, True, False),
        "bidirectional": choose(rng, True, False),
    }
    if kind == "LSTM" and hidden_size > 1 and rng.random() < 1 / 3:
        options["proj_size"] = int(rng.integers(1, hidden_size))
    if not options["bidirectional"] and rng.random() < 1 / 4:
        options["reverse"] = True
    return options | variant


def mask_of(rng, steps, rows):
    """Resets [T, N]: none, few, many, all, or in some rows only."""
    share = choose(rng, 0.0, 0.05, 0.2, 0.5, 1.0)
    mask = rng.random((steps, rows)) < share
    if rng.random() < 1 / 3:
        mask &= rng.random(rows) < 0.5
    if rng.random() < 1 / 4:
        mask[0] = True
    return mask


def random_call(rng, kind, *, rows=40, steps=40, dtype=None, unbatched=None, **fixed):
    """A call with at most so many rows and steps."""
    hidden_size, input_size = choose(rng, *HIDDEN), choose(rng, 1, 2, 3, 7, 16, 33, 64, 65)
    variant = variant_of(rng, kind)
    options = options_of(rng, kind, variant, hidden_size) | fixed
    if options["bidirectional"]:
        options.pop("reverse", None)
    dtype = dtype or choose(rng, "float32", "float64")
    module = with_parameters(
        layer_of(kind, input_size, hidden_size, **options, dtype=dtype), int(rng.integers(1000))
    )
    unbatched = rng.random() < 0.15 if unbatched is None else unbatched
    batch = 1 if unbatched else choose(rng, 1, 1, 2, 3, 4, 5, 8, int(rng.integers(1, 41)))
    batch, length = min(batch, rows), min(choose(rng, 1, 2, 3, 9, int(rng.integers(1, 41))), steps)
    x = (rng.standard_normal((length, batch, input_size)) * 2).astype(dtype)
    hx = None
    if rng.random() < 2 / 3:
        depth = module.num_layers * (1 + module.bidirectional)
        widths = (options.get("proj_size") or hidden_size, hidden_size)[: KINDS[kind].states]
        hx = [rng.standard_normal((depth, batch, width)).astype(dtype) for width in widths]
        hx = as_hx([state[:, 0] for state in hx] if unbatched else hx)
    reset = mask_of(rng, length, batch)
    if unbatched:
        x, reset = x[:, 0], reset[:, 0]
    elif module.batch_first:
        x, reset = x.swapaxes(0, 1), reset.T
    lengths = rng.integers(1, length + 1, batch)
    return Call(kind, module, x, hx, lengths, reset, variant)


def time_major(call, array):
    """An array in the layout of x as [T, N, ...]."""
    if call.unbatched:
        return array[:, None]
    return array.swapaxes(0, 1) if call.module.batch_first else array


def segments_alone(call):
    """(output, states) of every segment of every row run as a call of its own, put together."""
    module, x = call.module, time_major(call, call.x)
    mask, sides = time_major(call, call.reset), 1 + module.bidirectional
    out, final = None, None
    for row in range(x.shape[1]):
        segments = segments_of(len(x), None, mask[:, row])
        for first, end in segments:
            piece = np.ascontiguousarray(x[first:end, row : row + 1])
            piece = piece.swapaxes(0, 1) if module.batch_first else piece
            states = states_for(call, row, first == 0 and not mask[0, row], end == len(x))
            y, hx = module(piece, states)
            y, hx = (y.swapaxes(0, 1) if module.batch_first else y), states_of(hx)
            if out is None:
                out = np.full((*x.shape[:2], y.shape[2]), np.nan, y.dtype)
                shapes = [(len(h), x.shape[1], h.shape[2]) for h in hx]
                final = [np.full(shape, np.nan, y.dtype) for shape in shapes]
            out[first:end, row] = y[:, 0]
            for state, own in zip(final, hx, strict=True):
                for index in range(len(own)):
                    descending = call.reverse or index % sides == 1
                    if first == 0 if descending else end == len(x):
                        state[index, row] = own[index, 0]
    if call.unbatched:
        return out[:, 0], as_hx([state[:, 0] for state in final])
    return out.swapaxes(0, 1) if module.batch_first else out, as_hx(final)


def states_for(call, row, is_first, is_last):
    """The states that a segment begins from: hx in the directions that begin in it, else zeros."""
    if call.hx is None:
        return None
    sides, states = 1 + call.module.bidirectional, []
    for state in states_of(call.hx):
        own = (state[:, None] if call.unbatched else state)[:, row : row + 1].copy()
        for index in range(len(own)):
            descending = call.reverse or index % sides == 1
            if not (is_last if descending else is_first):
                own[index] = 0
        states.append(own)
    return as_hx(states)


def trace_names(call):
    return KINDS[call.kind].traced


def results_of(call):
    """All arrays of calls with lengths, with reset, and of traces with either."""
    found = []
    ways = [{"reset": call.reset}] + [{"lengths": call.lengths}] * (not call.unbatched)
    for way in ways:
        out, hx = call.module(call.x, call.hx, **way)
        trace = call.module.trace(call.x, call.hx, **way)
        found += [out, *states_of(hx), *(getattr(trace, name) for name in trace_names(call))]
    return found


if __name__ == "__main__":
    for kind in list(KINDS):
        for number in range(int(sys.argv[1])):
            rng = np.random.default_rng([170, list(KINDS).index(kind), number])
            print(kind, number, hash_arrays(results_of(random_call(rng, kind))), flush=True)
