"""Module: a tree of modules, walked and asked for by name. Users derive containers from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ..arguments.naming import type_name
from .casting import Castable
from .tables import check_name

if TYPE_CHECKING:
    from typing import Self

    import numpy.typing as npt

    Array = npt.NDArray[Any]


class Module(Castable):
    """What all layers and cells share, and a base class for containers of them.

    A subclass calls ``super().__init__()`` first. From then on modules that are assigned to
    attributes become children: their parameters, their state, ``train()``, ``to()`` and
    ``repr()`` belong to the tree. Arrays that belong to it as well are registered with
    :meth:`register_parameter` or :meth:`register_buffer`; an array that is merely assigned to
    an attribute stays an attribute, as a plain tensor does in torch.

    Attributes
    ----------
    training : bool
        Whether dropout is applied; see :meth:`train` and :meth:`eval`.

    Notes
    -----
    Mirrors ``torch.nn.Module``. There are no gradients and no devices but the CPU.

    Examples
    --------
    >>> import numpy as np
    >>> import pylstm as nn
    >>> class Tagger(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.lstm = nn.LSTM(4, 8, bidirectional=True)
    ...         self.register_parameter("weight", np.zeros((5, 16), np.float32))
    ...
    ...     def forward(self, x):
    ...         output, _ = self.lstm(x)
    ...         return output @ self.weight.T
    >>> tagger = Tagger()
    >>> tagger(np.ones((7, 2, 4))).shape
    (7, 2, 5)
    >>> tagger
    Tagger(
      (lstm): LSTM(4, 8, bidirectional=True)
    )
    >>> list(tagger.state_dict())[:2]
    ['weight', 'lstm.weight_ih_l0']
    """

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module under ``name``, as assigning it to an attribute does.

        Examples
        --------
        >>> import pylstm
        >>> stack = pylstm.Module()
        >>> stack.add_module("lstm", pylstm.LSTM(2, 3))
        >>> stack.lstm
        LSTM(2, 3)
        """
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{type_name(module)} is not a Module subclass")
        if not isinstance(name, str):
            raise TypeError(f"module name should be a string. Got {type_name(name)}")
        self._check_free("module", self._modules, name)
        check_name("module", name, f", got: {name}")
        self._modules[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """Do what :meth:`add_module` does."""
        self.add_module(name, module)

    # ---- the tree

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yield the name and the module of this module and of everything below it.

        Parameters
        ----------
        memo : set, optional
            Modules that are left out; those that are yielded are added.
        prefix : str
            Put in front of every name.
        remove_duplicate : bool
            Yield a module that hangs in several places only once.

        Examples
        --------
        >>> import pylstm
        >>> stack = pylstm.Module()
        >>> stack.lower, stack.upper = pylstm.LSTMCell(2, 3), pylstm.LSTMCell(3, 4)
        >>> [name for name, _ in stack.named_modules()]
        ['', 'lower', 'upper']
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                below = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, below, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """Yield this module and every module below it.

        Examples
        --------
        >>> import pylstm
        >>> model = pylstm.Module()
        >>> model.lstm = pylstm.LSTM(2, 3)
        >>> [type(module).__name__ for module in model.modules()]
        ['Module', 'LSTM']
        """
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the name and the module of every direct child, each module once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """Yield the direct children."""
        for _, module in self.named_children():
            yield module

    def _named_members(
        self,
        members: Callable[[Any], Iterable[tuple[str, Array]]],
        prefix: str,
        recurse: bool,
        remove_duplicate: bool,
    ) -> Iterator[tuple[str, Array]]:
        seen = set()
        modules: Iterable[tuple[str, Any]] = [(prefix, self)]
        if recurse:
            modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, module in modules:
            for name, array in members(module):
                memory = module._own_identity(name, array)
                if remove_duplicate and memory is not None:
                    if memory in seen:
                        continue
                    seen.add(memory)
                yield f"{path}.{name}" if path else name, array

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Array]]:
        """Yield the name and the array of every parameter, in the order of registration.

        Parameters
        ----------
        prefix : str
            Put in front of every name.
        recurse : bool
            Go into the children too.
        remove_duplicate : bool
            Yield a parameter that several names share only once.

        Yields
        ------
        (str, ndarray)
            The arrays are writable and share the module's memory; those of compressed weights are
            read-only and new.

        Examples
        --------
        >>> import pylstm
        >>> for name, weight in pylstm.LSTM(2, 3).named_parameters():
        ...     print(name, weight.shape)
        weight_ih_l0 (12, 2)
        weight_hh_l0 (12, 3)
        bias_ih_l0 (12,)
        bias_hh_l0 (12,)
        """
        yield from self._named_members(
            lambda module: module._own_parameters(), prefix, recurse, remove_duplicate
        )

    def parameters(self, recurse: bool = True) -> Iterator[Array]:
        """Yield every parameter; see :meth:`named_parameters`.

        Examples
        --------
        >>> import pylstm
        >>> sum(weight.size for weight in pylstm.LSTM(2, 3).parameters())
        84
        """
        for _, array in self.named_parameters(recurse=recurse):
            yield array

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Array]]:
        """Yield the name and the array of every buffer; see :meth:`named_parameters`."""
        yield from self._named_members(
            lambda module: (item for item in module._buffers.items() if item[1] is not None),
            prefix,
            recurse,
            remove_duplicate,
        )

    def buffers(self, recurse: bool = True) -> Iterator[Array]:
        """Yield every buffer."""
        for _, array in self.named_buffers(recurse=recurse):
            yield array

    def get_submodule(self, target: str) -> Module:
        """Return the module below this one at the dotted path ``target``; "" is this one.

        Examples
        --------
        >>> import pylstm
        >>> model = pylstm.Module()
        >>> model.encoder = pylstm.Module()
        >>> model.encoder.lstm = pylstm.LSTM(2, 3)
        >>> model.get_submodule("encoder.lstm")
        LSTM(2, 3)
        """
        module: Any = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module  # type: ignore[no-any-return]

    def _get_member(self, target: str) -> tuple[Module, str]:
        """Return the module that ``target`` lies in, and the last part of its name."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        return module, name

    def get_parameter(self, target: str) -> Array:
        """Return the parameter at the dotted path ``target``, as :meth:`named_parameters` does.

        Examples
        --------
        >>> import pylstm
        >>> model = pylstm.Module()
        >>> model.lstm = pylstm.LSTM(2, 3)
        >>> model.get_parameter("lstm.weight_ih_l0").shape
        (12, 2)
        """
        module, name = self._get_member(target)
        for own, array in module._own_parameters():
            if own == name:
                return array
        raise AttributeError(f"`{name}` is not an nn.Parameter")

    def get_buffer(self, target: str) -> Array:
        """Return the buffer at the dotted path ``target``."""
        module, name = self._get_member(target)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return getattr(module, name)  # type: ignore[no-any-return]

    def train(self, mode: bool = True) -> Self:
        """Switch to training mode, in which dropout is applied, here and in all children.

        Parameters
        ----------
        mode : bool
            False switches to evaluation mode, as :meth:`eval` does.

        Returns
        -------
        Module
            This module.

        Examples
        --------
        >>> import pylstm
        >>> lstm = pylstm.LSTM(2, 3, num_layers=2, dropout=0.5)
        >>> lstm.training, lstm.train(False).training
        (True, False)
        """
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Switch to evaluation mode, in which nothing is random; returns this module.

        Examples
        --------
        >>> import pylstm
        >>> pylstm.LSTM(2, 3).eval().training
        False
        """
        return self.train(False)

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` with every module below this one, children first, then with this one.

        Examples
        --------
        >>> import pylstm
        >>> def halve(module):
        ...     for _, weight in module.named_parameters(recurse=False):
        ...         weight *= 0.5
        >>> pylstm.LSTM(2, 3).apply(halve)
        LSTM(2, 3)
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self


# Where users find it: pickles and messages name that place. Not in the body, where a class would
# keep the line at which it begins: inspect would show that line of another file.
Module.__module__ = "pylstm"
# Errors name methods by their class too, and the bases are no names of users.
for _base in Module.__mro__[1:-1]:
    for _name, _value in vars(_base).items():
        if isinstance(_value, FunctionType):
            _value.__module__, _value.__qualname__ = "pylstm", f"Module.{_name}"
