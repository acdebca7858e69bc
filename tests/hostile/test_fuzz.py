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


@pytest.mark.parametrize("format", seeds.FORMATS)
def test_mutations(format):
    jobs = [f"{format}:{index}" for index in range(COUNT)]
    results = worker.run_jobs(jobs)
    broken = [
        f"{job}\n{told}"
        for job, (outcome, told, _) in zip(jobs, results, strict=True)
        if outcome == "broken"
    ]
    assert not broken, f"{len(broken)} of {COUNT}:\n" + "\n".join(broken[:5])
    # Neither are they all damaged beyond recognition, nor do they change nothing that matters.
    loaded = sum(outcome == "loaded" for outcome, _, _ in results)
    assert COUNT < 100 or 0.05 * COUNT < loaded < 0.6 * COUNT
