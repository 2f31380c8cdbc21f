"""Write configs/README.md: `python tools/list_configs.py`."""

import sys

from resblock_backbones.commands.command_line import list_configs_command

if __name__ == "__main__":
    sys.exit(list_configs_command())
