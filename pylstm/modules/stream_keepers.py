"""The members of a stream that keep something for the next frames: Conv1d and recurrent layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .._core import as_array
from ..functional.conv import DTYPES

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

NARROWER = (
    "is float32 now, and its state in this stream float64, which float32 would round: "
    "stream.state = stream.state rounds it, reset() drops it"
)


def called(name: str, module: Any) -> str:
    """Return how messages call a member."""
    kind = type(module).__name__
    return f"member '{name}', {kind}," if name else f"this {kind}"


class Window:
    """A Conv1d, and the frames before the next one that it reads once more."""

    def __init__(self, module: Any, name: str) -> None:
        self.module, self.name = module, name
        (self.stride,) = module.stride
        self.sizes = self._sizes()
        self.context = module.dilation[0] * (module.kernel_size[0] - 1)
        self.channels = module.in_channels
        self.features = module.out_channels
        self.dilation, self.groups = module.dilation[0], module.groups

    def _sizes(self) -> Any:
        module = self.module
        return (
            module.in_channels,
            module.kernel_size,
            module.stride,
            module.dilation,
            module.groups,
        )

    def zeros(self, rows: int) -> Array:
        """Return the state of rows that have read nothing."""
        return np.zeros((self.context, rows, self.channels), self.module._native_dtype)

    def read(self, value: Any, rows: int, label: str) -> Array:
        """Return a state that was given, in the module's dtype."""
        shape = (self.context, rows, self.channels)
        return _read(value, label, shape, "(frames, N, channels)", self.module._native_dtype)

    def advance(self, x: Array, kept: Array) -> tuple[Array, Array]:
        """Return the frames out (L / stride, N, C_out) of frames in, and the new state."""
        module = self.module
        if self._sizes() != self.sizes or x.shape[2] != self.channels:
            refuse_sizes(self)
        if len(x) % self.stride:
            raise ValueError(
                f"{called(self.name, module)} has stride {self.stride}, which must divide the "
                f"number of frames of a call: it got {len(x)}"
            )
        try:
            return self._convolve(x, kept)
        except ValueError:  # reading the dtype first costs as much as a small convolution
            dtype = module._native_dtype
            if kept.dtype == dtype:
                raise
        if kept.dtype.itemsize > dtype.itemsize:
            raise TypeError(f"{called(self.name, module)} {NARROWER}")
        return self._convolve(x, kept.astype(dtype))

    def _convolve(self, x: Array, kept: Array) -> tuple[Array, Array]:
        """Do what :meth:`advance` does, in the dtype of the state."""
        dtype, (steps, rows, channels), context = kept.dtype, x.shape, self.context
        if x.dtype is not dtype:
            x = as_array(x, "input", DTYPES[dtype])
        if context:
            joined = np.empty((context + steps, rows, channels), dtype)
            joined[:context] = kept
            joined[context:] = x
            # A view of a long call would keep all of its frames alive.
            kept = joined[steps:] if steps <= context else joined[steps:].copy()
            x = joined
        stride = self.stride
        y: Array = self.module._native_convolve(
            x, steps // stride, stride, 0, self.dilation, self.groups, True
        )
        return y, kept


class Recurrent:
    """A recurrent layer of one forward direction, and its h, or (h, c)."""

    def __init__(self, module: Any, name: str) -> None:
        self.module, self.name = module, name
        self._check_direction()
        width = module.proj_size or module.hidden_size
        self.widths = (width, module.hidden_size) if module.mode == "LSTM" else (width,)
        self.channels, self.features = module.input_size, width

    def _check_direction(self) -> None:
        if self.module.bidirectional or self.module.reverse:
            option = "reverse=True" if self.module.reverse else "bidirectional=True"
            raise ValueError(
                f"{called(self.name, self.module)} has {option}: it reads a sequence from its "
                "end, which a stream has not"
            )

    def zeros(self, rows: int) -> Any:
        """Return the state of rows that have read nothing."""
        module = self.module
        made = tuple(
            np.zeros((module.num_layers, rows, width), module._native_dtype)
            for width in self.widths
        )
        return made if len(made) == 2 else made[0]

    def read(self, value: Any, rows: int, label: str) -> Any:
        """Return a state that was given, in the module's dtype."""
        pair = len(self.widths) == 2
        if pair and not isinstance(value, (tuple, list)):
            raise TypeError(
                f"{label} must be a tuple or list of two arrays, (h, c), got {type(value).__name__}"
            )
        if pair and len(value) != 2:
            raise ValueError(f"{label} must hold two arrays, (h, c), got {len(value)}")
        module, read = self.module, []
        for place, width in enumerate(self.widths):
            item, which = (value[place], f"{label}[{place}]") if pair else (value, label)
            shape = (module.num_layers, rows, width)
            axes = "(num_layers, N, features)"
            read.append(_read(item, which, shape, axes, module._native_dtype))
        return tuple(read) if pair else read[0]

    def advance(self, x: Array, hx: Any) -> tuple[Array, Any]:
        """Return the output of all steps, and the new state."""
        module = self.module
        if module.reverse:
            self._check_direction()
        if module.batch_first:
            y, new = module(x.swapaxes(0, 1), hx)
            y = np.ascontiguousarray(y.swapaxes(0, 1))
        else:
            y, new = module(x, hx)
        h = hx[0] if type(hx) is tuple else hx
        if h.dtype != y.dtype and h.dtype.itemsize > y.dtype.itemsize:
            raise TypeError(f"{called(self.name, module)} {NARROWER}")
        return y, new


def _read(value: Any, label: str, shape: Any, axes: str, dtype: Any) -> Array:
    array = as_array(value, label, None)
    if array.shape != shape:
        raise ValueError(
            f"{label} must have shape {shape}, that is {axes} for the N rows of the stream; it has "
            f"shape {array.shape}"
        )
    return np.array(as_array(array, label, DTYPES[dtype]), order="C")


def shapes_of(hx: Any) -> Any:
    """Return the shapes of a state without the number of rows."""
    if type(hx) is tuple:
        return [shapes_of(item) for item in hx]
    return [(hx.shape[0], hx.shape[2])]


def refuse_sizes(stage: Any) -> NoReturn:
    raise RuntimeError(
        f"{called(stage.name, stage.module)} or the member before it was constructed anew with "
        "other sizes than the stream was made for: make another stream"
    )
