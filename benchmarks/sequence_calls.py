"""The calls that `benchmarks.sequences` compares, each checked before it is handed out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.engines import AbsentError, require
from benchmarks.kinds import KINDS
from benchmarks.timing import Runner


@dataclass(frozen=True)
class Budget:
    """Two statements of one process, and what the quotient of their times may be.

    Attributes
    ----------
    label : str
    runners : mapping of str to Runner
        Two: whose time is divided, and by whose.
    bound : float
        The greatest quotient, with ``at_least`` the least one.
    at_least : bool
    spare : float
        Seconds that are taken off the first time.
    """

    label: str
    runners: Mapping[str, Runner]
    bound: float
    at_least: bool = False
    spare: float = 0.0

    def holds(self, ratio: float, slack: float) -> bool:
        """Whether a ratio keeps the budget."""
        if self.at_least:
            return ratio >= self.bound / slack
        return ratio <= self.bound * slack


Group = Iterator[Budget | str]

# hidden_size, steps, rows, options: padded batches half of whose steps are padding.
PADDED: list[tuple[int, int, int, dict[str, Any]]] = [
    (64, 100, 32, {}),
    (128, 100, 8, {}),
    (128, 100, 32, {}),
    (256, 50, 16, {}),
    (64, 100, 8, {"bidirectional": True}),
    (64, 100, 32, {"num_layers": 2}),
]
UNCHANGED = [*PADDED, (64, 100, 1, {}), (256, 100, 1, {}), (20, 100, 1, {})]


def layer(cell: str, size: int, hidden: int, **options: Any) -> Any:
    """Return pylstm's layer of a kind, with seeded weights."""
    nn, kind = require("pylstm"), KINDS[cell]
    nn.manual_seed(1)
    return getattr(nn, kind.layer)(size, hidden, **kind.options, **options)


def normal(*shape: int) -> Any:
    """Return standard normal values, float32."""
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def same(first: Any, second: Any) -> None:
    """Raise an AssertionError unless results have the same bytes."""
    if isinstance(first, tuple):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            same(one, other)
    else:
        assert first.dtype == second.dtype and first.tobytes() == second.tobytes()


def title(name: str, cell: str, hidden: int, steps: int, rows: int, options: object = "") -> str:
    """Return the label of a line."""
    words = " ".join(f"{key}={value}" for key, value in dict(options or {}).items())  # type: ignore[call-overload]
    return f"{name} {cell} h{hidden} t{steps} b{rows} {words}".rstrip()


def lengths(cell: str) -> Group:
    """Compare ``lengths`` with the packed call alone, of rows in order and not."""
    packing = require("pylstm.utils.rnn")
    for hidden, steps, rows, options in PADDED:
        module, x = layer(cell, hidden, hidden, **options), normal(steps, rows, hidden)
        descending = np.maximum(1, np.rint((np.arange(rows)[::-1] + 0.5) / rows * steps))
        for order in ("sorted", "mixed"):
            own = descending.astype(np.int64)
            if order == "mixed":
                own = np.random.default_rng(rows).permutation(own)
            packed = packing.pack_padded_sequence(x, own, enforce_sorted=order == "sorted")
            names = {"rnn": module, "x": x, "packed": packed, "lengths": own}
            output, states = module(packed)
            padded, _ = packing.pad_packed_sequence(output, total_length=steps)
            same(module(x, lengths=own), (padded, states))
            yield Budget(
                title(f"lengths ({order})", cell, hidden, steps, rows, options),
                {
                    "lengths": Runner("rnn(x, lengths=lengths)", names),
                    "packed": Runner("rnn(packed)", names),
                },
                1.03,
            )


def reset(cell: str) -> Group:
    """Compare a mask without a reset with none."""
    for hidden, steps, rows, options in UNCHANGED:
        module, x = layer(cell, hidden, hidden, **options), normal(steps, rows, hidden)
        names = {"rnn": module, "x": x, "mask": np.zeros((steps, rows), bool)}
        same(module(x, reset=names["mask"]), module(x))
        yield Budget(
            title("reset (none)", cell, hidden, steps, rows, options),
            {"reset": Runner("rnn(x, reset=mask)", names), "plain": Runner("rnn(x)", names)},
            1.03,
        )


def traced(cell: str) -> str:
    """Return the letters of what a trace has."""
    return {"lstm": "ifgoch", "gru": "rznh"}.get(cell, "h")


def checked_trace(cell: str, module: Any, x: Any) -> list[tuple[int, ...]]:
    """Check a trace against the plain call; return the shapes of its arrays."""
    trace, (output, states) = module.trace(x), module(x)
    same(trace.output, output)
    same((trace.h_n, trace.c_n) if cell == "lstm" else trace.h_n, states)
    same(trace.h[0, 0], output)
    if cell == "lstm":
        error = np.abs(trace.o * np.tanh(trace.c) - trace.h).max()
        assert error < 1e-6, f"the trace is wrong by {error}"
    return [getattr(trace, letter).shape for letter in traced(cell)]


# The arrays of a trace without what a trace is. They live together, and end in the same order:
# which memory malloc gives back to the system, to be asked for again, depends on that order.
FILLED = """\
y, hx = rnn(x)
kept = {"output": y, "hx": hx}
del y, hx
for index, shape in enumerate(shapes):
    kept[index] = full(shape, 0.5, f4)
del kept
"""


def trace(cell: str) -> Group:
    """Compare all arrays, in fresh memory, with the plain call and, of a batch, filling them."""
    for hidden in (64, 128, 256):
        for rows in (1, 8, 32):
            module, x = layer(cell, hidden, hidden), normal(100, rows, hidden)
            names = {"rnn": module, "x": x, "full": np.full, "f4": np.dtype(np.float32)}
            names["shapes"] = checked_trace(cell, module, x)
            plain = FILLED if rows > 1 else "rnn(x)"
            yield Budget(
                title("trace" + " over call and filling" * (rows > 1), cell, hidden, 100, rows),
                {"trace": Runner("rnn.trace(x)", names), "plain": Runner(plain, names)},
                1.1 if rows > 1 else 1.6 if hidden == 64 else 1.3,
            )


def out(cell: str) -> Group:
    """Compare ``out``, with other states and in place, with a call without."""
    nn, kind = require("pylstm"), KINDS[cell]
    for size, hidden, rows in ((1, 1, 1), (40, 64, 1), (128, 128, 8)):
        module = getattr(nn, kind.cell)(size, hidden, **kind.options)
        x, states = normal(rows, size), [normal(rows, hidden) for _ in range(kind.states)]
        hx, place = (
            tuple(map(np.copy, states)) if kind.states > 1 else states[0].copy() for _ in range(2)
        )
        names = {"cell": module, "x": x, "hx": hx, "place": place}
        same(module(x, hx, out=place), module(x, hx))
        # States in place go on and on; what is timed has the same cost at every step.
        yield from _beside(
            "out", cell, names, hidden, 1, rows, "cell(x, hx)", "cell(x, hx, out=place)"
        )
        yield from _beside(
            "out in place", cell, names, hidden, 1, rows, "cell(x, hx)", "cell(x, place, out=place)"
        )
    for hidden, steps, rows in ((1, 1, 1), (64, 1, 1), (64, 100, 1), (128, 100, 8), (128, 100, 32)):
        module, x = layer(cell, hidden, hidden), normal(steps, rows, hidden)
        result = module(x)
        output, states = result
        copies = tuple(map(np.zeros_like, states)) if kind.states > 1 else np.zeros_like(states)
        names = {"rnn": module, "x": x, "place": (np.zeros_like(output), copies)}
        same(module(x, out=names["place"]), result)
        yield from _beside("out", cell, names, hidden, steps, rows, "rnn(x)", "rnn(x, out=place)")


def _beside(
    name: str, cell: str, names: Any, hidden: int, steps: int, rows: int, plain: str, into: str
) -> Group:
    yield Budget(
        title(f"{name}: {into}", cell, hidden, steps, rows),
        {"out": Runner(into, names), "plain": Runner(plain, names)},
        1.0,
    )


# hidden_size, K, N, options: steps on K of N rows.
STREAMED: list[tuple[int, int, int, dict[str, Any]]] = [
    *((hidden, 35, 50, {}) for hidden in (8, 20, 64, 128, 256, 512)),
    (64, 35, 50, {"num_layers": 2}),
    (64, 1, 64, {}),
]


def stream(cell: str) -> Group:
    """Compare a step of K of N rows, in any order, with the dense call of K rows, but for 0.3 us.

    A step of all rows may take as long as the dense call, within 2 %.
    """
    for hidden, some, all_rows, options in STREAMED:
        module, x = layer(cell, hidden, hidden, **options), normal(some, hidden)
        hx = module(x[None])[1]
        streams = {"some": module.stream(all_rows), "whole": module.stream(some, hx)}
        rows = np.random.default_rng(1).permutation(all_rows)[:some]
        names = {"rnn": module, "x": x, "sequence": x[None], "hx": hx, "rows": rows, **streams}
        names["out"] = np.empty((some, hidden), np.float32)
        same(streams["some"](x, rows=rows), module(x[None])[0][0])
        second = module(x[None], hx)[0][0]
        same(streams["some"].fork()(x, rows=rows, out=names["out"]), second)
        same(streams["some"](x, rows=rows), second)
        same(streams["whole"](x), second)
        dense = Runner("rnn(sequence, hx)", names)
        for call, bound, spare in (
            ("some(x, rows=rows)", 1.15, 0.3e-6),
            ("some(x, rows=rows, out=out)", 1.15, 0.3e-6),
            ("whole(x)", 1.02, 0.0),
        ):
            kept = f" of {all_rows}" if spare else ""
            yield Budget(
                title(f"stream: {call}{kept}", cell, hidden, 1, some, options),
                {"stream": Runner(call, names), "dense": dense},
                bound,
                spare=spare,
            )


# What users of torch write instead ----------------------------------------------------------------

CELL_LOOP = """\
h, c = hx
cells = []
for step in steps:
    h, c = cell(step, (h, c))
    cells.append(c)
result = stack(cells)
"""
MASK_LOOP = """\
h, c = hx
outputs = []
for step, keep in pairs:
    y, (h, c) = rnn(step, (h * keep, c * keep))
    outputs.append(y)
result = cat(outputs)
"""
TOLERANCE = 1e-4


def close(first: Any, second: Any) -> None:
    """Raise an AssertionError unless two arrays are within the tolerance."""
    error = float(np.abs(first - second).max())
    assert error < TOLERANCE, f"results differ by {error:.1e}"


def torch(cell: str) -> Group:
    """Compare loops over torch's modules, of LSTMs alone."""
    if cell != "lstm":
        return
    try:
        library = require("torch")
    except AbsentError as error:
        yield f"torch is absent: {error}"
        return
    library.set_num_threads(1)
    yield from _against_cells(library)
    yield from _against_masks(library)


def _states(library: Any, rows: int, hidden: int) -> tuple[Any, Any]:
    return library.zeros(rows, hidden), library.zeros(rows, hidden)


def _run(library: Any, statement: str, names: dict[str, Any]) -> Any:
    with library.inference_mode():
        exec(statement, names)
    return names["result"].numpy()


def _against_cells(library: Any) -> Group:
    for rows, bound in ((1, 10.0), (8, 4.0)):
        module, x = layer("lstm", 128, 128), normal(100, rows, 128)
        theirs = library.nn.LSTMCell(128, 128).eval()
        weights = {name[:-3]: value.copy() for name, value in module.state_dict().items()}
        theirs.load_state_dict({k: library.from_numpy(v) for k, v in weights.items()})
        names = {"cell": theirs, "steps": list(library.from_numpy(x)), "stack": library.stack}
        names["hx"] = _states(library, rows, 128)
        close(_run(library, CELL_LOOP, names), module.trace(x).c[0, 0])
        for statement in ("rnn.trace(x)", "rnn.trace(x, names=['c'])"):
            yield Budget(
                title(f"torch LSTMCell loop over {statement}", "", 128, 100, rows),
                {
                    "torch": Runner(CELL_LOOP, names, context=library.inference_mode),
                    "trace": Runner(statement, {"rnn": module, "x": x}),
                },
                bound,
                at_least=True,
            )


def _against_masks(library: Any) -> Group:
    hidden, steps, rows = 256, 128, 16
    module, x = layer("lstm", hidden, hidden), normal(steps, rows, hidden)
    mask = np.random.default_rng(4).random((steps, rows)) < 0.05
    theirs = library.nn.LSTM(hidden, hidden).eval()
    weights = {name: value.copy() for name, value in module.state_dict().items()}
    theirs.load_state_dict({k: library.from_numpy(v) for k, v in weights.items()})
    keeps = library.from_numpy(1 - mask[:, None, :, None].astype(np.float32))
    pairs = list(zip(library.from_numpy(x[:, None]), keeps, strict=True))
    names = {"rnn": theirs, "pairs": pairs, "cat": library.cat}
    names["hx"] = tuple(state[None] for state in _states(library, rows, hidden))
    close(_run(library, MASK_LOOP, names), module(x, reset=mask)[0])
    yield Budget(
        title("torch LSTM loop with a mask over reset", "", hidden, steps, rows),
        {
            "torch": Runner(MASK_LOOP, names, context=library.inference_mode),
            "reset": Runner("rnn(x, reset=mask)", {"rnn": module, "x": x, "mask": mask}),
        },
        3.5,
        at_least=True,
    )


GROUPS: dict[str, Callable[[str], Group]] = {
    "lengths": lengths,
    "reset": reset,
    "trace": trace,
    "out": out,
    "stream": stream,
    "torch": torch,
}
