"""An inert reader of pickles: no import, no call, no attribute of anything that a file names.

Plain data come out as they went in. Tensors and NumPy arrays become what the caller makes of
their description. Everything else is a :class:`~pylstm.files.base.record.Record`; two of those have
names of their own: ``key`` holds what serves as a key and cannot be hashed, as arrays;
``operator.call`` is a call of what another call returned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..base.source import Segment
from ..base.tensor import Bytes, Make
from .budget import Budget
from .context import Context, StorageType
from .from_torch import StorageId, storage_id
from .machine import Machine
from .opcodes import run
from .storages import StorageView, with_arrays
from .stream import Stream

__all__ = ["Budget", "StorageId", "StorageType", "StorageView", "storage_id", "unpickle"]


def unpickle(
    content: Bytes,
    *,
    file: str,
    make: Make,
    budget: Budget | None = None,
    persistent: Callable[[Any], Any] | None = None,
    start: int = 0,
    load_storage: Callable[[Segment], Any] | None = None,
    keep_storages: bool = False,
) -> tuple[Any, int]:
    """Read one pickle.

    Parameters
    ----------
    content : Bytes
        A Segment or its like; its ``record`` appears in messages. It is read in ascending pieces
        of 64 KB and no further than the piece that holds the end of the pickle.
    file : str
        Name of the file, for messages.
    make : Make
        Called with every :class:`~pylstm.files.base.tensor.Tensor`; what it returns goes
        into the tree.
    budget : Budget, optional
        Of the whole file, if the pickle is a part of it.
    persistent : callable, optional
        Takes a persistent id and returns the object for it: for torch's storages a Storage or a
        StorageView (see :func:`storage_id`). Without it such ids are errors.
    start : int, optional
        Where in ``content`` the pickle begins.
    load_storage : callable, optional
        Returns the storage that a file holds whose bytes are in the pickle; Python's own ``pickle``
        writes torch's tensors in that way. Without it a record stays in their place.
    keep_storages : bool, optional
        Whether storages that no tensor is made of stay what they are in the tree. By default they
        become arrays of one axis.

    Returns
    -------
    tree : object
    end : int
        Where in ``content`` the pickle ended.

    Raises
    ------
    WeightFileError
    """
    budget = budget or Budget(content.size)
    memory = budget.memory
    context = Context(Stream(content, file, start), make, budget, load_storage)
    machine = Machine(context, persistent)
    tree = run(machine)
    if not all(run_of_bytes.used for run_of_bytes in machine.in_file.values()):
        # Long bytes are left in the file, because they mostly are the data of an array. Some of
        # these are not, so a second run reads them where they are wanted.
        context.stream = Stream(content, file, start)
        machine = Machine(context, persistent, machine.in_file)
        del tree
        budget.memory = memory
        tree = run(machine)
    end = machine.stream.position
    if context.has_storages and not keep_storages:
        tree = with_arrays(context, tree)
    return tree, end
