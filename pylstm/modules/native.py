"""Modules whose parameters live in C: attributes, state_dict, copies and pickles of them."""

from __future__ import annotations

import copy
from _thread import _local as local  # threading's, whose import takes as long as a tenth of ours
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from .._core import Layer
from ..arguments.variants import own_variants
from .handles import HOOK_TABLES
from .module import Module
from .parameters import ParametersInC, as_stored, contiguous

if TYPE_CHECKING:
    from typing import NoReturn, Self

AnyModule = TypeVar("AnyModule", bound=Module)

# Attributes on which it depends whether a call may enter C directly.
_DECIDING = frozenset(("forward", "__class__", *HOOK_TABLES))


class _Task(local):
    """What a function of this file tells the methods of modules that it calls, of its own thread.

    Unlike ``ContextVar.set``, an assignment that finds no memory has changed nothing.
    """

    # The module in construction whose parameters are not drawn, and their storage: its first
    # reset_parameters(), with which a constructor ends, does nothing. That of other modules, its
    # children for instance, draws.
    to_be_filled: tuple[Any, str | None] = (None, None)
    # By the identity of modules that are copied, the parameters that their copies get.
    to_be_shared: Mapping[int, Layer] = {}


_task = _Task()

# Of the pickles that this version reads; see NativeModule.__reduce_ex__. What torch computes too is
# written as version 1: older versions of pylstm read that, and would leave out what a variant has,
# which is version 2. Compressed weights are version 3.
_PICKLE_VERSION = 3


def _rebuild(cls: type[NativeModule], saved: dict[str, Any]) -> NativeModule:
    """Make the module that a pickle describes; its attributes follow through __setstate__."""
    if saved["version"] > _PICKLE_VERSION:
        raise ValueError(
            f"this pickle of {cls.__name__} has version {saved['version']}, and this pylstm "
            f"reads up to {_PICKLE_VERSION}: a newer pylstm wrote it"
        )
    module = cls.__new__(cls)
    weights = saved.get("weights")
    module._build_structure(saved["structure"], saved["dtype"], weights)
    Module.__init__(module)
    for name, value in saved["options"].items():
        object.__setattr__(module, name, value)
    parameters = saved["parameters"]
    if isinstance(parameters, _Shared):
        module._native_share(parameters.layer)
    else:
        for name in module._native_names:
            if name not in parameters:
                raise ValueError(f"this pickle of {cls.__name__} has no {name}")
        made = contiguous(parameters, saved["dtype"]) if weights is None else as_stored(parameters)
        module._native_assign(made)
    # Until __setstate__ has seen hooks and overrides: a subclass may have replaced it.
    module._native_direct = False
    return module


# Pickles of every version name this, wherever the file lies.
_rebuild.__module__ = "pylstm.native"


class _Shared:
    """Compressed parameters in what describes a module: a copy of that does not copy them."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:  # for a class that copies itself by a pickle
        return dict, ({name: self.layer._native_stored(name) for name in self.layer._native_names},)


def copied_with(module: AnyModule, parameters: Mapping[int, Layer]) -> AnyModule:
    """Return a deep copy of a module in which some modules get parameters that are there already.

    Parameters
    ----------
    module : Module
    parameters : mapping of int to Layer
        By the identity of the modules that are copied.
    """
    outer = _task.to_be_shared
    try:
        _task.to_be_shared = parameters
        return copy.deepcopy(module)
    finally:
        _task.to_be_shared = outer


class NativeModule(ParametersInC):
    """A module whose parameters live in C; base class of all layers and cells, and of Linear.

    In their bases the class in C comes first, so that a call enters C directly. Private names that
    subclasses of others may well have too begin with ``_native_`` here.
    """

    # The name of pylstm's class that the module is, or is derived from.
    _native_kind = ""
    # What the constructor fixes: attributes that can be read and never written again.
    _native_structure: tuple[str, ...] = ()
    # What may change between calls, apart from parameters: attributes that C stores.
    _native_options: tuple[str, ...] = ("training",)
    # The method in C that a call may enter without a Python frame.
    _native_forward: Any = None

    # The class in C that has it.
    _native_class: Any = None

    def _build_arguments(self, structure: dict[str, Any]) -> dict[str, Any]:
        """Return what C builds the parameters from, beside their dtype and storage."""
        raise NotImplementedError

    def _build_structure(
        self, structure: dict[str, Any], dtype: str, weights: str | None = None
    ) -> None:
        """Allocate the parameters, zeroed, and store the structural attributes."""
        if _task.to_be_filled[0] is self:
            weights = _task.to_be_filled[1]
        try:
            arguments = self._build_arguments(structure)
            self._native_class._native_build(self, **arguments, dtype=dtype, weights=weights)
        except (MemoryError, OverflowError):
            sizes = ", ".join(f"{name}={value}" for name, value in structure.items())
            raise MemoryError(
                f"the parameters do not fit into memory: {self._get_name()} with {sizes}"
            ) from None
        for name in self._variants:
            vars(self).pop(name, None)
        vars(self).update(structure)

    def _present_structure(self) -> dict[str, Any]:
        """Return what the constructor fixed, as :meth:`_build_structure` takes it."""
        return {**{name: vars(self)[name] for name in self._native_structure}, **own_variants(self)}

    def _zeros_in(self, weights: str) -> Layer:
        empty: Any = self._native_class()  # without the code of a subclass
        arguments = self._build_arguments(self._present_structure())
        empty._native_build(**arguments, dtype="float32", weights=weights)
        return empty  # type: ignore[no-any-return]

    def _is_built(self) -> bool:
        return "_modules" in vars(self) and bool(self._owned_names())

    def _hooks_changed(self) -> None:
        cls = type(self)
        self._native_direct = (
            not (self._forward_hooks or self._forward_pre_hooks)
            and "forward" not in vars(self)
            and cls.forward is cls._native_forward
            and cls._call_impl is Module._call_impl
        )

    # ---- attributes

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._owned_names():
            return self._native_parameter(name)
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._owned_names():
            self._set_parameter(name, value)
        elif name == "weights" and self._is_asked_to_compress(value):
            raise AttributeError(
                f"attribute 'weights' of {self._get_name()} cannot be set: "
                "pylstm.compress(module, weights) returns a compressed module"
            )
        elif (name in self._native_structure or name in self._variants) and self._is_built():
            self._refuse_change(name, "cannot be changed")
        elif name in self._native_options:  # whatever is given: none becomes a child of that name
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)
            if name in _DECIDING and self._is_built():
                self._hooks_changed()

    def __delattr__(self, name: str) -> None:
        if name in self._owned_names():
            raise AttributeError(
                f"parameter '{name}' cannot be deleted: {self._get_name()} computes with it; "
                "set it to zeros, or make the module without it (bias=False)"
            )
        if name in self._native_structure or name in self._variants:
            self._refuse_change(name, "cannot be deleted")
        super().__delattr__(name)
        if name == "forward":
            self._hooks_changed()

    def _refuse_change(self, name: str, what: str) -> NoReturn:
        raise AttributeError(
            f"attribute '{name}' {what}: the constructor fixes it; make a new "
            f"{self._get_name()} with another {name}"
        )

    def reset_parameters(self) -> None:
        """Draw all parameters anew, with torch's bits after the same :func:`pylstm.manual_seed`."""
        if _task.to_be_filled[0] is self:
            _task.to_be_filled = (None, None)
        else:
            self._native_reset_parameters()

    @classmethod
    def _made_to_be_filled(cls, arguments: dict[str, Any], weights: str | None = None) -> Self:
        """Make a module by its constructor, which draws no number: its caller fills it.

        Its parameters are kept in the storage ``weights``; of None as floats.
        """
        module: Any = cls.__new__(cls)
        outer = _task.to_be_filled
        try:
            _task.to_be_filled = (module, weights)
            module.__init__(**arguments)
        finally:
            _task.to_be_filled = outer
        return module  # type: ignore[no-any-return]

    # ---- printing, copies, pickles

    def __repr__(self) -> str:
        if not self._is_built():
            return f"<{self._get_name()} without parameters: __init__() has not been called>"
        return super().__repr__()

    def _present_options(self) -> dict[str, Any]:
        """Return the options by name; the nonlinearity of an RNNCell may have been deleted."""
        return {name: getattr(self, name) for name in self._native_options if hasattr(self, name)}

    def __copy__(self) -> Self:
        """Return a module that shares the parameters, as a shallow copy in torch does.

        The copy has tables of its own: hooks that are registered later are not shared.
        """
        other = type(self).__new__(type(self))
        other._native_share(self)
        Module.__init__(other)
        vars(other).update(self._present_structure())
        for name, value in self._present_options().items():
            object.__setattr__(other, name, value)
        attributes = {
            name: value.copy() if name in _TABLES else value
            for name, value in self.__getstate__().items()
        }
        other.__setstate__(attributes)
        return other

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Pickle parameters, structure and options as plain values; no random number is drawn.

        Attributes, hooks and children follow as the state, so that they may refer back to the
        module. The layout is part of the interface: what an older version wrote stays readable.
        """
        names = self._native_names  # a RuntimeError before __init__
        saved: dict[str, Any] = {
            "version": 2 if own_variants(self) else 1,
            "structure": self._present_structure(),
            "options": self._present_options(),
            "dtype": self._native_dtype.name,
        }
        shared = _task.to_be_shared.get(id(self))
        held = shared or (self if self._native_weights is None else self._native_held())
        if held._native_weights is not None:
            saved |= {"version": 3, "weights": held._native_weights}
        if shared is not None:
            saved["parameters"] = _Shared(shared)
        else:
            export = held._parameter_view if held._native_weights is None else held._native_stored
            saved["parameters"] = {name: export(name) for name in names}
        return _rebuild, (type(self), saved), self.__getstate__()


# The tables that Module.__init__ makes.
_TABLES = frozenset(vars(Module())) - {"training"}
