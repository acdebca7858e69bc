"""The sizes that are measured: what one case is, and the named grids of cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from benchmarks.kinds import KINDS, Kind


@dataclass(frozen=True)
class Case:
    """One network and one call of it; arrays are time-major, (T, N, input_size).

    ``states`` says whether the initial states are passed. Steps of a stream (T = 1) pass them,
    whole sequences start from zeros, as people do. ``cell`` means a loop of LSTMCell, or the cell
    of another ``kind``, over T steps.
    """

    input_size: int
    hidden_size: int
    steps: int
    batch: int
    num_layers: int = 1
    bidirectional: bool = False
    states: bool = False
    cell: bool = False
    dtype: str = "float32"
    kind: str = "lstm"

    @property
    def kind_of_cell(self) -> Kind:
        return KINDS[self.kind]

    @property
    def num_directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def label(self) -> str:
        """Words that name the case and that ``--filter`` looks at: ``b8 h64 t100``."""
        words = [f"b{self.batch}"]
        if self.input_size != self.hidden_size:
            words.append(f"i{self.input_size}")
        words += [f"h{self.hidden_size}", f"t{self.steps}"]
        if self.num_layers > 1:
            words.append(f"x{self.num_layers}")
        if self.bidirectional:
            words.append("bi")
        return " ".join(words)

    def layer_inputs(self) -> list[int]:
        """Input size of every layer."""
        above = self.hidden_size * self.num_directions
        return [self.input_size] + [above] * (self.num_layers - 1)

    @property
    def flops(self) -> float:
        """Multiplications and additions of the matrix products; activations do not count."""
        rows = self.kind_of_cell.gates * self.hidden_size * self.num_directions
        columns = sum(depth + self.hidden_size for depth in self.layer_inputs())
        return 2.0 * rows * columns * self.batch * self.steps

    @property
    def recurrent_bytes(self) -> int:
        """Bytes of all weight_hh: what every step at batch 1 must stream."""
        units = self.hidden_size * self.num_directions * self.num_layers
        return self.kind_of_cell.gates * units * self.hidden_size * self.itemsize

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights without the biases."""
        rows = self.kind_of_cell.gates * self.hidden_size * self.num_directions
        columns = sum(depth + self.hidden_size for depth in self.layer_inputs())
        return rows * columns * self.itemsize

    @property
    def itemsize(self) -> int:
        return 8 if self.dtype == "float64" else 4


def _square(batch: int, hidden: int, steps: int) -> Case:
    return Case(hidden, hidden, steps, batch, states=steps == 1)


HEAD = [
    _square(batch, hidden, steps)
    for batch, hidden, steps in product((1, 8, 32), (20, 64, 128, 256, 512), (1, 10, 100))
]

# Sizes of models that are really deployed: voice activity detectors, acoustic models, source
# separation, taggers, noise suppression, forecasting, and the example of torch's own page.
PEOPLE = [
    Case(128, 128, 1, 1, states=True),
    Case(40, 256, 160, 1, num_layers=3),
    Case(40, 256, 160, 16, num_layers=3),
    Case(64, 32, 100, 1, bidirectional=True),
    Case(4, 128, 100, 1, bidirectional=True),
    Case(4, 128, 100, 256, bidirectional=True),
    Case(128, 128, 100, 1, num_layers=2, bidirectional=True),
    Case(150, 150, 1, 1, num_layers=2, states=True),
    Case(5, 64, 365, 1),
    Case(5, 64, 365, 256),
    Case(100, 20, 10, 3, num_layers=4),
]

CELLS = [
    Case(hidden, hidden, 10, batch, states=True, cell=True)
    for batch, hidden in product((1, 8, 32), (20, 64, 128, 256, 512))
]

ODD = [
    Case(hidden, hidden, 10, batch)
    for batch, hidden in product((3, 5, 7, 11), (1, 3, 17, 33, 100, 200, 300))
]

FLOAT64 = [replace(case, dtype="float64") for case in HEAD]

# One input column, so that nearly all of a step is the recurrent part: the share of the
# load-only loop that batch 1 reaches.
STREAM = [Case(1, hidden, 100, 1) for hidden in (128, 256, 512)]

GRIDS: dict[str, list[Case]] = {
    "head": HEAD,
    "people": PEOPLE,
    "cells": CELLS,
    "odd": ODD,
    "float64": FLOAT64,
    "stream": STREAM,
}

# What `pylstm.compress` makes.
STORAGES = ("int8", "int8-fast", "int16", "bfloat16", "float16")

# Grids that are not a list of cases; each has a module of its own.
SPECIAL = ("cold", "overhead", "packed", "memory")


def select(
    cases: Sequence[Case], filters: Sequence[str], kind: str = "lstm", states: bool = False
) -> list[Case]:
    """Cases whose label holds every word of at least one filter; all of them without filters.

    They are returned as cases of ``kind``, with ``states`` all with states.
    """
    cases = [replace(case, kind=kind, states=states or case.states) for case in cases]
    if not filters:
        return cases
    wanted = [set(text.split()) for text in filters]
    return [case for case in cases if any(words <= set(case.label.split()) for words in wanted)]
