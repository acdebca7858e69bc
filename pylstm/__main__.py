"""The command line: ``python -m pylstm demo`` and ``python -m pylstm info``."""

import argparse
import sys
from collections.abc import Sequence

import pylstm


def demo() -> int:
    """Run the demo; the exit code says whether its checks held."""
    from pylstm.demo import run  # not at import time: only this command needs its data

    fine = run()
    print("\nEverything came out as it should." if fine else "\nThe demo FAILED: see above.")
    return 0 if fine else 1


def info() -> int:
    """Print the version, the compiler and the instruction sets."""
    pylstm.show_config()
    return 0


COMMANDS = {"demo": demo, "info": info}


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; every command's help is the first line of its docstring."""
    parser = argparse.ArgumentParser(
        prog="python -m pylstm",
        description="LSTM and LSTMCell of torch.nn for NumPy arrays.",
    )
    parser.add_argument("--version", action="version", version=f"pylstm {pylstm.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    for name, function in COMMANDS.items():
        summary = (function.__doc__ or "").splitlines()[0]
        commands.add_parser(name, help=summary, description=summary)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    return COMMANDS[make_parser().parse_args(argv).command]()


if __name__ == "__main__":
    sys.exit(main())
