"""COCO JSON in a folder: which images each file is of, and which split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...options.checks import nearest
from ..annotations.check import Checked, check_coco
from ..annotations.document import CocoDocument
from ..annotations.json_files import read_json
from ..annotations.masks import mask_fault
from ..annotations.names import file_name_fault
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
        if isinstance(one, dict) and file_name_fault(one.get("file_name")) is None
    ]
    split = split_of_file(file, folder)
    choices = {file.parent, folder, *(one.parent for one in index.files)}
    choices |= {
        parent for choice in choices for parent in choice.parents if folder in parent.parents
    }

    stems = {one.with_suffix("") for one in index.files}

    def fit(choice: Path) -> tuple[int, int, bool, bool]:
        there = sum((choice / name).is_file() for name in names)
        # Of images with another suffix, what is missing is told best from their own folder.
        alike = sum((choice / name).with_suffix("") in stems for name in names)
        own = split_of(choice.relative_to(folder).parts) if choice != folder else None
        return there, alike, own == split, choice == file.parent

    return max(sorted(choices), key=fit)


def read_coco_folder(folder: Path, files: list[Path]) -> AnnotatedImages:
    """Read the COCO files of a folder, Roboflow's `_annotations.coco.json` among them.

    What :func:`check_coco` finds wrong is among the findings.
    """
    findings = Findings(folder)
    result = AnnotatedImages("COCO", [], [], findings)
    index = ImageIndex(folder)
    documents = {}
    for file in files:
        content = read_json(file)
        images = image_folder(file, content, folder, index)
        checked = check_coco(file, images, content=content)
        findings.include(checked.document.findings)
        if not checked.document.findings.of("error"):
            _take(checked, folder, result)
            documents[file] = checked.document
    if len(documents) == len(files):
        check_together(documents, folder, findings)
    return result


def split_of_file(file: Path, folder: Path) -> str | None:
    """The split that the name of an annotation file tells, or its folders below `folder`.

    >>> split_of_file(Path("pets/valid/_annotations.coco.json"), Path("pets"))
    'val'
    """
    return split_of([file.stem]) or split_of(file.relative_to(folder).parts[:-1])


def check_together(
    documents: Mapping[Path, CocoDocument], folder: Path, findings: Findings
) -> None:
    """Check the files of a folder against each other: splits, and the categories of each.

    Args:
        documents: file -> its content, all of them without an error.
        folder: of the data set.
        findings: receives what is wrong.
    """
    splits = {file: split_of_file(file, folder) for file in documents}
    training = {file for file, split in splits.items() if split == "train"}
    if not training and None not in splits.values():
        there = ", ".join(sorted({split for split in splits.values() if split}))
        findings.error("splits", "", f"no images to train on, only of {there}")
    learnt = {name for file in training for name in _used_names(documents[file])}
    if not any(_used_names(documents[file]) for file in training or documents):
        first = sorted(training or documents)[0]
        findings.error("no objects", "", f"{first} has no objects, and there are no others")
        return
    listed = {name for file in training for name in documents[file].names}
    for file, document in documents.items():
        used = _used_names(document)
        unknown = [name for name in document.names if name in used and name not in listed]
        if training and file not in training and unknown:
            message = (
                f"{file} has objects of {unknown[0]!r}, which is no category of "
                f"{sorted(training)[0]}{nearest(unknown[0], sorted(listed))}"
            )
            findings.error("categories", "", message)
        lost = [name for name in document.names if name in used & listed - learnt]
        if training and file not in training and lost:
            message = f"{file} has objects of {lost[0]!r}, and there are none to learn from"
            findings.warning("never learnt", "", message)


def root_categories(document: CocoDocument) -> set[str]:
    """Names of categories that some exports add above the others, and that no object is of."""
    entries = [one for _, one in document.categories]
    used, above = _used_names(document), {one.get("supercategory") for one in entries}
    tops = {one["name"] for one in entries if one.get("supercategory") == "none"}
    if len(tops) > 1:  # then `none` says nothing
        tops &= above
    return tops - used if len(entries) > 1 else set()


def _used_names(document: CocoDocument) -> set[str]:
    used = {one["category_id"] for _, one in document.annotations}
    return {one["name"] for _, one in document.categories if one["id"] in used}


def _take(checked: Checked, folder: Path, result: AnnotatedImages) -> None:
    document = checked.document
    roots = root_categories(document)
    names = {}
    for _, category in document.categories:
        names[category["id"]] = category["name"]
        if category["name"] in roots:
            result.dropped[f"the root category {category['name']!r}, without objects"] += 1
        elif category["name"] not in result.classes:
            result.classes.append(category["name"])
    file = document.file
    split = split_of_file(file, folder)
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
