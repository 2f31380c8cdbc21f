"""Why a folder is in no format that is known: the nearest thing in it, and what it lacks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..annotations.json_files import read_json, read_text
from ..findings import shown
from .mask_folder import mask_without_an_image

#: Keys of YOLO's `data.yaml` that tell what it is, where its `names` are missing.
YOLO_KEYS = re.compile(r"^(train|val|nc)\s*:", re.MULTILINE)
LARGEST_YAML = 1_000_000


def why_nothing_is_known(folder: Path, others: list[Path]) -> str:
    """One line about a folder without annotations that are known.

    Args:
        folder: of images, perhaps.
        others: its JSON files, none of a known format.
    """
    if others:
        return f"{others[0]}: {why_unknown(others[0])}"
    for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        if file.stat().st_size < LARGEST_YAML and YOLO_KEYS.search(read_text(file)):
            return f"{file}: has no 'names' of classes: names: [cat, dog]"
    numbers = next((one for one in sorted(folder.rglob("*.txt")) if _is_yolo(one)), None)
    if numbers is not None:
        return (
            f"{folder}: {numbers} looks like YOLO's, and there is no data.yaml or classes.txt: "
            "write the classes to classes.txt, one a line"
        )
    table = next(iter(sorted([*folder.rglob("*.csv"), *folder.rglob("*.ndjson")])), None)
    if table is not None:
        return f"{folder}: {table} may hold annotations; tables are not read: export COCO JSON"
    alone = mask_without_an_image(folder)
    if alone is not None:
        return (
            f"{folder}: {alone} looks like a label map, and there is no image of its name: name "
            "both alike, or the map with '_mask' behind the image's name"
        )
    return (
        f"{folder}: no annotations that are known here: COCO JSON, YOLO (data.yaml or "
        "classes.txt), Pascal VOC, LabelMe, CVAT, Label Studio, or folders of images and of "
        "label maps with the same names"
    )


def _is_yolo(file: Path) -> bool:
    """Whether a text file begins with a line of a number and four to six fractions."""
    with file.open("rb") as opened:
        words = opened.readline(1000).split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        return False
    return len(values) >= 5 and values[0] == int(values[0]) and max(values[1:]) <= 1


def _other_format(content: Any) -> str | None:
    """The tool whose JSON it is, of those that are known by their keys alone."""
    if isinstance(content, dict):
        if {"categories", "items"} <= set(content):
            return "Datumaro"
        entries = content.get("_via_img_metadata", content)
        first = next(iter(entries.values()), None) if isinstance(entries, dict) else None
        via = isinstance(first, dict) and {"filename", "regions"} <= set(first)
        return "VIA" if via else None
    first = content[0] if isinstance(content, list) and content else None
    return (
        "CreateML" if isinstance(first, dict) and {"image", "annotations"} <= set(first) else None
    )


def is_half_coco(file: Path) -> bool:
    """Whether a JSON file of no known format has boxes or classes, as COCO's do."""
    content = read_json(file)
    entries = content.get("annotations") if isinstance(content, dict) else None
    first = entries[0] if isinstance(entries, list) and entries else None
    return isinstance(first, dict) and bool({"bbox", "category_id"} & set(first))


def why_unknown(file: Path) -> str:
    """What a JSON file of no known format has."""
    content = read_json(file)
    other = _other_format(content)
    if other is not None:
        return f"annotations of {other}, which are not read here: export them as COCO JSON"
    if isinstance(content, dict) and {"images", "categories"} <= set(content):
        return f"no COCO JSON, its 'images' is {shown(content['images'])}, no list"
    if isinstance(content, dict):
        keys = ", ".join(map(repr, list(content)[:6])) or "nothing"
        return (
            f"no annotations: it has {keys}; COCO's has 'images', 'categories' and 'annotations', "
            "LabelMe's 'shapes'"
        )
    first = content[0] if isinstance(content, list) and content else None
    if isinstance(first, dict) and {"image_id", "score"} <= set(first):
        return "holds predictions (boxes with scores), not annotations with images and categories"
    if isinstance(first, dict) and "data" in first:
        return "tasks of Label Studio without 'annotations': label them, and export as JSON"
    return f"no annotations: its top is a {type(content).__name__}"
