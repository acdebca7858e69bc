"""Dict keys and set members: what a file may use as one, and what that may cost.

A hash table is as slow as its keys are badly chosen, and a file chooses them. Strings are safe,
because Python salts their hashes. Hashes of numbers, and of tuples of them, are known beforehand:
they can be made equal, or be laid out so that every search walks through the whole table. Such
keys are allowed, and charged with the steps that they take at worst; so are tuples, whose hash
visits every element. The charges end a hostile file long before they trouble a real one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..base.record import Record
from ..base.tensor import Tensor
from .context import RECORD_BYTES, Context, FileBytes

_SHORT = 256  # characters that are compared in no time
_DEPTH = 32  # of tuples in tuples: hashing them takes the C stack
_NODE_STEPS = 200  # for each element of a tuple
_EQUAL_STEPS = 20  # for an object whose hash may equal another's, which then calls __eq__
_TABLE_BYTES = 120  # of the hash table, for each entry, while it grows

_FEW_EQUAL = frozenset({float, bool, type(None), type(...)})
_MUTABLE = frozenset({list, dict, OrderedDict, set, bytearray})
_BY_IDENTITY = (Record, Tensor, FileBytes)


def set_items(context: Context, target: dict[Any, Any], items: list[Any]) -> None:
    """Put ``items``, which are keys and values in turn, into ``target``."""
    if len(items) % 2:
        context.fail("a key without a value")
    context.spend(_TABLE_BYTES * len(items) // (2 if type(target) is dict else 1))
    for key, value in zip(items[::2], items[1::2], strict=True):
        plain = type(key) is str and len(key) <= _SHORT
        target[key if plain else _checked(context, target, key)] = value


def add_members(context: Context, target: set[Any], members: Iterable[Any], count: int) -> None:
    """Put ``count`` members into ``target``."""
    context.spend(_TABLE_BYTES * count)
    for member in members:
        target.add(_checked(context, target, member))


def _checked(context: Context, target: dict[Any, Any] | set[Any], key: Any) -> Any:
    """Return ``key``, or what stands for it, once its cost is paid."""
    chosen = context.chosen_hashes.get(id(target), 0)
    if type(key) is int and 0 <= key < max(8, 3 * len(target) // 2):
        # Smaller than the table, hence in a place of its own, unless that is taken by a key of
        # the other kind; then the search can go on through as many as there are of those.
        context.work(4 * chosen)
        return key
    hashable, steps = _survey(context, key)
    if not hashable:
        # torch hashes tensors and parameters by identity, and optimizers use them as keys.
        context.spend(RECORD_BYTES)
        return Record("key", (key,))
    if steps:
        context.spend(RECORD_BYTES if not chosen else 0)
        context.chosen_hashes[id(target)] = chosen + 1
        context.work(chosen * steps)
    return key


def _survey(context: Context, key: Any) -> tuple[bool, int]:
    """Return whether ``key`` can be hashed, and the steps to tell it from another of equal hash.

    The steps are 0 if the file cannot know its hash.
    """
    steps = 0
    waiting = [iter((key,))]
    while waiting:
        for value in waiting[-1]:
            context.work(_NODE_STEPS)
            kind = type(value)
            if kind is str or kind is bytes:
                context.work(len(value) >> 5)
                steps = steps if value else max(steps, 1)
            elif kind is tuple or kind is frozenset:
                if len(waiting) == _DEPTH:
                    context.fail("a key of tuples nested too deep")
                steps = steps if value else max(steps, 1)
                waiting.append(iter(value))
                break
            elif kind is int:
                context.work(value.bit_length() >> 5)
                # Beyond the prime that Python's hashes are taken modulo, they repeat.
                steps = max(steps, 1 if value.bit_length() < 61 else _EQUAL_STEPS)
            elif kind in _FEW_EQUAL:
                steps = max(steps, 1)
            elif kind is complex or isinstance(value, np.generic):
                steps = _EQUAL_STEPS
            elif kind in _MUTABLE:
                context.fail(f"a {kind.__name__} as a key")
            elif not isinstance(value, _BY_IDENTITY):
                return False, 0
        else:
            waiting.pop()
    if steps and (type(key) is tuple or type(key) is frozenset):
        steps = _EQUAL_STEPS
    return True, steps
