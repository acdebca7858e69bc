"""Modules that have an LSTM's parameters and compute something else, saved by torch. Needs torch.

tests/data/record_foreign.py keeps them for tests without torch.
"""

import warnings
from dataclasses import dataclass

import torch
from saved_by_torch import save_legacy, save_safetensors, save_script, save_zip
from torch import nn


@dataclass
class Refused:
    """A file, and what must be said of it.

    Attributes
    ----------
    content : bytes
    misses : dict of str to (str, str)
        Kinds of near misses by prefix, and a word of their reason.
    found : list of str
        Prefixes of LSTMs that are what they seem.
    """

    name: str
    content: bytes
    misses: dict
    found: tuple = ()


class NormCell(nn.Module):
    """A cell with layer normalisation of its sums and of its state."""

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        self.weight_ih = nn.Parameter(torch.randn(4 * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.randn(4 * hidden_size, hidden_size))
        self.ln_ih = nn.LayerNorm(4 * hidden_size)
        self.ln_hh = nn.LayerNorm(4 * hidden_size)
        self.ln_c = nn.LayerNorm(hidden_size)

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor):
        sums = self.ln_ih(x @ self.weight_ih.t()) + self.ln_hh(h @ self.weight_hh.t())
        i, f, g, o = sums.chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(self.ln_c(c)), c


class PeepholeCell(nn.LSTMCell):
    """A cell whose gates see its state."""

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__(input_size, hidden_size)
        for name in ("weight_ci", "weight_cf", "weight_co"):
            self.register_parameter(name, nn.Parameter(torch.randn(hidden_size)))


class MultiplicativeCell(nn.LSTMCell):
    """A cell whose state is multiplied before its gates see it."""

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__(input_size, hidden_size)
        self.weight_mih = nn.Parameter(torch.randn(hidden_size, input_size))
        self.weight_mhh = nn.Parameter(torch.randn(hidden_size, hidden_size))


class CoupledCell(nn.LSTMCell):
    """A cell with other gates, and no parameter that shows it."""


class Reversing(nn.LSTM):
    """An LSTM that reads from the end, and no parameter that shows it."""

    def forward(self, x, hx=None):
        return super().forward(x.flip(0), hx)


class Starting(nn.LSTM):
    """An LSTM with learned initial states."""

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__(input_size, hidden_size)
        self.h_0 = nn.Parameter(torch.randn(1, 1, hidden_size))
        self.c_0 = nn.Parameter(torch.randn(1, 1, hidden_size))


class Heading(nn.LSTM):
    """An LSTM with an output layer as its child."""

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__(input_size, hidden_size, bidirectional=True)
        self.fc = nn.Linear(2 * hidden_size, 2)


OF_CELLS = {"ln_": NormCell, "weight_ci": PeepholeCell, "weight_mih": MultiplicativeCell}
OF_LSTMS = {"h_0": Starting, "fc": Heading}
SHAPELESS = {"LSTMCell": CoupledCell, "LSTM": Reversing}


def cases():
    """All of them."""
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit and torch.ao are deprecated
        yield from state_dicts()
        yield from whole_modules()
        yield from scripts()
        yield from quantised()
        yield from honest()


def state_dicts():
    for kind, table in (("LSTMCell", OF_CELLS), ("LSTM", OF_LSTMS)):
        for word, cls in table.items():
            miss = f"{kind} with foreign parameters", word
            module = cls(2, 3)
            root, below = module.state_dict(), module.state_dict(prefix="net.rnn.")
            yield Refused(f"{cls.__name__}_root", save_zip(root), {"": miss})
            yield Refused(f"{cls.__name__}_legacy", save_legacy(below), {"net.rnn": miss})
            yield Refused(f"{cls.__name__}_safetensors", save_safetensors(below), {"net.rnn": miss})
            steps = torch.optim.Adam(module.parameters())
            checkpoint = {"epoch": 1, "model": below, "optimizer": steps.state_dict()}
            yield Refused(
                f"{cls.__name__}_checkpoint", save_zip(checkpoint), {"model.net.rnn": miss}
            )


def whole_modules():
    for kind, table in (("LSTMCell", OF_CELLS), ("LSTM", OF_LSTMS)):
        for cls in (*table.values(), SHAPELESS[kind]):
            miss = f"{kind} of another class", f"foreign_by_torch.{cls.__name__}"
            tree = {"model": nn.ModuleList([nn.LSTM(2, 3), cls(2, 3)])}
            for name, write in (("zip", save_zip), ("legacy", save_legacy)):
                yield Refused(
                    f"{cls.__name__}_module_{name}", write(tree), {"model.1": miss}, ("model.0",)
                )


def scripts():
    x, h, c = torch.ones(1, 2), torch.ones(1, 3), torch.ones(1, 3)
    cell = NormCell(2, 3)
    miss = "LSTMCell of another class", "NormCell"
    yield Refused("NormCell_scripted", save_script(torch.jit.script(cell)), {"": miss})
    yield Refused("NormCell_traced", save_script(torch.jit.trace(cell, (x, h, c))), {"": miss})
    tree = nn.Sequential(Reversing(2, 3))
    traced = torch.jit.trace(tree, torch.ones(4, 1, 2))
    miss = "LSTM of another class", "Reversing"
    yield Refused("Reversing_traced", save_script(traced), {"0": miss})


def quantised():
    """What quantisation keeps of a module: floats, and what they are rounded by."""
    module = torch.ao.nn.quantized.reference.LSTM(2, 3)
    miss = "LSTM with foreign parameters", "weight_ih_l0_scale, a companion of weight_ih_l0"
    yield Refused("reference_state", save_zip(module.state_dict()), {"": miss})
    miss = "LSTM of another class", "quantized.reference.modules.rnn.LSTM"
    yield Refused("reference_module", save_zip(module), {"": miss})


def honest():
    """A module of torch's own class with a buffer: as a whole it is known, its state is not."""
    module = nn.LSTM(2, 3)
    module.register_buffer("note", torch.ones(3))
    yield Refused("buffer_module", save_zip({"a": module}), {}, ("a",))
    miss = "LSTM with foreign parameters", "note"
    yield Refused("buffer_state", save_zip(module.state_dict()), {"": miss})
