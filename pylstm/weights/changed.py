"""Parameters that a file keeps in parts, computed where the names and shapes leave one formula.

Weight norm keeps a direction and a length, spectral norm a matrix and two vectors, pruning a
matrix and its mask, and a weight-dropped layer its weight under another name. What they compute in
evaluation mode is computed here in float64 and rounded once. A mapping alone is looked at: an
object has functions that its calls run, and they may compute something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files.base.tensor import Tensor
from .foreign import Group
from .forms import describe_forms
from .infer import NearMiss
from .values import BadScale, Widened, read

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

# Vectors of spectral norm are unit vectors; of float16 this is what rounding leaves.
_UNIT = 0.01


@dataclass(frozen=True, eq=False, slots=True)
class Changed(Widened):
    """A parameter that is computed of several arrays when it is read.

    Parameters
    ----------
    stored : Tensor or ndarray
        The array that has the shape of the parameter.
    parts : tuple of Tensor or ndarray
        The others.
    rule : callable or None
        Takes the arrays in float64 and returns the parameter, in an array of its own or in the
        first of them.
    """

    parts: tuple[Any, ...] = ()
    rule: Callable[..., Array] | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the array that :meth:`read` returns."""
        is_wide = self.stored.dtype.newbyteorder("=") == np.float64
        return np.dtype(np.float64 if is_wide else np.float32)

    def read(self) -> Array:
        """Return the array.

        Raises
        ------
        BadScale
            If the arrays do not give a finite number everywhere.
        """
        assert self.rule is not None
        arrays = [read(each).astype(np.float64) for each in (self.stored, *self.parts)]
        if not all(np.isfinite(each).all() for each in arrays):
            raise BadScale("", "", "is computed from numbers that are not finite")
        with np.errstate(all="ignore"):
            made = self.rule(*arrays).astype(self.dtype)
        if not np.isfinite(made).all():
            raise BadScale("", "", "is computed, and gives numbers that are not finite")
        return made

    def pieces(self) -> Iterator[tuple[int, Array]]:
        """Yield the whole of it: a norm is one of all elements."""
        yield 0, self.read()


def _normed(v: Array, g: Array) -> Array:
    """Return ``g v / |v|``, the norm being over the axes along which g has one number."""
    axes = None if g.ndim == 0 else tuple(axis for axis in (0, 1) if g.shape[axis] == 1)
    # Divided by the largest number first, no square is beyond float64.
    largest = np.abs(v).max(initial=0)
    if largest == 0:
        raise BadScale("", "", "is a direction times a length, and the direction is zero")
    v /= largest
    norm = np.sqrt(np.square(v).sum(axis=axes, keepdims=True)).reshape(g.shape)
    if not (norm > 0).all():
        raise BadScale("", "", "is a direction times a length, and a direction is zero")
    v *= g / norm
    return v


def _spectral(weight: Array, u: Array, v: Array) -> Array:
    """Return ``W / (u W v)``; of two orders of the axes the one that fits u and v."""
    for vector in (u, v):
        if abs(np.sqrt(np.square(vector).sum()) - 1) > _UNIT:
            raise BadScale("", "", "is divided by its norm, along vectors that are no unit vectors")
    rows, columns = (u, v) if u.size == weight.shape[0] else (v, u)
    sigma = rows @ weight @ columns
    if sigma == 0:
        raise BadScale("", "", "is divided by its norm, which is 0 by the file")
    weight /= sigma
    return weight


def _masked(weight: Array, mask: Array) -> Array:
    weight *= mask
    return weight


_SPECTRAL = (_spectral, "{0} / ({1} . {0} . {2})")
_NORMED = (_normed, "{1} * {0} / norm of {0}")
# By the forms in which a parameter is there, first the one that has its shape.
_RULES: dict[tuple[str, ...], tuple[Callable[..., Array], str]] = {
    ("v", "g"): _NORMED,
    ("original1", "original0"): _NORMED,
    ("orig", "u", "v"): _SPECTRAL,
    ("original", "0._u", "0._v"): _SPECTRAL,
    ("orig", "mask"): (_masked, "{0} * {1}"),
}
_BY_FORMS = {frozenset(forms): forms for forms in _RULES}


def spelled(name: str, form: str) -> str:
    """Return the name under which a file keeps a parameter in a form."""
    is_new = form.startswith(("original", "0."))
    return f"parametrizations.{name}.{form}" if is_new else f"{name}_{form}"


def changed(
    prefix: str, group: Group, plain: Mapping[str, Any], forms: Mapping[tuple[str, str], Any]
) -> tuple[dict[str, Any], dict[str, str]] | NearMiss:
    """Return all parameters, and of what some of them are computed; nothing is read.

    Parameters
    ----------
    prefix : str
        Where they were found.
    group : Group
    plain : mapping of str to object
        The parameters that the file has plainly.
    forms : mapping of (str, str) to object
        The others, by plain name and form.

    Returns
    -------
    (dict, dict) or NearMiss
        A near miss where it is not sure what is computed of them.
    """
    refused = describe_forms(prefix, plain, forms)
    if group.owner is not None:
        return refused
    by_name: dict[str, dict[str, Any]] = {}
    for (name, form), leaf in forms.items():
        by_name.setdefault(name, {})[form] = leaf
    values, told = dict(plain), {}
    for name, parts in by_name.items():
        if set(parts) == {"raw"}:
            values[name], told[name] = parts["raw"], spelled(name, "raw")
            continue
        order = _BY_FORMS.get(frozenset(parts))
        if order is None or name in plain:
            return refused
        problem = _problem(name, order, parts) or _chain(group, name)
        if problem:
            return NearMiss(prefix, refused.kind, problem)
        rule, text = _RULES[order]
        stored, *others = (parts[form] for form in order)
        values[name] = Changed(stored, parts=tuple(others), rule=rule)
        told[name] = text.format(*(spelled(name, form) for form in order))
    return values, told


def _problem(name: str, order: tuple[str, ...], parts: Mapping[str, Any]) -> str:
    """Say why it is not sure what is computed of arrays in these forms."""
    for form in order:
        leaf, kinds = parts[form], "fbiu" if form == "mask" else "f"
        if not isinstance(leaf, (Tensor, np.ndarray)):
            return f"{spelled(name, form)} is {leaf!r:.100}"
        if leaf.dtype.kind not in kinds:
            return f"{spelled(name, form)} is of dtype {leaf.dtype}"
    stored, *others = (parts[form] for form in order)
    shapes, rule = [each.shape for each in others], _RULES[order][0]
    told = ", ".join(f"{spelled(name, form)} has shape {parts[form].shape}" for form in order)
    if rule is _masked:
        return "" if shapes == [stored.shape] else told
    if stored.ndim != 2 or 0 in stored.shape:
        return told
    rows, columns = stored.shape
    if rule is _normed:
        fitting = [(rows, 1), (1, columns), ()]
        return "" if shapes[0] in fitting else told
    if shapes not in ([(rows,), (columns,)], [(columns,), (rows,)]):
        return told
    if rows == columns > 1:
        return (
            f"{told}: of a square matrix the file does not say which of its axes came first (dim); "
            "torch.nn.utils.remove_spectral_norm gives plain weights"
        )
    return ""


def _chain(group: Group, name: str) -> str:
    """Say if a state_dict records a second parametrisation, which need not have an array."""
    metadata = getattr(group.place.container, "_metadata", None)
    start = f"{group.prefix}." if group.prefix else ""
    second = f"{start}parametrizations.{name}.1"
    if isinstance(metadata, dict) and second in metadata:
        return f"parametrizations.{name} are several, of which one has no array"
    return ""


def take_dropped(
    groups: Mapping[tuple[Any, str], Group],
    up: Callable[[Any, str], tuple[Any, str, str]],
) -> None:
    """Give the module in a wrapper the weights that the wrapper drops some of.

    fastai keeps ``weight_hh_l0_raw`` in a wrapper; under ``module`` stands the layer, of whose
    weight a file has nothing or what the last dropout left.

    Parameters
    ----------
    groups : mapping of (Place, str) to Group
    up : callable
        Splits the last name off a path: takes and returns a place and a prefix, and returns it.
    """
    for (place, prefix), inner in groups.items():
        above, start, name = up(place, prefix)
        group = groups.get((above, start)) if name == "module" else None
        if group is None or group is inner or group.plain or group.companions:
            continue
        is_raw = group.forms and all(form == "raw" for _, form in group.forms)
        if group.owner or inner.owner or not is_raw or set(group.forms) & set(inner.forms):
            continue
        for (parameter, form), leaf in group.forms.items():
            inner.put(parameter, form, leaf)
        group.forms = {}
