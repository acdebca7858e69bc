"""Parameter: marks an array as one that a module owns, as torch.nn.Parameter does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from .._core import Lease, as_array

if TYPE_CHECKING:
    from typing import Self

    import numpy.typing as npt

# The arrays that are marked, by identity. An array has no room for a mark, and as a subclass it
# would hand its class to every result.
_marked: WeakValueDictionary[int, np.ndarray[Any, Any]] = WeakValueDictionary()


def mark(array: Any) -> None:
    """Make an array a parameter from now on."""
    _marked[id(array)] = array


def is_marked(value: Any) -> bool:
    """Tell whether :func:`mark` has seen this very object."""
    return type(value) is np.ndarray and _marked.get(id(value)) is value


class _ParameterType(type):
    """Makes ``isinstance(array, Parameter)`` look at the mark."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if type(instance) is not np.ndarray:
            return False
        # What a module in C hands out as its parameter is one; what its state_dict holds is not.
        base: Any = instance.base
        return is_marked(instance) or (type(base) is Lease and instance.flags.writeable)


if TYPE_CHECKING:

    class Parameter(np.ndarray[Any, np.dtype[Any]]):
        """The type of arrays that are marked."""

        def __new__(cls, data: npt.ArrayLike = ..., requires_grad: bool = True) -> Self: ...

else:

    class Parameter(metaclass=_ParameterType):
        """Mark an array as a parameter: assigned to an attribute of a Module, it is registered.

        Parameters
        ----------
        data : array_like
            Numbers; floating point unless ``requires_grad`` is False. The dtype stays: make it
            ``np.zeros(3, np.float32)`` where the module computes in float32.
        requires_grad : bool
            Taken as torch takes it; pylstm computes no gradients.

        Returns
        -------
        ndarray
            A new array on the memory of ``data``, for which ``isinstance(array, Parameter)`` is
            True. It is a plain array, and so is every result that is computed from it. The mark
            belongs to the array object: views, copies and pickles of the array alone have none;
            those of its module have.

        Notes
        -----
        Mirrors ``torch.nn.Parameter``.

        Examples
        --------
        >>> import numpy as np, pylstm
        >>> head = pylstm.Module()
        >>> head.scale = pylstm.Parameter(np.ones(3, np.float32))
        >>> head.offset = np.zeros(3, np.float32)  # an attribute like any other
        >>> list(head.state_dict())
        ['scale']
        >>> isinstance(head.scale, pylstm.Parameter), type(head.scale * 2).__name__
        (True, 'ndarray')
        """

        def __new__(cls, data=None, requires_grad=True):
            """Return a marked array."""
            given = np.empty(0, np.float32) if data is None else data
            array = as_array(given, "data", "any")
            if array.dtype.kind not in "biufc":
                raise TypeError(f"data must hold numbers, got dtype {array.dtype}")
            if requires_grad and array.dtype.kind in "biu":
                raise RuntimeError(
                    "Only Tensors of floating point and complex dtype can require gradients: "
                    f"data is of {array.dtype}; pass requires_grad=False, or make it float32"
                )
            array = array.view(np.ndarray)
            mark(array)
            return array


# By type's own setter, which the __module__ of the metaclass hides: it drops the line at which the
# class begins too, as in module.py.
vars(type)["__module__"].__set__(Parameter, "pylstm")
