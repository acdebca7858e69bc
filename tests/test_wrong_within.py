"""Wrong lengths, resets and names: the class, the argument's name, and nothing is changed."""

import numpy as np
import pytest
from reference import KINDS
from support import cell_of, with_parameters
from wrong_within import HIDDEN, INPUT, MASK, ROWS, STEPS, X, hx_of, make, refused, snapshot

import pylstm
from pylstm.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence

of_each_kind = pytest.mark.parametrize("kind", KINDS)
# label: (lengths, class)
LENGTHS = {
    "too few": ([1, 2], ValueError),
    "too many": ([1, 2, 3, 4], ValueError),
    "none": (np.zeros(0, int), ValueError),
    "of every step": ([1, 2, 3, 2, 1], ValueError),
    "a row": ([[1, 2, 3]], ValueError),
    "a column": ([[1], [2], [3]], ValueError),
    "one number": (3, ValueError),
    "an array of rank 0": (np.array(3), ValueError),
    "zero": ([0, 2, 3], ValueError),
    "zero, last": ([2, 3, 0], ValueError),
    "negative": ([2, -1, 3], ValueError),
    "very negative": ([-(2**63), 2, 3], ValueError),
    "negative int8": (np.array([2, -128, 3], "i1"), ValueError),
    "too large": ([2, 6, 3], ValueError),
    "far too large": ([2, 2**40, 3], ValueError),
    "the largest int64": ([2, 2**63 - 1, 3], ValueError),
    "wraps to 3 in 32 bits": ([2, 2**32 + 3, 3], ValueError),
    "wraps to 3 in 8 bits": ([2, 259, 3], ValueError),
    "the largest uint64": (np.array([2, 2**64 - 1, 3], "u8"), ValueError),
    "wraps to -1 in int64": (np.array([2**64 - 1, 2, 3], ">u8"), ValueError),
    "beyond 64 bits": ([2, 2**70, 3], (TypeError, ValueError)),
    "whole floats": ([2.0, 1.0, 3.0], TypeError),
    "floats": ([2.5, 1.0, 3.0], TypeError),
    "one float": ([2, 1, 3.0], TypeError),
    "float16": (np.array([2, 1, 3], "f2"), TypeError),
    "NaN": ([np.nan, 1, 2], TypeError),
    "complex": ([2 + 0j, 1, 3], TypeError),
    "bool": ([True, True, True], TypeError),
    "a mask": (MASK, (TypeError, ValueError)),
    "strings": (["1", "2", "3"], TypeError),
    "bytes": (b"abc", TypeError),
    "objects": (np.array([2, 1, 3], object), TypeError),
    "None among them": ([2, None, 3], TypeError),
    "times": (np.array([2, 1, 3], "m8[s]"), TypeError),
    "records": (np.zeros(3, [("n", "i8")]), TypeError),
    "masked": (np.ma.array([2, 1, 3], mask=[0, 1, 0]), TypeError),
    "ragged": ([[1, 2], 3, 4], (TypeError, ValueError)),
    "a dict": ({0: 1}, TypeError),
    "an object": (object(), TypeError),
}
# label: (reset, class)
RESETS = {
    "ints": (MASK.astype(int), TypeError),
    "bytes": (MASK.astype("u1"), TypeError),
    "int8": (MASK.view("i1"), TypeError),
    "floats": (MASK.astype(float), TypeError),
    "float32": (MASK.astype("f4"), TypeError),
    "complex": (MASK.astype(complex), TypeError),
    "objects": (MASK.astype(object), TypeError),
    "strings": (MASK.astype(str), TypeError),
    "a list of ints": (MASK.astype(int).tolist(), TypeError),
    "masked": (np.ma.array(MASK, mask=MASK), TypeError),
    "step numbers": ([0, 2], TypeError),
    "one bool": (True, ValueError),
    "one False": (np.array(False), ValueError),
    "a column": (MASK[:, 0], ValueError),
    "a row": (MASK[0], ValueError),
    "one column": (MASK[:, :1], ValueError),
    "one row": (MASK[:1], ValueError),
    "transposed": (MASK.T, ValueError),
    "of rank 3": (MASK[:, :, None], ValueError),
    "as the input": (np.zeros(X.shape, bool), ValueError),
    "a step too many": (np.zeros((STEPS + 1, ROWS), bool), ValueError),
    "a step too few": (MASK[1:], ValueError),
    "a row too many": (np.zeros((STEPS, ROWS + 1), bool), ValueError),
    "nothing": (np.zeros((0, 0), bool), ValueError),
    "flat": (MASK.ravel(), ValueError),
    "ragged": ([[True], [True, False]], (TypeError, ValueError)),
    "an object": (object(), TypeError),
}


@pytest.mark.parametrize("way", ["call", "forward", "trace"])
@pytest.mark.parametrize("name", ["lengths", "reset"])
@of_each_kind
def test_wrong_values(kind, name, way):
    module = make(kind, num_layers=2, dropout=0.5)
    hx = hx_of(kind, 2)
    call = {"call": module, "forward": module.forward, "trace": module.trace}[way]
    for label, (value, error) in {"lengths": LENGTHS, "reset": RESETS}[name].items():
        print(label)
        refused(call, module, error, name, X, hx, **{name: value})
        refused(call, module, error, name, X, None, **{name: value})


@of_each_kind
def test_wrong_values_beside_inputs_that_are_converted(kind):
    module = make(kind)
    for label, (value, error) in LENGTHS.items():
        print(label)
        refused(module, module, error, "lengths", X.astype(float), lengths=value)
    for label, (value, error) in RESETS.items():
        print(label)
        refused(module, module, error, "reset", X.tolist(), reset=value)


@of_each_kind
def test_the_axes_are_those_of_the_layout(kind):
    module = make(kind, batch_first=True)
    x = np.ascontiguousarray(X.swapaxes(0, 1))
    module(x, lengths=[5, 1, 2]), module(x, reset=MASK.T)
    for lengths in ([6, 1, 2], [1, 2, 3, 2, 1], [0, 1, 2]):
        refused(module, module, ValueError, "lengths", x, lengths=lengths)
    for reset in (MASK, MASK[0], MASK[:, 0], MASK.T[:, :, None]):
        refused(module, module, ValueError, "reset", x, reset=reset)
    square = np.zeros((3, 3, INPUT), "f4")
    module(square, reset=np.eye(3, dtype=bool))


@pytest.mark.parametrize("batch_first", [False, True])
@of_each_kind
def test_unbatched(kind, batch_first):
    module = make(kind, batch_first=batch_first)
    x = X[:, 0]
    module(x, reset=MASK[:, 0])
    for lengths in ([5], 5, [1], np.array([3]), [5] * 5):
        assert "batch" in refused(module, module, ValueError, "lengths", x, lengths=lengths)
        refused(module.trace, module, ValueError, "lengths", x, lengths=lengths)
    for reset in (MASK, MASK[:, :1], MASK[:, :1].T, MASK[0], np.zeros((5, 5), bool), True):
        refused(module, module, ValueError, "reset", x, reset=reset)
        refused(module.trace, module, ValueError, "reset", x, reset=reset)


@of_each_kind
def test_both_and_with_packed_input(kind):
    module = make(kind)
    packed = pack_sequence([X[:, 0], X[:3, 1]])
    flat = packed.data.copy()
    for call in (module, module.forward, module.trace):
        text = refused(call, module, ValueError, "lengths", X, lengths=[1, 2, 3], reset=MASK)
        assert "reset" in text
        refused(
            call, module, ValueError, "lengths", X, lengths=[1, 2, 3], reset=MASK.astype(int) > 5
        )
    for call in (module, module.forward):
        assert "packed" in refused(call, module, ValueError, "lengths", packed, lengths=[5, 3])
        assert "packed" in refused(call, module, ValueError, "reset", packed, reset=MASK[:, :2])
        refused(call, module, ValueError, "lengths", packed, hx_of(kind, rows=2), lengths=[5, 3])
    assert packed.data.tobytes() == flat.tobytes()


@of_each_kind
def test_cells_take_neither(kind):
    cell = with_parameters(cell_of(kind, INPUT, HIDDEN), 1)
    for name, value in (("lengths", [1, 1, 1]), ("reset", MASK[0])):
        refused(cell, cell, TypeError, name, X[0], **{name: value})
    assert not hasattr(cell, "trace")


@of_each_kind
def test_they_are_keywords_only(kind):
    module = make(kind)
    for call in (module, module.forward, module.trace):
        with pytest.raises(TypeError):
            call(X, None, [1, 2, 3])
        with pytest.raises(TypeError):
            call(X, None, None, MASK)
        with pytest.raises(TypeError):
            call(X, length=[1, 2, 3])


NAMES = ["x", ["q"], ["i", "x"], [1], 3, [None], ["ifgo"], ["output"], [b"h"], object(), [["h"]]]


@of_each_kind
def test_wrong_names(kind):
    module = make(kind, num_layers=2, dropout=0.5)
    absent = [letter for letter in "ifgocrzn" if letter not in KINDS[kind].traced]
    for names in [*NAMES, *absent, absent, [*KINDS[kind].traced, absent[0]]]:
        refused(module.trace, module, (TypeError, ValueError), "names", X, names=names)
    text = refused(module.trace, module, ValueError, "names", X, names=[absent[0]])
    assert repr(absent[0]) in text and all(letter in text for letter in KINDS[kind].traced)


@pytest.mark.parametrize("mode", ["lengths", "reset", "plain"])
@of_each_kind
def test_a_right_call_after_wrong_ones(kind, mode):
    module = make(kind)
    given = {"lengths": {"lengths": [5, 1, 3]}, "reset": {"reset": MASK}, "plain": {}}[mode]
    before = snapshot(list(module(X, hx_of(kind), **given)))
    for name, table in (("lengths", LENGTHS), ("reset", RESETS)):
        for value, error in table.values():
            with pytest.raises(error):
                module(X, **{name: value})
    assert snapshot(list(module(X, hx_of(kind), **given))) == before


@of_each_kind
def test_what_to_pass_in_the_place_of_a_wrong_one(kind):
    for way in ("__call__", "forward", "trace"):
        for batch_first, axis in ((False, 1), (True, 0)):
            module = make(kind, batch_first=batch_first)
            x = X.swapaxes(0, 1) if batch_first else X
            call = getattr(module, way)
            text = refused(call, module, ValueError, "lengths", x, lengths=[1] * STEPS)
            assert f"with batch_first={batch_first} axis {axis} of input; it" in text
            for lengths in ([1] * (ROWS + 1), [[1] * STEPS], 3):
                text = refused(call, module, ValueError, "lengths", x, lengths=lengths)
                assert "batch_first" not in text
            mask = MASK.T if batch_first else MASK
            for ints in (mask.astype(int), (~mask).astype("f4"), mask.astype("u1").tolist()):
                text = refused(call, module, TypeError, "reset", x, reset=ints)
                assert "0 where a sequence begins, pass mask == 0" in text
            masked = np.ma.array([2, 1, 3], mask=[0, 1, 0])
            text = refused(call, module, TypeError, "lengths", x, lengths=masked)
            assert text.endswith("for example lengths.filled(1)")
            module(x, lengths=masked.filled(1))
            masked = np.ma.array(mask, mask=mask)
            text = refused(call, module, TypeError, "reset", x, reset=masked)
            assert text.endswith("for example reset.filled(False)")
            module(x, reset=masked.filled(False))


def test_no_masked_array_is_told_to_be_filled_with_what_it_cannot_hold():
    module, gru = make("LSTM"), make("GRU")
    packed = pack_sequence([X[:, 0], X[:3, 1]], enforce_sorted=False)
    masked = np.ma.array([2, 1], mask=[0, 1])
    for call, text in (
        (lambda: pack_padded_sequence(X[:, :2], masked), "for example lengths.filled(1)"),
        (lambda: PackedSequence(X[0], masked), "pass batch_sizes.data"),
        (lambda: PackedSequence(X[0], [2, 1], masked), "pass sorted_indices.data"),
        (lambda: pylstm.set_rng_state(np.ma.zeros(3, "u1")), "pass new_state.data"),
        (lambda: gru(packed, np.ma.zeros((1, 2, HIDDEN))), "hx.filled(0.0)"),
        (lambda: module(X, (np.ma.zeros((1, ROWS, HIDDEN)),) * 2), "hx[0].filled(0.0)"),
    ):
        with pytest.raises(TypeError) as caught:
            call()
        assert str(caught.value).endswith(text)
