"""`verify --weights` and `compare_weights`: what is measured, what is said, what is refused."""

import itertools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import with_parameters

import pylstm
from pylstm.cli import compare, main, smaller
from pylstm.cli.compare import compare_weights, random_input
from pylstm.weights.find import survey
from pylstm.weights.storages import STORAGES

pytestmark = pytest.mark.usefixtures("no_peers")

NAMES = list(STORAGES)
MODULES = {
    "LSTM": lambda: pylstm.LSTM(5, 40, 2, bidirectional=True),
    "projected LSTM": lambda: pylstm.LSTM(5, 40, proj_size=8),
    "batch first": lambda: pylstm.LSTM(5, 40, batch_first=True),
    "GRU": lambda: pylstm.GRU(5, 40, 2),
    "RNN": lambda: pylstm.RNN(5, 40, bidirectional=True),
    "relu RNN": lambda: pylstm.RNN(5, 40, nonlinearity="relu"),
    "LSTMCell": lambda: pylstm.LSTMCell(5, 40),
    "GRUCell": lambda: pylstm.GRUCell(5, 40, bias=False),
    "RNNCell": lambda: pylstm.RNNCell(5, 40),
}


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """Times are measured in one round."""
    monkeypatch.setattr(compare, "_SECONDS", 0.0)
    monkeypatch.setattr(compare, "_LEAST_ROUNDS", 1)


def run(capsys, *arguments):
    code = main(["verify", *map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def table_of(text):
    """{storage: {column: cell}} of the only table in a text."""
    lines = [line.split() for line in text.splitlines()]
    headers, *rows = lines[next(n for n, words in enumerate(lines) if words[:1] == ["weights"]) :]
    rows = itertools.takewhile(lambda row: row and row[0] in ("float32", *NAMES), rows)
    return {row[0]: dict(zip(headers, row, strict=True)) for row in rows}


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A file with an encoder, a Linear behind it, and a cell."""
    monkeypatch.chdir(tmp_path)
    encoder = with_parameters(pylstm.LSTM(12, 48), 1)
    random = np.random.default_rng(2)
    arrays = encoder.state_dict(prefix="encoder.")
    arrays["fc.weight"] = random.standard_normal((7, 48), dtype=np.float32)
    arrays["fc.bias"] = random.standard_normal(7, dtype=np.float32)
    arrays["other.weight"] = random.standard_normal((3, 47), dtype=np.float32)
    arrays["norm.weight"] = np.ones(48, np.float32)
    arrays["ids.weight"] = np.ones((3, 48), np.int64)
    pylstm.save(arrays, "model.pt")
    return encoder, arrays


def error_of(module, storage, x, hx=None):
    """The errors of h, computed once more."""
    small = pylstm.compress(module, storage)
    outputs = [np.asarray(each(x, hx)[0], np.float64) for each in (module, small)]
    difference = outputs[1] - outputs[0]
    return np.sqrt((difference**2).mean()), np.abs(difference).max(), outputs


# ---------------------------------------------------------------------------- what is measured


@pytest.mark.parametrize("storage", NAMES)
@pytest.mark.parametrize("name", MODULES)
def test_every_storage_of_every_module_is_compared(name, storage):
    module = with_parameters(MODULES[name](), 3)
    before = {key: value.tobytes() for key, value in module.state_dict().items()}
    found = compare_weights(module, storage)
    x = random_input(module)
    if hasattr(module, "num_layers"):
        rms, largest, _ = error_of(module, storage, x)
        assert (found.rms, found.largest) == pytest.approx((rms, largest))
    assert 0 < found.rms < found.largest < 0.1 * max(1.0, found.size)
    assert found.relative == found.rms / found.size
    assert found.weights == storage
    assert found.not_finite == found.decisions == found.changed == 0
    assert found.speed == found.seconds[0] / found.seconds[1] > 0
    after = {key: value.tobytes() for key, value in module.state_dict().items()}
    assert before == after


def test_a_cell_has_the_errors_of_its_layer():
    layer = with_parameters(pylstm.LSTM(5, 40), 3)
    cell = pylstm.LSTMCell(5, 40)
    cell.load_state_dict({n.removesuffix("_l0"): v for n, v in layer.state_dict().items()})
    x = random_input(layer)
    for given in (x, x[:, 0]):
        one, other = (compare_weights(module, "int8", given) for module in (layer, cell))
        assert (one.size, one.rms, one.largest) == (other.size, other.rms, other.largest)


def test_more_bits_have_smaller_errors():
    module = with_parameters(pylstm.LSTM(30, 64), 3)
    errors = {name: compare_weights(module, name).rms for name in NAMES}
    assert errors["int8-fast"] > errors["int8"] > errors["bfloat16"] > errors["float16"]
    assert errors["bfloat16"] > 3 * errors["int16"]


@pytest.mark.parametrize("storage", NAMES)
def test_sizes_are_those_of_the_stored_form_and_of_its_file(storage, tmp_path):
    module = with_parameters(pylstm.LSTM(12, 64, 2), 1)
    found = compare_weights(module, storage)
    for each, nbytes, file_nbytes in zip(
        (module, pylstm.compress(module, storage)), found.nbytes, found.file_nbytes, strict=True
    ):
        path = tmp_path / "weights.safetensors"
        pylstm.save(each.state_dict(), path)
        assert file_nbytes == path.stat().st_size
        assert file_nbytes - 2000 < nbytes < file_nbytes
    matrices = sum(v.size for v in module.state_dict().values() if v.ndim == 2)
    vectors = sum(v.nbytes for v in module.state_dict().values() if v.ndim == 1)
    scales = 4 * 4 * 256 if STORAGES[storage].is_integer else 0
    assert found.nbytes[0] == 4 * matrices + vectors
    assert found.nbytes[1] == STORAGES[storage].dtype.itemsize * matrices + scales + vectors


@pytest.mark.parametrize("most", [1 << 22, 1])
def test_decisions_that_change_are_counted(most, monkeypatch):
    monkeypatch.setattr(compare, "_MOST_SCORES", most)
    module = with_parameters(pylstm.LSTM(12, 48), 1)
    x = random_input(module)
    _, _, outputs = error_of(module, "int8-fast", x)
    random = np.random.default_rng(0)
    for bias in (None, random.standard_normal(200).astype(np.float32)):
        weight = random.standard_normal((200, 48), dtype=np.float32)
        scores = [h @ weight.T.astype(float) + (0 if bias is None else bias) for h in outputs]
        expected = (scores[0].argmax(-1) != scores[1].argmax(-1)).sum()
        for head in ((weight, bias), Linear(weight, bias), *([weight] if bias is None else [])):
            found = compare_weights(module, "int8-fast", x, head=head)
            assert (found.changed, found.decisions) == (expected, 400)
    assert expected > 0


class Linear:
    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias


def test_initial_states_are_given_to_both():
    module = with_parameters(pylstm.LSTM(5, 40), 3)
    x = random_input(module)
    hx = tuple(np.full((1, 4, 40), value, np.float32) for value in (0.5, 3.0))
    found = compare_weights(module, "int8", x, hx)
    rms, largest, _ = error_of(module, "int8", x, hx)
    assert (found.rms, found.largest) == pytest.approx((rms, largest))
    assert found.rms != compare_weights(module, "int8", x).rms


def test_elements_that_are_not_finite_are_counted_apart():
    module = with_parameters(pylstm.LSTM(5, 40), 3)
    x = random_input(module)
    x[60, 2, 0] = np.nan
    found = compare_weights(module, "int8", x)
    assert found.not_finite == 40 * 40  # the row from there on, every unit
    assert 0 < found.rms < found.largest < 0.1
    x[:] = np.nan
    found = compare_weights(module, "int8", x)
    assert found.not_finite == 100 * 4 * 40
    assert np.isnan(found.rms) and np.isnan(found.largest)


def test_a_module_of_zeros_has_no_error():
    module = pylstm.LSTM(5, 8)
    module.load_state_dict({n: np.zeros_like(v) for n, v in module.state_dict().items()})
    found = compare_weights(module, "int8")
    assert (found.size, found.rms, found.relative) == (0, 0, 0)
    assert replace(found, rms=1.0).relative == np.inf


def test_both_are_timed_in_rounds_of_both(monkeypatch):
    monkeypatch.setattr(compare, "_LEAST_ROUNDS", 3)
    monkeypatch.setattr(compare, "_ROUND", 0.0)
    calls = []
    (one, other), rounds = compare.least_seconds(
        lambda: calls.append("a"), lambda: calls.append("b")
    )
    assert calls == ["a", "b"] * 4
    assert rounds == 3
    assert 0 < one < 1 and 0 < other < 1


def test_a_round_repeats_short_calls(monkeypatch):
    calls = []
    compare.least_seconds(lambda: calls.append(0), lambda: calls.append(1))
    assert calls.count(0) > 10 and calls.count(1) > 10


@pytest.mark.parametrize(
    ("make", "options", "kind", "told"),
    [
        (lambda: object(), {}, TypeError, "module must be a recurrent layer or cell of pylstm, got object"),
        (lambda: pylstm.LSTM(5, 8, dtype="float64"), {}, ValueError, r"\.float\(\)"),
        (lambda: pylstm.LSTM(5, 8, 2, dropout=0.5), {}, ValueError, r"call module\.eval\(\) first"),
        (lambda: pylstm.compress(pylstm.LSTM(5, 8), "int16"), {}, ValueError, "weights of int16 already"),
        (lambda: pylstm.LSTM(5, 8), {"weights": "int4"}, ValueError, "weights must be one of 'int8'"),
        (lambda: pylstm.LSTM(5, 8), {"head": np.ones((3, 7))}, ValueError, r"shape \(3, 7\), and the output has 8 features"),
        (lambda: pylstm.LSTM(5, 8), {"head": np.ones(8)}, ValueError, r"expected \(classes, 8\)"),
        (lambda: pylstm.LSTM(5, 8), {"head": (np.ones((3, 8)), np.ones(4))}, ValueError, r"bias of shape \(4,\), expected \(3,\)"),
        (lambda: pylstm.LSTM(5, 8), {"input": np.ones((3, 0, 5))}, ValueError, "no output to compare"),
        (lambda: pylstm.LSTM(5, 8), {"input": np.ones((3, 5)) * 1j}, TypeError, "real numbers"),
        (lambda: pylstm.LSTM(5, 8), {"input": np.ones((3, 6))}, RuntimeError, "Expected 5, got 6"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared(make, options, kind, told):
    with pytest.raises(kind, match=told):
        compare_weights(make(), **{"weights": "int8", **options})


def test_dropout_of_a_module_that_evaluates_is_no_obstacle():
    module = pylstm.LSTM(5, 8, 2, dropout=0.5).eval()
    assert compare_weights(module, "int8").rms < 0.01


# ---------------------------------------------------------------------------- what is said


def test_what_is_compared_is_said(model, capsys):
    code, text, errors = run(capsys, "model.pt", "--weights", "int8,int16", "--head", "fc")
    assert (code, errors) == (0, "")
    assert text.split("\n\n")[0].splitlines() == [
        "Run: the layers and cells of model.pt (torch), with their float32 weights and with smaller ones.",
        "Input: standard normal random numbers from seed 0, 100 steps of 4 sequences.",
        "Errors: of h of the last layer, at every step, against the float32 module.",
        "rms: root mean square of the errors; relative: rms over that of the output itself;",
        "  largest: the largest error of an element.",
        "changed: how many decisions differ; the largest result of fc at a step of a",
        "  sequence is one decision.",
        "parameters: their bytes as stored; file: the bytes of a safetensors file of them.",
        "time: the least time of a call, over interleaved rounds, in microseconds; speed: that of",
        f"  the float32 module over it, in the same rounds. Threads: {pylstm.get_num_threads()}.",
    ]  # fmt: skip


def test_the_figures_are_those_of_the_function(model, capsys):
    encoder, arrays = model
    code, text, _ = run(capsys, "model.pt", "--weights", ",".join(NAMES), "--head", "fc.")
    assert code == 0
    assert "\nencoder: LSTM(12, 48), float32\n  assumed: batch_first=False\n" in text
    table = table_of(text)
    assert list(table) == ["float32", *NAMES]
    for name in NAMES:
        found = compare_weights(encoder, name, head=(arrays["fc.weight"], arrays["fc.bias"]))
        row = table[name]
        assert row["rms"] == f"{found.rms:.2e}"
        assert row["relative"] == f"{found.relative:.2e}"
        assert row["largest"] == f"{found.largest:.2e}"
        assert row["changed"] == str(found.changed)
        assert row["parameters"] == f"{found.nbytes[1]:,}"
        assert row["file"] == f"{found.file_nbytes[1]:,}"
        # A pause of the machine during the calls with this storage makes the ratio as small as 0.00.
        assert float(row["time"].replace(",", "")) > 0 and float(row["speed"]) >= 0
        assert f"root mean square of the output: {found.size:.2e}; decisions: 400\n" in text
    assert table["float32"]["parameters"] == f"{found.nbytes[0]:,}"
    assert table["float32"]["speed"] == "1.00"
    assert table["float32"]["changed"] == "-"


def test_without_a_head_no_decision_is_counted(model, capsys):
    code, text, _ = run(capsys, "model.pt", "--weights", "int8,int8")
    assert code == 0
    assert list(table_of(text)) == ["float32", "int8"]
    assert "changed" not in text and "decisions" not in text


def test_random_numbers_are_what_is_said(model, capsys):
    words = ["--seed", "7", "--steps", "1", "--batch", "2"]
    code, text, _ = run(capsys, "model.pt", "--weights", "int8", *words)
    assert code == 0
    assert "Input: standard normal random numbers from seed 7, 1 step of 2 sequences.\n" in text
    x = random_input(model[0], 7, 1, 2)
    expected = np.random.default_rng(7).standard_normal((1, 2, 12), dtype=np.float32)
    assert x.tobytes() == expected.tobytes()
    assert table_of(text)["int8"]["rms"] == f"{compare_weights(model[0], 'int8', x).rms:.2e}"
    turned = random_input(pylstm.LSTM(12, 4, batch_first=True), 7, 3, 2)
    assert np.array_equal(turned.swapaxes(0, 1), random_input(model[0], 7, 3, 2))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int16", "uint8"])
@pytest.mark.parametrize("shape", [(9, 3, 12), (9, 12)])
def test_a_given_input_is_run(shape, dtype, model, capsys):
    x = (3 * np.random.default_rng(0).standard_normal(shape)).astype(dtype)
    np.save("x.npy", x)
    code, text, _ = run(capsys, "model.pt", "--weights", "int8", "--input", "x.npy", "--head", "fc")
    assert code == 0
    assert f"Input: x.npy, {dtype} {shape}.\n" in text
    assert f"decisions: {9 * (3 if len(shape) == 3 else 1)}\n" in text
    assert table_of(text)["int8"]["rms"] == f"{compare_weights(model[0], 'int8', x).rms:.2e}"


def test_elements_that_are_not_finite_are_named(model, capsys):
    x = random_input(model[0])
    x[99, 2, 0] = np.inf
    np.save("x.npy", x)
    code, text, _ = run(capsys, "model.pt", "--weights", "int8,int16", "--input", "x.npy")
    assert code == 0
    assert re.search(r"^  int8: \d+ elements not finite in one of the outputs", text, re.M)
    assert re.search(r"^  int16: \d+ elements not finite in one of the outputs", text, re.M)


@pytest.mark.parametrize(
    "name, has_bias", [("fc", True), ("fc.", True), ("fc.weight", True), ("W", False)]
)
def test_a_head_is_found_by_its_prefix_or_its_weight(name, has_bias, model, capsys):
    encoder, arrays = model
    weight, bias = arrays["fc.weight"], 5 * arrays["fc.bias"]
    arrays |= {"fc.bias": bias, "W": weight, "bias": bias[:3]}
    pylstm.save(arrays, "model.npz")
    code, text, errors = run(capsys, "model.npz", "--weights", "int8-fast", "--head", name)
    assert (code, errors) == (0, "")
    head = (weight, bias if has_bias else None)
    expected = compare_weights(encoder, "int8-fast", head=head).changed
    assert table_of(text)["int8-fast"]["changed"] == str(expected)


def test_several_modules_are_compared_each(tmp_path, capsys):
    path = tmp_path / "model.pt"
    modules = {"lstm": pylstm.LSTM(3, 40), "gru": pylstm.GRU(5, 40), "cell": pylstm.RNNCell(4, 40)}
    pylstm.save({name: module.state_dict() for name, module in modules.items()}, path)
    code, text, _ = run(capsys, path, "--weights", "int16")
    assert code == 0
    for name, module in modules.items():
        assert f"\n{name}: {module!r}, float32\n" in text
    assert text.count("\n  int16 ") == 3
    code, text, _ = run(capsys, path, "--weights", "int16", "--prefix", "gru")
    assert code == 0
    assert text.count("\n  int16 ") == 1 and "\ngru: " in text


@pytest.mark.parametrize("held", [1, 2, 4, 6])
@pytest.mark.parametrize("axes", [3, 2])
@pytest.mark.parametrize("name", ["LSTM", "batch first", "GRU", "LSTMCell", "RNNCell"])
def test_initial_states_of_the_file_are_used_and_named(name, axes, held, capsys, monkeypatch):
    module = with_parameters(MODULES[name](), 3)
    [candidate] = survey(dict(module.state_dict()), "x").candidates
    facts = {"batch_first": True} if name == "batch first" else {}
    depth = getattr(module, "num_layers", 1) * (1 + getattr(module, "bidirectional", False))
    count = 2 if "LSTM" in name or "batch" in name else 1
    states = tuple(np.full((depth, held, 40), 0.5 + part, np.float32) for part in range(count))
    found = replace(candidate.found, initial_states=states if count == 2 else states[0])
    given = []
    monkeypatch.setattr(
        smaller, "compare_weights", lambda *all, **named: given.append(all) or compare_weights(*all, **named)
    )  # fmt: skip
    x = random_input(module)
    x = x[:, 0].copy() if axes == 2 else x
    what = smaller.Given(["int8"], "x.npy", x, (0, 100, 4), None)
    assert smaller._judge(replace(candidate, found=found, facts=facts), what)
    assert "\n  initial states: those of the file; zeros" in capsys.readouterr().out
    [(_, _, _, hx)] = given
    hx = hx if isinstance(hx, tuple) else (hx,)
    assert len(hx) == count
    is_cell = name.endswith("Cell")
    for part, state in enumerate(hx):
        expected = np.zeros((depth, 4, 40), np.float32)
        expected[:, : 4 if held == 1 else held] = 0.5 + part
        expected = expected if axes == 3 else expected[:, 0]
        assert np.array_equal(state, expected[0] if is_cell else expected)


@pytest.mark.parametrize("storage", NAMES)
def test_what_a_file_has_compressed_is_widened_and_named(storage, tmp_path, capsys):
    path = tmp_path / "small.safetensors"
    small = pylstm.compress(with_parameters(pylstm.LSTM(12, 40), 1), storage)
    pylstm.save(small.state_dict(), path)
    code, text, _ = run(capsys, path, "--weights", "int8,int16")
    assert code == 0
    assert f"\n  {storage} in the file: the float32 weights are what these stand for\n" in text
    table = table_of(text)
    for name in ("int8", "int16"):
        assert table[name]["rms"] == f"{compare_weights(small.float(), name).rms:.2e}"
    code, text, _ = run(capsys, path)  # beside float64: also as floats
    assert code == 0
    assert f"\n  {storage} in the file: run with the float32 weights that these stand for\n" in text


def test_float64_is_rounded_and_named(tmp_path, capsys):
    path = tmp_path / "model.npz"
    wide = with_parameters(pylstm.LSTM(3, 40, dtype="float64"), 1)
    pylstm.save({"a": wide.state_dict(), "b": pylstm.GRU(3, 40).state_dict()}, path)
    code, text, _ = run(capsys, path, "--weights", "int8,bfloat16")
    assert code == 0
    note = "  float64 in the file, rounded to float32: smaller weights are made of float32\n"
    told, other = text.split("\na: ")[1].split("\nb: ")
    assert told.startswith(f"LSTM(3, 40), float32\n{note}") and note not in other
    found = compare_weights(wide.float(), "int8")
    assert table_of(told)["int8"]["rms"] == f"{found.rms:.2e}"


# ---------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "value, refused",
    [(1e5, ["float16"]), (np.nan, ["int8", "int8-fast", "int16"]), (-np.inf, ["int8", "int8-fast", "int16"])],
)  # fmt: skip
def test_weights_that_a_storage_cannot_hold_are_named(value, refused, tmp_path, capsys):
    path = tmp_path / "model.npz"
    parameters = {n: v.copy() for n, v in pylstm.LSTM(3, 40).state_dict().items()}
    parameters["weight_hh_l0"][7, 9] = value
    np.savez(path, **parameters)
    code, text, _ = run(capsys, path, "--weights", ",".join(NAMES))
    assert code == 1
    assert list(table_of(text)) == ["float32", *(name for name in NAMES if name not in refused)]
    told = [line for line in text.splitlines() if "weight_hh_l0[7, 9] is " in line]
    assert [line.split(":")[0].strip() for line in told] == refused


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--weights", "int8,int9"], 2, "--weights must be one of 'int8', 'int8-fast', 'int16', 'bfloat16', 'float16', got 'int9'"),
        (["--weights", ""], 2, "--weights must be one of"),
        (["--weights", "int8", "--against", "torch"], 2, "give one of them"),
        (["--head", "fc"], 2, "--head belongs to --weights"),
        (["--input", "x.npy"], 2, "--input belongs to --weights"),
        (["--steps", "0"], 2, "--steps belongs to --weights"),
        (["--weights", "int8", "--steps", "0"], 2, "--steps must be between 1 and 1,000,000, got 0"),
        (["--weights", "int8", "--seed", "-1"], 2, "--seed must be between 0 and 1,000,000, got -1"),
        (["--weights", "int8", "--batch", "9" * 30], 2, "--batch must be between 1 and 1,000,000"),
        (["--weights", "int8", "--batch", "2", "--input", "x.npy"], 2, "--input gives another one"),
        (["--weights", "int8", "--input", "none.npy"], 2, "none.npy: No such file or directory"),
        (["--weights", "int8", "--input", "model.pt"], 2, "model.pt holds no single array of real numbers"),
        (["--weights", "int8", "--input", "complex.npy"], 2, "complex.npy holds no single array of real"),
        (["--weights", "int8", "--input", "flat.npy"], 2, "flat.npy has shape (12,)"),
        (["--weights", "int8", "--input", "empty.npy"], 2, "empty.npy has shape (0, 3, 12)"),
        (["--weights", "int8", "--input", "bad.npy"], 2, "bad.npy: "),
        (["--weights", "int8", "--input", "wide.npy"], 1, "wide.npy has 13 features, and encoder takes 12"),
        (["--weights", "int8", "--head", "nothing"], 1, "prefix 'nothing' is not in the file"),
        (["--weights", "int8", "--head", "encoder"], 1, "--head encoder is no Linear: it has no weight, but 'weight_ih_l0'"),
        (["--weights", "int8", "--head", "norm"], 1, "--head norm is no Linear: its weight is float32 (48,)"),
        (["--weights", "int8", "--head", "ids"], 1, "--head ids is no Linear: its weight is int64 (3, 48)"),
        (["--weights", "int8", "--head", "other"], 1, "encoder: head has a weight of shape (3, 47), and the output has 48"),
        (["--weights", "int8", "--prefix", "nothing"], 1, "holds no LSTM with prefix 'nothing'"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)  # fmt: skip
def test_wrong_options_are_refused(words, code, told, model, capsys):
    np.save("x.npy", np.ones((2, 3, 12)))
    np.save("complex.npy", np.ones((2, 3, 12)) * 1j)
    np.save("flat.npy", np.ones(12))
    np.save("empty.npy", np.ones((0, 3, 12)))
    np.save("wide.npy", np.ones((2, 3, 13)))
    Path("bad.npy").write_bytes(b"\x93NUMPY\x01\x00 and then nothing")
    got, text, errors = run(capsys, "model.pt", *words)
    assert got == code
    assert errors.startswith("pylstm verify: ") and told in errors
    assert errors.count("\n") == 1
    assert "weights " not in text


def test_of_several_modules_an_input_wants_a_prefix(model, capsys):
    arrays = {**model[1], **pylstm.GRU(5, 48).state_dict(prefix="gru.")}
    pylstm.save(arrays, "model.pt")
    np.save("x.npy", np.ones((2, 3, 12)))
    words = ["model.pt", "--weights", "int8", "--input", "x.npy"]
    code, text, errors = run(capsys, *words)
    assert (code, text) == (1, "")
    assert errors.endswith("x.npy has 12 features, and gru takes 5; choose with --prefix\n")
    assert run(capsys, *words, "--prefix", "encoder")[0] == 0


def test_names_cannot_steer_a_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = pylstm.LSTM(3, 40)
    head = {"weight": np.ones((2, 40), np.float32)}
    pylstm.save({"a\x1b[2J": module.state_dict(), "b\x1b[2J": head}, "m\x1b[2J.pt")
    np.save("x\x1b[2J.npy", np.ones((2, 1, 3)))
    words = ["m\x1b[2J.pt", "--weights", "int8", "--head", "b\x1b[2J", "--input", "x\x1b[2J.npy"]
    code, text, errors = run(capsys, *words)
    assert (code, errors) == (0, "")
    assert all(line.isprintable() for line in text.splitlines())
    code, text, errors = run(capsys, *words[:-2], "--head", "c\x1b[2J")
    assert code == 1 and errors[:-1].isprintable()
