"""Batches of sequences of different lengths: padding, packing, and back.

The eight names of ``torch.nn.utils.rnn``, on NumPy arrays: same arguments, values, dtypes,
exception types and texts. They are data utilities, so any numeric or bool dtype will do; anything
that ``np.asarray`` takes, torch CPU tensors included, may stand for an array. Arguments are never
modified and results never share memory with them.

Different from torch: sequences of equal length keep their order at every batch size; a length
beyond the padded axis or below zero is an error everywhere; :func:`unpad_sequence` does not
transpose its argument; the fields of a :class:`PackedSequence` are checked against one another
before they are used.
"""

from ._packed import PackedSequence, invert_permutation
from ._packing import pack_padded_sequence, pack_sequence, pad_packed_sequence, unpack_sequence
from ._padding import pad_sequence, unpad_sequence

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]

# The public names are those that pickles record and that error texts and documentation use.
for _name in __all__:
    globals()[_name].__module__ = __name__


def __dir__() -> list[str]:
    return sorted(__all__)
