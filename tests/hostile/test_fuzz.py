"""Mutations of honest files: only WeightFileError, or a load that is right.

PYLSTM_FUZZ=5000 makes so many of each format. See one again by
its name: python tests/hostile/worker.py torch:123
"""

import os
from pathlib import Path

import pytest
import seeds
import worker

COUNT = int(os.environ.get("PYLSTM_FUZZ", "250"))

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="memory is measured by Linux's /proc"
)


def jobs_of(format):
    return [f"{format}:{index}" for index in range(COUNT)]


@pytest.fixture(scope="module")
def results(request):
    """What came of all mutations of the formats that are wanted: the same processes serve them all."""
    items = [item for item in request.session.items if item.module is request.module]
    jobs = [job for item in items for job in jobs_of(item.callspec.params["format"])]
    return dict(zip(jobs, worker.run_jobs(jobs), strict=True))


@pytest.mark.parametrize("format", seeds.FORMATS)
def test_mutations(format, results):
    told = {job: results[job] for job in jobs_of(format)}
    broken = [f"{job}\n{text}" for job, (outcome, text, _) in told.items() if outcome == "broken"]
    assert not broken, f"{len(broken)} of {COUNT}:\n" + "\n".join(broken[:5])
    # Neither are they all damaged beyond recognition, nor do they change nothing that matters.
    loaded = sum(outcome == "loaded" for outcome, _, _ in told.values())
    assert COUNT < 100 or 0.05 * COUNT < loaded < 0.6 * COUNT
