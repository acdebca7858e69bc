"""utils.rnn without torch: documented values, texts, round trips, arguments left alone."""

import copy
import inspect
import math
import pickle
import random
import re
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import pytest

from pylstm.utils import rnn
from pylstm.utils.rnn import (
    PackedSequence,
    invert_permutation,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
    unpad_sequence,
)

ORDER_TEXT = (
    "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. "
    "You can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence "
    "to sidestep this requirement if you do not need ONNX exportability."
)
POSITIVE_TEXT = (
    "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
)
DTYPES = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]
CASTS = {
    "double": "float64",
    "float": "float32",
    "half": "float16",
    "long": "int64",
    "int": "int32",
    "short": "int16",
    "char": "int8",
    "byte": "uint8",
}


@contextmanager
def raises(kind, text):
    """Expect exactly this class of exception and `text` somewhere in its message."""
    with pytest.raises(kind, match=re.escape(text)) as info:
        yield info
    assert type(info.value) is kind


def ragged(lengths, trailing=(), dtype="float64"):
    """Sequences whose values 1, 2, 3 ... differ from one another and from any padding."""
    rows = sum(lengths)
    values = np.arange(1, rows * math.prod(trailing) + 1).astype(dtype).reshape(rows, *trailing)
    return np.split(values, np.cumsum(lengths)[:-1])


def naive_pad(sequences, value=0, left=False):
    """The (B, T, *) batch, element by element."""
    steps = max(len(sequence) for sequence in sequences)
    batch = np.full((len(sequences), steps, *sequences[0].shape[1:]), value, sequences[0].dtype)
    for index, sequence in enumerate(sequences):
        for step, row in enumerate(sequence):
            batch[index, step + (steps - len(sequence) if left else 0)] = row
    return batch


def naive_pack(sequences):
    """Data, batch sizes and order of a packed batch, row by row."""
    order = sorted(range(len(sequences)), key=lambda index: -len(sequences[index]))
    data, sizes = [], []
    for step in range(max(map(len, sequences))):
        running = [index for index in order if len(sequences[index]) > step]
        data += [sequences[index][step] for index in running]
        sizes.append(len(running))
    return np.array(data, sequences[0].dtype), np.array(sizes), np.array(order)


def assert_equal(actual, expected):
    """Same dtype, shape and values, in a fresh array as results have to be."""
    expected = np.asarray(expected)
    assert isinstance(actual, np.ndarray)
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(actual, expected)
    assert actual.flags.c_contiguous and actual.flags.writeable and actual.flags.owndata


def packed_example():
    return pack_sequence(ragged([3, 2, 1], (2,)))


# ------------------------------------------------------------------------- documented examples


def test_documented_packing():
    packed = pack_sequence([np.array([1, 2, 3]), np.array([4, 5]), np.array([6])])
    assert_equal(packed.data, np.array([1, 4, 6, 2, 5, 3]))
    assert_equal(packed.batch_sizes, np.array([3, 2, 1]))
    assert packed.sorted_indices is None
    assert packed.unsorted_indices is None
    assert [list(s) for s in unpack_sequence(packed)] == [[1, 2, 3], [4, 5], [6]]


def test_documented_padded_batch():
    padded = np.array([[1, 2, 0], [3, 0, 0], [4, 5, 6]])
    packed = pack_padded_sequence(padded, [2, 1, 3], batch_first=True, enforce_sorted=False)
    expected = ([4, 1, 3, 5, 2, 6], [3, 2, 1], [2, 0, 1], [1, 2, 0])
    for field, values in zip(packed, expected, strict=True):
        assert_equal(field, np.array(values))
    back, lengths = pad_packed_sequence(packed, batch_first=True)
    assert_equal(back, padded)
    assert_equal(lengths, np.array([2, 1, 3]))


def test_documented_shapes():
    sequences = [np.ones((steps, 300)) for steps in (25, 22, 15)]
    padded = pad_sequence(sequences)
    assert padded.shape == (25, 3, 300)
    for sequence, back in zip(sequences, unpad_sequence(padded, [25, 22, 15]), strict=True):
        assert_equal(back, sequence)


def test_signatures():
    expected = {
        "PackedSequence": "(data, batch_sizes=None, sorted_indices=None, unsorted_indices=None)",
        "invert_permutation": "(permutation)",
        "pack_padded_sequence": "(input, lengths, batch_first=False, enforce_sorted=True)",
        "pad_packed_sequence": (
            "(sequence, batch_first=False, padding_value=0.0, total_length=None)"
        ),
        "pad_sequence": ("(sequences, batch_first=False, padding_value=0.0, padding_side='right')"),
        "unpad_sequence": "(padded_sequences, lengths, batch_first=False)",
        "pack_sequence": "(sequences, enforce_sorted=True)",
        "unpack_sequence": "(packed_sequences)",
    }
    assert sorted(rnn.__all__) == sorted(expected)
    for name, text in expected.items():
        signature = inspect.signature(getattr(rnn, name))
        bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
        assert str(inspect.Signature(bare)) == text


# ------------------------------------------------------------------- torch's own list, rebuilt


@pytest.mark.parametrize("trailing", [(), (4,), (4, 5), (4, 5, 6)])
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_round_trips(trailing, shuffled, batch_first):
    """Squares as lengths, 0 to 3 trailing axes, sorted and not, both layouts and sides."""
    lengths = [n * n for n in range(9, 0, -1)]
    if shuffled:
        random.Random(len(trailing)).shuffle(lengths)
    sequences = ragged(lengths, trailing)
    expected = naive_pad(sequences)
    padded = pad_sequence(sequences, batch_first)
    assert_equal(padded if batch_first else padded.swapaxes(0, 1).copy(), expected)
    for sequence, back in zip(sequences, unpad_sequence(padded, lengths, batch_first), strict=True):
        assert_equal(back, sequence)

    data, sizes, order = naive_pack(sequences)
    direct = pack_sequence(sequences, enforce_sorted=not shuffled)
    through_padding = pack_padded_sequence(padded, lengths, batch_first, not shuffled)
    for packed in (direct, through_padding):
        assert_equal(packed.data, data)
        assert_equal(packed.batch_sizes, sizes)
        if shuffled:
            assert_equal(packed.sorted_indices, order)
            assert_equal(packed.unsorted_indices, np.argsort(order))
        else:
            assert packed.sorted_indices is None and packed.unsorted_indices is None
        back, counts = pad_packed_sequence(packed, batch_first)
        assert_equal(back, padded)
        assert_equal(counts, np.array(lengths))
        for sequence, again in zip(sequences, unpack_sequence(packed), strict=True):
            assert_equal(again, sequence)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("value", [0.0, -1.5, np.inf])
def test_padding_side_and_value(side, value):
    sequences = ragged([2, 4, 1], (3,))
    expected = naive_pad(sequences, value, side == "left")
    assert_equal(pad_sequence(sequences, True, value, side), expected)
    assert_equal(pad_sequence(sequences, False, value, side), expected.swapaxes(0, 1).copy())


@pytest.mark.parametrize("batch_first", [False, True])
def test_total_length(batch_first):
    packed = pack_sequence(ragged([2, 5, 5], (3,)), enforce_sorted=False)
    shortest, lengths = pad_packed_sequence(packed, True, total_length=5)
    assert_equal(shortest, pad_packed_sequence(packed, True)[0])
    longer, same_lengths = pad_packed_sequence(packed, batch_first, -1, np.int64(8))
    longer = longer if batch_first else longer.swapaxes(0, 1).copy()
    assert_equal(longer[:, :5].copy(), np.where(shortest == 0, -1, shortest))
    assert (longer[:, 5:] == -1).all() and longer.shape == (3, 8, 3)
    assert_equal(same_lengths, lengths)
    for short in (4, 0, -1):
        with raises(
            ValueError,
            "Expected total_length to be at least the length of the longest sequence in input, "
            f"but got total_length={short} and max sequence length being 5",
        ):
            pad_packed_sequence(packed, total_length=short)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", CASTS)
def test_type_casts(dtype, method):
    data = np.array([1, 0, 1]).astype(dtype)
    packed = PackedSequence(data, np.array([2, 1]), np.array([1, 0]))
    before = data.copy()
    context = pytest.warns(np.exceptions.ComplexWarning) if "complex" in dtype else _no_context()
    with context:
        cast = getattr(packed, method)()
    assert cast.data.dtype == CASTS[method]
    assert_equal(cast.data, before.real.astype(CASTS[method]))
    assert (cast is packed) == (CASTS[method] == dtype)
    for field in ("batch_sizes", "sorted_indices", "unsorted_indices"):
        assert getattr(cast, field) is getattr(packed, field)
    assert_equal(data, before)


@contextmanager
def _no_context():
    yield


def test_to():
    packed = packed_example()
    for same in [(), (None,), ("cpu",), ("cpu", np.float64), (np.float64,), ("float64",), (float,)]:
        assert packed.to(*same) is packed
    assert packed.to(device="cpu", dtype=None) is packed
    assert packed.cpu() is packed
    for single in [(np.float32,), ("float32",), ("cpu", "f4"), (np.zeros(1, np.float32),)]:
        changed = packed.to(*single)
        assert changed.data.dtype == np.float32
        assert changed.batch_sizes is packed.batch_sizes
    assert packed.cpu(dtype=np.float32).data.dtype == np.float32
    assert packed.to(np.float32, False, True).data.dtype == np.float32
    copied = packed.to(np.float64, copy=True)
    assert copied is not packed and not np.shares_memory(copied.data, packed.data)
    with raises(TypeError, "to() received an invalid combination of arguments"):
        packed.to(np.float32, foo=1)
    with raises(TypeError, "dtype"):
        packed.to("S3")


def test_devices_are_clear_errors():
    packed = packed_example()
    assert packed.is_cuda is False
    assert packed.is_pinned() is False
    for call in (
        packed.cuda,
        lambda: packed.to("cuda"),
        lambda: packed.to("cuda:1", np.float32),
        lambda: packed.to(device="mps"),
        lambda: packed.to("nonsense"),
    ):
        with pytest.raises(RuntimeError, match=r"cpu|CPU"):
            call()
    with raises(RuntimeError, "Cannot access accelerator device when none is available"):
        packed.pin_memory()


def test_wrong_order():
    sequences = ragged([1, 2])
    with raises(RuntimeError, ORDER_TEXT):
        pack_sequence(sequences)
    with raises(RuntimeError, ORDER_TEXT):
        pack_padded_sequence(pad_sequence(sequences), [1, 2])


def test_array_as_sequences():
    """One array stands for the list of its rows; torch does the same with a tensor."""
    rows = np.arange(6.0).reshape(2, 3)
    assert_equal(pad_sequence(rows, batch_first=True), rows)
    assert_equal(pack_sequence(rows).data, rows.T.reshape(-1).copy())


@pytest.mark.parametrize("wrong", [5, None, 1.5])
def test_not_iterable(wrong):
    with raises(
        RuntimeError,
        f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(wrong)}",
    ):
        pad_sequence(wrong)


def test_empty_packed_sequence():
    empty = PackedSequence(np.zeros((0, 300)), np.zeros(0, np.int64))
    for function in (pad_packed_sequence, unpack_sequence):
        with raises(RuntimeError, "batch_sizes can not be empty"):
            function(empty)


# --------------------------------------------------------------------------- the named tuple


def test_is_a_named_tuple():
    packed = packed_example()
    assert isinstance(packed, tuple) and len(packed) == 4
    assert packed._fields == ("data", "batch_sizes", "sorted_indices", "unsorted_indices")
    data, batch_sizes, sorted_indices, unsorted_indices = packed
    assert data is packed.data and batch_sizes is packed.batch_sizes
    assert sorted_indices is unsorted_indices is None
    assert list(packed._asdict()) == list(packed._fields)
    replaced = packed._replace(data=data + 1)
    assert type(replaced) is PackedSequence
    assert replaced.batch_sizes is batch_sizes
    with pytest.raises(AttributeError):
        packed.data = data


def test_repr():
    assert repr(pack_sequence([[1, 2], [3]])) == (
        "PackedSequence(data=array([1, 3, 2]), batch_sizes=array([2, 1]), "
        "sorted_indices=None, unsorted_indices=None)"
    )


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol):
    packed = pack_sequence(ragged([1, 3, 2], (2,), "float32"), enforce_sorted=False)
    text = pickle.dumps(packed, protocol)
    assert b"pylstm.utils.rnn" in text and b"_packed" not in text
    for again in (pickle.loads(text), copy.deepcopy(packed)):
        assert type(again) is PackedSequence
        for field, expected in zip(again, packed, strict=True):
            np.testing.assert_array_equal(field, expected)
            assert field.dtype == expected.dtype and field is not expected


def test_constructor_forms():
    data, sizes = np.arange(3.0), np.array([2, 1])
    packed = PackedSequence(data, sizes, np.array([1, 0]))
    assert packed.data is data and packed.batch_sizes is sizes
    assert_equal(packed.unsorted_indices, np.array([1, 0]))
    pair = PackedSequence((data, sizes))
    assert pair.data is data and pair.batch_sizes is sizes
    assert_equal(PackedSequence([1, 2], [2]).batch_sizes, np.array([2]))
    for wrong in (data, (1, 2, 3), None):
        with raises(AssertionError, "Expected data to be a list or tuple of length 2"):
            PackedSequence(wrong)

    class Elsewhere:
        device = "cuda:0"

    with raises(ValueError, "batch_sizes should always be on CPU"):
        PackedSequence(data, Elsewhere())


def test_subclass_survives_conversion():
    class Tagged(PackedSequence):
        pass

    assert type(Tagged(np.zeros(2), np.array([2])).float()) is Tagged


class Foreign(NamedTuple):
    """Another library's packed sequence."""

    data: object
    batch_sizes: object
    sorted_indices: object = None
    unsorted_indices: object = None


def test_foreign_packed_sequence():
    foreign = Foreign([1, 3, 2], [2, 1])
    assert_equal(pad_packed_sequence(foreign)[0], np.array([[1, 3], [2, 0]]))
    assert [list(s) for s in unpack_sequence(foreign)] == [[1, 2], [3]]


# ------------------------------------------------------------------------------- permutations


def test_invert_permutation():
    assert invert_permutation(None) is None
    for dtype in (np.int64, np.int32):
        permutation = np.random.default_rng(0).permutation(50).astype(dtype)
        inverse = invert_permutation(permutation)
        assert_equal(inverse, np.argsort(permutation).astype(dtype))
    assert_equal(invert_permutation([]), np.zeros(0, np.int64))
    assert_equal(invert_permutation(np.array([1, 0], ">i8")), np.array([1, 0]))


@pytest.mark.parametrize(
    ("wrong", "kind", "text"),
    [
        ([1.0, 0.0], RuntimeError, "scatter(): Expected dtype int32/int64 for index"),
        ([True, False], RuntimeError, "scatter(): Expected dtype int32/int64 for index"),
        ([1, 5], RuntimeError, "index 5 is out of bounds for dimension 0 with size 2"),
        ([-1, 0], RuntimeError, "index -1 is out of bounds for dimension 0 with size 2"),
        ([0, 0], RuntimeError, "not a permutation: 1 is missing"),
        (
            [[1, 0]],
            IndexError,
            "Dimension out of range (expected to be in range of [-1, 0], but got 1)",
        ),
        ("10", TypeError, "permutation"),
    ],
)
def test_wrong_permutations(wrong, kind, text):
    with raises(kind, text):
        invert_permutation(wrong)


# -------------------------------------------------------------------------------------- inputs


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_are_kept(dtype):
    sequences = ragged([1, 3, 2], (2,), dtype)
    packed = pack_sequence(sequences, enforce_sorted=False)
    assert packed.data.dtype == dtype
    padded, lengths = pad_packed_sequence(packed)
    assert_equal(padded, pad_sequence(sequences))
    assert padded.dtype == dtype
    again = pack_padded_sequence(padded, lengths, enforce_sorted=False)
    assert_equal(again.data, packed.data)
    for sequence, back in zip(sequences, unpad_sequence(padded, lengths), strict=True):
        assert_equal(back, sequence)


def test_first_sequence_decides_the_dtype():
    padded = pad_sequence([np.array([1, 2]), np.array([1.5])])
    assert_equal(padded, np.array([[1, 1], [2, 0]]))
    assert_equal(pack_sequence([np.array([1, 2]), np.array([1.5])]).data, np.array([1, 1, 2]))


def test_odd_memory_layouts():
    batch = np.arange(60.0).reshape(5, 4, 3)
    expected = pack_padded_sequence(batch, [5, 3, 2, 1]).data
    layouts = [
        np.asfortranarray(batch),
        batch[::-1][::-1],
        batch.astype(">f8"),
        np.repeat(batch, 2, axis=0)[::2],
    ]
    layouts[0].flags.writeable = False
    for layout in layouts:
        packed = pack_padded_sequence(layout, [5, 3, 2, 1])
        assert_equal(packed.data, expected)
        assert packed.data.dtype.isnative
        swapped = pack_padded_sequence(layout.swapaxes(0, 1), [5, 3, 2, 1], batch_first=True)
        assert_equal(swapped.data, expected)
        strange = packed._replace(data=np.asfortranarray(packed.data.astype(">f8")))
        for one, two in zip(unpack_sequence(packed), unpack_sequence(strange), strict=True):
            assert_equal(two, one)
        for one in unpad_sequence(layout, [5, 3, 2, 1]):
            assert_equal(one, one)
        assert_equal(pad_packed_sequence(strange)[0], pad_packed_sequence(packed)[0])
        assert_equal(pad_sequence([layout[:, 0]]), batch[:, :1])


@pytest.mark.parametrize(
    "lengths",
    [
        [3, 2, 1],
        (3, 2, 1),
        range(3, 0, -1),
        np.array([3, 2, 1], np.int32),
        np.array([3, 2, 1], np.uint64),
        np.array([3, 2, 1], ">i2"),
        [3.7, 2.2, 1.0],
        np.array([3.7, 2.2, 1.0], np.float16),
        [np.int64(3), np.float32(2), 1],
    ],
)
def test_spellings_of_lengths(lengths):
    expected = pack_padded_sequence(np.arange(12).reshape(4, 3), np.array([3, 2, 1]))
    packed = pack_padded_sequence(np.arange(12).reshape(4, 3), lengths)
    assert_equal(packed.data, expected.data)
    assert_equal(packed.batch_sizes, expected.batch_sizes)


def test_fractional_lengths_of_unpad_sequence():
    """A step belongs to a sequence if its index is below the length, whole or not."""
    parts = unpad_sequence(np.ones((4, 3)), [1.5, 2.0, 0.0])
    assert [len(part) for part in parts] == [2, 2, 0]


def test_generators_and_lists():
    expected = pack_sequence(ragged([3, 2]))
    assert_equal(pack_sequence(list(s) for s in ragged([3, 2])).data, expected.data)
    assert_equal(pad_sequence(iter(ragged([3, 2]))), pad_sequence(ragged([3, 2])))


def test_ties_keep_their_order():
    """torch sorts unstably from 17 sequences on; here ties never move."""
    lengths = np.random.default_rng(1).integers(1, 4, 200)
    packed = pack_padded_sequence(np.ones((3, 200)), lengths, enforce_sorted=False)
    assert_equal(packed.sorted_indices, np.argsort(-lengths, kind="stable"))


def test_broadcast_trailing_sizes():
    """Sizes of 1 stretch, as they do in torch."""
    wide, narrow = np.ones((2, 3)), np.full((3, 1), 7.0)
    expected = naive_pad([wide, np.full((3, 3), 7.0)])
    assert_equal(pad_sequence([wide, narrow], batch_first=True), expected)
    packed = pack_sequence([wide, narrow], enforce_sorted=False)
    assert_equal(pad_packed_sequence(packed, True)[0], expected)


def test_zero_length_sequences_pad():
    padded = pad_sequence([np.zeros(0), np.ones(2)], batch_first=True)
    assert_equal(padded, np.array([[0.0, 0.0], [1.0, 1.0]]))
    assert pad_sequence([np.zeros((0, 3))] * 2).shape == (0, 2, 3)
    assert [len(s) for s in unpad_sequence(padded, [0, 2], batch_first=True)] == [0, 2]


def test_huge_broadcast_input_costs_nothing():
    """Memory follows the real steps, not the nominal size of the padded batch."""
    endless = np.broadcast_to(np.float32(1), (2**40, 2))
    assert pack_padded_sequence(endless, [2, 1]).data.shape == (3,)
    assert [len(s) for s in unpad_sequence(endless, [2, 1])] == [2, 1]


def test_pack_sequence_does_not_pad():
    """One long sequence among many short ones would take 8 GB if it were padded."""
    sequences = [np.ones((100_000, 1), np.float32)] + [np.ones((1, 1), np.float32)] * 20_000
    packed = pack_sequence(sequences)
    assert packed.data.shape == (120_000, 1)
    assert len(unpack_sequence(packed)) == 20_001


def test_arguments_are_left_alone():
    sequences = ragged([1, 4, 2], (2,))
    lengths = np.array([1, 4, 2])
    padded = pad_sequence(sequences)
    packed = pack_sequence(sequences, enforce_sorted=False)
    arguments = [*sequences, lengths, padded, *packed]
    before = [(a.shape, a.strides, a.tobytes()) for a in arguments]
    for a in arguments:
        a.flags.writeable = False
    results = [
        padded,
        *unpad_sequence(padded, lengths),
        *pack_padded_sequence(padded, lengths, enforce_sorted=False),
        *pad_packed_sequence(packed),
        *unpack_sequence(packed),
        pad_sequence(sequences),
        *pack_sequence(sequences, enforce_sorted=False),
        invert_permutation(packed.sorted_indices),
    ][1:]
    assert before == [(a.shape, a.strides, a.tobytes()) for a in arguments]
    for result in results:
        assert not any(np.shares_memory(result, a) for a in arguments)


# --------------------------------------------------------------------------------- wrong calls


BATCH = np.arange(24.0).reshape(4, 3, 2)
NOT_VECTOR = "'lengths' argument should be a 1D CPU int64 tensor, but got {}D cpu Long tensor"


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ((np.zeros((0, 3)), [1, 1, 1]), RuntimeError, "Cannot pack empty tensors."),
        ((np.zeros((4, 3, 0)), [1, 1, 1]), RuntimeError, "Cannot pack empty tensors."),
        ((BATCH, [[1, 1, 1]]), RuntimeError, NOT_VECTOR.format(2)),
        ((BATCH, 3), RuntimeError, NOT_VECTOR.format(0)),
        (
            (BATCH, [1, 1]),
            RuntimeError,
            "Expected `len(lengths)` to be equal to batch_size, but got 2 (batch_size=3)",
        ),
        (
            (BATCH, [1, 1, 1], True, False),
            RuntimeError,
            "Expected `len(lengths)` to be equal to batch_size, but got 3 (batch_size=4)",
        ),
        ((BATCH, []), RuntimeError, "Expected `len(lengths)` to be equal to batch_size"),
        ((BATCH, [2, 1, 0]), RuntimeError, POSITIVE_TEXT),
        ((BATCH, [2, 1, -1]), RuntimeError, POSITIVE_TEXT),
        ((BATCH, [-1, 2, 1], False, False), RuntimeError, POSITIVE_TEXT),
        ((BATCH, [-(2**63), 2, 1], False, False), RuntimeError, POSITIVE_TEXT),
        ((BATCH, [2, 0, 1]), RuntimeError, ORDER_TEXT),
        ((BATCH, [9, 2, 3]), RuntimeError, ORDER_TEXT),
        ((BATCH, [5, 2, 1]), RuntimeError, "at most 4, the padded length, but got 5"),
        ((BATCH, [1, 2**62, 1], False, False), RuntimeError, "at most 4, the padded length"),
        ((BATCH, [2**63, 2, 1]), ValueError, "Overflow when unpacking long long"),
        ((BATCH, [2**70, 2, 1]), ValueError, "Overflow when unpacking long long"),
        (
            (BATCH, [np.nan, 1, 1]),
            RuntimeError,
            "value cannot be converted to type int64 without overflow",
        ),
        (
            (BATCH, np.array([np.inf, 1, 1], np.float32)),
            RuntimeError,
            "value cannot be converted to type int64 without overflow",
        ),
        (
            (BATCH, np.array([2**64 - 1, 1, 1], np.uint64)),
            RuntimeError,
            "value cannot be converted to type int64 without overflow",
        ),
        ((BATCH, None), TypeError, "'NoneType' object cannot be interpreted as an integer"),
        ((BATCH, "abc"), TypeError, "new(): invalid data type 'str'"),
        ((BATCH, [1j, 1, 1]), TypeError, "'complex' object cannot be interpreted as an integer"),
        ((BATCH, {1: 2}), TypeError, "'dict' object cannot be interpreted as an integer"),
        ((BATCH, ["a", "b", "c"]), TypeError, "lengths"),
        ((BATCH, [3, None, 1]), TypeError, "lengths"),
        (
            (np.zeros(4), [1, 1, 1, 1]),
            IndexError,
            "Dimension out of range (expected to be in range of [-1, 0], but got 1)",
        ),
        (
            (BATCH, [3, 2, 1], 1),
            TypeError,
            "_pack_padded_sequence(): argument 'batch_first' (position 3) must be bool, not int",
        ),
        (
            ("abc", [1]),
            TypeError,
            "_pack_padded_sequence(): argument 'input' (position 1) must be Tensor, not str",
        ),
        ((np.array([["a"]]), [1]), TypeError, "input"),
        ((np.ma.masked_array(BATCH, BATCH > 3), [3, 2, 1]), TypeError, "mask"),
    ],
)
def test_wrong_pack_padded_sequence(arguments, kind, text):
    with raises(kind, text):
        pack_padded_sequence(*arguments)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ((np.arange(6.0), [2, 1]), "batch_sizes must add up to the 6 rows of data"),
        ((np.arange(2.0), [2, 1]), "batch_sizes must add up to the 2 rows of data"),
        ((np.arange(2.0), [2**62, 2**62, 2**62, 2**62]), "batch_sizes must add up"),
        ((np.arange(1.0), [2, -1]), "batch_sizes must be positive and must not increase"),
        ((np.arange(2.0), [2, 0]), "batch_sizes must be positive and must not increase"),
        ((np.arange(5.0), [2, 3]), "batch_sizes must be positive and must not increase"),
        ((np.arange(5.0), [[2, 3]]), NOT_VECTOR.format(2)),
        ((np.arange(5.0), 5), NOT_VECTOR.format(0)),
        ((np.arange(5.0), [3.0, 2.0]), "int64 tensor, but got 1D cpu Double tensor"),
        ((np.arange(5.0), np.array([3, 2], np.int32)), "but got 1D cpu Int tensor"),
        ((np.float64(1), [1]), "ArrayRef: invalid slice, N = 1; size = 0"),
        ((np.arange(2.0), [2], None, [5, 0]), "index 5 is out of bounds"),
        ((np.arange(2.0), [2], None, [0, 0]), "not a permutation"),
        ((np.arange(2.0), [2], None, [0]), "unsorted_indices must hold 2 indices"),
    ],
)
def test_inconsistent_packed_sequences(fields, text):
    packed = PackedSequence(*fields)
    for function in (pad_packed_sequence, unpack_sequence):
        with raises(RuntimeError, text):
            function(packed)


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        (
            {"total_length": 5.0},
            TypeError,
            "_pad_packed_sequence(): argument 'total_length' (position 5) must be int, not float",
        ),
        ({"total_length": 2.5}, ValueError, "but got total_length=2.5"),
        ({"total_length": np.nan}, TypeError, "must be int, not float"),
        ({"total_length": "5"}, TypeError, "not supported between instances of 'str' and 'int'"),
        ({"total_length": 2**70}, ValueError, "Overflow when unpacking long long"),
        (
            {"batch_first": None},
            TypeError,
            "argument 'batch_first' (position 3) must be bool, not NoneType",
        ),
        (
            {"padding_value": "a"},
            TypeError,
            "_pad_packed_sequence(): argument 'padding_value' (position 4) must be Number, not str",
        ),
        ({"padding_value": None}, TypeError, "must be Number, not NoneType"),
        ({"padding_value": [0.0]}, TypeError, "must be Number, not list"),
        ({"padding_value": 2**70}, OverflowError, "int too big to convert"),
        (
            {"padding_value": 1j},
            RuntimeError,
            "value cannot be converted to type double without overflow",
        ),
    ],
)
def test_wrong_pad_packed_sequence(options, kind, text):
    with raises(kind, text):
        pad_packed_sequence(packed_example(), **options)


@pytest.mark.parametrize("function", [pad_packed_sequence, unpack_sequence])
@pytest.mark.parametrize("wrong", [None, BATCH, [1, 2]])
def test_not_a_packed_sequence(function, wrong):
    with raises(AttributeError, "object has no attribute 'batch_sizes'"):
        function(wrong)


@pytest.mark.parametrize(
    ("dtype", "value", "stored"),
    [
        ("bool", 7, True),
        ("bool", np.nan, True),
        ("int8", 1.9, 1),
        ("int64", -1.9, -1),
        ("uint8", -1, 255),
        ("float16", np.float32(0.5), 0.5),
        ("float32", -np.inf, -np.inf),
        ("float32", np.array(2), 2.0),
        ("complex64", 1j, 1j),
        ("float32", 1 + 0j, 1.0),
    ],
)
def test_padding_values_are_converted(dtype, value, stored):
    packed = pack_sequence(ragged([2, 1], dtype=dtype))
    assert pad_packed_sequence(packed, padding_value=value)[0][1, 1] == stored


@pytest.mark.parametrize(
    ("dtype", "value", "name"),
    [
        ("int64", np.nan, "int64_t"),
        ("int64", np.inf, "int64_t"),
        ("int64", 2.0**63, "int64_t"),
        ("int32", 2**31, "int"),
        ("int8", 127.5, "int8_t"),
        ("uint8", 256, "uint8_t"),
        ("uint8", -256, "uint8_t"),
        ("uint8", -1.5, "uint8_t"),
        ("float16", 65520, "c10::Half"),
        ("float32", 1e39, "float"),
        ("complex64", 1e39, "c10::complex<float>"),
    ],
)
def test_padding_values_that_do_not_fit(dtype, value, name):
    sequences = ragged([2, 1], dtype=dtype)
    text = f"value cannot be converted to type {name} without overflow"
    with raises(RuntimeError, text):
        pad_packed_sequence(pack_sequence(sequences), padding_value=value)
    with raises(RuntimeError, text):
        pad_sequence(sequences, padding_value=value)


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        (([],), RuntimeError, "received an empty list of sequences"),
        ((iter(()),), RuntimeError, "received an empty list of sequences"),
        ((np.zeros((0, 2)),), RuntimeError, "received an empty list of sequences"),
        (
            ([np.ones(1)], False, 0.0, "up"),
            RuntimeError,
            "Expected padding_side to be one of left or right, but got up.",
        ),
        (
            ([np.ones(1)], False, 0.0, None),
            TypeError,
            "pad_sequence(): argument 'padding_side' (position 4) must be str, not NoneType",
        ),
        (
            ([np.ones(1)], "x"),
            TypeError,
            "pad_sequence(): argument 'batch_first' (position 2) must be bool, not str",
        ),
        (
            ([np.ones(1)], False, 1j),
            TypeError,
            "pad_sequence(): argument 'padding_value' (position 3) must be float, not complex",
        ),
        (
            ([np.ones((2, 3)), np.ones((2, 4))],),
            RuntimeError,
            "The size of tensor a (3) must match the size of tensor b (4) "
            "at non-singleton dimension 1",
        ),
        (
            ([np.ones((2, 1)), np.ones((2, 3))],),
            RuntimeError,
            "output with shape [2, 1] doesn't match the broadcast shape [2, 3]",
        ),
        (
            ([np.ones((2, 3)), np.ones((1, 2, 3))],),
            RuntimeError,
            "output with shape [1, 3] doesn't match the broadcast shape [1, 2, 3]",
        ),
        (([1.0, 2.0],), TypeError, "expected Tensor as element 0 in argument 0, but got float"),
        (("abc",), TypeError, "expected Tensor as element 0 in argument 0, but got str"),
        (
            ([np.ones(2), None],),
            TypeError,
            "expected Tensor as element 1 in argument 0, but got NoneType",
        ),
        (([np.array(1.0)],), RuntimeError, "ArrayRef: invalid slice, N = 1; size = 0"),
        (
            ([np.ones(2), np.array(1.0)],),
            IndexError,
            "Dimension specified as 0 but tensor has no dimensions",
        ),
    ],
)
def test_wrong_pad_sequence(arguments, kind, text):
    with raises(kind, text):
        pad_sequence(*arguments)


@pytest.mark.parametrize(
    ("sequences", "kind", "text"),
    [
        ([], RuntimeError, "received an empty list of sequences"),
        ([np.ones(2), np.ones(0)], RuntimeError, POSITIVE_TEXT),
        ([np.ones(0), np.ones(2)], RuntimeError, ORDER_TEXT),
        ([np.ones(0), np.ones(0)], RuntimeError, "Cannot pack empty tensors."),
        ([np.ones((2, 0))], RuntimeError, "Cannot pack empty tensors."),
        (None, TypeError, "'NoneType' object is not iterable"),
        (
            [np.array(1.0)],
            IndexError,
            "Dimension specified as 0 but tensor has no dimensions",
        ),
        (
            [np.ones((2, 3)), np.ones((2, 4))],
            RuntimeError,
            "The size of tensor a (3) must match the size of tensor b (4)",
        ),
    ],
)
def test_wrong_pack_sequence(sequences, kind, text):
    with raises(kind, text):
        pack_sequence(sequences)


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ((BATCH, [1, 1]), ValueError, "zip() argument 2 is shorter than argument 1"),
        ((BATCH, [1] * 4), ValueError, "zip() argument 2 is longer than argument 1"),
        ((BATCH, [1, 5, 1]), RuntimeError, "from 0 to 4, the padded length, but got 5"),
        ((BATCH, [1, -1, 1]), RuntimeError, "from 0 to 4, the padded length, but got -1"),
        ((BATCH, [1, np.nan, 1]), RuntimeError, "cannot be converted to type int64"),
        ((BATCH, 1), TypeError, "iteration over a 0-d tensor"),
        ((BATCH, [[1], [1], [1]]), RuntimeError, NOT_VECTOR.format(2)),
        ((np.ones(4), [1]), IndexError, "Dimension out of range"),
        ((np.ones(4), [1], True), IndexError, "tuple index out of range"),
        (("abc", [1]), TypeError, "padded_sequences"),
    ],
)
def test_wrong_unpad_sequence(arguments, kind, text):
    with raises(kind, text):
        unpad_sequence(*arguments)
