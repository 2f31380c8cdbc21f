"""COCO JSON in a folder: which images each file is of, and which split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..annotations.check import Checked, check_coco
from ..annotations.json_files import read_json
from ..annotations.masks import mask_fault
from ..findings import Findings
from .dataset import AnnotatedImage, AnnotatedImages, ImageIndex, ObjectOf, split_of


def image_folder(file: Path, content: Any, folder: Path, index: ImageIndex) -> Path:
    """The folder from which the file names of an annotation file begin.

    Args:
        file: the annotation file.
        content: of it.
        folder: of the data set.
        index: its images.

    Returns:
        The one below which most of its images are; the file's own where none is.
    """
    entries = content.get("images") if isinstance(content, dict) else None
    names = [
        one["file_name"]
        for one in (entries if isinstance(entries, list) else [])[:50]
        if isinstance(one, dict) and isinstance(one.get("file_name"), str)
    ]
    split = split_of([file.stem]) or split_of(file.relative_to(folder).parts[:-1])
    choices = {file.parent, folder, *(one.parent for one in index.files)}
    choices |= {
        parent for choice in choices for parent in choice.parents if folder in parent.parents
    }

    def fit(choice: Path) -> tuple[int, bool, bool]:
        there = sum((choice / name).is_file() for name in names)
        own = split_of(choice.relative_to(folder).parts) if choice != folder else None
        return there, own == split, choice == file.parent

    return max(sorted(choices), key=fit)


def read_coco_folder(folder: Path, files: list[Path]) -> AnnotatedImages:
    """Read the COCO files of a folder, Roboflow's `_annotations.coco.json` among them.

    What :func:`check_coco` finds wrong is among the findings.
    """
    findings = Findings(folder)
    result = AnnotatedImages("COCO", [], [], findings)
    index = ImageIndex(folder)
    for file in files:
        content = read_json(file)
        images = image_folder(file, content, folder, index)
        checked = check_coco(file, images, content=content)
        findings.include(checked.document.findings)
        if not checked.document.findings.of("error"):
            _take(checked, folder, result)
    return result


def _take(checked: Checked, folder: Path, result: AnnotatedImages) -> None:
    document = checked.document
    used = {one["category_id"] for _, one in document.annotations}
    names = {}
    for _, category in document.categories:
        names[category["id"]] = category["name"]
        # Some exports add a root that no object is of.
        if category["id"] not in used and category.get("supercategory") == "none":
            result.dropped[f"the root category {category['name']!r}, without objects"] += 1
        elif category["name"] not in result.classes:
            result.classes.append(category["name"])
    file = document.file
    split = split_of([file.stem]) or split_of(file.relative_to(folder).parts[:-1])
    images = {}
    for _, one in document.images:
        image = checked.files[one["id"]]
        images[one["id"]] = AnnotatedImage(image, one["width"], one["height"], [], split)
    for _, one in document.annotations:
        image_of = images[one["image_id"]]
        if one.get("ignore"):
            result.dropped["objects marked with 'ignore'"] += 1
            continue
        mask = one.get("segmentation")
        fault = mask_fault(mask, image_of.height, image_of.width)
        if fault is not None and mask:
            result.dropped["broken masks: their boxes are taken"] += 1
        image_of.objects.append(
            ObjectOf(
                names[one["category_id"]],
                tuple(one["bbox"]),
                None if fault is not None else mask,
                bool(one["iscrowd"]),
            )
        )
    result.images += images.values()
