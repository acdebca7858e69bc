"""The name in pickles of earlier versions; see :mod:`pylstm.modules.tables`."""

from .modules.tables import Module

__all__ = ["Module"]
