"""Files made by hand to break the readers: only WeightFileError, or a load that is right."""

from pathlib import Path

import attacks
import pytest
import worker

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="memory is measured by Linux's /proc"
)


@pytest.fixture(scope="module")
def results(request):
    """What came of all attacks that are wanted: one process serves them all."""
    items = [item for item in request.session.items if item.module is request.module]
    names = [item.callspec.params["name"] for item in items]
    return dict(zip(names, worker.run_jobs(names), strict=True))


@pytest.mark.parametrize("name", attacks.ATTACKS)
def test_attack(name, results):
    outcome, told, _ = results[name]
    assert outcome in (attacks.ATTACKS[name][0] or ("refused", "loaded")), told
