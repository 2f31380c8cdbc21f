"""Say what is wrong with a COCO annotation file.

MMDetection gives a data set without a single box when the names of the classes do not match, and
a KeyError deep inside pycocotools when the file is some other JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...data.annotations.json_files import read_json
from ...data.errors import DatasetError

#: What MMDetection reads of each entry.
NEEDED = {
    "images": ("id", "file_name", "width", "height"),
    "annotations": ("image_id", "category_id", "bbox", "area"),
    "categories": ("id", "name"),
}


@dataclass(frozen=True)
class CocoContents:
    """What a run needs to know of an annotation file."""

    file_names: tuple[str, ...]
    categories: tuple[str, ...]


def read_coco(file: Path) -> CocoContents:
    """Read an annotation file and check that it is what MMDetection's `CocoDataset` takes.

    Raises:
        DatasetError: it is no JSON, no COCO, or refers to something that is not in it.
    """
    content = read_json(file)
    if not isinstance(content, dict):
        raise DatasetError(f"{file}: no COCO JSON, its top is a {type(content).__name__}")
    for part, keys in NEEDED.items():
        entries = content.get(part)
        if not isinstance(entries, list):
            has = ", ".join(map(repr, list(content)[:5])) or "nothing"
            raise DatasetError(f"{file}: no COCO JSON, it has no list {part!r} (it has {has})")
        _check_entries(file, part, entries, keys)
    if not content["images"]:
        raise DatasetError(f"{file}: 'images' is empty")
    _check_references(file, content)
    return CocoContents(
        file_names=tuple(str(image["file_name"]) for image in content["images"]),
        categories=tuple(str(category["name"]) for category in content["categories"]),
    )


def check_classes(
    file: Path, categories: Sequence[str], classes: Sequence[str], key: str
) -> list[str]:
    """Check that every class of the config is in the annotation file.

    Args:
        file: the annotation file.
        categories: what it has, in its order.
        classes: what the config has.
        key: where the classes stand in the config.

    Returns:
        A warning, where the order differs: MMDetection numbers the classes in the file's order.

    Raises:
        DatasetError: names what is missing, and what the file has.

    >>> check_classes(Path("a.json"), ["circle"], ["disk"], "train_dataloader.dataset")
    Traceback (most recent call last):
        ...
    resblock_backbones.data.errors.DatasetError: train_dataloader.dataset.metainfo.classes: \
a.json has no category 'disk'; it has 'circle'
    """
    missing = [name for name in classes if name not in categories]
    if missing:
        also = f" (and {len(missing) - 1} more of {len(classes)})" if len(missing) > 1 else ""
        has = ", ".join(map(repr, categories[:10])) + (", ..." if len(categories) > 10 else "")
        raise DatasetError(
            f"{key}.metainfo.classes: {file} has no category {missing[0]!r}{also}; "
            f"it has {has or 'none'}"
        )
    in_file = [name for name in categories if name in classes]
    if in_file == list(classes):
        return []
    return [
        f"{key}.metainfo.classes is in another order than the categories of {file}; MMDetection "
        f"numbers them as the file does, so images will show wrong names: write {in_file}"
    ]


def _check_entries(file: Path, part: str, entries: list, keys: Sequence[str]) -> None:
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise DatasetError(f"{file}: {part}[{number}] is a {type(entry).__name__}, no object")
        for key in keys:
            if key not in entry:
                raise DatasetError(f"{file}: {part}[{number}] has no {key!r}")


def _check_references(file: Path, content: Mapping[str, Any]) -> None:
    images = {image["id"] for image in content["images"]}
    categories = {category["id"] for category in content["categories"]}
    for number, annotation in enumerate(content["annotations"]):
        if annotation["image_id"] not in images:
            raise DatasetError(
                f"{file}: annotations[{number}] is of image {annotation['image_id']!r}, which is "
                "not among 'images'"
            )
        if annotation["category_id"] not in categories:
            raise DatasetError(
                f"{file}: annotations[{number}] is of category {annotation['category_id']!r}, "
                "which is not among 'categories'"
            )
        box = annotation["bbox"]
        if not isinstance(box, list) or len(box) != 4:
            raise DatasetError(
                f"{file}: annotations[{number}]['bbox'] is {box!r}, not [x, y, width, height]"
            )
