"""What reading a weight file raises."""

from __future__ import annotations


class WeightFileError(ValueError):
    """A weight file that is damaged, hostile or of a kind that pylstm does not read.

    Parameters
    ----------
    file : str
        The file, as the caller named it.
    record : str
        The part of the file that is at fault; empty where it is the whole file.
    reason : str
        What was expected and what was found.
    """

    def __init__(self, file: str, record: str, reason: str) -> None:
        # Exactly these arguments, so that the exception can be pickled.
        super().__init__(file, record, reason)
        self.file = file
        self.record = record
        self.reason = reason

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.record, self.reason) if part)
