"""``save``: arrays by name into a weight file."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...arguments.naming import type_name
from ...arguments.variants import WEIGHTS_KEY
from ..base.errors import WeightFileWarning
from ..base.named import MATRIX, NamedArrays, metadata_of, options_by_prefix, options_in
from ..base.record import RecurrentLayer
from .atomic import replacing
from .leaves import Leaf, leaves_of
from .write_torch import write_torch
from .writers import Progress, write_npz, write_safetensors

_WRITERS = {
    ".safetensors": write_safetensors,
    ".npz": write_npz,
    ".pt": write_torch,
    ".pth": write_torch,
}

# What is assumed where a file does not say it.
_ASSUMED = ("nonlinearity", "tanh")

# The storages that arrays tell by themselves: of int8-fast they are those of int8, and float16 are
# those of any library.
_SEEN = ("int8", "int16", "bfloat16")

# So many modules are named in a line.
_MAX_LISTED = 5


def save(mapping: Mapping[str, Any], path: str | os.PathLike[Any]) -> None:
    """Write arrays by name to a file in the format that its suffix names.

    The file is complete or it is not there: it is written under another name beside ``path`` and
    takes its place at the end. Equal arrays make equal files.

    Parameters
    ----------
    mapping : mapping of str to array_like
        A ``state_dict``, for instance. Arrays of any shape in float16, float32, float64, complex,
        whole-number and bool dtypes, and whatever ``numpy.asarray`` makes one of. Mappings may be
        nested: torch's format keeps them so, the others join the names with dots. Views are
        written as arrays of their own. Of what ``load(source, flat=True)`` returned, safetensors
        keep which modules are ``batch_first``; of these and of a ``state_dict``, safetensors and
        torch's files keep what else numbers depend on, ``reset_after=False`` for instance.
    path : str or os.PathLike
        Ends in ``.safetensors``, ``.npz``, ``.pt`` or ``.pth``. torch reads the last two with
        ``torch.load(path, weights_only=True)``.

    Raises
    ------
    TypeError
        If something in the mapping is no array of such a dtype.
    ValueError
        For another suffix, or a name that the format cannot hold.
    OSError
        If the file cannot be written.

    Warns
    -----
    WeightFileWarning
        If the numbers of a module depend on what the file it came from says and this format cannot
        say: that it is ``batch_first``, its initial states; in ``.npz`` also the nonlinearity of an
        RNN and what else makes a module another one than torch's, and that its weights are those of
        ``int8-fast`` or ``float16``.

    Examples
    --------
    >>> import pylstm
    >>> lstm = pylstm.LSTM(3, 4)
    >>> pylstm.save(lstm.state_dict(), "lstm.safetensors")
    >>> lstm.load_state_dict(pylstm.load("lstm.safetensors"))
    <All keys matched successfully>
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        hint = ""
        if isinstance(mapping, (str, bytes, os.PathLike)):
            hint = ": the mapping comes first, save(mapping, path)"
        raise TypeError(f"path must be a str or os.PathLike, got {type_name(path)}{hint}")
    for lost in write(mapping, path):
        warnings.warn(WeightFileWarning(lost), stacklevel=2)


# Where users find it: pickles name that place, wherever the file lies.
save.__module__ = "pylstm"


def write(mapping: Any, path: Any, progress: Progress = lambda count: None) -> list[str]:
    """Like :func:`save`, but values may also be read when their turn comes, one after another.

    Parameters
    ----------
    mapping : mapping
        Its values may be :class:`~pylstm.files.base.tensor.Tensor` or have ``dtype``, ``shape`` and
        ``read()`` like one.
    path : str or os.PathLike
    progress : callable, optional
        Called with the number of bytes of each array once it is written.

    Returns
    -------
    list of str
        What the numbers depend on and the file cannot say, a line for each.
    """
    suffix = Path(os.fsdecode(path)).suffix.lower()
    writer = _WRITERS.get(suffix)
    if writer is None:
        raise ValueError(
            f"cannot tell the format from the suffix {suffix!r}: use {', '.join(_WRITERS)}"
        )
    leaves, known = described(mapping)
    _check_names(leaves)
    with replacing(path) as file:
        if writer is write_safetensors:
            write_safetensors(file, leaves, progress, known.metadata())
        elif writer is write_torch:
            write_torch(file, leaves, progress, known.of_state_dicts)
        else:
            write_npz(file, leaves, progress)
    says = {write_safetensors: (True, True), write_torch: (True, False)}
    options, batch_first = says.get(writer, (False, False))
    return known.lost(os.fsdecode(path), says_options=options, says_batch_first=batch_first)


def described(mapping: Any) -> tuple[list[Leaf], Known]:
    """Return the arrays of a mapping as they are written, and what is known of their modules."""
    leaves = leaves_of(mapping)
    known = Known(mapping)
    return [known.in_its_form(leaf) for leaf in leaves], known


class Known:
    """What is known of the modules whose parameters a mapping has, beside its arrays.

    Parameters
    ----------
    mapping : mapping
        Its mappings are nested no deeper than :func:`leaves_of` allows.

    Attributes
    ----------
    of_state_dicts : dict of tuple of str to dict
        By the path of each mapping, what torch's files keep of the modules in it, by prefix.

    Raises
    ------
    ValueError
        If a state_dict records what no module of pylstm has.
    """

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        self._options: dict[str, dict[str, Any]] = {}
        self._modules: dict[str, RecurrentLayer] = {}
        self.of_state_dicts: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
        self._add(mapping, ())

    def _add(self, mapping: Mapping[str, Any], above: tuple[str, ...]) -> None:
        if isinstance(mapping, NamedArrays):
            for prefix in (*mapping.modules, *mapping.options):
                path = ".".join(filter(None, (*above, prefix)))
                self._options[path] = dict(mapping.facts(prefix))
                module = mapping.modules.get(prefix)
                if isinstance(module, RecurrentLayer):
                    self._modules[path] = module
                self._note(above, prefix, options_in(self._options[path]))
        else:
            for prefix, options in options_by_prefix(mapping):
                path = ".".join(filter(None, (*above, prefix)))
                self._options[path] = options
                self._note(above, prefix, options)
        for key, value in mapping.items():
            if isinstance(value, Mapping):
                self._add(value, (*above, key))

    def _note(self, above: tuple[str, ...], prefix: str, options: dict[str, Any]) -> None:
        if any(option != _ASSUMED for option in options.items()):
            self.of_state_dicts.setdefault(above, {})[prefix] = options

    def in_its_form(self, leaf: Leaf) -> Leaf:
        """Return an array as it is written: of bfloat16 where a state_dict says that it is such."""
        above, _, name = leaf.name.rpartition(".")
        is_short = self._options.get(above, {}).get(WEIGHTS_KEY) == "bfloat16"
        is_matrix = leaf.dtype == "float32" and len(leaf.shape) == 2 and MATRIX.fullmatch(name)
        return replace(leaf, dtype="bfloat16") if is_short and is_matrix else leaf

    def metadata(self) -> dict[str, str]:
        """Return what safetensors keep of it."""
        metadata = metadata_of(self._options)
        # Without it the file of any metadata is one of an unknown framework to Hugging Face's.
        return {"format": "pt", **metadata} if metadata else {}

    def lost(self, path: str, *, says_options: bool, says_batch_first: bool) -> list[str]:
        """Return a line for each thing that the numbers depend on and the file cannot say."""
        lines = []
        prefixes = [
            name for name, facts in self._options.items() if facts.get("batch_first") is True
        ]
        if prefixes and not says_batch_first:
            lines.append(
                f"{path} cannot say that {_listed(prefixes)} {_are(prefixes)} batch_first: "
                "pass batch_first=True to from_weights"
            )
        others: dict[str, list[str]] = {}
        for prefix, facts in self._options.items() if not says_options else ():
            for name, value in options_in(facts).items():
                # Their parameters have names of their own, and dtypes that nothing else has.
                is_seen = name == "peepholes" or (name == WEIGHTS_KEY and value in _SEEN)
                if not is_seen and (name, value) != _ASSUMED:
                    others.setdefault(f"{name}={value!r}", []).append(prefix)
        for argument, prefixes in others.items():
            what = "pass it to from_weights"
            if argument.startswith("merge_mode"):
                what = "a module returns both directions, and its caller joins them"
            lines.append(
                f"{path} cannot say that {_listed(prefixes)} {_are(prefixes, 'has', 'have')} "
                f"{argument}: {what}"
            )
        prefixes = [
            name for name, layer in self._modules.items() if layer.initial_states is not None
        ]
        if prefixes:
            classes = {self._modules[prefix].class_name for prefix in prefixes}
            is_lstm = all(name.endswith(".LSTM") for name in classes)
            finder = "find_lstms" if is_lstm else "find_recurrent"
            lines.append(
                f"{path} cannot say that {_listed(prefixes)} {_are(prefixes)} run from initial "
                f"states that are not zero: pass those of {finder} with each call"
            )
        return lines


def _listed(prefixes: Sequence[str]) -> str:
    """Return how a line names modules."""
    some = [repr(prefix) if prefix else "its module" for prefix in prefixes[:_MAX_LISTED]]
    more = len(prefixes) - len(some)
    return " and ".join([", ".join(some), *([f"{more} more"] if more else [])])


def _are(prefixes: Sequence[str], one: str = "is", several: str = "are") -> str:
    return one if len(prefixes) == 1 else several


def _check_names(leaves: Sequence[Leaf]) -> None:
    """Refuse names that are the same once they are joined by dots."""
    for name, count in Counter(leaf.name for leaf in leaves).items():
        if count > 1:
            raise ValueError(f"two arrays have the name {name!r} once their keys are joined")
