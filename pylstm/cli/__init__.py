"""The command line: ``python -m pylstm COMMAND``, one module for each command.

Such a module has ``add_arguments(parser)`` and ``run(arguments)``, which returns the exit code:
0 where all is fine, 1 where what was asked does not hold, 2 for wrong usage and for files that
cannot be read. The first line of its docstring is the command's help.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
from collections.abc import Sequence

import pylstm

from ..files.base.errors import WeightFileError, printable
from . import convert, demo, info, inspect, selftest, verify
from .output import Failure

COMMANDS = {
    "demo": demo,
    "info": info,
    "inspect": inspect,
    "convert": convert,
    "verify": verify,
    "selftest": selftest,
}


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m pylstm",
        description="The recurrent layers of torch.nn for NumPy arrays.",
    )
    parser.add_argument("--version", action="version", version=f"pylstm {pylstm.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    for name, command in COMMANDS.items():
        summary = (command.__doc__ or "").splitlines()[0]
        command.add_arguments(commands.add_parser(name, help=summary, description=summary))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = make_parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        # What a file calls its tensors need not be in the terminal's alphabet.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code: int = COMMANDS[arguments.command].run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return _reader_left()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (Failure, WeightFileError, OSError, ImportError, MemoryError) as error:
        print(f"pylstm {arguments.command}: {printable(_text(error))}", file=sys.stderr)
        return error.code if isinstance(error, Failure) else 2


def _text(error: Exception) -> str:
    """Return what an error says, the file first."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, MemoryError):
        return str(error) or "not enough memory"
    return str(error)


def _reader_left() -> int:
    """Return the exit code of `cat` for a closed pipe, after silencing the output."""
    # Python flushes the stream once more at its end, which must not fail.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141  # 128 + SIGPIPE, which not every system has
