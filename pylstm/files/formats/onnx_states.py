"""What a recurrent node of ONNX begins with: constant initial states, and lengths of sequences.

Exporters write the zeros that torch starts from as constants that are expanded to the batch, whose
size is open until the model runs. A state that the model learned is written in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from .onnx_fold import folds
from .onnx_numbers import name_of, widened
from .onnx_scopes import is_standard

if TYPE_CHECKING:
    from ..base.source import Source
    from ..base.tensor import Array
    from .onnx_constants import Constants
    from .onnx_scopes import Place

# Nodes whose first input is arranged anew; the others say how.
_ARRANGED = {
    *("Cast", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze"),
    *("Tile", "Transpose", "Unsqueeze"),
}
# The same, of nodes that are not computed here.
_KEPT = {"CastLike", "Dropout"}
# Those that choose by numbers: what they give depends on which.
_CHOOSING = {"Gather", "Slice", "Split"}
# What makes zeros of zeros, whatever the sizes.
_KEEP_ZERO = {*_ARRANGED, *_KEPT, "Add", "Concat", "Mul", "Neg", "Sub"}
# Sizes to try in place of open ones: what comes out must not depend on them.
_SIZES = (2, 5)
# Nodes that a shape is sought behind.
_MOST_BACK = 16
# Nodes that are looked at in all, to see what states are made of.
_MOST_STEPS = 200_000

# In place of a state that is given, or computed, when the model runs.
RUN_TIME: Any = object()
_OPEN = "is computed from constants and from sizes that are open until the model runs"


@dataclass
class _Origin:
    """What a value is made of.

    Attributes
    ----------
    runs : bool
        Some of it is computed from what the model is given when it runs.
    sizes : bool
        Some of it is sizes of that.
    constants : list of Place
    fillings : list of NodeProto
        The ConstantOfShape nodes.
    nodes : set of str
        The operators on the way that are not computed here.
    keeps_zero : bool
        Zeros alone give zeros.
    """

    runs: bool = False
    sizes: bool = False
    constants: list[Place] = field(default_factory=list)
    fillings: list[Any] = field(default_factory=list)
    nodes: set[str] = field(default_factory=set)
    keeps_zero: bool = True


class States:
    """Finds the initial states of recurrent nodes.

    Parameters
    ----------
    source : Source
    constants : Constants
    """

    def __init__(self, source: Source, constants: Constants) -> None:
        self._source = source
        self._constants = constants
        self._steps_left = _MOST_STEPS

    def initial(
        self, place: Place | None, name: str, shape: tuple[int, int], batch_first: bool
    ) -> Any:
        """Return a constant initial state, or why there might be one that cannot be had.

        Parameters
        ----------
        place : Place or None
            Where the input comes from.
        name : str
            ``"initial_h"`` or ``"initial_c"``.
        shape : tuple of (int, int)
            The directions and the hidden size.
        batch_first : bool
            The batch is the first axis.

        Returns
        -------
        ndarray, str or None
            (directions, batch, hidden size); a batch of 1 stands for one of any size. None for
            zeros; ``RUN_TIME`` for what is given or computed when the model runs.
        """
        values = self._values(place)
        if values is None:
            return RUN_TIME
        if isinstance(values, str):
            return f"its {name} {values}"
        states = []
        for value in map(widened, values):
            if name_of(value.dtype) not in ("float16", "float32", "float64", "bfloat16"):
                return f"its {name} is of dtype {name_of(value.dtype)}"
            state = value.swapaxes(0, 1) if batch_first and value.ndim == 3 else value
            if state.ndim != 3 or (state.shape[0], state.shape[2]) != shape or 0 in state.shape:
                told = f"(batch, {shape[0]}, {shape[1]})"
                if not batch_first:
                    told = f"({shape[0]}, batch, {shape[1]})"
                return f"its {name} has shape {value.shape}, not {told}"
            states.append(state)
        if not states:
            return None
        first = states[0]
        if any(not _same(state, first) for state in states):
            first = first[:, :1]
            if any(not _same(state, np.broadcast_to(first, state.shape)) for state in states):
                return f"its {name} {_OPEN}"
        return first if first.astype(bool).any() else None

    def lengths(self, place: Place | None, x: Place | None, batch_first: bool) -> str | None:
        """Say what is wrong with constant lengths of the sequences in ``x``; None if nothing is."""
        values = self._values(place)
        if values is None or isinstance(values, str):
            return values and f"its sequence_lens {values}"
        first, *others = [value.reshape(-1) for value in values or [np.zeros(1, np.int32)]]
        if others and any(not _same(first[:1], other[:1]) for other in others):
            return None  # they follow the sizes of what the model is given
        steps = self._steps(x, batch_first)
        if steps and (first == steps).all():
            return None
        told = ", ".join(map(str, first[:6]))
        return f"its sequence_lens is constant: {told}{', ...' if first.size > 6 else ''}"

    def _steps(self, x: Place | None, batch_first: bool) -> int:
        """Return the length of the sequences in ``x``; 0 if it is open, or not declared."""
        axis = int(batch_first)
        for _ in range(_MOST_BACK):
            if x is None:
                break
            shape = self._constants.shape(x)
            if shape is not None:
                return shape[axis] if len(shape) == 3 else 0
            if x.node < 0:
                break
            node = x.scope.nodes[x.node]
            if node.op_type == "Transpose":
                axes = [
                    list(islice(each.ints, 4)) for each in node.attribute if each.name == "perm"
                ]
                if len(axes) != 1 or sorted(axes[0]) != [0, 1, 2]:
                    break
                axis = axes[0][axis]
            elif node.op_type not in ("Identity", "Cast"):
                break
            x = x.inputs()[0]
        return 0

    def is_zero(self, place: Place | None) -> bool:
        """Tell whether a value is sure to be zeros."""
        values = self._values(place)
        return isinstance(values, list) and not any(
            widened(each).astype(bool).any() for each in values
        )

    def _values(self, place: Place | None) -> list[Array] | str | None:
        """Return a constant; with each of some sizes in place of open ones, if there are such.

        An empty list if it is zeros whatever these sizes are. A text says why there may be one
        that cannot be had; None that there is none.
        """
        value = self._constants.value(place)
        if isinstance(value, str):
            return value
        if place is None or value is not None:
            return None if value is None else [value]
        origin = self._origin(place)
        if origin.runs:
            return None
        if origin.keeps_zero and self._is_zero(origin):
            return []
        if origin.nodes:
            return f"is computed from constants by {', '.join(sorted(origin.nodes))[:100]}"
        tried = [self._constants.value(place, size) for size in _SIZES]
        arrays = [each for each in tried if isinstance(each, np.ndarray)]
        if len(arrays) == len(tried):
            return arrays
        return next((each for each in tried if isinstance(each, str)), _OPEN)

    def _is_zero(self, origin: _Origin) -> bool:
        values = [self._constants.value(each) for each in origin.constants]
        values += [self._constants.filling(each) for each in origin.fillings]
        return not origin.sizes and all(
            isinstance(each, np.ndarray) and not widened(each).astype(bool).any() for each in values
        )

    def _origin(self, place: Place) -> _Origin:
        origin = _Origin()
        seen: set[Any] = set()
        waiting: list[Place | None] = [place]
        while waiting:
            at = waiting.pop()
            if at is None or at.is_input:
                origin.runs = True
                break
            if at.key not in seen:
                seen.add(at.key)
                self._steps_left -= 1
                if self._steps_left < 0:
                    raise self._source.error(at.name, "too many nodes compute its initial states")
                if at.is_tensor:
                    origin.constants.append(at)
                else:
                    waiting += self._made_from(origin, at)
        return origin

    def _made_from(self, origin: _Origin, at: Place) -> list[Place | None]:
        """Return what the content of a node's output is made from, and note what the node is."""
        node = at.scope.nodes[at.node]
        kind = node.op_type
        inputs = [each for each, name in zip(at.inputs(), node.input, strict=True) if name]
        if is_standard(node) and kind == "ConstantFill":  # of ONNX before ConstantOfShape
            if any(each.f for each in node.attribute if each.name == "value"):
                origin.nodes.add(kind)
                origin.keeps_zero = False
            return []
        if not folds(node):
            origin.nodes.add(kind[:40])
            if is_standard(node) and kind in _KEPT:
                return inputs[:1]
            # Nodes without inputs draw random numbers; graphs may use whatever is outside.
            origin.runs |= not inputs or any(each.g is not None for each in node.attribute)
            origin.keeps_zero = False
            return inputs
        if kind == "Shape":
            origin.sizes = True
            return []
        if kind == "Constant":
            origin.constants.append(at)
            return []
        if kind == "ConstantOfShape":
            origin.fillings.append(node)
            return []
        origin.keeps_zero &= kind in _KEEP_ZERO
        if kind not in _ARRANGED:
            return inputs
        if kind in _CHOOSING and any(self._constants.value(each) is None for each in inputs[1:]):
            origin.nodes.add(kind)
            return inputs if kind == "Gather" else inputs[:1]
        return inputs[:1]


def _same(one: Array, other: Array) -> bool:
    """Tell whether two arrays have the same shape and bytes."""
    return one.shape == other.shape and one.tobytes() == other.tobytes()
