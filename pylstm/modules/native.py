"""Modules whose parameters live in C: attributes, state_dict, copies and pickles of them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextvars import ContextVar
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

# The module in construction whose parameters are not drawn, and their storage: its first
# reset_parameters(), with which a constructor ends, does nothing. That of other modules, its
# children for instance, draws.
_to_be_filled: ContextVar[tuple[Any, str | None]] = ContextVar(
    "_to_be_filled", default=(None, None)
)

# By the identity of modules that are copied, the parameters that their copies get.
_to_be_shared: ContextVar[Mapping[int, Layer]] = ContextVar("_to_be_shared")

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
    if isinstance(saved["parameters"], _Shared):
        module._share(saved["parameters"].layer)
    elif weights is None:
        module._assign(contiguous(saved["parameters"], saved["dtype"]))
    else:
        module._assign(as_stored(saved["parameters"]))
    # Until __setstate__ has seen hooks and overrides: a subclass may have replaced it.
    module._direct = False
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
        return dict, ({name: self.layer._stored(name) for name in self.layer._parameter_names},)


def copied_with(module: AnyModule, parameters: Mapping[int, Layer]) -> AnyModule:
    """Return a deep copy of a module in which some modules get parameters that are there already.

    Parameters
    ----------
    module : Module
    parameters : mapping of int to Layer
        By the identity of the modules that are copied.
    """
    token = _to_be_shared.set(parameters)
    try:
        return copy.deepcopy(module)
    finally:
        _to_be_shared.reset(token)


class NativeModule(ParametersInC):
    """A module whose parameters live in C; base class of all layers and cells.

    In their bases the class in C comes first, so that a call enters C directly.
    """

    # The name of pylstm's class that the module is, or is derived from.
    _kind = ""
    # What the constructor fixes: attributes that can be read and never written again.
    _structure: tuple[str, ...] = ()
    # What may change between calls, apart from parameters: attributes that C stores.
    _options: tuple[str, ...] = ("training",)
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
        if _to_be_filled.get()[0] is self:
            weights = _to_be_filled.get()[1]
        try:
            arguments = self._build_arguments(structure)
            self._native_class._build(self, **arguments, dtype=dtype, weights=weights)
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
        return {**{name: vars(self)[name] for name in self._structure}, **own_variants(self)}

    def _zeros_in(self, weights: str) -> Layer:
        empty: Any = self._native_class()  # without the code of a subclass
        arguments = self._build_arguments(self._present_structure())
        empty._build(**arguments, dtype="float32", weights=weights)
        return empty  # type: ignore[no-any-return]

    def _recorded_options(self) -> dict[str, Any]:
        own, name = own_variants(self), getattr(self, "nonlinearity", None)
        is_told = name == "relu" or (own and name == "tanh")
        return {**own, "nonlinearity": name} if is_told else own

    def _is_built(self) -> bool:
        return "_modules" in vars(self) and bool(self._owned_names())

    def _hooks_changed(self) -> None:
        cls = type(self)
        self._direct = (
            not (self._forward_hooks or self._forward_pre_hooks)
            and "forward" not in vars(self)
            and cls.forward is cls._native_forward
            and cls._call_impl is Module._call_impl
        )

    # ---- attributes

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._owned_names():
            return self._parameter(name)
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._owned_names():
            self._set_parameter(name, value)
        elif name == "weights" and self._is_asked_to_compress(value):
            raise AttributeError(
                f"attribute 'weights' of {self._get_name()} cannot be set: "
                "pylstm.compress(module, weights) returns a compressed module"
            )
        elif (name in self._structure or name in self._variants) and self._is_built():
            self._refuse_change(name, "cannot be changed")
        elif name in self._options:  # whatever is given: no module becomes a child of that name
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
        if name in self._structure or name in self._variants:
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
        """Draw all parameters anew from U(-s, s) with s = 1 / sqrt(hidden_size).

        The numbers come from the generator that :func:`pylstm.manual_seed` seeds, in torch's
        order: the same seed gives the same bits as torch.

        Examples
        --------
        >>> import pylstm
        >>> pylstm.manual_seed(0)
        >>> lstm = pylstm.LSTM(2, 3)
        >>> first = lstm.weight_ih_l0.copy()
        >>> lstm.reset_parameters()  # goes on where the generator stands
        >>> bool((lstm.weight_ih_l0 == first).any())
        False
        """
        if _to_be_filled.get()[0] is self:
            _to_be_filled.set((None, None))
        else:
            self._reset_parameters()

    @classmethod
    def _made_to_be_filled(cls, arguments: dict[str, Any], weights: str | None = None) -> Self:
        """Make a module by its constructor, which draws no number: its caller fills it.

        Its parameters are kept in the storage ``weights``; of None as floats.
        """
        module: Any = cls.__new__(cls)
        token = _to_be_filled.set((module, weights))
        try:
            module.__init__(**arguments)
        finally:
            _to_be_filled.reset(token)
        return module  # type: ignore[no-any-return]

    @classmethod
    def from_weights(cls, source: Any, prefix: str | None = None, **options: Any) -> Self:
        """Make a module with the parameters of a weight file; their shapes tell its sizes.

        No torch is needed, nothing in the file is run, and of its numbers only those of this
        module are read. No random number is drawn.

        Parameters
        ----------
        source : str, os.PathLike, bytes, binary file object or mapping
            A weight file of any format that :func:`pylstm.load` reads, or what it returned, or
            any mapping of names to arrays, nested or not.
        prefix : str, optional
            The dotted path to the module in the file, or the end of it: ``"encoder.lstm"`` finds
            ``"state_dict.encoder.lstm"`` if nothing else ends so. May be omitted where there is
            only one of this class. :func:`pylstm.find_recurrent` lists them. Where none fits, a
            cell of the kind is read as a layer, or a layer that has one forward direction, no
            other layers and no projection as a cell.
        **options
            What shapes cannot tell: ``dtype``, ``device`` and, for a layer, ``batch_first`` and
            ``dropout``. A file with a whole module records the last two, and whether the module
            is in training mode; they are the defaults then. The dtype is float64 if any of the
            parameters is float64, else float32.

            ``weights`` : str
                A storage, as :func:`pylstm.compress` takes it: the weights are compressed while
                they are read, without a float32 copy of the whole. By default the file decides: one
                that a compressed module was saved to makes such a module, and with ``"float32"``
                or a dtype of float64 one of the floats that its weights stand for. Short floats
                that no compressed module was saved to are floats.

            Then the answers to what a file may leave open:

            ``bias`` : bool
                True gives zeros to a module that has no biases in the file.
            ``nonlinearity`` : str
                ``"tanh"`` or ``"relu"``, of an RNN or RNNCell: no ``state_dict`` says it.
            ``gate_activation``, ``activation``, ``cell_clip``, ``reset_after``, ``reverse``
                As the constructor takes them; what the file says holds.
            ``merge_mode`` : str
                How Keras joins the outputs of two directions, ``"concat"`` by default. What else a
                file says must be repeated here: the module gives both, and its caller joins them.

            ``**found.assumed`` of the :class:`FoundRecurrent` confirms all that was assumed.

        Returns
        -------
        module
            Of this class; a subclass is constructed with its base's arguments, by name.

        Raises
        ------
        WeightFileError
            If the file is damaged, holds no such module or several, or says something else than
            an answer; a ``ValueError``. The text lists what there is.
        ValueError
            If an answer asks for what pylstm does not compute, or ``weights`` for no storage, or
            for one in a module of float64.
        TypeError
            For an option that is none, or an answer of the wrong type.

        Warns
        -----
        WeightFileWarning
            If numbers depend on what was assumed and not answered: by a Keras file without the
            configuration of the layer, for instance, by a ``state_dict`` of an RNN, or by a file
            of PaddlePaddle, whose layers are batch first unless their program says otherwise. Also
            if the file starts from constant states that are not zero: :func:`find_recurrent` gives
            them as ``initial_states``.

        Examples
        --------
        >>> import pylstm
        >>> checkpoint = {"epoch": 3, "model": pylstm.LSTM(4, 8, 2).state_dict(prefix="tagger.")}
        >>> pylstm.LSTM.from_weights(checkpoint, "tagger", batch_first=True)
        LSTM(4, 8, num_layers=2, batch_first=True)
        """
        from ..weights.build import from_weights  # many programs read no files

        return from_weights(cls, source, prefix, options)

    # ---- printing, copies, pickles

    def __repr__(self) -> str:
        if not self._is_built():
            return f"<{self._get_name()} without parameters: __init__() has not been called>"
        return super().__repr__()

    def _present_options(self) -> dict[str, Any]:
        """Return the options by name; the nonlinearity of an RNNCell may have been deleted."""
        return {name: getattr(self, name) for name in self._options if hasattr(self, name)}

    def __copy__(self) -> Self:
        """Return a module that shares the parameters, as a shallow copy in torch does.

        The copy has tables of its own: hooks that are registered later are not shared.
        """
        other = type(self).__new__(type(self))
        other._share(self)
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
        names = self._parameter_names  # a RuntimeError before __init__
        saved: dict[str, Any] = {
            "version": 2 if own_variants(self) else 1,
            "structure": self._present_structure(),
            "options": self._present_options(),
            "dtype": self._dtype.name,
        }
        shared = _to_be_shared.get({}).get(id(self))
        held = shared or (self if self._weights is None else self._held())
        if held._weights is not None:
            saved |= {"version": 3, "weights": held._weights}
        if shared is not None:
            saved["parameters"] = _Shared(shared)
        else:
            export = held._parameter_view if held._weights is None else held._stored
            saved["parameters"] = {name: export(name) for name in names}
        return _rebuild, (type(self), saved), self.__getstate__()


# The tables that Module.__init__ makes.
_TABLES = frozenset(vars(Module())) - {"training"}
