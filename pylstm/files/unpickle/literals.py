"""Opcodes that push a value which they spell out: constants, numbers, strings, bytes."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any

from ..base.source import Segment
from .context import FileBytes
from .machine import Machine

LONGEST_NUMBER = 4000  # decimal digits: their conversion takes quadratic time
_LAZY_BYTES = 4096  # so many bytes and more stay in the file, as those of an array
_DECIMAL = re.compile(rb"[+-]?[0-9]+")
_TWO_BYTES_WIDE = re.compile(rb"[\xc4-\xff]")  # UTF-8 of what does not fit into one byte
_WIDE_ESCAPE = re.compile(rb"\\u(?!00)|\\U")  # of what does not fit into one byte
# So much of a string as is taken at once; and only the escapes that Python 2 writes, for which
# Python 3 has the same meaning.
_ESCAPED_RUN = re.compile(rb"(?:[^\\]|\\(?:x[0-9a-f]{2}|[\\'\"nrt])){1,4096}")

_INT, _FLOAT = 32, 24  # bytes, in CPython
_Literal = Callable[[Machine], Any]


def decimal(machine: Machine, line: bytes | bytearray) -> int:
    """Return the integer that a line of text says."""
    if not _DECIMAL.fullmatch(line):
        machine.fail("a number that is none")
    try:
        return int(line)
    except ValueError:  # a program may allow less digits than Python does
        machine.fail("a number of too many digits")


def _int_line(machine: Machine) -> Any:
    line = machine.stream.line(LONGEST_NUMBER)
    if line in (b"00", b"01"):  # how protocol 0 writes booleans
        return line == b"01"
    return decimal(machine, line)


def _long_line(machine: Machine) -> int:
    return decimal(machine, machine.stream.line(LONGEST_NUMBER).removesuffix(b"L"))


def _long(machine: Machine, size: int) -> int:
    machine.stream.need(size)
    machine.context.spend(3 * size)
    return machine.stream.number(size, signed=True)


def _float_line(machine: Machine) -> float:
    line = machine.stream.line(LONGEST_NUMBER)
    try:
        return float(line)
    except ValueError:
        machine.fail("a number that is none")


def _float(machine: Machine) -> float:
    value: float = struct.unpack(">d", machine.stream.take(8))[0]
    return value


def _unicode_line(machine: Machine) -> str:
    line = machine.stream.line()
    machine.context.spend(64 + len(line) * (7 if _WIDE_ESCAPE.search(line) else 2))
    return str(line, "raw-unicode-escape")


def _string_line(machine: Machine) -> Any:
    """Read a string of Python 2 as its ``repr``."""
    line = machine.stream.line()
    machine.context.spend(64 + 2 * len(line))
    if len(line) < 2 or line[0] != line[-1] or line[0] not in b"'\"":
        machine.fail("a string without quotes")
    value = bytearray()
    at = 1
    while at < len(line) - 1:
        run = _ESCAPED_RUN.match(line, at, len(line) - 1)
        if run is None:
            machine.fail("a string with a wrong escape")
        value += run[0].decode("unicode_escape").encode("latin-1")
        at = run.end()
    return _as_text(machine, bytes(value))


def _text(machine: Machine, size: int) -> str:
    machine.stream.need(size)
    machine.context.spend(2 * size)
    data = machine.stream.take(size)
    _charge_decoding(machine, data)
    return str(data, "utf-8", "surrogatepass")


def _charge_decoding(machine: Machine, data: bytes | bytearray) -> None:
    """Charge what Python needs beside ``data`` to make them a string.

    It copies them from one to two to four bytes for each character if they need that; short ones
    are charged for it without looking.
    """
    wide = len(data) <= _LAZY_BYTES or _TWO_BYTES_WIDE.search(data) is not None
    machine.context.spend(64 + (5 * len(data) if wide else 0))


def _byte_run(machine: Machine, size: int, *, writable: bool = False) -> Any:
    """Read bytes, or leave them in the file if they look like those of an array."""
    stream, content = machine.stream, machine.stream.content
    stream.need(size)
    start = stream.position
    if size >= _LAZY_BYTES and isinstance(content, Segment):
        if machine.earlier is None:
            known: FileBytes | None = FileBytes(content.part(start, size))
        else:
            known = machine.earlier.get(start)
        if known is not None and (known.used or machine.earlier is None):
            stream.skip(size)
            machine.in_file[start] = known
            return known
    machine.context.spend(64 + 2 * size)
    data = stream.take(size)
    return bytearray(data) if writable else bytes(data)


def _byte_string(machine: Machine, size: int) -> Any:
    """Read a string of Python 2."""
    data = _byte_run(machine, size)
    return data if isinstance(data, FileBytes) else _as_text(machine, data)


def _as_text(machine: Machine, data: bytes) -> Any:
    """Return a string of Python 2 as text if it is UTF-8, as bytes if not."""
    machine.context.spend(len(data))
    _charge_decoding(machine, data)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data


# By opcode: the bytes of memory that the value takes beside its place, and the value.
LITERALS: dict[bytes, tuple[int, _Literal]] = {
    # NONE, NEWTRUE, NEWFALSE
    b"N": (0, lambda machine: None),
    b"\x88": (0, lambda machine: True),
    b"\x89": (0, lambda machine: False),
    b"I": (_INT, _int_line),
    b"L": (_INT, _long_line),
    b"J": (_INT, lambda machine: machine.stream.number(4, signed=True)),
    b"K": (0, lambda machine: machine.stream.byte()),
    b"M": (_INT, lambda machine: machine.stream.number(2)),
    b"\x8a": (_INT, lambda machine: _long(machine, machine.stream.byte())),
    b"\x8b": (_INT, lambda machine: _long(machine, machine.stream.number(4, signed=True))),
    b"F": (_FLOAT, _float_line),
    b"G": (_FLOAT, _float),
    b"V": (0, _unicode_line),
    b"X": (0, lambda machine: _text(machine, machine.stream.number(4))),
    b"\x8c": (0, lambda machine: _text(machine, machine.stream.byte())),
    b"\x8d": (0, lambda machine: _text(machine, machine.stream.number(8))),
    b"S": (0, _string_line),
    b"T": (0, lambda machine: _byte_string(machine, machine.stream.number(4, signed=True))),
    b"U": (0, lambda machine: _byte_string(machine, machine.stream.byte())),
    b"B": (0, lambda machine: _byte_run(machine, machine.stream.number(4))),
    b"C": (0, lambda machine: _byte_run(machine, machine.stream.byte())),
    b"\x8e": (0, lambda machine: _byte_run(machine, machine.stream.number(8))),
    b"\x96": (0, lambda machine: _byte_run(machine, machine.stream.number(8), writable=True)),
}
