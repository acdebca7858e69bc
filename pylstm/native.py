"""The name in pickles of earlier versions; see :mod:`pylstm.modules.native`."""

from .modules.native import NativeModule, _rebuild

__all__ = ["NativeModule", "_rebuild"]
