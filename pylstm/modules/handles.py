"""The tables of hooks that a module has, and the handles that registering a hook returns."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

# The tables of a module, by attribute name: from a hook's number to the hook, or to True where
# the hook was registered with that option. The names are torch's; users look into them.
HOOK_TABLES = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
)
STATE_HOOK_TABLES = (
    "_state_dict_pre_hooks",
    "_state_dict_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)

# Hooks are numbered through the whole process. Only within one module must numbers differ, so
# that threads may race here.
_numbers = itertools.count()


def _tables(module: Any) -> list[dict[int, Any]]:
    """Return the tables that a module has: one in construction has not all of them yet."""
    values = vars(module)
    return [values[name] for name in (*HOOK_TABLES, *STATE_HOOK_TABLES) if name in values]


def reserve_numbers(module: Any) -> None:
    """Keep new hooks from getting the numbers of the hooks of an unpickled module."""
    global _numbers
    highest = max((number for table in _tables(module) for number in table), default=-1)
    if next(_numbers) <= highest:
        _numbers = itertools.count(highest + 1)


class RemovableHandle:
    """What registering a hook returns: :meth:`remove` takes the hook away again.

    Also a context manager that removes the hook at its end.
    """

    def __init__(self, module: Any) -> None:
        self.id = next(_numbers)
        self._module: Callable[[], Any] = weakref.ref(module)

    def remove(self) -> None:
        """Remove the hook; nothing happens where the hook or its module no longer exists."""
        module = self._module()
        if module is not None:
            for table in _tables(module):
                table.pop(self.id, None)
            module._hooks_changed()

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()

    # A handle that is copied or pickled with its module belongs to the module's copy.
    def __getstate__(self) -> tuple[Any, int]:
        return self._module(), self.id

    def __setstate__(self, state: tuple[Any, int]) -> None:
        module, self.id = state
        self._module = (lambda: None) if module is None else weakref.ref(module)


# Pickles of every version name this, wherever the file lies.
RemovableHandle.__module__ = "pylstm.hooks"
