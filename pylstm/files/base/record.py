"""What stands in for objects that a file names but pylstm never builds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .errors import printable


class Record:
    """An object of a class that only the file's writer knew: its parts, and no behaviour.

    Attributes
    ----------
    class_name : str
        The dotted name, ``"mypackage.models.Tagger"``.
    args : tuple
        What the class or function was called with.
    state : object
        What ``__setstate__`` or the instance's dictionary would have received; None if nothing.
    items : list or dict or None
        What was appended, or set by key.

    Examples
    --------
    >>> from pylstm.files import Record
    >>> Record("mypackage.models.Tagger", state={"hidden": 16})
    <Record of mypackage.models.Tagger>
    """

    __slots__ = ("args", "class_name", "items", "state")

    def __init__(
        self, class_name: str, args: Any = (), state: Any = None, items: Any = None
    ) -> None:
        self.class_name = class_name
        self.args = args
        self.state = state
        self.items = items

    def __repr__(self) -> str:
        # Not its parts: they may hold the record itself, or millions of others.
        return f"<Record of {printable(self.class_name)}>"

    def _mapping_hint(self) -> str:
        """Say what gives the arrays in it, where it is passed for a mapping."""
        return (
            f"{self!r} is a whole object and no mapping: LSTM.from_weights(record) makes an LSTM "
            "that is in it, pylstm.load(file, flat=True) gives its arrays by name"
        )


class RecurrentLayer(Record):
    """A recurrent layer that one of pylstm's readers put together; no file can name this class.

    Attributes
    ----------
    assumed : dict of str to object
        Arguments of ``from_weights`` that the file leaves open, and what was assumed for them.
    initial_states : tuple of ndarray, ndarray or None
        ``(h_0, c_0)`` of an LSTM, ``h_0`` of others, where the file has constants for them that
        are not zero.
    """

    __slots__ = ("assumed", "initial_states")

    def __init__(
        self,
        class_name: str,
        state: dict[str, Any],
        *,
        assumed: dict[str, Any] | None = None,
        initial_states: Any = None,
    ) -> None:
        super().__init__(class_name, state=state)
        self.assumed = assumed or {}
        self.initial_states = initial_states


class Shard(Record):
    """A tensor of which a file has a part, the other parts being in files of other processes.

    Attributes
    ----------
    told : str
        What it is a part of, and what helps: its representation.
    """

    __slots__ = ("told",)

    def __init__(self, class_name: str, args: Any, state: Any, told: str) -> None:
        super().__init__(class_name, args, state)
        self.told = told

    def __repr__(self) -> str:
        return f"<{printable(self.told)}>"


@dataclass(frozen=True)
class Unsupported:
    """Something that looks like a recurrent module and is none that pylstm can run.

    Parameters
    ----------
    kind : str
        What it is: ``"ONNX LSTM node"``.
    reason : str
        Why it cannot be run: ``"it has peepholes (input P)"``.
    """

    kind: str
    reason: str


# As in errors.py. The two that have no public name keep the one that earlier versions pickled.
Record.__module__ = Unsupported.__module__ = "pylstm.files"
RecurrentLayer.__module__ = Shard.__module__ = "pylstm.files.record"
