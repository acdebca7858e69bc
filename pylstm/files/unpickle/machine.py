"""The state of the pickle machine: a stack, a memo, and what opcodes do to them.

It does what Python's own does with plain data. Where that would import, call or set something,
this one asks the closed table of :mod:`~pylstm.files.unpickle.names` or makes a record.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NoReturn

from ..base.record import Record
from .context import RECORD_BYTES, Context, FileBytes, Name, Unbuilt
from .names import look_up

_LONGEST_NAME = 1000

SLOT_BYTES = 9  # a place on the stack, in a list or in the memo, with what lists keep in reserve
_STATELESS = (dict, list, tuple, set, frozenset, str, bytes, bytearray, int, float, type(None))
_ABSENT: Any = object()  # a gap in the memo


class Machine:
    """Runs one pickle.

    Parameters
    ----------
    context : Context
    persistent : callable or None
        Given a persistent id, returns the object.
    earlier : dict from int to FileBytes, or None
        The long runs of bytes, by position: those of an earlier run. Where one was of no use to
        an array, this run reads it. None if this is the first run.
    """

    def __init__(
        self,
        context: Context,
        persistent: Callable[[Any], Any] | None,
        earlier: dict[int, FileBytes] | None = None,
    ) -> None:
        self.stream = context.stream
        self.context = context
        self.persistent = persistent
        self.earlier = earlier
        self.in_file: dict[int, FileBytes] = {}
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []  # the stacks below the marks
        self.memo: list[Any] = []
        self.names: dict[tuple[str, str], Any] = {}

    def fail(self, reason: str) -> NoReturn:
        """Raise the error about the present opcode."""
        self.stream.fail(reason)

    def items(self) -> list[Any]:
        """Pop what was pushed since the last mark."""
        items = self.stack
        self.stack = self.outer.pop()
        return items

    def build(self, target: Any, state: Any) -> None:
        """Give ``target``, which is on top of the stack, its state."""
        if type(target) is OrderedDict:
            # A state_dict's versions; any other attribute could hide a method.
            if type(state) is dict and type(state.get("_metadata")) in (dict, OrderedDict):
                target._metadata = state["_metadata"]  # type: ignore[attr-defined]
        elif isinstance(target, Name):
            self.fail(f"sets the state of the name {target}")
        elif isinstance(target, Record):
            if not (isinstance(target, Unbuilt) and self.finished(target, state)):
                target.state = _joined(state)
        elif isinstance(target, _STATELESS):
            self.fail(f"sets the state of a {type(target).__name__}")
        # What is left is a tensor, whose attributes a tree has no place for.

    def finished(self, target: Unbuilt, state: Any) -> bool:
        """Put the value that ``state`` gives ``target`` on the stack and in the memo, if any."""
        value = target.finish(self.context, target.args, state)
        if value is None:
            return False
        self.stack[-1] = value
        for place in target.places:
            self.memo[place] = value
        target.places.clear()
        return True

    def remember(self, place: int) -> None:
        """Store the top of the stack in the memo."""
        value, memo = self.stack[-1], self.memo
        if place == len(memo):
            memo.append(value)
        elif place > len(memo):
            # Picklers count; a gap is allowed, but none that the file has no bytes for.
            if place > self.stream.content.size:
                self.fail("a memo index that is too large")
            self.context.spend(SLOT_BYTES * (place + 1 - len(memo)))
            memo.extend([_ABSENT] * (place - len(memo)))
            memo.append(value)
        else:
            memo[place] = value
        if isinstance(value, Unbuilt):
            value.places.append(place)

    def recall(self, place: int) -> None:
        """Push what is stored in the memo."""
        value = self.memo[place] if place < len(self.memo) else _ABSENT
        if value is _ABSENT:
            self.fail("a memo index that was not set")
        self.stack.append(value)

    def name(self, module: Any, name: Any) -> None:
        """Push what stands for a class or function; the same for the same name."""
        if type(module) is not str or type(name) is not str:
            self.fail("a name that is no text")
        if len(module) + len(name) > _LONGEST_NAME:
            self.fail(f"a name of more than {_LONGEST_NAME} characters")
        found = self.names.get((module, name))
        if found is None:
            self.context.spend(3 * RECORD_BYTES + 8 * (len(module) + len(name)))
            found = self.names[module, name] = look_up(module, name)
        self.stack.append(found)

    def name_line(self) -> str:
        """Read one line of a name."""
        return str(self.stream.line(_LONGEST_NAME), "utf-8", "surrogatepass")


def _joined(state: Any) -> Any:
    """Objects with slots have two dictionaries, of which one is usually missing."""
    match state:
        case (None | {}, dict() as slots) if not state[0]:
            return slots
        case (dict() as attributes, None):
            return attributes
    return state
