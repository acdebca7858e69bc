"""The weights of onnxruntime's DynamicQuantizeLSTM: integers, as the floats that they stand for.

W and R lie transposed, [directions, columns, rows]. Each has a scale and a zero point for each
direction, or for each row of each direction; a float is ``(integer - zero point) * scale``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .onnx_numbers import name_of
from .onnx_quantised import check_scale
from .onnx_weights import Weight, Weights

if TYPE_CHECKING:
    from ..base.tensor import Array
    from .onnx_constants import Constants
    from .onnx_scopes import Place

# By the position of the weight: those of its scale and of its zero point.
_COMPANIONS = {1: (8, 9), 2: (10, 11)}


@dataclass(frozen=True, eq=False)
class _Quantised(Weight):
    """A weight whose ``read`` returns the integers, [directions, columns, rows].

    Attributes
    ----------
    scale, zero_point : ndarray
        (directions, 1) or (directions, rows), in float32.
    """

    scale: Array
    zero_point: Array

    def fill(self, block: Array, direction: int, rows: slice) -> None:
        """Write the floats of some rows; their integers and differences are exact in float32."""
        along = rows if self.scale.shape[1] > 1 else slice(None)
        zero, scale = (each[direction, along, None] for each in (self.zero_point, self.scale))
        np.subtract(self.read()[direction, :, rows].T, zero, out=block, dtype=np.float32)
        np.multiply(block, scale, out=block)


class Dynamic:
    """Describes the weights of quantised nodes; nodes may share them.

    Parameters
    ----------
    weights : Weights
    constants : Constants
    """

    def __init__(self, weights: Weights, constants: Constants) -> None:
        self._weights = weights
        self._constants = constants
        self._known: dict[Any, _Quantised | str] = {}

    def weight(self, places: list[Place | None], position: int) -> Weight | str:
        """Return W or R of a node, or what keeps it from being one.

        Parameters
        ----------
        places : list of Place or None
            Of all inputs of the node.
        position : int
            Of the weight among them.
        """
        at = (position, *_COMPANIONS[position])
        own = [places[each] if each < len(places) else None for each in at]
        key = tuple(place and (*place.key, place.output) for place in own)
        if key not in self._known:
            self._known[key] = self._described(*own)
        return self._known[key]

    def _described(
        self, place: Place | None, scale_at: Place | None, zero_at: Place | None
    ) -> _Quantised | str:
        stored = self._weights.integers(place)
        if place is None or isinstance(stored, str):
            return stored if isinstance(stored, str) else "is left out"
        companions: list[Array] = []
        for told, at in (("scale", scale_at), ("zero point", zero_at)):
            value = self._constants.value(at)
            if not isinstance(value, np.ndarray):
                return f"has a {told} that {value or 'is no constant'}"
            companions.append(value)
        scale, zero = companions
        problem = _problem(stored, scale, zero)
        if problem:
            return problem
        directions, columns, rows = stored.shape
        # Of one weight and many scales many arrays can be made.
        self._constants.claim(directions * columns * rows, place.name)
        return _Quantised(
            (directions, rows, columns),
            "float32",
            stored.read,
            scale.reshape(directions, -1),
            zero.astype(np.float32).reshape(directions, -1),
        )


def _problem(stored: Weight, scale: Array, zero: Array) -> str:
    """Say why a scale and a zero point do not tell what integers stand for."""
    if len(stored.shape) != 3 or 0 in stored.shape:
        return f"has shape {stored.shape}"
    directions, _, rows = stored.shape
    if scale.dtype != np.float32 or scale.shape not in ((directions,), (directions, rows)):
        return (
            f"has a scale of {name_of(scale.dtype)} {scale.shape}, which is one for each of "
            f"{directions} directions, or for each of {rows} rows too"
        )
    if zero.dtype.name != stored.dtype or zero.shape != scale.shape:
        return f"is of {stored.dtype} with a zero point of {name_of(zero.dtype)} {zero.shape}"
    try:
        check_scale(scale)
    except ValueError as problem:
        return f"has {problem}"
    return ""
