"""What is installed, whether it is whole and was tried together, and the cure of each fault.

Exit status 1 where MMEngine and MMCV with operators are not there, or something is broken.
"""

from __future__ import annotations

import argparse
import warnings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to print or to do."""
    parser.add_argument(
        "--operators", action="store_true", help="list where each of MMCV's operators comes from"
    )


def run(given: argparse.Namespace) -> int:
    """Print it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a broken package is told below, as a fault
        from ...openmmlab.versions.overview import print_overview

        return print_overview(all_operators=given.operators)
