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
from pylstm.contract import LevelRun, recorded_hashes
from pylstm.contract.cases import WITHIN, Case, hash_of

# SHA-256 of the lines of the first cases: of LSTM alone, then with those of the other kinds.
FIRST = {
    103: "39b65ee79d6fe2bafb6842b31eff7bc6ddc4261ad634fa8cc38940e3ac651100",
    241: "2061ac618621784d9256b7250bd64620a8551d053e027d0dc13fee1ff203c987",
}


def differences(actual, expected):
    return [name for name in expected if actual.get(name) != expected[name]]


@pytest.fixture(scope="module")
def current():
    return {name: hash_of(name) for name in names()}


@pytest.mark.parametrize("level", [n for n in available_levels() if n != pylstm._core.simd_level()])
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
        if "activations" not in name:
            assert str(Case.named(name)) == name
    for name in ("1-1-float32-layers1-bias-odd", "LSTM2-1-1-float32-layers1-bias-tiny"):
        with pytest.raises(ValueError, match="does not name a case"):
            Case.named(name)


def test_the_oldest_cases_come_first():
    # Their names and hashes never change; what came later stands behind them.
    assert not any(name.startswith(OTHERS) for name in names()[:103])
    assert all(name.startswith(OTHERS) for name in names()[103:241])
    assert not any(name.endswith(WITHIN) for name in names()[:241])
    assert all(name.endswith(WITHIN) for name in names()[241:])
    for count, expected in FIRST.items():
        text = "".join(f"{name} {recorded_hashes()[name]}\n" for name in names()[:count])
        assert hashlib.sha256(text.encode()).hexdigest() == expected


def test_unknown_level_is_an_import_error():
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(0, {str(Path(pylstm.__file__).parents[1])!r}); import pylstm",
        ],
        env=os.environ | {"PYLSTM_SIMD": "sse9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError") and "sse9" in last
    for level in ("portable", *available_levels()):
        assert level in last
