"""Top-1 and Top-5 error of classifiers on a folder of images, in a table.

python tools/eval_imagenet.py --arch resnet18 resnet50 --data data/imagenet/val
python tools/eval_imagenet.py --arch resnet50 --weights my.pth --data data/imagenet/val
"""

import argparse
import sys
from pathlib import Path

import torch

from resblock_backbones.files.whole import write_whole
from resblock_backbones.imagenet import Candidate, Errors, compare, error_table
from resblock_backbones.options.devices import find_device


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Top-1 and Top-5 error on a folder with one subfolder of images per class.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--arch", nargs="+", required=True, help="names of torchvision or timm")
    parser.add_argument(
        "--weights",
        nargs="+",
        help="one for each name: a file, or timm://..., torchvision://... (default: torchvision's)",
    )
    parser.add_argument(
        "--data", required=True, type=Path, help="the folder, or one with val/ in it"
    )
    parser.add_argument("--preprocess", default="auto", help="another than the family's")
    parser.add_argument("--batch-size", type=int, default=64, help="images at once")
    parser.add_argument("--workers", type=int, default=2, help="processes that read images")
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="where to compute"
    )
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="write the table here too")
    given = parser.parse_args()

    done: list[Errors] = []
    try:
        weights = given.weights or [f"torchvision://{name}" for name in given.arch]
        if len(weights) != len(given.arch):
            raise ValueError(
                f"--weights: {len(weights)} for {len(given.arch)} names of --arch; give one each"
            )
        find_device(given.device)
        compare(
            [Candidate(*pair) for pair in zip(given.arch, weights, strict=True)],
            given.data,
            preprocess=given.preprocess,
            batch_size=given.batch_size,
            workers=given.workers,
            device=given.device,
            on_row=done.append,
        )
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _show(done, given.out, 130)
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return _show(done, given.out, 2)
    return _show(done, given.out, 0)


def _show(rows: list[Errors], out: Path | None, status: int) -> int:
    """Print what there is, also after a mistake or an interruption."""
    if rows:
        table = error_table(rows)
        print(f"\n{table}")
        if out is not None:
            write_whole(out, f"{table}\n".encode())
    return status


if __name__ == "__main__":
    sys.exit(main())
