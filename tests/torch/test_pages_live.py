"""The blocks of the pages that need torch, together with those that do not; tables beside torch."""

import json

import numpy as np
import pytest
from pages import MIGRATION, blocks_of, run, sections
from torch_to_numpy import PAGE as TO_NUMPY
from torch_to_numpy import RECORDED, agree, by_numpy, by_torch, page_names, rows

# By its submodule, since this folder itself would do for a module of the name "torch".
pytest.importorskip("torch.nn")
import torch

WITH_TORCH = [
    (name, blocks)
    for name, blocks in sections(MIGRATION)
    if any(block.language == "python torch" for block in blocks)
]


class Model(torch.nn.Module):
    """What the page's checkpoint was saved from."""

    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.LSTM(12, 16, 2, bidirectional=True, batch_first=True)
        self.head = torch.nn.Linear(32, 3)


@pytest.mark.parametrize(
    "blocks", [blocks for _, blocks in WITH_TORCH], ids=[n for n, _ in WITH_TORCH]
)
def test_the_code_runs(blocks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = Model()
    torch.save({"state_dict": model.state_dict(), "epoch": 3}, "model.pt")
    np.savez("lstm.npz", **{name: t.numpy() for name, t in model.encoder.state_dict().items()})
    assert "<All keys matched successfully>" in run(MIGRATION, blocks)


def test_the_code_from_torch_to_numpy_runs():
    assert "torch.float32" in run(TO_NUMPY, blocks_of(TO_NUMPY))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.torch)
def test_both_expressions_of_a_row_agree(row):
    names = page_names()
    live = by_torch(row, names)
    assert agree(row, by_numpy(row, names), live)
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))[row.torch]
    assert agree(row, recorded, live)


@pytest.mark.parametrize(
    "code, error",
    [
        ("x.transpose(0, 1).view(3, 8)", RuntimeError),
        ("torch.from_numpy(np.ones(3)[::-1])", ValueError),
        ("torch.nn.functional.embedding(torch.tensor([-1]), torch.ones(10, 4))", IndexError),
        ("x.gather(2, torch.full((2, 3, 1), -1))", RuntimeError),
        ("x.scatter(2, torch.full((2, 3, 1), -1), 0.0)", RuntimeError),
    ],
)
def test_torch_refuses_what_the_page_says(code, error):
    with pytest.raises(error):
        eval(code, {"torch": torch, "np": np, "x": torch.ones(2, 3, 4)})


def test_torch_takes_what_the_page_says():
    assert torch.ones(2, 3).squeeze(0).shape == (2, 3)  # NumPy: a ValueError
    with pytest.raises(ValueError):
        np.ones((2, 3)).squeeze(0)
    pieces = torch.arange(7).tensor_split(3)
    assert [len(piece) for piece in pieces] == [len(p) for p in np.array_split(np.arange(7), 3)]
