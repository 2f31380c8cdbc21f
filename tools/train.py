"""Train the model of a config: `python tools/train.py configs/....py`."""

import sys

from resblock_backbones.commands.command_line import train_command

if __name__ == "__main__":
    sys.exit(train_command())
