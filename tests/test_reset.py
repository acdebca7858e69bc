"""reset= of a call: what is said of wrong ones, masks in any memory, threads that write."""

import sys
import threading
from itertools import pairwise

import numpy as np
import pytest
from reference import KINDS, fractions
from support import as_hx, assert_same_bits, layer_of, reshape_in_place, states_of, with_parameters
from test_lengths import Acting, check_text_of_every_way

import pylstm
from pylstm.utils.rnn import pack_sequence

STEPS, ROWS = 7, 3
X = fractions(1, (STEPS, ROWS, 4)).astype(np.float32)
MASK = np.zeros((STEPS, ROWS), bool)
MASK[[0, 2, 3, 3, 6], [1, 0, 0, 2, 2]] = True
of_each_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind="LSTM", **options):
    return with_parameters(layer_of(kind, 4, 6, **options), 1)


def states(kind, layers):
    """States that are not zero."""
    made = [fractions(5 + i, (layers, ROWS, 6)).astype("f4") for i in range(KINDS[kind].states)]
    return as_hx(made)


def in_segments(module, x, mask, hx):
    """The output and the states of one row that is cut before each reset, in one direction.

    Each layer runs over its segments before the next one begins, as it does within a call.
    """
    cuts = [0, *(t for t in range(1, len(x)) if mask[t]), len(x)]
    parts = []
    for start, end in pairwise(cuts):
        begins = start > 0 or mask[0]
        output, hx = module(x[start:end], None if begins else hx)
        parts.append(output)
    return np.concatenate(parts), hx


# ---------------------------------------------------------------------------- what is taken


@pytest.mark.parametrize("batch_first", [False, True])
@of_each_kind
def test_the_bits_of_the_segments_alone(kind, batch_first):
    module = make(kind, num_layers=2, batch_first=batch_first)
    hx = states(kind, 2)
    x, mask = (X.swapaxes(0, 1), MASK.T) if batch_first else (X, MASK)
    output, hx_n = module(x, hx, reset=mask)
    assert_same_bits(module.forward(x, hx, reset=mask), (output, hx_n))
    output = output.swapaxes(0, 1) if batch_first else output
    for row in range(ROWS):
        row_hx = as_hx([state[:, row] for state in states_of(hx)])
        expected = in_segments(module, X[:, row], MASK[:, row], row_hx)
        row_n = as_hx([state[:, row] for state in states_of(hx_n)])
        assert_same_bits((output[:, row], row_n), expected)
        alone = module(X[:, row], row_hx, reset=MASK[:, row])
        assert_same_bits(alone, expected)


@of_each_kind
def test_a_reset_at_the_first_step_drops_hx_in_forward_direction_alone(kind):
    first = np.zeros((STEPS, ROWS), bool)
    first[0] = True
    one, two = make(kind), make(kind, bidirectional=True)
    assert_same_bits(one(X, states(kind, 1), reset=first), one(X))
    hx = states(kind, 2)
    only_reverse = as_hx([np.concatenate([0 * s[:1], s[1:]]) for s in states_of(hx)])
    assert_same_bits(two(X, hx, reset=first), two(X, only_reverse))
    back = make(kind, reverse=True)
    assert_same_bits(back(X, states(kind, 1), reset=first), back(X, states(kind, 1)))


def other_forms():
    """The same mask in what np.asarray takes."""
    yield MASK.tolist()
    yield tuple(map(tuple, MASK))
    yield np.asfortranarray(MASK)
    yield MASK[::-1, ::-1].copy()[::-1, ::-1]
    yield np.repeat(MASK, 3, 1)[:, ::3]
    yield np.repeat(MASK, 2, 0)[::2]
    frozen = MASK.copy()
    frozen.flags.writeable = False
    yield frozen
    yield (MASK * np.uint8(2)).view(bool)  # True is any byte but 0
    yield (MASK * np.uint8(255)).view(bool)
    yield memoryview(MASK)
    yield MASK.view(type("Other", (np.ndarray,), {}))


def test_every_form_of_bools():
    module = make("GRU", bidirectional=True)
    expected = module(X, reset=MASK)
    for form in other_forms():
        assert_same_bits(module(X, reset=form), expected)


def test_masks_that_are_broadcast():
    module = make()
    for column in (MASK[:, :1], np.array([[False]]), np.array([[True]]), MASK[:1], MASK[2]):
        mask = np.broadcast_to(column, MASK.shape)
        assert 0 in mask.strides
        assert_same_bits(module(X, reset=mask), module(X, reset=mask.copy()))


@of_each_kind
def test_a_batch_without_rows_and_one_step(kind):
    module = make(kind)
    for reset in (np.zeros((STEPS, 0), bool), [[]] * STEPS):
        assert_same_bits(module(X[:, :0], reset=reset), module(X[:, :0]))
    for bit in (False, True):
        hx = states(kind, 1)
        expected = module(X[:1], None if bit else hx)
        assert_same_bits(module(X[:1], hx, reset=np.full((1, ROWS), bit)), expected)
        assert_same_bits(module(X[:1, 0], reset=[bit]), module(X[:1, 0]))


def test_strides_of_axes_of_length_1_do_not_count():
    module = make()
    odd = np.lib.stride_tricks.as_strided(MASK[:1, :1], (1, 1), (2**40, -(2**40)))
    assert_same_bits(module(X[:1, :1], reset=odd), module(X[:1, :1]))
    row = np.lib.stride_tricks.as_strided(MASK, (1, ROWS), (-(2**62), 1))
    assert_same_bits(module(X[:1], reset=row), module(X[:1]))


# ---------------------------------------------------------------------------- what is refused

TIME_FIRST = "reset must be (sequence, batch), as input, here (7, 3)"
BOOLS = "reset must hold bools, got dtype "
TEXTS = [
    (MASK.astype(int), TypeError, BOOLS + "int64: pass reset.astype(bool) or reset != 0"),
    (MASK.astype("f4"), TypeError, BOOLS + "float32: pass reset.astype(bool) or reset != 0"),
    (MASK.view("u1"), TypeError, BOOLS + "uint8"),
    (MASK.astype(object), TypeError, BOOLS + "object"),
    ([2, 5], TypeError, BOOLS + "int64"),
    (MASK.T, ValueError, TIME_FIRST + ": try reset.T; it has shape (3, 7)"),
    (MASK[0], ValueError, TIME_FIRST + "; it has shape (3,)"),
    (MASK[1:], ValueError, TIME_FIRST + "; it has shape (6, 3)"),
    (True, ValueError, TIME_FIRST + "; it has shape ()"),
    (MASK[..., None], ValueError, TIME_FIRST + "; it has shape (7, 3, 1)"),
    ([], ValueError, TIME_FIRST + "; it has shape (0,)"),
    (np.ma.array(MASK), TypeError, "reset is a masked array"),
    (object(), TypeError, "reset must be an array or something that np.asarray takes, got object"),
]  # fmt: skip


@pytest.mark.parametrize(("reset", "error", "text"), TEXTS, ids=lambda value: str(value)[:50])
def test_wrong_resets(reset, error, text):
    check_text_of_every_way(make(), error, text, reset=reset)


def test_the_shapes_of_other_layouts_are_named():
    module = make(batch_first=True)
    for call, text in (
        (
            lambda: module(X.swapaxes(0, 1), reset=MASK),
            "reset must be (batch, sequence), as input, here (3, 7): try reset.T; it has shape "
            "(7, 3)",
        ),
        (
            lambda: module(X[:, 0], reset=MASK),
            "reset must be (sequence,) for unbatched input, here (7,); it has shape (7, 3)",
        ),
        (
            lambda: module(pack_sequence([X[:, 0]]), reset=MASK[:, :1]),
            "reset does not go with a packed sequence: pass the padded input with reset",
        ),
    ):
        with pytest.raises(ValueError) as caught:
            call()
        assert str(caught.value) == text


# ---------------------------------------------------------------------------- objects that act


def test_inputs_that_a_reset_reshapes():
    module = make("GRU")
    x, mask = X.copy(), MASK.copy()
    expected = module(x, reset=mask)
    with pytest.raises((RuntimeError, ValueError)):
        module(x, reset=Acting(mask, lambda: reshape_in_place(x, (ROWS, STEPS, 4))))
    reshape_in_place(x, X.shape)
    assert_same_bits(module(x, reset=Acting(mask, lambda: None)), expected)


def test_references():
    module = make()
    mask, wrong = MASK.copy(), MASK.T.copy()
    before = sys.getrefcount(mask), sys.getrefcount(wrong)
    for _ in range(50):
        module(X, reset=mask)
        module.trace(X, reset=mask)
        with pytest.raises(ValueError, match="reset"):
            module(X, reset=wrong)
    assert (sys.getrefcount(mask), sys.getrefcount(wrong)) == before


# ---------------------------------------------------------------------------- other threads


def test_another_thread_writes_to_the_mask():
    """Whatever it writes, a byte is 0 or not: two threads end, and only that row has other values."""
    module = with_parameters(pylstm.LSTM(64, 64), 1)
    x = np.random.default_rng(0).standard_normal((60, 32, 64)).astype(np.float32)
    mask = np.zeros((60, 32), bool)
    expected = module(x)[0]
    done = threading.Event()

    def write():
        turn = 0
        while not done.is_set():
            turn += 1
            mask.view(np.uint8)[turn % 60, 5] = turn % 256

    pylstm.set_num_threads(2)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(60):
            output = module(x, reset=mask)[0]
            assert np.isfinite(output).all()
            assert_same_bits(np.delete(output, 5, 1), np.delete(expected, 5, 1))
    finally:
        done.set()
        writer.join()
    mask[...] = False
    assert_same_bits(module(x, reset=mask)[0], expected)
