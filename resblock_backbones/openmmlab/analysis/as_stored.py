"""Objects as an annotation file has them, also where a data set would drop or misread them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...analysis.ground_truth import GroundTruth
from ...data.annotations.document import read_document
from ...data.annotations.values import is_box
from ...data.errors import DatasetError
from ..datasets.coco_data import classes_of


def objects_as_stored(
    dataset: Mapping[str, Any], errors: Sequence[str] | None
) -> dict[str, GroundTruth]:
    """The boxes of an annotation file by the name of the image, where the file has errors.

    MMDetection leaves out boxes that are narrower than a pixel, such as all of those that are
    written as fractions of the image.

    Args:
        dataset: of a config.
        errors: lines about it; without any the data set itself tells what is stored.
    """
    name = dataset.get("ann_file")
    if not isinstance(name, str) or not name.endswith(".json"):
        return {}
    file = Path(dataset.get("data_root") or "", name)
    if not any(line.startswith(str(file)) for line in errors or ()):
        return {}
    try:
        document = read_document(file)
    except DatasetError:
        return {}
    classes = list(
        classes_of((dataset.get("metainfo") or {}).get("classes"), document.names, "classes")
    )
    names = {one["id"]: one["name"] for _, one in document.categories}
    found: dict[Any, list[tuple[list[float], int, bool]]] = {}
    for _, entry in document.annotations:
        if is_box(entry.get("bbox")) and names[entry["category_id"]] in classes:
            x, y, width, height = entry["bbox"]
            label = classes.index(names[entry["category_id"]])
            box = [x, y, x + width, y + height]
            found.setdefault(entry["image_id"], []).append((box, label, bool(entry.get("iscrowd"))))
    stored = {}
    for _, image in document.images:
        rows = found.get(image["id"], [])
        image_name = Path(str(image["file_name"])).name
        stored[image_name] = GroundTruth(
            image_name,
            (image.get("width") or 0, image.get("height") or 0),
            boxes=np.array([row[0] for row in rows], float).reshape(-1, 4),
            labels=np.array([row[1] for row in rows], int),
            ignored=np.array([row[2] for row in rows], bool),
        )
    return stored
