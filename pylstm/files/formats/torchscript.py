"""Options of LSTMs that TorchScript writes as constants into the source of their classes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

from ..base.record import Record, Unsupported
from ..base.walk import walk

# A module's class, the two constants that from_weights wants, and the call that a traced module
# makes instead: train, bidirectional and batch_first are its last arguments. Its states and its
# weights are lists, written in place where they are short. The source is never run.
_LINES = re.compile(
    rb"^(?:class (\w+)\(Module\):$|  (batch_first|dropout) : Final\[\w+\] = (\S{1,40})$"
    rb"|    [\w, ]{1,200} = torch\.lstm\([\w\[\], ]{1,400}, (?:True|False), \d{1,9}, "
    rb"([0-9.e-]{1,40}), (?:True|False), (?:True|False), (True|False)\)$)",
    re.MULTILINE,
)


# Of a class of torch's own all that its code calls, as torch's releases write it. Whatever else is
# called there comes from a forward that a program put in the place of torch's.
_PATH = "__torch__/torch/nn/modules/rnn"
_CLASS = re.compile(rb"^class (\w+)\(Module\):$", re.MULTILINE)
_CALLED = re.compile(rb"\b(?:torch|ops)\.([\w.]{1,100})\(")
_CALLS = frozenset(
    b"lstm lstm_cell zeros size dim device select squeeze unsqueeze index_select to detach list "
    b"len eq ne gt lt __is__ __isnot__ __not__ __contains__ __getitem__ __and__ __or__ format warn "
    b"prim.NumToTensor prim.RaiseException prim.device prim.dtype prim.is_cuda "
    b"nn.utils.rnn.PackedSequence mul add".split()
)
_CELL_CALLS = _CALLS | frozenset(
    b"linear addmm matmul t add_ sigmoid sigmoid_ tanh tanh_ chunk unsafe_chunk".split()
)

# In the code of a frozen module: a list of constants, and a call of one of torch's functions.
_CONSTANT_LIST = re.compile(rb"^ +(\w{1,200}) = \[CONSTANTS\.c\d", re.MULTILINE)
_CALL = re.compile(rb"torch\.lstm(?:_cell)?\(([^\n]{1,10000})")
_MOST_CALLS = 1000  # that are named
_FROZEN = Unsupported(
    "frozen LSTM",
    "its weights are constants of TorchScript code: save the module before torch.jit.freeze or "
    "torch.jit.optimize_for_inference, or the state_dict of the module that was scripted",
)


def add_constants(tree: Any, source: Callable[[str], bytes], file: str) -> None:
    """Put the constants of scripted LSTMs among their attributes, where torch shows them too.

    Parameters
    ----------
    tree : object
        What the archive's ``data.pkl`` holds.
    source : callable
        Takes the name of a source file and returns its content, empty if there is none.
    file : str
        The archive, for messages.
    """
    sources: dict[str, dict[str, dict[str, Any]]] = {}
    # All of them before the first is changed: a mapping must not grow while it is walked through.
    for record in [value for _, _, value in walk(tree, file) if _may_be_lstm(value)]:
        folders, _, name = record.class_name.rpartition(".")
        path = f"code/{folders.replace('.', '/')}.py"
        if path not in sources:
            text = source(path)
            sources[path] = _constants(text)
            for changed in _changed(text) if path.startswith(f"code/{_PATH}") else ():
                sources[path].setdefault(changed, {})["forward"] = "another one than torch's"
        for constant, meant in sources[path].get(name, {}).items():
            record.state.setdefault(constant, meant)


def _changed(text: bytes) -> Iterator[str]:
    """Yield the classes of torch's LSTM and LSTMCell whose code calls what torch's does not."""
    starts = [*_CLASS.finditer(text)]
    for match, after in zip_longest(starts, starts[1:]):
        name = match[1].decode("ascii", "replace")
        allowed = {"LSTM": _CALLS, "LSTMCell": _CELL_CALLS}.get(name)
        code = text[match.end() : len(text) if after is None else after.start()]
        traced = b"Final[" not in code and name == "LSTM"
        called = {each[1] for each in _CALLED.finditer(code)}
        if allowed is not None and not called <= allowed - ({b"mul", b"add"} if traced else set()):
            yield name


def name_frozen(tree: Any, source: Callable[[str], bytes], file: str) -> None:
    """Put what to say of LSTMs whose weights are constants of the code into the root of a tree.

    Parameters
    ----------
    tree, source, file
        As of :func:`add_constants`.
    """
    if not isinstance(tree, Record) or not isinstance(tree.state, dict):
        return
    records = [value for _, _, value in walk(tree, file) if isinstance(value, Record)]
    paths = {record.class_name.rpartition(".")[0].replace(".", "/") for record in records}
    count = 0
    for path in sorted(path for path in paths if path.startswith("__torch__")):
        text = source(f"code/{path}.py")
        lists = {match[1] for match in _CONSTANT_LIST.finditer(text)}
        for match in _CALL.finditer(text):
            words = set(re.findall(rb"[\w.]+", match[1]))
            if lists & words or any(word.startswith(b"CONSTANTS.c") for word in words):
                count += 1
                if count > _MOST_CALLS:
                    return
                name = "torch.lstm" if count == 1 else f"torch.lstm#{count}"
                tree.state.setdefault(name, _FROZEN)


def _may_be_lstm(value: Any) -> bool:
    return (
        isinstance(value, Record)
        and isinstance(value.state, dict)
        and ("weight_ih_l0" in value.state or "weight_ih" in value.state)
    )


def _constants(text: bytes) -> dict[str, dict[str, Any]]:
    """Return the constants of every class in a source file."""
    classes: dict[str, dict[str, Any]] = {}
    constants: dict[str, Any] = {}
    for match in _LINES.finditer(text):
        name, constant, value, dropout, batch_first = (
            part.decode("ascii", "replace") for part in match.groups(b"")
        )
        if name:
            constants = classes.setdefault(name, {})
        elif constant:
            constants[constant] = _value(value)
        else:
            constants.update(dropout=_value(dropout), batch_first=_value(batch_first))
    return classes


def _value(text: str) -> Any:
    if text in ("True", "False"):
        return text == "True"
    try:
        return float(text)
    except ValueError:
        return None  # nothing that either option can be
