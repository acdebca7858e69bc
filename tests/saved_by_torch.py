"""Weight files as torch writes them, each with what is in it. Needs torch.

tests/data/record_files.py keeps some of these; tests/torch makes many more.
"""

import copy
import io
import itertools
import pickle
import re
import sys
import types
import warnings
import zipfile
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import safetensors.torch
import torch
from recorded_files import ROWS, STEPS, module_input
from reference import cell_parameter_shapes, make_parameters, parameter_shapes
from torch import nn

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


@dataclass
class Saved:
    """A file, and what it holds.

    Attributes
    ----------
    content : bytes
    arrays : dict of str to ndarray
        By dotted path; there may be more in the file.
    modules : dict of str to nn.Module
        The LSTMs and LSTMCells by path, in float32 or, if the file is, float64.
    recorded : tuple of str
        The options that the file knows.
    """

    name: str
    content: bytes
    arrays: dict = field(default_factory=dict)
    modules: dict = field(default_factory=dict)
    recorded: tuple = ()


OPTIONS = ("batch_first", "dropout", "training")


# Parts of what is saved -----------------------------------------------------------------------


def lstm(seed, dtype="float32", **options):
    """A torch LSTM with parameters that are exact in float32, then rounded to dtype."""
    sizes = {"input_size": 2, "hidden_size": 3} | options
    structure = {k: v for k, v in sizes.items() if k not in ("batch_first", "dropout")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about dropout in one layer
        module = nn.LSTM(**sizes)
    return filled(module, seed, parameter_shapes(**structure), dtype)


def cell(seed, dtype="float32", **options):
    """A torch LSTMCell with such parameters."""
    sizes = {"input_size": 2, "hidden_size": 3} | options
    return filled(nn.LSTMCell(**sizes), seed, cell_parameter_shapes(**sizes), dtype)


def filled(module, seed, shapes, dtype):
    parameters = make_parameters(seed, shapes, scale=1.0)
    module.load_state_dict({k: torch.from_numpy(v) for k, v in parameters.items()})
    return module.to(DTYPES[dtype])


def plain(module):
    """The module to compare with: in the dtype in which pylstm computes."""
    module = copy.deepcopy(module)
    double = next(module.parameters()).dtype == torch.float64
    return module.double() if double else module.float()


def to_numpy(tensor):
    """The array that pylstm shall give for a tensor."""
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def flatten(tree, path=""):
    """The arrays in containers and modules, by dotted path."""
    if isinstance(tree, torch.Tensor):
        return {path: to_numpy(tree)}
    if isinstance(tree, np.ndarray):
        return {path: tree}
    if isinstance(tree, nn.Module):
        tree = tree.state_dict()
    if isinstance(tree, dict):
        items = tree.items()
    elif isinstance(tree, (list, tuple)):
        items = enumerate(tree)
    else:
        return {}
    arrays = {}
    for name, value in items:
        arrays |= flatten(value, f"{path}.{name}" if path else str(name))
    return arrays


# Formats --------------------------------------------------------------------------------------


def save_zip(tree, **options):
    """What torch.save writes."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about sources of classes that it cannot find
        torch.save(tree, file, **options)
    return file.getvalue()


def save_legacy(tree, **options):
    """What torch.save wrote before 1.6; of modules it also kept the source."""
    lines = ["class Source:\n", "    pass\n"], 1, "models.py"
    with replaced(torch.serialization, "get_source_lines_and_file", lambda *args: lines):
        return save_zip(tree, _use_new_zipfile_serialization=False, **options)


def save_safetensors(tree):
    return safetensors.torch.save({k: v.detach().contiguous() for k, v in tree.items()})


def save_npz(tree, compressed=False):
    file = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(file, **{name: to_numpy(value) for name, value in tree.items()})
    return file.getvalue()


def save_pickle(tree, protocol):
    return pickle.dumps({name: to_numpy(value) for name, value in tree.items()}, protocol)


def save_script(module):
    """What torch.jit.save writes, without the paths of the machine that wrote it."""
    file = io.BytesIO()
    torch.jit.save(module, file)
    return rezipped(file.getvalue(), drop=r".*\.debug_pkl")


FORMATS = {
    "zip": save_zip,
    "zip_p5": lambda tree: save_zip(tree, pickle_protocol=5),
    "legacy": save_legacy,
    "legacy_p4": lambda tree: save_legacy(tree, pickle_protocol=4),
    "safetensors": save_safetensors,
    "npz": save_npz,
    "npz_deflated": lambda tree: save_npz(tree, compressed=True),
    "pickle_p2": lambda tree: save_pickle(tree, 2),
    "pickle_p5": lambda tree: save_pickle(tree, 5),
}


def rezipped(content, drop="", edit=lambda name, data: data):
    """An archive without some entries, the others edited."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        for info in old.infolist():
            if not re.fullmatch(drop, info.filename):
                new.writestr(info.filename, edit(info.filename, old.read(info)), info.compress_type)
    return file.getvalue()


@contextmanager
def replaced(owner, name, value):
    old = getattr(owner, name)
    setattr(owner, name, value)
    yield
    setattr(owner, name, old)


@contextmanager
def models_that_vanish():
    """A module of classes that are gone when the file is read."""
    source = types.ModuleType("vanished.models")
    classes = """
import torch, collections, enum
from torch import nn

class Mode(enum.Enum):
    TRAINED = 3

Config = collections.namedtuple("Config", "units names", module=__name__)

class Attention:
    __slots__ = ("heads", "mask")

class Tagger(nn.Module):
    def __init__(self, **layers):
        super().__init__()
        self.config, self.mode, self.attention = Config(3, ["a", "b"]), Mode.TRAINED, Attention()
        self.attention.mask = torch.ones(2, dtype=torch.bool)
        self.embedding = nn.Embedding(4, 2)
        self.register_buffer("count", torch.tensor(7))
        self.shape = torch.Size([1, 2])
        for name, layer in layers.items():
            self.add_module(name, layer)
"""
    sys.modules["vanished"], sys.modules["vanished.models"] = types.ModuleType("vanished"), source
    exec(classes, vars(source))
    yield source
    del sys.modules["vanished"], sys.modules["vanished.models"]


# Cases ----------------------------------------------------------------------------------------


def saved(name, write, tree, modules, recorded=(), path=""):
    """A Saved of one tree; ``path`` is that of ``tree`` where it is not the file's root."""
    return Saved(name, write(tree), flatten(tree, path), modules, recorded)


def structures():
    """Every structure, under several prefixes."""
    grid = itertools.product((1, 2, 3), (True, False), (False, True), (0, 2))
    prefixes = ("", "lstm", "module.encoder.rnn", "_orig_mod.layers.0")
    for seed, (layers, bias, both, projection) in enumerate(grid):
        options = {"num_layers": layers, "bias": bias, "bidirectional": both}
        module = lstm(seed, **options, proj_size=projection)
        prefix = prefixes[seed % 4]
        state = module.state_dict(prefix=prefix and prefix + ".")
        yield saved(f"structure_{seed}", save_zip, state, {prefix: module})


def formats():
    """Every format with every dtype that it knows; an LSTM and a cell in one file."""
    for seed, (name, dtype) in enumerate(itertools.product(FORMATS, DTYPES)):
        if dtype == "bfloat16" and name.startswith(("np", "pickle")):
            continue
        first, second = lstm(seed, dtype, bidirectional=True), cell(seed + 100, dtype)
        state = {**first.state_dict(prefix="rnn."), **second.state_dict(prefix="rnn.cell.")}
        modules = {"rnn": first, "rnn.cell": second}
        yield saved(f"format_{name}_{dtype}", FORMATS[name], state, modules)


def whole_numbers():
    """What has the names and shapes of an LSTM, and whole numbers, which are no weights."""
    for seed, dtype in enumerate((torch.int8, torch.int64, torch.uint8, torch.bool)):
        module = lstm(seed)
        state = {k: (v * 3).round().to(dtype) for k, v in module.state_dict().items()}
        module.load_state_dict(state)
        yield saved(f"{dtype}", save_zip, {"rnn": state}, {})


def tensors():
    """Tensors of every dtype and kind, without an LSTM."""
    names = (
        "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128"
    )
    kinds = {name: torch.arange(6).reshape(2, 3).to(getattr(torch, name)) for name in names.split()}
    new = {
        f"uint{bits}": torch.arange(6).to(getattr(torch, f"uint{bits}")) for bits in (16, 32, 64)
    }
    base = torch.arange(24.0).reshape(2, 3, 4)
    views = {
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "slice": base[1:, 1],
        "transposed": base.transpose(0, 2),
        "stepped": base[..., ::2],
        "expanded": torch.tensor([3.0]).expand(4, 5),
        "base": base,
    }
    for name, write in (("zip", save_zip), ("legacy", save_legacy)):
        yield saved(f"dtypes_{name}", write, kinds | new, {})
        yield saved(f"views_{name}", write, views, {})


def nestings():
    """Training checkpoints."""
    for seed, optimiser in enumerate((torch.optim.Adam, torch.optim.SGD, torch.optim.LBFGS)):
        module = lstm(seed, bidirectional=True)
        steps = optimiser(module.parameters(), lr=0.01, **({"momentum": 0.9} if seed == 1 else {}))
        module(torch.ones(2, 2))[0].sum().backward()
        if seed < 2:
            steps.step()
        checkpoint = {
            "epoch": 3,
            "state_dict": module.state_dict(),
            "optimizer": steps.state_dict(),
            "best": 0.25,
            "args": {"lr": [0.1, 0.01], "name": "tagger", "betas": (0.9, 0.99), "none": None},
        }
        for name, write in (("zip", save_zip), ("legacy", save_legacy)):
            label = f"checkpoint_{optimiser.__name__}_{name}"
            yield saved(label, write, checkpoint, {"state_dict": module})
    first, second = lstm(1, batch_first=True), lstm(2, num_layers=2)
    deep = {"model": {"encoder": [first.state_dict(), {"decoder.rnn": second.state_dict()}]}}
    modules = {"model.encoder.0": first, "model.encoder.1.decoder.rnn": second}
    yield saved("two_nested", save_zip, deep, modules)


def viewed(module, how):
    """The state of a module, its tensors views of other memory."""
    state = module.state_dict()
    if how == "flat":
        flat = torch.cat([value.reshape(-1) for value in state.values()])
        parts = flat.split([value.numel() for value in state.values()])
        pairs = zip(state.items(), parts, strict=True)
        return {name: part.view(value.shape) for (name, value), part in pairs}
    if how == "transposed":
        return {name: value.t().contiguous().t() for name, value in state.items()}
    if how == "stepped":
        return {name: value.repeat_interleave(3, -1)[..., ::3] for name, value in state.items()}
    assert how == "sliced"
    return {
        name: torch.cat([value + 1, value, value + 1])[len(value) : 2 * len(value)]
        for name, value in state.items()
    }


def views():
    for seed, (how, name) in enumerate(
        itertools.product(("flat", "transposed", "stepped", "sliced"), ("zip", "legacy"))
    ):
        module = lstm(seed, num_layers=2)
        yield saved(f"{how}_{name}", FORMATS[name], viewed(module, how), {"": module})
    module = lstm(9, input_size=3, num_layers=2)
    state = module.state_dict()
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        state[f"{name}_l1"] = state[f"{name}_l0"]
    module.load_state_dict(state)
    yield saved("tied", save_zip, state, {"": module})


def whole_modules():
    for name, write in (("zip", save_zip), ("legacy", save_legacy)):
        alone = lstm(1, num_layers=2, batch_first=True, dropout=0.5, bidirectional=True).eval()
        yield saved(f"module_lstm_{name}", write, alone, {"": alone}, OPTIONS)
        one = lstm(2, "float64", bias=False, proj_size=1)
        yield saved(f"module_double_{name}", write, one, {"": one}, OPTIONS)
        alone = cell(3)
        yield saved(f"module_cell_{name}", write, alone, {"": alone}, OPTIONS)
        first, second, third = lstm(4, batch_first=True), lstm(5, "float16"), cell(6, bias=False)
        with models_that_vanish() as models:
            layers = nn.ModuleList([first, second])
            tagger = models.Tagger(layers=layers, step=third).eval()
            modules = {"model.layers.0": first, "model.layers.1": second, "model.step": third}
            yield saved(f"vanished_{name}", write, {"model": tagger}, modules, OPTIONS)
        wrapped = nn.DataParallel(nn.Sequential(OrderedDict(rnn=lstm(7), out=nn.Linear(3, 2))))
        modules = {"module.rnn": wrapped.module.rnn}
        yield saved(f"data_parallel_{name}", write, wrapped, modules, OPTIONS)


class Scripted(nn.Module):
    """What is scripted and traced."""

    def __init__(self, rnn):
        super().__init__()
        self.rnn = rnn
        self.out = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor):
        return self.rnn(x)


def scripts():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        for seed, options in enumerate(
            ({"bidirectional": True}, {"num_layers": 2, "batch_first": True, "dropout": 0.25})
        ):
            module = Scripted(lstm(seed, **options)).eval()
            scripted = Saved(f"scripted_{seed}", save_script(torch.jit.script(module)))
            x = torch.ones(STEPS, ROWS, 2)
            traced = Saved(f"traced_{seed}", save_script(torch.jit.trace(module, x)))
            for one in (scripted, traced):
                one.recorded = OPTIONS
                one.arrays, one.modules = flatten(module), {"rnn": module.rnn}
                yield one
        modules = {"a": lstm(3, "float64", batch_first=True), "b": cell(4, "float64")}
        two = nn.ModuleDict(modules)
        yield saved(
            "scripted_two", lambda _: save_script(torch.jit.script(two)), two, modules, OPTIONS
        )


def swapped(content):
    """The archive as a big-endian machine writes it; all its storages are of four bytes."""

    def edit(name, data):
        if "/data/" in name:
            return np.frombuffer(data, "<u4").astype(">u4").tobytes()
        return b"big" if name.endswith("/byteorder") else data

    return rezipped(content, edit=edit)


def rare():
    """Records that few files have."""
    module = lstm(1)
    modules, state = {"": module}, module.state_dict(keep_vars=True)
    yield saved("parameters_zip", save_zip, state, modules)
    yield saved("parameters_legacy", save_legacy, state, modules)
    for parameter in state.values():
        parameter.note = "kept"
    yield saved("parameters_with_state", save_zip, state, modules)
    with replaced(torch.serialization, "location_tag", lambda storage: "cuda:0"):
        yield saved("from_a_gpu_zip", save_zip, module.state_dict(), modules)
        yield saved("from_a_gpu_legacy", save_legacy, module.state_dict(), modules)
    state = module.state_dict()
    yield saved("big_endian", lambda tree: swapped(save_zip(tree)), state, modules)
    newer = r".*/(byteorder|\.format_version|\.storage_alignment|\.data/serialization_id)"
    yield saved("as_1.13", lambda tree: rezipped(save_zip(tree), newer), state, modules)
    torch.serialization.set_crc32_options(False)
    yield saved("without_crc", save_zip, state, modules)
    torch.serialization.set_crc32_options(True)


def cases():
    """All that is recorded."""
    parts = (structures, formats, whole_numbers, tensors, nestings, views, whole_modules, scripts)
    for part in (*parts, rare):
        yield from part()


# Results --------------------------------------------------------------------------------------


def run(module, rows=ROWS):
    """What torch makes of recorded_files.module_input: all results one behind the other."""
    module = plain(module).eval()
    kind, batch_first = type(module).__name__, getattr(module, "batch_first", False)
    x = torch.from_numpy(module_input(kind, module.input_size, batch_first, rows))
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about projections
        made = module(x.to(next(module.parameters()).dtype))
    parts = made if kind == "LSTMCell" else (made[0], *made[1])
    return np.concatenate([part.numpy().ravel() for part in parts])
