"""Threads that never hurt: the same bits, none before use, none awake afterwards, forks survived."""

import itertools
import operator
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from reference import KINDS
from support import HANG, assert_same_bits, cell_of, flatten, layer_of, with_parameters

import pylstm
from pylstm.runtime import threads
from pylstm.utils.rnn import pack_sequence

HERE = Path(__file__).parent

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="only /proc tells which threads there are"
)
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")


def run_python(*arguments, **environment):
    """Return a finished process of this Python, with nothing set that limits its threads."""
    paths = [str(Path(pylstm.__file__).parents[1]), str(HERE)]
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYLSTM_NUM_THREADS", "OMP_NUM_THREADS")
    }
    return subprocess.run(
        [sys.executable, *arguments],
        env=clean | {"PYTHONPATH": os.pathsep.join(paths)} | environment,
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )


def run_scenario(name, *arguments, **environment):
    script = str(HERE / "thread_scenarios.py")
    result = run_python(script, name, *map(str, arguments), **environment)
    assert result.returncode == 0, result.stderr[-4000:]
    return result.stdout


@pytest.fixture
def restore_threads():
    before = pylstm.get_num_threads()
    yield
    pylstm.set_num_threads(before)


# ---------------------------------------------------------------------------- the same bits


def make_input(kind, dtype, batch_first, seed):
    rng = np.random.default_rng(seed)
    if kind == "packed":
        lengths = [40, 33, 33, 20, 20, 20, 11, 9, 9, 3, 2, 1]
        return pack_sequence([rng.standard_normal((n, 40)).astype(dtype) for n in lengths])
    batch = {"unbatched": None, "one row": 1, "few rows": 5, "many rows": 33}[kind]
    shape = [48 if batch is None or batch < 33 else 8, batch, 40]
    if batch is None:
        shape = [48, 40]
    elif batch_first:
        shape[:2] = shape[1::-1]
    return rng.standard_normal(shape).astype(dtype)


def unpack(result):
    output, states = result
    return (output if isinstance(output, np.ndarray) else output.data), states


def check_numbers_of_threads(module, x, with_hx):
    """One to four threads give the same bits, with the states after a call or without states."""
    pylstm.set_num_threads(1)
    hx = module(x)[1] if with_hx else None
    expected = unpack(module(x, hx))
    for count in (2, 3, 4):
        pylstm.set_num_threads(count)
        for _ in range(3):
            assert_same_bits(unpack(module(x, hx)), expected)


OPTIONS = list(itertools.product((1, 3), (False, True), (0, 9), (True, False)))


@pytest.mark.usefixtures("restore_threads")
@pytest.mark.parametrize("kind", ["unbatched", "one row", "few rows", "many rows", "packed"])
@pytest.mark.parametrize(("layers", "bidirectional", "proj_size", "bias"), OPTIONS)
def test_threads_change_no_bit(kind, layers, bidirectional, proj_size, bias, dtype):
    seed = OPTIONS.index((layers, bidirectional, proj_size, bias))
    batch_first = seed % 3 == 0
    module = pylstm.LSTM(
        40,
        72,
        layers,
        bias=bias,
        batch_first=batch_first,
        bidirectional=bidirectional,
        proj_size=proj_size,
        dtype=dtype,
    )
    with_parameters(module, seed)
    x = make_input(kind, dtype, batch_first, seed)
    check_numbers_of_threads(module, x, with_hx=bool(seed % 2))


OTHER_OPTIONS = [(1, False, True), (2, True, False), (3, False, True)]


@pytest.mark.usefixtures("restore_threads")
@pytest.mark.parametrize("form", ["unbatched", "one row", "few rows", "many rows", "packed"])
@pytest.mark.parametrize(("layers", "bidirectional", "bias"), OTHER_OPTIONS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "LSTM"])
def test_threads_change_no_bit_of_other_kinds(kind, form, layers, bidirectional, bias, dtype):
    options = {"bias": bias, "bidirectional": bidirectional, "batch_first": layers == 3}
    # Large enough for another thread, with a quarter or three quarters of an LSTM's work.
    hidden_size = 96 if kind == "GRU" else 160
    module = with_parameters(layer_of(kind, 40, hidden_size, layers, **options, dtype=dtype), 3)
    x = make_input(form, dtype, options["batch_first"], layers)
    check_numbers_of_threads(module, x, with_hx=layers > 1)


@pytest.mark.usefixtures("restore_threads")
@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_with_many_rows(kind, dtype):
    cell = with_parameters(cell_of(kind, 100, 128, dtype=dtype), 1)
    x = np.random.default_rng(0).standard_normal((300, 100)).astype(dtype)
    pylstm.set_num_threads(1)
    expected = cell(x)
    pylstm.set_num_threads(3)
    for _ in range(5):
        assert_same_bits(cell(x), expected)


@pytest.mark.usefixtures("restore_threads")
@pytest.mark.parametrize("kind", KINDS)
def test_dropout_draws_the_same_masks(kind):
    module = with_parameters(layer_of(kind, 40, 72, 3, dropout=0.5), 1).train()
    x = make_input("few rows", "float32", False, 1)
    results = []
    for count in (1, 4):
        pylstm.set_num_threads(count)
        pylstm.manual_seed(7)
        results.append(module(x))
    assert_same_bits(*results)


@pytest.mark.usefixtures("restore_threads")
@pytest.mark.parametrize("kind", KINDS)
def test_results_and_inputs_are_the_callers_alone(kind):
    module = with_parameters(layer_of(kind, 64, 64), 1)
    x = np.random.default_rng(0).standard_normal((48, 1, 64)).astype(np.float32)
    pylstm.set_num_threads(2)
    for _ in range(50):
        for array in (*flatten(module(x)), x):
            assert array.base is None and array.flags.owndata
        before = sys.getrefcount(x)
        module(x)
        assert sys.getrefcount(x) == before, "a call that has returned still holds its input"


# ---------------------------------------------------------------------------- how many


@pytest.mark.usefixtures("restore_threads")
@pytest.mark.parametrize("count", [1, 2, 64, np.int64(3)])
def test_set_and_get(count):
    assert pylstm.set_num_threads(count) is None
    assert type(pylstm.get_num_threads()) is int
    assert pylstm.get_num_threads() == count


@pytest.mark.usefixtures("restore_threads")
def test_more_threads_than_there_are_helpers():
    pylstm.set_num_threads(1_000_000)
    assert pylstm.get_num_threads() == 64


class Liar:
    def __index__(self):
        return "two"


def pythons_text(value):
    """What Python itself says of a value whose ``__index__`` gives no int."""
    with pytest.raises(TypeError, match="__index__") as caught:
        operator.index(value)
    return str(caught.value)


class Thrower:
    def __index__(self):
        raise ZeroDivisionError("from __index__")


# Recorded from torch 2.13.0; tests/torch/test_threads_live.py asks a live one.
TORCH_ERRORS = [
    (0, RuntimeError, "set_num_threads expects a positive integer"),
    (-1, RuntimeError, "set_num_threads expects a positive integer"),
    (True, RuntimeError, "set_num_threads expects an int, but got bool"),
    ("a", RuntimeError, "set_num_threads expects an int, but got str"),
    (2.0, RuntimeError, "set_num_threads expects an int, but got float"),
    (None, RuntimeError, "set_num_threads expects an int, but got NoneType"),
    (2**31, ValueError, "Overflow when unpacking long"),
    (2**40, ValueError, "Overflow when unpacking long"),
    (2**70, ValueError, "Overflow when unpacking long long"),
    (-(2**70), ValueError, "Overflow when unpacking long long"),
]


@pytest.mark.usefixtures("restore_threads")
@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        *TORCH_ERRORS,
        (Liar(), TypeError, re.escape(pythons_text(Liar()))),
        (Thrower(), ZeroDivisionError, "from __index__"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_errors(value, error, text):
    pylstm.set_num_threads(2)
    with pytest.raises(error, match=f"^{text}"):
        pylstm.set_num_threads(value)
    assert pylstm.get_num_threads() == 2
    with pytest.raises(TypeError):
        pylstm.get_num_threads(1)


def threads_of_a_process(prelude="", **environment):
    result = run_python(
        "-c", f"{prelude}\nimport pylstm; print(pylstm.get_num_threads())", **environment
    )
    assert result.returncode == 0, result.stderr
    return int(result.stdout)


@pytest.mark.parametrize(("text", "count"), [("1", 1), ("3", 3), ("1000", 64), ("007", 7)])
def test_environment_variable(text, count):
    assert threads_of_a_process(PYLSTM_NUM_THREADS=text) == count
    # It is not the upper bound that OMP_NUM_THREADS is of the default.
    assert threads_of_a_process(PYLSTM_NUM_THREADS=text, OMP_NUM_THREADS="1") == count


@pytest.mark.parametrize("text", ["0", "-1", "two", "2.5", "1e3", "2 threads", "9" * 30])
def test_environment_variable_that_is_none(text):
    result = run_python("-c", "import pylstm", PYLSTM_NUM_THREADS=text)
    assert result.returncode == 1
    assert result.stderr.strip().endswith(
        f"ImportError: PYLSTM_NUM_THREADS={text} is not a number of threads, 1 or more"
    )


def test_the_default_is_what_the_process_may_use():
    default = threads_of_a_process()
    assert default == threads_of_a_process(PYLSTM_NUM_THREADS="")
    assert 1 <= default <= (os.cpu_count() or 1)
    assert threads_of_a_process(OMP_NUM_THREADS="1") == 1
    assert threads_of_a_process(OMP_NUM_THREADS=" 1,4") == 1
    for text in ("100000", "0", "-1", "many", ""):
        assert threads_of_a_process(OMP_NUM_THREADS=text) == default


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_affinity():
    prelude = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
    assert threads_of_a_process(prelude) == 1


# ---------------------------------------------------------------------------- control groups


@pytest.fixture
def groups(tmp_path):
    """Write files of a fake mount, then ask for the quota of a process with such a membership."""

    def quota(membership, **files):
        for name, text in files.items():
            path = tmp_path / "mount" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (tmp_path / "cgroup").write_bytes(membership)
        return threads._quota(tmp_path / "cgroup", tmp_path / "mount")

    return quota


V1 = b"3:cpuset:/\n2:cpu,cpuacct:/a/b\n1:memory:/a/b\n"


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        (b"0::/\n", {}, None),
        (b"", {"cpu.max": "100000 100000\n"}, None),
        (b"0::/\n", {"cpu.max": "max 100000\n"}, None),
        (b"0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        (b"0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        (b"0::/\n", {"cpu.max": "1000 100000\n"}, 1),
        (b"0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
        (b"0::/a/b\n", {"a/b/cpu.max": "700000 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
        (b"0::/a/b\n", {"a/b/cpu.max": "100000 100000\n", "a/cpu.max": "300000 100000\n"}, 1),
        # In a container the path is the host's and the root of the mount the container's.
        (b"0::/docker/0123\n", {"cpu.max": "400000 100000\n"}, 4),
        (b"0::/../../x\n", {"cpu.max": "400000 100000\n"}, 4),
        (V1, {"cpu/a/b/cpu.cfs_quota_us": "-1", "cpu/a/b/cpu.cfs_period_us": "100000"}, None),
        (V1, {"cpu/a/b/cpu.cfs_quota_us": "250000", "cpu/a/b/cpu.cfs_period_us": "100000"}, 3),
        (V1, {"cpu/a/cpu.cfs_quota_us": "50000", "cpu/a/cpu.cfs_period_us": "25000"}, 2),
        (V1, {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        # Another controller's folder, or a hybrid's unified one without limits, says nothing.
        (V1, {"memory/a/b/cpu.max": "100000 100000"}, None),
        (V1 + b"0::/a\n", {"cpu/a/cpu.cfs_quota_us": "2", "cpu/a/cpu.cfs_period_us": "1"}, 2),
        # Nonsense is no limit.
        (b"0::/\n", {"cpu.max": ""}, None),
        (b"0::/\n", {"cpu.max": "one two three"}, None),
        (b"0::/\n", {"cpu.max": "100000 0"}, None),
        (b"0::/\n", {"cpu.max": "nan 100000"}, None),
        (b"0::/\n", {"cpu.max": "inf 100000"}, None),
        (b"0::/\n", {"cpu.max": "-5 100000"}, None),
        (b"nonsense\n0::/\n\n", {"cpu.max": "100000 100000"}, 1),
        (b"0::/caf\xe9/\xff\n", {"cpu.max": "100000 100000"}, 1),
        (b"0::/a:b\n", {"a:b/cpu.max": "100000 100000"}, 1),
    ],
)
def test_control_group_quota(groups, membership, files, expected):
    assert groups(membership, **files) == expected


def test_no_control_groups(tmp_path):
    assert threads._quota(tmp_path / "missing", tmp_path) is None
    (tmp_path / "cgroup").write_text("0::/\n")
    assert threads._quota(tmp_path / "cgroup", tmp_path / "missing") is None
    assert threads._quota(tmp_path, tmp_path) is None  # a folder


# ---------------------------------------------------------------------------- processes


@needs_proc
def test_no_thread_before_its_first_use():
    run_scenario("no_thread_before_use")


@needs_proc
def test_an_idle_process_uses_no_cpu():
    run_scenario("idle_uses_no_cpu")


@needs_proc
@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs two processors, and a system that says which",
)
def test_helpers_keep_off_the_caller():
    run_scenario("helpers_keep_off_the_caller")


@needs_proc
def test_helpers_take_no_signals():
    run_scenario("helpers_take_no_signals")


@needs_proc
@needs_fork
@pytest.mark.parametrize("phase", ["forks_before_use", "forks_after_use", "forks_during_use"])
def test_200_forks(phase):
    run_scenario(phase, 200)


@needs_fork
def test_fork_in_a_signal_handler_within_a_call():
    run_scenario("fork_in_a_handler")


@needs_proc
@needs_fork
def test_weights_of_a_forked_parent_stay_shared():
    run_scenario("weights_stay_shared")


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_worker_processes(method):
    run_scenario("workers", method)


def test_joblib():
    pytest.importorskip("joblib")
    run_scenario("joblib_workers")


def test_eight_callers_and_a_writer():
    run_scenario("many_callers_and_a_writer", 1000)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no such timers")
@pytest.mark.parametrize("count", [1, 2])
def test_ctrl_c_in_a_long_call(count):
    run_scenario("interrupted", count)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no such timers")
@pytest.mark.parametrize("way", ["lengths", "reset", "trace"])
def test_ctrl_c_in_a_long_call_with_something_inside(way):
    run_scenario("interrupted", 2, way)


def test_no_python_runs_before_a_long_call_lets_go_of_the_gil():
    # A signal's handler could run in Python code there, and what it raises would be lost.
    lstm, x = pylstm.LSTM(32, 64), np.ones((200, 32, 32), np.float32)
    lstm(x)  # the first call asks Python for the number of CPUs
    called = []
    sys.setprofile(lambda frame, event, argument: event == "call" and called.append(frame.f_code))
    try:
        lstm(x)
    finally:
        sys.setprofile(None)
    assert called == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no such timers")
def test_ctrl_c_in_a_long_call_with_dropout():
    run_scenario("interrupted_with_dropout")


@needs_proc
@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="threads cannot be made late")
def test_late_helpers():
    # Where AddressSanitizer is: it must not keep what has been freed.
    options = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=0"
    run_scenario("late_helpers", ASAN_OPTIONS=options)


@needs_proc
@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="threads cannot be made late")
@pytest.mark.parametrize("way", ["lengths", "reset", "trace"])
def test_late_helpers_with_something_inside(way):
    options = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=0"
    run_scenario("late_helpers", way, ASAN_OPTIONS=options)


def test_exit_with_a_call_under_way():
    run_scenario("exit_with_a_call_under_way")


@needs_proc
def test_exit_after_use():
    assert run_scenario("exit_after_use") == "the end\n"


@needs_proc
def test_unload_and_second_import():
    run_scenario("unload")


# ---------------------------------------------------------------------------- threadpoolctl


def test_import_does_not_import_threadpoolctl():
    code = "import sys, pylstm; sys.exit('threadpoolctl' in sys.modules)"
    assert run_python("-c", code).returncode == 0


def test_a_search_for_threadpoolctl_is_no_import():
    pytest.importorskip("threadpoolctl")
    code = (
        "import importlib.util, pylstm; from pathlib import Path;"
        "spec = importlib.util.find_spec('threadpoolctl');"
        "print(len(spec.loader.get_source('threadpoolctl')) > 0);"
        "import threadpoolctl; print(threadpoolctl.__loader__.__class__.__module__);"
        "print([row['user_api'] for row in threadpoolctl.threadpool_info()].count('pylstm'))"
    )
    result = run_python("-c", code)
    assert result.stdout.split() == ["True", "_frozen_importlib_external", "1"], result.stderr


@needs_proc
@pytest.mark.parametrize("order", ["threadpoolctl_after", "threadpoolctl_before"])
def test_threadpoolctl(order):
    pytest.importorskip("threadpoolctl")
    run_scenario(order)
