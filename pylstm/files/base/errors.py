"""What reading a weight file raises and warns of."""

from __future__ import annotations

_LONGEST_LINE = 1000  # characters: a name may be as long as the file


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

    Examples
    --------
    >>> import pylstm
    >>> try:
    ...     pylstm.load(b"no weights")
    ... except pylstm.WeightFileError as error:
    ...     print(error.file)
    <bytes>
    """

    def __init__(self, file: str, record: str, reason: str) -> None:
        # Exactly these arguments, so that the exception can be pickled.
        super().__init__(file, record, reason)
        self.file = file
        self.record = record
        self.reason = reason

    def __str__(self) -> str:
        # A list in the reason has lines of its own; a name that the file chose may not make any.
        parts = (self.file, self.record, *self.reason.split("\n"))
        file, record, *reason = (printable(_shortened(part)) for part in parts)
        return ": ".join(part for part in (file, record, "\n".join(reason)) if part)


class WeightFileWarning(UserWarning):
    """A weight file that leaves open what its numbers depend on, so that it was assumed.

    Parameters
    ----------
    text : str
        What was assumed, and which argument of ``from_weights`` answers it.

    Examples
    --------
    Turn it off, or make it an error:

    >>> import warnings, pylstm
    >>> warnings.simplefilter("ignore", pylstm.WeightFileWarning)
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)


def printable(text: str) -> str:
    r"""Return ``text`` with everything escaped that is not seen: ``\x1b``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_LINE else f"{text[: _LONGEST_LINE - 20]}...{text[-17:]}"


# Where users find them: pickles and messages name that place. Not in the body, where a class would
# keep the line at which it begins: inspect would show that line of another file.
WeightFileError.__module__ = WeightFileWarning.__module__ = "pylstm"
