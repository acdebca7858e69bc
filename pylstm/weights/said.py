"""What a file says of a module beside its parameters, and what it leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..arguments.variants import DEFAULTS, NONLINEARITIES, OPTIONS_KEY, RNN_MODES
from ..files.base.record import RecurrentLayer
from .found import FoundRecurrent
from .kinds import CELL, RNN, kind_of


def nonlinearity_of(kind: str, facts: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the attribute of an RNN that decides its nonlinearity, and which one that says.

    Of torch's RNN it is ``mode``, whatever else the module says; of its cell, and of what readers
    put together, ``nonlinearity``. None where there is no such attribute, and empty for what is
    neither tanh nor relu.
    """
    is_mode = "mode" in facts and not kind.endswith(CELL)
    name = "mode" if is_mode else "nonlinearity"
    value = facts.get(name)
    if value is None:
        return name, None
    known = RNN_MODES if is_mode else dict(zip(NONLINEARITIES, NONLINEARITIES, strict=True))
    return name, known.get(value, "") if isinstance(value, str) else ""


def said(
    found: FoundRecurrent, owner: Any, facts: Mapping[str, Any], assumed: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fields of a module that its parameters do not tell.

    Parameters
    ----------
    found : FoundRecurrent
        What the parameters tell.
    owner : Record or None
        The object that has the parameters as attributes.
    facts : mapping
        The attributes of the module, or what else the file says of it.
    assumed : mapping
        What is assumed where the file comes from.
    """
    fields: dict[str, Any] = {}
    if owner is None or isinstance(owner, RecurrentLayer):
        # Those of torch's modules are no arguments, whatever they are called.
        fields["merge_mode"] = facts.get("merge_mode")
        told = {name: facts[name] for name in DEFAULTS if name in facts}
        others = {name: value for name, value in told.items() if value != DEFAULTS[name]}
        fields["options"] = {**others, **found.options}
        if OPTIONS_KEY in facts:  # and is nothing that pylstm wrote
            fields["options"][OPTIONS_KEY] = facts[OPTIONS_KEY]
    if isinstance(owner, RecurrentLayer):
        fields["initial_states"] = owner.initial_states
        unknown = dict(owner.assumed)
    elif found._is_cell:
        unknown = {}
    elif assumed:
        unknown = dict(assumed)
    else:
        unknown = {} if isinstance(facts.get("batch_first"), bool) else {"batch_first": False}
    if kind_of(found.kind) is RNN:
        _, nonlinearity = nonlinearity_of(found.kind, facts)
        if not nonlinearity:  # what is neither is refused elsewhere, for the module as a whole
            unknown["nonlinearity"] = nonlinearity = NONLINEARITIES[0]
        fields["nonlinearity"] = nonlinearity
    return {**fields, "assumed": unknown}
