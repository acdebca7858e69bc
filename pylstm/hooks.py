"""The name in pickles of earlier versions; see :mod:`pylstm.modules.hooks`."""

from .modules.hooks import RemovableHandle

__all__ = ["RemovableHandle"]
