"""The names in pickles: those of earlier versions stay, and new ones are names that stay."""

import dataclasses
import inspect
import pickle
import pickletools

import pytest
from test_docstrings import TOP

import pylstm
from pylstm import GRU, LSTM, RNN, GRUCell, LSTMCell, Module, RNNCell
from pylstm.files.base.named import NamedArrays
from pylstm.files.base.record import RecurrentLayer, Shard

# Where earlier versions had what is public: their pickles name it so.
EARLIER_PLACES = {
    "pylstm.config": ["show_config"],
    "pylstm.files.errors": ["WeightFileError", "WeightFileWarning"],
    "pylstm.files.formats": ["load"],
    "pylstm.files.record": ["Record", "Unsupported"],
    "pylstm.files.save": ["save"],
    "pylstm.find": ["find_lstms"],
    "pylstm.generator": ["get_rng_state", "initial_seed", "manual_seed", "set_rng_state"],
    "pylstm.lstm": ["LSTM", "LSTMCell"],
    "pylstm.module": ["Module"],
    "pylstm.recurrent": ["FoundLSTM"],
    "pylstm.utils._packing": ["pack_sequence", "pad_packed_sequence", "unpack_sequence"],
    "pylstm.utils._padding": ["pad_sequence", "unpad_sequence"],
}


@pytest.mark.parametrize("place", EARLIER_PLACES)
def test_names_in_pickles_of_earlier_versions_stay(place):
    for name in EARLIER_PLACES[place]:
        value = pickle.loads(f"c{place}\n{name}\n.".encode())
        owners = [pylstm, pylstm.files, pylstm.utils.rnn]
        assert value is next(getattr(owner, name) for owner in owners if hasattr(owner, name))


def test_the_place_of_load_in_earlier_versions_has_nothing_else():
    with pytest.raises(AttributeError, match=r"'pylstm\.files\.formats' has no attribute 'x'"):
        pylstm.files.formats.x  # noqa: B018


class First:
    """Pickles a FoundLSTM as the first version did, which knew ten of its attributes."""

    def __init__(self, found):
        self.state = dict(list(vars(found).items())[:10])

    def __reduce__(self):
        return object.__new__, (pylstm.FoundLSTM,), self.state


def test_what_the_first_version_found_stays_readable():
    [found] = pylstm.find_lstms(LSTM(2, 3).state_dict())
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        first = pickle.loads(pickle.dumps(First(found), protocol))
        assert first == dataclasses.replace(found, assumed={})
        assert pickle.loads(pickle.dumps(found, protocol)) == found
        assert hash(first) == hash(found) and first.initial_states is None


def test_what_is_public_has_the_name_of_its_place():
    for path, value in TOP.items():
        if not inspect.isbuiltin(value):  # of the C half
            assert f"{value.__module__}.{value.__qualname__}" == path
    assert pylstm.files.Unsupported.__module__ == "pylstm.files"


def test_pickles_name_no_place_that_may_move():
    box = Module()
    objects = [
        *(value for value in TOP.values() if not inspect.isbuiltin(value)),
        *(box, box.register_forward_hook(sorted), LSTM(1, 1), LSTMCell(1, 1)),
        *(GRU(1, 1), RNN(1, 1, 1, "relu"), GRUCell(1, 1), RNNCell(1, 1, nonlinearity="relu")),
        *(box.load_state_dict({}, strict=False), NamedArrays(), pylstm.find_lstms({})),
        *(RecurrentLayer("a.B", {}), Shard("a.B", (), {}, "a part")),
    ]
    names = {
        operand.split(" ")[0]
        for opcode, operand, _ in pickletools.genops(pickle.dumps(objects, 3))
        if opcode.name == "GLOBAL" and operand.startswith("pylstm")
    }
    assert names == {
        *("pylstm", "pylstm.files", "pylstm.plot", "pylstm.utils.rnn"),
        *(
            "pylstm.files.named",
            "pylstm.files.record",
            "pylstm.functional",
            "pylstm.hooks",
            "pylstm.native",
        ),
        "pylstm.state",
    }
