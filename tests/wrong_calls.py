"""Wrong calls in two libraries: expressions over the same names, and what they raise in each.

`names` makes what a call may use, once with torch and once with pylstm, for one kind of layer. What the
errors must have in common is in torch/test_wrong_calls_live.py and test_wrong_calls_kinds_live.py.
"""

import re
import warnings
from pathlib import Path

import numpy as np
import torch

import pylstm
from pylstm.utils import rnn

# What must read differently: where a class lives, the class that defines a method, how a dtype
# is spelled and what a module's numbers are kept in.
SPELLINGS = {
    r"torch\.nn\.modules\.\w+\.|\bpylstm\.(?=[A-Z])": "",
    r"\b(Native|Recurrent)Module\.": "Module.",
    r"\bRNNBase\.(?=__init__)": "{kind}.",
    r"\bRNNBase\.": "Module.",
    r"torch\.FloatTensor": "numpy.ndarray",
    r"\btorch\.(?=u?int\d|bool|float\d)": "",
}


PAGE = Path(__file__).resolve().parents[1] / "docs" / "migrating-from-torch.md"


class Row:
    """The rows of the table in the migration page."""

    INPUTS, SIZES, STRUCTURE = "Dtype of inputs and states", "Sizes", "Structural attributes"
    PARAMETERS, PACKED, LENGTHS = "Parameters", "Packed input", "Lengths"
    TEXTS, DEVICES, DTYPES = "Error texts", "Autograd and devices", "Other dtypes"
    MEMORY, STATES, ARRAYS = "Sizes beyond memory", "Forms of `hx`", "Array-likes"


class Numbers:
    """How one of the two libraries makes arrays."""

    def __init__(self, library):
        self.library = library
        for name in ("float16", "float32", "float64", "int64", "int32", "uint8", "complex64"):
            setattr(self, name, getattr(library, name))
        self.bool_ = np.bool_ if library is np else torch.bool

    def ones(self, *shape):
        return self.library.ones(shape, dtype=self.float32)

    def array(self, value):
        return np.float32(value) if self.library is np else torch.tensor(value)

    def cast(self, array, dtype):
        return array.astype(dtype) if self.library is np else array.to(dtype)

    def parameter(self, array):
        return array if self.library is np else torch.nn.Parameter(array)


def make_tagger(nn, numbers, kind):
    """A container with a child, a parameter and a buffer; and a class that forgets its base."""

    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = getattr(nn, kind)(4, 5)
            self.register_parameter("weight", numbers.parameter(numbers.ones(2, 5)))
            self.register_buffer("mean", numbers.ones(2))

    class Unready(nn.Module):
        def __init__(self):
            self.lstm = getattr(nn, kind)(2, 3)

    return {"tagger": Tagger(), "Unready": Unready}


def names(kind, nn, numbers, packing):
    """What the calls may use, with fresh modules; of an LSTM also by the names of its own."""
    make, make_cell = getattr(nn, kind), getattr(nn, kind + "Cell")
    layer = make(4, 5, 2)

    def run_with(register):
        def run(hook, **options):
            getattr(layer, register)(hook, **options)
            return layer(numbers.ones(3, 2, 4))

        return run

    def without(*absent):
        return {name: value for name, value in layer.state_dict().items() if name not in absent}

    cell = make_cell(4, 5)
    own = {"LSTM": {"lstm": layer, "projected": nn.LSTM(4, 5, 2, proj_size=3)}}.get(kind, {})
    return own | {
        "Layer": make,
        "Cell": make_cell,
        **{name: getattr(nn, name) for name in ("LSTM", "GRU", "RNN") if hasattr(nn, name)},
        **{name: getattr(nn, name) for name in ("LSTMCell", "GRUCell") if hasattr(nn, name)},
        "Module": nn.Module,
        "layer": layer,
        "first": make(4, 5, 2, batch_first=True),
        "two_way": make(4, 5, 2, bidirectional=True),
        "bare": make(4, 5, 2, bias=False),
        "cell": cell,
        "rows": len(cell.weight_ih),
        **make_tagger(nn, numbers, kind),
        **{name: getattr(numbers, name) for name in dir(numbers) if not name.startswith("__")},
        "packed": lambda x, *lengths: packing.pack_padded_sequence(x, lengths or (3, 2)),
        "unsorted": lambda x, *lengths: packing.pack_padded_sequence(
            x, lengths, enforce_sorted=False
        ),
        "state": lambda **changes: {**layer.state_dict(), **changes},
        "without": without,
        "hooked": run_with("register_forward_hook"),
        "pre_hooked": run_with("register_forward_pre_hook"),
        "set_": setattr,
        "del_": delattr,
        "np": np,
        "nan": float("nan"),
        "inf": float("inf"),
    }


def error_of(call, kind, *library):
    """The exception that a call raises, or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as that on dropout with one layer
        scope = names(kind, *library)
        try:
            eval(call, scope)
        except Exception as error:
            return error
    return None


def outcomes(call, kind="LSTM"):
    """(torch's exception, pylstm's), None where there is none."""
    theirs = error_of(call, kind, torch.nn, Numbers(torch), torch.nn.utils.rnn)
    return theirs, error_of(call, kind, pylstm, Numbers(np), rnn)


def normalised(error, kind="LSTM"):
    """The text of an error, with one spelling of what must read differently."""
    text = str(error)
    for pattern, spelling in SPELLINGS.items():
        text = re.sub(pattern, spelling.format(kind=kind), text)
    return text


def core_of(error, kind="LSTM"):
    """torch's text without the overloads and the stack of its C++ functions."""
    text = normalised(error, kind)
    return re.split(r", but expected one of| - got \(|\nException raised", text)[0]


def agree(theirs, ours, kind="LSTM"):
    """True if both are of one class, and pylstm's text has torch's in it."""
    return type(theirs) is type(ours) and core_of(theirs, kind) in normalised(ours, kind)


def check(ours, expected, text):
    """The exception is of this class (None: there is none), and has the text in its own."""
    assert type(ours) is (type(None) if expected is None else expected), repr(ours)
    assert text in str(ours)


def check_rows(rows):
    """All of them are in the migration page."""
    page = PAGE.read_text(encoding="utf-8")
    for row in rows:
        assert f"\n| {row} |" in page
