"""Packing and padding in C: the way by NumPy is the reference, and what C must leave to it."""

import contextlib
import gc
import math
import sys
import threading
import time

import numpy as np
import pytest
from reference import KINDS
from support import as_hx, assert_same_bits, layer_of, reshape_in_place, states_of, with_parameters

import pylstm
from pylstm import _core
from pylstm.utils import _packing
from pylstm.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

DTYPES = "?bBhHiIlLqQefdgFDG"
LENGTHS = [
    [1],
    [25],
    [4, 4, 4],
    [5, 3, 3, 1],
    [1, 7, 2, 7, 1],
    [2, 1, 3, 1, 2, 9],
    list(range(1, 40)),
    [64] * 33,
]
TRAILING = [(), (1,), (3,), (2, 3), (3, 1, 2)]


def padded_batch(lengths, trailing=(3,), dtype="f", batch_first=False, extra=0, seed=0):
    """A padded batch whose padding is no zero either."""
    steps = max(lengths) + extra
    shape = (len(lengths), steps) if batch_first else (steps, len(lengths))
    values = np.random.default_rng(seed).integers(1, 100, (*shape, *trailing))
    return values.astype(dtype)


def bits(array):
    """The bytes of an array; those of long doubles are in part undefined."""
    shorter = {"g": "d", "G": "D"}.get(array.dtype.char)
    return (array if shorter is None else array.astype(shorter)).tobytes()


def outcome(function, *args):
    """What a call gives, in a form that can be compared: results, or the type and text of its error."""
    try:
        results = function(*args)
    except Exception as error:
        return type(error), str(error)
    fields = [None if a is None else (a.dtype.str, a.shape, bits(a)) for a in results]
    for array in results:
        assert array is None or (array.flags.owndata and array.flags.writeable)
        assert array is None or (array.flags.c_contiguous and array.dtype.isnative)
    return fields


def assert_packs_as_numpy(padded, lengths, batch_first, enforce_sorted, by_c=True):
    given = padded, lengths, batch_first, enforce_sorted
    assert (_core.pack_padded(*given) is not None) == by_c
    expected = outcome(_packing._pack_anything, *given)
    assert outcome(pack_padded_sequence, *given) == expected
    return expected


def assert_pads_as_numpy(packed, batch_first=False, value=0.0, total=None, by_c=True):
    data, sizes, _, unsorted = packed
    given = batch_first, value, total
    assert (_core.pad_packed(data, sizes, unsorted, *given) is not None) == by_c
    expected = outcome(_packing._pad_anything, packed, *given)
    assert outcome(pad_packed_sequence, packed, *given) == expected
    return expected


# ----------------------------------------------------------------------------- as by NumPy


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("trailing", TRAILING, ids=str)
@pytest.mark.parametrize("lengths", LENGTHS, ids=lambda lengths: f"{len(lengths)}x{max(lengths)}")
def test_shapes(lengths, trailing, batch_first):
    for extra in (0, 2):
        padded = padded_batch(lengths, trailing, "f", batch_first, extra)
        for ordered in (lengths, sorted(lengths), sorted(lengths, reverse=True)):
            for enforce in (False,) if ordered[0] < max(lengths) else (False, True):
                if enforce and ordered != sorted(ordered, reverse=True):
                    continue
                assert_packs_as_numpy(padded, ordered, batch_first, enforce)
                packed = pack_padded_sequence(padded, ordered, batch_first, enforce)
                for first in (False, True):
                    for total in (None, max(lengths), max(lengths) + 3):
                        assert_pads_as_numpy(packed, first, 0.0, total)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype):
    for trailing in ((), (5,)):
        padded = padded_batch([2, 5, 1], trailing, dtype)
        assert_packs_as_numpy(padded, [2, 5, 1], False, False)
        packed = pack_padded_sequence(padded, [2, 5, 1], enforce_sorted=False)
        assert packed.data.dtype == padded.dtype
        for zero in (0.0, 0):
            assert_pads_as_numpy(packed, True, zero)


def test_ties_keep_their_order():
    lengths = np.random.default_rng(3).integers(1, 5, 200)
    packed = pack_padded_sequence(np.ones((4, 200)), lengths, enforce_sorted=False)
    assert packed.sorted_indices.tolist() == sorted(range(200), key=lambda n: -lengths[n])
    assert packed.unsorted_indices.tolist() == np.argsort(packed.sorted_indices).tolist()


@pytest.mark.parametrize("seed", range(30))
def test_random_batches(seed):
    draw = np.random.default_rng(seed)
    lengths = draw.integers(1, draw.integers(2, 70), draw.integers(1, 50))
    trailing = tuple(draw.integers(1, 40, draw.integers(0, 3)))
    batch_first = bool(draw.integers(2))
    padded = padded_batch(lengths, trailing, draw.choice(list(DTYPES)), batch_first)
    if draw.integers(2):
        lengths = -np.sort(-lengths)
    expected = outcome(_packing._pack_anything, padded, lengths, batch_first, False)
    for given in (lengths, lengths.tolist(), tuple(lengths.tolist()), lengths.astype(">i8")):
        assert outcome(pack_padded_sequence, padded, given, batch_first, False) == expected
    packed = pack_padded_sequence(padded, lengths, batch_first, False)
    assert_pads_as_numpy(packed, bool(draw.integers(2)))


def test_large_batches():
    """Copies that let other threads run, in one piece for each step and row by row."""
    lengths = sorted(np.random.default_rng(0).integers(1, 200, 64).tolist(), reverse=True)
    padded = padded_batch(lengths, (16,))
    assert padded.nbytes > 2**18
    for enforce in (True, False):
        assert_packs_as_numpy(padded, lengths, False, enforce)
        assert_pads_as_numpy(pack_padded_sequence(padded, lengths, False, enforce))


def layouts(padded):
    """The same values in memory of other strides and alignments, rows in one piece."""
    yield padded[::-1].copy()[::-1]
    yield padded[:, ::-1].copy()[:, ::-1]
    yield padded.swapaxes(0, 1).copy().swapaxes(0, 1)
    wide = np.zeros((*padded.shape[:2], padded.shape[2] + 2), padded.dtype)
    wide[..., 1:-1] = padded
    yield wide[..., 1:-1]
    shifted = np.zeros(padded.nbytes + 1, np.uint8)[1:].view(padded.dtype).reshape(padded.shape)
    shifted[...] = padded
    assert not shifted.flags.aligned
    yield shifted
    read_only = padded.copy()
    read_only.flags.writeable = False
    yield read_only


def test_layouts(tmp_path):
    padded = padded_batch([4, 2, 1])
    expected = outcome(pack_padded_sequence, padded, [4, 2, 1])
    for other in layouts(padded):
        assert assert_packs_as_numpy(other, [4, 2, 1], False, True) == expected
    data = pack_padded_sequence(padded, [4, 2, 1]).data
    plain = PackedSequence(data, np.array([3, 2, 1, 1]))
    expected = outcome(pad_packed_sequence, plain)
    twice = np.repeat(data, 2, axis=0)[::2]
    wide = np.concatenate([data, data], axis=1)[:, :3]
    for other in (twice, wide, data[::-1].copy()[::-1]):
        assert assert_pads_as_numpy(plain._replace(data=other)) == expected
    sizes = np.array([3, 9, 2, 9, 1, 9, 1, 9])[::2]
    assert assert_pads_as_numpy(plain._replace(batch_sizes=sizes)) == expected
    indices = np.array([2, 0, 1])
    order = plain._replace(unsorted_indices=indices)
    backwards = plain._replace(unsorted_indices=indices[::-1].copy()[::-1])
    assert assert_pads_as_numpy(order) == assert_pads_as_numpy(backwards) != expected


def test_a_broadcast_batch_costs_what_is_packed():
    """A time axis of 10**12 steps that is one row in memory."""
    padded = np.broadcast_to(np.ones((1, 2, 3), np.float32), (10**12, 2, 3))
    packed = pack_padded_sequence(padded, [3, 1])
    assert packed.data.shape == (4, 3) and packed.batch_sizes.tolist() == [2, 1, 1]


# ------------------------------------------------------------- what C leaves to NumPy and Python


class Array(np.ndarray):
    pass


class Int(int):
    pass


class List(list):
    pass


def unusual_inputs():
    padded = padded_batch([3, 2])
    yield padded.astype(">f4"), True
    yield padded.view(Array), True
    yield padded.tolist(), True
    yield padded.transpose(2, 0, 1).copy().transpose(1, 2, 0), True  # rows not in one piece
    yield padded[..., ::-1], True
    yield padded.astype(object), False
    yield padded.astype("U1"), False
    yield padded.astype("M8[s]"), False
    yield np.ma.masked_array(padded), False
    yield np.zeros((3, 2), "f4,f4"), False
    yield np.zeros((3, 2, 0)), False
    yield np.zeros((0, 2, 3)), False
    yield np.zeros((3, 0, 3)), False
    yield np.zeros(3), False
    yield np.zeros(()), False
    yield "text", False
    yield None, False


@pytest.mark.parametrize(("padded", "works"), list(unusual_inputs()))
def test_unusual_inputs(padded, works):
    expected = assert_packs_as_numpy(padded, [3, 2], False, True, by_c=False)
    assert isinstance(expected, list) == works


@pytest.mark.parametrize(
    ("lengths", "works"),
    [
        ([np.int64(3), np.int64(2)], True),
        ([3.9, 2.0], True),
        ([Int(3), 2], True),
        (List([3, 2]), True),
        (np.array([3, 2], np.int32), True),
        (np.array([3, 2], np.uint8), True),
        (np.array([3.0, 2.0]), True),
        ([True, True], True),
        ([3, True], True),
        (range(3, 1, -1), True),
        ([2, 3], False),
        ([3, 0], False),
        ([3, -1], False),
        ([-(2**63), 3], False),
        ([2**63 - 1, 1], False),
        ([2**63, 1], False),
        ([-(2**63) - 1, 1], False),
        ([10**40, 1], False),
        ([4, 1], False),
        ([3], False),
        ([3, 2, 1], False),
        ([], False),
        ([[3, 2]], False),
        (np.array([[3, 2]]), False),
        (np.array(3), False),
        (np.array([], np.int64), False),
        (np.array([3, None]), False),
        ([None, 2], False),
        ("32", False),
        (3, False),
        (None, False),
    ],
    ids=repr,
)
def test_unusual_lengths(lengths, works):
    for batch_first in (False, True):
        padded = padded_batch([3, 2], batch_first=batch_first)
        expected = assert_packs_as_numpy(padded, lengths, batch_first, True, by_c=False)
        assert isinstance(expected, list) == works


@pytest.mark.parametrize("flags", [(0, True), (1, True), (None, True), (False, 1), (True, "x")])
def test_unusual_flags(flags):
    padded = padded_batch([2, 2], trailing=(2,))
    assert_packs_as_numpy(padded, [2, 2], *flags, by_c=False)


def test_objects_keep_their_references():
    """No row of an object array is copied as bytes."""
    item = object()
    padded = np.full((3, 2, 2), item, dtype=object)
    before = sys.getrefcount(item)
    with pytest.raises(TypeError):
        pack_padded_sequence(padded, [3, 2])
    packed = PackedSequence(np.ones((5, 2)), np.array([2, 2, 1]))._replace(data=padded[:, 0])
    with pytest.raises(TypeError):
        pad_packed_sequence(packed)
    assert sys.getrefcount(item) == before


def fields(data=None, sizes=(3, 2, 1), unsorted=None):
    data = np.arange(1.0, 13.0).reshape(6, 2) if data is None else data
    sizes = np.array(sizes) if isinstance(sizes, tuple) else sizes
    indices = np.array(unsorted) if isinstance(unsorted, tuple) else unsorted
    return PackedSequence._make((data, sizes, indices, indices))


@pytest.mark.parametrize(
    ("packed", "works"),
    [
        (fields(np.ones((6, 2), ">f8")), True),
        (fields(np.ones((6, 2)).view(Array)), True),
        (fields(np.ones((6, 2)).tolist()), True),
        (fields(np.ones((2, 6)).T), True),
        (fields(np.ones((6, 0))), True),
        (fields(sizes=[3, 2, 1]), True),
        (fields(unsorted=[2, 0, 1]), True),
        (fields(unsorted=np.array([2, 0, 1], np.int32)), True),
        (fields(np.ones((6, 2), object)), False),
        (fields(np.ones(6, "f4,f4")), False),
        (fields(np.ones(())), False),
        (fields(np.ones((0, 2)), (0,)), False),
        (fields(sizes=(3, 2, 2)), False),
        (fields(sizes=(3, 2)), False),
        (fields(sizes=(2, 3, 1)), False),
        (fields(sizes=(3, 3, 0)), False),
        (fields(sizes=(7, -1)), False),
        (fields(sizes=(2**62, 2**62, 2**62, 2**62, 6)), False),
        (fields(sizes=()), False),
        (fields(sizes=np.array([], np.int64)), False),
        (fields(sizes=np.array([[3, 2, 1]])), False),
        (fields(sizes=np.array(6)), False),
        (fields(sizes=np.array([3.0, 2.0, 1.0])), False),
        (fields(sizes=np.array([3, 2, 1], np.int32)), False),
        (fields(sizes=np.broadcast_to(np.int64(1), 10**12)), False),
        (fields(unsorted=(0, 1)), False),
        (fields(unsorted=(0, 1, 2, 3)), False),
        (fields(unsorted=(0, 1, 1)), False),
        (fields(unsorted=(0, 1, 3)), False),
        (fields(unsorted=(0, 1, -1)), False),
        (fields(unsorted=(0, 1, 2**62)), False),
        (fields(unsorted=((0, 1, 2),)), False),
        (fields(unsorted=np.array([0.0, 1.0, 2.0])), False),
        (fields(unsorted=np.broadcast_to(np.int64(0), 10**12)), False),
        (fields(unsorted="012"), False),
    ],
)
def test_unusual_fields(packed, works):
    expected = assert_pads_as_numpy(packed, by_c=False)
    assert isinstance(expected, list) == works


@pytest.mark.parametrize(
    "value", [-0.0, 1.0, -1, 2**80, math.nan, False, np.float64(0), np.zeros(()), 0j, "0", None]
)
def test_unusual_padding(value):
    assert_pads_as_numpy(fields(), False, value, by_c=False)
    assert_pads_as_numpy(fields(np.arange(6)), True, value, 5, by_c=False)


@pytest.mark.parametrize(
    "total", [2, -1, 0, 2**63, -(2**80), True, 3.0, 3.5, "3", np.int64(3), np.int64(9), [3]]
)
def test_unusual_total_length(total):
    assert_pads_as_numpy(fields(), False, 0.0, total, by_c=False)


def test_a_total_length_beyond_memory():
    for total in (2**62, 2**63 - 1):
        with pytest.raises((ValueError, MemoryError)):
            pad_packed_sequence(fields(), total_length=total)


@pytest.mark.parametrize("batch_first", [0, 1, None, "x"])
def test_unusual_batch_first(batch_first):
    assert_pads_as_numpy(fields(), batch_first, by_c=False)


def test_rank_beyond_numpy():
    """Padding adds an axis to as many as NumPy has."""
    most = 64 if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else 32
    padded = np.ones((2, 2, *[1] * (most - 2)))
    packed = pack_padded_sequence(padded, [2, 1])
    assert packed.data.ndim == most - 1
    assert outcome(pad_packed_sequence, packed) == outcome(
        _packing._pad_anything, packed, False, 0, None
    )
    full = fields(np.ones((6, *[1] * (most - 1))))
    assert isinstance(outcome(_packing._pad_anything, full, False, 0.0, None), tuple)
    assert isinstance(outcome(pad_packed_sequence, full), tuple)


def test_counts_of_arguments():
    for function, count in ((_core.pack_padded, 4), (_core.pad_packed, 6)):
        for wrong in (0, count - 1, count + 1):
            with pytest.raises(TypeError):
                function(*[None] * wrong)


# ------------------------------------------------------------------------------ the packed call


def python_names(function, *args):
    """The result of a call, and the names of the Python functions that ran."""
    names = []
    sys.setprofile(lambda frame, event, _: event == "call" and names.append(frame.f_code.co_name))
    try:
        result = function(*args)
    finally:
        sys.setprofile(None)
    return result, names


def make_layer(kind="LSTM", **options):
    return with_parameters(layer_of(kind, 3, 4, **options), 1)


def packed_of(lengths=(2, 5, 1, 5), enforce_sorted=False, **options):
    lengths = sorted(lengths, reverse=True) if enforce_sorted else list(lengths)
    return pack_padded_sequence(padded_batch(lengths, **options), lengths, False, enforce_sorted)


def hx_of(layer, batch, **options):
    count = 2 if layer.bidirectional else 1
    draw = np.random.default_rng(5)
    shape = (layer.num_layers * count, batch, 4)
    return as_hx(
        [draw.normal(size=shape).astype("f", **options) for _ in range(1 + (layer.mode == "LSTM"))]
    )


def assert_same_call(layer, packed, hx, by_c):
    (output, final), names = python_names(layer, packed, hx)
    assert ("_forward_packed" not in names) == by_c and (names == [] or not by_c)
    expected, expected_final = layer._forward_packed(packed, hx)
    assert type(output) is type(expected) and len(output) == 4
    assert_same_bits((output.data, final), (expected.data, expected_final))
    for given, kept, same in zip(packed[1:], output[1:], expected[1:], strict=True):
        assert given is kept is same
    for array in (output.data, *states_of(final)):
        assert array.flags.owndata and array.flags.c_contiguous and array.flags.writeable
    return output, final


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}], ids=str)
def test_the_call_is_that_of_python(kind, options, dtype):
    layer = make_layer(kind, dtype=dtype, **options)
    for given in "fdi":
        assert_same_call(layer, packed_of(dtype=given), None, by_c=True)
        assert_same_call(layer, packed_of(dtype=given, enforce_sorted=True), None, by_c=True)
        in_order = packed_of(dtype=given, enforce_sorted=True)
        hx = hx_of(layer, 4)
        assert_same_call(layer, in_order, hx, by_c=True)
        assert_same_call(layer, packed_of(dtype=given), hx, by_c=False)
        if kind == "LSTM":
            assert_same_call(layer, in_order, list(hx), by_c=False)
        back = pad_packed_sequence(layer(packed_of(dtype=given))[0])[0]
        assert back.shape[:2] == (5, 4)


class Tagged(PackedSequence):
    pass


def test_calls_that_python_looks_at():
    layer = make_layer()
    plain = packed_of()
    for other in (
        Tagged(*plain),
        plain._replace(data=plain.data.tolist()),
        plain._replace(batch_sizes=plain.batch_sizes.tolist()),
        plain._replace(batch_sizes=plain.batch_sizes.astype("i4")),
        plain._replace(unsorted_indices=plain.unsorted_indices.tolist()),
        plain._replace(unsorted_indices=plain.unsorted_indices.astype("i4")),
    ):
        output, _ = assert_same_call(layer, other, None, by_c=False)
        assert type(output) is type(other)
    alone = plain._replace(sorted_indices=None)  # the states are put back all the same
    assert_same_call(layer, alone, None, by_c=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"unsorted_indices": np.array([0, 1, 2])},
        {"unsorted_indices": np.array([0, 1, 2, 3, 4])},
        {"unsorted_indices": np.array([0, 1, 2, 2])},
        {"unsorted_indices": np.array([0, 1, 2, 4])},
        {"unsorted_indices": np.array([0, 1, 2, -1])},
        {"unsorted_indices": np.broadcast_to(np.int64(0), 10**12)},
        {"unsorted_indices": np.array([[0, 1, 2, 3]])},
        {"batch_sizes": np.array([4, 3, 2, 2])},
        {"batch_sizes": np.array([3, 4, 2, 2, 2])},
        {"batch_sizes": np.array([4, 3, 2, 2, 2, 0])},
        {"batch_sizes": np.array([14, -1])},
        {"batch_sizes": np.array([], np.int64)},
        {"batch_sizes": np.array([[4, 3, 2, 2, 2]])},
        {"batch_sizes": np.array(13)},
        {"batch_sizes": np.array([True])},
        {"batch_sizes": np.broadcast_to(np.int64(1), 10**12)},
        {"data": np.ones((13, 3), object)},
        {"data": np.ones((13, 3), complex)},
        {"data": np.ones((13, 2))},
        {"data": np.ones((13, 3, 1))},
        {"data": np.ones(13)},
        {"data": np.ones(())},
        {"data": np.ma.masked_array(np.ones((13, 3)))},
        {"data": None},
        {"batch_sizes": None},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_wrong_fields(kind, changes):
    """The errors are those of the way by Python, type and text."""
    layer = make_layer(kind)
    packed = packed_of()._replace(**changes)
    for hx in (None, hx_of(layer, 4)):
        found = [outcome(call, packed, hx) for call in (layer, layer._forward_packed)]
        assert isinstance(found[0], tuple) and found[0] == found[1]


def test_wrong_states():
    layer, one = make_layer(), make_layer("GRU")
    h = np.zeros((1, 4, 4))
    for packed in (packed_of(), packed_of(enforce_sorted=True)):
        for called, hx in (
            (layer, h),
            (layer, (h,)),
            (layer, (h, h, h)),
            (layer, (h, None)),
            (layer, (h[:, :3], h)),
            (layer, (h, h[0])),
            (layer, (h, h.astype(complex))),
            (layer, packed),
            (layer, (packed, h)),
            (one, (h, h)),
            (one, h[:, :3]),
            (one, h[0]),
            (one, h.astype(object)),
            (one, 3),
        ):
            found = [outcome(call, packed, hx) for call in (called, called._forward_packed)]
            assert isinstance(found[0], tuple) and found[0] == found[1]


def test_before_the_constructor():
    layer = pylstm.LSTM.__new__(pylstm.LSTM)
    with pytest.raises(RuntimeError, match="has not been called"):
        _core.RNN.forward(layer, packed_of())
    with pytest.raises(RuntimeError, match="has not been called"):
        _core.RNN.forward(layer, packed_of(enforce_sorted=True), (np.zeros(1), np.zeros(1)))


def test_the_class_is_set_once():
    for wrong in (3, int, None, PackedSequence((np.ones(1), np.array([1])))):
        with pytest.raises(TypeError):
            _core.packed_type(wrong)
    _core.packed_type(Tagged)
    (output, _), names = python_names(make_layer(), packed_of())
    assert type(output) is PackedSequence and names == []


# ---------------------------------------------------------- arguments that change meanwhile


def hammer(call, changes, wanted=400, seconds=1.0):
    """Call while another thread runs `changes`, until so many calls have succeeded or so long."""
    stop, good, end = threading.Event(), 0, time.monotonic() + seconds

    def change():
        while not stop.is_set():
            for step in changes:
                step()

    thread = threading.Thread(target=change)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        while good < wanted and time.monotonic() < end:
            with contextlib.suppress(RuntimeError, ValueError, IndexError):
                call()
                good += 1
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)


def fields_of(result):
    """The bytes of all arrays in nested tuples."""
    if isinstance(result, tuple):
        return [fields_of(item) for item in result]
    return None if result is None else result.tobytes()


@pytest.mark.parametrize("function", ["pack", "pad", "call"])
@pytest.mark.parametrize("field", ["sizes", "indices"])
def test_a_writer_meanwhile(function, field):
    """Whatever is read in between, nothing outside the arrays is touched: copies let threads run."""
    padded = padded_batch([400] * 64, (16,))
    lengths = np.full(64, 400)
    packed = pack_padded_sequence(padded, lengths, enforce_sorted=False)
    layer = with_parameters(layer_of("LSTM", 16, 2), 1)
    call = {
        "pack": lambda: pack_padded_sequence(padded, lengths, enforce_sorted=False),
        "pad": lambda: pad_packed_sequence(packed),
        "call": lambda: layer(packed),
    }[function]
    target, wild = packed.unsorted_indices, [-(2**40), 2**40, 1]
    if field == "sizes":
        target, wild = (lengths if function == "pack" else packed.batch_sizes), [2**61, 401, 0]
    right = target.copy()

    def write(index, value):
        target[index] = value

    changes = [
        step
        for value in wild
        for step in (
            lambda value=value: write(slice(1, None), value),
            lambda: write(slice(None), right),
            *[lambda: None] * 5,
        )
    ]
    before = fields_of(call())
    hammer(call, changes)
    target[...] = right
    assert fields_of(call()) == before


class Cycle:
    """Garbage that runs `act` when it is collected."""

    def __init__(self, act):
        self.me, self.act = self, act

    def __del__(self):
        self.act()


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="garbage is collected elsewhere")
def test_garbage_that_changes_the_arguments():
    """A collection starts where a tuple is made, and its finalizers may run any code."""

    def change(array):
        reshape_in_place(array, (-1,))
        array.dtype = "V4"

    before = gc.get_threshold()
    lengths = [5, 3, 2]
    for _ in range(15):
        padded = padded_batch(lengths)
        packed = packed_of()
        gc.collect()
        gc.set_threshold(1, 1, 1)
        try:
            for array in (padded, packed.data):
                Cycle(lambda array=array: change(array))
            calls = (
                lambda padded=padded: pack_padded_sequence(padded, lengths),
                lambda packed=packed: pad_packed_sequence(packed),
                lambda packed=packed: make_layer()(packed),
            )
            for call in calls:
                outcome(lambda call=call: call() and ())
        finally:
            gc.set_threshold(*before)
