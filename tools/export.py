"""Write a backbone for other programs.

python tools/export.py --weights r50.pth --to onnx                    # options read off the weights
python tools/export.py --depth 50 --weights r50.pth --options width=0.5 --to torchscript
python tools/export.py configs/my.py --weights work_dirs/my/epoch_12.pth --to pt2 --out my.pt2
"""

import argparse
import logging
import sys
from pathlib import Path

from resblock_backbones.commands.network import choose_network
from resblock_backbones.deploy import export
from resblock_backbones.deploy.formats import FORMATS


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Write a FlexResNet to a file of any batch and size, if its outputs are the "
        "same. The backbone alone: necks, heads and the preparation of images are not in it.",
    )
    parser.add_argument("config", nargs="?", help="a config file; its backbone is taken")
    parser.add_argument("--depth", type=int, help="of the network, in place of a config")
    parser.add_argument("--weights", help="a file, or a name as torchvision://resnet50")
    parser.add_argument(
        "--options", nargs="+", default=[], metavar="NAME=VALUE", help="of the network: width=0.5"
    )
    parser.add_argument("--to", required=True, choices=list(FORMATS), help="the format")
    parser.add_argument("--out", type=Path, help="the file [backbone.onnx, .pt or .pt2]")
    parser.add_argument("--keep-norms", action="store_true", help="leave the norms unfolded")
    parser.add_argument("--opset", type=int, help="of ONNX [the exporter's choice]")
    parser.add_argument("--force", action="store_true", help="replace the file if it is there")
    given = parser.parse_args()

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    out = given.out or Path(f"backbone{FORMATS[given.to].suffixes[0]}")
    try:
        net, _, origin = choose_network(given.config, given.depth, given.weights, given.options)
        print(origin, file=sys.stderr)
        done = export(
            net,
            out,
            given.to,
            fused=not given.keep_norms,
            opset=given.opset,
            replace=given.force,
            progress=lambda step: print(f"{step} ...", file=sys.stderr, flush=True),
        )
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print("largest difference from the network, as a part of the map's largest value:\n")
    print(done)
    facts = zip(done.facts.outputs, done.facts.channels, done.facts.strides, strict=True)
    print(f"\n{done.path}: {done.size / 2**20:.1f} MiB, input '{done.facts.input}', outputs:")
    for name, channels, stride in facts:
        print(f"  {name}: {channels} channels, stride {stride}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
