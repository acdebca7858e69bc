"""Records pickles of what else may be kept: writes the .pkl file beside this script.

Run: python tests/data/record_pickled_objects.py
It holds a dict from a name to the pickle of one object: a container with a hook, what
load_state_dict and find_lstms return, errors, a packed sequence, a record of an unknown class.
tests/test_pickle.py keeps it readable, wherever the classes have been moved since.
"""

import pickle
from pathlib import Path

import numpy as np

import pylstm
from pylstm.files import Record
from pylstm.utils.rnn import pack_sequence

# Not by the default: the recorded bytes shall not depend on the Python that records them.
PROTOCOL = 2

PATH = Path(__file__).with_name("objects_pickled_by_0.1.0.pkl")


def objects():
    """Return an object of each class, by name."""
    box = pylstm.Module()
    box.lstm = pylstm.LSTM(2, 3)
    for array in box.parameters():
        array[...] = np.arange(array.size).reshape(array.shape) / 64 - 0.25
    box.register_buffer("mean", np.arange(2, dtype=np.float32))
    box.handle = box.register_forward_hook(sorted)
    return {
        "container": box,
        "keys": pylstm.LSTM(2, 3).load_state_dict({}, strict=False),
        "found": pylstm.find_lstms(box.state_dict())[0],
        "error": pylstm.WeightFileError("a.pt", "x", "is damaged"),
        "warning": pylstm.WeightFileWarning("layout assumed"),
        "packed": pack_sequence([np.ones((3, 2)), np.zeros((1, 2))]),
        "record": Record("models.Tagger", (1,), {"hidden": 16}),
    }


if __name__ == "__main__":
    pickles = {name: pickle.dumps(value, PROTOCOL) for name, value in objects().items()}
    PATH.write_bytes(pickle.dumps(pickles, PROTOCOL))
    print(f"{PATH.name}: {PATH.stat().st_size} bytes")
