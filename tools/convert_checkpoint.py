"""Rename a checkpoint: `python tools/convert_checkpoint.py in.pth out.pth --to detectron2`."""

import argparse
import sys

from resblock_backbones.weights import convert_checkpoint
from resblock_backbones.weights.convert import FAMILIES


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Write a ResNet's weights in another family's names; tensors stay bit-equal."
    )
    parser.add_argument("source", metavar="IN", help="a file, or a name as torchvision://resnet50")
    parser.add_argument("target", metavar="OUT", help=".pth, .pt, .safetensors or .pkl")
    parser.add_argument("--to", required=True, choices=list(FAMILIES), help="the family")
    parser.add_argument("--prefix", help="of the backbone's names in IN [looked for]")
    parser.add_argument("--force", action="store_true", help="replace OUT if it is there")
    arguments = parser.parse_args()

    try:
        done = convert_checkpoint(
            arguments.source,
            arguments.target,
            arguments.to,
            prefix=arguments.prefix,
            replace=arguments.force,
        )
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(f"{arguments.target}: {done}")
    for note in done.notes:
        print(f"note: {note}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
