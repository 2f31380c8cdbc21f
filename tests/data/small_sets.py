"""Small correct data sets, to be broken in one way at a time."""

import copy
import json
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("cat", "dog")
SIZE = (32, 24)  # width, height


def coco(images: int = 8) -> dict:
    """A correct annotation file: two objects an image, one with polygons, one with run lengths."""
    width, height = SIZE
    content = {
        "images": [
            {"id": n + 1, "file_name": f"{n}.png", "width": width, "height": height}
            for n in range(images)
        ],
        "categories": [{"id": 3, "name": "cat"}, {"id": 5, "name": "dog"}],
        "annotations": [],
    }
    for n in range(images):
        x = 2 + n
        mask = np.zeros((height, width), bool)
        mask[14:22, x : x + 9] = True
        for category, box, segmentation in (
            (3, [x, 3, 8, 6], [[x, 3, x + 8, 3, x + 8, 9, x, 9]]),
            (5, [x, 14, 9, 8], run_lengths(mask)),
        ):
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": n + 1,
                    "category_id": category,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                    "segmentation": segmentation,
                }
            )
    return content


def run_lengths(mask: np.ndarray) -> dict:
    runs, value = [0], False
    for pixel in mask.ravel(order="F"):
        if pixel != value:
            runs.append(0)
            value = bool(pixel)
        runs[-1] += 1
    return {"size": list(mask.shape), "counts": runs}


def write_coco(folder: Path, content: dict | None = None, name: str = "a.json") -> Path:
    """Write images and an annotation file; returns the latter."""
    content = coco() if content is None else content
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(8):
        file = folder / f"{number}.png"
        if not file.exists():
            pixels = np.random.default_rng(number).integers(0, 255, (*SIZE[::-1], 3), np.uint8)
            Image.fromarray(pixels).save(file)
    (folder / name).write_text(json.dumps(content))
    return folder / name


def changed(content: dict, part: str, number: int, **values: object) -> dict:
    """A copy with other values of one entry; a value of `...` removes its key."""
    content = copy.deepcopy(content)
    for key, value in values.items():
        if value is ...:
            del content[part][number][key]
        else:
            content[part][number][key] = value
    return content
