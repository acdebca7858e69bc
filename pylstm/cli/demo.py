"""Run the demo; the exit code says whether its checks held."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(arguments: argparse.Namespace) -> int:
    """Run all parts of the demo and say how they went."""
    import pylstm.demo  # not at the top: no other command needs its data

    fine = pylstm.demo.run()
    print("\nEverything came out as it should." if fine else "\nThe demo FAILED: see above.")
    return 0 if fine else 1
