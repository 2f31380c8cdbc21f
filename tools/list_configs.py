"""Write configs/README.md, or check it: `resblock configs --page`, `--check`."""

import sys

from resblock_backbones.commands.front import run_command

if __name__ == "__main__":
    sys.exit(run_command("configs", ["--page", *sys.argv[1:]]))
