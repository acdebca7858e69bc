"""The name in pickles of earlier versions; see :mod:`pylstm.modules.incompatible_keys`."""

from .modules.incompatible_keys import _IncompatibleKeys

__all__ = ["_IncompatibleKeys"]
