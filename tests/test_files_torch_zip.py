"""torch's zip archives, made by hand: what torch of any age and machine may have written."""

import io
import tracemalloc

import numpy as np
import pytest
from weight_files import (
    CountingFile,
    Entry,
    state_dict_pickle,
    tensor_pickle,
    torch_entries,
    write_sparse_zip,
    zip_archive,
)

import pylstm
from pylstm import WeightFileError
from pylstm.files.open import open_weights
from pylstm.weights.find import survey

ARRAYS = {
    "weight": np.arange(6, dtype="<f4").reshape(2, 3),
    "double": np.arange(3.0),
    "half": np.arange(3, dtype="<f2"),
    "long": np.array([2**40, -1]),
    "complex": np.array([1 + 2j], "<c8"),
    "scalar": np.array(3, "<i4"),
    "empty": np.zeros((0, 3), "<f4"),
    "transposed": np.arange(6, dtype="<f4").reshape(2, 3).T,
}


def assert_same(loaded, arrays):
    assert list(loaded) == list(arrays)
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype.newbyteorder("=")
        assert loaded[name].shape == array.shape
        np.testing.assert_array_equal(loaded[name], array)


def refused(content):
    with pytest.raises(WeightFileError) as caught:
        pylstm.load(content)
    return str(caught.value)


def replaced(entries, name, data):
    """Return the entries with other data in one of them, or without it if that is None."""
    changed = [Entry(entry.name, data) if entry.name == name else entry for entry in entries]
    return [entry for entry in changed if entry.data is not None]


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("zip64", [False, True])
@pytest.mark.parametrize("top", ["archive", "model.state", "é"])
def test_the_folder_is_that_of_the_first_entry(top, zip64, mmap):
    entries = torch_entries(ARRAYS, top=top)
    loaded = pylstm.load(zip_archive(entries, zip64=zip64), mmap=mmap)
    assert_same(loaded, ARRAYS)
    assert loaded["transposed"].strides == (4, 12)
    assert loaded["weight"].flags.writeable is not mmap


def test_archives_without_a_byteorder_are_little_endian():
    assert_same(pylstm.load(zip_archive(torch_entries(ARRAYS, byteorder=None))), ARRAYS)


@pytest.mark.parametrize("mmap", [False, True])
def test_big_endian_archives(mmap):
    swapped = {name: array.astype(array.dtype.newbyteorder(">")) for name, array in ARRAYS.items()}
    content = zip_archive(torch_entries(swapped, byteorder=b"big"))
    assert_same(pylstm.load(content, mmap=mmap), {n: swapped[n] for n in ARRAYS})
    with open_weights(content) as weights:
        assert weights.metadata == {"byteorder": "big"}


@pytest.mark.parametrize("word", [b"middle", b"", b"Little", b"little" * 10_000])
def test_unknown_byteorders_are_refused(word):
    assert "byteorder" in refused(zip_archive(torch_entries(ARRAYS, byteorder=word)))


def test_bfloat16_and_bool():
    bits = np.array([0x3F80, 0xC020], "<u2")
    truth = np.array([0, 1, 2, 255], "<u1")
    entries = torch_entries(
        {"b": bits.view("<f2"), "t": truth}, kinds={"b": "BFloat16", "t": "Bool"}
    )
    loaded = pylstm.load(zip_archive(entries))
    np.testing.assert_array_equal(loaded["b"], np.array([1, -2.5], "f4"))
    assert loaded["b"].dtype == np.float32
    assert loaded["t"].tobytes() == b"\0\1\1\1"


def test_storages_that_were_padded_and_deflated_by_others():
    entries = torch_entries(ARRAYS)
    for entry in entries[2:]:
        entry.padding = b"FB\x20\0" + b"Z" * 32
        entry.deflated = True
    entries[0].deflated = True
    assert_same(pylstm.load(zip_archive(entries)), ARRAYS)


def views(numel, *tensors, kind="Float", data=None):
    """Return an archive of tensors that are views of one storage: (shape, strides, offset)."""
    table = {
        str(index): tensor_pickle("0", kind, numel, *tensor) for index, tensor in enumerate(tensors)
    }
    data = np.arange(numel, dtype="<f4").tobytes() if data is None else data
    return zip_archive([Entry("a/data.pkl", state_dict_pickle(table)), Entry("a/data/0", data)])


@pytest.mark.parametrize("mmap", [False, True])
def test_views_share_one_storage(mmap):
    content = views(12, ((3, 4), (4, 1), 0), ((4, 3), (1, 4), 0), ((2,), (5,), 3), ((6,), (0,), 7))
    loaded = pylstm.load(content, mmap=mmap)
    whole = np.arange(12, dtype="f4").reshape(3, 4)
    np.testing.assert_array_equal(loaded["0"], whole)
    np.testing.assert_array_equal(loaded["1"], whole.T)
    np.testing.assert_array_equal(loaded["2"], [3, 8])
    np.testing.assert_array_equal(loaded["3"], [7] * 6)
    assert loaded["3"].strides == (0,)
    assert np.shares_memory(loaded["0"], loaded["1"])


@pytest.mark.parametrize(
    "view",
    [
        ((13,), (1,), 0),
        ((12,), (1,), 1),
        ((3, 4), (5, 1), 0),
        ((2,), (-1,), 1),
        ((-1,), (1,), 0),
        ((2,), (1,), -1),
        ((1,), (1,), 12),
        ((0,), (1,), 13),
        ((2,), (2**62,), 0),
        ((2**62, 2**62), (0, 0), 0),
        ((2, 2), (1,), 0),
        ((1,) * 65, (1,) * 65, 0),
    ],
)
def test_views_outside_their_storage_are_refused(view):
    assert refused(views(12, view))


@pytest.mark.parametrize("numel", [0, 11, 13, -1, 2**62])
def test_a_storage_has_the_size_that_the_pickle_says(numel):
    assert refused(views(numel, ((0,), (1,), 0), data=bytes(48)))


def test_a_missing_storage():
    entries = [entry for entry in torch_entries(ARRAYS) if not entry.name.endswith("/0")]
    assert "archive/data/0" in refused(zip_archive(entries))


@pytest.mark.parametrize("key", ["../version", "/0", "0/../1", ""])
def test_keys_are_no_paths(key):
    pickle = state_dict_pickle({"a": tensor_pickle(key, "Byte", 2, (2,), (1,))})
    entries = [Entry("a/data.pkl", pickle), Entry("a/data/0", b"3\n"), Entry("a/version", b"3\n")]
    assert f"a/data/{key}" in refused(zip_archive(entries))


def test_one_storage_as_many_dtypes_is_refused():
    table = {
        kind: tensor_pickle("0", kind, 48 // size, (1,), (1,))
        for kind, size in {"Float": 4, "Double": 8, "Int": 4}.items()
    }
    entries = [Entry("a/data.pkl", state_dict_pickle(table)), Entry("a/data/0", bytes(48))]
    assert "more than 2 dtypes" in refused(zip_archive(entries))


def test_cut_off_at_every_byte():
    content = zip_archive(torch_entries({"a": np.arange(3.0)}), zip64=True)
    for length in range(len(content)):
        assert refused(content[:length])


def test_a_pickle_that_inflates_to_more_than_the_archive():
    pickle = b"\x80\x02" + b"N0" * 6_000_000 + b"N."
    entries = [Entry("a/data.pkl", pickle, deflated=True), Entry("a/version", b"3\n")]
    assert "a/data.pkl: is too large" in refused(zip_archive(entries))


def test_persistent_ids_that_are_no_storages():
    for persistent_id in (b"N", b"K\1", b"X\1\0\0\0a", b")", b"(X\6\0\0\0moduleNNNt"):
        entries = [Entry("a/data.pkl", b"\x80\x02" + persistent_id + b"Q.")]
        assert "persistent id" in refused(zip_archive(entries))


def test_constants_of_torchscript():
    constant = tensor_pickle("0", "Double", 2, (2,), (1,))
    entries = [
        Entry("a/data.pkl", b"\x80\x02c__torch__.nets\nTagger\n)\x81}X\1\0\0\0bK\7sb."),
        Entry("a/constants.pkl", b"\x80\x02(" + constant + b"t."),
        Entry("a/constants/0", np.array([1.0, 2.0]).tobytes()),
    ]
    with open_weights(zip_archive(entries)) as weights:
        assert weights.format == "TorchScript"
        record = weights.tree
        assert record.class_name == "__torch__.nets.Tagger"
        assert record.state["b"] == 7
        np.testing.assert_array_equal(record.state["CONSTANTS"]["c0"].read(), [1, 2])
    entries[1] = Entry("a/constants.pkl", b"\x80\x02K\1.")
    assert "holds no tuple" in refused(zip_archive(entries))


def test_options_of_torchscript_where_objects_share_their_attributes():
    # The second object stands in the attributes of the first, which are its own as well.
    name = b"c__torch__.nets\nLSTM\n)\x81"
    weight = b"X\x0c\0\0\0weight_ih_l0N"
    pickle = b"\x80\x02" + name + b"}q\0(" + weight + b"X\1\0\0\0a" + name + b"h\0bub."
    code = (
        b"class LSTM(Module):\n  batch_first : Final[bool] = True\n  dropout : Final[float] = x\n"
    )
    entries = [
        Entry("a/data.pkl", pickle),
        Entry("a/code/__torch__/nets.py", code, deflated=True),
        Entry("a/constants.pkl", b"\x80\x02)."),
    ]
    record = pylstm.load(zip_archive(entries))
    assert record.state["batch_first"] is True and record.state["dropout"] is None
    assert record.state["a"].state is record.state


@pytest.mark.parametrize(
    "lists",
    [
        "_0, _1",
        "[hx, hx0], [weight_ih_l0, weight_hh_l0]",
        "[hx, hx0], _1",
        "_0, [weight_ih_l0, weight_hh_l0, weight_hr_l0]",
    ],
)
@pytest.mark.parametrize("batch_first", [False, True])
def test_options_of_traced_modules(lists, batch_first):
    pickle = b"\x80\x02c__torch__.nets\nLSTM\n)\x81}X\x0c\0\0\0weight_ih_l0Nsb."
    call = f"torch.lstm(input, {lists}, False, 1, 0.5, True, False, {batch_first})"
    code = f"class LSTM(Module):\n  def forward(self):\n    _2, _3, _4 = {call}\n"
    entries = [
        Entry("a/data.pkl", pickle),
        Entry("a/code/__torch__/nets.py", code.encode(), deflated=True),
        Entry("a/constants.pkl", b"\x80\x02)."),
    ]
    record = pylstm.load(zip_archive(entries))
    assert (record.state["batch_first"], record.state["dropout"]) == (batch_first, 0.5)


LSTM_CODE = """\
    bias_hh_l0 = self.bias_hh_l0
    max_batch_size = ops.prim.NumToTensor(torch.size(x, 0))
    hx = torch.zeros([1, int(max_batch_size), 4], dtype=6, device=torch.device("cpu"))
    _3, _4, _5 = torch.lstm(x, [hx, hx], _2, True, 1, 0., False, False, True)
"""
GRU_CODE = LSTM_CODE.replace("_3, _4, _5 = torch.lstm(x, [hx, hx], ", "_3, _4 = torch.gru(x, hx, ")
RNN_CODE = GRU_CODE.replace("gru", "rnn_relu")
GRU_CELL_CODE = """\
    _2, _3, _4, = torch.unsafe_chunk(torch.linear(input, weight_ih, bias_ih), 3, 1)
    _9 = torch.sigmoid_(torch.add_(_6, _2))
    _11 = torch.tanh_(torch.add(_4, torch.mul_(_8, _9)))
    return torch.add_(torch.mul_(torch.sub(hx, _11), _10), _11)
"""
RNN_CELL_CODE = """\
    return torch.relu(torch.add_(torch.linear(hx, weight_hh), torch.linear(input, weight_ih)))
"""
CELL_CODE = """\
    _1 = torch.add_(torch.linear(zeros, weight_hh), torch.linear(input, weight_ih))
    _2, _3, _4, _5, = torch.unsafe_chunk(_1, 4, 1)
    _10 = torch.add_(torch.mul(torch.sigmoid_(_3), zeros), torch.mul(_6, torch.tanh_(_4)))
"""


@pytest.mark.parametrize("folder", ["rnn", "rnn.___torch_mangle_6"])
@pytest.mark.parametrize(
    "kind, line, own",
    [
        ("LSTM", "", True),
        ("LSTM", "x = torch.unsqueeze(x, 0)", True),
        ("LSTM", "x = torch.index_select(x, 1, order)", True),
        ("LSTM", "input = torch.flip(x, [1])", False),
        ("LSTM", "input = torch.mul(x, CONSTANTS.c0)", False),
        ("LSTM", "_6 = torch.layer_norm(_3, [4], None, None, 1e-5, True)", False),
        ("LSTM", "_6 = torch.tanh(_3)", False),
        ("LSTM", "_6 = ops.mine.twice(_3)", False),
        ("LSTM", "_6 = (self.norm).forward(_3, )", True),  # which has tensors, or is a function
        ("LSTMCell", "", True),
        ("LSTMCell", "_6 = torch.layer_norm(_1, [16], None, None, 1e-5, True)", False),
        ("LSTMCell", "_6 = torch.hardsigmoid(_2)", False),
        ("LSTMCell", "_1 = torch.clamp(_1, -1, 1)", False),
        ("GRU", "", True),
        ("GRU", "_3 = torch.lstm(x)", False),
        ("GRU", "input = torch.flip(x, [1])", False),
        ("GRU", "input = torch.mul(x, CONSTANTS.c0)", False),
        ("RNN", "", True),
        ("RNN", "_6 = torch.relu(_3)", False),
        ("RNN", "_6 = torch.gru(x)", False),
        ("GRUCell", "", True),
        ("GRUCell", "_6 = torch.relu(_2)", False),
        ("GRUCell", "_6 = torch.layer_norm(_1, [16], None, None, 1e-5, True)", False),
        ("RNNCell", "", True),
        ("RNNCell", "_6 = torch.sigmoid(_2)", False),
        ("RNNCell", "_6 = torch.hardtanh(_2)", False),
    ],
)
def test_another_forward_in_torchscript(folder, kind, line, own):
    """A program may have put its own function in the place of a module's forward."""
    end, code = CODE_OF[kind]
    rows = 4 * {"LSTM": 4, "GRU": 3, "RNN": 1}[kind.removesuffix("Cell")]
    code = f"class {kind}(Module):\n  def forward(self, x):\n{code}    {line or 'pass'}\n"
    code += "class Other(Module):\n  def forward(self, x):\n    return torch.flip(x, [1])\n"
    content = torchscript(f"__torch__.torch.nn.modules.{folder}", kind, end, rows, code)
    for source in (content, pylstm.load(content), pylstm.load(content, flat=True)):
        report = survey(pylstm.load(source) if source is content else source, "<test>")
        assert len(report.candidates) == own
        kinds = [miss.kind for miss in report.near_misses]
        assert kinds == ([] if own else [f"{kind} with another forward"])
        if own and kind.startswith("RNN"):
            assert report.candidates[0].found.nonlinearity == "relu"
            assert "nonlinearity" not in report.candidates[0].found.assumed


CODE_OF = {
    "LSTM": ("_l0", LSTM_CODE),
    "LSTMCell": ("", CELL_CODE),
    "GRU": ("_l0", GRU_CODE),
    "GRUCell": ("", GRU_CELL_CODE),
    "RNN": ("_l0", RNN_CODE),
    "RNNCell": ("", RNN_CELL_CODE),
}


@pytest.mark.parametrize(
    "kind, constants, calls, told",
    [
        ("RNN", 'mode : Final[str] = "RNN_RELU"', "rnn_relu", "relu"),
        ("RNN", 'mode : Final[str] = "RNN_TANH"', "rnn_tanh", "tanh"),
        ("RNN", 'mode : Final[str] = "RNN_TANH"', "rnn_relu", None),
        ("RNN", 'mode : Final[str] = "GRU"', "rnn_tanh", None),
        ("RNN", 'mode : Final[str] = "RNN_ELU"', "size", None),
        ("RNN", 'mode : Final[str] = "a b"', "size", None),
        ("RNNCell", 'nonlinearity : Final[str] = "relu"', "rnn_relu_cell", "relu"),
        ("RNNCell", 'nonlinearity : Final[str] = "tanh"', "rnn_tanh_cell", "tanh"),
        ("RNNCell", 'nonlinearity : Final[str] = "tanh"', "rnn_relu_cell", None),
        ("RNNCell", 'nonlinearity : Final[str] = "a b"', "size", None),
        ("RNNCell", "", "tanh", "tanh"),
        ("RNNCell", "", "relu_", "relu"),
        ("RNN", "", "size", ""),
        ("RNNCell", "", "size", ""),
    ],
)
def test_nonlinearity_of_torchscript(kind, constants, calls, told):
    end = CODE_OF[kind][0]
    code = f"class {kind}(Module):\n  {constants}\n  def forward(self):\n    torch.{calls}(x)\n"
    content = torchscript("__torch__.torch.nn.modules.rnn", kind, end, 4, code)
    report = survey(pylstm.load(content), "<test>")
    if told is None:
        assert report.candidates == []
        assert len(report.near_misses) == 1
    else:
        [found] = pylstm.find_recurrent(content)
        assert found.nonlinearity == (told or "tanh")
        assert ("nonlinearity" in found.assumed) == (not told)


def torchscript(name, kind, end, rows, code):
    """An archive of one module with a hidden size of 4, and the source of its class."""
    shapes = {f"weight_ih{end}": (rows, 3), f"weight_hh{end}": (rows, 4)}
    state = b""
    for index, (key, shape) in enumerate(shapes.items()):
        count = shape[0] * shape[1]
        tensor = tensor_pickle(str(index), "Float", count, shape, (shape[1], 1))
        state += b"X" + len(key).to_bytes(4, "little") + key.encode() + tensor
    pickle = b"\x80\x02c" + f"{name}\n{kind}\n".encode() + b")\x81}(" + state + b"ub."
    entries = [
        Entry("a/data.pkl", pickle),
        Entry(f"a/code/{name.replace('.', '/')}.py", code.encode(), deflated=True),
        Entry("a/constants.pkl", b"\x80\x02)."),
        *(Entry(f"a/data/{i}", bytes(4 * r * c)) for i, (r, c) in enumerate(shapes.values())),
    ]
    return zip_archive(entries)


def test_other_zip_archives_are_named():
    assert "neither of torch" in refused(zip_archive([Entry("word/document.xml", b"<xml/>")]))


# ---------------------------------------------------------------------------- no byte too many


def sparse_checkpoint(path):
    """Write a checkpoint of 1 GB, all of it holes but for its last tensor of 40 bytes."""
    numel = 2**28
    table = {
        "decoder": tensor_pickle("0", "Float", numel, (2**14, 2**14), (2**14, 1)),
        "lstm.bias": tensor_pickle("0", "Float", numel, (10,), (1,), numel - 10),
    }
    entries = [
        Entry("model/data.pkl", state_dict_pickle(table)),
        Entry("model/data/0", b"", hole=4 * numel, crc=0),
        Entry("model/version", b"3\n"),
    ]
    write_sparse_zip(path, entries, zip64=True)
    return 4 * numel


def test_a_tensor_of_a_huge_checkpoint_costs_its_own_bytes_only(tmp_path):
    path = tmp_path / "checkpoint.pt"
    size = sparse_checkpoint(path)
    assert path.stat().st_size > size
    tracemalloc.start()
    with path.open("rb", buffering=0) as raw:
        file = CountingFile(raw)
        tree = open_weights(file).tree
        assert file.count < 2000
        before = file.count
        np.testing.assert_array_equal(tree["lstm.bias"].read(), np.zeros(10))
        assert file.count - before == 40
        assert tree["decoder"].nbytes == size
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**6


def test_a_huge_checkpoint_is_mapped_and_not_read(tmp_path):
    path = tmp_path / "checkpoint.pt"
    sparse_checkpoint(path)
    tracemalloc.start()
    loaded = pylstm.load(path, mmap=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**6
    assert loaded["decoder"].shape == (2**14, 2**14)
    assert loaded["decoder"][-1, -1] == 0
    assert not loaded["decoder"].flags.writeable


def test_the_pickle_of_a_buffered_file_is_read_from_its_position():
    content = zip_archive(torch_entries(ARRAYS))
    file = io.BytesIO(b"before" + content)
    file.seek(6)
    assert_same(pylstm.load(file), ARRAYS)
    assert not file.closed
