"""The name in pickles of earlier versions; see :mod:`pylstm.modules.state_dict`."""

from .modules.state_dict import _IncompatibleKeys

__all__ = ["_IncompatibleKeys"]
