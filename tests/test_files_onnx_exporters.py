"""Models of torch's two exporters; layers that are spelled out are refused with what to do."""

import io
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

import pylstm

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx_models import content, lstm_node, make_model, node_weights, torch_parameters  # noqa: E402
from test_files_onnx_messages import assert_same  # noqa: E402

ARCHIVE = Path(__file__).parent / "data" / "files" / "exporters.tar.xz"
with tarfile.open(ARCHIVE) as _archive:
    FILES = {member.name: _archive.extractfile(member).read() for member in _archive}
with np.load(io.BytesIO(FILES.pop("parameters.npz"))) as _arrays:
    PARAMETERS = dict(_arrays)
UNROLLED = FILES["rnn_dynamo.onnx"]
AS_NODES = [name for name in FILES if name != "rnn_dynamo.onnx"]


def parameters_of(kind, layer):
    """Those of one layer, as a module of one layer has them."""
    found = {}
    for key, array in PARAMETERS.items():
        name = re.fullmatch(rf"{kind}/(\w+_l){layer}(_reverse)?", key)
        if name:
            found[f"{name[1]}0{name[2] or ''}"] = array
    return found


def test_all_are_recorded():
    assert len(FILES) == 6 and {name.split("_")[1] for name in FILES} == {
        "dynamo.onnx",
        "script.onnx",
    }


@pytest.mark.parametrize("name", FILES)
def test_messages(name):
    assert_same(FILES[name])


@pytest.mark.parametrize("name", AS_NODES)
def test_layers(name):
    kind = name.split("_")[0]
    found = pylstm.find_recurrent(FILES[name])
    assert len(found) == 2
    for layer, each in enumerate(found):
        module = getattr(pylstm, kind.upper()).from_weights(FILES[name], each.prefix)
        state, expected = module.state_dict(), parameters_of(kind, layer)
        assert list(state) == list(expected)
        for key, array in expected.items():
            np.testing.assert_array_equal(state[key], array)


def told(source, cls=pylstm.LSTM):
    with pytest.raises(pylstm.WeightFileError) as caught:
        cls.from_weights(source)
    return str(caught.value)


def test_an_unrolled_layer():
    """The text says what to pass, and that is right."""
    text = told(UNROLLED, pylstm.RNN)
    assert text.count("4 MatMul nodes of ONNX (steps of an unrolled recurrent layer, by val_") == 4
    assert "'node_MatMul_48'" in text and "pylstm.load(file, flat=True)" in text
    assert pylstm.find_recurrent(UNROLLED) == []
    arrays = pylstm.load(UNROLLED, flat=True)
    mapping = {
        "weight_ih_l0": arrays["val_23"].T,
        "weight_hh_l0": arrays["val_47"].T,
        "bias_ih_l0": arrays["layers.bias_ih_l0"],
        "bias_hh_l0": arrays["layers.bias_hh_l0"],
    }
    module = pylstm.RNN.from_weights(mapping, nonlinearity="tanh")
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(array, PARAMETERS[f"rnn/{name}"])


def steps(weights, activation="Tanh", transposed=False, joined=True):
    """Products that feed each other through an activation."""
    nodes = []
    for at, weight in enumerate(weights):
        if transposed:
            nodes.append(helper.make_node("Transpose", [weight], [f"t{at}"], perm=[1, 0]))
            weight = f"t{at}"
        start = f"h{at}" if joined or at == 0 else "h0"
        nodes.append(helper.make_node("MatMul", [start, weight], [f"m{at}"], f"step{at}"))
        nodes.append(helper.make_node(activation, [f"m{at}"], [f"h{at + 1}"]))
    return nodes


SQUARE = {name: np.full((4, 4), value, "f4") for name, value in (("u", 1), ("v", 2))}
START = helper.make_tensor_value_info("h0", TensorProto.FLOAT, [2, 4])


def test_steps_through_transposed_weights():
    model = make_model(steps("uuu", transposed=True), SQUARE, inputs=[START])
    assert "'step0': 3 MatMul nodes of ONNX (steps of an unrolled recurrent layer, by u:" in told(
        content(model)
    )


@pytest.mark.parametrize(
    "nodes",
    [steps("uu"), steps("uvuv")[:4], steps("uuu", joined=False), steps("uuu", "Neg"), steps("uvu")],
    ids=["two", "two weights", "side by side", "no activation", "another between"],
)
def test_what_is_no_row_of_steps(nodes):
    assert "recurrent layer" not in told(content(make_model(nodes, SQUARE, inputs=[START])))


def test_an_unrolled_layer_beside_a_node():
    """It hides nothing."""
    parameters = torch_parameters()
    weights = node_weights(parameters)
    model = make_model([lstm_node(weights), *steps("uuu")], {**weights, **SQUARE}, inputs=[START])
    state = pylstm.LSTM.from_weights(content(model)).state_dict()
    for name, array in parameters.items():
        np.testing.assert_array_equal(state[name], array)


@pytest.mark.parametrize("kind", ["Loop", "Scan"])
def test_a_layer_in_a_loop(kind):
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["h", "u"], ["m"]),
            helper.make_node("Sigmoid", ["m"], ["next"]),
        ],
        "body",
        [helper.make_tensor_value_info("h", TensorProto.FLOAT, [2, 4])],
        [helper.make_tensor_value_info("next", TensorProto.FLOAT, [2, 4])],
        [numpy_helper.from_array(SQUARE["u"], "u")],
    )
    loop = helper.make_node(kind, ["", "", "h0"], ["Y"], "cell", body=body)
    text = told(content(make_model([loop], {}, inputs=[START])))
    assert (
        f"'cell.body': ONNX {kind} node (its body is a recurrent layer spelled out (MatMul, Sigmoid): pass"
        in text
    )
    nodes = [helper.make_node("Neg", ["h"], ["next"])]
    del loop.attribute[0].g.node[:]
    loop.attribute[0].g.node.extend(nodes)
    assert "recurrent layer" not in told(content(make_model([loop], {}, inputs=[START])))


def test_opening_takes_little_longer_than_from_safetensors(tmp_path, capsys):
    """Of 11 MB; the first call of a process also imports the reader.

    Processor time, of which other programs take none, and in turns: what slows the processor slows both.
    """
    hidden = 592
    weights = {
        "W": np.ones((1, 4 * hidden, hidden), "f4"),
        "R": np.ones((1, 4 * hidden, hidden), "f4"),
    }
    path = tmp_path / "model.onnx"
    path.write_bytes(content(make_model([lstm_node(weights)], weights, x=(None, None, hidden))))
    other = tmp_path / "model.safetensors"
    pylstm.save(pylstm.LSTM.from_weights(path).state_dict(), other)
    code = """
import sys, time, pylstm
def timed(function):
    start = time.process_time()
    function()
    return 1e3 * (time.process_time() - start)
def opened(path):
    return timed(lambda: pylstm.LSTM.from_weights(path))
first = opened(sys.argv[1])
rounds = [[opened(path) for path in sys.argv[1:]] for _ in range(9)]
again, other = map(min, zip(*rounds))
bytes_ = min(timed(lambda: open(sys.argv[1], "rb").read()) for _ in range(5))
print(first, again, other, bytes_)
"""
    run = [sys.executable, "-c", code, str(path), str(other)]
    printed = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    first, again, safetensors, bytes_ = map(float, printed.split())
    size = path.stat().st_size
    with capsys.disabled():
        print(f"\n{size} bytes: {first:.1f} ms first, {again:.1f} again, {bytes_:.1f} to read")
    assert again < 6 * safetensors  # about 2.2 of them
