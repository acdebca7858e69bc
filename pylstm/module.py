"""The name in pickles of earlier versions; see :mod:`pylstm.modules.module`."""

from .modules.module import Module

__all__ = ["Module"]
