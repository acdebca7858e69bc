"""Modules that keep their parameters in another form than plainly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .infer import NearMiss, gates_of, name_of
from .packed import PACKED
from .values import Widened, is_scaled, scale_problem

_PARAMETRISED = (
    "parametrised",
    "torch.nn.utils.parametrize.remove_parametrizations gives plain weights",
)
_WEIGHT_NORMED = ("weight-normed", "torch.nn.utils.remove_weight_norm gives plain weights")
_PRUNED = ("pruned", "torch.nn.utils.prune.remove gives plain weights")

# Modules that keep their weights in another way altogether, and what helps.
_OTHERS = {
    **{form: (kind, "save the module before it is quantised") for form, kind in PACKED.items()},
    "quantizable": ("quantizable LSTM", "save the torch.nn.LSTM that it was made from"),
}
# Forms in which a file keeps parameters instead of plainly: how such a module is called, and
# what helps. Where it has several, the first in this order says what it is.
_FORMS = {
    "twice": ("ambiguous", "a state_dict would have it once"),
    "raw": ("weight-dropped", "what dropout leaves of the raw weight is not the weight"),
    "u": ("spectrally normed", "torch.nn.utils.remove_spectral_norm gives plain weights"),
    "mask": _PRUNED,
    "orig": _PRUNED,
    "g": _WEIGHT_NORMED,
    "v": _WEIGHT_NORMED,
    "original": _PARAMETRISED,
    "original0": _PARAMETRISED,
    "original1": _PARAMETRISED,
    "0._u": _PARAMETRISED,
    "0._v": _PARAMETRISED,
}
# Those that have the shape of the parameter itself.
_SHAPED = ("raw", "orig", "v", "original", "original1")


def scaled(
    prefix: str, parameters: Mapping[str, Any], companions: Mapping[tuple[str, str], Any]
) -> dict[str, Any] | NearMiss:
    """Return the parameters, those of them multiplied that are integers with a scale beside them.

    Parameters
    ----------
    prefix : str
        Where they were found.
    parameters : mapping of str to object
    companions : mapping of (str, str) to object
        What stands beside them, by the name of the parameter and ``"scale"`` or ``"zero_point"``.
    """
    values = dict(parameters)
    for name, stored in parameters.items():
        scale = companions.get((name, "scale"))
        if scale is None or not is_scaled(stored, scale):
            continue
        problem = scale_problem(name, stored, scale)
        if (name, "zero_point") in companions:
            problem = f"{name}_zero_point: of integers only those around zero are read"
        if problem:
            return NearMiss(prefix, f"quantised {name_of(parameters)}", problem)
        values[name] = Widened(stored, scale)
    return values


def describe_forms(
    prefix: str, parameters: Mapping[str, Any], forms: Mapping[tuple[str, str], Any]
) -> NearMiss:
    """Say what a module is that keeps some of its parameters in other forms.

    Parameters
    ----------
    prefix : str
        Where it was found.
    parameters : mapping of str to object
        Those that it has plainly.
    forms : mapping of (str, str) to object
        The others, by plain name and form.
    """
    order = [*_OTHERS, *_FORMS]
    name, form = min(forms, key=lambda both: order.index(both[1]))
    if form in _OTHERS:
        kind, remedy = _OTHERS[form]
        return NearMiss(prefix, kind, f"it keeps {name}; {remedy}")
    adjective, remedy = _FORMS[form]
    # Of a parameter in several forms one alone may have its shape.
    shaped = {
        other: leaf
        for (other, how), leaf in forms.items()
        if how in _SHAPED and ("weight_hh" not in other or gates_of(leaf))
    }
    kind = name_of({name: None, **parameters, **shaped})
    if form == "twice":
        spelt = f"{name} twice"
    else:
        is_new = form.startswith(("original", "0."))
        spelt = f"parametrizations.{name}.{form}" if is_new else f"{name}_{form}"
    return NearMiss(prefix, f"{adjective} {kind}", f"it keeps {spelt}; {remedy}")
