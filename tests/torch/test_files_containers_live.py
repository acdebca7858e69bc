"""Containers that torch writes now: torch.export, torch.distributed.checkpoint, zips around files."""

import io
import warnings
import zipfile

import numpy as np
import pytest

pytest.importorskip("torch.export")

import torch
import torch.distributed.checkpoint

import pylstm

KINDS = ["LSTM", "GRU", "RNN"]


class Tagger(torch.nn.Module):
    """A layer and what follows it."""

    def __init__(self, kind):
        super().__init__()
        self.rnn = getattr(torch.nn, kind)(3, 4, 2, bidirectional=True, batch_first=True)
        self.head = torch.nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.rnn(x)[0])


def check(source, model, kind, prefix=None, **options):
    made = getattr(pylstm, kind).from_weights(source, prefix, **options)
    for name, value in model.rnn.state_dict().items():
        np.testing.assert_array_equal(made.state_dict()[name], value.numpy())
    x = torch.randn(2, 5, 3)
    with torch.no_grad():
        expected = model.rnn(x)[0].numpy()
    np.testing.assert_allclose(made(x.numpy())[0], expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_export(kind, tmp_path):
    model = Tagger(kind).eval()
    path = tmp_path / "model.pt2"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(model, (torch.randn(2, 5, 3),)), path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(path, model, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_distributed(kind, tmp_path):
    model = Tagger(kind)
    state = {"model": model.state_dict(), "epoch": 3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.distributed.checkpoint.save(state, checkpoint_id=tmp_path / "dcp", no_dist=True)
    options = {"nonlinearity": "tanh"} if kind == "RNN" else {}
    check(tmp_path / "dcp", model, kind, batch_first=True, **options)
    assert pylstm.load(tmp_path / "dcp")["epoch"] == 3


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_in_a_zip(method):
    model = Tagger("LSTM")
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name in ("policy.pth", "policy.optimizer.pth"):
            content = io.BytesIO()
            torch.save(model.state_dict() if name == "policy.pth" else {}, content)
            archive.writestr(name, content.getvalue())
    check(made.getvalue(), model, "LSTM", "policy.rnn", batch_first=True)
