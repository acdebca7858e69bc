"""The pages in docs: their code runs, their tables are whole."""

import re

import numpy as np
import pytest
from pages import MIGRATION, WEIGHT_FILES, run, sections

import pylstm

BLOCKS = [
    pytest.param(page, blocks, id=f"{page.stem}: {heading}")
    for page in (MIGRATION, WEIGHT_FILES)
    for heading, blocks in sections(page)
]


@pytest.fixture(autouse=True)
def folder_with_weights(tmp_path, monkeypatch):
    """Where the pages' files are."""
    monkeypatch.chdir(tmp_path)
    lstm = pylstm.LSTM(12, 16, num_layers=2, bidirectional=True)
    np.savez("lstm.npz", **lstm.state_dict())
    pylstm.save(lstm.state_dict(prefix="encoder."), "model.pt")


@pytest.mark.parametrize("page, blocks", BLOCKS)
def test_the_code_runs(page, blocks, capsys):
    if page == WEIGHT_FILES:  # one reader, one session
        blocks = [block for _, section in sections(page) for block in section]
    run(page, [source for needs_torch, source in blocks if not needs_torch])
    assert "Error" not in capsys.readouterr().out


def test_there_are_three_worked_examples():
    headings = [heading for heading, _ in sections(MIGRATION)]
    assert len(headings) == 4  # the first is the page's own
    for _, blocks in sections(MIGRATION):
        assert not all(needs_torch for needs_torch, _ in blocks)


@pytest.mark.parametrize("page, count", [(MIGRATION, 2), (WEIGHT_FILES, 1)])
def test_every_row_has_all_columns(page, count):
    tables = re.findall(r"(?:^\|.*\n)+", page.read_text(encoding="utf-8"), flags=re.M)
    assert len(tables) == count
    for table in tables:
        columns = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(columns) == 1
