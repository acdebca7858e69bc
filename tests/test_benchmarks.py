"""The benchmarks' own arithmetic: the reference and the NumPy loop, of every kind."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import pylstm

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    not (ROOT / "benchmarks").is_dir(), reason="the benchmarks are not installed"
)
KINDS = ("lstm", "gru", "rnn", "rnn-relu")
CHILD = """
import sys
from dataclasses import replace
from benchmarks import environment
environment.prepare()
from benchmarks.engines import Pylstm
from benchmarks.grids import Case
from benchmarks.numpy_engine import NumpyLoop
from benchmarks.problem import Problem, errors
for case in (
    Case(5, 7, 4, 3, num_layers=2, bidirectional=True, kind=sys.argv[1]),
    Case(5, 7, 4, 3, states=True, cell=True, kind=sys.argv[1]),
    Case(5, 7, 1, 1, states=True, dtype="float64", kind=sys.argv[1]),
):
    problem = Problem(case)
    for engine in (Pylstm(problem), NumpyLoop(problem)):
        engine.runner.seconds(1)
        rms, worst = errors(engine.outputs(), problem.truth())
        assert worst < (1e-6 if case.dtype == "float32" else 1e-14), (engine.name, case, worst)
"""


def run(*arguments):
    """Standard output of a process that has NumPy for itself: threads are limited before."""
    with tempfile.TemporaryDirectory() as folder:
        # The benchmarks alone: beside them, a pylstm that is not built may lie.
        shutil.copytree(ROOT / "benchmarks", Path(folder) / "benchmarks")
        path = os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": path},
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_engines_agree_with_the_reference(kind):
    run("-c", CHILD, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("group", ["lengths", "reset", "trace", "out", "stream", "torch"])
def test_what_has_budgets_inside_sequences_agrees(kind, group):
    """Results alone: nothing is timed here."""
    options = ("--check", "--group", group, "--cell", kind)
    lines = run("-m", "benchmarks.sequences", *options).splitlines()
    least = {"torch": 0, "stream": 24}.get(group, 8)
    assert len(lines) >= least
    assert all("agree" in line or line.startswith("torch is absent") for line in lines)


@pytest.mark.parametrize("kind", KINDS)
def test_reference_is_not_pylstms_alone(kind):
    """The gates of the reference, written out for one unit and one step."""
    code = (
        "from benchmarks.grids import Case; from benchmarks.problem import Problem\n"
        f"p = Problem(Case(1, 1, 1, 1, states=True, dtype='float64', kind={kind!r}))\n"
        "print(*(float(v) for w in p.weights.values() for v in w.ravel()))\n"
        "print(*(float(v) for a in (p.x, *p.states, p.truth()[0]) for v in a.ravel()))"
    )
    first, second = (list(map(float, line.split())) for line in run("-c", code).splitlines())
    x, h, *c, result = second
    gates = {"lstm": 4, "gru": 3}.get(kind, 1)
    w_ih, w_hh, b_ih, b_hh = np.reshape(first, (4, gates))
    a, b = w_ih * x + b_ih, w_hh * h + b_hh
    sigmoid = 1 / (1 + np.exp(-(a + b)))
    if kind == "lstm":
        cell = sigmoid[1] * c[0] + sigmoid[0] * np.tanh((a + b)[2])
        expected = sigmoid[3] * np.tanh(cell)
    elif kind == "gru":
        new = np.tanh(a[2] + sigmoid[0] * b[2])
        expected = (1 - sigmoid[1]) * new + sigmoid[1] * h
    elif kind == "rnn":
        expected = np.tanh(a + b)[0]
    else:
        expected = max(a[0] + b[0], 0)
    assert result == pytest.approx(expected, abs=1e-15)


def test_every_kind_is_pylstms():
    code = "from benchmarks.kinds import KINDS; print(*(k.layer for k in KINDS.values()))"
    for name in run("-c", code).split():
        assert issubclass(getattr(pylstm, name), pylstm.Module)
        assert issubclass(getattr(pylstm, name + "Cell"), pylstm.Module)
