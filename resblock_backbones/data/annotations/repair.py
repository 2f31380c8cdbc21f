"""Repairs of a COCO file that are certain: ids, names of files, broken parts of masks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PureWindowsPath
from typing import Any

from ..findings import Findings
from .masks import mask_fault, outline
from .names import file_name_fault
from .values import id_fault, is_box


def repair(content: dict[str, Any], images: Path, findings: Findings) -> None:
    """Mend the content of a COCO file in place; what is done becomes notes.

    Args:
        content: as it was read.
        images: the folder that its file names begin from.
        findings: receives the notes.
    """
    _repair_names(content, images, findings)
    _drop_unused_namesakes(content, findings)
    annotations = [one for one in content.get("annotations") or [] if isinstance(one, dict)]
    _number(annotations, findings)
    sizes = {
        one["id"]: (one.get("height"), one.get("width"))
        for one in content.get("images") or []
        if isinstance(one, dict) and id_fault(one.get("id")) is None
    }
    for number, one in enumerate(annotations):
        _repair_mask(one, number, findings)
        _box_from_mask(one, number, sizes, findings)


def _repair_names(content: dict[str, Any], images: Path, findings: Findings) -> None:
    for number, one in enumerate(content.get("images") or []):
        name: Any = one.get("file_name") if isinstance(one, dict) else None
        if file_name_fault(name) is not None or "\\" not in name or (images / name).is_file():
            continue
        posix = PureWindowsPath(name).as_posix()
        if (images / posix).is_file():
            one["file_name"] = posix
            findings.note("backslashes", f"images[{number}]", f"{name!r}: written as {posix!r}")


def _drop_unused_namesakes(content: dict[str, Any], findings: Findings) -> None:
    """Of two categories of one name, the one that no object is of."""
    categories = [one for one in content.get("categories") or [] if isinstance(one, dict)]
    names = Counter(one["name"] for one in categories if isinstance(one.get("name"), str))
    used = {
        one["category_id"]
        for one in content.get("annotations") or []
        if isinstance(one, dict) and id_fault(one.get("category_id")) is None
    }
    for one in categories:
        name, key = one.get("name"), one.get("id")
        if isinstance(name, str) and names[name] > 1 and not id_fault(key) and key not in used:
            content["categories"].remove(one)
            names[name] -= 1
            message = f"category {name!r} with id {key}, without objects: dropped"
            findings.note("namesake", "", message)


def _number(annotations: list[dict[str, Any]], findings: Findings) -> None:
    ids = [one.get("id") for one in annotations]
    good = [one for one in ids if id_fault(one) is None]
    if len(set(good)) == len(annotations):
        return
    for number, one in enumerate(annotations, start=1):
        one["id"] = number
    findings.note("repair ids", "", "annotation ids are missing or repeated: numbered from 1")


def _repair_mask(one: dict[str, Any], number: int, findings: Findings) -> None:
    """Leave out the polygons of an object that are none, where it has others."""
    mask = one.get("segmentation")
    if not isinstance(mask, list) or not any(isinstance(part, list) for part in mask):
        return
    good = [part for part in mask if mask_fault([part], 0, 0) is None]
    if good and len(good) < len(mask):
        one["segmentation"] = good
        place = f"annotations[{number}]"
        findings.note("polygons", place, "polygons of fewer than 3 points left out")


def _box_from_mask(
    one: dict[str, Any], number: int, sizes: dict[Any, Any], findings: Findings
) -> None:
    key = one.get("image_id")
    if is_box(one.get("bbox")) or id_fault(key) is not None or key not in sizes:
        return
    height, width = sizes[key]
    if mask_fault(one.get("segmentation"), height, width) is None:
        found = outline(one["segmentation"])
        if found is not None:
            left, top, right, bottom = found.box
            one["bbox"] = [left, top, right - left, bottom - top]
            findings.note("box", f"annotations[{number}]", "its 'bbox' is taken from its mask")
