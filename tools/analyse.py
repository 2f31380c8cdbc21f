"""Show what a trained model gets right and wrong: `resblock analyse`."""

import sys

from resblock_backbones.commands.front import run_command

if __name__ == "__main__":
    sys.exit(run_command("analyse"))
