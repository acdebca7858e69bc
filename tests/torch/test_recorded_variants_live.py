"""torch reads what pylstm saves of a variant, with what it records, as weights alone."""

import numpy as np
import pytest

import pylstm

pytest.importorskip("torch.nn")  # "torch" alone would find a folder of that name
import torch


@pytest.mark.parametrize("nested", [False, True])
def test_torch_reads_what_is_recorded(nested, tmp_path):
    module = pylstm.LSTM(2, 3, cell_clip=0.5, gate_activation="hard_sigmoid")
    state, path = module.state_dict(), tmp_path / "a.pt"
    pylstm.save({"net": state} if nested else state, path)
    theirs = torch.load(path, weights_only=True)
    theirs = theirs["net"] if nested else theirs
    assert theirs._metadata[""] == state._metadata[""]
    torch.nn.LSTM(2, 3).load_state_dict(theirs)
    for name, value in state.items():
        np.testing.assert_array_equal(theirs[name].numpy(), value)
    # And what torch writes of it again.
    torch.save(theirs, path)
    assert pylstm.LSTM.from_weights(path).cell_clip == 0.5
