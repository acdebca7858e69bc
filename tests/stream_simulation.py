"""Random events on streams, and each sequence run whole: ``python tests/stream_simulation.py``.

The arguments are a seed and a number of events. Every row of every stream keeps what it has read and
given since it began. Once the row ends, by leave, reset, select, an assigned state or the end of
its stream, the layer runs all of it in one call from the same first state. Outputs and states must
have the same bytes. Printed are the seed, how often each event was drawn, and a hash of all outputs, which
is the same at every SIMD level.
"""

import copy
import hashlib
import itertools
import os
import pickle
import sys
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, os.fspath(Path(__file__).resolve().parent))

from support import as_hx, layer_of, states_of, with_parameters

from pylstm import _core

SEED, EVENTS = 17, 21_000
PER_LAYER = 250  # events until the next layer
MOST_ROWS, MOST_STREAMS, LONGEST = 9, 3, 160

# Kinds, and options that one of them has.
KINDS = [
    ("LSTM", {}),
    ("GRU", {}),
    ("RNN_TANH", {}),
    ("LSTM", {"proj_size": 3}),
    ("RNN_RELU", {}),
    ("GRU", {"reset_after": False}),
    ("LSTM", {"peepholes": True, "cell_clip": 0.5, "gate_activation": "hard_sigmoid"}),
]
SHAPES = list(itertools.product(KINDS, (1, 2, 3), ("float32", "float64")))


class Row:
    """A sequence: its first states, one (Y, F) each, and a chain of what it has read and given."""

    def __init__(self, first, chain=None, length=0):
        self.first, self.chain, self.length = first, chain, length

    def advanced(self, x, y):
        """The row after (L, I) more steps, which gave (L, Hout)."""
        return Row(self.first, (self.chain, x, y), self.length + len(x))

    def history(self):
        """All that was read, and all that was given, from the beginning on."""
        links, chain = [], self.chain
        while chain is not None:
            links.append(chain[1:])
            chain = chain[0]
        return [np.concatenate(part) for part in zip(*reversed(links), strict=True)]


class Followed:
    """A stream and its rows."""

    def __init__(self, stream, rows):
        self.stream, self.rows = stream, rows


class Simulation:
    """Events on streams of one layer after the other."""

    def __init__(self, seed):
        self.draw = np.random.default_rng(seed)
        self.seed = seed
        self.seen = Counter()
        self.digest = hashlib.sha256()
        self.checked = 0  # sequences that were run whole
        self.steps = 0  # of these

    # ---- layers and streams

    def begin(self, number):
        """Make the next layer, and a stream of it."""
        draw = self.draw
        (kind, options), layers, dtype = SHAPES[(number * 5 + self.seed) % len(SHAPES)]
        sizes = int(draw.integers(1, 7)), int(draw.choice([4, 5, 8, 13, 20, 33]))
        self.layer = layer_of(
            kind,
            *sizes,
            num_layers=layers,
            dtype=dtype,
            bias=bool(draw.integers(4)),
            batch_first=bool(draw.integers(2)),
            **options,
        )
        with_parameters(self.layer, int(draw.integers(1000)))
        self.reference = copy.deepcopy(self.layer)  # runs whole sequences, and is never written to
        self.reference.batch_first = False
        self.dtype = np.dtype(dtype)
        widths = [options.get("proj_size", sizes[1]), sizes[1]]
        self.widths = widths[: 2 if kind == "LSTM" else 1]
        rows = int(draw.integers(0, MOST_ROWS))
        given = self.random_hx(rows) if draw.integers(2) else None
        self.followed = [Followed(self.layer.stream(rows, given), self.rows_of(given, rows))]

    def random_hx(self, rows):
        shape = self.layer.num_layers, rows
        hx = [self.draw.uniform(-1, 1, (*shape, width)).astype(self.dtype) for width in self.widths]
        return as_hx(hx)

    def rows_of(self, hx, count):
        """Fresh rows with these states, None for zeros."""
        if hx is None:
            zeros = [np.zeros((self.layer.num_layers, w), self.dtype) for w in self.widths]
            return [Row(zeros) for _ in range(count)]
        return [Row([array[:, n] for array in states_of(hx)]) for n in range(count)]

    def check(self, row, last=None):
        """Run a sequence whole; `last` are its states now, where they are known."""
        if row.chain is None:
            expected = row.first
        else:
            x, y = row.history()
            first = as_hx([array[:, None] for array in row.first])
            output, hx = self.reference(x[:, None], first)
            assert y.tobytes() == output[:, 0].tobytes(), self.where(row)
            expected = [array[:, 0] for array in states_of(hx)]
            self.steps += len(x)
        self.checked += 1
        if last is not None:
            for actual, array in zip(last, expected, strict=True):
                assert (actual.dtype, actual.shape) == (array.dtype, array.shape)
                assert actual.tobytes() == array.tobytes(), self.where(row)

    def where(self, row):
        return f"seed {self.seed}, event {self.seen.total()}, {self.reference}, {row.length} steps"

    def check_all(self, one):
        """Run all sequences of a stream whole."""
        states = states_of(one.stream.state)
        assert len(one.stream) == len(one.rows)
        for n, row in enumerate(one.rows):
            self.check(row, [array[:, n] for array in states])

    def subset(self, one):
        """Some rows in any order."""
        count = int(self.draw.integers(0, len(one.rows) + 1))
        return self.draw.permutation(len(one.rows))[:count]

    # ---- events

    def run(self, events):
        """Draw so many events."""
        names = [name for name in dir(self) if name.startswith("on_")]
        likely = np.array([8.0 if name in ("on_steps", "on_some") else 1.0 for name in names])
        for event in range(events):
            if event % PER_LAYER == 0:
                for one in self.followed if event else ():
                    self.check_all(one)
                self.begin(event // PER_LAYER)
            name = self.draw.choice(names, p=likely / likely.sum())
            one = self.followed[self.draw.integers(len(self.followed))]
            getattr(self, name)(one)
            assert len(one.stream) == len(one.rows)
            self.seen[name] += 1
        for one in self.followed:
            self.check_all(one)

    def steps_of(self, one, rows):
        """Advance rows, all where that is None, by one step or several."""
        draw, count = self.draw, len(one.rows) if rows is None else len(rows)
        length = int(draw.choice([1, 1, 2, 5, 12]))
        single = length == 1 and draw.integers(3) > 0
        x = draw.uniform(-1, 1, (length, count, self.layer.input_size)).astype(self.dtype)
        given = x[0] if single else x
        form = draw.integers(5)
        if form == 1:
            given = np.asfortranarray(given)
        elif form == 2:
            given = given.astype(">f8")  # x is exact in it
        elif form == 3:
            given = given[..., ::-1].copy()[..., ::-1]
        options = {}
        if rows is not None:
            chosen = [rows, rows.astype(np.int32), rows.tolist(), np.repeat(rows, 2)[::2]]
            options["rows"] = chosen[draw.integers(4)]
        if draw.integers(3) == 0:
            out = np.full((length, count, self.widths[0] + 2), 7, self.dtype)[..., 1:-1]
            options["out"] = out[0] if single else out
        y = one.stream(given, **options)
        assert y is options.get("out", y)
        assert y.shape == (*given.shape[:-1], self.widths[0])
        self.digest.update(y.tobytes())
        y = y.reshape(length, count, self.widths[0]).copy()
        for i, n in enumerate(range(count) if rows is None else rows):
            one.rows[n] = one.rows[n].advanced(x[:, i], y[:, i])
            if one.rows[n].length > LONGEST:
                self.end(one, [n])

    def end(self, one, rows):
        """Reset rows, once what they were has been checked."""
        states = states_of(one.stream.state)
        for n in rows:
            self.check(one.rows[n], [array[:, n] for array in states])
            one.rows[n] = self.rows_of(None, 1)[0]
        one.stream.reset(rows)

    def on_steps(self, one):
        self.steps_of(one, None)

    def on_some(self, one):
        self.steps_of(one, self.subset(one))

    def on_join(self, one):
        count = int(self.draw.integers(1, 4))
        if len(one.rows) + count <= MOST_ROWS:
            first = len(one.rows)
            indices = one.stream.join(count)
            assert indices.dtype == np.int64
            assert indices.tolist() == list(range(first, first + count))
            one.rows += self.rows_of(None, count)

    def on_leave(self, one):
        gone = self.subset(one)[:2]
        states = states_of(one.stream.state)
        for n in gone:
            self.check(one.rows[n], [array[:, n] for array in states])
        one.stream.leave(gone)
        one.rows = [row for n, row in enumerate(one.rows) if n not in gone]

    def on_select(self, one):
        count = int(self.draw.integers(0, MOST_ROWS + 1)) if one.rows else 0
        chosen = self.draw.integers(0, max(len(one.rows), 1), count)
        for n in set(range(len(one.rows))) - set(chosen.tolist()):
            self.check(one.rows[n])
        one.stream.select(chosen)
        one.rows = [one.rows[n] for n in chosen]

    def on_fork(self, one):
        if len(self.followed) < MOST_STREAMS:
            fork = one.stream.fork if self.draw.integers(2) else lambda: copy.copy(one.stream)
            self.followed.append(Followed(fork(), list(one.rows)))

    def on_drop(self, one):
        if len(self.followed) > 1:
            self.check_all(one)
            self.followed.remove(one)
            one.rows = [None] * len(one.stream)  # nothing follows it

    def on_reset(self, one):
        if self.draw.integers(2):
            self.check_all(one)
            one.stream.reset()
            one.rows = self.rows_of(None, len(one.rows))
        else:
            self.end(one, self.subset(one)[:3].tolist())

    def on_assign(self, one):
        for row in one.rows:
            self.check(row)
        hx = self.random_hx(len(one.rows))
        form = self.draw.integers(3)
        one.stream.state = (
            as_hx([a.tolist() for a in states_of(hx)]) if form == 1 and len(one.rows) else hx
        )
        one.rows = self.rows_of(hx, len(one.rows))
        if form == 2:
            one.stream.state = None
            one.rows = self.rows_of(None, len(one.rows))

    def on_assign_own(self, one):
        one.stream.state = one.stream.state

    def on_pickle(self, one):
        one.stream = pickle.loads(pickle.dumps(one.stream, int(self.draw.integers(0, 6))))

    def on_deepcopy(self, one):
        one.stream = copy.deepcopy(one.stream)

    def on_check(self, one):
        self.check_all(one)

    def on_same_weights(self, one):
        """What changes no weight, but packs or compares them again."""
        module = one.stream.module
        action = self.draw.integers(5)
        if action == 0:
            module.weight_ih_l0[...] = module.weight_ih_l0.copy()
        elif action == 1:
            module.load_state_dict(self.reference.state_dict())
        elif action == 2:
            module.flatten_parameters()
        elif action == 3:
            module.train(bool(self.draw.integers(2)))
        else:
            module.batch_first = not module.batch_first

    def on_wrong(self, one):
        """Calls that are refused, and change nothing."""
        count, size = len(one.rows), self.layer.input_size
        x = np.zeros((2, count + 1, size), self.dtype)
        for call in (
            lambda: one.stream(x),
            lambda: one.stream(x[:, 1:, :0]),
            lambda: one.stream(x[0, :1], rows=[count]),
            lambda: one.stream(x, rows=[*range(count), 0]),
            lambda: one.stream(x[:, 1:], out=x[:, :count, :1]),
            lambda: one.stream.leave([-1]),
            lambda: one.stream.select([count]),
            lambda: one.stream.join(0),
            lambda: setattr(one.stream, "state", self.random_hx(count + 1)),
        ):
            try:
                call()
            except (ValueError, IndexError):
                continue
            raise AssertionError("a wrong call came through")


def main(seed=SEED, events=EVENTS):
    """Run and print."""
    simulation = Simulation(seed)
    print(f"seed {seed}, {events} events, {_core.simd_level()}", flush=True)
    simulation.run(events)
    counts = ", ".join(f"{name[3:]} {n}" for name, n in sorted(simulation.seen.items()))
    print(f"{counts}\n{simulation.checked} sequences of {simulation.steps} steps run whole")
    print(simulation.digest.hexdigest())
    return simulation


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
