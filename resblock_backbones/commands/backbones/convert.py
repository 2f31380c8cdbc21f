"""Write a ResNet's weights under another library's names; tensors stay bit-equal.

resblock convert r50.pth R-50.pkl --to detectron2
resblock convert torchvision://resnet50 r50.safetensors --to timm
"""

from __future__ import annotations

import argparse
import sys

MISTAKES = (ValueError, OSError, ImportError)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    from ...weights.convert import FAMILIES

    parser.add_argument(
        "source", metavar="IN", help="a file, or a name such as torchvision://resnet50"
    )
    parser.add_argument("target", metavar="OUT", help=".pth, .pt, .safetensors or .pkl")
    parser.add_argument(
        "--to", required=True, choices=list(FAMILIES), help="the library whose names to write"
    )
    parser.add_argument("--prefix", help="prefix of the backbone's names in IN [detected]")
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")


def run(given: argparse.Namespace) -> None:
    """Convert."""
    from ...weights import convert_checkpoint

    done = convert_checkpoint(
        given.source, given.target, given.to, prefix=given.prefix, replace=given.force
    )
    print(f"{given.target}: {done}")
    for note in done.notes:
        print(f"note: {note}", file=sys.stderr)
