"""Test a checkpoint: `python tools/test.py configs/....py work_dirs/.../epoch_12.pth`."""

import sys

from resblock_backbones.commands.command_line import test_command

if __name__ == "__main__":
    sys.exit(test_command())
