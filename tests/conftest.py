"""What all tests share. Helpers are in support.py, the oracle is in reference.py."""

import argparse
import gc
import os
from pathlib import Path

import numpy as np
import pytest
from areas import AREAS, areas_of, first_cases
from support import DTYPES, available_levels

import pylstm


def chosen_areas(text):
    """The value of --areas, as pytest takes it."""
    areas = text.split(",")
    if unknown := [area for area in areas if area not in AREAS]:
        raise argparse.ArgumentTypeError(f"no area is {unknown[0]!r}: {', '.join(AREAS)}")
    return areas


def pytest_addoption(parser):
    parser.addoption(
        "--areas", type=chosen_areas, help=f"run these areas alone: some of {','.join(AREAS)}"
    )
    parser.addoption(
        "--first-cases", action="store_true", help="of every test with parameters the first case"
    )


def pytest_ignore_collect(collection_path, config):
    areas = config.getoption("--areas")
    if areas and collection_path.match("test_*.py"):
        return True if set(areas_of(collection_path)).isdisjoint(areas) else None
    return None


def pytest_collection_modifyitems(config, items):
    if config.getoption("--first-cases"):
        kept = first_cases([item.nodeid for item in items])
        config.hook.pytest_deselected(
            items=[i for i, keep in zip(items, kept, strict=True) if not keep]
        )
        items[:] = [item for item, keep in zip(items, kept, strict=True) if keep]


@pytest.hookimpl(trylast=True)
def pytest_collection_finish():
    """Let collections of garbage, which many tests ask for, pass over the 20,000 tests themselves."""
    gc.collect()
    gc.freeze()


def pytest_report_header():
    """Say which extension is under test: a suite that ran at the wrong level proves nothing."""
    asked = os.environ.get("PYLSTM_SIMD", "not set")
    return [
        f"pylstm {pylstm.__version__} at {Path(pylstm.__file__).parent}, NumPy {np.__version__}",
        f"SIMD level {pylstm._core.simd_level()} (PYLSTM_SIMD {asked}; "
        f"available: {', '.join(available_levels())})",
    ]


@pytest.fixture(params=DTYPES)
def dtype(request):
    """Both dtypes of a module, by name."""
    return request.param


@pytest.fixture(autouse=True)
def fixed_seed():
    """Every test starts from the same generator state, in whatever order tests run."""
    pylstm.manual_seed(0)


@pytest.fixture(autouse=True)
def same_threads():
    """A test that chooses a number of threads does so for itself."""
    before = pylstm.get_num_threads()
    yield
    if pylstm.get_num_threads() != before:
        pylstm.set_num_threads(before)


@pytest.fixture
def no_peers(monkeypatch):
    """For `verify`, neither torch nor onnxruntime, even where they are installed."""
    from pylstm.cli import peers

    monkeypatch.setattr(peers, "find_spec", lambda name: None)
