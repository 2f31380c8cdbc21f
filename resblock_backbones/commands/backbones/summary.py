"""What a backbone is made of and what it costs, stage by stage.

Its plan; parameters, FLOPs, channels, strides, receptive fields and sizes of
the maps; what a training step saves for its backward pass. For a config also
parameters and FLOPs of each part of the whole model, unless --options changes
its backbone.

resblock summary --depth 50 --options output_stride=8 --size 512x512
resblock summary --weights torchvision://resnet50
resblock summary CONFIG --size 800x1344 --json
"""

from __future__ import annotations

import argparse
import re

from ..arguments import add_config_options, add_weights_parts

MISTAKES = (ValueError, TypeError, OSError, ImportError)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("config", nargs="?", help="a config file, or a shipped one's name")
    parser.add_argument("--depth", type=int, help="of the network, in place of a config")
    parser.add_argument("--weights", help="a file, or a name as torchvision://resnet50")
    add_weights_parts(parser)
    parser.add_argument(
        "--options",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="of the network: width=0.5",
    )
    parser.add_argument(
        "--size",
        type=_size,
        default=(224, 224),
        metavar="HxW",
        help="height and width of the image, or one number for both [224x224]",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for other programs")
    add_config_options(parser)


def run(given: argparse.Namespace) -> None:
    """Measure and print."""
    import json

    from ...files.shipped_configs import find_config
    from ...resnet.measure import summarise
    from ..arguments import read_config_options
    from ..network import choose_network

    options = list(given.options)
    if given.config is not None:  # nothing is downloaded to count it
        options += ["init_cfg=None", "pretrained=None"]
    chosen = choose_network(
        given.config,
        given.depth,
        given.weights,
        options,
        cfg_options=given.cfg_options or [],
        prefix=given.prefix,
        bands=given.bands,
    )
    summary = summarise(chosen.network, given.size)  # type: ignore[arg-type]
    model = None
    if given.config is not None and not given.options:
        from ...openmmlab.models.model_summary import summarise_model

        changes = read_config_options(given.cfg_options)
        model = summarise_model(find_config(given.config), changes, given.size)
    if given.json:
        told = summary.as_dict() | ({} if model is None else {"model": model.as_dict()})
        # A layer may have been given as a class.
        print(json.dumps(told, indent=2, default=lambda one: getattr(one, "__name__", str(one))))
        return
    print(summary)
    if model is not None:
        print(f"\n{model}")


def _size(text: str) -> tuple[int, int]:
    """Height and width of an image, as they are typed.

    >>> _size("800x1344"), _size("64")
    ((800, 1344), (64, 64))
    """
    match = re.fullmatch(r"([1-9]\d*)(?:[x,]([1-9]\d*))?", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r}: write it as HxW, as 800x1344")
    return int(match[1]), int(match[2] or match[1])
