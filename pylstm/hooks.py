"""The name in pickles of earlier versions; see :mod:`pylstm.modules.handles`."""

from .modules.handles import RemovableHandle

__all__ = ["RemovableHandle"]
