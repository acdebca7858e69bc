"""Weight files: read without torch, and without running anything that a file names.

:func:`open_weights` recognises the format by content. What it gives is a tree of plain
containers; its leaves are what the caller's ``make`` returns for each
:class:`~pylstm.files.base.tensor.Tensor`, which is the tensor itself where nothing shall be
read yet.
"""

from .base.errors import WeightFileError
from .base.record import Record, Unsupported

__all__ = ["Record", "Unsupported", "WeightFileError"]


def __dir__() -> list[str]:
    return sorted(__all__)
