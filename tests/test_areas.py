"""The table of areas: every test file is in one of them, and the options that use it work."""

import subprocess
import sys

import pytest
from areas import AREAS, TESTS, areas_of, first_cases

FILES = sorted(TESTS.rglob("test_*.py"))


def test_every_test_file_has_one_area():
    wrong = {str(path.relative_to(TESTS)): areas_of(path) for path in FILES}
    assert {name: areas for name, areas in wrong.items() if len(areas) != 1} == {}


@pytest.mark.parametrize("area", AREAS)
def test_every_pattern_names_a_file(area):
    unused = [pattern for pattern in AREAS[area].split() if not [*TESTS.glob(pattern)]]
    assert unused == []


def collected(*options):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--collect-only",
            "-q",
            *options,
        ],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_areas_choose_files():
    status, text = collected("--areas", "sources,repeats")
    assert status == 0
    names = {line.partition(":")[0] for line in text.splitlines() if line.startswith("tests/")}
    expected = {
        f"tests/{path.name}" for path in FILES if areas_of(path)[0] in ("sources", "repeats")
    }
    assert names == expected


@pytest.mark.parametrize("wrong", ["number", "bits,", "", "bits numbers"])
def test_an_area_that_does_not_exist_is_an_error(wrong):
    status, text = collected("--areas", wrong)
    assert status == 4 and "--areas" in text and ", ".join(AREAS) in text


def test_first_cases():
    given = ["a.py::f[1]", "a.py::f[2]", "a.py::g", "b.py::f[1]", "a.py::C::f[1]", "a.py::f[3[0]]"]
    assert first_cases(given) == [True, False, True, True, True, False]
    assert first_cases([]) == []


def test_first_cases_as_an_option():
    status, text = collected("--first-cases", "tests/test_areas.py")
    assert status == 0
    functions = [line.partition("[")[0] for line in text.splitlines() if "::" in line]
    assert len(functions) == 6 and len(set(functions)) == 6
