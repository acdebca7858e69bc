"""Print the version, the compiler and the instruction sets."""

from __future__ import annotations

import argparse

import pylstm


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(arguments: argparse.Namespace) -> int:
    """Print what :func:`pylstm.show_config` prints."""
    pylstm.show_config()
    return 0
