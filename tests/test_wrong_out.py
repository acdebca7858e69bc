"""A wrong out: the class, the word out, and nothing is written."""

import numpy as np
import pytest
from reference import KINDS
from support import as_hx, cell_of, flatten, layer_of, states_of, with_parameters
from wrong_within import HIDDEN, INPUT, MASK, ROWS, STEPS, X, hx_of, make, refused, snapshot

of_each_kind = pytest.mark.parametrize("kind", KINDS)


def fresh(kind, *, batch_first=False, rows=ROWS, hidden=HIDDEN):
    """An out of zeros for a layer of one layer and direction."""
    shape = (rows, STEPS, hidden) if batch_first else (STEPS, rows, hidden)
    states = [np.zeros((1, rows, hidden), "f4") for _ in range(KINDS[kind].states)]
    return np.zeros(shape, "f4"), as_hx(states)


def frozen(array):
    array.flags.writeable = False
    return array


def wrong_arrays(good):
    """{label: what stands in the place of one array of out}."""
    shape, size = good.shape, good.size
    wide = np.zeros((*shape[:-1], 2 * shape[-1]), "f4")
    odd = np.zeros(4 * size + 1, np.uint8)[1:].view("f4").reshape(shape)
    return {
        "float64": np.zeros(shape),
        "int32": np.zeros(shape, "i4"),
        "float16": np.zeros(shape, "f2"),
        "big-endian": np.zeros(shape, ">f4"),
        "complex64": np.zeros(shape, "c8"),
        "bool": np.zeros(shape, bool),
        "object": np.zeros(shape, object),
        "too wide": np.zeros((*shape[:-1], shape[-1] + 1), "f4"),
        "too narrow": np.zeros((*shape[:-1], shape[-1] - 1), "f4"),
        "another rank": np.zeros(shape[1:], "f4"),
        "a rank more": np.zeros((1, *shape), "f4"),
        "flat": np.zeros(size, "f4"),
        "one row": np.zeros((shape[0], 1, shape[2]), "f4"),
        "nothing": np.zeros(0, "f4"),
        "read-only": frozen(np.zeros(shape, "f4")),
        "broadcast": np.broadcast_to(np.zeros(shape[-1], "f4"), shape),
        "every second value": wide[..., ::2],
        "last axis reversed": np.zeros(shape, "f4")[..., ::-1],
        "Fortran": np.zeros(shape, "f4", order="F"),
        "a list": np.zeros(shape).tolist(),
        "a number": 0.0,
        "None": None,
        "masked": np.ma.zeros(shape, "f4"),
        "a buffer": memoryview(np.zeros(shape, "f4")),
        "misaligned": odd,
    }


OUT_MAY_BE = {"misaligned"}  # taken or refused, but never wrong


@of_each_kind
def test_wrong_arrays_in_out(kind):
    module = make(kind)
    for place in range(1 + KINDS[kind].states):
        good = fresh(kind)
        for label, wrong in wrong_arrays(flatten(good)[place]).items():
            print(place, label)
            out = flatten(fresh(kind))
            out[place] = wrong
            out = out[0], as_hx(out[1:])
            if label in OUT_MAY_BE:
                try:
                    result = module(X, out=out)
                except (TypeError, ValueError):
                    continue
                assert snapshot(list(result)) == snapshot(list(module(X)))
                continue
            refused(module, module, (TypeError, ValueError), "out", X, out=out)
            refused(module, module, (TypeError, ValueError), "out", X, hx_of(kind), out=out)


@of_each_kind
def test_wrong_structures_of_out(kind):
    module = make(kind)
    output, states = fresh(kind)
    states = states_of(states)
    more = [np.zeros_like(states[0])]
    wrong = [
        output,
        (output,),
        (),
        (output, *states, *more),
        (output, tuple(states + more)),
        (output, None),
        (states[0], output),
        3,
        "out",
        {"output": output},
        (output, (output, *states)),
    ]
    if KINDS[kind].states == 2:
        wrong += [(output, states[0]), (output, (states[0],)), (output, *states), (output, ())]
        wrong += [(output, np.stack(states))]
    else:
        wrong += [(output, (states[0],)), (output, [states[0]])]
    for out in wrong:
        refused(module, module, (TypeError, ValueError), "out", X, out=out)
    cell = with_parameters(cell_of(kind, INPUT, HIDDEN), 1)
    row = [np.zeros((ROWS, HIDDEN), "f4") for _ in range(KINDS[kind].states)]
    wrong = [(), (row[0], as_hx(row)), (*row, row[0].copy()), 3, [None] * len(row)]
    wrong += [row[0], (row[0],)] if len(row) == 2 else [(row[0],)]
    for out in wrong:
        refused(cell, cell, (TypeError, ValueError), "out", X[0], out=out)


def pool(size=4096):
    return np.random.default_rng(9).standard_normal(size).astype("f4")


def at(memory, start, shape):
    return memory[start : start + int(np.prod(shape))].reshape(shape)


@of_each_kind
def test_overlaps(kind):
    """With input_size = hidden_size, so that any array may stand on any other."""
    module = with_parameters(layer_of(kind, HIDDEN, HIDDEN), 1)
    count = KINDS[kind].states
    whole, of_state = (STEPS, ROWS, HIDDEN), (1, ROWS, HIDDEN)
    size, row = STEPS * ROWS * HIDDEN, ROWS * HIDDEN

    def check(x, hx, output, *states):
        out = output, as_hx(states)
        given = None if hx is None else as_hx(hx)
        refused(module, module, ValueError, "out", x, given, out=out)

    x = pool(size).reshape(whole)
    h_0 = [pool(row).reshape(of_state) for _ in range(count)]
    free = [np.zeros(of_state, "f4") for _ in range(count)]
    result = np.zeros(whole, "f4")
    check(x, None, x, *free)  # the input itself
    check(x, None, x[:], *free)
    check(x, h_0, x.view(), *free)
    memory = pool()
    for shift in (-size + 1, -HIDDEN, -1, 1, 5, HIDDEN, size - 1):
        check(at(memory, 1000, whole), None, at(memory, 1000 + shift, whole), *free)
    for place in range(count):
        for shift in (-row + 1, 0, 7, size - 1):
            states = list(free)
            states[place] = at(memory, 1000 + shift, of_state)
            check(at(memory, 1000, whole), None, result, *states)  # in the input
            check(x, None, at(memory, 1000, whole), *states)  # in the output
        for shift in (-row + 1, -HIDDEN, 1, row - 1):  # hx in part
            given, states = list(h_0), list(free)
            given[place], states[place] = (
                at(memory, 1000, of_state),
                at(memory, 1000 + shift, of_state),
            )
            check(x, given, result, *states)
        given = list(h_0)
        given[place] = at(memory, 1000, of_state)
        check(x, given, at(memory, 1000, whole), *free)  # the output on a state
        check(x, given, at(memory, 1000 - size + 1, whole), *free)
    if count == 2:
        check(x, None, result, free[0], free[0])
        check(x, None, result, at(memory, 9, of_state), at(memory, 9 + row - 1, of_state))
        check(x, h_0, result, h_0[1], h_0[0])  # crosswise
        check(x, h_0, result, free[0], h_0[0])
        check(x, h_0, result, h_0[1], free[1])
        stacked = pool(2 * row).reshape(2, *of_state)
        check(x, stacked, result, stacked[1], stacked[0])


@of_each_kind
def test_parameters_are_no_out(kind):
    """A view of a parameter, of the right shape and dtype and writable, would change the weights."""
    gates = KINDS[kind].gates
    module = with_parameters(layer_of(kind, HIDDEN, HIDDEN), 1)
    _, states = fresh(kind, rows=1)
    weights = module.weight_hh_l0
    output = np.zeros((STEPS, 1, HIDDEN), "f4")
    x = pool(STEPS * HIDDEN).reshape(STEPS, 1, HIDDEN)
    for place in range(KINDS[kind].states):
        for view in (
            weights[:1].reshape(1, 1, HIDDEN),
            module.bias_ih_l0[:HIDDEN].reshape(1, 1, HIDDEN),
        ):
            out = states_of(states)
            out[place] = view
            refused(module, module, ValueError, "out", x, out=(output, as_hx(out)))
    if gates * HIDDEN >= STEPS:
        out = weights[:STEPS].reshape(STEPS, 1, HIDDEN), states
        refused(module, module, ValueError, "out", x, out=out)
    cell = with_parameters(cell_of(kind, HIDDEN, HIDDEN), 1)
    row = [np.zeros((1, HIDDEN), "f4") for _ in range(KINDS[kind].states)]
    row[-1] = cell.weight_ih[:1]
    refused(cell, cell, ValueError, "out", x[0], out=as_hx(row))


@of_each_kind
def test_wrong_calls_with_a_right_out(kind):
    """Every other argument is checked before anything is written."""
    module = make(kind)
    for wrong in ({"lengths": [9, 1, 1]}, {"lengths": [1, 1, 0]}, {"reset": MASK.T}):
        out = fresh(kind)
        refused(module, module, ValueError, next(iter(wrong)), X, **wrong, out=out)
    for arguments in ((X[..., :3],), (X, hx_of(kind, 2)), (X[:4],), (X[:, :2],), (X[:, 0],)):
        out = fresh(kind)
        before = snapshot(out[0], states_of(out[1]))
        with pytest.raises((RuntimeError, ValueError, TypeError)):
            module(*arguments, out=out)
        assert snapshot(out[0], states_of(out[1])) == before
