"""docs/torch-to-numpy.md: every row of its tables gives what torch gives."""

import json

import pytest
from torch_to_numpy import RECORDED, Row, agree, by_numpy, page_names, rows

ROWS = rows()
NAMES = page_names()


def recorded():
    return json.loads(RECORDED.read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.torch)
def test_numpy_gives_what_torch_gave(row):
    assert agree(row, by_numpy(row, NAMES), recorded()[row.torch])


def test_every_row_is_recorded_once():
    assert [row.torch for row in ROWS] == list(recorded())


@pytest.mark.parametrize(
    "torch, wrong",
    [
        ("x.std(dim=1)", "x.std(axis=1)"),
        ("x.size()", "x.size"),
        ("x.view(2, -1)", "x.reshape(-1, 2)"),
        ("a.repeat_interleave(2, dim=1)", "np.tile(a, (1, 2))"),
        ("x.max(dim=1)", "x.max(axis=1)"),
        ("t.median()", "np.median(t)"),
        ("ids / 2", "ids / 2"),
        ("torch.zeros(2, 3)", "np.zeros((2, 3))"),
        ("a.add_(1)", "a + 1"),
        ("a.add_(1)", "c += 1"),
        ("a.zero_()", "a[...] = 1"),
        ("a.clamp_(0, 1)", "None"),
        ("torch.randn(100, 50)", "rng.random((100, 50), dtype=np.float32)"),
        ("torch.randint(0, 10, (5000,))", "rng.integers(0, 9, 5000)"),
    ],
)
def test_another_expression_does_not_pass(torch, wrong):
    row = Row(torch, wrong, is_random="rand" in torch)
    assert not agree(row, by_numpy(row, NAMES), recorded()[torch])
