"""Archives of torch.export (.pt2): tensors by name, and what the graph says of their modules."""

import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

import pylstm
from pylstm.files.open import open_weights
from pylstm.weights.survey import survey

RECORDED = Path(__file__).parent / "data" / "files" / "other_formats_torch.tar.xz"
RNG = np.random.default_rng(2)
TABLE, GRAPH = "m/data/weights/model_weights_config.json", "m/models/model.json"


def payload(array, path, **others):
    sizes = [{"as_int": size} for size in array.shape]
    steps = [{"as_int": step // array.itemsize} for step in array.strides]
    meta = {"dtype": 7, "sizes": sizes, "strides": steps, "storage_offset": {"as_int": 0}}
    meta |= {"layout": 7, "requires_grad": True, "device": {"type": "cpu", "index": None}}
    return {"path_name": path, "is_param": True, "use_pickle": False, "tensor_meta": meta} | others


def node(path, name, target="torch.ops.aten.zeros.default", **options):
    kinds = {bool: "as_bool", int: "as_int", float: "as_float"}
    inputs = [{"name": k, "arg": {kinds[type(v)]: v}, "kind": 1} for k, v in options.items()]
    stack = f"L__self__,,m.Model;L__self___{path},{path},{name}"
    return {"target": target, "inputs": inputs, "metadata": {"nn_module_stack": stack}}


def lstm(prefix="rnn.", **options):
    module = pylstm.LSTM(3, 4, **options)
    return {f"{prefix}{name}": np.array(value) for name, value in module.state_dict().items()}


def archive(arrays, nodes=(), table=None, entries=None):
    config = {name: payload(a, f"weight_{i}") for i, (name, a) in enumerate(arrays.items())}
    files = {f"m/data/weights/weight_{i}": a.tobytes() for i, a in enumerate(arrays.values())}
    files[TABLE] = json.dumps({"config": config | (table or {})})
    files[GRAPH] = json.dumps({"graph_module": {"graph": {"nodes": list(nodes)}}})
    files |= {"m/archive_format": "pt2", "m/byteorder": "little"} | (entries or {})
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as written:
        for name, content in files.items():
            written.writestr(name, content)
    return made.getvalue()


TORCHS = "torch.nn.modules.rnn.LSTM"
CALL = "torch.ops.aten.lstm.input"


def near_miss(content):
    with open_weights(content) as file:
        report = survey(file.tree, file.name)
    assert not report.candidates
    [miss] = report.near_misses
    return miss


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "exported.pt2"
    with tarfile.open(RECORDED) as archive:
        path.write_bytes(archive.extractfile("exported.pt2").read())
    return path


@pytest.mark.parametrize("mmap", [False, True])
def test_what_torch_wrote(recorded, mmap):
    with open_weights(recorded) as file:
        assert file.format == "torch.export"
    loaded = pylstm.load(recorded, mmap)
    module = pylstm.LSTM.from_weights(recorded)
    names = {name: loaded[f"lstm.{name}"] for name in module.state_dict()}
    for index, (name, value) in enumerate(names.items()):
        expected = ((np.arange(value.size) + 100 * index) / 8).astype("f4").reshape(value.shape)
        np.testing.assert_array_equal(value, expected)
        np.testing.assert_array_equal(module.state_dict()[name], expected)


def test_options_of_the_graph():
    content = archive(
        lstm(), [node("rnn", TORCHS), node("rnn", TORCHS, CALL, batch_first=True, dropout=0.5)]
    )
    module = pylstm.LSTM.from_weights(content)
    assert (module.batch_first, module.dropout) == (True, 0.5)
    [found] = pylstm.find_lstms(content)
    assert found.assumed == {}


def test_without_a_graph_it_is_a_state_dict():
    [found] = pylstm.find_lstms(archive(lstm()))
    assert found.assumed == {"batch_first": False}


def test_an_rnn_with_relu():
    module = pylstm.RNN(3, 4, nonlinearity="relu")
    arrays = {f"rnn.{name}": np.array(value) for name, value in module.state_dict().items()}
    target = "torch.ops.aten.rnn_relu.input"
    content = archive(arrays, [node("rnn", "torch.nn.modules.rnn.RNN", target)])
    [found] = pylstm.find_recurrent(content)
    assert found.nonlinearity == "relu"


def test_the_class_of_a_module_decides():
    content = archive(lstm(), [node("rnn", "m.Reversing")])
    assert near_miss(content).kind == "LSTM of another class"
    content = archive(lstm(), [node("rnn@1", "m.Reversing")])
    assert "m.Reversing" in near_miss(content).reason


def test_attributes_that_contradict_the_parameters():
    content = archive(lstm(), [node("rnn", TORCHS, CALL, bidirectional=True)])
    assert near_miss(content).kind == "inconsistent LSTM"


def test_views_ties_and_constants():
    wide = RNG.standard_normal((3, 16)).astype("f4")
    arrays = lstm()
    tied = {"again": payload(arrays["rnn.weight_hh_l0"], "weight_1")}
    arrays["turned"] = wide
    table = tied | {"turned": payload(wide.T, "weight_4")}
    constants = json.dumps({"config": {"c": payload(wide, "tensor_0", is_param=False)}})
    entries = {
        "m/data/constants/model_constants_config.json": constants,
        "m/data/constants/tensor_0": wide.tobytes(),
    }
    loaded = pylstm.load(archive(arrays, table=table, entries=entries))
    np.testing.assert_array_equal(loaded["turned"], wide.T)
    np.testing.assert_array_equal(loaded["c"], wide)
    assert np.shares_memory(loaded["again"], loaded["rnn.weight_hh_l0"])


def test_a_pickled_weight_is_not_read():
    arrays = lstm()
    table = {"rnn.weight_hh_l0": payload(arrays["rnn.weight_hh_l0"], "weight_1", use_pickle=True)}
    with open_weights(archive(arrays, table=table)) as file:
        assert "rnn.weight_hh_l0" in file.unreadable
        assert survey(file.tree, "").candidates == []


WRONG = {
    "an unknown dtype": {"dtype": 9},
    "a dtype that is no number": {"dtype": True},
    "another layout": {"layout": 1},
    "a symbol": {"sizes": [{"as_expr": {"expr_str": "s0"}}, {"as_int": 4}]},
    "a flag": {"sizes": [{"as_int": True}, {"as_int": 4}]},
    "no strides": {"strides": None},
    "an offset beyond": {"storage_offset": {"as_int": 1}},
    "a negative offset": {"storage_offset": {"as_int": -1}},
    "more than there is": {"sizes": [{"as_int": 2**70}, {"as_int": 4}]},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_damaged_tables(change):
    arrays = lstm()
    wrong = payload(arrays["rnn.weight_hh_l0"], "weight_1")
    wrong["tensor_meta"] |= change
    with pytest.raises(pylstm.WeightFileError, match="weight_hh_l0"):
        pylstm.load(archive(arrays, table={"rnn.weight_hh_l0": wrong}))


@pytest.mark.parametrize("path", ["weight_9", "../weight_0", "/etc/passwd"])
def test_entries_that_are_not_there(path):
    arrays = lstm()
    wrong = payload(arrays["rnn.weight_hh_l0"], path)
    with pytest.raises(pylstm.WeightFileError, match="no such entry"):
        pylstm.load(archive(arrays, table={"rnn.weight_hh_l0": wrong}))


@pytest.mark.parametrize("graph", ["[]", "{}", '{"graph_module": 1}', '{"graph_module": {"graph": {"nodes": [1, {}, {"metadata": {"nn_module_stack": ";,,;a"}}]}}}'])  # fmt: skip
def test_graphs_of_another_form(graph):
    [found] = pylstm.find_lstms(archive(lstm(), entries={GRAPH: graph}))
    assert found.prefix == "rnn"


def test_a_name_that_is_a_parameter_and_a_constant():
    arrays = lstm()
    constants = json.dumps({"config": {"rnn.bias_ih_l0": payload(arrays["rnn.bias_ih_l0"], "a")}})
    entries = {"m/data/constants/model_constants_config.json": constants}
    with pytest.raises(pylstm.WeightFileError, match="a parameter and a constant"):
        pylstm.load(archive(arrays, entries=entries))
