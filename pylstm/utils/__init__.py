"""Tools around the modules: :mod:`pylstm.utils.rnn` packs and pads sequences."""

from . import rnn

__all__ = ["rnn"]


def __dir__() -> list[str]:
    return sorted(__all__)
