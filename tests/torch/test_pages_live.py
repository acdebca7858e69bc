"""The blocks of the migration page that need torch, together with those that do not."""

import numpy as np
import pytest
from pages import MIGRATION, run, sections

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
