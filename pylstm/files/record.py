"""The name in pickles of earlier versions; see :mod:`pylstm.files.base.record`."""

from .base.record import Record

__all__ = ["Record"]
