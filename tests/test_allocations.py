"""Memory that runs out, at every place of every public call: an error, and nothing is broken."""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from public_calls import CASES, bits, prepare, state_bits

from pylstm import _core

MOST = 2000  # allocations of a call


def alive_after(case, expected):
    """How many allocations are alive. What a late helper thread has held, a next call frees."""
    for _ in range(100):
        alive = _core._test_allocations()[1]
        if alive <= expected or case.changes:
            break
        case.call()
    return alive


# Part of the suite in builds that can make allocations fail: PYLSTM_TEST_HOOKS=1 (.ci/run, step coverage).
if hasattr(_core, "_test_fail_allocation"):

    @pytest.mark.parametrize("name", CASES)
    def test_every_allocation_of_ours_and_of_array_data_may_fail(name):
        case = prepare(name)
        before = state_bits(case.modules)
        gc.collect()
        alive = _core._test_allocations()[1]
        for n in range(1, MOST):
            _core._test_fail_allocation(n)
            try:
                result, error = case.call(), None
            except MemoryError as caught:
                result, error = None, caught
            finally:
                made = _core._test_allocations()[0]
                _core._test_fail_allocation(0)
            if made < n:  # there was no n-th
                assert error is None
                break
            assert error is not None, f"allocation {n} failed without an error"
            del error
            assert state_bits(case.modules) == before, f"after allocation {n} failed"
            assert alive_after(case, alive) <= alive, f"a leak where allocation {n} failed"
        assert n < MOST - 1
        again = prepare(name)
        assert bits(result) == bits(again.call())


# NumPy writes through NULL where the dict of ndarray.__array_interface__ cannot be made.
CRASHES_IN_NUMPY = {"parameters"}

SCRIPT = Path(__file__).parent / "python_memory.py"


@pytest.fixture(scope="module")
def walks(request):
    """How the wanted cases ended, by name: exit status and output. All are forks of one process."""
    pytest.importorskip("_testcapi")
    tests = [item for item in request.session.items if item.module is request.module]
    names = [item.callspec.params["name"] for item in tests if "walks" in item.fixturenames]
    if len(names) > 1 and hasattr(os, "fork"):
        done = subprocess.run(
            [sys.executable, SCRIPT, *names],
            capture_output=True,
            text=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # threads would not be in the forks
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return {name: told for name, *told in map(json.loads, done.stdout.splitlines())}
    runs = {
        name: subprocess.run([sys.executable, SCRIPT, name], capture_output=True, text=True)
        for name in names
    }
    return {name: (done.returncode, done.stdout + done.stderr) for name, done in runs.items()}


@pytest.mark.parametrize("name", sorted(CASES.keys() - CRASHES_IN_NUMPY))
def test_every_allocation_of_python_may_fail(name, walks):
    """In a process of its own: what fails here is Python's and NumPy's memory as well."""
    status, output = walks[name]
    if status == 77:  # SKIPPED in that script
        pytest.skip(output.strip())
    assert status == 0, output[-3000:]
    assert f"{name}: " in output and " calls failed" in output
