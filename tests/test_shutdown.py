"""The end of the interpreter, second imports, other interpreters: each in a process of its own."""

import subprocess
import sys
import textwrap

import pytest
from support import HANG

START = """
import atexit, faulthandler, gc, os, sys, threading, time, weakref
faulthandler.enable()
import numpy as np
import pylstm
x = np.ones((40, 32, 64), np.float32)
small = np.ones((2, 2, 64), np.float32)
pylstm.set_num_threads(2)
lstm = pylstm.LSTM(64, 64)
def check():
    y, (h, c) = lstm(x)
    assert np.isfinite(y).all() and y[-1].tobytes() == h[0].tobytes()
"""


def run(program, code=0, silent=True):
    """Run the program after START; it has to end by itself, with the code and without a word."""
    done = subprocess.run(
        [sys.executable, "-c", START + textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert done.returncode == code, done.stderr
    assert not silent or done.stderr == ""
    return done.stdout


ENDS = {
    "return": "",
    "sys.exit": "sys.exit(0)",
    "os._exit": "os._exit(0)",
    "cycle": "lstm.me = [lstm]; del lstm",
    "lease": "lease = lstm.weight_ih_l0[1:]; del lstm",
    "stored in sys": "sys.lstm = lstm; sys.core = pylstm._core",
    "stored in builtins": "import builtins; builtins.lstm = lstm; builtins.again = check",
    "module forgotten": "del pylstm, sys.modules['pylstm'], sys.modules['pylstm._core']; gc.collect()",
    "all forgotten": "del pylstm, lstm, check\nfor name in [*sys.modules]:\n    if 'pylstm' in name: del sys.modules[name]\ngc.collect()",
    "pool closed": "pylstm._core._close_threads(); check()",
}  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("used", [True, False])
def test_the_interpreter_ends(name, used):
    run(f"{'check()' if used else ''}\n{ENDS[name]}")


def test_an_exception_ends_it():
    run("check(); raise SystemExit(3)", code=3)
    run("check(); 1 / 0", code=1, silent=False)


def test_calls_in_exit_handlers():
    out = run(
        """
        atexit.register(lambda: (check(), print("last")))
        check()
        atexit.register(lambda: (check(), print("first")))
        """
    )
    assert out.split() == ["first", "last"]


@pytest.mark.parametrize(
    "keeper", ["lstm.me = lstm", "sys.kept = lstm", "pylstm._core.kept = lstm"]
)
def test_calls_in_finalizers(keeper):
    """A finalizer that calls its module while everything is torn down: a result or an exception."""
    program = """
        class Last(pylstm.LSTM):
            def __del__(self, run=pylstm.LSTM.forward, x=x, write=os.write):
                try:
                    run(self, x)
                    self._native_parameter("weight_ih_l0")
                    write(1, b"called")
                except BaseException:
                    write(1, b"raised")
        lstm = Last(64, 64)
        check()
        KEEPER
        del lstm, check
        """
    assert run(program.replace("KEEPER", keeper)) in ("called", "raised")


def test_calls_when_the_module_has_been_cleared():
    """An object that the collector cannot see calls while the collector clears all the others."""
    out = run(
        """
        class Unseen:
            __slots__ = ()
            def __del__(self, held=[lstm], x=small, write=os.write):
                try:
                    for name in ("_native_names", "_native_dtype", "_native_leases", "training"):
                        getattr(held[0], name)
                    pylstm_call(held[0], x)
                    held[0]._native_parameter("weight_ih_l0")
                except BaseException:
                    pass
                write(1, b"x")
        pylstm_call = pylstm.LSTM.forward
        lstm.unseen = [Unseen() for _ in range(3)]
        pylstm._core.unseen = [Unseen()]
        pylstm._core.RNN.__mro__
        del lstm, check
        for name in [*sys.modules]:
            if "pylstm" in name:
                del sys.modules[name]
        del pylstm
        gc.collect()
        """
    )
    assert set(out) <= {"x"}


@pytest.mark.parametrize("daemon", [True, False])
def test_threads_that_still_call(daemon):
    run(
        f"""
        stop = []
        def work():
            while not stop:
                check()
        for _ in range(3):
            threading.Thread(target=work, daemon={daemon}).start()
        time.sleep(0.2)
        stop.extend([True] * (not {daemon}))
        """
    )


def test_a_second_import():
    run(
        """
        old, before = pylstm, lstm(x)[0].tobytes()
        state = lstm.state_dict()
        for name in [*sys.modules]:
            if name.startswith("pylstm"):
                del sys.modules[name]
        os.environ["PYLSTM_SIMD"] = "portable"
        import pylstm as new
        assert new is not old and new.LSTM is not old.LSTM
        assert new._core.simd_level() == "portable"
        again = new.LSTM(64, 64)
        again.load_state_dict(state)
        assert again(x)[0].tobytes() == before
        assert lstm(x)[0].tobytes() == before
        assert lstm.double().float()(x)[0].tobytes() == before  # packed by the other kernels now
        new.manual_seed(1), old.manual_seed(2)  # a generator each
        assert new.initial_seed() == 1 and old.initial_seed() == 2
        try:
            again._native_share(lstm)
        except TypeError:
            pass
        else:
            raise AssertionError("two copies of the library share a block")
        del old, pylstm, lstm, check, state
        gc.collect()
        assert again(x)[0].tobytes() == before
        """
    )


def test_a_library_that_is_imported_again_is_unloaded():
    out = run(
        """
        del lstm, check
        def threads():
            return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
        before = threads()
        def again():
            for name in [*sys.modules]:
                if name.startswith("pylstm"):
                    del sys.modules[name]
            import pylstm
            pylstm.set_num_threads(2)
            lstm = pylstm.LSTM(64, 64)
            lstm(x)
            return weakref.ref(pylstm._core), weakref.ref(pylstm._core.RNN)
        gone = [again() for _ in range(5)][:-1]
        del pylstm
        gc.collect()
        print(sum(thing() is not None for things in gone for thing in things), threads() - before)
        """
    )
    alive, threads = map(int, out.split())
    assert alive == 0
    assert threads <= 1  # of the last import


# What the process keeps of imports: finders, exit handlers (their functions, what they refer to).
LEFT = """
        def left():
            gc.collect(), gc.collect()  # what a handler refers to goes after the handler
            handlers = [o for o in gc.get_objects() if getattr(o, "__name__", None) == "_end_threads"]
            core = sys.modules.get("pylstm._core")
            return (
                sum("pylstm" in type(finder).__module__ for finder in sys.meta_path),
                len(handlers),
                0 if core is None else weakref.getweakrefcount(core),
            )
        """


def test_imports_that_are_repeated_leave_nothing_behind():
    run(
        LEFT
        + """
        first = left()
        assert first[:2] == (1, 1)
        del lstm, check
        for _ in range(5):
            del pylstm
            for name in [*sys.modules]:
                if name.startswith("pylstm"):
                    del sys.modules[name]
            import pylstm
            pylstm.LSTM(2, 3)(np.ones((2, 2, 2)))
        assert left() == first, (left(), first)
        del pylstm
        for name in [*sys.modules]:
            if name.startswith("pylstm"):
                del sys.modules[name]
        assert left() == (0, 0, 0)
        """
    )


def test_reloads_leave_nothing_behind():
    run(
        LEFT
        + """
        import importlib
        first = left()
        for _ in range(3):
            importlib.reload(pylstm)
        assert left() == first
        """
    )


def test_reloads_register_once_with_threadpoolctl():
    pytest.importorskip("threadpoolctl")
    run(
        """
        import importlib, threadpoolctl
        for _ in range(3):
            importlib.reload(pylstm)
        kinds = [k.__name__ for k in threadpoolctl.LibController.__subclasses__()]
        assert kinds.count("PylstmController") == 1
        """
    )


def test_reload():
    run(
        """
        import importlib
        before = lstm(x)[0].tobytes()
        assert importlib.reload(pylstm._core) is pylstm._core
        assert lstm(x)[0].tobytes() == before
        again = importlib.reload(pylstm)
        assert again.LSTM(64, 64).load_state_dict(lstm.state_dict()) is not None
        assert isinstance(lstm, again.LSTM)
        """
    )


SUBINTERPRETERS = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
def inside(code, *config):
    # From Python 3.13 on errors are returned, before they are raised; from 3.14 on what is not
    # destroyed is a warning at exit.
    interpreter = interpreters.create(*config)
    try:
        return interpreters.run_string(interpreter, code)
    except BaseException as error:
        return error
    finally:
        interpreters.destroy(interpreter)
code = "import pylstm"
"""


def test_subinterpreters_are_refused():
    pytest.importorskip("_xxsubinterpreters" if sys.version_info < (3, 13) else "_interpreters")
    run(
        SUBINTERPRETERS
        + """
configs = [()] if sys.version_info < (3, 13) else [("legacy",), ("isolated",)]
before = lstm(x)[0].tobytes()
for config in configs:
    for _ in range(3):
        error = inside("import sys; sys.path[:] = " + repr(sys.path) + "\\n" + code, *config)
        assert error is not None, "imported"
        assert "interpreter" in str(getattr(error, "msg", error)), error
assert lstm(x)[0].tobytes() == before
"""
    )
