"""Every value of an object that a loader or an evaluator reads: id, box, area, crowd, mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..findings import shown
from .document import CocoDocument, Entry, place_of
from .masks import Outline, mask_fault, outline
from .values import box_fault, id_fault, is_box, number_fault

#: An area may exceed that of its box by the pixels at the border, not by half.
AREA_TO_BOX = 1.5
#: A box and the bounds of its mask that share less of their union are of two objects.
LEAST_OVERLAP = 0.5


def check_objects(document: CocoDocument, *, masks: bool) -> None:
    """Check the values of all objects.

    Args:
        document: receives the findings; areas, crowds and ids that are certain are filled in.
        masks: whether masks are read.
    """
    images = {one["id"]: one for _, one in document.images}
    _check_ids(document)
    _check_copies(document)
    for number, entry in document.annotations:
        place = place_of("annotations", number, entry)
        fault = "has no 'bbox'" if "bbox" not in entry else box_fault(entry["bbox"])
        if fault is not None:
            document.findings.error("bbox", place, fault)
        _check_crowd(document, entry, place)
        _check_area(document, entry, place, box_is_good=fault is None)
        if masks:
            _check_mask(document, entry, place, images[entry["image_id"]], fault is None)


def _check_ids(document: CocoDocument) -> None:
    """Annotation ids have to differ; 0, text and negative ones are numbered anew.

    pycocotools keeps the id of the object that a detection matches, and takes 0 for none.
    """
    seen: dict[Any, int] = {}
    anew = False
    for number, entry in document.annotations:
        value: Any = entry.get("id")
        if "id" not in entry:
            message = "has no 'id'; `resblock check --fix OUT` numbers them"
            document.findings.error("no id", f"annotations[{number}]", message)
            continue
        fault = id_fault(value)
        if fault is not None:
            document.findings.error("id", f"annotations[{number}]", f"its 'id' {fault}")
            continue
        if value in seen:
            document.findings.error(
                "repeated id",
                f"annotations[{number}]",
                f"has the id {shown(value)} of annotations[{seen[value]}]; every id has to be "
                "unique: `resblock check --fix OUT` numbers them anew",
            )
        seen.setdefault(value, number)
        # Larger ones lose digits in the floats in which pycocotools keeps them.
        anew |= isinstance(value, str) or not 0 < value < 2**53
    if anew and not document.findings.of("error"):
        for index, (_, entry) in enumerate(document.annotations, start=1):
            entry["id"] = index
        message = "annotation ids that evaluation cannot use (0, negative, text): numbered from 1"
        document.findings.note("ids", "", message)


def _check_copies(document: CocoDocument) -> None:
    """One object that stands twice is counted twice, and missed once."""
    seen: dict[Any, int] = {}
    for number, entry in document.annotations:
        if not is_box(entry.get("bbox")):
            continue
        key = (entry["image_id"], entry["category_id"], *entry["bbox"])
        if key in seen:
            place = place_of("annotations", number, entry)
            message = f"has image, category and box of annotations[{seen[key]}]: one object twice?"
            document.findings.warning("copies", place, message)
        seen.setdefault(key, number)


def _check_crowd(document: CocoDocument, entry: Entry, place: str) -> None:
    for key in ("iscrowd", "ignore"):
        value = entry.get(key)
        if value is None:
            entry.pop(key, None)
            if key == "iscrowd":
                entry[key] = 0
                document.findings.note("iscrowd", place, "has no 'iscrowd': 0 is taken")
        elif not isinstance(value, int | float) or value not in (0, 1):
            message = f"its {key!r} is {shown(value)}, neither 0 nor 1"
            document.findings.error(key, place, message)
        else:
            entry[key] = int(value)


def _check_area(document: CocoDocument, entry: Entry, place: str, box_is_good: bool) -> None:
    value = entry.get("area")
    fault = None if value is None else number_fault(value)
    if fault is None and value is not None and value < 0:
        fault = f"is {value}, negative"
    if fault is not None:
        document.findings.error("area", place, f"its 'area' {fault}")
        return
    if not box_is_good:
        return
    of_box = entry["bbox"][2] * entry["bbox"][3]
    if not value:
        if value is None or of_box > 0:
            entry["area"] = of_box
            what = "has no 'area'" if value is None else "its 'area' is 0"
            document.findings.note("area", place, f"{what}: that of its box is taken")
    elif value > AREA_TO_BOX * of_box + 4:
        message = f"its 'area' is {value:g}, that of its box {of_box:g}"
        document.findings.warning("area and box", place, message)


def _check_mask(
    document: CocoDocument,
    entry: Entry,
    place: str,
    image: Mapping[str, Any],
    box_is_good: bool,
) -> None:
    if "segmentation" not in entry:
        document.findings.error("no mask", place, "has no 'segmentation', and masks are learnt")
        return
    if number_fault(image.get("height")) or number_fault(image.get("width")):
        return
    fault = mask_fault(entry["segmentation"], image["height"], image["width"])
    if fault is not None:
        document.findings.error("mask", place, f"its 'segmentation' {fault}")
        return
    found = outline(entry["segmentation"])
    if found is None or found.area <= 0:
        document.findings.warning("empty mask", place, "its 'segmentation' covers no pixel")
    elif box_is_good:
        _compare(document, entry, place, found)


def _compare(document: CocoDocument, entry: Entry, place: str, found: Outline) -> None:
    x, y, width, height = entry["bbox"]
    left, top, right, bottom = found.box
    across = max(0.0, min(x + width, right) - max(x, left))
    down = max(0.0, min(y + height, bottom) - max(y, top))
    both = width * height + (right - left) * (bottom - top) - across * down
    # One pixel more or less is a matter of how pixels are counted.
    slack = max(abs(x - left), abs(y - top), abs(x + width - right), abs(y + height - bottom))
    if slack > 2 and across * down < LEAST_OVERLAP * both:
        bounds = [round(value, 1) for value in (left, top, right - left, bottom - top)]
        document.findings.warning(
            "mask and box", place, f"its 'bbox' is {entry['bbox']}, that of its mask {bounds}"
        )
