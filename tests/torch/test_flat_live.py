"""Flat loading, shards, tied tensors and archives, of files that the real libraries wrote."""

import collections
import io
import json
import pickle
import sys
import types
import warnings

import numpy as np
import pytest

import pylstm
from pylstm.cli import main
from pylstm.files import Record

pytest.importorskip("torch.nn")  # "torch" alone would find a folder of that name
import torch


def written(value, **options):
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def pickled(value):
    return pickle.dumps(value)


FORMS = {
    "zip": written,
    "legacy": lambda value: written(value, _use_new_zipfile_serialization=False),
    "pickle": pickled,
}


def equal(array, tensor):
    tensor = tensor.detach()
    expected = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return array.dtype == expected.dtype and np.array_equal(array, expected)


class Net(torch.nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.encoder = torch.nn.ModuleDict({"rnn": torch.nn.LSTM(3, 4, 2, **options)})
        self.cell = torch.nn.LSTMCell(4, 4)
        self.norm = torch.nn.BatchNorm1d(4)
        self.heads = torch.nn.ModuleList([torch.nn.Linear(4, 2), torch.nn.Linear(4, 3)])

    def forward(self, x):
        return self.heads[0](self.encoder["rnn"](x)[0])


@pytest.fixture
def net():
    """A module of a class that can be pickled and is gone afterwards."""
    module = types.ModuleType("gone_nets")
    for kind in (Net,):
        kind.__module__, kind.__qualname__ = "gone_nets", kind.__name__
        setattr(module, kind.__name__, kind)
    sys.modules["gone_nets"] = module
    torch.manual_seed(0)
    yield Net(batch_first=True, bidirectional=True)
    del sys.modules["gone_nets"]


def is_state_dict(loaded, module):
    """Whether the names are those of the module's state_dict, and the values equal."""
    state = module.state_dict()
    assert set(loaded) == set(state)
    assert all(equal(loaded[name], tensor) for name, tensor in state.items())
    return True


# Flat loading -----------------------------------------------------------------------------------


def scripted(net):
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(net), file)
    return file.getvalue()


def compiled(net):
    return written(torch.compile(net).state_dict())


FILES = {
    "state_dict": lambda net: written(net.state_dict()),
    "checkpoint": lambda net: written({"epoch": 1, "model": net.state_dict()}),
    "legacy checkpoint": lambda net: FORMS["legacy"]({"epoch": 1, "model": net.state_dict()}),
    "whole module": written,
    "legacy whole module": FORMS["legacy"],
    "pickled module": pickled,
    "DataParallel": lambda net: written(torch.nn.DataParallel(net)),
    "state_dict of DataParallel": lambda net: written(torch.nn.DataParallel(net).state_dict()),
    "in a list": lambda net: written([3, {"net": net}]),
    "compiled": compiled,
    "compiled DataParallel": lambda net: compiled(torch.nn.DataParallel(net)),
    "DataParallel of compiled": lambda net: written(torch.nn.DataParallel(torch.compile(net)).state_dict()),
    "scripted": scripted,
}  # fmt: skip
PREFIXES = {"checkpoint": "model", "legacy checkpoint": "model", "in a list": "1.net"}


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code", "ignore:`torch.jit")
@pytest.mark.parametrize("name", FILES)
def test_flat_loading_is_the_state_dict(name, net, tmp_path):
    content = FILES[name](net)
    path = tmp_path / "file"
    path.write_bytes(content)
    prefix = PREFIXES.get(name, "")
    for mmap in (False, True):
        loaded = pylstm.load(path, mmap, flat=True, prefix=prefix)
        if name == "scripted":
            assert loaded.keys() >= net.state_dict().keys()
            loaded = {key: loaded[key] for key in net.state_dict()}
        assert is_state_dict(loaded, net)
    part = pylstm.load(content, flat=True, prefix="encoder.rnn")
    rnn = net.encoder["rnn"]
    assert is_state_dict(part, rnn)
    ours = pylstm.LSTM(3, 4, 2, bidirectional=True)
    ours.load_state_dict(part)
    theirs = {key: torch.from_numpy(np.array(value)) for key, value in part.items()}
    torch.nn.LSTM(3, 4, 2, bidirectional=True).load_state_dict(theirs)
    everything = pylstm.load(content, flat=True)
    found = {each.prefix.rpartition(".")[2]: each for each in pylstm.find_lstms(everything)}
    assert found.keys() == {"rnn", "cell"}
    whole = "module" in name or name in ("DataParallel", "in a list", "scripted")
    assert found["rnn"].assumed == ({} if whole else {"batch_first": False})
    assert pylstm.LSTM.from_weights(everything).batch_first is whole


def test_a_module_in_two_places():
    shared = torch.nn.LSTM(3, 4)
    model = torch.nn.Sequential(collections.OrderedDict(one=shared, two=shared))
    assert is_state_dict(pylstm.load(written(model), flat=True), model)
    assert is_state_dict(pylstm.load(written(model), flat=True, prefix="two"), shared)


def test_an_optimiser(tmp_path, capsys):
    model = torch.nn.LSTM(3, 4)
    for make in (torch.optim.Adam, torch.optim.SGD, torch.optim.RMSprop, torch.optim.Adagrad):
        optimizer = make(
            model.parameters(), lr=0.1, **({"momentum": 0.9} if make is torch.optim.SGD else {})
        )
        model(torch.ones(2, 1, 3))[0].sum().backward()
        optimizer.step()
        for state in (optimizer.state_dict(), optimizer):
            path = tmp_path / "checkpoint.pt"
            torch.save({"model": model.state_dict(), "optimizer": state}, path)
            assert main(["inspect", "--json", "--no-optimizer", str(path)]) == 0
            names = [each["name"] for each in json.loads(capsys.readouterr().out)["tensors"]]
            assert names == [f"model.{name}" for name in model.state_dict()]
            assert main(["inspect", str(path)]) == 0
            assert "of an optimiser" in capsys.readouterr().out
            assert is_state_dict(pylstm.load(path, flat=True, prefix="model"), model)


# Bare storages ------------------------------------------------------------------------------------


def cyclic(storage):
    made = [storage]
    made.append((made, storage))
    return made


# A tree of a storage, and where the storage is in it.
PLACES = {
    "root": (lambda storage: storage, lambda tree: tree),
    "dict": (lambda storage: {"a": {"b": storage}}, lambda tree: tree["a"]["b"]),
    "list": (lambda storage: [1, [storage]], lambda tree: tree[1][0]),
    "tuples": (lambda storage: ((storage,), 1), lambda tree: tree[0][0]),
    "OrderedDict": (lambda storage: collections.OrderedDict(a=storage), lambda tree: tree["a"]),
    "cycle": (cyclic, lambda tree: tree[1][1]),
    "key": (lambda storage: {storage: 1}, lambda tree: next(iter(tree)).args[0]),
    "set": (lambda storage: {storage}, lambda tree: next(iter(tree)).args[0]),
}
TENSORS = {
    "float32": lambda: torch.arange(6.0),
    "int64": lambda: torch.arange(3),
    "bool": lambda: torch.tensor([True, False]),
    "bfloat16": lambda: torch.ones(3, dtype=torch.bfloat16),
    "float16": lambda: torch.ones(3).half(),
    "complex64": lambda: torch.tensor([1 + 2j]),
    "empty": lambda: torch.ones(0),
}


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("place", "dtype"),
    [*((place, "float32") for place in PLACES), *(("dict", each) for each in TENSORS)],
)
def test_bare_storages_are_arrays(place, dtype, form, typed):
    make, find = PLACES[place]
    tensor = TENSORS[dtype]()
    content = FORMS[form](make(tensor.storage() if typed else tensor.untyped_storage()))
    for mmap in (False, True):
        array = find(pylstm.load(content, mmap=mmap))
        assert type(array) is np.ndarray
        assert equal(array, tensor if typed else tensor.view(torch.uint8))
    assert pylstm.find_lstms(content) == []


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support", "ignore:torch.quantize_per_tensor")
@pytest.mark.parametrize("form", FORMS)
def test_records_of_other_tensors_have_arrays(form):
    for tensor in (torch.eye(3).to_sparse(), torch.eye(3).to_sparse_csr()):
        record = pylstm.load(FORMS[form]({"x": tensor}))["x"]
        assert isinstance(record, Record)
        flat = pylstm.load(FORMS[form]({"x": tensor}), flat=True)
        assert flat
        assert all(name.startswith("x.") for name in flat)
    quantised = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
    assert pylstm.load(FORMS[form]({"x": quantised}), flat=True)["x.0"].dtype == np.int8


# safetensors and huggingface_hub ------------------------------------------------------------------


class Tied(torch.nn.Module):
    """Two LSTMs that share their recurrent weights, and one under two names."""

    def __init__(self):
        super().__init__()
        self.a = torch.nn.LSTM(4, 4)
        self.b = torch.nn.LSTM(4, 4, 2)
        self.b.weight_hh_l0 = self.a.weight_hh_l0
        self.b.weight_hh_l1 = self.a.weight_hh_l0
        self.c = self.a
        self.head = torch.nn.Linear(4, 5)


def check_tied(source, model):
    state = model.state_dict()
    for loaded in (pylstm.load(source), pylstm.load(source, flat=True)):
        assert is_state_dict(loaded, model)
        assert loaded["b.weight_hh_l1"] is loaded["a.weight_hh_l0"]
    assert {found.prefix for found in pylstm.find_lstms(source)} == {"a", "b", "c"}
    for prefix in "abc":
        lstm = pylstm.LSTM.from_weights(source, prefix)
        for name, parameter in lstm.named_parameters():
            assert equal(parameter, state[f"{prefix}.{name}"])
        lstm.load_state_dict(pylstm.load(source, flat=True, prefix=prefix))


def test_save_model_of_safetensors(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    torch.manual_seed(1)
    model = Tied()
    safetensors.save_model(model, tmp_path / "model.safetensors")
    check_tied(tmp_path / "model.safetensors", model)
    check_tied(tmp_path, model)
    safetensors.save_model(
        model, tmp_path / "model.safetensors", metadata={"format": "pt", "x": "y"}
    )
    check_tied(tmp_path, model)


def test_tied_models_of_huggingface_hub(tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    pytest.importorskip("safetensors")
    torch.manual_seed(2)
    model = Tied()
    hub.save_torch_model(model, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    check_tied(tmp_path, model)
    (tmp_path / "again").mkdir()
    hub.save_torch_state_dict(model.state_dict(), tmp_path / "again")
    check_tied(tmp_path / "again", model)


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("size", [200, 700, 1500])
def test_shards_of_huggingface_hub(tmp_path, safe, size):
    hub = pytest.importorskip("huggingface_hub")
    pytest.importorskip("safetensors")
    torch.manual_seed(3)
    model = Tied()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hub.save_torch_state_dict(
            model.state_dict(), tmp_path, max_shard_size=size, safe_serialization=safe
        )
    shards = sorted(path for path in tmp_path.iterdir() if path.suffix != ".json")
    [index] = tmp_path.glob("*.json")
    assert len(shards) > 1
    for source in (tmp_path, index, *shards):
        if safe:
            check_tied(source, model)
        else:
            assert is_state_dict(pylstm.load(source), model)
            assert {found.prefix for found in pylstm.find_lstms(source)} == {"a", "b", "c"}
    index.unlink()
    for source in (tmp_path, *shards):
        with pytest.raises(pylstm.WeightFileError, match=f"one shard of {len(shards)}"):
            pylstm.LSTM.from_weights(source, "a")


def test_a_cache_of_huggingface_hub(tmp_path):
    """Files under the hash of their content, and links to them: as snapshot_download leaves them."""
    hub = pytest.importorskip("huggingface_hub")
    pytest.importorskip("safetensors")
    model = Tied()
    (tmp_path / "plain").mkdir()
    hub.save_torch_state_dict(model.state_dict(), tmp_path / "plain", max_shard_size=700)
    blobs = tmp_path / "models--a--b" / "blobs"
    snapshot = tmp_path / "models--a--b" / "snapshots" / "0123"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number, path in enumerate((tmp_path / "plain").iterdir()):
        path.rename(blobs / f"{number:064x}")
        (snapshot / path.name).symlink_to(f"../../blobs/{number:064x}")
    for source in (snapshot, *snapshot.iterdir()):
        check_tied(source, model)


def test_what_pylstm_writes_is_read_by_others(tmp_path, net):
    """With metadata of its own, and without."""
    hub = pytest.importorskip("huggingface_hub")
    safetensors = pytest.importorskip("safetensors.torch")
    torch.save(net, tmp_path / "net.pt")
    assert main(["convert", str(tmp_path / "net.pt"), str(tmp_path / "net.safetensors")]) == 0
    with safetensors.safe_open(tmp_path / "net.safetensors", "pt") as file:
        assert file.metadata()["pylstm.batch_first"] == '{"encoder.rnn": true}'
    for load in (safetensors.load_file, hub.load_state_dict_from_file):
        state = load(tmp_path / "net.safetensors")
        net.load_state_dict(state)
        assert is_state_dict(pylstm.load(tmp_path / "net.safetensors"), net)
    hub.load_torch_model(net, tmp_path / "net.safetensors", strict=True)
    assert pylstm.LSTM.from_weights(tmp_path / "net.safetensors").batch_first
    pylstm.save(net.state_dict(), tmp_path / "plain.safetensors")
    hub.load_torch_model(net, tmp_path / "plain.safetensors", strict=True)


METADATA = ["null", "{}", '{"a":"b"}', '{"a":null}', "[]", "1", '"x"', "nul", '{"a":1}']


@pytest.mark.parametrize("metadata", METADATA)
def test_metadata_is_what_safetensors_takes(metadata):
    safetensors = pytest.importorskip("safetensors.numpy")
    tensor = '"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    for header in (
        f'{{"__metadata__":{metadata},{tensor}}}',
        f'{{{tensor},"__metadata__":{metadata}}}',
    ):
        content = len(header).to_bytes(8, "little") + header.encode() + bytes(4)
        try:
            expected = safetensors.load(content)
        except Exception:
            with pytest.raises(pylstm.WeightFileError):
                pylstm.load(content)
        else:
            assert pylstm.load(content).keys() == expected.keys()


# skops --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [0, 8])
def test_archives_of_skops(compression):
    skops = pytest.importorskip("skops.io")
    lstm = pylstm.LSTM(3, 2)
    state = collections.OrderedDict(lstm.state_dict())
    array = np.arange(6.0).reshape(2, 3)
    tree = {
        "model": state,
        "plain": [1, 2.5, "é", None, True, (), {}],
        "arrays": (array, array.T, array.astype(">f4"), array > 2, np.array(3)),
        3: {2.5: array, False: 2},
        "again": array,
        "scalar": np.float32(2.5),
    }
    content = skops.dumps(tree, compression=compression)
    loaded, expected = pylstm.load(content), skops.loads(content)
    assert list(loaded) == list(expected)
    assert loaded["plain"] == expected["plain"]
    assert type(loaded["model"]) is collections.OrderedDict
    for name, value in state.items():
        np.testing.assert_array_equal(loaded["model"][name], value, strict=True)
    for ours, theirs in zip(loaded["arrays"], expected["arrays"], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert list(loaded[3]) == [2.5, False]
    assert loaded["again"] is loaded["arrays"][0]
    assert float(loaded["scalar"]) == 2.5
    ours = pylstm.LSTM.from_weights(content)
    assert ours.weight_hh_l0.tobytes() == lstm.weight_hh_l0.tobytes()
    lstm.load_state_dict(pylstm.load(content, flat=True, prefix="model"))


def test_estimators_of_skops():
    skops = pytest.importorskip("skops.io")
    linear = pytest.importorskip("sklearn.linear_model")
    model = linear.LogisticRegression().fit(np.random.default_rng(0).random((10, 3)), [0, 1] * 5)
    record = pylstm.load(skops.dumps({"model": model}))["model"]
    assert record.class_name.endswith("LogisticRegression")
    np.testing.assert_array_equal(record.state["coef_"], model.coef_)
    flat = pylstm.load(skops.dumps({"model": model}), flat=True, prefix="model")
    np.testing.assert_array_equal(flat["coef_"], model.coef_)


def test_odd_values_of_skops():
    skops = pytest.importorskip("skops.io")
    tree = {
        "set": {"a"},
        "defaultdict": collections.defaultdict(list, {"k": [np.ones(2)]}),
        "masked": np.ma.array([1.0, 2.0], mask=[False, True]),
        "objects": np.array([1, "a", None], dtype=object),
        "texts": np.array(["a", "bc"]),
        "bytes": b"xyz",
        "slice": slice(1, 2),
        "dtype": np.dtype("f4"),
        "type": int,
    }
    loaded = pylstm.load(skops.dumps(tree))
    assert list(loaded) == list(tree)
    assert loaded["set"] == ["a"]
    assert loaded["defaultdict"]["k"][0].tolist() == [1, 1]
    records = {
        name: value.class_name for name, value in loaded.items() if isinstance(value, Record)
    }
    assert records == {
        "masked": "numpy.ma.MaskedArray",
        "objects": "numpy.ndarray",
        "texts": "numpy.ndarray",
        "bytes": "builtins.bytes",
        "slice": "builtins.slice",
        "dtype": "numpy.dtype",
        "type": "builtins.int",
    }
    assert list(pylstm.load(skops.dumps(tree), flat=True)) == [
        "defaultdict.k.0",
        "masked.data",
        "masked.mask",
    ]
