"""lengths= of a call: what is said of wrong ones, objects that act, threads that write, references."""

import sys
import threading
import time

import numpy as np
import pytest
from reference import KINDS, fractions
from support import HANG, assert_same_bits, flatten, layer_of, reshape_in_place, with_parameters

import pylstm
from pylstm.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

STEPS, ROWS = 7, 3
X = fractions(1, (STEPS, ROWS, 4)).astype(np.float32)
LENGTHS = [4, 7, 2]
of_each_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind="LSTM", **options):
    return with_parameters(layer_of(kind, 4, 6, **options), 1)


def packed_run(module, lengths, x=X, hx=None):
    """The result of the packed way round, with all steps."""
    batch_first = module.batch_first
    packed = pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
    output, states = module(packed, hx)
    steps = x.shape[1 if batch_first else 0]
    return pad_packed_sequence(output, batch_first, total_length=steps)[0], states


# ---------------------------------------------------------------------------- what is taken


@pytest.mark.parametrize("batch_first", [False, True])
@of_each_kind
def test_the_bits_of_the_packed_run(kind, batch_first):
    module = make(kind, num_layers=2, bidirectional=True, batch_first=batch_first)
    x = np.ascontiguousarray(X.swapaxes(0, 1)) if batch_first else X
    result = module(x, lengths=LENGTHS)
    assert_same_bits(result, packed_run(module, LENGTHS, x))
    assert all(array.flags.c_contiguous and array.flags.owndata for array in flatten(result))
    assert_same_bits(module.forward(x, lengths=LENGTHS), result)


class OnlyBuffer(bytearray):
    """What has no more than a buffer of bytes."""


def other_forms():
    """The same lengths in what np.asarray takes."""
    yield tuple(LENGTHS)
    for code in "bBhHiIlLqQ":
        yield np.array(LENGTHS, code)
        yield np.array(LENGTHS, np.dtype(code).newbyteorder())
    yield np.array(LENGTHS[::-1])[::-1]
    yield np.array([LENGTHS, LENGTHS]).T[:, 1]
    frozen = np.array(LENGTHS)
    frozen.flags.writeable = False
    yield frozen
    yield np.frombuffer(b"x" + np.array(LENGTHS).tobytes(), np.int64, offset=1)  # misaligned
    yield [np.int8(4), 7, np.uint32(2)]
    yield memoryview(np.array(LENGTHS, np.int16))
    yield OnlyBuffer(LENGTHS)


def test_every_form_of_integers():
    module = make()
    expected = module(X, lengths=LENGTHS)
    forms = list(other_forms())
    assert len(forms) > 25
    for form in forms:
        assert_same_bits(module(X, lengths=form), expected)


def test_more_lengths_than_stand_on_the_stack():
    module = make("GRU")
    rng = np.random.default_rng(3)
    for rows in (1, 20, 21, 28, 29, 64, 700):
        x = rng.standard_normal((STEPS, rows, 4)).astype(np.float32)
        lengths = rng.integers(1, STEPS + 1, rows)
        assert_same_bits(module(x, lengths=lengths), packed_run(module, lengths, x))
        assert_same_bits(module(x, lengths=np.sort(lengths)[::-1]),
                         packed_run(module, np.sort(lengths)[::-1], x))  # fmt: skip


@pytest.mark.parametrize("lengths", [[], (), np.zeros(0, np.int32)], ids=repr)
@of_each_kind
def test_a_batch_without_rows(kind, lengths):
    module = make(kind)
    x = X[:, :0]
    assert_same_bits(module(x, lengths=lengths), module(x))
    module.batch_first = True
    x = X.swapaxes(0, 1)[:0]
    assert_same_bits(module(x, lengths=lengths), module(x))


def test_none_is_as_omitted():
    module = make()
    assert_same_bits(module(X, None, lengths=None, reset=None, out=None), module(X))
    assert_same_bits(module(X[:, 0], lengths=None), module(X[:, 0]))
    packed = pack_sequence([X[:, 0], X[:3, 1]])
    assert_same_bits(module(packed, lengths=None, reset=None)[0].data, module(packed)[0].data)


def test_hooks_and_other_forwards_are_handed_the_keyword():
    seen = []

    class Doubled(pylstm.LSTM):
        def forward(self, input, hx=None, **options):
            seen.append(options)
            return super().forward(2 * input, hx, **options)

    hooked, doubled = make(), Doubled(4, 6)
    doubled.load_state_dict(hooked.state_dict())
    expected = hooked(X, lengths=LENGTHS)
    hook = hooked.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs), with_kwargs=True
    )
    assert_same_bits(hooked(X, lengths=LENGTHS), expected)
    assert_same_bits(hooked(input=X, lengths=LENGTHS), expected)
    hook.remove()
    assert_same_bits(doubled(X / 2, lengths=LENGTHS), expected)
    assert [options["lengths"] for options in seen] == [LENGTHS] * 3
    before = hooked.register_forward_pre_hook(
        lambda module, args, kwargs: (args, {**kwargs, "lengths": LENGTHS}), with_kwargs=True
    )
    assert_same_bits(hooked(X), expected)
    before.remove()


# ---------------------------------------------------------------------------- what is refused

FROM_1_TO_7 = "lengths must be from 1 to 7, the number of steps of input, got "
THREE = (
    "lengths must be (batch,), one integer for each of the 3 sequences of the batch; it has shape "
)
INTEGERS = "lengths must hold integers, one for each of the 3 sequences of the batch, got dtype "
TEXTS = [
    ([4, 0, 2], ValueError, FROM_1_TO_7 + "lengths[1] = 0: leave sequences without steps out of the batch"),
    ([4, 7, -2], ValueError, FROM_1_TO_7 + "lengths[2] = -2"),
    ([8, 7, 2], ValueError, FROM_1_TO_7 + "lengths[0] = 8"),
    (np.array([4, 2**64 - 1, 2], "u8"), ValueError, FROM_1_TO_7 + f"lengths[1] = {2**64 - 1}"),
    (np.array([4, 255, 2], "u1"), ValueError, FROM_1_TO_7 + "lengths[1] = 255"),
    ([4, 7], ValueError, THREE + "(2,)"),
    (5, ValueError, THREE + "()"),
    ([[4, 7, 2]], ValueError, THREE + "(1, 3)"),
    ([], ValueError, THREE + "(0,)"),
    ([4.0, 7.0, 2.0], TypeError, INTEGERS + "float64"),
    ([True, True, True], TypeError, INTEGERS + "bool"),
    (np.array(LENGTHS, object), TypeError, INTEGERS + "object"),
    ([], ValueError, THREE + "(0,)"),
    (np.zeros(0), TypeError, INTEGERS + "float64"),
    (np.ma.array(LENGTHS), TypeError, "lengths is a masked array"),
    (object(), TypeError, "lengths must be an array or something that np.asarray takes, got object"),
    ([[4], 7, 2], ValueError, "lengths must be an array or something that np.asarray takes: the items"),
]  # fmt: skip


def check_text_of_every_way(module, error, text, **given):
    """A call, forward and trace refuse what was given, with a text that begins so."""
    for call in (module, module.forward, module.trace):
        with pytest.raises(error) as caught:
            call(X, **given)
        assert str(caught.value).startswith(text) and not str(caught.value).endswith(" ")


@pytest.mark.parametrize(("lengths", "error", "text"), TEXTS, ids=lambda value: str(value)[:50])
def test_wrong_lengths(lengths, error, text):
    assert text not in (INTEGERS, THREE)
    check_text_of_every_way(make(), error, text, lengths=lengths)


def test_where_lengths_do_not_belong():
    module, cell = make(), pylstm.GRUCell(4, 6)
    for call, error, text in (
        (
            lambda: module(X[:, 0], lengths=[3]),
            ValueError,
            "lengths needs a batch of sequences, and input is one sequence, (sequence, "
            "input_size): pass input[:length]; it has shape (7, 4)",
        ),
        (
            lambda: module(X, lengths=LENGTHS, reset=X[..., 0] > 0),
            ValueError,
            "lengths and reset do not go together: a sequence that ends before the last step has "
            "no resets beyond its end; pass one of them",
        ),
        (
            lambda: module(pack_sequence([X[:, 0]]), lengths=[7]),
            ValueError,
            "lengths does not go with a packed sequence: pass the padded input with lengths",
        ),
        (
            lambda: cell(X[0], lengths=LENGTHS),
            TypeError,
            "GRUCell.forward() got an unexpected keyword argument 'lengths': the parameters are "
            "input and hx, the state h_0, and out",
        ),
        (
            lambda: module(X, length=LENGTHS),
            TypeError,
            "LSTM.forward() got an unexpected keyword argument 'length': the parameters are input "
            "and hx, the states as one pair (h_0, c_0), and lengths, reset and out",
        ),
    ):
        with pytest.raises(error) as caught:
            call()
        assert str(caught.value) == text


def test_errors_of_the_input_come_first():
    module = make()
    with pytest.raises(RuntimeError, match="input_size"):
        module(X[..., :3], lengths=[0])
    with pytest.raises(RuntimeError, match="hidden\\[0\\] size"):
        module(X, (np.zeros((1, 2, 6)),) * 2, lengths=[0])
    with pytest.raises(RuntimeError, match="larger than 0"):
        module(X[:0], lengths=[0, 0, 0])


# ---------------------------------------------------------------------------- objects that act


class Acting:
    """Does something when it is asked for its array."""

    def __init__(self, value, act):
        self.value, self.act = value, act

    def __array__(self, dtype=None, copy=None):
        self.act()
        return self.value


@pytest.mark.parametrize("kind", ["LSTM", "RNN_RELU"])
def test_inputs_that_lengths_reshape(kind):
    module = make(kind)
    x, h = X.copy(), [np.ones((1, ROWS, 6), np.float32) for _ in range(KINDS[kind].states)]
    hx = tuple(h) if len(h) > 1 else h[0]
    expected = module(x, hx, lengths=LENGTHS)
    given = np.array(LENGTHS)

    def reshape():
        reshape_in_place(x, (ROWS, STEPS, 4))

    with pytest.raises((RuntimeError, ValueError)):  # the shapes that it finds do not fit
        module(x, hx, lengths=Acting(given, reshape))
    reshape_in_place(x, X.shape)
    assert_same_bits(module(x, hx, lengths=Acting(given, lambda: None)), expected)


def test_what_lengths_raise_comes_through():
    class Boom(Exception):
        pass

    def boom():
        raise Boom

    module = make()
    before = [value.copy() for value in module.state_dict().values()]
    for error in (Boom, KeyboardInterrupt):
        with pytest.raises(error):
            module(X, lengths=Acting(None, lambda error=error: (_ for _ in ()).throw(error)))
    with pytest.raises(Boom):
        module.trace(X, lengths=Acting(None, boom))
    assert_same_bits(list(module.state_dict().values()), before)


def test_references():
    module = make()
    lengths = np.array(LENGTHS)
    many = np.ones(64, np.int32)
    wrong = np.array([1, 2, 9])
    names = ["h"]
    x = X.copy()
    held = (lengths, many, wrong, x, names)
    before = [sys.getrefcount(thing) for thing in held]
    for _ in range(50):
        module(x, lengths=lengths)
        module(np.zeros((2, 64, 4)), lengths=many)
        module.trace(x, lengths=lengths, names=names)
        for call in (module, module.trace):
            with pytest.raises(ValueError, match="lengths"):
                call(x, lengths=wrong)
    del call
    assert [sys.getrefcount(thing) for thing in held] == before


# ---------------------------------------------------------------------------- other threads


@pytest.mark.parametrize("dtype", ["int64", "uint8", ">i4"])
def test_another_thread_writes_to_the_lengths(dtype):
    """A call uses what it has checked: each result is that of right lengths, or an error."""
    module = make("GRU", num_layers=2)
    values = [3, 0, 7, 200, 1]
    expected = {n: module(X[:, :1], lengths=[n])[0].tobytes() for n in values if 0 < n < 8}
    lengths = np.ones(1, dtype)
    done, wrong, counted = threading.Event(), [], [0, 0]

    def write():
        while not done.is_set():
            for value in values:
                lengths[0] = value

    def call():
        until = time.monotonic() + HANG
        while min(counted) < 200 and time.monotonic() < until:
            try:
                result = module(X[:, :1], lengths=lengths)[0].tobytes()
            except ValueError as error:
                counted[1] += "lengths[0] = " in str(error)
            else:
                counted[0] += 1
                if result not in expected.values():
                    wrong.append(result)

    writer, caller = threading.Thread(target=write), threading.Thread(target=call)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        writer.start(), caller.start()
        caller.join()
    finally:
        done.set()
        writer.join()
        sys.setswitchinterval(interval)
    assert not wrong
    assert min(counted) >= 200


def test_no_sequences_need_no_memory():
    x = np.broadcast_to(np.zeros((1, 0, 4), np.float32), (2**40, 0, 4))
    output, (h, c) = layer_of("LSTM", 4, 6)(x, lengths=[])
    assert output.shape == (2**40, 0, 6) and h.shape == c.shape == (1, 0, 6)
