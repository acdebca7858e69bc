"""The tables of a module: parameters, buffers and children, reached as attributes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import as_array
from ..arguments.naming import is_array_like, type_name
from .handles import STATE_HOOK_TABLES
from .parameter import is_marked, mark

if TYPE_CHECKING:
    from typing import Self

# Not for checkers alone: typing.get_type_hints evaluates the annotations of every base of a class.
Array = np.ndarray[tuple[Any, ...], np.dtype[Any]]


def check_name(kind: str, name: Any, suffix: str = "") -> None:
    """Refuse names that no dotted path could hold."""
    if "." in name:
        raise KeyError(f'{kind} name can\'t contain "."{suffix}')
    if name == "":
        raise KeyError(f'{kind} name can\'t be empty string ""')


def _to_array(value: Any, name: str, refusal: str) -> Array:
    """Return ``value`` itself if it is an array, else one that shares its memory."""
    if not is_array_like(value) or isinstance(value, (list, tuple)):
        raise TypeError(f"{refusal}: in pylstm it is a NumPy array")
    array = value if type(value) is np.ndarray else as_array(value, name, "any")
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{refusal}: it must hold numbers, got dtype {array.dtype}")
    return array


def memory_of(array: Array) -> tuple[Any, ...] | None:
    """Return what two names of one parameter have in common; None where there is no memory.

    The array object will not do: a module in C makes a new one every time it is asked.
    """
    if array.size == 0:
        return None
    interface = array.__array_interface__
    return interface["data"][0], interface["shape"], array.strides, interface["typestr"]


class Tables:
    """The first base of :class:`pylstm.Module`: what belongs to a module, and how it is reached.

    The bases form a chain: each declares what it owns, and knows those before it only.
    """

    _version = 1
    _hints: Mapping[str, str] = MappingProxyType({})  # behind errors on attributes that are absent
    _parameters: dict[str, Array | None]
    _buffers: dict[str, Array | None]
    _non_persistent_buffers_set: set[str]
    _modules: dict[str, Any]
    _state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _state_dict_hooks: OrderedDict[int, Callable[..., Any]]
    _load_state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _load_state_dict_post_hooks: OrderedDict[int, Callable[..., Any]]
    training: bool

    def __init__(self) -> None:
        # Not by plain assignment: __setattr__ needs these very tables.
        values = vars(self)
        values["_parameters"] = {}
        values["_buffers"] = {}
        values["_non_persistent_buffers_set"] = set()
        values["_modules"] = {}
        for table in STATE_HOOK_TABLES:
            values[table] = OrderedDict()
        object.__setattr__(self, "training", True)

    # ---- registration

    def _check_free(self, kind: str, table: Mapping[str, Any], name: str) -> None:
        if hasattr(self, name) and name not in table:
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name: str, param: Array | None) -> None:
        """Add a parameter: an array that belongs to the module's state.

        Parameters
        ----------
        name : str
            The attribute under which it can be reached; no dots.
        param : ndarray or None
            The array itself is kept, not a copy. None reserves the name.

        Examples
        --------
        >>> import numpy as np, pylstm
        >>> head = pylstm.Module()
        >>> head.register_parameter("weight", np.zeros((5, 16), np.float32))
        >>> list(head.state_dict())
        ['weight']
        """
        if "_parameters" not in vars(self):
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"parameter name should be a string. Got {type_name(name)}")
        check_name("parameter", name)
        self._check_free("parameter", self._parameters, name)
        if param is not None:
            refusal = (
                f"cannot assign '{type_name(param)}' object to parameter '{name}' "
                "(torch.nn.Parameter or None required)"
            )
            param = _to_array(param, name, refusal)
            mark(param)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Array | None, persistent: bool = True) -> None:
        """Add a buffer: an array that is state but not a parameter, such as a running mean.

        Parameters
        ----------
        name : str
            The attribute under which it can be reached; no dots.
        tensor : ndarray or None
            The array itself is kept, not a copy. None reserves the name.
        persistent : bool
            Whether it is part of :meth:`state_dict`.

        Examples
        --------
        >>> import numpy as np, pylstm
        >>> scaler = pylstm.Module()
        >>> scaler.register_buffer("mean", np.zeros(16, np.float32))
        >>> list(scaler.state_dict()), list(scaler.parameters())
        (['mean'], [])
        """
        if "_buffers" not in vars(self):
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"buffer name should be a string. Got {type_name(name)}")
        check_name("buffer", name)
        self._check_free("buffer", self._buffers, name)
        if tensor is not None:
            refusal = (
                f"cannot assign '{type_name(tensor)}' object to buffer '{name}' "
                "(torch Tensor or None required)"
            )
            tensor = _to_array(tensor, name, refusal)
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    # ---- attributes

    def __getattr__(self, name: str) -> Any:
        values = vars(self)
        for table in ("_parameters", "_buffers", "_modules"):
            if table in values and name in values[table]:
                return values[table][name]
        hint = self._hints.get(name, "")
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'{hint}")

    def __setattr__(self, name: str, value: Any) -> None:
        values = vars(self)
        modules = values.get("_modules", {})
        if name in values.get("_parameters", ()):
            if value is not None:
                refusal = (
                    f"cannot assign '{type_name(value)}' as parameter '{name}' "
                    "(torch.nn.Parameter or None expected)"
                )
                value = _to_array(value, name, refusal)
                mark(value)
            self._parameters[name] = value
        elif is_marked(value):
            if "_parameters" not in values:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            values.pop(name, None)
            self._buffers.pop(name, None)
            self._non_persistent_buffers_set.discard(name)
            modules.pop(name, None)
            self.register_parameter(name, value)
        elif isinstance(value, Tables):
            if "_modules" not in values:
                raise AttributeError("cannot assign module before Module.__init__() call")
            values.pop(name, None)
            self._buffers.pop(name, None)
            self._non_persistent_buffers_set.discard(name)
            modules[name] = value
        elif name in modules:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{type_name(value)}' as child module '{name}' "
                    "(torch.nn.Module or None expected)"
                )
            modules[name] = value
        elif name in values.get("_buffers", ()):
            if value is not None:
                refusal = (
                    f"cannot assign '{type_name(value)}' as buffer '{name}' "
                    "(torch.nn.Buffer, torch.Tensor or None expected)"
                )
                value = _to_array(value, name, refusal)
            self._buffers[name] = value
        else:
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        values = vars(self)
        for table in ("_parameters", "_buffers", "_modules"):
            if name in values.get(table, ()):
                del values[table][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        values = vars(self)
        names = {*dir(type(self)), *values, *self._owned_names()}
        for table in ("_parameters", "_buffers", "_modules"):
            names.update(values.get(table, ()))
        return sorted(name for name in names if not name[:1].isdigit())

    # ---- what is in them

    def _own_parameters(self) -> Iterator[tuple[str, Array]]:
        """Yield this module's own parameters, writable; None is left out."""
        for name, array in self._parameters.items():
            if array is not None:
                yield name, array

    def _own_identity(self, name: str, array: Array) -> tuple[Any, ...] | None:
        """Return what tells an own parameter or buffer from all others; None without memory."""
        return memory_of(array)

    def _owned_names(self) -> tuple[str, ...]:
        """Return the names of the parameters whose memory lies in C."""
        return ()

    def _own_slots(self) -> Iterator[tuple[str, Array]]:
        """Yield what load_state_dict fills: own parameters, then persistent buffers."""
        yield from self._registered_slots()

    def _own_dtype_name(self, name: str, array: Array) -> str:
        """Return how a table shows the dtype of what :meth:`_own_slots` yields."""
        return str(array.dtype)

    def _own_scale_slots(self) -> Iterator[tuple[str, Array]]:
        """Yield the scales that load_state_dict takes beside stored weights of integers."""
        yield from ()

    def _registered_slots(self) -> Iterator[tuple[str, Array]]:
        """Yield what register_parameter and register_buffer added to the state."""
        for name, array in self._parameters.items():
            if array is not None:
                yield name, array
        for name, array in self._buffers.items():
            if array is not None and name not in self._non_persistent_buffers_set:
                yield name, array

    def _subtree(self, seen: set[Any] | None = None) -> Iterator[Any]:
        """Yield this module and every module below it once, from above."""
        seen = set() if seen is None else seen
        if self in seen:
            return
        seen.add(self)
        yield self
        for module in self._modules.values():
            if module is not None:
                yield from module._subtree(seen)

    # ---- printing

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """Return what ``repr()`` shows between the parentheses; for subclasses to override."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        if len(lines) == 1 and not self._modules:
            return f"{self._get_name()}({extra})"
        for name, module in self._modules.items():
            lines.append(f"({name}): " + repr(module).replace("\n", "\n  "))
        body = "".join(f"\n  {line}" for line in lines)
        return f"{self._get_name()}({body}\n)" if lines else f"{self._get_name()}()"

    def _repr_html_(self) -> str:
        """Return a small table of the parameters, for notebooks."""
        from .markup import module_table  # only notebooks need it

        return module_table(self)

    # ---- what torch has and gradients need

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Return this module: pylstm computes no gradients, so there is no flag to set."""
        if not isinstance(requires_grad, bool):
            raise TypeError(
                "requires_grad_(): argument 'requires_grad' (position 1) must be bool, "
                f"not {type(requires_grad).__name__}"
            )
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Do nothing: pylstm computes no gradients, so there are none to clear."""
