"""Archives of skops: arrays by the names that the schema gives them."""

import io
import json
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from support import with_parameters
from weight_files import SkopsWriter, skops_archive

import pylstm
from pylstm import WeightFileError
from pylstm.files import Record
from pylstm.files.open import open_weights


def refused(content):
    with pytest.raises(WeightFileError) as caught:
        pylstm.load(content)
    with pytest.raises(WeightFileError):
        pylstm.find_lstms(content)
    return str(caught.value)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("mmap", [False, True])
def test_a_state_dict(compression, mmap, tmp_path):
    lstm = with_parameters(pylstm.LSTM(3, 4, 2), 1)
    tree = {"model": OrderedDict(lstm.state_dict()), "epoch": 7}
    path = tmp_path / "model.skops"
    path.write_bytes(skops_archive(tree, compression=compression))
    loaded = pylstm.load(path, mmap=mmap)
    assert list(loaded) == ["model", "epoch"]
    assert type(loaded["model"]) is OrderedDict
    for name, value in lstm.state_dict().items():
        np.testing.assert_array_equal(loaded["model"][name], value, strict=True)
    [found] = pylstm.find_lstms(path)
    assert (found.prefix, found.num_layers) == ("model", 2)
    fresh = pylstm.LSTM(3, 4, 2)
    fresh.load_state_dict(pylstm.load(path, mmap=mmap, flat=True, prefix="model"))
    assert fresh.weight_hh_l1.tobytes() == lstm.weight_hh_l1.tobytes()
    with open_weights(path) as file:
        assert file.format == "skops"


def test_containers_and_plain_values():
    array = np.arange(6.0).reshape(2, 3)
    tree = {
        "list": [1, -2.5, "é", None, True, array],
        "tuple": ((), (array, [])),
        "dict": {"a": {}, "b": {"c": array}},
        "empty": [],
    }
    loaded = pylstm.load(skops_archive(tree))
    assert loaded["list"][:5] == tree["list"][:5]
    np.testing.assert_array_equal(loaded["list"][5], array)
    assert loaded["tuple"][0] == () and type(loaded["tuple"][1]) is tuple
    assert loaded["dict"]["a"] == {} and loaded["empty"] == []
    # One object is one object again.
    assert loaded["list"][5] is loaded["tuple"][1][0] is loaded["dict"]["b"]["c"]
    assert pylstm.load(skops_archive({"s": {"x"}})) == {"s": ["x"]}


def test_keys_that_are_no_texts():
    tree = {3: "a", -2.5: "b", True: "c", None: "d", "e": "f", "4": "g"}
    loaded = pylstm.load(skops_archive(tree))
    assert loaded == tree
    assert [type(key) for key in loaded] == [int, float, bool, type(None), str, str]
    assert list(pylstm.load(skops_archive({0: np.ones(1), 1: np.ones(2)}), flat=True)) == ["0", "1"]


def test_objects_of_other_classes():
    writer = SkopsWriter()
    attributes = writer.node({"coef_": np.ones(3), "classes": [np.zeros(2)]})
    schema = {
        "__class__": "Model",
        "__module__": "mypackage.models",
        "__loader__": "ObjectNode",
        "content": attributes,
        "protocol": 2,
    }
    record = pylstm.load(writer.archive(schema))
    assert isinstance(record, Record)
    assert record.class_name == "mypackage.models.Model"
    assert record.state["coef_"].tolist() == [1, 1, 1]
    assert list(pylstm.load(writer.archive(schema), flat=True)) == ["coef_", "classes.0"]


def test_arrays_with_a_mask():
    writer = SkopsWriter()
    content = {"data": writer.node(np.ones(2)), "mask": writer.node(np.array([True, False]))}
    schema = {"__class__": "MaskedArray", "__module__": "numpy.ma", "__loader__": "MaskedArrayNode"}
    record = pylstm.load(writer.archive(schema | {"content": content, "protocol": 2}))
    assert (record.class_name, list(record.state)) == ("numpy.ma.MaskedArray", ["data", "mask"])


def test_subclasses_of_containers_are_records():
    def edit(schema):
        schema["content"]["x"]["__module__"] = "mypackage"
        schema["content"]["y"]["__class__"] = "MyDict"

    loaded = pylstm.load(skops_archive({"x": [np.ones(1)], "y": {"z": np.ones(2)}}, edit))
    assert loaded["x"].class_name == "mypackage.list"
    assert loaded["y"].class_name == "builtins.MyDict"
    content = skops_archive({"x": [np.ones(1)], "y": {"z": np.ones(2)}}, edit)
    assert list(pylstm.load(content, flat=True)) == ["x.0", "y.z"]


def test_only_what_is_wanted_is_read(tmp_path):
    from file_trees import Counted

    path = tmp_path / "a.skops"
    path.write_bytes(skops_archive({"large": np.zeros(10**6), "small": {"a": np.ones(3)}}))
    with path.open("rb") as file:
        counted = Counted(file)
        assert list(pylstm.load(counted, flat=True, prefix="small")) == ["a"]
        assert counted.total < 50_000


# What is refused --------------------------------------------------------------------------------


def test_keys_that_json_makes_one():
    """A dictionary with the keys 1 and "1" loses one of them in JSON."""
    content = {"1": {"__loader__": "JsonNode", "content": "2"}}
    types = [{"__class__": name, "__module__": "builtins"} for name in ("int", "str")]
    schema = {
        "__class__": "dict",
        "__module__": "builtins",
        "__loader__": "DictNode",
        "content": content,
        "key_types": {"content": types},
        "protocol": 2,
    }
    assert "a dictionary of 2 keys of which 1 are left" in refused(SkopsWriter().archive(schema))
    text = json.dumps(schema).replace('"content": {', '"content": {"1": 0, ', 1)
    assert "has the name '1' twice" in refused(SkopsWriter().archive(text))


ONE = {"a": np.ones(1)}


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda schema: schema.pop("protocol"), "none of skops"),
        (lambda schema: schema.pop("key_types"), "without the types of its keys"),
        (lambda schema: schema.update(key_types=[]), "without the types of its keys"),
        (lambda schema: schema["content"]["a"].update(file="b.npy"), "names the entry 'b.npy'"),
        (lambda schema: schema["content"]["a"].update(file="../x"), "names the entry '../x'"),
        (lambda schema: schema["content"]["a"].update(file="schema.json"), "no .npy array"),
        (
            lambda schema: schema["key_types"]["content"][0].update(__class__="int"),
            "has the key 'a', which is no builtins.int",
        ),
        (
            lambda schema: schema["key_types"]["content"][0].update(__class__="bool"),
            "has the key 'a', which is no builtins.bool",
        ),
    ],
)
def test_schemas_that_are_refused(edit, words):
    text = refused(skops_archive(ONE, edit))
    assert words in text
    assert "schema.json" in text


@pytest.mark.parametrize("schema", ["[]", "{", "", "1", '{"a": 1}', '{"protocol": '])
def test_damaged_schemas(schema):
    assert "schema.json" in refused(SkopsWriter().archive(schema))


def test_an_odd_loader_is_a_record():
    loaded = pylstm.load(
        skops_archive(ONE, lambda schema: schema["content"]["a"].update(__loader__="X"))
    )
    assert loaded["a"].class_name == "numpy.ndarray"
    assert sorted(loaded["a"].state) == ["file", "type"]


def test_costs_are_bounded():
    deep = '{"protocol": 2, "__loader__": "ListNode", "content": [' * 100
    assert "nested more than 100 deep" in refused(SkopsWriter().archive(deep))
    # Each text within the schema is one of JSON by itself.
    text = json.dumps("[" + "[]," * 100_000 + "0]")
    node = f'{{"__loader__": "JsonNode", "content": {text}}}'
    nodes = ",".join([node] * 40)
    schema = f'{{"protocol": 2, "__loader__": "ListNode", "content": [{nodes}]}}'
    packed = SkopsWriter().archive(schema, zipfile.ZIP_DEFLATED)
    assert "too large for an archive" in refused(packed) or "too much memory" in refused(packed)
    few = ",".join([node] * 10)
    schema = f'{{"protocol": 2, "__loader__": "ListNode", "content": [{few}]}}'
    assert "too much memory" in refused(SkopsWriter().archive(schema))


def test_numbers_as_keys_are_few():
    many = dict.fromkeys(range(1001))
    assert "1001 keys that are no texts" in refused(skops_archive(many))
    assert len(pylstm.load(skops_archive(dict.fromkeys(map(str, range(1001)))))) == 1001


def test_npz_files_are_not_taken_for_it():
    file = io.BytesIO()
    np.savez(file, **{"schema": np.ones(1), "schema.json": np.ones(2)})
    assert list(pylstm.load(file.getvalue())) == ["schema", "schema.json"]
