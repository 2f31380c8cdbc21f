"""What `resblock train --data` learns from a folder alone, and how long it takes.

    python benchmarks/train_on_folders.py shapes-yolo digits-masks     # prints a table
    python benchmarks/train_on_folders.py                              # all of them
    python benchmarks/train_on_folders.py --write docs/benchmarks.md   # each into the page's table

`shapes` is the data set of `make train`. `digits` are scenes of scikit-learn's handwritten digits
(pip install scikit-learn): 400 and 100 images of 128x128 with one to four digits of 24 to 40
pixels on noise, those of the validation split others of the set. Nothing of the configs is edited.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from resblock_backbones.data.shapes import SEMANTIC_CLASSES, make_shapes
from resblock_backbones.files.whole import write_whole

#: Images, digits that are drawn from, of the two splits.
DIGITS = {"train": (400, slice(0, 1400)), "val": (100, slice(1400, None))}
SIDE, INK = 128, 4


@dataclass
class Scene:
    """An image `(H, W, 3)` or `(H, W)`, its label map, and class and box x, y, w, h of objects."""

    name: str
    pixels: np.ndarray
    labels: np.ndarray
    objects: list[tuple[str, list[int]]]


def shapes(folder: Path) -> tuple[list[str], dict[str, list[Scene]]]:
    """The generated data set, read back from its own files."""
    make_shapes(str(folder))
    scenes: dict[str, list[Scene]] = {}
    for split in ("train", "val"):
        content = json.loads((folder / f"annotations/instances_{split}.json").read_text())
        names = {one["id"]: one["name"] for one in content["categories"]}
        objects: dict[int, list] = {one["id"]: [] for one in content["images"]}
        for one in content["annotations"]:
            objects[one["image_id"]].append((names[one["category_id"]], one["bbox"]))
        scenes[split] = [
            Scene(
                Path(one["file_name"]).stem,
                np.asarray(Image.open(folder / split / Path(one["file_name"]).name)),
                np.asarray(Image.open(folder / "labels" / split / Path(one["file_name"]).name)),
                objects[one["id"]],
            )
            for one in content["images"]
        ]
    return list(SEMANTIC_CLASSES), scenes


def digits(_: Path) -> tuple[list[str], dict[str, list[Scene]]]:
    """Scenes of handwritten digits."""
    from sklearn.datasets import load_digits

    source, dice = load_digits(), np.random.default_rng(0)
    scenes = {}
    for split, (count, part) in DIGITS.items():
        pool = list(zip(source.images[part], source.target[part], strict=True))
        scenes[split] = [digit_scene(f"{number:04d}", pool, dice) for number in range(count)]
    return ["background", *map(str, range(10))], scenes


def digit_scene(name: str, pool: list, dice: np.random.Generator) -> Scene:
    """One to four digits that do not touch, on noise."""
    scene = Scene(name, dice.integers(0, 60, (SIDE, SIDE), np.uint8), np.zeros((SIDE, SIDE)), [])
    scene.labels = scene.labels.astype(np.uint8)
    taken = np.zeros((SIDE, SIDE), bool)
    for _ in range(dice.integers(1, 5)):
        digit, value = pool[dice.integers(len(pool))]
        large = np.kron(digit, np.ones(2 * [int(dice.integers(3, 6))]))
        side = len(large)
        for x, y in dice.integers(0, SIDE - side, (20, 2)):
            place = np.s_[y : y + side, x : x + side]
            if not taken[place].any():
                break
        else:
            continue
        taken[place] = True
        scene.pixels[place] = np.maximum(scene.pixels[place], (large * 15).astype(np.uint8))
        scene.labels[place][large > INK] = value + 1
        rows, columns = np.nonzero(large > INK)
        corner = [int(x + columns.min()), int(y + rows.min())]
        size = [int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
        scene.objects.append((str(value), corner + size))
    return scene


def as_yolo(folder: Path, classes: list[str], scenes: dict[str, list[Scene]]) -> None:
    """Images, text files and `data.yaml`."""
    names = classes[1:]
    for split, scene in images_of(folder / "images", scenes):
        height, width = scene.labels.shape
        lines = [
            f"{names.index(name)} {(x + w / 2) / width:.6f} {(y + h / 2) / height:.6f} "
            f"{w / width:.6f} {h / height:.6f}\n"
            for name, (x, y, w, h) in scene.objects
        ]
        file = folder / "labels" / split / f"{scene.name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(lines))
    numbered = "".join(f"  {number}: '{name}'\n" for number, name in enumerate(names))
    text = f"path: .\ntrain: images/train\nval: images/val\nnames:\n{numbered}"
    (folder / "data.yaml").write_text(text)


def as_voc(folder: Path, _: list[str], scenes: dict[str, list[Scene]]) -> None:
    """XML files, and the splits as folders."""
    for split, scene in images_of(folder, scenes):
        height, width = scene.labels.shape
        objects = "".join(
            f"<object><name>{name}</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin>"
            f"<xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>"
            for name, (x, y, w, h) in scene.objects
        )
        (folder / split / f"{scene.name}.xml").write_text(
            f"<annotation><filename>{scene.name}.png</filename><size><width>{width}</width>"
            f"<height>{height}</height><depth>3</depth></size>{objects}</annotation>"
        )


def as_masks(folder: Path, classes: list[str], scenes: dict[str, list[Scene]]) -> None:
    """Label maps beside images, and the names of their numbers."""
    for split, scene in images_of(folder / "images", scenes):
        file = folder / "masks" / split / f"{scene.name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene.labels).save(file)
    (folder / "classes.txt").write_text("\n".join(classes) + "\n")


def images_of(folder: Path, scenes: dict[str, list[Scene]]) -> Iterator[tuple[str, Scene]]:
    """All scenes with their splits; their images are written."""
    for split, some in scenes.items():
        (folder / split).mkdir(parents=True)
        for scene in some:
            Image.fromarray(scene.pixels).save(folder / split / f"{scene.name}.png")
            yield split, scene


def trained(folder: Path, work_dir: Path) -> list[str]:
    """Model, result, iterations and time of a training, as a row has them."""
    code = "import sys; sys.argv[0] = 'resblock'\n"
    code += "from resblock_backbones.commands.front import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "train", "--data", folder, "--work-dir", work_dir]
    began = time.monotonic()
    said = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    if said.returncode:
        raise SystemExit(f"{folder.name}: {said.stderr[-500:]}")
    text = said.stdout + said.stderr
    name, value = re.findall(r"^(mIoU|bbox_mAP) +([\d.]+)$", text, re.MULTILINE)[-1]
    # MMSegmentation gives per cent, COCO a fraction.
    result = float(value) / 100 if name == "mIoU" else float(value)
    model = re.findall(r"^model +([\w-]+)", text, re.MULTILINE)[0]
    batch, count = re.findall(r"batches of (\d+).*?([\d,]+) iterations", text)[0]
    minutes = (time.monotonic() - began) / 60
    return [
        model,
        f"{name.replace('_', ' ')} {result:.3f}",
        f"{int(count.replace(',', '')):,} of {batch} images",
        f"{minutes:.1f} min",
    ]


def put_row(page: Path, row: str) -> None:
    """Replace the row of a folder in the page's table."""
    name = row.split("|")[1]
    lines = page.read_text().splitlines()
    places = [number for number, line in enumerate(lines) if line.startswith(f"|{name}|")]
    if len(places) != 1:
        raise SystemExit(f"{page}: has {len(places)} rows of{name}")
    lines[places[0]] = row
    write_whole(page, ("\n".join(lines) + "\n").encode())


SETS = {"shapes": shapes, "digits": digits}
FORMATS = {"yolo": as_yolo, "voc": as_voc, "masks": as_masks}
TITLES = {"yolo": "YOLO", "voc": "Pascal VOC", "masks": "label maps"}


def main() -> None:
    """Train on each, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    choices = [f"{name}-{form}" for name in SETS for form in FORMATS]
    parser.add_argument("runs", nargs="*", metavar="SET-FORMAT", help=f"[{' '.join(choices)}]")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put each row into this page")
    given = parser.parse_args()
    unknown = set(given.runs) - set(choices)
    if unknown:
        parser.error(f"{unknown.pop()}: one of {', '.join(choices)}")
    print("| folder | model | result | iterations | time |\n|---|---|---:|---:|---:|")
    for run in given.runs or choices:
        name, form = run.split("-")
        with tempfile.TemporaryDirectory() as place:
            classes, scenes = SETS[name](Path(place, "source"))
            FORMATS[form](Path(place, run), classes, scenes)
            cells = trained(Path(place, run), Path(place, "run"))
        row = f"| {' | '.join([f'{name} as {TITLES[form]}', *cells])} |"
        print(row, flush=True)
        if given.write:
            put_row(given.write, row)


if __name__ == "__main__":
    main()
