"""Records how this version pickles modules: writes the .pkl file beside this script.

Run: python tests/data/record_pickle.py
It holds a dict from protocol to the pickle of a list of modules. tests/test_pickle.py keeps it
readable; a new layout gets a new file and leaves this one as it is.
"""

import pickle
from pathlib import Path

import numpy as np

from pylstm import LSTM, LSTMCell

# The oldest, the one that torch.save uses, the newest.
PROTOCOLS = (0, 2, 5)

PATH = Path(__file__).with_name("modules_pickled_by_0.1.0.pkl")


def modules():
    """Return modules of every option, their parameters counted through in steps of 1/64."""
    made = [
        LSTM(2, 3),
        LSTM(2, 3, 2, False, True, 0.5, True, 1, dtype=np.float64).eval(),
        LSTMCell(2, 3),
        LSTMCell(2, 3, bias=False, dtype=np.float64),
    ]
    for module in made:
        for array in module.parameters():
            array[...] = np.arange(array.size).reshape(array.shape) / 64 - 0.25
    return made


if __name__ == "__main__":
    pickles = {protocol: pickle.dumps(modules(), protocol) for protocol in PROTOCOLS}
    PATH.write_bytes(pickle.dumps(pickles, 2))
    print(f"{PATH.name}: {PATH.stat().st_size} bytes")
