"""The name in pickles of earlier versions; see :mod:`pylstm.runtime.config`."""

from .runtime.config import show_config

__all__ = ["show_config"]
