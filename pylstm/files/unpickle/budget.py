"""How much memory and time one file may make its reader spend."""

from __future__ import annotations

_SPARE_BYTES = 48 << 20
_SPARE_WORK = 400_000_000


class Budget:
    """What is left to spend on the objects of one file; all its pickles share one budget.

    Parameters
    ----------
    size : int
        Bytes of the whole file, its tensors included.
    shares : int, optional
        How many files share what is spent beyond their sizes.

    Attributes
    ----------
    memory : int
        Bytes. Every opcode is charged with what it can make Python allocate at worst, and
        nothing is given back, so that no order of opcodes gets around it. Together with what
        Python itself needs this stays below 4 x file + 64 MB.
    work : int
        In steps of about 2 ns, for what costs more time than its bytes in the file suggest:
        keys, which are hashed and compared.
    """

    __slots__ = ("memory", "work")

    def __init__(self, size: int, shares: int = 1) -> None:
        self.memory = 4 * size + _SPARE_BYTES // shares
        self.work = 100 * size + _SPARE_WORK // shares
