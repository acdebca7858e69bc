"""Tensors that torch.distributed splits among processes: whole ones, and parts of others."""

from __future__ import annotations

from typing import Any

from ..base.pieces import REMEDY
from ..base.record import Record, Shard
from .context import Context, Handler

_KINDS = {
    "torch.distributed.tensor.DTensor": "DTensor",
    "torch.distributed.tensor._api.DTensor": "DTensor",
    "torch.distributed._tensor.DTensor": "DTensor",
    "torch.distributed._tensor.api.DTensor": "DTensor",
    "torch.distributed._shard.sharded_tensor.api.ShardedTensor": "ShardedTensor",
}
# Where these are, a local tensor holds numbers of the tensor itself; a Partial one holds terms.
_PLACEMENTS = (".placement_types.Shard", ".placement_types.Replicate")


def rebuilt(context: Context, class_name: str, args: tuple[Any, ...], state: Any) -> Any:
    """Return the tensor of a class of torch.distributed, or what stands for its part.

    Parameters
    ----------
    context : Context
    class_name : str
    args : tuple
        Of ``torch._utils._rebuild_wrapper_subclass``: the class, the dtype, the size, ...
    state : object
        What the tensor's ``__setstate__`` or dictionary would receive.

    Returns
    -------
    object
        None if the class is another one.
    """
    kind = _KINDS.get(class_name)
    if kind is None:
        return None
    size = args[2] if len(args) > 2 and type(args[2]) is tuple else None
    local = _local_tensor(state) if kind == "DTensor" else _only_shard(state)
    shape = getattr(local, "shape", None)
    if shape is not None and shape == size:  # the other processes have none of it, or all
        return local
    part = "" if shape is None else f" {tuple(shape)}"
    whole = "" if size is None or len(size) > 8 else f" {size}"
    context.spend(512)
    return Shard(class_name, args, state, f"a shard{part} of a {kind}{whole}; {REMEDY}")


def _local_tensor(state: Any) -> Any:
    """Return a DTensor's part; None if it may be a term of a sum."""
    attributes = state[-1] if type(state) is tuple and len(state) == 2 else state
    match attributes:
        case {"_local_tensor": local, "_spec": Record(state={"placements": tuple() as placements})}:
            names = [getattr(each, "class_name", "") for each in placements]
            if names and all(name.endswith(_PLACEMENTS) for name in names):
                return local
    return None


def _only_shard(state: Any) -> Any:
    """Return the one part of a ShardedTensor that a file has."""
    match state:
        case ([Record(state={"tensor": tensor})], *_):
            return tensor
    return None


def _sharded(context: Context, args: tuple[Any, ...]) -> Any:
    """Return what stands for a ShardedTensor as torch pickled it when it was no tensor."""
    return Shard("ShardedTensor", args, None, f"a shard of a ShardedTensor; {REMEDY}")


HANDLERS: dict[str, Handler] = {
    name: _sharded for name, kind in _KINDS.items() if kind != "DTensor"
}
