"""The name in pickles of earlier versions; see :mod:`pylstm.files.write.save`."""

from .write.save import save

__all__ = ["save"]
