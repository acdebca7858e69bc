"""Methods that subclasses override as in torch, and arrays that two modules share."""

import numpy as np
import pytest
from support import assert_same_bits

import pylstm as nn


class Renamed(nn.Linear):
    """A layer that reads the names of an older version of itself."""

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
        self.seen = prefix, local_metadata.get("version"), args[0]
        if prefix + "w" in state_dict:
            state_dict[prefix + "weight"] = state_dict.pop(prefix + "w")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(2, 3), Renamed(3, 4)


def test_an_override_changes_the_names_that_are_read():
    model, other = Model(), Model()
    state = dict(other.state_dict())
    state["head.w"] = state.pop("head.weight")
    for strict in (True, False):
        model.head.weight = np.zeros((4, 3))
        assert str(model.load_state_dict(state, strict)) == "<All keys matched successfully>"
        assert_same_bits(model.head.weight, other.head.weight)
        assert_same_bits(model.lstm.weight_hh_l0, other.lstm.weight_hh_l0)
    assert "head.w" in state  # the caller's mapping stays as it is
    assert model.head.seen == ("head.", None, True)
    assert model.head.load_state_dict({"w": np.ones((4, 3)), "bias": np.zeros(4)})
    assert model.head.weight.tolist() == [[1] * 3] * 4


def test_what_an_override_leaves_wrong_is_an_error_and_changes_nothing():
    model, other = Model(), Model()
    before = {name: value.copy() for name, value in model.state_dict().items()}
    state = dict(other.state_dict())
    state["head.w"] = state.pop("head.weight")[:, :2]
    with pytest.raises(RuntimeError, match=r"size mismatch for head\.weight"):
        model.load_state_dict(state)
    state["head.v"] = state.pop("head.w")
    with pytest.raises(RuntimeError, match=r"Missing key\(s\) in state_dict: \"head\.weight\""):
        model.load_state_dict(state)
    for name, value in model.state_dict().items():
        assert_same_bits(value, before[name])


def test_an_override_may_add_errors_and_leave_keys_out():
    class Refusing(nn.Linear):
        def _load_from_state_dict(
            self, state_dict, prefix, metadata, strict, missing, unexpected, errors
        ):
            own = [], [], []
            super()._load_from_state_dict(state_dict, prefix, metadata, strict, *own)
            assert own == ([prefix + "bias"], [prefix + "b"], [])
            if "refused" in metadata:
                errors.append("refused by itself")

    class State(dict):
        pass

    module, state = Refusing(3, 4), State(weight=np.ones((4, 3)), b=np.ones(4))
    state._metadata = {}
    assert str(module.load_state_dict(state)) == "<All keys matched successfully>"
    assert module.weight.tolist() == [[1] * 3] * 4
    state._metadata = {"": {"refused": True}}
    with pytest.raises(RuntimeError, match="refused by itself"):
        module.load_state_dict(state)


def test_the_method_is_not_called_by_itself():
    with pytest.raises(RuntimeError, match="by load_state_dict"):
        nn.Linear(3, 4)._load_from_state_dict({}, "", {}, True, [], [], [])


def test_a_sequential_runs_what_its_iterator_gives():
    class Backwards(nn.Sequential):
        def __iter__(self):
            return iter([*super().__iter__()][::-1])

    first, second = nn.Linear(3, 3), nn.ReLU()
    x = np.array([1.0, -2.0, 3.0], np.float32)
    assert_same_bits(Backwards(first, second)(x), first(second(x)))
    assert_same_bits(nn.Sequential(first, second)(x), second(first(x)))
    with pytest.raises(ValueError, match="cannot be streamed"):
        Backwards(first, second).stream()


@pytest.mark.parametrize("convert", ["double", "float", "to"])
def test_what_two_modules_share_stays_shared(convert):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Embedding(5, 3), nn.Embedding(5, 3)
            self.two.weight = self.one.weight
            self.register_buffer("scale", np.ones(3, np.float32))
            self.same = nn.Module()
            self.same.register_buffer("scale", self.scale)

    model = Tied().double() if convert == "float" else Tied()
    assert model.one.weight is model.two.weight
    values = np.array(model.one.weight)
    converted = model.to(np.float64) if convert == "to" else getattr(model, convert)()
    assert converted is model and model.one.weight is model.two.weight
    assert model.scale is model.same.scale
    dtype = "float32" if convert == "float" else "float64"
    assert model.one.weight.dtype == model.scale.dtype == dtype
    assert_same_bits(model.one.weight, values.astype(dtype))
    assert [name for name, _ in model.named_parameters()] == ["one.weight"]
