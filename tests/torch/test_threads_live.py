"""The errors of set_num_threads are torch's."""

import pytest

import pylstm

pytest.importorskip("torch.nn")  # "torch" alone would find a folder of that name
import torch


@pytest.fixture
def restore_threads():
    before = torch.get_num_threads(), pylstm.get_num_threads()
    yield
    torch.set_num_threads(before[0])
    pylstm.set_num_threads(before[1])


@pytest.mark.usefixtures("restore_threads")
@pytest.mark.parametrize(
    "value", [0, -1, True, "a", 2.0, None, [], 2**31, 2**40, -(2**70)], ids=repr
)
def test_same_errors(value):
    with pytest.raises(Exception) as theirs:
        torch.set_num_threads(value)
    with pytest.raises(type(theirs.value)) as ours:
        pylstm.set_num_threads(value)
    assert str(ours.value) == str(theirs.value)


@pytest.mark.usefixtures("restore_threads")
@pytest.mark.parametrize("count", [1, 3])
def test_same_results(count):
    assert pylstm.set_num_threads(count) == torch.set_num_threads(count)
    assert pylstm.get_num_threads() == torch.get_num_threads()
