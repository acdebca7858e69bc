"""Time in a unit of the machine's own, for tests that an answer takes time in proportion.

A slower processor, a busy one and a sanitizer slow the unit down as they slow the work down.
"""

import contextlib
import time

from pylstm import WeightFileError

# Names that one unit splits, joins and counts.
NAMES = 100_000


def cpu_seconds(action):
    """Return the CPU seconds of ``action()``, which may refuse with a WeightFileError."""
    start = time.process_time()
    with contextlib.suppress(WeightFileError):
        action()
    return time.process_time() - start


def unit():
    """Handle ``NAMES`` names."""
    counts = {}
    for number in range(NAMES):
        parts = f"a.{number}.weight".split(".")
        counts[".".join(parts[:2])] = [number]


def assert_units(action, most):
    """Check that ``action()`` takes less than ``most`` units, each beside one of its own, in one of three tries."""
    taken = []
    while not taken or (taken[-1] >= most and len(taken) < 3):
        taken.append(cpu_seconds(action) / cpu_seconds(unit))
    assert taken[-1] < most, f"took {taken} units of at most {most}"
