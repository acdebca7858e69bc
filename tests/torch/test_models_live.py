"""Model classes of users, trained by torch and run with the line of the import changed."""

import numpy as np
import pytest
from reference import fractions

import pylstm

pytest.importorskip("torch.nn")  # "torch" alone would find a folder of that name
import torch

TAGGER = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 8, padding_idx=0)
        self.dropout = nn.Dropout(0.3)
        self.lstm = nn.LSTM(8, 12, batch_first=True, bidirectional=True)
        self.head = nn.Linear(24, 5)

    def forward(self, tokens, lengths):
        x = self.dropout(self.embedding(tokens))
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        output, _ = self.lstm(packed)
        padded, _ = pad_packed_sequence(output, batch_first=True)
        return self.head(self.dropout(padded))
"""
SPEECH = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(6, 16, 5, stride=2, padding=2)
        self.norm = nn.BatchNorm1d(16)
        self.lstm = nn.LSTM(16, 12, 2, batch_first=True, dropout=0.2)
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)))
        return self.head(self.lstm(x.swapaxes(1, 2))[0])
"""
# The names of the page on migrating: nn, nn.functional and nn.utils.rnn.
TORCH = """
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
"""


def class_of(source, imports):
    """The class that a user's file defines, with these imports."""
    names = {}
    exec(compile(imports + source, "model.py", "exec"), names)
    return names["Model"]


def trained(model, inputs, targets, steps=15):
    """Train a model of torch's for a few steps; returns the losses."""
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(*inputs).flatten(0, 1), targets.flatten())
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def cases():
    rng = np.random.default_rng(5)
    lengths = np.array([7, 3, 9, 1])
    tokens = rng.integers(1, 20, (4, 9)) * (np.arange(9) < lengths[:, None])
    yield pytest.param(TAGGER, [tokens, lengths], (4, 9), 5, id="tagger")
    yield pytest.param(
        SPEECH, [fractions(3, (4, 6, 40)).astype(np.float32)], (4, 20), 3, id="speech"
    )


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize(("source", "inputs", "shape", "classes"), list(cases()))
def test_a_trained_model_runs_with_one_line_changed(
    source, inputs, shape, classes, suffix, tmp_path
):
    torch.manual_seed(4)
    model = class_of(source, TORCH)()
    tensors = [torch.from_numpy(np.asarray(each)) for each in inputs]
    targets = torch.from_numpy(np.random.default_rng(6).integers(0, classes, shape))
    losses = trained(model, tensors, targets)
    assert losses[-1] < losses[0]
    model.eval()
    path = tmp_path / f"model{suffix}"
    if suffix == ".pt":
        torch.save(model.state_dict(), path)
    else:
        pytest.importorskip("safetensors.torch").save_file(model.state_dict(), path)

    ours = class_of(source, TORCH.replace("torch.nn", "pylstm"))()
    assert list(ours.state_dict()) == list(model.state_dict())
    ours.load_state_dict(pylstm.load(path, flat=True))
    ours.eval()
    with torch.inference_mode():
        expected = model(*tensors).numpy()
        exact = model.double()(*[t.double() if t.is_floating_point() else t for t in tensors])
    result = ours(*inputs)
    assert (result.dtype, result.shape) == (expected.dtype, expected.shape)
    error, theirs = (np.abs(each - exact.numpy()).max() for each in (result, expected))
    assert error <= 2 * theirs + 1e-6
    assert (result.argmax(-1) == expected.argmax(-1)).mean() > 0.99
    assert ours.training is False and repr(ours) == repr(model.float())
