"""Module: what LSTM and LSTMCell share, and a container for them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import as_array
from ..arguments.naming import is_array_like, type_name
from .casting import CastMixin
from .hooks import HOOK_TABLES, HookMixin, reserve_numbers
from .module import TreeMixin
from .state_dict import StateMixin

if TYPE_CHECKING:
    from typing import NoReturn

    import numpy.typing as npt

    Array = npt.NDArray[Any]


def _check_name(kind: str, name: Any, suffix: str = "") -> None:
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


class Module(TreeMixin, StateMixin, CastMixin, HookMixin):
    """What LSTM and LSTMCell share, and a base class for containers of them.

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

    __module__ = "pylstm"  # where users find it: pickles and messages name that place

    _version = 1
    _parameters: dict[str, Array | None]

    def __init__(self) -> None:
        # Not by plain assignment: __setattr__ needs these very tables.
        values = vars(self)
        values["_parameters"] = {}
        values["_buffers"] = {}
        values["_non_persistent_buffers_set"] = set()
        values["_modules"] = {}
        for table in HOOK_TABLES:
            values[table] = OrderedDict()
        object.__setattr__(self, "training", True)

    forward: Callable[..., Any] = _missing_forward
    __signature__ = _CallSignature()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the pre-hooks, ``forward`` and the hooks."""
        return self._call_impl(*args, **kwargs)

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
        _check_name("parameter", name)
        self._check_free("parameter", self._parameters, name)
        if param is not None:
            refusal = (
                f"cannot assign '{type_name(param)}' object to parameter '{name}' "
                "(torch.nn.Parameter or None required)"
            )
            param = _to_array(param, name, refusal)
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
        _check_name("buffer", name)
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
        _check_name("module", name, f", got: {name}")
        self._modules[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """Do what :meth:`add_module` does."""
        self.add_module(name, module)

    # ---- attributes

    def __getattr__(self, name: str) -> Any:
        values = vars(self)
        for table in ("_parameters", "_buffers", "_modules"):
            if table in values and name in values[table]:
                return values[table][name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

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
            self._parameters[name] = value
        elif isinstance(value, Module):
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

    # ---- state

    def _own_parameters(self) -> Iterator[tuple[str, Array]]:
        for name, array in self._parameters.items():
            if array is not None:
                yield name, array

    def _owned_names(self) -> tuple[str, ...]:
        """Return the names of the parameters whose memory lies in C."""
        return ()

    def _own_slots(self) -> Iterator[tuple[str, Array]]:
        """Yield what load_state_dict fills: own parameters, then persistent buffers."""
        yield from self._registered_slots()

    def _registered_slots(self) -> Iterator[tuple[str, Array]]:
        """Yield what register_parameter and register_buffer added to the state."""
        for name, array in self._parameters.items():
            if array is not None:
                yield name, array
        for name, array in self._buffers.items():
            if array is not None and name not in self._non_persistent_buffers_set:
                yield name, array

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        """Put this module's own state, without that of its children, into ``destination``."""
        for name, array in self._registered_slots():
            if not keep_vars:
                array = array.view()
                array.flags.writeable = False
            destination[prefix + name] = array

    def _stage_state(self, values: dict[str, Array], assign: bool) -> Callable[[], None]:
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
                    table = self._parameters if name in self._parameters else self._buffers
                    table[name] = value
                else:
                    np.copyto(slots[name], value)

        return write

    # ---- printing

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

    # ---- pickle

    def __getstate__(self) -> dict[str, Any]:
        return vars(self).copy()

    def __setstate__(self, values: dict[str, Any]) -> None:
        vars(self).update(values)
        for table in HOOK_TABLES:
            vars(self).setdefault(table, OrderedDict())
        reserve_numbers(self)
        self._hooks_changed()
