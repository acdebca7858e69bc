"""The training halves of the examples: a few steps, and the torch-free halves on what they wrote."""

import sys

import numpy as np
import pytest
from test_examples import EXAMPLES, example

import pylstm

pytest.importorskip("torch.nn")


def test_train_forecast(tmp_path):
    path = str(tmp_path / "forecast.pt")
    assert "step 3: error" in example("train_forecast.py", "--steps", "3", "--output", path)
    assert "difference to torch's forecast" in example("forecast.py", path)


def test_train_tagger(tmp_path, monkeypatch):
    path = str(tmp_path / "tagger.pt")
    assert "step 3: loss" in example("train_tagger.py", "--steps", "3", "--output", path)
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.delitem(sys.modules, "tagger", raising=False)
    from tagger import Tagger

    recorded = pylstm.load(path)
    scores, lengths = Tagger(path)(recorded["lines"])
    for own, torchs, length in zip(scores, recorded["scores"], lengths, strict=True):
        assert np.abs(own - torchs)[:length].max() < 1e-5


@pytest.mark.parametrize("name", ["forecast", "tagger"])
def test_the_recorded_weights_are_what_the_scripts_describe(name):
    import torch

    recorded = torch.load(EXAMPLES / f"{name}.pt", weights_only=True)
    (found,) = pylstm.find_lstms(EXAMPLES / f"{name}.pt")
    assert found.prefix == "model.lstm"
    assert {"lstm.weight_ih_l0", "head.weight"} <= set(recorded["model"])
