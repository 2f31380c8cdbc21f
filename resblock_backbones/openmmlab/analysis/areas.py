"""Areas of annotated objects, by which COCO sorts them: MMDetection's data sets drop them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...data.annotations.json_files import read_json
from ...data.errors import DatasetError


def areas_of_file(dataset: Any) -> dict[Any, float]:
    """The areas in a COCO annotation file.

    Args:
        dataset: a built data set; of another kind than COCO's it has none.

    Returns:
        Image id, x1, y1, x2, y2 and label -> area, in pixels.
    """
    name, labels = getattr(dataset, "ann_file", None), getattr(dataset, "cat2label", None)
    if not isinstance(name, str) or not name.endswith(".json") or not labels:
        return {}
    try:
        content = read_json(Path(name))
    except DatasetError:  # remote
        return {}
    found = {}
    for one in content.get("annotations", []):
        box, area, label = one.get("bbox"), one.get("area"), labels.get(one.get("category_id"))
        if box is None or area is None or label is None:
            continue
        x, y, width, height = box
        found[(one.get("image_id"), x, y, x + width, y + height, label)] = float(area)
    return found
