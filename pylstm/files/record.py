"""The name in pickles of earlier versions; see :mod:`pylstm.files.base.record`."""

from .base.record import Record, RecurrentLayer, Shard, Unsupported

__all__ = ["Record", "RecurrentLayer", "Shard", "Unsupported"]
