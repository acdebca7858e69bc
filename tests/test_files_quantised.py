"""Modules that torch and onnxruntime quantised: the floats that their integers stand for.

tests/data/record_quantised.py made the files.
"""

import functools
import io
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import reference
from timing import assert_units

import pylstm
from pylstm.files.base.record import Record
from pylstm.weights.survey import survey

ARCHIVE = Path(__file__).parent / "data" / "files" / "quantised.tar.xz"
HOW = ["tensor", "channel", "float16"]
KINDS = {
    "lstm": "LSTM",
    "lstm_deep": "LSTM",
    "gru": "GRU",
    "lstm_cell": "LSTMCell",
    "gru_cell": "GRUCell",
    "rnn_cell": "RNNCell",
}
DIRECTIONS = ["forward", "reverse", "bidirectional"]


@functools.cache
def recorded():
    with tarfile.open(ARCHIVE) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive}
    with np.load(io.BytesIO(files.pop("values.npz"))) as values:
        return files, dict(values)


def weights_of(name, how):
    start = f"torch/{how}/{name}/"
    values = recorded()[1]
    found = {key.removeprefix(start): each for key, each in values.items() if start in key}
    return {name: each for name, each in found.items() if name not in ("input", "output")}


def made(source, kind, prefix="", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pylstm.WeightFileWarning)
        return getattr(pylstm, kind).from_weights(source, prefix, **options)


def assert_holds(module, expected):
    state = module.state_dict()
    assert set(state) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(state[name], value, err_msg=name, strict=True)


# torch --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("form", ["module", "state_dict"])
@pytest.mark.parametrize("how", HOW)
def test_quantised_by_torch(how, form, name):
    content = recorded()[0][f"torch_{how}_{form}.pt"]
    options = {"nonlinearity": "relu"} if name == "rnn_cell" else {}
    options |= {"batch_first": True} if name == "lstm" and form == "state_dict" else {}
    module = made(content, KINDS[name], name, **options)
    assert_holds(module, weights_of(name, how))
    values = recorded()[1]
    x, expected = (values[f"torch/{how}/{name}/{key}"] for key in ("input", "output"))
    result = module(x)
    output = result[0] if isinstance(result, tuple) else result
    # torch quantises the activations too.
    error = np.abs(output - expected).max()
    assert error < (1e-3 if how == "float16" else 5e-2)
    assert error > 0 or how == "float16"


@pytest.mark.parametrize("name", ["lstm", "gru"])
@pytest.mark.parametrize("how", HOW)
def test_quantised_in_torchscript(how, name):
    content = recorded()[0][f"torch_{how}_{name}_script.pt"]
    module = made(content, KINDS[name])
    assert_holds(module, weights_of(name, how))
    assert getattr(module, "batch_first", False) == (name == "lstm")


@pytest.mark.parametrize("form", ["module", "state_dict"])
@pytest.mark.parametrize("how", HOW)
def test_quantised_after_load(how, form):
    loaded = pylstm.load(recorded()[0][f"torch_{how}_{form}.pt"])
    assert [each.prefix for each in pylstm.find_recurrent(loaded)] == list(KINDS)
    for name, kind in KINDS.items():
        assert_holds(made(loaded, kind, name), weights_of(name, how))


def test_what_a_quantised_module_says():
    found = {
        each.prefix: each for each in pylstm.find_recurrent(recorded()[0]["torch_tensor_module.pt"])
    }
    assert {name: each.kind for name, each in found.items()} == KINDS
    assert found["rnn_cell"].nonlinearity == "relu" and not found["rnn_cell"].assumed
    state = pylstm.find_recurrent(recorded()[0]["torch_tensor_state_dict.pt"])
    assert state[-1].assumed == {"nonlinearity": "tanh"}


def linear(weight, bias):
    return Record(
        "torch.ScriptObject",
        state=((weight, bias), "__torch__.torch.classes.quantized.LinearPackedParamsBase"),
    )


def quantised(integers, scheme="torch.per_tensor_affine", parameters=(0.5, 0), offset=0, **other):
    size = other.get("size", integers.shape)
    strides = other.get("strides", (integers.shape[-1], 1))
    how = (Record(scheme), *parameters)
    args = (integers.reshape(-1), offset, size, strides, how, False, {})
    return Record("torch._utils._rebuild_qtensor", args)


def direction(inputs=2, hidden=3, gates=4, form="quantized_dynamic", change=None, number=0):
    """A packed parameter; ``change`` takes and gives the list of both (weight, bias)."""
    sides = []
    for side, columns in enumerate((inputs, hidden)):
        integers = np.arange(gates * hidden * columns).reshape(gates * hidden, columns) % 251 - 125
        integers = (integers + number + side).astype("i1")
        sides.append((quantised(integers), np.full(gates * hidden, number + side, "f4")))
    sides = change(sides) if change else sides
    packed = [linear(*side) for side in sides]
    state = (form, [], [], [1], packed)
    return Record("torch.ScriptObject", state=(state, "__torch__.torch.classes.rnn.CellParamsBase"))


def layers(*parts):
    return {f"a._all_weight_values.{at}.param": part for at, part in enumerate(parts)}


def told(tree):
    """Return why the one module in a tree is none."""
    report = survey(tree, "<test>")
    assert not report.candidates
    [miss] = report.near_misses
    assert miss.prefix == "a"
    return f"{miss.kind}: {miss.reason}"


def test_packed_parameters_by_hand():
    tree = layers(direction(number=1), direction(3, number=2)) | {"b.weight": np.zeros(3, "f4")}
    module = made(tree, "LSTM", "a")
    assert (module.num_layers, module.bidirectional) == (2, False)
    integers = np.arange(36).reshape(12, 3) % 251 - 125 + 2 + 1
    np.testing.assert_array_equal(module.weight_hh_l1, integers * np.float32(0.5))
    assert (module.bias_ih_l1 == 2).all() and (module.bias_hh_l1 == 3).all()


def test_directions_are_told_by_the_columns():
    one = made(layers(direction(2), direction(3), direction(3), direction(3)), "LSTM", "a")
    assert (one.num_layers, one.bidirectional) == (4, False)
    two = made(layers(direction(3), direction(3), direction(6), direction(6)), "LSTM", "a")
    assert (two.num_layers, two.bidirectional) == (2, True)
    two = made(layers(direction(6), direction(6)), "LSTM", "a")
    assert (two.num_layers, two.bidirectional) == (1, True)
    assert "two layers or two directions" in told(layers(direction(3), direction(3)))
    assert "weight_ih_l2 has 6 inputs" in told(layers(direction(3), direction(3), direction(6)))


def in_class(name, parts, **facts):
    values = {
        str(at): Record("...PackedParameter", state={"param": part})
        for at, part in enumerate(parts)
    }
    listed = Record("torch.nn.modules.container.ModuleList", state={"_modules": values})
    return Record(name, state={**facts, "_modules": {"_all_weight_values": listed}})


DYNAMIC = "torch.ao.nn.quantized.dynamic.modules.rnn"


@pytest.mark.parametrize("place", [DYNAMIC, DYNAMIC.replace(".ao", "")])
def test_a_whole_module_says_its_directions(place):
    for is_both in (False, True):
        tree = {"a": in_class(f"{place}.LSTM", [direction(3)] * 2, bidirectional=is_both)}
        module = made(tree, "LSTM", "a")
        assert (module.num_layers, module.bidirectional) == (1, True) if is_both else (2, False)
    tree = {"a": in_class(f"{place}.LSTM", [direction(3)] * 3, bidirectional=True)}
    assert "it is bidirectional, and has 3 parts" in told(tree)


def test_other_classes_are_refused():
    for name in ("mine.LSTM", f"{DYNAMIC}.GRU", f"{DYNAMIC}.MyLSTM"):
        assert name in told({"a": in_class(name, [direction()])})
    told({"a": in_class(f"{DYNAMIC}.LSTM", [direction()], hidden_size=5)})
    told({"a": in_class(f"{DYNAMIC}.LSTM", [direction()], bias=False)})


def test_zero_points_and_scales_of_rows():
    integers = np.arange(24).reshape(12, 2).astype("i1")
    scales, zeros = 2.0 ** -np.arange(12.0), np.arange(12) - 5

    def change(sides):
        weight = quantised(integers, "torch.per_channel_affine", (scales, zeros, 0))
        return [(weight, sides[0][1]), sides[1]]

    module = made(layers(direction(change=change)), "LSTM", "a")
    expected = (integers - zeros[:, None]) * scales[:, None]
    np.testing.assert_array_equal(module.weight_ih_l0, expected)


def test_zero_point_of_a_tensor():
    integers = np.arange(24).reshape(12, 2).astype("i1")
    module = made(
        layers(
            direction(
                change=lambda s: [(quantised(integers, parameters=(0.25, -128)), s[0][1]), s[1]]
            )
        ),
        "LSTM",
        "a",
    )
    np.testing.assert_array_equal(module.weight_ih_l0, (integers + 128.0) * 0.25)


def test_views_of_a_storage():
    elements = np.arange(-50, 50).astype("i1")

    def change(sides):
        by_columns = quantised(elements, size=(12, 2), strides=(1, 12), offset=7)
        return [(by_columns, sides[0][1]), sides[1]]

    module = made(layers(direction(change=change)), "LSTM", "a")
    np.testing.assert_array_equal(module.weight_ih_l0, elements[7:31].reshape(2, 12).T * 0.5)


def with_weight(weight):
    return layers(direction(change=lambda sides: [(weight, sides[0][1]), sides[1]]))


def with_bias(bias):
    return layers(direction(change=lambda sides: [(sides[0][0], bias), sides[1]]))


SMALL = np.zeros((12, 2), "i1")
CHANNEL = "torch.per_channel_affine"
REFUSED = {
    "another form": (layers(direction(form="quantized")), "form 'quantized'"),
    "a gap": ({"a._all_weight_values.1.param": direction()}, "the numbers have a gap"),
    "no number": ({"a._all_weight_values.x.param": direction()}, "its number is 'x'"),
    "a record": (layers(Record("torch.ScriptObject")), "no CellParamsBase"),
    "a state": (layers(Record("torch.ScriptObject", state=(1, 2))), "no CellParamsBase"),
    "another type": (
        layers(Record("torch.ScriptObject", state=((1,), "__torch__.Mine"))),
        "no CellParamsBase",
    ),
    "one matrix": (layers(direction(change=lambda sides: sides[:1])), "form 'quantized_dynamic'"),
    "another matrix": (with_weight(None), "its matrix is NoneType"),
    "another tensor": (with_weight(Record("torch._utils._rebuild_sparse")), "its matrix is"),
    "no arguments": (with_weight(Record("torch._utils._rebuild_qtensor")), "another form"),
    "unsigned integers": (with_weight(quantised(SMALL.astype("u1"))), "its integers are"),
    "beyond the storage": (with_weight(quantised(SMALL, offset=1)), "beyond the 24 elements"),
    "a negative offset": (with_weight(quantised(SMALL, offset=-1)), "beyond the 24 elements"),
    "a huge shape": (with_weight(quantised(SMALL, size=(10**5000, 2))), "beyond the 24 elements"),
    "a huge axis": (
        with_weight(quantised(SMALL, CHANNEL, (np.ones(12), np.zeros(12, "i8"), 10**5000))),
        "not those of the rows",
    ),
    "a huge number": (with_weight(10**5000), "its matrix is int"),
    "4,097 parts": (layers(*[direction()] * 4097), "more than 4096"),
    "strides": (with_weight(quantised(SMALL, strides=(0, 1))), "neither rows nor columns"),
    "another scheme": (with_weight(quantised(SMALL, "torch.mine")), "quantised by <Record of torch.mine>"),
    "no scheme": (with_weight(quantised(SMALL, parameters=())), "quantised by"),
    "columns": (
        with_weight(quantised(SMALL, CHANNEL, (np.ones(2), np.zeros(2, "i8"), 1))),
        "not those of the rows",
    ),
    "too few scales": (
        with_weight(quantised(SMALL, CHANNEL, (np.ones(11), np.zeros(12, "i8"), 0))),
        "its scales are",
    ),
    "float zero points": (
        with_weight(quantised(SMALL, CHANNEL, (np.ones(12), np.zeros(12), 0))),
        "its zero points are",
    ),
    "a huge zero point": (with_weight(quantised(SMALL, parameters=(0.5, 10**400))), "not within 255"),
    "one bias": (with_bias(None), "one bias of two"),
    "another bias": (with_bias(np.zeros(12, "i4")), "its bias is"),
    "a cell alone": ({"a._packed_weight_ih": linear(quantised(SMALL), None)}, "weight_hh is missing"),
    "a layer and a cell": (
        layers(direction()) | {"a._packed_weight_ih": linear(quantised(SMALL), None)},
        "of a layer and of a cell",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    tree, reason = REFUSED[case]
    assert reason in told(tree)


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf, 1e-60, 1e60])
def test_scales_that_no_quantiser_makes(scale):
    tree = with_weight(quantised(SMALL + 1, parameters=(float(scale), 0)))
    with np.errstate(over="ignore"), pytest.raises(pylstm.WeightFileError, match="weight_ih_l0"):
        made(tree, "LSTM", "a")


def test_zero_points_beyond_the_integers():
    assert "zero point is not within 255" in told(
        with_weight(quantised(SMALL, parameters=(0.5, -256)))
    )
    zeros = np.arange(12) * 24 - 20
    tree = with_weight(quantised(SMALL, CHANNEL, (np.ones(12), -zeros, 0)))
    assert zeros.max() == 244
    made(tree, "LSTM", "a")
    zeros[7] = 256
    tree = with_weight(quantised(SMALL, CHANNEL, (np.ones(12), -zeros, 0)))
    with pytest.raises(pylstm.WeightFileError, match="weight_ih_l0 has a zero point of -256"):
        made(tree, "LSTM", "a")


def test_foreign_parameters_beside_packed_ones():
    tree = layers(direction()) | {"a.norm.weight": np.zeros(3, "f4")}
    assert "norm.weight" in told(tree)


def test_no_biases():
    sides = layers(direction(change=lambda sides: [(weight, None) for weight, _ in sides]))
    assert not made(sides, "LSTM", "a").bias


# onnxruntime --------------------------------------------------------------------------------------


def gates_of_torch(array):
    i, o, f, c = np.split(array, 4)
    return np.concatenate([i, f, c, o])


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("how", ["tensor", "channel"])
def test_quantised_by_onnxruntime(how, direction):
    pytest.importorskip("onnx")
    files, values = recorded()
    module = made(files[f"onnx_{how}_{direction}.onnx"], "LSTM", "rnn_quant")
    assert module.reverse == (direction == "reverse")
    weights = {role: values[f"onnx/{direction}/{role}"] for role in "WRB"}
    for side, role in (("ih", "W"), ("hh", "R")):
        for at, end in enumerate(("_l0", "_l0_reverse")[: len(weights["W"])]):
            ours = module.get_parameter(f"weight_{side}{end}")
            plain = gates_of_torch(weights[role][at])
            axis = 1 if how == "channel" else None
            step = np.abs(plain).max(axis=axis, keepdims=True) / 127
            assert (np.abs(ours - plain) <= 0.51 * step).all()
            assert np.abs(ours - plain).max() > 0
            bias = weights["B"][at].reshape(2, -1)[int(side == "hh")]
            np.testing.assert_array_equal(
                module.get_parameter(f"bias_{side}{end}"), gates_of_torch(bias)
            )
    x = values[f"onnx/{direction}/input"]
    expected = values[f"onnx/{direction}/{how}"]
    output = module(x)[0]
    theirs = np.concatenate(list(expected.swapaxes(0, 1)), axis=-1)
    assert 0 < np.abs(output - theirs).max() < 2e-2  # onnxruntime quantises the activations too
    exact, _ = reference.lstm(dict(module.state_dict()), x, reverse=module.reverse)
    np.testing.assert_allclose(output, exact, atol=1e-6)


def test_packed_parameters_beside_many_containers():
    """Whether a container is a packed parameter takes no search among all of them."""
    part = direction(3, 3)
    tree = {f"_all_weight_values.{at}.param": part for at in range(4096)}
    tree["note"] = [{"a": [at]} for at in range(20_000)]
    [found] = pylstm.find_recurrent({"m": tree})
    assert (found.prefix, found.num_layers) == ("m", 4096)
    assert_units(lambda: pylstm.find_recurrent({"m": tree}), 20)
