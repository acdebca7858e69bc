"""Containers of modules: Sequential, ModuleList, ModuleDict."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from itertools import chain
from typing import TYPE_CHECKING, Any, overload

from .module import Module

if TYPE_CHECKING:
    from typing import Self

    from .streams import FrameStream


class _Numbered(Module):
    """The base of containers whose children are named by their places."""

    def _place(self, idx: Any) -> int:
        index = operator.index(idx)
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range")
        return index % len(self)

    def _key(self, idx: Any) -> str:
        return list(self._modules)[self._place(idx)]

    def _sliced(self, idx: slice) -> Self:
        """Return a container of the children of a slice."""
        raise NotImplementedError

    @overload
    def __getitem__(self, idx: slice) -> Self: ...

    @overload
    def __getitem__(self, idx: int) -> Any: ...

    def __getitem__(self, idx: Any) -> Any:
        return self._sliced(idx) if isinstance(idx, slice) else self._modules[self._key(idx)]

    def __setitem__(self, idx: Any, module: Module) -> None:
        setattr(self, self._key(idx), module)

    def __delitem__(self, idx: Any) -> None:
        keys = list(self._modules)
        for key in keys[idx] if isinstance(idx, slice) else [self._key(idx)]:
            delattr(self, key)
        numbered = {str(place): module for place, module in enumerate(self._modules.values())}
        self._modules = numbered

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def append(self, module: Module) -> Self:
        """Add a module at the end; returns this container."""
        self.add_module(str(len(self)), module)
        return self

    def _insert(self, index: int, module: Any) -> None:
        for place in range(len(self), index, -1):
            self._modules[str(place)] = self._modules[str(place - 1)]
        self._modules[str(index)] = module

    def pop(self, key: Any) -> Any:
        """Remove the module at an index, or those of a slice, and return it."""
        taken = self[key]
        del self[key]
        return taken


class Sequential(_Numbered):
    """A chain of modules: each gets what the one before it returned.

    Parameters
    ----------
    *args : Module
        The modules in order, or one ``OrderedDict`` of names and modules.

    Notes
    -----
    Mirrors ``torch.nn.Sequential``: indices, slices, ``append``, ``insert``, ``extend``, ``pop``,
    ``+``, ``*``, ``del`` and ``len``.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> steps = pylstm.Sequential(pylstm.RNNCell(3, 4), pylstm.RNNCell(4, 2))
    >>> steps
    Sequential(
      (0): RNNCell(3, 4)
      (1): RNNCell(4, 2)
    )
    >>> steps(np.zeros((5, 3))).shape
    (5, 2)
    >>> steps[1:]
    Sequential(
      (1): RNNCell(4, 2)
    )
    """

    @overload
    def __init__(self, *args: Module) -> None: ...

    @overload
    def __init__(self, arg: OrderedDict[str, Module], /) -> None: ...

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for place, module in enumerate(args):
                self.add_module(str(place), module)

    def _sliced(self, idx: slice) -> Self:
        return self.__class__(OrderedDict(list(self._modules.items())[idx]))

    def forward(self, input: Any) -> Any:
        """Hand ``input`` to the first module, and each result to the next."""
        for module in self:
            input = module(input)
        return input

    def stream(self, batch: int = 1) -> FrameStream:
        """Return a :class:`FrameStream`, which keeps what the next frames need between calls.

        Parameters
        ----------
        batch : int
            Number of rows, N; each row is a sequence of its own. 0 is allowed: rows can join later.

        Returns
        -------
        FrameStream
            ``stream(x)`` takes x of one frame, (N, C), or of several, (L, N, C).

        Raises
        ------
        ValueError
            If a member needs the whole sequence (a bidirectional layer, pooling, Flatten, a module
            of a class of its own), has hooks or a ``forward`` of its own, or is in a training mode
            in which it is random or mixes rows.

        Notes
        -----
        torch has no such method. Every member sees frames, with their features on the last axis:
        a recurrent layer hands on its output, and a Conv1d begins with zeros in the place of its
        ``padding``, as :meth:`Conv1d.stream` says. Outputs equal, in every bit, those of one call
        with all frames. The number of frames of a call must be a multiple of all strides.

        Examples
        --------
        >>> import numpy as np
        >>> import pylstm as nn
        >>> model = nn.Sequential(nn.Conv1d(8, 4, 3), nn.ReLU(), nn.LSTM(4, 5), nn.Linear(5, 1))
        >>> stream = model.stream(batch=2)
        >>> stream(np.zeros((2, 8))).shape
        (2, 1)
        """
        from .streams import FrameStream

        return FrameStream(self, batch)

    def insert(self, index: int, module: Module) -> Self:
        """Put a module before the one at ``index``; returns this container."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}")
        self._insert(index + len(self) if index < 0 else index, module)
        return self

    def extend(self, sequential: Iterable[Module]) -> Self:
        """Add modules at the end; returns this container."""
        for module in sequential:
            self.append(module)
        return self

    @staticmethod
    def _check_other(other: Any) -> None:
        if not isinstance(other, Sequential):
            raise ValueError(
                "add operator supports only objects "
                f"of Sequential class, but {type(other)} is given."
            )

    def _check_factor(self, factor: Any) -> None:
        if not isinstance(factor, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(factor)}")
        if factor <= 0:
            raise ValueError(f"Non-positive multiplication factor {factor} for {type(self)}")

    def __add__(self, other: Sequential) -> Sequential:
        self._check_other(other)
        return Sequential(*self, *other)

    def __iadd__(self, other: Sequential) -> Self:
        self._check_other(other)
        return self.extend(list(other))

    def __mul__(self, other: int) -> Sequential:
        self._check_factor(other)
        return Sequential(*[module for _ in range(other) for module in self])

    def __rmul__(self, other: int) -> Sequential:
        return self.__mul__(other)

    def __imul__(self, other: int) -> Self:
        self._check_factor(other)
        return self.extend(list(self) * (other - 1))


class ModuleList(_Numbered):
    """A list of modules that are children of the list.

    Parameters
    ----------
    modules : iterable of Module, optional

    Notes
    -----
    Mirrors ``torch.nn.ModuleList``; it has no ``forward``.

    Examples
    --------
    >>> import pylstm
    >>> pylstm.ModuleList(pylstm.LSTMCell(3, 3) for _ in range(3))
    ModuleList(
      (0-2): 3 x LSTMCell(3, 3)
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self += modules

    def _sliced(self, idx: slice) -> Self:
        return self.__class__(list(self)[idx])

    def insert(self, index: int, module: Module) -> None:
        """Put a module before the one at ``index``, as torch does: its class is not checked."""
        self._insert(index, module)

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end; returns this list."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleList.extend should be called with an "
                f"iterable, but got {type(modules).__name__}"
            )
        first = len(self)
        for place, module in enumerate(modules, first):
            self.add_module(str(place), module)
        return self

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList(chain(self, other))

    def __repr__(self) -> str:
        runs: list[tuple[int, int, str]] = []
        for place, module in enumerate(self):
            shown = repr(module)
            if runs and runs[-1][2] == shown:
                runs[-1] = (runs[-1][0], place, shown)
            else:
                runs.append((place, place, shown))
        lines = []
        for first, last, shown in runs:
            label = f"({first}): " if first == last else f"({first}-{last}): {last - first + 1} x "
            lines.append("  " + (label + shown).replace("\n", "\n  "))
        body = "\n".join(lines)
        return f"{self._get_name()}(\n{body}\n)" if lines else f"{self._get_name()}()"


class ModuleDict(Module):
    """A dict of modules that are children of the dict, in the order of insertion.

    Parameters
    ----------
    modules : mapping of str to Module, or iterable of pairs, optional

    Notes
    -----
    Mirrors ``torch.nn.ModuleDict``; it has no ``forward``.

    Examples
    --------
    >>> import pylstm
    >>> heads = pylstm.ModuleDict({"word": pylstm.LSTM(4, 8), "tag": pylstm.GRUCell(8, 2)})
    >>> list(heads), heads["tag"]
    (['word', 'tag'], GRUCell(8, 2))
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[Any] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Remove the module under ``key`` and return it."""
        return self._modules.pop(key)

    def keys(self) -> KeysView[str]:
        """Return the names."""
        return self._modules.keys()

    def items(self) -> ItemsView[str, Any]:
        """Return the pairs of names and modules."""
        return self._modules.items()

    def values(self) -> ValuesView[Any]:
        """Return the modules."""
        return self._modules.values()

    def update(self, modules: Mapping[str, Module] | Iterable[Any]) -> None:
        """Add the modules of a mapping or of pairs; those of the same names are replaced."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleDict.update should be called with an "
                f"iterable of key/value pairs, but got {type(modules).__name__}"
            )
        if isinstance(modules, (Mapping, ModuleDict)):
            for key, module in modules.items():
                self[key] = module
            return
        for place, pair in enumerate(modules):
            which = f"ModuleDict update sequence element #{place}"
            if not isinstance(pair, Iterable):
                raise TypeError(f"{which} should be Iterable; is{type(pair).__name__}")
            if len(pair) != 2:  # type: ignore[arg-type]
                raise ValueError(
                    f"{which} has length {len(pair)}; 2 is required"  # type: ignore[arg-type]
                )
            self[pair[0]] = pair[1]  # type: ignore[index]


for _class in (Sequential, ModuleList, ModuleDict):
    _class.__module__ = "pylstm"
