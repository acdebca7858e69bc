"""What stands elsewhere in a file and makes the weights of a module others than those found.

- Adapters, LoRA and its kin, keep what they add to a weight, or scale it by, in tensors of their
  own: below a wrapper whose ``base_layer`` is the module, or in another mapping of the file, by the
  same path.
- Masks and scales may be in another mapping too, by the names of the parameters.
- Floats of 8 bits hardly hold weights but with a scale: where a file has any, it may be theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..files.base.walk import Place, dotted, name_text, walk
from .found import FoundRecurrent, NearMiss
from .infer import NAME

_BASE = "base_layer"
# Parts of paths that adapters of peft, LyCORIS, loralib and torchtune are kept under.
_FAMILIES = (
    "dora|hada|lokr|loha|ia3|vera|oft|boft|hra|vblora|fourierft|randlora|delora|gralora|c3a|bone"
    "|shira|waveft"
)
_PART = re.compile(
    rf"(?:.*_)?lora(?:_.*)?|lora_?[ab]|(?:{_FAMILIES})_.+|(?:.*_)?magnitude(?:_vector)?",
    re.IGNORECASE,
)
# Mappings of what belongs to the parameters of a model, by their names.
_COMPANIONS = re.compile(
    r"(?:weight_|pruning_|prune_|param_|quant_)?(?:mask|scale|scale_inv|amax|absmax|zero_point)s?",
    re.IGNORECASE,
)
_SCALE = re.compile("scale|amax|absmax", re.IGNORECASE)
_HINT = re.compile(
    rf"{_BASE}|mask|scale|amax|absmax|zero_point|lora|(?:{_FAMILIES})_|magnitude",
    re.IGNORECASE,
)
# What wrappers put into paths, and what stands for no module in the name of an adapter.
_SILENT = {"base_model", "model", "module", "_orig_mod", _BASE, "state_dict", "default", "weight"}
_OWN = {"lora", "dora", "a", "b", "up", "down", "mid", "embedding", "layer", "layers", "scale"}
_OWN |= {"state", "dict", "weights", "params", "adapter", "adapters", "magnitude", "vector", "unet"}

# Parts of a path that are compared, from its end; parts of one that wrappers are looked for in.
_MOST_PARTS, _MOST_DEEP = 16, 64
_MOST_LISTED = 3  # adapters that are remembered for each target, and listed


def is_hint(key: str) -> bool:
    """Tell whether a key may be a part of the path to an adapter."""
    return _HINT.search(key) is not None


class _Adapters:
    """The tensors of adapters by what they may change.

    Attributes
    ----------
    targets : dict of tuple of str to list of str
        Paths of tensors, by the last names of the module that they are for.
    ends : dict of tuple of str to list of str
        The same by every end of these names.
    scales : list of str
        The first of what may be scales.
    wrapped : dict of str to list of str
        Paths of tensors below a wrapper and not below its ``base_layer``, by the wrapper's path.
    """

    def __init__(self, wrappers: Iterable[str]) -> None:
        self.targets: dict[tuple[str, ...], list[str]] = {}
        self.ends: dict[tuple[str, ...], list[str]] = {}
        self.scales: list[str] = []
        self.wrapped: dict[str, list[str]] = {wrapper: [] for wrapper in wrappers}

    def add(self, path: str) -> None:
        """Look at a tensor that is no parameter of an LSTM that was found."""
        parts = path.split(".", _MOST_DEEP) if self.wrapped else []
        for end in range(len(parts)):
            wrapper = ".".join(parts[:end])
            if wrapper in self.wrapped and parts[end] != _BASE:
                _remember(self.wrapped, wrapper, path)
        if not is_hint(path):
            return
        if _SCALE.search(path) and len(self.scales) < _MOST_LISTED:
            self.scales.append(path)
        for target in _targets(path):
            _remember(self.targets, target, path)
            for start in range(len(target)):
                _remember(self.ends, target[start:], path)

    def of(self, prefix: str) -> list[str]:
        """Return the first tensors that change the LSTM with this prefix."""
        names = _names(dotted(prefix).split("."))
        found = [*self.wrapped.get(_wrapper(prefix), ()), *self.ends.get(names, ())]
        for start in range(len(names) + 1):
            found += self.targets.get(names[start:], ())
        # What stands below the same name is a part of a model that is called so.
        return [
            path for path in dict.fromkeys(found) if not dotted(prefix).startswith(_above(path))
        ]


def _remember(table: dict[Any, list[str]], key: Any, path: str) -> None:
    paths = table.setdefault(key, [])
    if len(paths) < _MOST_LISTED:
        paths.append(path)


def _wrapper(prefix: str) -> str:
    """Return the path to the outermost wrapper of a base layer; an LSTM in none has no such key."""
    parts = prefix.split(".")
    if parts[-1] != _BASE:
        return "."
    while parts and parts[-1] == _BASE:
        parts.pop()
    return ".".join(parts)


def _above(path: str) -> str:
    """Return the path to the last part that is an adapter's, with a dot; all of it if none is."""
    parts = path.split(".")
    is_part = _part_of(parts)
    for end in range(len(parts), 0, -1):
        if is_part(parts[end - 1]):
            return ".".join(parts[:end]) + "."
    return f"{path}."


def is_companion(path: str) -> bool:
    """Tell whether a path is that of a parameter's companion in a mapping of such."""
    *above, last = path.split(".")
    return NAME.fullmatch(last) is not None and any(map(_COMPANIONS.fullmatch, above))


def _part_of(parts: list[str]) -> Callable[[str], Any]:
    """Return what tells which parts of a path are those of an adapter, or of a companion."""
    return _COMPANIONS.fullmatch if is_companion(".".join(parts)) else _PART.fullmatch


def _names(parts: Iterable[str]) -> tuple[str, ...]:
    """Return the last names among the parts of a path that are those of modules."""
    names = [each for each in parts if each and each not in _SILENT and not NAME.fullmatch(each)]
    return tuple(names[-_MOST_PARTS:])


def _targets(path: str) -> Iterable[tuple[str, ...]]:
    """Yield what a tensor of an adapter may be for: what is before the adapter's name, or after."""
    parts = path.split(".")
    is_part = _part_of(parts)
    own = [index for index, part in enumerate(parts) if is_part(part)]
    if not own:
        return
    before = _names(part for part in parts[: own[-1]] if not is_part(part))
    # The name of a module may be in that of its adapter: lora_unet_lstm, lstm_lora_A.
    inside = "_".join(each for each in parts[own[-1]].split("_") if each.lower() not in _OWN)
    inside = "" if _COMPANIONS.fullmatch(parts[own[-1]]) else inside
    after = _names(parts[own[-1] + 1 :])
    if inside and before:
        yield (*before, inside)
    if before:
        yield before
    elif inside:
        yield (inside,)
    else:
        yield after
        if len(after) > 1:
            yield after[:-1]


def adapted(
    tree: Any,
    name: str,
    found: Mapping[str, list[FoundRecurrent]],
    small: set[str],
    own: set[int],
    path_to: Callable[[Place, str], str],
    kept: dict[int, list[tuple[Any, Any]]],
) -> dict[str, NearMiss]:
    """Return which LSTMs have adapters beside them, by prefix, and what to say of each.

    Parameters
    ----------
    tree, name, kept : object
        Those of the first walk, in which the LSTMs were found.
    found : mapping of str to list of FoundRecurrent
        By prefix.
    small : set of str
        Prefixes of those with parameters in floats of 8 bits.
    own : set of int
        Identities of the values that are parameters of LSTMs.
    path_to : callable
        Returns the dotted path to a place and a key in it.
    """
    wrappers = {_wrapper(prefix) for prefix in found} - {"."}
    adapters = _Adapters(wrappers)
    frames: list[tuple[Place, bool]] = []  # the places around the present one
    for place, key, value in walk(tree, name, kept):
        while frames and frames[-1][0] is not place and frames[-1][0] is not place.above:
            frames.pop()
        if not frames or frames[-1][0] is not place:
            inside = bool(frames) and frames[-1][1]
            frames.append((place, inside or is_hint(name_text(place.name))))
        inside, text = frames[-1][1], name_text(key)
        if not hasattr(value, "shape") or not hasattr(value, "dtype"):
            continue
        if (wrappers and id(value) not in own) or inside or is_hint(text):
            path = dotted(path_to(place, text))
            if id(value) not in own or is_companion(path):
                adapters.add(path)
    misses = {}
    for prefix, ones in found.items():
        kind, remedy = ones[0].kind, "if it plays no role, pass its own parameters alone"
        paths = adapters.of(prefix)
        told = ", ".join(path[:100] for path in paths[:_MOST_LISTED])
        if paths and is_companion(paths[0]):
            reason = f"{told}: what belongs to its parameters; {remedy}, in a mapping"
            misses[prefix] = NearMiss(prefix, f"{kind} with companions elsewhere", reason)
        elif paths:
            merge = (
                "an adapter changes its weights; merge it first, as merge_and_unload of peft does"
            )
            reason = f"{told}: {merge}; {remedy}, in a mapping"
            misses[prefix] = NearMiss(prefix, f"{kind} with an adapter", reason)
        elif prefix in small and adapters.scales:
            told = ", ".join(path[:100] for path in adapters.scales)
            reason = f"its parameters are floats of 8 bits, whose scale may be {told}; {remedy}"
            misses[prefix] = NearMiss(prefix, f"{kind} of scaled floats", f"{reason}, in float32")
    return misses
