"""The rules of state_dict and load_state_dict."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments.naming import mapping_hint
from ..arguments.variants import VARIANTS
from .handles import RemovableHandle
from .loading import EXTRA_STATE, Loading, collect_own
from .parameter import mark
from .tables import Tables

if TYPE_CHECKING:
    import numpy.typing as npt

    from .incompatible_keys import _IncompatibleKeys

    Array = npt.NDArray[Any]


def _positional(
    args: tuple[Any, ...], destination: Any, prefix: str, keep_vars: bool
) -> tuple[Any, str, bool]:
    """Read the arguments of state_dict that old code passes by position."""
    warnings.warn(
        "Positional args are being deprecated, use kwargs instead. Refer to "
        "https://pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.state_dict"
        " for details.",
        FutureWarning,
        stacklevel=3,
    )
    if destination is None:
        destination = args[0]
    if len(args) > 1 and prefix == "":
        prefix = args[1]
    if len(args) > 2 and keep_vars is False:
        keep_vars = args[2]
    return destination, prefix, keep_vars


class Stateful(Tables):
    """The base of :class:`pylstm.Module` that gives out its state and takes it in."""

    # Arguments that torch has not: part of the structure where they differ from these defaults.
    _variants = VARIANTS[""]

    def state_dict(
        self,
        *args: Any,
        destination: Any = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> Any:
        """Return the parameters and persistent buffers of the whole tree by name.

        Parameters
        ----------
        destination : dict, optional
            Filled and returned instead of a new OrderedDict.
        prefix : str
            Put in front of every name.
        keep_vars : bool
            Give writable arrays instead of read-only views; not of compressed weights.

        Returns
        -------
        OrderedDict of str to ndarray
            Views on the module's memory: later changes show in them. Its attribute
            ``_metadata`` is torch's, and records of a module that is none of torch's, or an RNN
            with ``relu``, what ``from_weights`` must know; a new dict of the same items does
            not. ``copy.deepcopy`` makes a snapshot. Compressed weights are given as they are
            stored: integers, with their scales (rows, 1) behind them in ``weight_ih_l0_scale``,
            or float16; those of bfloat16 as new float32 arrays. ``_metadata`` says which.

        Examples
        --------
        >>> import pylstm
        >>> {name: a.shape for name, a in pylstm.LSTMCell(2, 3, bias=False).state_dict().items()}
        {'weight_ih': (12, 2), 'weight_hh': (12, 3)}
        """
        if args:
            destination, prefix, keep_vars = _positional(args, destination, prefix, keep_vars)
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        own = {"version": self._version, **self._own_record()}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = own
        for hook in tuple(self._state_dict_pre_hooks.values()):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        if self._has_extra_state("get_extra_state"):
            destination[prefix + EXTRA_STATE] = self.get_extra_state()
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in tuple(self._state_dict_hooks.values()):
            replaced = hook(self, destination, prefix, own)
            if replaced is not None:
                if getattr(hook, "_from_public_api", False):
                    raise RuntimeError("state_dict post-hook must return None")
                destination = replaced
        return destination

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy parameters and persistent buffers from ``state_dict`` into the whole tree.

        Unlike torch's, this is atomic: where it raises, nothing has been changed.

        Parameters
        ----------
        state_dict : mapping of str to array_like
            Anything that NumPy makes a numeric array of, torch tensors and Parameters included.
            Values are converted to the dtype of what they fill. One that records that it is of
            another variant, ``reset_after=False`` for instance, is an error; one that records
            nothing fits every variant. A compressed module compresses numbers, takes what is
            stored as it is, and compresses what another storage stored from the numbers that it
            stands for. A float module refuses integers that have scales.
        strict : bool
            Whether missing and unexpected names are errors. A wrong shape always is.
        assign : bool
            Take the dtype of the values: a module in C does if they are all float32 or all
            float64, other arrays are replaced by copies of the values. A compressed module keeps
            its storage.

        Returns
        -------
        named tuple
            ``missing_keys`` and ``unexpected_keys``, lists of str.

        Raises
        ------
        RuntimeError
            One that lists everything that is wrong, in torch's layout.
        TypeError
            Where ``state_dict`` is not a mapping.

        Examples
        --------
        >>> import pylstm
        >>> a, b = pylstm.LSTM(2, 3), pylstm.LSTM(2, 3)
        >>> a.load_state_dict(b.state_dict())
        <All keys matched successfully>
        """
        if not isinstance(state_dict, Mapping):
            hint = mapping_hint(state_dict)
            raise TypeError(
                f"Expected state_dict to be dict-like, got {type(state_dict)}."
                + (f" {hint[0].upper()}{hint[1:]}" if hint else "")
            )
        # Making a class of named tuples takes a tenth of the import of pylstm.
        from .incompatible_keys import _IncompatibleKeys

        loading = Loading(assign, state_dict)
        copied: Any = OrderedDict(state_dict)  # for hooks to change
        copied._metadata = getattr(state_dict, "_metadata", OrderedDict())
        loading.collect(self, copied, "")
        name = type(self).__name__
        loading.raise_errors(name, strict and not loading.post_hooks, copied)
        loading.stage()
        loading.raise_errors(name, strict and not loading.post_hooks, copied)
        result = _IncompatibleKeys(loading.missing, loading.unexpected)
        if loading.post_hooks or loading.extra_states:
            check = partial(loading.raise_errors, name, strict, copied)
            loading.write_and_run(result, check)
        else:
            loading.write()
        return result

    def _complete_state_dict(
        self, state_dict: dict[str, Any], prefix: str, version: int | None
    ) -> None:
        """Add to ``state_dict`` what files of an older version of this class do not hold."""

    # ---- hooks, and state that is no array

    def _add_hook(self, table: str, hook: Callable[..., Any]) -> RemovableHandle:
        handle = RemovableHandle(self)
        getattr(self, table)[handle.id] = hook
        return handle

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before :meth:`state_dict` reads this module."""
        return self._add_hook("_state_dict_pre_hooks", hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after :meth:`state_dict`.

        The hook changes ``state_dict``, which has this module and its children, in place.
        """
        hook._from_public_api = True  # type: ignore[attr-defined]
        return self._add_hook("_state_dict_hooks", hook)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Do what :meth:`register_state_dict_post_hook` does; what ``hook`` returns is taken."""
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was "
                "previously registered via register_state_dict_post_hook"
            )
        return self._add_hook("_state_dict_hooks", hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook`` before :meth:`load_state_dict` reads what belongs to this module.

        Its arguments are ``(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)``; it may change the last three and ``state_dict``, a copy.
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        bound = partial(hook, self) if with_module else hook
        return self._add_hook("_load_state_dict_pre_hooks", bound)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` when :meth:`load_state_dict` has written.

        The hook may change the two lists of names, which ``strict`` looks at afterwards. Where a
        hook raises, or ``strict`` does, the arrays are what they were before.
        """
        return self._add_hook("_load_state_dict_post_hooks", hook)

    def get_extra_state(self) -> Any:
        """Return what :meth:`state_dict` keeps beside arrays; for subclasses to override."""
        raise RuntimeError(
            "Reached a code path in Module.get_extra_state() that should never be called. "
            "A subclass that overrides set_extra_state overrides it too."
        )

    def set_extra_state(self, state: Any) -> None:
        """Take what :meth:`get_extra_state` returned; for subclasses to override."""
        raise RuntimeError(
            "Reached a code path in Module.set_extra_state() that should never be called. "
            "A subclass that overrides get_extra_state overrides it too."
        )

    def _has_extra_state(self, method: str) -> bool:
        return getattr(type(self), method) is not getattr(Stateful, method)

    def _own_record(self) -> dict[str, Any]:
        """Return what the numbers of this module depend on and no state_dict of torch says."""
        return {}

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        """Put this module's own state, without that of its children, into ``destination``."""
        for name, array in self._registered_slots():
            if not keep_vars:
                array = array.view()
                array.flags.writeable = False
            destination[prefix + name] = array

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Find this module's own state in ``state_dict``, for :meth:`load_state_dict` to write.

        A subclass that overrides this changes the keys, and then calls it, as in torch.
        """
        lists = missing_keys, unexpected_keys, error_msgs
        collect_own(self, state_dict, prefix, local_metadata, lists)

    def _stage_state_dict(self, values: dict[str, Array], assign: bool) -> Callable[[], None]:
        """Convert the values of own slots now; return what writes them and cannot fail."""
        slots = dict(self._registered_slots())
        staged = {}
        for name, value in values.items():
            if assign:
                staged[name] = np.array(value)
            else:
                aliased = np.may_share_memory(value, slots[name])
                staged[name] = value.astype(slots[name].dtype, copy=aliased)

        def write() -> None:
            for name, value in staged.items():
                if assign:
                    if name in self._parameters:
                        mark(value)
                        self._parameters[name] = value
                    else:
                        self._buffers[name] = value
                else:
                    np.copyto(slots[name], value)

        return write

    def _restorer(self) -> Callable[[], None]:
        """Return what gives all own arrays the values that they have now."""
        saved = [
            (table, name, array, array.copy())
            for table in (self._parameters, self._buffers)
            for name, array in table.items()
            if array is not None
        ]

        def restore() -> None:
            for table, name, array, values in saved:
                if array.flags.writeable:
                    np.copyto(array, values)
                table[name] = array

        return restore
