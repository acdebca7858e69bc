"""LSTM nodes of ONNX models: weights in torch's layout, the same outputs, and clear refusals."""

import contextlib
import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
from reference import fractions, lstm

import pylstm
from pylstm.files.base.record import Record
from pylstm.files.open import open_weights

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402
from onnx_models import (  # noqa: E402
    HIDDEN,
    INPUTS,
    ROWS,
    STEPS,
    assert_loads,
    constant,
    content,
    lstm_node,
    make_model,
    node_weights,
    reason,
    simple_model,
    torch_parameters,
    tree,
)

# ---------------------------------------------------------------------------- nodes that run


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_outputs(bidirectional, bias, layout):
    parameters = torch_parameters(bidirectional, bias)
    model = simple_model(parameters, layout=layout)
    x = fractions(3, (STEPS, ROWS, INPUTS), 2.0).astype("f4")
    module = assert_loads(content(model), parameters)
    assert module.batch_first == (layout == 1)
    fed = np.ascontiguousarray(x.swapaxes(0, 1)) if layout else x
    output, states = module(fed)
    expected, expected_states = lstm(parameters, x)
    np.testing.assert_allclose(output.swapaxes(0, 1) if layout else output, expected, atol=1e-6)
    for ours, theirs in zip(states, expected_states, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    if not bidirectional and not layout:  # older releases of ONNX run no others
        y = ReferenceEvaluator(model).run(["Y"], {"X": x})[0]  # [steps, directions, rows, hidden]
        np.testing.assert_allclose(output, y[:, 0], atol=1e-6)


def test_found():
    model = simple_model(torch_parameters(bidirectional=True))
    model.producer_name, model.producer_version = "exporter", "1.2"
    [found] = pylstm.find_lstms(content(model))
    assert str(found) == "'rnn': LSTM(3, 4, bidirectional=True) of float32"
    with open_weights(content(model)) as file:
        assert file.metadata == {"producer": "exporter 1.2"}
        record = file.tree["rnn"]
        assert isinstance(record, Record) and record.class_name == "onnx.LSTM"


def test_load_gives_arrays():
    parameters = torch_parameters()
    for mapped in (False, True):
        record = pylstm.load(content(simple_model(parameters)), mmap=mapped)["rnn"]
        for name, value in parameters.items():
            np.testing.assert_array_equal(record.state["_parameters"][name], value)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes(dtype):
    parameters = torch_parameters(dtype=dtype)
    module = assert_loads(content(simple_model(parameters)), parameters)
    assert module.weight_ih_l0.dtype == ("float64" if dtype == "float64" else "float32")


def test_bfloat16_is_widened():
    parameters = torch_parameters()
    for name, value in parameters.items():
        parameters[name] = (value.view("u4") & 0xFFFF0000).view("f4")
    weights = node_weights(parameters)
    tensors = {
        name: TensorProto(
            name=name,
            dims=value.shape,
            data_type=TensorProto.BFLOAT16,
            raw_data=(value.view("u4") >> 16).astype("<u2").tobytes(),
        )
        for name, value in weights.items()
    }
    assert_loads(content(make_model([lstm_node(weights)], tensors)), parameters)


@pytest.mark.parametrize(
    "dtype, field, convert",
    [
        ("FLOAT", "float_data", np.ndarray.tolist),
        ("DOUBLE", "double_data", np.ndarray.tolist),
        ("FLOAT16", "int32_data", lambda a: a.astype("f2").view("u2").tolist()),
        ("BFLOAT16", "int32_data", lambda a: (a.astype("f4").view("u4") >> 16).tolist()),
    ],
)
def test_typed_fields(dtype, field, convert):
    # Values that are exact in all these types.
    parameters = {
        name: (np.arange(value.size) % 16 / 8 - 1).reshape(value.shape)
        for name, value in torch_parameters().items()
    }
    weights = node_weights(parameters)
    tensors = {
        name: TensorProto(
            name=name,
            dims=value.shape,
            data_type=getattr(TensorProto, dtype),
            **{field: convert(value.reshape(-1))},
        )
        for name, value in weights.items()
    }
    assert_loads(content(make_model([lstm_node(weights)], tensors)), parameters)


def test_several_nodes():
    first, second = torch_parameters(seed=1), torch_parameters(seed=2, bidirectional=True)
    a, b = node_weights(first), node_weights(second)
    tensors = {f"{role}1": value for role, value in a.items()}
    tensors |= {f"{role}2": value for role, value in b.items()}
    names = [{role: f"{role}{number}" for role in "WRB"} for number in (1, 2)]
    nodes = [
        lstm_node(a, names[0], "same"),
        lstm_node(b, names[1], "same"),
        lstm_node(a, names[0], ""),
        lstm_node(a, names[0], "/encoder/LSTM"),
    ]
    model = content(make_model(nodes, tensors))
    prefixes = [found.prefix for found in pylstm.find_lstms(model)]
    assert prefixes == ["same", "same#2", "LSTM_2", "/encoder/LSTM"]
    assert_loads(model, first, "same")
    assert_loads(model, second, "same#2")
    assert_loads(model, first, "/encoder/LSTM")
    with pytest.raises(pylstm.WeightFileError, match="it holds 4 LSTMs"):
        pylstm.LSTM.from_weights(model)


def test_run_time_inputs_and_default_attributes():
    parameters = torch_parameters()
    weights = node_weights(parameters)
    node = lstm_node(
        weights,
        inputs=("lengths", "h", "c", ""),
        activations=["Sigmoid", "tanh", "Tanh"],
        direction="forward",
        input_forget=0,
    )
    assert_loads(content(make_model([node], weights)), parameters)


# ---------------------------------------------------------------------------- computed constants


def test_weights_of_torchs_unfolded_export():
    """Slices of the module's parameters, concatenated in ONNX's order."""
    parameters = torch_parameters(bidirectional=True)
    nodes, made = [], {}
    for at, gates in enumerate(((0, 1), (3, 4), (1, 3))):
        ends = np.array([gates[0] * HIDDEN]), np.array([gates[1] * HIDDEN])
        nodes += [constant(f"from{at}", ends[0]), constant(f"to{at}", ends[1])]
    nodes += [constant("zero", np.array([0])), constant("one", np.array([1]))]
    for name in parameters:
        for at in range(3):
            cut = [name, f"from{at}", f"to{at}", "zero"] + (["one"] if at else [])
            nodes.append(helper.make_node("Slice", cut, [f"{name}:{at}"]))
        cuts = [f"{name}:{at}" for at in range(3)]
        nodes.append(helper.make_node("Concat", cuts, [f"{name}:all"], axis=0))
    for role, kinds in {
        "W": ["weight_ih"],
        "R": ["weight_hh"],
        "B": ["bias_ih", "bias_hh"],
    }.items():
        for end in ("_l0", "_l0_reverse"):
            parts = [f"{kind}{end}:all" for kind in kinds]
            nodes.append(helper.make_node("Concat", parts, [role + end], axis=0))
            nodes.append(helper.make_node("Unsqueeze", [role + end, "zero"], [f"{role}{end}:1"]))
        both = [f"{role}{end}:1" for end in ("_l0", "_l0_reverse")]
        nodes.append(helper.make_node("Concat", both, [role], axis=0))
        made[role] = role
    nodes.append(lstm_node(node_weights(parameters), made))
    assert_loads(content(make_model(nodes, parameters)), parameters)


def test_constant_identity_and_cast():
    parameters = torch_parameters(dtype="float16")
    weights = node_weights(parameters)
    model = make_model(
        [
            constant("half", weights["W"]),
            helper.make_node("Cast", ["half"], ["W1"], to=TensorProto.FLOAT),
            helper.make_node("Identity", ["W1"], ["W"]),
            helper.make_node("Identity", ["r"], ["R1"]),
            helper.make_node("Cast", ["R1"], ["R"], to=TensorProto.FLOAT),
            helper.make_node("Cast", ["b"], ["B"], to=TensorProto.BFLOAT16),
            lstm_node(weights),
        ],
        {"r": weights["R"], "b": np.zeros_like(weights["B"])},
    )
    parameters = {name: p if "weight" in name else 0 * p for name, p in parameters.items()}
    assert_loads(content(model), parameters)


def test_transpose_reshape_and_squeeze_of_an_old_operator_set():
    parameters = torch_parameters()
    weights = node_weights(parameters)
    model = make_model(
        [
            helper.make_node("Transpose", ["w"], ["w2"], perm=[1, 0]),
            helper.make_node("Unsqueeze", ["w2"], ["W"], axes=[0]),
            helper.make_node("Constant", [], ["shape"], value_ints=[1, -1, HIDDEN]),
            helper.make_node("Reshape", ["r", "shape"], ["R"]),
            helper.make_node("Squeeze", ["b"], ["B"], axes=[0]),
            lstm_node(weights),
        ],
        {"w": weights["W"][0].T.copy(), "r": weights["R"].reshape(-1), "b": weights["B"][None]},
        opset=12,
    )
    assert_loads(content(model), parameters)


def test_graphs_in_nodes_see_what_is_outside():
    parameters, others = torch_parameters(), torch_parameters(seed=2)
    weights = node_weights(parameters)

    def branch(name, nodes, tensors=()):
        return helper.make_graph(nodes, name, [], [], tensors)

    own = [numpy_helper.from_array(each, role) for role, each in node_weights(others).items()]
    names = {role: f"outer{role}" for role in "WRB"}
    inner = helper.make_node(
        "If",
        ["yes"],
        [],
        "inner",
        then_branch=branch(
            "t", [helper.make_node("Identity", ["w"], ["outerW"]), lstm_node(weights, names)]
        ),
        else_branch=branch("e", []),
    )
    node = helper.make_node(
        "If",
        ["yes"],
        [],
        "choice",
        then_branch=branch("t", [inner]),
        else_branch=branch("e", [lstm_node(weights)], own),
    )
    tensors = {"w": weights["W"], "outerR": weights["R"], "outerB": weights["B"]}
    model = content(make_model([node], tensors))
    prefixes = [found.prefix for found in pylstm.find_lstms(model)]
    assert prefixes == ["choice.else_branch.rnn", "choice.then_branch.inner.then_branch.rnn"]
    assert_loads(model, others, prefixes[0])
    assert_loads(model, parameters, prefixes[1])


def test_functions_are_looked_at_where_they_are_called():
    first, second = torch_parameters(seed=1), torch_parameters(seed=2)
    a, b = node_weights(first), node_weights(second)
    opsets = [helper.make_opsetid("", 22), helper.make_opsetid("local", 1)]
    inner = helper.make_function(
        "local", "Layer", ["X", "w", "r", "b"], ["Y"],
        [
            helper.make_node("Identity", ["w"], ["W"]),
            helper.make_node("LSTM", ["X", "W", "r", "b"], ["Y"], "rnn", hidden_size=HIDDEN),
        ],
        opsets,
    )  # fmt: skip
    outer = helper.make_function(
        "local", "Model", ["X", "W1", "R1", "B1"], ["Y"],
        [helper.make_node("Layer", ["X", "W1", "R1", "B1"], ["Y"], "layer", domain="local")],
        opsets,
    )  # fmt: skip
    calls = [
        helper.make_node("Layer", ["X", "wa", "ra", "ba"], ["Y1"], "one", domain="local"),
        helper.make_node("Model", ["X", "wb", "rb", "bb"], ["Y2"], "two", domain="local"),
        helper.make_node("Layer", ["X", "X", "rb", "bb"], ["Y3"], "three", domain="local"),
    ]
    tensors = {f"{role.lower()}a": value for role, value in a.items()}
    tensors |= {f"{role.lower()}b": value for role, value in b.items()}
    model = content(make_model(calls, tensors, [inner, outer]))
    assert_loads(model, first, "one.rnn")
    assert_loads(model, second, "two.layer.rnn")
    assert tree(model)["three.rnn"].reason == "its input W is computed when the model runs"


# ---------------------------------------------------------------------------- what cannot run


@pytest.mark.parametrize(
    "attributes, text",
    [
        ({"clip": 3.0}, "it clips the sums of its gates (clip=3)"),
        ({"input_forget": 1}, "its input and forget gates are coupled (input_forget=1)"),
        (
            {"activations": ["HardSigmoid", "Tanh", "Relu"]},
            "its activations are HardSigmoid, Tanh, Relu, not Sigmoid, Tanh, Tanh",
        ),
        ({"direction": "both"}, "its direction is 'both': torch has no LSTM that only runs so"),
        (
            {"inputs": ("", "", "", "P"), "clip": 0.5},
            "it clips the sums of its gates (clip=0.5); its input P is computed when the model runs",
        ),
        ({"hidden_size": 7}, "its hidden_size is not 4, as its weights say"),
    ],
)  # fmt: skip
def test_unsupported_features_are_named(attributes, text):
    assert reason(simple_model(**attributes)) == text


def test_activations_of_both_directions_count():
    names = ["Sigmoid", "Tanh", "Tanh"] * 2
    parameters = torch_parameters(bidirectional=True)
    assert_loads(content(simple_model(parameters, activations=names)), parameters)
    names[4] = "Relu"
    assert "Tanh, Sigmoid, Relu, Tanh" in reason(simple_model(parameters, activations=names))


@pytest.mark.parametrize(
    "role, value, text",
    [
        ("W", None, "its input W is computed when the model runs"),
        ("R", np.zeros((1, 16, 4), "i1"), "its input R is of type INT8"),
        ("B", np.zeros((1, 32), "f8"), "its weights are of dtype float32, float64"),
        ("W", np.zeros((1, 16, 3), "i8"), "its weights are of dtype float32, int64"),
        ("B", np.zeros((1, 16), "f4"), "the shapes of its weights do not fit: W (1, 16, 3), R (1, 16, 4), B (1, 16)"),
        ("W", np.zeros((2, 16, 3), "f4"), "the shapes of its weights do not fit: W (2, 16, 3), R (1, 16, 4), B (1, 32)"),
        ("R", np.zeros((), "f4"), "the shapes of its weights do not fit: W (1, 16, 3), R (), B (1, 32)"),
    ],
)  # fmt: skip
def test_other_weights(role, value, text):
    weights = node_weights(torch_parameters())
    tensors = weights | {role: value}
    if value is None:
        del tensors[role]
    assert reason(make_model([lstm_node(weights)], tensors)) == text


def test_other_nodes():
    kinds = {"GRU": "", "RNN": "", "DynamicQuantizeGRU": "com.microsoft"}
    nodes = [
        helper.make_node(kind, ["X", "W", "R"], ["Y"], kind, domain=d) for kind, d in kinds.items()
    ]
    nodes.append(helper.make_node("LSTM", ["X", "W", "R"], ["Y"], "custom", domain="com.example"))
    leaves = tree(make_model(nodes, {}))
    assert list(leaves) == list(kinds)
    assert leaves["GRU"].kind == "ONNX GRU node"
    assert "quantised" in leaves["DynamicQuantizeGRU"].reason


def test_too_few_inputs():
    node = helper.make_node("LSTM", ["X", "", ""], ["Y"], "rnn", hidden_size=4)
    assert reason(make_model([node], {})) == "it has no input W"


# ---------------------------------------------------------------------------- external data


def save_external(tmp_path, location, parameters):
    onnx.save(
        simple_model(parameters),
        tmp_path / "model.onnx",
        save_as_external_data=True,
        location=location,
        size_threshold=0,
    )
    return tmp_path / "model.onnx"


@pytest.mark.parametrize("location", ["model.onnx.data", "model.onnx_data"])
def test_the_file_beside_the_model_is_read(tmp_path, location):
    parameters = torch_parameters(bidirectional=True)
    path = save_external(tmp_path, location, parameters)
    assert_loads(path, parameters)
    assert_loads(str(path), parameters)
    (tmp_path / location).rename(tmp_path / "elsewhere")
    assert "cannot be opened: No such file" in tree(path)["rnn"].reason
    (tmp_path / location).symlink_to(tmp_path / "elsewhere")
    assert "which is a symbolic link" in tree(path)["rnn"].reason
    with path.open("rb") as file, open_weights(file) as weights:
        assert "open the model by its path" in weights.tree["rnn"].reason
    assert "open the model by its path" in tree(path.read_bytes())["rnn"].reason


def externally(key, value):
    """A model all of whose weights are external, with one entry changed."""
    model = simple_model()
    for tensor in model.graph.initializer:
        size = len(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entries = {"location": "model.onnx.data", "offset": "0", "length": str(size), key: value}
        for name, text in entries.items():
            tensor.external_data.add(key=name, value=text)
    return model


@pytest.mark.parametrize(
    "location",
    ["../secret", "..\\secret", "C:secret", "..", "sub/../secret", "", ".", "/etc/passwd", "model.onnx.data/", "./model.onnx.data"],
)  # fmt: skip
def test_no_path_of_a_model_is_followed(tmp_path, location, monkeypatch):
    model = tmp_path / "in" / "model.onnx"
    model.parent.mkdir()
    for folder in (tmp_path, model.parent):
        (folder / "secret").write_bytes(bytes(1000))
    (model.parent / "model.onnx.data").write_bytes(bytes(1000))
    model.write_bytes(content(externally("location", location)))
    monkeypatch.chdir(model.parent)
    assert "its input W is in another file" in tree(model)["rnn"].reason
    constants = [constant("W", np.zeros(1, "f4"))]
    constants[0].attribute[0].t.CopyFrom(externally("location", location).graph.initializer[0])
    weights = node_weights(torch_parameters())
    model.write_bytes(content(make_model([*constants, lstm_node(weights)], {"R": weights["R"]})))
    assert "its input W is in another file" in tree(model)["rnn"].reason


def test_a_tensor_in_an_attribute_of_a_folded_node_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_bytes(bytes(1000))
    weights = node_weights(torch_parameters())
    node = helper.make_node("Identity", ["w"], ["W"])
    attribute = node.attribute.add(name="any", type=onnx.AttributeProto.TENSOR)
    attribute.t.CopyFrom(externally("location", "secret").graph.initializer[0])
    tensors = {"w": weights["W"], "R": weights["R"], "B": weights["B"]}
    assert (
        reason(make_model([node, lstm_node(weights)], tensors))
        == "its input W is computed when the model runs"
    )


@pytest.mark.parametrize(
    "key, value", [("offset", "990"), ("offset", "-8"), ("length", "9999"), ("length", "-1"), ("offset", "x"), ("length", "4")]
)  # fmt: skip
def test_places_outside_the_file_beside(tmp_path, key, value):
    path = tmp_path / "model.onnx"
    path.write_bytes(content(externally(key, value)))
    (tmp_path / "model.onnx.data").write_bytes(bytes(1000))
    with pytest.raises(pylstm.WeightFileError):
        tree(path)


# ---------------------------------------------------------------------------- hostile files


def test_not_a_model():
    for data in (b"\x08", b"\x08\x07", b"\x08" + bytes(100)):
        with pytest.raises(pylstm.WeightFileError, match="not a weight file"):
            pylstm.load(data)
    for data in (b"\x08\x07\x12\x00", b"\x08\x07\x3a\xff\xff\xff\xff\x7f"):
        with pytest.raises(
            pylstm.WeightFileError, match=r"its protocol buffer is damaged|without a graph"
        ):
            pylstm.load(data)
    with pytest.raises(pylstm.WeightFileError) as caught:
        pylstm.load(b"\x08\x07")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_damaged_models():
    """Cut off anywhere, and with single bytes changed."""
    data = content(simple_model(torch_parameters(bidirectional=True)))
    rng = np.random.default_rng(0)
    cases = [data[:length] for length in range(1, len(data), 23)]
    for _ in range(300):
        case = bytearray(data)
        case[rng.integers(1, len(case))] = rng.integers(256)
        cases.append(bytes(case))
    for case in cases:
        with contextlib.suppress(pylstm.WeightFileError):
            pylstm.load(case)


def test_shapes_beyond_the_data():
    for dims in ([2**62, 3], [1, 16, 4], [-1, 16, 3], [1, 16, -1], [2**32, 2**32, 2**32]):
        model = simple_model()
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(dims)
        with pytest.raises(pylstm.WeightFileError):
            tree(model)


def test_constants_do_not_grow_without_end():
    weights = node_weights(torch_parameters())
    nodes = [helper.make_node("Concat", [f"w{i}"] * 2, [f"w{i + 1}"], axis=0) for i in range(60)]
    names = {"W": "w60", "R": "R", "B": "B"}
    model = make_model([*nodes, lstm_node(weights, names)], weights | {"w0": np.zeros(1000, "f4")})
    with pytest.raises(pylstm.WeightFileError, match="far more memory than the file"):
        tree(model)


def test_many_nodes_may_share_their_weights():
    weights = node_weights(torch_parameters())
    model = make_model([lstm_node(weights, name="")] * 2000, weights)
    records = pylstm.load(content(model))
    arrays = [each.state["_parameters"]["weight_hh_l0"] for each in records.values()]
    assert len(arrays) == 2000
    assert len({array.__array_interface__["data"] for array in arrays}) == 1


@pytest.mark.parametrize("calls", [1, 2])
def test_functions_that_call_themselves(calls):
    body = [helper.make_node("F", ["X"], ["Y"], domain="local")] * calls
    function = helper.make_function(
        "local", "F", ["X"], ["Y"], body, [helper.make_opsetid("local", 1)]
    )
    model = make_model([helper.make_node("F", ["X"], ["Y"], domain="local")], {}, [function])
    with pytest.raises(pylstm.WeightFileError, match=r"nest too deeply|called functions"):
        tree(model)


def test_a_chain_of_many_nodes_is_no_recursion():
    weights = node_weights(torch_parameters())
    nodes = [helper.make_node("Squeeze", [f"w{i}"], [f"w{i + 1}"]) for i in range(20_000)]
    names = {"W": "w20000", "R": "R", "B": "B"}
    model = make_model([*nodes, lstm_node(weights, names)], weights | {"w0": weights["W"]})
    with pytest.raises(pylstm.WeightFileError, match="too many nodes"):
        tree(model)


def test_nodes_in_no_order():
    weights = node_weights(torch_parameters())
    nodes = [lstm_node(weights), helper.make_node("Identity", ["W"], ["W"])]
    del weights["W"]
    assert reason(make_model(nodes, weights)) == "its input W is computed when the model runs"


def test_the_package_is_not_needed(tmp_path):
    """Nor is any that it needs."""
    model = tmp_path / "model.onnx"
    model.write_bytes(content(simple_model()))
    code = (
        "import sys, pylstm; pylstm.LSTM.from_weights(sys.argv[1]); pylstm.load(sys.argv[1]); "
        "print({'onnx', 'google', 'ml_dtypes'} & set(sys.modules))"
    )
    run = [sys.executable, "-c", code, str(model)]
    assert subprocess.run(run, check=True, capture_output=True, text=True).stdout == "set()\n"


def test_any_name_beside_the_model(tmp_path):
    parameters = torch_parameters()
    for index, one_file in enumerate((True, False)):
        path = tmp_path / str(index) / "model.onnx"
        path.parent.mkdir()
        onnx.save(
            simple_model(parameters),
            path,
            save_as_external_data=True,
            all_tensors_to_one_file=one_file,
            location="weights of it.bin" if one_file else None,
            size_threshold=0,
        )
        assert len(list(path.parent.iterdir())) == (2 if one_file else 4)
        assert_loads(path, parameters)


def test_file_objects():
    parameters = torch_parameters()
    file = io.BytesIO(b"before" + content(simple_model(parameters)))
    file.seek(6)
    assert_loads(file, parameters)
