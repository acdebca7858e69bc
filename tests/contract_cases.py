"""Which cases the numeric contract has; what a case is, pylstm.contract says.

The results must be the same at every level (PYLSTM_SIMD) and on every machine;
test_contract_levels.py compares them with each other and with pylstm/contract/hashes.txt.
tests/data/record_contract.py writes that file.
"""

import itertools
from dataclasses import replace

from pylstm.contract.cases import INPUTS, LAYERS, STORAGES, WITHIN, Case

HIDDEN = (1, 3, 16, 17, 20, 33, 64, 100, 128, 200)
INPUT = (1, 4, 63, 64, 65, 100, 257)
POOL = 33  # rows of the largest batch


OTHERS = tuple(LAYERS)[1:]


def options():
    """All combinations of (num_layers, bidirectional, projected, dtype), again and again."""
    return itertools.cycle(
        itertools.product((1, 2, 3), (False, True), (False, True), ("float32", "float64"))
    )


def layers_of(hidden, inputs, num_layers):
    """Three wide layers prove nothing that two do not; they only take their time."""
    return min(num_layers, 2) if hidden * inputs > 10_000 else num_layers


def contract_cases():
    """Cases that together hold every hidden size x input size, and every pair of other options."""
    sizes = itertools.product(HIDDEN, INPUT)
    return [
        Case(
            hidden,
            inputs,
            dtype,
            layers_of(hidden, inputs, num_layers),
            bidirectional,
            (hidden + 1) // 2 if projected and hidden > 1 else 0,
            number % 5 != 4,
            INPUTS[number % len(INPUTS)],
            number % 7 == 6,
        )
        for number, ((hidden, inputs), (num_layers, bidirectional, projected, dtype)) in enumerate(
            zip(sizes, options(), strict=False)
        )
    ]


def plain_cases():
    """One layer, one direction, no projection: what an LSTMCell can do as well."""
    return [
        replace(case, num_layers=1, bidirectional=False, proj_size=0)
        for case in contract_cases()[::2]
    ]


def cases_of(layer):
    """Cases of another kind: half of the sizes, and every pair of other options with them."""
    sizes = list(itertools.product(HIDDEN, INPUT))[(OTHERS.index(layer) + 1) % 2 :: 2]
    return [
        Case(
            hidden,
            inputs,
            dtype,
            layers_of(hidden, inputs, num_layers),
            bidirectional,
            0,
            number % 3 != 2,
            INPUTS[number % len(INPUTS)],
            number % 7 == 6,
            layer,
        )
        for number, ((hidden, inputs), (num_layers, bidirectional, _, dtype)) in enumerate(
            zip(sizes, options(), strict=False)
        )
    ]


def plain_cases_of(layer):
    """Like plain_cases(), of another kind."""
    return [
        replace(case, num_layers=1, bidirectional=False)
        for case in cases_of(layer)[(OTHERS.index(layer) + 1) % 3 :: 3]
    ]


def within_cases(layer):
    """Cases of a kind with lengths, resets and traces, every pair of other options with them."""
    sizes = itertools.product((1, 3, 17, 33, 64, 100), WITHIN)
    return [
        Case(
            hidden,
            INPUT[number % len(INPUT)],
            dtype,
            num_layers,
            bidirectional,
            (hidden + 1) // 2 if layer == "LSTM" and projected and hidden > 1 else 0,
            number % 5 != 4,
            INPUTS[(number + number // 3) % len(INPUTS)],
            number % 7 == 6,
            layer,
            within,
        )
        for number, ((hidden, within), (num_layers, bidirectional, projected, dtype)) in enumerate(
            zip(
                sizes,
                itertools.islice(options(), 5 * list(LAYERS).index(layer), None),
                strict=False,
            )
        )
    ]


def compressed_cases(layer, weights):
    """Cases of a kind with compressed weights: sizes, inputs, calls and options in turn.

    Integers are of finite weights. The bits of floats are those of the widened module, whose cases
    are above; a few suffice.
    """
    integers = weights.startswith("int")
    turn = 3 * list(LAYERS).index(layer) + 5 * STORAGES.index(weights)
    numbers = range(turn, turn + (10 if integers else 5))
    shapes = [
        each[:3] for each in itertools.islice(options(), 2 * turn, 2 * (turn + len(numbers)), 2)
    ]
    return [
        Case(
            HIDDEN[(3 * number + turn) % len(HIDDEN)],
            INPUT[(number + turn) % len(INPUT)],
            "float32",
            min(num_layers, 2),
            bidirectional,
            2 if projected and layer == "LSTM" and HIDDEN[(3 * number + turn) % 10] > 1 else 0,
            number % 5 != 4,
            INPUTS[(number + turn // 5) % len(INPUTS)],
            not integers and number % 4 == 1,
            layer,
            ("", *WITHIN)[number % 4],
            weights,
        )
        for number, (num_layers, bidirectional, projected) in zip(numbers, shapes, strict=True)
    ]


def linear_names():
    """Cases of Linear: sizes on both sides of a panel and of a block of terms."""
    sizes = itertools.product((1, 3, 16, 17, 31, 33, 64, 65, 100, 257), (1, 4, 31, 32, 33, 64, 257))
    return [
        f"Linear-{inputs}-{outputs}-{('float32', 'float64')[number % 2]}"
        f"{'-bias' * (number % 3 != 2)}-{INPUTS[number % len(INPUTS)]}"
        for number, (outputs, inputs) in enumerate(sizes)
    ]


def conv_names():
    """Cases of Conv1d: both ways of computing it, sizes on both sides of a panel and of a block."""
    sizes = itertools.product((1, 4, 11, 33), (1, 2, 16, 33, 66), (1, 2, 3, 5))
    found = []
    for number, (inputs, outputs, kernel) in enumerate(sizes):
        groups = inputs if outputs % inputs == 0 and number % 3 == 0 else 1
        found.append(
            f"Conv1d-{inputs}-{outputs}-kernel{kernel}-stride{1 + number % 3}"
            f"-dilation{1 + number // 3 % 2}-groups{groups}-padding{number // 2 % 3}"
            f"-{('float32', 'float64')[number % 2]}{'-bias' * (number % 5 != 4)}"
            f"-{INPUTS[number // 2 % len(INPUTS)]}"
        )
    return found


def names():
    """Names of all cases that have a recorded hash, in the order in which they were added."""
    found = [*map(str, dict.fromkeys(contract_cases() + plain_cases()))]
    # The activations alone, densely.
    found += ["activations-float32", "activations-float64"]
    for layer in OTHERS:
        found += map(str, dict.fromkeys(cases_of(layer) + plain_cases_of(layer)))
        found += [f"{layer}-activations-float32", f"{layer}-activations-float64"]
    for layer in LAYERS:
        found += map(str, within_cases(layer))
    for layer, weights in itertools.product(LAYERS, STORAGES):
        found += map(str, compressed_cases(layer, weights))
    return found + linear_names() + conv_names()
