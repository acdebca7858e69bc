"""What TorchScript writes of recurrent modules into the source of their classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from typing import Any

from ...weights.kinds import KINDS, NAMES, RNN, kind_of
from ..base.record import Record, Unsupported
from ..base.walk import walk

# torch's functions for a layer, each the name of a mode in small letters; those of cells end so.
_LAYER_CALLS = b"lstm gru rnn_tanh rnn_relu".split()
_CELL_ENDING = b"_cell"
_FUNCTIONS = {
    name: frozenset(
        each + (_CELL_ENDING if name.endswith("Cell") else b"")
        for each in _LAYER_CALLS
        if each.upper().startswith(kind_of(name).mode.encode())
    )
    for name in NAMES
}

# A module's class, the constants that from_weights wants, and the call that a traced module
# makes instead: train, bidirectional and batch_first are its last arguments. Its states and its
# weights are lists, written in place where they are short. The source is never run.
_LINES = re.compile(
    rb"^(?:class (\w+)\(Module\):$"
    rb"|  (batch_first|dropout|mode|nonlinearity) : Final\[\w+\] = ([^\n]{1,100})$"
    rb"|    [\w, ]{1,200} = torch\.(" + b"|".join(_LAYER_CALLS) + rb")\([\w\[\], ]{1,400}, "
    rb"(?:True|False), \d{1,9}, "
    rb"([0-9.e-]{1,40}), (?:True|False), (?:True|False), (True|False)\)$)",
    re.MULTILINE,
)


# Of a class of torch's own all that its code calls, as torch's releases write it. Whatever else is
# called there comes from a forward that a program put in the place of torch's.
_PATH = "__torch__/torch/nn/modules/rnn"
_CLASS = re.compile(rb"^class (\w+)\(Module\):$", re.MULTILINE)
_CALLED = re.compile(rb"\b(?:torch|ops)\.([\w.]{1,100})\(")
_CALLS = frozenset(
    b"zeros size dim device select squeeze unsqueeze index_select to detach list "
    b"len eq ne gt lt __is__ __isnot__ __not__ __contains__ __getitem__ __and__ __or__ format warn "
    b"prim.NumToTensor prim.RaiseException prim.device prim.dtype prim.is_cuda "
    b"nn.utils.rnn.PackedSequence mul add".split()
)
# A traced cell is written as its operations, each of which may work in place.
_TANH, _RELU = frozenset((b"tanh", b"tanh_")), frozenset((b"relu", b"relu_"))
_CELL_CALLS = _CALLS | frozenset(
    b"linear addmm matmul t add_ sigmoid sigmoid_ tanh tanh_ chunk unsafe_chunk".split()
)
_ALLOWED = {
    "LSTM": _CALLS,
    "GRU": _CALLS,
    "RNN": _CALLS,
    "LSTMCell": _CELL_CALLS,
    "GRUCell": _CELL_CALLS | {b"mul_", b"sub", b"sub_", b"rsub"},
    "RNNCell": (_CELL_CALLS | _RELU) - {b"sigmoid", b"sigmoid_", b"chunk", b"unsafe_chunk"},
}

# In the code of a frozen module: a list of constants, and a call of one of torch's functions.
_CONSTANT_LIST = re.compile(rb"^ +(\w{1,200}) = \[CONSTANTS\.c\d", re.MULTILINE)
_CALL = re.compile(rb"torch\.(" + b"|".join(_LAYER_CALLS) + rb")(?:_cell)?\(([^\n]{1,10000})")
_MOST_CALLS = 1000  # that are named


def _frozen(function: str) -> Unsupported:
    mode = next(mode for mode in KINDS if function.upper().startswith(mode))
    return Unsupported(
        f"frozen {mode}",
        "its weights are constants of TorchScript code: save the module before torch.jit.freeze "
        "or torch.jit.optimize_for_inference, or the state_dict of the module that was scripted",
    )


def add_constants(tree: Any, source: Callable[[str], bytes], file: str) -> None:
    """Put the constants of scripted modules among their attributes, where torch shows them too.

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
    for record in [value for _, _, value in walk(tree, file) if _may_be_recurrent(value)]:
        folders, _, name = record.class_name.rpartition(".")
        path = f"code/{folders.replace('.', '/')}.py"
        if path not in sources:
            text = source(path)
            sources[path] = _constants(text)
            for changed in (
                _changed(text, sources[path]) if path.startswith(f"code/{_PATH}") else ()
            ):
                sources[path].setdefault(changed, {})["forward"] = "another one than torch's"
        for constant, meant in sources[path].get(name, {}).items():
            record.state.setdefault(constant, meant)


def _changed(text: bytes, constants: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the classes of torch's recurrent modules whose code calls what torch's does not."""
    starts = [*_CLASS.finditer(text)]
    for match, after in zip_longest(starts, starts[1:]):
        name = match[1].decode("ascii", "replace")
        if name not in _ALLOWED:
            continue
        code = text[match.end() : len(text) if after is None else after.start()]
        traced = b"Final[" not in code and not name.endswith("Cell")
        called = {each[1] for each in _CALLED.finditer(code)}
        allowed = _ALLOWED[name] | _FUNCTIONS[name]
        is_other = not called <= allowed - ({b"mul", b"add"} if traced else set())
        if is_other or (kind_of(name) is RNN and _disagree(constants.get(name, {}), called)):
            yield name


def _disagree(constants: Mapping[str, Any], called: set[bytes]) -> bool:
    """Tell whether the calls of an RNN's class are not those of the nonlinearity it says."""
    by_calls = _nonlinearity(called)
    said = str(constants.get("mode") or constants.get("nonlinearity") or by_calls).lower()
    return by_calls is not None and not said.endswith(by_calls)


def _nonlinearity(called: set[bytes]) -> str | None:
    """Return the nonlinearity that the calls of an RNN's class tell, if it is one."""
    told = {
        name
        for name, own in (("tanh", _TANH), ("relu", _RELU))
        if called & (own | {b"rnn_" + name.encode(), b"rnn_" + name.encode() + _CELL_ENDING})
    }
    return told.pop() if len(told) == 1 else None


def name_frozen(tree: Any, source: Callable[[str], bytes], file: str) -> None:
    """Put what to say of modules whose weights are constants of the code into a tree's root.

    Parameters
    ----------
    tree, source, file
        As of :func:`add_constants`.
    """
    if not isinstance(tree, Record) or not isinstance(tree.state, dict):
        return
    records = [value for _, _, value in walk(tree, file) if isinstance(value, Record)]
    paths = {record.class_name.rpartition(".")[0].replace(".", "/") for record in records}
    counts: Counter[str] = Counter()
    for path in sorted(path for path in paths if path.startswith("__torch__")):
        text = source(f"code/{path}.py")
        lists = {match[1] for match in _CONSTANT_LIST.finditer(text)}
        for match in _CALL.finditer(text):
            words = set(re.findall(rb"[\w.]+", match[2]))
            if lists & words or any(word.startswith(b"CONSTANTS.c") for word in words):
                function = match[1].decode()
                counts[function] += 1
                if counts.total() > _MOST_CALLS:
                    return
                number = "" if counts[function] == 1 else f"#{counts[function]}"
                tree.state.setdefault(f"torch.{function}{number}", _frozen(function))


def _may_be_recurrent(value: Any) -> bool:
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
        name, constant, value, function, dropout, batch_first = (
            part.decode("ascii", "replace") for part in match.groups(b"")
        )
        if name:
            constants = classes.setdefault(name, {})
        elif constant:
            constants[constant] = _value(value)
        else:
            constants.update(dropout=_value(dropout), batch_first=_value(batch_first))
            constants.update({"mode": function.upper()} if function.startswith("rnn") else {})
    _add_traced_cells(text, classes)
    return classes


def _add_traced_cells(text: bytes, classes: dict[str, dict[str, Any]]) -> None:
    """Note which nonlinearity the code of a traced RNNCell computes."""
    constants = classes.get("RNNCell", {"nonlinearity": None})
    if "nonlinearity" not in constants:
        code = text[text.index(b"class RNNCell(Module):") :].partition(b"\nclass ")[0]
        told = _nonlinearity({each[1] for each in _CALLED.finditer(code)})
        constants.update({} if told is None else {"nonlinearity": told})


def _value(text: str) -> Any:
    if text in ("True", "False"):
        return text == "True"
    if text.startswith('"') and text.endswith('"'):
        return text[1:-1]
    try:
        return float(text)
    except ValueError:
        return None  # nothing that an option can be
