"""What all tests share. Helpers are in support.py, the oracle is in reference.py."""

import os
from pathlib import Path

import numpy as np
import pytest
from support import DTYPES, available_levels

import pylstm


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
