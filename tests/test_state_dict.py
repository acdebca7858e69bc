"""state_dict and load_state_dict follow torch's rules; loading is all or nothing."""

import copy
import itertools
import re
from collections import OrderedDict
from collections.abc import Mapping

import numpy as np
import pytest

from pylstm import GRU, LSTM, RNN, GRUCell, LSTMCell, Module, RNNCell

# The texts below were read off torch 2.13.0 for the same modules and the same mistakes.


@pytest.fixture
def lstm():
    return LSTM(2, 3)


def snapshot(module):
    return {name: array.tobytes() for name, array in module.state_dict().items()}


def fresh(module, value=0.5):
    """A state_dict of the right shapes with other values."""
    return {name: np.full(array.shape, value) for name, array in module.state_dict().items()}


# ---------------------------------------------------------------------------- state_dict


def test_keys_order_and_metadata(lstm):
    state = lstm.state_dict()
    assert type(state) is OrderedDict
    assert list(state) == ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    assert state._metadata == OrderedDict([("", {"version": 1})])
    assert next(iter(lstm.state_dict(prefix="rnn."))) == "rnn.weight_ih_l0"
    assert lstm.state_dict(prefix="rnn.")._metadata == {"rnn": {"version": 1}}


def test_values_are_views_that_cannot_be_made_writable(lstm):
    state = lstm.state_dict()
    for name, array in state.items():
        assert type(array) is np.ndarray
        assert np.shares_memory(array, getattr(lstm, name))
        assert not array.flags.writeable
        with pytest.raises(ValueError):
            array[...] = 0
        with pytest.raises(ValueError):
            array.flags.writeable = True
        with pytest.raises((BufferError, ValueError, TypeError)):
            memoryview(array)[0] = 0
    lstm.bias_ih_l0[...] = 5
    assert np.all(state["bias_ih_l0"] == 5)
    assert lstm._native_leases == 0


def test_keep_vars_gives_writable_arrays(lstm):
    state = lstm.state_dict(keep_vars=True)
    before = lstm(np.ones((1, 1, 2)))[0]
    state["weight_ih_l0"][...] = 0
    assert not np.any(lstm.weight_ih_l0)
    assert not np.array_equal(lstm(np.ones((1, 1, 2)))[0], before)


def test_a_view_outlives_its_module_and_a_change_of_dtype(lstm):
    expected = lstm.weight_ih_l0.copy()
    view = lstm.state_dict()["weight_ih_l0"]
    lstm.double()
    lstm.weight_ih_l0[...] = 0
    assert np.array_equal(view, expected)
    del lstm
    assert np.array_equal(view, expected)


def test_destination(lstm):
    plain = {"there": 1}
    assert lstm.state_dict(destination=plain) is plain
    assert list(plain)[:2] == ["there", "weight_ih_l0"]
    first = lstm.state_dict(prefix="a.")
    assert lstm.state_dict(destination=first, prefix="b.") is first
    assert list(first._metadata) == ["a", "b"]


def test_positional_arguments_still_work_and_warn(lstm):
    target = {}
    with pytest.warns(FutureWarning, match="Positional args are being deprecated") as caught:
        assert lstm.state_dict(target, "x.", True) is target
    assert caught[0].filename == __file__
    assert target["x.weight_ih_l0"].flags.writeable


def test_deepcopy_makes_a_snapshot_and_keeps_metadata(lstm):
    state = copy.deepcopy(lstm.state_dict())
    assert state._metadata == {"": {"version": 1}}
    lstm.weight_ih_l0[...] = 0
    assert np.any(state["weight_ih_l0"])


@pytest.mark.parametrize("cls", [LSTMCell, GRUCell, RNNCell])
def test_the_bias_that_a_cell_lacks_is_left_out(cls):
    cell = cls(2, 3, bias=False)
    assert list(cell.state_dict()) == ["weight_ih", "weight_hh"]
    assert cell.bias_ih is None and cell.bias_hh is None
    with pytest.raises(RuntimeError, match='Unexpected key\\(s\\) in state_dict: "bias_ih"'):
        cell.load_state_dict({**cell.state_dict(), "bias_ih": np.zeros(12)})


# ---------------------------------------------------------------------------- loading


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", ">f8", "f2", "i8", "u1"])
@pytest.mark.parametrize("own", ["f4", "f8"])
def test_values_of_any_real_dtype_are_converted(own, dtype):
    lstm = LSTM(2, 3, dtype=own)
    state = {name: array.astype(dtype) for name, array in fresh(lstm, 3).items()}
    result = lstm.load_state_dict(state)
    assert repr(result) == str(result) == "<All keys matched successfully>"
    assert result == ([], []) and result._fields == ("missing_keys", "unexpected_keys")
    for array in lstm.parameters():
        assert np.all(array == 3) and array.dtype == np.dtype(own)


def test_values_may_be_anything_that_numpy_takes(lstm):
    class Exporter:
        def __init__(self, array):
            self.array = array

        def __array__(self, dtype=None, copy=None):
            return self.array

    class DLPackOnly:
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **kwargs):
            return self.array.__dlpack__(**kwargs)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    state = {
        "weight_ih_l0": np.arange(24).reshape(12, 2).tolist(),
        "weight_hh_l0": np.asfortranarray(np.arange(36.0).reshape(12, 3)),
        "bias_ih_l0": Exporter(np.arange(12)[::-1]),
        "bias_hh_l0": DLPackOnly(np.arange(12.0)),
    }
    lstm.load_state_dict(state)
    assert np.array_equal(lstm.weight_ih_l0, np.arange(24).reshape(12, 2))
    assert np.array_equal(lstm.weight_hh_l0, np.arange(36).reshape(12, 3))
    assert np.array_equal(lstm.bias_ih_l0, np.arange(12)[::-1])
    assert np.array_equal(lstm.bias_hh_l0, np.arange(12))


def test_the_next_call_uses_what_was_loaded(lstm):
    x = np.ones((2, 1, 2))
    other = LSTM(2, 3)
    assert not np.array_equal(lstm(x)[0], other(x)[0])
    lstm.load_state_dict(other.state_dict())
    assert np.array_equal(lstm(x)[0], other(x)[0])


def test_loading_its_own_state(lstm):
    before = snapshot(lstm)
    lstm.load_state_dict(lstm.state_dict())
    assert snapshot(lstm) == before
    state = lstm.state_dict()
    swapped = {**state, "bias_ih_l0": state["bias_hh_l0"], "bias_hh_l0": state["bias_ih_l0"]}
    lstm.load_state_dict(swapped)
    assert lstm.bias_ih_l0.tobytes() == before["bias_hh_l0"]
    assert lstm.bias_hh_l0.tobytes() == before["bias_ih_l0"]


def test_any_mapping_is_taken_and_left_alone(lstm):
    class View(Mapping):
        def __init__(self, values):
            self.values_ = values

        def __getitem__(self, key):
            return self.values_[key]

        def __iter__(self):
            return iter(self.values_)

        def __len__(self):
            return len(self.values_)

    values = fresh(lstm)
    kept = dict(values)
    lstm.load_state_dict(View(values))
    assert values == kept
    assert np.all(lstm.weight_ih_l0 == 0.5)


@pytest.mark.parametrize("wrong", [5, [1], None, "abc"])
def test_what_is_no_mapping_is_refused(lstm, wrong):
    text = f"Expected state_dict to be dict-like, got {type(wrong)}."
    end = " A weight file is read by pylstm" if isinstance(wrong, str) else "$"
    with pytest.raises(TypeError, match=f"^{re.escape(text)}{end}"):
        lstm.load_state_dict(wrong)


# ---------------------------------------------------------------------------- mistakes

HEAD = "Error(s) in loading state_dict for LSTM:\n\t"
NOT_A_TENSOR = (
    'While copying the parameter named "{}", '
    "expected torch.Tensor or Tensor-like object from checkpoint but received {}"
)


def refused(module, state, **options):
    """The text of the error; nothing may have changed."""
    before = snapshot(module)
    with pytest.raises(RuntimeError) as caught:
        module.load_state_dict(state, **options)
    assert snapshot(module) == before
    return str(caught.value)


def test_layout_of_the_error(lstm):
    state = fresh(lstm)
    del state["weight_hh_l0"], state["bias_hh_l0"]
    state.update(c=1, **{"weight_ih_l0.x": 2}, bias_ih_l0=np.zeros(5))
    assert refused(lstm, state) == HEAD + (
        'Missing key(s) in state_dict: "weight_hh_l0", "bias_hh_l0". \n\t'
        'Unexpected key(s) in state_dict: "c", "weight_ih_l0.x". \n\t'
        "size mismatch for bias_ih_l0: copying a param with shape torch.Size([5]) from "
        "checkpoint, the shape in current model is torch.Size([12])."
    )


MISMATCH = (
    "size mismatch for {}: copying a param with shape torch.Size({}) from checkpoint, "
    "the shape in current model is torch.Size({})."
)


def test_the_state_of_another_kind_has_a_line_for_each_parameter():
    kinds = {4: LSTM(2, 3), 3: GRU(2, 3), 1: RNN(2, 3)}
    cells = {4: LSTMCell(2, 3), 3: GRUCell(2, 3), 1: RNNCell(2, 3)}
    for own, other in itertools.permutations(kinds, 2):
        for modules, suffix in ((kinds, "_l0"), (cells, "")):
            lines = [
                MISMATCH.format(name + suffix, [3 * other, *rest], [3 * own, *rest])
                for name, rest in (
                    ("weight_ih", [2]),
                    ("weight_hh", [3]),
                    ("bias_ih", []),
                    ("bias_hh", []),
                )
            ]
            name = type(modules[own]).__name__
            text = refused(modules[own], modules[other].state_dict())
            assert text == f"Error(s) in loading state_dict for {name}:\n\t" + "\n\t".join(lines)
    # The same rows by chance: weight_hh alone tells.
    assert refused(RNN(2, 9), GRU(2, 3).state_dict()) == (
        "Error(s) in loading state_dict for RNN:\n\t"
        + MISMATCH.format("weight_hh_l0", [9, 3], [9, 9])
    )


def test_nothing_in_a_state_tells_tanh_from_relu():
    for one, other in (
        (RNN(2, 3), RNN(2, 3, 1, "relu")),
        (RNNCell(2, 3), RNNCell(2, 3, nonlinearity="relu")),
    ):
        result = one.load_state_dict(other.state_dict())
        assert repr(result) == "<All keys matched successfully>"
        assert (one.nonlinearity, other.nonlinearity) == ("tanh", "relu")


def test_not_strict_reports_names_and_loads_the_rest(lstm):
    state = {"bias_ih_l0": np.ones(12), "c": 1}
    before = snapshot(lstm)
    result = lstm.load_state_dict(state, strict=False)
    assert result.missing_keys == ["weight_ih_l0", "weight_hh_l0", "bias_hh_l0"]
    assert result.unexpected_keys == ["c"]
    assert repr(result) == (
        "_IncompatibleKeys(missing_keys=['weight_ih_l0', 'weight_hh_l0', 'bias_hh_l0'], "
        "unexpected_keys=['c'])"
    )
    assert np.all(lstm.bias_ih_l0 == 1)
    assert lstm.weight_ih_l0.tobytes() == before["weight_ih_l0"]


def test_wrong_shapes_and_values_are_errors_even_if_not_strict(lstm):
    state = {
        "weight_ih_l0": np.zeros((2, 12)),
        "weight_hh_l0": "abc",
        "bias_ih_l0": None,
        "bias_hh_l0": np.ones(12),
    }
    assert refused(lstm, state, strict=False) == HEAD + "\n\t".join(
        [
            "size mismatch for weight_ih_l0: copying a param with shape torch.Size([2, 12]) "
            "from checkpoint, the shape in current model is torch.Size([12, 2]).",
            NOT_A_TENSOR.format("weight_hh_l0", "<class 'str'>"),
            NOT_A_TENSOR.format("bias_ih_l0", "<class 'NoneType'>"),
        ]
    )


@pytest.mark.parametrize(
    "value, text",
    [
        (5, NOT_A_TENSOR.format("bias_ih_l0", "<class 'int'>")),
        ({}, NOT_A_TENSOR.format("bias_ih_l0", "<class 'dict'>")),
        (b"x", NOT_A_TENSOR.format("bias_ih_l0", "<class 'bytes'>")),
        (["a"] * 12, NOT_A_TENSOR.format("bias_ih_l0", "<class 'list'>")),
        ([[1], [2, 3]], NOT_A_TENSOR.format("bias_ih_l0", "<class 'list'>")),
        ([1.0, 2.0], "size mismatch for bias_ih_l0: copying a param with shape torch.Size([2])"),
        (np.float32(1), "copying a param with shape torch.Size([]) from checkpoint"),
        (np.zeros((12, 1)), "copying a param with shape torch.Size([12, 1]) from checkpoint"),
    ],
)
def test_values_that_are_refused(lstm, value, text):
    assert text in refused(lstm, {**fresh(lstm), "bias_ih_l0": value})


@pytest.mark.parametrize("dtype", ["c8", "?", "O", "U3", "M8[s]"])
def test_dtypes_that_are_refused(lstm, dtype):
    text = refused(lstm, {**fresh(lstm), "bias_ih_l0": np.zeros(12).astype(dtype)})
    assert text.startswith(
        HEAD + 'While copying the parameter named "bias_ih_l0", whose dimensions in the model '
        "are torch.Size([12]) and whose dimensions in the checkpoint are torch.Size([12]), "
        "an exception occurred : ("
    )
    assert "bias_ih_l0" in text.partition("occurred")[2]


def test_masked_arrays_and_values_that_raise_are_refused(lstm):
    class Broken:
        shape = (12,)

        def __array__(self, dtype=None, copy=None):
            raise ValueError("no data here")

    for value, text in [(np.ma.zeros(12), "mask"), (Broken(), "('no data here',)")]:
        assert text in refused(lstm, {**fresh(lstm), "bias_hh_l0": value})


def test_a_refused_state_leaves_running_results_alone(lstm):
    x = np.ones((3, 1, 2))
    before = lstm(x)[0]
    refused(lstm, {**fresh(lstm), "bias_hh_l0": np.zeros(1)})
    assert np.array_equal(lstm(x)[0], before)


# ---------------------------------------------------------------------------- assign


def test_assign_takes_the_dtype_of_the_values(lstm):
    state = fresh(lstm, 0.1)
    assert lstm.load_state_dict(state, assign=True) == ([], [])
    assert lstm.weight_ih_l0.dtype == np.float64
    assert np.all(lstm.weight_ih_l0 == 0.1)
    state["weight_ih_l0"][...] = 7  # copied, not kept
    assert np.all(lstm.weight_ih_l0 == 0.1)
    lstm.load_state_dict({k: v.astype(">f4") for k, v in state.items()}, assign=True)
    assert lstm.weight_ih_l0.dtype == np.float32


@pytest.mark.parametrize(
    "change",
    [
        lambda state: {**state, "bias_ih_l0": np.zeros(12, np.float32)},
        lambda state: {name: array.astype(int) for name, array in state.items()},
        lambda state: {name: array.astype("f2") for name, array in state.items()},
        lambda state: {"bias_ih_l0": state["bias_ih_l0"]},
    ],
    ids=["mixed", "whole numbers", "half", "not all"],
)
def test_assign_keeps_the_dtype_where_the_values_do_not_agree_on_one(lstm, change):
    lstm.load_state_dict(change(fresh(lstm)), strict=False, assign=True)
    assert lstm.weight_ih_l0.dtype == np.float32


def test_assign_checks_shapes_too(lstm):
    state = {**fresh(lstm), "bias_ih_l0": np.zeros(3)}
    assert "size mismatch for bias_ih_l0" in refused(lstm, state, assign=True)
    assert lstm.weight_ih_l0.dtype == np.float32


# ---------------------------------------------------------------------------- trees


class Tree(Module):
    def __init__(self):
        super().__init__()
        self.a = LSTM(2, 3)
        self.b = LSTMCell(2, 3)
        self.register_buffer("count", np.zeros((), np.int64))
        self.register_buffer("mask", np.zeros(3, bool))
        self.register_parameter("w", np.zeros((2, 2)))
        self.gone = LSTMCell(1, 1)
        self.gone = None


def test_the_whole_tree_or_nothing():
    tree = Tree()
    state = fresh(tree)
    state["mask"] = np.array([True, False, True])
    wrong = {**state, "b.bias_hh": np.zeros(2), "gone.x": 1, "nope.y": 2, "a.z": 3, "w": None}
    assert refused(tree, wrong) == (
        "Error(s) in loading state_dict for Tree:\n\t"
        'Unexpected key(s) in state_dict: "nope.y", "a.z". \n\t'
        + NOT_A_TENSOR.format("w", "<class 'NoneType'>")
        + "\n\tsize mismatch for b.bias_hh: copying a param with shape torch.Size([2]) from "
        "checkpoint, the shape in current model is torch.Size([12])."
    )
    w = tree.w
    tree.load_state_dict(state)
    assert np.all(tree.a.weight_ih_l0 == 0.5) and np.all(tree.b.bias_hh == 0.5)
    assert tree.w is w and np.all(w == 0.5)
    assert tree.mask.dtype == bool and tree.mask.tolist() == [True, False, True]
    assert tree.count.dtype == np.int64


def test_one_number_in_a_vector_fills_a_scalar():
    tree = Tree()
    tree.load_state_dict({"count": np.array([5])}, strict=False)
    assert tree.count == 5 and tree.count.shape == ()
    tree.load_state_dict({"count": 7}, strict=False)
    assert tree.count == 7


def test_arrays_of_containers_are_filled_in_place_or_replaced_by_assign():
    tree = Tree()
    held = tree.w
    tree.load_state_dict({"w": np.ones((2, 2), np.float32)}, strict=False)
    assert tree.w is held and held.dtype == np.float64 and np.all(held == 1)
    value = np.full((2, 2), 2, np.float32)
    tree.load_state_dict({"w": value}, strict=False, assign=True)
    assert tree.w is not held and tree.w is not value
    assert tree.w.dtype == np.float32 and np.all(tree.w == 2) and np.all(held == 1)


def test_a_read_only_array_of_a_container_is_an_error_before_anything_is_written():
    tree = Tree()
    tree.w.flags.writeable = False
    assert "assignment destination is read-only" in refused(tree, fresh(tree))
    assert "hold real numbers" in refused(Tree(), {"w": np.zeros((2, 2), complex)}, strict=False)


def test_a_module_that_hangs_in_two_places_is_loaded_from_both():
    tree = Module()
    tree.first = tree.second = LSTMCell(1, 1)
    state = fresh(tree, 1)
    assert len(state) == 8
    state["second.bias_ih"] = np.full(4, 2)
    tree.load_state_dict(state)
    assert np.all(tree.first.bias_ih == 2)
