"""The same bits at every SIMD level, and the bits that were recorded."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from contract_cases import OTHERS, names
from support import available_levels

import pylstm
from pylstm.contract import LevelRun, recorded_hashes, runs_here
from pylstm.contract.cases import STORAGES, WITHIN, Case, hash_of

# SHA-256 of the lines of the first cases: of LSTM alone, then with those of the other kinds, then with
# lengths, resets and traces.
FIRST = {
    103: "39b65ee79d6fe2bafb6842b31eff7bc6ddc4261ad634fa8cc38940e3ac651100",
    241: "2061ac618621784d9256b7250bd64620a8551d053e027d0dc13fee1ff203c987",
    313: "0ea0079482c09a35ef75b0e36a4d96b05f564423f540658731a0ead73f8de864",
}


def differences(actual, expected):
    return [name for name in expected if actual.get(name) != expected[name]]


@pytest.fixture(scope="module")
def current():
    return {name: hash_of(name) for name in names()}


# What this process runs is none of the others, where the level has one flavour.
OTHER_RUNS = [name for name in runs_here() if name != pylstm._core.simd_level()]


@pytest.mark.parametrize("level", OTHER_RUNS)
def test_other_levels_give_the_same_bits(current, level):
    with LevelRun(level) as run:
        printed = dict(run)
    assert list(printed) == list(current)
    assert differences(printed, current) == []


def test_recorded_bits(current):
    expected = recorded_hashes()
    assert list(current) == list(expected), (
        "cases were added: record them (data/record_contract.py)"
    )
    assert differences(current, expected) == []


def test_the_name_of_a_case_says_all_of_it():
    for name in names():
        if "activations" not in name and not name.startswith(("Linear", "Conv1d")):
            assert str(Case.named(name)) == name
    for name in ("1-1-float32-layers1-bias-odd", "LSTM2-1-1-float32-layers1-bias-tiny"):
        with pytest.raises(ValueError, match="does not name a case"):
            Case.named(name)


def test_the_oldest_cases_come_first():
    # Their names and hashes never change; what came later stands behind them.
    assert not any(name.startswith(OTHERS) for name in names()[:103])
    assert all(name.startswith(OTHERS) for name in names()[103:241])
    assert not any(name.endswith(WITHIN) for name in names()[:241])
    assert all(name.endswith(WITHIN) for name in names()[241:313])
    assert not any(name.endswith(STORAGES) for name in names()[:313])
    linear = names().index("Linear-1-1-float32-bias-ordinary")
    assert all(name.endswith(STORAGES) for name in names()[313:linear])
    conv = names().index(
        "Conv1d-1-1-kernel1-stride1-dilation1-groups1-padding0-float32-bias-ordinary"
    )
    assert all(name.startswith("Linear-") for name in names()[linear:conv])
    assert all(name.startswith("Conv1d-") for name in names()[conv:])
    for count, expected in FIRST.items():
        text = "".join(f"{name} {recorded_hashes()[name]}\n" for name in names()[:count])
        assert hashlib.sha256(text.encode()).hexdigest() == expected


def imported(code, **environment):
    """Another process that imports this pylstm and runs some code."""
    path = str(Path(pylstm.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {path!r}); import pylstm; {code}"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("variable", ["PYLSTM_SIMD", "PYLSTM_SIMD_FLAVOUR"])
def test_unknown_level_is_an_import_error(variable):
    result = imported("", **{variable: "sse9"})
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError") and f"{variable}=sse9" in last
    choices = available_levels() if variable == "PYLSTM_SIMD" else available_flavours()
    for choice in ("portable", *choices):
        assert choice in last


def available_flavours():
    return [name for name, runs in pylstm._core.simd_flavours().items() if runs]


@pytest.mark.parametrize("level", available_levels())
def test_a_level_takes_its_best_flavour_or_one_of_a_level_below(level):
    order = {"portable": 0, "neon": 1, "avx2": 2, "avx512": 3}
    fitting = [f for f in available_flavours() if order[f.partition("-")[0]] <= order[level]]
    result = imported(
        "print(pylstm._core.simd_flavour())", PYLSTM_SIMD=level, PYLSTM_SIMD_FLAVOUR=""
    )
    assert result.stdout.strip() == fitting[-1], result.stderr


@pytest.mark.parametrize("flavour", available_flavours())
def test_a_flavour_is_chosen_by_name_at_every_level(flavour):
    """A processor with AVX-512 and without its VNNI runs what a level below has."""
    code = "from pylstm.contract.cases import *; print(*map(hash_of, sys.argv[1:]))"
    some = [name for name in names() if name.endswith(STORAGES)][::9]
    for level in available_levels():
        done = imported(
            f"sys.argv[1:] = {some!r}; print(pylstm._core.simd_level(), pylstm._core.simd_flavour()); {code}",
            PYLSTM_SIMD=level,
            PYLSTM_SIMD_FLAVOUR=flavour,
        )
        assert done.stdout.splitlines()[0].split() == [level, flavour], done.stderr
        assert done.stdout.splitlines()[1].split() == [recorded_hashes()[name] for name in some]
