"""out= of a call: the caller's arrays get the bits of the plain call, or nothing is written at all."""

import os
import signal
import subprocess
import sys
import threading
import tracemalloc

import growth as footprints
import numpy as np
import pytest
from reference import KINDS, fractions
from support import assert_same_bits, cell_of, flatten, layer_of, with_parameters

import pylstm
from pylstm import _core
from pylstm.utils.rnn import pack_sequence

STEPS, ROWS, INPUT, HIDDEN = 5, 3, 4, 6
of_each_kind = pytest.mark.parametrize("kind", KINDS)


def values(seed, shape, dtype=np.float32):
    return fractions(seed, shape).astype(dtype)


def layer(kind="LSTM", **options):
    return with_parameters(layer_of(kind, INPUT, HIDDEN, **options), 1)


def cell(kind="LSTM", **options):
    return with_parameters(cell_of(kind, INPUT, HIDDEN, **options), 1)


def is_cell(module):
    return type(module).__name__.endswith("Cell")


def structured(module, arrays, make=tuple):
    """The arrays in the structure of a result, of tuples or lists."""
    if is_cell(module):
        return make(arrays) if len(arrays) == 2 else arrays[0]
    output, *states = arrays
    return make([output, make(states) if len(states) == 2 else states[0]])


def inputs(module, seed=2, batched=True, steps=STEPS, rows=ROWS):
    """An input of the module's dtype, and states whose arrays own their memory."""
    dtype = module.weight_ih.dtype if is_cell(module) else module.weight_ih_l0.dtype
    middle = (rows,) if batched else ()
    if is_cell(module):
        x = values(seed, (*middle, INPUT), dtype)
        shape = (*middle, HIDDEN)
    else:
        x = values(seed, (steps, *middle, INPUT), dtype)
        if batched and module.batch_first:
            x = np.ascontiguousarray(x.swapaxes(0, 1))
        scans = module.num_layers * (2 if module.bidirectional else 1)
        shape = (scans, *middle, HIDDEN)
    h_width = getattr(module, "proj_size", 0) or HIDDEN
    h = values(seed + 1, (*shape[:-1], h_width), dtype)
    c = values(seed + 2, shape, dtype)
    return x, ((h, c) if "LSTM" in type(module).__name__ else h)


def copied(hx):
    return tuple(part.copy() for part in hx) if isinstance(hx, tuple) else hx.copy()


def empty_like(results, fill=np.nan):
    return [np.full_like(array, fill) for array in flatten(results)]


def padded(array):
    """An array of the same shape in a larger one: no axis but the last is contiguous."""
    whole = np.full([size + 2 for size in array.shape], np.nan, array.dtype)
    view = whole[tuple(slice(1, -1) for _ in array.shape)]
    view[...] = array
    return view


def backwards(array):
    """An array of the same shape, whose axes but the last have negative strides."""
    flipped = (*[slice(None, None, -1)] * (array.ndim - 1), slice(None))
    return array[flipped].copy()[flipped]


def axes_swapped(array):
    """An array of the same shape, whose first axes are in another order in memory."""
    if array.ndim < 3:
        return padded(array)
    return np.ascontiguousarray(array.swapaxes(0, 1)).swapaxes(0, 1)


LAYOUTS = {"as it is": np.copy, "padded": padded, "backwards": backwards, "swapped": axes_swapped}

MODULES = {
    "layer": lambda kind: layer(kind),
    "deep": lambda kind: layer(kind, num_layers=3),
    "both ways": lambda kind: layer(kind, num_layers=2, bidirectional=True),
    "batch first": lambda kind: layer(kind, bidirectional=True, batch_first=True),
    "float64": lambda kind: layer(kind, num_layers=2, dtype=np.float64),
    "cell": lambda kind: cell(kind),
    "float64 cell": lambda kind: cell(kind, dtype=np.float64),
}


# ---------------------------------------------------------------------------- what is written


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", MODULES)
@of_each_kind
def test_the_bits_of_the_plain_call(kind, name, layout):
    module = MODULES[name](kind)
    for batched in (True, False):
        x, hx = inputs(module, batched=batched)
        for states in (hx, None):
            expected = module(x, states)
            arrays = [LAYOUTS[layout](array) for array in empty_like(expected)]
            out = structured(module, arrays)
            assert module(x, states, out=out) is out
            assert_same_bits(out, expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", MODULES)
@of_each_kind
def test_states_in_place(kind, name, layout):
    """The states of hx are written, whatever their strides, and a second call goes on from them."""
    module = MODULES[name](kind)
    for batched in (True, False):
        x, hx = inputs(module, batched=batched)
        states = [LAYOUTS[layout](array) for array in flatten(hx)]
        in_place = tuple(states) if isinstance(hx, tuple) else states[0]
        for seed in (10, 20):
            x = inputs(module, seed, batched)[0]
            expected = module(x, hx)
            hx = expected if is_cell(module) else expected[1]
            output = [] if is_cell(module) else empty_like(expected)[:1]
            out = structured(module, [*output, *states])
            assert module(x, in_place, out=out) is out
            assert_same_bits(out, expected)


@pytest.mark.parametrize("options", [{"proj_size": 2}, {"proj_size": 3, "bidirectional": True}])
def test_projections(options):
    module = layer(num_layers=2, **options)
    x, hx = inputs(module)
    expected = module(x, hx)
    out = structured(module, [*empty_like(expected)[:1], *hx])
    assert_same_bits(module(x, hx, out=out), expected)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("LSTM", {"peepholes": True, "cell_clip": 0.25}),
        ("GRU", {"reset_after": False}),
        ("LSTM", {"gate_activation": "hard_sigmoid", "activation": "relu"}),
    ],
)
def test_variants(kind, options):
    for module in (layer(kind, **options), cell(kind, **options)):
        x, hx = inputs(module)
        expected = module(x, hx)
        output = [] if is_cell(module) else empty_like(expected)[:1]
        out = structured(module, [*output, *flatten(hx)])
        assert_same_bits(module(x, hx, out=out), expected)


def test_a_reverse_layer():
    module = layer(reverse=True)
    x, hx = inputs(module)
    expected = module(x, hx)
    out = structured(module, [*empty_like(expected)[:1], *hx])
    assert_same_bits(module(x, hx, out=out), expected)


@pytest.mark.parametrize("within", ["lengths", "reset"])
@pytest.mark.parametrize("name", ["layer", "deep", "both ways", "batch first"])
@of_each_kind
def test_lengths_and_resets(kind, name, within):
    module = MODULES[name](kind)
    x, hx = inputs(module)
    if within == "lengths":
        options = {"lengths": np.array([2, 5, 1])}
    else:
        mask = fractions(9, x.shape[:2]) > 0.2
        options = {"reset": mask}
    expected = module(x, hx, **options)
    for layout in LAYOUTS.values():
        states = [layout(array) for array in flatten(hx)]
        out = structured(module, [layout(empty_like(expected)[0]), *states])
        given = tuple(states) if isinstance(hx, tuple) else states[0]
        assert module(x, given, out=out, **options) is out
        assert_same_bits(out, expected)


def test_inputs_that_are_converted():
    for module in (layer(), cell()):
        x, hx = inputs(module)
        expected = module(x, hx)
        arrays = empty_like(expected)
        out = structured(module, arrays)
        result = module(x.tolist(), [part.astype(">f8") for part in hx], out=out)
        assert result is out
        assert_same_bits(out, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_lists_and_subclasses_of_tuples_become_tuples(kind):
    class Pair(tuple):
        def __getitem__(self, index):
            raise AssertionError("read by an override")

    for module in (layer(kind), cell(kind)):
        x, hx = inputs(module)
        expected = module(x, hx)
        for make in (list, Pair):
            arrays = empty_like(expected)
            result = module(x, hx, out=structured(module, arrays, make))
            assert_same_bits(result, expected)
            assert type(result) is type(expected)
            assert all(a is b for a, b in zip(flatten(result), arrays, strict=True))


def test_subclasses_of_arrays(tmp_path):
    module = layer()
    x, hx = inputs(module)
    expected = module(x, hx)
    out = module(x, hx)
    for index, array in enumerate(flatten(out)):
        mapped = np.memmap(tmp_path / str(index), array.dtype, "w+", shape=array.shape)
        given = [np.empty_like(part) for part in flatten(out)]
        given[index] = mapped
        result = module(x, hx, out=structured(module, given))
        assert flatten(result)[index] is mapped
        assert_same_bits([np.asarray(part) for part in flatten(result)], flatten(expected))


def test_interleaved_states_in_one_buffer():
    """h and c of each row side by side, as one record of a row."""
    module = cell()
    x, (h, c) = inputs(module)
    expected = module(x, (h, c))
    records = np.concatenate([h, c], axis=1)
    states = records[:, :HIDDEN], records[:, HIDDEN:]
    assert module(x, states, out=states) is states
    assert_same_bits(states, expected)
    deep = layer(num_layers=2, bidirectional=True)
    x, (h, c) = inputs(deep)
    expected = deep(x, (h, c))
    every = np.stack([h, c], axis=1)
    states = every[:, 0], every[:, 1]
    output = np.empty_like(expected[0])
    assert_same_bits(deep(x, states, out=(output, states)), expected)


@of_each_kind
def test_empty_batches_and_layers_without_units(kind):
    module = layer(kind)
    x, hx = inputs(module, rows=0)
    expected = module(x, hx)
    out = structured(module, empty_like(expected))
    assert module(x, hx, out=out) is out
    with pytest.raises(RuntimeError):  # as without out
        module(x[:0], hx, out=out)


def test_hooks_and_subclasses_pass_it_on():
    seen = []

    class MyLSTM(pylstm.LSTM):
        def forward(self, input, hx=None, **options):
            seen.append(set(options))
            return super().forward(input, hx, **options)

    for module in (MyLSTM(INPUT, HIDDEN), layer()):
        if type(module) is pylstm.LSTM:
            module.register_forward_hook(lambda module, args, output: seen.append(output))
        x, hx = inputs(module)
        expected = module(x, hx)
        seen.clear()
        out = structured(module, empty_like(expected))
        assert module(x, hx, out=out) is out
        assert module.forward(x, hx, out=out) is out
        assert_same_bits(out, expected)
        assert len(seen) == (2 if isinstance(module, MyLSTM) else 1)


def test_none_is_no_out():
    for module in (layer(), cell()):
        x, hx = inputs(module)
        assert_same_bits(module(x, hx, out=None), module(x, hx))


# ---------------------------------------------------------------------------- what is refused


def frozen(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def misaligned(array):
    memory = np.zeros(array.nbytes + 1, np.uint8)[1:]
    return memory.view(array.dtype).reshape(array.shape)


WRONG_ARRAYS = {
    "a list": (TypeError, lambda a: a.tolist(), "must be a numpy.ndarray, got list"),
    "None": (TypeError, lambda a: None, "got NoneType"),
    "a number": (TypeError, lambda a: 3.0, "got float"),
    "another dtype": (TypeError, lambda a: a.astype(np.float64), "dtype, float32.*got float64"),
    "half": (TypeError, lambda a: a.astype(np.float16), "got float16"),
    "integers": (TypeError, lambda a: a.astype(np.int32), "got int32"),
    "objects": (TypeError, lambda a: a.astype(object), "got object"),
    "byte order": (TypeError, lambda a: a.astype(">f4"), "native byte order, got >f4"),
    "masked": (TypeError, lambda a: np.ma.array(a), "is a masked array"),
    "longer": (ValueError, lambda a: np.zeros((*a.shape[:-1], 7), "f4"), r"shape \(.*, got \("),
    "shorter": (ValueError, lambda a: a[:-1], "must have the shape"),
    "one axis more": (ValueError, lambda a: a[None], "must have the shape"),
    "flat": (ValueError, np.ravel, "must have the shape"),
    "no axis": (ValueError, lambda a: np.zeros((), "f4"), "must have the shape"),
    "read-only": (ValueError, frozen, "must be writable, got a read-only"),
    "misaligned": (ValueError, misaligned, "must be aligned"),
    "last axis backwards": (ValueError, lambda a: a.copy()[..., ::-1], "contiguous in its last axis"),
    "every other": (ValueError, lambda a: np.repeat(a, 2, -1)[..., ::2], "contiguous in its last"),
    "Fortran's order": (ValueError, lambda a: np.asfortranarray(np.tile(a, 1)), "contiguous"),
    "one row for all": (
        ValueError,
        lambda a: np.lib.stride_tricks.as_strided(
            a.copy(), a.shape, (*[0] * (a.ndim - 1), a.itemsize), writeable=True
        ),
        "elements that overlap each other",
    ),
    "rows that overlap": (
        ValueError,
        lambda a: np.lib.stride_tricks.as_strided(
            np.zeros(1000, a.dtype), a.shape, [4] * a.ndim, writeable=True
        ),
        "elements that overlap each other",
    ),
}  # fmt: skip


def refuse(module, arguments, out, arrays, error, text, **options):
    """The call fails with that text, and the arrays have the bytes that they had."""
    arrays = [array for array in arrays if isinstance(array, np.ndarray)]
    before = [array.tobytes() for array in arrays]
    parameters = [value.tobytes() for value in module.state_dict().values()]
    with pytest.raises(error, match=text) as caught:
        module(*arguments, out=out, **options)
    assert [array.tobytes() for array in arrays] == before
    assert [value.tobytes() for value in module.state_dict().values()] == parameters
    return str(caught.value)


def names_of(module):
    names = {1: ["out"], 2: ["out[0]", "out[1]"]} if is_cell(module) else {}
    names |= {} if is_cell(module) else {2: ["out[0]", "out[1]"]}
    names[3] = ["out[0]", "out[1][0]", "out[1][1]"]
    return names


@pytest.mark.parametrize("wrong", WRONG_ARRAYS)
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN_RELU"])
def test_wrong_arrays(kind, wrong):
    error, change, text = WRONG_ARRAYS[wrong]
    for module in (layer(kind, num_layers=2), cell(kind)):
        x, hx = inputs(module)
        arrays = empty_like(module(x, hx), 7)
        names = names_of(module)[len(arrays)]
        for index, name in enumerate(names):
            given = list(arrays)
            given[index] = change(given[index])
            if isinstance(given[index], np.ndarray) and given[index] is arrays[index]:
                continue
            out = structured(module, given)
            if len(arrays) == 1 and not isinstance(out, np.ndarray) and out is None:
                continue  # no out at all
            message = refuse(module, (x, hx), out, [*arrays, x], error, text)
            assert name in message


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_wrong_structures(kind):
    pair = kind == "LSTM"
    module, one = layer(kind), cell(kind)
    x, hx = inputs(module)
    arrays = empty_like(module(x, hx), 7)
    output, *states = arrays
    right = structured(module, arrays)
    for wrong, error in (
        (output, TypeError),
        (3, TypeError),
        ("ab", TypeError),
        ({0: output, 1: states}, TypeError),
        ((), ValueError),
        ((output,), ValueError),
        ((*right, output), ValueError),
        ([output, states[0], states[-1]], ValueError),
        ((output, None), TypeError),
        ((output, [states[0]] * 3), ValueError if pair else TypeError),
        ((output, states[0]) if pair else (output, (states[0], states[0])), TypeError),
        (((output, states[0]), states[-1]), TypeError),
    ):
        text = refuse(module, (x, hx), wrong, arrays, error, "^out must be ")
        assert ("(output, (h_n, c_n))" if pair else "(output, h_n)") in text
    x, hx = inputs(one)
    states = empty_like(one(x, hx), 7)
    for wrong, error in (
        (states[0] if pair else states, TypeError),
        ((states[0],), ValueError if pair else TypeError),
        ((*states, *states, states[0]), ValueError if pair else TypeError),
        (iter(states), TypeError),
    ):
        text = refuse(one, (x, hx), wrong, states, error, "^out must be ")
        assert ("(h, c)" if pair else "one array, h") in text


def part_of(array, axis_sizes):
    """A view of that shape on the memory of an array, from its start."""
    return array.reshape(-1)[: int(np.prod(axis_sizes))].reshape(axis_sizes)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_overlaps_with_inputs_and_each_other(kind):
    for module in (layer(kind, num_layers=2), cell(kind)):
        x, hx = inputs(module)
        plain = module(x, hx)
        shapes = [array.shape for array in flatten(plain)]
        names = names_of(module)[len(shapes)]
        memory = np.zeros(4000, np.float32)
        x_there = part_of(memory, x.shape)
        x_there[...] = x
        for index, name in enumerate(names):
            # Views of the input's memory, the input's end, and the input as another dtype.
            for there in (memory, memory[x.size - 1 :]):
                arrays = empty_like(plain, 7)
                arrays[index] = part_of(there, shapes[index])
                out = structured(module, arrays)
                message = refuse(
                    module, (x_there, hx), out, [memory, *arrays], ValueError, "input"
                )  # fmt: skip
                assert message.startswith(f"{name} must not overlap input")
            for other in range(index):
                arrays = empty_like(plain, 7)
                arrays[other] = part_of(memory, shapes[other])
                arrays[index] = part_of(memory[arrays[other].size - 1 :], shapes[index])
                out = structured(module, arrays)
                message = refuse(module, (x, hx), out, [memory], ValueError, "overlap")
                assert message.startswith(f"{name} must not overlap {names[other]},")


def test_views_of_an_input_that_is_converted():
    """The input is not what the kernels read, and still must not be written to."""
    module = layer()
    x, hx = inputs(module)
    shapes = [array.shape for array in flatten(module(x, hx))]
    wide = np.zeros(4000, np.float64)
    for x_there in (part_of(wide, x.shape), part_of(wide.view("f4"), x.shape)[..., ::-1]):
        for index in range(3):
            arrays = [np.full(shape, 7, np.float32) for shape in shapes]
            arrays[index] = part_of(wide.view(np.float32), shapes[index])
            out = structured(module, arrays)
            refuse(module, (x_there, hx), out, [wide, *arrays], ValueError, "input")  # fmt: skip


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_states_in_part_or_crosswise(kind):
    for module in (layer(kind, num_layers=2), cell(kind)):
        x, hx = inputs(module)
        states = flatten(hx)
        output = [] if is_cell(module) else empty_like(module(x, hx))[:1]
        size = states[0].size
        memory = [np.zeros(3 * size, np.float32) for _ in states]
        given = [m[size : 2 * size].reshape(states[0].shape) for m in memory]
        hx = tuple(given) if len(given) == 2 else given[0]
        shifted = [m[size - 1 : 2 * size - 1].reshape(states[0].shape) for m in memory]
        flipped = [array[..., ::-1, :] for array in given]
        wrongs = [[w, *given[1:]] for w in (shifted[0], flipped[0])]
        if len(given) == 2:
            wrongs += [given[::-1], [given[0], shifted[1]], [shifted[0], given[1]]]
            wrongs += [
                [given[0], given[0]],
                [given[1], given[1]],
                [np.zeros_like(given[0]), given[0]],
            ]
        for wrong in wrongs:
            out = structured(module, [*output, *wrong])
            refuse(module, (x, hx), out, memory + output, ValueError, "overlap")
        if output:  # the output is no place for a state
            whole = np.zeros(4000, np.float32)
            first = part_of(whole, states[0].shape)
            hx = (first, given[-1]) if len(given) == 2 else first
            out = structured(module, [part_of(whole, output[0].shape), *empty_like(states)])
            refuse(module, (x, hx), out, [whole], ValueError, r"out\[0\].*hx")


def test_parameters_are_no_place_for_results():
    module = pylstm.LSTM(HIDDEN, HIDDEN)
    x = values(1, (STEPS, ROWS, HIDDEN))
    plain = module(x)
    for index, shape in enumerate(array.shape for array in flatten(plain)):
        for name in ("weight_hh_l0", "weight_ih_l0"):
            arrays = empty_like(plain, 7)
            arrays[index] = part_of(getattr(module, name), shape)
            out = structured(module, arrays)
            refuse(module, (x,), out, arrays, ValueError, "the parameters of the module")  # fmt: skip
    one = pylstm.GRUCell(HIDDEN, HIDDEN)
    h = one.weight_hh[:ROWS]
    refuse(one, (x[0],), h, [h], ValueError, "out must not overlap the parameters")
    assert_same_bits(one(x[0], out=module.weight_hh_l0[:ROWS]), one(x[0]))  # another module's


def test_lengths_and_resets_are_no_place_for_results():
    module = layer()
    x, hx = inputs(module)
    arrays = empty_like(module(x, hx), 7)
    mask = arrays[0].view(bool).reshape(-1)[: STEPS * ROWS].reshape(STEPS, ROWS)
    mask[...] = False
    out = structured(module, arrays)
    refuse(module, (x, hx), out, arrays, ValueError, "overlap reset", reset=mask)
    lengths = arrays[2].view(np.int64).reshape(-1)[:ROWS]
    lengths[...] = 2
    refuse(module, (x, hx), out, arrays, ValueError, "overlap lengths", lengths=lengths)


def test_packed_sequences_are_refused():
    module = layer()
    x, hx = inputs(module)
    packed = pack_sequence([x[:, 0], x[:3, 1], x[:1, 2]])
    out = module(x, hx)
    refuse(module, (packed, hx), out, flatten(out), ValueError, "out does not go with a packed")  # fmt: skip
    with pytest.raises(TypeError):
        module.trace(x, hx, out=out)


def test_torchs_checks_come_first():
    module = layer()
    x, hx = inputs(module)
    out = module(x, hx)
    with pytest.raises(RuntimeError, match=r"input\.size"):
        module(x[..., :3], hx, out=out)
    with pytest.raises(RuntimeError, match="Expected hidden"):
        module(x, (hx[0][:, :1], hx[1]), out=out)


def shared_memory_cases(seed, count):
    """Pairs of views with any strides on one small buffer."""
    random = np.random.default_rng(seed)
    buffer = np.zeros(400, np.float32)
    for _ in range(count):
        pair = []
        for _ in range(2):
            rows, wide = random.integers(1, 5), random.integers(1, 5)
            stride = int(random.integers(wide, 14)) * (1 if random.random() < 0.7 else -1)
            start = int(random.integers(60, 110))
            view = buffer[start:]
            pair.append(
                np.lib.stride_tricks.as_strided(
                    view, (rows, wide), (4 * stride, 4), subok=False, writeable=True
                )
            )
        yield pair


def test_the_test_of_overlaps_is_exact():
    """As numpy.shares_memory() says, for views that lie in each other's bounds."""
    found = set()
    for h, c in shared_memory_cases(1, 3000):
        if h.shape != c.shape:
            continue
        module = pylstm.LSTMCell(1, h.shape[1])
        x = np.zeros((h.shape[0], 1), np.float32)
        shares = np.shares_memory(h, c)
        found.add((shares, np.may_share_memory(h, c)))
        if shares:
            with pytest.raises(ValueError, match="must not overlap out"):
                module(x, out=(h, c))
        else:
            expected = module(x)
            assert_same_bits(module(x, out=(h, c)), expected)
    assert found == {(True, True), (False, True), (False, False)}


# ---------------------------------------------------------------------------- threads


LONG = values(5, (40, 32, 64))


def test_calls_that_threads_share():
    """By rows, directions and units, in place, also where a helper comes late: on one processor."""
    modules = [
        (pylstm.LSTM(64, 64, 2), 32),
        (pylstm.LSTM(64, 64, 2, bidirectional=True), 2),
        (pylstm.GRU(64, 64, 2), 2),
        (pylstm.LSTM(64, 64), 16),
    ]
    threads = pylstm.get_num_threads()
    affinity = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    try:
        for narrow in (False, True):
            if narrow and affinity:
                os.sched_setaffinity(0, {min(affinity)})
            for module, rows in modules:
                x = LONG[:, :rows]
                scans = module.num_layers * (2 if module.bidirectional else 1)
                hx = [values(seed, (scans, rows, 64)) for seed in (6, 7)]
                hx = tuple(hx) if isinstance(module, pylstm.LSTM) else hx[0]
                pylstm.set_num_threads(1)
                expected = module(x, hx)
                pylstm.set_num_threads(2)
                for strided in (False, True):
                    for _ in range(20):
                        states = [padded(a) if strided else a.copy() for a in flatten(hx)]
                        given = tuple(states) if isinstance(hx, tuple) else states[0]
                        out = (np.full_like(expected[0], np.nan), given)
                        assert module(x, given, out=out) is out
                        assert_same_bits(out, expected)
    finally:
        pylstm.set_num_threads(threads)
        if affinity:
            os.sched_setaffinity(0, affinity)


def test_one_module_in_several_threads():
    """The memory that calls leave to the next one is never that of two calls."""
    module = pylstm.LSTM(16, 64, 2)
    x = [values(seed, (20, 8, 16)) for seed in range(4)]
    expected = [module(part) for part in x]
    wrong = []

    def run(index):
        out = structured(module, empty_like(expected[index]))
        for _ in range(200):
            module(x[index], out=out)
            if [a.tobytes() for a in flatten(out)] != [
                a.tobytes() for a in flatten(expected[index])
            ]:
                wrong.append(index)

    workers = [threading.Thread(target=run, args=(index,)) for index in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


INTERRUPTED = """
import os, signal, threading, numpy as np, pylstm
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
module = pylstm.LSTM(64, 256, 2)
x = np.zeros((20000, 4, 64), np.float32)
h = np.zeros((2, 4, 256), np.float32); c = h.copy()
out = (np.empty((20000, 4, 256), np.float32), (h, c))
for _ in range(3):
    try:
        threading.Timer(0.2, os.kill, (os.getpid(), 2)).start()
        module(x, (h, c), out=out)
    except KeyboardInterrupt:
        print("interrupted")
small = module(x[:3], (h, c)); again = (np.empty_like(small[0]), (h, c))
module(x[:3], (h, c), out=again)
assert all(a.tobytes() == b.tobytes() for a, b in zip((small[0], *small[1]), (again[0], h, c)))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="needs signals of POSIX")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_an_interrupt_ends_a_long_call(threads):
    environment = {**os.environ, "PYLSTM_NUM_THREADS": threads}
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, env=environment, timeout=300
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("interrupted") == 3


# ---------------------------------------------------------------------------- memory


def streams():
    """(label, step, objects that it touches) of streams in place."""
    for kind in KINDS:
        one = cell(kind)
        x, hx = inputs(one)
        yield f"{kind} cell", (lambda m=one, x=x, s=hx: m(x, s, out=s)), [x, *flatten(hx)]
    for label, module, rows in (
        ("LSTM(4, 6)", layer(), 1),
        ("LSTM(4, 6, 3)", layer(num_layers=3), 2),
        ("GRU(4, 6, 2), both ways", layer("GRU", num_layers=2, bidirectional=True), 1),
        ("LSTM(4, 6), projected", layer(proj_size=3), 1),
    ):
        x, hx = inputs(module, steps=1, rows=rows)
        out = (module(x, hx)[0], hx)
        mask = np.zeros((1, rows), bool)
        touched = [x, out[0], *flatten(hx)]
        yield label, (lambda m=module, x=x, s=hx, o=out: m(x, s, out=o)), touched
        yield (
            f"{label}, reset",
            (lambda m=module, x=x, s=hx, o=out, r=mask: m(x, s, reset=r, out=o)),
            [*touched, mask],
        )


@pytest.mark.parametrize("case", list(streams()), ids=lambda case: case[0])
def test_steps_leave_nothing_behind(case):
    _, step, touched = case
    grown = footprints.growth(step, 20_000, touched)
    for name in ("blocks", "objects", "references"):
        assert getattr(grown, name) <= getattr(footprints.LIMITS, name)


def test_a_million_steps():
    """Nothing grows, and Python's allocator is not asked for anything that would stay or pile up."""
    module = pylstm.LSTMCell(4, 8)
    x = values(1, (1, 4))
    states = module(x)
    for _ in range(1000):
        module(x, states, out=states)
    tracemalloc.start()
    try:
        for _ in range(100):
            module(x, states, out=states)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()
        for _ in range(1000):
            module(x, states, out=states)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before[0] < 1000 and peak - before[0] < 1000  # an array alone has 112 bytes
    footprint = footprints.footprint([x, *states])
    for _ in range(1_000_000):
        module(x, states, out=states)
    grown = footprints.footprint([x, *states]) - footprint
    assert grown.blocks <= footprints.LIMITS.blocks
    assert grown.references == 0
    if "asan" not in os.environ.get("LD_PRELOAD", ""):  # whose quarantine grows
        assert grown.resident < 1 << 20


# Part of the suite in builds that count allocations: PYLSTM_TEST_HOOKS=1 (.ci/run, step coverage).
if hasattr(_core, "_test_fail_allocation"):

    @pytest.mark.parametrize("case", list(streams()), ids=lambda case: case[0])
    def test_nothing_is_allocated(case):
        """By us or for the data of NumPy's arrays, in 10,000 steps after the first."""
        assert allocations(case[1], 10_000) == 0

    def test_nothing_is_allocated_in_a_million_steps():
        module = pylstm.LSTMCell(64, 64)
        x = values(1, (1, 64))
        states = module(x)
        assert allocations(lambda: module(x, states, out=states), 1_000_000) == 0

    @pytest.mark.parametrize("hidden", [64, 128, 256, 512])
    @pytest.mark.parametrize("layers", [1, 2, 3])
    def test_nothing_is_allocated_by_larger_modules(hidden, layers):
        """Nor by calls whose workspace does not fit on the stack: they keep the first one's."""
        pylstm.set_num_threads(1)
        for steps, rows, ways in ((1, 1, True), (1, 40, False), (6, 2, True)):
            module = pylstm.LSTM(8, hidden, layers, bidirectional=ways)
            x = values(1, (steps, rows, 8))
            plain = module(x)
            for hx in (plain[1], tuple(padded(part) for part in plain[1])):
                out = (np.empty_like(plain[0]), hx)
                assert allocations(lambda m=module, x=x, h=hx, o=out: m(x, h, out=o), 5) == 0

    def allocations(step, count):
        """How many allocations of ours and of array data there are in so many steps but the first."""
        step()
        _core._test_fail_allocation(1 << 40)  # none fails: they are counted
        try:
            np.empty(1)
            assert _core._test_allocations()[0] == 1
            for _ in range(count):
                step()
            return _core._test_allocations()[0] - 1
        finally:
            _core._test_fail_allocation(0)
