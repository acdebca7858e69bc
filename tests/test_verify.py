"""`verify`: what it says, how it measures, and that it tells a wrong module from rounding."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from support import with_parameters

import pylstm
from pylstm.cli import main, verify
from pylstm.weights.find import survey

pytestmark = pytest.mark.usefixtures("no_peers")


def run(capsys, *arguments):
    code = main(["verify", *map(str, arguments)])
    printed = capsys.readouterr()
    assert printed.err == ""
    return code, printed.out


def saved(module, folder):
    path = folder / "model.npz"
    np.savez(path, **module.state_dict())
    return path


# ---------------------------------------------------------------------------- what it says


def test_what_is_compared_is_said(tmp_path, capsys):
    path = saved(pylstm.LSTM(3, 4), tmp_path)
    code, text = run(capsys, path)
    assert code == 0
    head = text.split("\n\n", 1)[0]
    assert head.splitlines() == [
        f"Run: the LSTMs and cells of {path} (npz), with the weights of the file.",
        "Reference: float64 NumPy, which is the equations of an LSTM, step by step in double",
        "  precision, with the same weights and inputs.",
        "Neither torch nor onnxruntime is installed: float64 NumPy alone must do.",
        "Inputs and states: random numbers between -1 and 1 from seed 0, 20 steps of 3 sequences.",
        "difference: the largest in an array.",
        "ulp: the largest difference in units of the last place of the element, or of the root",
        "  mean square of the array where the element is smaller, so that elements near zero",
        "  count like all others.",
        "Tolerance: 1000 roundings of that size, 1.2e-04 of it in float32 and 2.2e-13 in float64.",
        "  Rounding makes some ten; a wrong order of gates, layers or directions makes thousands",
        "  to millions.",
    ]


def test_the_inputs_are_what_is_said():
    for module in (pylstm.LSTM(3, 4, 2, bidirectional=True), pylstm.LSTMCell(3, 4)):
        x, h_0, c_0 = verify.make_inputs(module)
        assert x.shape == (20, 3, 3)
        assert h_0.shape == c_0.shape == (4 if isinstance(module, pylstm.LSTM) else 1, 3, 4)
        for array in (x, h_0, c_0):
            assert array.dtype == np.float32
            assert -1 <= array.min() < -0.5 and 0.5 < array.max() <= 1
        assert all(
            np.array_equal(a, b)
            for a, b in zip(verify.make_inputs(module), (x, h_0, c_0), strict=True)
        )


class OtherPeer:
    name = "other 1.0"
    coarsest = 0.0
    error = 0.0

    def run(self, module, *inputs):
        return tuple(array + self.error for array in verify.run_pylstm(module, *inputs))


def test_the_peer_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(verify, "find_peer", lambda name: OtherPeer())
    code, text = run(capsys, saved(pylstm.LSTM(3, 4), tmp_path))
    assert code == 0
    line = "Compared with: other 1.0, its own LSTM with the same weights, inputs and dtype.\n"
    assert line in text.split("\n\n", 1)[0]
    assert "Neither" not in text


def test_sizes_below_those_that_a_peer_resolves_count_as_these(tmp_path, capsys, monkeypatch):
    """Weights near 1e-4 make outputs near 1e-6, of which an error of 2e-8 is no rounding."""
    path = saved(scaled("a projection", 1e-4), tmp_path)
    for error, coarsest, expected in (
        (2e-8, 0.0, 1),
        (2e-8, 1.0, 0),
        (2e-4, 1.0, 1),
        (0.0, 0.0, 0),
    ):
        peer = OtherPeer()
        peer.error, peer.coarsest = error, coarsest
        monkeypatch.setattr(verify, "find_peer", lambda name, peer=peer: peer)
        code, text = run(capsys, path)
        assert code == expected
        note = "Beside other 1.0, whose sigmoid has an absolute error near 1e-7, sizes below\n  1 count as 1."
        assert (note in text) == bool(coarsest)


def candidate_of(module, **changes):
    [candidate] = survey(dict(module.state_dict()), "x").candidates
    return replace(candidate, found=replace(candidate.found, **changes))


@pytest.mark.parametrize(
    ("assumed", "line"),
    [
        ({}, ""),
        ({"batch_first": False}, "  assumed: batch_first=False\n"),
        (
            {"gate_activation": "sigmoid", "activation": "tanh", "reverse": False, "batch_first": True},
            "  assumed: gate_activation=sigmoid, activation=tanh, reverse=False, batch_first=True\n",
        ),
        ({"note": "\x1b[2J"}, "  assumed: note=\\x1b[2J\n"),
    ],
)  # fmt: skip
def test_what_was_assumed_is_said(assumed, line, capsys):
    assert verify.verify(candidate_of(pylstm.LSTM(3, 4), assumed=assumed), None, insist=False)
    text = capsys.readouterr().out
    assert line in text
    assert ("assumed" in text) == bool(line)


def test_a_state_dict_leaves_batch_first_open(tmp_path, capsys):
    assert "  assumed: batch_first=False\n" in run(capsys, saved(pylstm.LSTM(3, 4), tmp_path))[1]
    assert "assumed" not in run(capsys, saved(pylstm.LSTMCell(3, 4), tmp_path))[1]


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
def test_initial_states_of_the_file_are_used_and_named(batch, capsys, monkeypatch):
    module = pylstm.LSTM(3, 4, 2)
    states = tuple(np.full((2, batch, 4), value) for value in (0.5, -7.0))
    given = []
    run_reference = verify.run_reference
    monkeypatch.setattr(
        verify, "run_reference", lambda *all: given.append(all[1:]) or run_reference(*all)
    )
    candidate = candidate_of(module, initial_states=states)
    assert verify.verify(candidate, None, insist=False)
    line = "  initial states: the first sequences begin with those of the file\n"
    assert line in capsys.readouterr().out
    plain = verify.make_inputs(module)
    [(x, h_0, c_0)] = given
    rows = min(batch, 3)
    assert np.array_equal(x, plain[0])
    assert (h_0[:, :rows] == 0.5).all() and (c_0[:, :rows] == -7.0).all()
    assert np.array_equal(h_0[:, rows:], plain[1][:, rows:])
    assert np.array_equal(c_0[:, rows:], plain[2][:, rows:])
    assert verify.verify(candidate_of(module), None, insist=False)
    assert "initial states" not in capsys.readouterr().out


def normed(prefix):
    """What torch.nn.utils.weight_norm leaves of an LSTM."""
    return {
        f"{prefix}weight_hh_l0_g": np.zeros((16, 1), np.float32),
        f"{prefix}weight_hh_l0_v": np.zeros((16, 4), np.float32),
    }


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], ["encoder_n", "decoder.n", "lstm_n"]),
        (["--prefix", "lstm"], []),
        (["--prefix", "encoder"], []),
    ],
)
def test_near_misses_are_named(arguments, named, tmp_path, capsys):
    path = tmp_path / "model.npz"
    values = pylstm.LSTM(3, 4).state_dict(prefix="lstm.")
    values |= pylstm.LSTM(3, 4).state_dict(prefix="encoder.")
    np.savez(path, **values, **normed("encoder_n."), **normed("decoder.n."), **normed("lstm_n."))
    code, text = run(capsys, path, *arguments)
    assert code == 0
    lines = [line for line in text.splitlines() if line.startswith("not run: ")]
    told = [line.partition(" (weight_ih_l0 is missing")[0] for line in lines]
    assert told == [f"not run: {name}: weight-normed LSTM" for name in named]


def test_near_misses_that_the_prefix_fits_are_named(tmp_path, capsys):
    path = tmp_path / "model.npz"
    np.savez(
        path, **pylstm.LSTM(3, 4).state_dict(prefix="a.rnn."), **normed("b.rnn."), **normed("rnns.")
    )
    _, text = run(capsys, path, "--prefix", "rnn")
    assert [line[:14] for line in text.splitlines() if "not run" in line] == ["not run: b.rnn"]


def test_many_near_misses_are_counted(tmp_path, capsys):
    path = tmp_path / "model.npz"
    values = pylstm.LSTM(3, 4).state_dict(prefix="lstm.")
    for number in range(50):
        values |= normed(f"n{number}.")
    np.savez(path, **values)
    lines = run(capsys, path)[1].splitlines()
    assert sum(line.startswith("not run: n") for line in lines) == 20
    assert lines[-1] == "not run: 30 more; see `inspect`"


def test_names_of_near_misses_cannot_steer_a_terminal(tmp_path, capsys):
    path = tmp_path / "model.pt"
    pylstm.save({"lstm": pylstm.LSTM(3, 4).state_dict(), "a\x1b[2J\n": normed("")}, path)
    text = run(capsys, path)[1]
    assert r"not run: a\x1b[2J\n: weight-normed" in text
    assert all(line.isprintable() for line in text.splitlines())


# ---------------------------------------------------------------------------- how it measures

F32, F64 = np.dtype("float32"), np.dtype("float64")
EPS = float(np.finfo(F32).eps)


def test_an_element_near_zero_counts_like_all_others():
    reference = np.array([0.5, -0.5, 1e-9, 0.0])
    result = reference + np.array([0, 0, 1e-8, -1e-8])
    difference, ulp, fine = verify.compare(result, reference, F32)
    assert difference == pytest.approx(1e-8)
    # The root mean square is 0.354, whose last place is 2**-25.
    assert ulp == pytest.approx(1e-8 * 2**25)
    assert fine
    assert verify.compare(reference + 1e-3, reference, F32)[2] is False


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0, 1e3, 1e30])
def test_the_measure_is_relative(dtype, scale):
    eps = float(np.finfo(dtype).eps)
    reference = scale * np.array([1.0, -1.0, 1.0, 1e-6])
    for count, expected in ((100, True), (800, True), (1300, False), (10_000, False)):
        for element in range(4):
            result = reference.copy()
            result[element] += count * eps * scale
            _, ulp, fine = verify.compare(result, reference, dtype)
            assert fine is expected
            assert count / 2.1 < ulp < count * 2.4  # between two powers of two


@pytest.mark.parametrize("dtype", [F32, F64])
def test_the_measure_of_special_arrays(dtype):
    limits = np.finfo(dtype)
    zeros = np.zeros(3)
    assert verify.compare(zeros, zeros, dtype) == (0.0, 0.0, True)
    assert verify.compare(zeros + 1e-9, zeros, dtype)[2] is False
    tiny = np.full(3, float(limits.smallest_subnormal))
    assert verify.compare(zeros, tiny, dtype)[2] is True  # flushed to zero
    large = np.full(3, float(limits.max))
    assert verify.compare(large, large, dtype) == (0.0, 0.0, True)
    assert verify.compare(large * (1 - 8 * float(limits.eps)), large, dtype)[2] is True
    assert verify.compare(large * 0.9, large, dtype)[2] is False
    assert np.isfinite(verify.root_mean_square(large))
    mixed = np.array([np.nan, np.inf, 1.0])
    assert verify.root_mean_square(mixed) == 1.0
    assert verify.compare(mixed, mixed, dtype) == (0.0, 0.0, True)
    assert verify.compare(zeros, mixed, dtype)[2] is False
    assert verify.compare(mixed, zeros, dtype)[2] is False


def test_few_ulp_are_printed_for_correct_modules(tmp_path, capsys):
    """Once "25760.0 ulp" for 1e-8 near zero: projections and many elements have such."""
    module = with_parameters(pylstm.LSTM(30, 64, 2, proj_size=20, bidirectional=True), 3)
    code, text = run(capsys, saved(module, tmp_path))
    assert code == 0
    numbers = [float(line.split()[-1]) for line in text.splitlines() if line.startswith("  pylstm")]
    assert len(numbers) == 3
    assert 0 < max(numbers) < 30


def test_the_reference_keeps_the_digits_of_gates_that_are_shut():
    cell = pylstm.LSTMCell(1, 1, dtype="float64")
    cell.load_state_dict({"weight_ih": np.zeros((4, 1)), "weight_hh": np.zeros((4, 1)),
                          "bias_ih": [-60.0, -50.0, 1.0, -40.0], "bias_hh": np.zeros(4)})  # fmt: skip
    inputs = verify.make_inputs(cell)
    for ours, exact in zip(
        verify.run_pylstm(cell, *inputs), verify.run_reference(cell, *inputs), strict=True
    ):
        assert (exact != 0).any()
        np.testing.assert_allclose(ours, exact, rtol=1e-12, atol=0)


# ---------------------------------------------------------------------------- how sharp it is

ORDERS = [order for order in itertools.permutations(range(4)) if order != (0, 1, 2, 3)]
MODULES = {
    "one layer": lambda: pylstm.LSTM(5, 8),
    "one unit": lambda: pylstm.LSTM(3, 1),
    "two directions": lambda: pylstm.LSTM(5, 6, 2, bidirectional=True),
    "a projection": lambda: pylstm.LSTM(5, 8, proj_size=3),
    "no biases": lambda: pylstm.LSTM(5, 8, bias=False),
    "float64": lambda: pylstm.LSTM(5, 8, dtype="float64"),
    "a cell": lambda: pylstm.LSTMCell(5, 8),
}
SCALES = [1e-3, 0.01, 0.1, 1.0]


def scaled(name, scale):
    module = MODULES[name]()
    random = np.random.default_rng(7)
    values = {key: random.normal(0, scale, a.shape) for key, a in module.state_dict().items()}
    module.load_state_dict(values)
    return module


def changed(module, change):
    """A module of the same kind, with other parameters."""
    values = {name: np.array(value) for name, value in module.state_dict().items()}
    options = {name: getattr(module, name) for name in module._native_structure if name != "mode"}
    other = type(module)(**options, dtype=module._native_dtype)
    other.load_state_dict(change(values))
    return other


def reordered(order):
    def change(values):
        return {
            name: value
            if "_hr" in name
            else value.reshape(4, len(value) // 4, -1)[list(order)].reshape(value.shape)
            for name, value in values.items()
        }

    return change


def judged(right, wrong):
    """Whether the results of one module pass for those of another; the largest ulp."""
    inputs = verify.make_inputs(right)
    pairs = zip(
        verify.run_pylstm(wrong, *inputs), verify.run_reference(right, *inputs), strict=True
    )
    results = [verify.compare(ours, exact, right._native_dtype) for ours, exact in pairs]
    return all(fine for *_, fine in results), max(ulp for _, ulp, _ in results)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", MODULES)
def test_rounding_is_far_below_and_other_gates_far_above_the_tolerance(name, scale):
    module = scaled(name, scale)
    fine, ulp = judged(module, module)
    assert fine
    assert ulp < verify.ROUNDINGS / 10
    for order in ORDERS:
        fine, ulp = judged(module, changed(module, reordered(order)))
        assert not fine, order
        assert ulp > (50_000 if scale >= 0.01 else 5_000)


def swapped(one, other):
    """Exchange the parameters of two layers or directions, by parts of their names."""

    def change(values):
        names = {
            name: name.replace(one, "#").replace(other, one).replace("#", other) for name in values
        }
        return {name: values[names[name]] for name in values}

    return change


def without(part):
    return lambda values: {n: 0 * v if part in n else v for n, v in values.items()}


def transposed(values):
    return {n: v.reshape(v.shape[1], 4, -1).swapaxes(0, 2).reshape(v.shape) if n.startswith("weight_hh") else v
            for n, v in values.items()}  # fmt: skip


def rounded(bits):
    """The values with fewer bits of mantissa, as bfloat16 (7) and float16 (10) have."""
    return lambda values: {
        n: (v.view(np.uint32) & np.uint32(0x100000000 - (1 << (23 - bits)))).view(np.float32)
        for n, v in values.items()
    }


def forget_bias(values):
    name = next(name for name in values if name.startswith("bias_hh"))
    quarter = len(values[name]) // 4
    values[name][quarter : 2 * quarter] += 1
    return values


MISTAKES = {
    "layers swapped": (lambda: pylstm.LSTM(5, 5, 2), swapped("_l0", "_l1")),
    "upper layers swapped": (lambda: pylstm.LSTM(4, 5, 3), swapped("_l1", "_l2")),
    "directions swapped": (
        lambda: pylstm.LSTM(4, 5, bidirectional=True),
        lambda values: swapped("#", "#")(
            {
                n: values[n.removesuffix("_reverse") if "rev" in n else n + "_reverse"]
                for n in values
            }
        ),
    ),
    "weight_hh transposed": (lambda: pylstm.LSTM(4, 5), transposed),
    "no bias_hh": (lambda: pylstm.LSTM(4, 5), without("bias_hh")),
    "no bias_ih in the upper layer": (lambda: pylstm.LSTM(4, 5, 2), without("bias_ih_l1")),
    "no recurrence": (lambda: pylstm.LSTMCell(4, 5), without("weight_hh")),
    "the forget gate's bias of another library": (lambda: pylstm.LSTM(4, 5), forget_bias),
    "rounded to bfloat16": (lambda: pylstm.LSTM(4, 5), rounded(7)),
    "rounded to float16": (lambda: pylstm.LSTM(4, 5), rounded(10)),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_module_fails(name, tmp_path, capsys, monkeypatch):
    make, change = MISTAKES[name]
    module = with_parameters(make(), 5)
    path = saved(module, tmp_path)
    assert run(capsys, path)[0] == 0
    right = verify.run_pylstm
    monkeypatch.setattr(verify, "run_pylstm", lambda m, *inputs: right(changed(m, change), *inputs))
    code, text = run(capsys, path)
    assert code == 1
    assert "  NOT within the tolerance of 1.2e-04.\n" in text
    assert "no two libraries" not in text


@pytest.mark.parametrize("order", [(0, 3, 1, 2), (0, 1, 3, 2), (0, 2, 1, 3), (3, 1, 2, 0)])
def test_gates_in_another_order_fail(order, tmp_path, capsys, monkeypatch):
    module = with_parameters(pylstm.LSTM(4, 5, 2), 5)
    path = saved(module, tmp_path)
    right, change = verify.run_pylstm, reordered(order)
    monkeypatch.setattr(verify, "run_pylstm", lambda m, *inputs: right(changed(m, change), *inputs))
    code, text = run(capsys, path)
    assert code == 1
    assert "NOT within" in text


@pytest.mark.parametrize(
    "wrong",
    [
        lambda output, h_n, c_n: (output[::-1], h_n, c_n),
        lambda output, h_n, c_n: (output[:, ::-1], h_n, c_n),
        lambda output, h_n, c_n: (output, c_n, h_n),
        lambda output, h_n, c_n: (output, h_n[::-1], c_n),
        lambda output, h_n, c_n: (output, h_n, c_n[:, ::-1]),
        lambda output, h_n, c_n: (output * np.float32(1 + 1e-3), h_n, c_n),
        lambda output, h_n, c_n: (np.where(output == output.max(), np.nan, output), h_n, c_n),
    ],
)
def test_wrong_results_fail(wrong, tmp_path, capsys, monkeypatch):
    path = saved(with_parameters(pylstm.LSTM(4, 5, 2), 5), tmp_path)
    right = verify.run_pylstm
    monkeypatch.setattr(verify, "run_pylstm", lambda *all: wrong(*right(*all)))
    code, text = run(capsys, path)
    assert code == 1
    assert "NOT within" in text


@pytest.mark.parametrize(
    "make", [lambda: pylstm.LSTM(8, 128), lambda: pylstm.LSTM(8, 64, 3, bidirectional=True)]
)
def test_weights_that_let_rounding_grow_are_named(make, tmp_path, capsys):
    module = make()
    random = np.random.default_rng(1)
    module.load_state_dict(
        {n: random.normal(0, 3, a.shape) for n, a in module.state_dict().items()}
    )
    code, text = run(capsys, saved(module, tmp_path))
    assert code == 1
    assert (
        "  NOT within the tolerance of 1.2e-04.\n  These weights let one rounding of the inputs grow to "
        in text
    )
    assert text.endswith(" ulp in exact arithmetic:\n  no two libraries can agree on them.\n")
