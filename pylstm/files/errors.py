"""The name in pickles of earlier versions; see :mod:`pylstm.files.base.errors`."""

from .base.errors import WeightFileError, WeightFileWarning

__all__ = ["WeightFileError", "WeightFileWarning"]
