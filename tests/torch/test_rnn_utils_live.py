"""utils.rnn beside torch.nn.utils.rnn: random batches and wrong calls, the same for both."""

import numpy as np
import pytest

from pylstm.utils import rnn as ours

# The submodule, since this folder itself would do for a module of the name "torch".
theirs = pytest.importorskip("torch.nn.utils.rnn")
import torch  # noqa: E402

CASES = 320
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
# Up to this many sequences torch keeps the order of ties, as pylstm always does.
STABLE_BATCH = 16


def assert_equal(actual, expected):
    """Equal types, dtypes, shapes and values of an array and a tensor, or of nests of them."""
    if expected is None:
        assert actual is None
    elif isinstance(expected, torch.Tensor):
        assert isinstance(actual, np.ndarray)
        assert f"torch.{actual.dtype.name}" == str(expected.dtype)
        assert actual.shape == tuple(expected.shape)
        np.testing.assert_array_equal(actual, expected.numpy())
    else:
        assert type(actual).__name__ == type(expected).__name__
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            assert_equal(one, other)


class Case:
    """A random batch of sequences and random options."""

    def __init__(self, seed):
        draw = np.random.default_rng(seed)
        self.dtype = DTYPES[seed % len(DTYPES)]
        batch = int(draw.integers(1, STABLE_BATCH + 1))
        longest = int(draw.integers(1, 13))
        lengths = draw.integers(1, longest + 1, batch)
        self.enforce_sorted = bool(draw.integers(2))
        self.lengths = np.sort(lengths)[::-1].copy() if self.enforce_sorted else lengths
        self.trailing = tuple(draw.integers(1, 4, draw.integers(0, 4)))
        self.batch_first = bool(draw.integers(2))
        self.side = ("left", "right")[draw.integers(2)]
        self.value = self.padding(draw)
        self.extra = int(draw.integers(0, 3))
        self.sequences = [self.numbers(draw, (n, *self.trailing)) for n in self.lengths]
        # Longer than the longest sequence: the steps beyond it are cut off.
        steps = int(self.lengths.max()) + self.extra
        shape = (batch, steps) if self.batch_first else (steps, batch)
        self.padded = self.numbers(draw, shape + self.trailing)

    def numbers(self, draw, shape):
        values = draw.normal(0, 30, shape).clip(-120, 120)
        if self.dtype == "bool":
            return values > 0
        if self.dtype.startswith("uint"):
            values = np.abs(values)
        if self.dtype.startswith("complex"):
            values = values + 1j * draw.normal(0, 30, shape)
        return values.astype(self.dtype)

    def padding(self, draw):
        choices = [0.0, 1.0, 7, 2.75]
        if not self.dtype.startswith(("u", "i", "b")):
            choices += [-1.5, float("inf"), float("nan")]
        return choices[draw.integers(len(choices))]


@pytest.fixture(scope="module", params=range(8))
def cases(request):
    """A share of the random cases; all eight functions are asked about each one."""
    share = CASES // 8
    return [Case(seed) for seed in range(request.param * share, (request.param + 1) * share)]


def tensors(arrays):
    return [torch.from_numpy(array) for array in arrays]


def test_packing(cases):
    for case in cases:
        arguments = (case.batch_first, case.enforce_sorted)
        expected = theirs.pack_padded_sequence(
            torch.from_numpy(case.padded), torch.from_numpy(case.lengths), *arguments
        )
        for lengths in (case.lengths, case.lengths.tolist(), torch.from_numpy(case.lengths)):
            assert_equal(ours.pack_padded_sequence(case.padded, lengths, *arguments), expected)
        padded = torch.from_numpy(case.padded)
        assert_equal(ours.pack_padded_sequence(padded, case.lengths, *arguments), expected)
        packed = ours.pack_sequence(case.sequences, case.enforce_sorted)
        expected = theirs.pack_sequence(tensors(case.sequences), case.enforce_sorted)
        assert_equal(packed, expected)
        assert_equal(ours.pack_sequence(tensors(case.sequences), case.enforce_sorted), expected)
        if not case.enforce_sorted:
            assert_equal(
                ours.invert_permutation(packed.sorted_indices),
                theirs.invert_permutation(expected.sorted_indices),
            )


def test_padding_a_packed_batch(cases):
    for case in cases:
        packed = ours.pack_sequence(case.sequences, case.enforce_sorted)
        their_packed = theirs.pack_sequence(tensors(case.sequences), case.enforce_sorted)
        total = int(case.lengths.max()) + case.extra if case.extra else None
        arguments = (case.batch_first, case.value, total)
        expected = theirs.pad_packed_sequence(their_packed, *arguments)
        assert_equal(ours.pad_packed_sequence(packed, *arguments), expected)
        assert_equal(ours.pad_packed_sequence(their_packed, *arguments), expected)
        expected = theirs.unpack_sequence(their_packed)
        assert_equal(ours.unpack_sequence(packed), expected)
        assert_equal(ours.unpack_sequence(their_packed), expected)


def test_padding_sequences(cases):
    for case in cases:
        arguments = (case.batch_first, case.value, case.side)
        expected = theirs.pad_sequence(tensors(case.sequences), *arguments)
        padded = ours.pad_sequence(case.sequences, *arguments)
        assert_equal(padded, expected)
        assert_equal(ours.pad_sequence(tensors(case.sequences), *arguments), expected)
        lengths = torch.from_numpy(case.lengths)
        parts = theirs.unpad_sequence(expected.clone(), lengths, case.batch_first)
        assert_equal(ours.unpad_sequence(padded, case.lengths, case.batch_first), parts)
        assert_equal(ours.unpad_sequence(expected, lengths, case.batch_first), parts)


@pytest.mark.filterwarnings("ignore:Casting complex values")
@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
def test_conversions(cases):
    methods = ["cpu", "double", "float", "half", "long", "int", "short", "char", "byte"]
    for case in cases:
        # Quarters, since torch rounds float64 to float16 by way of float32, thus twice; and what a
        # negative number becomes in an unsigned type is the platform's choice.
        sequences = [
            (np.abs(sequence.real) * 4 // 1 / 4).astype(case.dtype) for sequence in case.sequences
        ]
        packed = ours.pack_sequence(sequences, case.enforce_sorted)
        their_packed = theirs.pack_sequence(tensors(sequences), case.enforce_sorted)
        for method in methods:
            cast, expected = getattr(packed, method)(), getattr(their_packed, method)()
            assert_equal(cast, expected)
            assert (cast is packed) == (expected is their_packed)
        for dtype in (torch.float32, torch.int64):
            assert_equal(packed.to(dtype), their_packed.to(dtype))
            assert_equal(packed.to("cpu", dtype), their_packed.to("cpu", dtype))
            other = torch.zeros(1, dtype=dtype)
            assert_equal(packed.to(other), their_packed.to(other))
        assert packed.is_cuda is their_packed.is_cuda is False
        assert packed.is_pinned() is their_packed.is_pinned() is False


def test_big_batches_up_to_the_order_of_ties():
    lengths = np.random.default_rng(3).integers(1, 6, 100)
    sequences = [np.arange(float(n)) for n in lengths]
    packed = ours.pack_sequence(sequences, enforce_sorted=False)
    expected = theirs.pack_sequence(tensors(sequences), enforce_sorted=False)
    assert_equal(packed.batch_sizes, expected.batch_sizes)
    assert_equal(ours.pad_packed_sequence(packed), theirs.pad_packed_sequence(expected))


def test_the_named_tuple():
    packed = ours.pack_sequence([[1, 2], [3]])
    expected = theirs.pack_sequence(tensors([np.array([1, 2]), np.array([3])]))
    assert packed._fields == expected._fields
    assert repr(packed) == repr(expected).replace("tensor(", "array(")
    assert type(packed).__qualname__ == type(expected).__qualname__
    public = {name for name in dir(expected) if not name.startswith("_")}
    assert public <= set(dir(packed))


def test_torch_transposes_the_argument_of_unpad_sequence_and_pylstm_does_not():
    padded = torch.zeros(4, 3, 2)
    ours.unpad_sequence(padded, [4, 2, 1])
    assert padded.shape == (4, 3, 2)
    theirs.unpad_sequence(padded, torch.tensor([4, 2, 1]))
    assert padded.shape == (3, 4, 2)


# --------------------------------------------------------------------------------- wrong calls

BATCH = np.arange(24.0).reshape(4, 3, 2)
NAN = float("nan")


def i64(*values):
    return np.array(values, np.int64)


def packed_of(r, a, dtype="float64"):
    return r.pack_sequence([a(np.ones(2, dtype)), a(np.ones(1, dtype))])


def pad_packed(dtype="float64", **options):
    return lambda r, a: r.pad_packed_sequence(packed_of(r, a, dtype), **options)


def pack(*arguments, **options):
    return lambda r, a: r.pack_padded_sequence(a(BATCH), *arguments, **options)


def pad(*sequences, **options):
    return lambda r, a: r.pad_sequence([a(np.asarray(s)) for s in sequences], **options)


# Each call gets a module and a function that makes its arrays.
WRONG_CALLS = {
    "pack no rows": lambda r, a: r.pack_padded_sequence(a(np.ones((0, 3))), [1, 1, 1]),
    "pack no columns": lambda r, a: r.pack_padded_sequence(a(np.ones((4, 0))), []),
    "pack no features": lambda r, a: r.pack_padded_sequence(a(np.ones((4, 1, 0))), [1]),
    "pack empty vector": lambda r, a: r.pack_padded_sequence(a(np.ones(0)), [1]),
    "pack vector": lambda r, a: r.pack_padded_sequence(a(np.ones(4)), [1, 1, 1, 1]),
    "pack vector batch first": lambda r, a: r.pack_padded_sequence(a(np.ones(4)), [4], True),
    "pack vector unsorted": lambda r, a: r.pack_padded_sequence(
        a(np.ones(4)), [1] * 4, enforce_sorted=False
    ),
    "pack str": lambda r, a: r.pack_padded_sequence("abc", [1]),
    "pack None": lambda r, a: r.pack_padded_sequence(None, [1]),
    "pack nothing": lambda r, a: r.pack_padded_sequence(),
    "pack keyword": pack([3, 2, 1], foo=1),
    "pack batch_first int": pack([3, 2, 1], batch_first=1),
    "pack batch_first str": pack([3, 2, 1], batch_first="x"),
    "pack batch_first None": pack([3, 2, 1], batch_first=None),
    "pack lengths 2-D": pack([[1, 1, 1]]),
    "pack lengths 0-D": pack(3),
    "pack lengths 0-D unsorted": pack(3, enforce_sorted=False),
    "pack lengths few": pack([1, 1]),
    "pack lengths many": pack([1, 1, 1, 1]),
    "pack lengths none": pack([]),
    "pack lengths batch first": pack([1, 1], batch_first=True),
    "pack lengths zero": pack([2, 1, 0]),
    "pack lengths zero unsorted": pack([2, 0, 1], enforce_sorted=False),
    "pack lengths zero inside": pack([2, 0, 1]),
    "pack lengths negative": pack([2, 1, -1]),
    "pack lengths negative unsorted": pack([-1, 2, 1], enforce_sorted=False),
    "pack lengths order": pack([1, 2, 3]),
    "pack lengths order before size": pack([9, 2, 3]),
    "pack lengths nan": pack([NAN, 2, 1]),
    "pack lengths inf": pack([float("inf"), 2, 1]),
    "pack lengths 1e30": pack([1e30, 2, 1]),
    "pack lengths 2**70": pack([2**70, 2, 1]),
    "pack lengths 2**63": pack([2**63, 2, 1]),
    "pack lengths str": pack("abc"),
    "pack lengths bytes": pack(b"abc"),
    "pack lengths None": pack(None),
    "pack lengths dict": pack({1: 2}),
    "pack lengths set": pack({3}),
    "pack lengths generator": pack(n for n in (3, 2, 1)),
    "pack lengths complex": pack([2j, 1, 1]),
    "total 0": pad_packed(total_length=0),
    "total -1": pad_packed(total_length=-1),
    "total 1": pad_packed(total_length=1),
    "total 0.5": pad_packed(total_length=0.5),
    "total float": pad_packed(total_length=5.0),
    "total str": pad_packed(total_length="5"),
    "total bool": lambda r, a: r.pad_packed_sequence(
        r.pack_sequence([a(np.ones(1))]), total_length=True
    ),
    "total huge": pad_packed(total_length=2**70),
    "pad_packed batch_first": pad_packed(batch_first=1),
    "pad_packed None": lambda r, a: r.pad_packed_sequence(None),
    "pad_packed padding str": pad_packed(padding_value="a"),
    "pad_packed padding None": pad_packed(padding_value=None),
    "pad_packed padding complex": pad_packed(padding_value=1j),
    "pad_packed padding float32": pad_packed("float32", padding_value=1e39),
    "pad_packed padding float32 complex": pad_packed("float32", padding_value=1j),
    "pad_packed padding float16": pad_packed("float16", padding_value=65520),
    "pad_packed padding complex64": pad_packed("complex64", padding_value=1e39),
    "pad_packed padding int64 nan": pad_packed("int64", padding_value=NAN),
    "pad_packed padding int64 inf": pad_packed("int64", padding_value=float("inf")),
    "pad_packed padding int64 1e30": pad_packed("int64", padding_value=1e30),
    "pad_packed padding 2**70": pad_packed("int64", padding_value=2**70),
    "pad_packed padding float 2**70": pad_packed(padding_value=2**70),
    "pad_packed padding int32": pad_packed("int32", padding_value=2**31),
    "pad_packed padding int16": pad_packed("int16", padding_value=-(2**15) - 1),
    "pad_packed padding int8": pad_packed("int8", padding_value=127.5),
    "pad_packed padding uint8": pad_packed("uint8", padding_value=300),
    "pad_packed padding uint8 low": pad_packed("uint8", padding_value=-256),
    "pad_packed padding uint8 fraction": pad_packed("uint8", padding_value=-0.5),
    "pad_packed empty": lambda r, a: r.pad_packed_sequence(
        r.PackedSequence(a(np.ones((0, 2))), a(i64()))
    ),
    "pad_packed empty total": lambda r, a: r.pad_packed_sequence(
        r.PackedSequence(a(np.ones((0, 2))), a(i64())), total_length=3
    ),
    "pad_packed empty total -1": lambda r, a: r.pad_packed_sequence(
        r.PackedSequence(a(np.ones((0, 2))), a(i64())), total_length=-1
    ),
    "pad_packed sizes float": lambda r, a: r.pad_packed_sequence(
        r.PackedSequence(a(np.ones(5)), a(np.array([3.0, 2.0])))
    ),
    "pad_packed sizes empty float": lambda r, a: r.pad_packed_sequence(
        r.PackedSequence(a(np.ones(0)), a(np.ones(0, np.float32)))
    ),
    "pad_packed sizes int32": lambda r, a: r.pad_packed_sequence(
        r.PackedSequence(a(np.ones(5)), a(np.array([3, 2], np.int32)))
    ),
    "pad_packed sizes 2-D": lambda r, a: r.pad_packed_sequence(
        r.PackedSequence(a(np.ones(5)), a(np.array([[3, 2]])))
    ),
    "pad_packed data 0-D": lambda r, a: r.pad_packed_sequence(
        r.PackedSequence(a(np.array(1.0)), a(i64(1)))
    ),
    "unpack None": lambda r, a: r.unpack_sequence(None),
    "unpack empty": lambda r, a: r.unpack_sequence(
        r.PackedSequence(a(np.ones((0, 2))), a(i64()))
    ),
    "packed no sizes": lambda r, a: r.PackedSequence(a(np.ones(2))),
    "packed triple": lambda r, a: r.PackedSequence((1, 2, 3)),
    "packed nothing": lambda r, a: r.PackedSequence(),
    "packed assign": lambda r, a: setattr(packed_of(r, a), "data", 1),
    "packed pin_memory": lambda r, a: packed_of(r, a).pin_memory(),
    "packed to keyword": lambda r, a: packed_of(r, a).to(foo=1),
    "packed to twice": lambda r, a: packed_of(r, a).to(torch.half, torch.half),
    "packed sorted range": lambda r, a: r.PackedSequence(a(np.ones(2)), a(i64(2)), a(i64(0, 5))),
    "pad int": lambda r, a: r.pad_sequence(3),
    "pad None": lambda r, a: r.pad_sequence(None),
    "pad empty": lambda r, a: r.pad_sequence([]),
    "pad empty array": lambda r, a: r.pad_sequence(a(np.ones((0, 2)))),
    "pad empty iterator": lambda r, a: r.pad_sequence(iter(())),
    "pad empty side": pad(padding_side="up"),
    "pad str": lambda r, a: r.pad_sequence("abc"),
    "pad dict": lambda r, a: r.pad_sequence({1: 2}),
    "pad numbers": lambda r, a: r.pad_sequence([1.0, 2.0]),
    "pad None inside": lambda r, a: r.pad_sequence([a(np.ones(2)), None]),
    "pad vector": lambda r, a: r.pad_sequence(a(np.ones(2))),
    "pad 0-D": pad(1.0),
    "pad 0-D second": pad([1.0, 2.0], 1.0),
    "pad side": pad([1.0], padding_side="up"),
    "pad side case": pad([1.0], padding_side="LEFT"),
    "pad side None": pad([1.0], padding_side=None),
    "pad side int": pad([1.0], padding_side=1),
    "pad batch_first": pad([1.0], batch_first=1),
    "pad batch_first None": pad([1.0], batch_first=None),
    "pad trailing": pad(np.ones((2, 3)), np.ones((2, 4))),
    "pad trailing of two": pad(np.ones((2, 3, 4)), np.ones((2, 5, 6))),
    "pad trailing narrow": pad(np.ones((2, 1)), np.ones((2, 3))),
    "pad trailing none": pad(np.ones((2, 0)), np.ones((3, 2))),
    "pad rank less": pad(np.ones((2, 3)), np.ones(2)),
    "pad rank more": pad(np.ones(2), np.ones((2, 3))),
    "pad rank more fits": pad(np.ones(2), np.ones((1, 2))),
    "pad rank more wide": pad(np.ones((2, 3)), np.ones((2, 2, 3))),
    "pad value str": pad([1.0], padding_value="x"),
    "pad value None": pad([1.0], padding_value=None),
    "pad value complex": pad([1.0], padding_value=1j),
    "pad value huge": pad([1.0], padding_value=10**400),
    "pad value int nan": pad([1], padding_value=NAN),
    "pad value uint8": pad(np.ones(1, np.uint8), padding_value=-1),
    "pad value uint8 unused": pad(np.ones(1, np.uint8), padding_value=256),
    "unpad few": lambda r, a: r.unpad_sequence(a(np.ones((2, 3))), a(i64(1, 1))),
    "unpad many": lambda r, a: r.unpad_sequence(a(np.ones((2, 3))), a(i64(1, 1, 1, 1))),
    "unpad batch first": lambda r, a: r.unpad_sequence(a(np.ones((2, 3))), a(i64(1)), True),
    "unpad vector": lambda r, a: r.unpad_sequence(a(np.ones(4)), a(i64(1))),
    "unpad vector batch first": lambda r, a: r.unpad_sequence(a(np.ones(4)), a(i64(1)), True),
    "unpad 0-D": lambda r, a: r.unpad_sequence(a(np.array(1.0)), a(i64(1))),
    "unpad lengths 0-D": lambda r, a: r.unpad_sequence(a(np.ones((2, 3))), a(np.array(1))),
    "pack_sequence empty": lambda r, a: r.pack_sequence([]),
    "pack_sequence None": lambda r, a: r.pack_sequence(None),
    "pack_sequence int": lambda r, a: r.pack_sequence(3),
    "pack_sequence zero": lambda r, a: r.pack_sequence([a(np.ones(2)), a(np.ones(0))]),
    "pack_sequence zero first": lambda r, a: r.pack_sequence([a(np.ones(0)), a(np.ones(2))]),
    "pack_sequence zero unsorted": lambda r, a: r.pack_sequence(
        [a(np.ones(0)), a(np.ones(2))], False
    ),
    "pack_sequence all zero": lambda r, a: r.pack_sequence([a(np.ones(0)), a(np.ones(0))]),
    "pack_sequence no features": lambda r, a: r.pack_sequence([a(np.ones((2, 0)))]),
    "pack_sequence order": lambda r, a: r.pack_sequence([a(np.ones(1)), a(np.ones(2))]),
    "pack_sequence 0-D": lambda r, a: r.pack_sequence([a(np.array(1.0))]),
    "pack_sequence 0-D second": lambda r, a: r.pack_sequence([a(np.ones(2)), a(np.array(1.0))]),
    "pack_sequence trailing": lambda r, a: r.pack_sequence(
        [a(np.ones((2, 3))), a(np.ones((2, 4)))]
    ),
    "pack_sequence rank": lambda r, a: r.pack_sequence([a(np.ones(2)), a(np.ones((2, 3)))]),
    "invert float": lambda r, a: r.invert_permutation(a(np.array([1.0, 0.0]))),
    "invert bool": lambda r, a: r.invert_permutation(a(np.array([True, False]))),
    "invert uint8": lambda r, a: r.invert_permutation(a(np.array([1, 0], np.uint8))),
    "invert 2-D": lambda r, a: r.invert_permutation(a(np.array([[1, 0]]))),
    "invert range": lambda r, a: r.invert_permutation(a(i64(1, 5))),
    "invert negative": lambda r, a: r.invert_permutation(a(i64(-1, 0))),
    "invert 0-D": lambda r, a: r.invert_permutation(a(np.array(1))),
}  # fmt: skip


@pytest.mark.parametrize("call", WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_wrong_calls(call):
    with pytest.raises(Exception) as expected:
        call(theirs, torch.from_numpy)
    with pytest.raises(Exception) as actual:
        call(ours, np.asarray)
    assert actual.type is expected.type
    # Below the first line torch lists signatures of its C++ functions.
    assert str(expected.value).partition("\n")[0].partition(", but expected one of")[0] in str(
        actual.value
    )


# What torch lets pass, or refuses with a text from its depths.
STRICTER_CALLS = {
    "length above T": pack([9, 2, 1]),
    "length above T unsorted": pack([1, 2, 9], enforce_sorted=False),
    "few lengths unsorted": pack([1, 1], enforce_sorted=False),
    "unpad length above T": lambda r, a: r.unpad_sequence(a(np.ones((2, 3))), a(i64(1, 9, 1))),
    "unpad length below 0": lambda r, a: r.unpad_sequence(a(np.ones((2, 3))), a(i64(1, -1, 1))),
    "rows beyond the sizes": lambda r, a: r.pad_packed_sequence(
        r.PackedSequence(a(np.ones(6)), a(i64(2, 1)))
    ),
    "size 0": lambda r, a: r.pad_packed_sequence(r.PackedSequence(a(np.ones(2)), a(i64(2, 0)))),
    "twice in a permutation": lambda r, a: r.invert_permutation(a(i64(0, 0))),
}


@pytest.mark.parametrize("call", STRICTER_CALLS.values(), ids=STRICTER_CALLS)
def test_stricter_than_torch(call):
    call(theirs, torch.from_numpy)
    with pytest.raises(RuntimeError):
        call(ours, np.asarray)


def test_tensors_that_numpy_cannot_hold():
    for tensor, remedy in (
        (torch.ones(2, 2, dtype=torch.bfloat16), ".float()"),
        (torch.eye(2).to_sparse(), ".to_dense()"),
    ):
        with pytest.raises(TypeError) as error:
            ours.pack_padded_sequence(tensor, [1, 1])
        assert remedy in str(error.value)
    with_gradient = torch.nn.Parameter(torch.ones(2, 2))
    assert ours.pack_padded_sequence(with_gradient, [1, 1]).data.shape == (2,)
