"""The constructors' arguments: checked in torch's order, with torch's exceptions and texts."""

from __future__ import annotations

import functools
import numbers
import operator
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec

from .variants import NONLINEARITIES

Parameters = ParamSpec("Parameters")


def _whole_number(value: Any) -> int:
    """Return a size as an int; True stays True, since torch keeps and prints it."""
    return value if isinstance(value, int) else operator.index(value)


def _check_dropout(dropout: Any, num_layers: Any, stacklevel: int) -> float:
    probability = float(dropout)
    if (
        not isinstance(dropout, numbers.Number)
        or not 0 <= probability <= 1
        or isinstance(dropout, bool)
    ):
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an "
            f"element being zeroed: got {dropout!r}"
        )
    if probability > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
            f"expects num_layers greater than 1, but got dropout={dropout} and "
            f"num_layers={num_layers}",
            stacklevel=stacklevel,
        )
    return probability


def _check_bool(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(
            f"{name} should be of type bool, got: {type(value).__name__}; write {name}=True or "
            f"{name}=False, or pass the arguments after the sizes by name"
        )
    return value


def _wrong_size_type(name: str, value: Any) -> TypeError:
    return TypeError(
        f"{name} should be of type int, got: {type(value).__name__}; "
        f"{name} is the number of features, a whole number"
    )


def _check_size(name: str, value: Any) -> int:
    try:
        size = _whole_number(value)
    except TypeError:
        raise _wrong_size_type(name, value) from None
    if size <= 0:
        raise ValueError(f"{name} must be greater than zero: got {size}")
    return size


def check_nonlinearity(value: Any) -> str:
    """Return the name that an RNN's nonlinearity is equal to."""
    for name in NONLINEARITIES:
        if value == name:
            return name
    raise ValueError(f"Unknown nonlinearity '{value}'. Select from 'tanh' or 'relu'.")


def torch_order(init: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Decorate an ``__init__`` of GRU or RNN: check what torch checks before it counts arguments.

    That is whether there is a ``proj_size``, and then what the nonlinearity is.
    """
    code = init.__code__
    names = code.co_varnames[: code.co_argcount]
    position = names.index("nonlinearity") if "nonlinearity" in names else None

    @functools.wraps(init)
    def __init__(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        if "proj_size" in kwargs:
            raise ValueError(
                "proj_size argument is only supported for LSTM, not RNN or GRU: leave it out"
            )
        if position is not None and len(args) > position:
            check_nonlinearity(args[position])
        elif position is not None:
            check_nonlinearity(kwargs.get("nonlinearity", "tanh"))
        init(*args, **kwargs)

    return __init__


def check_layer(
    mode: str,
    input_size: Any,
    hidden_size: Any,
    num_layers: Any,
    bias: Any,
    batch_first: Any,
    dropout: Any,
    bidirectional: Any,
    proj_size: Any,
    *,
    stacklevel: int,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a layer's structural attributes, and its options with their values.

    A warning is shown ``stacklevel`` frames above this function, as :func:`warnings.warn` counts.
    """
    probability = _check_dropout(dropout, num_layers, stacklevel + 1)
    bool(bidirectional)  # may raise; torch asks before it checks the other arguments
    _check_bool("bias", bias)
    _check_bool("batch_first", batch_first)
    input_size = _check_size("input_size", input_size)
    hidden_size = _check_size("hidden_size", hidden_size)
    if num_layers <= 0:
        raise ValueError(f"num_layers must be greater than zero: got {num_layers}")
    if proj_size < 0:
        raise ValueError(
            "proj_size should be a positive integer or zero to disable projections: "
            f"got {proj_size}"
        )
    if proj_size >= hidden_size:
        raise ValueError(
            f"proj_size has to be smaller than hidden_size: got proj_size={proj_size} and "
            f"hidden_size={hidden_size}"
        )
    if proj_size is True or not hasattr(proj_size, "__index__"):
        raise _wrong_size_type("proj_size", proj_size)
    structure = {
        "mode": mode,
        "input_size": input_size,
        "hidden_size": hidden_size,
        "num_layers": _whole_number(num_layers),
        "bias": bias,
        "bidirectional": bidirectional,
        "proj_size": _whole_number(proj_size),
    }
    return structure, {"batch_first": batch_first, "dropout": probability}


def check_cell(mode: str, input_size: Any, hidden_size: Any, bias: Any) -> dict[str, Any]:
    """Return a cell's structural attributes. torch checks no more than that they are sizes."""
    sizes = {}
    for name, value in (("input_size", input_size), ("hidden_size", hidden_size)):
        try:
            sizes[name] = _whole_number(value)
        except TypeError:
            raise _wrong_size_type(name, value) from None
    if min(sizes.values()) < 0:
        from ..weights import kinds  # only mistakes need it

        rows = getattr(kinds, mode.partition("_")[0]).rows(sizes["hidden_size"])
        negative = rows if rows < 0 else sizes["input_size"]
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {negative}: "
            f"[{rows}, {sizes['input_size']}]: sizes cannot be negative, got "
            f"input_size={input_size} and hidden_size={hidden_size}"
        )
    return {**sizes, "bias": bias}
