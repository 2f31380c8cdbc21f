"""What is installed, and whether it was tried together.

Also under which names, and where each of MMCV's operators comes from.

The exit status is 0 where MMEngine and MMCV with operators can be used, else 1.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes nothing."""


def run(given: argparse.Namespace) -> int:
    """Print it."""
    from ...openmmlab.versions.overview import main

    return main([])
