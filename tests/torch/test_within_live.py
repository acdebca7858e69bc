"""Lengths, resets, traces and streams beside a live torch, which needs loops for most of them.

The promise is that of test_forward_live.py: float64 at most 1e-12 apart, float32 with at most twice
torch's own error.
"""

import numpy as np
import pytest
from reference import KINDS
from reference_within import segments_of
from support import as_hx, flatten, layer_of, states_of
from test_forward_live import (
    both,
    choose,
    compare,
    layer_arguments,
    of_each_kind,
    packing,
    states_for,
    tensors,
    values,
)

torch = pytest.importorskip("torch")
BATCHES, PER_BATCH = 8, 25  # of each check of each kind
batches = pytest.mark.parametrize("batch", range(BATCHES))


def setups(kind, purpose, batch, count=PER_BATCH, **fixed):
    """Yields (rng, dtype, pylstm's module, torch's module, input size), again and again."""
    for number in range(count):
        rng = np.random.default_rng([purpose, list(KINDS).index(kind), batch, number])
        sizes, options = layer_arguments(rng, kind)
        options |= fixed
        dtype = choose(rng, "float32", "float64")
        print(f"{kind} {dtype}, batch {batch}, number {number}: {sizes} {options}")
        yield rng, dtype, *both(layer_of, kind, number, sizes, options, dtype), sizes[0]


def layout(module, x):
    """A batch [T, N, I] as the module takes it, and back."""
    return np.ascontiguousarray(x.swapaxes(0, 1)) if module.batch_first else x


def in_both(theirs, run, x, hx):
    """(torch's results, those of its module in float64); the module is float64 afterwards."""
    expected = run(theirs, x, tensors(hx))
    return expected, run(theirs.double(), x.astype(float), tensors(hx, True))


@batches
@of_each_kind
def test_lengths(kind, batch):
    for rng, dtype, ours, theirs, size in setups(kind, 31, batch):
        steps, rows = int(rng.integers(1, 12)), int(rng.integers(1, 9))
        lengths = rng.integers(1, steps + 1, rows)
        x = layout(ours, values(rng, (steps, rows, size), dtype))
        hx = states_for(rng, kind, ours, (rows,), dtype)

        def padded(module, x, hx, lengths=lengths, steps=steps, first=ours.batch_first):
            packed = packing.pack_padded_sequence(
                torch.from_numpy(x.copy()), torch.from_numpy(lengths), first, enforce_sorted=False
            )
            with torch.inference_mode():
                out, states = module(packed, hx)
                out, _ = packing.pad_packed_sequence(out, first, total_length=steps)
            return [out.numpy(), *(state.numpy() for state in states_of(states))]

        expected, truth = in_both(theirs, padded, x, hx)
        compare(kind, flatten(ours(x, hx, lengths=lengths)), expected, truth, dtype)


def torch_segments(module, x, hx, mask, kind):
    """torch's module over each segment of each row; x [T, N, I], states as tensors or None."""
    sides, first = 1 + module.bidirectional, module.batch_first
    out, final = [], []
    for row in range(x.shape[1]):
        parts, ends = [], None
        for start, end in segments_of(len(x), None, mask[:, row]):
            piece = torch.from_numpy(x[start:end, row : row + 1].copy())
            states = None
            if hx is not None:
                states = [s[:, row : row + 1].clone() for s in states_of(hx)]
                for index in range(len(states[0])):
                    goes_on = end == len(x) if index % sides else start == 0 and not mask[0, row]
                    for state in states:
                        state[index] *= goes_on
                states = as_hx(states)
            with torch.inference_mode():
                y, after = module(piece.swapaxes(0, 1) if first else piece, states)
            parts.append((y.swapaxes(0, 1) if first else y).numpy())
            after = [state.numpy().copy() for state in states_of(after)]
            if ends is None:  # the directions that end here are the reverse ones
                ends = after
            for state, new in zip(ends, after, strict=True):
                state[::sides] = new[::sides]
        out.append(np.concatenate(parts))
        final.append(ends)
    out = np.concatenate(out, axis=1)
    states = [np.concatenate(each, axis=1) for each in zip(*final, strict=True)]
    return [np.ascontiguousarray(out.swapaxes(0, 1)) if first else out, *states]


@batches
@of_each_kind
def test_resets(kind, batch):
    for rng, dtype, ours, theirs, size in setups(kind, 32, batch, 15):
        steps, rows = int(rng.integers(1, 10)), int(rng.integers(1, 6))
        mask = rng.random((steps, rows)) < choose(rng, 0.1, 0.3, 0.9)
        x = values(rng, (steps, rows, size), dtype)
        hx = states_for(rng, kind, ours, (rows,), dtype)

        def segments(module, x, hx, mask=mask):
            return torch_segments(module, x, hx, mask, kind)

        expected, truth = in_both(theirs, segments, x, hx)
        reset = layout(ours, mask)
        compare(kind, flatten(ours(layout(ours, x), hx, reset=reset)), expected, truth, dtype)


def torch_states(kind, theirs, x, hx):
    """States of every step [Y, D, T, N, H], of loops over torch's cell: h, and c of an LSTM."""
    below, found, index = torch.from_numpy(x.copy()), [], 0
    parameters = theirs.state_dict()
    with torch.inference_mode():
        for layer in range(theirs.num_layers):
            sides = []
            for suffix in ("", "_reverse")[: 1 + theirs.bidirectional]:
                end = f"_l{layer}{suffix}"
                cell = torch_cell(kind, theirs, below.shape[2])
                cell.load_state_dict(
                    {k.removesuffix(end): v for k, v in parameters.items() if k.endswith(end)}
                )
                state = None if hx is None else as_hx([s[index] for s in states_of(hx)])
                steps = range(len(x))
                seen = [None] * len(x)
                for t in reversed(steps) if suffix else steps:
                    state = cell(below[t], state)
                    seen[t] = states_of(state)
                sides.append([torch.stack(each) for each in zip(*seen, strict=True)])
                index += 1
            below = torch.cat([side[0] for side in sides], dim=2)
            found.append([torch.stack(each) for each in zip(*sides, strict=True)])
        return [torch.stack(each).numpy() for each in zip(*found, strict=True)]


def torch_cell(kind, theirs, size):
    name = type(theirs).__name__ + "Cell"
    options = {"nonlinearity": theirs.nonlinearity} if name == "RNNCell" else {}
    return getattr(torch.nn, name)(
        size, theirs.hidden_size, theirs.bias, **options, dtype=theirs.weight_ih_l0.dtype
    )


@batches
@of_each_kind
def test_traces(kind, batch):
    without = {"proj_size": 0} if kind == "LSTM" else {}
    for rng, dtype, ours, theirs, size in setups(kind, 33, batch, 15, **without, dropout=0.0):
        steps, rows = int(rng.integers(1, 10)), int(rng.integers(1, 6))
        x = values(rng, (steps, rows, size), dtype)
        hx = states_for(rng, kind, ours, (rows,), dtype)
        trace = ours.trace(layout(ours, x), hx)
        states = [trace.h, trace.c] if kind == "LSTM" else [trace.h]

        def loop(module, x, hx):
            return torch_states(kind, module, x, hx)

        expected, truth = in_both(theirs, loop, x, hx)
        compare(kind, states, expected, truth, dtype)


@batches
@of_each_kind
def test_gates(kind, batch):
    """The gates of a trace, from torch's own matrices and activations, in float64."""
    if kind not in ("LSTM", "GRU"):
        pytest.skip("an RNN has no gates")
    for rng, _, ours, theirs, size in setups(kind, 34, batch, 10, num_layers=1, dropout=0.0):
        ours, theirs = ours.double(), theirs.double()
        x = values(rng, (int(rng.integers(1, 8)), int(rng.integers(1, 5)), size), "float64")
        hx = states_for(rng, kind, ours, (x.shape[1],), "float64")
        trace = ours.trace(layout(ours, x), hx)
        out = trace.output.swapaxes(0, 1) if ours.batch_first else trace.output
        width = out.shape[2] // (1 + ours.bidirectional)
        for side, suffix in enumerate(("", "_reverse")[: 1 + ours.bidirectional]):
            own = out[:, :, side * width : (side + 1) * width]
            first = np.zeros((1, *own.shape[1:])) if hx is None else states_of(hx)[0][side][None]
            h = np.concatenate([own[1:], first] if suffix else [first, own[:-1]])
            with torch.inference_mode():
                gates = torch_gates(kind, theirs, f"_l0{suffix}", torch.tensor(x), torch.tensor(h))
            for name, expected in gates.items():
                assert np.abs(getattr(trace, name)[0, side] - expected.numpy()).max() < 1e-12


def torch_gates(kind, theirs, end, x, h):
    """{name: activated gate [T, N, H]} of given states before each step."""
    linear = torch.nn.functional.linear
    parameters = {k.removesuffix(end): v for k, v in theirs.state_dict().items()}
    a = linear(x, parameters["weight_ih"], parameters.get("bias_ih"))
    b = linear(h, parameters["weight_hh"], parameters.get("bias_hh"))
    if kind == "LSTM":
        i, f, g, o = (a + b).chunk(4, dim=2)
        return {"i": i.sigmoid(), "f": f.sigmoid(), "g": g.tanh(), "o": o.sigmoid()}
    (a_r, a_z, a_n), (b_r, b_z, b_n) = a.chunk(3, dim=2), b.chunk(3, dim=2)
    r = (a_r + b_r).sigmoid()
    return {"r": r, "z": (a_z + b_z).sigmoid(), "n": (a_n + r * b_n).tanh()}


@batches
@of_each_kind
def test_streams(kind, batch):
    """Whichever rows have a step, against torch's module over those rows of its own states."""
    fixed = {"bidirectional": False, "dropout": 0.0}
    for rng, dtype, ours, theirs, size in setups(kind, 35, batch, 8, **fixed):
        rows = int(rng.integers(1, 7))
        hx = states_for(rng, kind, ours, (rows,), dtype)
        stream = ours.stream(rows, hx)
        events = []
        for _ in range(8):
            some = rng.permutation(rows)[: int(rng.integers(1, rows + 1))]
            events.append((some, values(rng, (len(some), size), dtype)))

        def run(module, rows_of_x, hx, events=events, rows=rows, like=ours):
            double = module.weight_ih_l0.dtype == torch.float64
            if hx is None:
                _, states = module(
                    torch.zeros(like_shape(like, rows), dtype=module.weight_ih_l0.dtype)
                )
                states = [torch.zeros_like(state) for state in states_of(states)]
            else:
                states = [state.clone() for state in states_of(hx)]
            results = []
            for some, x in events:
                index = torch.from_numpy(some)
                step = torch.from_numpy(x).double() if double else torch.from_numpy(x)
                axis = 1 if like.batch_first else 0
                own = as_hx([state[:, index] for state in states])
                out, new = module(step.unsqueeze(axis), own)
                for state, values_of in zip(states, states_of(new), strict=True):
                    state[:, index] = values_of
                results.append(out.squeeze(axis).numpy())
            return [*results, *(state.numpy() for state in states)]

        with torch.inference_mode():
            expected, truth = in_both(theirs, run, np.zeros(1), hx)
        found = [stream(x, rows=some) for some, x in events]
        compare(kind, [*found, *states_of(stream.state)], expected, truth, dtype)


def like_shape(module, rows):
    return (rows, 1, module.input_size) if module.batch_first else (1, rows, module.input_size)


@of_each_kind
def test_tensors_as_lengths_and_resets(kind):
    module = layer_of(kind, 3, 4)
    x, lengths = torch.ones(5, 2, 3), torch.tensor([3, 5])
    mask = torch.zeros(5, 2, dtype=torch.bool)
    mask[2] = True
    ours = flatten(module(x, lengths=lengths)), flatten(module(x, reset=mask))
    plain = (
        flatten(module(x.numpy(), lengths=[3, 5])),
        flatten(module(x.numpy(), reset=mask.numpy())),
    )
    for found, expected in zip(ours, plain, strict=True):
        assert [a.tobytes() for a in found] == [b.tobytes() for b in expected]
    with pytest.raises(TypeError, match="reset"):
        module(x, reset=mask.float())
    with pytest.raises(TypeError, match="lengths"):
        module(x, lengths=lengths.float())
