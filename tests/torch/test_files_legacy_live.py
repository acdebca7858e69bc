"""Files that a live torch writes in its format before 1.6, and its tensors in plain pickles."""

import copy
import io
import pickle

import numpy as np
import pytest

from pylstm.files import Record
from pylstm.files.base.source import open_source
from pylstm.files.base.tensor import Arrays
from pylstm.files.formats import pickled, torch_legacy

# The submodule, since this folder itself would do for a module of the name "torch".
pytest.importorskip("torch.nn")
import torch

PROTOCOLS = (1, 2, 3, 4, 5)


def legacy(value, protocol=2):
    file = io.BytesIO()
    torch.save(value, file, pickle_protocol=protocol, _use_new_zipfile_serialization=False)
    return file.getvalue()


# How torch writes a value, and how pylstm reads it.
WAYS = {
    f"legacy {protocol}": (lambda value, p=protocol: legacy(value, p), torch_legacy)
    for protocol in PROTOCOLS
} | {
    f"pickle {protocol}": (lambda value, p=protocol: pickle.dumps(value, p), pickled)
    for protocol in PROTOCOLS
}


@pytest.fixture(params=WAYS.values(), ids=list(WAYS))
def round_trip(request):
    write, module = request.param
    return lambda value: module.read(open_source(write(value)), Arrays())


def as_numpy(tensor):
    tensor = tensor.detach().resolve_conj().resolve_neg()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def assert_equal(read, written):
    if isinstance(written, torch.Tensor):
        expected = as_numpy(written)
        assert read.dtype == expected.dtype and np.array_equal(read, expected)
    elif isinstance(written, dict):
        assert list(read) == list(written)
        for key, value in written.items():
            assert_equal(read[key], value)
    elif isinstance(written, (list, tuple)):
        assert len(read) == len(written) and isinstance(read, (list, tuple))
        for one, other in zip(read, written, strict=True):
            assert_equal(one, other)
    else:
        assert read == written and type(read) is type(written)


DTYPES = [
    getattr(torch, name)
    for name in [
        "float64",
        "float32",
        "float16",
        "bfloat16",
        "int64",
        "int32",
        "int16",
        "int8",
        "uint8",
        "bool",
        "complex64",
        "complex128",
    ]
]


def test_dtypes_and_views(round_trip):
    torch.manual_seed(1)
    for dtype in DTYPES:
        base = (torch.randn(5, 6, 7) * 20).to(dtype)
        views = [
            base,
            base[1:, ::2],
            base.permute(2, 0, 1),
            base[2, 3, 4],
            base[:0],
            base[:, :1].expand(5, 9, 7),
            base.flatten()[10:50].view(4, 10).t(),
            torch.nn.Parameter(base, requires_grad=False),
        ]
        assert_equal(round_trip(views), views)


def test_values_that_torch_puts_off(round_trip):
    base = torch.tensor([[1 + 2j, 3 - 4j]])
    values = [base.conj(), base.clone().conj().imag, base.t().conj(), base.conj()[0, 1]]
    assert_equal(round_trip(values), values)


def test_a_training_checkpoint(round_trip):
    module = torch.nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2)
    optimizer = torch.optim.Adam(module.parameters())
    for _ in range(2):
        module(torch.ones(2, 3))[0].sum().backward()
        optimizer.step()
    value = {
        "model": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "history": [1.5, 2.5],
        "parameters": [[copy.deepcopy(parameter)] for parameter in module.parameters()],
    }
    assert_equal(round_trip(value), value)


class Tagger(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = torch.nn.LSTM(3, 4, batch_first=True, dropout=0.25, num_layers=2)
        self.heads = torch.nn.ModuleDict(
            {"tag": torch.nn.Linear(4, 5), "none": torch.nn.Identity()}
        )
        self.register_buffer("scale", torch.full((2,), 0.5))
        self.register_forward_hook(print)


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
def test_a_whole_model(round_trip):
    model = Tagger()
    record = round_trip(model)
    assert type(record) is Record and record.class_name.endswith(".Tagger")
    assert_equal(record.state["_buffers"]["scale"], model.scale)
    rnn = record.state["_modules"]["rnn"]
    assert rnn.class_name == "torch.nn.modules.rnn.LSTM"
    assert rnn.state["batch_first"] is True and rnn.state["dropout"] == 0.25
    assert_equal(rnn.state["_parameters"], dict(model.rnn.named_parameters()))
    heads = record.state["_modules"]["heads"].state["_modules"]
    assert_equal(heads["tag"].state["_parameters"]["weight"], model.heads["tag"].weight)


def test_a_whole_optimizer(round_trip):
    module = torch.nn.LSTM(2, 3)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    module(torch.ones(1, 2))[0].sum().backward()
    optimizer.step()
    record = round_trip(optimizer)
    assert record.class_name == "torch.optim.sgd.SGD"
    for key, parameter in zip(record.state["state"], module.parameters(), strict=True):
        assert_equal(key.args[0], parameter)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_other_tensors_are_records(round_trip):
    packed = torch.quantize_per_tensor(torch.ones(3), 0.5, 1, torch.qint8)
    values = [torch.eye(2).to_sparse(), packed, torch.ones(2, device="meta")]
    for record, name in zip(round_trip(values), ("sparse", "qtensor", "meta"), strict=True):
        assert type(record) is Record and name in record.class_name


def test_tensors_with_attributes(round_trip):
    tensor = torch.ones(3)
    tensor.note = "a"
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.note = ["b"]
    values = [tensor, parameter]
    assert_equal(round_trip(values), values)


def test_torch_ignores_the_byte_order_of_the_writer():
    # So pylstm does too; torch itself has to agree.
    data = legacy({"a": torch.arange(5.0)})
    head, mark, tail = data.partition(b"little_endian")
    marked = head + mark + tail.replace(b"\x88", b"\x89", 1)  # NEWTRUE, NEWFALSE
    assert tail.index(b"\x88") < 5
    assert torch.equal(torch.load(io.BytesIO(marked))["a"], torch.arange(5.0))
    read = torch_legacy.read(open_source(marked), Arrays())
    assert np.array_equal(read["a"], np.arange(5.0))
