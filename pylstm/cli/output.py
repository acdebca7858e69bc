"""What the commands print: aligned tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

MAX_COLUMN = 80  # characters


class Failure(Exception):
    """A command ends here: one line for stderr, and the exit code."""

    def __init__(self, message: str, code: int = 2) -> None:
        super().__init__(message)
        self.code = code


def counted(number: int, thing: str) -> str:
    """Return ``1 byte`` or ``2,048 bytes``."""
    return f"{number:,} {thing}{'s' * (number != 1)}"


def print_table(
    headers: Sequence[str], rows: Callable[[], Iterable[Sequence[str]]], numbers: str = ""
) -> None:
    """Print rows below headers, two spaces before each column.

    Parameters
    ----------
    headers : sequence of str
    rows : callable
        Makes the rows, one text per header; called twice, so that they need not be kept. Text
        from a file must have gone through `pylstm.files.base.errors.printable`.
    numbers : str, optional
        Headers of the columns that are aligned at the right, separated by spaces.
    """
    widths = [len(header) for header in headers]
    for row in rows():
        widths = [max(width, len(cell)) for width, cell in zip(widths, row, strict=True)]
    # One very long name shall not push all others off the screen.
    widths = [min(width, MAX_COLUMN) for width in widths]
    right = [header in numbers.split() for header in headers]
    for row in chain([headers], rows()):
        cells = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        print(("  " + "  ".join(cells)).rstrip())
