"""JSON whose cost is counted before it is spent, and in which no name stands twice.

Python's own reader makes twenty bytes of objects from a byte of brackets, takes the C stack for
each level and, of two members with one name, keeps the last.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from .source import Source

_MOST_NESTED = 100
_LONGEST_NUMBER = 400  # digits: beyond the largest double

# Bytes that CPython allocates, with the share of a container that grows.
_DICT, _LIST, _MEMBER, _ITEM, _VALUE = 240, 112, 112, 12, 64
_SPARE_BYTES = 24 << 20

_TOKEN = re.compile(
    rb'[ \t\r\n]*(?:(?P<mark>[{}\[\],:])|"(?P<plain>[^"\\\x00-\x1f]*)"|(?P<quote>")'
    rb"|(?P<word>true|false|null|NaN|-?Infinity)|(?P<number>-?(?:0|[1-9]\d*)"
    rb"(?P<tail>(?:\.\d+)?(?:[eE][-+]?\d+)?)))"
)
_SPACE = re.compile(rb"[ \t\r\n]*")
_WORDS = {
    b"true": True,
    b"false": False,
    b"null": None,
    b"NaN": float("nan"),
    b"Infinity": float("inf"),
    b"-Infinity": float("-inf"),
}


class Allowance:
    """Bytes of memory that are left for what the texts of one file become.

    Parameters
    ----------
    size : int
        Bytes of the file.
    """

    def __init__(self, size: int) -> None:
        self.left = 3 * size + _SPARE_BYTES


def parse(source: Source, text: bytes, record: str = "", allowance: Allowance | None = None) -> Any:
    """Return what a text of JSON says: dicts, lists, strings, numbers, True, False and None.

    Parameters
    ----------
    source : Source
        The file, for messages; its size bounds the memory.
    text : bytes
        The whole text, in UTF-8.
    record : str, optional
        The part of the file, for messages.
    allowance : Allowance, optional
        Of the whole file, if this is one of several texts.

    Raises
    ------
    WeightFileError
        If it is not JSON, has a name twice in one object, or needs too much memory.
    """
    allowance = allowance or Allowance(max(source.size, len(text)))
    return _Reader(source, text, record, allowance).whole()


class _Reader:
    def __init__(self, source: Source, text: bytes, record: str, allowance: Allowance) -> None:
        self._source = source
        self._record = record
        self._text = text
        self._at = 0
        self._allowance = allowance

    def whole(self) -> Any:
        """Read one value, and nothing after it."""
        root: list[Any] = []
        # Containers that are open, each with the name that waits for its value in it.
        stack: list[tuple[Any, str | None]] = []
        into: Any = root
        name: str | None = None
        while True:
            value, opened = self._value()
            self._put(into, name, value)
            if opened and len(stack) == _MOST_NESTED:
                self._fail(f"is nested more than {_MOST_NESTED} deep")
            if opened and not self._closes(value):
                stack.append((into, name))
                into = value
                name = self._name(into) if isinstance(into, dict) else None
                continue
            while into is not root and not self._goes_on(into):
                into, name = stack.pop()
            if into is root:
                break
            name = self._name(into) if isinstance(into, dict) else None
        if _SPACE.match(self._text, self._at).end() != len(self._text):  # type: ignore[union-attr]
            self._fail("goes on after its end")
        return root[0]

    def _fail(self, reason: str) -> NoReturn:
        where = f"(at byte {self._at} of {len(self._text)})"
        raise self._source.error(self._record, f"its JSON {reason} {where}")

    def _spend(self, memory: int) -> None:
        self._allowance.left -= memory
        if self._allowance.left < 0:
            self._fail("needs too much memory for a file of this size")

    def _token(self) -> re.Match[bytes]:
        token = _TOKEN.match(self._text, self._at)
        if token is None:
            self._fail("is damaged or cut off")
        self._at = token.end()
        return token

    def _value(self) -> tuple[Any, bool]:
        """Return the next value, and whether it is a container that was opened just now."""
        token = self._token()
        if token["plain"] is not None or token["quote"]:
            return self._string(token), False
        if token["word"]:
            return _WORDS[token["word"]], False
        if token["number"]:
            return self._number(token), False
        if token["mark"] == b"{":
            self._spend(_DICT)
            return {}, True
        if token["mark"] == b"[":
            self._spend(_LIST)
            return [], True
        return self._fail("has no value where one was expected")

    def _number(self, token: re.Match[bytes]) -> int | float:
        text = token["number"]
        self._spend(_VALUE)
        if len(text) > _LONGEST_NUMBER:
            self._fail(f"has a number of more than {_LONGEST_NUMBER} characters")
        return float(text) if token["tail"] else int(text)

    def _string(self, token: re.Match[bytes]) -> str:
        if token["plain"] is not None:
            raw = token["plain"]
            self._spend(_VALUE + (len(raw) if raw.isascii() else 5 * len(raw)))
        else:
            start = token.start("quote")
            self._at = self._end_of_string(start)
            raw = self._text[start : self._at]
            self._spend(_VALUE + 6 * len(raw))
        try:
            text = raw.decode()
            if token["quote"]:
                text = json.loads(text)
                text.encode()  # JSON can escape half a character
        except ValueError:
            self._fail("has a string that is damaged")
        return text

    def _end_of_string(self, start: int) -> int:
        """Return where a string with escapes ends."""
        at = start + 1
        while (quote := self._text.find(b'"', at)) >= 0:
            before = self._text[at:quote]
            if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:
                return quote + 1
            at = quote + 1
        return self._fail("has a string without an end")

    def _name(self, into: dict[str, Any]) -> str:
        """Return the name of the next member."""
        token = self._token()
        if token["plain"] is None and not token["quote"]:
            self._fail("has no name where one was expected")
        name = self._string(token)
        if name in into:
            self._fail(f"has the name {name[:200]!r} twice")
        if self._token()["mark"] != b":":
            self._fail("has no colon where one was expected")
        return name

    def _put(self, into: Any, name: str | None, value: Any) -> None:
        if isinstance(into, dict):
            self._spend(_MEMBER)
            into[name] = value
        else:
            self._spend(_ITEM)
            into.append(value)

    def _closes(self, container: Any) -> bool:
        """Step over the end of a container that was opened just now, if it is empty."""
        end = b"}" if isinstance(container, dict) else b"]"
        at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
        if self._text[at : at + 1] != end:
            return False
        self._at = at + 1
        return True

    def _goes_on(self, container: Any) -> bool:
        """Step over what follows a value in a container; return whether it is a comma."""
        mark = self._token()["mark"]
        if mark != b"," and mark != (b"}" if isinstance(container, dict) else b"]"):
            self._fail("has no comma or end where one was expected")
        return mark == b","
