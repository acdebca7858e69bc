"""Weights in the form of a storage: the oracle's integers, refusals by name, and the way back."""

import pickle
from fractions import Fraction

import numpy as np
import pytest
import reference
import reference_weights as oracle
from support import assert_same_bits

import pylstm
from pylstm.weights.storages import STORAGES, soundness_problem, storage_of, widen


def quantize_rows(w, storage, name="weight_ih"):
    """What C stores of a matrix, by that parameter of a cell, and its scales."""
    rows, columns = w.shape if name == "weight_ih" else (len(w), 1)
    cell = pylstm.RNNCell(columns, rows, bias=False)
    cell.load_state_dict({name: w}, strict=False)
    return pylstm.compress(cell, storage.name)._native_stored(name)


def some_weights(seed, rows, columns):
    """Rows of different sizes, a row of zeros, subnormal and huge ones, few digits and many."""
    w = reference.fractions(seed, (rows, columns), 1.0).astype("f4") ** 3
    sizes = np.resize([1, 1e-3, 0, 1e-30, 1e-42, 3e38, 0.5], rows).astype("f4")
    w[::2] = np.round(w[::2] * 64) / 64
    return w * sizes[:, None]


SHAPES = [(1, 1), (7, 3), (12, 256), (9, 257), (5, 2100)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", oracle.INTEGERS)
def test_integers_are_those_of_the_oracle(name, shape):
    w = some_weights(1, *shape)
    stored, scales = quantize_rows(w, storage_of(name))
    with np.errstate(all="ignore"):
        integers, expected = oracle.quantise_weights(w, name)
    assert stored.dtype == (np.int16 if name == "int16" else np.int8)
    np.testing.assert_array_equal(stored, integers)
    assert_same_bits((scales,), (expected[:, None],))
    assert soundness_problem(stored, scales, storage_of(name)) == ""
    with np.errstate(all="ignore"):
        assert_same_bits(
            (widen(stored, scales, storage_of(name)),), (oracle.widened({"w": w}, name)["w"],)
        )


ENDS = [3.4e38, 2.0**127, 2.0**-126, *(digits * 2.0**-149 for digits in (1, 3, 63, 190, 1400))]


@pytest.mark.parametrize("name", oracle.INTEGERS)
@pytest.mark.parametrize("columns", [1, 5, 300])
def test_rows_at_both_ends_of_float32(name, columns):
    """Finite, within half a step, and within the bounds that the kernels rely on."""
    storage = storage_of(name)
    drawn = reference.fractions(7, (len(ENDS), columns), 1.0)
    drawn[:, 0] = 1
    w = np.concatenate([drawn, np.sign(drawn)]).astype("f4") * np.float32(ENDS + ENDS)[:, None]
    stored, scales = quantize_rows(w, storage)
    assert soundness_problem(stored, scales, storage) == "" and (scales > 0).all()
    with np.errstate(over="raise"):
        wide = widen(stored, scales, storage)
    assert (np.abs(wide.astype("f8") - w) <= 0.500001 * scales.astype("f8")).all()
    integers, expected = oracle.quantise_weights(w, name)
    np.testing.assert_array_equal(stored, integers)
    assert_same_bits((scales,), (expected[:, None],))
    cell = pylstm.RNNCell(columns, len(w), bias=False)
    cell.weight_ih = w
    small = pylstm.compress(cell, name)
    assert_same_bits((pickle.loads(pickle.dumps(small)).weight_ih,), (wide,))


@pytest.mark.parametrize("name", STORAGES)
def test_rows_are_compressed_apart(name):
    """Also where they are so many that other threads run meanwhile."""
    w = some_weights(2, 1000, 130)
    if name == "float16":
        w[np.abs(w) > 60000] = 0
    whole = quantize_rows(w, storage_of(name))
    for rows in (slice(0, 1), slice(1, 8), slice(990, 1000)):
        piece = quantize_rows(w[rows], storage_of(name))
        for one, other in zip(whole, piece, strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                assert_same_bits((one[rows],), (other,))


def wild_floats(seed, count):
    bits = np.random.default_rng(seed).integers(0, 2**32, count, np.uint32)
    return bits.view(np.float32)


def test_bfloat16_is_rounded_to_the_nearest_with_ties_to_even():
    w = wild_floats(3, 20_000)
    bits = w.view(np.uint32)
    bits[::2] = bits[::2] & np.uint32(0xFFFF0000) | np.uint32(0x8000)  # ties
    bits[::6] += np.uint32(1)
    bits[1::6] -= np.uint32(1)
    storage = storage_of("bfloat16")
    w = w[~(np.isfinite(w) & (np.abs(w) > float.fromhex("0x1.fep+127")))]
    stored, scales = quantize_rows(w[None], storage)
    assert scales is None and stored.dtype == np.uint16
    wide = widen(stored, None, storage)
    assert_same_bits((wide[0],), (oracle.to_bfloat16(w),))
    for value, made in list(zip(w, wide[0], strict=True))[:300]:
        if np.isfinite(value) and np.isfinite(made):
            step = np.uint32(0x10000)
            up = np.uint32(made.view(np.uint32) + step).view(np.float32)
            down = np.uint32(made.view(np.uint32) - step).view(np.float32)
            own = abs(Fraction(float(value)) - Fraction(float(made)))
            for near in (up, down):
                if np.isfinite(near) and abs(near) < 1e38:
                    assert own <= abs(Fraction(float(value)) - Fraction(float(near)))


def test_float16_is_numpys():
    w = np.concatenate([wild_floats(4, 20_000), np.float32([65504, -65504, 6e-8, 3e-8, 0, np.inf])])
    w = w[~(np.isfinite(w) & (np.abs(w) > 65504))]
    storage = storage_of("float16")
    stored, scales = quantize_rows(w[:, None], storage)
    assert scales is None
    with np.errstate(under="ignore"):
        assert_same_bits((stored[:, 0],), (w.astype("f2"),))
    assert_same_bits((widen(stored, None, storage),), (stored.astype("f4"),))


@pytest.mark.parametrize("name", STORAGES)
def test_what_is_stored_is_stored_again(name):
    """Compressing the widened weights changes nothing: no drift by saving and loading."""
    w = some_weights(5, 40, 300)
    w[np.abs(w) > 60000] = 0
    w[np.abs(w) < 1e-35] = 0
    storage = storage_of(name)
    stored, scales = quantize_rows(w, storage)
    again, others = quantize_rows(widen(stored, scales, storage), storage)
    if name == "int16":  # its scale is bounded by sums, which rounding changes
        assert (np.abs(again.astype(int) - stored.astype(int)) <= 1).all()
    else:
        assert_same_bits((again,), (stored,))
    assert scales is None or np.allclose(others, scales, rtol=1e-3 if name == "int16" else 1e-6)


REFUSED = [
    ("float16", 65505.0, r"weight_hh\[2, 1\] is 65505.0, which float16 cannot hold: .* 65504"),
    ("float16", -1e6, r"is -1000000.0, which float16"),
    ("bfloat16", 3.4e38, r"weight_hh\[2, 1\] is 3.3999\d+e\+38, which bfloat16 cannot hold"),
    *((name, bad, rf"\[2, 1\] is {bad:g}, which {name} cannot") for name in oracle.INTEGERS
      for bad in (np.inf, -np.inf, np.nan)),
    *((name, 3.4028e38, rf"\[2, 1\] is 3.40\d+e\+38, which {name} cannot hold: .* at most 3.4e\+38")
      for name in oracle.INTEGERS),
]  # fmt: skip


@pytest.mark.parametrize("name, bad, text", REFUSED)
def test_weights_that_cannot_be_held_are_named(name, bad, text):
    w = np.ones((5, 5), "f4")
    w[2, 1] = bad
    with pytest.raises(ValueError, match=text):
        quantize_rows(w, storage_of(name), "weight_hh")


@pytest.mark.parametrize("name", oracle.FLOATS)
def test_nan_and_infinity_stay_what_they_are(name):
    w = np.float32([[np.nan, np.inf, -np.inf, -0.0]])
    w.view(np.uint32)[0, 0] = 0x7F800001  # a NaN that loses its last digit
    storage = storage_of(name)
    wide = widen(*quantize_rows(w, storage), storage)
    assert np.isnan(wide[0, 0]) and wide[0, 1:].tolist() == [np.inf, -np.inf, 0]
    assert np.signbit(wide[0, 3])


@pytest.mark.parametrize("wrong", ["int4", "INT8", "", None, 8, np.int8, ["int8"], "x" * 10**6])
def test_unknown_storages(wrong):
    with pytest.raises(
        ValueError, match="weights must be one of 'int8', 'int8-fast', 'int16', "
    ) as caught:
        storage_of(wrong)
    assert len(str(caught.value)) < 300


def test_what_comes_from_elsewhere_is_checked():
    scale, int8, int16 = np.ones((2, 1), "f4"), storage_of("int8"), storage_of("int16")
    q = np.full((2, 300), 127, "i1")
    assert soundness_problem(q, scale, int8) == ""
    q[1, 299] = -128
    assert "an integer of magnitude 128" in soundness_problem(q, scale, int8)
    for bad in (np.nan, np.inf, -1e-30):
        scale[1] = bad
        assert "has a scale of" in soundness_problem(q * 0, scale, int8)
    for weak, told in ((0, "a scale of 0"), (2.0**122, "127 times that is infinite")):
        scale[1] = weak
        assert told in soundness_problem(np.abs(q.clip(-127)), scale, int8)
        assert soundness_problem(q * np.int8([[1], [0]]), scale, int8) == ""
    scale[1] = 2.0**112
    wide = np.full((2, 600), (2**31 - 1) // 8191 // 256, "i2")
    assert soundness_problem(wide, scale, int16) == ""
    wide[1, 600 - 1] += 32767 - wide[1, 599]
    assert soundness_problem(wide, scale, int16) == ""  # of 88 terms
    wide[0, 300] += 200
    assert "256 integers whose magnitudes sum to" in soundness_problem(wide, scale, int16)
    wide[0, 300] = -32768
    assert "an integer of magnitude 32768" in soundness_problem(wide, scale, int16)
    assert soundness_problem(np.zeros((0, 3), "i1"), np.zeros((0, 1), "f4"), int8) == ""
    assert soundness_problem(np.zeros((2, 0), "i2"), scale, int16) == ""
