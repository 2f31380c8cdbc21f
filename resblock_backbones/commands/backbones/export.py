"""Write a trained model, or a backbone alone, for programs without Python.

A whole detector or segmentor, from the image to boxes, masks or label map; the file
is written only if its predictions agree with the model's:

resblock export CONFIG CHECKPOINT --to onnx --out model.onnx

A backbone alone, with the feature maps as outputs:

resblock export CONFIG --weights epoch_12.pth --backbone-only --to pt2 --out my.pt2
resblock export --weights r50.pth --to onnx           # options inferred from the weights
resblock export --depth 50 --weights r50.pth --options width=0.5 --to torchscript
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ...options.errors import InputError
from ..arguments import add_config_options, add_weights_parts
from .export_whole import export_whole

MISTAKES = (ValueError, TypeError, OSError, ImportError)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    from ...deploy.formats import FORMATS

    parser.add_argument("config", nargs="?", help="a config file, or a shipped one's name")
    parser.add_argument("checkpoint", nargs="?", help="with the weights of the whole model")
    parser.add_argument("--to", required=True, choices=list(FORMATS), help="the format")
    parser.add_argument("--out", type=Path, help="the file [named after config and format]")
    parser.add_argument("--opset", type=int, help="ONNX opset [the exporter's default]")
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")
    whole = parser.add_argument_group("whole models")
    whole.add_argument(
        "--raw-masks",
        action="store_true",
        help="masks as the network outputs them, before they are pasted into their boxes",
    )
    whole.add_argument(
        "--logits",
        action="store_true",
        help="a segmentor's logits of all classes in place of its label map",
    )
    whole.add_argument(
        "--fp16", action="store_true", help="weights and convolutions in half precision"
    )
    whole.add_argument(
        "--input", choices=["float32", "uint8"], default="float32", help="type of images [float32]"
    )
    whole.add_argument("--static", metavar="HxW", help="one image of one size, as 640x640")
    whole.add_argument("--int8", action="store_true", help="ONNX with layers in int8")
    whole.add_argument(
        "--calibrate", nargs="+", metavar="IMAGES", help="files or folders to calibrate int8 with"
    )
    whole.add_argument(
        "--max-drop",
        type=float,
        default=0.01,
        metavar="DROP",
        help="how much of the config's metric int8 may cost [0.01]",
    )
    add_config_options(whole)
    parser = parser.add_argument_group("backbones")  # type: ignore[assignment]
    parser.add_argument("--backbone-only", action="store_true", help="no neck, no head")
    parser.add_argument("--depth", type=int, help="depth of the network, in place of a config")
    parser.add_argument("--weights", help="a file, or a name such as torchvision://resnet50")
    add_weights_parts(parser)
    parser.add_argument(
        "--options",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="options of the network, e.g. width=0.5",
    )
    parser.add_argument("--keep-norms", action="store_true", help="do not fold the norms")


def run(given: argparse.Namespace) -> None:
    """Export."""
    of_a_backbone = given.backbone_only or given.weights or given.depth or given.options
    if given.config and not of_a_backbone:
        if given.checkpoint is None:
            raise InputError(
                f"{given.config}: give the CHECKPOINT of the whole model, or --backbone-only"
            )
        export_whole(given)
    else:
        export_backbone(given)


def export_backbone(given: argparse.Namespace) -> None:
    """Export a backbone alone."""
    import logging

    from ...deploy import export
    from ...deploy.formats import FORMATS
    from ..network import choose_network

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    net, _, origin = choose_network(
        given.config,
        given.depth,
        given.weights or given.checkpoint,
        given.options,
        prefix=given.prefix,
        bands=given.bands,
    )
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
