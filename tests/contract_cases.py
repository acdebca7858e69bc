"""Which cases the numeric contract has; what a case is, pylstm.contract says.

The results must be the same at every level (PYLSTM_SIMD) and on every machine;
test_contract_levels.py compares them with each other and with pylstm/contract/hashes.txt.
tests/data/record_contract.py writes that file.
"""

import itertools
from dataclasses import replace

from pylstm.contract.cases import INPUTS, Case

HIDDEN = (1, 3, 16, 17, 20, 33, 64, 100, 128, 200)
INPUT = (1, 4, 63, 64, 65, 100, 257)
POOL = 33  # rows of the largest batch


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
                INPUTS[number % len(INPUTS)],
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


def names():
    """Names of all cases that have a recorded hash."""
    cases = dict.fromkeys(contract_cases() + plain_cases())
    # The activations alone, densely.
    return [*map(str, cases), "activations-float32", "activations-float64"]
