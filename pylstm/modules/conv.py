"""torch.nn's Conv1d."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from .. import functional as F
from .._core import as_array
from ..functional.conv import DTYPES, convolve, ends_of
from .linear import WeightedModule
from .sizes import checked_sizes

if TYPE_CHECKING:
    import numpy.typing as npt

    from .streams import FrameStream

    Array = npt.NDArray[Any]

_PADDINGS = ("same", "valid")
_MODES = ("zeros", "reflect", "replicate", "circular")


def _single(name: str, value: Any) -> tuple[int]:
    """Return an int, or an iterable of one, as a tuple of one int."""
    values = tuple(value) if hasattr(value, "__iter__") else (value,)
    if len(values) != 1:
        raise ValueError(f"{name} must be an int or a tuple of one int, got {value!r}")
    if isinstance(values[0], bool) or not hasattr(values[0], "__index__"):
        raise TypeError(f"{name} must be an int or a tuple of one int, got {value!r}")
    return (int(values[0].__index__()),)


def _checked_padding(padding: Any, stride: tuple[int]) -> Any:
    """Return a padding as torch keeps it, or raise torch's errors."""
    if not isinstance(padding, str):
        return _single("padding", padding)
    if padding not in _PADDINGS:
        raise ValueError(f"Invalid padding string {padding!r}, should be one of {_PADDINGS}")
    if padding == "same" and stride != (1,):
        raise ValueError("padding='same' is not supported for strided convolutions")
    return padding


class Conv1d(_core.Conv1d, WeightedModule):
    """A convolution along the last axis.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or tuple of one int
        How many positions of the input a frame of the output sees.
    stride : int or tuple of one int
        From frame to frame.
    padding : int, tuple of one int, "same" or "valid"
        How many numbers stand on both sides of the input. "same": as many as make the output as
        long as the input; "valid": none.
    dilation : int or tuple of one int
        From position to position of the kernel.
    groups : int
        Into how many parts the channels are cut; each part of the outputs sees its part of the
        inputs alone.
    bias : bool
        Whether there is a ``bias``; without it the attribute is None.
    padding_mode : str
        What stands on both sides: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
    device : None or "cpu"
        There is no other.
    dtype : dtype, optional
        float32 (the default) or float64, in any spelling of NumPy's or torch's.

    Attributes
    ----------
    weight, bias : ndarray
        (out_channels, in_channels / groups, kernel_size) and (out_channels,). Writable: changes
        count from the next call. What is assigned to such an attribute is copied into the
        parameter.

    Notes
    -----
    Mirrors ``torch.nn.Conv1d``. Sums begin at the bias and are added in the order of the weight, as
    those of a Linear are: each frame of the result has the same bits whatever other frames and
    sequences are computed with it, on every machine.

    Examples
    --------
    >>> import numpy as np
    >>> import pylstm as nn
    >>> conv = nn.Conv1d(16, 33, 3, stride=2)
    >>> conv(np.random.rand(20, 16, 50)).shape
    (20, 33, 24)
    >>> conv
    Conv1d(16, 33, kernel_size=(3,), stride=(2,))
    """

    if TYPE_CHECKING:
        in_channels: int
        out_channels: int
        kernel_size: tuple[int]
        stride: tuple[int]
        padding: Any
        dilation: tuple[int]
        groups: int
        padding_mode: str
        weight: Array
        bias: Array | None

    transposed = False
    output_padding = (0,)

    _native_kind = "Conv1d"
    _native_structure = (
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "groups",
        "padding_mode",
    )
    _native_class = _core.Conv1d

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: str | int | tuple[int] = 0,
        dilation: int | tuple[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        kernel, steps = _single("kernel_size", kernel_size), _single("stride", stride)
        apart = _single("dilation", dilation)
        (parts,) = _single("groups", groups)
        if parts <= 0:
            raise ValueError("groups must be a positive integer")
        outputs, inputs = checked_sizes(
            [("out_channels", out_channels), ("in_channels", in_channels)]
        )
        if inputs % parts:
            raise ValueError("in_channels must be divisible by groups")
        if outputs % parts:
            raise ValueError("out_channels must be divisible by groups")
        around = _checked_padding(padding, steps)
        if padding_mode not in _MODES:
            raise ValueError(
                f"padding_mode must be one of {_MODES}, but got padding_mode='{padding_mode}'"
            )
        if kernel[0] <= 0:
            raise RuntimeError(f"kernel_size must be one or more, got {kernel[0]}")
        structure = {
            "in_channels": inputs,
            "out_channels": outputs,
            "kernel_size": kernel,
            "stride": steps,
            "padding": around,
            "dilation": apart,
            "groups": parts,
            "padding_mode": str(padding_mode),
        }
        self._construct(structure, bias, device, dtype)

    def _build_arguments(self, structure: dict[str, Any]) -> dict[str, Any]:
        return {
            "in_channels": int(structure["in_channels"]) // int(structure["groups"]),
            "out_channels": int(structure["out_channels"]),
            "kernel_size": int(structure["kernel_size"][0]),
            "bias": bool(structure["bias"]),
        }

    def forward(self, input: npt.ArrayLike) -> Array:
        """Return the convolution of ``input``.

        Parameters
        ----------
        input : array_like
            ``(N, in_channels, L)`` or ``(in_channels, L)``. Real numbers of any dtype are converted
            to the module's dtype (torch would raise).

        Returns
        -------
        ndarray
            ``(N, out_channels, frames)`` or ``(out_channels, frames)``, with
            ``frames = (L + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1``.

        Raises
        ------
        RuntimeError
            Where the shape does not fit, with the text of torch.
        TypeError
            For complex, boolean, object, string, date and masked arrays.
        """
        ends = self.padding
        if self.padding_mode == "zeros" and type(ends) is tuple:  # all is well in most calls
            y: Array | None = self._native_padded(
                input, self.stride[0], ends[0], self.dilation[0], self.groups
            )
            if y is not None:
                return y
        dtype = DTYPES[self._native_dtype]
        (kernel,), (stride,), (dilation,) = self.kernel_size, self.stride, self.dilation
        groups = self.groups
        x = as_array(input, "input", dtype)
        shape = [self.out_channels, self.in_channels // groups, kernel]
        ends = (ends[0],) * 2 if type(ends) is tuple else ends_of(ends, kernel, stride, dilation)
        if self.padding_mode != "zeros":
            x = F.pad(x, ends, self.padding_mode)
            ends = (0, 0)
        return convolve(self, x, shape, stride, ends, dilation, groups)

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
            If the module has hooks or a ``forward`` of its own.

        Notes
        -----
        torch has no such method. A row begins with ``(kernel_size - 1) * dilation`` frames of
        zeros, and ``padding`` is ignored: the outputs equal, in every bit, those of a convolution
        without padding of these zeros and all frames. With a stride s the number of frames of a
        call must be a multiple of s.

        Examples
        --------
        >>> import numpy as np
        >>> import pylstm as nn
        >>> conv = nn.Conv1d(8, 4, 3)
        >>> stream = conv.stream()
        >>> x = np.random.rand(5, 1, 8)  # frames, rows, channels
        >>> frames = [stream(x[t]) for t in range(5)]
        >>> whole = conv(np.pad(x, [(2, 0), (0, 0), (0, 0)]).transpose(1, 2, 0))
        >>> bool((np.stack(frames, axis=-1) == whole).all())
        True
        """
        from .streams import FrameStream

        return FrameStream(self, batch)

    def extra_repr(self) -> str:
        """Return what ``repr()`` shows."""
        shown = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        ]
        if self.padding != (0,):
            shown.append(f"padding={self.padding}")
        if self.dilation != (1,):
            shown.append(f"dilation={self.dilation}")
        if self.groups != 1:
            shown.append(f"groups={self.groups}")
        if self.bias is None:
            shown.append("bias=False")
        if self.padding_mode != "zeros":
            shown.append(f"padding_mode={self.padding_mode}")
        return ", ".join(shown)


# As in module.py.
Conv1d.__module__ = "pylstm"
