"""Pooling of windows along the last axis: their largest number, or their mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .reading import Array, floats, wrong_type


def _one(function: str, name: str, position: int, value: Any) -> int:
    """Return the number of an argument that is an int, or a tuple or list of one."""
    values = value if isinstance(value, (tuple, list)) else (value,)
    for item in values:
        if isinstance(item, bool) or not hasattr(item, "__index__"):
            wrong_type(function, name, position, "tuple of ints", value)
    if len(values) != 1:
        if function == "avg_pool1d":
            raise RuntimeError(
                f"avg_pool1d() argument '{name}' should contain one int (got {len(values)})"
            )
        kinds = "None, an int, list of ints, or" if name == "stride" else "an int, list of ints or"
        raise RuntimeError(
            f"max_pool1d() {name} must be {kinds} tuple of ints of size 1 but got size "
            f"{len(values)}"
        )
    return int(values[0].__index__())


def _step(function: str, kernel: int, stride: Any) -> int:
    """Return the stride; torch takes an empty list as none given."""
    if stride is None or (isinstance(stride, (tuple, list)) and not stride):
        return kernel
    return _one(function, "stride", 3, stride)


def _length(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil: Any) -> int:
    """Return the number of windows; with ``ceil`` one more that begins before the end."""
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (span + (stride - 1 if ceil else 0)) // stride + 1
    return count - 1 if ceil and (count - 1) * stride >= size + padding else count


def _taps(
    size: int, count: int, kernel: int, stride: int, padding: int, dilation: int
) -> Iterator[tuple[int, slice, slice]]:
    """Yield, for each place in a window, the windows that have it, and where they do."""
    for tap in range(kernel):
        start = tap * dilation - padding  # of the first window
        first = max(0, -(start // stride))
        end = min(count, (size - 1 - start) // stride + 1)
        if first < end:
            place = start + first * stride
            yield place, slice(first, end), slice(place, start + (end - 1) * stride + 1, stride)


def _check_max(kernel: int, stride: int, padding: int, dilation: int) -> None:
    for name, value in (("kernel_size", kernel), ("stride", stride)):
        if value <= 0:
            raise RuntimeError(f"max_pool1d() {name} must be greater than zero, but got {value}")
    if padding < 0:
        raise RuntimeError(f"max_pool1d() padding must be non-negative, but got {padding}")
    if padding > kernel // 2:
        raise RuntimeError(
            "max_pool1d() padding should be at most half of kernel size, but got "
            f"padding={padding} and kernel_size={kernel}"
        )
    if dilation <= 0:
        raise RuntimeError(f"max_pool1d() dilation must be greater than zero, but got {dilation}")


def _has_windows(x: Array) -> bool:
    """Tell whether an array is (N, C, L) or (C, L), of which N alone may be 0."""
    return x.ndim in (2, 3) and 0 not in x.shape[x.ndim - 2 :]


def max_pool1d(
    input: ArrayLike,
    kernel_size: int | tuple[int],
    stride: int | tuple[int] | None = None,
    padding: int | tuple[int] = 0,
    dilation: int | tuple[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest number of each window along the last axis; NaN where there is one.

    Parameters
    ----------
    input : array_like
        (N, C, L) or (C, L).
    kernel_size, stride, padding, dilation : int
        As torch takes them: ``stride`` is ``kernel_size`` unless it is given.
    ceil_mode : bool
        Whether a last window may reach beyond the end.
    return_indices : bool
        Return the places of the numbers too, int64.

    Examples
    --------
    >>> import pylstm.functional as F
    >>> F.max_pool1d([[1.0, 3.0, 2.0, 5.0]], 2).tolist()
    [[3.0, 5.0]]
    """
    kernel = _one("max_pool1d", "kernel_size", 2, kernel_size)
    step = _step("max_pool1d", kernel, stride)
    pad = _one("max_pool1d", "padding", 4, padding)
    gap = _one("max_pool1d", "dilation", 5, dilation)
    x = floats(input)
    if not _has_windows(x):
        raise RuntimeError(
            "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for "
            f"input, but got:{list(x.shape)}"
        )
    _check_max(kernel, step, pad, gap)
    size = x.shape[-1]
    count = _length(size, kernel, step, pad, gap, ceil_mode)
    if count <= 0:
        raise RuntimeError(f"max_pool1d() Invalid computed output size: {count}")
    out = np.full((*x.shape[:-1], count), -np.inf, x.dtype)
    taps = _taps(size, count, kernel, step, pad, gap)
    if return_indices:
        first = np.arange(count) * step - pad
        first += np.where(first < 0, -(first // gap) * gap, 0)
        return _with_places(x, out, first, taps, step)
    for _, windows, places in taps:
        part = out[..., windows]
        np.maximum(part, x[..., places], out=part)
    out += 0  # as in relu
    return out


def _with_places(
    x: Array, out: Array, first: Array, taps: Iterator[tuple[int, slice, slice]], step: int
) -> tuple[Array, Array]:
    """Fill ``out``; the place is the first of a window unless a later number is larger, or NaN."""
    where = np.empty(out.shape, np.int64)
    where[...] = first
    for place, windows, places in taps:
        part, values = out[..., windows], x[..., places]
        index = np.arange(place, place + step * part.shape[-1], step)
        is_larger = (values > part) | np.isnan(values)
        np.copyto(part, values, where=is_larger)
        np.copyto(where[..., windows], index, where=is_larger)
    return out, where


def _check_avg(kernel: int, stride: int, padding: int) -> None:
    if stride == 0:
        raise RuntimeError("stride should not be zero")
    if kernel <= 0:
        raise RuntimeError(f"kernel size should be greater than zero, but got kH: 1 kW: {kernel}")
    if stride < 0:
        raise RuntimeError(f"stride should be greater than zero, but got dH: 1 dW: {stride}")
    if padding < 0:
        raise RuntimeError(f"pad must be non-negative, but got pad: {padding}")
    if padding > kernel // 2:
        raise RuntimeError(
            "pad should be at most half of effective kernel size, but got "
            f"pad={padding}, kernel_size={kernel} and dilation=1"
        )


def avg_pool1d(
    input: ArrayLike,
    kernel_size: int | tuple[int],
    stride: int | tuple[int] | None = None,
    padding: int | tuple[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Return the mean of each window along the last axis.

    Parameters
    ----------
    input : array_like
        (N, C, L) or (C, L).
    kernel_size, stride, padding : int
        As torch takes them: ``stride`` is ``kernel_size`` unless it is given; padding is zeros.
    ceil_mode : bool
        Whether a last window may reach beyond the end.
    count_include_pad : bool
        Whether zeros of the padding count as numbers of the window.

    Examples
    --------
    >>> import pylstm.functional as F
    >>> F.avg_pool1d([[1.0, 3.0, 2.0, 5.0]], 2).tolist()
    [[2.0, 3.5]]
    """
    kernel = _one("avg_pool1d", "kernel_size", 2, kernel_size)
    step = _step("avg_pool1d", kernel, stride)
    pad = _one("avg_pool1d", "padding", 4, padding)
    x = floats(input)
    if x.ndim not in (2, 3):
        raise RuntimeError(
            f"Expected 2 to 3 dimensions, but got {x.ndim}-dimensional tensor for argument #1 "
            "'self' (while checking arguments for avg_pool1d)"
        )
    _check_avg(kernel, step, pad)
    shape = [*x.shape[:-1], 1, x.shape[-1]]
    if not _has_windows(x):
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, "
            f"but got:{shape}"
        )
    size = x.shape[-1]
    count = _length(size, kernel, step, pad, 1, ceil_mode)
    if count <= 0:
        raise RuntimeError(
            f"Given input size: ({shape[-3]}x1x{size}). Calculated output size: "
            f"({shape[-3]}x1x{count}). Output size is too small"
        )
    out = np.zeros((*x.shape[:-1], count), x.dtype)
    with np.errstate(all="ignore"):
        for _, windows, places in _taps(size, count, kernel, step, pad, 1):
            out[..., windows] += x[..., places]
    first = np.arange(count) * step - pad
    end = np.minimum(first + kernel, size + pad)
    if not count_include_pad:
        first, end = np.maximum(first, 0), np.minimum(end, size)
    out /= (end - first).astype(x.dtype)
    return out
