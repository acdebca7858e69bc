"""What many small calls and constructions leave behind: ``python tests/growth.py``.

A million calls and ten thousand constructions of LSTM and LSTMCell, and half as many of each pair
of a layer and a cell of another kind (or as many as the two arguments say), after as many as a tenth
of them to warm caches up. Printed are the growth of the resident memory, of
Python's memory blocks, of the objects that the garbage collector knows, and of the references to
what every call touches. None of them may grow: a leak of 16 bytes per call would be 16 MB.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

import pylstm

CALLS, CONSTRUCTIONS = 1_000_000, 10_000


@dataclass
class Footprint:
    """What grows when something leaks. The limits are what allocators and caches move by."""

    resident: int  # bytes
    blocks: int  # of Python's allocator
    objects: int  # that the garbage collector knows
    references: int  # to what calls touch

    def __sub__(self, other: Footprint) -> Footprint:
        names = [field.name for field in fields(self)]
        return Footprint(*(getattr(self, name) - getattr(other, name) for name in names))


LIMITS = Footprint(resident=1 << 20, blocks=500, objects=50, references=50)


def resident() -> int:
    """Return the bytes of this process that are in memory; 0 where that is unknown (not Linux)."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


def footprint(touched: list[Any]) -> Footprint:
    """Measure this process."""
    gc.collect()
    return Footprint(
        resident(),
        sys.getallocatedblocks(),
        len(gc.get_objects()),
        sum(sys.getrefcount(item) for item in touched),
    )


def growth(action: Callable[[], Any], count: int, touched: list[Any]) -> Footprint:
    """Return what ``count`` runs of ``action`` leave behind."""
    for _ in range(count // 10 + 1):
        action()
    before = footprint(touched)
    for _ in range(count):
        action()
    return footprint(touched) - before


def cases(calls: int, constructions: int) -> list[tuple[str, Callable[[], Any], int, list[Any]]]:
    """Return (label, action, how often, what it touches) of everything that is measured."""
    x = np.ones((1, 1, 4), np.float32)
    h, c = np.zeros((1, 1, 4), np.float32), np.zeros((1, 1, 4), np.float32)
    states, cell_states = (h, c), (h[0], c[0])
    row = x[0]
    lstm, cell = pylstm.LSTM(4, 4), pylstm.LSTMCell(4, 4)
    held = pylstm.LSTM(4, 4)
    kept = list(held.parameters())
    touched = [x, h, c, states, cell_states, row, lstm, cell, held, *kept, np.dtype("float32")]

    def write_and_call() -> None:
        kept[0][0, 0] += 1
        held(x, states)

    others = [
        pylstm.GRU(4, 4),
        pylstm.GRUCell(4, 4),
        pylstm.RNN(4, 4),
        pylstm.RNNCell(4, 4, nonlinearity="relu"),
    ]
    touched += others
    lengths, mask = np.array([1]), np.zeros((1, 1), bool)
    result, result_states = np.empty_like(x), (h.copy(), c.copy())
    place = h[0].copy(), c[0].copy()
    touched += [lengths, mask, result, *result_states, *place]

    def call_and_construct(module: Any) -> list[tuple[str, Callable[[], Any], int, list[Any]]]:
        name, make = type(module).__name__, type(module)
        arguments = (row, h[0]) if name.endswith("Cell") else (x, h)
        return [
            (f"{name}(x, hx)", lambda: module(*arguments), calls // 4, touched),
            (f"{name}(...)", lambda: make(4, 4), constructions // 4, touched),
        ]

    return [
        ("LSTMCell(x, hx)", lambda: cell(row, cell_states), calls // 2, touched),
        ("LSTM(x, hx)", lambda: lstm(x, states), calls // 2, touched),
        ("held: LSTM(x, hx)", lambda: held(x, states), calls // 10, touched),
        ("written: LSTM(x, hx)", write_and_call, calls // 10, touched),
        ("LSTM lengths=", lambda: lstm(x, states, lengths=lengths), calls // 10, touched),
        ("LSTM reset=", lambda: lstm(x, states, reset=mask), calls // 10, touched),
        ("LSTM trace", lambda: lstm.trace(x, states), calls // 50, touched),
        ("LSTM out=", lambda: lstm(x, out=(result, result_states)), calls // 10, touched),
        ("LSTMCell out=", lambda: cell(row, place, out=place), calls, touched),
        ("LSTM(...)", lambda: pylstm.LSTM(4, 4, 2), constructions // 2, touched),
        ("LSTMCell(...)", lambda: pylstm.LSTMCell(4, 4), constructions // 2, touched),
        *(case for module in others for case in call_and_construct(module)),
    ]


def main(arguments: list[str]) -> int:
    """Command line: ``[calls] [constructions]``."""
    numbers = [int(text) for text in arguments]
    calls, constructions = [*numbers, *(CALLS, CONSTRUCTIONS)[len(numbers) :]]
    names = [field.name for field in fields(Footprint)]
    print(f"{'':20}{'times':>10}" + "".join(f"{name:>12}" for name in names))
    holds = True
    for label, action, count, touched in cases(calls, constructions):
        grown = growth(action, count, touched)
        kept = all(getattr(grown, name) <= getattr(LIMITS, name) for name in names)
        holds &= kept
        numbers_text = "".join(f"{getattr(grown, name):12}" for name in names)
        print(f"{label:20}{count:10}{numbers_text}  {'holds' if kept else 'GROWS'}")
    print(f"{'at most':30}" + "".join(f"{getattr(LIMITS, name):12}" for name in names))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
