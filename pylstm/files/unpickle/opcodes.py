"""The closed set of opcodes: protocols 0 to 5 without what reaches outside the pickle.

Missing on purpose: EXT1, EXT2 and EXT4 (a registry of this process), NEXT_BUFFER and
READONLY_BUFFER (memory that a caller would pass).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..base.record import Record
from .context import RECORD_BYTES, Name
from .keys import add_members, set_items
from .literals import LITERALS, LONGEST_NUMBER, decimal
from .machine import SLOT_BYTES, Machine

_HIGHEST_PROTOCOL = 5

# Bytes that CPython allocates for an object, with its share of the containers that grow.
_TUPLE, _LIST, _DICT, _SET, _MARK = 64, 112, 240, 240, 72

_Action = Callable[[Machine], None]
# By the value of the opcode: what it does, and its charge in bytes of memory, which also bounds
# the number of opcodes that a compressed pickle can hold.
_ACTIONS: list[_Action | None] = [None] * 256
_CHARGES = [SLOT_BYTES] * 256
_STOP = b"."[0]


def run(machine: Machine) -> Any:
    """Return the object that the pickle leaves on its stack."""
    next_byte, spend = machine.stream.byte, machine.context.spend
    while (code := next_byte()) != _STOP:
        action = _ACTIONS[code]
        if action is None:
            machine.fail(f"opcode {bytes([code])!r} is none that is read")
        spend(_CHARGES[code])
        try:
            action(machine)
        except IndexError:
            machine.fail("takes more from the stack than there is")
        except UnicodeDecodeError as error:
            machine.fail(f"a text or name is damaged: {error.reason}")
    if not machine.stack:
        machine.fail("STOP without an object on the stack")
    return machine.stack[-1]


def _opcode(code: bytes, memory: int = 0) -> Callable[[_Action], _Action]:
    """Register the function for an opcode whose object takes ``memory`` bytes."""

    def register(action: _Action) -> _Action:
        _ACTIONS[code[0]] = action
        _CHARGES[code[0]] = SLOT_BYTES + memory
        return action

    return register


def _push(code: bytes, memory: int, value: Callable[[Machine], Any]) -> None:
    """Register an opcode that pushes what ``value`` returns."""

    def action(machine: Machine) -> None:
        machine.stack.append(value(machine))

    _opcode(code, memory)(action)


for _code, (_memory, _value) in LITERALS.items():
    _push(_code, _memory, _value)


# ----------------------------------------------------------------------------------- containers

_push(b")", 0, lambda machine: ())
_push(b"]", _LIST, lambda machine: [])
_push(b"}", _DICT, lambda machine: {})
_push(b"\x8f", _SET, lambda machine: set())


@_opcode(b"(", _MARK)
def _mark(machine: Machine) -> None:
    machine.outer.append(machine.stack)
    machine.stack = []


@_opcode(b"t", _TUPLE)
def _tuple(machine: Machine) -> None:
    items = machine.items()
    machine.context.spend(SLOT_BYTES * len(items))
    machine.stack.append(tuple(items))


def _short_tuple(code: bytes, size: int) -> None:
    @_opcode(code, _TUPLE + SLOT_BYTES * size)
    def action(machine: Machine) -> None:
        stack = machine.stack
        if len(stack) < size:
            raise IndexError
        stack[-size:] = [tuple(stack[-size:])]


_short_tuple(b"\x85", 1)
_short_tuple(b"\x86", 2)
_short_tuple(b"\x87", 3)


@_opcode(b"l", _LIST)
def _list(machine: Machine) -> None:
    items = machine.items()
    machine.stack.append(items)


@_opcode(b"d", _DICT)
def _dict(machine: Machine) -> None:
    items = machine.items()
    made: dict[Any, Any] = {}
    set_items(machine.context, made, items)
    machine.stack.append(made)


@_opcode(b"\x91", 2 * _SET)
def _frozen_set(machine: Machine) -> None:
    items = machine.items()
    members: set[Any] = set()
    add_members(machine.context, members, items, 2 * len(items))
    machine.stack.append(frozenset(members))


def _append_all(machine: Machine, items: list[Any]) -> None:
    machine.context.spend(SLOT_BYTES * len(items))
    target = machine.stack[-1]
    if isinstance(target, Record) and not isinstance(target, Name):
        target.items = [] if target.items is None else target.items
        target = target.items
    if type(target) is not list:
        machine.fail(f"appends to a {type(target).__name__}")
    target.extend(items)


def _set_all(machine: Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if isinstance(target, Record) and not isinstance(target, Name):
        if target.items is None:
            machine.context.spend(_DICT)
            target.items = {}
        target = target.items
    if not isinstance(target, dict):
        machine.fail(f"sets items of a {type(target).__name__}")
    set_items(machine.context, target, items)


@_opcode(b"a")
def _append(machine: Machine) -> None:
    _append_all(machine, [machine.stack.pop()])


@_opcode(b"e")
def _appends(machine: Machine) -> None:
    _append_all(machine, machine.items())


@_opcode(b"s")
def _set_item(machine: Machine) -> None:
    value = machine.stack.pop()
    _set_all(machine, [machine.stack.pop(), value])


@_opcode(b"u")
def _set_items(machine: Machine) -> None:
    _set_all(machine, machine.items())


@_opcode(b"\x90")
def _add_items(machine: Machine) -> None:
    items = machine.items()
    target = machine.stack[-1]
    if isinstance(target, Record):
        _append_all(machine, items)
        return
    if type(target) is not set:
        machine.fail(f"adds members to a {type(target).__name__}")
    add_members(machine.context, target, items, len(items))


# ------------------------------------------------------------------------------ stack and memo


@_opcode(b"0")
def _pop(machine: Machine) -> None:
    # As in Python: on an empty stack it takes back the mark.
    if machine.stack:
        machine.stack.pop()
    else:
        machine.items()


@_opcode(b"1")
def _pop_mark(machine: Machine) -> None:
    machine.items()


@_opcode(b"2")
def _duplicate(machine: Machine) -> None:
    machine.stack.append(machine.stack[-1])


@_opcode(b"\x94", SLOT_BYTES)
def _memoize(machine: Machine) -> None:
    machine.remember(len(machine.memo))


@_opcode(b"p", SLOT_BYTES)
def _put_line(machine: Machine) -> None:
    machine.remember(_index_line(machine))


@_opcode(b"q", SLOT_BYTES)
def _put_byte(machine: Machine) -> None:
    machine.remember(machine.stream.byte())


@_opcode(b"r", SLOT_BYTES)
def _put_long(machine: Machine) -> None:
    machine.remember(machine.stream.number(4))


@_opcode(b"g")
def _get_line(machine: Machine) -> None:
    machine.recall(_index_line(machine))


@_opcode(b"h")
def _get_byte(machine: Machine) -> None:
    machine.recall(machine.stream.byte())


@_opcode(b"j")
def _get_long(machine: Machine) -> None:
    machine.recall(machine.stream.number(4))


def _index_line(machine: Machine) -> int:
    index = decimal(machine, machine.stream.line(LONGEST_NUMBER))
    if index < 0:
        machine.fail("a negative memo index")
    return index


# -------------------------------------------------------------------------- names and instances


@_opcode(b"c")
def _global(machine: Machine) -> None:
    machine.name(machine.name_line(), machine.name_line())


@_opcode(b"\x93")
def _stack_global(machine: Machine) -> None:
    name = machine.stack.pop()
    machine.name(machine.stack.pop(), name)


@_opcode(b"R")
def _reduce(machine: Machine) -> None:
    args = machine.stack.pop()
    machine.stack[-1] = machine.context.call(machine.stack[-1], args)


_opcode(b"\x81")(_reduce)  # NEWOBJ: a class stands where REDUCE has any callable


@_opcode(b"\x92", RECORD_BYTES)
def _new_object_with_keywords(machine: Machine) -> None:
    keywords = machine.stack.pop()
    args = machine.stack.pop()
    if type(args) is not tuple or type(keywords) is not dict:
        machine.fail("arguments of a wrong type")
    machine.context.spend(SLOT_BYTES * len(args))
    # A record has one place for arguments; those by name come last, as a dict.
    args = (*args, keywords) if keywords else args
    machine.stack[-1] = machine.context.call(machine.stack[-1], args)


@_opcode(b"i", _TUPLE)
def _instance(machine: Machine) -> None:
    args = machine.items()
    machine.context.spend(SLOT_BYTES * len(args))
    machine.name(machine.name_line(), machine.name_line())
    machine.stack[-1] = machine.context.call(machine.stack[-1], tuple(args))


@_opcode(b"o", _TUPLE)
def _object(machine: Machine) -> None:
    cls, *args = machine.items() or [None]
    machine.context.spend(SLOT_BYTES * len(args))
    machine.stack.append(machine.context.call(cls, tuple(args)))


@_opcode(b"b")
def _build(machine: Machine) -> None:
    state = machine.stack.pop()
    machine.build(machine.stack[-1], state)


@_opcode(b"P")
def _persistent_line(machine: Machine) -> None:
    _persistent(machine, machine.name_line())


@_opcode(b"Q")
def _persistent_object(machine: Machine) -> None:
    _persistent(machine, machine.stack.pop())


def _persistent(machine: Machine, identity: Any) -> None:
    if machine.persistent is None:
        machine.fail("refers to an object outside of the pickle")
    machine.context.spend(RECORD_BYTES)
    machine.context.has_storages = True
    machine.stack.append(machine.persistent(identity))


# ------------------------------------------------------------------------------------- framing


@_opcode(b"\x80")
def _protocol(machine: Machine) -> None:
    protocol = machine.stream.byte()
    if protocol > _HIGHEST_PROTOCOL:
        machine.fail(f"protocol {protocol}")


@_opcode(b"\x95")
def _frame(machine: Machine) -> None:
    # A hint for readers that want to read much at once.
    machine.stream.need(machine.stream.number(8))
