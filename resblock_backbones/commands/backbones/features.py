r"""Write the feature maps of a backbone's stages, or of a neck, to one file for each image.

The files also have shapes and strides. Images of the same size share a batch;
nothing is padded. With --boxes they have a vector for each box instead.

resblock features photos/ '*.png' --weights torchvision://resnet50 --out features
resblock features photo.jpg --config CONFIG --checkpoint epoch_12.pth --out features
resblock features photos/ --config CONFIG --checkpoint epoch_12.pth --from neck \
    --boxes predictions.json --out vectors
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ...options.errors import InputError
from ..arguments import add_config_options, add_weights_parts

if TYPE_CHECKING:
    from ...weights.choose import ChosenNetwork

INTERRUPTED = "interrupted; the files written so far are complete, --keep continues"
MISTAKES = (ValueError, TypeError, OSError, ImportError)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument(
        "images", nargs="+", metavar="IMAGES", help="files, folders, or glob patterns"
    )
    parser.add_argument("--out", required=True, type=Path, help="the output folder")
    network = parser.add_argument_group("network: either a config ...")
    network.add_argument(
        "--config",
        help="an MMEngine config, or the name of a shipped one; its data_preprocessor is used",
    )
    network.add_argument("--checkpoint", help="weights of the config's backbone [its init_cfg]")
    add_config_options(network)
    network.add_argument(
        "--from",
        dest="origin",
        choices=["backbone", "neck"],
        default="backbone",
        help="whose feature maps [backbone]",
    )
    network = parser.add_argument_group("... or a FlexResNet")
    network.add_argument("--depth", type=int, help="18, 34, 50, 101 or 152 [that of the weights]")
    network.add_argument("--weights", help="a file, a URL, torchvision://..., timm://... [random]")
    add_weights_parts(network)
    network.add_argument(
        "--options",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="options of the network, e.g. output_stride=8",
    )
    parser.add_argument(
        "--boxes",
        type=Path,
        metavar="FILE",
        help="a vector for each box in place of feature maps: COCO's JSON of annotations, or "
        "predictions.json of resblock predict",
    )
    parser.add_argument(
        "--size", type=int, metavar="N", help="resize the shorter side to N [keep the size]"
    )
    parser.add_argument("--format", choices=["npz", "safetensors"], default="npz", help="[npz]")
    parser.add_argument(
        "--dtype", choices=["float32", "float16"], default="float32", help="[float32]"
    )
    parser.add_argument("--show", action="store_true", help="also draw the feature maps, as .png")
    parser.add_argument("--batch-size", type=int, default=8, help="images in a batch [8]")
    parser.add_argument("--device", help="where to compute [cuda, or cpu]")
    there = parser.add_mutually_exclusive_group()
    there.add_argument("--force", action="store_true", help="replace existing files")
    there.add_argument("--keep", action="store_true", help="skip images whose files exist")


def run(given: argparse.Namespace) -> None:
    """Extract the features."""
    import torch

    from ...data.image_files import find_images
    from ...features import extract_features, read_boxes
    from ...options.devices import find_device

    device = find_device(given.device)
    images = find_images(given.images)
    boxes = None
    if given.boxes is not None:
        if given.show:
            raise InputError("--show: draws feature maps, and --boxes gives vectors")
        boxes = read_boxes(given.boxes, images)
        without = [one for one in images if one not in boxes]
        if without:
            print(
                f"{given.boxes}: does not name {len(without)} of {len(images)} images "
                f"({without[0].path}, ...), which are left out",
                file=sys.stderr,
            )
        images = [one for one in images if one in boxes]
    net, pixels, origin = _network(given)
    print(origin, file=sys.stderr)
    done = extract_features(
        net,
        pixels,
        images,
        given.out,
        file_format=given.format,
        dtype=getattr(torch, given.dtype),
        size=given.size,
        batch_size=given.batch_size,
        device=device,
        show=given.show,
        existing="replace" if given.force else "keep" if given.keep else "refuse",
        boxes=boxes,
    )
    maps = ", ".join(
        f"{name} {done.channels[name]} / {done.strides[name]}" for name in done.strides
    )
    print(
        f"{given.out}: {done.written} written, {done.skipped} skipped; "
        f"channels / stride: {maps or '-'}"
    )


def _network(given: argparse.Namespace) -> ChosenNetwork:
    from ..network import choose_network

    with_neck = given.origin == "neck"
    of_config = {
        "--checkpoint": given.checkpoint,
        "--cfg-options": given.cfg_options,
        "--from neck": with_neck,
    }
    of_flex = {"--depth": given.depth, "--weights": given.weights, "--options": given.options}
    strangers = of_config if given.config is None else of_flex
    for name, value in strangers.items():
        if value:
            other = "goes with" if given.config is None else "cannot be given beside"
            raise InputError(f"{name}: {other} --config")
    if with_neck and (given.prefix is not None or given.bands is not None):
        raise InputError("--from neck: takes weights of a whole model, without --prefix or --bands")
    return choose_network(
        given.config,
        given.depth,
        given.checkpoint or given.weights,
        given.options,
        cfg_options=given.cfg_options or [],
        any_backbone=True,
        prefix=given.prefix,
        bands=given.bands,
        with_neck=with_neck,
    )
