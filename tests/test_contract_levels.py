"""The same bits at every SIMD level, and the bits that were recorded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from contract_cases import hashes
from support import available_levels

import pylstm

HERE = Path(__file__).parent
RECORD = HERE / "data" / "contract_hashes.txt"


def parse(text):
    return dict(line.rsplit(" ", 1) for line in text.splitlines())


def differences(actual, expected):
    return [name for name in expected if actual.get(name) != expected[name]]


@pytest.fixture(scope="module")
def current():
    return hashes()


@pytest.mark.parametrize("level", [n for n in available_levels() if n != pylstm._core.simd_level()])
def test_other_levels_give_the_same_bits(current, level):
    package = Path(pylstm.__file__).parents[1]
    script = (
        f"import runpy, sys; sys.path[:0] = [{str(package)!r}, {str(HERE)!r}];"
        "runpy.run_module('contract_cases', run_name='__main__')"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYLSTM_SIMD": level},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    printed = parse(result.stdout)
    assert len(printed) == len(current)
    assert differences(printed, current) == []


def test_recorded_bits(current):
    expected = parse(RECORD.read_text(encoding="utf-8"))
    assert list(current) == list(expected), (
        "cases were added: record them (data/record_contract.py)"
    )
    assert differences(current, expected) == []


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
