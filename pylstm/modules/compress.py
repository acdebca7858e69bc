"""compress: a copy of a module whose recurrent weights are kept in fewer bytes."""

from __future__ import annotations

from .._core import Layer
from ..arguments.naming import type_name
from ..weights.storages import STORAGES, storage_of
from .module import Module
from .native import AnyModule, copied_with
from .parameters import SCALE
from .recurrent import RecurrentModule


def compress(module: AnyModule, weights: str) -> AnyModule:
    """Return a copy of a module whose recurrent layers and cells keep their weights in fewer bytes.

    Parameters
    ----------
    module : Module
        A layer, a cell, or a container of them. It is left as it is.
    weights : str
        How the matrices are kept; biases and peepholes stay float32.

        ``"int8"``
            Integers of 8 bits with a scale for each row; inputs are rounded to 14 bits, states to
            8.
        ``"int8-fast"``
            The same weights; inputs are rounded to 8 bits too.
        ``"int16"``
            Integers of 16 bits with a scale for each row; inputs and states are rounded to 14
            bits.
        ``"bfloat16"``, ``"float16"``
            Shorter floats. Calls compute with their values in float32, and give the bits of a
            float32 module with these values.

    Returns
    -------
    Module
        What ``copy.deepcopy`` would return, of the same class, but for the weights. A module that
        hangs in several places is compressed once. Parameters of other modules are copied.

    Raises
    ------
    ValueError
        If there is no such storage, no recurrent module to compress, one of float64, or a weight
        that the storage cannot hold: integers hold no NaN or infinity, float16 no finite number
        beyond 65504. The weight is named.
    TypeError
        For what is no module, or no string.

    Notes
    -----
    torch has no equivalent; ``torch.ao.quantization.quantize_dynamic`` is the nearest, whose
    results depend on the other rows of a batch, and on the later steps of a sequence. Those of a
    compressed module do not, and have the same bits on every machine, as those of float32 modules.

    A module that is compressed already is copied if the storage is the same, and else compressed
    from the numbers that it has now, which have lost what the first storage lost.

    The parameters of a compressed module read as read-only float32 arrays of what is stored;
    assigning one compresses it again. ``module.weights`` names the storage, and ``float()`` makes
    the module a float32 one for good.

    Examples
    --------
    >>> import numpy as np
    >>> import pylstm as nn
    >>> nn.manual_seed(0)
    >>> lstm = nn.LSTM(100, 20)
    >>> small = nn.compress(lstm, "int8")
    >>> small
    LSTM(100, 20, weights='int8')
    >>> small.state_dict()["weight_ih_l0"].dtype
    dtype('int8')
    >>> x = np.random.rand(10, 3, 100)
    >>> bool(np.abs(small(x)[0] - lstm(x)[0]).max() < 0.01)
    True
    """
    if not isinstance(module, Module):
        raise TypeError(f"compress() takes a Module of pylstm, got {type_name(module)}")
    if not isinstance(weights, str):
        known = ", ".join(map(repr, STORAGES))
        raise TypeError(f"weights must be one of {known}, got {type_name(weights)}")
    name = storage_of(weights).name
    if isinstance(module, RecurrentModule):
        module._native_names  # noqa: B018 - a RuntimeError before __init__
    recurrent = _recurrent(module)
    if not recurrent:
        raise ValueError(
            f"there is nothing to compress: no module of this {type(module).__name__} is a "
            "recurrent layer or cell"
        )
    compressed = {
        id(each): _compressed(each, path, name)
        for path, each in recurrent.items()
        if each._native_weights != name  # others are copied
    }
    copied = copied_with(module, compressed)
    for path, each in _recurrent(copied).items():
        if any(each is given for given in recurrent.values()):
            raise TypeError(
                f"compress() copies the module, and a copy of {type_name(module)} has the very "
                f"module {path or 'that was given'!r} of it"
            )
        if each._native_weights != name:  # of a class that says itself how it is copied
            each._native_share(_compressed(each, path, name))
    return copied


def _recurrent(module: Module) -> dict[str, RecurrentModule]:
    """Return the recurrent modules of a tree, each once, by their paths."""
    return {
        path: each for path, each in module.named_modules() if isinstance(each, RecurrentModule)
    }


def _compressed(module: RecurrentModule, path: str, name: str) -> Layer:
    """Return what holds the parameters of a recurrent module in a storage."""
    where = f"{path}." if path else ""
    if module._native_dtype.name != "float32":
        raise ValueError(
            f"{path or type(module).__name__} is of {module._native_dtype.name}, and weights are "
            "compressed from float32: call .float() first"
        )
    if STORAGES[name].is_integer:
        taken = {each + SCALE for each in module._native_names} & dict(
            module._registered_slots()
        ).keys()
        if taken:
            raise ValueError(
                f"{where}{min(taken)} is an array of the module's own, and the scales of a "
                f"compressed weight have this name"
            )
    try:
        return module._parameters_in(name)
    except ValueError as error:
        raise ValueError(f"{where}{error}") from None


# As in module.py.
compress.__module__ = "pylstm"
