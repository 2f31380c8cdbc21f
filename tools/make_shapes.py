"""Make the ``shapes`` data set: `python tools/make_shapes.py --out data/shapes`."""

import argparse
import sys
import time

from resblock_backbones.data.shapes import ShapesInfo, make_shapes


def main() -> int:
    default = ShapesInfo()
    parser = argparse.ArgumentParser(
        description="Make the shapes data set: images, COCO boxes and masks, label maps.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", default="data/shapes", help="the folder to make it in")
    parser.add_argument("--train", type=int, default=default.train, help="training images")
    parser.add_argument("--val", type=int, default=default.val, help="validation images")
    parser.add_argument("--size", type=int, default=default.size, help="side, in pixels")
    parser.add_argument("--seed", type=int, default=default.seed, help="for other images")
    parser.add_argument("--force", action="store_true", help="replace one with other settings")
    arguments = parser.parse_args()

    started = time.monotonic()
    try:
        made = make_shapes(**vars(arguments))
    except KeyboardInterrupt:
        print("interrupted; nothing was left behind", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    if made:
        print(f"{arguments.out}: made in {time.monotonic() - started:.1f} s")
    else:
        print(f"{arguments.out}: there already, with these settings; nothing to do")
    return 0


if __name__ == "__main__":
    sys.exit(main())
