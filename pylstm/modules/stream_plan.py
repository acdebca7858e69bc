"""What a stream of a Conv1d or a Sequential does in each member, found once for all calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .._core import relu, sigmoid, tanh
from ..functional.activations import _hardsigmoid, _silu
from ..functional.conv import DTYPES
from .stream_keepers import Recurrent, Window, called, shapes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    Array = npt.NDArray[Any]

_RECURRENT = ("LSTM", "GRU", "RNN")
_POINTWISE = (
    *("ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Sigmoid", "Tanh", "Hardsigmoid"),
    *("Softmax", "LogSoftmax", "LayerNorm", "BatchNorm1d", "Linear"),
)
# What the functions of these names do to arrays without gaps, of float32 or float64.
_OF_FLOATS: dict[str, Callable[[Array], Array]] = {
    "ReLU": relu,
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
            is_plain = (
                own.forward is cls.forward
                and own.__call__ is cls.__call__
                and getattr(own, "__iter__", None) is getattr(cls, "__iter__", None)
            )
            return cls.__name__ if is_plain else ""
    return ""


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
        if compute is not None and x.dtype in DTYPES:
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
        self.keepers: list[Window | Recurrent] = []
        self.channels: int | None = None
        self.is_single = _class_of(module) == "Conv1d"
        self._steps: list[tuple[Any, bool]] = []
        self._watched: list[tuple[dict[str, Any], Any, str]] = []
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
        self._watched.append((vars(module), module, name))
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
            stage = Window(module, name) if kind == "Conv1d" else Recurrent(module, name)
            self.keepers.append(stage)
            self._steps.append((stage.advance, True))
            sizes = stage.channels, stage.features
        else:
            self._steps.append((_by_frames(module, kind), False))
            self._has_numpy |= kind in ("ReLU", "SiLU", "Hardsigmoid")
            sizes = _sizes_of(module, kind)
        self._connect(sizes, called(name, module))

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
        for values, module, name in self._watched:
            if values["_forward_hooks"] or values["_forward_pre_hooks"] or "forward" in values:
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
                raise ValueError(f"{called(name, module)} {reason}")

    def check_states(self, held: Sequence[Any]) -> None:
        """Raise where states are not those of the members: the module of a copy was changed."""
        shapes = [shapes_of(hx) for hx in held]
        if shapes != [shapes_of(stage.zeros(0)) for stage in self.keepers]:
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
        f"{called(name, module)} cannot be streamed: it needs the whole sequence, or it has a "
        "forward() or __call__() of its own; members of a stream are Conv1d, one-directional LSTM, "
        "GRU and RNN, Linear, activations, LayerNorm, BatchNorm1d, Dropout, Identity and "
        "Sequential"
    )


def _refuse_hooks(module: Any, name: str) -> NoReturn:
    what = "a forward() of its own" if "forward" in module.__dict__ else "forward hooks"
    raise ValueError(f"{called(name, module)} has {what}, which a stream would leave out")
