"""One reader for each format of weight files, imported when a file needs it."""

import sys


def __getattr__(name: str) -> object:
    """Return ``pylstm.load`` to pickles of earlier versions, in which this was its module."""
    if name == "load":
        return sys.modules["pylstm"].load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
