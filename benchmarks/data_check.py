"""Time and memory of `resblock check` on 5,000 images of 640x480 with 20,000 annotations.

    python benchmarks/data_check.py                             # prints a table
    python benchmarks/data_check.py --write docs/benchmarks.md  # and puts it into the page
    python benchmarks/data_check.py --images 500

Each run is a process of its own; the second finds what the first remembered of the images.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from page import processor, put_section
from PIL import Image

SIZE = (640, 480)
OBJECTS = 4  # an image


def make(folder: Path, images: int) -> Path:
    """JPEGs of noise and their annotations, boxes and polygons."""
    dice = np.random.default_rng(0)
    content: dict = {
        "images": [],
        "categories": [{"id": n + 1, "name": f"class {n}"} for n in range(10)],
        "annotations": [],
    }
    pixels = dice.integers(0, 255, (SIZE[1] // 8, SIZE[0] // 8, 3), np.uint8)
    image = Image.fromarray(pixels).resize(SIZE)
    for number in range(1, images + 1):
        name = f"{number:06d}.jpg"
        image.putpixel((0, 0), (number % 256, number // 256, 0))
        image.save(folder / name)
        content["images"].append(
            {"id": number, "file_name": name, "width": SIZE[0], "height": SIZE[1]}
        )
        for x, y, w, h in dice.integers(
            (0, 0, 20, 20), (400, 300, 240, 180), (OBJECTS, 4)
        ).tolist():
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": number,
                    "category_id": 1 + len(content["annotations"]) % 10,
                    "bbox": [x, y, w, h],
                    "area": w * h,
                    "iscrowd": 0,
                    "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
                }
            )
    file = folder / "annotations.json"
    file.write_text(json.dumps(content))
    return file


def run(file: Path, cache: Path) -> tuple[float, float]:
    """Seconds and peak memory in MB of one check."""
    # Under the name of the command, so that only what the check needs is imported.
    code = "import sys; sys.argv[0] = 'resblock'\n"
    code += "from resblock_backbones.commands.front import main; sys.exit(main())"
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code, "check", str(file)],
        env=os.environ | {"RESBLOCK_CACHE": str(cache)},
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the check failed: {status}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page")
    given = parser.parse_args()
    rows = ["| run | time | peak memory |", "|---|---:|---:|"]
    # Beside the data, not in it: what is remembered is no part of it.
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as cache:
        file = make(Path(folder), given.images)
        print(f"{given.images} images of {SIZE[0]}x{SIZE[1]}, {OBJECTS * given.images} annotations")
        for name in ("first", "second"):
            seconds, memory = run(file, Path(cache))
            rows.append(f"| {name} | {seconds:.1f} s | {memory:.0f} MB |")
    print("\n".join(rows))
    if given.write:
        put_section(given.write, "data check", section(rows, given.images))


def section(rows: list[str], images: int) -> list[str]:
    """The lines of the page."""
    return [
        "## Checking a data set",
        "",
        f"`resblock check` of one COCO file: {images:,} JPEGs of {SIZE[0]}x{SIZE[1]}, "
        f"{OBJECTS * images:,} annotations with boxes and polygons.",
        "The second run finds every file as it was and tells again what the first one found.",
        "",
        *rows,
        "",
        f"One run of each in a process of its own, on {os.cpu_count()} cores of an {processor()}, "
        "files in the system's cache.",
        "",
        "`python benchmarks/data_check.py --write docs/benchmarks.md`",
    ]


if __name__ == "__main__":
    main()
