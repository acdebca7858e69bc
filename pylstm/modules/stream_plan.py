"""What a stream of a Conv1d or a Sequential does in each member, found once for all calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .._core import as_array, sigmoid, tanh
from ..functional.activations import _hardsigmoid, _relu, _silu

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    Array = npt.NDArray[Any]

NARROWER = (
    "is float32 now, and its state in this stream float64, which float32 would round: "
    "stream.state = stream.state rounds it, reset() drops it"
)
_NAMES = {np.dtype("float32"): "float32", np.dtype("float64"): "float64"}
_RECURRENT = ("LSTM", "GRU", "RNN")
_POINTWISE = (
    *("ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Sigmoid", "Tanh", "Hardsigmoid"),
    *("Softmax", "LogSoftmax", "LayerNorm", "BatchNorm1d", "Linear"),
)
# What the functions of these names do to arrays without gaps, of float32 or float64.
_OF_FLOATS: dict[str, Callable[[Array], Array]] = {
    "ReLU": _relu,
    "SiLU": _silu,
    "Hardsigmoid": _hardsigmoid,
    "Sigmoid": sigmoid,
    "Tanh": tanh,
}
_SAME = ("Identity", "Dropout")
_KNOWN = frozenset((*_RECURRENT, *_POINTWISE, *_SAME, "Conv1d", "Sequential"))


def _class_of(module: Any) -> str:
    """Return which of the classes that stream a module is of, or "" of those that do not."""
    classes: Any = type(module).__mro__
    for cls in classes:
        if cls.__module__ == "pylstm" and cls.__name__ in _KNOWN:
            own = classes[0]
            is_plain = own.forward is cls.forward and own.__call__ is cls.__call__
            return cls.__name__ if is_plain else ""
    return ""


def _called(name: str, module: Any) -> str:
    """Return how messages call a member."""
    kind = type(module).__name__
    return f"member '{name}', {kind}," if name else f"this {kind}"


# ---------------------------------------------------------------------------- members with a state


class _Window:
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
        module, context = self.module, self.context
        if self._sizes() != self.sizes:
            _refuse_sizes(self)
        dtype, (steps, rows, channels) = module._native_dtype, x.shape
        if channels != self.channels:
            _refuse_sizes(self)
        if kept.dtype is not dtype and kept.dtype.itemsize > dtype.itemsize:
            raise TypeError(f"{_called(self.name, module)} {NARROWER}")
        stride = self.stride
        if steps % stride:
            raise ValueError(
                f"{_called(self.name, module)} has stride {stride}, which must divide the "
                f"number of frames of a call: it got {steps}"
            )
        if x.dtype is not dtype:
            x = as_array(x, "input", _NAMES[dtype])
        if context:
            joined = np.empty((context + steps, rows, channels), dtype)
            joined[:context] = kept
            joined[context:] = x
            # A view of a long call would keep all of its frames alive.
            kept = joined[steps:] if steps <= context else joined[steps:].copy()
            x = joined
        y: Array = module._native_convolve(
            x, steps // stride, stride, 0, self.dilation, self.groups, True
        )
        return y, kept


class _Recurrent:
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
                f"{_called(self.name, self.module)} has {option}: it reads a sequence from its "
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
            raise TypeError(f"{_called(self.name, module)} {NARROWER}")
        return y, new


def _read(value: Any, label: str, shape: Any, axes: str, dtype: Any) -> Array:
    array = as_array(value, label, None)
    if array.shape != shape:
        raise ValueError(
            f"{label} must have shape {shape}, that is {axes} for the N rows of the stream; it has "
            f"shape {array.shape}"
        )
    return np.array(as_array(array, label, _NAMES[dtype]), order="C")


def _shapes(hx: Any) -> Any:
    """Return the shapes of a state without the number of rows."""
    if type(hx) is tuple:
        return [_shapes(item) for item in hx]
    return [(hx.shape[0], hx.shape[2])]


def _refuse_sizes(stage: Any) -> NoReturn:
    raise RuntimeError(
        f"{_called(stage.name, stage.module)} or the member before it was constructed anew with "
        "other sizes than the stream was made for: make another stream"
    )


# ---------------------------------------------------------------------------- members without one


def _by_frames(module: Any, kind: str) -> Callable[[Array], Array]:
    """Return what a member without a state does to frames (L, N, C)."""
    if kind == "BatchNorm1d":

        def normalize(x: Array) -> Array:
            y: Array = module.forward(x.reshape(-1, x.shape[2])).reshape(x.shape)
            return y

        return normalize
    compute = _OF_FLOATS.get(kind)
    if compute is None and not hasattr(module, "inplace"):
        return module.forward  # type: ignore[no-any-return]

    def activate(x: Array) -> Array:
        if compute is not None and x.dtype in _NAMES:
            return compute(x)
        y: Array = module.forward(np.array(x) if getattr(module, "inplace", False) else x)
        return y

    return activate


def _sizes_of(module: Any, kind: str) -> tuple[int | None, int | None]:
    """Return how many channels a member without a state takes and gives; None is any number."""
    if kind == "Linear":
        return module.in_features, module.out_features
    if kind == "BatchNorm1d":
        return module.num_features, module.num_features
    if kind == "LayerNorm":
        return module.normalized_shape[-1], module.normalized_shape[-1]
    return None, None


def _acts_on_frames(module: Any, kind: str) -> str:
    """Return why a member, as it is now, is none of single frames, or ""."""
    if kind in _RECURRENT:
        if module.training and module.num_layers > 1 and module.dropout > 0:
            return "is in training mode with a dropout that is not 0: call eval()"
    elif kind == "Dropout":
        if module.training and module.p > 0:
            return "is in training mode: call eval()"
    elif kind == "BatchNorm1d":
        if module.training or module.running_mean is None:
            return "normalizes by the statistics of a batch: call eval(), with running statistics"
    elif kind == "LayerNorm":
        if len(module.normalized_shape) != 1:
            return "normalizes more than the last axis, the features of a frame"
    elif module.dim not in (-1, 2):
        return f"acts along dim {module.dim}: in a stream the features of a frame are dim -1"
    return ""


_CHANGEABLE = (*_RECURRENT, "Dropout", "BatchNorm1d", "LayerNorm", "Softmax", "LogSoftmax")


class Plan:
    """The steps of a stream: one after the other, with a state or without.

    Attributes
    ----------
    keepers : list
        The members that have a state, in order.
    channels : int or None
        How many features a frame must have.
    is_single : bool
        Whether the module is a Conv1d and no container.
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        self.keepers: list[_Window | _Recurrent] = []
        self.channels: int | None = None
        self.is_single = _class_of(module) == "Conv1d"
        self._steps: list[tuple[Any, bool]] = []
        self._watched: list[tuple[Any, str]] = []
        self._changeable: list[tuple[Any, str, str]] = []
        self._containers: list[tuple[Any, list[Any]]] = []
        self._features: int | None = None
        self._has_numpy = False
        self._last = ""
        self._add(module, "")

    def _add(self, module: Any, name: str) -> None:
        kind = _class_of(module)
        if not kind:
            _refuse_member(module, name)
        self._watched.append((module, name))
        if kind in _CHANGEABLE:
            self._changeable.append((module, name, kind))
        if kind == "Sequential":
            children = list(module._modules.items())
            self._containers.append((module, [child for _, child in children]))
            for below, child in children:
                self._add(child, f"{name}.{below}" if name else below)
            return
        if kind in _SAME:
            return
        sizes: tuple[int | None, int | None]
        if kind == "Conv1d" or kind in _RECURRENT:
            stage = _Window(module, name) if kind == "Conv1d" else _Recurrent(module, name)
            self.keepers.append(stage)
            self._steps.append((stage.advance, True))
            sizes = stage.channels, stage.features
        else:
            self._steps.append((_by_frames(module, kind), False))
            self._has_numpy |= kind in ("ReLU", "SiLU", "Hardsigmoid")
            sizes = _sizes_of(module, kind)
        self._connect(sizes, _called(name, module))

    def _connect(self, sizes: tuple[int | None, int | None], called: str) -> None:
        """Check that a member takes what the one before it gives."""
        takes, gives = sizes
        if takes is None:
            return
        if self._features is None:
            self.channels = takes
        elif self._features != takes:
            raise ValueError(
                f"{called} takes frames of {takes} features, and {self._last} gives "
                f"{self._features}"
            )
        self._features, self._last = gives, called.rstrip(",")

    def check(self) -> None:
        """Raise where a member computes something else now than the stream would."""
        for module, name in self._watched:
            if module._forward_hooks or module._forward_pre_hooks or "forward" in module.__dict__:
                _refuse_hooks(module, name)
        for container, children in self._containers:
            if list(container._modules.values()) != children:
                raise RuntimeError(
                    "the members of the Sequential are others than those that the stream was made "
                    "for: make another stream"
                )
        for module, name, kind in self._changeable:
            reason = _acts_on_frames(module, kind)
            if reason:
                raise ValueError(f"{_called(name, module)} {reason}")

    def check_states(self, held: Sequence[Any]) -> None:
        """Raise where states are not those of the members: the module of a copy was changed."""
        shapes = [_shapes(hx) for hx in held]
        if shapes != [_shapes(stage.zeros(0)) for stage in self.keepers]:
            raise RuntimeError(
                "the members are others than those that the stream was made for: make another "
                "stream"
            )

    def run(self, x: Array, held: Sequence[Any]) -> tuple[Array, list[Any]]:
        """Return the frames out of frames in, (L, N, C), and the new states of all members."""
        if not self._has_numpy:
            return self._run(x, held)
        with np.errstate(all="ignore"):
            return self._run(x, held)

    def _run(self, x: Array, held: Sequence[Any]) -> tuple[Array, list[Any]]:
        after, remaining = [], iter(held)
        for step, has_hx in self._steps:
            if has_hx:
                x, hx = step(x, next(remaining))
                after.append(hx)
            else:
                x = step(x)
        return x, after

    def refuse_shape(self, shape: tuple[int, ...], rows: int, named: bool) -> NoReturn:
        """Raise the error of an input that is no frames of these rows."""
        channels = "C" if self.channels is None else self.channels
        text = f"a stream takes (N, C), one frame, or (L, N, C), with N {rows} and C {channels}"
        if len(shape) not in (2, 3):
            start = f"Expected input to be 2D or 3D, got {len(shape)}D instead"
        elif shape[-2] != rows:
            which = "as rows says" if named else "all of the stream"
            start = f"Expected input of {rows} rows, {which}, got {shape[-2]}"
        elif len(shape) == 3 and not shape[0]:
            start = "Expected number of frames to be larger than 0"
        else:
            start = f"Expected frames of {channels} features, got {shape[-1]}"
        raise ValueError(f"{start}: {text}; input has shape {shape}")


def _refuse_member(module: Any, name: str) -> NoReturn:
    raise ValueError(
        f"{_called(name, module)} cannot be streamed: it needs the whole sequence, or it has a "
        "forward() or __call__() of its own; members of a stream are Conv1d, one-directional LSTM, "
        "GRU and RNN, Linear, activations, LayerNorm, BatchNorm1d, Dropout, Identity and "
        "Sequential"
    )


def _refuse_hooks(module: Any, name: str) -> NoReturn:
    what = "a forward() of its own" if "forward" in module.__dict__ else "forward hooks"
    raise ValueError(f"{_called(name, module)} has {what}, which a stream would leave out")
