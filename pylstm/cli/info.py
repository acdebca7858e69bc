"""Print the version, where the package is, the compiler, the instruction sets and NumPy."""

from __future__ import annotations

import argparse

import pylstm


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(arguments: argparse.Namespace) -> int:
    """Print what :func:`pylstm.show_config` prints."""
    pylstm.show_config()
    return 0
