"""What stands beside a module's parameters, and when it makes them something else's.

A layer-normalised cell has the very parameters of an LSTMCell, and more. Whether parameters are
those of torch's LSTM, GRU, RNN or their cells and nothing else is decided here, for each module by
itself:

- Of an object with a class, the class decides. torch's own layers and cells are what they are,
  whatever else they hold, except for functions that their calls run: hooks, another ``forward``.
  So are the layers that pylstm's readers of other formats put together.
  An object of another class that holds the parameters itself, a subclass of torch's too, computes
  what its code says, which is not run: it is refused.
- In a mapping (a state_dict, whatever the file) every other tensor below the module's prefix is
  foreign, and makes the module be refused: a peephole, a learned initial state, a scale, a layer
  norm, the output layer of a subclass. At the root of a file everything is below the prefix.
- Not foreign are numbers, strings and None, also as arrays without axes that hold a whole number
  or a bool; an optimiser's tables; the parameters of a layer or cell of the same kind below, that
  is found itself (PaddlePaddle repeats each layer as a cell), or under the same prefix; what is
  foreign to such a one makes the ones around it be refused as well.
- What stands beside the module, or above it, plays no role.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from ..files.base.errors import WeightFileError
from ..files.base.named import function_in
from ..files.base.record import Record, RecurrentLayer
from ..files.base.walk import Place, dotted, name_text, walk
from .found import FoundRecurrent, NearMiss
from .kinds import NAMES, RNN, kind_of
from .packed import PACKED
from .said import nonlinearity_of

# Whole modules, and modules in TorchScript, whose second class of one name gets another. Those of
# the dynamically quantised ones have no other parameters than packed ones.
_TORCHS = re.compile(
    r"(?:__torch__\.)?torch\.(?:nn|(?:ao\.)?nn\.quantized\.dynamic)\.modules\.rnn\."
    rf"(?:___torch_mangle_\d+\.)?({'|'.join(NAMES)})"
)
# What stands for a tensor that pylstm does not read.
_UNREAD = (
    "torch._utils._rebuild",
    "torch._tensor._rebuild",
    "torch.nn.parameter.",
    "safetensors.",
)

# So many foreign names are listed.
_MAX_LISTED = 3
# Characters that are looked at to find whose a tensor is, a thousand for each of a million.
_MAX_WORK = 1 << 30


_NOTHING: Any = MappingProxyType({})


class Group:
    """The parameters in one module: a place, and a prefix of the keys there.

    Attributes
    ----------
    plain : dict of str to object
        By torch's names.
    forms, companions : dict of (str, str) to object
        Parameters in another form, and what quantised integers need, by name and form.
    owner : Record or None
        The object that has the parameters as attributes; None if they are in a mapping.
    above : Group or None
        The nearest that this one is below of.
    is_clean : bool
        False if it or what is below it is anything but modules of one kind.
    below : set of str
        The kinds that are below it.
    strays : tuple of str
        The first foreign names, as they go on from the prefix.
    count : int
        How many there are.
    """

    # There may be thousands, of one parameter each: what most have not is shared.
    __slots__ = (
        "above",
        "below",
        "companions",
        "count",
        "forms",
        "is_clean",
        "owner",
        "place",
        "plain",
        "prefix",
        "strays",
    )

    def __init__(self, place: Place, prefix: str) -> None:
        self.place = place
        self.prefix = prefix
        self.plain: dict[str, Any] = {}
        self.forms: dict[tuple[str, str], Any] = _NOTHING
        self.companions: dict[tuple[str, str], Any] = _NOTHING
        self.owner: Record | None = None
        self.above: Group | None = None
        self.below: frozenset[str] = frozenset()
        self.is_clean = True
        self.strays: tuple[str, ...] = ()
        self.count = 0

    def put(self, name: str, form: str, value: Any) -> None:
        """Add a parameter in a form, or plainly if ``form`` is empty."""
        if form in ("scale", "zero_point"):
            self.companions = self.companions or {}
            self.companions[name, form] = value
        elif form or self.plain.setdefault(name, value) is not value:
            self.forms = self.forms or {}
            self.forms[name, form or "twice"] = value

    def settle(self) -> None:
        """Note which module owns the parameters, now that all of them are known."""
        owner = self.place.owner(self.prefix)
        # Of a class that is derived from dict, the items may be the parameters.
        items = None if owner is None else owner.items
        if not isinstance(items, Mapping) or any(name not in items for name in self.plain):
            self.owner = owner

    def is_sure(self, kind: str) -> bool:
        """Tell whether a class says that this is a module of a kind, and nothing else."""
        if self.owner is None or isinstance(self.owner, RecurrentLayer):
            return self.owner is not None
        match = _TORCHS.fullmatch(self.owner.class_name)
        return match is not None and match[1] == kind

    def mark(self) -> None:
        """Note that what is here is not modules of one kind: neither is then what is around it."""
        group: Group | None = self
        while group is not None and group.is_clean:
            group.is_clean = False
            group = group.above

    def mark_below(self, mode: str) -> None:
        """Note in all groups around that one of this kind is in them."""
        group = self.above
        while group is not None and mode not in group.below:
            group.below |= {mode}
            group = group.above

    def add(self, name: str) -> None:
        """Count a foreign tensor, whose name goes on from the prefix."""
        self.count += 1
        if len(self.strays) < _MAX_LISTED:
            self.strays = (*self.strays, name)


def refusal(group: Group, found: FoundRecurrent) -> NearMiss | None:
    """Return why a module is refused for its class, or for what is foreign to it.

    Parameters
    ----------
    group : Group
        After :func:`look_beside`.
    found : FoundRecurrent
        What the parameters alone are.
    """
    kind, remedy = found.kind, "pass its own parameters alone, in a mapping"
    if group.is_sure(kind):
        facts = group.place.facts(group.prefix)
        return _contradiction(found, facts) or _changed(found, facts)
    if group.owner is not None:
        name = group.owner.class_name[:200]
        reason = f"its class is {name}, whose code is not run; if it computes what torch's "
        return NearMiss(found.prefix, f"{kind} of another class", f"{reason}{kind} does, {remedy}")
    if group.is_clean and group.below <= {kind_of(kind).mode}:
        return None
    names = [_described(name, group.plain) for name in group.strays]
    more = f" and {group.count - len(names)} more" if group.count > len(names) else ""
    told = ", ".join(names) + more if names else "some are of another network"
    reason = f"{told}; if they play no role, {remedy}"
    return NearMiss(found.prefix, f"{kind} with foreign parameters", reason)


def _described(name: str, parameters: Iterable[str]) -> str:
    """Return a foreign name, with the parameter whose companion it seems to be."""
    for parameter in parameters:
        if name.startswith((f"{parameter}_", f"{parameter}.")):
            return f"{name}, a companion of {parameter}"
    return name


def _contradiction(found: FoundRecurrent, facts: Mapping[str, Any]) -> NearMiss | None:
    """Say where a module's attributes are not those of its parameters."""
    for name in ("input_size", "hidden_size", "num_layers", "bias", "bidirectional", "proj_size"):
        told, seen = facts.get(name), getattr(found, name)
        if type(told) in (int, bool) and told != seen:
            reason = f"its {name} is {seen} by its parameters, another by its attribute"
            return NearMiss(found.prefix, f"inconsistent {found.kind}", reason)
    if kind_of(found.kind) is RNN:
        name, told = nonlinearity_of(found.kind, facts)
        if told == "":
            reason = f"its {name} is {facts[name]!r:.50}, not that of tanh or relu"
            return NearMiss(found.prefix, f"inconsistent {found.kind}", reason)
    return None


def _changed(found: FoundRecurrent, facts: Mapping[str, Any]) -> NearMiss | None:
    """Say where a module has functions of its own that change what it computes."""
    name = function_in(facts)
    if not name:
        return None
    kind = f"{found.kind} with {'another forward' if name == 'forward' else 'hooks'}"
    reason = f"it has functions of its own in {name}, which are not run"
    return NearMiss(found.prefix, kind, reason)


class _Frame:
    """One container on the way down.

    Attributes
    ----------
    around : Group or None
        The nearest group that the whole container is below of.
    groups : dict of str to Group
        Those in the container itself, by prefix.
    """

    __slots__ = ("around", "groups", "longest", "place")

    def __init__(self, place: Place, around: Group | None, groups: dict[str, Group]) -> None:
        self.place = place
        self.around = around
        self.groups = groups
        self.longest = max(map(len, groups), default=-1)


def look_beside(
    tree: Any,
    file: str,
    groups: Mapping[tuple[Place, str], Group],
    owner_of: Callable[[Place, str], Any],
    path_to: Callable[[Place, str], str],
    kept: dict[int, list[tuple[Any, Any]]],
) -> None:
    """Find the foreign tensors of all groups, in a second walk.

    Parameters
    ----------
    tree, file, kept : object
        Those of the first walk, in which the groups were found.
    groups : mapping of (Place, str) to Group
        They get their ``above`` and ``strays``.
    owner_of : callable
        Returns the place and prefix of the module whose parameter stands under a key, or None.
    path_to : callable
        Returns the dotted path to a place and a key in it.
    """
    within: dict[int, dict[str, Group]] = {}
    for (place, prefix), group in groups.items():
        within.setdefault(id(place.container), {})[prefix] = group
    packed = _packed(groups.values())
    finder = _Finder(file)
    frames: list[_Frame] = []
    for place, key, value in walk(tree, file, kept):
        while frames and frames[-1].place is not place and frames[-1].place is not place.above:
            frames.pop()
        if not frames or frames[-1].place is not place:
            around = finder.nearest(frames[-1], dotted(name_text(place.name))) if frames else None
            closed = (id(around), id(place.container)) in packed or _is_optimiser(place.container)
            closed = closed or _is_pair(place)
            below = None if closed else around
            frames.append(_Frame(place, below, within.get(id(place.container), {})))
            for prefix, group in frames[-1].groups.items():
                inner = prefix.rpartition(".")[0]
                group.above = finder.nearest(frames[-1], inner) if prefix else around
        frame = frames[-1]
        if frame.around is None and not frame.groups:
            continue
        name = dotted(name_text(key))
        nearest = finder.nearest(frame, name)
        if nearest is None or nearest.owner is not None or not _is_foreign(name, value):
            continue
        owner = owner_of(place, key) if isinstance(key, str) else None
        if owner is not None and owner[1] in within.get(id(owner[0].container), {}):
            continue
        nearest.add("")
        if len(nearest.strays) == nearest.count:
            start = path_to(nearest.place, nearest.prefix)
            stray = path_to(place, name).removeprefix(start).removeprefix(".")
            nearest.strays = (*nearest.strays[:-1], stray)


def _is_pair(place: Place) -> bool:
    """Tell whether a container is a parameter in the pickle of a module: integers and scales."""
    above = place.above
    return isinstance(place.container, tuple) and above is not None and above.pickled() is not None


class _Finder:
    """Finds the nearest group that a path is below of, within a budget of time."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._left = _MAX_WORK

    def nearest(self, frame: _Frame, path: str) -> Group | None:
        """Return the group at ``path`` in the frame's container, or the one around it."""
        if not frame.groups:
            return frame.around
        end = len(path)
        while end:
            if end <= frame.longest and path[:end] in frame.groups:
                return frame.groups[path[:end]]
            self._left -= min(end, frame.longest) + 1
            if self._left < 0:
                raise WeightFileError(self._file, "", "the paths to its modules are too long")
            end = max(0, path.rfind(".", 0, min(end, frame.longest + 1)))
        return frame.groups.get("", frame.around)


def _packed(groups: Iterable[Group]) -> set[tuple[int, int]]:
    """Return the packed parameters of all groups, by identity: the parts of each are its own."""
    return {
        (id(group), id(value))
        for group in groups
        for (_, form), value in group.forms.items()
        if form in PACKED
    }


def _is_optimiser(container: Any) -> bool:
    """Tell whether it is what an optimiser of torch saves of itself."""
    return (
        isinstance(container, Mapping)
        and "state" in container
        and isinstance(container.get("param_groups"), (list, tuple))
    )


def _is_foreign(name: str, value: Any) -> bool:
    """Tell whether a value is a tensor, and not a number of a format that has only arrays."""
    if isinstance(value, Record):
        return value.class_name.startswith(_UNREAD)
    if isinstance(value, np.generic) or not (hasattr(value, "shape") and hasattr(value, "dtype")):
        # torch's own modules have no such state.
        return value is not None and name.rpartition(".")[2] == "_extra_state"
    is_number = isinstance(value.shape, tuple) and len(value.shape) == 0
    return not (is_number and re.search("int|bool", str(value.dtype)))
