"""Errors of classifiers on ImageNet: `resblock imagenet`."""

import sys

from resblock_backbones.commands.front import run_command

if __name__ == "__main__":
    sys.exit(run_command("imagenet"))
