"""Calls whose hx is no pair of arrays: torch's type and text first, then what hx is instead."""

import numpy as np
import pytest

import pylstm
from pylstm.utils.rnn import PackedSequence, pack_sequence

ONE = "one array was given; hx is a pair (h_0, c_0)"
RANKS = "For batched 3-D input, hx and cx should also be 3-D but got ({0}-D, {0}-D) tensors: "
FLAT = "For unbatched 2-D input, hx and cx should also be 2-D but got ({0}-D, {0}-D) tensors: "
OUTSIDE = "index {} is out of bounds for dimension 0 with size {}: "
CELL = "lstm_cell(): argument 'hx' (position 2) must be tuple of Tensors, not Tensor: "
CELL_RANK = "LSTMCell: Expected hx[{}] to be 1D or 2D, got {}D instead: "
INVALID = "lstm() received an invalid combination of arguments: "
TWO, CELL_TWO = "lstm expects two hidden states: ", "lstm_cell expects two hidden states: "
UNPACK = "; if it stacks both, pass (hx[0], hx[1])"


def z(*shape):
    return np.zeros(shape)


def packed(**options):
    return pack_sequence([z(3, 100), z(2, 100), z(2, 100)], enforce_sorted=False, **options)


def lstm(layers=4, **options):
    return pylstm.LSTM(100, 20, layers, **options)


def cell():
    return pylstm.LSTMCell(100, 20)


X, ROWS, ROW = z(10, 3, 100), z(3, 100), z(100)

# module, input, hx, type, all of the text up to what each state is
ONE_ARRAY = [
    (lstm(), X, z(4, 3, 20), RuntimeError, RANKS.format(2) + ONE),
    (lstm(2), X, z(2, 3, 20), RuntimeError, RANKS.format(2) + ONE),
    (lstm(), X, z(4, 20), RuntimeError, RANKS.format(1) + ONE),
    (lstm(), X, z(20), RuntimeError, RANKS.format(0) + ONE),
    (lstm(1), X, z(1, 3, 20), IndexError, OUTSIDE.format(1, 1) + ONE),
    (lstm(1), X, z(0, 3, 20), IndexError, OUTSIDE.format(0, 0) + ONE),
    (lstm(bidirectional=True), X, z(8, 3, 20), RuntimeError, RANKS.format(2) + ONE),
    (lstm(proj_size=5), X, z(4, 3, 5), RuntimeError, RANKS.format(2) + ONE),
    (lstm(batch_first=True), X, z(4, 10, 20), RuntimeError, RANKS.format(2) + ONE),
    (lstm(batch_first=True), X, z(10, 4, 20), RuntimeError, RANKS.format(2) + ONE),
    (lstm(), z(10, 100), z(4, 20), RuntimeError, FLAT.format(1) + ONE),
    (lstm(2), z(10, 100), z(2, 20), RuntimeError, FLAT.format(1) + ONE),
    (lstm(1), z(10, 100), z(1, 20), IndexError, OUTSIDE.format(1, 1) + ONE),
    (lstm(2), z(10, 100), z(2, 1, 20), RuntimeError,
     "Expected hidden[0] size (2, 1, 20), got [1, 1, 20]: " + ONE),
    (lstm(), z(10, 100), z(3, 4, 20), RuntimeError, TWO + ONE),
    (lstm(), packed(), z(4, 3, 20), TypeError, INVALID + ONE),
    (lstm(1), packed(), z(1, 3, 20), TypeError, INVALID + ONE),
    (lstm(2), packed(), z(2, 3, 20), TypeError, INVALID + ONE),
    (cell(), ROWS, z(3, 20), TypeError, CELL + ONE),
    (cell(), z(2, 100), z(2, 20), TypeError, CELL + ONE),
    (cell(), ROWS, z(4, 3, 20), TypeError, CELL + ONE),
    (cell(), ROWS, z(20), ValueError, CELL_RANK.format(0, 0) + ONE),
    (cell(), ROWS, z(2, 1, 3, 20), ValueError, CELL_RANK.format(0, 3) + ONE),
    (cell(), ROW, z(20), ValueError, CELL_RANK.format(0, 0) + ONE),
    (cell(), ROW, z(2), ValueError, CELL_RANK.format(0, 0) + ONE),
    (cell(), ROW, z(1, 20), IndexError, OUTSIDE.format(1, 1) + ONE),
    (cell(), ROW, z(3, 20), RuntimeError, CELL_TWO + ONE),
    (cell(), ROW, z(2, 1, 20), RuntimeError, "LSTMCell: input is 1-D but hx[0] is 2-D: " + ONE),
    (cell(), ROW, z(2, 7), RuntimeError,
     "hidden0 has inconsistent hidden_size: got 7, expected 20: " + ONE),
]  # fmt: skip


def error_of(module, x, hx, way):
    call = module if way == "call" else module.forward
    with pytest.raises(Exception) as caught:
        call(x, hx) if way != "by name" else call(x, hx=hx)
    return type(caught.value), str(caught.value)


@pytest.mark.parametrize("way", ["call", "by name", "forward"])
@pytest.mark.parametrize("case", range(len(ONE_ARRAY)))
def test_one_array(case, way):
    module, x, hx, kind, text = ONE_ARRAY[case]
    error, message = error_of(module, x, hx, way)
    assert error is kind
    assert message.startswith(f"{text}, not an array of shape {hx.shape}")
    assert "(hx[0], hx[1])" not in message, "these are two rows or layers of h"
    assert "has shape ()" not in message
    assert "batch axis" not in message


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.float16])
def test_one_array_of_another_kind(dtype):
    """A masked axis order, a view, a dtype that is converted: the text is the same."""
    hx = np.zeros((20, 3, 4), dtype).T
    assert error_of(lstm(), X, hx, "call")[1].startswith(RANKS.format(2) + ONE)
    assert error_of(cell(), ROWS, hx[0], "call")[1].startswith(CELL + ONE)


STACKED = [
    (lstm(), X, z(2, 4, 3, 20), INVALID, UNPACK),
    (lstm(1), X, z(2, 1, 3, 20), INVALID, UNPACK),
    (lstm(batch_first=True), X, z(2, 4, 10, 20), INVALID, UNPACK),
    (lstm(), X, z(3, 4, 3, 20), INVALID, ""),
    (cell(), ROWS, z(2, 3, 20), CELL, UNPACK),
    (cell(), z(1, 100), z(2, 1, 20), CELL, UNPACK),
    (cell(), ROWS, z(2, 9, 20), CELL, UNPACK),
    (cell(), ROWS, z(3, 3, 20), CELL, ""),
]


@pytest.mark.parametrize("case", range(len(STACKED)))
def test_what_may_stack_both_states_is_unpacked(case):
    module, x, hx, text, end = STACKED[case]
    kind, message = error_of(module, x, hx, "call")
    assert kind is TypeError
    assert message == f"{text}{ONE}, not an array of shape {hx.shape}{end}"


@pytest.mark.parametrize(
    ("module", "x", "shape"), [(m, x, h.shape[1:]) for m, x, h, _, end in STACKED if end][:5]
)
def test_the_hint_helps(module, x, shape):  # fmt: skip
    hx = np.stack([np.full(shape, 0.25), np.full(shape, -0.5)])
    module(x, (hx[0], hx[1]))


ONE_ITEM = [
    (lstm(), X, (z(4, 3, 20),), IndexError, "tuple index out of range: "),
    (lstm(), X, [z(4, 3, 20)], IndexError, "list index out of range: "),
    (lstm(), z(10, 100), (z(4, 20),), IndexError, "tuple index out of range: "),
    (lstm(), z(10, 100), [z(4, 20)], IndexError, "list index out of range: "),
    (lstm(batch_first=True), X, [z(4, 10, 20)], IndexError, "list index out of range: "),
    (lstm(), packed(), (z(4, 3, 20),), RuntimeError, TWO),
    (lstm(), packed(), [z(4, 3, 20)], RuntimeError, TWO),
    (cell(), ROWS, (z(3, 20),), RuntimeError, CELL_TWO),
    (cell(), ROWS, [z(3, 20)], RuntimeError, CELL_TWO),
    (cell(), ROW, (z(20),), RuntimeError, CELL_TWO),
    (cell(), ROW, [z(20)], RuntimeError, CELL_TWO),
    (lstm(), X, (z(4, 3, 20), None), TypeError, "hx[1] is None: "),
    (lstm(), z(10, 100), [z(4, 20), None], TypeError, "hx[1] is None: "),
    (lstm(), packed(), (z(4, 3, 20), None), TypeError, "hx[1] is None: "),
    (cell(), ROWS, (z(3, 20), None), TypeError, "hx[1] is None: "),
    (cell(), ROW, [z(20), None], TypeError, "hx[1] is None: "),
]


@pytest.mark.parametrize("way", ["call", "forward"])
@pytest.mark.parametrize("case", range(len(ONE_ITEM)))
def test_a_pair_of_which_one_is_missing(case, way):
    module, x, hx, kind, text = ONE_ITEM[case]
    error, message = error_of(module, x, hx, way)
    assert error is kind
    assert message.startswith(text + ONE)
    assert message.endswith("leave hx out for zeros" if len(hx) == 2 else ONE)


OTHER_COUNTS = [
    (lstm(), X, (z(4, 3, 20),) * 3, RuntimeError, TWO, 3),
    (lstm(), X, (z(10, 3, 20), z(4, 3, 20), z(4, 3, 20)), RuntimeError,
     "Expected hidden[0] size (4, 3, 20), got [10, 3, 20]: ", 3),
    (lstm(), X, (z(3, 20),) * 4, RuntimeError, RANKS.format(2), 4),
    (lstm(), packed(), [z(4, 3, 20)] * 3, RuntimeError, TWO, 3),
    (lstm(), packed(), (), RuntimeError, TWO, 0),
    (lstm(), X, [], IndexError, "list index out of range: ", 0),
    (cell(), ROWS, list(z(3, 20)), RuntimeError, CELL_TWO, 3),
    (cell(), ROWS, (z(3, 20),) * 3, RuntimeError, CELL_TWO, 3),
    (cell(), ROWS, (z(1, 3, 20),) * 3, ValueError, CELL_RANK.format(0, 3), 3),
    (cell(), ROW, [], RuntimeError, CELL_TWO, 0),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(OTHER_COUNTS)))
def test_more_or_fewer_than_two(case):
    module, x, hx, kind, text, count = OTHER_COUNTS[case]
    error, message = error_of(module, x, hx, "call")
    assert error is kind
    assert message.startswith(f"{text}hx is a pair (h_0, c_0), got {count}")


def nested(index):
    return f"hx[{index}] is a tuple or list of arrays; hx is a pair (h_0, c_0) of arrays: try hx[{index}] alone"


H, C = z(4, 3, 20), z(4, 3, 20)
BOTH = "hx[0] and hx[1] are tuples or lists of arrays; hx is a pair (h_0, c_0) of arrays"
RANKS_OF = "For {} input, hx and cx should also be {}-D but got ({}-D, {}-D) tensors: "
NESTED = [
    (lstm(), X, (z(10, 3, 20), (H, C)), RuntimeError, RANKS_OF.format("batched 3-D", 3, 3, 4) + nested(1)),
    (lstm(), X, [z(10, 3, 20), [H, C]], RuntimeError, RANKS_OF.format("batched 3-D", 3, 3, 4) + nested(1)),
    (lstm(), X, ((H, C), C), RuntimeError, RANKS_OF.format("batched 3-D", 3, 4, 3) + nested(0)),
    (lstm(), X, ((H, C), (H, C)), RuntimeError, RANKS_OF.format("batched 3-D", 3, 4, 4) + BOTH),
    (lstm(), X, ((H,), (C,)), RuntimeError, RANKS_OF.format("batched 3-D", 3, 4, 4) + BOTH),
    (lstm(), X, ((H, C),), IndexError, "tuple index out of range: " + nested(0)),
    (lstm(), z(10, 100), (z(10, 20), (z(4, 20), z(4, 20))), RuntimeError, RANKS_OF.format("unbatched 2-D", 2, 2, 3) + nested(1)),
    (lstm(proj_size=5), X, (z(10, 3, 5), (z(4, 3, 5), C)), ValueError, "hx[1] must be an array: " + nested(1)),
    (lstm(proj_size=5), X, ((z(4, 3, 5), C), C), ValueError, "hx[0] must be an array: " + nested(0)),
    (lstm(), packed(), ((H, C),), TypeError, nested(0)),
    (lstm(), packed(), (H, (H, C)), TypeError, nested(1)),
    (lstm(), packed(), ([H, C], C), TypeError, nested(0)),
    (cell(), ROWS, ((z(3, 20), z(3, 20)),), ValueError, CELL_RANK.format(0, 3) + nested(0)),
    (cell(), ROWS, (z(3, 20), (z(3, 20), z(3, 20))), ValueError, CELL_RANK.format(1, 3) + nested(1)),
    (cell(), ROWS, ((z(20), z(20)), z(3, 20)), RuntimeError, "Input batch size 3 doesn't match hidden0 batch size 2: " + nested(0)),
    (cell(), ROW, ((z(20), z(20)), z(20)), RuntimeError, "LSTMCell: input is 1-D but hx[0] is 2-D: " + nested(0)),
    (cell(), ROW, ((z(20), z(20)),), RuntimeError, CELL_TWO + nested(0)),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(NESTED)))
def test_pairs_within_the_pair(case):
    module, x, hx, kind, text = NESTED[case]
    error, message = error_of(module, x, hx, "call")
    assert error is kind
    assert message.startswith(text)


@pytest.mark.parametrize("options", [{}, {"proj_size": 5}, {"bidirectional": True}])
def test_all_that_a_call_returned(options):
    module = lstm(**options)
    for x in (X, X[:, 0]):
        result = module(x)
        assert nested(1) in error_of(module, x, result, "call")[1]
        module(x, result[1])
    result = module(packed())
    assert isinstance(result[0], PackedSequence)
    kind, message = error_of(module, packed(), result, "call")
    assert kind is TypeError
    assert message == "hx[0] is a packed sequence; hx is a pair (h_0, c_0) of arrays"
    module(packed(), result[1])


def test_lists_of_numbers_and_of_rows_are_arrays_still():
    h = np.linspace(-1, 1, 60).reshape(3, 20)
    module = cell()
    for pair in ((h.tolist(), h.tolist()), (list(h), tuple(h)), [h, [row.tolist() for row in h]]):
        for ours, truth in zip(module(ROWS, pair), module(ROWS, (h, h)), strict=True):
            assert ours.tobytes() == truth.tobytes()
    kind, message = error_of(cell(), ROWS, ([0.0] * 20, [0.0] * 20), "call")
    assert kind is RuntimeError
    assert message.startswith("LSTMCell: input is 2-D but hx[0] is 1-D: with input (batch,")


def test_stacked_states_without_a_batch_still_run():
    hx = np.linspace(-1, 1, 160).reshape(2, 4, 20)
    module = lstm()
    assert module(X[:, 0], hx)[0].tobytes() == module(X[:, 0], (hx[0], hx[1]))[0].tobytes()


@pytest.mark.parametrize(("module", "name"), [(lstm(), "LSTM"), (cell(), "LSTMCell")])
def test_states_as_two_arguments(module, name):
    with pytest.raises(TypeError) as caught:
        module(ROWS, H, C)
    assert str(caught.value) == (
        f"{name}.forward() takes from 2 to 3 positional arguments but 4 were given: "
        "input, and hx, the states as one pair (h_0, c_0)"
    )


class Asked(list):
    """A list whose own way to its items must stay unused: NumPy takes them directly."""

    def __getitem__(self, index):
        raise AssertionError("asked")


def test_hints_run_no_code_of_the_caller():
    kind, message = error_of(lstm(), X, (H, Asked([H, C])), "call")
    assert kind is RuntimeError
    assert message.startswith(RANKS_OF.format("batched 3-D", 3, 3, 4) + "h_0 and c_0 are")
