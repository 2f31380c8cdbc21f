"""Write a FlexResNet as ONNX, TorchScript or PT2, for any batch and size.

The file is written only if its outputs equal the network's. It contains the backbone
without neck, heads and preprocessing.

resblock export --weights r50.pth --to onnx           # options inferred from the weights
resblock export --depth 50 --weights r50.pth --options width=0.5 --to torchscript
resblock export CONFIG --weights epoch_12.pth --to pt2 --out my.pt2
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

MISTAKES = (ValueError, TypeError, OSError, ImportError)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    from ...deploy.formats import FORMATS

    parser.add_argument("config", nargs="?", help="a config file, or a shipped one's name")
    parser.add_argument("--depth", type=int, help="depth of the network, in place of a config")
    parser.add_argument("--weights", help="a file, or a name such as torchvision://resnet50")
    parser.add_argument(
        "--options",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="options of the network, e.g. width=0.5",
    )
    parser.add_argument("--to", required=True, choices=list(FORMATS), help="the format")
    parser.add_argument("--out", type=Path, help="the file [backbone.onnx, .pt or .pt2]")
    parser.add_argument("--keep-norms", action="store_true", help="do not fold the norms")
    parser.add_argument("--opset", type=int, help="ONNX opset [the exporter's default]")
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")


def run(given: argparse.Namespace) -> None:
    """Export."""
    import logging

    from ...deploy import export
    from ...deploy.formats import FORMATS
    from ..network import choose_network

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    net, _, origin = choose_network(given.config, given.depth, given.weights, given.options)
    print(origin, file=sys.stderr)
    done = export(
        net,
        given.out or Path(f"backbone{FORMATS[given.to].suffixes[0]}"),
        given.to,
        fused=not given.keep_norms,
        opset=given.opset,
        replace=given.force,
        progress=lambda step: print(f"{step} ...", file=sys.stderr, flush=True),
    )
    print("largest difference from the network, relative to the feature map's largest value:\n")
    print(done)
    facts = zip(done.facts.outputs, done.facts.channels, done.facts.strides, strict=True)
    print(f"\n{done.path}: {done.size / 2**20:.1f} MiB, input '{done.facts.input}', outputs:")
    for name, channels, stride in facts:
        print(f"  {name}: {channels} channels, stride {stride}")
