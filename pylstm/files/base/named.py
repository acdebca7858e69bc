"""Arrays by dotted name, and what their file says about the modules that they belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .json_text import parse
from .record import Record, RecurrentLayer
from .source import Source

# What is kept of the attributes of a module that a file has as a whole.
_KEPT = (
    "input_size",
    "hidden_size",
    "num_layers",
    "bias",
    "bidirectional",
    "proj_size",
    "mode",
    "batch_first",
    "dropout",
    "training",
)
# Where a module of torch has functions that its call runs: forward is in the place of its method.
_FUNCTIONS = ("_forward_hooks", "_forward_pre_hooks", "forward")
_PLAIN = (bool, int, float, str, type(None))


# The key of a safetensors file's metadata behind which pylstm keeps which modules are batch_first:
# a JSON object of prefixes and true or false.
_BATCH_FIRST = "pylstm.batch_first"


class NamedArrays(dict[str, Any]):
    """A dictionary from dotted names to arrays; ``find_lstms`` and ``save`` read its attributes.

    Attributes
    ----------
    modules : dict of str to Record
        The modules that have parameters here, by prefix: their classes and plain attributes.
    options : dict of str to dict
        Arguments of ``from_weights`` that the file records, by prefix, where it has no modules.
    assumed : dict of str to dict
        Those of the options that no file records: what is the default where the arrays come from.
    """

    def __init__(self) -> None:
        super().__init__()
        self.assumed: dict[str, dict[str, Any]] = {}
        self.modules: dict[str, Record] = {}
        self.options: dict[str, dict[str, Any]] = {}

    def facts(self, prefix: str) -> Mapping[str, Any]:
        """Return what is known of the module with this prefix."""
        if prefix in self.modules:
            state: dict[str, Any] = self.modules[prefix].state
            return state
        return self.options.get(prefix, {})


# Pickles of every version name this, wherever the file lies.
NamedArrays.__module__ = "pylstm.files.named"


def function_in(facts: Mapping[str, Any]) -> str:
    """Return the attribute in which a module has functions that its call runs; else nothing."""
    for name in _FUNCTIONS:
        value = facts.get(name)
        if value is not None and not (isinstance(value, Mapping) and not value):
            return name
    return ""


def described(record: Record) -> Record:
    """Return a module without its parts: its class, and its attributes of plain values."""
    plain: dict[str, Any] = {}
    for state in record.state if isinstance(record.state, tuple) else (record.state,):
        if isinstance(state, Mapping):
            # What pylstm's own readers made has no other attributes than they chose.
            names = state if isinstance(record, RecurrentLayer) else _KEPT
            values = ((name, state[name]) for name in names if name in state)
            plain |= {name: value for name, value in values if isinstance(value, _PLAIN)}
            function = function_in(state)
            if function and not isinstance(record, RecurrentLayer):
                plain[function] = True
    if isinstance(record, RecurrentLayer):
        return RecurrentLayer(
            record.class_name,
            plain,
            assumed=record.assumed,
            initial_states=record.initial_states,
        )
    return Record(record.class_name, state=plain)


def recorded_options(source: Source) -> dict[str, dict[str, Any]]:
    """Return what the metadata of a safetensors file says of its modules, by prefix."""
    text = source.metadata.get(_BATCH_FIRST)
    if text is None:
        return {}
    record = f"metadata {_BATCH_FIRST}"
    flags = parse(source, text.encode(), record)
    if not isinstance(flags, dict) or not all(isinstance(flag, bool) for flag in flags.values()):
        raise source.error(record, "is no JSON object of prefixes and true or false")
    return {prefix: {"batch_first": flag} for prefix, flag in flags.items()}


def metadata_of(options: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the metadata that :func:`recorded_options` reads again; none if nothing is known."""
    flags = {
        prefix: facts["batch_first"]
        for prefix, facts in options.items()
        if isinstance(facts.get("batch_first"), bool)
    }
    return {_BATCH_FIRST: json.dumps(flags, ensure_ascii=False)} if flags else {}
