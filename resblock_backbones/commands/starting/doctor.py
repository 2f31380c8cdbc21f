"""What is installed, whether it works and was tested together, and how to fix each fault.

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
    hook = parser.add_mutually_exclusive_group()
    hook.add_argument(
        "--install-hook",
        action="store_true",
        help="provide MMCV's operators to all programs of this Python, MMDetection's own tools too",
    )
    hook.add_argument("--remove-hook", action="store_true", help="stop doing so")


def run(given: argparse.Namespace) -> int:
    """Print it, or change the start-up hook."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a broken package is told below, as a fault
        from ...openmmlab.versions.overview import print_overview
        from ...openmmlab.versions.startup_hook import hook_file, install_hook, remove_hook

        if given.install_hook:
            print(f"{install_hook()}: written; `resblock doctor --remove-hook` removes it")
            return 0
        if given.remove_hook:
            print(f"{hook_file()}: {'removed' if remove_hook() else 'is not there'}")
            return 0
        return print_overview(all_operators=given.operators)
