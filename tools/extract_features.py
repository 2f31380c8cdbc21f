"""Multi-scale features of images, as `.npz` or `.safetensors`.

python tools/extract_features.py photos/ '*.png' --weights torchvision://resnet50 --out features
python tools/extract_features.py photo.jpg --config CONFIG --checkpoint epoch_12.pth --out features
"""

import argparse
import sys
from pathlib import Path

import torch

from resblock_backbones.commands.network import choose_network
from resblock_backbones.data.image_files import find_images
from resblock_backbones.features import extract_features
from resblock_backbones.options.devices import find_device
from resblock_backbones.weights.choose import ChosenNetwork

DTYPES = {"float32": torch.float32, "float16": torch.float16}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="extract_features.py",
        description="Write the maps of a backbone's stages, with shapes and strides, to one file "
        "for each image. Images of one size share a batch; nothing is padded.",
    )
    parser.add_argument(
        "images", nargs="+", metavar="IMAGES", help="files, folders, or patterns with stars"
    )
    parser.add_argument("--out", required=True, type=Path, help="the folder to write to")
    network = parser.add_argument_group("network: either a config ...")
    network.add_argument("--config", help="an MMEngine config; its data_preprocessor is used")
    network.add_argument("--checkpoint", help="with the config's backbone [its init_cfg]")
    network.add_argument("--cfg-options", nargs="+", metavar="KEY=VALUE", help="change the config")
    network = parser.add_argument_group("... or a FlexResNet")
    network.add_argument("--depth", type=int, help="18, 34, 50, 101 or 152 [that of the weights]")
    network.add_argument(
        "--weights", help="a file, a URL, torchvision://..., timm://... [random ones]"
    )
    network.add_argument(
        "--options", nargs="+", default=[], metavar="NAME=VALUE", help="e.g. output_stride=8"
    )
    parser.add_argument(
        "--size", type=int, metavar="N", help="resize the shorter side to N [leave as it is]"
    )
    parser.add_argument("--format", choices=["npz", "safetensors"], default="npz", help="[npz]")
    parser.add_argument("--dtype", choices=list(DTYPES), default="float32", help="[float32]")
    parser.add_argument("--show", action="store_true", help="draw them too, as .png beside")
    parser.add_argument("--batch-size", type=int, default=8, help="images at once [8]")
    parser.add_argument("--device", help="where to compute [cuda, or cpu]")
    there = parser.add_mutually_exclusive_group()
    there.add_argument("--force", action="store_true", help="replace files that are there")
    there.add_argument("--keep", action="store_true", help="keep them, and do the others")
    given = parser.parse_args(arguments)

    try:
        device = find_device(given.device)
        images = find_images(given.images)
        net, pixels, origin = _network(given)
        print(origin, file=sys.stderr)
        done = extract_features(
            net,
            pixels,
            images,
            given.out,
            file_format=given.format,
            dtype=DTYPES[given.dtype],
            size=given.size,
            batch_size=given.batch_size,
            device=device,
            show=given.show,
            existing="replace" if given.force else "keep" if given.keep else "refuse",
        )
    except KeyboardInterrupt:
        print("interrupted; what was written is whole, --keep goes on", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    maps = ", ".join(
        f"{name} {done.channels[name]} / {done.strides[name]}" for name in done.strides
    )
    print(
        f"{given.out}: {done.written} written, {done.kept} kept; channels / stride: {maps or '-'}"
    )
    return 0


def _network(given: argparse.Namespace) -> ChosenNetwork:
    of_config = {"--checkpoint": given.checkpoint, "--cfg-options": given.cfg_options}
    of_flex = {"--depth": given.depth, "--weights": given.weights, "--options": given.options}
    strangers = of_config if given.config is None else of_flex
    for name, value in strangers.items():
        if value:
            other = "goes with" if given.config is None else "cannot be given beside"
            raise ValueError(f"{name}: {other} --config")
    return choose_network(
        given.config,
        given.depth,
        given.checkpoint or given.weights,
        given.options,
        cfg_options=given.cfg_options or [],
        any_backbone=True,
    )


if __name__ == "__main__":
    sys.exit(main())
