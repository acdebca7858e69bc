"""The cases of the numeric contract, and their hashes at the current SIMD level.

Run as a script it prints one line per case: its name and a digest of its results. The results
must be the same at every level (PYLSTM_SIMD) and on every machine; test_contract_levels.py
compares them with each other and with tests/data/contract_hashes.txt.
tests/data/record_contract.py writes that file.
"""

import itertools
import sys
from dataclasses import dataclass, replace

from recorded import digest
from reference import VALUE_KINDS, fractions, make_values
from support import flatten, with_parameters

import pylstm

HIDDEN = (1, 3, 16, 17, 20, 33, 64, 100, 128, 200)
INPUT = (1, 4, 63, 64, 65, 100, 257)
POOL = 33  # rows of the largest batch


@dataclass(frozen=True)
class Case:
    """One module and one input."""

    hidden_size: int
    input_size: int
    dtype: str
    num_layers: int
    bidirectional: bool
    proj_size: int
    bias: bool
    kind: str
    infinite_weight: bool = False

    def __str__(self):
        words = [f"{self.input_size}-{self.hidden_size}", self.dtype, f"layers{self.num_layers}"]
        words += ["bidirectional"] * self.bidirectional + [f"proj{self.proj_size}"] * bool(
            self.proj_size
        )
        words += ["bias"] * self.bias + [self.kind] + ["infinite"] * self.infinite_weight
        return "-".join(words)

    @property
    def seed(self):
        return self.hidden_size * 1000 + self.input_size

    @property
    def steps(self):
        """Long enough for chunks of steps where that is cheap."""
        return 11 if self.hidden_size * self.input_size <= 5000 else 5

    @property
    def options(self):
        """Constructor arguments without batch_first."""
        names = (
            *("input_size", "hidden_size", "num_layers", "bias"),
            *("bidirectional", "proj_size", "dtype"),
        )
        return {name: getattr(self, name) for name in names}

    def module(self, **options):
        """The case's LSTM, with `options` changed."""
        lstm = with_parameters(pylstm.LSTM(**(self.options | options)), self.seed)
        if self.infinite_weight:
            lstm.weight_hh_l0[0, 0] = float("inf")
        return lstm

    def arrays(self, rows=POOL):
        """x [T, rows, I], h_0 and c_0 in the module's dtype, of the case's kind of values."""
        depth = self.num_layers * (1 + self.bidirectional)
        shapes = (
            (self.steps, rows, self.input_size),
            (depth, rows, self.proj_size or self.hidden_size),
            (depth, rows, self.hidden_size),
        )
        return [
            make_values(self.kind, self.seed + index, shape, self.dtype)
            for index, shape in enumerate(shapes)
        ]


def contract_cases():
    """Cases that together hold every hidden size x input size, and every pair of other options."""
    others = itertools.cycle(
        itertools.product((1, 2, 3), (False, True), (False, True), ("float32", "float64"))
    )
    cases = []
    for number, (hidden, inputs) in enumerate(itertools.product(HIDDEN, INPUT)):
        num_layers, bidirectional, projected, dtype = next(others)
        cases.append(
            Case(
                hidden,
                inputs,
                dtype,
                # Three wide layers prove nothing that two do not; they only take their time.
                min(num_layers, 2) if hidden * inputs > 10_000 else num_layers,
                bidirectional,
                (hidden + 1) // 2 if projected and hidden > 1 else 0,
                number % 5 != 4,
                VALUE_KINDS[number % len(VALUE_KINDS)],
                number % 7 == 6,
            )
        )
    return cases


def plain_cases():
    """One layer, one direction, no projection: what an LSTMCell can do as well."""
    return [
        replace(case, num_layers=1, bidirectional=False, proj_size=0)
        for case in contract_cases()[::2]
    ]


def hashes():
    """Name -> digest in hexadecimal of every case, at the level in use."""
    result = {}
    for case in dict.fromkeys(contract_cases() + plain_cases()):
        rows = 5 if case.hidden_size > 64 else 9
        x, h, c = case.arrays(rows)
        outputs = flatten(case.module()(x, (h, c)))
        outputs += flatten(case.module()(x[:, :1]))
        result[str(case)] = digest((str(i), array) for i, array in enumerate(outputs)).hex()
    for dtype in ("float32", "float64"):
        # The activations alone, densely: weights that pass the input on to the gates.
        result[f"activations-{dtype}"] = digest(enumerate(activations(dtype))).hex()
    return result


def activations(dtype):
    """h and c for totals from -100 to 100 in every gate, with c_0 from -20 to 20."""
    cell = pylstm.LSTMCell(4, 1, bias=False, dtype=dtype)
    for gate in range(4):
        cell.weight_ih[gate] = [float(gate == column) for column in range(4)]
    cell.weight_hh[...] = 0.0
    totals = fractions(11, (20_000, 4), 16.0)
    totals[::4] *= 6.25
    totals[1::4] *= 2.0**-20
    c = fractions(12, (20_000, 1), 20.0)
    return cell(totals, (c * 0, c))


if __name__ == "__main__":
    for name, value in hashes().items():
        sys.stdout.write(f"{name} {value}\n")
