"""What tests/test_threads.py runs in processes of their own: ``thread_scenarios.py NAME [ARGS]``.

A scenario that finds anything wrong raises. None of them measures time, but for limits that only a
hang would reach.
"""

import atexit
import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np

TASKS = Path("/proc/self/task")
AFTER_NUMPY = {path.name for path in TASKS.glob("*")}  # its BLAS has threads

if sys.argv[1:2] == ["threadpoolctl_before"]:
    import threadpoolctl

from support import assert_same_bits, with_parameters  # noqa: E402

import pylstm  # noqa: E402

HANG = 120  # seconds


def module_and_input(seed=1, steps=24):
    """Work that two threads share: some 50 us. For one call alone a helper is woken from 200 steps."""
    module = with_parameters(pylstm.LSTM(48, 64), seed)
    return module, np.random.default_rng(seed).standard_normal((steps, 4, 48)).astype(np.float32)


def helpers():
    """Return the ids of the threads that have come since NumPy was imported."""
    return {int(name) for name in {path.name for path in TASKS.glob("*")} - AFTER_NUMPY}


def single_threaded(module, x):
    """Return the result of one thread; leave two to use."""
    pylstm.set_num_threads(1)
    expected = module(x)
    pylstm.set_num_threads(2)
    return expected


# ---------------------------------------------------------------------------- a quiet process


def no_thread_before_use():
    small = pylstm.LSTM(20, 20)
    small(np.zeros((10, 1, 20), np.float32))
    pylstm.LSTMCell(20, 20)(np.zeros((3, 20), np.float32))
    pylstm.get_num_threads()
    pylstm.set_num_threads(4)
    small(np.zeros((10, 1, 20), np.float32))
    assert helpers() == set()
    module, x = module_and_input(steps=200)
    pylstm.set_num_threads(2)
    module(x)
    assert len(helpers()) == 1


def idle_uses_no_cpu():
    """A virtual machine's clock counts what its host takes away: one quiet second of ten will do.

    The kernel books what a thread on another processor has used at its next tick, 4 ms later.
    """
    module, x = module_and_input(steps=200)
    pylstm.set_num_threads(2)
    used = []
    while not used or (used[-1] >= 0.002 and len(used) < 10):
        for _ in range(20):
            module(x)
        time.sleep(0.005)
        before = time.process_time()
        time.sleep(1)
        used.append(time.process_time() - before)
    assert helpers()
    assert used[-1] < 0.002, used


def helpers_keep_off_the_caller():
    """A helper that was woken may run wherever the caller may, but on the caller's processor."""
    module, x = module_and_input(steps=200)
    allowed = os.sched_getaffinity(0)
    assert len(allowed) > 1
    single_threaded(module, x)

    def helper_processors():
        time.sleep(0.01)  # the helper falls asleep, and a rest of the pool ends
        module(x)
        (helper,) = helpers()
        return os.sched_getaffinity(helper)

    def expect(right):
        deadline = time.monotonic() + HANG
        while not right(found := helper_processors()):
            assert time.monotonic() < deadline, found

    expect(lambda found: found < allowed and len(found) == len(allowed) - 1)
    os.sched_setaffinity(0, {min(allowed)})  # of this thread alone
    expect(lambda found: found == {min(allowed)})
    os.sched_setaffinity(0, allowed)
    expect(lambda found: found < allowed and len(found) == len(allowed) - 1)


def helpers_take_no_signals():
    module, x = module_and_input(steps=200)
    pylstm.set_num_threads(2)
    module(x)
    (helper,) = helpers()
    deadline = time.monotonic() + HANG
    while True:
        status = (TASKS / str(helper) / "status").read_text()
        blocked = int(next(line for line in status.splitlines() if "SigBlk" in line).split()[1], 16)
        if not blocked >> (signal.SIGSEGV - 1) & 1:
            break  # a thread that has not begun yet takes no signals at all
        assert time.monotonic() < deadline
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD, signal.SIGUSR1):
        assert blocked >> (number - 1) & 1, number
    for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE):  # faulthandler wants to know
        assert not blocked >> (number - 1) & 1, number


# ---------------------------------------------------------------------------- forks


def fork_and_check(module, x, expected):
    child = os.fork()
    if child == 0:
        status = 1
        with contextlib.suppress(BaseException):
            signal.alarm(HANG)
            for _ in range(3):
                assert_same_bits(module(x), expected)
            status = 0
        os._exit(status)
    assert_same_bits(module(x), expected)
    assert os.waitpid(child, 0) == (child, 0)


def forks_before_use(count):
    """Each fork from a process that has not used its threads: it is a child itself."""
    module, x = module_and_input()
    expected = single_threaded(module, x)
    for _ in range(count):
        child = os.fork()
        if child == 0:
            status = 1
            with contextlib.suppress(BaseException):
                signal.alarm(HANG)
                fork_and_check(module, x, expected)
                status = 0
            os._exit(status)
        assert os.waitpid(child, 0) == (child, 0)
    assert helpers() == set()


def forks_after_use(count):
    module, x = module_and_input(steps=200)
    expected = single_threaded(module, x)
    module(x)
    for _ in range(count):
        fork_and_check(module, x, expected)
    assert helpers()


def forks_during_use(count):
    module, x = module_and_input()
    expected = single_threaded(module, x)
    done = threading.Event()
    wrong = []

    def call_on():
        while not done.is_set():
            try:
                assert_same_bits(module(x), expected)
            except BaseException as error:
                wrong.append(error)
                return

    thread = threading.Thread(target=call_on)
    thread.start()
    for _ in range(count):
        fork_and_check(module, x, expected)
    done.set()
    thread.join()
    assert not wrong, wrong


def fork_in_a_handler():
    """The child of a handler goes on with the call that its parent's thread was in."""
    module = with_parameters(pylstm.LSTM(256, 256), 2)
    x = np.random.default_rng(0).standard_normal((20000, 1, 256)).astype(np.float32)
    expected = single_threaded(module, x)
    children = []
    signal.signal(signal.SIGALRM, lambda *_: children or children.append(os.fork()))
    while not children:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        result = module(x)
        signal.setitimer(signal.ITIMER_REAL, 0)  # not outside of a call
        if children == [0]:
            signal.alarm(0)
            status = 1
            with contextlib.suppress(BaseException):
                assert_same_bits(result, expected)
                assert_same_bits(module(x), expected)
                status = 0
            os._exit(status)
        assert_same_bits(result, expected)
    assert os.waitpid(children[0], 0) == (children[0], 0)


def private_dirty():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))


def weights_stay_shared():
    """The weights of 32 MB, packed by the parent: a child's first call copies none of it."""
    module = pylstm.LSTM(1024, 1024)
    x = np.zeros((40, 1, 1024), np.float32)
    pylstm.set_num_threads(2)
    module(x)
    child = os.fork()
    if child == 0:
        before = private_dirty()
        module(x)
        os._exit(0 if private_dirty() - before < 8 * 1024 else 1)
    assert os.waitpid(child, 0) == (child, 0)


# ---------------------------------------------------------------------------- worker processes


def call_module(module, x):
    pylstm.set_num_threads(2)
    output, _ = module(x)
    return output


def workers(method):
    """Modules travel to workers, and work there."""
    module, x = module_and_input()
    expected, _ = single_threaded(module, x)
    module(x)
    with multiprocessing.get_context(method).Pool(2) as pool:
        for output in pool.starmap(call_module, [(module, x)] * 6):
            assert_same_bits(output, expected)


def joblib_workers():
    from joblib import Parallel, delayed

    module, x = module_and_input()
    expected, _ = single_threaded(module, x)
    for backend in ("loky", "multiprocessing", "threading"):
        with Parallel(n_jobs=2, backend=backend) as parallel:
            for output in parallel(delayed(call_module)(module, x) for _ in range(4)):
                assert_same_bits(output, expected)


# ---------------------------------------------------------------------------- many callers


def many_callers_and_a_writer(calls):
    """A count that is odd during a write tells which calls no write has raced with."""
    module, x = module_and_input()
    states, expected = [], []
    for seed in (1, 2):
        states.append({k: v.copy() for k, v in with_parameters(module, seed).state_dict().items()})
        expected.append(single_threaded(module, x))
    module.load_state_dict(states[0])
    writes, done, wrong, checked = 0, threading.Event(), [], [0] * 8

    def write():
        nonlocal writes
        while not done.is_set():
            state = states[(writes // 2 + 1) % 2]
            writes += 1
            if writes % 4 == 1:
                module.load_state_dict(state)
            else:
                for name, value in state.items():
                    getattr(module, name)[...] = value
            writes += 1
            done.wait(0.002)

    def call(number):
        try:
            for _ in range(calls):
                before = writes
                result = module(x)
                if before % 2 == 0 and before == writes:
                    assert_same_bits(result, expected[before // 2 % 2])
                    checked[number] += 1
        except BaseException as error:
            wrong.append(error)

    writer = threading.Thread(target=write)
    callers = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in [writer, *callers]:
        thread.start()
    for thread in callers:
        thread.join()
    done.set()
    writer.join()
    assert not wrong, wrong
    assert sum(checked) > 0, "every call raced"
    assert_same_bits(module(x), expected[writes // 2 % 2])


# ---------------------------------------------------------------------------- Ctrl-C


def long_call():
    """A call of many seconds, whose input takes no memory and whose output is not touched."""
    module = with_parameters(pylstm.LSTM(512, 512), 3)
    row = np.random.default_rng(0).standard_normal((1, 1, 512)).astype(np.float32)
    return module, np.broadcast_to(row, (200_000, 1, 512))


def ways_to_call(module, way):
    """A function that calls the module with lengths or a reset, or traces it, and returns arrays."""
    if way == "lengths":  # of the longest row all steps, of the others fewer
        return lambda x: module(x, lengths=np.maximum(1, len(x) - np.arange(x.shape[1])))
    if way == "reset":
        return lambda x: module(x, reset=np.broadcast_to(x[0, :, 0] > 0, x.shape[:2]))
    if way == "trace":
        return lambda x: list(vars(module.trace(x, names=("c", "o"))).values())[2:]
    return module


def interrupted(threads, way="plain"):
    """Ctrl-C ends a long call, and signals before it were seen to during the call."""
    module, x = long_call()
    module = ways_to_call(module, way)
    pylstm.set_num_threads(1)
    expected = module(x[:100])
    pylstm.set_num_threads(threads)
    before = module(x[:100])
    seen = []
    # Programs that a shell starts in the background inherit SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def handler(number, frame):
        seen.append(number)
        if len(seen) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGALRM, handler)
    for _ in range(2):
        seen.clear()
        signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
        try:
            module(x)
        except KeyboardInterrupt:
            assert len(seen) >= 3
        else:
            raise AssertionError(f"not interrupted; {len(seen)} signals")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        assert_same_bits(module(x[:100]), expected)
    assert_same_bits(before, expected)


def interrupted_stream(threads):
    """Ctrl-C ends a long call of a stream, whose states are what they were, as often as it comes."""
    module, x = long_call()
    pylstm.set_num_threads(int(threads))
    stream = module.stream(2)
    rows = np.array([1])
    stream(x[:100], rows=rows)
    before = stream.state
    expected = stream.fork()(x[:100], rows=rows)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    both = np.broadcast_to(x[:1], (len(x), 2, 512))
    for call in (lambda: stream(both), lambda: stream(x, rows=rows), lambda: stream(both)):
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        try:
            call()
        except KeyboardInterrupt:
            assert_same_bits(stream.state, before)
        else:
            raise AssertionError("not interrupted")
    assert_same_bits(stream(x[:100], rows=rows), expected)


def interrupted_with_dropout():
    """As above, for the calls that keep the generator, and with it the GIL, to themselves."""
    module = with_parameters(pylstm.LSTM(512, 512, 2, dropout=0.25), 3)
    x = long_call()[1][:20_000]
    pylstm.set_num_threads(2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    seen, counted, done = [], [0], threading.Event()

    def handler(number, frame):
        pylstm.manual_seed(1)  # the generator is free meanwhile
        seen.append(counted[0])
        if len(seen) == 4:
            os.kill(os.getpid(), signal.SIGINT)

    def count():
        while not done.wait(0.001):
            counted[0] += 1

    signal.signal(signal.SIGALRM, handler)
    other = threading.Thread(target=count)
    other.start()
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    try:
        module(x)
    except KeyboardInterrupt:
        assert seen[0] < seen[-1], "other threads stood still"
    else:
        raise AssertionError(f"not interrupted; {len(seen)} signals")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        done.set()
        other.join()
    pylstm.manual_seed(3)
    result = module(x[:50])
    pylstm.manual_seed(3)
    assert_same_bits(module(x[:50]), result)


# ---------------------------------------------------------------------------- late helpers


def late_helpers(way="plain"):
    """Helpers that come, and then hardly get a processor: right results, and no memory kept."""
    module = ways_to_call(with_parameters(pylstm.LSTM(128, 128), 4), way)
    x = np.random.default_rng(0).standard_normal((400, 1, 128)).astype(np.float32)
    expected = single_threaded(module, x)
    module(x)
    done = threading.Event()

    def starve():
        while not done.is_set():
            for policy in (os.SCHED_OTHER, os.SCHED_IDLE):
                for helper in helpers() & own:
                    os.sched_setscheduler(helper, policy, os.sched_param(0))
                done.wait(0.001)

    own = helpers()
    starver = threading.Thread(target=starve)
    starver.start()
    cpus = sorted(os.sched_getaffinity(0))
    busy = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"
    burners = [subprocess.Popen([sys.executable, "-c", busy, str(cpu)]) for cpu in cpus]
    references = sys.getrefcount(x)
    try:
        for turn in range(120):
            assert_same_bits(module(x), expected)
            if turn == 40:
                before = private_dirty()
        assert private_dirty() - before < 4 * 1024
        assert sys.getrefcount(x) == references
    finally:
        done.set()
        starver.join()
        for burner in burners:
            burner.kill()
            burner.wait()


# ---------------------------------------------------------------------------- the end


def exit_with_a_call_under_way():
    """A daemon's call, on all threads, when the interpreter ends; another one after the end."""
    module, x = long_call()
    pylstm.set_num_threads(2)
    threading.Thread(target=module, args=(x,), daemon=True).start()
    time.sleep(0.2)


def exit_after_use():
    """Threads end before what was registered earlier runs; then calls work alone."""
    module, x = module_and_input(steps=200)
    expected = single_threaded(module, x)
    module(x)
    assert helpers()

    def last():
        signal.alarm(HANG)
        while helpers():  # a thread that was joined may take a moment to vanish
            time.sleep(0.001)
        assert_same_bits(module(x), expected)
        assert not helpers()
        sys.stdout.write("the end\n")

    # Those registered last run first: behind the function that ends the threads.
    atexit.unregister(pylstm.runtime.threadpools._end_threads)
    atexit.register(last)
    atexit.register(pylstm.runtime.threadpools._end_threads, weakref.ref(pylstm._core))


def unload():
    import gc

    module, x = module_and_input(steps=200)
    expected = single_threaded(module, x)
    module(x)
    assert helpers()
    core = weakref.ref(pylstm._core)
    del module
    for name in [name for name in sys.modules if name.split(".")[0] in ("pylstm", "support")]:
        del sys.modules[name]
    for name in ("pylstm", "with_parameters", "assert_same_bits"):
        del globals()[name]
    gc.collect()
    assert core() is None, gc.get_referrers(core())
    deadline = time.monotonic() + HANG
    while helpers():
        assert time.monotonic() < deadline
    from support import assert_same_bits as same_bits
    from support import with_parameters as with_again

    import pylstm as again

    again.set_num_threads(2)
    same_bits(with_again(again.LSTM(48, 64), 1)(x), expected)


# ---------------------------------------------------------------------------- threadpoolctl


def threadpoolctl_after():
    """Importing pylstm first."""
    assert "threadpoolctl" not in sys.modules
    import threadpoolctl as module

    assert type(module.__loader__).__module__ != "pylstm.runtime.threadpools"
    assert module.__spec__.loader is module.__loader__
    check_threadpoolctl(module)


def threadpoolctl_before():
    """Importing pylstm second: see above."""
    check_threadpoolctl(threadpoolctl)


def check_threadpoolctl(threadpoolctl):
    assert not any(type(f).__module__ == "pylstm.runtime.threadpools" for f in sys.meta_path)

    def info():
        return [row for row in threadpoolctl.threadpool_info() if row["user_api"] == "pylstm"]

    (row,) = info()
    assert row["num_threads"] == pylstm.get_num_threads()
    assert row["version"] == pylstm.__version__
    assert Path(row["filepath"]).samefile(pylstm._core.__file__)
    module, x = module_and_input(steps=200)
    before = pylstm.get_num_threads()
    with threadpoolctl.threadpool_limits(1):
        assert pylstm.get_num_threads() == info()[0]["num_threads"] == 1
        for _ in range(3):
            module(x)
    assert pylstm.get_num_threads() == before
    with threadpoolctl.threadpool_limits(4, user_api="pylstm"):
        assert pylstm.get_num_threads() == 4
        for _ in range(3):
            module(x)  # shared only where threads were asked for, and a limit asks for none
    assert helpers() == set()
    pylstm.set_num_threads(3)
    with threadpoolctl.threadpool_limits(2, user_api="pylstm"):  # OpenBLAS has threads as well
        module(x)
        assert len(helpers()) == 1
    assert pylstm.get_num_threads() == 3


if __name__ == "__main__":
    globals()[sys.argv[1]](*(int(a) if a.isdigit() else a for a in sys.argv[2:]))
