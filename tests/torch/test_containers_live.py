"""Containers, Parameter and hooks of state_dict do what torch's do."""

import container_cases
import pytest

import pylstm

pytest.importorskip("torch.nn")  # "torch" alone would find a folder of that name
import torch

# Deliberate: a reply of pylstm where torch leaves a container in disorder.
BETTER = {
    ("named", "box *= 3"): "torch: KeyError '0'",
}


@pytest.mark.parametrize(("box", "statement"), list(container_cases.cases()))
def test_containers(box, statement):
    mine = container_cases.outcome(pylstm, box, statement)
    theirs = container_cases.outcome(torch.nn, box, statement)
    if (box, statement) in BETTER:
        assert mine != theirs
    else:
        assert mine == theirs
