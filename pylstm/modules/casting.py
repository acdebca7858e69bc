"""Converting a tree of modules to another dtype."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..arguments.dtypes import check_device, parse_to, tensor_type_dtype
from .hooks import Hooked
from .parameter import mark

if TYPE_CHECKING:
    from typing import NoReturn, Self


class Castable(Hooked):
    """The base of :class:`pylstm.Module` that changes dtypes, in place as torch does."""

    def _native_cast(self, dtype: str, kinds: str) -> Self:
        """Convert the arrays of the tree that are of the given NumPy kinds; all of them or none."""
        cast: dict[int, Any] = {}
        writers = [module._stage_cast(dtype, kinds, cast) for module in [*self._subtree()]]
        for write in writers:
            write()
        return self

    def _stage_cast(self, dtype: str, kinds: str, cast: dict[int, Any]) -> Callable[[], None]:
        """Convert own arrays now; return what puts them into place and cannot fail.

        ``cast`` has what was converted already, by the identity of the array: what several modules
        share, they share afterwards.
        """
        staged = []
        for table in (self._parameters, self._buffers):
            for name, array in table.items():
                if array is None or array.dtype.kind not in kinds or array.dtype == dtype:
                    continue
                if id(array) not in cast:
                    cast[id(array)] = array.astype(dtype)
                staged.append((table, name, cast[id(array)]))

        def write() -> None:
            for table, name, array in staged:
                if table is self._parameters:
                    mark(array)
                table[name] = array

        return write

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Convert floating-point parameters and buffers, in place.

        ``to(dtype)``, ``to(device, dtype)`` or ``to(array)``, positional or by keyword, as in
        torch; float32 and float64 in any spelling, and the device may only be the CPU.

        Returns
        -------
        Module
            This module.

        Examples
        --------
        >>> import numpy as np, pylstm
        >>> pylstm.LSTM(2, 3).to(np.float64).weight_hh_l0.dtype
        dtype('float64')
        """
        dtype = parse_to(args, kwargs)
        return self if dtype is None else self._native_cast(dtype, "f")

    def type(self, dst_type: Any) -> Self:
        """Convert all parameters and buffers, those of whole numbers too; returns this module."""
        return self._native_cast(tensor_type_dtype(dst_type), "biuf")

    def float(self) -> Self:
        """Convert floating-point parameters and buffers to float32; returns this module.

        Compressed weights become the float32 numbers that they stand for, here and in every other
        conversion; :func:`compress` makes a compressed module again.
        """
        return self._native_cast("float32", "f")

    def double(self) -> Self:
        """Convert floating-point parameters and buffers to float64; returns this module.

        Examples
        --------
        >>> import pylstm
        >>> pylstm.LSTM(2, 3).double().weight_ih_l0.dtype
        dtype('float64')
        """
        return self._native_cast("float64", "f")

    def cpu(self) -> Self:
        """Return this module: it is on the CPU already."""
        return self

    def half(self) -> NoReturn:
        """Raise TypeError: there is no float16 arithmetic."""
        raise TypeError(
            "half() is not offered: pylstm computes in float32 or float64; "
            'pylstm.compress(module, "float16") keeps weights in float16'
        )

    def bfloat16(self) -> NoReturn:
        """Raise TypeError: there is no bfloat16 arithmetic."""
        raise TypeError(
            "bfloat16() is not offered: pylstm computes in float32 or float64; "
            'pylstm.compress(module, "bfloat16") keeps weights in bfloat16'
        )

    def cuda(self, device: Any = None) -> Self:
        """Raise RuntimeError: pylstm computes on the CPU."""
        check_device("cuda" if device is None else f"cuda:{device}")
        return self
