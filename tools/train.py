"""Train the model of a config: `resblock train`."""

import sys

from resblock_backbones.commands.front import run_command

if __name__ == "__main__":
    sys.exit(run_command("train"))
