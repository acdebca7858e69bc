"""Modules that torch saves now and that only look like an LSTM: refused by name."""

import io

import numpy as np
import pytest

pytest.importorskip("torch.nn")
pytest.importorskip("safetensors.torch")

import foreign_by_torch
import torch
from saved_by_torch import save_zip, to_numpy
from support import assert_same_bits
from torch import nn

import pylstm
from pylstm.files.open import open_weights
from pylstm.weights.find import survey

CASES = {case.name: case for case in foreign_by_torch.cases()}


@pytest.mark.parametrize("name", CASES)
def test_every_file(name):
    case = CASES[name]
    with open_weights(case.content) as file:
        report = survey(file.tree, file.name)
    assert tuple(each.found.prefix for each in report.candidates) == case.found
    told = {miss.prefix: (miss.kind, miss.reason) for miss in report.near_misses}
    assert told.keys() == case.misses.keys()
    for prefix, (kind, word) in case.misses.items():
        assert told[prefix][0] == kind
        assert word in told[prefix][1]


def test_a_layer_norm_is_not_computed():
    # What was read as a plain cell once: the difference is nothing that rounding explains.
    torch.manual_seed(1)
    cell = foreign_by_torch.NormCell(2, 3)
    own = {name: to_numpy(getattr(cell, name)) for name in ("weight_ih", "weight_hh")}
    plain = pylstm.LSTMCell.from_weights(own)
    x, h, c = torch.ones(1, 2), torch.zeros(1, 3), torch.zeros(1, 3)
    with torch.inference_mode():
        theirs = cell(x, h, c)[0].numpy()
    assert np.abs(theirs - plain(x.numpy())[0]).max() > 0.01
    with pytest.raises(pylstm.WeightFileError, match="with foreign parameters"):
        pylstm.LSTMCell.from_weights(cell.state_dict())
    with pytest.raises(pylstm.WeightFileError, match="with foreign parameters"):
        pylstm.LSTMCell.from_weights(dict(cell.named_parameters()))


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.optim.swa_utils.AveragedModel])
def test_wrappers_keep_their_lstm(wrap):
    module = nn.Sequential(nn.LSTM(2, 3, bidirectional=True))
    wrapped = wrap(module)
    for content in (save_zip(wrapped.state_dict()), save_zip(wrapped)):
        [found] = pylstm.find_lstms(content)
        assert found.prefix.endswith("module.0")
        made = pylstm.LSTM.from_weights(content)
        assert_same_bits(made.weight_hh_l0, to_numpy(module[0].weight_hh_l0))


def test_one_layer_and_its_cell():
    torch.manual_seed(1)
    lstm, cell = nn.LSTM(2, 3), nn.LSTMCell(2, 3)
    for tree in (lstm, lstm.state_dict(), {"a": lstm}):
        made = pylstm.LSTMCell.from_weights(save_zip(tree))
        assert_same_bits(made.weight_ih, to_numpy(lstm.weight_ih_l0))
        assert_same_bits(made.bias_hh, to_numpy(lstm.bias_hh_l0))
    for tree in (cell, cell.state_dict(), {"a": cell}):
        made = pylstm.LSTM.from_weights(save_zip(tree))
        assert_same_bits(made.weight_hh_l0, to_numpy(cell.weight_hh))


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        ((torch.float16, torch.float32), "float32"),
        ((torch.bfloat16, torch.float32), "float32"),
        ((torch.bfloat16, torch.float16), "float32"),
        ((torch.float32, torch.float64), "float64"),
        ((torch.bfloat16, torch.float64), "float64"),
    ],
    ids=str,
)
def test_mixed_dtypes(dtypes, expected):
    matrices, biases = dtypes
    state = {
        name: value.to(matrices if name.startswith("weight") else biases)
        for name, value in nn.LSTM(2, 3, 2).state_dict().items()
    }
    content = save_zip({"a": state})
    assert pylstm.find_lstms(content)[0].dtype == expected
    made = pylstm.LSTM.from_weights(content)
    for name, value in made.state_dict().items():
        assert_same_bits(value, to_numpy(state[name]).astype(expected))


class Call(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)[0]


@pytest.mark.filterwarnings("ignore")  # torch.jit is deprecated, and the tracer warns
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True, "dropout": 0.5}, {"proj_size": 2}, {"bias": False}])  # fmt: skip
@pytest.mark.parametrize("unbatched", [False, True])
def test_traced_and_scripted_modules_are_torchs(options, unbatched):
    for inner, x in (
        (
            nn.LSTM(3, 4, batch_first=True, **options),
            torch.zeros(*(5, 3) if unbatched else (2, 5, 3)),
        ),
        (nn.LSTMCell(3, 4), torch.zeros(*(3,) if unbatched else (2, 3))),
    ):
        for made in (torch.jit.script(Call(inner)), torch.jit.trace(Call(inner).eval(), x)):
            content = io.BytesIO()
            torch.jit.save(made, content)
            [found] = pylstm.find_lstms(content.getvalue())
            assert found.prefix == "inner"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "change",
    [
        lambda forward: lambda x, hx=None: forward(x.flip(0), hx),
        lambda forward: lambda x, hx=None: forward(2 * x, hx),
        lambda forward: lambda x, hx=None: [each * 2 for each in forward(x, hx)[:1]],
        lambda forward: lambda x, hx=None: (forward(x, hx)[0].clamp(0, 1), 0),
    ],
)
def test_a_traced_forward_that_was_replaced(change):
    inner = nn.LSTM(3, 4)
    inner.forward = change(inner.forward)
    content = io.BytesIO()
    torch.jit.save(torch.jit.trace(Call(inner).eval(), torch.zeros(2, 5, 3)), content)
    with pytest.raises(pylstm.WeightFileError, match="'inner': LSTM with another forward"):
        pylstm.LSTM.from_weights(content.getvalue())
