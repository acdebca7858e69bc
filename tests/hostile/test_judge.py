"""The judge sees what it is there to see."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="memory is measured by Linux's /proc"
)

SCRIPT = """
import os, sys
sys.path[:0] = sys.argv[1:3]
import numpy as np
import judge, pylstm
judge.CPU_SECONDS = 1
guard = judge.Guard(sys.argv[3])
guard.strict = True
judge.ABSENT.add("absent")

def swallowing():
    try:
        open("canary", "x")
    except Exception:
        pass

def taking(size):
    return len(b"a" * size)

def raising(error):
    raise error

print(judge.attempt(guard, b"", "test", lambda: ACTION))
"""

ACTIONS = {
    "1 + 1": "2\n",
    "taking(2 << 20)": f"{2 << 20}\n",
    "np.ones(100 << 20, 'u1').shape": "took",  # nothing holds it
    "np.ones(100 << 20, 'u1')": "[1 1 1 ... 1 1 1]\n",
    "[np.ones(100 << 20, 'u1')[:2]]": "[array([1, 1], dtype=uint8)]\n",
    "taking(100 << 20)": "took",
    "raising(pylstm.WeightFileError('a', 'b', 'c'))": "a: b: c\n",
    "raising(ImportError('it needs absent', name='absent'))": "it needs absent\n",
    "__import__('absent')": "No module named 'absent'\n",
    "raising(ImportError('no module'))": "ImportError: no module",
    "raising(ImportError('no module', name='this'))": "ImportError: no module",
    "raising(KeyError('a'))": "KeyError: 'a'",
    "raising(RecursionError())": "RecursionError",
    "raising(pylstm.WeightFileError('', '', 'line\\n' * 9999))": "the message is",
    "swallowing()": "judge.Broken: test: open",
    "os.system('touch canary')": "judge.Broken: os.system",
    "__import__('this')": "judge.Broken: import",
    "eval('1')": "judge.Broken",
}


def outcome(action, folder):
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("ACTION", action), HERE, HERE.parent, folder],
        capture_output=True,
        encoding="utf-8",
        cwd=folder,
    )


@pytest.mark.parametrize("action", ACTIONS)
def test_outcomes(action, tmp_path):
    done = outcome(action, tmp_path)
    expected = ACTIONS[action]
    if expected.endswith("\n"):
        assert (done.stdout, done.stderr) == (expected, "")
    else:
        assert done.returncode == 1
        assert expected in done.stderr
    assert not list(tmp_path.iterdir())


def test_what_takes_too_long_is_killed(tmp_path):
    assert outcome("sum(range(10**12))", tmp_path).returncode == -signal.SIGPROF
