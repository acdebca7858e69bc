"""Make every allocation of Python fail in one of the public calls: ``python_memory.py NAME``.

Of several NAMEs each has a fork of this process to itself, and a line of JSON says how it ended.

For n = 0, 1, 2, ... the n-th allocation of the call fails, and then, once more, the n-th and the
five after it (more at once, and Python itself gives up). Either the call raises, or its result is right; and its modules can be used afterwards.
Then the same again under tracemalloc: what failed calls leave behind must not grow, where they
are calls of C. (Python's own functions leak: one whose frame cannot be made keeps its arguments.)
"""

import _testcapi
import gc
import json
import os
import signal
import sys
import tempfile
import tracemalloc
from pathlib import Path

sys.path.insert(0, os.fspath(Path(__file__).resolve().parent))

from public_calls import bits, prepare, state_bits

BURSTS = 1, 6
PATIENCE = 40  # calls without an error before all is said to be over: free lists hide failures
LEAST_LEAK = 16  # bytes
SKIPPED = 77  # exit status
SECONDS = 600  # for a case of several


def fails(case, start, stop, allowed):
    """Does the call raise while allocations [start, stop) fail? A result has to be right."""
    result = error = None
    _testcapi.set_nomemory(start, stop)
    try:
        result = case.call()
    except BaseException as caught:
        error = caught
    finally:
        _testcapi.remove_mem_hooks()
    if error is None:
        assert bits(result) in allowed, f"wrong result where allocation {start} failed"
    elif not isinstance(error, Exception) or is_careless(case, error):
        raise error
    forget_frames(error)
    return error is not None


def forget_frames(error):
    """Clear the tracebacks of an error and of those that it came from.

    From Python 3.14 on the MemoryError that Python raises where it can make none is one object,
    and each time that it is raised adds to its traceback.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__context__


def is_careless(case, error):
    """Has C of ours, not of NumPy, failed without an exception, or worked in spite of one?"""
    return isinstance(error, SystemError) and (case.native or "lstm" in str(error).lower())


def walk(name):
    """Let every allocation of a fresh case fail; return how many calls raised."""
    reference = prepare(name)
    before = state_bits(reference.modules)
    allowed = {bits(reference.call())}
    states = {before, state_bits(reference.modules)}
    case = prepare(name)
    state_bits(case.modules)
    failed = good = start = 0
    while good < PATIENCE:
        for burst in BURSTS:
            raised = fails(case, start, start + burst, allowed)
            failed += raised
            state = state_bits(case.modules)
            assert state in states or case.changes, f"allocation {start} broke the module"
            if case.changes:
                case = prepare(name)
                state_bits(case.modules)
            good = 0 if raised else good + 1
        start += 1
    return failed


def growth(name):
    """Bytes that the least of some walks leaves behind."""
    grown = []
    clear_caches = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache
    tracemalloc.start()
    for _ in range(4):
        before = tracemalloc.get_traced_memory()[0]
        walk(name)
        gc.collect()
        clear_caches()  # of attributes: they keep the names that were looked up
        grown.append(tracemalloc.get_traced_memory()[0] - before)
    tracemalloc.stop()
    return min(grown)


def loses_functions():
    """Does this Python give away a reference to the code of a function that it cannot make?

    Python 3.12 and 3.13 do: they crash, sooner or later, where memory runs out for a lambda, a
    generator expression or a closure of anyone's.
    """

    def make():
        return lambda: None

    (code,) = (value for value in make.__code__.co_consts if isinstance(value, type(make.__code__)))
    before = sys.getrefcount(code)
    for start in range(3):
        _testcapi.set_nomemory(start, start + 1)
        try:
            make()
        except MemoryError:
            pass
        finally:
            _testcapi.remove_mem_hooks()
    return sys.getrefcount(code) < before


def main(name):
    native = prepare(name).native
    if not native and loses_functions():
        print("needs a Python that survives where it cannot make a function: not 3.12, not 3.13")
        return SKIPPED
    print(f"{name}: {walk(name)} calls failed")
    if not native:
        return 0
    grown = growth(name)
    print(f"{grown} bytes left behind")
    return int(grown >= LEAST_LEAK)


def forked(name):
    """Run one case in a child; return its exit status, minus the signal that ended it, and output."""
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            signal.alarm(SECONDS)
            sys.exit(main(name))  # by the end of the interpreter, which may crash as well
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        output.seek(0)
        return status, output.read().decode(errors="replace")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        sys.exit(main(sys.argv[1]))
    for name in sys.argv[1:]:
        print(json.dumps([name, *forked(name)]), flush=True)
