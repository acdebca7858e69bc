"""Arrays by dotted name, and what their file says about the modules that they belong to."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...arguments.variants import (
    DEFAULTS,
    NONLINEARITIES,
    OPTIONS_KEY,
    RNN_MODES,
    STORAGE_NAMES,
    WEIGHTS_KEY,
    recorded,
    recorded_weights,
)
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
    "nonlinearity",
    "batch_first",
    "dropout",
    "training",
)
# Where a module of torch has functions that its call runs: forward is in the place of its method.
_FUNCTIONS = ("_forward_hooks", "_forward_pre_hooks", "forward")
_PLAIN = (bool, int, float, str, type(None))


# The parameters that have a storage.
MATRIX = re.compile(r"weight_(?:ih|hh|hr)(?:_l\d+(?:_reverse)?)?", re.ASCII)

# The keys of a safetensors file's metadata behind which pylstm keeps which modules are batch_first,
# a JSON object of prefixes and true or false, and what else their numbers depend on, a JSON object
# of prefixes and objects of arguments.
_BATCH_FIRST = "pylstm.batch_first"
_OPTIONS = OPTIONS_KEY
# Such arguments, and the values or the type that a reader of some format gives each.
_VALUES: dict[str, tuple[str, ...] | type] = {
    "nonlinearity": NONLINEARITIES,
    "merge_mode": ("sum", "mul", "ave"),
    "gate_activation": str,
    "activation": str,
    "reset_after": bool,
    "peepholes": bool,
    "cell_clip": float,
    "reverse": bool,
    WEIGHTS_KEY: STORAGE_NAMES,
}


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

    @property
    def _metadata(self) -> dict[str, dict[str, Any]]:
        # What load_state_dict reads of a state_dict; plain arrays fit every variant.
        told = {prefix: options_in(self.facts(prefix)) for prefix in (*self.modules, *self.options)}
        return {
            prefix: entry_of(options)
            for prefix, options in told.items()
            if WEIGHTS_KEY in options
            or any(options.get(name, default) != default for name, default in DEFAULTS.items())
        }


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
    found: dict[str, dict[str, Any]] = {}
    for prefix, flag in _objects(source, _BATCH_FIRST):
        if not isinstance(flag, bool):
            reason = "is no JSON object of prefixes and true or false"
            raise source.error(f"metadata {_BATCH_FIRST}", reason)
        found.setdefault(prefix, {})["batch_first"] = flag
    for prefix, options in _objects(source, _OPTIONS):
        wrong = _wrong_in(options)
        if wrong:
            reason = f"says {wrong} of {prefix[:100]!r}"
            raise source.error(f"metadata {_OPTIONS}", reason)
        found.setdefault(prefix, {}).update(options)
    return found


def _wrong_in(options: Any) -> str:
    """Return the first option that pylstm does not write; nothing if there is none."""
    if not isinstance(options, dict):
        return f"a {type(options).__name__}"
    for name, value in options.items():
        known = _VALUES.get(name, ()) if isinstance(name, str) else ()
        right = type(value) is known if isinstance(known, type) else _is_one_of(value, known)
        if name == "cell_clip":
            right = right and 0 < value < math.inf
        if not right:
            shown = repr(value)[:100] if isinstance(value, _PLAIN) else f"a {type(value).__name__}"
            return f"{str(name)[:100] if isinstance(name, _PLAIN) else '?'}={shown}"
    return ""


def _is_one_of(value: Any, known: tuple[str, ...]) -> bool:
    return isinstance(value, str) and value in known


def options_of_state_dict(mapping: Any, prefix: str) -> tuple[dict[str, Any], str]:
    """Return the options that a state_dict of pylstm's records of a module, and what is wrong."""
    options = recorded(mapping, prefix)
    wrong = "" if options is None else _wrong_in(options)
    told = dict({} if wrong else options or {})
    weights = recorded_weights(mapping, prefix)
    return told | ({} if weights is None else {WEIGHTS_KEY: weights}), wrong


def other_weights(mapping: Any, prefix: str) -> dict[str, str]:
    """Return what a state_dict records of a module's weights that no storage of pylstm is called.

    Of what is no text the type. Empty where it records a storage, or nothing.
    """
    metadata = getattr(mapping, "_metadata", None)
    entry = metadata.get(prefix) if isinstance(metadata, dict) else None
    told = entry.get(WEIGHTS_KEY) if isinstance(entry, dict) else None
    if told is None or (isinstance(told, str) and told in STORAGE_NAMES):
        return {}
    return {WEIGHTS_KEY: told if isinstance(told, str) else f"<{type(told).__name__}>"}


def entry_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the ``_metadata`` of a state_dict records of a module with these options."""
    others = {name: value for name, value in options.items() if name != WEIGHTS_KEY}
    entry: dict[str, Any] = {OPTIONS_KEY: others} if others else {}
    return entry | {name: value for name, value in options.items() if name == WEIGHTS_KEY}


def options_by_prefix(mapping: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what a state_dict of pylstm's records of its modules.

    Raises
    ------
    ValueError
        If that is nothing that pylstm writes.
    """
    metadata = getattr(mapping, "_metadata", None)
    for prefix in metadata if isinstance(metadata, dict) else ():
        options, wrong = options_of_state_dict(mapping, prefix)
        if wrong:
            raise ValueError(f"the _metadata of the state_dict says {wrong} of {prefix!r:.100}")
        if options and isinstance(prefix, str):
            yield prefix, options


def options_of_pickle(saved: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the same of the table in a pickle of one of pylstm's modules."""
    own = {WEIGHTS_KEY: saved[WEIGHTS_KEY]} if WEIGHTS_KEY in saved else {}
    tables = [own, *(saved[name] for name in ("structure", "options"))]
    tables = [each for each in tables if isinstance(each, Mapping)]
    told = {name: table[name] for table in tables for name in _VALUES if name in table}
    wrong = _wrong_in(told)
    return {} if wrong else told, wrong


def _objects(source: Source, key: str) -> Iterable[tuple[str, Any]]:
    """Return the entries of a JSON object in the metadata of a file; none where there is none."""
    text = source.metadata.get(key)
    if text is None:
        return ()
    entries = parse(source, text.encode(), f"metadata {key}")
    if not isinstance(entries, dict):
        raise source.error(f"metadata {key}", "is no JSON object of prefixes and true or false")
    return entries.items()


def options_in(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is among a module's facts that its numbers depend on beside ``batch_first``."""
    found = {}
    for name, known in _VALUES.items():
        value = facts.get(name)
        if isinstance(value, known if isinstance(known, type) else str):
            found.update({name: value} if isinstance(known, type) or value in known else {})
    # Of torch's RNN it decides, whatever else the module says.
    mode = facts.get("mode")
    found.update({"nonlinearity": RNN_MODES[mode]} if mode in RNN_MODES else {})
    return found


def metadata_of(options: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the metadata that :func:`recorded_options` reads again; none if nothing is known."""
    flags = {
        prefix: facts["batch_first"]
        for prefix, facts in options.items()
        if isinstance(facts.get("batch_first"), bool)
    }
    others = {prefix: told for prefix, facts in options.items() if (told := options_in(facts))}
    kept: dict[str, Any] = {_BATCH_FIRST: flags, _OPTIONS: others}
    return {key: json.dumps(each, ensure_ascii=False) for key, each in kept.items() if each}
