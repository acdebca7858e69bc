"""The page on migrating from torch: its code runs, its tables are whole."""

import re

import numpy as np
import pytest
from migration_page import PAGE, run, sections

import pylstm

SECTIONS = sections()


@pytest.fixture(autouse=True)
def folder_with_weights(tmp_path, monkeypatch):
    """Where the page's files are: the weights as its first example saves them."""
    monkeypatch.chdir(tmp_path)
    lstm = pylstm.LSTM(12, 16, num_layers=2, bidirectional=True)
    np.savez("lstm.npz", **lstm.state_dict())


@pytest.mark.parametrize(
    "blocks", [blocks for _, blocks in SECTIONS], ids=[name for name, _ in SECTIONS]
)
def test_the_code_runs(blocks, capsys):
    run(source for needs_torch, source in blocks if not needs_torch)
    assert "Error" not in capsys.readouterr().out


def test_there_are_three_worked_examples():
    headings = [heading for heading, _ in SECTIONS]
    assert len(headings) == 4  # the first is the page's own
    for _, blocks in SECTIONS:
        assert not all(needs_torch for needs_torch, _ in blocks)


def test_every_row_has_all_columns():
    tables = re.findall(r"(?:^\|.*\n)+", PAGE.read_text(encoding="utf-8"), flags=re.M)
    assert len(tables) == 2
    for table in tables:
        columns = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(columns) == 1
