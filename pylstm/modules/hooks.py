"""Forward hooks: functions that run before and after a module's ``forward``."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .handles import HOOK_TABLES, STATE_HOOK_TABLES, RemovableHandle, reserve_numbers
from .parameter import mark
from .state_dict import Stateful

if TYPE_CHECKING:
    from typing import NoReturn


def _missing_forward(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
    """Say that a container needs a ``forward`` of its own."""
    raise NotImplementedError(
        f'Module [{type(self).__name__}] is missing the required "forward" function'
    )


class _CallSignature:
    """What ``inspect.signature(module)`` finds: how the instance is called is up to ``forward``.

    A class has none of it and shows its constructor, as every class does.
    """

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            raise AttributeError("__signature__")
        from inspect import signature  # only notebooks and editors ask

        return signature(instance.forward)


class Hooked(Stateful):
    """Registration of hooks, and the call that runs them around ``forward``."""

    _forward_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _forward_pre_hooks_with_kwargs: OrderedDict[int, bool]
    _forward_hooks: OrderedDict[int, Callable[..., Any]]
    _forward_hooks_with_kwargs: OrderedDict[int, bool]
    _forward_hooks_always_called: OrderedDict[int, bool]

    def __init__(self) -> None:
        super().__init__()
        values = vars(self)
        for table in HOOK_TABLES:
            values[table] = OrderedDict()

    forward: Callable[..., Any] = _missing_forward
    __signature__ = _CallSignature()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the pre-hooks, ``forward`` and the hooks."""
        return self._call_impl(*args, **kwargs)

    def _hooks_changed(self) -> None:
        """Do what a change of the hooks requires; subclasses override this method."""

    def _register(
        self, table: str, hook: Callable[..., Any], prepend: bool, options: dict[str, bool]
    ) -> RemovableHandle:
        """Put ``hook`` into ``table``, and its number into the tables of its options."""
        handle = RemovableHandle(self)
        hooks = getattr(self, table)
        hooks[handle.id] = hook
        for option, wanted in options.items():
            if wanted:
                getattr(self, option)[handle.id] = True
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        self._hooks_changed()
        return handle

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Run ``hook`` before every ``forward``.

        Parameters
        ----------
        hook : callable
            Called as ``hook(module, args)``. It returns None, or what replaces the positional
            arguments (what is not a tuple is wrapped in one). With ``with_kwargs`` it is called
            as ``hook(module, args, kwargs)`` and returns None or ``(new_args, new_kwargs)``.
        prepend : bool
            Run it before the hooks that are registered already.
        with_kwargs : bool
            Show the hook the keyword arguments too.

        Returns
        -------
        RemovableHandle
            Its ``remove()`` removes the hook.

        Examples
        --------
        >>> import numpy as np, pylstm
        >>> lstm = pylstm.LSTM(2, 3)
        >>> handle = lstm.register_forward_pre_hook(lambda module, args: print(args[0].shape))
        >>> _ = lstm(np.ones((5, 1, 2)))
        (5, 1, 2)
        >>> handle.remove()
        """
        options = {"_forward_pre_hooks_with_kwargs": with_kwargs}
        return self._register("_forward_pre_hooks", hook, prepend, options)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Run ``hook`` after every ``forward``.

        Parameters
        ----------
        hook : callable
            Called as ``hook(module, args, output)``, with ``with_kwargs`` as
            ``hook(module, args, kwargs, output)``. It returns None, or what replaces the output.
        prepend : bool
            Run it before the hooks that are registered already.
        with_kwargs : bool
            Show the hook the keyword arguments too.
        always_call : bool
            Run it even if ``forward`` or another hook raises; its output is then None.

        Returns
        -------
        RemovableHandle
            Its ``remove()`` removes the hook.

        Examples
        --------
        >>> import numpy as np, pylstm
        >>> lstm = pylstm.LSTM(2, 3)
        >>> seen = []
        >>> with lstm.register_forward_hook(lambda module, args, output: seen.append(output[0])):
        ...     _ = lstm(np.ones((5, 1, 2)))
        >>> seen[0].shape
        (5, 1, 3)
        """
        options = {
            "_forward_hooks_with_kwargs": with_kwargs,
            "_forward_hooks_always_called": always_call,
        }
        return self._register("_forward_hooks", hook, prepend, options)

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        """Call ``forward`` with the hooks around it."""
        if not (self._forward_hooks or self._forward_pre_hooks):
            return self.forward(*args, **kwargs)
        result = None
        called = set()
        try:
            # Tables are copied before the loops: a hook may remove itself.
            for number, hook in tuple(self._forward_pre_hooks.items()):
                if number in self._forward_pre_hooks_with_kwargs:
                    replaced = hook(self, args, kwargs)
                    if replaced is None:
                        continue
                    if not (isinstance(replaced, tuple) and len(replaced) == 2):
                        raise RuntimeError(
                            "forward pre-hook must return None or a tuple "
                            f"of (new_args, new_kwargs), but got {replaced}."
                        )
                    args, kwargs = replaced
                else:
                    replaced = hook(self, args)
                    if replaced is not None:
                        args = replaced if isinstance(replaced, tuple) else (replaced,)
            result = self.forward(*args, **kwargs)
            for number, hook in tuple(self._forward_hooks.items()):
                called.add(number)
                replaced = self._run_hook(number, hook, args, kwargs, result)
                result = result if replaced is None else replaced
            return result
        except Exception:
            self._run_always_called(called, args, kwargs, result)
            raise

    def _run_hook(
        self,
        number: int,
        hook: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        result: Any,
    ) -> Any:
        if number in self._forward_hooks_with_kwargs:
            return hook(self, args, kwargs, result)
        return hook(self, args, result)

    def _run_always_called(
        self, called: set[int], args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> None:
        """Run the ``always_call`` hooks that an error kept from running; their own errors warn."""
        for number, hook in tuple(self._forward_hooks.items()):
            if number in self._forward_hooks_always_called and number not in called:
                try:
                    replaced = self._run_hook(number, hook, args, kwargs, result)
                except Exception as error:
                    warnings.warn(
                        "module forward hook with ``always_call=True`` raised an exception "
                        f"that was silenced as another error was raised in forward: {error}",
                        stacklevel=3,
                    )
                else:
                    result = result if replaced is None else replaced

    # ---- pickle

    def __getstate__(self) -> dict[str, Any]:
        return vars(self).copy()

    def __setstate__(self, values: dict[str, Any]) -> None:
        vars(self).update(values)
        for table in (*HOOK_TABLES, *STATE_HOOK_TABLES):
            vars(self).setdefault(table, OrderedDict())
        for array in self._parameters.values():
            if array is not None:
                mark(array)
        reserve_numbers(self)
        self._hooks_changed()
