"""What ``load_state_dict`` returns."""

from __future__ import annotations

from collections import namedtuple


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What load_state_dict returns; prints as torch's does."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


# Pickles of every version name this, wherever the file lies.
_IncompatibleKeys.__module__ = "pylstm.state"
